import SQLSyntax
import TestKit

extension FuzzTarget {
    /// Statements that are almost right: words of the language in any order, and whole statements with damage.
    static let sql = FuzzTarget(name: "sql", stepCount: 500) { random in
        var bytes = Array(statements[random.roll(statements.count)].utf8)
        switch random.roll(3) {
        case 0: random.damage(&bytes, with: Array(statements[random.roll(statements.count)].utf8))
        case 1:
            bytes = Array(
                (0...random.roll(60)).map { _ in words[random.roll(words.count)] }.joined(separator: " ").utf8)
        default:
            for _ in 0...random.roll(4) {
                let word = Array((" " + words[random.roll(words.count)] + " ").utf8)
                let count = 1 + (random.roll(50) == 0 ? random.roll(2_000) : 0)
                bytes.insert(
                    contentsOf: [[UInt8]](repeating: word, count: count).joined(), at: random.roll(bytes.count + 1))
            }
        }
        try read(String(decoding: bytes, as: UTF8.self))
    }

    /// What is a statement prints, and its text is the same statement, unless printing has made it too deep.
    private static func read(_ text: String) throws {
        for dialect in [SQLDialect.server, .commandLine, .testScript] {
            var reader = StatementReader(text, dialect: dialect)
            var isAtEnd = false
            for _ in 0...text.utf8.count where !isAtEnd {
                do {
                    guard let parsed = try reader.next() else {
                        isAtEnd = true
                        continue
                    }
                    try check(parsed, dialect)
                } catch let error as SQLSyntaxError {
                    try require(!error.report.isEmpty, "an error without text")
                }
            }
            try require(isAtEnd, "reading does not end")
        }
        _ = SQLParser.isComplete(text)
    }

    private static func check(_ parsed: ParsedStatement, _ dialect: SQLDialect) throws {
        let printed = parsed.statement.description
        do {
            let again = try SQLParser.statement(printed, dialect: dialect)
            try require(again.statement == parsed.statement, "\(parsed.text) is printed as \(printed)")
        } catch let error as SQLSyntaxError {
            try require(error.code == .tooDeep, "\(printed) does not read back: \(error.headline)")
        }
        _ = try parsed.substituting(["v": "w"])
        try parsed.checkQualifiers()
    }

    private static let statements = [
        "CREATE STREAM s (id INT KEY, `v` ARRAY<STRUCT<f DECIMAL(4, 2)>>) WITH (kafka_topic='t', format=\"x\", partitions=-1);",
        "CREATE OR REPLACE TABLE t AS SELECT a, COUNT(*) n FROM s WINDOW HOPPING (SIZE 1 DAY, ADVANCE BY 2 HOURS, GRACE PERIOD "
            + "1 SECOND) WHERE x BETWEEN 1 AND 2 GROUP BY (a, b) HAVING COUNT(*) > 1 EMIT FINAL LIMIT 3;",
        "SELECT a->b[1], s.*, MAP('k' := 1e3), CASE WHEN a IS NOT NULL THEN -5 ELSE .5 END AS `x y`, f(x => x + 1, (y, z) => y) "
            + "FROM s LEFT JOIN t WITHIN (1 HOUR, 2 HOURS) GRACE PERIOD 1 DAY ON s.a = t.a AND NOT t.b LIKE '%' ESCAPE '!' EMIT CHANGES;",
        "INSERT INTO s (a, b) VALUES (STRUCT(a := 'it''s'), CAST(NULL AS MAP<STRING, INT>)); -- comment\n--@test: x\nSHOW TOPICS;",
        "DEFINE v = 'x'; SELECT '${v}', ${v} FROM ${v} /* c */ PARTITION BY a; EXPLAIN ANALYZE q; ASSERT SCHEMA SUBJECT a ID 3;",
        "ASSERT VALUES s (a) VALUES (1); ASSERT NULL VALUES s KEY (1); RUN SCRIPT 'x'; PRINT 'x' FROM BEGINNING LIMIT 2;",
    ]

    private static let words = [
        "SELECT", "FROM", "WHERE", "GROUP", "BY", "(", ")", "[", "]", ",", ".", ";", "=", "<>", "<", ">", "->", "=>",
        ":=", "||", "+", "-", "*",
        "/", "NOT", "AND", "OR", "IN", "IS", "NULL", "BETWEEN", "LIKE", "ESCAPE", "CASE", "WHEN", "THEN", "ELSE", "END",
        "CAST", "AS", "ARRAY",
        "MAP", "STRUCT", "INT", "DECIMAL", "CREATE", "STREAM", "TABLE", "WITH", "INSERT", "INTO", "VALUES", "EXPLAIN",
        "SHOW", "a", "b", "`c`",
        "\"d\"", "'e'", "1", "2.5", "1e3", "9a", "${v}", "--", "/*", "*/", "'", "`", "EMIT", "CHANGES", "WINDOW",
        "TUMBLING", "SIZE", "DAY",
        "JOIN", "ON", "WITHIN", "PARTITION", "LIMIT", "KEY", "PRIMARY", "AT", "TIME", "ZONE", "DISTINCT", "ORDER",
        "DESC", "ASSERT", "\n", "é",
    ]
}
