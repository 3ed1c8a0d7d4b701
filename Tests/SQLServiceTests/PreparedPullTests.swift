import SQLPlan
import SQLTypes
import Testing

@testable import SQLService

/// Plans that are kept, and for which statements they are taken.
@Suite(.serialized) struct PreparedPullTests {
    private static let tables = """
        CREATE STREAM CLICKS (USER_ID STRING KEY, PAGE STRING, SPENT INT)
            WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);
        CREATE TABLE TOTALS AS SELECT USER_ID, COUNT(*) AS N FROM CLICKS GROUP BY USER_ID;
        CREATE TABLE SPENDERS AS SELECT SPENT, COUNT(*) AS N FROM CLICKS GROUP BY SPENT;
        CREATE TABLE PAIRS WITH (KEY_FORMAT='JSON') AS
            SELECT USER_ID, SPENT, COUNT(*) AS N FROM CLICKS GROUP BY USER_ID, SPENT;
        """

    private func with(
        _ properties: [String: String] = [:], _ body: (Node, QueryPreparation) async throws -> Void
    ) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode(properties) { node in
                try await node.run(Self.tables)
                try await body(node, QueryPreparation(engine: node.engine))
            }
        }
    }

    /// After a first statement, the keys that the kept plan gives for a second; nil where it is not taken.
    private func keys(
        _ preparation: QueryPreparation, _ first: String, _ second: String, _ context: RequestContext = RequestContext()
    ) async throws -> [[SQLValue]]? {
        _ = try await preparation.prepare(first, context)
        guard case (_, .keys(let keys))? = preparation.prepared(second, context) else { return nil }
        return keys
    }

    private func check(
        _ preparation: QueryPreparation, _ first: String, _ second: String, gives expected: [[SQLValue]]?,
        at location: SourceLocation = #_sourceLocation
    ) async throws {
        let found = try await keys(preparation, first, second)
        #expect(found == expected, sourceLocation: location)
    }

    @Test func `one plan for all values`() async throws {
        try await with { _, preparation in
            let select = "SELECT * FROM TOTALS WHERE USER_ID = "
            for (text, key) in [("'b'", "b"), ("'it''s'", "it's"), ("''", ""), ("'a; DROP'", "a; DROP"), ("'1'", "1")] {
                try await check(preparation, select + "'a';", select + text + ";", gives: [[.string(key)]])
            }
            let number = "SELECT N FROM SPENDERS S WHERE S.SPENT="
            try await check(preparation, number + "1;", number + "-7;", gives: [[.int(-7)]])
            try await check(
                preparation, "SELECT N FROM PAIRS WHERE SPENT = 1 AND USER_ID = 'a';",
                "SELECT N FROM PAIRS WHERE SPENT = 2 AND USER_ID = 'b';", gives: [[.string("b"), .int(2)]])
            try await check(
                preparation, "SELECT N FROM TOTALS WHERE USER_ID IN ('a','b','c');",
                "SELECT N FROM TOTALS WHERE USER_ID IN ('x','y','x');", gives: [[.string("x")], [.string("y")]])
            try await check(
                preparation, "SELECT N FROM TOTALS WHERE USER_ID = 'a' OR USER_ID = 'b';",
                "SELECT N FROM TOTALS WHERE USER_ID = 'b' OR USER_ID = 'c';", gives: [[.string("b")], [.string("c")]])
        }
    }

    /// The plan of the first statement says nothing about the second.
    @Test(
        arguments: [
            ("SELECT * FROM TOTALS WHERE USER_ID = 'a';", "SELECT * FROM TOTALS WHERE USER_ID = 7;"),
            ("SELECT * FROM TOTALS WHERE USER_ID = 'a';", "SELECT * FROM TOTALS WHERE USER_ID = NULL;"),
            ("SELECT * FROM TOTALS WHERE USER_ID = 'a';", "SELECT * FROM TOTALS WHERE USER_ID = 'a' AND N = 1;"),
            ("SELECT * FROM TOTALS WHERE USER_ID = 'a';", "SELECT * FROM TOTALS WHERE USER_ID = 'b' -- 'a';"),
            ("SELECT * FROM SPENDERS WHERE SPENT = 1;", "SELECT * FROM SPENDERS WHERE SPENT = 3000000000;"),
            ("SELECT * FROM SPENDERS WHERE SPENT = 1;", "SELECT * FROM SPENDERS WHERE SPENT = 1.0;"),
            ("SELECT N = 1 FROM TOTALS WHERE USER_ID = 'a';", "SELECT N = 2 FROM TOTALS WHERE USER_ID = 'a';"),
            ("SELECT N FROM TOTALS WHERE USER_ID = 'a' LIMIT 1;", "SELECT N FROM TOTALS WHERE USER_ID = 'a' LIMIT 2;"),
            (
                "SELECT N FROM TOTALS WHERE USER_ID = CONCAT('a', 'b');",
                "SELECT N FROM TOTALS WHERE USER_ID = CONCAT('a', 'c');"
            ),
            (
                "SELECT N, 'a' AS X FROM TOTALS WHERE USER_ID = 'a';",
                "SELECT N, 'b' AS X FROM TOTALS WHERE USER_ID = 'a';"
            ),
        ])
    func `another statement`(first: String, second: String) async throws {
        try await with { _, preparation in try await check(preparation, first, second, gives: nil) }
    }

    @Test func `the same statement once more`() async throws {
        try await with { _, preparation in
            for text in [
                "SELECT N FROM TOTALS WHERE USER_ID = CONCAT('a', 'b');",
                "SELECT N = 1 FROM TOTALS WHERE USER_ID = 'ab';",
                "SELECT N FROM TOTALS WHERE USER_ID = 'ab' AND N > 1;",
            ] {
                try await check(preparation, text, text, gives: [[.string("ab")]])
            }
        }
    }

    @Test func `a change of the catalog, of properties of the server and of the session`() async throws {
        try await with { node, preparation in
            let text = "SELECT * FROM TOTALS WHERE USER_ID = 'a';"
            let context = RequestContext()
            let first = try await keys(preparation, text, text)
            #expect(first != nil)
            let other = RequestContext(properties: ["ksql.query.pull.table.scan.enabled": "false"])
            #expect(preparation.prepared(text, other) == nil)
            let ofSession = try await keys(preparation, text, text, other)
            #expect(ofSession != nil)

            try await node.run("CREATE STREAM MORE (A INT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON');")
            #expect(preparation.prepared(text, context) == nil)
            let again = try await keys(preparation, text, text)
            #expect(again != nil)

            try await node.run("ALTER SYSTEM 'auto.offset.reset'='earliest';")
            #expect(preparation.prepared(text, context) == nil)
            let afterALTER = try await keys(preparation, text, text)
            #expect(afterALTER != nil)

            try await node.run("DROP TABLE TOTALS;")
            #expect(preparation.prepared(text, context) == nil)
            await #expect(throws: KsqlFailure.self) { try await preparation.prepare(text, context) }

            // The same name and statement, another type of key: the value is none of its any more.
            try await node.run(
                "CREATE TABLE TOTALS AS SELECT SPENT AS USER_ID, COUNT(*) AS N FROM CLICKS GROUP BY SPENT;")
            await #expect(throws: KsqlFailure.self) { try await preparation.prepare(text, context) }
            try await check(
                preparation, "SELECT * FROM TOTALS WHERE USER_ID = 1;", "SELECT * FROM TOTALS WHERE USER_ID = 2;",
                gives: [[.int(2)]])
        }
    }

    @Test func `who is asked for the rows is a matter of each request`() async throws {
        try await with { _, preparation in
            let text = "SELECT * FROM TOTALS WHERE USER_ID = 'a';"
            for skips in ["true", "false", "true"] {
                let context = RequestContext(requestProperties: ["request.ksql.query.pull.skip.forwarding": skips])
                let query = try await preparation.prepare(text, context)
                #expect(query.staysHere == (skips == "true"))
            }
        }
    }

    @Test func `variables are put in before`() async throws {
        try await with { _, preparation in
            let text = "SELECT * FROM TOTALS WHERE USER_ID = '${who}';"
            for who in ["a", "b"] {
                let context = RequestContext(variables: ["who": who])
                guard case .pull(let pull) = try await preparation.prepare(text, context).kind,
                    case .table(let table) = pull.source
                else { return #expect(Bool(false), "no pull query") }
                #expect(table.keys == .keys([[.string(who)]]))
                #expect(preparation.prepared(text, context) == nil)
            }
        }
    }

    @Test func `plans are few`() async throws {
        try await with { _, preparation in
            for number in 0..<(PreparedPulls.countMax + 50) {
                _ = try await preparation.prepare(
                    "SELECT N + \(number) FROM TOTALS WHERE USER_ID = 'a';", RequestContext())
            }
            #expect(preparation.pulls.count == 50)
        }
    }
}

@Suite struct QueryIDTests {
    @Test func `ids of pull queries have the form of all ids, and each is another one`() throws {
        let ids = (0..<1000).map { _ in QueryID.ofPull() }
        #expect(Set(ids).count == ids.count)
        #expect(Set(ids.map { $0.split(separator: "_")[1] }).count == ids.count)
        var last = 0
        for id in ids + [QueryID.new("query")] {
            let parts = id.split(separator: "_")
            #expect(parts.count == 3 && parts[0] == "query")
            #expect(Int64(parts[1]) != nil)
            let number = try #require(Int(parts[2]))
            #expect(number > last)
            last = number
        }
    }
}
