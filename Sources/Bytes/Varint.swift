/// Variable-length integers of Kafka's record format and flexible messages (Protocol Buffers base-128, KIP-482).
///
/// Every reader moves `at` past the value and throws `WireError.truncated` when the bytes end inside it,
/// `.corrupt` when the value is longer than its type allows.
package enum Varint {
    /// Unsigned, at most 5 bytes: lengths, tags and counts of flexible messages.
    @inlinable package static func readUnsigned(
        _ bytes: borrowing RawSpan, at: inout Int
    ) throws(WireError) -> UInt32 {
        guard at < bytes.byteCount else { throw .truncated }
        let first = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // bound checked on the line above
        at &+= 1
        if first < 0x80 { return UInt32(first) }
        var value = UInt32(first & 0x7F)
        var shift: UInt32 = 7
        while shift < 35 {
            guard at < bytes.byteCount else { throw .truncated }
            let byte = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // bound checked on the line above
            at &+= 1
            value |= UInt32(byte & 0x7F) &<< shift
            if byte < 0x80 { return value }
            shift &+= 7
        }
        throw .corrupt("unsigned varint longer than 5 bytes")
    }

    /// Zig-zag, at most 10 bytes: timestamp deltas of records.
    @inlinable package static func readLong(_ bytes: borrowing RawSpan, at: inout Int) throws(WireError) -> Int64 {
        guard at < bytes.byteCount else { throw .truncated }
        let first = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // bound checked on the line above
        at &+= 1
        var value = UInt64(first & 0x7F)
        if first < 0x80 { return Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1) }
        var shift: UInt64 = 7
        while shift < 70 {
            guard at < bytes.byteCount else { throw .truncated }
            let byte = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // bound checked on the line above
            at &+= 1
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 { return Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1) }
            shift &+= 7
        }
        throw .corrupt("varlong longer than 10 bytes")
    }

    /// Zig-zag, at most 5 bytes: lengths and offset deltas of records.
    @inlinable package static func readInt(_ bytes: borrowing RawSpan, at: inout Int) throws(WireError) -> Int32 {
        let value = try readUnsigned(bytes, at: &at)
        return Int32(bitPattern: value &>> 1) ^ -Int32(bitPattern: value & 1)
    }

    /// Appends `value` in base 128, least significant group first.
    @inlinable package static func append(unsigned value: UInt64, to output: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        output.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Appends `value` zig-zag encoded.
    @inlinable package static func append(_ value: Int64, to output: inout [UInt8]) {
        append(unsigned: UInt64(bitPattern: (value &<< 1) ^ (value &>> 63)), to: &output)
    }

    /// Bytes that the zig-zag encoding of `value` takes: 1...10.
    @inlinable package static func byteCount(_ value: Int64) -> Int {
        byteCount(unsigned: UInt64(bitPattern: (value &<< 1) ^ (value &>> 63)))
    }

    /// Bytes that the base-128 encoding of `value` takes: 1...10.
    @inlinable package static func byteCount(unsigned value: UInt64) -> Int {
        (70 &- (value | 1).leadingZeroBitCount) / 7
    }
}
