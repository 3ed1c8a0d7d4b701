package import SQLFunctions
package import SQLSyntax
package import SQLTypes

/// What statements need of the world around the catalog.
package struct StatementEnvironment {
    package var functions: FunctionCatalog
    package var topics: any TopicAccess
    /// nil: formats with a registry are refused.
    package var registry: (any SchemaRegistryAccess)?
    package var translation: any SchemaTranslation
    /// Of the server, with what the session sets.
    package var configuration: SQLConfiguration
    /// Milliseconds since 1970: the timestamp of rows that have none.
    package var now: Int64
    /// The next 64 random bits, for functions in INSERT ... VALUES.
    package var random: () -> UInt64
    package var zones: TimeZones
    /// Of when the statement was accepted.
    package var rules: RuleVersion

    package init(
        functions: FunctionCatalog, topics: any TopicAccess, registry: (any SchemaRegistryAccess)?,
        translation: any SchemaTranslation, configuration: SQLConfiguration = SQLConfiguration(), now: Int64,
        random: @escaping () -> UInt64, zones: TimeZones = .offsetsOnly,
        rules: RuleVersion = .current
    ) {
        self.functions = functions
        self.topics = topics
        self.registry = registry
        self.translation = translation
        self.configuration = configuration
        self.now = now
        self.random = random
        self.zones = zones
        self.rules = rules
    }
}

extension StatementEnvironment {
    /// Whether a flag of the server's lets a new statement through. One that was accepted once goes on when the flag is
    /// switched off.
    func permits(_ flag: String) -> Bool { topics.isReplayed || configuration.isEnabled(flag) }

    var permitsLambdas: Bool { permits("ksql.lambdas.enabled") }
}

/// What is left to do after a statement has changed the catalog.
package enum StatementEffect: Sendable {
    case start(PhysicalPlan)
    /// Instead of the running query of the same id, which keeps its place and state.
    case replace(PhysicalPlan)
    case stop(queryID: String)
    case pause(queryID: String)
    case resume(queryID: String)
    case insert(InsertedRow)
    case set(name: String, value: String)
    case unset(name: String)
    case define(variable: String, value: String)
    case undefine(variable: String)
}

/// A row of INSERT ... VALUES.
package struct InsertedRow: Sendable {
    package var source: SourceDescription
    /// In the order of the source's key columns.
    package var key: [SQLValue]
    /// In the order of the source's value columns.
    package var value: [SQLValue]
    /// Milliseconds since 1970.
    package var timestamp: Int64
}

package struct StatementOutcome: Sendable {
    /// For people.
    package var message: String
    /// The statement did nothing: IF EXISTS, IF NOT EXISTS.
    package var isWarning = false
    package var effects: [StatementEffect] = []
    /// Of the query that it started or replaced.
    package var queryID: String?

    init(_ message: String, _ effects: [StatementEffect] = []) {
        self.message = message
        self.effects = effects
    }

    static func warning(_ message: String) -> Self {
        var outcome = Self(message)
        outcome.isWarning = true
        return outcome
    }
}

/// Executes statements on a catalog: checks them, plans queries, creates topics, registers schemas. Server and test tools
/// execute by the same code; what is left for them is in the effects.
package struct StatementExecutor {
    let environment: StatementEnvironment

    package init(_ environment: StatementEnvironment) { self.environment = environment }

    /// Whether the statement is one for `execute`. Others only show something, or are for whoever reads statements.
    package static func executes(_ statement: Statement) -> Bool {
        switch statement {
        case .createSource, .createSourceAs, .alterSource, .dropSource, .insertInto, .insertValues, .createType,
            .dropType,
            .terminate, .pause, .resume, .setProperty, .unsetProperty, .defineVariable, .undefineVariable, .assertTopic,
            .assertSchema:
            true
        default: false
        }
    }

    /// - Parameter text: the statement as it is written, for the catalog.
    /// - Throws: why it cannot be; the catalog is as it was then.
    package func execute(
        _ statement: Statement, text: String, in catalog: inout Catalog
    ) throws(PlanError) -> StatementOutcome {
        var changed = catalog
        let outcome = try run(statement, text, &changed)
        catalog = changed
        return outcome
    }

    private func run(
        _ statement: Statement, _ text: String, _ catalog: inout Catalog
    ) throws(PlanError) -> StatementOutcome {
        switch statement {
        case .createSource(let create): return try createSource(create, text, &catalog)
        case .createSourceAs(let create): return try createSourceAs(create, text, &catalog)
        case .insertInto(let insert): return try insertInto(insert, text, &catalog)
        case .insertValues(let insert): return try insertValues(insert, catalog)
        case .alterSource(let alter): return try alterSource(alter, text, &catalog)
        case .dropSource(let drop): return try dropSource(drop, &catalog)
        case .createType(let create): return try createType(create, &catalog)
        case .dropType(let name, let ifExists): return try dropType(name, ifExists, &catalog)
        case .terminate(let target):
            return try each(target, catalog, "terminate", "terminated") { id in
                catalog.removeQuery(id)
                return .stop(queryID: id)
            }
        case .pause(let target):
            return try each(target, catalog, "pause", "paused") { id in
                catalog.setPaused(id, true)
                return .pause(queryID: id)
            }
        case .resume(let target):
            return try each(target, catalog, "resume", "resumed") { id in
                catalog.setPaused(id, false)
                return .resume(queryID: id)
            }
        case .setProperty(let name, let value):
            return StatementOutcome(
                "Successfully changed local property '\(name)' to '\(value)'.", [.set(name: name, value: value)])
        case .unsetProperty(let name):
            return StatementOutcome("Successfully unset local property '\(name)'.", [.unset(name: name)])
        case .defineVariable(let name, let value):
            return StatementOutcome("Variable '\(name)' defined.", [.define(variable: name, value: value)])
        case .undefineVariable(let name):
            return StatementOutcome("Variable '\(name)' undefined.", [.undefine(variable: name)])
        case .assertTopic(let assertion): return try assertTopic(assertion)
        case .assertSchema(let assertion): return try assertSchema(assertion)
        default: throw PlanError("Statement not executable")
        }
    }

    private func each(
        _ target: QueryTarget, _ catalog: Catalog, _ verb: String, _ done: String, _ body: (String) -> StatementEffect
    ) throws(PlanError) -> StatementOutcome {
        switch target {
        case .all: return StatementOutcome("Queries \(done).", catalog.queryIDs.map(body))
        case .query(let name):
            guard let query = catalog.queries[name.text] else {
                throw PlanError(
                    .invalid,
                    "Unknown queryId: \(name.text)" + ExpressionBinder.hint(name.text, catalog.queryIDs),
                    at: name.position)
            }
            if query.plan.kind == .sourceTable, !environment.topics.isReplayed {
                throw PlanError(
                    .inUse, "Cannot \(verb) query '\(name.text)' because it is linked to a source table.",
                    at: name.position)
            }
            return StatementOutcome("Query \(done).", [body(name.text)])
        }
    }

    // MARK: Queries

    func planner(
        _ query: Query, _ sink: QuerySink, _ catalog: Catalog, emit: Query.Emit? = nil
    ) throws(PlanError) -> QueryPlanner {
        var isPersistent = true
        if case .none = sink { isPersistent = false }
        var analyzer = QueryAnalyzer(
            catalog: catalog, functions: environment.functions, isPersistent: isPersistent,
            permitsLambdas: environment.permitsLambdas)
        let analysis = try analyzer.analyze(query)
        return QueryPlanner(
            analysis: analysis, sink: sink, catalog: catalog, functions: environment.functions,
            configuration: environment.configuration, topics: environment.topics, rules: environment.rules)
    }

    /// The plan of `SELECT ... EMIT CHANGES` of a client, and the columns that the client gets.
    package func planPushQuery(
        _ query: Query, id: String, in catalog: Catalog
    ) throws(PlanError) -> (plan: PhysicalPlan, columns: [SQLColumn]) {
        let planned = try planner(query, .none, catalog).plan()
        var plan = planned.plan
        plan.id = id
        return (plan, planned.columns.filter { $0.role == .value })
    }

    /// What EXPLAIN shows of a statement or a running query.
    package func explain(_ explain: Explain, in catalog: Catalog) throws(PlanError) -> String {
        try explained(explain, in: catalog).plan.explanation
    }

    /// The plan of a statement or a running query, and what it gives.
    package func explained(_ explain: Explain, in catalog: Catalog) throws(PlanError) -> ExplainedPlan {
        switch explain.subject {
        case .query(let id):
            guard let query = catalog.queries[id.text] else {
                throw PlanError(
                    "Query with id:\(id.text) does not exist, use SHOW QUERIES to view the full set of queries."
                        + ExpressionBinder.hint(id.text, catalog.queryIDs), at: id.position)
            }
            let sink = query.plan.sinkName.flatMap { catalog[$0] }
            return ExplainedPlan(plan: query.plan, columns: sink?.columns ?? [], window: sink?.window)
        case .statement(let statement):
            var catalog = catalog
            switch statement {
            case .query(let query):
                let id = "transient_\(query.from.first.alias.text)_0"
                let (plan, columns) = try planPushQuery(query, id: id, in: catalog)
                return ExplainedPlan(plan: plan, columns: columns)
            case .createSourceAs(let create):
                let properties = try WithProperties(create.properties, for: .createAs)
                let planned = try planner(create.query, .new(name: create.name.text, properties), catalog).plan()
                var plan = planned.plan
                plan.id = Self.queryID(create, &catalog)
                return ExplainedPlan(plan: plan, columns: planned.columns, window: planned.window)
            case .insertInto(let insert):
                guard let target = catalog[insert.target.text] else {
                    throw PlanError(.unknownSource, "\(insert.target.text) does not exist.", at: insert.target.position)
                }
                var plan = try planner(insert.query, .existing(target), catalog).plan().plan
                plan.id = "INSERTQUERY_\(catalog.takeQueryNumber())"
                return ExplainedPlan(plan: plan, columns: target.columns, window: target.window)
            default: throw PlanError("The provided statement does not run a ksql query")
            }
        }
    }

    static func queryID(_ create: CreateSourceAs, _ catalog: inout Catalog) -> String {
        let prefix = create.kind == .table ? "CTAS" : "CSAS"
        return "\(prefix)_\(create.name.text.uppercased())_\(catalog.takeQueryNumber())"
    }
}
