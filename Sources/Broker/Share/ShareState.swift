import Coordinators
import KafkaMessages

/// What administrators are told of the state of a share partition.
struct ShareStateSummary: Sendable, Equatable {
    /// Rises whenever delivery begins anew at another offset.
    var stateEpoch: Int32
    var leaderEpoch: Int32
    /// Where delivery starts: all records before are done with. -1 while that is not decided, which happens when the
    /// first member fetches, by `share.auto.offset.reset`.
    var startOffset: Int64
    /// Records at and after `startOffset` that are done with; -1 where that is not known (KIP-1226).
    var deliveryCompleteCount: Int32

    init(stateEpoch: Int32, leaderEpoch: Int32, startOffset: Int64, deliveryCompleteCount: Int32) {
        self.stateEpoch = stateEpoch
        self.leaderEpoch = leaderEpoch
        self.startOffset = startOffset
        self.deliveryCompleteCount = deliveryCompleteCount
    }
}

/// What is known of the state of a share partition.
enum ShareStateAnswer: Sendable, Equatable {
    case kept(ShareStateSummary)
    /// Nothing is kept: no member has come to read it yet.
    case nothing
    case failed(ErrorCode)
}

/// What share groups keep of partitions beside their members: where delivery starts and what is done with.
///
/// All calls return at once. `done` is called once, on any thread, when what it tells is as durable as the broker's
/// settings want it; a partition's answer is at the place of its key.
protocol ShareStateStore: Sendable {
    /// Begins delivery anew: whatever was delivered, is locked or is done with is forgotten.
    ///
    /// - Parameter partitions: each with its new start offset, or -1 for one that `share.auto.offset.reset` decides when
    ///   the first member fetches.
    /// - Parameter stateEpoch: of the new state; a state with a greater one stays as it is (FENCED_STATE_EPOCH).
    func initialize(
        _ partitions: [(key: SharePartitionKey, startOffset: Int64)], stateEpoch: Int32,
        done: @escaping @Sendable ([ErrorCode]) -> Void)

    func summaries(of keys: [SharePartitionKey], done: @escaping @Sendable ([ShareStateAnswer]) -> Void)

    /// Forgets partitions, whether or not their group still lists them.
    func forget(
        where isForgotten: @escaping @Sendable (SharePartitionKey) -> Bool,
        done: @escaping @Sendable (ErrorCode) -> Void)
}

extension BrokerNode {
    /// The settings of a share group: its own, and the broker's for the rest.
    func shareGroupSettings(_ group: String) -> ShareGroupSettings {
        ShareGroupSettings(controller.server, overrides: controller.boundedGroupConfigs(group))
    }
}
