/// What kind of value begins with a byte.
package enum JSONKind: UInt8, Sendable {
    case object, array, string, number, bool, null
}

/// A string in a JSON text, not yet unescaped.
package struct JSONStringRange: Sendable, Hashable {
    /// Between the quotes.
    package var start: Int
    package var end: Int
    /// The bytes are the string: nothing is escaped.
    package var isPlain: Bool

    @inlinable package init(start: Int, end: Int, isPlain: Bool) {
        self.start = start
        self.end = end
        self.isPlain = isPlain
    }
}

/// A number in a JSON text.
package struct JSONNumberRange: Sendable, Hashable {
    package var start: Int
    package var end: Int
    /// Written without fraction and exponent.
    package var isInteger: Bool

    @inlinable package init(start: Int, end: Int, isInteger: Bool) {
        self.start = start
        self.end = end
        self.isInteger = isInteger
    }
}

/// Reads JSON where it lies: a place in a text that moves on with every call, in the manner of a pull parser.
///
/// Nothing is allocated: strings and numbers are answered as ranges, values that nobody wants are passed over. The
/// bytes are an argument of every call and must be the same from the first to the last. Every call checks what it
/// reads; after an error the cursor stays where the error is.
///
///     var cursor = JSONCursor()
///     if try cursor.enterObject(in: bytes) {
///         repeat {
///             let name = try cursor.readName(in: bytes)
///             try cursor.skipValue(in: bytes)
///         } while try cursor.nextMember(in: bytes)
///     }
///     try cursor.expectEnd(in: bytes)
///
/// - SeeAlso: RFC 8259.
package struct JSONCursor: Sendable {
    /// The next byte, from 0.
    package var at: Int
    /// How deep arrays and objects may be nested in a value that is passed over.
    package var depthMax: Int
    /// Whether `007` is a number, which it is to some readers but not to RFC 8259.
    package var allowsLeadingZeros: Bool

    @inlinable package init(at: Int = 0, depthMax: Int = JSONText.depthMax, allowsLeadingZeros: Bool = false) {
        self.at = at
        self.depthMax = depthMax
        self.allowsLeadingZeros = allowsLeadingZeros
    }

    // MARK: Tokens

    /// The byte at the cursor; 0, which no token begins with, at the end.
    @inlinable @inline(__always) func peek(in bytes: RawSpan) -> UInt8 {
        at < bytes.byteCount ? bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self) : 0
    }

    @inlinable @inline(__always) package mutating func skipSpace(in bytes: RawSpan) {
        while at < bytes.byteCount {
            let byte = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)
            guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            at &+= 1
        }
    }

    /// What the next value is, without reading it.
    @inlinable package mutating func kind(in bytes: RawSpan) throws(JSONError) -> JSONKind {
        skipSpace(in: bytes)
        switch peek(in: bytes) {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "-"), 0x30...0x39: return .number
        default: throw unexpected("a value", in: bytes)
        }
    }

    /// - Throws: `.syntax` unless nothing but white space is left.
    @inlinable package mutating func expectEnd(in bytes: RawSpan) throws(JSONError) {
        skipSpace(in: bytes)
        if at != bytes.byteCount { throw unexpected("the end of the text", in: bytes) }
    }

    @inlinable @inline(__always) mutating func expect(
        _ byte: UInt8, _ what: StaticString, in bytes: RawSpan
    ) throws(JSONError) {
        guard peek(in: bytes) == byte else { throw unexpected(what, in: bytes) }
        at &+= 1
    }

    @inline(never) @usableFromInline func unexpected(_ what: StaticString, in bytes: RawSpan) -> JSONError {
        guard at < bytes.byteCount else {
            return JSONError(.syntax, "the text ends where \(what) should be", at: at, in: bytes)
        }
        let byte = peek(in: bytes)
        let found =
            0x21...0x7E ~= byte
            ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(byte < 16 ? "0" : "")\(String(byte, radix: 16))"
        return JSONError(.syntax, "expected \(what) but found \(found)", at: at, in: bytes)
    }

    // MARK: Objects and arrays

    /// Passes the `{`. - Returns: whether there is a member; when there is none, the object is passed.
    @inlinable package mutating func enterObject(in bytes: RawSpan) throws(JSONError) -> Bool {
        skipSpace(in: bytes)
        try expect(UInt8(ascii: "{"), "an object", in: bytes)
        skipSpace(in: bytes)
        if peek(in: bytes) == UInt8(ascii: "}") {
            at &+= 1
            return false
        }
        return true
    }

    /// Passes a member's name and the colon.
    @inlinable package mutating func readName(in bytes: RawSpan) throws(JSONError) -> JSONStringRange {
        skipSpace(in: bytes)
        guard peek(in: bytes) == UInt8(ascii: "\"") else { throw unexpected("the name of a member", in: bytes) }
        let name = try readString(in: bytes)
        skipSpace(in: bytes)
        try expect(UInt8(ascii: ":"), "':' after the name of a member", in: bytes)
        return name
    }

    /// Passes the comma after a member, or the `}` after the last. - Returns: whether a member follows.
    @inlinable package mutating func nextMember(in bytes: RawSpan) throws(JSONError) -> Bool {
        skipSpace(in: bytes)
        switch peek(in: bytes) {
        case UInt8(ascii: ","):
            at &+= 1
            return true
        case UInt8(ascii: "}"):
            at &+= 1
            return false
        default: throw unexpected("',' or '}' after a member", in: bytes)
        }
    }

    /// Passes the `[`. - Returns: whether there is an element; when there is none, the array is passed.
    @inlinable package mutating func enterArray(in bytes: RawSpan) throws(JSONError) -> Bool {
        skipSpace(in: bytes)
        try expect(UInt8(ascii: "["), "an array", in: bytes)
        skipSpace(in: bytes)
        if peek(in: bytes) == UInt8(ascii: "]") {
            at &+= 1
            return false
        }
        return true
    }

    /// Passes the comma after an element, or the `]` after the last. - Returns: whether an element follows.
    @inlinable package mutating func nextElement(in bytes: RawSpan) throws(JSONError) -> Bool {
        skipSpace(in: bytes)
        switch peek(in: bytes) {
        case UInt8(ascii: ","):
            at &+= 1
            return true
        case UInt8(ascii: "]"):
            at &+= 1
            return false
        default: throw unexpected("',' or ']' after an element", in: bytes)
        }
    }

    // MARK: Words

    /// Passes `true` or `false`.
    @inlinable package mutating func readBool(in bytes: RawSpan) throws(JSONError) -> Bool {
        skipSpace(in: bytes)
        if peek(in: bytes) == UInt8(ascii: "t") {
            try word(0x6575_7274, byteCount: 4, from: at, "true", in: bytes)  // "true", little-endian
            return true
        }
        guard peek(in: bytes) == UInt8(ascii: "f") else { throw unexpected("true or false", in: bytes) }
        try word(0x6573_6C61, byteCount: 5, from: at &+ 1, "false", in: bytes)  // "alse"
        return false
    }

    /// Passes `null`.
    @inlinable package mutating func readNull(in bytes: RawSpan) throws(JSONError) {
        skipSpace(in: bytes)
        try word(0x6C6C_756E, byteCount: 4, from: at, "null", in: bytes)
    }

    /// Whether the next value is `null`; it is passed if so.
    @inlinable package mutating func takeNull(in bytes: RawSpan) throws(JSONError) -> Bool {
        skipSpace(in: bytes)
        guard peek(in: bytes) == UInt8(ascii: "n") else { return false }
        try word(0x6C6C_756E, byteCount: 4, from: at, "null", in: bytes)
        return true
    }

    @inlinable @inline(__always) mutating func word(
        _ letters: UInt32, byteCount: Int, from start: Int, _ what: StaticString, in bytes: RawSpan
    ) throws(JSONError) {
        guard start &+ 4 <= bytes.byteCount,
            bytes.unsafeLoadUnaligned(fromByteOffset: start, as: UInt32.self) == UInt32(littleEndian: letters)
        else { throw unexpected(what, in: bytes) }
        at &+= byteCount
    }

    // MARK: Passing over

    /// Passes one value of any kind, and checks all of it.
    ///
    /// - Throws: `.tooDeep` for more than `depthMax` levels, beside the errors of what it passes.
    @inlinable package mutating func skipValue(in bytes: RawSpan) throws(JSONError) {
        switch try kind(in: bytes) {
        case .string: _ = try readString(in: bytes)
        case .number: _ = try readNumber(in: bytes)
        case .bool: _ = try readBool(in: bytes)
        case .null: try readNull(in: bytes)
        case .object, .array: try skipNested(in: bytes, depth: 1)
        }
    }

    @usableFromInline mutating func skipNested(in bytes: RawSpan, depth: Int) throws(JSONError) {
        guard depth <= depthMax else {
            throw JSONError(.tooDeep, "nested more than \(depthMax) levels deep", at: at, in: bytes)
        }
        let isObject = peek(in: bytes) == UInt8(ascii: "{")
        guard try isObject ? enterObject(in: bytes) : enterArray(in: bytes) else { return }
        repeat {
            if isObject { _ = try readName(in: bytes) }
            switch try kind(in: bytes) {
            case .string: _ = try readString(in: bytes)
            case .number: _ = try readNumber(in: bytes)
            case .bool: _ = try readBool(in: bytes)
            case .null: try readNull(in: bytes)
            case .object, .array: try skipNested(in: bytes, depth: depth &+ 1)
            }
        } while try isObject ? nextMember(in: bytes) : nextElement(in: bytes)
    }
}
