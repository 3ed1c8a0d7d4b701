package import Cluster
import Environment
package import Logging
import SQLFormats
package import SQLFunctions
package import SQLPlan
package import SQLRuntime
import SQLSyntax
import Synchronization

/// What the SQL server knows and does, without HTTP: catalog, functions, the cluster, and what runs queries.
///
/// The catalog is the sum of the commands in the command topic, executed one after another. A statement that changes it is
/// checked against the catalog and the world as they are, written, and then executed like any command, here and on every
/// other node.
package final class SQLEngine: Sendable {
    package let settings: SQLServerSettings
    package let cluster: any Cluster
    package let runner: any QueryRunner
    /// nil: formats with a registry are refused. Its answers block: never ask from the cooperative pool.
    package let schemas: SQLSchemas?
    package let functions: FunctionCatalog
    /// nil: there is no Connect worker to ask.
    package let connectors: (any ConnectorAdmin)?
    package let logger: Logger
    /// Queries of clients that are running.
    package let transients = TransientQueries()
    let log: CommandLog
    let peers = Peers()
    private let boundAddress = Mutex<String?>(nil)
    let state = Mutex(EngineState())
    private let reading = Mutex<Task<Void, Never>?>(nil)
    private let retrying = Mutex<Task<Void, Never>?>(nil)
    private let telling = Mutex<Task<Void, Never>?>(nil)
    private let inserts = Mutex<(any RecordWriter)?>(nil)
    private let insertTurn = Turn()
    package let processingLog: ProcessingLog
    /// Topics that INSERT does not write to: `ksql.readonly.topics`, and what servers keep for themselves.
    private let readOnlyTopics: Mutex<TopicPatterns>

    package init(
        _ cluster: any Cluster, _ runner: any QueryRunner, schemas: SQLSchemas?,
        connectors: (any ConnectorAdmin)? = nil, _ settings: SQLServerSettings, functions: FunctionCatalog = .builtIn,
        processingLog: ProcessingLog? = nil, logger: Logger
    ) {
        self.settings = settings
        self.cluster = cluster
        self.runner = runner
        self.schemas = schemas
        self.connectors = connectors
        self.functions = functions
        self.logger = logger
        self.processingLog = processingLog ?? ProcessingLog(settings, logger: logger)
        readOnlyTopics = Mutex(
            TopicPatterns(
                ["_confluent-ksql-.*", TopicPatterns.literal(self.processingLog.topic)]
                    + TopicPatterns.texts("ksql.readonly.topics", settings)))
        log = CommandLog(cluster, settings, logger)
    }

    // MARK: What is known

    /// Whether INSERT does not write to a topic.
    func isReadOnly(_ topic: String) -> Bool { readOnlyTopics.withLock { $0.match(topic) } }

    /// The catalog as of the last statement that was executed: a value, safe to keep.
    package var current: Catalog { state.withLock { $0.catalog } }

    /// The server's properties with those of a session over them.
    package func configuration(_ context: RequestContext) -> SQLConfiguration {
        SQLConfiguration(serverProperties).overridden(by: context.properties)
    }

    /// Properties of the server, with what ALTER SYSTEM has changed.
    package var serverProperties: [String: String] {
        let system = state.withLock { $0.systemProperties }
        return settings.properties.merging(system) { $1 }
    }

    /// What a persistent query was started with.
    package func properties(ofQuery id: String) -> [String: String] { state.withLock { $0.queryProperties[id] ?? [:] } }

    /// What planning needs. Its topics and registry block: for threads of one's own, see `work`.
    package func environment(_ context: RequestContext) -> StatementEnvironment {
        environment(
            configuration(context), topics: ClusterTopics(cluster),
            registry: schemas.map { StatementSchemas(schemas: $0) })
    }

    func environment(
        _ configuration: SQLConfiguration, topics: any TopicAccess, registry: (any SchemaRegistryAccess)?,
        rules: RuleVersion = .current
    ) -> StatementEnvironment {
        StatementEnvironment(
            functions: functions, topics: topics, registry: registry, translation: FormatTranslation(),
            configuration: configuration, now: SystemWallClock().now(), random: { UInt64.random(in: .min ... .max) },
            zones: settings.zones, rules: rules)
    }

    /// Runs `body`, which may block and take long, on a thread of its own.
    package func work<Value: Sendable>(
        _ body: @escaping @Sendable () throws(KsqlFailure) -> Value
    ) async throws(KsqlFailure) -> Value {
        let result: Result<Value, KsqlFailure>
        do {
            result = try await onThread {
                do throws(KsqlFailure) { return .success(try body()) } catch { return .failure(error) }
            }
        } catch { throw .server("\(error)") }  // `onThread` throws only what its body does
        return try result.get()
    }

    // MARK: Start and stop

    /// Begins to read the command topic; queries start when it has been read once.
    ///
    /// - Parameter address: where this node listens, "host:port".
    package func start(at address: String) {
        boundAddress.withLock { $0 = address }
        runner.announce(self.address)
        let task = Task {
            if let script = settings.script { return await runScript(script) }
            await log.run(
                execute: { record in await self.execute(record) }, caughtUp: { await self.becomeReady() },
                restart: { await self.beginAnew() })
        }
        reading.withLock { $0 = task }
        let retries = Task { await retryStarts() }
        retrying.withLock { $0 = retries }
        let reports = Task { await tellOthers() }
        telling.withLock { $0 = reports }
    }

    /// Why statements are not answered yet; nil when they are.
    package var problem: String? {
        state.withLock { state in
            if state.isTerminated { return "the cluster was terminated" }
            if let problem = state.degradation { return problem }
            return state.isReady ? nil : "reading the command topic"
        }
    }

    /// - Throws: 50302 while the command topic is being read, 50304 after the cluster was terminated, 50303 while stopping.
    package func checkReady() throws(KsqlFailure) {
        let (isReady, isTerminated, isStopping) = state.withLock { ($0.isReady, $0.isTerminated, $0.isStopping) }
        if isStopping { throw .shuttingDown }
        if isTerminated { throw .shutDown }
        guard isReady else { throw .starting }
    }

    /// - Throws: 50302 while the command topic is being read.
    func checkStarted() throws(KsqlFailure) {
        guard state.withLock({ $0.isReady }) else { throw .starting }
    }

    /// What statements are planned by now, as a number that is another one after every change; nil when `checkReady` throws.
    var readyVersion: UInt64? {
        state.withLock { $0.isReady && !$0.isTerminated && !$0.isStopping ? $0.version : nil }
    }

    /// Ends everything in good order: what was asked is answered, queries stop where they are.
    package func stop() async {
        state.withLock { $0.isStopping = true }
        await log.close()
        // What queries and statements ask may wait for a registry without a leader.
        schemas?.close()
        for task in [reading.withLock({ $0 }), retrying.withLock({ $0 }), telling.withLock({ $0 })] {
            task?.cancel()
            await task?.value
        }
        await transients.cancelAll()
        await processingLog.stop()
        await runner.shutdown()
        let writer = inserts.withLock { writer in
            defer { writer = nil }
            return writer
        }
        await writer?.close()
    }

    /// "host:port" by which others know this node.
    package var address: String { settings.advertised ?? boundAddress.withLock { $0 } ?? "" }

    // MARK: Rows of INSERT ... VALUES

    /// Writes a record; returns when it is durable.
    package func insert(_ record: ProducerRecord, into topic: String) async throws(ClusterError) {
        let writer = try await insertWriter()
        _ = try await writer.write([record], to: topic)
    }

    /// The writer of rows that clients insert, which all of them share.
    package func insertWriter() async throws(ClusterError) -> any RecordWriter {
        if let writer = inserts.withLock({ $0 }) { return writer }
        await insertTurn.take()
        defer { insertTurn.giveBack() }
        if let writer = inserts.withLock({ $0 }) { return writer }
        let writer = try await cluster.writer(.idempotent)
        inserts.withLock { $0 = writer }
        return writer
    }
}
