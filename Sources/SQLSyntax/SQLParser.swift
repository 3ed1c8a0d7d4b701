/// Who a text is for: some statements are for one of them only.
package enum SQLDialect: String, Hashable, Sendable {
    case server
    /// Also RUN SCRIPT and SPOOL.
    case commandLine
    /// Also RUN SCRIPT and the ASSERT statements of tests.
    case testScript
}

/// Reads ksqlDB's language, and beyond it: ORDER BY, EXPLAIN ANALYZE, EXPLAIN with UPGRADE at its end, lambdas at any place
/// among arguments, predicates as grouping expressions and values, references to variables in place of columns,
/// `DECIMAL '1.0'`.
///
/// Takes time proportional to the text. Nesting (about 140 pairs of parentheses) and chains of operators (500) have limits,
/// beyond which the error is `tooDeep`: who walks over trees may recurse.
package enum SQLParser {
    /// All statements of a text, or the first error in it.
    package static func script(
        _ text: String, dialect: SQLDialect = .server
    ) throws(SQLSyntaxError) -> [ParsedStatement] {
        var reader = StatementReader(text, dialect: dialect)
        var statements: [ParsedStatement] = []
        while let statement = try reader.next() { statements.append(statement) }
        return statements
    }

    /// The one statement of a text; its semicolon may be missing.
    package static func statement(
        _ text: String, dialect: SQLDialect = .server
    ) throws(SQLSyntaxError) -> ParsedStatement {
        var reader = StatementReader(text, dialect: dialect)
        reader.isTerminated = false
        guard let statement = try reader.next() else {
            throw SQLSyntaxError(
                .syntax, "Expected exactly one KSQL statement; found 0 instead", at: Position(), statement: text)
        }
        if let other = try reader.next() {
            var count = 2
            while try reader.next() != nil { count += 1 }
            throw SQLSyntaxError(
                .syntax, "Expected exactly one KSQL statement; found \(count) instead", at: other.position,
                statement: text)
        }
        return statement
    }

    /// A text that is one expression.
    package static func expression(_ text: String) throws(SQLSyntaxError) -> Expression {
        try whole(text) { parser throws(SQLSyntaxError) in try parser.expression() }
    }

    /// A text that is one type.
    package static func type(_ text: String) throws(SQLSyntaxError) -> TypeExpression {
        try whole(text) { parser throws(SQLSyntaxError) in try parser.type() }
    }

    /// Columns as schema texts list them: `` `ID` BIGINT KEY, `NAME` STRING ``; none for an empty text.
    package static func columns(_ text: String) throws(SQLSyntaxError) -> [TableElement] {
        try whole(text) { parser throws(SQLSyntaxError) in
            parser.isAtEnd ? [] : try parser.tableElementList(of: nil)
        }
    }

    /// A text that is one name, as properties hold the names of columns.
    package static func name(_ text: String) throws(SQLSyntaxError) -> Identifier {
        try whole(text) { parser throws(SQLSyntaxError) in try parser.identifier() }
    }

    /// A text that is a number and a unit of time, as properties hold the sizes of windows.
    package static func timeSpan(_ text: String) throws(SQLSyntaxError) -> TimeSpan {
        try whole(text) { parser throws(SQLSyntaxError) in try parser.timeSpan() }
    }

    /// Whether a text ends with a semicolon that is none of a string, name or comment: a prompt need not ask for more.
    package static func isComplete(_ text: String) -> Bool {
        var lexer = Lexer(Array(text.utf8))
        var last = TokenKind.semicolon
        while true {
            let token = lexer.next()
            if token.kind == .endOfText { return last == .semicolon }
            last = token.kind
        }
    }

    private static func whole<Value>(
        _ text: String, _ body: (inout Parser) throws(SQLSyntaxError) -> Value
    ) throws(SQLSyntaxError) -> Value {
        let source = Array(text.utf8)
        var lexer = Lexer(source)
        var tokens: [Token] = []
        repeat { tokens.append(lexer.next()) } while tokens.last?.kind != .endOfText
        var parser = Parser(source: source, tokens: tokens, dialect: .server)
        let value = try body(&parser)
        try parser.expect(.endOfText)
        return value
    }
}

/// A statement with its text.
package struct ParsedStatement: Hashable, Sendable {
    package var statement: Statement
    /// From its first token to its semicolon.
    package var text: String
    /// Of its first token.
    package var position: Position
    /// The `--@name: text` lines between the statement before and the end of this one.
    package var directives: [Directive]
    let dialect: SQLDialect
    let variables: [VariableUse]
    /// Where the text begins in what the tree's offsets count in.
    let origin: Int32

    /// Whether variables are needed to make sense of it.
    package var usesVariables: Bool { !variables.isEmpty }

    /// The statement with values put where it refers to variables; the same if it does not.
    ///
    /// - Throws: `.variable`, and `.syntax` and others where the result is no statement.
    package func substituting(_ values: SQLVariables) throws(SQLSyntaxError) -> ParsedStatement {
        guard usesVariables else { return self }
        let source = Array(text.utf8)
        let substitution = VariableSubstitution(source: source, range: 0..<source.count, variables: values)
        let bytes = try substitution.apply(to: variables)
        // What strings keep of unknown variables is text from now on.
        let result = try SQLParser.statement(String(decoding: bytes, as: UTF8.self), dialect: dialect)
        return ParsedStatement(
            statement: result.statement, text: result.text, position: position, directives: directives,
            dialect: dialect,
            variables: [], origin: 0)
    }
}

/// Reads a text statement by statement; after an error it goes on behind the statement that is wrong.
package struct StatementReader {
    private var lexer: Lexer
    private let dialect: SQLDialect
    /// Whether the last statement needs its semicolon.
    package var isTerminated = true
    private let isTooLong: Bool

    package init(_ text: String, dialect: SQLDialect = .server) {
        let source = Array(text.utf8)
        isTooLong = source.count > Lexer.byteCountMax
        lexer = Lexer(isTooLong ? [] : source)
        self.dialect = dialect
    }

    /// Those of the statement that was read last, also where it is wrong; at the end of the text those behind all.
    package private(set) var directives: [Directive] = []

    /// The next statement; nil at the end of the text.
    package mutating func next() throws(SQLSyntaxError) -> ParsedStatement? {
        if isTooLong {
            throw SQLSyntaxError(
                .tooDeep, "the text is longer than \(Lexer.byteCountMax) bytes", at: Position(), statement: "")
        }
        var tokens: [Token] = []
        repeat { tokens.append(lexer.next()) } while !tokens.last.isEndOfStatement
        directives = lexer.directives
        lexer.directives = []
        guard let first = tokens.first, let last = tokens.last, first.kind != .endOfText else { return nil }
        var parser = Parser(source: lexer.source, tokens: tokens, dialect: dialect)
        let statement = try parser.statement(isTerminated: isTerminated)
        let start = Int(first.position.offset)
        let end = Int(last.kind == .endOfText ? tokens.dropLast().last?.end ?? last.end : last.end)
        let variables = parser.variables.map { use in
            var use = use
            use.position.offset -= first.position.offset
            use.end -= first.position.offset
            return use
        }
        return ParsedStatement(
            statement: statement, text: String(decoding: lexer.source[start..<end], as: UTF8.self),
            position: first.position,
            directives: directives, dialect: dialect, variables: variables, origin: first.position.offset)
    }
}

extension Token? {
    fileprivate var isEndOfStatement: Bool {
        switch self?.kind {
        case nil, .semicolon, .endOfText: true
        default: false
        }
    }
}
