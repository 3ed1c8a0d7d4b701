import Cluster
import Columns
import SQLPlan
import SQLTypes
import StreamEngine
import Synchronization

/// The query of a client: one task over all partitions, in memory.
///
/// `@unchecked Sendable`: everything but `mailbox` and `outbox` belongs to whoever prepares it, and from `begin` on to its
/// worker's thread, which learns of everything else by messages.
final class SubscriptionRun: WorkItem, @unchecked Sendable {
    enum Message: Sendable {
        case arrival(Inputs.Arrival)
        /// The client has taken rows, or the query begins.
        case goOn
        case end(SubscriptionEnd)
    }

    private let plan: PhysicalPlan
    private let options: SubscriptionOptions
    private let worker: Worker
    private let mailbox = Mailbox<Message>()
    let outbox: Outbox
    private let engine: QueryTask
    private let log: (@Sendable (String, ProcessingLogEntry) -> Void)?
    private var inputs: Inputs?
    private var isEnded = false
    private var left: Int

    init(
        _ plan: PhysicalPlan, _ options: SubscriptionOptions, _ settings: RuntimeSettings, worker: Worker
    ) throws(RunError) {
        self.plan = plan
        self.options = options
        self.worker = worker
        log = settings.processingLog
        left = plan.limit ?? .max
        outbox = Outbox(byteCountMax: options.bufferByteCountMax)
        let libraries = settings.libraries(options.properties)
        do throws(EngineError) {
            engine = try QueryTask(
                plan, functions: libraries.functions, formats: libraries.formats,
                settings: settings.engineSettings(options.properties))
        } catch {
            throw RunError(.invalidPlan, error.message)
        }
    }

    func prepare(_ cluster: any Cluster) async throws(ClusterError) {
        var streams: Set<String> = []
        var tables: Set<String> = []
        plan.root.forEach { step in
            guard case .source(let source) = step.operation else { return }
            if step.isTable { tables.insert(source.topic) } else { streams.insert(source.topic) }
        }
        var positions: [TopicPartition: LogPosition] = [:]
        var all: [TopicPartition: LogPosition] = [:]
        for topic in plan.sourceTopics {
            // Tables that streams look into are there whole, wherever the streams begin.
            let isLookedInto = tables.contains(topic) && !streams.contains(topic) && !streams.isEmpty
            for partition in try await cluster.topic(topic).partitions {
                let place = TopicPartition(topic, partition.partition)
                all[place] = .end
                positions[place] = isLookedInto ? .beginning : options.start.position
            }
        }
        let starts = try await cluster.offsets(positions, isolation: .readCommitted)
        let ends = options.isBounded ? try await cluster.offsets(all, isolation: .readCommitted) : [:]
        var readers: [any PartitionReader] = []
        for (partition, offset) in starts.sorted(by: { $0.key < $1.key }) {
            readers.append(try await cluster.reader(partition, from: .offset(offset), isolation: .readCommitted))
        }
        inputs = Inputs(readers, ends: ends, for: engine)
    }

    func begin() { post(.goOn) }

    func post(_ message: Message) { mailbox.post(message, to: self, on: worker) }

    func work() -> Bool {
        for message in mailbox.take() {
            switch message {
            case .arrival(let arrival):
                guard !isEnded else { continue }
                do throws(ClusterError) { try inputs?.take(arrival) } catch { fail(error) }
            case .goOn: break
            case .end(let reason): end(reason)
            }
        }
        if step() { return true }
        return !mailbox.rest()
    }

    private func step() -> Bool {
        guard !isEnded, let inputs else { return false }
        if left <= 0 {
            end(.limitReached)
            return false
        }
        // The client's taking of rows posts `.goOn`.
        guard !outbox.isFull else { return false }
        do throws(ClusterError) {
            guard var batch = try inputs.next() else {
                if inputs.isAtEnd, options.isBounded {
                    end(.completed)
                } else {
                    inputs.wait { [weak self] in self?.post(.arrival($0)) }
                }
                return false
            }
            if let time = options.endTimestamp, options.isBounded { batch = batch.before(time) }
            if batch.count > 0 { process(batch) }
        } catch {
            fail(error)
        }
        return !isEnded
    }

    private func process(_ batch: SourceBatch) {
        let output = engine.process(batch)
        if let log { for entry in output.log { log(plan.id, entry) } }
        let types = plan.root.schema.columns.map(\.type)
        let keyCount = plan.root.schema.keyCount
        for rows in output.rows where left > 0 {
            var sent: [SubscribedRow] = []
            var byteCount = 0
            for row in 0..<rows.count where left > 0 {
                let isPresent = rows.present.isValid(row)
                // Of a stream, a record without a value is no row.
                guard isPresent || plan.root.isTable else { continue }
                left -= 1
                let isTombstone = !isPresent
                let values = types.indices.map { index in
                    isTombstone && index >= keyCount ? SQLValue.null : rows.columns[index].value(row, types[index])
                }
                byteCount += 32 + values.reduce(0) { $0 + $1.roughByteCount }
                let window = isTombstone ? rows.windows.map { (start: $0.starts[row], end: $0.ends[row]) } : nil
                sent.append(SubscribedRow(values: values, isTombstone: isTombstone, window: window))
            }
            outbox.add(sent, byteCount: byteCount)
        }
        if let failure = output.failure { end(.failed(RunError(.processing, failure.message))) }
    }

    private func fail(_ error: ClusterError) { end(.failed(RunError(.cluster, "\(error)"))) }

    private func end(_ reason: SubscriptionEnd) {
        guard !isEnded else { return }
        isEnded = true
        inputs?.close()
        outbox.end(reason)
    }
}

extension SubscriptionOptions.Start {
    fileprivate var position: LogPosition {
        switch self {
        case .earliest: .beginning
        case .latest: .end
        case .timestamp(let time): .timestamp(time)
        }
    }
}

extension SourceBatch {
    /// The records before a time.
    fileprivate func before(_ time: Int64) -> SourceBatch {
        let rows = (0..<count).filter { timestamps[$0] < time }
        return rows.count == count ? self : gathered(rows.map { Int32(truncatingIfNeeded: $0) })
    }
}

extension SQLValue {
    /// About how much memory the value takes.
    fileprivate var roughByteCount: Int {
        switch self {
        case .string(let text): 24 + text.utf8.count
        case .bytes(let bytes): 24 + bytes.count
        case .array(let values), .structure(let values): values.reduce(24) { $0 + $1.roughByteCount }
        case .map(let map): map.entries.reduce(24) { $0 + $1.0.roughByteCount + $1.1.roughByteCount }
        default: 16
        }
    }
}

/// Rows between a query and its client.
final class Outbox: Sendable {
    private struct State {
        var rows: [SubscribedRow] = []
        var byteCount = 0
        var end: SubscriptionEnd?
        var isEndTold = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private let byteCountMax: Int

    init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    var isFull: Bool { state.withLock { $0.byteCount > byteCountMax } }

    func add(_ rows: [SubscribedRow], byteCount: Int) {
        guard !rows.isEmpty else { return }
        wake { state in
            state.rows += rows
            state.byteCount += byteCount
        }
    }

    /// Only the first end counts.
    func end(_ reason: SubscriptionEnd) { wake { if $0.end == nil { $0.end = reason } } }

    private func wake(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    private enum Taken {
        case event(SubscriptionEvent, wasFull: Bool)
        case nothing
        case over
    }

    private func take() -> Taken {
        state.withLock { state in
            if !state.rows.isEmpty {
                let wasFull = state.byteCount > byteCountMax
                defer {
                    state.rows = []
                    state.byteCount = 0
                }
                return .event(.rows(state.rows), wasFull: wasFull)
            }
            guard let end = state.end else { return .nothing }
            if state.isEndTold { return .over }
            state.isEndTold = true
            return .event(.end(end), wasFull: false)
        }
    }

    /// The next event; nil after the end, or when cancelled.
    ///
    /// - Parameter hasRoom: called when the query may go on.
    func next(hasRoom: () -> Void) async -> SubscriptionEvent? {
        while !Task.isCancelled {
            switch take() {
            case .event(let event, let wasFull):
                if wasFull { hasRoom() }
                return event
            case .over: return nil
            case .nothing: break
            }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isReady = state.withLock { state -> Bool in
                        if !state.rows.isEmpty || state.end != nil || Task.isCancelled { return true }
                        state.waiter = continuation
                        return false
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                wake { _ in }
            }
        }
        return nil
    }
}

/// What a client holds of its query.
final class ClientSubscription: RowSubscription {
    private let run: SubscriptionRun
    private let ended: @Sendable () -> Void

    init(_ run: SubscriptionRun, ended: @escaping @Sendable () -> Void) {
        self.run = run
        self.ended = ended
    }

    deinit {
        run.post(.end(.completed))
        ended()
    }

    func next() async -> SubscriptionEvent? { await run.outbox.next { run.post(.goOn) } }

    func end(_ reason: SubscriptionEnd) { run.post(.end(reason)) }

    func cancel() async {
        run.post(.end(.completed))
        ended()
    }
}
