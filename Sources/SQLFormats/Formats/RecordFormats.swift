import Avro
import JSONFormat
import ProtobufFormat
package import SQLTypes

/// Gives decoders and encoders for the keys and values of topics.
package final class RecordFormats {
    /// Where schemas of registry formats come from; without it, those formats are refused.
    package let schemas: (any SchemaStore)?

    package init(schemas: (any SchemaStore)? = nil) { self.schemas = schemas }

    /// - Parameters:
    ///   - columns: all columns of the bytes, in order.
    /// - Throws: `.schema` when the format cannot have the columns, `.registry`.
    package func rowDecoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [SQLField]
    ) throws(FormatError) -> any RowDecoder {
        switch format.info.format {
        case .none: return try NoneCodec(columns: columns)
        case .kafka: return try KafkaCodec(columns: columns, topic: topic)
        case .delimited: return try DelimitedCodec(format.info, columns: columns, topic: topic)
        case .json, .jsonSR: return jsonDecoder(format, topic: topic, isKey: isKey, columns: columns)
        case .avro, .protobuf, .protobufNoSR:
            return try registryDecoder(
                format, topic: topic, isKey: isKey, columns: columns, wanted: Array(columns.indices))
        }
    }

    /// The schema of a registry format is registered, or looked up, when the first row is written.
    ///
    /// - Throws: `.schema` when the format cannot have the columns, `.registry`.
    package func rowEncoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [SQLField]
    ) throws(FormatError) -> any RowEncoder {
        switch format.info.format {
        case .none: return try NoneCodec(columns: columns)
        case .kafka: return try KafkaCodec(columns: columns, topic: topic)
        case .delimited: return try DelimitedCodec(format.info, columns: columns, topic: topic)
        case .json: return JSONRowEncoder(columns: columns, isUnwrapped: Self.isUnwrapped(format, columns))
        case .jsonSR, .avro, .protobuf, .protobufNoSR:
            let writing = try RegistryWriting(format, topic: topic, isKey: isKey, columns: columns, schemas: schemas)
            return LazyRowEncoder { () throws(FormatError) in try writing.rowEncoder() }
        }
    }

    /// - Parameters:
    ///   - columns: all columns of the bytes, in order.
    ///   - wanted: indexes of those that are read, each once: the columns of what `decode` gives.
    /// - Throws: `.schema` when the format cannot have the columns, `.registry`.
    package func columnDecoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [SQLField], wanted: [Int]
    ) throws(FormatError) -> any ColumnDecoder {
        switch format.info.format {
        case .kafka where columns.count == 1 && wanted.count == 1:
            _ = try KafkaCodec(columns: columns, topic: topic)  // which checks the column
            return KafkaColumnDecoder(type: columns[0].type, topic: topic)
        case .json where !Self.isUnwrapped(format, columns), .jsonSR where !Self.isUnwrapped(format, columns):
            return JSONColumnDecoder(
                jsonDecoder(format, topic: topic, isKey: isKey, columns: columns), wanted: wanted)
        case .avro, .protobuf, .protobufNoSR:
            return try registryDecoder(format, topic: topic, isKey: isKey, columns: columns, wanted: wanted)
        case .delimited:
            let rows = try DelimitedCodec(format.info, columns: columns, topic: topic)
            guard rows.line.separator.isASCII, !["\"", "\n", "\r"].contains(rows.line.separator) else {
                return RowwiseColumnDecoder(rows, columns: columns, wanted: wanted)
            }
            return DelimitedColumnDecoder(
                rows, columns: columns, wanted: wanted, separator: UInt8(ascii: rows.line.separator))
        default:
            return RowwiseColumnDecoder(
                try rowDecoder(format, topic: topic, isKey: isKey, columns: columns), columns: columns, wanted: wanted)
        }
    }

    /// The schema of a registry format is registered, or looked up, when the first row is written.
    ///
    /// - Throws: `.schema` when the format cannot have the columns, `.registry`.
    package func columnEncoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [SQLField]
    ) throws(FormatError) -> any ColumnEncoder {
        switch format.info.format {
        case .json where !Self.isUnwrapped(format, columns): return JSONColumnEncoder(columns: columns)
        case .kafka where columns.count == 1:
            _ = try KafkaCodec(columns: columns, topic: topic)  // which checks the column
            return KafkaColumnEncoder()
        case .delimited:
            let rows = try DelimitedCodec(format.info, columns: columns, topic: topic)
            guard rows.line.separator.isASCII else { return RowwiseColumnEncoder(rows, columns: columns) }
            return DelimitedColumnEncoder(
                rows.line, columns: columns, separator: UInt8(ascii: rows.line.separator))
        case .jsonSR, .avro, .protobuf:
            let writing = try RegistryWriting(format, topic: topic, isKey: isKey, columns: columns, schemas: schemas)
            return LazyColumnEncoder { () throws(FormatError) in try writing.columnEncoder() }
        default:
            return RowwiseColumnEncoder(
                try rowEncoder(format, topic: topic, isKey: isKey, columns: columns), columns: columns)
        }
    }

    /// Whether the one column stands for itself instead of being a field of a record.
    package static func isUnwrapped(_ format: SerdeFormat, _ columns: [SQLField]) -> Bool {
        columns.count == 1 && format.features.contains(.unwrapSingles)
    }

    /// The subject of a topic's keys or values.
    package static func subject(topic: String, isKey: Bool) -> String { topic + (isKey ? "-key" : "-value") }

    private func jsonDecoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [SQLField]
    ) -> JSONRowDecoder {
        JSONRowDecoder(
            columns: columns, isUnwrapped: Self.isUnwrapped(format, columns), isFramed: format.info.format == .jsonSR,
            topic: topic, isKey: isKey)
    }

    private func registryDecoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [SQLField], wanted: [Int]
    ) throws(FormatError) -> RegistryDecoder {
        let schemas = schemas
        let look = LoadedSchema.references(of: schemas)
        let isUnwrapped = Self.isUnwrapped(format, columns)
        func registered(_ id: Int32) throws(FormatError) -> RegistrySchema {
            guard let schemas else { throw FormatError(.registry, "there is no schema registry") }
            guard let schema = try schemas.schema(id: id) else {
                throw FormatError(.registry, "Schema \(id) not found in the Schema Registry")
            }
            return schema
        }
        switch format.info.format {
        case .avro:
            return RegistryDecoder(
                columns: columns, wanted: wanted, isUnwrapped: isUnwrapped, frame: .id, topic: topic, isKey: isKey
            ) { (key) throws(FormatError) in
                try AvroPayloadReader(
                    try LoadedSchema.avro(try registered(key.id), look), columns: columns, wanted: Set(wanted),
                    isUnwrapped: isUnwrapped)
            }
        case .protobuf:
            return RegistryDecoder(
                columns: columns, wanted: wanted, isUnwrapped: false, frame: .idAndMessage, topic: topic, isKey: isKey
            ) { (key) throws(FormatError) in
                let schema = try LoadedSchema.protobuf(try registered(key.id), look)
                guard let message = schema.messageIndex(at: key.message) else {
                    throw FormatError(.deserialization, "schema \(key.id) has no message \(key.message)")
                }
                return try ProtobufPayloadReader(
                    schema, message: message, columns: columns, wanted: Set(wanted))
            }
        default:
            let schema = try LoadedSchema.protobuf(try RegistrySchemas.schema(of: columns, format: format), look)
            guard let message = schema.mainMessageIndex else { throw FormatError(.schema, "there are no columns") }
            let reader = try ProtobufPayloadReader(
                schema, message: message, columns: columns, wanted: Set(wanted))
            return RegistryDecoder(
                columns: columns, wanted: wanted, isUnwrapped: false, frame: .none, topic: topic, isKey: isKey
            ) { (_) throws(FormatError) in reader }
        }
    }
}
