import Glibc
import TestKit
import Testing

@testable import SQLSyntax

@Suite struct PropertyTests {
    /// Prints trees that were made up and reads them: the only texts they can have been made from are equal ones.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func `whatever is printed reads back as an equal tree`(seed: UInt64) throws {
        for step in 0..<100 as Range<UInt64> {
            var statements = RandomStatements(seed: seed * 1_000 + step)
            let statement = statements.statement()
            let text = statement.description
            do {
                let parsed = try SQLParser.statement(text, dialect: .testScript)
                #expect(parsed.statement == statement, "seed \(seed * 1_000 + step)\n\(text)\n\(parsed.statement)")
                #expect(parsed.statement.description == text)
            } catch { Issue.record("seed \(seed * 1_000 + step): \(error.report)\n\(text)") }
        }
    }

    private static let soup: [String] =
        TokenKind.words.map(\.word) + [
            ";", "(", ")", "[", "]", ",", ".", "=", "<>", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||",
            ":=", "->", "=>", "'a'",
            "'", "\"b\"", "`c`", "`", "\"", "1", "2.5", ".5", "1e3", "1a", "x", "y", "${v}", "${", "$", "--",
            "--@a: b\n", "/*", "*/", "\n",
            "é", "\u{0}", "ORDER", "DESC", "SPOOL", "OFF", ":", "|", "!", "{", "}", "9223372036854775808", "1e999",
        ]

    /// Reads a text in every way there is; that nothing traps is the point. What is read must print and read back.
    private func read(_ text: String, seed: UInt64) {
        for dialect in [SQLDialect.server, .commandLine, .testScript] {
            var reader = StatementReader(text, dialect: dialect)
            var count = 0
            while count <= text.utf8.count {
                count += 1
                do {
                    guard let parsed = try reader.next() else { break }
                    let again = try SQLParser.statement(parsed.statement.description, dialect: dialect)
                    #expect(again.statement == parsed.statement, "seed \(seed): \(parsed.text)")
                    _ = try parsed.substituting(["v": "w"])
                    try parsed.checkQualifiers()
                } catch {
                    #expect(!error.message.isEmpty && !error.report.isEmpty)
                }
            }
            #expect(count <= text.utf8.count, "seed \(seed): reading does not end")
        }
        _ = SQLParser.isComplete(text)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `token soup is an error or a statement`(seed: UInt64) {
        for step in 0..<60 as Range<UInt64> {
            var random = SeededRandom(seed: seed * 1_000 + step)
            let words = (0...random.roll(40)).map { _ in random.one(of: Self.soup) }
            read(
                words.joined(separator: random.coin() ? " " : "") + (random.coin() ? ";" : ""),
                seed: seed * 1_000 + step)
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `damaged statements are an error or a statement`(seed: UInt64) {
        for step in 0..<40 as Range<UInt64> {
            let replay = seed * 1_000 + step
            var statements = RandomStatements(seed: replay)
            var bytes = Array((statements.statement().description + ";").utf8)
            var random = SeededRandom(seed: replay)
            for _ in 0...random.roll(3) {
                let at = random.roll(bytes.count)
                switch random.roll(5) {
                case 0: bytes.remove(at: at)
                case 1: bytes.insert(contentsOf: (" " + random.one(of: Self.soup) + " ").utf8, at: at)
                case 2: bytes[at] = UInt8(truncatingIfNeeded: random.next())
                case 3: bytes.removeLast(random.roll(bytes.count / 4 + 1))
                default:
                    let end = min(bytes.count, at + random.roll(30))
                    bytes.insert(contentsOf: bytes[at..<end], at: random.roll(bytes.count))
                }
                if bytes.isEmpty { bytes = [0x3B] }
            }
            read(String(decoding: bytes, as: UTF8.self), seed: replay)
        }
    }

    /// Far beyond every limit: an error, and neither a full stack nor a long wait.
    @Test(arguments: [
        "(", "f(", "- ", "+", "NOT ", "a + ", "a OR ", "a AND NOT ", "ARRAY[", "a[", "CASE WHEN ", "CAST(", "a || ",
        "MAP(a := ", "STRUCT(a := ",
        "a->", "f(x => ", "f((a, b) => ", "a IN (", "a BETWEEN ", "- (", "a = (", "a AT TIME ZONE 'z' || ",
        "CASE a WHEN b THEN ",
    ])
    func `deep nesting and long chains are refused`(part: String) throws {
        let text = "SELECT " + String(repeating: part, count: 50_000) + "a FROM b;"
        let error = try #require(throws: SQLSyntaxError.self) { try SQLParser.script(text) }
        #expect(error.code == .tooDeep || error.code == .syntax)
        if part != "a BETWEEN " { #expect(error.code == .tooDeep) }
    }

    @Test(arguments: ["ARRAY<", "MAP<STRING, ", "STRUCT<a ", "EXPLAIN "])
    func `deep types and statements are refused`(part: String) throws {
        let prefix = part == "EXPLAIN " ? "" : "CREATE TYPE t AS "
        let text = prefix + String(repeating: part, count: 50_000) + "INT;"
        let error = try #require(throws: SQLSyntaxError.self) { try SQLParser.script(text) }
        #expect(error.code == .tooDeep)
        let suffixes = "CREATE TYPE t AS INT" + String(repeating: " ARRAY", count: 50_000) + ";"
        let other = try #require(throws: SQLSyntaxError.self) { try SQLParser.script(suffixes) }
        #expect(other.code == .tooDeep)
    }

    /// What is within the limits can be worked with: printed, hashed, compared, walked over, rewritten.
    @Test(arguments: [
        ("(", ")", 140), ("f(", ")", 140), ("a OR ", "", 450), ("a + ", "", 450), ("NOT ", "", 90),
        ("a - b * ", "", 450), ("a AND ", "", 450), ("a || ", "", 450),
    ])
    func `what is nested less is read`(open: String, close: String, count: Int) throws {
        let expression = try SQLParser.expression(
            String(repeating: open, count: count) + "a" + String(repeating: close, count: count))
        let again = try SQLParser.expression(expression.sql)
        #expect(again == expression)
        #expect(again.hashValue == expression.hashValue)
        var nodes = 0
        expression.forEach { _ in nodes += 1 }
        #expect(nodes >= 1)
        let same = expression.rewritten { _ in nil }
        #expect(same == expression)
        #expect(same.hashValue == expression.hashValue)
    }

    /// Measured in debug builds, whose frames are several times as large: threads have 8 MiB.
    @Test func `the deepest there is fits into half of a thread's stack`() {
        let texts = ["(", "f(", "CASE WHEN ", "a OR ", "x[", "CAST(", "f(x => ", "a + (", "a = ("].map {
            String(repeating: $0, count: 10_000) + "a"
        }
        let readable = [
            String(repeating: "f((", count: 50) + "a" + String(repeating: ")", count: 100),
            String(repeating: "a OR ", count: 498) + "a",
        ]
        var outcome: [Bool] = []
        onThread(stackByteCount: 4 << 20) {
            for text in texts { outcome.append((try? SQLParser.expression(text)) == nil) }
            for text in readable {
                guard let expression = try? SQLParser.expression(text) else {
                    outcome.append(false)
                    continue
                }
                let same = expression.rewritten { _ in nil }
                let isSame = same == expression && same.hashValue == expression.hashValue
                outcome.append(isSame && !same.sql.isEmpty)
            }
        }
        #expect(outcome == [Bool](repeating: true, count: texts.count + readable.count))
    }

    @Test func `a long script is read`() throws {
        let statement =
            "CREATE STREAM s AS SELECT a, b + 1 AS c, 'text' d FROM e WHERE f = 'x' -- comment\n EMIT CHANGES;\n"
        let script = String(repeating: statement, count: 2_000)
        let statements = try SQLParser.script(script)
        #expect(statements.count == 2_000)
        #expect(statements.last?.position.line == 3_999)
        // Each of many parameters is looked up in constant time.
        let names = (0..<20_000).map { "p\($0)" }.joined(separator: ", ")
        let lambda = try SQLParser.expression("f((\(names)) => g(\(names)))")
        var count = 0
        lambda.forEach { if case .lambdaParameter = $0.kind { count += 1 } }
        #expect(count == 20_000)
        let values = "INSERT INTO s VALUES (" + String(repeating: "1, ", count: 100_000) + "1);"
        guard case .insertValues(let insert) = try SQLParser.statement(values).statement else { return }
        #expect(insert.values.count == 100_001)
    }
}

/// Calls `body` on a thread with a stack of this size, and waits for it.
private func onThread(stackByteCount: Int, _ body: () -> Void) {
    final class Work {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }
    withoutActuallyEscaping(body) { body in
        let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
        defer { attributes.deallocate() }
        pthread_attr_init(attributes)
        pthread_attr_setstacksize(attributes, stackByteCount)
        var thread: pthread_t = 0
        let work = Unmanaged.passRetained(Work(body)).toOpaque()
        let start: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
            if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
            return nil
        }
        guard pthread_create(&thread, attributes, start, work) == 0 else { return }
        pthread_join(thread, nil)
    }
}
