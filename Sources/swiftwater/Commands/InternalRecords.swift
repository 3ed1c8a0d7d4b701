import Bytes
import JSONFormat
import KafkaMessages
import NIOCore

/// Reads the records of the broker's own topics. Key and value begin with two bytes each: the type of the record, which is
/// the version of its key, and the version of the value.
struct InternalRecords {
    private struct Kind: Sendable {
        var name: String
        var key: any KafkaMessage.Type
        var value: any KafkaMessage.Type
    }

    private let kinds: [Kind]

    /// - Parameter topic: nil comes back for one that is not the broker's own.
    init?(topic: String) {
        switch topic {
        case "__consumer_offsets": kinds = Self.ofGroups
        case "__transaction_state":
            kinds = [Kind(name: "Transaction", key: TransactionLogKey.self, value: TransactionLogValue.self)]
        case "__share_group_state":
            kinds = [
                Kind(name: "ShareSnapshot", key: ShareSnapshotKey.self, value: ShareSnapshotValue.self),
                Kind(name: "ShareUpdate", key: ShareUpdateKey.self, value: ShareUpdateValue.self),
            ]
        default: return nil
        }
    }

    static let topics = ["__consumer_offsets", "__transaction_state", "__share_group_state"]

    private static var ofGroups: [Kind] {
        [
            Kind(name: "OffsetCommit", key: OffsetCommitKey.self, value: OffsetCommitValue.self),
            Kind(name: "GroupMetadata", key: GroupMetadataKey.self, value: GroupMetadataValue.self),
            Kind(
                name: "ConsumerGroupMetadata", key: ConsumerGroupMetadataKey.self,
                value: ConsumerGroupMetadataValue.self),
            Kind(
                name: "ConsumerGroupPartitionMetadata", key: ConsumerGroupPartitionMetadataKey.self,
                value: ConsumerGroupPartitionMetadataValue.self),
            Kind(
                name: "ConsumerGroupMemberMetadata", key: ConsumerGroupMemberMetadataKey.self,
                value: ConsumerGroupMemberMetadataValue.self),
            Kind(
                name: "ConsumerGroupTargetAssignmentMetadata", key: ConsumerGroupTargetAssignmentMetadataKey.self,
                value: ConsumerGroupTargetAssignmentMetadataValue.self),
            Kind(
                name: "ConsumerGroupTargetAssignmentMember", key: ConsumerGroupTargetAssignmentMemberKey.self,
                value: ConsumerGroupTargetAssignmentMemberValue.self),
            Kind(
                name: "ConsumerGroupCurrentMemberAssignment", key: ConsumerGroupCurrentMemberAssignmentKey.self,
                value: ConsumerGroupCurrentMemberAssignmentValue.self),
            Kind(
                name: "ShareGroupMemberMetadata", key: ShareGroupMemberMetadataKey.self,
                value: ShareGroupMemberMetadataValue.self),
            Kind(
                name: "ShareGroupMetadata", key: ShareGroupMetadataKey.self, value: ShareGroupMetadataValue.self),
            Kind(
                name: "ShareGroupTargetAssignmentMetadata", key: ShareGroupTargetAssignmentMetadataKey.self,
                value: ShareGroupTargetAssignmentMetadataValue.self),
            Kind(
                name: "ShareGroupTargetAssignmentMember", key: ShareGroupTargetAssignmentMemberKey.self,
                value: ShareGroupTargetAssignmentMemberValue.self),
            Kind(
                name: "ShareGroupCurrentMemberAssignment", key: ShareGroupCurrentMemberAssignmentKey.self,
                value: ShareGroupCurrentMemberAssignmentValue.self),
            Kind(
                name: "ShareGroupStatePartitionMetadata", key: ShareGroupStatePartitionMetadataKey.self,
                value: ShareGroupStatePartitionMetadataValue.self),
            Kind(
                name: "StreamsGroupMetadata", key: StreamsGroupMetadataKey.self, value: StreamsGroupMetadataValue.self),
            Kind(
                name: "StreamsGroupMemberMetadata", key: StreamsGroupMemberMetadataKey.self,
                value: StreamsGroupMemberMetadataValue.self),
            Kind(
                name: "StreamsGroupTargetAssignmentMetadata", key: StreamsGroupTargetAssignmentMetadataKey.self,
                value: StreamsGroupTargetAssignmentMetadataValue.self),
            Kind(
                name: "StreamsGroupTargetAssignmentMember", key: StreamsGroupTargetAssignmentMemberKey.self,
                value: StreamsGroupTargetAssignmentMemberValue.self),
            Kind(
                name: "StreamsGroupCurrentMemberAssignment", key: StreamsGroupCurrentMemberAssignmentKey.self,
                value: StreamsGroupCurrentMemberAssignmentValue.self),
            Kind(
                name: "StreamsGroupTopology", key: StreamsGroupTopologyKey.self, value: StreamsGroupTopologyValue.self),
        ]
    }

    /// Key and value as JSON, the type among the key's members; nil for a record that this program cannot read. Its value
    /// is null where the record deletes what the key names.
    func decoded(key: [UInt8]?, value: [UInt8]?) -> (key: JSONValue, value: JSONValue)? {
        guard let key else { return nil }
        var reader = WireReader(ByteBuffer(bytes: key))
        guard let type = try? reader.readInt16(), let kind = kinds.first(where: { $0.key.versions.contains(type) }),
            let keyMessage = try? kind.key.init(from: &reader, version: type)
        else { return nil }
        var members: [(String, JSONValue)] = [("type", .string(kind.name))]
        if case .object(let fields) = Self.json(keyMessage) { members += fields }
        guard let value else { return (.object(members), .null) }
        reader = WireReader(ByteBuffer(bytes: value))
        guard let version = try? reader.readInt16(),
            let valueMessage = try? kind.value.init(from: &reader, version: version)
        else { return nil }
        return (.object(members), Self.json(valueMessage))
    }

    /// The fields of a message by their names; bytes as hexadecimal digits.
    static func json(_ value: Any) -> JSONValue {
        switch value {
        case let value as Bool: return .bool(value)
        case let value as any FixedWidthInteger: return .number(Int64(clamping: value))
        case let value as String: return .string(value)
        case let value as KafkaUUID: return .string(value.description)
        case let value as ByteBuffer:
            return .string(String(decoding: ByteFormat.hex(value.readableBytesView), as: UTF8.self))
        default: break
        }
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional: return mirror.children.first.map { json($0.value) } ?? .null
        case .collection: return .array(mirror.children.map { json($0.value) })
        default: return .object(mirror.children.map { ($0.label ?? "", json($0.value)) })
        }
    }
}
