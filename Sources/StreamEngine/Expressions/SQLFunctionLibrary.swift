package import SQLFunctions
package import SQLPlan
package import SQLTypes

/// The functions of a catalog for the tasks of one thread.
package final class SQLFunctionLibrary: FunctionLibrary {
    private let catalog: FunctionCatalog
    /// What functions know of the world; pattern caches live in it.
    package var context: EvaluationContext
    /// Functions with lambdas that are running, one in another, and the steps of lambdas since the outermost began.
    private var lambdaDepth = 0
    private var lambdaStepCount = 0

    package init(_ catalog: FunctionCatalog = .builtIn, context: EvaluationContext) {
        self.catalog = catalog
        self.context = context
    }

    package var usesLegacySubstring: Bool { context.limits.usesLegacySubstring }
    package var textByteCountMax: Int { context.limits.byteCountMax }
    package var isolatesNestedErrors: Bool { context.limits.isolatesNestedErrors }

    package func scalar(_ call: FunctionCall, returns type: SQLType) throws(EngineError) -> ScalarCall {
        let function: BoundFunction
        do throws(FunctionError) { function = try call.bind(catalog) } catch { throw Self.missing(error) }
        return ScalarCall(isLazy: function.isLazy) { [self] values, lambdas throws(EvaluationFailure) in
            do throws(EvaluationError) {
                guard !lambdas.isEmpty else {
                    let value = try function(values, &context)
                    if lambdaDepth > 0 { lambdaStepCount += FunctionLimits.steps(building: value) }
                    return value
                }
                if lambdaDepth == 0 { lambdaStepCount = 0 }
                lambdaDepth += 1
                defer { lambdaDepth -= 1 }
                let bodies = lambdas.map { body($0) }
                // A lambda may call functions, which use the context while this one does.
                var own = context
                return try function(values, lambdas: bodies, &own)
            } catch { throw EvaluationFailure(error.message) }
        }
    }

    package func aggregate(_ call: AggregateFunctionCall) throws(EngineError) -> AggregateCall {
        let aggregate: BoundAggregate
        do throws(FunctionError) { aggregate = try call.bind(catalog) } catch { throw Self.missing(error) }
        let implementation = aggregate.implementation
        func update(
            _ body: @escaping AggregateImplementation.Update
        ) -> AggregateCall.Update {
            { [self] state, values throws(EvaluationFailure) in
                do throws(EvaluationError) { try body(values, &state, &context) } catch {
                    throw EvaluationFailure(error.message)
                }
            }
        }
        return AggregateCall(
            initial: { implementation.initial }, add: update(implementation.add),
            undo: implementation.undo.map { update($0) },
            merge: { [self] state, later throws(EvaluationFailure) in
                var state = state
                do throws(EvaluationError) { try implementation.merge(&state, later, &context) } catch {
                    throw EvaluationFailure(error.message)
                }
                return state
            },
            result: { state throws(EvaluationFailure) in implementation.result(state) })
    }

    package func table(
        _ call: TableFunctionCall
    ) throws(EngineError) -> ([SQLValue]) throws(EvaluationFailure) -> [SQLValue] {
        let function: BoundTableFunction
        do throws(FunctionError) { function = try call.bind(catalog) } catch { throw Self.missing(error) }
        return { [self] values throws(EvaluationFailure) in
            do throws(EvaluationError) { return try function(values, &context) } catch {
                throw EvaluationFailure(error.message)
            }
        }
    }

    private func body(_ lambda: @escaping LambdaCall) -> LambdaBody {
        func call(
            _ parameters: [SQLValue], _ context: inout EvaluationContext
        ) throws(EvaluationError) -> SQLValue {
            lambdaStepCount += 1
            try context.limits.check(lambdaStepCount: lambdaStepCount)
            let value: SQLValue
            do throws(EvaluationFailure) { value = try lambda(parameters) } catch {
                throw EvaluationError(error.message)
            }
            lambdaStepCount += FunctionLimits.steps(building: value)
            return value
        }
        return call
    }

    private static func missing(_ error: FunctionError) -> EngineError { EngineError(.invalidPlan, error.message) }
}
