import Cluster
import Logging
import SQLPlan
import StreamEngine
import Synchronization

/// The topics of a query, which tasks they make, and where those go on.
extension PersistentQuery {
    /// Whether the query runs in one piece. One that has topics between its parts goes on with them: they may have records
    /// that it has not read yet.
    func isUndivided(_ sources: [String: Int]) async throws(ClusterError) -> Bool {
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
            environment.messageByteCountsMax[sink.topic] = await cluster.messageByteCountMax(of: sink.topic)
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
}

extension Dictionary<TopicPartition, LogPosition> {
    static func all(_ partitions: [TopicPartition], at position: LogPosition) -> Self {
        Dictionary(partitions.map { ($0, position) }) { first, _ in first }
    }
}

extension Cluster {
    /// nil where the cluster does not say: whoever may write to a topic need not be allowed to see its configuration.
    func messageByteCountMax(of topic: String) async -> Int? {
        let configs = try? await configs(of: .topic(topic))
        return configs?.first { $0.name == "max.message.bytes" }?.value.flatMap { Int($0) }
    }
}
