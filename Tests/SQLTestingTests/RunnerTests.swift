import JSONFormat
import SQLTesting
import Testing

@Suite struct RunnerTests {
    private static let stream = "CREATE STREAM s (k INT KEY, v INT) WITH (kafka_topic='in', value_format='JSON');"
    private static let input = #"{"topic": "in", "key": 1, "value": {"V": 2}, "timestamp": 5}"#

    /// A case as JSON: what differs from one to the other.
    private static func verdict(_ members: String, lenient: Bool = false) throws -> (Verdict, TestResult) {
        let cases = try TestCase.cases(inFile: #"{"tests": [{"name": "t", \#(members)}]}"#)
        var runner = CaseFiles.runner
        runner.isLenient = lenient
        let result = runner.run(try #require(cases.first))
        return (result.verdict, result)
    }

    private static func reason(_ verdict: Verdict) -> String? {
        if case .failed(let reason, _) = verdict { reason } else { nil }
    }

    @Test(
        arguments: [
            // What is expected of the one record of OUT, and a part of the reason why it is not so.
            (#"{"topic": "OUT", "key": 1, "value": {"V": 3}}"#, nil),
            (#"{"topic": "OUT", "key": 1, "value": {"v": 3}, "timestamp": 5}"#, nil),
            (#"{"topic": "OUT", "key": 1, "value": {"V": 4}}"#, "expected 4, got 3"),
            (#"{"topic": "OUT", "key": 1, "value": {"V": 3.0}}"#, nil),
            (#"{"topic": "OUT", "key": 1, "value": {"V": 3.5}}"#, "expected 3.5, got 3"),
            (#"{"topic": "OUT", "key": 1, "value": {"V": "3"}}"#, "got 3"),
            (#"{"topic": "OUT", "key": 2, "value": {"V": 3}}"#, "key: "),
            (#"{"topic": "OUT", "key": 1, "value": {"V": 3, "W": null}}"#, "fields"),
            (#"{"topic": "OUT", "key": 1, "value": null}"#, "value: "),
            (#"{"topic": "OUT", "key": 1, "value": {"V": 3}, "timestamp": 6}"#, "timestamp: expected 6, got 5"),
            (
                #"{"topic": "OUT", "key": 1, "value": {"V": 3}, "headers": [{"KEY": "a", "VALUE": "IQ=="}]}"#,
                "headers: "
            ),
            (
                #"{"topic": "OUT", "key": 1, "value": {"V": 3}, "window": {"start": 0, "end": 1, "type": "TIME"}}"#,
                "windowed key"
            ),
            (#"{"topic": "NOWHERE", "key": 1, "value": {"V": 3}}"#, "expected 1 records, got 0"),
        ] as [(String, String?)])
    func `records are compared with what is expected`(output: String, expected: String?) throws {
        let (verdict, _) = try Self.verdict(
            #""statements": ["\#(Self.stream)", "CREATE STREAM out AS SELECT k, v + 1 AS v FROM s;"], "#
                + #""inputs": [\#(Self.input)], "outputs": [\#(output)]"#)
        if let expected {
            #expect(Self.reason(verdict)?.contains(expected) == true, "\(verdict)")
        } else {
            #expect(Self.reason(verdict) == nil)
        }
    }

    @Test(
        arguments: [
            ("SELEC;", "parse", "Syntax Error", nil),
            ("CREATE STREAM out AS SELECT k, w FROM s;", "statement", "W", nil),
            ("CREATE STREAM out AS SELECT k, w FROM s;", "statement", "another text", "another message"),
            ("CREATE STREAM out AS SELECT k, w FROM s;", "parse", "W", "failed at stage 'statement'"),
            ("CREATE STREAM out AS SELECT k, v FROM s;", "statement", "W", "did not fail"),
        ] as [(String, String, String, String?)])
    func `a failure has to be the expected one`(
        statement: String, stage: String, message: String, expected: String?
    ) throws {
        let members =
            #""statements": ["\#(Self.stream)", "\#(statement)"], "#
            + #""expectedException": {"stage": "\#(stage)", "message": "\#(message)"}"#
        let (verdict, _) = try Self.verdict(members)
        if let expected {
            #expect(Self.reason(verdict)?.contains(expected) == true, "\(verdict)")
        } else {
            #expect(Self.reason(verdict) == nil)
        }
        let (lenient, _) = try Self.verdict(members, lenient: true)
        #expect((Self.reason(lenient) == nil) == (expected == nil || expected == "another message"))
    }

    @Test func `a topic of the inputs feeds later queries with inputs only`() throws {
        let (verdict, _) = try Self.verdict(
            #"""
            "statements": ["\#(Self.stream)",
              "CREATE STREAM a WITH (kafka_topic='mid') AS SELECT k, v + 1 AS v FROM s;",
              "CREATE STREAM b AS SELECT k, v * 10 AS v FROM a;"],
            "inputs": [\#(Self.input), {"topic": "mid", "key": 7, "value": {"V": 7}}],
            "outputs": [{"topic": "B", "key": 7, "value": {"V": 70}},
              {"topic": "mid", "key": 7, "value": {"V": 7}}, {"topic": "mid", "key": 1, "value": {"V": 3}}]
            """#)
        #expect(Self.reason(verdict) == nil)
    }

    @Test func `rows of INSERT feed queries that read no input`() throws {
        let (verdict, _) = try Self.verdict(
            #"""
            "statements": ["\#(Self.stream)", "INSERT INTO s (k, v, rowtime) VALUES (1, 1, 30);",
              "CREATE STREAM a AS SELECT k, v + 1 AS v FROM s;", "CREATE STREAM b AS SELECT k, v * 10 AS v FROM a;"],
            "outputs": [{"topic": "B", "key": 1, "value": {"V": 20}, "timestamp": 30}]
            """#)
        #expect(Self.reason(verdict) == nil)
    }

    @Test func `counters and plans of a run are told`() throws {
        let (_, result) = try Self.verdict(
            #""statements": ["\#(Self.stream)", "CREATE STREAM out AS SELECT k, v FROM s WHERE v > 5;"], "#
                + #""inputs": [\#(Self.input)]"#)
        #expect(result.plans.count == 1)
        #expect(result.counters.contains { $0.contains("filtered 1") })
    }

    @Test(
        arguments: [
            ("", ["ok"]),
            ("ASSERT VALUES a (k, v) VALUES (1, 2);", [nil]),
            ("ASSERT VALUES a (v) VALUES (3);", ["does not match"]),
            ("ASSERT VALUES a (k) VALUES (1); ASSERT VALUES a (k) VALUES (1);", ["all records have already been read"]),
            ("ASSERT NULL VALUES a (k) KEY (1);", ["does not match"]),
            ("ASSERT STREAM a (k INT KEY, v INT) WITH (kafka_topic='A', value_format='JSON');", [nil]),
            ("ASSERT STREAM a (k INT KEY, v BIGINT) WITH (kafka_topic='A', value_format='JSON');", ["schema"]),
            ("ASSERT TABLE a (k INT PRIMARY KEY, v INT) WITH (kafka_topic='A', value_format='JSON');", ["type"]),
            ("ASSERT STREAM b (k INT KEY) WITH (kafka_topic='B', value_format='JSON');", ["does not exist"]),
            ("SELEC;", ["Syntax Error"]),
        ] as [(String, [String?])])
    func `scripts assert`(assertion: String, expected: [String?]) {
        let script = """
            --@test: t
            \(Self.stream)
            CREATE STREAM a AS SELECT k, v FROM s;
            INSERT INTO s (k, v) VALUES (1, 2);
            \(assertion)
            """
        let cases = ScriptCase.cases(in: script, file: "t.sql")
        #expect(cases.map(\.name) == ["t"])
        for test in cases {
            let reason = Self.reason(CaseFiles.runner.run(test).verdict)
            switch expected.first {
            case .some(.some("ok")), .some(.none), nil: #expect(reason == nil)
            case .some(.some(let text)): #expect(reason?.contains(text) == true, "\(reason ?? "passed")")
            }
        }
    }

    @Test(
        arguments: [
            (#"{"inputs": []}"#, #"{"outputs": [{"topic": "OUT"}]}"#, "Inputs cannot be empty."),
            (nil, #"{"output": []}"#, "No 'outputs' field in the output file."),
            ("{{", #"{"outputs": []}"#, "Message: Unexpected character"),
            (nil, #"{"outputs": []}"#, "Outputs cannot be empty."),
        ] as [(String?, String, String)])
    func `three files that are no test are refused`(input: String?, output: String, reason: String) {
        let test = ThreeFileCase(name: "t", statements: Self.stream, input: input, output: output)
        #expect(Self.reason(CaseFiles.runner.run(test).verdict)?.contains(reason) == true)
        var expecting = test
        expecting.expectation = #"{"pass": false, "errorContains": "\#(reason)"}"#
        #expect(Self.reason(CaseFiles.runner.run(expecting).verdict) == nil)
    }

    @Test func `queries that feed each other in a circle end with an error`() {
        let script = """
            --@test: t
            \(Self.stream)
            CREATE STREAM a AS SELECT k, v FROM s;
            INSERT INTO s SELECT k, v FROM a;
            INSERT INTO s (k, v) VALUES (1, 2);
            """
        for test in ScriptCase.cases(in: script, file: "t.sql") {
            #expect(Self.reason(CaseFiles.runner.run(test).verdict)?.contains("go round for ever") == true)
        }
    }

    @Test func `a query that is replaced keeps what it has counted`() {
        let script = """
            --@test: t
            \(Self.stream)
            CREATE TABLE a AS SELECT v, COUNT(k) AS n FROM s GROUP BY v;
            INSERT INTO s (k, v) VALUES (1, 2);
            CREATE OR REPLACE TABLE a AS SELECT v, COUNT(k) AS n FROM s WHERE v > 1 GROUP BY v;
            INSERT INTO s (k, v) VALUES (1, 2);
            INSERT INTO s (k, v) VALUES (1, 1);
            ASSERT VALUES a (v, n) VALUES (2, 1);
            ASSERT VALUES a (v, n) VALUES (2, 2);
            """
        for test in ScriptCase.cases(in: script, file: "t.sql") {
            #expect(Self.reason(CaseFiles.runner.run(test).verdict) == nil)
        }
    }

    @Test func `reports hold what characters XML and JSON allow`() throws {
        let results = [
            TestResult(name: "a <b> & \"c\"", verdict: .passed),
            TestResult(name: "d", verdict: .failed(reason: "x\u{1}y", details: ["1 < 2"])),
            TestResult(name: "e", verdict: .skipped(reason: "requires f")),
        ]
        let xml = TestReport.junit([("file.json", results)])
        #expect(xml.contains("tests=\"3\" failures=\"1\" skipped=\"1\""))
        #expect(xml.contains("a &lt;b&gt; &amp; &quot;c&quot;"))
        #expect(!xml.contains("\u{1}"))
        let json = try #require(JSONValue.parse(TestReport.json([("file.json", results)])))
        #expect(json["passed"]?.integer == 1 && json["failed"]?.integer == 1 && json["skipped"]?.integer == 1)
        #expect(json["tests"]?.elements?.count == 3)
    }
}
