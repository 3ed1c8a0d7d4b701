extension Query: CustomStringConvertible {
    /// As SQL, one clause on a line, as ksqlDB shows the statements of its queries.
    package var description: String {
        var lines: [String] = []
        let items = select.map(\.sql)
        lines.append(items.count == 1 ? "SELECT " + items[0] : "SELECT\n  " + items.joined(separator: ",\n  "))
        lines.append("FROM " + from.sql)
        if let first = times?.first { lines.append("FROM TIMESTAMP " + first.sql) }
        if let last = times?.last { lines.append("TO TIMESTAMP " + last.sql) }
        if let window { lines.append("WINDOW" + window.sql) }
        if let `where` { lines.append("WHERE " + `where`.sql) }
        if let groupBy { lines.append("GROUP BY " + Self.list(groupBy)) }
        if let partitionBy { lines.append("PARTITION BY " + Self.list(partitionBy)) }
        if let having { lines.append("HAVING " + having.sql) }
        if !orderBy.isEmpty {
            let items = orderBy.map { $0.expression.sql + ($0.isDescending ? " DESC" : "") }
            lines.append("ORDER BY " + items.joined(separator: ", "))
        }
        if let emit { lines.append("EMIT " + emit.rawValue) }
        if let limit { lines.append("LIMIT \(limit)") }
        if let offset { lines.append("OFFSET \(offset)") }
        return lines.joined(separator: "\n")
    }

    private static func list(_ expressions: [Expression]) -> String {
        expressions.isEmpty ? "()" : expressions.map(\.sql).joined(separator: ", ")
    }
}

extension SelectItem {
    package var sql: String {
        switch self {
        case .all(nil, _): "*"
        case .all(let source?, _): source.printed + ".*"
        case .allFields(let base, _): base.sql + "->*"
        case .single(let expression, nil): expression.sql
        case .single(let expression, let alias?): expression.sql + " " + alias.printed
        }
    }
}

extension Relation {
    package var sql: String {
        var text = first.sql
        for join in joins {
            text +=
                "\n\(join.kind.rawValue) JOIN \(join.source.sql)\(join.within?.sql ?? "") ON (\(join.condition.sql))"
        }
        return text
    }
}

extension SourceReference {
    package var sql: String { name.printed + " " + alias.printed }
}

extension WindowExpression {
    /// With a space before and after.
    package var sql: String {
        let inner =
            switch kind {
            case .tumbling(let size): "TUMBLING ( SIZE \(size.sql)"
            case .hopping(let size, let advance): "HOPPING ( SIZE \(size.sql) , ADVANCE BY \(advance.sql)"
            case .session(let gap): "SESSION ( \(gap.sql)"
            }
        return " " + (name.map { $0.text + " " } ?? "") + inner + (retention.map { " , RETENTION \($0.sql)" } ?? "")
            + (grace.map { " , GRACE PERIOD \($0.sql)" } ?? "") + " ) "
    }
}

extension WithinExpression {
    /// With a space before.
    package var sql: String {
        " WITHIN " + (before == after ? before.sql : "(\(before.sql), \(after.sql))")
            + (grace.map { " GRACE PERIOD \($0.sql)" } ?? "")
    }
}

extension Identifier {
    /// As SQL; references to variables stay what they are.
    var printed: String { isVariable ? text : sql }
}
