import KafkaMessages
import LogStorage
import Security

extension BrokerNode {
    func handleMetadata(_ request: MetadataRequest, _ responder: Responder) {
        // Version 0 has no null: there an empty list asks for all topics; later versions mean none by it.
        let access = access(responder)
        if let refused = request.refused(responder.apiVersion) { return responder.send(refused) }
        guard let wanted = request.topicsOnce, !(responder.apiVersion == 0 && wanted.isEmpty) else {
            // Topics that may not be described are left out without a word.
            let topics = catalog.snapshot.sorted.filter { access.permits(.describe, .topic, $0.name, isTold: false) }
            return responder.send(metadata(of: topics.map { describe($0) }, request, access, responder))
        }
        let snapshot = catalog.snapshot
        var failures: [String: ControlError] = [:]
        var missing: [String] = []
        if request.allowAutoTopicCreation, controller.server.flag("auto.create.topics.enable") {
            for topic in wanted where topic.topicId.isZero {
                guard let name = topic.name, snapshot.topic(named: name) == nil, Topic.problem(withName: name) == nil,
                    failures[name] == nil,
                    access.permits(.describe, .topic, name, isTold: false)
                else { continue }
                if access.permitsCluster(.create, isTold: false) || access.permits(.create, .topic, name) {
                    missing.append(name)
                } else {
                    failures[name] = ControlError(.topicAuthorizationFailed)
                }
            }
        }
        guard !missing.isEmpty else {
            return responder.send(
                metadata(of: wanted.map { describe($0, snapshot, failures, access) }, request, access, responder))
        }
        let allowed = responder.mutationCharge(strictFrom: 0)
        controller.perform { [self, missing, failures] controller in
            var charge = allowed
            // Another connection may have been faster: what exists by now is no failure.
            let server = controller.server
            let results = controller.createTopics(
                missing.map { InternalTopic.creation(named: $0, server) }, validateOnly: false
            ) { count throws(ControlError) in try charge.take(count) }
            var failures = failures
            for (name, result) in zip(missing, results) {
                guard case .failure(let error) = result else { continue }
                // As in Kafka a topic that is made because somebody asks for it is missing until the quota lets it be made.
                failures[name] = error.code == .throttlingQuotaExceeded ? ControlError(.unknownTopicOrPartition) : error
            }
            responder.send(
                metadata(
                    of: wanted.map { describe($0, catalog.snapshot, failures, access) }, request, access, responder))
        }
    }

    private func metadata(
        of topics: [MetadataResponse.MetadataResponseTopic], _ request: MetadataRequest, _ access: Access?,
        _ responder: Responder
    ) -> MetadataResponse {
        let advertised = advertised(to: responder)
        var response = MetadataResponse()
        var broker = MetadataResponse.MetadataResponseBroker()
        broker.nodeId = nodeId
        broker.host = advertised.host
        broker.port = advertised.port
        response.brokers = [broker]
        response.clusterId = clusterId
        response.controllerId = nodeId
        response.topics = topics
        if request.includeClusterAuthorizedOperations {
            response.clusterAuthorizedOperations = access.clusterOperations
        }
        if request.includeTopicAuthorizedOperations {
            for index in topics.indices where topics[index].errorCode == ErrorCode.none.rawValue {
                response.topics[index].topicAuthorizedOperations = access.operations(.topic, topics[index].name ?? "")
            }
        }
        return response
    }

    private func describe(
        _ wanted: MetadataRequest.MetadataRequestTopic, _ snapshot: TopicCatalog.Snapshot,
        _ failures: [String: ControlError], _ access: Access?
    ) -> MetadataResponse.MetadataResponseTopic {
        var answer = MetadataResponse.MetadataResponseTopic()
        if !wanted.topicId.isZero {
            answer.topicId = wanted.topicId
            answer.name = nil
            answer.errorCode = ErrorCode.unknownTopicId.rawValue
            guard let topic = snapshot.byId[wanted.topicId] else { return answer }
            if access.permits(.describe, .topic, topic.name) { return describe(topic) }
            // An id is no secret, the name is.
            answer.errorCode = ErrorCode.topicAuthorizationFailed.rawValue
            return answer
        }
        let name = wanted.name ?? ""
        guard access.permits(.describe, .topic, name) else {
            // The same whether there is such a topic or not.
            answer.name = name
            answer.errorCode = ErrorCode.topicAuthorizationFailed.rawValue
            return answer
        }
        if let topic = snapshot.topic(named: name) { return describe(topic) }
        answer.name = name
        answer.isInternal = Topic.isInternal(name)
        if Topic.problem(withName: name) != nil {
            answer.errorCode = ErrorCode.invalidTopicException.rawValue
        } else if let failure = failures[name], failure.code != .topicAlreadyExists {
            answer.errorCode = failure.code.rawValue
        } else {
            answer.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
        }
        return answer
    }

    private func describe(_ topic: Topic) -> MetadataResponse.MetadataResponseTopic {
        var answer = MetadataResponse.MetadataResponseTopic()
        answer.name = topic.name
        answer.topicId = topic.id
        answer.isInternal = Topic.isInternal(topic.name)
        answer.partitions = topic.partitions.map { partition in
            var entry = MetadataResponse.MetadataResponsePartition()
            entry.partitionIndex = partition.index
            entry.leaderId = nodeId
            entry.leaderEpoch = partition.log.leaderEpoch
            entry.replicaNodes = [nodeId]
            entry.isrNodes = [nodeId]
            return entry
        }
        return answer
    }

    /// KIP-966: like Metadata for named topics, in pages.
    func handleDescribeTopicPartitions(_ request: DescribeTopicPartitionsRequest, _ responder: Responder) {
        let snapshot = catalog.snapshot
        let access = access(responder)
        if let cursor = request.cursor, cursor.partitionIndex < 0 {
            return responder.send(request.refused(.invalidRequest))
        }
        let asksForAll = request.topics.isEmpty
        var refused: [String] = []
        let asked = asksForAll ? snapshot.sorted.map(\.name) : Set(request.topics.map(\.name)).sorted()
        let names = asked.filter { name in
            if let cursor = request.cursor, name < cursor.topicName { return false }
            if access.permits(.describe, .topic, name, isTold: !asksForAll) { return true }
            if !asksForAll { refused.append(name) }
            return false
        }
        let limit = Int32(clamping: controller.server.number("max.request.partition.size.limit"))
        var left = Int(max(1, min(request.responsePartitionLimit, limit)))
        var response = DescribeTopicPartitionsResponse()
        for name in names {
            guard left > 0 else {
                // The next page begins with this topic, which is not looked at yet.
                response.nextCursor = .init(topicName: name, partitionIndex: 0)
                break
            }
            var answer = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic()
            answer.name = name
            answer.isInternal = Topic.isInternal(name)
            // Its request has no way to ask for them.
            answer.topicAuthorizedOperations = access.operations(.topic, name)
            guard let topic = snapshot.topic(named: name) else {
                answer.errorCode =
                    (Topic.problem(withName: name) == nil
                    ? ErrorCode.unknownTopicOrPartition : ErrorCode.invalidTopicException).rawValue
                response.topics.append(answer)
                continue
            }
            answer.topicId = topic.id
            var first: Int32 = 0
            if let cursor = request.cursor, cursor.topicName == name { first = cursor.partitionIndex }
            for partition in topic.partitions.dropFirst(Int(first)) {
                guard left > 0 else {
                    response.nextCursor = .init(topicName: name, partitionIndex: partition.index)
                    break
                }
                var entry = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponsePartition()
                entry.partitionIndex = partition.index
                entry.leaderId = nodeId
                entry.leaderEpoch = partition.log.leaderEpoch
                entry.replicaNodes = [nodeId]
                entry.isrNodes = [nodeId]
                entry.eligibleLeaderReplicas = []
                entry.lastKnownElr = []
                answer.partitions.append(entry)
                left -= 1
            }
            response.topics.append(answer)
            if response.nextCursor != nil { break }
        }
        response.topics += refused.map { name in
            var answer = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic()
            answer.name = name
            answer.errorCode = ErrorCode.topicAuthorizationFailed.rawValue
            return answer
        }
        responder.send(response)
    }

    private static let brokerEndpoint: Int8 = 1

    func handleDescribeCluster(_ request: DescribeClusterRequest, _ responder: Responder) {
        var response = DescribeClusterResponse()
        guard request.endpointType == Self.brokerEndpoint else {
            // 2 asks a controller's own listener, which one process does not have.
            let isController = request.endpointType == 2
            response.errorCode =
                (isController
                ? ErrorCode.mismatchedEndpointType
                : request.endpointType == 0 ? .invalidRequest : .unsupportedEndpointType).rawValue
            response.errorMessage =
                isController
                ? "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
                : "Unsupported endpoint type \(request.endpointType)"
            return responder.send(response)
        }
        response.endpointType = Self.brokerEndpoint
        response.clusterId = clusterId
        response.controllerId = nodeId
        var broker = DescribeClusterResponse.DescribeClusterBroker()
        broker.brokerId = nodeId
        broker.host = advertised(to: responder).host
        broker.port = advertised(to: responder).port
        response.brokers = [broker]
        if request.includeClusterAuthorizedOperations {
            response.clusterAuthorizedOperations = access(responder).clusterOperations
        }
        responder.send(response)
    }
}

extension MetadataRequest {
    /// The refusal of a request that names topics in a way its version has no meaning for; nil for others.
    ///
    /// - SeeAlso: upstream `KafkaApis.handleTopicMetadataRequest`: topics have ids from version 12 on.
    fileprivate func refused(_ version: Int16) -> MetadataResponse? {
        guard version < 12, let topics, topics.contains(where: { $0.name == nil || !$0.topicId.isZero }) else {
            return nil
        }
        var response = MetadataResponse()
        response.topics = topics.map { topic in
            var answer = MetadataResponse.MetadataResponseTopic()
            // The versions before 12 have no null for the name of a topic in the answer.
            answer.name = topic.name ?? ""
            answer.errorCode = ErrorCode.invalidRequest.rawValue
            return answer
        }
        return response
    }
}

extension MetadataRequest {
    private struct Reference: Hashable {
        var name: String?
        var id: KafkaUUID
    }

    /// Each topic that is asked for once, however often it is named; nil asks for all.
    fileprivate var topicsOnce: [MetadataRequestTopic]? {
        var seen: Set<Reference> = []
        return topics?.filter { seen.insert(Reference(name: $0.name, id: $0.topicId)).inserted }
    }
}

extension DescribeTopicPartitionsRequest {
    fileprivate func refused(_ code: ErrorCode) -> DescribeTopicPartitionsResponse {
        DescribeTopicPartitionsResponse(topics: topics.map { .init(errorCode: code.rawValue, name: $0.name) })
    }
}
