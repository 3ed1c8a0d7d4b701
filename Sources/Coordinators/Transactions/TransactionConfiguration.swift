/// What an operator decides about transactions.
package struct TransactionConfiguration: Sendable, Equatable {
    /// `transaction.max.timeout.ms`: the longest timeout a producer may ask for.
    package var timeoutMsMax: Int32
    /// `transactional.id.expiration.ms`: a transactional id that was not used for so long is forgotten.
    package var transactionalIdExpirationMs: Int64
    /// Stands in every marker; the epoch of the leader of the partition that keeps the state.
    package var coordinatorEpoch: Int32
    /// Milliseconds until something that the disk refused is tried again.
    package var retryBackoffMs: Int64

    package init(
        timeoutMsMax: Int32 = 900_000, transactionalIdExpirationMs: Int64 = 604_800_000, coordinatorEpoch: Int32 = 0,
        retryBackoffMs: Int64 = 500
    ) {
        self.timeoutMsMax = timeoutMsMax
        self.transactionalIdExpirationMs = transactionalIdExpirationMs
        self.coordinatorEpoch = coordinatorEpoch
        self.retryBackoffMs = retryBackoffMs
    }
}
