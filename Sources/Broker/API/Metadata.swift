import KafkaMessages
import LogStorage
import Security

extension BrokerNode {
    func handleMetadata(_ request: MetadataRequest, _ responder: Responder) {
        // Version 0 has no null: there an empty list asks for all topics; later versions mean none by it.
        let access = access(responder)
        guard let wanted = request.topics, !(responder.apiVersion == 0 && wanted.isEmpty) else {
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
                    !missing.contains(name), failures[name] == nil,
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
        let asksForAll = request.topics.isEmpty
        var refused: [String] = []
        let names = (asksForAll ? snapshot.sorted.map(\.name) : request.topics.map(\.name).sorted()).filter { name in
            if let cursor = request.cursor, name < cursor.topicName { return false }
            if access.permits(.describe, .topic, name, isTold: !asksForAll) { return true }
            if !asksForAll { refused.append(name) }
            return false
        }
        var left = max(1, min(Int(request.responsePartitionLimit), 2000))
        var response = DescribeTopicPartitionsResponse()
        for name in names {
            var answer = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic()
            answer.name = name
            guard let topic = snapshot.topic(named: name) else {
                answer.errorCode =
                    (Topic.problem(withName: name) == nil
                    ? ErrorCode.unknownTopicOrPartition : ErrorCode.invalidTopicException).rawValue
                response.topics.append(answer)
                continue
            }
            answer.topicId = topic.id
            answer.isInternal = Topic.isInternal(name)
            // Its request has no way to ask for them.
            answer.topicAuthorizedOperations = access.operations(.topic, name)
            var first: Int32 = 0
            if let cursor = request.cursor, cursor.topicName == name { first = max(0, cursor.partitionIndex) }
            for partition in topic.partitions.dropFirst(Int(first)) {
                guard left > 0 else {
                    var next = DescribeTopicPartitionsResponse.Cursor()
                    next.topicName = name
                    next.partitionIndex = partition.index
                    response.nextCursor = next
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

    func handleDescribeCluster(_ request: DescribeClusterRequest, _ responder: Responder) {
        var response = DescribeClusterResponse()
        response.endpointType = request.endpointType
        response.clusterId = clusterId
        response.controllerId = nodeId
        guard request.endpointType == 1 else {
            // 2 asks a controller's own listener, which one process does not have.
            response.errorCode =
                (request.endpointType == 2 ? ErrorCode.mismatchedEndpointType : ErrorCode.unsupportedEndpointType)
                .rawValue
            response.errorMessage = "this is a broker's listener; ask for endpoint type 1 (brokers)"
            return responder.send(response)
        }
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
