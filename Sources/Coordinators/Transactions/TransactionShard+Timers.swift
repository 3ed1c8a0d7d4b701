extension TransactionShard {
    /// The most transactional ids that one tick deals with, so that its records fit into a batch.
    package static let tickCountMax = 1_000

    /// Aborts transactions that are open for too long, forgets transactional ids that nobody uses, and tries again what
    /// the disk has refused. What one tick does not get to is due at once.
    ///
    /// - Parameter freshProducerId: taken when a producer must be fenced whose epochs are used up.
    package mutating func tick(at time: EventTime, freshProducerId: Int64) -> TransactionDecision {
        requireDecided()
        var decision = TransactionDecision()
        guard earliestDeadline <= time.monotonic else { return decision }
        var due: [String] = []
        earliestDeadline = .max
        for (transactionalId, entry) in entries {
            guard let deadline = entry.deadline else { continue }
            if deadline <= time.monotonic {
                due.append(transactionalId)
            } else {
                earliestDeadline = min(earliestDeadline, deadline)
            }
        }
        due.sort()
        var count = 0
        for transactionalId in due {
            guard let entry = entries[transactionalId], count < Self.tickCountMax,
                !(decision.usedFreshProducerId && entry.metadata.state == .ongoing && entry.metadata.isExhausted)
            else {
                earliestDeadline = min(earliestDeadline, time.monotonic)
                continue
            }
            count += 1
            dealWith(transactionalId, entry, freshProducerId: freshProducerId, at: time, into: &decision)
        }
        return conclude(decision)
    }

    private mutating func dealWith(
        _ transactionalId: String, _ entry: Entry, freshProducerId: Int64, at time: EventTime,
        into decision: inout TransactionDecision
    ) {
        var postponed = entry
        postponed.deadline = retryDeadline(time)
        switch entry.metadata.state {
        case .ongoing:
            prepare(
                transactionalId, entry, isCommit: false,
                clientTransactionVersion: TransactionMetadata.epochBumpVersion, freshProducerId: freshProducerId,
                abandoned: postponed, at: time, into: &decision)
        case .prepareCommit, .prepareAbort:
            if entry.markers == .written {
                return finish(transactionalId, entry, abandoned: postponed, at: time, into: &decision)
            }
            var again = entry
            again.markers = .ordered
            again.deadline = nil
            decision.markers.append(order(transactionalId, entry.metadata))
            stage(transactionalId, again, abandoned: postponed)
        case .empty, .completeCommit, .completeAbort:
            decision.decision.records.append(TransactionRecords.record(transactionalId, nil))
            stage(transactionalId, nil, abandoned: postponed)
        }
    }
}
