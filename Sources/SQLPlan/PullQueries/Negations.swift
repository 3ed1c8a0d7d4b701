import SQLSyntax

extension Expression {
    /// With every NOT at what it negates, as the original puts it before it looks at the rows of a table: what is null then
    /// fulfils neither a comparison nor its opposite.
    func withNegationsInside(isNegated: Bool = false) -> Expression {
        func part(_ kind: Kind) -> Expression { Expression(kind, position: position) }
        switch kind {
        case .not(let inner): return inner.withNegationsInside(isNegated: !isNegated)
        case .logical(let sign, let left, let right):
            // De Morgan: the negation of an AND is an OR.
            let moved = isNegated ? (sign == .and ? .or : .and) : sign
            return part(
                .logical(
                    moved, left.withNegationsInside(isNegated: isNegated),
                    right.withNegationsInside(isNegated: isNegated)))
        case .comparison(let sign, let left, let right) where isNegated:
            return part(sign.opposite.map { .comparison($0, left, right) } ?? .not(self))
        case .between(let value, let lower, let upper) where isNegated:
            return part(
                .logical(.or, part(.comparison(.less, value, lower)), part(.comparison(.greater, value, upper))))
        case .inList(let value, _) where isNegated:
            return part(.logical(.and, part(.isNotNull(value)), part(.not(self))))
        default: return isNegated ? part(.not(self)) : self
        }
    }
}

extension ComparisonOperator {
    /// True where the comparison is false, of values that are not null.
    var opposite: Self? {
        switch self {
        case .equal: .notEqual
        case .notEqual: .equal
        case .less: .greaterOrEqual
        case .lessOrEqual: .greater
        case .greater: .lessOrEqual
        case .greaterOrEqual: .less
        case .isDistinctFrom: nil
        }
    }
}
