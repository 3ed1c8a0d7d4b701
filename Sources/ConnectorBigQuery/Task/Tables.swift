import ConnectCore
import JSONFormat

/// The tables that a task writes to, as they are known: looks at them, makes them, gives them new columns.
///
/// `@unchecked Sendable`: used by the task's `put` alone, which has one caller at a time and asks one thing after another.
final class Tables: @unchecked Sendable {
    private struct Table {
        var fields: [BigQueryField]
        /// nil for a table that is not partitioned by time.
        var partitioning: Partitioning?
        /// Schemas of records whose fields it has.
        var covered: Set<Schemas> = []
    }

    struct Partitioning: Sendable {
        /// DAY, HOUR, MONTH, YEAR.
        var type: String
        /// nil for the time of ingestion.
        var field: String?
    }

    private struct Schemas: Hashable {
        var key: ConnectSchema?
        var value: ConnectSchema
    }

    private let settings: BigQuerySettings
    private let client: BigQueryClient
    private let converter: SchemaConverter
    private let change: SchemaChange
    private let log: @Sendable (TaskLogLevel, String) -> Void
    private var known: [TableName: Table] = [:]
    /// Schemas that a table remembers; topics with more of them are looked at again.
    private static let coveredCountMax = 1000
    /// Tables that are remembered.
    private static let knownCountMax = 10_000
    /// How often a change is tried that others get before.
    private static let changeCountMax = 10

    init(
        _ settings: BigQuerySettings, _ client: BigQueryClient,
        _ log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) {
        self.settings = settings
        self.client = client
        self.log = log
        converter = SchemaConverter(settings: settings)
        change = SchemaChange(settings)
    }

    func forget(_ name: TableName) { known[name] = nil }

    /// The columns of a table, as they are known.
    func fields(_ name: TableName) -> [BigQueryField]? { known[name]?.fields }

    /// Looks at the table again.
    ///
    /// - Returns: whether its columns are others than those that were known.
    func renew(_ name: TableName) async throws(ConnectError) -> Bool {
        let before = fields(name)
        if try await !look(name) { forget(name) }
        return fields(name) != before
    }

    /// Whether the table is there.
    func isThere(_ name: TableName) async throws(ConnectError) -> Bool {
        if known[name] != nil { return true }
        return try await look(name)
    }

    /// Sees to it that the table is there, made for these records if need be.
    ///
    /// - Throws: `.connect` when it is not and must or can not be made; `.retriable` when BigQuery does not answer.
    func prepare(_ name: TableName, for records: [ConnectRecord]) async throws(ConnectError) {
        if known[name] != nil { return }
        if try await look(name) { return }
        guard settings.createsTables else {
            throw ConnectError(
                .connect, "\(name) does not exist: make it, or let this connector do so with autoCreateTables=true")
        }
        let fields = try initialFields(name, records)
        if try await client.create(name, table(name, fields, records)) {
            log(.info, "made \(name)")
            known[name] = Table(
                fields: fields,
                partitioning: settings.partitioning.map { Partitioning(type: $0.type, field: $0.field) })
        } else if try await !look(name) {
            // Somebody makes it just now; what it is like is looked at next time.
            log(.info, "\(name) is being made by somebody else")
        }
    }

    /// How the table is partitioned by time; nil when it is not, or not known.
    func partitioning(_ name: TableName) -> Partitioning? { known[name]?.partitioning }

    /// Whether the table lacks a field of the record's, as far as is known.
    ///
    /// - Throws: `.data` when the record makes no columns.
    func lacksFields(_ name: TableName, of record: ConnectRecord) throws(ConnectError) -> Bool {
        guard let schema = record.value.schema, let table = known[name] else { return false }
        let schemas = Schemas(key: settings.keyField == nil ? nil : record.key.schema, value: schema)
        if table.covered.contains(schemas) { return false }
        let proposed = try converter.fields(record)
        if SchemaChange.hasNewFields(proposed, beside: table.fields) { return true }
        if table.covered.count >= Self.coveredCountMax { known[name]?.covered = [] }
        known[name]?.covered.insert(schemas)
        return false
    }

    /// A name in the row that the table, as it is known, has no column for.
    func unknownName(_ name: TableName, in row: Row) -> String? {
        guard let table = known[name], var json = JSONValue.parse(row.json) else { return nil }
        if settings.merging != nil {
            if let key = json[MergeQuery.key], let column = settings.keyField.map({ settings.shown($0) }) {
                let fields = table.fields.first { $0.identity == BigQueryField.identity(column) }?.fields ?? []
                if let unknown = SchemaChange.unknownName(in: key, beside: fields) { return "\(column).\(unknown)" }
            }
            guard let value = json[MergeQuery.value] else { return nil }
            json = value
        }
        return SchemaChange.unknownName(in: json, beside: table.fields)
    }

    /// Gives the table the columns that records have and it has not, and relaxes those that they may leave out.
    ///
    /// - Parameter lacksColumns: rows were refused because they lack columns that are REQUIRED.
    /// - Returns: whether the table was changed, by this or by somebody else since it was looked at.
    /// - Throws: `.data` when that is not allowed, or a record makes no columns.
    func update(
        _ name: TableName, for records: [ConnectRecord], lacksColumns: Bool = false
    ) async throws(ConnectError) -> Bool {
        let before = known[name]?.fields
        for _ in 0..<Self.changeCountMax {
            guard let json = try await client.table(name) else {
                known[name] = nil
                throw ConnectError(.retriable, "\(name) is gone")
            }
            let table = Self.table(json)
            known[name] = table
            var fields = table.fields
            for record in oneOfEachSchema(records) {
                fields = try change.merged(
                    fields, with: try converter.fields(record), lacksColumns: lacksColumns)
            }
            guard fields != table.fields else { return fields != before }
            var members: [(String, JSONValue)] = [("schema", .object([("fields", .array(fields.map(\.json)))]))]
            if let text = Self.description(records) { members.append(("description", .string(text))) }
            if try await client.change(name, .object(members), version: json["etag"]?.text) {
                log(.info, "gave \(name) new columns")
                known[name]?.fields = fields
                return true
            }
        }
        throw ConnectError(.retriable, "\(name) is changed by others all the time")
    }

    /// - Returns: whether the table is there.
    private func look(_ name: TableName) async throws(ConnectError) -> Bool {
        guard let json = try await client.table(name) else { return false }
        if known.count >= Self.knownCountMax { known = [:] }
        known[name] = Self.table(json)
        return true
    }

    private static func table(_ json: JSONValue) -> Table {
        Table(
            fields: (json["schema"]?["fields"]?.elements ?? []).compactMap { BigQueryField($0) },
            partitioning: json["timePartitioning"].flatMap { json in
                json["type"]?.text.map { Partitioning(type: $0.uppercased(), field: json["field"]?.text) }
            })
    }

    private func oneOfEachSchema(_ records: [ConnectRecord]) -> [ConnectRecord] {
        var seen: Set<Schemas> = []
        return records.filter { record in
            guard let schema = record.value.schema else { return false }
            return seen.insert(Schemas(key: record.key.schema, value: schema)).inserted
        }
    }

    private func initialFields(
        _ name: TableName, _ records: [ConnectRecord]
    ) throws(ConnectError) -> [BigQueryField] {
        var fields: [BigQueryField]?
        // A new table is what the last record is like, unless schemas are to be united.
        let samples = oneOfEachSchema(
            settings.unites ? records : records.last { $0.value.schema != nil }.map { [$0] } ?? [])
        for record in samples {
            let proposed = try converter.fields(record)
            fields =
                try fields.map { (fields) throws(ConnectError) in try change.merged(fields, with: proposed) }
                ?? proposed
        }
        guard let fields else {
            throw ConnectError(
                .connect,
                "\(name) does not exist, and records without a schema do not say its columns: make it, or use a converter "
                    + "with schemas")
        }
        guard !fields.isEmpty else {
            throw ConnectError(.connect, "\(name) does not exist, and records without fields do not say its columns")
        }
        return fields
    }

    private static func description(_ records: [ConnectRecord]) -> String? {
        records.last { $0.value.schema?.doc != nil }?.value.schema?.doc
    }

    /// A table's resource for `tables.insert`.
    private func table(_ name: TableName, _ fields: [BigQueryField], _ records: [ConnectRecord]) -> JSONValue {
        var members: [(String, JSONValue)] = [
            (
                "tableReference",
                .object([
                    ("projectId", .string(settings.project)), ("datasetId", .string(name.dataset)),
                    ("tableId", .string(name.table)),
                ])
            ),
            ("schema", .object([("fields", .array(fields.map(\.json)))])),
        ]
        if let text = Self.description(records) { members.append(("description", .string(text))) }
        if let partitioning = settings.partitioning {
            var parts: [(String, JSONValue)] = [("type", .string(partitioning.type))]
            if let field = partitioning.field { parts.append(("field", .string(field))) }
            if let expiration = partitioning.expiration {
                // 64 bits are texts in Google's JSON.
                parts.append(("expirationMs", .string(String(expiration))))
            }
            members.append(("timePartitioning", .object(parts)))
            if partitioning.field != nil, !partitioning.clustering.isEmpty {
                let names = partitioning.clustering.map { JSONValue.string($0) }
                members.append(("clustering", .object([("fields", .array(names))])))
            }
        }
        return .object(members)
    }
}
