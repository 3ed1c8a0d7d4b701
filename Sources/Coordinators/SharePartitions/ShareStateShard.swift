import KafkaMessages
package import NIOCore

/// The share partitions of one partition of `__share_group_state`: what is delivered to whom, and what of it is kept.
///
/// What members acknowledge is written; who has which records is not, as locks do not outlive the broker.
package struct ShareStateShard: Sendable {
    private var states: [SharePartitionKey: SharePartition] = [:]
    /// How often each was written, as snapshots are numbered.
    private var snapshotEpochs: [SharePartitionKey: Int32] = [:]
    /// Of which the log has updates behind the last snapshot; only while loading.
    private var updated: Set<SharePartitionKey> = []
    /// What the last event changed, as it was before.
    private var before: [SharePartitionKey: SharePartition?] = [:]
    /// The first time at which a lock may run out; too early at times, never too late.
    private var deadline = Int64.max

    /// Where the log of a partition ended when the process started; nil for one that is not there.
    private let recoveredEnd: @Sendable (SharePartitionKey) -> Int64?

    package init(recoveredEnd: @escaping @Sendable (SharePartitionKey) -> Int64? = { _ in nil }) {
        self.recoveredEnd = recoveredEnd
    }

    package var nextDeadline: Int64? { deadline == .max ? nil : deadline }

    package func state(_ key: SharePartitionKey) -> SharePartition? { states[key] }

    package var keys: [SharePartitionKey] { Array(states.keys) }

    // MARK: Events

    /// Changes a share partition without a word in the log: deliveries, and what follows from the log itself. One that is not
    /// kept yet begins where `share.auto.offset.reset` will say.
    package mutating func update<T>(
        _ key: SharePartitionKey, leaderEpoch: Int32, _ body: (inout SharePartition) -> T
    ) -> T {
        before = [:]
        var state = states[key] ?? SharePartition(startOffset: -1, stateEpoch: 0, leaderEpoch: leaderEpoch)
        let result = body(&state)
        // Where nothing is decided nothing is kept.
        if state.startOffset >= 0 { keep(state, key) }
        return result
    }

    /// Does what a member says of its records.
    ///
    /// - Parameters:
    ///   - renewedUntil: the end of locks that are renewed; nil where they are not.
    ///   - logStart: of the partition: what lies before is done with.
    /// - Returns: what is to be written.
    /// - Throws: `InvalidRecordState`; nothing is done then.
    package mutating func acknowledge(
        _ key: SharePartitionKey, _ acknowledgements: [SharePartition.Acknowledgement], by member: String,
        deliveryCountLimit: Int16, renewedUntil: Int64?, logStart: Int64, at time: EventTime
    ) throws(SharePartition.InvalidRecordState) -> Decision {
        before = [:]
        guard var state = states[key] else { throw .notDelivered }
        state.advance(to: logStart)
        try state.acknowledge(
            acknowledgements, by: member, deliveryCountLimit: deliveryCountLimit, renewedUntil: renewedUntil)
        return write(state, key, at: time)
    }

    /// Decides where delivery starts, where that is open.
    ///
    /// - Returns: what is to be written, so that it is not decided again: `latest` would be another offset.
    package mutating func start(
        _ key: SharePartitionKey, at offset: Int64, leaderEpoch: Int32, at time: EventTime
    ) -> Decision {
        before = [:]
        var state = states[key] ?? SharePartition(startOffset: -1, stateEpoch: 0, leaderEpoch: leaderEpoch)
        guard state.startOffset < 0 else { return Decision() }
        state.start(at: offset)
        return write(state, key, at: time)
    }

    /// A member has gone: others get what it did not acknowledge. Nothing is written, as nothing is done with.
    ///
    /// - Returns: whether it had anything.
    package mutating func release(_ key: SharePartitionKey, _ member: String) -> Bool {
        before = [:]
        guard var state = states[key], state.release(member) else { return false }
        keep(state, key)
        return true
    }

    /// Takes back what a member was given and is not told of.
    package mutating func takeBack(_ key: SharePartitionKey, _ acquired: [SharePartition.Acquired], from member: String)
    {
        before = [:]
        guard var state = states[key] else { return }
        state.takeBack(acquired, from: member)
        keep(state, key)
    }

    /// Begins delivery anew.
    ///
    /// - Parameter logEnd: of the partition, which tells whether the start is one that the log has still to come to; nil
    ///   where it is not known.
    /// - Returns: nil when a state with a greater epoch is kept, which stays.
    package mutating func initialize(
        _ key: SharePartitionKey, startOffset: Int64, logEnd: Int64?, stateEpoch: Int32, leaderEpoch: Int32,
        at time: EventTime
    ) -> Decision? {
        before = [:]
        if let state = states[key], state.stateEpoch > stateEpoch { return nil }
        var state = SharePartition(startOffset: startOffset, stateEpoch: stateEpoch, leaderEpoch: leaderEpoch)
        state.hasBegun = logEnd.map { startOffset <= $0 } ?? false
        return write(state, key, at: time)
    }

    /// Forgets share partitions.
    package mutating func remove(_ keys: [SharePartitionKey], at time: EventTime) -> Decision {
        before = [:]
        var decision = Decision()
        for key in keys {
            guard let state = states[key] else { continue }
            before[key] = .some(state)
            states[key] = nil
            snapshotEpochs[key] = nil
            if let record = try? ShareStateRecord.snapshot(key, nil, epoch: 0, wall: time.wall) {
                decision.records.append(record)
            }
        }
        return decision
    }

    /// Takes back what members have had for too long.
    ///
    /// - Returns: the share partitions that have records to deliver again.
    package mutating func tick(at time: EventTime) -> (Decision, [SharePartitionKey]) {
        before = [:]
        deadline = .max
        var decision = Decision()
        var freed: [SharePartitionKey] = []
        for (key, var state) in states {
            if state.expire(at: time.monotonic) {
                freed.append(key)
                // What was given up is.
                decision.records += write(state, key, at: time).records
            } else if let next = state.nextDeadline {
                deadline = min(deadline, next)
            }
        }
        return (decision, freed)
    }

    package mutating func commit() { before = [:] }

    package mutating func abandon() {
        for (key, state) in before {
            states[key] = state
            if let next = state?.nextDeadline { deadline = min(deadline, next) }
        }
        before = [:]
    }

    // MARK: Loading

    package mutating func replay(key: ByteBuffer, value: ByteBuffer?) throws {
        if let key = try ShareStateRecord.replay(key: key, value: value, into: &states) { updated.insert(key) }
    }

    /// - Returns: what another server wrote in parts, as a whole: compaction keeps the last record of a key. And states that
    ///   a power loss has left above the end of their log: they must not speak of the records that will come there.
    package mutating func finishLoading(at time: EventTime) -> Decision {
        var decision = Decision()
        for (key, var state) in states {
            guard let end = recoveredEnd(key), state.cut(to: end) else { continue }
            states[key] = state
            updated.insert(key)
        }
        for key in updated {
            guard let state = states[key] else { continue }
            decision.records += write(state, key, at: time).records
        }
        updated = []
        return decision
    }

    // MARK: Parts

    private mutating func keep(_ state: SharePartition, _ key: SharePartitionKey) {
        before[key] = .some(states[key])
        states[key] = state
        if let next = state.nextDeadline { deadline = min(deadline, next) }
    }

    private mutating func write(_ state: SharePartition, _ key: SharePartitionKey, at time: EventTime) -> Decision {
        keep(state, key)
        let epoch = state.hasBegun ? (snapshotEpochs[key] ?? 0) &+ 1 : 0
        snapshotEpochs[key] = epoch
        var decision = Decision()
        // The id was checked when the group was made.
        if let record = try? ShareStateRecord.snapshot(key, state, epoch: epoch, wall: time.wall) {
            decision.records.append(record)
        }
        return decision
    }
}
