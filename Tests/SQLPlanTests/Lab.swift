import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes

/// A catalog that statements are executed on, with topics and schemas that are only remembered.
final class Lab {
    var catalog = Catalog()
    let topics = MemoryTopics()
    let registry = MemorySchemaRegistry()
    var properties: [String: String] = [:]
    var rules = RuleVersion.current

    init(_ script: String = "", rules: RuleVersion = .current) throws {
        self.rules = rules
        try run(script)
    }

    /// Makes topics that the statement does not make itself.
    @discardableResult
    func run(_ script: String) throws -> [StatementOutcome] {
        try SQLParser.script(script).map { try execute($0) }
    }

    func execute(_ statement: ParsedStatement) throws -> StatementOutcome {
        if case .createSource(let create) = statement.statement {
            try? executor.prepare(create, in: catalog, defaultPartitionCount: 1)
        }
        let outcome = try executor.execute(statement.statement, text: statement.text, in: &catalog)
        for case .set(let name, let value) in outcome.effects { properties[name] = value }
        for case .unset(let name) in outcome.effects { properties[name] = nil }
        return outcome
    }

    /// What the last statement of a script fails with; nil when it does not.
    func failure(_ script: String) throws -> String? {
        do { try run(script) } catch let error as PlanError { return error.message }
        return nil
    }

    func schema(_ name: String) -> String { catalog[name]?.schemaText ?? "none" }

    func plan(_ id: String) throws -> PhysicalPlan {
        guard let query = catalog.queries[id] else { throw Missing(id: id) }
        return query.plan
    }

    struct Missing: Error { var id: String }

    var executor: StatementExecutor {
        StatementExecutor(
            StatementEnvironment(
                functions: .builtIn, topics: topics, registry: registry, translation: FormatTranslation(),
                configuration: SQLConfiguration(properties), now: 0, random: { 0 }, rules: rules))
    }
}
