import Bytes
import KafkaMessages
import NIOCore

/// What consumers of the classic protocol tell each other through the coordinator: two bytes of version, then the
/// message of that version.
///
/// - SeeAlso: upstream `ConsumerProtocol`.
enum ConsumerProtocol {
    static let type = "consumer"

    /// A member's wishes and what it has.
    struct Subscription: Hashable, Sendable {
        var topics: [String]
        var owned: [TopicPartition] = []
        /// The generation that `owned` is of; -1 when it is not told.
        var generation: Int32 = -1
    }

    static func encode(_ subscription: Subscription) -> ByteBuffer {
        var message = ConsumerProtocolSubscription()
        message.topics = subscription.topics.sorted()
        message.generationId = subscription.generation
        message.ownedPartitions = byTopic(subscription.owned).map { .init(topic: $0, partitions: $1) }
        return encoded(message)
    }

    static func encode(_ assignment: [TopicPartition]) -> ByteBuffer {
        var message = ConsumerProtocolAssignment()
        message.assignedPartitions = byTopic(assignment).map { .init(topic: $0, partitions: $1) }
        return encoded(message)
    }

    static func subscription(_ bytes: ByteBuffer) throws(WireError) -> Subscription {
        let message: ConsumerProtocolSubscription = try decoded(bytes)
        var generation = message.generationId
        // Before the field came (version 2), the cooperative assignors of Java put the generation into the user data.
        if generation < 0, let data = message.userData,
            let first = data.getInteger(at: data.readerIndex, as: Int32.self)
        {
            generation = first
        }
        return Subscription(
            topics: message.topics,
            owned: message.ownedPartitions.flatMap { topic in
                topic.partitions.map { TopicPartition(topic.topic, $0) }
            }, generation: generation)
    }

    /// The partitions of an assignment; empty bytes are none.
    static func assignment(_ bytes: ByteBuffer) throws(WireError) -> [TopicPartition] {
        guard bytes.readableBytes > 0 else { return [] }
        let message: ConsumerProtocolAssignment = try decoded(bytes)
        return message.assignedPartitions.flatMap { topic in
            topic.partitions.map { TopicPartition(topic.topic, $0) }
        }
    }

    private static func byTopic(_ partitions: [TopicPartition]) -> [(String, [Int32])] {
        Dictionary(grouping: partitions, by: \.topic).sorted { $0.key < $1.key }
            .map { ($0.key, $0.value.map(\.partition).sorted()) }
    }

    private static func encoded<Message: KafkaMessage>(_ message: Message) -> ByteBuffer {
        let version = Message.versions.upperBound
        var writer = WireWriter(ByteBuffer(integer: version))
        do throws(WireError) {
            try message.encode(to: &writer, version: version)
        } catch {
            preconditionFailure("the newest version carries every field: \(error)")  // and names of topics are short
        }
        return writer.buffer
    }

    /// A newer version than ours begins like the newest that we know.
    private static func decoded<Message: KafkaMessage>(_ bytes: ByteBuffer) throws(WireError) -> Message {
        var reader = WireReader(bytes)
        let version = try reader.readInt16()
        guard version >= 0 else { throw .corrupt("version \(version)") }
        return try Message(from: &reader, version: min(version, Message.versions.upperBound))
    }
}
