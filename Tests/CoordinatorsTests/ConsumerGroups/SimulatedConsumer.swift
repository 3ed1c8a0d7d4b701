import KafkaMessages
import NIOCore
import TestKit

@testable import Coordinators

/// A client in the simulation, with what it believes it owns.
class SimulatedClient {
    let name: Int
    let topics: [String]
    /// While it does not take part, nobody knows what it believes: its process stands still, or it has been told to
    /// give something up and does not.
    var isAbsent = false
    var isDead = false
    var owned = TopicPartitionSet()
    var nextStep: Int64 = 0
    var resumeAt = Int64.max

    init(name: Int, topics: [String]) {
        self.name = name
        self.topics = topics
    }

    func step(_ simulation: ConsumerGroupSimulation) {}
    func leave(_ simulation: ConsumerGroupSimulation) {}

    func lose() {
        owned = TopicPartitionSet()
        isAbsent = false
    }
}

/// A client of the consumer protocol, as Java's and librdkafka's behave.
final class SimulatedConsumer: SimulatedClient {
    var memberId: String
    let instanceId: String?
    let regex: String?
    var epoch: Int32 = 0
    private var assigned = TopicPartitionSet()
    /// When it will have given up what it is no longer assigned.
    private var revokedAt: Int64?
    private var mustSendAll = true
    private var mustSendOwned = false
    private let neverRevokes: Bool

    init(name: Int, incarnation: Int, topics: [String], regex: String?, instanceId: String?, neverRevokes: Bool) {
        memberId = "c\(name)-\(incarnation)"
        self.regex = regex
        self.instanceId = instanceId
        self.neverRevokes = neverRevokes
        super.init(name: name, topics: topics)
    }

    override func step(_ simulation: ConsumerGroupSimulation) {
        let now = simulation.bench.time.monotonic
        nextStep = now + Int64.random(in: 300...1200, using: &simulation.random)
        reconcile(simulation)
        var request = ConsumerGroupHeartbeatRequest(groupId: "g", memberId: memberId, memberEpoch: epoch)
        request.instanceId = instanceId
        if epoch == 0 || mustSendAll {
            request.rebalanceTimeoutMs = neverRevokes ? 5000 : 600_000
            request.subscribedTopicNames = topics
            request.subscribedTopicRegex = regex
        }
        if epoch == 0 || mustSendAll || mustSendOwned {
            request.topicPartitions =
                epoch == 0 ? [] : owned.sorted.map { .init(topicId: $0.id, partitions: $0.partitions) }
        }
        let response = simulation.send { simulation.bench.heartbeat(request) }
        guard let response, response.errorCode != ErrorCode.notCoordinator.rawValue else {
            mustSendAll = true
            return
        }
        switch ErrorCode(rawValue: response.errorCode) {
        case .none:
            simulation.check(response.memberEpoch >= epoch, "\(memberId) goes back to epoch \(response.memberEpoch)")
            epoch = response.memberEpoch
            mustSendAll = false
            mustSendOwned = false
            isAbsent = false
            if let assignment = response.assignment {
                assigned = TopicPartitionSet(assignment.topicPartitions.map { ($0.topicId, $0.partitions) })
            }
            reconcile(simulation)
        case .fencedMemberEpoch, .unknownMemberId, .groupIdNotFound:
            beginAnew()
            nextStep = now
        case .unreleasedInstanceId:
            nextStep = now + 1000
        case .fencedInstanceId:
            lose()
            isDead = true
        case let code: simulation.check(false, "\(memberId) is answered with \(code)")
        }
    }

    /// Gives up what it is not assigned, which takes a moment, and only then takes what is new.
    private func reconcile(_ simulation: ConsumerGroupSimulation) {
        let now = simulation.bench.time.monotonic
        guard owned != assigned else { return }
        if !owned.isSubset(of: assigned) {
            if neverRevokes {
                isAbsent = true
                return
            }
            let done = revokedAt ?? now + Int64.random(in: 0...1500, using: &simulation.random)
            revokedAt = done
            guard done <= now else { return }
        }
        revokedAt = nil
        owned = assigned
        mustSendOwned = true
    }

    private func beginAnew() {
        lose()
        assigned = TopicPartitionSet()
        revokedAt = nil
        epoch = 0
        mustSendAll = true
    }

    override func leave(_ simulation: ConsumerGroupSimulation) {
        lose()
        let isStatic = instanceId != nil && Bool.random(using: &simulation.random)
        let left = epoch
        isDead = true
        guard left > 0 else { return }
        _ = simulation.send {
            simulation.bench.heartbeat(
                .init(
                    groupId: "g", memberId: memberId, memberEpoch: isStatic ? -2 : -1, instanceId: instanceId))
        }
    }
}

/// A client of the classic protocol, eager or cooperative.
final class SimulatedClassicConsumer: SimulatedClient {
    private enum State {
        case outside
        case joining(ReplyToken)
        case joined(JoinGroupResponse)
        case syncing(ReplyToken)
        case stable
    }

    let isCooperative: Bool
    private var memberId = ""
    private var generation: Int32 = -1
    private var state = State.outside
    private var isLeader = false
    private var topicsSeen: UInt64 = 0

    init(name: Int, topics: [String], isCooperative: Bool) {
        self.isCooperative = isCooperative
        super.init(name: name, topics: topics)
    }

    private var protocolName: String { isCooperative ? "cooperative-sticky" : "range" }

    override func step(_ simulation: ConsumerGroupSimulation) {
        let bench = simulation.bench
        nextStep = bench.time.monotonic + Int64.random(in: 100...900, using: &simulation.random)
        switch state {
        case .outside: join(simulation)
        case .joining(let token):
            if let response: JoinGroupResponse = bench.take(token) { joined(response, simulation) }
        case .joined(let response): sync(response, simulation)
        case .syncing(let token):
            if let response: SyncGroupResponse = bench.take(token) { synced(response, simulation) }
        case .stable: heartbeat(simulation)
        }
    }

    private func join(_ simulation: ConsumerGroupSimulation) {
        if !isCooperative { owned = TopicPartitionSet() }
        let bench = simulation.bench
        var subscription = ConsumerProtocolSubscription(topics: topics, generationId: generation)
        subscription.ownedPartitions = owned.sorted.compactMap { id, partitions in
            bench.topics.facts(id: id).map { .init(topic: $0.name, partitions: partitions) }
        }
        var writer = WireWriter()
        writer.writeInt16(3)
        try? subscription.encode(to: &writer, version: 3)
        topicsSeen = bench.topics.count
        let token = bench.token()
        let request = JoinGroupRequest(
            groupId: "g", sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 20_000, memberId: memberId,
            protocolType: "consumer", protocols: [.init(name: protocolName, metadata: writer.buffer)])
        state = .joining(token)
        let isLost =
            simulation.send {
                bench.deliver(
                    bench.shard.joinGroup(
                        request, version: 9, client: bench.client, token: token, at: bench.time, topics: bench.topics))
                return true
            } == nil
        if isLost {
            // The client gives up on the request and sends another.
            state = .outside
        } else if let response: JoinGroupResponse = bench.take(token) {
            joined(response, simulation)
        }
    }

    private func joined(_ response: JoinGroupResponse, _ simulation: ConsumerGroupSimulation) {
        switch ErrorCode(rawValue: response.errorCode) {
        case .none:
            memberId = response.memberId
            generation = response.generationId
            isLeader = response.leader == memberId
            isAbsent = false
            state = .joined(response)
        case .memberIdRequired:
            memberId = response.memberId
            state = .outside
        case .rebalanceInProgress, .notCoordinator: state = .outside
        case let code: refused(code, simulation)
        }
    }

    private func sync(_ joined: JoinGroupResponse, _ simulation: ConsumerGroupSimulation) {
        let bench = simulation.bench
        let token = bench.token()
        let request = SyncGroupRequest(
            groupId: "g", generationId: generation, memberId: memberId, protocolType: "consumer",
            protocolName: joined.protocolName, assignments: assign(joined.members, simulation))
        state = .syncing(token)
        let isLost =
            simulation.send {
                bench.deliver(
                    bench.shard.syncGroup(request, version: 5, token: token, at: bench.time, topics: bench.topics))
                return true
            } == nil
        if isLost {
            state = .outside
        } else if let response: SyncGroupResponse = bench.take(token) {
            synced(response, simulation)
        }
    }

    private func synced(_ response: SyncGroupResponse, _ simulation: ConsumerGroupSimulation) {
        switch ErrorCode(rawValue: response.errorCode) {
        case .none:
            guard let assignment = try? ConsumerProtocol.assignment(response.assignment) else {
                return simulation.check(false, "\(memberId) cannot read its assignment")
            }
            let next = TopicPartitionSet(
                named: assignment.assignedPartitions.map { ($0.topic, $0.partitions) }, topics: simulation.bench.topics)
            let hasRevoked = !owned.isSubset(of: next)
            owned = next
            isAbsent = false
            // Who gave something up joins again, so that another may have it.
            state = isCooperative && hasRevoked ? .outside : .stable
        case .rebalanceInProgress, .notCoordinator: state = .outside
        case let code: refused(code, simulation)
        }
    }

    private func heartbeat(_ simulation: ConsumerGroupSimulation) {
        let bench = simulation.bench
        if isLeader, topicsSeen != bench.topics.count {
            state = .outside
            return
        }
        let token = bench.token()
        let response: HeartbeatResponse? = simulation.send {
            bench.deliver(
                bench.shard.heartbeat(
                    HeartbeatRequest(groupId: "g", generationId: generation, memberId: memberId), version: 4,
                    token: token, at: bench.time, topics: bench.topics))
            return bench.take(token) ?? HeartbeatResponse(errorCode: -99)
        }
        switch response.map({ ErrorCode(rawValue: $0.errorCode) }) {
        case nil: break
        case ErrorCode.none: isAbsent = false
        case .rebalanceInProgress: state = .outside
        case let code?: refused(code, simulation)
        }
    }

    private func refused(_ code: ErrorCode, _ simulation: ConsumerGroupSimulation) {
        switch code {
        case .unknownMemberId:
            memberId = ""
            generation = -1
        case .illegalGeneration: generation = -1
        default: simulation.check(false, "a classic member is answered with \(code)")
        }
        lose()
        state = .outside
    }

    /// The leader's work: round robin, but nobody gets what another still has.
    private func assign(
        _ members: [JoinGroupResponse.JoinGroupResponseMember], _ simulation: ConsumerGroupSimulation
    ) -> [SyncGroupRequest.SyncGroupRequestAssignment] {
        let topics = simulation.bench.topics
        var owners: [String: [Int32: String]] = [:]
        var subscriptions: [(String, ConsumerProtocolSubscription)] = []
        for member in members {
            guard let subscription = try? ConsumerProtocol.subscription(member.metadata) else { continue }
            subscriptions.append((member.memberId, subscription))
        }
        for (memberId, subscription) in subscriptions.sorted(by: { $0.1.generationId < $1.1.generationId }) {
            for owned in subscription.ownedPartitions {
                for partition in owned.partitions { owners[owned.topic, default: [:]][partition] = memberId }
            }
        }
        var assignment: [String: TopicPartitionSet] = [:]
        for name in topics.names {
            let interested = subscriptions.filter { $0.1.topics.contains(name) }.map(\.0).sorted()
            guard !interested.isEmpty, let facts = topics.facts(named: name) else { continue }
            for partition in 0..<facts.partitionCount {
                let member = interested[Int(partition) % interested.count]
                if let owner = owners[name]?[partition], owner != member { continue }
                assignment[member, default: TopicPartitionSet()].insert(facts.id, partition)
            }
        }
        return members.map { member in
            .init(
                memberId: member.memberId,
                assignment: (try? ConsumerProtocol.bytes(
                    assignment[member.memberId] ?? TopicPartitionSet(), for: member.metadata, topics: topics))
                    ?? ByteBuffer())
        }
    }

    override func leave(_ simulation: ConsumerGroupSimulation) {
        lose()
        isDead = true
        guard !memberId.isEmpty else { return }
        let bench = simulation.bench
        let token = bench.token()
        _ = simulation.send {
            bench.deliver(
                bench.shard.leaveGroup(
                    LeaveGroupRequest(groupId: "g", members: [.init(memberId: memberId)]), version: 5, token: token,
                    at: bench.time, topics: bench.topics))
            return true
        }
    }

    func forgetRequests() {
        switch state {
        case .joining, .syncing: state = .outside
        default: break
        }
    }
}
