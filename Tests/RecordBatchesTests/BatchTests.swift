import Bytes
import Compression
import RecordBatches
import TestKit
import Testing

@Suite struct BatchTests {
    @Test(arguments: goldenBatches)
    func `reads the batches of other clients`(golden: GoldenBatch) throws {
        let batch = bytes(ofHex: golden.hex)
        let header = try BatchHeader(batch.span.bytes)
        #expect(try header.checksumMatches(batch.span.bytes))
        #expect(header.byteCount == batch.count)
        #expect(header.producerId == 7000 && header.producerEpoch == 3 && header.baseSequence == 42)
        #expect(header.lastOffset == 3 && header.lastSequence == 45)
        #expect(header.maxTimestamp == 1_700_000_001_000)
        #expect(try header.codec.name == golden.content)
        #expect(try BatchRecords.all(in: batch.span.bytes, header: header, limit: 4096) == goldenRecords)
    }

    @Test func `builds the bytes of Kafka's client`() throws {
        var builder = BatchBuilder()
        builder.producerId = 7000
        builder.producerEpoch = 3
        builder.baseSequence = 42
        for record in goldenRecords { try builder.append(record) }
        #expect(try builder.build() == bytes(ofHex: goldenBatches[0].hex))
        #expect(builder.isEmpty)
    }

    @Test func `builds the LogAppendTime batch of Kafka's client`() throws {
        var builder = BatchBuilder()
        builder.baseOffset = 100
        builder.partitionLeaderEpoch = 4
        builder.logAppendTime = 1_700_000_000_009
        try builder.append(timestamp: 1_700_000_000_000, key: [UInt8]("k0".utf8), value: [UInt8]("v0".utf8))
        try builder.append(timestamp: 1_700_000_000_001, key: [UInt8]("k1".utf8), value: [UInt8]("v1".utf8))
        let batch = try builder.build()
        let golden = bytes(ofHex: goldenLogAppendTime)
        let header = try BatchHeader(golden.span.bytes)
        #expect(header.attributes.isLogAppendTime)
        let times = try BatchRecords.all(in: golden.span.bytes, header: header, limit: 0).map(\.timestamp)
        #expect(times == [1_700_000_000_009, 1_700_000_000_009])
        #expect(batch == golden)
    }

    @Test(arguments: [(goldenCommit, 77, .commit), (goldenAbort, 78, .abort)] as [(String, Int64, ControlMarker.Kind)])
    func `writes and reads the transaction markers of Kafka`(
        hex: String, offset: Int64, kind: ControlMarker.Kind
    ) throws {
        let golden = bytes(ofHex: hex)
        let marker = ControlMarker(kind: kind, coordinatorEpoch: 9)
        let batch = try marker.batch(
            baseOffset: offset, leaderEpoch: 5, producerId: 7000, producerEpoch: 3, timestamp: 1_700_000_000_000)
        #expect(batch == golden)
        let header = try BatchHeader(golden.span.bytes)
        #expect(header.attributes.isControl && header.attributes.isTransactional)
        #expect(try ControlMarker(batch: golden.span.bytes, header: header) == marker)
    }

    @Test(arguments: Codec.allCases, 0..<60 as Range<UInt64>)
    func `gives back the records it was built of`(codec: Codec, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let records = random.records()
        let batch = try build(records, codec: codec, baseOffset: records.first?.offset ?? 0)
        let header = try BatchHeader(batch.span.bytes)
        #expect(try header.checksumMatches(batch.span.bytes))
        #expect(header.maxTimestamp == records.map(\.timestamp).max())
        #expect(header.lastOffset == records.last?.offset)
        #expect(try BatchRecords.all(in: batch.span.bytes, header: header, limit: 1 << 20) == records)
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `copies records between batches`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let records = random.records()
        let batch = try build(records, codec: .zstd, baseOffset: 0)
        let header = try BatchHeader(batch.span.bytes)
        var builder = BatchBuilder(codec: .lz4)
        try BatchRecords.forEach(in: batch.span.bytes, header: header, limit: 1 << 20) { bytes, record in
            try builder.append(
                offsetDelta: record.offsetDelta, timestamp: header.timestamp(of: record), copying: record, of: bytes)
            return .next
        }
        let copy = try builder.build()
        #expect(
            try BatchRecords.all(in: copy.span.bytes, header: BatchHeader(copy.span.bytes), limit: 1 << 20) == records)
    }

    @Test func `finds the first record from a time on`() throws {
        let times: [Int64] = [100, 90, 120, 110, 120]
        for codec in Codec.allCases {
            let batch = try build(
                times.enumerated().map { Record(offset: Int64($0), timestamp: $1, value: nil) }, codec: codec)
            let header = try BatchHeader(batch.span.bytes)
            for (time, expected) in [(0, 0), (95, 0), (101, 2), (120, 2), (121, nil)] as [(Int64, Int64?)] {
                let found = try BatchRecords.first(in: batch.span.bytes, header: header, from: time, limit: 1024)
                #expect(found?.offset == expected)
                #expect(found?.timestamp == expected.map { times[Int($0)] })
            }
        }
    }

    @Test(arguments: goldenBatches)
    func `refuses a batch that ends early`(golden: GoldenBatch) {
        let batch = bytes(ofHex: golden.hex)
        for end in batch.indices {
            let cut = Array(batch[..<end])
            #expect(throws: WireError.truncated) {
                let header = try BatchHeader(cut.span.bytes)
                _ = try BatchRecords.all(in: cut.span.bytes, header: header, limit: 4096)
            }
        }
    }

    @Test func `refuses more output than allowed`() throws {
        let batch = try build([Record(timestamp: 0, value: [UInt8](repeating: 0, count: 1 << 20))], codec: .lz4)
        let header = try BatchHeader(batch.span.bytes)
        #expect(throws: WireError.corrupt("lz4 data decompresses to more than the 1000 bytes allowed")) {
            try BatchRecords.all(in: batch.span.bytes, header: header, limit: 1000)
        }
    }

    /// The count and lengths of the records say more than is there: nothing may be allocated by them.
    @Test func `does not believe announced counts and lengths`() throws {
        var batch = try build([Record(timestamp: 0, value: [1, 2, 3])], codec: .none)
        batch.withUnsafeMutableBytes { $0.storeBigEndian(Int32.max, at: 57) }
        let header = try BatchHeader(batch.span.bytes)
        #expect(throws: WireError.truncated) {
            try BatchRecords.all(in: batch.span.bytes, header: header, limit: 1000)
        }
    }

    /// Each row is one record, by hand from the record layout.
    @Test(
        arguments: [
            ([0x00], "record of 0 bytes"),
            ([0x01], "record of -1 bytes"),
            ([0x0C, 0, 0, 0, 0x03, 0x01, 0x00], "record field of -2 bytes"),
            ([0x0C, 0, 0, 0, 0x01, 0x7E, 0x00], "record field of 63 bytes"),
            ([0x0C, 0, 0, 0, 0x01, 0x01, 0x01], "record with -1 headers"),
            ([0x0E, 0, 0, 0, 0x01, 0x01, 0x00, 0x00], "record shorter than its length of 7"),
            ([0x0A, 0, 0, 0, 0x01, 0x01, 0x00], "record longer than its length of 5"),
            ([0x0C, 0, 0, 0, 0x01, 0x01, 0x02], "record with fewer headers than announced"),
            ([0x10, 0, 0, 0, 0x01, 0x01, 0x02, 0x01, 0x01], "record header without key"),
            ([0x14, 0, 0, 0, 0x01, 0x01, 0x02, 0x00, 0x01, 0x00, 0x00], "record longer than its headers"),
        ] as [([UInt8], String)])
    func `names what is wrong with a record`(record: [UInt8], message: String) throws {
        let header = BatchHeader(
            batchLength: 0, attributes: .init(rawValue: 0), lastOffsetDelta: 0, baseTimestamp: 0, maxTimestamp: 0,
            recordCount: 1)
        let batch = try header.sealed(payload: record.span.bytes)
        #expect(throws: WireError.corrupt(message)) {
            try BatchRecords.all(in: batch.span.bytes, header: BatchHeader(batch.span.bytes), limit: 0)
        }
    }

    @Test(arguments: 0..<5000 as Range<UInt64>)
    func `survives damage of records`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let codec = Codec.allCases[Int(seed % 5)]
        var batch = try build(random.records(), codec: codec)
        for _ in 0...Int(random.next() % 5) {
            let at = seed % 3 == 0 ? random.next() % 61 : random.next() % UInt64(batch.count)
            batch[Int(at)] = UInt8(truncatingIfNeeded: random.next())
        }
        guard let header = try? BatchHeader(batch.span.bytes) else { return }
        var count = 0
        try? BatchRecords.forEach(in: batch.span.bytes, header: header, limit: 1 << 20) { bytes, record in
            _ = try? Record(record, of: bytes, header: header)
            count += 1
            return .next
        }
        #expect(count <= 1 << 20)
        _ = try? ControlMarker(batch: batch.span.bytes, header: header)
        batch.withUnsafeMutableBytes { BatchPatch.updateChecksum($0) }
        _ = try? ProduceRules(isCompacted: true, codec: .lz4).admit(batch.span.bytes, version: 9, now: 5)
    }

    /// KIP-98: sequences wrap to 0.
    @Test(arguments: [(Int32.max, 0, .max), (.max, 1, 0), (.max - 1, 3, 1), (-1, 5, -1)] as [(Int32, Int32, Int32)])
    func `wraps sequence numbers`(base: Int32, lastOffsetDelta: Int32, last: Int32) {
        let header = BatchHeader(
            batchLength: 0, attributes: .init(rawValue: 0), lastOffsetDelta: lastOffsetDelta, baseTimestamp: 0,
            maxTimestamp: 0, producerId: 1, baseSequence: base, recordCount: lastOffsetDelta + 1)
        #expect(header.lastSequence == last)
    }
}

/// The records, whose offsets count from `baseOffset` on, as one batch.
func build(_ records: [Record], codec: Codec, baseOffset: Int64 = 0) throws -> [UInt8] {
    var builder = BatchBuilder(codec: codec)
    builder.baseOffset = baseOffset
    for record in records {
        try builder.append(
            offsetDelta: Int32(record.offset - baseOffset), timestamp: record.timestamp, key: record.key,
            value: record.value, headers: record.headers)
    }
    return try builder.build()
}

extension BatchBuilder {
    mutating func append(_ record: Record) throws {
        try append(timestamp: record.timestamp, key: record.key, value: record.value, headers: record.headers)
    }
}

extension SeededRandom {
    /// One to thirty records with offsets 0, 1, 2, ...
    mutating func records() -> [Record] {
        (0...Int64(next() % 30)).map { offset in
            Record(
                offset: offset, timestamp: 1_700_000_000_000 + Int64(next() % 100_000) - 50_000, key: field(),
                value: field(),
                headers: (0..<Int(next() % 3)).map { RecordHeader(key: "header-\($0)", value: field()) })
        }
    }

    private mutating func field() -> [UInt8]? {
        switch next() % 5 {
        case 0: return nil
        case 1: return []
        case 2: return [UInt8](repeating: UInt8(truncatingIfNeeded: next()), count: Int(next() % 400))
        default: return (0..<Int(next() % 40)).map { _ in UInt8(truncatingIfNeeded: next()) }
        }
    }
}
