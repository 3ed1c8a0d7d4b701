import Cluster
import Logging
import NIOCore
import Synchronization

/// The topic of the encryption keys: read up to its end whenever somebody asks, and written by the leader.
///
/// Clients keep the keys that they have got, so questions are few, and whoever asks hears of everything that any node
/// has written before. Without keys there is no topic.
final class KeyLog: Sendable {
    private struct Inside {
        var state = KeyState()
        var isThere = false
        var writer: (any RecordWriter)?
    }

    private let cluster: any Cluster
    private let settings: RegistrySettings
    private let leadership: Leadership
    private let logger: Logger
    private let inside = Mutex(Inside())
    /// One reads or writes at a time.
    private let turn = Turnstile<Bool>(limit: 1)

    init(_ cluster: any Cluster, _ settings: RegistrySettings, _ leadership: Leadership, _ logger: Logger) {
        self.cluster = cluster
        self.settings = settings
        self.leadership = leadership
        self.logger = logger
    }

    /// All keys that have been written until now.
    func current() async throws(RegistryError) -> KeyState {
        try await turn.pass(true) { () async throws(RegistryError) -> KeyState in try await self.read() }
    }

    /// Writes what `plan` makes of all keys. For the leader.
    ///
    /// - Returns: all keys with what was written.
    /// - Throws: what `plan` throws; `.store`, `.timeout`; `.unknownLeader` when this node does not lead any more.
    func change(
        _ plan: @escaping @Sendable (KeyState) throws(RegistryError) -> [KeyRecord]
    ) async throws(RegistryError) -> KeyState {
        try await turn.pass(true) { () async throws(RegistryError) -> KeyState in
            guard let epoch = self.leadership.epoch else { throw .unknownLeader }
            let state = try await self.read()
            let records = try plan(state)
            if records.isEmpty { return state }
            guard self.leadership.epoch == epoch else { throw .unknownLeader }
            try await self.append(records)
            return try await self.read()
        }
    }

    func close() async { await inside.withLock { $0.writer }?.close() }

    // MARK: The topic

    private var partition: TopicPartition { TopicPartition(settings.keyTopic, 0) }

    private var topic: CompactedTopic {
        CompactedTopic(
            settings.keyTopic, partitionCount: 1, replicationFactor: max(1, settings.replicationFactor),
            neededPartitionCount: 1, owner: "the registry", content: "encryption keys",
            hint: "keys must stay in one order: name another topic with dek.registry.topic")
    }

    private func read() async throws(RegistryError) -> KeyState {
        do throws(ClusterError) {
            if !inside.withLock({ $0.isThere }) {
                guard try await topic.isThere(in: cluster) else { return forget() }
                inside.withLock { $0.isThere = true }
            }
            return try await follow()
        } catch {
            switch error.code {
            // Gone, or made anew: nothing that was read holds.
            case .unknownTopicOrPartition: return forget()
            case .requestTimedOut: throw .timeout("the topic of the encryption keys could not be read in time")
            default:
                _ = forget()
                throw .store("cannot read the topic of the encryption keys: \(error.message)")
            }
        }
    }

    private func forget() -> KeyState {
        inside.withLock { inside in
            inside.state = KeyState()
            inside.isThere = false
            return inside.state
        }
    }

    private func follow() async throws(ClusterError) -> KeyState {
        let end = try await cluster.offsets([partition: .end], isolation: .readCommitted)[partition] ?? 0
        var state = inside.withLock { $0.state }
        if end < state.position { state = KeyState() }
        guard state.position < end else { return state }
        let reader = try await cluster.reader(
            partition, from: state.position == 0 ? .beginning : .offset(state.position), isolation: .readCommitted)
        defer { reader.close() }
        let clock = ContinuousClock()
        let deadline = clock.now + settings.timeout
        while reader.position < end {
            let batches = try await reader.next(maxBytes: 4 << 20, timeout: .seconds(1))
            for record in try batches.records() { apply(record, to: &state) }
            guard reader.position >= end || clock.now < deadline else { throw ClusterError(.requestTimedOut, "") }
        }
        state.position = max(end, reader.position)
        inside.withLock { $0.state = state }
        return state
    }

    private func apply(_ record: ConsumerRecord, to state: inout KeyState) {
        let change = KeyRecord.parse(
            key: record.key.map { Array($0.readableBytesView) },
            value: record.value.map { Array($0.readableBytesView) })
        guard let change else {
            return logger.warning(
                "passed over a record of the topic of encryption keys",
                metadata: ["topic": "\(settings.keyTopic)", "offset": "\(record.offset)"])
        }
        state.apply(change, timestamp: record.timestamp)
    }

    private func append(_ records: [KeyRecord]) async throws(RegistryError) {
        do throws(ClusterError) {
            if try await topic.make(in: cluster) {
                logger.info("made the topic of encryption keys", metadata: ["topic": "\(settings.keyTopic)"])
            }
            let writer = try await openWriter()
            _ = try await writer.write(
                records.map { record in
                    ProducerRecord(
                        partition: 0, key: ByteBuffer(bytes: record.key),
                        value: record.value.map { ByteBuffer(bytes: $0) })
                }, to: settings.keyTopic)
        } catch {
            let writer = inside.withLock { inside in
                defer { inside.writer = nil }
                return inside.writer
            }
            await writer?.close()
            logger.warning("cannot write to the topic of encryption keys", metadata: ["error": "\(error)"])
            switch error.code {
            case .messageTooLarge, .recordListTooLarge:
                throw .unprocessable("the key is larger than a record of its topic may be")
            case .requestTimedOut: throw .timeout("Write to the Kafka store timed out")
            default: throw .store("cannot write to the topic of the encryption keys: \(error.message)")
            }
        }
    }

    private func openWriter() async throws(ClusterError) -> any RecordWriter {
        if let writer = inside.withLock({ $0.writer }) { return writer }
        let writer = try await cluster.writer(.idempotent)
        inside.withLock { $0.writer = writer }
        return writer
    }
}
