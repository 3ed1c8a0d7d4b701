internal import Bytes

/// Reads numbers and pieces of an event, least significant byte first where nothing else is said. Every read checks the
/// bounds. The bytes must outlive it.
struct ByteCursor {
    let bytes: UnsafeRawBufferPointer
    var at: Int

    init(_ bytes: UnsafeRawBufferPointer, at: Int = 0) {
        self.bytes = bytes
        self.at = at
    }

    var left: Int { bytes.count - at }

    @inline(__always) mutating func byte() throws(WireError) -> UInt8 {
        guard at < bytes.count else { throw .truncated }
        defer { at &+= 1 }
        return bytes[at]
    }

    /// 1 to 8 bytes.
    @inline(__always) mutating func integer(_ byteCount: Int) throws(WireError) -> UInt64 {
        guard byteCount >= 0, byteCount <= 8, byteCount <= left else { throw .truncated }
        var value: UInt64 = 0
        for index in 0..<byteCount { value |= UInt64(bytes[at &+ index]) &<< UInt64(8 &* index) }
        at &+= byteCount
        return value
    }

    /// The same, most significant byte first.
    @inline(__always) mutating func bigEndian(_ byteCount: Int) throws(WireError) -> UInt64 {
        guard byteCount >= 0, byteCount <= 8, byteCount <= left else { throw .truncated }
        var value: UInt64 = 0
        for index in 0..<byteCount { value = value &<< 8 | UInt64(bytes[at &+ index]) }
        at &+= byteCount
        return value
    }

    mutating func int(_ byteCount: Int) throws(WireError) -> Int {
        let value = try integer(byteCount)
        guard let number = Int(exactly: value) else { throw .corrupt("a length of \(value) bytes") }
        return number
    }

    mutating func slice(_ byteCount: Int) throws(WireError) -> UnsafeRawBufferPointer {
        guard byteCount >= 0, byteCount <= left else { throw .truncated }
        defer { at += byteCount }
        return UnsafeRawBufferPointer(rebasing: bytes[at..<at + byteCount])
    }

    mutating func skip(_ byteCount: Int) throws(WireError) {
        guard byteCount >= 0, byteCount <= left else { throw .truncated }
        at += byteCount
    }

    mutating func string(_ byteCount: Int) throws(WireError) -> String {
        String(decoding: try slice(byteCount), as: UTF8.self)
    }

    /// MySQL's packed integers.
    mutating func packed() throws(WireError) -> Int {
        switch try byte() {
        case 252: return try int(2)
        case 253: return try int(3)
        case 254: return try int(8)
        case 251, 255: throw .corrupt("a packed length begins with an impossible byte")
        case let small: return Int(small)
        }
    }

    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[at...]) }
}
