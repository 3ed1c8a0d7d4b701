/// What the values of a column are in memory. Every value may be missing; what a logical type (a date, a decimal) means
/// by its number or bytes is known to the schema that the column came from.
package indirect enum ColumnType: Sendable, Hashable {
    case boolean
    case int32
    case int64
    case float
    case double
    /// Valid UTF-8.
    case string
    case bytes
    case list(ColumnType)
    case map(key: ColumnType, value: ColumnType)
    case structure([ColumnField])

    /// Columns below this one: the element of a list, key and value of a map, the fields of a structure.
    package var children: [ColumnType] {
        switch self {
        case .boolean, .int32, .int64, .float, .double, .string, .bytes: []
        case .list(let element): [element]
        case .map(let key, let value): [key, value]
        case .structure(let fields): fields.map(\.type)
        }
    }

    /// Bytes of one entry of the column's own memory: a value, or where a string, list or map ends.
    var width: Int {
        switch self {
        case .boolean: 1
        case .int32, .float, .string, .bytes, .list, .map: 4
        case .int64, .double: 8
        case .structure: 0
        }
    }

    /// Whether the column's own memory holds ends instead of values.
    var hasEnds: Bool {
        switch self {
        case .string, .bytes, .list, .map: true
        case .boolean, .int32, .int64, .float, .double, .structure: false
        }
    }
}

/// A named column of a structure or a batch.
package struct ColumnField: Sendable, Hashable {
    package var name: String
    package var type: ColumnType

    package init(_ name: String, _ type: ColumnType) {
        self.name = name
        self.type = type
    }
}
