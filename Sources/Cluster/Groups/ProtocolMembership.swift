import NIOCore

/// A place in a group of any protocol type: members meet in rounds, and in each the leader decides for all.
package actor ProtocolMembership {
    package enum Event: Hashable, Sendable {
        /// The group meets anew: stop what the last round gave, then ask for the next event.
        case rebalancing
        /// The group has settled; this is the member's part.
        case settled(GroupRound)
        /// The group went on without this member, and others may do its part.
        case lost
    }

    private let member: ClassicMember
    private let protocols: @Sendable () async -> [GroupProtocol]
    private let assign: @Sendable (GroupProposal) async throws(ClusterError) -> [String: ByteBuffer]
    /// Whether the owner has a part that it was not told to stop.
    private var hasPart = false

    init(
        _ member: ClassicMember, _ protocols: @escaping @Sendable () async -> [GroupProtocol],
        _ assign: @escaping @Sendable (GroupProposal) async throws(ClusterError) -> [String: ByteBuffer]
    ) {
        self.member = member
        self.protocols = protocols
        self.assign = assign
    }

    /// Waits for the next event; nil after `leave`, or when the task is cancelled. One caller at a time. Joins with the
    /// first call.
    ///
    /// - Throws: as `ConsumerMembership.next`, and what the leader's decision throws.
    package func next() async throws(ClusterError) -> Event? {
        while !Task.isCancelled {
            let generation = member.changes.generation
            if await member.isOver { return nil }
            if let failure = await member.failure { throw failure }
            // Also while the group meets: until the next round is settled, what the last one gave may still be in use.
            if await member.takeLost() {
                hasPart = false
                return .lost
            }
            guard await member.needsRound else {
                await member.changes.wait(after: generation)
                continue
            }
            if hasPart {
                hasPart = false
                return .rebalancing
            }
            do throws(ClusterError) {
                // A member that was forgotten while it joined joins again.
                guard case .round(let round) = try await member.round(protocols(), assign: assign) else {
                    return .lost
                }
                hasPart = true
                return .settled(round)
            } catch {
                if Task.isCancelled { return nil }
                if await member.isOver { return nil }
                throw error
            }
        }
        return nil
    }

    /// Makes the group meet anew, because what this member offers has changed.
    package func requestRound() async { await member.requestRound() }

    package var identity: GroupIdentity { get async { await member.identity } }

    /// Leaves, so that the others need not wait for a timeout. Repeated calls do nothing.
    package func leave() async { await member.leave() }
}
