/// The types of columns by the words of definitions, with JDBC's numbers as the schema history has them.
enum ColumnTypes {
    private static let byName: [String: Int32] = [
        "TINYINT": 5, "INT1": 5, "SMALLINT": 5, "INT2": 5, "MEDIUMINT": 4, "INT3": 4, "MIDDLEINT": 4, "INT": 4,
        "INTEGER": 4, "INT4": 4, "BIGINT": -5, "INT8": -5, "DECIMAL": 3, "DEC": 3, "FIXED": 3, "NUMERIC": 2, "FLOAT": 6,
        "FLOAT4": 6, "FLOAT8": 8, "DOUBLE": 8, "REAL": 7, "BIT": -7, "BOOL": 16, "BOOLEAN": 16, "SERIAL": -5,
        "CHAR": 1, "CHARACTER": 1, "VARCHAR": 12, "VARCHARACTER": 12, "NCHAR": -15, "NVARCHAR": -9, "NATIONAL": -9,
        "TINYTEXT": 12, "TEXT": 12, "MEDIUMTEXT": 12, "LONGTEXT": 12, "LONG": 12, "BINARY": -2, "VARBINARY": -3,
        "TINYBLOB": 2004, "BLOB": 2004, "MEDIUMBLOB": 2004, "LONGBLOB": 2004, "ENUM": 1, "SET": 1, "DATE": 91,
        "TIME": 92, "DATETIME": 93, "TIMESTAMP": 2014, "YEAR": 4, "JSON": 1111, "GEOMETRY": 1111, "POINT": 1111,
        "LINESTRING": 1111, "POLYGON": 1111, "MULTIPOINT": 1111, "MULTILINESTRING": 1111, "MULTIPOLYGON": 1111,
        "GEOMETRYCOLLECTION": 1111, "GEOMCOLLECTION": 1111, "UUID": 1, "INET4": 1, "INET6": 1, "VECTOR": 1111,
        "XMLTYPE": 12, "VARCHAR2": 12, "NUMBER": 3, "RAW": -3, "CLOB": 12,
    ]

    static let names = Set(byName.keys)

    /// A type by its own name, without what definitions add to it and whatever it was called there.
    static func plain(_ typeName: String) -> String {
        let additions: Set<Substring> = ["UNSIGNED", "SIGNED", "ZEROFILL"]
        var words = typeName.split(separator: " ").filter { !additions.contains($0) }
        if words.count > 1, words.last == "BINARY" { words.removeLast() }
        let base = words.joined(separator: " ")
        return switch base {
        case "CHAR VARYING", "CHARACTER VARYING": "VARCHAR"
        case "NCHAR VARCHAR", "NCHAR VARYING", "NATIONAL VARCHAR", "NATIONAL CHAR VARYING",
            "NATIONAL CHARACTER VARYING":
            "NVARCHAR"
        case "NATIONAL CHAR", "NATIONAL CHARACTER": "NCHAR"
        case "LONG", "LONG VARCHAR", "LONG CHAR VARYING": "MEDIUMTEXT"
        case "LONG VARBINARY": "MEDIUMBLOB"
        default: base
        }
    }

    static func jdbcType(_ name: String) -> Int32 { byName[name] ?? 1111 }

    /// Whether brackets behind the type's name are its own; an index's name has none of its kind.
    static func hasLength(_ name: String) -> Bool {
        !["DATE", "JSON", "GEOMETRY", "BOOL", "BOOLEAN", "SERIAL", "UUID", "INET4", "INET6"].contains(name)
    }

    /// Types that hold text in a character set.
    static let text: Set<String> = [
        "CHAR", "CHARACTER", "VARCHAR", "VARCHARACTER", "CHARACTER VARYING", "CHAR VARYING", "NCHAR", "NVARCHAR",
        "TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT", "LONG", "LONG VARCHAR", "ENUM", "SET", "XMLTYPE", "VARCHAR2",
        "CLOB", "NATIONAL CHAR", "NATIONAL VARCHAR", "NATIONAL CHARACTER", "NCHAR VARCHAR",
    ]

    static let national: Set<String> = [
        "NCHAR", "NVARCHAR", "NATIONAL CHAR", "NATIONAL VARCHAR", "NATIONAL CHARACTER", "NCHAR VARCHAR",
    ]
}

/// Definitions of columns.
extension DDLParser {
    mutating func columnDefinition(
        _ name: String, _ table: TableDefinition, isKey: inout Bool, isUnique: inout Bool
    ) throws(DDLError) -> ColumnDefinition {
        guard token.kind == .word else { throw unexpected("a type") }
        var base = token.upper
        var name = ColumnDefinition(name: name, typeName: base, jdbcType: ColumnTypes.jdbcType(base))
        advance()
        // Types of several words keep them, as the original has it.
        var written = base
        func add(_ words: String...) { written = ([written] + words).joined(separator: " ") }
        if base == "DOUBLE", take("PRECISION") {
            add("PRECISION")
        } else if ["CHAR", "CHARACTER", "NCHAR"].contains(base), take("VARYING") {
            add("VARYING")
        } else if base == "NATIONAL", let word = takeAny(["CHAR", "CHARACTER", "VARCHAR"]) {
            add(word)
            if word != "VARCHAR", take("VARYING") { add("VARYING") }
        } else if base == "NCHAR", take("VARCHAR") {
            add("VARCHAR")
        } else if base == "LONG" {
            if take("VARCHAR") {
                add("VARCHAR")
            } else if take("CHAR", "VARYING") {
                add("CHAR", "VARYING")
            } else if take("VARBINARY") {
                add("VARBINARY")
            }
        }
        base = ColumnTypes.plain(written)
        name.jdbcType = base == "DOUBLE PRECISION" ? 8 : ColumnTypes.jdbcType(base)
        try typeArguments(base, &name)
        if base == "SERIAL" {
            base = "BIGINT UNSIGNED"
            written = base
            name.isOptional = false
            name.isAutoIncremented = true
            name.isGenerated = true
            isUnique = true
        }
        let isTextualJSON = base == "JSON" && catalog.isMariaDB
        if isTextualJSON {
            base = "LONGTEXT"
            written = base
            name.jdbcType = ColumnTypes.jdbcType(base)
        }
        name.typeName = written
        if ColumnTypes.text.contains(base) {
            name.charset = isTextualJSON ? "utf8mb4" : (ColumnTypes.national.contains(base) ? "utf8" : table.charset)
        }
        var explicitNull = false
        while token.kind != .end, !isSymbol(","), !isSymbol(")") {
            if !(try columnAttribute(&name, table, isKey: &isKey, isUnique: &isUnique, explicitNull: &explicitNull)) {
                if isWord("FIRST") || isWord("AFTER") { break }
                if isSymbol("(") { skipBrackets() } else { advance() }
            }
        }
        finish(&name)
        return name
    }

    private mutating func typeArguments(_ base: String, _ column: inout ColumnDefinition) throws(DDLError) {
        switch base {
        case "ENUM", "SET":
            try expectSymbol("(")
            while token.kind != .end, !isSymbol(")") {
                if token.kind == .string { column.enumValues.append(quotedMember()) }
                advance()
            }
            try expectSymbol(")")
            column.length = base == "ENUM" ? 1 : max(0, column.enumValues.count * 2 - 1)
        default:
            if isSymbol("(") {
                advance()
                if token.kind == .number || token.kind == .word { column.length = Int(token.text) }
                advance()
                if takeSymbol(",") {
                    column.scale = Int(token.text)
                    advance()
                }
                while token.kind != .end, !isSymbol(")") { advance() }
                try expectSymbol(")")
            }
            switch base {
            case "DECIMAL", "DEC", "FIXED", "NUMERIC", "NUMBER":
                column.length = column.length ?? 10
                column.scale = column.scale ?? 0
            case "BIT": column.length = column.length ?? 1
            default: break
            }
        }
    }

    /// A member as the schema history has it: in single quotes, quotes inside doubled.
    private func quotedMember() -> String { "'" + token.text.replacing("'", with: "''") + "'" }

    /// - Returns: whether the token was an attribute's.
    private mutating func columnAttribute(
        _ column: inout ColumnDefinition, _ table: TableDefinition, isKey: inout Bool, isUnique: inout Bool,
        explicitNull: inout Bool
    ) throws(DDLError) -> Bool {
        if take("UNSIGNED") {
            if !column.typeName.contains("UNSIGNED") { column.typeName += " UNSIGNED" }
        } else if take("SIGNED") {
            column.typeName += " SIGNED"
        } else if isWord("BINARY"), isPlainText(column), !column.typeName.hasSuffix(" BINARY") {
            advance()
            column.typeName += " BINARY"
        } else if take("ZEROFILL") {
            // Zerofill makes a column unsigned.
            if !column.typeName.contains("UNSIGNED") { column.typeName += " UNSIGNED" }
            column.typeName += " ZEROFILL"
        } else if take("NOT", "NULL") {
            column.isOptional = false
        } else if take("NULL") {
            column.isOptional = true
            explicitNull = true
        } else if take("DEFAULT") {
            try defaultValue(&column)
        } else if take("AUTO_INCREMENT") {
            column.isAutoIncremented = true
            column.isGenerated = true
        } else if take("ON", "UPDATE") {
            advance()
            if isSymbol("(") { skipBrackets() }
            column.isAutoIncremented = true
            column.isGenerated = true
        } else if take("PRIMARY", "KEY") || take("PRIMARY") {
            isKey = true
        } else if take("UNIQUE") {
            _ = take("KEY")
            isUnique = true
        } else if take("KEY") {
            isKey = true
        } else if take("COMMENT") {
            column.comment = token.text
            advance()
        } else if take("CHARACTER", "SET") || take("CHARSET") {
            column.charset = token.text.lowercased()
            advance()
        } else if take("ASCII") {
            column.charset = "latin1"
        } else if take("UNICODE") {
            column.charset = "ucs2"
        } else if take("BYTE") {
            column.charset = "binary"
        } else if take("COLLATE") {
            if let charset = Charset.ofCollation(token.text.lowercased()) { column.charset = charset }
            advance()
        } else if take("GENERATED", "ALWAYS") {
        } else if take("AS") {
            if isSymbol("(") { skipBrackets() }
        } else if take("REFERENCES") {
            try reference()
        } else if take("CHECK") {
            while token.kind != .end, !isSymbol(","), !isSymbol(")"), !isSymbol("(") { advance() }
            if isSymbol("(") { skipBrackets() }
        } else if take("INVISIBLE") || take("VISIBLE") || take("COMPRESSED") || take("PERSISTENT") || take("STORED")
            || take("VIRTUAL")
        {
        } else {
            return false
        }
        return true
    }

    private func isPlainText(_ column: ColumnDefinition) -> Bool {
        let plain = ColumnTypes.plain(column.typeName)
        return ColumnTypes.text.contains(plain) && plain != "ENUM" && plain != "SET"
    }

    /// `o (x) MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE`: what happens to rows says nothing of the column.
    private mutating func reference() throws(DDLError) {
        _ = try tableName()
        if isSymbol("(") { skipBrackets() }
        while true {
            if take("MATCH") {
                advance()
            } else if take("ON", "DELETE") || take("ON", "UPDATE") {
                if take("SET") || take("NO") { advance() } else { _ = takeAny(["RESTRICT", "CASCADE"]) }
            } else {
                return
            }
        }
    }

    /// The value behind DEFAULT: what it stands for as text, nil for NULL.
    mutating func defaultValue(_ column: inout ColumnDefinition) throws(DDLError) {
        column.hasDefault = true
        column.defaultExpression = nil
        var sign = ""
        if takeSymbol("-") { sign = "-" } else { _ = takeSymbol("+") }
        // A character set in front of a text: _utf8mb4'x'.
        if token.kind == .word, token.text.hasPrefix("_"), peek(1).kind == .string || peek(1).kind == .hex { advance() }
        switch token.kind {
        case .string:
            column.defaultExpression = token.text
            advance()
        case .number:
            column.defaultExpression = sign + token.text
            advance()
        case .bits:
            column.defaultExpression = token.text
            advance()
        case .hex:
            column.defaultExpression = hexText(token.text, column)
            advance()
        case .symbol where token.text == "(":
            // An expression: no value of a schema, unless it is nothing but a literal.
            let text = bracketedText()
            column.defaultExpression = Self.literal(text)
            if column.defaultExpression == nil, text.uppercased() != "NULL" {
                column.hasDefault = false
            }
        case .word:
            let word = token.upper
            advance()
            switch word {
            case "NULL": break
            case "TRUE", "FALSE": column.defaultExpression = word
            case "CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP":
                if isSymbol("(") { skipBrackets() }
                column.defaultExpression = "1970-01-01 00:00:00"
            default:
                // A function: its value is not known before.
                if isSymbol("(") { skipBrackets() }
                column.hasDefault = false
            }
        default: throw unexpected("a default")
        }
    }

    private func hexText(_ digits: String, _ column: ColumnDefinition) -> String {
        var bytes: [UInt8] = []
        var nibbles = Array(digits.utf8).compactMap { Character(UnicodeScalar($0)).hexDigitValue.map(UInt8.init) }
        if nibbles.count % 2 == 1 { nibbles.insert(0, at: 0) }
        for index in stride(from: 0, to: nibbles.count, by: 2) {
            bytes.append(nibbles[index] << 4 | nibbles[index + 1])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text of a literal that stands alone in brackets.
    private static func literal(_ text: String) -> String? {
        let tokens = DDLLexer.tokens(of: text)
        guard tokens.count == 2, tokens[0].kind == .string || tokens[0].kind == .number else { return nil }
        return tokens[0].text
    }

    private func finish(_ column: inout ColumnDefinition) {
        if column.charset == "binary" {
            // Text of bytes is bytes.
            switch ColumnTypes.plain(column.typeName) {
            case "CHAR", "CHARACTER": retype(&column, "BINARY")
            case "VARCHAR": retype(&column, "VARBINARY")
            case "TINYTEXT": retype(&column, "TINYBLOB")
            case "TEXT": retype(&column, "BLOB")
            case "MEDIUMTEXT": retype(&column, "MEDIUMBLOB")
            case "LONGTEXT": retype(&column, "LONGBLOB")
            default: break
            }
        }
        if !ColumnTypes.text.contains(ColumnTypes.plain(column.typeName)) { column.charset = nil }
        // A column that may be NULL is NULL where nothing else is said.
        if column.isOptional, !column.hasDefault { column.hasDefault = true }
    }

    private func retype(_ column: inout ColumnDefinition, _ name: String) {
        column.typeName = name
        column.jdbcType = ColumnTypes.jdbcType(name)
        column.charset = nil
    }
}
