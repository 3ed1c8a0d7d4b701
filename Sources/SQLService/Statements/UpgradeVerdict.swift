import JSONFormat
import SQLPlan
import SQLSyntax

/// What CREATE OR REPLACE would do to what is there.
enum UpgradeVerdict {
    /// - Parameter isAsked: whether the statement asks for it, and an answer is due where nothing is replaced as well.
    /// - Returns: nil for statements that replace nothing.
    static func of(
        _ statement: Statement, _ executor: StatementExecutor, _ catalog: Catalog, isAsked: Bool
    ) -> JSONValue? {
        let name: String
        switch statement {
        case .createSourceAs(let create) where create.orReplace: name = create.name.text
        case .createSource(let create) where create.orReplace: name = create.name.text
        default: return nil
        }
        let existing = catalog[name]
        guard existing != nil || isAsked else { return nil }
        let downstream = downstream(of: name, catalog)
        var changed = catalog
        var verdict = "in place"
        var reason: String
        do {
            _ = try executor.execute(statement, text: existing?.statement ?? "", in: &changed)
            if let existing {
                let isSame = changed[name].map { $0.columns == existing.columns } ?? true
                (verdict, reason) = judgement(existing, isSame: isSame)
                if !isSame, !downstream.isEmpty {
                    reason += " What is downstream sees the new columns once it is replaced as well."
                }
            } else {
                reason = "There is no \(name) yet: the statement creates it."
            }
        } catch {
            verdict = "refused"
            reason = error.message
            if existing != nil, !downstream.isEmpty {
                reason += "\nTo have it anyway, end and drop what is downstream and \(name), and create them anew."
            }
        }
        return .object([
            ("verdict", .string(verdict)), ("reason", .string(reason)),
            ("downstream", .array(downstream.map { .string($0) })),
        ])
    }

    /// - Parameter isSame: whether its columns stay.
    private static func judgement(_ existing: SourceDescription, isSame: Bool) -> (verdict: String, reason: String) {
        guard existing.isResultOfQuery else {
            return (
                "in place",
                isSame ? "Only the definition changes." : "Columns are added; records that lack them have nulls."
            )
        }
        guard existing.isTable else {
            return (
                "in place",
                "The query goes on from its place; records written before stay as they are"
                    + (isSame ? "." : ", without the new columns.")
            )
        }
        return (
            "needs backfill",
            "The query keeps its place and its state, but rows that are in table \(existing.name) already stay as they are "
                + "until their keys occur again: drop it and create it anew to have all of them as the new statement "
                + "makes them."
        )
    }

    /// Everything that reads from it, directly or through others: streams and tables, then queries.
    private static func downstream(of name: String, _ catalog: Catalog) -> [String] {
        var found: [String] = []
        var queries: [String] = []
        var open = [name]
        while let next = open.popLast() {
            for query in catalog.queries(from: next) {
                if !queries.contains(query.id) { queries.append(query.id) }
                if let sink = query.plan.sinkName, sink != name, !found.contains(sink) {
                    found.append(sink)
                    open.append(sink)
                }
            }
        }
        return found.sorted() + queries.sorted()
    }
}
