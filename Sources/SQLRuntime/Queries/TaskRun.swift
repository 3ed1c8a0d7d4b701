import Cluster
import Columns
import Environment
import Logging
import SQLPlan
import StreamEngine
import Synchronization

/// One task of a persistent query: a part of its plan and one of its partitions.
///
/// `@unchecked Sendable`: everything but `mailbox` and `published` belongs to whoever prepares the task, and from `begin` on
/// to whoever holds `turn`: its worker's thread, which learns of everything else by messages, and between two of its
/// stretches those who read what is at hand.
final class TaskRun: WorkItem, @unchecked Sendable {
    enum Message: Sendable {
        case arrival(Inputs.Arrival)
        case committed(Result<Committer.Outcome, ClusterError>)
        case read(TableRead, @Sendable (Result<[TableRow], RunError>) -> Void)
        case pause
        case resume
        /// Time for what was put off.
        case due
        /// Commits what there is, and ends.
        case stop(@Sendable () -> Void)
        /// Ends at once; nothing more is written.
        case drop
    }

    /// What others may know of a task.
    struct Published: Sendable {
        var steps: [(step: String, operation: String, counters: OperatorCounters)] = []
        var committed: [TopicPartition: Int64] = [:]
        var streamTime: Int64?
        var stateBytes = 0
        var consumed = 0
        var produced = 0
        var failed = 0
        var lastMessage: Int64?
        /// Behind the last change in each changelog.
        var changelogEnds: [TopicPartition: Int64] = [:]
    }

    private enum Phase { case preparing, running, ended }

    /// Bytes of results and log entries that wait for their commit, beyond which the task does not go on.
    private static let pendingByteCountMax = 8 << 20
    /// A commit that was held up is not made up for by a longer pause than this.
    private static let restMax = Duration.seconds(1)

    let name: String
    let place: TaskPlace
    let context: TaskEnvironment
    private let worker: Worker
    private let mailbox = Mailbox<Message>()
    private let published = Mutex(Published())
    let restoring = Mutex<[TopicPartition: (position: Int64, end: Int64)]>([:])
    /// Held by the worker for a stretch of work; readers take it only when it is free.
    private let turn = Mutex(())

    private var phase = Phase.preparing
    var engine: QueryTask
    private var inputs: Inputs?
    private var committer: Committer?
    private let pending: PendingBatches
    private var isPaused: Bool
    private let care: Care?
    private let passesOverUnwritable: Bool
    /// What went wrong with single records that no commit has in it yet: told when it does, and so told once.
    private var log = LogEntries()
    private var committingLog: [ProcessingLogEntry] = []
    /// When `max.message.bytes` of the topic of results is to be looked at again.
    private var limitDue = ContinuousClock.now
    /// Results that their topic does not take.
    private var unwritable = 0
    /// Records were processed that no commit has in it.
    private var isDirty = false
    private var isCommitting = false
    /// State of another plan is being written: were it lost, what is processed meanwhile would be counted in it twice.
    private var isRelogging = false
    private var commitDue = ContinuousClock.now
    private var commitBegan = ContinuousClock.now
    private var pace = CommitPace()
    /// Set while `due` is on its way.
    private var isResting = false
    private var committing: [TopicPartition: Int64] = [:]
    private var commitTask: Task<Void, Never>?
    private var reads: [(TableRead, @Sendable (Result<[TableRow], RunError>) -> Void)] = []
    private var stops: [@Sendable () -> Void] = []
    /// The end of what is under way when the task has ended.
    private var ending: Task<Void, Never>?
    private var current = Published()
    /// Behind the last change of this task in each of its changelogs.
    var changelogEnds: [TopicPartition: Int64] = [:]
    /// All state is to be written to the changelogs: what is there is of another plan.
    var mustRelog = false
    /// Changes in changelogs since the last snapshot.
    private var unsavedChanges = 0
    /// What `context.account` has of this task.
    private var accountedBytes = 0

    init(
        _ place: TaskPlace, _ context: TaskEnvironment, worker: Worker, isPaused: Bool, care: Care? = nil
    ) throws(RunError) {
        self.care = care
        passesOverUnwritable = context.properties.passesOverUnwritable
        self.place = place
        self.context = context
        self.worker = worker
        self.isPaused = isPaused
        pending = PendingBatches(limits: context.messageByteCountsMax)
        name = "\(place.part.index)_\(place.partition)"
        engine = try context.engine(of: place)
    }

    // MARK: Before the first record

    /// Takes the place of whoever had this task before. Called once, before `prepare`.
    func take() async throws(ClusterError) {
        committer = try await Committer.open(
            context.cluster, group: context.applicationID, transactionalID: "\(context.applicationID)-\(name)",
            context.properties.guarantee, member: context.member)
    }

    /// Reads state back and opens the inputs.
    ///
    /// - Parameters:
    ///   - offsets: where each partition goes on.
    ///   - old: the task of the query that this one replaces.
    func prepare(_ offsets: [TopicPartition: Int64], replacing old: TaskRun?) async throws(ClusterError) {
        if let old { try await adoptState(of: old, offsets) } else { try await restoreState() }
        var readers: [any PartitionReader] = []
        do throws(ClusterError) {
            for partition in place.partitions {
                let position: LogPosition = offsets[partition].map { .offset($0) } ?? .beginning
                readers.append(
                    try await context.cluster.reader(partition, from: position, isolation: .readCommitted))
            }
        } catch {
            for reader in readers { reader.close() }
            throw error
        }
        inputs = Inputs(readers, for: engine)
        inputs?.care = care
        current.committed = offsets.filter { place.partitions.contains($0.key) }
        publish()
    }

    /// From here on the task belongs to its worker.
    func begin() {
        turn.withLock { _ in
            phase = .running
            commitDue = ContinuousClock.now
            isDirty = mustRelog
        }
        mailbox.post(isPaused ? .pause : .resume, to: self, on: worker)
    }

    /// Gives back what `take` and `prepare` made of a task that never began.
    func abandon() async {
        account(0)
        inputs?.close()
        await committer?.close()
    }

    func post(_ message: Message) { mailbox.post(message, to: self, on: worker) }

    func read(_ read: TableRead) async -> Result<[TableRow], RunError> {
        await withCheckedContinuation { continuation in
            post(.read(read, { continuation.resume(returning: $0) }))
        }
    }

    /// Rows of keys, as they were committed, while the worker does something else or nothing.
    ///
    /// - Returns: nil when they are not at hand: ask `read`.
    func readAtHand(_ read: TableRead) -> [TableRow]? {
        turn.withLockIfAvailable { _ -> [TableRow]? in
            guard phase == .running, !isDirty, !isCommitting, engine.readsKeysQuickly else { return nil }
            return try? engine.read(read)  // `read` tells why not
        } ?? nil
    }

    var status: Published { published.withLock { $0 } }

    /// Of each changelog that is being read back, how far that is, and where it ends.
    var restored: [TopicPartition: (position: Int64, end: Int64)] { restoring.withLock { $0 } }

    // MARK: On the worker's thread

    func work() -> Bool {
        turn.withLock { _ in
            for message in mailbox.take() { handle(message) }
            if step() { return true }
            return !mailbox.rest()
        }
    }

    private func handle(_ message: Message) {
        switch message {
        case .arrival(let arrival):
            guard phase == .running else { return }
            do throws(ClusterError) { try inputs?.take(arrival) } catch { fail(.cluster(error)) }
        case .committed(let result): committed(result)
        case .read(let read, let answer):
            guard phase == .running else {
                return answer(.failure(RunError(.notReady, "the query \(context.plan.id) does not run")))
            }
            reads.append((read, answer))
        case .pause: isPaused = true
        case .resume: isPaused = false
        case .due: isResting = false
        case .stop(let done):
            if phase == .running {
                stops.append(done)
            } else {
                // Of a task that has failed or was dropped a commit may still be under way.
                let ending = ending
                Task {
                    await ending?.value
                    done()
                }
            }
        case .drop: end()
        }
    }

    /// One batch of records, or whatever else is due.
    ///
    /// - Returns: whether there is more to do at once.
    private func step() -> Bool {
        guard phase == .running, let inputs else { return false }
        if !reads.isEmpty || !stops.isEmpty || isPaused {
            if isDirty || isCommitting {
                // What is read, and what stays, is what has been committed.
                commit()
                return false
            }
            answerReads()
            if !stops.isEmpty {
                finish()
                return false
            }
            if isPaused { return false }
        }
        if isDirty, !isCommitting, isFull || ContinuousClock.now >= commitDue { commit() }
        if isCommitting, isFull || isRelogging { return false }
        do throws(ClusterError) {
            if isDirty || isCommitting, try inputs.needsCare() {
                commit()
                return false
            }
            guard let batch = try inputs.next() else {
                // Drained: nobody should wait for the interval.
                if !rests() {
                    commit()
                    guard phase == .running else { return false }
                    if !isCommitting { publish() }
                }
                if !rests() { inputs.wait { [weak self] in self?.post(.arrival($0)) } }
                return false
            }
            try process(batch)
        } catch {
            fail(.cluster(error))
        }
        return phase == .running
    }

    /// Whether it is too early for another commit. Until it is time more records are not even looked for: they could not
    /// count earlier, and who reads meanwhile finds everything committed.
    private func rests() -> Bool {
        // The end of a commit goes on from here.
        if isCommitting { return pace.settled > commitBegan }
        guard pace.next > .now else { return false }
        guard !isResting else { return true }
        isResting = true
        let end = pace.next
        // Ends by itself, after a commit interval at most.
        Task { [weak self] in
            try? await Task.sleep(until: end, tolerance: .milliseconds(1), clock: .continuous)  // never cancelled
            self?.post(.due)
        }
        return true
    }

    private var isFull: Bool { pending.byteCount + log.byteCount > Self.pendingByteCountMax }

    private func process(_ batch: SourceBatch) throws(ClusterError) {
        let output = engine.process(batch)
        if let error = output.failure {
            let failure = TaskFailure.engine(error, batch, isAlone: !isDirty && !isCommitting)
            // What comes again is told then: all but the record that has ended the query.
            if error.code == .fatalRecord, Care(failure) == nil { tell(output.log) }
            return fail(failure)
        }
        if context.settings.processingLog != nil { log.append(output.log) }
        if !isDirty {
            isDirty = true
            commitDue = ContinuousClock.now + context.properties.commitInterval
        }
        current.consumed += batch.count
        var streamTime = current.streamTime ?? .min
        for row in 0..<batch.count { streamTime = max(streamTime, batch.timestamps[row]) }
        if batch.count > 0 { current.streamTime = streamTime }
        for records in output.records {
            let left = try pending.append(
                records, partitionCount: context.partitionCounts[records.topic] ?? 1,
                passesOver: passesOverUnwritable)
            current.produced += records.count - left.count
            if left.isEmpty { continue }
            if try limitHasChanged(of: records.topic) {
                throw ClusterError(.messageTooLarge, "max.message.bytes of topic '\(records.topic)' has changed")
            }
            passOver(left, of: records)
        }
    }

    /// Asks now and then, before anything is left out for good.
    private func limitHasChanged(of topic: String) throws(ClusterError) -> Bool {
        guard limitDue <= .now else { return false }
        limitDue = .now + .seconds(5)
        let cluster = context.cluster
        let now = try blockingThread { () throws(ClusterError) in await cluster.messageByteCountMax(of: topic) }
        guard let now else { return false }
        return now != context.messageByteCountsMax[topic]
    }

    private func passOver(_ left: [PendingBatches.TooLarge], of records: SinkBatch) {
        unwritable += left.count
        guard context.settings.processingLog != nil else { return }
        let most = context.messageByteCountsMax[records.topic] ?? 0
        log.append(
            left.map { record in
                ProcessingLogEntry(
                    kind: .production, step: "",
                    message:
                        "The message is \(record.byteCount) bytes when serialized which is larger than \(most), which is "
                        + "the value of the max.message.bytes configuration of topic '\(records.topic)'.",
                    topic: records.topic, timestamp: records.timestamps[record.row])
            })
    }

    private func tell(_ entries: [ProcessingLogEntry]) {
        guard let log = context.settings.processingLog else { return }
        for entry in entries { log(context.plan.id, entry) }
    }

    // MARK: Commits

    /// Begins to commit what was processed, unless a commit is under way.
    private func commit() {
        guard isDirty, !isCommitting, let inputs, let committer else { return }
        // Retention of changelogs goes by the wall clock: with the time of old records a broker would delete state that
        // has just been written.
        let time = SystemWallClock().now()
        var receivers: [String: ChangelogWriting] = [:]
        func receiver(_ store: String) -> ChangelogWriting {
            if let known = receivers[store] { return known }
            let partition = TopicPartition(context.changelogName(store), place.partition)
            let made = ChangelogWriting(pending, pending.lane(partition), time)
            receivers[store] = made
            return made
        }
        if mustRelog {
            mustRelog = false
            isRelogging = true
            do { try engine.relog { receiver($0.store).take($0) } } catch {
                return fail(.cluster(ClusterError(.invalidRequest, "state cannot be written: \(error)")))
            }
        } else {
            engine.drainChanges(to: receiver)
        }
        var changelogs: Set<String> = []
        for (_, receiver) in receivers where receiver.count > 0 {
            if let failure = receiver.failure { return fail(.cluster(failure)) }
            changelogs.insert(receiver.lane.partition.topic)
            unsavedChanges += receiver.count
        }
        isDirty = false
        isCommitting = true
        commitBegan = .now
        committingLog = log.drain()
        committing = [:]
        var offsets: [TopicPartition: CommittedOffset] = [:]
        for (partition, offset) in inputs.offsets where current.committed[partition] != offset {
            offsets[partition] = CommittedOffset(offset)
            committing[partition] = offset
        }
        let work = Committer.Work(batches: pending.drain(), offsets: offsets, changelogs: changelogs)
        // Owned by this task, which does not end before it has the answer.
        commitTask = Task {
            do throws(ClusterError) {
                self.post(.committed(.success(try await committer.commit(work))))
            } catch {
                self.post(.committed(.failure(error)))
            }
        }
    }

    private func committed(_ result: Result<Committer.Outcome, ClusterError>) {
        isCommitting = false
        isRelogging = false
        pace.note(
            from: commitBegan, to: .now, waitingAtMost: min(context.properties.commitInterval, Self.restMax))
        // Also of a task that has ended meanwhile: these records do not come again. Others do, and are told of then.
        if case .success = result { tell(committingLog) }
        committingLog = []
        guard phase == .running else { return }
        switch result {
        case .success(let ends):
            changelogEnds.merge(ends) { _, new in new }
            current.committed.merge(committing) { _, new in new }
            current.lastMessage = SystemWallClock().now()
            publish()
            context.committed()
            if let failure = context.account.failure(context.settings) { return fail(failure) }
            // As many changes as there is state, at least: the cost of snapshots stays in proportion.
            let rows = current.steps.reduce(0) { $0 + $1.counters.stateRows }
            if unsavedChanges > max(context.settings.snapshotChangeCountMin, 2 * rows), !isDirty {
                writeSnapshot()
                unsavedChanges = 0
            }
        case .failure(let error): fail(.cluster(error))
        }
    }

    private func publish() {
        current.steps = engine.counters
        current.stateBytes = current.steps.reduce(0) { $0 + $1.counters.stateBytes }
        current.failed = current.steps.reduce(unwritable) { $0 + $1.counters.failed }
        account(current.stateBytes)
        current.changelogEnds = changelogEnds
        published.withLock { $0 = current }
    }

    /// Tells how much state there is now.
    private func account(_ byteCount: Int) {
        context.account.add(byteCount - accountedBytes)
        accountedBytes = byteCount
    }

    // MARK: Reads

    private func answerReads() {
        guard !reads.isEmpty else { return }
        for (read, answer) in reads {
            do throws(EngineError) { answer(.success(try engine.read(read))) } catch {
                answer(.failure(RunError(.notMaterialized, error.message)))
            }
        }
        reads = []
    }

    // MARK: The end

    /// Everything is committed.
    private func finish() {
        if unsavedChanges > 0 { writeSnapshot() }
        end()
    }

    private func fail(_ failure: TaskFailure) {
        guard phase == .running else { return }
        end()
        context.failed(self, failure)
    }

    private func end() {
        guard phase != .ended else { return }
        phase = .ended
        account(0)
        inputs?.close()
        for (_, answer) in reads {
            answer(.failure(RunError(.notReady, "the query \(context.plan.id) does not run")))
        }
        reads = []
        let stops = stops
        self.stops = []
        let committer = committer
        let commitTask = commitTask
        // Ends by itself; whoever stops the task waits for it.
        ending = Task {
            await commitTask?.value
            await committer?.close()
            for done in stops { done() }
        }
    }
}
