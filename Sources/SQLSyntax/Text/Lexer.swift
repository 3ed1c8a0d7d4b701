/// A piece of the text that the grammar knows.
struct Token {
    var kind: TokenKind
    /// Its first byte and the byte after its last one.
    var position: Position
    var end: Int32
}

/// A line `--@name: text`, which only test tools read.
package struct Directive: Hashable, Sendable {
    package var name: String
    package var text: String
    package var position: Position
}

/// Cuts text into tokens. Spaces and comments are passed over, directives kept aside.
///
/// What no token begins with is a token of its own (`unrecognized`): the parser says what it expected instead.
struct Lexer {
    let source: [UInt8]
    private(set) var at = 0
    private var line: Int32 = 1
    private var lineStart = 0
    /// Bytes of the line that continue a character.
    private var continuationCount = 0
    var directives: [Directive] = []
    private let words = Words.kinds

    /// Longer texts are refused: positions are 32 bits.
    static let byteCountMax = 1 << 30

    init(_ source: [UInt8]) {
        self.source = source
        // Some editors begin files with a mark of the byte order.
        if source.starts(with: [0xEF, 0xBB, 0xBF]) {
            at = 3
            lineStart = 3
        }
    }

    private var position: Position {
        let column = at - lineStart - continuationCount + 1
        return Position(
            offset: Int32(truncatingIfNeeded: at), line: line, column: Int32(truncatingIfNeeded: column))
    }

    private func byte(_ distance: Int = 0) -> UInt8 { at + distance < source.count ? source[at + distance] : 0 }

    private mutating func newLine() {
        line &+= 1
        lineStart = at
        continuationCount = 0
    }

    /// Passes one byte that may be anything.
    private mutating func pass() {
        let byte = source[at]
        at += 1
        if byte == UInt8(ascii: "\n") { newLine() } else if byte & 0xC0 == 0x80 { continuationCount += 1 }
    }

    mutating func next() -> Token {
        if let comment = skipSpace() { return comment }
        let start = position
        guard at < source.count else { return Token(kind: .endOfText, position: start, end: start.offset) }
        let kind = read(source[at])
        return Token(kind: kind, position: start, end: Int32(truncatingIfNeeded: at))
    }

    /// Passes spaces and comments; a comment that never ends is a token.
    private mutating func skipSpace() -> Token? {
        while at < source.count {
            switch source[at] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): at += 1
            case UInt8(ascii: "\n"):
                at += 1
                newLine()
            case UInt8(ascii: "-") where byte(1) == UInt8(ascii: "-"): skipLine()
            case UInt8(ascii: "/") where byte(1) == UInt8(ascii: "*"):
                let start = position
                at += 2
                while at < source.count, !(source[at] == UInt8(ascii: "*") && byte(1) == UInt8(ascii: "/")) { pass() }
                guard at < source.count else {
                    return Token(kind: .unterminated, position: start, end: Int32(truncatingIfNeeded: at))
                }
                at += 2
            default: return nil
            }
        }
        return nil
    }

    private mutating func skipLine() {
        let start = position
        let first = at + 2
        while at < source.count, source[at] != UInt8(ascii: "\n"), source[at] != UInt8(ascii: "\r") { pass() }
        guard first < at, source[first] == UInt8(ascii: "@") else { return }
        let content = String(decoding: source[(first + 1)..<at], as: UTF8.self)
        let parts = content.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        directives.append(
            Directive(
                name: parts[0].trimmed, text: parts.count > 1 ? parts[1].trimmed : "", position: start))
    }

    private mutating func read(_ byte: UInt8) -> TokenKind {
        if byte.isLetter || byte == UInt8(ascii: "_") { return word() }
        if byte.isDigit { return number() }
        switch byte {
        case UInt8(ascii: "'"): return quoted(byte) ? .text : .unterminated
        case UInt8(ascii: "\""): return quoted(byte) ? .quotedIdentifier : .unterminated
        case UInt8(ascii: "`"): return quoted(byte) ? .backquotedIdentifier : .unterminated
        case UInt8(ascii: "."): return self.byte(1).isDigit ? number() : sign(.dot)
        case UInt8(ascii: "$"): return variable()
        case UInt8(ascii: ";"): return sign(.semicolon)
        case UInt8(ascii: "("): return sign(.leftParenthesis)
        case UInt8(ascii: ")"): return sign(.rightParenthesis)
        case UInt8(ascii: ","): return sign(.comma)
        case UInt8(ascii: "["): return sign(.leftBracket)
        case UInt8(ascii: "]"): return sign(.rightBracket)
        case UInt8(ascii: "+"): return sign(.plus)
        case UInt8(ascii: "*"): return sign(.asterisk)
        case UInt8(ascii: "/"): return sign(.slash)
        case UInt8(ascii: "%"): return sign(.percent)
        case UInt8(ascii: "-"): return self.byte(1) == UInt8(ascii: ">") ? sign(.arrow, 2) : sign(.minus)
        case UInt8(ascii: "="): return self.byte(1) == UInt8(ascii: ">") ? sign(.lambda, 2) : sign(.equal)
        case UInt8(ascii: ">"): return self.byte(1) == UInt8(ascii: "=") ? sign(.greaterOrEqual, 2) : sign(.greater)
        case UInt8(ascii: "<"):
            switch self.byte(1) {
            case UInt8(ascii: "="): return sign(.lessOrEqual, 2)
            case UInt8(ascii: ">"): return sign(.notEqual, 2)
            default: return sign(.less)
            }
        case UInt8(ascii: "!") where self.byte(1) == UInt8(ascii: "="): return sign(.notEqual, 2)
        case UInt8(ascii: "|") where self.byte(1) == UInt8(ascii: "|"): return sign(.concat, 2)
        case UInt8(ascii: ":") where self.byte(1) == UInt8(ascii: "="): return sign(.assign, 2)
        default: return unrecognized()
        }
    }

    private mutating func sign(_ kind: TokenKind, _ count: Int = 1) -> TokenKind {
        at += count
        return kind
    }

    /// One character, not one byte.
    private mutating func unrecognized() -> TokenKind {
        pass()
        while at < source.count, source[at] & 0xC0 == 0x80 { pass() }
        return .unrecognized
    }

    private mutating func word() -> TokenKind {
        let start = at
        while at < source.count, source[at].isIdentifierPart { at += 1 }
        guard let key = Words.Key(source[start..<at]) else { return .identifier }
        return words[key] ?? .identifier
    }

    /// The longest of the grammar's numbers and identifiers that begin with a digit.
    private mutating func number() -> TokenKind {
        let start = at
        var kind = TokenKind.integerValue
        while byte().isDigit { at += 1 }
        if byte() == UInt8(ascii: ".") {
            kind = .decimalValue
            at += 1
            while byte().isDigit { at += 1 }
        }
        if byte().upperCased == UInt8(ascii: "E") {
            let signCount = byte(1) == UInt8(ascii: "+") || byte(1) == UInt8(ascii: "-") ? 1 : 0
            if byte(1 + signCount).isDigit {
                kind = .floatingPointValue
                at += 1 + signCount
                while byte().isDigit { at += 1 }
            }
        }
        guard source[start].isDigit, byte().isIdentifierPart || kind == .floatingPointValue else { return kind }
        // `1e3` is a number and `1e3x` an identifier, as is `1e` but not `1.e`.
        var end = start
        while end < source.count, source[end].isIdentifierPart { end += 1 }
        guard end > at else { return kind }
        at = end
        return .digitIdentifier
    }

    /// A doubled quote is one of the content.
    private mutating func quoted(_ quote: UInt8) -> Bool {
        at += 1
        while at < source.count {
            let byte = source[at]
            pass()
            guard byte == quote else { continue }
            guard self.byte() == quote, at < source.count else { return true }
            at += 1
        }
        return false
    }

    private mutating func variable() -> TokenKind {
        guard byte(1) == UInt8(ascii: "{"), byte(2).isLetter || byte(2) == UInt8(ascii: "_") else {
            return unrecognized()
        }
        var end = at + 2
        while end < source.count, source[end].isIdentifierPart { end += 1 }
        guard end < source.count, source[end] == UInt8(ascii: "}") else { return unrecognized() }
        at = end + 1
        return .variable
    }
}

extension Substring {
    var trimmed: String {
        var text = self
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
