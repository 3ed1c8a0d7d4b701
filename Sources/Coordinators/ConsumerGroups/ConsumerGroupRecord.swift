package import Bytes
import KafkaMessages
package import NIOCore

/// A change of a consumer group's state, as `__consumer_offsets` keeps it. nil stands for a tombstone.
///
/// | key version | record                       | deleted when                                   |
/// |------------:|------------------------------|------------------------------------------------|
/// |           3 | group epoch                  | the group is deleted                           |
/// |           4 | topics subscribed to         | the group is deleted                           |
/// |           5 | member and its subscription  | the member leaves                              |
/// |           6 | target assignment epoch      | the group is deleted                           |
/// |           7 | target assignment of a member| the member leaves                              |
/// |           8 | current assignment of one    | the member leaves                              |
/// |          16 | topics of a regular expression | nobody subscribes to it                      |
///
/// - SeeAlso: upstream `GroupCoordinatorRecordHelpers`, Kafka 4.0.
package enum ConsumerGroupRecord: Sendable, Equatable {
    case groupEpoch(Int32?)
    case subscribedTopics([String: TopicFacts]?)
    case member(String, ConsumerGroupMember?)
    case targetEpoch(Int32?)
    case target(String, TopicPartitionSet?)
    case current(String, CurrentAssignment?)
    case regularExpression(String, ResolvedRegularExpression?)

    /// The part of a member that record 8 keeps.
    package typealias CurrentAssignment = Coordinators.CurrentAssignment<ConsumerGroupMember>
}

/// The topics that a regular expression matched.
package struct ResolvedRegularExpression: Sendable, Hashable {
    /// Ascending.
    package var topics: [String]
    /// The version of the topics that it was resolved against.
    package var version: Int64
    /// When it was resolved, milliseconds since 1970.
    package var timestamp: Int64
}

extension ConsumerGroupRecord {
    package var isTombstone: Bool {
        switch self {
        case .groupEpoch(nil), .subscribedTopics(nil), .member(_, nil), .targetEpoch(nil), .target(_, nil),
            .current(_, nil), .regularExpression(_, nil):
            true
        default: false
        }
    }
}

// MARK: Writing

extension ConsumerGroupRecord {
    /// - Throws: `.unsupported` for a string of more than 32767 bytes.
    package func encoded(groupId: String) throws(WireError) -> CoordinatorRecord {
        switch self {
        case .groupEpoch(let epoch):
            let value = epoch.map { ConsumerGroupMetadataValue(epoch: $0) }
            return try CoordinatorRecord.with(ConsumerGroupMetadataKey(groupId: groupId), 3, value)
        case .subscribedTopics(let topics):
            let value = topics.map { topics in
                ConsumerGroupPartitionMetadataValue(
                    topics: topics.values.sorted { $0.name < $1.name }.map { facts in
                        .init(topicId: facts.id, topicName: facts.name, numPartitions: facts.partitionCount)
                    })
            }
            return try CoordinatorRecord.with(ConsumerGroupPartitionMetadataKey(groupId: groupId), 4, value)
        case .member(let memberId, let member):
            let key = ConsumerGroupMemberMetadataKey(groupId: groupId, memberId: memberId)
            return try CoordinatorRecord.with(key, 5, member.map(Self.value))
        case .targetEpoch(let epoch):
            let value = epoch.map { ConsumerGroupTargetAssignmentMetadataValue(assignmentEpoch: $0) }
            return try CoordinatorRecord.with(ConsumerGroupTargetAssignmentMetadataKey(groupId: groupId), 6, value)
        case .target(let memberId, let partitions):
            let key = ConsumerGroupTargetAssignmentMemberKey(groupId: groupId, memberId: memberId)
            let value = partitions.map { partitions in
                ConsumerGroupTargetAssignmentMemberValue(
                    topicPartitions: partitions.sorted.map { .init(topicId: $0.id, partitions: $0.partitions) })
            }
            return try CoordinatorRecord.with(key, 7, value)
        case .current(let memberId, let assignment):
            let key = ConsumerGroupCurrentMemberAssignmentKey(groupId: groupId, memberId: memberId)
            return try CoordinatorRecord.with(key, 8, assignment.map(Self.value))
        case .regularExpression(let expression, let resolved):
            let key = RegularExpressionKey(groupId: groupId, expression: expression)
            return try CoordinatorRecord.with(key, RegularExpressionKey.type, resolved.map(RegularExpressionValue.init))
        }
    }

    private static func value(_ member: ConsumerGroupMember) -> ConsumerGroupMemberMetadataValue {
        ConsumerGroupMemberMetadataValue(
            instanceId: member.instanceId, rackId: member.rackId, clientId: member.clientId,
            clientHost: member.clientHost, subscribedTopicNames: member.subscribedTopicNames,
            subscribedTopicRegex: member.subscribedTopicRegex, rebalanceTimeoutMs: member.rebalanceTimeoutMs,
            serverAssignor: member.serverAssignor,
            classicMemberMetadata: member.classic.map { classic in
                .init(
                    sessionTimeoutMs: classic.sessionTimeoutMs,
                    supportedProtocols: classic.protocols.map { .init(name: $0.name, metadata: $0.metadata) })
            })
    }

    private static func value(_ assignment: CurrentAssignment) -> ConsumerGroupCurrentMemberAssignmentValue {
        ConsumerGroupCurrentMemberAssignmentValue(
            memberEpoch: assignment.memberEpoch, previousMemberEpoch: assignment.previousMemberEpoch,
            state: assignment.state.rawValue,
            assignedPartitions: assignment.assigned.sorted.map { .init(topicId: $0.id, partitions: $0.partitions) },
            partitionsPendingRevocation: assignment.pendingRevocation.sorted.map {
                .init(topicId: $0.id, partitions: $0.partitions)
            })
    }
}

// MARK: Reading

extension ConsumerGroupRecord {
    /// The types of keys that belong to consumer groups.
    package static func isKeyType(_ type: Int16) -> Bool { 3...8 ~= type || type == RegularExpressionKey.type }

    /// Reads a record of one of these types.
    ///
    /// - Throws: `.corrupt` and `.truncated` for bytes that are no such record, `.unsupported` for a version of the
    ///   value that only newer brokers know.
    package static func decoded(
        key: ByteBuffer, value: ByteBuffer?
    ) throws(WireError) -> (groupId: String, record: ConsumerGroupRecord) {
        var reader = WireReader(key)
        let type = try reader.readInt16()
        switch type {
        case 3:
            let key = try ConsumerGroupMetadataKey(from: &reader, version: type)
            let value: ConsumerGroupMetadataValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .groupEpoch(value?.epoch))
        case 4:
            let key = try ConsumerGroupPartitionMetadataKey(from: &reader, version: type)
            let value: ConsumerGroupPartitionMetadataValue? = try CoordinatorRecord.decoded(value)
            let topics = value?.topics.map { topic in
                TopicFacts(name: topic.topicName, id: topic.topicId, partitionCount: max(0, topic.numPartitions))
            }
            return (key.groupId, .subscribedTopics(topics.map { Dictionary($0.map { ($0.name, $0) }) { $1 } }))
        case 5:
            let key = try ConsumerGroupMemberMetadataKey(from: &reader, version: type)
            let value: ConsumerGroupMemberMetadataValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .member(key.memberId, value.map { member(key.memberId, $0) }))
        case 6:
            let key = try ConsumerGroupTargetAssignmentMetadataKey(from: &reader, version: type)
            let value: ConsumerGroupTargetAssignmentMetadataValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .targetEpoch(value?.assignmentEpoch))
        case 7:
            let key = try ConsumerGroupTargetAssignmentMemberKey(from: &reader, version: type)
            let value: ConsumerGroupTargetAssignmentMemberValue? = try CoordinatorRecord.decoded(value)
            let partitions = value.map { value in
                TopicPartitionSet(value.topicPartitions.map { ($0.topicId, $0.partitions) })
            }
            return (key.groupId, .target(key.memberId, partitions))
        case 8:
            let key = try ConsumerGroupCurrentMemberAssignmentKey(from: &reader, version: type)
            let value: ConsumerGroupCurrentMemberAssignmentValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .current(key.memberId, value.map(CurrentAssignment.init)))
        case RegularExpressionKey.type:
            let key = try RegularExpressionKey(from: &reader, version: type)
            let value: RegularExpressionValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .regularExpression(key.expression, value?.resolved))
        default: throw .unsupported("record type \(type) of a consumer group")
        }
    }

    private static func member(_ memberId: String, _ value: ConsumerGroupMemberMetadataValue) -> ConsumerGroupMember {
        var member = ConsumerGroupMember(memberId: memberId)
        member.instanceId = value.instanceId
        member.rackId = value.rackId
        member.clientId = value.clientId
        member.clientHost = value.clientHost
        member.subscribedTopicNames = value.subscribedTopicNames
        member.subscribedTopicRegex = value.subscribedTopicRegex ?? ""
        member.rebalanceTimeoutMs = value.rebalanceTimeoutMs
        member.serverAssignor = value.serverAssignor
        member.classic = value.classicMemberMetadata.map { classic in
            .init(
                sessionTimeoutMs: classic.sessionTimeoutMs,
                protocols: classic.supportedProtocols.map { .init(name: $0.name, metadata: $0.metadata) })
        }
        return member
    }
}

extension ConsumerGroupRecord.CurrentAssignment {
    fileprivate init(_ value: ConsumerGroupCurrentMemberAssignmentValue) {
        memberEpoch = value.memberEpoch
        previousMemberEpoch = value.previousMemberEpoch
        state = ConsumerGroupMember.State(rawValue: value.state) ?? .unknown
        assigned = TopicPartitionSet(value.assignedPartitions.map { ($0.topicId, $0.partitions) })
        pendingRevocation = TopicPartitionSet(value.partitionsPendingRevocation.map { ($0.topicId, $0.partitions) })
    }
}

// MARK: Record 16

/// Key of record 16, which came to Kafka's definitions after those that the other records are generated from: group id
/// and regular expression, not flexible.
///
/// - SeeAlso: upstream `ConsumerGroupRegularExpressionKey`.
struct RegularExpressionKey: KafkaMessage {
    static let type: Int16 = 16
    static let versions: ClosedRange<Int16> = type...type
    static func isFlexible(_ version: Int16) -> Bool { false }

    var groupId = ""
    var expression = ""

    init() {}

    init(groupId: String, expression: String) {
        self.groupId = groupId
        self.expression = expression
    }

    init(from reader: inout WireReader, version: Int16) throws(WireError) {
        groupId = try reader.readString(compact: false)
        expression = try reader.readString(compact: false)
    }

    func encode(to writer: inout WireWriter, version: Int16) throws(WireError) {
        try writer.writeString(groupId, compact: false)
        try writer.writeString(expression, compact: false)
    }
}

/// Value of record 16: topics, version of the metadata, time of the resolution; flexible.
///
/// - SeeAlso: upstream `ConsumerGroupRegularExpressionValue`.
struct RegularExpressionValue: KafkaMessage {
    static let versions: ClosedRange<Int16> = 0...0
    static func isFlexible(_ version: Int16) -> Bool { true }

    var resolved = ResolvedRegularExpression(topics: [], version: 0, timestamp: 0)

    init() {}

    init(_ resolved: ResolvedRegularExpression) { self.resolved = resolved }

    init(from reader: inout WireReader, version: Int16) throws(WireError) {
        guard Self.versions.contains(version) else {
            throw .unsupported("version \(version) of a resolved regular expression")
        }
        let count = try reader.readCount(compact: true, elementByteCountMin: 1)
        for _ in 0..<count { resolved.topics.append(try reader.readString(compact: true)) }
        resolved.version = try reader.readInt64()
        resolved.timestamp = try reader.readInt64()
        try reader.skipTaggedFields()
    }

    func encode(to writer: inout WireWriter, version: Int16) throws(WireError) {
        try writer.writeLength(resolved.topics.count, compact: true)
        for topic in resolved.topics { try writer.writeString(topic, compact: true) }
        writer.writeInt64(resolved.version)
        writer.writeInt64(resolved.timestamp)
        writer.writeUnsignedVarint(0)
    }
}
