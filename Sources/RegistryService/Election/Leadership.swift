import Cluster
import JSONFormat
import Logging
import NIOCore
import Synchronization

/// Which node leads, as this one knows it: its place in the group of registries.
final class Leadership: Sendable {
    enum Role: Equatable {
        case unknown
        /// This node leads. Each time it becomes the leader is a new epoch.
        case leader(epoch: Int64)
        case follower(NodeIdentity)
    }

    private struct Inside {
        var role = Role.unknown
        var identity: NodeIdentity
        var epochs: Int64 = 0
        var member: ProtocolMembership?
        var run: Task<Void, Never>?
        var waiters: [Waiter] = []
        var isStopped = false
    }

    private let cluster: any Cluster
    private let settings: RegistrySettings
    private let logger: Logger
    private let inside: Mutex<Inside>

    init(_ cluster: any Cluster, _ settings: RegistrySettings, _ logger: Logger) {
        self.cluster = cluster
        self.settings = settings
        self.logger = logger
        inside = Mutex(
            Inside(
                identity: NodeIdentity(
                    host: settings.host, port: 0, isEligible: settings.isEligible, scheme: settings.scheme)))
    }

    var role: Role { inside.withLock { $0.role } }

    /// The epoch that this node leads in; nil when it does not.
    var epoch: Int64? {
        if case .leader(let epoch) = role { epoch } else { nil }
    }

    /// Joins the group; later calls do nothing.
    ///
    /// - Parameter port: where this node listens.
    func start(port: Int) {
        inside.withLock { inside in
            guard inside.run == nil, !inside.isStopped else { return }
            inside.identity.port = port
            // Owned by the leadership: `stop` awaits it.
            inside.run = Task { await self.run() }
        }
    }

    /// Who leads; waits for the first decision, or the next one when nobody leads.
    func decided(limit: Duration) async -> Role {
        let waiter = Waiter()
        let role = inside.withLock { inside -> Role? in
            if inside.role != .unknown { return inside.role }
            inside.waiters.append(waiter)
            return nil
        }
        if let role { return role }
        _ = await waiter.value(limit: limit)
        return self.role
    }

    private func run() async {
        let options = MembershipOptions(
            sessionTimeout: .seconds(10), heartbeatInterval: .seconds(3), rebalanceTimeout: .seconds(30))
        var isFailing = false
        while !Task.isCancelled {
            let member = cluster.membership(
                group: settings.group, protocolType: "sr", options: options,
                protocols: { [self] in
                    [GroupProtocol("v0", metadata: ByteBuffer(bytes: inside.withLock { $0.identity }.json.bytes))]
                },
                assign: { proposal throws(ClusterError) in Self.assign(proposal) })
            inside.withLock { $0.member = member }
            do {
                while let event = try await member.next() {
                    isFailing = false
                    take(event)
                }
                return
            } catch {
                take(.lost)
                await member.leave()
                if Task.isCancelled { return }
                if !isFailing {
                    logger.error("cannot join the group of registries, trying again", metadata: ["error": "\(error)"])
                }
                isFailing = true
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    private static func assign(_ proposal: GroupProposal) -> [String: ByteBuffer] {
        let members = proposal.members.compactMap { member in
            JSONValue.parse(Array(member.metadata.readableBytesView)).flatMap(NodeIdentity.init).map { (member.id, $0) }
        }
        let decision = ByteBuffer(bytes: LeaderDecision.decide(members).json.bytes)
        return Dictionary(proposal.members.map { ($0.id, decision) }) { first, _ in first }
    }

    private func take(_ event: ProtocolMembership.Event) {
        switch event {
        // Who leads goes on leading while the group meets: it is told in time if another one does, and a session that
        // ends is an event of its own.
        case .rebalancing: return
        case .lost: set(.unknown)
        case .settled(let round):
            guard
                let decision = JSONValue.parse(Array(round.assignment.readableBytesView)).flatMap(LeaderDecision.init)
            else {
                logger.error("the group of registries decided something that cannot be read")
                return set(.unknown)
            }
            if decision.error == LeaderDecision.duplicateAddresses {
                logger.error(
                    "two registries of the group have the same address: set host.name to a name that others can reach",
                    metadata: ["address": "\(inside.withLock { $0.identity }.url)"])
            }
            guard let leader = decision.leader else { return set(.unknown) }
            let isThisNode =
                decision.memberId.map { $0 == round.memberId }
                ?? leader.isSameNode(as: inside.withLock { $0.identity })
            set(isThisNode ? .leader(epoch: -1) : .follower(leader))
        }
    }

    private func set(_ wanted: Role) {
        let (before, after, waiters) = inside.withLock { inside -> (Role, Role, [Waiter]) in
            let before = inside.role
            switch wanted {
            case .leader:
                if case .leader = before { break }
                inside.epochs += 1
                inside.role = .leader(epoch: inside.epochs)
                inside.identity.isLeader = true
            case .follower, .unknown:
                inside.role = wanted
                inside.identity.isLeader = false
            }
            let waiters = inside.role == .unknown ? [] : inside.waiters
            if inside.role != .unknown { inside.waiters = [] }
            return (before, inside.role, waiters)
        }
        for waiter in waiters { waiter.finish(true) }
        guard before != after else { return }
        switch after {
        case .leader: logger.info("leads the registries")
        case .follower(let leader): logger.info("follows a leader", metadata: ["leader": "\(leader.url)"])
        case .unknown: logger.warning("the group of registries has no leader")
        }
    }

    /// Leaves the group, so that another node may lead at once.
    func stop() async {
        let (member, run) = inside.withLock { inside in
            inside.isStopped = true
            inside.role = .unknown
            return (inside.member, inside.run)
        }
        await member?.leave()
        run?.cancel()
        await run?.value
    }
}
