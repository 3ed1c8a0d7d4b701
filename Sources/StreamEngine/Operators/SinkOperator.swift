import Columns
import SQLPlan
import SQLTypes

/// Writes rows as records of a topic.
final class SinkOperator: Operator {
    private let input: Operator
    private let sink: SinkStep
    private let keyEncoder: any RecordEncoder
    private let valueEncoder: any RecordEncoder
    private let keyCount: Int
    private let timestampIndex: Int?
    private let timestampPattern: TimestampText?

    init(_ step: PlanStep, _ sink: SinkStep, input: Operator, _ context: TaskContext) throws(EngineError) {
        self.input = input
        self.sink = sink
        keyCount = step.schema.keyCount
        keyEncoder = try context.formats.encoder(
            sink.keyFormat, topic: sink.topic, isKey: true, columns: Array(step.schema.keys))
        valueEncoder = try context.formats.encoder(
            sink.valueFormat, topic: sink.topic, isKey: false, columns: Array(step.schema.values))
        timestampIndex = sink.timestamp.flatMap { step.schema.index(of: $0.column) }
        var pattern: TimestampText?
        if let format = sink.timestamp?.format { pattern = try context.formats.timestampText(format) }
        timestampPattern = pattern
        super.init(step, context)
        input.connect(to: self, input: 0)
    }

    override var inputs: [Operator] { [input] }
    override var keepsOrigins: Bool { true }
    override var isReadable: Bool { input.isReadable }
    override var looksKeysUp: Bool { input.looksKeysUp }
    override func keepForReading() { input.keepForReading() }
    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) { try input.read(read, receiver) }

    /// Keys, each with a value for every key column, as bytes of the sink's format; nil when they cannot be written.
    func keyBytes(_ keys: [[SQLValue]]) -> [[UInt8]]? {
        let columns = step.schema.keys.enumerated().map { index, column in
            Vector(keys.map { $0.indices.contains(index) ? $0[index] : .null }, column.type)
        }
        do throws(EngineError) {
            let bytes = try keyEncoder.encode(columns, count: keys.count, present: .all)
            return keys.indices.map { bytes.array($0) ?? [] }
        } catch {
            return nil  // the caller has another order
        }
    }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        guard hasItsWindows(batch) else {
            return context.fail(
                EngineError(
                    .invalidPlan,
                    "Keys of topic \(sink.topic) have windows, but \(self.input.step.name) gives rows without them."))
        }
        do throws(EngineError) { try write(batch) } catch {
            // The rows come once more, in parts: what is noted of those before comes first.
            if batch.count > 1, context.part() { return }
            // The rows before the one that cannot be written are.
            var first = 0
            while first < batch.count, isWritable(batch.gathered([Int32(truncatingIfNeeded: first)])) { first += 1 }
            if first > 0 {
                do throws(EngineError) {
                    try write(batch.gathered((0..<first).map { Int32(truncatingIfNeeded: $0) }))
                } catch { return context.fail(error) }
            }
            context.fail(error)
        }
    }

    private func hasItsWindows(_ batch: Batch) -> Bool {
        guard step.schema.window != nil, batch.count > 0 else { return true }
        guard let windows = batch.windows else { return false }
        return windows.starts.count == batch.count && windows.ends.count == batch.count
    }

    private func isWritable(_ batch: Batch) -> Bool {
        do throws(EngineError) {
            _ = try encode(batch)
            return true
        } catch { return false }  // the caller has the error
    }

    private func encode(_ batch: Batch) throws(EngineError) -> (keys: BytesColumn, values: BytesColumn) {
        (
            try keyEncoder.encode(Array(batch.columns[..<keyCount]), count: batch.count, present: batch.hasKey),
            try valueEncoder.encode(Array(batch.columns[keyCount...]), count: batch.count, present: batch.present)
        )
    }

    private func write(_ batch: Batch) throws(EngineError) {
        var (keys, values) = try encode(batch)
        if let window = step.schema.window, let windows = batch.windows {
            keys = WindowedKeys.join(keys, windows, window.kind)
        }
        var result = SinkBatch(topic: sink.topic, keys: keys, values: values, timestamps: batch.timestamps)
        if batch.windows != nil, let kind = step.schema.window?.kind {
            result.windowByteCount = kind == .session ? 16 : 8
        }
        if !context.headers.isEmpty { result.headers = headersOfOrigins(batch) }
        if timestampIndex != nil { result = retimed(result, batch) }
        guard context.mayPutOut() else { return }
        counters.output += result.count
        if result.count > 0 { context.output.append(result) }
    }

    /// With timestamps of a column. Rows whose column has no valid time are not written.
    private func retimed(_ result: SinkBatch, _ batch: Batch) -> SinkBatch {
        guard let index = timestampIndex else { return result }
        let type = step.schema.columns[index].type
        var rows: [Int32] = []
        var times: [Int64] = []
        for row in 0..<batch.count {
            var time: Int64?
            var reason = "null"
            switch batch.columns[index].value(row, type) {
            case .bigint(let value), .timestamp(let value):
                time = value < 0 ? nil : value
                reason = "\(value)"
            case .string(let text):
                reason = text
                do throws(EvaluationFailure) { time = try timestampPattern?.parse(text) } catch {
                    reason = error.message
                }
            default: break
            }
            if !batch.present.isValid(row) { time = batch.timestamps[row] }
            guard let time, time >= 0 else {
                noteRow(
                    "Failed to extract timestamp of column \(step.schema.columns[index].name): \(reason)", row, batch)
                continue
            }
            rows.append(Int32(truncatingIfNeeded: row))
            times.append(time)
        }
        return SinkBatch(
            topic: result.topic, keys: rows.count == batch.count ? result.keys : result.keys.gathered(rows),
            values: rows.count == batch.count ? result.values : result.values.gathered(rows),
            timestamps: ColumnBuffer(times), windowByteCount: result.windowByteCount,
            headers: result.headers.isEmpty ? [] : rows.map { result.headers[Int($0)] })
    }
}

/// The end of a query of a client: keeps rows for it.
final class RowsOperator: Operator {
    private let input: Operator

    init(_ step: PlanStep, input: Operator, _ context: TaskContext) {
        self.input = input
        super.init(step, context)
        input.connect(to: self, input: 0)
    }

    override var inputs: [Operator] { [input] }
    override var keepsOrigins: Bool { true }
    override var isReadable: Bool { input.isReadable }
    override var looksKeysUp: Bool { input.looksKeysUp }
    override func keepForReading() { input.keepForReading() }
    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) { try input.read(read, receiver) }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        counters.output += batch.count
        guard context.mayPutOut() else { return }
        if batch.count > 0 { context.rows.append(batch) }
    }
}
