import Cluster
import Columns
import Environment
import Logging
import SQLPlan
import StreamEngine
import Synchronization

/// A persistent query: its topics, its tasks, and what becomes of them when something fails.
actor PersistentQuery {
    nonisolated let id: String
    nonisolated let applicationID: String
    private(set) var plan: PhysicalPlan
    private var propertyTexts: [String: String]
    let settings: RuntimeSettings
    let cluster: any Cluster
    let workers: Workers
    private let account: StateAccount
    let logger: Logger

    private(set) var topology: SubTopologies
    var tasks: [TaskRun] = [] {
        didSet {
            guard tasks.isEmpty else { return }
            routing.withLock { $0 = nil }
            placed.withLock { $0?.local = [:] }
        }
    }
    var state = QueryStatus.State.rebalancing
    /// What this node has to do with the query when several run it; nil: this one runs all of it.
    var share: Share?
    nonisolated let placed = Mutex<Placement?>(nil)
    /// Where rows of the query's table are, for readers, who do not wait for the query's other business.
    private nonisolated let routing = Mutex<Routing?>(nil)

    private struct Routing: Sendable {
        /// The tasks of the last part, by partition.
        var owners: [TaskRun]
        var keyRouter: KeyRouter?
    }
    private var errors: [(timestamp: Int64, message: String)] = []
    private(set) var isPaused: Bool
    /// Raised by everything that makes the tasks of before meaningless.
    var generation = 0 { didSet { share?.cancelBeginnings() } }
    private var retries = 0
    private var retry: Task<Void, Never>?
    private var sourcePartitions: [String: Int] = [:]
    /// Of the query's own topics, where the records begin that are still there.
    private var purged: [TopicPartition: Int64] = [:]
    private var endings: [@Sendable () -> Void] = []
    /// Of all tasks, since the start.
    private let commits = Atomic<Int>(0)
    private var commitsSeen = 0

    init(
        _ plan: PhysicalPlan, _ properties: [String: String], isPaused: Bool, _ settings: RuntimeSettings,
        _ cluster: any Cluster, _ workers: Workers, _ accounts: StateAccounts, _ logger: Logger
    ) {
        id = plan.id
        applicationID = settings.applicationID(of: plan.id)
        self.plan = plan
        propertyTexts = properties
        self.isPaused = isPaused
        self.settings = settings
        self.cluster = cluster
        self.workers = workers
        account = StateAccount(in: accounts)
        self.logger = logger
        topology = SubTopologies(plan)
        share = settings.sharing.map { Share($0) }
    }

    var properties: QueryProperties { QueryProperties(propertyTexts) }

    // MARK: Start

    /// Makes topics and tasks, and lets them run.
    func start() async throws(RunError) { try await start(replacing: [:]) }

    private func start(replacing olds: [String: TaskRun]) async throws(RunError) {
        do throws(ClusterError) { try await run(replacing: olds) } catch {
            switch error {
            case let error where error.code == .invalidRequest && error.hint == Self.planHint:
                throw RunError(.invalidPlan, error.message)
            default: throw RunError(.cluster, "query \(id) cannot be started: \(error)")
            }
        }
    }

    /// Marks an error that is the plan's.
    static let planHint = "plan"

    /// - Parameter olds: tasks of the query that this plan replaces, by name.
    private func run(replacing olds: [String: TaskRun] = [:]) async throws(ClusterError) {
        if share != nil { return try await join(replacing: olds) }
        generation += 1
        let own = generation
        state = .rebalancing
        let sources = try await sourceCounts()
        let isUndivided = try await isUndivided(sources)
        guard own == generation else { return }
        topology = isUndivided ? SubTopologies(undivided: plan) : SubTopologies(plan)
        let environment = try await environment(own, sources)
        let made: [TaskRun]
        do throws(RunError) { made = try makeTasks(environment.places, environment.environment) } catch {
            throw ClusterError(.invalidRequest, error.message, hint: Self.planHint)
        }
        try await makeChangelogs(of: made.map { ($0.place, $0.engine) }, environment.environment)
        do throws(ClusterError) {
            try await each(made) { task throws(ClusterError) in try await task.take() }
            let offsets = try await startOffsets(environment.places)
            try await each(made) { task throws(ClusterError) in
                try await task.prepare(offsets, replacing: olds[task.name])
            }
        } catch {
            for task in made { await task.abandon() }
            throw error
        }
        guard own == generation else {
            for task in made { await task.abandon() }
            return
        }
        tasks = made
        state = isPaused ? .paused : .running
        for task in made { task.begin() }
        let last = topology.parts.count - 1
        routing.withLock {
            $0 = Routing(owners: made.filter { $0.place.part.index == last }, keyRouter: KeyRouter(topology))
        }
    }

    /// The first failure ends all.
    private func each(
        _ tasks: [TaskRun], _ body: @escaping @Sendable (TaskRun) async throws(ClusterError) -> Void
    ) async throws(ClusterError) {
        let failure = await withTaskGroup(of: ClusterError?.self) { group in
            for task in tasks {
                group.addTask {
                    do throws(ClusterError) { try await body(task) } catch { return error }
                    return nil
                }
            }
            var first: ClusterError?
            for await failure in group where first == nil { first = failure }
            return first
        }
        if let failure { throw failure }
    }

    private func makeTasks(_ places: [TaskPlace], _ environment: TaskEnvironment) throws(RunError) -> [TaskRun] {
        var made: [TaskRun] = []
        for place in places {
            made.append(try TaskRun(place, environment, worker: workers.assign(), isPaused: isPaused))
        }
        return made
    }

    /// Whether the query runs in one piece. One that has topics between its parts goes on with them: they may have records
    /// that it has not read yet.
    private func isUndivided(_ sources: [String: Int]) async throws(ClusterError) -> Bool {
        guard SubTopologies.mayBeUndivided(plan, sources) else { return false }
        let inputs = SubTopologies(plan).parts.flatMap(\.inputs)
        for input in inputs {
            do throws(ClusterError) {
                _ = try await cluster.topic("\(applicationID)-\(input.name)-repartition")
                return false
            } catch {
                guard error.code == .unknownTopicOrPartition else { throw error }
            }
        }
        return !inputs.isEmpty
    }

    /// Partitions of the topics of streams and tables.
    func sourceCounts() async throws(ClusterError) -> [String: Int] {
        var sources: [String: Int] = [:]
        for topic in plan.sourceTopics { sources[topic] = try await cluster.topic(topic).partitions.count }
        return sources
    }

    /// Makes the topics of the query's own, and says which tasks there are.
    func environment(
        _ generation: Int, _ sources: [String: Int]
    ) async throws(ClusterError) -> (environment: TaskEnvironment, places: [TaskPlace]) {
        sourcePartitions = sources
        let counts = topology.partitionCounts(sources)
        var environment = TaskEnvironment(
            plan: plan, topology: topology, applicationID: applicationID, propertyTexts: propertyTexts,
            properties: properties, settings: settings, cluster: cluster, account: account, partitionCounts: [:],
            logger: logger, member: share?.identity,
            failed: { [weak self] task, failure in
                // Owned by the query, which looks whether the task is still its own.
                Task { [weak self] in await self?.failed(task, failure, generation) }
            },
            committed: { [weak self] in
                guard let self else { return }
                self.commits.wrappingAdd(1, ordering: .relaxed)
            })
        var places: [TaskPlace] = []
        let topics = OwnTopics(cluster, replicationFactor: settings.replicationFactor)
        for (part, count) in zip(topology.parts, counts.tasks) {
            var inputs = part.sourceTopics.map { ($0, sources[$0] ?? 1) }
            for input in part.inputs {
                let name = environment.topicName(input)
                let width = counts.repartitions[input.name] ?? 1
                let actual = try await topics.ensure(name, partitions: width, .repartition)
                environment.partitionCounts[name] = Int32(clamping: actual)
                inputs.append((name, actual))
            }
            for partition in 0..<count {
                let partitions = inputs.flatMap { topic, width in
                    (0..<width).filter { part.isUndivided || $0 == partition }.map {
                        TopicPartition(topic, Int32(clamping: $0))
                    }
                }
                places.append(TaskPlace(part: part, partition: Int32(clamping: partition), partitions: partitions))
            }
        }
        if case .sink(let sink) = plan.root.operation {
            environment.partitionCounts[sink.topic] = Int32(
                clamping: try await cluster.topic(sink.topic).partitions.count)
        }
        return (environment, places)
    }

    /// What the engine keeps more than the plan says has its changelog too.
    ///
    /// - Parameter tasks: all places, each with any task of its part.
    func makeChangelogs(
        of tasks: [(place: TaskPlace, engine: QueryTask)], _ environment: TaskEnvironment
    ) async throws(ClusterError) {
        let topics = OwnTopics(cluster, replicationFactor: settings.replicationFactor)
        let parts = Dictionary(grouping: tasks) { $0.place.part.index }
        for (_, tasks) in parts.sorted(by: { $0.key < $1.key }) {
            guard let (place, engine) = tasks.first else { continue }
            for store in engine.stores {
                let retention = place.part.stores.first { $0.name == store }?.retention
                _ = try await topics.ensure(
                    environment.changelogName(store), partitions: tasks.count, .changelog(retention: retention))
            }
        }
    }

    /// Where each partition goes on: where the query left it, or where queries like it begin. The latter is written down at
    /// once, so that "latest" stays what it is now.
    ///
    /// - Parameter read: what is committed; nil: it is asked for.
    func startOffsets(
        _ places: [TaskPlace], _ read: [TopicPartition: CommittedOffset]? = nil
    ) async throws(ClusterError) -> [TopicPartition: Int64] {
        let wanted = Set(places.flatMap(\.partitions)).sorted()
        let committed: [TopicPartition: CommittedOffset]
        if let read {
            committed = read
        } else {
            committed = try await cluster.groupOffsets(applicationID, requireStable: true)
        }
        let starts = try await cluster.offsets(.all(wanted, at: .beginning), isolation: .readCommitted)
        let ends = try await cluster.offsets(.all(wanted, at: .end), isolation: .readCommitted)
        var tables: Set<String> = []
        plan.root.forEach { step in
            if case .source(let source) = step.operation, step.isTable { tables.insert(source.topic) }
        }
        let own = Set(places.flatMap(\.part.inputs).map { "\(applicationID)-\($0.name)-repartition" })
        let known = Set(committed.keys.map(\.topic))
        var offsets: [TopicPartition: Int64] = [:]
        var new: [TopicPartition: CommittedOffset] = [:]
        for partition in wanted {
            let start = starts[partition] ?? 0
            let end = ends[partition] ?? start
            if let offset = committed[partition]?.offset, offset <= max(start, end) {
                offsets[partition] = max(offset, start)
                if offset < start {
                    // They are lost to the query; what is there must not be lost too, wherever new queries begin.
                    logger.warning(
                        "records \(offset) to \(start - 1) of \(partition) were deleted before query \(id) had read them"
                    )
                }
                continue
            }
            // Nothing was read yet, or from another topic of the same name.
            // Partitions that came later have only records that are new to the query.
            let isEarly =
                own.contains(partition.topic) || known.contains(partition.topic)
                || (properties.startsAtEarliest ?? tables.contains(partition.topic))
            offsets[partition] = isEarly ? start : end
            new[partition] = CommittedOffset(isEarly ? start : end)
        }
        if !new.isEmpty { try await writeOffsets(new) }
        return offsets
    }

    // MARK: Failures

    private func failed(_ task: TaskRun, _ failure: TaskFailure, _ generation: Int) async {
        guard generation == self.generation else { return }
        self.generation += 1
        let own = self.generation
        let (message, isFinal) = describe(failure, of: task.name)
        note(message)
        logger.error("query \(id) failed: \(message)")
        state = isFinal ? .error : .rebalancing
        let tasks = self.tasks
        self.tasks = []
        for other in tasks where other !== task { other.post(.drop) }
        share?.hold()
        if isFinal { return leave() }
        scheduleRetry(own)
    }

    /// A task could not be begun, or the query could not.
    func failed(_ error: ClusterError, _ generation: Int) {
        guard generation == self.generation else { return }
        self.generation += 1
        let tasks = self.tasks
        self.tasks = []
        for task in tasks { task.post(.drop) }
        note("\(error)")
        logger.error("query \(id) failed: \(error)")
        share?.hold()
        state = isFinal(error) ? .error : .rebalancing
        if state == .error { return leave() }
        scheduleRetry(self.generation)
    }

    /// A cluster comes back: the query waits for it, longer and longer while nothing gets through.
    func scheduleRetry(_ own: Int) {
        let commits = commits.load(ordering: .relaxed)
        if commits != commitsSeen { retries = 0 }
        commitsSeen = commits
        retries += 1
        let properties = properties
        // The first attempts follow soon: most failures are over in a moment.
        var delay = Duration.milliseconds(100) * (1 << min(retries, 6))
        if retries > 6 { delay = min(properties.backoffMax, properties.backoffInitial * (1 << min(retries - 7, 16))) }
        retry = Task {
            try? await Task.sleep(for: delay)  // a cancelled wait ends at the look below
            await self.tryAgain(own)
        }
    }

    private func tryAgain(_ own: Int) async {
        guard own == generation, !Task.isCancelled else { return }
        do throws(ClusterError) { try await run() } catch {
            // `run` has raised the generation by one; anything more means that somebody else has taken over.
            guard own + 1 == generation else { return }
            note("\(error)")
            if isFinal(error) {
                state = .error
                return leave()
            }
            scheduleRetry(generation)
        }
    }

    private func describe(_ failure: TaskFailure, of task: String) -> (String, isFinal: Bool) {
        switch failure {
        case .cluster(let error):
            if error.code == .producerFenced, share == nil {
                return (
                    "another process has taken task \(task): it runs the same query. Give each a ksql.service.id of its own, or "
                        + "have them share it: set ksql.advertised.listener here", false
                )
            }
            return ("\(error)", isFinal(error))
        case .engine(let error, let batch):
            let last = batch.offsets[max(0, batch.count - 1)]
            return (
                "task \(task), topic \(batch.topic), partition \(batch.partition), offsets "
                    + "\(batch.offsets[0]) to \(last): \(error.message)", true
            )
        case .memory(let bytes, let most, let isOfAll):
            let what = isOfAll ? "all queries have" : "the query has"
            return (
                "\(what) \(bytes) bytes of state, \(most) are allowed: let it keep less, by a window or a condition, or "
                    + "raise the limit and start it again", true
            )
        }
    }

    private func isFinal(_ error: ClusterError) -> Bool {
        let lasting: [ClusterError.Code] = [
            .unknownTopicOrPartition, .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed,
            .transactionalIdAuthorizationFailed, .messageTooLarge, .invalidRecord, .corruptMessage, .invalidTopic,
            .invalidRequest,
        ]
        return lasting.contains(error.code)
    }

    func note(_ message: String) {
        errors.append((wallClock(), message))
        if errors.count > properties.errorCountMax { errors.removeFirst(errors.count - properties.errorCountMax) }
    }

    // MARK: What users do

    /// Ends all tasks in good order.
    func stop(forgets: Bool) async {
        generation += 1
        retry?.cancel()
        share?.isOver = true
        let tasks = self.tasks
        self.tasks = []
        state = .error
        await endAll(tasks)
        if share != nil { await leaveGroup(waitsForOthers: forgets) }
        // Nothing of it is wanted any more.
        if forgets { await forget() }
        for ending in endings { ending() }
        endings = []
    }

    func endAll(_ tasks: [TaskRun]) async {
        await withTaskGroup(of: Void.self) { group in
            for task in tasks {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        task.post(.stop { continuation.resume() })
                    }
                }
            }
        }
    }

    /// Ends all tasks as if the process had died.
    func drop() {
        generation += 1
        retry?.cancel()
        for task in tasks { task.post(.drop) }
        tasks = []
        share?.isOver = true
        share?.group?.abandon()
    }

    private func removeSnapshots() {
        guard let folder = settings.snapshotFolder else { return }
        do throws(DiskError) { try settings.disk.removeTree("\(folder)/\(id)") } catch {
            logger.warning("snapshots of query \(id) stay: \(error)")
        }
    }

    private func forget() async {
        removeSnapshots()
        var names: [String] = []
        for part in topology.parts {
            names += part.inputs.map { "\(applicationID)-\($0.name)-repartition" }
        }
        // Also those of plans that were replaced.
        let all = (try? await cluster.topics()) ?? []
        names += all.map(\.name).filter { $0.hasPrefix("\(applicationID)-") && $0.hasSuffix("-changelog") }
        for name in Set(names).sorted() {
            do throws(ClusterError) { try await cluster.deleteTopic(name) } catch {
                if error.code != .unknownTopicOrPartition {
                    logger.warning("topic \(name) of the dropped query \(id) stays: \(error)")
                }
            }
        }
        do throws(ClusterError) { try await cluster.deleteGroup(applicationID) } catch {
            if error.code != .groupIdNotFound {
                logger.warning("group \(applicationID) of the dropped query \(id) stays: \(error)")
            }
        }
    }

    func setPaused(_ isPaused: Bool) {
        self.isPaused = isPaused
        if state == .running || state == .paused { state = isPaused ? .paused : .running }
        for task in tasks { task.post(isPaused ? .pause : .resume) }
    }

    /// Calls `body` when the query ends.
    func whenEnded(_ body: @escaping @Sendable () -> Void) { endings.append(body) }

    /// Another number of partitions, or a topic that is gone, is another set of tasks.
    ///
    /// - Parameter partitions: of all topics of the cluster.
    func look(at partitions: [String: Int]) async {
        guard state == .running || state == .paused, !sourcePartitions.isEmpty else { return }
        // Tasks look for themselves when they commit; a query that rests may be the one that has too much.
        if let failure = account.failure(settings) { return end(describe(failure, of: "").0) }
        for (topic, count) in sourcePartitions {
            guard let now = partitions[topic] else {
                return end("topic '\(topic)', which the query reads, was deleted")
            }
            if now > count { return await restart() }
        }
    }

    /// Ends the query with an error that is no task's.
    private func end(_ message: String) {
        generation += 1
        let tasks = self.tasks
        self.tasks = []
        note(message)
        logger.error("query \(id) failed: \(message)")
        state = .error
        for task in tasks { task.post(.drop) }
        leave()
    }

    private func restart() async {
        generation += 1
        let own = generation
        let tasks = self.tasks
        self.tasks = []
        state = .rebalancing
        await endAll(tasks)
        await tryAgain(own)
    }

    func replace(_ plan: PhysicalPlan, _ properties: [String: String]) async throws(RunError) {
        generation += 1
        retry?.cancel()
        let tasks = self.tasks
        self.tasks = []
        state = .rebalancing
        await endAll(tasks)
        self.plan = plan
        propertyTexts = properties
        topology = SubTopologies(plan)
        errors = []
        removeSnapshots()
        let olds = Dictionary(tasks.map { ($0.name, $0) }) { first, _ in first }
        do throws(RunError) { try await start(replacing: olds) } catch {
            note(error.message)
            state = .error
            throw error
        }
    }

    // MARK: Questions

    nonisolated func read(_ read: TableRead) async throws(RunError) -> [TableRow] {
        if settings.sharing != nil { return try await readOwn(read) }
        guard let routing = routing.withLock({ $0 }) else { throw await notReady }
        var owners = routing.owners
        if case .keys(let keys) = read.keys, owners.count > 1, let router = routing.keyRouter {
            let partitions = Set(keys.map { router.partition(of: $0, count: Int32(clamping: owners.count)) })
            if !partitions.contains(nil) { owners = owners.filter { partitions.contains($0.place.partition) } }
        }
        var rows: [TableRow] = []
        if owners.count == 1 {
            rows = try await owners[0].read(read).get()
        } else {
            for result in await Self.read(read, of: owners) { rows += try result.get() }
        }
        if let limit = read.limit, rows.count > limit { rows.removeLast(rows.count - limit) }
        return rows
    }

    static func read(_ read: TableRead, of owners: [TaskRun]) async -> [Result<[TableRow], RunError>] {
        await withTaskGroup(of: (Int, Result<[TableRow], RunError>).self) { group in
            for (index, owner) in owners.enumerated() {
                group.addTask { (index, await owner.read(read)) }
            }
            var results: [(Int, Result<[TableRow], RunError>)] = []
            for await result in group { results.append(result) }
            return results.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    var notReady: RunError {
        state == .rebalancing
            ? RunError(.notReady, "the state of query \(id) is being read back")
            : RunError(.notReady, "query \(id) does not run: \(errors.last?.message ?? "it was stopped")")
    }

    func status() async -> QueryStatus {
        var status = QueryStatus(id: id, state: state)
        status.errors = errors
        status.tasks = tasks.map(\.place.task).sorted().map(\.description)
        var committed: [TopicPartition: Int64] = [:]
        var steps: [String: Int] = [:]
        for task in tasks {
            let part = task.status
            for step in part.steps {
                if let index = steps[step.step] {
                    status.steps[index].counters.add(step.counters)
                } else {
                    steps[step.step] = status.steps.count
                    status.steps.append(.init(name: step.step, operation: step.operation, counters: step.counters))
                }
            }
            committed.merge(part.committed) { _, new in new }
            status.stateBytes += part.stateBytes
            status.failed += part.failed
            status.lastMessage = [status.lastMessage, part.lastMessage].compactMap { $0 }.max()
            status.streamTime = [status.streamTime, part.streamTime].compactMap { $0 }.max()
            if !task.place.part.sourceTopics.isEmpty { status.consumed += part.consumed }
            if task.place.part.output == nil { status.produced += part.produced }
        }
        status.positions = await positions(committed)
        return status
    }

    private func positions(_ committed: [TopicPartition: Int64]) async -> [QueryStatus.Position] {
        let sources = committed.keys.filter { sourcePartitions[$0.topic] != nil }.sorted()
        let starts = await offsets(of: sources, .beginning)
        let ends = await offsets(of: sources, .end)
        return sources.map { partition in
            let offset = committed[partition] ?? -1
            return QueryStatus.Position(
                topic: partition.topic, partition: partition.partition, committed: offset,
                start: starts[partition] ?? 0, end: ends[partition] ?? max(0, offset))
        }
    }

    /// Without an answer of the cluster the places that are known are shown alone.
    private func offsets(of partitions: [TopicPartition], _ position: LogPosition) async -> [TopicPartition: Int64] {
        (try? await cluster.offsets(.all(partitions, at: position), isolation: .readCommitted)) ?? [:]
    }

    /// Deletes records of the query's own topics that its parts have read.
    func purge() async {
        var offsets: [TopicPartition: Int64] = [:]
        for task in tasks { offsets.merge(task.status.committed) { _, new in new } }
        for (partition, offset) in offsets
        where partition.topic.hasPrefix(applicationID + "-") && offset > purged[partition] ?? 0 {
            do throws(ClusterError) {
                _ = try await cluster.deleteRecords(partition, before: offset)
                purged[partition] = offset
            } catch {
                logger.debug("records of \(partition) that have been read stay: \(error)")
            }
        }
    }
}

extension OperatorCounters {
    fileprivate mutating func add(_ other: OperatorCounters) {
        input += other.input
        output += other.output
        filtered += other.filtered
        late += other.late
        failed += other.failed
        unmatched += other.unmatched
        stateRows += other.stateRows
        stateBytes += other.stateBytes
    }
}

extension Dictionary<TopicPartition, LogPosition> {
    static func all(_ partitions: [TopicPartition], at position: LogPosition) -> Self {
        Dictionary(partitions.map { ($0, position) }) { first, _ in first }
    }
}
