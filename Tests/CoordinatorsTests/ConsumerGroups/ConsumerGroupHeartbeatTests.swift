import KafkaMessages
import NIOCore
import Testing

@testable import Coordinators

/// One row of the table of invalid requests.
struct InvalidHeartbeat: Sendable, CustomStringConvertible {
    var description: String
    var version: Int16 = 1
    var code: ErrorCode = .invalidRequest
    var message: String
    var change: @Sendable (inout ConsumerGroupHeartbeatRequest) -> Void

    init(
        _ description: String, version: Int16 = 1, code: ErrorCode = .invalidRequest, _ message: String,
        _ change: @escaping @Sendable (inout ConsumerGroupHeartbeatRequest) -> Void
    ) {
        self.description = description
        self.version = version
        self.code = code
        self.message = message
        self.change = change
    }

    /// Codes and messages of upstream `GroupCoordinatorService`.
    static let all = [
        InvalidHeartbeat("no group", "GroupId can't be empty.") { $0.groupId = " " },
        InvalidHeartbeat("no member", "MemberId can't be empty.") { $0.memberId = "" },
        InvalidHeartbeat("no member, v0", version: 0, "MemberId can't be empty.") {
            $0.memberId = ""
            $0.memberEpoch = 3
        },
        InvalidHeartbeat("no member that leaves, v0", version: 0, "MemberId can't be empty.") {
            $0.memberId = ""
            $0.memberEpoch = -1
        },
        InvalidHeartbeat("empty instance", "InstanceId can't be empty.") { $0.instanceId = "" },
        InvalidHeartbeat("empty rack", "RackId can't be empty.") { $0.rackId = "" },
        InvalidHeartbeat("no timeout", "RebalanceTimeoutMs must be provided in first request.") {
            $0.rebalanceTimeoutMs = -1
        },
        InvalidHeartbeat("no partitions", "TopicPartitions must be empty when (re-)joining.") {
            $0.topicPartitions = nil
        },
        InvalidHeartbeat("partitions", "TopicPartitions must be empty when (re-)joining.") {
            $0.topicPartitions = [.init(topicId: KafkaUUID(high: 1, low: 1), partitions: [0])]
        },
        InvalidHeartbeat(
            "no subscription",
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
        ) { $0.subscribedTopicNames = nil },
        InvalidHeartbeat("nobody leaves for a while", "InstanceId can't be null.") { $0.memberEpoch = -2 },
        InvalidHeartbeat("epoch", "MemberEpoch is invalid.") { $0.memberEpoch = -3 },
        InvalidHeartbeat(
            "assignor", code: .unsupportedAssignor,
            "ServerAssignor sticky is not supported. Supported assignors: uniform, range."
        ) { $0.serverAssignor = "sticky" },
        InvalidHeartbeat(
            "expression", code: .invalidRegularExpression,
            "SubscribedTopicRegex `a(?=b)` is not a valid regular expression: invalid or unsupported Perl syntax: `(?=b)`."
        ) { $0.subscribedTopicRegex = "a(?=b)" },
        InvalidHeartbeat("group that is not there", code: .groupIdNotFound, "Consumer group g not found.") {
            $0.memberEpoch = 3
        },
        InvalidHeartbeat("leaves no group", code: .groupIdNotFound, "Consumer group g not found.") {
            $0.memberEpoch = -1
        },
    ]
}

@Suite struct ConsumerGroupHeartbeatTests {
    @Test(arguments: InvalidHeartbeat.all)
    func `refuses an invalid request and leaves nothing behind`(row: InvalidHeartbeat) {
        let bench = ConsumerGroupBench()
        var request = ConsumerGroupHeartbeatRequest(
            groupId: "g", memberId: "m", memberEpoch: 0, rebalanceTimeoutMs: 1000, subscribedTopicNames: ["a"],
            topicPartitions: [])
        row.change(&request)
        let response = bench.heartbeat(request, version: row.version)
        #expect(response.errorCode == row.code.rawValue)
        #expect(response.errorMessage == row.message)
        #expect(bench.shard.groups.isEmpty)
        #expect(bench.log.isEmpty)
        #expect(bench.shard.nextDeadline == nil)
    }

    @Test func `a lone member has everything with its first heartbeat`() throws {
        let bench = ConsumerGroupBench([("a", 3), ("b", 2)])
        let joined = bench.join("m1", ["b", "a", "nowhere"])
        #expect(joined.errorCode == 0)
        #expect(joined.memberId == "m1")
        #expect(joined.memberEpoch == 1)
        #expect(joined.heartbeatIntervalMs == 5000)
        #expect(bench.assignment(joined) == ["a": [0, 1, 2], "b": [0, 1]])
        let next = bench.beat("m1", 1, owned: ["a": [0, 1, 2], "b": [0, 1]])
        #expect(next.errorCode == 0)
        #expect(next.assignment == nil)
        #expect(bench.group?.state == .stable)
        // Record types in the order of upstream's decisions: member, topics, epoch, target, target epoch, current.
        #expect(bench.log.map { $0.key.getInteger(at: 0, as: Int16.self) } == [5, 4, 3, 7, 6, 8])
        let isSame = try bench.replayIsSame()
        #expect(isSame)
    }

    @Test func `version 0 gets its member id from the broker`() throws {
        let bench = ConsumerGroupBench()
        let first = bench.join("", version: 0)
        let second = bench.join("", version: 0)
        let ids = try [#require(first.memberId), #require(second.memberId)]
        #expect(ids.allSatisfy { KafkaUUID(base64url: $0) != nil })
        #expect(ids[0] != ids[1])
    }

    /// Worked through by hand after KIP-848, "Rebalance process".
    @Test func `partitions move when their owner has given them up`() throws {
        let bench = ConsumerGroupBench([("a", 4)])
        _ = bench.join("m1")
        let joined = bench.join("m2")
        #expect(joined.memberEpoch == 2)
        #expect(bench.assignment(joined) == [:])
        #expect(bench.group?.state == .reconciling)

        let told = bench.beat("m1", 1)
        #expect(told.memberEpoch == 1)
        #expect(bench.assignment(told) == ["a": [0, 1]])
        let busy = bench.beat("m1", 1, owned: ["a": [0, 1, 2, 3]])
        #expect(busy.memberEpoch == 1)
        #expect(busy.assignment == nil)
        let waiting = bench.beat("m2", 2)
        #expect(waiting.memberEpoch == 2)
        #expect(waiting.assignment == nil)

        let acknowledged = bench.beat("m1", 1, owned: ["a": [0, 1]])
        #expect(acknowledged.memberEpoch == 2)
        #expect(acknowledged.assignment == nil)
        let given = bench.beat("m2", 2)
        #expect(bench.assignment(given) == ["a": [2, 3]])
        #expect(bench.group?.state == .stable)
        let isSame = try bench.replayIsSame()
        #expect(isSame)
    }

    @Test func `a member may repeat its last epoch with no more than it has`() {
        let bench = ConsumerGroupBench([("a", 4)])
        _ = bench.join("m1")
        _ = bench.join("m2")
        _ = bench.beat("m1", 1)
        _ = bench.beat("m1", 1, owned: ["a": [0, 1]])  // its answer, epoch 2, is lost
        #expect(bench.beat("m1", 1).errorCode == ErrorCode.fencedMemberEpoch.rawValue)
        #expect(bench.beat("m1", 1, owned: ["a": [0, 1, 2]]).errorCode == ErrorCode.fencedMemberEpoch.rawValue)
        #expect(bench.beat("m1", 1, owned: ["a": [0, 1]]).memberEpoch == 2)
        let greater = bench.beat("m1", 3)
        #expect(greater.errorCode == ErrorCode.fencedMemberEpoch.rawValue)
        #expect(
            greater.errorMessage
                == "The consumer group member has a greater member epoch (3) than the one known by the group coordinator"
                + " (2). The member must abandon all its partitions and rejoin.")
        let anew = bench.join("m1")
        #expect(anew.memberEpoch == 2)
        #expect(bench.assignment(anew) == ["a": [0, 1]])
    }

    @Test func `an unknown member is told so`() {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1")
        #expect(bench.beat("m2", 1).errorMessage == "Member m2 is not a member of group g.")
        #expect(bench.beat("m2", 1).errorCode == ErrorCode.unknownMemberId.rawValue)
        #expect(bench.beat("m2", -1).errorCode == ErrorCode.unknownMemberId.rawValue)
        #expect(bench.beat("m2", -2, instanceId: "i").errorCode == ErrorCode.unknownMemberId.rawValue)
        #expect(bench.beat("m2", 1, instanceId: "i").errorCode == ErrorCode.unknownMemberId.rawValue)
    }

    @Test func `a full heartbeat is answered with the assignment`() {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1")
        let response = bench.heartbeat(
            .init(
                groupId: "g", memberId: "m1", memberEpoch: 1, rebalanceTimeoutMs: 10_000, subscribedTopicNames: ["a"],
                topicPartitions: []))
        #expect(bench.assignment(response) == ["a": [0, 1, 2, 3]])
        #expect(response.memberEpoch == 1)
    }

    @Test func `who leaves makes room at once`() throws {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1")
        _ = bench.join("m2")
        let left = bench.beat("m1", -1)
        #expect(left.errorCode == 0)
        #expect(left.memberEpoch == -1)
        let given = bench.beat("m2", 2)
        #expect(given.memberEpoch == 3)
        #expect(bench.assignment(given) == ["a": [0, 1, 2, 3]])
        #expect(bench.beat("m2", -1).errorCode == 0)
        #expect(bench.group?.state == .empty)
        #expect(bench.shard.nextDeadline.map { $0 > bench.time.monotonic } ?? true)
        let isSame = try bench.replayIsSame()
        #expect(isSame)
    }

    @Test func `a silent member is out after its session`() {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1")
        _ = bench.join("m2")
        bench.advance(ms: 44_999)
        _ = bench.beat("m2", 2)
        #expect(bench.group?.members.count == 2)
        bench.advance(ms: 1)
        #expect(bench.group?.members.keys.sorted() == ["m2"])
        #expect(bench.assignment(bench.beat("m2", 2)) == ["a": [0, 1, 2, 3]])
        #expect(bench.beat("m1", 1).errorCode == ErrorCode.unknownMemberId.rawValue)
    }

    @Test func `who does not give up in time is out`() {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1", rebalanceTimeoutMs: 7000)
        _ = bench.join("m2")
        _ = bench.beat("m1", 1)
        bench.advance(ms: 6999)
        #expect(bench.beat("m1", 1, owned: ["a": [0, 1, 2, 3]]).errorCode == 0)
        bench.advance(ms: 1)
        #expect(bench.beat("m1", 1).errorCode == ErrorCode.unknownMemberId.rawValue)
        #expect(bench.assignment(bench.beat("m2", 2)) == ["a": [0, 1, 2, 3]])
    }

    @Test func `who gives up in time stays`() {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1", rebalanceTimeoutMs: 7000)
        _ = bench.join("m2")
        _ = bench.beat("m1", 1)
        bench.advance(ms: 6999)
        _ = bench.beat("m1", 1, owned: ["a": [0, 1]])
        bench.advance(ms: 10_000)
        #expect(bench.group?.members.count == 2)
    }

    @Test func `a group takes no more members than it may have`() {
        let bench = ConsumerGroupBench { $0.consumer.maxSize = 1 }
        _ = bench.join("m1")
        let refused = bench.join("m2")
        #expect(refused.errorCode == ErrorCode.groupMaxSizeReached.rawValue)
        #expect(refused.errorMessage == "The consumer group has reached its maximum capacity of 1 members.")
        #expect(bench.beat("m1", 1).errorCode == 0)
        #expect(bench.join("m1").errorCode == 0)
    }

    @Test func `settings of the group count`() {
        let bench = ConsumerGroupBench()
        let settings = bench.configuration.consumer.overridden(sessionTimeoutMs: 6000, heartbeatIntervalMs: 700)
        let token = bench.token()
        bench.deliver(
            bench.shard.consumerGroupHeartbeat(
                .init(
                    groupId: "g", memberId: "m1", rebalanceTimeoutMs: 1000, subscribedTopicNames: [],
                    topicPartitions: []),
                version: 1, client: bench.client, token: token, at: bench.time, topics: bench.topics,
                settings: settings))
        let response: ConsumerGroupHeartbeatResponse? = bench.take(token)
        #expect(response?.heartbeatIntervalMs == 700)
        bench.advance(ms: 6000)
        #expect(bench.group?.isEmpty == true)
    }

    /// KIP-1263: a member that joins too soon is in at once and has its partitions with a later heartbeat.
    @Test func `assignments are made no more often than the interval says`() {
        let bench = ConsumerGroupBench { $0.consumer.assignmentIntervalMs = 5000 }
        #expect(bench.join("m1").assignment.map { bench.topics.named($0.topicPartitions) } == ["a": [0, 1, 2, 3]])
        bench.advance(ms: 4999)
        let second = bench.join("m2")
        #expect(second.memberEpoch == 1)
        #expect(second.assignment?.topicPartitions.isEmpty == true)
        _ = bench.join("m3")
        #expect(bench.beat("m1", 1).memberEpoch == 1)
        #expect(bench.group?.assignmentEpoch == 1)
        bench.advance(ms: 1)
        #expect(bench.beat("m2", 1).memberEpoch == 3)
        #expect(bench.group?.assignmentEpoch == 3)
        #expect(bench.group?.targets["m1"]?.count == 2)
        // Another group does not wait; this one does, whoever has left it.
        for member in ["m1", "m2", "m3"] { _ = bench.beat(member, -1) }
        #expect(bench.assignment(bench.join("m1", group: "h")) == ["a": [0, 1, 2, 3]])
        let again = bench.join("m1")
        #expect(bench.assignment(again) == [:])
        bench.advance(ms: 5000)
        #expect(bench.assignment(bench.beat("m1", again.memberEpoch)) == ["a": [0, 1, 2, 3]])
    }

    @Test func `most members choose the assignor`() {
        let bench = ConsumerGroupBench([("a", 2), ("b", 2)])
        _ = bench.join("m1", ["a", "b"], assignor: "range")
        _ = bench.join("m2", ["a", "b"], assignor: "range")
        _ = bench.join("m3", ["a", "b"], assignor: "uniform")
        #expect(bench.group?.targets["m3"]?.isEmpty == true)  // two ranges of each topic, and no third
        _ = bench.beat("m1", -1)
        _ = bench.beat("m3", 3)
        #expect(bench.group?.assignor(bench.configuration.consumer) == .range)  // of equals the earlier name
        _ = bench.beat("m2", -1)
        #expect(bench.group?.assignor(bench.configuration.consumer) == .uniform)
    }

    @Test func `what the log refuses has not happened`() throws {
        let bench = ConsumerGroupBench()
        bench.appendError = .kafkaStorageError
        #expect(bench.join("m1").errorCode == ErrorCode.notCoordinator.rawValue)
        #expect(bench.shard.groups.isEmpty)
        bench.appendError = nil
        _ = bench.join("m1")
        let before = try #require(bench.group)
        bench.appendError = .notEnoughReplicas
        #expect(bench.join("m2").errorCode == ErrorCode.coordinatorNotAvailable.rawValue)
        #expect(bench.beat("m1", -1).errorCode == ErrorCode.coordinatorNotAvailable.rawValue)
        #expect(bench.group == before)
        bench.advance(ms: 60_000)  // the session ends, and its record is refused as well
        #expect(bench.group == before)
        bench.appendError = nil
        bench.advance(ms: 1000)
        #expect(bench.group?.isEmpty == true)
    }

    @Test func `a member of a state that we do not know begins anew`() throws {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1")
        var member = try #require(bench.group?.members["m1"])
        member.state = .unknown
        var shard = bench.shard
        let record = try ConsumerGroupRecord.current("m1", .init(member)).encoded(groupId: "g")
        try shard.replay(key: record.key, value: record.value, producerId: nil)
        bench.shard = shard
        #expect(bench.beat("m1", 1).errorCode == ErrorCode.fencedMemberEpoch.rawValue)
        #expect(bench.assignment(bench.join("m1")) == ["a": [0, 1, 2, 3]])
        #expect(bench.group?.state == .stable)
    }

    // MARK: Static members

    @Test func `a static member that comes back finds its assignment`() throws {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1", instanceId: "i1")
        _ = bench.join("m2", instanceId: "i2")
        _ = bench.beat("m1", 1, owned: ["a": [0, 1]], instanceId: "i1")
        _ = bench.beat("m1", 1, owned: ["a": [0, 1]], instanceId: "i1")
        _ = bench.beat("m2", 2, instanceId: "i2")
        let away = bench.beat("m1", -2, instanceId: "i1")
        #expect(away.errorCode == 0)
        #expect(away.memberEpoch == -2)
        #expect(bench.beat("m2", 2, instanceId: "i2").memberEpoch == 2)

        let back = bench.join("m3", instanceId: "i1")
        #expect(back.memberEpoch == 2)
        #expect(bench.assignment(back) == ["a": [0, 1]])
        #expect(bench.group?.epoch == 2)
        #expect(bench.group?.members.keys.sorted() == ["m2", "m3"])
        #expect(bench.beat("m1", 2, instanceId: "i1").errorCode == ErrorCode.fencedInstanceId.rawValue)
        #expect(bench.beat("m1", -2, instanceId: "i1").errorCode == ErrorCode.fencedInstanceId.rawValue)
        let isSame = try bench.replayIsSame()
        #expect(isSame)
    }

    @Test func `an instance that has not left cannot be taken`() {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1", instanceId: "i1")
        let refused = bench.join("m2", instanceId: "i1")
        #expect(refused.errorCode == ErrorCode.unreleasedInstanceId.rawValue)
        #expect(
            refused.errorMessage == "Static member m2 with instance id i1 cannot join the group because the instance id"
                + " is owned by m1 member.")
        #expect(bench.join("m1", instanceId: "i1").errorCode == 0)  // the same client begins anew
    }

    @Test func `a static member that stays away loses its place`() {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1", instanceId: "i1")
        _ = bench.beat("m1", -2, instanceId: "i1")
        bench.advance(ms: 45_000)
        #expect(bench.group?.isEmpty == true)
        #expect(bench.join("m2", instanceId: "i1").errorCode == 0)
    }

    @Test func `a static member can leave for good`() {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1", instanceId: "i1")
        #expect(bench.beat("m1", -1, instanceId: "i1").memberEpoch == -1)
        #expect(bench.group?.isEmpty == true)
    }

    // MARK: Topics

    @Test(arguments: [true, false])
    func `new topics, more partitions and fewer topics reach the members`(tellsVersion: Bool) throws {
        let bench = ConsumerGroupBench([("a", 2)])
        bench.topics.tellsVersion = tellsVersion
        _ = bench.join("m1", ["a", "b"])
        bench.topics.create("other", 3)
        #expect(bench.beat("m1", 1).assignment == nil)
        bench.topics.create("b", 1)
        let created = bench.beat("m1", 1)
        #expect(created.memberEpoch == 2)
        #expect(bench.assignment(created) == ["a": [0, 1], "b": [0]])
        bench.topics.enlarge("a", to: 3)
        #expect(bench.assignment(bench.beat("m1", 2)) == ["a": [0, 1, 2], "b": [0]])
        bench.topics.delete("b")
        let shrunk = bench.beat("m1", 3)
        #expect(shrunk.memberEpoch == 3)
        #expect(bench.assignment(shrunk) == ["a": [0, 1, 2]])
        #expect(bench.beat("m1", 3, owned: ["a": [0, 1, 2]]).memberEpoch == 4)
        bench.topics.delete("a")
        bench.topics.create("a", 1)  // the same name, another topic
        let again = bench.beat("m1", 4)
        #expect(bench.assignment(again) == [:])
        #expect(bench.assignment(bench.beat("m1", 4, owned: [:])) == ["a": [0]])
        let isSame = try bench.replayIsSame()
        #expect(isSame)
    }

    @Test func `a changed subscription takes partitions away and gives others`() {
        let bench = ConsumerGroupBench([("a", 2), ("b", 2)])
        _ = bench.join("m1", ["a"])
        func change(_ names: [String], owned: [String: [Int32]]) -> ConsumerGroupHeartbeatResponse {
            bench.heartbeat(
                .init(
                    groupId: "g", memberId: "m1", memberEpoch: bench.group?.members["m1"]?.memberEpoch ?? 0,
                    subscribedTopicNames: names, topicPartitions: bench.topics.request(owned)))
        }
        let told = change(["b"], owned: ["a": [0, 1]])
        #expect(told.memberEpoch == 1)
        #expect(bench.assignment(told) == [:])
        let given = bench.beat("m1", 1, owned: [:])
        #expect(given.memberEpoch == 2)
        #expect(bench.assignment(given) == ["b": [0, 1]])
    }

    @Test func `a regular expression follows the topics`() throws {
        let bench = ConsumerGroupBench([("orders-1", 1), ("payments", 1)])
        let joined = bench.join("m1", nil, regex: "orders-[0-9]+")
        #expect(bench.assignment(joined) == ["orders-1": [0]])
        bench.topics.create("orders-2", 2)
        bench.topics.create("orders-x", 2)
        #expect(bench.beat("m1", 1).assignment == nil)  // not yet: topics that come together are looked at together
        bench.advance(ms: 1000)
        let grown = bench.beat("m1", 1)
        #expect(grown.memberEpoch == 2)
        #expect(bench.assignment(grown) == ["orders-1": [0], "orders-2": [0, 1]])
        bench.topics.delete("orders-1")
        bench.advance(ms: 1000)
        #expect(bench.assignment(bench.beat("m1", 2)) == ["orders-2": [0, 1]])
        _ = bench.beat("m1", 2, owned: ["orders-2": [0, 1]])
        #expect(bench.group?.state == .stable)

        // Another member by name, then the expression goes.
        _ = bench.join("m2", ["orders-2"])
        #expect(bench.beat("m1", -1).errorCode == 0)
        #expect(bench.group?.regularExpressions.isEmpty == true)
        let isSame = try bench.replayIsSame()
        #expect(isSame)
    }

    @Test func `a name and an expression add up`() {
        let bench = ConsumerGroupBench([("a", 1), ("b", 1), ("c", 1)])
        #expect(bench.assignment(bench.join("m1", ["c"], regex: "a|b")) == ["a": [0], "b": [0], "c": [0]])
        #expect(bench.assignment(bench.join("m2", [], regex: "")) == [:])
    }

    // MARK: Questions

    @Test func `a group is described with what its members have and shall have`() {
        let bench = ConsumerGroupBench([("a", 4)])
        _ = bench.join("m1", instanceId: "i1")
        _ = bench.join("m2", [], regex: "a")
        let described = bench.shard.consumerGroupDescribe("g", version: 1, topics: bench.topics)
        #expect(described.groupState == "Reconciling")
        #expect(described.groupEpoch == 2)
        #expect(described.assignmentEpoch == 2)
        #expect(described.assignorName == "uniform")
        #expect(described.members.map(\.memberId) == ["m1", "m2"])
        #expect(described.members.map(\.instanceId) == ["i1", nil])
        #expect(described.members.map(\.memberType) == [1, 1])
        #expect(described.members.map(\.memberEpoch) == [1, 2])
        #expect(described.members.map(\.clientHost) == ["/127.0.0.1", "/127.0.0.1"])
        #expect(described.members.map(\.subscribedTopicRegex) == ["", "a"])
        #expect(described.members.map { $0.assignment.topicPartitions.map(\.partitions) } == [[[0, 1, 2, 3]], []])
        let targets = described.members.map { $0.targetAssignment.topicPartitions.map(\.partitions) }
        #expect(targets == [[[0, 1]], [[2, 3]]])
        let old = bench.shard.consumerGroupDescribe("g", version: 0, topics: bench.topics)
        #expect(old.members.map(\.memberType) == [-1, -1])
        let unknown = bench.shard.consumerGroupDescribe("h", version: 1, topics: bench.topics)
        #expect(unknown.errorCode == ErrorCode.groupIdNotFound.rawValue)
        #expect(unknown.errorMessage == "Group h not found.")
        #expect(bench.shard.describe("g", version: 6).errorCode == ErrorCode.groupIdNotFound.rawValue)

        let listed = bench.shard.list(states: ["reconciling"], types: ["consumer"])
        #expect(listed.map(\.groupId) == ["g"])
        #expect(listed.map(\.protocolType) == ["consumer"])
        #expect(bench.shard.list(types: ["classic"]).isEmpty)
    }

    @Test func `states follow the group`() {
        let bench = ConsumerGroupBench([("a", 2)])
        _ = bench.join("m1")
        #expect(bench.group?.state == .stable)
        _ = bench.join("m2")
        #expect(bench.group?.state == .reconciling)
        _ = bench.beat("m2", -1)
        #expect(bench.group?.state == .assigning)
        _ = bench.beat("m1", 1)
        #expect(bench.group?.state == .stable)
        _ = bench.beat("m1", -1)
        #expect(bench.group?.state == .empty)
    }

    /// The rows are upstream's `validateOffsetCommit` and `validateOffsetFetch`.
    @Test(
        arguments: [
            ("m1", 1, 9, .none), ("m1", 2, 9, .staleMemberEpoch), ("m1", 0, 9, .staleMemberEpoch),
            ("m2", 1, 9, .unknownMemberId), ("", -1, 9, .unknownMemberId), ("m1", 1, 8, .unsupportedVersion),
        ] as [(String, Int32, Int16, ErrorCode)])
    func `offsets are taken from members at their epoch`(
        memberId: String, epoch: Int32, version: Int16, code: ErrorCode
    ) {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1")
        let token = bench.token()
        let request = OffsetCommitRequest(
            groupId: "g", generationIdOrMemberEpoch: epoch, memberId: memberId,
            topics: [.init(name: "a", partitions: [.init(partitionIndex: 0, committedOffset: 5)])])
        bench.deliver(
            bench.shard.offsetCommit(request, version: version, token: token, at: bench.time, topics: bench.topics))
        let response: OffsetCommitResponse? = bench.take(token)
        #expect(response?.topics.first?.partitions.first?.errorCode == code.rawValue)
        guard version >= 9, epoch >= 0 else { return }
        let fetched = bench.shard.offsetFetch(
            .init(groupId: "g", memberId: memberId, memberEpoch: epoch, topics: nil), requireStable: false,
            version: version, at: bench.time, topics: bench.topics)
        #expect(fetched.errorCode == code.rawValue)
    }

    private func commit(
        _ bench: ConsumerGroupBench, _ memberId: String, _ epoch: Int32, _ partitions: [Int32],
        metadata: [Int32: Int] = [:]
    ) -> [ErrorCode] {
        let token = bench.token()
        let request = OffsetCommitRequest(
            groupId: "g", generationIdOrMemberEpoch: epoch, memberId: memberId,
            topics: [
                .init(
                    name: "a",
                    partitions: partitions.map {
                        .init(
                            partitionIndex: $0, committedOffset: 5,
                            committedMetadata: String(repeating: "x", count: metadata[$0] ?? 0))
                    })
            ])
        bench.deliver(
            bench.shard.offsetCommit(request, version: 9, token: token, at: bench.time, topics: bench.topics))
        let response: OffsetCommitResponse? = bench.take(token)
        return (response?.topics.first?.partitions ?? []).map { ErrorCode(rawValue: $0.errorCode) }
    }

    /// KIP-1251: the epoch at which a partition was assigned <= that of the commit <= that of the member.
    @Test func `a member that has not heard of its new epoch commits what it had before`() throws {
        let bench = ConsumerGroupBench([("a", 4)])
        _ = bench.join("m1")
        _ = bench.join("m2")
        _ = bench.beat("m1", 1)
        #expect(commit(bench, "m1", 1, [0, 2]) == [.none, .none])  // it is still to give up partition 2
        _ = bench.beat("m1", 1, owned: ["a": [0, 1]])  // its answer, epoch 2, is on its way
        // One that it had no more refuses all, as upstream; what there is not and what cannot be written is passed over.
        let refused = [ErrorCode](repeating: .staleMemberEpoch, count: 3)
        #expect(commit(bench, "m1", 1, [0, 1, 2]) == refused)
        #expect(commit(bench, "m1", 1, [0, 9, 1]) == [.none, .unknownTopicOrPartition, .none])
        #expect(commit(bench, "m1", 1, [0, 2], metadata: [2: 5000]) == [.none, .offsetMetadataTooLarge])
        #expect(commit(bench, "m1", 0, [0]) == [.staleMemberEpoch])
        #expect(commit(bench, "m1", 3, [0]) == [.staleMemberEpoch])
        _ = bench.beat("m2", 2)
        #expect(commit(bench, "m2", 1, [2]) == [.staleMemberEpoch])
        #expect(commit(bench, "m2", 2, [2, 0]) == [.none, .none])
        // What it had and lost and got again it has since then.
        _ = bench.beat("m2", -1)
        _ = bench.beat("m1", 2)
        #expect(bench.group?.members["m1"]?.memberEpoch == 3)
        #expect(commit(bench, "m1", 2, [0]) == [.none])
        #expect(commit(bench, "m1", 2, [0, 2]) == [.staleMemberEpoch, .staleMemberEpoch])
        // After a restart it is what the log still tells.
        bench.log = bench.log.indices.filter { index in
            !bench.log[(index + 1)...].contains { $0.key == bench.log[index].key }
        }.map { bench.log[$0] }
        bench.shard = try bench.replayed()
        #expect(commit(bench, "m1", 2, [0]) == [.staleMemberEpoch])
        #expect(commit(bench, "m1", 3, [0]) == [.none])
    }

    /// Upstream's `ConsumerGroup.validateOffsetCommit` (KAFKA-18060): older producers cannot say who of the group has read.
    @Test(
        arguments: [
            ("", -1, nil, .none), ("m1", 1, nil, .none), ("m2", 1, nil, .unknownMemberId),
            ("m1", 2, nil, .illegalGeneration), ("m1", 0, nil, .illegalGeneration), ("", 1, nil, .unknownMemberId),
            ("", -1, "i", .unknownMemberId),
        ] as [(String, Int32, String?, ErrorCode)])
    func `a transaction commits offsets for a group without saying who`(
        memberId: String, epoch: Int32, instanceId: String?, code: ErrorCode
    ) {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1")
        for (group, code) in [("g", code), ("", .invalidGroupId)] {
            let token = bench.token()
            let request = TxnOffsetCommitRequest(
                transactionalId: "t", groupId: group, producerId: 9, producerEpoch: 0, generationId: epoch,
                memberId: memberId, groupInstanceId: instanceId,
                topics: [.init(name: "a", partitions: [.init(partitionIndex: 0, committedOffset: 5)])])
            bench.deliver(
                bench.shard.txnOffsetCommit(request, version: 3, token: token, at: bench.time, topics: bench.topics))
            let response: TxnOffsetCommitResponse? = bench.take(token)
            #expect(response?.topics.first?.partitions.first?.errorCode == code.rawValue)
        }
    }

    @Test func `requests for the other kind of group say so`() {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1")
        let described = bench.shard.describe("g", version: 6)
        #expect(described.groupState == "Dead" && described.errorCode == ErrorCode.groupIdNotFound.rawValue)
        #expect(described.errorMessage == "Group g is not a classic group.")
        let nameless = bench.shard.consumerGroupDescribe("", version: 1, topics: bench.topics)
        #expect(nameless.errorCode == ErrorCode.invalidGroupId.rawValue)
        let token = bench.token()
        bench.deliver(
            bench.shard.offsetDelete(.init(), version: 0, token: token, at: bench.time, topics: bench.topics))
        let deleted: OffsetDeleteResponse? = bench.take(token)
        #expect(deleted?.errorCode == ErrorCode.invalidGroupId.rawValue)
    }

    @Test func `an empty group takes offsets from outside and can be deleted`() throws {
        let bench = ConsumerGroupBench()
        _ = bench.join("m1")
        #expect(bench.shard.delete("g", at: bench.time).error == .nonEmptyGroup)
        _ = bench.beat("m1", -1)
        let token = bench.token()
        let request = OffsetCommitRequest(
            groupId: "g", generationIdOrMemberEpoch: -1,
            topics: [.init(name: "a", partitions: [.init(partitionIndex: 0, committedOffset: 5)])])
        bench.deliver(
            bench.shard.offsetCommit(request, version: 9, token: token, at: bench.time, topics: bench.topics))
        let response: OffsetCommitResponse? = bench.take(token)
        #expect(response?.topics.first?.partitions.first?.errorCode == 0)
        let (decision, error) = bench.shard.delete("g", at: bench.time)
        #expect(error == .none)
        bench.deliver(decision)
        #expect(bench.shard.groups.isEmpty)
        let replayed = try bench.replayed()
        #expect(replayed.groups.isEmpty)
    }
}
