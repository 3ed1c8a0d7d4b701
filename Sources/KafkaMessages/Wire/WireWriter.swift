package import Bytes
package import NIOCore

/// Appends the primitive types of Kafka's protocol to a buffer; the layouts are those of `WireReader`.
///
/// Throws `WireError.unsupported` where a value has no representation on the wire.
package struct WireWriter: Sendable {
    private static let stagedByteCountMax = 64

    private var written: ByteBuffer
    /// Bytes that come behind `written`. Small values are collected here first: each write to a `ByteBuffer` checks its
    /// capacity, its uniqueness and the access to its storage.
    private var staged = InlineArray<64, UInt8>(repeating: 0)
    private var stagedByteCount = 0

    /// All that is written so far; it may be read, patched and appended to.
    package var buffer: ByteBuffer {
        mutating get {
            flush()
            return written
        }
        _modify {
            flush()
            yield &written
        }
    }

    private var writerIndex: Int { written.writerIndex + stagedByteCount }

    /// Where bytes that live outside the buffer belong: `Records.external` writes only its length and leaves a split at
    /// the buffer's index `position`; the connection sends what `token` stands for between the bytes before and after.
    /// In order of position.
    package var splits: [(position: Int, token: Int)] = []

    /// Sum of the sizes of all splits: a frame's length is the written bytes plus this.
    package var externalByteCount = 0

    package init() { written = ByteBuffer() }

    /// Appends to `buffer`, behind what it holds already.
    package init(_ buffer: ByteBuffer) { written = buffer }

    // MARK: Fixed size

    package mutating func writeInt8(_ value: Int8) { write(value) }
    package mutating func writeInt16(_ value: Int16) { write(value) }
    package mutating func writeInt32(_ value: Int32) { write(value) }
    package mutating func writeInt64(_ value: Int64) { write(value) }
    package mutating func writeUInt16(_ value: UInt16) { write(value) }
    package mutating func writeUInt32(_ value: UInt32) { write(value) }
    package mutating func writeFloat64(_ value: Double) { write(value.bitPattern) }
    package mutating func writeBool(_ value: Bool) { write(value ? 1 : 0 as UInt8) }

    package mutating func writeUUID(_ value: KafkaUUID) {
        write(value.high)
        write(value.low)
    }

    /// Base 128, at most 5 bytes, not zig-zag.
    package mutating func writeUnsignedVarint(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            write(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        write(UInt8(truncatingIfNeeded: rest))
    }

    private mutating func write<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        if stagedByteCount &+ MemoryLayout<T>.size > Self.stagedByteCountMax { flush() }
        let position = stagedByteCount
        withUnsafeMutableBytes(of: &staged) {
            $0.storeBytes(of: value.bigEndian, toByteOffset: position, as: T.self)  // room made on the line above
        }
        stagedByteCount &+= MemoryLayout<T>.size
    }

    private mutating func write(text: String) {
        var text = text
        let byteCount = text.utf8.count
        guard byteCount <= Self.stagedByteCountMax else {
            flush()
            written.writeString(text)
            return
        }
        if stagedByteCount &+ byteCount > Self.stagedByteCountMax { flush() }
        let position = stagedByteCount
        withUnsafeMutableBytes(of: &staged) { staged in
            text.withUTF8 { UnsafeMutableRawBufferPointer(rebasing: staged[position...]).copyMemory(from: .init($0)) }
        }
        stagedByteCount &+= byteCount
    }

    private mutating func write(bytes: ByteBuffer) {
        flush()
        written.writeImmutableBuffer(bytes)
    }

    private mutating func flush() {
        guard stagedByteCount > 0 else { return }
        withUnsafeBytes(of: staged) { _ = written.writeBytes(UnsafeRawBufferPointer(rebasing: $0[..<stagedByteCount])) }
        stagedByteCount = 0
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
            write(Int16(byteCount))
        }
        write(text: value)
    }

    package mutating func writeNullableString(_ value: String?, compact: Bool) throws(WireError) {
        if let value { return try writeString(value, compact: compact) }
        if compact { writeUnsignedVarint(0) } else { write(-1 as Int16) }
    }

    package mutating func writeBytes(_ value: ByteBuffer, compact: Bool) throws(WireError) {
        try writeLength(value.readableBytes, compact: compact)
        write(bytes: value)
    }

    package mutating func writeNullableBytes(_ value: ByteBuffer?, compact: Bool) throws(WireError) {
        guard let value else { return writeNullLength(compact: compact) }
        try writeBytes(value, compact: compact)
    }

    package mutating func writeRecords(_ value: Records, compact: Bool) throws(WireError) {
        switch value {
        case .bytes(let bytes):
            try writeBytes(bytes, compact: compact)
        case .external(let byteCount, let token):
            try writeLength(byteCount, compact: compact)
            splits.append((position: writerIndex, token: token))
            externalByteCount += byteCount
        }
    }

    package mutating func writeNullableRecords(_ value: Records?, compact: Bool) throws(WireError) {
        guard let value else { return writeNullLength(compact: compact) }
        try writeRecords(value, compact: compact)
    }

    /// The length of bytes or the element count of an array.
    package mutating func writeLength(_ length: Int, compact: Bool) throws(WireError) {
        guard let length = Int32(exactly: length), length < Int32.max else {
            throw .unsupported("length of \(length), the protocol has at most \(Int32.max - 1)")
        }
        if compact {
            writeUnsignedVarint(UInt32(bitPattern: length) + 1)
        } else {
            write(length)
        }
    }

    /// Null in place of bytes or an array.
    package mutating func writeNullLength(compact: Bool) {
        if compact { writeUnsignedVarint(0) } else { write(-1 as Int32) }
    }

    /// The byte in front of a nullable struct.
    package mutating func writePresence(_ present: Bool) { write(present ? 1 : -1 as Int8) }

    /// The number in front of a nullable struct that is a tagged field.
    package mutating func writeTaggedPresence(_ present: Bool) { writeUnsignedVarint(present ? 1 : 0) }

    // MARK: Tagged fields

    /// Writes a tagged field whose content is `body`. Its size goes first and is not known before.
    package mutating func writeTaggedField(_ tag: UInt32, _ body: WireWriter) throws(WireError) {
        var body = body
        writeUnsignedVarint(tag)
        let byteCount = body.buffer.readableBytes + body.externalByteCount
        guard let byteCount = Int32(exactly: byteCount) else {
            throw .unsupported("tagged field of \(byteCount) bytes")
        }
        writeUnsignedVarint(UInt32(bitPattern: byteCount))
        let shift = writerIndex - body.buffer.readerIndex
        for split in body.splits { splits.append((position: split.position + shift, token: split.token)) }
        externalByteCount += body.externalByteCount
        write(bytes: body.buffer)
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
