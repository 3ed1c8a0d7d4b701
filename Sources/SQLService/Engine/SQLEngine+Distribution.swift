import Cluster
import SQLPlan
import SQLSyntax
import Synchronization

/// Statements on their way into the command topic.
extension SQLEngine {
    /// A command that was checked, and what is to be deleted when it has been executed.
    struct Prepared: Sendable {
        var command: Command
        var message: String
        /// Nothing is to be done.
        var isWarning = false
        var deletedTopics: [String] = []
        var deletedSubjects: [String] = []
    }

    /// What a command came to.
    struct Distributed: Sendable {
        var id: CommandID
        /// nil when there was nothing to do: IF EXISTS, IF NOT EXISTS.
        var offset: Int64?
        var status: CommandStatus
        var warnings: [String] = []
    }

    /// The statement with the session's variables in place.
    func substitute(_ parsed: ParsedStatement, _ context: RequestContext) throws(KsqlFailure) -> ParsedStatement {
        guard parsed.usesVariables else { return parsed }
        let isEnabled = configuration(context).properties["ksql.variable.substitution.enable"]?.lowercased() != "false"
        guard isEnabled else {
            throw .badStatement(
                "The statement uses variables, and 'ksql.variable.substitution.enable' is false", parsed.text)
        }
        do throws(SQLSyntaxError) { return try parsed.substituting(context.variables) } catch {
            throw KsqlFailure(error)
        }
    }

    /// Statements that only concern the session.
    ///
    /// - Returns: whether it was one.
    func changes(_ context: inout RequestContext, by parsed: ParsedStatement) throws(KsqlFailure) -> Bool {
        switch parsed.statement {
        case .setProperty(let name, let value):
            try PropertyCatalog.checkName(name, text: parsed.text)
            context.properties[name] = try PropertyCatalog.checked(name, value, settings, text: parsed.text)
        case .unsetProperty(let name):
            try PropertyCatalog.checkName(name, text: parsed.text)
            context.properties[name] = nil
        case .defineVariable(let name, let value): context.define(name, value)
        case .undefineVariable(let name): context.undefine(name)
        default: return false
        }
        return true
    }

    /// Checks a statement against the world as it is: topics are made, schemas registered; nothing is deleted yet.
    func prepare(
        _ parsed: ParsedStatement, _ id: CommandID, _ context: RequestContext, number: Int64, changing catalog: Catalog
    ) async throws(KsqlFailure) -> Prepared {
        var command = Command(id, parsed.text)
        command.properties = context.properties
        command.serverProperties = PropertyCatalog.withoutSecrets(serverProperties)
        command.number = number
        if case .alterSystemProperty(let name, let value) = parsed.statement {
            try PropertyCatalog.checkName(name, text: parsed.text)
            _ = try PropertyCatalog.checked(name, value, settings, text: parsed.text)
            command.surroundings = Surroundings()
            return Prepared(command: command, message: "System property '\(name)' was set to '\(value)'.")
        }
        let configuration = configuration(context)
        var before = catalog
        before.nextQueryNumber = Int(number)
        let start = before
        let base = command
        let limit = configuration.properties["ksql.query.persistent.active.limit"].flatMap { Int($0) }
        return try await work { () throws(KsqlFailure) in
            let topics = ClusterTopics(self.cluster)
            let registry = self.schemas.map { StatementSchemas(schemas: $0) }
            var result = start
            switch parsed.statement {
            case .createSource, .createSourceAs, .insertInto:
                // Of a mistake that is found late neither a topic nor a schema is to be left.
                let tried = TriedSurroundings(topics, registry)
                let environment = self.environment(configuration, topics: tried.topics, registry: tried.registry)
                (_, result) = try Self.perform(parsed, environment, start)
            default: break
            }
            if let limit, result.queryIDs.count > limit, result.queryIDs.count > start.queryIDs.count {
                throw .badStatement(
                    "Not executing statement(s) '\(parsed.text)' as it would cause the number of active, persistent "
                        + "queries to exceed the configured limit. Use the TERMINATE command to terminate existing "
                        + "queries. Current persistent query count: \(start.queryIDs.count). Configured limit: \(limit).",
                    parsed.text)
            }
            let recorded = RecordedSurroundings(topics, registry)
            let environment = self.environment(
                configuration, topics: recorded.topics, registry: recorded.registry)
            let (outcome, _) = try Self.perform(parsed, environment, start)
            var command = base
            command.surroundings = recorded.answers
            return Prepared(
                command: command, message: outcome.message, isWarning: outcome.isWarning,
                deletedTopics: recorded.deletedTopics, deletedSubjects: recorded.deletedSubjects)
        }
    }

    /// Brings a statement into the command topic, and waits until this node has executed it.
    func distribute(
        _ parsed: ParsedStatement, _ context: RequestContext
    ) async throws(KsqlFailure) -> Distributed {
        guard settings.script == nil else {
            throw .badStatement(
                "The server runs in headless mode: statements come from its queries file only", parsed.text)
        }
        if let degradation = state.withLock({ $0.degradation }) {
            throw .server("Failed to handle the statement: \(degradation)", parsed.text)
        }
        let unique = String(UInt64.random(in: .min ... .max), radix: 16)
        guard let id = CommandID(parsed.statement, unique: unique) else {
            throw .badStatement("Statement not executable", parsed.text)
        }
        var prepared: Prepared?
        let offset: Int64?
        do throws(KsqlFailure) {
            offset = try await log.write { number throws(KsqlFailure) in
                let next = try await self.prepare(parsed, id, context, number: number, changing: self.current)
                prepared = next
                return next.isWarning ? nil : next.command
            }
        } catch {
            var failure = error
            if failure.statementText == nil, failure.code == 50000 || failure.code / 100 == 400 {
                failure.statementText = parsed.text
            }
            throw failure
        }
        guard let prepared else { throw .server("the statement was not checked", parsed.text) }
        guard let offset else {
            return Distributed(
                id: id, offset: nil, status: CommandStatus(status: .success, message: prepared.message))
        }
        let status =
            state.withLock { $0.statuses[id.description] }
            ?? CommandStatus(status: .queued, message: "Statement written to command topic")
        var result = Distributed(id: id, offset: offset, status: status)
        if status.status == .success {
            result.warnings = await delete(prepared)
            if let query = status.queryID, let failure = state.withLock({ $0.startFailures[query] }) {
                result.warnings.append("Query \(query) could not be started yet and is tried again: \(failure)")
            }
        }
        await compactIfWorthwhile()
        return result
    }

    /// DELETE TOPIC, once the query that wrote to it has ended.
    private func delete(_ prepared: Prepared) async -> [String] {
        var warnings: [String] = []
        for topic in prepared.deletedTopics {
            do { try await cluster.deleteTopic(topic) } catch {
                if error.code == .unknownTopicOrPartition { continue }
                warnings.append("Could not delete topic '\(topic)': \(error.message)")
            }
        }
        guard let source = schemas?.source else { return warnings }
        for subject in prepared.deletedSubjects {
            do { try await source.delete(subject) } catch {
                warnings.append("Could not delete subject '\(subject)': \(error.message)")
            }
        }
        return warnings
    }
}
