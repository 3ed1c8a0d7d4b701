/// All groups of one partition of `__consumer_offsets`: members, generations, committed offsets.
///
/// A pure value. Each request and each `tick` is an event that leads to a `Decision`; the caller appends its records and
/// calls `commit` or `abandon` before the next event. A decision without records is final, neither call is needed.
/// Members that wait (in JoinGroup until the round ends, in SyncGroup for the leader) get their reply in a later decision.
///
/// Loading: `replay` and `replayMarker` for all records of the partition in the order of the log, then `finishLoading`.
/// Until then no other event may come.
///
/// - SeeAlso: upstream `GroupCoordinatorShard`, `GroupMetadataManager`, `OffsetMetadataManager`.
package struct GroupShard: Sendable {
    package let configuration: GroupConfiguration
    var memberIds: MemberIds
    var groups: [String: Group] = [:]
    var offsets = OffsetStore()
    var deadlines = DeadlineQueue()
    /// When offsets are next looked through for expired ones; nil while there are no groups. Monotonic.
    var nextSweep: Int64?
    /// Where the last sweep stopped because it had written enough.
    var sweepPosition: String?
    /// Timers rest until then because the log refused records.
    var pausedUntil = Int64.min

    /// Groups as they were before the event that is not decided; nil for those that were not there.
    private var undo: [String: Group?] = [:]
    /// The sweep before the event, when the event has advanced it.
    private var undoSweep: (next: Int64?, position: String?)?
    /// What `commit` will apply: changes that are cheaper to make late than to take back.
    private var changes: [Change] = []
    /// When the last event came.
    private var now = Int64.min

    enum Change: Sendable {
        case offset(CommittedOffset?, group: String, TopicPartition, producerId: Int64?)
        case removeGroup(String)
    }

    /// - Parameter seed: of the member ids that the shard makes; the same seed gives the same ids.
    package init(configuration: GroupConfiguration, seed: UInt64) {
        self.configuration = configuration
        memberIds = MemberIds(seed: seed)
    }

    // MARK: The end of an event

    /// The log took the records of the last decision.
    package mutating func commit() {
        undo.removeAll(keepingCapacity: true)
        undoSweep = nil
        let changes = changes
        self.changes.removeAll(keepingCapacity: true)
        for change in changes {
            switch change {
            case .offset(let offset, let group, let partition, let producerId):
                apply(offset, group: group, partition, producerId: producerId)
            case .removeGroup(let id):
                groups[id] = nil
                deadlines.cancel(id)
            }
        }
        armSweep()
    }

    /// The log refused the records of the last decision: everything is as before its event.
    package mutating func abandon() {
        changes.removeAll(keepingCapacity: true)
        for (id, group) in undo.sorted(by: { $0.key < $1.key }) {
            groups[id] = group
            // A timer that fired left the queue.
            arm(id)
        }
        undo.removeAll(keepingCapacity: true)
        if let undoSweep { (nextSweep, sweepPosition) = undoSweep }
        undoSweep = nil
        pausedUntil = now + GroupConfiguration.retryPauseMs
    }

    /// The time by which `tick` wants to be called, in milliseconds of the monotonic clock; nil when nothing is waiting.
    /// It changes with every event.
    package var nextDeadline: Int64? {
        let next = min(deadlines.next ?? .max, nextSweep ?? .max)
        return next == .max ? nil : max(next, pausedUntil)
    }

    // MARK: What events share

    mutating func begin(at: EventTime) { now = at.monotonic }

    /// Remembers a group for `abandon`; to be called before it is changed.
    mutating func save(_ id: String) {
        if undo[id] == nil { undo[id] = .some(groups[id]) }
    }

    /// Remembers where the sweep is for `abandon`; to be called before it goes on.
    mutating func saveSweep() { undoSweep = (nextSweep, sweepPosition) }

    mutating func stage(_ change: Change) { changes.append(change) }

    /// Ends an event: without records the decision is final.
    mutating func end(_ decision: Decision) -> Decision {
        if decision.records.isEmpty { commit() }
        return decision
    }

    /// Takes an event back before it has become a decision.
    mutating func cancel() {
        changes.removeAll(keepingCapacity: true)
        for (id, group) in undo {
            groups[id] = group
            arm(id)
        }
        undo.removeAll(keepingCapacity: true)
    }

    mutating func arm(_ id: String) {
        if let deadline = groups[id]?.nextDeadline {
            deadlines.schedule(id, at: deadline)
        } else {
            deadlines.cancel(id)
        }
    }

    mutating func armSweep() {
        if groups.isEmpty {
            nextSweep = nil
        } else if nextSweep == nil {
            nextSweep = now + max(1, configuration.offsetsRetentionCheckIntervalMs)
        }
    }

    /// Applies an offset's record. A group that only has offsets comes into being with the first.
    mutating func apply(
        _ offset: CommittedOffset?, group: String, _ partition: TopicPartition, producerId: Int64?
    ) {
        if let offset, groups[group] == nil {
            groups[group] = .classic(ClassicGroup(id: group, wall: offset.commitTimestamp))
        }
        offsets.apply(offset, group: group, partition, producerId: producerId)
    }

    /// Changes a classic group in place; nil if there is none with the id.
    mutating func withClassicGroup<Result>(
        _ id: String, _ body: (inout ClassicGroup) -> Result
    ) -> Result? {
        guard let index = groups.index(forKey: id), case .classic(var group) = groups.values[index] else { return nil }
        // The table lets go of the group meanwhile: with two owners the first change would copy all members.
        groups.values[index] = Self.vacant
        defer { groups.values[index] = .classic(group) }
        return body(&group)
    }

    /// The same for a consumer group.
    mutating func withConsumerGroup<Result>(
        _ id: String, _ body: (inout ConsumerGroup) -> Result
    ) -> Result? {
        guard let index = groups.index(forKey: id), case .consumer(var group) = groups.values[index] else { return nil }
        groups.values[index] = Self.vacant
        defer { groups.values[index] = .consumer(group) }
        return body(&group)
    }

    /// The same for a share group.
    mutating func withShareGroup<Result>(_ id: String, _ body: (inout ShareGroup) -> Result) -> Result? {
        guard let index = groups.index(forKey: id), case .share(var group) = groups.values[index] else { return nil }
        groups.values[index] = Self.vacant
        defer { groups.values[index] = .share(group) }
        return body(&group)
    }

    /// The same for a streams group.
    mutating func withStreamsGroup<Result>(_ id: String, _ body: (inout StreamsGroup) -> Result) -> Result? {
        guard let index = groups.index(forKey: id), case .streams(var group) = groups.values[index] else { return nil }
        groups.values[index] = Self.vacant
        defer { groups.values[index] = .streams(group) }
        return body(&group)
    }

    private static let vacant = Group.classic(ClassicGroup(id: "", wall: nil))
}
