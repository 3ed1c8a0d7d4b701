import KafkaMessages
import NIOCore

/// The classic protocol of one member, whatever its group is about: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
///
/// - SeeAlso: upstream `AbstractCoordinator`.
actor ClassicMember {
    enum Outcome {
        case round(GroupRound)
        /// The coordinator does not know the member, or its generation, any more; it must begin anew.
        case lost
    }

    nonisolated let group: String
    nonisolated let protocolType: String
    nonisolated let options: MembershipOptions
    nonisolated let requests: any RequestChannel
    /// JoinGroup and SyncGroup wait at the broker until all members are there.
    private nonisolated let waiting: any RequestChannel
    /// Notified when the owner has something to look at.
    nonisolated let changes = Signal()

    /// Notified when a JoinGroup has told the member's id, or there is none under way any more.
    private nonisolated let joined = Signal()

    private var memberId = ""
    private var generation: Int32 = -1
    /// The place that was lost last. A name that no coordinator gives, at first.
    private var lost: (memberId: String, generation: Int32) = ("(none)", 0)
    /// Whether the member must join, for the first time or again.
    private(set) var needsRound = true
    private(set) var failure: ClusterError?
    private var isLost = false
    private var isJoining = false
    private(set) var isOver = false
    private var heart: Task<Void, Never>?

    init(_ requests: any RequestChannel, _ group: String, _ protocolType: String, _ options: MembershipOptions) {
        self.requests = requests
        self.group = group
        self.protocolType = protocolType
        self.options = options
        waiting = requests.separate()
    }

    deinit {
        heart?.cancel()
        waiting.close()
    }

    /// Without a place in the group it is one that the coordinator refuses: no member id and no generation would be
    /// somebody outside, who may commit to a group without members.
    var identity: GroupIdentity {
        let place = generation >= 0 ? (memberId, generation) : lost
        return GroupIdentity(
            group: group, memberId: place.0, generation: place.1, instanceId: options.instanceId)
    }

    /// Makes the member join again, because what it offers has changed.
    func requestRound() {
        needsRound = true
        changes.notify()
    }

    /// Whether the member was put out since the last call.
    func takeLost() -> Bool {
        defer { isLost = false }
        return isLost
    }

    /// Joins and waits until the group has settled.
    ///
    /// - Parameter assign: decides for all, if this member leads.
    /// - Throws: what no attempt will mend, what `assign` throws, and `.requestTimedOut` on cancellation.
    func round(
        _ protocols: [GroupProtocol],
        assign: @Sendable (GroupProposal) async throws(ClusterError) -> [String: ByteBuffer]
    ) async throws(ClusterError) -> Outcome {
        isJoining = true
        defer {
            isJoining = false
            joined.notify()
        }
        startHeart()
        while !isOver {
            let answer = try await join(protocols)
            // Also one that is over has to know its id, to leave.
            if memberId.isEmpty {
                memberId = answer.memberId
                joined.notify()
            }
            switch ErrorCode(rawValue: answer.errorCode) {
            case .none: break
            case .memberIdRequired:
                memberId = answer.memberId
                continue
            case .unknownMemberId, .illegalGeneration:
                forgetGeneration(memberId: answer.errorCode == ErrorCode.unknownMemberId.rawValue)
                return .lost
            case let code: throw fail(ClusterError(code: code, "join group '\(group)'"))
            }
            guard !isOver else { break }  // left meanwhile, with the id that it had
            memberId = answer.memberId
            generation = answer.generationId
            let name = answer.protocolName ?? ""
            var assignments: [String: ByteBuffer] = [:]
            if answer.leader == answer.memberId, !answer.skipAssignment {
                assignments = try await assign(
                    GroupProposal(
                        generation: answer.generationId, memberId: answer.memberId, protocolName: name,
                        members: answer.members.map {
                            .init(id: $0.memberId, instanceId: $0.groupInstanceId, metadata: $0.metadata)
                        }))
            }
            let synced = try await sync(name, assignments)
            switch ErrorCode(rawValue: synced.errorCode) {
            case .none:
                needsRound = false
                return .round(
                    GroupRound(
                        generation: answer.generationId, memberId: answer.memberId, leader: answer.leader,
                        protocolName: name, assignment: synced.assignment))
            case .rebalanceInProgress: continue  // another member came meanwhile
            case .unknownMemberId, .illegalGeneration:
                forgetGeneration(memberId: synced.errorCode == ErrorCode.unknownMemberId.rawValue)
                return .lost
            case let code: throw fail(ClusterError(code: code, "join group '\(group)'"))
            }
        }
        return .lost
    }

    private func join(_ protocols: [GroupProtocol]) async throws(ClusterError) -> JoinGroupResponse {
        let memberId = memberId
        let (group, protocolType, options) = (group, protocolType, options)
        return try await waiting.coordinated(
            by: .groupCoordinator(group), "join group '\(group)'", versions: options.instanceId == nil ? 0...9 : 5...9,
            timeout: patience, retried: [.rebalanceInProgress]
        ) { version in
            JoinGroupRequest(
                groupId: group, sessionTimeoutMs: options.sessionTimeout.milliseconds,
                rebalanceTimeoutMs: version >= 1 ? options.rebalanceTimeout.milliseconds : -1, memberId: memberId,
                groupInstanceId: options.instanceId, protocolType: protocolType,
                protocols: protocols.map { .init(name: $0.name, metadata: $0.metadata) })
        } code: {
            $0.errorCode
        }
    }

    private func sync(
        _ protocolName: String, _ assignments: [String: ByteBuffer]
    ) async throws(ClusterError) -> SyncGroupResponse {
        let identity = identity
        let protocolType = protocolType
        return try await waiting.coordinated(
            by: .groupCoordinator(group), "join group '\(group)'",
            versions: options.instanceId == nil ? 0...5 : 3...5, timeout: patience
        ) { version in
            SyncGroupRequest(
                groupId: identity.group, generationId: identity.generation, memberId: identity.memberId,
                groupInstanceId: identity.instanceId, protocolType: version >= 5 ? protocolType : nil,
                protocolName: version >= 5 ? protocolName : nil,
                assignments: assignments.sorted { $0.key < $1.key }.map { .init(memberId: $0, assignment: $1) })
        } code: {
            $0.errorCode
        }
    }

    /// The coordinator answers when all members are there, or the slowest has had its time.
    private var patience: Duration { options.rebalanceTimeout + requests.timeout }

    private func forgetGeneration(memberId isUnknown: Bool) {
        if generation >= 0 { lost = (memberId, generation) }
        generation = -1
        if isUnknown { memberId = "" }
        needsRound = true
    }

    private func fail(_ error: ClusterError) -> ClusterError {
        failure = error
        return error
    }

    // MARK: Signs of life

    private func startHeart() {
        guard heart == nil else { return }
        let interval = options.heartbeatInterval
        // Owned by the member: `leave` awaits its end, and a member that is dropped takes it along.
        heart = Task { [weak self] in
            while true {
                do { try await Task.sleep(for: interval) } catch { return }
                guard let self, await self.beat() else { return }
            }
        }
    }

    /// - Returns: whether to go on.
    private func beat() async -> Bool {
        guard !isOver else { return false }
        // Waiting in JoinGroup or SyncGroup counts as a sign of life.
        guard !isJoining, generation >= 0, failure == nil else { return true }
        let identity = identity
        let answer: HeartbeatResponse
        do throws(ClusterError) {
            answer = try await requests.coordinated(
                by: .groupCoordinator(group), "heartbeat to group '\(group)'",
                versions: options.instanceId == nil ? 0...4 : 3...4, timeout: options.sessionTimeout
            ) { _ in
                HeartbeatRequest(
                    groupId: identity.group, generationId: identity.generation, memberId: identity.memberId,
                    groupInstanceId: identity.instanceId)
            } code: {
                $0.errorCode
            }
        } catch {
            return !Task.isCancelled  // the coordinator is away: it will say itself whether it still knows the member
        }
        // What was said about a generation that is over says nothing about the present one.
        guard !isOver, !isJoining, identity == self.identity else { return !isOver }
        switch ErrorCode(rawValue: answer.errorCode) {
        case .none: break
        case .rebalanceInProgress:
            if !needsRound { requestRound() }
        case .unknownMemberId, .illegalGeneration:
            isLost = true
            forgetGeneration(memberId: answer.errorCode == ErrorCode.unknownMemberId.rawValue)
            changes.notify()
        case let code:
            failure = ClusterError(code: code, "stay in group '\(group)'")
            changes.notify()
        }
        return true
    }

    /// Leaves the group. Static members stay, until the session times out.
    func leave() async {
        guard !isOver else { return }
        isOver = true
        changes.notify()
        // The coordinator tells a new member its id at once and then waits for it to join: one that left without knowing it
        // would hold up the others until its session is over.
        let seen = joined.generation
        if isJoining, memberId.isEmpty, options.instanceId == nil {
            await joined.wait(after: seen, timeout: .seconds(2))
        }
        waiting.close()
        heart?.cancel()
        await heart?.value
        let (group, memberId) = (group, memberId)
        guard !memberId.isEmpty, options.instanceId == nil else { return }
        // Nothing depends on the answer: a coordinator that was not told notices the silence.
        _ = try? await requests.coordinated(
            by: .groupCoordinator(group), "leave group '\(group)'", timeout: min(requests.timeout, .seconds(5))
        ) { version -> LeaveGroupRequest in
            version >= 3
                ? LeaveGroupRequest(groupId: group, members: [.init(memberId: memberId, groupInstanceId: nil)])
                : LeaveGroupRequest(groupId: group, memberId: memberId)
        } code: {
            $0.errorCode
        }
    }
}
