/// A connection to a database, in the few words that the sink needs. Calls block: they belong on the thread of a task.
/// Nothing is written but in a transaction; `commit` and `rollback` end it, the next statement begins another one.
protocol Database: AnyObject {
    var dialect: Dialect { get }

    /// A statement without values and without a result: changes of structure.
    func execute(_ sql: String) throws(SQLFailure)

    /// A question with texts as its values, one placeholder for each, answered in texts.
    func query(_ sql: String, _ texts: [String]) throws(SQLFailure) -> [[String?]]

    /// A statement with values.
    /// - Returns: the number of rows that it changed.
    func run(_ sql: String, _ cells: [Cell]) throws(SQLFailure) -> Int

    /// What is known of a table; nil when there is none of the kinds.
    func describe(_ table: TableID, kinds: Set<TableDefinition.Kind>) throws(SQLFailure) -> TableDefinition?

    /// Writes rows to a table, in their order.
    func write(_ write: TableWrite, _ rows: CellRows) throws(SQLFailure)

    func commit() throws(SQLFailure)
    func rollback() throws(SQLFailure)
    func close()
}

/// A failure of a database, or of the way to it. No message has a password in it.
struct SQLFailure: Error, Sendable, CustomStringConvertible {
    enum Reaction: Sendable {
        /// The values are at fault, or the statement: trying again changes nothing.
        case refused
        /// Another moment, or another connection, may do better.
        case again
        /// Two rows of one statement meant the same row of the table: they have to go one by one.
        case split
        /// Nobody gets in with this configuration.
        case denied
    }

    var reaction: Reaction
    /// The five characters of the standard where the database has them, its own number otherwise.
    var state: String
    /// What the database says, without values of rows.
    var message: String
    /// What it adds, perhaps with values of rows.
    var detail: String?

    init(_ reaction: Reaction, state: String, _ message: String, detail: String? = nil) {
        self.reaction = reaction
        self.state = state
        self.message = message
        self.detail = detail
    }

    var description: String { text(withDetail: true) }

    /// - Parameter withDetail: whether values of rows may be in it.
    func text(withDetail: Bool) -> String {
        let shown = withDetail ? detail.map { message + " " + $0 } ?? message : message
        return "\(shown) (SQL state \(state))"
    }
}

/// Where a table is; the parts are as the configuration has them, unquoted.
struct TableID: Hashable, Sendable, CustomStringConvertible {
    var catalog: String?
    var schema: String?
    var name: String

    var parts: [String] { [catalog, schema, name].compactMap(\.self) }

    /// As the original shows tables in messages.
    var description: String { parts.map { "\"" + $0 + "\"" }.joined(separator: ".") }
}

/// What a table has.
struct TableDefinition: Sendable {
    enum Kind: String, Sendable, CaseIterable {
        case table = "TABLE"
        case partitioned = "PARTITIONED TABLE"
        case view = "VIEW"

        /// At the beginning of a sentence.
        var capitalized: String { self == .view ? "View" : "Table" }
    }

    /// What of a column's type decides how a value is written.
    enum Family: Sendable { case integer, text, other }

    struct Column: Sendable, Hashable {
        var name: String
        /// In the database's words, without length and precision.
        var type: String
        var family: Family
        var isArray = false
        /// Whether two values of the type are equal only when their texts are.
        var hasPlainEquality = false
    }

    var kind: Kind
    var columns: [Column]
    private let places: [String: Int]
    private let folded: [String: Int]

    init(kind: Kind, columns: [Column]) {
        self.kind = kind
        self.columns = columns
        places = Dictionary(columns.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        folded = Dictionary(
            columns.enumerated().map { ($1.name.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The column of a name, by its case first and in any case after that.
    func column(_ name: String) -> Column? {
        (places[name] ?? folded[name.lowercased()]).map { columns[$0] }
    }
}

/// A way of writing rows to a table.
struct TableWrite: Hashable, Sendable {
    enum Kind: Sendable { case insert, upsert, update, delete }

    struct Column: Hashable, Sendable {
        var target: TableDefinition.Column
        var isKey: Bool
    }

    var kind: Kind
    var table: TableID
    /// Parallel to the cells of a row; of a deletion the keys only.
    var columns: [Column]

    var keys: [Column] { columns.filter(\.isKey) }
    var others: [Column] { columns.filter { !$0.isKey } }
}
