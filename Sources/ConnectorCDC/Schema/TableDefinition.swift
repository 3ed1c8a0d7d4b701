/// A table's name: its database, with PostgreSQL its schema, and its own.
struct TableID: Hashable, Sendable, Comparable, CustomStringConvertible {
    var database: String
    var table: String

    init(_ database: String, _ table: String) {
        self.database = database
        self.table = table
    }

    /// As filters and messages see it.
    var description: String { database + "." + table }

    /// As the schema history writes it: `"db"."table"`.
    var quoted: String { "\"\(database)\".\"\(table)\"" }

    /// For statements.
    var sql: String { sqlIdentifier(database) + "." + sqlIdentifier(table) }

    static func < (a: Self, b: Self) -> Bool {
        if a.database != b.database { return a.database.utf8.lexicographicallyPrecedes(b.database.utf8) }
        return a.table.utf8.lexicographicallyPrecedes(b.table.utf8)
    }
}

/// A name as statements take it.
func sqlIdentifier(_ name: String) -> String { "`" + name.replacing("`", with: "``") + "`" }

/// A text as statements take it, for a connection without NO_BACKSLASH_ESCAPES.
func sqlText(_ text: String) -> String {
    "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "''") + "'"
}

/// One column as its definition says it, in the words of the schema history.
struct ColumnDefinition: Hashable, Sendable {
    var name: String
    /// In capitals with its attributes: `INT UNSIGNED ZEROFILL`.
    var typeName: String
    /// JDBC's number of the type, which the schema history carries.
    var jdbcType: Int32
    /// Characters, digits or fraction digits: what stands in brackets behind the type.
    var length: Int?
    var scale: Int?
    /// MySQL's name of the character set; nil for what is no text.
    var charset: String?
    var isOptional = true
    var isAutoIncremented = false
    var isGenerated = false
    var comment: String?
    var hasDefault = false
    /// The default's text; nil for NULL.
    var defaultExpression: String?
    /// Members of ENUM and SET, still quoted.
    var enumValues: [String] = []
}

/// A table as its definitions add up to it.
struct TableDefinition: Hashable, Sendable {
    var id: TableID
    var columns: [ColumnDefinition] = []
    /// Names, in the key's order.
    var primaryKey: [String] = []
    var charset: String?
    var comment: String?

    func index(of column: String) -> Int? {
        columns.firstIndex { $0.name == column }
            // Names of columns are the same in any case.
            ?? columns.firstIndex { $0.name.lowercased() == column.lowercased() }
    }
}

/// All tables that are known, with the character sets that new ones inherit. Statements change it through `DDLParser`.
struct TableCatalog: Sendable {
    private(set) var tables: [TableID: TableDefinition] = [:]
    /// Of databases that have one of their own.
    var databaseCharsets: [String: String] = [:]
    var serverCharset = "utf8mb4"
    /// `lower_case_table_names` of the server is not 0: names of tables are the same in any case.
    var ignoresCase = false
    /// MariaDB's JSON is a text.
    var isMariaDB = false

    subscript(id: TableID) -> TableDefinition? {
        get { tables[key(id)] }
        set { tables[key(id)] = newValue }
    }

    var ids: [TableID] { tables.values.map(\.id).sorted() }

    func key(_ id: TableID) -> TableID {
        ignoresCase ? TableID(id.database.lowercased(), id.table.lowercased()) : id
    }

    func charset(ofDatabase name: String) -> String { databaseCharsets[name] ?? serverCharset }

    mutating func removeDatabase(_ name: String) {
        for (key, table) in tables where table.id.database == name { tables[key] = nil }
        databaseCharsets[name] = nil
    }
}
