import SQLTypes

/// STDDEV_SAMPLE, STDDEV_SAMP, CORRELATION and COUNT_DISTINCT.
enum StatisticAggregates {
    private static let numbers: [ParameterType] = [.int, .bigint, .double]

    static let deviationSample = AggregateFunction(
        name: "STDDEV_SAMPLE", description: "The sample standard deviation of the values.",
        overloads: numbers.map { type in
            AggregateOverload(["val": type], returns: "DOUBLE") { types, _ throws(FunctionError) in
                deviation(types[0], countType: .bigint) { $0.squareRoot() }
            }
        }, hasUndo: true)

    /// Kept as it is for compatibility: it has no root.
    static let deviationSamp = AggregateFunction(
        name: "STDDEV_SAMP", description: "The sample variance of the values. Use STDDEV_SAMPLE for the deviation.",
        overloads: numbers.map { type in
            AggregateOverload(["val": type], returns: "DOUBLE") { types, _ throws(FunctionError) in
                deviation(types[0], countType: .int) { $0 }
            }
        }, hasUndo: true)

    /// The algorithm of Youngs and Cramer: sum, count and the sum of squares of differences from the mean.
    private static func deviation(
        _ type: SQLType, countType: SQLType, _ finish: @escaping @Sendable (Double) -> Double
    ) -> AggregateImplementation {
        @Sendable func number(_ count: Int64) -> SQLValue {
            countType == .int ? .int(Int32(truncatingIfNeeded: count)) : .bigint(count)
        }
        /// value · count - sum with the value, in the numbers' own arithmetic.
        @Sendable func delta(_ value: SQLValue, _ sum: SQLValue, _ count: Int64) -> Double {
            switch (value, sum) {
            case (.int(let value), .int(let sum)): Double(Int64(value) &* count &- (Int64(sum) &+ Int64(value)))
            case (.bigint(let value), .bigint(let sum)): Double(value &* count &- (sum &+ value))
            default: value.doubleArgument * Double(count) - (sum.doubleArgument + value.doubleArgument)
            }
        }
        return AggregateImplementation(
            stateType: .structure([SQLField("SUM", type), SQLField("COUNT", countType), SQLField("M2", .double)]),
            resultType: .double, initial: .structure([SumAggregates.zero(type), number(0), .double(0)]),
            add: { arguments, state, _ throws(EvaluationError) in
                let value = arguments[0]
                guard !value.isNull else { return }
                try state.updateFields { fields throws(EvaluationError) in
                    let count = Int64(fields[1].intArgument) &+ 1
                    var squares = 0.0
                    if count > 1 {
                        let delta = delta(value, fields[0], count)
                        squares = delta * delta / (Double(count) * Double(count - 1))
                    }
                    fields[0] = SumAggregates.plus(fields[0], value)
                    fields[1] = number(count)
                    fields[2] = .double(squares + fields[2].doubleArgument)
                }
            },
            merge: { state, other, _ throws(EvaluationError) in
                guard let later = other.structure, later.count == 3 else { return }
                try state.updateFields { fields throws(EvaluationError) in
                    let count = Double(fields[1].intArgument)
                    let laterCount = Double(later[1].intArgument)
                    var squares = fields[2].doubleArgument + later[2].doubleArgument
                    if count != 0, laterCount != 0 {
                        let difference = fields[0].doubleArgument / count - later[0].doubleArgument / laterCount
                        squares += count * laterCount * difference * difference / (count + laterCount)
                    }
                    fields[0] = SumAggregates.plus(fields[0], later[0])
                    fields[1] = number(Int64(fields[1].intArgument) &+ Int64(later[1].intArgument))
                    fields[2] = .double(squares)
                }
            },
            result: { state in
                guard let fields = state.structure, fields.count == 3 else { return .null }
                let count = fields[1].intArgument
                return .double(count < 2 ? 0 : finish(fields[2].doubleArgument / Double(count - 1)))
            },
            undo: { arguments, state, _ throws(EvaluationError) in
                let value = arguments[0]
                guard !value.isNull else { return }
                try state.updateFields { fields throws(EvaluationError) in
                    let count = Int64(fields[1].intArgument) &- 1
                    var squares = 0.0
                    if count > 0 {
                        let delta = delta(value, fields[0], count + 2)
                        squares = delta * delta / (Double(count) * Double(count + 1))
                    }
                    fields[0] = SumAggregates.minus(fields[0], value)
                    fields[1] = number(count)
                    fields[2] = .double(fields[2].doubleArgument - squares)
                }
            })
    }

    static let correlation = AggregateFunction(
        name: "CORRELATION", description: "Pearson's coefficient of the correlation between two columns.",
        overloads: numbers.map { type in
            AggregateOverload(["x": type, "y": type], returns: "DOUBLE") { _, _ throws(FunctionError) in correlating }
        }, hasUndo: true)

    private static let correlating: AggregateImplementation = {
        @Sendable func change(_ arguments: [SQLValue], _ state: inout SQLValue, _ sign: Double) throws(EvaluationError)
        {
            guard let x = arguments[0].asDouble, let y = arguments[1].asDouble else { return }
            try state.updateFields { fields throws(EvaluationError) in
                for (index, value) in [x, y, x * x, y * y, x * y].enumerated() {
                    fields[index] = .double(fields[index].doubleArgument + sign * value)
                }
                fields[5] = .bigint(Int64(fields[5].intArgument) &+ Int64(sign))
            }
        }
        let names = ["X_SUM", "Y_SUM", "X_SQUARED_SUM", "Y_SQUARED_SUM", "XY_SUM"]
        return AggregateImplementation(
            stateType: .structure(names.map { SQLField($0, .double) } + [SQLField("COUNT", .bigint)]),
            resultType: .double,
            initial: .structure(Array(repeating: .double(0), count: 5) + [.bigint(0)]),
            add: { arguments, state, _ throws(EvaluationError) in try change(arguments, &state, 1) },
            merge: { state, other, _ throws(EvaluationError) in
                guard let later = other.structure, later.count == 6 else { return }
                try state.updateFields { fields throws(EvaluationError) in
                    for index in fields.indices { fields[index] = SumAggregates.plus(fields[index], later[index]) }
                }
            },
            result: { state in
                guard let fields = state.structure, fields.count == 6 else { return .null }
                let sums = fields.map(\.doubleArgument)
                let count = sums[5]
                let above = count * sums[4] - sums[0] * sums[1]
                let below = (count * sums[2] - sums[0] * sums[0]) * (count * sums[3] - sums[1] * sums[1])
                return .double(above / below.squareRoot())
            },
            undo: { arguments, state, _ throws(EvaluationError) in try change(arguments, &state, -1) })
    }()

    static let countDistinct = AggregateFunction(
        name: "COUNT_DISTINCT", description: "About how many different values there are.",
        overloads: [
            AggregateOverload(["val": .any], returns: "BIGINT") { types, _ throws(FunctionError) in
                let type = types[0]
                return AggregateImplementation(
                    stateType: .array(.int), resultType: .bigint, initial: .bytes([]),
                    add: { arguments, state, _ throws(EvaluationError) in
                        guard !arguments[0].isNull, case .bytes(var sketch) = state else { return }
                        state = .null  // so that the bytes have one owner
                        DistinctSketch.insert(arguments[0], type, &sketch)
                        state = .bytes(sketch)
                    },
                    merge: { state, other, _ throws(EvaluationError) in
                        guard case .bytes(var sketch) = state, case .bytes(let later) = other else { return }
                        state = .null
                        DistinctSketch.merge(&sketch, later)
                        state = .bytes(sketch)
                    },
                    result: { .bigint(DistinctSketch.estimate($0.bytesArgument)) }, undo: nil)
            }
        ], hasUndo: false)
}
