internal import Cluster
internal import ConnectCore
internal import Synchronization

/// What reads a source, on a thread of its own.
protocol SourceReading: Sendable {
    /// Ends the reading, from any thread.
    func stop()
    /// Everything up to an offset is in its topics, and the offset is stored.
    func committed(_ offset: ConnectMap)
}

extension SourceReading {
    func committed(_ offset: ConnectMap) {}
}

/// The one task of a connector. Reading happens on a thread of its own; `poll` takes what it has read.
final class CDCSourceTask: SourceTask {
    /// A reader, and what blocks the thread for the task's whole life.
    struct Reading: Sendable {
        var reader: any SourceReading
        var run: @Sendable () -> Void
    }

    /// What a start gives a database's reader.
    struct Start: Sendable {
        var offset: ConnectMap?
        var queue: RecordQueue
        var inbox: SignalInbox
        var writings: RecordWritings
        var log: @Sendable (TaskLogLevel, String) -> Void
    }

    private struct State {
        var reader: (any SourceReading)?
        var thread: Task<Void, Never>?
        var isStopped = false
        var lastHeartbeat = ContinuousClock.now
        /// Where reading would go on behind what was polled, for heartbeats.
        var offset: ConnectMap?
        /// Of the last record that was polled, which is the one that is stored.
        var recordOffset: ConnectMap?
        /// Signals of a topic up to here are in what was polled.
        var signalMark: Int64?
        /// The next failure to tell of them is told.
        var saysMarkFailed = true
        var channels: [(channel: any SignalChannel, task: Task<Void, Never>)] = []
    }

    private let config: EventOptions
    private let context: any SourceTaskContext
    private let clusters: CDCPlugin.ClusterProvider?
    private let open: @Sendable (Start) async throws(ConnectError) -> Reading
    private let execute: @Sendable (String) throws -> Void
    private let queue: RecordQueue
    private let state = Mutex(State())
    private let partition: ConnectMap

    /// - Parameters:
    ///   - clusters: where signals may be; nil: in no topic.
    ///   - open: makes the reader of the task's database.
    ///   - execute: runs a statement on a connection of its own, with time limits; blocks.
    init(
        _ config: EventOptions, _ context: any SourceTaskContext, clusters: CDCPlugin.ClusterProvider?,
        open: @escaping @Sendable (Start) async throws(ConnectError) -> Reading,
        execute: @escaping @Sendable (String) throws -> Void
    ) {
        self.config = config
        self.context = context
        self.clusters = clusters
        self.open = open
        self.execute = execute
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
        let queue = queue
        let inbox = SignalInbox()
        let channels = try await config.signalWays(clusters)
        let reading = try await open(
            Start(offset: offset, queue: queue, inbox: inbox, writings: writings) { context.log($0, $1) })
        // Owned by the task, which waits for it in `stop`.
        let thread = Task {
            do {
                try await onThread { reading.run() }
            } catch {
                queue.finish(ConnectError(.connect, "\(error)"))
            }
        }
        // Owned by the task, likewise.
        let running = channels.map { channel in
            (channel: channel, task: Task { await channel.run(inbox) { context.log($0, $1) } })
        }
        state.withLock { state in
            state.channels = running
            state.reader = reading.reader
            state.thread = thread
            state.offset = offset
            state.lastHeartbeat = .now
        }
    }

    func committed() async throws(ConnectError) {
        let (reader, offset, mark, channels) = state.withLock { state in
            defer { state.signalMark = nil }
            return (state.reader, state.recordOffset, state.signalMark, state.channels.map(\.channel))
        }
        if let reader, let offset { reader.committed(offset) }
        guard let mark else { return }
        do throws(ClusterError) {
            for channel in channels { try await channel.done(before: mark) }
            state.withLock { $0.saysMarkFailed = true }
        } catch {
            // The next commit tries again.
            let isNews = state.withLock { state in
                state.signalMark = max(state.signalMark ?? 0, mark)
                defer { state.saysMarkFailed = false }
                return state.saysMarkFailed
            }
            if isNews {
                context.log(
                    .warning,
                    "the group of the topic of signals cannot be moved, so that signals would come again after a restart: "
                        + "\(error). It is tried again")
            }
        }
    }

    func poll() async throws(ConnectError) -> SourcePoll {
        let taken: RecordQueue.Taken
        taken = try await queue.take(countMax: config.batchCountMax, timeout: config.pollInterval)
        var records = taken.records
        if let offset = taken.offset { state.withLock { $0.offset = offset } }
        var last: ConnectMap?
        if case .source(_, let offset)? = records.last?.origin { last = offset }
        if let written = taken.written.last, written.recordsBefore == records.count { last = written.offset }
        if let heartbeat = heartbeat() {
            records.append(heartbeat)
            if case .source(_, let offset) = heartbeat.origin { last = offset }
        }
        if let last { state.withLock { $0.recordOffset = last } }
        if let mark = taken.signalMark { state.withLock { $0.signalMark = mark } }
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
        let execute = execute
        let context = context
        // Nobody waits for it: the next heartbeat tries again, and reads and writes have their time limits.
        Task {
            do {
                try await onThread { try execute(query) }
            } catch {
                context.log(.warning, "heartbeat.action.query failed: \(error)")
            }
        }
    }

    func stop() async {
        let (reader, thread, channels) = state.withLock { state in
            state.isStopped = true
            return (state.reader, state.thread, state.channels.map(\.task))
        }
        queue.stop()
        reader?.stop()
        for channel in channels { channel.cancel() }
        for channel in channels { await channel.value }
        await thread?.value
    }
}
