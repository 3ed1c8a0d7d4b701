import SQLPlan
import SQLSyntax
import SQLTypes

/// How the values of a shape are the keys that its statements look up.
struct KeyPattern: Sendable {
    private enum Form: Sendable {
        /// One key; value by value the index of the key column.
        case columns([Int])
        /// A table with one key column: each value is a key.
        case alternatives
    }

    private let form: Form
    private let types: [SQLType]

    /// - Returns: nil unless `values` are all that the condition of the query has, and give exactly the keys that were planned.
    init?(_ query: Query, _ table: PullTable, keyColumns: [SQLColumn], _ values: [StatementShape.Value]) {
        guard case .keys(let planned) = table.keys, table.rows.takesAll, !values.isEmpty, let condition = query.where
        else {
            return nil
        }
        types = keyColumns.map(\.type)
        let names = keyColumns.map(\.name)
        var columns: [Int] = []
        if names.count == 1, Self.alternatives(condition, names[0]) == values.count {
            form = .alternatives
        } else if Self.conjunction(condition, names, &columns), columns.count == values.count,
            Set(columns).count == names.count, columns.count == names.count
        {
            form = .columns(columns)
        } else {
            return nil
        }
        guard keys(values) == planned else { return nil }
    }

    /// Conditions that only say which keys, each as `column = literal`: how many literals; nil for any other condition.
    private static func alternatives(_ condition: Expression, _ name: String) -> Int? {
        switch condition.kind {
        case .comparison(.equal, let left, let right): column(left) == name && isLiteral(right) ? 1 : nil
        case .inList(let value, let list): column(value) == name && list.allSatisfy(isLiteral) ? list.count : nil
        case .logical(.or, let left, let right):
            if let a = alternatives(left, name), let b = alternatives(right, name) { a + b } else { nil }
        default: nil
        }
    }

    /// - Parameter columns: gets the indexes of key columns, from left to right.
    private static func conjunction(_ condition: Expression, _ names: [String], _ columns: inout [Int]) -> Bool {
        switch condition.kind {
        case .comparison(.equal, let left, let right):
            guard isLiteral(right), let name = column(left), let index = names.firstIndex(of: name) else {
                return false
            }
            columns.append(index)
            return true
        case .logical(.and, let left, let right):
            return conjunction(left, names, &columns) && conjunction(right, names, &columns)
        default: return false
        }
    }

    private static func column(_ expression: Expression) -> String? {
        switch expression.kind {
        case .column(let name), .qualifiedColumn(_, let name): name.text
        default: nil
        }
    }

    private static func isLiteral(_ expression: Expression) -> Bool {
        if case .literal = expression.kind { true } else { false }
    }

    /// The keys of a statement of the shape, each once; nil when a value is none of its column's type as it stands: the
    /// planner knows what becomes of it.
    func keys(_ values: [StatementShape.Value]) -> [[SQLValue]]? {
        switch form {
        case .columns(let columns):
            guard columns.count == values.count else { return nil }
            var key = [SQLValue](repeating: .null, count: types.count)
            for (index, value) in zip(columns, values) {
                guard let value = Self.value(value, types[index]) else { return nil }
                key[index] = value
            }
            return [key]
        case .alternatives:
            var keys: [[SQLValue]] = []
            for value in values {
                guard let value = Self.value(value, types[0]) else { return nil }
                if keys.isEmpty || !keys.contains([value]) { keys.append([value]) }
            }
            return keys
        }
    }

    private static func value(_ value: StatementShape.Value, _ type: SQLType) -> SQLValue? {
        switch (value, type) {
        case (.text(let text), .string): .string(text)
        case (.integer(let number), .int): Int32(exactly: number).map { .int($0) }
        case (.integer(let number), .bigint): .bigint(number)
        default: nil
        }
    }
}
