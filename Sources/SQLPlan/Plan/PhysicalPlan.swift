import SQLTypes

/// A query, ready to be run.
package struct PhysicalPlan: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        /// CREATE ... AS
        case createAs
        case insertInto
        /// The internal query of a SOURCE TABLE.
        case sourceTable
        /// SELECT ... EMIT CHANGES of a client.
        case push
    }

    package var id: String
    package var kind: Kind
    /// The stream or table it writes to; nil for queries of clients and source tables.
    package var sinkName: String?
    /// Names of the streams and tables it reads, in the order of the text.
    package var sourceNames: [String]
    /// A sink step on top, or the last step before it for queries of clients.
    package var root: PlanStep
    /// Rows after which the query of a client ends.
    package var limit: Int?

    package init(
        id: String, kind: Kind, sinkName: String?, sourceNames: [String], root: PlanStep, limit: Int? = nil
    ) {
        self.id = id
        self.kind = kind
        self.sinkName = sinkName
        self.sourceNames = sourceNames
        self.root = root
        self.limit = limit
    }

    /// The topics it reads, without its own internal ones; each once.
    package var sourceTopics: [String] {
        var topics: [String] = []
        root.forEach { step in
            if case .source(let source) = step.operation, !topics.contains(source.topic) { topics.append(source.topic) }
        }
        return topics
    }
}

extension PlanStep {
    /// Calls `body` for what is below it, left before right, and then for itself.
    package func forEach(_ body: (PlanStep) throws -> Void) rethrows {
        for input in inputs { try input.forEach(body) }
        try body(self)
    }
}
