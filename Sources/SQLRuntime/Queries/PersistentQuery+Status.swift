import Cluster
import Logging
import SQLPlan
import StreamEngine

/// How a query is, and what it no longer needs.
extension PersistentQuery {
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
