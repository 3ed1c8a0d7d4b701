import SQLTesting
import Testing

/// A source joined with itself, which the original refuses: both sides read the same records.
@Suite struct SelfJoinTests {
    private static let stream = "CREATE STREAM s (id INT KEY, v INT) WITH (kafka_topic='s', value_format='JSON');"
    private static let table = "CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON');"

    @Test(
        arguments: [
            """
            \(stream)
            CREATE STREAM j AS SELECT a.id AS id, a.v AS av, b.v AS bv FROM s a JOIN s b WITHIN 1 DAY ON a.id = b.id;
            INSERT INTO s (rowtime, id, v) VALUES (0, 1, 10);
            INSERT INTO s (rowtime, id, v) VALUES (5, 1, 20);
            ASSERT VALUES j (rowtime, id, av, bv) VALUES (0, 1, 10, 10);
            ASSERT VALUES j (rowtime, id, av, bv) VALUES (5, 1, 20, 10);
            ASSERT VALUES j (rowtime, id, av, bv) VALUES (5, 1, 10, 20);
            ASSERT VALUES j (rowtime, id, av, bv) VALUES (5, 1, 20, 20);
            """,
            """
            \(table)
            CREATE TABLE j AS SELECT a.id AS id, a.v AS av, b.v AS bv FROM t a JOIN t b ON a.id = b.id;
            INSERT INTO t (rowtime, id, v) VALUES (0, 1, 10);
            ASSERT VALUES j (rowtime, id, av, bv) VALUES (0, 1, 10, 10);
            """,
            """
            \(stream)
            \(table)
            CREATE STREAM j AS SELECT a.id AS id, a.v AS av, b.v AS bv, t.v AS tv
            FROM s a JOIN s b WITHIN 1 DAY ON a.id = b.id JOIN t ON a.id = t.id;
            INSERT INTO t (rowtime, id, v) VALUES (0, 1, 7);
            INSERT INTO s (rowtime, id, v) VALUES (0, 1, 10);
            ASSERT VALUES j (rowtime, id, av, bv, tv) VALUES (0, 1, 10, 10, 7);
            """,
        ])
    func `two aliases of one source are joined`(statements: String) throws {
        let test = try #require(ScriptCase.cases(in: "--@test: t\n" + statements, file: "t.sql").first)
        if case .failed(let reason, let details) = CaseFiles.runner.run(test).verdict {
            Issue.record("\(reason): \(details)")
        }
    }
}
