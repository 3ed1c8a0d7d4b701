/// A piece of a statement.
struct DDLToken: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        /// A name or keyword without quotes.
        case word
        /// A name in back quotes.
        case quotedName
        /// A text in single or double quotes; the token's text is what it means.
        case string
        /// `x'..'` or `0x..`: its digits. `b'..'`: see `bits`.
        case hex
        /// `b'..'` or `0b..`: its digits.
        case bits
        case number
        case symbol
        case end
    }

    var kind: Kind
    var text: String
    /// For names and keywords: the text in capitals.
    var upper: String
    /// Where it stands in the statement, in bytes.
    var range: Range<Int>
    /// A text in double quotes, which is a name under ANSI_QUOTES.
    var isDoubleQuoted = false
}

/// Cuts statements of MySQL and MariaDB into tokens. Comments go, but for what versioned comments hold (`/*!50100 ... */`,
/// `/*M!100100 ... */`), which counts. Never fails: what it does not know is a symbol.
struct DDLLexer {
    private let bytes: [UInt8]
    private var at = 0
    private var openVersioned = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    static func tokens(of text: String) -> [DDLToken] {
        var lexer = DDLLexer(text)
        var tokens: [DDLToken] = []
        while let token = lexer.next() { tokens.append(token) }
        tokens.append(DDLToken(kind: .end, text: "", upper: "", range: lexer.bytes.count..<lexer.bytes.count))
        return tokens
    }

    /// In capitals; empty for a statement without words.
    static func firstWord(of text: String) -> String {
        if text == "BEGIN" { return text }
        var lexer = DDLLexer(text)
        return lexer.next()?.upper ?? ""
    }

    private func peek(_ ahead: Int = 0) -> UInt8? { at + ahead < bytes.count ? bytes[at + ahead] : nil }

    private mutating func next() -> DDLToken? {
        skipBlanks()
        guard let byte = peek() else { return nil }
        let start = at
        switch byte {
        case UInt8(ascii: "`"): return quoted(byte, .quotedName, escapes: false, start)
        case UInt8(ascii: "'"): return quoted(byte, .string, escapes: true, start)
        case UInt8(ascii: "\""): return quoted(byte, .string, escapes: true, start)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return number(start)
        case UInt8(ascii: ".") where peek(1).map(Self.isDigit) ?? false && !followsName(start): return number(start)
        default: break
        }
        if (byte | 0x20) == UInt8(ascii: "x") || (byte | 0x20) == UInt8(ascii: "b"), peek(1) == UInt8(ascii: "'") {
            at += 1
            var token = quoted(
                UInt8(ascii: "'"), (byte | 0x20) == UInt8(ascii: "x") ? .hex : .bits, escapes: false, start)
            token.range = start..<at
            return token
        }
        if (byte | 0x20) == UInt8(ascii: "n"), peek(1) == UInt8(ascii: "'") {
            at += 1
            return quoted(UInt8(ascii: "'"), .string, escapes: true, start)
        }
        if Self.isWord(byte) {
            while let byte = peek(), Self.isWord(byte) { at += 1 }
            let text = string(start..<at)
            return DDLToken(kind: .word, text: text, upper: text.uppercased(), range: start..<at)
        }
        at += 1
        let text = string(start..<at)
        return DDLToken(kind: .symbol, text: text, upper: text, range: start..<at)
    }

    private func followsName(_ start: Int) -> Bool {
        start > 0 && (Self.isWord(bytes[start - 1]) || bytes[start - 1] == UInt8(ascii: "`"))
    }

    private mutating func number(_ start: Int) -> DDLToken {
        if peek() == UInt8(ascii: "0"), let mark = peek(1), mark == UInt8(ascii: "x") || mark == UInt8(ascii: "b"),
            let digit = peek(2), Self.isWord(digit)
        {
            at += 2
            while let byte = peek(), Self.isWord(byte) { at += 1 }
            let text = string(start + 2..<at)
            return DDLToken(kind: mark == UInt8(ascii: "x") ? .hex : .bits, text: text, upper: text, range: start..<at)
        }
        while let byte = peek(), Self.isDigit(byte) { at += 1 }
        // A name may begin with digits: `1st`.
        if let byte = peek(), Self.isWord(byte), !isExponent() {
            while let byte = peek(), Self.isWord(byte) { at += 1 }
            let text = string(start..<at)
            return DDLToken(kind: .word, text: text, upper: text.uppercased(), range: start..<at)
        }
        if peek() == UInt8(ascii: ".") {
            at += 1
            while let byte = peek(), Self.isDigit(byte) { at += 1 }
        }
        if isExponent() {
            at += 2
            while let byte = peek(), Self.isDigit(byte) { at += 1 }
        }
        let text = string(start..<at)
        return DDLToken(kind: .number, text: text, upper: text, range: start..<at)
    }

    private func isExponent() -> Bool {
        guard let byte = peek(), (byte | 0x20) == UInt8(ascii: "e"), let after = peek(1) else { return false }
        if Self.isDigit(after) { return true }
        return (after == UInt8(ascii: "+") || after == UInt8(ascii: "-")) && (peek(2).map(Self.isDigit) ?? false)
    }

    private mutating func quoted(_ quote: UInt8, _ kind: DDLToken.Kind, escapes: Bool, _ start: Int) -> DDLToken {
        at += 1
        var text: [UInt8] = []
        while let byte = peek() {
            at += 1
            if byte == quote {
                guard peek() == quote else { break }
                at += 1
                text.append(quote)
            } else if byte == UInt8(ascii: "\\"), escapes, let next = peek() {
                at += 1
                switch next {
                case UInt8(ascii: "n"): text.append(0x0A)
                case UInt8(ascii: "t"): text.append(0x09)
                case UInt8(ascii: "r"): text.append(0x0D)
                case UInt8(ascii: "b"): text.append(0x08)
                case UInt8(ascii: "0"): text.append(0)
                case UInt8(ascii: "Z"): text.append(0x1A)
                default: text.append(next)
                }
            } else {
                text.append(byte)
            }
        }
        let value = String(decoding: text, as: UTF8.self)
        return DDLToken(
            kind: kind, text: value, upper: value.uppercased(), range: start..<at,
            isDoubleQuoted: quote == UInt8(ascii: "\""))
    }

    private mutating func skipBlanks() {
        while let byte = peek() {
            switch byte {
            case 0x09...0x0D, 0x20: at += 1
            case UInt8(ascii: "#"): skipLine()
            case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-") && (peek(2).map { $0 <= 0x20 } ?? true):
                skipLine()
            case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"):
                let mariaDB = peek(2) == UInt8(ascii: "M") && peek(3) == UInt8(ascii: "!")
                if peek(2) == UInt8(ascii: "!") || mariaDB {
                    at += mariaDB ? 4 : 3
                    while let byte = peek(), Self.isDigit(byte) { at += 1 }
                    openVersioned += 1
                } else {
                    at += 2
                    while let byte = peek(), !(byte == UInt8(ascii: "*") && peek(1) == UInt8(ascii: "/")) { at += 1 }
                    at = min(at + 2, bytes.count)
                }
            case UInt8(ascii: "*") where openVersioned > 0 && peek(1) == UInt8(ascii: "/"):
                openVersioned -= 1
                at += 2
            default: return
            }
        }
    }

    private mutating func skipLine() { while let byte = peek(), byte != 0x0A { at += 1 } }

    private func string(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    private static func isDigit(_ byte: UInt8) -> Bool { 0x30...0x39 ~= byte }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x24, 0x80...0xFF: true
        default: false
        }
    }
}
