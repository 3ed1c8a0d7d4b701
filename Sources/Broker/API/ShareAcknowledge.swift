import Coordinators
import KafkaMessages
import LogStorage
import NIOCore
import Security

/// A run of acknowledgements as it came, of either request.
struct ShareAcknowledged: Sendable {
    var first: Int64
    var last: Int64
    var types: [Int8]

    init(_ batch: ShareFetchRequest.AcknowledgementBatch) {
        (first, last, types) = (batch.firstOffset, batch.lastOffset, batch.acknowledgeTypes)
    }

    init(_ batch: ShareAcknowledgeRequest.AcknowledgementBatch) {
        (first, last, types) = (batch.firstOffset, batch.lastOffset, batch.acknowledgeTypes)
    }
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
    var acknowledgements: [(target: ShareTarget, batches: [ShareAcknowledged])] = []
    /// Why it cannot be answered.
    private(set) var refusal: ControlError?
    /// The greatest number of an acknowledgement that the version knows.
    private let typeMax: Int8

    init(
        group: String?, member: String?, epoch: Int32, isRenewal: Bool, version: Int16,
        topics: [(KafkaUUID, [(Int32, [ShareAcknowledged])])]
    ) {
        self.group = group ?? ""
        self.member = member ?? ""
        self.epoch = epoch
        self.isRenewal = isRenewal
        typeMax = version >= 2 ? 4 : 3
        for (id, partitions) in topics {
            for (partition, batches) in partitions {
                let target = ShareTarget(topicId: id, partition: partition)
                targets.append(target)
                if !batches.isEmpty { acknowledgements.append((target, batches)) }
            }
        }
        if self.group.isEmpty || self.member.isEmpty {
            refusal = ControlError(.invalidRequest, "A group id and a member id are needed.")
        } else if epoch < -1 {
            refusal = ControlError(.invalidShareSessionEpoch)
        } else if epoch == 0, !acknowledgements.isEmpty {
            refusal = ControlError(.invalidRequest, "The first request of a share session cannot acknowledge anything.")
        }
    }

    /// The acknowledgements of a partition, in the order of their offsets.
    ///
    /// - Throws: INVALID_REQUEST for what no client that counts right sends.
    func checked(
        _ batches: [ShareAcknowledged], _ settings: ShareGroupSettings
    ) throws(ControlError) -> [SharePartition.Acknowledgement] {
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
                guard type != .renew || (isRenewal && settings.renewsLocks) else {
                    throw ControlError(
                        .invalidRequest,
                        "Locks are renewed by requests that say so, where share.renew.acknowledge.enable is set.")
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
        let topics = request.topics.map { topic in
            (
                topic.topicId,
                topic.partitions.map { ($0.partitionIndex, $0.acknowledgementBatches.map(ShareAcknowledged.init)) }
            )
        }
        let asked = ShareRequest(
            group: request.groupId, member: request.memberId, epoch: request.shareSessionEpoch,
            isRenewal: request.isRenewAck, version: responder.apiVersion, topics: topics)
        // Nothing is delivered in a session that does not begin with a fetch.
        guard asked.epoch != 0 else { return refuse(ControlError(.invalidShareSessionEpoch)) }
        if let error = asked.refusal { return refuse(error) }
        guard access(responder).permits(.read, .group, asked.group) else {
            return refuse(ControlError(.groupAuthorizationFailed))
        }
        let session: ShareSession
        do throws(ControlError) {
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
                let partition = try partition(target, access)
                let acknowledgements = try asked.checked(batches, settings)
                let key = SharePartitionKey(group: asked.group, topicId: target.topicId, partition: target.partition)
                guard let host = shares.host(of: key) else { throw ControlError(.invalidRecordState) }
                let logStart = partition.log.offsets.logStart
                let done = host.perform {
                    shard, now, _ -> (Result<Void, SharePartition.InvalidRecordState>, Decision, [SharePartitionKey]) in
                    do throws(SharePartition.InvalidRecordState) {
                        let decision = try shard.acknowledge(
                            key, acknowledgements, by: asked.member, deliveryCountLimit: settings.deliveryCountLimit,
                            renewedUntil: now.monotonic + Int64(settings.recordLockDurationMs), logStart: logStart,
                            at: now)
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
