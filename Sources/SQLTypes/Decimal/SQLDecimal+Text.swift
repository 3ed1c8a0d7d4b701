extension SQLDecimal: CustomStringConvertible {
    /// Reads "1.50", "-.5", "5.", "1e3": what Java's `new BigDecimal(String)` reads.
    ///
    /// - Throws: `.invalidText`; also for exponents and texts beyond `digitsMax`.
    package init(_ text: some StringProtocol) throws(SQLTypesError) {
        guard let value = Self.parse(Array(text.utf8)) else {
            throw SQLTypesError(.invalidText, "\"\(text)\" is no decimal number")
        }
        self = value
    }

    /// nil for what is no number.
    package init?(utf8 text: [UInt8]) {
        guard let value = Self.parse(text) else { return nil }
        self = value
    }

    private static func parse(_ text: [UInt8]) -> Self? {
        var at = 0
        var isNegative = false
        if let first = text.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            isNegative = first == UInt8(ascii: "-")
            at = 1
        }
        var digits: [UInt8] = []
        digits.reserveCapacity(text.count)
        var scale = 0
        var hasPoint = false
        while at < text.count {
            let byte = text[at]
            if 0x30...0x39 ~= byte {
                digits.append(byte)
                if hasPoint { scale += 1 }
            } else if byte == UInt8(ascii: "."), !hasPoint {
                hasPoint = true
            } else {
                break
            }
            at += 1
        }
        guard !digits.isEmpty, digits.count <= digitsMax else { return nil }
        if at < text.count {
            guard text[at] == UInt8(ascii: "e") || text[at] == UInt8(ascii: "E"),
                let rest = String(validating: text[(at + 1)...], as: UTF8.self), let exponent = Int32(rest),
                abs(Int(exponent) - scale) <= digitsMax
            else { return nil }
            scale -= Int(exponent)
        }
        if digits.count <= 18 {
            let magnitude = digits.reduce(Int64(0)) { $0 * 10 + Int64($1 - 0x30) }
            return Self(unscaled: isNegative ? -magnitude : magnitude, scale: scale)
        }
        return BigInteger(digits: digits, isNegative: isNegative).map { Self($0, scale: scale) }
    }

    private var digits: [UInt8] {
        unscaledInt64.map { Array(String($0.magnitude).utf8) } ?? integer.digits
    }

    /// Without an exponent, whatever the scale: Java's `toPlainString`.
    package var plainText: String {
        var output: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
        let digits = digits
        if scale <= 0 {
            output += digits
            if !isZero { output += [UInt8](repeating: 0x30, count: -scale) }
        } else if digits.count > scale {
            output += digits[..<(digits.count - scale)]
            output.append(UInt8(ascii: "."))
            output += digits[(digits.count - scale)...]
        } else {
            output += "0.".utf8
            output += [UInt8](repeating: 0x30, count: scale - digits.count)
            output += digits
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// Java's `toString`: with an exponent when the scale is negative or the number small.
    package var description: String {
        let digits = digits
        let adjusted = digits.count - 1 - scale
        if scale >= 0, adjusted >= -6 { return plainText }
        var output: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
        output.append(digits[0])
        if digits.count > 1 {
            output.append(UInt8(ascii: "."))
            output += digits[1...]
        }
        output += "E\(adjusted > 0 ? "+" : "")\(adjusted)".utf8
        return String(decoding: output, as: UTF8.self)
    }
}
