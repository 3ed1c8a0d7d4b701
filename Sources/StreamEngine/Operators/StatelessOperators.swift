import Columns
import SQLPlan
import SQLTypes

/// WHERE and HAVING. A row without value is dropped from a stream. Of a table, a row that is not in the result becomes a
/// deletion if the one before was in it, and nothing otherwise.
///
/// Joins on a foreign key keep no results. What is not in the result is a deletion there whatever was before, as in Kafka
/// Streams, unless somebody above asks for old values.
final class FilterOperator: Operator {
    private let input: Operator
    private let predicate: CompiledExpression
    /// Whether it does not know what was before.
    private let deletesAll: Bool

    init(_ step: PlanStep, _ filter: FilterStep, input: Operator, _ context: TaskContext) throws(EngineError) {
        self.input = input
        predicate = try CompiledExpression(filter.predicate, functions: context.functions)
        deletesAll = step.isTable && input.step.isOfForeignKeyJoin
        super.init(step, context)
        input.connect(to: self, input: 0)
        if step.isTable, !deletesAll { input.demandOldValues() }
    }

    override var inputs: [Operator] { [input] }
    override var keepsOrigins: Bool { true }
    override var isReadable: Bool { input.isReadable }
    override var looksKeysUp: Bool { input.looksKeysUp }
    override func keepForReading() { input.keepForReading() }

    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        try input.read(
            read,
            RowReceiver { [predicate] (batch) throws(ReadEnd) in
                var failures: [CompiledExpression.Failure] = []  // told when the rows were processed
                let kept = predicate.selected(batch.columns, count: batch.count, failures: &failures)
                if !kept.isEmpty { try receiver.take(kept.count == batch.count ? batch : batch.gathered(kept)) }
            })
    }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        var failures: [CompiledExpression.Failure] = []
        var kept = predicate.selected(batch.columns, count: batch.count, failures: &failures)
        if !failures.isEmpty { note(failures, batch, what: "Error evaluating the condition") }
        if batch.present.nullCount > 0 { kept.removeAll { !batch.present.isValid(Int($0)) } }
        guard let old = batch.oldBatch else {
            counters.filtered += batch.count - kept.count
            if deletesAll {
                var result = batch
                var holds = [Bool](repeating: false, count: batch.count)
                for row in kept { holds[Int(row)] = true }
                result.present = Validity(all: holds)
                return emit(result)
            }
            return emit(kept.count == batch.count ? batch : batch.gathered(kept))
        }
        failures = []
        let keptOld = predicate.selected(old.columns, count: old.count, failures: &failures)
        var holds = [Bool](repeating: false, count: batch.count)
        for row in kept { holds[Int(row)] = true }
        var held = [Bool](repeating: false, count: batch.count)
        for row in keptOld where old.present.isValid(Int(row)) { held[Int(row)] = true }
        let rows = (0..<batch.count).filter { holds[$0] || held[$0] }.map { Int32($0) }
        counters.filtered += batch.count - rows.count
        var result = batch
        result.present = Validity(all: holds)
        result.old?.present = Validity(all: held)
        emit(rows.count == batch.count ? result : result.gathered(rows))
    }
}

extension PlanStep {
    /// Whether its rows come of a join on a foreign key, with nothing in between that keeps them.
    fileprivate var isOfForeignKeyJoin: Bool {
        switch operation {
        case .foreignKeyJoin: true
        case .select(let select): select.input.isOfForeignKeyJoin
        case .filter(let filter): filter.input.isOfForeignKeyJoin
        default: false
        }
    }
}

/// Computes the columns of the result. Rows without value stay so.
final class SelectOperator: Operator {
    private let input: Operator
    private let expressions: [CompiledExpression]

    init(_ step: PlanStep, _ select: SelectStep, input: Operator, _ context: TaskContext) throws(EngineError) {
        self.input = input
        var expressions: [CompiledExpression] = []
        for expression in select.expressions {
            expressions.append(try CompiledExpression(expression, functions: context.functions))
        }
        self.expressions = expressions
        super.init(step, context)
        input.connect(to: self, input: 0)
    }

    override var inputs: [Operator] { [input] }
    override var keepsOrigins: Bool { true }
    override var isReadable: Bool { input.isReadable }
    override var looksKeysUp: Bool { input.looksKeysUp }
    override func keepForReading() { input.keepForReading() }

    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        try input.read(
            read,
            RowReceiver { [expressions] (batch) throws(ReadEnd) in
                var failures: [CompiledExpression.Failure] = []  // told when the rows were processed
                var result = batch
                result.columns = expressions.map {
                    $0.evaluate(batch.columns, count: batch.count, failures: &failures)
                }
                try receiver.take(result)
            })
    }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        var result = batch
        result.columns = columns(batch)
        if let old = batch.oldBatch {
            result.old = .init(columns: columns(old), present: old.present)
        }
        emit(result)
    }

    private func columns(_ batch: Batch) -> [Vector] {
        expressions.enumerated().map { index, expression in
            evaluate(
                expression, batch,
                what: "Error computing expression of column \(step.schema.columns[index].name) with index \(index)")
        }
    }
}

/// Table functions: for each row, their rows side by side.
final class FlatMapOperator: Operator {
    private let input: Operator
    private let functions:
        [(arguments: [CompiledExpression], body: ([SQLValue]) throws(EvaluationFailure) -> [SQLValue])]

    init(_ step: PlanStep, _ flatMap: FlatMapStep, input: Operator, _ context: TaskContext) throws(EngineError) {
        self.input = input
        var functions: [([CompiledExpression], ([SQLValue]) throws(EvaluationFailure) -> [SQLValue])] = []
        for call in flatMap.functions {
            var arguments: [CompiledExpression] = []
            for argument in call.arguments {
                arguments.append(try CompiledExpression(argument, functions: context.functions))
            }
            functions.append((arguments, try context.functions.table(call)))
        }
        self.functions = functions
        super.init(step, context)
        input.connect(to: self, input: 0)
    }

    override var inputs: [Operator] { [input] }
    override var keepsOrigins: Bool { true }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        let arguments = functions.map { function in
            function.arguments.map { evaluate($0, batch, what: "Error computing an argument of a table function") }
        }
        var rows: [Int32] = []
        let types = self.types
        let first = types.count - functions.count
        let builders = types[first...].map { VectorBuilder($0) }
        let rowsMax = batch.copiesMax
        func flush() {
            var result = batch.gathered(rows)
            result.columns = Array(result.columns.prefix(first)) + builders.map { $0.finish() }
            rows = []
            emitInOrder(result)
        }
        for row in 0..<batch.count where batch.present.isValid(row) {
            var results: [[SQLValue]] = []
            for (index, function) in functions.enumerated() {
                let values = arguments[index].indices.map {
                    arguments[index][$0].value(row, function.arguments[$0].type)
                }
                do throws(EvaluationFailure) {
                    results.append(try function.body(values))
                } catch {
                    // What is noted of the rows before comes first.
                    if !context.mayPart, !rows.isEmpty { flush() }
                    note([.init(row: row, message: error.message)], batch, what: "Error in a table function")
                    results.append([])
                }
            }
            let count = results.map(\.count).max() ?? 0
            if count == 0 { counters.filtered += 1 }
            for place in 0..<count {
                rows.append(Int32(truncatingIfNeeded: row))
                for (builder, values) in zip(builders, results) {
                    builder.append(place < values.count ? values[place] : .null)
                }
                let isLarge = builders.contains { $0.byteCount > BatchBuilder.bytesMax }
                if rows.count >= rowsMax || isLarge {
                    // What is noted of the rows to come would be noted behind all that these give.
                    guard context.mayCut() else { return }
                    flush()
                }
            }
        }
        flush()
    }
}

/// Passes rows on: what goes through a topic of the query's own when it runs in several tasks stays in memory here.
final class RepartitionOperator: Operator {
    private let input: Operator

    init(_ step: PlanStep, input: Operator, _ context: TaskContext) {
        self.input = input
        super.init(step, context)
        input.connect(to: self, input: 0)
    }

    override var inputs: [Operator] { [input] }
    override var keepsOrigins: Bool { true }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        emit(batch)
    }
}

/// PARTITION BY, and new keys before joins. A key that fails is null, as in the original.
final class SelectKeyOperator: Operator {
    private let input: Operator
    private let keys: [CompiledExpression]
    /// Whether a key is made of the old key alone.
    private let isOfKey: [Bool]
    private let carried: [Int]
    private let table: TableState?

    /// - Parameter isSplit: a table with its new key is kept by another part of the query.
    init(
        _ step: PlanStep, _ select: SelectKeyStep, input: Operator, isSplit: Bool = false, _ context: TaskContext
    ) throws(EngineError) {
        self.input = input
        var keys: [CompiledExpression] = []
        for key in select.keys { keys.append(try CompiledExpression(key, functions: context.functions)) }
        self.keys = keys
        carried = select.carried
        isOfKey = select.keys.map { key in
            var columns: Set<Int> = []
            key.collectColumns(into: &columns)
            return columns.allSatisfy { $0 < select.input.schema.keyCount }
        }
        table =
            step.isTable && !isSplit
            ? TableState(step.schema, store: select.store?.name ?? step.name, context.settings) : nil
        super.init(step, context)
        input.connect(to: self, input: 0)
    }

    override var inputs: [Operator] { [input] }
    override var stores: [ChangelogStore] { table?.stores ?? [] }
    override var keepsOrigins: Bool { table == nil }
    override var isReadable: Bool { table != nil }
    override func keepForReading() { table?.keepForReading() }

    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        if let table { try self.read(read, of: table, receiver) }
    }

    /// The table's own state knows the old rows by their new keys.
    override func demandOldValues() { table?.demandOldValues() }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        var vectors: [Vector] = []
        for (index, key) in keys.enumerated() {
            let vector = evaluate(key, batch, what: "Error computing the new key")
            // Where there is no value, only what needs none can be computed.
            let needsValue = !step.isTable && !isOfKey[index] && batch.present.nullCount > 0
            vectors.append(needsValue ? vector.nulled(key.type) { !batch.present.isValid($0) } : vector)
        }
        // A single null is no key; several columns are one, whatever is in them.
        var hasKey = [Bool](repeating: !keys.isEmpty, count: batch.count)
        if keys.count == 1 {
            for row in 0..<batch.count where vectors[0].isNull(row) { hasKey[row] = false }
        }
        var result = batch
        result.columns = vectors + carried.map { batch.columns[$0] }
        result.hasKey = Validity(all: hasKey)
        result.old = nil
        if step.schema.window == nil { result.windows = nil }
        guard step.isTable else { return emit(result) }
        guard context.mayKeep() else { return }
        let rows = (0..<batch.count).filter { hasKey[$0] }.map { Int32($0) }
        counters.filtered += batch.count - rows.count
        if rows.count < batch.count { result = result.gathered(rows) }
        do throws(EngineError) { emitInOrder(try table?.apply(result) ?? result) } catch { context.fail(error) }
    }
}
