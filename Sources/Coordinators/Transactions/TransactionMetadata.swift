import KafkaMessages

/// What is known of one transactional id, and the transitions it goes through.
///
/// - SeeAlso: upstream `TransactionMetadata`; KIP-98, KIP-360 (producers that continue after an error), KIP-890 (an
///   epoch for every transaction).
struct TransactionMetadata: Sendable, Equatable {
    static let noProducerId: Int64 = -1
    static let noEpoch: Int16 = -1
    /// The version of the transaction protocol whose EndTxn raises the epoch.
    static let epochBumpVersion: Int16 = 2

    var producerId: Int64
    /// The producer id before the last transition; the same unless that one changed it.
    var previousProducerId = noProducerId
    /// Takes the place of `producerId` when the transaction is complete.
    var nextProducerId = noProducerId
    var producerEpoch = noEpoch
    /// The epoch before the last one when its producer knows both. Not in the log, so lost by a restart, as upstream.
    var lastProducerEpoch = noEpoch
    var timeoutMs: Int32
    var state = TransactionState.empty
    var partitions: [String: Set<Int32>] = [:]
    /// Wall clock, milliseconds since 1970; -1 before the first transaction.
    var startTimestamp: Int64 = -1
    var lastUpdateTimestamp: Int64
    /// `transaction.version` of the client that made the last transition.
    var clientTransactionVersion: Int16 = 0

    /// The last epoch is kept back, so that a producer can always be fenced.
    static func isExhausted(_ epoch: Int16) -> Bool { epoch >= .max - 1 }

    var isExhausted: Bool { Self.isExhausted(producerEpoch) }

    /// A transaction of two-phase commit (KIP-939) never times out. We do not offer them, a log may hold them.
    var hasTimeout: Bool { timeoutMs != .max }

    func contains(_ topics: [TransactionTopic]) -> Bool {
        topics.allSatisfy { topic in
            let known = partitions[topic.name]
            return topic.partitions.allSatisfy { known?.contains($0) ?? false }
        }
    }

    /// The partitions in the order of names and numbers, so that the same state gives the same bytes.
    var sortedTopics: [TransactionTopic] {
        partitions.map { TransactionTopic(name: $0.key, partitions: $0.value.sorted()) }.sorted { $0.name < $1.name }
    }
}

// MARK: transitions

extension TransactionMetadata {
    /// Whether a producer that names itself may go on as this transactional id; its epoch is looked at later.
    ///
    /// An exhausted epoch of the previous producer id is a retry whose answer, with a new producer id, was lost.
    func admits(_ expected: TransactionProducer?) -> Bool {
        guard let expected, producerEpoch != Self.noEpoch else { return true }
        return expected.producerId == producerId
            || (expected.producerId == previousProducerId && Self.isExhausted(expected.producerEpoch))
    }

    /// Answers InitProducerId: a new epoch, or a new producer id when there are no more epochs.
    ///
    /// - Parameter expected: the producer that continues after an error (KIP-360); nil for one that begins.
    /// - Returns: nil when `expected` was fenced.
    func initialized(
        _ expected: TransactionProducer?, timeoutMs: Int32, freshProducerId: Int64, at time: EventTime
    ) -> (metadata: Self, usedFreshProducerId: Bool)? {
        guard admits(expected) else { return nil }
        var next = self
        var usedFreshProducerId = false
        let expectedEpoch = expected?.producerEpoch
        if isExhausted, expectedEpoch == nil || expectedEpoch == producerEpoch {
            next.previousProducerId = producerId
            next.producerId = freshProducerId
            next.producerEpoch = 0
            next.lastProducerEpoch = expectedEpoch == nil ? Self.noEpoch : producerEpoch
            usedFreshProducerId = true
        } else if expectedEpoch == nil || expectedEpoch == producerEpoch || producerEpoch == Self.noEpoch {
            next.previousProducerId = producerId
            next.producerEpoch += 1
            next.lastProducerEpoch = expectedEpoch == nil ? Self.noEpoch : producerEpoch
        } else if expectedEpoch != lastProducerEpoch {
            return nil
        }
        // Else it is a retry whose answer was lost. Nobody else has begun since, that would have cleared the last epoch.
        next.timeoutMs = timeoutMs
        next.state = .empty
        next.partitions = [:]
        next.startTimestamp = -1
        next.lastUpdateTimestamp = time.wall
        return (next, usedFreshProducerId)
    }

    func adding(_ topics: [TransactionTopic], clientTransactionVersion: Int16, at time: EventTime) -> Self {
        var next = self
        next.previousProducerId = producerId
        if state != .ongoing { next.startTimestamp = time.wall }
        for topic in topics { next.partitions[topic.name, default: []].formUnion(topic.partitions) }
        next.state = .ongoing
        next.lastUpdateTimestamp = time.wall
        next.clientTransactionVersion = clientTransactionVersion
        return next
    }

    /// Decides the outcome. With transaction.version 2, and when the coordinator aborts by itself, the epoch is raised.
    ///
    /// The last epoch of a producer id is for these markers only: the producer gets a fresh id when they are written.
    func prepared(
        isCommit: Bool, clientTransactionVersion: Int16, freshProducerId: Int64, at time: EventTime
    ) -> (metadata: Self, usedFreshProducerId: Bool) {
        var next = self
        var usedFreshProducerId = false
        next.previousProducerId = producerId
        if clientTransactionVersion >= Self.epochBumpVersion {
            if isExhausted {
                next.nextProducerId = freshProducerId
                usedFreshProducerId = true
            }
            next.producerEpoch = producerEpoch == .max ? .max : producerEpoch + 1
            next.lastProducerEpoch = producerEpoch
        }
        // A transaction that is aborted before it has a partition begins with its end.
        if state != .ongoing { next.startTimestamp = time.wall }
        next.state = isCommit ? .prepareCommit : .prepareAbort
        next.lastUpdateTimestamp = time.wall
        next.clientTransactionVersion = clientTransactionVersion
        return (next, usedFreshProducerId)
    }

    /// All markers are written.
    func completed(at time: EventTime) -> Self {
        var next = self
        next.previousProducerId = producerId
        if clientTransactionVersion >= Self.epochBumpVersion, nextProducerId != Self.noProducerId {
            next.producerId = nextProducerId
            next.producerEpoch = 0
        }
        next.nextProducerId = Self.noProducerId
        next.partitions = [:]
        next.state = state == .prepareCommit ? .completeCommit : .completeAbort
        next.lastUpdateTimestamp = time.wall
        return next
    }
}
