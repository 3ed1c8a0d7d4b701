package import SQLTypes

/// A parameter as a signature and DESCRIBE FUNCTION show it.
package struct FunctionParameter: Sendable {
    package var name: String
    package var type: ParameterType

    package init(_ name: String, _ type: ParameterType) {
        self.name = name
        self.type = type
    }
}

/// A lambda of the statement, ready to be called.
package typealias LambdaBody = ([SQLValue], inout EvaluationContext) throws(EvaluationError) -> SQLValue

/// Computes a result; values are of the types that the signature declares.
package typealias ScalarBody =
    @Sendable ([SQLValue], inout EvaluationContext) throws(EvaluationError) -> SQLValue

/// As `ScalarBody` for functions with lambdas; the values are the other arguments.
package typealias LambdaFunctionBody =
    @Sendable ([SQLValue], [LambdaBody], inout EvaluationContext) throws(EvaluationError) -> SQLValue

/// One signature of a scalar function.
package struct FunctionOverload: Sendable {
    package enum Result: Sendable {
        case type(ParameterType)
        /// Computed from the types of the arguments; nil for a bare NULL.
        case rule(@Sendable ([SQLType?]) throws(FunctionError) -> SQLType)
    }

    package enum Body: Sendable {
        case values(ScalarBody)
        case lambdas(LambdaFunctionBody)
        /// Made once for the types of the arguments and of the result.
        case made(@Sendable (_ arguments: [SQLType?], _ result: SQLType) -> ScalarBody)
    }

    package var parameters: [FunctionParameter]
    /// The parameter that may be given any number of times, also none.
    package var variadicAt: Int?
    package var result: Result
    /// Whether the body sees arguments that are null; elsewhere the result is null then.
    package var seesNulls: Bool
    package var body: Body
    package var description: String

    /// "NAME(VARCHAR a, INT... b)"
    package func signature(_ name: String) -> String {
        let list = parameters.enumerated().map { index, parameter in
            "\(parameter.type)\(index == variadicAt ? "..." : "")\(parameter.name.isEmpty ? "" : " " + parameter.name)"
        }
        return "\(name)(\(list.joined(separator: ", ")))"
    }

    /// The parameter of each argument; nil when there are too many or too few.
    func parameters(forCount count: Int) -> [FunctionParameter]? {
        guard let variadicAt else { return count == parameters.count ? parameters : nil }
        let times = count - (parameters.count - 1)
        guard times >= 0 else { return nil }
        return parameters[..<variadicAt] + Array(repeating: parameters[variadicAt], count: times)
            + parameters[(variadicAt + 1)...]
    }
}

/// A scalar function with all of its signatures.
package struct ScalarFunction: Sendable {
    package var name: String
    package var category: FunctionCategory
    package var description: String
    package var overloads: [FunctionOverload]
    /// Arguments are evaluated one after the other only until the first that is not null: COALESCE.
    package var isLazy = false
    /// The same arguments may give another result: RANDOM, UUID, times of now.
    package var isVolatile = false
}

/// How SHOW FUNCTIONS groups functions.
package enum FunctionCategory: String, Sendable, CaseIterable {
    case aggregate = "AGGREGATE"
    case conditional = "CONDITIONAL"
    case dateTime = "DATE / TIME"
    case array = "ARRAY"
    case map = "MAP"
    case lambda = "LAMBDA"
    case mathematical = "MATHEMATICAL"
    case regularExpression = "REGULAR EXPRESSION"
    case string = "STRING"
    case bytes = "BYTES"
    case json = "JSON"
    case table = "TABLE"
    case url = "URL"
    case other = "OTHER"
}
