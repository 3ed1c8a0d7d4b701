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
        case .values(let body): return try bounded(try body(values, &context), values, context.limits)
        case .lambdas(let body): return try bounded(try body(values, lambdas, &context), values, context.limits)
        case .made: return .null  // became `values` when it was bound
        }
    }

    /// Results that go into further calls, as in a REDUCE, may double with each of them: that ends here. What an argument
    /// was already may pass.
    private func bounded(
        _ result: SQLValue, _ values: [SQLValue], _ limits: FunctionLimits
    ) throws(EvaluationError) -> SQLValue {
        func exceeds(_ count: Int, _ max: Int, _ size: (SQLValue) -> Int) -> Bool {
            count > max && !values.contains { size($0) >= count }
        }
        let isTooLong =
            switch result {
            case .string(let text): exceeds(text.utf8.count, limits.byteCountMax) { $0.string?.utf8.count ?? 0 }
            case .bytes(let bytes): exceeds(bytes.count, limits.byteCountMax) { $0.bytes?.count ?? 0 }
            case .array(let elements): exceeds(elements.count, limits.elementsMax) { $0.array?.count ?? 0 }
            case .map(let map): exceeds(map.count, limits.elementsMax) { $0.map?.count ?? 0 }
            default: false
            }
        guard !isTooLong else { throw EvaluationError("the result of \(name) is too long") }
        return result
    }
}
