import SQLTypes

/// GREATEST and LEAST.
enum ExtremeFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "GREATEST", .other, "The greatest of the values that are not null.", overloads { $0 > 0 }),
        ScalarFunction("LEAST", .other, "The least of the values that are not null.", overloads { $0 < 0 }),
    ]

    private static func overloads(_ isBetter: @escaping @Sendable (Int) -> Bool) -> [FunctionOverload] {
        let body: ScalarBody = { values, _ throws(EvaluationError) in
            var best = SQLValue.null
            for value in values where !value.isNull {
                if best.isNull || isBetter(value.compare(to: best) ?? 0) { best = value }
            }
            return best
        }
        let simple: [ParameterType] = [.int, .bigint, .double, .string, .bytes, .date, .time, .timestamp]
        return simple.map {
            FunctionOverload(["value": $0, "values...": $0], .type($0), seesNulls: true, .values(body))
        }
            + [
                FunctionOverload(
                    ["value": .decimal, "values...": .decimal],
                    .rule { types throws(FunctionError) in
                        var result: SQLType?
                        for case let type? in types {
                            result = result.flatMap { Coercion.widened($0, type) } ?? type
                        }
                        return result ?? .decimal(precision: 1, scale: 0)
                    }, seesNulls: true,
                    .made { _, result in
                        let scale = result.decimalShape?.scale ?? 0
                        return { values, context throws(EvaluationError) in
                            let best = try body(values, &context)
                            return best.decimal.map { .decimal($0.rescaled(to: scale, rounding: .halfUp)) } ?? .null
                        }
                    })
            ]
    }
}
