import KafkaMessages
import TestKit
import Testing

@testable import Coordinators

@Suite struct ShareGroupTests {
    /// Codes and messages of upstream `GroupCoordinatorService`.
    @Test(
        arguments: [
            ("MemberId can't be empty.", ShareGroupHeartbeatRequest(groupId: "g", subscribedTopicNames: ["a"])),
            (
                "GroupId can't be empty.",
                ShareGroupHeartbeatRequest(groupId: " ", memberId: "m", subscribedTopicNames: ["a"])
            ),
            ("MemberEpoch is invalid.", ShareGroupHeartbeatRequest(groupId: "g", memberId: "m", memberEpoch: -2)),
            (
                "RackId can't be empty.",
                ShareGroupHeartbeatRequest(groupId: "g", memberId: "m", rackId: "", subscribedTopicNames: ["a"])
            ),
            (
                "SubscribedTopicNames must be set in first request.",
                ShareGroupHeartbeatRequest(groupId: "g", memberId: "m", subscribedTopicNames: nil)
            ),
            (
                "SubscribedTopicNames must be set in first request.",
                ShareGroupHeartbeatRequest(groupId: "g", memberId: "m", subscribedTopicNames: [])
            ),
        ])
    func `refuses an invalid request and leaves nothing behind`(message: String, request: ShareGroupHeartbeatRequest) {
        let bench = ConsumerGroupBench()
        let response = bench.share(request)
        #expect(response.errorCode == ErrorCode.invalidRequest.rawValue)
        #expect(response.errorMessage == message)
        #expect(bench.shard.groups.isEmpty && bench.log.isEmpty)
    }

    @Test func `assignments are made no more often than the interval says`() {
        let bench = ConsumerGroupBench()
        var settings = ShareMembershipSettings()
        settings.assignmentIntervalMs = 5000
        func beat(_ memberId: String, _ epoch: Int32) -> ShareGroupHeartbeatResponse {
            bench.share(
                .init(
                    groupId: "g", memberId: memberId, memberEpoch: epoch, subscribedTopicNames: epoch == 0 ? ["a"] : nil
                ),
                settings: settings)
        }
        #expect(bench.assignment(beat("m1", 0)) == ["a": [0, 1, 2, 3]])
        #expect(bench.assignment(beat("m2", 0)) == [:])
        bench.advance(ms: 4999)
        #expect(beat("m1", 1).memberEpoch == 1)
        bench.advance(ms: 1)
        #expect(bench.assignment(beat("m2", 1))?["a"]?.count == 2)
        #expect(bench.shareGroup?.assignmentEpoch == 2)
    }

    @Test func `members share the partitions from the first heartbeat on`() throws {
        let bench = ConsumerGroupBench([("a", 4)])
        let first = bench.shareJoin("m1")
        #expect(first.errorCode == 0 && first.memberEpoch == 1 && first.memberId == "m1")
        #expect(first.heartbeatIntervalMs == 5000)
        #expect(bench.assignment(first) == ["a": [0, 1, 2, 3]])
        let second = bench.shareJoin("m2")
        #expect(second.memberEpoch == 2)
        #expect(bench.assignment(second)?["a"]?.count == 2)
        // The first hears of it with its next heartbeat, and then there is nothing new.
        let moved = bench.shareBeat("m1", 1)
        #expect(moved.memberEpoch == 2 && bench.assignment(moved)?["a"]?.count == 2)
        let count = bench.log.count
        let quiet = bench.shareBeat("m1", 2)
        #expect(quiet.memberEpoch == 2 && quiet.assignment == nil && bench.log.count == count)
        #expect(bench.shareGroup?.stateName == "Stable")
        #expect(try bench.replayed().groups == bench.shard.groups)
    }

    @Test func `a member may repeat its last epoch and no other`() {
        let bench = ConsumerGroupBench()
        _ = bench.shareJoin("m1")
        _ = bench.shareJoin("m2")
        _ = bench.shareBeat("m1", 1)
        #expect(bench.shareBeat("m1", 1).memberEpoch == 2)
        let greater = bench.shareBeat("m1", 3)
        #expect(greater.errorCode == ErrorCode.fencedMemberEpoch.rawValue)
        #expect(
            greater.errorMessage
                == "The share group member has a greater member epoch (3) than the one known by the group coordinator (2)."
                + " The member must abandon all its partitions and rejoin.")
        #expect(bench.shareBeat("m3", 1).errorCode == ErrorCode.unknownMemberId.rawValue)
        #expect(bench.shareBeat("m3", -1).errorCode == ErrorCode.unknownMemberId.rawValue)
        // Whoever joins anew stays the same member.
        #expect(bench.shareJoin("m1").memberEpoch == 2)
        #expect(bench.shareGroup?.members.count == 2)
    }

    @Test func `who leaves or is silent leaves its partitions to the others`() throws {
        let bench = ConsumerGroupBench([("a", 4)])
        for member in ["m1", "m2", "m3"] { _ = bench.shareJoin(member) }
        let left = bench.shareBeat("m3", -1)
        #expect(left.errorCode == 0 && left.memberEpoch == -1)
        bench.advance(ms: 30_000)
        #expect(bench.shareBeat("m1", 1).errorCode == 0)
        bench.advance(ms: 20_000)
        #expect(bench.shareGroup?.members.keys.sorted() == ["m1"])
        let alone = bench.shareBeat("m1", bench.shareGroup?.members["m1"]?.memberEpoch ?? 0)
        #expect(bench.assignment(alone) == ["a": [0, 1, 2, 3]])
        #expect(try bench.replayed().groups == bench.shard.groups)
        _ = bench.shareBeat("m1", -1)
        #expect(bench.shareGroup?.stateName == "Empty")
        // Nobody is in it, and it stays: where its delivery is is not forgotten by itself.
        bench.advance(ms: 30 * 24 * 3_600_000)
        #expect(bench.shareGroup != nil)
    }

    @Test func `topics that come, grow and go are news`() throws {
        let bench = ConsumerGroupBench([("a", 1)])
        let first = bench.shareJoin("m", ["a", "b"])
        #expect(bench.assignment(first) == ["a": [0]])
        bench.topics.create("b", 2)
        let second = bench.shareBeat("m", 1)
        #expect(second.memberEpoch == 2 && bench.assignment(second) == ["a": [0], "b": [0, 1]])
        bench.topics.enlarge("b", to: 3)
        #expect(bench.assignment(bench.shareBeat("m", 2)) == ["a": [0], "b": [0, 1, 2]])
        bench.topics.create("c", 2)
        #expect(bench.shareBeat("m", 3).assignment == nil)
        bench.topics.delete("a")
        bench.deliver(bench.shard.topicsDeleted(["a"], at: bench.time))
        #expect(bench.assignment(bench.shareBeat("m", 3)) == ["b": [0, 1, 2]])
        #expect(bench.shareGroup?.topics.values.map(\.name) == ["b"])
        #expect(bench.assignment(bench.shareBeat("m", 4, ["c"])) == ["c": [0, 1]])
        #expect(try bench.replayed().groups == bench.shard.groups)
    }

    @Test func `a group takes so many members and no more`() {
        let bench = ConsumerGroupBench()
        var settings = ShareMembershipSettings()
        settings.maxSize = 2
        func join(_ member: String) -> ShareGroupHeartbeatResponse {
            bench.share(.init(groupId: "g", memberId: member, subscribedTopicNames: ["a"]), settings: settings)
        }
        #expect(join("m1").errorCode == 0 && join("m2").errorCode == 0 && join("m1").errorCode == 0)
        let third = join("m3")
        #expect(third.errorCode == ErrorCode.groupMaxSizeReached.rawValue)
        #expect(third.errorMessage == "The share group has reached its maximum capacity of 2 members.")
    }

    @Test func `the id of a group of another type is not found, and the other way round`() {
        let bench = ConsumerGroupBench()
        #expect(bench.join("m").errorCode == 0)
        let share = bench.shareJoin("s")
        #expect(share.errorCode == ErrorCode.groupIdNotFound.rawValue)
        #expect(share.errorMessage == "Group g is not a share group.")
        #expect(bench.shareJoin("s", group: "h").errorCode == 0)
        let consumer = bench.join("m", group: "h")
        #expect(consumer.errorCode == ErrorCode.groupIdNotFound.rawValue)
        #expect(consumer.errorMessage == "Group h is not a consumer group.")
        let token = bench.token()
        bench.deliver(
            bench.shard.joinGroup(
                .init(
                    groupId: "h", sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, memberId: "",
                    protocolType: "consumer", protocols: [.init(name: "range")]), version: 3, client: bench.client,
                token: token, at: bench.time, topics: bench.topics))
        let classic: JoinGroupResponse? = bench.take(token)
        #expect(classic?.errorCode == ErrorCode.inconsistentGroupProtocol.rawValue)
        #expect(bench.shard.describe("h", version: 6).errorMessage == "Group h is not a classic group.")
        #expect(bench.shard.list(types: ["SHARE"]).map(\.groupId) == ["h"])
        #expect(bench.shard.list(states: ["stable"], types: ["share"]).first?.protocolType == "share")
        #expect(bench.shard.shareGroupDescribe("g", topics: bench.topics).errorCode == 69)
    }

    @Test func `offsets are altered and topics forgotten while nobody is there`() throws {
        let bench = ConsumerGroupBench([("a", 2), ("b", 1)])
        let facts = try #require(bench.topics.facts(named: "b"))
        func alter() -> Result<Int32, ConsumerGroupError> {
            let (decision, result) = bench.shard.alterShareGroupOffsets("g", [(facts, 0)], at: bench.time)
            bench.deliver(decision)
            return result
        }
        func code<T>(_ result: Result<T, ConsumerGroupError>) -> ErrorCode? {
            if case .failure(let error) = result { error.code } else { nil }
        }
        #expect(code(alter()) == .groupIdNotFound)
        _ = bench.shareJoin("m")
        #expect(code(alter()) == .nonEmptyGroup)
        _ = bench.shareBeat("m", -1)
        let epoch = try alter().get()
        #expect(epoch == bench.shareGroup?.epoch && epoch == 3)
        #expect(bench.shareGroup?.topics.values.map(\.name).sorted() == ["a", "b"])
        let (decision, result) = bench.shard.forgetShareGroupTopics("g", [facts.id], at: bench.time)
        bench.deliver(decision)
        #expect(code(result) == nil)
        #expect(bench.shareGroup?.topics.values.map(\.name) == ["a"])
        #expect(try bench.replayed().groups == bench.shard.groups)
        let deletion = bench.shard.delete("g", at: bench.time)
        #expect(deletion.error == .none)
        bench.deliver(deletion.decision)
        #expect(bench.shard.groups.isEmpty)
        #expect(try bench.replayed().groups.isEmpty)
    }

    @Test func `what the log refuses has not happened`() {
        let bench = ConsumerGroupBench()
        bench.appendError = .notLeaderOrFollower
        #expect(bench.shareJoin("m").errorCode != 0)
        #expect(bench.shard.groups.isEmpty)
        bench.appendError = nil
        _ = bench.shareJoin("m")
        let before = bench.shareGroup
        bench.appendError = .notLeaderOrFollower
        #expect(bench.shareJoin("m2").errorCode != 0)
        #expect(bench.shareGroup == before)
    }

    /// Random members, topics and restarts: the log makes the group that there is; once all have been heard of nobody is
    /// behind, and every partition has a member.
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `the log makes the same group`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bench = ConsumerGroupBench([("a", 3), ("b", 2)])
        var epochs: [String: Int32] = [:]
        for _ in 0..<150 {
            let member = "m\(Int.random(in: 0..<6, using: &random))"
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<3:
                let names = [["a"], ["b"], ["a", "b"], ["a", "c"]].randomElement(using: &random)
                let response = bench.shareJoin(member, names)
                #expect(response.errorCode == 0)
                epochs[member] = response.memberEpoch
            case 3..<8:
                guard let epoch = epochs[member] else { continue }
                let response = bench.shareBeat(member, epoch)
                #expect(response.errorCode == 0 || bench.shareGroup?.members[member] == nil)
                epochs[member] = response.errorCode == 0 ? response.memberEpoch : nil
            case 8:
                if epochs.removeValue(forKey: member) != nil { _ = bench.shareBeat(member, -1) }
            case 9: bench.advance(ms: Int64.random(in: 1...20_000, using: &random))
            case 10:
                if bench.topics.facts(named: "c") == nil {
                    bench.topics.create("c", 2)
                } else {
                    bench.topics.delete("c")
                    bench.deliver(bench.shard.topicsDeleted(["c"], at: bench.time))
                }
            default:
                let restarted = try bench.replayed()
                #expect(restarted.groups == bench.shard.groups)
                bench.shard = restarted
            }
        }
        guard let group = bench.shareGroup else { return }
        for _ in 0..<2 {
            for (member, state) in group.members {
                _ = bench.shareBeat(member, bench.shareGroup?.members[member]?.memberEpoch ?? state.memberEpoch)
            }
        }
        guard let settled = bench.shareGroup, !settled.isEmpty else { return }
        #expect(settled.members.values.allSatisfy { $0.memberEpoch == settled.epoch })
        for topic in settled.subscribedTopics(bench.topics) {
            for partition in 0..<topic.partitionCount {
                #expect(settled.members.values.contains { $0.assigned.contains(topic.id, partition) })
            }
        }
    }
}
