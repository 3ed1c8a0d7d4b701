import SQLPlan
import SQLRuntime
import SQLTypes

/// Where the columns of a client's result stand in the rows of its plan, which begin with the key.
struct RowLayout: Sendable {
    private var keyCount = 0
    /// For each column of the result, the part of the key that it is a copy of; nil for others.
    private var keys: [KeyPart?] = []

    private enum KeyPart: Sendable { case column(Int), windowStart, windowEnd }

    init() {}

    init(_ plan: PhysicalPlan) {
        keyCount = plan.root.schema.keyCount
        guard case .select(let step) = plan.root.operation else { return }
        keys = step.expressions.dropFirst(keyCount).map { expression -> KeyPart? in
            guard case .column(let index) = expression.node else { return nil }
            if index < step.input.schema.keyCount { return index < keyCount ? .column(index) : nil }
            guard step.input.schema.columns.indices.contains(index) else { return nil }
            return switch PseudoColumn(rawValue: step.input.schema.columns[index].name) {
            case .windowStart: .windowStart
            case .windowEnd: .windowEnd
            default: nil
            }
        }
    }

    /// The values of the result's columns. Of a tombstone, columns that are copies of the key tell what was deleted.
    func values(_ row: SubscribedRow) -> [SQLValue] {
        var values = Array(row.values.dropFirst(keyCount))
        guard row.isTombstone else { return values }
        for (index, key) in keys.enumerated() where values.indices.contains(index) {
            guard let key, values[index].isNull else { continue }
            switch key {
            case .column(let key): if row.values.indices.contains(key) { values[index] = row.values[key] }
            case .windowStart: if let window = row.window { values[index] = .bigint(window.start) }
            case .windowEnd: if let window = row.window { values[index] = .bigint(window.end) }
            }
        }
        return values
    }

    /// Whether the record had no key although there are key columns.
    func hasNoKey(_ row: SubscribedRow) -> Bool {
        keyCount > 0 && row.values.prefix(keyCount).allSatisfy(\.isNull)
    }
}
