package import Bytes
import CZlib

/// Compresses a stream into one gzip member, piece by piece: the same pieces give the same bytes. One caller at a time.
///
/// `@unchecked Sendable`: it is owned by one writer, which is called by one caller at a time.
package final class GzipStream: @unchecked Sendable {
    private let stream: UnsafeMutablePointer<z_stream>

    /// - Parameter level: -1 (the library's default) or 0 to 9.
    /// - Throws: `.unsupported` for another level or without memory.
    package init(level: Int = -1) throws(WireError) {
        guard -1...9 ~= level else { throw .unsupported("gzip level \(level), allowed: -1 to 9") }
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let code = deflateInit2_(
            stream, Int32(level), Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK else { throw .unsupported("gzip: out of memory") }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Takes bytes and appends what comes out, which may be nothing yet.
    ///
    /// - Parameter isLast: ends the member; nothing may be given behind it.
    package func append(
        _ bytes: borrowing RawSpan, isLast: Bool = false, to output: inout [UInt8]
    ) throws(WireError) {
        let stepMax = 1 << 30
        let byteCount = bytes.byteCount
        try bytes.withUnsafeBytes { (input: UnsafeRawBufferPointer) throws(WireError) in
            var at = 0
            var code = Z_OK
            repeat {
                let step = min(byteCount - at, stepMax)
                // zlib does not write to its input although the field is not const.
                stream.pointee.next_in = input.baseAddress.map {
                    UnsafeMutablePointer(mutating: ($0 + at).assumingMemoryBound(to: UInt8.self))
                }
                stream.pointee.avail_in = UInt32(step)
                let room = 64 << 10
                try output.append(addingCapacity: room) { (free: inout OutputSpan<UInt8>) throws(WireError) in
                    try free.withUnsafeMutableBufferPointer { (free, count) throws(WireError) in
                        stream.pointee.next_out = free.baseAddress
                        stream.pointee.avail_out = UInt32(room)
                        code = deflate(stream, isLast && at + step == byteCount ? Z_FINISH : Z_NO_FLUSH)
                        guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else {
                            throw .corrupt("gzip: error \(code)")
                        }
                        count = room - Int(stream.pointee.avail_out)
                    }
                }
                at += step - Int(stream.pointee.avail_in)
            } while at < byteCount || (isLast ? code != Z_STREAM_END : stream.pointee.avail_out == 0)
        }
    }
}
