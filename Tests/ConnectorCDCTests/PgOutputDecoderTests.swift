import Bytes
import TestKit
import Testing

@testable import ConnectorCDC

/// Messages by PostgreSQL's documentation, "Logical Replication Message Formats".
@Suite struct PgOutputDecoderTests {
    private static func text(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }
    private static func number(_ value: UInt64, _ byteCount: Int) -> [UInt8] {
        (0..<byteCount).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }

    private static let relation: [UInt8] =
        Array("R".utf8) + number(16_385, 4) + text("inv") + text("t") + Array("d".utf8) + number(2, 2)
        + [1] + text("id") + number(23, 4) + number(UInt64(UInt32.max), 4)
        + [0] + text("v") + number(1043, 4) + number(24, 4)
    private static let row: [UInt8] =
        number(3, 2) + Array("t".utf8) + number(2, 4) + Array("42".utf8) + Array("nu".utf8)
    private static let samples: [[UInt8]] = [
        Array("B".utf8) + number(100, 8) + number(5_000_000, 8) + number(7, 4),
        Array("C".utf8) + [0] + number(100, 8) + number(150, 8) + number(5_000_000, 8),
        Array("O".utf8) + number(9, 8) + text("node"),
        relation,
        Array("Y".utf8) + number(77, 4) + text("inv") + text("mood"),
        Array("I".utf8) + number(16_385, 4) + Array("N".utf8) + row,
        Array("U".utf8) + number(16_385, 4) + Array("K".utf8) + row + Array("N".utf8) + row,
        Array("U".utf8) + number(16_385, 4) + Array("N".utf8) + row,
        Array("D".utf8) + number(16_385, 4) + Array("O".utf8) + row,
        Array("T".utf8) + number(2, 4) + [1] + number(1, 4) + number(2, 4),
        Array("M".utf8) + [1] + number(90, 8) + text("pfx") + number(3, 4) + [1, 2, 3],
    ]

    private func message(_ bytes: [UInt8]) throws -> PgOutputMessage {
        try bytes.withUnsafeBytes { try PgOutputDecoder.message($0) }
    }

    @Test func `transactions have places, times and numbers`() throws {
        guard case .begin(let lsn, let time, let id) = try message(Self.samples[0]) else {
            Issue.record("no beginning")
            return
        }
        #expect(lsn.rawValue == 100 && id == 7)
        // Five seconds after 2000-01-01.
        #expect(time == 946_684_805_000_000)
        guard case .commit(let start, let end, _) = try message(Self.samples[1]) else {
            Issue.record("no commit")
            return
        }
        #expect(start.rawValue == 100 && end.rawValue == 150)
    }

    @Test func `relations have columns with types and modifiers`() throws {
        guard case .relation(let relation) = try message(Self.relation) else {
            Issue.record("no relation")
            return
        }
        #expect(relation.schema == "inv" && relation.name == "t" && relation.identity == .standard)
        #expect(relation.columns.map(\.name) == ["id", "v"])
        #expect(relation.columns.map(\.isIdentity) == [true, false])
        #expect(relation.columns.map(\.modifier) == [-1, 24])
    }

    @Test func `rows have values, NULL and what stays as it was`() throws {
        try Self.samples[6].withUnsafeBytes { bytes in
            guard case .update(_, let old?, let new) = try PgOutputDecoder.message(bytes) else {
                Issue.record("no update with a key")
                return
            }
            #expect(old.isKeyOnly && new.count == 3)
            guard case .bytes(let value) = new[0], case .null = new[1], case .unchanged = new[2] else {
                Issue.record("\(new)")
                return
            }
            #expect(value.elementsEqual("42".utf8))
        }
    }

    /// Each prefix of a message ends with an error of its own, and so does what stands behind a message.
    @Test(arguments: samples) func `cut messages are truncated`(sample: [UInt8]) throws {
        _ = try message(sample)
        for count in sample.indices {
            #expect(throws: WireError.self) { try message(Array(sample[..<count])) }
        }
        #expect(throws: WireError.self) { try message(sample + [0]) }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func `random bytes are an error or a message`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            var bytes = Self.samples[Int(random.next() % UInt64(Self.samples.count))]
            for _ in 0..<(1 + random.next() % 4) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            _ = try? message(bytes)
            _ = try? message((0..<random.next() % 64).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }
    }
}
