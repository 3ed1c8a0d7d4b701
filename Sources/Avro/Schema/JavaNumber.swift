import JSONFormat

/// Numbers as Java prints them, which the canonical texts of schemas and the JSON encoding depend on.
enum JavaNumber {
    /// `Double.toString`: the shortest digits that read as the same number, with an exponent outside of 10^-3..<10^7.
    static func text(_ value: Double) -> String {
        value.isFinite ? text(shortest: value.description) : nonFinite(value.isNaN, value < 0)
    }

    /// `Float.toString`, likewise.
    static func text(_ value: Float) -> String {
        value.isFinite ? text(shortest: value.description) : nonFinite(value.isNaN, value < 0)
    }

    private static func nonFinite(_ isNaN: Bool, _ isNegative: Bool) -> String {
        isNaN ? "NaN" : isNegative ? "-Infinity" : "Infinity"
    }

    /// Swift prints the same digits and places the point differently.
    private static func text(shortest: String) -> String {
        var digits: [UInt8] = []
        var exponent = 0
        var isFraction = false
        let isNegative = shortest.hasPrefix("-")
        let mantissa = shortest.utf8.prefix { $0 != UInt8(ascii: "e") }
        for byte in mantissa where byte != UInt8(ascii: "-") {
            if byte == UInt8(ascii: ".") {
                isFraction = true
            } else {
                digits.append(byte)
                if !isFraction { exponent += 1 }
            }
        }
        if let e = shortest.utf8.firstIndex(of: UInt8(ascii: "e")) {
            exponent += Int(shortest[shortest.utf8.index(after: e)...]) ?? 0
        }
        let zeros = digits.prefix { $0 == 0x30 }.count
        digits.removeFirst(zeros)
        exponent -= zeros
        while digits.last == 0x30 { digits.removeLast() }
        let sign = isNegative ? "-" : ""
        if digits.isEmpty { return sign + "0.0" }
        func piece(_ range: Range<Int>) -> String {
            let part = digits[range.clamped(to: 0..<digits.count)]
            return String(decoding: part, as: UTF8.self) + String(repeating: "0", count: range.count - part.count)
        }
        switch exponent {
        case -2...0: return sign + "0." + String(repeating: "0", count: -exponent) + piece(0..<digits.count)
        case 1...7:
            return sign + piece(0..<exponent) + "." + piece(exponent..<max(digits.count, exponent + 1))
        default: return sign + piece(0..<1) + "." + piece(1..<max(digits.count, 2)) + "E\(exponent - 1)"
        }
    }

    /// A number of a JSON text as Jackson prints it after reading it: integers as they are, others as doubles.
    static func text(json: [UInt8]) -> [UInt8] {
        let text = String(decoding: json, as: UTF8.self)
        if text == "-0" { return [0x30] }
        guard json.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }),
            let value = Double(text), value.isFinite
        else { return json }
        return Array(self.text(value).utf8)
    }
}

extension JSONValue {
    /// Compact, with numbers as `JavaNumber` has them.
    func writeJava(to output: inout [UInt8], isSorted: Bool) {
        switch self {
        case .raw(let text): output += JavaNumber.text(json: text)
        case .array(let elements):
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                element.writeJava(to: &output, isSorted: isSorted)
            }
            output.append(UInt8(ascii: "]"))
        case .object(var members):
            if isSorted { members.sort { JSONName($0.0) < JSONName($1.0) } }
            output.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSONText.quote(member.0, to: &output)
                output.append(UInt8(ascii: ":"))
                member.1.writeJava(to: &output, isSorted: isSorted)
            }
            output.append(UInt8(ascii: "}"))
        default: output += bytes
        }
    }
}
