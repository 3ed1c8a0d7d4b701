/// One value of a column on its own: for functions that work row by row, for printing and for tests. Loops over many
/// rows use the typed columns.
package indirect enum ColumnValue: Sendable, Hashable {
    case null
    case boolean(Bool)
    case int32(Int32)
    case int64(Int64)
    case float(Float)
    case double(Double)
    case string(String)
    case bytes([UInt8])
    case list([ColumnValue])
    /// Pairs in the order they came in.
    case map([Pair])
    /// The fields in the order of the type.
    case structure([ColumnValue])

    package struct Pair: Sendable, Hashable {
        package var key: ColumnValue
        package var value: ColumnValue

        package init(_ key: ColumnValue, _ value: ColumnValue) {
            self.key = key
            self.value = value
        }
    }
}

extension Column {
    /// The value of a row.
    package func value(_ row: Int) -> ColumnValue {
        guard validity.isValid(row) else { return .null }
        switch self {
        case .boolean(let column): return .boolean(column.values[row])
        case .int32(let column): return .int32(column.values[row])
        case .int64(let column): return .int64(column.values[row])
        case .float(let column): return .float(column.values[row])
        case .double(let column): return .double(column.values[row])
        case .string(let column): return .string(column.string(row) ?? "")
        case .bytes(let column): return .bytes(column.array(row) ?? [])
        case .list(let column): return .list(column.runs[row].map { column.elements.value($0) })
        case .map(let column):
            return .map(column.runs[row].map { .init(column.keys.value($0), column.values.value($0)) })
        case .structure(let column): return .structure(column.fields.map { $0.value(row) })
        }
    }

    /// All values.
    package var values: [ColumnValue] { (0..<count).map(value) }
}
