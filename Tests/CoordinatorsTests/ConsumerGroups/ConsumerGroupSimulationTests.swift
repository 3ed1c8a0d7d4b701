import KafkaMessages
import TestKit
import Testing

@testable import Coordinators

/// One group, random clients and faults from one seed. The clients are modelled with what they believe, so that what is
/// checked is what users see.
final class ConsumerGroupSimulation {
    let bench: ConsumerGroupBench
    var random: SeededRandom
    private let seed: UInt64
    private let hasClassicMembers: Bool
    private let isCooperative: Bool
    private(set) var failure: String?
    private var clients: [SimulatedClient] = []
    private var clientCount = 0
    private var areFaultsOn = true
    private var lastEpoch: Int32 = 0
    private var lastMemberEpochs: [String: Int32] = [:]
    private(set) var upgradeCount = 0
    private(set) var downgradeCount = 0
    private var wasConsumerGroup: Bool?
    private var checkedLogCount = -1

    init(seed: UInt64) {
        self.seed = seed
        random = SeededRandom(seed: seed)
        hasClassicMembers = Int.random(in: 0..<3, using: &random) == 0
        isCooperative = Bool.random(using: &random)
        bench = ConsumerGroupBench([("t0", 3), ("t1", 2)]) {
            $0.consumer.sessionTimeoutMs = 10_000
            $0.consumer.assignors = seed % 2 == 0 ? [.uniform, .range] : [.range, .uniform]
        }
        bench.topics.tellsVersion = Int.random(in: 0..<4, using: &random) > 0
    }

    func check(_ condition: Bool, _ what: @autoclosure () -> String) {
        if !condition, failure == nil { failure = "seed \(seed), at \(bench.time.monotonic): \(what())" }
    }

    /// Sends a request. nil when the answer is lost on its way.
    func send<Response>(_ request: () -> Response) -> Response? {
        if areFaultsOn, Int.random(in: 0..<25, using: &random) == 0 { bench.appendError = .kafkaStorageError }
        let response = request()
        bench.appendError = nil
        checkState()
        return areFaultsOn && Int.random(in: 0..<15, using: &random) == 0 ? nil : response
    }

    // MARK: The run

    func run() throws {
        for _ in 0..<Int.random(in: 30...70, using: &random) where failure == nil {
            try happen()
            for _ in 0..<3 { advance(ms: Int64.random(in: 50...900, using: &random)) }
        }
        // Quiet: faults end, who stands still is gone, the others have time to come to rest.
        areFaultsOn = false
        for client in clients where client.isAbsent || client.resumeAt != .max { client.isDead = true }
        clients.removeAll(where: \.isDead)
        for step in 0..<140 where failure == nil && (step % 5 > 0 || restlessness() != nil) { advance(ms: 500) }
        if let what = restlessness() { check(false, what) }
        let isSame = try bench.replayIsSame()
        check(isSame, "the log tells another story")
    }

    private func happen() throws {
        switch Int.random(in: 0..<22, using: &random) {
        case 0..<6 where clients.count < 7: add()
        case 6, 7:
            if let client = clients.randomElement(using: &random) {
                client.leave(self)
                replaceIfStatic(client)
            }
        case 8, 9:
            // A crash: the process and what it believed are gone.
            if let client = clients.randomElement(using: &random) {
                client.lose()
                client.isDead = true
                replaceIfStatic(client)
            }
        case 10:
            if let client = clients.randomElement(using: &random) {
                client.isAbsent = true
                client.resumeAt = bench.time.monotonic + Int64.random(in: 1000...30_000, using: &random)
            }
        case 11, 12: try restart()
        case 13:
            bench.topics.create("t\(Int.random(in: 0..<5, using: &random))", Int32.random(in: 1...4, using: &random))
        case 14:
            if let name = bench.topics.names.randomElement(using: &random), let facts = bench.topics.facts(named: name)
            {
                bench.topics.enlarge(name, to: facts.partitionCount + 1)
            }
        case 15:
            if bench.topics.names.count > 1, let name = bench.topics.names.randomElement(using: &random) {
                bench.topics.delete(name)
            }
        default: break
        }
        clients.removeAll(where: \.isDead)
    }

    private func add() {
        clientCount += 1
        let topics = (0..<4).map { "t\($0)" }.filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
        if hasClassicMembers, Bool.random(using: &random) {
            clients.append(
                SimulatedClassicConsumer(name: clientCount, topics: topics, isCooperative: isCooperative))
        } else {
            clients.append(
                SimulatedConsumer(
                    name: clientCount, incarnation: 0, topics: topics,
                    regex: Int.random(in: 0..<4, using: &random) == 0 ? "t[1-4]" : nil,
                    instanceId: Int.random(in: 0..<3, using: &random) == 0 ? "i\(clientCount)" : nil,
                    neverRevokes: Int.random(in: 0..<12, using: &random) == 0))
        }
    }

    private func replaceIfStatic(_ client: SimulatedClient) {
        guard let old = client as? SimulatedConsumer, let instanceId = old.instanceId,
            Int.random(in: 0..<3, using: &random) > 0
        else { return }
        clientCount += 1
        let next = SimulatedConsumer(
            name: old.name, incarnation: clientCount, topics: old.topics, regex: old.regex, instanceId: instanceId,
            neverRevokes: false)
        next.nextStep = bench.time.monotonic + Int64.random(in: 0...3000, using: &random)
        clients.append(next)
    }

    /// The broker dies and reads its log.
    private func restart() throws {
        let isSame = try bench.replayIsSame()
        check(isSame, "the log tells another story")
        bench.shard = try bench.replayed()
        for case let client as SimulatedClassicConsumer in clients { client.forgetRequests() }
        checkState()
    }

    private func advance(ms: Int64) {
        if areFaultsOn, Int.random(in: 0..<30, using: &random) == 0 { bench.appendError = .kafkaStorageError }
        bench.advance(ms: ms)
        bench.appendError = nil
        checkState()
        let now = bench.time.monotonic
        for client in clients {
            if client.resumeAt != .max {
                guard client.resumeAt <= now else { continue }
                client.resumeAt = .max  // it believes what it did, until it hears from the broker
            }
            if !client.isDead, client.nextStep <= now {
                client.step(self)
                checkOwners()
            }
        }
    }

    // MARK: What must hold

    private func checkOwners() {
        var owners: [KafkaUUID: [Int32: Int]] = [:]
        for client in clients where !client.isDead && !client.isAbsent {
            for (id, partitions) in client.owned.topics {
                for partition in partitions {
                    let other = owners[id, default: [:]].updateValue(client.name, forKey: partition)
                    check(
                        other == nil,
                        "\(bench.topics.facts(id: id)?.name ?? "?")-\(partition) is owned by \(other ?? 0) and \(client.name)"
                    )
                }
            }
        }
    }

    private func checkState() {
        guard failure == nil, bench.log.count != checkedLogCount else { return }
        checkedLogCount = bench.log.count
        switch bench.shard.groups["g"] {
        case .consumer(let group):
            if wasConsumerGroup == false, !group.members.isEmpty, lastEpoch > 0 { upgradeCount += 1 }
            wasConsumerGroup = true
            check(group.epoch >= lastEpoch || group.members.count == 1, "the group goes back to epoch \(group.epoch)")
            check(group.epoch >= group.assignmentEpoch, "the assignment is ahead of the group")
            lastEpoch = group.epoch
            var epochs: [String: Int32] = [:]
            for member in group.members.values {
                let last = lastMemberEpochs[member.memberId] ?? 0
                check(
                    member.memberEpoch >= last || member.memberEpoch == MemberEpoch.leaveStatic,
                    "\(member.memberId) goes back from epoch \(last) to \(member.memberEpoch)")
                check(member.memberEpoch <= group.epoch, "\(member.memberId) is ahead of its group")
                check(member.memberEpoch != 0 || member.usesClassicProtocol, "\(member.memberId) stays at epoch 0")
                epochs[member.memberId] = member.memberEpoch
                check(
                    member.assigned.isDisjoint(with: member.pendingRevocation),
                    "\(member.memberId) has what it is to give up")
                check(group.timers.deadlines[member.memberId] != nil, "\(member.memberId) has no session")
                for set in [member.assigned, member.pendingRevocation] {
                    for (id, partitions) in set.topics {
                        check(
                            partitions.allSatisfy { group.owner(of: $0, in: id) == member.memberId },
                            "\(member.memberId) does not own what it has")
                    }
                }
            }
            lastMemberEpochs = epochs
        case .share, .streams: check(false, "the group is one of another type")
        case .classic(let group):
            if wasConsumerGroup == true, !group.members.isEmpty, lastEpoch > 0, group.generation >= lastEpoch {
                downgradeCount += 1
            }
            wasConsumerGroup = false
            lastEpoch = group.generation
            lastMemberEpochs = [:]
        case nil:
            lastEpoch = 0
            lastMemberEpochs = [:]
        }
        if let deadline = bench.shard.nextDeadline, bench.appendError == nil {
            check(deadline > bench.time.monotonic - 1000, "a deadline has passed: \(deadline)")
        }
    }

    /// What is left to do. In the end all partitions of all topics that somebody reads are read, by one that subscribes
    /// to them.
    private func restlessness() -> String? {
        if case .consumer(let group) = bench.shard.groups["g"], !clients.isEmpty, group.state != .stable {
            return "the group stays \(group.state)"
        }
        for name in bench.topics.names {
            guard let facts = bench.topics.facts(named: name) else { continue }
            let readers = clients.filter { client in
                let regex = (client as? SimulatedConsumer)?.regex
                return client.topics.contains(name) || (regex != nil && name != "t0")
            }
            for partition in 0..<facts.partitionCount where !readers.isEmpty {
                let owners = clients.filter { $0.owned.contains(facts.id, partition) }
                guard owners.count == 1, owners.allSatisfy({ owner in readers.contains { $0 === owner } }) else {
                    return "\(name)-\(partition) is owned by \(owners.map(\.name)) and read by \(readers.map(\.name))"
                }
            }
        }
        return nil
    }
}

@Suite struct ConsumerGroupSimulationTests {
    /// Blocks of a hundred seeds.
    @Test(arguments: 0..<10 as Range<UInt64>)
    func `no partition has two owners, all have one in the end, and the log tells the same`(block: UInt64) throws {
        for seed in (block * 100)..<(block * 100 + 100) {
            let simulation = ConsumerGroupSimulation(seed: seed)
            try simulation.run()
            #expect(simulation.failure == nil)
        }
    }

    /// The simulation would prove little if groups never changed their protocol in it.
    @Test func `groups change their protocol both ways in it`() throws {
        var upgradeCount = 0
        var downgradeCount = 0
        for seed in 0..<60 as Range<UInt64> {
            let simulation = ConsumerGroupSimulation(seed: seed)
            try simulation.run()
            upgradeCount += simulation.upgradeCount
            downgradeCount += simulation.downgradeCount
        }
        #expect(upgradeCount >= 5)
        #expect(downgradeCount >= 3)
    }
}
