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
    private let keyCount: Int
    private var buffer = TimeOrderedBuffer()
    private var streamTime = Int64.min
    private let builder: BatchBuilder
    private let scratch = ScratchBytes()

    init(_ step: PlanStep, _ suppress: SuppressStep, input: Operator, _ context: TaskContext) {
        self.input = input
        self.suppress = suppress
        let window = suppress.input.aggregateWindow
        var gap: Int64?
        var advance: Int64 = 1
        var retention = Int64.max
        switch window?.kind {
        case .session(let sessionGap): gap = sessionGap
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
        builder = BatchBuilder(step.schema.columns.map(\.type), hasWindows: true)
        super.init(step, context)
        input.connect(to: self, input: 0)
    }

    private static func retention(_ size: Int64, _ window: WindowSpecification?) -> Int64 {
        let (least, overflow) = size.addingReportingOverflow(max(0, window?.grace ?? 0))
        return max(window?.retention ?? 0, overflow ? .max : least)
    }

    override var inputs: [Operator] { [input] }
    override var state: (rows: Int, bytes: Int) { (buffer.count, buffer.byteCount) }
    /// There is one result for each window, so there are no old ones.
    override func demandOldValues() {}

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        guard let windows = batch.windows else { return emit(batch) }
        for row in 0..<batch.count {
            let start = windows.starts[row]
            let end = windows.ends[row]
            scratch.clear()
            if gap != nil { scratch.append(start.bigEndian) }
            keyCodec.append(batch.columns[..<keyCount], row: row, to: scratch)
            let order = [UInt8](scratch.bytes)
            if batch.present.isValid(row) {
                scratch.clear()
                scratch.append(start)
                rowCodec.append(batch.columns, row: row, to: scratch)
                buffer.put(
                    time: end, order: order, timestamp: batch.timestamps[row], value: [UInt8](scratch.bytes),
                    replacing: true)
            } else {
                buffer.remove(time: end, order: order)
            }
            guard batch.timestamps[row] > streamTime else { continue }
            streamTime = batch.timestamps[row]
            emitClosed()
        }
        emit(builder.finish())
    }

    private func emitClosed() {
        let (closed, overflow) = streamTime.subtractingReportingOverflow(suppress.grace)
        guard !overflow else { return }
        while let end = buffer.firstTime {
            if let gap {
                let (last, overflow) = closed.subtractingReportingOverflow(gap)
                guard !overflow, end < last else { return }
            } else {
                guard end <= closed else { return }
            }
            let latestStart = streamTime / advance * advance
            let (earliest, overflow) = latestStart.subtractingReportingOverflow(retention)
            for entry in buffer.popFirst() {
                entry.value.withUnsafeBytes { bytes in
                    if gap == nil, !overflow, bytes.loadUnaligned(as: Int64.self) < earliest {
                        counters.late += 1
                        return
                    }
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
