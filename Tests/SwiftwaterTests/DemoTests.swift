import Environment
import Foundation
import Glibc
import JSONFormat
import SQLSyntax
import Testing

@testable import swiftwater

@Suite struct DemoTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Examples/demo")

    @Test func `the program has every file of the folder, byte for byte`() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path()).sorted()
        #expect(DemoFiles.all.map(\.name).sorted() == names, "Sources/C/CExamples/examples.c lists them")
        for (name, bytes) in DemoFiles.all {
            #expect(try Data(contentsOf: Self.folder.appending(path: name)) == Data(bytes), "\(name)")
        }
    }

    @Test(arguments: DemoPipeline.Name.allCases)
    func `every statement of a pipeline is one of the language, and explained`(name: DemoPipeline.Name) throws {
        let pipeline = try DemoPipeline(name)
        #expect(pipeline.script.steps.count > 3)
        let statements = pipeline.script.steps.flatMap(\.statements)
        #expect(pipeline.script.steps.allSatisfy { !$0.comment.isEmpty && !$0.statements.isEmpty })
        let queries = pipeline.stages.compactMap { stage in
            if case .rows(let query, _, _, _) = stage.check { query } else { nil }
        }
        for statement in statements + queries + pipeline.tries + [pipeline.live] {
            #expect(throws: Never.self, "\(statement)") { try SQLParser.script(statement) }
        }
        // What the runner reads line by line is what the language reads.
        let whole = try SQLParser.script(try DemoFiles.text(name.rawValue + ".sql"))
        #expect(whole.count == statements.count)
    }

    @Test(arguments: DemoPipeline.Name.allCases)
    func `variables of the statements have values`(name: DemoPipeline.Name) throws {
        let pipeline = try DemoPipeline(name)
        // Fields of records in the template of the messages, which are no variables.
        let known = Set(
            pipeline.variables.map(\.name) + DemoPlatform.variableNames + ["key", "EMAIL", "STARS", "MESSAGE"])
        for statement in pipeline.script.steps.flatMap(\.statements) {
            for use in statement.split(separator: "${").dropFirst() {
                let variable = String(use.prefix { $0 != "}" })
                #expect(known.contains(variable), "\(variable) in \(statement)")
            }
        }
    }

    @Test func `comments begin steps, and statements end at the end of a line`() {
        let script = DemoScript(
            """
            -- First. And more
            -- of it.
            CREATE STREAM a
              (x INT);
            INSERT INTO a VALUES (1);

            -- Second.
            SELECT ';' FROM a;
            """)
        #expect(
            script.steps == [
                .init(
                    comment: "First. And more of it.",
                    statements: ["CREATE STREAM a\n  (x INT);", "INSERT INTO a VALUES (1);"]),
                .init(comment: "Second.", statements: ["SELECT ';' FROM a;"]),
            ])
        #expect(script.steps.map(\.summary) == ["First.", "Second."])
    }

    @Test(
        arguments: [
            ("SELECT 1 FROM a;", .query), ("insert into a values (1);", .insert),
            ("CREATE STREAM a AS SELECT 1;", .other),
            ("CREATE SOURCE CONNECTOR in WITH ();", .connector("in")),
            ("create sink connector OUT\n WITH (", .connector("OUT")),
        ] as [(String, DemoStatementKind)])
    func `kinds of statements`(statement: String, kind: DemoStatementKind) {
        #expect(DemoStatementKind(statement) == kind)
    }

    @Test func `rows are compared with what they must be`() {
        let rows: [[JSONValue]] = [[.string("a"), .number(1)], [.string("b"), .number(2)]]
        let first = JSONValue.array([.string("a"), .number(1)])
        #expect(DemoStage.problem(of: rows, count: 2, expect: [first], each: nil) == nil)
        #expect(DemoStage.problem(of: rows, count: 3, expect: [], each: nil) == "2 of 3 rows came")
        #expect(
            DemoStage.problem(of: rows, count: 2, expect: [first, first], each: nil)
                == #"row 2 is ["b",2], not ["a",1]"#)
        #expect(DemoStage.problem(of: rows, count: 2, expect: [], each: first) == #"row 2 is ["b",2], not ["a",1]"#)
    }

    @Test func `columns are those of the row, not those inside`() {
        #expect(
            DemoRows.columns("`ID` BIGINT KEY, `AT` STRUCT<`X` INT, `Y` ARRAY<STRUCT<`Z` INT>>>, `N` STRING") == [
                "ID", "AT", "N",
            ])
        #expect(DemoRows.columns("") == [])
    }

    @Test func `a file that is not whole is no Parquet file`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let disk = RealDisk()
        func write(_ name: String, _ text: String) throws {
            try disk.makeDirectory(folder.path + "/topics/a/partition=0")
            try disk.open(folder.path + "/topics/a/partition=0/" + name, create: true).write(Array(text.utf8), at: 0)
        }
        #expect(DemoVerification.parquetFiles(folder.path + "/topics") == [])
        try write("half.parquet", "PAR1 and no more")
        try write(".hidden.parquet", "PAR1 a whole one PAR1")
        try write("other.avro", "PAR1 a whole one PAR1")
        #expect(DemoVerification.parquetFiles(folder.path + "/topics") == [])
        try write("whole.parquet", "PAR1 a whole one PAR1")
        #expect(
            DemoVerification.parquetFiles(folder.path + "/topics") == [
                folder.path + "/topics/a/partition=0/whole.parquet"
            ])
    }

    @Test func `a port that is taken is replaced`() throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        inet_pton(AF_INET, "127.0.0.1", &name.sin_addr)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(socket, $0, size)
                _ = getsockname(socket, $0, &size)
            }
        }
        #expect(listen(socket, 1) == 0)
        let address = HostPort(host: "127.0.0.1", port: Int(UInt16(bigEndian: name.sin_port)))
        #expect(DemoPorts.free(address) == HostPort(host: "127.0.0.1", port: 0))
        #expect(DemoPorts.free(HostPort(host: "127.0.0.1", port: 0)).port == 0)
    }
}
