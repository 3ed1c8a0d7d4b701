import Columns
package import SQLFormats
package import SQLFunctions
package import SQLPlan
package import SQLSyntax
package import SQLTypes
package import StreamEngine

/// Why a case did not get to its end.
package struct PipelineError: Error, Sendable, CustomStringConvertible {
    package enum Stage: String, Sendable { case parse, statement, process }

    package var stage: Stage
    package var message: String
    /// The statement that failed, from 0.
    package var statement: Int?

    package var description: String { message }
}

/// What cases need of the machine: the engine itself asks for nothing.
package struct TestSurroundings: Sendable {
    /// Time zones by name.
    package var zones: TimeZones
    /// Milliseconds since 1970 that functions and rows without time see.
    package var now: Int64 = 0

    /// What a test may require and find here.
    package static let provided: Set<String> = ["schema-registry"]

    package init(zones: TimeZones = .offsetsOnly) { self.zones = zones }
}

/// Streaming SQL without a cluster: statements, topics, registry and running queries in one value, on one thread, with a
/// clock that stands still. Time of streams is that of their records.
package final class TestPipeline {
    /// When queries see records.
    package enum Mode: Sendable {
        /// Not before `run(_:)` for each of them.
        case onDemand
        /// With every record that is inserted, through all queries behind it.
        case immediate
    }

    package final class RunningQuery {
        package fileprivate(set) var plan: PhysicalPlan
        fileprivate var properties: [String: String]
        fileprivate var task: QueryTask?
        package fileprivate(set) var isPaused = false
        /// What went wrong with records without stopping the query.
        package fileprivate(set) var log: [ProcessingLogEntry] = []

        fileprivate init(_ plan: PhysicalPlan, _ properties: [String: String]) {
            self.plan = plan
            self.properties = properties
        }

        package var counters: [(step: String, operation: String, counters: OperatorCounters)] { task?.counters ?? [] }
    }

    package private(set) var catalog = Catalog()
    package let topics = TestTopics()
    package let schemas = MemorySchemaStore()
    /// In the order of their statements.
    package private(set) var queries: [RunningQuery] = []
    package private(set) var properties: [String: String]
    package private(set) var variables = SQLVariables()
    private let functions: FunctionCatalog
    private let surroundings: TestSurroundings
    private let mode: Mode
    private var seed: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// How many queries a record has gone through.
    private var depth = 0
    private static let depthMax = 200

    package static let serviceID = "some.ksql.service.id"

    package init(
        _ surroundings: TestSurroundings, properties: [String: String] = [:], mode: Mode = .onDemand,
        functions: FunctionCatalog = .builtIn
    ) {
        self.surroundings = surroundings
        self.properties = properties
        self.mode = mode
        self.functions = functions
    }

    // MARK: Before statements

    /// Makes the topics that are there from the beginning, and those that CREATE statements with columns expect, and
    /// registers their schemas. What a case declares comes before what follows from statements.
    ///
    /// Ids of schemas count by the order of topics, and cases refer to them: it is that of the original's hash table.
    ///
    /// - Parameter partitions: of topics for which nobody says it and that are not read.
    package func prepare(
        _ list: [TestTopic], _ statements: [ParsedStatement], partitions: Int
    ) throws(PipelineError) {
        let creates = statements.compactMap { parsed -> CreateSource? in
            if case .createSource(let create) = parsed.statement { create } else { nil }
        }
        for topic in list {
            let create = creates.first { Self.topic(of: $0) == topic.name }
            topics.create(
                topic.name,
                partitions: topic.partitionCount ?? create.map { Self.partitions(of: $0) ?? 1 } ?? partitions,
                replicas: topic.replicaCount ?? create.flatMap(Self.replicas) ?? 1)
        }
        do throws(FormatError) {
            for bucket in 0..<Self.bucketCount {
                for topic in list where Self.bucket(of: topic.name) == bucket {
                    try register(topic.key, "\(topic.name)-key")
                    try register(topic.value, "\(topic.name)-value")
                }
                for create in creates {
                    guard let topic = Self.topic(of: create), Self.bucket(of: topic) == bucket else { continue }
                    prepareTopic(of: create, partitions: partitions)
                }
            }
        } catch { throw PipelineError(stage: .statement, message: error.message) }
    }

    private static let bucketCount: UInt32 = 16

    /// Where a small Java hash table keeps a text.
    private static func bucket(of text: String) -> UInt32 {
        let hash = text.utf16.reduce(into: UInt32(0)) { $0 = $0 &* 31 &+ UInt32($1) }
        return (hash ^ (hash >> 16)) & (bucketCount - 1)
    }

    /// Ids of schemas that others refer to do not count.
    private static let firstReferenceID: Int32 = 1 << 20

    private func register(_ schema: TestTopic.Schema?, _ subject: String) throws(FormatError) {
        guard let schema else { return }
        var references: [RegistrySchema.Reference] = []
        for reference in schema.references {
            let referred = RegistrySchema(type: reference.type, text: reference.text, references: references)
            if schemas.subjects[reference.name] == nil {
                let id = Self.firstReferenceID + Int32(truncatingIfNeeded: schemas.schemas.count)
                schemas.put(referred, id: id, under: reference.name)
            }
            references.append(.init(name: reference.name, subject: reference.name, version: 1))
        }
        let text = RegistrySchema(type: schema.type, text: schema.text, references: references)
        if let id = schema.id {
            schemas.put(text, id: id, under: subject)
        } else {
            _ = try schemas.register(text, under: subject)
        }
    }

    /// Makes the topic of a CREATE if it is missing, with the partitions it asks for, and registers schemas of its columns.
    ///
    /// - Parameter partitions: where it asks for none.
    package func prepareTopic(of create: CreateSource, partitions: Int) {
        guard let topic = Self.topic(of: create) else { return }
        // What is wrong with the statement is told when it is executed.
        try? StatementExecutor(environment).prepare(create, in: catalog, defaultPartitionCount: partitions)
        topics.create(
            topic, partitions: Self.partitions(of: create) ?? partitions, replicas: Self.replicas(of: create) ?? 1)
    }

    static func topic(of create: CreateSource) -> String? { text("KAFKA_TOPIC", of: create) }

    static func partitions(of create: CreateSource) -> Int? { text("PARTITIONS", of: create).flatMap { Int($0) } }

    private static func replicas(of create: CreateSource) -> Int? { text("REPLICAS", of: create).flatMap { Int($0) } }

    private static func text(_ name: String, of create: CreateSource) -> String? {
        let entry = create.properties.entries.first { $0.name.text.uppercased() == name }
        if case .string(let text)? = entry?.value { return text }
        return entry?.value.sql
    }

    // MARK: Statements

    private func random() -> UInt64 {
        seed &+= 0x9E37_79B9_7F4A_7C15
        var z = seed
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    package var environment: StatementEnvironment {
        var configuration = SQLConfiguration(["ksql.service.id": Self.serviceID])
        configuration = configuration.overridden(by: properties)
        return StatementEnvironment(
            functions: functions, topics: topics, registry: StoreRegistry(schemas),
            translation: FormatTranslation(), configuration: configuration, now: surroundings.now,
            random: { [self] in random() }, zones: surroundings.zones)
    }

    package func execute(_ parsed: ParsedStatement) throws(PipelineError) {
        var parsed = parsed
        do throws(SQLSyntaxError) { parsed = try parsed.substituting(variables) } catch {
            throw PipelineError(stage: .statement, message: error.message)
        }
        if case .alterSystemProperty(let name, let value) = parsed.statement {
            properties[name] = value
            return
        }
        let outcome: StatementOutcome
        do throws(PlanError) {
            outcome = try StatementExecutor(environment).execute(parsed.statement, text: parsed.text, in: &catalog)
        } catch {
            throw PipelineError(stage: .statement, message: error.message)
        }
        for effect in outcome.effects { try apply(effect) }
    }

    private func apply(_ effect: StatementEffect) throws(PipelineError) {
        switch effect {
        case .start(let plan): queries.append(RunningQuery(plan, properties))
        case .replace(let plan):
            if let query = queries.first(where: { $0.plan.id == plan.id }) {
                try replace(query, plan)
            } else {
                queries.append(RunningQuery(plan, properties))
            }
        case .stop(let id): queries.removeAll { $0.plan.id == id }
        case .pause(let id): queries.first { $0.plan.id == id }?.isPaused = true
        case .resume(let id): queries.first { $0.plan.id == id }?.isPaused = false
        case .insert(let row): try insert(row)
        case .set(let name, let value): properties[name] = value
        case .unset(let name): properties[name] = nil
        case .define(let variable, let value): variables[variable] = value
        case .undefine(let variable): variables[variable] = nil
        }
    }

    private func replace(_ query: RunningQuery, _ plan: PhysicalPlan) throws(PipelineError) {
        let old = query.task
        query.plan = plan
        query.task = nil
        query.properties = properties
        guard let old else { return }
        let task = try task(of: query)
        task.adoptState(of: old)
        for topic in plan.sourceTopics {
            let records = topics.records(of: topic).enumerated().map { offset, record in
                (
                    key: record.key, value: record.value, timestamp: record.timestamp, offset: Int64(offset),
                    headers: record.headers.map { SourceBatch.Header(key: $0.key, value: $0.value) }
                )
            }
            if !records.isEmpty { task.restore(SourceBatch(topic: topic, records: records)) }
        }
    }

    private func insert(_ row: InsertedRow) throws(PipelineError) {
        let source = row.source
        let record: TopicRecord
        do throws(FormatError) {
            let formats = RecordFormats(schemas: schemas)
            record = TopicRecord(
                key: try formats.rowEncoder(
                    source.keyFormat, topic: source.topic, isKey: true, columns: source.keyColumns.map(\.field)
                ).bytes(row.key),
                value: try formats.rowEncoder(
                    source.valueFormat, topic: source.topic, isKey: false, columns: source.valueColumns.map(\.field)
                ).bytes(row.value), timestamp: row.timestamp)
        } catch {
            throw PipelineError(
                stage: .statement, message: "Failed to insert values into '\(source.name)'. " + error.message)
        }
        try append(record, to: source.topic)
    }

    // MARK: Records

    /// Appends a record; in `.immediate` mode with all its consequences.
    package func append(_ record: TopicRecord, to topic: String) throws(PipelineError) {
        let offset = topics.append(record, to: topic)
        guard mode == .immediate else { return }
        guard depth < Self.depthMax else {
            throw PipelineError(
                stage: .process, message: "Queries feed each other in a circle: a record came back to topic '\(topic)'")
        }
        depth += 1
        defer { depth -= 1 }
        for query in queries where query.plan.sourceTopics.contains(topic) && !query.isPaused {
            try feed(record, offset, topic, to: query)
        }
    }

    /// Feeds one record of a topic to a query; results are appended to the topic of its sink.
    package func feed(
        _ record: TopicRecord, _ offset: Int64, _ topic: String, to query: RunningQuery
    ) throws(PipelineError) {
        let task = try task(of: query)
        let headers = record.headers.map { SourceBatch.Header(key: $0.key, value: $0.value) }
        let output = task.process(
            SourceBatch(topic: topic, records: [(record.key, record.value, record.timestamp, offset, headers)]))
        query.log += output.log
        for batch in output.records {
            for row in 0..<batch.count {
                let headers = batch.headers.isEmpty ? [] : batch.headers[row]
                let result = TopicRecord(
                    key: batch.keys.array(row), value: batch.values.array(row), timestamp: batch.timestamps[row],
                    headers: headers.map { RecordHeader(key: $0.key, value: $0.value) })
                try append(result, to: batch.topic)
            }
        }
        if let failure = output.failure {
            throw PipelineError(
                stage: .process,
                message: "Exception caught in process. query=\(query.plan.id), topic=\(topic), partition=0, "
                    + "offset=\(offset): \(failure.message)")
        }
    }

    private func task(of query: RunningQuery) throws(PipelineError) -> QueryTask {
        if let task = query.task { return task }
        var context = EvaluationContext(
            now: { [now = surroundings.now] in now }, random: { [self] in random() }, zones: surroundings.zones)
        context.limits = FunctionLimits(properties: query.properties)
        do throws(EngineError) {
            let task = try QueryTask(
                query.plan, functions: SQLFunctionLibrary(functions, context: context),
                formats: SQLFormatLibrary(RecordFormats(schemas: schemas), zones: surroundings.zones),
                settings: EngineSettings(properties: query.properties))
            query.task = task
            return task
        } catch { throw PipelineError(stage: .process, message: error.message) }
    }

    /// Makes the tasks of all queries, so that what cannot be built fails before any record.
    package func build() throws(PipelineError) { for query in queries { _ = try task(of: query) } }
}

extension SQLColumn {
    var field: SQLField { SQLField(name, type) }
}
