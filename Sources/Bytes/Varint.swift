/// Variable-length integers of Kafka's record format and flexible messages (Protocol Buffers base-128, KIP-482).
///
/// Every reader moves `at` past the value and throws `WireError.truncated` when the bytes end inside it,
/// `.corrupt` when the value is longer than its type allows.
package enum Varint {
    /// Unsigned, at most 5 bytes: lengths, tags and counts of flexible messages.
    @inlinable @inline(__always) package static func readUnsigned(
        _ bytes: borrowing RawSpan, at: inout Int
    ) throws(WireError) -> UInt32 {
        guard at < bytes.byteCount else { throw .truncated }
        let first = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // bound checked on the line above
        at &+= 1
        if first < 0x80 { return UInt32(first) }
        if at < bytes.byteCount {
            let second = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // bound checked on the line above
            if second < 0x80 {
                at &+= 1
                return UInt32(first & 0x7F) | UInt32(second) &<< 7
            }
        }
        let (value, end) = try readUnsignedRest(first, bytes, at)
        at = end
        return value
    }

    /// Zig-zag, at most 10 bytes: timestamp deltas of records.
    @inlinable @inline(__always) package static func readLong(
        _ bytes: borrowing RawSpan, at: inout Int
    ) throws(WireError) -> Int64 {
        guard at < bytes.byteCount else { throw .truncated }
        let first = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // bound checked on the line above
        at &+= 1
        var value = UInt64(first)
        if first >= 0x80 {
            let second = at < bytes.byteCount ? bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self) : 0x80
            if second < 0x80 {
                at &+= 1
                value = value & 0x7F | UInt64(second) &<< 7
            } else {
                (value, at) = try readLongRest(first, bytes, at)
            }
        }
        return Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// Zig-zag, at most 5 bytes: lengths and offset deltas of records.
    @inlinable @inline(__always) package static func readInt(
        _ bytes: borrowing RawSpan, at: inout Int
    ) throws(WireError) -> Int32 {
        let value = try readUnsigned(bytes, at: &at)
        return Int32(bitPattern: value &>> 1) ^ -Int32(bitPattern: value & 1)
    }

    /// The value, and where it ends, of a varint whose first byte was read. A call, so that the short way above is small
    /// enough to be everywhere; it takes the position by value, so that the caller's stays in a register.
    @usableFromInline static func readUnsignedRest(
        _ first: UInt8, _ bytes: borrowing RawSpan, _ start: Int
    ) throws(WireError) -> (UInt32, end: Int) {
        var at = start
        var value = UInt32(first & 0x7F)
        var shift: UInt32 = 7
        while shift < 35 {
            guard at < bytes.byteCount else { throw .truncated }
            let byte = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // bound checked on the line above
            at &+= 1
            value |= UInt32(byte & 0x7F) &<< shift
            if byte < 0x80 { return (value, at) }
            shift &+= 7
        }
        throw .corrupt("unsigned varint longer than 5 bytes")
    }

    @usableFromInline static func readLongRest(
        _ first: UInt8, _ bytes: borrowing RawSpan, _ start: Int
    ) throws(WireError) -> (UInt64, end: Int) {
        var at = start
        var value = UInt64(first & 0x7F)
        var shift: UInt64 = 7
        while shift < 70 {
            guard at < bytes.byteCount else { throw .truncated }
            let byte = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // bound checked on the line above
            at &+= 1
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 { return (value, at) }
            shift &+= 7
        }
        throw .corrupt("varlong longer than 10 bytes")
    }

    /// Appends `value` in base 128, least significant group first.
    @inlinable package static func append(unsigned value: UInt64, to output: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        output.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Appends `value` zig-zag encoded.
    @inlinable package static func append(_ value: Int64, to output: inout [UInt8]) {
        append(unsigned: UInt64(bitPattern: (value &<< 1) ^ (value &>> 63)), to: &output)
    }

    /// Bytes that the zig-zag encoding of `value` takes: 1...10.
    @inlinable package static func byteCount(_ value: Int64) -> Int {
        byteCount(unsigned: UInt64(bitPattern: (value &<< 1) ^ (value &>> 63)))
    }

    /// Bytes that the base-128 encoding of `value` takes: 1...10.
    @inlinable package static func byteCount(unsigned value: UInt64) -> Int {
        (70 &- (value | 1).leadingZeroBitCount) / 7
    }
}
