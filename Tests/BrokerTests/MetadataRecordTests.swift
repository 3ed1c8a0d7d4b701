import Bytes
import KafkaMessages
import NIOCore
import Security
import Testing

@testable import Broker

@Suite struct MetadataRecordTests {
    private static let id = KafkaUUID(high: 1, low: 2)
    private static let all: [MetadataRecord] = [
        .clusterId("abc"), .topic(name: "ratings", id: id, partitionCount: 3), .topicRemoved(id: id),
        .partitionCount(id: id, count: 9),
        .topicConfigs(id: id, values: ["retention.ms": "1", "cleanup.policy": "compact"]),
        .brokerConfigs(values: [:]), .brokerDefaults(values: ["a": "1"]),
        .producerIds(below: 5000), .groupConfigs(group: "g", values: ["a": "1"]),
        .clientMetrics(name: "m", values: ["interval.ms": "1000"]),
        .acl(id: id, AclBinding(.deny, "User:ann", .read, on: .topic, "rat", .prefixed, from: "10.0.0.1")),
        .aclRemoved(id: KafkaUUID(high: 3, low: 4)),
        .clientQuota(QuotaEntity(user: .named("ann"), clientId: .default), .requestPercentage, 12.5),
        .clientQuota(QuotaEntity(ip: .named("10.0.0.1")), .connectionCreationRate, 10),
        .clientQuota(QuotaEntity(user: .named("bob")), .producerByteRate, nil),
        .scramCredential(
            ScramCredentialKey(user: "ann", mechanism: .sha256),
            ScramCredential(salt: [1], storedKey: [2, 3], serverKey: [4], iterationCount: 4096)),
        .scramCredentialRemoved(ScramCredentialKey(user: "bob", mechanism: .sha512)),
        .delegationToken(token), .delegationTokenRemoved(id: "b"),
    ]
    private static let token = DelegationToken(
        id: "a", owner: Principal(name: "ann"), requester: Principal(type: "Group", name: "x:y"),
        renewers: [Principal(name: "bob"), Principal(name: "")], issuedAt: 1, expiresAt: 2, endsAt: 3)

    @Test func `a token is kept until it is removed, and the last of an id counts`() {
        var image = MetadataImage()
        image.apply(.delegationToken(Self.token))
        var renewed = Self.token
        renewed.expiresAt = 9
        image.apply(.delegationToken(renewed))
        var copy = MetadataImage()
        for record in image.records { copy.apply(record) }
        #expect(copy.delegationTokens == ["a": renewed])
        #expect([image, copy].map(\.delegationTokenByteCount) == [Self.token.principalByteCount, 8 + 9 + 8 + 5])
        copy.apply(.delegationTokenRemoved(id: "a"))
        #expect(copy.delegationTokens.isEmpty && copy.delegationTokenByteCount == 0 && copy.records.isEmpty)
    }

    @Test(arguments: all.indices)
    func `reads back what it writes`(index: Int) throws {
        let record = Self.all[index]
        #expect(try MetadataRecord(record.encoded()) == record)
    }

    @Test(arguments: all.indices)
    func `asks for more bytes at every cut`(index: Int) throws {
        let bytes = try Self.all[index].encoded()
        for count in 0..<bytes.readableBytes {
            let cut = try #require(bytes.getSlice(at: 0, length: count))
            #expect(throws: WireError.self) { try MetadataRecord(cut) }
        }
    }

    @Test(arguments: [[0, 1], [9, 1], [1, 2], [120, 1], [12, 2], [14, 2]] as [[UInt8]])
    func `refuses records of a newer program`(bytes: [UInt8]) {
        #expect(throws: WireError.self) { try MetadataRecord(ByteBuffer(bytes: bytes)) }
    }

    /// To pass over a rule that it does not understand might open what the rule closes.
    @Test func `refuses rules of a newer program`() throws {
        let rule = MetadataRecord.acl(id: Self.id, AclBinding(.deny, "User:a", .read, on: .topic, "b"))
        var bytes = try rule.encoded()
        // The type of the resource, behind type, version and id.
        bytes.setInteger(9 as Int8, at: bytes.readerIndex + 18)
        #expect(throws: WireError.self) { try MetadataRecord(bytes) }
    }

    /// A quota that is passed over would let somebody take what is not theirs.
    @Test func `refuses quotas of a newer program`() throws {
        let quota = MetadataRecord.clientQuota(QuotaEntity(user: .default), .producerByteRate, 1)
        let bytes = Array(try quota.encoded().readableBytesView)
        for (name, other) in [("user", "role"), ("producer_byte_rate", "producer_mile_rate")] {
            let place = try #require(bytes.indices.first { bytes[$0...].starts(with: Array(name.utf8)) })
            var changed = bytes
            changed.replaceSubrange(place..<place + name.utf8.count, with: Array(other.utf8))
            #expect(throws: WireError.self) { try MetadataRecord(ByteBuffer(bytes: changed)) }
        }
    }

    @Test func `an image's records add up to the image`() {
        var image = MetadataImage()
        for record in Self.all where record != .topicRemoved(id: Self.id) { image.apply(record) }
        var copy = MetadataImage()
        for record in image.records { copy.apply(record) }
        #expect(copy.records == image.records)
        #expect(copy.topics[Self.id]?.partitionCount == 9)
        #expect(copy.acls.count == 1)
        #expect(copy.aclIds.values.first == Self.id)
        copy.apply(.aclRemoved(id: Self.id))
        #expect(copy.acls.isEmpty && copy.aclIds.isEmpty)
        copy.apply(.topicRemoved(id: Self.id))
        #expect(copy.topics.isEmpty)
        #expect(copy.producerIdsBelow == 5000)
        #expect(
            copy.quotas.values == [
                QuotaEntity(user: .named("ann"), clientId: .default): [.requestPercentage: 12.5],
                QuotaEntity(ip: .named("10.0.0.1")): [.connectionCreationRate: 10],
            ])
        #expect(copy.scramCredentials.keys.map(\.user) == ["ann"])
        copy.apply(.scramCredentialRemoved(ScramCredentialKey(user: "ann", mechanism: .sha256)))
        #expect(copy.scramCredentials.isEmpty)
    }
}
