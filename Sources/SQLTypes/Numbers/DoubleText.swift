/// The text of a DOUBLE as Java 17's `Double.toString` writes it.
///
/// | value                    | text                                  |
/// |--------------------------|---------------------------------------|
/// | 1e-3 <= x < 1e7          | plain, at least one digit after the point |
/// | others                   | one digit, point, digits, `E`, exponent |
///
/// The digits are those that Java before 19 finds, which are not always the fewest: 2.0E-44 has one more there.
package enum DoubleText {
    /// No text is longer.
    package static let byteCountMax = 32

    package static func text(_ value: Double) -> String {
        String(unsafeUninitializedCapacity: byteCountMax) { buffer in
            buffer.baseAddress.map { write(value, to: $0) } ?? 0
        }
    }

    package static func append(_ value: Double, to output: inout [UInt8]) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: byteCountMax) { buffer in
            guard let start = buffer.baseAddress else { return }
            output.append(contentsOf: UnsafeBufferPointer(start: start, count: write(value, to: start)))
        }
    }

    /// - Parameter target: has room for `byteCountMax` bytes.
    /// - Returns: the bytes that were written.
    package static func write(_ value: Double, to target: UnsafeMutablePointer<UInt8>) -> Int {
        if value.isNaN { return copy("NaN", to: target) }
        var at = target
        if value.sign == .minus {
            at.pointee = UInt8(ascii: "-")
            at += 1
        }
        let sign = at - target
        if value.isInfinite { return sign + copy("Infinity", to: at) }
        let magnitude = value.magnitude
        if magnitude < 1e7, let integer = UInt32(exactly: magnitude) {
            let count = writeWhole(integer, to: at)
            return sign + count + copy(".0", to: at + count)
        }
        return sign
            + withUnsafeTemporaryAllocation(of: UInt8.self, capacity: JavaDigits.countMax) { buffer in
                guard let start = buffer.baseAddress else { return 0 }
                var digits = JavaDigits(start)
                digits.find(magnitude)
                return write(UnsafePointer(start), digits.count, exponent: digits.exponent, to: at)
            }
    }

    @inline(__always)
    private static func copy(_ text: StaticString, to target: UnsafeMutablePointer<UInt8>) -> Int {
        for index in 0..<text.utf8CodeUnitCount { target[index] = text.utf8Start[index] }
        return text.utf8CodeUnitCount
    }

    private static func writeWhole(_ value: UInt32, to target: UnsafeMutablePointer<UInt8>) -> Int {
        var count = 1
        var limit: UInt32 = 10
        while value >= limit, count < 9 {
            limit &*= 10
            count &+= 1
        }
        var rest = value
        for place in stride(from: count &- 1, through: 0, by: -1) {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            target[place] = 0x30 &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        }
        return count
    }

    /// `digits` is 0.d1d2d3... · 10^`exponent`.
    private static func write(
        _ digits: UnsafePointer<UInt8>, _ digitCount: Int, exponent: Int, to target: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var at = target
        @inline(__always) func put(_ byte: UInt8) {
            at.pointee = byte
            at += 1
        }
        @inline(__always) func put(_ range: Range<Int>) {
            for index in range { put(digits[index]) }
        }
        if 0 < exponent, exponent < 8 {
            let whole = min(digitCount, exponent)
            put(0..<whole)
            for _ in whole..<exponent { put(0x30) }
            put(UInt8(ascii: "."))
            if whole < digitCount { put(whole..<digitCount) } else { put(0x30) }
        } else if exponent <= 0, exponent > -3 {
            put(0x30)
            put(UInt8(ascii: "."))
            for _ in exponent..<0 { put(0x30) }
            put(0..<digitCount)
        } else {
            put(digits[0])
            put(UInt8(ascii: "."))
            if digitCount > 1 { put(1..<digitCount) } else { put(0x30) }
            put(UInt8(ascii: "E"))
            if exponent < 1 { put(UInt8(ascii: "-")) }
            at += writeWhole(UInt32(truncatingIfNeeded: (exponent - 1).magnitude), to: at)
        }
        return at - target
    }
}
