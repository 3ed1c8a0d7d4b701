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
        .scramCredential(
            ScramCredentialKey(user: "ann", mechanism: .sha256),
            ScramCredential(salt: [1], storedKey: [2, 3], serverKey: [4], iterationCount: 4096)),
        .scramCredentialRemoved(ScramCredentialKey(user: "bob", mechanism: .sha512)),
    ]

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

    @Test(arguments: [[0, 1], [9, 1], [1, 2]] as [[UInt8]])
    func `refuses records of a newer program`(bytes: [UInt8]) {
        #expect(throws: WireError.self) { try MetadataRecord(ByteBuffer(bytes: bytes)) }
    }

    @Test func `an image's records add up to the image`() {
        var image = MetadataImage()
        for record in Self.all where record != .topicRemoved(id: Self.id) { image.apply(record) }
        var copy = MetadataImage()
        for record in image.records { copy.apply(record) }
        #expect(copy.records == image.records)
        #expect(copy.topics[Self.id]?.partitionCount == 9)
        copy.apply(.topicRemoved(id: Self.id))
        #expect(copy.topics.isEmpty)
        #expect(copy.producerIdsBelow == 5000)
        #expect(copy.scramCredentials.keys.map(\.user) == ["ann"])
        copy.apply(.scramCredentialRemoved(ScramCredentialKey(user: "ann", mechanism: .sha256)))
        #expect(copy.scramCredentials.isEmpty)
    }
}
