import SQLFunctions
import SQLSyntax
import SQLTypes

/// The items of SELECT as expressions over a step, with their names.
struct Selects {
    struct Item {
        var name: String
        var expression: Expression
    }

    var items: [Item]

    /// The names of items that are exactly the expression.
    func names(of expression: Expression) -> [String] { items.filter { $0.expression == expression }.map(\.name) }
}

/// SELECT of queries that do not aggregate.
struct ProjectionPlanner {
    let planner: QueryPlanner
    let join: JoinPlanner?

    init(_ planner: QueryPlanner, _ join: JoinPlanner?) {
        self.planner = planner
        self.join = join
    }

    func plan(_ input: PlannedStep) throws(PlanError) -> (PlannedStep, Selects) {
        let selects = try selects(input)
        let schema = input.schema
        let keyNames = schema.keys.map(\.name)
        var keys: [RowSchema.Column] = Array(schema.keys)
        var values: [RowSchema.Column] = []
        var valueExpressions: [TypedExpression] = []
        var seen: [String: [String]] = [:]
        for item in selects.items {
            if case .column(let name) = item.expression.kind, planner.isPersistent {
                if PseudoColumn(rawValue: name.text)?.isWindowBound == true, item.name == name.text,
                    schema.index(of: name.text) != nil
                {
                    continue
                }
                if let index = keyNames.firstIndex(of: name.text) {
                    if seen[name.text] == nil { keys[index].name = item.name }
                    if seen[name.text]?.contains(item.name) != true { seen[name.text, default: []].append(item.name) }
                    continue
                }
            }
            let bound = try planner.bind(item.expression, schema, for: "Select")
            guard !bound.isNull else {
                throw PlanError(
                    .type,
                    "Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null AS VARCHAR).",
                    at: item.expression.position)
            }
            values.append(RowSchema.Column(item.name, bound.type))
            valueExpressions.append(bound)
        }
        for name in keyNames {
            guard let names = seen[name], names.count > 1 else { continue }
            throw PlanError(
                "The projection contains a key column (\(Identifier.quote(name))) more than once, aliased as: "
                    + "\(Words.join(names.sorted(), "and")).\n"
                    + "Each key column must only be in the projection once. If you intended to copy the key into the value,"
                    + " then consider using the AS_VALUE function to indicate which key reference should be copied.")
        }
        if values.isEmpty { throw PlanError("The projection contains no value columns.") }
        if planner.isPersistent { try checkKeys(input, selects) }
        let keyExpressions = schema.keys.indices.map { TypedExpression(.column($0), schema.columns[$0].type) }
        let planned = input.adding(
            ["Project"], .select(SelectStep(input.step, expressions: keyExpressions + valueExpressions)),
            schema: RowSchema(keys: keys, values: values, window: schema.window))
        return (planned, selects)
    }

    // MARK: Items

    /// The items over the columns of the input.
    func selects(_ input: PlannedStep) throws(PlanError) -> Selects {
        var items: [Selects.Item] = []
        var tableFunction = 0
        for (index, item) in planner.analysis.items.enumerated() {
            switch item {
            case .all(let source):
                items += star(input, source).map { Selects.Item(name: $0, expression: Self.column($0)) }
            case .allFields(let base):
                let base = resolved(base, input, &tableFunction)
                let bound = try planner.bind(base, input.schema, for: "Select")
                guard let fields = bound.type.fields else {
                    throw PlanError(.type, "Column \(base) is not a STRUCT type.", at: base.position)
                }
                for field in fields {
                    let access = Expression(
                        .field(base, Identifier(field.name, isQuoted: true)), position: base.position)
                    items.append(Selects.Item(name: field.name, expression: access))
                }
            case .single(let expression, let alias):
                let expression = resolved(expression, input, &tableFunction)
                items.append(Selects.Item(name: alias, expression: try targeted(expression, index)))
            }
        }
        return Selects(items: items)
    }

    static func column(_ name: String) -> Expression { Expression(.column(Identifier(name, isQuoted: true))) }

    /// With the columns that steps below have made for parts of it.
    private func resolved(_ expression: Expression, _ input: PlannedStep, _ tableFunction: inout Int) -> Expression {
        let expression = planner.unqualified(expression)
        if let list = planner.analysis.partitionBy?.map(planner.unqualified) {
            // What the rows are partitioned by is their key now.
            for (key, other) in zip(input.schema.keys, list) where other == expression {
                return Expression(.column(Identifier(key.name, isQuoted: true)), position: expression.position)
            }
        }
        guard !planner.analysis.tableFunctions.isEmpty else { return expression }
        return expression.rewritten { part in
            guard case .call(let function, _) = part.kind, planner.functions.kind(of: function.text) == .table else {
                return nil
            }
            defer { tableFunction += 1 }
            return Self.column(QueryPlanner.tableFunctionColumn(tableFunction))
        }
    }

    /// A number for a DECIMAL column of an existing stream takes its digits.
    func targeted(_ expression: Expression, _ index: Int) throws(PlanError) -> Expression {
        guard case .existing(let target) = planner.sink, target.columns.indices.contains(index),
            case .decimal(let precision, let scale) = target.columns[index].type,
            case .literal(let literal) = expression.kind
        else { return expression }
        let bound = try ExpressionBinder.constant(literal, expression.position, planner.rules.literals)
        guard let value = bound.type.isNumber ? SQLDecimal(literal) : nil,
            let fitted = try? value.cast(precision: precision, scale: scale)
        else { return expression }
        return Expression(
            .cast(
                Expression(.literal(.decimal(fitted.plainText)), position: expression.position),
                TypeResolver.written(target.columns[index].type)), position: expression.position)
    }

    private func star(_ input: PlannedStep, _ source: String?) -> [String] {
        guard planner.analysis.partitionBy != nil, input.isRekeyed, source == nil || join == nil else {
            return join?.starColumns(source) ?? planner.starColumns(planner.analysis.from)
        }
        let keys = input.schema.keys.map(\.name)
        let rest = join?.repartitionedColumns ?? Self.repartitioned(planner.analysis.from).map(\.name)
        return keys + rest.filter { !keys.contains($0) }
    }

    /// The columns of a source that is repartitioned, in the order in which they become values.
    private static func repartitioned(_ source: AliasedSource) -> [SQLColumn] {
        source.source.valueColumns + source.source.headerColumns + source.source.keyColumns
    }

    // MARK: Keys

    /// Whether SELECT has the expression, as it stands or by a star.
    func contains(_ expression: Expression, _ selects: Selects) -> Bool {
        for item in planner.analysis.items {
            guard case .all(let source) = item else { continue }
            guard let source else { return true }
            if case .qualifiedColumn(let owner, _) = expression.kind, owner.text == source { return true }
        }
        let wanted = planner.unqualified(expression)
        return planner.analysis.items.contains { item in
            if case .single(let expression, _) = item { planner.unqualified(expression) == wanted } else { false }
        }
    }

    private func checkKeys(_ input: PlannedStep, _ selects: Selects) throws(PlanError) {
        let analysis = planner.analysis
        if let list = analysis.partitionBy {
            guard input.schema.keyCount > 0 else { return }
            guard list.allSatisfy({ contains($0, selects) }) else {
                throw Self.missingKeys(planner.sinkName, "partitioning expression", list.map(\.description))
            }
            return
        }
        if let join { return try join.checkKeys { contains($0, selects) } }
        let keys = analysis.from.source.keyColumns
        for key in keys {
            let column = Expression(
                .qualifiedColumn(
                    source: Identifier(analysis.from.alias, isQuoted: true),
                    column: Identifier(key.name, isQuoted: true)))
            guard contains(column, selects) else {
                throw Self.missingKeys(planner.sinkName, "key column", keys.map(\.name))
            }
        }
    }

    /// - Parameters:
    ///   - needsAll: whether all keys have to be there, or any of them.
    ///   - isSynthetic: whether it is a key that a join makes up.
    static func missingKeys(
        _ sink: String, _ what: String, _ keys: [String], needsAll: Bool = true, isSynthetic: Bool = false
    ) -> PlanError {
        let example = needsAll ? keys.joined(separator: ", ") : keys.first ?? ""
        var text = "Key\(needsAll && keys.count > 1 ? "s" : "") missing from projection (ie, SELECT). "
        if isSynthetic { text += "See https://cnfl.io/2LV7ouS." }
        text +=
            "\nThe query used to build \(Identifier.quote(sink)) must include the \(what)\(keys.count == 1 ? "" : "s") "
        text += Words.join(keys, needsAll ? "and" : "or") + " in its projection (eg, SELECT \(example)...)."
        if isSynthetic {
            text +=
                "\n\(keys.first ?? "") was added as a synthetic key column because the join criteria did not match any"
            text += " source column. This expression must be included in the projection and may be aliased. "
        }
        return PlanError(text)
    }
}

extension SQLDecimal {
    /// A number as it is written; nil for other literals.
    fileprivate init?(_ literal: Literal) {
        switch literal {
        case .integer(let value): self.init(Int64(value))
        case .bigint(let value): self.init(value)
        case .decimal(let text): self.init(utf8: Array(text.utf8))
        case .double(let value): self.init(utf8: Array(DoubleText.text(value).utf8))
        case .null, .boolean, .string, .variable: return nil
        }
    }
}
