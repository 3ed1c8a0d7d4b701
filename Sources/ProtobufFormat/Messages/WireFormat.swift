import Bytes

/// How a value is marked in front of it: the lowest three bits of a tag.
///
/// - SeeAlso: Protocol Buffers encoding guide.
enum WireType: UInt8 {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case startGroup = 3
    case endGroup = 4
    case fixed32 = 5
}

/// A field's number and how its value is marked.
struct WireTag {
    var number: Int32
    var type: WireType
}

/// Reading the parts that messages consist of. Every reader moves `at` past what it read and never beyond `end`, which
/// is within the bytes.
enum Wire {
    /// Messages nested deeper than this are refused: the default of all Protocol Buffers libraries.
    static let depthMax = 100

    /// Base 128, at most 10 bytes; bits beyond 64 are dropped, as all libraries do.
    static func varint(_ bytes: borrowing RawSpan, _ at: inout Int, _ end: Int) throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 70 {
            guard at < end else { throw .truncated }
            let byte = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // bound checked on the line above
            at &+= 1
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 { return value }
            shift &+= 7
        }
        throw .corrupt("varint longer than 10 bytes")
    }

    static func fixed32(_ bytes: borrowing RawSpan, _ at: inout Int, _ end: Int) throws(WireError) -> UInt32 {
        guard end - at >= 4 else { throw .truncated }
        let value = bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt32.self)  // bound checked on the line above
        at &+= 4
        return UInt32(littleEndian: value)
    }

    static func fixed64(_ bytes: borrowing RawSpan, _ at: inout Int, _ end: Int) throws(WireError) -> UInt64 {
        guard end - at >= 8 else { throw .truncated }
        let value = bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self)  // bound checked on the line above
        at &+= 8
        return UInt64(littleEndian: value)
    }

    /// A length, and where what it announces ends.
    static func runEnd(_ bytes: borrowing RawSpan, _ at: inout Int, _ end: Int) throws(WireError) -> Int {
        let length = try varint(bytes, &at, end)
        guard length <= UInt64(end - at) else { throw .truncated }
        return at + Int(length)
    }

    static func tag(_ bytes: borrowing RawSpan, _ at: inout Int, _ end: Int) throws(WireError) -> WireTag {
        let value = try varint(bytes, &at, end)
        guard let type = WireType(rawValue: UInt8(value & 7)) else { throw .corrupt("unknown wire type \(value & 7)") }
        let number = value >> 3
        guard number >= 1, number <= 536_870_911 else { throw .corrupt("field number \(number)") }
        return WireTag(number: Int32(number), type: type)
    }

    /// Passes the value behind a tag; of a group up to and with its end.
    static func skip(
        _ tag: WireTag, _ bytes: borrowing RawSpan, _ at: inout Int, _ end: Int, depth: Int = 0
    ) throws(WireError) {
        switch tag.type {
        case .varint: _ = try varint(bytes, &at, end)
        case .fixed64: _ = try fixed64(bytes, &at, end)
        case .fixed32: _ = try fixed32(bytes, &at, end)
        case .lengthDelimited: at = try runEnd(bytes, &at, end)
        case .startGroup:
            // The numbers of the groups that are open, instead of a recursion.
            var open = [tag.number]
            while let group = open.last {
                let next = try self.tag(bytes, &at, end)
                switch next.type {
                case .startGroup:
                    guard open.count + depth < depthMax else { throw .corrupt("groups are nested too deep") }
                    open.append(next.number)
                case .endGroup:
                    guard next.number == group else { throw .corrupt("a group ends that has not begun") }
                    open.removeLast()
                default: try skip(next, bytes, &at, end, depth: depth)
                }
            }
        case .endGroup: throw .corrupt("a group ends that has not begun")
        }
    }
}
