package import Bytes
import CSnappy
import CZlib

/// Compressed blocks without a framing of their own, as Avro's container files and other file formats hold them.
package enum RawBlocks {
    /// A deflate stream (RFC 1951) without header and checksum.
    ///
    /// - Parameter level: 1...9, or -1 for the library's default.
    package static func deflate(_ bytes: borrowing RawSpan, level: Int = -1) throws(WireError) -> [UInt8] {
        // What zlib puts around it as gzip member: 10 bytes in front, checksum and length behind.
        let member = try Gzip.compress(bytes, level: level)
        return Array(member[10..<(member.count - 8)])
    }

    /// What a deflate stream holds.
    ///
    /// - Parameters:
    ///   - limit: bytes that may come out.
    ///   - ignoresRest: whether bytes behind the stream's end are none of our business: some writers leave a part of
    ///     zlib's checksum there.
    /// - Throws: `.corrupt` when the stream is not valid, ends early, has bytes behind it or exceeds `limit`.
    package static func inflate(
        _ bytes: borrowing RawSpan, limit: Int, ignoresRest: Bool = false
    ) throws(WireError) -> [UInt8] {
        var stream = z_stream()
        guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw .corrupt("deflate: out of memory")
        }
        defer { inflateEnd(&stream) }
        let byteCount = bytes.byteCount
        guard byteCount <= 1 << 30 else { throw .corrupt("deflate: a block of \(byteCount) bytes") }
        var output = BoundedOutput(codec: "deflate", limit: limit, inputByteCount: byteCount)
        try bytes.withUnsafeBytes { (input: UnsafeRawBufferPointer) throws(WireError) in
            // zlib does not write to its input although the field is not const.
            stream.next_in = input.baseAddress.map {
                UnsafeMutablePointer(mutating: $0.assumingMemoryBound(to: UInt8.self))
            }
            stream.avail_in = UInt32(byteCount)
            var code = Z_OK
            while code != Z_STREAM_END {
                let before = stream.avail_in
                var produced = 0
                try output.produce { (free) throws(WireError) in
                    let room = min(free.count, 1 << 30)
                    stream.next_out = free.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    stream.avail_out = UInt32(room)
                    code = CZlib.inflate(&stream, Z_NO_FLUSH)
                    guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else {
                        throw .corrupt("deflate: \(stream.msg.map { String(cString: $0) } ?? "error \(code)")")
                    }
                    produced = room - Int(stream.avail_out)
                    return produced
                }
                guard code == Z_STREAM_END || produced > 0 || stream.avail_in < before else {
                    throw .corrupt("deflate data ends early")
                }
            }
        }
        guard stream.avail_in == 0 || ignoresRest else {
            throw .corrupt("deflate data has \(stream.avail_in) bytes behind its end")
        }
        return output.bytes
    }

    /// One snappy block.
    package static func snappyCompress(_ bytes: borrowing RawSpan) throws(WireError) -> [UInt8] {
        let byteCount = bytes.byteCount
        var length = snappy_max_compressed_length(byteCount)
        var status = SNAPPY_OK
        let output = bytes.withUnsafeBytes { input in
            [UInt8](unsafeUninitializedCapacity: length) { free, count in
                status = snappy_compress(
                    input.baseAddress?.assumingMemoryBound(to: CChar.self), byteCount,
                    UnsafeMutableRawPointer(free.baseAddress)?.assumingMemoryBound(to: CChar.self), &length)
                count = status == SNAPPY_OK ? length : 0
            }
        }
        guard status == SNAPPY_OK else { throw .corrupt("snappy: block of \(byteCount) bytes refused") }
        return output
    }

    /// What one snappy block holds, at most `limit` bytes.
    package static func snappyDecompress(_ bytes: borrowing RawSpan, limit: Int) throws(WireError) -> [UInt8] {
        try Snappy.decompress(bytes, limit: limit)
    }

    /// CRC-32 (ISO 3309), the checksum of gzip; not the one of Kafka's record batches.
    package static func crc32(_ bytes: borrowing RawSpan) -> UInt32 {
        bytes.withUnsafeBytes {
            UInt32(
                truncatingIfNeeded: crc32_z(0, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count))
        }
    }
}
