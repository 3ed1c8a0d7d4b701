import Bytes
import KafkaMessages

/// A streams group (KIP-1071): the members of a Kafka Streams application, its topology, and which member runs which
/// tasks.
///
/// What must survive a crash changes in one way only, by `apply` of a record: while the log is read again and while a
/// decision is made. Decisions are made on a copy (`StreamsGroupDraft`), so that the group itself stands still until the
/// log has the records.
///
/// - SeeAlso: upstream `StreamsGroup` and `GroupMetadataManager`, Kafka 4.3.
struct StreamsGroup: Sendable {
    enum State: String, Sendable {
        case empty = "Empty"
        /// Topics of the topology are missing or do not fit together.
        case notReady = "NotReady"
        /// The target assignment lags behind the members and the topics.
        case assigning = "Assigning"
        /// Members are on their way to the target assignment.
        case reconciling = "Reconciling"
        case stable = "Stable"
    }

    /// How far the state of tasks is that a member holds, as it last told.
    struct TaskOffsets: Sendable, Equatable {
        var current: [String: [Int32: Int64]] = [:]
        var end: [String: [Int32: Int64]] = [:]
    }

    let groupId: String

    // What the log keeps.

    /// `epoch` grows whenever members or topics change.
    private(set) var metadata = StreamsGroupRecord.Metadata()
    /// The epoch that the target assignment was made for.
    private(set) var assignmentEpoch: Int32 = 0
    private(set) var members: [String: StreamsGroupMember] = [:]
    private(set) var targets: [String: StreamsTasks] = [:]
    private(set) var topology: StreamsTopology?

    // What follows from it.

    private(set) var staticMemberIds: [String: String] = [:]

    // What a restart may forget.

    /// At which epoch each member got the active tasks that it has or is giving up (KIP-1251). After a restart it is the
    /// epoch at which the member was.
    private var assignmentEpochs: [String: [String: [Int32: Int32]]] = [:]
    var taskOffsets: [String: TaskOffsets] = [:]

    var timers = MemberTimers()
    /// The version of the topics that `configured` was last compared with.
    var topicsVersion: UInt64?
    var configured: ConfiguredTopology?
    /// When the target assignment was made, monotonic milliseconds.
    var assignmentTime: Int64?
    /// Until then the first members wait for more, monotonic milliseconds.
    var delayedUntil: Int64?
    /// The member that wants the whole application to end.
    var shutdownMemberId: String?
    /// Grows whenever it becomes known that state is somewhere else.
    var endpointEpoch: Int32 = 0

    init(groupId: String) { self.groupId = groupId }

    // MARK: Records

    /// Makes the change that a record stands for. Any order of records is taken: a log that was compacted in part may
    /// hold a member's tombstone without what came before it.
    mutating func apply(_ record: StreamsGroupRecord) {
        switch record {
        case .group(let metadata): self.metadata = metadata ?? .init()
        case .targetEpoch(let epoch, _): assignmentEpoch = epoch ?? 0
        case .target(let memberId, let tasks): targets[memberId] = tasks
        case .topology(let topology):
            self.topology = topology
            configured = nil
        case .member(let memberId, let description?): apply(description, to: memberId)
        case .member(let memberId, nil): remove(memberId)
        case .current(let memberId, let assignment?):
            var member = members[memberId] ?? StreamsGroupMember(memberId: memberId)
            noteEpochs(of: assignment, memberId)
            member.take(assignment)
            members[memberId] = member
        case .current(let memberId, nil):
            guard var member = members[memberId] else { return }
            assignmentEpochs[memberId] = nil
            member.loseAssignment()
            members[memberId] = member
        }
    }

    /// Takes what record 19 keeps; the assignment stays as it is.
    private mutating func apply(_ description: StreamsGroupMember, to memberId: String) {
        var member = description
        member.memberId = memberId
        if let existing = members[memberId] {
            member.take(.init(existing))
            forgetInstance(of: existing)
        }
        if let instanceId = member.instanceId { staticMemberIds[instanceId] = memberId }
        members[memberId] = member
    }

    private mutating func remove(_ memberId: String) {
        timers.remove(memberId)
        assignmentEpochs[memberId] = nil
        taskOffsets[memberId] = nil
        if let member = members.removeValue(forKey: memberId) { forgetInstance(of: member) }
        if members.isEmpty { shutdownMemberId = nil }
    }

    private mutating func forgetInstance(of member: StreamsGroupMember) {
        guard let instanceId = member.instanceId, staticMemberIds[instanceId] == member.memberId else { return }
        staticMemberIds[instanceId] = nil
    }

    private mutating func noteEpochs(of assignment: StreamsGroupRecord.CurrentAssignment, _ memberId: String) {
        let before = assignmentEpochs[memberId] ?? [:]
        var epochs: [String: [Int32: Int32]] = [:]
        for set in [assignment.pendingRevocation.active, assignment.assigned.active] {
            for (id, partitions) in set.topics {
                for partition in partitions {
                    epochs[id, default: [:]][partition] = before[id]?[partition] ?? max(0, assignment.memberEpoch)
                }
            }
        }
        assignmentEpochs[memberId] = epochs
    }

    // MARK: Questions

    var epoch: Int32 { metadata.epoch }

    var state: State {
        if members.isEmpty { return .empty }
        guard let topology, topology.epoch == metadata.validatedTopologyEpoch else { return .notReady }
        if epoch > assignmentEpoch { return .assigning }
        return members.values.allSatisfy { $0.isReconciled(to: assignmentEpoch) } ? .stable : .reconciling
    }

    var isEmpty: Bool { members.isEmpty }

    /// Whether a member had a task that reads a partition at `epoch` and has it still, or is giving it up.
    func had(_ partition: Int32, of topic: String, _ memberId: String, at epoch: Int32) -> Bool {
        guard let topology, let epochs = assignmentEpochs[memberId] else { return false }
        return topology.subtopologies.contains { subtopology in
            guard let since = epochs[subtopology.subtopologyId]?[partition], since <= epoch else { return false }
            return subtopology.reads(topic)
        }
    }

    func staticMember(_ instanceId: String) -> StreamsGroupMember? {
        staticMemberIds[instanceId].flatMap { members[$0] }
    }

    /// - Throws: 25.
    func member(_ memberId: String) throws(ConsumerGroupError) -> StreamsGroupMember {
        guard let member = members[memberId] else {
            throw ConsumerGroupError(.unknownMemberId, "Member \(memberId) is not a member of group \(groupId).")
        }
        return member
    }

    func isSubscribed(to topic: String) -> Bool { !isEmpty && topology?.reads(topic) == true }
}

extension StreamsGroup: Equatable {
    /// Whether what the log keeps is the same.
    static func == (a: StreamsGroup, b: StreamsGroup) -> Bool {
        a.groupId == b.groupId && a.metadata == b.metadata && a.assignmentEpoch == b.assignmentEpoch
            && a.members == b.members && a.targets == b.targets && a.topology == b.topology
            && a.staticMemberIds == b.staticMemberIds
    }
}

/// What a request to a streams group is decided with besides the group.
struct StreamsGroupContext {
    var settings: StreamsGroupSettings
    var topics: any TopicImage
    var time: EventTime

    /// The monotonic time in `milliseconds`.
    func deadline(after milliseconds: Int32) -> Int64 { time.monotonic + Int64(max(0, milliseconds)) }
}

/// A decision under way: a copy of the group that takes every record as it is made, so that each step sees what the
/// steps before it did.
struct StreamsGroupDraft {
    var group: StreamsGroup
    var records: [CoordinatorRecord] = []
    /// With what the group's next epoch begins.
    var nextMetadata: StreamsGroupRecord.Metadata

    init(_ group: StreamsGroup) {
        self.group = group
        nextMetadata = group.metadata
    }

    /// - Throws: 42 for a text that no record can hold.
    mutating func add(_ record: StreamsGroupRecord) throws(ConsumerGroupError) {
        do {
            records.append(try record.encoded(groupId: group.groupId))
        } catch {
            throw ConsumerGroupError(.invalidRequest, error.description)
        }
        group.apply(record)
    }
}
