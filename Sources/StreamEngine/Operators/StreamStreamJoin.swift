import Columns
import SQLPlan
import SQLTypes

/// Joins rows of two streams whose times are close to each other.
///
/// Without GRACE an unmatched row of an outer side is put out as soon as it comes. With it such a row waits until its
/// window and the grace period are over, and is put out, before anything else, when a record moves stream time beyond
/// that; a row that comes later than that does not wait. The order among those: time, right before left, key. This is
/// the order of Kafka Streams' store of unmatched rows.
///
/// As Kafka Streams does, it does not look for rows that have closed with every record, but when the row at which the
/// look before ended would have closed for the side of the record (`lookedTo`). Rows leave in groups so.
final class StreamStreamJoinOperator: Operator {
    private final class Side {
        let buffer: JoinBuffer
        let codec: RowCodec
        let found: FoundRows
        /// A row that the join's condition is asked about.
        let candidate: FoundRows
        let isOuter: Bool
        /// How far before and after a row of this side those of the other may be.
        let before: Int64
        let after: Int64
        /// Rows that have met nobody yet: by time and key.
        let waiting: TimeOrderedBuffer

        init(
            _ schema: RowSchema, isOuter: Bool, before: Int64, after: Int64, retention: Int64, isWindowed: Bool,
            _ settings: EngineSettings
        ) {
            let types = schema.columns.map(\.type)
            codec = RowCodec(types)
            let keys = KeyCodec(schema.keys.map(\.type))
            let windowBytes = isWindowed ? 16 : 0
            let check: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool = { [codec] key, row in
                key.count >= windowBytes
                    && keys.isKey(UnsafeRawBufferPointer(rebasing: key[..<(key.count - windowBytes)]))
                    && codec.isRow(row)
            }
            waiting = TimeOrderedBuffer(capturesChanges: settings.capturesChanges, isValid: check)
            found = FoundRows(types)
            candidate = FoundRows(types)
            self.isOuter = isOuter
            self.before = before
            self.after = after
            let (span, overflow) = before.addingReportingOverflow(after)
            buffer = JoinBuffer(
                retentionMillis: retention, spanMillis: overflow ? .max : max(0, span),
                capturesChanges: settings.capturesChanges, isValid: check)
        }
    }

    private let left: Operator
    private let right: Operator
    private let join: StreamStreamJoinStep
    private let sides: [Side]
    /// Keys of windowed streams are equal if their windows are.
    private let keys: KeyRows
    private let keyOrder: StoredKeyOrder
    private let keyCount: Int
    /// Of joins that wait.
    private let grace: Int64
    private let waits: Bool
    private let isWindowed: Bool
    private var streamTime = Int64.min
    /// No row that waits is looked for as long as one of this time would be open; `Int64.max`: nobody knows.
    private var lookedTo = Int64.max
    private lazy var leftTimes = TimesPart { [unowned self] in
        [streamTime, sides[0].buffer.latestTime]
    } set: { [unowned self] times in
        streamTime = times[0]
        sides[0].buffer.restoreLatestTime(times[1])
    }
    private lazy var rightTimes = TimesPart { [unowned self] in
        [sides[1].buffer.latestTime]
    } set: { [unowned self] times in
        sides[1].buffer.restoreLatestTime(times[0])
    }
    private let rowScratch = ScratchBytes()
    private let condition: JoinCondition?

    init(
        _ step: PlanStep, _ join: StreamStreamJoinStep, left: Operator, right: Operator, _ context: TaskContext
    ) throws(EngineError) {
        self.left = left
        self.right = right
        self.join = join
        grace = max(0, join.grace ?? 0)
        let isLeftOuter = join.kind == .left || join.kind == .full
        let isRightOuter = join.kind == .right || join.kind == .full
        waits = join.grace != nil && join.kind != .inner
        // A RIGHT join looks from its right side as other joins do from their left one.
        let isReversed = join.kind == .right
        let (before, after) = isReversed ? (join.after, join.before) : (join.before, join.after)
        isWindowed = step.schema.window != nil
        sides = [
            Side(
                left.step.schema, isOuter: isLeftOuter, before: before, after: after, retention: join.retention,
                isWindowed: isWindowed, context.settings),
            Side(
                right.step.schema, isOuter: isRightOuter, before: after, after: before, retention: join.retention,
                isWindowed: isWindowed, context.settings),
        ]
        condition = try JoinCondition(join.residual, context.functions)
        keyCount = left.step.schema.keyCount
        keys = KeyRows(KeyCodec(left.step.schema.keys.map(\.type)))
        keyOrder = try StoredKeyOrder(Array(left.step.schema.keys), join.leftStore.formats.key, context)
        super.init(step, context)
        left.connect(to: self, input: 0)
        right.connect(to: self, input: 1)
        _ = (leftTimes, rightTimes)
    }

    override var inputs: [Operator] { [left, right] }

    override var stores: [ChangelogStore] {
        [
            ChangelogStore(join.leftStore.name, [sides[0].buffer, leftTimes, sides[0].waiting]),
            ChangelogStore(join.rightStore.name, [sides[1].buffer, rightTimes, sides[1].waiting]),
        ]
    }

    /// Of windows in time only the start is in the bytes of keys: those of both sides match whatever their sizes, and results
    /// have windows as the left side has them.
    private func withOwnWindows(_ batch: Batch) -> Batch {
        guard let size = step.schema.window?.size, let windows = batch.windows else { return batch }
        var batch = batch
        let starts = windows.starts
        batch.windows = .init(starts: starts, ends: ColumnBuffer((0..<batch.count).map { add(starts[$0], size) }))
        return batch
    }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        guard context.mayKeep() else { return }
        let batch = withOwnWindows(batch)
        var pairs = JoinPairs()
        let pairsMax = batch.copiesMax
        keys.fill(batch.columns[..<keyCount], count: batch.count, windows: isWindowed ? batch.windows : nil)
        let columns = RowColumns(batch.columns)
        do throws(EngineError) {
            for row in 0..<batch.count { try join(row, of: batch, columns, input, &pairs, pairsMax) }
        } catch {
            flush(&pairs, batch, input)
            return context.fail(error)
        }
        flush(&pairs, batch, input)
    }

    private func join(
        _ row: Int, of batch: Batch, _ columns: RowColumns, _ input: Int, _ pairs: inout JoinPairs, _ pairsMax: Int
    ) throws(EngineError) {
        let own = sides[input]
        let other = sides[1 - input]
        let time = batch.timestamps[row]
        streamTime = max(streamTime, time)
        let from = max(0, subtract(time, own.before))
        let to = max(0, add(time, own.after))
        guard batch.present.isValid(row) else {
            counters.filtered += 1
            return
        }
        let key = keys[row]
        let hasNull = keys.hasNull(row)
        guard batch.hasKey.isValid(row), !(hasNull && keyCount == 1) else {
            if own.isOuter {
                counters.unmatched += 1
                pairs.append(row, -1, time)
            } else {
                counters.filtered += 1
            }
            return
        }
        if waits, time == streamTime, mayHaveClosed(own) {
            flush(&pairs, batch, input)
            emitClosed(batch)
        }
        rowScratch.clear()
        own.codec.append(columns, row: row, to: rowScratch)
        try own.buffer.put(key, time: time, row: rowScratch.bytes)
        var isMatched = false
        if from <= to {
            try other.buffer.forEach(key, in: from...to) { (otherTime, bytes) throws(EngineError) in
                if let condition {
                    let isMet = meets(condition, batch, row, bytes, max(time, otherTime), input) {
                        // What is noted of the rows before comes first.
                        flush(&pairs, batch, input)
                    }
                    guard isMet else { return }
                    if waits, other.isOuter { try other.waiting.remove(time: otherTime, order: key, value: bytes) }
                } else if waits, other.isOuter {
                    other.waiting.remove(time: otherTime, order: key)
                }
                isMatched = true
                pairs.append(row, other.found.append(bytes), max(time, otherTime))
                if pairs.own.count >= pairsMax || other.found.isLarge { flush(&pairs, batch, input) }
            }
        }
        guard !isMatched else { return }
        counters.unmatched += 1
        guard own.isOuter else { return }
        if !waits || to < streamTime {
            pairs.append(row, -1, time)
        } else {
            try own.waiting.put(
                time: time, order: key, timestamp: time, value: rowScratch.bytes, replacing: false)
            lookedTo = min(lookedTo, time)
        }
    }

    /// Whether a row and one of the other side that has its key and is near in time fulfil the join's condition.
    private func meets(
        _ condition: JoinCondition, _ batch: Batch, _ row: Int, _ bytes: UnsafeRawBufferPointer, _ time: Int64,
        _ input: Int, beforeNote: () -> Void
    ) -> Bool {
        let candidate = sides[1 - input].candidate
        _ = candidate.append(bytes)
        var pair = JoinPairs()
        pair.append(row, 0, time)
        let columns = pair.columns(
            join.columns, own: batch.columns, others: candidate.finish(), isLeft: input == 0, types: types)
        var failures: [CompiledExpression.Failure] = []
        let meets = condition.holds(columns, count: 1, failures: &failures)[0]
        if !failures.isEmpty {
            beforeNote()
            noteOfCondition(failures, pair)
        }
        return meets
    }

    private func flush(_ pairs: inout JoinPairs, _ batch: Batch, _ input: Int) {
        guard !pairs.own.isEmpty else { return }
        let others = sides[1 - input].found.finish()
        let result = Batch(
            count: pairs.own.count,
            columns: pairs.columns(join.columns, own: batch.columns, others: others, isLeft: input == 0, types: types),
            timestamps: ColumnBuffer(pairs.timestamps), hasKey: batch.hasKey.gathered(pairs.own),
            windows: isWindowed ? batch.windows?.gathered(pairs.own) : nil)
        pairs = JoinPairs()
        emitInOrder(result)
    }

    // MARK: Unmatched rows

    /// The time before which rows of a side have closed.
    private func closeTime(_ side: Side) -> Int64 { subtract(subtract(streamTime, side.after), grace) }

    private func mayHaveClosed(_ own: Side) -> Bool {
        if lookedTo == .max { return sides.contains { $0.waiting.firstTime != nil } }
        return lookedTo < closeTime(own)
    }

    /// - Parameter last: the time of the last row that was put out.
    /// - Returns: the time of the row at which Kafka Streams' look at the rows that wait ends: the one behind the first
    ///   open row of each side, or the last of all.
    private func endOfLook(_ last: Int64?) -> Int64 {
        let (left, right) = (sides[0].waiting, sides[1].waiting)
        guard let openLeft = left.firstTime, let openRight = right.firstTime else {
            return [left.lastTime, right.lastTime, last].compactMap { $0 }.max() ?? .max
        }
        let open = max(openLeft, openRight)
        // Of the same time those of the right side come first.
        let isSame =
            openLeft >= openRight
            ? left.hasSeveralEntries(time: open)
            : right.hasSeveralEntries(time: open) || left.hasEntries(time: open)
        if isSame { return open }
        return [left, right].compactMap { $0.firstTime(after: open) }.min() ?? open
    }

    /// The time of the first row of a side that waits, if it has closed.
    private func firstClosed(_ side: Side) -> Int64? {
        side.waiting.firstTime.flatMap { $0 < closeTime(side) ? $0 : nil }
    }

    /// Entries of one time in the order of their keys, and then of their windows.
    private func sorted(_ entries: [TimeOrderedBuffer.Entry]) -> [TimeOrderedBuffer.Entry] {
        let windowBytes = isWindowed ? 16 : 0
        return keyOrder.sorted(entries, isOfBytes: !isWindowed) { entry in
            let end = max(0, entry.order.count - windowBytes)
            return ([], entry.order[..<end], entry.order[end...])
        }
    }

    private func emitClosed(_ batch: Batch) {
        var closed: [(side: Int, entry: TimeOrderedBuffer.Entry)] = []
        while let time = sides.compactMap(firstClosed).min() {
            // Of the same time those of the right side come first.
            for (index, side) in sides.enumerated().reversed() where firstClosed(side) == time {
                closed += sorted(side.waiting.popFirst()).map { (index, $0) }
            }
        }
        lookedTo = endOfLook(closed.last?.entry.time)
        for (side, entry) in closed {
            let rows = FoundRows(sides[side].codec.types)
            entry.value.withUnsafeBytes { _ = rows.append($0) }
            let own = rows.finish()
            var pairs = JoinPairs()
            pairs.append(0, -1, entry.timestamp)
            emit(
                Batch(
                    count: 1,
                    columns: pairs.columns(join.columns, own: own, others: [], isLeft: side == 0, types: types),
                    timestamps: ColumnBuffer(pairs.timestamps), windows: isWindowed ? window(entry.order) : nil))
        }
    }

    /// The window at the end of a key's bytes.
    private func window(_ key: [UInt8]) -> Batch.Windows? {
        guard key.count >= 16 else { return nil }
        return key.withUnsafeBytes { bytes in
            let start = bytes.loadUnaligned(fromByteOffset: bytes.count - 16, as: Int64.self)
            let end = bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: Int64.self)
            return .init(
                starts: ColumnBuffer([Int64(bigEndian: start)]), ends: ColumnBuffer([Int64(bigEndian: end)]))
        }
    }

    private func add(_ a: Int64, _ b: Int64) -> Int64 {
        let (sum, overflow) = a.addingReportingOverflow(b)
        return overflow ? .max : sum
    }

    private func subtract(_ a: Int64, _ b: Int64) -> Int64 {
        let (difference, overflow) = a.subtractingReportingOverflow(b)
        return overflow ? .min : difference
    }
}
