import ConnectCore
import JSONFormat

/// The columns of a table as they are in Snowflake, and how they come to be what rows need.
struct TableColumns: Sendable {
    struct Column: Sendable, Equatable {
        var type: String
        var isNullable: Bool
    }

    private(set) var columns: [String: Column] = [:]

    /// - Parameter rows: what DESCRIBE TABLE gave: name, type, kind, `Y` for nullable, ...
    init(_ rows: [[String?]]) {
        for row in rows where row.count >= 4 {
            guard let name = row[0], let type = row[1], row[2]?.uppercased() ?? "COLUMN" == "COLUMN" else { continue }
            columns[name] = Column(type: type, isNullable: row[3] != "N")
        }
    }

    /// - Throws: `.permanent` when records cannot go into the table, in upstream's words.
    func check(_ table: TableIdentifier, isSchematized: Bool) throws(SnowflakeFailure) {
        func isVariant(_ name: String) -> Bool {
            columns[name].map { ColumnType.parts($0.type).name == "VARIANT" } ?? false
        }
        if isSchematized {
            guard columns[RowMaker.metadataColumn] == nil || isVariant(RowMaker.metadataColumn) else {
                throw SnowflakeFailure(
                    .permanent,
                    "Failed to append RECORD_METADATA column due to an existing RECORD_METADATA column with non-VARIANT "
                        + "type. table name: \(table)")
            }
            return
        }
        let others = columns.filter { $0.key != RowMaker.metadataColumn && $0.key != RowMaker.contentColumn }
        guard isVariant(RowMaker.metadataColumn), isVariant(RowMaker.contentColumn),
            others.values.allSatisfy(\.isNullable)
        else {
            throw SnowflakeFailure(
                .permanent,
                "Table doesn't have a compatible schema: \(table) needs RECORD_METADATA and RECORD_CONTENT of type "
                    + "VARIANT, and all its other columns have to take NULL")
        }
    }

    /// What has to change before rows can go in.
    struct Changes: Sendable {
        var added: [Row.Field] = []
        var nullable: [String] = []
        var isEmpty: Bool { added.isEmpty && nullable.isEmpty }
    }

    func changes(for rows: some Collection<Row>) -> Changes {
        var changes = Changes()
        if columns[RowMaker.metadataColumn] == nil {
            changes.added.append(
                Row.Field(column: RowMaker.metadataColumn, value: .null, type: "VARIANT", comment: nil))
        }
        var missing: Set<String> = []
        let required = columns.filter { !$0.value.isNullable }.map(\.key)
        var nullable: Set<String> = []
        for row in rows {
            guard case .fields(let fields) = row.content else { continue }
            for field in fields where columns[field.column] == nil && missing.insert(field.column).inserted {
                changes.added.append(field)
            }
            for name in required {
                let isThere =
                    name == RowMaker.metadataColumn
                    ? row.metadata != nil : fields.contains { $0.column == name && !$0.value.isNull }
                if !isThere { nullable.insert(name) }
            }
        }
        changes.nullable = nullable.sorted()
        return changes
    }

    /// The statement that brings rows, and the value that is bound.
    ///
    /// - Throws: `.row` when a column has a type that cannot be written.
    func insert(
        _ table: TableIdentifier, _ rows: some Collection<Row>, isSchematized: Bool
    ) throws(SnowflakeFailure) -> (sql: String, value: String) {
        var names = [RowMaker.metadataColumn]
        if isSchematized {
            var known: Set<String> = []
            for row in rows {
                guard case .fields(let fields) = row.content else { continue }
                for field in fields where known.insert(field.column).inserted { names.append(field.column) }
            }
        } else {
            names.append(RowMaker.contentColumn)
        }
        var targets: [(name: String, expression: String)] = []
        var types: [String] = []
        for (index, name) in names.enumerated() {
            let type = columns[name]?.type ?? "VARIANT"
            // A document is never NULL, not even when it is JSON's null.
            let isDocument = name == RowMaker.contentColumn && !isSchematized
            guard let expression = isDocument ? "F.VALUE[\(index)]" : ColumnType.expression(type, element: index) else {
                throw SnowflakeFailure(
                    .row, "column '\(name)' of \(table) has type \(type), which cannot be written")
            }
            targets.append((name, expression))
            types.append(type)
        }
        var places: [String: Int] = [:]
        for (index, name) in names.enumerated() { places[name] = index }
        var json: [UInt8] = [UInt8(ascii: "[")]
        json.reserveCapacity(rows.reduce(2) { $0 + $1.byteCount })
        for (number, row) in rows.enumerated() {
            if number > 0 { json.append(UInt8(ascii: ",")) }
            json.append(UInt8(ascii: "["))
            json += row.metadata ?? Array("null".utf8)
            switch row.content {
            case .document(let bytes):
                json.append(UInt8(ascii: ","))
                json += bytes
            case .fields(let fields):
                var values = [Row.FieldValue](repeating: .null, count: names.count)
                for field in fields { if let place = places[field.column] { values[place] = field.value } }
                for index in names.indices.dropFirst() {
                    json.append(UInt8(ascii: ","))
                    ColumnType.append(values[index], type: types[index], to: &json)
                }
            }
            json.append(UInt8(ascii: "]"))
        }
        json.append(UInt8(ascii: "]"))
        return (Statements.insert(table, targets), String(decoding: json, as: UTF8.self))
    }
}
