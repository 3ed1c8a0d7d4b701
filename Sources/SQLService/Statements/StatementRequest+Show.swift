import Bytes
import Cluster
import JSONFormat
import SQLFormats
import SQLFunctions
import SQLPlan
import SQLRuntime
import SQLSyntax
import Synchronization

/// SHOW, LIST.
extension StatementRequest {
    func show(
        _ subject: ShowSubject, _ parsed: ParsedStatement, _ context: RequestContext
    ) async throws(KsqlFailure) -> JSONValue {
        switch subject {
        case .streams(let extended): return await sources(.stream, extended, parsed)
        case .tables(let extended): return await sources(.table, extended, parsed)
        case .topics(let all, let extended): return try await topics(all: all, extended: extended, parsed)
        case .queries(let extended): return await queries(extended, parsed)
        case .functions: return functions(parsed)
        case .types:
            let types = engine.current.types.sorted { $0.key < $1.key }
            return entity(
                "type_list", parsed, [("types", .object(types.map { ($0.key, SchemaJSON.schema($0.value)) }))])
        case .properties: return properties(parsed, context)
        case .variables:
            let variables = context.variableNames.sorted { $0.key < $1.key }
            return entity(
                "variables", parsed,
                [
                    (
                        "variables",
                        .array(
                            variables.map { .object([("name", .string($0.key)), ("value", .string($0.value))]) })
                    )
                ])
        case .connectors(let kind): return try await connectors(kind, parsed)
        case .connectorPlugins: return try await connectorPlugins(parsed)
        }
    }

    // MARK: Streams and tables

    private func sources(_ kind: SourceKind, _ extended: Bool, _ parsed: ParsedStatement) async -> JSONValue {
        if extended { return await descriptions(kind, true, parsed) }
        let catalog = engine.current
        let found = catalog.sourceNames.sorted().compactMap { catalog[$0] }.filter { $0.kind == kind }
        let list = found.map { source in
            JSONValue.object([
                ("type", .string(kind.rawValue)), ("name", .string(source.name)), ("topic", .string(source.topic)),
                ("keyFormat", .string(source.keyFormat.info.format.rawValue)),
                ("valueFormat", .string(source.valueFormat.info.format.rawValue)),
                ("isWindowed", .bool(source.isWindowed)),
            ])
        }
        let name = kind == .stream ? "streams" : "tables"
        return entity(name, parsed, [(name, .array(list))])
    }

    // MARK: Topics

    private var hiddenTopics: TopicPatterns {
        TopicPatterns(["_confluent-ksql-.*"] + TopicPatterns.texts("ksql.hidden.topics", engine.settings))
    }

    private func topics(
        all: Bool, extended: Bool, _ parsed: ParsedStatement
    ) async throws(KsqlFailure) -> JSONValue {
        let found: [TopicDescription]
        var consumers: [String: (partitions: Int, groups: Int)] = [:]
        do {
            found = try await engine.cluster.topics()
            if extended { consumers = try await self.consumers() }
        } catch { throw .server("Failed to list the topics: \(error.message)", parsed.text) }
        let hidden = hiddenTopics
        let list = found.filter { all || !hidden.match($0.name) && !$0.isInternal }.map { topic in
            var members: [(String, JSONValue)] = [
                ("name", .string(topic.name)),
                ("replicaInfo", .array(topic.partitions.map { .number(Int64($0.replicas.count)) })),
            ]
            if extended {
                let counts = consumers[topic.name] ?? (0, 0)
                members.append(("consumerCount", .number(Int64(counts.partitions))))
                members.append(("consumerGroupCount", .number(Int64(counts.groups))))
            }
            return JSONValue.object(members)
        }
        return entity(extended ? "kafka_topics_extended" : "kafka_topics", parsed, [("topics", .array(list))])
    }

    /// Of each topic, how many of its partitions are read at the moment, counted by group, and by how many groups.
    private func consumers() async throws(ClusterError) -> [String: (partitions: Int, groups: Int)] {
        var readers: [String: [String: Int]] = [:]
        for listing in try await engine.cluster.groups() {
            for member in try await engine.cluster.group(listing.id).members {
                for partition in member.assignment {
                    readers[partition.topic, default: [:]][listing.id, default: 0] += 1
                }
            }
        }
        let active = Set(readers.values.flatMap(\.keys))
        // A query that one node runs alone reads without being a member of its group.
        for status in await engine.runner.statuses() where status.state != .error {
            let group = groupID(status.id)
            guard !active.contains(group) else { continue }
            for position in status.positions { readers[position.topic, default: [:]][group, default: 0] += 1 }
        }
        return readers.mapValues { groups in (groups.values.reduce(0, +), groups.count) }
    }

    // MARK: Queries

    func state(of query: PersistentQuery, _ status: QueryStatus?) -> String {
        if engine.state.withLock({ $0.startFailures[query.id] }) != nil { return "ERROR" }
        if let status { return status.state.rawValue }
        return query.isPaused ? "PAUSED" : "CREATED"
    }

    /// The states of a query on all hosts, this one first.
    func states(of query: PersistentQuery, _ shared: SharedStatus) -> [(address: String, state: String)] {
        let own = shared.hosts.first?.status?.queries.first { $0.id == query.id }
        return shared.states(of: query, own: state(of: query, own))
    }

    func json(_ query: PersistentQuery, _ shared: SharedStatus) -> JSONValue {
        let states = states(of: query, shared).map(\.state)
        var counts: [(String, JSONValue)] = []
        for state in states where !counts.contains(where: { $0.0 == state }) {
            counts.append((state, .number(Int64(states.count { $0 == state }))))
        }
        let sink = query.plan.sinkName
        let topic = sink.flatMap { engine.current[$0]?.topic }
        return .object([
            ("queryString", .string(query.statement)), ("sinks", .array(sink.map { [.string($0)] } ?? [])),
            ("sinkKafkaTopics", .array(topic.map { [.string($0)] } ?? [])), ("id", .string(query.id)),
            ("statusCount", .object(counts)), ("queryType", .string("PERSISTENT")),
            ("state", .string(SharedStatus.state(of: states))),
        ])
    }

    private func queries(_ extended: Bool, _ parsed: ParsedStatement) async -> JSONValue {
        let catalog = engine.current
        let shared = await engine.sharedStatus()
        if extended {
            let descriptions = catalog.allQueries.map { description(of: $0, shared, catalog) }
            return entity("query_descriptions", parsed, [("queryDescriptions", .array(descriptions))])
        }
        var list = catalog.allQueries.map { json($0, shared) }
        list += shared.hosts.flatMap { $0.status?.clients ?? [] }.map { entry in
            .object([
                ("queryString", .string(entry.statement)), ("sinks", .array([])), ("sinkKafkaTopics", .array([])),
                ("id", .string(entry.id)), ("statusCount", .object([("RUNNING", .number(1))])),
                ("queryType", .string("PUSH")), ("state", .string("RUNNING")),
            ])
        }
        return entity("queries", parsed, [("queries", .array(list))])
    }

    // MARK: Functions

    private func functions(_ parsed: ParsedStatement) -> JSONValue {
        let catalog = engine.functions
        let list = catalog.listing.map { name, category -> JSONValue in
            let type =
                switch catalog.kind(of: name) {
                case .aggregate: "AGGREGATE"
                case .table: "TABLE"
                default: "SCALAR"
                }
            return .object([
                ("name", .string(name)), ("type", .string(type)), ("category", .string(category.rawValue)),
            ])
        }
        return entity("function_names", parsed, [("functions", .array(list))])
    }

    func describe(function name: Identifier, _ parsed: ParsedStatement) throws(KsqlFailure) -> JSONValue {
        let catalog = engine.functions
        let key = name.text.uppercased()
        var variations: [JSONValue] = []
        let overview: String
        let type: String
        let category: FunctionCategory
        func add(_ parameters: [FunctionParameter], _ variadicAt: Int?, _ returns: String, _ description: String) {
            let arguments = parameters.enumerated().map { index, parameter in
                JSONValue.object([
                    ("name", .string(parameter.name)), ("type", .string(parameter.type.description)),
                    ("description", .string("")), ("isVariadic", .bool(index == variadicAt)),
                ])
            }
            variations.append(
                .object([
                    ("arguments", .array(arguments)), ("returnType", .string(returns)),
                    ("description", .string(description)),
                ]))
        }
        if let function = catalog.scalars[key] {
            (overview, type, category) = (function.description, "SCALAR", function.category)
            for overload in function.overloads {
                var returns = ""
                if case .type(let type) = overload.result { returns = type.description }
                add(overload.parameters, overload.variadicAt, returns, overload.description)
            }
        } else if let function = catalog.aggregates[key] {
            (overview, type, category) = (function.description, "AGGREGATE", .aggregate)
            for overload in function.overloads {
                add(overload.parameters, overload.variadicAt, overload.returns, overload.description)
            }
        } else if let function = catalog.tables[key] {
            (overview, type, category) = (function.description, "TABLE", .table)
            for overload in function.overloads {
                add(overload.parameters, nil, overload.result.description, function.description)
            }
        } else {
            throw .badStatement(FunctionCatalog.unknown(name.text).message, parsed.text)
        }
        return entity(
            "describe_function", parsed,
            [
                ("name", .string(key)), ("description", .string(overview)), ("author", .string("Swiftwater")),
                ("version", .string("")), ("path", .string("internal")), ("type", .string(type)),
                ("functions", .array(variations)), ("category", .string(category.rawValue)),
            ])
    }

    // MARK: Properties

    private func properties(_ parsed: ParsedStatement, _ context: RequestContext) -> JSONValue {
        let server = engine.serverProperties
        var values: [String: (value: String, isDefault: Bool)] = [:]
        for definition in PropertyCatalog.server { values[definition.name] = (definition.defaultValue, true) }
        for definition in PropertyCatalog.streams {
            values["ksql.streams." + definition.name] = (definition.defaultValue, true)
        }
        for (name, value) in server { values[name] = (value, false) }
        var overwritten: [String] = []
        for (name, value) in context.properties {
            let full =
                PropertyCatalog.streams.contains { $0.name == name } ? "ksql.streams." + name : name
            values[full] = (value, false)
            overwritten.append(full)
        }
        let sorted = values.sorted { $0.key < $1.key }
        let list = sorted.map { name, entry -> JSONValue in
            let isStreams = name.hasPrefix("ksql.streams.")
            return .object([
                ("name", .string(name)), ("scope", .string(isStreams ? "KAFKA STREAMS" : "KSQL")),
                (
                    "value",
                    .string(
                        PropertyCatalog.isSecret(name) && !entry.value.isEmpty
                            ? "[hidden]" : HTTPAddress.hidingPasswords(entry.value))
                ),
                ("editable", .bool(PropertyCatalog.definition(name)?.isEditable ?? isStreams)),
                ("level", .string("SERVER")),
            ])
        }
        return entity(
            "properties", parsed,
            [
                ("properties", .array(list)),
                ("overwrittenProperties", .array(overwritten.sorted().map { .string($0) })),
                ("defaultProperties", .array(sorted.filter(\.value.isDefault).map { .string($0.key) })),
            ])
    }
}
