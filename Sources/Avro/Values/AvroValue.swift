/// A value on its own, for code that does not know the schema beforehand. `AvroSchema` says what it means.
package enum AvroValue: Sendable, Hashable {
    case null
    case boolean(Bool)
    case int(Int32)
    case long(Int64)
    case float(Float)
    case double(Double)
    case bytes([UInt8])
    case string(String)
    case array([AvroValue])
    /// Entries in the order they came in. A key that came twice is there twice, and the later one counts.
    case map([Entry])
    /// The fields in the order of the schema.
    case record([AvroValue])
    case enumeration(String)
    case fixed([UInt8])
    /// A value of the union's branch of that position.
    indirect case union(branch: Int, AvroValue)

    package struct Entry: Sendable, Hashable {
        package var key: String
        package var value: AvroValue

        package init(_ key: String, _ value: AvroValue) {
            self.key = key
            self.value = value
        }
    }

    /// The value itself where this is one of a union.
    package var unwrapped: AvroValue {
        if case .union(_, let value) = self { value } else { self }
    }

    /// The word for messages.
    var word: String {
        switch self {
        case .null: "null"
        case .boolean: "boolean"
        case .int: "int"
        case .long: "long"
        case .float: "float"
        case .double: "double"
        case .bytes: "bytes"
        case .string: "string"
        case .array: "array"
        case .map: "map"
        case .record: "record"
        case .enumeration: "enum"
        case .fixed: "fixed"
        case .union: "union"
        }
    }
}
