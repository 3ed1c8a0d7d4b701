import KafkaMessages

/// What a Kafka Streams application reads, keeps and writes, as its first member described it.
///
/// - SeeAlso: upstream `StreamsTopology`; KIP-1071, "Topology".
package struct StreamsTopology: Sendable, Equatable {
    typealias Subtopology = StreamsGroupTopologyValue.Subtopology
    typealias TopicInfo = StreamsGroupTopologyValue.TopicInfo

    /// Far more than applications have. Numbers of partitions are found in as many rounds.
    private static let subtopologyCountMax = 2000
    /// Names of topics, settings and places in all of them: they are looked at again with each change of the topics.
    private static let entryCountMax = 20_000

    /// As record 23 keeps it.
    let value: StreamsGroupTopologyValue

    var epoch: Int32 { value.epoch }
    var subtopologies: [Subtopology] { value.subtopologies }

    init(_ value: StreamsGroupTopologyValue) { self.value = value }

    /// - Throws: 130 for a topology in which nobody can find his way.
    init(_ topology: StreamsGroupHeartbeatRequest.Topology) throws(ConsumerGroupError) {
        guard topology.subtopologies.count <= Self.subtopologyCountMax else {
            throw Self.invalid("The topology has more than \(Self.subtopologyCountMax) subtopologies.")
        }
        guard topology.entryCount <= Self.entryCountMax else {
            throw Self.invalid("The topology has more than \(Self.entryCountMax) topics and settings.")
        }
        var value = StreamsGroupTopologyValue(epoch: topology.epoch)
        for subtopology in topology.subtopologies {
            value.subtopologies.append(
                Subtopology(
                    subtopologyId: subtopology.subtopologyId, sourceTopics: subtopology.sourceTopics,
                    sourceTopicRegex: subtopology.sourceTopicRegex,
                    stateChangelogTopics: subtopology.stateChangelogTopics.map(Self.info),
                    repartitionSinkTopics: subtopology.repartitionSinkTopics,
                    repartitionSourceTopics: subtopology.repartitionSourceTopics.map(Self.info),
                    copartitionGroups: subtopology.copartitionGroups.map {
                        .init(
                            sourceTopics: $0.sourceTopics, sourceTopicRegex: $0.sourceTopicRegex,
                            repartitionSourceTopics: $0.repartitionSourceTopics)
                    }))
        }
        // Members of one application may list the same in another order.
        value.subtopologies.sort { $0.subtopologyId < $1.subtopologyId }
        self.value = value
        for (subtopology, next) in zip(value.subtopologies, value.subtopologies.dropFirst())
        where subtopology.subtopologyId == next.subtopologyId {
            throw Self.invalid("Subtopology \(next.subtopologyId) occurs more than once.")
        }
        for subtopology in value.subtopologies { try Self.check(subtopology) }
    }

    private static func info(_ topic: StreamsGroupHeartbeatRequest.TopicInfo) -> TopicInfo {
        TopicInfo(
            name: topic.name, partitions: topic.partitions, replicationFactor: topic.replicationFactor,
            topicConfigs: topic.topicConfigs.map { .init(key: $0.key, value: $0.value) })
    }

    private static func check(_ subtopology: Subtopology) throws(ConsumerGroupError) {
        guard !subtopology.sourceTopics.isEmpty || !subtopology.repartitionSourceTopics.isEmpty else {
            throw invalid("Subtopology \(subtopology.subtopologyId) does not contain any source topics.")
        }
        for topic in subtopology.repartitionSourceTopics where topic.partitions < 0 {
            throw invalid("Repartition topic \(topic.name) has a negative number of partitions.")
        }
        for group in subtopology.copartitionGroups {
            let isKnown =
                group.sourceTopics.allSatisfy { subtopology.sourceTopics.indices.contains(Int($0)) }
                && group.repartitionSourceTopics.allSatisfy {
                    subtopology.repartitionSourceTopics.indices.contains(Int($0))
                }
            guard isKnown else {
                throw invalid(
                    "A copartition group of subtopology \(subtopology.subtopologyId) names a topic that is not there.")
            }
        }
    }

    static func invalid(_ message: String) -> ConsumerGroupError {
        ConsumerGroupError(.streamsInvalidTopology, message)
    }

    // MARK: Topics

    /// All that must be there before tasks can run, ascending.
    var requiredTopics: [String] {
        var names: Set<String> = []
        for subtopology in subtopologies {
            names.formUnion(subtopology.sources)
            names.formUnion(subtopology.stateChangelogTopics.map(\.name))
        }
        return names.sorted()
    }

    func reads(_ topic: String) -> Bool { subtopologies.contains { $0.reads(topic) } }
}

extension StreamsGroupHeartbeatRequest.Topology {
    /// How many names, settings and places there are in all.
    fileprivate var entryCount: Int {
        subtopologies.reduce(0) { sum, subtopology in
            let topics = subtopology.repartitionSourceTopics + subtopology.stateChangelogTopics
            let named = subtopology.sourceTopics.count + subtopology.repartitionSinkTopics.count
            return sum + named + topics.reduce(0) { $0 + 1 + $1.topicConfigs.count }
                + subtopology.copartitionGroups.reduce(0) {
                    $0 + 1 + $1.sourceTopics.count + $1.repartitionSourceTopics.count
                }
        }
    }
}

extension StreamsTopology.Subtopology {
    /// All topics that its tasks read, ascending.
    var sources: [String] { Set(sourceTopics + repartitionSourceTopics.map(\.name)).sorted() }

    func reads(_ topic: String) -> Bool {
        sourceTopics.contains(topic) || repartitionSourceTopics.contains { $0.name == topic }
    }

    var isStateful: Bool { !stateChangelogTopics.isEmpty }

    /// The names of topics that must have the same number of partitions. What a record names that is not there is left
    /// out.
    var copartitionedTopics: [Set<String>] {
        copartitionGroups.map { group in
            Set(
                group.sourceTopics.compactMap { sourceTopics.indices.contains(Int($0)) ? sourceTopics[Int($0)] : nil }
                    + group.repartitionSourceTopics.compactMap {
                        repartitionSourceTopics.indices.contains(Int($0)) ? repartitionSourceTopics[Int($0)].name : nil
                    })
        }
    }
}
