import ConnectCore
import Testing

@testable import ConnectorCDC

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
        #expect(inbox.takeAll().map(\.id) == (0..<SignalInbox.countMax).map(String.init))
        #expect(inbox.isEmpty)
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
