package import JSONFormat

/// Values of JSON as the original's reader takes them where a string, a number or a truth value is asked for: written as
/// one of the others where that is plain.
///
/// - SeeAlso: Jackson's `MapperFeature.ALLOW_COERCION_OF_SCALARS` and `DeserializationFeature.ACCEPT_FLOAT_AS_INT`.
extension JSONValue {
    /// A string as it is; a number or truth value as its text.
    package var scalarText: String? {
        switch self {
        case .string(let text): text
        case .number(let number): String(number)
        case .bool(let flag): flag ? "true" : "false"
        case .raw(let text): String(decoding: text, as: UTF8.self)
        default: nil
        }
    }

    /// The string that this is; nil for null.
    ///
    /// - Throws: `SchemaFailure` with `name` for a list or an object.
    package func lenientText(_ name: String) throws(SchemaFailure) -> String? {
        if self == .null { return nil }
        guard let text = scalarText else { throw SchemaFailure("'\(name)' must be a string") }
        return text
    }

    /// The strings of a list; none for null.
    ///
    /// - Throws: `SchemaFailure` with `name` for anything else, and for what is no string within it.
    package func lenientTexts(_ name: String) throws(SchemaFailure) -> [String] {
        var texts: [String] = []
        for element in try lenientElements(name) {
            guard let text = element.scalarText else { throw SchemaFailure("'\(name)' must be an array of strings") }
            texts.append(text)
        }
        return texts
    }

    /// The elements of a list; none for null.
    ///
    /// - Throws: `SchemaFailure` with `name` for anything else.
    package func lenientElements(_ name: String) throws(SchemaFailure) -> [JSONValue] {
        if self == .null { return [] }
        guard let elements else { throw SchemaFailure("'\(name)' must be an array") }
        return elements
    }

    /// The integer that this is, without what is behind its point; nil for null and for a string that says nothing.
    ///
    /// - Throws: `SchemaFailure` with `name` for anything else, and beyond 32 bits.
    package func lenientInteger(_ name: String) throws(SchemaFailure) -> Int32? {
        var number: Int64?
        switch self {
        case .null: return nil
        case .number(let integer): number = integer
        case .string(let text):
            let digits = text.trimmingSpaces
            if digits.isEmpty { return nil }
            number = Int64(digits)
        default: number = double.flatMap { Int64(exactly: $0.rounded(.towardZero)) }
        }
        guard let integer = number.flatMap(Int32.init(exactly:)) else {
            throw SchemaFailure("'\(name)' must be an integer of 32 bits")
        }
        return integer
    }

    /// The truth value that this is; nil for null and for a string that says nothing.
    ///
    /// - Throws: `SchemaFailure` with `name` for anything else.
    package func lenientFlag(_ name: String) throws(SchemaFailure) -> Bool? {
        switch self {
        case .null: return nil
        case .bool(let flag): return flag
        case .number(let number): return number != 0
        case .string(let text):
            switch text.trimmingSpaces.lowercased() {
            case "": return nil
            case "true": return true
            case "false": return false
            default: break
            }
        default: break
        }
        throw SchemaFailure("'\(name)' must be true or false")
    }
}

extension String {
    /// The same without white space around it.
    var trimmingSpaces: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
