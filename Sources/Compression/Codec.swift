package import Bytes

/// How the records of a batch are compressed. The raw value is the codec's number in the batch attributes.
///
/// Both directions take whole payloads; a payload may consist of several members, frames or blocks. What comes out of
/// `decompress` is bounded by `limit`, and memory grows with the bytes that are really there, never by a size that the
/// payload announces.
///
/// - SeeAlso: Kafka protocol guide, "Record Batch"; KIP-390 (levels).
package enum Codec: Int, Sendable, CaseIterable {
    case none, gzip, snappy, lz4, zstd

    /// What `decompress` throws for more than `limit` bytes.
    package func exceeded(_ limit: Int) -> WireError { BoundedOutput.exceeded(name, limit) }

    /// The name in `compression.type` of topics and producers.
    package var name: String {
        switch self {
        case .none: "none"
        case .gzip: "gzip"
        case .snappy: "snappy"
        case .lz4: "lz4"
        case .zstd: "zstd"
        }
    }

    /// The codec of a `compression.type`; also takes `uncompressed`, the name of topic configurations for `none`.
    package init?(name: String) {
        if name == "uncompressed" {
            self = .none
        } else if let codec = Self.allCases.first(where: { $0.name == name }) {
            self = codec
        } else {
            return nil
        }
    }

    /// Levels that `compress` takes, nil for codecs without levels. gzip also takes -1, its library's default.
    package var levels: ClosedRange<Int>? {
        switch self {
        case .none, .snappy: nil
        case .gzip: 1...9
        case .lz4: 1...17
        case .zstd: -131_072...22
        }
    }

    /// Whether `compression.<name>.level` may be `level`.
    package func accepts(level: Int) -> Bool {
        (self == .gzip && level == -1) || levels?.contains(level) == true
    }

    /// Compresses `bytes` as one payload, in the framing that Kafka's own client writes.
    ///
    /// - Parameter level: nil for the codec's default.
    /// - Throws: `.unsupported` for a level that `accepts(level:)` refuses; `.corrupt` with the library's words when it
    ///   fails, which means that it got no memory.
    package func compress(_ bytes: borrowing RawSpan, level: Int? = nil) throws(WireError) -> [UInt8] {
        if let level, !accepts(level: level) {
            let allowed = levels.map { "\($0.lowerBound) to \($0.upperBound)" } ?? "none"
            throw .unsupported("\(name) level \(level), allowed: \(allowed)\(self == .gzip ? " or -1" : "")")
        }
        return switch self {
        case .none: bytes.withUnsafeBytes { [UInt8]($0) }
        case .gzip: try Gzip.compress(bytes, level: level)
        case .snappy: try Snappy.compress(bytes)
        case .lz4: try LZ4.compress(bytes, level: level)
        case .zstd: try Zstd.compress(bytes, level: level)
        }
    }

    /// Decompresses a payload that ends with `bytes`.
    ///
    /// - Parameter limit: bytes that may come out; reaching beyond stops the work at once.
    /// - Throws: `.corrupt` when the payload is not valid, ends early, has bytes behind its end, or exceeds `limit`.
    package func decompress(_ bytes: borrowing RawSpan, limit: Int) throws(WireError) -> [UInt8] {
        switch self {
        case .none:
            guard bytes.byteCount <= limit else { throw BoundedOutput.exceeded(name, limit) }
            return bytes.withUnsafeBytes { [UInt8]($0) }
        case .gzip: return try Gzip.decompress(bytes, limit: limit)
        case .snappy: return try Snappy.decompress(bytes, limit: limit)
        case .lz4: return try LZ4.decompress(bytes, limit: limit)
        case .zstd: return try Zstd.decompress(bytes, limit: limit)
        }
    }
}
