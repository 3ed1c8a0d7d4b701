import KafkaMessages
import TestKit
import Testing

@testable import Coordinators

private func request(_ change: (inout StreamsGroupHeartbeatRequest) -> Void) -> StreamsGroupHeartbeatRequest {
    var request = StreamsGroupHeartbeatRequest(
        groupId: "g", memberId: "m", rebalanceTimeoutMs: 1000, topology: TestTopology.stateless("a").request,
        activeTasks: [], standbyTasks: [], warmupTasks: [])
    change(&request)
    return request
}

@Suite struct StreamsGroupTests {
    /// Codes and messages of upstream `GroupCoordinatorService`.
    @Test(
        arguments: [
            ("MemberId can't be empty.", request { $0.memberId = "" }),
            ("GroupId can't be empty.", request { $0.groupId = " " }),
            ("InstanceId can't be empty.", request { $0.instanceId = "" }),
            ("RackId can't be empty.", request { $0.rackId = "" }),
            ("RebalanceTimeoutMs must be provided in first request.", request { $0.rebalanceTimeoutMs = -1 }),
            ("ActiveTasks must be empty when (re-)joining.", request { $0.activeTasks = nil }),
            ("StandbyTasks must be empty when (re-)joining.", request { $0.standbyTasks = [.init()] }),
            ("WarmupTasks must be empty when (re-)joining.", request { $0.warmupTasks = nil }),
            ("Topology must be non-null when (re-)joining.", request { $0.topology = nil }),
            ("InstanceId can't be null.", request { ($0.memberEpoch, $0.topology) = (-2, nil) }),
            (
                "MemberEpoch is -3, but must be greater than or equal to -2.",
                request { ($0.memberEpoch, $0.topology) = (-3, nil) }
            ),
            (
                "If one task-type is non-null, all must be non-null.",
                request { ($0.memberEpoch, $0.topology, $0.warmupTasks) = (1, nil, nil) }
            ),
            ("Topology can only be provided when (re-)joining.", request { $0.memberEpoch = 1 }),
            (
                "ClientTags may be at most 100, of at most 1000 bytes each.",
                request { $0.clientTags = (0...100).map { .init(key: "\($0)") } }
            ),
            (
                "ClientTags may be at most 100, of at most 1000 bytes each.",
                request { $0.clientTags = [.init(key: "zone", value: String(repeating: "v", count: 1001))] }
            ),
            (
                "Regular expressions for source topics are not supported yet.",
                request { $0.topology?.subtopologies[0].sourceTopicRegex = ["a.*"] }
            ),
        ])
    func `refuses an invalid request and leaves nothing behind`(message: String, request: StreamsGroupHeartbeatRequest)
    {
        let bench = ConsumerGroupBench()
        let answer = bench.streams(request)
        #expect(answer.code == ErrorCode.invalidRequest.rawValue)
        #expect(answer.response.errorMessage == message)
        #expect(bench.shard.groups.isEmpty && bench.log.isEmpty)
    }

    @Test(
        arguments: [
            request { $0.topology?.subtopologies[0].stateChangelogTopics = [.init(name: "c", partitions: 3)] },
            request { $0.topology?.subtopologies[0].copartitionGroups = [.init(sourceTopics: [0, 1])] },
            request { $0.topology?.subtopologies[0].copartitionGroups = [.init(repartitionSourceTopics: [-1])] },
            request { $0.topology?.subtopologies[0].sourceTopics = [] },
            request { $0.topology?.subtopologies[0].repartitionSourceTopics = [.init(name: "r", partitions: -1)] },
            // Nobody writes it.
            request { $0.topology?.subtopologies[0].repartitionSourceTopics = [.init(name: "r")] },
            request { request in
                if let topology = request.topology?.subtopologies { request.topology?.subtopologies += topology }
            },
        ])
    func `refuses a topology in which nobody finds his way`(request: StreamsGroupHeartbeatRequest) {
        let bench = ConsumerGroupBench()
        #expect(bench.streams(request).code == ErrorCode.streamsInvalidTopology.rawValue)
        #expect(bench.shard.groups.isEmpty && bench.log.isEmpty)
    }

    @Test func `tasks move from one member to another once they are given up`() throws {
        let bench = ConsumerGroupBench([("a", 4)])
        let first = bench.streamsJoin("m1")
        #expect(first.code == 0 && first.epoch == 2 && first.active == ["0": [0, 1, 2, 3]])
        #expect(first.response.heartbeatIntervalMs == 5000 && first.statuses.isEmpty)
        #expect(bench.streamsGroup?.state == .stable)
        // The second waits for what the first still has.
        let second = bench.streamsJoin("m2")
        #expect(second.epoch == 3 && second.active == [:])
        #expect(bench.streamsGroup?.state == .reconciling)
        let told = bench.streamsBeat("m1", 2)
        #expect(told.epoch == 2 && told.active == ["0": [0, 1]])
        #expect(bench.streamsBeat("m2", 3).tasks == nil)
        let all = StreamsTasks(active: TaskSet(["0": [0, 1, 2, 3]]))
        #expect(bench.streamsBeat("m1", 2, owned: all).epoch == 2)
        let given = bench.streamsBeat("m1", 2, owned: StreamsTasks(active: TaskSet(["0": [0, 1]])))
        #expect(given.epoch == 3)
        #expect(bench.streamsBeat("m2", 3).active == ["0": [2, 3]])
        #expect(bench.streamsGroup?.state == .stable)
        let count = bench.log.count
        let quiet = bench.streamsBeat("m1", 3)
        #expect(quiet.epoch == 3 && quiet.tasks == nil && bench.log.count == count)
        #expect(try bench.streamsReplayIsSame())
    }

    @Test func `internal topics are made before tasks are assigned`() throws {
        let bench = ConsumerGroupBench([("a", 3)])
        let first = bench.streamsJoin("m1", .counting("a"))
        #expect(first.code == 0 && first.active == [:] && first.statuses == [.missingInternalTopics])
        #expect(first.details == ["Internal topics are missing: g-by-key-repartition, g-counts-changelog"])
        #expect(first.missing.map(\.name) == ["g-by-key-repartition", "g-counts-changelog"])
        #expect(first.missing.map(\.partitionCount) == [3, 3])
        #expect(first.missing[1].configs.map(\.value) == ["compact"])
        #expect(bench.streamsGroup?.state == .notReady)
        bench.make(first.missing)
        let second = bench.streamsBeat("m1", first.epoch)
        #expect(second.statuses.isEmpty && second.missing.isEmpty)
        #expect(second.active == ["0": [0, 1, 2], "1": [0, 1, 2]])
        #expect(try bench.streamsReplayIsSame())
    }

    @Test func `tells of topics that are missing or do not fit`() {
        let bench = ConsumerGroupBench([("b", 4), ("c", 3)])
        let missing = bench.streamsJoin("m1", .stateless("a", "b"))
        #expect(missing.statuses == [.missingSourceTopics] && missing.details == ["Source topics a are missing."])
        #expect(bench.streamsGroup?.state == .notReady)
        bench.topics.create("a", 2)
        #expect(bench.streamsBeat("m1", 2).active == ["0": [0, 1, 2, 3]])
        // And when one goes away again nobody has tasks.
        bench.topics.delete("a")
        let gone = bench.streamsBeat("m1", 3)
        #expect(gone.statuses == [.missingSourceTopics] && gone.active == [:])

        let other = ConsumerGroupBench([("b", 4), ("c", 3)])
        var joined = TestTopology.stateless("b", "c")
        joined.subtopologies[0].copartitionGroups = [.init(sourceTopics: [0, 1])]
        let different = other.streamsJoin("m1", joined)
        #expect(different.statuses == [.incorrectlyPartitionedTopics])
        #expect(different.details == ["Following topics do not have the same number of partitions: [{b=4, c=3}]"])

        let third = ConsumerGroupBench([("a", 3), ("g-counts-changelog", 5)])
        let wrong = third.streamsJoin("m1", .counting("a"))
        #expect(
            wrong.details
                == ["Existing topic g-counts-changelog has different number of partitions: expected 3, found 5"])
    }

    @Test func `repartition topics have as many partitions as what they are joined with`() {
        let bench = ConsumerGroupBench([("a", 2), ("b", 6)])
        var topology = TestTopology.counting("a")
        topology.subtopologies[1].sourceTopics = ["b"]
        topology.subtopologies[1].copartitionGroups = [.init(sourceTopics: [0], repartitionSourceTopics: [0])]
        #expect(bench.streamsJoin("m1", topology).missing.map(\.partitionCount) == [6, 6])
        // An application that wants another number cannot have it.
        topology.subtopologies[1].repartitionSourceTopics[0].partitions = 5
        let other = ConsumerGroupBench([("a", 2), ("b", 6)])
        #expect(other.streamsJoin("m1", topology).statuses == [.incorrectlyPartitionedTopics])
    }

    @Test func `a member may repeat its last epoch and no other`() {
        let bench = ConsumerGroupBench([("a", 4)])
        _ = bench.streamsJoin("m1")
        _ = bench.streamsJoin("m2")
        _ = bench.streamsBeat("m1", 2)
        let half = StreamsTasks(active: TaskSet(["0": [0, 1]]))
        #expect(bench.streamsBeat("m1", 2, owned: half).epoch == 3)
        #expect(bench.streamsBeat("m1", 2, owned: half).epoch == 3)
        let greater = bench.streamsBeat("m1", 9)
        #expect(greater.code == ErrorCode.fencedMemberEpoch.rawValue)
        #expect(
            greater.response.errorMessage
                == "The streams group member has a greater member epoch (9) than the one known by the group coordinator"
                + " (3). The member must abandon all its partitions and rejoin.")
        #expect(bench.streamsBeat("m1", 1, owned: half).code == ErrorCode.fencedMemberEpoch.rawValue)
        #expect(bench.streamsBeat("m9", 1).code == ErrorCode.unknownMemberId.rawValue)
        #expect(bench.streamsBeat("m9", -1).code == ErrorCode.unknownMemberId.rawValue)
        let strange = bench.streamsBeat("m1", 3, owned: StreamsTasks(active: TaskSet(["0": [4]])))
        #expect(strange.response.errorMessage?.hasPrefix("Task 4 for subtopology 0 is invalid.") == true)
        let unknown = bench.streamsBeat("m1", 3, owned: StreamsTasks(active: TaskSet(["7": [0]])))
        #expect(unknown.response.errorMessage == "Subtopology 7 does not exist in the topology.")
    }

    @Test func `the first member's topology is the group's`() {
        let bench = ConsumerGroupBench([("a", 1), ("b", 1)])
        var topology = TestTopology.stateless("a")
        topology.epoch = 1
        #expect(bench.streamsJoin("m1", topology).code == 0)
        topology.epoch = 2
        #expect(bench.streamsJoin("m2", topology).code == ErrorCode.streamsInvalidTopologyEpoch.rawValue)
        topology.epoch = 0
        #expect(bench.streamsJoin("m3", topology).statuses == [.staleTopology])
        var other = TestTopology.stateless("b")
        other.epoch = 1
        let refused = bench.streamsJoin("m4", other)
        #expect(refused.code == ErrorCode.invalidRequest.rawValue)
        #expect(refused.response.errorMessage == "Topology updates are not supported yet.")
    }

    @Test func `members that are silent or do not give up are removed`() throws {
        let bench = ConsumerGroupBench([("a", 4)])
        _ = bench.streamsJoin("m1")
        bench.advance(ms: 40_000)
        _ = bench.streamsJoin("m2")
        bench.advance(ms: 5_000)
        #expect(bench.streamsGroup?.members.keys.sorted() == ["m2"])
        #expect(bench.streamsBeat("m2", 3).active == ["0": [0, 1, 2, 3]])
        _ = bench.streamsJoin("m3")
        _ = bench.streamsBeat("m2", 4)
        // That it is there gives it no more time to give up what it has.
        let still: StreamsTasks? = StreamsTasks(active: TaskSet(["0": [0, 1, 2, 3]]))
        for _ in 0..<3 {
            bench.advance(ms: 3_000)
            _ = bench.streamsBeat("m2", 4, owned: still)
        }
        bench.advance(ms: 999)
        #expect(bench.streamsGroup?.members.count == 2)
        bench.advance(ms: 1)
        #expect(bench.streamsGroup?.members.keys.sorted() == ["m3"])
        #expect(try bench.streamsReplayIsSame())
        bench.advance(ms: 45_000)
        #expect(bench.streamsGroup?.state == .empty)
        // Without offsets there is nothing to keep it for.
        bench.advance(ms: 600_000)
        #expect(bench.streamsGroup == nil)
        #expect(try bench.replayed().groups.isEmpty)
    }

    @Test func `a static member comes back to its tasks`() throws {
        let bench = ConsumerGroupBench([("a", 4)])
        _ = bench.streamsJoin("m1", instanceId: "i1")
        let taken = bench.streamsJoin("m2", instanceId: "i1")
        #expect(taken.code == ErrorCode.unreleasedInstanceId.rawValue)
        #expect(bench.streamsBeat("m1", -2, instanceId: "i1").epoch == -2)
        let back = bench.streamsJoin("m2", process: "process-m1", instanceId: "i1")
        #expect(back.epoch == 2 && back.active == ["0": [0, 1, 2, 3]])
        #expect(bench.streamsBeat("m1", 2, instanceId: "i1").code == ErrorCode.fencedInstanceId.rawValue)
        #expect(bench.streamsBeat("m1", 2, instanceId: "i9").code == ErrorCode.unknownMemberId.rawValue)
        #expect(try bench.streamsReplayIsSame())
        #expect(bench.streamsBeat("m2", -1, instanceId: "i1").epoch == -1)
        #expect(bench.streamsGroup?.isEmpty == true)
    }

    @Test func `one member ends the application for all`() {
        let bench = ConsumerGroupBench()
        _ = bench.streamsJoin("m1")
        _ = bench.streamsJoin("m2")
        #expect(bench.streamsBeat("m1", 2, shutdown: true).statuses == [.shutdownApplication])
        let told = bench.streamsBeat("m2", 3)
        #expect(
            told.details
                == [
                    "Streams group member m1 encountered a fatal error and requested a shutdown for the entire"
                        + " application."
                ])
        _ = bench.streamsBeat("m1", -1)
        #expect(bench.streamsBeat("m2", 3).statuses == [.shutdownApplication])
        _ = bench.streamsBeat("m2", -1)
        #expect(bench.streamsJoin("m3").statuses.isEmpty)
    }

    @Test func `the first members wait for more, and changes for the interval`() throws {
        let bench = ConsumerGroupBench([("a", 4)])
        var settings = StreamsGroupSettings()
        settings.initialRebalanceDelayMs = 3000
        settings.assignmentIntervalMs = 1000
        let first = bench.streamsJoin("m1", settings: settings)
        #expect(first.epoch == 1 && first.active == [:] && first.statuses == [.assignmentDelayed])
        #expect(first.details == ["Assignment delayed due to the configured initial rebalance delay."])
        bench.advance(ms: 2999)
        #expect(bench.streamsJoin("m2", settings: settings).statuses == [.assignmentDelayed])
        #expect(bench.streamsGroup?.targets.isEmpty == true)
        bench.advance(ms: 1)
        #expect(bench.streamsGroup?.targets.count == 2)
        #expect(bench.streamsBeat("m1", 1, settings: settings).active == ["0": [0, 2]])
        #expect(bench.streamsBeat("m2", 1, settings: settings).active == ["0": [1, 3]])
        let third = bench.streamsJoin("m3", settings: settings)
        #expect(third.details == ["Assignment delayed due to the configured assignment interval."])
        bench.advance(ms: 1000)
        #expect(bench.streamsBeat("m3", third.epoch, settings: settings).statuses.isEmpty)
        #expect(bench.streamsGroup?.assignmentEpoch == bench.streamsGroup?.epoch)
        #expect(try bench.streamsReplayIsSame())
    }

    @Test func `members learn where state is`() {
        let bench = ConsumerGroupBench([("a", 2)])
        let first = bench.streamsJoin("m1", endpoint: .init(host: "h1", port: 8080))
        let told = first.response.partitionsByUserEndpoint ?? []
        #expect(told.map(\.userEndpoint.host) == ["h1"])
        #expect(told.first?.activePartitions.map(\.topic) == ["a"])
        #expect(told.first?.activePartitions.map(\.partitions) == [[0, 1]])
        let epoch = first.response.endpointInformationEpoch
        #expect(bench.streamsBeat("m1", 2, endpointEpoch: epoch).response.partitionsByUserEndpoint == nil)
    }

    @Test func `standbys are on other processes, and a change of their number is a reason to assign`() throws {
        let bench = ConsumerGroupBench([("a", 2)])
        bench.make(bench.streamsJoin("m1", .counting("a")).missing)
        _ = bench.streamsBeat("m1", 2)
        _ = bench.streamsJoin("m2", .counting("a"))
        let epoch = bench.streamsGroup?.epoch ?? 0
        var settings = StreamsGroupSettings()
        settings.standbyReplicaCount = 1
        _ = bench.streamsBeat("m2", epoch, settings: settings)
        #expect(bench.streamsGroup?.epoch == epoch + 1)
        for (memberId, target) in bench.streamsGroup?.targets ?? [:] {
            let other = bench.streamsGroup?.targets.first { $0.key != memberId }?.value
            #expect(target.standby["1"] == other?.active["1"])
        }
        #expect(try bench.streamsReplayIsSame())
    }

    @Test func `an empty classic group becomes a streams group and back`() throws {
        let bench = ConsumerGroupBench()
        bench.shard.groups["g"] = .classic(ClassicGroup(id: "g", wall: 0))
        #expect(bench.streamsBeat("m1", 3).code == ErrorCode.groupIdNotFound.rawValue)
        #expect(bench.streamsJoin("m1").code == 0)
        #expect(bench.shard.list(types: ["Streams"]).map(\.groupState) == ["Stable"])
        #expect(bench.shard.describe("g", version: 6).errorCode == ErrorCode.groupIdNotFound.rawValue)
        let refused = bench.join("c1")
        #expect(refused.errorMessage == "Group g is not a consumer group.")
        let (_, code) = bench.shard.delete("g", at: bench.time)
        #expect(code == .nonEmptyGroup)
        _ = bench.streamsBeat("m1", -1)
        let (decision, deleted) = bench.shard.delete("g", at: bench.time)
        bench.deliver(decision)
        #expect(deleted == .none && bench.shard.groups.isEmpty)
        #expect(try bench.replayed().groups.isEmpty)
    }

    @Test func `members commit at their epoch, and what they still have at an earlier one`() {
        let bench = ConsumerGroupBench([("a", 4)])
        _ = bench.streamsJoin("m1")
        _ = bench.streamsJoin("m2")
        func commit(_ member: String, _ epoch: Int32, _ partition: Int32, version: Int16 = 9) -> Int16? {
            let token = bench.token()
            bench.deliver(
                bench.shard.offsetCommit(
                    .init(
                        groupId: "g", generationIdOrMemberEpoch: epoch, memberId: member,
                        topics: [.init(name: "a", partitions: [.init(partitionIndex: partition, committedOffset: 5)])]),
                    version: version, token: token, at: bench.time, topics: bench.topics))
            let response: OffsetCommitResponse? = bench.take(token)
            return response?.topics.first?.partitions.first?.errorCode
        }
        #expect(commit("m1", 2, 0) == 0)
        #expect(commit("m1", 2, 0, version: 8) == ErrorCode.unsupportedVersion.rawValue)
        #expect(commit("m1", 7, 0) == ErrorCode.staleMemberEpoch.rawValue)
        #expect(commit("m9", 2, 0) == ErrorCode.unknownMemberId.rawValue)
        #expect(commit("", -1, 0) == ErrorCode.unknownMemberId.rawValue)
        _ = bench.streamsBeat("m1", 2)
        _ = bench.streamsBeat("m1", 2, owned: StreamsTasks(active: TaskSet(["0": [0, 1]])))
        // It is at epoch 3 and may not know yet.
        #expect(commit("m1", 2, 1) == 0)
        #expect(commit("m1", 2, 2) == ErrorCode.staleMemberEpoch.rawValue)
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `no two members have a task, and a broker that reads the log finds the same group`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bench = ConsumerGroupBench([("a", 5)])
        var settings = StreamsGroupSettings()
        settings.standbyReplicaCount = Int32.random(in: 0...2, using: &random)
        /// What each member holds and at which epoch it is.
        var held: [String: (tasks: StreamsTasks, epoch: Int32)] = [:]
        for step in 0..<120 {
            let name = "m\(Int.random(in: 0..<5, using: &random))"
            bench.advance(ms: Int64.random(in: 0...3000, using: &random))
            // Members that were removed are told so when they come next.
            held = held.filter { bench.streamsGroup?.members[$0.key] != nil }
            guard let member = held[name] else {
                let answer = bench.streamsJoin(
                    name, .counting("a"), process: "p\((Int(name.dropFirst()) ?? 0) % 3)", settings: settings)
                try #require(answer.code == 0)
                bench.make(answer.missing)
                held[name] = (answer.tasks ?? StreamsTasks(), answer.epoch)
                continue
            }
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                try #require(bench.streamsBeat(name, -1, settings: settings).code == 0)
                held[name] = nil
            default:
                let answer = bench.streamsBeat(name, member.epoch, owned: member.tasks, settings: settings)
                try #require(answer.code == 0, "\(answer.response.errorMessage ?? "")")
                held[name] = (answer.tasks ?? member.tasks, answer.epoch)
            }
            for (id, partitions) in held.values.reduce(
                into: [String: [Int32]](),
                { all, member in
                    for (id, partitions) in member.tasks.active.topics { all[id, default: []] += partitions }
                })
            {
                #expect(Set(partitions).count == partitions.count, "a task of \(id) has two members")
            }
            if step % 10 == 9 { #expect(try bench.streamsReplayIsSame()) }
        }
    }
}
