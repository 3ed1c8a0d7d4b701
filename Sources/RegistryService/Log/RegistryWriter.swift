import Cluster
import Logging
import NIOCore
import SchemaRules
import Synchronization

/// What the operations of one append have reserved among themselves, as the state does not know of it yet.
struct WriteBatch {
    private(set) var records: [RegistryRecord] = []
    /// Subjects that the batch changes.
    private var subjects: Set<String> = []
    private var idMax: [String: Int32] = [:]
    private var ids: [String: [RegistryState.Content: Int32]] = [:]
    /// An operation that goes alone: whatever follows it must see its outcome.
    var isClosed = false
    fileprivate(set) var byteCount = 0

    var isEmpty: Bool { records.isEmpty }

    func touches(_ subject: String) -> Bool { subjects.contains(subject) }

    /// Whether an id may be given to a schema as far as the batch knows; if so it is.
    mutating func claim(
        _ id: Int32, for content: RegistryState.Content, in context: String, _ state: RegistryState
    ) -> Bool {
        if let holder = ids[context]?.first(where: { $0.value == id }), holder.key != content { return false }
        ids[context, default: [:]][content] = id
        // Ids of schemas that are gone for good are not given again: the state knows the highest that ever was.
        idMax[context] = max(idMax[context] ?? state.idMax(in: context), id)
        return true
    }

    mutating func add(_ record: RegistryRecord) {
        records.append(record)
        if case .schema(let schema) = record { byteCount += schema.schema.text.count * 5 / 4 + 512 }
        if case .schema(let subject, _) = record.key { subjects.insert(subject) }
    }

    /// The id of a schema in a context: the one it has, or the next free one.
    mutating func id(of content: RegistryState.Content, in context: String, _ state: RegistryState) -> Int32? {
        if let id = state.id(of: content, in: context) ?? ids[context]?[content] { return id }
        var next = idMax[context] ?? state.idMax(in: context)
        repeat {
            let (sum, overflow) = next.addingReportingOverflow(1)
            guard !overflow else { return nil }
            next = sum
        } while state.identifier(next, in: context) != nil
        idMax[context] = next
        ids[context, default: [:]][content] = next
        return next
    }
}

/// Appends changes to the schemas topic, at the leader: one append at a time, which takes along all that waits, and each
/// change decided on a state that has everything written before.
final class RegistryWriter: Sendable {
    /// What an operation does when its turn comes.
    enum Plan<Answer: Sendable> {
        /// It has added its records, if any, to the batch.
        case answer(Answer)
        /// It depends on what the batch changes: its turn is the next batch's.
        case wait
    }

    private enum Outcome { case planned, wait, failed }

    private struct Job {
        var plan: @Sendable (RegistryState, inout WriteBatch) -> Outcome
        var finish: @Sendable (RegistryError?) -> Void
    }

    private struct Inside {
        var jobs: [Job] = []
        var isRunning = false
        /// What carries out the queue while `isRunning`.
        var runner: Task<Void, Never>?
        var writer: (any RecordWriter)?
        /// The leadership under which everything that others wrote has been read.
        var preparedEpoch: Int64?
    }

    private static let jobCountMax = 512
    private static let byteCountMax = 256 << 10
    /// Operations that may wait at a time; more are refused.
    private static let queueMax = 20_000

    private let cluster: any Cluster
    private let log: SchemaLog
    private let settings: RegistrySettings
    private let holder: StateHolder
    private let leadership: Leadership
    private let logger: Logger
    private let inside = Mutex(Inside())
    let appends = Atomic<Int64>(0)

    init(
        _ cluster: any Cluster, _ log: SchemaLog, _ settings: RegistrySettings, _ holder: StateHolder,
        _ leadership: Leadership, _ logger: Logger
    ) {
        self.cluster = cluster
        self.log = log
        self.settings = settings
        self.holder = holder
        self.leadership = leadership
        self.logger = logger
    }

    /// Carries out one operation: decided by `plan`, written, and read back.
    ///
    /// - Throws: what `plan` throws; `.store`, `.timeout`; `.unknownLeader` when this node does not lead any more.
    func write<Answer: Sendable>(
        _ plan: @escaping @Sendable (RegistryState, inout WriteBatch) throws(RegistryError) -> Plan<Answer>
    ) async throws(RegistryError) -> Answer {
        let box = Mutex<Result<Answer, RegistryError>?>(nil)
        let result: Result<Answer, RegistryError> = await withCheckedContinuation { continuation in
            let job = Job { state, batch in
                do throws(RegistryError) {
                    switch try plan(state, &batch) {
                    case .wait: return .wait
                    case .answer(let answer):
                        box.withLock { $0 = .success(answer) }
                        return .planned
                    }
                } catch {
                    box.withLock { $0 = .failure(error) }
                    return .failed
                }
            } finish: { failure in
                let planned = box.withLock { $0 }
                continuation.resume(
                    returning: failure.map { .failure($0) } ?? planned ?? .failure(.store("no outcome")))
            }
            submit(job)
        }
        return try result.get()
    }

    private func submit(_ job: Job) {
        let isRefused = inside.withLock { inside -> Bool in
            guard inside.jobs.count < Self.queueMax else { return true }
            inside.jobs.append(job)
            guard !inside.isRunning else { return false }
            inside.isRunning = true
            // Owned by the writer: it ends with the queue, and `close` waits for that.
            inside.runner = Task { await run() }
            return false
        }
        if isRefused { job.finish(.store("too many writes are waiting")) }
    }

    private func run() async {
        while true {
            let jobs = inside.withLock { inside -> [Job] in
                let taken = Array(inside.jobs.prefix(Self.jobCountMax))
                inside.jobs.removeFirst(taken.count)
                if taken.isEmpty {
                    inside.isRunning = false
                    inside.runner = nil
                }
                return taken
            }
            guard !jobs.isEmpty else { return }
            let waiting = await carryOut(jobs)
            inside.withLock { $0.jobs.insert(contentsOf: waiting, at: 0) }
        }
    }

    /// - Returns: the jobs whose turn is the next batch's.
    private func carryOut(_ jobs: [Job]) async -> [Job] {
        var planned: [Job] = []
        var waiting: [Job] = []
        // Each job is finished once: after this those that failed are.
        var isDecided = false
        do throws(RegistryError) {
            let epoch = try await prepare()
            var batch = WriteBatch()
            var failed: [Job] = []
            holder.read { state in
                for (index, job) in jobs.enumerated() {
                    if batch.isClosed || batch.byteCount > Self.byteCountMax {
                        waiting += jobs[index...]
                        break
                    }
                    let before = batch
                    switch job.plan(state, &batch) {
                    case .planned: planned.append(job)
                    case .failed:
                        // What a refused operation has added already must not be written.
                        batch = before
                        failed.append(job)
                    case .wait:
                        batch = before
                        // Later ones may depend on this one, so the order stays.
                        waiting += jobs[index...]
                        return
                    }
                }
            }
            isDecided = true
            for job in failed { job.finish(nil) }
            if !batch.isEmpty { try await append(batch.records, epoch) }
            for job in planned { job.finish(nil) }
            return waiting
        } catch {
            if error.code == RegistryError.schemaTooLarge.code, planned.count > 1 {
                // One of them is, and the others shall not suffer for it.
                for job in planned { waiting += await carryOut([job]) }
                return waiting
            }
            // Whoever was to be written, or could not even be decided on.
            for job in isDecided ? planned : jobs { job.finish(error) }
            return waiting
        }
    }

    /// Makes sure that this node leads and has read all that was written before it did: a record of its own, once read
    /// back, has everything else before it. Later it looks every time whether somebody else has written: a node that was
    /// stopped for a while may have lost its place without knowing.
    private func prepare() async throws(RegistryError) -> Int64 {
        guard let epoch = leadership.epoch else { throw .unknownLeader }
        if inside.withLock({ $0.preparedEpoch }) == epoch {
            let isCaughtUp: Bool
            do throws(ClusterError) {
                isCaughtUp = try await log.catchUp(limit: settings.timeout)
            } catch {
                inside.withLock { $0.preparedEpoch = nil }
                throw .store(error.message)
            }
            guard isCaughtUp else { throw .timeout("the schemas topic could not be read in time") }
            return epoch
        }
        do throws(ClusterError) { try await log.make() } catch { throw .store(error.message) }
        try await append([.noop], epoch)
        inside.withLock { $0.preparedEpoch = epoch }
        return epoch
    }

    private func append(_ records: [RegistryRecord], _ epoch: Int64) async throws(RegistryError) {
        guard leadership.epoch == epoch else { throw .unknownLeader }
        let positions: [RecordPosition]
        do throws(ClusterError) {
            let writer = try await openWriter()
            positions = try await writer.write(
                records.map { record in
                    ProducerRecord(
                        partition: 0, key: ByteBuffer(bytes: record.key.bytes),
                        value: record.value.map { ByteBuffer(bytes: $0) })
                }, to: settings.topic)
        } catch {
            // Whether it is written is unknown, so nothing is decided before the end of the log is known again.
            let writer = inside.withLock { inside in
                inside.preparedEpoch = nil
                defer { inside.writer = nil }
                return inside.writer
            }
            await writer?.close()
            logger.warning("cannot write to the schemas topic", metadata: ["error": "\(error)"])
            switch error.code {
            case .messageTooLarge, .recordListTooLarge: throw .schemaTooLarge
            case .requestTimedOut: throw .timeout("Write to the Kafka store timed out")
            default: throw .store("Register schema operation failed while writing to the Kafka store: \(error.message)")
            }
        }
        appends.wrappingAdd(1, ordering: .relaxed)
        let end = (positions.map(\.offset).max() ?? -1) + 1
        guard await holder.wait(for: end, limit: settings.timeout) else {
            inside.withLock { $0.preparedEpoch = nil }
            throw .timeout("Register operation timed out")
        }
    }

    private func openWriter() async throws(ClusterError) -> any RecordWriter {
        if let writer = inside.withLock({ $0.writer }) { return writer }
        let writer = try await cluster.writer(.idempotent)
        inside.withLock { $0.writer = writer }
        return writer
    }

    /// Waits for what is under way.
    func close() async {
        while let runner = inside.withLock({ $0.runner }) { await runner.value }
        await inside.withLock({ $0.writer })?.close()
    }
}
