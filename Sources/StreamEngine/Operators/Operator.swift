import Columns
import SQLPlan
import SQLTypes

/// One step of a running query. Batches are pushed from sources up to the sink; an operator is done with a batch when it
/// returns, so every row's consequences keep the order of the rows.
class Operator {
    let step: PlanStep
    let context: TaskContext
    var counters = OperatorCounters()
    /// Where results go.
    private(set) unowned var above: Operator?
    private var inputAbove = 0

    init(_ step: PlanStep, _ context: TaskContext) {
        self.step = step
        self.context = context
    }

    /// Operators below, left before right.
    var inputs: [Operator] { [] }

    final func connect(to above: Operator, input: Int) {
        self.above = above
        inputAbove = input
    }

    /// Tables: changes have to tell the old values. Called before the first batch.
    func demandOldValues() { for input in inputs { input.demandOldValues() } }

    /// - Parameter input: 0, or 1 for the right side of a join.
    func process(_ batch: Batch, input: Int) {}

    final func emit(_ batch: Batch) {
        guard batch.count > 0, context.failure == nil, !context.mustPart else { return }
        counters.output += batch.count
        above?.process(batch, input: inputAbove)
    }

    /// Calls `body` with this operator and those above. They are not kept: they keep this one.
    private func forEachOnWay(_ body: (Operator) -> Void) {
        var next: Operator? = self
        while let item = next {
            body(item)
            next = item.above
        }
    }

    /// Rows go their way in so many parts when one of them cannot be put out, and nobody knows which.
    private static let partCount = 8

    /// As `emit`, from where rows leave state or a topic: what is noted of them is in their order, and nothing is noted of
    /// rows behind one that ends the query. On the way to the end of the query notes are put in order there; of a batch with
    /// rows that fail before the next state these go alone, and those in between together, as more may be noted behind it.
    /// Where it is not known of all whether they fail, those go in parts.
    final func emitInOrder(_ batch: Batch) {
        guard !context.mayPart, batch.count > 1 else { return emit(batch) }
        var before: [OperatorCounters] = []
        forEachOnWay { before.append($0.counters) }
        context.sendOff()
        var marked = batch
        marked.places = (0..<batch.count).map { Int32(truncatingIfNeeded: $0) }
        emit(marked)
        guard let (alone, isRestKnown) = context.placesToPart() else { return }
        var rest = before[...]
        forEachOnWay { item in if let counters = rest.popFirst() { item.counters = counters } }
        func emitPart(_ range: Range<Int>) {
            guard !range.isEmpty, context.failure == nil else { return }
            emitInOrder(batch.gathered(range.map { Int32(truncatingIfNeeded: $0) }))
        }
        var from = 0
        for place in alone {
            emitPart(from..<place)
            emitPart(place..<(place + 1))
            from = place + 1
        }
        let restCount = batch.count - from
        let size = max(1, isRestKnown ? restCount : restCount / Self.partCount)
        for from in stride(from: from, to: batch.count, by: size) { emitPart(from..<min(from + size, batch.count)) }
    }

    /// Stores that hold what results depend on besides the rows that come; the same ones in the same order after the first
    /// batch.
    var stores: [ChangelogStore] { [] }

    /// State that is in no store, as it can be made of one.
    var derivedTables: [SlabTable] { [] }

    /// Makes what follows from stores that were restored.
    func didRestore() throws(EngineError) {}

    /// Rows and bytes of state now.
    final var state: (rows: Int, bytes: Int) {
        stores.reduce(into: (0, derivedTables.reduce(0) { $0 + $1.byteCount })) { sum, store in
            for part in store.parts {
                sum.0 += part.count
                sum.1 += part.byteCount
            }
        }
    }

    /// Takes over the state of the operator in whose place this one comes: of the same step in a query that is replaced. What
    /// cannot be taken over begins anew.
    func adopt(_ old: Operator) {}

    /// Whether the table that it puts out can be read from state, here or below.
    var isReadable: Bool { false }

    /// Whether a read of keys costs no more than the rows of those keys.
    var looksKeysUp: Bool { step.schema.window == nil }

    /// Asks for whatever reading takes. Called before the first batch.
    func keepForReading() {}

    /// Gives the rows of the table that it puts out, as it is now; more than asked for where it cannot tell.
    func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {}

    /// Of the last read that came to its end.
    private var collector: RowCollector?

    /// Collects the rows of a read, in the memory that the read before had.
    final func takeCollector(_ receiver: RowReceiver) -> RowCollector {
        let collector = collector ?? RowCollector(step.schema)
        // One that has rows of a read that failed is not used again.
        self.collector = nil
        collector.receiver = receiver
        return collector
    }

    /// Gives the last rows.
    final func finish(_ collector: RowCollector) throws(ReadEnd) {
        try collector.flush()
        collector.receiver = nil
        self.collector = collector
    }

    final func read(_ read: TableRead, of table: TableState, _ receiver: RowReceiver) throws(ReadEnd) {
        let collector = takeCollector(receiver)
        try table.read(read, step.schema, to: collector)
        try finish(collector)
    }

    /// Whether each row that it puts out comes of one row that came, and says which: `Batch.origins` stay right.
    var keepsOrigins: Bool { false }

    func keepsOrigins(from input: Operator) -> Bool { keepsOrigins }

    // MARK: Helpers

    /// Headers of the records that the rows came of: of one and the same record where rows do not say.
    final func headersOfOrigins(_ batch: Batch) -> [[SourceBatch.Header]] {
        guard let origins = batch.origins else {
            return [[SourceBatch.Header]](repeating: context.headers[0], count: batch.count)
        }
        return origins.map { context.headers[Int($0)] }
    }

    var types: [SQLType] { step.schema.columns.map(\.type) }

    func compile(_ expressions: [TypedExpression]) throws(EngineError) -> [CompiledExpression] {
        var compiled: [CompiledExpression] = []
        for expression in expressions {
            compiled.append(try CompiledExpression(expression, functions: context.functions))
        }
        return compiled
    }

    /// Notes failures of expressions in rows that count.
    func note(_ failures: [CompiledExpression.Failure], _ batch: Batch, what: String) {
        for failure in failures where batch.present.isValid(failure.row) {
            noteRow("\(what): \(failure.message)", failure.row, batch)
        }
    }

    /// Notes what went wrong with a row, or with one of its columns.
    final func noteRow(_ message: String, _ row: Int, _ batch: Batch) {
        counters.failed += 1
        context.note(
            ProcessingLogEntry(
                kind: .recordProcessing, step: step.name, message: message, topic: context.sourceTopic,
                timestamp: batch.timestamps[row]), at: batch.places?[row])
    }

    /// The values of an expression for a batch; failures are noted.
    func evaluate(_ expression: CompiledExpression, _ batch: Batch, what: @autoclosure () -> String) -> Vector {
        var failures: [CompiledExpression.Failure] = []
        let result = expression.evaluate(batch.columns, count: batch.count, failures: &failures)
        if !failures.isEmpty { note(failures, batch, what: what()) }
        return result
    }
}

/// A change of a record of state.
package struct StateChange: Sendable, Hashable {
    package var store: String
    package var key: [UInt8]
    /// nil: the record is gone.
    package var value: [UInt8]?

    package init(store: String, key: [UInt8], value: [UInt8]?) {
        self.store = store
        self.key = key
        self.value = value
    }
}

/// Takes the changes of one store in place.
package protocol ChangeReceiver {
    /// - Parameters:
    ///   - tag: the first byte of the change's key; `key` has the others. The bytes are valid during the call.
    ///   - value: nil: the record is gone.
    func take(tag: UInt8, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?)
}
