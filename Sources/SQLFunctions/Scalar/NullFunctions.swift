import SQLTypes

/// Functions that deal with nulls and keys.
enum NullFunctions {
    private static let t = ParameterType.generic("T")

    static let all: [ScalarFunction] = [
        ScalarFunction(
            "AS_VALUE", .other, "A copy of a key column for the value of the result.",
            [.nullable(["keyColumn": t], t) { values, _ throws(EvaluationError) in values[0] }]),
        ScalarFunction(
            "COALESCE", .conditional, "The first of the values that is not null.",
            [
                .nullable(["first": t, "others...": t], t) { values, _ throws(EvaluationError) in
                    values.first { !$0.isNull } ?? .null
                }
            ]
        ).lazy,
        ScalarFunction(
            "IFNULL", .conditional, "The value, or the other one when it is null.",
            [
                .nullable(["expression": t, "altValue": t], t) { values, _ throws(EvaluationError) in
                    values[0].isNull ? values[1] : values[0]
                }
            ]),
        ScalarFunction(
            "NULLIF", .conditional, "Null when both values are equal, else the first.",
            [
                .nullable(["expression1": t, "expression2": t], t) { values, _ throws(EvaluationError) in
                    values[0] == values[1] ? .null : values[0]
                }
            ]),
    ]
}
