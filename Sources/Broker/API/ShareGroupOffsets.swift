import Coordinators
import KafkaMessages
import LogStorage
import NIOCore
import Security
import Synchronization

/// What administrators do with the offsets of share groups: where delivery of each partition starts.
///
/// - SeeAlso: KIP-932, "Managing share groups"; KIP-1226 for the lag.
extension BrokerNode {
    // MARK: DescribeShareGroupOffsets

    func handleDescribeShareGroupOffsets(_ request: DescribeShareGroupOffsetsRequest, _ responder: Responder) {
        typealias Group = DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseGroup
        typealias Topic = DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseTopic
        let access = access(responder)
        let topics = catalog.snapshot
        var hosts: [ShardHost<GroupShard>] = []
        var response = DescribeShareGroupOffsetsResponse()
        /// The places in the response of the partitions that are asked for.
        var places: [(group: Int, topic: Int, partition: Int)] = []
        var keys: [SharePartitionKey] = []
        for asked in request.groups {
            var answer = Group(groupId: asked.groupId)
            defer { response.groups.append(answer) }
            guard access.permits(.describe, .group, asked.groupId) else {
                answer.errorCode = ErrorCode.groupAuthorizationFailed.rawValue
                answer.errorMessage = ErrorCode.groupAuthorizationFailed.name
                continue
            }
            guard let host = groups.host(of: asked.groupId), host.isReady else {
                answer.errorCode = (groups.host(of: asked.groupId)?.unavailability ?? .notCoordinator).rawValue
                continue
            }
            hosts.append(host)
            var refused: [Topic] = []
            func add(_ name: String, _ id: KafkaUUID?, _ partitions: [Int32]) {
                var topic = Topic(topicName: name, topicId: id ?? .zero)
                for partition in partitions {
                    // As OffsetFetch: what is not known is no error.
                    topic.partitions.append(.init(partitionIndex: partition, startOffset: -1, lag: -1))
                    guard let id else { continue }
                    let place = (response.groups.count, answer.topics.count, topic.partitions.count - 1)
                    places.append(place)
                    keys.append(SharePartitionKey(group: asked.groupId, topicId: id, partition: partition))
                }
                answer.topics.append(topic)
            }
            if let wanted = asked.topics {
                for topic in wanted {
                    guard access.permits(.describe, .topic, topic.topicName) else {
                        refused.append(
                            Topic(
                                topicName: topic.topicName,
                                partitions: topic.partitions.map {
                                    .init(
                                        partitionIndex: $0, startOffset: -1,
                                        errorCode: ErrorCode.topicAuthorizationFailed.rawValue)
                                }))
                        continue
                    }
                    add(topic.topicName, topics.topic(named: topic.topicName)?.id, topic.partitions)
                }
            } else {
                let begun = host.read { shard, _ in (try? shard.shareGroupTopics(asked.groupId)) ?? [:] } ?? [:]
                for (id, topic) in begun.sorted(by: { $0.value.name < $1.value.name }) {
                    guard let name = topics.byId[id]?.name,
                        access.permits(.describe, .topic, name, isTold: false)
                    else { continue }
                    add(name, id, topic.partitions)
                }
            }
            answer.topics += refused
        }
        guard !keys.isEmpty else { return send(response, responder, whenDurable: hosts) }
        let (unfilled, asked, readers) = (response, keys, hosts)
        let positions = places
        shareStates.summaries(of: asked) { [self] answers in
            var response = unfilled
            for (place, (key, answer)) in zip(positions, zip(asked, answers)) {
                if case .failed(let code) = answer { response.groups[place.group].errorCode = code.rawValue }
                guard case .kept(let summary) = answer else { continue }
                let end = topics.byId[key.topicId]?.partition(key.partition)?.log.offsets.logEnd
                var lag: Int64 = -1
                if let end, summary.startOffset >= 0, summary.deliveryCompleteCount >= 0 {
                    // The end may have been looked at before the rest was delivered.
                    lag = max(0, end - summary.startOffset - Int64(summary.deliveryCompleteCount))
                }
                response.groups[place.group].topics[place.topic].partitions[place.partition] = .init(
                    partitionIndex: key.partition, startOffset: summary.startOffset, leaderEpoch: summary.leaderEpoch,
                    lag: lag)
            }
            send(response, responder, whenDurable: readers)
        }
    }

    // MARK: AlterShareGroupOffsets

    func handleAlterShareGroupOffsets(_ request: AlterShareGroupOffsetsRequest, _ responder: Responder) {
        typealias Topic = AlterShareGroupOffsetsResponse.AlterShareGroupOffsetsResponseTopic
        let group = request.groupId
        func refuse(_ code: ErrorCode, _ message: String? = nil) {
            responder.send(AlterShareGroupOffsetsResponse(errorCode: code.rawValue, errorMessage: message))
        }
        let access = access(responder)
        guard access.permits(.read, .group, group) else { return refuse(.groupAuthorizationFailed) }
        guard let host = groups.host(of: group) else { return refuse(.notCoordinator) }
        let image = catalog.snapshot
        let permitted = Set(request.topics.map(\.topicName).filter { access.permits(.read, .topic, $0) })
        var response = AlterShareGroupOffsetsResponse()
        var places: [(topic: Int, partition: Int)] = []
        var altered: [(topic: TopicFacts, partition: Int32)] = []
        var offsets: [(key: SharePartitionKey, startOffset: Int64)] = []
        for asked in request.topics {
            let facts: TopicFacts? = image.facts(named: asked.topicName)
            let isPermitted = permitted.contains(asked.topicName)
            var answer = Topic(topicName: asked.topicName, topicId: isPermitted ? facts?.id ?? .zero : .zero)
            for partition in asked.partitions {
                var code = ErrorCode.none
                var message: String?
                if !isPermitted {
                    code = .topicAuthorizationFailed
                } else if let facts, 0..<facts.partitionCount ~= partition.partitionIndex {
                    if partition.startOffset < 0 {
                        code = .invalidRequest
                        message = "The start offset must not be negative."
                    } else {
                        places.append((response.responses.count, answer.partitions.count))
                        altered.append((facts, partition.partitionIndex))
                        let key = SharePartitionKey(
                            group: group, topicId: facts.id, partition: partition.partitionIndex)
                        offsets.append((key, partition.startOffset))
                    }
                } else {
                    code = .unknownTopicOrPartition
                    message = "This server does not host this topic-partition."
                }
                answer.partitions.append(
                    .init(partitionIndex: partition.partitionIndex, errorCode: code.rawValue, errorMessage: message))
            }
            response.responses.append(answer)
        }
        guard request.topics.isEmpty || request.topics.contains(where: { permitted.contains($0.topicName) }) else {
            return responder.send(response)
        }
        let done = host.perform { shard, now, _ -> (Result<Int32, ConsumerGroupError>, Decision, [Never]) in
            if shares.isForgetting(group) { return (.failure(.isForgetting), Decision(), []) }
            let (decision, result) = shard.alterShareGroupOffsets(group, altered, at: now)
            return (result, decision, [])
        }
        guard let done else { return refuse(host.unavailability ?? .coordinatorLoadInProgress) }
        if let failure = done.failure { return refuse(failure) }
        switch done.value {
        case .failure(let error): return refuse(error.code, error.message)
        case .success(let epoch):
            guard !offsets.isEmpty else { return send(response, responder, whenDurable: [host]) }
            let (unfilled, positions) = (response, places)
            shareStates.initialize(offsets, stateEpoch: epoch) { [self] codes in
                var response = unfilled
                for (place, code) in zip(positions, codes) {
                    response.responses[place.topic].partitions[place.partition].errorCode = code.rawValue
                }
                send(response, responder, whenDurable: [host])
            }
        }
    }

    // MARK: DeleteShareGroupOffsets

    func handleDeleteShareGroupOffsets(_ request: DeleteShareGroupOffsetsRequest, _ responder: Responder) {
        typealias Topic = DeleteShareGroupOffsetsResponse.DeleteShareGroupOffsetsResponseTopic
        let group = request.groupId
        @Sendable func refuse(_ code: ErrorCode, _ message: String? = nil) {
            responder.send(DeleteShareGroupOffsetsResponse(errorCode: code.rawValue, errorMessage: message))
        }
        let access = access(responder)
        guard access.permits(.delete, .group, group) else { return refuse(.groupAuthorizationFailed) }
        guard let host = groups.host(of: group) else { return refuse(.notCoordinator) }
        let image = catalog.snapshot
        let permitted = Set(request.topics.map(\.topicName).filter { access.permits(.read, .topic, $0) })
        func unauthorized(_ topic: String) -> Topic {
            Topic(topicName: topic, errorCode: ErrorCode.topicAuthorizationFailed.rawValue)
        }
        guard request.topics.isEmpty || !permitted.isEmpty else {
            return responder.send(
                DeleteShareGroupOffsetsResponse(responses: request.topics.map { unauthorized($0.topicName) }))
        }
        let found = host.read { shard, _ in
            Result { () throws(ConsumerGroupError) in
                try shard.checkShareGroupIsEmpty(group)
                return try shard.shareGroupTopics(group)
            }
        }
        guard let found else { return refuse(host.unavailability ?? .coordinatorLoadInProgress) }
        let begun: [KafkaUUID: ShareGroupTopic]
        switch found {
        case .failure(let error): return refuse(error.code, error.message)
        case .success(let topics): begun = topics
        }
        var deleted: [Topic] = []
        var refused: [Topic] = []
        for asked in request.topics {
            var answer = Topic(topicName: asked.topicName)
            guard permitted.contains(asked.topicName) else {
                refused.append(unauthorized(asked.topicName))
                continue
            }
            guard let id = image.topic(named: asked.topicName)?.id else {
                answer.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                answer.errorMessage = "This server does not host this topic-partition."
                refused.append(answer)
                continue
            }
            guard begun[id] != nil else {
                answer.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                answer.errorMessage = "There is no offset information to delete."
                refused.append(answer)
                continue
            }
            answer.topicId = id
            deleted.append(answer)
        }
        let forgotten = Set(deleted.map(\.topicId))
        // First the group, so that nobody has begun anew what is then forgotten.
        shares.beginForgetting([group])
        let done = host.perform { shard, now, _ -> (Result<Void, ConsumerGroupError>, Decision, [Never]) in
            let (decision, result) = shard.forgetShareGroupTopics(group, forgotten, at: now)
            return (result, decision, [])
        }
        var refusal: (ErrorCode, String?)?
        if let done {
            if case .failure(let error) = done.value { refusal = (error.code, error.message) }
            if let failure = done.failure { refusal = (failure, nil) }
        } else {
            refusal = (host.unavailability ?? .coordinatorLoadInProgress, nil)
        }
        if let refusal {
            shares.endForgetting([group])
            return refuse(refusal.0, refusal.1)
        }
        let (gone, others) = (deleted, refused)
        whenDurable([host], responder) { [self] in
            forgetShareStates(of: [group]) {
                $0.group == group && forgotten.contains($0.topicId)
            } _: { code in
                let answers = gone.map { topic in
                    var topic = topic
                    topic.errorCode = code.rawValue
                    return topic
                }
                responder.send(DeleteShareGroupOffsetsResponse(responses: answers + others))
            }
        } orElse: { [self] in
            shares.endForgetting([group])
        }
    }

    /// Forgets what share groups keep of partitions, once the groups themselves have forgotten these. What the disk refuses is
    /// tried again: it would be taken for that of a new group by the same name, so there is none until then.
    ///
    /// - Parameters:
    ///   - groups: which `beginForgetting` was called for.
    ///   - done: gets what became of the first attempt.
    func forgetShareStates(
        of groups: Set<String>, where isForgotten: @escaping @Sendable (SharePartitionKey) -> Bool,
        _ done: @escaping @Sendable (ErrorCode) -> Void
    ) {
        shareStates.forget(where: isForgotten) { [self] code in
            if code == .none {
                shares.endForgetting(groups)
            } else if !isDraining {
                coordination.environment.timerLoop.scheduleTask(in: .seconds(1)) { [self] in
                    forgetShareStates(of: groups, where: isForgotten) { _ in }
                }
            }
            done(code)
        }
    }
}

extension ConsumerGroupError {
    /// What a group kept is being forgotten, which takes a moment: clients try again.
    fileprivate static let isForgetting = ConsumerGroupError(
        .coordinatorLoadInProgress, "What the group has read is being forgotten.")
}
