import SQLTesting
import Testing

/// GROUP BY over a stream of windows: rows of all windows come together, in a table without windows. Expected values are
/// counted by hand; that keys and tables have no windows is the original's (`KeyFormat.nonWindowed` in `SchemaKStream.groupBy`).
@Suite struct WindowedGroupTests {
    /// Results of windows, and the streams that read them. Three rows, in three windows of any kind.
    private static func script(_ window: String, _ source: String, _ statement: String, _ asserts: String) -> String {
        """
        CREATE STREAM a (k STRING KEY, v INT, g STRING) WITH (KAFKA_TOPIC='a', PARTITIONS=1, VALUE_FORMAT='JSON');
        CREATE TABLE w AS SELECT g, COUNT(*) n, SUM(v) s, STRUCT(a := SUM(v)) st FROM a WINDOW \(window) GROUP BY g;
        CREATE STREAM ws (g STRING KEY, n BIGINT, s INT, st STRUCT<a INT>)
          WITH (KAFKA_TOPIC='W', VALUE_FORMAT='JSON', \(source));
        CREATE STREAM ws2 (g STRING KEY, n BIGINT) WITH (KAFKA_TOPIC='W', VALUE_FORMAT='JSON', \(source));
        \(statement)
        INSERT INTO a (rowtime, k, v, g) VALUES (1000, '1', 1, 'x');
        INSERT INTO a (rowtime, k, v, g) VALUES (61000, '2', 2, 'x');
        INSERT INTO a (rowtime, k, v, g) VALUES (121000, '3', 5, 'y');
        \(asserts)
        """
    }

    private static let tumbling = (
        "TUMBLING (SIZE 10 SECONDS)", "WINDOW_TYPE='TUMBLING', WINDOW_SIZE='10 SECONDS'"
    )

    private func run(_ statements: String) throws {
        let test = try #require(ScriptCase.cases(in: "--@test: t\n" + statements, file: "t.sql").first)
        if case .failed(let reason, let details) = CaseFiles.runner.run(test).verdict {
            Issue.record("\(reason): \(details)")
        }
    }

    @Test(arguments: [
        tumbling,
        ("HOPPING (SIZE 10 SECONDS, ADVANCE BY 10 SECONDS)", "WINDOW_TYPE='HOPPING', WINDOW_SIZE='10 SECONDS'"),
        ("SESSION (5 SECONDS)", "WINDOW_TYPE='SESSION'"),
    ])
    func `windows of every kind`(window: String, source: String) throws {
        try run(
            Self.script(
                window, source, "CREATE TABLE wagg AS SELECT g, MAX(n) mx, SUM(s) t, COUNT(*) c FROM ws GROUP BY g;",
                """
                ASSERT TABLE wagg (g STRING PRIMARY KEY, mx BIGINT, t INT, c BIGINT)
                  WITH (KAFKA_TOPIC='WAGG', VALUE_FORMAT='JSON');
                ASSERT VALUES wagg (rowtime, g, mx, t, c) VALUES (1000, 'x', 1, 1, 1);
                ASSERT VALUES wagg (rowtime, g, mx, t, c) VALUES (61000, 'x', 1, 3, 2);
                ASSERT VALUES wagg (rowtime, g, mx, t, c) VALUES (121000, 'y', 1, 5, 1);
                """))
    }

    @Test(
        arguments: [
            (
                "SELECT g, n, COUNT(*) c FROM ws GROUP BY g, n", "(g, n, c)",
                ["('x', 1, 1)", "('x', 1, 2)", "('y', 1, 1)"]
            ),
            ("SELECT st->a x, COUNT(*) c FROM ws GROUP BY st->a", "(x, c)", ["(1, 1)", "(2, 1)", "(5, 1)"]),
            (
                "SELECT UCASE(g) x, COUNT(*) c FROM ws GROUP BY UCASE(g)", "(x, c)",
                ["('X', 1)", "('X', 2)", "('Y', 1)"]
            ),
            (
                "SELECT WINDOWSTART x, COUNT(*) c FROM ws GROUP BY WINDOWSTART", "(x, c)",
                ["(0, 1)", "(60000, 1)", "(120000, 1)"]
            ),
            (
                "SELECT g, WINDOWEND x, COUNT(*) c FROM ws GROUP BY g, WINDOWEND", "(g, x, c)",
                ["('x', 10000, 1)", "('x', 70000, 1)", "('y', 130000, 1)"]
            ),
            ("SELECT 1 x, COUNT(*) c FROM ws GROUP BY 1", "(x, c)", ["(1, 1)", "(1, 2)", "(1, 3)"]),
            (
                "SELECT g, MAX(WINDOWEND) x, COUNT(*) c FROM ws WHERE n > 0 GROUP BY g HAVING COUNT(*) > 0",
                "(g, x, c)",
                ["('x', 10000, 1)", "('x', 70000, 2)", "('y', 130000, 1)"]
            ),
            (
                "SELECT ws.g x, COUNT(*) c FROM ws JOIN ws2 WITHIN 1 SECOND ON ws.g = ws2.g GROUP BY ws.g", "(x, c)",
                ["('x', 1)", "('x', 2)", "('y', 1)"]
            ),
            (
                "SELECT g, COUNT(*) c FROM ws WINDOW TUMBLING (SIZE 100 SECONDS) GROUP BY g", "(g, c)",
                ["('x', 1)", "('x', 2)", "('y', 1)"]
            ),
        ] as [(String, String, [String])])
    func `groups of every kind`(query: String, columns: String, rows: [String]) throws {
        try run(
            Self.script(
                Self.tumbling.0, Self.tumbling.1, "CREATE TABLE r WITH (KEY_FORMAT='JSON') AS \(query);",
                rows.map { "ASSERT VALUES r \(columns) VALUES \($0);" }.joined(separator: "\n")))
    }
}
