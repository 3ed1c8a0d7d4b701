package import KafkaMessages

extension TransactionShard {
    /// One transaction of AddPartitionsToTxn; see `transactions(version:)` for requests of all versions.
    ///
    /// The reply is an AddPartitionsToTxnResponse of the request's version with the results of this transaction alone.
    package mutating func addPartitions(
        _ transaction: AddPartitionsToTxnRequest.AddPartitionsToTxnTransaction, version: Int16, token: ReplyToken,
        at time: EventTime, topics: any TopicImage
    ) -> TransactionDecision {
        requireDecided()
        let missing = Self.missing(transaction.topics, in: topics)
        guard missing.isEmpty else {
            // All or nothing: one unknown partition keeps the others out as well.
            return .init(
                token,
                Self.response(transaction, version) { topic, partition in
                    missing[topic]?.contains(partition) == true ? .unknownTopicOrPartition : .operationNotAttempted
                })
        }
        let wanted = transaction.topics.map { TransactionTopic(name: $0.name, partitions: $0.partitions) }
        if transaction.verifyOnly {
            return .init(
                token,
                Self.response(transaction, version) { topic, partition in
                    verify(
                        transactionalId: transaction.transactionalId, producerId: transaction.producerId,
                        producerEpoch: transaction.producerEpoch, topic: topic, partition: partition)
                })
        }
        var decision = TransactionDecision()
        let code = add(
            wanted, to: transaction.transactionalId, transaction.producerId, transaction.producerEpoch,
            clientTransactionVersion: version > 3 ? TransactionMetadata.epochBumpVersion : 0, at: time, into: &decision)
        let translated = code == .producerFenced ? Self.fenced(version, since: 2) : code
        decision.decision.replies = [Reply(token, Self.response(transaction, version) { _, _ in translated })]
        decision.decision.refusals = { code in
            [Reply(token, Self.response(transaction, version) { _, _ in Self.refusalCode(code) })]
        }
        return conclude(decision)
    }

    /// AddOffsetsToTxn.
    ///
    /// - Parameter partition: of `topic`, `__consumer_offsets`, where the group's offsets are.
    package mutating func addOffsets(
        _ request: AddOffsetsToTxnRequest, version: Int16, token: ReplyToken, at time: EventTime, topic: String,
        partition: Int32
    ) -> TransactionDecision {
        requireDecided()
        var decision = TransactionDecision()
        let code = add(
            [TransactionTopic(name: topic, partitions: [partition])], to: request.transactionalId, request.producerId,
            request.producerEpoch,
            clientTransactionVersion: version > 3 ? TransactionMetadata.epochBumpVersion : 0, at: time, into: &decision)
        let translated = code == .producerFenced ? Self.fenced(version, since: 2) : code
        decision.decision.replies = [Reply(token, AddOffsetsToTxnResponse(errorCode: translated.rawValue))]
        decision.decision.refusals = { code in
            [Reply(token, AddOffsetsToTxnResponse(errorCode: Self.refusalCode(code).rawValue))]
        }
        return conclude(decision)
    }

    /// Adds partitions on behalf of Produce from version 12 and TxnOffsetCommit from version 5 (KIP-890): these requests
    /// carry the transactional id, and their producers send no AddPartitionsToTxn.
    ///
    /// The caller writes the data only after the records are durable, and only when `errorCode` of the decision is NONE;
    /// when the log refuses the records, the code is `refusalCode` of the failure. CONCURRENT_TRANSACTIONS passes soon
    /// and may be tried again. No message is replied.
    package mutating func addImplicitly(
        transactionalId: String, producerId: Int64, producerEpoch: Int16, topics: [TransactionTopic], at time: EventTime
    ) -> TransactionDecision {
        requireDecided()
        var decision = TransactionDecision()
        decision.errorCode = add(
            topics, to: transactionalId, producerId, producerEpoch,
            clientTransactionVersion: TransactionMetadata.epochBumpVersion, at: time, into: &decision)
        return conclude(decision)
    }

    /// Whether a partition belongs to the open transaction of a producer, for Produce before version 12 (KIP-890).
    ///
    /// - Returns: the coordinator's code; `produceCode` translates it for the producer.
    /// - SeeAlso: upstream `TransactionCoordinator.handleVerifyPartitionsInTransaction`.
    package func verify(
        transactionalId: String, producerId: Int64, producerEpoch: Int16, topic: String, partition: Int32
    ) -> ErrorCode {
        guard !transactionalId.isEmpty else { return .invalidRequest }
        guard let metadata = entries[transactionalId]?.metadata, metadata.producerId == producerId else {
            return .invalidProducerIdMapping
        }
        guard metadata.producerEpoch == producerEpoch else { return .producerFenced }
        guard !metadata.state.isPrepared else { return .concurrentTransactions }
        return metadata.partitions[topic]?.contains(partition) == true ? .none : .transactionAbortable
    }

    /// The code of a partition in a Produce response for an answer of `verify` or `addImplicitly`.
    ///
    /// - SeeAlso: upstream `AddPartitionsToTxnManager`, `ReplicaManager`.
    package static func produceCode(_ code: ErrorCode, version: Int16) -> ErrorCode {
        switch code {
        case .producerFenced: .invalidProducerEpoch
        case .transactionAbortable where version < 11: .invalidTxnState
        // Clients before transaction.version 2 do not expect these from Produce, but try this one again.
        case .concurrentTransactions where version < 12: .notEnoughReplicas
        case .coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator: .notEnoughReplicas
        default: code
        }
    }

    /// The code of a TxnOffsetCommit response for an answer of `verify` or `addImplicitly`.
    ///
    /// - SeeAlso: as for `produceCode`.
    package static func offsetCommitCode(_ code: ErrorCode, version: Int16) -> ErrorCode {
        switch code {
        case .producerFenced: .invalidProducerEpoch
        case .transactionAbortable where version < 4: .invalidTxnState
        // Clients before transaction.version 2 do not expect it here, and give up for good.
        case .concurrentTransactions where version < 5: .coordinatorNotAvailable
        default: code
        }
    }

    /// - Returns: NONE when the partitions are added, now or earlier.
    private mutating func add(
        _ topics: [TransactionTopic], to transactionalId: String, _ producerId: Int64, _ producerEpoch: Int16,
        clientTransactionVersion: Int16, at time: EventTime, into decision: inout TransactionDecision
    ) -> ErrorCode {
        guard !transactionalId.isEmpty else { return .invalidRequest }
        guard var entry = entries[transactionalId], entry.metadata.producerId == producerId else {
            return .invalidProducerIdMapping
        }
        guard entry.metadata.producerEpoch == producerEpoch else { return .producerFenced }
        guard !entry.metadata.state.isPrepared else { return .concurrentTransactions }
        let isOngoing = entry.metadata.state == .ongoing
        if isOngoing, entry.metadata.contains(topics) { return .none }

        entry.metadata = entry.metadata.adding(topics, clientTransactionVersion: clientTransactionVersion, at: time)
        if !isOngoing { entry.deadline = Self.deadline(time, after: Int64(entry.metadata.timeoutMs)) }
        decision.decision.records.append(TransactionRecords.record(transactionalId, entry.metadata))
        stage(transactionalId, entry)
        return .none
    }

    private static func missing(
        _ topics: [AddPartitionsToTxnRequest.AddPartitionsToTxnTopic], in image: any TopicImage
    ) -> [String: Set<Int32>] {
        var missing: [String: Set<Int32>] = [:]
        for topic in topics {
            let known = 0..<max(0, image.facts(named: topic.name)?.partitionCount ?? 0)
            for partition in topic.partitions where !known.contains(partition) {
                missing[topic.name, default: []].insert(partition)
            }
        }
        return missing
    }

    private static func response(
        _ transaction: AddPartitionsToTxnRequest.AddPartitionsToTxnTransaction, _ version: Int16,
        code: (String, Int32) -> ErrorCode
    ) -> AddPartitionsToTxnResponse {
        let results = transaction.topics.map { topic in
            AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult(
                name: topic.name,
                resultsByPartition: topic.partitions.map { partition in
                    AddPartitionsToTxnResponse.AddPartitionsToTxnPartitionResult(
                        partitionIndex: partition, partitionErrorCode: code(topic.name, partition).rawValue)
                })
        }
        guard version > 3 else { return AddPartitionsToTxnResponse(resultsByTopicV3AndBelow: results) }
        return AddPartitionsToTxnResponse(resultsByTransaction: [
            AddPartitionsToTxnResponse.AddPartitionsToTxnResult(
                transactionalId: transaction.transactionalId, topicResults: results)
        ])
    }
}

extension AddPartitionsToTxnRequest {
    /// The transactions of a request: one up to version 3, any number from version 4.
    package func transactions(version: Int16) -> [AddPartitionsToTxnTransaction] {
        guard version <= 3 else { return transactions }
        return [
            AddPartitionsToTxnTransaction(
                transactionalId: v3AndBelowTransactionalId, producerId: v3AndBelowProducerId,
                producerEpoch: v3AndBelowProducerEpoch, topics: v3AndBelowTopics)
        ]
    }
}
