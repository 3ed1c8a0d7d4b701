import Avro
import Columns
import ProtobufFormat
import SQLTypes

/// What writing records of a registry format needs: the schema, derived from the columns and registered, or that of a
/// given id.
struct RegistryWriting {
    private let format: SerdeFormat
    private let topic: String
    private let isKey: Bool
    private let columns: [SQLField]
    private let schemas: (any SchemaStore)?
    private let isUnwrapped: Bool
    /// nil when an id is given.
    private let derived: RegistrySchema?

    /// - Throws: `.schema` when the format cannot have the columns, `.registry` without a registry.
    init(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [SQLField], schemas: (any SchemaStore)?
    ) throws(FormatError) {
        self.format = format
        self.topic = topic
        self.isKey = isKey
        self.columns = columns
        self.schemas = schemas
        isUnwrapped = RecordFormats.isUnwrapped(format, columns)
        guard schemas != nil || format.info.format == .protobufNoSR else {
            throw FormatError(.registry, "there is no schema registry")
        }
        derived = format.info.schemaID == nil ? try RegistrySchemas.schema(of: columns, format: format) : nil
    }

    /// The schema to write with, and the bytes of the frame up to its id.
    private func schema() throws(FormatError) -> (schema: RegistrySchema, frame: [UInt8]) {
        if let id = format.info.schemaID {
            guard let schema = try schemas?.schema(id: id) else {
                throw FormatError(.registry, "Schema \(id) not found in the Schema Registry")
            }
            return (schema, Self.frame(id))
        }
        guard let derived else { throw FormatError(.registry, "there is no schema") }
        if format.info.format == .protobufNoSR { return (derived, []) }
        guard let schemas else { throw FormatError(.registry, "there is no schema registry") }
        let subject = RecordFormats.subject(topic: topic, isKey: isKey)
        // What the subject has last is mostly what was registered for these columns.
        if let latest = try schemas.latest(of: subject), latest.schema == derived {
            return (derived, Self.frame(latest.id))
        }
        return (derived, Self.frame(try schemas.register(derived, under: subject)))
    }

    static func frame(_ id: Int32) -> [UInt8] { [0] + withUnsafeBytes(of: id.bigEndian) { Array($0) } }

    func rowEncoder() throws(FormatError) -> any RowEncoder {
        let (schema, frame) = try schema()
        let look = LoadedSchema.references(of: schemas)
        switch format.info.format {
        case .avro:
            return try AvroRowEncoder(
                try LoadedSchema.avro(schema, look), columns: columns, isUnwrapped: isUnwrapped, frame: frame,
                topic: topic)
        case .jsonSR:
            return JSONRowEncoder(
                columns: columns, isUnwrapped: isUnwrapped, frame: frame, others: try otherProperties(schema))
        default:
            let loaded = try LoadedSchema.protobuf(schema, look)
            let name = format.info.properties[FormatInfo.fullSchemaNameProperty].map { NumberText.trim($0) }
            guard let message = name.flatMap({ loaded.messageIndex(named: $0) }) ?? loaded.mainMessageIndex else {
                throw FormatError(.schema, "the schema has no messages")
            }
            var head = frame
            if !frame.isEmpty { MessageIndexes.append(loaded.messages[message].path ?? [0], to: &head) }
            return try ProtobufRowEncoder(loaded, message: message, columns: columns, frame: head, topic: topic)
        }
    }

    func columnEncoder() throws(FormatError) -> any ColumnEncoder {
        if format.info.format == .jsonSR, !isUnwrapped {
            let (schema, frame) = try schema()
            return JSONColumnEncoder(columns: columns, frame: frame, others: try otherProperties(schema))
        }
        if format.info.format == .avro, !isUnwrapped, derived != nil, columns.allSatisfy({ Self.isPlain($0.type) }) {
            let (schema, frame) = try schema()
            let loaded = try LoadedSchema.avro(schema, LoadedSchema.references(of: schemas))
            do throws(AvroError) {
                let encoder = try AvroColumnEncoder(schema: loaded)
                return PlainColumnEncoder(columns.map { AvroDerivation.fieldName($0.name) }) {
                    (batch) throws(FormatError) in
                    do throws(AvroError) { return try encoder.encode(batch, prefix: frame) } catch {
                        throw FormatError(.serialization, error.message)
                    }
                }
            } catch {
                throw FormatError(.schema, error.message)
            }
        }
        if format.info.format == .protobuf, derived != nil, RegistrySchemas.nullability(format) != .wrapper,
            columns.allSatisfy({ Self.isPlain($0.type) && !$0.type.isTime })
        {
            let (schema, frame) = try schema()
            let loaded = try LoadedSchema.protobuf(schema, LoadedSchema.references(of: schemas))
            if let message = loaded.mainMessageIndex {
                var head = frame
                MessageIndexes.append([0], to: &head)
                let encoder: ProtobufColumnEncoder
                do throws(ProtobufError) {
                    let layout = try ProtobufColumnLayout(loaded, typeIndex: message, columns: columns.map(\.name))
                    encoder = ProtobufColumnEncoder(layout)
                } catch { throw FormatError(.schema, error.message) }
                return PlainColumnEncoder(columns.map(\.name)) { [head] (batch) throws(FormatError) in
                    do throws(ProtobufError) { return try encoder.encode(batch, prefix: head) } catch {
                        throw FormatError(.serialization, error.message)
                    }
                }
            }
        }
        return RowwiseColumnEncoder(try rowEncoder(), columns: columns)
    }

    /// Columns whose memory is that of the formats' columns.
    private static func isPlain(_ type: SQLType) -> Bool {
        switch type {
        case .decimal, .array, .map, .structure: false
        default: true
        }
    }

    /// Properties of a given schema that no column is for: they are written as null.
    private func otherProperties(_ schema: RegistrySchema) throws(FormatError) -> [String] {
        guard format.info.schemaID != nil, !isUnwrapped else { return [] }
        let root = try LoadedSchema.json(schema, LoadedSchema.references(of: schemas))
        let names = root.resolved().properties.map(\.name)
        for column in columns where !names.contains(where: { $0.isSame(as: column.name) }) {
            throw FormatError(.serialization, "Schema from Schema Registry misses field with name: \(column.name)")
        }
        return names.filter { name in !columns.contains { $0.name.isSame(as: name) } }
    }
}

/// Columns of plain types as records, without a detour over values.
final class PlainColumnEncoder: ColumnEncoder {
    private let names: [String]
    private let write: (ColumnBatch) throws(FormatError) -> BytesColumn

    init(_ names: [String], _ write: @escaping (ColumnBatch) throws(FormatError) -> BytesColumn) {
        self.names = names
        self.write = write
    }

    func encode(_ columns: [FormatColumn], count: Int, present: Validity) throws(FormatError) -> BytesColumn {
        let plain = columns.map { column -> Column in
            switch column {
            case .boolean(let column): .boolean(column)
            case .int32(let column): .int32(column)
            case .int64(let column): .int64(column)
            case .double(let column): .double(column)
            case .string(let column): .string(column)
            case .bytes(let column): .bytes(column)
            case .values: preconditionFailure("not a plain column")
            }
        }
        let encoded = try write(ColumnBatch(names: names, columns: plain, count: count))
        guard present.nullCount > 0 else { return encoded }
        let output = BytesOutput(count: count)
        for row in 0..<count {
            guard present.isValid(row), let bytes = encoded.array(row) else {
                output.appendNull()
                continue
            }
            try output.append(bytes)
        }
        return output.finish()
    }
}

/// Made when it is first used.
final class LazyRowEncoder: RowEncoder {
    private let make: () throws(FormatError) -> any RowEncoder
    private var encoder: (any RowEncoder)?

    init(_ make: @escaping () throws(FormatError) -> any RowEncoder) { self.make = make }

    func append(_ row: [SQLValue], to output: inout [UInt8]) throws(FormatError) -> Bool {
        if let encoder { return try encoder.append(row, to: &output) }
        let made = try make()
        encoder = made
        return try made.append(row, to: &output)
    }
}

/// Made when it first has something to write.
final class LazyColumnEncoder: ColumnEncoder {
    private let make: () throws(FormatError) -> any ColumnEncoder
    private var encoder: (any ColumnEncoder)?

    init(_ make: @escaping () throws(FormatError) -> any ColumnEncoder) { self.make = make }

    func encode(_ columns: [FormatColumn], count: Int, present: Validity) throws(FormatError) -> BytesColumn {
        if encoder == nil, present.nullCount == count {
            let output = BytesOutput(count: count)
            output.appendNulls(count)
            return output.finish()
        }
        if let encoder { return try encoder.encode(columns, count: count, present: present) }
        let made = try make()
        encoder = made
        return try made.encode(columns, count: count, present: present)
    }
}
