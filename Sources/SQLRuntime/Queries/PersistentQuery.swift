import Cluster
import Environment
import Logging
import SQLFormats
import SQLPlan
import StreamEngine
import Synchronization

/// A persistent query: its topics, its tasks, and what becomes of them when something fails.
actor PersistentQuery {
    nonisolated let id: String
    nonisolated let applicationID: String
    private(set) var plan: PhysicalPlan
    var propertyTexts: [String: String]
    let settings: RuntimeSettings
    let cluster: any Cluster
    let workers: Workers
    let account: StateAccount
    let logger: Logger

    private(set) var topology: SubTopologies
    var tasks: [TaskRun] = [] {
        didSet {
            guard tasks.isEmpty else { return }
            routing.withLock { $0 = nil }
            placed.withLock { $0?.local = [:] }
        }
    }
    /// Tasks that end while another run of the query is due.
    var ending: [TaskRun] = []
    var state = QueryStatus.State.rebalancing
    /// What this node has to do with the query when several run it; nil: this one runs all of it.
    var share: Share?
    nonisolated let placed = Mutex<Placement?>(nil)
    /// Where rows of the query's table are, for readers, who do not wait for the query's other business.
    nonisolated let routing = Mutex<Routing?>(nil)
    /// Tasks of the plan that was replaced, by name, until others go on with their state.
    var replaced: [String: TaskRun] = [:]
    /// Tasks that are being made ready.
    var preparing: [TaskRun] = []
    var errors: [(timestamp: Int64, message: String)] = []
    private(set) var isPaused: Bool
    /// Raised by everything that makes the tasks of before meaningless.
    var generation = 0 { didSet { share?.cancelBeginnings() } }
    var retries = 0
    /// How often the query was to begin anew after a failure.
    var attempts = 0
    /// Of tasks that failed with a record among others, for their next run.
    var cares: [TaskName: TaskRun.Care] = [:]
    var retry: Task<Void, Never>?
    var sourcePartitions: [String: Int] = [:]
    /// Of the query's own topics, where the records begin that are still there.
    var purged: [TopicPartition: Int64] = [:]
    private var endings: [@Sendable () -> Void] = []
    /// Of all tasks, since the start.
    let commits = Atomic<Int>(0)
    var commitsSeen = 0

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
    func start() async throws(RunError) {
        do throws(ClusterError) { try await run() } catch { throw whyNotStarted(error) }
    }

    private func whyNotStarted(_ error: ClusterError) -> RunError {
        if error.code == .invalidRequest, error.hint == Self.planHint { return RunError(.invalidPlan, error.message) }
        return RunError(.cluster, "query \(id) cannot be started: \(error)")
    }

    /// Marks an error that is the plan's.
    static let planHint = "plan"

    /// - Parameter olds: tasks of the query that this plan replaces, by name.
    func run(replacing olds: [String: TaskRun] = [:]) async throws(ClusterError) {
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
        preparing += made
        defer { preparing.removeAll { task in made.contains { $0 === task } } }
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
        replaced = [:]
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
            made.append(
                try TaskRun(place, environment, worker: workers.assign(), isPaused: isPaused, care: care(of: place)))
        }
        return made
    }

    /// What a task that is made takes care of, once.
    func care(of place: TaskPlace) -> TaskRun.Care? { cares.removeValue(forKey: place.task) }

    // MARK: What users do

    /// Ends all tasks in good order.
    func stop(forgets: Bool) async {
        generation += 1
        retry?.cancel()
        share?.isOver = true
        state = .error
        await endTasks()
        if share != nil { await leaveGroup(waitsForOthers: forgets) }
        // Nothing of it is wanted any more.
        if forgets { await forget() }
        for ending in endings { ending() }
        endings = []
    }

    /// Ends all tasks in good order. Until they have, they are known to whoever begins one in the place of one of them.
    private func endTasks() async {
        ending += tasks
        tasks = []
        await endAll(ending)
    }

    /// Ends tasks in good order, and waits for what is under way of such as have ended.
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
        ending.removeAll { task in tasks.contains { $0 === task } }
    }

    /// Ends all tasks as if the process had died.
    func drop() {
        generation += 1
        retry?.cancel()
        for task in tasks + ending { task.post(.drop) }
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
        if let delete = settings.deleteSubjects, usesRegistryInside {
            await delete(Set(names).sorted().flatMap { ["\($0)-key", "\($0)-value"] })
        }
        do throws(ClusterError) { try await cluster.deleteGroup(applicationID) } catch {
            if error.code != .groupIdNotFound {
                logger.warning("group \(applicationID) of the dropped query \(id) stays: \(error)")
            }
        }
    }

    /// Whether records of the query's own topics have schemas.
    private var usesRegistryInside: Bool {
        topology.parts.flatMap(\.inputs).contains { topic in
            topic.formats.key.info.format.usesRegistry || topic.formats.value.info.format.usesRegistry
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
        dropTasks()
        note(message)
        logger.error("query \(id) failed: \(message)")
        state = .error
        leave()
    }

    private func restart() async {
        generation += 1
        let own = generation
        state = .rebalancing
        await endTasks()
        await tryAgain(own)
    }

    func replace(_ plan: PhysicalPlan, _ properties: [String: String]) async throws(RunError) {
        generation += 1
        retry?.cancel()
        let tasks = self.tasks
        state = .rebalancing
        await endTasks()
        self.plan = plan
        propertyTexts = properties
        topology = SubTopologies(plan)
        errors = []
        cares = [:]
        removeSnapshots()
        // Those of before, where a plan is replaced that never began.
        for task in tasks { replaced[task.name] = task }
        let own = generation
        do throws(ClusterError) { try await run(replacing: replaced) } catch {
            // `run` has raised the generation by one; anything more means that somebody else has taken over.
            guard own + 1 == generation else { return }
            note("\(error)")
            guard isFinal(error) else {
                logger.error("query \(id) failed: \(error)")
                return scheduleRetry(generation)
            }
            state = .error
            throw whyNotStarted(error)
        }
    }
}
