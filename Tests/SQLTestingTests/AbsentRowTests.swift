import SQLTesting
import Testing

/// Rows that have no partner in the other table: which they are is asked of its key.
@Suite struct AbsentRowTests {
    private static let sources = """
        CREATE TABLE a (id INT PRIMARY KEY, v STRING) WITH (kafka_topic='a', value_format='JSON');
        CREATE STREAM s (id INT KEY, x INT) WITH (kafka_topic='s', value_format='JSON');
        CREATE TABLE b AS SELECT id, LATEST_BY_OFFSET(x) AS w FROM s GROUP BY id HAVING LATEST_BY_OFFSET(x) > 0;
        """

    @Test(
        arguments: [
            """
            CREATE TABLE o AS SELECT a.id, v, w FROM a LEFT JOIN b ON a.id = b.id WHERE b.id IS NULL;
            INSERT INTO a (rowtime, id, v) VALUES (0, 1, 'a1');
            ASSERT VALUES o (rowtime, a_id, v, w) VALUES (0, 1, 'a1', NULL);
            INSERT INTO s (rowtime, id, x) VALUES (10, 1, 5);
            ASSERT NULL VALUES o (rowtime, a_id) KEY (10, 1);
            INSERT INTO s (rowtime, id, x) VALUES (12, 1, 0);
            ASSERT VALUES o (rowtime, a_id, v, w) VALUES (12, 1, 'a1', NULL);
            INSERT INTO a (rowtime, id, v) VALUES (14, 1, 'a2');
            ASSERT VALUES o (rowtime, a_id, v, w) VALUES (14, 1, 'a2', NULL);
            INSERT INTO s (rowtime, id, x) VALUES (15, 1, 6);
            ASSERT NULL VALUES o (rowtime, a_id) KEY (15, 1);
            """,
            """
            CREATE TABLE o AS SELECT rowkey, a.id AS l, b.id AS r, v, w FROM a FULL OUTER JOIN b ON a.id = b.id;
            INSERT INTO a (rowtime, id, v) VALUES (0, 1, 'a1');
            ASSERT VALUES o (rowtime, rowkey, l, r, v, w) VALUES (0, 1, 1, NULL, 'a1', NULL);
            INSERT INTO s (rowtime, id, x) VALUES (10, 1, 5);
            ASSERT VALUES o (rowtime, rowkey, l, r, v, w) VALUES (10, 1, 1, 1, 'a1', 5);
            INSERT INTO s (rowtime, id, x) VALUES (12, 1, 0);
            ASSERT VALUES o (rowtime, rowkey, l, r, v, w) VALUES (12, 1, 1, NULL, 'a1', NULL);
            """,
        ])
    func `the key of an absent row is null`(statements: String) throws {
        let text = "--@test: t\n" + Self.sources + "\n" + statements
        let test = try #require(ScriptCase.cases(in: text, file: "t.sql").first)
        if case .failed(let reason, let details) = CaseFiles.runner.run(test).verdict {
            Issue.record("\(reason): \(details)")
        }
    }
}
