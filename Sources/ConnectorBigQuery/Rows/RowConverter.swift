import Bytes
import ConnectCore
import JSONFormat

/// Rows for `tabledata.insertAll` of records.
///
/// - SeeAlso: the original's `BigQueryRecordConverter` and `SinkRecordConverter`.
struct RowConverter: Sendable {
    private let settings: BigQuerySettings
    /// The columns of the options, which take the place of fields with their names.
    private let reserved: Set<String>

    init(_ settings: BigQuerySettings) {
        self.settings = settings
        reserved = Set(
            [settings.keyField, settings.dataField].compactMap { $0 }.map { BigQueryField.identity(settings.shown($0)) }
        )
    }

    /// - Parameter now: milliseconds since 1970, the time of insertion.
    /// - Returns: a JSON object.
    /// - Throws: `.data` for a record that makes no row.
    func row(_ record: ConnectRecord, now: Int64) throws(ConnectError) -> [UInt8] {
        var writer = JSONWriter(byteCapacity: 256)
        writer.beginObject()
        try valueMembers(record, now, to: &writer)
        if let name = settings.keyField, try hasFields(record.key.schema) {
            writer.name(shown(name))
            writer.beginObject()
            try members(record.key, except: [], to: &writer)
            writer.endObject()
        }
        writer.endObject()
        return writer.bytes
    }

    /// A row of an intermediate table.
    ///
    /// - Parameter seconds: since 1970, the time by which the destination is partitioned.
    /// - Throws: `.data` for a record that makes none.
    func row(
        _ record: ConnectRecord, at place: MergeRounds.Place, now: Int64, seconds: Double
    ) throws(ConnectError) -> [UInt8] {
        var writer = JSONWriter(byteCapacity: 256)
        writer.beginObject()
        if !record.value.value.isNull {
            writer.name(MergeQuery.value)
            writer.beginObject()
            try valueMembers(record, now, to: &writer)
            writer.endObject()
        }
        writer.name(MergeQuery.key)
        writer.beginObject()
        try members(record.key, except: [], to: &writer)
        writer.endObject()
        writer.name(MergeQuery.iteration)
        writer.integer(place.iteration)
        writer.name(MergeQuery.partitionTime)
        writer.double(seconds)
        writer.name(MergeQuery.batchNumber)
        writer.integer(place.batch)
        writer.endObject()
        return writer.bytes
    }

    /// What the value brings, and the column of its place.
    private func valueMembers(
        _ record: ConnectRecord, _ now: Int64, to writer: inout JSONWriter
    ) throws(ConnectError) {
        try members(record.value, except: reserved, to: &writer)
        if let name = settings.dataField, case .sink(let topic, let partition, let offset, _) = record.origin {
            writer.name(shown(name))
            writer.beginObject()
            writer.name("topic")
            writer.string(topic)
            writer.name("partition")
            writer.integer(Int64(partition))
            writer.name("offset")
            writer.integer(offset)
            writer.name("insertTime")
            writer.double(Double(now) / 1000)
            writer.endObject()
        }
    }

    /// What a row is told apart by, for a while, when it comes twice. It is made of the place that the record was read from:
    /// the topic that a transform gives it, which the original takes, may be that of others with the same partition and offset.
    ///
    /// - Parameter batch: of the row, where rows are merged.
    static func insertID(_ record: ConnectRecord, batch: Int64? = nil) -> String {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else { return record.topic }
        return "\(topic)-\(partition)-\(offset)" + (batch.map { "-\($0)" } ?? "")
    }

    private func shown(_ name: String) -> String { settings.shown(name) }

    /// False for a struct of which no column is made. What is no struct is refused elsewhere.
    private func hasFields(_ schema: ConnectSchema?) throws(ConnectError) -> Bool {
        guard let schema, schema.kind == .structure else { return true }
        return try SchemaConverter.hasColumn(schema, settings)
    }

    private func members(
        _ data: SchemaAndValue, except: Set<String>, to writer: inout JSONWriter
    ) throws(ConnectError) {
        guard let schema = data.schema else {
            guard case .map(let map) = data.value else {
                throw .data(
                    "Only Map objects supported in absence of schema for record conversion to BigQuery format.")
            }
            return try free(map, except: except, 0, to: &writer)
        }
        guard schema.kind == .structure, case .structure(let value) = data.value else {
            throw .data("Top-level Kafka Connect schema must be of type 'struct'")
        }
        try structure(value, except: except, 0, to: &writer)
    }

    private func isReserved(_ name: String, _ names: Set<String>) -> Bool {
        !names.isEmpty && names.contains(BigQueryField.identity(shown(name)))
    }

    // MARK: with a schema

    private func structure(
        _ value: ConnectStruct, except: Set<String> = [], _ depth: Int, to writer: inout JSONWriter
    ) throws(ConnectError) {
        for (index, field) in value.schema.fields.enumerated() {
            if isReserved(field.name, except) { continue }
            guard try SchemaConverter.hasColumn(field.schema, settings, depth + 1) else { continue }
            let member = value[index]
            guard !member.isNull else {
                guard field.schema.isOptional else {
                    throw .data("\(field.name) is not optional, but converting object had null value")
                }
                continue
            }
            writer.name(shown(field.name))
            try self.value(member, field.schema, field.name, depth + 1, to: &writer)
        }
    }

    /// - Parameter value: not null.
    private func value(
        _ value: ConnectValue, _ schema: ConnectSchema, _ name: String, _ depth: Int, to writer: inout JSONWriter
    ) throws(ConnectError) {
        guard depth < ConnectSchema.depthMax else { throw .data("\(name) is nested too deep") }
        if let logical = try LogicalColumn(schema, settings) { return try logical.write(value, name, to: &writer) }
        switch (schema.kind, value) {
        case (.array, .array(let elements)):
            guard let elementSchema = schema.valueSchema else { throw .data("\(name) is an array of nothing") }
            writer.beginArray()
            for element in elements {
                if element.isNull {
                    guard elementSchema.isOptional else {
                        throw .data("An element of \(name) is not optional, but converting object had null value")
                    }
                    // BigQuery has no nulls in arrays, and says so.
                    writer.null()
                } else {
                    try self.value(element, elementSchema, name, depth + 1, to: &writer)
                }
            }
            writer.endArray()
        case (.map, .map(let map)):
            guard let keySchema = schema.keySchema, let valueSchema = schema.valueSchema else {
                throw .data("\(name) is a map of nothing")
            }
            writer.beginArray()
            for entry in map.entries {
                writer.beginObject()
                for (part, value, schema) in [("key", entry.key, keySchema), ("value", entry.value, valueSchema)] {
                    if value.isNull {
                        guard schema.isOptional else {
                            throw .data("A \(part) of \(name) is not optional, but converting object had null value")
                        }
                        continue
                    }
                    writer.name(part)
                    try self.value(value, schema, name, depth + 1, to: &writer)
                }
                writer.endObject()
            }
            writer.endArray()
        case (.structure, .structure(let value)):
            writer.beginObject()
            try structure(value, depth, to: &writer)
            writer.endObject()
        default: try plain(value, name, to: &writer)
        }
    }

    private func plain(_ value: ConnectValue, _ name: String, to writer: inout JSONWriter) throws(ConnectError) {
        switch value {
        case .int8, .int16, .int32, .int64: writer.integer(value.integer ?? 0)
        case .float32(let number): try double(Double(number), number.description, name, to: &writer)
        case .float64(let number): try double(number, number.description, name, to: &writer)
        case .boolean(let flag): writer.bool(flag)
        case .string(let text): writer.string(text)
        case .bytes(let bytes): writer.string(Base64.encode(bytes))
        default: throw .data("\(name) holds a \(value.javaClass), which is no value of its type")
        }
    }

    /// - Parameter text: the shortest that reads as the same number.
    private func double(
        _ number: Double, _ text: String, _ name: String, to writer: inout JSONWriter
    ) throws(ConnectError) {
        if number.isFinite { return writer.raw(text.utf8) }
        guard settings.convertsSpecialDoubles else {
            throw .data(
                "\(name) is \(text), which no row can have: convertDoubleSpecialValues=true makes a number of it")
        }
        // Java's MAX_VALUE and MIN_VALUE.
        writer.double(number == .infinity ? .greatestFiniteMagnitude : .leastNonzeroMagnitude)
    }

    // MARK: without one

    private func free(
        _ map: ConnectMap, except: Set<String> = [], _ depth: Int, to writer: inout JSONWriter
    ) throws(ConnectError) {
        for entry in map.entries {
            guard case .string(let name) = entry.key else {
                throw .data(
                    "Failed to convert record to bigQuery format: Map objects in absence of schema needs to have string value "
                        + "keys. ")
            }
            if entry.value.isNull || isReserved(name, except) { continue }
            writer.name(shown(name))
            try free(entry.value, name, depth + 1, to: &writer)
        }
    }

    private func free(
        _ value: ConnectValue, _ name: String, _ depth: Int, to writer: inout JSONWriter
    ) throws(ConnectError) {
        guard depth < ConnectSchema.depthMax else { throw .data("\(name) is nested too deep") }
        switch value {
        case .null: writer.null()
        case .array(let elements):
            writer.beginArray()
            for element in elements { try free(element, name, depth + 1, to: &writer) }
            writer.endArray()
        case .map(let map):
            writer.beginObject()
            try free(map, depth, to: &writer)
            writer.endObject()
        case .decimal, .instant, .structure:
            throw .data(
                "Unsupported class \(value.javaClass) found in schemaless record data. Can't convert record to bigQuery format"
            )
        default: try plain(value, name, to: &writer)
        }
    }
}
