import Environment
import RecordBatches
import Testing

@testable import LogStorage

/// Offsets that no batch holds any more: readers must get past them.
@Suite struct HoleTests {
    @Test(arguments: [true, false], [0, 1])
    func `a read at a segment that lost its batches goes on with the next one`(clean: Bool, lost: Int) throws {
        var fixture = try Fixture { $0.segmentBytes = 1000 }
        for step in 0..<40 { try fixture.append(TestBatch(count: 3, salt: UInt8(step))) }
        #expect(fixture.log.segmentCount > 3)
        _ = try fixture.log.checkpoint()
        try fixture.directory.close(clean: clean)
        let names = try fixture.disk.list(Fixture.folder).filter { $0.hasSuffix(".log") }.sorted()
        let file = try fixture.disk.open(Fixture.folder + "/" + names[lost], create: false)
        try file.truncate(to: 0)
        try file.sync()
        try fixture.reopen(clean: false)
        let end = fixture.log.logEnd
        var offset = fixture.log.offsets.logStart
        var bases: [Int64] = []
        for _ in 0..<200 where offset < end {
            let slice = try fixture.log.read(from: offset, maxBytes: 300, upTo: end, minOneBatch: true)
            #expect(!slice.isEmpty, "nothing at offset \(offset) of \(end)")
            bases.append(slice.firstOffset)
            offset = slice.nextOffset
        }
        #expect(offset == end)
        #expect(bases == bases.sorted())
    }
}
