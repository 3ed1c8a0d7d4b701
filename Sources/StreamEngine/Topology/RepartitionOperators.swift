import Columns
import SQLPlan
import SQLTypes

/// Writes rows as records of a repartition topic: the end of a part of a query.
final class RepartitionSinkOperator: Operator {
    private let input: Operator
    private let topic: String
    private let keyEncoder: any RecordEncoder
    private let rows: RepartitionRows

    /// - Parameter topic: its full name.
    init(
        _ step: PlanStep, _ repartition: RepartitionTopic, topic: String, input: Operator, _ context: TaskContext
    ) throws(EngineError) {
        self.input = input
        self.topic = topic
        keyEncoder = try context.formats.encoder(
            repartition.formats.key, topic: topic, isKey: true, columns: Array(step.schema.keys))
        rows = RepartitionRows(step.schema)
        super.init(step, context)
        input.connect(to: self, input: 0)
    }

    override var inputs: [Operator] { [input] }
    override var keepsOrigins: Bool { true }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        guard context.mayPutOut() else { return }
        do throws(EngineError) {
            let keys = try keyEncoder.encode(
                Array(batch.columns[..<step.schema.keyCount]), count: batch.count, present: batch.hasKey)
            guard let values = rows.encode(batch) else {
                throw EngineError(.fatalRecord, "A batch for topic \(topic) is larger than 2 GiB.")
            }
            counters.output += batch.count
            var result = SinkBatch(topic: topic, keys: keys, values: values, timestamps: batch.timestamps)
            if !context.headers.isEmpty { result.headers = headersOfOrigins(batch) }
            context.output.append(result)
        } catch {
            context.fail(error)
        }
    }
}

/// Reads the rows of a repartition topic: where another part of the query begins.
final class RepartitionSourceOperator: Operator {
    /// The full name of the topic.
    let topic: String
    private let rows: RepartitionRows
    /// Of a table with a new key: its rows by that key.
    private let table: TableState?
    private let hasOld: Bool

    init(_ step: PlanStep, topic: String, _ context: TaskContext) {
        self.topic = topic
        rows = RepartitionRows(step.schema)
        var table: TableState?
        var hasOld = step.isTable
        switch step.operation {
        case .selectKey(let select) where step.isTable:
            table = TableState(step.schema, store: select.store?.name ?? step.name, context.settings)
            hasOld = false
        case .group(let group): hasOld = group.input.isTable
        default: break
        }
        self.table = table
        self.hasOld = hasOld
        super.init(step, context)
    }

    override var stores: [ChangelogStore] { table?.stores ?? [] }
    override var isReadable: Bool { table != nil }
    override func keepForReading() { table?.keepForReading() }

    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        if let table { try self.read(read, of: table, receiver) }
    }

    /// Those of groups come with the rows.
    override func demandOldValues() { table?.demandOldValues() }

    /// Processes records. Results have the headers of the record that they came of.
    func read(_ records: SourceBatch) {
        guard !records.headers.isEmpty else { return readRun(records) }
        defer { context.headers = [] }
        var from = 0
        while from < records.count, context.failure == nil {
            var to = from + 1
            while to < records.count, records.headers[to] == records.headers[from] { to += 1 }
            context.headers = [records.headers[from]]
            readRun(records.slice(from..<to))
            from = to
        }
    }

    private func readRun(_ records: SourceBatch) {
        let (batch, failures) = rows.decode(records, hasOld: hasOld)
        if !failures.isEmpty, records.count > 1 { return readInParts(records, failures) }
        counters.input += records.count
        context.sourceTopic = records.topic
        for row in failures {
            counters.failed += 1
            context.note(
                ProcessingLogEntry(
                    kind: .deserialization, step: step.name,
                    message: "The record is none that this query wrote to its topic.", topic: records.topic,
                    partition: records.partition, offset: records.offsets[row], record: records.values.array(row),
                    timestamp: records.timestamps[row]))
        }
        do throws(EngineError) { emitInOrder(try table?.apply(batch) ?? batch) } catch { context.fail(error) }
    }

    /// What is noted of a record comes behind all that its predecessors give.
    private func readInParts(_ records: SourceBatch, _ failures: [Int]) {
        var cuts: [Int] = [0]
        for row in failures { cuts += [row, row + 1] }
        for (from, to) in zip(cuts, cuts.dropFirst() + [records.count]) where from < to && context.failure == nil {
            readRun(records.slice(from..<to))
        }
    }
}
