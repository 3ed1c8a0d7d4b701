import Bytes
import ConnectCore
import JSONFormat
import SQLTypes

/// A record as a row that waits for its table.
struct Row: Sendable {
    enum Content: Sendable {
        /// RECORD_CONTENT as JSON.
        case document([UInt8])
        /// By names of columns, each once.
        case fields([Field])
    }

    struct Field: Sendable {
        var column: String
        var value: FieldValue
        /// The type of the column if there has to be one.
        var type: String
        var comment: String?
    }

    /// A field's value. How it is written depends on its column's type.
    enum FieldValue: Sendable {
        case null
        /// JSON.
        case json([UInt8])
        case bytes([UInt8])

        var isNull: Bool { if case .null = self { true } else { false } }
        var byteCount: Int {
            switch self {
            case .null: 4
            case .json(let bytes): bytes.count
            case .bytes(let bytes): bytes.count * 2 + 2
            }
        }
    }

    var record: ConnectRecord
    var place: SinkPartition
    var offset: Int64
    /// RECORD_METADATA as JSON; nil where it is not wanted.
    var metadata: [UInt8]?
    var content: Content
    /// About how much it takes in a statement, and in memory.
    var byteCount: Int

    /// For messages.
    var shown: String { "record from topic=\(place.topic) partition=\(place.partition) offset=\(offset)" }
}

/// Makes rows of records, as upstream's `RecordService`.
struct RowMaker: Sendable {
    private let settings: SnowflakeSettings
    private let json = RecordJSON()

    static let metadataColumn = "RECORD_METADATA"
    static let contentColumn = "RECORD_CONTENT"
    /// Of Snowflake's identifiers.
    private static let columnLengthMax = 255

    init(_ settings: SnowflakeSettings) { self.settings = settings }

    /// - Parameter now: milliseconds since 1970.
    /// - Returns: nil for a record that is passed over.
    /// - Throws: `.data` for a record that makes no row.
    func row(
        _ record: ConnectRecord, place: SinkPartition, offset: Int64, now: Int64
    ) throws(ConnectError) -> Row? {
        if record.value.value.isNull, settings.ignoresNulls { return nil }
        let metadata = settings.metadata.isKept ? try self.metadata(record, place, offset, now).bytes : nil
        let content =
            settings.isSchematized
            ? Row.Content.fields(try fields(record)) : .document(try document(record).bytes)
        var byteCount = (metadata?.count ?? 4) + 64
        switch content {
        case .document(let bytes): byteCount += bytes.count
        case .fields(let fields): for field in fields { byteCount += field.value.byteCount + 48 }
        }
        return Row(
            record: record, place: place, offset: offset, metadata: metadata, content: content, byteCount: byteCount)
    }

    /// A record without a value is an empty object.
    private func document(_ record: ConnectRecord) throws(ConnectError) -> JSONValue {
        record.value.value.isNull ? .object([]) : try json.json(record.value.value, record.value.schema)
    }

    private func metadata(
        _ record: ConnectRecord, _ place: SinkPartition, _ offset: Int64, _ now: Int64
    ) throws(ConnectError) -> JSONValue {
        let wanted = settings.metadata
        var members: [(String, JSONValue)] = []
        if wanted.hasTopic { members.append(("topic", .string(record.topic))) }
        if wanted.hasOffset {
            members += [("offset", .number(offset)), ("partition", .number(Int64(place.partition)))]
        }
        if wanted.hasTime, let time = record.timestamp, case .sink(_, _, _, let kind) = record.origin, kind != .none {
            members.append((kind.rawValue, .number(time)))
        }
        if !record.key.value.isNull {
            members.append(("key", try json.json(record.key.value, record.key.schema)))
        }
        if wanted.hasPushTime { members.append(("SnowflakeConnectorPushTime", .number(now))) }
        if !record.headers.isEmpty {
            var headers: [(String, JSONValue)] = []
            for header in record.headers {
                var value = try json.json(header.value, header.schema)
                if wanted.flattensHeaders, value.text == nil {
                    if case .null = value {} else { value = .string(String(decoding: value.bytes, as: UTF8.self)) }
                }
                // Of several with one name the last counts: an object has each name once.
                headers.removeAll { $0.0 == header.name }
                headers.append((header.name, value))
            }
            members.append(("headers", .object(headers)))
        }
        return .object(members)
    }

    // MARK: columns

    private func fields(_ record: ConnectRecord) throws(ConnectError) -> [Row.Field] {
        var fields: [Row.Field] = []
        switch record.value.value {
        case .null: break
        case .structure(let structure):
            for (index, field) in structure.schema.fields.enumerated() {
                let value = try value(structure.values[index], field.schema)
                fields.append(
                    Row.Field(
                        column: Identifier(field.name).name, value: value, type: ColumnType.text(field.schema),
                        comment: field.schema.doc))
            }
        case .map(let map):
            let valueSchema = record.value.schema?.valueSchema
            for entry in map.entries {
                guard let name = entry.key.string, !name.isEmpty else {
                    throw .data("Not able to convert node to Snowpipe Streaming input format: a key is no text")
                }
                fields.append(
                    Row.Field(
                        column: Identifier(name).name, value: try value(entry.value, valueSchema),
                        type: valueSchema.map { ColumnType.text($0) } ?? ColumnType.text(entry.value), comment: nil))
            }
        default:
            throw .data(
                "Not able to convert node to Snowpipe Streaming input format: with schematization a value has to be a "
                    + "struct or an object, and it is \(record.value.value.javaClass)")
        }
        for field in fields {
            guard 1...Self.columnLengthMax ~= field.column.utf16.count, !field.column.utf16.contains(0) else {
                throw .data(
                    "Not able to convert node to Snowpipe Streaming input format: '\(field.column.prefix(40))' "
                        + "cannot be the name of a column, which has 1 to \(Self.columnLengthMax) characters")
            }
        }
        var names: Set<String> = [Self.metadataColumn]
        for field in fields where !names.insert(field.column).inserted {
            throw .data(
                "Duplicate case-insensitive column names detected. Schematization currently does not support this: "
                    + "'\(field.column)'")
        }
        return fields
    }

    private func value(_ value: ConnectValue, _ schema: ConnectSchema?) throws(ConnectError) -> Row.FieldValue {
        var value = value
        if value.isNull, let defaultValue = schema?.defaultValue { value = defaultValue }
        switch value {
        case .null:
            _ = try json.json(value, schema)  // a null where none may be
            return .null
        case .bytes(let bytes): return .bytes(bytes)
        // As texts they go into columns of any type without losing a digit.
        case .decimal(let number): return .json(JSONValue.string(number.description).bytes)
        case .instant(let millis):
            let text =
                switch schema?.logicalType {
                case .date: RecordJSON.dateText(millis)
                case .time: RecordJSON.timeText(millis)
                default: RecordJSON.dateText(millis) + " " + RecordJSON.timeText(millis)
                }
            return .json(JSONValue.string(text).bytes)
        default: return .json(try json.json(value, schema).bytes)
        }
    }
}
