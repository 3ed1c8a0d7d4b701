import SQLSyntax
import SQLTypes

extension QueryAnalyzer {
    mutating func addJoins(_ query: Query) throws(PlanError) {
        for (index, join) in query.from.joins.enumerated() {
            let visible = Array(result.sources[...(index + 1)])
            let new = result.sources[index + 1]
            let condition = try qualified(try TypeResolver(types: catalog.types).expanding(join.condition), [])
            let (equality, residual) = try Self.splitCondition(condition)
            guard case .comparison(_, let left, let right) = equality.kind else { continue }
            var sides: [AliasedSource] = []
            for side in [left, right] {
                let names = try check(side, "JOIN ON", visible, mayBeSynthetic: false)
                guard names.count == 1, let name = names.first, let source = result.source(alias: name) else {
                    throw PlanError(
                        "Invalid comparison expression '\(side)' in join '\(equality)'. Each side of the join comparision"
                            + " must contain references from exactly one source.", at: side.position)
                }
                sides.append(source)
            }
            try checkSides(sides[0], sides[1], new)
            if let residual { _ = try check(residual, "JOIN ON", visible, mayBeSynthetic: false) }
            let info = JoinInfo(
                kind: JoinKind(join.kind), left: sides[0], leftExpression: left, right: sides[1],
                rightExpression: right,
                isFlipped: false, within: join.within, residual: residual)
            result.joins.append(sides[1].alias == result.from.alias ? info.flipped : info)
        }
    }

    /// The one equality that finds rows, and what else is asked of them.
    private static func splitCondition(_ condition: Expression) throws(PlanError) -> (Expression, Expression?) {
        func isEquality(_ expression: Expression) -> Bool {
            if case .comparison(.equal, _, _) = expression.kind { true } else { false }
        }
        switch condition.kind {
        case .comparison(.equal, _, _): return (condition, nil)
        case .comparison: throw PlanError("Only equality join criteria is supported.", at: condition.position)
        case .logical(.and, let left, let right):
            if isEquality(left), isEquality(right) {
                throw PlanError(
                    "Invalid join condition: joins on multiple conditions are not yet supported. Got \(condition).",
                    at: condition.position)
            }
            if isEquality(left) { return (left, right) }
            if isEquality(right) { return (right, left) }
            fallthrough
        default: throw PlanError("Unsupported join expression: \(condition)", at: condition.position)
        }
    }

    private func checkSides(
        _ left: AliasedSource, _ right: AliasedSource, _ new: AliasedSource
    ) throws(PlanError) {
        func quoted(_ source: AliasedSource) -> String { Identifier.quote(source.alias) }
        guard left.alias != right.alias else {
            throw PlanError(
                "Each side of the join must reference exactly one source and not the same source. Left side references "
                    + "\(quoted(left)) and right references \(quoted(right))")
        }
        func isSession(_ window: WindowInfo) -> Bool { window.kind == .session }
        switch (left.source.window, right.source.window) {
        case (nil, nil): break
        case (let a?, let b?):
            guard isSession(a) == isSession(b) else {
                throw PlanError(
                    "Incompatible windowed sources.\nLeft source: \(a.kind.rawValue)\nRight source: \(b.kind.rawValue)\n"
                        + "Session windowed sources can only be joined to other session windowed sources, and may still not"
                        + " result in expected behaviour as session bounds must be an exact match for the join to work\n"
                        + "Hopping and tumbling windowed sources can only be joined to other hopping and tumbling windowed"
                        + " sources")
            }
        case (let a, let b):
            throw PlanError(
                "Can not join windowed source to non-windowed source.\n"
                    + "\(quoted(left)) is \(a?.kind.rawValue ?? "not") windowed\n"
                    + "\(quoted(right)) is \(b?.kind.rawValue ?? "not") windowed")
        }
        guard new.alias == left.alias || new.alias == right.alias else {
            throw PlanError(
                "A join criteria is expected to reference the source (\(quoted(new))) in the FROM clause, instead the right"
                    + " source references \(quoted(right)) and the left source references \(quoted(left))")
        }
    }
}
