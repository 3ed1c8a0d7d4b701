/// A plan in the pieces that run apart from each other: it is cut where rows go through a topic of the query's own.
///
/// Each part runs once for each of its partitions. Parts are ordered so that whoever writes to a topic comes before those
/// that read it; the last one has the plan's root.
package struct SubTopologies: Hashable, Sendable {
    /// What runs as one task per partition.
    package struct Part: Hashable, Sendable {
        /// In the order of the parts, from 0; the first half of the name of a task, as in `0_3`.
        package var index: Int
        /// The step on top: the plan's root, or the one whose rows leave by `output`. Below it, steps with a repartition
        /// topic are where rows come in.
        package var root: PlanStep
        /// Where the rows of `root` go; nil: the root is the plan's.
        package var output: RepartitionTopic?
        /// Topics of streams and tables, in the order of the plan, each once.
        package var sourceTopics: [String]
        /// Topics of the query's own that it reads.
        package var inputs: [RepartitionTopic]
        /// Whether one task reads all partitions: a join by foreign key finds its rows in any of them.
        package var isUndivided: Bool
        package var stores: [Store]
    }

    /// State of a part that is written to a changelog.
    package struct Store: Hashable, Sendable {
        package var name: String
        /// How long its records are kept after their time, in milliseconds; nil: for as long as their key is there.
        package var retention: Int64?
    }

    package var parts: [Part]

    package init(_ plan: PhysicalPlan) {
        parts = []
        add(plan.root, output: nil)
    }

    /// The plan in one piece, for topics of one partition each: all rows are in one task anyway, and topics in between
    /// would only cost.
    package init(undivided plan: PhysicalPlan) {
        var part = Part(
            index: 0, root: plan.root, output: nil, sourceTopics: [], inputs: [], isUndivided: false, stores: [])
        Self.collectAll(plan.root, &part)
        parts = [part]
    }

    /// Whether the plan may run in one piece.
    ///
    /// The task then reads all topics in the order of their records' times. Rows that have other times, of a column, would
    /// come to a join in another order than through topics between: that is left to the topics, but where one stream looks
    /// rows of tables up whose times are those of records.
    ///
    /// - Parameter topics: the number of partitions of each source topic.
    package static func mayBeUndivided(_ plan: PhysicalPlan, _ topics: [String: Int]) -> Bool {
        guard plan.sourceTopics.allSatisfy({ topics[$0] == 1 }) else { return false }
        if plan.sourceTopics.count == 1 { return true }
        var streamCount = 0
        var timedStreams = 0
        var timedTables = 0
        plan.root.forEach { step in
            guard case .source(let source) = step.operation else { return }
            if !step.isTable { streamCount += 1 }
            guard source.timestamp != nil else { return }
            if step.isTable { timedTables += 1 } else { timedStreams += 1 }
        }
        return timedTables == 0 && (timedStreams == 0 || streamCount == 1)
    }

    /// Adds the parts below a root, and then its own.
    private mutating func add(_ root: PlanStep, output: RepartitionTopic?) {
        var part = Part(
            index: 0, root: root, output: output, sourceTopics: [], inputs: [], isUndivided: false, stores: [])
        collect(root, isTop: true, &part)
        part.index = parts.count
        parts.append(part)
    }

    private mutating func collect(_ step: PlanStep, isTop: Bool, _ part: inout Part) {
        if let topic = step.repartitionTopic, !isTop || part.output == nil {
            add(step, output: topic)
            part.inputs.append(topic)
            if case .selectKey(let select) = step.operation, let store = select.store {
                part.add(Store(name: store.name, retention: nil))
            }
            return
        }
        for input in step.inputs { collect(input, isTop: false, &part) }
        Self.note(step, isTop: isTop, &part)
    }

    private static func collectAll(_ step: PlanStep, _ part: inout Part) {
        for input in step.inputs { collectAll(input, &part) }
        note(step, isTop: false, &part)
    }

    /// What the step itself has to do with its part.
    private static func note(_ step: PlanStep, isTop: Bool, _ part: inout Part) {
        switch step.operation {
        case .source(let source):
            if !part.sourceTopics.contains(source.topic) { part.sourceTopics.append(source.topic) }
            if let store = source.store { part.add(Store(name: store.name, retention: nil)) }
        case .selectKey(let select):
            if !isTop, let store = select.store { part.add(Store(name: store.name, retention: nil)) }
        case .aggregate(let aggregate):
            part.add(Store(name: aggregate.store.name, retention: aggregate.window?.storeRetention))
        case .suppress(let suppress): part.add(Store(name: suppress.store.name, retention: nil))
        case .streamStreamJoin(let join):
            part.add(Store(name: join.leftStore.name, retention: join.retention))
            part.add(Store(name: join.rightStore.name, retention: join.retention))
        case .foreignKeyJoin: part.isUndivided = true
        case .filter, .select, .flatMap, .repartition, .group, .streamTableJoin, .tableTableJoin, .sink: break
        }
    }

    /// How many tasks each part has, and how many partitions each topic of the query's own.
    ///
    /// What is read together has the same number of partitions: that of the given topics among them, and of topics of the
    /// query's own alone the largest that those who write to them have.
    ///
    /// - Parameter topics: the number of partitions of each source topic.
    package func partitionCounts(_ topics: [String: Int]) -> (tasks: [Int], repartitions: [String: Int]) {
        var tasks: [Int] = []
        var repartitions: [String: Int] = [:]
        // By the topic that a part writes to: how many partitions come together in it.
        var widths: [String: Int] = [:]
        for part in parts {
            let given = part.sourceTopics.map { topics[$0] ?? 1 }.max()
            let width = given ?? part.inputs.map { widths[$0.name] ?? 1 }.max() ?? 1
            for input in part.inputs { repartitions[input.name] = width }
            if let output = part.output { widths[output.name] = width }
            tasks.append(part.isUndivided ? 1 : width)
        }
        return (tasks, repartitions)
    }
}

extension SubTopologies.Part {
    fileprivate mutating func add(_ store: SubTopologies.Store) {
        if !stores.contains(where: { $0.name == store.name }) { stores.append(store) }
    }
}

extension PlanStep {
    /// The topic of the query's own that the rows of this step go through.
    package var repartitionTopic: RepartitionTopic? {
        switch operation {
        case .repartition(let repartition): repartition.topic
        case .group(let group): group.repartition
        case .selectKey(let select): select.repartition
        default: nil
        }
    }
}

extension WindowSpecification {
    /// How long a store keeps a window: what the statement says, and never less than the window and its grace period.
    package var storeRetention: Int64 {
        let needed =
            switch kind {
            case .tumbling(let size), .hopping(let size, _): size.saturatingSum(grace)
            case .session(let gap): gap.saturatingSum(grace)
            }
        return max(retention ?? 0, needed)
    }
}

extension Int64 {
    func saturatingSum(_ other: Int64) -> Int64 {
        let sum = addingReportingOverflow(other)
        return sum.overflow ? (other < 0 ? .min : .max) : sum.partialValue
    }
}
