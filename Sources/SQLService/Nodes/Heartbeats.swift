import Environment
import JSONFormat
import SQLRuntime
import Synchronization

/// What this node tells the others by itself: that it lives (`ksql.heartbeat.enable`), and how far its state is
/// (`ksql.lag.reporting.enable`). The others are those of the groups of its queries.
extension SQLEngine {
    /// Runs until the task is cancelled.
    func tellOthers() async {
        await withDiscardingTaskGroup { group in
            if flag("ksql.heartbeat.enable") {
                group.addTask {
                    await self.tellAll("/heartbeat", every: "ksql.heartbeat.send.interval.ms", 100) { self.heartbeat }
                }
            }
            if flag("ksql.lag.reporting.enable") {
                group.addTask {
                    await self.tellAll("/lag", every: "ksql.lag.reporting.send.interval.ms", 5000) {
                        await self.lagReport()
                    }
                }
            }
        }
    }

    private func flag(_ name: String) -> Bool { settings.properties[name]?.lowercased() == "true" }

    /// Whoever does not answer holds nobody else up, and is missed by its own silence.
    private func tellAll(
        _ path: String, every name: String, _ standard: Int64, _ make: @Sendable () async -> JSONValue
    ) async {
        let pause = Duration.milliseconds(max(10, settings.properties[name].flatMap { Int64($0) } ?? standard))
        let client = NodeClient(settings.nodes)
        let underWay = MessagesUnderWay()
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let own = address
                let others = await runner.nodes().filter { $0 != own && underWay.add(to: $0) }
                if !others.isEmpty {
                    let message = await make()
                    for other in others {
                        group.addTask {
                            // What does not arrive is told again soon.
                            try? await client.tell(path, message, to: other)
                            underWay.remove(to: other)
                        }
                    }
                }
                try? await Task.sleep(for: pause)  // a cancelled wait ends at the look above
            }
        }
    }

    private var host: JSONValue {
        let parts = address.split(separator: ":")
        return .object([
            ("host", .string(parts.dropLast().joined(separator: ":"))),
            ("port", .number(parts.last.flatMap { Int64($0) } ?? 0)),
        ])
    }

    private var heartbeat: JSONValue {
        .object([("hostInfo", host), ("timestamp", .number(SystemWallClock().now()))])
    }

    private func lagReport() async -> JSONValue {
        .object([("ksqlHost", host), ("hostStoreLags", await storeLags())])
    }

    /// `{"stateStoreLags":{"QUERY#STORE":{"lagByPartition":{"0":{...}}}},"updateTimeMs":...}`
    func storeLags() async -> JSONValue {
        var stores: [String: [(String, JSONValue)]] = [:]
        for part in await runner.progress().sorted(by: { $0.partition < $1.partition }) {
            let lag = JSONValue.object([
                ("currentOffsetPosition", .number(part.position)), ("endOffsetPosition", .number(part.end)),
                ("offsetLag", .number(max(0, part.end - part.position))),
            ])
            stores["\(part.query)#\(part.store)", default: []].append((String(part.partition), lag))
        }
        return .object([
            (
                "stateStoreLags",
                .object(
                    stores.sorted { $0.key < $1.key }.map { name, partitions in
                        (name, .object([("lagByPartition", .object(partitions))]))
                    })
            ), ("updateTimeMs", .number(SystemWallClock().now())),
        ])
    }
}

/// How many messages are on their way to each node.
private final class MessagesUnderWay: Sendable {
    private static let countMax = 8
    private let counts = Mutex<[String: Int]>([:])

    /// - Returns: false when there are as many as there may be.
    func add(to node: String) -> Bool {
        counts.withLock { counts in
            let count = counts[node] ?? 0
            guard count < Self.countMax else { return false }
            counts[node] = count + 1
            return true
        }
    }

    func remove(to node: String) {
        counts.withLock { counts in
            let rest = (counts[node] ?? 1) - 1
            counts[node] = rest > 0 ? rest : nil
        }
    }
}

/// When a node counts as alive, by what it was heard of last.
struct HeartbeatRules: Sendable {
    /// `ksql.heartbeat.send.interval.ms`: the pause of the node's own heartbeats is taken for the other's.
    private let interval: Int64
    /// `ksql.heartbeat.window.ms`
    private let window: Int64
    /// `ksql.heartbeat.missed.threshold.ms`, which is a number of heartbeats whatever its name says.
    private let missedMax: Int64

    init(_ properties: [String: String]) {
        func number(_ name: String, _ standard: Int64) -> Int64 {
            max(1, properties["ksql.heartbeat." + name].flatMap { Int64($0) } ?? standard)
        }
        interval = number("send.interval.ms", 100)
        window = number("window.ms", 2000)
        missedMax = number("missed.threshold.ms", 3)
    }

    /// Whether fewer heartbeats in a row have failed to come than may, and the last is in the window.
    ///
    /// - Parameters:
    ///   - heard: the time of the last heartbeat, in milliseconds.
    ///   - now: in milliseconds.
    func isAlive(heard: Int64, now: Int64) -> Bool {
        let (silence, overflow) = now.subtractingReportingOverflow(heard)
        guard !overflow, silence < window else { return false }
        return silence <= interval || (silence - 1) / interval < missedMax
    }
}
