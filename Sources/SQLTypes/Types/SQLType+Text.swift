extension SQLType: CustomStringConvertible {
    /// As schemas and errors print it: "STRUCT<`A` INTEGER, `B` DECIMAL(4, 2)>".
    package var description: String { text { SQLIdentifier.quoted($0) } }

    /// As errors about parameters print it: field names are quoted only where the language needs it.
    package var unquotedText: String { text { SQLIdentifier.plainOrQuoted($0) } }

    /// As the CLI and REST's DESCRIBE show it: "VARCHAR(STRING)" for STRING, without back quotes.
    package var commandLineText: String {
        switch self {
        case .string: "VARCHAR(STRING)"
        case .array(let element): "ARRAY<\(element.commandLineText)>"
        case .map(let key, let value):
            "MAP<\(key == .string ? "STRING" : key.commandLineText), \(value.commandLineText)>"
        case .structure(let fields):
            "STRUCT<" + fields.map { "\($0.name) \($0.type.commandLineText)" }.joined(separator: ", ") + ">"
        default: description
        }
    }

    private func text(_ name: (String) -> String) -> String {
        switch self {
        case .decimal(let precision, let scale): "DECIMAL(\(precision), \(scale))"
        case .array(let element): "ARRAY<\(element.text(name))>"
        case .map(let key, let value): "MAP<\(key.text(name)), \(value.text(name))>"
        case .structure(let fields):
            // An empty struct has a space, as the original prints it.
            fields.isEmpty
                ? "STRUCT< >"
                : "STRUCT<" + fields.map { name($0.name) + " " + $0.type.text(name) }.joined(separator: ", ") + ">"
        default: base.rawValue
        }
    }
}

/// Names of columns, fields and sources as SQL text.
package enum SQLIdentifier {
    /// In back quotes, which stand twice where the name has one.
    package static func quoted(_ name: String) -> String {
        var text = "`"
        for character in name.unicodeScalars {
            if character == "`" { text += "`" }
            text.unicodeScalars.append(character)
        }
        return text + "`"
    }

    /// Without quotes when the name means the same without: upper-case letters, digits, `_` and `@`, no digit first.
    package static func plainOrQuoted(_ name: String) -> String { isPlain(name) ? name : quoted(name) }

    private static func isPlain(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39 ~= first), first != UInt8(ascii: "@") else { return false }
        return name.utf8.allSatisfy {
            0x41...0x5A ~= $0 || 0x30...0x39 ~= $0 || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "@")
        }
    }
}
