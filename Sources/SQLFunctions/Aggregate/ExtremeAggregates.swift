import SQLTypes

/// MIN, MAX, TOPK and TOPKDISTINCT.
enum ExtremeAggregates {
    private static let ordered: [ParameterType] = [
        .int, .bigint, .double, .decimal, .date, .time, .timestamp, .string, .bytes,
    ]

    static let min = extreme("MIN", "The least value.") { $0 < 0 }
    static let max = extreme("MAX", "The greatest value.") { $0 > 0 }

    private static func extreme(
        _ name: String, _ description: String, _ isBetter: @escaping @Sendable (Int) -> Bool
    ) -> AggregateFunction {
        AggregateFunction(
            name: name, description: description,
            overloads: ordered.map { type in
                AggregateOverload(["val": type], returns: type.description) { types, _ throws(FunctionError) in
                    @Sendable func take(_ value: SQLValue, _ state: inout SQLValue) {
                        guard !value.isNull else { return }
                        if state.isNull || isBetter(value.compare(to: state) ?? 0) { state = value }
                    }
                    return AggregateImplementation(
                        stateType: types[0], resultType: types[0], initial: .null,
                        add: { arguments, state, _ throws(EvaluationError) in take(arguments[0], &state) },
                        merge: { state, other, _ throws(EvaluationError) in take(other, &state) },
                        result: { $0 }, undo: nil)
                }
            }, hasUndo: false)
    }

    static let topK = AggregateFunction(
        name: "TOPK", description: "The greatest values in descending order, with values of other columns beside them.",
        overloads: [.int, .bigint, .double, .string].flatMap { type in
            [
                AggregateOverload(["sortColumn": type, "k": .int], constants: 1, returns: "ARRAY<\(type)>") {
                    types, constants throws(FunctionError) in
                    top(types[0], try size("TOPK", constants), isDistinct: false) {
                        $0[0]
                    } key: {
                        $0
                    }
                },
                AggregateOverload(
                    ["sortColumn": type, "otherColumns...": .any, "k": .int], constants: 1, returns: "ARRAY<STRUCT>"
                ) { types, constants throws(FunctionError) in
                    guard types.count > 1 else {
                        return top(types[0], try size("TOPK", constants), isDistinct: false) {
                            $0[0]
                        } key: {
                            $0
                        }
                    }
                    var fields = [SQLField("sort_col", types[0])]
                    for (index, type) in types.dropFirst().enumerated() { fields.append(SQLField("col\(index)", type)) }
                    return top(.structure(fields), try size("TOPK", constants), isDistinct: false) {
                        $0[0].isNull ? .null : .structure($0)
                    } key: {
                        $0.structure?.first ?? .null
                    }
                },
            ]
        }, hasUndo: false)

    static let topKDistinct = AggregateFunction(
        name: "TOPKDISTINCT", description: "The greatest different values in descending order.",
        overloads: ordered.map { type in
            AggregateOverload(["val": type, "k": .int], constants: 1, returns: "ARRAY<\(type)>") {
                types, constants throws(FunctionError) in
                top(types[0], try size("TOPKDISTINCT", constants), isDistinct: true) {
                    $0[0]
                } key: {
                    $0
                }
            }
        }, hasUndo: false)

    private static func size(_ name: String, _ constants: [SQLValue]) throws(FunctionError) -> Int {
        guard let size = constants.first?.int, size > 0 else {
            throw FunctionError(.invalidArgument, "\(name) takes a number of values greater than 0")
        }
        return Int(size)
    }

    /// - Parameters:
    ///   - item: what is kept of a row; null for nothing.
    ///   - key: what decides the order of what is kept.
    private static func top(
        _ type: SQLType, _ size: Int, isDistinct: Bool, _ item: @escaping @Sendable ([SQLValue]) -> SQLValue,
        key: @escaping @Sendable (SQLValue) -> SQLValue
    ) -> AggregateImplementation {
        @Sendable func insert(_ value: SQLValue, _ items: inout [SQLValue]) {
            // Behind all that are as great: the earlier stays in front.
            var low = 0
            var high = items.count
            while low < high {
                let middle = (low + high) / 2
                let order = key(value).compare(to: key(items[middle])) ?? 0
                if order > 0 { high = middle } else { low = middle + 1 }
            }
            if isDistinct, low > 0, key(value).compare(to: key(items[low - 1])) == 0 { return }
            guard low < size else { return }
            if items.count == size { items.removeLast() }
            items.insert(value, at: low)
        }
        return AggregateImplementation(
            stateType: .array(type), resultType: .array(type), initial: .array([]),
            add: { arguments, state, _ throws(EvaluationError) in
                let value = item(arguments)
                guard !value.isNull else { return }
                try state.updateArray { items throws(EvaluationError) in insert(value, &items) }
            },
            merge: { state, other, _ throws(EvaluationError) in
                try state.updateArray { items throws(EvaluationError) in
                    for value in other.arrayArgument { insert(value, &items) }
                }
            },
            result: { $0 }, undo: nil)
    }
}
