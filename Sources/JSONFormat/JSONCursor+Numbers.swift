extension JSONCursor {
    /// Passes a number of any size.
    @inlinable package mutating func readNumber(in bytes: RawSpan) throws(JSONError) -> JSONNumberRange {
        skipSpace(in: bytes)
        let start = at
        if peek(in: bytes) == UInt8(ascii: "-") { at &+= 1 }
        if peek(in: bytes) == UInt8(ascii: "0"), !allowsLeadingZeros { at &+= 1 } else { try passDigits(in: bytes) }
        var isInteger = true
        if peek(in: bytes) == UInt8(ascii: ".") {
            at &+= 1
            isInteger = false
            try passDigits(in: bytes)
        }
        if peek(in: bytes) | 0x20 == UInt8(ascii: "e") {
            at &+= 1
            isInteger = false
            if peek(in: bytes) == UInt8(ascii: "+") || peek(in: bytes) == UInt8(ascii: "-") { at &+= 1 }
            try passDigits(in: bytes)
        }
        return JSONNumberRange(start: start, end: at, isInteger: isInteger)
    }

    @inlinable @inline(__always) mutating func passDigits(in bytes: RawSpan) throws(JSONError) {
        let start = at
        while 0x30...0x39 ~= peek(in: bytes) { at &+= 1 }
        if at == start { throw unexpected("a digit", in: bytes) }
    }

    /// Passes a number whose value is a 64-bit integer; 1.0 and 1e3 are none here.
    ///
    /// - Throws: `.mismatch` for a fraction, an exponent or too many digits.
    @inlinable package mutating func readInt64(in bytes: RawSpan) throws(JSONError) -> Int64 {
        let start = at
        let range = try readNumber(in: bytes)
        if let value = Self.int64(range, in: bytes) { return value }
        at = start
        throw JSONError(.mismatch, "expected a 64-bit integer", at: range.start, in: bytes)
    }

    /// Passes a number as the nearest double; what is too large becomes infinite.
    @inlinable package mutating func readDouble(in bytes: RawSpan) throws(JSONError) -> Double {
        Self.double(try readNumber(in: bytes), in: bytes)
    }

    /// The value of an integer; nil when it does not fit or is written as a fraction.
    @inlinable package static func int64(_ range: JSONNumberRange, in bytes: RawSpan) -> Int64? {
        guard range.isInteger, range.start < range.end, range.end <= bytes.byteCount else { return nil }
        var at = range.start
        let isNegative = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self) == UInt8(ascii: "-")
        if isNegative { at &+= 1 }
        guard range.end &- at <= 19 else { return nil }
        var value: UInt64 = 0  // 19 digits fit
        while at < range.end {
            value = value &* 10 &+ UInt64(bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self) &- 0x30)
            at &+= 1
        }
        if isNegative { return value <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- value) : nil }
        return Int64(exactly: value)
    }

    /// The double that is nearest to a number.
    @inlinable package static func double(_ range: JSONNumberRange, in bytes: RawSpan) -> Double {
        guard range.start < range.end, range.end <= bytes.byteCount else { return .nan }
        var at = range.start
        let isNegative = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self) == UInt8(ascii: "-")
        if isNegative { at &+= 1 }
        var digits: UInt64 = 0
        var digitCount = 0
        var exponent = 0
        var isFraction = false
        while at < range.end {
            let byte = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)
            if byte == UInt8(ascii: ".") {
                isFraction = true
            } else if 0x30...0x39 ~= byte {
                if digits != 0 || byte != 0x30 { digitCount &+= 1 }
                digits = digits &* 10 &+ UInt64(byte &- 0x30)
                if isFraction { exponent &-= 1 }
            } else {
                break  // the exponent
            }
            at &+= 1
        }
        if at < range.end {
            at &+= 1
            var sign = 1
            switch bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self) {
            case UInt8(ascii: "-"):
                sign = -1
                at &+= 1
            case UInt8(ascii: "+"): at &+= 1
            default: break
            }
            var written = 0
            while at < range.end {
                written = min(
                    written &* 10 &+ Int(bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self) &- 0x30), 99_999)
                at &+= 1
            }
            exponent &+= sign &* written
        }
        // Clinger's fast path: both factors are exact doubles, so one rounding is all.
        guard digitCount <= 19, digits <= 1 << 53, -22...22 ~= exponent else { return slowDouble(range, in: bytes) }
        let magnitude = Double(digits)
        let value = exponent < 0 ? magnitude / tenTo[-exponent] : magnitude * tenTo[exponent]
        return isNegative ? -value : value
    }

    @usableFromInline static let tenTo: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    @usableFromInline static func slowDouble(_ range: JSONNumberRange, in bytes: RawSpan) -> Double {
        bytes.extracting(range.start..<range.end).withUnsafeBytes { text in
            Double(String(decoding: text, as: UTF8.self)) ?? .nan  // the grammar of JSON is a part of Swift's
        }
    }
}
