/// What damage to its sources does to the rows of a plan's step: which columns are not what they were, and whether there
/// are other rows.
struct PlanTrace {
    /// Indexes of columns of the step's schema, with the columns of sources that they come from.
    var columns: [Int: Set<String>] = [:]
    /// In which way the rows are others.
    var rows: Set<String> = []
    /// What of the sources is read at all: "RATING of RATINGS".
    var reads: Set<String> = []

    /// - Parameter damage: by the names of streams and tables.
    init(_ step: PlanStep, _ damage: [String: SourceDamage]) {
        let inputs = step.inputs.map { PlanTrace($0, damage) }
        rows = inputs.reduce(into: []) { $0.formUnion($1.rows) }
        reads = inputs.reduce(into: []) { $0.formUnion($1.reads) }
        switch step.operation {
        case .source(let source):
            if let damage = damage[source.sourceName] { take(damage, of: source) }
        case .filter(let filter):
            columns = inputs[0].columns
            use([filter.predicate], inputs[0], "its filter")
        case .select(let select):
            for (index, expression) in select.expressions.enumerated() { put(index, expression, inputs[0]) }
        case .flatMap(let flatMap):
            columns = inputs[0].columns
            use(flatMap.functions.flatMap(\.arguments), inputs[0], "its table functions")
        case .selectKey(let key):
            carry(key.carried, behind: step.schema.keyCount, inputs[0])
            for (index, expression) in key.keys.enumerated() { put(index, expression, inputs[0]) }
            use(key.keys, inputs[0], "its key")
        case .group(let group):
            carry(group.carried, behind: step.schema.keyCount, inputs[0])
            for (index, expression) in group.keys.enumerated() { put(index, expression, inputs[0]) }
            use(group.keys, inputs[0], "its grouping")
        case .aggregate(let aggregate):
            for index in 0..<step.schema.keyCount { columns[index] = inputs[0].columns[index] }
            carry(aggregate.retained, behind: step.schema.keyCount, inputs[0])
            for (place, function) in aggregate.functions.enumerated() {
                for argument in function.arguments {
                    put(step.schema.keyCount + aggregate.retained.count + place, argument, inputs[0])
                }
            }
        case .repartition, .suppress: columns = inputs[0].columns
        case .sink: columns = inputs[0].columns
        case .streamStreamJoin(let join): joined(join.columns, inputs)
        case .streamTableJoin(let join): joined(join.columns, inputs)
        case .tableTableJoin(let join): joined(join.columns, inputs)
        case .foreignKeyJoin(let join):
            joined(join.columns, inputs)
            use([join.foreignKey], inputs[0], "its join")
        }
    }

    private mutating func take(_ damage: SourceDamage, of source: SourceStep) {
        if !damage.unreadable.isEmpty {
            rows.insert("it gets no rows of \(source.sourceName) from records with this schema")
        } else if !damage.uncertain.isEmpty {
            rows.insert("it gets fewer rows of \(source.sourceName) from records with this schema")
        } else if !damage.rows.isEmpty {
            rows.insert("it gets other rows of \(source.sourceName)")
        }
        for (index, origin) in source.origins.enumerated() {
            let name: String
            switch origin {
            case .key(let place) where source.keyColumns.indices.contains(place): name = source.keyColumns[place].name
            case .value(let place) where source.valueColumns.indices.contains(place):
                name = source.valueColumns[place].name
            default: continue
            }
            guard damage.columns[name] != nil else { continue }
            let shown = "\(name) of \(source.sourceName)"
            columns[index] = [shown]
            reads.insert(shown)
        }
        if let timestamp = source.timestamp, damage.columns[timestamp.column] != nil {
            let shown = "\(timestamp.column) of \(source.sourceName)"
            reads.insert(shown)
            rows.insert("\(shown) gives its rows their times")
        }
    }

    private func origins(_ expression: TypedExpression, _ input: PlanTrace) -> Set<String> {
        expression.columns.reduce(into: []) { $0.formUnion(input.columns[$1] ?? []) }
    }

    private mutating func put(_ index: Int, _ expression: TypedExpression, _ input: PlanTrace) {
        let origins = origins(expression, input)
        if !origins.isEmpty { columns[index, default: []].formUnion(origins) }
    }

    /// Expressions that decide about rows.
    private mutating func use(_ expressions: [TypedExpression], _ input: PlanTrace, _ what: String) {
        for origin in expressions.reduce(into: Set<String>(), { $0.formUnion(origins($1, input)) }) {
            rows.insert("\(what) uses \(origin)")
        }
    }

    private mutating func carry(_ carried: [Int], behind first: Int, _ input: PlanTrace) {
        for (place, index) in carried.enumerated() { columns[first + place] = input.columns[index] }
    }

    private mutating func joined(_ joined: [JoinColumn], _ inputs: [PlanTrace]) {
        for (index, column) in joined.enumerated() {
            switch column {
            case .left(let place): columns[index] = inputs[0].columns[place]
            case .right(let place): columns[index] = inputs[1].columns[place]
            case .key(let place):
                let both = (inputs[0].columns[place] ?? []).union(inputs[1].columns[place] ?? [])
                if !both.isEmpty { columns[index] = both }
            }
        }
        // Keys are the first columns of both sides.
        for origin in Set(inputs.flatMap { $0.columns[0] ?? [] }) { rows.insert("its join uses \(origin)") }
    }
}
