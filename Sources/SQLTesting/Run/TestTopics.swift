package import SQLPlan

/// A record of a topic, as bytes.
package struct TopicRecord: Sendable, Hashable {
    package var key: [UInt8]?
    package var value: [UInt8]?
    package var timestamp: Int64
    package var headers: [RecordHeader] = []
}

/// Topics in memory, of one partition each whatever is declared. One user at a time.
package final class TestTopics: TopicAccess {
    package struct Topic {
        package var specification: TopicSpecification
        package var records: [TopicRecord] = []
    }

    package private(set) var topics: [String: Topic] = [:]
    /// In the order in which they were made.
    package private(set) var names: [String] = []

    package init() {}

    package func partitionCount(of topic: String) -> Int? { topics[topic]?.specification.partitionCount }
    package func replicaCount(of topic: String) -> Int? { topics[topic].map { $0.specification.replicaCount ?? 1 } }
    package func retention(of topic: String) -> Int64? { topics[topic]?.specification.retention }

    package func create(_ topic: TopicSpecification) throws(PlanError) {
        guard topics[topic.name] == nil else { return }
        topics[topic.name] = Topic(specification: topic)
        names.append(topic.name)
    }

    func create(_ name: String, partitions: Int, replicas: Int) {
        guard topics[name] == nil else { return }
        topics[name] = Topic(
            specification: TopicSpecification(
                name: name, partitionCount: partitions, replicaCount: replicas, cleanup: .delete))
        names.append(name)
    }

    package func delete(_ topic: String) throws(PlanError) {
        topics[topic] = nil
        names.removeAll { $0 == topic }
    }

    /// - Returns: the record's offset.
    @discardableResult
    package func append(_ record: TopicRecord, to topic: String) -> Int64 {
        create(topic, partitions: 1, replicas: 1)
        topics[topic]?.records.append(record)
        return Int64((topics[topic]?.records.count ?? 1) - 1)
    }

    package func records(of topic: String) -> [TopicRecord] { topics[topic]?.records ?? [] }
}
