import SQLFunctions
package import SQLSyntax
package import SQLTypes

extension StatementExecutor {
    func insertValues(_ insert: InsertValues, _ catalog: Catalog) throws(PlanError) -> StatementOutcome {
        guard let source = catalog[insert.target.text] else {
            throw PlanError(
                .unknownSource,
                "Cannot insert values into an unknown stream/table: \(Identifier.quote(insert.target.text))"
                    + ExpressionBinder.hint(insert.target.text, catalog.sourceNames), at: insert.target.position)
        }
        if source.isWindowed { throw PlanError("Cannot insert values into windowed stream/table!") }
        if source.isReadOnly {
            throw PlanError("Cannot insert values into read-only \(source.kind.lowercased): \(source.name)")
        }
        try Self.checkHeaders(insert, source)
        for expression in insert.values { try Self.checkQualifiers(expression) }
        let failure = "Failed to insert values into '\(source.name)'."
        guard environment.configuration.isEnabled("ksql.insert.into.values.enabled") else {
            throw PlanError(
                failure
                    + " The server has disabled INSERT INTO ... VALUES functionality. To enable it, restart your ksqlDB"
                    + " server with 'ksql.insert.into.values.enabled'=true")
        }
        let row: InsertedRow
        do { row = try self.row(insert, source, catalog) } catch { throw error.prefixed(failure + " ") }
        return StatementOutcome("", [.insert(row)])
    }

    /// The values of a row for columns of a source, by their names; ROWTIME too. Also for ASSERT VALUES.
    package func values(
        _ insert: InsertValues, for source: SourceDescription, in catalog: Catalog
    ) throws(PlanError) -> [String: SQLValue] {
        let implicit = source.keyColumns + source.valueColumns
        let names = insert.columns.isEmpty ? implicit.map(\.name) : insert.columns.map(\.text)
        try Self.checkHeaders(insert, source)
        guard names.count == insert.values.count else {
            let columns = insert.columns.map { Identifier.quote($0.text) }.joined(separator: ", ")
            throw PlanError(
                "Expected a value for each column. Expected Columns: [\(columns)]. Got "
                    + "[\(insert.values.map(\.description).joined(separator: ", "))]")
        }
        var types: [SQLType] = []
        for name in names {
            switch PseudoColumn(rawValue: name) {
            case .rowTime?: types.append(.bigint)
            case .rowPartition?, .rowOffset?:
                throw PlanError("Inserting into column \(Identifier.quote(name)) is not allowed.")
            default:
                guard let column = source.column(name) else {
                    throw PlanError(
                        .unknownColumn,
                        "Column name \(Identifier.quote(name)) does not exist."
                            + ExpressionBinder.hint(name, source.columns.map(\.name)))
                }
                types.append(column.type)
            }
        }
        var values: [String: SQLValue] = [:]
        for ((name, type), expression) in zip(zip(names, types), insert.values) {
            values[name] = try value(expression, of: type, name, catalog)
        }
        return values
    }

    /// There is no source whose columns a value could be of.
    private static func checkQualifiers(_ expression: Expression) throws(PlanError) {
        var qualifier: Identifier?
        expression.forEach { part in
            if case .qualifiedColumn(let source, _) = part.kind { qualifier = qualifier ?? source }
        }
        guard let qualifier else { return }
        throw PlanError(
            "Failed to prepare statement: '\(qualifier.text)' is not a valid stream/table name or alias.",
            at: expression.position)
    }

    /// Values for header columns: those of the list, or of all where there is none and values for them.
    private static func checkHeaders(_ insert: InsertValues, _ source: SourceDescription) throws(PlanError) {
        let headers = source.headerColumns.map(\.name)
        let used: [String]
        if insert.columns.isEmpty {
            used = insert.values.count > source.keyColumns.count + source.valueColumns.count ? headers : []
        } else {
            used = insert.columns.map(\.text).filter(headers.contains)
        }
        if !used.isEmpty { throw PlanError("Cannot insert into HEADER columns: \(used.joined(separator: ", "))") }
    }

    private func row(
        _ insert: InsertValues, _ source: SourceDescription, _ catalog: Catalog
    ) throws(PlanError) -> InsertedRow {
        let values = try self.values(insert, for: source, in: catalog)
        if source.isTable {
            let missing = source.keyColumns.map(\.name).filter { values[$0] == nil }
            guard missing.isEmpty else {
                throw PlanError(
                    "Value for primary key column(s) \(missing.joined(separator: ", ")) is required for tables")
            }
        }
        let timestamp = values[PseudoColumn.rowTime.rawValue]?.bigint ?? environment.now
        guard timestamp >= 0 else {
            throw PlanError("Invalid timestamp: \(timestamp). Timestamp should always be non-negative or null.")
        }
        return InsertedRow(
            source: source, key: source.keyColumns.map { values[$0.name] ?? .null },
            value: source.valueColumns.map { values[$0.name] ?? .null }, timestamp: timestamp)
    }

    private func value(
        _ expression: Expression, of type: SQLType, _ name: String, _ catalog: Catalog
    ) throws(PlanError) -> SQLValue {
        var hasColumn = false
        expression.forEach { part in
            if case .column(let name) = part.kind, TimeUnit(word: name.text) == nil { hasColumn = true }
        }
        try Self.checkQualifiers(expression)
        if hasColumn {
            throw PlanError("Unsupported column reference in insert value: \(expression)", at: expression.position)
        }
        let units = expression.rewritten { part in
            guard case .column(let name) = part.kind, let unit = TimeUnit(word: name.text) else { return nil }
            return Expression(.timeUnit(unit), position: part.position)
        }
        let bound = try ExpressionBinder([], functions: environment.functions).bind(
            try TypeResolver(types: catalog.types).expanding(units))
        if bound.isNull { return .null }
        var context = EvaluationContext(
            now: { [now = environment.now] in now }, random: environment.random, zones: environment.zones,
            limits: FunctionLimits(properties: environment.configuration.properties))
        let value: SQLValue
        do { value = try ExpressionInterpreter(environment.functions).evaluate(bound, &context) } catch {
            throw PlanError(error.message, at: expression.position)
        }
        guard let converted = Self.convert(value, from: bound.type, to: type) else {
            let text = SQLText.text(of: value, type: bound.type)
            let hint: String
            switch (bound.type, type) {
            case (.string, .timestamp): hint = ". Timestamp format must be yyyy-mm-ddThh:mm:ss[.S]"
            case (.string, .time): hint = ". Time format must be hh:mm:ss[.S]"
            case (.string, .date): hint = ". Date format must be yyyy-mm-dd"
            default: hint = ""
            }
            throw PlanError(
                .type,
                "Expected type \(type) for field \(Identifier.quote(name)) but got \(bound.type.base.rawValue)(\(text))\(hint)",
                at: expression.position)
        }
        return converted
    }

    /// A value in a type that takes it without CAST; nil when none does.
    private static func convert(_ value: SQLValue, from source: SQLType, to target: SQLType) -> SQLValue? {
        if value.isNull || source == target { return value }
        switch (value, source, target) {
        case (.decimal(let number), _, .decimal(let precision, let scale)):
            // Unlike CAST, which rounds: what is inserted is what was written.
            return (try? number.fitted(precision: precision, scale: scale)).map { .decimal($0) }
        case (.array(let elements), .array(let a), .array(let b)):
            var converted: [SQLValue] = []
            for element in elements {
                guard let element = convert(element, from: a, to: b) else { return nil }
                converted.append(element)
            }
            return .array(converted)
        case (.map(let map), .map(let aKey, let aValue), .map(let bKey, let bValue)):
            var keys: [SQLValue] = []
            var values: [SQLValue] = []
            for (key, value) in map.entries {
                guard let key = convert(key, from: aKey, to: bKey), let value = convert(value, from: aValue, to: bValue)
                else { return nil }
                keys.append(key)
                values.append(value)
            }
            return .map(SQLMap(keys: keys, values: values))
        case (.structure(let fields), .structure(let a), .structure(let b)):
            guard a.allSatisfy({ field in b.contains { $0.name == field.name } }) else { return nil }
            var converted: [SQLValue] = []
            for field in b {
                guard let index = a.firstIndex(where: { $0.name == field.name }), fields.indices.contains(index) else {
                    converted.append(.null)
                    continue
                }
                guard let value = convert(fields[index], from: a[index].type, to: field.type) else { return nil }
                converted.append(value)
            }
            return .structure(converted)
        default:
            // Base64 stands for bytes.
            let isText = source == .string && target == .bytes
            guard isText || Coercion.canCast(source.base, to: target.base),
                let cast = try? SQLCast(from: source, to: target)
            else {
                return nil
            }
            // A text that is no time, a number that does not fit: the caller says what was expected.
            return try? cast(value)
        }
    }
}
