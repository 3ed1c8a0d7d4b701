import RecordBatches

/// Which transactions the batches belong to that a cleaning walks over, in the order of their offsets.
///
/// Everything a cleaning sees lies below the last stable offset, so each transaction has ended, and the transaction index
/// tells which ones were aborted before their data is met.
///
/// - SeeAlso: upstream `CleanedTransactionMetadata`.
struct CleanedTransactions {
    private struct Aborted {
        var transaction: AbortedTransaction
        /// Whether a batch of it is in the log still, even one without records.
        var hasBatches = false
    }

    /// Producers whose transaction is committed further on and of which a batch was met.
    private var committed: Set<Int64> = []
    private var aborted: [Int64: Aborted] = [:]
    /// Aborted transactions that begin further on, by first offset.
    private var coming: [AbortedTransaction] = []
    private var next = 0
    /// What the transaction index of the new segment has to hold.
    private(set) var retained: [AbortedTransaction] = []

    /// A segment begins that these aborted transactions overlap.
    mutating func expect(_ transactions: [AbortedTransaction]) {
        coming = transactions.sorted { $0.firstOffset < $1.firstOffset }
        next = 0
    }

    /// The new segment is complete: another one gets an index of its own.
    mutating func takeRetained() -> [AbortedTransaction] {
        defer { retained = [] }
        return retained
    }

    private mutating func begin(upTo offset: Int64) {
        while next < coming.count, coming[next].firstOffset <= offset {
            let transaction = coming[next]
            // The index of several segments may have told of one that is under way already.
            if aborted[transaction.producerId] == nil {
                aborted[transaction.producerId] = Aborted(transaction: transaction)
            }
            next += 1
        }
    }

    /// Takes note of a batch that is not a control batch. - Returns: whether its records were aborted.
    mutating func note(_ header: BatchHeader) -> Bool {
        begin(upTo: header.lastOffset)
        guard header.attributes.isTransactional else { return false }
        if aborted[header.producerId] != nil {
            aborted[header.producerId]?.hasBatches = true
            return true
        }
        committed.insert(header.producerId)
        return false
    }

    /// Takes note of the end of a transaction. - Returns: whether no batch of the transaction is left, so that its marker
    /// may go once every reader has had the time to see it.
    ///
    /// - Parameter marker: nil for a control record that ends no transaction; it stays.
    mutating func note(_ marker: ControlMarker?, _ header: BatchHeader) -> Bool {
        begin(upTo: header.lastOffset)
        switch marker?.kind {
        case .abort:
            guard let ended = aborted.removeValue(forKey: header.producerId), ended.hasBatches else { return true }
            retained.append(ended.transaction)
            return false
        case .commit:
            return committed.remove(header.producerId) == nil
        case nil:
            return false
        }
    }
}
