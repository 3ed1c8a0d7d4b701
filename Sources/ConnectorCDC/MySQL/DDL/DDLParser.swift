/// What a statement does to tables.
enum DDLChange: Sendable, Hashable {
    case create(TableDefinition)
    /// `previous`: the table's name before, when it got another.
    case alter(TableDefinition, previous: TableID?)
    case drop(TableID)
    case truncate(TableID)
    case createDatabase(String)
    case alterDatabase(String)
    case dropDatabase(String)
    case use(String)

    var table: TableID? {
        switch self {
        case .create(let table), .alter(let table, _): table.id
        case .drop(let id), .truncate(let id): id
        default: nil
        }
    }

    var database: String? {
        switch self {
        case .createDatabase(let name), .alterDatabase(let name), .dropDatabase(let name), .use(let name): name
        default: table?.database
        }
    }
}

/// What keeps a statement from being followed.
struct DDLError: Error, Sendable, CustomStringConvertible {
    var message: String
    var description: String { message }
}

/// Follows the statements that define tables, MySQL's and MariaDB's. Statements that do not change the shape of tables are
/// passed over. `catalog` is brought up to date; what changed comes back.
struct DDLParser {
    private let text: [UInt8]
    private let tokens: [DDLToken]
    var position = 0
    private let database: String
    private var changes: [DDLChange] = []
    var catalog: TableCatalog

    /// - Parameters:
    ///   - database: the one that names without a database are in; empty for none.
    /// - Returns: the changes, in their order.
    /// - Throws: `DDLError` for a statement that begins as a definition and goes on as nothing known; the catalog is as
    ///   it was then.
    static func apply(_ sql: String, database: String, to catalog: inout TableCatalog) throws(DDLError) -> [DDLChange] {
        var parser = DDLParser(sql, database, catalog)
        try parser.statement()
        catalog = parser.catalog
        return parser.changes
    }

    private init(_ sql: String, _ database: String, _ catalog: TableCatalog) {
        text = Array(sql.utf8)
        tokens = DDLLexer.tokens(of: sql)
        self.database = database
        self.catalog = catalog
    }

    // MARK: Tokens

    var token: DDLToken { tokens[min(position, tokens.count - 1)] }

    func peek(_ ahead: Int) -> DDLToken { tokens[max(0, min(position + ahead, tokens.count - 1))] }

    mutating func advance() { if position < tokens.count - 1 { position += 1 } }

    func isWord(_ word: String) -> Bool { token.kind == .word && token.upper == word }

    func isSymbol(_ symbol: String) -> Bool { token.kind == .symbol && token.text == symbol }

    mutating func take(_ words: String...) -> Bool {
        for (index, word) in words.enumerated() where !(peek(index).kind == .word && peek(index).upper == word) {
            return false
        }
        position = min(position + words.count, tokens.count - 1)
        return true
    }

    mutating func takeAny(_ words: Set<String>) -> String? {
        guard token.kind == .word, words.contains(token.upper) else { return nil }
        let word = token.upper
        advance()
        return word
    }

    mutating func takeSymbol(_ symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        advance()
        return true
    }

    mutating func expectSymbol(_ symbol: String) throws(DDLError) {
        guard takeSymbol(symbol) else { throw unexpected("'\(symbol)'") }
    }

    func unexpected(_ wanted: String) -> DDLError {
        let rest = text[min(token.range.lowerBound, text.count)...].prefix(60)
        return DDLError(
            message: "expected \(wanted) at '\(String(decoding: rest, as: UTF8.self))' of the statement "
                + "'\(String(decoding: text.prefix(400), as: UTF8.self))'")
    }

    mutating func name() throws(DDLError) -> String {
        switch token.kind {
        case .word, .quotedName, .string:
            let name = token.text
            advance()
            return name
        default: throw unexpected("a name")
        }
    }

    mutating func tableName() throws(DDLError) -> TableID {
        let first = try name()
        if takeSymbol(".") { return TableID(first, try name()) }
        return TableID(database, first)
    }

    /// Passes over what stands in brackets; the opening one is the token.
    mutating func skipBrackets() {
        var depth = 0
        while token.kind != .end {
            if isSymbol("(") { depth += 1 }
            if isSymbol(")") { depth -= 1 }
            advance()
            if depth == 0 { return }
        }
    }

    /// What stands in brackets as it was written, without them.
    mutating func bracketedText() -> String {
        let start = token.range.upperBound
        skipBrackets()
        let end = position > 0 ? tokens[position - 1].range.lowerBound : start
        guard start <= end, end <= text.count else { return "" }
        return String(decoding: text[start..<end], as: UTF8.self)
    }

    // MARK: Statements

    private mutating func statement() throws(DDLError) {
        if take("SET", "STATEMENT") {
            // MariaDB: settings for the one statement behind FOR.
            while token.kind != .end, !isWord("FOR") { advance() }
            advance()
        }
        if take("CREATE") {
            try create()
        } else if take("ALTER") {
            skipWords(["ONLINE", "OFFLINE", "IGNORE"])
            if take("TABLE") {
                try alterTable()
            } else if takeAny(["DATABASE", "SCHEMA"]) != nil {
                let name = token.kind == .end || isDatabaseOption() ? database : try name()
                databaseOptions(name)
                changes.append(.alterDatabase(name))
            }
        } else if take("DROP") {
            try drop()
        } else if take("RENAME") {
            if takeAny(["TABLE", "TABLES"]) != nil { try renameTables() }
        } else if take("TRUNCATE") {
            _ = take("TABLE")
            changes.append(.truncate(try tableName()))
        } else if take("USE") {
            changes.append(.use(try name()))
        } else if take("SET") {
            settings()
        }
    }

    private mutating func skipWords(_ words: Set<String>) { while takeAny(words) != nil {} }

    private mutating func create() throws(DDLError) {
        let replaces = take("OR", "REPLACE")
        if takeAny(["DATABASE", "SCHEMA"]) != nil {
            let ifNotExists = take("IF", "NOT", "EXISTS")
            let name = try name()
            if replaces { catalog.removeDatabase(name) }
            if !ifNotExists || catalog.databaseCharsets[name] == nil { databaseOptions(name) }
            changes.append(.createDatabase(name))
            return
        }
        let isTemporary = take("TEMPORARY")
        if take("TABLE") {
            // Temporary tables are not in the log.
            if !isTemporary { try createTable(replaces: replaces) }
            return
        }
        let isUnique = take("UNIQUE")
        _ = takeAny(["FULLTEXT", "SPATIAL", "VECTOR"])
        guard take("INDEX") else { return }
        while token.kind != .end, !isWord("ON") { advance() }
        guard take("ON") else { return }
        guard var table = catalog[try tableName()] else { return }
        if isUnique { useAsKey(try indexColumns(), &table) }
        catalog[table.id] = table
        changes.append(.alter(table, previous: nil))
    }

    private mutating func drop() throws(DDLError) {
        if takeAny(["DATABASE", "SCHEMA"]) != nil {
            _ = take("IF", "EXISTS")
            let name = try name()
            for table in catalog.ids where table.database == name { changes.append(.drop(table)) }
            catalog.removeDatabase(name)
            changes.append(.dropDatabase(name))
            return
        }
        if take("TEMPORARY") { return }
        if takeAny(["TABLE", "TABLES"]) != nil {
            _ = take("IF", "EXISTS")
            repeat {
                let id = try tableName()
                catalog[id] = nil
                changes.append(.drop(id))
            } while takeSymbol(",")
            return
        }
        if take("INDEX") {
            while token.kind != .end, !isWord("ON") { advance() }
            guard take("ON") else { return }
            if let table = catalog[try tableName()] { changes.append(.alter(table, previous: nil)) }
        }
    }

    private mutating func renameTables() throws(DDLError) {
        _ = take("IF", "EXISTS")
        repeat {
            let old = try tableName()
            if takeAny(["WAIT"]) != nil { advance() }
            _ = take("NOWAIT")
            guard take("TO") else { throw unexpected("TO") }
            rename(old, to: try tableName())
        } while takeSymbol(",")
    }

    mutating func rename(_ old: TableID, to new: TableID) {
        guard var table = catalog[old] else { return }
        catalog[old] = nil
        table.id = new
        catalog[new] = table
        changes.append(.alter(table, previous: old))
    }

    private func isDatabaseOption() -> Bool {
        ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "COMMENT", "ENCRYPTION", "READ", "UPGRADE"]
            .contains(token.upper) && token.kind == .word
    }

    private mutating func databaseOptions(_ name: String) {
        var charset: String?
        while token.kind != .end {
            if let found = charsetOption() { charset = found } else { advance() }
        }
        if let charset { catalog.databaseCharsets[name] = charset }
    }

    /// `[DEFAULT] CHARACTER SET [=] x`, `CHARSET x`, `COLLATE x`: the character set.
    mutating func charsetOption() -> String? {
        let start = position
        _ = take("DEFAULT")
        if take("CHARACTER", "SET") || take("CHARSET") {
            _ = takeSymbol("=")
            let name = token.text.lowercased()
            advance()
            return name
        }
        if take("COLLATE") {
            _ = takeSymbol("=")
            let name = token.text.lowercased()
            advance()
            return Charset.ofCollation(name)
        }
        position = start
        return nil
    }

    /// `SET character_set_server=utf8mb4, ...`
    private mutating func settings() {
        while token.kind != .end {
            if token.upper == "CHARACTER_SET_SERVER" || token.upper == "CHARACTER_SET_DATABASE" {
                let isDatabase = token.upper == "CHARACTER_SET_DATABASE"
                advance()
                _ = takeSymbol(":")
                guard takeSymbol("=") else { continue }
                let name = token.text.lowercased()
                if isDatabase, !database.isEmpty {
                    catalog.databaseCharsets[database] = name
                } else {
                    catalog.serverCharset = name
                }
            }
            advance()
        }
    }

    mutating func record(_ change: DDLChange) { changes.append(change) }
}
