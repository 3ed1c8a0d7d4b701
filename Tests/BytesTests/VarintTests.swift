import TestKit
import Testing

@testable import Bytes

@Suite struct VarintTests {
    /// By hand from the zig-zag definition in the Protocol Buffers encoding guide.
    @Test(
        arguments: [
            ([0x00], 0), ([0x01], -1), ([0x02], 1), ([0xAC, 0x02], 150), ([0xFF, 0xFF, 0xFF, 0xFF, 0x0F], .min),
            ([0xFE, 0xFF, 0xFF, 0xFF, 0x0F], .max),
        ] as [([UInt8], Int32)])
    func `decodes zig-zag`(bytes: [UInt8], value: Int32) throws {
        var at = 0
        #expect(try Varint.readInt(bytes.span.bytes, at: &at) == value)
        #expect(at == bytes.count)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `reads back what it writes and counts its bytes`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let value = Int64(bitPattern: random.next() >> (random.next() % 64))
        for value in [value, -value, .min, .max, 63, 64, -64, -65, 8191, 8192, -8192, -8193] {
            var bytes: [UInt8] = []
            Varint.append(value, to: &bytes)
            #expect(bytes.count == Varint.byteCount(value))
            var at = 0
            #expect(try Varint.readLong(bytes.span.bytes, at: &at) == value)
        }
    }

    @Test(arguments: [[], [0x80], [0xFF], [0xFF, 0xFF]] as [[UInt8]])
    func `asks for more bytes when they end inside a value`(bytes: [UInt8]) {
        var at = 0
        #expect(throws: WireError.truncated) { try Varint.readLong(bytes.span.bytes, at: &at) }
    }

    @Test func `refuses a value longer than its type`() {
        let bytes = [UInt8](repeating: 0xFF, count: 11)
        var at = 0
        #expect(throws: WireError.corrupt("unsigned varint longer than 5 bytes")) {
            try Varint.readUnsigned(bytes.span.bytes, at: &at)
        }
        at = 0
        #expect(throws: WireError.corrupt("varlong longer than 10 bytes")) {
            try Varint.readLong(bytes.span.bytes, at: &at)
        }
    }
}
