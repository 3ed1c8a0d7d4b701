import Bytes
import CSnappy

/// Snappy, in the two framings of Kafka clients.
///
/// - The xerial stream of snappy-java, which is written and which every client reads:
///
///   | at | bytes | field                                                   |
///   |---:|------:|---------------------------------------------------------|
///   |  0 |     8 | magic, 0x82 `SNAPPY` 0x00                               |
///   |  8 |     4 | version, big-endian, 1                                  |
///   | 12 |     4 | lowest compatible version, big-endian, 1                |
///   | 16 |       | blocks: byte count, big-endian 4 bytes; raw snappy data |
///
///   Streams may follow one another.
/// - One raw snappy block without framing (librdkafka, Sarama).
///
/// - SeeAlso: snappy's `format_description.txt`; `SnappyInputStream` of snappy-java.
enum Snappy {
    private static let magic: [UInt8] = [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59, 0x00]
    private static let headerByteCount = 16
    private static let blockByteCount = 32 << 10
    /// The first four bytes of `magic` read as a block's length: a further stream begins.
    private static let magicHead: Int32 = Int32(bitPattern: 0x8253_4E41)

    static func compress(_ bytes: borrowing RawSpan) throws(WireError) -> [UInt8] {
        var output = magic
        output.append(bigEndian: 1 as Int32)
        output.append(bigEndian: 1 as Int32)
        let byteCount = bytes.byteCount
        output.reserveCapacity(headerByteCount + byteCount / 2)
        var at = 0
        while at < byteCount {
            let step = min(byteCount - at, blockByteCount)
            let bound = snappy_max_compressed_length(step)
            let lengthAt = output.count
            output.append(bigEndian: 0 as Int32)
            var length = bound
            try bytes.extracting(at..<at + step).withUnsafeBytes { (input: UnsafeRawBufferPointer) throws(WireError) in
                try output.append(addingCapacity: bound) { (free: inout OutputSpan<UInt8>) throws(WireError) in
                    try free.withUnsafeMutableBufferPointer { (free, count) throws(WireError) in
                        let status = snappy_compress(
                            input.baseAddress?.assumingMemoryBound(to: CChar.self), step,
                            UnsafeMutableRawPointer(free.baseAddress)?.assumingMemoryBound(to: CChar.self), &length)
                        guard status == SNAPPY_OK else { throw .corrupt("snappy: block of \(step) bytes refused") }
                        count = length
                    }
                }
            }
            output.withUnsafeMutableBytes { $0.storeBigEndian(Int32(length), at: lengthAt) }
            at += step
        }
        return output
    }

    static func decompress(_ bytes: borrowing RawSpan, limit: Int) throws(WireError) -> [UInt8] {
        var output: [UInt8] = []
        guard startsWithMagic(bytes) else {
            try decompressBlock(bytes, limit: limit, into: &output)
            return output
        }
        var at = headerByteCount
        while at < bytes.byteCount {
            guard bytes.byteCount - at >= 4 else { throw .corrupt("snappy data ends inside a block's length") }
            let length = bytes.bigEndian(at: at, as: Int32.self)
            if length == magicHead, startsWithMagic(bytes.extracting(at..<bytes.byteCount)) {
                at += headerByteCount
                continue
            }
            at += 4
            guard length >= 0 else { throw .corrupt("snappy block of \(length) bytes") }
            guard Int(length) <= bytes.byteCount - at else { throw .corrupt("snappy data ends inside a block") }
            try decompressBlock(bytes.extracting(at..<at + Int(length)), limit: limit, into: &output)
            at += Int(length)
        }
        return output
    }

    private static func startsWithMagic(_ bytes: borrowing RawSpan) -> Bool {
        guard bytes.byteCount >= headerByteCount else { return false }
        return bytes.withUnsafeBytes { $0.starts(with: magic) }
    }

    /// Appends what one raw block holds.
    private static func decompressBlock(
        _ block: borrowing RawSpan, limit: Int, into output: inout [UInt8]
    ) throws(WireError) {
        let room = limit - output.count
        try block.withUnsafeBytes { (input: UnsafeRawBufferPointer) throws(WireError) in
            let source = input.baseAddress?.assumingMemoryBound(to: CChar.self)
            var length = 0
            guard snappy_uncompressed_length(source, input.count, &length) == SNAPPY_OK else {
                throw .corrupt("snappy: block without a valid length")
            }
            guard length <= room else { throw BoundedOutput.exceeded("snappy", limit) }
            // The densest element is a copy of 64 bytes in 3, so a larger announcement cannot be kept, and the
            // allocation below is bounded by the bytes that are really there.
            guard length / 22 <= input.count else { throw .corrupt("snappy: block announces \(length) bytes") }
            if length > output.capacity - output.count {
                output.reserveCapacity(max(output.count + length, min(output.capacity * 2, limit)))
            }
            try output.append(addingCapacity: length) { (free: inout OutputSpan<UInt8>) throws(WireError) in
                try free.withUnsafeMutableBufferPointer { (free, count) throws(WireError) in
                    var written = length
                    let status = snappy_uncompress(
                        source, input.count,
                        UnsafeMutableRawPointer(free.baseAddress)?.assumingMemoryBound(to: CChar.self), &written)
                    guard status == SNAPPY_OK else { throw .corrupt("snappy: block does not decompress") }
                    count = written
                }
            }
        }
    }
}
