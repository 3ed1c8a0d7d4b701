import Bytes
import Glibc
import HTTPKit
import HTTPTypes
import JSONFormat
import Logging
import NIOCore
import SQLClient
import Synchronization
import Testing

@testable import SQLShell

/// The shell against a server that answers what it is told to.
@Suite struct ShellTests {
    private final class Screen: ShellOutput {
        let text = Mutex("")
        let notes = Mutex<[String]>([])
        let width: Int?

        init(width: Int? = nil) { self.width = width }

        func write(_ text: String) { self.text.withLock { $0 += text } }
        func note(_ text: String) { notes.withLock { $0.append(text) } }
        var contents: String { text.withLock { $0 } }
    }

    private final class Asked: Sendable {
        let lines = Mutex<[String]>([])
    }

    /// - Parameter answers: bodies by path and a part of the request's body.
    private func withShell(
        _ answers: [(path: String, part: String, status: Int, body: String)], format: ShellFormat = .tabular,
        width: Int? = nil, _ body: (Shell, Screen, Asked) async throws -> Void
    ) async throws {
        let loops = HTTPLoops()
        let asked = Asked()
        var router = HTTPRouter(errors: .errorCode)
        for method in [HTTPRequest.Method.get, .post] {
            router.on(method, "/{path*}") { call in
                let text = method == .post ? String(buffer: try await call.bytes()) : ""
                asked.lines.withLock { $0.append("\(method) \(call.path) \(text)") }
                for answer in answers where answer.path == call.path && text.contains(answer.part) {
                    return .bytes(
                        answer.body.utf8, contentType: "application/vnd.ksql.v1+json",
                        status: .init(code: answer.status))
                }
                return .bytes(
                    #"{"@type":"generic_error","error_code":40400,"message":"HTTP 404 Not Found"}"#.utf8,
                    contentType: "application/json", status: .notFound)
            }
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try await HTTPServer.start(
            HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: router, on: loops.group, logger: logger)
        do {
            var options = ShellOptions()
            options.format = format
            let screen = Screen(width: width)
            let address = try #require(HTTPAddress("127.0.0.1:\(server.port)"))
            let shell = Shell(
                SQLClient(address), makeClient: { SQLClient($0) }, output: screen, options: options,
                running: Shell.RunningQuery(), version: "1.2")
            try await body(shell, screen, asked)
        } catch {
            await server.stop(within: .zero)
            await loops.shutdown()
            throw error
        }
        await server.stop(within: .zero)
        await loops.shutdown()
    }

    @Test func `statements answer in grids`() async throws {
        try await withShell([
            (
                "/ksql", "SHOW STREAMS", 200,
                """
                [{"@type":"streams","statementText":"SHOW STREAMS;","streams":[{"type":"STREAM","name":"RATINGS",\
                "topic":"ratings","keyFormat":"KAFKA","valueFormat":"AVRO","isWindowed":false}],"warnings":[]}]
                """
            ),
            (
                "/ksql", "CREATE", 200,
                """
                [{"@type":"currentStatus","commandSequenceNumber":7,"commandStatus":{"status":"SUCCESS",\
                "message":"Stream created"},"warnings":[{"message":"mind this"}]}]
                """
            ),
        ]) { shell, screen, asked in
            _ = try await shell.run("CREATE STREAM s (a INT) WITH (KAFKA_TOPIC='t'); SHOW STREAMS;")
            #expect(
                screen.contents == """
                     Message        
                    ----------------
                     Stream created 
                    ----------------
                    WARNING: mind this
                     Stream Name | Kafka Topic | Key Format | Value Format | Windowed 
                    ------------------------------------------------------------------
                     RATINGS     | ratings     | KAFKA      | AVRO         | false    
                    ------------------------------------------------------------------

                    """)
            let lines = asked.lines.withLock { $0 }
            #expect(
                lines.count == 2 && lines[1].contains("\"commandSequenceNumber\":7"), "it waits for what was created")
        }
    }

    /// By hand from the original's Console.java.
    @Test(
        arguments: [
            (
                #"{"@type":"assert_topic","topicName":"t","exists":true}"#, "Topic t exists."
            ),
            (
                #"{"@type":"assert_schema","subject":"s","id":5,"exists":false}"#,
                "Schema with subject s id 5 does not exist."
            ),
            (
                #"{"@type":"terminate_query","queryId":"q","wasTerminated":true}"#,
                """
                 Message              
                ----------------------
                 Terminated query "q" 
                ----------------------
                """
            ),
            (
                #"{"@type":"function_names","functions":[{"name":"B","category":"Y"},{"name":"A","category":"Z"}]}"#,
                """
                 Function Name | Category 
                --------------------------
                 B             | Y        
                               |          
                 A             | Z        
                --------------------------
                For detailed information about a function, run: DESCRIBE FUNCTION <Function Name>;
                """
            ),
            (
                """
                {"@type":"sourceDescription","sourceDescription":{"name":"T","type":"TABLE","windowType":"SESSION",\
                "fields":[{"name":"ID","schema":{"type":"INTEGER"},"type":"KEY"},\
                {"name":"V","schema":{"type":"STRING"}},{"name":"H","schema":{"type":"BYTES"},"type":"HEADER",\
                "headerKey":"h"}],"extended":false},"warnings":[{"message":"mind"}]}
                """,
                """
                Name                 : T
                 Field | Type                                                  
                ---------------------------------------------------------------
                 ID    | INTEGER          (primary key) (Window type: SESSION) 
                 V     | VARCHAR(STRING)                                       
                 H     | BYTES            (header('h'))                        
                ---------------------------------------------------------------
                For runtime statistics and query details run: DESCRIBE <Stream,Table> EXTENDED;
                WARNING: mind
                """
            ),
            (
                """
                {"@type":"sourceDescription","sourceDescription":{"name":"S","type":"STREAM","fields":[],"timestamp":"",\
                "keyFormat":"KAFKA","valueFormat":"JSON","topic":"s","partitions":0,"replication":0,"statement":"X;",\
                "readQueries":[{"id":"Q","state":"RUNNING","queryString":"a  b"}],"sourceConstraints":["C"],\
                "statistics":"total-messages: 1","errorStats":"","queryOffsetSummaries":[{"groupId":"g",\
                "topicSummaries":[{"kafkaTopic":"s","offsets":[{"partition":0,"logStartOffset":1,"logEndOffset":9,\
                "consumerOffset":7},{"partition":1,"logEndOffset":9223372036854775807,"consumerOffset":-2}]}]},\
                {"groupId":"h","topicSummaries":[]}],"extended":true}}
                """,
                """
                Name                 : S
                Type                 : STREAM
                Timestamp field      : Not set - using <ROWTIME>
                Key format           : KAFKA
                Value format         : JSON
                Kafka topic          : s
                Statement            : X;

                 Field | Type 
                --------------
                --------------

                Sources that have a DROP constraint on this source
                --------------------------------------------------
                C

                Queries that read from this STREAM
                -----------------------------------
                Q (RUNNING) : a b

                For query topology and execution plan please run: EXPLAIN <QueryId>

                Local runtime statistics
                ------------------------
                total-messages: 1

                (Statistics of the local KSQL server interaction with the Kafka topic s)

                Consumer Groups summary:

                Consumer Group       : g

                Kafka topic          : s
                Max lag              : 9223372036854775807

                 Partition | Start Offset | End Offset          | Offset | Lag                 
                -------------------------------------------------------------------------------
                 0         | 1            | 9                   | 7      | 2                   
                 1         |              | 9223372036854775807 | -2     | 9223372036854775807 
                -------------------------------------------------------------------------------

                Consumer Group       : h
                <no offsets committed by this group yet>
                """
            ),
            (
                """
                {"@type":"queryDescription","queryDescription":{"id":"Q","queryType":"PERSISTENT","statementText":"X;",\
                "fields":[],"sources":["S"],"sinks":["T"],"queryErrors":[{"timestamp":1,"errorMessage":"bad",\
                "type":"USER"}]}}
                """,
                """
                ID                   : Q
                Query Type           : PERSISTENT
                SQL                  : X;

                Sources that this query reads from: 
                -----------------------------------
                S

                For source description please run: DESCRIBE [EXTENDED] <SourceId>

                Sinks that this query writes to: 
                -----------------------------------
                T

                For sink description please run: DESCRIBE [EXTENDED] <SinkId>

                Error Date           : \(EntityText.date(1))
                Error Details        : bad
                Error Type           : USER
                """
            ),
        ])
    func `entities are shown as the original shows them`(entity: String, text: String) throws {
        #expect(EntityText.text(try #require(JSONValue.parse(Array(entity.utf8)))) == text)
    }

    private static let rows = """
        [{"header":{"queryId":"q1","schema":"`ID` BIGINT, `NAME` STRING"}},
        {"row":{"columns":[1,"Ann"]}},
        {"row":{"columns":[22,null]}},
        {"row":{"columns":[3,null],"tombstone":true}},
        {"finalMessage":"Limit Reached"}]

        """

    @Test func `rows of a query are in a grid`() async throws {
        try await withShell([("/query", "EMIT CHANGES", 200, Self.rows)]) { shell, screen, _ in
            _ = try await shell.run("SELECT * FROM s EMIT CHANGES LIMIT 3;")
            #expect(
                screen.contents == """
                    +---+-----------+
                    |ID |NAME       |
                    +---+-----------+
                    |1  |Ann        |
                    |22 |null       |
                    |3  |<TOMBSTONE>|
                    +---+-----------+
                    Limit Reached

                    """)
        }
    }

    @Test func `rows as JSON are objects, one in a line`() async throws {
        try await withShell([("/query", "EMIT CHANGES", 200, Self.rows)], format: .json) { shell, screen, _ in
            _ = try await shell.run("SELECT * FROM s EMIT CHANGES LIMIT 3;")
            #expect(
                screen.contents == """
                    {"ID":1,"NAME":"Ann"}
                    {"ID":22,"NAME":null}
                    {"ID":3,"NAME":null,"@tombstone":true}

                    """)
        }
    }

    @Test func `an error in the middle of a query comes after its rows`() async throws {
        let answer = """
            [{"header":{"queryId":"q1","schema":"`ID` BIGINT"}},
            {"row":{"columns":[1]}},
            {"errorMessage":{"@type":"generic_error","error_code":50000,"message":"gone wrong"}}]
            """
        try await withShell([("/query", "", 200, answer)]) { shell, screen, _ in
            await #expect(throws: SQLFailure.self) { try await shell.run("SELECT * FROM s;") }
            #expect(screen.contents.contains("|1  |"))
        }
    }

    @Test func `settings and variables go with the statements behind them`() async throws {
        try await withShell([
            ("/is_valid_property/auto.offset.reset", "", 200, "true"),
            ("/is_valid_property/nonsense", "", 400, #"{"error_code":40000,"message":"unknown property"}"#),
            ("/ksql", "", 200, "[]"),
        ]) { shell, screen, asked in
            _ = try await shell.run("SET 'auto.offset.reset' = 'earliest'; DEFINE t = 'x'; SHOW TOPICS;")
            let last = asked.lines.withLock { $0.last ?? "" }
            #expect(
                last.contains(#""streamsProperties":{"auto.offset.reset":"earliest"},"sessionVariables":{"t":"x"}"#))
            await #expect(throws: SQLFailure.self) { try await shell.run("SET 'nonsense' = '1';") }
            _ = try await shell.run("UNSET 'auto.offset.reset'; UNDEFINE t; SHOW TOPICS;")
            #expect(asked.lines.withLock { $0.last ?? "" }.contains(#""streamsProperties":{},"sessionVariables":{}"#))
            await #expect(throws: ShellFailure.self) { try await shell.run("UNSET 'auto.offset.reset';") }
        }
    }

    @Test func `a property with a wrong value is refused where it is set`() async throws {
        try await withShell([
            ("/is_valid_property/auto.offset.reset", "", 200, "true"),
            ("/ksql", "middle", 400, #"{"error_code":40000,"message":"Invalid value middle"}"#),
            ("/ksql", "", 200, "[]"),
        ]) { shell, screen, asked in
            _ = try await shell.run("SET 'auto.offset.reset' = 'earliest';")
            await #expect(throws: SQLFailure.self) { try await shell.run("SET 'auto.offset.reset' = 'middle';") }
            _ = try await shell.run("SHOW TOPICS;")
            #expect(asked.lines.withLock { $0.last ?? "" }.contains(#"{"auto.offset.reset":"earliest"}"#))
        }
    }

    @Test func `changes that follow each other go to the server together`() async throws {
        try await withShell([("/ksql", "", 200, "[]")]) { shell, _, asked in
            _ = try await shell.run(
                "CREATE STREAM a (x INT) WITH (KAFKA_TOPIC='t'); DROP STREAM b; DEFINE v = 'w'; DROP STREAM c; SHOW TOPICS;"
            )
            let lines = asked.lines.withLock { $0 }
            #expect(lines.count == 3 && lines[0].contains("CREATE STREAM a") && lines[0].contains("DROP STREAM b;"))
            await #expect(throws: ShellFailure.self) { try await shell.run("DROP STREAM a; DROP STREEM b;") }
            #expect(asked.lines.withLock { $0.count } == 3, "nothing of a text that cannot be read")
        }
    }

    @Test func `lines of a pipe are statements and commands`() async throws {
        try await withShell([("/ksql", "", 200, "[]")]) { shell, screen, asked in
            var pieces = [
                ["-- a comment; with more", "", "SHOW", "TOPICS;", "SET CLI COLUMN-WIDTH 8"], ["output json;"],
                ["exit ;", "SHOW STREAMS;"],
            ]
            try await shell.run(lines: { pieces.isEmpty ? nil : pieces.removeFirst() })
            #expect(asked.lines.withLock { $0 }.count == 1)
            #expect(shell.options.format == .json && pieces.isEmpty)
            pieces = [["SHOW STREAMS"]]
            await #expect(throws: ShellFailure.self, "a statement without its end") {
                try await shell.run(lines: { pieces.isEmpty ? nil : pieces.removeFirst() })
            }
        }
    }

    @Test func `who gives up waiting is back at once`() async throws {
        // Nobody accepts what the kernel connects.
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port: UInt16 = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length)
                listen(listener, 4)
                getsockname(listener, $0, &length)
            }
            return UInt16(bigEndian: $0.pointee.sin_port)
        }
        let running = Shell.RunningQuery()
        let shell = Shell(
            SQLClient(try #require(HTTPAddress("127.0.0.1:\(port)"))), makeClient: { SQLClient($0) }, output: Screen(),
            options: ShellOptions(), running: running, version: "1.2")
        let ending = Task {
            while !running.end() { await Task.yield() }
        }
        let failure = await #expect(throws: ShellFailure.self) { try await shell.run("SHOW STREAMS;") }
        #expect(failure?.message.contains("may still carry out") == true)
        await ending.value
    }

    @Test func `a spool file has statements, commands and errors`() async throws {
        let path = "/tmp/swiftwater-spool-\(getpid())"
        defer { unlink(path) }
        try await withShell([
            ("/ksql", "TYPES", 400, #"{"error_code":40001,"message":"gone wrong"}"#), ("/ksql", "", 200, "[]"),
        ]) { shell, _, _ in
            _ = try await shell.run("SPOOL \(path)")
            _ = try await shell.run("output")
            await #expect(throws: SQLFailure.self) { try await shell.run("SHOW TYPES;") }
            _ = try await shell.run("spool off")
            let text = try TextFile.read(path)
            #expect(
                text.split(separator: "\n").dropFirst() == [
                    "output", "Current output format: TABULAR", "SHOW TYPES;", "gone wrong", "spool off",
                ])
        }
    }

    @Test(arguments: [
        ("RUN SCRIPT s1.sql", ShellCommand.runScript("s1.sql")), ("run  script 'a b.sql' ;", .runScript("a b.sql")),
        ("SPOOL \"/tmp/x\"", .spool("/tmp/x")), ("spool off;", .spool(nil)), ("RUN SCRIPT 'a'; SHOW STREAMS;", nil),
        ("RUN SCRIPT '${x}';", nil), ("SPOOL", nil), ("spooling x", nil), ("RUN SCRIPT a b", nil),
    ])
    func `scripts and spool files end with the line`(text: String, command: ShellCommand?) {
        #expect(ShellCommand(text) == command)
    }

    @Test func `a limit of rows counts records of PRINT`() throws {
        let printer = RowPrinter(.init(format: .tabular, overflow: .wrap)) { _ in }
        for line in ["Key format: JSON", "Value format: JSON", "rowtime: 1, key: 1, value: 2"] {
            try printer.take(.line(line))
        }
        #expect(printer.rowCount == 1)
    }

    @Test(arguments: [
        ("\u{1F680}", 2), ("\u{2764}\u{FE0F}", 2), ("\u{1F1E9}\u{1F1EA}", 2), ("\u{2705}", 2), ("\u{E9}", 1),
    ])
    func `emoji take two cells`(text: String, width: Int) { #expect(TextWidth.of(text) == width) }

    @Test func `control characters do not reach the terminal`() {
        #expect(RowGrid.cell(.string("a\tb\u{1B}[2J\r\n\u{9B}c")) == "a\\tb\\u001b[2J\\r\n\\u009bc")
    }

    @Test func `plans and statements keep their indentation`() async throws {
        let answer = #"""
            [{"@type":"queryDescription","statementText":"EXPLAIN Q;","queryDescription":{"id":"Q","statementText":\#
            "CREATE STREAM q AS\n\tSELECT *\u001b[2J FROM s;","fields":[],"sources":[],"sinks":[],\#
            "topology":" > [ SINK ]\n\t\t > [ SOURCE ]\n","executionPlan":" > [ SINK ]\n\t\t > [ PROJECT ]\n"}}]
            """#
        try await withShell([("/ksql", "EXPLAIN", 200, answer)]) { shell, screen, _ in
            _ = try await shell.run("EXPLAIN Q;")
            let text = screen.contents
            #expect(text.contains(" > [ SINK ]\n\t\t > [ SOURCE ]\n") && text.contains("\n\t\t > [ PROJECT ]\n"))
            #expect(text.contains("CREATE STREAM q AS\n\tSELECT *\\u001b[2J FROM s;"))
        }
    }

    @Test func `what is no statement is told without the server`() async throws {
        try await withShell([]) { shell, _, asked in
            let failure = await #expect(throws: ShellFailure.self) { try await shell.run("SELEC * FROM s;") }
            #expect(failure?.message.contains("^") == true)
            #expect(asked.lines.withLock { $0.isEmpty })
        }
    }

    @Test(arguments: ["SHOW TOPICS", "SHOW TOPICS -- all", "SHOW TOPICS;", "output JSON"])
    func `the last statement of an argument may lack its semicolon`(text: String) async throws {
        try await withShell([("/ksql", "", 200, "[]")]) { shell, _, asked in
            _ = try await shell.run(argument: text)
            let isStatement = text.hasPrefix("SHOW")
            #expect(asked.lines.withLock { $0.count } == (isStatement ? 1 : 0))
            await #expect(throws: ShellFailure.self) { try await shell.run(argument: "SHOW TOPICS; SELEC") }
            guard isStatement, !text.hasSuffix(";") else { return }
            // A file that ends so may have been cut off.
            await #expect(throws: ShellFailure.self) { try await shell.run(text) }
        }
    }

    @Test func `statements before a bad one have answered`() async throws {
        let answer = #"""
            {"@type":"statement_error","error_code":40001,"message":"bad","statementText":"x","entities":[
            {"@type":"currentStatus","commandStatus":{"message":"Stream created"}}]}
            """#
        try await withShell([("/ksql", "", 400, answer)]) { shell, screen, _ in
            let failure = await #expect(throws: SQLFailure.self) { try await shell.run("DROP STREAM a;") }
            #expect(failure?.kind == .refused(status: 400, code: 40001))
            #expect(screen.contents.contains("Stream created"))
        }
    }

    @Test(arguments: [
        ("help", true), ("exit;", true), ("QUIT", true), ("output JSON", true), ("OUTPUT 'TABULAR';", true),
        ("set cli wrap off", true), ("SET CLI COLUMN-WIDTH 10;", true), ("SHOW STREAMS;", false), ("SELECT 1", false),
        ("set 'a'='b';", false), ("help me please", false),
    ])
    func `commands are told from statements`(text: String, isCommand: Bool) {
        #expect((ShellCommand(text) != nil) == isCommand)
    }

    @Test func `a grid shares the terminal`() {
        let grid = RowGrid(headings: ["ID", "TEXT"], rows: [["1", String(repeating: "x", count: 50)]], available: 20)
        let lines = grid.line(["1", "0123456789abcdefXYZ"]).split(separator: "\n")
        #expect(lines == ["|1  |0123456789abcd|", "|   |efXYZ         |"])
        let clipped = RowGrid(
            headings: ["ID"], rows: [], available: nil, fixedWidth: 3, overflow: .clip)
        #expect(clipped.line(["12345"]) == "|123|")
    }

    @Test(arguments: [
        ("SELECT *\n  FROM a;", "SELECT * FROM a;"), ("VALUES ('a\n   b',\n 1);", "VALUES ('a\n   b', 1);"),
        ("SELECT 1 -- one\nFROM a;", "SELECT 1 -- one\nFROM a;"), ("SELECT '--'\n;", "SELECT '--' ;"),
    ])
    func `history joins lines outside of quotes`(text: String, line: String) {
        #expect(HistoryText.joined(text) == line)
    }

    @Test func `Tab is text in what is pasted and in front of a line`() {
        func isLiteral(_ line: String, _ isPasting: Bool, _ isPending: Bool, _ isContinued: Bool) -> Bool {
            LineEditor.isLiteralTab(behind: line, isPasting: isPasting, isPending: isPending, isContinued: isContinued)
        }
        #expect(isLiteral("'a", true, false, false) && isLiteral("id", false, true, true))
        #expect(isLiteral("", false, false, true) && isLiteral("  ", false, false, false))
        #expect(!isLiteral("", false, false, false) && !isLiteral("SHOW ST", false, false, true))
    }

    @Test func `Tab completes names where they belong`() {
        var completion = Completion()
        completion.sources = ["RATINGS", "RANKS"]
        completion.columns = ["RATING_ID"]
        completion.functions = ["RADIANS"]
        completion.topics = ["raw"]
        #expect(completion.candidates(after: "SELECT * FROM ", "ra") == ["RANKS", "RATINGS"])
        #expect(completion.candidates(after: "SELECT ", "ra") == ["RANKS", "RATINGS", "RATING_ID", "radians("])
        #expect(completion.candidates(after: "PRINT ", "'") == ["'raw'"])
        #expect(completion.candidates(after: "", "SPO") == ["SPOOL"])
        completion.functions += ["STDDEV_SAMP", "CHR", "CEIL"]
        completion.queries = ["CTAS_A_1"]
        #expect(completion.candidates(after: "SHOW ", "ST") == ["STREAMS"])
        #expect(completion.candidates(after: "list ", "st") == ["streams"])
        #expect(completion.candidates(after: "SELECT * FROM a EMIT ", "CH") == ["CHANGES"])
        #expect(completion.candidates(after: "SELECT a FROM b GROUP ", "B") == ["BY"])
        #expect(completion.candidates(after: "DROP ", "ST") == ["STREAM"])
        #expect(completion.candidates(after: "TERMINATE ", "C") == ["CTAS_A_1"])
        #expect(completion.candidates(after: "CREATE OR ", "R") == ["REPLACE STREAM", "REPLACE TABLE"])
    }
}
