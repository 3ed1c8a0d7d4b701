import NIOCore
import SQLRuntime
import SQLTypes
import StreamEngine
import Testing

@testable import SQLService

@Suite struct NodeMessageTests {
    private static let values: [SQLValue] = [
        .null, .boolean(true), .boolean(false), .int(-5), .bigint(.min), .double(-0.5), .string("größe 🌊"),
        .bytes([0, 255]), .time(1), .date(-1), .timestamp(.max), .decimal(SQLDecimal(unscaled: -12345, scale: 3)),
        .decimal(SQLDecimal(bigEndian: [0x7F] + [UInt8](repeating: 0xFF, count: 15), scale: 20)),
        .array([.int(1), .null]), .structure([.string(""), .array([])]),
        .map(SQLMap([(key: .string("a"), value: .int(1)), (key: .string("b"), value: .null)])),
    ]

    private static func question(_ read: TableRead) throws -> NodeMessage.Question {
        try NodeMessage.question(
            NodeMessage.encode(.init(query: "CTAS_X_1", partitions: [0, 7], read: read)))
    }

    @Test func `questions come as they were asked`() throws {
        let read = TableRead(
            .keys([[.string("a"), .int(1)], [.null]]), windowStart: 5...9, windowEnd: Int64.min...Int64.max, limit: 3)
        let asked = try Self.question(read)
        #expect(asked.query == "CTAS_X_1")
        #expect(asked.partitions == [0, 7])
        guard case .keys(let keys) = asked.read.keys else {
            Issue.record("no keys")
            return
        }
        #expect(keys == [[.string("a"), .int(1)], [.null]])
        #expect(asked.read.windowStart == 5...9)
        #expect(asked.read.windowEnd == Int64.min...Int64.max)
        #expect(asked.read.limit == 3)
    }

    @Test func `bounds of ranges are told apart`() throws {
        let asked = try Self.question(TableRead(.range(lower: (.int(1), true), upper: nil)))
        guard case .range(let lower, let upper) = asked.read.keys else {
            Issue.record("no range")
            return
        }
        #expect(lower?.value == .int(1) && lower?.isIncluded == true)
        #expect(upper == nil)
        #expect(asked.read.limit == nil && asked.read.windowStart == nil)
    }

    @Test func `rows come with values of every type`() throws {
        let row = TableRow(key: [.string("k")], window: (1, 2), values: Self.values, timestamp: 77)
        let bare = TableRow(key: [], window: nil, values: [], timestamp: -1)
        let answer = try NodeMessage.answer(NodeMessage.encode(.success([(3, [row, bare]), (4, [])]))).get()
        #expect(answer.map(\.partition) == [3, 4])
        let rows = try #require(answer.first?.rows)
        #expect(rows.map(\.values) == [Self.values, []])
        #expect(rows.first?.key == [.string("k")] && rows.first?.timestamp == 77)
        #expect(rows.first?.window?.start == 1 && rows.first?.window?.end == 2)
        #expect(rows.last?.window == nil)
    }

    @Test func `what a node does not know yet is waited for`() throws {
        let answer = try NodeMessage.answer(NodeMessage.encode(.failure(RunError(.unknown, "no query X"))))
        #expect(throws: RunError(.notReady, "no query X")) { try answer.get() }
    }

    @Test func `bytes that end early are refused at every place`() throws {
        let row = TableRow(key: [.string("k")], window: (1, 2), values: Self.values, timestamp: 77)
        let whole = NodeMessage.encode(.success([(3, [row])]))
        for count in 0..<whole.readableBytes {
            let part = try #require(whole.getSlice(at: whole.readerIndex, length: count))
            #expect(throws: NodeMessage.Malformed.self) { try NodeMessage.answer(part) }
        }
        var deep = ByteBuffer(bytes: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1])
        for _ in 0..<1000 { deep.writeBytes([12, 0, 0, 0, 1]) }
        #expect(throws: NodeMessage.Malformed.self) { try NodeMessage.answer(deep) }
    }
}
