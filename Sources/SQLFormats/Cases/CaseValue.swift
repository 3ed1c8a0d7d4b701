package import JSONFormat
package import SQLTypes

/// What a test case says about a record is JSON. This is a record's value as such a case sees it, whatever its format.
package indirect enum CaseValue: Sendable {
    case null
    case boolean(Bool)
    case integer(Int64)
    case double(Double)
    case decimal(SQLDecimal)
    case text(String)
    case bytes([UInt8])
    case array([CaseValue])
    /// A record's fields or a map's entries.
    case object([(name: String, value: CaseValue)])

    /// JSON as such: numbers with a fraction or an exponent are decimals.
    package init(_ json: JSONValue) {
        switch json {
        case .null: self = .null
        case .bool(let value): self = .boolean(value)
        case .number(let value): self = .integer(value)
        case .string(let value): self = .text(value)
        case .raw(let text):
            if text == Array("-0".utf8) {
                self = .integer(0)
            } else {
                self = SQLDecimal(utf8: text).map(CaseValue.decimal) ?? .text(String(decoding: text, as: UTF8.self))
            }
        case .array(let elements): self = .array(elements.map { CaseValue($0) })
        case .object(let members): self = .object(members.map { ($0.0, CaseValue($0.1)) })
        }
    }

    /// - Parameter bytesAsText: BYTES are the UTF-8 of a text, as keys and values of the KAFKA format have it.
    package init(_ value: SQLValue, _ type: SQLType, bytesAsText: Bool = false) {
        switch (value, type) {
        case (.null, _): self = .null
        case (.boolean(let value), _): self = .boolean(value)
        case (.int(let value), _), (.time(let value), _), (.date(let value), _): self = .integer(Int64(value))
        case (.bigint(let value), _), (.timestamp(let value), _): self = .integer(value)
        case (.double(let value), _): self = .double(value)
        case (.decimal(let value), _): self = .decimal(value)
        case (.string(let value), _): self = .text(value)
        case (.bytes(let value), _):
            self = bytesAsText ? .text(String(decoding: value, as: UTF8.self)) : .bytes(value)
        case (.array(let values), .array(let element)): self = .array(values.map { CaseValue($0, element) })
        case (.map(let map), .map(let key, let element)):
            self = .object(
                map.entries.map { (SQLText.text(of: $0.0, type: key), CaseValue($0.1, element)) })
        case (.structure(let values), .structure(let fields)):
            self = .object(zip(fields, values).map { ($0.name, CaseValue($1, $0.type)) })
        case (.array, _), (.map, _), (.structure, _): self = .null
        }
    }

    /// Compares with what a case expects; section 1.5 of the cases' rules.
    ///
    /// - Parameter isExact: whether decimals have to have the same digits; else they are the same within 1e-6.
    /// - Returns: what differs, and where; nil when nothing does.
    package func mismatch(_ expected: JSONValue, isExact: Bool = true, path: String = "$") -> String? {
        func differs() -> String { "\(path): expected \(Self.text(expected)), got \(self)" }
        switch (expected, self) {
        case (.null, .null): return nil
        case (.null, .bytes(let actual)) where actual.isEmpty: return nil  // bytes of a message that are not set
        case (.bool(let expected), .boolean(let actual)): return expected == actual ? nil : differs()
        case (.string(let expected), .text(let actual)): return expected.isSame(as: actual) ? nil : differs()
        case (.string(let expected), .bytes(let actual)): return Base64.encode(actual) == expected ? nil : differs()
        case (.string(let expected), .decimal(let actual)):
            guard let decimal = SQLDecimal(utf8: Array(expected.utf8)) else { return differs() }
            return decimal == actual ? nil : differs()
        case (.number, _), (.raw, _):
            return isSame(number: expected, isExact: isExact) ? nil : differs()
        case (.array(let expected), .array(let actual)):
            guard expected.count == actual.count else {
                return "\(path): expected \(expected.count) elements, got \(actual.count)"
            }
            for (index, element) in expected.enumerated() {
                if let reason = actual[index].mismatch(element, isExact: isExact, path: "\(path)[\(index)]") {
                    return reason
                }
            }
            return nil
        case (.object(let expected), .object(let actual)):
            guard expected.count == actual.count else {
                return "\(path): expected the fields \(expected.map(\.0)), got \(actual.map(\.name))"
            }
            for (name, element) in expected {
                let upper = name.uppercased()
                let found = actual.last { $0.name.isSame(as: name) } ?? actual.last { $0.name.isSame(as: upper) }
                let value = found?.value ?? .null
                if let reason = value.mismatch(element, isExact: isExact, path: "\(path).\(name)") { return reason }
            }
            return nil
        default: return differs()
        }
    }

    private func isSame(number expected: JSONValue, isExact: Bool) -> Bool {
        guard let wanted = SQLDecimal(utf8: expected.bytes) else { return false }
        let isInteger =
            if case .number = expected { true } else {
                expected.decimal?.isInteger == true && wanted.scale <= 0 && !Self.hasPoint(expected)
            }
        if !isExact, let actual = number { return abs(actual - wanted.doubleValue) < 1e-6 }
        switch self {
        case .integer(let actual): return wanted.compare(to: SQLDecimal(actual)) == 0
        case .double(let actual):
            let difference = abs(actual - wanted.doubleValue)
            return difference < 1e-6 || actual == wanted.doubleValue
        case .decimal(let actual):
            return isInteger ? actual.scale <= 0 && actual.compare(to: wanted) == 0 : actual == wanted
        default: return false
        }
    }

    private static func hasPoint(_ json: JSONValue) -> Bool {
        guard case .raw(let text) = json else { return false }
        return text.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
    }

    private var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        case .decimal(let value): value.doubleValue
        default: nil
        }
    }

    private static func text(_ json: JSONValue) -> String { String(decoding: json.bytes, as: UTF8.self) }
}

extension CaseValue: CustomStringConvertible {
    package var description: String {
        switch self {
        case .null: "null"
        case .boolean(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .double(let value): DoubleText.text(value)
        case .decimal(let value): value.description
        case .text(let value): String(decoding: JSONValue.string(value).bytes, as: UTF8.self)
        case .bytes(let value): "bytes(\(Base64.encode(value)))"
        case .array(let values): "[" + values.map(\.description).joined(separator: ", ") + "]"
        case .object(let fields):
            "{" + fields.map { "\($0.name): \($0.value)" }.joined(separator: ", ") + "}"
        }
    }
}
