import ConnectCore
import Foundation
import Synchronization
import Testing

@testable import ConnectorFile

/// What a worker offers, without a worker.
private final class Context: SourceTaskContext, SinkTaskContext {
    let identity = TaskIdentity(connector: "c", task: 0)
    let stored = Mutex<[ConnectMap: ConnectMap]>([:])

    func offset(of partition: ConnectMap) async throws(ConnectError) -> ConnectMap? {
        stored.withLock { $0[partition] }
    }
    func offsets() async throws(ConnectError) -> [(partition: ConnectMap, offset: ConnectMap)] { [] }
    func requestReconfiguration() {}
    func requestCommit() {}
    func seek(_ offsets: [SinkPartition: Int64]) {}
    func pause(_ partitions: [SinkPartition]) {}
    func resume(_ partitions: [SinkPartition]) {}
    func retry(after: Duration) {}
    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) { throw error }
    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {}
    var now: Int64 { 17 }

    func commit(_ record: ConnectRecord) {
        guard case .source(let partition, let offset) = record.origin else { return }
        stored.withLock { $0[partition] = offset }
    }
}

@Suite struct FileTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "file-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

    private func path(_ name: String) -> String { folder.appending(path: name).path }

    private func append(_ text: String, _ name: String = "in.txt") throws {
        let handle =
            FileHandle(forWritingAtPath: path(name))
            ?? {
                _ = FileManager.default.createFile(atPath: path(name), contents: nil)
                return FileHandle(forWritingAtPath: path(name))
            }()
        try #require(handle).seekToEnd()
        try #require(handle).write(contentsOf: Data(text.utf8))
    }

    private func source(
        _ context: Context, _ more: [String: String] = [:]
    ) async throws -> any SourceTask {
        let properties = ["file": path("in.txt"), "topic": "lines"].merging(more) { $1 }
        let task = try FileSourcePlugin(version: "1").makeTask(properties, context)
        try await task.start()
        return task
    }

    private func lines(_ poll: SourcePoll) -> [String] { poll.records.compactMap(\.value.value.string) }

    private func position(_ record: ConnectRecord?) -> Int64? {
        guard case .source(_, let offset) = record?.origin else { return nil }
        return offset["position"]?.integer
    }

    @Test func `reads lines as they come and waits for ends`() async throws {
        try append("foo\nbar\r\nbaz\rpart")
        let context = Context()
        let task = try await source(context)
        let first = try await task.poll()
        #expect(lines(first) == ["foo", "bar", "baz"])
        #expect(first.records.map { position($0) } == [4, 9, 13])
        let record = try #require(first.records.first)
        #expect(
            record.topic == "lines" && record.timestamp == 17 && record.key == .null && record.value.schema == .string)
        #expect(
            record.origin
                == .source(
                    partition: ConnectMap([("filename", .string(path("in.txt")))]),
                    offset: ConnectMap([("position", .int64(4))])))
        try append("ial\næøå 漢字\n")
        let second = try await task.poll()
        #expect(lines(second) == ["partial", "æøå 漢字"])
        let more = "ial\næøå 漢字\n".utf8.count
        #expect(position(second.records.last) == Int64(17 + more))
    }

    @Test func `a restart goes on behind the committed line`() async throws {
        try append("æ1\næ2\næ3\n")
        let context = Context()
        let all = try await source(context).poll()
        context.commit(all.records[1])
        #expect(lines(try await source(context).poll()) == ["æ3"])
    }

    @Test func `batches are as large as they may be`() async throws {
        try append((0..<25).map { "\($0)\n" }.joined())
        let task = try await source(Context(), ["batch.size": "10"])
        #expect(lines(try await task.poll()).count == 10)
        #expect(lines(try await task.poll()).count == 10)
        #expect(lines(try await task.poll()) == ["20", "21", "22", "23", "24"])
    }

    @Test func `long lines and many chunks`() async throws {
        let long = String(repeating: "x", count: 200_000)
        try append(long + "\n\n" + long + "\r\nend\n")
        let task = try await source(Context())
        #expect(lines(try await task.poll()) == [long, "", long, "end"])
    }

    @Test func `waits for a file that is missing`() async throws {
        let task = try await source(Context())
        #expect(try await task.poll().records.isEmpty)
        try append("here\n")
        #expect(lines(try await task.poll()) == ["here"])
    }

    @Test func `an opened file is read on under another name`() async throws {
        try append("one\n")
        let task = try await source(Context())
        _ = try await task.poll()
        try FileManager.default.moveItem(atPath: path("in.txt"), toPath: path("in.old"))
        try append("two\n", "in.old")
        #expect(lines(try await task.poll()) == ["two"])
    }

    @Test func `a folder and a stopped task`() async throws {
        let task = try await source(Context(), ["file": folder.path])
        await #expect(throws: ConnectError.self) { try await task.poll() }
        let stopped = try await source(Context())
        await stopped.stop()
        #expect(try await stopped.poll().records.isEmpty)
    }

    /// The messages are those of the recorded exchanges.
    @Test(arguments: [
        (["x": ConnectValue.int64(1)], "Offset objects should either be null or contain the key 'position'"),
        (["position": .string("a")], "The value for the 'position' key in the offset is expected to be a Long value"),
        (["position": .int64(-1)], "The value for the 'position' key in the offset should be a non-negative value"),
    ])
    func `refuses offsets that are none`(offset: [String: ConnectValue], message: String) async throws {
        let plugin = FileSourcePlugin(version: "1")
        let partition = ConnectMap([("filename", .string("f"))])
        let failure = await #expect(throws: ConnectError.self) {
            try await plugin.alterOffsets(["file": "f"], [(partition, ConnectMap(offset.map { ($0.key, $0.value) }))])
        }
        #expect(failure?.message == message)
        #expect(
            try await plugin.alterOffsets(
                ["file": "f"], [(partition, nil), (partition, ConnectMap([("position", .int64(3))]))]))
        #expect(!plugin.supportsExactlyOnce([:]) && plugin.supportsExactlyOnce(["file": "f"]))
    }

    @Test func `a sink appends the text of values`() async throws {
        try append("before\n", "out.txt")
        let plugin = FileSinkPlugin(version: "1")
        let task = try plugin.makeTask(["file": path("out.txt")], Context())
        try await task.start()
        let values: [ConnectValue] = [.string("a b"), .null, .int64(7), .map(ConnectMap([("k", .float64(1))]))]
        try await task.put(
            values.enumerated().map { index, value in
                ConnectRecord(
                    topic: "t", value: SchemaAndValue(nil, value),
                    origin: .sink(topic: "t", partition: 0, offset: Int64(index), timestampKind: .create))
            })
        #expect(try String(contentsOfFile: path("out.txt"), encoding: .utf8) == "before\na b\nnull\n7\n{k=1.0}\n")
        let offsets = [SinkPartition(topic: "t", partition: 0): Int64(4)]
        #expect(try await task.preCommit(offsets) == offsets)
        await task.stop()
    }

    @Test func `a sink says which file it cannot make`() async throws {
        let task = try FileSinkPlugin(version: "1").makeTask(["file": path("no/out.txt")], Context())
        let failure = await #expect(throws: ConnectError.self) { try await task.start() }
        #expect(failure?.message.contains("Couldn't find or create file '\(path("no/out.txt"))'") == true)
    }
}
