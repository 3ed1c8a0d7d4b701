import Bytes
import KafkaMessages
import NIOCore

/// A change of a streams group's state, as `__consumer_offsets` keeps it. nil stands for a tombstone.
///
/// | key version | record                        | deleted when         |
/// |------------:|-------------------------------|----------------------|
/// |          17 | group epoch                   | the group is deleted |
/// |          19 | member                        | the member leaves    |
/// |          20 | target assignment epoch       | the group is deleted |
/// |          21 | target assignment of a member | the member leaves    |
/// |          22 | current assignment of one     | the member leaves    |
/// |          23 | topology                      | the group is deleted |
///
/// - SeeAlso: upstream `StreamsCoordinatorRecordHelpers`, Kafka 4.3.
enum StreamsGroupRecord: Sendable, Equatable {
    case group(Metadata?)
    case member(String, StreamsGroupMember?)
    case targetEpoch(Int32?, at: Int64)
    case target(String, StreamsTasks?)
    case current(String, CurrentAssignment?)
    case topology(StreamsTopology?)

    struct Metadata: Sendable, Equatable {
        var epoch: Int32 = 0
        /// Of the topics of the topology as the last decision about them saw them.
        var hash: Int64 = 0
        /// The epoch of the topology whose topics are all there; -1 for none.
        var validatedTopologyEpoch: Int32 = -1
        /// The settings that the last assignment was to follow.
        var assignmentConfigs: [String: String] = [:]
    }

    /// The part of a member that record 22 keeps.
    typealias CurrentAssignment = Coordinators.CurrentAssignment<StreamsGroupMember>

    var isTombstone: Bool {
        switch self {
        case .group(nil), .member(_, nil), .targetEpoch(nil, _), .target(_, nil), .current(_, nil), .topology(nil): true
        default: false
        }
    }
}

// MARK: Writing

extension StreamsGroupRecord {
    /// - Throws: `.unsupported` for a string of more than 32767 bytes.
    func encoded(groupId: String) throws(WireError) -> CoordinatorRecord {
        switch self {
        case .group(let metadata):
            return try CoordinatorRecord.with(
                StreamsGroupMetadataKey(groupId: groupId), 17, metadata.map(\.value))
        case .member(let memberId, let member):
            let key = StreamsGroupMemberMetadataKey(groupId: groupId, memberId: memberId)
            return try CoordinatorRecord.with(key, 19, member.map(\.value))
        case .targetEpoch(let epoch, let time):
            let value = epoch.map {
                StreamsGroupTargetAssignmentMetadataValue(assignmentEpoch: $0, assignmentTimestamp: time)
            }
            return try CoordinatorRecord.with(StreamsGroupTargetAssignmentMetadataKey(groupId: groupId), 20, value)
        case .target(let memberId, let tasks):
            let key = StreamsGroupTargetAssignmentMemberKey(groupId: groupId, memberId: memberId)
            let value = tasks.map { tasks in
                StreamsGroupTargetAssignmentMemberValue(
                    activeTasks: tasks.active.sorted.map { .init(subtopologyId: $0.id, partitions: $0.partitions) },
                    standbyTasks: tasks.standby.sorted.map { .init(subtopologyId: $0.id, partitions: $0.partitions) },
                    warmupTasks: tasks.warmup.sorted.map { .init(subtopologyId: $0.id, partitions: $0.partitions) })
            }
            return try CoordinatorRecord.with(key, 21, value)
        case .current(let memberId, let assignment):
            let key = StreamsGroupCurrentMemberAssignmentKey(groupId: groupId, memberId: memberId)
            return try CoordinatorRecord.with(key, 22, assignment.map(\.value))
        case .topology(let topology):
            return try CoordinatorRecord.with(StreamsGroupTopologyKey(groupId: groupId), 23, topology?.value)
        }
    }
}

extension StreamsGroupRecord.Metadata {
    fileprivate var value: StreamsGroupMetadataValue {
        StreamsGroupMetadataValue(
            epoch: epoch, metadataHash: hash, validatedTopologyEpoch: validatedTopologyEpoch,
            lastAssignmentConfigs: assignmentConfigs.sorted { $0.key < $1.key }.map {
                .init(key: $0.key, value: $0.value)
            })
    }
}

extension StreamsGroupMember {
    fileprivate var value: StreamsGroupMemberMetadataValue {
        StreamsGroupMemberMetadataValue(
            instanceId: instanceId, rackId: rackId, clientId: clientId, clientHost: clientHost,
            rebalanceTimeoutMs: rebalanceTimeoutMs, topologyEpoch: topologyEpoch, processId: processId,
            userEndpoint: userEndpoint.map { .init(host: $0.host, port: $0.port) },
            clientTags: clientTags.sorted { $0.key < $1.key }.map { .init(key: $0.key, value: $0.value) })
    }
}

extension StreamsGroupRecord.CurrentAssignment {
    fileprivate var value: StreamsGroupCurrentMemberAssignmentValue {
        func ids(_ tasks: TaskSet) -> [StreamsGroupCurrentMemberAssignmentValue.TaskIds] {
            tasks.sorted.map { .init(subtopologyId: $0.id, partitions: $0.partitions) }
        }
        return StreamsGroupCurrentMemberAssignmentValue(
            memberEpoch: memberEpoch, previousMemberEpoch: previousMemberEpoch, state: state.rawValue,
            activeTasks: ids(assigned.active), standbyTasks: ids(assigned.standby), warmupTasks: ids(assigned.warmup),
            activeTasksPendingRevocation: ids(pendingRevocation.active),
            standbyTasksPendingRevocation: ids(pendingRevocation.standby),
            warmupTasksPendingRevocation: ids(pendingRevocation.warmup))
    }
}

// MARK: Reading

extension StreamsGroupRecord {
    /// The types of keys that belong to streams groups.
    static func isKeyType(_ type: Int16) -> Bool { type == 17 || 19...23 ~= type }

    /// Reads a record of one of these types.
    ///
    /// - Throws: `.corrupt` and `.truncated` for bytes that are no such record, `.unsupported` for a version of the
    ///   value that only newer brokers know.
    static func decoded(
        key: ByteBuffer, value: ByteBuffer?
    ) throws(WireError) -> (groupId: String, record: StreamsGroupRecord) {
        var reader = WireReader(key)
        let type = try reader.readInt16()
        switch type {
        case 17:
            let key = try StreamsGroupMetadataKey(from: &reader, version: type)
            let value: StreamsGroupMetadataValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .group(value.map(Metadata.init)))
        case 19:
            let key = try StreamsGroupMemberMetadataKey(from: &reader, version: type)
            let value: StreamsGroupMemberMetadataValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .member(key.memberId, value.map { StreamsGroupMember(key.memberId, $0) }))
        case 20:
            let key = try StreamsGroupTargetAssignmentMetadataKey(from: &reader, version: type)
            let value: StreamsGroupTargetAssignmentMetadataValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .targetEpoch(value?.assignmentEpoch, at: value?.assignmentTimestamp ?? 0))
        case 21:
            let key = try StreamsGroupTargetAssignmentMemberKey(from: &reader, version: type)
            let value: StreamsGroupTargetAssignmentMemberValue? = try CoordinatorRecord.decoded(value)
            let tasks = value.map { value in
                StreamsTasks(
                    active: TaskSet(value.activeTasks.map { ($0.subtopologyId, $0.partitions) }),
                    standby: TaskSet(value.standbyTasks.map { ($0.subtopologyId, $0.partitions) }),
                    warmup: TaskSet(value.warmupTasks.map { ($0.subtopologyId, $0.partitions) }))
            }
            return (key.groupId, .target(key.memberId, tasks))
        case 22:
            let key = try StreamsGroupCurrentMemberAssignmentKey(from: &reader, version: type)
            let value: StreamsGroupCurrentMemberAssignmentValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .current(key.memberId, value.map(CurrentAssignment.init)))
        case 23:
            let key = try StreamsGroupTopologyKey(from: &reader, version: type)
            let value: StreamsGroupTopologyValue? = try CoordinatorRecord.decoded(value)
            return (key.groupId, .topology(value.map { StreamsTopology($0) }))
        default: throw .unsupported("record type \(type) of a streams group")
        }
    }
}

extension StreamsGroupRecord.Metadata {
    fileprivate init(_ value: StreamsGroupMetadataValue) {
        epoch = value.epoch
        hash = value.metadataHash
        validatedTopologyEpoch = value.validatedTopologyEpoch
        assignmentConfigs = Dictionary((value.lastAssignmentConfigs ?? []).map { ($0.key, $0.value) }) { $1 }
    }
}

extension StreamsGroupMember {
    fileprivate init(_ memberId: String, _ value: StreamsGroupMemberMetadataValue) {
        self.init(memberId: memberId)
        instanceId = value.instanceId
        rackId = value.rackId
        clientId = value.clientId
        clientHost = value.clientHost
        rebalanceTimeoutMs = value.rebalanceTimeoutMs
        topologyEpoch = value.topologyEpoch
        processId = value.processId
        userEndpoint = value.userEndpoint.map { Endpoint(host: $0.host, port: $0.port) }
        clientTags = Dictionary(value.clientTags.map { ($0.key, $0.value) }) { $1 }
    }
}

extension StreamsGroupRecord.CurrentAssignment {
    fileprivate init(_ value: StreamsGroupCurrentMemberAssignmentValue) {
        func tasks(_ ids: [StreamsGroupCurrentMemberAssignmentValue.TaskIds]) -> TaskSet {
            TaskSet(ids.map { ($0.subtopologyId, $0.partitions) })
        }
        memberEpoch = value.memberEpoch
        previousMemberEpoch = value.previousMemberEpoch
        state = StreamsGroupMember.State(rawValue: value.state) ?? .unknown
        assigned = StreamsTasks(
            active: tasks(value.activeTasks), standby: tasks(value.standbyTasks), warmup: tasks(value.warmupTasks))
        pendingRevocation = StreamsTasks(
            active: tasks(value.activeTasksPendingRevocation), standby: tasks(value.standbyTasksPendingRevocation),
            warmup: tasks(value.warmupTasksPendingRevocation))
    }
}
