import SQLTypes

/// Functions of arrays. Elements are equal as Java's `equals` has it.
enum ArrayFunctions {
    private static let t = ParameterType.generic("T")
    private static let list = ParameterType.array(.generic("T"))

    static let all: [ScalarFunction] = [
        ScalarFunction(
            "ARRAY_CONCAT", .array, "The elements of both arrays, one after the other; null only when both are.",
            [
                .nullable(["array1": list, "array2": list], list) { values, _ throws(EvaluationError) in
                    if values[0].isNull, values[1].isNull { return .null }
                    return .array(values[0].arrayArgument + values[1].arrayArgument)
                }
            ]),
        ScalarFunction(
            "ARRAY_CONTAINS", .array, "Whether the array has the element; false for an array that is null.",
            [
                .nullable(["array": list, "element": t], .boolean) { values, _ throws(EvaluationError) in
                    .boolean(values[0].arrayArgument.contains(values[1]))
                }
            ]),
        ScalarFunction(
            "ARRAY_DISTINCT", .array, "Each different element once, in the order of their first occurrence.",
            [
                .plain(["array": list], list) { values, _ throws(EvaluationError) in
                    .array(distinct(values[0].arrayArgument))
                }
            ]),
        sets("ARRAY_EXCEPT", "The different elements of the first array that the second does not have.") {
            left, right in
            let other = Set(right)
            return distinct(left.filter { !other.contains($0) })
        },
        sets("ARRAY_INTERSECT", "The different elements of the first array that the second has as well.") {
            left, right in
            let other = Set(right)
            return distinct(left.filter { other.contains($0) })
        },
        sets("ARRAY_UNION", "The different elements of both arrays.") { distinct($0 + $1) },
        ScalarFunction(
            "ARRAY_JOIN", .array, "The elements as one text, separated by a comma or by the given text.",
            [
                .nullable(["array": list], .string) { values, context throws(EvaluationError) in
                    try join(values[0], ",", context.limits)
                },
                .nullable(["array": list, "delimiter": .string], .string) { values, context throws(EvaluationError) in
                    try join(values[0], values[1].string ?? "", context.limits)
                },
            ]),
        ScalarFunction(
            "ARRAY_LENGTH", .array, "How many elements the array has.",
            [
                .plain(["array": list], .int) { values, _ throws(EvaluationError) in
                    .int(Int32(clamping: values[0].arrayArgument.count))
                }
            ]),
        extreme("ARRAY_MAX", "The greatest element that is not null.") { $0 > 0 },
        extreme("ARRAY_MIN", "The least element that is not null.") { $0 < 0 },
        ScalarFunction(
            "ARRAY_REMOVE", .array, "The array without the elements that equal the given one.",
            [
                .nullable(["array": list, "element": t], list) { values, _ throws(EvaluationError) in
                    guard let elements = values[0].array else { return .null }
                    return .array(elements.filter { $0 != values[1] })
                }
            ]),
        ScalarFunction(
            "ARRAY_SORT", .array, "The elements in order, nulls last.",
            [
                .plain(["array": list], list, "Ascending.") { values, _ throws(EvaluationError) in
                    .array(try sorted(values[0].arrayArgument, isDescending: false))
                },
                .plain(
                    ["array": list, "direction": .string], list, "The direction is ASC, ASCENDING, DESC or DESCENDING."
                ) {
                    values, _ throws(EvaluationError) in
                    switch values[1].textArgument.uppercased() {
                    case "ASC", "ASCENDING": .array(try sorted(values[0].arrayArgument, isDescending: false))
                    case "DESC", "DESCENDING": .array(try sorted(values[0].arrayArgument, isDescending: true))
                    default: .null
                    }
                },
            ]),
        ScalarFunction(
            "GENERATE_SERIES", .array, "The whole numbers from one to another, both included.",
            [
                series(.int, hasStep: false), series(.int, hasStep: true), series(.bigint, hasStep: false),
                series(.bigint, hasStep: true),
            ]),
        ScalarFunction(
            "SLICE", .array, "The elements from one place to another, both included; places begin with 1.",
            [
                .nullable(["in": list, "from": .int, "to": .int], list) { values, _ throws(EvaluationError) in
                    guard let elements = values[0].array else { return .null }
                    let start = values[1].isNull ? 0 : values[1].intArgument - 1
                    let end = values[2].isNull ? elements.count : values[2].intArgument
                    guard start >= 0, end <= elements.count, start <= end else { return .null }
                    return .array(Array(elements[start..<end]))
                }
            ]),
    ]

    private static func sets(
        _ name: String, _ description: String, _ function: @escaping @Sendable ([SQLValue], [SQLValue]) -> [SQLValue]
    ) -> ScalarFunction {
        ScalarFunction(
            name, .array, description,
            [
                .plain(["array1": list, "array2": list], list) { values, _ throws(EvaluationError) in
                    .array(function(values[0].arrayArgument, values[1].arrayArgument))
                }
            ])
    }

    static func distinct(_ elements: [SQLValue]) -> [SQLValue] {
        var seen: Set<SQLValue> = []
        return elements.filter { seen.insert($0).inserted }
    }

    private static func extreme(
        _ name: String, _ description: String, _ isBetter: @escaping @Sendable (Int) -> Bool
    ) -> ScalarFunction {
        ScalarFunction(
            name, .array, description,
            [
                .plain(["array": list], t) { values, _ throws(EvaluationError) in
                    var best = SQLValue.null
                    for element in values[0].arrayArgument where !element.isNull {
                        guard !best.isNull else {
                            best = element
                            continue
                        }
                        guard let order = element.compare(to: best) else { throw hasNoOrder(name) }
                        if isBetter(order) { best = element }
                    }
                    return best
                }
            ])
    }

    private static func hasNoOrder(_ name: String) -> EvaluationError {
        EvaluationError("\(name) takes arrays of primitive types; the elements have no order")
    }

    private static func sorted(_ elements: [SQLValue], isDescending: Bool) throws(EvaluationError) -> [SQLValue] {
        if let first = elements.first(where: { !$0.isNull }), first.compare(to: first) == nil,
            elements.count(where: { !$0.isNull }) > 1
        {
            throw hasNoOrder("ARRAY_SORT")
        }
        // Positions decide between equal elements, so that the order is stable.
        let ordered = elements.enumerated().filter { !$0.element.isNull }.sorted { a, b in
            let order = a.element.compare(to: b.element) ?? 0
            return order == 0 ? a.offset < b.offset : (order < 0) != isDescending
        }
        return ordered.map(\.element) + elements.filter(\.isNull)
    }

    private static func join(
        _ array: SQLValue, _ delimiter: String, _ limits: FunctionLimits
    ) throws(EvaluationError) -> SQLValue {
        guard let elements = array.array else { return .null }
        var text = ""
        for (index, element) in elements.enumerated() {
            guard text.utf8.count <= limits.byteCountMax else {
                throw EvaluationError("the result of ARRAY_JOIN is too long")
            }
            if index > 0 { text += delimiter }
            switch element {
            case .null: text += "null"
            case .boolean, .int, .bigint, .double, .decimal, .string:
                text += SQLText.javaText(of: element, type: .string)
            default:
                throw EvaluationError(
                    "ARRAY_JOIN support for type of list element is limited to primitive types but was not")
            }
        }
        return .string(text)
    }

    private static func series(_ type: ParameterType, hasStep: Bool) -> FunctionOverload {
        let isInt = type == .int
        let body: ScalarBody = { values, context throws(EvaluationError) in
            let start = values[0].intArgument
            let end = values[1].intArgument
            let step = hasStep ? values[2].intArgument : (start <= end ? 1 : -1)
            guard step != 0 else { throw EvaluationError("GENERATE_SERIES step cannot be zero") }
            guard start == end || (start < end) == (step > 0) else {
                throw EvaluationError("GENERATE_SERIES step has wrong sign")
            }
            let (distance, overflow) = end.subtractingReportingOverflow(start)
            guard !overflow, distance.magnitude / step.magnitude < context.limits.elementsMax else {
                throw EvaluationError("GENERATE_SERIES would make too many elements")
            }
            var elements: [SQLValue] = []
            for value in stride(from: start, through: end, by: step) {
                elements.append(isInt ? .int(Int32(truncatingIfNeeded: value)) : .bigint(Int64(value)))
            }
            return .array(elements)
        }
        return hasStep
            ? .plain(["start": type, "end": type, "step": .int], .array(type), "", body)
            : .plain(["start": type, "end": type], .array(type), "", body)
    }
}
