import Coordinators
import KafkaMessages
import Security
import Synchronization

/// Requests of the members of streams groups (KIP-1071), and StreamsGroupDescribe. The group's shard decides; here is
/// which shard, and the making of the topics that it asks for.
extension BrokerNode {
    func handleStreamsGroupHeartbeat(_ request: StreamsGroupHeartbeatRequest, _ responder: Responder) {
        let access = access(responder)
        guard access.permits(.read, .group, request.groupId) else {
            return responder.send(request.refused(.groupAuthorizationFailed))
        }
        if let topology = request.topology {
            let names = topology.topicNames
            if let problem = Self.problem(withTopicsOfTopology: names) {
                return responder.send(request.refused(.streamsInvalidTopology, problem))
            }
            // All of them are looked at, so that the log tells all that is missing.
            guard names.filter({ !access.permits(.describe, .topic, $0) }).isEmpty else {
                return responder.send(request.refused(.topicAuthorizationFailed))
            }
        }
        guard let host = groups.host(of: request.groupId) else {
            return responder.send(request.refused(.notCoordinator))
        }
        let settings = StreamsGroupSettings(
            controller.server, overrides: controller.boundedGroupConfigs(request.groupId))
        var missing: [StreamsInternalTopic] = []
        var isPermitted = true
        host.submit(responder, refusal: { request.refused($0) }) { shard, token, now, topics in
            var decision = shard.streamsGroupHeartbeat(
                request, client: responder.client, token: token, at: now, topics: topics, settings: settings,
                missing: &missing)
            guard !missing.isEmpty else { return (decision, []) }
            let unpermitted = Self.unpermitted(missing, access)
            isPermitted = unpermitted.isEmpty
            let detail =
                isPermitted
                ? coordination.streamsTopics.failures(of: missing, at: now.monotonic).map { "Creation failed: \($0)." }
                : "Unauthorized to CREATE on topics \(ConfiguredTopology.summary(of: unpermitted))."
            if let detail {
                decision.replies = decision.replies.map { reply in
                    guard var response = reply.message as? StreamsGroupHeartbeatResponse else { return reply }
                    response.addMissingInternalTopics(detail)
                    return Reply(reply.token, response)
                }
            }
            return (decision, [])
        }
        // What has just failed is tried again when its members have been told.
        missing = coordination.streamsTopics.untried(missing, at: coordination.environment.now.monotonic)
        guard isPermitted, !missing.isEmpty else { return }
        // Members are told of a failure for two heartbeats.
        createInternalTopics(missing, rememberedForMs: 2 * Int64(settings.heartbeatIntervalMs), responder)
    }

    /// - SeeAlso: upstream `KafkaApis.handleStreamsGroupHeartbeat`.
    private static func problem(withTopicsOfTopology names: [String]) -> String? {
        let own = names.filter { Topic.isInternal($0) || $0 == Topic.metadataName }
        guard own.isEmpty else {
            let names = ConfiguredTopology.summary(of: own, separator: ",")
            return "Use of Kafka internal topics \(names) in a Kafka Streams topology is prohibited."
        }
        let invalid = names.filter { Topic.problem(withName: $0) != nil }
        let names = ConfiguredTopology.summary(of: invalid.map { String($0.prefix(300)) }, separator: ",")
        return invalid.isEmpty ? nil : "Topic names \(names) are not valid topic names."
    }

    /// Who may create any topic may create these; else each of them has to be permitted.
    private static func unpermitted(_ topics: [StreamsInternalTopic], _ access: Access?) -> [String] {
        if access.permitsCluster(.create, isTold: false) { return [] }
        return topics.map(\.name).filter { !access.permits(.create, .topic, $0) }
    }

    /// Makes topics in the background: the member learns with its next heartbeats that they are there, or why not.
    private func createInternalTopics(
        _ topics: [StreamsInternalTopic], rememberedForMs: Int64, _ responder: Responder
    ) {
        let allowed = responder.mutationCharge(strictFrom: 0)
        let (failures, environment) = (coordination.streamsTopics, coordination.environment)
        controller.perform { controller in
            var charge = allowed
            let results = controller.createTopics(
                topics.map { topic in
                    TopicCreation(
                        name: topic.name, partitionCount: topic.partitionCount,
                        replicationFactor: topic.replicationFactor == 0 ? -1 : topic.replicationFactor,
                        configs: topic.configs.map { (name: $0.name, value: $0.value) })
                }, validateOnly: false
            ) { count throws(ControlError) in try charge.take(count) }
            failures.note(
                zip(topics, results).map { topic, result in
                    // Another member may have been faster.
                    guard case .failure(let error) = result, error.code != .topicAlreadyExists else {
                        return (topic.name, nil)
                    }
                    return (topic.name, error.message ?? error.code.name)
                }, until: environment.now.monotonic + rememberedForMs)
        }
    }

    func handleStreamsGroupDescribe(_ request: StreamsGroupDescribeRequest, _ responder: Responder) {
        var response = StreamsGroupDescribeResponse()
        var hosts: [ShardHost<GroupShard>] = []
        let topics = catalog.snapshot
        let access = access(responder)
        response.groups = request.groupIds.map { group in
            func refused(_ code: ErrorCode) -> StreamsGroupDescribeResponse.DescribedGroup {
                .init(errorCode: code.rawValue, groupId: group)
            }
            guard access.permits(.describe, .group, group) else { return refused(.groupAuthorizationFailed) }
            guard let host = groups.host(of: group) else { return refused(.notCoordinator) }
            hosts.append(host)
            var described = host.submitRead { shard, _ in
                shard.streamsGroupDescribe(group, topics: topics)
            } refusal: {
                refused($0)
            }
            guard described.errorCode == ErrorCode.none.rawValue else { return described }
            if let secret = access.secret(of: described.topology?.topicNames ?? []) {
                described = .init(errorCode: secret.code.rawValue, errorMessage: secret.message, groupId: group)
            } else if request.includeAuthorizedOperations {
                described.authorizedOperations = access.operations(.group, group)
            }
            return described
        }
        send(response, responder, whenDurable: hosts)
    }
}

/// Why internal topics of streams groups could not be made, for as long as their members are to be told.
final class StreamsTopicFailures: Sendable {
    /// Those that could not be made besides are told without a reason.
    private static let countMax = 1000
    private let failures = Mutex<[String: (message: String, until: Int64)]>([:])

    /// - Parameter until: monotonic milliseconds.
    func note(_ results: [(name: String, failure: String?)], until: Int64) {
        failures.withLock { failures in
            for (name, failure) in results {
                guard let failure else {
                    failures[name] = nil
                    continue
                }
                if failures.count < Self.countMax || failures[name] != nil {
                    failures[name] = (String(failure.prefix(500)), until)
                }
            }
        }
    }

    /// Those that did not fail a moment ago.
    func untried(_ topics: [StreamsInternalTopic], at now: Int64) -> [StreamsInternalTopic] {
        failures.withLock { failures in topics.filter { (failures[$0.name]?.until ?? .min) <= now } }
    }

    /// The first three, in words for a response; nil when there are none.
    func failures(of topics: [StreamsInternalTopic], at now: Int64) -> String? {
        failures.withLock { failures in
            failures = failures.filter { $0.value.until > now }
            let told = topics.compactMap { topic in failures[topic.name].map { "\(topic.name) (\($0.message))" } }
            guard !told.isEmpty else { return nil }
            return told.prefix(3).joined(separator: ", ") + (told.count > 3 ? " and \(told.count - 3) more" : "")
        }
    }
}

extension StreamsGroupHeartbeatRequest.Topology {
    /// All topics that are read or written, each once.
    fileprivate var topicNames: [String] {
        Set(
            subtopologies.flatMap { subtopology in
                subtopology.sourceTopics + subtopology.repartitionSinkTopics
                    + subtopology.repartitionSourceTopics.map(\.name) + subtopology.stateChangelogTopics.map(\.name)
            }
        ).sorted()
    }
}

extension StreamsGroupDescribeResponse.Topology {
    fileprivate var topicNames: [String] {
        (subtopologies ?? []).flatMap { subtopology in
            subtopology.sourceTopics + subtopology.repartitionSinkTopics
                + subtopology.repartitionSourceTopics.map(\.name) + subtopology.stateChangelogTopics.map(\.name)
        }
    }
}

extension StreamsGroupHeartbeatResponse {
    /// Tells more of topics that are not there.
    fileprivate mutating func addMissingInternalTopics(_ detail: String) {
        let code = StreamsStatus.missingInternalTopics.rawValue
        var statuses = status ?? []
        if let index = statuses.firstIndex(where: { $0.statusCode == code }) {
            statuses[index].statusDetail += "; \(detail)"
        } else {
            statuses.append(.init(statusCode: code, statusDetail: detail))
        }
        status = statuses
    }
}

extension StreamsGroupSettings {
    init(_ server: ServerProperties, overrides: [String: String] = [:]) {
        func number(_ name: String) -> Int32 {
            let own = overrides["streams.\(name)"].flatMap { Int64($0.trimmingSpaces) }
            return Int32(clamping: own ?? server.number("group.streams.\(name)"))
        }
        self.init()
        sessionTimeoutMs = number("session.timeout.ms")
        heartbeatIntervalMs = number("heartbeat.interval.ms")
        initialRebalanceDelayMs = number("initial.rebalance.delay.ms")
        assignmentIntervalMs = number("assignment.interval.ms")
        standbyReplicaCount = number("num.standby.replicas")
        maxSize = Int(number("max.size"))
    }
}
