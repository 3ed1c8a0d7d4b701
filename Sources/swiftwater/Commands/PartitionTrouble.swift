import ArgumentParser
import Cluster

/// What may be wrong with a partition, by the names of Kafka's own tool.
enum PartitionTrouble: String, CaseIterable, ExpressibleByArgument {
    /// Nobody leads it.
    case unavailable
    /// Fewer replicas are in sync than there are, without those that a move is adding.
    case underReplicated = "under-replicated"
    /// Fewer are in sync than `min.insync.replicas` asks for: producers with acks=all are refused.
    case underMinISR = "under-min-isr"
    /// As many are in sync as it asks for: one more that fails, and producers are refused.
    case atMinISR = "at-min-isr"

    var needsMinimum: Bool { self == .underMinISR || self == .atMinISR }

    /// - Parameters:
    ///   - inSyncMin: the topic's `min.insync.replicas`.
    ///   - addingCount: how many of the replicas a move is adding.
    func holds(of partition: PartitionDescription, inSyncMin: Int, addingCount: Int = 0) -> Bool {
        switch self {
        case .unavailable: partition.leader == nil
        case .underReplicated: partition.inSyncReplicas.count < partition.replicas.count - addingCount
        case .underMinISR: partition.inSyncReplicas.count < inSyncMin
        case .atMinISR: partition.inSyncReplicas.count == inSyncMin
        }
    }
}
