import SQLFunctions
package import SQLSyntax
import SQLTypes

extension StatementExecutor {
    /// Plans `SELECT ...` without EMIT.
    ///
    /// - Parameter id: of the plan, where the query reads a stream.
    /// - Throws: in ksqlDB's words, why the query is none whose result ends.
    package func planPullQuery(_ query: Query, id: String, in catalog: Catalog) throws(PlanError) -> PullQuery {
        try PullPlanner(executor: self, catalog: catalog).plan(query, id)
    }
}

extension StatementExecutor {
    /// Which records FROM TIMESTAMP and TO TIMESTAMP of a client's query are about, in milliseconds since 1970; nil where the
    /// query says nothing.
    package func timeRange(of query: Query) throws(PlanError) -> ClosedRange<Int64>? {
        guard let times = query.times else { return nil }
        let lower = try times.first.map { expression throws(PlanError) in try time(expression) } ?? .min
        let upper = try times.last.map { expression throws(PlanError) in try time(expression) } ?? .max
        guard lower <= upper else {
            throw PlanError("FROM TIMESTAMP is after TO TIMESTAMP", at: times.first?.position)
        }
        return lower...upper
    }

    private func time(_ expression: Expression) throws(PlanError) -> Int64 {
        let bound = try ExpressionBinder([], functions: environment.functions).bind(expression)
        var context = EvaluationContext(
            now: { [now = environment.now] in now }, random: environment.random, zones: environment.zones)
        let value: SQLValue
        do { value = try ExpressionInterpreter(environment.functions).evaluate(bound, &context) } catch {
            throw PlanError(error.message, at: expression.position)
        }
        switch value {
        case .int(let value): return Int64(value)
        case .bigint(let value), .timestamp(let value): return value
        case .string(let text):
            do { return try TimeText.timestamp(text) } catch {
                throw PlanError(
                    "Failed to parse timestamp '\(text)': Required format is: \"yyyy-MM-dd'T'HH:mm:ss.SSS\", with an"
                        + " optional numeric timezone", at: expression.position)
            }
        default:
            throw PlanError(
                .type,
                "A bound of timestamps is a TIMESTAMP, a text or milliseconds since 1970: \(expression) is none.",
                at: expression.position)
        }
    }
}

/// Plans pull queries: from tables that persistent queries keep, and from the records that the topics of streams hold.
struct PullPlanner {
    let executor: StatementExecutor
    let catalog: Catalog

    private var configuration: SQLConfiguration { executor.environment.configuration }
    private var functions: FunctionCatalog { executor.environment.functions }

    private static func unsupported(_ what: String) -> PlanError {
        PlanError("Pull queries don't support \(what)." + KeyConstraints.help)
    }

    func plan(_ query: Query, _ id: String) throws(PlanError) -> PullQuery {
        guard configuration.isEnabled("ksql.pull.queries.enable") else {
            throw PlanError(
                "Pull queries are disabled. See https://cnfl.io/queries for more info.\nAdd EMIT CHANGES if you intended to"
                    + " issue a push query.\nPlease set ksql.pull.queries.enable=true to enable this feature.")
        }
        try checkClauses(query)
        var analyzer = QueryAnalyzer(
            catalog: catalog, functions: functions, isPersistent: false,
            permitsLambdas: executor.environment.permitsLambdas)
        let analysis = try analyzer.analyze(query)
        try checkAnalysis(analysis)
        if analysis.isAggregating {
            // Groups of a table would have to forget the rows that others have replaced.
            if analysis.from.source.isTable {
                throw Self.unsupported(query.groupBy == nil ? "aggregate functions on tables" : "GROUP BY clauses")
            }
            return try groups(query, analysis, id)
        }
        return analysis.from.source.isTable ? try table(query, analysis) : try stream(query, analysis, id)
    }

    private func hasAggregates(_ query: Query) -> Bool {
        var found = false
        for case .single(let expression, _) in query.select {
            expression.forEach { part in
                if case .call(let function, _) = part.kind, functions.kind(of: function.text) == .aggregate {
                    found = true
                }
            }
        }
        return found
    }

    // MARK: Refusals

    private func checkClauses(_ query: Query) throws(PlanError) {
        // What does not exist is a better reason than what is not allowed.
        for source in query.from.sources where catalog[source.name.text] == nil { return }
        if !query.from.joins.isEmpty { throw Self.unsupported("JOIN clauses") }
        if query.window != nil { throw Self.unsupported("WINDOW clauses") }
        // Without an aggregate, a GROUP BY asks for nothing that a pull query could mean.
        if !hasAggregates(query) {
            if query.groupBy != nil { throw Self.unsupported("GROUP BY clauses") }
            if query.having != nil { throw Self.unsupported("HAVING clauses") }
        }
        if query.partitionBy != nil { throw Self.unsupported("PARTITION BY clauses") }
        if query.limit != nil, !configuration.isEnabled("ksql.query.pull.limit.clause.enabled") {
            throw PlanError(
                "LIMIT clause in pull queries is currently disabled. You can enable them by setting"
                    + " ksql.query.pull.limit.clause.enabled=true." + KeyConstraints.help)
        }
        if let limit = query.limit, limit < 0 {
            throw PlanError(
                "Pull queries don't support negative integers in the LIMIT clause." + KeyConstraints.help)
        }
    }

    private func checkAnalysis(_ analysis: QueryAnalysis) throws(PlanError) {
        if !analysis.tableFunctions.isEmpty, analysis.from.source.isTable { throw Self.unsupported("table functions") }
        func stray(_ expressions: [Expression]) -> [String] {
            var found: [String] = []
            for expression in expressions {
                expression.forEach { part in
                    let name: Identifier
                    switch part.kind {
                    case .column(let column), .qualifiedColumn(_, let column): name = column
                    default: return
                    }
                    switch PseudoColumn(rawValue: name.text) {
                    case .rowPartition, .rowOffset:
                        let text = Identifier.quote(name.text)
                        if !found.contains(text) { found.append(text) }
                    default: break
                    }
                }
            }
            return found
        }
        let selected = stray(
            analysis.items.compactMap { if case .single(let expression, _) = $0 { expression } else { nil } })
        if !selected.isEmpty {
            throw Self.unsupported("the following columns in SELECT clauses: \(selected.joined(separator: ", "))")
        }
        let compared = stray(analysis.where.map { [$0] } ?? [])
        if !compared.isEmpty {
            throw Self.unsupported("the following columns in WHERE clauses: \(compared.joined(separator: ", "))")
        }
    }

    // MARK: Streams

    private func stream(_ query: Query, _ analysis: QueryAnalysis, _ id: String) throws(PlanError) -> PullQuery {
        guard configuration.isEnabled("ksql.query.pull.stream.enabled") else {
            throw PlanError(
                "Pull queries on streams are disabled. To create a push query on the stream, add EMIT CHANGES to the end."
                    + " To enable pull queries on streams, set the ksql.query.pull.stream.enabled config to 'true'.")
        }
        var plain = query
        plain.orderBy = []
        plain.limit = nil
        plain.offset = nil
        plain.times = nil
        plain.emit = .changes
        let (plan, columns) = try executor.planPushQuery(plain, id: id, in: catalog)
        return PullQuery(
            source: .stream(plan), columns: columns.map { SQLColumn($0.name, $0.type) },
            timeRange: try executor.timeRange(of: query), order: try order(query, columns),
            offset: max(0, Int(query.offset ?? 0)), limit: query.limit.map { max(0, Int($0)) })
    }

    // MARK: Groups

    /// Aggregates over everything that a stream's topic holds now: beyond ksqlDB.
    private func groups(_ query: Query, _ analysis: QueryAnalysis, _ id: String) throws(PlanError) -> PullQuery {
        guard configuration.isEnabled("ksql.query.pull.table.scan.enabled") else { throw KeyConstraints.needsScan }
        var result = try stream(query, analysis, id)
        if case .stream(let plan) = result.source { result.source = .groups(plan) }
        return result
    }

    private static func timesOfTable(_ source: SourceDescription) -> PlanError {
        PlanError(
            "FROM TIMESTAMP and TO TIMESTAMP are for streams: \(source.name) is a table, which holds what is true now.")
    }

    // MARK: Tables

    private func table(_ query: Query, _ analysis: QueryAnalysis) throws(PlanError) -> PullQuery {
        let source = analysis.from.source
        guard query.times == nil else { throw Self.timesOfTable(source) }
        let planner = QueryPlanner(
            analysis: analysis, sink: .none, catalog: catalog, functions: functions, configuration: configuration,
            topics: executor.environment.topics, rules: executor.environment.rules)
        let input = planner.source(analysis.from, ["KsqlTopic"])
        let (columns, expressions) = try projection(planner, analysis, input)
        try checkDuplicates(columns)
        let condition = try analysis.where.map { condition throws(PlanError) in
            try planner.magicTimestamps(planner.unqualified(condition)).withNegationsInside()
        }
        var constraints = KeyConstraints(
            source, functions: functions, canScan: configuration.isEnabled("ksql.query.pull.table.scan.enabled"),
            canScanRanges: configuration.isEnabled("ksql.query.pull.range.scan.enabled"))
        guard let queryID = owner(of: source) else { throw Self.notQueryable(source.name) }
        try constraints.analyze(condition)
        let predicate = try condition.map { condition throws(PlanError) in
            try self.predicate(condition, planner, input)
        }
        var rows = PullRows(
            origins: origins(input), predicate: constraints.isExact ? nil : predicate, expressions: expressions,
            functions: functions)
        if ProtobufDefaults.replaceNulls(source.valueFormat) { rows.defaultTypes = source.valueColumns.map(\.type) }
        return PullQuery(
            source: .table(
                PullTable(
                    queryID: queryID, keys: constraints.keys, windowStart: constraints.windowStart,
                    windowEnd: constraints.windowEnd, rows: rows)),
            columns: columns, timeRange: nil, order: try order(query, columns), offset: max(0, Int(query.offset ?? 0)),
            limit: query.limit.map { max(0, Int($0)) })
    }

    static func notQueryable(_ name: String) -> PlanError {
        PlanError(
            "The `\(name)` table isn't queryable. To derive a queryable table, you can do 'CREATE TABLE QUERYABLE_\(name) AS"
                + " SELECT * FROM \(name)'." + KeyConstraints.help)
    }

    /// The query that keeps the table; nil when none does.
    private func owner(of source: SourceDescription) -> String? {
        if let query = catalog.queries(into: source.name).first(where: { $0.plan.kind == .createAs }) {
            return query.id
        }
        return catalog.allQueries.first {
            $0.plan.kind == .sourceTable && $0.plan.sourceNames == [source.name]
        }?.id
    }

    private func origins(_ input: PlannedStep) -> [PullRows.Origin] {
        guard case .source(let step) = input.step.operation else { return [] }
        let valueCount = step.valueColumns.count
        var header = 0
        return step.origins.map { origin in
            switch origin {
            case .key(let index): return .key(index)
            case .value(let index): return .value(index)
            case .header, .headers:
                // Of source tables, headers are kept behind the values.
                defer { header += 1 }
                return .value(valueCount + header)
            case .pseudo(.rowTime): return .timestamp
            case .pseudo(.windowStart): return .windowStart
            case .pseudo(.windowEnd): return .windowEnd
            case .pseudo: return .none
            }
        }
    }

    private func predicate(
        _ condition: Expression, _ planner: QueryPlanner, _ input: PlannedStep
    ) throws(PlanError) -> TypedExpression {
        var bound: TypedExpression
        do { bound = try planner.binder(input.schema).bind(condition).folded(functions) } catch {
            throw error.code == .function ? error : error.prefixed("Invalid expression: ")
        }
        if bound.isNull { bound = bound.typed(.boolean) }
        guard bound.type == .boolean else {
            throw PlanError(
                .type,
                "Type error in WHERE expression: Should evaluate to boolean but is \(condition) (\(bound.type)) instead.",
                at: condition.position)
        }
        return bound
    }

    // MARK: Results

    private func projection(
        _ planner: QueryPlanner, _ analysis: QueryAnalysis, _ input: PlannedStep
    ) throws(PlanError) -> ([SQLColumn], [TypedExpression]) {
        let source = analysis.from.source
        var columns: [SQLColumn] = []
        var expressions: [TypedExpression] = []
        if analysis.items.count == 1, case .all = analysis.items[0] {
            // Headers come before values here.
            let bounds: [PseudoColumn] = source.isWindowed ? [.windowStart, .windowEnd] : []
            columns = source.keyColumns.map { SQLColumn($0.name, $0.type, role: .key) }
            columns += bounds.map { SQLColumn($0.rawValue, $0.type, role: .key) }
            columns += source.headerColumns + source.valueColumns.map { SQLColumn($0.name, $0.type) }
            for column in columns {
                expressions.append(try planner.bind(ProjectionPlanner.column(column.name), input.schema, for: "Select"))
            }
            return (columns, expressions)
        }
        let keys = Set(source.keyColumns.map(\.name))
        for item in try ProjectionPlanner(planner, nil).selects(input).items {
            let bound = try planner.bind(item.expression, input.schema, for: "Select")
            guard !bound.isNull else {
                throw PlanError(
                    .type,
                    "Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null AS VARCHAR).",
                    at: item.expression.position)
            }
            var role = SQLColumn.Role.value
            if case .column(let name) = item.expression.kind,
                keys.contains(name.text)
                    || source.isWindowed && PseudoColumn(rawValue: name.text)?.isWindowBound == true
            {
                role = .key
            }
            columns.append(SQLColumn(item.name, bound.type, role: role))
            expressions.append(bound.folded(functions))
        }
        return (columns, expressions)
    }

    private func checkDuplicates(_ columns: [SQLColumn]) throws(PlanError) {
        for (role, word) in [(SQLColumn.Role.value, "value"), (.key, "key")] {
            var seen: Set<String> = []
            for column in columns where column.role == role {
                guard seen.insert(column.name).inserted else {
                    throw PlanError("Duplicate \(word) columns found in schema: \(column)")
                }
            }
        }
    }

    private func order(_ query: Query, _ columns: [SQLColumn]) throws(PlanError) -> [PullOrder] {
        var order: [PullOrder] = []
        for item in query.orderBy {
            let index: Int?
            switch item.expression.kind {
            case .column(let name), .qualifiedColumn(_, let name):
                index = columns.firstIndex { $0.name == name.text }
            case .literal(.integer(let number)):
                // By its place, from 1.
                index = columns.indices.contains(Int(number) - 1) ? Int(number) - 1 : nil
            default: index = nil
            }
            guard let index else {
                throw PlanError(
                    .unknownColumn,
                    "ORDER BY takes columns of the result, by name or by number: '\(item.expression)' is none."
                        + " Give the expression a name in SELECT, and order by that.", at: item.expression.position)
            }
            guard columns[index].type.isPrimitive else {
                throw PlanError(
                    .type, "ORDER BY takes columns of primitive types: \(columns[index]) has none.",
                    at: item.expression.position)
            }
            order.append(PullOrder(column: index, isDescending: item.isDescending))
        }
        return order
    }
}
