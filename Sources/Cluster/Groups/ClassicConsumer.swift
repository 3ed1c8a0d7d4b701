import Bytes
import NIOCore
import Patterns
import Synchronization

/// A consumer of the classic protocol.
///
/// - SeeAlso: upstream `ConsumerCoordinator`; KIP-429 for the cooperative way.
actor ClassicConsumer: ConsumerMembership {
    private let cluster: any Cluster
    private let member: ClassicMember
    private let subscription: Subscription
    private let isCooperative: Bool
    private var owned: Set<TopicPartition> = []
    /// The generation that `owned` is of.
    private var ownedGeneration: Int32 = -1
    private var queued: [MembershipEvent] = []
    private var watch: Task<Void, Never>?
    private let basis = Mutex(Basis())

    /// What the last round was based on, for the member that has to notice a change.
    private struct Basis {
        /// The topics that the pattern matched, if the subscription is one.
        var names: [String]?
        /// Partitions of the topics of all members, if this one leads; 0 for topics that are not there.
        var counts: [String: Int32]?
    }

    init(_ cluster: any Cluster, _ group: String, _ subscription: Subscription, _ options: MembershipOptions) {
        precondition(!options.assignors.isEmpty, "a consumer offers at least one assignor")
        self.cluster = cluster
        self.subscription = subscription
        isCooperative = options.assignors.allSatisfy(\.isCooperative)
        member = ClassicMember(cluster.requests, group, ConsumerProtocol.type, options)
    }

    deinit { watch?.cancel() }

    var identity: GroupIdentity { get async { await member.identity } }
    var partitions: Set<TopicPartition> { owned }

    func next() async throws(ClusterError) -> MembershipEvent? {
        while !Task.isCancelled {
            let generation = member.changes.generation
            if await member.isOver { return nil }
            if !queued.isEmpty { return queued.removeFirst() }
            if let failure = await member.failure { throw failure }
            if await member.takeLost(), let gone = takeOwned() { return .lost(gone) }
            guard await member.needsRound else {
                await member.changes.wait(after: generation)
                continue
            }
            if !isCooperative, let gone = takeOwned() { return .revoked(gone) }
            do throws(ClusterError) {
                if let event = try await join() { return event }
            } catch {
                if Task.isCancelled { return nil }
                if await member.isOver { return nil }
                throw error
            }
        }
        return nil
    }

    private func takeOwned() -> [TopicPartition]? {
        guard !owned.isEmpty else { return nil }
        defer { owned = [] }
        return owned.sorted()
    }

    /// - Returns: nil when there is nothing to tell, and another attempt to make.
    private func join() async throws(ClusterError) -> MembershipEvent? {
        startWatch()
        let options = member.options
        let topics = try await Self.topics(subscription, in: cluster)
        let isPattern = if case .pattern = subscription { true } else { false }
        basis.withLock { $0 = Basis(names: isPattern ? topics : nil) }
        let metadata = ConsumerProtocol.encode(
            ConsumerProtocol.Subscription(
                topics: topics, owned: isCooperative ? owned.sorted() : [], generation: ownedGeneration))
        let outcome = try await member.round(options.assignors.map { GroupProtocol($0.rawValue, metadata: metadata) }) {
            [self] proposal throws(ClusterError) in try await share(proposal)
        }
        guard case .round(let round) = outcome else {
            // Forgotten while it joined: whatever it had is somebody else's.
            return takeOwned().map { .lost($0) }
        }
        let assigned: Set<TopicPartition>
        do throws(WireError) {
            assigned = Set(try ConsumerProtocol.assignment(round.assignment))
        } catch {
            throw ClusterError(.corruptMessage, "the leader's assignment in group '\(member.group)': \(error)")
        }
        ownedGeneration = round.generation
        let (revoked, added) = (owned.subtracting(assigned), assigned.subtracting(owned))
        owned = assigned
        guard !revoked.isEmpty else { return .assigned(added.sorted()) }
        // What was given up can be given out only when this member has joined without it.
        queued.append(.assigned(added.sorted()))
        await member.requestRound()
        return .revoked(revoked.sorted())
    }

    // MARK: The leader's part

    private nonisolated func share(_ proposal: GroupProposal) async throws(ClusterError) -> [String: ByteBuffer] {
        guard let assignor = member.options.assignors.first(where: { $0.rawValue == proposal.protocolName }) else {
            throw ClusterError(
                .inconsistentGroupProtocol, "group '\(member.group)' uses the assignor '\(proposal.protocolName)'")
        }
        var members: [Assignor.Member] = []
        for member in proposal.members {
            do throws(WireError) {
                members.append(
                    Assignor.Member(
                        id: member.id, instanceId: member.instanceId,
                        subscription: try ConsumerProtocol.subscription(member.metadata)))
            } catch {
                throw ClusterError(
                    .inconsistentGroupProtocol,
                    "the subscription of member '\(member.id)' of group '\(self.member.group)' cannot be read: \(error)"
                )
            }
        }
        let wanted = Set(members.flatMap(\.subscription.topics))
        let counts = try await Self.partitionCounts(of: wanted, in: cluster)
        basis.withLock { $0.counts = Dictionary(wanted.map { ($0, counts[$0] ?? 0) }) { $1 } }
        return assignor.assign(members, partitionCounts: counts).mapValues { ConsumerProtocol.encode($0) }
    }

    private static func partitionCounts(
        of topics: Set<String>, in cluster: any Cluster
    ) async throws(ClusterError) -> [String: Int32] {
        let found = try await cluster.topics().filter { topics.contains($0.name) }
        return Dictionary(found.map { ($0.name, Int32(clamping: $0.partitions.count)) }) { first, _ in first }
    }

    private static func topics(
        _ subscription: Subscription, in cluster: any Cluster
    ) async throws(ClusterError) -> [String] {
        switch subscription {
        case .topics(let names): return names.sorted()
        case .pattern(let pattern):
            let names = try await cluster.topics().filter { !$0.isInternal }.map(\.name)
            do throws(PatternError) {
                // All of the name, as Java's clients want it.
                let expression = try JavaPattern("\\A(?:" + pattern + ")\\z")
                var matching: [String] = []
                for name in names where try expression.firstMatch(in: Array(name.utf8)) != nil { matching.append(name) }
                return matching
            } catch {
                throw ClusterError(.invalidRegularExpression, "'\(pattern)' is not a regular expression: \(error)")
            }
        }
    }

    // MARK: Topics that come and grow

    private func startWatch() {
        guard watch == nil else { return }
        let interval = member.options.metadataInterval
        // Owned by the membership: `leave` awaits its end, and one that is dropped takes it along.
        watch = Task { [weak self] in
            while true {
                do { try await Task.sleep(for: interval) } catch { return }
                guard let self else { return }
                await self.look()
            }
        }
    }

    /// Joins again when the topics are not what the last round was based on.
    private func look() async {
        let (names, counts) = basis.withLock { ($0.names, $0.counts) }
        guard names != nil || counts != nil, await !member.needsRound else { return }
        var hasChanged = false
        // A cluster that does not answer now is asked again the next time.
        if let names, let new = try? await Self.topics(subscription, in: cluster) { hasChanged = new != names }
        if let counts, let new = try? await Self.partitionCounts(of: Set(counts.keys), in: cluster) {
            hasChanged = hasChanged || counts != Dictionary(counts.keys.map { ($0, new[$0] ?? 0) }) { $1 }
        }
        guard hasChanged, basis.withLock({ $0.names == names && $0.counts == counts }) else { return }
        await member.requestRound()
    }

    // MARK: Offsets and the end

    func commit(_ offsets: [TopicPartition: CommittedOffset]) async throws(ClusterError) {
        try await member.requests.commit(
            offsets, by: await member.identity, attempt: "commit offsets of group '\(member.group)'")
    }

    func committed(_ partitions: [TopicPartition]) async throws(ClusterError) -> [TopicPartition: CommittedOffset] {
        guard !partitions.isEmpty else { return [:] }
        return try await member.requests.committedOffsets(
            of: .outside(member.group), in: partitions, requireStable: true)
    }

    func leave() async {
        watch?.cancel()
        await watch?.value
        await member.leave()
        owned = []
    }
}
