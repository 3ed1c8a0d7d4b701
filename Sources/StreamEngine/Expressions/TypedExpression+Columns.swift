import SQLPlan

extension TypedExpression {
    /// The columns that it reads.
    func collectColumns(into columns: inout Set<Int>) {
        switch node {
        case .column(let index): columns.insert(index)
        case .literal, .timeUnit, .lambdaParameter: break
        case .call(let call): for argument in call.arguments { argument.collectColumns(into: &columns) }
        case .lambda(let lambda): lambda.body.collectColumns(into: &columns)
        case .arithmetic(_, let a, let b), .comparison(_, let a, let b), .and(let a, let b), .or(let a, let b),
            .like(let a, let b, _), .subscripted(let a, let b):
            a.collectColumns(into: &columns)
            b.collectColumns(into: &columns)
        case .negate(let a), .not(let a), .isNull(let a), .isNotNull(let a), .field(let a, _), .cast(let a),
            .castWithNulls(let a), .converted(let a):
            a.collectColumns(into: &columns)
        case .between(let a, let b, let c):
            for part in [a, b, c] { part.collectColumns(into: &columns) }
        case .inList(let a, let list):
            a.collectColumns(into: &columns)
            for part in list { part.collectColumns(into: &columns) }
        case .searchedCase(let cases, let otherwise):
            for item in cases {
                item.condition.collectColumns(into: &columns)
                item.result.collectColumns(into: &columns)
            }
            otherwise?.collectColumns(into: &columns)
        case .array(let list), .structure(let list): for part in list { part.collectColumns(into: &columns) }
        case .map(let entries):
            for entry in entries {
                entry.key.collectColumns(into: &columns)
                entry.value.collectColumns(into: &columns)
            }
        }
    }
}
