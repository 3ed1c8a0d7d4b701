import Bytes
package import KafkaMessages

/// A share group (KIP-932): its members and which partitions each reads. What has been delivered to whom is not kept
/// here but with the partitions.
///
/// What must survive a crash changes in one way only, by `apply` of a record: while the log is read again and while a
/// decision is made. Decisions are made on a copy (`ShareGroupDraft`), so that the group itself stands still until the
/// log has the records.
///
/// - SeeAlso: upstream `ShareGroup` and `GroupMetadataManager`, Kafka 4.3.
package struct ShareGroup: Sendable {
    package let groupId: String

    // What the log keeps.

    /// Grows whenever members, subscriptions or topics change.
    package private(set) var epoch: Int32 = 0
    /// Of the topics subscribed to as the last decision about them saw them.
    package private(set) var metadataHash: Int64 = 0
    /// The epoch that the target assignment was made for.
    package private(set) var assignmentEpoch: Int32 = 0
    package private(set) var members: [String: ShareGroupMember] = [:]
    package private(set) var targets: [String: TopicPartitionSet] = [:]
    /// The partitions that the group has begun to read, by their topics.
    package private(set) var topics: [KafkaUUID: ShareGroupTopic] = [:]

    // What a restart may forget.

    var timers = MemberTimers()
    /// The version of the topics that `metadataHash` was last compared with.
    var topicsVersion: UInt64?
    /// When the target assignment was made, monotonic milliseconds.
    var assignmentTime: Int64?

    package init(groupId: String) { self.groupId = groupId }

    /// Makes the change that a record stands for. Any order of records is taken: a log that was compacted in part may
    /// hold a member's tombstone without what came before it.
    package mutating func apply(_ record: ShareGroupRecord) {
        switch record {
        case .groupEpoch(let epoch, let hash):
            self.epoch = epoch ?? 0
            metadataHash = hash
        case .targetEpoch(let epoch): assignmentEpoch = epoch ?? 0
        case .target(let memberId, let partitions): targets[memberId] = partitions
        case .partitions(let topics): self.topics = topics ?? [:]
        case .member(let memberId, let description?):
            var member = description
            if let existing = members[memberId] {
                member.memberEpoch = existing.memberEpoch
                member.previousMemberEpoch = existing.previousMemberEpoch
                member.assigned = existing.assigned
            }
            members[memberId] = member
        case .member(let memberId, nil):
            members[memberId] = nil
            timers.remove(memberId)
        case .current(let memberId, let assignment):
            guard var member = members[memberId] ?? assignment.map({ _ in ShareGroupMember(memberId: memberId) })
            else { return }
            member.memberEpoch = assignment?.memberEpoch ?? MemberEpoch.leave
            member.previousMemberEpoch = assignment?.previousMemberEpoch ?? MemberEpoch.leave
            member.assigned = assignment?.assigned ?? TopicPartitionSet()
            members[memberId] = member
        }
    }

    // MARK: Questions

    package var isEmpty: Bool { members.isEmpty }

    /// Members of share groups never wait for each other: there is no other state in between.
    package var stateName: String { isEmpty ? "Empty" : "Stable" }

    package func isSubscribed(to topic: String) -> Bool {
        members.values.contains { $0.subscribedTopicNames.contains(topic) }
    }

    /// - Throws: 25.
    func member(_ memberId: String) throws(ConsumerGroupError) -> ShareGroupMember {
        guard let member = members[memberId] else {
            throw ConsumerGroupError(.unknownMemberId, "Member \(memberId) is not a member of group \(groupId).")
        }
        return member
    }

    /// The topics that exist of those subscribed to, in the order of their names.
    func subscribedTopics(_ image: any TopicImage) -> [TopicFacts] {
        var names: Set<String> = []
        for member in members.values { names.formUnion(member.subscribedTopicNames) }
        return names.sorted().compactMap { image.facts(named: $0) }
    }
}

extension ShareGroup: Equatable {
    /// Whether what the log keeps is the same.
    package static func == (a: ShareGroup, b: ShareGroup) -> Bool {
        a.groupId == b.groupId && a.epoch == b.epoch && a.metadataHash == b.metadataHash
            && a.assignmentEpoch == b.assignmentEpoch && a.members == b.members && a.targets == b.targets
            && a.topics == b.topics
    }
}

/// A decision under way: a copy of the group that takes every record as it is made, so that each step sees what the
/// steps before it did.
struct ShareGroupDraft {
    var group: ShareGroup
    var records: [CoordinatorRecord] = []

    init(_ group: ShareGroup) { self.group = group }

    /// - Throws: 42 for a text that no record can hold.
    mutating func add(_ record: ShareGroupRecord) throws(ConsumerGroupError) {
        do {
            records.append(try record.encoded(groupId: group.groupId))
        } catch {
            throw ConsumerGroupError(.invalidRequest, error.description)
        }
        group.apply(record)
    }
}
