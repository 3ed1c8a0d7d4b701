import Bytes
import Coordinators
import Environment
import KafkaMessages
import LogStorage
import Logging
import NIOCore
import NIOPosix
import RecordBatches
import Synchronization

/// The state machine of one partition of an internal topic, as its host drives it.
protocol CoordinatorShard: Sendable {
    /// What a decision asks its host to do once the decision's records are durable.
    associatedtype Order: Sendable

    /// When `tick` is due, in milliseconds of the monotonic clock; nil when nothing is.
    var nextDeadline: Int64? { mutating get }
    /// Does what is due.
    ///
    /// - Returns: nil when it could not be done now; it is still due.
    mutating func tick(
        at time: EventTime, topics: any TopicImage, producerIds: ProducerIdPool
    ) -> (Decision, [Order])?
    /// The log took the records of the last decision.
    mutating func commit()
    /// The log refused the records of the last decision.
    mutating func abandon()

    /// Takes over one record at start, in the order of the log. A record of a transaction has its producer.
    mutating func replay(key: ByteBuffer, value: ByteBuffer?, producerId: Int64?) throws
    mutating func replayMarker(producerId: Int64, isCommit: Bool)
    mutating func finishLoading(at time: EventTime) -> (Decision, [Order])
}

/// What the hosts of all shards share.
struct CoordinationEnvironment: Sendable {
    let catalog: TopicCatalog
    let producerIds: ProducerIdPool
    let clock: any WallClock
    let monotonic: any MonotonicClock
    let syncScheduler: SyncScheduler
    /// `log.flush=sync`: replies wait until what they tell is on disk.
    let syncsBeforeReply: Bool
    let alarm: StorageAlarm
    let diskPool: ThreadPool
    let timerLoop: any EventLoop
    let logger: Logger

    var now: EventTime { EventTime(wall: clock.now(), monotonic: monotonic.now() / 1_000_000) }
}

/// Runs one shard: gives it events, appends what it decides to the shard's partition, sends its replies once that is
/// durable, and wakes it when a timer is due.
///
/// Events run on the thread that brings them, one at a time; the longest they wait for is the page cache.
final class ShardHost<Shard: CoordinatorShard>: Sendable {
    private enum Phase: Sendable {
        case loading, ready, closed
        /// The log cannot be read; what it holds is not touched.
        case failed
    }

    private struct State {
        var shard: Shard
        var phase = Phase.loading
        var waiting: [ReplyToken: Responder] = [:]
        var nextToken: UInt64 = 0
        var timer: Scheduled<Void>?
        /// When `timer` fires, in milliseconds of the monotonic clock.
        var timerDeadline = Int64.max

        mutating func makeToken() -> ReplyToken {
            nextToken += 1
            return ReplyToken(rawValue: nextToken)
        }
    }

    /// What replies and orders wait for.
    enum Waiting: Sendable {
        /// Until all that the log holds is on disk: a reply may tell of it.
        case always
        /// Until the decision's own records are on disk: without any, the reply tells nothing that a crash could take
        /// back.
        case forOwnRecords
        /// Not at all: what is told is durable already, or will be made again.
        case never
    }

    /// A reply and whom it goes to.
    private struct Send: Sendable {
        var responder: Responder
        var reply: Reply

        func callAsFunction() { responder.send(reply.message) }
    }

    /// What is to be done after the lock is released.
    private struct Outcome {
        var sends: [Send] = []
        /// The messages instead of those of `sends` when the disk fails.
        var refusals: @Sendable (ErrorCode) -> [Reply] = { _ in [] }
        var orders: [Shard.Order] = []
        var wroteRecords = false
        /// The log must be durable up to here first.
        var syncOffset: Int64?
        /// The log takes nothing more, so that nobody has anything left to wait for.
        var hasFailed = false
    }

    /// Pause after a timer's work could not be done or the log refused what it decided, in milliseconds.
    private static var retryDelay: Int64 { 1000 }

    let partition: Partition
    private let environment: CoordinationEnvironment
    private let execute: @Sendable (ShardHost<Shard>, [Shard.Order]) -> Void
    private let state: Mutex<State>

    /// - Parameter execute: carries out orders, on any thread; must return quickly.
    init(
        _ partition: Partition, _ shard: Shard, _ environment: CoordinationEnvironment,
        execute: @escaping @Sendable (ShardHost<Shard>, [Shard.Order]) -> Void
    ) {
        self.partition = partition
        self.environment = environment
        self.execute = execute
        state = Mutex(State(shard: shard))
    }

    var isReady: Bool { state.withLock { if case .ready = $0.phase { true } else { false } } }
    var isFailed: Bool { state.withLock { if case .failed = $0.phase { true } else { false } } }

    // MARK: Events

    /// Hands a request to the shard. It is answered by a reply of this or a later decision.
    ///
    /// - Parameters:
    ///   - refusal: the answer when the shard cannot take requests now.
    ///   - confirm: called after the log took the records and before anybody is told, without the shard's lock; an error
    ///     takes the place of the replies.
    func submit(
        _ responder: Responder, waiting: Waiting = .always, refusal: (ErrorCode) -> any KafkaMessage,
        confirm: () -> ErrorCode = { .none },
        _ event: (inout Shard, ReplyToken, EventTime, any TopicImage) -> (Decision, [Shard.Order])
    ) {
        let now = environment.now
        let topics = environment.catalog.snapshot
        let outcome = state.withLock { state -> Outcome in
            if let code = unavailability(state) {
                return Outcome(sends: [Send(responder: responder, reply: Reply(state.makeToken(), refusal(code)))])
            }
            let token = state.makeToken()
            state.waiting[token] = responder
            let (decision, orders) = event(&state.shard, token, now, topics)
            var outcome = carryOut(decision, orders, waiting, now, &state)
            if partition.log.hasFailed, !outcome.wroteRecords {
                refuse(
                    Send(responder: responder, reply: Reply(token, refusal(.coordinatorNotAvailable))), &outcome, &state
                )
            }
            return outcome
        }
        let code = outcome.wroteRecords ? confirm() : .none
        guard code == .none else {
            refuse(outcome, code)
            return
        }
        finish(outcome)
    }

    /// Hands an event to the shard that is no request.
    ///
    /// - Returns: nil when the shard cannot take it now; else the value of `event`, whether the log refused its records,
    ///   and the offset up to which the log must be durable before anybody may rely on them.
    @discardableResult
    func perform<T: Sendable>(
        waiting: Waiting = .forOwnRecords,
        _ event: (inout Shard, EventTime, any TopicImage) -> (T, Decision, [Shard.Order])
    ) -> (value: T, failure: ErrorCode?, syncOffset: Int64?)? {
        let now = environment.now
        let topics = environment.catalog.snapshot
        let (result, outcome) = state.withLock {
            state -> ((value: T, failure: ErrorCode?, syncOffset: Int64?)?, Outcome) in
            if unavailability(state) != nil { return (nil, Outcome()) }
            let (value, decision, orders) = event(&state.shard, now, topics)
            var failure: ErrorCode?
            let outcome = carryOut(decision, orders, waiting, now, &state, failure: &failure)
            return ((value, failure, outcome.syncOffset), outcome)
        }
        finish(outcome)
        return result
    }

    /// Looks at the shard.
    ///
    /// - Returns: nil when it cannot be asked now.
    func read<T: Sendable>(_ body: (Shard, EventTime) -> T) -> T? {
        let now = environment.now
        return state.withLock { state in
            unavailability(state) == nil ? body(state.shard, now) : nil
        }
    }

    /// Why a request cannot be taken now: the reply's error code.
    var unavailability: ErrorCode? { state.withLock { unavailability($0) } }

    private func unavailability(_ state: borrowing State) -> ErrorCode? {
        switch state.phase {
        case .ready: nil
        case .loading: .coordinatorLoadInProgress
        case .failed, .closed: .notCoordinator
        }
    }

    /// Writes the end of a transaction into this partition and tells the shard, with no event in between.
    ///
    /// - Returns: nil when the shard is loading: try again.
    func appendMarker(
        _ marker: ControlMarker, producerId: Int64, producerEpoch: Int16, transactionVersion: Int16,
        _ complete: (inout Shard, EventTime) -> Void
    ) -> Result<Int64, LogError>? {
        let now = environment.now
        return state.withLock { state -> Result<Int64, LogError>? in
            if case .loading = state.phase { return nil }
            let result = Result { () throws(LogError) in
                try partition.log.appendMarker(
                    marker, producerId: producerId, producerEpoch: producerEpoch, now: now.wall,
                    transactionVersion: transactionVersion)
            }
            if case .success = result {
                complete(&state.shard, now)
                arm(&state, now)
            }
            return result.map { $0.lastOffset + 1 }
        }
    }

    // MARK: Decisions

    private func carryOut(
        _ decision: Decision, _ orders: [Shard.Order], _ waiting: Waiting, _ now: EventTime, _ state: inout State
    ) -> Outcome {
        var failure: ErrorCode?
        return carryOut(decision, orders, waiting, now, &state, failure: &failure)
    }

    private func carryOut(
        _ decision: Decision, _ orders: [Shard.Order], _ waiting: Waiting, _ now: EventTime, _ state: inout State,
        failure: inout ErrorCode?
    ) -> Outcome {
        var outcome = Outcome()
        if decision.records.isEmpty {
            outcome.sends = take(decision.replies, &state)
            outcome.orders = orders
            if environment.syncsBeforeReply, waiting == .always {
                let offsets = partition.log.offsets
                if offsets.durableEnd < offsets.logEnd { outcome.syncOffset = offsets.logEnd }
            }
            arm(&state, now)
            return outcome
        }
        do throws(LogError) {
            let end = try append(decision, now)
            state.shard.commit()
            outcome.wroteRecords = true
            outcome.refusals = decision.refusals
            outcome.sends = take(decision.replies, &state)
            outcome.orders = orders
            if environment.syncsBeforeReply, waiting != .never { outcome.syncOffset = end }
            arm(&state, now)
        } catch {
            environment.alarm.note(error)
            state.shard.abandon()
            outcome.hasFailed = error.code == .failed
            failure = .coordinatorNotAvailable
            outcome.sends = take(decision.refusals(.coordinatorNotAvailable), &state)
            arm(&state, now, notBefore: now.monotonic + Self.retryDelay)
        }
        return outcome
    }

    private func append(_ decision: Decision, _ now: EventTime) throws(LogError) -> Int64 {
        let batch: [UInt8]
        do throws(WireError) {
            var builder = BatchBuilder()
            if let producer = decision.producer {
                builder.producerId = producer.producerId
                builder.producerEpoch = producer.producerEpoch
                builder.isTransactional = true
            }
            for record in decision.records {
                try builder.append(
                    timestamp: now.wall, key: Array(record.key.readableBytesView),
                    value: record.value.map { Array($0.readableBytesView) })
            }
            batch = try builder.build()
        } catch {
            throw LogError(.batchTooLarge, "records of a coordinator cannot be encoded: \(error)")
        }
        let header: BatchHeader
        do throws(WireError) {
            header = try BatchHeader(batch.span.bytes)
        } catch {
            throw LogError(.corruptBatch, "records of a coordinator: \(error)")
        }
        let appended = try partition.log.append(batch.span.bytes, header: header, now: now.wall)
        partition.wakeWaiters()
        return appended.lastOffset + 1
    }

    private func take(_ replies: [Reply], _ state: inout State) -> [Send] {
        replies.compactMap { reply in
            state.waiting.removeValue(forKey: reply.token).map { Send(responder: $0, reply: reply) }
        }
    }

    /// Sends replies and passes orders on, when all they tell is durable.
    private func finish(_ outcome: Outcome) {
        defer { if outcome.hasFailed { endWaiting(because: Self.diskFailure) } }
        guard let offset = outcome.syncOffset, !(outcome.sends.isEmpty && outcome.orders.isEmpty) else {
            for send in outcome.sends { send() }
            if !outcome.orders.isEmpty { execute(self, outcome.orders) }
            return
        }
        environment.syncScheduler.sync(partition, upTo: offset) { [self] failure in
            if failure != nil {
                // The disk failed for good: nothing is told that a restart may not find.
                refuse(outcome, .coordinatorNotAvailable)
                if partition.log.hasFailed { endWaiting(because: Self.diskFailure) }
                return nil
            }
            if !outcome.orders.isEmpty { execute(self, outcome.orders) }
            if outcome.sends.count == 1, let only = outcome.sends.first {
                return PendingSend(only.responder) { only() }
            }
            for send in outcome.sends { send() }
            return nil
        }
    }

    /// Sees to the answer of a request that has written nothing to a log that takes nothing more: what its reply tells may
    /// never become durable, and what it waits for never happens.
    private func refuse(_ refusal: Send, _ outcome: inout Outcome, _ state: inout State) {
        let isWaiting = state.waiting.removeValue(forKey: refusal.reply.token) != nil
        if isWaiting { outcome.sends.append(refusal) }
        if outcome.syncOffset != nil { outcome.refusals = { _ in [refusal.reply] } }
    }

    /// Sends refusals in place of the replies, and to those who would have waited for what the records lead to.
    private func refuse(_ outcome: Outcome, _ code: ErrorCode) {
        let refusals = outcome.refusals(code)
        for send in state.withLock({ take(refusals, &$0) }) { send() }
        for send in outcome.sends {
            if let refusal = refusals.first(where: { $0.token == send.reply.token }) {
                send.responder.send(refusal.message)
            } else {
                send.responder.close(because: "a request cannot be answered: \(code.name)")
            }
        }
    }

    // MARK: Timers

    /// Sees to it that `tick` is called when the shard wants it.
    private func arm(_ state: inout State, _ now: EventTime, notBefore: Int64 = .min) {
        guard case .ready = state.phase, let wanted = state.shard.nextDeadline else { return }
        let deadline = max(wanted, notBefore)
        // A timer that fires too early looks again; so a deadline that only moves back costs nothing here.
        guard deadline < state.timerDeadline else { return }
        state.timer?.cancel()
        state.timerDeadline = deadline
        let delay = TimeAmount.milliseconds(max(1, deadline - now.monotonic))
        state.timer = environment.timerLoop.scheduleTask(in: delay) { [weak self] in self?.timerFired() }
    }

    private func timerFired() {
        let now = environment.now
        let topics = environment.catalog.snapshot
        let outcome = state.withLock { state -> Outcome in
            state.timer = nil
            state.timerDeadline = .max
            guard case .ready = state.phase else { return Outcome() }
            guard let deadline = state.shard.nextDeadline, deadline <= now.monotonic else {
                arm(&state, now)
                return Outcome()
            }
            guard
                let (decision, orders) = state.shard.tick(
                    at: now, topics: topics, producerIds: environment.producerIds)
            else {
                arm(&state, now, notBefore: now.monotonic + Self.retryDelay)
                return Outcome()
            }
            return carryOut(decision, orders, .always, now, &state)
        }
        finish(outcome)
    }

    // MARK: Beginning and end

    /// Reads the partition's log into the shard; blocks on the disk.
    func load() {
        var shard = state.withLock { $0.shard }
        do {
            try ShardLoading.replay(partition.log, into: &shard) { offset, error in
                environment.logger.error(
                    "a record of a coordinator cannot be read and is left out",
                    metadata: [
                        "partition": "\(partition.topicName)-\(partition.index)", "offset": "\(offset)",
                        "error": "\(error)",
                    ])
            }
        } catch {
            environment.logger.error(
                "the state of a coordinator cannot be read; its groups or transactions are not served",
                metadata: ["partition": "\(partition.topicName)-\(partition.index)", "error": "\(error)"])
            state.withLock { $0.phase = .failed }
            return
        }
        let now = environment.now
        let outcome = state.withLock { state -> Outcome in
            guard case .loading = state.phase else { return Outcome() }
            let (decision, orders) = shard.finishLoading(at: now)
            state.shard = shard
            state.phase = .ready
            return carryOut(decision, orders, .always, now, &state)
        }
        finish(outcome)
    }

    private static var diskFailure: String { "the disk failed" }

    /// Ends the connections of requests that wait for other members, which may be minutes away or never come.
    func endWaiting(because reason: String = "the broker stops") {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for responder in waiting { responder.close(because: reason) }
    }

    /// Ends the timers and refuses what comes. Requests that wait for other members end with their connection.
    func close() {
        state.withLock { state in
            state.phase = .closed
            state.timer?.cancel()
            state.timer = nil
        }
        endWaiting()
    }
}
