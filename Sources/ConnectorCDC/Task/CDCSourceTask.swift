internal import Cluster
internal import ConnectCore
internal import Synchronization

/// The one task of a MySQL or MariaDB connector. Reading happens on a thread of its own; `poll` takes what it has read.
final class CDCSourceTask: SourceTask {
    private struct State {
        var reader: SourceReader?
        var thread: Task<Void, Never>?
        var isStopped = false
        var lastHeartbeat = ContinuousClock.now
        var offset: ConnectMap?
    }

    private let config: CDCConfig
    private let context: any SourceTaskContext
    private let version: String
    private let clusters: CDCPlugin.ClusterProvider?
    private let queue: RecordQueue
    private let state = Mutex(State())
    private let partition: ConnectMap

    init(
        _ config: CDCConfig, _ context: any SourceTaskContext, version: String, clusters: CDCPlugin.ClusterProvider?
    ) {
        self.config = config
        self.context = context
        self.version = version
        self.clusters = clusters
        queue = RecordQueue(
            recordCountMax: config.queueCountMax, byteCountMax: config.queueByteCountMax,
            endsWithTransactions: config.hasOwnBoundaries)
        partition = ConnectMap([("server", .string(config.prefix))])
    }

    func start() async throws(ConnectError) {
        let offset = try await context.offset(of: partition)
        let context = context
        let writings: RecordWritings = { (topic, key, value) throws(ConnectError) in
            do throws(ClusterError) {
                return try blockingThread { () async throws(ClusterError) -> RecordWriting? in
                    do throws(ConnectError) {
                        return try await context.writing(topic: topic, key: key, value: value)
                    } catch { throw ClusterError(.unknownServerError, error.message) }
                }
            } catch { throw ConnectError(.retriable, "\(error)") }
        }
        let reader = SourceReader(config, queue: queue, version: version, writings: writings) { context.log($0, $1) }
        let history = try await makeHistory()
        let queue = queue
        // Owned by the task, which waits for it in `stop`. The history is handed to the one thread that uses it.
        nonisolated(unsafe) let handed = history
        let thread = Task {
            do {
                try await onThread { reader.run(from: offset, history: handed) }
            } catch {
                queue.finish(ConnectError(.connect, "\(error)"))
            }
        }
        state.withLock { state in
            state.reader = reader
            state.thread = thread
            state.offset = offset
            state.lastHeartbeat = .now
        }
    }

    private func makeHistory() async throws(ConnectError) -> any SchemaHistory {
        let name = config.properties["schema.history.internal"] ?? SchemaHistoryKind.kafka.rawValue
        guard let kind = SchemaHistoryKind(name) else {
            throw .config(
                "The schema history '\(name)' is not known; there are \(SchemaHistoryKind.kafka.rawValue), "
                    + "\(SchemaHistoryKind.file.rawValue) and \(SchemaHistoryKind.memory.rawValue)")
        }
        switch kind {
        case .memory: return MemorySchemaHistory()
        case .file:
            guard let path = config.properties["schema.history.internal.file.filename"], !path.isEmpty else {
                throw ConfigValidator.invalid("schema.history.internal.file.filename", "A value is required")
            }
            return FileSchemaHistory(path)
        case .kafka:
            guard let clusters else {
                throw .config("The schema history '\(name)' needs a cluster, and this process has none")
            }
            var own: [String: String] = [:]
            let prefix = "schema.history.internal.kafka."
            for (name, value) in config.properties where name.hasPrefix(prefix) {
                own[String(name.dropFirst(prefix.count))] = value
            }
            let topic = own["topic"] ?? CDCConfig.topic("schema-history." + config.prefix)
            return TopicSchemaHistory(try await clusters(own), topic: topic)
        }
    }

    func poll() async throws(ConnectError) -> SourcePoll {
        let taken: RecordQueue.Taken
        taken = try await queue.take(countMax: config.batchCountMax, timeout: config.pollInterval)
        var records = taken.records
        if let offset = taken.offset { state.withLock { $0.offset = offset } }
        if let heartbeat = heartbeat() { records.append(heartbeat) }
        var poll = SourcePoll(
            records, boundary: taken.boundary, isFinished: taken.isFinished && !state.withLock { $0.isStopped })
        poll.written = taken.written
        return poll
    }

    private static let heartbeatKey = ConnectSchema(
        .structure, name: "io.debezium.connector.common.ServerNameKey", version: 1,
        fields: [.init("serverName", .string)])
    private static let heartbeatValue = ConnectSchema(
        .structure, name: "io.debezium.connector.common.Heartbeat", version: 1, fields: [.init("ts_ms", .int64)])

    /// Moves the offset along where the log has nothing for us.
    private func heartbeat() -> ConnectRecord? {
        guard let interval = config.heartbeatInterval else { return nil }
        let offset: ConnectMap? = state.withLock { state in
            guard let offset = state.offset, ContinuousClock.now - state.lastHeartbeat >= interval else { return nil }
            state.lastHeartbeat = .now
            return offset
        }
        guard let offset else { return nil }
        if let query = config.heartbeatQuery { runHeartbeat(query) }
        return ConnectRecord(
            topic: config.heartbeatTopic, partition: 0,
            key: SchemaAndValue(
                Self.heartbeatKey,
                .structure(ConnectStruct(Self.heartbeatKey, values: [.string(config.prefix)]))),
            value: SchemaAndValue(
                Self.heartbeatValue, .structure(ConnectStruct(Self.heartbeatValue, values: [.int64(context.now)]))),
            origin: .source(partition: partition, offset: offset))
    }

    /// On a connection and thread of its own: a database that hangs must not hold records up.
    private func runHeartbeat(_ query: String) {
        let address = config.address
        let context = context
        // Nobody waits for it: the next heartbeat tries again, and reads and writes have their time limits.
        Task {
            do {
                try await onThread { try MySQLConnection(address, readTimeout: 30).execute(query) }
            } catch {
                context.log(.warning, "heartbeat.action.query failed: \(error)")
            }
        }
    }

    func stop() async {
        let (reader, thread) = state.withLock { state in
            state.isStopped = true
            return (state.reader, state.thread)
        }
        queue.stop()
        reader?.stop()
        await thread?.value
    }
}
