package import KafkaMessages

/// The transactional ids of one partition of `__transaction_state`: a state machine without threads, clocks and files.
///
/// Every event returns a `TransactionDecision`. The caller appends its records, then calls `commit` or `abandon`, and
/// writes its markers when the records are durable; no other event may come in between. After `replay` of the whole
/// partition and `finishLoading` it serves requests.
///
/// Two requests are answered late. EndTxn waits until the markers are written, so that the producer's next transaction
/// does not meet the end of the last one. InitProducerId that finds a transaction waits until that one is aborted. One
/// of each may wait per transactional id, the next gets CONCURRENT_TRANSACTIONS and comes back.
///
/// Events that may need a producer id are offered one that nobody has used.
///
/// - SeeAlso: upstream `TransactionCoordinator`, `TransactionStateManager`.
package struct TransactionShard: Sendable {
    package let configuration: TransactionConfiguration
    var entries: [String: Entry] = [:]
    /// What the undecided decision does to each transactional id.
    var staged: [Change] = []
    /// No deadline lies before it; `.max` when there is none.
    var earliestDeadline: Int64 = .max

    package init(configuration: TransactionConfiguration) { self.configuration = configuration }

    /// The number of transactional ids.
    package var count: Int { entries.count }

    /// When `tick` should be called, on the monotonic clock; nil when there is nothing to wait for. It may be early.
    package var nextDeadline: Int64? { earliestDeadline == .max ? nil : earliestDeadline }

    /// The log has taken the records of the last decision.
    package mutating func commit() { settle(\.committed) }

    /// The log has refused the records of the last decision: nothing of it has happened.
    package mutating func abandon() { settle(\.abandoned) }

    /// The code for a client whose records the log has refused, as upstream `TransactionStateManager` translates them.
    package static func refusalCode(_ code: ErrorCode) -> ErrorCode {
        switch code {
        case .unknownTopicOrPartition, .notEnoughReplicas, .notEnoughReplicasAfterAppend, .requestTimedOut:
            .coordinatorNotAvailable
        case .notLeaderOrFollower, .kafkaStorageError: .notCoordinator
        case .messageTooLarge, .recordListTooLarge: .unknownServerError
        default: code
        }
    }
}

// MARK: state

extension TransactionShard {
    struct Entry: Sendable, Equatable {
        var metadata: TransactionMetadata
        var markers = MarkerProgress.none
        /// On the monotonic clock: when an open transaction times out, a finished one is forgotten, or what the disk
        /// refused is tried again. nil while markers are being written.
        var deadline: Int64?
        var endWaiter: EndWaiter?
        var initWaiter: InitWaiter?

        init(_ metadata: TransactionMetadata) { self.metadata = metadata }
    }

    enum MarkerProgress: Sendable {
        /// The transaction is not prepared.
        case none
        case ordered
        /// The caller could not write them all; they are ordered again at the deadline.
        case refused
        /// They are written, but the log refused to hear of it; it is told again at the deadline.
        case written
    }

    /// EndTxn that waits for the markers.
    struct EndWaiter: Sendable, Equatable {
        var token: ReplyToken
        var version: Int16
    }

    /// InitProducerId that waits for the end of a transaction.
    struct InitWaiter: Sendable, Equatable {
        var token: ReplyToken
        var version: Int16
        var expected: TransactionProducer?
        var timeoutMs: Int32
        var freshProducerId: Int64
    }

    struct Change: Sendable {
        var transactionalId: String
        /// nil: the id is gone.
        var committed: Entry?
        var abandoned: Entry?
    }
}

// MARK: staging

extension TransactionShard {
    /// Every event begins with it.
    func requireDecided() { precondition(staged.isEmpty, "the last decision was neither committed nor abandoned") }

    /// - Parameter abandoned: the state when the log refuses, the present one unless it is given.
    mutating func stage(_ transactionalId: String, _ entry: Entry?, abandoned: Entry? = nil) {
        staged.append(
            Change(
                transactionalId: transactionalId, committed: entry, abandoned: abandoned ?? entries[transactionalId]))
    }

    /// Every event that stages ends with it: without records there is nothing to wait for.
    mutating func conclude(_ decision: TransactionDecision) -> TransactionDecision {
        if decision.decision.records.isEmpty { commit() }
        return decision
    }

    private mutating func settle(_ outcome: KeyPath<Change, Entry?>) {
        for change in staged {
            let entry = change[keyPath: outcome]
            entries[change.transactionalId] = entry
            earliestDeadline = min(earliestDeadline, entry?.deadline ?? .max)
        }
        staged.removeAll(keepingCapacity: true)
    }
}

// MARK: time

extension TransactionShard {
    /// The deadline that `delay` milliseconds make. A delay that no clock will see is none.
    static func deadline(_ time: EventTime, after delay: Int64) -> Int64? {
        let (sum, overflow) = time.monotonic.addingReportingOverflow(max(0, delay))
        return overflow ? nil : sum
    }

    /// Milliseconds since a time in the log; 0 when the wall clock says that it is yet to come.
    static func elapsed(since timestamp: Int64, at time: EventTime) -> Int64 {
        let (difference, overflow) = time.wall.subtractingReportingOverflow(timestamp)
        return overflow ? (timestamp < 0 ? .max : 0) : max(0, difference)
    }

    func expirationDeadline(_ time: EventTime) -> Int64? {
        Self.deadline(time, after: configuration.transactionalIdExpirationMs)
    }

    func retryDeadline(_ time: EventTime) -> Int64? { Self.deadline(time, after: configuration.retryBackoffMs) }
}
