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
            throw FormatError(.registry, "no decoder for \(format.info.format.rawValue)")
        }
    }

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
            throw FormatError(.registry, "no encoder for \(format.info.format.rawValue)")
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
        default:
            return RowwiseColumnDecoder(
                try rowDecoder(format, topic: topic, isKey: isKey, columns: columns), columns: columns, wanted: wanted)
        }
    }

    /// - Throws: `.schema` when the format cannot have the columns, `.registry`.
    package func columnEncoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [SQLField]
    ) throws(FormatError) -> any ColumnEncoder {
        switch format.info.format {
        case .json where !Self.isUnwrapped(format, columns): return JSONColumnEncoder(columns: columns)
        default:
            return RowwiseColumnEncoder(
                try rowEncoder(format, topic: topic, isKey: isKey, columns: columns), columns: columns)
        }
    }

    /// Whether the one column stands for itself instead of being a field of a record.
    package static func isUnwrapped(_ format: SerdeFormat, _ columns: [SQLField]) -> Bool {
        columns.count == 1 && format.features.contains(.unwrapSingles)
    }

    private func jsonDecoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [SQLField]
    ) -> JSONRowDecoder {
        JSONRowDecoder(
            columns: columns, isUnwrapped: Self.isUnwrapped(format, columns), isFramed: format.info.format == .jsonSR,
            topic: topic, isKey: isKey)
    }
}
