package import Cluster
import JSONFormat
import NIOCore
import Synchronization

/// Looks through a topic for messages: so many at most, for so long at most, on a thread of its own.
package struct MessageSearch: Sendable {
    /// Where to begin in each partition.
    package enum Start: Sendable, Equatable {
        case position(LogPosition)
        /// The newest ones that fit.
        case newest(Int64)
        /// Where an earlier search ended, by partition.
        case cursor([Int32: Int64])
    }

    package var topic: String
    /// nil for all.
    package var partition: Int32?
    package var start = Start.newest(50)
    /// For `newest`: where in each partition to count back from, instead of its end, as an earlier answer's `older` tells.
    /// Partitions that it lacks are not looked at. nil for the ends.
    package var before: [Int32: Int64]?
    /// Messages from this time on end the search of a partition; nil for no such time.
    package var until: Int64?
    package var limit = 50
    package var filter = MessageFilter()
    /// Whether long keys and values are told as a whole, not only their beginnings.
    package var isWhole = false
    package var keyReading = MessageDecoder.Reading.auto
    package var valueReading = MessageDecoder.Reading.auto
    /// Of the records that are looked at.
    package var byteCountMax = 64 << 20
    package var timeMax = Duration.seconds(2)

    package static let limitMax = 1000

    package init(topic: String) { self.topic = topic }

    package struct Answer: Sendable {
        /// By time, then partition and offset; the newest ones are in the order of their partitions in any case.
        package var messages: [Message] = []
        package var scanned: Int64 = 0
        /// Where each partition is gone on with.
        package var next: [Int32: Int64] = [:]
        /// Whether everything was looked at that there was.
        package var isComplete = true
        /// For `newest`: what the next older ones are `before`; nil when there are none, or when not all was looked at.
        package var older: [Int32: Int64]?
    }

    /// A partition on the way from its start to what was its end.
    private struct Progress: Sendable {
        var reader: any PartitionReader
        /// The first offset that there is.
        var beginning: Int64
        var start: Int64
        var end: Int64
        /// Behind the last record that was looked at.
        var position: Int64
        var isDone: Bool
    }

    /// - Throws: `ClusterError`.
    package func run(in cluster: any Cluster, _ decoder: MessageDecoder) async throws -> Answer {
        let there = try await cluster.topic(topic).partitions.map(\.partition)
        if let partition, !there.contains(partition) {
            throw ClusterError(
                .unknownTopicOrPartition, "topic '\(topic)' has no partition \(partition), it has \(there.count)")
        }
        let partitions = (partition.map { [$0] } ?? there).map { TopicPartition(topic, $0) }
        let ranges = try await ranges(partitions, in: cluster)
        var progress: [Progress] = []
        defer { for one in progress { one.reader.close() } }
        for partition in partitions {
            guard let (beginning, start, end) = ranges[partition] else { continue }
            let reader = try await cluster.reader(partition, from: .offset(start), isolation: .readCommitted)
            progress.append(
                Progress(
                    reader: reader, beginning: beginning, start: start, end: end, position: start, isDone: start >= end)
            )
        }
        decoder.forgetProblems()
        let flag = Flag()
        let begun = progress
        return try await withTaskCancellationHandler {
            try await onThread { try scan(begun, decoder, flag) }
        } onCancel: {
            flag.isCancelled.store(true, ordering: .relaxed)
        }
    }

    /// Whether nobody waits for the answer any more.
    private final class Flag: Sendable {
        let isCancelled = Atomic<Bool>(false)
    }

    /// Where partitions begin, and what of them to look at.
    private func ranges(
        _ partitions: [TopicPartition], in cluster: any Cluster
    ) async throws(ClusterError) -> [TopicPartition: (beginning: Int64, start: Int64, end: Int64)] {
        var wanted: [TopicPartition: LogPosition] = [:]
        for partition in partitions {
            switch start {
            case .position(let position): wanted[partition] = position
            case .newest: wanted[partition] = until.map { .timestamp($0) } ?? .end
            case .cursor(let offsets):
                wanted[partition] = offsets[partition.partition].map { .offset($0) } ?? .end
            }
        }
        let found = try await cluster.offsets(wanted, isolation: .readCommitted)
        let ends = try await cluster.offsets(wanted.mapValues { _ in .end }, isolation: .readCommitted)
        let beginnings = try await cluster.offsets(wanted.mapValues { _ in .beginning }, isolation: .readCommitted)
        var ranges: [TopicPartition: (beginning: Int64, start: Int64, end: Int64)] = [:]
        for (partition, beginning) in beginnings {
            var (first, end) = (found[partition] ?? beginning, ends[partition] ?? beginning)
            if case .newest(let count) = start {
                // With a time, the newest before it.
                end = min(end, first)
                if let before { end = min(end, before[partition.partition] ?? beginning) }
                first = end - min(count, max(end, 0))
            }
            // An offset that retention has removed meanwhile, or that never was.
            ranges[partition] = (beginning, max(first, beginning), end)
        }
        return ranges
    }

    /// On a thread that may block.
    private func scan(_ begun: [Progress], _ decoder: MessageDecoder, _ flag: Flag) throws -> Answer {
        var progress = begun
        var answer = Answer()
        let clock = ContinuousClock()
        let deadline = clock.now + timeMax
        var bytes = 0
        var isNewest = false
        if case .newest = start { isNewest = true }
        // Newest first is a matter of all partitions; anything else stops at the first that fill the page.
        let countMax = isNewest ? Int.max : limit
        var found = progress.map { Found(end: $0.end, begin: $0.start) }
        var count = 0
        scanning: while progress.contains(where: { !$0.isDone }) {
            for index in progress.indices where !progress[index].isDone {
                guard count < countMax, clock.now < deadline, bytes < byteCountMax,
                    !flag.isCancelled.load(ordering: .relaxed)
                else { break scanning }
                let batches = try progress[index].reader.nextBlocking(
                    maxBytes: 512 << 10, timeout: min(.seconds(1), deadline - clock.now))
                bytes += batches.bytes.readableBytes
                let records = try batches.records().filter {
                    $0.offset >= progress[index].position && $0.offset < progress[index].end
                }
                let missing = decoder.missing(records)
                if !missing.isEmpty {
                    try blockingThread { () async throws(ClusterError) in await decoder.prepare(missing) }
                }
                var isFull = false
                for record in records {
                    if let until, record.timestamp >= until {
                        progress[index].isDone = true
                        break
                    }
                    answer.scanned += 1
                    progress[index].position = record.offset + 1
                    let message = Message(
                        record, key: decoder.key(record, as: keyReading), value: decoder.value(record, as: valueReading)
                    )
                    if filter.matches(message) {
                        found[index].messages.append(isWhole ? message : message.shortened)
                        count += 1
                    }
                    if count >= countMax || clock.now >= deadline {
                        isFull = true
                        break
                    }
                }
                guard !isFull else { break scanning }
                // Nothing came although there is more: the rest of the partition is not visible yet.
                if batches.isEmpty, progress[index].reader.position <= progress[index].position {
                    progress[index].isDone = true
                }
                progress[index].position = max(progress[index].position, batches.nextOffset)
                if progress[index].position >= progress[index].end { progress[index].isDone = true }
                if isNewest { found[index].keepLast(limit) }
            }
        }
        answer.isComplete = progress.allSatisfy { $0.isDone || $0.position >= $0.end }
        for one in progress { answer.next[one.reader.partition.partition] = one.position }
        guard isNewest else {
            answer.messages = found.flatMap(\.messages).sorted(by: Self.isEarlier)
            return answer
        }
        answer.messages = Self.newest(limit, of: &found)
        if answer.isComplete {
            let older = zip(progress, found).map { ($0.reader.partition.partition, $0.beginning, $1.older) }
            if older.contains(where: { $0.2 > $0.1 }) {
                answer.older = Dictionary(older.map { ($0.0, $0.2) }) { first, _ in first }
            }
        }
        return answer
    }

    /// What was found in a partition, in its order.
    private struct Found {
        /// Where looking ended and began.
        var end: Int64, begin: Int64
        var messages: [Message] = []
        /// Whether more was found than there is room for.
        var isCut = false
        /// The offset of the first message that is told.
        var first: Int64?

        init(end: Int64, begin: Int64) { (self.end, self.begin) = (end, begin) }

        /// Older messages are before this offset.
        var older: Int64 { isCut || !messages.isEmpty ? first ?? end : begin }

        mutating func keepLast(_ count: Int) {
            guard messages.count > count else { return }
            isCut = true
            messages.removeFirst(messages.count - count)
        }
    }

    private static func isEarlier(_ a: Message, _ b: Message) -> Bool {
        (a.record.timestamp, a.record.partition, a.record.offset)
            < (b.record.timestamp, b.record.partition, b.record.offset)
    }

    /// Takes the messages that are told from the ends of the partitions, so that of each the last ones are told, without
    /// gaps, also where times fall.
    private static func newest(_ count: Int, of found: inout [Found]) -> [Message] {
        var newest: [Message] = []
        while newest.count < count {
            let last = found.indices.filter { !found[$0].messages.isEmpty }.max { a, b in
                guard let a = found[a].messages.last, let b = found[b].messages.last else { return false }
                return isEarlier(a, b)
            }
            guard let last, let message = found[last].messages.popLast() else { break }
            found[last].first = message.record.offset
            newest.append(message)
        }
        return newest.reversed()
    }
}

extension MessageSearch {
    /// `0:120,1:98`, as `next` is told and taken again.
    package static func cursor(_ next: [Int32: Int64]) -> String {
        next.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: ",")
    }

    package static func cursor(_ text: String) -> [Int32: Int64]? {
        var next: [Int32: Int64] = [:]
        for part in text.split(separator: ",") {
            let sides = part.split(separator: ":")
            guard sides.count == 2, let partition = Int32(sides[0]), let offset = Int64(sides[1]), offset >= 0 else {
                return nil
            }
            next[partition] = offset
        }
        return next.isEmpty ? nil : next
    }

    /// `earliest`, `latest`, `last:N`, `offset:N`, `time:MILLISECONDS`.
    ///
    /// - Parameter limit: how many messages are the latest ones.
    package static func start(_ text: String, limit: Int) -> Start? {
        switch text {
        case "earliest", "beginning": return .position(.beginning)
        case "latest", "end": return .newest(Int64(limit))
        default: break
        }
        let parts = text.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let number = Int64(parts[1]), number >= 0 else { return nil }
        switch parts[0] {
        case "last": return .newest(number)
        case "offset": return .position(.offset(number))
        case "time": return .position(.timestamp(number))
        default: return nil
        }
    }
}
