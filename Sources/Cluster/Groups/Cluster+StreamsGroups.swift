import KafkaMessages

/// The tasks of one member of a streams group, each as `SUBTOPOLOGY_PARTITION`.
package struct StreamsMemberTasks: Hashable, Sendable {
    package var active: [String]
    package var standby: [String]
    package var warmup: [String]
    /// The process of which the member is a thread.
    package var processId: String

    package init(active: [String], standby: [String], warmup: [String], processId: String) {
        self.active = active
        self.standby = standby
        self.warmup = warmup
        self.processId = processId
    }
}

extension Cluster {
    /// One streams group (KIP-1071) with its members; nil for a group that is not there or of another type, and from
    /// brokers that know no streams groups.
    func streamsGroup(_ id: String, _ coordinator: BrokerDescription) async throws(ClusterError) -> GroupDescription? {
        let described = try await described(id, StreamsGroupDescribeRequest(groupIds: [id])) { answer in
            answer.groups.first.map { ($0, $0.errorCode, $0.errorMessage) }
        }
        guard let group = described else { return nil }
        var sources: [String: [String]] = [:]
        for subtopology in group.topology?.subtopologies ?? [] {
            sources[subtopology.subtopologyId] =
                Set(subtopology.sourceTopics + subtopology.repartitionSourceTopics.map(\.name)).sorted()
        }
        var counts: [String: Int32] = [:]
        for topic in try await topics() { counts[topic.name] = Int32(clamping: topic.partitions.count) }
        return GroupDescription(
            id: id, type: .streams, state: GroupState(rawValue: group.groupState), protocolType: "streams",
            assignor: "", coordinator: coordinator,
            members: group.members.map { member in
                let active = member.assignment.activeTasks
                return GroupMember(
                    id: member.memberId, instanceId: member.instanceId, clientId: member.clientId,
                    host: Self.host(member.clientHost),
                    // What a task reads has not always as many partitions as the largest of its topics.
                    assignment: active.flatMap { task in
                        (sources[task.subtopologyId] ?? []).flatMap { topic in
                            task.partitions.filter { $0 < counts[topic] ?? 0 }.map { TopicPartition(topic, $0) }
                        }
                    }.sorted(),
                    tasks: StreamsMemberTasks(
                        active: Self.names(active), standby: Self.names(member.assignment.standbyTasks),
                        warmup: Self.names(member.assignment.warmupTasks), processId: member.processId))
            }.sorted { ($0.clientId, $0.id) < ($1.clientId, $1.id) }, topologyEpoch: group.topology?.epoch)
    }

    private static func names(_ tasks: [StreamsGroupDescribeResponse.TaskIds]) -> [String] {
        tasks.flatMap { task in task.partitions.map { "\(task.subtopologyId)_\($0)" } }
    }
}
