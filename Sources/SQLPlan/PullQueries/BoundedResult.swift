package import SQLTypes

/// ORDER BY, OFFSET and LIMIT of a query whose result ends: takes the rows in the order in which they are found, and gives
/// those of the result in its order and within its bounds.
///
/// With an order and a limit no more rows are kept than about twice those that can be in the result.
package struct BoundedResult {
    private let query: PullQuery
    private var rows: [[SQLValue]] = []
    /// With an order: rows of which no more than so many are in the result; nil: all are.
    private let keptMax: Int?
    /// Few rows are not sorted again and again.
    private static let keptMin = 512

    package init(_ query: PullQuery) {
        self.query = query
        keptMax = query.limit.map { limit in
            let (sum, overflow) = limit.addingReportingOverflow(query.offset)
            return overflow ? .max : sum
        }
    }

    /// Rows that are kept now.
    package var count: Int { rows.count }

    /// Whether more rows change nothing.
    package var isComplete: Bool {
        guard let keptMax else { return false }
        return keptMax == query.offset || query.order.isEmpty && rows.count >= keptMax
    }

    package mutating func append(_ row: [SQLValue]) {
        guard !isComplete else { return }
        rows.append(row)
        guard let keptMax, !query.order.isEmpty, rows.count / 2 >= max(keptMax, Self.keptMin) else { return }
        // Sorting is stable: of equal rows the first ones stay, as they would if all were sorted at once.
        query.sort(&rows)
        rows.removeLast(rows.count - keptMax)
    }

    /// The rows of the result.
    package consuming func finish() -> [[SQLValue]] {
        query.sort(&rows)
        if query.offset > 0 { rows.removeFirst(min(query.offset, rows.count)) }
        if let limit = query.limit, rows.count > limit { rows.removeLast(rows.count - limit) }
        return rows
    }
}
