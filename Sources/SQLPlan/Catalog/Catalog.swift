import SQLSyntax
package import SQLTypes

/// All streams, tables, types and persistent queries of a service: a value, changed by `StatementExecutor` only.
package struct Catalog: Sendable {
    package private(set) var sources: [String: SourceDescription] = [:]
    /// In the order in which they were made.
    package private(set) var sourceNames: [String] = []
    /// Made by CREATE TYPE, by upper-case name.
    package internal(set) var types: [String: SQLType] = [:]
    package private(set) var queries: [String: PersistentQuery] = [:]
    /// In the order in which they were started.
    package private(set) var queryIDs: [String] = []
    /// Of the next query id.
    package var nextQueryNumber = 0
    /// What a result was built from: it keeps these from being dropped.
    private var references: [String: Set<String>] = [:]

    package init() {}

    package subscript(name: String) -> SourceDescription? { sources[name] }

    mutating func put(_ source: SourceDescription, builtFrom others: [String] = []) {
        if sources.updateValue(source, forKey: source.name) == nil { sourceNames.append(source.name) }
        if !others.isEmpty { references[source.name, default: []].formUnion(others) }
    }

    mutating func remove(_ name: String) {
        sources[name] = nil
        references[name] = nil
        sourceNames.removeAll { $0 == name }
    }

    /// The streams and tables that were built from it, sorted.
    package func dependents(of name: String) -> [String] {
        references.filter { $0.value.contains(name) }.map(\.key).sorted()
    }

    mutating func put(_ query: PersistentQuery) {
        if queries.updateValue(query, forKey: query.id) == nil { queryIDs.append(query.id) }
    }

    mutating func removeQuery(_ id: String) {
        queries[id] = nil
        queryIDs.removeAll { $0 == id }
    }

    mutating func setPaused(_ id: String, _ isPaused: Bool) { queries[id]?.isPaused = isPaused }

    /// In the order in which they were started.
    package var allQueries: [PersistentQuery] { queryIDs.compactMap { queries[$0] } }

    /// Those that write to it.
    package func queries(into name: String) -> [PersistentQuery] { allQueries.filter { $0.plan.sinkName == name } }

    /// Those that read from it.
    package func queries(from name: String) -> [PersistentQuery] {
        allQueries.filter { $0.plan.sourceNames.contains(name) }
    }

    mutating func takeQueryNumber() -> Int {
        defer { nextQueryNumber += 1 }
        return nextQueryNumber
    }
}

/// A query that runs until it is terminated.
package struct PersistentQuery: Hashable, Sendable {
    package var plan: PhysicalPlan
    package var statement: String
    package var isPaused = false

    package init(plan: PhysicalPlan, statement: String) {
        self.plan = plan
        self.statement = statement
    }

    package var id: String { plan.id }
}
