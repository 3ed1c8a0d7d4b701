import Cluster
import ConnectCore
import Logging
import NIOCore
import Synchronization

/// A worker's place among the workers: who leads, and what this one is to run.
struct Standing: Sendable, Hashable {
    enum Role: Sendable, Hashable {
        /// Nothing is known yet, or the group went on without this worker.
        case none
        case leader
        case follower(url: String)
    }

    var role = Role.none
    var generation: Int32 = 0
    var work = Work()
    /// What the worker runs besides until it has stopped it.
    var revoked = Work()
    /// URLs of all workers with their work, as the leader knows them.
    var workers: [String: Work] = [:]
    /// The worker knows of no other and decides for itself.
    var isAlone = false
    /// Why the worker cannot join its group.
    var problem: String?
}

/// The group of workers, of protocol type `connect`.
final class WorkerGroup: Sendable {
    private struct Inside {
        var member: ProtocolMembership?
        var run: Task<Void, Never>?
        var timer: Task<Void, Never>?
        var isStopped = false
        var assignor: WorkAssignor
        /// From the leader's last decision.
        var workers: [String: Work] = [:]
    }

    private let cluster: any Cluster
    private let settings: WorkerSettings
    private let config: StateTopic<ConfigState, ConfigState.Event>
    private let logger: Logger
    private let url: String
    private let inside: Mutex<Inside>
    /// What the worker runs now.
    private let running: @Sendable () async -> Work
    /// Called with each new standing; the group goes on when it returns.
    private let settle: @Sendable (Standing) async -> Void

    init(
        _ cluster: any Cluster, _ settings: WorkerSettings, _ config: StateTopic<ConfigState, ConfigState.Event>,
        _ logger: Logger, running: @escaping @Sendable () async -> Work,
        settle: @escaping @Sendable (Standing) async -> Void
    ) {
        self.cluster = cluster
        self.settings = settings
        self.config = config
        self.logger = logger
        self.running = running
        self.settle = settle
        url = settings.url
        inside = Mutex(Inside(assignor: WorkAssignor(delayMax: settings.rebalanceDelayMax)))
    }

    /// Joins; later calls do nothing.
    func start() {
        inside.withLock { inside in
            guard inside.run == nil, !inside.isStopped else { return }
            // Owned here: `stop` awaits it.
            inside.run = Task { await self.run() }
        }
    }

    /// Whether there are other workers.
    ///
    /// Where the worker knows itself again, what it left in the group when it was killed is put out: nobody else has its
    /// URL, and waiting for that member's session to end would hold up all work.
    func hasOthers() async -> Bool {
        // A cluster that does not answer is asked again by the member itself.
        guard let found = try? await cluster.group(settings.groupId) else { return false }
        let former = found.members.filter { settings.identity != nil && Self.url(of: $0) == url }.map(\.id)
        guard !former.isEmpty else { return !found.members.isEmpty }
        do {
            try await cluster.removeMembers(former, from: settings.groupId)
        } catch {
            logger.warning(
                "what this Connect worker was before is still in its group", metadata: ["error": "\(error)"])
            return true
        }
        return found.members.count > former.count
    }

    /// Nil for members of which the coordinator tells nothing, as while the group settles.
    private static func url(of member: GroupMember) -> String? {
        member.metadata.flatMap { try? WorkerMetadata($0) }?.url
    }

    /// Has the work shared out anew.
    func requestRound() async { await inside.withLock { $0.member }?.requestRound() }

    private func run() async {
        let options = MembershipOptions(
            sessionTimeout: settings.milliseconds("session.timeout.ms"),
            heartbeatInterval: settings.milliseconds("heartbeat.interval.ms"),
            rebalanceTimeout: settings.milliseconds("rebalance.timeout.ms"))
        let versions = ConnectProtocol.offered(settings.protocolName)
        var isFailing = false
        while !Task.isCancelled {
            let member = cluster.membership(
                group: settings.groupId, protocolType: ConnectProtocol.type, options: options,
                protocols: { [self] in
                    let metadata = WorkerMetadata(url: url, offset: config.position, work: await running())
                    return versions.map { GroupProtocol($0.name, metadata: metadata.encoded($0)) }
                },
                assign: { [self] proposal throws(ClusterError) in try await assign(proposal) })
            inside.withLock { $0.member = member }
            do {
                while let event = try await member.next() {
                    isFailing = false
                    try await take(event, member)
                }
                return
            } catch {
                var outside = Standing()
                outside.problem = (error as? ClusterError)?.message ?? "\(error)"
                await settle(outside)
                await member.leave()
                if Task.isCancelled { return }
                if !isFailing {
                    logger.error("cannot join the group of workers, trying again", metadata: ["error": "\(error)"])
                }
                isFailing = true
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    private func take(_ event: ProtocolMembership.Event, _ member: ProtocolMembership) async throws {
        switch event {
        // Work goes on while the group meets, unless all of it is shared out anew.
        case .rebalancing:
            if settings.protocolName.lowercased() == "eager" { await settle(Standing()) }
        case .lost: await settle(Standing())
        case .settled(let round):
            let decision: GroupDecision
            do throws(ConnectProtocol.Malformed) {
                decision = try GroupDecision(round.assignment)
            } catch {
                throw ClusterError(.corruptMessage, "the leader of the workers decided something that cannot be read")
            }
            guard decision.error == ConnectProtocol.noError else {
                // The leader has not read as far as another member: it is asked again once it has.
                logger.warning("the leader of the workers was behind the config topic")
                try? await Task.sleep(for: .milliseconds(100))  // a cancelled wait ends with the next event
                return await member.requestRound()
            }
            try await config.catchUp()
            var standing = Standing()
            standing.role = round.isLeader ? .leader : .follower(url: decision.leaderURL)
            standing.generation = round.generation
            // In the cooperative protocols a decision says what the worker has altogether.
            standing.work = decision.work
            standing.revoked = decision.revoked
            standing.workers = round.isLeader ? inside.withLock { $0.workers } : [:]
            await settle(standing)
            if !decision.revoked.isEmpty { await member.requestRound() }
            if round.isLeader, decision.delay > 0 { askAgain(after: .milliseconds(Int64(decision.delay)), member) }
        }
    }

    private func askAgain(after delay: Duration, _ member: ProtocolMembership) {
        inside.withLock { inside in
            inside.timer?.cancel()
            // Owned here: the next one and `stop` end it.
            inside.timer = Task {
                do { try await Task.sleep(for: delay + .milliseconds(10)) } catch { return }
                await member.requestRound()
            }
        }
    }

    /// The leader's decision.
    private func assign(_ proposal: GroupProposal) async throws(ClusterError) -> [String: ByteBuffer] {
        guard let version = ConnectProtocol(name: proposal.protocolName) else {
            throw ClusterError(
                .inconsistentGroupProtocol, "the workers of '\(settings.groupId)' speak '\(proposal.protocolName)'")
        }
        var members: [String: WorkerMetadata] = [:]
        for member in proposal.members {
            do throws(ConnectProtocol.Malformed) {
                members[member.id] = try WorkerMetadata(member.metadata)
            } catch {
                throw ClusterError(
                    .inconsistentGroupProtocol, "worker '\(member.id)' of '\(settings.groupId)' cannot be understood")
            }
        }
        try await config.catchUp()
        let offset = config.position
        let all = config.read { Work(connectors: Set($0.names), tasks: Set($0.tasks)) }
        var decision = WorkAssignor.Decision()
        if version == .eager {
            decision.work = WorkAssignor.shareAll(all, members.keys.sorted())
        } else {
            decision = inside.withLock { $0.assignor.assign(all, members.mapValues(\.work), now: .now) }
        }
        let urls = Dictionary(members.map { ($0.value.url, decision.work[$0.key] ?? Work()) }) { $0.union($1) }
        inside.withLock { $0.workers = urls }
        var answers: [String: ByteBuffer] = [:]
        for member in members.keys {
            var own = GroupDecision(leader: proposal.memberId, leaderURL: url, offset: offset)
            own.work = decision.work[member] ?? Work()
            own.revoked = decision.revoked[member] ?? Work()
            own.delay = Int32(clamping: decision.delay.wholeMilliseconds)
            answers[member] = own.encoded(version)
        }
        return answers
    }

    /// Leaves, so that the others need not wait for a timeout.
    func stop() async {
        let (member, run, timer) = inside.withLock { inside in
            inside.isStopped = true
            return (inside.member, inside.run, inside.timer)
        }
        timer?.cancel()
        await member?.leave()
        run?.cancel()
        await run?.value
    }
}
