package import SQLTypes

/// An aggregate function with all of its signatures.
package struct AggregateFunction: Sendable {
    package var name: String
    package var description: String
    package var overloads: [AggregateOverload]
    /// Whether values can be taken out again, so that it aggregates tables too.
    package var hasUndo: Bool

    /// Chooses the signature for a call. Types must be the declared ones; nothing is cast.
    ///
    /// - Parameters:
    ///   - arguments: all of them, constants included.
    ///   - literals: the value of every argument that is a literal.
    ///   - texts: every argument as it is written, for errors.
    ///   - typedName: the name as it is written, for errors.
    /// - Throws: `.noMatch`, `.ambiguous`, `.invalidArgument` in ksqlDB's words.
    package func bind(
        _ arguments: [FunctionArgument], literals: [SQLValue?] = [], texts: [String] = [], typedName: String? = nil
    ) throws(FunctionError) -> BoundAggregate {
        let signatures = overloads.map { SignatureMatch(parameters: $0.parameters, variadicAt: $0.variadicAt) }
        let index = try SignatureMatch.choose(
            signatures, arguments, typedName: typedName ?? name, alternatives: overloads.map { $0.signature(name) },
            allowsCasts: false)
        let overload = overloads[index]
        let columnCount = arguments.count - overload.constantCount
        var constants: [SQLValue] = []
        for index in columnCount..<arguments.count {
            guard index < literals.count, let literal = literals[index] else {
                throw FunctionError(
                    .invalidArgument,
                    "Parameter \(index + 1) passed to function \(name) must be a literal constant, but was expression: "
                        + "'\(index < texts.count ? texts[index] : "")'")
            }
            constants.append(literal)
        }
        var types: [SQLType] = []
        for argument in arguments[..<columnCount] {
            // A bare NULL has no type; what takes any type counts it as text.
            types.append(argument.type ?? .string)
        }
        return BoundAggregate(
            name: name, hasUndo: hasUndo, argumentTypes: types,
            implementation: try overload.make(types, constants))
    }
}

/// One signature of an aggregate function.
package struct AggregateOverload: Sendable {
    package var parameters: [FunctionParameter]
    package var variadicAt: Int?
    /// How many of the last parameters must be literals.
    package var constantCount: Int
    /// The type of the result, for DESCRIBE FUNCTION.
    package var returns: String
    package var description: String
    var make: @Sendable (_ types: [SQLType], _ constants: [SQLValue]) throws(FunctionError) -> AggregateImplementation

    package func signature(_ name: String) -> String {
        let list = parameters.enumerated().map { index, parameter in
            "\(parameter.type)\(index == variadicAt ? "..." : "")\(parameter.name.isEmpty ? "" : " " + parameter.name)"
        }
        return "\(name)(\(list.joined(separator: ", ")))"
    }
}

/// An aggregate for columns of certain types. States are values, so that they can be stored and sent.
package struct AggregateImplementation: Sendable {
    package typealias Update =
        @Sendable (_ arguments: [SQLValue], _ state: inout SQLValue, inout EvaluationContext) throws(EvaluationError) ->
        Void

    /// The type of the state as the original declares it; a format that cannot store it refuses the statement.
    package var stateType: SQLType
    package var resultType: SQLType
    /// The state before the first value.
    package var initial: SQLValue
    /// Takes a row's values in.
    package var add: Update
    /// Joins a later state into an earlier one: sessions that have become one.
    package var merge:
        @Sendable (_ state: inout SQLValue, _ later: SQLValue, inout EvaluationContext)
            throws(EvaluationError) -> Void
    package var result: @Sendable (_ state: SQLValue) -> SQLValue
    /// Takes a row's values out again; nil when that is impossible.
    package var undo: Update?
}

/// An aggregate function whose signature has been chosen.
package struct BoundAggregate: Sendable {
    package let name: String
    package let hasUndo: Bool
    /// Of the arguments that are no constants.
    package let argumentTypes: [SQLType]
    package let implementation: AggregateImplementation

    package var resultType: SQLType { implementation.resultType }
    package var stateType: SQLType { implementation.stateType }
}

extension AggregateOverload {
    init(
        _ parameters: KeyValuePairs<String, ParameterType>, constants: Int = 0, returns: String,
        _ description: String = "",
        _ make: @escaping @Sendable ([SQLType], [SQLValue]) throws(FunctionError) -> AggregateImplementation
    ) {
        var list: [FunctionParameter] = []
        var variadicAt: Int?
        for (name, type) in parameters {
            if name.hasSuffix("...") {
                variadicAt = list.count
                list.append(FunctionParameter(String(name.dropLast(3)), type))
            } else {
                list.append(FunctionParameter(name, type))
            }
        }
        self.init(
            parameters: list, variadicAt: variadicAt, constantCount: constants, returns: returns,
            description: description, make: make)
    }
}

extension SQLValue {
    /// Changes an array in place; the array leaves the value meanwhile, so that it is not copied.
    mutating func updateArray(_ body: (inout [SQLValue]) throws(EvaluationError) -> Void) throws(EvaluationError) {
        guard case .array(var elements) = self else { return }
        self = .null
        defer { self = .array(elements) }
        try body(&elements)
    }

    /// As `updateArray` for the fields of a struct.
    mutating func updateFields(_ body: (inout [SQLValue]) throws(EvaluationError) -> Void) throws(EvaluationError) {
        guard case .structure(var fields) = self else { return }
        self = .null
        defer { self = .structure(fields) }
        try body(&fields)
    }
}
