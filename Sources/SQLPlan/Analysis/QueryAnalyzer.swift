import SQLFunctions
import SQLSyntax
import SQLTypes

/// Makes a `QueryAnalysis`, with the checks and messages of ksqlDB's sanitizer and analyzer.
struct QueryAnalyzer {
    /// Of one query: rows and names of joins grow with each.
    static let sourceCountMax = 100

    let catalog: Catalog
    let functions: FunctionCatalog
    /// Whether it writes to a stream or table.
    let isPersistent: Bool
    /// `ksql.lambdas.enabled`
    let permitsLambdas: Bool
    var result = QueryAnalysis()
    private var clashing: Set<String> = []

    init(catalog: Catalog, functions: FunctionCatalog, isPersistent: Bool, permitsLambdas: Bool) {
        self.catalog = catalog
        self.functions = functions
        self.isPersistent = isPersistent
        self.permitsLambdas = permitsLambdas
    }

    mutating func analyze(_ query: Query) throws(PlanError) -> QueryAnalysis {
        try addSources(query)
        try checkQualifiers(query)
        try qualify(query)
        try addJoins(query)
        try checkClauses(query)
        try checkSelect()
        try checkColumns()
        try checkSources()
        return result
    }

    // MARK: Sources

    private mutating func addSources(_ query: Query) throws(PlanError) {
        let references = query.from.sources
        guard references.count <= Self.sourceCountMax else {
            throw PlanError(
                "A query reads from at most \(Self.sourceCountMax) streams and tables, this one from \(references.count): join some"
                    + " of them in a query of their own.", at: references[Self.sourceCountMax].name.position)
        }
        var columns: Set<String> = []
        for reference in references {
            guard let source = catalog[reference.name.text] else {
                throw PlanError(
                    .unknownSource,
                    "Exception while preparing statement: \(reference.name.text) does not exist."
                        + ExpressionBinder.hint(reference.name.text, catalog.sourceNames), at: reference.name.position)
            }
            guard !result.sources.contains(where: { $0.alias == reference.alias.text }) else {
                let name = reference.name.text
                throw PlanError(
                    result.sources.count > 1
                        ? "N-way joins do not support multiple occurrences of the same source. Source: '\(name)'."
                        : "Can not join '\(name)' to '\(name)': self joins are not yet supported."
                            + "\nGive the second one another alias.", at: reference.alias.position)
            }
            result.sources.append(AliasedSource(alias: reference.alias.text, source: source))
            let names = Set(source.columns.map(\.name))
            clashing.formUnion(columns.intersection(names))
            columns.formUnion(names)
        }
    }

    private func isClashing(_ column: String) -> Bool {
        guard result.isJoin else { return false }
        if let pseudo = PseudoColumn(rawValue: column), !pseudo.isWindowBound { return true }
        return clashing.contains(column)
    }

    // MARK: Names

    /// Every name in front of a column must be one of the sources'.
    private func checkQualifiers(_ query: Query) throws(PlanError) {
        var unknown: Identifier?
        func note(_ name: Identifier) {
            if unknown == nil, result.source(alias: name.text) == nil { unknown = name }
        }
        func visit(_ expression: Expression?) {
            expression?.forEach { if case .qualifiedColumn(let source, _) = $0.kind { note(source) } }
        }
        for item in query.select {
            switch item {
            case .all(let source, _): if let source { note(source) }
            case .allFields(let base, _): visit(base)
            case .single(let expression, _): visit(expression)
            }
        }
        for join in query.from.joins { visit(join.condition) }
        visit(query.where)
        for expression in (query.groupBy ?? []) + (query.partitionBy ?? []) { visit(expression) }
        visit(query.having)
        guard let unknown else { return }
        throw PlanError(
            .unknownSource,
            "Failed to prepare statement: '\(unknown.text)' is not a valid stream/table name or alias."
                + ExpressionBinder.hint(unknown.text, result.sources.map(\.alias)), at: unknown.position)
    }

    private mutating func qualify(_ query: Query) throws(PlanError) {
        let resolver = TypeResolver(types: catalog.types)
        func clean(_ expression: Expression) throws(PlanError) -> Expression {
            try qualified(try resolver.expanding(expression), [])
        }
        result.where = try query.where.map(clean)
        if let list = query.groupBy {
            guard !list.isEmpty else { throw PlanError("GROUP BY requires at least one expression") }
            result.groupBy = try list.map(clean)
            result.hasExplicitGroupBy = true
        }
        if let list = query.partitionBy {
            guard !list.isEmpty else { throw PlanError("PARTITION BY requires at least one expression") }
            result.partitionBy = try list.map(clean)
        }
        result.having = try query.having.map(clean)
        result.window = query.window
        result.emit = query.emit
        result.limit = query.limit
        var naming = ColumnNaming(avoiding: result.sources.flatMap { $0.source.columns.map(\.name) })
        for item in query.select {
            switch item {
            case .all(let source, _):
                result.items.append(.all(source: source?.text))
            case .allFields(let base, _): result.items.append(.allFields(try clean(base)))
            case .single(let expression, let alias):
                let expression = try clean(expression)
                let name = alias?.text ?? defaultName(expression, &naming)
                result.items.append(.single(expression, alias: name))
            }
        }
    }

    private func defaultName(_ expression: Expression, _ naming: inout ColumnNaming) -> String {
        switch expression.kind {
        case .column(let name): name.text
        case .qualifiedColumn(let source, let column):
            isClashing(column.text) ? ColumnNaming.joined(source.text, column.text) : column.text
        default: naming.name(for: expression)
        }
    }

    /// With the source of every column that exactly one has; unknown ones are reported later.
    func qualified(_ expression: Expression, _ parameters: Set<String>) throws(PlanError) -> Expression {
        do {
            return try expression.rewritten { part in
                switch part.kind {
                case .column(let name): return try qualifiedColumn(name, part.position)
                case .lambda(let names, let body):
                    return try qualifiedLambda(names, body, part, parameters)
                case .call(let function, let arguments):
                    let arguments = try arguments.map { argument in
                        try timeUnit(argument) ?? qualified(argument, parameters)
                    }
                    return Expression(.call(function: function, arguments: arguments), position: part.position)
                default: return nil
                }
            }
        } catch let error as PlanError {
            throw error
        } catch {
            throw PlanError("\(error)")
        }
    }

    private func qualifiedColumn(_ name: Identifier, _ position: Position) throws(PlanError) -> Expression? {
        let owners = result.sources.filter { $0.has(name.text) }
        if owners.count > 1 {
            let choices = owners.map { "\($0.alias).\(name.text)" }
            throw PlanError(
                .unknownColumn,
                "Exception while preparing statement: \(position.prefix)Column '\(name.text)' is ambiguous. Could be "
                    + "\(Words.join(choices, "or")).", at: position)
        }
        guard let owner = owners.first else { return nil }
        return Expression(
            .qualifiedColumn(source: Identifier(owner.alias, isQuoted: true), column: name), position: position)
    }

    /// A word like DAY as argument, where no column has its name.
    private func timeUnit(_ argument: Expression) -> Expression? {
        guard case .column(let name) = argument.kind, !name.isQuoted,
            !result.sources.contains(where: { $0.has(name.text) }),
            let unit = TimeUnit(word: name.text)
        else { return nil }
        return Expression(.timeUnit(unit), position: argument.position)
    }

    private func qualifiedLambda(
        _ names: [Identifier], _ body: Expression, _ part: Expression, _ outer: Set<String>
    ) throws(PlanError) -> Expression {
        guard permitsLambdas else {
            throw PlanError(
                "Exception while preparing statement: Lambdas are not enabled at this time.", at: part.position)
        }
        var parameters = outer
        for name in names {
            if result.sources.contains(where: { $0.source.column(name.text) != nil }) {
                throw PlanError("Lambda function argument can't be a column name: \(name.text)", at: name.position)
            }
            guard parameters.insert(name.text).inserted else {
                throw PlanError("Reusing lambda arguments in nested lambda is not allowed", at: name.position)
            }
        }
        return Expression(.lambda(parameters: names, body: try qualified(body, parameters)), position: part.position)
    }
}
