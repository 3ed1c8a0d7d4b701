internal import Cluster
internal import ConnectCore
internal import JSONFormat
internal import NIOCore

/// `signal.enabled.channels=kafka`: records of a topic's first partition whose key is the connector's `topic.prefix`.
///
/// The group `signal.kafka.groupId` has where reading goes on. It is moved when what a signal led to is stored, so that a
/// signal is seen once more rather than never.
struct TopicSignals: SignalChannel {
    let cluster: any Cluster
    let topic: String
    let group: String
    /// Keys that are ours.
    let key: String
    let startsAtEnd: Bool
    let interval: Duration

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

    /// - Throws: until the task is cancelled.
    private func read(
        _ inbox: SignalInbox, _ log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) async throws(ClusterError) {
        let committed = try await cluster.groupOffsets(group, in: [partition], requireStable: false)[partition]?.offset
        // What was deleted cannot be read.
        let first = try await cluster.offsets([partition: .beginning], isolation: .readUncommitted)[partition] ?? 0
        let isAtEnd = committed == nil && startsAtEnd
        let reader = try await cluster.reader(
            partition, from: isAtEnd ? .end : .offset(max(first, committed ?? first)), isolation: .readUncommitted)
        defer { reader.close() }
        while !Task.isCancelled {
            let batches = try await reader.next(maxBytes: 1 << 20, timeout: Duration.seconds(1))
            for record in try batches.records() {
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

    func done(before offset: Int64) async {
        do throws(ClusterError) {
            try await cluster.alterGroupOffsets(group, [partition: CommittedOffset(offset)])
        } catch {
            // The signal is seen again after a restart.
        }
    }
}
