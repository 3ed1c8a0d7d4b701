import Environment
import JSONFormat
import Logging
import Synchronization
import Testing

@testable import swiftwater

@Suite struct LogTests {
    private static let time = "2026-11-25T18:04:11.123Z"

    private func text(_ message: String, _ metadata: Logger.Metadata) -> String {
        String(
            decoding: LogLine.text(time: Self.time, level: .warning, message: message, metadata: metadata),
            as: UTF8.self)
    }

    @Test func `a line has time, level, message and metadata in the order of its keys`() {
        #expect(
            text("connection failed", ["remote": "127.0.0.1", "client": "a b", "bytes": "\(12)"])
                == "\(Self.time) warning connection failed bytes=12 client=\"a b\" remote=127.0.0.1\n")
    }

    /// What a client sends must not look like another line or another value.
    @Test(
        arguments: [
            ("", "\"\""), ("plain", "plain"), ("a=b", "\"a=b\""), ("say \"x\"", "\"say \\\"x\\\"\""),
            ("two\nlines", "\"two\\nlines\""), ("\u{1B}[31mred", "\"\\u001B[31mred\""), ("é", "é"),
        ])
    func `values are quoted when they must be`(value: String, written: String) {
        #expect(text("m", ["k": "\(value)"]) == "\(Self.time) warning m k=\(written)\n")
    }

    @Test func `a message never makes a second line`() {
        #expect(text("a\nb\u{1B}c", [:]) == "\(Self.time) warning a b c\n")
    }

    @Test func `JSON lines are JSON, and metadata takes no name of theirs`() {
        let bytes = LogLine.json(
            time: Self.time, level: .error, message: "it \"failed\"",
            metadata: ["level": "high", "list": ["a", "b"], "map": ["y": "1", "x": "2"]])
        #expect(
            JSONValue.parse(bytes)
                == .object([
                    ("time", .string(Self.time)), ("level", .string("error")), ("message", .string("it \"failed\"")),
                    ("_level", .string("high")), ("list", .array([.string("a"), .string("b")])),
                    ("map", .object([("x", .string("2")), ("y", .string("1"))])),
                ]))
        #expect(bytes.last == UInt8(ascii: "\n") && bytes.count(where: { $0 == UInt8(ascii: "\n") }) == 1)
    }

    private final class Lines: Sendable {
        private let list = Mutex<[String]>([])
        func add(_ bytes: [UInt8]) { list.withLock { $0.append(String(decoding: bytes.dropLast(), as: UTF8.self)) } }
        /// Without the time.
        var all: [String] { list.withLock { $0.map { String($0.drop { $0 != " " }.dropFirst()) } } }
    }

    @Test func `a message that repeats is told now and then, with how often it was not`() {
        let lines = Lines()
        let clock = ManualClock()
        let log = ProgramLog(format: .text, clock: clock) { lines.add($0) }
        let logger = log.logger("test", level: .info)
        for number in 0..<100 { logger.warning("refused a connection", metadata: ["n": "\(number)"]) }
        logger.notice("something else")
        #expect(lines.all.count == LogThrottle.burst + 1)
        #expect(lines.all.last == "notice something else")
        clock.advance(by: LogThrottle.windowSeconds * 1_000_000_000)
        logger.warning("refused a connection")
        #expect(
            lines.all.suffix(2) == [
                "notice a message came too often to be shown each time hidden=90 of=\"refused a connection\"",
                "warning refused a connection",
            ])
        for _ in 0..<20 { logger.warning("at the end") }
        log.finish()
        #expect(lines.all.last?.contains("hidden=10 of=\"at the end\"") == true)
        log.finish()
        #expect(lines.all.count(where: { $0.contains("at the end") }) == LogThrottle.burst + 1)
    }

    @Test func `debug lines are not bounded, and levels are kept`() {
        let lines = Lines()
        let log = ProgramLog(format: .text, clock: ManualClock()) { lines.add($0) }
        var logger = log.logger("test", level: .debug)
        logger[metadataKey: "part"] = "x"
        for _ in 0..<50 { logger.debug("d") }
        logger.trace("t")
        #expect(lines.all.count == 50)
        #expect(lines.all.first == "debug d part=x")
    }

    @Test func `different messages without end take bounded memory`() {
        var throttle = LogThrottle()
        for number in 0..<10_000 { _ = throttle.decide("message \(number)", now: 0) }
        let decision = throttle.decide("message 9999", now: 0).0
        #expect(decision == .pass)
    }
}
