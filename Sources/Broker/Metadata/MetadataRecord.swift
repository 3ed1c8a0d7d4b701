import Bytes
import KafkaMessages
import NIOCore
import Security

/// One change of the cluster's metadata, as it is kept in `__cluster_metadata`.
///
/// On disk each is the value of a record: u8 type, u8 version (1), then the fields in the protocol's compact types.
/// Fields may be added at the end of a version's layout; a reader of today must refuse a type or version that it does
/// not know, since skipping a change would bring back deleted data or lose topics.
enum MetadataRecord: Equatable {
    case clusterId(String)
    case topic(name: String, id: KafkaUUID, partitionCount: Int32)
    case topicRemoved(id: KafkaUUID)
    case partitionCount(id: KafkaUUID, count: Int32)
    /// All overrides of the topic, replacing the ones before.
    case topicConfigs(id: KafkaUUID, values: [String: String])
    /// All dynamic settings of this broker, replacing the ones before.
    case brokerConfigs(values: [String: String])
    /// All dynamic settings of brokers without their own, replacing the ones before.
    case brokerDefaults(values: [String: String])
    /// All settings of a group, replacing the ones before.
    case groupConfigs(group: String, values: [String: String])
    /// All settings of a subscription to clients' metrics, replacing the ones before.
    case clientMetrics(name: String, values: [String: String])
    /// Producer ids below this may have been handed out.
    case producerIds(below: Int64)
    /// A rule about who may do what. Its id is never used again.
    case acl(id: KafkaUUID, AclBinding)
    case aclRemoved(id: KafkaUUID)
    /// One quota of an entity; nil removes it. The fields are those of Kafka's `ClientQuotaRecord`.
    case clientQuota(QuotaEntity, QuotaKind, Double?)
    /// What is kept of a user's password, replacing what was there before.
    case scramCredential(ScramCredentialKey, ScramCredential)
    case scramCredentialRemoved(ScramCredentialKey)
    /// A token without its secret, replacing what was there of the same id. The fields are those of Kafka's
    /// `DelegationTokenRecord`.
    case delegationToken(DelegationToken)
    case delegationTokenRemoved(id: String)

    private static let version: Int8 = 1

    func encoded() throws(WireError) -> ByteBuffer {
        var writer = WireWriter()
        func head(_ type: Int8) {
            writer.writeInt8(type)
            writer.writeInt8(Self.version)
        }
        switch self {
        case .clusterId(let id):
            head(1)
            try writer.writeString(id, compact: true)
        case .topic(let name, let id, let partitionCount):
            head(2)
            try writer.writeString(name, compact: true)
            writer.writeUUID(id)
            writer.writeInt32(partitionCount)
        case .topicRemoved(let id):
            head(3)
            writer.writeUUID(id)
        case .partitionCount(let id, let count):
            head(4)
            writer.writeUUID(id)
            writer.writeInt32(count)
        case .topicConfigs(let id, let values):
            head(5)
            writer.writeUUID(id)
            try Self.write(values, to: &writer)
        case .brokerConfigs(let values):
            head(6)
            try Self.write(values, to: &writer)
        case .brokerDefaults(let values):
            head(9)
            try Self.write(values, to: &writer)
        case .producerIds(let below):
            head(7)
            writer.writeInt64(below)
        case .groupConfigs(let group, let values):
            head(8)
            try writer.writeString(group, compact: true)
            try Self.write(values, to: &writer)
        case .clientMetrics(let name, let values):
            head(10)
            try writer.writeString(name, compact: true)
            try Self.write(values, to: &writer)
        case .acl(let id, let binding):
            head(12)
            writer.writeUUID(id)
            try Self.write(binding, to: &writer)
        case .aclRemoved(let id):
            head(13)
            writer.writeUUID(id)
        case .clientQuota(let entity, let kind, let value):
            head(14)
            let parts = entity.parts
            try writer.writeLength(parts.count, compact: true)
            for (type, part) in parts {
                try writer.writeString(type, compact: true)
                try writer.writeNullableString(part.name, compact: true)
            }
            try writer.writeString(kind.rawValue, compact: true)
            writer.writeFloat64(value ?? 0)
            writer.writeBool(value == nil)
        case .scramCredential(let key, let credential):
            head(20)
            try writer.writeString(key.user, compact: true)
            writer.writeInt8(key.mechanism.rawValue)
            try Self.write(credential.salt, to: &writer)
            try Self.write(credential.storedKey, to: &writer)
            try Self.write(credential.serverKey, to: &writer)
            writer.writeInt32(credential.iterationCount)
        case .scramCredentialRemoved(let key):
            head(21)
            try writer.writeString(key.user, compact: true)
            writer.writeInt8(key.mechanism.rawValue)
        case .delegationToken(let token):
            head(22)
            try writer.writeString(token.id, compact: true)
            try writer.writeString(token.owner.description, compact: true)
            try writer.writeString(token.requester.description, compact: true)
            try writer.writeLength(token.renewers.count, compact: true)
            for renewer in token.renewers { try writer.writeString(renewer.description, compact: true) }
            writer.writeInt64(token.issuedAt)
            writer.writeInt64(token.expiresAt)
            writer.writeInt64(token.endsAt)
        case .delegationTokenRemoved(let id):
            head(23)
            try writer.writeString(id, compact: true)
        }
        return writer.buffer
    }

    /// - Throws: `.unsupported` for a record of a newer program.
    init(_ bytes: ByteBuffer) throws(WireError) {
        var reader = WireReader(bytes)
        let type = try reader.readInt8()
        let version = try reader.readInt8()
        guard version == Self.version else {
            throw .unsupported("metadata record of type \(type), version \(version): written by a newer program")
        }
        switch type {
        case 1: self = .clusterId(try reader.readString(compact: true))
        case 2:
            let name = try reader.readString(compact: true)
            let id = try reader.readUUID()
            self = .topic(name: name, id: id, partitionCount: try reader.readInt32())
        case 3: self = .topicRemoved(id: try reader.readUUID())
        case 4:
            let id = try reader.readUUID()
            self = .partitionCount(id: id, count: try reader.readInt32())
        case 5:
            let id = try reader.readUUID()
            self = .topicConfigs(id: id, values: try Self.readValues(&reader))
        case 6: self = .brokerConfigs(values: try Self.readValues(&reader))
        case 7: self = .producerIds(below: try reader.readInt64())
        case 8:
            let group = try reader.readString(compact: true)
            self = .groupConfigs(group: group, values: try Self.readValues(&reader))
        case 9: self = .brokerDefaults(values: try Self.readValues(&reader))
        case 10:
            let name = try reader.readString(compact: true)
            self = .clientMetrics(name: name, values: try Self.readValues(&reader))
        case 12:
            let id = try reader.readUUID()
            self = .acl(id: id, try Self.readBinding(&reader))
        case 13: self = .aclRemoved(id: try reader.readUUID())
        case 14:
            let entity = try Self.readEntity(&reader)
            let key = try reader.readString(compact: true)
            guard let kind = QuotaKind(rawValue: key) else {
                throw .unsupported("quota '\(key)': written by a newer program")
            }
            let value = try reader.readFloat64()
            self = .clientQuota(entity, kind, try reader.readBool() ? nil : value)
        case 20:
            let key = try Self.readKey(&reader)
            let salt = try Self.readBytes(&reader)
            let storedKey = try Self.readBytes(&reader)
            let serverKey = try Self.readBytes(&reader)
            self = .scramCredential(
                key,
                ScramCredential(
                    salt: salt, storedKey: storedKey, serverKey: serverKey, iterationCount: try reader.readInt32()))
        case 21: self = .scramCredentialRemoved(try Self.readKey(&reader))
        case 22: self = .delegationToken(try Self.readToken(&reader))
        case 23: self = .delegationTokenRemoved(id: try reader.readString(compact: true))
        default: throw .unsupported("metadata record of type \(type): written by a newer program")
        }
    }

    private static func write(_ binding: AclBinding, to writer: inout WireWriter) throws(WireError) {
        writer.writeInt8(binding.resourceType.rawValue)
        try writer.writeString(binding.resourceName, compact: true)
        writer.writeInt8(binding.patternType.rawValue)
        try writer.writeString(binding.principal, compact: true)
        try writer.writeString(binding.host, compact: true)
        writer.writeInt8(binding.operation.rawValue)
        writer.writeInt8(binding.permission.rawValue)
    }

    /// - Throws: `.unsupported` for a kind of rule that this program does not know: to pass over one might open what it
    ///   closes.
    private static func readBinding(_ reader: inout WireReader) throws(WireError) -> AclBinding {
        func known<T: RawRepresentable<Int8>>(_ type: T.Type, _ code: Int8) throws(WireError) -> T {
            guard let value = T(rawValue: code) else {
                throw .unsupported("\(type) \(code) in a rule about who may do what: written by a newer program")
            }
            return value
        }
        let resourceType = try known(AclResourceType.self, try reader.readInt8())
        let resourceName = try reader.readString(compact: true)
        let patternType = try known(AclPatternType.self, try reader.readInt8())
        let principal = try reader.readString(compact: true)
        let host = try reader.readString(compact: true)
        let operation = try known(AclOperation.self, try reader.readInt8())
        let permission = try known(AclPermission.self, try reader.readInt8())
        guard Principal(principal) != nil else {
            throw .corrupt("'\(principal)' in a rule about who may do what is no principal")
        }
        return AclBinding(permission, principal, operation, on: resourceType, resourceName, patternType, from: host)
    }

    /// - Throws: `.unsupported` for a type that this program does not know: whom such a quota is for nobody could tell.
    private static func readEntity(_ reader: inout WireReader) throws(WireError) -> QuotaEntity {
        var entity = QuotaEntity()
        for _ in 0..<(try reader.readCount(compact: true, elementByteCountMin: 2)) {
            let type = try reader.readString(compact: true)
            let part = QuotaEntity.Part(name: try reader.readNullableString(compact: true))
            guard entity.set(type, part) else {
                throw .unsupported("quota of a '\(type)': written by a newer program")
            }
        }
        return entity
    }

    private static func readKey(_ reader: inout WireReader) throws(WireError) -> ScramCredentialKey {
        let user = try reader.readString(compact: true)
        let number = try reader.readInt8()
        guard let mechanism = ScramMechanism(rawValue: number) else {
            throw .unsupported("SCRAM mechanism \(number): written by a newer program")
        }
        return ScramCredentialKey(user: user, mechanism: mechanism)
    }

    private static func readToken(_ reader: inout WireReader) throws(WireError) -> DelegationToken {
        func principal(_ text: String) throws(WireError) -> Principal {
            guard let principal = Principal(text) else {
                throw .corrupt("'\(text)' of a delegation token is no principal")
            }
            return principal
        }
        let id = try reader.readString(compact: true)
        let owner = try principal(try reader.readString(compact: true))
        let requester = try principal(try reader.readString(compact: true))
        var renewers: [Principal] = []
        for _ in 0..<(try reader.readCount(compact: true, elementByteCountMin: 1)) {
            renewers.append(try principal(try reader.readString(compact: true)))
        }
        let issuedAt = try reader.readInt64()
        let expiresAt = try reader.readInt64()
        return DelegationToken(
            id: id, owner: owner, requester: requester, renewers: renewers, issuedAt: issuedAt, expiresAt: expiresAt,
            endsAt: try reader.readInt64())
    }

    private static func write(_ bytes: [UInt8], to writer: inout WireWriter) throws(WireError) {
        try writer.writeBytes(ByteBuffer(bytes: bytes), compact: true)
    }

    private static func readBytes(_ reader: inout WireReader) throws(WireError) -> [UInt8] {
        Array(try reader.readBytes(compact: true).readableBytesView)
    }

    private static func write(_ values: [String: String], to writer: inout WireWriter) throws(WireError) {
        try writer.writeLength(values.count, compact: true)
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            try writer.writeString(name, compact: true)
            try writer.writeString(value, compact: true)
        }
    }

    private static func readValues(_ reader: inout WireReader) throws(WireError) -> [String: String] {
        var values: [String: String] = [:]
        for _ in 0..<(try reader.readCount(compact: true, elementByteCountMin: 2)) {
            let name = try reader.readString(compact: true)
            values[name] = try reader.readString(compact: true)
        }
        return values
    }
}

/// The metadata that a sequence of records adds up to.
struct MetadataImage {
    struct TopicState {
        var name: String
        var id: KafkaUUID
        var partitionCount: Int32
        var overrides: [String: String] = [:]
    }
    var clusterId: String?
    var topics: [KafkaUUID: TopicState] = [:]
    var brokerConfigs: [String: String] = [:]
    var brokerDefaults: [String: String] = [:]
    var producerIdsBelow: Int64 = 0
    var groupConfigs: [String: [String: String]] = [:]
    var clientMetrics: [String: [String: String]] = [:]
    private(set) var acls: [KafkaUUID: AclBinding] = [:]
    private(set) var aclIds: [AclBinding: KafkaUUID] = [:]
    var scramCredentials: [ScramCredentialKey: ScramCredential] = [:]
    private(set) var quotas = QuotaTable()
    private(set) var delegationTokens: [String: DelegationToken] = [:]
    /// Bytes of the principals of all tokens.
    private(set) var delegationTokenByteCount = 0

    mutating func apply(_ record: MetadataRecord) {
        switch record {
        case .clusterId(let id): clusterId = id
        case .topic(let name, let id, let count): topics[id] = TopicState(name: name, id: id, partitionCount: count)
        case .topicRemoved(let id): topics[id] = nil
        case .partitionCount(let id, let count): topics[id]?.partitionCount = count
        case .topicConfigs(let id, let values): topics[id]?.overrides = values
        case .brokerConfigs(let values): brokerConfigs = values
        case .brokerDefaults(let values): brokerDefaults = values
        case .producerIds(let below): producerIdsBelow = max(producerIdsBelow, below)
        case .groupConfigs(let group, let values): groupConfigs[group] = values.isEmpty ? nil : values
        case .clientMetrics(let name, let values): clientMetrics[name] = values.isEmpty ? nil : values
        case .acl(let id, let binding):
            acls[id] = binding
            aclIds[binding] = id
        case .aclRemoved(let id):
            guard let binding = acls.removeValue(forKey: id) else { break }
            aclIds[binding] = nil
        case .clientQuota(let entity, let kind, let value): quotas.set(entity, kind, to: value)
        case .scramCredential(let key, let credential): scramCredentials[key] = credential
        case .scramCredentialRemoved(let key): scramCredentials[key] = nil
        case .delegationToken(let token):
            let old = delegationTokens.updateValue(token, forKey: token.id)
            delegationTokenByteCount += token.principalByteCount - (old?.principalByteCount ?? 0)
        case .delegationTokenRemoved(let id):
            delegationTokenByteCount -= delegationTokens.removeValue(forKey: id)?.principalByteCount ?? 0
        }
    }

    /// The shortest sequence of records that adds up to this.
    var records: [MetadataRecord] {
        var records: [MetadataRecord] = []
        if let clusterId { records.append(.clusterId(clusterId)) }
        if !brokerConfigs.isEmpty { records.append(.brokerConfigs(values: brokerConfigs)) }
        if !brokerDefaults.isEmpty { records.append(.brokerDefaults(values: brokerDefaults)) }
        if producerIdsBelow > 0 { records.append(.producerIds(below: producerIdsBelow)) }
        for topic in topics.values.sorted(by: { $0.name < $1.name }) {
            records.append(.topic(name: topic.name, id: topic.id, partitionCount: topic.partitionCount))
            if !topic.overrides.isEmpty { records.append(.topicConfigs(id: topic.id, values: topic.overrides)) }
        }
        for (group, values) in groupConfigs.sorted(by: { $0.key < $1.key }) {
            records.append(.groupConfigs(group: group, values: values))
        }
        for (name, values) in clientMetrics.sorted(by: { $0.key < $1.key }) {
            records.append(.clientMetrics(name: name, values: values))
        }
        for (binding, id) in aclIds.sorted(by: { $0.key < $1.key }) { records.append(.acl(id: id, binding)) }
        for (entity, kinds) in quotas.values.sorted(by: { $0.key < $1.key }) {
            for (kind, value) in kinds.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                records.append(.clientQuota(entity, kind, value))
            }
        }
        for (key, credential) in scramCredentials.sorted(by: { $0.key < $1.key }) {
            records.append(.scramCredential(key, credential))
        }
        for token in delegationTokens.values.sorted(by: { $0.id < $1.id }) { records.append(.delegationToken(token)) }
        return records
    }
}
