/// Leaves out columns that nothing above needs: sources then decode only what is read, and state keeps only what is used.
extension PlanStep {
    /// The plan with the same result.
    func pruned() -> PlanStep { keeping(Set(schema.columns.indices)).step }

    /// A step that puts out at least these columns, and where they are now. Keys always stay.
    private func keeping(_ wanted: Set<Int>) -> (step: PlanStep, places: [Int: Int]) {
        let wanted = wanted.union(schema.keys.indices)
        switch operation {
        case .source(var source):
            let kept = schema.columns.indices.filter(wanted.contains)
            source.origins = kept.map { source.origins[$0] }
            return rebuilt(.source(source), kept)
        case .filter(var filter):
            let (input, places) = filter.input.keeping(wanted.union(filter.predicate.columns))
            filter.input = input
            filter.predicate = filter.predicate.moved(places)
            return (with(.filter(filter), input.schema), places)
        case .select(var select):
            let kept = schema.columns.indices.filter(wanted.contains)
            let expressions = kept.map { select.expressions[$0] }
            let (input, places) = select.input.keeping(Self.columns(expressions))
            select.input = input
            select.expressions = expressions.map { $0.moved(places) }
            return rebuilt(.select(select), kept)
        case .flatMap(var flatMap):
            let own = flatMap.input.schema.columns.count
            let (input, places) = flatMap.input.keeping(
                Self.columns(flatMap.functions.flatMap(\.arguments)).union(wanted.filter { $0 < own }))
            flatMap.input = input
            flatMap.functions = flatMap.functions.map { call in
                var call = call
                call.arguments = call.arguments.map { $0.moved(places) }
                return call
            }
            var all = places
            for index in own..<schema.columns.count { all[index] = input.schema.columns.count + index - own }
            var schema = input.schema
            schema.columns += self.schema.columns[own...]
            return (with(.flatMap(flatMap), schema), all)
        case .selectKey(var key):
            let (kept, input, places) = Self.carry(key.input, key.keys, key.carried, schema.keyCount, wanted)
            key.input = input
            key.keys = key.keys.map { $0.moved(places) }
            key.carried = kept.compactMap { $0 < schema.keyCount ? nil : places[key.carried[$0 - schema.keyCount]] }
            return rebuilt(.selectKey(key), kept)
        case .group(var group):
            let (kept, input, places) = Self.carry(group.input, group.keys, group.carried, schema.keyCount, wanted)
            group.input = input
            group.keys = group.keys.map { $0.moved(places) }
            group.carried = kept.compactMap { $0 < schema.keyCount ? nil : places[group.carried[$0 - schema.keyCount]] }
            return rebuilt(.group(group), kept)
        case .repartition(var repartition):
            let (input, places) = repartition.input.keeping(wanted)
            repartition.input = input
            return (with(.repartition(repartition), input.schema), places)
        case .suppress(var suppress):
            let (input, places) = suppress.input.keeping(wanted)
            suppress.input = input
            var schema = input.schema
            schema.window = self.schema.window
            return (with(.suppress(suppress), schema), places)
        case .aggregate(let aggregate): return keeping(aggregate, wanted)
        case .streamStreamJoin(var join):
            let wanted = wanted.union(join.residual?.columns ?? [])
            let (kept, columns, left, right) = Self.joined(join.left, join.right, join.columns, [], wanted)
            (join.left, join.right, join.columns) = (left.step, right.step, columns)
            join.residual = join.residual?.moved(Self.places(kept))
            return rebuilt(.streamStreamJoin(join), kept)
        case .streamTableJoin(var join):
            let wanted = wanted.union(join.residual?.columns ?? [])
            let (kept, columns, left, right) = Self.joined(join.left, join.right, join.columns, [], wanted)
            (join.left, join.right, join.columns) = (left.step, right.step, columns)
            join.residual = join.residual?.moved(Self.places(kept))
            return rebuilt(.streamTableJoin(join), kept)
        case .tableTableJoin(var join):
            let wanted = wanted.union(join.residual?.columns ?? [])
            let (kept, columns, left, right) = Self.joined(join.left, join.right, join.columns, [], wanted)
            (join.left, join.right, join.columns) = (left.step, right.step, columns)
            join.residual = join.residual?.moved(Self.places(kept))
            return rebuilt(.tableTableJoin(join), kept)
        case .foreignKeyJoin(var join):
            let wanted = wanted.union(join.residual?.columns ?? [])
            let (kept, columns, left, right) = Self.joined(
                join.left, join.right, join.columns, join.foreignKey.columns, wanted)
            (join.left, join.right, join.columns) = (left.step, right.step, columns)
            join.residual = join.residual?.moved(Self.places(kept))
            join.foreignKey = join.foreignKey.moved(left.places)
            return rebuilt(.foreignKeyJoin(join), kept)
        case .sink(var sink):
            let (input, places) = sink.input.keeping(Set(sink.input.schema.columns.indices))
            sink.input = input
            return (with(.sink(sink), schema), places)
        }
    }

    /// Aggregates put out their functions; bounds of windows and retained columns only where they are used.
    private func keeping(_ aggregate: AggregateStep, _ wanted: Set<Int>) -> (step: PlanStep, places: [Int: Int]) {
        var aggregate = aggregate
        let firstFunction = schema.keyCount + aggregate.retained.count
        let firstBound = firstFunction + aggregate.functions.count
        let usesBounds = aggregate.hasWindowBounds && wanted.contains { $0 >= firstBound }
        let kept = schema.columns.indices.filter { index in
            index < schema.keyCount || (firstFunction..<firstBound).contains(index)
                || (index >= firstBound ? usesBounds : wanted.contains(index))
        }
        let retained = kept.filter { (schema.keyCount..<firstFunction).contains($0) }
            .map { aggregate.retained[$0 - schema.keyCount] }
        let (input, places) = aggregate.input.keeping(
            Set(retained).union(Self.columns(aggregate.functions.flatMap(\.arguments))))
        aggregate.input = input
        aggregate.retained = retained.compactMap { places[$0] }
        aggregate.functions = aggregate.functions.map { call in
            var call = call
            call.arguments = call.arguments.map { $0.moved(places) }
            return call
        }
        aggregate.hasWindowBounds = usesBounds
        return rebuilt(.aggregate(aggregate), kept)
    }

    private func with(_ operation: Operation, _ schema: RowSchema) -> PlanStep {
        PlanStep(context, operation, schema: schema, isTable: isTable)
    }

    /// With the columns of `kept` only, in their order.
    private func rebuilt(_ operation: Operation, _ kept: [Int]) -> (step: PlanStep, places: [Int: Int]) {
        var schema = schema
        schema.columns = kept.map { self.schema.columns[$0] }
        return (with(operation, schema), Self.places(kept))
    }

    private static func places(_ kept: [Int]) -> [Int: Int] {
        Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1, $0) })
    }

    private static func columns(_ expressions: [TypedExpression]) -> Set<Int> {
        expressions.reduce(into: []) { $0.formUnion($1.columns) }
    }

    private static func carry(
        _ input: PlanStep, _ keys: [TypedExpression], _ carried: [Int], _ keyCount: Int, _ wanted: Set<Int>
    ) -> (kept: [Int], input: PlanStep, places: [Int: Int]) {
        let kept = (0..<(keyCount + carried.count)).filter { $0 < keyCount || wanted.contains($0) }
        let needed = columns(keys).union(kept.compactMap { $0 < keyCount ? nil : carried[$0 - keyCount] })
        let (step, places) = input.keeping(needed)
        return (kept, step, places)
    }

    private static func joined(
        _ left: PlanStep, _ right: PlanStep, _ columns: [JoinColumn], _ leftNeeded: Set<Int>, _ wanted: Set<Int>
    ) -> (
        kept: [Int], columns: [JoinColumn], left: (step: PlanStep, places: [Int: Int]),
        right: (step: PlanStep, places: [Int: Int])
    ) {
        let kept = columns.indices.filter { index in
            if case .key = columns[index] { true } else { wanted.contains(index) }
        }
        var leftWanted = leftNeeded
        var rightWanted: Set<Int> = []
        for index in kept {
            switch columns[index] {
            case .key: break
            case .left(let column): leftWanted.insert(column)
            case .right(let column): rightWanted.insert(column)
            }
        }
        let newLeft = left.keeping(leftWanted)
        let newRight = right.keeping(rightWanted)
        let moved = kept.map { index -> JoinColumn in
            switch columns[index] {
            case .key(let key): .key(key)
            case .left(let column): .left(newLeft.places[column] ?? 0)
            case .right(let column): .right(newRight.places[column] ?? 0)
            }
        }
        return (kept, moved, newLeft, newRight)
    }
}

extension TypedExpression {
    /// Over rows whose columns are elsewhere.
    func moved(_ places: [Int: Int]) -> Self {
        var copy = self
        func part(_ expression: TypedExpression) -> TypedExpression { expression.moved(places) }
        switch node {
        case .column(let index): copy.node = .column(places[index] ?? index)
        case .literal, .lambdaParameter, .timeUnit: break
        case .call(let call):
            copy.node = .call(FunctionCall(function: call.function, arguments: call.arguments.map(part)))
        case .lambda(let lambda): copy.node = .lambda(.init(parameters: lambda.parameters, body: part(lambda.body)))
        case .arithmetic(let sign, let a, let b): copy.node = .arithmetic(sign, part(a), part(b))
        case .negate(let value): copy.node = .negate(part(value))
        case .comparison(let sign, let a, let b): copy.node = .comparison(sign, part(a), part(b))
        case .and(let a, let b): copy.node = .and(part(a), part(b))
        case .or(let a, let b): copy.node = .or(part(a), part(b))
        case .not(let value): copy.node = .not(part(value))
        case .isNull(let value): copy.node = .isNull(part(value))
        case .isNotNull(let value): copy.node = .isNotNull(part(value))
        case .between(let value, let a, let b): copy.node = .between(part(value), lower: part(a), upper: part(b))
        case .inList(let value, let list): copy.node = .inList(part(value), list.map(part))
        case .like(let value, let pattern, let escape):
            copy.node = .like(part(value), pattern: part(pattern), escape: escape)
        case .searchedCase(let whens, let otherwise):
            copy.node = .searchedCase(
                whens.map { When(part($0.condition), part($0.result)) }, otherwise: otherwise.map(part))
        case .array(let elements): copy.node = .array(elements.map(part))
        case .map(let entries): copy.node = .map(entries.map { MapEntry(part($0.key), part($0.value)) })
        case .structure(let fields): copy.node = .structure(fields.map(part))
        case .subscripted(let base, let index): copy.node = .subscripted(part(base), index: part(index))
        case .field(let base, let index): copy.node = .field(part(base), index)
        case .cast(let value): copy.node = .cast(part(value))
        case .castWithNulls(let value): copy.node = .castWithNulls(part(value))
        case .converted(let value): copy.node = .converted(part(value))
        }
        return copy
    }
}
