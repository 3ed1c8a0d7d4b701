import Bytes
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
                    WARNING: mind this
                     Message        
                    ----------------
                     Stream created 
                    ----------------
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

    @Test func `what is no statement is told without the server`() async throws {
        try await withShell([]) { shell, _, asked in
            let failure = await #expect(throws: ShellFailure.self) { try await shell.run("SELEC * FROM s;") }
            #expect(failure?.message.contains("^") == true)
            #expect(asked.lines.withLock { $0.isEmpty })
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
    }
}
