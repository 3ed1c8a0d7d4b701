import KafkaMessages

@testable import Coordinators

/// A topology as tests write it.
struct TestTopology {
    typealias Request = StreamsGroupHeartbeatRequest

    var epoch: Int32 = 0
    var subtopologies: [Request.Subtopology] = []

    /// One subtopology without state.
    static func stateless(_ sources: String...) -> TestTopology {
        TestTopology(subtopologies: [.init(subtopologyId: "0", sourceTopics: sources)])
    }

    /// A subtopology that writes what another one counts.
    static func counting(_ source: String, partitions: Int32 = 0) -> TestTopology {
        TestTopology(subtopologies: [
            .init(subtopologyId: "0", sourceTopics: [source], repartitionSinkTopics: ["g-by-key-repartition"]),
            .init(
                subtopologyId: "1",
                stateChangelogTopics: [
                    .init(
                        name: "g-counts-changelog", topicConfigs: [.init(key: "cleanup.policy", value: "compact")])
                ],
                repartitionSourceTopics: [.init(name: "g-by-key-repartition", partitions: partitions)]),
        ])
    }

    var request: Request.Topology { .init(epoch: epoch, subtopologies: subtopologies) }
}

/// What a test member was told last.
struct TestAnswer {
    var response: StreamsGroupHeartbeatResponse
    var missing: [StreamsInternalTopic]

    var code: Int16 { response.errorCode }
    var epoch: Int32 { response.memberEpoch }
    var statuses: [StreamsStatus] { (response.status ?? []).compactMap { StreamsStatus(rawValue: $0.statusCode) } }
    var details: [String] { (response.status ?? []).map(\.statusDetail) }
    /// nil where nothing is told.
    var tasks: StreamsTasks? {
        guard let active = response.activeTasks else { return nil }
        func set(_ ids: [StreamsGroupHeartbeatResponse.TaskIds]?) -> TaskSet {
            TaskSet((ids ?? []).map { ($0.subtopologyId, $0.partitions) })
        }
        return StreamsTasks(
            active: set(active), standby: set(response.standbyTasks), warmup: set(response.warmupTasks))
    }
    var active: [String: [Int32]]? { tasks?.active.topics }
}

extension ConsumerGroupBench {
    func streams(
        _ request: StreamsGroupHeartbeatRequest, _ settings: StreamsGroupSettings = StreamsGroupSettings()
    ) -> TestAnswer {
        let token = token()
        var missing: [StreamsInternalTopic] = []
        deliver(
            shard.streamsGroupHeartbeat(
                request, client: client, token: token, at: time, topics: topics, settings: settings,
                missing: &missing))
        return TestAnswer(
            response: take(token) ?? StreamsGroupHeartbeatResponse(errorCode: -99), missing: missing)
    }

    /// The first heartbeat of a member.
    func streamsJoin(
        _ memberId: String, _ topology: TestTopology = .stateless("a"), process: String? = nil,
        instanceId: String? = nil, endpoint: StreamsGroupHeartbeatRequest.Endpoint? = nil,
        settings: StreamsGroupSettings = StreamsGroupSettings(), group: String = "g"
    ) -> TestAnswer {
        streams(
            .init(
                groupId: group, memberId: memberId, memberEpoch: 0, instanceId: instanceId, rebalanceTimeoutMs: 10_000,
                topology: topology.request, activeTasks: [], standbyTasks: [], warmupTasks: [],
                processId: process ?? "process-\(memberId)", userEndpoint: endpoint), settings)
    }

    /// A heartbeat that says nothing but what the member owns, if that.
    func streamsBeat(
        _ memberId: String, _ epoch: Int32, owned: StreamsTasks? = nil, instanceId: String? = nil,
        shutdown: Bool = false, endpointEpoch: Int32 = 0,
        settings: StreamsGroupSettings = StreamsGroupSettings()
    ) -> TestAnswer {
        func ids(_ set: TaskSet) -> [StreamsGroupHeartbeatRequest.TaskIds] {
            set.sorted.map { .init(subtopologyId: $0.id, partitions: $0.partitions) }
        }
        return streams(
            .init(
                groupId: "g", memberId: memberId, memberEpoch: epoch, endpointInformationEpoch: endpointEpoch,
                instanceId: instanceId, activeTasks: owned.map { ids($0.active) },
                standbyTasks: owned.map { ids($0.standby) }, warmupTasks: owned.map { ids($0.warmup) },
                shutdownApplication: shutdown), settings)
    }

    /// Makes the topics that a response asks for, as the broker does.
    func make(_ missing: [StreamsInternalTopic]) {
        for topic in missing where topics.facts(named: topic.name) == nil {
            topics.create(topic.name, topic.partitionCount)
        }
    }

    var streamsGroup: StreamsGroup? {
        guard case .streams(let group) = shard.groups["g"] else { return nil }
        return group
    }

    func streamsReplayIsSame() throws -> Bool {
        guard case .streams(let other)? = try replayed().groups["g"] else { return streamsGroup == nil }
        return other == streamsGroup
    }
}
