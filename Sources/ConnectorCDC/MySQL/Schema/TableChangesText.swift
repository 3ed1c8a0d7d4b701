internal import ConnectCore
internal import JSONFormat

/// Definitions in the form of the schema history, and as values of schema change events.
enum TableChangesText {
    static let keySchemaName = "SchemaChangeKey"

    static func json(_ change: DDLChange, hasComments: Bool) -> JSONValue? {
        switch change {
        case .create(let table):
            .object([
                ("type", .string("CREATE")), ("id", .string(table.id.quoted)), ("table", json(table, hasComments)),
                ("comment", .string(hasComments ? table.comment : nil)),
            ])
        case .alter(let table, let previous):
            .object(
                [("type", .string("ALTER")), ("id", .string(table.id.quoted))]
                    + (previous.map { [("previousId", .string($0.quoted))] } ?? [])
                    + [
                        ("table", json(table, hasComments)), ("comment", .string(hasComments ? table.comment : nil)),
                    ])
        case .drop(let id): .object([("type", .string("DROP")), ("id", .string(id.quoted))])
        default: nil
        }
    }

    private static func json(_ table: TableDefinition, _ hasComments: Bool) -> JSONValue {
        .object([
            ("defaultCharsetName", .string(table.charset)),
            ("primaryKeyColumnNames", .array(table.primaryKey.map { .string($0) })),
            (
                "columns",
                .array(table.columns.enumerated().map { json($1, position: $0 + 1, hasComments) })
            ),
            ("attributes", .array([])),
        ])
    }

    private static func json(_ column: ColumnDefinition, position: Int, _ hasComments: Bool) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("name", .string(column.name)), ("jdbcType", .number(Int64(column.jdbcType))),
            ("typeName", .string(column.typeName)), ("typeExpression", .string(column.typeName)),
            ("charsetName", .string(column.charset)),
        ]
        if let length = column.length { members.append(("length", .number(Int64(length)))) }
        if let scale = column.scale { members.append(("scale", .number(Int64(scale)))) }
        members += [
            ("position", .number(Int64(position))), ("optional", .bool(column.isOptional)),
            ("autoIncremented", .bool(column.isAutoIncremented)), ("generated", .bool(column.isGenerated)),
            ("comment", .string(hasComments ? column.comment : nil)), ("hasDefaultValue", .bool(column.hasDefault)),
        ]
        if let value = column.defaultExpression { members.append(("defaultValueExpression", .string(value))) }
        members.append(("enumValues", .array(column.enumValues.map { .string($0) })))
        return .object(members)
    }

    /// Brings a catalog up to date with one entry of `tableChanges`.
    ///
    /// - Returns: false when it is none.
    static func apply(_ json: JSONValue, to catalog: inout TableCatalog) -> Bool {
        guard let type = json["type"]?.text, let id = json["id"]?.text.flatMap(id) else { return false }
        switch type {
        case "CREATE", "ALTER":
            guard let table = json["table"], let definition = table.elements == nil ? read(table, id) : nil else {
                return false
            }
            if let previous = json["previousId"]?.text.flatMap(self.id) { catalog[previous] = nil }
            catalog[id] = definition
        case "DROP": catalog[id] = nil
        default: return false
        }
        return true
    }

    private static func id(_ quoted: String) -> TableID? {
        let names = quoted.split(separator: "\".\"", maxSplits: 1, omittingEmptySubsequences: false)
        guard names.count == 2, names[0].hasPrefix("\""), names[1].hasSuffix("\"") else { return nil }
        return TableID(String(names[0].dropFirst()), String(names[1].dropLast()))
    }

    private static func read(_ json: JSONValue, _ id: TableID) -> TableDefinition? {
        guard let columns = json["columns"]?.elements else { return nil }
        var table = TableDefinition(id: id)
        table.charset = json["defaultCharsetName"]?.text
        table.primaryKey = (json["primaryKeyColumnNames"]?.elements ?? []).compactMap(\.text)
        for json in columns {
            guard let name = json["name"]?.text, let type = json["typeName"]?.text else { return nil }
            var column = ColumnDefinition(
                name: name, typeName: type, jdbcType: Int32(clamping: json["jdbcType"]?.integer ?? 1111))
            column.length = json["length"]?.integer.map { Int($0) }
            column.scale = json["scale"]?.integer.map { Int($0) }
            // Debezium writes -1 for a length that is not given.
            if column.length == -1 { column.length = nil }
            column.charset = json["charsetName"]?.text
            column.isOptional = json["optional"]?.flag ?? true
            column.isAutoIncremented = json["autoIncremented"]?.flag ?? false
            column.isGenerated = json["generated"]?.flag ?? false
            column.comment = json["comment"]?.text
            column.hasDefault = json["hasDefaultValue"]?.flag ?? false
            column.defaultExpression = json["defaultValueExpression"]?.text
            column.enumValues = (json["enumValues"]?.elements ?? []).compactMap(\.text)
            table.columns.append(column)
        }
        return table
    }

    // MARK: Events

    private static let column = ConnectSchema(
        .structure, name: "io.debezium.connector.schema.Column", version: 1,
        fields: [
            .init("name", .string), .init("jdbcType", .int32), .init("nativeType", .optionalInt32),
            .init("typeName", .string), .init("typeExpression", .optionalString),
            .init("charsetName", .optionalString), .init("length", .optionalInt32), .init("scale", .optionalInt32),
            .init("position", .int32), .init("optional", .optionalBoolean),
            .init("autoIncremented", .optionalBoolean), .init("generated", .optionalBoolean),
            .init("comment", .optionalString), .init("defaultValueExpression", .optionalString),
            .init("enumValues", .array(.string, isOptional: true)),
        ])
    private static let table = ConnectSchema(
        .structure, isOptional: true, name: "io.debezium.connector.schema.Table", version: 1,
        fields: [
            .init("defaultCharsetName", .optionalString),
            .init("primaryKeyColumnNames", .array(.string, isOptional: true)), .init("columns", .array(column)),
            .init("comment", .optionalString),
        ])
    private static let change = ConnectSchema(
        .structure, name: "io.debezium.connector.schema.Change", version: 1,
        fields: [.init("type", .string), .init("id", .string), .init("table", table)])

    static func key(_ flavor: Flavor) -> ConnectSchema {
        ConnectSchema(
            .structure, name: "io.debezium.connector.\(flavor.rawValue).SchemaChangeKey", version: 1,
            fields: [.init("databaseName", .string)])
    }

    static func value(_ flavor: Flavor, source: ConnectSchema) -> ConnectSchema {
        ConnectSchema(
            .structure, name: "io.debezium.connector.\(flavor.rawValue).SchemaChangeValue", version: 1,
            fields: [
                .init("source", source), .init("ts_ms", .int64), .init("databaseName", .optionalString),
                .init("schemaName", .optionalString), .init("ddl", .optionalString),
                .init("tableChanges", .array(change)),
            ])
    }

    private static func text(_ text: String?) -> ConnectValue { text.map { .string($0) } ?? .null }

    static func event(_ changes: [DDLChange], hasComments: Bool) -> ConnectValue {
        .array(
            changes.compactMap { next in
                let (type, definition): (String, TableDefinition?) =
                    switch next {
                    case .create(let table): ("CREATE", table)
                    case .alter(let table, _): ("ALTER", table)
                    case .drop: ("DROP", nil)
                    default: ("", nil)
                    }
                guard !type.isEmpty, let id = next.table else { return nil }
                return .structure(
                    ConnectStruct(
                        change,
                        values: [
                            .string(type), .string(id.quoted), definition.map { value($0, hasComments) } ?? .null,
                        ]))
            })
    }

    private static func value(_ definition: TableDefinition, _ hasComments: Bool) -> ConnectValue {
        let columns = definition.columns.enumerated().map { index, next -> ConnectValue in
            .structure(
                ConnectStruct(
                    column,
                    values: [
                        .string(next.name), .int32(next.jdbcType), .null, .string(next.typeName),
                        .string(next.typeName), text(next.charset),
                        next.length.map { .int32(Int32(clamping: $0)) } ?? .null,
                        next.scale.map { .int32(Int32(clamping: $0)) } ?? .null, .int32(Int32(clamping: index + 1)),
                        .boolean(next.isOptional), .boolean(next.isAutoIncremented), .boolean(next.isGenerated),
                        text(hasComments ? next.comment : nil), text(next.defaultExpression),
                        next.enumValues.isEmpty ? .null : .array(next.enumValues.map { .string($0) }),
                    ]))
        }
        return .structure(
            ConnectStruct(
                table,
                values: [
                    text(definition.charset), .array(definition.primaryKey.map { .string($0) }), .array(columns),
                    text(hasComments ? definition.comment : nil),
                ]))
    }
}
