/// `SELECT ...`.
package struct Query: Hashable, Sendable {
    package var select: [SelectItem]
    package var from: Relation
    package var window: WindowExpression?
    package var `where`: Expression?
    /// nil without the clause; `GROUP BY ()` is empty.
    package var groupBy: [Expression]?
    /// nil without the clause; `PARTITION BY ()` is empty.
    package var partitionBy: [Expression]?
    package var having: Expression?
    /// Beyond ksqlDB; empty without the clause.
    package var orderBy: [OrderItem]
    /// nil: a pull query. In CREATE ... AS and INSERT INTO, where it may be left out, it is `changes` then.
    package var emit: Emit?
    package var limit: Int32?
    /// Rows to leave out first. Beyond ksqlDB.
    package var offset: Int32?
    /// Bounds of the timestamps of the source's records. Beyond ksqlDB.
    package var times: TimeBounds?
    package var position: Position

    package init(
        select: [SelectItem], from: Relation, window: WindowExpression? = nil, where: Expression? = nil,
        groupBy: [Expression]? = nil, partitionBy: [Expression]? = nil, having: Expression? = nil,
        orderBy: [OrderItem] = [], emit: Emit? = nil, limit: Int32? = nil, offset: Int32? = nil,
        times: TimeBounds? = nil, position: Position = Position()
    ) {
        self.select = select
        self.from = from
        self.window = window
        self.where = `where`
        self.groupBy = groupBy
        self.partitionBy = partitionBy
        self.having = having
        self.orderBy = orderBy
        self.emit = emit
        self.limit = limit
        self.offset = offset
        self.times = times
        self.position = position
    }

    package enum Emit: String, Hashable, Sendable {
        case changes = "CHANGES"
        case final = "FINAL"
    }
}

/// `FROM TIMESTAMP first TO TIMESTAMP last`: which records of the source count. Each bound is a constant, milliseconds since
/// 1970 or a text; both belong to the range, and either may be left out.
package struct TimeBounds: Hashable, Sendable {
    package var first: Expression?
    package var last: Expression?

    package init(first: Expression? = nil, last: Expression? = nil) {
        self.first = first
        self.last = last
    }
}

package enum SelectItem: Hashable, Sendable {
    /// `*` or `source.*`.
    case all(source: Identifier?, position: Position)
    /// `base->*`.
    case allFields(Expression, position: Position)
    case single(Expression, alias: Identifier?)

    package var position: Position {
        switch self {
        case .all(_, let position), .allFields(_, let position): position
        case .single(let expression, _): expression.position
        }
    }
}

package struct OrderItem: Hashable, Sendable {
    package var expression: Expression
    package var isDescending: Bool

    package init(_ expression: Expression, isDescending: Bool = false) {
        self.expression = expression
        self.isDescending = isDescending
    }
}

/// `FROM ...`: a source and what is joined to it, from left to right.
package struct Relation: Hashable, Sendable {
    package var first: SourceReference
    package var joins: [Join]

    package init(_ first: SourceReference, joins: [Join] = []) {
        self.first = first
        self.joins = joins
    }

    /// All of them, from left to right.
    package var sources: [SourceReference] { [first] + joins.map(\.source) }
}

/// A stream or table of a query.
package struct SourceReference: Hashable, Sendable {
    package var name: Identifier
    /// What the query calls it: its name where no alias is given.
    package var alias: Identifier

    package init(_ name: Identifier, alias: Identifier? = nil) {
        self.name = name
        self.alias = alias ?? name
    }
}

package struct Join: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case inner = "INNER"
        case left = "LEFT OUTER"
        case right = "RIGHT OUTER"
        case full = "FULL OUTER"
    }

    package var kind: Kind
    package var source: SourceReference
    package var within: WithinExpression?
    package var condition: Expression
    package var position: Position

    package init(
        _ kind: Kind, _ source: SourceReference, within: WithinExpression? = nil, on condition: Expression,
        position: Position = Position()
    ) {
        self.kind = kind
        self.source = source
        self.within = within
        self.condition = condition
        self.position = position
    }
}
