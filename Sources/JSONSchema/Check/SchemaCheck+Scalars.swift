import JSONFormat
import Patterns

/// Keywords about texts, numbers, and values as a whole.
extension SchemaCheck {
    mutating func applyToScalar(_ keyword: SchemaKeyword, _ node: SchemaNode, _ value: JSONValue) -> Bool {
        switch keyword {
        case .type(let types):
            if types.includes(value) { return true }
            report(node, "type", "expected \(types.description) but found \(SchemaCompiler.kind(value))")
            return false
        case .enumeration(let texts, let others):
            if case .string(let text) = value {
                if texts.contains(JSONName(text)) { return true }
            } else if !others.isEmpty {
                guard let identity = identity(of: value) else { return false }
                if others.contains(identity) { return true }
            }
            report(node, "enum", "is none of the \(texts.count + others.count) values that are allowed")
            return false
        case .constant(let constant):
            if constant.isSame(as: value) { return true }
            report(node, "const", "is not \(String(decoding: constant.bytes.prefix(100), as: UTF8.self))")
            return false
        case .bound, .multipleOf: return applyToNumber(keyword, node, value)
        case .minLength, .maxLength, .pattern, .format: return applyToString(keyword, node, value)
        default: return true  // about other kinds of values
        }
    }

    private mutating func applyToNumber(_ keyword: SchemaKeyword, _ node: SchemaNode, _ value: JSONValue) -> Bool {
        switch keyword {
        case .bound(let bound, let limit, let integer):
            let isKept: Bool
            if case .number(let number) = value, let integer {
                isKept = Self.keeps(bound, number, integer)
            } else {
                guard let number = value.decimal else { return true }
                isKept = Self.keeps(bound, number, limit)
            }
            if !isKept { report(node, bound.rawValue, "is beyond the limit of the keyword") }
            return isKept
        case .multipleOf(let divisor):
            guard let number = value.decimal else { return true }
            if number.isMultiple(of: divisor) { return true }
            report(node, "multipleOf", "is not a multiple of \(divisor.double)")
            return false
        default: return true
        }
    }

    private static func keeps<Number: Comparable>(
        _ bound: SchemaKeyword.Bound, _ number: Number, _ limit: Number
    ) -> Bool {
        switch bound {
        case .minimum: number >= limit
        case .maximum: number <= limit
        case .exclusiveMinimum: number > limit
        case .exclusiveMaximum: number < limit
        }
    }

    private mutating func applyToString(_ keyword: SchemaKeyword, _ node: SchemaNode, _ value: JSONValue) -> Bool {
        guard case .string(let text) = value else { return true }
        switch keyword {
        case .minLength(let count):
            if text.utf8.count >= count, text.unicodeScalars.count >= count { return true }
            report(node, "minLength", "has fewer than \(count) characters")
            return false
        case .maxLength(let count):
            if text.utf8.count <= count || text.unicodeScalars.count <= count { return true }
            report(node, "maxLength", "has more than \(count) characters")
            return false
        case .pattern(let pattern, let expression):
            guard let isFound = isFound(expression, text) else { return false }
            if !isFound { report(node, "pattern", "does not match `\(pattern)`") }
            return isFound
        case .format(let name):
            if TextFormat.accepts(text, format: name) { return true }
            report(node, "format", "is no \(name)")
            return false
        default: return true
        }
    }
}

extension TypeSet {
    /// Whether `value` is of one of the types. 1.0 is an integer.
    func includes(_ value: JSONValue) -> Bool {
        switch value {
        case .null: contains(.null)
        case .bool: contains(.boolean)
        case .number: contains(.number) || contains(.integer)
        case .raw: contains(.number) || contains(.integer) && value.decimal?.isInteger == true
        case .string: contains(.string)
        case .array: contains(.array)
        case .object: contains(.object)
        }
    }
}
