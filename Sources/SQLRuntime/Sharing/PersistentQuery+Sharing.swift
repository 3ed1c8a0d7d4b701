import Bytes
import Cluster
import Environment
import Logging
import SQLPlan
import StreamEngine
import Synchronization

/// What one node has to do with a query that several run.
struct Share: Sendable {
    let sharing: Sharing
    /// nil before the node has joined, and after a failure that lasts.
    var group: QueryGroup?
    /// The group's latest; nil while the node has no place in it.
    var decision: TaskDecision?
    /// Tasks that are being made ready.
    var beginnings: [TaskName: Task<Void, Never>] = [:]
    /// No task begins before the group has met again.
    var isHeld = true
    /// The query was stopped.
    var isOver = false
    /// Tasks of the plan that was replaced, whose state is still to be taken over.
    var olds: [TaskName: TaskRun] = [:]
    var leaving: Task<Void, Never>?

    init(_ sharing: Sharing) { self.sharing = sharing }

    /// A beginning that was cancelled ends soon, and its task with it.
    func cancelBeginnings() { for beginning in beginnings.values { beginning.cancel() } }

    /// After a failure: nothing begins before the group has said again what this node is to run.
    mutating func hold() {
        isHeld = true
        decision = nil
    }

    /// Who the node is in the group at the moment.
    var identity: (@Sendable () async -> GroupIdentity)? {
        guard let group else { return nil }
        return { await group.identity }
    }
}

extension TaskPlace {
    var task: TaskName { TaskName(part.index, partition) }
}

/// Sharing a query with other nodes. Whoever is given a task takes its transactional id first, which fences whoever had it;
/// only then it looks where the task goes on, and reads its state back. So no order of messages, and no node that has been
/// asleep, can have a record counted twice; the group's rounds only see to it that this is seldom needed.
extension PersistentQuery: QueryGroup.Owner {
    private typealias Surroundings = (environment: TaskEnvironment, places: [TaskPlace])

    /// Makes the topics, and takes a place in the group; with one, asks it to meet again.
    func join(replacing olds: [String: TaskRun]) async throws(ClusterError) {
        generation += 1
        let own = generation
        state = .rebalancing
        for (name, old) in olds { if let task = TaskName(name) { share?.olds[task] = old } }
        replaced = [:]
        let (environment, places) = try await surroundings(own, try await sourceCounts())
        if share?.group == nil {
            // Before the group has members nobody reads, so "latest" is now. Later this is up to those who have the tasks.
            _ = try await startOffsets(places, try await cluster.groupOffsets(environment.applicationID))
        }
        await share?.leaving?.value
        guard own == generation, let share, !share.isOver else { return }
        self.share?.isHeld = false
        if let group = share.group { return await group.requestRound() }
        // Offsets of topics that no member names would be forgotten in time.
        let topics = plan.sourceTopics + topology.parts.flatMap(\.inputs).map(environment.topicName)
        let group = QueryGroup(cluster, applicationID, topics: topics, membershipOptions(share.sharing))
        self.share?.group = group
        group.start(self)
    }

    private func membershipOptions(_ sharing: Sharing) -> MembershipOptions {
        let session = properties.sessionTimeout ?? sharing.sessionTimeout
        return MembershipOptions(
            sessionTimeout: session, heartbeatInterval: min(properties.heartbeatInterval ?? .seconds(3), session / 3),
            rebalanceTimeout: .seconds(60))
    }

    /// Looks at the topics, makes those of the query's own, changelogs too.
    private func surroundings(_ generation: Int, _ sources: [String: Int]) async throws(ClusterError) -> Surroundings {
        let (environment, places) = try await environment(generation, sources)
        var engines: [Int: QueryTask] = [:]
        var tasks: [(place: TaskPlace, engine: QueryTask)] = []
        for place in places {
            do throws(RunError) {
                if let engine = engines[place.part.index] {
                    tasks.append((place, engine))
                    continue
                }
                let engine = try environment.engine(of: place)
                engines[place.part.index] = engine
                tasks.append((place, engine))
            } catch { throw ClusterError(.invalidRequest, error.message, hint: Self.planHint) }
        }
        try await makeChangelogs(of: tasks, environment)
        return (environment, places)
    }

    /// Writes down where partitions begin that nobody has read.
    func writeOffsets(_ offsets: [TopicPartition: CommittedOffset]) async throws(ClusterError) {
        if let identity = share?.identity {
            return try await cluster.commitOffsets(offsets, byMember: identity)
        }
        do throws(ClusterError) { try await cluster.alterGroupOffsets(applicationID, offsets) } catch {
            // Another node has joined meanwhile, and has done so before.
            guard share != nil, error.code == .nonEmptyGroup else { throw error }
        }
    }

    // MARK: What the group asks

    func offer() async -> TaskAssignor.Member {
        var member = TaskAssignor.Member(id: "", address: share?.sharing.address ?? "")
        let text = Array(plan.explanation.utf8)
        member.plan = String(crc32c(text.span.bytes, seed: 0), radix: 16)
        member.claimed = claimed
        if let folder = settings.snapshotFolder, settings.disk.exists("\(folder)/\(id)") {
            // What cannot be listed is not there: it only decides who reads state back faster.
            let files = (try? settings.disk.list("\(folder)/\(id)")) ?? []
            member.warm = Set(files.filter { $0.hasSuffix(".state") }.compactMap { TaskName($0.dropLast(6)) })
        }
        return member
    }

    private var claimed: Set<TaskName> {
        guard let share else { return [] }
        return Set((tasks + ending).map(\.place.task)).union(share.beginnings.keys).union(share.olds.keys)
    }

    func shape() async throws(ClusterError) -> QueryGroup.Shape {
        let sources = try await sourceCounts()
        let places = try await environment(generation, sources).places
        let tasks = places.map { ($0.task, $0.partitions) }
        return QueryGroup.Shape(sources: sources, tasks: Dictionary(tasks) { first, _ in first })
    }

    func take(_ event: QueryGroup.Event) async {
        // One that is about to leave has no tasks, and takes none.
        guard share?.group != nil else { return }
        switch event {
        case .lost:
            share?.decision = nil
            // Also an attempt that was due: the node joins again by itself.
            generation += 1
            share?.isHeld = false
            dropTasks()
            if state != .error { state = .rebalancing }
            publishPlacement()
        case .settled(let decision):
            guard let share, !share.isOver else { return }
            let old = share.decision
            self.share?.decision = decision
            self.share?.olds = share.olds.filter { decision.own.contains($0.key) }
            let foreign = claimed.subtracting(decision.own)
            // Other partitions are other tasks, also where their names are the same.
            let isOther = !share.isHeld && old.map { $0.sources != decision.sources } ?? false
            if isOther { generation += 1 }
            await giveUp(isOther ? claimed : foreign)
            if !foreign.isEmpty { await share.group?.requestRound() }
            beginMissing()
        }
    }

    func note(_ error: ClusterError) async {
        guard share?.group != nil else { return }
        note("the group of the query cannot be joined: \(error)")
        logger.error("query \(id) cannot join its group: \(error)")
    }

    // MARK: Tasks come and go

    /// Ends tasks in good order.
    private func giveUp(_ names: Set<TaskName>) async {
        let leaving = (tasks + ending).filter { names.contains($0.place.task) }
        if !leaving.isEmpty {
            ending += tasks.filter { names.contains($0.place.task) }
            tasks.removeAll { names.contains($0.place.task) }
        }
        let beginnings = share?.beginnings.filter { names.contains($0.key) }.map(\.value) ?? []
        for beginning in beginnings { beginning.cancel() }
        publishPlacement()
        await endAll(leaving)
        for beginning in beginnings { await beginning.value }
    }

    /// Begins with what this node is to run and does not yet.
    private func beginMissing() {
        guard let share, !share.isOver, !share.isHeld, let decision = share.decision else { return }
        let missing = decision.own.subtracting(tasks.map(\.place.task)).subtracting(share.beginnings.keys)
        if !missing.isEmpty {
            let own = generation
            // Owned by the beginnings, which await it.
            let surroundings = Task { () -> Result<(TaskEnvironment, [TaskPlace]), ClusterError> in
                do throws(ClusterError) {
                    let found = try await self.surroundings(own, decision.sources)
                    return .success((found.environment, found.places))
                } catch { return .failure(error) }
            }
            // Owned here, see `giveUp` and `leaveGroup`.
            for name in missing { self.share?.beginnings[name] = Task { await self.begin(name, surroundings, own) } }
        }
        updateState()
    }

    private func begin(
        _ name: TaskName, _ surroundings: Task<Result<(TaskEnvironment, [TaskPlace]), ClusterError>, Never>, _ own: Int
    ) async {
        let failure = await attempt(name, await surroundings.value, own)
        share?.beginnings[name] = nil
        if let failure, !Task.isCancelled, own == generation { return failed(failure, own) }
        // It may be wanted again meanwhile.
        beginMissing()
    }

    /// - Returns: why the task could not be begun; nil also when it is not wanted any more.
    private func attempt(
        _ name: TaskName, _ surroundings: Result<(TaskEnvironment, [TaskPlace]), ClusterError>, _ own: Int
    ) async -> ClusterError? {
        let task: TaskRun
        do {
            let (environment, places) = try surroundings.get()
            guard isWanted(name, own) else { return nil }
            guard let place = places.first(where: { $0.task == name }) else {
                return ClusterError(.unknownTopicOrPartition, "task \(name) has partitions that are not there")
            }
            task = try TaskRun(
                place, environment, worker: workers.assign(), isPaused: isPaused, care: care(of: place))
        } catch let error as ClusterError {
            return error
        } catch { return ClusterError(.invalidRequest, "\(error)") }
        preparing.append(task)
        defer { preparing.removeAll { $0 === task } }
        await endAll(ending.filter { $0.place.task == name })
        do throws(ClusterError) {
            try await task.take()
            let committed = try await self.committed(task.place.partitions)
            let offsets = try await startOffsets([task.place], committed)
            try await task.prepare(offsets, replacing: share?.olds[name])
        } catch {
            await task.abandon()
            return error
        }
        guard isWanted(name, own) else {
            await task.abandon()
            return nil
        }
        share?.olds[name] = nil
        tasks.append(task)
        task.begin()
        return nil
    }

    private func isWanted(_ name: TaskName, _ own: Int) -> Bool {
        guard own == generation, !Task.isCancelled, let share, !share.isOver else { return false }
        return share.decision?.own.contains(name) ?? false
    }

    /// What the group has committed in a task's partitions; where it has in one of a topic, in all of the topic, so that
    /// partitions are known that were added. Other tasks' transactions are not waited for.
    private func committed(
        _ partitions: [TopicPartition]
    ) async throws(ClusterError) -> [TopicPartition: CommittedOffset] {
        let own = try await cluster.groupOffsets(applicationID, in: partitions, requireStable: true)
        guard own.count < Set(partitions).count else { return own }
        let all = try await cluster.groupOffsets(applicationID)
        return all.filter { !partitions.contains($0.key) }.merging(own) { _, new in new }
    }

    private func updateState() {
        guard state != .error, let decision = share?.decision else { return }
        state =
            decision.own.isSubset(of: tasks.map(\.place.task)) ? (isPaused ? .paused : .running) : .rebalancing
        publishPlacement()
    }

    // MARK: The end

    /// Leaves the group after a failure that lasts, once nothing is being committed any more: the others read what was.
    func leave() {
        guard let group = share?.group else { return }
        share?.group = nil
        share?.hold()
        publishPlacement()
        // Owned by the query: `leaveGroup` awaits it, and `join`.
        share?.leaving = Task {
            await self.endAll(self.ending)
            await group.leave()
        }
    }

    /// Leaves the group for good.
    ///
    /// - Parameter waitsForOthers: topics may be deleted once nobody writes to them any more. Nodes that do not answer are
    ///   not waited for.
    func leaveGroup(waitsForOthers: Bool) async {
        share?.isOver = true
        share?.decision = nil
        publishPlacement()
        let beginnings = share?.beginnings.values.map { $0 } ?? []
        for beginning in beginnings { beginning.cancel() }
        for beginning in beginnings { await beginning.value }
        await share?.leaving?.value
        await share?.group?.leave()
        share?.group = nil
        guard waitsForOthers else { return }
        let deadline = ContinuousClock.now + .seconds(5)
        while ContinuousClock.now < deadline {
            do throws(ClusterError) {
                guard try await cluster.group(applicationID).state.isActive else { return }
            } catch { return }  // there is no group any more, or nobody to ask
            do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
        }
    }

    // MARK: Questions

    private func publishPlacement() {
        guard let share, let decision = share.decision else { return placed.withLock { $0 = nil } }
        let last = topology.parts.count - 1
        var placement = Placement(
            count: topology.partitionCounts(decision.sources).tasks[last], keyRouter: KeyRouter(topology),
            address: share.sharing.address)
        for (node, tasks) in decision.nodes {
            for task in tasks where task.part == last { placement.nodes[task.partition] = node }
        }
        for task in tasks where task.place.part.index == last { placement.local[task.place.partition] = task }
        placed.withLock { $0 = placement }
    }

    /// Which nodes have the rows of a read.
    nonisolated func placement(for read: TableRead) async throws(RunError) -> [NodePart] {
        guard let placement = placed.withLock({ $0 }) else { throw await notReady }
        return try placement.parts(of: placement.partitions(for: read))
    }

    /// Rows of partitions that this node has.
    nonisolated func readOwn(
        _ read: TableRead, _ partitions: [Int32]
    ) async throws(RunError) -> [(partition: Int32, rows: [TableRow])] {
        guard let placement = placed.withLock({ $0 }) else { throw await notReady }
        var owners: [TaskRun] = []
        for partition in partitions {
            guard let owner = placement.local[partition] else {
                throw RunError(.notReady, "partition \(partition) of the table is not on this node")
            }
            owners.append(owner)
        }
        var rows: [(partition: Int32, rows: [TableRow])] = []
        for (partition, result) in zip(partitions, await Self.read(read, of: owners)) {
            rows.append((partition, try result.get()))
        }
        return rows
    }

    /// All rows, if this node has all partitions that matter.
    nonisolated func readOwn(_ read: TableRead) async throws(RunError) -> [TableRow] {
        var rows: [TableRow] = []
        for part in try await placement(for: read) {
            guard part.address == nil else { throw RunError(.notReady, "other nodes have rows of the table") }
            for (_, some) in try await readOwn(read, part.partitions) { rows += some }
        }
        if let limit = read.limit, rows.count > limit { rows.removeLast(rows.count - limit) }
        return rows
    }

    /// Addresses of the nodes of the group.
    var nodes: Set<String> { Set(share?.decision?.nodes.keys.map { $0 } ?? []) }

    /// What each node is to have, by its address, as the group has decided.
    var shares: [String: NodeShare] {
        guard let decision = share?.decision else { return [:] }
        return decision.nodes.mapValues { tasks in
            var partitions: Set<TopicPartition> = []
            var stores: Set<String> = []
            for task in tasks {
                guard topology.parts.indices.contains(task.part) else { continue }
                let part = topology.parts[task.part]
                for topic in part.sourceTopics {
                    for partition in 0..<Int32(clamping: decision.sources[topic] ?? 0)
                    where part.isUndivided || partition == task.partition {
                        partitions.insert(TopicPartition(topic, partition))
                    }
                }
                stores.formUnion(part.stores.map(\.name))
            }
            return NodeShare(partitions: partitions.sorted(), stores: stores.sorted())
        }
    }

    /// How far the state is that this node has, or is reading back: in that of running tasks is what is committed.
    func progress() -> [StoreProgress] {
        func part(_ task: TaskRun, _ changelog: TopicPartition, _ position: Int64, _ end: Int64) -> StoreProgress {
            StoreProgress(
                query: id, store: task.context.store(ofChangelog: changelog.topic), partition: changelog.partition,
                position: position, end: end)
        }
        let running = tasks.flatMap { task in
            task.status.changelogEnds.map { changelog, end in part(task, changelog, end, end) }
        }
        let places = Set(tasks.map(\.place.task))
        // A task that has just begun is still among those in preparation.
        let restoring = preparing.filter { !places.contains($0.place.task) }.flatMap { task in
            task.restored.map { changelog, place in
                part(task, changelog, place.position, place.end)
            }
        }
        return running + restoring
    }
}
