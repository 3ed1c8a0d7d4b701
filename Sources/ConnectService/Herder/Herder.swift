import Cluster
import ConnectCore
import Logging
import Observability
import Synchronization

/// Runs connectors and tasks as the config topic and the group of workers have it: whatever changes, one loop makes
/// what runs equal to what should run.
actor Herder {
    typealias ConfigTopic = StateTopic<ConfigState, ConfigState.Event>
    typealias StatusTopic = StateTopic<StatusState, Never>

    struct RunningConnector {
        var revision: Int64
        var properties: [String: String]
        var target: TargetState
        var run: Task<Void, Never>
        /// Asks for a new round of task configurations.
        var reconfigure: Signal
    }

    struct RunningTask {
        var properties: [String: String]
        var connector: [String: String]
        var control: TaskControl
        var run: Task<Void, Never>
    }

    nonisolated let settings: WorkerSettings
    nonisolated let parts: WorkerParts
    nonisolated let plugins: PluginRegistry
    nonisolated let config: ConfigTopic
    nonisolated let status: StatusTopic
    nonisolated let peers: WorkerPeers
    nonisolated let logger: Logger
    nonisolated let loggers: LoggerLevels
    /// Notified when what should run may have changed.
    nonisolated let signal = Signal()
    private nonisolated let providers: [String: any ConfigProvider]
    /// What providers gave last for classes that are placeholders, so that answers need not ask them.
    private nonisolated let foundClasses = Mutex<[String: String]>([:])
    private var group: WorkerGroup?
    private(set) var standing = Standing()
    private(set) var connectors: [String: RunningConnector] = [:]
    private(set) var tasks: [TaskIdentity: RunningTask] = [:]
    private var restarts: [RestartRequest] = []
    private var taskRestarts: Set<TaskIdentity> = []
    private var loop: Task<Void, Never>?
    private var readers: [Task<Void, Never>] = []
    private(set) var isStopping = false
    /// What the leader laid out last, so that the group meets again only when there is something to share out.
    private var sharedOut = Work()
    /// States that wait until they can be written, and who writes them then.
    var unwritten = UnwrittenStates()
    var rewriting: Task<Void, Never>?
    /// States told by this worker, so that one is told once.
    var told: [String: RunState] = [:]

    init(
        _ parts: WorkerParts, _ plugins: PluginRegistry, peers: WorkerPeers, loggers: LoggerLevels
    ) throws(ConnectError) {
        self.parts = parts
        self.plugins = plugins
        self.peers = peers
        self.loggers = loggers
        settings = parts.settings
        logger = parts.logger
        providers = try ConfigProviders.make(parts.settings.properties)
        let events = EventBox()
        config = ConfigTopic(
            parts.cluster,
            .init(
                name: settings.configTopic, partitionCount: 1,
                replicationFactor: Int16(clamping: settings.values.integer("config.storage.replication.factor") ?? 3),
                neededPartitionCount: 1),
            ConfigState(), parts.logger, apply: { $0.apply($1) }, observe: { events.add($0) })
        status = StatusTopic(
            parts.cluster,
            .init(
                name: settings.statusTopic, partitionCount: settings.statusPartitionCount,
                replicationFactor: Int16(clamping: settings.values.integer("status.storage.replication.factor") ?? 3)),
            StatusState(), parts.logger
        ) { state, record in
            state.apply(record)
            return nil
        }
        events.connect(to: self)
    }

    // MARK: Life

    /// Reads the topics and takes part in the group.
    ///
    /// - Throws: when a topic cannot be used or read.
    func start() async throws(ClusterError) {
        readers = [
            Task { [config] in await config.run() }, Task { [status] in await status.run() },
            Task { [parts] in await parts.offsets.common.run() },
        ]
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(60)
        while true {
            do {
                _ = try await config.isThere()
                break
            } catch {
                let isFinal = error.code == .invalidPartitions || error.code == .invalidConfig
                guard !isFinal, clock.now < deadline, !Task.isCancelled else { throw error }
                try? await Task.sleep(for: .milliseconds(200))  // a cancelled wait ends at the look above
            }
        }
        let isRead = await config.ready(limit: .seconds(60))
        guard await status.ready(limit: .seconds(60)), await parts.offsets.common.ready(limit: .seconds(60)), isRead
        else {
            throw ClusterError(.requestTimedOut, "the topics of Connect could not be read in time")
        }
        if !settings.isEmbedded {
            try await config.make()
            try await status.make()
            try await parts.offsets.common.make()
        }
        let group = WorkerGroup(
            parts.cluster, settings, config, logger, running: { [weak self] in await self?.running ?? Work() },
            settle: { [weak self] standing in await self?.settle(standing) })
        if settings.isEmbedded, await !group.hasOthers() {
            standing = Standing(role: .leader, isAlone: true)
        }
        self.group = group
        loop = Task { await self.run() }
    }

    /// What this worker runs.
    private var running: Work { Work(connectors: Set(connectors.keys), tasks: Set(tasks.keys)) }

    private func run() async {
        for (name, level) in config.read({ $0.loggerLevels }) { loggers.set(name, level) }
        while !isStopping, !Task.isCancelled {
            let generation = signal.generation
            // With the first connector of any worker there is a group to be in.
            if await joins() { group?.start() }
            await reconcile()
            await signal.wait(after: generation, timeout: .seconds(5))
        }
    }

    private func joins() async -> Bool {
        if !settings.isEmbedded { return true }
        return (try? await config.isThere()) ?? false  // asked again in a moment
    }

    private func settle(_ new: Standing) async {
        let before = standing
        standing = new
        if case .leader = new.role, new.workers.count <= 1 { standing.isAlone = true }
        if new.role != before.role || new.generation != before.generation {
            switch new.role {
            case .none: logger.warning("this Connect worker is out of its group")
            case .leader: logger.info("leads the Connect workers", metadata: ["generation": "\(new.generation)"])
            case .follower(let url):
                logger.info(
                    "follows a Connect worker", metadata: ["leader": "\(url)", "generation": "\(new.generation)"])
            }
        }
        if case .leader = new.role {
            sharedOut = new.workers.values.reduce(Work()) { $0.union($1) }
            await peers.lead(self)
        }
        // What is given up has stopped when the group is told so.
        await reconcile()
        signal.notify()
    }

    /// Stops everything that runs and leaves the group.
    func stop() async {
        isStopping = true
        signal.notify()
        await loop?.value
        await halt(Set(connectors.keys), Set(tasks.keys), tells: true)
        await group?.stop()
        rewriting?.cancel()
        await rewriting?.value
        for reader in readers { reader.cancel() }
        for reader in readers { await reader.value }
        await config.close()
        await status.close()
        await parts.offsets.close()
    }

    // MARK: Events of the config topic

    func take(_ events: [ConfigState.Event]) {
        for event in events {
            switch event {
            case .restart(let request): restarts.append(request)
            case .logger(let name, let level): loggers.set(name, level)
            case .deleted(let name): told = told.filter { $0.key != name && !$0.key.hasPrefix(name + "\u{0}") }
            default: break
            }
        }
        signal.notify()
    }

    func restart(task: TaskIdentity) {
        taskRestarts.insert(task)
        signal.notify()
    }

    /// Connectors whose earlier tasks are being fenced.
    var fencing: Set<String> = []
    nonisolated let fenced = Signal()
    private var isReconciling = false
    private var mustReconcile = false
    private let reconciled = Signal()

    // MARK: What should run

    private var wanted: Work {
        let all = config.read { Work(connectors: Set($0.names), tasks: Set($0.tasks)) }
        if standing.isAlone { return all }
        return standing.work.intersection(all)
    }

    /// Makes what runs equal to what should.
    private func reconcile() async {
        if isReconciling {
            mustReconcile = true
            while isReconciling {
                let generation = reconciled.generation
                await reconciled.wait(after: generation)
                if Task.isCancelled { return }
            }
            return
        }
        isReconciling = true
        defer {
            isReconciling = false
            reconciled.notify()
        }
        repeat {
            mustReconcile = false
            await reconcileOnce()
        } while mustReconcile && !isStopping
    }

    private func reconcileOnce() async {
        let wanted = isStopping ? Work() : wanted
        var goneConnectors: Set<String> = []
        var goneTasks: Set<TaskIdentity> = []
        for (name, running) in connectors {
            let (known, target) = config.read { ($0.connectors[name], $0.target(name)) }
            if !wanted.connectors.contains(name) || known?.revision != running.revision || target != running.target {
                goneConnectors.insert(name)
            }
        }
        for (task, running) in tasks {
            let isSame = config.read { state in
                guard let set = state.tasks(task.connector) else { return false }
                // A change of the connector alone shows with the commit that follows it.
                return set.configs[task.task] == running.properties
                    && (set.connector == nil || set.connector == running.connector)
            }
            if !wanted.tasks.contains(task) || !isSame { goneTasks.insert(task) }
        }
        let again = takeRestarts()
        await halt(goneConnectors, goneTasks, tells: true)
        await halt(again.connectors, again.tasks, tells: false)
        for name in again.connectors where wanted.connectors.contains(name) {
            await tell(name, .restarting)
        }
        for task in again.tasks where wanted.tasks.contains(task) { await tell(task, .restarting) }
        guard !isStopping else { return }
        for name in wanted.connectors.sorted() where connectors[name] == nil { startConnector(name) }
        for task in wanted.tasks.sorted(by: { ($0.connector, $0.task) < ($1.connector, $1.task) }) {
            if tasks[task] == nil { startTask(task) }
        }
        let paused = config.read { state in tasks.keys.map { ($0, state.target($0.connector) != .started) } }
        for (task, isPaused) in paused {
            if let control = tasks[task]?.control, control.isPaused != isPaused { control.pause(isPaused) }
        }
        await shareOut()
    }

    private func takeRestarts() -> Work {
        var again = Work()
        for request in restarts {
            let plan = self.plan(request)
            again = again.union(plan)
        }
        restarts = []
        again.tasks.formUnion(taskRestarts)
        taskRestarts = []
        return again.intersection(running)
    }

    /// What a request restarts, wherever it runs.
    nonisolated func plan(_ request: RestartRequest) -> Work {
        let (connector, tasks) = status.read { ($0.connectors[request.connector], $0.tasks[request.connector] ?? [:]) }
        var work = Work()
        if !request.onlyFailed || connector?.state == .failed { work.connectors.insert(request.connector) }
        guard request.includesTasks else { return work }
        for (number, status) in tasks where !request.onlyFailed || status.state == .failed {
            work.tasks.insert(TaskIdentity(connector: request.connector, task: number))
        }
        return work
    }

    /// As the leader of several: has new work shared out.
    private func shareOut() async {
        guard case .leader = standing.role, !standing.isAlone else { return }
        let all = config.read { Work(connectors: Set($0.names), tasks: Set($0.tasks)) }
        guard all != sharedOut else { return }
        sharedOut = all
        await group?.requestRound()
    }

    // MARK: Starting and stopping

    private func startConnector(_ name: String) {
        let (known, target) = config.read { ($0.connectors[name], $0.target(name)) }
        guard let known else { return }
        let reconfigure = Signal()
        // Owned by the entry: `halt` ends and awaits it.
        let run = Task { await self.runConnector(name, known.properties, target, reconfigure) }
        connectors[name] = RunningConnector(
            revision: known.revision, properties: known.properties, target: target, run: run, reconfigure: reconfigure)
    }

    private func startTask(_ task: TaskIdentity) {
        let (set, connector, target) = config.read {
            ($0.tasks(task.connector), $0.connectors[task.connector]?.properties, $0.target(task.connector))
        }
        guard let properties = set?.configs[task.task], let connector, target != .stopped else { return }
        let control = TaskControl(isPaused: target == .paused)
        // Owned by the entry: `halt` ends and awaits it.
        let run = Task { await self.runTask(task, properties, connector, control) }
        tasks[task] = RunningTask(
            properties: properties, connector: set?.connector ?? connector, control: control, run: run)
    }

    /// Stops connectors and tasks, all at the same time.
    private func halt(_ goneConnectors: Set<String>, _ goneTasks: Set<TaskIdentity>, tells: Bool) async {
        guard !goneConnectors.isEmpty || !goneTasks.isEmpty else { return }
        let stopping = goneTasks.compactMap { tasks[$0] }
        for name in goneConnectors { connectors[name]?.run.cancel() }
        for task in stopping { task.control.stop() }
        for name in goneConnectors { await connectors[name]?.run.value }
        let limit = settings.gracefulTimeout
        await withTaskGroup(of: Void.self) { group in
            for task in stopping {
                group.addTask {
                    // Who does not stop in time is cancelled, and stops then.
                    let timer = Task {
                        do { try await Task.sleep(for: limit) } catch { return }
                        task.run.cancel()
                    }
                    await task.run.value
                    timer.cancel()
                }
            }
        }
        for name in goneConnectors { connectors[name] = nil }
        for task in goneTasks { tasks[task] = nil }
        for task in goneTasks { told[key(task)] = nil }
        for name in goneConnectors { told[name] = nil }
        guard tells else { return }
        for name in goneConnectors.sorted() where isMine(status.read { $0.connectors[name] }) {
            await tell(name, .unassigned)
        }
        for task in goneTasks where isMine(status.read { $0.tasks[task.connector]?[task.task] }) {
            await tell(task, .unassigned)
        }
    }

    /// Whether another worker has not taken over already.
    func isMine(_ status: RunStatus?) -> Bool { status?.workerId == settings.workerId }

    func key(_ task: TaskIdentity) -> String { task.connector + "\u{0}\(task.task)" }

    // MARK: For the runs

    nonisolated func resolved(_ properties: [String: String]) async throws(ConnectError) -> [String: String] {
        let found = try await ConfigPlaceholders.resolved(properties, providers: providers)
        if let given = properties["connector.class"], let name = found["connector.class"], name != given {
            foundClasses.withLock { $0[given] = name }
        }
        return found
    }

    /// The kind of a connector, also where a provider has its class.
    nonisolated func plugin(of properties: [String: String]) -> (any ConnectorPlugin)? {
        let given = properties["connector.class"] ?? ""
        return plugins.plugin(foundClasses.withLock { $0[given] } ?? given)
    }

    private func runTask(
        _ task: TaskIdentity, _ properties: [String: String], _ connector: [String: String], _ control: TaskControl
    ) async {
        do throws(ConnectError) {
            let whole = try await resolved(connector)
            let className = whole["connector.class"] ?? ""
            guard let plugin = plugins.plugin(className) else {
                throw ConnectError(.connect, plugins.unknown(className))
            }
            let version = plugin.version
            let environment = TaskEnvironment(
                parts: parts, identity: task, connector: whole,
                properties: try await resolved(properties), plugin: plugin, control: control,
                report: { [weak self] state, failure in await self?.tell(task, state, failure, version: version) },
                track: { [weak self] topic in await self?.track(topic, task) },
                reconfigure: { [weak self] in self?.postReconfiguration(task.connector) },
                fence: { [weak self] in try await self?.fence(task.connector) })
            if let source = plugin as? any SourcePlugin {
                await SourceTaskRun(environment: environment, plugin: source).run()
            } else if let sink = plugin as? any SinkPlugin {
                await SinkTaskRun(environment: environment, plugin: sink).run()
            }
        } catch {
            parts.figures.failures.add()
            await tell(task, .failed, TaskFailure(error))
        }
        // A task that has failed stays until it is restarted or its connector changes.
    }

    func reconfigure(_ name: String) {
        connectors[name]?.reconfigure.notify()
    }
}

/// Brings events of the config topic to a herder that is made after the topic.
private final class EventBox: Sendable {
    private let herder = Mutex<(@Sendable ([ConfigState.Event]) -> Void)?>(nil)

    func connect(to owner: Herder) {
        herder.withLock { $0 = { [weak owner] events in owner?.post(events) } }
    }

    func add(_ events: [ConfigState.Event]) { herder.withLock { $0 }?(events) }
}

extension Herder {
    /// From the topic's reader, which must not wait.
    nonisolated func post(_ events: [ConfigState.Event]) {
        // Short, and the order of two of them does not matter.
        Task { await self.take(events) }
    }

    /// From a task of a source, which does not wait for it.
    nonisolated func postReconfiguration(_ name: String) {
        // As above.
        Task { await self.reconfigure(name) }
    }
}
