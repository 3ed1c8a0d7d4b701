import KafkaMessages
import NIOCore
import TestKit

@testable import Coordinators

/// Producers, partitions, a disk and a clock around a `TransactionShard`, all of it driven by one seed.
///
/// Several clients share each transactional id, so that most of them are zombies most of the time. The disk refuses
/// records and markers, and loses what was not forced when the broker stops. `violations` tells what must never happen.
struct TransactionSimulation {
    /// One transaction as its client sees it.
    struct Transaction {
        var id: String
        /// Partitions with records that the broker took.
        var data: Set<String> = []
        var outcomes: [String: Bool] = [:]
        var isCommitSent = false
        /// A later producer has begun before this one asked to commit.
        var isFenced = false
        var isCommitted = false
    }

    /// A partition: who wrote, with what epoch, and what is not yet decided.
    struct Partition {
        var epochs: [Int64: Int16] = [:]
        var open: [Int64: Set<Int>] = [:]

        mutating func admits(_ producer: TransactionProducer) -> Bool {
            guard producer.producerEpoch >= epochs[producer.producerId] ?? 0 else { return false }
            epochs[producer.producerId] = producer.producerEpoch
            return true
        }
    }

    struct Client {
        enum Phase { case fresh, ready, open, ending }
        var id: String
        var bumps: Bool
        var phase = Phase.fresh
        var producer = TransactionProducer(producerId: -1, producerEpoch: -1)
        var expected: TransactionProducer?
        var transaction = 0
        var added: Set<String> = []
        var wantsCommit = false
        var mustAbort = false
        var pending: ReplyToken?
    }

    enum Purpose {
        case initialize
        case add(String, transaction: Int)
        case end(commit: Bool, transaction: Int)
        case append(String, transaction: Int, TransactionProducer)
    }

    enum Held {
        case reply(Reply)
        case order(MarkerOrder)
        case append(ReplyToken)
    }

    static let timeoutMs: Int32 = 900
    let configuration = TransactionConfiguration(transactionalIdExpirationMs: 300_000)

    var random: SeededRandom
    var shard: TransactionShard
    var time = EventTime(wall: 1_700_000_000_000, monotonic: 0)
    var log: [CoordinatorRecord] = []
    var durableCount = 0
    /// What waits until the log is durable up to a count of records.
    var held: [(count: Int, what: Held)] = []
    var orders: [(order: MarkerOrder, left: [String])] = []
    var tokens: [ReplyToken: (client: Int, purpose: Purpose)] = [:]
    var clients: [Client] = []
    var transactions: [Transaction] = []
    var partitions: [String: Partition] = [:]
    var owners: [Int64: String] = [:]
    /// On the monotonic clock, with the milliseconds by which its end was put off.
    var open: [String: (since: Int64, delay: Int64)] = [:]
    var refusesNothing = false
    var violations: [String] = []
    /// What happened, so that a test knows that it tests something.
    var tally: [String: Int] = [:]
    private var lastToken: UInt64 = 0
    private var lastProducerId: Int64 = 100
    private let ids = ["t", "u"]
    private let topics = Topics(counts: ["a": 3, "b": 2])

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        shard = TransactionShard(configuration: configuration)
        for id in ids {
            let bumps = Bool.random(using: &random)
            for _ in 0..<3 { clients.append(Client(id: id, bumps: bumps != (random.roll(5) == 0))) }
            guard random.roll(3) == 0 else { continue }
            // Some producers are near the end of their epochs.
            var old = TransactionMetadata(
                producerId: nextProducerId(), timeoutMs: 1, lastUpdateTimestamp: time.wall)
            old.producerEpoch = 32_760 + Int16(random.roll(7))
            old.state = .completeCommit
            owners[old.producerId] = id
            log.append(TransactionRecords.record(id, old))
        }
        restart()
    }

    mutating func run(steps: Int) {
        for _ in 0..<steps where violations.isEmpty { step() }
        quiesce()
    }

    // MARK: events

    private mutating func step() {
        switch random.roll(100) {
        case 0..<55: act(random.roll(clients.count))
        case 55..<70: sync()
        case 70..<84: workOnOrder()
        case 84..<97: advance(Int64(random.roll(400)))
        case 97:
            let step = Int64(random.roll(2_001)) - 1_000
            time.wall += step
            putOff(max(0, -step))
        default: if random.roll(3) == 0 { crash() }
        }
        tickWhenDue()
    }

    private mutating func advance(_ milliseconds: Int64) {
        time.wall += milliseconds
        time.monotonic += milliseconds
    }

    mutating func tickWhenDue() {
        for _ in 0..<10 {
            guard let deadline = shard.nextDeadline, deadline <= time.monotonic else { break }
            take(shard.tick(at: time, freshProducerId: nextProducerId()), "tick")
        }
        watchTimeouts()
    }

    /// An open transaction ends by its timeout. Refusals put it off, and a wall clock that went back before a restart.
    private mutating func watchTimeouts() {
        for id in ids {
            guard shard.entries[id]?.metadata.state == .ongoing else {
                open[id] = nil
                continue
            }
            let (since, delay) = open[id] ?? (time.monotonic, 0)
            open[id] = (since, delay)
            if time.monotonic - since >= Int64(Self.timeoutMs) + delay { fail("\(id) is open for too long") }
        }
    }

    private mutating func putOff(_ milliseconds: Int64) {
        for id in ids { open[id]?.delay += milliseconds }
    }

    mutating func sync() {
        durableCount = log.count
        let ready = held.filter { $0.count <= durableCount }
        held.removeAll { $0.count <= durableCount }
        for (_, what) in ready {
            switch what {
            case .reply(let reply): deliver(reply)
            case .order(let order): begin(order)
            case .append(let token): append(token)
            }
        }
    }

    /// The process stops; the disk keeps what was forced, and as much more as it likes.
    private mutating func crash() {
        count("crash")
        let kept = durableCount + random.roll(log.count - durableCount + 1)
        if kept == log.count { expectReplayIsState() }
        log.removeLast(log.count - kept)
        restart()
    }

    private mutating func restart() {
        shard = TransactionShard(configuration: configuration)
        for record in log {
            do { try shard.replay(key: record.key, value: record.value) } catch { fail("replay: \(error)") }
        }
        durableCount = log.count
        held = []
        orders = []
        tokens = [:]
        for index in clients.indices where clients[index].pending != nil {
            clients[index].pending = nil
            // What became of a record on its way is not known.
            if clients[index].phase == .open, clients[index].bumps { clients[index].mustAbort = true }
        }
        take(shard.finishLoading(at: time), "finishLoading")
    }

    private func replayed() throws -> [String: TransactionMetadata] {
        var other = TransactionShard(configuration: configuration)
        for record in log { try other.replay(key: record.key, value: record.value) }
        return other.entries.mapValues(\.metadata)
    }

    mutating func expectReplayIsState() {
        let state = shard.entries.mapValues { entry in
            var metadata = entry.metadata
            metadata.lastProducerEpoch = TransactionMetadata.noEpoch
            return metadata
        }
        if (try? replayed()) != state { fail("the log does not give the state") }
    }

    // MARK: decisions

    /// - Parameter append: the token of records to write when the decision is durable.
    mutating func take(_ decision: TransactionDecision, _ what: String, append: ReplyToken? = nil) {
        let effects = decision.decision
        if !effects.records.isEmpty, !refusesNothing, random.roll(20) == 0 {
            count("refused \(what)")
            shard.abandon()
            if what == "tick" { putOff(configuration.retryBackoffMs + 400) }
            for reply in effects.refusals(.kafkaStorageError) { deliver(reply) }
            if let append { answerAppend(append, false) }
            return
        }
        if !effects.records.isEmpty {
            log += effects.records
            shard.commit()
        }
        for reply in effects.replies {
            if decision.repliesWaitForDisk { held.append((log.count, .reply(reply))) } else { deliver(reply) }
        }
        for order in decision.markers { held.append((log.count, .order(order))) }
        if let append {
            if decision.errorCode == .none {
                held.append((log.count, .append(append)))
            } else {
                answerAppend(append, false, decision.errorCode)
            }
        }
        if what == "markers", random.roll(2) == 0 { sync() }
    }

    private mutating func begin(_ order: MarkerOrder) {
        let left = order.topics.flatMap { topic in topic.partitions.map { "\(topic.name)-\($0)" } }
        if left.isEmpty { fail("an order without partitions") }
        orders.append((order, left.shuffled(using: &random)))
    }

    mutating func workOnOrder() {
        guard !orders.isEmpty else { return }
        let index = random.roll(orders.count)
        let order = orders[index].order
        guard let partition = orders[index].left.popLast() else {
            orders.remove(at: index)
            count("order")
            let decision = shard.markersWritten(
                transactionalId: order.transactionalId, producerId: order.producerId,
                producerEpoch: order.producerEpoch, at: time)
            return take(decision, "markers")
        }
        if !refusesNothing, random.roll(25) == 0 {
            count("refused marker")
            orders.remove(at: index)
            let decision = shard.markersRefused(
                transactionalId: order.transactionalId, producerId: order.producerId,
                producerEpoch: order.producerEpoch, at: time)
            return take(decision, "refusal")
        }
        mark(partition, order)
    }

    private mutating func mark(_ name: String, _ order: MarkerOrder) {
        let producer = TransactionProducer(producerId: order.producerId, producerEpoch: order.producerEpoch)
        guard partitions[name, default: Partition()].admits(producer) else {
            return fail("a marker of \(order.transactionalId) is behind the epoch of partition \(name)")
        }
        for index in (partitions[name]?.open.removeValue(forKey: order.producerId) ?? []).sorted() {
            if transactions[index].outcomes[name] != nil { fail("two outcomes in \(name)") }
            if order.isCommit, !transactions[index].isCommitSent { fail("nobody asked for the commit of \(index)") }
            if !order.isCommit, transactions[index].isCommitted { fail("acknowledged commit \(index) is aborted") }
            transactions[index].outcomes[name] = order.isCommit
        }
    }

    // MARK: clients

    private mutating func act(_ index: Int) {
        let client = clients[index]
        if client.pending != nil {
            guard random.roll(8) == 0 else { return }
            count("gave up")
            clients[index].pending = nil
            if client.phase == .open, client.bumps { clients[index].mustAbort = true }
            return
        }
        let dice = random.roll(100)
        switch client.phase {
        case .fresh:
            // Who was fenced is not back at once, else nobody gets to the end of a transaction.
            if client.expected != nil || dice < 8 { sendInit(index) }
        case .ready:
            switch dice {
            case 0..<70:
                transactions.append(Transaction(id: client.id))
                clients[index].transaction = transactions.count - 1
                clients[index].added = []
                clients[index].mustAbort = false
                clients[index].phase = .open
                sendAdd(index)
            case 70..<80:
                clients[index].expected = client.producer
                clients[index].phase = .fresh
            case 80..<90 where client.bumps:
                transactions.append(Transaction(id: client.id))
                clients[index].transaction = transactions.count - 1
                clients[index].added = []
                sendEnd(index, commit: false)
            default: startAnew(index)
            }
        case .open:
            switch dice {
            case 0..<5: startAnew(index)
            case 5..<55 where !client.mustAbort: sendAdd(index)
            case 55..<65: break
            default: sendEnd(index, commit: !client.mustAbort && !client.added.isEmpty && random.roll(4) != 0)
            }
        case .ending: sendEnd(index, commit: client.wantsCommit)
        }
    }

    private mutating func startAnew(_ index: Int) {
        clients[index].phase = .fresh
        clients[index].expected = nil
    }

    private mutating func send(_ index: Int, _ purpose: Purpose) -> ReplyToken {
        lastToken += 1
        let token = ReplyToken(rawValue: lastToken)
        tokens[token] = (index, purpose)
        clients[index].pending = token
        return token
    }

    private mutating func nextProducerId() -> Int64 {
        lastProducerId += 1
        return lastProducerId
    }

    private mutating func sendInit(_ index: Int) {
        let client = clients[index]
        let token = send(index, .initialize)
        let fresh = nextProducerId()
        let decision = shard.initProducerId(
            InitProducerIdRequest(
                transactionalId: client.id, transactionTimeoutMs: Self.timeoutMs,
                producerId: client.expected?.producerId ?? -1, producerEpoch: client.expected?.producerEpoch ?? -1),
            version: Int16(random.roll(6)), token: token, at: time, freshProducerId: fresh)
        take(decision, "init")
        if !decision.usedFreshProducerId {
            lastProducerId -= 1  // Offered to the next one, who must be the only one to have it.
        }
    }

    /// A client of version 1 first adds and then writes; one of version 2 writes.
    private mutating func sendAdd(_ index: Int) {
        let client = clients[index]
        if !client.bumps, let partition = client.added.sorted().randomElement(using: &random), random.roll(2) == 0 {
            return produce(index, partition)
        }
        let topic = random.roll(2) == 0 ? "a" : "b"
        let number = Int32(random.roll(client.bumps ? 2 : 3))
        let partition = "\(topic)-\(number)"
        if client.bumps {
            let token = send(index, .append(partition, transaction: client.transaction, client.producer))
            let decision = shard.addImplicitly(
                transactionalId: client.id, producerId: client.producer.producerId,
                producerEpoch: client.producer.producerEpoch,
                topics: [TransactionTopic(name: topic, partitions: [number])], at: time)
            return take(decision, "implicit", append: token)
        }
        let token = send(index, .add(partition, transaction: client.transaction))
        let decision = shard.addPartitions(
            .init(
                transactionalId: client.id, producerId: client.producer.producerId,
                producerEpoch: client.producer.producerEpoch, topics: [.init(name: topic, partitions: [number])]),
            version: Int16(random.roll(4)), token: token, at: time, topics: topics)
        take(decision, "add")
    }

    private mutating func produce(_ index: Int, _ partition: String) {
        let client = clients[index]
        let parts = partition.split(separator: "-")
        let code = shard.verify(
            transactionalId: client.id, producerId: client.producer.producerId,
            producerEpoch: client.producer.producerEpoch, topic: String(parts[0]), partition: Int32(parts[1]) ?? -1)
        guard code == .none, partitions[partition, default: Partition()].admits(client.producer) else {
            clients[index].mustAbort = true
            return
        }
        write(partition, client.producer, client.transaction)
    }

    private mutating func write(_ partition: String, _ producer: TransactionProducer, _ transaction: Int) {
        count("write")
        partitions[partition, default: Partition()].open[producer.producerId, default: []].insert(transaction)
        transactions[transaction].data.insert(partition)
        if transactions[transaction].outcomes[partition] != nil { fail("a record after the outcome of \(transaction)") }
    }

    private mutating func append(_ token: ReplyToken) {
        guard case .append(let partition, let transaction, let producer)? = tokens[token]?.purpose else {
            return fail("a record without a request")
        }
        let isAdmitted = partitions[partition, default: Partition()].admits(producer)
        if isAdmitted { write(partition, producer, transaction) }
        answerAppend(token, isAdmitted)
    }

    private mutating func answerAppend(_ token: ReplyToken, _ isWritten: Bool, _ code: ErrorCode = .none) {
        guard let (index, purpose) = tokens.removeValue(forKey: token) else {
            return fail("\(token) is answered twice")
        }
        guard clients[index].pending == token, case .append(let partition, _, _) = purpose else { return }
        clients[index].pending = nil
        if isWritten {
            clients[index].added.insert(partition)
        } else if code != .concurrentTransactions {
            clients[index].mustAbort = true
        }
    }

    private mutating func sendEnd(_ index: Int, commit: Bool) {
        let client = clients[index]
        clients[index].phase = .ending
        clients[index].wantsCommit = commit
        if commit { transactions[client.transaction].isCommitSent = true }
        let token = send(index, .end(commit: commit, transaction: client.transaction))
        take(
            shard.endTxn(
                EndTxnRequest(
                    transactionalId: client.id, producerId: client.producer.producerId,
                    producerEpoch: client.producer.producerEpoch, committed: commit),
                version: client.bumps ? 5 : Int16(random.roll(5)), token: token, at: time,
                freshProducerId: nextProducerId()), "end")
    }

    // MARK: replies

    private mutating func deliver(_ reply: Reply) {
        guard let (index, purpose) = tokens.removeValue(forKey: reply.token) else {
            return fail("\(reply.token) is answered twice")
        }
        let isAwaited = clients[index].pending == reply.token
        if isAwaited { clients[index].pending = nil }
        switch (purpose, reply.message) {
        case (.initialize, let response as InitProducerIdResponse): initialized(index, response, isAwaited)
        case (.add(let partition, let transaction), let response as AddPartitionsToTxnResponse):
            let code = response.resultsByTopicV3AndBelow.first?.resultsByPartition.first?.partitionErrorCode
            guard isAwaited, clients[index].transaction == transaction else { return }
            switch code {
            case 0: clients[index].added.insert(partition)
            case 51, 16: break
            case 3: clients[index].mustAbort = true
            case 90, 47, 49: startAnew(index)
            default: fail("AddPartitionsToTxn \(code ?? -2)")
            }
        case (.end(let commit, let transaction), let response as EndTxnResponse):
            ended(index, response, commit, transaction, isAwaited)
        default: fail("a reply of the wrong type")
        }
    }

    private mutating func initialized(_ index: Int, _ response: InitProducerIdResponse, _ isAwaited: Bool) {
        let id = clients[index].id
        guard response.errorCode == 0 else {
            if ![51, 16, 90, 47].contains(response.errorCode) { fail("InitProducerId \(response.errorCode)") }
            if isAwaited, ![51, 16].contains(response.errorCode) { startAnew(index) }
            return
        }
        count("init")
        if owners[response.producerId, default: id] != id { fail("\(response.producerId) belongs to two") }
        owners[response.producerId] = id
        for other in transactions.indices where transactions[other].id == id && !transactions[other].isCommitSent {
            transactions[other].isFenced = true
        }
        guard isAwaited else { return }
        clients[index].producer = TransactionProducer(
            producerId: response.producerId, producerEpoch: response.producerEpoch)
        clients[index].expected = nil
        clients[index].phase = .ready
    }

    private mutating func ended(
        _ index: Int, _ response: EndTxnResponse, _ commit: Bool, _ transaction: Int, _ isAwaited: Bool
    ) {
        guard response.errorCode == 0 else {
            count("end \(response.errorCode)")
            if ![51, 16, 90, 47, 48, 49].contains(response.errorCode) { fail("EndTxn \(response.errorCode)") }
            if isAwaited, ![51, 16].contains(response.errorCode) { startAnew(index) }
            return
        }
        count(commit ? "commit" : "abort")
        let told = transactions[transaction]
        if commit, told.isFenced { fail("fenced transaction \(transaction) is committed") }
        for partition in told.data where told.outcomes[partition] != commit {
            fail("\(partition) does not have the outcome of transaction \(transaction) that was told")
        }
        if commit { transactions[transaction].isCommitted = true }
        guard isAwaited else { return }
        if clients[index].bumps {
            let next = TransactionProducer(producerId: response.producerId, producerEpoch: response.producerEpoch)
            if next == clients[index].producer { fail("the epoch was not raised") }
            if owners[next.producerId, default: clients[index].id] != clients[index].id {
                fail("\(next.producerId) belongs to two")
            }
            owners[next.producerId] = clients[index].id
            if next.producerId != clients[index].producer.producerId { count("new id") }
            clients[index].producer = next
        }
        clients[index].phase = .ready
    }

    // MARK: the end

    /// Lets everything come to rest: no client acts, the disk takes everything.
    private mutating func quiesce() {
        refusesNothing = true
        for _ in 0..<300 where violations.isEmpty {
            sync()
            while !orders.isEmpty, violations.isEmpty { workOnOrder() }
            let isBusy = shard.entries.values.contains { $0.metadata.state == .ongoing || $0.metadata.state.isPrepared }
            if !isBusy, held.isEmpty { break }
            advance(100)
            tickWhenDue()
        }
        guard violations.isEmpty else { return }
        if !tokens.isEmpty { fail("\(tokens.count) requests have no reply") }
        for (name, partition) in partitions where !partition.open.values.allSatisfy(\.isEmpty) {
            fail("\(name) has an open transaction that nobody knows of")
        }
        for (index, transaction) in transactions.enumerated() {
            let outcomes = Set(transaction.data.map { transaction.outcomes[$0] })
            if outcomes.count > 1 { fail("transaction \(index) is split") }
            if transaction.isCommitted, outcomes.contains(where: { $0 != true }) { fail("lost commit \(index)") }
        }
        expectReplayIsState()
        advance(configuration.transactionalIdExpirationMs)
        tickWhenDue()
        if shard.count > 0 { fail("\(shard.count) transactional ids are not forgotten") }
    }

    private mutating func fail(_ what: String) { violations.append(what) }
    private mutating func count(_ what: String) { tally[what, default: 0] += 1 }
}

extension SeededRandom {
    mutating func roll(_ sides: Int) -> Int { Int.random(in: 0..<sides, using: &self) }
}
