import Bytes
import KafkaMessages
import NIOCore

/// The records of `__share_group_state`: all that is kept of a share partition, and what changed since.
///
/// | key type | key                | value                   | deleted when                                       |
/// |---------:|--------------------|-------------------------|----------------------------------------------------|
/// |        0 | `ShareSnapshotKey` | `ShareSnapshotValue`, 0 | the group, its offsets or the topic are deleted    |
/// |        1 | `ShareUpdateKey`   | `ShareUpdateValue`, 0   | never: it belongs to the snapshot before           |
///
/// Snapshots alone are written, as the topic is compacted; updates of another server are read. A snapshot with the epoch 0
/// tells where delivery is to start that has not begun.
///
/// - SeeAlso: upstream `ShareCoordinatorRecordHelpers`.
enum ShareStateRecord {
    private static let snapshotKeyVersion: Int16 = 0
    private static let updateKeyVersion: Int16 = 1

    /// - Parameter state: nil deletes it.
    static func snapshot(
        _ key: SharePartitionKey, _ state: SharePartition?, epoch: Int32, wall: Int64
    ) throws(WireError) -> CoordinatorRecord {
        let name = ShareSnapshotKey(groupId: key.group, topicId: key.topicId, partition: key.partition)
        guard let state else { return try CoordinatorRecord(key: name, keyVersion: snapshotKeyVersion, value: nil) }
        let value = ShareSnapshotValue(
            snapshotEpoch: epoch, stateEpoch: state.stateEpoch, leaderEpoch: state.leaderEpoch,
            startOffset: state.startOffset, deliveryCompleteCount: Int32(clamping: state.deliveryCompleteCount),
            createTimestamp: wall, writeTimestamp: wall,
            stateBatches: state.runs.map { run in
                // Locks do not outlive the broker: what members have is theirs no more after a restart, and a delivery
                // that had no end does not count. Else the last one that a record may have would leave it available.
                let isHeld = run.state == .acquired
                return .init(
                    firstOffset: run.first, lastOffset: run.last,
                    deliveryState: (isHeld ? .available : run.state).rawValue,
                    deliveryCount: isHeld ? max(0, run.deliveryCount - 1) : run.deliveryCount)
            })
        return try CoordinatorRecord(key: name, keyVersion: snapshotKeyVersion, value: (value, 0))
    }

    /// Does what a record says.
    ///
    /// - Returns: the share partition, if the record tells a part of its state only.
    /// - Throws: when it is no record of this topic.
    static func replay(
        key: ByteBuffer, value: ByteBuffer?, into states: inout [SharePartitionKey: SharePartition]
    ) throws(WireError) -> SharePartitionKey? {
        var key = key
        guard let type = key.readInteger(as: Int16.self) else { throw .corrupt("a key without a type") }
        var reader = WireReader(key)
        switch type {
        case snapshotKeyVersion:
            let name = try ShareSnapshotKey(from: &reader, version: type)
            let key = SharePartitionKey(group: name.groupId, topicId: name.topicId, partition: name.partition)
            guard let value else {
                states[key] = nil
                return nil
            }
            let snapshot = try decoded(value) { (reader, version) throws(WireError) in
                try ShareSnapshotValue(from: &reader, version: version)
            }
            var state = SharePartition(
                startOffset: snapshot.startOffset, stateEpoch: snapshot.stateEpoch, leaderEpoch: snapshot.leaderEpoch)
            // Another server's first snapshot may speak of records.
            state.hasBegun = snapshot.snapshotEpoch != 0 || !snapshot.stateBatches.isEmpty
            for batch in snapshot.stateBatches {
                state.restore(batch.firstOffset, batch.lastOffset, batch.deliveryState, batch.deliveryCount)
            }
            state.tidy()
            states[key] = state
            return nil
        case updateKeyVersion:
            let name = try ShareUpdateKey(from: &reader, version: type)
            let key = SharePartitionKey(group: name.groupId, topicId: name.topicId, partition: name.partition)
            guard let value, var state = states[key] else { return nil }
            let update = try decoded(value) { (reader, version) throws(WireError) in
                try ShareUpdateValue(from: &reader, version: version)
            }
            state.hasBegun = true
            state.start(at: update.startOffset)
            state.advance(to: update.startOffset)
            for batch in update.stateBatches {
                state.restore(batch.firstOffset, batch.lastOffset, batch.deliveryState, batch.deliveryCount)
            }
            state.tidy()
            states[key] = state
            return key
        default: throw .corrupt("the key's type is \(type)")
        }
    }

    private static func decoded<Value>(
        _ value: ByteBuffer, _ read: (inout WireReader, Int16) throws(WireError) -> Value
    ) throws(WireError) -> Value {
        var value = value
        guard let version = value.readInteger(as: Int16.self) else { throw .corrupt("a value without a version") }
        var reader = WireReader(value)
        return try read(&reader, version)
    }
}

extension SharePartition {
    /// A run as it is stored; offsets between it and what is known were available when they were stored.
    fileprivate mutating func restore(_ first: Int64, _ last: Int64, _ state: Int8, _ deliveryCount: Int16) {
        guard startOffset >= 0, last < .max, last >= max(first, startOffset) else { return }
        let first = max(first, startOffset)
        let state = DeliveryState(rawValue: state) ?? .available
        if first > endOffset {
            runs.append(Run(first: endOffset, last: first - 1, state: .available, deliveryCount: 0))
        }
        let known = endOffset
        change(first, last) {
            $0.settle(state == .acquired ? .available : state)
            $0.deliveryCount = deliveryCount
        }
        if last >= known {
            runs.append(
                Run(
                    first: max(first, known), last: last, state: state == .acquired ? .available : state,
                    deliveryCount: max(0, deliveryCount)))
        }
    }
}
