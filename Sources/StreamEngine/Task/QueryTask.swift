import Columns
package import SQLPlan
import SQLTypes

/// A running query: batches of records go in, records for its sink come out, at once and on the caller's thread.
///
/// The result does not depend on how records are cut into batches: it is that of one record after the other, each with
/// all its consequences. Repartition topics are not written here; rows pass straight on. One user at a time.
///
///     let task = try QueryTask(plan, functions: library, formats: formats)
///     for batch in batches { let output = try task.process(batch) ... }
package final class QueryTask {
    package let plan: PhysicalPlan
    private let context: TaskContext
    /// From the sources up, inputs before what is above them.
    private let operators: [Operator]
    private let sources: [String: [SourceOperator]]
    /// By topics of the query's own.
    private let repartitions: [String: RepartitionSourceOperator]

    /// A task for the whole plan: rows do not go through topics on their way.
    ///
    /// - Throws: `.invalidPlan`.
    package init(
        _ plan: PhysicalPlan, functions: any FunctionLibrary, formats: any FormatLibrary,
        settings: EngineSettings = EngineSettings()
    ) throws(EngineError) {
        self.plan = plan
        context = TaskContext(functions: functions, formats: formats, settings: settings)
        var builder = OperatorBuilder(context: context)
        let top = try builder.build(plan.root)
        if !(top is SinkOperator) { builder.operators.append(RowsOperator(plan.root, input: top, context)) }
        operators = builder.operators
        repartitions = [:]
        sources = Dictionary(grouping: operators.compactMap { $0 as? SourceOperator }) { $0.source.topic }
        // The internal query of a SOURCE TABLE is there for its state alone.
        if plan.kind == .sourceTable { for source in sources.values.joined() { source.demandOldValues() } }
    }

    /// A task for one part of a plan: rows come from its topics and leave by its sink or repartition topic, all as bytes.
    ///
    /// - Parameter topicName: the full name of a topic of the query's own.
    /// - Throws: `.invalidPlan`.
    package init(
        _ part: SubTopologies.Part, of plan: PhysicalPlan, functions: any FunctionLibrary, formats: any FormatLibrary,
        settings: EngineSettings = EngineSettings(), topicName: @escaping (RepartitionTopic) -> String
    ) throws(EngineError) {
        self.plan = plan
        context = TaskContext(functions: functions, formats: formats, settings: settings)
        var builder = OperatorBuilder(context: context, topicName: topicName)
        if let output = part.output {
            let top = try builder.buildOutput(part.root)
            builder.operators.append(
                try RepartitionSinkOperator(part.root, output, topic: topicName(output), input: top, context))
        } else {
            let top = try builder.build(part.root)
            if !(top is SinkOperator) { builder.operators.append(RowsOperator(part.root, input: top, context)) }
        }
        operators = builder.operators
        sources = Dictionary(grouping: operators.compactMap { $0 as? SourceOperator }) { $0.source.topic }
        repartitions = Dictionary(
            operators.compactMap { $0 as? RepartitionSourceOperator }.map { ($0.topic, $0) },
            uniquingKeysWith: { first, _ in first })
        if plan.kind == .sourceTable { for source in sources.values.joined() { source.demandOldValues() } }
    }

    /// Topics that it reads.
    package var topics: [String] { (Array(sources.keys) + repartitions.keys).sorted() }

    /// What came of some records.
    package struct Output {
        /// Records for the sink's topic, in order.
        package var records: [SinkBatch]
        /// Rows for the client of a query without sink, in order.
        package var rows: [Batch]
        package var log: [ProcessingLogEntry]
        /// Why the query has ended; what is in `records` came before.
        package var failure: EngineError?
    }

    /// Processes records of one partition. After a failure nothing is processed any more.
    package func process(_ batch: SourceBatch) -> Output {
        if context.failure == nil, let repartition = repartitions[batch.topic] {
            repartition.read(batch)
        } else if context.failure == nil, let sources = sources[batch.topic] {
            if sources.count == 1 {
                sources[0].read(batch)
            } else {
                // The same topic twice: each record goes through both before the next one.
                for row in 0..<batch.count {
                    let single = batch.single(row)
                    for source in sources where context.failure == nil { source.read(single) }
                }
            }
        }
        defer {
            context.output = []
            context.rows = []
        }
        return Output(
            records: context.output, rows: context.rows, log: context.drainLog(), failure: context.failure)
    }

    /// Takes over the state of the task of the query that this one replaces, step by step, where it means the same. Tables
    /// that are read are left out: `restore` fills those. The old task is not
    /// to be used any more.
    package func adoptState(of old: QueryTask) {
        let others = Dictionary(old.operators.map { ($0.step.name, $0) }, uniquingKeysWith: { first, _ in first })
        for item in operators { if let other = others[item.step.name] { item.adopt(other) } }
    }

    /// Fills tables with records that were processed before this task was there, without results.
    package func restore(_ batch: SourceBatch) { for source in sources[batch.topic] ?? [] { source.restore(batch) } }

    /// Counters by step, from the sources up.
    package var counters: [(step: String, operation: String, counters: OperatorCounters)] {
        operators.map { item in
            var counters = item.counters
            (counters.stateRows, counters.stateBytes) = item.state
            return (item.step.name, item.step.operation.name, counters)
        }
    }

    /// Gives what has changed in state since the last call: the latest value of each key. Needs
    /// `EngineSettings.capturesChanges`.
    package func drainChanges(_ body: (StateChange) -> Void) {
        for item in operators { item.drainChanges(body) }
    }
}

/// Makes operators of steps.
private struct OperatorBuilder {
    let context: TaskContext
    /// Where the plan is cut at repartition topics: their names.
    private let topicName: ((RepartitionTopic) -> String)?
    var operators: [Operator] = []

    /// Steps nest by the joins and functions of a statement; beyond this a plan is not ours.
    private static let depthMax = 1000
    private var depth = 0

    init(context: TaskContext, topicName: ((RepartitionTopic) -> String)? = nil) {
        self.context = context
        self.topicName = topicName
    }

    /// The operator whose rows go to the repartition topic of a step.
    mutating func buildOutput(_ step: PlanStep) throws(EngineError) -> Operator {
        let made: Operator
        switch step.operation {
        case .repartition(let repartition):
            let input = try build(repartition.input)
            if step.isTable { input.demandOldValues() }
            return input
        case .selectKey(let select):
            made = try SelectKeyOperator(step, select, input: build(select.input), isSplit: true, context)
        case .group(let group): made = try GroupOperator(step, group, input: build(group.input), context)
        default: throw EngineError(.invalidPlan, "The step \(step.name) has no topic to write to.")
        }
        operators.append(made)
        return made
    }

    mutating func build(_ step: PlanStep) throws(EngineError) -> Operator {
        guard depth < Self.depthMax else { throw EngineError(.invalidPlan, "The plan is too deep.") }
        depth += 1
        defer { depth -= 1 }
        if let topicName, let topic = step.repartitionTopic {
            let source = RepartitionSourceOperator(step, topic: topicName(topic), context)
            operators.append(source)
            return source
        }
        let made: Operator
        switch step.operation {
        case .source(let source): made = try SourceOperator(step, source, context)
        case .filter(let filter): made = try FilterOperator(step, filter, input: build(filter.input), context)
        case .select(let select): made = try SelectOperator(step, select, input: build(select.input), context)
        case .flatMap(let flatMap): made = try FlatMapOperator(step, flatMap, input: build(flatMap.input), context)
        case .selectKey(let select): made = try SelectKeyOperator(step, select, input: build(select.input), context)
        case .repartition(let repartition):
            made = RepartitionOperator(step, input: try build(repartition.input), context)
        case .group(let group): made = try GroupOperator(step, group, input: build(group.input), context)
        case .aggregate(let aggregate): made = try self.aggregate(step, aggregate)
        case .suppress(let suppress):
            made = SuppressOperator(step, suppress, input: try build(suppress.input), context)
        case .streamStreamJoin(let join):
            made = try StreamStreamJoinOperator(step, join, left: build(join.left), right: build(join.right), context)
        case .streamTableJoin(let join):
            made = try StreamTableJoinOperator(step, join, left: build(join.left), right: build(join.right), context)
        case .tableTableJoin(let join):
            made = try TableTableJoinOperator(step, join, left: build(join.left), right: build(join.right), context)
        case .foreignKeyJoin(let join):
            made = try ForeignKeyJoinOperator(step, join, left: build(join.left), right: build(join.right), context)
        case .sink(let sink): made = try SinkOperator(step, sink, input: build(sink.input), context)
        }
        operators.append(made)
        return made
    }

    private mutating func aggregate(_ step: PlanStep, _ aggregate: AggregateStep) throws(EngineError) -> Operator {
        let input = try build(aggregate.input)
        guard let window = aggregate.window else {
            return try GroupAggregateOperator(step, aggregate, input: input, context)
        }
        switch window.kind {
        case .tumbling(let size):
            return try WindowAggregateOperator(
                step, aggregate, window, size: size, advance: size, input: input, context)
        case .hopping(let size, let advance):
            return try WindowAggregateOperator(
                step, aggregate, window, size: size, advance: advance, input: input, context)
        case .session(let gap):
            return try SessionAggregateOperator(step, aggregate, window, gap: gap, input: input, context)
        }
    }
}

extension PlanStep.Operation {
    /// As counters are listed.
    package var name: String {
        switch self {
        case .source: "source"
        case .filter: "filter"
        case .select: "select"
        case .flatMap: "flat-map"
        case .selectKey: "select-key"
        case .repartition: "repartition"
        case .group: "group"
        case .aggregate: "aggregate"
        case .suppress: "suppress"
        case .streamStreamJoin: "stream-stream-join"
        case .streamTableJoin: "stream-table-join"
        case .tableTableJoin: "table-table-join"
        case .foreignKeyJoin: "foreign-key-join"
        case .sink: "sink"
        }
    }
}
