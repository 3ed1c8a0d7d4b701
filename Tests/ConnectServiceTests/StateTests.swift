import Cluster
import ConnectCore
import Foundation
import JSONFormat
import NIOCore
import Testing

@testable import ConnectService

@Suite struct StateTests {
    private static func record(_ key: String, _ value: String?, _ offset: Int64 = 0) -> ConsumerRecord {
        ConsumerRecord(
            topic: "t", partition: 0, offset: offset, timestamp: 0, key: ByteBuffer(string: key),
            value: value.map { ByteBuffer(string: $0) })
    }

    private static func record(_ record: ConfigRecords.Record, _ offset: Int64) -> ConsumerRecord {
        Self.record(
            String(decoding: record.key, as: UTF8.self), record.value.map { String(decoding: $0, as: UTF8.self) },
            offset)
    }

    @Test func `tasks count with their commit`() {
        var state = ConfigState()
        var offset: Int64 = 0
        func add(_ records: [ConfigRecords.Record]) {
            for record in records {
                _ = state.apply(Self.record(record, offset))
                offset += 1
            }
        }
        add([ConfigRecords.connector("a-b", ["x": "1"])])
        let tasks = ConfigRecords.tasks("a-b", [["n": "0"], ["n": "1"]])
        add(Array(tasks.dropLast()))
        #expect(state.tasks("a-b") == nil)
        add([tasks[2]])
        #expect(state.tasks.map(\.description) == ["a-b-0", "a-b-1"])
        #expect(state.tasks("a-b")?.connector == ["x": "1"])
        #expect(state.unfencedCount("a-b") == 0)
        add([ConfigRecords.fenced("a-b", 2)])
        #expect(state.unfencedCount("a-b") == nil)
        add(ConfigRecords.tasks("a-b", []))
        #expect(state.tasks.isEmpty)
        #expect(state.unfencedCount("a-b") == 2)
        add([ConfigRecords.target("a-b", .stopped)])
        #expect(state.target("a-b") == .stopped)
        add([ConfigRecords.connector("a-b", nil)])
        #expect(state.names.isEmpty)
        #expect(state.target("a-b") == .started)
    }

    @Test func `a commit whose tasks are missing waits for another`() {
        var state = ConfigState()
        _ = state.apply(Self.record("connector-a", #"{"properties":{}}"#))
        _ = state.apply(Self.record("task-a-0", #"{"properties":{"n":"0"}}"#, 1))
        _ = state.apply(Self.record("commit-a", #"{"tasks":2}"#, 2))
        #expect(state.tasks.isEmpty)
        #expect(state.tasks("a")?.isInconsistent == true)
    }

    @Test func `tasks before their connector's record are what compaction leaves`() {
        var state = ConfigState()
        _ = state.apply(Self.record("task-a-0", #"{"properties":{"n":"0"}}"#, 1))
        _ = state.apply(Self.record("commit-a", #"{"tasks":1}"#, 2))
        #expect(state.tasks("a") == nil)
        _ = state.apply(Self.record("connector-a", #"{"properties":{"x":"2"}}"#, 3))
        #expect(state.tasks("a")?.configs == [0: ["n": "0"]])
    }

    @Test(arguments: ["", "{", "[]", "null", #"{"properties":7}"#, #"{"tasks":-1}"#, #"{"tasks":1e9}"#])
    func `values that mean nothing are passed over`(value: String) {
        var state = ConfigState()
        for key in [
            "connector-a", "task-a", "task-a-0", "commit-a", "target-state-a", "session-key", "restart-connector-a", "",
            "x",
        ] {
            _ = state.apply(Self.record(key, value))
        }
        #expect(state.names.isEmpty)
        #expect(state.tasks.isEmpty)
        var status = StatusState()
        for key in [
            "status-connector-a", "status-task-a-0", "status-task-a", "status-topic-t:connector-a", "status-topic-t",
        ] {
            status.apply(Self.record(key, value))
        }
        #expect(status.connectors.isEmpty)
        var offsets = OffsetState()
        for key in ["", "[]", "[1,{}]", #"["a"]"#, #"["a",7]"#] { offsets.apply(Self.record(key, value)) }
        #expect(offsets.of("a").isEmpty)
    }

    @Test func `an offset keeps the key that it has in the topic`() throws {
        var state = OffsetState()
        let key = #"["s",{"b":1,"a":"x"}]"#
        state.apply(Self.record(key, #"{"position":25}"#))
        let wanted = ConnectMap([("a", ConnectValue.string("x")), ("b", .int32(1))])
        let found = state.offsets["s"]?[SourceOffsets.identity(try SourceOffsets.json(wanted))]
        #expect(found.map { String(decoding: $0.key, as: UTF8.self) } == key)
        #expect(found?.offset?["position"]?.integer == 25)
        state.apply(Self.record(key, nil))
        #expect(state.of("s").isEmpty)
        #expect(state.of("s", withDropped: true).count == 1)
    }

    private static let recorded: JSONValue? = {
        let folder = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"] ?? "../shared"
        guard let data = FileManager.default.contents(atPath: folder + "/connect-golden/internal-topics.json") else {
            return nil
        }
        return JSONValue.parse(Array(data))
    }()

    /// What a real worker left behind after its connectors were deleted but for one.
    @Test(.enabled(if: recorded != nil, "no recordings: set SWIFTWATER_SHARED"))
    func `topics that another worker wrote are read`() throws {
        func records(_ topic: String) -> [ConsumerRecord] {
            (Self.recorded?[topic]?["records"]?.elements ?? []).enumerated().map {
                Self.record($1["key"]?.text ?? "", $1["value"]?.text, Int64($0))
            }
        }
        var config = ConfigState()
        var largest: [String: Int] = [:]
        for record in records("connect-configs") {
            _ = config.apply(record)
            for name in config.names { largest[name] = max(largest[name] ?? 0, config.tasks(name)?.count ?? 0) }
        }
        #expect(config.names == ["bad/name ü"])
        #expect(largest == ["bad/name ü": 1, "k1": 2, "kf": 1, "s1": 1, "st": 0])
        #expect(config.tasks.map(\.description) == ["bad/name ü-0"])
        var status = StatusState()
        for record in records("connect-status") { status.apply(record) }
        #expect(status.connectors.mapValues(\.state) == ["bad/name ü": .unassigned])
        #expect(status.topics.isEmpty)
        var offsets = OffsetState()
        for record in records("connect-offsets") { offsets.apply(record) }
        #expect(offsets.of("s1").map { $0.offset?["position"]?.integer } == [29])
        let written = SourceOffsets.key("s1", try SourceOffsets.json(try #require(offsets.of("s1").first).partition))
        #expect(String(decoding: written, as: UTF8.self) == records("connect-offsets").last?.keyText)
    }
}
