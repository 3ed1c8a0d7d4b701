import SQLSyntax
import SQLTypes

/// The format of a key and its windows: two sides of a join must agree in both.
struct KeyLayout: Hashable {
    var format: SerdeFormat
    var window: WindowInfo?
}

/// A join with its sides. Joins stand to the left of later ones.
final class JoinNode {
    enum Key {
        /// A column of a source; `viable` are all that have the key's value.
        case column(String, viable: [Expression])
        /// Made up, as no column has the key's value.
        case synthetic(String)
        /// A foreign-key join has the key of its left table.
        case leftKey([String])
    }

    let info: JoinInfo
    /// Of the names of its steps: empty for the last join, "L_" for the one before.
    let prefix: String
    let left: JoinSide
    let right: JoinSide
    let key: Key

    init(info: JoinInfo, prefix: String, left: JoinSide, right: JoinSide, key: Key) {
        self.info = info
        self.prefix = prefix
        self.left = left
        self.right = right
        self.key = key
    }

    var isTable: Bool { left.isTable && right.isTable }
    var isForeignKey: Bool { if case .leftKey = key { true } else { false } }

    var keyNames: [String] {
        switch key {
        case .column(let name, _), .synthetic(let name): [name]
        case .leftKey(let names): names
        }
    }

    var leaves: [AliasedSource] { left.leaves + right.leaves }

    // MARK: Formats of keys

    var preferredKey: KeyLayout? { left.preferredKey ?? right.preferredKey }

    func setKey(_ layout: KeyLayout) {
        left.setKey(layout)
        right.setKey(layout)
    }

    /// The left side's format, unless that side is repartitioned anyway and the right one is not.
    func resolveKey(default fallback: FormatInfo) {
        let layouts = leaves.map { KeyLayout(format: $0.source.keyFormat, window: $0.source.window) }
        let other =
            layouts.first { $0.format.info.format != .none } ?? KeyLayout(format: SerdeFormat(fallback), window: nil)
        for side in [left, right] { side.fallback = fallback }
        setKey(preferredKey ?? other)
    }
}

/// One side of a join: a source or the joins before, perhaps with another key.
final class JoinSide {
    enum Content {
        case leaf(AliasedSource)
        case join(JoinNode)
    }

    let content: Content
    /// "Left" or "Right" behind the join's prefix: of the names of steps.
    let name: String
    /// What it is joined on, with the names that its rows have; nil where it need not be keyed by that.
    let key: Expression?
    var forced: KeyLayout?
    var isForced = false
    var fallback = FormatInfo(.kafka)

    init(_ content: Content, name: String, key: Expression?) {
        self.content = content
        self.name = name
        self.key = key
    }

    var isTable: Bool {
        switch content {
        case .leaf(let source): source.source.isTable
        case .join(let join): join.isTable
        }
    }

    var leaves: [AliasedSource] {
        switch content {
        case .leaf(let source): [source]
        case .join(let join): join.leaves
        }
    }

    private var ownKey: [String] {
        switch content {
        case .leaf(let source): source.source.keyColumns.map(\.name)
        case .join(let join): join.keyNames
        }
    }

    private var ownLayout: KeyLayout? {
        switch content {
        case .leaf(let source): KeyLayout(format: source.source.keyFormat, window: source.source.window)
        case .join(let join): join.preferredKey
        }
    }

    /// Whether rows have to move because of their key, whatever its format.
    private var needsRepartition: Bool {
        guard let key else { return false }
        return QueryPlanner.needsRepartition(
            RowSchema(keys: ownKey.map { RowSchema.Column($0, .string) }, values: []), [key])
    }

    /// The format of the key that it has already; nil where it has to be written anew anyway.
    var preferredKey: KeyLayout? { needsRepartition ? nil : ownLayout }

    func setKey(_ layout: KeyLayout) {
        guard key != nil else {
            if case .join(let join) = content { join.setKey(layout) }
            return
        }
        // Schemas of keys may differ in the registry though columns do not: the bytes are made alike.
        if layout.format.info.format.usesRegistry { isForced = true }
        switch content {
        case .leaf:
            if needsRepartition || isForced || layout != ownLayout { forced = layout }
        case .join(let join):
            if needsRepartition || isForced {
                forced = layout
                join.resolveKey(default: fallback)
            } else if join.preferredKey == nil || join.preferredKey == layout {
                join.setKey(layout)
            } else {
                forced = layout
                join.resolveKey(default: fallback)
            }
        }
    }
}

/// Which expressions have the value of a join's key, and which columns can stand for it.
struct JoinEquivalence {
    var members: Set<Expression> = []
    var viable: [Expression] = []

    /// Of a join whose left side has `left`; its right side is a source.
    init(_ left: JoinEquivalence?, _ info: JoinInfo) {
        // Either side of a full join may be missing.
        if info.kind == .full { return }
        members = [info.leftExpression, info.rightExpression]
        if let left, !left.members.isDisjoint(with: members) { members.formUnion(left.members) }
        for expression in (left?.viable ?? []) + [info.leftExpression, info.rightExpression] {
            guard case .qualifiedColumn = expression.kind else { continue }
            if members.contains(expression), !viable.contains(expression) { viable.append(expression) }
        }
    }
}
