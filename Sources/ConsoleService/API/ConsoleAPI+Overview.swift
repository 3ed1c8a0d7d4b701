import Administration
import Bytes
import Cluster
import HTTPKit
import HTTPTypes
import JSONFormat
import Observability

/// How everything is, and what needs attention.
extension ConsoleAPI {
    func addOverview(_ router: inout HTTPRouter) {
        let console = console
        on(.get, "/api/overview", &router) { _ in .json(await Self.overview(console)) }
        on(.get, "/api/lineage", &router) { _ in
            async let surroundings = console.surroundings.now()
            let sample = try await console.sampler.sample()
            return .json(Lineage(sample, await surroundings).json)
        }
        on(.get, "/api/events", &router) { call in
            let wanted = call.query("topics").map { Set($0.split(separator: ",").map(String.init)) }
            return ServerEvents.answer { writer in
                await console.sampler.watch()
                do {
                    try await Self.tell(&writer, wanted, console)
                } catch {
                    await console.sampler.unwatch()
                    throw error
                }
                await console.sampler.unwatch()
            }
        }
    }

    /// Rates each second, until the client is gone.
    private static func tell(
        _ writer: inout HTTPBodyWriter, _ wanted: Set<String>?, _ console: Console
    ) async throws {
        try await writer.write(": rates\n\n")
        while true {
            let event: String
            do throws(ClusterError) {
                event = ServerEvents.event("rates", rates(try await console.sampler.sample(), wanted))
            } catch {
                event = ServerEvents.event("problem", .object([("message", .string(error.message))]))
            }
            try await writer.write(event)
            try await Task.sleep(for: .seconds(1))
        }
    }

    static func rates(_ sample: Sample, _ wanted: Set<String>?) -> JSONValue {
        // Of all topics only those where something moves, as there may be thousands.
        let topics = sample.topics.filter { topic in
            wanted?.contains(topic.name) ?? ((sample.rates[topic.name] ?? 0) > 0)
        }
        return .object([
            ("time", .number(sample.time)), ("messages_in_per_s", rate(sample.messageRate)),
            ("bytes_in_per_s", rate(sample.byteRate)),
            (
                "topics",
                .object(
                    topics.map { topic in
                        (
                            topic.name,
                            .object([
                                ("rate", rate(sample.rates[topic.name])), ("end", .number(sample.end(topic))),
                            ])
                        )
                    })
            ),
            (
                "groups",
                .object(
                    sample.groups.values.sorted { $0.id < $1.id }.map { group in
                        (group.id, .object([("lag", .number(group.lag))]))
                    })
            ),
        ])
    }

    private static func overview(_ console: Console) async -> JSONValue {
        async let asked = console.surroundings.now()
        var sample: Sample?
        var problem: String?
        do throws(ClusterError) { sample = try await console.sampler.sample() } catch { problem = error.message }
        let surroundings = await asked
        var health: [JSONValue] = [service("kafka", problem, console.settings.kafkaAddress)]
        for upstream in ConsoleUpstream.allCases {
            let addresses = console.settings.addresses(upstream)
            if addresses.isEmpty {
                health.append(
                    .object([
                        ("service", .string(upstream.rawValue)), ("state", .string("absent")),
                        ("detail", .string(upstream.hint)),
                    ]))
            } else {
                health.append(
                    service(
                        upstream.rawValue, surroundings.problems[upstream],
                        addresses.map(\.description).joined(separator: ",")))
            }
        }
        let attention = Attention.list(sample, surroundings, brokerProblem: problem)
        func number(_ value: Int64?) -> JSONValue { value.map { .number($0) } ?? .null }
        let partitions = sample.map { sample in sample.topics.reduce(0) { $0 + $1.partitions.count } }
        return .object([
            ("health", .array(health)),
            (
                "totals",
                .object([
                    ("topics", number(sample.map { Int64($0.topics.count) })),
                    ("partitions", number(partitions.map { Int64($0) })),
                    ("groups", number(sample.map { Int64($0.groups.count) })),
                    ("connectors", .number(Int64(surroundings.connectors.count))),
                    ("queries", .number(Int64(surroundings.queries.count))),
                    ("messages_in_per_s", sample.map { rate($0.messageRate) } ?? .null),
                    ("bytes_in_per_s", rate(sample?.byteRate)),
                    ("log_bytes", number(sample?.sizes?.byteCountOfAll)),
                    ("disk_free_bytes", number(sample?.sizes?.diskFree)),
                    ("disk_total_bytes", number(sample?.sizes?.diskTotal)),
                    (
                        "memory_bytes",
                        console.settings.isEmbedded ? .number(ProcessFigures.now().residentByteCount) : .null
                    ),
                ])
            ),
            ("attention", .array(attention.map(\.json))),
        ])
    }

    private static func service(_ name: String, _ problem: String?, _ address: String) -> JSONValue {
        .object([
            ("service", .string(name)), ("state", .string(problem == nil ? "ok" : "down")),
            ("detail", .string(problem ?? address)),
        ])
    }
}
