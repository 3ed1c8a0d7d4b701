import Cluster
import Columns
import StreamEngine
import Synchronization

/// The partitions that one task reads, merged by time: the next records are those of the partition whose first record is
/// the oldest, as Kafka Streams has it: by the times that rows have, be they of a column. Used by the task's thread only.
final class Inputs {
    private static let fetchByteCountMax = 1 << 20

    /// One partition.
    fileprivate final class Input {
        let reader: any PartitionReader
        /// Where a bounded read ends.
        var end: Int64?
        var batches: [SourceBatch] = []
        /// By which the records of each batch take their turn.
        var turns: [ColumnBuffer<Int64>] = []
        /// The first row of `batches[0]` that was not taken.
        var row = 0
        /// Behind the records of `batches`.
        var fetchedOffset: Int64
        /// The next record to be taken, past gaps.
        var offset: Int64
        var isWaiting = false
        var waiting: Task<Void, Never>?

        init(_ reader: any PartitionReader, end: Int64?) {
            self.reader = reader
            self.end = end
            fetchedOffset = reader.position
            offset = reader.position
        }

        var isAtEnd: Bool { end.map { fetchedOffset >= $0 } ?? false }
    }

    private let inputs: [Input]
    private let turns: ((SourceBatch) -> ColumnBuffer<Int64>?)?
    /// Records of which one ends the query.
    var care: TaskRun.Care?

    /// - Parameters:
    ///   - ends: of partitions that are read only so far.
    ///   - engine: says where times of records are in their columns.
    init(_ readers: [any PartitionReader], ends: [TopicPartition: Int64] = [:], for engine: QueryTask) {
        inputs = readers.map { Input($0, end: ends[$0.partition]) }
        turns = readers.count > 1 && engine.readsTimes ? engine.turns : nil
    }

    /// Records that a wait brought.
    struct Arrival: Sendable {
        var index: Int
        var result: Result<FetchedBatches, ClusterError>
    }

    func take(_ arrival: Arrival) throws(ClusterError) {
        guard inputs.indices.contains(arrival.index) else { return }
        let input = inputs[arrival.index]
        input.isWaiting = false
        input.waiting = nil
        try add(try arrival.result.get(), to: input)
    }

    private func add(_ fetched: FetchedBatches, to input: Input) throws(ClusterError) {
        input.batches += try RecordColumns.batches(of: fetched)
        if let end = input.end { input.cut(at: end) }
        for batch in input.batches.dropFirst(input.turns.count) {
            input.turns.append(turns?(batch) ?? batch.timestamps)
        }
        input.fetchedOffset = fetched.nextOffset
        if input.batches.isEmpty { input.offset = input.fetchedOffset }
    }

    /// The next records in the order of time, all of one partition; nil when there are none at the moment.
    func next() throws(ClusterError) -> SourceBatch? {
        guard let (first, limit) = try head() else { return nil }
        guard let care, care.partition == first.reader.partition else { return first.take(upTo: limit) }
        let most = care.most(from: first.headOffset)
        return first.take(upTo: limit, atMost: most.recordCount, before: most.end)
    }

    /// Whether the next records are some that `care` is for, which is given up when they are over.
    func needsCare() throws(ClusterError) -> Bool {
        guard let care else { return false }
        guard let input = inputs.first(where: { $0.reader.partition == care.partition }),
            input.offset <= care.range.upperBound
        else {
            self.care = nil
            return false
        }
        guard let first = try head()?.input, first === input else { return false }
        return care.range.contains(first.headOffset)
    }

    /// The input whose turn it is, and up to which time.
    private func head() throws(ClusterError) -> (input: Input, limit: Int64)? {
        for input in inputs where input.batches.isEmpty && !input.isWaiting && !input.isAtEnd {
            let fetched = try input.reader.nextBlocking(maxBytes: Self.fetchByteCountMax, timeout: .zero)
            // A transaction's end is no record: what is behind it may be there already.
            try add(fetched, to: input)
        }
        var first: Input?
        var limit = Int64.max
        for input in inputs where !input.batches.isEmpty {
            let time = input.headTime
            guard let current = first else {
                first = input
                continue
            }
            if time < current.headTime {
                limit = min(limit, current.headTime)
                first = input
            } else {
                limit = min(limit, time)
            }
        }
        return first.map { ($0, limit) }
    }

    /// Whether everything of bounded partitions was taken.
    var isAtEnd: Bool { inputs.allSatisfy { $0.isAtEnd && $0.batches.isEmpty } }

    /// Asks all partitions without records to tell when some come.
    func wait(_ tell: @escaping @Sendable (Arrival) -> Void) {
        for (index, input) in inputs.enumerated()
        where input.batches.isEmpty && !input.isWaiting && !input.isAtEnd {
            input.isWaiting = true
            input.waiting = Self.waiting(index, input.reader, tell)
        }
    }

    /// Owned by the input, which cancels it.
    private static func waiting(
        _ index: Int, _ reader: any PartitionReader, _ tell: @escaping @Sendable (Arrival) -> Void
    ) -> Task<Void, Never> {
        Task {
            let arrival = await arrival(index, of: reader)
            guard let arrival else { return }
            tell(arrival)
        }
    }

    /// The next records of a partition, or why there will be none; nil when cancelled.
    private static func arrival(_ index: Int, of reader: any PartitionReader) async -> Arrival? {
        while !Task.isCancelled {
            do throws(ClusterError) {
                let fetched = try await reader.next(maxBytes: fetchByteCountMax, timeout: .seconds(60))
                if !fetched.isEmpty || fetched.nextOffset != fetched.startOffset {
                    return Arrival(index: index, result: .success(fetched))
                }
            } catch {
                return Task.isCancelled ? nil : Arrival(index: index, result: .failure(error))
            }
        }
        return nil
    }

    /// Where each partition goes on: before the first record that was not taken.
    var offsets: [(partition: TopicPartition, offset: Int64)] { inputs.map { ($0.reader.partition, $0.offset) } }

    func close() {
        for input in inputs {
            input.waiting?.cancel()
            input.reader.close()
        }
    }
}

extension Inputs.Input {
    fileprivate var headTime: Int64 { turns[0][row] }
    fileprivate var headOffset: Int64 { batches[0].offsets[row] }

    /// The first records, as far as they are not after `limit` and before `endOffset`; at least one.
    fileprivate func take(upTo limit: Int64, atMost count: Int = .max, before endOffset: Int64 = .max) -> SourceBatch {
        let batch = batches[0]
        var end = batch.count - row > count ? row + max(1, count) : batch.count
        if endOffset < .max { while end > row + 1, batch.offsets[end - 1] >= endOffset { end -= 1 } }
        let most = end
        if limit < .max {
            end = row + 1
            while end < most, turns[0][end] <= limit { end += 1 }
        }
        let taken = row == 0 && end == batch.count ? batch : batch.slice(row..<end)
        if end == batch.count {
            batches.removeFirst()
            turns.removeFirst()
            row = 0
        } else {
            row = end
        }
        offset = batches.isEmpty ? fetchedOffset : batches[0].offsets[row]
        return taken
    }

    /// Leaves out records from offset `end` on.
    fileprivate func cut(at end: Int64) {
        while let last = batches.last, last.offsets[last.count - 1] >= end {
            batches.removeLast()
            var count = 0
            while count < last.count, last.offsets[count] < end { count += 1 }
            if count > 0 {
                batches.append(last.slice(0..<count))
                break
            }
        }
    }
}
