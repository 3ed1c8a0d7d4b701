import Environment
import RecordBatches
import Testing

@testable import LogStorage

/// Closed segments that something took away, emptied, cut or changed: told at the start, passed over by readers.
@Suite struct MissingSegmentTests {
    enum Damage: CaseIterable { case removed, emptied, cut }

    /// Twelve batches of one record, two per segment, all durable.
    private static func filled(clean: Bool, _ configure: (inout LogConfig) -> Void = { _ in }) throws -> Fixture {
        let fixture = try Fixture {
            $0.segmentBytes = 300
            configure(&$0)
        }
        for _ in 0..<12 { try fixture.append(TestBatch(valueByteCount: 60)) }
        try fixture.directory.checkpoint()
        try fixture.directory.close(clean: clean)
        return fixture
    }

    private static func damage(_ fixture: Fixture, _ damage: Damage, segment base: Int64) throws {
        let path = Fixture.folder + "/" + name(base, .log)
        switch damage {
        case .removed: try fixture.disk.removeFile(path)
        case .emptied: try fixture.disk.open(path, create: false).truncate(to: 0)
        case .cut:
            let file = try fixture.disk.open(path, create: false)
            try file.truncate(to: file.byteCount() - 3)
        }
    }

    @Test(arguments: Damage.allCases, [true, false])
    func `a closed segment that lost batches is told, and readers go on behind it`(
        damage: Damage, clean: Bool
    ) throws {
        var fixture = try Self.filled(clean: clean)
        try Self.damage(fixture, damage, segment: 4)
        try fixture.reopen(clean: clean)
        let lost: Range<Int64> = damage == .cut ? 5..<6 : 4..<6
        #expect(fixture.log.recovery.missing == [lost])
        #expect(try fixture.readAll(maxBytes: 1) == (0..<12).filter { !lost.contains($0) })
        #expect(try fixture.readAll() == (0..<12).filter { !lost.contains($0) })
        #expect(fixture.log.logEnd == 12)
        // Retention goes on from the oldest.
        #expect(try fixture.log.deleteRecords(before: 8) == 8)
        #expect(try fixture.disk.list(Fixture.folder).filter { $0.hasSuffix(".log") }.count == 2)
        #expect(try fixture.readAll() == Array(8..<12))
        try fixture.reopen(clean: true)
        #expect(fixture.log.recovery.missing.isEmpty)
    }

    @Test(arguments: [Damage.removed, .emptied])
    func `the first segment is missed after a clean stop`(damage: Damage) throws {
        var fixture = try Self.filled(clean: true)
        try Self.damage(fixture, damage, segment: 0)
        try fixture.reopen(clean: true)
        #expect(fixture.log.recovery.missing == [0..<2])
        #expect(fixture.log.offsets.logStart == 2)
        #expect(try fixture.readAll() == Array(2..<12))
    }

    @Test func `records in front of the log start are not missed`() throws {
        var fixture = try Self.filled(clean: true)
        try fixture.reopen(clean: true)
        #expect(try fixture.log.deleteRecords(before: 5) == 5)
        try fixture.reopen(clean: true)
        #expect(fixture.log.recovery.missing.isEmpty)
        try fixture.directory.close(clean: true)
        try Self.damage(fixture, .emptied, segment: 4)
        try fixture.reopen(clean: true)
        #expect(fixture.log.recovery.missing == [5..<6])
    }

    @Test func `a batch that is changed within a closed segment is told, and no reader passes over it`() throws {
        var fixture = try Self.filled(clean: true)
        try fixture.file(name(4, .log)).write([0xFF], at: 16)  // the magic
        try fixture.reopen(clean: true)
        #expect(fixture.log.recovery.missing == [4..<6])
        let error = #expect(throws: LogError.self) {
            try fixture.log.read(from: 4, maxBytes: 1000, upTo: .max, minOneBatch: true)
        }
        #expect(error?.code == .corruptSegment)
    }

    /// Cleaning may leave offsets out at the end of a segment; a file that is gone is told by its indexes.
    @Test func `compacted logs may have gaps, but not files that are gone`() throws {
        var fixture = try Self.filled(clean: true) { $0.compacts = true }
        // As another program's cleaning may leave it.
        let file = try fixture.file(name(4, .log))
        try file.truncate(to: file.byteCount() / 2)
        try fixture.reopen(clean: true)
        #expect(fixture.log.recovery.missing.isEmpty)
        try fixture.directory.close(clean: true)
        try Self.damage(fixture, .removed, segment: 6)
        try fixture.reopen(clean: true)
        #expect(fixture.log.recovery.missing == [6..<8])
    }
}
