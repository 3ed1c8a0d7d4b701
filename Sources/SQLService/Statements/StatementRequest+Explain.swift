import Environment
import JSONFormat
import SQLFormats
import SQLPlan
import SQLRuntime
import SQLSyntax
import SQLTypes
import StreamEngine
import Synchronization

/// EXPLAIN, EXPLAIN ANALYZE, and what CREATE OR REPLACE would do.
extension StatementRequest {
    func explain(
        _ explain: Explain, _ parsed: ParsedStatement, _ context: RequestContext
    ) async throws(KsqlFailure) -> JSONValue {
        let catalog = engine.current
        switch explain.subject {
        case .query(let id) where catalog.queries[id.text] != nil:
            guard let query = catalog.queries[id.text] else { break }
            let shared = await engine.sharedStatus()
            return entity(
                "queryDescription", parsed,
                [
                    (
                        "queryDescription",
                        description(of: query, shared, catalog, analysis: explain.isAnalyze)
                    )
                ])
        default: break
        }
        let engine = engine
        let (explained, upgrade) = try await engine.work {
            () throws(KsqlFailure) -> (ExplainedPlan?, JSONValue?) in
            let tried = TriedSurroundings(
                ClusterTopics(engine.cluster), engine.schemas.map { StatementSchemas(schemas: $0) })
            let environment = engine.environment(
                engine.configuration(context), topics: tried.topics, registry: tried.registry)
            let executor = StatementExecutor(environment)
            do throws(PlanError) {
                guard case .statement(let statement) = explain.subject else {
                    return (try executor.explained(explain, in: catalog), nil)
                }
                let upgrade = UpgradeVerdict.of(statement, executor, catalog, isAsked: explain.isUpgrade)
                do throws(PlanError) { return (try executor.explained(explain, in: catalog), upgrade) } catch {
                    // The verdict says what is wrong; a definition without a query has no plan.
                    guard explain.isUpgrade else { throw error }
                    return (nil, upgrade)
                }
            } catch { throw KsqlFailure(error, parsed.text) }
        }
        let statement: Statement? = if case .statement(let statement) = explain.subject { statement } else { nil }
        let sink: String? =
            switch statement {
            case .createSourceAs(let create)?: create.name.text
            case .createSource(let create)?: create.name.text
            case .insertInto(let insert)?: insert.target.text
            default: nil
            }
        let text = explained?.plan.explanation ?? ""
        let id = explained?.plan.id ?? ""
        var members: [(String, JSONValue)] = [
            ("id", .string(id)), ("statementText", .string(Self.subjectText(explain, parsed.text))),
            ("windowType", .string(explained?.window?.kind.rawValue)),
            ("fields", .array((explained?.columns ?? []).map { SchemaJSON.field($0) })),
            ("sources", .array((statement.map(Self.sources) ?? []).map { .string($0) })),
            ("sinks", .array(sink.map { [.string($0)] } ?? [])), ("topology", .string(text)),
            ("executionPlan", .string(text)),
            (
                "overriddenProperties",
                .object(context.properties.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
            ),
            ("ksqlHostQueryStatus", .object([])), ("queryType", .string(sink == nil ? "PUSH" : "PERSISTENT")),
            ("queryErrors", .array([])), ("tasksMetadata", .array([])),
            ("consumerGroupId", .string(sink == nil || id.isEmpty ? nil : groupID(id))), ("state", .null),
        ]
        if let upgrade { members.append(("upgrade", upgrade)) }
        if explain.isAnalyze {
            members.append(
                ("analysis", .object([("summary", .string("The statement does not run: there is nothing to count."))])))
        }
        return entity("queryDescription", parsed, [("queryDescription", .object(members))])
    }

    /// The statement that is explained, as it is written.
    private static func subjectText(_ explain: Explain, _ text: String) -> String {
        var rest = text.dropFirst("EXPLAIN".count)
        if explain.isAnalyze {
            rest = rest.drop(while: \.isWhitespace).dropFirst("ANALYZE".count)
        }
        return String(rest.drop(while: \.isWhitespace))
    }

    private static func sources(of statement: Statement) -> [String] {
        let query: Query
        switch statement {
        case .query(let select): query = select
        case .createSourceAs(let create): query = create.query
        case .insertInto(let insert): query = insert.query
        default: return []
        }
        return query.from.sources.map(\.name.text)
    }

    func description(
        of query: PersistentQuery, _ shared: SharedStatus, _ catalog: Catalog, analysis: Bool = false
    ) -> JSONValue {
        let plan = query.plan
        let status = shared.merged(query.id)
        let states = states(of: query, shared)
        let state = SharedStatus.state(of: states.map(\.state))
        let sink = plan.sinkName.flatMap { catalog[$0] }
        var errors = (status?.errors ?? []).map { error in
            JSONValue.object([
                ("timestamp", .number(error.timestamp)), ("errorMessage", .string(error.message)),
                ("type", .string("UNKNOWN")),
            ])
        }
        if let failure = engine.state.withLock({ $0.startFailures[query.id] }) {
            errors.append(
                .object([
                    ("timestamp", .number(SystemWallClock().now())), ("errorMessage", .string(failure)),
                    ("type", .string("SYSTEM")),
                ]))
        }
        let own = engine.properties(ofQuery: query.id)
        let overridden = own.filter { engine.settings.properties[$0.key] != $0.value }
        let text = plan.explanation
        var members: [(String, JSONValue)] = [
            ("id", .string(query.id)), ("statementText", .string(query.statement)),
            ("windowType", .string(sink?.window?.kind.rawValue)),
            ("fields", .array((sink?.columns ?? []).map { SchemaJSON.field($0) })),
            ("sources", .array(plan.sourceNames.map { .string($0) })),
            ("sinks", .array(plan.sinkName.map { [.string($0)] } ?? [])), ("topology", .string(text)),
            ("executionPlan", .string(text)),
            (
                "overriddenProperties",
                .object(
                    PropertyCatalog.withoutSecrets(overridden).sorted { $0.key < $1.key }.map {
                        ($0.key, .string($0.value))
                    })
            ),
            ("ksqlHostQueryStatus", .object(states.map { ($0.address, .string($0.state)) })),
            ("queryType", .string("PERSISTENT")), ("queryErrors", .array(errors)),
            ("tasksMetadata", .array(Self.tasks(status))), ("consumerGroupId", .string(groupID(query.id))),
            ("state", .string(state)),
        ]
        if analysis { members.append(("analysis", QueryAnalysisReport.json(query, status, own))) }
        return .object(members)
    }

    private static func tasks(_ status: QueryStatus?) -> [JSONValue] {
        guard let status else { return [] }
        let partitions = Set(status.positions.map(\.partition)).sorted()
        return partitions.map { partition in
            .object([
                ("taskId", .string("0_\(partition)")), ("stateStores", .array([])),
                (
                    "topicOffsets",
                    .array(
                        status.positions.filter { $0.partition == partition }.map {
                            .object([
                                (
                                    "topicPartitionEntity",
                                    .object([
                                        ("topic", .string($0.topic)), ("partition", .number(Int64($0.partition))),
                                    ])
                                ), ("endOffset", .number($0.end)), ("committedOffset", .number($0.committed)),
                            ])
                        })
                ),
            ])
        }
    }
}

/// What EXPLAIN ANALYZE tells: counters of each step, and why there is no output.
enum QueryAnalysisReport {
    static func json(_ query: PersistentQuery, _ status: QueryStatus?, _ properties: [String: String]) -> JSONValue {
        let steps = (status?.steps ?? []).map { step in
            let counters = step.counters
            return JSONValue.object([
                ("name", .string(step.name)), ("operation", .string(step.operation)),
                ("in", .number(Int64(counters.input))), ("out", .number(Int64(counters.output))),
                ("filtered", .number(Int64(counters.filtered))), ("late", .number(Int64(counters.late))),
                ("failed", .number(Int64(counters.failed))), ("unmatched", .number(Int64(counters.unmatched))),
                ("stateRows", .number(Int64(counters.stateRows))),
                ("stateBytes", .number(Int64(counters.stateBytes))),
            ])
        }
        let positions = (status?.positions ?? []).map {
            JSONValue.object([
                ("topic", .string($0.topic)), ("partition", .number(Int64($0.partition))),
                ("committed", .number($0.committed)), ("start", .number($0.start)), ("end", .number($0.end)),
                ("lag", .number($0.lag)),
            ])
        }
        return .object([
            ("summary", .string(summary(query, status, properties))), ("steps", .array(steps)),
            ("positions", .array(positions)), ("consumed", .number(Int64(status?.consumed ?? 0))),
            ("produced", .number(Int64(status?.produced ?? 0))), ("failed", .number(Int64(status?.failed ?? 0))),
            ("stateBytes", .number(Int64(status?.stateBytes ?? 0))),
            ("streamTime", status?.streamTime.map { .number($0) } ?? .null),
        ])
    }

    /// One sentence or two.
    static func summary(_ query: PersistentQuery, _ status: QueryStatus?, _ properties: [String: String]) -> String {
        guard let status else { return "The query does not run here: it is being started, or could not be." }
        switch status.state {
        case .paused: return "The query is paused: RESUME \(query.id); lets it go on."
        case .error:
            return "The query stopped with an error" + (status.errors.last.map { ": \($0.message)" } ?? ".")
        case .rebalancing: return "The query is reading its state back, and goes on when it has it."
        case .running: break
        }
        if status.produced > 0 {
            let lag = status.positions.map(\.lag).reduce(0, +)
            return "The query has read \(status.consumed) records and written \(status.produced)"
                + (lag > 0 ? "; \(lag) records wait to be read." : ", and has read everything that is there.")
        }
        let topics = status.positions.map(\.topic).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        let list = topics.joined(separator: ", ")
        if status.consumed == 0 {
            if status.positions.allSatisfy({ $0.end == $0.start }) {
                return
                    "There is no output because there are no records in \(topics.count == 1 ? "topic" : "topics") \(list)."
            }
            let lag = status.positions.map(\.lag).reduce(0, +)
            if lag > 0 { return "There is no output yet: \(lag) records of \(list) wait to be read." }
            let reset = SQLConfiguration(properties)["auto.offset.reset"] ?? "latest"
            if reset == "latest" {
                return
                    "There is no output because all records of \(list) were there before the query began, and it began at "
                    + "the end (auto.offset.reset is latest): SET 'auto.offset.reset'='earliest'; and create it again to "
                    + "have them."
            }
            return "There is no output because no record has been read since the query was started."
        }
        if status.failed >= status.consumed {
            return
                "There is no output because none of the \(status.consumed) records could be read: the processing log tells "
                + "why" + (status.errors.last.map { ", the last time: \($0.message)" } ?? ".")
        }
        for step in status.steps where step.counters.input > 0 && step.counters.output == 0 {
            return because(step)
        }
        return "There is no output: \(status.consumed) records were read, and their results are not committed yet."
    }

    private static func because(_ step: QueryStatus.Step) -> String {
        let counters = step.counters
        let all = counters.input
        let start = "There is no output because step \(step.name) (\(step.operation)) "
        let reasons = [
            (counters.filtered, "has let none of its \(all) records through: its condition was true for none of them."),
            (
                counters.unmatched,
                "has found no partner for its \(all) records: no key of one side is on the other yet."
            ),
            (counters.late, "came too late for \(counters.late) of its \(all) records: their windows were closed."),
            (counters.failed, "failed for \(counters.failed) of its \(all) records: the processing log tells why."),
        ]
        if let reason = reasons.max(by: { $0.0 < $1.0 }), reason.0 > 0 { return start + reason.1 }
        if counters.stateRows > 0 {
            return start
                + "keeps \(counters.stateRows) rows back: results of a window with EMIT FINAL come when a record "
                + "with a time after its end and grace arrives."
        }
        return start + "has given nothing for its \(all) records."
    }
}
