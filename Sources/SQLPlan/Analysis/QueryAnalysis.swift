import SQLSyntax
import SQLTypes

/// A source of a query and what the query calls it.
struct AliasedSource: Hashable, Sendable {
    var alias: String
    var source: SourceDescription

    /// Whether expressions on its rows may use the name.
    func has(_ column: String) -> Bool {
        switch PseudoColumn(rawValue: column) {
        case .rowTime, .rowPartition, .rowOffset: true
        case .windowStart, .windowEnd: source.isWindowed || source.column(column) != nil
        case nil: source.column(column) != nil
        }
    }

    /// The names that messages offer instead of an unknown one.
    var names: [String] { source.columns.map(\.name) }
}

/// One JOIN: what was joined before is left, the new source right.
struct JoinInfo: Sendable {
    var kind: JoinKind
    var left: AliasedSource
    var leftExpression: Expression
    var right: AliasedSource
    var rightExpression: Expression
    /// Whether the statement has the sides the other way round.
    var isFlipped: Bool
    var within: WithinExpression?
    /// Further conditions, on both sides, which rows that match have to fulfil.
    var residual: Expression?

    /// The same join with the sides of its condition exchanged. LEFT and RIGHT count in the order of FROM, so they stay.
    var flipped: JoinInfo {
        var copy = self
        (copy.left, copy.right) = (right, left)
        (copy.leftExpression, copy.rightExpression) = (rightExpression, leftExpression)
        copy.isFlipped.toggle()
        return copy
    }

    /// "A.ID = B.ID", in the order of the statement.
    var conditionText: (String, String) {
        isFlipped
            ? (rightExpression.description, leftExpression.description)
            : (leftExpression.description, rightExpression.description)
    }
}

/// One item of SELECT with its name.
enum AnalyzedItem: Sendable {
    case all(source: String?)
    case allFields(Expression)
    case single(Expression, alias: String)
}

/// A query whose names are resolved: every column names its source, every item of SELECT has a name. Checked by the
/// rules that need no plan.
struct QueryAnalysis: Sendable {
    var sources: [AliasedSource] = []
    var joins: [JoinInfo] = []
    var items: [AnalyzedItem] = []
    var `where`: Expression?
    /// Also for queries that aggregate without GROUP BY: then a constant.
    var groupBy: [Expression]?
    var hasExplicitGroupBy = false
    var partitionBy: [Expression]?
    var having: Expression?
    var window: WindowExpression?
    var emit: Query.Emit?
    var limit: Int32?
    var tableFunctions: [Expression] = []

    var isJoin: Bool { sources.count > 1 }
    var from: AliasedSource { sources[0] }
    var isAggregating: Bool { groupBy != nil }

    func source(alias: String) -> AliasedSource? { sources.first { $0.alias == alias } }
}

extension JoinKind {
    init(_ kind: Join.Kind) {
        switch kind {
        case .inner: self = .inner
        case .left: self = .left
        case .right: self = .right
        case .full: self = .full
        }
    }

    /// As ksqlDB's messages call it.
    var text: String {
        switch self {
        case .inner: "[INNER] JOIN"
        case .left: "LEFT [OUTER] JOIN"
        case .right: "RIGHT [OUTER] JOIN"
        case .full: "[FULL] OUTER JOIN"
        }
    }
}
