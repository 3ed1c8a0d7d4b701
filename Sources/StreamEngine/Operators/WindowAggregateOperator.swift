import Columns
import SQLPlan
import SQLTypes

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
        let collector = takeCollector(receiver)
        func end(_ start: Int64) -> Int64 {
            let (end, overflow) = start.addingReportingOverflow(size)
            return overflow ? .max : end
        }
        if let keys = try read.keys.bytes(keyCodec, collector.keyScratch) {
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
        try finish(collector)
    }

    override func adopt(_ old: Operator) {
        guard let old = old as? WindowAggregateOperator, hasLayout(of: old) else { return }
        (store, streamTime) = (old.store, old.streamTime)
    }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        begin(batch)
        let arguments = layout.arguments(batch, self)
        guard context.mayKeep() else { return }
        // On the way of every row: values of its own, for those of the object are checked for exclusive access.
        var streamTime = self.streamTime
        defer { self.streamTime = streamTime }
        var latest: (start: Int64, end: Int64, table: SlabTable)?
        let plain = self.plain
        do throws(EngineError) {
            for row in 0..<batch.count {
                let time = batch.timestamps[row]
                streamTime = max(streamTime, time)
                let closed = streamTime.subtractingReportingOverflow(grace)
                let closeTime = closed.overflow ? Int64.min : closed.partialValue
                keyScratch.clear()
                keyScratch.append(keys[row])
                let keyCount = keyScratch.count
                var start: Int64
                if let latest, size == advance, latest.start <= time, time < latest.end {
                    start = latest.start
                } else {
                    // Windows do not start before the epoch.
                    let (shifted, overflow) = time.addingReportingOverflow(advance - size)
                    start = max(0, overflow ? 0 : shifted) / advance * advance
                }
                while start <= time {
                    let (end, overflow) = start.addingReportingOverflow(size)
                    guard !overflow else { break }
                    if end > closeTime {
                        keyScratch.truncate(to: keyCount)
                        keyScratch.append(start.bigEndian)
                        if latest?.start != start { latest = (start, end, store.makeTable(start: start)) }
                        guard let latest else { break }
                        if let plain {
                            try updatePlain(
                                latest.table, keyScratch.bytes, keyByteCount: keyCount, row, timestamp: time,
                                window: (start, end), to: plain)
                        } else {
                            try update(
                                latest.table, keyScratch.bytes, batch, row, arguments, undo: nil, window: (start, end))
                        }
                        try emitLarge()
                    } else {
                        counters.late += 1
                    }
                    let (next, isLast) = start.addingReportingOverflow(advance)
                    guard !isLast else { break }
                    start = next
                }
            }
            try emitResults()
        } catch {
            fail(error)
        }
    }
}
