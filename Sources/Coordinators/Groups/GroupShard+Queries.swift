package import KafkaMessages

/// What is only read: OffsetFetch, DescribeGroups, ListGroups, and numbers for operators.
extension GroupShard {
    /// The committed offsets of a group; those that an open transaction may change are refused with
    /// UNSTABLE_OFFSET_COMMIT if the client wants stable ones. Null topics ask for all.
    ///
    /// - Parameter version: of the request; from 10 on topics go by their ids.
    package func offsetFetch(
        _ request: OffsetFetchRequest.OffsetFetchRequestGroup, requireStable: Bool, version: Int16, at: EventTime,
        topics: any TopicImage
    ) -> OffsetFetchResponse.OffsetFetchResponseGroup {
        typealias Topics = OffsetFetchResponse.OffsetFetchResponseTopics
        let id = request.groupId
        var response = OffsetFetchResponse.OffsetFetchResponseGroup(groupId: id)
        func answers(_ name: String, _ partitions: [Int32]) -> [OffsetFetchResponse.OffsetFetchResponsePartitions] {
            partitions.map { partition in
                if requireStable, offsets.isPending(id, topic: name, partition: partition) {
                    return .init(
                        partitionIndex: partition, committedOffset: -1,
                        errorCode: ErrorCode.unstableOffsetCommit.rawValue)
                }
                guard let offset = offsets[id, TopicPartition(topic: name, partition: partition)] else {
                    return .init(partitionIndex: partition, committedOffset: -1)
                }
                return .init(
                    partitionIndex: partition, committedOffset: offset.offset,
                    committedLeaderEpoch: offset.leaderEpoch, metadata: offset.metadata)
            }
        }
        do throws(ConsumerGroupError) {
            switch groups[id] {
            case .consumer(let group):
                try group.validateOffsetFetch(memberId: request.memberId, memberEpoch: request.memberEpoch)
            case .streams(let group):
                try group.validateOffsetFetch(memberId: request.memberId, memberEpoch: request.memberEpoch)
            case .classic, .share, nil: break
            }
        } catch {
            response.errorCode = error.code.rawValue
            return response
        }
        guard let asked = request.topics else {
            for (name, partitions) in (offsets.committed[id] ?? [:]).sorted(by: { $0.key < $1.key }) {
                var topic = Topics(name: name, partitions: answers(name, partitions.keys.sorted()))
                if version >= 10 {
                    guard let facts = topics.facts(named: name) else { continue }  // without a topic there is no id
                    topic.name = ""
                    topic.topicId = facts.id
                }
                response.topics.append(topic)
            }
            return response
        }
        for topic in asked {
            if version < 10 {
                response.topics.append(
                    Topics(name: topic.name, partitions: answers(topic.name, topic.partitionIndexes)))
            } else if let facts = topics.facts(id: topic.topicId) {
                response.topics.append(
                    Topics(topicId: topic.topicId, partitions: answers(facts.name, topic.partitionIndexes)))
            } else {
                let partitions = topic.partitionIndexes.map {
                    OffsetFetchResponse.OffsetFetchResponsePartitions(
                        partitionIndex: $0, committedOffset: -1, errorCode: ErrorCode.unknownTopicId.rawValue)
                }
                response.topics.append(Topics(topicId: topic.topicId, partitions: partitions))
            }
        }
        return response
    }

    /// One group of DescribeGroups. Unknown ones are "Dead", since version 6 with GROUP_ID_NOT_FOUND.
    package func describe(_ id: String, version: Int16) -> DescribeGroupsResponse.DescribedGroup {
        guard case .classic(let group) = groups[id] else {
            var dead = DescribeGroupsResponse.DescribedGroup(groupId: id, groupState: "Dead")
            if version >= 6 {
                dead.errorCode = ErrorCode.groupIdNotFound.rawValue
                dead.errorMessage =
                    groups[id] == nil ? "Group \(id) not found." : "Group \(id) is not a classic group."
            }
            return dead
        }
        // In a rebalance there is neither a protocol that counts nor an assignment.
        let isStable = group.state == .stable
        return DescribeGroupsResponse.DescribedGroup(
            groupId: id, groupState: group.state.rawValue, protocolType: group.protocolType ?? "",
            protocolData: isStable ? group.protocolName ?? "" : "",
            members: group.members.all.map { member in
                var described = DescribeGroupsResponse.DescribedGroupMember(
                    memberId: member.id, groupInstanceId: member.instanceId, clientId: member.client.clientId,
                    clientHost: member.client.host)
                if isStable {
                    described.memberMetadata = member.metadata(for: group.protocolName)
                    described.memberAssignment = member.assignment
                }
                return described
            })
    }

    /// The groups in one of the states and of one of the types, by id; an empty filter lets all through. Case does not
    /// matter.
    package func list(states: [String] = [], types: [String] = []) -> [ListGroupsResponse.ListedGroup] {
        let states = Set(states.map { $0.lowercased() })
        let types = Set(types.map { $0.lowercased() })
        return groups.sorted { $0.key < $1.key }.compactMap { id, group in
            guard states.isEmpty || states.contains(group.stateName.lowercased()),
                types.isEmpty || types.contains(group.typeName)
            else { return nil }
            return ListGroupsResponse.ListedGroup(
                groupId: id, protocolType: group.protocolType, groupState: group.stateName, groupType: group.typeName)
        }
    }

    /// Names of all topics that groups have offsets for or share. After loading, those that no longer exist go to `topicsDeleted`:
    /// the broker may have stopped between the two.
    package var topicsWithOffsets: Set<String> {
        var names: Set<String> = []
        for topics in offsets.committed.values { names.formUnion(topics.keys) }
        for groups in offsets.pending.values {
            for topics in groups.values { names.formUnion(topics.keys) }
        }
        return names.union(topicsOfShareGroups)
    }

    package var groupCount: Int { groups.count }

    /// Committed offsets of all groups.
    package var offsetCount: Int {
        offsets.committed.values.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.count } }
    }
}
