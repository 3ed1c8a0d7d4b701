import Columns
import SQLPlan
import SQLTypes

/// EMIT FINAL: holds the result of a window back until the window and its grace period are over. Then results come out by
/// end of window, and among those of the same window by key.
final class SuppressOperator: Operator {
    private let input: Operator
    private let suppress: SuppressStep
    /// Sessions stay open for another gap: a row might still join them.
    private let gap: Int64?
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
        gap = suppress.input.sessionGap
        keyCount = step.schema.keyCount
        keyCodec = KeyCodec(step.schema.keys.map(\.type))
        rowCodec = RowCodec(step.schema.columns.map(\.type))
        builder = BatchBuilder(step.schema.columns.map(\.type), hasWindows: true)
        super.init(step, context)
        input.connect(to: self, input: 0)
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
            for entry in buffer.popFirst() {
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
    /// The gap of the session windows of the aggregation below.
    fileprivate var sessionGap: Int64? {
        if case .aggregate(let aggregate) = operation {
            if case .session(let gap) = aggregate.window?.kind { return gap }
            return nil
        }
        return inputs.first?.sessionGap
    }
}
