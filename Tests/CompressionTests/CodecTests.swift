import Bytes
import Compression
import TestKit
import Testing

@Suite struct CodecTests {
    static let compressing = Codec.allCases.filter { $0 != .none }

    @Test(arguments: [
        (0, "none", Codec.none), (1, "gzip", .gzip), (2, "snappy", .snappy), (3, "lz4", .lz4), (4, "zstd", .zstd),
    ])
    func `has Kafka's numbers and names`(number: Int, name: String, codec: Codec) {
        #expect(Codec(rawValue: number) == codec)
        #expect(Codec(name: name) == codec)
        #expect(codec.name == name)
    }

    @Test func `knows the broker's name for no compression and refuses others`() {
        #expect(Codec(name: "uncompressed") == Codec.none)
        #expect(Codec(name: "producer") == nil)
        #expect(Codec(rawValue: 5) == nil)
    }

    @Test(arguments: goldenPayloads.indices)
    func `reads what other implementations write`(index: Int) throws {
        let golden = goldenPayloads[index]
        let payload = bytes(ofHex: golden.hex)
        #expect(try golden.codec.decompress(payload, limit: 4096) == goldenContent, "\(golden.content)")
    }

    @Test(arguments: Codec.allCases, 0..<40 as Range<UInt64>)
    func `gives back what it compressed`(codec: Codec, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let content = random.compressibleBytes(count: Int(random.next() % (1 << (random.next() % 20))))
        let payload = try codec.compress(content)
        #expect(try codec.decompress(payload, limit: content.count) == content)
    }

    @Test(arguments: Codec.allCases)
    func `takes empty content`(codec: Codec) throws {
        let payload = try codec.compress([UInt8]())
        #expect(try codec.decompress(payload, limit: 0) == [])
    }

    @Test(
        arguments: [
            (.gzip, [-1, 1, 9], [0, 10, -2]), (.lz4, [1, 9, 17], [0, 18]),
            (.zstd, [-131_072, 0, 3, 22], [23, -131_073]),
            (.snappy, [], [0, 1]), (.none, [], [0, 1]),
        ] as [(Codec, [Int], [Int])])
    func `takes Kafka's levels and no others`(codec: Codec, good: [Int], bad: [Int]) throws {
        for level in good {
            let payload = try codec.compress(goldenContent, level: level)
            #expect(try codec.decompress(payload, limit: 4096) == goldenContent)
        }
        for level in bad {
            #expect(!codec.accepts(level: level))
            #expect(throws: WireError.self) { try codec.compress(goldenContent, level: level) }
        }
    }

    /// The frame descriptor of `KafkaLZ4BlockOutputStream`: version 1, independent blocks, no checksums, no size;
    /// blocks of 64 KiB.
    @Test func `writes the LZ4 frames of Kafka's client`() throws {
        let payload = try Codec.lz4.compress([UInt8](repeating: 7, count: 200_000))
        #expect(payload.prefix(6) == [0x04, 0x22, 0x4D, 0x18, 0x60, 0x40])
    }

    @Test func `writes snappy as a xerial stream of 32 KiB blocks`() throws {
        var random = SeededRandom(seed: 1)
        let payload = try Codec.snappy.compress(random.compressibleBytes(count: 70_000))
        #expect(payload.prefix(16) == [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
        var blockCount = 0
        var at = 16
        while at < payload.count {
            at += 4 + Int(payload.span.bytes.bigEndian(at: at, as: Int32.self))
            blockCount += 1
        }
        #expect(at == payload.count)
        #expect(blockCount == 3)
    }

    @Test func `reads xerial streams that follow one another`() throws {
        let payload = try Codec.snappy.compress([1, 2, 3]) + Codec.snappy.compress([4, 5])
        #expect(try Codec.snappy.decompress(payload, limit: 5) == [1, 2, 3, 4, 5])
    }

    @Test(arguments: compressing)
    func `stops at the limit`(codec: Codec) throws {
        let content = [UInt8](repeating: 0, count: 16 << 20)
        let payload = try codec.compress(content)
        #expect(try codec.decompress(payload, limit: content.count).count == content.count)
        for limit in [0, 1, 1000, 1 << 20, content.count - 1] {
            #expect(
                throws: WireError.corrupt("\(codec.name) data decompresses to more than the \(limit) bytes allowed")
            ) {
                try codec.decompress(payload, limit: limit)
            }
        }
    }

    /// 2^31 - 1 as a base-128 length, then a literal of one byte.
    @Test func `does not believe an announced length`() {
        let payload: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0x00, 0x41]
        #expect(throws: WireError.corrupt("snappy: block announces 2147483647 bytes")) {
            try Codec.snappy.decompress(payload, limit: .max)
        }
    }

    @Test(arguments: goldenPayloads.indices)
    func `refuses a payload that ends early`(index: Int) throws {
        let golden = goldenPayloads[index]
        let payload = bytes(ofHex: golden.hex)
        for end in payload.indices {
            // Where one of several frames ends, so may the payload.
            let content = try? golden.codec.decompress(Array(payload[..<end]), limit: 4096)
            #expect(content == nil || content == Array(goldenContent[..<300]), "\(golden.content), \(end) bytes")
        }
    }

    @Test(arguments: compressing)
    func `refuses bytes behind the end`(codec: Codec) throws {
        let payload = try codec.compress(goldenContent) + [0x2A, 0x2A, 0x2A]
        #expect(throws: WireError.self) { try codec.decompress(payload, limit: 4096) }
    }

    @Test(arguments: compressing, 0..<300 as Range<UInt64>)
    func `survives damage within its limit`(codec: Codec, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var payload = try codec.compress(random.compressibleBytes(count: Int(random.next() % 5000)))
        for _ in 0...Int(random.next() % 4) {
            payload[Int(random.next() % UInt64(payload.count))] = UInt8(truncatingIfNeeded: random.next())
        }
        if random.next() % 4 == 0 { payload.removeLast(Int(random.next() % UInt64(payload.count))) }
        let content = try? codec.decompress(payload, limit: 6000)
        #expect((content?.count ?? 0) <= 6000)
    }

    @Test(arguments: compressing, 0..<100 as Range<UInt64>)
    func `survives random bytes`(codec: Codec, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let payload = (0..<Int(random.next() % 300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let content = try? codec.decompress(payload, limit: 10_000)
        #expect((content?.count ?? 0) <= 10_000)
    }

    @Test func `serves many threads at once`() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for seed in 0..<32 as Range<UInt64> {
                group.addTask {
                    var random = SeededRandom(seed: seed)
                    for codec in Codec.allCases {
                        let content = random.compressibleBytes(count: 20_000)
                        let payload = try codec.compress(content)
                        #expect(try codec.decompress(payload, limit: content.count) == content)
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}

extension SeededRandom {
    /// Runs of repeated and of random bytes.
    mutating func compressibleBytes(count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            let run = min(count - bytes.count, Int(next() % 200) + 1)
            if next() % 2 == 0 {
                bytes.append(contentsOf: repeatElement(UInt8(truncatingIfNeeded: next()), count: run))
            } else {
                for _ in 0..<run { bytes.append(UInt8(truncatingIfNeeded: next())) }
            }
        }
        return bytes
    }
}

/// Arrays that are made on the spot have no span that could be passed on.
extension Codec {
    func compress(_ content: [UInt8], level: Int? = nil) throws(WireError) -> [UInt8] {
        try compress(content.span.bytes, level: level)
    }

    func decompress(_ payload: [UInt8], limit: Int) throws(WireError) -> [UInt8] {
        try decompress(payload.span.bytes, limit: limit)
    }
}
