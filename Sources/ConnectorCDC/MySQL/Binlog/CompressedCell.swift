internal import Bytes
internal import Compression

/// MariaDB's columns that are COMPRESSED, as row images have them.
///
/// | at | bytes | what |
/// |---:|------:|------|
/// | 0 | 1 | bits 4-7: method, 0 none, 8 zlib; bit 3: the stream is without zlib's frame; bits 0-2: bytes of the length |
/// | 1 | 0-7 | bytes of the plain value, most significant byte first; not for method 0 |
/// | | | the value, or its deflated stream (RFC 1951, with a frame RFC 1950) |
///
/// An empty value has no bytes at all.
enum CompressedCell {
    /// LONGTEXT's limit, which no packet reaches.
    private static let plainByteCountMax: UInt64 = 1 << 30

    static func plain(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> [UInt8] {
        guard !bytes.isEmpty else { return [] }
        var cursor = ByteCursor(bytes)
        let head = try cursor.byte()
        switch head >> 4 {
        case 0: return Array(cursor.rest)
        case 8:
            let byteCount = try cursor.bigEndian(Int(head & 7))
            guard byteCount <= plainByteCountMax else { throw .corrupt("a compressed value of \(byteCount) bytes") }
            var stream = cursor.rest
            if head & 8 == 0 {
                // Two bytes in front and the Adler-32 behind are not part of the deflated stream.
                guard stream.count >= 6 else { throw .truncated }
                stream = UnsafeRawBufferPointer(rebasing: stream[2..<(stream.count - 4)])
            }
            let plain = try RawBlocks.inflate(stream.bytes, limit: Int(byteCount))
            guard plain.count == Int(byteCount) else {
                throw .corrupt("a compressed value of \(plain.count) bytes that says to have \(byteCount)")
            }
            return plain
        default: throw .unsupported("a value compressed by method \(head >> 4)")
        }
    }
}
