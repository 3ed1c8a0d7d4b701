import Bytes
import NIOCore
import TestKit
import Testing

@testable import Broker

@Suite struct FrameSplitterTests {
    private static func frame(_ byteCount: Int, _ random: inout SeededRandom) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: Int32(byteCount))
        for _ in 0..<byteCount { bytes.append(UInt8.random(in: 0...255, using: &random)) }
        return bytes
    }

    /// Whatever the pieces in which a stream arrives, the same frames come out.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `splits a stream cut at random places`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let frames = (0..<20).map { _ in Self.frame(.random(in: 8...600, using: &random), &random) }
        var rest = frames.flatMap { $0 }[...]
        var splitter = FrameSplitter(byteCountMax: 1000)
        var found: [[UInt8]] = []
        while !rest.isEmpty {
            let count = min(rest.count, .random(in: 1...700, using: &random))
            splitter.append(ByteBuffer(bytes: rest.prefix(count)))
            rest = rest.dropFirst(count)
            // A connection that may not handle more leaves frames where they are.
            let countMax = Bool.random(using: &random) ? Int.max : .random(in: 0...2, using: &random)
            var taken = 0
            while taken < countMax, let frame = try splitter.next() {
                found.append(Array(frame.readableBytesView))
                taken += 1
            }
        }
        while let frame = try splitter.next() { found.append(Array(frame.readableBytesView)) }
        #expect(found == frames.map { Array($0.dropFirst(4)) })
        #expect(splitter.partialByteCount == 0)
    }

    /// A second owner of what was read would make its reader take, or copy, another one for the next read.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func `keeps no part of what was read`(seed: UInt64) throws {
        func address(_ buffer: ByteBuffer) -> UnsafeRawPointer? {
            buffer.withVeryUnsafeBytes { UnsafeRawPointer($0.baseAddress) }
        }
        var random = SeededRandom(seed: seed)
        var rest = (0..<20).flatMap { _ in Self.frame(.random(in: 8...600, using: &random), &random) }[...]
        var splitter = FrameSplitter(byteCountMax: 1000)
        var read = ByteBuffer()
        read.reserveCapacity(1024)
        let first = address(read)
        while !rest.isEmpty {
            let count = min(rest.count, .random(in: 1...700, using: &random))
            read.clear()
            read.writeBytes(rest.prefix(count))
            #expect(address(read) == first)
            rest = rest.dropFirst(count)
            splitter.append(read)
            while try splitter.next() != nil {}
        }
    }

    @Test(arguments: [-1, 0, 7, 1001, .max, .min] as [Int32])
    func `refuses a length that no request can have`(announced: Int32) {
        var splitter = FrameSplitter(byteCountMax: 1000)
        splitter.append(ByteBuffer(integer: announced))
        #expect(throws: WireError.self) { try splitter.next() }
    }

    @Test func `refuses such a length also when it arrives byte by byte`() throws {
        var splitter = FrameSplitter(byteCountMax: 1000)
        for byte in [0x7F, 0xFF, 0xFF] as [UInt8] {
            splitter.append(ByteBuffer(bytes: [byte]))
            #expect(try splitter.next() == nil)
        }
        splitter.append(ByteBuffer(bytes: [0xFF]))
        #expect(throws: WireError.self) { try splitter.next() }
    }

    @Test func `knows the announced length before the bytes are there, and holds no more than came`() throws {
        var splitter = FrameSplitter(byteCountMax: 100 << 20)
        var start = ByteBuffer(integer: Int32(50 << 20))
        start.writeRepeatingByte(1, count: 100)
        splitter.append(start)
        #expect(try splitter.next() == nil)
        #expect(splitter.partialFrameByteCount == 4 + 50 << 20)
        #expect(splitter.partialByteCount == 104)
    }
}
