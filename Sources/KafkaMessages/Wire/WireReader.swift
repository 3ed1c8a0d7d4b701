package import Bytes
package import NIOCore

/// Reads the primitive types of Kafka's protocol from one frame, in order; nothing read here can make it trap.
///
/// | type              | not compact                    | compact (flexible versions, KIP-482)    |
/// |-------------------|--------------------------------|-----------------------------------------|
/// | string            | Int16 byte count, -1 is null   | unsigned varint of byte count + 1, 0 null |
/// | bytes, records    | Int32 byte count, -1 is null   | the same                                |
/// | array             | Int32 element count, -1 null   | the same, of the element count          |
/// | nullable struct   | Int8: negative is null, else the struct follows | the same                   |
///
/// Every method throws `WireError.truncated` when the bytes end inside the value and `.corrupt` when no continuation
/// could make it valid. Byte fields are slices that share the frame's storage. An announced length or count is compared
/// with the bytes that are there before anything is allocated.
package struct WireReader: @unchecked Sendable {
    /// The elements that an array of `count` reserves at once; a longer one grows with what is really read.
    static func reserved(_ count: Int) -> Int { min(count, 64) }

    private let frame: ByteBuffer

    /// The readable bytes of `frame`, read through a pointer: a fourth of the instructions of `ByteBuffer.readInteger`.
    ///
    /// Valid as long as the reader, also when it is copied or sent: a `ByteBuffer` moves or changes its bytes only where
    /// nobody else refers to them, and `frame` does and is never written to. Every access through the pointer extends the
    /// lifetime of `frame` over itself.
    private let bytes: UnsafeRawBufferPointer

    /// Index into `bytes`, at most their count.
    private var position = 0

    package init(_ buffer: ByteBuffer) {
        frame = buffer
        bytes = buffer.withUnsafeReadableBytes { $0 }
    }

    /// Bytes not read yet. Kafka ignores bytes after a message; who wants them refused asks here.
    package var readableByteCount: Int { bytes.count &- position }

    /// The bytes not read yet, sharing storage.
    package var rest: ByteBuffer {
        var rest = frame
        rest.moveReaderIndex(forwardBy: position)
        return rest
    }

    // MARK: Fixed size

    package mutating func readInt8() throws(WireError) -> Int8 { try readInteger() }
    package mutating func readInt16() throws(WireError) -> Int16 { try readInteger() }
    package mutating func readInt32() throws(WireError) -> Int32 { try readInteger() }
    package mutating func readInt64() throws(WireError) -> Int64 { try readInteger() }
    package mutating func readUInt16() throws(WireError) -> UInt16 { try readInteger() }
    package mutating func readUInt32() throws(WireError) -> UInt32 { try readInteger() }
    package mutating func readFloat64() throws(WireError) -> Double { Double(bitPattern: try readInteger()) }

    /// One byte; anything but 0 is true, as in Kafka.
    package mutating func readBool() throws(WireError) -> Bool {
        let byte: UInt8 = try readInteger()
        return byte != 0
    }

    package mutating func readUUID() throws(WireError) -> KafkaUUID {
        let high: UInt64 = try readInteger()
        let low: UInt64 = try readInteger()
        return KafkaUUID(high: high, low: low)
    }

    private mutating func readInteger<T: FixedWidthInteger & BitwiseCopyable>() throws(WireError) -> T {
        guard MemoryLayout<T>.size <= readableByteCount else { throw .truncated }
        // The bound is checked on the line above.
        let value = withExtendedLifetime(frame) { bytes.loadUnaligned(fromByteOffset: position, as: T.self) }
        position &+= MemoryLayout<T>.size
        return T(bigEndian: value)
    }

    /// Base 128, at most 5 bytes, not zig-zag.
    package mutating func readUnsignedVarint() throws(WireError) -> UInt32 {
        var value: UInt32 = 0
        var shift: UInt32 = 0
        while shift < 35 {
            let byte: UInt8 = try readInteger()
            value |= UInt32(byte & 0x7F) &<< shift
            if byte < 0x80 {
                guard shift < 28 || byte < 0x10 else { break }
                return value
            }
            shift &+= 7
        }
        throw .corrupt("unsigned varint longer than 32 bits")
    }

    // MARK: Variable size

    package mutating func readString(compact: Bool) throws(WireError) -> String {
        guard let byteCount = try readStringByteCount(compact) else { throw .corrupt("null where a string must be") }
        return try readUTF8(byteCount)
    }

    /// - Parameter nullable: whether the version allows null; where not, null is `.corrupt`.
    package mutating func readNullableString(compact: Bool, nullable: Bool = true) throws(WireError) -> String? {
        guard let byteCount = try readStringByteCount(compact) else {
            guard nullable else { throw .corrupt("null where a string must be") }
            return nil
        }
        return try readUTF8(byteCount)
    }

    package mutating func readBytes(compact: Bool) throws(WireError) -> ByteBuffer {
        guard let byteCount = try readLength(compact) else { throw .corrupt("null where bytes must be") }
        return try readSlice(byteCount)
    }

    package mutating func readNullableBytes(compact: Bool, nullable: Bool = true) throws(WireError) -> ByteBuffer? {
        guard let byteCount = try readLength(compact) else {
            guard nullable else { throw .corrupt("null where bytes must be") }
            return nil
        }
        return try readSlice(byteCount)
    }

    package mutating func readRecords(compact: Bool) throws(WireError) -> Records {
        .bytes(try readBytes(compact: compact))
    }

    package mutating func readNullableRecords(compact: Bool, nullable: Bool = true) throws(WireError) -> Records? {
        guard let bytes = try readNullableBytes(compact: compact, nullable: nullable) else { return nil }
        return .bytes(bytes)
    }

    /// The element count of an array.
    ///
    /// - Parameter elementByteCountMin: the fewest bytes one element takes; a count that the rest of the frame cannot
    ///   hold is `.corrupt`, so that it is never used to allocate.
    package mutating func readCount(compact: Bool, elementByteCountMin: Int) throws(WireError) -> Int {
        guard let count = try readNullableCount(compact: compact, elementByteCountMin: elementByteCountMin) else {
            throw .corrupt("null where an array must be")
        }
        return count
    }

    package mutating func readNullableCount(
        compact: Bool, elementByteCountMin: Int, nullable: Bool = true
    ) throws(WireError) -> Int? {
        guard let count = try readLength(compact) else {
            guard nullable else { throw .corrupt("null where an array must be") }
            return nil
        }
        guard count <= readableByteCount / elementByteCountMin else {
            throw .corrupt("array of \(count) elements in \(readableByteCount) bytes")
        }
        return count
    }

    /// Whether a nullable struct follows.
    package mutating func readPresence(nullable: Bool = true) throws(WireError) -> Bool {
        let marker: Int8 = try readInteger()
        guard marker < 0 else { return true }
        guard nullable else { throw .corrupt("null where a struct must be") }
        return false
    }

    /// The same in front of a nullable struct that is a tagged field: there Kafka writes an unsigned varint, 0 for null.
    package mutating func readTaggedPresence() throws(WireError) -> Bool { try readUnsignedVarint() != 0 }

    private mutating func readStringByteCount(_ compact: Bool) throws(WireError) -> Int? {
        if compact {
            let lengthPlus1 = try readUnsignedVarint()
            if lengthPlus1 == 0 { return nil }
            guard lengthPlus1 <= 0x8000 else { throw .corrupt("string of \(lengthPlus1 - 1) bytes") }
            return Int(lengthPlus1) - 1
        }
        let length: Int16 = try readInteger()
        guard length >= -1 else { throw .corrupt("string of \(length) bytes") }
        return length < 0 ? nil : Int(length)
    }

    private mutating func readLength(_ compact: Bool) throws(WireError) -> Int? {
        if compact {
            let lengthPlus1 = try readUnsignedVarint()
            return lengthPlus1 == 0 ? nil : Int(lengthPlus1) - 1
        }
        let length: Int32 = try readInteger()
        guard length >= -1 else { throw .corrupt("length of \(length)") }
        return length < 0 ? nil : Int(length)
    }

    private mutating func readUTF8(_ byteCount: Int) throws(WireError) -> String {
        guard byteCount <= readableByteCount else { throw .truncated }
        let text = withExtendedLifetime(frame) {
            String(validating: UnsafeRawBufferPointer(rebasing: bytes[position..<position + byteCount]), as: UTF8.self)
        }
        guard let text else { throw .corrupt("string that is not UTF-8") }
        position &+= byteCount
        return text
    }

    private mutating func readSlice(_ byteCount: Int) throws(WireError) -> ByteBuffer {
        guard let slice = frame.getSlice(at: frame.readerIndex + position, length: byteCount) else { throw .truncated }
        position &+= byteCount
        return slice
    }

    // MARK: Tagged fields

    /// Where a walk over the tagged fields at the end of one struct stands.
    package struct TaggedFields: Sendable {
        fileprivate var left: UInt32
        fileprivate var seen: UInt64 = 0
        fileprivate var restAfterField = 0
    }

    /// Begins the tag section that ends every struct of a flexible version.
    package mutating func readTaggedFields() throws(WireError) -> TaggedFields {
        let count = try readUnsignedVarint()
        guard Int(count) <= readableByteCount / 2 else {
            throw .corrupt("\(count) tagged fields in \(readableByteCount) bytes")
        }
        return TaggedFields(left: count)
    }

    /// The next tag, nil after the last. The caller reads the field or calls `skipTaggedField`, then `endTaggedField`.
    ///
    /// The order of tags is not checked (nothing here depends on it); a tag that appears twice is `.corrupt`. Repeated
    /// tags above 63 go unnoticed: we know none that high, and unknown ones are skipped.
    package mutating func nextTag(_ fields: inout TaggedFields) throws(WireError) -> UInt32? {
        guard fields.left > 0 else { return nil }
        fields.left -= 1
        let tag = try readUnsignedVarint()
        let byteCount = Int(try readUnsignedVarint())
        guard byteCount <= readableByteCount else { throw .truncated }
        if tag < 64 {
            let bit: UInt64 = 1 &<< UInt64(tag)
            guard fields.seen & bit == 0 else { throw .corrupt("tag \(tag) appears twice") }
            fields.seen |= bit
        }
        fields.restAfterField = readableByteCount - byteCount
        return tag
    }

    package mutating func skipTaggedField(_ fields: TaggedFields) {
        position = bytes.count - fields.restAfterField
    }

    /// Checks that the field took exactly the bytes its size announced.
    package func endTaggedField(_ fields: TaggedFields, tag: UInt32) throws(WireError) {
        guard readableByteCount == fields.restAfterField else {
            throw .corrupt("tagged field \(tag) does not have the size it announces")
        }
    }

    /// Skips a whole tag section, for structs without tagged fields of their own.
    package mutating func skipTaggedFields() throws(WireError) {
        var fields = try readTaggedFields()
        while try nextTag(&fields) != nil { skipTaggedField(fields) }
    }
}
