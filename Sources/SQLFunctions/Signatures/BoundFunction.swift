package import SQLTypes

/// A scalar function whose signature has been chosen for the arguments of a call.
package struct BoundFunction: Sendable {
    package let name: String
    package let overload: FunctionOverload
    package let returnType: SQLType
    package let isLazy: Bool
    package let isVolatile: Bool
    /// The types of every lambda's parameters, in the order of the lambdas.
    package let lambdaParameterTypes: [[SQLType]]
    /// What every value (not lambda) is cast to first; nil where it stays.
    package let casts: [SQLCast?]
    private let body: FunctionOverload.Body

    init(
        function: ScalarFunction, overload: FunctionOverload, arguments: [SQLType?], returnType: SQLType,
        casts: [SQLCast?], lambdaParameterTypes: [[SQLType]]
    ) {
        name = function.name
        isLazy = function.isLazy
        isVolatile = function.isVolatile
        self.overload = overload
        self.returnType = returnType
        self.casts = casts.contains { $0 != nil } ? casts : []
        self.lambdaParameterTypes = lambdaParameterTypes
        if case .made(let make) = overload.body {
            body = .values(make(arguments, returnType))
        } else {
            body = overload.body
        }
    }

    /// - Parameters:
    ///   - values: the arguments that are no lambdas, in order; a unit of time is its upper-case name as text.
    ///   - lambdas: those that are, in order.
    package func callAsFunction(
        _ values: [SQLValue], lambdas: [LambdaBody] = [], _ context: inout EvaluationContext
    ) throws(EvaluationError) -> SQLValue {
        var values = values
        for (index, cast) in casts.enumerated() {
            guard let cast, index < values.count else { continue }
            do { values[index] = try cast(values[index]) } catch { throw EvaluationError(error) }
        }
        if !overload.seesNulls {
            for value in values where value.isNull { return .null }
        }
        switch body {
        case .values(let body): return try body(values, &context)
        case .lambdas(let body): return try body(values, lambdas, &context)
        case .made: return .null  // became `values` when it was bound
        }
    }
}
