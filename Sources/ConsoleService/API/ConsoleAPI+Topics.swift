import Administration
import Cluster
import HTTPKit
import HTTPTypes
import JSONFormat

/// Topics: the list, one of them, and what is changed of them.
extension ConsoleAPI {
    func addTopics(_ router: inout HTTPRouter) {
        let console = console
        on(.get, "/api/topics", &router) { _ in .json(try await Self.topics(console)) }
        on(.post, "/api/topics", &router) { call in
            let body = try await call.json()
            guard let name = body["name"]?.text, !name.isEmpty else {
                throw HTTPFailure(.badRequest, "the body is like {\"name\": \"ratings\", \"partitions\": 4}")
            }
            var topic = NewTopic(name)
            topic.partitionCount = try Self.number(body, "partitions").map { Int32(clamping: $0) }
            topic.replicationFactor = try Self.number(body, "replication_factor").map { Int16(clamping: $0) }
            topic.configs = try Self.texts(body["configs"])
            try await console.cluster.createTopic(topic, validateOnly: false)
            await console.sampler.refresh()
            return .json(.object([("name", .string(name))]), status: .created)
        }
        on(.get, "/api/topics/{topic}", &router) { call in
            .json(try await Self.topic(call.parameter("topic"), console))
        }
        on(.delete, "/api/topics/{topic}", &router) { call in
            try await console.cluster.deleteTopic(call.parameter("topic"))
            await console.sampler.refresh()
            return .empty()
        }
        on(.patch, "/api/topics/{topic}/configs", &router) { call in
            let body = try await call.json()
            let set = try Self.texts(body["set"]).sorted { $0.key < $1.key }.map {
                ConfigChange($0.key, .set($0.value))
            }
            let reset = (body["delete"]?.elements ?? []).compactMap(\.text).map { ConfigChange($0, .reset) }
            guard !set.isEmpty || !reset.isEmpty else {
                throw HTTPFailure(
                    .badRequest, "the body is like {\"set\": {\"retention.ms\": \"1000\"}, \"delete\": []}")
            }
            let topic = call.parameter("topic")
            try await console.cluster.alterConfigs(of: .topic(topic), set + reset, validateOnly: false)
            await console.policies.forget()
            return .json(.object([("configs", try await Self.configs(topic, console))]))
        }
        on(.post, "/api/topics/{topic}/partitions", &router) { call in
            guard let count = try Self.number(try await call.json(), "count").flatMap({ Int32(exactly: $0) }) else {
                throw HTTPFailure(.badRequest, "the body is like {\"count\": 8}")
            }
            try await console.cluster.addPartitions(topic: call.parameter("topic"), total: count, validateOnly: false)
            await console.sampler.refresh()
            return .json(.object([("count", .number(Int64(count)))]))
        }
        on(.post, "/api/topics/{topic}/truncate", &router) { call in
            let topic = call.parameter("topic")
            let body = try await call.json()
            guard let wanted = (body["partitions"] ?? body).members, !wanted.isEmpty else {
                throw HTTPFailure(.badRequest, "the body is like {\"0\": 120, \"1\": null}: null deletes all records")
            }
            var starts: [(String, JSONValue)] = []
            for (text, offset) in wanted {
                guard let partition = Int32(text) else {
                    throw HTTPFailure(.badRequest, "'\(text)' is no number of a partition")
                }
                let start = try await console.cluster.deleteRecords(
                    TopicPartition(topic, partition), before: offset.integer)
                starts.append((text, .number(start)))
            }
            await console.sampler.refresh()
            return .json(.object([("start_offsets", .object(starts))]))
        }
    }

    // MARK: Answers

    private static func topics(_ console: Console) async throws -> JSONValue {
        let sample = try await console.sampler.sample()
        let policies = await console.policies.of(sample.topics.map(\.name), in: console.cluster)
        var sizes: [String: Int64] = [:]
        for (partition, size) in sample.sizes?.byteCounts ?? [:] { sizes[partition.topic, default: 0] += size }
        return .array(
            sample.topics.map { topic in
                .object([
                    ("name", .string(topic.name)), ("internal", .bool(topic.isInternal)),
                    ("partitions", .number(Int64(topic.partitions.count))),
                    ("replication_factor", .number(Int64(topic.partitions.first?.replicas.count ?? 0))),
                    ("messages", .number(sample.messageCount(topic))),
                    ("log_bytes", sample.sizes == nil ? .null : .number(sizes[topic.name] ?? 0)),
                    ("cleanup_policy", .string(policies[topic.name])),
                    ("rate", rate(sample.rates[topic.name])),
                ])
            })
    }

    private static func topic(_ name: String, _ console: Console) async throws -> JSONValue {
        let topic = try await console.cluster.topic(name)
        let partitions = topic.partitions.filter { $0.leader != nil }.map { TopicPartition(name, $0.partition) }
        func offsets(_ position: LogPosition) async throws(ClusterError) -> [TopicPartition: Int64] {
            try await console.cluster.offsets(
                Dictionary(partitions.map { ($0, position) }) { first, _ in first }, isolation: .readUncommitted)
        }
        let (starts, ends) = (try await offsets(.beginning), try await offsets(.end))
        let sizes = try await console.cluster.logSizes(of: [name: topic.partitions.map(\.partition)])
        let sample = try await console.sampler.sample()
        return .object([
            ("name", .string(name)), ("internal", .bool(topic.isInternal)),
            ("rate", rate(sample.rates[name])),
            (
                "partitions",
                .array(
                    topic.partitions.map { partition in
                        let place = TopicPartition(name, partition.partition)
                        return .object([
                            ("id", .number(Int64(partition.partition))),
                            ("leader", partition.leader.map { .number(Int64($0)) } ?? .null),
                            ("replicas", .array(partition.replicas.map { .number(Int64($0)) })),
                            ("in_sync_replicas", .array(partition.inSyncReplicas.map { .number(Int64($0)) })),
                            ("start_offset", starts[place].map { .number($0) } ?? .null),
                            ("end_offset", ends[place].map { .number($0) } ?? .null),
                            ("log_bytes", sizes?.byteCounts[place].map { .number($0) } ?? .null),
                        ])
                    })
            ),
            ("configs", try await configs(name, console)),
            (
                "groups",
                .array(
                    sample.groups.values.filter { $0.lags[name] != nil }.sorted { $0.id < $1.id }.map { group in
                        .object([("id", .string(group.id)), ("lag", .number(group.lags[name] ?? 0))])
                    })
            ),
        ])
    }

    private static func configs(_ topic: String, _ console: Console) async throws(ClusterError) -> JSONValue {
        let entries = try await console.cluster.configs(of: .topic(topic))
        let texts = try await console.cluster.configDocumentation(ofTopic: topic)
        return .array(
            entries.map { entry in
                let source =
                    switch entry.source {
                    case .dynamicTopic: "topic"
                    case .defaultConfig: "default"
                    default: "broker"
                    }
                return .object([
                    ("name", .string(entry.name)), ("value", .string(entry.value)), ("source", .string(source)),
                    ("default", .bool(entry.source != .dynamicTopic)),
                    ("default_value", .string(entry.source == .dynamicTopic ? inherited(entry) : entry.value)),
                    ("sensitive", .bool(entry.isSensitive)), ("read_only", .bool(entry.isReadOnly)),
                    ("documentation", .string(texts[entry.name] ?? "")),
                ])
            })
    }

    /// What holds when the topic's own value is taken away. The broker may have it in a coarser unit.
    static func inherited(_ entry: ConfigEntry) -> String? {
        guard let synonym = entry.synonyms.first(where: { $0.source != .dynamicTopic }) else { return nil }
        let unit: Int64? =
            synonym.name.hasSuffix(".hours") ? 3_600_000 : synonym.name.hasSuffix(".minutes") ? 60_000 : nil
        guard let unit, entry.name.hasSuffix(".ms"), let text = synonym.value,
            let number = Int64(text.filter { !$0.isWhitespace })
        else { return synonym.value }
        return number < 0 ? "-1" : String(number.multipliedReportingOverflow(by: unit).partialValue)
    }

    // MARK: Values

    /// Records per second, with one digit; null while it is not known.
    static func rate(_ rate: Double?) -> JSONValue {
        guard let rate, rate.isFinite else { return .null }
        let tenths = Int64((rate * 10).rounded())
        return tenths.isMultiple(of: 10) ? .number(tenths / 10) : .raw(Array("\(tenths / 10).\(tenths % 10)".utf8))
    }

    /// A member that is a whole number, or its text.
    static func number(_ body: JSONValue, _ name: String) throws(HTTPFailure) -> Int64? {
        guard let value = body[name] else { return nil }
        switch value {
        case .null: return nil
        case .number(let number): return number
        case .string(let text) where Int64(text) != nil: return Int64(text)
        default: throw HTTPFailure(.badRequest, "\(name) is a whole number")
        }
    }

    /// An object of texts; numbers and flags are taken as they are written.
    static func texts(_ value: JSONValue?) throws(HTTPFailure) -> [String: String] {
        var texts: [String: String] = [:]
        for (name, value) in value?.members ?? [] {
            switch value {
            case .null: continue
            case .array, .object: throw HTTPFailure(.badRequest, "the value of \(name) is a text")
            default: texts[name] = value.text ?? String(decoding: value.bytes, as: UTF8.self)
            }
        }
        return texts
    }
}
