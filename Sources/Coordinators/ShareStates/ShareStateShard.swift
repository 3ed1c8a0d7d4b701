package import Bytes
package import KafkaMessages
package import NIOCore

/// A partition of a topic as one share group reads it.
package struct SharePartitionKey: Hashable, Sendable {
    package var group: String
    package var topicId: KafkaUUID
    package var partition: Int32

    package init(group: String, topicId: KafkaUUID, partition: Int32) {
        self.group = group
        self.topicId = topicId
        self.partition = partition
    }

    /// What decides which shard keeps it.
    package var coordinatorKey: String { "\(group):\(topicId):\(partition)" }
}

/// What administrators are told of the state of a share partition.
package struct ShareStateSummary: Sendable, Equatable {
    /// Rises whenever delivery begins anew at another offset.
    package var stateEpoch: Int32
    package var leaderEpoch: Int32
    /// Where delivery starts: all records before are done with. -1 while that is not decided, which happens when the
    /// first member fetches, by `share.auto.offset.reset`.
    package var startOffset: Int64
    /// Records at and after `startOffset` that are done with; -1 where that is not known (KIP-1226).
    package var deliveryCompleteCount: Int32

    package init(stateEpoch: Int32, leaderEpoch: Int32, startOffset: Int64, deliveryCompleteCount: Int32) {
        self.stateEpoch = stateEpoch
        self.leaderEpoch = leaderEpoch
        self.startOffset = startOffset
        self.deliveryCompleteCount = deliveryCompleteCount
    }
}

/// The state of the share partitions of one partition of `__share_group_state`.
///
/// | key version | record                                              |
/// |------------:|-----------------------------------------------------|
/// |           0 | snapshot: the whole state; its tombstone is the end |
/// |           1 | update: what changed since the snapshot             |
///
/// As for the groups' shards, a decision takes effect with `commit` and is as if it had never been with `abandon`.
///
/// - SeeAlso: upstream `ShareCoordinatorShard`.
package struct ShareStateShard: Sendable {
    struct State: Sendable, Equatable {
        var summary: ShareStateSummary
        /// Counts the snapshots of a share partition, so that an update is known to belong to the last of them.
        var snapshotEpoch: Int32
        var createTimestamp: Int64
    }

    private(set) var states: [SharePartitionKey: State] = [:]
    /// What `commit` will apply; nil for what ends.
    private var changes: [(SharePartitionKey, State?)] = []

    package init() {}

    package mutating func commit() {
        for (key, state) in changes { states[key] = state }
        changes.removeAll()
    }

    package mutating func abandon() { changes.removeAll() }

    package func summary(of key: SharePartitionKey) -> ShareStateSummary? { states[key]?.summary }

    /// Begins delivery anew at an offset.
    ///
    /// - Returns: FENCED_STATE_EPOCH for a partition whose state has a greater epoch.
    package mutating func initialize(
        _ key: SharePartitionKey, startOffset: Int64, stateEpoch: Int32, at: EventTime, _ decision: inout Decision
    ) -> ErrorCode {
        let before = states[key]
        if let before, before.summary.stateEpoch > stateEpoch { return .fencedStateEpoch }
        let epoch = before?.snapshotEpoch ?? -1
        let state = State(
            summary: ShareStateSummary(
                stateEpoch: stateEpoch, leaderEpoch: before?.summary.leaderEpoch ?? 0, startOffset: startOffset,
                deliveryCompleteCount: startOffset < 0 ? -1 : 0),
            snapshotEpoch: epoch < .max ? epoch + 1 : 0, createTimestamp: before?.createTimestamp ?? at.wall)
        let value = ShareSnapshotValue(
            snapshotEpoch: state.snapshotEpoch, stateEpoch: stateEpoch, leaderEpoch: state.summary.leaderEpoch,
            startOffset: startOffset, deliveryCompleteCount: state.summary.deliveryCompleteCount,
            createTimestamp: state.createTimestamp, writeTimestamp: at.wall)
        do {
            let key = ShareSnapshotKey(groupId: key.group, topicId: key.topicId, partition: key.partition)
            decision.records.append(try CoordinatorRecord(key: key, keyVersion: 0, value: (value, 0)))
        } catch {
            return .invalidRequest  // the id of a group that no record can hold
        }
        changes.append((key, state))
        return .none
    }

    /// Forgets a partition; nothing is to be done for one of which nothing is kept.
    package mutating func delete(_ key: SharePartitionKey, _ decision: inout Decision) {
        guard states[key] != nil else { return }
        let record = ShareSnapshotKey(groupId: key.group, topicId: key.topicId, partition: key.partition)
        // A record of this key has been written before.
        guard let tombstone = try? CoordinatorRecord(key: record, keyVersion: 0, value: nil) else { return }
        decision.records.append(tombstone)
        changes.append((key, nil))
    }

    // MARK: Loading

    /// - Throws: for a record that is not well formed; the shard is as before. Types that we do not know are skipped.
    package mutating func replay(key: ByteBuffer, value: ByteBuffer?) throws(WireError) {
        var reader = WireReader(key)
        let type = try reader.readInt16()
        switch type {
        case 0:
            let key = try ShareSnapshotKey(from: &reader, version: type)
            let place = SharePartitionKey(group: key.groupId, topicId: key.topicId, partition: key.partition)
            guard let value else {
                states[place] = nil
                return
            }
            var reader = WireReader(value)
            let version = try reader.readInt16()
            let snapshot = try ShareSnapshotValue(from: &reader, version: version)
            states[place] = State(
                summary: ShareStateSummary(
                    stateEpoch: snapshot.stateEpoch, leaderEpoch: snapshot.leaderEpoch,
                    startOffset: snapshot.startOffset, deliveryCompleteCount: snapshot.deliveryCompleteCount),
                snapshotEpoch: snapshot.snapshotEpoch, createTimestamp: snapshot.createTimestamp)
        case 1:
            let key = try ShareUpdateKey(from: &reader, version: type)
            let place = SharePartitionKey(group: key.groupId, topicId: key.topicId, partition: key.partition)
            guard let value, var state = states[place] else { return }
            var reader = WireReader(value)
            let version = try reader.readInt16()
            let update = try ShareUpdateValue(from: &reader, version: version)
            guard update.snapshotEpoch == state.snapshotEpoch else { return }
            state.summary.leaderEpoch = max(state.summary.leaderEpoch, update.leaderEpoch)
            if update.startOffset >= 0 { state.summary.startOffset = update.startOffset }
            state.summary.deliveryCompleteCount = update.deliveryCompleteCount
            states[place] = state
        default: return
        }
    }
}
