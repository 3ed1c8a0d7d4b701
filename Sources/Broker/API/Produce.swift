import Environment
import KafkaMessages
import LogStorage
import NIOCore
import RecordBatches
import Security
import Synchronization

extension BrokerNode {
    /// Appends the batches of a Produce request.
    ///
    /// With acks=all the answer waits until all of them are on disk; then it is sent from the event loop again.
    func handleProduce(_ request: ProduceRequest, _ connection: Connection, _ responder: Responder) {
        let wantsAnswer = request.acks != 0
        if wantsAnswer { connection.willAnswer(responder) }
        var response = ProduceResponse()
        response.responses.reserveCapacity(request.topicData.count)
        var syncs: [(place: Place, partition: Partition, offset: Int64)] = []
        let access = access(responder)
        let refusal = refusal(of: request, access)
        let now = clock.now()
        for topicData in request.topicData {
            let topic =
                responder.apiVersion >= 13
                ? catalog.topic(id: topicData.topicId) : catalog.topic(named: topicData.name)
            // An unknown id has no name that a permission could be about, and is told apart below.
            let name = responder.apiVersion >= 13 ? topic?.name : topicData.name
            let mayWrite = refusal != nil || name.map { access.permits(.write, .topic, $0) } ?? true
            var topicResponse = ProduceResponse.TopicProduceResponse()
            topicResponse.name = topicData.name
            topicResponse.topicId = topicData.topicId
            topicResponse.partitionResponses.reserveCapacity(topicData.partitionData.count)
            for data in topicData.partitionData {
                var answer = ProduceResponse.PartitionProduceResponse()
                answer.index = data.index
                answer.baseOffset = -1
                if let refusal = refusal ?? (mayWrite ? nil : Self.topicRefusal) {
                    answer.errorCode = refusal.code.rawValue
                    answer.errorMessage = refusal.message
                } else if let topic, let partition = topic.partition(data.index), !partition.isDeleted {
                    let place = Place(
                        topic: response.responses.count, partition: topicResponse.partitionResponses.count)
                    produce(
                        data.records, to: partition, of: topic, request, version: responder.apiVersion, now: now,
                        into: &answer
                    ) { syncs.append((place, $0, $1)) }
                } else {
                    let isUnknownId = topic == nil && responder.apiVersion >= 13
                    answer.errorCode =
                        (isUnknownId ? ErrorCode.unknownTopicId : ErrorCode.unknownTopicOrPartition).rawValue
                }
                topicResponse.partitionResponses.append(answer)
            }
            response.responses.append(topicResponse)
        }
        response.throttleTimeMs = Int32(clamping: connection.recordProduced(isAnswered: wantsAnswer))
        if !wantsAnswer {
            // The client asked for no answer; losing the connection is how it learns of a failure, as with Kafka.
            let failed = response.responses.lazy.flatMap(\.partitionResponses).first { $0.errorCode != 0 }
            if let failed {
                responder.close(
                    because: "produce with acks=0 failed: \(ErrorCode(rawValue: failed.errorCode).name)")
            }
        } else if syncs.isEmpty {
            responder.send(response)
        } else {
            answer(response, after: syncs, responder)
        }
    }

    private struct Place {
        var topic: Int
        var partition: Int
    }

    private static let topicRefusal = ControlError(.topicAuthorizationFailed, "Topic authorization failed.")

    /// Why the whole request is refused, if it is.
    private func refusal(of request: ProduceRequest, _ access: Access?) -> ControlError? {
        guard -1...1 ~= request.acks else {
            return ControlError(.invalidRequiredAcks, "acks must be 0, 1 or -1, not \(request.acks)")
        }
        guard access != nil, request.holdsTransactional else { return nil }
        // A permission for the transactional id stands for its producer id.
        if let id = request.transactionalId, access.permits(.write, .transactionalId, id) { return nil }
        return ControlError(.transactionalIdAuthorizationFailed, "Transactional id authorization failed.")
    }

    /// - Parameter waitFor: called with each partition and offset that must be durable before the answer.
    private func produce(
        _ records: Records?, to partition: Partition, of topic: Topic, _ request: ProduceRequest, version: Int16,
        now: Int64, into answer: inout ProduceResponse.PartitionProduceResponse,
        waitFor: (Partition, Int64) -> Void
    ) {
        if request.acks == -1, topic.config.minInsyncReplicas > 1 {
            answer.errorCode = ErrorCode.notEnoughReplicas.rawValue
            answer.errorMessage =
                "min.insync.replicas of topic '\(topic.name)' is \(topic.config.minInsyncReplicas), but there is 1 replica"
            return
        }
        guard !Topic.isInternal(topic.name) else {
            answer.errorCode = ErrorCode.invalidTopicException.rawValue
            answer.errorMessage = "topic '\(topic.name)' is written by the broker only"
            return
        }
        guard case .bytes(let batch)? = records else {
            answer.errorCode = ErrorCode.invalidRecord.rawValue
            answer.errorMessage = "no records"
            return
        }
        switch append(
            batch, to: partition, of: topic, version: version, transactionalId: request.transactionalId, now: now)
        {
        case .success(let appended):
            let result = appended.result
            answer.baseOffset = result.baseOffset
            answer.logStartOffset = result.logStartOffset
            if topic.config.rules.usesLogAppendTime { answer.logAppendTimeMs = now }
            if mustSync(partition, topic, acks: request.acks, end: result.lastOffset + 1) {
                waitFor(partition, result.lastOffset + 1)
            }
            if let addition = appended.addition { waitFor(addition.partition, addition.offset) }
        case .failure(let failure):
            answer.errorCode = failure.code.rawValue
            answer.errorMessage = failure.message
            answer.recordErrors = failure.faults.map { record in
                var error = ProduceResponse.BatchIndexAndErrorMessage()
                error.batchIndex = record.index
                error.batchIndexErrorMessage = record.message
                return error
            }
        }
    }

    private func mustSync(_ partition: Partition, _ topic: Topic, acks: Int16, end: Int64) -> Bool {
        if acks == -1 && syncsBeforeAnswer { return true }
        guard topic.config.flushMessages != .max else { return false }
        return end - partition.log.offsets.durableEnd >= topic.config.flushMessages
    }

    private func answer(
        _ response: ProduceResponse, after syncs: [(place: Place, partition: Partition, offset: Int64)],
        _ responder: Responder
    ) {
        let pending = Mutex(PendingAnswer(response: response, left: syncs.count))
        let shared = SharedAnswer(pending)
        for sync in syncs {
            let place = sync.place
            syncScheduler.sync(sync.partition, upTo: sync.offset) { failure in
                let finished = shared.pending.withLock { pending -> ProduceResponse? in
                    if let failure { pending.fail(place.topic, place.partition, failure) }
                    pending.left -= 1
                    return pending.left == 0 ? pending.response : nil
                }
                return finished.map { response in PendingSend(responder) { responder.send(response) } }
            }
        }
    }
}

/// The answer of one Produce request while its partitions are being forced to disk.
private struct PendingAnswer {
    var response: ProduceResponse
    var left: Int

    /// The data may or may not survive, so the client must not take it for written.
    mutating func fail(_ topic: Int, _ partition: Int, _ failure: LogError) {
        let error = ControlError(failure)
        response.responses[topic].partitionResponses[partition].errorCode = error.code.rawValue
        response.responses[topic].partitionResponses[partition].errorMessage = error.message
        response.responses[topic].partitionResponses[partition].baseOffset = -1
    }
}

private final class SharedAnswer: Sendable {
    let pending: Mutex<PendingAnswer>
    init(_ pending: consuming sending Mutex<PendingAnswer>) { self.pending = pending }
}

extension ProduceRequest {
    /// Place and bit of a batch's attributes that say so; the batch itself is read later.
    private static let attributesAt = 21
    private static let transactionalBit: UInt16 = 1 << 4

    /// Whether any batch is one of a transaction.
    fileprivate var holdsTransactional: Bool {
        topicData.contains { topic in
            topic.partitionData.contains { partition in
                guard case .bytes(let batch)? = partition.records,
                    let attributes = batch.getInteger(at: batch.readerIndex + Self.attributesAt, as: UInt16.self)
                else { return false }
                return attributes & Self.transactionalBit != 0
            }
        }
    }
}
