import Cluster
import ConnectCore
import Observability

/// The loop of a sink's task. Used by one task at a time.
actor SinkWork {
    private struct Part {
        var feed: PartitionFeed
        var run: Task<Void, Never>
        /// Offset after the last record that the task took; where reading began before the first one.
        var delivered: Int64
        var committed: Int64?
        var isPausedByTask = false
    }

    /// A batch that the task did not take yet.
    private struct Pending {
        var records: [ConnectRecord]
        var raw: [ConsumerRecord]
        var ends: [TopicPartition: Int64]
        var attempt: Int
        var due: ContinuousClock.Instant
    }

    nonisolated let context: SinkContext
    private let environment: TaskEnvironment
    private let policy: ErrorPolicy
    private let pipeline: SinkPipeline
    private let subscription: Subscription
    private let isolation: Isolation
    /// As configured; nil for what the task wants.
    private let recordCountGiven: Int?
    private var recordCountMax = 500
    private let byteCountMax: Int
    private let reset: LogPosition?
    private var parts: [TopicPartition: Part] = [:]
    /// Where the next batch begins to collect.
    private var turn = 0
    private var pending: Pending?
    /// The batch behind it that is ready.
    private var ahead: Pending?
    /// What did not go into a batch whose records became large. It comes before what is in the feeds.
    private var rest: [ConsumerRecord] = []
    private var topics: Set<String> = []
    private var lastCommit = ContinuousClock.now
    private var lastPut = ContinuousClock.now

    private static let idleTime = Duration.seconds(1)

    private var control: TaskControl { environment.control }
    private var figures: WorkerFigures { environment.parts.figures }

    init(
        _ environment: TaskEnvironment, _ values: ConfigValues, _ policy: ErrorPolicy, _ letters: DeadLetters
    ) throws(ConnectError) {
        self.environment = environment
        self.policy = policy
        let settings = environment.parts.settings
        func option(_ name: String) -> String? { settings.client("consumer", name, environment.connector) }
        isolation =
            switch option("isolation.level") {
            case "read_committed": .readCommitted
            case nil: settings.isEmbedded ? .readCommitted : .readUncommitted
            default: .readUncommitted
            }
        recordCountGiven = option("max.poll.records").flatMap { Int($0) }
        byteCountMax = max(1, option("max.partition.fetch.bytes").flatMap { Int($0) } ?? 1 << 20)
        reset =
            switch option("auto.offset.reset") {
            case "latest": .end
            case "none": nil
            default: .beginning
            }
        let pattern = values.string("topics.regex") ?? ""
        subscription = pattern.isEmpty ? .topics(values.list("topics")) : .pattern(pattern)
        context = SinkContext(environment, letters, isolation)
        pipeline = try SinkPipeline(environment, policy, letters)
    }

    func run(_ task: any SinkTask) async throws {
        recordCountMax = max(1, recordCountGiven ?? task.recordCountWanted)
        let group = SinkTaskRun.group(
            environment.identity.connector, environment.connector, environment.parts.settings)
        var options = options(group)
        do {
            try await run(task, group, options)
        } catch let error as ClusterError where error.code == .invalidRegularExpression && options.type == .consumer {
            // Brokers do not know all of Java's expressions. Members of classic groups match topics themselves.
            options.type = .classic
            options.memberId = nil
            try await run(task, group, options)
        }
    }

    private func run(_ task: any SinkTask, _ group: String, _ options: MembershipOptions) async throws {
        let membership = environment.parts.cluster.membership(group: group, subscription, options: options)
        let pump = MembershipPump(membership, news: control.signal)
        // Owned here: awaited below, after the member has left.
        let pumping = Task { await pump.run() }
        var failure: (any Error)?
        do {
            try await loop(task, membership, pump)
        } catch {
            failure = error
        }
        // Also after a failure: what the task took before must not come again. A cluster that failed takes no offsets.
        if !(failure is ClusterError) {
            do {
                try await commit(task, membership, Set(parts.keys), isClosing: true)
            } catch {
                failure = failure ?? error
            }
        }
        await close(task, Set(parts.keys))
        await membership.leave()
        pumping.cancel()
        await pumping.value
        if let failure { throw failure }
    }

    private func options(_ group: String) -> MembershipOptions {
        let settings = environment.parts.settings
        func option(_ name: String) -> String? { settings.client("consumer", name, environment.connector) }
        var options = MembershipOptions()
        // The consumer protocol has no time in which a new group waits for members.
        let isConsumer = option("group.protocol").map { $0.lowercased() == "consumer" } ?? settings.isEmbedded
        options.type = isConsumer ? .consumer : .classic
        options.instanceId = option("group.instance.id").map { "\($0)-\(environment.identity.task)" }
        if isConsumer, options.instanceId == nil {
            options.memberId = environment.parts.memberNames.name(of: environment.identity, in: group)
        }
        // The log of this process is asked often for what a sink waits for: that costs next to nothing.
        if settings.isEmbedded { options.heartbeatIntervalMax = .milliseconds(250) }
        func time(_ name: String) -> Duration? { option(name).flatMap(Int64.init).map { .milliseconds($0) } }
        if let value = time("session.timeout.ms") { options.sessionTimeout = value }
        if let value = time("heartbeat.interval.ms") { options.heartbeatInterval = value }
        if let value = time("max.poll.interval.ms") { options.rebalanceTimeout = value }
        if let value = time("metadata.max.age.ms") { options.metadataInterval = value }
        return options
    }

    // MARK: The loop

    private func loop(_ task: any SinkTask, _ membership: any ConsumerMembership, _ pump: MembershipPump) async throws {
        var isPaused: Bool?
        while !control.isStopping {
            let generation = control.signal.generation
            if let event = try pump.event() {
                try await take(event, task, membership)
                pump.finish()
                continue
            }
            if isPaused != control.isPaused {
                let now = control.isPaused
                isPaused = now
                if now { try await commit(task, membership, Set(parts.keys)) }
                await environment.report(now ? .paused : .running, nil)
            }
            meetWishes()
            let interval = environment.parts.settings.flushInterval
            if context.takeCommitWish() || lastCommit.duration(to: .now) >= interval {
                try await commit(task, membership, Set(parts.keys))
            }
            var wait = min(interval - lastCommit.duration(to: .now), .seconds(60))
            if isPaused != true {
                if let waiting = pending {
                    if waiting.due <= .now {
                        try await put(task, waiting)
                        continue
                    }
                    wait = min(wait, ContinuousClock.now.duration(to: waiting.due))
                } else if let batch = try await takeReady() {
                    try await put(task, batch)
                    continue
                } else {
                    let idle = lastPut.duration(to: .now)
                    if idle >= Self.idleTime {
                        try await put(task, Pending(records: [], raw: [], ends: [:], attempt: 0, due: .now))
                        continue
                    }
                    wait = min(wait, Self.idleTime - idle)
                }
            }
            await control.signal.wait(after: generation, timeout: max(.milliseconds(1), wait))
        }
    }

    private func nextBatch() throws -> [ConsumerRecord]? {
        guard !parts.isEmpty else { return nil }
        var raw: [ConsumerRecord] = []
        if !rest.isEmpty {
            swap(&raw, &rest)
            return raw
        }
        // In turn, so that a busy partition does not keep the others waiting.
        let order = parts.keys.sorted()
        for index in order.indices {
            let partition = order[(index + turn) % order.count]
            guard let part = parts[partition], !part.isPausedByTask, part.feed.hasRecords else { continue }
            raw += try part.feed.take(recordCountMax - raw.count)
            if raw.count >= recordCountMax { break }
        }
        turn = (turn + 1) % order.count
        figures.read.add(Int64(raw.count))
        return raw.isEmpty ? nil : raw
    }

    private func takeReady() async throws -> Pending? {
        if let batch = ahead {
            ahead = nil
            return batch
        }
        guard let raw = try nextBatch() else { return nil }
        return try await prepare(raw)
    }

    private func prepare(_ given: [ConsumerRecord]) async throws -> Pending {
        for topic in Set(Self.ends(of: given).keys.map(\.topic)) where topics.insert(topic).inserted {
            await environment.track(topic)
        }
        let (records, count) = try await pipeline.convert(given)
        rest = Array(given[count...])
        let raw = rest.isEmpty ? given : Array(given[..<count])
        return Pending(records: records, raw: raw, ends: Self.ends(of: raw), attempt: 0, due: .now)
    }

    /// Has the task write a batch and, where it may be, makes the next one ready meanwhile; `next` is what that failed with.
    private func deliver(
        _ task: any SinkTask, _ batch: Pending
    ) async throws -> (written: Result<Void, ConnectError>, next: (any Error)?) {
        if !batch.raw.isEmpty { context.setRaw(batch.raw) }
        func write() async -> Result<Void, ConnectError> {
            do throws(ConnectError) { return .success(try await task.put(batch.records)) } catch {
                return .failure(error)
            }
        }
        guard task.readsAhead, ahead == nil, !control.isStopping, !control.isPaused, let raw = try nextBatch() else {
            return (await write(), nil)
        }
        async let next = prepare(raw)
        let result = await write()
        do {
            ahead = try await next
            return (result, nil)
        } catch {
            return (result, error)
        }
    }

    /// The offset after the last record of each partition.
    private static func ends(of raw: [ConsumerRecord]) -> [TopicPartition: Int64] {
        var ends: [TopicPartition: Int64] = [:]
        for (index, record) in raw.enumerated() {
            // Records of a partition stand together: only the last of them counts.
            let isLast =
                index + 1 == raw.count || raw[index + 1].partition != record.partition
                || raw[index + 1].topic != record.topic
            if isLast { ends[TopicPartition(record.topic, record.partition)] = record.offset + 1 }
        }
        return ends
    }

    private func put(_ task: any SinkTask, _ batch: Pending) async throws {
        let (written, failure) = try await deliver(task, batch)
        if case .failure(let error) = written {
            guard error.isRetriable else {
                throw TaskFailure(
                    ConnectError(.connect, "Exiting WorkerSinkTask due to unrecoverable exception."),
                    at: "\(environment.taskClass).put", cause: error)
            }
            let pause = min(
                context.takeRetryPause() ?? .milliseconds(300) * (1 << min(batch.attempt, 12)), policy.pauseMax)
            if batch.attempt == 0 { environment.log(.warning, "put failed, trying again: \(error)") }
            var again = batch
            again.attempt += 1
            again.due = .now + pause
            pending = again
            lastPut = .now
            if let failure { throw failure }
            return
        }
        _ = context.takeRetryPause()
        pending = nil
        lastPut = .now
        figures.put.add(Int64(batch.records.count))
        for (partition, end) in batch.ends { parts[partition]?.delivered = end }
        // What was written counts, whatever became of the batch behind it.
        if let failure { throw failure }
    }

    private func meetWishes() {
        for (partition, offset) in context.takeSeeks() {
            let key = TopicPartition(partition.topic, partition.partition)
            guard parts[key] != nil else { continue }
            parts[key]?.feed.seek(to: offset)
            parts[key]?.delivered = offset
            forget([key])
        }
        for (partition, isPaused) in context.takePauses() {
            let key = TopicPartition(partition.topic, partition.partition)
            parts[key]?.isPausedByTask = isPaused
            parts[key]?.feed.pause(isPaused)
        }
    }

    /// Takes records of some partitions out of the batches that wait.
    private func forget(_ partitions: Set<TopicPartition>) {
        pending = pending.flatMap { Self.without(partitions, $0) }
        ahead = ahead.flatMap { Self.without(partitions, $0) }
        rest.removeAll { partitions.contains(TopicPartition($0.topic, $0.partition)) }
    }

    private static func without(_ partitions: Set<TopicPartition>, _ given: Pending) -> Pending? {
        var batch = given
        func isGone(_ place: SinkPlace?) -> Bool {
            place.map { partitions.contains(TopicPartition($0.topic, $0.partition)) } ?? false
        }
        batch.records.removeAll { isGone(SinkPlace($0)) }
        batch.raw.removeAll { isGone(SinkPlace($0)) }
        for partition in partitions { batch.ends[partition] = nil }
        return batch.ends.isEmpty ? nil : batch
    }

    // MARK: Offsets

    private func commit(
        _ task: any SinkTask, _ membership: any ConsumerMembership, _ partitions: Set<TopicPartition>,
        isClosing: Bool = false
    ) async throws {
        lastCommit = .now
        let known = parts.filter { partitions.contains($0.key) }
        guard !known.isEmpty else { return }
        let offsets = Dictionary(
            known.map { (SinkPartition(topic: $0.key.topic, partition: $0.key.partition), $0.value.delivered) }
        ) { first, _ in first }
        let wanted: [SinkPartition: Int64]
        do throws(ConnectError) {
            wanted = try await task.preCommit(offsets)
        } catch {
            if isClosing {
                environment.log(.error, "the task could not bring its records to the target; they come again: \(error)")
                return
            }
            guard error.isRetriable || policy.toleratesAll else {
                throw TaskFailure(error, at: "\(environment.taskClass).preCommit")
            }
            environment.log(.error, "the task could not bring its records to the target, going back: \(error)")
            try await goBack(membership, Set(known.keys))
            return
        }
        var changed: [TopicPartition: CommittedOffset] = [:]
        for (partition, offset) in wanted {
            let key = TopicPartition(partition.topic, partition.partition)
            guard let part = known[key] else {
                environment.log(.warning, "the task gave an offset of \(key), which it does not have")
                continue
            }
            guard offset <= part.delivered else {
                environment.log(.warning, "the task gave offset \(offset) of \(key) and got only to \(part.delivered)")
                continue
            }
            if part.committed != offset, part.committed != nil || offset > 0 { changed[key] = CommittedOffset(offset) }
        }
        guard !changed.isEmpty else { return }
        do throws(ClusterError) {
            try await membership.commit(changed)
            for (partition, offset) in changed { parts[partition]?.committed = offset.offset }
            await task.committed(
                Dictionary(
                    changed.map { (SinkPartition(topic: $0.key.topic, partition: $0.key.partition), $0.value.offset) }
                ) { first, _ in first })
        } catch {
            // The group settles, or the partitions are somebody else's: what is not committed comes again there.
            environment.log(.warning, "offsets could not be committed: \(error)")
        }
    }

    /// Reads on from what is committed.
    private func goBack(_ membership: any ConsumerMembership, _ partitions: Set<TopicPartition>) async throws {
        let starts = try await self.starts(membership, Array(partitions))
        for (partition, start) in starts {
            parts[partition]?.feed.seek(to: start.offset)
            parts[partition]?.delivered = start.offset
        }
        forget(partitions)
    }

    // MARK: Partitions

    private func take(
        _ event: MembershipEvent, _ task: any SinkTask, _ membership: any ConsumerMembership
    ) async throws {
        switch event {
        case .assigned(let partitions): try await open(task, membership, partitions)
        case .revoked(let partitions):
            forget(Set(partitions))
            try await commit(task, membership, Set(partitions), isClosing: true)
            await close(task, Set(partitions))
        case .lost(let partitions):
            forget(Set(partitions))
            await close(task, Set(partitions))
        }
    }

    private func starts(
        _ membership: any ConsumerMembership, _ partitions: [TopicPartition]
    ) async throws -> [TopicPartition: (offset: Int64, isCommitted: Bool)] {
        let committed = try await membership.committed(partitions)
        let missing = partitions.filter { committed[$0] == nil }
        var starts: [TopicPartition: (offset: Int64, isCommitted: Bool)] = [:]
        for (partition, offset) in committed { starts[partition] = (offset.offset, true) }
        guard !missing.isEmpty else { return starts }
        guard let reset else {
            throw TaskFailure(
                ConnectError(
                    .connect,
                    "Undefined offset with no reset policy for partitions: "
                        + missing.sorted().map(\.description).joined(separator: ", ")))
        }
        let places = try await environment.parts.cluster.offsets(
            Dictionary(missing.map { ($0, reset) }) { first, _ in first }, isolation: isolation)
        for (partition, offset) in places { starts[partition] = (offset, false) }
        return starts
    }

    private func open(
        _ task: any SinkTask, _ membership: any ConsumerMembership, _ partitions: [TopicPartition]
    ) async throws {
        let new = partitions.filter { parts[$0] == nil }
        guard !new.isEmpty else { return }
        let starts = try await self.starts(membership, new)
        do throws(ConnectError) {
            try await task.open(new.map { SinkPartition(topic: $0.topic, partition: $0.partition) })
        } catch {
            throw TaskFailure(error, at: "\(environment.taskClass).open")
        }
        let seeks = context.takeSeeks()
        for partition in new {
            guard let start = starts[partition] else { continue }
            let wanted = seeks[SinkPartition(topic: partition.topic, partition: partition.partition)]
            let feed = PartitionFeed(
                environment.parts.cluster, partition, position: wanted ?? start.offset, isolation: isolation,
                byteCountMax: byteCountMax, reset: reset, news: control.signal,
                warn: { [environment] in environment.log(.warning, $0) })
            // Owned here: `close` awaits it.
            let run = Task { await feed.run() }
            parts[partition] = Part(
                feed: feed, run: run, delivered: wanted ?? start.offset,
                committed: start.isCommitted ? start.offset : nil)
        }
        // What is sought in partitions that the task had before.
        let others = seeks.filter { !new.contains(TopicPartition($0.key.topic, $0.key.partition)) }
        if !others.isEmpty { context.seek(others) }
    }

    private func close(_ task: any SinkTask, _ partitions: Set<TopicPartition>) async {
        var closed: [Part] = []
        for partition in partitions { if let part = parts.removeValue(forKey: partition) { closed.append(part) } }
        guard !closed.isEmpty else { return }
        for part in closed { part.feed.close() }
        for part in closed { await part.run.value }
        await task.close(
            partitions.sorted().map { SinkPartition(topic: $0.topic, partition: $0.partition) })
    }
}
