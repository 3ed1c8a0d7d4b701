import Foundation
import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes
import Testing

private let tables = """
    CREATE STREAM CLICKS (USER_ID STRING KEY, PAGE STRING, SPENT INT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON');
    CREATE TABLE TOTALS AS SELECT USER_ID, COUNT(*) AS N, SUM(SPENT) AS S FROM CLICKS GROUP BY USER_ID;
    CREATE TABLE HOURLY AS SELECT USER_ID, COUNT(*) AS N FROM CLICKS WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY USER_ID;
    CREATE TABLE PAIRS WITH (KEY_FORMAT='JSON') AS SELECT USER_ID, PAGE, COUNT(*) AS N FROM CLICKS GROUP BY USER_ID, PAGE;
    CREATE TABLE PLAIN (ID BIGINT PRIMARY KEY, NAME STRING) WITH (KAFKA_TOPIC='plain', VALUE_FORMAT='JSON');
    CREATE SOURCE TABLE KEPT (ID BIGINT PRIMARY KEY, NAME STRING) WITH (KAFKA_TOPIC='plain', VALUE_FORMAT='JSON');
    """

@Suite struct PullQueryTests {
    private func plan(_ text: String, _ properties: [String: String] = [:]) throws -> PullQuery {
        let lab = try Lab(tables)
        lab.properties = properties
        return try Self.plan(text, lab)
    }

    static func plan(_ text: String, _ lab: Lab) throws -> PullQuery {
        guard case .query(let query) = try SQLParser.statement(text).statement else {
            throw PlanError(.invalid, "no query: \(text)")
        }
        return try lab.executor.planPullQuery(query, id: "query_1", in: lab.catalog)
    }

    private func table(_ text: String, _ properties: [String: String] = [:]) throws -> PullTable {
        guard case .table(let table) = try plan(text, properties).source else {
            throw PlanError(.invalid, "reads no table: \(text)")
        }
        return table
    }

    private func failure(_ text: String, _ properties: [String: String] = [:]) -> String {
        do {
            _ = try plan(text, properties)
            return "no failure"
        } catch { return (error as? PlanError)?.message ?? "\(error)" }
    }

    @Test(arguments: [
        ("SELECT * FROM TOTALS;", "`USER_ID` STRING KEY, `N` BIGINT, `S` INTEGER"),
        ("SELECT S, USER_ID AS U, N * 2 FROM TOTALS;", "`S` INTEGER, `U` STRING KEY, `KSQL_COL_0` BIGINT"),
        (
            "SELECT * FROM HOURLY;",
            "`USER_ID` STRING KEY, `WINDOWSTART` BIGINT KEY, `WINDOWEND` BIGINT KEY, `N` BIGINT"
        ),
        ("SELECT WINDOWSTART, ROWTIME, N FROM HOURLY;", "`WINDOWSTART` BIGINT KEY, `ROWTIME` BIGINT, `N` BIGINT"),
        ("SELECT * FROM KEPT WHERE ID = 1;", "`ID` BIGINT KEY, `NAME` STRING"),
        ("SELECT * FROM CLICKS;", "`USER_ID` STRING, `PAGE` STRING, `SPENT` INTEGER"),
        ("SELECT T.N FROM TOTALS T WHERE T.USER_ID = 'a' ORDER BY N DESC LIMIT 3;", "`N` BIGINT"),
    ])
    func `has the original's columns`(text: String, schema: String) throws {
        #expect(try plan(text).schemaText == schema)
    }

    /// By hand: what a condition says about the only key.
    @Test func `finds what is to be looked up`() throws {
        func keys(_ condition: String) throws -> PullTable.Keys {
            try table("SELECT * FROM TOTALS WHERE \(condition);").keys
        }
        #expect(try keys("USER_ID = 'a'") == .keys([[.string("a")]]))
        #expect(try keys("'a' = USER_ID AND N > 1") == .keys([[.string("a")]]))
        #expect(try keys("USER_ID IN ('a', 'b', 'a')") == .keys([[.string("a")], [.string("b")]]))
        #expect(try keys("USER_ID = 'a' OR USER_ID = 'b' AND N > 1") == .keys([[.string("a")], [.string("b")]]))
        #expect(try keys("USER_ID = UCASE('a') + 'x'") == .keys([[.string("Ax")]]))
        #expect(try keys("NOT (USER_ID <> 'a')") == .keys([[.string("a")]]))
        #expect(try keys("USER_ID = 'a' OR N = 1") == .all)
        #expect(try keys("N = 1") == .all)
        #expect(try keys("USER_ID <> 'a'") == .all)
        #expect(
            try keys("USER_ID >= 'a' AND USER_ID < 'c'")
                == .range(
                    lower: PullBound(value: .string("a"), isIncluded: true),
                    upper: PullBound(value: .string("c"), isIncluded: false)))
        #expect(
            try keys("USER_ID BETWEEN 'a' AND 'c'")
                == .range(
                    lower: PullBound(value: .string("a"), isIncluded: true),
                    upper: PullBound(value: .string("c"), isIncluded: true)))
    }

    @Test func `looks keys of several columns up only when all are given`() throws {
        #expect(
            try table("SELECT * FROM PAIRS WHERE PAGE = 'p' AND USER_ID = 'u';").keys
                == .keys([[.string("u"), .string("p")]]))
        #expect(try table("SELECT * FROM PAIRS WHERE PAGE = 'p';").keys == .all)
        #expect(
            failure("SELECT * FROM PAIRS WHERE PAGE = 'p';", ["ksql.query.pull.table.scan.enabled": "false"])
                .hasPrefix("Multi-column sources must specify every key in the WHERE clause. Specified: [`PAGE`]"))
    }

    @Test func `takes bounds of windows`() throws {
        let read = try table(
            "SELECT * FROM HOURLY WHERE USER_ID = 'a' AND WINDOWSTART > 5 AND 9 >= WINDOWSTART AND WINDOWEND = 20;")
        #expect(read.keys == .keys([[.string("a")]]))
        #expect(read.windowStart == 6...9)
        #expect(read.windowEnd == 20...20)
        let text = try table("SELECT * FROM HOURLY WHERE USER_ID='a' AND WINDOWSTART='1970-01-01T00:00:01';")
        #expect(text.windowStart == 1000...1000)
        // Of alternatives, everything that one of them wants.
        let both = try table(
            "SELECT * FROM HOURLY WHERE USER_ID='a' AND WINDOWSTART = 5 OR USER_ID='b' AND WINDOWSTART = 8;")
        #expect(both.windowStart == 5...8)
        let open = try table("SELECT * FROM HOURLY WHERE USER_ID='a' AND WINDOWSTART = 5 OR USER_ID='b';")
        #expect(open.windowStart == nil)
    }

    @Test func `gives the rows that fulfil the condition`() throws {
        let read = try table("SELECT N + 1 AS M, USER_ID FROM TOTALS WHERE S / N > 2 AND USER_ID LIKE 'a%';")
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        func row(_ key: String, _ n: Int64, _ s: Int32?) -> [SQLValue]? {
            read.rows.result(
                key: [.string(key)], window: nil, values: [.bigint(n), s.map { .int($0) } ?? .null], timestamp: 7,
                &context)
        }
        #expect(row("ab", 2, 6) == [.bigint(3), .string("ab")])
        #expect(row("ab", 2, 4) == nil)
        #expect(row("b", 2, 6) == nil)
        #expect(row("ab", 2, nil) == nil)
        // A division by zero fulfils nothing.
        #expect(row("ab", 0, 6) == nil)
    }

    /// As in the original, where NOT of a comparison is the opposite comparison before a row is looked at.
    @Test(arguments: [
        ("NOT (S > 2)", false, true), ("NOT (S = 9)", false, true), ("S NOT IN (8, 9)", false, true),
        ("S NOT BETWEEN 2 AND 9", false, true), ("NOT (S > 2 AND USER_ID = 'b')", true, true),
        ("NOT (S > 2 OR USER_ID = 'b')", false, true), ("NOT (NOT (S < 2))", false, true),
        ("NOT (S IS NOT NULL)", true, false), ("NOT (S IS DISTINCT FROM 1)", false, true),
        ("S IS DISTINCT FROM 2", true, true), ("NOT (S IS NULL OR S = 4)", false, true),
        ("NOT (USER_ID LIKE 'b%')", true, true),
    ])
    func `null fulfils neither a comparison nor its opposite`(condition: String, ofNull: Bool, ofOne: Bool) throws {
        let rows = try table("SELECT * FROM TOTALS WHERE \(condition);").rows
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        func isWanted(_ sum: SQLValue) -> Bool {
            rows.result(
                key: [.string("a")], window: nil, values: [.bigint(1), sum], timestamp: 7, &context) != nil
        }
        #expect(isWanted(.null) == ofNull)
        #expect(isWanted(.int(1)) == ofOne)
    }

    @Test func `a decimal that is no key finds none`() throws {
        let lab = try Lab(
            """
            CREATE STREAM S (PRICE DECIMAL(4, 2), N INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
            CREATE TABLE T WITH (KEY_FORMAT='JSON') AS SELECT PRICE, COUNT(*) AS C FROM S GROUP BY PRICE;
            """)
        func keys(_ value: String) throws -> PullTable.Keys {
            let query = try Self.plan("SELECT * FROM T WHERE PRICE = \(value);", lab)
            guard case .table(let table) = query.source else { throw Lab.Missing(id: "table") }
            return table.keys
        }
        let price = SQLValue.decimal(try SQLDecimal("1.20"))
        #expect(try keys("1.20") == .keys([[price]]))
        #expect(try keys("1.2") == .keys([[price]]))
        #expect(try keys("1.2000") == .keys([[price]]))
        for other in ["1.204", "123.4"] {
            let error = try #require(throws: PlanError.self) { try keys(other) }
            #expect(
                error.message
                    == "'\(other)' can not be converted to the type of the key column: PRICE DECIMAL(4, 2) KEY")
        }
    }

    @Test func `sorts nulls last`() throws {
        var rows: [[SQLValue]] = [[.bigint(1)], [.null], [.bigint(3)], [.bigint(2)]]
        try plan("SELECT N FROM TOTALS ORDER BY N;").sort(&rows)
        #expect(rows == [[.bigint(1)], [.bigint(2)], [.bigint(3)], [.null]])
        try plan("SELECT N FROM TOTALS ORDER BY 1 DESC;").sort(&rows)
        #expect(rows == [[.null], [.bigint(3)], [.bigint(2)], [.bigint(1)]])
        #expect(failure("SELECT N FROM TOTALS ORDER BY S;").hasPrefix("ORDER BY takes columns of the result"))
    }

    @Test(arguments: [
        ("SELECT * FROM PLAIN;", "The `PLAIN` table isn't queryable."),
        ("SELECT * FROM NOTHING;", "NOTHING does not exist."),
        ("SELECT USER_ID FROM TOTALS GROUP BY USER_ID;", "Pull queries don't support GROUP BY clauses."),
        ("SELECT * FROM CLICKS PARTITION BY PAGE;", "Pull queries don't support PARTITION BY clauses."),
        ("SELECT * FROM TOTALS HAVING N > 1;", "Pull queries don't support HAVING clauses."),
        (
            "SELECT ROWOFFSET FROM TOTALS;",
            "Pull queries don't support the following columns in SELECT clauses: `ROWOFFSET`"
        ),
        (
            "SELECT * FROM TOTALS WHERE ROWPARTITION = 1;",
            "Pull queries don't support the following columns in WHERE clauses: `ROWPARTITION`"
        ),
        ("SELECT * FROM KEPT WHERE ID = 'x';", "'x' can not be converted to the type of the key column: ID BIGINT KEY"),
        ("SELECT * FROM KEPT WHERE ID = NULL;", "Primary key columns can not be NULL: (ID = null)"),
        ("SELECT SUM(N) AS S FROM TOTALS;", "Pull queries don't support aggregate functions on tables."),
        ("SELECT N, COUNT(*) FROM TOTALS GROUP BY N;", "Pull queries don't support GROUP BY clauses."),
        (
            "SELECT * FROM TOTALS WHERE USER_ID = 'a' LIMIT -1;",
            "Pull queries don't support negative integers in the LIMIT clause."
        ),
        ("SELECT * FROM CLICKS LIMIT -2147483648;", "don't support negative integers in the LIMIT clause."),
        ("SELECT NAME, NAME FROM KEPT;", "Duplicate value columns found in schema: `NAME` STRING"),
    ])
    func `refuses in the original's words`(text: String, message: String) {
        #expect(failure(text).contains(message))
    }

    @Test func `are refused by a server that has them off`() {
        let text = failure("SELECT * FROM TOTALS WHERE USER_ID = 'a';", ["ksql.pull.queries.enable": "false"])
        #expect(text.contains("Pull queries are disabled"))
    }

    @Test(arguments: [
        (
            "SELECT PAGE, COUNT(*) AS N FROM CLICKS GROUP BY PAGE HAVING COUNT(*) > 1 ORDER BY N;",
            "`PAGE` STRING, `N` BIGINT"
        ),
        ("SELECT COUNT(*) AS N FROM CLICKS;", "`N` BIGINT"),
    ])
    func `aggregates what is there`(text: String, schema: String) throws {
        let query = try plan(text)
        guard case .groups = query.source else {
            Issue.record("no groups: \(query.source)")
            return
        }
        #expect(query.schemaText == schema)
        #expect(failure(text, ["ksql.query.pull.table.scan.enabled": "false"]).contains("requires table scan"))
    }

    @Test func `reads a stream between times`() throws {
        let query = try plan(
            "SELECT PAGE FROM CLICKS FROM TIMESTAMP '1970-01-01T00:00:02' TO TIMESTAMP 2000 + 500 WHERE SPENT > 1 LIMIT 5 OFFSET 2;"
        )
        #expect(query.timeRange == 2000...2500)
        #expect(query.limit == 5)
        #expect(query.offset == 2)
        #expect(try plan("SELECT * FROM CLICKS TO TIMESTAMP 7;").timeRange == .min...7)
        #expect(failure("SELECT * FROM CLICKS FROM TIMESTAMP 8 TO TIMESTAMP 7;").contains("after"))
        #expect(failure("SELECT * FROM TOTALS FROM TIMESTAMP 8;").contains("for streams"))
    }

    /// Taken apart into nested conditions they would need more stack than there is.
    @Test func `takes long lists`() throws {
        let list = (0..<30_000).map(String.init).joined(separator: ", ")
        let off = ["ksql.query.pull.table.scan.enabled": "false"]
        guard case .keys(let keys) = try table("SELECT * FROM KEPT WHERE ID IN (\(list));", off).keys else {
            Issue.record("no keys")
            return
        }
        #expect(keys.count == 30_000 && keys.last == [.bigint(29_999)])
        guard case .keys(let some) = try table("SELECT * FROM KEPT WHERE ID IN (\(list)) AND NAME = 'x';", off).keys
        else {
            Issue.record("no keys with another condition")
            return
        }
        #expect(some.count == 30_000)
        for condition in ["ID NOT IN (\(list))", "NOT (ID IN (\(list)))", "S IN (\(list)) AND S NOT IN (\(list))"] {
            let source = condition.contains("S ") ? "TOTALS" : "KEPT"
            #expect(try table("SELECT * FROM \(source) WHERE \(condition);").keys == .all)
        }
        #expect(failure("SELECT * FROM KEPT WHERE ID NOT IN (\(list));", off).hasPrefix("Unsupported expression"))
    }

    @Test func `stays within bounds with conditions that multiply`() throws {
        let factor = "(USER_ID = 'a' OR USER_ID = 'b')"
        let condition = Array(repeating: factor, count: 40).joined(separator: " AND ")
        #expect(try table("SELECT * FROM TOTALS WHERE \(condition);").keys == .all)
    }

    // MARK: The rest cases

    /// Headers and refusals of all queries of the REST cases that have no EMIT.
    @Test(.enabled(if: SharedCases.folder != nil, "the REST cases were not found"))
    func `plans the pull queries of the REST cases`() throws {
        guard let folder = SharedCases.folder?.appending(path: "rest-cases") else { return }
        var failures: [String] = []
        var count = 0
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        where file.pathExtension == "json" {
            let content = try JSONSerialization.jsonObject(with: try Data(contentsOf: file)) as? [String: Any]
            for test in content?["tests"] as? [[String: Any]] ?? [] {
                for (problem, isPull) in try Self.problems(test) where isPull {
                    count += 1
                    if let problem { failures.append("\(test["name"] ?? ""): \(problem)") }
                }
            }
        }
        #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
        #expect(count > 150)
    }

    /// Of each query, whether it is a pull query and what is wrong with its plan.
    private static func problems(_ test: [String: Any]) throws -> [(String?, Bool)] {
        let statements = test["statements"] as? [String] ?? []
        let lab = try Lab()
        for (name, value) in test["properties"] as? [String: Any] ?? [:] {
            lab.properties[name] = (value as? Bool).map { $0 ? "true" : "false" } ?? "\(value)"
        }
        let expected = (test["responses"] as? [[String: Any]] ?? []).compactMap { $0["query"] as? [[String: Any]] }
        let error = (test["expectedError"] as? [String: Any])?["message"] as? String
        var result: [(String?, Bool)] = []
        var queryCount = 0
        for text in statements {
            guard text.uppercased().hasPrefix("SELECT ") else {
                // What is wrong with these, other tests look at.
                do { try lab.run(text) } catch { return result }
                continue
            }
            defer { queryCount += 1 }
            guard !text.uppercased().contains("EMIT ") else {
                result.append((nil, false))
                continue
            }
            do {
                let query = try plan(text, lab)
                if text == statements.last, let error {
                    result.append(("does not fail with \(error)", true))
                } else if queryCount < expected.count,
                    let header = expected[queryCount].first?["header"] as? [String: Any],
                    let schema = header["schema"] as? String, schema != query.schemaText
                {
                    result.append(("\(text) gives \(query.schemaText) and not \(schema)", true))
                } else {
                    result.append((nil, true))
                }
            } catch {
                let message =
                    (error as? PlanError)?.message ?? (error as? SQLSyntaxError)?.message ?? "\(error)"
                let wanted = test["expectedError"] as? [String: Any]
                let isExpected = (wanted?["message"] as? String).map { message.contains($0) } ?? false
                result.append((isExpected ? nil : "\(text): \(message)", true))
            }
        }
        return result
    }
}
