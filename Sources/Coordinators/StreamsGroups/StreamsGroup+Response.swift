import KafkaMessages

// What a member is told.

extension StreamsGroupDraft {
    mutating func response(
        _ request: StreamsGroupHeartbeatRequest, from before: StreamsGroupMember, to after: StreamsGroupMember,
        _ delay: AssignmentDelay?, _ context: StreamsGroupContext
    ) -> StreamsGroupHeartbeatResponse {
        var response = StreamsGroupHeartbeatResponse(
            memberId: after.memberId, memberEpoch: after.memberEpoch,
            heartbeatIntervalMs: context.settings.heartbeatIntervalMs)
        if request.memberEpoch == MemberEpoch.join || after.assigned != before.assigned {
            response.activeTasks = Self.ids(after.assigned.active)
            response.standbyTasks = Self.ids(after.assigned.standby)
            response.warmupTasks = Self.ids(after.assigned.warmup)
            if after.userEndpoint != nil { group.endpointEpoch &+= 1 }
        }
        if group.endpointEpoch != request.endpointInformationEpoch {
            response.partitionsByUserEndpoint = group.endpoints(context.topics)
        }
        response.endpointInformationEpoch = group.endpointEpoch
        response.status = statuses(of: after, delay)
        return response
    }

    private static func ids(_ tasks: TaskSet) -> [StreamsGroupHeartbeatResponse.TaskIds] {
        tasks.sorted.map { .init(subtopologyId: $0.id, partitions: $0.partitions) }
    }

    private func statuses(
        of member: StreamsGroupMember, _ delay: AssignmentDelay?
    ) -> [StreamsGroupHeartbeatResponse.Status] {
        var statuses: [StreamsGroupHeartbeatResponse.Status] = []
        func add(_ status: StreamsStatus, _ detail: String) {
            statuses.append(.init(statusCode: status.rawValue, statusDetail: detail))
        }
        if let topology = group.topology, member.topologyEpoch < topology.epoch {
            add(
                .staleTopology,
                "The member's topology epoch \(member.topologyEpoch) is behind the group's topology epoch"
                    + " \(topology.epoch).")
        }
        if let delay { add(.assignmentDelayed, delay.rawValue) }
        if let problem = group.configured?.problem { add(problem.status, problem.detail) }
        if let memberId = group.shutdownMemberId {
            add(
                .shutdownApplication,
                "Streams group member \(memberId) encountered a fatal error and requested a shutdown for the entire"
                    + " application.")
        }
        return statuses
    }

    /// Takes what a member tells of the state that it holds; tasks that do not exist are left out.
    mutating func note(_ request: StreamsGroupHeartbeatRequest, _ memberId: String) {
        guard group.configured?.isReady == true, request.taskOffsets != nil || request.taskEndOffsets != nil else {
            return
        }
        func known(_ offsets: [StreamsGroupHeartbeatRequest.TaskOffset]) -> [String: [Int32: Int64]] {
            var known: [String: [Int32: Int64]] = [:]
            for offset in offsets {
                let count = group.configured?.subtopology(offset.subtopologyId)?.taskCount ?? 0
                guard 0 <= offset.partition, offset.partition < count else { continue }
                known[offset.subtopologyId, default: [:]][offset.partition] = offset.offset
            }
            return known
        }
        var told = group.taskOffsets[memberId] ?? .init()
        if let offsets = request.taskOffsets { told.current = known(offsets) }
        if let offsets = request.taskEndOffsets { told.end = known(offsets) }
        group.taskOffsets[memberId] = told
    }
}

extension StreamsGroup {
    /// Which partitions the state behind each endpoint is of, for interactive queries.
    ///
    /// - SeeAlso: upstream `EndpointToPartitionsManager`.
    fileprivate func endpoints(_ topics: any TopicImage) -> [StreamsGroupHeartbeatResponse.EndpointToPartitions] {
        guard let configured, configured.isReady else { return [] }
        return members.values.sorted { $0.memberId < $1.memberId }.compactMap { member in
            guard let endpoint = member.userEndpoint else { return nil }
            return .init(
                userEndpoint: .init(host: endpoint.host, port: endpoint.port),
                activePartitions: partitions(of: member.assigned.active, configured, topics),
                standbyPartitions: partitions(of: member.assigned.standby, configured, topics))
        }
    }

    private func partitions(
        of tasks: TaskSet, _ configured: ConfiguredTopology, _ topics: any TopicImage
    ) -> [StreamsGroupHeartbeatResponse.TopicPartition] {
        var found: [String: Set<Int32>] = [:]
        for (id, partitions) in tasks.topics {
            for topic in configured.subtopology(id)?.sources ?? [] {
                // A task may read fewer topics than its number is below: not all have as many partitions.
                let count = topics.facts(named: topic)?.partitionCount ?? 0
                found[topic, default: []].formUnion(partitions.filter { $0 < count })
            }
        }
        return found.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }.map {
            .init(topic: $0.key, partitions: $0.value.sorted())
        }
    }
}
