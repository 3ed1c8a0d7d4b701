package import NIOCore

/// The record batches of a Produce request or Fetch response, opaque here.
package enum Records: Sendable, Equatable {
    /// Batches in memory; what a reader gives, sharing the frame's storage.
    case bytes(ByteBuffer)
    /// `byteCount` bytes that the connection sends itself, such as a region of a segment file: the writer writes only
    /// their length and remembers the place (`WireWriter.splits`).
    case external(byteCount: Int, token: Int)

    package static let empty = Records.bytes(ByteBuffer())

    /// Size on the wire.
    package var byteCount: Int {
        switch self {
        case .bytes(let bytes): bytes.readableBytes
        case .external(let byteCount, _): byteCount
        }
    }
}
