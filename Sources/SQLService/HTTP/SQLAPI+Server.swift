import Cluster
import Environment
import HTTPKit
import HTTPTypes
import JSONFormat
import SQLRuntime
import SQLSyntax
import Synchronization

/// What the server tells of itself.
extension SQLAPI {
    static let offered: [MediaType] = [.json, .plainJSON]

    /// A route that answers JSON, and 406 to clients that do not take it.
    private mutating func getJSON(
        _ path: String, traits: HTTPRouter.Traits = [],
        _ handler: @escaping @Sendable (HTTPCall) async throws(KsqlFailure) -> (Int, JSONValue)
    ) {
        get(path, traits: traits) { call throws(KsqlFailure) in
            guard let type = MediaType.negotiated(call.headers[.accept], among: Self.offered) else {
                throw .notAcceptable
            }
            let (status, value) = try await handler(call)
            return .json(value, status: HTTPResponse.Status(code: status), contentType: type.rawValue)
        }
    }

    /// What clients are told that they speak with: the original's release whose API this is. Its own tools refuse servers
    /// that say they are older than what the tool needs, such as 6.0 for `ksql-migrations` (`ServerVersionUtil`).
    static let originalVersion = "8.5.0"

    mutating func addServer() {
        let engine = engine
        get("/") { _ throws(KsqlFailure) in
            HTTPAnswer(status: .temporaryRedirect, headers: [.location: "/info"])
        }
        getJSON("/info", traits: .isShort) { _ throws(KsqlFailure) in
            // Scripts wait for 200 here before they send statements.
            try engine.checkStarted()
            return (
                200,
                .object([
                    (
                        "KsqlServerInfo",
                        .object([
                            ("version", .string(Self.originalVersion)),
                            ("swiftwaterVersion", .string(engine.settings.version)),
                            ("kafkaClusterId", .string(await engine.clusterID())),
                            ("ksqlServiceId", .string(engine.settings.serviceID)),
                            ("serverStatus", .string(engine.serverStatus)),
                        ])
                    )
                ])
            )
        }
        getJSON("/healthcheck", traits: .isShort) { _ throws(KsqlFailure) in await engine.health() }
        getJSON("/clusterStatus") { _ throws(KsqlFailure) in
            try engine.checkReady()
            return (200, await engine.clusterStatus())
        }
        getJSON("/status") { _ throws(KsqlFailure) in
            try engine.checkReady()
            let statuses = engine.state.withLock { $0.statuses }.sorted { $0.key < $1.key }
            return (
                200,
                .object([
                    ("commandStatuses", .object(statuses.map { ($0.key, .string($0.value.status.rawValue)) }))
                ])
            )
        }
        getJSON("/status/{type}/{entity}/{action}", traits: .isShort) { call throws(KsqlFailure) in
            try engine.checkReady()
            let id = CommandID(call.parameter("type"), call.parameter("entity"), call.parameter("action"))
            // Names of streams and tables are quoted in ids of commands, and plain in what people type.
            let quoted = CommandID(id.type, Identifier.quote(id.entity), id.action)
            let found = engine.state.withLock { $0.statuses[id.description] ?? $0.statuses[quoted.description] }
            guard let status = found else { throw .notFound("Command not found") }
            return (200, StatementRequest.json(status))
        }
        getJSON("/is_valid_property/{name}") { call throws(KsqlFailure) in
            try engine.checkReady()
            let name = call.parameter("name")
            do throws(PropertyCatalog.Refusal) {
                try PropertyCatalog.checkOverridable(name, engine.settings)
            } catch { throw .badRequest(error.message) }
            try PropertyCatalog.checkName(name, text: name)
            // More than the original, which looks at names alone: what a session is about to set.
            if let value = call.query("value") {
                _ = try PropertyCatalog.checked(name, value, engine.settings, text: name)
            }
            return (200, .bool(true))
        }
        getJSON("/v1/metadata") { _ throws(KsqlFailure) in
            (
                200,
                .object([
                    ("version", .string(Self.originalVersion)), ("clusterId", await engine.clusterScope()),
                ])
            )
        }
        getJSON("/v1/metadata/id") { _ throws(KsqlFailure) in (200, await engine.clusterScope()) }
        for path in ["/chc/ready", "/chc/live"] {
            getJSON(path, traits: .isShort) { _ throws(KsqlFailure) in (200, .object([])) }
        }
    }
}

extension SQLEngine {
    var serverStatus: String {
        let (isReady, isTerminated, degradation) = state.withLock { ($0.isReady, $0.isTerminated, $0.degradation) }
        if isTerminated { return "TERMINATED" }
        if degradation != nil { return "ERROR" }
        return isReady ? "RUNNING" : "INITIALIZING"
    }

    /// nil where the cluster cannot be asked.
    func clusterID() async -> String? { try? await cluster.describeCluster().id }

    func clusterScope() async -> JSONValue {
        .object([
            (
                "scope",
                .object([
                    ("path", .array([])),
                    (
                        "clusters",
                        .object([
                            ("kafka-cluster", .string(await clusterID())),
                            ("ksql-cluster", .string(settings.serviceID)),
                        ])
                    ),
                ])
            ), ("id", .string("")),
        ])
    }

    func health() async -> (Int, JSONValue) {
        var canReach = true
        do { _ = try await cluster.describeCluster() } catch { canReach = false }
        let (isReady, degradation) = state.withLock { ($0.isReady, $0.degradation) }
        let isHealthy = canReach && degradation == nil && isReady
        func detail(_ isHealthy: Bool) -> JSONValue { .object([("isHealthy", .bool(isHealthy))]) }
        return (
            isHealthy ? 200 : 503,
            .object([
                ("isHealthy", .bool(isHealthy)),
                (
                    "details",
                    .object([
                        ("metastore", detail(isReady)), ("kafka", detail(canReach)),
                        ("commandRunner", detail(degradation == nil)),
                    ])
                ), ("serverState", .string(isReady ? "READY" : "INITIALIZING")),
            ])
        )
    }

    func clusterStatus() async -> JSONValue {
        let now = SystemWallClock().now()
        let stores = Dictionary(grouping: await runner.progress(), by: \.query)
            .mapValues { Set($0.map(\.store)).sorted() }
        let queries = await runner.statuses().sorted { $0.id < $1.id }.map { status -> (String, JSONValue) in
            let partitions = status.positions.map { TopicPartition($0.topic, $0.partition) }
            return (status.id, Self.json(NodeShare(partitions: partitions, stores: stores[status.id] ?? [])))
        }
        let own = JSONValue.object([
            ("hostAlive", .bool(true)), ("lastStatusUpdateMs", .number(now)),
            ("activeStandbyPerQuery", .object(queries)),
            ("hostStoreLags", await storeLags()),
        ])
        let rules = HeartbeatRules(settings.properties)
        let shares = await runner.shares().sorted { $0.key < $1.key }
        var hosts: [(String, JSONValue)] = [(address, own)]
        for (host, peer) in peers.all where host != address {
            let queries = shares.compactMap { id, nodes in nodes[host].map { (id, Self.json($0)) } }
            hosts.append(
                (
                    host,
                    .object([
                        ("hostAlive", .bool(rules.isAlive(heard: peer.heard, now: now))),
                        ("lastStatusUpdateMs", .number(peer.heard)),
                        ("activeStandbyPerQuery", .object(queries)),
                        (
                            "hostStoreLags",
                            peer.lags ?? .object([("stateStoreLags", .object([])), ("updateTimeMs", .number(0))])
                        ),
                    ])
                ))
        }
        return .object([("clusterStatus", .object(hosts))])
    }

    private static func json(_ share: NodeShare) -> JSONValue {
        let partitions = share.partitions.map {
            JSONValue.object([("topic", .string($0.topic)), ("partition", .number(Int64($0.partition)))])
        }
        return .object([
            ("activeStores", .array(share.stores.map { .string($0) })), ("activePartitions", .array(partitions)),
            ("standByStores", .array([])), ("standByPartitions", .array([])),
        ])
    }
}
