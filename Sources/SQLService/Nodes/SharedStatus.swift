import NIOCore
import SQLPlan
import SQLRuntime
import Synchronization

/// How the queries are on all nodes of the service that the queries of this one have to do with.
struct SharedStatus: Sendable {
    struct Host: Sendable {
        /// "host:port"
        var address: String
        /// nil: it did not answer.
        var status: NodeStatus?
    }

    /// This node first, the others by their addresses.
    var hosts: [Host]

    /// A query of every host that has it, this one first; hosts that did not answer have no status.
    func states(of query: PersistentQuery, own state: String) -> [(address: String, state: String)] {
        hosts.enumerated().compactMap { place, host in
            if place == 0 { return (host.address, state) }
            guard let status = host.status else { return (host.address, "UNRESPONSIVE") }
            return status.queries.first { $0.id == query.id }.map { (host.address, $0.state.rawValue) }
        }
    }

    /// What all hosts together have of a query; nil when none has it.
    func merged(_ id: String) -> QueryStatus? {
        let statuses = statuses(of: id).map(\.status)
        guard var merged = statuses.first else { return nil }
        for status in statuses.dropFirst() { merged.add(status) }
        merged.state = QueryStatus.State(rawValue: Self.state(of: statuses.map(\.state.rawValue))) ?? merged.state
        return merged
    }

    func statuses(of id: String) -> [(address: String, status: QueryStatus)] {
        hosts.compactMap { host in host.status?.queries.first { $0.id == id }.map { (host.address, $0) } }
    }

    /// The state of a query as a whole: the worst that a host has.
    static func state(of states: [String]) -> String {
        for state in ["ERROR", "UNRESPONSIVE", "PAUSED", "REBALANCING"] where states.contains(state) { return state }
        return states.first ?? "RUNNING"
    }
}

extension SQLEngine {
    /// What this node has.
    func nodeStatus() async -> NodeStatus {
        NodeStatus(
            queries: await runner.statuses(),
            clients: transients.all.map { NodeStatus.Client(id: $0.id, statement: $0.statement) })
    }

    /// Asks all nodes, each for as long as `ksql.fetch.remote.hosts.timeout.seconds` says.
    func sharedStatus() async -> SharedStatus {
        let own = address
        let others = await runner.nodes().filter { $0 != own }.sorted()
        var hosts = [SharedStatus.Host(address: own, status: await nodeStatus())]
        let seconds = settings.properties["ksql.fetch.remote.hosts.timeout.seconds"].flatMap { Int64($0) } ?? 10
        hosts += await withTaskGroup(of: SharedStatus.Host.self) { group in
            for other in others {
                group.addTask {
                    // Whoever does not answer is told as such.
                    let client = NodeClient(self.settings.nodes)
                    let status = try? await client.status(of: other, timeout: .seconds(max(1, seconds)))
                    return SharedStatus.Host(address: other, status: status)
                }
            }
            var found: [SharedStatus.Host] = []
            for await host in group { found.append(host) }
            return found.sorted { $0.address < $1.address }
        }
        return SharedStatus(hosts: hosts)
    }
}
