import ConnectCore
import Glibc
import Testing

@testable import ConnectorCDC

private let signalLine = #"{"id":"a","type":"log","data":{}}"#

@Suite struct SignalTests {
    @Test(arguments: [
        (#"{"id":"a","type":"log","data":{"message":"x"}}"#, "a|log|{\"message\":\"x\"}"),
        (#"{"id":7,"type":"log","data":"{}"}"#, "7|log|{}"), ("not json", nil), (#"{"id":"a","type":"log"}"#, nil),
        (#"["a"]"#, nil), ("", nil),
    ])
    func `a line is a signal`(line: String, expected: String?) {
        let signal = FileSignals.signal(line)
        #expect(signal.map { "\($0.id)|\($0.type)|\($0.data)" } == expected)
    }

    @Test func `an inbox is bounded and gives signals out in their order`() {
        let inbox = SignalInbox()
        for number in 0..<SignalInbox.countMax {
            #expect(inbox.add(Signal(id: "\(number)", type: "log", data: "{}")))
        }
        #expect(!inbox.add(Signal(id: "more", type: "log", data: "{}")))
        for number in 0..<SignalInbox.countMax {
            #expect(inbox.first?.id == "\(number)")
            inbox.removeFirst()
        }
        inbox.removeFirst()
        #expect(inbox.isEmpty)
    }

    private static func file(_ text: String) throws -> String {
        let path = "/tmp/signals-\(UInt64.random(in: 0 ... .max))"
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        #expect(fwrite(text, 1, text.utf8.count, file) == text.utf8.count)
        return path
    }

    private static func byteCount(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : -1
    }

    @Test(
        arguments: [
            ("\(signalLine)\n", true, 1, [], true), (signalLine, true, 1, [], true),
            ("\(signalLine)\n{\"id\":\"b", true, 0, [], false),
            ("\(signalLine)\n{\"id\":\"b", false, 1, [2], true), ("x\n\r\n\(signalLine)\ny\n", true, 1, [1, 4], true),
            ("\n", true, 0, [], true), ("", true, 0, [], true),
        ] as [(String, Bool, Int, [Int], Bool)])
    func `a file is taken when its last line is whole`(
        text: String, waits: Bool, count: Int, wrong: [Int], isEmptied: Bool
    ) throws {
        let path = try Self.file(text)
        defer { unlink(path) }
        let taken = try FileSignals.take(path, waitsForEnd: waits)
        #expect(taken.signals.count == count && taken.wrongLines == wrong && taken.isUnfinished == !isEmptied)
        #expect(Self.byteCount(path) == (isEmptied ? 0 : text.utf8.count))
    }

    @Test func `a file of signals is a file`() throws {
        let path = "/tmp/signals-\(UInt64.random(in: 0 ... .max))"
        #expect(try FileSignals.take(path, waitsForEnd: true).signals.isEmpty)
        try #require(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        // Nobody writes to it.
        #expect { try FileSignals.take(path, waitsForEnd: true) } throws: {
            "\($0)".contains("no regular file")
        }
    }

    @Test func `lines that are no signals are told by their numbers`() {
        #expect(FileSignals.passedOver([], "f") == nil)
        #expect(FileSignals.passedOver([2, 3], "f")?.hasSuffix(": 2, 3") == true)
        #expect(FileSignals.passedOver(Array(1...30), "f")?.hasSuffix("9, 10 and 20 more") == true)
    }

    @Test(
        arguments: [
            (nil, nil, false, 3), (nil, nil, true, 9), (nil, 5, false, 5), (nil, 5, true, 5), (7, 5, false, 7),
            // Deleted since, and a topic that was made anew.
            (nil, 1, false, 3), (nil, 10, false, 3), (nil, 10, true, 9), (12, 5, false, 5), (nil, 9, false, 9),
        ] as [(Int64?, Int64?, Bool, Int64)])
    func `where a topic's signals are read from`(next: Int64?, committed: Int64?, startsAtEnd: Bool, expected: Int64) {
        #expect(
            TopicSignals.start(next: next, committed: committed, first: 3, end: 9, startsAtEnd: startsAtEnd)
                == expected)
    }

    @Test func `tables come in the order of the original's maps`() {
        // Seen with Debezium 3.6.
        let tables = ["a", "b", "nokey"].map { TableID("inv", $0) }
        #expect(Notification.unordered(tables) == "inv.nokey,inv.b,inv.a")
        #expect(Notification.list(tables) == "inv.a,inv.b,inv.nokey")
    }

    @Test func `notifications in a topic need its name`() {
        #expect(EventOptions.channelProblem(["notification.enabled.channels": "log"]) == nil)
        #expect(
            EventOptions.channelProblem(["notification.enabled.channels": "log, sink"])?.message
                == "The 'notification.sink.topic.name' value is invalid: Notification topic name must be provided when kafka "
                + "notification channel is enabled")
        #expect(
            EventOptions.channelProblem([
                "notification.enabled.channels": "sink", "notification.sink.topic.name": "n",
            ]) == nil)
    }

    @Test func `what post processors say`() throws {
        #expect(try Reselection.make(["post.processors": " "]) == nil)
        let plain = try #require(
            try Reselection.make(["post.processors": "r", "r.type": Reselection.className]))
        #expect(plain.takesNull && plain.takesUnavailable && !plain.usesEventKey && !plain.failsOnError)
        let own = try #require(
            try Reselection.make([
                "post.processors": "r", "r.type": Reselection.className, "r.reselect.null.values": "false",
                "r.reselect.unavailable.values": "true", "r.reselect.use.event.key": "TRUE",
                "r.reselect.error.handling.mode": "FAIL", "r.reselect.columns.include.list": "inv.t:.*",
            ]))
        #expect(!own.takesNull && own.takesUnavailable && own.usesEventKey && own.failsOnError)
        #expect(own.included == "inv.t:.*")
        for wrong in [
            ["post.processors": "r"], ["post.processors": "r", "r.type": "my.Processor"],
            ["post.processors": "r,q", "r.type": Reselection.className],
            ["post.processors": "r", "r.type": Reselection.className, "r.reselect.error.handling.mode": "x"],
            ["post.processors": "r", "r.type": Reselection.className, "r.reselect.columns.include.list": "("],
        ] {
            #expect(throws: ConnectError.self) { try Reselection.make(wrong) }
        }
    }
}
