import Environment
import KafkaMessages
import Synchronization

/// Incremental fetch sessions (KIP-227): the broker remembers what a client fetches, so that a client with many
/// partitions names only what changed, and is told only what changed.
final class FetchSessions: Sendable {
    /// Sessions without a request for so long give way to new ones. Others do not: with more clients than sessions each
    /// would take the session of the one that asks next, and nobody would get on with one (upstream's
    /// `min.incremental.fetch.session.eviction.ms`).
    private static let idleNanosecondsMin: Int64 = 120 * 1_000_000_000

    private let countMax: Int
    private let clock: any MonotonicClock
    private let sessions = Mutex<[Int32: FetchSession]>([:])

    init(countMax: Int, clock: any MonotonicClock = SystemMonotonicClock()) {
        self.countMax = countMax
        self.clock = clock
    }

    /// A new session with the targets in it; nil when there are none or too many. The client then names all partitions
    /// with each request.
    func open(_ targets: [FetchTarget], version: Int16) -> FetchSession? {
        guard countMax > 0 else { return nil }
        let now = clock.now()
        return sessions.withLock { sessions in
            if sessions.count >= countMax, let oldest = sessions.values.min(by: { $0.lastUse < $1.lastUse }) {
                guard now - oldest.lastUse > Self.idleNanosecondsMin else { return nil }
                sessions[oldest.id] = nil
            }
            var id: Int32
            repeat { id = .random(in: 1 ... .max) } while sessions[id] != nil
            let session = FetchSession(id: id, usesTopicIds: version >= 13, targets: targets, lastUse: now)
            sessions[id] = session
            return session
        }
    }

    func close(_ id: Int32) { sessions.withLock { $0[id] = nil } }

    /// Takes up a session for its next request.
    ///
    /// - Throws: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or FETCH_SESSION_TOPIC_ID_ERROR; the client then
    ///   starts with a full fetch.
    func resume(
        _ id: Int32, epoch: Int32, version: Int16, changed: [FetchTarget], forgotten: [FetchTarget.Key]
    ) throws(ControlError) -> FetchSession {
        guard let found = sessions.withLock({ $0[id] }) else { throw ControlError(.fetchSessionIdNotFound) }
        found.lastUse = clock.now()
        try found.advance(epoch: epoch, usesTopicIds: version >= 13, changed: changed, forgotten: forgotten)
        return found
    }

    var count: Int { sessions.withLock { $0.count } }
}

/// One client's session.
final class FetchSession: Sendable {
    private struct Entry {
        var target: FetchTarget
        /// What the client was told last; it is told again only when these change.
        var highWatermark: Int64 = -1
        var logStart: Int64 = -1
    }
    private struct State {
        var order: [FetchTarget.Key] = []
        var entries: [FetchTarget.Key: Entry] = [:]
        var nextEpoch: Int32 = 1
        /// Of the monotonic clock, in nanoseconds.
        var lastUse: Int64
    }
    let id: Int32
    private let usesTopicIds: Bool
    private let state: Mutex<State>

    init(id: Int32, usesTopicIds: Bool, targets: [FetchTarget], lastUse: Int64) {
        self.id = id
        self.usesTopicIds = usesTopicIds
        var initial = State(lastUse: lastUse)
        for target in targets where initial.entries.updateValue(Entry(target: target), forKey: target.key) == nil {
            initial.order.append(target.key)
        }
        state = Mutex(initial)
    }

    var lastUse: Int64 {
        get { state.withLock { $0.lastUse } }
        set { state.withLock { $0.lastUse = newValue } }
    }

    var isEmpty: Bool { state.withLock { $0.entries.isEmpty } }

    /// In the order in which they are to be served.
    var targets: [FetchTarget] {
        state.withLock { state in state.order.compactMap { state.entries[$0]?.target } }
    }

    fileprivate func advance(
        epoch: Int32, usesTopicIds: Bool, changed: [FetchTarget], forgotten: [FetchTarget.Key]
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            guard epoch == state.nextEpoch else { throw ControlError(.invalidFetchSessionEpoch) }
            guard usesTopicIds == self.usesTopicIds else { throw ControlError(.fetchSessionTopicIdError) }
            state.nextEpoch = epoch == .max ? 1 : epoch + 1
            for target in changed {
                if state.entries[target.key] != nil {
                    state.entries[target.key]?.target = target
                } else {
                    state.entries[target.key] = Entry(target: target)
                    state.order.append(target.key)
                }
            }
            guard !forgotten.isEmpty else { return }
            for key in forgotten { state.entries[key] = nil }
            state.order.removeAll { state.entries[$0] == nil }
        }
    }

    /// The parts that the client must be told about; they count as told. Partitions that gave records go to the end of
    /// the order, so that no partition starves when the answer is full.
    func changes(in parts: [FetchedPartition], isFull: Bool) -> [FetchedPartition] {
        state.withLock { state in
            var told: [FetchedPartition] = []
            var served: Set<FetchTarget.Key> = []
            for part in parts {
                guard let entry = state.entries[part.key] else { continue }
                let isChanged =
                    isFull || part.byteCount > 0 || part.error != .none || part.divergingEpoch != nil
                    || part.highWatermark != entry.highWatermark || part.logStart != entry.logStart
                guard isChanged else { continue }
                // After an error the next answer must tell everything.
                state.entries[part.key]?.highWatermark = part.error == .none ? part.highWatermark : -1
                state.entries[part.key]?.logStart = part.error == .none ? part.logStart : -1
                if part.byteCount > 0 { served.insert(part.key) }
                told.append(part)
            }
            if !served.isEmpty && served.count < state.order.count {
                state.order = state.order.filter { !served.contains($0) } + state.order.filter { served.contains($0) }
            }
            return told
        }
    }
}
