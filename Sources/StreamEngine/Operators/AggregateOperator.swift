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
    /// The retained columns of the batch that is processed, and of its old rows.
    private var retained: [Vector] = []
    private var oldRetained: [Vector] = []
    private var hasLongRows = false

    init(_ step: PlanStep, _ aggregate: AggregateStep, input: Operator, _ context: TaskContext) throws(EngineError) {
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
    }

    override var inputs: [Operator] { [input] }
    override func demandOldValues() { sendsOld = true }

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
        emit(results.finishEnded())
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
        retained = aggregate.retained.map { batch.columns[$0] }
        hasLongRows = batch.copiesMax < 16_384
        if let old = batch.old { oldRetained = aggregate.retained.map { old.columns[$0] } }
    }

    /// Passes results on when they have become many bytes.
    final func emitLarge() {
        if results.count & 63 == 0 || hasLongRows, results.isLarge { emit(results.finish()) }
    }

    /// Appends the retained columns of a row.
    final func appendRetained(_ row: Int, isOld: Bool = false, to bytes: ScratchBytes) {
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
    func append(
        _ state: UnsafeRawBufferPointer, _ batch: Batch, _ row: Int, window: (start: Int64, end: Int64)?,
        to builders: [VectorBuilder]
    ) throws(EngineError) {
        appendKey(batch, row, to: builders)
        try appendValues(state, window: window, to: builders)
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
        _ state: UnsafeRawBufferPointer, window: (start: Int64, end: Int64)?, to builders: [VectorBuilder]
    ) throws(EngineError) {
        let retained = keyCount + retainedCount
        var at = layout.fixedBytes
        if retainedCount > 0 || layout.hasOthers {
            retainedCodec.read(state, at: &at, into: builders[keyCount..<retained])
        }
        let others = layout.hasOthers ? layout.readOthers(state, at: &at) : []
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
        var place = table.find(key, hash: hash)
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
        if wasThere, layout.hasOthers || retainedCodec.types.count > 0 {
            place = try rewrite(
                table, key, hash, place, row, arguments, adds: adds, undo: undoes ? undo : nil)
        } else if layout.hasOthers {
            place = try rewrite(table, key, hash, place, row, arguments, adds: adds, undo: nil)
        }
        let now = UnsafeRawBufferPointer(table.value(at: place))
        let time = now.loadUnaligned(as: Int64.self)
        try append(now, batch, row, window: window, to: results.columns)
        results.endRow(timestamp: time, oldPresent: wasThere)
        if let window { results.window(start: window.start, end: window.end) }
    }

    /// Writes retained columns and other states again.
    private func rewrite(
        _ table: SlabTable, _ key: UnsafeRawBufferPointer, _ hash: UInt64, _ place: SlabTable.Place, _ row: Int,
        _ arguments: [[Vector]], adds: Bool, undo: (batch: Batch, arguments: [[Vector]])?
    ) throws(EngineError) -> SlabTable.Place {
        let value = UnsafeRawBufferPointer(table.value(at: place))
        stateScratch.clear()
        stateScratch.append(UnsafeRawBufferPointer(rebasing: value[..<layout.fixedBytes]))
        appendRetained(row, isOld: !adds, to: stateScratch)
        if !layout.hasOthers {
            // Mostly they are functions of the key, and nothing has changed.
            if stateScratch.count == value.count, stateScratch.bytes.elementsEqual(value) { return place }
        } else {
            var at = layout.fixedBytes
            at += retainedCodec.byteCount(value, at: at)
            var others = layout.readOthers(value, at: &at)
            if let undo { try layout.applyOthers(&others, undo.arguments, row, isUndo: true) }
            if adds { try layout.applyOthers(&others, arguments, row, isUndo: false) }
            layout.appendOthers(others, to: stateScratch)
        }
        return try table.put(key, hash: hash, place: place, value: stateScratch.bytes)
    }
}

/// Of a stream without windows, or of a table.
final class GroupAggregateOperator: AggregateOperator {
    private var table: SlabTable

    override init(_ step: PlanStep, _ aggregate: AggregateStep, input: Operator, _ context: TaskContext)
        throws(EngineError)
    {
        table = SlabTable(capturesChanges: context.settings.capturesChanges)
        try super.init(step, aggregate, input: input, context)
    }

    override var stores: [ChangelogStore] {
        [ChangelogStore(aggregate.store.name, [TablePart(table, isValid: recordCheck)])]
    }

    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        let collector = RowCollector(step.schema, receiver)
        if let keys = try read.keys.bytes(keyCodec) {
            for key in keys {
                try key.withKey { (key) throws(ReadEnd) in
                    if let state = table.value(key) { try give(key, state, window: nil, to: collector) }
                }
            }
        } else {
            try table.forEach { (key, state) throws(ReadEnd) in
                try give(key, state, window: nil, to: collector)
            }
        }
        try collector.flush()
    }

    override func adopt(_ old: Operator) {
        if let old = old as? GroupAggregateOperator, hasLayout(of: old) { table = old.table }
    }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        begin(batch)
        let arguments = layout.arguments(batch, self)
        let undo = batch.oldBatch.map { (batch: $0, arguments: layout.arguments($0, self, isOld: true)) }
        do throws(EngineError) {
            for row in 0..<batch.count {
                try update(table, keys[row], batch, row, arguments, undo: undo, window: nil)
                emitLarge()
            }
        } catch {
            return fail(error)
        }
        emit(results.finish())
    }
}

/// Of a stream in tumbling or hopping windows.
final class WindowAggregateOperator: AggregateOperator {
    private let size: Int64
    private let advance: Int64
    private let grace: Int64
    private var store: WindowStore
    private var streamTime = Int64.min
    private lazy var times = TimesPart { [unowned self] in
        [streamTime, store.observedTime]
    } set: { [unowned self] times in
        streamTime = times[0]
        store.restoreObservedTime(times[1])
    }

    init(
        _ step: PlanStep, _ aggregate: AggregateStep, _ window: WindowSpecification, size: Int64, advance: Int64,
        input: Operator, _ context: TaskContext
    ) throws(EngineError) {
        self.size = max(1, size)
        self.advance = max(1, advance)
        grace = max(0, window.grace)
        let (least, overflow) = self.size.addingReportingOverflow(grace)
        store = WindowStore(
            retentionMillis: max(window.retention ?? 0, overflow ? .max : least), windowMillis: self.size,
            capturesChanges: context.settings.capturesChanges)
        try super.init(step, aggregate, input: input, context)
        store.isValid = recordCheck
        _ = times
    }

    override var stores: [ChangelogStore] { [ChangelogStore(aggregate.store.name, [store, times])] }
    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        let collector = RowCollector(step.schema, receiver)
        func end(_ start: Int64) -> Int64 {
            let (end, overflow) = start.addingReportingOverflow(size)
            return overflow ? .max : end
        }
        if let keys = try read.keys.bytes(keyCodec) {
            for key in keys {
                try key.withKey { (key) throws(ReadEnd) in
                    try store.forEach(key, in: read.windowStart ?? 0...(.max), advance: advance) {
                        (start, state) throws(ReadEnd) in
                        try give(key, state, window: (start, end(start)), to: collector)
                    }
                }
            }
        } else {
            try store.forEach { (key, start, state) throws(ReadEnd) in
                try give(key, state, window: (start, end(start)), to: collector)
            }
        }
        try collector.flush()
    }

    override func adopt(_ old: Operator) {
        guard let old = old as? WindowAggregateOperator, hasLayout(of: old) else { return }
        (store, streamTime) = (old.store, old.streamTime)
    }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        begin(batch)
        let arguments = layout.arguments(batch, self)
        // On the way of every row: values of its own, for those of the object are checked for exclusive access.
        var streamTime = self.streamTime
        defer { self.streamTime = streamTime }
        var latest: (start: Int64, table: SlabTable)?
        do throws(EngineError) {
            for row in 0..<batch.count {
                let time = batch.timestamps[row]
                streamTime = max(streamTime, time)
                let closed = streamTime.subtractingReportingOverflow(grace)
                let closeTime = closed.overflow ? Int64.min : closed.partialValue
                keyScratch.clear()
                keyScratch.append(keys[row])
                let keyCount = keyScratch.count
                // Windows do not start before the epoch.
                let (shifted, overflow) = time.addingReportingOverflow(advance - size)
                var start = max(0, overflow ? 0 : shifted) / advance * advance
                while start <= time {
                    let (end, overflow) = start.addingReportingOverflow(size)
                    guard !overflow else { break }
                    if end > closeTime {
                        keyScratch.truncate(to: keyCount)
                        keyScratch.append(start.bigEndian)
                        let table: SlabTable
                        if let latest, latest.start == start {
                            table = latest.table
                        } else {
                            table = store.makeTable(start: start)
                            latest = (start, table)
                        }
                        try update(
                            table, keyScratch.bytes, batch, row, arguments, undo: nil, window: (start, end))
                        emitLarge()
                    } else {
                        counters.late += 1
                    }
                    let (next, isLast) = start.addingReportingOverflow(advance)
                    guard !isLast else { break }
                    start = next
                }
            }
        } catch {
            return fail(error)
        }
        emit(results.finish())
    }
}

/// Of a stream in sessions: a row within the gap of sessions joins, and so merges, them. The sessions that it swallows are
/// deleted first, by end and then start.
final class SessionAggregateOperator: AggregateOperator {
    private let gap: Int64
    /// Gap and grace: sessions that ended longer ago are closed. Milliseconds.
    private let closesAfter: Int64
    private var store: SessionStore
    private var streamTime = Int64.min
    private lazy var times = TimesPart { [unowned self] in
        [streamTime, store.observedTime]
    } set: { [unowned self] times in
        streamTime = times[0]
        store.restoreObservedTime(times[1])
    }

    init(
        _ step: PlanStep, _ aggregate: AggregateStep, _ window: WindowSpecification, gap: Int64, input: Operator,
        _ context: TaskContext
    ) throws(EngineError) {
        self.gap = max(0, gap)
        let grace = max(0, window.grace)
        let (least, overflow) = self.gap.addingReportingOverflow(grace)
        closesAfter = overflow ? .max : least
        store = SessionStore(
            retentionMillis: max(window.retention ?? 0, closesAfter),
            capturesChanges: context.settings.capturesChanges)
        try super.init(step, aggregate, input: input, context)
        store.isValid = recordCheck
        _ = times
    }

    override var stores: [ChangelogStore] { [ChangelogStore(aggregate.store.name, [store, times])] }
    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        let collector = RowCollector(step.schema, receiver)
        func give(_ key: UnsafeRawBufferPointer, _ session: SessionStore.Session) throws(ReadEnd) {
            try session.value.withKey { (state) throws(ReadEnd) in
                try self.give(key, state, window: (session.start, session.end), to: collector)
            }
        }
        if let keys = try read.keys.bytes(keyCodec) {
            for key in keys {
                try key.withKey { (key) throws(ReadEnd) in
                    for session in store.sessions(key) { try give(key, session) }
                }
            }
        } else {
            try store.forEach { (key, session) throws(ReadEnd) in try give(key, session) }
        }
        try collector.flush()
    }

    override func adopt(_ old: Operator) {
        guard let old = old as? SessionAggregateOperator, hasLayout(of: old) else { return }
        (store, streamTime) = (old.store, old.streamTime)
    }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        begin(batch)
        let arguments = layout.arguments(batch, self)
        do throws(EngineError) {
            for row in 0..<batch.count {
                try add(batch, row, arguments)
                emitLarge()
            }
        } catch {
            return fail(error)
        }
        emit(results.finish())
    }

    private func add(_ batch: Batch, _ row: Int, _ arguments: [[Vector]]) throws(EngineError) {
        let time = batch.timestamps[row]
        streamTime = max(streamTime, time)
        keyScratch.clear()
        keyScratch.append(keys[row])
        let key = keyScratch.bytes
        let from = time - min(gap, time)  // times are not negative
        let (to, overflow) = time.addingReportingOverflow(gap)
        if !layout.hasOthers, !sendsOld {
            switch store.relation(key, end: time, meeting: from...(overflow ? .max : to)) {
            case .extends(let session): if try extend(session, batch, row) { return }
            case .follows: return try start(batch, row)
            case .other: break
            }
        }
        var sessions = store.sessions(key)
        var merged: [SessionStore.Session] = []
        sessions.removeAll { session in
            guard session.end >= from, session.start <= (overflow ? .max : to) else { return false }
            merged.append(session)
            return true
        }
        let start = min(time, merged.map(\.start).min() ?? time)
        let end = max(time, merged.map(\.end).max() ?? time)
        let (closed, isOpen) = streamTime.subtractingReportingOverflow(closesAfter)
        if !isOpen, end < closed {
            counters.late += 1
            return
        }
        let results = self.results
        // A row at the very time of a session of one moment changes it in its place.
        let isSame = start == time && end == time
        let before = isSame ? merged.first : nil
        if !isSame {
            for session in merged { try delete(session, batch, row, results) }
        }
        var state = try mergedState(merged)
        try addRow(&state, batch, row, arguments)
        state.withUnsafeMutableBytes { $0.storeBytes(of: end, as: Int64.self) }
        if sendsOld {
            if let before {
                try read(before.value) { bytes throws(EngineError) in
                    try append(bytes, batch, row, window: (start, end), to: results.oldColumns)
                }
            } else {
                appendMissing(batch, row, to: results.oldColumns)
            }
        }
        try read(state) { bytes throws(EngineError) in
            try append(bytes, batch, row, window: (start, end), to: results.columns)
        }
        results.endRow(timestamp: end, oldPresent: before != nil)
        results.window(start: start, end: end)
        let new = SessionStore.Session(start: start, end: end, value: state)
        let place = sessions.firstIndex { ($0.end, $0.start) > (end, start) } ?? sessions.count
        sessions.insert(new, at: place)
        try store.set(key, sessions)
        try store.observe(key, end: end, previousEnd: merged.last?.end)
    }

    /// A new session behind all others of its key.
    private func start(_ batch: Batch, _ row: Int) throws(EngineError) {
        let time = batch.timestamps[row]
        let (closed, isOpen) = streamTime.subtractingReportingOverflow(closesAfter)
        if !isOpen, time < closed {
            counters.late += 1
            return
        }
        startState()
        appendRetained(row, to: stateScratch)
        let state = stateScratch.mutableBytes
        guard let first = state.baseAddress else { return }
        layout.applyFixed(first, row, isUndo: false)
        first.storeBytes(of: time, as: Int64.self)
        let results = self.results
        try append(stateScratch.bytes, batch, row, window: (time, time), to: results.columns)
        results.endRow(timestamp: time)
        results.window(start: time, end: time)
        try store.append(keyScratch.bytes, start: time, end: time, value: stateScratch.bytes)
        try store.observe(keyScratch.bytes, end: time)
    }

    /// The common case: the last session of a key takes a row, and its state is changed in place.
    ///
    /// - Returns: false when its retained columns do not fit where they are.
    private func extend(
        _ session: SessionStore.SingleSession, _ batch: Batch, _ row: Int
    ) throws(EngineError) -> Bool {
        let time = batch.timestamps[row]
        let start = min(time, session.start)
        let end = max(time, session.end)
        let previousEnd = session.end
        stateScratch.clear()
        appendRetained(row, to: stateScratch)
        guard stateScratch.count == session.value.count - layout.fixedBytes, let state = session.value.baseAddress
        else {
            return false
        }
        let (closed, isOpen) = streamTime.subtractingReportingOverflow(closesAfter)
        if !isOpen, end < closed {
            counters.late += 1
            return true
        }
        let results = self.results
        if start != time || end != time {
            appendMissing(batch, row, to: results.columns)
            results.endRow(timestamp: session.end, present: false)
            results.window(start: session.start, end: session.end)
        }
        store.willChange(session, start: start, end: end)
        layout.applyFixed(state, row, isUndo: false)
        state.storeBytes(of: end, as: Int64.self)
        if let retained = stateScratch.bytes.baseAddress {
            (state + layout.fixedBytes).copyMemory(from: retained, byteCount: stateScratch.count)
        }
        try append(UnsafeRawBufferPointer(session.value), batch, row, window: (start, end), to: results.columns)
        results.endRow(timestamp: end)
        results.window(start: start, end: end)
        try store.observe(keyScratch.bytes, end: end, previousEnd: previousEnd)
        return true
    }

    private func delete(
        _ session: SessionStore.Session, _ batch: Batch, _ row: Int, _ results: BatchBuilder
    ) throws(EngineError) {
        appendMissing(batch, row, to: results.columns)
        if sendsOld {
            try read(session.value) { bytes throws(EngineError) in
                try append(bytes, batch, row, window: (session.start, session.end), to: results.oldColumns)
            }
        }
        results.endRow(timestamp: session.end, present: false, oldPresent: true)
        results.window(start: session.start, end: session.end)
    }

    /// The state of sessions together, without retained columns; of none: the initial state.
    private func mergedState(_ sessions: [SessionStore.Session]) throws(EngineError) -> [UInt8] {
        startState()
        var fixed = [UInt8](stateScratch.bytes)
        var others = layout.initialOthers()
        for session in sessions {
            fixed.withUnsafeMutableBytes { into in
                session.value.withUnsafeBytes { from in
                    if let into = into.baseAddress, let from = from.baseAddress { layout.mergeFixed(into, from) }
                }
            }
            guard layout.hasOthers else { continue }
            let later = session.value.withUnsafeBytes { bytes in
                var at = layout.fixedBytes
                at += retainedCodec.byteCount(bytes, at: at)
                return layout.readOthers(bytes, at: &at)
            }
            try layout.mergeOthers(&others, later)
        }
        mergedOthers = others
        return fixed
    }

    private var mergedOthers: [SQLValue] = []
    private let readScratch = ScratchBytes()

    private func addRow(
        _ state: inout [UInt8], _ batch: Batch, _ row: Int, _ arguments: [[Vector]]
    ) throws(EngineError) {
        state.withUnsafeMutableBytes { bytes in
            if let start = bytes.baseAddress { layout.applyFixed(start, row, isUndo: false) }
        }
        stateScratch.clear()
        appendRetained(row, to: stateScratch)
        if layout.hasOthers {
            try layout.applyOthers(&mergedOthers, arguments, row, isUndo: false)
            layout.appendOthers(mergedOthers, to: stateScratch)
        }
        state.append(contentsOf: stateScratch.bytes)
    }

    private func read(
        _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(EngineError) -> Void
    ) throws(EngineError) {
        readScratch.clear()
        bytes.withUnsafeBytes { readScratch.append($0) }
        try body(readScratch.bytes)
    }
}
