import KafkaMessages
import LogStorage
import Security

extension BrokerNode {
    func handleCreateTopics(_ request: CreateTopicsRequest, _ responder: Responder) {
        let access = access(responder)
        let allowed = responder.mutationCharge(strictFrom: 6)
        controller.perform { [self] controller in
            var charge = allowed
            var response = CreateTopicsResponse()
            // A name that occurs twice is refused for each, as nobody can tell which one is meant.
            var counts: [String: Int] = [:]
            for topic in request.topics { counts[topic.name, default: 0] += 1 }
            let createsAny = access.permitsCluster(.create, isTold: false)
            var unpermitted: Set<String> = []
            let unique = request.topics.filter { topic in
                guard counts[topic.name] == 1 else { return false }
                if createsAny || access.permits(.create, .topic, topic.name) { return true }
                unpermitted.insert(topic.name)
                return false
            }
            let results = controller.createTopics(
                unique.map(Self.creation), validateOnly: request.validateOnly
            ) { count throws(ControlError) in try charge.take(count) }
            let byName = Dictionary(uniqueKeysWithValues: zip(unique.map(\.name), results))
            var refused: Set<String> = []
            for topic in request.topics {
                guard let result = byName[topic.name] else {
                    guard refused.insert(topic.name).inserted else { continue }
                    var entry = CreateTopicsResponse.CreatableTopicResult()
                    entry.name = topic.name
                    let isUnpermitted = unpermitted.contains(topic.name)
                    entry.errorCode = (isUnpermitted ? ErrorCode.topicAuthorizationFailed : .invalidRequest).rawValue
                    entry.errorMessage = isUnpermitted ? "Authorization failed." : "Duplicate topic name."
                    response.topics.append(entry)
                    continue
                }
                var entry = createResult(topic, result, request.validateOnly)
                if entry.errorCode == 0, !access.permits(.describeConfigs, .topic, topic.name, isTold: false) {
                    entry.numPartitions = -1
                    entry.replicationFactor = -1
                    entry.configs = []
                    entry.topicConfigErrorCode = ErrorCode.topicAuthorizationFailed.rawValue
                }
                response.topics.append(entry)
            }
            response.throttleTimeMs = responder.throttle(for: charge)
            responder.send(response)
        }
    }

    private static func creation(_ topic: CreateTopicsRequest.CreatableTopic) -> TopicCreation {
        TopicCreation(
            name: topic.name, partitionCount: topic.numPartitions, replicationFactor: topic.replicationFactor,
            assignments: topic.assignments.map { ($0.partitionIndex, $0.brokerIds) },
            configs: topic.configs.map { ($0.name, $0.value) })
    }

    private func createResult(
        _ wanted: CreateTopicsRequest.CreatableTopic, _ result: Result<Topic, ControlError>, _ validateOnly: Bool
    ) -> CreateTopicsResponse.CreatableTopicResult {
        var entry = CreateTopicsResponse.CreatableTopicResult()
        entry.name = wanted.name
        switch result {
        case .success(let topic):
            entry.errorMessage = nil
            entry.topicId = validateOnly ? .zero : topic.id
            let wantedCount =
                wanted.assignments.isEmpty ? wanted.numPartitions : Int32(clamping: wanted.assignments.count)
            entry.numPartitions =
                validateOnly
                ? (wantedCount == -1 ? Int32(clamping: controller.server.number("num.partitions")) : wantedCount)
                : Int32(clamping: topic.partitions.count)
            entry.replicationFactor = 1
            entry.configs = ConfigDescriptions.topic(
                topic, server: controller.server, layers: controller.brokerLayers
            ).map { config in
                var described = CreateTopicsResponse.CreatableTopicConfigs()
                described.name = config.name
                described.value = config.value
                described.configSource = config.source.rawValue
                return described
            }
        case .failure(let error):
            entry.errorCode = error.code.rawValue
            entry.errorMessage = error.message
        }
        return entry
    }

    func handleDeleteTopics(_ request: DeleteTopicsRequest, _ responder: Responder) {
        let access = access(responder)
        let allowed = responder.mutationCharge(strictFrom: 5)
        controller.perform { [self] controller in
            var charge = allowed
            var response = DeleteTopicsResponse()
            let wanted: [TopicReference] =
                responder.apiVersion >= 6
                ? request.topics.map { TopicReference(name: $0.name, id: $0.topicId) }
                : request.topicNames.map { TopicReference(name: $0, id: .zero) }
            // Before anything is looked at: that deletion is disabled is no secret, and holds for what is not there, too.
            guard controller.server.flag("delete.topic.enable") else {
                let code: ErrorCode = responder.apiVersion < 3 ? .invalidRequest : .topicDeletionDisabled
                response.responses = wanted.map { reference in
                    var entry = DeleteTopicsResponse.DeletableTopicResult()
                    entry.name = reference.name
                    entry.topicId = reference.id
                    entry.errorCode = code.rawValue
                    entry.errorMessage = "Topic deletion is disabled."
                    return entry
                }
                return responder.send(response)
            }
            // What is named twice is refused once: nobody can tell what the second one is meant for.
            var counts: [TopicReference: Int] = [:]
            for reference in wanted { counts[reference, default: 0] += 1 }
            let byId = Set(wanted.filter { $0.name == nil }.map(\.id))
            let once = wanted.filter { counts[$0] == 1 }
            let byName = Set(once.compactMap { $0.name.flatMap(catalog.topic(named:))?.id })
            var answered: Set<TopicReference> = []
            for reference in wanted {
                var entry = DeleteTopicsResponse.DeletableTopicResult()
                entry.name = reference.name
                entry.topicId = reference.id
                do throws(ControlError) {
                    try reference.check()
                    guard answered.insert(reference).inserted else { continue }
                    guard counts[reference] == 1 else {
                        throw ControlError(
                            .invalidRequest, "Duplicate topic \(reference.name == nil ? "id" : "name").")
                    }
                    let topic = try existing(reference, access)
                    let isPermitted =
                        access.permitsCluster(.delete, isTold: false) || access.permits(.delete, .topic, topic.name)
                    // Neither the name nor the id is told to those who know only the other.
                    if isPermitted
                        || (reference.name == nil && access.permits(.describe, .topic, topic.name, isTold: false))
                    {
                        entry.name = topic.name
                        entry.topicId = topic.id
                    }
                    guard isPermitted else { throw ControlError(.topicAuthorizationFailed, "Authorization failed.") }
                    // Named in both ways it stays; the name is answered.
                    if reference.name == nil, byName.contains(topic.id) { continue }
                    guard reference.name == nil || !byId.contains(topic.id) else {
                        throw ControlError(
                            .invalidRequest, "The provided topic name maps to an ID that was already supplied.")
                    }
                    try controller.deleteTopic(topic) { count throws(ControlError) in try charge.take(count) }
                } catch {
                    entry.errorCode = error.code.rawValue
                    entry.errorMessage = error.message
                }
                response.responses.append(entry)
            }
            response.throttleTimeMs = responder.throttle(for: charge)
            responder.send(response)
        }
    }

    /// A topic as a request names it: by name or by id.
    private struct TopicReference: Hashable {
        var name: String?
        var id: KafkaUUID

        /// - Throws: INVALID_REQUEST when it is both or none.
        func check() throws(ControlError) {
            guard name == nil || id.isZero else {
                throw ControlError(.invalidRequest, "You may not specify both topic name and topic id.")
            }
            guard name != nil || !id.isZero else {
                throw ControlError(.invalidRequest, "Neither topic name nor id were specified.")
            }
        }
    }

    private func existing(_ reference: TopicReference, _ access: Access?) throws(ControlError) -> Topic {
        if let name = reference.name {
            guard access.permitsCluster(.delete, isTold: false) || access.permits(.describe, .topic, name) else {
                throw ControlError(.topicAuthorizationFailed, "Authorization failed.")
            }
            guard let topic = catalog.topic(named: name) else {
                throw ControlError(.unknownTopicOrPartition, "This server does not host this topic-partition.")
            }
            return topic
        }
        guard let topic = catalog.topic(id: reference.id) else {
            throw ControlError(.unknownTopicId, "This server does not host this topic ID.")
        }
        return topic
    }

    func handleCreatePartitions(_ request: CreatePartitionsRequest, _ responder: Responder) {
        let access = access(responder)
        let allowed = responder.mutationCharge(strictFrom: 3)
        controller.perform { controller in
            var charge = allowed
            var response = CreatePartitionsResponse()
            var counts: [String: Int] = [:]
            for topic in request.topics { counts[topic.name, default: 0] += 1 }
            var answered: Set<String> = []
            for topic in request.topics where answered.insert(topic.name).inserted {
                var entry = CreatePartitionsResponse.CreatePartitionsTopicResult()
                entry.name = topic.name
                do throws(ControlError) {
                    guard counts[topic.name] == 1 else { throw ControlError(.invalidRequest, "Duplicate topic name.") }
                    guard access.permits(.alter, .topic, topic.name) else {
                        throw ControlError(.topicAuthorizationFailed, "Authorization failed.")
                    }
                    try controller.createPartitions(
                        topic: topic.name, count: topic.count,
                        assignments: topic.assignments.map { $0.map(\.brokerIds) },
                        validateOnly: request.validateOnly
                    ) { count throws(ControlError) in try charge.take(count) }
                } catch {
                    entry.errorCode = error.code.rawValue
                    entry.errorMessage = error.message
                }
                response.results.append(entry)
            }
            response.throttleTimeMs = responder.throttle(for: charge)
            responder.send(response)
        }
    }

    func handleDeleteRecords(_ request: DeleteRecordsRequest, _ responder: Responder) {
        let access = access(responder)
        onDiskThread(responder) { [self] in
            var response = DeleteRecordsResponse()
            for wantedTopic in request.topics {
                var topicResult = DeleteRecordsResponse.DeleteRecordsTopicResult()
                topicResult.name = wantedTopic.name
                let isPermitted = access.permits(.delete, .topic, wantedTopic.name)
                for wanted in wantedTopic.partitions {
                    var entry = DeleteRecordsResponse.DeleteRecordsPartitionResult()
                    entry.partitionIndex = wanted.partitionIndex
                    entry.lowWatermark = -1
                    do throws(ControlError) {
                        guard isPermitted else { throw ControlError(.topicAuthorizationFailed) }
                        entry.lowWatermark = try deleteRecords(
                            topic: wantedTopic.name, partition: wanted.partitionIndex, before: wanted.offset)
                    } catch {
                        entry.errorCode = error.code.rawValue
                    }
                    topicResult.partitions.append(entry)
                }
                response.topics.append(topicResult)
            }
            responder.send(response)
        }
    }

    /// Moves the start of a partition's log; blocks on the disk.
    ///
    /// - Parameter offset: the first offset that stays; -1 is the end of the log.
    /// - Returns: the new start of the log.
    func deleteRecords(topic name: String, partition index: Int32, before offset: Int64) throws(ControlError) -> Int64 {
        guard let topic = catalog.topic(named: name), let partition = topic.partition(index), !partition.isDeleted
        else {
            throw ControlError(.unknownTopicOrPartition, "This server does not host this topic-partition.")
        }
        guard !Topic.isInternal(name) else {
            throw ControlError(.invalidTopicException, "Records of internal topic '\(name)' can not be deleted.")
        }
        guard topic.config.isDeletedByRetention || !topic.config.log.compacts else {
            // Kafka refuses it too where compaction is the only cleanup policy.
            throw ControlError(
                .policyViolation,
                "Records of partition \(name)-\(index) can not be deleted: the topic is only compacted.")
        }
        do throws(LogError) {
            return try partition.log.deleteRecords(before: offset)
        } catch {
            throw ControlError(error)
        }
    }
}
