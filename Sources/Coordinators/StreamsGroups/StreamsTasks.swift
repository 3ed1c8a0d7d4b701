package import KafkaMessages

/// Tasks by their subtopology: a task is a subtopology together with the number of the partitions that it reads.
package typealias TaskSet = PartitionSet<String>

/// The tasks of one member, by what it does with them.
package struct StreamsTasks: Hashable, Sendable {
    /// Those that it processes. Of all members one has a task as an active one.
    package var active = TaskSet()
    /// Copies of state that it keeps up to date.
    package var standby = TaskSet()
    /// Copies of state that it makes before a task is to become active there.
    package var warmup = TaskSet()

    package init() {}

    package init(active: TaskSet, standby: TaskSet = TaskSet(), warmup: TaskSet = TaskSet()) {
        self.active = active
        self.standby = standby
        self.warmup = warmup
    }

    package var isEmpty: Bool { active.isEmpty && standby.isEmpty && warmup.isEmpty }

    package func isSubset(of other: StreamsTasks) -> Bool {
        active.isSubset(of: other.active) && standby.isSubset(of: other.standby) && warmup.isSubset(of: other.warmup)
    }

    /// Whether any task is in both in the same role.
    func intersects(_ other: StreamsTasks) -> Bool {
        !active.isDisjoint(with: other.active) || !standby.isDisjoint(with: other.standby)
            || !warmup.isDisjoint(with: other.warmup)
    }

    func union(_ other: StreamsTasks) -> StreamsTasks {
        var all = self
        all.active.formUnion(other.active)
        all.standby.formUnion(other.standby)
        all.warmup.formUnion(other.warmup)
        return all
    }
}

extension StreamsGroupHeartbeatRequest {
    /// What the member says it has; nil when it does not say.
    var owned: StreamsTasks? {
        guard let activeTasks, let standbyTasks, let warmupTasks else { return nil }
        func tasks(_ ids: [TaskIds]) -> TaskSet { TaskSet(ids.map { ($0.subtopologyId, $0.partitions) }) }
        return StreamsTasks(active: tasks(activeTasks), standby: tasks(standbyTasks), warmup: tasks(warmupTasks))
    }
}
