import SQLPlan
import SQLRuntime
import SQLTypes

/// Where the columns of a client's result stand in the rows of its plan, which begin with the key.
struct RowLayout: Sendable {
    private var keyCount = 0
    /// For each column of the result, the key column that it is a copy of; nil for others.
    private var keys: [Int?] = []

    init() {}

    init(_ plan: PhysicalPlan) {
        keyCount = plan.root.schema.keyCount
        guard case .select(let step) = plan.root.operation else { return }
        keys = step.expressions.dropFirst(keyCount).map { expression in
            guard case .column(let index) = expression.node, index < keyCount else { return nil }
            return index
        }
    }

    /// The values of the result's columns. Of a tombstone, columns that are copies of the key tell what was deleted.
    func values(_ row: SubscribedRow) -> [SQLValue] {
        var values = Array(row.values.dropFirst(keyCount))
        guard row.isTombstone else { return values }
        for (index, key) in keys.enumerated() where values.indices.contains(index) {
            guard let key, values[index].isNull, row.values.indices.contains(key) else { continue }
            values[index] = row.values[key]
        }
        return values
    }
}
