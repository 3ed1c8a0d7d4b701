import Coordinators
import KafkaMessages
import LogStorage
import NIOCore
import Security

// What the requests of share sessions have in common, whose generated types differ in their names alone.

protocol ShareSessionRequest {
    associatedtype Topic: ShareSessionTopic
    var groupId: String? { get }
    var memberId: String? { get }
    var shareSessionEpoch: Int32 { get }
    var isRenewAck: Bool { get }
    var topics: [Topic] { get }
}

protocol ShareSessionTopic {
    associatedtype Part: ShareSessionPartition
    var topicId: KafkaUUID { get }
    var partitions: [Part] { get }
}

protocol ShareSessionPartition {
    associatedtype Batch: ShareSessionAcknowledgements
    var partitionIndex: Int32 { get }
    var acknowledgementBatches: [Batch] { get }
}

protocol ShareSessionAcknowledgements {
    var firstOffset: Int64 { get }
    var lastOffset: Int64 { get }
    var acknowledgeTypes: [Int8] { get }
}

extension ShareFetchRequest: ShareSessionRequest {}
extension ShareFetchRequest.FetchTopic: ShareSessionTopic {}
extension ShareFetchRequest.FetchPartition: ShareSessionPartition {}
extension ShareFetchRequest.AcknowledgementBatch: ShareSessionAcknowledgements {}
extension ShareAcknowledgeRequest: ShareSessionRequest {}
extension ShareAcknowledgeRequest.AcknowledgeTopic: ShareSessionTopic {}
extension ShareAcknowledgeRequest.AcknowledgePartition: ShareSessionPartition {}
extension ShareAcknowledgeRequest.AcknowledgementBatch: ShareSessionAcknowledgements {}

/// A run of acknowledgements as it came, of either request.
struct ShareAcknowledged: Sendable {
    var first: Int64
    var last: Int64
    var types: [Int8]
}

/// What ShareFetch and ShareAcknowledge have in common.
struct ShareRequest: Sendable {
    var group: String
    var member: String
    /// 0 opens a session, -1 ends it, others count its requests.
    var epoch: Int32
    /// Whether locks are renewed (KIP-1222).
    var isRenewal: Bool
    var targets: [ShareTarget] = []
    /// Of all partitions that are named, if it acknowledges anything: each is told how that went.
    var acknowledgements: [(target: ShareTarget, batches: [ShareAcknowledged])] = []
    /// The greatest number of an acknowledgement that the version knows.
    private let typeMax: Int8

    /// - Parameter access: of the client.
    /// - Throws: what the whole request is refused with.
    init(_ request: some ShareSessionRequest, version: Int16, _ access: Access?) throws(ControlError) {
        group = request.groupId ?? ""
        member = request.memberId ?? ""
        epoch = request.shareSessionEpoch
        isRenewal = request.isRenewAck
        typeMax = version >= 2 ? 4 : 3
        for topic in request.topics {
            for partition in topic.partitions {
                let target = ShareTarget(topicId: topic.topicId, partition: partition.partitionIndex)
                targets.append(target)
                acknowledgements.append(
                    (
                        target,
                        partition.acknowledgementBatches.map {
                            ShareAcknowledged(first: $0.firstOffset, last: $0.lastOffset, types: $0.acknowledgeTypes)
                        }
                    ))
            }
        }
        let isFetch = request is ShareFetchRequest
        let acknowledges = acknowledgements.contains { !$0.batches.isEmpty }
        if isFetch, !acknowledges { acknowledgements = [] }
        if group.isEmpty || member.isEmpty {
            throw ControlError(.invalidRequest, "A group id and a member id are needed.")
        }
        // Nothing is delivered in a session that does not begin with a fetch.
        guard epoch >= (isFetch ? 0 : 1) || epoch == -1 else { throw ControlError(.invalidShareSessionEpoch) }
        if epoch == 0, acknowledges {
            throw ControlError(.invalidRequest, "The first request of a share session cannot acknowledge anything.")
        }
        guard access.permits(.read, .group, group) else { throw ControlError(.groupAuthorizationFailed) }
    }

    /// The acknowledgements of a partition, in the order of their offsets.
    ///
    /// - Throws: INVALID_REQUEST for what no client that counts right sends.
    func checked(_ batches: [ShareAcknowledged]) throws(ControlError) -> [SharePartition.Acknowledgement] {
        var next = Int64.min
        var checked: [SharePartition.Acknowledgement] = []
        checked.reserveCapacity(batches.count)
        for batch in batches {
            guard batch.first >= 0, batch.first <= batch.last, batch.last < .max else {
                throw ControlError(.invalidRequest, "The offsets \(batch.first) to \(batch.last) are no range.")
            }
            guard batch.first >= next else {
                throw ControlError(
                    .invalidRequest, "Acknowledgements overlap or are out of order at offset \(batch.first).")
            }
            next = batch.last + 1
            guard batch.types.count == 1 || Int64(batch.types.count) == batch.last - batch.first + 1 else {
                throw ControlError(
                    .invalidRequest,
                    "\(batch.types.count) acknowledgements are neither one nor as many as the offsets \(batch.first) to "
                        + "\(batch.last).")
            }
            var types: [SharePartition.AcknowledgeType] = []
            types.reserveCapacity(batch.types.count)
            for number in batch.types {
                guard number <= typeMax, let type = SharePartition.AcknowledgeType(rawValue: number) else {
                    throw ControlError(.invalidRequest, "There is no acknowledgement of type \(number).")
                }
                guard type != .renew || isRenewal else {
                    throw ControlError(.invalidRequest, "Locks are renewed by requests that say so.")
                }
                types.append(type)
            }
            checked.append(.init(firstOffset: batch.first, lastOffset: batch.last, types: types))
        }
        return checked
    }
}

extension BrokerNode {
    func handleShareAcknowledge(_ request: ShareAcknowledgeRequest, _ responder: Responder) {
        let refuse: @Sendable (ControlError) -> Void = { error in
            responder.send(ShareAcknowledgeResponse(errorCode: error.code.rawValue, errorMessage: error.message))
        }
        let asked: ShareRequest
        let session: ShareSession
        do throws(ControlError) {
            asked = try ShareRequest(request, version: responder.apiVersion, access(responder))
            session = try shareSessions.resume(.init(group: asked.group, member: asked.member), epoch: asked.epoch)
        } catch { return refuse(error) }
        let settings = shareGroupSettings(asked.group)
        let (acknowledged, syncs) = acknowledge(asked, settings, responder)
        if asked.epoch == -1 { end(session) }
        var response = ShareAcknowledgeResponse(acquisitionLockTimeoutMs: settings.recordLockDurationMs)
        for topic in request.topics {
            var answer = ShareAcknowledgeResponse.ShareAcknowledgeTopicResponse(topicId: topic.topicId)
            for partition in topic.partitions {
                let target = ShareTarget(topicId: topic.topicId, partition: partition.partitionIndex)
                guard let result = acknowledged[target] else { continue }
                answer.partitions.append(
                    .init(
                        partitionIndex: target.partition, errorCode: (result?.code ?? .none).rawValue,
                        errorMessage: result?.message))
            }
            if !answer.partitions.isEmpty { response.responses.append(answer) }
        }
        send(response, responder, whenForced: syncs)
    }

    /// Does what a member says of records that it has.
    ///
    /// - Returns: what became of each partition, and what has to be on disk before the member is told.
    func acknowledge(
        _ asked: ShareRequest, _ settings: ShareGroupSettings, _ responder: Responder
    ) -> ([ShareTarget: ControlError?], [(partition: Partition, offset: Int64)]) {
        let access = access(responder)
        var results: [ShareTarget: ControlError?] = [:]
        var syncs: [(partition: Partition, offset: Int64)] = []
        for (target, batches) in asked.acknowledgements {
            do throws(ControlError) {
                guard catalog.topic(id: target.topicId) != nil else { throw ControlError(.unknownTopicId) }
                let acknowledgements = try asked.checked(batches)
                let partition = try partition(target, access)
                guard !acknowledgements.isEmpty else {
                    results[target] = .some(nil)
                    continue
                }
                let key = SharePartitionKey(group: asked.group, topicId: target.topicId, partition: target.partition)
                guard let host = shares.host(of: key) else { throw ControlError(.invalidRecordState) }
                let logStart = partition.log.offsets.logStart
                let done = host.perform {
                    shard, now, _ -> (Result<Void, SharePartition.InvalidRecordState>, Decision, [SharePartitionKey]) in
                    do throws(SharePartition.InvalidRecordState) {
                        let decision = try shard.acknowledge(
                            key, acknowledgements, by: asked.member, deliveryCountLimit: settings.deliveryCountLimit,
                            renewedUntil: settings.renewsLocks
                                ? now.monotonic + Int64(settings.recordLockDurationMs) : nil,
                            logStart: logStart, at: now)
                        return (.success(()), decision, [key])
                    } catch { return (.failure(error), Decision(), []) }
                }
                guard let done else { throw ControlError(host.unavailability ?? .coordinatorLoadInProgress) }
                if let failure = done.failure { throw ControlError(failure) }
                if case .failure(let error) = done.value {
                    throw ControlError(
                        error == .behindDelivered ? .invalidRequest : .invalidRecordState, error.message)
                }
                if let offset = done.syncOffset { syncs.append((host.partition, offset)) }
                // The state may not outlive the records that it is of: others would get their offsets.
                let log = partition.log.offsets
                let end = min((acknowledgements.last?.lastOffset ?? -1) + 1, log.logEnd)
                if syncsBeforeAnswer, log.durableEnd < end { syncs.append((partition, end)) }
                results[target] = .some(nil)
            } catch {
                results[target] = .some(error)
            }
        }
        return (results, syncs)
    }
}
