import SQLFunctions
import SQLSyntax
import SQLTypes

/// What may stand where in a query with aggregates. The checks and messages of ksqlDB's aggregate analyzer.
struct AggregateRules {
    let groups: [Expression]
    let isWindowed: Bool
    let functions: FunctionCatalog
    let defaultArgument: Expression
    /// See `RuleVersion`.
    private let countsByEndsOfNames: Bool
    /// The calls of aggregate functions, with their arguments; each once.
    private(set) var calls: [Expression] = []
    /// The columns that occur anywhere.
    private(set) var requiredColumns: [String] = []
    /// Those of WHERE and those that only count rows too.
    private(set) var columnsRead: [String] = []

    init(
        groups: [Expression], isWindowed: Bool, functions: FunctionCatalog, defaultArgument: Expression,
        countsByEndsOfNames: Bool
    ) {
        self.groups = groups
        self.isWindowed = isWindowed
        self.functions = functions
        self.defaultArgument = defaultArgument
        self.countsByEndsOfNames = countsByEndsOfNames
    }

    private enum Clause { case select, filter, group, having }

    mutating func check(
        _ selects: [Expression], _ filter: Expression?, _ having: Expression?
    ) throws(PlanError) {
        var strayItems: [Expression] = []
        for expression in selects {
            var stray: [Expression] = []
            try visit(expression, .select, function: nil, isInGroup: false, &stray)
            if !groups.contains(expression), !stray.isEmpty { strayItems.append(expression) }
        }
        var ignored: [Expression] = []
        if let filter { try visit(filter, .filter, function: nil, isInGroup: false, &ignored) }
        for group in groups { try visit(group, .group, function: nil, isInGroup: false, &ignored) }
        var strayHaving: [Expression] = []
        if let having { try visit(having, .having, function: nil, isInGroup: false, &strayHaving) }
        if calls.isEmpty {
            throw PlanError("GROUP BY requires aggregate functions in either the SELECT or HAVING clause.")
        }
        if !strayItems.isEmpty {
            throw PlanError(
                "Non-aggregate SELECT expression(s) not part of GROUP BY: "
                    + "\(strayItems.map(\.description).joined(separator: ", "))\n"
                    + "Either add the column(s) to the GROUP BY or remove them from the SELECT.",
                at: strayItems[0].position)
        }
        if !strayHaving.isEmpty {
            throw PlanError(
                "Non-aggregate HAVING expression not part of GROUP BY: "
                    + "\(strayHaving.map(\.description).joined(separator: ", "))\n"
                    + "Consider switching the HAVING clause to a WHERE clause before the GROUP BY.",
                at: strayHaving[0].position)
        }
    }

    /// With the default argument where an aggregate has none.
    func completed(_ call: Expression) -> Expression? {
        guard case .call(let function, let arguments) = call.kind, functions.kind(of: function.text) == .aggregate
        else {
            return nil
        }
        guard arguments.isEmpty else { return call }
        return Expression(.call(function: function, arguments: [defaultArgument]), position: call.position)
    }

    /// COUNT of the default argument: it counts rows, so the column need not be there. That of a column which only has such
    /// a name, or of the ROWTIME of another side of a join, which has none for rows without partners, counts values.
    func isCountOfRows(_ call: Expression) -> Bool {
        guard case .call(let function, let arguments) = call.kind else { return false }
        guard function.text.uppercased() == "COUNT", arguments.count == 1 else { return false }
        if countsByEndsOfNames, case .column(let name) = arguments[0].kind {
            return name.text.hasSuffix(PseudoColumn.rowTime.rawValue)
        }
        return arguments[0] == defaultArgument
    }

    private mutating func read(_ column: String) {
        if !columnsRead.contains(column) { columnsRead.append(column) }
    }

    private mutating func visit(
        _ expression: Expression, _ clause: Clause, function: String?, isInGroup: Bool, _ stray: inout [Expression]
    ) throws(PlanError) {
        let isInGroup = isInGroup || groups.contains(expression)
        if let call = completed(expression), case .call(let name, let arguments) = call.kind {
            let name = name.text.uppercased()
            if let function {
                throw PlanError("Aggregate functions can not be nested: \(function)(\(name)())", at: call.position)
            }
            if clause == .group {
                throw PlanError(
                    "GROUP BY does not support aggregate functions: \(name) is an aggregate function.",
                    at: call.position)
            }
            if clause == .filter {
                throw PlanError(
                    "WHERE does not support aggregate functions: \(name) is an aggregate function.", at: call.position)
            }
            if !calls.contains(call) { calls.append(call) }
            if isCountOfRows(call), case .column(let name)? = arguments.first?.kind { read(name.text) }
            for argument in arguments where argument != defaultArgument || !isCountOfRows(call) {
                try visit(argument, clause, function: name, isInGroup: isInGroup, &stray)
            }
            return
        }
        guard case .column(let name) = expression.kind else {
            for child in expression.children {
                try visit(child, clause, function: function, isInGroup: isInGroup, &stray)
            }
            return
        }
        let isBound = PseudoColumn(rawValue: name.text)?.isWindowBound == true
        if isBound, isWindowed, clause != .select || function != nil {
            throw PlanError(
                "Window bounds column \(name.text) can only be used in the SELECT clause of windowed aggregations and can not"
                    + " be passed to aggregate functions.\nSee https://github.com/confluentinc/ksql/issues/4397",
                at: expression.position)
        }
        read(name.text)
        if clause == .filter { return }
        if !requiredColumns.contains(name.text) { requiredColumns.append(name.text) }
        guard function == nil, !isInGroup, !(isBound && isWindowed), !groups.contains(expression) else { return }
        if !stray.contains(expression) { stray.append(expression) }
    }
}

/// The aggregate functions of a query and the columns of their results.
struct AggregateCalls {
    private let calls: [Expression]
    private let rules: AggregateRules
    private(set) var bound: [AggregateFunctionCall] = []

    init(_ rules: AggregateRules) {
        calls = rules.calls
        self.rules = rules
    }

    static func name(_ index: Int) -> String { "KSQL_AGG_VARIABLE_\(index)" }

    /// With the columns of their results in place of calls.
    func replacing(_ expression: Expression) -> Expression {
        expression.rewritten { part in
            guard let call = rules.completed(part), let index = calls.firstIndex(of: call) else { return nil }
            return Expression(
                .column(Identifier(Self.name(index), isQuoted: true, position: part.position)), position: part.position)
        }
    }

    /// With calls in place of the columns of their results.
    func restoring(_ error: PlanError) -> PlanError {
        var error = error
        for index in calls.indices.reversed() {
            error.message = error.message.replacing(Self.name(index), with: calls[index].description)
        }
        return error
    }

    /// - Parameter place: where an argument is among the prepared columns.
    mutating func bind(
        _ planner: QueryPlanner, _ schema: RowSchema, _ place: (Expression, TypedExpression) -> Int
    ) throws(PlanError) {
        for call in calls {
            guard case .call(let function, let arguments) = call.kind else { continue }
            var values: [TypedExpression] = []
            for argument in arguments {
                if rules.isCountOfRows(call) {
                    values.append(TypedExpression(.literal(.bigint(0)), .bigint, position: argument.position))
                } else {
                    values.append(try planner.bind(argument, schema, for: "Aggregate"))
                }
            }
            let literals = zip(arguments, values).map { argument, value -> SQLValue? in
                switch (argument.kind, value.node) {
                case (.literal, .literal(let literal)), (.unary, .literal(let literal)): literal
                default: nil
                }
            }
            do {
                let chosen = try planner.functions.aggregate(function.text).bind(
                    values.map(\.functionArgument), literals: literals, texts: arguments.map(\.description),
                    typedName: function.text.uppercased())
                let count = chosen.argumentTypes.count
                var columns: [TypedExpression] = []
                for (argument, value) in zip(arguments, values).prefix(count) {
                    if case .literal = value.node, rules.isCountOfRows(call) {
                        columns.append(value)
                    } else {
                        columns.append(
                            TypedExpression(.column(place(argument, value)), value.type, position: value.position))
                    }
                }
                bound.append(
                    AggregateFunctionCall(
                        function: chosen.name, arguments: columns, parameters: Array(values.dropFirst(count)),
                        stateType: chosen.stateType, type: chosen.resultType))
            } catch {
                throw PlanError(.function, error.message, at: call.position)
            }
        }
    }
}
