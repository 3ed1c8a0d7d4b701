import Bytes
import Compression
import TestKit
import Testing

@Suite struct RawBlockTests {
    @Test(arguments: UInt64(1)...20)
    func `blocks round-trip, and damaged ones are errors or other bytes`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bytes = (0..<Int.random(in: 0...20_000, using: &random)).map { _ in
            UInt8.random(in: 0...(Bool.random(using: &random) ? 3 : 255), using: &random)
        }
        let deflated = try RawBlocks.deflate(bytes.span.bytes)
        #expect(try RawBlocks.inflate(deflated.span.bytes, limit: bytes.count) == bytes)
        let snappy = try RawBlocks.snappyCompress(bytes.span.bytes)
        #expect(try RawBlocks.snappyDecompress(snappy.span.bytes, limit: bytes.count) == bytes)
        if bytes.count > 1 {
            #expect(throws: WireError.self) { try RawBlocks.inflate(deflated.span.bytes, limit: bytes.count - 1) }
            #expect(throws: WireError.self) {
                try RawBlocks.snappyDecompress(snappy.span.bytes, limit: bytes.count - 1)
            }
        }
        let cut = Array(deflated.dropLast())
        #expect(throws: WireError.self) { try RawBlocks.inflate(cut.span.bytes, limit: .max) }
        let longer = deflated + [0]
        #expect(throws: WireError.self) { try RawBlocks.inflate(longer.span.bytes, limit: .max) }
        #expect(try RawBlocks.inflate(longer.span.bytes, limit: bytes.count, ignoresRest: true) == bytes)
        for _ in 0..<50 {
            var damaged = deflated
            damaged[Int.random(in: 0..<deflated.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            _ = try? RawBlocks.inflate(damaged.span.bytes, limit: 1 << 20)  // it must not crash
        }
    }

    /// From RFC 1951 by hand: a stored block of three bytes; from zlib's documentation of `crc32`.
    @Test func `known bytes`() throws {
        let stored: [UInt8] = [0x01, 0x03, 0x00, 0xFC, 0xFF, 0x61, 0x62, 0x63]
        #expect(try RawBlocks.inflate(stored.span.bytes, limit: 3) == Array("abc".utf8))
        let digits = Array("123456789".utf8)
        #expect(RawBlocks.crc32(digits.span.bytes) == 0xCBF4_3926)
        let nothing: [UInt8] = []
        #expect(throws: WireError.self) { try RawBlocks.inflate(nothing.span.bytes, limit: 3) }
    }
}
