/// A constant as it is written.
package enum Literal: Hashable, Sendable {
    case null
    case boolean(Bool)
    /// A whole number that fits INTEGER.
    case integer(Int32)
    /// A whole number that only fits BIGINT.
    case bigint(Int64)
    /// A number with a point and without exponent: optional `-`, digits, a point, digits or none. Precision and scale of the
    /// DECIMAL are those of the digits.
    case decimal(String)
    /// A number with an exponent; finite.
    case double(Double)
    case string(String)
    /// A reference `${name}` that nothing was put in for yet.
    case variable(String)

    /// As SQL; ksqlDB's own form.
    package var sql: String {
        switch self {
        case .null: "null"
        case .boolean(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .bigint(let value): String(value)
        case .decimal(let digits): digits
        case .double(let value): Self.scientific(value)
        case .string(let text): Self.quote(text)
        case .variable(let name): "${\(name)}"
        }
    }

    /// A string literal.
    package static func quote(_ text: String) -> String {
        "'" + (text.contains("'") ? text.replacing("'", "''") : text) + "'"
    }

    /// The shortest digits that mean the same number, one before the point: `1.5E-2`, `1E3`, `0E0`.
    static func scientific(_ value: Double) -> String {
        guard value.isFinite else { return "\(value)" }
        var digits: [UInt8] = []
        var exponent = 0
        var pointAt: Int?
        var text = Array("\(value.magnitude)".utf8)
        if let mark = text.firstIndex(of: UInt8(ascii: "e")) {
            exponent = Int(String(decoding: text[(mark + 1)...].filter { $0 != UInt8(ascii: "+") }, as: UTF8.self)) ?? 0
            text.removeSubrange(mark...)
        }
        for byte in text {
            if byte == UInt8(ascii: ".") { pointAt = digits.count } else { digits.append(byte) }
        }
        exponent += (pointAt ?? digits.count) - 1
        let zeros = digits.prefix { $0 == UInt8(ascii: "0") }.count
        digits.removeFirst(zeros)
        exponent -= zeros
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        guard let first = digits.first else { return value.sign == .minus ? "-0E0" : "0E0" }
        let fraction = String(decoding: digits.dropFirst(), as: UTF8.self)
        return (value < 0 ? "-" : "") + String(UnicodeScalar(first)) + (fraction.isEmpty ? "" : "." + fraction)
            + "E\(exponent)"
    }
}
