import Columns
import SQLPlan

/// What an outer join asks of rows of equal keys besides: rows that do not fulfil it have not met.
struct JoinCondition {
    /// What the processing log says when it cannot be computed.
    static let failed = "Error evaluating the join condition"

    private let predicate: CompiledExpression

    /// - Returns: nil when nothing is asked.
    init?(_ residual: TypedExpression?, _ functions: any FunctionLibrary) throws(EngineError) {
        guard let residual else { return nil }
        predicate = try CompiledExpression(residual, functions: functions)
    }

    /// Which of some rows of the result fulfil it.
    ///
    /// - Parameters:
    ///   - columns: of the result, each row made of two that might meet.
    ///   - failures: rows for which it cannot be computed: they do not fulfil it.
    func holds(_ columns: [Vector], count: Int, failures: inout [CompiledExpression.Failure]) -> [Bool] {
        var holds = [Bool](repeating: false, count: count)
        for row in predicate.selected(columns, count: count, failures: &failures) { holds[Int(row)] = true }
        return holds
    }

    /// Whether a single row of the result fulfils it; of failures was told when the row was processed.
    func holds(_ columns: [Vector]) -> Bool {
        var failures: [CompiledExpression.Failure] = []
        return holds(columns, count: 1, failures: &failures)[0]
    }
}

extension Operator {
    /// Which rows of a result that two might meet in fulfil a join's condition; failures are noted for rows of `pairs` that
    /// have two.
    ///
    /// - Returns: nil when the rows must come one by one, so that what is noted of them is in their order.
    func holds(
        _ condition: JoinCondition, _ columns: [Vector], _ pairs: JoinPairs, isPair: (Int) -> Bool
    ) -> [Bool]? {
        var failures: [CompiledExpression.Failure] = []
        let holds = condition.holds(columns, count: pairs.own.count, failures: &failures)
        failures.removeAll { !isPair($0.row) }
        if failures.isEmpty { return holds }
        if pairs.own.count > 1 { return nil }
        noteOfCondition(failures, pairs)
        return holds
    }

    func noteOfCondition(_ failures: [CompiledExpression.Failure], _ pairs: JoinPairs) {
        let rows = Batch(count: pairs.own.count, columns: [], timestamps: ColumnBuffer(pairs.timestamps))
        note(failures, rows, what: JoinCondition.failed)
    }
}
