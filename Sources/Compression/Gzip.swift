import Bytes
import CZlib

/// gzip (RFC 1952): one member is written, several are read.
enum Gzip {
    /// 15: the largest window; + 16: a gzip header and trailer instead of zlib's.
    private static let windowBits: Int32 = 15 + 16
    /// zlib counts in 32 bits.
    private static let stepMax = 1 << 30

    private static let inflaters = ContextPool(
        make: {
            let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
            stream.initialize(to: z_stream())
            guard inflateInit2_(stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
                stream.deallocate()
                return nil
            }
            return UnsafeMutableRawPointer(stream)
        },
        free: { context in
            let stream = context.assumingMemoryBound(to: z_stream.self)
            inflateEnd(stream)
            stream.deallocate()
        })

    /// A deflate stream of one level; not pooled, as the level is fixed when it is made.
    private struct Deflater: ~Copyable {
        let stream: UnsafeMutablePointer<z_stream>

        init?(level: Int32) {
            stream = .allocate(capacity: 1)
            stream.initialize(to: z_stream())
            let code = deflateInit2_(
                stream, level, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size))
            guard code == Z_OK else {
                stream.deallocate()
                return nil
            }
        }

        deinit {
            deflateEnd(stream)
            stream.deallocate()
        }
    }

    static func compress(_ bytes: borrowing RawSpan, level: Int?) throws(WireError) -> [UInt8] {
        guard let deflater = Deflater(level: Int32(level ?? -1)) else { throw .corrupt("gzip: out of memory") }
        let stream = deflater.stream
        let byteCount = bytes.byteCount
        var output = BoundedOutput(codec: "gzip", limit: .max, inputByteCount: byteCount / 4)
        try bytes.withUnsafeBytes { (input: UnsafeRawBufferPointer) throws(WireError) in
            var at = 0
            var code = Z_OK
            while code != Z_STREAM_END {
                let step = min(byteCount - at, stepMax)
                stream.pointee.next_in = start(of: input, at: at)
                stream.pointee.avail_in = UInt32(step)
                try output.produce { (free) throws(WireError) in
                    let room = min(free.count, stepMax)
                    stream.pointee.next_out = free.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    stream.pointee.avail_out = UInt32(room)
                    code = deflate(stream, at + step == byteCount ? Z_FINISH : Z_NO_FLUSH)
                    guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else {
                        throw .corrupt("gzip: \(words(stream, code))")
                    }
                    return room - Int(stream.pointee.avail_out)
                }
                at += step - Int(stream.pointee.avail_in)
            }
        }
        return output.bytes
    }

    static func decompress(_ bytes: borrowing RawSpan, limit: Int) throws(WireError) -> [UInt8] {
        guard let context = PooledContext(from: inflaters) else { throw .corrupt("gzip: out of memory") }
        let stream = context.pointer.assumingMemoryBound(to: z_stream.self)
        inflateReset(stream)
        let byteCount = bytes.byteCount
        var output = BoundedOutput(codec: "gzip", limit: limit, inputByteCount: byteCount)
        try bytes.withUnsafeBytes { (input: UnsafeRawBufferPointer) throws(WireError) in
            var at = 0
            var isInsideMember = true
            while isInsideMember || at < byteCount {
                if !isInsideMember {
                    inflateReset(stream)
                    isInsideMember = true
                }
                let step = min(byteCount - at, stepMax)
                stream.pointee.next_in = start(of: input, at: at)
                stream.pointee.avail_in = UInt32(step)
                var hasProduced = false
                try output.produce { (free) throws(WireError) in
                    let room = min(free.count, stepMax)
                    stream.pointee.next_out = free.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    stream.pointee.avail_out = UInt32(room)
                    let code = inflate(stream, Z_NO_FLUSH)
                    switch code {
                    case Z_STREAM_END: isInsideMember = false
                    case Z_OK, Z_BUF_ERROR: break
                    default: throw .corrupt("gzip: \(words(stream, code))")
                    }
                    hasProduced = stream.pointee.avail_out < room
                    return room - Int(stream.pointee.avail_out)
                }
                let consumed = step - Int(stream.pointee.avail_in)
                at += consumed
                guard !isInsideMember || hasProduced || consumed > 0 else {
                    throw .corrupt("gzip data ends inside a member")
                }
            }
        }
        return output.bytes
    }

    /// zlib does not write to its input although the field is not const.
    private static func start(of input: UnsafeRawBufferPointer, at: Int) -> UnsafeMutablePointer<UInt8>? {
        guard let base = input.baseAddress else { return nil }
        return UnsafeMutablePointer(mutating: (base + at).assumingMemoryBound(to: UInt8.self))
    }

    private static func words(_ stream: UnsafeMutablePointer<z_stream>, _ code: Int32) -> String {
        stream.pointee.msg.map { String(cString: $0) } ?? "error \(code)"
    }
}
