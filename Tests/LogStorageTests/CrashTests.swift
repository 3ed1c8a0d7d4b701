import Environment
import RecordBatches
import Testing

@testable import LogStorage

/// Damage by hand, where the property test damages by chance.
@Suite struct CrashTests {
    /// Three batches that were never checkpointed.
    private func fixture() throws -> (Fixture, ends: [Int]) {
        let fixture = try Fixture()
        var ends: [Int] = []
        for index in 0..<3 {
            let bytes = TestBatch(count: 2, valueByteCount: 3, salt: UInt8(index)).bytes()
            try fixture.append(bytes)
            ends.append((ends.last ?? 0) + bytes.count)
        }
        return (fixture, ends)
    }

    @Test(arguments: 0..<243)
    func `serves the whole batches before any cut`(byte: Int) throws {
        var (fixture, ends) = try fixture()
        #expect(ends[2] == 243)
        try fixture.file(name(0, .log)).truncate(to: Int64(byte))
        try fixture.reopen(clean: false)
        let whole = ends.prefix { $0 <= byte }.count
        #expect(try fixture.readAll() == [0, 2, 4].prefix(whole).map { $0 })
        #expect(fixture.log.logEnd == Int64(whole * 2))
        let isTorn = byte > 0 && !ends.contains(byte)
        #expect((fixture.log.recovery.reason != nil) == isTorn)
        #expect(try fixture.append(TestBatch()).baseOffset == Int64(whole * 2))
        #expect(try fixture.file(name(0, .log)).byteCount() == Int64((whole > 0 ? ends[whole - 1] : 0) + 78))
    }

    /// The leader epoch, bytes 12 to 15, is the only field that nothing protects; its high bits leave the valid range.
    @Test(arguments: 0..<81)
    func `cuts at any changed byte`(byte: Int) throws {
        for bit in 0..<8 where !(12..<16 ~= byte) || byte < 15 {
            var (fixture, ends) = try fixture()
            let file = try fixture.file(name(0, .log))
            let at = Int64(ends[0] + byte)
            let old = try file.read(at: at, count: 1)
            try file.write([old[0] ^ (1 << UInt8(bit))], at: at)
            try fixture.reopen(clean: false)
            #expect(try fixture.readAll() == [0])
            #expect(fixture.log.recovery.truncatedByteCount == Int64(ends[2] - ends[0]))
            // Behind damaged contents the next batch is found; a damaged header may not tell where it begins.
            if byte >= BatchHeader.byteCount { #expect(fixture.log.recovery.cutRecordCount == 2, "\(byte)") }
        }
    }

    /// The file would put batches behind the times, and a scan that believed it would cut them.
    @Test(arguments: [false, true])
    func `does not believe a leader epoch that nobody has had`(clean: Bool) throws {
        var (fixture, _) = try fixture()
        try fixture.directory.checkpoint()
        let path = Fixture.folder + "/" + FileNames.epochs
        let file = try fixture.disk.open(path, create: true)
        let text = Array("0\n1\n2147483647 0\n".utf8)
        try file.truncate(to: 0)
        try file.write(text, at: 0)
        try fixture.append(TestBatch())
        try fixture.reopen(clean: clean)
        #expect(try fixture.readAll() == [0, 2, 4, 6])
        #expect(fixture.log.recovery.reason == nil)
        #expect(fixture.log.recovery.truncatedByteCount == 0)
    }

    @Test func `scans only what follows the recovery point`() throws {
        var fixture = try Fixture { $0.segmentBytes = 3000 }
        for _ in 0..<200 { try fixture.append(TestBatch(valueByteCount: 100)) }
        try fixture.directory.checkpoint()
        try fixture.reopen(clean: false)
        #expect(fixture.log.recovery.wasUnclean)
        #expect(fixture.log.recovery.scannedByteCount <= 3000)
        try fixture.directory.checkpoint()
        for _ in 0..<3 { try fixture.append(TestBatch(valueByteCount: 100)) }
        try fixture.reopen(clean: false)
        #expect(fixture.log.recovery.scannedByteCount <= 3000)
        #expect(fixture.log.logEnd == 203)
        #expect(try fixture.readAll() == Array(0..<203))
    }

    @Test func `scans nothing that is indexed and durable in a large segment`() throws {
        var fixture = try Fixture()
        for _ in 0..<500 { try fixture.append(TestBatch(valueByteCount: 1000)) }
        try fixture.directory.checkpoint()
        try fixture.append(TestBatch(valueByteCount: 1000))
        try fixture.reopen(clean: false)
        #expect(fixture.log.recovery.scannedByteCount < 10_000)
        #expect(fixture.log.logEnd == 501)
    }

    enum Damage: CaseIterable { case removed, emptied, cut, filledWithZeros, filledWithOnes, reversed }

    @Test(arguments: Damage.allCases, [FileNames.Suffix.index, .timeIndex])
    func `reads the same whatever happens to an index`(damage: Damage, suffix: FileNames.Suffix) throws {
        for clean in [true, false] {
            var fixture = try Fixture {
                $0.segmentBytes = 2000
                $0.indexIntervalBytes = 100
            }
            for index in 0..<60 { try fixture.append(TestBatch(timestamp: Int64(index * 10))) }
            try fixture.directory.checkpoint()
            try fixture.directory.close(clean: clean)
            for file in try fixture.disk.list(Fixture.folder) where file.hasSuffix(suffix.rawValue) {
                let path = Fixture.folder + "/" + file
                let old = try fixture.disk.contents(path)
                let open = try fixture.disk.open(path, create: false)
                switch damage {
                case .removed: try fixture.disk.removeFile(path)
                case .emptied: try open.truncate(to: 0)
                case .cut: try open.truncate(to: Int64(max(0, old.count - 5)))
                case .filledWithZeros: try open.write([UInt8](repeating: 0, count: old.count), at: 0)
                case .filledWithOnes: try open.write([UInt8](repeating: 255, count: old.count), at: 0)
                case .reversed: try open.write(old.reversed(), at: 0)
                }
            }
            try fixture.reopen(clean: clean)
            #expect(try fixture.readAll(maxBytes: 300) == Array(0..<60))
            for offset in 0..<60 as Range<Int64> {
                let slice = try fixture.log.read(from: offset, maxBytes: 1, upTo: .max, minOneBatch: true)
                #expect(slice.firstOffset == offset)
            }
        }
    }

    @Test func `cuts only behind what is durable when a segment in the middle is damaged`() throws {
        var fixture = try Fixture { $0.segmentBytes = 300 }
        for _ in 0..<12 { try fixture.append(TestBatch(valueByteCount: 60)) }
        try fixture.file(name(4, .log)).write([0xFF], at: 100)
        try fixture.reopen(clean: false)
        #expect(try fixture.readAll() == [0, 1, 2, 3])
        #expect(fixture.log.logEnd == 4)
        #expect(try fixture.disk.list(Fixture.folder).filter { $0.hasSuffix(".log") }.count == 3)
    }

    @Test func `keeps durable data that the disk changed, and tells who reads it`() throws {
        var fixture = try Fixture { $0.segmentBytes = 300 }
        for _ in 0..<12 { try fixture.append(TestBatch(valueByteCount: 60)) }
        try fixture.directory.checkpoint()
        try fixture.file(name(4, .log)).write([0xFF], at: 16)  // the magic of a batch
        try fixture.reopen(clean: false)
        #expect(fixture.log.logEnd == 12)
        let error = #expect(throws: LogError.self) {
            try fixture.log.read(from: 4, maxBytes: 1000, upTo: .max, minOneBatch: true)
        }
        #expect(error?.code == .corruptSegment && error?.kafkaCode == 2)
        #expect(try fixture.log.read(from: 6, maxBytes: 1, upTo: .max, minOneBatch: true).firstOffset == 6)
    }

    @Test func `does not believe a marker that the files contradict`() throws {
        var fixture = try Fixture()
        for _ in 0..<5 { try fixture.append(TestBatch()) }
        try fixture.directory.close(clean: true)
        try fixture.file(name(0, .log)).truncate(to: 78 * 3 + 10)
        try fixture.reopen(clean: true)
        #expect(fixture.log.recovery.wasUnclean)
        #expect(fixture.log.recovery.lostRecordCount == 2)
        #expect(try fixture.readAll() == [0, 1, 2])
    }

    @Test func `takes no writes after a failed sync, but reads`() throws {
        let fixture = try Fixture()
        try fixture.append(TestBatch())
        fixture.disk.failSync(after: 1)
        #expect(throws: LogError.self) { try fixture.log.sync() }
        for _ in 0..<2 {
            let append = #expect(throws: LogError.self) { try fixture.append(TestBatch()) }
            #expect(append?.code == .failed && append?.kafkaCode == 56)
            let sync = #expect(throws: LogError.self) { try fixture.log.sync() }
            #expect(sync?.code == .failed)
        }
        #expect(fixture.directory.health.failure != nil)
        #expect(try fixture.readAll() == [0])
        #expect(fixture.log.offsets.durableEnd == 0)
        #expect(throws: LogError.self) { try fixture.directory.close(clean: true) }
        #expect(!fixture.disk.exists("/data/topics/.kafka_cleanshutdown"))
    }

    @Test func `refuses on a full disk, stays whole, and goes on when there is space`() throws {
        var fixture = try Fixture()
        for _ in 0..<3 { try fixture.append(TestBatch()) }
        fixture.disk.limit(byteCount: fixture.disk.byteCount + 50)
        for _ in 0..<3 {
            let error = #expect(throws: LogError.self) { try fixture.append(TestBatch(valueByteCount: 200)) }
            #expect(error?.code == .diskFull && error?.kafkaCode == 56)
        }
        #expect(try fixture.readAll() == [0, 1, 2])
        fixture.disk.limit(byteCount: nil)
        #expect(try fixture.append(TestBatch()).baseOffset == 3)
        #expect(try fixture.log.sync() == 4)
        try fixture.reopen(clean: true)
        #expect(!fixture.log.recovery.wasUnclean)
        #expect(try fixture.readAll() == [0, 1, 2, 3])
    }

    /// The batch of the last index entry is where the scan begins when the index was synced.
    @Test(arguments: [[2], [1, 2], [0, 1, 2]])
    func `damage where the scan begins costs what lies behind the first bad batch, and nothing later`(
        damaged: [Int]
    ) throws {
        var fixture = try Fixture { $0.indexIntervalBytes = 1 }
        let size = TestBatch().bytes().count
        for _ in 0..<3 { try fixture.append(TestBatch()) }
        #expect(try fixture.log.sync() == 3)
        try fixture.directory.checkpoint()
        for batch in damaged {
            try fixture.file(name(0, .log)).write([0xEE], at: Int64(batch * size + size - 2))
        }
        let kept = Int64(damaged[0])
        try fixture.reopen(clean: false)
        #expect(fixture.log.logEnd == kept)
        #expect(try fixture.readAll() == Array(0..<kept))
        #expect(try fixture.append(TestBatch()).baseOffset == kept)
        #expect(try fixture.log.sync() == kept + 1)
        try fixture.reopen(clean: false)
        #expect(fixture.log.logEnd == kept + 1)
        #expect(try fixture.readAll() == Array(0...kept))
    }
}
