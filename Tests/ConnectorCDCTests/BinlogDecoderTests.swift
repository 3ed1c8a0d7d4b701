import ConnectCore
import SQLTypes
import TestKit
import Testing

@testable import ConnectorCDC

@Suite struct BinlogDecoderTests {
    private static func cell(_ type: UInt8, _ metadata: UInt16, _ bytes: [UInt8]) throws -> String {
        try bytes.withUnsafeBytes { raw in
            var cursor = ByteCursor(raw)
            let cell = try ColumnImage.cell(type, metadata, &cursor)
            #expect(cursor.left == 0)
            return switch cell {
            case .bytes(let bytes): "bytes \(Array(bytes))"
            case .decimal(let value): "decimal \(value.plainText)"
            default: "\(cell)"
            }
        }
    }

    /// From MySQL's "Date and Time Data Type Representation" and the worked example of decimals in its sources'
    /// documentation, and by hand.
    @Test(
        arguments: [
            (1, 0, [0xFF], "integer(-1)"), (2, 0, [0x00, 0x80], "integer(-32768)"),
            (9, 0, [0xFF, 0xFF, 0xFF], "integer(-1)"), (9, 0, [0xFF, 0xFF, 0x7F], "integer(8388607)"),
            (3, 0, [1, 0, 0, 0x80], "integer(-2147483647)"), (8, 0, [1, 0, 0, 0, 0, 0, 0, 0], "integer(1)"),
            (4, 4, [0, 0, 0xC0, 0x3F], "float(1.5)"), (5, 8, [0, 0, 0, 0, 0, 0, 0xF8, 0x3F], "double(1.5)"),
            // 1234567890.1234 as DECIMAL(14,4), and its negative
            (246, 14 << 8 | 4, [0x81, 0x0D, 0xFB, 0x38, 0xD2, 0x04, 0xD2], "decimal 1234567890.1234"),
            (246, 14 << 8 | 4, [0x7E, 0xF2, 0x04, 0xC7, 0x2D, 0xFB, 0x2D], "decimal -1234567890.1234"),
            (10, 0, [0x5D, 0xD0, 0x0F], "date(year: 2024, month: 2, day: 29)"),
            (13, 0, [124], "integer(2024)"), (13, 0, [0], "integer(0)"),
            // 12:34:56.5 in TIME(1); -00:00:00.001 in TIME(3)
            (19, 1, [0x80, 0xC8, 0xB8, 0x32], "time(45296500000)"),
            (19, 3, [0x7F, 0xFF, 0xFF, 0xFF, 0xF6], "time(-1000)"),
            (17, 0, [0x65, 0x53, 0xF1, 0x00], "timestamp(seconds: 1700000000, microseconds: 0)"),
            (17, 3, [0x65, 0x53, 0xF1, 0x00, 0x04, 0xD2], "timestamp(seconds: 1700000000, microseconds: 123400)"),
            (7, 0, [0, 0, 0, 0], "zeroTimestamp"),
            (15, 10, [2, 0x61, 0x62], "bytes [97, 98]"), (15, 300, [2, 0, 0x61, 0x62], "bytes [97, 98]"),
            (254, 0xF701, [3], "integer(3)"), (254, 0xF801, [5], "integer(5)"),
            (254, 0xFE0A, [1, 0x61], "bytes [97]"),
            // CHAR(255) of four bytes each: the length has two bytes
            (254, 0xCEFC, [1, 0, 0x61], "bytes [97]"),
            (16, 0x0205, [1, 2, 3], "bytes [1, 2, 3]"), (252, 2, [1, 0, 9], "bytes [9]"),
        ] as [(UInt8, UInt16, [UInt8], String)])
    func `reads values of row images`(type: UInt8, metadata: UInt16, bytes: [UInt8], expected: String) throws {
        #expect(try Self.cell(type, metadata, bytes) == expected)
    }

    /// By hand: "hello hello hello hello" through zlib with and without its frame, a value that is not compressed, an
    /// empty one.
    @Test(
        arguments: [
            ([], ""), ([0x00, 0x68, 0x69], "hi"),
            (
                [
                    0x81, 0x17, 0x78, 0x9C, 0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0x57, 0xC8, 0x40, 0x27, 0x01, 0x68, 0x03,
                    0x08, 0xB1,
                ], "hello hello hello hello"
            ),
            (
                [0x8A, 0x00, 0x17, 0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0x57, 0xC8, 0x40, 0x27, 0x01],
                "hello hello hello hello"
            ),
        ] as [([UInt8], String)])
    func `reads compressed columns`(bytes: [UInt8], expected: String) throws {
        let plain = try bytes.withUnsafeBytes { try CompressedCell.plain($0) }
        #expect(String(decoding: plain, as: UTF8.self) == expected)
        // Whatever is left of it, it is a value or an error.
        for count in 0..<bytes.count {
            _ = try? Array(bytes[..<count]).withUnsafeBytes { try CompressedCell.plain($0) }
        }
    }

    /// Places above 4 GiB: the event has their last 32 bits.
    @Test(
        arguments: [
            (4, 252, 256, 256), (256, 100, 356, 356), (0xFFFF_FF00, 0x200, 0x100, 0x1_0000_0100),
            (0x1_0000_0100, 0x200, 0x300, 0x1_0000_0300), (0x2_FFFF_FFF0, 0x20, 0x10, 0x3_0000_0010),
            // behind a gap, and behind a place that was named too far ahead
            (1000, 100, 5000, 5000), (5000, 100, 300, 300),
        ] as [(Int64, UInt32, Int64, Int64)])
    func `finds places in long files`(end: Int64, byteCount: UInt32, low: Int64, place: Int64) {
        var header = BinlogHeader(
            timestamp: 0, type: BinlogType.query, serverID: 1, byteCount: byteCount, nextPosition: low, flags: 0)
        header.widen(after: end)
        #expect(header.nextPosition == place && header.position == place - Int64(byteCount))
    }

    private static func event(_ type: UInt8, _ body: [UInt8], flags: UInt8 = 0) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, 0, 0, type, 1, 0, 0, 0]
        let count = UInt32(19 + body.count)
        for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: count >> UInt32(shift))) }
        bytes += [200, 0, 0, 0, flags, 0]
        return bytes + body
    }

    private static let tableMap: [UInt8] =
        [1, 0, 0, 0, 0, 0, 1, 0, 1, 0x64, 0, 1, 0x74, 0, 2, 3, 15, 2, 10, 0, 2]
    private static let insert: [UInt8] = [1, 0, 0, 0, 0, 0, 1, 0, 2, 3, 0, 7, 0, 0, 0, 1, 0x61, 2, 8, 0, 0, 0]

    @Test func `reads a table map and its rows`() throws {
        var decoder = BinlogDecoder(isMariaDB: true)
        let map = Self.event(19, Self.tableMap)
        try map.withUnsafeBytes { raw in
            guard case .tableMap(let map) = try decoder.event(try decoder.header(raw), raw) else {
                Issue.record("no table map")
                return
            }
            #expect(map.id == TableID("d", "t") && map.types == [3, 15] && map.metadata == [0, 10])
        }
        let rows = Self.event(23, Self.insert)
        try rows.withUnsafeBytes { raw in
            guard case .rows(let rows) = try decoder.event(try decoder.header(raw), raw) else {
                Issue.record("no rows")
                return
            }
            #expect(rows.operation == .insert && rows.columnCount == 2 && rows.number == 1)
            #expect(rows.end - rows.start == 12)
        }
    }

    /// Events that are cut or damaged are refused, or read as something else; never a trap.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func `bears damaged events`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let bodies: [(UInt8, [UInt8])] = [
            (19, Self.tableMap), (23, Self.insert), (24, Self.insert), (31, Self.insert), (166, Self.insert),
            (2, [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x64, 0, 0x42]),
            (165, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81]),
            (4, [4, 0, 0, 0, 0, 0, 0, 0, 0x61]),
            (15, [4, 0] + Array(repeating: 0x31, count: 50) + [0, 0, 0, 0, 19, 1, 2, 3]),
            (162, Array(repeating: 1, count: 13)), (33, Array(repeating: 2, count: 25)),
            (40, [2, 1, 0, 3, 1, 9, 0, 1, 2]),
        ]
        for _ in 0..<2000 {
            let (type, body) = bodies[Int(random.next() % UInt64(bodies.count))]
            var bytes = Self.event(type, body)
            for _ in 0..<Int(random.next() % 4) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            bytes = Array(bytes.prefix(Int(random.next() % UInt64(bytes.count + 1))))
            var decoder = BinlogDecoder(isMariaDB: random.next() % 2 == 0)
            bytes.withUnsafeBytes { raw in
                guard let header = try? decoder.header(raw) else { return }
                _ = try? decoder.event(header, raw)
            }
            let value = Array(bytes.dropFirst(19))
            value.withUnsafeBytes { raw in
                _ = try? JSONBinary.text(raw)
                var cursor = ByteCursor(raw)
                for _ in 0..<8 {
                    _ = try? ColumnImage.cell(
                        UInt8(truncatingIfNeeded: random.next()), UInt16(truncatingIfNeeded: random.next()), &cursor)
                }
            }
        }
    }

    /// From MySQL's json_binary.h by hand: {"a": 1, "b": [true, "x"]}
    @Test func `reads stored JSON`() throws {
        let object: [UInt8] = [
            0x00,  // small object
            2, 0, 35, 0,  // members, bytes
            18, 0, 1, 0, 19, 0, 1, 0,  // keys
            5, 1, 0, 1, 20, 0,  // an inline integer, an array at 20
            0x61, 0x62,
            2, 0, 12, 0, 4, 1, 0, 12, 10, 0, 1, 0x78, 0, 0, 0,
        ]
        let text = try object.withUnsafeBytes { try JSONBinary.text($0) }
        #expect(text == #"{"a":1,"b":[true,"x"]}"#)
    }
}
