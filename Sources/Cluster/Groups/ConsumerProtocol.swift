package import Bytes
import KafkaMessages
package import NIOCore

/// What consumers of the classic protocol tell each other through the coordinator: two bytes of version, then the
/// message of that version.
///
/// - SeeAlso: upstream `ConsumerProtocol`.
package enum ConsumerProtocol {
    package static let type = "consumer"

    /// A member's wishes and what it has.
    package struct Subscription: Hashable, Sendable {
        package var topics: [String]
        package var owned: [TopicPartition]
        /// The generation that `owned` is of; -1 when it is not told.
        package var generation: Int32
        /// What the assignor of the group has its members tell besides.
        package var userData: ByteBuffer?

        package init(
            topics: [String], owned: [TopicPartition] = [], generation: Int32 = -1, userData: ByteBuffer? = nil
        ) {
            self.topics = topics
            self.owned = owned
            self.generation = generation
            self.userData = userData
        }
    }

    package static func encode(_ subscription: Subscription) -> ByteBuffer {
        var message = ConsumerProtocolSubscription()
        message.topics = subscription.topics.sorted()
        message.userData = subscription.userData
        message.generationId = subscription.generation
        message.ownedPartitions = byTopic(subscription.owned).map { .init(topic: $0, partitions: $1) }
        return encoded(message)
    }

    /// - Parameter userData: what the assignor of the group tells its members besides.
    package static func encode(_ assignment: [TopicPartition], userData: ByteBuffer? = nil) -> ByteBuffer {
        var message = ConsumerProtocolAssignment()
        message.userData = userData
        message.assignedPartitions = byTopic(assignment).map { .init(topic: $0, partitions: $1) }
        return encoded(message)
    }

    package static func subscription(_ bytes: ByteBuffer) throws(WireError) -> Subscription {
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
            }, generation: generation, userData: message.userData)
    }

    /// The partitions of an assignment; empty bytes are none.
    package static func assignment(_ bytes: ByteBuffer) throws(WireError) -> [TopicPartition] {
        guard bytes.readableBytes > 0 else { return [] }
        let message: ConsumerProtocolAssignment = try decoded(bytes)
        return message.assignedPartitions.flatMap { topic in
            topic.partitions.map { TopicPartition(topic.topic, $0) }
        }
    }

    /// What the assignor told besides; nil without any.
    package static func assignmentUserData(_ bytes: ByteBuffer) throws(WireError) -> ByteBuffer? {
        guard bytes.readableBytes > 0 else { return nil }
        let message: ConsumerProtocolAssignment = try decoded(bytes)
        return message.userData
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
