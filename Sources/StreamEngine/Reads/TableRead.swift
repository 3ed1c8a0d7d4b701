package import SQLTypes

/// What part of a table is wanted.
package struct TableRead: Sendable {
    package enum Keys: Sendable {
        case all
        /// These keys, each with a value for every key column.
        case keys([[SQLValue]])
        /// Of a table with one key column: from and to these values, each with whether it is part of the range.
        case range(lower: (value: SQLValue, isIncluded: Bool)?, upper: (value: SQLValue, isIncluded: Bool)?)
    }

    package var keys: Keys
    /// Of windowed tables: bounds of the windows' starts and ends, in milliseconds since 1970.
    package var windowStart: ClosedRange<Int64>?
    package var windowEnd: ClosedRange<Int64>?
    /// Rows that are enough.
    package var limit: Int?

    package init(
        _ keys: Keys, windowStart: ClosedRange<Int64>? = nil, windowEnd: ClosedRange<Int64>? = nil, limit: Int? = nil
    ) {
        self.keys = keys
        self.windowStart = windowStart
        self.windowEnd = windowEnd
        self.limit = limit
    }
}

/// A row of a table.
package struct TableRow: Sendable {
    /// In the order of the key columns.
    package var key: [SQLValue]
    /// Start and end in milliseconds since 1970; nil in tables without windows.
    package var window: (start: Int64, end: Int64)?
    /// In the order of the value columns.
    package var values: [SQLValue]
    /// Milliseconds since 1970.
    package var timestamp: Int64

    package init(key: [SQLValue], window: (start: Int64, end: Int64)?, values: [SQLValue], timestamp: Int64) {
        self.key = key
        self.window = window
        self.values = values
        self.timestamp = timestamp
    }
}
