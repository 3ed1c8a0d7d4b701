extension JSONValue {
    /// The last member of that name; nil when there is none or this is no object.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { JSONName.isSame($0.0, name) }?.1
    }

    /// The text of a string; nil for anything else.
    package var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The value of an integer; nil for anything else.
    package var integer: Int64? {
        if case .number(let number) = self { number } else { nil }
    }

    /// The exact value of any number; nil for anything else.
    package var decimal: JSONNumber? {
        switch self {
        case .number(let number): JSONNumber(number)
        case .raw(let text): JSONNumber(text)
        default: nil
        }
    }

    /// The nearest double of any number, infinite when it is too large; nil for anything else. Zero keeps its sign.
    package var double: Double? {
        guard let decimal else { return nil }
        if decimal.isZero, case .raw(let text) = self, text.first == UInt8(ascii: "-") { return -0.0 }
        return decimal.double
    }

    /// The value of true or false; nil for anything else.
    package var flag: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }

    /// The elements of an array; nil for anything else.
    package var elements: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The members of an object; nil for anything else.
    package var members: [(String, JSONValue)]? {
        if case .object(let members) = self { members } else { nil }
    }

    /// How much there is of it, for bounds of memory: one for each value in it, and one more for each 16 bytes of text.
    package var weight: Int {
        switch self {
        case .null, .bool, .number: 1
        case .string(let text): 1 + text.utf8.count / 16
        case .raw(let text): 1 + text.count / 16
        case .array(let elements): elements.reduce(1) { $0 + $1.weight }
        case .object(let members): members.reduce(1) { $0 + $1.0.utf8.count / 16 + $1.1.weight }
        }
    }
}

extension JSONValue: Equatable {
    /// Equal as texts: the order of members counts, and so does how a number is written. `isSame(as:)` looks at what
    /// the values mean.
    package static func == (a: JSONValue, b: JSONValue) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): JSONName.isSame(a, b)
        case (.raw(let a), .raw(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)):
            a.count == b.count && zip(a, b).allSatisfy { JSONName.isSame($0.0, $1.0) && $0.1 == $1.1 }
        default: false
        }
    }

    /// Equal as JSON values: numbers by their value (1 is 1.0), objects whatever their order. Of members with the same
    /// name the last one counts.
    ///
    /// - SeeAlso: JSON Schema core 2020-12, section 4.2.2.
    package func isSame(as other: JSONValue) -> Bool {
        switch (self, other) {
        case (.null, .null): return true
        case (.bool(let a), .bool(let b)): return a == b
        case (.number(let a), .number(let b)): return a == b
        case (.string(let a), .string(let b)): return JSONName.isSame(a, b)
        case (.array(let a), .array(let b)): return a.count == b.count && zip(a, b).allSatisfy { $0.isSame(as: $1) }
        case (.object(let a), .object(let b)):
            let left = Dictionary(a.map { (JSONName($0.0), $0.1) }, uniquingKeysWith: { $1 })
            let right = Dictionary(b.map { (JSONName($0.0), $0.1) }, uniquingKeysWith: { $1 })
            return left.count == right.count
                && left.allSatisfy { name, value in right[name].map { value.isSame(as: $0) } ?? false }
        default:
            guard let a = decimal, let b = other.decimal else { return false }
            return a == b
        }
    }
}
