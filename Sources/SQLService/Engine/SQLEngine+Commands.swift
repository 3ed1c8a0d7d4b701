import Cluster
import Logging
import SQLFormats
import SQLPlan
import SQLRuntime
import SQLSyntax
import Synchronization

/// Executing commands: the same on every node, whoever wrote them.
extension SQLEngine {
    /// Executes one record of the command topic. What goes wrong becomes the command's status.
    func execute(_ record: ConsumerRecord) async {
        guard state.withLock({ $0.degradation == nil && !$0.isTerminated }) else { return }
        state.withLock { $0.recordCount += 1 }
        let command: Command
        do throws(Command.Unreadable) { command = try Command(record) } catch {
            logger.error(
                error.isNewer ? "stops executing commands" : "passed over a record of the command topic",
                metadata: ["offset": "\(record.offset)", "reason": "\(error)"])
            if error.isNewer {
                let reason = "the command topic holds a command of a later version: upgrade this server"
                state.withLock { $0.degradation = reason }
            }
            return
        }
        // A copy made by compaction, of what this node has executed from its first record.
        guard command.number > state.withLock({ $0.lastNumber }) else { return }
        await execute(command)
    }

    func execute(_ command: Command) async {
        let isLive = state.withLock { state in
            state.lastNumber = command.number
            state.set(CommandStatus(status: .executing, message: "Executing statement"), of: command.id)
            return state.isReady
        }
        if command.id.action == CommandID.terminateCluster.action, command.id.type == CommandID.terminateCluster.type {
            return await terminateCluster(command, isLive: isLive)
        }
        let effects: [StatementEffect]
        do throws(KsqlFailure) {
            effects = try await change(by: command)
        } catch {
            // A stop ends questions to the registry, which says nothing about the command: the next start executes it.
            guard !state.withLock({ $0.isStopping }) else { return }
            state.withLock { state in
                state.failedCount += 1
                state.set(CommandStatus(status: .error, message: error.message), of: command.id)
            }
            // Also while the topic is read: what was accepted once should not fail, and what depends on it fails too.
            logger.warning(
                "a command failed",
                metadata: [
                    "command": "\(command.id)", "statement": "\(Self.beginning(of: command.statement))",
                    "reason": "\(error.message)",
                ])
            return
        }
        guard isLive else { return }
        for effect in effects { await apply(effect) }
    }

    /// Of a statement, in one line.
    private static func beginning(of statement: String, lengthMax: Int = 100) -> String {
        let line = statement.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return line.count > lengthMax ? String(line.prefix(lengthMax)) + "..." : line
    }

    /// Changes the catalog.
    ///
    /// - Returns: what is to be done besides.
    private func change(by command: Command) async throws(KsqlFailure) -> [StatementEffect] {
        let parsed: ParsedStatement
        do throws(SQLSyntaxError) { parsed = try SQLParser.statement(command.statement) } catch {
            throw KsqlFailure(error)
        }
        if case .alterSystemProperty(let name, let value) = parsed.statement {
            state.withLock { state in
                state.systemProperties[name] = value
                state.history.append(command)
                state.set(
                    CommandStatus(status: .success, message: "System property '\(name)' was set to '\(value)'."),
                    of: command.id)
            }
            return []
        }
        var catalog = current
        catalog.nextQueryNumber = Int(command.number)
        if let suffix = command.planQueryID?.split(separator: "_").last, let number = Int(suffix) {
            catalog.nextQueryNumber = number
        }
        let configuration = configuration(of: command)
        let outcome: StatementOutcome
        let changed: Catalog
        if let surroundings = command.surroundings {
            (outcome, changed) = try perform(parsed, configuration, ReplayedSurroundings(surroundings), catalog)
        } else {
            // Of the original: the world is asked, which blocks.
            let before = catalog
            (outcome, changed) = try await work { () throws(KsqlFailure) in
                let topics = TriedSurroundings(
                    ClusterTopics(self.cluster), self.schemas.map { StatementSchemas(schemas: $0) }, isReplayed: true)
                let environment = self.environment(configuration, topics: topics.topics, registry: topics.registry)
                return try Self.perform(parsed, environment, before)
            }
        }
        let ids = Set(changed.queryIDs)
        var properties = configuration.properties
        for name in command.serverProperties.keys where settings.properties[name] != nil {
            properties[name] = command.properties[name] ?? settings.properties[name]
        }
        state.withLock { state in
            let before = Set(state.catalog.queryIDs)
            for id in ids.subtracting(before) { state.queryProperties[id] = properties }
            if let id = outcome.queryID { state.queryProperties[id] = properties }
            for id in before.subtracting(ids) {
                state.queryProperties[id] = nil
                state.startFailures[id] = nil
            }
            state.catalog = changed
            state.history.append(command)
            state.set(
                CommandStatus(status: .success, message: outcome.message, queryID: outcome.queryID), of: command.id)
        }
        return outcome.effects
    }

    /// What held when the statement was accepted, but for what is the server's to say at each start.
    func configuration(of command: Command) -> SQLConfiguration {
        var configuration = SQLConfiguration(command.serverProperties).overridden(by: command.properties)
        configuration.properties[SQLConfiguration.sourceTables] = settings.properties[SQLConfiguration.sourceTables]
        return configuration
    }

    private func perform(
        _ parsed: ParsedStatement, _ configuration: SQLConfiguration, _ surroundings: ReplayedSurroundings,
        _ catalog: Catalog
    ) throws(KsqlFailure) -> (StatementOutcome, Catalog) {
        try Self.perform(
            parsed,
            environment(
                configuration, topics: surroundings, registry: surroundings.registry, rules: surroundings.rules),
            catalog)
    }

    static func perform(
        _ parsed: ParsedStatement, _ environment: StatementEnvironment, _ catalog: Catalog
    ) throws(KsqlFailure) -> (StatementOutcome, Catalog) {
        var changed = catalog
        do {
            let outcome = try StatementExecutor(environment).execute(parsed.statement, text: parsed.text, in: &changed)
            return (outcome, changed)
        } catch { throw KsqlFailure(error, parsed.text) }
    }

    // MARK: Queries

    private func apply(_ effect: StatementEffect) async {
        switch effect {
        case .start(let plan): await start(plan)
        case .replace(let plan):
            do throws(RunError) {
                try await runner.replace(plan, properties: properties(ofQuery: plan.id))
                state.withLock { $0.startFailures[plan.id] = nil }
            } catch {
                if error.code == .unknown { return await start(plan) }
                note(error, plan.id)
            }
        case .stop(let id): await runner.stop(id, forgets: true)
        case .pause(let id):
            do throws(RunError) { try await runner.pause(id) } catch { tell(error, id, "pause") }
        case .resume(let id):
            do throws(RunError) { try await runner.resume(id) } catch { tell(error, id, "resume") }
        // Rows and sessions are the business of the request that has them.
        case .insert, .set, .unset, .define, .undefine: break
        }
    }

    private func start(_ plan: PhysicalPlan) async {
        let isPaused = current.queries[plan.id]?.isPaused ?? false
        do throws(RunError) {
            try await runner.start(plan, properties: properties(ofQuery: plan.id), isPaused: isPaused)
            state.withLock { $0.startFailures[plan.id] = nil }
        } catch {
            if error.code != .duplicate { note(error, plan.id) }
        }
    }

    private func note(_ error: RunError, _ id: String) {
        let isNew = state.withLock { state in
            // A stop ends starts that are under way, which is no news.
            guard !state.isStopping, state.catalog.queries[id] != nil else { return false }
            return state.startFailures.updateValue(error.message, forKey: id) != error.message
        }
        if isNew { tell(error, id, "start") }
    }

    private func tell(_ error: RunError, _ id: String, _ what: String) {
        logger.error("cannot \(what) a query", metadata: ["query": "\(id)", "error": "\(error.message)"])
    }

    /// Tries again, with growing pauses, to start what the runner did not take.
    func retryStarts() async {
        var pause = Duration.seconds(1)
        while !Task.isCancelled {
            do { try await Task.sleep(for: pause) } catch { return }
            let (ids, catalog) = state.withLock { (Array($0.startFailures.keys), $0.catalog) }
            pause = ids.isEmpty ? .seconds(1) : min(pause * 2, .seconds(60))
            for id in ids.sorted() {
                if let query = catalog.queries[id] { await start(query.plan) }
            }
        }
    }

    // MARK: The whole

    /// Everything that the topic held is executed: queries start, and the processing log's stream is made.
    func becomeReady() async {
        let queries = current.allQueries
        await withTaskGroup(of: Void.self) { group in
            for query in queries { group.addTask { await self.start(query.plan) } }
        }
        state.withLock { $0.isReady = true }
        if !queries.isEmpty {
            logger.info("started persistent queries", metadata: ["count": "\(queries.count)"])
        }
        await compactIfWorthwhile()
        processingLog.start(self)
    }

    /// The command topic is another one.
    func beginAnew() async {
        let ids = state.withLock { state in
            defer {
                let isReady = state.isReady
                state = EngineState()
                state.isReady = isReady
            }
            return state.catalog.queryIDs
        }
        for id in ids { await runner.stop(id, forgets: false) }
    }

    private func terminateCluster(_ command: Command, isLive: Bool) async {
        let catalog = current
        for query in catalog.allQueries { await runner.stop(query.id, forgets: true) }
        await deleteResults(of: catalog, command.deletedTopics)
        state.withLock { state in
            state.catalog = Catalog()
            state.queryProperties = [:]
            state.isTerminated = true
            state.isReady = true
            state.set(CommandStatus(status: .success, message: "Cluster terminated"), of: command.id)
        }
        do { try await log.deleteTopic() } catch {
            logger.warning("cannot delete the command topic", metadata: ["error": "\(error.message)"])
        }
    }

    /// Deletes topics that queries wrote, and their subjects. Those of plain CREATE were there before, or others read them.
    private func deleteResults(of catalog: Catalog, _ patterns: [String]) async {
        let patterns = TopicPatterns(patterns)
        var subjects: Set<String> = []
        var topics: Set<String> = []
        for source in catalog.sources.values where source.isResultOfQuery && patterns.match(source.topic) {
            topics.insert(source.topic)
            if source.keyFormat.info.format.usesRegistry { subjects.insert(source.topic + "-key") }
            if source.valueFormat.info.format.usesRegistry { subjects.insert(source.topic + "-value") }
        }
        for topic in topics.sorted() {
            do { try await cluster.deleteTopic(topic) } catch {
                if error.code != .unknownTopicOrPartition {
                    logger.warning(
                        "cannot delete a topic of the terminated cluster",
                        metadata: ["topic": "\(topic)", "error": "\(error.message)"])
                }
            }
        }
        await schemas?.source.delete(subjects.sorted(), logger)
    }

    // MARK: Headless

    /// Runs the statements of a file in place of a command topic.
    func runScript(_ text: String) async {
        do throws(KsqlFailure) {
            let statements: [ParsedStatement]
            do throws(SQLSyntaxError) { statements = try SQLParser.script(text) } catch { throw KsqlFailure(error) }
            var context = RequestContext()
            for (index, parsed) in statements.enumerated() {
                try await runScripted(parsed, &context, number: Int64(index))
            }
        } catch {
            logger.critical("the queries file cannot be run", metadata: ["reason": "\(error.message)"])
            state.withLock { $0.degradation = "the queries file cannot be run: \(error.message)" }
            return
        }
        await becomeReady()
    }

    private func runScripted(
        _ parsed: ParsedStatement, _ context: inout RequestContext, number: Int64
    ) async throws(KsqlFailure) {
        let parsed = try substitute(parsed, context)
        if try changes(&context, by: parsed) { return }
        guard let id = CommandID(parsed.statement, unique: String(number)) else {
            throw .badStatement("The statement is not supported in headless mode.", parsed.text)
        }
        let prepared = try await prepare(parsed, id, context, number: number, changing: current)
        // Queries start together, when the file has been read.
        _ = try await change(by: prepared.command)
    }
}
