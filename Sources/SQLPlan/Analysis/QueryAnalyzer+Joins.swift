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
        switch condition.kind {
        case .comparison(.equal, _, _): return (condition, nil)
        case .comparison: throw PlanError("Only equality join criteria is supported.", at: condition.position)
        case .logical(.and, _, _):
            let parts = conjuncts(condition)
            let equalities = parts.indices.filter { joinsSources(parts[$0]) }
            guard equalities.count < 2 else {
                throw PlanError(
                    "Invalid join condition: joins on multiple conditions are not yet supported. Got \(condition).",
                    at: condition.position)
            }
            guard let place = equalities.first else { break }
            let others = parts.indices.filter { $0 != place }.map { parts[$0] }
            return (parts[place], all(others))
        case .logical(.or, let left, let right):
            // Both sides may find rows in the same way: (a = b AND x) OR (a = b AND y) is a = b AND (x OR y).
            guard let first = alternative(left), let second = alternative(right), first.equality == second.equality
            else {
                throw PlanError(
                    "Unsupported join expression: \(condition). An OR needs the equality that joins the sources outside of"
                        + " it, or the same one on both sides: ... ON a = b AND (x OR y).", at: condition.position)
            }
            guard let a = first.others, let b = second.others else { return (first.equality, nil) }
            return (first.equality, Expression(.logical(.or, a, b), position: condition.position))
        default: break
        }
        throw PlanError("Unsupported join expression: \(condition)", at: condition.position)
    }

    /// One side of an OR; nil when it does not find rows by one equality.
    private static func alternative(_ condition: Expression) -> (equality: Expression, others: Expression?)? {
        guard let (equality, others) = try? splitCondition(condition) else { return nil }
        return (equality, others)
    }

    private static func conjuncts(_ condition: Expression) -> [Expression] {
        guard case .logical(.and, let left, let right) = condition.kind else { return [condition] }
        return conjuncts(left) + conjuncts(right)
    }

    private static func all(_ conditions: [Expression]) -> Expression? {
        guard let first = conditions.first else { return nil }
        return conditions.dropFirst().reduce(first) { Expression(.logical(.and, $0, $1), position: $0.position) }
    }

    /// Whether it is an equality with columns on both sides; one with a constant asks something of a single row.
    private static func joinsSources(_ expression: Expression) -> Bool {
        guard case .comparison(.equal, let left, let right) = expression.kind else { return false }
        func hasColumn(_ side: Expression) -> Bool {
            var found = false
            side.forEach { part in
                if case .column = part.kind { found = true }
                if case .qualifiedColumn = part.kind { found = true }
            }
            return found
        }
        return hasColumn(left) && hasColumn(right)
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
