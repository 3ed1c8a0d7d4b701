/// `CREATE TABLE` and `ALTER TABLE`.
extension DDLParser {
    mutating func createTable(replaces: Bool) throws(DDLError) {
        let ifNotExists = take("IF", "NOT", "EXISTS")
        let id = try tableName()
        if ifNotExists, !replaces, catalog[id] != nil { return }
        if take("LIKE") {
            try createLike(id)
            return
        }
        if isSymbol("("), peek(1).kind == .word, peek(1).upper == "LIKE" {
            advance()
            advance()
            try createLike(id)
            return
        }
        var table = TableDefinition(id: id)
        table.charset = catalog.charset(ofDatabase: id.database)
        var uniqueKeys: [[String]] = []
        if isSymbol("(") {
            // The table's character set stands behind its columns, which inherit it.
            let start = mark()
            skipBrackets()
            tableOptions(&table)
            reset(start)
            advance()
            repeat { try createDefinition(&table, &uniqueKeys) } while takeSymbol(",")
            try expectSymbol(")")
        } else {
            tableOptions(&table)
        }
        for columns in uniqueKeys { useAsKey(columns, &table) }
        // CREATE TABLE ... SELECT is logged with all of its columns, except by old servers; nothing more to learn here.
        catalog[id] = table
        record(.create(table))
    }

    private mutating func createLike(_ id: TableID) throws(DDLError) {
        let other = try tableName()
        guard var table = catalog[other] else { return }
        table.id = id
        catalog[id] = table
        record(.create(table))
    }

    private mutating func createDefinition(
        _ table: inout TableDefinition, _ uniqueKeys: inout [[String]]
    ) throws(DDLError) {
        if try constraint(&table, &uniqueKeys) { return }
        var isKey = false
        var isUnique = false
        let column = try columnDefinition(try name(), table, isKey: &isKey, isUnique: &isUnique)
        table.columns.append(column)
        if isKey { setPrimaryKey([column.name], &table) }
        // As the original: such a column is the key even where it may be NULL.
        if isUnique, table.primaryKey.isEmpty { table.primaryKey = [column.name] }
    }

    /// A key, index, constraint or period among the columns.
    private mutating func constraint(
        _ table: inout TableDefinition, _ uniqueKeys: inout [[String]]
    ) throws(DDLError) -> Bool {
        guard token.kind == .word else { return false }
        let start = mark()
        if take("CONSTRAINT") {
            if !isAnyWord(["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) { _ = try name() }
        }
        if take("PRIMARY", "KEY") {
            setPrimaryKey(try indexColumns(), &table)
        } else if isWord("UNIQUE"), !startsColumn() {
            advance()
            uniqueKeys.append(try indexColumns())
        } else if isAnyWord(["INDEX", "KEY", "FULLTEXT", "SPATIAL", "VECTOR"]), !startsColumn() {
        } else if take("FOREIGN", "KEY") || (isWord("CHECK") && peek(1).text == "(") {
        } else if isWord("PERIOD"), peek(1).upper == "FOR" {
        } else if isWord("LIKE") {
        } else {
            reset(start)
            return false
        }
        skipDefinition()
        return true
    }

    /// A column may have a keyword's name: it is one when a type follows.
    private func startsColumn() -> Bool {
        peek(1).kind == .word && ColumnTypes.names.contains(peek(1).upper)
            && !["KEY", "INDEX"].contains(peek(1).upper)
            && !(peek(2).text == "(" && !ColumnTypes.hasLength(peek(1).upper))
    }

    private func isAnyWord(_ words: Set<String>) -> Bool { token.kind == .word && words.contains(token.upper) }

    /// Up to the comma or bracket that ends a part.
    mutating func skipDefinition() {
        while token.kind != .end, !isSymbol(","), !isSymbol(")") {
            if isSymbol("(") { skipBrackets() } else { advance() }
        }
    }

    func setPrimaryKey(_ names: [String], _ table: inout TableDefinition) {
        table.primaryKey = names.map { name in table.index(of: name).map { table.columns[$0].name } ?? name }
        for name in table.primaryKey {
            if let index = table.index(of: name) {
                table.columns[index].isOptional = false
                // No default of NULL is left then.
                if table.columns[index].defaultExpression == nil { table.columns[index].hasDefault = false }
            }
        }
    }

    /// Without a primary key the first unique key of columns that are never NULL is the records' key.
    func useAsKey(_ columns: [String], _ table: inout TableDefinition) {
        guard table.primaryKey.isEmpty, !columns.isEmpty else { return }
        let indexes = columns.map { table.index(of: $0) }
        guard indexes.allSatisfy({ $0.map { !table.columns[$0].isOptional } ?? false }) else { return }
        table.primaryKey = indexes.compactMap { $0.map { table.columns[$0].name } }
    }

    /// `[name] [USING x] (a(10) DESC, b)`: the columns; none when an expression is among them.
    mutating func indexColumns() throws(DDLError) -> [String] {
        while token.kind != .end, !isSymbol("(") { advance() }
        try expectSymbol("(")
        var names: [String] = []
        var isPlain = true
        repeat {
            if isSymbol("(") {
                skipBrackets()
                isPlain = false
            } else {
                names.append(try name())
                // A prefix does not tell rows apart, yet Debezium takes the column.
                if isSymbol("(") { skipBrackets() }
            }
            while token.kind == .word { advance() }
        } while takeSymbol(",")
        try expectSymbol(")")
        return isPlain ? names : []
    }

    private mutating func tableOptions(_ table: inout TableDefinition) {
        while token.kind != .end {
            if let charset = charsetOption() {
                table.charset = charset
            } else if take("COMMENT") {
                _ = takeSymbol("=")
                table.comment = token.text
                advance()
            } else if isSymbol("(") {
                skipBrackets()
            } else if isWord("SELECT") || isWord("PARTITION") {
                return
            } else {
                advance()
            }
        }
    }

    // MARK: ALTER TABLE

    mutating func alterTable() throws(DDLError) {
        _ = take("IF", "EXISTS")
        let id = try tableName()
        if takeAny(["WAIT"]) != nil { advance() }
        _ = take("NOWAIT")
        guard var table = catalog[id] else { return }
        var newName: TableID?
        var uniqueKeys: [[String]] = []
        while token.kind != .end {
            try alteration(&table, &newName, &uniqueKeys)
            while token.kind != .end, !isSymbol(",") {
                if isSymbol("(") { skipBrackets() } else { advance() }
            }
            _ = takeSymbol(",")
        }
        for columns in uniqueKeys { useAsKey(columns, &table) }
        if let newName, newName != id {
            catalog[id] = nil
            table.id = newName
            catalog[newName] = table
            record(.alter(table, previous: id))
        } else {
            catalog[id] = table
            record(.alter(table, previous: nil))
        }
    }

    private mutating func alteration(
        _ table: inout TableDefinition, _ newName: inout TableID?, _ uniqueKeys: inout [[String]]
    ) throws(DDLError) {
        if take("ADD") {
            _ = take("COLUMN")
            _ = take("IF", "NOT", "EXISTS")
            if isAnyWord(["PARTITION", "SYSTEM"]), peek(1).text == "(" || peek(1).upper == "VERSIONING" { return }
            if takeSymbol("(") {
                repeat { try createDefinition(&table, &uniqueKeys) } while takeSymbol(",")
                try expectSymbol(")")
                return
            }
            if try constraint(&table, &uniqueKeys) { return }
            try place(try name(), nil, &table, &uniqueKeys)
        } else if take("DROP") {
            if take("PRIMARY", "KEY") {
                table.primaryKey = []
                return
            }
            let isColumn = take("COLUMN")
            if !isColumn,
                isAnyWord(["INDEX", "KEY", "FOREIGN", "CONSTRAINT", "CHECK", "PARTITION", "SYSTEM", "PERIOD"])
            {
                return
            }
            _ = take("IF", "EXISTS")
            let column = try name()
            if let index = table.index(of: column) {
                let name = table.columns.remove(at: index).name
                table.primaryKey.removeAll { $0 == name }
            }
        } else if take("CHANGE") {
            _ = take("COLUMN")
            let mayBeMissing = take("IF", "EXISTS")
            let old = try name()
            if mayBeMissing, table.index(of: old) == nil { return }
            try place(try name(), old, &table, &uniqueKeys)
        } else if take("MODIFY") {
            _ = take("COLUMN")
            let mayBeMissing = take("IF", "EXISTS")
            let column = try name()
            if mayBeMissing, table.index(of: column) == nil { return }
            try place(column, column, &table, &uniqueKeys)
        } else if take("ALTER") {
            if isAnyWord(["INDEX", "KEY", "CHECK", "CONSTRAINT"]) { return }
            _ = take("COLUMN")
            _ = take("IF", "EXISTS")
            try alterDefault(&table)
        } else if take("RENAME") {
            if take("COLUMN") {
                _ = take("IF", "EXISTS")
                let old = try name()
                guard take("TO") else { throw unexpected("TO") }
                let new = try name()
                if let index = table.index(of: old) { renameColumn(index, to: new, &table) }
            } else if takeAny(["INDEX", "KEY"]) == nil {
                _ = takeAny(["TO", "AS"])
                _ = takeSymbol("=")
                newName = try tableName()
            }
        } else if take("CONVERT", "TO") {
            if let charset = charsetOption() {
                table.charset = charset
                for index in table.columns.indices where table.columns[index].charset != nil {
                    table.columns[index].charset = charset
                }
            }
        } else if let charset = charsetOption() {
            table.charset = charset
        } else if take("COMMENT") {
            _ = takeSymbol("=")
            table.comment = token.text
        }
    }

    private func renameColumn(_ index: Int, to new: String, _ table: inout TableDefinition) {
        let old = table.columns[index].name
        table.columns[index].name = new
        table.primaryKey = table.primaryKey.map { $0 == old ? new : $0 }
    }

    /// Adds a column, or puts its new definition in the place of `old`; `FIRST` and `AFTER` say where it goes.
    private mutating func place(
        _ name: String, _ old: String?, _ table: inout TableDefinition, _ uniqueKeys: inout [[String]]
    ) throws(DDLError) {
        var isKey = false
        var isUnique = false
        var column = try columnDefinition(name, table, isKey: &isKey, isUnique: &isUnique)
        var index = table.columns.count
        if let old, let existing = table.index(of: old) {
            renameColumn(existing, to: name, &table)
            if table.primaryKey.contains(name) {
                column.isOptional = false
                if column.defaultExpression == nil { column.hasDefault = false }
            }
            table.columns.remove(at: existing)
            index = existing
        } else if table.index(of: name) != nil {
            return  // IF NOT EXISTS
        }
        if take("FIRST") {
            index = 0
        } else if take("AFTER") {
            let other = try self.name()
            if let place = table.index(of: other) { index = place + 1 }
        }
        table.columns.insert(column, at: min(index, table.columns.count))
        if isKey { setPrimaryKey([column.name], &table) }
        if isUnique { uniqueKeys.append([column.name]) }
    }

    private mutating func alterDefault(_ table: inout TableDefinition) throws(DDLError) {
        guard let index = table.index(of: try name()) else { return }
        if take("SET", "DEFAULT") {
            try defaultValue(&table.columns[index])
        } else if take("DROP", "DEFAULT") {
            table.columns[index].hasDefault = false
            table.columns[index].defaultExpression = nil
        }
    }

    func mark() -> Int { position }
    mutating func reset(_ mark: Int) { position = mark }
}
