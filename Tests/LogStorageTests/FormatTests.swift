import Environment
import Testing

@testable import LogStorage

/// Files must be as Kafka's own tools read them.
@Suite struct FormatTests {
    /// By hand from upstream's `ProducerStateManager.PID_SNAPSHOT_MAP_SCHEMA`; the checksum by a bitwise CRC-32C.
    static let snapshot: [UInt8] = [
        0x00, 0x01, 0x49, 0xBD, 0x79, 0x24, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x4D, 0x00, 0x03, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xF1,
        0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x01, 0x8B, 0xCF, 0xE5, 0x68, 0x00, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    ]

    @Test func `writes a producer snapshot as Kafka does`() throws {
        var producer = ProducerStates.Producer(epoch: 3, usedAt: 0)
        producer.append(.init(lastSequence: 9, offsetDelta: 4, lastOffset: 1009, timestamp: 1_700_000_000_000))
        let states = ProducerStates([77: producer])
        #expect(ProducerSnapshot.encode(states) == Self.snapshot)
        let read = try #require(ProducerSnapshot.decode(Self.snapshot, now: 5))
        #expect(read.producers[77]?.window == producer.window)
        #expect(read.producers[77]?.epoch == 3 && read.producers[77]?.usedAt == 5)
        #expect(read.producers[77]?.window.first?.firstSequence == 5)
    }

    @Test(arguments: 0..<56)
    func `refuses a damaged producer snapshot`(byte: Int) {
        #expect(ProducerSnapshot.decode(Array(Self.snapshot[..<byte]), now: 0) == nil)
        for bit in 0..<8 {
            var bytes = Self.snapshot
            bytes[byte] ^= 1 << UInt8(bit)
            #expect(ProducerSnapshot.decode(bytes, now: 0) == nil)
        }
    }

    @Test func `keeps all remembered batches of a producer over a snapshot`() throws {
        var producer = ProducerStates.Producer(epoch: 1, usedAt: 0)
        for index in 0..<7 as Range<Int32> {
            producer.append(.init(lastSequence: index, offsetDelta: 0, lastOffset: Int64(index), timestamp: 0))
        }
        let states = ProducerStates([4: producer])
        let read = try #require(ProducerSnapshot.decode(ProducerSnapshot.encode(states), now: 0))
        #expect(read.producers[4]?.window.map(\.lastSequence) == [2, 3, 4, 5, 6])
        #expect(read.producers[4]?.chainCount == 5)
    }

    /// The ids by Python's base64.urlsafe_b64encode, the checksum by a bitwise CRC-32C.
    @Test(
        arguments: [
            ((1, 2), "AAAAAAAAAAEAAAAAAAAAAg"),
            ((0xFEDC_BA98_7654_3210, 0x0123_4567_89AB_CDEF), "_ty6mHZUMhABI0VniavN7w"),
            ((.max, .max), "_____________________w"),
        ] as [((UInt64, UInt64), String)])
    func `writes partition metadata as Kafka does`(id: (UInt64, UInt64), text: String) throws {
        let bytes = PartitionMetadata.encode(id)
        #expect(String(decoding: bytes, as: UTF8.self).hasPrefix("version: 0\ntopic_id: \(text)\ncrc32c: "))
        let read = try #require(PartitionMetadata.decode(bytes))
        #expect(read == id)
        for cut in 0..<bytes.count { #expect(PartitionMetadata.decode(Array(bytes[..<cut])) == nil) }
    }

    @Test func `checks partition metadata`() {
        let bytes = PartitionMetadata.encode((0xFEDC_BA98_7654_3210, 0x0123_4567_89AB_CDEF))
        #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("crc32c: 722c1ae\n"))
        for byte in bytes.indices {
            var damaged = bytes
            damaged[byte] ^= 4
            #expect(PartitionMetadata.decode(damaged) == nil)
        }
    }

    @Test(
        arguments: [
            ("00000000000000000000.log", 0, .log), ("00000000000000001234.index", 1234, .index),
            ("00000000000000001234.timeindex", 1234, .timeIndex), ("09223372036854775807.snapshot", .max, .snapshot),
        ] as [(String, Int64, FileNames.Suffix)])
    func `names files by offset`(text: String, offset: Int64, suffix: FileNames.Suffix) {
        #expect(FileNames.name(offset, suffix) == text)
        #expect(FileNames.parse(text)?.offset == offset && FileNames.parse(text)?.suffix == suffix)
    }

    @Test(arguments: [
        "1.log", "00000000000000000000", "00000000000000000000.log.tmp", "99999999999999999999.log",
        "partition.metadata",
        "-0000000000000000001.log", ".log", "",
    ])
    func `ignores other names`(text: String) { #expect(FileNames.parse(text) == nil) }

    @Test func `reads and writes checkpoints as Kafka does`() {
        #expect(String(decoding: CheckpointText.encode(["t 0 5", "u 1 7"]), as: UTF8.self) == "0\n2\nt 0 5\nu 1 7\n")
        #expect(CheckpointText.decode([UInt8]("0\n2\nt 0 5\nu 1 7\n".utf8)) == ["t 0 5", "u 1 7"])
        for text in ["", "0", "0\n", "1\n0\n", "0\n2\nt 0 5\n", "0\nx\n", "0\n1\na\nb\n", "0\n-1\n"] {
            #expect(CheckpointText.decode([UInt8](text.utf8)) == nil, "\(text)")
        }
        #expect(CheckpointText.decode([0xFF, 0xFE]) == nil)
    }

    @Test func `index entries are big-endian and ascend`() throws {
        let fixture = try Fixture { $0.indexIntervalBytes = 0 }
        for step in 0..<3 { try fixture.append(TestBatch(count: 2, valueByteCount: 10, timestamp: Int64(1000 * step))) }
        try fixture.directory.close(clean: true)
        // The first batch is never indexed; each is 61 + 2 * 17 = 95 bytes.
        #expect(
            try fixture.disk.contents(Fixture.folder + "/" + name(0, .index)) == [
                0, 0, 0, 3, 0, 0, 0, 95, 0, 0, 0, 5, 0, 0, 0, 190,
            ])
        #expect(
            try fixture.disk.contents(Fixture.folder + "/" + name(0, .timeIndex)) == [
                0, 0, 0, 0, 0, 0, 0x03, 0xE9, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0x07, 0xD1, 0, 0, 0, 5,
            ])
    }

    @Test(
        arguments: [
            ("ratings-0", "ratings", 0), ("a-b-12", "a-b", 12), ("x-delete-3", "x-delete", 3),
        ] as [(String, String, Int32)])
    func `names folders by topic and partition`(folder: String, topic: String, partition: Int32) {
        #expect(PartitionName(folder: folder) == PartitionName(topic: topic, partition: partition))
        #expect(PartitionName(topic: topic, partition: partition).description == folder)
    }

    @Test(arguments: ["ratings", "-0", "a-", "a-x", "a-99999999999", "a-+1"])
    func `ignores other folders`(folder: String) { #expect(PartitionName(folder: folder) == nil) }
}
