import KafkaMessages

/// What a response tells of the group besides errors.
///
/// - SeeAlso: KIP-1071, `StreamsGroupHeartbeatResponse`.
package enum StreamsStatus: Int8, Sendable {
    case staleTopology = 0
    case missingSourceTopics = 1
    case incorrectlyPartitionedTopics = 2
    case missingInternalTopics = 3
    case shutdownApplication = 4
    case assignmentDelayed = 5
}

/// A topic that the broker makes for a streams group.
package struct StreamsInternalTopic: Sendable, Equatable {
    package var name: String
    package var partitionCount: Int32
    /// 0 for the broker's default.
    package var replicationFactor: Int16
    package var configs: [(name: String, value: String)] { topicConfigs.map { ($0.key, $0.value) } }
    var topicConfigs: [StreamsGroupTopologyValue.KeyValue]
}

/// A topology together with the topics that there are: how many tasks each subtopology has, and what is missing.
///
/// - SeeAlso: upstream `InternalTopicManager`, `RepartitionTopics`, `CopartitionedTopicsEnforcer`, `ChangelogTopics`.
package struct ConfiguredTopology: Sendable, Equatable {
    struct Problem: Error, Equatable {
        var status: StreamsStatus
        var detail: String
    }

    struct Subtopology: Sendable, Equatable {
        var id: String
        var taskCount: Int32
        /// All topics that its tasks read, ascending.
        var sources: [String]
        var isStateful: Bool
    }

    /// Ascending by id; empty where the topics do not fit.
    private(set) var subtopologies: [Subtopology] = []
    /// Of internal topics, as decided.
    private(set) var partitionCounts: [String: Int32] = [:]
    private(set) var missing: [StreamsInternalTopic] = []
    private(set) var problem: Problem?
    /// The places of `subtopologies`.
    private var places: [String: Int] = [:]

    /// Whether tasks can be assigned.
    var isReady: Bool { problem == nil }

    /// - Throws: 130 for a topology of which numbers of partitions do not follow.
    init(_ topology: StreamsTopology, _ topics: any TopicImage) throws(ConsumerGroupError) {
        var counts = PartitionCounts(topology, topics)
        do {
            try counts.checkSources()
            try counts.decide()
            partitionCounts = counts.decided
            subtopologies = try topology.subtopologies.map { subtopology in
                Subtopology(
                    id: subtopology.subtopologyId, taskCount: try counts.taskCount(of: subtopology),
                    sources: subtopology.sources, isStateful: subtopology.isStateful)
            }
            for (place, subtopology) in subtopologies.enumerated() { places[subtopology.id] = place }
            missing = try counts.missingTopics()
            if !missing.isEmpty {
                problem = Problem(
                    status: .missingInternalTopics,
                    detail: "Internal topics are missing: \(Self.summary(of: missing.map(\.name)))")
            }
        } catch let error as Problem {
            self.subtopologies = []
            self.places = [:]
            self.partitionCounts = [:]
            problem = error
        } catch let error as ConsumerGroupError {
            throw error
        } catch {
            throw StreamsTopology.invalid("\(error)")
        }
    }

    func subtopology(_ id: String) -> Subtopology? { places[id].map { subtopologies[$0] } }

    /// - Throws: 42 for tasks that do not exist.
    func check(_ tasks: TaskSet) throws(ConsumerGroupError) {
        for (id, partitions) in tasks.sorted {
            guard let subtopology = subtopology(id) else {
                throw ConsumerGroupError(.invalidRequest, "Subtopology \(id) does not exist in the topology.")
            }
            for partition in partitions where partition < 0 || partition >= subtopology.taskCount {
                throw ConsumerGroupError(
                    .invalidRequest,
                    "Task \(partition) for subtopology \(id) is invalid. Number of tasks for this subtopology:"
                        + " \(subtopology.taskCount)")
            }
        }
    }

    /// The first three names, and how many there are besides: a response has little room for texts.
    package static func summary(of names: [String], separator: String = ", ") -> String {
        let shown = names.sorted()
        let rest = shown.count - 3
        return shown.prefix(3).joined(separator: separator) + (rest > 0 ? " and \(rest) more" : "")
    }
}

/// Finds out how many partitions the internal topics of a topology have to have.
private struct PartitionCounts {
    let topology: StreamsTopology
    let topics: any TopicImage
    private(set) var decided: [String: Int32] = [:]

    init(_ topology: StreamsTopology, _ topics: any TopicImage) {
        self.topology = topology
        self.topics = topics
    }

    private func count(of topic: String) -> Int32? { topics.facts(named: topic)?.partitionCount ?? decided[topic] }

    private func known(_ topic: String) throws -> Int32 {
        guard let count = count(of: topic) else {
            throw StreamsTopology.invalid("Number of partitions is not set for topic: \(topic)")
        }
        return count
    }

    func checkSources() throws {
        var missing: Set<String> = []
        for subtopology in topology.subtopologies {
            for topic in subtopology.sourceTopics where topics.facts(named: topic) == nil { missing.insert(topic) }
        }
        guard missing.isEmpty else {
            throw ConfiguredTopology.Problem(
                status: .missingSourceTopics,
                detail: "Source topics \(ConfiguredTopology.summary(of: Array(missing))) are missing.")
        }
    }

    mutating func decide() throws {
        try decideRepartitionTopics()
        let all = topology.subtopologies.flatMap(\.repartitionSourceTopics)
        let fixed = Set(all.filter { $0.partitions != 0 }.map(\.name))
        let flexible = Set(all.filter { $0.partitions == 0 }.map(\.name))
        for subtopology in topology.subtopologies {
            for group in subtopology.copartitionedTopics { try enforce(group, fixed: fixed, flexible: flexible) }
        }
        for subtopology in topology.subtopologies {
            let sources = Set(subtopology.sourceTopics)
            let count = try taskCount(of: subtopology)
            for topic in subtopology.stateChangelogTopics where !sources.contains(topic.name) {
                decided[topic.name] = count
            }
        }
    }

    /// A repartition topic has as many partitions as the application says, else as many as the largest topic that is read
    /// where it is written.
    private mutating func decideRepartitionTopics() throws {
        for topic in topology.subtopologies.flatMap(\.repartitionSourceTopics) where topic.partitions != 0 {
            decided[topic.name] = topic.partitions
        }
        // Each sink is decided once, and so a subtopology is over when all of its sinks are.
        var waiting = topology.subtopologies
        while !waiting.isEmpty {
            var left: [StreamsTopology.Subtopology] = []
            for subtopology in waiting
            where subtopology.repartitionSinkTopics.contains(where: { decided[$0] == nil }) {
                let sources =
                    subtopology.repartitionSourceTopics.compactMap { decided[$0.name] }
                    + subtopology.sourceTopics.compactMap { topics.facts(named: $0)?.partitionCount }
                guard let count = sources.max() else {
                    left.append(subtopology)
                    continue
                }
                for sink in subtopology.repartitionSinkTopics where decided[sink] == nil { decided[sink] = count }
            }
            guard left.count < waiting.count else {
                throw StreamsTopology.invalid(
                    "Failed to compute number of partitions for all repartition topics. There may be loops in the"
                        + " topology that cannot be resolved.")
            }
            waiting = left
        }
        for topic in topology.subtopologies.flatMap(\.repartitionSourceTopics) where decided[topic.name] == nil {
            throw StreamsTopology.invalid(
                "Failed to compute number of partitions for all repartition topics, because a repartition source topic"
                    + " is never used as a sink topic.")
        }
    }

    /// Makes topics that are joined have the same number of partitions, or tells that they cannot.
    private mutating func enforce(_ group: Set<String>, fixed: Set<String>, flexible: Set<String>) throws {
        guard !group.isEmpty else { return }
        var repartition: [String: Int32] = [:]
        var external: [String: Int32] = [:]
        for topic in group {
            if fixed.contains(topic) || flexible.contains(topic) {
                repartition[topic] = try known(topic)
            } else {
                external[topic] = try known(topic)
            }
        }
        let wanted: Int32
        if let first = external.values.first {
            guard external.values.allSatisfy({ $0 == first }) else { throw Self.different(external) }
            wanted = first
        } else {
            // Those that the application has fixed tell for the others.
            let told = repartition.filter { fixed.contains($0.key) }
            if let first = told.values.first {
                guard told.values.allSatisfy({ $0 == first }) else { throw Self.different(repartition) }
                wanted = first
            } else {
                wanted = repartition.values.max() ?? 0
            }
        }
        for (topic, count) in repartition.sorted(by: { $0.key < $1.key }) {
            guard !fixed.contains(topic) || count == wanted else {
                throw ConfiguredTopology.Problem(
                    status: .incorrectlyPartitionedTopics,
                    detail: "Number of partitions [\(count)] of repartition topic [\(topic)] doesn't match number of"
                        + " partitions [\(wanted)] of the source topic.")
            }
            decided[topic] = wanted
        }
    }

    private static func different(_ counts: [String: Int32]) -> ConfiguredTopology.Problem {
        let list = ConfiguredTopology.summary(of: counts.map { "\($0.key)=\($0.value)" })
        return ConfiguredTopology.Problem(
            status: .incorrectlyPartitionedTopics,
            detail: "Following topics do not have the same number of partitions: [{\(list)}]")
    }

    /// As many as the largest of the topics that a subtopology reads has partitions.
    func taskCount(of subtopology: StreamsTopology.Subtopology) throws -> Int32 {
        var count: Int32 = 0
        for topic in subtopology.sources { count = max(count, try known(topic)) }
        return count
    }

    /// The internal topics that are not there, by name.
    func missingTopics() throws -> [StreamsInternalTopic] {
        var missing: [String: StreamsInternalTopic] = [:]
        for subtopology in topology.subtopologies {
            for topic in subtopology.repartitionSourceTopics + subtopology.stateChangelogTopics {
                // A changelog that is a source as well is the user's own.
                guard let wanted = decided[topic.name] else { continue }
                guard let facts = topics.facts(named: topic.name) else {
                    missing[topic.name] = StreamsInternalTopic(
                        name: topic.name, partitionCount: wanted, replicationFactor: topic.replicationFactor,
                        topicConfigs: topic.topicConfigs)
                    continue
                }
                guard facts.partitionCount == wanted else {
                    throw ConfiguredTopology.Problem(
                        status: .incorrectlyPartitionedTopics,
                        detail: "Existing topic \(topic.name) has different number of partitions: expected \(wanted),"
                            + " found \(facts.partitionCount)")
                }
            }
        }
        return missing.values.sorted { $0.name < $1.name }
    }
}
