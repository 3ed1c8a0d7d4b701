import SQLFunctions
package import SQLPlan
package import SQLTypes

/// Why an expression has no value for a row.
package struct EvaluationFailure: Error, Equatable {
    package var message: String
    package init(_ message: String) { self.message = message }
}

/// A lambda of the statement as functions call it.
package typealias LambdaCall = ([SQLValue]) throws(EvaluationFailure) -> SQLValue

/// A scalar function, ready to be called.
package struct ScalarCall {
    /// Values are the arguments that are no lambdas.
    package var body: ([SQLValue], [LambdaCall]) throws(EvaluationFailure) -> SQLValue
    /// Whether arguments behind the first that is not null are not looked at: COALESCE.
    package var isLazy: Bool

    package init(
        isLazy: Bool = false, _ body: @escaping ([SQLValue], [LambdaCall]) throws(EvaluationFailure) -> SQLValue
    ) {
        self.isLazy = isLazy
        self.body = body
    }
}

/// An aggregate function for the types of a call. States are values, so that they can be stored.
package struct AggregateCall {
    package var initial: () -> SQLValue
    /// Changes the state by the arguments of a row.
    package typealias Update = (inout SQLValue, [SQLValue]) throws(EvaluationFailure) -> Void

    package var add: Update
    /// Takes a row back; nil where the function cannot.
    package var undo: Update?
    /// Of two sessions, the earlier one first.
    package var merge: (SQLValue, SQLValue) throws(EvaluationFailure) -> SQLValue
    package var result: (SQLValue) throws(EvaluationFailure) -> SQLValue

    package init(
        initial: @escaping () -> SQLValue,
        add: @escaping Update, undo: Update?,
        merge: @escaping (SQLValue, SQLValue) throws(EvaluationFailure) -> SQLValue,
        result: @escaping (SQLValue) throws(EvaluationFailure) -> SQLValue
    ) {
        self.initial = initial
        self.add = add
        self.undo = undo
        self.merge = merge
        self.result = result
    }
}

/// Gives the functions of a plan. One for each task: what it gives need not be safe to use from several threads.
package protocol FunctionLibrary {
    func scalar(_ call: FunctionCall, returns type: SQLType) throws(EngineError) -> ScalarCall
    func aggregate(_ call: AggregateFunctionCall) throws(EngineError) -> AggregateCall
    /// Rows of the function for its arguments.
    func table(_ call: TableFunctionCall) throws(EngineError)
        -> ([SQLValue]) throws(EvaluationFailure) -> [SQLValue]
    /// `ksql.functions.substring.legacy.args`: SUBSTRING does not mean what its kernel does.
    var usesLegacySubstring: Bool { get }
    /// How long a text that is built may be, in bytes.
    var textByteCountMax: Int { get }
    /// `ksql.nested.error.set.null`.
    var isolatesNestedErrors: Bool { get }
}

extension FunctionLibrary {
    package var usesLegacySubstring: Bool { false }
    package var textByteCountMax: Int { FunctionLimits.textByteCountMax }
    package var isolatesNestedErrors: Bool { true }
}
