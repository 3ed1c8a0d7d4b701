import Coordinators
import KafkaMessages
import LogStorage
import Patterns
import RecordBatches
import Security
import Synchronization

/// What transactional producers ask of their coordinator (KIP-98, KIP-447, KIP-890).
extension BrokerNode {
    func handleAddPartitionsToTxn(_ request: AddPartitionsToTxnRequest, _ responder: Responder) {
        let version = responder.apiVersion
        let access = access(responder)
        let gathered = GatheredAdditions(request, responder)
        for (index, transaction) in request.transactions(version: version).enumerated() {
            let part = gathered.part(index)
            func refusal(_ code: ErrorCode) -> AddPartitionsToTxnResponse {
                Self.response(transaction, code, version)
            }
            // Versions from 4 on come from brokers, and are refused as a whole before.
            if version < 4, access != nil {
                guard access.permits(.write, .transactionalId, transaction.transactionalId) else {
                    part.send(refusal(.transactionalIdAuthorizationFailed))
                    continue
                }
                if let refused = refused(transaction, access) {
                    part.send(refused)
                    continue
                }
            }
            guard let host = transactions.topic.host(of: transaction.transactionalId) else {
                part.send(refusal(.notCoordinator))
                continue
            }
            host.submit(part, refusal: refusal) { shard, token, now, topics in
                let decision = shard.addPartitions(
                    transaction, version: version, token: token, at: now, topics: topics)
                return (decision.decision, decision.markers)
            }
        }
    }

    /// One topic that may not be written to, or is not there, keeps all others out of the transaction.
    ///
    /// - Returns: nil when all may be written to.
    private func refused(
        _ transaction: AddPartitionsToTxnRequest.AddPartitionsToTxnTransaction, _ access: Access?
    ) -> AddPartitionsToTxnResponse? {
        let unpermitted = Set(
            transaction.topics.map(\.name).filter { Topic.isInternal($0) || !access.permits(.write, .topic, $0) })
        guard !unpermitted.isEmpty else { return nil }
        var response = AddPartitionsToTxnResponse()
        response.resultsByTopicV3AndBelow = transaction.topics.map { topic in
            let found = catalog.topic(named: topic.name)
            return .init(
                name: topic.name,
                resultsByPartition: topic.partitions.map { partition in
                    let code: ErrorCode =
                        unpermitted.contains(topic.name)
                        ? .topicAuthorizationFailed
                        : found?.partition(partition) == nil ? .unknownTopicOrPartition : .operationNotAttempted
                    return .init(partitionIndex: partition, partitionErrorCode: code.rawValue)
                })
        }
        return response
    }

    private static func response(
        _ transaction: AddPartitionsToTxnRequest.AddPartitionsToTxnTransaction, _ code: ErrorCode, _ version: Int16
    ) -> AddPartitionsToTxnResponse {
        var response = AddPartitionsToTxnResponse()
        if version <= 3 {
            response.resultsByTopicV3AndBelow = results(transaction.topics, code)
        } else {
            var result = AddPartitionsToTxnResponse.AddPartitionsToTxnResult()
            result.transactionalId = transaction.transactionalId
            result.topicResults = results(transaction.topics, code)
            response.resultsByTransaction = [result]
        }
        return response
    }

    private static func results(
        _ topics: [AddPartitionsToTxnRequest.AddPartitionsToTxnTopic], _ code: ErrorCode
    ) -> [AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult] {
        topics.map { topic in
            var result = AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult()
            result.name = topic.name
            result.resultsByPartition = topic.partitions.map { partition in
                var entry = AddPartitionsToTxnResponse.AddPartitionsToTxnPartitionResult()
                entry.partitionIndex = partition
                entry.partitionErrorCode = code.rawValue
                return entry
            }
            return result
        }
    }

    /// Makes the group's partition of `__consumer_offsets` part of the transaction.
    func handleAddOffsetsToTxn(_ request: AddOffsetsToTxnRequest, _ responder: Responder) {
        @Sendable func refusal(_ code: ErrorCode) -> AddOffsetsToTxnResponse {
            var response = AddOffsetsToTxnResponse()
            response.errorCode = code.rawValue
            return response
        }
        let access = access(responder)
        guard access.permits(.write, .transactionalId, request.transactionalId) else {
            return responder.send(refusal(.transactionalIdAuthorizationFailed))
        }
        guard access.permits(.read, .group, request.groupId) else {
            return responder.send(refusal(.groupAuthorizationFailed))
        }
        guard let host = transactions.topic.host(of: request.transactionalId) else {
            return responder.send(refusal(.notCoordinator))
        }
        groups.prepare(controller) { [groups] error in
            guard error == nil, let group = groups.host(of: request.groupId) else {
                return responder.send(refusal(.coordinatorNotAvailable))
            }
            host.submit(responder, refusal: refusal) { shard, token, now, _ in
                let decision = shard.addOffsets(
                    request, version: responder.apiVersion, token: token, at: now,
                    topic: group.partition.topicName, partition: group.partition.index)
                return (decision.decision, decision.markers)
            }
        }
    }

    func handleEndTxn(_ request: EndTxnRequest, _ responder: Responder) {
        @Sendable func refusal(_ code: ErrorCode) -> EndTxnResponse {
            var response = EndTxnResponse()
            response.errorCode = code.rawValue
            return response
        }
        guard access(responder).permits(.write, .transactionalId, request.transactionalId) else {
            return responder.send(refusal(.transactionalIdAuthorizationFailed))
        }
        guard let host = transactions.topic.host(of: request.transactionalId) else {
            return responder.send(refusal(.notCoordinator))
        }
        // Version 5 raises the epoch with every end; when that cannot be done any more the producer gets a new id.
        producerIds.withNext { [producerIds] result in
            guard case .success(let freshId) = result else { return responder.send(refusal(.coordinatorNotAvailable)) }
            host.submit(responder, refusal: refusal) { shard, token, now, _ in
                let decision = shard.endTxn(
                    request, version: responder.apiVersion, token: token, at: now, freshProducerId: freshId)
                if !decision.usedFreshProducerId { producerIds.giveBack(freshId) }
                return (decision.decision, decision.markers)
            }
        }
    }

    /// Commits offsets as a part of a transaction: they count when it commits.
    func handleTxnOffsetCommit(_ request: TxnOffsetCommitRequest, _ responder: Responder) {
        guard let access = access(responder) else { return commitOffsetsInTransaction(request, responder) }
        guard access.permits(.write, .transactionalId, request.transactionalId) else {
            return responder.send(request.refused(.transactionalIdAuthorizationFailed))
        }
        guard access.permits(.read, .group, request.groupId) else {
            return responder.send(request.refused(.groupAuthorizationFailed))
        }
        let topics = Admitted(request.topics) { access.permits(.read, .topic, $0.name) }
        if topics.isWhole { return commitOffsetsInTransaction(request, responder) }
        if topics.permitted.isEmpty { return responder.send(request.refused(.topicAuthorizationFailed)) }
        var permitted = request
        permitted.topics = topics.permitted
        commitOffsetsInTransaction(
            permitted,
            responder.mapping(TxnOffsetCommitResponse.self) { answer in
                answer.topics = topics.merged(answer.topics) { topic in
                    TxnOffsetCommitRequest(topics: [topic]).refused(.topicAuthorizationFailed).topics.first ?? .init()
                }
            })
    }

    private func commitOffsetsInTransaction(_ request: TxnOffsetCommitRequest, _ responder: Responder) {
        guard let host = groups.host(of: request.groupId) else {
            return responder.send(request.refused(.notCoordinator))
        }
        let producer = TransactionProducer(producerId: request.producerId, producerEpoch: request.producerEpoch)
        let begun = transactions.begin(
            producer, transactionalId: request.transactionalId, in: host.partition,
            addsByItself: responder.apiVersion >= 5)
        let addition: TransactionCoordinators.Addition?
        switch begun {
        case .success(let found): addition = found
        case .failure(let error):
            let code = TransactionShard.offsetCommitCode(error.code, version: responder.apiVersion)
            return responder.send(request.refused(code))
        }
        let commit: @Sendable (Bool) -> Void = { [transactions] isDurable in
            guard isDurable else { return responder.send(request.refused(.coordinatorNotAvailable)) }
            let wasOpen = host.partition.log.openTransaction(producerId: request.producerId) != nil
            host.submit(responder) {
                request.refused($0)
            } confirm: {
                // Before the answer leaves: after it the producer may end the transaction, and that is no reason to abort.
                guard !wasOpen else { return .none }
                return transactions.confirm(
                    producer, transactionalId: request.transactionalId, in: host.partition)?.code ?? .none
            } _: { shard, token, now, topics in
                let decision = shard.txnOffsetCommit(
                    request, version: responder.apiVersion, token: token, at: now, topics: topics)
                return (decision, [])
            }
        }
        markers.force(addition.map { [($0.partition, $0.offset)] } ?? [], commit)
    }

    func handleDescribeTransactions(_ request: DescribeTransactionsRequest, _ responder: Responder) {
        var response = DescribeTransactionsResponse()
        let access = access(responder)
        var hosts: [ShardHost<TransactionShard>] = []
        response.transactionStates = request.transactionalIds.map { id in
            func refused(_ code: ErrorCode) -> DescribeTransactionsResponse.TransactionState {
                var state = DescribeTransactionsResponse.TransactionState()
                state.transactionalId = id
                state.errorCode = code.rawValue
                return state
            }
            guard access.permits(.describe, .transactionalId, id) else {
                return refused(.transactionalIdAuthorizationFailed)
            }
            guard let host = transactions.topic.host(of: id) else { return refused(.transactionalIdNotFound) }
            hosts.append(host)
            var state = host.submitRead { shard, _ in
                shard.describe(id)
            } refusal: {
                refused($0)
            }
            state.topics.removeAll { !access.permits(.describe, .topic, $0.topic, isTold: false) }
            return state
        }
        send(response, responder, whenDurable: hosts)
    }

    /// Steps that the pattern of one ListTransactions request may take, some tenths of a second.
    private static let patternBudget = 10_000_000

    func handleListTransactions(_ request: ListTransactionsRequest, _ responder: Responder) {
        var response = ListTransactionsResponse()
        let pattern: RegularExpression?
        do throws(PatternError) {
            pattern = try request.transactionalIdPattern.flatMap { text throws(PatternError) in
                text.isEmpty ? nil : try RegularExpression(re2: text)
            }
        } catch {
            response.errorCode = ErrorCode.invalidRegularExpression.rawValue
            return responder.send(response)
        }
        var budget = Self.patternBudget
        // An expression that takes too long matches nothing more; its time is the broker's.
        func matches(_ id: String) -> Bool {
            guard let pattern else { return true }
            return (try? pattern.matches(id, budget: &budget)) ?? false
        }
        let access = access(responder)
        let hosts = transactions.topic.hosts
        for host in hosts {
            guard let listed = host.read({ shard, now in shard.list(request, at: now, matches: matches) }) else {
                response.errorCode = (host.unavailability ?? .coordinatorLoadInProgress).rawValue
                response.transactionStates = []
                return responder.send(response)
            }
            response.transactionStates += listed.transactionStates.filter {
                access.permits(.describe, .transactionalId, $0.transactionalId, isTold: false)
            }
            response.unknownStateFilters = listed.unknownStateFilters
        }
        response.transactionStates.sort { $0.transactionalId < $1.transactionalId }
        send(response, responder, whenDurable: hosts)
    }

    /// Ends transactions of any producer in the partitions named: how administrators get rid of one that hangs.
    func handleWriteTxnMarkers(_ request: WriteTxnMarkersRequest, _ responder: Responder) {
        var response = WriteTxnMarkersResponse()
        var syncs: [(partition: Partition, offset: Int64)] = []
        for wanted in request.markers {
            var result = WriteTxnMarkersResponse.WritableTxnMarkerResult()
            result.producerId = wanted.producerId
            let marker = ControlMarker(
                kind: wanted.transactionResult ? .commit : .abort, coordinatorEpoch: wanted.coordinatorEpoch)
            let producer = TransactionProducer(producerId: wanted.producerId, producerEpoch: wanted.producerEpoch)
            for topic in wanted.topics {
                var topicResult = WriteTxnMarkersResponse.WritableTxnMarkerTopicResult()
                topicResult.name = topic.name
                for index in topic.partitionIndexes {
                    var entry = WriteTxnMarkersResponse.WritableTxnMarkerPartitionResult()
                    entry.partitionIndex = index
                    if let partition = catalog.topic(named: topic.name)?.partition(index), !partition.isDeleted {
                        switch markers.append(marker, producer, Int16(max(0, wanted.transactionVersion)), to: partition)
                        {
                        case .success(let end):
                            partition.wakeWaiters()
                            syncs.append((partition, end))
                        case .failure(let error):
                            alarm.note(error)
                            entry.errorCode = error.kafkaCode
                        case nil: entry.errorCode = ErrorCode.coordinatorLoadInProgress.rawValue
                        }
                    } else {
                        entry.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                    }
                    topicResult.partitions.append(entry)
                }
                result.topics.append(topicResult)
            }
            response.markers.append(result)
        }
        let answer = response
        markers.force(syncs) { isDurable in
            if isDurable { responder.send(answer) } else { responder.close(because: "the disk failed") }
        }
    }
}

/// The answers for several transactions of one request, put together in the order of the request.
private final class GatheredAdditions: Sendable {
    private let responder: Responder
    private let state: Mutex<(answers: [AddPartitionsToTxnResponse?], left: Int)>

    init(_ request: AddPartitionsToTxnRequest, _ responder: Responder) {
        self.responder = responder
        let count = request.transactions(version: responder.apiVersion).count
        state = Mutex((Array(repeating: nil, count: count), count))
        if count == 0 { responder.send(AddPartitionsToTxnResponse()) }
    }

    /// Takes the answer for the transaction at `index`.
    func part(_ index: Int) -> Responder {
        Responder(
            target: .local { [self] message in
                let finished = state.withLock { state -> [AddPartitionsToTxnResponse?]? in
                    state.answers[index] = message as? AddPartitionsToTxnResponse
                    state.left -= 1
                    return state.left == 0 ? state.answers : nil
                }
                guard let finished else { return }
                let answers = finished.compactMap { $0 }
                guard answers.count == finished.count, var whole = answers.first else {
                    return responder.close(because: "a transaction's coordinator closed")
                }
                whole.resultsByTransaction = answers.flatMap(\.resultsByTransaction)
                responder.send(whole)
            }, apiKey: responder.apiKey, apiVersion: responder.apiVersion, client: responder.client,
            principal: responder.principal)
    }
}
