package import SQLTypes

/// The layout of the rows that a step puts out: expressions above it address columns by their index here.
///
/// The order is fixed: the columns of the record's key first (`keyCount` of them), then everything else. A row has a
/// timestamp besides, and a window where `window` is set; neither is a column unless a pseudo column says so.
package struct RowSchema: Hashable, Sendable {
    package struct Column: Hashable, Sendable {
        package var name: String
        package var type: SQLType

        package init(_ name: String, _ type: SQLType) {
            self.name = name
            self.type = type
        }
    }

    package var columns: [Column]
    package var keyCount: Int
    /// Set where the key of each row is that of a window.
    package var window: WindowInfo?

    package init(keys: [Column], values: [Column], window: WindowInfo? = nil) {
        columns = keys + values
        keyCount = keys.count
        self.window = window
    }

    package var keys: ArraySlice<Column> { columns[..<keyCount] }
    package var values: ArraySlice<Column> { columns[keyCount...] }

    /// The index of the first column of that name.
    package func index(of name: String) -> Int? { columns.firstIndex { $0.name == name } }
}

extension RowSchema: CustomStringConvertible {
    /// "`K` STRING KEY, `V` BIGINT", as EXPLAIN shows it.
    package var description: String {
        columns.enumerated().map { index, column in
            "\(SQLIdentifier.quoted(column.name)) \(column.type)\(index < keyCount ? " KEY" : "")"
        }.joined(separator: ", ")
    }
}

/// Columns that no record carries as such.
package enum PseudoColumn: String, Hashable, Sendable, CaseIterable {
    /// BIGINT: the timestamp of the record.
    case rowTime = "ROWTIME"
    /// INTEGER
    case rowPartition = "ROWPARTITION"
    /// BIGINT
    case rowOffset = "ROWOFFSET"
    /// BIGINT; only where the key is windowed.
    case windowStart = "WINDOWSTART"
    case windowEnd = "WINDOWEND"

    package var type: SQLType { self == .rowPartition ? .int : .bigint }
    package var isWindowBound: Bool { self == .windowStart || self == .windowEnd }
}
