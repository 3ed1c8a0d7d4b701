import KafkaMessages
import LogStorage
import Logging
import Synchronization

/// Topics that come, grow and go.
extension Controller {
    /// Creates topics, each on its own: one that fails does not hinder the others.
    ///
    /// - Parameter charge: given the number of partitions of each topic that is to be made; throws where a quota forbids it.
    func createTopics(
        _ creations: [TopicCreation], validateOnly: Bool,
        charge: (Int) throws(ControlError) -> Void = { _ in }
    ) -> [Result<Topic, ControlError>] {
        defer { if !validateOnly { tellObserver() } }
        return state.withLock { state in
            var results: [Result<Topic, ControlError>] = []
            var created: [Topic] = []
            var records: [MetadataRecord] = []
            var random = SystemRandomNumberGenerator()
            do throws(ControlError) {
                try TopicRules.checkTotal(of: creations, server: state.server)
            } catch {
                return creations.map { _ in .failure(error) }
            }
            // One look for all: there may be thousands of both.
            var folded: [String: String] = [:]
            if creations.contains(where: { TopicRules.canCollide($0.name) }) {
                for name in catalog.snapshot.byName.keys { folded[TopicRules.folded(name)] = name }
            }
            for creation in creations {
                do throws(ControlError) {
                    let topic = try makeTopic(
                        creation, state, opensLogs: !validateOnly, id: .random(using: &random),
                        among: folded, charge)
                    folded[TopicRules.folded(topic.name)] = topic.name
                    results.append(.success(topic))
                    created.append(topic)
                } catch {
                    results.append(.failure(error))
                }
            }
            guard !validateOnly, !created.isEmpty else { return results }
            for topic in created {
                records.append(
                    .topic(name: topic.name, id: topic.id, partitionCount: Int32(clamping: topic.partitions.count)))
                if !topic.overrides.isEmpty { records.append(.topicConfigs(id: topic.id, values: topic.overrides)) }
            }
            do throws(ControlError) {
                try commit(records, &state)
            } catch {
                for topic in created { discard(topic) }
                return results.map { result in result.flatMap { _ in .failure(error) } }
            }
            catalog.publish(created)
            return results
        }
    }

    /// Checks in the order of Kafka's controller: the name, what there is already, the settings, the partitions.
    ///
    /// - Parameter folded: the names of all topics, those of the same request among them, by what metrics call them.
    private func makeTopic(
        _ creation: TopicCreation, _ state: borrowing State, opensLogs: Bool, id: KafkaUUID,
        among folded: [String: String],
        _ charge: (Int) throws(ControlError) -> Void
    ) throws(ControlError) -> Topic {
        if let problem = Topic.problem(withName: creation.name) { throw ControlError(.invalidTopicException, problem) }
        guard creation.name != Topic.metadataName else {
            throw ControlError(.topicAuthorizationFailed, "Authorization failed.")
        }
        if catalog.snapshot.byName[creation.name] != nil {
            throw ControlError(.topicAlreadyExists, "Topic '\(creation.name)' already exists.")
        }
        if let collision = folded[TopicRules.folded(creation.name)], collision != creation.name {
            throw ControlError(
                .invalidTopicException, "Topic '\(creation.name)' collides with existing topic: \(collision)")
        }
        let nulls = creation.configs.filter { $0.value == nil }.map(\.name)
        guard nulls.isEmpty else {
            throw ControlError(
                .invalidConfig, "Null value not supported for topic configs: \(nulls.joined(separator: ","))")
        }
        var overrides: [String: String] = [:]
        for case (let name, let value?) in creation.configs {
            if let problem = TopicConfigs.problem(name, value) { throw ControlError(.invalidConfig, problem) }
            overrides[name] = value
        }
        if let conflict = TopicConfigs.conflict(overrides, server: state.server) {
            throw ControlError(.invalidConfig, conflict)
        }
        let count = try TopicRules.partitionCount(of: creation, server: state.server, nodeId: nodeId)
        let config = EffectiveTopicConfig(overrides: overrides, server: state.server)
        try charge(Int(count))
        var partitions: [Partition] = []
        if opensLogs {
            do throws(LogError) {
                partitions = try openPartitions(creation.name, id, 0..<count, config, areNew: true)
            } catch {
                throw ControlError(error)
            }
        }
        return Topic(name: creation.name, id: id, partitions: partitions, overrides: overrides, config: config)
    }

    /// - Parameter charge: given the number of the topic's partitions; throws where a quota forbids it.
    func deleteTopic(
        _ topic: Topic, charge: (Int) throws(ControlError) -> Void = { _ in }
    ) throws(ControlError) {
        guard !Topic.isInternal(topic.name) else {
            throw ControlError(
                .invalidTopicException,
                "Topic '\(topic.name)' keeps the state of groups, share groups or transactions and cannot be deleted.")
        }
        defer { if catalog.topic(id: topic.id) == nil { tellObserver(deleted: [topic.name]) } }
        try state.withLock { state throws(ControlError) in
            guard state.server.flag("delete.topic.enable") else {
                throw ControlError(.topicDeletionDisabled, "Topic deletion is disabled.")
            }
            guard let current = catalog.topic(id: topic.id) else { throw ControlError(.unknownTopicId) }
            try charge(current.partitions.count)
            try commit([.topicRemoved(id: topic.id)], &state)
            catalog.publish([], removing: [current])
            discard(current)
        }
    }

    /// Raises the number of partitions to `count`.
    ///
    /// - Parameter charge: given the number of new partitions; throws where a quota forbids them.
    func createPartitions(
        topic name: String, count: Int32, assignments: [[Int32]]?, validateOnly: Bool,
        charge: (Int) throws(ControlError) -> Void = { _ in }
    ) throws(ControlError) {
        guard !Topic.isInternal(name) else {
            throw ControlError(
                .invalidTopicException,
                "Topic '\(name)' keeps its number of partitions: they are where groups, share groups or transactions are looked for."
            )
        }
        defer { if !validateOnly { tellObserver() } }
        try state.withLock { state throws(ControlError) in
            guard let topic = catalog.topic(named: name) else {
                throw ControlError(.unknownTopicOrPartition, "This server does not host this topic-partition.")
            }
            let present = Int32(clamping: topic.partitions.count)
            if count == present {
                throw ControlError(.invalidPartitions, "Topic already has \(present) partition(s).")
            }
            if count < present {
                throw ControlError(
                    .invalidPartitions,
                    "The topic \(name) currently has \(present) partition(s); \(count) would not be an increase.")
            }
            guard count - present <= TopicRules.partitionCountMax else {
                throw ControlError(.policyViolation, "Excessively large number of partitions per request.")
            }
            if let assignments {
                guard assignments.count == Int(count - present) else {
                    throw ControlError(
                        .invalidReplicaAssignment,
                        "Attempted to add \(count - present) additional partition(s), but only \(assignments.count) "
                            + "assignment(s) were specified.")
                }
                for replicas in assignments { try TopicRules.checkReplicas(replicas, nodeId: nodeId) }
            }
            try charge(Int(count - present))
            guard !validateOnly else { return }
            let added: [Partition]
            do throws(LogError) {
                added = try openPartitions(name, topic.id, present..<count, topic.config, areNew: true)
            } catch {
                throw ControlError(error)
            }
            do throws(ControlError) {
                try commit([.partitionCount(id: topic.id, count: count)], &state)
            } catch {
                for partition in added { discard(partition) }
                throw error
            }
            catalog.publish([
                Topic(
                    name: name, id: topic.id, partitions: topic.partitions + added, overrides: topic.overrides,
                    config: topic.config)
            ])
        }
    }

    private func discard(_ topic: Topic) {
        for partition in topic.partitions { discard(partition) }
    }

    private func discard(_ partition: Partition) {
        partition.markDeleted()
        do throws(LogError) {
            try directory.delete(PartitionName(topic: partition.topicName, partition: partition.index))
        } catch {
            // The next start removes the folder, since no topic has it.
            logger.warning(
                "folder of a deleted partition stays until the next start",
                metadata: ["partition": "\(partition.topicName)-\(partition.index)", "error": "\(error)"])
        }
    }
}
