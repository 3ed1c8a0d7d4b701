import Cluster
import HTTPKit
import JSONFormat
import NIOCore
import Synchronization

/// Follows a topic for somebody who watches: a few messages of each second are shown, the others are counted.
///
/// What is looked at in a second is bounded, however fast the topic is; a tail that falls behind goes on at the end.
final class LiveTail: Sendable {
    static let shownPerSecond = 20
    /// Of messages that are decoded for a filter.
    static let decodedPerSecond = 2000
    private static let byteCountMax = 1 << 20

    private struct State {
        var shown: [Message] = []
        /// Since the last tick.
        var seen: Int64 = 0
        var decoded = 0
        var shownCount = 0
    }

    private let topic: String
    private let filter: MessageFilter
    private let cluster: any Cluster
    private let decoder: MessageDecoder
    private let state = Mutex(State())

    init(_ topic: String, _ filter: MessageFilter, _ cluster: any Cluster, _ decoder: MessageDecoder) {
        self.topic = topic
        self.filter = filter
        self.cluster = cluster
        self.decoder = decoder
    }

    /// Writes events until the client is gone or the topic is.
    func run(_ writer: inout HTTPBodyWriter) async throws {
        let partitions = try await cluster.topic(topic).partitions.map { TopicPartition(topic, $0.partition) }
        try await writer.write(": tail of \(partitions.count) partitions\n\n")
        decoder.forgetProblems()
        let writing = writer
        try await withThrowingTaskGroup(of: Void.self) { group in
            for partition in partitions { group.addTask { try await self.follow(partition) } }
            group.addTask { [self] in
                var writer = writing
                try await tell(&writer)
            }
            defer { group.cancelAll() }
            do {
                try await group.next()
            } catch let error as ClusterError {
                var writer = writing
                try await writer.write(ServerEvents.event("end", .object([("message", .string(error.message))])))
            }
        }
    }

    private func follow(_ partition: TopicPartition) async throws {
        let reader = try await cluster.reader(partition, from: .end, isolation: .readCommitted)
        defer { reader.close() }
        while !Task.isCancelled {
            let batches = try await reader.next(maxBytes: Self.byteCountMax, timeout: .seconds(5))
            guard !batches.isEmpty else { continue }
            await take(batches)
            // Whoever cannot keep up shows what happens now rather than what happened a while ago.
            if batches.lastStableOffset - reader.position > 50_000 {
                let skipped = batches.lastStableOffset - reader.position
                try reader.seek(to: batches.lastStableOffset)
                state.withLock { $0.seen += skipped }
            }
        }
    }

    private func take(_ batches: FetchedBatches) async {
        let (hasRoom, budget) = state.withLock { state in
            (state.shownCount < Self.shownPerSecond, Self.decodedPerSecond - state.decoded)
        }
        guard hasRoom, budget > 0, let records = try? batches.records() else {
            // Offsets tell how many there are, without a look at them; damaged batches are told by the search.
            state.withLock { $0.seen += max(0, batches.nextOffset - batches.startOffset) }
            return
        }
        let missing = decoder.missing(records)
        if !missing.isEmpty { await decoder.prepare(missing) }
        state.withLock { $0.seen += Int64(records.count) }
        // Without a filter the first ones that fit are enough; with one all that the budget allows are looked at.
        for record in filter.isEmpty ? records.prefix(Self.shownPerSecond) : records.prefix(budget) {
            let message = Message(record, key: decoder.key(record), value: decoder.value(record))
            let matches = filter.matches(message)
            let isFull = state.withLock { state in
                state.decoded += 1
                guard matches else { return false }
                state.shown.append(message.shortened)
                state.shownCount += 1
                return state.shownCount >= Self.shownPerSecond
            }
            if isFull { break }
        }
    }

    /// Messages soon after they come, the rate each second.
    private func tell(_ writer: inout HTTPBodyWriter) async throws {
        let clock = ContinuousClock()
        var second = clock.now
        while true {
            try await Task.sleep(for: .milliseconds(100))
            let messages = state.withLock { state in
                defer { state.shown = [] }
                return state.shown
            }
            if !messages.isEmpty {
                try await writer.write(
                    ServerEvents.event("messages", .object([("messages", .array(messages.map(\.json)))])))
            }
            guard clock.now - second >= .seconds(1) else { continue }
            let elapsed = Double((clock.now - second) / .milliseconds(1)) / 1000
            second = clock.now
            let (seen, shown) = state.withLock { state in
                defer {
                    state.seen = 0
                    state.shownCount = 0
                    state.decoded = 0
                }
                return (state.seen, state.shownCount)
            }
            try await writer.write(
                ServerEvents.event(
                    "rate",
                    .object([
                        ("per_second", .number(Int64((Double(seen) / elapsed).rounded()))),
                        ("shown", .number(Int64(shown))),
                        ("sampled_out", .number(filter.isEmpty ? max(0, seen - Int64(shown)) : 0)),
                        ("seen", .number(seen)),
                    ])))
        }
    }
}
