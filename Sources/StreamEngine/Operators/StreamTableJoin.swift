import Columns
import SQLPlan
import SQLTypes

/// Looks the rows of a stream up in a table as it is when they come. Changes of the table put out nothing.
///
/// A row without value is dropped. A row without key is dropped by an INNER join and meets nobody in a LEFT join.
final class StreamTableJoinOperator: Operator {
    private let left: Operator
    private let right: Operator
    private let join: StreamTableJoinStep
    private let table: TableState
    private let keys: KeyRows
    private let keyCount: Int
    private let found: FoundRows
    private let condition: JoinCondition?

    init(
        _ step: PlanStep, _ join: StreamTableJoinStep, left: Operator, right: Operator, _ context: TaskContext
    ) throws(EngineError) {
        self.left = left
        self.right = right
        self.join = join
        let schema = right.step.schema
        table = TableState(schema, store: right.step.tableStore ?? step.name, context.settings)
        table.keepForReading()
        keyCount = left.step.schema.keyCount
        keys = KeyRows(KeyCodec(left.step.schema.keys.map(\.type)))
        found = FoundRows(schema.values.map(\.type))
        condition = try JoinCondition(join.residual, context.functions)
        super.init(step, context)
        left.connect(to: self, input: 0)
        right.connect(to: self, input: 1)
    }

    override var inputs: [Operator] { [left, right] }
    override var stores: [ChangelogStore] { table.stores }
    override func keepsOrigins(from input: Operator) -> Bool { input === left }
    override func demandOldValues() {}

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        guard context.mayKeep() else { return }
        guard input == 0 else {
            do throws(EngineError) { _ = try table.apply(batch) } catch { context.fail(error) }
            return
        }
        let isLeftJoin = join.kind == .left
        keys.fill(batch.columns[..<keyCount], count: batch.count)
        var places = [SlabTable.Place](repeating: 0, count: batch.count)
        var pairs = JoinPairs()
        pairs.own.reserveCapacity(batch.count)
        pairs.other.reserveCapacity(batch.count)
        pairs.timestamps.reserveCapacity(batch.count)
        places.withUnsafeMutableBufferPointer { table.table.find($0) { keys[$0] } }
        for row in 0..<batch.count {
            guard batch.present.isValid(row) else {
                counters.filtered += 1
                continue
            }
            var other = -1
            var hasKey = batch.hasKey.isValid(row)
            if keyCount == 1, keys.hasNull(row) { hasKey = false }
            if hasKey {
                if places[row] != 0 {
                    other = found.append(UnsafeRawBufferPointer(table.table.value(at: places[row])), at: 8)
                }
            } else if !isLeftJoin {
                counters.filtered += 1
                continue
            }
            if other < 0 {
                counters.unmatched += 1
                guard isLeftJoin else { continue }
            }
            pairs.append(row, other, batch.timestamps[row])
            if found.isLarge { flush(&pairs, batch) }
        }
        flush(&pairs, batch)
    }

    private func flush(_ pairs: inout JoinPairs, _ batch: Batch) {
        // The key of the right side is the join's key: its columns are those of the left row where there is a match.
        let rightKeys = right.step.schema.keys.indices.map { index in
            rightKey(index, batch, pairs)
        }
        let others = rightKeys + found.finish()
        put(pairs, others, batch)
        pairs = JoinPairs()
    }

    /// - Parameter others: the rows of the table that `pairs` tells the indexes of.
    private func put(_ pairs: JoinPairs, _ others: [Vector], _ batch: Batch) {
        var pairs = pairs
        let own = batch.columns
        if let condition {
            // A row of the stream meets one of the table at most: those that must not meet are as if there was none.
            let columns = pairs.columns(join.columns, own: own, others: others, isLeft: true, types: types)
            let other = pairs.other
            guard let holds = holds(condition, columns, pairs, isPair: { other[$0] >= 0 }) else {
                for single in pairs.singles where context.failure == nil { put(single, others, batch) }
                return
            }
            for at in other.indices where other[at] >= 0 && !holds[at] {
                pairs.other[at] = -1
                counters.unmatched += 1
            }
        }
        var result = Batch(
            count: pairs.own.count,
            columns: pairs.columns(join.columns, own: own, others: others, isLeft: true, types: types),
            timestamps: ColumnBuffer(pairs.timestamps), hasKey: batch.hasKey.gathered(pairs.own),
            windows: batch.windows?.gathered(pairs.own))
        result.present = .all
        if let origins = batch.origins { result.origins = pairs.own.map { origins[Int($0)] } }
        emitInOrder(result)
    }

    /// A key column of the right rows that were found, in the order in which they were.
    private func rightKey(_ index: Int, _ batch: Batch, _ pairs: JoinPairs) -> Vector {
        guard index < keyCount else { return .nulls(found.count) }
        var rows: [Int32] = []
        rows.reserveCapacity(found.count)
        for (own, other) in zip(pairs.own, pairs.other) where other >= 0 { rows.append(own) }
        return batch.columns[index].gathered(rows)
    }
}

extension PlanStep {
    /// The store of the table that a step below keeps, for the name of state that is kept by the join instead.
    var tableStore: String? {
        switch operation {
        case .source(let source): source.store?.name
        case .selectKey(let select): select.store?.name
        case .aggregate(let aggregate): aggregate.store.name
        default: inputs.first?.tableStore
        }
    }
}
