import SQLFunctions
import SQLSyntax
import SQLTypes

/// Queries with aggregate functions: preparation, groups, aggregates, HAVING, suppression and SELECT.
struct AggregatePlanner {
    let planner: QueryPlanner
    let join: JoinPlanner?

    init(_ planner: QueryPlanner, _ join: JoinPlanner?) {
        self.planner = planner
        self.join = join
    }

    private var analysis: QueryAnalysis { planner.analysis }

    func plan(_ input: PlannedStep) throws(PlanError) -> (PlannedStep, Selects) {
        let groups = (analysis.groupBy ?? []).map(planner.unqualified)
        let selects = try ProjectionPlanner(planner, join).selects(input)
        let having = analysis.having.map(planner.unqualified)
        var rules = AggregateRules(
            groups: groups, isWindowed: analysis.window != nil, functions: planner.functions,
            defaultArgument: defaultArgument, countsByEndsOfNames: planner.rules.goesByEndsOfNames)
        try rules.check(selects.items.map(\.expression), analysis.where.map(planner.unqualified), having)
        let keyNames = try keyNames(groups, selects, input.schema, rules.calls)
        if analysis.window != nil, input.isTable {
            throw PlanError("Windowing not supported for table aggregations.", at: analysis.window?.position)
        }
        if input.isTable { try checkUndo(rules.calls) }

        var calls = AggregateCalls(rules)
        let finals = selects.items.map {
            Selects.Item(name: $0.name, expression: calls.replacing($0.expression))
        }
        let condition = having.map { calls.replacing($0) }
        let prepared = try prepare(input, groups, &calls, rules)
        let grouped = try group(prepared, groups)
        let needed = neededColumns(finals.map(\.expression) + (condition.map { [$0] } ?? []), groups, grouped.schema)
        var planned = try aggregate(grouped, calls, needed, rules)
        if analysis.emit == .final, let window = windowSpecification { planned = suppressed(planned, window) }
        if let condition {
            do { planned = try planner.filter(planned, condition, "HAVING", ["Aggregate", "HavingFilter"]) } catch {
                throw calls.restoring(error)
            }
        }
        return (try project(planned, finals, groups, keyNames), selects)
    }

    /// The argument of `COUNT(*)` and the like.
    private var defaultArgument: Expression {
        let name =
            analysis.isJoin
            ? ColumnNaming.joined(analysis.from.alias, PseudoColumn.rowTime.rawValue) : PseudoColumn.rowTime.rawValue
        return ProjectionPlanner.column(name)
    }

    // MARK: Names and rules

    /// The names of the key's columns in the result: those that SELECT gives the grouping expressions.
    private func keyNames(
        _ groups: [Expression], _ selects: Selects, _ schema: RowSchema, _ calls: [Expression]
    ) throws(PlanError) -> [String] {
        var names: [String] = []
        for group in groups {
            let found = selects.names(of: group)
            if found.count > 1 {
                throw PlanError(
                    "The projection contains a key column more than once: "
                        + "\(Words.join(found.map(Identifier.quote), "and")).\n"
                        + "Each key column must only be in the projection once. If you intended to copy the key into the"
                        + " value, then consider using the AS_VALUE function to indicate which key reference should be"
                        + " copied.")
            }
            if let name = found.first {
                names.append(name)
            } else if case .column(let name) = group.kind {
                names.append(name.text)
            } else {
                var naming = ColumnNaming(avoiding: schema.columns.map(\.name))
                names.append(naming.name(for: group))
            }
        }
        guard planner.isPersistent else { return names }
        if selects.items.allSatisfy({ groups.contains($0.expression) }) {
            throw PlanError("The projection contains no value columns.")
        }
        let missing = groups.filter { selects.names(of: $0).isEmpty }
        if !missing.isEmpty {
            guard analysis.hasExplicitGroupBy else {
                throw PlanError(
                    "CREATE TABLE AS SELECT statement does not support aggregate function "
                        + "[\(calls.map(\.description).joined(separator: ", "))] without a GROUP BY"
                        + " clause.")
            }
            throw ProjectionPlanner.missingKeys(
                planner.sinkName, "grouping expression", missing.map(\.description))
        }
        return names
    }

    private func checkUndo(_ calls: [Expression]) throws(PlanError) {
        var names: [String] = []
        for call in calls {
            guard case .call(let function, _) = call.kind, let known = try? planner.functions.aggregate(function.text),
                !known.hasUndo, !names.contains(known.name)
            else { continue }
            names.append(known.name)
        }
        guard !names.isEmpty else { return }
        throw PlanError(
            .function,
            "The aggregation function\(names.count > 1 ? "s" : "") \(Words.join(names, "and")) cannot be applied to a table"
                + " source, only to a stream source.")
    }

    // MARK: Steps

    /// Columns that groups and results are made of, and the arguments of the functions.
    private func prepare(
        _ input: PlannedStep, _ groups: [Expression], _ calls: inout AggregateCalls, _ rules: AggregateRules
    ) throws(PlanError) -> PlannedStep {
        var schema = RowSchema(keys: Array(input.schema.keys), values: [], window: input.schema.window)
        var expressions = schema.keys.indices.map { TypedExpression(.column($0), schema.columns[$0].type) }
        func add(_ name: String, _ bound: TypedExpression) {
            schema.columns.append(RowSchema.Column(name, bound.type))
            expressions.append(bound)
        }
        for name in rules.requiredColumns where schema.index(of: name) == nil {
            // Bounds of the query's own windows are not there yet.
            guard input.schema.index(of: name) != nil else { continue }
            add(name, try planner.bind(ProjectionPlanner.column(name), input.schema, for: "Select"))
        }
        try calls.bind(planner, input.schema) { expression, bound in
            if case .column(let name) = expression.kind, let index = schema.index(of: name.text) { return index }
            add("KSQL_INTERNAL_COL_\(expressions.count - schema.keyCount)", bound)
            return expressions.count - 1
        }
        return input.adding(
            ["Aggregate", "Prepare"], .select(SelectStep(input.step, expressions: expressions)), schema: schema)
    }

    private func group(_ input: PlannedStep, _ groups: [Expression]) throws(PlanError) -> PlannedStep {
        let schema = input.schema
        let isByKey = !input.isTable && !QueryPlanner.needsRepartition(schema, groups) && schema.window == nil
        var keys: [TypedExpression] = []
        for group in groups {
            let key = try planner.bind(group, schema, for: "Group By")
            guard !key.isNull else { throw PlanError("GROUP BY does not support NULL", at: group.position) }
            keys.append(key)
        }
        let names = QueryPlanner.keyNames(groups, schema)
        let columns = zip(names, keys).map { RowSchema.Column($0, $1.type) }
        try FormatRules.checkKey(columns.map { SQLColumn($0.name, $0.type, role: .key) })
        var format = input.keyFormat
        if !isByKey {
            if format.info.format == .none { format = SerdeFormat(try planner.defaultKeyFormat()) }
            format = FormatRules.sanitized(format, types: columns.map(\.type), mayChange: true)
        }
        let carried = schema.columns.indices.filter { !names.contains(schema.columns[$0].name) }
        let formats = InternalFormats(key: format, value: SerdeFormat(planner.leftmostValueFormat))
        let step = GroupStep(
            input.step, keys: keys, carried: carried, isByKey: isByKey,
            repartition: isByKey && !input.isRekeyed ? nil : RepartitionTopic("Aggregate-GroupBy", formats: formats),
            formats: formats)
        // Rows of a windowed source that have a group in common are of many windows: groups have none.
        var planned = input.adding(
            ["Aggregate", "GroupBy"], .group(step),
            schema: RowSchema(keys: columns, values: carried.map { schema.columns[$0] }))
        planned.keyFormat = format
        planned.isRekeyed = false
        // Arguments have moved with their columns.
        return planned
    }

    /// Names of columns that what comes behind the aggregates reads, besides keys, results and bounds of windows.
    private func neededColumns(_ expressions: [Expression], _ groups: [Expression], _ schema: RowSchema) -> [String] {
        let keys = schema.keys.map(\.name)
        var names: [String] = []
        for expression in expressions where !(planner.isPersistent && groups.contains(expression)) {
            expression.forEach { part in
                guard case .column(let name) = part.kind, !keys.contains(name.text), !names.contains(name.text),
                    schema.index(of: name.text) != nil
                else { return }
                names.append(name.text)
            }
        }
        return names
    }

    private func aggregate(
        _ input: PlannedStep, _ calls: AggregateCalls, _ needed: [String], _ rules: AggregateRules
    ) throws(PlanError) -> PlannedStep {
        guard case .group(let group) = input.step.operation else { return input }
        let window = windowSpecification
        if let window { try check(window) }
        let retained = needed.compactMap { input.schema.index(of: $0) }
        var values = retained.map { input.schema.columns[$0] }
        var functions: [AggregateFunctionCall] = []
        for (index, call) in calls.bound.enumerated() {
            var call = call
            // From the columns of the preparation to those of the groups.
            call.arguments = call.arguments.map { argument in
                guard case .column(let column) = argument.node else { return argument }
                let name = group.input.schema.columns[column].name
                let at = input.schema.index(of: name) ?? 0
                return TypedExpression(.column(at), argument.type, position: argument.position)
            }
            functions.append(call)
            values.append(RowSchema.Column(AggregateCalls.name(index), call.type))
        }
        let states = calls.bound.enumerated().map { RowSchema.Column(AggregateCalls.name($0), $1.stateType) }
        let stored = (retained.map { input.schema.columns[$0] } + states).map { SQLColumn($0.name, $0.type) }
        let valueFormat = planner.leftmostValueFormat.format
        if FormatRules.objection(to: stored, valueFormat) != nil {
            throw PlanError(
                .schema,
                "One of the functions used in the statement has an intermediate type that the value format can not handle."
                    + " Please remove the function or change the format.")
        }
        if window != nil {
            values += [PseudoColumn.windowStart, .windowEnd].map { RowSchema.Column($0.rawValue, $0.type) }
        }
        let name = "Aggregate-Aggregate-Materialize"
        var step = AggregateStep(
            input.step, retained: retained, functions: functions, window: window, hasWindowBounds: window != nil,
            store: StateStore(name, formats: group.formats))
        step.columnsRead = rules.columnsRead
        let schema = RowSchema(
            keys: Array(input.schema.keys), values: values, window: window.map(Self.info))
        return input.adding(["Aggregate", "Aggregate"], .aggregate(step), schema: schema, isTable: true)
    }

    private func suppressed(_ input: PlannedStep, _ window: WindowSpecification) -> PlannedStep {
        guard case .aggregate(let aggregate) = input.step.operation else { return input }
        var schema = input.schema
        schema.window?.isFinal = true
        return input.adding(
            ["Aggregate", "Suppress"],
            .suppress(
                SuppressStep(
                    input.step, grace: window.grace,
                    store: StateStore("Aggregate-Suppress-store", formats: aggregate.store.formats))), schema: schema)
    }

    private func project(
        _ input: PlannedStep, _ finals: [Selects.Item], _ groups: [Expression], _ keyNames: [String]
    ) throws(PlanError) -> PlannedStep {
        let schema = input.schema
        var keys = Array(schema.keys)
        for (index, name) in keyNames.enumerated() where keys.indices.contains(index) { keys[index].name = name }
        var expressions = keys.indices.map { TypedExpression(.column($0), keys[$0].type) }
        var values: [RowSchema.Column] = []
        for item in finals {
            let group = groups.firstIndex(of: item.expression)
            if group != nil, planner.isPersistent { continue }
            let bound: TypedExpression
            if let group {
                bound = TypedExpression(.column(group), keys[group].type, position: item.expression.position)
            } else {
                bound = try planner.bind(item.expression, schema, for: "Select")
            }
            guard !bound.isNull else {
                throw PlanError(
                    .type,
                    "Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null AS VARCHAR).",
                    at: item.expression.position)
            }
            values.append(RowSchema.Column(item.name, bound.type))
            expressions.append(bound)
        }
        return input.adding(
            ["Aggregate", "Project"], .select(SelectStep(input.step, expressions: expressions)),
            schema: RowSchema(keys: keys, values: values, window: schema.window))
    }

    // MARK: Windows

    private static let windowsOfRowMax: Int64 = 1_000_000

    private var windowSpecification: WindowSpecification? {
        guard let window = analysis.window else { return nil }
        let kind: WindowSpecification.Kind
        let size: Int64
        switch window.kind {
        case .tumbling(let span): (kind, size) = (.tumbling(size: span.milliseconds), span.milliseconds)
        case .hopping(let span, let advance):
            (kind, size) = (.hopping(size: span.milliseconds, advance: advance.milliseconds), span.milliseconds)
        case .session(let gap): (kind, size) = (.session(gap: gap.milliseconds), gap.milliseconds)
        }
        let stated = window.grace?.milliseconds
        let day: Int64 = 86_400_000
        return WindowSpecification(
            kind, grace: stated ?? max(0, day - max(0, min(size, day))), retention: window.retention?.milliseconds,
            statedGrace: stated)
    }

    private func check(_ window: WindowSpecification) throws(PlanError) {
        let size: Int64
        switch window.kind {
        case .tumbling(let span): size = span
        case .session(let gap): size = gap
        case .hopping(let span, let advance):
            size = span
            guard advance > 0, advance <= span else {
                throw PlanError(
                    "Window advance interval should be more than zero and less than window duration which is \(span) ms, and"
                        + " given advance interval is: \(advance) ms", at: analysis.window?.position)
            }
            // A row of more windows keeps the thread that all queries share. What was accepted once goes on.
            guard planner.topics.isReplayed || span / advance <= Self.windowsOfRowMax else {
                throw PlanError(
                    "A row would be in \(span / advance) windows of \(span) ms that begin each \(advance) ms, and at most "
                        + "\(Self.windowsOfRowMax) are possible.", at: analysis.window?.position)
            }
        }
        guard size > 0 else {
            throw PlanError("Window size (sizeMs) must be larger than zero.", at: analysis.window?.position)
        }
        guard window.grace >= 0 else {
            throw PlanError("Grace period must not be negative.", at: analysis.window?.position)
        }
        let (needed, overflow) = size.addingReportingOverflow(window.statedGrace ?? 0)
        if let retention = window.retention, retention < (overflow ? .max : needed) {
            throw PlanError(
                "The retention period of the window store Aggregate-Aggregate-Materialize must be no smaller than its window"
                    + " size plus the grace period. Got size=[\(size)], grace=[\(window.statedGrace ?? 0)],"
                    + " retention=[\(retention)]", at: analysis.window?.position)
        }
    }

    static func info(_ window: WindowSpecification) -> WindowInfo {
        switch window.kind {
        case .tumbling(let size): WindowInfo(.tumbling, size: size)
        case .hopping(let size, _): WindowInfo(.hopping, size: size)
        case .session: WindowInfo(.session, size: nil)
        }
    }
}
