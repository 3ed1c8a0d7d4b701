/// Reads the tokens of one statement by recursive descent. Which text is in the language is ksqlDB's grammar
/// (`SqlBase.g4`) with what `SQLParser` lists beyond it.
///
/// Optional tokens that were looked for and not found at the current place are remembered: they are what an error there
/// says was expected.
struct Parser {
    /// Parentheses, functions, types, CASE and so on within each other.
    static let nestingMax = 300
    /// Levels of an expression's tree, which chains of operators raise as well. All who walk over trees recurse as deep.
    static let heightMax = 500

    let source: [UInt8]
    let dialect: SQLDialect
    /// Of one statement; the last is its semicolon or the end of the text, and is never passed.
    var tokens: [Token]
    private(set) var at = 0
    var expected = TokenSet()
    private var nesting = 0
    /// Levels of the expression that was read last.
    var height = 0
    /// Parameters of the lambdas around the current place, and of how many of them.
    var lambdaParameters: [String: Int] = [:]
    /// Where variables are used.
    var variables: [VariableUse] = []

    /// - Parameter tokens: at least one; the last is `semicolon` or `endOfText`.
    init(source: [UInt8], tokens: [Token], dialect: SQLDialect) {
        self.source = source
        self.tokens = tokens
        self.dialect = dialect
    }

    // MARK: Tokens

    var token: Token { tokens[at] }
    var kind: TokenKind { tokens[at].kind }
    var position: Position { tokens[at].position }

    /// The kind of a token further on.
    func kind(after distance: Int) -> TokenKind { tokens[min(at + distance, tokens.count - 1)].kind }

    var isAtEnd: Bool { at == tokens.count - 1 }

    mutating func advance() {
        guard at < tokens.count - 1 else { return }
        at += 1
        expected = TokenSet()
    }

    /// Passes the token if it is of the kind.
    mutating func accept(_ kind: TokenKind) -> Bool {
        guard self.kind == kind else {
            expected.insert(kind)
            return false
        }
        advance()
        return true
    }

    mutating func expect(_ kind: TokenKind) throws(SQLSyntaxError) {
        guard accept(kind) else { throw failure() }
    }

    /// Passes these tokens if the first is there; then all have to be.
    mutating func accept(_ first: TokenKind, _ rest: TokenKind...) throws(SQLSyntaxError) -> Bool {
        guard accept(first) else { return false }
        for kind in rest { try expect(kind) }
        return true
    }

    func text(of token: Token) -> String {
        String(decoding: source[Int(token.position.offset)..<Int(token.end)], as: UTF8.self)
    }

    /// What stands between the quotes.
    func unquoted(_ token: Token) -> String {
        let start = Int(token.position.offset) + 1
        let end = max(start, Int(token.end) - 1)
        let content = source[start..<end]
        let quote = source[start - 1]
        guard content.contains(quote) else { return String(decoding: content, as: UTF8.self) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.count)
        var isDoubled = false
        for byte in content {
            isDoubled = byte == quote && !isDoubled
            if !isDoubled { bytes.append(byte) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A string literal's content.
    mutating func string() throws(SQLSyntaxError) -> String {
        guard kind == .text else {
            expected.insert(.text)
            throw failure()
        }
        return acceptedString()
    }

    /// The content of the string literal that is the current token.
    mutating func acceptedString() -> String {
        let text = unquoted(token)
        if text.contains("${") { variables.append(VariableUse(.text, token)) }
        advance()
        return text
    }

    // MARK: Names

    /// Whether the current token can be an identifier.
    var isIdentifier: Bool { Self.isIdentifier(kind) }

    static func isIdentifier(_ kind: TokenKind) -> Bool {
        switch kind {
        case .identifier, .quotedIdentifier, .backquotedIdentifier, .variable, .digitIdentifier: true
        default: TokenSet.nonReserved.contains(kind)
        }
    }

    mutating func identifier() throws(SQLSyntaxError) -> Identifier { try identifier(keepsCase: false) }

    mutating func identifier(keepsCase: Bool) throws(SQLSyntaxError) -> Identifier {
        let token = token
        switch token.kind {
        case .quotedIdentifier, .backquotedIdentifier:
            let name = unquoted(token)
            advance()
            return Identifier(name, isQuoted: true, position: token.position)
        case .variable:
            variables.append(VariableUse(.identifier, token))
            advance()
            return Identifier(text(of: token), position: token.position)
        default:
            guard isIdentifier else {
                expected.insert(.identifier)
                throw failure()
            }
            let name = text(of: token)
            advance()
            return Identifier(keepsCase ? name : name.uppercased(), position: token.position)
        }
    }

    /// The name of a stream or table, which also names topics and stores.
    mutating func sourceName() throws(SQLSyntaxError) -> Identifier {
        let token = token
        let name = try identifier()
        let isValid = name.text.utf8.allSatisfy {
            $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
        }
        guard isValid || name.isVariable else {
            throw invalid(
                "Illegal argument at \(token.position). Source names may only contain alphanumeric values, '_' or '-'. "
                    + "Got: '\(name.text)'", at: token)
        }
        return name
    }

    /// The name of a topic or subject: an identifier in the case in which it is written, or a string.
    mutating func resourceName() throws(SQLSyntaxError) -> String {
        if kind == .text { return acceptedString() }
        expected.insert(.text)
        return try identifier(keepsCase: true).text
    }

    // MARK: Depth

    /// Goes one level deeper, until `leave`.
    mutating func enter() throws(SQLSyntaxError) {
        guard nesting < Self.nestingMax else { throw tooDeep() }
        nesting += 1
    }

    mutating func leave() { nesting -= 1 }

    /// The expression that is made now stands on ones of this height.
    mutating func raise(above heights: Int) throws(SQLSyntaxError) {
        height = heights + 1
        guard height <= Self.heightMax else { throw tooDeep() }
    }

    private func tooDeep() -> SQLSyntaxError {
        invalid(
            "Error processing statement: Statement is too large to parse. This may be caused by having too many nested "
                + "expressions in the statement.", .tooDeep)
    }
}
