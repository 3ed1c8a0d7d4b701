import Bytes
import CZstd

/// Zstandard frames (RFC 8878): one is written with its content size, several are read, with or without sizes.
enum Zstd {
    /// Contexts that grew beyond this (a window or tables of a high level) are freed instead of kept.
    private static let keptByteCountMax = 8 << 20

    private static let compressors = ContextPool(
        make: { ZSTD_createCCtx().map { UnsafeMutableRawPointer($0) } },
        free: { ZSTD_freeCCtx(OpaquePointer($0)) })
    private static let decompressors = ContextPool(
        make: { ZSTD_createDCtx().map { UnsafeMutableRawPointer($0) } },
        free: { ZSTD_freeDCtx(OpaquePointer($0)) })

    static func compress(_ bytes: borrowing RawSpan, level: Int?) throws(WireError) -> [UInt8] {
        guard var pooled = PooledContext(from: compressors) else { throw .corrupt("zstd: out of memory") }
        let context = OpaquePointer(pooled.pointer)
        let level = Int32(level ?? Int(ZSTD_defaultCLevel()))
        let bound = ZSTD_compressBound(bytes.byteCount)
        try check(bound)
        var code = 0
        let output = bytes.withUnsafeBytes { input in
            [UInt8](unsafeUninitializedCapacity: bound) { free, count in
                code = ZSTD_compressCCtx(context, free.baseAddress, bound, input.baseAddress, input.count, level)
                count = ZSTD_isError(code) == 0 ? code : 0
            }
        }
        pooled.isWorthKeeping = ZSTD_sizeof_CCtx(context) <= keptByteCountMax
        try check(code)
        return output
    }

    static func decompress(_ bytes: borrowing RawSpan, limit: Int) throws(WireError) -> [UInt8] {
        guard var pooled = PooledContext(from: decompressors) else { throw .corrupt("zstd: out of memory") }
        pooled.isWorthKeeping = false  // until it is known to have done well
        let context = OpaquePointer(pooled.pointer)
        _ = ZSTD_DCtx_reset(context, ZSTD_reset_session_only)  // resetting a session cannot fail
        var output = BoundedOutput(codec: "zstd", limit: limit, inputByteCount: bytes.byteCount)
        try bytes.withUnsafeBytes { (input: UnsafeRawBufferPointer) throws(WireError) in
            var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
            // What zstd expects next: 0 between frames. A frame's window is allocated as its header asks, up to
            // the library's 128 MiB; the pages of it are touched only as far as output is produced.
            var expected = 1
            var isOutputFull = false
            while source.pos < source.size || expected != 0 && isOutputFull {
                try output.produce { (free) throws(WireError) in
                    var target = ZSTD_outBuffer(dst: free.baseAddress, size: free.count, pos: 0)
                    expected = ZSTD_decompressStream(context, &target, &source)
                    try check(expected)
                    isOutputFull = target.pos == target.size
                    return target.pos
                }
            }
            guard expected == 0 else { throw .corrupt("zstd data ends inside a frame") }
        }
        pooled.isWorthKeeping = ZSTD_sizeof_DCtx(context) <= keptByteCountMax
        return output.bytes
    }

    private static func check(_ code: Int) throws(WireError) {
        guard ZSTD_isError(code) == 0 else { throw .corrupt("zstd: \(String(cString: ZSTD_getErrorName(code)))") }
    }
}
