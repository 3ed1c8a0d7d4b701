package import Cluster
import StreamEngine
import Synchronization

/// That several nodes share the queries of one service: each takes a place in the group of every query.
package final class Sharing: Sendable {
    private let own = Mutex("")
    /// How long a node may be silent before others take its tasks, where a query does not say.
    package let sessionTimeout: Duration

    package init(sessionTimeout: Duration = .seconds(10)) { self.sessionTimeout = sessionTimeout }

    /// "host:port" by which other nodes reach this one. Set before the first query starts.
    package var address: String {
        get { own.withLock { $0 } }
        set { own.withLock { $0 = newValue } }
    }
}

/// Partitions of a query's table that one node has.
package struct NodePart: Sendable, Hashable {
    /// nil: this node.
    package var address: String?
    package var partitions: [Int32]

    package init(address: String?, partitions: [Int32]) {
        self.address = address
        self.partitions = partitions
    }
}

/// What a node has of a query.
package struct NodeShare: Sendable, Hashable {
    /// Of the topics of streams and tables.
    package var partitions: [TopicPartition]
    package var stores: [String]

    package init(partitions: [TopicPartition], stores: [String]) {
        self.partitions = partitions
        self.stores = stores
    }
}

/// How far the state of a query is on this node.
package struct StoreProgress: Sendable, Hashable {
    package var query: String
    package var store: String
    package var partition: Int32
    /// Behind the last change of the changelog that is in the state, and behind the last that is in the log.
    package var position: Int64
    package var end: Int64

    package init(query: String, store: String, partition: Int32, position: Int64, end: Int64) {
        self.query = query
        self.store = store
        self.partition = partition
        self.position = position
        self.end = end
    }
}

/// Where the rows of a query's table are, for readers, who do not wait for the query's other business.
struct Placement: Sendable {
    /// Partitions of the table.
    var count: Int
    var keyRouter: KeyRouter?
    /// By partition, which node is to have it.
    var nodes: [Int32: String] = [:]
    var address: String
    /// What this node has.
    var local: [Int32: TaskRun] = [:]

    /// Those that may have rows of a read, in order.
    func partitions(for read: TableRead) -> [Int32] {
        if case .keys(let keys) = read.keys, let keyRouter {
            let found = Set(keys.map { keyRouter.partition(of: $0, count: Int32(clamping: count)) })
            if !found.contains(nil) { return found.compactMap { $0 }.sorted() }
        }
        return (0..<Int32(clamping: count)).map { $0 }
    }

    /// - Throws: `.notReady` while a partition is on its way.
    func parts(of partitions: [Int32]) throws(RunError) -> [NodePart] {
        var own: [Int32] = []
        var others: [String: [Int32]] = [:]
        for partition in partitions {
            if local[partition] != nil {
                own.append(partition)
            } else if let node = nodes[partition], node != address {
                others[node, default: []].append(partition)
            } else {
                throw RunError(.notReady, "partition \(partition) of the table is on its way to another node")
            }
        }
        let parts = others.sorted { $0.key < $1.key }.map { NodePart(address: $0.key, partitions: $0.value) }
        return own.isEmpty ? parts : [NodePart(address: nil, partitions: own)] + parts
    }
}
