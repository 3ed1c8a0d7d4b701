import Columns
package import SQLFormats
package import SQLPlan
package import SQLTypes

/// The formats of SQL's topics, for the tasks of one thread.
package final class SQLFormatLibrary: FormatLibrary {
    private let formats: RecordFormats
    /// For TIMESTAMP_FORMAT.
    private let zones: TimeZones

    package init(_ formats: RecordFormats, zones: TimeZones = .offsetsOnly) {
        self.formats = formats
        self.zones = zones
    }

    package func decoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [RowSchema.Column], wanted: [Int]
    ) throws(EngineError) -> any RecordDecoder {
        do throws(FormatError) {
            return Decoder(
                try formats.columnDecoder(
                    format, topic: topic, isKey: isKey, columns: columns.map { SQLField($0.name, $0.type) },
                    wanted: wanted))
        } catch { throw EngineError(.invalidPlan, error.message) }
    }

    package func encoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [RowSchema.Column]
    ) throws(EngineError) -> any RecordEncoder {
        do throws(FormatError) {
            return Encoder(
                try formats.columnEncoder(
                    format, topic: topic, isKey: isKey, columns: columns.map { SQLField($0.name, $0.type) }),
                types: columns.map(\.type))
        } catch { throw EngineError(.invalidPlan, error.message) }
    }

    package func timestampText(_ pattern: String) throws(EngineError) -> TimestampText {
        let parsed: DateTimePattern
        do throws(SQLTypesError) { parsed = try DateTimePattern(pattern) } catch {
            throw EngineError(.invalidPlan, error.message)
        }
        return TimestampText { [zones] (text: String) throws(EvaluationFailure) in
            do throws(SQLTypesError) { return try parsed.timestamp(text, zone: .utc, zones: zones) } catch {
                throw EvaluationFailure(error.message)
            }
        }
    }

    private final class Decoder: RecordDecoder {
        private let columns: any ColumnDecoder
        init(_ columns: any ColumnDecoder) { self.columns = columns }

        func decode(_ records: BytesColumn) -> DecodedRecords {
            let decoded = columns.decode(records)
            return DecodedRecords(
                columns: decoded.columns.map { Vector($0) },
                failures: decoded.failures.map { failure in
                    .init(
                        row: failure.row,
                        message: ([failure.error.message] + failure.error.causes).joined(separator: "\nCaused by: "),
                        mayPass: failure.error.code == .unavailable)
                },
                absent: decoded.absent)
        }
    }

    private final class Encoder: RecordEncoder {
        private let columns: any ColumnEncoder
        private let types: [SQLType]

        init(_ columns: any ColumnEncoder, types: [SQLType]) {
            self.columns = columns
            self.types = types
        }

        func encode(_ vectors: [Vector], count: Int, present: Validity) throws(EngineError) -> BytesColumn {
            let formatted = zip(vectors, types).map { $0.formatColumn($1) }
            do throws(FormatError) {
                return try columns.encode(formatted, count: count, present: present)
            } catch {
                throw EngineError(
                    error.code == .unavailable ? .unavailable : .fatalRecord,
                    ([error.message] + error.causes).joined(separator: "\nCaused by: "))
            }
        }
    }
}

extension Vector {
    init(_ column: FormatColumn) {
        switch column {
        case .boolean(let column): self = .boolean(column)
        case .int32(let column): self = .int32(column)
        case .int64(let column): self = .int64(column)
        case .double(let column): self = .double(column)
        case .string(let column): self = .string(column)
        case .bytes(let column): self = .bytes(column)
        case .values(let values): self = .values(values)
        }
    }

    func formatColumn(_ type: SQLType) -> FormatColumn {
        switch self {
        case .boolean(let column): .boolean(column)
        case .int32(let column): .int32(column)
        case .int64(let column): .int64(column)
        case .double(let column): .double(column)
        case .string(let column): .string(column)
        case .bytes(let column): .bytes(column)
        case .values(let values): .values(values)
        case .constant: expanded(type).formatColumn(type)
        }
    }
}
