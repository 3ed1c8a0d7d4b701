import ArgumentParser
import SchemaRules

/// How keys or values of records are written as text: bytes of some kind, or by a schema of the registry.
enum RecordFormat: String, CaseIterable, ExpressibleByArgument {
    case string, json, hex, base64, short, int, long, float, double, avro, protobuf
    case jsonSchema = "json-schema"

    /// The type of schema; nil for bytes.
    var schemaType: SchemaType? {
        switch self {
        case .string, .json, .hex, .base64, .short, .int, .long, .float, .double: nil
        case .avro: .avro
        case .protobuf: .protobuf
        case .jsonSchema: .json
        }
    }

    /// As which bytes the text goes in and out: what has a schema is JSON text.
    var bytes: ByteFormat {
        switch self {
        case .string: .string
        case .hex: .hex
        case .base64: .base64
        case .short: .short
        case .int: .int
        case .long: .long
        case .float: .float
        case .double: .double
        case .json, .avro, .protobuf, .jsonSchema: .json
        }
    }
}

/// The parts of a record that a serializer makes.
enum RecordPart: String, Sendable {
    case key, value
}
