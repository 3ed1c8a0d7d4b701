import Broker
import Cluster
import Environment
import Glibc
import Logging
import NIOCore
import SQLFormats
import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes
import StreamEngine
import Testing

@testable import SQLRuntime

/// A broker in this process with a runtime on it, and statements for both.
final class TestServer {
    let cluster: any Cluster
    private(set) var runtime: QueryRuntime
    private let settings: RuntimeSettings
    private var catalog = Catalog()
    private let topics = MemoryTopics()
    /// Plans by query id.
    private(set) var plans: [String: PhysicalPlan] = [:]
    var properties = ["auto.offset.reset": "earliest"]
    /// For statements; queries have the one of `RuntimeSettings.libraries`.
    var registry: MemorySchemaRegistry?

    private init(_ cluster: any Cluster, _ settings: RuntimeSettings) {
        self.cluster = cluster
        self.settings = settings
        runtime = Self.runtime(cluster, settings)
    }

    /// Nodes of `node` run the queries, and `runtime` does not.
    var leavesQueriesToNodes = false

    private static func runtime(_ cluster: any Cluster, _ settings: RuntimeSettings) -> QueryRuntime {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return QueryRuntime(cluster, settings, logger: logger)
    }

    static func run(
        _ change: (inout RuntimeSettings) -> Void = { _ in }, _ body: (TestServer) async throws -> Void
    ) async throws {
        var template = Array("/tmp/swiftwater-tests-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemFailure(code: errno) }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            do { try RealDisk().removeTree(folder) } catch { Issue.record("cannot remove \(folder): \(error)") }
        }
        var configuration = BrokerConfiguration()
        configuration.dataDirectory = folder + "/broker"
        configuration.listenPort = 0
        configuration.properties = try ServerProperties(["group.min.session.timeout.ms": "100"])
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let broker = try await BrokerServer.start(configuration, logger: logger)
        var settings = RuntimeSettings { properties in
            let context = EvaluationContext(
                now: { 0 }, random: { 0 }, limits: FunctionLimits(properties: properties))
            return EngineLibraries(
                functions: SQLFunctionLibrary(context: context), formats: SQLFormatLibrary(RecordFormats()))
        }
        settings.workerCount = 2
        settings.snapshotFolder = folder + "/snapshots"
        change(&settings)
        let server = TestServer(EmbeddedCluster(broker.node), settings)
        do {
            try await body(server)
        } catch {
            await server.runtime.shutdown()
            await broker.stop()
            throw error
        }
        await server.runtime.shutdown()
        await broker.stop()
    }

    struct SystemFailure: Error { var code: Int32 }

    /// Executes statements; queries run when this returns.
    ///
    /// - Returns: the id of the last query.
    @discardableResult
    func execute(_ text: String) async throws -> String {
        var last = ""
        for statement in try SQLParser.script(text) {
            if case .createSource(let create) = statement.statement { try await make(create) }
            let outcome = try executor.execute(statement.statement, text: statement.text, in: &catalog)
            try await makeTopics()
            for effect in outcome.effects {
                switch effect {
                case .start(let plan):
                    plans[plan.id] = plan
                    last = plan.id
                    if leavesQueriesToNodes { continue }
                    try await runtime.start(plan, properties: properties, isPaused: false)
                case .replace(let plan):
                    plans[plan.id] = plan
                    last = plan.id
                    try await runtime.replace(plan, properties: properties)
                default: break
                }
            }
        }
        return last
    }

    private var executor: StatementExecutor {
        StatementExecutor(
            StatementEnvironment(
                functions: .builtIn, topics: topics, registry: registry, translation: FormatTranslation(),
                configuration: SQLConfiguration(properties), now: 0, random: { 0 }))
    }

    private func make(_ create: CreateSource) async throws {
        var topic = ""
        var partitions = 1
        for entry in create.properties.entries {
            switch entry.name.text.uppercased() {
            case "KAFKA_TOPIC": if case .string(let text) = entry.value { topic = text }
            case "PARTITIONS": partitions = Int(entry.value.sql) ?? 1
            default: break
            }
        }
        try topics.create(
            TopicSpecification(name: topic, partitionCount: partitions, replicaCount: 1, cleanup: .delete))
        try await makeTopics()
    }

    private func makeTopics() async throws {
        let there = Set(try await cluster.topics().map(\.name))
        for name in topics.names where !there.contains(name) {
            // Records of tests are from 1970, which retention would delete within seconds.
            try await cluster.createTopic(
                NewTopic(
                    name, partitionCount: Int32(topics.partitionCount(of: name) ?? 1),
                    configs: ["retention.ms": "-1"]), validateOnly: false)
        }
    }

    /// The plan of a client's query.
    func push(_ text: String) throws -> PhysicalPlan {
        guard case .query(let query) = try SQLParser.script(text)[0].statement else {
            throw SystemFailure(code: 0)
        }
        return try executor.planPushQuery(query, id: "transient", in: catalog).plan
    }

    /// Another process takes over: all queries run again on a new runtime.
    func restart(crashes: Bool) async throws {
        if crashes { await runtime.crash() } else { await runtime.shutdown() }
        runtime = Self.runtime(cluster, settings)
        for (_, plan) in plans.sorted(by: { $0.key < $1.key }) {
            try await runtime.start(plan, properties: properties, isPaused: false)
        }
    }

    // MARK: Several nodes

    /// Another node, which shares all queries with those of before.
    ///
    /// - Parameters:
    ///   - address: its name; a node that comes back has its snapshots.
    ///   - cluster: what it sees of the cluster.
    func node(_ address: String, on cluster: (any Cluster)? = nil) async throws -> QueryRuntime {
        var settings = settings
        let sharing = Sharing()
        sharing.address = address
        settings.sharing = sharing
        settings.snapshotFolder = settings.snapshotFolder.map { "\($0)-\(address)" }
        let node = Self.runtime(cluster ?? self.cluster, settings)
        for (_, plan) in plans.sorted(by: { $0.key < $1.key }) {
            try await node.start(plan, properties: properties, isPaused: false)
        }
        return node
    }

    // MARK: Records

    func write(_ topic: String, _ records: [(key: String?, value: String?, timestamp: Int64)]) async throws {
        let writer = try await cluster.writer(.acks(.leader))
        let made = records.map {
            ProducerRecord(
                key: $0.key.map { ByteBuffer(string: $0) }, value: $0.value.map { ByteBuffer(string: $0) },
                timestamp: $0.timestamp)
        }
        _ = try await writer.write(made, to: topic)
        await writer.close()
    }

    /// All records of a topic that are committed, as texts, by partition.
    func records(_ topic: String) async throws -> [ConsumerRecord] {
        var all: [ConsumerRecord] = []
        for partition in try await cluster.topic(topic).partitions {
            let place = TopicPartition(topic, partition.partition)
            let end = try await cluster.offsets([place: .end], isolation: .readCommitted)[place] ?? 0
            let reader = try await cluster.reader(place, from: .beginning, isolation: .readCommitted)
            defer { reader.close() }
            while reader.position < end {
                all += try await reader.next(maxBytes: 1 << 20, timeout: .seconds(5)).records()
            }
        }
        return all
    }

    /// The last value of each key, as JSON text.
    func table(_ topic: String) async throws -> [String: String] {
        var table: [String: String] = [:]
        for record in try await records(topic) {
            table[record.key.map { String(buffer: $0) } ?? ""] = record.value.map { String(buffer: $0) }
        }
        return table
    }

    /// Waits until `condition` holds.
    func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(120)
        while try await !condition() {
            guard clock.now < deadline else {
                let states = await runtime.statuses().map { status in
                    "\(status.id) \(status.state.rawValue) \(status.errors.map(\.message)) in \(status.consumed) out "
                        + "\(status.produced) \(status.positions.map { "\($0.topic)-\($0.partition) \($0.committed)/\($0.end)" })"
                }
                throw NotReached(description: "\(what) did not come about; \(states)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    struct NotReached: Error, CustomStringConvertible { var description: String }
}
