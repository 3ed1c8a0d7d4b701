import Cluster
import Columns
import StreamEngine

extension TaskRun {
    /// How a task goes over records of which one ends the query: in small batches, each alone in its commit, so that all
    /// results of the records before it are there.
    struct Care: Sendable {
        private static let pieceCount = 64

        let partition: TopicPartition
        /// Offsets of the records.
        let range: ClosedRange<Int64>
        private let recordCountMax: Int

        /// - Returns: nil for a failure that is no record's, and for that of a single one before which everything is committed.
        init?(_ failure: TaskFailure) {
            guard case .engine(let error, let batch, let isAlone) = failure, error.code == .fatalRecord,
                batch.count > 1 || batch.count == 1 && !isAlone
            else { return nil }
            partition = TopicPartition(batch.topic, batch.partition)
            let first = batch.offsets[0]
            range = first...max(first, batch.offsets[batch.count - 1])
            recordCountMax = max(1, batch.count / Self.pieceCount)
        }

        /// How much of the partition is taken at once from an offset on: not what is in the range and what is not.
        func most(from offset: Int64) -> (recordCount: Int, end: Int64) {
            if offset > range.upperBound { return (.max, .max) }
            if offset < range.lowerBound { return (.max, range.lowerBound) }
            // Nothing is behind the last offset that there may be.
            return (recordCountMax, range.upperBound == .max ? .max : range.upperBound + 1)
        }
    }

    /// Entries of the processing log that wait for the commit of what came before them.
    struct LogEntries {
        private(set) var entries: [ProcessingLogEntry] = []
        private(set) var byteCount = 0

        mutating func append(_ new: [ProcessingLogEntry]) {
            entries += new
            // What each takes besides its bytes: the entry itself and the heads of its arrays and texts.
            for entry in new { byteCount += entry.message.utf8.count + (entry.record?.count ?? 0) + 200 }
        }

        mutating func drain() -> [ProcessingLogEntry] {
            defer { self = LogEntries() }
            return entries
        }
    }
}
