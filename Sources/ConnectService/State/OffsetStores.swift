import Cluster
import ConnectCore
import Logging
import Synchronization

/// The offsets of sources: the worker's topic, and topics of connectors that name one of their own.
final class OffsetStores: Sendable {
    typealias Store = StateTopic<OffsetState, Never>

    let common: Store
    private let cluster: any Cluster
    private let logger: Logger
    private let layout: Store.Layout
    private let others = Mutex<[String: (store: Store, run: Task<Void, Never>)]>([:])
    private let isClosed = Atomic<Bool>(false)

    init(_ cluster: any Cluster, _ settings: WorkerSettings, _ logger: Logger) {
        self.cluster = cluster
        self.logger = logger
        layout = Store.Layout(
            name: settings.offsetTopic, partitionCount: settings.offsetPartitionCount,
            replicationFactor: Int16(clamping: settings.values.integer("offset.storage.replication.factor") ?? 3))
        common = Self.make(cluster, layout, logger)
    }

    private static func make(_ cluster: any Cluster, _ layout: Store.Layout, _ logger: Logger) -> Store {
        Store(cluster, layout, OffsetState(), logger) { state, record in
            state.apply(record)
            return nil
        }
    }

    /// The topic that a connector's offsets are written to.
    func store(_ connector: [String: String]) async throws(ClusterError) -> Store {
        guard let name = connector["offsets.storage.topic"], !name.isEmpty, name != layout.name else { return common }
        let found = others.withLock { others -> Store in
            if let found = others[name] { return found.store }
            var layout = layout
            layout.name = name
            let store = Self.make(cluster, layout, logger)
            // Owned here: `close` ends and awaits it.
            others[name] = (store, Task { await store.run() })
            return store
        }
        guard await found.ready(limit: .seconds(30)) else {
            throw ClusterError(.requestTimedOut, "topic '\(name)' could not be read in time")
        }
        return found
    }

    /// All offsets of a connector as they are now; those of its own topic count before the common ones.
    func offsets(
        of name: String, _ connector: [String: String], withDropped: Bool = false
    ) async throws(ClusterError) -> [SourceOffset] {
        let own = try await store(connector)
        try await own.catchUp()
        var found = own.read { $0.of(name, withDropped: true) }
        if own !== common {
            try await common.catchUp()
            for offset in common.read({ $0.of(name, withDropped: true) })
            where !found.contains(where: { $0.partition == offset.partition }) {
                found.append(offset)
            }
        }
        return withDropped ? found : found.filter { $0.offset != nil }
    }

    /// The record's key for an offset of a partition: the one that the topic has for it already.
    func key(_ connector: String, _ partition: ConnectMap, in store: Store) throws(ConnectError) -> [UInt8] {
        let json = try SourceOffsets.json(partition)
        let identity = SourceOffsets.identity(json)
        return store.read { $0.offsets[connector]?[identity]?.key } ?? SourceOffsets.key(connector, json)
    }

    func close() async {
        let all = others.withLock { others in
            defer { others = [:] }
            return others.values.map { $0 }
        }
        for other in all {
            other.run.cancel()
            await other.run.value
            await other.store.close()
        }
        await common.close()
    }
}
