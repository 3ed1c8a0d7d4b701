import SQLTypes

/// Functions that apply lambdas to the elements of a collection.
enum LambdaFunctions {
    private static let k = ParameterType.generic("K")
    private static let v = ParameterType.generic("V")
    private static let s = ParameterType.generic("S")
    private static let r = ParameterType.generic("R")
    private static let list = ParameterType.array(.generic("V"))
    private static let map = ParameterType.map(key: .generic("K"), value: .generic("V"))

    static let all: [ScalarFunction] = [
        ScalarFunction(
            "FILTER", .lambda, "The elements or entries for which the lambda is true.",
            [
                overload(["array": list, "lambda": .lambda([v], .boolean)], list, seesNulls: false) {
                    values, lambdas, context throws(EvaluationError) in
                    var kept: [SQLValue] = []
                    for element in values[0].arrayArgument
                    where try isTrue(lambdas[0]([element], &context)) { kept.append(element) }
                    return .array(kept)
                },
                overload(["map": map, "lambda": .lambda([k, v], .boolean)], map, seesNulls: false) {
                    values, lambdas, context throws(EvaluationError) in
                    var kept: [(key: SQLValue, value: SQLValue)] = []
                    for (key, value) in values[0].mapArgument.javaOrdered
                    where try isTrue(lambdas[0]([key, value], &context)) {
                        try requireValue(value)
                        kept.append((key, value))
                    }
                    return .map(SQLMap(kept, javaTable: SQLMap.javaDefaultTable))
                },
            ]),
        ScalarFunction(
            "REDUCE", .lambda, "What the lambda makes of a start value and each element or entry in turn.",
            [
                overload(["list": list, "initialState": s, "lambda": .lambda([s, v], s)], s, seesNulls: true) {
                    values, lambdas, context throws(EvaluationError) in
                    var state = values[1]
                    if state.isNull { return .null }
                    var kept = KeptResults("REDUCE", context.limits)
                    for element in values[0].arrayArgument {
                        state = try lambdas[0]([state, element], &context)
                        try kept.replace(with: state)
                    }
                    return state
                },
                overload(["map": map, "initialState": s, "lambda": .lambda([s, k, v], s)], s, seesNulls: true) {
                    values, lambdas, context throws(EvaluationError) in
                    var state = values[1]
                    if state.isNull { return .null }
                    var kept = KeptResults("REDUCE", context.limits)
                    for (key, value) in values[0].mapArgument.javaOrdered {
                        state = try lambdas[0]([state, key, value], &context)
                        try kept.replace(with: state)
                    }
                    return state
                },
            ]),
        ScalarFunction(
            "TRANSFORM", .lambda, "What the lambdas make of every element, or of every key and value.",
            [
                overload(["array": list, "lambda": .lambda([v], r)], .array(r), seesNulls: false) {
                    values, lambdas, context throws(EvaluationError) in
                    var made: [SQLValue] = []
                    var kept = KeptResults("TRANSFORM", context.limits)
                    for element in values[0].arrayArgument {
                        let result = try lambdas[0]([element], &context)
                        try kept.add(result)
                        made.append(result)
                    }
                    return .array(made)
                },
                overload(
                    ["map": map, "keyLambda": .lambda([k, v], r), "valueLambda": .lambda([k, v], .generic("T"))],
                    .map(key: r, value: .generic("T")), seesNulls: false
                ) { values, lambdas, context throws(EvaluationError) in
                    var made: [(key: SQLValue, value: SQLValue)] = []
                    var seen: Set<SQLValue> = []
                    var kept = KeptResults("TRANSFORM", context.limits)
                    for (key, value) in values[0].mapArgument.javaOrdered {
                        let newKey = try lambdas[0]([key, value], &context)
                        guard seen.insert(newKey).inserted else {
                            throw EvaluationError("Duplicate key \(SQLText.text(of: newKey, type: .string))")
                        }
                        let newValue = try lambdas[1]([key, value], &context)
                        try requireValue(newValue)
                        try kept.add(newKey)
                        try kept.add(newValue)
                        made.append((newKey, newValue))
                    }
                    return .map(SQLMap(made, javaTable: SQLMap.javaDefaultTable))
                },
            ]),
    ]

    /// Java's Collectors.toMap takes no null.
    private static func requireValue(_ value: SQLValue) throws(EvaluationError) {
        guard !value.isNull else { throw EvaluationError("a value of the new map is null") }
    }

    private static func isTrue(_ value: SQLValue) throws(EvaluationError) -> Bool {
        guard let isTrue = value.boolean else { throw EvaluationError("the condition of FILTER is null") }
        return isTrue
    }

    private static func overload(
        _ parameters: KeyValuePairs<String, ParameterType>, _ result: ParameterType, seesNulls: Bool,
        _ body: @escaping LambdaFunctionBody
    ) -> FunctionOverload {
        FunctionOverload(parameters, .type(result), seesNulls: seesNulls, .lambdas(body))
    }
}
