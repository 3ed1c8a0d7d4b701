package import Columns
package import SQLPlan
import SQLTypes

/// A running query: batches of records go in, records for its sink come out, at once and on the caller's thread.
///
/// The result does not depend on how records are cut into batches, nor does what is told of failures: it is that of one
/// record after the other, each with all its consequences. Repartition topics are not written here; rows pass straight on. One user at a time.
///
///     let task = try QueryTask(plan, functions: library, formats: formats)
///     for batch in batches { let output = try task.process(batch) ... }
package final class QueryTask {
    package let plan: PhysicalPlan
    let context: TaskContext
    /// From the sources up, inputs before what is above them.
    private let operators: [Operator]
    /// The last step.
    let top: Operator
    /// Records since the size of state was looked at.
    private var recordsSinceCheck = 0
    private(set) var isOnDisk = false
    /// Whether the query keeps a table that can be read: that of a CREATE TABLE ... AS SELECT or of a SOURCE TABLE.
    package private(set) lazy var isMaterialized: Bool = Self.isMaterialized(plan) && top.isReadable
    /// Of the rows that are read: types of the columns, those of the key first.
    lazy var readTypes = plan.root.schema.columns.map(\.type)
    lazy var readKeyCount = plan.root.schema.keyCount
    private let sources: [String: [SourceOperator]]
    /// By topics of the query's own.
    private let repartitions: [String: RepartitionSourceOperator]
    /// Of each operator's stores, in their order: unique, though what a join keeps of a table has the name that the table's
    /// own store has.
    private var storeNames: [[String]] = []
    /// The store of the last change that was applied.
    private var restored: (name: String, parts: [any ChangelogPart])?
    private var isRestored = false

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
        var top = try builder.build(plan.root)
        if !(top is SinkOperator) {
            top = RowsOperator(plan.root, input: top, context)
            builder.operators.append(top)
        }
        self.top = top
        operators = builder.operators
        repartitions = [:]
        sources = Dictionary(grouping: operators.compactMap { $0 as? SourceOperator }) { $0.source.topic }
        if Self.isMaterialized(plan) { top.keepForReading() }
        nameStores()
        if settings.stateStore == .disk { try moveState(to: settings.diskPlace) }
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
        var top: Operator
        if let output = part.output {
            let input = try builder.buildOutput(part.root)
            top = try RepartitionSinkOperator(part.root, output, topic: topicName(output), input: input, context)
            builder.operators.append(top)
        } else {
            top = try builder.build(part.root)
            if !(top is SinkOperator) {
                top = RowsOperator(part.root, input: top, context)
                builder.operators.append(top)
            }
        }
        self.top = top
        operators = builder.operators
        sources = Dictionary(grouping: operators.compactMap { $0 as? SourceOperator }) { $0.source.topic }
        repartitions = Dictionary(
            operators.compactMap { $0 as? RepartitionSourceOperator }.map { ($0.topic, $0) },
            uniquingKeysWith: { first, _ in first })
        if plan.kind == .sourceTable { for source in sources.values.joined() { source.demandOldValues() } }
        if part.output == nil, Self.isMaterialized(plan) { top.keepForReading() }
        nameStores()
        if settings.stateStore == .disk { try moveState(to: settings.diskPlace) }
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
        endRestore()
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
        recordsSinceCheck += batch.count
        if recordsSinceCheck >= 1024 { checkStateSize() }
        defer {
            context.output = []
            context.rows = []
        }
        return Output(
            records: context.output, rows: context.rows, log: context.drainLog(), failure: context.failure)
    }

    /// Whether a source takes the times of its rows from a column.
    package var readsTimes: Bool { sources.values.joined().contains { $0.timestampIndex != nil } }

    /// The times by which records take their turn among those of other topics: what their timestamp column says; nil: their
    /// own. To be asked where `process` is called.
    package func turns(_ batch: SourceBatch) -> ColumnBuffer<Int64>? {
        do throws(EngineError) { return try sources[batch.topic]?.first?.turns(batch) } catch {
            context.fail(error)
            return nil
        }
    }

    /// Takes over the state of the task of the query that this one replaces, step by step, where it means the same. Tables
    /// that are read are left out: `restore` fills those. The old task is not
    /// to be used any more.
    package func adoptState(of old: QueryTask) {
        // One that has failed can be replaced; one whose state cannot be made whole has none to give.
        let hadFailed = old.context.failure != nil
        old.endRestore()
        if !hadFailed, let failure = old.context.failure { context.fail(failure) }
        let others = Dictionary(old.operators.map { ($0.step.name, $0) }, uniquingKeysWith: { first, _ in first })
        for item in operators { if let other = others[item.step.name] { item.adopt(other) } }
    }

    /// Why nothing is processed any more.
    package var failure: EngineError? { context.failure }

    /// Fills tables with records that were processed before this task was there, without results. `failure` tells whether
    /// a record could not be read now, which is missing then.
    package func restore(_ batch: SourceBatch) { for source in sources[batch.topic] ?? [] { source.restore(batch) } }

    /// Counters by step, from the sources up.
    package var counters: [(step: String, operation: String, counters: OperatorCounters)] {
        operators.map { item in
            var counters = item.counters
            (counters.stateRows, counters.stateBytes) = item.state
            return (item.step.name, item.step.operation.name, counters)
        }
    }
}

// MARK: State outside of the task

extension QueryTask {
    /// The names of all stores: those of the plan, and a few that only this engine has.
    package var stores: [String] { storeNames.flatMap { $0 } }

    private func nameStores() {
        var taken: Set<String> = []
        for item in operators {
            storeNames.append(
                item.stores.map { store in
                    var name = store.name
                    var number = 1
                    while !taken.insert(name).inserted {
                        name = item.step.name + "-" + store.name + (number == 1 ? "" : "-\(number)")
                        number += 1
                    }
                    return name
                })
        }
    }

    private func forEachPart(
        _ body: (_ store: String, _ part: any ChangelogPart) throws -> Void
    ) rethrows {
        for (item, names) in zip(operators, storeNames) {
            for (store, name) in zip(item.stores, names) {
                for part in store.parts { try body(name, part) }
            }
        }
    }

    /// Gives what has changed in state since the last call: the latest value of each key. Needs
    /// `EngineSettings.capturesChanges`.
    package func drainChanges(_ body: (StateChange) -> Void) {
        forEachPart { store, part in
            part.drainChanges { key, value in
                body(StateChange(store: store, tag: part.tag, key: key, value: value))
            }
        }
    }

    /// As `drainChanges`, without a copy of any change.
    ///
    /// - Parameter receiver: gives who takes the changes of a store; asked now and then for the same one again.
    package func drainChanges<Receiver: ChangeReceiver>(to receiver: (_ store: String) -> Receiver) {
        forEachPart { store, part in
            let taker = receiver(store)
            let tag = part.tag
            part.drainChanges { key, value in taker.take(tag: tag, key, value) }
        }
    }

    /// Gives all state as changes. What `drainChanges` has not given yet is part of it, and is given by it nevertheless.
    package func writeSnapshot(_ body: (StateChange) throws -> Void) throws {
        try forEachPart { store, part in
            try part.forEachRecord { key, value in
                try body(StateChange(store: store, tag: part.tag, key: key, value: value))
            }
        }
    }

    /// Gives all state as changes, for changelogs in which there may be changes already: also the keys that are gone since
    /// the last drain. Nothing is left to drain.
    package func relog(_ body: (StateChange) -> Void) throws {
        try writeSnapshot(body)
        drainChanges { change in if change.value == nil { body(change) } }
    }

    /// Takes a change that a task of the same plan has drained or written to a snapshot: all of them in their order, or the
    /// latest of each key, make this task go on as that one would. It is no change of this task's own.
    ///
    /// - Throws: `.invalidState` for a store that the plan does not have and for bytes that it cannot have written;
    ///   `.stateLimit`.
    package func apply(_ change: StateChange) throws(EngineError) {
        if restored?.name != change.store {
            restored = (change.store, [])
            forEachPart { store, part in if store == change.store { restored?.parts.append(part) } }
        }
        isRestored = true
        recordsSinceCheck += 1
        if recordsSinceCheck >= (isOnDisk ? 1 << 12 : 1 << 16) { checkStateSize() }
        if let failure = context.failure { throw failure }
        guard let tag = change.key.first, let part = restored?.parts.first(where: { $0.tag == tag }) else {
            throw .foreignState
        }
        try change.key.withRawBytes { key throws(EngineError) in
            let key = UnsafeRawBufferPointer(rebasing: key[1...])
            guard let value = change.value else { return try part.restore(key, nil) }
            try value.withRawBytes { value throws(EngineError) in try part.restore(key, value) }
        }
    }

    /// Before anything else is done with a task to which changes were applied.
    func endRestore() {
        guard isRestored else { return }
        isRestored = false
        restored = nil
        do throws(EngineError) {
            for item in operators { try item.didRestore() }
            if isOnDisk { try moveState(to: context.settings.diskPlace) }
        } catch { context.fail(error) }
    }
}

// MARK: The size of state

extension QueryTask {
    /// Bytes of state in the process's memory.
    package var stateMemoryByteCount: Int {
        var sum = 0
        for item in operators { for table in item.derivedTables { sum += table.memoryByteCount } }
        forEachPart { _, part in sum += part.memoryByteCount }
        return sum
    }

    private func releasePages(_ pages: StatePages) {
        forEachPart { _, part in part.releasePages(pages) }
        for item in operators { for table in item.derivedTables { table.releasePages(pages) } }
    }

    private func moveState(to place: StatePlace) throws(EngineError) {
        isOnDisk = true
        for item in operators {
            for store in item.stores {
                for part in store.parts { try part.move(to: place) }
            }
            for table in item.derivedTables { try table.move(to: place) }
        }
    }

    /// Keeps state within its memory: moves it to disk, or ends the query.
    private func checkStateSize() {
        recordsSinceCheck = 0
        let most = context.settings.stateByteCountMax
        if isOnDisk, ResidentMemory.fileByteCount > most {
            releasePages(.records)
            // Indexes are small, and every look-up needs one of their pages: they stay if there is room for records beside.
            if ResidentMemory.fileByteCount > most / 4 * 3 { releasePages(.indexes) }
        }
        guard stateMemoryByteCount > most else { return }
        do throws(EngineError) {
            if context.settings.stateStore == .auto, !isOnDisk { try moveState(to: context.settings.diskPlace) }
            let rest = stateMemoryByteCount
            guard rest > most else { return }
            throw EngineError(
                .stateLimit,
                "The state of query \(plan.id) takes \(rest) bytes of memory, more than the \(most) that it may. Give it "
                    + "more by state.memory.max.bytes, "
                    + (isOnDisk ? "" : "set state.store to 'auto' or 'disk', ")
                    + "or let it keep less: by windows with a "
                    + "shorter retention or grace period, or fewer groups.")
        } catch { context.fail(error) }
    }
}

extension StateChange {
    fileprivate init(
        store: String, tag: UInt8, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer?
    ) {
        let bytes = [UInt8](unsafeUninitializedCapacity: key.count + 1) { target, count in
            target[0] = tag
            if !key.isEmpty {
                UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(target)[1...]).copyMemory(
                    from: key)
            }
            count = key.count + 1
        }
        self.init(store: store, key: bytes, value: value.map { [UInt8]($0) })
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
            made = try SuppressOperator(step, suppress, input: build(suppress.input), context)
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
