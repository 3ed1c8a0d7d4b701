package import SQLTypes

/// A query of a client whose result ends, ready to be read.
package struct PullQuery: Sendable {
    package enum Source: Sendable {
        case table(PullTable)
        /// The records that the topics hold now, through a plan of the kind that push queries have.
        case stream(PhysicalPlan)
        /// The same of a query that aggregates: of all rows of a group, by the key of the plan's root, the last counts.
        case groups(PhysicalPlan)
    }

    package var source: Source
    /// What the client gets. Of tables, key columns and bounds of windows have the role of keys.
    package var columns: [SQLColumn]
    /// Only records with timestamps in these bounds, in milliseconds since 1970; streams only.
    package var timeRange: ClosedRange<Int64>?
    /// Indexes of result columns to sort by; empty where the order does not matter.
    package var order: [PullOrder]
    /// Rows of the result to leave out first.
    package var offset: Int
    /// Rows that are enough; nil for all.
    package var limit: Int?

    /// Whether all rows are in the result, in the order in which they are found.
    package var takesAll: Bool { order.isEmpty && offset == 0 && limit == nil }

    /// "`ID` STRING KEY, `COUNT` BIGINT"
    package var schemaText: String { columns.map(\.description).joined(separator: ", ") }
}

package struct PullOrder: Hashable, Sendable {
    package var column: Int
    package var isDescending: Bool
}

/// How a pull query reads the table that a persistent query keeps.
package struct PullTable: Sendable {
    package enum Keys: Hashable, Sendable {
        case all
        /// Each with a value for every key column; each once.
        case keys([[SQLValue]])
        /// Of the only key column.
        case range(lower: PullBound?, upper: PullBound?)
    }

    /// The persistent query that keeps the table.
    package var queryID: String
    /// What is to be read: at least the rows that fulfil the condition.
    package var keys: Keys
    package var windowStart: ClosedRange<Int64>?
    package var windowEnd: ClosedRange<Int64>?
    package var rows: PullRows
}

package struct PullBound: Hashable, Sendable {
    package var value: SQLValue
    package var isIncluded: Bool

    package init(value: SQLValue, isIncluded: Bool) {
        self.value = value
        self.isIncluded = isIncluded
    }
}
