import Cluster
import Logging
import Synchronization

/// The command topic: makes sure of it, reads it to whoever executes, and writes to it, one transaction for each command,
/// so that of several nodes one at a time decides what comes next.
final class CommandLog: Sendable {
    private let cluster: any Cluster
    private let topic: String
    private let serviceID: String
    private let replicas: Int16
    /// `ksql.internal.topic.min.insync.replicas`, at most `replicas`.
    private let inSyncReplicas: String
    private let timeout: Duration
    private let logger: Logger
    let progress = Progress()
    private let isCaughtUp = Atomic<Bool>(false)
    private let turn = Turn()
    private let writer = Mutex<(any TransactionalWriter)?>(nil)
    private let isDeleted = Atomic<Bool>(false)
    /// Notified when this node has made the topic.
    private let made = Signal()

    init(_ cluster: any Cluster, _ settings: SQLServerSettings, _ logger: Logger) {
        self.cluster = cluster
        topic = settings.commandTopic
        serviceID = settings.serviceID
        replicas = settings.properties["ksql.internal.topic.replicas"].flatMap { Int16($0) } ?? 1
        // With more than there are replicas nothing could be written.
        let wanted = settings.properties["ksql.internal.topic.min.insync.replicas"].flatMap { Int($0) } ?? 1
        inSyncReplicas = String(min(wanted, max(1, Int(replicas))))
        timeout = settings.statementTimeout
        self.logger = logger
    }

    private var partition: TopicPartition { TopicPartition(topic, 0) }

    /// Whether everything that was in the topic when the reading began has been executed; also when there is no topic.
    var isReady: Bool { isCaughtUp.load(ordering: .acquiring) }

    // MARK: The topic

    func exists() async throws(ClusterError) -> Bool {
        let found: TopicDescription
        do { found = try await cluster.topic(topic) } catch {
            if error.code == .unknownTopicOrPartition { return false }
            throw error
        }
        guard found.partitions.count == 1 else {
            throw ClusterError(
                .invalidPartitions,
                "topic '\(topic)' has \(found.partitions.count) partitions, and commands need exactly one",
                hint: "commands must stay in one order: set another ksql.service.id")
        }
        return true
    }

    private func make() async throws(ClusterError) {
        guard try await !exists() else { return }
        do {
            try await cluster.createTopic(
                NewTopic(
                    topic, partitionCount: 1, replicationFactor: replicas,
                    configs: [
                        "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1",
                        "min.insync.replicas": inSyncReplicas,
                    ]),
                validateOnly: false)
        } catch {
            // Another node was faster.
            guard error.code == .topicAlreadyExists else { throw error }
        }
        made.notify()
    }

    func deleteTopic() async throws(ClusterError) {
        isDeleted.store(true, ordering: .relaxed)
        do { try await cluster.deleteTopic(topic) } catch {
            guard error.code == .unknownTopicOrPartition else { throw error }
        }
    }

    // MARK: Reading

    /// Reads the topic until the task is cancelled; waits for one that is not there yet.
    ///
    /// - Parameters:
    ///   - execute: gets each record in order.
    ///   - caughtUp: called when all that was there at the beginning is executed, before anything else.
    ///   - restart: called when the topic was deleted and made anew.
    func run(
        execute: @Sendable (ConsumerRecord) async -> Void, caughtUp: @Sendable () async -> Void,
        restart: @Sendable () async -> Void
    ) async {
        var isFailing = false
        while !Task.isCancelled {
            let generation = made.generation
            do {
                guard try await exists() else {
                    if progress.reached > 0, !isDeleted.load(ordering: .relaxed) {
                        logger.error("the command topic is gone", metadata: ["topic": "\(topic)"])
                        progress.reset()
                        await restart()
                    }
                    await become(ready: caughtUp)
                    // Another node may make it.
                    await made.wait(after: generation, timeout: .milliseconds(500))
                    continue
                }
                try await follow(execute, caughtUp, restart) { isFailing = false }
            } catch is CancellationError {
                return
            } catch {
                if Task.isCancelled { return }
                if !isFailing {
                    logger.error(
                        "cannot read the command topic, trying again",
                        metadata: ["topic": "\(topic)", "error": "\(error)"])
                }
                isFailing = true
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    private func become(ready caughtUp: () async -> Void) async {
        guard !isReady else { return }
        await caughtUp()
        isCaughtUp.store(true, ordering: .releasing)
    }

    private func follow(
        _ execute: (ConsumerRecord) async -> Void, _ caughtUp: () async -> Void, _ restart: () async -> Void,
        _ isGoingOn: () -> Void
    ) async throws {
        let end = try await cluster.offsets([partition: .end], isolation: .readCommitted)[partition] ?? 0
        if end < progress.reached {
            logger.warning("the command topic begins anew", metadata: ["topic": "\(topic)"])
            progress.reset()
            await restart()
        }
        let start = progress.reached
        let reader = try await cluster.reader(
            partition, from: start == 0 ? .beginning : .offset(start), isolation: .readCommitted)
        defer { reader.close() }
        progress.advance(to: reader.position)
        while true {
            if reader.position >= end { await become(ready: caughtUp) }
            let batches = try await reader.next(maxBytes: 4 << 20, timeout: .seconds(30))
            try Task.checkCancellation()
            isGoingOn()
            if !batches.isEmpty {
                for record in try batches.records() where record.offset >= progress.reached {
                    await execute(record)
                    progress.advance(to: record.offset + 1)
                }
            }
            progress.advance(to: batches.nextOffset)
        }
    }

    // MARK: Writing

    /// Writes one command, decided on a state that has executed everything before it, and waits for its execution.
    ///
    /// - Parameter decide: gets the number of the command; nil when there is nothing to write.
    /// - Returns: the offset of its record; nil when there was nothing to write.
    /// - Throws: what `decide` throws; 50301 when earlier commands are not executed in time; 50000.
    func write(
        _ decide: (Int64) async throws(KsqlFailure) -> Command?
    ) async throws(KsqlFailure) -> Int64? {
        await turn.take()
        defer { turn.giveBack() }
        let deadline = ContinuousClock.now + timeout
        var attempts = 0
        while true {
            attempts += 1
            let outcome: Result<Int64?, KsqlFailure>
            do { outcome = try await attemptWrite(decide) } catch {
                await closeWriter()
                // Another node has written meanwhile: what it wrote is read, and everything decided again.
                let isFenced = error.code == .producerFenced || error.code == .invalidProducerEpoch
                guard isFenced, ContinuousClock.now < deadline, !Task.isCancelled else {
                    throw .server(
                        "Could not write the statement into the command topic.\nCaused by: \(error.message)")
                }
                // Nodes that overtake each other in turn would both get nowhere: one waits longer, and the other is done.
                let most = min(1000, 20 << min(attempts, 6))
                // A wait that is cancelled ends with the look above.
                try? await Task.sleep(for: .milliseconds(Int.random(in: 0...most)))
                continue
            }
            return try outcome.get()
        }
    }

    private func attemptWrite(
        _ decide: (Int64) async throws(KsqlFailure) -> Command?
    ) async throws(ClusterError) -> Result<Int64?, KsqlFailure> {
        try await make()
        let writer = try await openWriter()
        try writer.begin()
        let end = try await cluster.offsets([partition: .end], isolation: .readUncommitted)[partition] ?? 0
        guard await progress.wait(for: end, limit: timeout) else {
            try await writer.abort()
            return .failure(.commandQueueTimeout("Timed out while waiting for other commands to be executed"))
        }
        let command: Command?
        do throws(KsqlFailure) { command = try await decide(end + 1) } catch {
            try await writer.abort()
            return .failure(error)
        }
        guard let command else {
            try await writer.abort()
            return .success(nil)
        }
        let positions: [RecordPosition]
        do throws(ClusterError) { positions = try await writer.write([command.record()], to: topic) } catch {
            // A writer that another node has fenced takes its records back, and their failures do not say why.
            do throws(ClusterError) { try await writer.abort() } catch let second {
                if second.code == .producerFenced { throw second }
            }
            throw error
        }
        try await writer.commit()
        guard let offset = positions.first?.offset else { return .success(nil) }
        guard await progress.wait(for: offset + 1, limit: timeout) else {
            return .failure(.commandQueueTimeout("The statement is in the command topic but not executed yet"))
        }
        return .success(offset)
    }

    /// Writes copies of the commands that still matter, and deletes what is before them. Nothing is deleted unless all
    /// copies stand together behind everything that they stand for.
    ///
    /// - Returns: whether it was done.
    func rewrite(_ commands: [Command]) async throws(ClusterError) -> Bool {
        await turn.take()
        defer { turn.giveBack() }
        let writer = try await openWriter()
        do throws(ClusterError) {
            try writer.begin()
            let end = try await cluster.offsets([partition: .end], isolation: .readUncommitted)[partition] ?? 0
            guard progress.reached >= end else {
                try await writer.abort()
                return false
            }
            let positions = try await writer.write(commands.map { $0.record(isCopy: true) }, to: topic)
            let expected = (0..<Int64(commands.count)).map { end + $0 }
            guard positions.map(\.offset) == expected else {
                try await writer.abort()
                return false
            }
            try await writer.commit()
            _ = try await cluster.deleteRecords(partition, before: end)
            return true
        } catch {
            await closeWriter()
            throw error
        }
    }

    private func openWriter() async throws(ClusterError) -> any TransactionalWriter {
        if let open = writer.withLock({ $0 }) { return open }
        let made = try await cluster.transactionalWriter(serviceID, timeout: .seconds(60))
        writer.withLock { $0 = made }
        return made
    }

    private func closeWriter() async {
        let open = writer.withLock { writer in
            defer { writer = nil }
            return writer
        }
        await open?.close()
    }

    func close() async {
        progress.close()
        await turn.take()
        await closeWriter()
        turn.giveBack()
    }
}
