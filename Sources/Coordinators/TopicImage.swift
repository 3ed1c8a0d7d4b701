package import KafkaMessages

/// What coordinators know of the cluster's topics: a snapshot that does not change.
package protocol TopicImage: Sendable {
    func facts(named name: String) -> TopicFacts?
    func facts(id: KafkaUUID) -> TopicFacts?
    /// All names, in no particular order.
    var names: [String] { get }
    /// Changes whenever a topic is created or deleted or gets partitions, so that nobody has to look at all topics to
    /// learn that nothing happened; nil where that is not known.
    var version: UInt64? { get }
}

extension TopicImage {
    package var version: UInt64? { nil }
}

package struct TopicFacts: Hashable, Sendable {
    package var name: String
    package var id: KafkaUUID
    package var partitionCount: Int32

    package init(name: String, id: KafkaUUID, partitionCount: Int32) {
        self.name = name
        self.id = id
        self.partitionCount = partitionCount
    }
}
