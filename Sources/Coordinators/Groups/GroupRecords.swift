import Bytes
import KafkaMessages
import NIOCore

/// The records of `__consumer_offsets`: which they are, in Kafka's own versions.
///
/// | key type | key                | value                           |
/// |---------:|--------------------|---------------------------------|
/// |   0 or 1 | `OffsetCommitKey`  | `OffsetCommitValue`, 1 or 3     |
/// |        2 | `GroupMetadataKey` | `GroupMetadataValue`, 3         |
///
/// - SeeAlso: upstream `GroupCoordinatorRecordHelpers`.
enum GroupRecords {
    static let offsetKeyVersions: ClosedRange<Int16> = 0...1
    static let offsetKeyVersion: Int16 = 1
    static let groupKeyVersion: Int16 = 2
    static let groupValueVersion: Int16 = 3

    /// The longest string that a record can hold.
    static let stringByteCountMax = Int(Int16.max)

    static func offset(
        group: String, _ partition: TopicPartition, _ offset: CommittedOffset?
    ) throws(WireError) -> CoordinatorRecord {
        let key = OffsetCommitKey(group: group, topic: partition.topic, partition: partition.partition)
        guard let offset else { return try CoordinatorRecord(key: key, keyVersion: offsetKeyVersion, value: nil) }
        let value = OffsetCommitValue(
            offset: offset.offset, leaderEpoch: offset.leaderEpoch, metadata: offset.metadata,
            commitTimestamp: offset.commitTimestamp, expireTimestamp: offset.expireTimestamp ?? -1)
        // Version 1 is the only one with a time of expiry, and it knows no leader epoch.
        let version: Int16 = offset.expireTimestamp == nil ? 3 : 1
        return try CoordinatorRecord(key: key, keyVersion: offsetKeyVersion, value: (value, version))
    }

    static func tombstone(group: String) throws(WireError) -> CoordinatorRecord {
        try CoordinatorRecord(key: GroupMetadataKey(group: group), keyVersion: groupKeyVersion, value: nil)
    }

    /// A group that its first member is about to make.
    static func newGroup(_ id: String, wall: Int64) throws(WireError) -> CoordinatorRecord {
        try metadata(of: ClassicGroup(id: id, wall: wall))
    }

    /// A group that is empty or stable: in between nothing is written.
    static func metadata(of group: ClassicGroup) throws(WireError) -> CoordinatorRecord {
        let members = group.members.all.map { member in
            GroupMetadataValue.MemberMetadata(
                memberId: member.id, groupInstanceId: member.instanceId, clientId: member.client.clientId,
                clientHost: member.client.host, rebalanceTimeout: member.rebalanceTimeoutMs,
                sessionTimeout: member.sessionTimeoutMs, subscription: member.metadata(for: group.protocolName),
                assignment: member.assignment)
        }
        let value = GroupMetadataValue(
            protocolType: group.protocolType ?? "", generation: group.generation, protocol: group.protocolName,
            leader: group.leader, currentStateTimestamp: group.stateTimestamp ?? -1, members: members)
        return try CoordinatorRecord(
            key: GroupMetadataKey(group: group.id), keyVersion: groupKeyVersion, value: (value, groupValueVersion))
    }
}

extension ClassicGroup {
    /// A group as its record tells: stable when it has members, empty otherwise.
    init(id: String, record value: GroupMetadataValue) {
        self.init(id: id, wall: value.currentStateTimestamp == -1 ? nil : value.currentStateTimestamp)
        generation = value.generation
        protocolType = value.protocolType.isEmpty ? nil : value.protocolType
        protocolName = value.protocol
        for stored in value.members where !members.contains(stored.memberId) {
            var member = ClassicMember(
                id: stored.memberId, instanceId: stored.groupInstanceId,
                client: ClientIdentity(clientId: stored.clientId, host: stored.clientHost),
                rebalanceTimeoutMs: stored.rebalanceTimeout == -1 ? stored.sessionTimeout : stored.rebalanceTimeout,
                sessionTimeoutMs: stored.sessionTimeout,
                protocols: value.protocol.map {
                    [.init(name: $0, metadata: ByteBuffer(buffer: stored.subscription))]
                } ?? [])
            member.assignment = ByteBuffer(buffer: stored.assignment)
            members.append(member)
            if let instanceId = member.instanceId { staticMembers[instanceId] = member.id }
        }
        leader = value.leader.flatMap { members.contains($0) ? $0 : nil } ?? members.all.first?.id
        if !members.isEmpty, let wall = stateTimestamp {
            transition(to: .stable, at: EventTime(wall: wall, monotonic: 0))
        } else if !members.isEmpty {
            transition(to: .stable, at: EventTime(wall: 0, monotonic: 0))
            stateTimestamp = nil
        }
        updateSubscribedTopics()
    }
}
