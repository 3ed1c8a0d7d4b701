import Cluster
package import JSONFormat
import SQLPlan
import SQLSyntax

/// The statements of one request, one after another.
///
/// All are parsed first; of several, those that change or describe something are tried together against surroundings that
/// remember instead of acting, so that a mistake in the third leaves nothing of the first two behind.
package struct StatementRequest: Sendable {
    let engine: SQLEngine

    package init(_ engine: SQLEngine) { self.engine = engine }

    /// - Parameter text: statements, each with its semicolon.
    /// - Returns: an entity for each statement that has one.
    /// - Throws: what is wrong; `entities` holds what the statements before it gave.
    package func run(_ text: String, _ context: RequestContext) async throws(KsqlFailure) -> [JSONValue] {
        try engine.checkReady()
        try PropertyCatalog.check(context.properties, engine.settings)
        let statements: [ParsedStatement]
        do throws(SQLSyntaxError) { statements = try SQLParser.script(text) } catch { throw KsqlFailure(error) }
        try await wait(for: context.sequenceNumber)
        if statements.count > 1 { try await check(statements, context) }
        var context = context
        var entities: [JSONValue] = []
        for parsed in statements {
            do throws(KsqlFailure) {
                let parsed = try engine.substitute(parsed, context)
                if case .undefineVariable(let name) = parsed.statement, context.variables[name] == nil {
                    entities.append(
                        warning("Cannot undefine variable '\(name)' which was never defined", parsed))
                    continue
                }
                if try engine.changes(&context, by: parsed) { continue }
                if let entity = try await execute(parsed, context) { entities.append(entity) }
            } catch {
                var failure = error
                failure.entities = entities
                throw failure
            }
        }
        return entities
    }

    /// Waits until the command that the client has seen is executed here.
    package func wait(for sequenceNumber: Int64?) async throws(KsqlFailure) {
        guard let number = sequenceNumber, number >= 0 else { return }
        let limit =
            engine.settings.properties["ksql.server.command.response.timeout.ms"].flatMap { Int64($0) } ?? 5000
        guard await engine.log.progress.wait(for: number + 1, limit: .milliseconds(limit)) else {
            throw .commandQueueTimeout(
                "Timed out reached while waiting for command sequence number of \(number). (Timeout: \(limit) ms)")
        }
    }

    // MARK: Trying

    private func check(_ statements: [ParsedStatement], _ context: RequestContext) async throws(KsqlFailure) {
        let engine = engine
        try await engine.work { () throws(KsqlFailure) in
            var context = context
            var catalog = engine.current
            let tried = TriedSurroundings(
                ClusterTopics(engine.cluster), engine.schemas.map { StatementSchemas(schemas: $0) })
            for parsed in statements {
                let parsed = try engine.substitute(parsed, context)
                if try engine.changes(&context, by: parsed) { continue }
                if case .query = parsed.statement { throw Self.forQueries(parsed) }
                if case .printTopic = parsed.statement { throw Self.forQueries(parsed) }
                try refuseReadOnly(parsed, catalog)
                switch parsed.statement {
                // These are about a moment that is yet to come, or about a client's query.
                case .assertTopic, .assertSchema, .alterSystemProperty, .terminate, .insertValues: continue
                case .describe(.source(let name, _)):
                    _ = try Self.source(name, catalog, parsed)
                    continue
                case .describe(.function(let name)):
                    _ = try describe(function: name, parsed)
                    continue
                default: break
                }
                let environment = engine.environment(
                    engine.configuration(context), topics: tried.topics, registry: tried.registry)
                if case .explain(let explain) = parsed.statement {
                    // Ids of queries are known only when those before are made, and a verdict tells its mistake itself.
                    guard case .statement = explain.subject, !explain.isUpgrade else { continue }
                    do throws(PlanError) { _ = try StatementExecutor(environment).explain(explain, in: catalog) } catch
                    {
                        throw KsqlFailure(error, parsed.text)
                    }
                    continue
                }
                guard StatementExecutor.executes(parsed.statement) else { continue }
                (_, catalog) = try SQLEngine.perform(parsed, environment, catalog)
            }
        }
    }

    static func forQueries(_ parsed: ParsedStatement) -> KsqlFailure {
        .wrongEndpoint(
            "The following statement types should be issued to the websocket endpoint '/query':\n\t* PRINT\n\t* SELECT",
            parsed.text)
    }

    // MARK: One statement

    private func execute(_ parsed: ParsedStatement, _ context: RequestContext) async throws(KsqlFailure) -> JSONValue? {
        switch parsed.statement {
        case .query, .printTopic: throw Self.forQueries(parsed)
        case .insertValues:
            try refuseReadOnly(parsed, engine.current)
            try await insert(parsed, context)
            return nil
        case .insertInto:
            try refuseReadOnly(parsed, engine.current)
            return try await distribute(parsed, context)
        case .terminate(.query(let id)) where engine.current.queries[id.text] == nil:
            if let ended = await engine.transients.cancel(id.text) {
                return entity(
                    "terminate_query", parsed, [("queryId", .string(ended)), ("wasTerminated", .bool(true))])
            }
            return try await distribute(parsed, context)
        case .createSource, .createSourceAs, .alterSource, .dropSource, .createType, .dropType, .terminate,
            .pause, .resume, .alterSystemProperty:
            return try await distribute(parsed, context)
        case .assertTopic(let assertion):
            try await assert(parsed, context, "topic", assertion.timeout)
            return entity(
                "assert_topic", parsed, [("topicName", .string(assertion.topic)), ("exists", .bool(assertion.exists))])
        case .assertSchema(let assertion):
            try await assert(parsed, context, "schema", assertion.timeout)
            var id: Int64?
            if case .integer(let number) = assertion.id { id = Int64(number) }
            return entity(
                "assert_schema", parsed,
                [
                    ("subject", .string(assertion.subject)), ("id", id.map { .number($0) } ?? .null),
                    ("exists", .bool(assertion.exists)),
                ])
        case .show(let subject): return try await show(subject, parsed, context)
        case .describe(let subject): return try await describe(subject, parsed, context)
        case .explain(let explain): return try await self.explain(explain, parsed, context)
        case .createConnector(let create): return try await createConnector(create, parsed)
        case .dropConnector(let name, let ifExists): return try await dropConnector(name, ifExists, parsed)
        default: throw .badStatement("Do not know how to execute statement", parsed.text)
        }
    }

    func entity(
        _ type: String, _ parsed: ParsedStatement, _ members: [(String, JSONValue)], warnings: [String] = []
    ) -> JSONValue {
        .object(
            [("@type", .string(type)), ("statementText", .string(StatementMask(parsed.text).text))] + members + [
                ("warnings", .array(warnings.map { .object([("message", .string($0))]) }))
            ])
    }

    func warning(_ message: String, _ parsed: ParsedStatement) -> JSONValue {
        entity("warning_entity", parsed, [("message", .string(message))])
    }

    // MARK: Changes

    private func distribute(_ parsed: ParsedStatement, _ context: RequestContext) async throws(KsqlFailure) -> JSONValue
    {
        let done = try await engine.distribute(parsed, context)
        guard let offset = done.offset else { return warning(done.status.message, parsed) }
        return entity(
            "currentStatus", parsed,
            [
                ("commandId", .string(done.id.description)), ("commandStatus", Self.json(done.status)),
                ("commandSequenceNumber", .number(offset)),
            ], warnings: done.warnings)
    }

    static func json(_ status: CommandStatus) -> JSONValue {
        .object([
            ("status", .string(status.status.rawValue)), ("message", .string(status.message)),
            ("queryId", .string(status.queryID)),
        ])
    }

    /// - Throws: 40001 for an INSERT into a topic that is nobody's to write to.
    private func refuseReadOnly(_ parsed: ParsedStatement, _ catalog: Catalog) throws(KsqlFailure) {
        let target: Identifier
        let what: String
        switch parsed.statement {
        case .insertValues(let insert): (target, what) = (insert.target, "insert values into")
        case .insertInto(let insert): (target, what) = (insert.target, "insert into")
        default: return
        }
        guard let source = catalog[target.text], !source.isWindowed, engine.isReadOnly(source.topic) else {
            return
        }
        throw .badStatement("Cannot \(what) read-only topic: \(source.topic)", parsed.text)
    }

    private func insert(_ parsed: ParsedStatement, _ context: RequestContext) async throws(KsqlFailure) {
        let engine = engine
        let (records, topic, source) = try await engine.work {
            () throws(KsqlFailure) -> ([ProducedRow], String, String) in
            let (outcome, _) = try SQLEngine.perform(parsed, engine.environment(context), engine.current)
            var rows: [ProducedRow] = []
            var topic = ""
            var source = ""
            for case .insert(let row) in outcome.effects {
                topic = row.source.topic
                source = row.source.name
                rows.append(try ProducedRow(row, engine, text: parsed.text))
            }
            return (rows, topic, source)
        }
        for row in records {
            do { try await engine.insert(row.record, into: topic) } catch {
                throw .badStatement(
                    "Failed to insert values into '\(source)'. Could not write to topic '\(topic)': \(error.message)",
                    parsed.text)
            }
        }
    }

    // MARK: ASSERT

    /// Waits until it holds, or the time is up.
    private func assert(
        _ parsed: ParsedStatement, _ context: RequestContext, _ what: String, _ timeout: TimeSpan?
    ) async throws(KsqlFailure) {
        let configured = engine.configuration(context)["ksql.assert.\(what).default.timeout.ms"].flatMap { Int64($0) }
        let limit = timeout?.milliseconds ?? configured ?? 1000
        let clock = ContinuousClock()
        let deadline = clock.now + .milliseconds(limit)
        let engine = engine
        while true {
            let failure = try await engine.work { () throws(KsqlFailure) -> KsqlFailure? in
                var catalog = engine.current
                do throws(PlanError) {
                    _ = try StatementExecutor(engine.environment(context)).execute(
                        parsed.statement, text: parsed.text, in: &catalog)
                    return nil
                } catch {
                    let isMistake = ["Must assert", "Invalid schema id", "'ksql.schema.registry.url'"]
                    if isMistake.contains(where: error.message.hasPrefix) { throw KsqlFailure(error, parsed.text) }
                    return .assertionFailed(error.message, parsed.text)
                }
            }
            guard let failure else { return }
            guard clock.now < deadline else { throw failure }
            do { try await Task.sleep(for: .milliseconds(25)) } catch { throw failure }
        }
    }
}
