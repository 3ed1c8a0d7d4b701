import SQLPlan
import SQLTypes
import Testing

@testable import SQLService

/// Bodies of requests that are known by the bytes around their values.
@Suite(.serialized) struct BodyPatternTests {
    private static let tables = """
        CREATE STREAM CLICKS (USER_ID STRING KEY, PAGE STRING, SPENT INT)
            WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);
        CREATE TABLE TOTALS AS SELECT USER_ID, COUNT(*) AS N FROM CLICKS GROUP BY USER_ID;
        CREATE TABLE SPENDERS AS SELECT SPENT, COUNT(*) AS N FROM CLICKS GROUP BY SPENT;
        """

    private func with(_ body: (Node, QueryPreparation) async throws -> Void) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode([:]) { node in
                try await node.run(Self.tables)
                try await body(node, QueryPreparation(engine: node.engine))
            }
        }
    }

    private func pattern(
        _ preparation: QueryPreparation, _ text: String, _ body: (String) -> String
    ) async throws -> BodyPattern? {
        _ = try await preparation.prepare(text, RequestContext())
        let (prepared, _) = try #require(preparation.prepared(text, RequestContext()))
        return BodyPattern(Array(body(text).utf8), text, prepared)
    }

    private func values(_ pattern: BodyPattern?, _ body: String) -> [StatementShape.Value]? {
        Array(body.utf8).withUnsafeBytes { pattern?.values(in: $0) }
    }

    private static func body(_ text: String) -> String {
        #"{ "ksql": "\#(text)", "streamsProperties": {"a": "SELECT"} }"#
    }

    @Test func `texts and numbers`() async throws {
        try await with { _, preparation in
            let select = "SELECT * FROM TOTALS WHERE USER_ID = "
            let text = try await pattern(preparation, select + "'a';", Self.body)
            for value in ["a", "", "longer than it was", "m\u{FC}ller", "7", "{},:[]", "-- ; /*"] {
                #expect(values(text, Self.body("\(select)'\(value)';")) == [.text(value)])
            }
            let number = try await pattern(preparation, "SELECT N FROM SPENDERS WHERE SPENT=1 LIMIT 1;", Self.body)
            for value in [0, 7, -7, 123_456_789_012_345_678] as [Int64] {
                #expect(
                    values(number, Self.body("SELECT N FROM SPENDERS WHERE SPENT=\(value) LIMIT 1;"))
                        == [.integer(value)])
            }
            let two = try await pattern(preparation, select + "'a' OR USER_ID='b';", Self.body)
            #expect(values(two, Self.body(select + "'x' OR USER_ID='';")) == [.text("x"), .text("")])
        }
    }

    /// Bodies that have to be parsed: some are the same statement in another form, some another one, some none at all.
    @Test(
        arguments: [
            "''b'", "'b''c'", "'b'''", "''''", "'b\\u0041'", "'b\"'", "'${b}'", "'\u{1}'", "'b", "b'", "7", "-7",
            "'b' ", " 'b'",
            "'b';'", "'b' OR USER_ID = 'c'", "",
        ])
    func `other bodies than one with a text`(value: String) async throws {
        try await with { _, preparation in
            let select = "SELECT * FROM TOTALS WHERE USER_ID = "
            let pattern = try await pattern(preparation, select + "'a';", Self.body)
            #expect(values(pattern, Self.body(select + "'a';")) == [.text("a")])
            #expect(values(pattern, Self.body("\(select)\(value);")) == nil)
            let whole = Self.body(select + "'a';")
            #expect(values(pattern, whole + " ") == nil)
            for count in 0..<whole.utf8.count { #expect(values(pattern, String(whole.prefix(count))) == nil) }
        }
    }

    @Test(arguments: [
        "", "-", "--1", "+1", "1.0", "1e3", "1a", "'1'", "1234567890123456789", "99999999999999999999", "1 ",
    ])
    func `other bodies than one with a number`(value: String) async throws {
        try await with { _, preparation in
            let pattern = try await pattern(preparation, "SELECT N FROM SPENDERS WHERE SPENT = 1;", Self.body)
            #expect(values(pattern, Self.body("SELECT N FROM SPENDERS WHERE SPENT = \(value);")) == nil)
        }
    }

    @Test func `bytes that are no UTF-8`() async throws {
        try await with { _, preparation in
            let select = "SELECT * FROM TOTALS WHERE USER_ID = "
            let pattern = try #require(try await pattern(preparation, select + "'a';", Self.body))
            var body = Array(Self.body(select + "'bc';").utf8)
            let place = try #require(body.firstRange(of: "bc".utf8))
            body.replaceSubrange(place, with: [0xC3, 0x28])
            #expect(body.withUnsafeBytes { pattern.values(in: $0) } == nil)
        }
    }

    /// Where the statement is in the body is not for certain.
    @Test(
        arguments: [
            #"{"ksql": "TEXT", "comment": "TEXT"}"#, #"{"ksql": "TEXT", "comment": "\n"}"#, #"{"ksql": "another"}"#,
            #"{"TEXT": 1, "ksql": "TEXT"}"#,
        ])
    func `bodies of no pattern`(form: String) async throws {
        try await with { _, preparation in
            let found = try await pattern(preparation, "SELECT * FROM TOTALS WHERE USER_ID = 'a';") {
                let parts = form.split(separator: "TEXT", omittingEmptySubsequences: false)
                return parts.joined(separator: $0)
            }
            #expect(found == nil)
        }
    }

    @Test func `a statement that no values can be taken out of matches itself alone`() async throws {
        try await with { _, preparation in
            let text = "SELECT N FROM TOTALS WHERE USER_ID = CONCAT('a', 'b') AND N = 1;"
            let pattern = try await pattern(preparation, text, Self.body)
            #expect(values(pattern, Self.body(text)) == [])
            #expect(
                values(pattern, Self.body("SELECT N FROM TOTALS WHERE USER_ID = CONCAT('a', 'b') AND N = 2;")) == nil)
        }
    }

    @Test func `patterns are few, and of what holds now`() async throws {
        try await with { node, preparation in
            let patterns = BodyPatterns()
            func keys(_ body: String) -> PullTable.Keys? {
                Array(body.utf8).withUnsafeBytes { preparation.prepared($0, patterns)?.keys }
            }
            for number in 0..<(BodyPatterns.countMax + 10) {
                let pattern = try await pattern(
                    preparation, "SELECT N + \(number) FROM TOTALS WHERE USER_ID = 'a';", Self.body)
                patterns.keep(try #require(pattern))
            }
            #expect(patterns.count == BodyPatterns.countMax)
            for number in [41, 20, 41, 10] {
                let body = Self.body("SELECT N + \(number) FROM TOTALS WHERE USER_ID = '\(number)';")
                #expect(keys(body) == .keys([[.string("\(number)")]]))
            }
            #expect(keys(Self.body("SELECT N + 9 FROM TOTALS WHERE USER_ID = 'a';")) == nil)

            let last = Self.body("SELECT N + 20 FROM TOTALS WHERE USER_ID = 'a';")
            #expect(keys(last) != nil)
            try await node.run("DROP TABLE TOTALS;")
            #expect(keys(last) == nil)
        }
    }
}
