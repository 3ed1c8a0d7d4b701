import SQLFunctions
import SQLSyntax
import SQLTypes

/// A source of a query and what the query calls it.
struct AliasedSource: Hashable, Sendable {
    var alias: String
    var source: SourceDescription

    /// Whether expressions on its rows may use the name.
    func has(_ column: String) -> Bool {
        switch PseudoColumn(rawValue: column) {
        case .rowTime, .rowPartition, .rowOffset: true
        case .windowStart, .windowEnd: source.isWindowed || source.column(column) != nil
        case nil: source.column(column) != nil
        }
    }

    /// The names that messages offer instead of an unknown one.
    var names: [String] { source.columns.map(\.name) }
}

/// One JOIN: what was joined before is left, the new source right.
struct JoinInfo: Sendable {
    var kind: JoinKind
    var left: AliasedSource
    var leftExpression: Expression
    var right: AliasedSource
    var rightExpression: Expression
    /// Whether the statement has the sides the other way round.
    var isFlipped: Bool
    var within: WithinExpression?
    /// Further conditions, on both sides, which rows that match have to fulfil.
    var residual: Expression?

    /// The same join with the sides of its condition exchanged. LEFT and RIGHT count in the order of FROM, so they stay.
    var flipped: JoinInfo {
        var copy = self
        (copy.left, copy.right) = (right, left)
        (copy.leftExpression, copy.rightExpression) = (rightExpression, leftExpression)
        copy.isFlipped.toggle()
        return copy
    }

    /// "A.ID = B.ID", in the order of the statement.
    var conditionText: (String, String) {
        isFlipped
            ? (rightExpression.description, leftExpression.description)
            : (leftExpression.description, rightExpression.description)
    }
}

/// One item of SELECT with its name.
enum AnalyzedItem: Sendable {
    case all(source: String?)
    case allFields(Expression)
    case single(Expression, alias: String)
}

/// A query whose names are resolved: every column names its source, every item of SELECT has a name. Checked by the
/// rules that need no plan.
struct QueryAnalysis: Sendable {
    var sources: [AliasedSource] = []
    var joins: [JoinInfo] = []
    var items: [AnalyzedItem] = []
    var `where`: Expression?
    /// Also for queries that aggregate without GROUP BY: then a constant.
    var groupBy: [Expression]?
    var hasExplicitGroupBy = false
    var partitionBy: [Expression]?
    var having: Expression?
    var window: WindowExpression?
    var emit: Query.Emit?
    var limit: Int32?
    var tableFunctions: [Expression] = []

    var isJoin: Bool { sources.count > 1 }
    var from: AliasedSource { sources[0] }
    var isAggregating: Bool { groupBy != nil }

    func source(alias: String) -> AliasedSource? { sources.first { $0.alias == alias } }
}

/// Makes a `QueryAnalysis`, with the checks and messages of ksqlDB's sanitizer and analyzer.
struct QueryAnalyzer {
    let catalog: Catalog
    let functions: FunctionCatalog
    /// Whether it writes to a stream or table.
    let isPersistent: Bool
    private var result = QueryAnalysis()
    private var clashing: Set<String> = []

    init(catalog: Catalog, functions: FunctionCatalog, isPersistent: Bool) {
        self.catalog = catalog
        self.functions = functions
        self.isPersistent = isPersistent
    }

    mutating func analyze(_ query: Query) throws(PlanError) -> QueryAnalysis {
        try addSources(query)
        do { try qualify(query) } catch {
            throw error.code == .unknownColumn ? error.prefixed("Exception while preparing statement: ") : error
        }
        try addJoins(query)
        try checkClauses(query)
        try checkSelect()
        try checkColumns()
        try checkSources()
        return result
    }

    // MARK: Sources

    private mutating func addSources(_ query: Query) throws(PlanError) {
        var columns: Set<String> = []
        for reference in query.from.sources {
            guard let source = catalog[reference.name.text] else {
                throw PlanError(
                    .unknownSource,
                    "\(reference.name.position.prefix)\(reference.name.text) does not exist."
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
                if let source, result.source(alias: source.text) == nil {
                    throw PlanError(
                        .unknownSource,
                        "Failed to prepare statement: '\(source.text)' is not a valid stream/table name or alias.",
                        at: source.position)
                }
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
    private func qualified(_ expression: Expression, _ parameters: Set<String>) throws(PlanError) -> Expression {
        do {
            return try expression.rewritten { part in
                switch part.kind {
                case .column(let name): return try qualifiedColumn(name, part.position)
                case .qualifiedColumn(let source, _):
                    guard result.source(alias: source.text) == nil else { return nil }
                    throw PlanError(
                        .unknownSource,
                        "Failed to prepare statement: '\(source.text)' is not a valid stream/table name or alias."
                            + ExpressionBinder.hint(source.text, result.sources.map(\.alias)), at: source.position)
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
                "\(position.prefix)Column '\(name.text)' is ambiguous. Could be \(Words.join(choices, "or")).",
                at: position)
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

    // MARK: Joins

    private mutating func addJoins(_ query: Query) throws(PlanError) {
        for (index, join) in query.from.joins.enumerated() {
            let visible = Array(result.sources[...(index + 1)])
            let new = result.sources[index + 1]
            let condition = try qualified(try TypeResolver(types: catalog.types).expanding(join.condition), [])
            let (equality, residual) = try Self.splitCondition(condition)
            guard case .comparison(_, let left, let right) = equality.kind else { continue }
            var sides: [AliasedSource] = []
            for side in [left, right] {
                let names = try check(side, "JOIN ON", visible, mayBeSynthetic: false)
                guard names.count == 1, let name = names.first, let source = result.source(alias: name) else {
                    throw PlanError(
                        "Invalid comparison expression '\(side)' in join '\(equality)'. Each side of the join comparision"
                            + " must contain references from exactly one source.", at: side.position)
                }
                sides.append(source)
            }
            try checkSides(sides[0], sides[1], new)
            if let residual { _ = try check(residual, "JOIN ON", visible, mayBeSynthetic: false) }
            let info = JoinInfo(
                kind: JoinKind(join.kind), left: sides[0], leftExpression: left, right: sides[1],
                rightExpression: right,
                isFlipped: false, within: join.within, residual: residual)
            result.joins.append(sides[1].alias == result.from.alias ? info.flipped : info)
        }
    }

    /// The one equality that finds rows, and what else is asked of them.
    private static func splitCondition(_ condition: Expression) throws(PlanError) -> (Expression, Expression?) {
        func isEquality(_ expression: Expression) -> Bool {
            if case .comparison(.equal, _, _) = expression.kind { true } else { false }
        }
        switch condition.kind {
        case .comparison(.equal, _, _): return (condition, nil)
        case .comparison: throw PlanError("Only equality join criteria is supported.", at: condition.position)
        case .logical(.and, let left, let right):
            if isEquality(left), isEquality(right) {
                throw PlanError(
                    "Invalid join condition: joins on multiple conditions are not yet supported. Got \(condition).",
                    at: condition.position)
            }
            if isEquality(left) { return (left, right) }
            if isEquality(right) { return (right, left) }
            fallthrough
        default: throw PlanError("Unsupported join expression: \(condition)", at: condition.position)
        }
    }

    private func checkSides(
        _ left: AliasedSource, _ right: AliasedSource, _ new: AliasedSource
    ) throws(PlanError) {
        func quoted(_ source: AliasedSource) -> String { Identifier.quote(source.alias) }
        guard left.alias != right.alias else {
            throw PlanError(
                "Each side of the join must reference exactly one source and not the same source. Left side references "
                    + "\(quoted(left)) and right references \(quoted(right))")
        }
        func isSession(_ window: WindowInfo) -> Bool { window.kind == .session }
        switch (left.source.window, right.source.window) {
        case (nil, nil): break
        case (let a?, let b?):
            guard isSession(a) == isSession(b) else {
                throw PlanError(
                    "Incompatible windowed sources.\nLeft source: \(a.kind.rawValue)\nRight source: \(b.kind.rawValue)\n"
                        + "Session windowed sources can only be joined to other session windowed sources, and may still not"
                        + " result in expected behaviour as session bounds must be an exact match for the join to work\n"
                        + "Hopping and tumbling windowed sources can only be joined to other hopping and tumbling windowed"
                        + " sources")
            }
        case (let a, let b):
            throw PlanError(
                "Can not join windowed source to non-windowed source.\n"
                    + "\(quoted(left)) is \(a?.kind.rawValue ?? "not") windowed\n"
                    + "\(quoted(right)) is \(b?.kind.rawValue ?? "not") windowed")
        }
        guard new.alias == left.alias || new.alias == right.alias else {
            throw PlanError(
                "A join criteria is expected to reference the source (\(quoted(new))) in the FROM clause, instead the right"
                    + " source references \(quoted(right)) and the left source references \(quoted(left))")
        }
    }

    // MARK: Checks

    private mutating func checkClauses(_ query: Query) throws(PlanError) {
        if let list = result.groupBy, Set(list).count != list.count {
            let twice = list.enumerated().first { list[..<$0.offset].contains($0.element) }
            throw PlanError("Duplicate GROUP BY expression: \(twice?.element.description ?? "")")
        }
        if !query.orderBy.isEmpty, isPersistent {
            throw PlanError("ORDER BY is only supported for queries whose result ends.")
        }
    }

    private mutating func checkSelect() throws(PlanError) {
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
            default: break
            }
        default: break
        }
        for child in expression.children { try visit(child, tableFunction: tableFunction, inside: branch) }
    }

    private func checkColumns() throws(PlanError) {
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
    private func check(
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

    private func checkSources() throws(PlanError) {
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

extension JoinKind {
    init(_ kind: Join.Kind) {
        switch kind {
        case .inner: self = .inner
        case .left: self = .left
        case .right: self = .right
        case .full: self = .full
        }
    }

    /// As ksqlDB's messages call it.
    var text: String {
        switch self {
        case .inner: "[INNER] JOIN"
        case .left: "LEFT [OUTER] JOIN"
        case .right: "RIGHT [OUTER] JOIN"
        case .full: "[FULL] OUTER JOIN"
        }
    }
}

extension String {
    /// A hint on the line of its sentence.
    fileprivate var replacingLineBreak: String { hasPrefix("\n") ? " " + dropFirst() : self }
}
