import Bytes

extension ParsedStatement {
    /// Checks that every `name.column` and `name.*` names a source of its query, as ksqlDB does before it plans a statement.
    ///
    /// - Throws: `.unknownSource`.
    package func checkQualifiers() throws(SQLSyntaxError) {
        guard let unknown = statement.unknownQualifier else { return }
        let source = Array(text.utf8)
        var place = unknown.name.position
        place.offset -= origin
        throw SQLSyntaxError(
            .unknownSource,
            "Failed to prepare statement: '\(unknown.name.text)' is not a valid stream/table name or alias.", at: place,
            count: unknown.name.text.utf8.count, in: source, range: 0..<source.count,
            hint: nearestName(to: unknown.name.text, among: unknown.known).map { "did you mean \($0)?" })
    }
}

extension Statement {
    typealias UnknownQualifier = (name: Identifier, known: [String])

    /// The first qualifier that is no source or alias of its query.
    var unknownQualifier: UnknownQualifier? {
        switch self {
        case .query(let query): query.unknownQualifier
        case .createSourceAs(let create): create.query.unknownQualifier
        case .insertInto(let insert): insert.query.unknownQualifier
        case .insertValues(let insert), .assertValues(let insert), .assertTombstone(let insert):
            insert.values.lazy.compactMap { $0.qualifier(outside: []) }.first.map { ($0, []) }
        case .explain(let explain):
            if case .statement(let statement) = explain.subject { statement.unknownQualifier } else { nil }
        default: nil
        }
    }
}

extension Query {
    var unknownQualifier: Statement.UnknownQualifier? {
        let known = from.sources.flatMap { [$0.name.text, $0.alias.text] }
        let names = Set(known)
        for item in select {
            switch item {
            case .all(let source?, _) where !names.contains(source.text): return (source, known)
            case .all: continue
            case .allFields(let expression, _), .single(let expression, _):
                if let name = expression.qualifier(outside: names) { return (name, known) }
            }
        }
        let others =
            from.joins.map(\.condition) + [`where`, having].compactMap { $0 } + (groupBy ?? []) + (partitionBy ?? [])
            + orderBy.map(\.expression)
        return others.lazy.compactMap { $0.qualifier(outside: names) }.first.map { ($0, known) }
    }
}

extension Expression {
    /// The first qualifier that is not among `names`.
    fileprivate func qualifier(outside names: Set<String>) -> Identifier? {
        if case .qualifiedColumn(let source, _) = kind { return names.contains(source.text) ? nil : source }
        for child in children { if let name = child.qualifier(outside: names) { return name } }
        return nil
    }
}
