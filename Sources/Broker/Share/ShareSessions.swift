import Coordinators
import KafkaMessages
import NIOCore
import Synchronization

/// Share sessions (KIP-932): what each member fetches, so that a request names only what changed. A member has one, which
/// lives as long as its connection.
final class ShareSessions: Sendable {
    struct Key: Hashable, Sendable {
        var group: String
        var member: String
    }

    private let countMax: Int
    private let sessions = Mutex<[Key: ShareSession]>([:])

    /// - Parameter countMax: `group.share.max.share.sessions`.
    init(countMax: Int) { self.countMax = countMax }

    /// A new session in the place of the one that the member may have.
    ///
    /// - Returns: it, and the one before.
    /// - Throws: SHARE_SESSION_LIMIT_REACHED.
    func open(_ key: Key, on connection: ObjectIdentifier) throws(ControlError) -> (ShareSession, before: ShareSession?)
    {
        let session = ShareSession(key, connection)
        let before = try sessions.withLock { sessions throws(ControlError) in
            guard sessions.count < countMax || sessions[key] != nil else {
                throw ControlError(
                    .shareSessionLimitReached, "There are \(countMax) share sessions, as many as there may be.")
            }
            return sessions.updateValue(session, forKey: key)
        }
        before?.end()
        return (session, before)
    }

    /// The session of a member for its next request.
    ///
    /// - Throws: SHARE_SESSION_NOT_FOUND or INVALID_SHARE_SESSION_EPOCH; the member then opens a new one.
    func resume(_ key: Key, epoch: Int32) throws(ControlError) -> ShareSession {
        guard let session = sessions.withLock({ $0[key] }) else { throw ControlError(.shareSessionNotFound) }
        // The last request of a session names no number.
        if epoch != -1, !session.advance(epoch) { throw ControlError(.invalidShareSessionEpoch) }
        return session
    }

    func close(_ session: ShareSession) {
        session.end()
        sessions.withLock { sessions in
            if sessions[session.key] === session { sessions[session.key] = nil }
        }
    }

    /// The sessions of a connection that has ended; they are no more.
    func end(of connection: ObjectIdentifier) -> [ShareSession] {
        let ended = sessions.withLock { sessions in
            let ended = sessions.values.filter { $0.connection == connection }
            for session in ended { sessions[session.key] = nil }
            return ended
        }
        for session in ended { session.end() }
        return ended
    }

    var count: Int { sessions.withLock { $0.count } }
}

/// A partition as a session names it.
struct ShareTarget: Hashable, Sendable {
    var topicId: KafkaUUID
    var partition: Int32
}

/// What one member fetches.
final class ShareSession: Sendable {
    private struct State {
        var order: [ShareTarget] = []
        var targets: Set<ShareTarget> = []
        /// All that it got records of since it began, which it may have still.
        var touched: Set<ShareTarget> = []
        var nextEpoch: Int32 = 1
        var isOver = false
    }

    let key: ShareSessions.Key
    let connection: ObjectIdentifier
    private let state = Mutex(State())
    /// Partitions of one session; no client has as many.
    private static let targetCountMax = 100_000

    init(_ key: ShareSessions.Key, _ connection: ObjectIdentifier) {
        self.key = key
        self.connection = connection
    }

    fileprivate func advance(_ epoch: Int32) -> Bool {
        state.withLock { state in
            guard epoch == state.nextEpoch else { return false }
            state.nextEpoch = epoch == .max ? 1 : epoch + 1
            return true
        }
    }

    fileprivate func end() { state.withLock { $0.isOver = true } }

    /// Whether it has ended; nobody acknowledges what it is given then.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// - Returns: what is fetched then, in the order in which it is to be served.
    /// - Throws: INVALID_REQUEST for more than a session may have.
    func change(
        adding added: [ShareTarget], forgetting forgotten: [ShareTarget]
    ) throws(ControlError) -> [ShareTarget] {
        try state.withLock { state throws(ControlError) in
            guard state.order.count + added.count <= 2 * Self.targetCountMax else {
                throw ControlError(.invalidRequest, "A share session has at most \(Self.targetCountMax) partitions.")
            }
            for target in added where state.targets.insert(target).inserted {
                state.order.append(target)
            }
            if !forgotten.isEmpty {
                state.targets.subtract(forgotten)
                state.order.removeAll { !state.targets.contains($0) }
            }
            guard state.order.count <= Self.targetCountMax else {
                throw ControlError(.invalidRequest, "A share session has at most \(Self.targetCountMax) partitions.")
            }
            return state.order
        }
    }

    /// Partitions that gave records go behind the others, so that none starves when an answer is full.
    func served(_ served: Set<ShareTarget>) {
        state.withLock { state in
            state.touched.formUnion(served)
            guard !served.isEmpty, served.count < state.order.count else { return }
            state.order = state.order.filter { !served.contains($0) } + state.order.filter(served.contains)
        }
    }

    /// The share partitions whose records the member may have.
    var partitions: [SharePartitionKey] {
        state.withLock { state in
            state.touched.map { SharePartitionKey(group: key.group, topicId: $0.topicId, partition: $0.partition) }
        }
    }
}
