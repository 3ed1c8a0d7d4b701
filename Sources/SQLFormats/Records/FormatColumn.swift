package import Columns
package import SQLTypes

/// The values of one SQL column of consecutive records: typed where loops over them pay, immutable, cheap to copy.
package enum FormatColumn: Sendable {
    case boolean(FixedColumn<Bool>)
    /// INT, TIME, DATE
    case int32(FixedColumn<Int32>)
    /// BIGINT, TIMESTAMP
    case int64(FixedColumn<Int64>)
    case double(FixedColumn<Double>)
    case string(BytesColumn)
    case bytes(BytesColumn)
    /// DECIMAL, ARRAY, MAP, STRUCT: a value each.
    case values([SQLValue])

    package var count: Int {
        switch self {
        case .boolean(let column): column.values.count
        case .int32(let column): column.values.count
        case .int64(let column): column.values.count
        case .double(let column): column.values.count
        case .string(let column), .bytes(let column): column.count
        case .values(let values): values.count
        }
    }

    /// The value of a row, as one of `type`.
    package func value(_ row: Int, _ type: SQLType) -> SQLValue {
        switch self {
        case .boolean(let column): return column[row].map(SQLValue.boolean) ?? .null
        case .int32(let column):
            guard let value = column[row] else { return .null }
            switch type {
            case .time: return .time(value)
            case .date: return .date(value)
            default: return .int(value)
            }
        case .int64(let column):
            guard let value = column[row] else { return .null }
            return type == .timestamp ? .timestamp(value) : .bigint(value)
        case .double(let column): return column[row].map(SQLValue.double) ?? .null
        case .string(let column): return column.string(row).map(SQLValue.string) ?? .null
        case .bytes(let column): return column.array(row).map(SQLValue.bytes) ?? .null
        case .values(let values): return values[row]
        }
    }

    /// A column of values of `type`; a value of another type counts as null.
    package init(_ values: [SQLValue], _ type: SQLType) {
        let builder = FormatColumnBuilder(type)
        builder.reserve(values.count)
        for value in values { builder.append(value) }
        self = builder.finish()
    }
}

/// Builds a column row by row.
package final class FormatColumnBuilder {
    package enum Kind: Sendable { case boolean, int32, int64, double, string, bytes, values }

    package let type: SQLType
    let kind: Kind
    let column: ColumnBuilder
    /// Of `column`, for decoders in a hurry; valid as long as the builder lives.
    let cells: UnsafeMutablePointer<ColumnCells>
    private var values: [SQLValue] = []
    /// Of the last column that was finished: the next one is likely alike.
    private var bytesPerRow = 0
    /// Bytes that are reserved at most, however long the texts before were.
    private static let reservedBytesMax = 4 << 20

    package init(_ type: SQLType) {
        self.type = type
        kind =
            switch type {
            case .boolean: .boolean
            case .int, .time, .date: .int32
            case .bigint, .timestamp: .int64
            case .double: .double
            case .string: .string
            case .bytes: .bytes
            case .decimal, .array, .map, .structure: .values
            }
        let columnType: ColumnType =
            switch kind {
            case .boolean, .values: .boolean
            case .int32: .int32
            case .int64: .int64
            case .double: .double
            case .string: .string
            case .bytes: .bytes
            }
        column = ColumnBuilder(columnType)
        cells = column.cells
    }

    package var count: Int { kind == .values ? values.count : column.count }

    package func reserve(_ rows: Int) {
        guard kind != .values else { return values.reserveCapacity(rows) }
        column.reserve(rows: rows, bytesPerRow: min(bytesPerRow, Self.reservedBytesMax / max(1, rows)))
    }

    package func appendNull() {
        if kind == .values { values.append(.null) } else { cells.pointee.appendNull() }
    }

    func appendNulls(_ rows: Int) {
        if kind == .values {
            values.append(contentsOf: repeatElement(.null, count: rows))
        } else {
            column.appendNulls(rows)
        }
    }

    /// A value of another type than the builder's counts as null, and so does one for which there is no room (2 GiB).
    package func append(_ value: SQLValue) {
        switch (kind, value) {
        case (.values, _): values.append(value)
        case (.boolean, .boolean(let value)): cells.pointee.append(value)
        case (.int32, .int(let value)), (.int32, .time(let value)), (.int32, .date(let value)):
            cells.pointee.append(value)
        case (.int64, .bigint(let value)), (.int64, .timestamp(let value)): cells.pointee.append(value)
        case (.double, .double(let value)): cells.pointee.append(value)
        case (.string, .string(let value)):
            if !column.append(string: value) { column.appendNull() }
        case (.bytes, .bytes(let value)):
            if !value.withUnsafeBytes({ column.append(bytes: $0) }) { column.appendNull() }
        default: appendNull()
        }
    }

    /// Takes rows from `rows` on away again.
    func truncate(to rows: Int) {
        if kind == .values {
            values.removeLast(max(0, values.count - rows))
        } else {
            column.truncate(to: rows)
        }
    }

    /// The column, and an empty builder again.
    package func finish() -> FormatColumn {
        if kind == .values {
            defer { values = [] }
            return .values(values)
        }
        let count = max(1, column.count)
        bytesPerRow = (cells.pointee.byteCount + count - 1) / count
        switch column.finish() {
        case .boolean(let column): return .boolean(column)
        case .int32(let column): return .int32(column)
        case .int64(let column): return .int64(column)
        case .double(let column): return .double(column)
        case .string(let column): return .string(column)
        case .bytes(let column): return .bytes(column)
        case .float, .list, .map, .structure: preconditionFailure("not a type of this builder")
        }
    }
}
