import SQLFunctions
import SQLSyntax
import SQLTypes

/// What is planned so far.
struct PlannedStep {
    var step: PlanStep
    /// Of the bytes of the key.
    var keyFormat: SerdeFormat
    /// Whether rows are in other places than their keys belong: what keeps state has to send them through a topic.
    var isRekeyed = false

    var schema: RowSchema { step.schema }
    var isTable: Bool { step.isTable }

    /// The same with another step on top.
    func adding(
        _ context: [String], _ operation: PlanStep.Operation, schema: RowSchema? = nil, isTable: Bool? = nil
    ) -> Self {
        var copy = self
        copy.step = PlanStep(context, operation, schema: schema ?? self.schema, isTable: isTable ?? self.isTable)
        return copy
    }
}

/// Where the rows of a query go.
enum QuerySink {
    /// A stream or table that the statement makes.
    case new(name: String, WithProperties)
    case existing(SourceDescription)
    /// A client, or nothing but the state of a SOURCE TABLE.
    case none
}

/// A query with everything that its statement needs to know about it.
struct PlannedQuery {
    /// Without an id.
    var plan: PhysicalPlan
    var isTable: Bool
    /// Of the rows that are put out; of queries of clients too.
    var columns: [SQLColumn]
    var keyFormat: SerdeFormat
    var window: WindowInfo?
    var valueFormat: SerdeFormat
    var topic: String
    var timestamp: TimestampColumn?
}

/// Plans queries: the steps, names, schemas, checks and messages of ksqlDB's logical and physical planners.
struct QueryPlanner {
    let analysis: QueryAnalysis
    let sink: QuerySink
    let catalog: Catalog
    let functions: FunctionCatalog
    let configuration: SQLConfiguration
    let topics: any TopicAccess
    let rules: RuleVersion

    var isPersistent: Bool { if case .none = sink { false } else { true } }

    /// The name of the result in messages.
    var sinkName: String {
        switch sink {
        case .new(let name, _): name
        case .existing(let source): source.name
        case .none: ""
        }
    }

    func plan() throws(PlanError) -> PlannedQuery {
        if analysis.emit == .final, !topics.isReplayed, !configuration.isEnabled("ksql.suppress.enabled") {
            throw PlanError(
                "Suppression is currently disabled. You can enable it by setting ksql.suppress.enabled to true")
        }
        let join = try analysis.isJoin ? JoinPlanner(self) : nil
        var planned = try join?.plan() ?? source(analysis.from, ["KsqlTopic"])
        if let condition = analysis.where {
            planned = try filter(planned, unqualified(condition), "WHERE", ["WhereFilter"])
        }
        let selects: Selects
        if analysis.isAggregating {
            if let list = analysis.partitionBy { planned = try partition(planned, list.map(unqualified)) }
            (planned, selects) = try AggregatePlanner(self, join).plan(planned)
        } else {
            guard analysis.window == nil else {
                let position = analysis.window?.position.prefix ?? ""
                throw PlanError("\(position)WINDOW clause requires a GROUP BY clause.")
            }
            guard analysis.having == nil else {
                throw PlanError("HAVING clause requires a GROUP BY clause.", at: analysis.having?.position)
            }
            if let list = analysis.partitionBy { planned = try partition(planned, list.map(unqualified)) }
            planned = try flatMap(planned)
            (planned, selects) = try ProjectionPlanner(self, join).plan(planned)
        }
        if analysis.emit == .final, analysis.window == nil || !analysis.hasExplicitGroupBy {
            throw PlanError("EMIT FINAL is only supported for windowed aggregations.")
        }
        return try output(planned, selects)
    }

    // MARK: Expressions

    /// Columns by the names that steps give them: behind a join `ALIAS_COLUMN`, else the column's own.
    func unqualified(_ expression: Expression) -> Expression {
        let isJoin = analysis.isJoin
        return expression.rewritten { part in
            guard case .qualifiedColumn(let source, let column) = part.kind else { return nil }
            let name = isJoin ? ColumnNaming.joined(source.text, column.text) : column.text
            return Expression(.column(Identifier(name, isQuoted: true)), position: part.position)
        }
    }

    func binder(_ schema: RowSchema) -> ExpressionBinder {
        var binder = ExpressionBinder(schema.columns, functions: functions, rules: rules)
        binder.castsKeepNulls = configuration.castsKeepNulls
        return binder
    }

    /// - Parameter use: what it is compiled for, as the original says it: "Select", "Group By".
    func bind(_ expression: Expression, _ schema: RowSchema, for use: String) throws(PlanError) -> TypedExpression {
        do { return try binder(schema).bind(expression).folded() } catch {
            guard error.isFromCompiling else { throw error }
            throw error.prefixed("Invalid \(use): ").appending(". expression: \(expression), schema:\(schema)")
        }
    }

    func filter(
        _ input: PlannedStep, _ condition: Expression, _ clause: String, _ context: [String]
    ) throws(PlanError) -> PlannedStep {
        let predicate = try predicate(condition, input.schema, clause)
        return input.adding(context, .filter(FilterStep(input.step, predicate: predicate)))
    }

    /// A condition of type BOOLEAN over the columns of a schema.
    func predicate(
        _ condition: Expression, _ schema: RowSchema, _ clause: String
    ) throws(PlanError) -> TypedExpression {
        let condition = try magicTimestamps(condition)
        var predicate: TypedExpression
        do { predicate = try binder(schema).bind(condition) } catch {
            if error.isFromCompiling {
                throw error.prefixed("Invalid Predicate: ").appending(
                    ". expression: \(condition), schema:\(schema)")
            }
            throw error.code == .function ? error : error.prefixed("Error in \(clause) expression: ")
        }
        if predicate.isNull { predicate = predicate.typed(.boolean) }
        guard predicate.type == .boolean else {
            throw PlanError(
                .type,
                "Type error in \(clause) expression: Should evaluate to boolean but is \(condition) (\(predicate.type))"
                    + " instead.", at: condition.position)
        }
        return predicate.folded()
    }

    /// ROWTIME and bounds of windows are compared with texts as times.
    func magicTimestamps(_ expression: Expression) throws(PlanError) -> Expression {
        let times = [PseudoColumn.rowTime, .windowStart, .windowEnd].map(\.rawValue)
        var names = Set(times)
        if analysis.isJoin {
            for source in analysis.sources { names.formUnion(times.map { ColumnNaming.joined(source.alias, $0) }) }
        }
        func isTime(_ expression: Expression) -> Bool {
            guard case .column(let name) = expression.kind else { return false }
            if names.contains(name.text) { return true }
            return rules.goesByEndsOfNames && times.contains { name.text.hasSuffix("_" + $0) }
        }
        func time(_ expression: Expression) throws(PlanError) -> Expression {
            guard case .literal(.string(let text)) = expression.kind else { return expression }
            do {
                return Expression(.literal(.bigint(try TimeText.timestamp(text))), position: expression.position)
            } catch {
                throw PlanError(
                    "Failed to parse timestamp '\(text)': Required format is: \"yyyy-MM-dd'T'HH:mm:ss.SSS\", with an optional"
                        + " numeric timezone", at: expression.position)
            }
        }
        do {
            return try expression.rewritten { part in
                switch part.kind {
                case .comparison(let sign, let left, let right) where isTime(left):
                    return Expression(.comparison(sign, left, try time(right)), position: part.position)
                case .comparison(let sign, let left, let right) where isTime(right):
                    return Expression(.comparison(sign, try time(left), right), position: part.position)
                case .between(let value, let lower, let upper) where isTime(value):
                    return Expression(
                        .between(value, lower: try time(lower), upper: try time(upper)), position: part.position)
                default: return nil
                }
            }
        } catch let error as PlanError {
            throw error
        } catch {
            throw PlanError("\(error)")
        }
    }

    // MARK: Sources

    /// With all columns; what is not used goes at the end.
    func source(_ aliased: AliasedSource, _ context: [String]) -> PlannedStep {
        let source = aliased.source
        let keys = source.keyColumns.map { RowSchema.Column($0.name, $0.type) }
        let values = source.valueColumns.map { RowSchema.Column($0.name, $0.type) }
        var origins: [SourceStep.Origin] = keys.indices.map { .key($0) } + values.indices.map { .value($0) }
        var others: [RowSchema.Column] = values
        for header in source.headerColumns {
            if case .header(let name) = header.role { origins.append(.header(name)) } else { origins.append(.headers) }
            others.append(RowSchema.Column(header.name, header.type))
        }
        for pseudo in PseudoColumn.allCases where source.isWindowed || !pseudo.isWindowBound {
            origins.append(.pseudo(pseudo))
            others.append(RowSchema.Column(pseudo.rawValue, pseudo.type))
        }
        let isTable = source.isTable
        let formats = InternalFormats(key: source.keyFormat, value: SerdeFormat(source.valueFormat.info))
        let operation = SourceStep(
            sourceName: source.name, topic: source.topic, keyColumns: keys, keyFormat: source.keyFormat,
            window: source.window, valueColumns: values, valueFormat: source.valueFormat, timestamp: source.timestamp,
            origins: origins,
            store: isTable ? StateStore(context.joined(separator: "-") + "-Reduce", formats: formats) : nil)
        let step = PlanStep(
            context + ["Source"], .source(operation),
            schema: RowSchema(keys: keys, values: others, window: source.window), isTable: isTable)
        return PlannedStep(step: step, keyFormat: source.keyFormat)
    }

    /// `SELECT *` of a source: keys, bounds of windows, values, headers.
    func starColumns(_ source: AliasedSource) -> [String] {
        let bounds: [PseudoColumn] = source.source.isWindowed ? [.windowStart, .windowEnd] : []
        return source.source.keyColumns.map(\.name) + bounds.map(\.rawValue)
            + source.source.valueColumns.map(\.name) + source.source.headerColumns.map(\.name)
    }

    // MARK: New keys

    /// Whether rows keyed by the expressions belong somewhere else than rows with the key that they have.
    static func needsRepartition(_ schema: RowSchema, _ expressions: [Expression]) -> Bool {
        guard schema.keyCount > 0, schema.keyCount == expressions.count else { return true }
        return !zip(schema.keys, expressions).allSatisfy { key, expression in
            if case .column(let name) = expression.kind { name.text == key.name } else { false }
        }
    }

    /// Names of the columns of a new key.
    static func keyNames(_ expressions: [Expression], _ schema: RowSchema) -> [String] {
        var naming = ColumnNaming(avoiding: schema.columns.map(\.name))
        return expressions.map { expression in
            if case .column(let name) = expression.kind { name.text } else { naming.name(for: expression) }
        }
    }

    private func partition(_ input: PlannedStep, _ expressions: [Expression]) throws(PlanError) -> PlannedStep {
        let isNull = expressions.contains { if case .literal(.null) = $0.kind { true } else { false } }
        if isNull, expressions.count > 1 { throw PlanError("Cannot PARTITION BY multiple columns including NULL") }
        if input.isTable {
            let key = input.schema.keys.first?.name ?? ""
            throw PlanError(
                "Cannot repartition a TABLE source. If this is a join, make sure that the criteria uses the TABLE's key"
                    + " column \(key) instead of [\(expressions.map(\.description).joined(separator: ", "))]")
        }
        if isNull {
            // Replayed statements were accepted when this was not checked yet.
            if input.schema.window != nil, !topics.isReplayed { throw Self.windowedRepartition }
            var planned = try rekeyed(input, [], ["PartitionBy"], forced: nil)
            planned.keyFormat = SerdeFormat(FormatInfo(.none))
            return planned
        }
        guard Self.needsRepartition(input.schema, expressions) else { return input }
        if input.schema.window != nil { throw Self.windowedRepartition }
        return try rekeyed(input, expressions, ["PartitionBy"], forced: nil)
    }

    static let windowedRepartition = PlanError(
        "Implicit repartitioning of windowed sources is not supported. See https://github.com/confluentinc/ksql/issues/4385."
    )

    /// A stream with the expressions as key; the old key stays among the values.
    func rekeyed(
        _ input: PlannedStep, _ expressions: [Expression], _ context: [String], forced: KeyLayout?
    ) throws(PlanError) -> PlannedStep {
        var keys: [TypedExpression] = []
        for expression in expressions {
            var key = try bind(expression, input.schema, for: "SelectKey")
            if key.isNull { key = key.typed(.string) }
            keys.append(key)
        }
        let names = Self.keyNames(expressions, input.schema)
        let columns = zip(names, keys).map { RowSchema.Column($0, $1.type) }
        try FormatRules.checkKey(columns.map { SQLColumn($0.name, $0.type, role: .key) })
        // Values first, then what was the key: `*` lists them in this order.
        let others = Array(input.schema.keyCount..<input.schema.columns.count) + Array(0..<input.schema.keyCount)
        let carried = others.filter { !names.contains(input.schema.columns[$0].name) }
        var format = forced?.format ?? input.keyFormat
        if forced == nil, format.info.format == .none { format = SerdeFormat(try defaultKeyFormat()) }
        format = FormatRules.sanitized(format, types: columns.map(\.type), mayChange: true)
        let schema = RowSchema(
            keys: columns, values: carried.map { input.schema.columns[$0] },
            window: forced?.window ?? input.schema.window)
        var planned = input.adding(
            context,
            .selectKey(
                SelectKeyStep(
                    input.step, keys: keys, carried: carried,
                    formats: InternalFormats(key: format, value: SerdeFormat(leftmostValueFormat)))),
            schema: schema)
        planned.keyFormat = format
        planned.isRekeyed = true
        return planned
    }

    func defaultKeyFormat() throws(PlanError) -> FormatInfo {
        try FormatRules.info(configuration.defaultKeyFormat, [:])
    }

    var leftmostValueFormat: FormatInfo { analysis.from.source.valueFormat.info }

    // MARK: Table functions

    static func tableFunctionColumn(_ index: Int) -> String { "KSQL_SYNTH_\(index)" }

    private func flatMap(_ input: PlannedStep) throws(PlanError) -> PlannedStep {
        guard !analysis.tableFunctions.isEmpty else { return input }
        var calls: [TableFunctionCall] = []
        var columns: [RowSchema.Column] = []
        for (index, expression) in analysis.tableFunctions.enumerated() {
            guard case .call(let function, let arguments) = unqualified(expression).kind else { continue }
            var bound: [TypedExpression] = []
            for argument in arguments { bound.append(try bind(argument, input.schema, for: "Table function")) }
            do {
                let chosen = try functions.table(function.text).bind(
                    bound.map(\.functionArgument), typedName: function.text.uppercased())
                calls.append(
                    TableFunctionCall(function: function.text.uppercased(), arguments: bound, type: chosen.returnType))
                columns.append(RowSchema.Column(Self.tableFunctionColumn(index), chosen.returnType))
            } catch {
                throw PlanError(.function, error.message, at: expression.position)
            }
        }
        var schema = input.schema
        schema.columns += columns
        return input.adding(["FlatMap"], .flatMap(FlatMapStep(input.step, functions: calls)), schema: schema)
    }
}

extension PlanError {
    func appending(_ text: String) -> Self {
        var copy = self
        copy.message += text
        return copy
    }
}
