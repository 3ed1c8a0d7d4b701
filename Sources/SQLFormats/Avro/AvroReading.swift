import Avro
import Columns
import SQLTypes

/// Avro records of one writer's schema as SQL columns.
final class AvroPayloadReader: PayloadReader {
    let fields: [FieldReader]
    let root: ValueReader?
    let rootIsRecord: Bool
    let rootIsDirect: Bool
    private let program: AvroColumnProgram
    private let sink: AvroColumnSink

    /// - Throws: `.deserialization` for schemas that have no columns, as those that contain themselves.
    ///
    /// - Parameter wanted: columns that are read; others are checked, where their values can be wrong.
    init(
        _ schema: AvroSchema, columns: [SQLField], wanted: Set<Int>, isUnwrapped: Bool
    ) throws(FormatError) {
        let reading = AvroReading(schema: schema)
        do throws(AvroError) {
            if case .record(let record) = schema.type.kind, !isUnwrapped {
                var names: [String] = []
                var fields = columns.map { FieldReader.missing($0.type) }
                for field in record.fields {
                    guard let index = ConnectTypes.index(of: field.name, in: columns, AvroDerivation.fieldName) else {
                        continue
                    }
                    let column = columns[index]
                    if !wanted.contains(index), reading.isDirect(field.type, column.type) { continue }
                    fields[index] = .single(
                        names.count, column.type, isDirect: reading.isDirect(field.type, column.type),
                        reading.reader(field.type, column.type, "->" + column.name))
                    names.append(field.name)
                }
                self.fields = fields
                root = nil
                rootIsRecord = true
                rootIsDirect = false
                let layout = try AvroColumnLayout(schema, columns: names)
                program = try AvroColumnProgram(writer: schema, layout: layout)
                sink = AvroColumnSink(layout)
            } else {
                fields = []
                let type = isUnwrapped ? columns[0].type : .structure(columns)
                root = reading.reader(schema.root, type, "")
                rootIsRecord = if case .record = schema.type.kind { true } else { false }
                rootIsDirect = isUnwrapped && reading.isDirect(schema.root, type)
                let layout = try AvroColumnLayout(schema)
                program = try AvroColumnProgram(writer: schema, layout: layout)
                sink = AvroColumnSink(layout)
            }
        } catch {
            throw FormatError(.deserialization, error.message)
        }
    }

    func append(_ payload: UnsafeRawBufferPointer) throws(FormatError) {
        do throws(AvroError) { try program.append(payload, to: sink) } catch {
            throw FormatError(.deserialization, error.message)
        }
    }

    func appendNull() { sink.appendNull() }

    func append(_ records: BytesColumn, from offset: Int) -> [DecodedColumns.Failure] {
        program.append(records, from: offset, to: sink).map { failure in
            .init(row: failure.row, error: FormatError(.deserialization, failure.error.message))
        }
    }

    func finish() -> [Column] { sink.finish().columns }
}

/// Compiles readers of values of a schema.
struct AvroReading {
    let schema: AvroSchema

    /// Connect's name of a type.
    func connectName(_ id: AvroSchema.ID) -> String {
        let id = AvroEntries.value(id, schema)
        switch schema.types[id].kind {
        case .primitive(let primitive):
            return switch primitive {
            case .null: "null"
            case .boolean: "boolean"
            case .int: "int32"
            case .long: "int64"
            case .float: "float32"
            case .double: "float64"
            case .bytes: "bytes"
            case .string: "string"
            }
        case .enumeration: return "string"
        case .fixed: return "bytes"
        case .array(let items): return AvroEntries.fields(items, schema) == nil ? "array" : "map"
        case .map: return "map"
        case .record, .union: return "struct"
        }
    }

    func isDirect(_ id: AvroSchema.ID, _ type: SQLType) -> Bool {
        let id = AvroEntries.value(id, schema)
        switch (schema.types[id].kind, type) {
        case (.primitive(.boolean), .boolean), (.primitive(.int), .int), (.primitive(.int), .date),
            (.primitive(.int), .time), (.primitive(.long), .bigint), (.primitive(.long), .timestamp),
            (.primitive(.double), .double), (.primitive(.string), .string), (.enumeration, .string):
            return true
        case (.primitive(.bytes), .bytes), (.fixed, .bytes):
            if case .decimal = schema.types[id].logicalType { return false }
            return true
        default: return false
        }
    }

    /// - Parameter path: for messages.
    func reader(_ id: AvroSchema.ID, _ type: SQLType, _ path: String) -> ValueReader {
        let id = AvroEntries.value(id, schema)
        let written = schema.types[id]
        let name = connectName(id)
        switch type {
        case .decimal(let precision, let scale):
            guard case .decimal(_, let writtenScale) = written.logicalType else {
                return ConnectTypes.mismatch(name, type, path)
            }
            return { (value) throws(FormatError) in
                guard case .bytes(let bytes) = value else { return .null }
                return try ConnectTypes.fitted(SQLDecimal(bigEndian: bytes, scale: writtenScale), precision, scale)
            }
        case .bytes:
            if case .decimal = written.logicalType { return ConnectTypes.mismatch(name, type, path) }
            return ConnectTypes.scalar(name, type, path)
        case .array(let element):
            guard name == "array", case .array(let items) = written.kind else {
                return ConnectTypes.mismatch(name, type, path)
            }
            let inner = reader(items, element, path + "->ARRAY")
            return { (value) throws(FormatError) in
                guard case .list(let elements) = value else { return .null }
                var values: [SQLValue] = []
                values.reserveCapacity(elements.count)
                for element in elements { values.append(try inner(element)) }
                return .array(values)
            }
        case .map(let key, let element):
            switch written.kind {
            case .map(let values):
                let inner = reader(values, element, path + "->MAP_VAL")
                return { (value) throws(FormatError) in
                    guard case .map(let pairs) = value else { return .null }
                    var entries: [(key: SQLValue, value: SQLValue)] = []
                    for pair in pairs {
                        guard case .string(let text) = pair.key else { continue }
                        entries.append((.string(text), try inner(pair.value)))
                    }
                    return .map(SQLMap(entries))
                }
            case .array(let items):
                guard let (writtenKey, writtenValue) = AvroEntries.fields(items, schema) else { break }
                let keyReader = reader(writtenKey, key, path + "->MAP_KEY")
                let valueReader = reader(writtenValue, element, path + "->MAP_VAL")
                return { (value) throws(FormatError) in
                    guard case .list(let pairs) = value else { return .null }
                    var entries: [(key: SQLValue, value: SQLValue)] = []
                    for case .structure(let pair) in pairs where pair.count == 2 {
                        entries.append((try keyReader(pair[0]), try valueReader(pair[1])))
                    }
                    return .map(SQLMap(entries))
                }
            default: break
            }
            return ConnectTypes.mismatch(name, type, path)
        case .structure(let fields):
            var parts: [(source: Int, index: Int, read: ValueReader)] = []
            func add(_ name: String, _ source: Int, _ id: AvroSchema.ID) {
                guard let index = ConnectTypes.index(of: name, in: fields, AvroDerivation.fieldName) else { return }
                parts.append(
                    (source, index, reader(id, fields[index].type, path + "->" + fields[index].name)))
            }
            switch written.kind {
            case .record(let record):
                for (source, field) in record.fields.enumerated() { add(field.name, source, field.type) }
            case .union(let branches):
                let values = AvroEntries.values(branches, schema)
                for (source, name) in AvroEntries.branchNames(values, schema).enumerated() {
                    add(name, source, values[source])
                }
            default: return ConnectTypes.mismatch(name, type, path)
            }
            let count = fields.count
            return { [parts] (value) throws(FormatError) in
                guard case .structure(let written) = value else { return .null }
                var values = [SQLValue](repeating: .null, count: count)
                for part in parts { values[part.index] = try part.read(written[part.source]) }
                return .structure(values)
            }
        default: return ConnectTypes.scalar(name, type, path)
        }
    }
}
