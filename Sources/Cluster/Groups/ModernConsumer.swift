import KafkaMessages
import NIOCore

/// A consumer of the consumer protocol: the coordinator decides, and tells each member by the answers to its heartbeats.
///
/// - SeeAlso: KIP-848; upstream `ConsumerMembershipManager`.
actor ModernConsumer: ConsumerMembership {
    private let cluster: any Cluster
    private nonisolated let requests: any RequestChannel
    private nonisolated let group: String
    private let subscription: Subscription
    private let options: MembershipOptions
    /// Chosen by the member itself, for its whole life.
    private let memberId: String

    /// 0: not joined.
    private var epoch: Int32 = 0
    private var owned: Set<TopicPartition> = []
    /// Told to the owner as revoked; given up when the owner asks for the next event.
    private var revoking: Set<TopicPartition> = []
    /// What the coordinator wants the member to have, by topic id; nil until it said something.
    private var target: [KafkaUUID: [Int32]]?
    /// Whether the owner has yet to hear of the target.
    private var hasNews = false
    private var names: [KafkaUUID: String] = [:]
    /// What the coordinator believes that the member has; nil when that is not known, and all must be told again.
    private var told: Set<TopicPartition>?
    private var interval = Duration.seconds(1)
    private var isLost = false
    private var isOver = false
    private var failure: ClusterError?
    private var heart: Task<Void, Never>?
    /// Notified when the owner has something to look at.
    private nonisolated let changes = Signal()
    /// Notified when the next heartbeat should not wait for its time.
    private nonisolated let hurry = Signal()

    init(_ cluster: any Cluster, _ group: String, _ subscription: Subscription, _ options: MembershipOptions) {
        self.cluster = cluster
        requests = cluster.requests
        self.group = group
        self.subscription = subscription
        self.options = options
        var random = SystemRandomNumberGenerator()
        memberId = options.memberId ?? KafkaUUID.random(using: &random).description
    }

    deinit { heart?.cancel() }

    var identity: GroupIdentity {
        GroupIdentity(group: group, memberId: memberId, generation: epoch, instanceId: options.instanceId)
    }
    var partitions: Set<TopicPartition> { owned.subtracting(revoking) }

    func next() async throws(ClusterError) -> MembershipEvent? {
        startHeart()
        if !revoking.isEmpty {
            owned.subtract(revoking)
            revoking = []
            hurry.notify()
        }
        while !Task.isCancelled, !isOver {
            let generation = changes.generation
            if isLost {
                isLost = false
                let gone = owned.sorted()
                owned = []
                hurry.notify()  // to join again
                if !gone.isEmpty { return .lost(gone) }
            }
            if let failure { throw failure }
            guard hasNews, let target else {
                await changes.wait(after: generation)
                continue
            }
            guard let wanted = await resolve(target) else {
                // A topic so new that the cluster does not know it everywhere.
                await changes.wait(after: generation, timeout: .milliseconds(200))
                continue
            }
            guard target == self.target, !isLost else { continue }  // another answer came meanwhile
            let gone = owned.subtracting(wanted)
            if !gone.isEmpty {
                revoking = gone
                return .revoked(gone.sorted())
            }
            hasNews = false
            let added = wanted.subtracting(owned)
            owned = wanted
            hurry.notify()
            return .assigned(added.sorted())
        }
        return nil
    }

    /// The partitions of a target; nil when a topic's name is not known.
    private func resolve(_ target: [KafkaUUID: [Int32]]) async -> Set<TopicPartition>? {
        let unknown = target.keys.filter { names[$0] == nil }
        if !unknown.isEmpty {
            // What fails now is tried again by the caller.
            let answer = try? await requests.call(to: .anyBroker, versions: 10...12, timeout: requests.timeout) { _ in
                MetadataRequest(
                    topics: unknown.map { .init(topicId: $0, name: nil) }, allowAutoTopicCreation: false)
            }
            for topic in answer?.topics ?? [] where topic.errorCode == 0 { names[topic.topicId] = topic.name }
        }
        var partitions: Set<TopicPartition> = []
        for (id, numbers) in target {
            guard let name = names[id] else { return nil }
            for number in numbers { partitions.insert(TopicPartition(name, number)) }
        }
        return partitions
    }

    // MARK: Heartbeats

    private func startHeart() {
        guard heart == nil, !isOver else { return }
        // Owned by the membership: `leave` awaits its end, and one that is dropped takes it along.
        heart = Task { [weak self, hurry] in
            while !Task.isCancelled {
                let generation = hurry.generation
                guard let pause = await self?.beat() else { return }
                await hurry.wait(after: generation, timeout: pause)
            }
        }
    }

    /// - Returns: the time until the next one; nil to end.
    private func beat() async -> Duration? {
        guard !isOver, failure == nil else { return nil }
        guard !isLost else { return .seconds(1) }  // the owner must know before the member joins again
        let isJoining = epoch == 0
        let sent = isJoining ? [] : owned
        let tellsAll = isJoining || told == nil
        let answer: ConsumerGroupHeartbeatResponse
        do throws(ClusterError) {
            answer = try await heartbeat(epoch, tellsAll: tellsAll, owned: tellsAll || told != sent ? sent : nil)
        } catch {
            told = nil
            if isOver { return nil }
            guard
                [.networkException, .requestTimedOut, .brokerNotAvailable].contains(error.code)
                    || error.code.isRetriable
            else { return fail(error) }
            return .milliseconds(500)
        }
        // Also one that is over has to know that it has joined, to leave.
        if answer.errorCode == 0 { epoch = answer.memberEpoch }
        guard !isOver else { return nil }
        switch ErrorCode(rawValue: answer.errorCode) {
        case .none:
            told = sent
            if answer.heartbeatIntervalMs > 0 { interval = .milliseconds(Int64(answer.heartbeatIntervalMs)) }
            if let assignment = answer.assignment {
                let new = Dictionary(assignment.topicPartitions.map { ($0.topicId, $0.partitions) }) { $0 + $1 }
                if target != new || isJoining {
                    target = new
                    hasNews = true
                    changes.notify()
                }
            } else if isJoining {
                target = [:]
                hasNews = true
                changes.notify()
            }
            // Four times as often while there is nothing to read.
            return options.heartbeatIntervalMax.map { min(interval, owned.isEmpty ? $0 : $0 * 4) } ?? interval
        case .fencedMemberEpoch, .unknownMemberId:
            epoch = 0
            told = nil
            target = nil
            hasNews = false
            isLost = true
            revoking = []
            changes.notify()
            return .seconds(1)
        case let code:
            return fail(ClusterError(code: code, "join group '\(group)'", detail: answer.errorMessage))
        }
    }

    private func fail(_ error: ClusterError) -> Duration? {
        failure = error
        changes.notify()
        return nil
    }

    private func heartbeat(
        _ epoch: Int32, tellsAll: Bool, owned: Set<TopicPartition>?
    ) async throws(ClusterError) -> ConsumerGroupHeartbeatResponse {
        let ids = Dictionary(names.map { ($1, $0) }) { $1 }
        let topics = owned.map { owned in
            Dictionary(grouping: owned, by: \.topic).compactMap { topic, partitions in
                ids[topic].map { ($0, partitions.map(\.partition).sorted()) }
            }
        }
        let (group, memberId, options, subscription) = (group, memberId, options, subscription)
        // A member names itself from version 1 on, which also brought regular expressions.
        return try await requests.coordinated(
            by: .groupCoordinator(group), "heartbeat to group '\(group)'", versions: 1...1
        ) { _ in
            var request = ConsumerGroupHeartbeatRequest()
            request.groupId = group
            request.memberId = memberId
            request.memberEpoch = epoch
            request.instanceId = options.instanceId
            if tellsAll {
                request.rebalanceTimeoutMs = options.rebalanceTimeout.milliseconds
                request.serverAssignor = options.remoteAssignor
                switch subscription {
                case .topics(let names): request.subscribedTopicNames = names.sorted()
                case .pattern(let pattern): request.subscribedTopicRegex = pattern
                }
            }
            request.topicPartitions = topics?.map { .init(topicId: $0.0, partitions: $0.1) }
            return request
        } code: {
            $0.errorCode
        }
    }

    // MARK: Offsets and the end

    func commit(_ offsets: [TopicPartition: CommittedOffset]) async throws(ClusterError) {
        let attempt = "commit offsets of group '\(group)'"
        var patience = 20
        while true {
            do throws(ClusterError) {
                return try await requests.commit(offsets, by: identity, attempt: attempt)
            } catch {
                // The epoch has moved on, and the answer that says so is under way.
                guard error.code == .staleMemberEpoch, patience > 0, !isOver, !isLost, failure == nil else {
                    throw error
                }
                patience -= 1
                hurry.notify()
                try? await Task.sleep(for: .milliseconds(20))  // a cancelled one just asks sooner
            }
        }
    }

    func committed(_ partitions: [TopicPartition]) async throws(ClusterError) -> [TopicPartition: CommittedOffset] {
        guard !partitions.isEmpty else { return [:] }
        return try await requests.committedOffsets(of: .outside(group), in: partitions, requireStable: true)
    }

    func leave() async {
        guard !isOver else { return }
        isOver = true
        changes.notify()
        hurry.notify()
        // A join that is under way is answered at once: a member that left before would join behind its own leaving, and
        // keep its partitions from others until its session is over.
        await heart?.value(within: .seconds(2))
        owned = []
        revoking = []
        guard epoch > 0 else { return }
        let isStatic = options.instanceId != nil
        // Nothing depends on the answer: a coordinator that was not told notices the silence.
        _ = try? await heartbeat(isStatic ? -2 : -1, tellsAll: false, owned: nil)
    }
}
