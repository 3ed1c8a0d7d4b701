import Cluster
import ConnectCore
import JSONFormat
import Testing

@testable import ConnectService

/// Several workers of one group, none of which has the log to itself.
@Suite(.serialized) struct WorkersTests {
    private static let options = [
        "scheduled.rebalance.max.delay.ms": "0", "heartbeat.interval.ms": "100", "session.timeout.ms": "6000",
        "exactly.once.source.support": "enabled",
    ]
    private static let source = [
        "connector.class": "CountingSource", "topic": "lines", "count": "1000000", "batch": "1", "tasks.max": "4",
    ]

    private static func owners(_ worker: Worker, _ name: String) async throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for task in try await worker.ask("GET", "/connectors/\(name)/status").json["tasks"]?.elements ?? [] {
            guard task["state"]?.text == "RUNNING" else { continue }
            counts[task["worker_id"]?.text ?? "", default: 0] += 1
        }
        return counts
    }

    @Test func `workers share the work, and one that leaves gives it to the others`() async throws {
        try await TestPlatform.with(properties: [
            "group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "1000",
        ]) {
            platform in
            let first = try await platform.start(Self.options, isEmbedded: false)
            let second = try await platform.start(Self.options, isEmbedded: false)
            do {
                try await eventually("both are in the group") {
                    try await platform.cluster.group("connect-cluster").members.count == 2
                }
                // Whichever of them leads: the other one hands the request on.
                #expect(try await first.create("a", Self.source).status == 201)
                #expect(try await second.create("b", Self.source.merging(["topic": "others"]) { $1 }).status == 201)
                try await eventually("shared out") {
                    let (a, b) = (try await Self.owners(first, "a"), try await Self.owners(second, "b"))
                    let sums = a.merging(b) { $0 + $1 }
                    return sums.count == 2 && sums.values.allSatisfy { $0 == 4 }
                }
                #expect(try await second.ask("PUT", "/connectors/a/pause").status == 202)
                try await eventually("paused") {
                    try await first.states("a") == "PAUSED / PAUSED PAUSED PAUSED PAUSED"
                }
                #expect(try await first.ask("PUT", "/connectors/a/resume").status == 202)
                // While a group of short sessions settles, the answer is to ask again (409).
                try await eventually("restarted by the first") {
                    try await first.ask("POST", "/connectors/a/tasks/1/restart").status == 204
                }
                try await eventually("restarted by the second") {
                    try await second.ask("POST", "/connectors/a/tasks/1/restart").status == 204
                }
            } catch {
                await first.stop()
                await second.stop()
                throw error
            }
            await first.stop()
            do {
                try await eventually("taken over") {
                    let (a, b) = (try await Self.owners(second, "a"), try await Self.owners(second, "b"))
                    return a == b && a.values.map { $0 } == [4]
                        && a.keys.first?.hasSuffix(":\(second.server.port)") == true
                }
                #expect(try await second.ask("PUT", "/connectors/a/stop").status == 204)
                #expect(try await second.ask("PUT", "/connectors/b/stop").status == 204)
                // Every task has written its numbers once, wherever it ran.
                for topic in ["lines", "others"] {
                    let records = try await platform.records(topic)
                    let keys = records.map { $0.keyText ?? "" }
                    var counts: [String: Int] = [:]
                    for key in keys { counts[key, default: 0] += 1 }
                    #expect(counts.values.allSatisfy { $0 <= 4 })
                    let name = topic == "lines" ? "a" : "b"
                    let offsets =
                        try await second.ask("GET", "/connectors/\(name)/offsets").json["offsets"]?.elements ?? []
                    #expect(offsets.reduce(0) { $0 + ($1["offset"]?["next"]?.integer ?? 0) } == Int64(records.count))
                }
            } catch {
                await second.stop()
                throw error
            }
            await second.stop()
        }
    }
}
