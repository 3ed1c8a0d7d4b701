import SQLFormats
import SQLPlan
import SQLSyntax
import SQLTypes

/// What `ASSERT VALUES`, `ASSERT NULL VALUES` and `ASSERT STREAM|TABLE` of scripts look at.
struct SourceAssertions {
    private let pipeline: TestPipeline

    init(_ pipeline: TestPipeline) { self.pipeline = pipeline }

    // MARK: Records

    /// Compares the next record of the source's topic that was not asserted yet with the columns given.
    func values(
        _ expected: InsertValues, isTombstone: Bool, _ cursors: inout [String: Int]
    ) throws(ScriptFailure) {
        guard let source = pipeline.catalog[expected.target.text] else {
            throw ScriptFailure(.statement, "Source \(expected.target.text) does not exist.")
        }
        let values: [String: SQLValue]
        do throws(PlanError) {
            values = try StatementExecutor(pipeline.environment).values(expected, for: source, in: pipeline.catalog)
        } catch { throw ScriptFailure(.statement, error.message) }
        let columns = names(expected, source)
        let records = pipeline.topics.records(of: source.topic)
        let index = cursors[source.topic] ?? 0
        let wanted = text(columns, source) { values[$0] } + (isTombstone ? " <tombstone>" : "")
        guard index < records.count else {
            throw ScriptFailure(
                .record,
                "Expected another record, but all records have already been read: \(records.count) of topic "
                    + "'\(source.topic)'",
                details: ["    expected: \(wanted)"])
        }
        cursors[source.topic] = index + 1
        let record = records[index]
        let row: Row
        do throws(FormatError) { row = try Row(record, source, pipeline.schemas) } catch {
            throw ScriptFailure(
                .record, "record \(index + 1) of topic '\(source.topic)' cannot be read: \(error.message)")
        }
        let isSame =
            (record.value == nil) == isTombstone
            && columns.allSatisfy { name in
                isTombstone && source.column(name)?.role != .key
                    || (values[name] ?? .null) == (row.values[name] ?? .null)
            }
        guard !isSame else { return }
        let actual = text(columns, source) { row.values[$0] } + (record.value == nil ? " <tombstone>" : "")
        throw ScriptFailure(
            .record, "Expected record does not match actual. Expected: \(wanted), actual: \(actual)",
            details: [
                "    record \(index + 1) of topic '\(source.topic)'", "    expected: \(wanted)",
                "    actual:   \(actual)",
            ])
    }

    private func names(_ expected: InsertValues, _ source: SourceDescription) -> [String] {
        expected.columns.isEmpty
            ? (source.keyColumns + source.valueColumns).map(\.name) : expected.columns.map(\.text)
    }

    private func text(_ names: [String], _ source: SourceDescription, _ value: (String) -> SQLValue?) -> String {
        let parts = names.map { name in
            let type = source.column(name)?.type ?? .bigint
            return "\(name)=\(SQLText.text(of: value(name) ?? .null, type: type))"
        }
        return "(\(parts.joined(separator: ", ")))"
    }

    /// A record as columns.
    private struct Row {
        var values: [String: SQLValue] = [:]

        init(_ record: TopicRecord, _ source: SourceDescription, _ schemas: MemorySchemaStore) throws(FormatError) {
            let formats = RecordFormats(schemas: schemas)
            values[PseudoColumn.rowTime.rawValue] = .bigint(record.timestamp)
            var key = record.key
            if let window = source.window, let bytes = key, let parts = WindowedKey.split(bytes, window) {
                key = parts.key
                values[PseudoColumn.windowStart.rawValue] = .bigint(parts.start)
                values[PseudoColumn.windowEnd.rawValue] = .bigint(parts.end)
            }
            for (bytes, format, columns, isKey) in [
                (key, source.keyFormat, source.keyColumns, true),
                (record.value, source.valueFormat, source.valueColumns, false),
            ] {
                guard let bytes else { continue }
                let decoder = try formats.rowDecoder(
                    format, topic: source.topic, isKey: isKey, columns: columns.map(\.field))
                guard let row = try decoder.row(bytes) else { continue }
                for (column, value) in zip(columns, row) { values[column.name] = value }
            }
        }
    }

    // MARK: Sources

    /// Compares a source with what a CREATE statement of the same words would have made.
    func source(_ expected: CreateSource) throws(ScriptFailure) {
        let name = expected.name.text
        guard let actual = pipeline.catalog[name] else {
            throw ScriptFailure(.statement, "Source \(name) does not exist.")
        }
        let wanted = try description(of: expected)
        func check(_ what: String, _ expected: String, _ actual: String) throws(ScriptFailure) {
            guard expected != actual else { return }
            throw ScriptFailure(
                .statement,
                "Expected \(what) does not match actual for source \(name). Expected: \(expected), Actual: \(actual)",
                details: ["    expected: \(expected)", "    actual:   \(actual)"])
        }
        func features(_ format: SerdeFormat) -> String {
            "[\(format.features.sorted().map(\.rawValue).joined(separator: ", "))]"
        }
        try check("type", wanted.kind.rawValue, actual.kind.rawValue)
        try check("schema", wanted.schemaText, actual.schemaText)
        try check("kafka topic", wanted.topic, actual.topic)
        try check("key format", "\(wanted.keyFormat.info)", "\(actual.keyFormat.info)")
        try check("value format", "\(wanted.valueFormat.info)", "\(actual.valueFormat.info)")
        try check("key serde features", features(wanted.keyFormat), features(actual.keyFormat))
        try check("value serde features", features(wanted.valueFormat), features(actual.valueFormat))
        try check("timestamp column", wanted.timestamp?.column ?? "none", actual.timestamp?.column ?? "none")
        try check("timestamp format", wanted.timestamp?.format ?? "none", actual.timestamp?.format ?? "none")
        if wanted.window != nil || actual.window != nil {
            func text(_ window: WindowInfo?) -> String {
                window.map { "\($0.kind.rawValue) \($0.size.map(String.init) ?? "")" } ?? "none"
            }
            // A statement need not say how a result is windowed.
            if wanted.window != nil { try check("window", text(wanted.window), text(actual.window)) }
        }
    }

    /// What the statement would make in a catalog of its own, whether its topic exists or not.
    private func description(of create: CreateSource) throws(ScriptFailure) -> SourceDescription {
        var create = create
        create.orReplace = false
        create.ifNotExists = false
        var name = create.name
        while pipeline.catalog[name.text] != nil { name.text += "_" }
        create.name = name
        let topics = TestTopics()
        for topic in pipeline.topics.names { topics.create(topic, partitions: 1, replicas: 1) }
        var environment = pipeline.environment
        environment.topics = topics
        environment.registry = StoreRegistry(pipeline.schemas, isReadOnly: true)
        let probe = TestPipeline.partitions(of: create)
        if probe == nil, let topic = TestPipeline.topic(of: create) { topics.create(topic, partitions: 1, replicas: 1) }
        var catalog = pipeline.catalog
        do throws(PlanError) {
            _ = try StatementExecutor(environment).execute(.createSource(create), text: "", in: &catalog)
        } catch { throw ScriptFailure(.statement, error.message) }
        guard let source = catalog[name.text] else {
            throw ScriptFailure(.statement, "\(create.name.text) cannot be described.")
        }
        return source
    }
}
