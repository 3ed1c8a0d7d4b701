/// A member that the coordinator leads by epochs from its current to its target assignment: of a consumer group (KIP-848) or
/// of a streams group (KIP-1071).
package protocol ReconcilingMember: Sendable {
    associatedtype State: Sendable, Equatable
    associatedtype Assignment: MemberAssignment

    /// What the members' group is called in messages.
    static var groupKind: String { get }

    var memberId: String { get set }
    /// Grows while the member stays; 0 while it joins, -2 while a static member is away.
    var memberEpoch: Int32 { get set }
    var previousMemberEpoch: Int32 { get set }
    var state: State { get set }
    var assigned: Assignment { get set }
    /// What it has to give up, and nobody else may have before it did.
    var pendingRevocation: Assignment { get set }
}

/// What members are given: partitions, or tasks.
package protocol MemberAssignment: Sendable, Equatable {
    init()
    func isSubset(of other: Self) -> Bool
}

extension PartitionSet: MemberAssignment {}
extension StreamsTasks: MemberAssignment {}

/// How far a member has come, as its record keeps it.
package struct CurrentAssignment<Member: ReconcilingMember>: Sendable, Equatable {
    package var memberEpoch: Int32
    package var previousMemberEpoch: Int32
    package var state: Member.State
    package var assigned: Member.Assignment
    package var pendingRevocation: Member.Assignment

    package init(_ member: Member) {
        memberEpoch = member.memberEpoch
        previousMemberEpoch = member.previousMemberEpoch
        state = member.state
        assigned = member.assigned
        pendingRevocation = member.pendingRevocation
    }
}

extension ReconcilingMember {
    /// Moves on to an epoch and remembers the one before, in which the member may still speak once.
    mutating func advance(to epoch: Int32) {
        previousMemberEpoch = memberEpoch
        memberEpoch = epoch
    }

    mutating func take(_ current: CurrentAssignment<Self>) {
        memberEpoch = current.memberEpoch
        previousMemberEpoch = current.previousMemberEpoch
        state = current.state
        assigned = current.assigned
        pendingRevocation = current.pendingRevocation
    }

    /// As a tombstone of its assignment leaves it.
    mutating func loseAssignment() {
        memberEpoch = MemberEpoch.leave
        previousMemberEpoch = MemberEpoch.leave
        assigned = Assignment()
        pendingRevocation = Assignment()
    }

    /// A static member under the id that it comes back with: at epoch 0, with what it had.
    func rejoining(as memberId: String) -> Self {
        var member = self
        member.memberId = memberId
        member.memberEpoch = MemberEpoch.join
        member.previousMemberEpoch = MemberEpoch.join
        return member
    }

    /// A member may repeat its last epoch: the response that moved it on may have been lost.
    ///
    /// - Parameter owned: what the member says it has; nil when it does not say.
    /// - Throws: 110.
    func check(epoch: Int32, owned: Assignment?) throws(ConsumerGroupError) {
        if epoch == MemberEpoch.join || epoch == memberEpoch { return }
        if epoch < memberEpoch, epoch == previousMemberEpoch, let owned, owned.isSubset(of: assigned) { return }
        throw ConsumerGroupError.fencedEpoch(epoch, Self.groupKind, known: memberEpoch)
    }

    /// Checks that the instance is still the one that asks.
    ///
    /// - Throws: 82.
    func check(instance instanceId: String, is memberId: String) throws(ConsumerGroupError) {
        guard self.memberId == memberId else {
            throw ConsumerGroupError.fencedInstance(instanceId, memberId, by: self.memberId)
        }
    }
}
