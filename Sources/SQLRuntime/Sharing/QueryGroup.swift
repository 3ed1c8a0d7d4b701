import Bytes
import Cluster
import Logging
import NIOCore
import Synchronization

/// This node's place in the group of one query. The group is one of consumers, named as the original's, so that Kafka's
/// tools show who reads what; its members are the nodes, and its leader shares out tasks in place of partitions.
final class QueryGroup: Sendable {
    enum Event: Sendable {
        /// The group has settled. It goes on when the event has been dealt with.
        case settled(TaskDecision)
        /// The group went on without this node: others may have its tasks.
        case lost
    }

    /// All tasks of the query, and the partitions that each reads.
    struct Shape: Sendable {
        var sources: [String: Int]
        var tasks: [TaskName: [TopicPartition]]
    }

    /// What the group asks of its query.
    protocol Owner: AnyObject, Sendable {
        /// What this node runs and could run; the id is the group's business.
        func offer() async -> TaskAssignor.Member
        /// Asked of the leader.
        func shape() async throws(ClusterError) -> Shape
        func take(_ event: Event) async
        /// The group cannot be joined at the moment.
        func note(_ error: ClusterError) async
    }

    static let protocolName = "swiftwater"

    private struct Inside {
        var member: ProtocolMembership?
        var run: Task<Void, Never>?
        var isOver = false
    }

    private let cluster: any Cluster
    private let group: String
    private let topics: [String]
    private let options: MembershipOptions
    private let inside = Mutex(Inside())

    init(_ cluster: any Cluster, _ group: String, topics: [String], _ options: MembershipOptions) {
        self.cluster = cluster
        self.group = group
        self.topics = topics
        self.options = options
    }

    /// Joins. Called once.
    func start(_ owner: any Owner) {
        inside.withLock { inside in
            guard !inside.isOver else { return }
            // Owned here: `leave` awaits it.
            inside.run = Task { [weak owner] in await self.run { owner } }
        }
    }

    /// Has the tasks shared out anew.
    func requestRound() async { await inside.withLock { $0.member }?.requestRound() }

    /// Who the node is in the group at the moment.
    var identity: GroupIdentity {
        get async { await inside.withLock { $0.member }?.identity ?? .outside(group) }
    }

    private func run(_ find: () -> (any Owner)?) async {
        while !Task.isCancelled {
            let member = self.member(find())
            let isOver = inside.withLock { inside in
                inside.member = member
                return inside.isOver
            }
            if isOver { return }
            do throws(ClusterError) {
                while let event = try await member.next() {
                    guard let owner = find() else { return await member.leave() }
                    switch event {
                    // Tasks go on while the group meets.
                    case .rebalancing: break
                    case .lost: await owner.take(.lost)
                    case .settled(let round): await owner.take(.settled(try decision(of: round)))
                    }
                }
                return
            } catch {
                await member.leave()
                guard !Task.isCancelled, let owner = find() else { return }
                await owner.take(.lost)
                await owner.note(error)
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    private func decision(of round: GroupRound) throws(ClusterError) -> TaskDecision {
        do {
            return try TaskDecision(try ConsumerProtocol.assignmentUserData(round.assignment))
        } catch {
            throw ClusterError(
                .corruptMessage, "the leader of group '\(group)' decided something that cannot be read",
                hint: "all members of the group must be nodes of one service")
        }
    }

    private func member(_ owner: (any Owner)?) -> ProtocolMembership {
        let topics = topics
        return cluster.membership(
            group: group, protocolType: ConsumerProtocol.type, options: options,
            protocols: { [weak owner] in
                let offer = await owner?.offer() ?? TaskAssignor.Member(id: "", address: "")
                return [
                    GroupProtocol(
                        Self.protocolName,
                        metadata: ConsumerProtocol.encode(.init(topics: topics, userData: offer.encoded)))
                ]
            },
            assign: { [weak owner] proposal throws(ClusterError) in
                guard let owner else { throw ClusterError(.requestTimedOut, "the query has ended") }
                return try Self.assign(proposal, try await owner.shape())
            })
    }

    /// The leader's decision.
    static func assign(_ proposal: GroupProposal, _ shape: Shape) throws(ClusterError) -> [String: ByteBuffer] {
        var members: [TaskAssignor.Member] = []
        for member in proposal.members {
            do {
                let subscription = try ConsumerProtocol.subscription(member.metadata)
                members.append(try TaskAssignor.Member(id: member.id, subscription.userData))
            } catch {
                throw ClusterError(
                    .inconsistentGroupProtocol, "member '\(member.id)' of the group is no node of this service")
            }
        }
        let granted = TaskAssignor.assign(Array(shape.tasks.keys), members).granted
        var decision = TaskDecision(sources: shape.sources)
        for member in members { decision.nodes[member.address, default: []].formUnion(granted[member.id] ?? []) }
        var answers: [String: ByteBuffer] = [:]
        for member in members {
            decision.own = granted[member.id] ?? []
            let partitions = Set(decision.own.flatMap { shape.tasks[$0] ?? [] }).sorted()
            answers[member.id] = ConsumerProtocol.encode(partitions, userData: decision.encoded)
        }
        return answers
    }

    /// Leaves, so that the others need not wait for a timeout. Not to be called while an event is dealt with.
    func leave() async {
        let (member, run) = inside.withLock { inside in
            inside.isOver = true
            return (inside.member, inside.run)
        }
        await member?.leave()
        run?.cancel()
        await run?.value
    }

    /// Ends without a word, as if the process had died.
    func abandon() {
        inside.withLock { inside in
            inside.isOver = true
            inside.run?.cancel()
            inside.member = nil
        }
    }
}
