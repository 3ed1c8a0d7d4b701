import SQLSyntax

/// What Tab offers: keywords, names of sources, columns, functions, and the shell's commands.
package struct Completion: Sendable {
    /// Names as they are to be written.
    package var sources: [String] = []
    package var columns: [String] = []
    package var functions: [String] = []
    package var topics: [String] = []
    /// Ids of queries.
    package var queries: [String] = []

    package init() {}

    private static let keywords = [
        "ADVANCE BY", "ALTER", "ALTER STREAM", "ALTER TABLE", "AND", "ARRAY", "AS", "ASSERT", "BETWEEN", "BIGINT",
        "BOOLEAN", "BYTES", "CASE", "CAST(",
        "CREATE", "CREATE OR REPLACE STREAM", "CREATE OR REPLACE TABLE", "CREATE SINK CONNECTOR",
        "CREATE SOURCE CONNECTOR", "CREATE STREAM",
        "CREATE TABLE",
        "CREATE TYPE", "DATE", "DECIMAL(", "DEFINE", "DELETE TOPIC", "DESCRIBE", "DESCRIBE FUNCTION", "DOUBLE", "DROP",
        "DROP CONNECTOR", "DROP STREAM", "DROP TABLE", "DROP TYPE", "ELSE", "EMIT CHANGES", "EMIT FINAL", "END",
        "EXPLAIN",
        "EXPLAIN ANALYZE", "EXTENDED", "FROM", "FROM BEGINNING", "FULL OUTER JOIN", "GRACE PERIOD", "GROUP BY",
        "HAVING",
        "HEADERS", "HOPPING", "IF EXISTS", "IF NOT EXISTS", "IN", "INNER JOIN", "INSERT INTO", "INT", "IS NOT NULL",
        "IS NULL", "JOIN", "KEY", "LEFT JOIN", "LIKE", "LIMIT", "LIST", "MAP<", "NOT", "NULL", "ON", "OR", "ORDER BY",
        "PARTITION BY", "PAUSE", "PRIMARY KEY", "PRINT", "QUERIES", "RESUME", "RIGHT JOIN", "RUN SCRIPT", "SELECT",
        "SESSION", "SET", "SHOW", "SHOW ALL TOPICS", "SHOW CONNECTOR PLUGINS", "SHOW CONNECTORS",
        "SHOW FUNCTIONS", "SHOW PROPERTIES", "SHOW QUERIES",
        "SHOW STREAMS",
        "SHOW TABLES", "SHOW TOPICS", "SHOW TYPES", "SHOW VARIABLES", "SIZE", "SPOOL", "STRING", "STRUCT<", "TERMINATE",
        "THEN", "TIME", "TIMESTAMP", "TUMBLING", "UNDEFINE", "UNSET", "VALUES", "VARCHAR", "WHEN", "WHERE", "WINDOW",
        "WITH", "WITHIN",
    ]

    private static let behindSource: Set<String> = ["FROM", "JOIN", "INTO", "STREAM", "TABLE", "DESCRIBE", "EXISTS"]
    private static let behindQuery: Set<String> = ["TERMINATE", "PAUSE", "RESUME", "EXPLAIN", "ANALYZE"]

    /// What goes on behind the words of a line: `STREAMS` behind `SHOW`, `BY` behind `GROUP`.
    private static func continuations(of line: [String]) -> [String] {
        keywords.flatMap { keyword -> [String] in
            let words = keyword.split(separator: " ").map(String.init)
            return (1..<max(1, words.count)).compactMap { count in
                guard line.count >= count, line.suffix(count).elementsEqual(words.prefix(count)) else { return nil }
                return words.dropFirst(count).joined(separator: " ")
            }
        }
    }

    /// - Parameters:
    ///   - line: what is written before the word.
    ///   - word: the beginning to be completed.
    /// - Returns: whole words, sorted, in the case of the word's first letter where case does not matter.
    package func candidates(after line: String, _ word: String) -> [String] {
        let written = line.split { $0.isWhitespace || $0 == "(" || $0 == "," }.map { $0.uppercased() }
        let previous = written.last ?? ""
        let isLower = word.first?.isLowercase ?? false
        if previous == "PRINT" { return Self.matching(topics.map { "'\($0)'" }, word) }
        // LIST shows as SHOW does.
        let next = Self.continuations(of: written == ["LIST"] ? ["SHOW"] : written)
            .map { isLower ? $0.lowercased() : $0 }
        if Self.behindSource.contains(previous) {
            let found = Self.matching(sources + (previous == "DESCRIBE" ? next : []), word)
            if !found.isEmpty { return found }
        }
        let found = Self.matching(next + (Self.behindQuery.contains(previous) ? queries : []), word)
        if !found.isEmpty { return found }
        let words =
            (Self.keywords + (line.allSatisfy(\.isWhitespace) ? ShellCommand.names.map { $0.uppercased() } : []))
            .map { isLower ? $0.lowercased() : $0 }
        let calls = functions.map { (isLower ? $0.lowercased() : $0) + "(" }
        // Names of columns come first to the eye when nothing is typed yet; sorted together, they read as one list.
        return Array(Set(Self.matching(words + calls, word) + Self.matching(sources + columns, word))).sorted()
    }

    private static func matching(_ names: [String], _ word: String) -> [String] {
        let wanted = word.lowercased()
        return Array(Set(names.filter { $0.lowercased().hasPrefix(wanted) && $0.count > word.count })).sorted()
    }
}
