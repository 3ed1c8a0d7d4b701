import Bytes
import KafkaMessages
import NIOCore
import RecordBatches
import Testing

@testable import Broker

/// Every request in every offered version is answered with a message that reads back to its last byte.
@Suite struct EveryVersionTests {
    private static let topic = "ratings"

    static func batch(_ values: [String], timestamp: Int64 = 1_000) throws -> ByteBuffer {
        var builder = BatchBuilder()
        for (index, value) in values.enumerated() {
            try builder.append(
                timestamp: timestamp + Int64(index), key: Array("k\(index)".utf8), value: Array(value.utf8))
        }
        return ByteBuffer(bytes: try builder.build())
    }

    private static func fill(_ server: BrokerServer) throws -> (client: WireClient, topicId: KafkaUUID) {
        let client = try WireClient(port: server.port)
        var create = CreateTopicsRequest()
        var wanted = CreateTopicsRequest.CreatableTopic()
        wanted.name = topic
        wanted.numPartitions = 3
        wanted.replicationFactor = 1
        create.topics = [wanted]
        let id = try client.ask(create, version: 7).topics[0].topicId
        _ = try client.ask(produce(version: 9, id: id), version: 9)
        return (client, id)
    }

    private static func produce(version: Int16, id: KafkaUUID) throws -> ProduceRequest {
        var request = ProduceRequest()
        request.acks = -1
        request.timeoutMs = 1000
        var data = ProduceRequest.TopicProduceData()
        if version >= 13 { data.topicId = id } else { data.name = topic }
        var partition = ProduceRequest.PartitionProduceData()
        partition.records = .bytes(try batch(["one", "two"]))
        data.partitionData = [partition]
        request.topicData = [data]
        return request
    }

    @Test func `Produce`() async throws {
        try await withBroker { server in
            let (client, id) = try Self.fill(server)
            for version in 3...13 as ClosedRange<Int16> {
                let response = try client.ask(try Self.produce(version: version, id: id), version: version)
                let answer = response.responses[0].partitionResponses[0]
                #expect(answer.errorCode == 0)
                #expect(answer.baseOffset == 2 + 2 * Int64(version - 3))
            }
        }
    }

    @Test func `Fetch`() async throws {
        try await withBroker { server in
            let (client, id) = try Self.fill(server)
            for version in 4...18 as ClosedRange<Int16> {
                var request = FetchRequest()
                request.maxWaitMs = 100
                request.minBytes = 1
                request.maxBytes = 1 << 20
                var topic = FetchRequest.FetchTopic()
                if version >= 13 { topic.topicId = id } else { topic.topic = Self.topic }
                var partition = FetchRequest.FetchPartition()
                partition.fetchOffset = 1
                partition.partitionMaxBytes = 1 << 20
                topic.partitions = [partition]
                request.topics = [topic]
                let response = try client.ask(request, version: version)
                let answer = response.responses[0].partitions[0]
                #expect(answer.errorCode == 0)
                #expect(answer.highWatermark == 2)
                guard case .bytes(let bytes)? = answer.records else { throw WireClient.Failure(message: "no records") }
                #expect(try BatchHeader(bytes.readableBytesSpan).lastOffset == 1)
            }
        }
    }

    @Test func `everything else`() async throws {
        try await withBroker { server in
            let (client, id) = try Self.fill(server)
            try Self.each(ListOffsetsRequest.self) { version in
                // Each time by itself: a partition may be asked for once in a request.
                let answers = try ([-1, -2, 1_001] as [Int64]).map { time in
                    let request = ListOffsetsRequest(
                        replicaId: -1, topics: [.init(name: Self.topic, partitions: [.init(timestamp: time)])])
                    return try client.ask(request, version: version).topics[0].partitions[0]
                }
                #expect(answers.map(\.offset) == [2, 0, 1])
                #expect(answers.map(\.timestamp) == [-1, -1, 1_001] as [Int64])
            }
            // Kafka's `timestampMinSupportedVersion`.
            for (time, first) in [(-3, 7), (-4, 8), (-5, 9), (-6, 11), (-7, .max)] as [(Int64, Int16)] {
                try Self.each(ListOffsetsRequest.self) { version in
                    let request = ListOffsetsRequest(
                        replicaId: -1, topics: [.init(name: Self.topic, partitions: [.init(timestamp: time)])])
                    let code = try client.ask(request, version: version).topics[0].partitions[0].errorCode
                    #expect(code == (version < first ? ErrorCode.unsupportedVersion.rawValue : 0))
                }
            }
            try Self.each(MetadataRequest.self) { version in
                var request = MetadataRequest()
                var topic = MetadataRequest.MetadataRequestTopic()
                topic.name = Self.topic
                request.topics = [topic]
                let response = try client.ask(request, version: version)
                #expect(response.topics[0].partitions.count == 3)
                #expect(response.brokers[0].port == Int32(server.port))
                if version >= 10 { #expect(response.topics[0].topicId == id) }
            }
            try Self.each(ApiVersionsRequest.self) { version in
                var request = ApiVersionsRequest()
                if version >= 3 {
                    request.clientSoftwareName = "wire-client"
                    request.clientSoftwareVersion = "1.0"
                }
                let found = try client.ask(request, version: version).apiKeys.count
                #expect(found == OfferedApis.list.count)
            }
            try Self.each(CreateTopicsRequest.self) { version in
                var request = CreateTopicsRequest()
                request.topics = ["made-\(version)", Self.topic, "no/good"].map { name in
                    var topic = CreateTopicsRequest.CreatableTopic()
                    topic.name = name
                    topic.numPartitions = 1
                    topic.replicationFactor = 1
                    return topic
                }
                let found = try client.ask(request, version: version).topics.map(\.errorCode)
                #expect(found == [0, 36, 17])
            }
            try Self.each(CreatePartitionsRequest.self) { version in
                var request = CreatePartitionsRequest()
                var topic = CreatePartitionsRequest.CreatePartitionsTopic()
                topic.name = "made-2"
                topic.count = 2 + Int32(version)
                topic.assignments = nil
                request.topics = [topic]
                let found = try client.ask(request, version: version).results.map(\.errorCode)
                #expect(found == [0])
            }
            try Self.each(DeleteTopicsRequest.self) { version in
                var request = DeleteTopicsRequest()
                let names = ["made-\(version + 1)", "never-made"]
                if version >= 6 {
                    request.topics = names.map { name in
                        var topic = DeleteTopicsRequest.DeleteTopicState()
                        topic.name = name
                        return topic
                    }
                } else {
                    request.topicNames = names
                }
                let found = try client.ask(request, version: version).responses.map(\.errorCode)
                #expect(found == [0, 3])
            }
            try Self.each(DeleteRecordsRequest.self) { version in
                var request = DeleteRecordsRequest()
                var topic = DeleteRecordsRequest.DeleteRecordsTopic()
                topic.name = Self.topic
                topic.partitions = [.init(), .init()]
                topic.partitions[0].offset = 1
                topic.partitions[1].offset = 99
                request.topics = [topic]
                let answers = try client.ask(request, version: version).topics[0].partitions
                #expect(answers.map(\.lowWatermark) == [1, -1])
                #expect(answers.map(\.errorCode) == [0, 1])
            }
            var ids: Set<Int64> = []
            try Self.each(InitProducerIdRequest.self) { version in
                var request = InitProducerIdRequest()
                request.transactionalId = nil
                let response = try client.ask(request, version: version)
                #expect(response.errorCode == 0)
                #expect(ids.insert(response.producerId).inserted)
            }
            try Self.each(OffsetForLeaderEpochRequest.self) { version in
                var request = OffsetForLeaderEpochRequest()
                var topic = OffsetForLeaderEpochRequest.OffsetForLeaderTopic()
                topic.topic = Self.topic
                topic.partitions = [.init()]
                request.topics = [topic]
                let found = try client.ask(request, version: version).topics[0].partitions[0].endOffset
                #expect(found == 2)
            }
            try Self.each(DescribeConfigsRequest.self) { version in
                var request = DescribeConfigsRequest()
                request.includeSynonyms = true
                request.includeDocumentation = version >= 3
                request.resources = ([(2, Self.topic), (4, "1"), (2, "never-made")] as [(Int8, String)]).map {
                    type, name in
                    var resource = DescribeConfigsRequest.DescribeConfigsResource()
                    resource.resourceType = type
                    resource.resourceName = name
                    resource.configurationKeys = nil
                    return resource
                }
                let results = try client.ask(request, version: version).results
                #expect(results.map(\.errorCode) == [0, 0, 3])
                #expect(results[0].configs.count == TopicConfigs.definitions.filter { !$0.isHidden }.count)
                let properties = results[1].configs.filter { ServerProperties.definition($0.name) != nil }
                #expect(properties.count == ServerProperties.known.count)
            }
            try Self.each(AlterConfigsRequest.self) { version in
                var request = AlterConfigsRequest()
                var resource = AlterConfigsRequest.AlterConfigsResource()
                resource.resourceType = 2
                resource.resourceName = Self.topic
                resource.configs = [.init()]
                resource.configs[0].name = "retention.ms"
                resource.configs[0].value = "123"
                request.resources = [resource]
                let found = try client.ask(request, version: version).responses.map(\.errorCode)
                #expect(found == [0])
            }
            try Self.each(IncrementalAlterConfigsRequest.self) { version in
                var request = IncrementalAlterConfigsRequest()
                var resource = IncrementalAlterConfigsRequest.AlterConfigsResource()
                resource.resourceType = 2
                resource.resourceName = Self.topic
                resource.configs = [.init()]
                resource.configs[0].name = "cleanup.policy"
                resource.configs[0].value = "tidy"
                request.resources = [resource]
                let found = try client.ask(request, version: version).responses.map(\.errorCode)
                #expect(found == [40])
            }
            try Self.each(DescribeLogDirsRequest.self) { version in
                var request = DescribeLogDirsRequest()
                request.topics = nil
                let results = try client.ask(request, version: version).results
                let sizes = try #require(results.first?.topics.first { $0.name == Self.topic })
                #expect(sizes.partitions[0].partitionSize > 0)
            }
            try Self.each(ElectLeadersRequest.self) { version in
                var request = ElectLeadersRequest()
                var topic = ElectLeadersRequest.TopicPartitions()
                topic.topic = Self.topic
                topic.partitions = [0, 7]
                request.topicPartitions = [topic]
                let result = try client.ask(request, version: version).replicaElectionResults[0]
                #expect(result.partitionResult.map(\.errorCode) == [84, 3])
            }
            try Self.each(AlterPartitionReassignmentsRequest.self) { version in
                var request = AlterPartitionReassignmentsRequest()
                var topic = AlterPartitionReassignmentsRequest.ReassignableTopic()
                topic.name = Self.topic
                topic.partitions = [.init(), .init()]
                topic.partitions[1].replicas = [1, 2]
                request.topics = [topic]
                let result = try client.ask(request, version: version).responses[0]
                #expect(result.partitions.map(\.errorCode) == [85, 39])
            }
            try Self.each(ListPartitionReassignmentsRequest.self) { version in
                let isEmpty = try client.ask(ListPartitionReassignmentsRequest(), version: version).topics.isEmpty
                #expect(isEmpty)
            }
            try Self.each(DescribeAclsRequest.self) { version in
                let response = try client.ask(DescribeAclsRequest(), version: version)
                #expect(response.errorCode == 54)
                #expect(response.resources.isEmpty)
            }
            try Self.each(CreateAclsRequest.self) { version in
                let request = CreateAclsRequest(creations: [.init(), .init()])
                let results = try client.ask(request, version: version).results
                #expect(results.map(\.errorCode) == [54, 54])
            }
            try Self.each(DeleteAclsRequest.self) { version in
                let request = DeleteAclsRequest(filters: [.init()])
                let results = try client.ask(request, version: version).filterResults
                #expect(results.map(\.errorCode) == [54])
            }
            try Self.each(DescribeUserScramCredentialsRequest.self) { version in
                var response = try client.ask(DescribeUserScramCredentialsRequest(users: nil), version: version)
                #expect(response.errorCode == 0)
                #expect(response.results.isEmpty)
                response = try client.ask(
                    DescribeUserScramCredentialsRequest(users: [.init(name: "bob")]), version: version)
                #expect(response.results.map(\.errorCode) == [91])
            }
            try Self.each(AlterUserScramCredentialsRequest.self) { version in
                let salted = ByteBuffer(repeating: 7, count: 32)
                func made(_ name: String, _ mechanism: Int8, _ iterations: Int32) throws -> [Int16] {
                    let request = AlterUserScramCredentialsRequest(upsertions: [
                        .init(
                            name: name, mechanism: mechanism, iterations: iterations, salt: salted,
                            saltedPassword: salted)
                    ])
                    return try client.ask(request, version: version).results.map(\.errorCode)
                }
                #expect(try made("ann", 1, 4096) == [0])
                #expect(try made("ann", 1, 4095) == [93])
                #expect(try made("ann", 1, 16385) == [93])
                #expect(try made("", 1, 4096) == [93])
                #expect(try made("ann", 3, 4096) == [33])
                let twice = AlterUserScramCredentialsRequest(
                    deletions: [.init(name: "ann", mechanism: 1)],
                    upsertions: [
                        .init(name: "ann", mechanism: 2, iterations: 4096, salt: salted, saltedPassword: salted)
                    ])
                #expect(try client.ask(twice, version: version).results.map(\.errorCode) == [92])
                let deletions = AlterUserScramCredentialsRequest(deletions: [
                    .init(name: "ann", mechanism: 1), .init(name: "bob", mechanism: 1),
                ])
                let results = try client.ask(deletions, version: version).results
                #expect(
                    Dictionary(uniqueKeysWithValues: results.map { ($0.user, $0.errorCode) }) == ["ann": 0, "bob": 91])
            }
            try Self.each(AlterClientQuotasRequest.self) { version in
                func altered(_ key: String, _ value: Double?) throws -> AlterClientQuotasResponse {
                    let entity = [AlterClientQuotasRequest.EntityData(entityType: "client-id", entityName: nil)]
                    let request = AlterClientQuotasRequest(entries: [
                        .init(entity: entity, ops: [.init(key: key, value: value ?? 0, remove: value == nil)])
                    ])
                    return try client.ask(request, version: version)
                }
                func described() throws -> [DescribeClientQuotasResponse.EntryData] {
                    let request = DescribeClientQuotasRequest(
                        components: [.init(entityType: "client-id", matchType: 1, match: nil)], strict: true)
                    let response = try client.ask(request, version: version)
                    #expect(response.errorCode == 0)
                    #expect(response.errorMessage == nil)
                    return try #require(response.entries)
                }
                let refused = try altered("producer_byte_rate", 0).entries
                #expect(refused.map(\.errorCode) == [42])
                #expect(refused[0].entity == [.init(entityType: "client-id", entityName: nil)])
                #expect(try altered("producer_byte_rate", 1e12).entries.map(\.errorCode) == [0])
                #expect(try described().flatMap(\.values) == [.init(key: "producer_byte_rate", value: 1e12)])
                #expect(try altered("producer_byte_rate", nil).entries.map(\.errorCode) == [0])
                #expect(try described().isEmpty)
            }
            try Self.each(DescribeClientQuotasRequest.self) { version in
                let request = DescribeClientQuotasRequest(components: [.init(entityType: "role", match: "a")])
                let response = try client.ask(request, version: version)
                #expect(response.errorCode == 35)
                #expect(response.entries == nil)
            }
            // On a listener without SASL there is no state for them.
            try Self.each(SaslHandshakeRequest.self) { version in
                let found = try client.ask(SaslHandshakeRequest(mechanism: "PLAIN"), version: version).errorCode
                #expect(found == 34)
            }
            try Self.each(SaslAuthenticateRequest.self) { version in
                let found = try client.ask(SaslAuthenticateRequest(), version: version).errorCode
                #expect(found == 34)
            }
            try Self.each(DescribeQuorumRequest.self) { version in
                var request = DescribeQuorumRequest()
                var topic = DescribeQuorumRequest.TopicData()
                topic.topicName = "__cluster_metadata"
                topic.partitions = [.init()]
                request.topics = [topic]
                let found = try client.ask(request, version: version).topics[0].partitions[0].leaderId
                #expect(found == 1)
            }
            try Self.each(FindCoordinatorRequest.self) { version in
                var request = FindCoordinatorRequest()
                if version >= 4 { request.coordinatorKeys = ["a", "b"] } else { request.key = "a" }
                let response = try client.ask(request, version: version)
                let nodes = version >= 4 ? response.coordinators.map(\.nodeId) : [response.nodeId]
                #expect(nodes == (version >= 4 ? [1, 1] : [1]))
            }
            try Self.each(UpdateFeaturesRequest.self) { version in
                let found = try client.ask(UpdateFeaturesRequest(), version: version).errorCode
                #expect(found == 0)
            }
            try Self.each(DescribeClusterRequest.self) { version in
                let response = try client.ask(DescribeClusterRequest(), version: version)
                #expect(response.brokers.map(\.brokerId) == [1])
                #expect(response.clusterAuthorizedOperations == .min)
                let asking = DescribeClusterRequest(includeClusterAuthorizedOperations: true)
                #expect(try client.ask(asking, version: version).clusterAuthorizedOperations == 8096)
            }
            try Self.each(DescribeProducersRequest.self) { version in
                var request = DescribeProducersRequest()
                var topic = DescribeProducersRequest.TopicRequest()
                topic.name = Self.topic
                topic.partitionIndexes = [0, 9]
                request.topics = [topic]
                let found = try client.ask(request, version: version).topics[0].partitions.map(\.errorCode)
                #expect(found == [0, 3])
            }
            try Self.each(ListConfigResourcesRequest.self) { version in
                let resources = try client.ask(ListConfigResourcesRequest(), version: version).configResources
                #expect(resources.contains { $0.resourceName == Self.topic } == (version >= 1))
            }
            try Self.each(DescribeTopicPartitionsRequest.self) { version in
                var request = DescribeTopicPartitionsRequest()
                request.topics = [.init()]
                request.topics[0].name = Self.topic
                request.responsePartitionLimit = 2
                let page = try client.ask(request, version: version)
                #expect(page.topics[0].partitions.map(\.partitionIndex) == [0, 1])
                var cursor = DescribeTopicPartitionsRequest.Cursor()
                cursor.topicName = try #require(page.nextCursor?.topicName)
                cursor.partitionIndex = try #require(page.nextCursor?.partitionIndex)
                request.cursor = cursor
                let rest = try client.ask(request, version: version)
                #expect(rest.topics[0].partitions.map(\.partitionIndex) == [2])
                #expect(rest.nextCursor == nil)
            }
        }
    }

    private static func each<Request: KafkaRequest>(
        _ request: Request.Type, _ body: (Int16) throws -> Void
    ) throws {
        let versions = try #require(OfferedApis.versions(of: Request.apiKey))
        for version in versions { try body(version) }
    }
}
