/// Walks over the binary encoding of a value. Every read checks that the bytes are there.
///
/// - SeeAlso: Apache Avro specification, "Binary Encoding".
struct ByteReader {
    let start: UnsafeRawPointer
    var at: UnsafeRawPointer
    let end: UnsafeRawPointer
    /// Elements and fields without bytes that the value may still have.
    var emptyElementsLeft = AvroFault.emptyElementsMax

    private static let nothing: StaticString = ""

    init(_ bytes: UnsafeRawBufferPointer) {
        // The base of an empty buffer may be nil; nothing is ever read from this address.
        start = bytes.baseAddress ?? UnsafeRawPointer(Self.nothing.utf8Start)
        at = start
        end = start + bytes.count
    }

    var offset: Int { at - start }
    @inline(__always) var left: Int { end - at }

    /// A zig-zag number of at most 10 bytes.
    @inline(__always) mutating func long() throws(AvroFault) -> Int64 {
        let value = try unsigned()
        return Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1)
    }

    @inline(__always) private mutating func unsigned() throws(AvroFault) -> UInt64 {
        guard at < end else { throw .truncated }
        let first = at.load(as: UInt8.self)
        if first < 0x80 {
            at += 1
            return UInt64(first)
        }
        if left >= 8 {
            let word = UInt64(littleEndian: at.loadUnaligned(as: UInt64.self))
            let stops = ~word & 0x8080_8080_8080_8080
            if stops != 0 {
                // Up to and with the byte that stops, then the groups of seven bits moved together.
                let bits = stops.trailingZeroBitCount &+ 1
                at += bits &>> 3
                var x = word & (UInt64.max &>> UInt64(64 &- bits)) & 0x7F7F_7F7F_7F7F_7F7F
                x = (x & 0x007F_007F_007F_007F) | ((x & 0x7F00_7F00_7F00_7F00) &>> 1)
                x = (x & 0x0000_3FFF_0000_3FFF) | ((x & 0x3FFF_0000_3FFF_0000) &>> 2)
                return (x & 0x0FFF_FFFF) | ((x & 0x0FFF_FFFF_0000_0000) &>> 4)
            }
        }
        return try unsignedByBytes()
    }

    @inline(never) private mutating func unsignedByBytes() throws(AvroFault) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 70 {
            guard at < end else { throw .truncated }
            let byte = at.load(as: UInt8.self)
            at += 1
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 { return value }
            shift &+= 7
        }
        throw .varint
    }

    @inline(__always) mutating func int() throws(AvroFault) -> Int32 {
        let value = try long()
        guard let int = Int32(exactly: value) else { throw .integer(value) }
        return int
    }

    @inline(__always) mutating func boolean() throws(AvroFault) -> Bool {
        guard at < end else { throw .truncated }
        let byte = at.load(as: UInt8.self)
        guard byte < 2 else { throw .boolean(byte) }
        at += 1
        return byte == 1
    }

    @inline(__always) mutating func float() throws(AvroFault) -> Float {
        Float(bitPattern: UInt32(littleEndian: try bytes(4).loadUnaligned(as: UInt32.self)))
    }

    @inline(__always) mutating func double() throws(AvroFault) -> Double {
        Double(bitPattern: UInt64(littleEndian: try bytes(8).loadUnaligned(as: UInt64.self)))
    }

    /// Where the next `count` bytes are; passes them.
    @inline(__always) mutating func bytes(_ count: Int) throws(AvroFault) -> UnsafeRawPointer {
        guard count <= left else { throw .truncated }
        let start = at
        at += count
        return start
    }

    /// The length of bytes or a string that follow; they are there.
    @inline(__always) mutating func length() throws(AvroFault) -> Int {
        let length = try long()
        guard length >= 0 else { throw .length(length) }
        guard length <= left else { throw .truncated }
        return Int(length)
    }

    /// How many elements the next block of an array or map has; 0 at the end.
    ///
    /// - Parameter elementByteCountMin: the fewest bytes of an element, which bound what can be there.
    @inline(__always) mutating func blockCount(elementByteCountMin: Int) throws(AvroFault) -> Int {
        var count = try long()
        if count < 0 {
            guard count != .min else { throw .blockCount(count) }
            count = -count
            _ = try length()  // the block's bytes, for those who pass over it
        }
        if elementByteCountMin > 0 {
            guard count <= left / elementByteCountMin else { throw .blockCount(count) }
        } else {
            try takeEmpty(count)
        }
        return Int(count)
    }

    /// Notes values that take no bytes.
    mutating func takeEmpty(_ count: some BinaryInteger) throws(AvroFault) {
        guard count <= emptyElementsLeft else { throw .emptyElements }
        emptyElementsLeft -= Int(count)
    }

    @inline(__always) mutating func branch(of count: Int) throws(AvroFault) -> Int {
        let branch = try long()
        guard 0 <= branch, branch < count else { throw .branch(branch, of: count) }
        return Int(branch)
    }

    @inline(__always) mutating func symbol(of count: Int) throws(AvroFault) -> Int {
        let symbol = try long()
        guard 0 <= symbol, symbol < count else { throw .symbol(symbol, of: count) }
        return Int(symbol)
    }
}
