import JSONFormat
import SQLClient

/// Rows of the demonstration's queries.
struct DemoRows: Sendable {
    let client: SQLClient
    let session: SQLClient.Session

    /// A table as far as it came.
    struct Found: Sendable {
        var columns: [String] = []
        var rows: [[JSONValue]] = []
    }

    /// What a query gives until there are `count` rows, it ends, or time is over.
    ///
    /// - Throws: `SQLFailure` when the query is refused or fails.
    func first(_ count: Int, of query: String, within limit: Duration) async throws -> Found {
        try await withThrowingTaskGroup(of: Found?.self) { group in
            group.addTask { try await collect(count, query) }
            group.addTask {
                try? await Task.sleep(for: limit)  // ends early when the rows are there
                return nil
            }
            // The rows end with the time, and are what came until then.
            for try await found in group {
                group.cancelAll()
                if let found { return found }
            }
            return Found()
        }
    }

    private func collect(_ count: Int, _ query: String) async throws -> Found {
        var found = Found()
        do {
            try await each(of: query) { columns, row in
                found.columns = columns
                found.rows.append(row)
                return found.rows.count < count
            }
        } catch  where Task.isCancelled {
            return found
        }
        return found
    }

    /// Calls `body` for each row as it comes, until that returns false, the query ends, or the task is cancelled.
    func each(of query: String, _ body: ([String], [JSONValue]) throws -> Bool) async throws {
        var stream = try await client.query(query, session)
        var columns: [String] = []
        while let piece = try await stream.next() {
            switch piece {
            case .header(_, let schema): columns = Self.columns(schema)
            case .row(let row, let isTombstone): if !isTombstone, try !body(columns, row) { return }
            case .line, .message: break
            }
        }
    }

    /// The names in `` `ID` BIGINT KEY, `NAME` STRING ``.
    static func columns(_ schema: String) -> [String] {
        var names: [String] = []
        var depth = 0
        for (index, part) in schema.split(separator: "`", omittingEmptySubsequences: false).enumerated() {
            if index % 2 == 1 {
                if depth == 0 { names.append(String(part)) }
            } else {
                depth += part.count { $0 == "<" } - part.count { $0 == ">" }
            }
        }
        return names
    }

    /// A cell for people.
    static func text(_ value: JSONValue) -> String { value.text ?? String(decoding: value.bytes, as: UTF8.self) }
}
