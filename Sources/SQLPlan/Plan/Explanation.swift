import SQLSyntax
package import SQLTypes

/// A plan as EXPLAIN describes it.
package struct ExplainedPlan: Sendable {
    package var plan: PhysicalPlan
    /// Of its sink, or of the rows that a client gets.
    package var columns: [SQLColumn]
    /// Of the sink's keys.
    package var window: WindowInfo?
}

extension PhysicalPlan {
    /// The steps as EXPLAIN shows them, from the result down to the sources: what each does, what it puts out, and the
    /// name under which it logs.
    package var explanation: String {
        var text = ""
        root.explain(id, 0, &text)
        return text
    }
}

extension PlanStep {
    fileprivate func explain(_ query: String, _ depth: Int, _ text: inout String) {
        // Records go through the topic because of the step above or below, which is shown.
        if case .repartition(let repartition) = operation { return repartition.input.explain(query, depth, &text) }
        let columns = schema.columns.enumerated().map { index, column in
            "\(Identifier.quoteIfNeeded(column.name)) \(column.type.unquotedText)\(index < schema.keyCount ? " KEY" : "")"
        }
        text += String(repeating: "\t", count: depth * 2)
        text += " > [ \(label) ] | Schema: \(columns.joined(separator: ", ")) | Logger: "
        text += ([query] + context).joined(separator: ".") + "\n"
        for input in inputs { input.explain(query, depth + 1, &text) }
    }

    private var label: String {
        switch operation {
        case .source: "SOURCE"
        case .filter: "FILTER"
        case .select: "PROJECT"
        case .flatMap: "FLAT_MAP"
        case .selectKey: "REKEY"
        case .repartition: "REPARTITION"
        case .group: "GROUP_BY"
        case .aggregate: "AGGREGATE"
        case .suppress: "SUPPRESS"
        case .streamStreamJoin, .streamTableJoin, .tableTableJoin, .foreignKeyJoin: "JOIN"
        case .sink: "SINK"
        }
    }
}
