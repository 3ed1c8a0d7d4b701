/// A type as it is written. Names of custom types are resolved by who knows them.
package struct TypeExpression: Hashable, Sendable, CustomStringConvertible {
    package indirect enum Kind: Hashable, Sendable {
        case primitive(PrimitiveType)
        /// Whether precision and scale fit each other is not checked here.
        case decimal(precision: Int32, scale: Int32)
        case array(TypeExpression)
        case map(key: TypeExpression, value: TypeExpression)
        case structure([Field])
        /// A type of `CREATE TYPE`.
        case custom(Identifier)
    }

    package struct Field: Hashable, Sendable {
        package var name: Identifier
        package var type: TypeExpression

        package init(_ name: Identifier, _ type: TypeExpression) {
            self.name = name
            self.type = type
        }
    }

    package var kind: Kind
    package var position: Position

    package init(_ kind: Kind, position: Position = Position()) {
        self.kind = kind
        self.position = position
    }

    /// Field names are not quoted; as messages show it.
    package var description: String { text { $0 } }

    /// As SQL.
    package var sql: String { text(Identifier.quoteIfNeeded) }

    private func text(_ name: (String) -> String) -> String {
        switch kind {
        case .primitive(let type): return type.rawValue
        case .decimal(let precision, let scale): return "DECIMAL(\(precision), \(scale))"
        case .array(let element): return "ARRAY<" + element.text(name) + ">"
        case .map(let key, let value): return "MAP<" + key.text(name) + ", " + value.text(name) + ">"
        case .structure(let fields):
            let texts = fields.map { name($0.name.text) + " " + $0.type.text(name) }
            return "STRUCT<" + texts.joined(separator: ", ") + (texts.isEmpty ? " >" : ">")
        case .custom(let custom): return name(custom.text)
        }
    }
}

/// The types that have a name and nothing else.
package enum PrimitiveType: String, Hashable, Sendable, CaseIterable {
    case boolean = "BOOLEAN"
    case integer = "INTEGER"
    case bigint = "BIGINT"
    case double = "DOUBLE"
    case string = "STRING"
    case bytes = "BYTES"
    case time = "TIME"
    case date = "DATE"
    case timestamp = "TIMESTAMP"

    /// By name or alias, in upper case.
    package init?(name: String) {
        switch name {
        case "INT": self = .integer
        case "VARCHAR": self = .string
        default:
            guard let type = Self(rawValue: name) else { return nil }
            self = type
        }
    }
}
