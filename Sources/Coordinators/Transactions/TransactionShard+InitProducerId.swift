package import KafkaMessages

extension TransactionShard {
    /// InitProducerId with a transactional id: fences whoever used the id before and ends its transaction.
    ///
    /// - Parameter freshProducerId: taken for a new transactional id and when epochs are used up.
    package mutating func initProducerId(
        _ request: InitProducerIdRequest, version: Int16, token: ReplyToken, at time: EventTime, freshProducerId: Int64
    ) -> TransactionDecision {
        requireDecided()
        func refused(_ code: ErrorCode) -> TransactionDecision { .init(token, Self.initError(code)) }
        guard let transactionalId = request.transactionalId, !transactionalId.isEmpty,
            transactionalId.utf8.count <= TransactionRecords.transactionalIdByteCountMax,
            (request.producerId == TransactionMetadata.noProducerId)
                == (request.producerEpoch == TransactionMetadata.noEpoch)
        else { return refused(.invalidRequest) }
        // Two-phase commit (KIP-939) is not offered; these are Kafka's answers where it is switched off.
        guard !request.enable2Pc else { return refused(.transactionalIdAuthorizationFailed) }
        guard !request.keepPreparedTxn else { return refused(.unsupportedVersion) }
        guard request.transactionTimeoutMs > 0, request.transactionTimeoutMs <= configuration.timeoutMsMax else {
            return refused(.invalidTransactionTimeout)
        }
        let expected =
            request.producerId == TransactionMetadata.noProducerId
            ? nil : TransactionProducer(producerId: request.producerId, producerEpoch: request.producerEpoch)
        let waiter = InitWaiter(
            token: token, version: version, expected: expected, timeoutMs: request.transactionTimeoutMs,
            freshProducerId: freshProducerId)

        guard var entry = entries[transactionalId] else {
            let metadata = TransactionMetadata(
                producerId: freshProducerId, timeoutMs: request.transactionTimeoutMs, lastUpdateTimestamp: time.wall)
            return initialize(transactionalId, Entry(metadata), waiter, isNew: true, at: time)
        }
        guard entry.initWaiter == nil else { return refused(.concurrentTransactions) }
        guard entry.metadata.admits(expected) else { return refused(Self.fenced(version, since: 4)) }

        switch entry.metadata.state {
        case .empty, .completeCommit, .completeAbort:
            return initialize(transactionalId, entry, waiter, isNew: false, at: time)
        case .prepareCommit, .prepareAbort:
            entry.initWaiter = waiter
            stage(transactionalId, entry)
            var decision = TransactionDecision()
            decision.usedFreshProducerId = true  // the waiter keeps it
            return conclude(decision)
        case .ongoing:
            // Upstream lets a producer that was fenced abort the transaction of its successor before it learns of it.
            if let expected, expected.producerId == entry.metadata.producerId,
                expected.producerEpoch < entry.metadata.producerEpoch
            {
                return refused(Self.fenced(version, since: 4))
            }
            entry.initWaiter = waiter
            var decision = TransactionDecision()
            prepare(
                transactionalId, entry, isCommit: false,
                clientTransactionVersion: TransactionMetadata.epochBumpVersion, freshProducerId: freshProducerId,
                at: time, into: &decision)
            decision.usedFreshProducerId = true
            decision.decision.refusals = { [Reply(token, Self.initError(Self.refusalCode($0)))] }
            return conclude(decision)
        }
    }

    private mutating func initialize(
        _ transactionalId: String, _ entry: Entry, _ waiter: InitWaiter, isNew: Bool, at time: EventTime
    ) -> TransactionDecision {
        var decision = TransactionDecision()
        let entry = initialized(transactionalId, entry, waiter, at: time, into: &decision)
        guard !decision.decision.records.isEmpty else { return decision }
        decision.usedFreshProducerId = decision.usedFreshProducerId || isNew
        decision.decision.refusals = {
            [Reply(waiter.token, Self.initError(Self.refusalCode($0)))]
        }
        stage(transactionalId, entry)
        return conclude(decision)
    }

    /// Answers InitProducerId on a transactional id without a transaction.
    func initialized(
        _ transactionalId: String, _ entry: Entry, _ waiter: InitWaiter, at time: EventTime,
        into decision: inout TransactionDecision
    ) -> Entry {
        guard
            let next = entry.metadata.initialized(
                waiter.expected, timeoutMs: waiter.timeoutMs, freshProducerId: waiter.freshProducerId, at: time)
        else {
            let code = Self.fenced(waiter.version, since: 4)
            decision.decision.replies.append(Reply(waiter.token, Self.initError(code)))
            return entry
        }
        var entry = entry
        entry.metadata = next.metadata
        entry.deadline = expirationDeadline(time)
        decision.usedFreshProducerId = decision.usedFreshProducerId || next.usedFreshProducerId
        decision.repliesWaitForDisk = true
        decision.decision.records.append(TransactionRecords.record(transactionalId, next.metadata))
        decision.decision.replies.append(
            Reply(
                waiter.token,
                InitProducerIdResponse(
                    producerId: next.metadata.producerId, producerEpoch: next.metadata.producerEpoch)))
        return entry
    }

    static func initError(_ code: ErrorCode) -> InitProducerIdResponse {
        InitProducerIdResponse(errorCode: code.rawValue, producerId: -1, producerEpoch: -1)
    }

    /// PRODUCER_FENCED, or INVALID_PRODUCER_EPOCH for versions of a request from before there was such a code (KIP-588).
    static func fenced(_ version: Int16, since first: Int16) -> ErrorCode {
        version < first ? .invalidProducerEpoch : .producerFenced
    }
}
