import Cluster
import ConnectCore
import JSONFormat
import NIOCore
import Observability
import RecordBatches
import Synchronization

/// The loop of a source's task. Used by one task at a time.
actor SourceWork {
    /// Records under way: what one poll gave.
    private struct Flight {
        var receipts: [WriteReceipt]
        var offsets: OffsetTally
        var recordCount: Int
    }

    private enum Boundary { case poll, busyPolls, interval(Duration), connector }

    private let environment: TaskEnvironment
    private let task: any SourceTask
    private let pipeline: SourcePipeline
    private let policy: ErrorPolicy
    private let boundary: Boundary
    private let isTransactional: Bool
    private var writer: (any RecordWriter)?
    private var transactional: (any TransactionalWriter)?
    private var offsetStore: OffsetStores.Store?

    private var flights: [Flight] = []
    private var flightRecordCount = 0
    /// What may be stored: everything of it is written.
    private var ready = OffsetTally()
    private var lastFlush = ContinuousClock.now
    /// Of the open transaction; nil without one.
    private var transactionStart: ContinuousClock.Instant?
    private var transactionOffsets = OffsetTally()
    private var transactionRecordCount = 0
    private var pace = CommitPace()
    /// Whether the open transaction has some of the records of a poll, and not all of them.
    private var isPartial = false
    /// When the poll under way began; nil between polls.
    private var pollStart: ContinuousClock.Instant?
    /// Looks whether a poll keeps the open transaction waiting; at most one at a time, and none for long without one.
    private var watcher: Task<Void, Never>?
    /// What the watcher commits while a poll waits.
    private var lateCommit: Task<Void, Never>?
    /// The task has yet to hear that a transaction was committed while it was polling.
    private var owesCommitted = false
    /// When it last heard that.
    private var told = ContinuousClock.now
    /// Why a commit during a poll failed.
    private var lateFailure: (any Error)?

    /// Records under way at a time: what a writer takes in a tenth of a second.
    private static let flightRecordCountMax = 50_000
    /// Of polls that share a transaction: how long it may be open, what it may hold, and after which time a poll counts
    /// as one that waits.
    private static let sharedTimeMax = Duration.milliseconds(50)
    private static let sharedRecordCountMax = 50_000
    private static let waitingTime = Duration.milliseconds(5)
    /// A task that is never told while it does not poll is told at the latest after this.
    private static let untoldTimeMax = Duration.seconds(1)

    private var control: TaskControl { environment.control }
    private var parts: WorkerParts { environment.parts }
    /// Whether exactly-once delivery was asked for: then no record is passed over because it cannot be written.
    private var isStrict: Bool { isTransactional && parts.settings.properties["exactly.once.source.support"] != nil }

    init(
        _ environment: TaskEnvironment, _ task: any SourceTask, _ pipeline: SourcePipeline, _ policy: ErrorPolicy,
        _ values: ConfigValues, isTransactional: Bool
    ) {
        self.environment = environment
        self.task = task
        self.pipeline = pipeline
        self.policy = policy
        self.isTransactional = isTransactional
        switch values.string("transaction.boundary")?.lowercased() {
        case "interval":
            boundary = .interval(
                values.integer("transaction.boundary.interval.ms").map { .milliseconds($0) }
                    ?? environment.parts.settings.flushInterval)
        case "connector": boundary = .connector
        // Where nobody asked for one transaction for each poll, polls that follow each other at once share one.
        default: boundary = environment.connector["transaction.boundary"] == nil ? .busyPolls : .poll
        }
    }

    /// Takes the task's writer; with exactly-once delivery nobody else can write as this task from here on.
    func open() async throws {
        let store = try await parts.offsets.store(environment.connector)
        try await store.make()
        offsetStore = store
        let settings = parts.settings
        if isTransactional {
            try await environment.fence()
            let timeout = settings.client("producer", "transaction.timeout.ms", environment.connector).flatMap(
                Int64.init)
            let opened = try await parts.cluster.transactionalWriter(
                "\(settings.groupId)-\(environment.identity.connector)-\(environment.identity.task)",
                timeout: .milliseconds(timeout ?? 60_000))
            transactional = opened
            writer = opened
        } else {
            let mode: WriterMode =
                switch settings.client("producer", "acks", environment.connector) {
                case "0": .acks(.none)
                case "1": .acks(.leader)
                default: .idempotent
                }
            writer = try await parts.cluster.writer(mode)
        }
    }

    func loop() async throws {
        var isPaused: Bool?
        var isFinished = false
        while !control.isStopping {
            let generation = control.signal.generation
            if control.isPaused {
                if isPaused != true {
                    try await commitAll()
                    isPaused = true
                    await environment.report(.paused, nil)
                }
                if control.isPaused, !control.isStopping { await control.signal.wait(after: generation) }
                continue
            }
            if isPaused != false {
                isPaused = false
                await environment.report(.running, nil)
            }
            if isFinished {
                try await commitAll()
                await control.signal.wait(after: generation)
                continue
            }
            let poll: SourcePoll
            let start = ContinuousClock.now
            let result = await pollOnce()
            // With records in this poll its commit tells: until then not all that was polled is stored.
            if owesCommitted, ((try? result.get())?.recordCount ?? 0) == 0 {
                owesCommitted = false
                try await tellCommitted()
            }
            try throwLateFailure()
            do {
                poll = try result.get()
            } catch {
                if control.isStopping { break }
                guard let error = error as? ConnectError else {
                    if error is CancellationError { continue }  // paused while it waited
                    throw error
                }
                guard error.isRetriable else { throw TaskFailure(error, at: "\(environment.taskClass).poll") }
                environment.log(.warning, "poll failed, trying again: \(error)")
                if case .busyPolls = boundary { try await commitTransaction() } else { try await commitIfDue() }
                await control.sleep(.milliseconds(300))
                continue
            }
            parts.figures.polled.add(Int64(poll.recordCount))
            if isTransactional {
                try await takeInTransaction(poll, hasWaited: start.duration(to: .now) >= Self.waitingTime)
            } else {
                try await take(poll)
            }
            isFinished = poll.isFinished
        }
        try await commitAll(isLast: true)
    }

    /// Polls the task. A transaction that is open is committed when the poll turns out to wait, so that what was
    /// written before does not, as soon as the pace of commits allows it.
    private func pollOnce() async -> Result<SourcePoll, any Error> {
        pollStart = .now
        startWatcher()
        let result: Result<SourcePoll, any Error>
        do {
            result = .success(
                try await control.interruptible(whenPaused: task.pauseEndsPoll) { [task] in try await task.poll() })
        } catch {
            result = .failure(error)
        }
        pollStart = nil
        if let lateCommit {
            await lateCommit.value
            self.lateCommit = nil
        }
        return result
    }

    /// One watcher, and not one for each poll: most polls return long before they can be said to wait.
    private func startWatcher() {
        guard watcher == nil, transactionStart != nil, case .busyPolls = boundary else { return }
        watcher = Task { await watch() }  // awaited by `close`
    }

    private func watch() async {
        while transactionStart != nil, lateFailure == nil, !Task.isCancelled {
            // A later poll can only move this on: the watcher never looks too late.
            let due = max((pollStart ?? .now) + Self.waitingTime, pace.next)
            if due > .now {
                try? await Task.sleep(until: due)  // cancelled: the loop ends
            } else if pollStart != nil {
                // Not part of this task, which may be cancelled: a commit that has begun is brought to its end.
                let commit = Task { await commitWhilePolling() }  // awaited by `pollOnce`, too
                lateCommit = commit
                await commit.value
            }
        }
        watcher = nil
    }

    private func commitWhilePolling() async {
        do {
            try await commitTransaction(tells: false)
        } catch {
            lateFailure = error
        }
    }

    private func throwLateFailure() throws {
        guard let error = lateFailure else { return }
        lateFailure = nil
        throw error
    }

    // MARK: At least once

    private func take(_ poll: SourcePoll) async throws {
        let count = poll.recordCount
        if count > 0 {
            var tally = OffsetTally()
            let receipts = try await submit(poll, &tally)
            flights.append(Flight(receipts: receipts, offsets: tally, recordCount: count))
            flightRecordCount += count
        }
        try await land(downTo: Self.flightRecordCountMax)
        try await commitIfDue()
    }

    /// Takes flights off whose records are written, and waits for the oldest ones while there are too many.
    private func land(downTo countMax: Int) async throws {
        var landed = 0
        while landed < flights.count {
            let flight = flights[landed]
            let mustWait = flightRecordCount > countMax
            guard mustWait || flight.receipts.allSatisfy(\.isResolved) else { break }
            for receipt in flight.receipts {
                do throws(ClusterError) {
                    _ = try await receipt.positions()
                } catch {
                    guard policy.toleratesAll else {
                        throw TaskFailure(
                            ConnectError(.connect, "Unrecoverable exception from producer send callback"),
                            cause: ConnectError(error))
                    }
                    parts.figures.skipped.add()
                    environment.log(.error, "records could not be written and are passed over: \(error)")
                }
            }
            ready.merge(flight.offsets)
            flightRecordCount -= flight.recordCount
            landed += 1
        }
        flights.removeFirst(landed)
    }

    private func commitIfDue() async throws {
        guard lastFlush.duration(to: .now) >= parts.settings.flushInterval else { return }
        if isTransactional {
            try await commitTransaction()
            lastFlush = .now
        } else {
            // The task is told that everything it gave is stored: a source may let go of it then.
            try await land(downTo: 0)
            try await storeOffsets()
        }
    }

    private func storeOffsets() async throws {
        lastFlush = .now
        guard !ready.isEmpty, let offsetStore else { return }
        let records = try offsetRecords(ready, offsetStore)
        try await offsetStore.append(records)
        ready = OffsetTally()
        try await tellCommitted()
    }

    private func tellCommitted() async throws {
        told = .now
        do throws(ConnectError) {
            try await task.committed()
        } catch {
            // What the source keeps too long is no harm to what was read.
            environment.log(.error, "commit failed in the task: \(error)")
        }
    }

    private func offsetRecords(
        _ tally: OffsetTally, _ store: OffsetStores.Store
    ) throws(ConnectError) -> [(key: [UInt8], value: [UInt8]?)] {
        var records: [(key: [UInt8], value: [UInt8]?)] = []
        for entry in tally.entries {
            records.append(
                (
                    try parts.offsets.key(environment.identity.connector, entry.partition, in: store),
                    try SourceOffsets.json(entry.offset).bytes
                ))
        }
        return records
    }

    // MARK: Exactly once

    private func takeInTransaction(_ poll: SourcePoll, hasWaited: Bool) async throws {
        let count = poll.recordCount
        if count > 0 {
            try begin()
            var tally = transactionOffsets
            _ = try await submit(poll, &tally)
            transactionOffsets = tally
            transactionRecordCount += count
        }
        switch (boundary, poll.boundary) {
        case (.connector, .commit): try await commitTransaction()
        case (.connector, .abort): try await abortTransaction()
        case (.connector, .none): break
        case (.poll, _): try await commitTransaction()
        case (.busyPolls, _):
            guard let transactionStart else { break }
            let isFull =
                transactionRecordCount >= Self.sharedRecordCountMax
                || transactionStart.duration(to: .now) >= Self.sharedTimeMax
            let isDue = (hasWaited || count == 0) && pace.next <= .now
            let isOwed = owesCommitted && told.duration(to: .now) >= Self.untoldTimeMax
            if isFull || isDue || isOwed || poll.isFinished { try await commitTransaction() }
        case (.interval(let interval), _):
            if let transactionStart, transactionStart.duration(to: .now) >= interval { try await commitTransaction() }
        }
    }

    private func begin() throws {
        guard transactionStart == nil, let transactional else { return }
        do throws(ClusterError) { try transactional.begin() } catch { throw failure(error) }
        transactionStart = .now
    }

    /// - Parameter tells: whether the task is told now; it must not be while it polls.
    private func commitTransaction(tells: Bool = true) async throws {
        guard transactionStart != nil, let transactional, let offsetStore else { return }
        let began = ContinuousClock.now
        defer { pace.note(from: began, to: .now, waitingAtMost: Self.sharedTimeMax) }
        let records = try offsetRecords(transactionOffsets, offsetStore).map {
            ProducerRecord(key: ByteBuffer(bytes: $0.key), value: $0.value.map { ByteBuffer(bytes: $0) })
        }
        do throws(ClusterError) {
            if !records.isEmpty { _ = try await transactional.submit(records, to: offsetStore.layout.name) }
            try await transactional.commit()
        } catch {
            throw failure(error)
        }
        transactionStart = nil
        transactionOffsets = OffsetTally()
        transactionRecordCount = 0
        owesCommitted = !tells
        if tells { try await tellCommitted() }
    }

    /// Drops the records of the transaction and keeps the offsets, so that they do not come again.
    private func abortTransaction() async throws {
        guard transactionStart != nil, let transactional else { return }
        do throws(ClusterError) {
            try await transactional.abort()
            transactionStart = nil
        } catch {
            throw failure(error)
        }
        if !transactionOffsets.isEmpty {
            try begin()
            try await commitTransaction()
        }
    }

    private func failure(_ error: ClusterError) -> TaskFailure {
        if error.code == .producerFenced || error.code == .invalidProducerEpoch {
            return TaskFailure(
                ConnectError(
                    .connect,
                    "Producer has been fenced: another task writes as \(environment.identity) now, or the transaction was "
                        + "open for longer than transaction.timeout.ms"),
                cause: ConnectError(error))
        }
        return TaskFailure(
            ConnectError(.connect, "Unrecoverable exception from producer send callback"), cause: ConnectError(error))
    }

    // MARK: Records

    /// Hands a poll's records to the writer, those that came as values and those that are written in their order.
    private func submit(_ poll: SourcePoll, _ tally: inout OffsetTally) async throws -> [WriteReceipt] {
        var receipts: [WriteReceipt] = []
        var next = 0
        for written in poll.written {
            let end = min(max(next, written.recordsBefore), poll.records.count)
            if end > next { try await submit(poll.records[next..<end], &tally, &receipts) }
            next = end
            tally.note(written.partition, written.offset)
            try await submit(pipeline.records(written), to: written.topic, &receipts)
        }
        if next < poll.records.count { try await submit(poll.records[next...], &tally, &receipts) }
        isPartial = false
        return receipts
    }

    private func submit(
        _ polled: ArraySlice<ConnectRecord>, _ tally: inout OffsetTally, _ receipts: inout [WriteReceipt]
    ) async throws {
        for record in polled {
            // No offset is the original's null: there is nothing to go on from.
            if case .source(let partition, let offset) = record.origin, offset.count > 0 {
                tally.note(partition, offset)
            }
        }
        for batch in try await pipeline.convert(polled) {
            try await submit(batch.records, to: batch.topic, &receipts)
        }
    }

    private func submit(
        _ records: [ProducerRecord], to topic: String, _ receipts: inout [WriteReceipt]
    ) async throws {
        guard let writer else { return }
        try await pipeline.prepare(topic: topic)
        // Of what is compressed on its way only the cluster can tell whether it is too large.
        let takesAll = isStrict || writer.compresses
        let records = takesAll ? records : await pipeline.fitting(records, topic: topic)
        guard !records.isEmpty else { return }
        isPartial = true
        do throws(ClusterError) {
            receipts.append(try await writer.submit(records, to: topic))
        } catch {
            throw failure(error)
        }
        parts.figures.written.add(Int64(records.count))
    }

    // MARK: The end

    private func commitAll(isLast: Bool = false) async throws {
        if isTransactional {
            if case .connector = boundary {
                // Only the connector says where a transaction ends; one that it did not end is done again.
                guard isLast else { return }
                try? await transactional?.abort()  // whoever takes the id next aborts it at the latest
                transactionStart = nil
            } else {
                try await commitTransaction()
            }
        } else {
            await writer?.flush()
            try await land(downTo: 0)
            try await storeOffsets()
        }
    }

    func close() async {
        watcher?.cancel()
        await watcher?.value
        await writer?.close()
        writer = nil
    }

    /// After a failure: what is written in full is stored, what is open is taken back.
    func abandon() async {
        if isTransactional {
            // What earlier polls gave is whole, and counts; should that fail as well, it comes again.
            if case .busyPolls = boundary, !isPartial { try? await commitTransaction() }
            try? await transactional?.abort()  // as above
        } else {
            // The failure that brought this about is what must be told.
            try? await commitAll()
        }
        await close()
    }
}

/// The last offset of each partition.
struct OffsetTally: Sendable {
    private(set) var entries: [(partition: ConnectMap, offset: ConnectMap)] = []
    private var last = -1
    private var places: [String: Int] = [:]

    var isEmpty: Bool { entries.isEmpty }

    mutating func note(_ partition: ConnectMap, _ offset: ConnectMap) {
        if last >= 0, entries[last].partition == partition {
            entries[last].offset = offset
            return
        }
        // Partitions are what JSON can hold, else storing them fails and says so.
        let identity = (try? SourceOffsets.json(partition)).map(SourceOffsets.identity) ?? "\(partition)"
        if let place = places[identity] {
            entries[place].offset = offset
            last = place
        } else {
            last = entries.count
            places[identity] = last
            entries.append((partition, offset))
        }
    }

    mutating func merge(_ other: OffsetTally) { for entry in other.entries { note(entry.partition, entry.offset) } }
}
