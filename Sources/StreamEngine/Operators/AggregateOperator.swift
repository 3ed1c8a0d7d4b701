import Columns
import SQLPlan
import SQLTypes

/// Aggregates by group, of streams with and without windows, and of tables. The three kinds differ in how they find the
/// record of a group; what a record holds is said at `AggregateLayout`.
class AggregateOperator: Operator {
    let input: Operator
    let aggregate: AggregateStep
    let layout: AggregateLayout
    let keyCodec: KeyCodec
    let retainedCodec: RowCodec
    let keyCount: Int
    /// Of the only column of the key, if its bytes are those of the key.
    private let plainKey: VectorKind?
    private let retainedCount: Int
    private let hasWindowBounds: Bool
    let builder: BatchBuilder
    var sendsOld = false
    private var oldBuilder: BatchBuilder
    let keyScratch = ScratchBytes()
    let keys: KeyRows
    let stateScratch = ScratchBytes()
    /// nil where old values are wanted, too, or rows are taken back, and where all states are of fixed size.
    private var held: HeldStates?
    /// The retained columns of the batch that is processed, and of its old rows.
    private var retained = RowColumns.none
    private var oldRetained = RowColumns.none
    private var hasLongRows = false
    /// Where the results of rows go that take the short way; nil: none do.
    private(set) var plain: PlainResults?

    init(_ step: PlanStep, _ aggregate: AggregateStep, input: Operator, _ context: TaskContext) throws(EngineError) {
        guard aggregate.window != nil || step.schema.window == nil else {
            throw EngineError(
                .invalidPlan, "The results of \(step.name) are to have windows, but the query has no WINDOW clause.")
        }
        self.input = input
        self.aggregate = aggregate
        layout = try AggregateLayout(
            aggregate.functions, context.functions, needsUndo: input.step.isTable)
        keyCount = step.schema.keyCount
        keyCodec = KeyCodec(step.schema.keys.map(\.type))
        keys = KeyRows(keyCodec)
        let kind = step.schema.keys.first.map { VectorKind($0.type) }
        plainKey = keyCount == 1 && [.int32, .int64, .string].contains(kind) ? kind : nil
        retainedCount = aggregate.retained.count
        hasWindowBounds = aggregate.hasWindowBounds
        retainedCodec = RowCodec(aggregate.retained.map { input.step.schema.columns[$0].type })
        let types = step.schema.columns.map(\.type)
        builder = BatchBuilder(types, hasWindows: step.schema.window != nil)
        oldBuilder = BatchBuilder(types, hasWindows: step.schema.window != nil, hasOld: true)
        super.init(step, context)
        input.connect(to: self, input: 0)
        if layout.hasOthers, !input.step.isTable { held = HeldStates(layout, retainedCodec) }
        if let plainKey, !layout.hasOthers, retainedCount == 0, !input.step.isTable {
            plain = PlainResults(builder, key: plainKey, functionCount: layout.functions.count, hasWindowBounds)
        }
    }

    override var inputs: [Operator] { [input] }
    override func demandOldValues() {
        sendsOld = true
        plain = nil
        held = nil
    }

    /// Whether records of that operator's state mean the same here.
    final func hasLayout(of other: AggregateOperator) -> Bool {
        aggregate.functions.elementsEqual(other.aggregate.functions) { own, theirs in
            own.function == theirs.function && own.stateType == theirs.stateType
                && own.arguments.map(\.type) == theirs.arguments.map(\.type)
                && own.parameters.map(\.node) == theirs.parameters.map(\.node)
        } && aggregate.window == other.aggregate.window
            && step.schema.keys.map(\.type) == other.step.schema.keys.map(\.type)
            && retainedCodec.types == other.retainedCodec.types
    }

    /// Whether bytes of a changelog can be a group and its record.
    final var recordCheck: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
        { [keyCodec, layout, retainedCodec] key, value in
            var at = layout.fixedBytes
            guard keyCodec.isKey(key), value.count >= at, retainedCodec.skip(value, &at) else { return false }
            for _ in 0..<layout.othersCount where !ValueCodec.skip(value, &at) { return false }
            return at == value.count
        }
    }

    /// Ends the query at a row; the results of those before it go on.
    final func fail(_ error: EngineError) {
        // The first error is the one to tell.
        try? held?.writeBack()
        emitInOrder(results.finishEnded())
        context.fail(error)
    }

    override var isReadable: Bool { true }
    override var looksKeysUp: Bool { true }

    /// Appends a group that is read.
    final func give(
        _ key: UnsafeRawBufferPointer, _ state: UnsafeRawBufferPointer, window: (start: Int64, end: Int64)?,
        to collector: RowCollector
    ) throws(ReadEnd) {
        keyCodec.read(key, into: collector.builder.columns[..<keyCount])
        try reading { () throws(EngineError) in
            try appendValues(state, window: window, to: collector.builder.columns)
        }
        try collector.endRow(timestamp: state.loadUnaligned(as: Int64.self), window: window)
    }

    /// To be called before the rows of a batch are added.
    final func begin(_ batch: Batch) {
        keys.fill(batch.columns[..<keyCount], count: batch.count)
        retained = RowColumns(aggregate.retained.map { batch.columns[$0] })
        hasLongRows = batch.copiesMax < 16_384
        if let old = batch.old { oldRetained = RowColumns(aggregate.retained.map { old.columns[$0] }) }
    }

    /// Passes results on when they have become many bytes.
    final func emitLarge() throws(EngineError) {
        guard results.count & 63 == 0 || hasLongRows, results.isLarge else { return }
        try emitResults()
    }

    /// Passes results on; to be called at the end of a batch.
    final func emitResults() throws(EngineError) {
        try held?.writeBack()
        emitInOrder(results.finish())
    }

    /// Appends the retained columns of a row.
    final func appendRetained(_ row: Int, isOld: Bool = false, to bytes: ScratchBytes) {
        guard retainedCount > 0 else { return }
        retainedCodec.append(isOld ? oldRetained : retained, row: row, to: bytes)
    }

    /// The builder of the results, with old values where they are asked for.
    var results: BatchBuilder { sendsOld ? oldBuilder : builder }

    /// Makes the record of a group without rows yet.
    func startState() {
        stateScratch.clear()
        for _ in 0..<(layout.fixedBytes / 8) { stateScratch.append(0 as Int64) }
    }

    /// Appends key, retained columns, results and window of a record to the builders.
    ///
    /// - Parameter states: those that have no fixed size, where they are known; the record's otherwise.
    func append(
        _ state: UnsafeRawBufferPointer, states: [SQLValue]? = nil, _ batch: Batch, _ row: Int,
        window: (start: Int64, end: Int64)?, to builders: [VectorBuilder]
    ) throws(EngineError) {
        appendKey(batch, row, to: builders)
        try appendValues(state, states: states, window: window, to: builders)
    }

    /// The columns of the key of a row. Copying a vector for each would cost more than the value.
    private func appendKey(_ batch: Batch, _ row: Int, to builders: [VectorBuilder]) {
        guard let plainKey, !keys.hasNull(row) else {
            for index in 0..<keyCount { builders[index].append(from: batch.columns[index], row: row) }
            return
        }
        let key = keys[row]
        switch plainKey {
        case .int32: builders[0].append(fixed: Int32(bigEndian: key.loadUnaligned(as: Int32.self)))
        case .int64: builders[0].append(fixed: Int64(bigEndian: key.loadUnaligned(as: Int64.self)))
        default: builders[0].append(bytes: key)
        }
    }

    func appendValues(
        _ state: UnsafeRawBufferPointer, states: [SQLValue]? = nil, window: (start: Int64, end: Int64)?,
        to builders: [VectorBuilder]
    ) throws(EngineError) {
        let retained = keyCount + retainedCount
        var at = layout.fixedBytes
        if retainedCount > 0 || layout.hasOthers {
            retainedCodec.read(state, at: &at, into: builders[keyCount..<retained])
        }
        let others = states ?? (layout.hasOthers ? layout.readOthers(state, at: &at) : [])
        guard let start = state.baseAddress else { return }
        try layout.appendResults(start, others: others, to: builders, from: retained)
        if hasWindowBounds, let window {
            let first = retained + layout.functions.count
            builders[first].append(fixed: window.start)
            builders[first + 1].append(fixed: window.end)
        }
    }

    /// Columns of a row that is not there.
    func appendMissing(_ batch: Batch, _ row: Int, to builders: [VectorBuilder]) {
        for (index, builder) in builders.enumerated() {
            if index < keyCount { builder.append(from: batch.columns[index], row: row) } else { builder.appendNull() }
        }
    }

    /// Adds a row to the record of its group in `table`, and appends the result to the builders.
    ///
    /// - Parameters:
    ///   - key: not of the table's memory.
    ///   - undo: the old row that is taken back first, for tables.
    final func update(
        _ table: SlabTable, _ key: UnsafeRawBufferPointer, _ batch: Batch, _ row: Int, _ arguments: [[Vector]],
        undo: (batch: Batch, arguments: [[Vector]])?, window: (start: Int64, end: Int64)?
    ) throws(EngineError) {
        let hash = hashBytes(key)
        var place = table.find(key, hash: hash, willChange: true)
        let results = self.results
        let timestamp = batch.timestamps[row]
        let adds = undo == nil || batch.present.isValid(row)
        let undoes = undo.map { $0.batch.present.isValid(row) && place != 0 } ?? false
        if sendsOld {
            if place == 0 {
                appendMissing(batch, row, to: results.oldColumns)
            } else {
                try append(
                    UnsafeRawBufferPointer(table.value(at: place)), batch, row, window: window, to: results.oldColumns)
            }
        }
        let wasThere = place != 0
        if !wasThere, !adds {
            // Undo of a group that is not there: Kafka Streams tells that there is nothing.
            appendMissing(batch, row, to: results.columns)
            results.endRow(timestamp: timestamp, present: false, oldPresent: false)
            return
        }
        if place == 0 {
            startState()
            appendRetained(row, isOld: !adds, to: stateScratch)
            if layout.hasOthers { layout.appendOthers(layout.initialOthers(), to: stateScratch) }
            place = try table.put(key, hash: hash, place: 0, value: stateScratch.bytes)
            table.value(at: place).storeBytes(of: Int64.min, as: Int64.self)
        }
        let value = table.value(at: place)
        guard let state = value.baseAddress else { return }
        table.touch(place)
        state.storeBytes(of: max(state.loadUnaligned(as: Int64.self), timestamp), as: Int64.self)
        if undoes { layout.applyFixed(state, row, isUndo: true) }
        if adds { layout.applyFixed(state, row, isUndo: false) }
        var states: [SQLValue]?
        if let group = try heldGroup(table, key, hash, &place, row) {
            try layout.applyOthers(&group.states, arguments, row, isUndo: false)
            states = group.states
        } else if wasThere, layout.hasOthers || retainedCodec.types.count > 0 {
            states = try rewrite(
                table, key, hash, &place, row, arguments, adds: adds, undo: undoes ? undo : nil)
        } else if layout.hasOthers {
            states = try rewrite(table, key, hash, &place, row, arguments, adds: adds, undo: nil)
        }
        let now = UnsafeRawBufferPointer(table.value(at: place))
        let time = now.loadUnaligned(as: Int64.self)
        try append(now, states: states, batch, row, window: window, to: results.columns)
        results.endRow(timestamp: time, oldPresent: wasThere)
        if let window { results.window(start: window.start, end: window.end) }
    }

    /// As `update`, for rows of streams whose groups have no more than a key of one column and states of fixed size. Goes
    /// over memory alone.
    ///
    /// - Parameters:
    ///   - key: of the record, not of the table's memory.
    ///   - keyByteCount: how much of it is the group's key.
    @inline(__always)
    final func updatePlain(
        _ table: SlabTable, _ key: UnsafeRawBufferPointer, keyByteCount: Int, _ row: Int, timestamp: Int64,
        window: (start: Int64, end: Int64)?, to plain: PlainResults
    ) throws(EngineError) {
        let hash = hashBytes(key)
        var place = table.find(key, hash: hash, willChange: true)
        let wasThere = place != 0
        if !wasThere {
            startState()
            place = try table.put(key, hash: hash, place: 0, value: stateScratch.bytes)
            table.value(at: place).storeBytes(of: Int64.min, as: Int64.self)
        }
        guard let state = table.value(at: place).baseAddress else { return }
        table.touch(place)
        let time = max(state.loadUnaligned(as: Int64.self), timestamp)
        state.storeBytes(of: time, as: Int64.self)
        layout.applyFixed(state, row, isUndo: false)
        if keys.hasNull(row) {
            plain.key.pointee.appendNull()
        } else {
            plain.appendKey(UnsafeRawBufferPointer(start: key.baseAddress, count: keyByteCount))
        }
        layout.appendFixedResults(UnsafeRawPointer(state), to: plain.functions)
        plain.end(timestamp: time, window: window)
    }

    /// The group of a row if its states are large enough to be held, and all else of its record stays as it is.
    private func heldGroup(
        _ table: SlabTable, _ key: UnsafeRawBufferPointer, _ hash: UInt64, _ place: inout SlabTable.Place, _ row: Int
    ) throws(EngineError) -> HeldStates.Group? {
        guard let held else { return nil }
        let record = UnsafeRawBufferPointer(table.value(at: place))
        guard record.count >= context.settings.heldStateByteCountMin else { return nil }
        if retainedCount > 0 {
            stateScratch.clear()
            appendRetained(row, to: stateScratch)
            let first = layout.fixedBytes
            let own = record[first..<(first + retainedCodec.byteCount(record, at: first))]
            guard stateScratch.bytes.elementsEqual(own) else {
                try held.writeBack()
                place = table.find(key, hash: hash, willChange: true)
                return nil
            }
        }
        return try held.group(table, key, hash, record: record)
    }

    /// Writes retained columns and other states again.
    ///
    /// - Returns: the other states.
    private func rewrite(
        _ table: SlabTable, _ key: UnsafeRawBufferPointer, _ hash: UInt64, _ place: inout SlabTable.Place, _ row: Int,
        _ arguments: [[Vector]], adds: Bool, undo: (batch: Batch, arguments: [[Vector]])?
    ) throws(EngineError) -> [SQLValue] {
        var others: [SQLValue] = []
        let value = UnsafeRawBufferPointer(table.value(at: place))
        stateScratch.clear()
        stateScratch.append(UnsafeRawBufferPointer(rebasing: value[..<layout.fixedBytes]))
        appendRetained(row, isOld: !adds, to: stateScratch)
        if !layout.hasOthers {
            // Mostly they are functions of the key, and nothing has changed.
            if stateScratch.count == value.count, stateScratch.bytes.elementsEqual(value) { return others }
        } else {
            var at = layout.fixedBytes
            at += retainedCodec.byteCount(value, at: at)
            others = layout.readOthers(value, at: &at)
            if let undo { try layout.applyOthers(&others, undo.arguments, row, isUndo: true) }
            if adds { try layout.applyOthers(&others, arguments, row, isUndo: false) }
            layout.appendOthers(others, to: stateScratch)
        }
        place = try table.put(key, hash: hash, place: place, value: stateScratch.bytes)
        return others
    }
}
