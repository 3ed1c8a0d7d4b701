import Bytes

extension Parser {
    /// The statement's bytes in the source.
    private var range: Range<Int> {
        guard let first = tokens.first, let last = tokens.last else { return 0..<0 }
        let start = Int(first.position.offset)
        var end = Int(last.end)
        if last.kind == .endOfText {
            end = min(end, source.count)
            while end > start, source[end - 1] <= UInt8(ascii: " ") { end -= 1 }
        }
        return start..<max(start, end)
    }

    /// The text is in the language but cannot be meant.
    @inline(never)
    func invalid(_ headline: String, _ code: SQLSyntaxError.Code = .invalid, at token: Token? = nil) -> SQLSyntaxError {
        let token = token ?? self.token
        return SQLSyntaxError(
            code, headline, at: token.position, count: Int(token.end - token.position.offset), in: source, range: range)
    }

    /// At the current token none of what was expected stands.
    @inline(never)
    func failure(hint: String? = nil) -> SQLSyntaxError {
        let lexical = kind == .digitIdentifier ? "'\(found)' is read as a name: is a space missing in it?" : nil
        return syntaxError(reason()).with(hint: hint ?? lexical, expected: expected.kinds.map(\.name))
    }

    /// A syntax error at the current token in these words.
    func syntaxError(_ reason: String) -> SQLSyntaxError {
        let position = position
        return invalid("line \(position.line):\(position.column): Syntax Error\n\(reason)", .syntax)
    }

    /// ksqlDB's text where the first tokens of the statement already fit none.
    func noSuchStatement() -> SQLSyntaxError {
        syntaxError(nearHere + list(expected.kinds) + suggestion).with(expected: expected.kinds.map(\.name))
    }

    /// The token as messages quote it; long ones are cut.
    var found: String {
        if kind == .endOfText { return "<EOF>" }
        let text = text(of: token)
        return text.utf8.count > 80 ? String(text.prefix(60)) + "..." : text
    }

    private var nearHere: String {
        "Syntax error at or near '\(found)' at line \(position.line):\(position.column)"
    }

    private func list(_ kinds: [TokenKind]) -> String {
        guard kinds.count > 1 else { return kinds.first.map { "\nExpecting \($0.name)" } ?? "" }
        return "\nExpecting one of " + kinds.map(\.name).joined(separator: ", ")
    }

    private func reason() -> String {
        if let lexicalReason { return lexicalReason }
        if kind == .endOfText, expected.contains(.semicolon) { return "missing ';' at '<EOF>'" }
        let kinds = expected.kinds
        if kind == .endOfText || kind == .semicolon, hasOpenBracket {
            return "Syntax error at or near \";\"\n'}', ']', or ')' is missing" + list(kinds)
        }
        if isReservedName {
            let word = text(of: token)
            return "\"\(word)\" is a reserved keyword and it can't be used as an identifier. "
                + "You can use it as an identifier by escaping it as `\(word)`"
        }
        switch kinds.count {
        case 0: return nearHere
        case 1: return "Expecting \(kinds[0].name)" + suggestion
        case 2, 3: return "Expecting {" + kinds.map(\.name).joined(separator: ", ") + "}" + suggestion
        default: return nearHere + list(kinds) + suggestion
        }
    }

    /// Whether a reserved word stands where a name is wanted, and was meant as one.
    private var isReservedName: Bool {
        guard expected.contains(.identifier) || expected.contains(.anExpression), kind.isWord else { return false }
        guard !TokenSet.nonReserved.contains(kind) else { return false }
        guard TokenSet.clauses.contains(kind) else { return expected.contains(.identifier) }
        switch kind(after: 1) {
        case .comma, .rightParenthesis, .equal, .dot, .semicolon: return true
        case .leftParenthesis: return expected.contains(.identifier) && !expected.contains(.leftParenthesis)
        default: return false
        }
    }

    private var hasOpenBracket: Bool {
        var depth = 0
        for token in tokens {
            switch token.kind {
            case .leftParenthesis, .leftBracket: depth += 1
            case .rightParenthesis, .rightBracket: depth -= 1
            default: break
            }
        }
        return depth > 0
    }

    /// The expected word that the found one, or the one before it, was probably meant to be.
    private var suggestion: String {
        let words = expected.kinds.filter { $0.isWord || $0 == .order }.map(\.word)
        if kind == .identifier || kind.isWord, let word = nearestWord(to: token, among: words) {
            return "\nDid you mean '\(word)'?"
        }
        guard at > 0, tokens[at - 1].kind == .identifier else { return "" }
        let before = tokens[at - 1]
        guard let word = nearestWord(to: before, among: words) else { return "" }
        return "\nDid you mean '\(word)' instead of '\(text(of: before))'?"
    }

    func nearestWord(to token: Token, among words: [String]) -> String? {
        let text = text(of: token)
        return text.utf8.count > 2 ? nearestName(to: text, among: words) : nil
    }

    /// What is wrong with a token that is none.
    private var lexicalReason: String? {
        switch kind {
        case .unterminated:
            switch source[Int(position.offset)] {
            case UInt8(ascii: "'"): "the string that begins here has no closing quote"
            case UInt8(ascii: "/"): "the comment that begins here does not end"
            default: "the quoted identifier that begins here has no closing quote"
            }
        case .unrecognized:
            switch source[Int(position.offset)] {
            case UInt8(ascii: "$"): "variables are written ${name}"
            case 0x80...: "names with other letters than A to Z have to stand in back-quotes"
            default: nil
            }
        default: nil
        }
    }
}
