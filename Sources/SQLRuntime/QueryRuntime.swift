package import Cluster
import Columns
package import Logging
package import SQLPlan
package import StreamEngine
import Synchronization

/// Runs queries on a cluster, on a few threads that all of them share.
///
/// A persistent query is cut into parts at its repartition topics, and every part has a task for each of its partitions. A
/// task reads record batches, processes them at a stretch, and commits results, changes of state and offsets together.
/// Nothing polls: a task without records rests until a partition tells of some.
package final class QueryRuntime: QueryRunner {
    private struct State {
        var queries: [String: PersistentQuery] = [:]
        var subscriptions: [ObjectIdentifier: SubscriptionRun] = [:]
        var isStopping = false
        var upkeep: Task<Void, Never>?
    }

    private let cluster: any Cluster
    private let settings: RuntimeSettings
    private let workers: Workers
    private let logger: Logger
    private let accounts = StateAccounts()
    private let state = Mutex(State())

    package init(_ cluster: any Cluster, _ settings: RuntimeSettings, logger: Logger) {
        self.cluster = cluster
        self.settings = settings
        self.logger = logger
        workers = Workers(count: settings.workerCount ?? Workers.coreCount)
        let interval = settings.upkeepInterval
        let upkeep = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: interval)  // a cancelled wait ends at the look above
                await self?.upkeep()
                ColumnPool.releaseUnused()
            }
        }
        state.withLock { $0.upkeep = upkeep }
    }

    deinit {
        state.withLock { $0.upkeep?.cancel() }
        workers.stop()
    }

    // MARK: Persistent queries

    package func start(
        _ plan: PhysicalPlan, properties: [String: String], isPaused: Bool
    ) async throws(RunError) {
        let query = PersistentQuery(plan, properties, isPaused: isPaused, settings, cluster, workers, accounts, logger)
        try state.withLock { state throws(RunError) in
            if state.isStopping { throw RunError(.stopping, "the server is stopping") }
            if state.queries[plan.id] != nil { throw RunError(.duplicate, "query \(plan.id) runs already") }
            state.queries[plan.id] = query
        }
        do throws(RunError) { try await query.start() } catch {
            state.withLock { if $0.queries[plan.id] === query { $0.queries[plan.id] = nil } }
            throw error
        }
    }

    package func replace(_ plan: PhysicalPlan, properties: [String: String]) async throws(RunError) {
        try await query(plan.id).replace(plan, properties)
    }

    package func stop(_ id: String, forgets: Bool) async {
        let query = state.withLock { $0.queries.removeValue(forKey: id) }
        await query?.stop(forgets: forgets)
    }

    package func pause(_ id: String) async throws(RunError) { try await query(id).setPaused(true) }

    package func resume(_ id: String) async throws(RunError) { try await query(id).setPaused(false) }

    package func statuses() async -> [QueryStatus] {
        var statuses: [QueryStatus] = []
        for query in state.withLock({ Array($0.queries.values) }) { statuses.append(await query.status()) }
        return statuses.sorted { $0.id < $1.id }
    }

    package func status(of id: String) async -> QueryStatus? {
        await state.withLock { $0.queries[id] }?.status()
    }

    func query(_ id: String) throws(RunError) -> PersistentQuery {
        guard let query = state.withLock({ $0.queries[id] }) else {
            throw RunError(.unknown, "there is no query \(id)")
        }
        return query
    }

    package func read(_ read: TableRead, of id: String) async throws(RunError) -> [TableRow] {
        try await query(id).read(read)
    }

    package func readAtHand(_ read: TableRead, of id: String, rowCountMax: Int) -> [TableRow]? {
        state.withLock { $0.queries[id] }?.readAtHand(read, rowCountMax: rowCountMax)
    }

    // MARK: Several nodes

    package func announce(_ address: String) { settings.sharing?.address = address }

    package func placement(of id: String, for read: TableRead) async throws(RunError) -> [NodePart]? {
        guard settings.sharing != nil else { return nil }
        return try await query(id).placement(for: read)
    }

    package func read(
        _ read: TableRead, of id: String, partitions: [Int32]
    ) async throws(RunError) -> [(partition: Int32, rows: [TableRow])] {
        try await query(id).readOwn(read, partitions)
    }

    package func nodes() async -> Set<String> {
        var nodes: Set<String> = []
        for query in state.withLock({ Array($0.queries.values) }) { nodes.formUnion(await query.nodes) }
        return nodes
    }

    package func progress() async -> [StoreProgress] {
        var all: [StoreProgress] = []
        for query in state.withLock({ Array($0.queries.values) }) { all += await query.progress() }
        return all
    }

    package func shares() async -> [String: [String: NodeShare]] {
        var all: [String: [String: NodeShare]] = [:]
        for (id, query) in state.withLock({ $0.queries }) { all[id] = await query.shares }
        return all
    }

    // MARK: Queries of clients

    package func subscribe(
        _ plan: PhysicalPlan, _ options: SubscriptionOptions
    ) async throws(RunError) -> any RowSubscription {
        try await open(plan, options)
    }

    private func open(
        _ plan: PhysicalPlan, _ options: SubscriptionOptions
    ) async throws(RunError) -> ClientSubscription {
        let run = try SubscriptionRun(plan, options, settings, worker: workers.assign())
        do throws(ClusterError) { try await run.prepare(cluster) } catch {
            throw RunError(.cluster, "query \(plan.id) cannot be started: \(error)")
        }
        let key = ObjectIdentifier(run)
        try state.withLock { state throws(RunError) in
            if state.isStopping { throw RunError(.stopping, "the server is stopping") }
            state.subscriptions[key] = run
        }
        run.begin()
        return ClientSubscription(run) { [weak self] in
            self?.state.withLock { _ = $0.subscriptions.removeValue(forKey: key) }
        }
    }

    package func tap(_ id: String, _ options: SubscriptionOptions) async throws(RunError) -> any RowSubscription {
        let query = try query(id)
        var options = options
        options.start = .latest
        options.isBounded = false
        guard let plan = await query.plan.ofOutput else {
            throw RunError(.unknown, "query \(id) writes to no topic")
        }
        let subscription = try await open(plan, options)
        await query.whenEnded { [weak subscription] in subscription?.end(.completed) }
        return subscription
    }

    // MARK: The end

    package func shutdown() async {
        let (queries, subscriptions, upkeep) = state.withLock { state in
            state.isStopping = true
            defer {
                state.queries = [:]
                state.subscriptions = [:]
            }
            return (Array(state.queries.values), Array(state.subscriptions.values), state.upkeep)
        }
        upkeep?.cancel()
        for run in subscriptions { run.post(.end(.failed(RunError(.stopping, "the server is stopping")))) }
        await withTaskGroup(of: Void.self) { group in
            for query in queries { group.addTask { await query.stop(forgets: false) } }
        }
        workers.stop()
    }

    /// Ends everything as if the process had died: nothing more is written.
    func crash() async {
        let queries = state.withLock { state in
            state.isStopping = true
            defer { state.queries = [:] }
            state.upkeep?.cancel()
            return Array(state.queries.values)
        }
        for query in queries { await query.drop() }
    }

    // MARK: Upkeep

    private func upkeep() async {
        let queries = state.withLock { Array($0.queries.values) }
        guard !queries.isEmpty else { return }
        let topics: [TopicDescription]
        do throws(ClusterError) { topics = try await cluster.topics() } catch {
            return  // the next look comes soon
        }
        let partitions = Dictionary(topics.map { ($0.name, $0.partitions.count) }) { first, _ in first }
        for query in queries {
            await query.look(at: partitions)
            await query.purge()
        }
    }
}

extension PhysicalPlan {
    /// A query that reads what this one writes.
    fileprivate var ofOutput: PhysicalPlan? {
        guard case .sink(let sink) = root.operation else { return nil }
        let schema = root.schema
        let origins =
            schema.keys.indices.map { SourceStep.Origin.key($0) }
            + schema.values.indices.map { SourceStep.Origin.value($0 - schema.keyCount) }
        let source = SourceStep(
            sourceName: sinkName ?? sink.topic, topic: sink.topic, keyColumns: Array(schema.keys),
            keyFormat: sink.keyFormat, window: schema.window, valueColumns: Array(schema.values),
            valueFormat: sink.valueFormat, timestamp: nil, origins: origins, store: nil)
        let step = PlanStep(["KsqlTopic", "Source"], .source(source), schema: schema, isTable: root.isTable)
        return PhysicalPlan(
            id: "tap_\(id)", kind: .push, sinkName: nil, sourceNames: [sinkName ?? sink.topic], root: step)
    }
}
