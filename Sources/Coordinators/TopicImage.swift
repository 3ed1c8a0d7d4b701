package import KafkaMessages

/// What coordinators know of the cluster's topics: a snapshot that does not change.
package protocol TopicImage: Sendable {
    func facts(named name: String) -> TopicFacts?
    func facts(id: KafkaUUID) -> TopicFacts?
    /// All names, in no particular order.
    var names: [String] { get }
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
