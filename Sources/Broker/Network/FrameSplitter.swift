package import Bytes
package import NIOCore

/// Splits one connection's byte stream into frames: an int32 length, then that many bytes.
///
/// Frames that lie whole in one read are slices of it; only one that spans reads is copied, into a buffer that grows with
/// what arrives and never by the announced length.
package struct FrameSplitter {
    /// Shortest frame: api key, version and correlation id.
    package static let byteCountMin = 8

    /// Longest frame, without its length prefix; holds for frames whose length has not been looked at.
    package var byteCountMax: Int
    /// Bytes not yet looked at.
    private var incoming = ByteBuffer()
    /// The beginning of a frame whose end has not arrived, with its length prefix.
    private var partial = ByteBuffer()

    /// - Parameter byteCountMax: `socket.request.max.bytes`; a longer frame is an error.
    package init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    /// Bytes held for a frame that is still arriving.
    package var partialByteCount: Int { partial.readableBytes }
    /// Whether bytes are there that `next()` has not looked at.
    package var hasUnreadBytes: Bool { incoming.readableBytes > 0 }
    /// The announced length of the frame that is still arriving, prefix included; nil while that is not known.
    package var partialFrameByteCount: Int? {
        partial.getInteger(at: partial.readerIndex, as: Int32.self).map { Int($0) + 4 }
    }

    /// Whether a client speaks TLS: a handshake (RFC 8446, section 5.1) where the length of a frame should be.
    package var beginsTLS: Bool {
        let bytes = partial.readableBytes >= 4 ? partial : incoming
        return bytes.getInteger(at: bytes.readerIndex, as: UInt16.self) == 0x1603
    }

    package mutating func append(_ bytes: ByteBuffer) {
        if incoming.readableBytes == 0 {
            incoming = bytes
        } else {
            incoming.writeImmutableBuffer(bytes)
        }
    }

    /// The next whole frame without its length prefix, sharing storage with what was read; nil until more bytes come.
    ///
    /// - Throws: `.corrupt` for a length that no request can have: the connection must be closed.
    package mutating func next() throws(WireError) -> ByteBuffer? {
        if partial.readableBytes > 0 { return try nextFromPartial() }
        guard let announced = incoming.getInteger(at: incoming.readerIndex, as: Int32.self) else {
            keepPartial()
            return nil
        }
        let count = try check(announced)
        guard incoming.readableBytes >= 4 + count else {
            keepPartial()
            return nil
        }
        incoming.moveReaderIndex(forwardBy: 4)
        return incoming.readSlice(length: count)
    }

    private mutating func nextFromPartial() throws(WireError) -> ByteBuffer? {
        if partial.readableBytes < 4 { move(upTo: 4) }
        guard let announced = partial.getInteger(at: partial.readerIndex, as: Int32.self) else { return nil }
        let count = try check(announced)
        move(upTo: 4 + count)
        guard partial.readableBytes == 4 + count else { return nil }
        var frame = partial
        partial = ByteBuffer()
        frame.moveReaderIndex(forwardBy: 4)
        return frame
    }

    /// Moves bytes from `incoming` until `partial` holds `count`.
    private mutating func move(upTo count: Int) {
        let missing = min(count - partial.readableBytes, incoming.readableBytes)
        guard missing > 0, var piece = incoming.readSlice(length: missing) else { return }
        partial.writeBuffer(&piece)
        // Who read them fills the same buffer again; a second owner would make TLS copy all of it first.
        if incoming.readableBytes == 0 { incoming = ByteBuffer() }
    }

    private mutating func keepPartial() {
        if incoming.readableBytes > 0 {
            // A copy, so that the large receive buffer is free for the next read.
            partial = ByteBuffer()
            partial.writeImmutableBuffer(incoming)
        }
        incoming = ByteBuffer()
    }

    private func check(_ announced: Int32) throws(WireError) -> Int {
        guard Self.byteCountMin...byteCountMax ~= Int(announced) else {
            throw .corrupt("frame of \(announced) bytes; \(Self.byteCountMin) to \(byteCountMax) are possible")
        }
        return Int(announced)
    }
}
