extension JSONValue {
    /// Reads one JSON document: exactly one value, UTF-8, nested at most `JSONText.depthMax` deep.
    ///
    /// Integers that fit are `.number`; other numbers are `.raw` with their own text, so that no digit is lost. Of members
    /// with the same name all are kept; `subscript` finds the last, as most readers of JSON do.
    ///
    /// - Returns: nil when `bytes` are anything else.
    package static func parse(_ bytes: [UInt8]) -> JSONValue? {
        guard JSONText.isValid(bytes) else { return nil }
        var scanner = JSONScanner(bytes)
        scanner.skipSpace()
        return read(&scanner)
    }

    /// The text is known to be valid, and so to end its nesting.
    private static func read(_ scanner: inout JSONScanner) -> JSONValue? {
        switch scanner.peek {
        case UInt8(ascii: "{"):
            var members: [(String, JSONValue)] = []
            let isWhole = scanner.members { name, scanner in
                guard let value = read(&scanner) else { return false }
                members.append((name, value))
                return true
            }
            return isWhole ? .object(members) : nil
        case UInt8(ascii: "["):
            var elements: [JSONValue] = []
            let isWhole = scanner.elements { scanner in
                guard let value = read(&scanner) else { return false }
                elements.append(value)
                return true
            }
            return isWhole ? .array(elements) : nil
        case UInt8(ascii: "\""): return scanner.string().map { .string($0) }
        default:
            guard let word = scanner.value() else { return nil }
            switch String(decoding: word, as: UTF8.self) {
            case "true": return .bool(true)
            case "false": return .bool(false)
            case "null": return .null
            case "-0": return .raw(word)
            case let text: return Int64(text).map { .number($0) } ?? .raw(word)
            }
        }
    }

    /// The last member of that name; nil when there is none or this is no object.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.0 == name }?.1
    }

    /// The text of a string; nil for anything else.
    package var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The value of an integer; nil for anything else.
    package var integer: Int64? {
        if case .number(let number) = self { number } else { nil }
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
}

extension JSONValue: Equatable {
    /// Equal as texts: the order of members counts.
    package static func == (a: JSONValue, b: JSONValue) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): a == b
        case (.raw(let a), .raw(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)):
            a.count == b.count && zip(a, b).allSatisfy { $0.0 == $1.0 && $0.1 == $1.1 }
        default: false
        }
    }
}
