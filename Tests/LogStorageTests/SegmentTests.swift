import Compression
import Environment
import RecordBatches
import Synchronization
import TestKit
import Testing

@testable import LogStorage

@Suite struct SegmentTests {
    // MARK: Appending and reading

    @Test func `makes no file before the first append`() throws {
        let fixture = try Fixture()
        #expect(try fixture.disk.list(Fixture.folder).isEmpty)
        try fixture.append(TestBatch())
        #expect(try fixture.disk.list(Fixture.folder) == [name(0, .log), "partition.metadata"])
    }

    @Test func `patches offset and leader epoch and nothing else`() throws {
        let fixture = try Fixture()
        let bytes = TestBatch(count: 3).bytes()
        try fixture.append(bytes)
        try fixture.append(bytes)
        let stored = try fixture.disk.contents(Fixture.folder + "/" + name(0, .log))
        let second = Array(stored[bytes.count...])
        #expect(second[..<8] == [0, 0, 0, 0, 0, 0, 0, 3])
        #expect(second[8..<12] == bytes[8..<12])
        #expect(second[12..<16] == [0, 0, 0, 0])
        #expect(second[16...] == bytes[16...])
    }

    @Test func `refuses a batch whose header lies about its size`() throws {
        let fixture = try Fixture()
        let bytes = TestBatch().bytes()
        var header = try BatchHeader(bytes.span.bytes)
        header.batchLength += 1
        let error = #expect(throws: LogError.self) {
            try fixture.log.append(bytes.span.bytes, header: header, now: 0)
        }
        #expect(error?.kafkaCode == 2)
    }

    @Test(
        arguments: [
            // from, maxBytes, limit, minOneBatch -> first, next; batches of 2 records and 95 bytes, 20 offsets
            (0, 95, .max, true, 0, 2), (1, 95, .max, true, 0, 2), (1, 94, .max, true, 0, 2), (1, 94, .max, false, 1, 1),
            (2, 189, .max, true, 2, 4), (2, 190, .max, true, 2, 6), (0, 10_000, .max, true, 0, 20),
            (20, 100, .max, true, 20, 20),
            (0, 10_000, 5, true, 0, 4), (4, 10_000, 5, true, 4, 4), (5, 10_000, 5, true, 5, 5),
            (0, 0, .max, true, 0, 2),
            (0, 0, .max, false, 0, 0), (0, -5, .max, false, 0, 0), (19, .max, .max, true, 18, 20),
        ] as [(Int64, Int, Int64, Bool, Int64, Int64)])
    func `reads whole batches within the limits`(
        from: Int64, maxBytes: Int, limit: Int64, minOneBatch: Bool, first: Int64, next: Int64
    ) throws {
        var fixture = try Fixture { $0.indexIntervalBytes = 150 }
        for _ in 0..<10 { try fixture.append(TestBatch(count: 2)) }
        // Once by the recent batches in memory, once by index and headers.
        for _ in 0..<2 {
            let slice = try fixture.log.read(from: from, maxBytes: maxBytes, upTo: limit, minOneBatch: minOneBatch)
            #expect(slice.isEmpty == (first == next))
            #expect(slice.firstOffset == first && slice.nextOffset == next)
            #expect(slice.byteCount == Int(next - first) / 2 * 95)
            try fixture.reopen(clean: true)
        }
    }

    @Test(arguments: [-1, 3, 21, .max, .min] as [Int64])
    func `refuses offsets outside the log`(offset: Int64) throws {
        let fixture = try Fixture()
        for _ in 0..<20 { try fixture.append(TestBatch()) }
        #expect(try fixture.log.deleteRecords(before: 4) == 4)
        let error = #expect(throws: LogError.self) {
            try fixture.log.read(from: offset, maxBytes: 10, upTo: .max, minOneBatch: true)
        }
        #expect(error?.kafkaCode == 1)
    }

    @Test func `spills index entries to the file and finds batches by them`() throws {
        let fixture = try Fixture { $0.indexIntervalBytes = 0 }
        for _ in 0..<2500 { try fixture.append(TestBatch(valueByteCount: 0)) }
        let segment = fixture.log.state.withLock { $0.active }
        #expect(segment.offsets.fileCount == 2048 && segment.offsets.tail.count == 451)
        var random = SeededRandom(seed: 1)
        for _ in 0..<300 {
            let offset = Int64.random(in: 0..<2500, using: &random)
            let count = Int.random(in: 1..<200, using: &random)
            let slice = try fixture.log.read(from: offset, maxBytes: count * 68, upTo: .max, minOneBatch: true)
            #expect(slice.firstOffset == offset && slice.nextOffset == min(2500, offset + Int64(count)))
        }
    }

    @Test func `closes segments by size, age and index size`() throws {
        let bySize = try Fixture { $0.segmentBytes = 200 }
        for _ in 0..<6 { try bySize.append(TestBatch()) }  // 78 bytes each
        #expect(bySize.log.segmentCount == 3)
        let byAge = try Fixture { $0.segmentMs = 100 }
        for now in [0, 50, 100, 101, 150, 202] as [Int64] { try byAge.append(TestBatch(), now: now) }
        #expect(byAge.log.segmentCount == 3)
        let byIndex = try Fixture {
            $0.segmentIndexBytes = 16
            $0.indexIntervalBytes = 0
        }
        for _ in 0..<9 { try byIndex.append(TestBatch()) }
        #expect(byIndex.log.segmentCount == 3)
        for fixture in [bySize, byAge, byIndex] { #expect(try fixture.readAll().count == Int(fixture.log.logEnd)) }
    }

    /// Upstream's `LogSegment.timeWaitedForRoll`: a batch that is later than the first of its segment by more than
    /// `segment.ms` begins the next one, whatever the clock says, so that old records that are copied can go.
    @Test(arguments: [false, true])
    func `closes segments by the time of their records`(reopens: Bool) throws {
        var fixture = try Fixture { $0.segmentMs = 1_000 }
        for timestamp in [5_000, 5_500, 6_000, 6_001, 5_000, 7_001] as [Int64] {
            try fixture.append(TestBatch(timestamp: timestamp))
        }
        #expect(fixture.log.segmentCount == 2)
        if reopens { try fixture.reopen(clean: true) }
        for timestamp in [7_002, -1, 7_003] as [Int64] { try fixture.append(TestBatch(timestamp: timestamp)) }
        #expect(fixture.log.segmentCount == 3)
        #expect(try fixture.readAll().count == 9)
        let copied = try Fixture {
            $0.segmentMs = 1_000
            $0.retentionMs = 10_000
        }
        for timestamp in [0, 900, 60_000, 60_100] as [Int64] {
            try copied.append(TestBatch(timestamp: timestamp), now: 60_000)
        }
        #expect(try copied.log.applyRetention(now: 60_100).map(\.reason) == [.time])
        #expect(copied.log.offsets.logStart == 2)
    }

    @Test(arguments: [.min, -1, 0, .max] as [Int64])
    func `takes any timestamp and any clock`(timestamp: Int64) throws {
        var fixture = try Fixture { $0.segmentMs = 1000 }
        for now in [0, .max, .min, 5] as [Int64] { try fixture.append(TestBatch(timestamp: timestamp), now: now) }
        for now in [0, .max, .min] as [Int64] { _ = try fixture.log.applyRetention(now: now) }
        for target in [.min, -1, 0, .max] as [Int64] { _ = try fixture.log.offset(forTimestamp: target) }
        fixture.log.expireProducers(now: .min, olderThan: .max)
        try fixture.reopen(clean: false, now: .max)
        _ = try fixture.log.applyRetention(now: .min)
        try fixture.reopen(clean: true, now: .min)
        _ = try fixture.log.offsetOfMaxTimestamp()
    }

    @Test func `keeps a slice readable after its segment is removed`() throws {
        let fixture = try Fixture { $0.segmentBytes = 200 }
        for _ in 0..<6 { try fixture.append(TestBatch()) }
        let slice = try fixture.log.read(from: 0, maxBytes: 1000, upTo: .max, minOneBatch: true)
        #expect(try fixture.log.deleteRecords(before: -1) == 6)
        #expect(try slice.bytes().count == 156)
        #expect(fixture.log.segmentCount == 1)
        #expect(try fixture.append(TestBatch()).baseOffset == 6)
    }

    @Test func `bounds the handles of closed segments`() throws {
        let disk = SimulatedDisk(seed: 1)
        let directory = try LogDirectory(directory: "/data", disk: disk, files: FileCache(disk: disk, capacity: 3))
        var config = LogConfig()
        config.segmentBytes = 100
        let log = try directory.open(Fixture.name, topicId: (1, 2), config: config, now: 0)
        let bytes = TestBatch().bytes()
        let header = try BatchHeader(bytes.span.bytes)
        for _ in 0..<30 { _ = try log.append(bytes.span.bytes, header: header, now: 0) }
        _ = try log.sync()
        for offset in 0..<30 as Range<Int64> {
            #expect(try !log.read(from: offset, maxBytes: 1, upTo: .max, minOneBatch: true).isEmpty)
        }
        #expect(directory.files.openCount <= 3)
    }

    // MARK: Time

    @Test(arguments: Codec.allCases)
    func `finds records by time inside batches of every codec`(codec: Codec) throws {
        let fixture = try Fixture {
            $0.segmentBytes = 700
            $0.indexIntervalBytes = 100
        }
        // Ten records per batch, in a mixed order: 7 comes before 3 in each.
        for batch in 0..<10 as Range<Int64> {
            var builder = BatchBuilder(codec: codec)
            for record in [7, 3, 0, 1, 2, 4, 5, 6, 8, 9] as [Int64] {
                try builder.append(timestamp: batch * 100 + record, key: nil, value: [UInt8](repeating: 1, count: 20))
            }
            try fixture.append(try builder.build())
        }
        for (target, offset, time) in [
            (0, 0, 7), (7, 0, 7), (8, 8, 8), (9, 9, 9), (10, 10, 107), (105, 10, 107), (108, 18, 108), (907, 90, 907),
            (909, 99, 909), (-5, 0, 7),
        ] as [(Int64, Int64, Int64)] {
            let found = try #require(try fixture.log.offset(forTimestamp: target))
            #expect(found.offset == offset && found.timestamp == time, "\(target)")
        }
        #expect(try fixture.log.offset(forTimestamp: 910) == nil)
        let latest = try #require(try fixture.log.offsetOfMaxTimestamp())
        #expect(latest.offset == 99 && latest.timestamp == 909)
        _ = try fixture.log.deleteRecords(before: 9)
        let afterDeletion = try #require(try fixture.log.offset(forTimestamp: 0))
        #expect(afterDeletion.offset == 9)
    }

    @Test func `knows no time in an empty log`() throws {
        let fixture = try Fixture()
        #expect(try fixture.log.offset(forTimestamp: 0) == nil)
        #expect(try fixture.log.offsetOfMaxTimestamp() == nil)
    }

    // MARK: Retention

    @Test(
        arguments: [
            // retention.ms, retention.bytes, now -> first offset left; a segment of 2 batches per 100 ms, 156 bytes each
            (-1, -1, 1_000_000, 0), (100, -1, 250, 2), (100, -1, 350, 4), (0, -1, 10_000, 10), (-1, 156 * 4, 0, 2),
            (-1, 156 * 4 - 1, 0, 2), (-1, 156 * 4 + 1, 0, 0), (-1, 0, 0, 10), (150, 300, 320, 6),
        ] as [(Int64, Int64, Int64, Int64)])
    func `removes old segments by time and size`(
        milliseconds: Int64, bytes: Int64, now: Int64, start: Int64
    ) throws {
        var fixture = try Fixture {
            $0.segmentBytes = 160
            $0.retentionMs = milliseconds
            $0.retentionBytes = bytes
        }
        for index in 0..<10 as Range<Int64> { try fixture.append(TestBatch(timestamp: index / 2 * 100 + 50), now: 0) }
        let deleted = try fixture.log.applyRetention(now: now)
        #expect(fixture.log.offsets.logStart == start)
        #expect(deleted.map(\.baseOffset) == Array(stride(from: 0, to: start, by: 2)))
        try fixture.reopen(clean: false)
        #expect(fixture.log.offsets.logStart == start && fixture.log.logEnd == 10)
        #expect(try fixture.readAll() == Array(start..<10))
    }

    @Test func `keeps everything of a topic that is only compacted`() throws {
        let fixture = try Fixture {
            $0.segmentBytes = 160
            $0.retentionMs = 0
            $0.deletes = false
            $0.compacts = true
        }
        for _ in 0..<10 { try fixture.append(TestBatch()) }
        #expect(try fixture.log.applyRetention(now: 1_000_000).isEmpty)
    }

    @Test func `closes an old active segment without an append`() throws {
        let fixture = try Fixture { $0.segmentMs = 100 }
        try fixture.append(TestBatch(), now: 0)
        _ = try fixture.log.applyRetention(now: 100)
        #expect(fixture.log.segmentCount == 1)
        _ = try fixture.log.applyRetention(now: 101)
        #expect(fixture.log.segmentCount == 2)
    }

    @Test(arguments: [(0, 0), (3, 3), (4, 4), (10, 10), (-1, 10)] as [(Int64, Int64)])
    func `deletes records up to an offset, for good`(before: Int64, start: Int64) throws {
        var fixture = try Fixture { $0.segmentBytes = 160 }
        for _ in 0..<10 { try fixture.append(TestBatch()) }
        #expect(try fixture.log.deleteRecords(before: before) == start)
        #expect(try fixture.log.deleteRecords(before: 0) == start)
        fixture.disk.crash()
        try fixture.reopen(clean: false)
        #expect(fixture.log.offsets.logStart == start)
        #expect(fixture.log.offsets.logEnd == (start == 0 ? fixture.log.logEnd : 10))
        let files = try fixture.disk.list(Fixture.folder).compactMap(FileNames.parse).filter { $0.suffix == .log }
        #expect(files.allSatisfy { $0.offset + 2 > start || $0.offset == start })
    }

    @Test(arguments: [-2, 11, .max, .min] as [Int64])
    func `refuses to delete outside the log`(before: Int64) throws {
        let fixture = try Fixture()
        for _ in 0..<10 { try fixture.append(TestBatch()) }
        let error = #expect(throws: LogError.self) { try fixture.log.deleteRecords(before: before) }
        #expect(error?.kafkaCode == 1)
    }

    // MARK: Leader epochs

    /// Epoch 2 from 0, 4 from 10, 7 from 20; the current epoch is 9, the log ends at 30. By hand from the contract of
    /// OffsetForLeaderEpoch: the end of the largest known epoch that is not above the asked one.
    @Test(
        arguments: [
            (-1, nil, nil), (0, 0, 0), (1, 1, 0), (2, 2, 10), (3, 2, 10), (4, 4, 20), (6, 4, 20), (7, 7, 30),
            (8, 7, 30), (9, 9, 30),
            (10, nil, nil),
        ] as [(Int32, Int32?, Int64?)])
    func `tells where an epoch ended`(asked: Int32, epoch: Int32?, end: Int64?) {
        var epochs = LeaderEpochs()
        var isNew: [Bool] = []
        for (epoch, start) in [(2, 0), (4, 10), (7, 20), (7, 25), (3, 25), (-1, 25)] as [(Int32, Int64)] {
            isNew.append(epochs.note(epoch, at: start))
        }
        #expect(isNew == [true, true, true, false, false, false])
        let found = epochs.end(of: asked, current: 9, logEnd: 30)
        #expect(found?.epoch == epoch && found?.endOffset == end)
    }

    @Test(arguments: [(4, nil), (5, 2), (9, 2), (10, 4), (19, 4), (20, 7), (100, 7)] as [(Int64, Int32?)])
    func `tells the epoch of a record`(offset: Int64, epoch: Int32?) {
        var epochs = LeaderEpochs()
        for (epoch, start) in [(2, 5), (4, 10), (7, 20)] as [(Int32, Int64)] { _ = epochs.note(epoch, at: start) }
        #expect(epochs.epoch(holding: offset) == epoch)
        #expect(LeaderEpochs().epoch(holding: offset) == nil)
    }

    @Test func `cuts epochs with the log`() {
        var epochs = LeaderEpochs()
        for (epoch, start) in [(2, 0), (4, 10), (7, 20)] as [(Int32, Int64)] { _ = epochs.note(epoch, at: start) }
        var cut = epochs
        let wasCut = [cut.truncate(end: 20), cut.truncate(end: 20)]
        #expect(wasCut == [true, false] && cut.entries.map(\.epoch) == [2, 4])
        cut = epochs
        let wasMoved = [cut.truncate(start: 15), cut.truncate(start: 15)]
        #expect(wasMoved == [true, false] && cut.entries.map(\.startOffset) == [15, 20])
        #expect(LeaderEpochs(epochs.encoded()) == epochs)
        #expect(String(decoding: epochs.encoded(), as: UTF8.self) == "0\n3\n2 0\n4 10\n7 20\n")
        #expect(LeaderEpochs([UInt8]("0\n2\n4 10\n2 20\n".utf8)) == nil)
    }
}
