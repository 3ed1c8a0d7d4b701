import KafkaMessages
import NIOCore

/// A member of a classic group.
struct ClassicMember: Sendable, Equatable {
    typealias Protocols = [JoinGroupRequest.JoinGroupRequestProtocol]

    var id: String
    /// `group.instance.id` of a static member.
    var instanceId: String?
    var client: ClientIdentity
    var rebalanceTimeoutMs: Int32
    var sessionTimeoutMs: Int32
    /// In the member's order of preference, with its metadata for each.
    var protocols: Protocols
    var assignment = ByteBuffer()
    /// Whether the member waits for its first rebalance: it sends no heartbeats yet, so its JoinGroup times out instead.
    var isNew = false
    /// Its JoinGroup that waits for the round to end.
    var awaitingJoin: AwaitingJoin?
    /// Its SyncGroup that waits for the leader's.
    var awaitingSync: ReplyToken?
    /// Monotonic; `Int64.max` while a request of the member waits and stands for its heartbeat.
    var sessionDeadline = Int64.max

    struct AwaitingJoin: Sendable, Equatable {
        var token: ReplyToken
        /// Version of the request.
        var version: Int16
    }

    var isStatic: Bool { instanceId != nil }

    /// Whether a passed session deadline means nothing, as a request of the member is with us.
    var satisfiesHeartbeat: Bool { !isNew && (awaitingJoin != nil || awaitingSync != nil) }

    /// Its metadata for a protocol; empty bytes for one it does not support.
    func metadata(for name: String?) -> ByteBuffer { protocols.first { $0.name == name }?.metadata ?? ByteBuffer() }

    mutating func keepAlive(at now: Int64, forMs timeout: Int32? = nil) {
        sessionDeadline = now + Int64(max(0, timeout ?? sessionTimeoutMs))
    }
}

/// The members of a group in the order they came, found by id.
struct MemberTable: Sendable, Equatable {
    /// Their ids are not to be changed in place.
    var all: [ClassicMember] = []
    private var positions: [String: Int] = [:]

    var isEmpty: Bool { all.isEmpty }
    var count: Int { all.count }

    func position(of id: String) -> Int? { positions[id] }
    func contains(_ id: String) -> Bool { positions[id] != nil }

    subscript(id: String) -> ClassicMember? { positions[id].map { all[$0] } }

    /// - Precondition: no member has the id.
    mutating func append(_ member: ClassicMember) {
        precondition(positions[member.id] == nil, "two members have one id")
        positions[member.id] = all.count
        all.append(member)
    }

    @discardableResult
    mutating func remove(_ id: String) -> ClassicMember? {
        guard let position = positions.removeValue(forKey: id) else { return nil }
        let member = all.remove(at: position)
        for later in position..<all.count { positions[all[later].id] = later }
        return member
    }

    /// Puts a member in the place of another.
    mutating func replace(at position: Int, with member: ClassicMember) {
        positions[all[position].id] = nil
        all[position] = member
        positions[member.id] = position
    }
}
