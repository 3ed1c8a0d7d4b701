import Bytes
import KafkaMessages
import NIOCore

/// What an event does to a group besides changing it.
struct GroupEffects {
    var replies: [Reply] = []
    /// Whether the group is to be written to the log as it is after the event.
    var persists = false
}

/// A group of the classic protocol: the client that leads it assigns the work.
///
/// ```
///              join                     all joined, or time is up            leader's sync
///   Empty ─────────────► Preparing ───────────────────────► Completing ─────────────────────► Stable
///     ▲                  Rebalance ◄──────────────────────── Rebalance                          │
///     └───────────────────── │    ◄─────────────────────────────────────────────────────────────┘
///        nobody is left              a join, a leave, a member that falls silent
/// ```
///
/// A pure value: events come with their time, answers go into `GroupEffects`. Group ids, session timeouts and the like
/// have been checked before.
///
/// - SeeAlso: upstream `ClassicGroup` and the classic half of `GroupMetadataManager`; KIP-62, 134, 345, 394, 559, 814.
struct ClassicGroup: Sendable, Equatable {
    /// The raw values are the names in Kafka's responses.
    enum State: String, Sendable, CaseIterable {
        case empty = "Empty"
        case preparingRebalance = "PreparingRebalance"
        case completingRebalance = "CompletingRebalance"
        case stable = "Stable"
    }

    /// What all the group's methods need to know.
    struct Context {
        var configuration: GroupConfiguration
        var at: EventTime
    }

    static let consumerProtocolType = "consumer"

    let id: String
    private(set) var state = State.empty
    /// Wall clock; nil when an old record did not tell.
    var stateTimestamp: Int64?
    var generation: Int32 = 0
    /// "consumer", "connect", "sr" or whatever the first member said; nil for a group that only has offsets.
    var protocolType: String?
    /// The protocol of this generation.
    var protocolName: String?
    var leader: String?
    var members = MemberTable()
    /// Member ids of static members by instance id.
    var staticMembers: [String: String] = [:]
    /// Ids that were handed out with MEMBER_ID_REQUIRED and when they lapse.
    var pendingMembers: [String: Int64] = [:]
    /// Members of this generation that have not sent SyncGroup.
    var pendingSync: Set<String> = []
    /// Topics of all members of a `consumer` group; nil when the group is of another type or its metadata is not readable.
    var subscribedTopics: Set<String>?

    /// Whether the round began in an empty group: it then lasts for the initial delay, however many have joined.
    var isInitialRebalance = false
    /// Whether somebody joined since the initial delay was set, which extends it.
    var hasNewMember = false
    /// What is left of the time by which the initial delay may be extended.
    var initialDelayRemainingMs: Int64 = 0
    /// When the round of joins ends at the latest.
    var joinDeadline = Int64.max
    /// When members that did not sync are removed.
    var syncDeadline = Int64.max

    init(id: String, wall: Int64?) {
        self.id = id
        stateTimestamp = wall
    }

    // MARK: What is asked of a group

    var isConsumerType: Bool { protocolType == Self.consumerProtocolType }

    /// The longest rebalance timeout of its members.
    var rebalanceTimeoutMs: Int64 { Int64(members.all.reduce(0) { max($0, $1.rebalanceTimeoutMs) }) }

    var awaitingJoinCount: Int { members.all.count { $0.awaitingJoin != nil } }

    /// Whether nobody is left to wait for in this round.
    var hasAllMembersJoined: Bool { pendingMembers.isEmpty && members.all.allSatisfy { $0.awaitingJoin != nil } }

    func isLeader(_ id: String) -> Bool { leader == id }

    /// Whether the group is known to read `topic`. A consumer group that we cannot look into is taken to read all.
    func isSubscribed(to topic: String) -> Bool { subscribedTopics.map { $0.contains(topic) } ?? isConsumerType }

    /// The earliest of all its deadlines.
    var nextDeadline: Int64? {
        var next = min(joinDeadline, syncDeadline)
        for member in members.all { next = min(next, member.sessionDeadline) }
        for deadline in pendingMembers.values { next = min(next, deadline) }
        return next == .max ? nil : next
    }

    /// UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID for a static member that has been replaced.
    func validate(memberId: String, instanceId: String?) -> ErrorCode {
        if let instanceId {
            guard let current = staticMembers[instanceId] else { return .unknownMemberId }
            guard current == memberId else { return .fencedInstanceId }
        }
        return members.contains(memberId) ? .none : .unknownMemberId
    }

    /// Whether a member with these protocols can be in the group: one of them must be supported by everybody.
    func supports(type: String, protocols: ClassicMember.Protocols) -> Bool {
        if state == .empty { return !type.isEmpty && !protocols.isEmpty }
        guard type == protocolType else { return false }
        return protocols.contains { candidate in
            members.all.allSatisfy { member in member.protocols.contains { $0.name == candidate.name } }
        }
    }

    /// The protocol that most members prefer among those that all support; the leader decides ties.
    func selectProtocol() -> String? {
        guard let first = leader.flatMap({ members[$0] }) ?? members.all.first else { return nil }
        let candidates = first.protocols.map(\.name).filter { name in
            members.all.allSatisfy { member in member.protocols.contains { $0.name == name } }
        }
        var votes: [String: Int] = [:]
        for member in members.all {
            guard let vote = member.protocols.first(where: { candidates.contains($0.name) }) else { continue }
            votes[vote.name, default: 0] += 1
        }
        var selected: String?
        for name in candidates where votes[name, default: 0] > selected.map({ votes[$0, default: 0] }) ?? -1 {
            selected = name
        }
        return selected
    }

    // MARK: Changing it

    mutating func transition(to next: State, at: EventTime) {
        state = next
        stateTimestamp = at.wall
    }

    mutating func remove(memberId: String) {
        if let member = members.remove(memberId), let instanceId = member.instanceId {
            staticMembers[instanceId] = nil
        }
        if isLeader(memberId) { leader = members.all.first?.id }
        pendingMembers[memberId] = nil
        pendingSync.remove(memberId)
    }

    /// Answers the member's waiting JoinGroup, if it has one.
    mutating func reply(join response: JoinGroupResponse, at position: Int, _ effects: inout GroupEffects) {
        guard let awaiting = members.all[position].awaitingJoin else { return }
        members.all[position].awaitingJoin = nil
        var response = response
        response.settle(version: awaiting.version)
        effects.replies.append(Reply(awaiting.token, response))
    }

    /// Answers the member's waiting SyncGroup, if it has one.
    mutating func reply(sync response: SyncGroupResponse, at position: Int, _ effects: inout GroupEffects) {
        guard let token = members.all[position].awaitingSync else { return }
        members.all[position].awaitingSync = nil
        effects.replies.append(Reply(token, response))
    }

    /// A successful answer to JoinGroup for the current generation.
    func joinResponse(for memberId: String) -> JoinGroupResponse {
        JoinGroupResponse(
            generationId: generation, protocolType: protocolType, protocolName: protocolName, leader: leader ?? "",
            memberId: memberId)
    }

    /// All members with their metadata, for the leader.
    var joinedMembers: [JoinGroupResponse.JoinGroupResponseMember] {
        members.all.map {
            .init(memberId: $0.id, groupInstanceId: $0.instanceId, metadata: $0.metadata(for: protocolName))
        }
    }

    /// Reads the subscriptions of a `consumer` group; no other type is looked into. Version 0 is the beginning of all
    /// versions of the consumer protocol.
    mutating func updateSubscribedTopics() {
        subscribedTopics = nil
        guard isConsumerType else { return }
        guard !members.isEmpty else {
            subscribedTopics = []
            return
        }
        guard let protocolName else { return }
        var topics: Set<String> = []
        for member in members.all {
            var reader = WireReader(member.metadata(for: protocolName))
            do {
                let version = try reader.readInt16()
                guard version >= 0 else { return }
                topics.formUnion(try ConsumerProtocolSubscription(from: &reader, version: 0).topics)
            } catch {
                return  // clients may put anything there: the group works, only its topics are not known
            }
        }
        subscribedTopics = topics
    }
}

extension JoinGroupResponse {
    /// A refusal.
    init(error: ErrorCode, memberId: String = "") {
        self.init(errorCode: error.rawValue, protocolName: nil, memberId: memberId)
    }

    /// Fits the response to a version: before version 7 the protocol's name cannot be null.
    mutating func settle(version: Int16) {
        if version < 7, protocolName == nil { protocolName = "" }
    }
}
