import Broker
import Cluster
import KafkaMessages
import NIOCore
import Testing

/// Groups through both transports.
@Suite struct GroupContractTests {
    /// The protocols that consumers speak, as far as the broker offers them.
    static let types: [GroupType] =
        OfferedApis.versions(of: .consumerGroupHeartbeat) == nil ? [.classic] : [.classic, .consumer]

    static func options(_ type: GroupType, instance: String? = nil) -> MembershipOptions {
        MembershipOptions(
            type: type, instanceId: instance, sessionTimeout: .seconds(60), heartbeatInterval: .milliseconds(50),
            rebalanceTimeout: .seconds(60), metadataInterval: .milliseconds(50))
    }

    /// The consumer protocol has its times from the broker.
    static func fast(_ type: GroupType) -> [String: String] {
        type == .classic
            ? [:] : ["group.consumer.heartbeat.interval.ms": "50", "group.consumer.min.heartbeat.interval.ms": "50"]
    }

    @Test(arguments: Transport.allCases, types)
    func `a lone member gets everything and its offsets outlive it`(transport: Transport, type: GroupType) async throws
    {
        try await withCluster(transport, properties: Self.fast(type)) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 3), validateOnly: false)
            let all = (0..<3).map { TopicPartition("t", $0) }
            let member = cluster.membership(group: "g", .topics(["t"]), options: Self.options(type))
            #expect(try await nextPartitions(member) == .assigned(all))
            #expect(await member.partitions == Set(all))
            let nothing1 = try await member.committed(all)
            #expect(nothing1.isEmpty)
            let offsets = [all[0]: CommittedOffset(7, metadata: "m"), all[2]: CommittedOffset(1)]
            try await member.commit(offsets)
            #expect(try await member.committed(all) == offsets)
            #expect(try await cluster.groupOffsets("g") == offsets)

            let description = try await cluster.group("g")
            #expect(description.state == .stable)
            #expect(description.type == type)
            #expect(description.protocolType == "consumer")
            #expect(description.assignor == (type == .classic ? "cooperative-sticky" : "uniform"))
            #expect(description.members.map(\.assignment) == [all])
            #expect(description.members.first?.clientId == "swiftwater")
            let listing = try await cluster.groups().first { $0.id == "g" }
            #expect(listing == GroupListing(id: "g", protocolType: "consumer", state: .stable, type: type))

            // Whoever is no member cannot interfere.
            await expectFailure(.nonEmptyGroup) {
                try await cluster.alterGroupOffsets("g", [all[0]: CommittedOffset(0)])
            }
            await expectFailure(.nonEmptyGroup) { try await cluster.deleteGroup("g") }
            await expectFailure(.groupSubscribedToTopic) { try await cluster.deleteGroupOffsets("g", [all[0]]) }

            await member.leave()
            #expect(try await member.next() == nil)
            #expect(try await cluster.group("g").state == .empty)
            try await cluster.alterGroupOffsets("g", [all[0]: CommittedOffset(3), all[1]: CommittedOffset(0)])
            try await cluster.deleteGroupOffsets("g", [all[2]])
            #expect(try await cluster.groupOffsets("g") == [all[0]: CommittedOffset(3), all[1]: CommittedOffset(0)])

            let again = cluster.membership(group: "g", .topics(["t"]), options: Self.options(type))
            #expect(try await nextPartitions(again) == .assigned(all))
            #expect(try await again.committed(all)[all[0]] == CommittedOffset(3))
            await again.leave()
            try await cluster.deleteGroup("g")
            await expectFailure(.groupIdNotFound) { try await cluster.group("g") }
            await expectFailure(.groupIdNotFound) { try await cluster.deleteGroup("g") }
            let nothing2 = try await cluster.groupOffsets("g")
            #expect(nothing2.isEmpty)
        }
    }

    @Test(arguments: Transport.allCases, types)
    func `work is handed over when a member comes and when one goes`(transport: Transport, type: GroupType) async throws
    {
        try await withCluster(transport, properties: Self.fast(type)) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 4), validateOnly: false)
            let all = Set((0..<4).map { TopicPartition("t", $0) })
            let first = Worker(cluster.membership(group: "g", .topics(["t"]), options: Self.options(type)))
            try await first.until { $0 == all }
            let second = Worker(cluster.membership(group: "g", .topics(["t"]), options: Self.options(type)))
            try await second.until { $0.count == 2 }
            try await first.until { $0.count == 2 }
            #expect(await first.held.union(second.held) == all)
            // What the first one kept it never gave up: it was asked for two partitions only.
            #expect(await first.revoked.count == 2)
            await first.leave()
            try await second.until { $0 == all }
            #expect(await second.revoked.isEmpty)
            await second.leave()
            #expect(await first.failure == nil)
            #expect(await second.failure == nil)
        }
    }

    @Test(arguments: Transport.allCases)
    func `a member of an eager assignor gives everything up first`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 4), validateOnly: false)
            let all = Set((0..<4).map { TopicPartition("t", $0) })
            var options = Self.options(.classic)
            options.assignors = [.range, .roundRobin]
            let first = Worker(cluster.membership(group: "g", .topics(["t"]), options: options))
            try await first.until { $0 == all }
            let second = Worker(cluster.membership(group: "g", .topics(["t"]), options: options))
            try await second.until { $0.count == 2 }
            try await first.until { $0.count == 2 }
            #expect(await first.revoked == all)
            #expect(await first.held.union(second.held) == all)
            await second.leave()
            await first.leave()
        }
    }

    /// Whatever of its joining is under way.
    @Test(arguments: Transport.allCases, types)
    func `a member that leaves at once leaves nothing behind`(transport: Transport, type: GroupType) async throws {
        try await withCluster(transport, properties: Self.fast(type)) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 1), validateOnly: false)
            for round in 0..<30 {
                let group = "g\(round)"
                let member = cluster.membership(group: group, .topics(["t"]), options: Self.options(type))
                let joining = Task { try? await member.next() }
                for _ in 0..<(round * round) { await Task.yield() }
                await member.leave()
                _ = await joining.value
                do throws(ClusterError) {
                    let members = try await cluster.group(group).members
                    #expect(members.isEmpty, "round \(round)")
                } catch {
                    #expect(error.code == .groupIdNotFound)
                }
            }
        }
    }

    @Test(arguments: Transport.allCases, types)
    func `topics that come, and partitions that are added, are shared out`(
        transport: Transport, type: GroupType
    ) async throws {
        try await withCluster(transport, properties: Self.fast(type)) { cluster in
            try await cluster.createTopic(NewTopic("ta", partitionCount: 1), validateOnly: false)
            try await cluster.createTopic(NewTopic("other", partitionCount: 1), validateOnly: false)
            let member = Worker(cluster.membership(group: "g", .pattern("t.*"), options: Self.options(type)))
            try await member.until { $0 == [TopicPartition("ta", 0)] }
            try await cluster.createTopic(NewTopic("tb", partitionCount: 1), validateOnly: false)
            try await member.until { $0 == [TopicPartition("ta", 0), TopicPartition("tb", 0)] }
            try await cluster.addPartitions(topic: "ta", total: 2, validateOnly: false)
            try await member.until { $0.count == 3 }
            await member.leave()
        }
    }

    @Test(arguments: Transport.allCases, types)
    func `a static member comes back to what it had`(transport: Transport, type: GroupType) async throws {
        try await withCluster(transport, properties: Self.fast(type)) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 2), validateOnly: false)
            let other = Worker(
                cluster.membership(group: "g", .topics(["t"]), options: Self.options(type, instance: "b")))
            try await other.until { $0.count == 2 }
            let first = Worker(
                cluster.membership(group: "g", .topics(["t"]), options: Self.options(type, instance: "a")))
            try await first.until { $0.count == 1 }
            try await other.until { $0.count == 1 }
            let had = await first.held
            await first.leave()
            let again = Worker(
                cluster.membership(group: "g", .topics(["t"]), options: Self.options(type, instance: "a")))
            try await again.until { $0 == had }
            #expect(await other.revoked.count == 1)
            let ids = try await cluster.group("g").members.compactMap(\.instanceId).sorted()
            #expect(ids == ["a", "b"])
            await again.leave()
            await other.leave()
        }
    }

    /// What a process that was killed held does not wait for the session to end.
    @Test(arguments: Transport.allCases, types.filter { $0 == .consumer })
    func `a member that comes by the name of a dead one has its partitions at once`(
        transport: Transport, type: GroupType
    ) async throws {
        let settings = Self.fast(type).merging(
            ["group.consumer.session.timeout.ms": "600000", "group.consumer.max.session.timeout.ms": "600000"]) { $1 }
        try await withCluster(transport, properties: settings) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 2), validateOnly: false)
            let all = [TopicPartition("t", 0), TopicPartition("t", 1)]
            var options = Self.options(type)
            options.memberId = "sink-0"
            do {
                // Dropped without a word behind this: its heart stops.
                let dead = cluster.membership(group: "g", .topics(["t"]), options: options)
                #expect(try await nextPartitions(dead) == .assigned(all))
                try await dead.commit([all[1]: CommittedOffset(5)])
            }
            let heir = cluster.membership(group: "g", .topics(["t"]), options: options)
            #expect(try await nextPartitions(heir) == .assigned(all))
            #expect(try await heir.committed(all) == [all[1]: CommittedOffset(5)])
            try await heir.commit([all[0]: CommittedOffset(1)])
            #expect(try await cluster.group("g").members.count == 1)
            await heir.leave()
            #expect(try await cluster.group("g").state == .empty)
        }
    }

    @Test(arguments: Transport.allCases)
    func `a member that was put out learns it and comes back`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let all = [TopicPartition("t", 0)]
            let member = cluster.membership(group: "g", .topics(["t"]), options: Self.options(.classic))
            #expect(try await member.next() == .assigned(all))
            try await remove(await member.identity, in: cluster)
            #expect(try await member.next() == .lost(all))
            await expectFailure(.unknownMemberId) { try await member.commit([all[0]: CommittedOffset(1)]) }
            #expect(try await nextPartitions(member) == .assigned(all))
            try await member.commit([all[0]: CommittedOffset(1)])
            await member.leave()
        }
    }

    @Test(arguments: Transport.allCases, types)
    func `a cancelled wait ends, and the member can go on`(transport: Transport, type: GroupType) async throws {
        try await withCluster(transport, properties: Self.fast(type)) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let member = cluster.membership(group: "g", .topics(["t"]), options: Self.options(type))
            for _ in 0..<3 {
                let wait = Task { try await member.next() }
                wait.cancel()
                #expect(try await wait.value == nil)
            }
            #expect(try await nextPartitions(member) == .assigned([TopicPartition("t", 0)]))
            await member.leave()
            await member.leave()
        }
    }

    @Test(arguments: Transport.allCases)
    func `groups of any protocol type meet in rounds`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            @Sendable func join(_ name: String) -> ProtocolMembership {
                cluster.membership(
                    group: "connect-cluster", protocolType: "connect", options: Self.options(.classic)
                ) {
                    [GroupProtocol("compatible", metadata: text(name))]
                } assign: { proposal throws(ClusterError) in
                    // Everybody learns who is there.
                    let names = proposal.members.map { String(buffer: $0.metadata) }.sorted().joined(separator: ",")
                    return Dictionary(
                        uniqueKeysWithValues: proposal.members.map {
                            ($0.id, text("\($0.id == proposal.memberId):" + names))
                        })
                }
            }
            let first = join("one")
            guard case .settled(let alone)? = try await first.next() else {
                Issue.record("the first round did not settle")
                return
            }
            #expect(alone.isLeader)
            #expect(alone.assignment == text("true:one"))
            let second = join("two")
            async let joined = second.next()
            #expect(try await first.next() == .rebalancing)
            guard case .settled(let leading)? = try await first.next(), case .settled(let following)? = try await joined
            else {
                Issue.record("the second round did not settle")
                return
            }
            #expect(leading.assignment == text("true:one,two"))
            #expect(following.assignment == text("false:one,two"))
            #expect(leading.generation == following.generation)
            #expect(leading.generation > alone.generation)
            let description = try await cluster.group("connect-cluster")
            #expect(description.protocolType == "connect")
            #expect(description.members.count == 2)
            #expect(Set(description.members.compactMap(\.metadata)) == [text("one"), text("two")])

            await first.leave()
            #expect(try await second.next() == .rebalancing)
            guard case .settled(let last)? = try await second.next() else {
                Issue.record("the last round did not settle")
                return
            }
            #expect(last.isLeader)
            #expect(last.assignment == text("true:two"))
            await second.leave()
        }
    }

    @Test(arguments: Transport.allCases)
    func `what is not there is told`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            await expectFailure(.groupIdNotFound) { try await cluster.group("no-such-group") }
            await expectFailure(.groupIdNotFound) { try await cluster.deleteGroup("no-such-group") }
            let nothing3 = try await cluster.groupOffsets("no-such-group")
            #expect(nothing3.isEmpty)
            let nothing4 = try await cluster.groups()
            #expect(nothing4.isEmpty)
            await expectFailure(.unknownTopicOrPartition) {
                try await cluster.alterGroupOffsets("g", [TopicPartition("no-such-topic", 0): CommittedOffset(0)])
            }
        }
    }
}

/// The next event that is not only about a settled group without partitions.
private func nextPartitions(_ member: any ConsumerMembership) async throws -> MembershipEvent? {
    while let event = try await member.next() {
        if event != .assigned([]) { return event }
    }
    return nil
}

/// Puts a member out, as an operator does.
private func remove(_ identity: GroupIdentity, in cluster: any Cluster) async throws {
    let answer = try await cluster.requests.coordinated(
        by: .groupCoordinator(identity.group), "remove", versions: 3...5
    ) {
        _ in
        LeaveGroupRequest(
            groupId: identity.group, members: [.init(memberId: identity.memberId, groupInstanceId: nil)])
    } code: {
        $0.errorCode
    }
    try check(answer.errorCode, "remove")
}

/// A member that does what it is told, and tells what it has.
private actor Worker {
    private let membership: any ConsumerMembership
    private(set) var held: Set<TopicPartition> = []
    private(set) var revoked: Set<TopicPartition> = []
    private(set) var failure: (any Error)?
    private var waiting: (condition: (Set<TopicPartition>) -> Bool, done: CheckedContinuation<Void, Never>)?
    private var work: Task<Void, Never>?

    init(_ membership: any ConsumerMembership) { self.membership = membership }

    private func start() {
        guard work == nil else { return }
        work = Task {
            do {
                while let event = try await membership.next() { note(event) }
            } catch {
                failure = error
                resume()
            }
        }
    }

    private func note(_ event: MembershipEvent) {
        switch event {
        case .assigned(let partitions): held.formUnion(partitions)
        case .revoked(let partitions):
            held.subtract(partitions)
            revoked.formUnion(partitions)
        case .lost(let partitions): held.subtract(partitions)
        }
        if let waiting, waiting.condition(held) { resume() }
    }

    private func resume() {
        waiting?.done.resume()
        waiting = nil
    }

    /// Returns when the member holds what `condition` wants.
    func until(_ condition: @escaping @Sendable (Set<TopicPartition>) -> Bool) async throws {
        start()
        if condition(held) { return }
        if failure == nil { await withCheckedContinuation { waiting = (condition, $0) } }
        if let failure { throw failure }
    }

    func leave() async {
        await membership.leave()
        await work?.value
    }
}
