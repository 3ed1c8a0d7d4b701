extension SQLAPI {
    /// Routes of queries: `/query`, `/query-stream`, `/close-query`, `/inserts-stream`, `/ws/query`.
    mutating func addQueries() {}
}
