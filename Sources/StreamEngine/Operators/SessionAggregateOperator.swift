import Columns
import SQLPlan
import SQLTypes

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
    override func didRestore() throws(EngineError) { try store.didRestore() }
    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        let collector = takeCollector(receiver)
        func give(_ key: UnsafeRawBufferPointer, _ session: SessionStore.Session) throws(ReadEnd) {
            try session.value.withKey { (state) throws(ReadEnd) in
                try self.give(key, state, window: (session.start, session.end), to: collector)
            }
        }
        if let keys = try read.keys.bytes(keyCodec, collector.keyScratch) {
            for key in keys {
                try key.withKey { (key) throws(ReadEnd) in
                    for session in store.sessions(key) { try give(key, session) }
                }
            }
        } else {
            try store.forEach { (key, session) throws(ReadEnd) in try give(key, session) }
        }
        try finish(collector)
    }

    override func adopt(_ old: Operator) {
        guard let old = old as? SessionAggregateOperator, hasLayout(of: old) else { return }
        (store, streamTime) = (old.store, old.streamTime)
    }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        begin(batch)
        let arguments = layout.arguments(batch, self)
        guard context.mayKeep() else { return }
        do throws(EngineError) {
            for row in 0..<batch.count {
                try add(batch, row, arguments)
                try emitLarge()
            }
            try emitResults()
        } catch {
            fail(error)
        }
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
        let merged = store.sessions(key, meeting: from...(overflow ? .max : to))
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
        try store.replace(key, merged, with: SessionStore.Session(start: start, end: end, value: state))
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
