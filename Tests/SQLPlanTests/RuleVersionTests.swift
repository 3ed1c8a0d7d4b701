import SQLPlan
import SQLTypes
import Testing

/// What an earlier program accepted is planned as it was there.
@Suite struct RuleVersionTests {
    private static let sources = """
        CREATE STREAM S (K STRING KEY, P DECIMAL(10, 2), C DECIMAL(2, 2), A ARRAY<DECIMAL(2, 2)>, MY_ROWTIME STRING,
          EVENT_ROWTIME BIGINT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE STREAM R (K STRING KEY, V INT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON');
        CREATE TABLE T (K STRING PRIMARY KEY, G STRING, EVENT_ROWTIME BIGINT)
          WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');
        CREATE TABLE U (K STRING PRIMARY KEY, W INT) WITH (KAFKA_TOPIC='u', VALUE_FORMAT='JSON');
        """

    @Test(
        arguments: [
            ("P * 0.05", "DECIMAL(13, 4)", "DECIMAL(14, 4)"), ("0.00", "DECIMAL(3, 2)", "DECIMAL(3, 2)"),
            ("COALESCE(C, 0.05)", "DECIMAL(2, 2)", nil), ("ARRAY_REMOVE(A, 0.05)", "ARRAY<DECIMAL(2, 2)>", nil),
            ("CASE WHEN true THEN C ELSE '0.05' END", "DECIMAL(2, 2)", "DECIMAL(3, 2)"),
            ("ARRAY[C, '0.05']", "ARRAY<DECIMAL(2, 2)>", "ARRAY<DECIMAL(3, 2)>"),
            ("MAP('a' := C, 'b' := '0.05')", "MAP<STRING, DECIMAL(2, 2)>", "MAP<STRING, DECIMAL(3, 2)>"),
        ] as [(String, String, String?)])
    func `literals keep their types`(expression: String, first: String, second: String?) throws {
        let expected: [(RuleVersion, String?)] = [(.first, first), (.second, second)]
        for (rules, type) in expected {
            let lab = try Lab(Self.sources, rules: rules)
            let failure = try lab.failure("CREATE STREAM O AS SELECT K, \(expression) AS D FROM S;")
            #expect((failure == nil) == (type != nil), "\(rules): \(failure ?? "it does not fail")")
            #expect(lab.catalog["O"]?.columns.last?.type.description == type)
        }
    }

    @Test func `literals still fit the columns that they fitted`() throws {
        let target = "CREATE STREAM O (K STRING KEY, D DECIMAL(13, 4)) WITH (KAFKA_TOPIC='o', VALUE_FORMAT='JSON');"
        let insert = "INSERT INTO O SELECT K, P * 0.05 AS D FROM S;"
        #expect(try Lab(Self.sources + target, rules: .first).failure(insert) == nil)
        #expect(try Lab(Self.sources + target, rules: .second).failure(insert) != nil)
    }

    /// Whether the first and the second rules keep ROWTIME in a store, and count values of it.
    @Test(arguments: [
        "SELECT S.K, COUNT(R.ROWTIME) AS N FROM S LEFT JOIN R WITHIN 1 HOUR ON S.K = R.K GROUP BY S.K",
        "SELECT S.K, COUNT(T.ROWTIME) AS N FROM S LEFT JOIN T ON S.K = T.K GROUP BY S.K",
        "SELECT G, COUNT(U.ROWTIME) AS N FROM T LEFT JOIN U ON T.K = U.K GROUP BY G",
        "SELECT G, COUNT(EVENT_ROWTIME) AS N FROM T GROUP BY G",
    ])
    func `state keeps its columns`(query: String) throws {
        func found(_ rules: RuleVersion) throws -> (counted: [String], columns: Int) {
            let lab = try Lab(Self.sources, rules: rules)
            try lab.run("CREATE TABLE O AS \(query);")
            var counted: [String] = []
            var columns = 0
            try lab.plan(lab.catalog.queryIDs.first ?? "").root.forEach { step in
                if case .aggregate(let aggregate) = step.operation {
                    counted = aggregate.functions.map { call in
                        if case .column? = call.arguments.first?.node { "values" } else { "rows" }
                    }
                }
                if case .source = step.operation { columns += step.schema.columns.count }
            }
            return (counted, columns)
        }
        let (first, second) = (try found(.first), try found(.second))
        #expect(first.counted == ["rows"] && second.counted == ["values"])
        #expect(first.columns < second.columns, "what counts values needs the column below")
    }

    @Test func `texts beside names that end as ROWTIME does`() throws {
        let text = "CREATE STREAM O AS SELECT * FROM S WHERE MY_ROWTIME = 'abc';"
        let time = "CREATE STREAM O AS SELECT * FROM S WHERE EVENT_ROWTIME > '2020-01-01';"
        #expect(try Lab(Self.sources, rules: .first).failure(text)?.contains("Failed to parse timestamp 'abc'") == true)
        #expect(try Lab(Self.sources, rules: .first).failure(time) == nil)
        #expect(try Lab(Self.sources, rules: .second).failure(text) == nil)
        #expect(try Lab(Self.sources, rules: .second).failure(time)?.contains("Cannot compare") == true)
    }
}
