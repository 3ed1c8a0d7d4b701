import SQLTypes

/// COUNT, SUM, SUM_LIST and AVG.
enum SumAggregates {
    static let count = AggregateFunction(
        name: "COUNT", description: "How many rows there are, or how many of their values are not null.",
        overloads: [
            AggregateOverload(["val": .any], returns: "BIGINT") { _, _ throws(FunctionError) in
                AggregateImplementation(
                    stateType: .bigint, resultType: .bigint, initial: .bigint(0),
                    add: { arguments, state, _ throws(EvaluationError) in
                        if arguments.first?.isNull == false { state = .bigint((state.bigint ?? 0) &+ 1) }
                    },
                    merge: { state, other, _ throws(EvaluationError) in
                        state = .bigint((state.bigint ?? 0) &+ (other.bigint ?? 0))
                    },
                    result: { $0 },
                    undo: { arguments, state, _ throws(EvaluationError) in
                        if arguments.first?.isNull == false { state = .bigint((state.bigint ?? 0) &- 1) }
                    })
            }
        ], hasUndo: true)

    static let sum = AggregateFunction(
        name: "SUM", description: "The sum of the values.",
        overloads: [.int, .bigint, .double, .decimal].map { type in
            AggregateOverload(["val": type], returns: type.description) { types, _ throws(FunctionError) in
                summing(types[0])
            }
        }, hasUndo: true)

    static let sumList = AggregateFunction(
        name: "SUM_LIST", description: "The sum of all elements of the arrays.",
        overloads: [.int, .bigint, .double].map { type in
            AggregateOverload(["val": .array(type)], returns: type.description) { types, _ throws(FunctionError) in
                guard case .array(let element) = types[0] else {
                    throw FunctionError(.invalidArgument, "SUM_LIST takes arrays")
                }
                let inner = summing(element)
                var implementation = inner
                implementation.add = { arguments, state, context throws(EvaluationError) in
                    for element in arguments[0].arrayArgument { try inner.add([element], &state, &context) }
                }
                implementation.undo = { arguments, state, context throws(EvaluationError) in
                    for element in arguments[0].arrayArgument { try inner.undo?([element], &state, &context) }
                }
                return implementation
            }
        }, hasUndo: true)

    static let average = AggregateFunction(
        name: "AVG", description: "The average of the values.",
        overloads: [.int, .bigint, .double].map { type in
            AggregateOverload(["val": type], returns: "DOUBLE") { types, _ throws(FunctionError) in averaging(types[0])
            }
        }, hasUndo: true)

    /// INT and BIGINT wrap around.
    static func zero(_ type: SQLType) -> SQLValue {
        switch type {
        case .int: .int(0)
        case .bigint: .bigint(0)
        case .decimal: .decimal(.zero)
        default: .double(0)
        }
    }

    static func plus(_ a: SQLValue, _ b: SQLValue) -> SQLValue {
        switch (a, b) {
        case (.int(let a), .int(let b)): .int(a &+ b)
        case (.bigint(let a), .bigint(let b)): .bigint(a &+ b)
        case (.double(let a), .double(let b)): .double(a + b)
        case (.decimal(let a), .decimal(let b)): .decimal(a + b)
        default: a
        }
    }

    static func minus(_ a: SQLValue, _ b: SQLValue) -> SQLValue {
        switch (a, b) {
        case (.int(let a), .int(let b)): .int(a &- b)
        case (.bigint(let a), .bigint(let b)): .bigint(a &- b)
        case (.double(let a), .double(let b)): .double(a - b)
        case (.decimal(let a), .decimal(let b)): .decimal(a - b)
        default: a
        }
    }

    private static func summing(_ type: SQLType) -> AggregateImplementation {
        @Sendable func checked(_ value: SQLValue) throws(EvaluationError) -> SQLValue {
            guard case .decimal(let number) = value, case .decimal(let precision, let scale) = type else {
                return value
            }
            try evaluating { () throws(SQLTypesError) in try number.checkFit(precision: precision, scale: scale) }
            return value
        }
        return AggregateImplementation(
            stateType: type, resultType: type, initial: zero(type),
            add: { arguments, state, _ throws(EvaluationError) in
                if !arguments[0].isNull { state = try checked(plus(state, arguments[0])) }
            },
            merge: { state, other, _ throws(EvaluationError) in state = plus(state, other) },
            result: { state in
                // The start value has no digits behind the point yet.
                guard case .decimal(let number) = state, case .decimal(_, let scale) = type else { return state }
                return .decimal(number.rescaled(to: scale, rounding: .halfUp))
            },
            undo: { arguments, state, _ throws(EvaluationError) in
                if !arguments[0].isNull { state = minus(state, arguments[0]) }
            })
    }

    private static func averaging(_ type: SQLType) -> AggregateImplementation {
        @Sendable func change(
            _ state: inout SQLValue, _ value: SQLValue, _ count: Int64, _ sum: (SQLValue, SQLValue) -> SQLValue
        ) throws(EvaluationError) {
            try state.updateFields { fields throws(EvaluationError) in
                fields[0] = sum(fields[0], value)
                fields[1] = .bigint((fields[1].bigint ?? 0) &+ count)
            }
        }
        return AggregateImplementation(
            stateType: .structure([SQLField("SUM", type), SQLField("COUNT", .bigint)]), resultType: .double,
            initial: .structure([zero(type), .bigint(0)]),
            add: { arguments, state, _ throws(EvaluationError) in
                if !arguments[0].isNull { try change(&state, arguments[0], 1, plus) }
            },
            merge: { state, other, _ throws(EvaluationError) in
                guard let fields = other.structure, fields.count == 2 else { return }
                try change(&state, fields[0], fields[1].bigint ?? 0, plus)
            },
            result: { state in
                guard let fields = state.structure, let sum = fields[0].asDouble, let count = fields[1].bigint else {
                    return .null
                }
                return .double(count == 0 ? 0 : sum / Double(count))
            },
            undo: { arguments, state, _ throws(EvaluationError) in
                if !arguments[0].isNull { try change(&state, arguments[0], -1, minus) }
            })
    }
}
