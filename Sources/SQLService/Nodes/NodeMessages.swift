import NIOCore
import SQLRuntime
import SQLTypes
import StreamEngine

/// What nodes ask each other for pull queries: which rows of some partitions of a table, and those rows.
///
/// | question    | bytes                                                                                   |
/// |-------------|-----------------------------------------------------------------------------------------|
/// | version     | 1: `1`                                                                                  |
/// | query       | text                                                                                    |
/// | partitions  | 4, their number; 4 each                                                                 |
/// | keys        | 1: `0` all; `1` these: 4, their number, and values; `2` a range: two bounds             |
/// | windows     | two times 1: `0`, or `1` and 8, 8: bounds of the start and of the end                   |
/// | limit       | 8; -1: none                                                                             |
///
/// | answer      | bytes                                                                                   |
/// |-------------|-----------------------------------------------------------------------------------------|
/// | version     | 1: `1`                                                                                  |
/// | outcome     | 1: `0` rows; else why there are none, and a text                                        |
/// | partitions  | 4, their number; each 4, 4: its number of rows, and rows: key, values, window, time     |
///
/// Big-endian; texts and bytes are 4 bytes of length and what they say; lists are 4 bytes of count and values; a value is a
/// byte that names its type, and what the type says.
enum NodeMessage {
    static let path = "/node/rows"
    private static let version: UInt8 = 1
    private static let depthMax = 64

    struct Malformed: Error, CustomStringConvertible { var description: String }

    struct Question: Sendable {
        var query: String
        var partitions: [Int32]
        var read: TableRead
    }

    typealias Rows = [(partition: Int32, rows: [TableRow])]

    // MARK: Questions

    static func encode(_ question: Question) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(version)
        buffer.write(text: question.query)
        buffer.writeInteger(Int32(clamping: question.partitions.count))
        for partition in question.partitions { buffer.writeInteger(partition) }
        switch question.read.keys {
        case .all: buffer.writeInteger(UInt8(0))
        case .keys(let keys):
            buffer.writeInteger(UInt8(1))
            buffer.writeInteger(Int32(clamping: keys.count))
            for key in keys { buffer.write(key) }
        case .range(let lower, let upper):
            buffer.writeInteger(UInt8(2))
            for bound in [lower, upper] {
                buffer.writeInteger(UInt8(bound == nil ? 0 : bound?.isIncluded == true ? 2 : 1))
                if let bound { buffer.write(bound.value) }
            }
        }
        for window in [question.read.windowStart, question.read.windowEnd] {
            buffer.writeInteger(UInt8(window == nil ? 0 : 1))
            if let window {
                buffer.writeInteger(window.lowerBound)
                buffer.writeInteger(window.upperBound)
            }
        }
        buffer.writeInteger(Int64(question.read.limit ?? -1))
        return buffer
    }

    static func question(_ bytes: ByteBuffer) throws(Malformed) -> Question {
        var buffer = bytes
        guard try buffer.byte() == version else { throw Malformed(description: "another version of nodes") }
        let query = try buffer.text()
        var partitions: [Int32] = []
        for _ in 0..<(try buffer.count()) { partitions.append(try buffer.number()) }
        let keys: TableRead.Keys
        switch try buffer.byte() {
        case 0: keys = .all
        case 1:
            var found: [[SQLValue]] = []
            for _ in 0..<(try buffer.count()) { found.append(try buffer.values(depth: 0)) }
            keys = .keys(found)
        case 2:
            func bound() throws(Malformed) -> (value: SQLValue, isIncluded: Bool)? {
                let kind = try buffer.byte()
                return kind == 0 ? nil : (try buffer.value(depth: 0), kind == 2)
            }
            keys = .range(lower: try bound(), upper: try bound())
        default: throw Malformed(description: "keys of an unknown kind")
        }
        func window() throws(Malformed) -> ClosedRange<Int64>? {
            guard try buffer.byte() == 1 else { return nil }
            let (lower, upper): (Int64, Int64) = (try buffer.number(), try buffer.number())
            guard lower <= upper else { throw Malformed(description: "a window that ends before it starts") }
            return lower...upper
        }
        var read = TableRead(keys, windowStart: try window(), windowEnd: try window())
        let limit: Int64 = try buffer.number()
        read.limit = limit < 0 ? nil : Int(limit)
        return Question(query: query, partitions: partitions, read: read)
    }

    // MARK: Answers

    static func encode(_ answer: Result<Rows, RunError>) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(version)
        switch answer {
        case .failure(let error):
            let code: UInt8 =
                switch error.code {
                case .notReady, .unknown, .stopping: 1
                case .notMaterialized: 2
                default: 3
                }
            buffer.writeInteger(code)
            buffer.write(text: error.message)
        case .success(let partitions):
            buffer.writeInteger(UInt8(0))
            buffer.writeInteger(Int32(clamping: partitions.count))
            for (partition, rows) in partitions {
                buffer.writeInteger(partition)
                buffer.writeInteger(Int32(clamping: rows.count))
                for row in rows { buffer.write(row) }
            }
        }
        return buffer
    }

    /// - Throws: `Malformed`.
    static func answer(_ bytes: ByteBuffer) throws(Malformed) -> Result<Rows, RunError> {
        var buffer = bytes
        guard try buffer.byte() == version else { throw Malformed(description: "another version of nodes") }
        switch try buffer.byte() {
        case 0: break
        case 1: return .failure(RunError(.notReady, try buffer.text()))
        case 2: return .failure(RunError(.notMaterialized, try buffer.text()))
        default: return .failure(RunError(.processing, try buffer.text()))
        }
        var partitions: Rows = []
        for _ in 0..<(try buffer.count()) {
            let partition: Int32 = try buffer.number()
            var rows: [TableRow] = []
            for _ in 0..<(try buffer.count()) { rows.append(try buffer.row()) }
            partitions.append((partition, rows))
        }
        return .success(partitions)
    }

    fileprivate static func check(_ depth: Int) throws(Malformed) {
        guard depth < depthMax else { throw Malformed(description: "a value that is nested too deeply") }
    }
}

extension ByteBuffer {
    fileprivate mutating func write(text: String) {
        writeInteger(Int32(clamping: text.utf8.count))
        writeString(text)
    }

    fileprivate mutating func write(_ values: [SQLValue]) {
        writeInteger(Int32(clamping: values.count))
        for value in values { write(value) }
    }

    fileprivate mutating func write(_ row: TableRow) {
        write(row.key)
        write(row.values)
        writeInteger(UInt8(row.window == nil ? 0 : 1))
        if let window = row.window {
            writeInteger(window.start)
            writeInteger(window.end)
        }
        writeInteger(row.timestamp)
    }

    fileprivate mutating func write(_ value: SQLValue) {
        func tag(_ number: UInt8) { writeInteger(number) }
        switch value {
        case .null: tag(0)
        case .boolean(let flag): tag(flag ? 2 : 1)
        case .int(let number):
            tag(3)
            writeInteger(number)
        case .bigint(let number):
            tag(4)
            writeInteger(number)
        case .double(let number):
            tag(5)
            writeInteger(number.bitPattern)
        case .decimal(let number):
            tag(6)
            writeInteger(Int32(clamping: number.scale))
            let bytes = number.bigEndian
            writeInteger(Int32(clamping: bytes.count))
            writeBytes(bytes)
        case .string(let text):
            tag(7)
            write(text: text)
        case .bytes(let bytes):
            tag(8)
            writeInteger(Int32(clamping: bytes.count))
            writeBytes(bytes)
        case .time(let number):
            tag(9)
            writeInteger(number)
        case .date(let number):
            tag(10)
            writeInteger(number)
        case .timestamp(let number):
            tag(11)
            writeInteger(number)
        case .array(let values):
            tag(12)
            write(values)
        case .map(let map):
            tag(13)
            write(map.keys)
            write(map.values)
        case .structure(let values):
            tag(14)
            write(values)
        }
    }

    // MARK: Reading

    fileprivate mutating func number<Number: FixedWidthInteger>() throws(NodeMessage.Malformed) -> Number {
        guard let number = readInteger(as: Number.self) else { throw .init(description: "it ends early") }
        return number
    }

    fileprivate mutating func byte() throws(NodeMessage.Malformed) -> UInt8 { try number() }

    /// Of things that take a byte at least.
    fileprivate mutating func count() throws(NodeMessage.Malformed) -> Int {
        let count = Int(try number() as Int32)
        guard 0...readableBytes ~= count else {
            throw .init(description: "\(count) of something in \(readableBytes) bytes")
        }
        return count
    }

    fileprivate mutating func bytes() throws(NodeMessage.Malformed) -> [UInt8] {
        guard let bytes = readBytes(length: try count()) else { throw .init(description: "it ends early") }
        return bytes
    }

    fileprivate mutating func text() throws(NodeMessage.Malformed) -> String {
        String(decoding: try bytes(), as: UTF8.self)
    }

    fileprivate mutating func values(depth: Int) throws(NodeMessage.Malformed) -> [SQLValue] {
        var values: [SQLValue] = []
        for _ in 0..<(try count()) { values.append(try value(depth: depth)) }
        return values
    }

    fileprivate mutating func row() throws(NodeMessage.Malformed) -> TableRow {
        let key = try self.values(depth: 0)
        let values = try self.values(depth: 0)
        var window: (start: Int64, end: Int64)?
        if try byte() == 1 { window = (try number(), try number()) }
        return TableRow(key: key, window: window, values: values, timestamp: try number())
    }

    fileprivate mutating func value(depth: Int) throws(NodeMessage.Malformed) -> SQLValue {
        try NodeMessage.check(depth)
        switch try byte() {
        case 0: return .null
        case 1: return .boolean(false)
        case 2: return .boolean(true)
        case 3: return .int(try number())
        case 4: return .bigint(try number())
        case 5: return .double(Double(bitPattern: try number()))
        case 6:
            let scale = Int(try number() as Int32)
            let bytes = try self.bytes()
            guard -1000...1000 ~= scale, bytes.count <= 1000 else {
                throw .init(description: "a decimal that is none")
            }
            return .decimal(SQLDecimal(bigEndian: bytes, scale: scale))
        case 7: return .string(try text())
        case 8: return .bytes(try bytes())
        case 9: return .time(try number())
        case 10: return .date(try number())
        case 11: return .timestamp(try number())
        case 12: return .array(try values(depth: depth + 1))
        case 13: return .map(SQLMap(keys: try values(depth: depth + 1), values: try values(depth: depth + 1)))
        case 14: return .structure(try values(depth: depth + 1))
        case let tag: throw .init(description: "a value of unknown type \(tag)")
        }
    }
}
