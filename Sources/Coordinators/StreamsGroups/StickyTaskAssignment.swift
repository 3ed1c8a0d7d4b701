/// Spreads tasks over members: as evenly as it goes, and where they were before as far as that allows.
///
/// | step | tasks                       | go to                                                                 |
/// |-----:|-----------------------------|-----------------------------------------------------------------------|
/// |    1 | active                      | the member that had it, then one that had it as a standby             |
/// |    2 | active, left over           | the process with the fewest tasks for its threads, its freest thread  |
/// |    3 | standby, of stateful ones   | a member that had it in any role, in a process that has it in none    |
/// |    4 | standby, left over          | the freest process that has it in no role                             |
///
/// Stateful tasks come first, so that they are spread evenly for themselves.
///
/// - SeeAlso: upstream `StickyTaskAssignor`.
struct StickyTaskAssignment {
    struct Member {
        var memberId: String
        var processId: String
        /// Its last target assignment.
        var previous: StreamsTasks
        /// Tasks of which it has state on its disk.
        var restorable = TaskSet()
    }

    struct Subtopology {
        var id: String
        var taskCount: Int32
        var isStateful: Bool
    }

    private struct Task: Hashable {
        var subtopology: String
        var partition: Int32
    }

    /// How many tasks each member may get: the same for all, and one more for as many as it takes.
    private struct Quota {
        private let share: Int
        private var extra: Int

        init(_ taskCount: Int, _ counts: [Int]) {
            let share = taskCount / max(1, counts.count)
            self.share = share
            extra = taskCount % max(1, counts.count) - counts.count { $0 > share }
        }

        func admits(_ count: Int) -> Bool { count < share || (count == share && extra > 0) }

        mutating func take(_ count: Int) { if count == share { extra -= 1 } }
    }

    private struct Process {
        var members: [Int] = []
        var taskCount = 0
        var tasks: Set<Task> = []
    }

    private let members: [Member]
    private let subtopologies: [Subtopology]
    private let standbyReplicaCount: Int
    private var processes: [Process] = []
    /// The process of each member.
    private var processOf: [Int] = []
    private var counts: [Int]
    private var targets: [StreamsTasks]
    private var previousActive: [Task: Int] = [:]
    /// In the order of preference.
    private var previousStandby: [Task: [Int]] = [:]

    /// - Parameter standbyReplicaCount: copies of each stateful task besides the active one.
    init(members: [Member], subtopologies: [Subtopology], standbyReplicaCount: Int) {
        let members = members.sorted { $0.memberId < $1.memberId }
        self.members = members
        self.subtopologies = subtopologies.sorted { $0.id < $1.id }
        self.standbyReplicaCount = standbyReplicaCount
        counts = [Int](repeating: 0, count: members.count)
        targets = [StreamsTasks](repeating: StreamsTasks(), count: members.count)
        var numbers: [String: Int] = [:]
        for (index, member) in members.enumerated() {
            let process = numbers[member.processId] ?? processes.count
            if process == processes.count {
                numbers[member.processId] = process
                processes.append(Process())
            }
            processes[process].members.append(index)
            processOf.append(process)
            Self.forEach(member.previous.active) { previousActive[$0] = index }
            Self.forEach(member.previous.standby) { previousStandby[$0, default: []].append(index) }
            Self.forEach(member.previous.warmup) { previousStandby[$0, default: []].append(index) }
        }
        // State without an assignment, as a member that was started again has it, comes after.
        for (index, member) in members.enumerated() {
            Self.forEach(member.restorable) { task in
                if previousStandby[task]?.contains(index) != true { previousStandby[task, default: []].append(index) }
            }
        }
    }

    private static func forEach(_ tasks: TaskSet, _ body: (Task) -> Void) {
        for (id, partitions) in tasks.sorted {
            for partition in partitions { body(Task(subtopology: id, partition: partition)) }
        }
    }

    /// By member id.
    consuming func assign() -> [String: StreamsTasks] {
        guard !members.isEmpty else { return [:] }
        let stateful = tasks { $0.isStateful }
        let stateless = tasks { !$0.isStateful }
        assignActive(stateful)
        assignActive(stateless)
        assignStandby(stateful, active: stateful.count + stateless.count)
        return Dictionary(uniqueKeysWithValues: zip(members.map(\.memberId), targets))
    }

    /// By partition, so that tasks that read the same partition of different subtopologies come together.
    private func tasks(_ include: (Subtopology) -> Bool) -> [Task] {
        subtopologies.filter(include).flatMap { subtopology in
            (0..<max(0, subtopology.taskCount)).map { Task(subtopology: subtopology.id, partition: $0) }
        }.sorted { ($0.partition, $0.subtopology) < ($1.partition, $1.subtopology) }
    }

    private mutating func assignActive(_ tasks: [Task]) {
        guard !tasks.isEmpty else { return }
        var quota = Quota(counts.reduce(0, +) + tasks.count, counts)
        var rest: [Task] = []
        for task in tasks {
            if let member = previousActive[task], quota.admits(counts[member]) {
                quota.take(counts[member])
                give(task, to: member, \.active)
            } else {
                rest.append(task)
            }
        }
        var left: [Task] = []
        for task in rest {
            let candidates = (previousStandby[task] ?? []).filter { quota.admits(counts[$0]) }
            if let member = freest(candidates) {
                quota.take(counts[member])
                give(task, to: member, \.active)
            } else {
                left.append(task)
            }
        }
        // Neighbours in a subtopology go round the processes one after the other.
        for task in left.sorted(by: { ($0.subtopology, $0.partition) < ($1.subtopology, $1.partition) }) {
            let process = freestProcess { process in process.members.contains { quota.admits(counts[$0]) } }
            guard let process, let member = freest(processes[process].members.filter({ quota.admits(counts[$0]) }))
            else { continue }  // not while there are members: the shares of all make up the tasks
            quota.take(counts[member])
            give(task, to: member, \.active)
        }
    }

    private mutating func assignStandby(_ tasks: [Task], active: Int) {
        let replicaCount = min(standbyReplicaCount, processes.count - 1)
        guard replicaCount > 0 else { return }
        var quota = Quota(active + tasks.count * replicaCount, counts)
        var left: [(task: Task, count: Int)] = []
        for task in tasks {
            var remaining = replicaCount
            let known = (previousActive[task].map { [$0] } ?? []) + (previousStandby[task] ?? [])
            for member in known where remaining > 0 {
                guard !processes[processOf[member]].tasks.contains(task), quota.admits(counts[member]) else { continue }
                quota.take(counts[member])
                give(task, to: member, \.standby)
                remaining -= 1
            }
            if remaining > 0 { left.append((task, remaining)) }
        }
        for (task, count) in left {
            for _ in 0..<count {
                guard let process = freestProcess({ !$0.tasks.contains(task) }),
                    let member = freest(processes[process].members)
                else { break }
                give(task, to: member, \.standby)
            }
        }
    }

    private mutating func give(_ task: Task, to member: Int, _ role: WritableKeyPath<StreamsTasks, TaskSet>) {
        targets[member][keyPath: role].insert(task.subtopology, task.partition)
        counts[member] += 1
        processes[processOf[member]].taskCount += 1
        processes[processOf[member]].tasks.insert(task)
    }

    /// Of equally free ones the first.
    private func freest(_ candidates: [Int]) -> Int? {
        candidates.min { a, b in
            let (first, second) = (load(processes[processOf[a]]), load(processes[processOf[b]]))
            return counts[a] != counts[b] ? counts[a] < counts[b] : first < second
        }
    }

    private func freestProcess(_ include: (Process) -> Bool) -> Int? {
        processes.indices.filter { include(processes[$0]) }.min { load(processes[$0]) < load(processes[$1]) }
    }

    private func load(_ process: Process) -> Double {
        Double(process.taskCount) / Double(max(1, process.members.count))
    }
}
