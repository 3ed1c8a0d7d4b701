internal import Cluster
internal import ConnectCore
internal import JSONFormat
internal import NIOCore
internal import Synchronization

/// `signal.enabled.channels=kafka`: records of a topic's first partition whose key is the connector's `topic.prefix`.
///
/// The group `signal.kafka.groupId` has where reading goes on. It is moved when what a signal led to is stored, so that a
/// signal is seen once more rather than never.
final class TopicSignals: SignalChannel {
    private struct State {
        /// Behind what was handed over.
        var next: Int64?
        /// What the group has.
        var committed: Int64?
    }

    private let cluster: any Cluster
    private let topic: String
    private let group: String
    private let key: String
    private let startsAtEnd: Bool
    private let interval: Duration
    private let state = Mutex(State())
    /// Clusters forget what groups without members have, after `offsets.retention.minutes`.
    private static let renewal = Duration.seconds(3600)

    /// - Parameters:
    ///   - key: of the records that are ours.
    ///   - interval: between attempts.
    init(cluster: any Cluster, topic: String, group: String, key: String, startsAtEnd: Bool, interval: Duration) {
        self.cluster = cluster
        self.topic = topic
        self.group = group
        self.key = key
        self.startsAtEnd = startsAtEnd
        self.interval = interval
    }

    private var partition: TopicPartition { TopicPartition(topic, 0) }

    func run(_ inbox: SignalInbox, _ log: @escaping @Sendable (TaskLogLevel, String) -> Void) async {
        var lastFailure: String?
        while !Task.isCancelled {
            do throws(ClusterError) {
                try await read(inbox, log)
                return
            } catch {
                // The topic may come to be, and a cluster may come back.
                if lastFailure != error.message {
                    log(.warning, "signals cannot be read from the topic '\(topic)': \(error). It is tried again")
                }
                lastFailure = error.message
            }
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }

    private func end() async throws(ClusterError) -> Int64 {
        try await cluster.offsets([partition: .end], isolation: .readUncommitted)[partition] ?? 0
    }

    /// Where the group is; nil where it has no place, or one behind the topic's end: that is of an earlier topic of the name.
    private func committed(end: Int64) async throws(ClusterError) -> Int64? {
        let committed = try await cluster.groupOffsets(group, in: [partition], requireStable: false)[partition]?.offset
        return Self.place(committed, end: end)
    }

    static func place(_ offset: Int64?, end: Int64) -> Int64? { offset.flatMap { $0 >= 0 && $0 <= end ? $0 : nil } }

    /// Where reading begins, among the offsets of the topic.
    ///
    /// - Parameters:
    ///   - next: behind what this run has read.
    ///   - first: what was deleted before it cannot be read.
    static func start(next: Int64?, committed: Int64?, first: Int64, end: Int64, startsAtEnd: Bool) -> Int64 {
        let fallback = startsAtEnd ? end : first
        return max(first, place(next, end: end) ?? place(committed, end: end) ?? fallback)
    }

    /// - Throws: until the task is cancelled.
    private func read(
        _ inbox: SignalInbox, _ log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) async throws(ClusterError) {
        let first = try await cluster.offsets([partition: .beginning], isolation: .readUncommitted)[partition] ?? 0
        let end = try await end()
        let committed = try await committed(end: end)
        let next = state.withLock { state in
            state.committed = committed
            return state.next
        }
        let start = Self.start(next: next, committed: committed, first: first, end: end, startsAtEnd: startsAtEnd)
        let reader = try await cluster.reader(partition, from: .offset(start), isolation: .readUncommitted)
        defer { reader.close() }
        var renewed = ContinuousClock.now
        while !Task.isCancelled {
            if ContinuousClock.now - renewed >= Self.renewal {
                renewed = .now
                let known = try await self.committed(end: try await self.end()) ?? state.withLock { $0.committed }
                if let known { try await commit(known) }
            }
            let batches = try await reader.next(maxBytes: 1 << 20, timeout: Duration.seconds(1))
            for record in try batches.records() {
                defer { state.withLock { $0.next = record.offset + 1 } }
                guard let name = record.key.map({ String(decoding: $0.readableBytesView, as: UTF8.self) }), name == key
                else { continue }
                let text = record.value.map { String(decoding: $0.readableBytesView, as: UTF8.self) } ?? ""
                if text.isEmpty { continue }
                guard var signal = FileSignals.signal(text) else {
                    log(
                        .warning,
                        "the record at offset \(record.offset) of the topic '\(topic)' is no signal and is passed over")
                    continue
                }
                signal.nextOffset = record.offset + 1
                while !inbox.add(signal) {
                    do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
                }
            }
        }
    }

    private func commit(_ offset: Int64) async throws(ClusterError) {
        try await cluster.alterGroupOffsets(group, [partition: CommittedOffset(offset)])
        state.withLock { $0.committed = offset }
    }

    /// - Throws: the cluster's failure. The place stays, and signals are seen again after a restart.
    func done(before offset: Int64) async throws(ClusterError) {
        // Another connector of the same group may be further.
        if let committed = try await committed(end: try await end()), committed >= offset { return }
        try await commit(offset)
    }
}
