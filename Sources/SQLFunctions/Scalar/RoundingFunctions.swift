import SQLTypes

/// ROUND and TRUNC.
enum RoundingFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "ROUND", .mathematical,
            "The nearest number with so many digits behind the point, or the nearest whole number; halves go up.",
            overloads(isTruncating: false)),
        ScalarFunction(
            "TRUNC", .mathematical, "The number without the digits beyond the given ones, or without its fraction.",
            overloads(isTruncating: true)),
    ]

    private static func overloads(isTruncating: Bool) -> [FunctionOverload] {
        [
            .plain(["value": .bigint], .bigint) { values, _ throws(EvaluationError) in values[0] },
            .plain(["value": .int], .bigint) { values, _ throws(EvaluationError) in
                .bigint(Int64(values[0].intArgument))
            },
            .plain(["value": .double], .bigint) { values, _ throws(EvaluationError) in
                let value = values[0].doubleArgument
                return .bigint(Int64(saturating: isTruncating ? value : nearest(value)))
            },
            .plain(["value": .double, "digits": .int], .double) { values, _ throws(EvaluationError) in
                let value = values[0].doubleArgument
                guard value.isFinite else { throw EvaluationError("Infinite or NaN") }
                let number = try evaluating { () throws(SQLTypesError) in try SQLDecimal(DoubleText.text(value)) }
                return .double(rounded(number, values[1].intArgument, isTruncating).doubleValue)
            },
            FunctionOverload(
                ["value": .decimal],
                .rule { types throws(FunctionError) in
                    guard let shape = types[0]?.decimalShape else { return .decimal(precision: 1, scale: 0) }
                    return .decimal(precision: max(1, shape.precision - shape.scale), scale: 0)
                }, seesNulls: false,
                .values { values, _ throws(EvaluationError) in
                    guard let number = values[0].decimal else { return .null }
                    return .decimal(rounded(number, 0, isTruncating).rescaled(to: 0, rounding: .down))
                }),
            FunctionOverload(
                ["value": .decimal, "digits": .int],
                .rule { types throws(FunctionError) in types[0] ?? .decimal(precision: 1, scale: 0) }, seesNulls: false,
                .values { values, _ throws(EvaluationError) in
                    guard let number = values[0].decimal else { return .null }
                    // The result keeps the scale of its type, also when more digits are asked for than there are.
                    return .decimal(
                        rounded(number, values[1].intArgument, isTruncating).rescaled(to: number.scale, rounding: .down)
                    )
                }),
        ]
    }

    /// The nearest whole number, halves towards positive infinity: Java's `Math.round`.
    private static func nearest(_ value: Double) -> Double {
        let floor = value.rounded(.down)
        return value - floor >= 0.5 ? floor + 1 : floor
    }

    private static func rounded(_ number: SQLDecimal, _ digits: Int, _ isTruncating: Bool) -> SQLDecimal {
        // Beyond what a number has, more digits change nothing; before its first one, all are zero.
        let places = max(-(number.precision - number.scale) - 1, min(digits, number.scale))
        let result = number.rescaled(
            to: places, rounding: isTruncating ? .down : (number.signum > 0 ? .halfUp : .halfDown))
        return result.scale < number.scale ? result.rescaled(to: number.scale, rounding: .down) : result
    }
}
