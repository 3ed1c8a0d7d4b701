internal import Bytes
internal import ConnectCore
internal import SQLTypes

/// What differs from database to database in the text of statements.
struct Dialect: Sendable, Hashable {
    enum Product: String, Sendable, Hashable { case postgresql = "PostgreSql", mysql = "MySql", sqlite = "Sqlite" }

    let product: Product
    /// `quote.sql.identifiers`
    var quotesAlways = true
    /// Whether texts and bytes of MySQL get the columns of Debezium's sink and not those of Confluent's.
    var hasDebeziumTypes = false
    /// Whether `\` is a character like any other in texts of MySQL.
    var hasPlainBackslash = false

    init(_ product: Product) { self.product = product }

    // MARK: Identifiers

    private var mark: Character { product == .mysql ? "`" : "\"" }

    /// A name as statements have it. With `quote.sql.identifiers=never` names that need no quotes stay bare; all others
    /// are quoted all the same, so that no name of a topic or field ever becomes a piece of a statement.
    func quoted(_ name: String) -> String {
        if !quotesAlways, Self.isPlain(name) { return name }
        return quotedAlways(name)
    }

    private func quotedAlways(_ name: String) -> String {
        var text = String(mark)
        for character in name.unicodeScalars {
            text.unicodeScalars.append(character)
            if Character(character) == mark { text.append(mark) }
        }
        text.append(mark)
        return text
    }

    private static func isPlain(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39 ~= first) else { return false }
        return name.utf8.allSatisfy {
            0x61...0x7A ~= $0 || 0x41...0x5A ~= $0 || 0x30...0x39 ~= $0 || $0 == UInt8(ascii: "_")
        }
    }

    func quoted(_ table: TableID) -> String { table.parts.map(quoted).joined(separator: ".") }

    /// A column that the database has under this name.
    func quoted(_ column: TableDefinition.Column) -> String { quotedAlways(column.name) }

    /// The parts of a name such as `schema.table` or `"my.schema".table`.
    ///
    /// - Throws: `.connect` for what no database can have as a name.
    func table(_ text: String) throws(ConnectError) -> TableID {
        guard !text.utf8.contains(0) else { throw ConnectError(.connect, "A table's name has a zero byte in it") }
        var parts = [""]
        var isQuoted = false
        // By scalars: a mark that is combined with a quote must not hide it.
        for scalar in text.unicodeScalars {
            if Character(scalar) == mark {
                isQuoted.toggle()
            } else if scalar == ".", !isQuoted {
                parts.append("")
            } else {
                parts[parts.count - 1].unicodeScalars.append(scalar)
            }
        }
        guard parts.allSatisfy({ !$0.isEmpty }) else {
            throw ConnectError(.connect, "'\(text)' is no name of a table: a part of it is empty")
        }
        switch parts.count {
        case 1: return TableID(name: parts[0])
        case 2:
            // MySQL's databases are what others call schemas, and JDBC catalogs.
            return product == .mysql
                ? TableID(catalog: parts[0], name: parts[1]) : TableID(schema: parts[0], name: parts[1])
        case 3: return TableID(catalog: parts[0], schema: parts[1], name: parts[2])
        default:
            throw ConnectError(
                .connect, "'\(text)' is no name of a table: it has \(parts.count) parts, of at most three")
        }
    }

    /// Where a value stands in a statement, from 1.
    func placeholder(_ number: Int) -> String { product == .postgresql ? "$\(number)" : "?" }

    // MARK: Types

    /// - Throws: `.connect` in the original's words for what has no type.
    func type(_ kind: ColumnKind, isKey: Bool) throws(ConnectError) -> String {
        switch product {
        case .postgresql: try postgreSQLType(kind)
        case .mysql: try mySQLType(kind, isKey: isKey)
        case .sqlite: try sqliteType(kind)
        }
    }

    private static func noType(_ name: String?, _ kind: String) -> ConnectError {
        ConnectError(
            .connect, "\(name ?? "null") (\(kind)) type doesn't have a mapping to the SQL database column type")
    }

    private func postgreSQLType(_ kind: ColumnKind) throws(ConnectError) -> String {
        switch kind {
        case .int8, .int16: return "SMALLINT"
        case .int32: return "INT"
        case .int64: return "BIGINT"
        case .float32: return "REAL"
        case .float64: return "DOUBLE PRECISION"
        case .boolean: return "BOOLEAN"
        case .string: return "TEXT"
        case .bytes: return "BYTEA"
        case .decimal, .variableDecimal: return "DECIMAL"
        case .date, .days: return "DATE"
        case .time, .timeOfDay: return "TIME"
        case .timestamp, .epoch, .instant, .instantText: return "TIMESTAMP"
        case .zonedTime: return "TIMETZ"
        case .zonedTimestamp: return "TIMESTAMPTZ"
        case .array(let element): return try postgreSQLType(element) + "[]"
        case .unsupported(let name, let kind): throw Self.noType(name, kind.rawValue)
        }
    }

    private func mySQLType(_ kind: ColumnKind, isKey: Bool) throws(ConnectError) -> String {
        switch kind {
        case .int8, .boolean: return "TINYINT"
        case .int16: return "SMALLINT"
        case .int32: return "INT"
        case .int64: return "BIGINT"
        case .float32: return "FLOAT"
        case .float64: return "DOUBLE"
        // An index has no texts of any length.
        case .string: return isKey ? "VARCHAR(256)" : "TEXT"
        case .bytes: return "VARBINARY(1024)"
        // Scales below 0, of which the original makes a statement that MySQL does not take, have no digits behind the point.
        case .decimal(let scale): return "DECIMAL(65,\(max(0, scale)))"
        case .variableDecimal: return "DECIMAL(65,30)"
        case .date, .days: return "DATE"
        case .time, .timeOfDay(.millis): return "TIME(3)"
        case .timeOfDay: return "TIME(6)"
        case .timestamp, .epoch(.millis): return "DATETIME(3)"
        case .epoch, .zonedTimestamp, .instant, .instantText: return "DATETIME(6)"
        case .zonedTime: return isKey ? "VARCHAR(32)" : "TEXT"
        case .array: throw Self.noType(nil, "ARRAY")
        case .unsupported(let name, let kind): throw Self.noType(name, kind.rawValue)
        }
    }

    private func sqliteType(_ kind: ColumnKind) throws(ConnectError) -> String {
        switch kind {
        case .int8, .int16, .int32, .int64, .boolean: return "INTEGER"
        case .float32, .float64: return "REAL"
        case .string, .zonedTime: return "TEXT"
        case .bytes: return "BLOB"
        case .decimal, .variableDecimal, .date, .days, .time, .timeOfDay, .timestamp, .epoch, .zonedTimestamp, .instant,
            .instantText:
            return "NUMERIC"
        case .array: throw Self.noType(nil, "ARRAY")
        case .unsupported(let name, let kind): throw Self.noType(name, kind.rawValue)
        }
    }

    /// The column of Debezium's sink where the one of Confluent's would be too short: that of the source where it was
    /// propagated (`column.propagate.source.type`), otherwise one for values of any length.
    ///
    /// An index has no values of any length; keys keep the shorter columns.
    private func mySQLLongType(_ field: SinkField) -> String? {
        guard product == .mysql, hasDebeziumTypes else { return nil }
        switch field.kind {
        case .string: return field.isKey ? nil : "LONGTEXT"
        case .bytes:
            if let source = field.schema.parameter("__debezium.source.column.type")?.uppercased() {
                let length = field.schema.parameter("__debezium.source.column.length").flatMap { Int($0) } ?? 0
                switch source {
                case "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB": return field.isKey ? nil : source
                default: break
                }
                switch length {
                case ...0: break
                case ...Self.varbinaryMax: return "VARBINARY(\(length))"
                case ...Self.mediumBlobMax: return field.isKey ? nil : "MEDIUMBLOB"
                default: break
                }
            }
            return field.isKey ? nil : "LONGBLOB"
        default: return nil
        }
    }

    private static let varbinaryMax = 65_535
    private static let mediumBlobMax = 16_777_215

    private func type(_ field: SinkField) throws(ConnectError) -> String {
        if let long = mySQLLongType(field) { return long }
        return try type(field.kind, isKey: field.isKey)
    }

    // MARK: Structure

    /// - Parameter zones: of times in columns' defaults.
    func createTable(
        _ table: TableID, _ fields: [SinkField], zones: CellZones = .utc
    ) throws(ConnectError) -> String {
        var parts: [String] = []
        for field in fields { parts.append(try specification(field, zones)) }
        let keys = fields.filter(\.isKey)
        if !keys.isEmpty { parts.append("PRIMARY KEY(" + keys.map { quoted($0.name) }.joined(separator: ",") + ")") }
        return "CREATE TABLE \(quoted(table)) (\n" + parts.joined(separator: ",\n") + ")"
    }

    /// The statements that add columns.
    func addColumns(
        _ table: TableID, _ fields: [SinkField], zones: CellZones = .utc
    ) throws(ConnectError) -> [String] {
        var parts: [String] = []
        for field in fields { parts.append("ADD " + (try specification(field, zones))) }
        if product == .sqlite { return parts.map { "ALTER TABLE \(quoted(table)) \($0)" } }
        return ["ALTER TABLE \(quoted(table)) " + parts.joined(separator: ",\n")]
    }

    private func specification(_ field: SinkField, _ zones: CellZones) throws(ConnectError) -> String {
        guard !field.name.utf8.contains(0) else { throw ConnectError(.connect, "A field's name has a zero byte in it") }
        let type = try type(field)
        var text = quoted(field.name) + " " + type
        // Debezium's sink has no defaults for bytes, and older servers have none either.
        let takesDefault = !(product == .mysql && hasDebeziumTypes && field.kind == .bytes)
        if takesDefault, let value = field.schema.defaultValue, !value.isNull {
            text += " DEFAULT " + (try defaultText(value, field, type, zones))
        } else {
            text += field.isOptional ? " NULL" : " NOT NULL"
        }
        return text
    }

    private func defaultText(
        _ value: ConnectValue, _ field: SinkField, _ type: String, _ zones: CellZones
    ) throws(ConnectError) -> String {
        let encoder = CellEncoder(kind: field.kind, field: field.name, isRaw: false, zones: zones)
        let literal = try literal(try encoder.cell(value), field.name)
        // MySQL takes defaults of texts as expressions only.
        return product == .mysql && type.hasSuffix("TEXT") ? "(\(literal))" : literal
    }

    private func literal(_ cell: Cell, _ field: String) throws(ConnectError) -> String {
        switch cell {
        case .null: return "NULL"
        case .integer(let value): return String(value)
        case .float(let value) where value.isFinite: return "\(value)"
        case .double(let value) where value.isFinite: return "\(value)"
        case .flag(let value): return product == .postgresql ? (value ? "TRUE" : "FALSE") : (value ? "1" : "0")
        case .decimal(let value): return value.description
        case .text(let text): return try self.text(text, field)
        case .bytes(let bytes):
            let digits = String(decoding: Hexadecimal.encode(bytes), as: UTF8.self)
            return product == .postgresql ? "'\\x\(digits)'" : "x'\(digits)'"
        case .date, .time, .moment:
            if product == .sqlite { return String(cell.sqliteMillis) }
            return "'" + CellText.string { cell.appendTime(withEra: product == .postgresql, &$0) } + "'"
        case .array:
            guard product == .postgresql else { break }
            return try text(CellText.string { PostgreSQLText.append(cell, &$0) }, field)
        case .float, .double: break
        }
        throw ConnectError(.connect, "The default of field '\(field)' cannot be written into a table")
    }

    /// A text in quotes.
    private func text(_ text: String, _ field: String) throws(ConnectError) -> String {
        guard !text.utf8.contains(0) else {
            throw ConnectError(.connect, "The default of field '\(field)' has a zero byte in it")
        }
        var literal = "'"
        for scalar in text.unicodeScalars {
            literal.unicodeScalars.append(scalar)
            if scalar == "'" || (scalar == "\\" && product == .mysql && !hasPlainBackslash) {
                literal.unicodeScalars.append(scalar)
            }
        }
        return literal + "'"
    }

    // MARK: Rows

    /// An insertion with places for this number of rows; not for PostgreSQL, which takes whole columns.
    func insertText(_ write: TableWrite, rowCount: Int) -> String {
        let columns = write.columns.map { quoted($0.target) }.joined(separator: ",")
        let row = "(" + write.columns.map { _ in "?" }.joined(separator: ",") + ")"
        let rows = Array(repeating: row, count: rowCount).joined(separator: ",")
        var text = product == .sqlite && write.kind == .upsert ? "INSERT OR REPLACE INTO " : "INSERT INTO "
        text += "\(quoted(write.table))(\(columns)) VALUES\(rows)"
        if product == .mysql, write.kind == .upsert {
            let changed = write.others.isEmpty ? write.keys : write.others
            text += " ON DUPLICATE KEY UPDATE "
            text += changed.map { "\(quoted($0.target))=VALUES(\(quoted($0.target)))" }.joined(separator: ",")
        }
        return text
    }

    /// One row's update: the places of the others come first, then those of the keys.
    func updateText(_ write: TableWrite) -> String {
        "UPDATE \(quoted(write.table)) SET " + write.others.map { "\(quoted($0.target)) = ?" }.joined(separator: ", ")
            + (write.keys.isEmpty ? "" : " WHERE " + condition(write.keys))
    }

    func deleteText(_ write: TableWrite) -> String {
        "DELETE FROM \(quoted(write.table)) WHERE " + condition(write.columns)
    }

    /// Without rows that are deleted one by one where the database can: it commits with it in MySQL.
    func truncateText(_ table: TableID) -> String {
        (product == .sqlite ? "DELETE FROM " : "TRUNCATE TABLE ") + quoted(table)
    }

    private func condition(_ columns: [TableWrite.Column]) -> String {
        columns.map { "\(quoted($0.target)) = ?" }.joined(separator: " AND ")
    }
}

extension Cell {
    /// A date, time or moment as text; nothing for all others.
    ///
    /// - Parameter withEra: as PostgreSQL has it, with the zone and, where needed, `BC`.
    func appendTime(withEra: Bool, _ output: inout [UInt8]) {
        switch self {
        case .date(let days):
            CellText.append(days: days, isEra: withEra, &output)
            if withEra, CellText.isBeforeChrist(days: days) { output += " BC".utf8 }
        case .time(let micros): CellText.append(timeMicros: micros, &output)
        case .moment(let local, let ahead):
            let days = Int64(floorDiv(Int(local), Int(CellText.microsOfDay)))
            CellText.append(days: days, isEra: withEra, &output)
            output.append(0x20)
            CellText.append(timeMicros: Int64(floorMod(Int(local), Int(CellText.microsOfDay))), &output)
            guard withEra else { return }
            CellText.append(ahead: ahead, &output)
            if CellText.isBeforeChrist(days: days) { output += " BC".utf8 }
        default: break
        }
    }

    /// A date, time or moment in milliseconds since 1970, in UTC: as SQLite's driver stores them.
    var sqliteMillis: Int64 {
        switch self {
        case .date(let days): days * 86_400_000
        case .time(let micros): Int64(floorDiv(Int(micros), 1000))
        case .moment(let local, let ahead): Int64(floorDiv(Int(local), 1000)) - Int64(ahead) * 1000
        default: 0
        }
    }
}
