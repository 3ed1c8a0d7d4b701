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

extension [TopicFacts] {
    /// FNV-1a over names, ids and numbers of partitions; 0 for no topics, as upstream. Only compared with itself.
    var metadataHash: Int64 {
        guard !isEmpty else { return 0 }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func mix(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        for topic in self {
            for byte in topic.name.utf8 { mix(byte) }
            for number in [topic.id.high, topic.id.low, UInt64(UInt32(bitPattern: topic.partitionCount))] {
                for shift in stride(from: 0, to: 64, by: 8) { mix(UInt8(truncatingIfNeeded: number >> shift)) }
            }
        }
        return Int64(bitPattern: hash)
    }
}

/// The topics while a shard is loading, when nobody asks for them.
struct NoTopics: TopicImage {
    var names: [String] { [] }
    func facts(named name: String) -> TopicFacts? { nil }
    func facts(id: KafkaUUID) -> TopicFacts? { nil }
}
