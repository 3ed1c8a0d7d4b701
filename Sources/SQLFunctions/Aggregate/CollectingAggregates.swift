import SQLTypes

/// COLLECT_LIST, COLLECT_SET, HISTOGRAM and ATTR.
enum CollectingAggregates {
    private static let t = ParameterType.generic("T")

    static let list = AggregateFunction(
        name: "COLLECT_LIST", description: "All values as an array.",
        overloads: [
            AggregateOverload(["val": t], returns: "ARRAY<T>") { types, _ throws(FunctionError) in
                AggregateImplementation(
                    stateType: .array(types[0]), resultType: .array(types[0]), initial: .array([]),
                    add: { arguments, state, context throws(EvaluationError) in
                        let limit = context.limits.collectListMax
                        try state.updateArray { items throws(EvaluationError) in
                            if items.count < limit { items.append(arguments[0]) }
                        }
                    },
                    merge: { state, other, context throws(EvaluationError) in
                        let limit = context.limits.collectListMax
                        try state.updateArray { items throws(EvaluationError) in
                            items += other.arrayArgument.prefix(max(0, limit - items.count))
                        }
                    },
                    result: { $0 },
                    undo: { arguments, state, _ throws(EvaluationError) in
                        try state.updateArray { items throws(EvaluationError) in
                            // The last one of those that are equal; none when the limit kept it out.
                            if let index = items.lastIndex(of: arguments[0]) { items.remove(at: index) }
                        }
                    })
            }
        ], hasUndo: true)

    static let set = AggregateFunction(
        name: "COLLECT_SET", description: "All different values as an array, in the order of their first occurrence.",
        overloads: [
            AggregateOverload(["val": t], returns: "ARRAY<T>") { types, _ throws(FunctionError) in
                AggregateImplementation(
                    stateType: .array(types[0]), resultType: .array(types[0]), initial: .array([]),
                    add: { arguments, state, context throws(EvaluationError) in
                        let limit = context.limits.collectSetMax
                        try state.updateArray { items throws(EvaluationError) in
                            if items.count < limit, !items.contains(arguments[0]) { items.append(arguments[0]) }
                        }
                    },
                    merge: { state, other, context throws(EvaluationError) in
                        let limit = context.limits.collectSetMax
                        try state.updateArray { items throws(EvaluationError) in
                            let union = ArrayFunctions.distinct(items + other.arrayArgument)
                            items = Array(union.prefix(max(limit, items.count)))
                        }
                    },
                    result: { $0 }, undo: nil)
            }
        ], hasUndo: false)

    private static let histogramMax = 1000

    static let histogram = AggregateFunction(
        name: "HISTOGRAM", description: "How often each text occurs, of up to 1000 different ones.",
        overloads: [
            AggregateOverload(["val": .string], returns: "MAP<VARCHAR, BIGINT>") { _, _ throws(FunctionError) in
                @Sendable func change(_ state: inout SQLValue, _ key: SQLValue, by count: Int64) {
                    let map = state.mapArgument
                    let old = map[key]?.bigint
                    guard old != nil || map.count < histogramMax && count > 0 else { return }
                    let new = (old ?? 0) &+ count
                    if new < 1 {
                        state = .map(SQLMap(map.entries.filter { $0.0 != key }.map { (key: $0.0, value: $0.1) }))
                    } else {
                        state = .map(SQLMap(map, setting: key, to: .bigint(new)))
                    }
                }
                return AggregateImplementation(
                    stateType: .map(key: .string, value: .bigint), resultType: .map(key: .string, value: .bigint),
                    initial: .map(.empty),
                    add: { arguments, state, _ throws(EvaluationError) in
                        if !arguments[0].isNull { change(&state, arguments[0], by: 1) }
                    },
                    merge: { state, other, _ throws(EvaluationError) in
                        for (key, value) in other.mapArgument.entries { change(&state, key, by: value.bigint ?? 0) }
                    },
                    result: { $0 },
                    undo: { arguments, state, _ throws(EvaluationError) in
                        if !arguments[0].isNull { change(&state, arguments[0], by: -1) }
                    })
            }
        ], hasUndo: true)

    /// Null counts as a value here.
    static let attribute = AggregateFunction(
        name: "ATTR", description: "The value that all rows have in common; null when they have several.",
        overloads: [
            AggregateOverload(["val": t], returns: "T") { types, _ throws(FunctionError) in
                @Sendable func change(_ state: inout SQLValue, _ value: SQLValue, by count: Int32)
                    throws(EvaluationError)
                {
                    try state.updateArray { entries throws(EvaluationError) in
                        let known = entries.firstIndex { $0.structure?.first == value }
                        if let known, let old = entries[known].structure?.last?.int {
                            entries[known] = .structure([value, .int(max(0, old &+ count))])
                        } else if count > 0 {
                            entries.append(.structure([value, .int(count)]))
                        }
                    }
                }
                return AggregateImplementation(
                    stateType: .array(.structure([SQLField("VALUE", types[0]), SQLField("COUNT", .int)])),
                    resultType: types[0], initial: .array([]),
                    add: { arguments, state, _ throws(EvaluationError) in try change(&state, arguments[0], by: 1) },
                    merge: { state, other, _ throws(EvaluationError) in
                        for entry in other.arrayArgument {
                            guard let fields = entry.structure, fields.count == 2 else { continue }
                            try change(&state, fields[0], by: fields[1].int ?? 0)
                        }
                    },
                    result: { state in
                        let present = state.arrayArgument.filter { ($0.structure?.last?.int ?? 0) > 0 }
                        return present.count == 1 ? present[0].structure?.first ?? .null : .null
                    },
                    undo: { arguments, state, _ throws(EvaluationError) in try change(&state, arguments[0], by: -1) })
            }
        ], hasUndo: true)
}
