import NIOCore

/// The head of an HTTP/1.1 request as most clients write it, found in what the socket gave: where the request ends, and
/// whether it can be answered without the rest of the machinery.
///
/// This is no parser of HTTP. It knows the plain form well enough to be sure of it, and leaves everything else, what is
/// wrong included, to the one that is: whoever gets `.other` hands the bytes on.
///
/// - SeeAlso: RFC 9112, sections 3, 5 and 6.
struct PlainHead: Equatable {
    /// With the empty line.
    var byteCount = 0
    /// By `Content-Length`; 0 without.
    var bodyByteCount = 0
    /// Of the request's target, counted from the first byte of the head.
    var target = 0..<0
    /// Of the value of `Accept`; nil without.
    var accept: Range<Int>?
    /// Of the value of `Authorization`; nil without.
    var authorization: Range<Int>?
    /// A POST with a length, of which neither a header nor the connection asks for anything out of the ordinary.
    var isPlain = true
    /// The connection may end with the answer, or become something else.
    var isLast = false

    private static let byteCountMax = 8192
    private static let headerCountMax = 64

    enum Look: Equatable {
        /// More bytes have to come.
        case incomplete
        /// Where the request ends is not for this to say.
        case other
        case head(PlainHead)
    }

    static func look(at bytes: UnsafeRawBufferPointer) -> Look {
        var head = PlainHead()
        guard let line = Line(in: bytes, from: 0) else { return bytes.count > byteCountMax ? .other : .incomplete }
        guard line.isWhole, head.take(requestLine: bytes, line.text) else { return .other }
        var at = line.next
        var seen = Seen()
        while let line = Line(in: bytes, from: at) {
            guard line.isWhole, line.next <= byteCountMax else { return .other }
            at = line.next
            if line.text.isEmpty {
                head.byteCount = at
                if !seen.hasHost || !seen.hasLength { head.isPlain = false }
                return .head(head)
            }
            seen.count += 1
            guard seen.count <= headerCountMax, head.take(header: bytes, line.text, &seen) else { return .other }
        }
        return bytes.count > byteCountMax ? .other : .incomplete
    }

    private struct Seen {
        var count = 0
        var hasHost = false
        var hasLength = false
    }

    /// A line that ends with CR LF.
    private struct Line {
        var text: Range<Int>
        var next: Int
        /// Whether a CR stands before the LF.
        var isWhole: Bool

        init?(in bytes: UnsafeRawBufferPointer, from at: Int) {
            guard let end = bytes[at...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
            isWhole = end > at && bytes[end - 1] == UInt8(ascii: "\r")
            text = at..<(isWhole ? end - 1 : end)
            next = end + 1
        }
    }

    private mutating func take(requestLine bytes: UnsafeRawBufferPointer, _ line: Range<Int>) -> Bool {
        let space = UInt8(ascii: " ")
        guard let first = bytes[line].firstIndex(of: space), first > line.lowerBound,
            let second = bytes[(first + 1)..<line.upperBound].firstIndex(of: space), second > first + 1,
            Self.isSame(bytes, (second + 1)..<line.upperBound, "HTTP/1.1", ignoringCase: false)
        else { return false }
        let method = line.lowerBound..<first
        guard bytes[method].allSatisfy({ UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 }) else { return false }
        // The one method that changes what follows its head.
        guard !Self.isSame(bytes, method, "CONNECT", ignoringCase: false) else { return false }
        isPlain = Self.isSame(bytes, method, "POST", ignoringCase: false)
        target = (first + 1)..<second
        return true
    }

    /// - Returns: false when the header is not well formed, or decides in some other way where the request ends.
    private mutating func take(header bytes: UnsafeRawBufferPointer, _ line: Range<Int>, _ seen: inout Seen) -> Bool {
        guard let colon = bytes[line].firstIndex(of: UInt8(ascii: ":")), colon > line.lowerBound else { return false }
        let name = line.lowerBound..<colon
        guard bytes[name].allSatisfy(Self.isOfName) else { return false }
        var value = (colon + 1)..<line.upperBound
        while let first = value.first, Self.isBlank(bytes[first]) { value = (first + 1)..<value.upperBound }
        while let last = value.last, Self.isBlank(bytes[last]) { value = value.lowerBound..<last }
        guard bytes[value].allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 == 0x09 }) else { return false }
        func isNamed(_ other: StaticString) -> Bool { Self.isSame(bytes, name, other, ignoringCase: true) }
        switch name.count {
        case 2 where isNamed("te"), 7 where isNamed("upgrade") || isNamed("trailer"),
            17 where isNamed("transfer-encoding"):
            return false
        case 4 where isNamed("host"):
            if seen.hasHost || value.isEmpty { isPlain = false }
            seen.hasHost = true
        case 6 where isNamed("accept"):
            if accept != nil { isPlain = false }
            accept = value
        case 6 where isNamed("origin") || isNamed("expect"): isPlain = false
        case 10 where isNamed("connection"):
            if !Self.isSame(bytes, value, "keep-alive", ignoringCase: true) { (isPlain, isLast) = (false, true) }
        case 13 where isNamed("authorization"):
            if authorization != nil { isPlain = false }
            authorization = value
        case 14 where isNamed("sec-fetch-site"): isPlain = false
        case 14 where isNamed("content-length"):
            guard !seen.hasLength, 1...9 ~= value.count else { return false }
            seen.hasLength = true
            for byte in bytes[value] {
                guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte else { return false }
                bodyByteCount = 10 * bodyByteCount + Int(byte - UInt8(ascii: "0"))
            }
        default: break
        }
        return true
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    /// Fewer than the standard allows: names that clients use.
    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// - Parameter other: in lower case if case is ignored.
    private static func isSame(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ other: StaticString, ignoringCase: Bool
    ) -> Bool {
        guard range.count == other.utf8CodeUnitCount else { return false }
        for offset in 0..<range.count {
            var byte = bytes[range.lowerBound + offset]
            if ignoringCase, UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte { byte |= 0x20 }
            guard byte == other.utf8Start[offset] else { return false }
        }
        return true
    }
}
