package import Bytes
package import NIOCore

/// Appends the primitive types of Kafka's protocol to a buffer; the layouts are those of `WireReader`.
///
/// Throws `WireError.unsupported` where a value has no representation on the wire.
package struct WireWriter: Sendable {
    package var buffer: ByteBuffer

    /// Where bytes that live outside the buffer belong: `Records.external` writes only its length and leaves a split at
    /// the buffer's index `position`; the connection sends what `token` stands for between the bytes before and after.
    /// In order of position.
    package var splits: [(position: Int, token: Int)] = []

    /// Sum of the sizes of all splits: a frame's length is the written bytes plus this.
    package var externalByteCount = 0

    package init() { buffer = ByteBuffer() }

    /// Appends to `buffer`, behind what it holds already.
    package init(_ buffer: ByteBuffer) { self.buffer = buffer }

    // MARK: Fixed size

    package mutating func writeInt8(_ value: Int8) { buffer.writeInteger(value) }
    package mutating func writeInt16(_ value: Int16) { buffer.writeInteger(value) }
    package mutating func writeInt32(_ value: Int32) { buffer.writeInteger(value) }
    package mutating func writeInt64(_ value: Int64) { buffer.writeInteger(value) }
    package mutating func writeUInt16(_ value: UInt16) { buffer.writeInteger(value) }
    package mutating func writeUInt32(_ value: UInt32) { buffer.writeInteger(value) }
    package mutating func writeFloat64(_ value: Double) { buffer.writeInteger(value.bitPattern) }
    package mutating func writeBool(_ value: Bool) { buffer.writeInteger(value ? 1 : 0, as: UInt8.self) }

    package mutating func writeUUID(_ value: KafkaUUID) {
        buffer.writeInteger(value.high)
        buffer.writeInteger(value.low)
    }

    /// Base 128, at most 5 bytes, not zig-zag.
    package mutating func writeUnsignedVarint(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            buffer.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        buffer.writeInteger(UInt8(truncatingIfNeeded: rest))
    }

    // MARK: Variable size

    /// - Throws: `.unsupported` for more than 32767 bytes, which Kafka refuses in compact strings as well.
    package mutating func writeString(_ value: String, compact: Bool) throws(WireError) {
        let byteCount = value.utf8.count
        guard byteCount <= Int16.max else {
            throw .unsupported("string of \(byteCount) bytes, the protocol has at most \(Int16.max)")
        }
        if compact {
            writeUnsignedVarint(UInt32(byteCount) + 1)
        } else {
            buffer.writeInteger(Int16(byteCount))
        }
        buffer.writeString(value)
    }

    package mutating func writeNullableString(_ value: String?, compact: Bool) throws(WireError) {
        if let value { return try writeString(value, compact: compact) }
        if compact { writeUnsignedVarint(0) } else { buffer.writeInteger(-1, as: Int16.self) }
    }

    package mutating func writeBytes(_ value: ByteBuffer, compact: Bool) throws(WireError) {
        try writeLength(value.readableBytes, compact: compact)
        buffer.writeImmutableBuffer(value)
    }

    package mutating func writeNullableBytes(_ value: ByteBuffer?, compact: Bool) throws(WireError) {
        guard let value else { return writeNullLength(compact: compact) }
        try writeBytes(value, compact: compact)
    }

    package mutating func writeNullableRecords(_ value: Records?, compact: Bool) throws(WireError) {
        switch value {
        case nil:
            writeNullLength(compact: compact)
        case .bytes(let bytes):
            try writeBytes(bytes, compact: compact)
        case .external(let byteCount, let token):
            try writeLength(byteCount, compact: compact)
            splits.append((position: buffer.writerIndex, token: token))
            externalByteCount += byteCount
        }
    }

    /// The length of bytes or the element count of an array.
    package mutating func writeLength(_ length: Int, compact: Bool) throws(WireError) {
        guard let length = Int32(exactly: length), length < Int32.max else {
            throw .unsupported("length of \(length), the protocol has at most \(Int32.max - 1)")
        }
        if compact {
            writeUnsignedVarint(UInt32(bitPattern: length) + 1)
        } else {
            buffer.writeInteger(length)
        }
    }

    /// Null in place of bytes or an array.
    package mutating func writeNullLength(compact: Bool) {
        if compact { writeUnsignedVarint(0) } else { buffer.writeInteger(-1, as: Int32.self) }
    }

    /// The byte in front of a nullable struct.
    package mutating func writePresence(_ present: Bool) { buffer.writeInteger(present ? 1 : -1, as: Int8.self) }

    // MARK: Tagged fields

    /// Writes a tagged field whose content is `body`. Its size goes first and is not known before.
    package mutating func writeTaggedField(_ tag: UInt32, _ body: WireWriter) throws(WireError) {
        writeUnsignedVarint(tag)
        let byteCount = body.buffer.readableBytes + body.externalByteCount
        guard let byteCount = Int32(exactly: byteCount) else {
            throw .unsupported("tagged field of \(byteCount) bytes")
        }
        writeUnsignedVarint(UInt32(bitPattern: byteCount))
        let shift = buffer.writerIndex - body.buffer.readerIndex
        for split in body.splits { splits.append((position: split.position + shift, token: split.token)) }
        externalByteCount += body.externalByteCount
        buffer.writeImmutableBuffer(body.buffer)
    }
}

extension WireError {
    /// A field that is set although the version about to be written lacks it, and that may not be dropped silently.
    @inline(never)
    static func absent(_ field: StaticString, of message: StaticString, _ version: Int16) -> WireError {
        .unsupported("field \(field) of \(message) is not in version \(version)")
    }

    /// A field that is null although the version about to be written needs a value.
    @inline(never)
    static func null(_ field: StaticString, of message: StaticString, _ version: Int16) -> WireError {
        .unsupported("field \(field) of \(message) cannot be null in version \(version)")
    }

    /// A message in a version that its definition does not have.
    @inline(never)
    static func version(_ version: Int16, of message: StaticString) -> WireError {
        .unsupported("\(message) has no version \(version)")
    }
}
