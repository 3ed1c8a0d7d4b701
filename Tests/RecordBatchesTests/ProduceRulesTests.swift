import Bytes
import Compression
import RecordBatches
import TestKit
import Testing

@Suite struct ProduceRulesTests {
    static let now: Int64 = 1_700_000_002_000
    static let none = "Produce requests with version 9 must have at least one record batch per partition"
    static let oldMagic =
        "Produce requests with version 9 are only allowed to contain record batches with magic version 2"

    @Test(arguments: goldenBatches)
    func `takes the batches of other clients as they are`(golden: GoldenBatch) throws {
        let batch = bytes(ofHex: golden.hex)
        let admitted = try ProduceRules().admit(batch.span.bytes, version: 9, now: Self.now)
        #expect(admitted.replacement == nil)
        #expect(try admitted.header == BatchHeader(batch.span.bytes))
    }

    /// One change each to the header of a good batch, sealed again; codes and rules from Kafka's `LogValidator` and
    /// `ProduceRequest.validateRecords`.
    @Test(
        arguments: [
            (21, [0x00, 0x20], .invalidRecord, "clients may not write control batches"),
            (7, [0x03], .invalidRecord, "The baseOffset of the record batch should be 0, but it is 3"),
            (21, [0x00, 0x08], .invalidTimestamp, "producers may not set the timestamp type to LogAppendTime"),
            (21, [0x00, 0x05], .unsupportedCompressionType, "compression codec 5"),
            (23, [0, 0, 0, 4], .invalidRecord, "record batch of 4 records with last offset delta 4"),
            (57, [0, 0, 0, 0], .invalidRecord, "record batch of 0 records with last offset delta 3"),
            (53, [0xFF, 0xFF, 0xFF, 0xFF], .invalidRecord, "sequence -1, epoch 3 of producer id 7000"),
            (
                64, [0x02], .invalidRecord,
                "One or more records have been rejected due to 1 record errors in total, and only showing the first three "
                    + "errors at most: [RecordError(batchIndex=0, message='record 0 has offset delta 1')]"
            ),
            (61, [0x2E], .invalidRecord, "record 0: record header beyond its record"),
        ] as [(Int, [UInt8], BatchRejection.Code, String)])
    func `refuses what breaks a rule`(at: Int, change: [UInt8], code: BatchRejection.Code, message: String) throws {
        var batch = bytes(ofHex: goldenBatches[0].hex)
        batch.replaceSubrange(at..<at + change.count, with: change)
        batch.withUnsafeMutableBytes { BatchPatch.updateChecksum($0) }
        let rules = ProduceRules(timestampAfterMax: 1_000_000)
        let error = #expect(throws: BatchRejection.self) {
            try rules.admit(batch.span.bytes, version: 9, now: Self.now)
        }
        #expect(error?.code == code)
        #expect(error?.message == message)
    }

    /// What the header says of the latest time is the producer's; the records decide, and readers search by what is stored.
    @Test func `a header with another latest time than its records is mended`() throws {
        let good = bytes(ofHex: goldenBatches[0].hex)
        var batch = good
        batch.replaceSubrange(35..<43, with: [0x00, 0x00, 0x01, 0x8B, 0xD0, 0, 0, 0])
        batch.withUnsafeMutableBytes { BatchPatch.updateChecksum($0) }
        let admitted = try ProduceRules(timestampAfterMax: 1_000_000).admit(
            batch.span.bytes, version: 9, now: Self.now)
        #expect(admitted.replacement == good)
    }

    @Test(
        arguments: [
            ([], .invalidRecord, none), ([UInt8](repeating: 0, count: 11), .invalidRecord, none),
            (
                bytes(ofHex: goldenBatches[0].hex) + [0], .invalidRecord,
                "Produce requests with version 9 are only allowed to contain exactly one record batch per partition"
            ),
            (bytes(ofHex: goldenBatches[0].hex).dropLast(), .invalidRecord, none),
            (bytes(ofHex: goldenBatches[0].hex).prefix(16) + [], .invalidRecord, none),
            (
                [UInt8](repeating: 0, count: 20), .corruptMessage,
                "Record size 0 is less than the minimum record overhead (14)"
            ),
            // A message of magic 0 and one of magic 1, shorter than a batch's header.
            ([UInt8](repeating: 0, count: 11) + [14] + [UInt8](repeating: 0, count: 14), .invalidRecord, oldMagic),
            (
                [UInt8](repeating: 0, count: 11) + [22, 0, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 17),
                .invalidRecord, oldMagic
            ),
            (
                [UInt8](repeating: 0, count: 11) + [30, 0, 0, 0, 0, 2] + [UInt8](repeating: 0, count: 25),
                .corruptMessage, "record batch header: bytes end inside a value"
            ),
            ([UInt8](repeating: 9, count: 61), .corruptMessage, "Invalid magic found in record: 9"),
        ] as [([UInt8], BatchRejection.Code, String)])
    func `refuses what is not exactly one batch`(bytes: [UInt8], code: BatchRejection.Code, message: String) {
        let error = #expect(throws: BatchRejection.self) {
            try ProduceRules().admit(bytes.span.bytes, version: 9, now: Self.now)
        }
        #expect(error?.code == code)
        #expect(error?.message == message)
    }

    @Test(arguments: goldenBatches)
    func `notices every flipped bit that the checksum covers`(golden: GoldenBatch) {
        let batch = bytes(ofHex: golden.hex)
        for at in 17..<batch.count {
            var damaged = batch
            damaged[at] ^= 1 << UInt8(at % 8)
            let error = #expect(throws: BatchRejection.self) {
                try ProduceRules().admit(damaged.span.bytes, version: 9, now: Self.now)
            }
            #expect(error?.code == .corruptMessage)
        }
    }

    @Test func `refuses zstd before Produce version 7`() throws {
        let batch = try build([Record(timestamp: Self.now, value: [1])], codec: .zstd)
        let error = #expect(throws: BatchRejection.self) {
            try ProduceRules().admit(batch.span.bytes, version: 6, now: Self.now)
        }
        #expect(error?.code == .unsupportedCompressionType)
        #expect(throws: Never.self) { try ProduceRules().admit(batch.span.bytes, version: 7, now: Self.now) }
    }

    @Test func `bounds the bytes of a batch`() throws {
        let batch = try build([Record(timestamp: Self.now, value: [UInt8](repeating: 1, count: 1000))], codec: .none)
        let fits = ProduceRules(byteCountMax: batch.count)
        #expect(throws: Never.self) { try fits.admit(batch.span.bytes, version: 9, now: Self.now) }
        let error = #expect(throws: BatchRejection.self) {
            try ProduceRules(byteCountMax: batch.count - 1).admit(batch.span.bytes, version: 9, now: Self.now)
        }
        #expect(error?.code == .messageTooLarge)
    }

    /// `UnifiedLog.analyzeAndValidateRecords` looks at the size before anything is recompressed.
    @Test func `bounds a batch as it was sent, also where it would become smaller`() throws {
        let batch = try build([Record(timestamp: Self.now, value: [UInt8](repeating: 1, count: 1000))], codec: .none)
        let error = #expect(throws: BatchRejection.self) {
            try ProduceRules(byteCountMax: 500, codec: .lz4).admit(batch.span.bytes, version: 9, now: Self.now)
        }
        #expect(error?.code == .messageTooLarge)
    }

    @Test(arguments: Codec.allCases)
    func `asks for keys on compacted topics and lists the records without`(codec: Codec) throws {
        let batch = try build(
            [
                Record(offset: 0, timestamp: Self.now, key: [1], value: nil),
                Record(offset: 1, timestamp: Self.now, key: nil, value: [1]),
                Record(offset: 2, timestamp: Self.now, key: [], value: [1]),
                Record(offset: 3, timestamp: Self.now, key: nil, value: [1]),
            ], codec: codec)
        let error = #expect(throws: BatchRejection.self) {
            try ProduceRules(isCompacted: true).admit(batch.span.bytes, version: 9, now: Self.now)
        }
        #expect(error?.code == .invalidRecord)
        #expect(error?.faults.map(\.index) == [1, 3])
        #expect(error?.faults.first?.message == "Compacted topic cannot accept message without key")
    }

    @Test func `lists a bounded number of records at fault`() throws {
        let records = (0..<1000 as Range<Int64>).map { Record(offset: $0, timestamp: Self.now, value: nil) }
        let batch = try build(records, codec: .none)
        let error = #expect(throws: BatchRejection.self) {
            try ProduceRules(isCompacted: true).admit(batch.span.bytes, version: 9, now: Self.now)
        }
        #expect(error?.faults.count == BatchRejection.faultCountMax)
        #expect(error?.message.contains("rejected due to 1000 record errors in total") == true)
    }

    /// Records at 1000 ms before and 1000 ms after the broker's time; -1 means no time.
    @Test(
        arguments: [
            (nil, nil, true), (1000, 1000, true), (999, nil, false), (nil, 999, false), (.max, .max, true),
            (0, 0, false),
        ] as [(Int64?, Int64?, Bool)])
    func `bounds the age of records`(before: Int64?, after: Int64?, isTaken: Bool) throws {
        for codec in Codec.allCases {
            let batch = try build(
                [
                    Record(offset: 0, timestamp: Self.now - 1000, value: nil),
                    Record(offset: 1, timestamp: Self.now + 1000, value: nil),
                    Record(offset: 2, timestamp: -1, value: nil),
                ], codec: codec)
            let rules = ProduceRules(timestampBeforeMax: before, timestampAfterMax: after)
            if isTaken {
                #expect(throws: Never.self) { try rules.admit(batch.span.bytes, version: 9, now: Self.now) }
            } else {
                let error = #expect(throws: BatchRejection.self) {
                    try rules.admit(batch.span.bytes, version: 9, now: Self.now)
                }
                #expect(error?.code == .invalidTimestamp)
            }
        }
    }

    @Test(arguments: Codec.allCases)
    func `stamps batches with the broker's time`(codec: Codec) throws {
        let batch = try build(
            [Record(timestamp: 5, value: [1]), Record(offset: 1, timestamp: 7, value: [2])], codec: codec)
        let rules = ProduceRules(usesLogAppendTime: true, timestampBeforeMax: 10, timestampAfterMax: 10)
        let admitted = try rules.admit(batch.span.bytes, version: 9, now: Self.now)
        let stored = try #require(admitted.replacement)
        #expect(try admitted.header == BatchHeader(stored.span.bytes))
        #expect(try admitted.header.checksumMatches(stored.span.bytes))
        let records = try BatchRecords.all(in: stored.span.bytes, header: admitted.header, limit: 1024)
        #expect(records.map(\.timestamp) == [Self.now, Self.now])
        #expect(records.map(\.value) == [[1], [2]])
    }

    @Test(arguments: goldenBatches, Codec.allCases)
    func `compresses anew with the topic's codec and keeps the rest`(golden: GoldenBatch, codec: Codec) throws {
        let batch = bytes(ofHex: golden.hex)
        let before = try BatchHeader(batch.span.bytes)
        let admitted = try ProduceRules(codec: codec).admit(batch.span.bytes, version: 9, now: Self.now)
        #expect((admitted.replacement == nil) == (golden.content == codec.name))
        let stored = admitted.replacement ?? batch
        let after = try BatchHeader(stored.span.bytes)
        #expect(after == admitted.header)
        #expect(try after.checksumMatches(stored.span.bytes))
        #expect(try after.codec == codec)
        #expect(after.producerId == before.producerId && after.baseSequence == before.baseSequence)
        #expect(after.maxTimestamp == before.maxTimestamp && after.lastOffsetDelta == before.lastOffsetDelta)
        #expect(try BatchRecords.all(in: stored.span.bytes, header: after, limit: 4096) == goldenRecords)
    }

    @Test func `refuses a bomb where it has to look inside`() throws {
        let batch = try build(
            [Record(timestamp: Self.now, key: [1], value: [UInt8](repeating: 0, count: 4 << 20))], codec: .zstd)
        #expect(batch.count < 1000)
        let rules = ProduceRules(decompressedByteCountMax: 1 << 20, isCompacted: true)
        let error = #expect(throws: BatchRejection.self) {
            try rules.admit(batch.span.bytes, version: 9, now: Self.now)
        }
        #expect(error?.message == "zstd data decompresses to more than the 1048576 bytes allowed")
        #expect(error?.code == .messageTooLarge)
    }

    /// The time index relies on the header's maximum.
    @Test func `corrects a wrong maximum of timestamps`() throws {
        var batch = bytes(ofHex: goldenBatches[0].hex)
        batch.withUnsafeMutableBytes { BatchPatch.setMaxTimestamp(12, of: $0) }
        let admitted = try ProduceRules().admit(batch.span.bytes, version: 9, now: Self.now)
        #expect(admitted.replacement == bytes(ofHex: goldenBatches[0].hex))
    }

    @Test func `assigns offset and epoch without touching the checksum`() throws {
        var batch = bytes(ofHex: goldenBatches[0].hex)
        batch.withUnsafeMutableBytes { BatchPatch.assign(baseOffset: 1 << 40, leaderEpoch: 6, to: $0) }
        let header = try BatchHeader(batch.span.bytes)
        #expect(header.baseOffset == 1 << 40 && header.partitionLeaderEpoch == 6)
        #expect(try header.checksumMatches(batch.span.bytes))
    }

    @Test func `changes a batch in place to LogAppendTime`() throws {
        var batch = bytes(ofHex: goldenBatches[0].hex)
        batch.withUnsafeMutableBytes { BatchPatch.setLogAppendTime(99, of: $0) }
        let header = try BatchHeader(batch.span.bytes)
        #expect(header.attributes.isLogAppendTime && header.maxTimestamp == 99)
        #expect(try header.checksumMatches(batch.span.bytes))
    }
}
