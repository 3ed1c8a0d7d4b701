import SQLPlan
import SQLSyntax
import SQLTypes
import Testing

private let sources = """
    CREATE STREAM S (ID INT KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
    CREATE TABLE A (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='a', VALUE_FORMAT='JSON');
    CREATE TABLE B (ID INT PRIMARY KEY, W INT) WITH (KAFKA_TOPIC='b', VALUE_FORMAT='JSON');
    CREATE SOURCE TABLE KEPT (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='k', VALUE_FORMAT='JSON');
    CREATE STREAM WINDOWED (ID INT KEY, V INT)
      WITH (KAFKA_TOPIC='w', VALUE_FORMAT='JSON', WINDOW_TYPE='TUMBLING', WINDOW_SIZE='1 SECOND');
    """

/// What statements may ask for, and how they say that they may not.
@Suite struct StatementRuleTests {
    @Test(arguments: [
        (
            "CREATE STREAM R AS SELECT * FROM S; CREATE OR REPLACE STREAM R AS SELECT * FROM R;",
            "Source name 'R' should not be referenced itself."
        ),
        (
            "CREATE STREAM R AS SELECT * FROM S; CREATE STREAM R AS SELECT * FROM R;",
            "Cannot add stream 'R': A stream with the same name already exists"
        ),
        ("TERMINATE CST_KEPT_0;", "Cannot terminate query 'CST_KEPT_0' because it is linked to a source table."),
        ("PAUSE CST_KEPT_0;", "Cannot pause query 'CST_KEPT_0' because it is linked to a source table."),
        ("RESUME CST_KEPT_0;", "Cannot resume query 'CST_KEPT_0' because it is linked to a source table."),
        (
            "CREATE STREAM R AS SELECT V FROM WINDOWED PARTITION BY NULL;",
            "Implicit repartitioning of windowed sources is not supported."
                + " See https://github.com/confluentinc/ksql/issues/4385."
        ),
        (
            "CREATE TABLE R AS SELECT ID, COUNT(*) AS C FROM S"
                + " WINDOW HOPPING (SIZE 1 DAYS, ADVANCE BY 1 MILLISECONDS) GROUP BY ID;",
            "A row would be in 86400000 windows of 86400000 ms that begin each 1 ms, and at most 1000000 are possible."
        ),
        ("DROP TABLE S;", "Incompatible data source type is stream, but statement was DROP table"),
        (
            "CREATE TABLE R AS SELECT COUNT(*) + 1 AS C, 2 * SUM(V) AS D FROM S;",
            "CREATE TABLE AS SELECT statement does not support aggregate function [COUNT(ROWTIME), SUM(V)] without a"
                + " GROUP BY clause."
        ),
        (
            "CREATE TABLE R AS SELECT A.ID, W FROM A JOIN B WITHIN 1 DAY ON A.ID = B.ID;",
            "A window definition was provided for a Table-Table join. These joins are not windowed. Please drop the window"
                + " definition (i.e. the WITHIN clause) and try to execute your Table-Table join again."
        ),
        (
            "CREATE STREAM R AS SELECT S.ID, W FROM S JOIN B WITHIN 1 DAY ON S.ID = B.ID;",
            "A window definition was provided for a Stream-Table join. These joins are not windowed. Please drop the window"
                + " definition (ie. the WITHIN clause) and try to execute your join again."
        ),
    ])
    func `statements that ask for too much say why`(script: String, message: String) throws {
        #expect(try Lab(sources).failure(script) == message)
    }

    /// By hand from the original's DistributingExecutor, which tells of the statement's kind only.
    @Test(arguments: [
        (
            "CREATE STREAM IF NOT EXISTS S (ID INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');",
            "Cannot add stream `S`: A stream with the same name already exists."
        ),
        (
            "CREATE TABLE IF NOT EXISTS S AS SELECT ID, COUNT(*) FROM S GROUP BY ID;",
            "Cannot add table `S`: A table with the same name already exists."
        ),
    ])
    func `IF NOT EXISTS warns`(text: String, message: String) throws {
        let lab = try Lab(sources)
        let outcome = try #require(try lab.run(text).first)
        #expect(outcome.isWarning && outcome.message == message)
    }

    @Test func `all queries may be terminated, those of source tables too`() throws {
        let lab = try Lab(sources)
        try lab.run("TERMINATE ALL;")
        #expect(lab.catalog.queryIDs.isEmpty)
    }

    private func decimals(into column: String, key: String = "DECIMAL(4, 2)") -> String {
        """
        CREATE STREAM D (ID DECIMAL(4, 2) KEY, V DECIMAL(4, 2)) WITH (KAFKA_TOPIC='d', FORMAT='JSON');
        CREATE STREAM E (ID \(key) KEY, V \(column)) WITH (KAFKA_TOPIC='e', FORMAT='JSON');
        INSERT INTO E SELECT * FROM D;
        """
    }

    @Test(arguments: ["DECIMAL(4, 2)", "DECIMAL(10, 4)", "DECIMAL(6, 4)", "DECIMAL(5, 2)"])
    func `INSERT INTO takes decimals that fit their column`(column: String) throws {
        for key in ["DECIMAL(4, 2)", column] {
            let lab = try Lab()
            try lab.run(decimals(into: column, key: key))
            // Every record of the topic is written in the columns' own types.
            let root = try lab.plan("INSERTQUERY_0").root
            let target = try #require(lab.catalog["E"])
            #expect(root.schema.columns.map(\.type) == (target.keyColumns + target.valueColumns).map(\.type))
        }
    }

    @Test(arguments: ["DECIMAL(10, 1)", "DECIMAL(5, 4)", "DECIMAL(3, 2)", "DOUBLE", "ARRAY<DECIMAL(4, 2)>"])
    func `INSERT INTO refuses what would not fit`(column: String) throws {
        let failure = try Lab().failure(decimals(into: column))
        #expect(failure?.hasPrefix("Incompatible schema between results and sink.") == true, "\(failure ?? "none")")
        let ofKey = try Lab().failure(decimals(into: "DECIMAL(4, 2)", key: column))
        #expect(ofKey?.hasPrefix("Incompatible schema between results and sink.") == true, "\(ofKey ?? "none")")
    }

    private let named = """
        CREATE STREAM N (ID INT KEY, EVENT_ROWTIME BIGINT, TOLD_WINDOWEND STRING)
          WITH (KAFKA_TOPIC='n', VALUE_FORMAT='JSON');
        """

    /// Of each COUNT, whether it counts values of a column; else it counts rows.
    @Test(arguments: [
        ("SELECT N.ID, COUNT(*), COUNT(EVENT_ROWTIME) FROM N GROUP BY ID", [false, true]),
        ("SELECT N.ID, COUNT(ROWTIME) FROM N GROUP BY ID", [false]),
        (
            "SELECT N.ID, COUNT(*), COUNT(A.ROWTIME), COUNT(N.ROWTIME) FROM N LEFT JOIN A ON N.ID = A.ID GROUP BY N.ID",
            [false, true]
        ),
    ])
    func `COUNT counts rows or values`(query: String, countsValues: [Bool]) throws {
        let lab = try Lab(sources + named)
        try lab.run("CREATE TABLE R AS \(query);")
        var found: [Bool] = []
        try lab.plan("CTAS_R_1").root.forEach { step in
            guard case .aggregate(let aggregate) = step.operation else { return }
            found = aggregate.functions.map { call in
                if case .column? = call.arguments.first?.node { true } else { false }
            }
        }
        #expect(found == countsValues)
    }

    @Test(
        arguments: [
            ("TOLD_WINDOWEND = 'yesterday'", nil), ("ROWTIME > '2020-01-01'", nil), ("N.ROWTIME < '2020'", nil),
            ("ROWTIME > 'yesterday'", "Failed to parse timestamp 'yesterday'"),
            ("EVENT_ROWTIME > '2020-01-01'", "Cannot compare EVENT_ROWTIME (BIGINT) to '2020-01-01' (STRING)"),
        ] as [(String, String?)])
    func `texts are times beside ROWTIME only`(condition: String, message: String?) throws {
        let failure = try Lab(sources + named).failure("CREATE STREAM R AS SELECT * FROM N WHERE \(condition);")
        #expect((failure == nil) == (message == nil), "\(failure ?? "it does not fail")")
        if let message { #expect(failure?.contains(message) == true, "\(failure ?? "it does not fail")") }
    }

    @Test func `the times of both sides of a join are times`() throws {
        let lab = try Lab(sources + named)
        try lab.run("CREATE STREAM R AS SELECT N.ID, V FROM N JOIN A ON N.ID = A.ID WHERE A.ROWTIME > '2020-01-01';")
        #expect(lab.catalog["R"] != nil)
    }
}
