import Bytes
import KafkaMessages
package import NIOCore

/// A group of the classic protocol as it is handed over when a group changes its protocol: what both kinds of groups
/// have in common.
package struct ClassicGroupForm: Sendable, Equatable {
    package struct Member: Sendable, Equatable {
        package var memberId: String
        package var instanceId: String?
        package var clientId: String
        package var clientHost: String
        package var rebalanceTimeoutMs: Int32
        package var sessionTimeoutMs: Int32
        /// In the member's order of preference.
        package var protocols: [ClassicProtocol]
        /// As the group's leader made it; empty for none.
        package var assignment: ByteBuffer

        package init(
            memberId: String, instanceId: String?, clientId: String, clientHost: String, rebalanceTimeoutMs: Int32,
            sessionTimeoutMs: Int32, protocols: [ClassicProtocol], assignment: ByteBuffer
        ) {
            self.memberId = memberId
            self.instanceId = instanceId
            self.clientId = clientId
            self.clientHost = clientHost
            self.rebalanceTimeoutMs = rebalanceTimeoutMs
            self.sessionTimeoutMs = sessionTimeoutMs
            self.protocols = protocols
            self.assignment = assignment
        }
    }

    package var groupId: String
    package var generation: Int32
    package var protocolType: String
    /// nil before the first generation, and after a downgrade: the group chooses among its members' protocols.
    package var protocolName: String?
    /// By member id.
    package var members: [Member]

    package init(groupId: String, generation: Int32, protocolType: String, protocolName: String?, members: [Member]) {
        self.groupId = groupId
        self.generation = generation
        self.protocolType = protocolType
        self.protocolName = protocolName
        self.members = members
    }
}

/// The metadata of the protocol type `consumer`: two bytes of version, then the message. Newer versions begin as older
/// ones do, so one that is not known is read as the newest that is.
enum ConsumerProtocol {
    static let type = "consumer"

    /// The assignors that clients bring with them. They need nothing that the broker could not give them, also where
    /// they write data of their own into assignments, as librdkafka's `cooperative-sticky` does.
    static let clientAssignors: Set<String> = ["range", "roundrobin", "sticky", "cooperative-sticky"]

    static func version(of metadata: ByteBuffer) throws(WireError) -> Int16 {
        var reader = WireReader(metadata)
        return try reader.readInt16()
    }

    static func subscription(_ metadata: ByteBuffer) throws(WireError) -> ConsumerProtocolSubscription {
        var reader = WireReader(metadata)
        let version = try known(try reader.readInt16(), ConsumerProtocolSubscription.versions)
        return try ConsumerProtocolSubscription(from: &reader, version: version)
    }

    static func assignment(_ bytes: ByteBuffer) throws(WireError) -> ConsumerProtocolAssignment {
        guard bytes.readableBytes > 0 else { return ConsumerProtocolAssignment() }
        var reader = WireReader(bytes)
        let version = try known(try reader.readInt16(), ConsumerProtocolAssignment.versions)
        return try ConsumerProtocolAssignment(from: &reader, version: version)
    }

    /// - Parameter metadata: of the member that is to read it, which says in which version it can.
    static func bytes(
        _ partitions: TopicPartitionSet, for metadata: ByteBuffer?, topics: any TopicImage
    ) throws(WireError) -> ByteBuffer {
        let version = try metadata.map { (bytes) throws(WireError) in
            try known(try self.version(of: bytes), ConsumerProtocolAssignment.versions)
        }
        let named = partitions.sorted.compactMap { id, partitions in
            topics.facts(id: id).map {
                ConsumerProtocolAssignment.TopicPartition(topic: $0.name, partitions: partitions)
            }
        }
        var writer = WireWriter()
        writer.writeInt16(version ?? 0)
        let message = ConsumerProtocolAssignment(assignedPartitions: named.sorted { $0.topic < $1.topic })
        try message.encode(to: &writer, version: version ?? 0)
        return writer.buffer
    }

    private static func known(_ version: Int16, _ versions: ClosedRange<Int16>) throws(WireError) -> Int16 {
        guard version >= versions.lowerBound else { throw .corrupt("version \(version) of the consumer protocol") }
        return min(version, versions.upperBound)
    }
}

extension TopicPartitionSet {
    init(named lists: some Sequence<(String, [Int32])>, topics: any TopicImage) {
        self.init(lists.compactMap { name, partitions in topics.facts(named: name).map { ($0.id, partitions) } })
    }
}
