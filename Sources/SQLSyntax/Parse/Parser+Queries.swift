extension Parser {
    /// - Parameter isPersistent: whether the query fills a stream or table.
    mutating func query(isPersistent: Bool) throws(SQLSyntaxError) -> Query {
        let position = position
        try expect(.select)
        var items: [SelectItem] = []
        repeat { items.append(try selectItem()) } while accept(.comma)
        try expect(.from)
        var query = Query(select: items, from: try relation(), position: position)
        query.times = try timeBounds()
        if accept(.window) { query.window = try window() }
        if accept(.where) { query.where = try expression() }
        if try accept(.group, .by) { query.groupBy = try grouping() }
        if kind == .partition, kind(after: 1) == .by {
            advance()
            advance()
            query.partitionBy = try grouping()
        } else {
            expected.insert(.partition)
        }
        if accept(.having) { query.having = try expression() }
        if isWord("ORDER"), kind(after: 1) == .by {
            advance()
            advance()
            query.orderBy = try orderItems()
        } else {
            expected.insert(.order)
        }
        query.emit = try emit() ?? (isPersistent ? .changes : nil)
        if accept(.limit) { query.limit = try wholeNumber(of: "LIMIT") }
        if isWord("OFFSET") {
            advance()
            query.offset = try wholeNumber(of: "OFFSET")
        }
        return query
    }

    private mutating func timeBounds() throws(SQLSyntaxError) -> TimeBounds? {
        var bounds = TimeBounds()
        if kind == .from, kind(after: 1) == .timestamp {
            advance()
            advance()
            bounds.first = try expression()
        }
        if kind == .to, kind(after: 1) == .timestamp {
            advance()
            advance()
            bounds.last = try expression()
        }
        return bounds.first == nil && bounds.last == nil ? nil : bounds
    }

    private mutating func selectItem() throws(SQLSyntaxError) -> SelectItem {
        let position = position
        if accept(.asterisk) { return .all(source: nil, position: position) }
        if isIdentifier, kind(after: 1) == .dot, kind(after: 2) == .asterisk {
            let source = try identifier()
            advance()
            advance()
            return .all(source: source, position: position)
        }
        let expression = try expression()
        if kind == .arrow, kind(after: 1) == .asterisk {
            advance()
            advance()
            return .allFields(expression, position: position)
        }
        if accept(.as) { return .single(expression, alias: try identifier()) }
        return .single(expression, alias: isIdentifier ? try identifier() : nil)
    }

    private mutating func emit() throws(SQLSyntaxError) -> Query.Emit? {
        guard accept(.emit) else { return nil }
        if accept(.changes) { return .changes }
        try expect(.final)
        return .final
    }

    private mutating func orderItems() throws(SQLSyntaxError) -> [OrderItem] {
        var items: [OrderItem] = []
        repeat {
            let expression = try expression()
            let isDescending = isWord("DESC")
            if isDescending || isWord("ASC") { advance() }
            items.append(OrderItem(expression, isDescending: isDescending))
        } while accept(.comma)
        return items
    }

    /// Whether the current token is a word that is no keyword of ksqlDB.
    func isWord(_ word: String) -> Bool { kind == .identifier && text(of: token).uppercased() == word }

    // MARK: Sources

    private mutating func relation() throws(SQLSyntaxError) -> Relation {
        var relation = Relation(try aliasedSource())
        while let join = try join() { relation.joins.append(join) }
        return relation
    }

    private mutating func aliasedSource() throws(SQLSyntaxError) -> SourceReference {
        let name = try sourceName()
        if accept(.as) { return SourceReference(name, alias: try sourceName()) }
        return SourceReference(name, alias: isAlias ? try sourceName() : nil)
    }

    /// Whether an alias follows and not a clause that begins with a word that could be one.
    private var isAlias: Bool {
        switch (kind, kind(after: 1)) {
        case (.emit, .changes), (.emit, .final), (.partition, .by), (.to, .timestamp): false
        case (.identifier, .by): !isWord("ORDER")
        default: isIdentifier
        }
    }

    private mutating func join() throws(SQLSyntaxError) -> Join? {
        let position = position
        let kind: Join.Kind
        if accept(.join) {
            kind = .inner
        } else if accept(.inner) {
            kind = .inner
            try expect(.join)
        } else if accept(.left) {
            kind = .left
            try outerJoin()
        } else if accept(.right) {
            kind = .right
            try outerJoin()
        } else if accept(.full) {
            kind = .full
            try outerJoin()
        } else {
            return nil
        }
        let source = try aliasedSource()
        let within = accept(.within) ? try within() : nil
        try expect(.on)
        return Join(kind, source, within: within, on: try expression(), position: position)
    }

    private mutating func outerJoin() throws(SQLSyntaxError) {
        _ = accept(.outer)
        try expect(.join)
    }

    private mutating func within() throws(SQLSyntaxError) -> WithinExpression {
        let position = position
        let before: TimeSpan
        let after: TimeSpan
        if accept(.leftParenthesis) {
            before = try timeSpan()
            try expect(.comma)
            after = try timeSpan()
            try expect(.rightParenthesis)
        } else {
            before = try timeSpan()
            after = before
        }
        let grace = try accept(.grace, .period) ? try timeSpan() : nil
        return WithinExpression(before: before, after: after, grace: grace, position: position)
    }

    // MARK: Windows

    /// What follows WINDOW.
    mutating func window() throws(SQLSyntaxError) -> WindowExpression {
        let name = kind == .identifier ? try identifier() : nil
        let position = position
        let windowKind: WindowExpression.Kind
        if try accept(.tumbling, .leftParenthesis, .size) {
            windowKind = .tumbling(size: try timeSpan())
        } else if try accept(.hopping, .leftParenthesis, .size) {
            let size = try timeSpan()
            try expect(.comma)
            try expect(.advance)
            try expect(.by)
            windowKind = .hopping(size: size, advance: try timeSpan())
        } else if try accept(.session, .leftParenthesis) {
            windowKind = .session(gap: try timeSpan())
        } else {
            throw failure()
        }
        var window = WindowExpression(windowKind, name: name, position: position)
        var next = accept(.comma)
        if next, accept(.retention) {
            window.retention = try timeSpan()
            next = accept(.comma)
        }
        if next {
            try expect(.grace)
            try expect(.period)
            window.grace = try timeSpan()
        }
        try expect(.rightParenthesis)
        return window
    }
}
