internal import ConnectCore

/// What schemas say of columns' defaults: literals as they are, and for what a function works out the zero of the type.
enum PostgresDefault {
    private enum Expression {
        case literal(String)
        case null
        case function
    }

    /// Types of which defaults are told, with what stands for a function's.
    private static let stands: [String: String] = [
        "bit": "00", "varbit": "0", "bool": "false", "bpchar": "", "varchar": "", "text": "", "numeric": "0.0",
        "float4": "0.0", "float8": "0.0", "int2": "0", "int4": "0", "int8": "0", "json": "{}", "jsonb": "{}", "xml": "",
        "uuid": "00000000-0000-0000-0000-000000000000", "date": "1970-01-01", "time": "00:00:00",
        "timestamp": "1970-01-01", "timestamptz": "1970-01-01", "interval": "00:00:00",
    ]

    /// - Returns: nil for NULL, and for what cannot be told.
    static func value(_ expression: String, of type: PostgresType?, _ value: PostgresValue) -> ConnectValue? {
        guard let type, type.base == 0, type.isEnumeration || stands[type.name] != nil else { return nil }
        let text: String
        switch read(expression) {
        case .null: return nil
        case .function:
            guard let stand = stands[type.name] else { return nil }
            text = stand
        case .literal(let literal): text = literal
        }
        if type.name == "bool", text.lowercased() != "true", text.lowercased() != "false", text != "t", text != "f" {
            return nil
        }
        // As with the original.
        if type.name == "timestamptz", text == "infinity" || text == "-infinity" { return nil }
        let made: ConnectValue?
        do {
            made = try Array(text.utf8).withUnsafeBytes {
                try value.value(.bytes($0), isOptional: true, fallback: nil, isStreaming: false)
            }
        } catch {
            // An expression that only the server can work out.
            return nil
        }
        // Schemas of Java have no structs as defaults.
        if case .structure? = made { return nil }
        return made.flatMap { $0.isNull ? nil : $0 }
    }

    private static func read(_ expression: String) -> Expression {
        let text = expression.trimmingSpaces
        if isFunction(text) { return .function }
        if text.uppercased() == "NULL" || text.uppercased().hasPrefix("NULL::") { return .null }
        guard let quote = text.firstIndex(of: "'") else {
            // `(-1)`, `5`, `'-1'::integer`, `(0)::numeric`
            var plain = text[...]
            if let colons = plain.firstRange(of: "::") { plain = plain[..<colons.lowerBound] }
            while plain.hasPrefix("("), plain.hasSuffix(")") { plain = plain.dropFirst().dropLast() }
            return .literal(String(plain))
        }
        let isEscaped = quote > text.startIndex && text[text.index(before: quote)] == "E"
        var literal = ""
        var rest = text[text.index(after: quote)...]
        while let next = rest.popFirst() {
            if next == "'" {
                guard rest.first == "'" else { break }
                rest.removeFirst()
            } else if next == "\\", isEscaped, rest.first == "\\" {
                rest.removeFirst()
            }
            literal.append(next)
        }
        return .literal(literal)
    }

    /// `now()`, `(nextval('s'::regclass))`, `public.f(1)`
    private static func isFunction(_ text: String) -> Bool {
        var rest = text[...]
        if rest.first == "(" { rest.removeFirst() }
        let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }
        return !name.isEmpty && rest.dropFirst(name.count).first == "(" && rest.contains(")")
    }
}
