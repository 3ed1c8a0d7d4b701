package import KafkaMessages

extension TransactionShard {
    /// One entry of a DescribeTransactions response.
    package func describe(_ transactionalId: String) -> DescribeTransactionsResponse.TransactionState {
        typealias Description = DescribeTransactionsResponse.TransactionState
        guard !transactionalId.isEmpty else { return Description(errorCode: ErrorCode.invalidRequest.rawValue) }
        guard let metadata = entries[transactionalId]?.metadata else {
            return Description(
                errorCode: ErrorCode.transactionalIdNotFound.rawValue, transactionalId: transactionalId)
        }
        return Description(
            transactionalId: transactionalId, transactionState: metadata.state.name,
            transactionTimeoutMs: metadata.timeoutMs, transactionStartTimeMs: metadata.startTimestamp,
            producerId: metadata.producerId, producerEpoch: metadata.producerEpoch,
            topics: metadata.sortedTopics.map {
                DescribeTransactionsResponse.TopicData(topic: $0.name, partitions: $0.partitions)
            })
    }

    /// The part of a ListTransactions response that this shard knows, in the order of transactional ids.
    ///
    /// - Parameter matches: whether an id matches the request's pattern; called only when there is one.
    package func list(
        _ request: ListTransactionsRequest, at time: EventTime, matches: (String) -> Bool
    ) -> ListTransactionsResponse {
        var states: Set<TransactionState> = []
        var unknown: [String] = []
        for name in request.stateFilters {
            if let state = TransactionState.allCases.first(where: { $0.name == name }) {
                states.insert(state)
            } else if !Self.invisibleStates.contains(name) {
                unknown.append(name)
            }
        }
        let producerIds = Set(request.producerIdFilters)
        let hasPattern = request.transactionalIdPattern?.isEmpty == false
        let found = entries.filter { transactionalId, entry in
            let metadata = entry.metadata
            return (producerIds.isEmpty || producerIds.contains(metadata.producerId))
                && (request.stateFilters.isEmpty || states.contains(metadata.state))
                && (request.durationFilter < 0
                    || Self.elapsed(since: metadata.startTimestamp, at: time) > request.durationFilter)
                && (!hasPattern || matches(transactionalId))
        }
        return ListTransactionsResponse(
            unknownStateFilters: unknown,
            transactionStates: found.sorted { $0.key < $1.key }.map { transactionalId, entry in
                ListTransactionsResponse.TransactionState(
                    transactionalId: transactionalId, producerId: entry.metadata.producerId,
                    transactionState: entry.metadata.state.name)
            })
    }

    /// States that Kafka knows by name and that no transactional id of ours is ever seen in.
    private static let invisibleStates: Set<String> = ["Dead", "PrepareEpochFence"]
}

extension TransactionShard {
    /// A transaction whose end is not complete.
    package struct OpenTransaction: Sendable, Equatable {
        package var producerId: Int64
        package var topics: [TransactionTopic]
    }

    /// The producers whose transactions are decided and whose markers may not all be written, with the markers' epochs.
    package var endingProducers: Set<TransactionProducer> {
        entries.values.reduce(into: []) { all, entry in
            guard entry.metadata.state.isPrepared, entry.markers != .written else { return }
            all.insert(
                TransactionProducer(
                    producerId: entry.metadata.producerId, producerEpoch: entry.metadata.producerEpoch))
        }
    }

    /// All transactions that are open or about to end.
    package var openTransactions: [OpenTransaction] {
        entries.values.filter { $0.metadata.state == .ongoing || $0.metadata.state.isPrepared }.map { entry in
            OpenTransaction(
                producerId: entry.metadata.producerId,
                topics: entry.metadata.partitions.sorted { $0.key < $1.key }.map {
                    TransactionTopic(name: $0.key, partitions: $0.value.sorted())
                })
        }
    }
}
