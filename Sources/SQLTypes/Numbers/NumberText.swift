/// Numbers and booleans in texts, read as Java and ksqlDB read them.
package enum NumberText {
    /// Java's `String.trim`: without control characters and spaces at both ends.
    package static func trim(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard let start = bytes.firstIndex(where: { $0 > 0x20 }), let end = bytes.lastIndex(where: { $0 > 0x20 }) else {
            return ""
        }
        return start == 0 && end == bytes.count - 1 ? text : String(decoding: bytes[start...end], as: UTF8.self)
    }

    /// `Integer.parseInt`.
    /// - Throws: `.invalidText` in Java's words.
    package static func int(_ text: String) throws(SQLTypesError) -> Int32 {
        guard let value = Int32(text) else { throw invalid(text) }
        return value
    }

    /// `Long.parseLong`.
    /// - Throws: `.invalidText` in Java's words.
    package static func bigint(_ text: String) throws(SQLTypesError) -> Int64 {
        guard let value = Int64(text) else { throw invalid(text) }
        return value
    }

    private static func invalid(_ text: String) -> SQLTypesError {
        SQLTypesError(.invalidText, "For input string: \"\(text)\"")
    }

    /// What CAST takes: as `anyDouble`, but no infinities and NaN, as ksqlDB refuses them.
    /// - Throws: `.invalidText`.
    package static func double(_ text: String) throws(SQLTypesError) -> Double {
        let number = try anyDouble(text)
        guard number.isFinite else { throw SQLTypesError(.invalidText, "Value out of range: \(trim(text))") }
        return number
    }

    /// `Double.parseDouble`, which records are read with: NaN and infinities, too.
    /// - Throws: `.invalidText` in Java's words.
    package static func anyDouble(_ text: String) throws(SQLTypesError) -> Double {
        let trimmed = trim(text)
        guard let number = javaDouble(Array(trimmed.utf8)) else {
            throw SQLTypesError(.invalidText, trimmed.isEmpty ? "empty String" : "For input string: \"\(trimmed)\"")
        }
        return number
    }

    /// What `Double.parseDouble` makes of a text without spaces at its ends; nil for what it refuses.
    static func javaDouble(_ text: [UInt8]) -> Double? {
        var at = 0
        var isNegative = false
        if let first = text.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            isNegative = first == UInt8(ascii: "-")
            at = 1
        }
        let body = text[at...]
        if body.elementsEqual("NaN".utf8) { return .nan }
        if body.elementsEqual("Infinity".utf8) { return isNegative ? -.infinity : .infinity }
        var end = body.endIndex
        if let last = body.last, "fFdD".utf8.contains(last), body.count > 1 {
            // A suffix; in a hexadecimal number it can only follow the exponent.
            end -= 1
        }
        var number = Array(body[..<end])
        let isHexadecimal = number.count > 1 && number[0] == 0x30 && number[1] | 0x20 == UInt8(ascii: "x")
        guard isHexadecimal ? isHexadecimalNumber(number) : isDecimalNumber(number) else { return nil }
        if isHexadecimal, let point = number.firstIndex(of: UInt8(ascii: ".")), point + 1 < number.count,
            number[point + 1] | 0x20 == UInt8(ascii: "p")
        {
            number.remove(at: point)  // "0x1.p3"
        }
        if isHexadecimal, number.count > 2, number[2] == UInt8(ascii: ".") { number.insert(0x30, at: 2) }
        guard let value = Double(String(decoding: number, as: UTF8.self)) else { return nil }
        return isNegative ? -value : value
    }

    private static func isDecimalNumber(_ text: [UInt8]) -> Bool {
        var at = 0
        func digits() -> Int {
            let start = at
            while at < text.count, 0x30...0x39 ~= text[at] { at += 1 }
            return at - start
        }
        var count = digits()
        if at < text.count, text[at] == UInt8(ascii: ".") {
            at += 1
            count += digits()
        }
        guard count > 0 else { return false }
        if at < text.count, text[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < text.count, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") { at += 1 }
            guard digits() > 0 else { return false }
        }
        return at == text.count
    }

    private static func isHexadecimalNumber(_ text: [UInt8]) -> Bool {
        var at = 2
        func digits() -> Int {
            let start = at
            while at < text.count, Unicode.Scalar(text[at]).properties.isASCIIHexDigit { at += 1 }
            return at - start
        }
        var count = digits()
        if at < text.count, text[at] == UInt8(ascii: ".") {
            at += 1
            count += digits()
        }
        guard count > 0, at < text.count, text[at] | 0x20 == UInt8(ascii: "p") else { return false }
        at += 1
        if at < text.count, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") { at += 1 }
        let start = at
        while at < text.count, 0x30...0x39 ~= text[at] { at += 1 }
        return at > start && at == text.count
    }

    /// `true` and `yes` and what they begin with, in any case, are true; all else is false.
    package static func boolean(_ text: String) -> Bool { exactBoolean(text) ?? false }

    /// As `boolean`, but only for `true`, `yes`, `false`, `no` and what they begin with; nil for anything else.
    package static func exactBoolean(_ text: String) -> Bool? {
        let lower = text.lowercased()
        guard !lower.isEmpty else { return nil }
        if "true".hasPrefix(lower) || "yes".hasPrefix(lower) { return true }
        if "false".hasPrefix(lower) || "no".hasPrefix(lower) { return false }
        return nil
    }
}
