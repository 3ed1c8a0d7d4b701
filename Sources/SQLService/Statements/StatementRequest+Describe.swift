import Bytes
import Cluster
import JSONFormat
import SQLFormats
import SQLPlan
import SQLRuntime
import SQLSyntax
import SQLTypes

/// DESCRIBE.
extension StatementRequest {
    func describe(
        _ subject: DescribeSubject, _ parsed: ParsedStatement, _ context: RequestContext
    ) async throws(KsqlFailure) -> JSONValue {
        switch subject {
        case .streams(let extended): return await descriptions(.stream, extended, parsed)
        case .tables(let extended): return await descriptions(.table, extended, parsed)
        case .function(let name): return try describe(function: name, parsed)
        case .connector(let name): return try await describeConnector(name, parsed)
        case .source(let name, let extended):
            let catalog = engine.current
            let source = try Self.source(name, catalog, parsed)
            let described = await description(of: source, catalog, await engine.sharedStatus(), extended: extended)
            return entity(
                "sourceDescription", parsed, [("sourceDescription", described.entity)], warnings: described.warnings)
        }
    }

    /// - Throws: 40001 with the nearest name, where there is none of that name.
    static func source(
        _ name: Identifier, _ catalog: Catalog, _ parsed: ParsedStatement
    ) throws(KsqlFailure) -> SourceDescription {
        if let source = catalog[name.text] { return source }
        let hint = nearestName(to: name.text, among: catalog.sourceNames)
        throw .badStatement(
            "Could not find STREAM/TABLE '\(name.text)' in the Metastore"
                + (hint.map { "\nDid you mean '\($0)'?" } ?? ""), parsed.text)
    }

    /// DESCRIBE STREAMS, SHOW TABLES EXTENDED and their like.
    func descriptions(_ kind: SourceKind, _ extended: Bool, _ parsed: ParsedStatement) async -> JSONValue {
        let catalog = engine.current
        let shared = await engine.sharedStatus()
        var list: [JSONValue] = []
        var warnings: [String] = []
        for name in catalog.sourceNames.sorted() {
            guard let source = catalog[name], source.kind == kind else { continue }
            let described = await description(of: source, catalog, shared, extended: extended)
            list.append(described.entity)
            warnings += described.warnings
        }
        return entity("source_descriptions", parsed, [("sourceDescriptions", .array(list))], warnings: warnings)
    }

    /// - Returns: what is known; where the topic cannot be looked at, zeros and a warning.
    func description(
        of source: SourceDescription, _ catalog: Catalog, _ shared: SharedStatus, extended: Bool
    ) async -> (entity: JSONValue, warnings: [String]) {
        let readers = catalog.queries(from: source.name)
        let writers = catalog.queries(into: source.name)
        var partitions: Int64 = 0
        var replicas: Int64 = 0
        var constraints: [String] = []
        var warnings: [String] = []
        do throws(ClusterError) {
            let topic = try await engine.cluster.topic(source.topic)
            partitions = Int64(topic.partitions.count)
            replicas = Int64(topic.partitions.first?.replicas.count ?? 0)
            constraints = catalog.dependents(of: source.name)
        } catch {
            warnings.append("Error from Kafka: Failed to Describe Kafka Topic(s): [\(source.topic)]: \(error.message)")
        }
        var statistics = ""
        var errors = ""
        var offsets: [JSONValue] = []
        var byHost: (statistics: [JSONValue], errors: [JSONValue]) = ([], [])
        if extended {
            // Of this node; those of all are told by host, where there are others.
            let own = shared.hosts.prefix(1).flatMap { $0.status?.queries ?? [] }
            func statuses(_ queries: [PersistentQuery]) -> [QueryStatus] {
                queries.compactMap { query in own.first { $0.id == query.id } }
            }
            statistics = Self.statistics(statuses(writers), statuses(readers))
            errors = Self.errors(statuses(writers + readers))
            offsets = writers.compactMap { shared.merged($0.id) }.map { self.offsets(of: $0) }
            if shared.hosts.count > 1 { byHost = Self.statistics(by: shared, writers, readers) }
        }
        let entity = JSONValue.object([
            ("name", .string(source.name)), ("windowType", .string(source.window?.kind.rawValue)),
            ("readQueries", .array(readers.map { json($0, shared) })),
            ("writeQueries", .array(writers.map { json($0, shared) })),
            ("fields", .array(source.columns.map { SchemaJSON.field($0) })),
            ("type", .string(source.kind.rawValue)), ("timestamp", .string(source.timestamp?.column ?? "")),
            ("statistics", .string(statistics)), ("errorStats", .string(errors)), ("extended", .bool(extended)),
            ("keyFormat", .string(source.keyFormat.info.format.rawValue)),
            ("valueFormat", .string(source.valueFormat.info.format.rawValue)), ("topic", .string(source.topic)),
            ("partitions", .number(partitions)), ("replication", .number(replicas)),
            ("statement", .string(source.statement)), ("queryOffsetSummaries", .array(offsets)),
            ("sourceConstraints", .array(constraints.map { .string($0) })),
            ("clusterStatistics", .array(byHost.statistics)), ("clusterErrorStats", .array(byHost.errors)),
        ])
        return (entity, warnings)
    }

    /// What was counted on each host: `{"name","host","value","timestamp"}` as the original has them.
    private static func statistics(
        by shared: SharedStatus, _ writers: [PersistentQuery], _ readers: [PersistentQuery]
    ) -> (statistics: [JSONValue], errors: [JSONValue]) {
        var statistics: [JSONValue] = []
        var errors: [JSONValue] = []
        for host in shared.hosts {
            func statuses(_ queries: [PersistentQuery]) -> [QueryStatus] {
                queries.compactMap { query in host.status?.queries.first { $0.id == query.id } }
            }
            func stat(_ name: String, _ counts: [Int], _ statuses: [QueryStatus]) -> JSONValue {
                .object([
                    ("name", .string(name)), ("host", .string(host.address)),
                    ("value", .number(Int64(counts.reduce(0, +)))),
                    ("timestamp", .number(statuses.compactMap(\.lastMessage).max() ?? 0)),
                ])
            }
            let (writing, reading) = (statuses(writers), statuses(readers))
            if !writing.isEmpty { statistics.append(stat("total-messages", writing.map(\.produced), writing)) }
            if !reading.isEmpty {
                statistics.append(stat("consumer-total-messages", reading.map(\.consumed), reading))
            }
            let all = writing + reading
            if all.contains(where: { $0.failed > 0 }) {
                errors.append(stat("total-failed", all.map(\.failed), all))
            }
        }
        return (statistics, errors)
    }

    /// Lines as the original's: what was counted, and when the last record came.
    private static func statistics(_ writers: [QueryStatus], _ readers: [QueryStatus]) -> String {
        var lines: [String] = []
        if !writers.isEmpty { lines.append(line("total-messages", writers.map(\.produced), writers)) }
        if !readers.isEmpty { lines.append(line("consumer-total-messages", readers.map(\.consumed), readers)) }
        return lines.joined(separator: "\n")
    }

    private static func errors(_ statuses: [QueryStatus]) -> String {
        let failed = statuses.map(\.failed).reduce(0, +)
        return failed == 0 ? "" : "total-failed: \(failed)"
    }

    private static func line(_ name: String, _ counts: [Int], _ statuses: [QueryStatus]) -> String {
        let last = statuses.compactMap(\.lastMessage).max()
        return "\(name): \(counts.reduce(0, +))"
            + (last.map { "     last-message: \(SQLText.text(of: .timestamp($0), type: .timestamp))" } ?? "")
    }

    func groupID(_ query: String) -> String { "_confluent-ksql-\(engine.settings.serviceID)query_\(query)" }

    private func offsets(of status: QueryStatus) -> JSONValue {
        var topics: [String] = []
        for position in status.positions where !topics.contains(position.topic) { topics.append(position.topic) }
        let summaries = topics.map { topic in
            let partitions = status.positions.filter { $0.topic == topic }.sorted { $0.partition < $1.partition }
            return JSONValue.object([
                ("kafkaTopic", .string(topic)),
                (
                    "offsets",
                    .array(
                        partitions.map {
                            .object([
                                ("partition", .number(Int64($0.partition))), ("logStartOffset", .number($0.start)),
                                ("logEndOffset", .number($0.end)), ("consumerOffset", .number(max($0.committed, 0))),
                            ])
                        })
                ),
            ])
        }
        return .object([("groupId", .string(groupID(status.id))), ("topicSummaries", .array(summaries))])
    }
}
