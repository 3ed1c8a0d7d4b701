package import Bytes
package import KafkaMessages
package import NIOCore

/// A change of a share group's state, as `__consumer_offsets` keeps it. nil stands for a tombstone.
///
/// | key version | record                           | deleted when         |
/// |------------:|----------------------------------|----------------------|
/// |          10 | member and its subscription      | the member leaves    |
/// |          11 | group epoch, hash of its topics  | the group is deleted |
/// |          12 | target assignment epoch          | the group is deleted |
/// |          13 | target assignment of a member    | the member leaves    |
/// |          14 | current assignment of one        | the member leaves    |
/// |          15 | partitions that have share state | the group is deleted |
///
/// - SeeAlso: upstream `GroupCoordinatorRecordHelpers`, Kafka 4.3.
package enum ShareGroupRecord: Sendable, Equatable {
    case member(String, ShareGroupMember?)
    case groupEpoch(Int32?, metadataHash: Int64)
    case targetEpoch(Int32?)
    case target(String, TopicPartitionSet?)
    case current(String, CurrentAssignment?)
    case partitions([KafkaUUID: ShareGroupTopic]?)

    /// The part of a member that record 14 keeps.
    package struct CurrentAssignment: Sendable, Equatable {
        package var memberEpoch: Int32
        package var previousMemberEpoch: Int32
        package var assigned: TopicPartitionSet
    }

    package var isTombstone: Bool {
        switch self {
        case .member(_, nil), .groupEpoch(nil, _), .targetEpoch(nil), .target(_, nil), .current(_, nil),
            .partitions(nil):
            true
        default: false
        }
    }
}

// MARK: Writing

extension ShareGroupRecord {
    /// The state of a member that has what it was given; share groups know no other.
    private static let stableState: Int8 = 0

    /// - Throws: `.unsupported` for a string of more than 32767 bytes.
    package func encoded(groupId: String) throws(WireError) -> CoordinatorRecord {
        switch self {
        case .member(let memberId, let member):
            let value = member.map { member in
                ShareGroupMemberMetadataValue(
                    rackId: member.rackId, clientId: member.clientId, clientHost: member.clientHost,
                    subscribedTopicNames: member.subscribedTopicNames)
            }
            return try CoordinatorRecord.with(
                ShareGroupMemberMetadataKey(groupId: groupId, memberId: memberId), 10, value)
        case .groupEpoch(let epoch, let hash):
            let value = epoch.map { ShareGroupMetadataValue(epoch: $0, metadataHash: hash) }
            return try CoordinatorRecord.with(ShareGroupMetadataKey(groupId: groupId), 11, value)
        case .targetEpoch(let epoch):
            let value = epoch.map { ShareGroupTargetAssignmentMetadataValue(assignmentEpoch: $0) }
            return try CoordinatorRecord.with(ShareGroupTargetAssignmentMetadataKey(groupId: groupId), 12, value)
        case .target(let memberId, let partitions):
            let value = partitions.map { partitions in
                ShareGroupTargetAssignmentMemberValue(
                    topicPartitions: partitions.sorted.map { .init(topicId: $0.id, partitions: $0.partitions) })
            }
            let key = ShareGroupTargetAssignmentMemberKey(groupId: groupId, memberId: memberId)
            return try CoordinatorRecord.with(key, 13, value)
        case .current(let memberId, let assignment):
            let value = assignment.map { assignment in
                ShareGroupCurrentMemberAssignmentValue(
                    memberEpoch: assignment.memberEpoch, previousMemberEpoch: assignment.previousMemberEpoch,
                    state: Self.stableState,
                    assignedPartitions: assignment.assigned.sorted.map {
                        .init(topicId: $0.id, partitions: $0.partitions)
                    })
            }
            let key = ShareGroupCurrentMemberAssignmentKey(groupId: groupId, memberId: memberId)
            return try CoordinatorRecord.with(key, 14, value)
        case .partitions(let topics):
            let value = topics.map { topics in
                ShareGroupStatePartitionMetadataValue(
                    initializedTopics: topics.sorted { $0.key < $1.key }.map { id, topic in
                        .init(topicId: id, topicName: topic.name, partitions: topic.partitions)
                    })
            }
            return try CoordinatorRecord.with(ShareGroupStatePartitionMetadataKey(groupId: groupId), 15, value)
        }
    }
}

// MARK: Reading

extension ShareGroupRecord {
    /// The types of keys that belong to share groups.
    package static let keyTypes: ClosedRange<Int16> = 10...15

    /// Reads a record of one of these types.
    ///
    /// - Throws: `.corrupt` and `.truncated` for bytes that are no such record, `.unsupported` for a version of the
    ///   value that only newer brokers know.
    package static func decoded(
        key: ByteBuffer, value: ByteBuffer?
    ) throws(WireError) -> (groupId: String, record: ShareGroupRecord) {
        var reader = WireReader(key)
        let type = try reader.readInt16()
        switch type {
        case 10:
            let key = try ShareGroupMemberMetadataKey(from: &reader, version: type)
            let value: ShareGroupMemberMetadataValue? = try CoordinatorRecord.decoded(value)
            let member = value.map { value in
                var member = ShareGroupMember(memberId: key.memberId)
                member.rackId = value.rackId
                member.clientId = value.clientId
                member.clientHost = value.clientHost
                member.subscribedTopicNames = value.subscribedTopicNames
                return member
            }
            return (key.groupId, .member(key.memberId, member))
        case 11:
            let key = try ShareGroupMetadataKey(from: &reader, version: type)
            let value: ShareGroupMetadataValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .groupEpoch(value?.epoch, metadataHash: value?.metadataHash ?? 0))
        case 12:
            let key = try ShareGroupTargetAssignmentMetadataKey(from: &reader, version: type)
            let value: ShareGroupTargetAssignmentMetadataValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .targetEpoch(value?.assignmentEpoch))
        case 13:
            let key = try ShareGroupTargetAssignmentMemberKey(from: &reader, version: type)
            let value: ShareGroupTargetAssignmentMemberValue? = try CoordinatorRecord.decoded(value)
            let partitions = value.map { value in
                TopicPartitionSet(value.topicPartitions.map { ($0.topicId, $0.partitions) })
            }
            return (key.groupId, .target(key.memberId, partitions))
        case 14:
            let key = try ShareGroupCurrentMemberAssignmentKey(from: &reader, version: type)
            let value: ShareGroupCurrentMemberAssignmentValue? = try CoordinatorRecord.decoded(value)
            let assignment = value.map { value in
                CurrentAssignment(
                    memberEpoch: value.memberEpoch, previousMemberEpoch: value.previousMemberEpoch,
                    assigned: TopicPartitionSet(value.assignedPartitions.map { ($0.topicId, $0.partitions) }))
            }
            return (key.groupId, .current(key.memberId, assignment))
        case 15:
            let key = try ShareGroupStatePartitionMetadataKey(from: &reader, version: type)
            let value: ShareGroupStatePartitionMetadataValue? = try CoordinatorRecord.decoded(value)
            let topics = value.map { value in
                Dictionary(
                    value.initializedTopics.map { topic in
                        (
                            topic.topicId,
                            ShareGroupTopic(name: topic.topicName, partitions: Set(topic.partitions).sorted())
                        )
                    }
                ) { $1 }
            }
            return (key.groupId, .partitions(topics))
        default: throw .unsupported("record type \(type) of a share group")
        }
    }
}
