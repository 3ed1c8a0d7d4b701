import SQLSyntax
import SQLTypes

/// Joins: which are allowed, what their keys are, and their steps.
struct JoinPlanner {
    let planner: QueryPlanner
    private let root: JoinNode

    init(_ planner: QueryPlanner) throws(PlanError) {
        self.planner = planner
        root = try Self.tree(planner)
    }

    func plan() throws(PlanError) -> PlannedStep {
        root.resolveKey(default: try planner.defaultKeyFormat())
        return try steps(root)
    }

    // MARK: Tree

    private static func tree(_ planner: QueryPlanner) throws(PlanError) -> JoinNode {
        var node: JoinNode?
        var equivalence: JoinEquivalence?
        var known: [AliasedSource] = []
        let joins = planner.analysis.joins
        for (index, join) in joins.enumerated() {
            if known.isEmpty { known = [join.left] }
            func has(_ source: AliasedSource) -> Bool { known.contains { $0.alias == source.alias } }
            if has(join.left), has(join.right) {
                throw PlanError(
                    "Cannot perform circular join - both \(Identifier.quote(join.right.alias)) and"
                        + " \(join.leftExpression) are already included in the current join tree: "
                        + known.map(\.alias).joined(separator: ", "))
            }
            guard has(join.left) || has(join.right) else {
                throw PlanError(
                    "Cannot build JOIN tree; neither source in the join is the FROM source or included in a previous JOIN: "
                        + "\(join.leftExpression) = \(join.rightExpression). The current join tree is "
                        + known.map(\.alias).joined(separator: ", "))
            }
            let info = has(join.left) ? join : join.flipped
            let prefix = String(repeating: "L_", count: joins.count - 1 - index)
            let next = JoinEquivalence(equivalence, info)
            node = try Self.node(planner, info, prefix, node, equivalence, next)
            equivalence = next
            known.append(info.right)
        }
        guard let node else { throw PlanError("A join needs two sources") }
        return node
    }

    private static func node(
        _ planner: QueryPlanner, _ info: JoinInfo, _ prefix: String, _ left: JoinNode?, _ leftKey: JoinEquivalence?,
        _ equivalence: JoinEquivalence
    ) throws(PlanError) -> JoinNode {
        let isForeignKey = try check(planner, info, left)
        let leftSide: JoinSide
        if let left {
            let isKeyed = isForeignKey || leftKey?.members.contains(info.leftExpression) == true
            leftSide = JoinSide(
                .join(left), name: prefix + "Left", key: isKeyed ? nil : planner.unqualified(info.leftExpression))
        } else {
            leftSide = JoinSide(
                .leaf(info.left), name: prefix + "Left", key: isForeignKey ? nil : plain(info.leftExpression))
        }
        // A struct as key of a registered schema may have another layout than the one that would be made for it.
        let right = info.right.source
        let needsRewriting =
            right.keyFormat.info.format.usesRegistry && right.keyColumns.contains { $0.type.fields != nil }
        let rightSide = JoinSide(
            .leaf(info.right), name: prefix + "Right",
            key: isForeignKey && !needsRewriting ? nil : plain(info.rightExpression))
        let key: JoinNode.Key
        if isForeignKey {
            key = .leftKey(info.left.source.keyColumns.map { ColumnNaming.joined(info.left.alias, $0.name) })
        } else if let first = equivalence.viable.first {
            let chosen = equivalence.viable.first { isSelected($0, planner.analysis) } ?? first
            key = .column(name(of: planner.unqualified(chosen)), viable: equivalence.viable)
        } else {
            let leaves = (left?.leaves ?? [info.left]) + [info.right]
            key = .synthetic(ColumnNaming.syntheticKey(avoiding: leaves.flatMap { $0.source.columns.map(\.name) }))
        }
        return JoinNode(info: info, prefix: prefix, left: leftSide, right: rightSide, key: key)
    }

    private static func name(of expression: Expression) -> String {
        if case .column(let name) = expression.kind { name.text } else { expression.description }
    }

    private static func isSelected(_ column: Expression, _ analysis: QueryAnalysis) -> Bool {
        guard case .qualifiedColumn(let owner, _) = column.kind else { return false }
        return analysis.items.contains { item in
            switch item {
            case .all(let source): source == nil || source == owner.text
            case .single(let expression, _): expression == column
            case .allFields: false
            }
        }
    }

    /// An expression on the rows of one source, before its columns get the alias in front.
    private static func plain(_ expression: Expression) -> Expression {
        expression.rewritten { part in
            guard case .qualifiedColumn(_, let column) = part.kind else { return nil }
            return Expression(.column(column), position: part.position)
        }
    }

    // MARK: Rules

    /// - Returns: whether it is a join on a foreign key.
    private static func check(_ planner: QueryPlanner, _ info: JoinInfo, _ left: JoinNode?) throws(PlanError) -> Bool {
        let leftIsTable = left?.isTable ?? info.left.source.isTable
        let rightIsTable = info.right.source.isTable
        let (a, b) = info.conditionText
        let names = "\(info.left.source.name) \(info.kind.text) \(info.right.source.name)"
        switch (leftIsTable, rightIsTable) {
        case (false, false): return false
        case (false, true):
            if info.kind == .full {
                throw PlanError(
                    "Invalid join type: full-outer join not supported for stream-table join. Got \(names).")
            }
            if info.kind == .right {
                throw PlanError(
                    "Invalid join type: right-outer join not supported for stream-table join. Got \(names).")
            }
            guard isKey(info.rightExpression, info.right) else {
                throw PlanError(
                    "Invalid join condition: stream-table joins require to join on the table's primary key. Got"
                        + " \(a) = \(b).")
            }
            return false
        case (true, false):
            throw PlanError(
                "Invalid join order: table-stream joins are not supported; only stream-table joins. Got \(names).")
        case (true, true):
            guard isKey(info.rightExpression, info.right) else {
                throw PlanError(
                    "Invalid join condition: table-table joins require to join on the primary key of the right input table."
                        + " Got \(a) = \(b).")
            }
            if isKey(info.leftExpression, info.left) {
                try checkTypes(
                    info.left.source.keyColumns.first?.type, info.right.source.keyColumns.first?.type, info)
                return false
            }
            return try checkForeignKey(planner, info, left, names)
        }
    }

    private static func checkForeignKey(
        _ planner: QueryPlanner, _ info: JoinInfo, _ left: JoinNode?, _ names: String
    ) throws(PlanError) -> Bool {
        let (a, b) = info.conditionText
        if info.kind == .full {
            throw PlanError(
                "Invalid join type: full-outer join not supported for foreign-key table-table join. Got \(names).")
        }
        if info.kind == .right {
            throw PlanError(
                "Invalid join type: right-outer join not supported for foreign-key table-table join. Got \(names).")
        }
        if left != nil {
            throw PlanError(
                "Invalid join condition: foreign-key table-table joins are not supported as part of n-way joins. Got"
                    + " \(a) = \(b).")
        }
        let schema = planner.source(info.left, ["KafkaTopic_Left"]).schema
        let foreignKey = try planner.bind(plain(info.leftExpression), schema, for: "Left Join Expression")
        try checkTypes(foreignKey.type, info.right.source.keyColumns.first?.type, info)
        if info.left.source.isWindowed || info.right.source.isWindowed {
            throw PlanError("Foreign-key table-table joins are not supported on windowed tables.")
        }
        return true
    }

    private static func isKey(_ expression: Expression, _ source: AliasedSource) -> Bool {
        guard case .qualifiedColumn(_, let column) = expression.kind else { return false }
        let keys = source.source.keyColumns
        return keys.count == 1 && keys[0].name == column.text
    }

    private static func checkTypes(_ left: SQLType?, _ right: SQLType?, _ info: JoinInfo) throws(PlanError) {
        guard let left, let right, left != right else { return }
        let (a, b) = info.conditionText
        let (first, second) = info.isFlipped ? (right, left) : (left, right)
        throw PlanError(
            .type, "Invalid join condition: types don't match. Got \(a){\(first)} = \(b){\(second)}.")
    }

    // MARK: Star and keys

    /// What `*` has behind the new key of a join that is repartitioned: all that its rows have.
    var repartitionedColumns: [String] {
        let pseudo: [PseudoColumn] = [.rowTime, .rowPartition, .rowOffset]
        var names: [String] = []
        for leaf in root.leaves {
            let source = leaf.source
            let bounds: [PseudoColumn] = source.isWindowed ? [.windowStart, .windowEnd] : []
            let columns =
                (source.valueColumns + source.headerColumns).map(\.name) + pseudo.map(\.rawValue)
                + source.keyColumns.map(\.name) + bounds.map(\.rawValue)
            names += columns.map { ColumnNaming.joined(leaf.alias, $0) }
        }
        if case .synthetic(let name) = root.key { names.append(name) }
        return names
    }

    func starColumns(_ source: String?) -> [String] {
        var names: [String] = []
        if source == nil, case .synthetic(let name) = root.key { names.append(name) }
        for leaf in root.leaves where source == nil || leaf.alias == source {
            names += planner.starColumns(leaf).map { ColumnNaming.joined(leaf.alias, $0) }
        }
        return names
    }

    func checkKeys(_ isSelected: (Expression) -> Bool) throws(PlanError) {
        switch root.key {
        case .leftKey:
            let table = root.info.left
            let missing = table.source.keyColumns.map(\.name).filter { name in
                !isSelected(
                    Expression(
                        .qualifiedColumn(
                            source: Identifier(table.alias, isQuoted: true), column: Identifier(name, isQuoted: true))))
            }
            guard missing.isEmpty else {
                let column = missing.count == 1 ? "column" : "columns"
                throw PlanError(
                    "Primary key \(column) missing in projection. For foreign-key table-table joins, the projection must"
                        + " include all primary key columns from the left input table (\(Identifier.quote(table.alias)))."
                        + " Missing \(column): \(missing.map(Identifier.quote).joined(separator: ", ")).")
            }
        case .synthetic(let name):
            guard isSelected(ProjectionPlanner.column(name)) else {
                throw ProjectionPlanner.missingKeys(
                    planner.sinkName, "join expression", [name], needsAll: false, isSynthetic: true)
            }
        case .column(_, let viable):
            guard viable.contains(where: isSelected) else {
                throw ProjectionPlanner.missingKeys(
                    planner.sinkName, "join expression", viable.map(\.description), needsAll: false)
            }
        }
    }

    // MARK: Steps

    private func steps(_ node: JoinNode) throws(PlanError) -> PlannedStep {
        if !node.isForeignKey { try checkPartitions(node) }
        let info = node.info
        if !node.isTable, !node.right.isTable {
            guard info.within != nil else {
                throw PlanError(
                    "Stream-Stream joins must have a WITHIN clause specified. None was provided. To learn about how to"
                        + " specify a WITHIN clause with a stream-stream join, please visit: https://docs.confluent"
                        + ".io/current/ksql/docs/syntax-reference.html#create-stream-as-select")
            }
        } else if info.within != nil {
            let kind = node.isTable ? "Table-Table" : "Stream-Table"
            throw PlanError(
                "A window definition was provided for a \(kind) join. These joins are not windowed. Please drop the window"
                    + (node.isTable
                        ? " definition (i.e. the WITHIN clause) and try to execute your Table-Table join again."
                        : " definition (ie. the WITHIN clause) and try to execute your join again."))
        }
        var left = try side(node.left)
        var right = try side(node.right)
        if !node.isForeignKey {
            guard left.schema.keyCount == 1 else {
                throw PlanError(
                    "JOINs are not supported with multiple key columns: "
                        + "[\(left.schema.keys.map { Identifier.quote($0.name) }.joined(separator: ", "))]")
            }
            if let a = left.schema.keys.first?.type, let b = right.schema.keys.first?.type, a != b {
                let (first, second) = info.conditionText
                let (x, y) = info.isFlipped ? (b, a) : (a, b)
                throw PlanError(
                    .type, "Invalid join condition: types don't match. Got \(first){\(x)} = \(second){\(y)}.")
            }
        }
        let context = [node.prefix + "Join"]
        let isStreams = !node.right.isTable
        if left.isRekeyed, !left.isTable {
            left = repartitioned(left, context[0] + (isStreams ? "-left" : ""), node.left)
        }
        if right.isRekeyed, !right.isTable { right = repartitioned(right, context[0] + "-right", node.right) }
        let (schema, columns) = Self.layout(node, left, right)
        let residual = info.kind == .inner ? nil : try self.residual(node, schema)
        var joined = left.adding(
            context, try operation(node, left, right, columns, residual), schema: schema, isTable: node.isTable)
        joined.isRekeyed = false
        guard info.kind == .inner, let condition = info.residual else { return joined }
        return try planner.filter(joined, planner.unqualified(condition), "JOIN ON", [node.prefix + "JoinFilter"])
    }

    /// What an outer join asks of rows of equal keys besides.
    private func residual(_ node: JoinNode, _ schema: RowSchema) throws(PlanError) -> TypedExpression? {
        guard let condition = node.info.residual else { return nil }
        if node.isTable, node.info.kind == .full {
            throw PlanError(
                "Invalid join condition: a full-outer join of tables cannot have further conditions: two rows of one key that"
                    + " do not fulfil them would both be the result's row of that key. Use a LEFT or RIGHT join, or filter the"
                    + " result with WHERE. Got \(condition).", at: condition.position)
        }
        return try planner.predicate(planner.unqualified(condition), schema, "JOIN ON")
    }

    private func operation(
        _ node: JoinNode, _ left: PlannedStep, _ right: PlannedStep, _ columns: [JoinColumn],
        _ residual: TypedExpression?
    ) throws(PlanError) -> PlanStep.Operation {
        let kind = node.info.kind
        if node.isForeignKey {
            guard case .leaf = node.left.content else { throw PlanError("Unexpected foreign-key join") }
            let foreignKey = try planner.bind(
                planner.unqualified(node.info.leftExpression), left.schema, for: "Left Join Expression")
            var join = ForeignKeyJoinStep(
                left: left.step, right: right.step, kind: kind, columns: columns, foreignKey: foreignKey,
                formats: formats(left, node.left))
            join.residual = residual
            return .foreignKeyJoin(join)
        }
        if node.isTable {
            var join = TableTableJoinStep(left: left.step, right: right.step, kind: kind, columns: columns)
            join.residual = residual
            return .tableTableJoin(join)
        }
        guard let within = node.info.within else {
            var join = StreamTableJoinStep(left: left.step, right: right.step, kind: kind, columns: columns)
            join.residual = residual
            return .streamTableJoin(join)
        }
        // Their names follow when the plan is complete.
        func store(_ name: String, _ planned: PlannedStep, _ side: JoinSide) -> StateStore {
            StateStore("\(node.prefix)Join-\(name)", formats: formats(planned, side))
        }
        guard within.before.milliseconds >= 0, within.after.milliseconds >= 0 else {
            throw PlanError("Window before and after of a join must not be negative.", at: within.position)
        }
        var join = StreamStreamJoinStep(
            left: left.step, right: right.step, kind: kind, columns: columns, before: within.before.milliseconds,
            after: within.after.milliseconds, grace: within.grace?.milliseconds,
            leftStore: store("left", left, node.left), rightStore: store("right", right, node.right))
        join.residual = residual
        return .streamStreamJoin(join)
    }

    private func formats(_ planned: PlannedStep, _ side: JoinSide) -> InternalFormats {
        let value = side.leaves.first?.source.valueFormat.info ?? planner.leftmostValueFormat
        return InternalFormats(key: planned.keyFormat, value: SerdeFormat(value))
    }

    private func repartitioned(_ input: PlannedStep, _ name: String, _ side: JoinSide) -> PlannedStep {
        var planned = input.adding(
            [name],
            .repartition(
                RepartitionStep(input.step, topic: RepartitionTopic(name, formats: formats(input, side)))))
        planned.isRekeyed = false
        return planned
    }

    /// The key, then the columns of both sides. A column that always has the key's value is left out; one that may be
    /// missing where the key is not stays, and comes later, so that expressions mean it.
    private static func layout(
        _ node: JoinNode, _ left: PlannedStep, _ right: PlannedStep
    ) -> (RowSchema, [JoinColumn]) {
        let kind = node.info.kind
        var keys: [RowSchema.Column] = []
        var columns: [JoinColumn] = []
        for (index, name) in node.keyNames.enumerated() where index < left.schema.keyCount {
            keys.append(RowSchema.Column(name, left.schema.columns[index].type))
            columns.append(.key(index))
        }
        var values: [RowSchema.Column] = []
        func add(_ side: RowSchema, _ isAlwaysThere: Bool, _ make: (Int) -> JoinColumn) {
            for (index, column) in side.columns.enumerated() {
                if isAlwaysThere, node.keyNames.contains(column.name) { continue }
                values.append(column)
                columns.append(make(index))
            }
        }
        add(left.schema, kind == .inner || kind == .left) { .left($0) }
        add(right.schema, kind == .inner || kind == .right) { .right($0) }
        return (RowSchema(keys: keys, values: values, window: left.schema.window), columns)
    }

    private func side(_ side: JoinSide) throws(PlanError) -> PlannedStep {
        var planned: PlannedStep
        switch side.content {
        case .leaf(let source): planned = planner.source(source, ["KafkaTopic_" + side.name])
        case .join(let node): planned = try steps(node)
        }
        if let key = side.key { planned = try keyed(planned, key, side) }
        guard case .leaf(let source) = side.content else { return planned }
        var schema = planned.schema
        schema.columns = schema.columns.map { .init(ColumnNaming.joined(source.alias, $0.name), $0.type) }
        let expressions = planned.schema.columns.enumerated().map { TypedExpression(.column($0), $1.type) }
        return planned.adding(
            ["PrependAlias" + side.name], .select(SelectStep(planned.step, expressions: expressions)), schema: schema)
    }

    /// With the join's key, in the join's format.
    private func keyed(_ input: PlannedStep, _ key: Expression, _ side: JoinSide) throws(PlanError) -> PlannedStep {
        let isNeeded = QueryPlanner.needsRepartition(input.schema, [key])
        let current = KeyLayout(format: input.keyFormat, window: input.schema.window)
        let isChanged = side.forced.map { $0 != current } ?? false
        guard isNeeded || isChanged || side.isForced else { return input }
        let context = [side.name + "SourceKeyed"]
        if !input.isTable {
            if isNeeded || !side.isForced, input.schema.window != nil { throw QueryPlanner.windowedRepartition }
            return try planner.rekeyed(input, [key], context, forced: side.forced)
        }
        if input.schema.keyCount > 1 {
            throw PlanError(
                "Cannot repartition a TABLE source. If this is a join, joins on tables with multiple columns is not yet"
                    + " supported.")
        }
        if isNeeded {
            throw PlanError(
                "Cannot repartition a TABLE source. If this is a join, make sure that the criteria uses the TABLE's key"
                    + " column \(input.schema.keys.first?.name ?? "") instead of [\(key)]")
        }
        if input.schema.window != nil {
            throw side.isForced
                ? QueryPlanner.windowedRepartition.appending(
                    " As a result, ksqlDB does not support joins on windowed sources with Schema-Registry-enabled key formats"
                        + " (AVRO, JSON_SR, PROTOBUF) at this time. Please repartition your sources to use a different key"
                        + " format before performing the join.") : QueryPlanner.windowedRepartition
        }
        let format = FormatRules.sanitized(
            side.forced?.format ?? input.keyFormat, types: input.schema.keys.map(\.type), mayChange: false)
        let internals = InternalFormats(
            key: format, value: SerdeFormat(side.leaves.first?.source.valueFormat.info ?? planner.leftmostValueFormat))
        let step = SelectKeyStep(
            input.step, keys: [TypedExpression(.column(0), input.schema.columns[0].type)],
            carried: Array(input.schema.keyCount..<input.schema.columns.count), formats: internals,
            repartition: RepartitionTopic(context[0] + "-SelectKey", formats: internals),
            store: StateStore(context[0] + "-Materialize", formats: internals))
        var planned = input.adding(context, .selectKey(step))
        planned.keyFormat = format
        return planned
    }

    private func checkPartitions(_ node: JoinNode) throws(PlanError) {
        /// Of a join the partitions are those of its right side.
        func partitions(_ side: JoinSide) -> (AliasedSource, Int?) {
            switch side.content {
            case .leaf(let source): (source, planner.topics.partitionCount(of: source.source.topic))
            case .join(let join): (join.leaves[0], partitions(join.right).1)
            }
        }
        let (left, leftCount) = partitions(node.left)
        let (right, rightCount) = partitions(node.right)
        guard let leftCount, let rightCount, leftCount != rightCount else { return }
        let (a, b) = (Identifier.quote(left.alias), Identifier.quote(right.alias))
        throw PlanError(
            "Can't join \(a) with \(b) since the number of partitions don't match. \(a) partitions = \(leftCount); \(b)"
                + " partitions = \(rightCount). Please repartition either one so that the number of partitions match.")
    }
}
