extension Parser {
    /// The statement and its semicolon, which may be missing at the end of a text where `isTerminated` is false.
    mutating func statement(isTerminated: Bool) throws(SQLSyntaxError) -> Statement {
        let statement = try statement()
        guard kind == .semicolon || (kind == .endOfText && !isTerminated) else {
            expected.insert(.semicolon)
            throw failure()
        }
        return statement
    }

    private mutating func statement() throws(SQLSyntaxError) -> Statement {
        let first = kind
        switch first {
        case .select: return .query(try query(isPersistent: false))
        case .create: return try create()
        case .insert: return try insert()
        case .drop: return try drop()
        case .alter: return try alter()
        case .terminate, .pause, .resume: return try target()
        case .explain: return try explain()
        case .show, .list: return .show(try show())
        case .describe: return .describe(try describe())
        case .print: return .printTopic(try printTopic())
        case .set, .unset: return try property()
        case .define, .undefine: return try variable()
        case .assert: return try assert()
        case .run where dialect != .server:
            advance()
            try expect(.script)
            return .runScript(try string())
        default:
            if dialect == .commandLine, isWord("SPOOL") { return try spool() }
            throw unknownStatement()
        }
    }

    private func unknownStatement() -> SQLSyntaxError {
        var words: [TokenKind] = [
            .select, .create, .insert, .drop, .alter, .terminate, .pause, .resume, .explain, .show, .list, .describe,
            .print,
            .set, .unset, .define, .undefine, .assert,
        ]
        if dialect != .server { words.append(.run) }
        if dialect == .commandLine { words.append(.spool) }
        var reason = "Unknown statement '\(found)'"
        if kind.isWord || kind == .identifier, let word = nearestWord(to: token, among: words.map(\.word)) {
            reason += "\nDid you mean '\(word)'?"
        }
        let hint = kind == .run ? "scripts are run by the command line, not by a server" : nil
        return syntaxError(reason).with(hint: hint, expected: words.map(\.name))
    }

    // MARK: CREATE

    private mutating func create() throws(SQLSyntaxError) -> Statement {
        let position = position
        advance()
        var orReplace = false
        if accept(.or) {
            guard accept(.replace) else { throw noSuchStatement() }
            orReplace = true
        }
        if !orReplace, accept(.type) { return try createType() }
        if !orReplace, kind == .source || kind == .sink, kind(after: 1) == .connector { return try createConnector() }
        let isSource = accept(.source)
        if !orReplace, !isSource { expected.insert(.sink) }
        guard let sourceKind = acceptSourceKind() else { throw noSuchStatement() }
        let ifNotExists = try accept(.if, .not, .exists)
        let name = try sourceName()
        let elements = try tableElements(of: sourceKind)
        let properties = accept(.with) ? try tableProperties() : Properties()
        if elements.isEmpty, !isSource, accept(.as) {
            var create = CreateSourceAs(sourceKind, name, try query(isPersistent: true))
            create.properties = properties
            create.orReplace = orReplace
            create.ifNotExists = ifNotExists
            create.position = position
            return .createSourceAs(create)
        }
        if kind == .as, !elements.isEmpty {
            expected.insert(.semicolon)
            throw failure(hint: "the columns are those of the query: leave out the list before AS")
        }
        var create = CreateSource(sourceKind, name)
        create.elements = elements
        create.properties = properties
        create.orReplace = orReplace
        create.ifNotExists = ifNotExists
        create.isSource = isSource
        create.position = position
        return .createSource(create)
    }

    private mutating func acceptSourceKind() -> SourceKind? {
        if accept(.stream) { return .stream }
        return accept(.table) ? .table : nil
    }

    private mutating func createType() throws(SQLSyntaxError) -> Statement {
        let ifNotExists = try accept(.if, .not, .exists)
        let name = try identifier()
        try expect(.as)
        var create = CreateType(name, try type())
        create.ifNotExists = ifNotExists
        return .createType(create)
    }

    private mutating func createConnector() throws(SQLSyntaxError) -> Statement {
        let connectorKind: ConnectorKind = kind == .source ? .source : .sink
        advance()
        advance()
        let ifNotExists = try accept(.if, .not, .exists)
        let name = try identifier()
        try expect(.with)
        var create = CreateConnector(connectorKind, name, try tableProperties())
        create.ifNotExists = ifNotExists
        return .createConnector(create)
    }

    /// `(name = literal, ...)`.
    mutating func tableProperties() throws(SQLSyntaxError) -> Properties {
        try expect(.leftParenthesis)
        var entries: [Properties.Entry] = []
        var values: [String: Literal] = [:]
        repeat {
            let token = token
            let name: Identifier
            if kind == .text {
                name = Identifier(acceptedString(), isQuoted: true, position: token.position)
            } else {
                expected.insert(.text)
                name = try identifier()
            }
            try expect(.equal)
            let value = try propertyValue()
            if let other = values.updateValue(value, forKey: name.text) {
                throw invalid(
                    "Failed to prepare statement: Multiple entries with same key: \(name.text)=\(value.sql) and "
                        + "\(name.text)=\(other.sql)", at: token)
            }
            entries.append(Properties.Entry(name, value))
        } while accept(.comma)
        try expect(.rightParenthesis)
        return Properties(entries)
    }

    private mutating func propertyValue() throws(SQLSyntaxError) -> Literal {
        switch kind {
        case .text: return .string(acceptedString())
        case .true, .false:
            let value = kind == .true
            advance()
            return .boolean(value)
        case .null:
            advance()
            return .null
        case .variable:
            variables.append(VariableUse(.literal, token))
            let name = String(text(of: token).dropFirst(2).dropLast())
            advance()
            return .variable(name)
        default:
            guard kind == .minus || startsNumber(after: 0) else {
                for kind: TokenKind in [.text, .integerValue, .true, .false, .null] { expected.insert(kind) }
                throw failure(
                    hint: isIdentifier ? "values of properties are literals: text stands in single quotes" : nil)
            }
            return try number()
        }
    }

    // MARK: INSERT, DROP, ALTER

    private mutating func insert() throws(SQLSyntaxError) -> Statement {
        advance()
        guard accept(.into) else { throw noSuchStatement() }
        let target = try sourceName()
        if accept(.with) {
            var insert = InsertInto(target, Query(select: [], from: Relation(SourceReference(target))))
            insert.properties = try tableProperties()
            insert.query = try query(isPersistent: true)
            return .insertInto(insert)
        }
        if kind == .select { return .insertInto(InsertInto(target, try query(isPersistent: true))) }
        expected.insert(.select)
        return .insertValues(try insertValues(target, keyword: .values))
    }

    /// `(columns) VALUES (values)`.
    private mutating func insertValues(
        _ target: Identifier, keyword: TokenKind
    ) throws(SQLSyntaxError) -> InsertValues {
        var columns: [Identifier] = []
        if accept(.leftParenthesis) {
            repeat { columns.append(try identifier()) } while accept(.comma)
            try expect(.rightParenthesis)
        }
        if keyword == .values, kind == .select, !columns.isEmpty {
            expected.insert(.values)
            throw failure(hint: "the columns of a query go by their names: leave out the list before SELECT")
        }
        try expect(keyword)
        try expect(.leftParenthesis)
        var values: [Expression] = []
        if kind != .rightParenthesis { values = try expressions() }
        try expect(.rightParenthesis)
        return InsertValues(target, columns: columns, values: values)
    }

    private mutating func drop() throws(SQLSyntaxError) -> Statement {
        let position = position
        advance()
        if let sourceKind = acceptSourceKind() {
            let ifExists = try accept(.if, .exists)
            var drop = DropSource(sourceKind, try sourceName())
            drop.ifExists = ifExists
            drop.deleteTopic = try accept(.delete, .topic)
            drop.position = position
            return .dropSource(drop)
        }
        if accept(.connector) {
            let ifExists = try accept(.if, .exists)
            return .dropConnector(name: try identifier(), ifExists: ifExists)
        }
        guard accept(.type) else { throw noSuchStatement() }
        let ifExists = try accept(.if, .exists)
        return .dropType(name: try identifier(), ifExists: ifExists)
    }

    private mutating func alter() throws(SQLSyntaxError) -> Statement {
        let position = position
        advance()
        if accept(.system) {
            let name = try string()
            try expect(.equal)
            return .alterSystemProperty(name: name, value: try string())
        }
        guard let sourceKind = acceptSourceKind() else { throw noSuchStatement() }
        let name = try sourceName()
        var columns: [AlterSource.Column] = []
        repeat {
            try expect(.add)
            // A column may be called COLUMN, as the word is not reserved: then a type follows it and no name.
            if kind == .column, Self.isIdentifier(kind(after: 1)), startsType(after: 2) { advance() }
            let column = try identifier()
            columns.append(AlterSource.Column(column, try type()))
        } while accept(.comma)
        var alter = AlterSource(sourceKind, name, columns)
        alter.position = position
        return .alterSource(alter)
    }

    private func startsType(after distance: Int) -> Bool {
        let kind = kind(after: distance)
        // `ADD COLUMN INT ARRAY`: a column called COLUMN.
        if kind == .array { return self.kind(after: distance + 1) == .less }
        return kind == .decimal || Self.isIdentifier(kind)
    }

    // MARK: Queries by id

    private mutating func target() throws(SQLSyntaxError) -> Statement {
        let verb = kind
        advance()
        let target: QueryTarget = accept(.all) ? .all : .query(try identifier())
        switch verb {
        case .pause: return .pause(target)
        case .resume: return .resume(target)
        default: return .terminate(target)
        }
    }

    private mutating func explain() throws(SQLSyntaxError) -> Statement {
        advance()
        var isAnalyze = false
        if kind == .analyze, kind(after: 1) != .semicolon, kind(after: 1) != .endOfText {
            advance()
            isAnalyze = true
        }
        var explain: Explain
        if isIdentifier, kind(after: 1) == .semicolon || kind(after: 1) == .endOfText {
            explain = Explain(.query(try identifier()))
        } else {
            let isUpgrade = !isAnalyze && takesUpgrade()
            try enter()
            defer { leave() }
            explain = Explain(.statement(try statement()))
            explain.isUpgrade = isUpgrade
        }
        explain.isAnalyze = isAnalyze
        return .explain(explain)
    }

    /// Takes the word UPGRADE off the end of a CREATE OR REPLACE, where it could be the alias of a source otherwise.
    private mutating func takesUpgrade() -> Bool {
        guard kind == .create, kind(after: 1) == .or, kind(after: 2) == .replace else { return false }
        let last = tokens.count - 2
        guard last > at + 2, tokens[last].kind == .identifier, text(of: tokens[last]).uppercased() == "UPGRADE" else {
            return false
        }
        tokens.remove(at: last)
        return true
    }

    // MARK: SHOW, DESCRIBE, PRINT

    private mutating func show() throws(SQLSyntaxError) -> ShowSubject {
        advance()
        if accept(.topics) { return .topics(all: false, extended: accept(.extended)) }
        if accept(.all) {
            try expect(.topics)
            return .topics(all: true, extended: accept(.extended))
        }
        if accept(.streams) { return .streams(extended: accept(.extended)) }
        if accept(.tables) { return .tables(extended: accept(.extended)) }
        if accept(.queries) { return .queries(extended: accept(.extended)) }
        if accept(.functions) { return .functions }
        if accept(.types) { return .types }
        if accept(.properties) { return .properties }
        if accept(.variables) { return .variables }
        if accept(.connectors) { return .connectors(nil) }
        if try accept(.source, .connectors) { return .connectors(.source) }
        if try accept(.sink, .connectors) { return .connectors(.sink) }
        guard try accept(.connector, .plugins) else { throw noSuchStatement() }
        return .connectorPlugins
    }

    private mutating func describe() throws(SQLSyntaxError) -> DescribeSubject {
        advance()
        let isLast = kind(after: 1) == .semicolon || kind(after: 1) == .endOfText
        let isExtended = kind(after: 1) == .extended
        if accept(.streams) { return .streams(extended: accept(.extended)) }
        if kind == .tables, isLast || isExtended {
            advance()
            return .tables(extended: accept(.extended))
        }
        if kind == .function, !isLast, !isExtended {
            advance()
            return .function(try identifier())
        }
        expected.insert(.function)
        if accept(.connector) { return .connector(try identifier()) }
        let name = try sourceName()
        return .source(name, extended: accept(.extended))
    }

    private mutating func printTopic() throws(SQLSyntaxError) -> PrintTopic {
        advance()
        var print = PrintTopic(try resourceName())
        print.fromBeginning = try accept(.from, .beginning)
        if accept(.interval) || accept(.sample) { print.interval = try wholeNumber(of: "INTERVAL") }
        if accept(.limit) { print.limit = try wholeNumber(of: "LIMIT") }
        return print
    }

    // MARK: Properties and variables

    private mutating func property() throws(SQLSyntaxError) -> Statement {
        let isUnset = kind == .unset
        advance()
        let name = try stringOrVariable()
        if isUnset { return .unsetProperty(name: name) }
        try expect(.equal)
        return .setProperty(name: name, value: try stringOrVariable())
    }

    private mutating func stringOrVariable() throws(SQLSyntaxError) -> String {
        guard kind == .variable else { return try string() }
        let text = text(of: token)
        variables.append(VariableUse(.string, token))
        advance()
        return text
    }

    private mutating func variable() throws(SQLSyntaxError) -> Statement {
        let isDefine = kind == .define
        advance()
        guard kind == .identifier || kind.isWord else {
            expected.insert(.identifier)
            throw failure()
        }
        // Reserved words may be names of variables, which have a place of their own.
        let name = text(of: token)
        advance()
        guard isDefine else { return .undefineVariable(name: name) }
        try expect(.equal)
        return .defineVariable(name: name, value: try string())
    }

    // MARK: ASSERT

    private mutating func assert() throws(SQLSyntaxError) -> Statement {
        advance()
        if dialect == .testScript, let statement = try assertOfTests() { return statement }
        let exists = try !accept(.not, .exists)
        if accept(.topic) {
            var assert = AssertTopic(try resourceName())
            assert.exists = exists
            if accept(.with) { assert.properties = try tableProperties() }
            if accept(.timeout) { assert.timeout = try timeSpan() }
            return .assertTopic(assert)
        }
        guard accept(.schema) else { throw noSuchStatement() }
        var assert = AssertSchema()
        assert.exists = exists
        if accept(.subject) { assert.subject = try resourceName() }
        if accept(.id) { assert.id = try propertyValue() }
        if accept(.timeout) { assert.timeout = try timeSpan() }
        return .assertSchema(assert)
    }

    private mutating func assertOfTests() throws(SQLSyntaxError) -> Statement? {
        let position = position
        if accept(.values) { return .assertValues(try insertValues(try sourceName(), keyword: .values)) }
        if try accept(.null, .values) { return .assertTombstone(try insertValues(try sourceName(), keyword: .key)) }
        guard let sourceKind = acceptSourceKind() else { return nil }
        var source = CreateSource(sourceKind, try sourceName())
        source.elements = try tableElements(of: sourceKind)
        if accept(.with) { source.properties = try tableProperties() }
        source.position = position
        return .assertSource(source)
    }

    // MARK: The command line's

    private mutating func spool() throws(SQLSyntaxError) -> Statement {
        advance()
        if isWord("OFF") {
            advance()
            return .spool(nil)
        }
        expected.insert(.off)
        return .spool(try string())
    }
}
