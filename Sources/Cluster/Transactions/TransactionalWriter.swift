/// A writer whose records become visible to `.readCommitted` readers together, when their transaction commits, or never.
///
/// One transaction at a time: `begin`, then records and offsets, then `commit` or `abort`. Outside of a transaction
/// `submit` throws `.invalidTxnState`. Receipts tell that records were taken; that they are durable is told by `commit`.
///
/// Of any failure inside a transaction the caller needs two kinds: `.producerFenced` says that another writer has taken
/// the id, or that the cluster has aborted the transaction because its time was up, and this writer is over; after all
/// others `abort`, and the whole may be done again.
package protocol TransactionalWriter: RecordWriter {
    var transactionalId: String { get }

    /// Opens a transaction.
    ///
    /// - Throws: `.invalidTxnState` when one is open; `.producerFenced`.
    func begin() throws(ClusterError)

    /// Commits offsets of a group with the transaction: they count when it commits.
    ///
    /// - Throws: `.unknownMemberId`, `.illegalGeneration`, `.fencedInstanceId` when the member has lost its partitions:
    ///   its work is somebody else's now.
    func sendOffsets(
        _ offsets: [TopicPartition: CommittedOffset], of member: GroupIdentity
    ) async throws(ClusterError)

    /// Makes everything visible. Returns when the cluster has decided so durably; readers see it a moment later.
    ///
    /// - Throws: the failure of a record of the transaction; `.requestTimedOut` when the outcome is unknown, in which case
    ///   `commit` may be called again.
    func commit() async throws(ClusterError)

    /// Takes everything back. Does nothing without a transaction.
    ///
    /// - Throws: `.producerFenced`: whoever has the id now has aborted the transaction already.
    func abort() async throws(ClusterError)

    /// `commit` for worker threads: blocks the calling thread, which must not be one of the cooperative pool.
    func commitBlocking() throws(ClusterError)

    /// `abort` for worker threads.
    func abortBlocking() throws(ClusterError)

    /// `sendOffsets` for worker threads.
    func sendOffsetsBlocking(
        _ offsets: [TopicPartition: CommittedOffset], of member: GroupIdentity
    ) throws(ClusterError)
}

extension TransactionalWriter {
    package func commitBlocking() throws(ClusterError) {
        try blockingThread { () async throws(ClusterError) in try await self.commit() }
    }

    package func abortBlocking() throws(ClusterError) {
        try blockingThread { () async throws(ClusterError) in try await self.abort() }
    }

    package func sendOffsetsBlocking(
        _ offsets: [TopicPartition: CommittedOffset], of member: GroupIdentity
    ) throws(ClusterError) {
        try blockingThread { () async throws(ClusterError) in try await self.sendOffsets(offsets, of: member) }
    }

    /// Runs `body` in a transaction of its own: commits when it returns and aborts when it throws.
    package func transaction<Value>(
        _ body: () async throws -> Value
    ) async throws -> Value {
        try begin()
        do {
            let value = try await body()
            try await commit()
            return value
        } catch {
            // The first failure is what the caller must know; an abort that fails is done by the cluster's own timeout.
            try? await abort()
            throw error
        }
    }
}

/// What a user is told beside an error.
package enum TransactionHint {
    /// The cluster does not say which of the two it is.
    package static let fenced =
        "another producer has taken this transactional id, or its transaction was open for longer than its timeout"
}
