import ConnectCore
import JSONFormat

/// Upserts and deletions: rows are streamed into an intermediate table for each destination, and merged from there.
///
/// The intermediate table has the destination's own columns, so that BigQuery refuses what would not fit there row by row. It
/// never loses one: BigQuery refuses that.
///
/// `@unchecked Sendable`: used by the task alone, which has one caller at a time.
final class Merger: @unchecked Sendable {
    private struct Table {
        let intermediate: TableName
        /// As it was made; nil before.
        var fields: [BigQueryField]?
        /// Names of columns that values have.
        var columns: Set<String> = []
        var hasValues = false
        /// Schemas of values whose names are among them.
        var covered: Set<ConnectSchema> = []
        var rounds = MergeRounds()
    }

    private let settings: BigQuerySettings
    private let merging: BigQuerySettings.Merging
    private let client: BigQueryClient
    private let destinations: Tables
    private let converter: SchemaConverter
    private let log: @Sendable (TaskLogLevel, String) -> Void
    /// What is behind a destination's name in that of its intermediate table; no two tasks have the same.
    private let suffix: String
    private var tables: [TableName: Table] = [:]
    private var nextClosing: Int64?
    /// The table that is merged last, as its turn was.
    private var lastName: TableName?
    private static let coveredCountMax = 1000

    /// - Parameter now: milliseconds since 1970.
    init(
        _ settings: BigQuerySettings, _ merging: BigQuerySettings.Merging, _ client: BigQueryClient,
        _ destinations: Tables, task: Int, now: Int64, _ log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) {
        self.settings = settings
        self.merging = merging
        self.client = client
        self.destinations = destinations
        self.log = log
        converter = SchemaConverter(settings: settings)
        let chance = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        suffix = "_\(merging.suffix)_\(task)_\(chance)_\(now)"
    }

    private var keyIdentity: String { BigQueryField.identity(settings.shown(merging.keyColumn)) }

    func intermediate(_ name: TableName) -> TableName { table(name).intermediate }

    func place(_ record: ConnectRecord, in name: TableName) -> MergeRounds.Place {
        var table = table(name)
        tables[name] = nil  // alone in its hands, so that nothing is copied
        defer { tables[name] = table }
        return table.rounds.place(RecordPlace(record))
    }

    private func table(_ name: TableName) -> Table {
        if let table = tables[name] { return table }
        let table = Table(
            intermediate: TableName(dataset: name.dataset, table: ColumnName.sanitized(name.table + suffix)))
        tables[name] = table
        return table
    }

    // MARK: intermediate tables

    /// Sees to it that the intermediate table is there with what records need that go to the destination.
    ///
    /// - Returns: whether it was made or changed.
    /// - Throws: `.connect` when that cannot be; `.retriable` when the destination is not known yet.
    func prepare(_ name: TableName, for records: [ConnectRecord]) async throws(ConnectError) -> Bool {
        var table = table(name)
        for record in records { try note(record, &table) }
        tables[name] = table
        guard let destination = destinations.fields(name) else {
            throw ConnectError(.retriable, "\(name) is not known yet")
        }
        let fields = try self.fields(name, destination, beside: table.fields)
        guard fields != table.fields else { return false }
        if table.fields == nil {
            // Nobody else has its name; one that is there is ours, of a request whose answer was lost.
            _ = try await client.create(table.intermediate, Self.resource(settings.project, table.intermediate, fields))
            log(.info, "made the intermediate \(table.intermediate)")
        } else {
            _ = try await client.change(
                table.intermediate, .object([("schema", Self.schema(fields))]), version: nil)
        }
        tables[name]?.fields = fields
        return true
    }

    private func note(_ record: ConnectRecord, _ table: inout Table) throws(ConnectError) {
        if !record.value.value.isNull { table.hasValues = true }
        if let schema = record.value.schema {
            guard !record.value.value.isNull, !table.covered.contains(schema) else { return }
            for field in try converter.fields(record) where field.identity != keyIdentity {
                table.columns.insert(field.identity)
            }
            if table.covered.count >= Self.coveredCountMax { table.covered = [] }
            table.covered.insert(schema)
        } else if case .map(let map) = record.value.value {
            for entry in map.entries {
                guard case .string(let name) = entry.key else { continue }
                table.columns.insert(BigQueryField.identity(settings.shown(name)))
            }
            if let name = settings.dataField { table.columns.insert(BigQueryField.identity(settings.shown(name))) }
        }
    }

    private func fields(
        _ name: TableName, _ destination: [BigQueryField], beside existing: [BigQueryField]?
    ) throws(ConnectError) -> [BigQueryField] {
        guard let key = destination.first(where: { $0.identity == keyIdentity }), key.type == "RECORD" else {
            throw ConnectError(
                .connect,
                "\(name) has no column \(settings.shown(merging.keyColumn)) that is a RECORD, which kafkaKeyFieldName names"
            )
        }
        var values = destination.filter { $0.identity != keyIdentity }
        // No RECORD is without fields. This one is not written.
        if values.isEmpty { values = [BigQueryField("none", "STRING")] }
        let fields = [
            BigQueryField(MergeQuery.value, "RECORD", fields: values.map(\.plain)),
            BigQueryField(MergeQuery.key, "RECORD", .required, fields: key.fields.map(\.plain)),
            BigQueryField(MergeQuery.iteration, "INTEGER", .required),
            BigQueryField(MergeQuery.partitionTime, "TIMESTAMP"),
            BigQueryField(MergeQuery.batchNumber, "INTEGER", .required),
        ]
        return existing.map { Self.widened($0, by: fields) } ?? fields
    }

    /// Fields that are there stay where they are, and do not become REQUIRED; new ones come behind them.
    private static func widened(_ existing: [BigQueryField], by wanted: [BigQueryField]) -> [BigQueryField] {
        let others = Dictionary(wanted.map { ($0.identity, $0) }, uniquingKeysWith: { first, _ in first })
        var fields = existing.map { field in
            var result = others[field.identity] ?? field
            // What the destination has no more is not written.
            let isOptional = field.mode == .nullable || others[field.identity] == nil
            if isOptional, result.mode == .required { result.mode = .nullable }
            result.fields = widened(field.fields, by: others[field.identity]?.fields ?? [])
            return result
        }
        let known = Set(existing.map(\.identity))
        for var field in wanted where !known.contains(field.identity) {
            if field.mode == .required { field.mode = .nullable }
            fields.append(field)
        }
        return fields
    }

    private static func schema(_ fields: [BigQueryField]) -> JSONValue {
        .object([("fields", .array(fields.map(\.json)))])
    }

    /// Partitioned by the time of ingestion, for a statement can then tell rows that are still in the streaming buffer.
    private static func resource(_ project: String, _ name: TableName, _ fields: [BigQueryField]) -> JSONValue {
        .object([
            (
                "tableReference",
                .object([
                    ("projectId", .string(project)), ("datasetId", .string(name.dataset)),
                    ("tableId", .string(name.table)),
                ])
            ),
            ("schema", schema(fields)), ("description", .string("Temporary table")),
            ("timePartitioning", .object([("type", .string("DAY"))])),
        ])
    }

    // MARK: merging

    /// All records of a `put` are written.
    func settle() {
        for name in tables.keys { tables[name]?.rounds.settle() }
    }

    /// Ends rounds whose time has come, and merges those that can be read.
    ///
    /// - Returns: whether more offsets may be committed.
    func advance(_ now: Int64) async throws(ConnectError) -> Bool {
        var isDue = false
        if let interval = merging.interval {
            if let next = nextClosing { isDue = now >= next }
            if isDue || nextClosing == nil {
                let (next, overflows) = now.addingReportingOverflow(interval)
                nextClosing = overflows ? .max : next
            }
        }
        for name in tables.keys {
            if isDue || merging.threshold.map({ tables[name]?.rounds.rowCount ?? 0 >= $0 }) == true {
                tables[name]?.rounds.close(readyAt: now + merging.wait)
            }
        }
        // Queries take their time, and the worker waits: what is left is next time's, and comes first then.
        let start = ContinuousClock.now
        var isFurther = false
        for name in turns() {
            guard let round = tables[name]?.rounds.due(now) else { continue }
            lastName = name
            if try await merge(name, round) { isFurther = true }
            if start.duration(to: .now) > Self.mergingTime { break }
        }
        return isFurther
    }

    private static let mergingTime = Duration.seconds(10)

    /// All tables, those behind the one that was merged last first.
    private func turns() -> [TableName] {
        let names = tables.keys.sorted { $0.description < $1.description }
        guard let last = lastName.map(\.description) else { return names }
        return names.filter { $0.description > last } + names.filter { $0.description <= last }
    }

    /// - Returns: whether the round is in the destination.
    private func merge(_ name: TableName, _ round: MergeRounds.Round) async throws(ConnectError) -> Bool {
        guard let table = tables[name] else { return false }
        guard table.fields != nil else {
            // All rows were refused before there was a table for them.
            tables[name]?.rounds.merged()
            return true
        }
        guard try await destinations.isThere(name), let query = query(name, table) else {
            throw ConnectError(.connect, "Failed to merge rows to destination \(name): it is gone")
        }
        let result: BigQueryClient.QueryResult
        if let job = round.job {
            result = try await client.result(job)
        } else {
            result = try await client.query(query.merge(round.numbers), requestID: round.requestID)
        }
        switch result {
        case .running(let job):
            tables[name]?.rounds.run(job)
            return false
        case .failed(let failure):
            let words =
                "Failed to merge rows to destination \(name): \(client.explained(failure, name))"
                + (failure.status == 403 ? " (it also takes the role BigQuery Job User)" : "")
            guard failure.isPassing else { throw ConnectError(.connect, words) }
            tables[name]?.rounds.fail()
            throw client.failure("MERGE \(name)", attempt: round.failureCount, words)
        case .done: break
        }
        tables[name]?.rounds.merged()
        log(.debug, "merged \(round.rowCount) rows from \(table.intermediate) to \(name)")
        await clear(query, upTo: round.numbers.last ?? 0)
        return true
    }

    /// Rows that stay are not merged again, and go with the table.
    private func clear(_ query: MergeQuery, upTo batch: Int64) async {
        do throws(ConnectError) {
            if case .failed(let failure) = try await client.begin(query.clear(upTo: batch)) {
                log(.debug, "merged rows stay in \(query.intermediate): \(failure.description)")
            }
        } catch {
            log(.debug, "merged rows stay in \(query.intermediate): \(error.message)")
        }
    }

    private func query(_ name: TableName, _ table: Table) -> MergeQuery? {
        guard let fields = table.fields, let destination = destinations.fields(name) else { return nil }
        let key = fields.first { $0.name == MergeQuery.key }?.fields ?? []
        return MergeQuery(
            destination: name, intermediate: table.intermediate,
            keyColumn: destination.first { $0.identity == keyIdentity }?.name ?? settings.shown(merging.keyColumn),
            keyFields: key.flatMap(Self.leaves),
            valueColumns: destination.filter { $0.identity != keyIdentity && table.columns.contains($0.identity) }
                .map(\.name),
            hasValues: table.hasValues,
            upserts: merging.upserts, deletes: merging.deletes, hasPartitionTime: settings.hasDecorator)
    }

    private static func leaves(_ field: BigQueryField) -> [[String]] {
        guard field.type == "RECORD", field.mode != .repeated else { return [[field.name]] }
        return field.fields.flatMap { leaves($0).map { [field.name] + $0 } }
    }

    /// What may be committed of a partition.
    func committable(_ partition: SinkPartition, put offset: Int64) -> Int64 {
        tables.values.compactMap { $0.rounds.firstOffset(partition) }.reduce(offset, min)
    }

    /// Partitions that are somebody else's from now on. What is being merged is waited for, for some time: it must not
    /// come behind what the other one merges.
    func close(_ partitions: [SinkPartition]) async {
        for name in tables.keys {
            tables[name]?.rounds.drop(Set(partitions))
            await finish(name)
        }
    }

    private func finish(_ name: TableName) async {
        for _ in 0..<Self.finishingCountMax {
            guard let round = tables[name]?.rounds.closed.first, round.job != nil else { return }
            do throws(ConnectError) {
                if try await merge(name, round) { return }
            } catch {
                log(.warning, "\(error.message)")
                return
            }
        }
    }

    /// Answers of a query that runs come after two seconds at most.
    private static let finishingCountMax = 10

    /// Leaves no tables behind.
    func stop() async {
        for (name, table) in tables where table.fields != nil {
            await finish(name)
            do throws(ConnectError) { try await client.delete(table.intermediate) } catch {
                log(.warning, "the intermediate \(table.intermediate) stays: \(error.message)")
            }
        }
        tables = [:]
    }
}
