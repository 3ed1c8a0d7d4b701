import KafkaMessages
import NIOCore

extension ClassicGroup {
    /// A JoinGroup whose group id and session timeout are valid.
    struct Join {
        var request: JoinGroupRequest
        var version: Int16
        var client: ClientIdentity
        var token: ReplyToken
        /// The id for a member that has none.
        var newMemberId: String

        var memberId: String { request.memberId }

        /// - Parameter newMemberId: used when the request carries no member id.
        init(
            _ request: JoinGroupRequest, version: Int16, client: ClientIdentity, token: ReplyToken, newMemberId: String
        ) {
            self.request = request
            // Version 0 has one timeout for both.
            if version == 0 { self.request.rebalanceTimeoutMs = request.sessionTimeoutMs }
            // The bytes outlive the frame they came in; a slice would keep all of it.
            var names: Set<String> = []
            self.request.protocols = request.protocols.filter { names.insert($0.name).inserted }.map {
                .init(name: $0.name, metadata: ByteBuffer(buffer: $0.metadata))
            }
            self.version = version
            self.client = client
            self.token = token
            self.newMemberId = newMemberId
        }

        func refuse(_ error: ErrorCode, memberId: String? = nil, _ effects: inout GroupEffects) {
            var response = JoinGroupResponse(error: error, memberId: memberId ?? request.memberId)
            response.settle(version: version)
            effects.replies.append(Reply(token, response))
        }
    }

    /// Takes a member in, or back. The answer comes when the round ends.
    mutating func join(_ join: Join, _ context: Context, _ effects: inout GroupEffects) {
        // A static member that lost its id comes back as the member that has its instance id: it takes no further place.
        let known = join.memberId.isEmpty ? join.request.groupInstanceId.flatMap { staticMembers[$0] } : join.memberId
        guard accepts(known, context) else {
            remove(memberId: join.memberId)
            join.refuse(.groupMaxSizeReached, memberId: "", &effects)
            return completeJoinIfAllJoined(context, &effects)
        }
        guard supports(type: join.request.protocolType, protocols: join.request.protocols) else {
            return join.refuse(.inconsistentGroupProtocol, &effects)
        }
        if join.memberId.isEmpty {
            joinNew(join, context, &effects)
        } else {
            joinExisting(join, context, &effects)
        }
    }

    /// Whether there is room for the member. While a round of joins is on, those who have joined it count: of a group
    /// that became too large the last ones to rejoin have to go.
    private func accepts(_ memberId: String?, _ context: Context) -> Bool {
        let known = memberId.flatMap { members[$0] }
        switch state {
        case .empty: return true
        case .preparingRebalance:
            return known?.awaitingJoin != nil || awaitingJoinCount < context.configuration.maxSize
        case .completingRebalance, .stable: return known != nil || members.count < context.configuration.maxSize
        }
    }

    private mutating func joinNew(_ join: Join, _ context: Context, _ effects: inout GroupEffects) {
        if let instanceId = join.request.groupInstanceId {
            if let current = staticMembers[instanceId], let position = members.position(of: current) {
                replaceStatic(at: position, join, context, &effects)
            } else {
                add(memberId: join.newMemberId, join, context, &effects)
            }
        } else if join.version >= 4 {
            // KIP-394: the id is given first, so that a client that retries does not leave members behind that nobody is.
            pendingMembers[join.newMemberId] = context.at.monotonic + Int64(join.request.sessionTimeoutMs)
            join.refuse(.memberIdRequired, memberId: join.newMemberId, &effects)
        } else {
            add(memberId: join.newMemberId, join, context, &effects)
        }
    }

    private mutating func joinExisting(_ join: Join, _ context: Context, _ effects: inout GroupEffects) {
        if pendingMembers[join.memberId] != nil {
            guard join.request.groupInstanceId == nil else { return join.refuse(.unknownMemberId, &effects) }
            return add(memberId: join.memberId, join, context, &effects)
        }
        let error = validate(memberId: join.memberId, instanceId: join.request.groupInstanceId)
        guard error == .none, let position = members.position(of: join.memberId) else {
            return join.refuse(error, &effects)
        }
        let isUnchanged = members.all[position].protocols == join.request.protocols
        switch state {
        case .preparingRebalance:
            rejoin(at: position, join, context, &effects)
        case .completingRebalance where isUnchanged:
            // The answer to its last JoinGroup was lost.
            var response = joinResponse(for: join.memberId)
            if isLeader(join.memberId) { response.members = joinedMembers }
            answer(join, response, &effects)
        case .stable where isUnchanged && !isLeader(join.memberId):
            answer(join, joinResponse(for: join.memberId), &effects)
        case .completingRebalance, .stable:
            // A leader that joins again wants a new assignment: it may have seen a change that we do not know of.
            rejoin(at: position, join, context, &effects)
        case .empty:
            join.refuse(.unknownMemberId, &effects)
        }
    }

    private func answer(_ join: Join, _ response: JoinGroupResponse, _ effects: inout GroupEffects) {
        var response = response
        response.settle(version: join.version)
        effects.replies.append(Reply(join.token, response))
    }

    private mutating func add(
        memberId: String, _ join: Join, _ context: Context, _ effects: inout GroupEffects
    ) {
        var member = ClassicMember(
            id: memberId, instanceId: join.request.groupInstanceId, client: join.client,
            rebalanceTimeoutMs: join.request.rebalanceTimeoutMs, sessionTimeoutMs: join.request.sessionTimeoutMs,
            protocols: join.request.protocols)
        member.isNew = true
        member.awaitingJoin = .init(token: join.token, version: join.version)
        member.keepAlive(at: context.at.monotonic, forMs: GroupConfiguration.newMemberJoinTimeoutMs)
        if members.isEmpty { protocolType = join.request.protocolType }
        pendingMembers[memberId] = nil
        members.append(member)
        if let instanceId = member.instanceId { staticMembers[instanceId] = memberId }
        if leader == nil { leader = memberId }
        if state == .preparingRebalance, isInitialRebalance { hasNewMember = true }
        rebalance(context, &effects)
    }

    private mutating func rejoin(
        at position: Int, _ join: Join, _ context: Context, _ effects: inout GroupEffects
    ) {
        update(at: position, join, &effects)
        rebalance(context, &effects)
    }

    /// Takes over what a JoinGroup says of a member and lets it wait.
    private mutating func update(at position: Int, _ join: Join, _ effects: inout GroupEffects) {
        // The client gave up on its last request and repeats it: one waiting request a member, the last one.
        reply(join: JoinGroupResponse(error: .rebalanceInProgress, memberId: join.memberId), at: position, &effects)
        members.all[position].protocols = join.request.protocols
        members.all[position].rebalanceTimeoutMs = join.request.rebalanceTimeoutMs
        members.all[position].sessionTimeoutMs = join.request.sessionTimeoutMs
        members.all[position].awaitingJoin = .init(token: join.token, version: join.version)
    }

    /// A static member is back with no memory of its id: it goes on under a new one, and who still uses the old one is
    /// fenced. When nothing else changes the group stays as it is (KIP-345).
    private mutating func replaceStatic(
        at position: Int, _ join: Join, _ context: Context, _ effects: inout GroupEffects
    ) {
        let oldLeader = leader ?? ""
        let oldId = members.all[position].id
        reply(join: JoinGroupResponse(error: .fencedInstanceId, memberId: oldId), at: position, &effects)
        reply(sync: SyncGroupResponse(errorCode: ErrorCode.fencedInstanceId.rawValue), at: position, &effects)
        var member = members.all[position]
        member.id = join.newMemberId
        member.client = join.client
        members.replace(at: position, with: member)
        if let instanceId = member.instanceId { staticMembers[instanceId] = member.id }
        if isLeader(oldId) { leader = member.id }
        if pendingSync.remove(oldId) != nil { pendingSync.insert(member.id) }
        update(at: position, join, &effects)
        members.all[position].keepAlive(at: context.at.monotonic)

        switch state {
        case .stable where selectProtocol() == protocolName:
            effects.persists = true
            var response = joinResponse(for: member.id)
            if join.version >= 9 {
                response.skipAssignment = isLeader(member.id)
                if response.skipAssignment { response.members = joinedMembers }
            } else {
                // KIP-814: an older client that learns that it leads would assign, and the group is not waiting for that.
                response.leader = oldLeader
            }
            reply(join: response, at: position, &effects)
        case .stable:
            rebalance(context, &effects)
        case .completingRebalance:
            // The leader may have the old id in the assignment it is making.
            prepareRebalance(context, &effects)
        case .preparingRebalance, .empty:
            completeJoinIfAllJoined(context, &effects)
        }
    }

    // MARK: Rounds

    /// Begins a round of joins, or ends the one that is on if nobody is left to wait for.
    mutating func rebalance(_ context: Context, _ effects: inout GroupEffects) {
        if state == .preparingRebalance {
            completeJoinIfAllJoined(context, &effects)
        } else {
            prepareRebalance(context, &effects)
        }
    }

    mutating func prepareRebalance(_ context: Context, _ effects: inout GroupEffects) {
        if state == .completingRebalance {
            // Who waits for an assignment has to join again.
            for position in members.all.indices { members.all[position].assignment = ByteBuffer() }
            replySyncs(SyncGroupResponse(errorCode: ErrorCode.rebalanceInProgress.rawValue), context, &effects)
        }
        pendingSync = []
        syncDeadline = .max
        isInitialRebalance = state == .empty
        transition(to: .preparingRebalance, at: context.at)
        if isInitialRebalance {
            let delay = Int64(max(0, context.configuration.initialRebalanceDelayMs))
            hasNewMember = false
            initialDelayRemainingMs = max(0, rebalanceTimeoutMs - delay)
            joinDeadline = context.at.monotonic + delay
            if delay == 0 { completeJoin(context, &effects) }
        } else if hasAllMembersJoined {
            completeJoin(context, &effects)
        } else {
            joinDeadline = context.at.monotonic + rebalanceTimeoutMs
        }
    }

    func canCompleteJoin() -> Bool { state == .preparingRebalance && !isInitialRebalance && hasAllMembersJoined }

    mutating func completeJoinIfAllJoined(_ context: Context, _ effects: inout GroupEffects) {
        if canCompleteJoin() { completeJoin(context, &effects) }
    }

    /// Ends the round of joins: who did not come is out, and the others get their generation.
    mutating func completeJoin(_ context: Context, _ effects: inout GroupEffects) {
        joinDeadline = .max
        // Static members keep their place until their session ends.
        for member in members.all where member.awaitingJoin == nil && !member.isStatic { remove(memberId: member.id) }
        if !members.isEmpty, !electJoinedLeader() {
            joinDeadline = context.at.monotonic + max(1, rebalanceTimeoutMs)
            return
        }
        isInitialRebalance = false
        hasNewMember = false
        pendingSync = []
        generation = generation == .max ? 1 : generation + 1
        guard !members.isEmpty else {
            protocolName = nil
            updateSubscribedTopics()
            transition(to: .empty, at: context.at)
            effects.persists = true
            return
        }
        protocolName = selectProtocol()
        updateSubscribedTopics()
        transition(to: .completingRebalance, at: context.at)
        for position in members.all.indices {
            let memberId = members.all[position].id
            var response = joinResponse(for: memberId)
            if isLeader(memberId) { response.members = joinedMembers }
            reply(join: response, at: position, &effects)
            members.all[position].keepAlive(at: context.at.monotonic)
            members.all[position].isNew = false
            pendingSync.insert(memberId)
        }
        syncDeadline = context.at.monotonic + max(1, rebalanceTimeoutMs)
    }

    /// Keeps the leader if it has joined, else takes the first member that has. False when nobody has.
    private mutating func electJoinedLeader() -> Bool {
        if let leader, members[leader]?.awaitingJoin != nil { return true }
        guard let next = members.all.first(where: { $0.awaitingJoin != nil }) else { return false }
        leader = next.id
        return true
    }

    /// Answers everybody that waits for its assignment. Their sessions begin anew: a deadline that passed meanwhile was
    /// ignored.
    mutating func replySyncs(_ response: SyncGroupResponse, _ context: Context, _ effects: inout GroupEffects) {
        for position in members.all.indices where members.all[position].awaitingSync != nil {
            var response = response
            response.assignment = members.all[position].assignment
            reply(sync: response, at: position, &effects)
            members.all[position].keepAlive(at: context.at.monotonic)
        }
    }
}
