import SQLSyntax
import SQLTypes

/// What CREATE OR REPLACE may change.
enum UpgradeRules {
    /// Columns may be added at the end; everything else stays.
    static func check(_ old: SourceDescription, _ new: SourceDescription) throws(PlanError) {
        var issues: [String] = []
        func issue(_ property: String, _ a: String, _ b: String, _ reason: String = "") {
            issues.append(
                "DataSource '\(Identifier.quote(old.name))' has \(property) = \(a) which is not upgradeable to \(b)\(reason)"
            )
        }
        if old.kind != new.kind { issue("type", kindText(old.kind), kindText(new.kind)) }
        if topicText(old) != topicText(new) { issue("topic", topicText(old), topicText(new)) }
        if old.timestamp != new.timestamp {
            issue("timestampColumn", timestampText(old.timestamp), timestampText(new.timestamp))
        }
        if let reason = changed(old.keyColumns, new.keyColumns) {
            issue(
                "schema", old.schemaText, new.schemaText,
                ". (Key columns must be identical. The following key columns are changed, missing or reordered: [\(reason)])"
            )
        } else if let reason = changed(old.columns, new.columns) {
            issue(
                "schema", old.schemaText, new.schemaText,
                ". (The following columns are changed, missing or reordered: [\(reason)])")
        }
        guard issues.isEmpty else {
            throw PlanError(.invalid, "Cannot upgrade data source: " + issues.joined(separator: "\n\tAND "))
        }
    }

    private static func kindText(_ kind: SourceKind) -> String { kind == .stream ? "KSTREAM" : "KTABLE" }

    private static func timestampText(_ timestamp: TimestampColumn?) -> String {
        guard let timestamp else { return "Optional.empty" }
        return "Optional[TimestampColumn{column=\(Identifier.quote(timestamp.column)), "
            + "format=\(timestamp.format.map { "Optional[\($0)]" } ?? "Optional.empty")}]"
    }

    private static func topicText(_ source: SourceDescription) -> String {
        func text(_ format: SerdeFormat) -> String {
            "\(format.info) [\(format.features.sorted().map(\.rawValue).joined(separator: ", "))]"
        }
        let window = source.window.map { " \($0.kind.rawValue)\($0.size.map { " \($0) ms" } ?? "")" } ?? ""
        return "\(source.topic) (key \(text(source.keyFormat))\(window), value \(text(source.valueFormat)))"
    }

    /// Columns of the old that the new has not at the same place among those of their role.
    private static func changed(_ old: [SQLColumn], _ new: [SQLColumn]) -> String? {
        func placed(_ columns: [SQLColumn]) -> [(SQLColumn, Int)] {
            var counts: [SQLColumn.Role: Int] = [:]
            return columns.map { column in
                defer { counts[column.role, default: 0] += 1 }
                return (column, counts[column.role] ?? 0)
            }
        }
        let others = placed(new)
        let missing = placed(old).filter { own in !others.contains { $0.0 == own.0 && $0.1 == own.1 } }.map(\.0)
        return missing.isEmpty ? nil : SQLColumn.list(missing)
    }

    /// Filters and projections may change, be added and go; sources, keys and sinks stay. What keeps state cannot be
    /// replaced yet.
    ///
    /// - Parameter isReplayed: whether it was accepted before, when expressions of keys were not compared yet.
    static func check(_ old: PhysicalPlan, _ new: PhysicalPlan, isReplayed: Bool) throws(PlanError) {
        try check(old.root, new.root, isReplayed)
    }

    private static func check(_ old: PlanStep, _ new: PlanStep, _ isReplayed: Bool) throws(PlanError) {
        let (old, new) = (skippingPassive(old), skippingPassive(new))
        for step in [new, old] {
            switch step.operation {
            case .source, .selectKey, .sink, .group: break
            case .aggregate(let aggregate) where aggregate.window == nil && !aggregate.input.isTable: break
            default: throw PlanError("Upgrades not yet supported for \(step.originalName)")
            }
        }
        func differ(_ property: String) -> PlanError {
            PlanError(
                "Query is not upgradeable. Plan step of type \(old.originalName) must have matching \(property).")
        }
        switch (old.operation, new.operation) {
        case (.source(let a), .source(let b)):
            guard a.sourceName == b.sourceName, a.topic == b.topic else { throw differ("topicName") }
            guard a.keyFormat == b.keyFormat, a.valueFormat == b.valueFormat else { throw differ("formats") }
            guard a.timestamp == b.timestamp else { throw differ("timestampColumn") }
        case (.selectKey(let a), .selectKey(let b)):
            guard Array(old.schema.keys) == Array(new.schema.keys),
                isReplayed || same(a.keys, of: a.input.schema, b.keys, of: b.input.schema)
            else { throw differ("keyExpressions") }
            try check(a.input, b.input, isReplayed)
        case (.sink(let a), .sink(let b)):
            guard a.topic == b.topic else { throw differ("topicName") }
            guard a.keyFormat == b.keyFormat, a.valueFormat == b.valueFormat else { throw differ("formats") }
            guard a.timestamp == b.timestamp else { throw differ("timestampColumn") }
            try check(a.input, b.input, isReplayed)
        case (.group(let a), .group(let b)):
            // The states that are kept are those of the old groups.
            guard Array(old.schema.keys) == Array(new.schema.keys), a.isByKey == b.isByKey,
                isReplayed || same(a.keys, of: a.input.schema, b.keys, of: b.input.schema)
            else { throw differ("group by clause") }
            guard a.formats == b.formats else { throw differ("internal formats") }
            try check(a.input, b.input, isReplayed)
        case (.aggregate(let a), .aggregate(let b)):
            guard a.columnsRead == b.columnsRead else {
                throw differ("columns not part of aggregate").appending(
                    " Values differ: [\(list(a.columnsRead))] vs. [\(list(b.columnsRead))]")
            }
            guard functions(a) == functions(b), names(a) == names(b) else { throw differ("aggregate functions") }
            try check(a.input, b.input, isReplayed)
        default:
            throw PlanError(
                "Query is not upgradeable. Plan step of type \(old.originalName) cannot become \(new.originalName).")
        }
    }

    /// Whether expressions say the same of columns of the same names, wherever these are.
    private static func same(
        _ a: [TypedExpression], of old: RowSchema, _ b: [TypedExpression], of new: RowSchema
    ) -> Bool {
        var places: [Int: Int] = [:]
        for (index, column) in new.columns.enumerated() {
            places[index] = old.index(of: column.name) ?? old.columns.count + index
        }
        return a == b.map { $0.moved(places) }
    }

    private static func list(_ names: [String]) -> String { names.map(Identifier.quote).joined(separator: ", ") }

    /// The functions with what they are computed from.
    private static func functions(_ aggregate: AggregateStep) -> [AggregateFunctionCall] {
        guard case .group(let group) = aggregate.input.operation, case .select(let select) = group.input.operation
        else {
            return aggregate.functions
        }
        return aggregate.functions.map { call in
            var call = call
            call.arguments = call.arguments.map { argument in
                guard case .column(let column) = argument.node,
                    let index = group.input.schema.index(of: aggregate.input.schema.columns[column].name)
                else { return argument }
                return select.expressions[index]
            }
            return call
        }
    }

    /// Of what is kept besides the functions' states.
    private static func names(_ aggregate: AggregateStep) -> [String] {
        aggregate.retained.map { aggregate.input.schema.columns[$0].name }
    }

    private static func skippingPassive(_ step: PlanStep) -> PlanStep {
        switch step.operation {
        case .filter(let filter): skippingPassive(filter.input)
        case .select(let select): skippingPassive(select.input)
        default: step
        }
    }
}

extension PlanStep {
    /// As ksqlDB calls such a step in messages.
    var originalName: String {
        let side = isTable ? "Table" : "Stream"
        switch operation {
        case .source(let source): return (source.window == nil ? "" : "Windowed") + side + "Source"
        case .filter: return side + "Filter"
        case .select: return side + "Select"
        case .flatMap: return "StreamFlatMap"
        case .selectKey: return side + "SelectKey"
        case .repartition: return "StreamSelectKey"
        case .group(let group): return side + (group.isByKey ? "GroupByKey" : "GroupBy")
        case .aggregate(let aggregate):
            if aggregate.input.isTable { return "TableAggregate" }
            return aggregate.window == nil ? "StreamAggregate" : "StreamWindowedAggregate"
        case .suppress: return "TableSuppress"
        case .streamStreamJoin: return "StreamStreamJoin"
        case .streamTableJoin: return "StreamTableJoin"
        case .tableTableJoin: return "TableTableJoin"
        case .foreignKeyJoin: return "ForeignKeyTableTableJoin"
        case .sink: return side + "Sink"
        }
    }
}
