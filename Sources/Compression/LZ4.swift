import Bytes
import CLZ4

/// LZ4 frames (LZ4 frame format 1.6): one is written as Kafka's Java client does, 64 KiB independent blocks without
/// content size; several are read, with any block size, linked or not.
enum LZ4 {
    /// Frames of larger blocks leave buffers of up to 8 MiB in their context.
    private static let keptBlockSizeID = 5

    private static let decompressors = ContextPool(
        make: {
            var context: OpaquePointer?
            guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0 else { return nil }
            return context.map { UnsafeMutableRawPointer($0) }
        },
        free: { LZ4F_freeDecompressionContext(OpaquePointer($0)) })

    static func compress(_ bytes: borrowing RawSpan, level: Int?) throws(WireError) -> [UInt8] {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max64KB
        preferences.frameInfo.blockMode = LZ4F_blockIndependent
        // Kafka's levels are those of lz4-java: its default is the fast compressor, all others the high one, which the
        // library starts with 3 and ends with 12.
        preferences.compressionLevel = level.map { Int32(min(max($0, 3), 12)) } ?? 0
        let bound = LZ4F_compressFrameBound(bytes.byteCount, &preferences)
        try check(bound)
        var code = 0
        let output = bytes.withUnsafeBytes { input in
            [UInt8](unsafeUninitializedCapacity: bound) { free, count in
                code = LZ4F_compressFrame(free.baseAddress, bound, input.baseAddress, input.count, &preferences)
                count = LZ4F_isError(code) == 0 ? code : 0
            }
        }
        try check(code)
        return output
    }

    static func decompress(_ bytes: borrowing RawSpan, limit: Int) throws(WireError) -> [UInt8] {
        guard var pooled = PooledContext(from: decompressors) else { throw .corrupt("lz4: out of memory") }
        pooled.isWorthKeeping = false  // until it is known to have done well
        let context = OpaquePointer(pooled.pointer)
        LZ4F_resetDecompressionContext(context)
        var output = BoundedOutput(codec: "lz4", limit: limit, inputByteCount: bytes.byteCount)
        var frameCount = 0
        var blockSizeID = 0
        try bytes.withUnsafeBytes { (input: UnsafeRawBufferPointer) throws(WireError) in
            var at = 0
            // What lz4 expects next: 0 between frames.
            var expected = 1
            var isOutputFull = false
            while at < input.count || expected != 0 && isOutputFull {
                if expected == 0 || at == 0 { frameCount += 1 }
                try output.produce { (free) throws(WireError) in
                    var consumed = input.count - at
                    var produced = free.count
                    expected = LZ4F_decompress(
                        context, free.baseAddress, &produced, input.baseAddress.map { $0 + at }, &consumed, nil)
                    try check(expected)
                    guard consumed > 0 || produced > 0 || at == input.count else { throw .corrupt("lz4: no progress") }
                    at += consumed
                    isOutputFull = produced == free.count
                    return produced
                }
            }
            guard expected == 0 else { throw .corrupt("lz4 data ends inside a frame") }
            blockSizeID = input.count > 5 ? Int(input[5] >> 4) & 7 : 0
        }
        pooled.isWorthKeeping = frameCount == 1 && blockSizeID <= keptBlockSizeID
        return output.bytes
    }

    private static func check(_ code: Int) throws(WireError) {
        guard LZ4F_isError(code) == 0 else { throw .corrupt("lz4: \(String(cString: LZ4F_getErrorName(code)))") }
    }
}
