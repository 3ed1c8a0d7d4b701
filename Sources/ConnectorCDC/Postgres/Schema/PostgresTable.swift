internal import ConnectCore

/// A table of PostgreSQL with the types of its columns.
struct PostgresTable: Sendable {
    struct Column: Sendable {
        var type: UInt32
        var modifier: Int32
        /// In the replica identity: rows as they were have it.
        var isIdentity = true
    }

    var definition: TableDefinition
    /// Parallel to the definition's.
    var columns: [Column]

    var id: TableID { definition.id }
}

/// Reads the definitions of tables out of a database's catalog.
struct PostgresCatalog {
    let connection: PostgresConnection
    let types: PostgresTypes

    /// All tables that hold rows, or whose partitions do, without temporary ones.
    func tables() throws(PostgresError) -> [(id: TableID, oid: UInt32)] {
        try connection.rows(
            "SELECT n.nspname, c.relname, c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                + "ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
        ).compactMap { row in
            guard let schema = row[0], let name = row[1], let oid = row[2].flatMap({ UInt32($0) }) else { return nil }
            return (TableID(schema, name), oid)
        }
    }

    func oid(of table: TableID) throws(PostgresError) -> UInt32? {
        try connection.value(
            "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                + "WHERE c.relkind IN ('r', 'p') AND n.nspname = \(postgresText(table.database)) "
                + "AND c.relname = \(postgresText(table.table))"
        ).flatMap { UInt32($0) }
    }

    /// - Returns: definitions of those tables that are still there.
    func definitions(_ tables: [(id: TableID, oid: UInt32)]) throws(PostgresError) -> [PostgresTable] {
        guard !tables.isEmpty else { return [] }
        let numbers = tables.map { String($0.oid) }.joined(separator: ",")
        var made: [UInt32: PostgresTable] = [:]
        let generated = connection.serverVersion >= 120_000 ? "a.attgenerated" : "''"
        for row in try connection.rows(
            "SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, a.attnotnull, \(generated), "
                + "pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.col_description(a.attrelid, a.attnum) "
                + "FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid "
                + "AND d.adnum = a.attnum WHERE a.attrelid IN (\(numbers)) AND a.attnum > 0 AND NOT a.attisdropped "
                + "ORDER BY a.attrelid, a.attnum")
        {
            guard let relation = row[0].flatMap({ UInt32($0) }), let name = row[1],
                let type = row[2].flatMap({ UInt32($0) }), let modifier = row[3].flatMap({ Int32($0) }),
                let table = tables.first(where: { $0.oid == relation })
            else { continue }
            let isGenerated = !(row[5] ?? "").isEmpty
            let column = column(
                name, type, modifier, isOptional: row[4] != "t", expression: isGenerated ? nil : row[6],
                comment: row[7], isOfLog: false)
            made[relation, default: PostgresTable(definition: TableDefinition(id: table.id), columns: [])]
                .definition.columns.append(column)
            made[relation]?.columns.append(PostgresTable.Column(type: type, modifier: modifier))
        }
        let keyCount = connection.serverVersion >= 110_000 ? "i.indnkeyatts" : "i.indnatts"
        var keys: [UInt32: (index: String, columns: [String])] = [:]
        // The primary key, or else the first unique index by its name.
        for row in try connection.rows(
            "SELECT i.indrelid, c.relname, a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c "
                + "ON c.oid = i.indexrelid CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) "
                + "JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
                + "WHERE i.indrelid IN (\(numbers)) AND i.indisunique AND i.indexprs IS NULL AND i.indpred IS NULL "
                + "AND k.place <= \(keyCount) ORDER BY i.indrelid, i.indisprimary DESC, c.relname, k.place")
        {
            guard let relation = row[0].flatMap({ UInt32($0) }), let index = row[1], let name = row[2] else { continue }
            guard keys[relation] == nil || keys[relation]?.index == index else { continue }
            keys[relation, default: (index, [])].columns.append(name)
        }
        return tables.compactMap { table in
            guard var definition = made[table.oid] else { return nil }
            definition.definition.primaryKey = keys[table.oid]?.columns ?? []
            return definition
        }
    }

    /// - Parameters:
    ///   - expression: the default's; nil for none.
    ///   - isOfLog: JDBC's catalog and the log have other sizes for numbers without any.
    func column(
        _ name: String, _ oid: UInt32, _ modifier: Int32, isOptional: Bool, expression: String?, comment: String?,
        isOfLog: Bool
    ) -> ColumnDefinition {
        let resolved = types.resolved(oid, modifier)
        var typeName = types[oid]?.name ?? ""
        if let expression, expression.hasPrefix("nextval(") {
            switch typeName {
            case "int2": typeName = "smallserial"
            case "int4": typeName = "serial"
            case "int8": typeName = "bigserial"
            default: break
            }
        }
        // JDBC's numbers of texts and of everything else, which is all that is asked of it.
        let isText = ["bpchar", "varchar", "text", "name", "char", "citext"].contains(resolved?.type.name ?? "")
        // Of an array JDBC tells what its elements have.
        let sized = resolved.flatMap { types[$0.type.element] } ?? resolved?.type
        let isUnsized = !isOfLog && resolved?.type.name == "numeric" && (resolved?.modifier ?? -1) < 0
        return ColumnDefinition(
            name: name, typeName: typeName.uppercased(), jdbcType: isText ? 12 : 1111,
            length: isUnsized ? 0 : sized?.length(resolved?.modifier ?? -1),
            scale: isUnsized ? nil : sized?.scale(resolved?.modifier ?? -1),
            isOptional: isOptional, comment: comment, hasDefault: expression != nil, defaultExpression: expression)
    }

    /// A table as the log has it, with what only the catalog knows of it: keys, defaults, whether columns may be NULL. The
    /// catalog is that of now, and the log's table of then: what does not fit any more counts as not there.
    func definition(of relation: PgOutputRelation) throws(PostgresError) -> PostgresTable {
        let id = TableID(relation.schema, relation.name)
        var now: PostgresTable?
        if let oid = try oid(of: id) { now = try definitions([(id, oid)]).first }
        var table = PostgresTable(definition: TableDefinition(id: id), columns: [])
        for column in relation.columns {
            let known = now?.definition.columns.first { $0.name == column.name }
            table.definition.columns.append(
                self.column(
                    column.name, column.type, column.modifier, isOptional: known?.isOptional ?? true,
                    expression: known?.defaultExpression, comment: known?.comment, isOfLog: true))
            table.columns.append(
                PostgresTable.Column(type: column.type, modifier: column.modifier, isIdentity: column.isIdentity))
        }
        let names = Set(relation.columns.map(\.name))
        table.definition.primaryKey = (now?.definition.primaryKey ?? []).filter { names.contains($0) }
        return table
    }
}
