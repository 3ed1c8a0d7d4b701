/// The states of a transactional id, with the numbers they have in `__transaction_state`.
///
/// Two of Kafka's states are missing: `Dead` is an id that is gone, and `PrepareEpochFence` is never written.
///
/// - SeeAlso: upstream `TransactionState`.
enum TransactionState: Int8, Sendable, CaseIterable {
    case empty = 0, ongoing, prepareCommit, prepareAbort, completeCommit, completeAbort

    /// As DescribeTransactions and ListTransactions name it.
    var name: String {
        switch self {
        case .empty: "Empty"
        case .ongoing: "Ongoing"
        case .prepareCommit: "PrepareCommit"
        case .prepareAbort: "PrepareAbort"
        case .completeCommit: "CompleteCommit"
        case .completeAbort: "CompleteAbort"
        }
    }

    /// The outcome is decided, and markers are on their way.
    var isPrepared: Bool { self == .prepareCommit || self == .prepareAbort }
}
