import Bytes

/// Parquet's RLE/bit-packing hybrid for levels and places in a dictionary.
///
/// | run | header (varint) | bytes |
/// |---|---|---|
/// | of one value | count << 1 | the value in as many bytes as its width needs |
/// | packed | groups of 8 values << 1, + 1 | the values, lowest bits first |
///
/// - SeeAlso: Parquet format, "Run Length Encoding / Bit-Packing Hybrid".
enum HybridRuns {
    /// Bits that the largest value needs.
    static func width<Value: FixedWidthInteger>(_ max: Value) -> Int { Value.bitWidth - max.leadingZeroBitCount }

    static func append<Value: FixedWidthInteger & UnsignedInteger>(
        _ values: ArraySlice<Value>, width: Int, to output: inout [UInt8]
    ) {
        var at = values.startIndex
        /// Where the values begin that are to be packed; a multiple of 8 of them, but at the end.
        var packed = at
        while at < values.endIndex {
            let value = values[at]
            var end = at + 1
            while end < values.endIndex, values[end] == value { end += 1 }
            // What is missing to a whole group is taken from the run.
            let missing = (8 - (at - packed) % 8) % 8
            if end - at - missing >= 8 {
                let start = at + missing
                pack(values[packed..<start], width, &output)
                Varint.append(unsigned: UInt64(end - start) << 1, to: &output)
                var rest = UInt64(value)
                for _ in 0..<(width + 7) / 8 {
                    output.append(UInt8(truncatingIfNeeded: rest))
                    rest >>= 8
                }
                packed = end
            }
            at = end
        }
        pack(values[packed...], width, &output)
    }

    private static func pack<Value: FixedWidthInteger & UnsignedInteger>(
        _ values: ArraySlice<Value>, _ width: Int, _ output: inout [UInt8]
    ) {
        guard !values.isEmpty else { return }
        let groups = (values.count + 7) / 8
        Varint.append(unsigned: UInt64(groups) << 1 | 1, to: &output)
        var bits: UInt64 = 0
        var count = 0
        func take(_ value: UInt64) {
            bits |= value << UInt64(count)
            count += width
            while count >= 8 {
                output.append(UInt8(truncatingIfNeeded: bits))
                bits >>= 8
                count -= 8
            }
        }
        for value in values { take(UInt64(value)) }
        for _ in values.count..<groups * 8 { take(0) }
    }
}
