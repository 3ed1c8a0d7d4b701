extension JSONCursor {
    /// Passes a string. Its escapes and its UTF-8 are checked; halves of surrogate pairs may stand alone, as the
    /// grammar allows.
    @inlinable package mutating func readString(in bytes: RawSpan) throws(JSONError) -> JSONStringRange {
        skipSpace(in: bytes)
        try expect(UInt8(ascii: "\""), "a string", in: bytes)
        let start = at
        var place = at
        var isPlain = true
        var high: UInt64 = 0  // the top bits of all bytes: whether there is anything beyond ASCII
        let count = bytes.byteCount
        while true {
            // Eight bytes at a time up to the next quote, backslash or control character. The lowest bit that is set in
            // `hits` is exact; those above it may be carries.
            while place &+ 8 <= count {
                let word = UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self))
                let hits = Self.specials(in: word)
                if hits == 0 {
                    high |= word & Self.highBits
                    place &+= 8
                } else {
                    high |= word & Self.highBits & ((hits & (0 &- hits)) &- 1)
                    place &+= hits.trailingZeroBitCount &>> 3
                    break
                }
            }
            guard place < count else {
                at = place
                throw unexpected("the end of a string", in: bytes)
            }
            let byte = bytes.unsafeLoad(fromByteOffset: place, as: UInt8.self)  // bound checked on the line above
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                isPlain = false
                place = try Self.passEscape(in: bytes, from: place)
            } else if byte < 0x20 {
                at = place
                throw unexpected("a character of a string", in: bytes)
            } else {
                high |= UInt64(byte) & 0x80
                place &+= 1
            }
        }
        if high != 0, let bad = UTF8Check.firstBadByte(in: bytes, from: start, to: place) {
            throw JSONError(.notUTF8, "a string that is not UTF-8", at: bad, in: bytes)
        }
        at = place &+ 1
        return JSONStringRange(start: start, end: place, isPlain: isPlain)
    }

    @inlinable static var highBits: UInt64 { 0x8080_8080_8080_8080 }

    /// The top bit of every byte that is a quote, a backslash or a control character.
    @inlinable @inline(__always) static func specials(in word: UInt64) -> UInt64 {
        let quotes = word ^ 0x2222_2222_2222_2222
        let slashes = word ^ 0x5C5C_5C5C_5C5C_5C5C
        let ones: UInt64 = 0x0101_0101_0101_0101
        let below = (word &- 0x2020_2020_2020_2020) & ~word
        return ((quotes &- ones) & ~quotes | (slashes &- ones) & ~slashes | below) & highBits
    }

    @usableFromInline static func passEscape(in bytes: RawSpan, from start: Int) throws(JSONError) -> Int {
        func byte(_ at: Int) -> UInt8 {
            at < bytes.byteCount ? bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self) : 0
        }
        switch byte(start + 1) {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return start + 2
        case UInt8(ascii: "u"):
            for index in 2..<6 where hexDigit(byte(start + index)) == nil {
                throw JSONCursor(at: start + index).unexpected("four hexadecimal digits after \\u", in: bytes)
            }
            return start + 6
        default: throw JSONCursor(at: start + 1).unexpected("one of \"\\/bfnrtu after a backslash", in: bytes)
        }
    }

    private static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x37)
        case 0x61...0x66: UInt32(byte - 0x57)
        default: nil
        }
    }

    /// Whether the string of `range` is `text`, which is how members are found without making strings of their names.
    @inlinable package static func isEqual(_ range: JSONStringRange, in bytes: RawSpan, to text: [UInt8]) -> Bool {
        guard range.isPlain else { return unescaped(range, in: bytes) == text }
        guard range.end &- range.start == text.count, range.start >= 0, range.end <= bytes.byteCount else {
            return false
        }
        for index in 0..<text.count
        where bytes.unsafeLoad(fromByteOffset: range.start &+ index, as: UInt8.self) != text[index] {
            return false
        }
        return true
    }

    @usableFromInline static func unescaped(_ range: JSONStringRange, in bytes: RawSpan) -> [UInt8] {
        var text: [UInt8] = []
        append(range, in: bytes, to: &text)
        return text
    }

    /// The string of `range` as a value of its own.
    package static func string(_ range: JSONStringRange, in bytes: RawSpan) -> String {
        guard range.isPlain else { return String(decoding: unescaped(range, in: bytes), as: UTF8.self) }
        return bytes.extracting(range.start..<range.end).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// Appends what the string of `range` means, as UTF-8. Halves of a surrogate pair that stand alone become U+FFFD.
    package static func append(_ range: JSONStringRange, in bytes: RawSpan, to output: inout [UInt8]) {
        if range.isPlain {
            bytes.extracting(range.start..<range.end).withUnsafeBytes { output.append(contentsOf: $0) }
            return
        }
        bytes.extracting(range.start..<range.end).withUnsafeBytes { text in
            func codeUnit(_ at: Int) -> UInt32 {
                (at..<(at + 4)).reduce(0) { $0 << 4 | (hexDigit(text[$1]) ?? 0) }
            }
            var at = 0
            while at < text.count {
                guard text[at] == UInt8(ascii: "\\") else {
                    let start = at
                    while at < text.count, text[at] != UInt8(ascii: "\\") { at += 1 }
                    output.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[start..<at]))
                    continue
                }
                let escape = text[at + 1]  // the string was passed before, so every escape is whole
                at += 2
                switch escape {
                case UInt8(ascii: "b"): output.append(0x08)
                case UInt8(ascii: "f"): output.append(0x0C)
                case UInt8(ascii: "n"): output.append(0x0A)
                case UInt8(ascii: "r"): output.append(0x0D)
                case UInt8(ascii: "t"): output.append(0x09)
                case UInt8(ascii: "u"):
                    var code = codeUnit(at)
                    at += 4
                    if 0xD800...0xDBFF ~= code, at + 6 <= text.count, text[at] == UInt8(ascii: "\\"),
                        text[at + 1] == UInt8(ascii: "u"), 0xDC00...0xDFFF ~= codeUnit(at + 2)
                    {
                        code = 0x10000 + (code - 0xD800) << 10 + (codeUnit(at + 2) - 0xDC00)
                        at += 6
                    }
                    output.append(contentsOf: Unicode.UTF8.encode(Unicode.Scalar(code) ?? "\u{FFFD}") ?? .init())
                default: output.append(escape)
                }
            }
        }
    }
}

/// Whether bytes are UTF-8 as RFC 3629 has it: no surrogates, nothing overlong, nothing beyond U+10FFFF.
@usableFromInline enum UTF8Check {
    /// Where the first sequence that is none begins; nil when all are.
    @usableFromInline static func firstBadByte(in bytes: RawSpan, from start: Int, to end: Int) -> Int? {
        guard start >= 0, end <= bytes.byteCount else { return start }
        func byte(_ at: Int) -> UInt8 { at < end ? bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self) : 0 }
        func isNext(_ at: Int) -> Bool { byte(at) & 0xC0 == 0x80 }
        var at = start
        while at < end {
            let first = byte(at)
            let count: Int
            switch first {
            case 0x00...0x7F: count = 1
            case 0xC2...0xDF: count = isNext(at + 1) ? 2 : 0
            case 0xE0...0xEF:
                let low: UInt8 = first == 0xE0 ? 0xA0 : 0x80
                let top: UInt8 = first == 0xED ? 0x9F : 0xBF
                count = low...top ~= byte(at + 1) && isNext(at + 2) ? 3 : 0
            case 0xF0...0xF4:
                let low: UInt8 = first == 0xF0 ? 0x90 : 0x80
                let top: UInt8 = first == 0xF4 ? 0x8F : 0xBF
                count = low...top ~= byte(at + 1) && isNext(at + 2) && isNext(at + 3) ? 4 : 0
            default: count = 0
            }
            if count == 0 { return at }
            at += count
        }
        return nil
    }
}
