package import KafkaMessages

extension TransactionShard {
    /// EndTxn. The reply comes when the markers are written.
    ///
    /// Version 5 is transaction.version 2: the epoch is raised at every end, and the reply tells the new one. The epoch
    /// of a request then also says which transaction it ends, so that a retry is known by the epoch before.
    ///
    /// | state before   | abort, retry | abort      | commit, retry | commit |
    /// |----------------|--------------|------------|---------------|--------|
    /// | Empty          | fenced       | aborts     | fenced        | 48     |
    /// | CompleteAbort  | 0            | aborts     | fenced        | 48     |
    /// | CompleteCommit | 48           | aborts     | 0             | 48     |
    ///
    /// A commit by the epoch before an abort was on its way when the transaction timed out: its producer has to begin
    /// anew, and 48 would be the end of it (KAFKA-20785). Before version 5 Empty gives 48, and a complete transaction 0 to
    /// the same outcome and 48 to the other. While markers are written the answer to the producer is to come back (51),
    /// whatever it asks for.
    ///
    /// - Parameter freshProducerId: taken when the epochs of the producer id are used up.
    package mutating func endTxn(
        _ request: EndTxnRequest, version: Int16, token: ReplyToken, at time: EventTime, freshProducerId: Int64
    ) -> TransactionDecision {
        requireDecided()
        let verdict = judge(request, version)
        guard case .end = verdict, var entry = entries[request.transactionalId] else {
            return .init(token, answer(verdict, request, version))
        }
        entry.endWaiter = EndWaiter(token: token, version: version)
        var decision = TransactionDecision()
        prepare(
            request.transactionalId, entry, isCommit: request.committed,
            clientTransactionVersion: version >= Self.epochBumpEndTxn ? TransactionMetadata.epochBumpVersion : 0,
            freshProducerId: freshProducerId, at: time, into: &decision)
        decision.decision.refusals = {
            [Reply(token, EndTxnResponse(errorCode: Self.refusalCode($0).rawValue))]
        }
        return conclude(decision)
    }

    /// All markers of an order are written and durable.
    package mutating func markersWritten(
        transactionalId: String, producerId: Int64, producerEpoch: Int16, at time: EventTime
    ) -> TransactionDecision {
        requireDecided()
        guard let entry = ordered(transactionalId, producerId, producerEpoch) else { return TransactionDecision() }
        var decision = TransactionDecision()
        decision.repliesWaitForDisk = false
        finish(transactionalId, entry, at: time, into: &decision)
        return conclude(decision)
    }

    /// Not all markers of an order could be written. It is given again by a later `tick`; who waits for the end is told to
    /// come back (51), as nobody knows when that will be.
    package mutating func markersRefused(
        transactionalId: String, producerId: Int64, producerEpoch: Int16, at time: EventTime
    ) -> TransactionDecision {
        requireDecided()
        var decision = TransactionDecision()
        decision.repliesWaitForDisk = false
        guard var entry = ordered(transactionalId, producerId, producerEpoch) else { return decision }
        entry.markers = .refused
        entry.deadline = retryDeadline(time)
        if let waiter = entry.endWaiter {
            entry.endWaiter = nil
            let answer = EndTxnResponse(errorCode: ErrorCode.concurrentTransactions.rawValue)
            decision.decision.replies.append(Reply(waiter.token, answer))
        }
        if let waiter = entry.initWaiter {
            entry.initWaiter = nil
            decision.decision.replies.append(Reply(waiter.token, Self.initError(.concurrentTransactions)))
        }
        stage(transactionalId, entry)
        return conclude(decision)
    }

    /// The entry whose markers an order was for; nil when that is history.
    private func ordered(_ transactionalId: String, _ producerId: Int64, _ producerEpoch: Int16) -> Entry? {
        guard let entry = entries[transactionalId], entry.metadata.state.isPrepared, entry.markers != .written,
            entry.metadata.producerId == producerId, entry.metadata.producerEpoch == producerEpoch
        else { return nil }
        return entry
    }
}

// MARK: what EndTxn may do

extension TransactionShard {
    /// The first version of EndTxn that raises the epoch.
    private static let epochBumpEndTxn: Int16 = 5

    private enum Verdict {
        case end
        /// It has happened, and the producer was not told.
        case done
        case refuse(ErrorCode)
    }

    private func judge(_ request: EndTxnRequest, _ version: Int16) -> Verdict {
        guard !request.transactionalId.isEmpty else { return .refuse(.invalidRequest) }
        guard let metadata = entries[request.transactionalId]?.metadata else {
            return .refuse(.invalidProducerIdMapping)
        }
        return version >= Self.epochBumpEndTxn
            ? Self.judgeBumping(request, metadata, version) : Self.judgePlain(request, metadata, version)
    }

    private static func judgePlain(
        _ request: EndTxnRequest, _ metadata: TransactionMetadata, _ version: Int16
    ) -> Verdict {
        guard metadata.producerId == request.producerId else { return .refuse(.invalidProducerIdMapping) }
        guard metadata.producerEpoch == request.producerEpoch else { return .refuse(fenced(version, since: 2)) }
        return switch (metadata.state, request.committed) {
        case (.ongoing, _): .end
        case (.completeCommit, true), (.completeAbort, false): .done
        case (.prepareCommit, _), (.prepareAbort, _): .refuse(.concurrentTransactions)
        default: .refuse(.invalidTxnState)
        }
    }

    private static func judgeBumping(
        _ request: EndTxnRequest, _ metadata: TransactionMetadata, _ version: Int16
    ) -> Verdict {
        let isCurrent = metadata.producerId == request.producerId && metadata.producerEpoch == request.producerEpoch
        // Upstream does not look at the version. When a producer of version 1 has ended a transaction, the epoch before
        // its own belongs to a producer that it has fenced.
        let isEndedByBump = metadata.clientTransactionVersion >= TransactionMetadata.epochBumpVersion
        let isEpochBefore =
            metadata.producerId == request.producerId && Int(metadata.producerEpoch) == Int(request.producerEpoch) + 1
        let isProducerBefore =
            metadata.previousProducerId == request.producerId && metadata.producerId != request.producerId
            && request.producerEpoch == .max - 1 && metadata.producerEpoch == 0
        let isRetry = isEndedByBump && (isEpochBefore || isProducerBefore)

        guard metadata.producerId == request.producerId || isRetry else { return .refuse(.invalidProducerIdMapping) }
        switch metadata.state {
        case .ongoing:
            return isCurrent ? .end : .refuse(.producerFenced)
        case .empty:
            guard isCurrent else { return .refuse(.producerFenced) }
            return request.committed ? .refuse(.invalidTxnState) : .end
        case .prepareCommit, .prepareAbort:
            // Nobody has been told the epoch of the markers yet.
            return .refuse(isEpochBefore ? .concurrentTransactions : .producerFenced)
        case .completeCommit, .completeAbort:
            guard isRetry || isCurrent else { return .refuse(.producerFenced) }
            guard isRetry else { return request.committed ? .refuse(.invalidTxnState) : .end }
            if request.committed == (metadata.state == .completeCommit) { return .done }
            return .refuse(request.committed ? .producerFenced : .invalidTxnState)
        }
    }

    private func answer(_ verdict: Verdict, _ request: EndTxnRequest, _ version: Int16) -> EndTxnResponse {
        switch verdict {
        case .refuse(let code): EndTxnResponse(errorCode: code.rawValue)
        case .end, .done: Self.ended(entries[request.transactionalId]?.metadata, version)
        }
    }

    private static func ended(_ metadata: TransactionMetadata?, _ version: Int16) -> EndTxnResponse {
        guard version >= epochBumpEndTxn, let metadata else { return EndTxnResponse() }
        return EndTxnResponse(producerId: metadata.producerId, producerEpoch: metadata.producerEpoch)
    }
}

// MARK: the two steps of an end

extension TransactionShard {
    /// Writes the outcome down and orders the markers. A transaction without partitions is finished at once.
    mutating func prepare(
        _ transactionalId: String, _ entry: Entry, isCommit: Bool, clientTransactionVersion: Int16,
        freshProducerId: Int64, abandoned: Entry? = nil, at time: EventTime, into decision: inout TransactionDecision
    ) {
        var entry = entry
        let next = entry.metadata.prepared(
            isCommit: isCommit, clientTransactionVersion: clientTransactionVersion, freshProducerId: freshProducerId,
            at: time)
        entry.metadata = next.metadata
        entry.deadline = nil
        decision.usedFreshProducerId = decision.usedFreshProducerId || next.usedFreshProducerId
        decision.decision.records.append(TransactionRecords.record(transactionalId, entry.metadata))
        guard !entry.metadata.partitions.isEmpty else {
            return finish(transactionalId, entry, abandoned: abandoned, at: time, into: &decision)
        }
        entry.markers = .ordered
        decision.markers.append(order(transactionalId, entry.metadata))
        stage(transactionalId, entry, abandoned: abandoned)
    }

    /// Writes down that the transaction is complete and answers who waits for it.
    mutating func finish(
        _ transactionalId: String, _ entry: Entry, abandoned: Entry? = nil, at time: EventTime,
        into decision: inout TransactionDecision
    ) {
        var fallback = abandoned
        if fallback == nil, var present = entries[transactionalId], present.metadata.state.isPrepared {
            present.markers = .written
            present.deadline = retryDeadline(time)
            fallback = present
        }
        var entry = entry
        entry.metadata = entry.metadata.completed(at: time)
        entry.markers = .none
        entry.deadline = expirationDeadline(time)
        decision.decision.records.append(TransactionRecords.record(transactionalId, entry.metadata))
        if let waiter = entry.endWaiter {
            decision.decision.replies.append(Reply(waiter.token, Self.ended(entry.metadata, waiter.version)))
            entry.endWaiter = nil
        }
        if let waiter = entry.initWaiter {
            entry.initWaiter = nil
            entry = initialized(transactionalId, entry, waiter, at: time, into: &decision)
        }
        stage(transactionalId, entry, abandoned: fallback)
    }

    func order(_ transactionalId: String, _ metadata: TransactionMetadata) -> MarkerOrder {
        MarkerOrder(
            transactionalId: transactionalId, producerId: metadata.producerId, producerEpoch: metadata.producerEpoch,
            coordinatorEpoch: configuration.coordinatorEpoch, isCommit: metadata.state == .prepareCommit,
            transactionVersion: metadata.clientTransactionVersion, topics: metadata.sortedTopics)
    }
}
