package import SQLTypes

/// A function that makes several rows of one.
package struct TableFunction: Sendable {
    package var name: String
    package var description: String
    package var overloads: [TableOverload]

    /// Chooses the signature for a call.
    ///
    /// - Throws: `.noMatch`, `.ambiguous`, `.invalidArgument` in ksqlDB's words.
    package func bind(
        _ arguments: [FunctionArgument], typedName: String? = nil
    ) throws(FunctionError) -> BoundTableFunction {
        let index = try SignatureMatch.choose(
            overloads.map { SignatureMatch(parameters: $0.parameters, variadicAt: nil) }, arguments,
            typedName: typedName ?? name, alternatives: overloads.map { $0.signature(name) })
        let overload = overloads[index]
        var bindings: ParameterType.Bindings = [:]
        for (parameter, argument) in zip(overload.parameters, arguments) {
            if let type = argument.type { _ = parameter.type.accepts(type, &bindings, allowsCasts: true) }
        }
        guard let returnType = overload.result.resolved(bindings) else {
            throw FunctionError(.invalidArgument, "Could not find mapping for generic type: \(overload.result)")
        }
        return BoundTableFunction(name: name, returnType: returnType, body: overload.body)
    }
}

package struct TableOverload: Sendable {
    package var parameters: [FunctionParameter]
    package var result: ParameterType
    var body: BoundTableFunction.Body

    package func signature(_ name: String) -> String {
        let list = parameters.map { "\($0.type) \($0.name)" }
        return "\(name)(\(list.joined(separator: ", ")))"
    }
}

package struct BoundTableFunction: Sendable {
    /// One value for each row; none for no row.
    package typealias Body = @Sendable ([SQLValue], inout EvaluationContext) throws(EvaluationError) -> [SQLValue]

    package let name: String
    package let returnType: SQLType
    private let body: Body

    init(name: String, returnType: SQLType, body: @escaping Body) {
        self.name = name
        self.returnType = returnType
        self.body = body
    }

    package func callAsFunction(
        _ values: [SQLValue], _ context: inout EvaluationContext
    ) throws(EvaluationError) -> [SQLValue] {
        try body(values, &context)
    }
}

/// The table functions that every server has.
enum TableFunctions {
    private static let list = ParameterType.array(.generic("T"))

    static let all: [TableFunction] = [
        TableFunction(
            name: "EXPLODE", description: "A row for every element of an array.",
            overloads: [
                TableOverload(parameters: [FunctionParameter("list", list)], result: .generic("T")) {
                    values, _ throws(EvaluationError) in values[0].arrayArgument
                }
            ]),
        TableFunction(
            name: "CUBE_EXPLODE",
            description: "A row for every combination of the array's elements with nulls in their places.",
            overloads: [
                TableOverload(parameters: [FunctionParameter("columns", list)], result: list) {
                    values, context throws(EvaluationError) in
                    try combinations(values[0].arrayArgument, context.limits)
                }
            ]),
    ]

    /// All nulls first; the last element changes fastest. What is null anyway makes no more rows.
    private static func combinations(
        _ elements: [SQLValue], _ limits: FunctionLimits
    ) throws(EvaluationError) -> [SQLValue] {
        guard !elements.isEmpty else { return [] }
        let places = elements.indices.filter { !elements[$0].isNull }
        guard places.count < 30, 1 << places.count <= limits.elementsMax else {
            throw EvaluationError("CUBE_EXPLODE of \(places.count) columns makes too many rows")
        }
        return (0..<(1 << places.count)).map { mask in
            var row = [SQLValue](repeating: .null, count: elements.count)
            for (bit, place) in places.reversed().enumerated() where mask >> bit & 1 == 1 {
                row[place] = elements[place]
            }
            return .array(row)
        }
    }
}
