import Bytes
import KafkaMessages
import NIOCore
import TestKit

@testable import Coordinators

/// Drives one shard by random clients, transactions, timers, refused appends and crashes, and holds it against what groups
/// promise: nobody's reply is lost, a generation has one leader and no assignment twice, silent members go, committed
/// offsets are those of the log, and a shard that has read the log is the shard that wrote it.
struct GroupSimulation {
    /// The broken promise, in words.
    struct Violation: Error, CustomStringConvertible {
        var description: String
    }

    enum Phase: Equatable {
        /// Not in the group, as far as the client knows; it joins next, under its member id if it has one.
        case out
        case joining(ReplyToken)
        case joined
        case syncing(ReplyToken)
        case stable
        /// Dead or paused: it does nothing, whatever comes back.
        case silent
    }

    /// One application.
    struct Client {
        var group: String
        var instanceId: String?
        var type: String
        var protocols: [String]
        var version: Int16
        var session: Int32
        var rebalance: Int32
        var metadata: UInt8 = 0
        var memberId = ""
        var generation: Int32 = -1
        /// The members it has to assign to, when it leads.
        var led: [String] = []
        var phase = Phase.out
    }

    struct OffsetKey: Hashable {
        var group: String
        var partition: TopicPartition
    }

    /// A round of joins that was ended.
    struct Round {
        var generation: Int32
        var members: [String]
    }

    struct Batch {
        var entries: [LogEntry]
    }

    struct Held {
        var replies: [Reply]
        /// Batches that must be durable first.
        var batchCount: Int
        var acknowledged: [OffsetKey: Int64]
    }

    var random: SeededRandom
    var shard: GroupShard
    var time = EventTime(wall: 1_700_000_000_000, monotonic: 1_000)
    let topics = FixedTopics()
    var clients: [Client] = []

    var log: [Batch] = []
    private var durableCount = 0
    var held: [Held] = []
    /// Who asked, and as which member.
    struct Asker {
        var client: Int?
        var memberId: String
    }

    /// Requests without a reply.
    var waiting: [ReplyToken: Asker] = [:]
    var tokenCount: UInt64 = 0
    var offsetCount: Int64 = 0
    private var crashCount: UInt64 = 0

    var rounds: [String: Round] = [:]
    /// Who was given these bytes, in which generation.
    var assignments: [[UInt8]: (owner: String, generation: Int32)] = [:]
    var aliveAt: [String: Int64] = [:]
    /// Offsets that a client was told are safe, with the number of the batch that holds them.
    var acknowledged: [OffsetKey: Int64] = [:]
    private var removed: [OffsetKey: Int] = [:]

    private let isTracing: Bool
    private(set) var trace: [String] = []
    /// How often things happened, for the test that the simulation is not idle.
    private(set) var counts: [String: Int] = [:]

    init(seed: UInt64, isTracing: Bool = false) {
        random = SeededRandom(seed: seed)
        self.isTracing = isTracing
        var configuration = GroupConfiguration()
        if Int.random(in: 0..<3, using: &random) == 0 { configuration.initialRebalanceDelayMs = 3_000 }
        if Int.random(in: 0..<4, using: &random) == 0 { configuration.maxSize = 3 }
        configuration.offsetsRetentionMinutes = Int64([1, 1_000].randomElement(using: &random) ?? 1)
        configuration.offsetsRetentionCheckIntervalMs = 40_000
        shard = GroupShard(configuration: configuration, seed: seed)
        for index in 0..<Int.random(in: 2...7, using: &random) {
            let group = ["g", "g", "h"][index % 3]
            let isOld = Int.random(in: 0..<3, using: &random) == 0
            let isStatic = !isOld && Int.random(in: 0..<3, using: &random) == 0
            clients.append(
                Client(
                    group: group, instanceId: isStatic ? "i\(Int.random(in: 0..<2, using: &random))" : nil,
                    type: group == "g" ? "consumer" : "connect",
                    protocols: [["a", "b"], ["b", "a"], ["a"], ["b", "c"]].randomElement(using: &random) ?? [],
                    version: isOld ? .random(in: 0...4, using: &random) : .random(in: 5...9, using: &random),
                    session: [6_000, 10_000].randomElement(using: &random) ?? 6_000,
                    rebalance: [500, 8_000, 20_000].randomElement(using: &random) ?? 500))
        }
    }

    // MARK: Running

    mutating func run(stepCount: Int) throws {
        for _ in 0..<stepCount {
            try step()
            try checkState()
        }
        try finish()
    }

    private mutating func step() throws {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<60: try act(Int.random(in: 0..<clients.count, using: &random))
        case 60..<78: try advance()
        case 78..<84: try simpleCommit()
        case 84..<89: try transaction()
        case 89..<94: flush()
        case 94..<96: try delete()
        default: if Int.random(in: 0..<2, using: &random) == 0 { try crash() }
        }
    }

    /// Everybody falls silent: what waits must get its answer, and the groups must empty.
    private mutating func finish() throws {
        for index in clients.indices { clients[index].phase = .silent }
        let end = time.monotonic + 15 * 60_000
        var ticks = 0
        while let next = shard.nextDeadline, next <= end {
            move(to: max(next, time.monotonic))
            try tick(mayFail: false)
            ticks += 1
            guard ticks < 2_000 else { throw Violation(description: "timers do not come to rest") }
        }
        flush()
        guard waiting.isEmpty else { throw Violation(description: "requests were never answered: \(waiting.keys)") }
        for group in shard.list() where group.groupState != "Empty" {
            throw Violation(description: "\(group.groupId) is \(group.groupState) without members that live")
        }
        try compareWithReplay()
    }

    mutating func note(_ text: @autoclosure () -> String) {
        if isTracing { trace.append("\(time.monotonic) \(text())") }
    }

    mutating func count(_ what: String) { counts[what, default: 0] += 1 }

    // MARK: The log

    mutating func deliver(
        _ decision: Decision, from before: GroupShard, mayFail: Bool = true, commits: [OffsetKey: Int64] = [:]
    ) throws {
        var replies = decision.replies
        var acknowledged = commits
        if !decision.records.isEmpty {
            if mayFail, Int.random(in: 0..<12, using: &random) == 0 {
                shard.abandon()
                acknowledged = [:]
                replies = decision.refusals(.kafkaStorageError)
                count("abandon")
                note("abandon")
                guard Self.settled(shard.groups) == Self.settled(before.groups),
                    shard.offsets.committed == before.offsets.committed,
                    shard.offsets.pending == before.offsets.pending
                else { throw Violation(description: "an abandoned decision left something behind") }
            } else {
                let producer = decision.producer?.producerId
                log.append(Batch(entries: decision.records.map { .record($0, producerId: producer) }))
                shard.commit()
                note("append \(decision.records)")
                try observe(decision.records)
            }
        }
        for reply in replies {
            guard waiting[reply.token] != nil else {
                throw Violation(description: "a reply for a request that does not wait: \(reply)")
            }
        }
        try check(replies)
        // Answers leave in order, and not before what they build on is safe.
        held.append(Held(replies: replies, batchCount: log.count, acknowledged: acknowledged))
        release()
    }

    /// Groups without the sessions, which a commit extends even if it fails.
    private static func settled(_ groups: [String: Group]) -> [String: Group] {
        groups.mapValues { group in
            guard case .classic(var classic) = group else { return group }
            for position in classic.members.all.indices { classic.members.all[position].sessionDeadline = 0 }
            return .classic(classic)
        }
    }

    private mutating func observe(_ records: [CoordinatorRecord]) throws {
        for record in records where record.value == nil {
            var reader = WireReader(record.key)
            switch try reader.readInt16() {
            case 1:
                let key = try OffsetCommitKey(from: &reader, version: 1)
                let offset = OffsetKey(
                    group: key.group, partition: TopicPartition(topic: key.topic, partition: key.partition))
                removed[offset] = log.count
                acknowledged[offset] = nil
                count("tombstone")
            default:
                rounds[try GroupMetadataKey(from: &reader, version: 2).group] = nil
                count("removal")
            }
        }
    }

    mutating func append(marker producerId: Int64, isCommit: Bool) {
        log.append(Batch(entries: [.marker(producerId: producerId, isCommit: isCommit)]))
    }

    private mutating func flush() {
        durableCount = log.count
        note("flush")
        release()
    }

    private mutating func release() {
        while let first = held.first, first.batchCount <= durableCount {
            held.removeFirst()
            for reply in first.replies {
                let client = waiting.removeValue(forKey: reply.token)?.client
                note("reply \(reply)")
                if let client { receive(reply, client) }
            }
            for (key, offset) in first.acknowledged where (removed[key] ?? 0) < first.batchCount {
                acknowledged[key] = max(offset, acknowledged[key] ?? 0)
            }
        }
    }

    private mutating func crash() throws {
        count("crash")
        if Int.random(in: 0..<2, using: &random) == 0 { durableCount = log.count }
        let kept = Int.random(in: durableCount...log.count, using: &random)
        log.removeLast(log.count - kept)
        durableCount = kept
        held = []
        waiting = [:]
        for index in clients.indices {
            switch clients[index].phase {
            case .joining, .syncing: clients[index].phase = .out
            case .out, .joined, .stable, .silent: break
            }
        }
        crashCount += 1
        time.monotonic = Int64.random(in: 0...10_000, using: &random)  // another boot
        time.wall += 1_000
        note("crash, \(kept) batches")
        shard = try replayed(seed: crashCount &* 1_000)
        rounds = [:]
        assignments = [:]
        aliveAt = [:]
        removed = [:]
        for group in shard.groups.values {
            guard case .classic(let classic) = group else { continue }
            for member in classic.members.all { aliveAt[member.id] = time.monotonic }
        }
        try checkOffsets()
    }

    func replayed(seed: UInt64) throws -> GroupShard {
        var shard = GroupShard(configuration: shard.configuration, seed: seed)
        for entry in log.lazy.flatMap(\.entries) {
            switch entry {
            case .record(let record, let producerId):
                try shard.replay(key: record.key, value: record.value, producerId: producerId)
            case .marker(let producerId, let isCommit): shard.replayMarker(producerId: producerId, isCommit: isCommit)
            }
        }
        shard.finishLoading(at: time)
        return shard
    }

    // MARK: Time

    private mutating func move(to monotonic: Int64) {
        time.wall += monotonic - time.monotonic
        time.monotonic = monotonic
    }

    private mutating func advance() throws {
        let next = shard.nextDeadline ?? time.monotonic + 1_000
        switch Int.random(in: 0..<4, using: &random) {
        case 0: move(to: max(time.monotonic, next))
        case 1: move(to: time.monotonic + Int64.random(in: 0...300, using: &random))
        default: move(to: time.monotonic + Int64.random(in: 0...3_000, using: &random))
        }
        try tick(mayFail: true)
    }

    private mutating func tick(mayFail: Bool) throws {
        note("tick")
        let before = shard
        let decision = shard.tick(at: time, topics: topics)
        try deliver(decision, from: before, mayFail: mayFail)
        if let next = shard.nextDeadline, next <= time.monotonic {
            throw Violation(description: "after a tick at \(time.monotonic) a deadline is at \(next)")
        }
        guard shard.pausedUntil <= time.monotonic else { return }
        for (id, group) in shard.groups {
            guard case .classic(let classic) = group else { continue }
            for member in classic.members.all where member.awaitingJoin == nil && member.awaitingSync == nil {
                guard let alive = aliveAt[member.id] else {
                    throw Violation(description: "\(member.id) of \(id) was never heard of")
                }
                if time.monotonic - alive >= Int64(member.sessionTimeoutMs) {
                    throw Violation(description: "\(member.id) of \(id) is silent since \(alive)")
                }
            }
        }
    }
}
