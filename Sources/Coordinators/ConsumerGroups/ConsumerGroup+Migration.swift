import Bytes
package import KafkaMessages
import NIOCore

// A group changes its protocol while it has members.
//
// - SeeAlso: KIP-848, "Online migration"; upstream `convertToConsumerGroup` and `convertToClassicGroup`.

extension ConsumerGroup {
    /// The first heartbeat of a group: it is new, or was an empty group of the classic protocol.
    ///
    /// - Parameter records: what has to be written before, such as the tombstone of the classic group.
    package static func create(
        _ request: ConsumerGroupHeartbeatRequest, client: ClientIdentity, after records: [CoordinatorRecord] = [],
        _ context: ConsumerGroupContext
    ) -> ConsumerGroupOutcome<ConsumerGroupHeartbeatResponse> {
        var draft = ConsumerGroupDraft(ConsumerGroup(groupId: request.groupId))
        draft.records = records
        do throws(ConsumerGroupError) {
            return try draft.heartbeat(request, client, context)
        } catch {
            return ConsumerGroupOutcome(response: request.refused(error.code, error.message))
        }
    }

    /// A member of the consumer protocol joins a group of the classic one, which becomes a consumer group with it. The
    /// other members go on with the classic protocol and keep what they have until they have joined again. Those that
    /// wait in JoinGroup or SyncGroup are to be answered with 27 by the caller.
    ///
    /// Errors: 69 when the group cannot be upgraded, and those of the heartbeat.
    ///
    /// - Parameter records: what has to be written before: the tombstone of the classic group.
    package static func upgrade(
        _ classic: ClassicGroupForm, _ request: ConsumerGroupHeartbeatRequest, client: ClientIdentity,
        after records: [CoordinatorRecord], _ context: ConsumerGroupContext
    ) -> ConsumerGroupOutcome<ConsumerGroupHeartbeatResponse> {
        var draft = ConsumerGroupDraft(ConsumerGroup(groupId: request.groupId))
        draft.records = records
        do throws(ConsumerGroupError) {
            try draft.take(classic, context)
            return try draft.heartbeat(request, client, context)
        } catch {
            return ConsumerGroupOutcome(response: request.refused(error.code, error.message))
        }
    }
}

extension ConsumerGroupDraft {
    // MARK: Classic to consumer

    fileprivate mutating func take(
        _ classic: ClassicGroupForm, _ context: ConsumerGroupContext
    ) throws(ConsumerGroupError) {
        func refused(_ reason: String) -> ConsumerGroupError {
            ConsumerGroupError(
                .groupIdNotFound,
                "Cannot upgrade classic group \(classic.groupId) to consumer group because \(reason).")
        }
        guard context.settings.migrationPolicy.allowsUpgrade else { throw refused("online upgrade is disabled") }
        guard classic.protocolType == ConsumerProtocol.type else {
            throw refused("the group does not use the consumer embedded protocol")
        }
        guard classic.members.count <= context.settings.maxSize else {
            throw refused("the group size exceeds the consumer group maximum size")
        }

        var members: [ConsumerGroupMember] = []
        var owned: [(generation: Int32, member: Int, partitions: TopicPartitionSet)] = []
        for old in classic.members {
            let (subscription, assignment): (ConsumerProtocolSubscription, ConsumerProtocolAssignment)
            do throws(WireError) {
                let metadata =
                    old.protocols.first { $0.name == classic.protocolName }?.metadata
                    ?? old.protocols.first?.metadata
                subscription = try ConsumerProtocol.subscription(metadata ?? ByteBuffer())
                assignment = try ConsumerProtocol.assignment(old.assignment)
            } catch {
                throw refused("the embedded consumer protocol is malformed")
            }
            guard
                assignment.userData?.readableBytes ?? 0 == 0
                    || ConsumerProtocol.clientAssignors.contains(classic.protocolName ?? "")
            else {
                throw refused(
                    "an unsupported custom assignor is in use. Please refer to the documentation or switch to a"
                        + " default assignor before re-attempting the upgrade")
            }
            var member = ConsumerGroupMember(memberId: old.memberId)
            member.instanceId = old.instanceId
            member.rackId = subscription.rackId.flatMap { $0.isEmpty ? nil : $0 }
            member.clientId = old.clientId
            member.clientHost = old.clientHost
            member.rebalanceTimeoutMs = old.rebalanceTimeoutMs
            member.subscribedTopicNames = Set(subscription.topics).sorted()
            member.classic = .init(sessionTimeoutMs: old.sessionTimeoutMs, protocols: old.protocols)
            member.memberEpoch = classic.generation
            member.previousMemberEpoch = classic.generation
            member.assigned = TopicPartitionSet(
                named: assignment.assignedPartitions.map { ($0.topic, $0.partitions) }, topics: context.topics)
            let reported = TopicPartitionSet(
                named: subscription.ownedPartitions.map { ($0.topic, $0.partitions) }, topics: context.topics)
            owned.append((subscription.generationId, members.count, reported))
            members.append(member)
        }
        Self.addOwned(owned, to: &members)

        for member in members { try add(.member(member.memberId, member)) }
        try add(.groupEpoch(classic.generation))
        for member in members { try add(.target(member.memberId, member.assigned)) }
        try add(.targetEpoch(classic.generation))
        for member in members {
            try add(.current(member.memberId, .init(member)))
            let session = member.classic?.sessionTimeoutMs ?? context.settings.sessionTimeoutMs
            group.timers.heard(of: member.memberId, until: context.deadline(after: session))
        }
    }

    /// In a rebalance members may hold partitions that no assignment names any more, those of the cooperative protocol
    /// until they are told to give them up. They said so when they joined: unless another has it since, a partition is
    /// theirs, of the one that held it last.
    private static func addOwned(
        _ owned: [(generation: Int32, member: Int, partitions: TopicPartitionSet)],
        to members: inout [ConsumerGroupMember]
    ) {
        var taken: [KafkaUUID: Set<Int32>] = [:]
        for member in members {
            for (id, partitions) in member.assigned.topics { taken[id, default: []].formUnion(partitions) }
        }
        let latestFirst = owned.sorted { a, b in
            a.generation != b.generation ? a.generation > b.generation : a.member < b.member
        }
        for (_, member, held) in latestFirst {
            for (id, partitions) in held.topics {
                let free = partitions.filter { taken[id, default: []].insert($0).inserted }
                members[member].assigned[id] = members[member].assigned[id] + free
            }
        }
    }

    // MARK: Consumer to classic

    /// Whether only members of the classic protocol are left when these have left, and they may have a group of their
    /// own.
    func canDowngrade(without leaving: Set<String>, _ context: ConsumerGroupContext) -> Bool {
        let rest = group.members.values.filter { !leaving.contains($0.memberId) }
        return !rest.isEmpty && rest.allSatisfy(\.usesClassicProtocol)
            && context.settings.migrationPolicy.allowsDowngrade && rest.count <= context.settings.classicMaxSize
    }

    /// Whether a static member is the last that speaks the consumer protocol, and is about to be replaced by one that
    /// speaks the classic one.
    func canDowngrade(replacing member: ConsumerGroupMember, _ context: ConsumerGroupContext) -> Bool {
        !member.usesClassicProtocol
            && group.members.values.allSatisfy { $0.usesClassicProtocol || $0.memberId == member.memberId }
            && context.settings.migrationPolicy.allowsDowngrade
            && group.members.count <= context.settings.classicMaxSize
    }

    mutating func downgrade<Response>(
        without leaving: Set<String>, _ context: ConsumerGroupContext, _ response: Response
    ) throws(ConsumerGroupError) -> ConsumerGroupOutcome<Response> {
        let form = try classicForm(without: leaving, context)
        try removeGroup()
        return ConsumerGroupOutcome(
            records: records, successor: .classic(form, rebalance: true), response: response)
    }

    mutating func downgrade<Response>(
        rebalance: Bool, _ context: ConsumerGroupContext, _ response: Response
    ) throws(ConsumerGroupError) -> ConsumerGroupOutcome<Response> {
        let form = try classicForm(without: [], context)
        try removeGroup()
        return ConsumerGroupOutcome(
            records: records, successor: .classic(form, rebalance: rebalance), response: response)
    }

    /// The group for the classic protocol: its generation is the group's epoch, assignments are the target assignment.
    private func classicForm(
        without leaving: Set<String>, _ context: ConsumerGroupContext
    ) throws(ConsumerGroupError) -> ClassicGroupForm {
        var members: [ClassicGroupForm.Member] = []
        for member in group.members.values.sorted(by: { $0.memberId < $1.memberId }) {
            guard !leaving.contains(member.memberId), let classic = member.classic else { continue }
            let assignment: ByteBuffer
            do {
                assignment = try ConsumerProtocol.bytes(
                    group.targets[member.memberId] ?? TopicPartitionSet(), for: classic.protocols.first?.metadata,
                    topics: context.topics)
            } catch {
                throw ConsumerGroupError(
                    .groupIdNotFound, "Cannot downgrade the consumer group \(group.groupId): \(error.description).")
            }
            members.append(
                .init(
                    memberId: member.memberId, instanceId: member.instanceId, clientId: member.clientId,
                    clientHost: member.clientHost, rebalanceTimeoutMs: member.rebalanceTimeoutMs,
                    sessionTimeoutMs: classic.sessionTimeoutMs, protocols: classic.protocols,
                    assignment: assignment))
        }
        return ClassicGroupForm(
            groupId: group.groupId, generation: group.epoch, protocolType: ConsumerProtocol.type, protocolName: nil,
            members: members)
    }
}
