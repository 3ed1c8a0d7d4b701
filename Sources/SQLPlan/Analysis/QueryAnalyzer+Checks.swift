import SQLFunctions
import SQLSyntax
import SQLTypes

extension QueryAnalyzer {
    mutating func checkClauses(_ query: Query) throws(PlanError) {
        if let list = result.groupBy, Set(list).count != list.count {
            let twice = list.enumerated().first { list[..<$0.offset].contains($0.element) }
            throw PlanError("Duplicate GROUP BY expression: \(twice?.element.description ?? "")")
        }
        if isPersistent {
            if !query.orderBy.isEmpty { throw PlanError("ORDER BY is only supported for queries whose result ends.") }
            if query.offset != nil { throw PlanError("OFFSET is only supported for queries whose result ends.") }
            if query.times != nil {
                throw PlanError("FROM TIMESTAMP and TO TIMESTAMP are only supported for queries of clients.")
            }
        }
    }

    mutating func checkSelect() throws(PlanError) {
        for item in result.items {
            guard case .single(let expression, let alias) = item else { continue }
            if let pseudo = PseudoColumn(rawValue: alias.uppercased()) {
                let text = expression.description
                let plain = text.firstIndex(of: ".").map { String(text[text.index(after: $0)...]) } ?? text
                guard plain.uppercased() == alias.uppercased() else {
                    throw PlanError(
                        "`\(pseudo.rawValue)` is a reserved column name. You cannot use it as an alias for a column.",
                        at: expression.position)
                }
                if isPersistent {
                    throw PlanError(
                        "Reserved column name in select: `\(pseudo.rawValue)`. Please remove or alias the column.",
                        at: expression.position)
                }
            }
            try visit(expression, tableFunction: nil, inside: nil)
        }
    }

    /// Finds aggregates without GROUP BY and table functions.
    private mutating func visit(
        _ expression: Expression, tableFunction: String?, inside branch: Expression?
    ) throws(PlanError) {
        var tableFunction = tableFunction
        var branch = branch
        switch expression.kind {
        case .searchedCase, .simpleCase: branch = expression
        case .call(let function, _):
            let name = function.text.uppercased()
            switch functions.kind(of: name) {
            case .aggregate where result.groupBy == nil:
                result.groupBy = [Expression(.literal(.integer(1)))]
            case .table:
                if let tableFunction {
                    throw PlanError(
                        "Table functions cannot be nested: \(tableFunction)(\(name)())", at: expression.position)
                }
                if result.groupBy != nil {
                    throw PlanError("Table functions cannot be used with aggregations.", at: expression.position)
                }
                if let branch {
                    throw PlanError("Table functions cannot be used in CASE: \(branch)", at: expression.position)
                }
                tableFunction = name
                result.tableFunctions.append(expression)
            case nil:
                throw PlanError(
                    .function, "Can't find any functions with the name '\(name)'", at: expression.position)
            default: break
            }
        default: break
        }
        for child in expression.children { try visit(child, tableFunction: tableFunction, inside: branch) }
    }

    func checkColumns() throws(PlanError) {
        let mayBeSynthetic = result.isJoin && !result.hasExplicitGroupBy
        func check(_ expression: Expression, _ clause: String) throws(PlanError) {
            _ = try self.check(expression, clause, result.sources, mayBeSynthetic: mayBeSynthetic, isPost: true)
        }
        if let expression = result.where { try check(expression, "WHERE") }
        if result.hasExplicitGroupBy { for expression in result.groupBy ?? [] { try check(expression, "GROUP BY") } }
        for expression in result.partitionBy ?? [] {
            do { try check(expression, "PARTITION BY") } catch {
                guard error.code == .unknownColumn, let name = error.message.split(separator: "'").dropFirst().first
                else {
                    throw error
                }
                throw PlanError(
                    .unknownColumn,
                    error.message + " '\(name)' must be a column in the source schema since PARTITION BY is applied on"
                        + " the input.", at: error.position)
            }
        }
        if let expression = result.having { try check(expression, "HAVING") }
        for case .single(let expression, _) in result.items { try check(expression, "SELECT") }
        for case .allFields(let expression) in result.items { try check(expression, "SELECT") }
    }

    /// The aliases of the sources whose columns it uses.
    ///
    /// - Parameters:
    ///   - mayBeSynthetic: whether the key that a join makes up may be meant.
    ///   - isPost: whether bounds of the query's own window may be meant.
    func check(
        _ expression: Expression, _ clause: String, _ sources: [AliasedSource], mayBeSynthetic: Bool,
        isPost: Bool = false
    ) throws(PlanError) -> Set<String> {
        var used: Set<String> = []
        func unknown(_ name: String, _ position: Position) -> PlanError {
            let names = sources.flatMap(\.names)
            let plain = name.split(separator: ".").last.map(String.init) ?? name
            // The hint stands behind the sentence that tests look for.
            return PlanError(
                .unknownColumn,
                "\(position.prefix)\(clause) column '\(name)' cannot be resolved."
                    + ExpressionBinder.hint(plain, names).replacingLineBreak, at: position)
        }
        do {
            try expression.forEach { part in
                switch part.kind {
                case .column(let name):
                    if isPost, result.window != nil, !result.isJoin,
                        PseudoColumn(rawValue: name.text)?.isWindowBound == true
                    {
                        used.insert(result.from.alias)
                        return
                    }
                    if mayBeSynthetic, name.text.hasPrefix("ROWKEY") { return }
                    throw unknown(name.text, part.position)
                case .qualifiedColumn(let source, let column):
                    guard let owner = sources.first(where: { $0.alias == source.text }), owner.has(column.text) else {
                        throw unknown("\(source.text).\(column.text)", part.position)
                    }
                    used.insert(owner.alias)
                default: break
                }
            }
        } catch let error as PlanError {
            throw error
        } catch {
            throw PlanError("\(error)")
        }
        return used
    }

    func checkSources() throws(PlanError) {
        let reserved = result.sources.flatMap(\.source.valueColumns).map(\.name).filter { name in
            PseudoColumn(rawValue: name).map { !$0.isWindowBound } ?? false
        }
        guard reserved.isEmpty else {
            throw PlanError(
                "Your stream/table has columns with the same name as newly introduced pseudocolumns in ksqlDB, and cannot be"
                    + " queried as a result. The conflicting names are: "
                    + reserved.map(Identifier.quote).joined(separator: ", ") + ".\n")
        }
        let kafka = result.sources.filter { $0.source.valueFormat.info.format == .kafka }.map(\.alias)
        if !kafka.isEmpty, result.isJoin || result.hasExplicitGroupBy {
            throw PlanError(
                "Source(s) \(kafka.joined(separator: ", ")) are using the 'KAFKA' value format. This format does not yet"
                    + " support \(result.isJoin ? "JOIN" : "GROUP BY").\n"
                    + "The KAFKA format is primarily intended for use as a key format. It can be used as a value format, but"
                    + " can not be used in any operation that requires a repartition or changelog topic.\n"
                    + "Copy the values in another format first: CREATE STREAM <new-stream-name> WITH(VALUE_FORMAT='Avro') AS"
                    + " SELECT * FROM <existing-kafka-formated-stream-name>;")
        }
        if isPersistent, result.sources.contains(where: { $0.source.isTable && $0.source.isWindowed }) {
            throw PlanError("KSQL does not support persistent queries on windowed tables.")
        }
        if !result.tableFunctions.isEmpty, result.from.source.isTable {
            throw PlanError("Table source is not supported with table functions")
        }
    }
}

extension String {
    /// A hint on the line of its sentence.
    fileprivate var replacingLineBreak: String { hasPrefix("\n") ? " " + dropFirst() : self }
}
