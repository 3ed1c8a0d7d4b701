import Columns
import SQLPlan
import SQLTypes

/// EMIT FINAL: holds the result of a window back until the window and its grace period are over. Then results come out by
/// end of window, and among those of the same window by key.
///
/// A window that stream time passes by more than the retention in one step is lost: its store has dropped it by then in
/// the original, and the cases want it so. A longer RETENTION keeps it.
final class SuppressOperator: Operator {
    private let input: Operator
    private let suppress: SuppressStep
    /// Sessions stay open for another gap: a row might still join them.
    private let gap: Int64?
    /// Of time windows: how they follow each other, and how long their store keeps them.
    private let advance: Int64
    private let retention: Int64
    private let keyCodec: KeyCodec
    private let rowCodec: RowCodec
    private let keyOrder: StoredKeyOrder
    private let keyCount: Int
    private let buffer: TimeOrderedBuffer
    private var streamTime = Int64.min
    private lazy var times = TimesPart { [unowned self] in
        [streamTime, finals?.observedTime ?? .min]
    } set: { [unowned self] times in
        streamTime = times[0]
        finals?.restoreObservedTime(times[1])
    }
    /// Results that came out, if the table is read: retention of the window twice and a minute, so that results can be seen
    /// for a while where windows are kept no longer than they are open.
    private var finals: WindowStore?
    private let builder: BatchBuilder
    private let scratch = ScratchBytes()
    private let order = ScratchBytes()

    init(_ step: PlanStep, _ suppress: SuppressStep, input: Operator, _ context: TaskContext) throws(EngineError) {
        self.input = input
        self.suppress = suppress
        let window = suppress.input.aggregateWindow
        var gap: Int64?
        var advance: Int64 = 1
        var retention = Int64.max
        switch window?.kind {
        case .session(let sessionGap):
            gap = sessionGap
            retention = Self.retention(sessionGap, window)
        case .tumbling(let size):
            advance = max(1, size)
            retention = Self.retention(size, window)
        case .hopping(let size, let step):
            advance = max(1, step)
            retention = Self.retention(size, window)
        case nil: break
        }
        self.gap = gap
        self.advance = advance
        self.retention = retention
        keyCount = step.schema.keyCount
        keyCodec = KeyCodec(step.schema.keys.map(\.type))
        rowCodec = RowCodec(step.schema.columns.map(\.type))
        keyOrder = try StoredKeyOrder(Array(step.schema.keys), suppress.store.formats.key, context)
        builder = BatchBuilder(step.schema.columns.map(\.type), hasWindows: true)
        let startBytes = gap == nil ? 0 : 8
        buffer = TimeOrderedBuffer(capturesChanges: context.settings.capturesChanges) {
            [keyCodec, rowCodec] order, value in
            order.count >= startBytes && keyCodec.isKey(UnsafeRawBufferPointer(rebasing: order[startBytes...]))
                && rowCodec.isRow(value, from: 8)
        }
        super.init(step, context)
        input.connect(to: self, input: 0)
        _ = times
    }

    private static func retention(_ size: Int64, _ window: WindowSpecification?) -> Int64 {
        let (least, overflow) = size.addingReportingOverflow(max(0, window?.grace ?? 0))
        return max(window?.retention ?? 0, overflow ? .max : least)
    }

    override var inputs: [Operator] { [input] }
    override var stores: [ChangelogStore] {
        [ChangelogStore(suppress.store.name, finals.map { [$0, buffer, times] } ?? [buffer, times])]
    }
    override var isReadable: Bool { true }
    override var looksKeysUp: Bool { true }

    override func keepForReading() {
        let (kept, overflow) = retention.multipliedReportingOverflow(by: 2)
        let (longer, isMore) = kept.addingReportingOverflow(60_000)
        let store = WindowStore(
            retentionMillis: overflow || isMore ? .max : longer, windowMillis: 1,
            capturesChanges: context.settings.capturesChanges)
        store.isValid = { [keyCodec, rowCodec] key, value in keyCodec.isKey(key) && rowCodec.isRow(value, from: 16) }
        finals = store
    }

    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        guard let finals else { return }
        let collector = takeCollector(receiver)
        func give(_ start: Int64, _ value: UnsafeRawBufferPointer) throws(ReadEnd) {
            var at = 16
            rowCodec.read(value, at: &at, into: collector.builder.columns[...])
            try collector.endRow(
                timestamp: value.loadUnaligned(fromByteOffset: 8, as: Int64.self),
                window: (start, value.loadUnaligned(as: Int64.self)))
        }
        if let keys = try read.keys.bytes(keyCodec, collector.keyScratch) {
            for key in keys {
                try key.withKey { (key) throws(ReadEnd) in
                    // Sessions start anywhere.
                    try finals.forEach(key, in: read.windowStart ?? 0...(.max), advance: gap == nil ? advance : 1) {
                        (start, value) throws(ReadEnd) in try give(start, value)
                    }
                }
            }
        } else {
            try finals.forEach { (_, start, value) throws(ReadEnd) in try give(start, value) }
        }
        try finish(collector)
    }

    /// Keeps a result that is final.
    private func keep(_ entry: TimeOrderedBuffer.Entry, _ finals: WindowStore) throws(EngineError) {
        try entry.value.withRawBytes { value throws(EngineError) in
            let start = value.loadUnaligned(as: Int64.self)
            guard finals.isLive(start: start) else { return }
            let table = finals.makeTable(start: start)
            order.clear()
            order.append(entry.time)
            order.append(entry.timestamp)
            order.append(UnsafeRawBufferPointer(rebasing: value[8...]))
            scratch.clear()
            entry.order.withUnsafeBytes {
                scratch.append(UnsafeRawBufferPointer(rebasing: $0[(gap == nil ? 0 : 8)...]))
            }
            scratch.append(start.bigEndian)
            try table.put(scratch.bytes, order.bytes)
        }
    }
    /// There is one result for each window, so there are no old ones.
    override func demandOldValues() {}

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        guard context.mayKeep() else { return }
        guard let windows = batch.windows else { return emitInOrder(batch) }
        let columns = RowColumns(batch.columns)
        do throws(EngineError) {
            for row in 0..<batch.count {
                try hold(batch, columns, row, windows)
                guard batch.timestamps[row] > streamTime else { continue }
                streamTime = batch.timestamps[row]
                try emitClosed()
            }
        } catch {
            emitInOrder(builder.finishEnded())
            return context.fail(error)
        }
        emitInOrder(builder.finish())
    }

    private func hold(
        _ batch: Batch, _ columns: RowColumns, _ row: Int, _ windows: Batch.Windows
    ) throws(EngineError) {
        let start = windows.starts[row]
        let end = windows.ends[row]
        order.clear()
        if gap != nil { order.append(start.bigEndian) }
        keyCodec.append(batch.columns[..<keyCount], row: row, to: order)
        guard batch.present.isValid(row) else { return buffer.remove(time: end, order: order.bytes) }
        scratch.clear()
        scratch.append(start)
        rowCodec.append(columns, row: row, to: scratch)
        try buffer.put(
            time: end, order: order.bytes, timestamp: batch.timestamps[row], value: scratch.bytes, replacing: true)
        if let most = context.settings.suppressedByteCountMax, buffer.byteCount > most {
            throw EngineError(
                .fatalRecord,
                "EMIT FINAL would hold back \(buffer.byteCount) bytes, and ksql.suppress.buffer.size.bytes allows \(most)"
            )
        }
    }

    private func emitClosed() throws(EngineError) {
        let (closeTime, overflow) = streamTime.subtractingReportingOverflow(suppress.grace)
        guard !overflow else { return }
        while let end = buffer.firstTime {
            if let gap {
                let (last, overflow) = closeTime.subtractingReportingOverflow(gap)
                guard !overflow, end < last else { return }
            } else {
                guard end <= closeTime else { return }
            }
            let latestStart = streamTime / advance * advance
            let (earliest, overflow) = latestStart.subtractingReportingOverflow(retention)
            let startBytes = gap == nil ? 0 : 8
            let closed = keyOrder.sorted(buffer.popFirst(), isOfBytes: true) {
                ($0.order[..<startBytes], $0.order[startBytes...], [])
            }
            for entry in closed {
                let start = entry.value.withUnsafeBytes { $0.loadUnaligned(as: Int64.self) }
                if gap == nil, !overflow, start < earliest {
                    counters.late += 1
                    continue
                }
                if let finals { try keep(entry, finals) }
                entry.value.withUnsafeBytes { bytes in
                    var at = 8
                    rowCodec.read(bytes, at: &at, into: builder.columns[...])
                    builder.endRow(timestamp: entry.timestamp)
                    builder.window(start: bytes.loadUnaligned(as: Int64.self), end: entry.time)
                }
            }
        }
    }
}

extension PlanStep {
    /// The windows of the aggregation below.
    fileprivate var aggregateWindow: WindowSpecification? {
        if case .aggregate(let aggregate) = operation { return aggregate.window }
        return inputs.first?.aggregateWindow
    }
}
