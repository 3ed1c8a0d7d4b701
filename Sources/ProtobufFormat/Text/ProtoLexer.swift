/// One token of a `.proto` text.
struct ProtoToken {
    enum Kind: Hashable {
        case name(String)
        /// As written: decimal, hexadecimal, octal, with fraction or exponent.
        case number(String)
        /// What the quotes hold, escapes replaced. Not always UTF-8: defaults of `bytes` are written in quotes too.
        case string([UInt8])
        case symbol(UInt8)
        case end
    }

    var kind: Kind
    var position: TextPosition

    /// For error messages: the token as the reader of the message sees it in the text.
    var shown: String {
        switch kind {
        case .name(let name): "\"\(name)\""
        case .number(let number): "\"\(number)\""
        case .string: "a string"
        case .symbol(let byte): "\"\(Character(Unicode.Scalar(byte)))\""
        case .end: "the end of the text"
        }
    }
}

/// Cuts a `.proto` text into tokens; comments and white space are passed over.
///
/// - SeeAlso: Protocol Buffers language specification, "Lexical elements".
struct ProtoLexer {
    private let bytes: [UInt8]
    private var at = 0
    private var line: Int32 = 1
    private var lineStart = 0

    init(_ text: String) {
        bytes = Array(text.utf8)
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            at = 3
            lineStart = 3
        }
    }

    private var position: TextPosition {
        TextPosition(line: line, column: Int32(clamping: at - lineStart + 1))
    }

    private func byte(_ offset: Int = 0) -> UInt8? { at + offset < bytes.count ? bytes[at + offset] : nil }

    mutating func next() throws(ProtobufError) -> ProtoToken {
        try skipSpaceAndComments()
        let start = position
        guard let first = byte() else { return ProtoToken(kind: .end, position: start) }
        switch first {
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            return ProtoToken(kind: .string(try string(first, from: start)), position: start)
        case _ where Self.isDigit(first) || first == UInt8(ascii: ".") && byte(1).map(Self.isDigit) == true:
            return ProtoToken(kind: .number(number()), position: start)
        case _ where Self.isLetter(first):
            let from = at
            while let next = byte(), Self.isLetter(next) || Self.isDigit(next) { at += 1 }
            return ProtoToken(kind: .name(String(decoding: bytes[from..<at], as: UTF8.self)), position: start)
        case 0x21...0x7E:
            at += 1
            return ProtoToken(kind: .symbol(first), position: start)
        default:
            throw ProtobufError(.syntax, "a character that does not belong here", at: start)
        }
    }

    private mutating func skipSpaceAndComments() throws(ProtobufError) {
        while let next = byte() {
            switch next {
            case 0x0A:
                at += 1
                line &+= 1
                lineStart = at
            case 0x09, 0x0B, 0x0C, 0x0D, 0x20: at += 1
            case UInt8(ascii: "/") where byte(1) == UInt8(ascii: "/"):
                while let next = byte(), next != 0x0A { at += 1 }
            case UInt8(ascii: "/") where byte(1) == UInt8(ascii: "*"):
                let start = position
                at += 2
                while byte() != UInt8(ascii: "*") || byte(1) != UInt8(ascii: "/") {
                    guard let next = byte() else {
                        throw ProtobufError(.syntax, "a comment that does not end", at: start)
                    }
                    at += 1
                    if next == 0x0A {
                        line &+= 1
                        lineStart = at
                    }
                }
                at += 2
            default: return
            }
        }
    }

    /// Letters, digits and points, and a sign behind an exponent. What is no number is found when it is used as one.
    private mutating func number() -> String {
        let from = at
        let isHexadecimal =
            byte() == UInt8(ascii: "0") && (byte(1) == UInt8(ascii: "x") || byte(1) == UInt8(ascii: "X"))
        while let next = byte() {
            if Self.isDigit(next) || Self.isLetter(next) || next == UInt8(ascii: ".") {
                at += 1
                let isExponent = next == UInt8(ascii: "e") || next == UInt8(ascii: "E")
                if isExponent, !isHexadecimal, byte() == UInt8(ascii: "-") || byte() == UInt8(ascii: "+") { at += 1 }
            } else {
                break
            }
        }
        return String(decoding: bytes[from..<at], as: UTF8.self)
    }

    private mutating func string(_ quote: UInt8, from start: TextPosition) throws(ProtobufError) -> [UInt8] {
        at += 1
        var output: [UInt8] = []
        while let next = byte(), next != 0x0A {
            at += 1
            if next == quote { return output }
            if next == UInt8(ascii: "\\") { try escape(into: &output) } else { output.append(next) }
        }
        throw ProtobufError(.syntax, "a string that does not end on its line", at: start)
    }

    private mutating func escape(into output: inout [UInt8]) throws(ProtobufError) {
        let start = position
        guard let kind = byte() else { return }
        at += 1
        switch kind {
        case UInt8(ascii: "a"): output.append(0x07)
        case UInt8(ascii: "b"): output.append(0x08)
        case UInt8(ascii: "f"): output.append(0x0C)
        case UInt8(ascii: "n"): output.append(0x0A)
        case UInt8(ascii: "r"): output.append(0x0D)
        case UInt8(ascii: "t"): output.append(0x09)
        case UInt8(ascii: "v"): output.append(0x0B)
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            at -= 1
            output.append(UInt8(truncatingIfNeeded: try code(radix: 8, digits: 1...3, from: start)))
        case UInt8(ascii: "x"), UInt8(ascii: "X"):
            output.append(UInt8(truncatingIfNeeded: try code(radix: 16, digits: 1...2, from: start)))
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let digits = kind == UInt8(ascii: "u") ? 4 : 8
            let value = try code(radix: 16, digits: digits...digits, from: start)
            guard let scalar = Unicode.Scalar(value) else {
                throw ProtobufError(.syntax, "an escape that is no Unicode character", at: start)
            }
            output += String(Character(scalar)).utf8
        case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "?"): output.append(kind)
        default: throw ProtobufError(.syntax, "an unknown escape in a string", at: start)
        }
    }

    private mutating func code(
        radix: UInt32, digits: ClosedRange<Int>, from start: TextPosition
    ) throws(ProtobufError) -> UInt32 {
        var value: UInt32 = 0
        var count = 0
        while count < digits.upperBound, let next = byte(), let digit = Self.digit(next), digit < radix {
            value = value &* radix &+ digit
            at += 1
            count += 1
        }
        guard digits.contains(count) else { throw ProtobufError(.syntax, "an escape with too few digits", at: start) }
        return value
    }

    static func isDigit(_ byte: UInt8) -> Bool { 0x30...0x39 ~= byte }

    static func isLetter(_ byte: UInt8) -> Bool {
        0x41...0x5A ~= byte || 0x61...0x7A ~= byte || byte == UInt8(ascii: "_")
    }

    private static func digit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x37)
        case 0x61...0x66: UInt32(byte - 0x57)
        default: nil
        }
    }
}
