import Columns
import SQLPlan
import SQLTypes

/// Rows by group. Of a table, a change that moves a row from one group to another becomes two: the old group loses it
/// first, then the new one gets it.
///
/// Rows whose group has a null in it are in none; but those that are grouped by their key of several columns stay where
/// they are, and such a key is one, whatever is in it.
final class GroupOperator: Operator {
    private let input: Operator
    private let keys: [CompiledExpression]
    private let carried: [Int]
    private let isByWholeKey: Bool

    init(_ step: PlanStep, _ group: GroupStep, input: Operator, _ context: TaskContext) throws(EngineError) {
        self.input = input
        var keys: [CompiledExpression] = []
        for key in group.keys { keys.append(try CompiledExpression(key, functions: context.functions)) }
        self.keys = keys
        carried = group.carried
        isByWholeKey = group.isByKey && group.keys.count > 1
        super.init(step, context)
        input.connect(to: self, input: 0)
        if step.isTable || input.step.isTable { input.demandOldValues() }
    }

    override var inputs: [Operator] { [input] }

    /// The input already tells them.
    override func demandOldValues() {}

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        if let old = batch.oldBatch { return processTable(batch, old) }
        let (columns, isIn) = grouped(batch)
        var result = batch
        result.columns = columns
        result.hasKey = .all
        if step.schema.window == nil { result.windows = nil }
        guard let isIn else { return emit(result) }
        let rows = (0..<batch.count).filter { isIn[$0] }.map { Int32($0) }
        counters.filtered += batch.count - rows.count
        emit(result.gathered(rows))
    }

    /// The columns of the result and which rows are in it; nil is all of them.
    private func grouped(_ batch: Batch) -> (columns: [Vector], isIn: [Bool]?) {
        let vectors = keys.map { evaluate($0, batch, what: "Error computing a grouping expression") }
        var isIn: [Bool]?
        if isByWholeKey {
            guard batch.present.nullCount > 0 || batch.hasKey.nullCount > 0 else {
                return (vectors + carried.map { batch.columns[$0] }, nil)
            }
            isIn = (0..<batch.count).map { batch.present.isValid($0) && batch.hasKey.isValid($0) }
        } else if batch.present.nullCount > 0 || !vectors.allSatisfy(\.hasNoNulls) {
            isIn = (0..<batch.count).map { row in
                batch.present.isValid(row) && !vectors.contains { $0.isNull(row) }
            }
        }
        return (vectors + carried.map { batch.columns[$0] }, isIn)
    }

    private func processTable(_ batch: Batch, _ old: Batch) {
        let new = grouped(batch)
        let before = grouped(old)
        let codec = KeyCodec(step.schema.keys.map(\.type))
        let keyCount = step.schema.keyCount
        let a = ScratchBytes()
        let b = ScratchBytes()
        let builder = BatchBuilder(types, hasOld: true)
        for row in 0..<batch.count {
            let isNew = new.isIn?[row] ?? true
            let wasThere = before.isIn?[row] ?? true
            if isNew, wasThere {
                a.clear()
                b.clear()
                codec.append(new.columns[..<keyCount], row: row, to: a)
                codec.append(before.columns[..<keyCount], row: row, to: b)
                if a.bytes.elementsEqual(b.bytes) {
                    append(new.columns, row, before.columns, row, builder)
                    builder.endRow(timestamp: batch.timestamps[row], oldPresent: true)
                    continue
                }
            }
            if wasThere {
                for (index, column) in builder.columns.enumerated() {
                    if index < keyCount {
                        column.append(from: before.columns[index], row: row)
                    } else {
                        column.appendNull()
                    }
                }
                for (index, column) in builder.oldColumns.enumerated() {
                    column.append(from: before.columns[index], row: row)
                }
                builder.endRow(timestamp: batch.timestamps[row], present: false, oldPresent: true)
            }
            if isNew {
                for (index, column) in builder.columns.enumerated() {
                    column.append(from: new.columns[index], row: row)
                }
                for (index, column) in builder.oldColumns.enumerated() {
                    if index < keyCount {
                        column.append(from: new.columns[index], row: row)
                    } else {
                        column.appendNull()
                    }
                }
                builder.endRow(timestamp: batch.timestamps[row], oldPresent: false)
            }
        }
        emitInOrder(builder.finish())
    }

    private func append(
        _ new: [Vector], _ newRow: Int, _ old: [Vector], _ oldRow: Int, _ builder: BatchBuilder
    ) {
        for (index, column) in builder.columns.enumerated() { column.append(from: new[index], row: newRow) }
        for (index, column) in builder.oldColumns.enumerated() { column.append(from: old[index], row: oldRow) }
    }
}
