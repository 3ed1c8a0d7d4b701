import Bytes
import Foundation
import KafkaMessages
import NIOCore
import Security
import Testing

@testable import Broker

/// Every API, asked by a client that has not said who it is, on a broker with an authorizer.
@Suite struct AuthorizationTests {
    private static let properties = [
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin", "offsets.topic.num.partitions": "1",
        "transaction.state.log.num.partitions": "1",
    ]
    private static let authorizationCodes: Set<Int16> = [29, 30, 31, 53]
    /// Everything with everything.
    private static let everything: [AclBinding] = [
        .init(.allow, "User:*", .all, on: .topic, "*"), .init(.allow, "User:*", .all, on: .group, "*"),
        .init(.allow, "User:*", .all, on: .transactionalId, "*"),
        .init(.allow, "User:*", .all, on: .cluster, "kafka-cluster"),
    ]

    /// A broker with topic `t`, group `g` and transactional id `x`, made by calls of the process itself.
    static func withFilledBroker(_ body: (BrokerServer, Authorizer) async throws -> Void) async throws {
        try await withBroker(properties) { server in
            let node = server.node
            func call<Request: KafkaRequest>(_ request: Request, _ version: Int16) async throws -> Request.Response {
                try await node.call(request, version: version, clientId: "test")
            }
            let topic = CreateTopicsRequest.CreatableTopic(name: "t", numPartitions: 1, replicationFactor: 1)
            let made = try await call(CreateTopicsRequest(topics: [topic]), 7)
            #expect(made.topics.map(\.errorCode) == [0])
            for (type, key) in [(0, "g"), (1, "x")] as [(Int8, String)] {
                // The coordinator loads in the background.
                var code: Int16
                repeat {
                    code = try await call(FindCoordinatorRequest(keyType: type, coordinatorKeys: [key]), 6)
                        .coordinators[0].errorCode
                } while code == ErrorCode.coordinatorNotAvailable.rawValue
                #expect(code == 0)
            }
            var committed: [Int16]
            repeat {
                committed = try await call(
                    OffsetCommitRequest(groupId: "g", topics: [.init(name: "t", partitions: [.init()])]), 8
                ).topics[0].partitions.map(\.errorCode)
            } while committed == [ErrorCode.coordinatorLoadInProgress.rawValue]
            #expect(committed == [0])
            var begun: Int16
            repeat {
                begun = try await call(
                    InitProducerIdRequest(transactionalId: "x", transactionTimeoutMs: 10_000), 4
                ).errorCode
            } while begun == ErrorCode.coordinatorLoadInProgress.rawValue
            #expect(begun == 0)
            try await body(server, try #require(node.controller.authorizer))
        }
    }

    private static func versions(of entry: AuthorizationCase) -> ClosedRange<Int16>? {
        guard let offered = OfferedApis.versions(of: entry.api) else { return nil }
        return entry.versions?.clamped(to: offered) ?? offered
    }

    @Test func `every offered API is in the table`() {
        let known = Set(AuthorizationTable.cases.map(\.api)).union(AuthorizationTable.free)
            .union(AuthorizationTable.elsewhere)
        for offered in OfferedApis.list {
            let api = ApiKey(rawValue: offered.apiKey)
            #expect(api.map(known.contains) == true, "\(offered.apiKey)")
            for version in offered.minVersion...offered.maxVersion {
                let permission = api.flatMap { RequiredPermission.of($0, version: version) }
                #expect(permission != nil, "\(offered.apiKey): the authorizer does not know what it needs")
                #expect((permission == RequiredPermission.none) == api.map(AuthorizationTable.free.contains))
            }
        }
    }

    @Test func `without a permission every API refuses`() async throws {
        try await Self.withFilledBroker { server, _ in
            let client = try WireClient(port: server.port)
            for entry in AuthorizationTable.cases {
                guard let versions = Self.versions(of: entry) else { continue }
                for version in versions {
                    let codes = try entry.ask(client, version).filter { $0 != 0 }
                    #expect(!codes.isEmpty, "\(entry), version \(version)")
                    #expect(
                        codes.allSatisfy(Set(entry.needs.map(\.code)).contains),
                        "\(entry), version \(version): \(codes)")
                }
            }
        }
    }

    @Test func `with what it needs and nothing else every API is served`() async throws {
        try await Self.withFilledBroker { server, authorizer in
            let client = try WireClient(port: server.port)
            for entry in AuthorizationTable.cases {
                guard let versions = Self.versions(of: entry) else { continue }
                let rules = entry.needs.map { $0.rule(.allow) }
                authorizer.change(adding: rules, removing: [])
                for version in versions {
                    let codes = try entry.ask(client, version)
                    #expect(
                        Self.authorizationCodes.isDisjoint(with: codes), "\(entry), version \(version): \(codes)")
                }
                authorizer.change(adding: [], removing: rules)
            }
        }
    }

    @Test func `with everything but one of its needs every API refuses`() async throws {
        try await Self.withFilledBroker { server, authorizer in
            authorizer.change(adding: Self.everything, removing: [])
            let client = try WireClient(port: server.port)
            for entry in AuthorizationTable.cases {
                guard let versions = Self.versions(of: entry) else { continue }
                for need in entry.needs {
                    let rules = ([need] + entry.alternatives).map { $0.rule(.deny) }
                    authorizer.change(adding: rules, removing: [])
                    for version in versions {
                        let codes = try entry.ask(client, version)
                        #expect(codes.contains(need.code), "\(entry), version \(version), without \(need): \(codes)")
                    }
                    authorizer.change(adding: [], removing: rules)
                }
            }
        }
    }

    @Test func `each alternative is enough`() async throws {
        try await Self.withFilledBroker { server, authorizer in
            let client = try WireClient(port: server.port)
            for entry in AuthorizationTable.cases {
                guard let versions = Self.versions(of: entry) else { continue }
                for alternative in entry.alternatives {
                    // Topics are deleted by those who may delete all of them without being allowed to see them.
                    let rules = [alternative.rule(.allow)]
                    authorizer.change(adding: rules, removing: [])
                    for version in versions {
                        let codes = try entry.ask(client, version)
                        #expect(Self.authorizationCodes.isDisjoint(with: codes), "\(entry): \(alternative): \(codes)")
                    }
                    authorizer.change(adding: [], removing: rules)
                }
            }
        }
    }

    @Test func `calls of the process itself are not asked for permissions`() async throws {
        try await Self.withFilledBroker { server, _ in
            let names = try await server.node.call(MetadataRequest(topics: nil), clientId: "test").topics.map(\.name)
            #expect(names.contains("t"))
        }
    }

    @Test func `topic ids do not give away names, and unknown ones are not forbidden ones`() async throws {
        try await Self.withFilledBroker { server, authorizer in
            let client = try WireClient(port: server.port)
            let id = try #require(server.node.catalog.topic(named: "t")?.id)
            let unknown = KafkaUUID(high: 5, low: 6)
            let request = MetadataRequest(topics: [.init(topicId: id, name: nil), .init(topicId: unknown, name: nil)])
            var topics = try client.ask(request, version: 12).topics
            #expect(topics.map(\.errorCode) == [29, 100])
            #expect(topics.map(\.name) == [nil, nil])
            let fetch = FetchRequest(
                maxWaitMs: 0, minBytes: 0, maxBytes: 1000,
                topics: [id, unknown].map { .init(topicId: $0, partitions: [.init(partitionMaxBytes: 1000)]) })
            var codes = try client.ask(fetch, version: 17).responses.map { $0.partitions[0].errorCode }
            #expect(codes == [29, 100])
            let produce = ProduceRequest(
                acks: 1, timeoutMs: 1000,
                topicData: try [id, unknown].map { id in
                    var partition = ProduceRequest.PartitionProduceData()
                    partition.records = .bytes(try EveryVersionTests.batch(["one"]))
                    return .init(topicId: id, partitionData: [partition])
                })
            codes = try client.ask(produce, version: 13).responses.map { $0.partitionResponses[0].errorCode }
            #expect(codes == [29, 100])
            let commit = OffsetCommitRequest(
                groupId: "g", topics: [id, unknown, id].map { .init(topicId: $0, partitions: [.init()]) })
            authorizer.change(adding: [.init(.allow, "User:*", .read, on: .group, "g")], removing: [])
            let answers = try client.ask(commit, version: 10).topics
            #expect(answers.map { $0.partitions[0].errorCode } == [29, 100, 29])
            #expect(answers.map(\.topicId) == [id, unknown, id])
            let delete = DeleteTopicsRequest(topics: [.init(name: nil, topicId: id)])
            var deleted = try client.ask(delete, version: 6).responses[0]
            #expect(deleted.errorCode == 29 && deleted.name == nil && deleted.topicId == id)
            authorizer.change(adding: [.init(.allow, "User:*", .describe, on: .topic, "t")], removing: [])
            deleted = try client.ask(delete, version: 6).responses[0]
            #expect(deleted.errorCode == 29 && deleted.name == "t")
            topics = try client.ask(request, version: 12).topics
            #expect(topics.map(\.name) == ["t", nil])
        }
    }

    @Test func `what is permitted of a request is done, in the order of the request`() async throws {
        try await Self.withFilledBroker { server, authorizer in
            let topic = CreateTopicsRequest.CreatableTopic(name: "u", numPartitions: 1, replicationFactor: 1)
            _ = try await server.node.call(CreateTopicsRequest(topics: [topic]), version: 7, clientId: "test")
            authorizer.change(
                adding: [
                    .init(.allow, "User:*", .read, on: .group, "g"), .init(.allow, "User:*", .read, on: .topic, "u"),
                    .init(.allow, "User:*", .delete, on: .topic, "u"),
                    .init(.allow, "User:*", .delete, on: .group, "g"),
                ], removing: [])
            let client = try WireClient(port: server.port)
            let commit = OffsetCommitRequest(
                groupId: "g",
                topics: ["t", "u", "t"].map { .init(name: $0, partitions: [.init(committedOffset: 1)]) })
            let committed = try client.ask(commit, version: 8).topics
            #expect(committed.map(\.name) == ["t", "u", "t"])
            #expect(committed.map { $0.partitions[0].errorCode } == [29, 0, 29])
            let fetch = OffsetFetchRequest(
                groups: [.init(groupId: "g", topics: ["t", "u"].map { .init(name: $0, partitionIndexes: [0]) })])
            let offsets = try client.ask(fetch, version: 8).groups[0].topics
            #expect(offsets.map(\.name) == ["t", "u"])
            #expect(offsets.map { $0.partitions[0].errorCode } == [29, 0])
            #expect(offsets.map { $0.partitions[0].committedOffset } == [-1, 1])
            let records = DeleteRecordsRequest(
                topics: ["u", "t"].map { .init(name: $0, partitions: [.init(offset: 0)]) })
            let cut = try client.ask(records, version: 2).topics
            #expect(cut.map { $0.partitions[0].errorCode } == [0, 29])
            let delete = OffsetDeleteRequest(
                groupId: "g", topics: ["t", "u"].map { .init(name: $0, partitions: [.init()]) })
            let deleted = try client.ask(delete, version: 0)
            #expect(deleted.topics.map { $0.partitions[0].errorCode } == [29, 0])
        }
    }

    @Test func `topics come into being for those who may create them`() async throws {
        try await Self.withFilledBroker { server, authorizer in
            let client = try WireClient(port: server.port)
            let request = MetadataRequest(topics: ["a-1", "b-1"].map { .init(name: $0) }, allowAutoTopicCreation: true)
            func expect(_ codes: [Int16]) throws {
                let found = try client.ask(request, version: 9).topics.map(\.errorCode)
                #expect(found == codes)
            }
            try expect([29, 29])
            authorizer.change(adding: [.init(.allow, "User:*", .describe, on: .topic, "*")], removing: [])
            try expect([29, 29])
            authorizer.change(adding: [.init(.allow, "User:*", .create, on: .topic, "a-", .prefixed)], removing: [])
            try expect([0, 29])
            #expect(server.node.catalog.topic(named: "b-1") == nil)
            authorizer.change(adding: [.init(.allow, "User:*", .create, on: .cluster, "kafka-cluster")], removing: [])
            try expect([0, 0])
        }
    }

    /// KIP-430, with the bits of upstream's AclOperation.
    @Test func `permitted operations are those of the asker`() async throws {
        try await Self.withFilledBroker { server, authorizer in
            authorizer.change(
                adding: [
                    .init(.allow, "User:*", .read, on: .topic, "t"),
                    .init(.allow, "User:*", .describe, on: .group, "g"),
                    .init(.allow, "User:*", .describe, on: .cluster, "kafka-cluster"),
                ], removing: [])
            let client = try WireClient(port: server.port)
            let metadata = MetadataRequest(
                topics: [.init(name: "t")], includeClusterAuthorizedOperations: true,
                includeTopicAuthorizedOperations: true)
            let answer = try client.ask(metadata, version: 8)
            #expect(answer.topics[0].topicAuthorizedOperations == 1 << 3 | 1 << 8)
            #expect(answer.clusterAuthorizedOperations == 1 << 8)
            let groups = DescribeGroupsRequest(groups: ["g"], includeAuthorizedOperations: true)
            let operations = try client.ask(groups, version: 5).groups[0].authorizedOperations
            #expect(operations == 1 << 8)
        }
    }

    @Test func `a fetch session is looked at with every request`() async throws {
        try await Self.withFilledBroker { server, authorizer in
            let rule = AclBinding(.allow, "User:*", .read, on: .topic, "t")
            authorizer.change(adding: [rule], removing: [])
            let client = try WireClient(port: server.port)
            var request = FetchRequest(
                maxWaitMs: 0, minBytes: 0, maxBytes: 1000,
                topics: [.init(topic: "t", partitions: [.init(partitionMaxBytes: 1000)])])
            request.sessionEpoch = 0
            let opened = try client.ask(request, version: 12)
            #expect(opened.sessionId != 0)
            #expect(opened.responses[0].partitions[0].errorCode == 0)
            authorizer.change(adding: [], removing: [rule])
            request.sessionId = opened.sessionId
            request.sessionEpoch = 1
            request.topics = []
            let next = try client.ask(request, version: 12)
            #expect(next.responses[0].partitions[0].errorCode == 29)
        }
    }

    /// Upstream looks at the attributes of the batches, not only at the id that the request names.
    @Test func `batches of transactions need the transactional id`() async throws {
        try await Self.withFilledBroker { server, authorizer in
            authorizer.change(adding: [.init(.allow, "User:*", .write, on: .topic, "t")], removing: [])
            let client = try WireClient(port: server.port)
            var bytes = try EveryVersionTests.batch(["one"])
            bytes.setInteger(UInt16(1 << 4), at: bytes.readerIndex + 21)
            var partition = ProduceRequest.PartitionProduceData()
            partition.records = .bytes(bytes)
            for id in ["x", nil] {
                let request = ProduceRequest(
                    transactionalId: id, acks: 1, timeoutMs: 1000,
                    topicData: [.init(name: "t", partitionData: [partition])])
                let code = try client.ask(request, version: 9).responses[0].partitionResponses[0].errorCode
                #expect(code == 53)
            }
        }
    }

    private static func creation(
        _ name: String = "t", type: Int8 = 2, pattern: Int8 = 3, principal: String = "User:a", host: String = "*",
        operation: Int8 = 3, permission: Int8 = 3
    ) -> CreateAclsRequest.AclCreation {
        .init(
            resourceType: type, resourceName: name, resourcePatternType: pattern, principal: principal, host: host,
            operation: operation, permissionType: permission)
    }

    /// By hand from upstream's AclApis and AclControlManager.
    @Test func `new rules are checked`() async throws {
        var properties = Self.properties
        properties["super.users"] = "User:ANONYMOUS"
        try await withBroker(properties) { server in
            let client = try WireClient(port: server.port)
            let cases: [(CreateAclsRequest.AclCreation, Int16)] = [
                (Self.creation(), 0), (Self.creation(), 0), (Self.creation("", type: 2), 42),
                (Self.creation(type: 0), 42), (Self.creation(type: 1), 42), (Self.creation(type: 99), 42),
                (Self.creation(pattern: 1), 42), (Self.creation(pattern: 2), 42), (Self.creation(pattern: 4), 0),
                (Self.creation(operation: 0), 42), (Self.creation(operation: 1), 42), (Self.creation(operation: 2), 0),
                (Self.creation(permission: 1), 42), (Self.creation(permission: 2), 0),
                (Self.creation(principal: "a"), 42), (Self.creation("kafka-cluster", type: 4), 0),
                (Self.creation("other", type: 4), 42), (Self.creation("token", type: 6), 0),
            ]
            let results = try client.ask(CreateAclsRequest(creations: cases.map(\.0)), version: 3).results
            #expect(results.map(\.errorCode) == cases.map(\.1))
            // What is there already counts once.
            #expect(server.node.controller.authorizer?.ruleCount == 6)
            let many = CreateAclsRequest(creations: (0...10_000).map { Self.creation("t\($0)") })
            let refused = try client.ask(many, version: 3).results
            #expect(refused.count == 10_001 && refused.allSatisfy { $0.errorCode == 44 })
            #expect(server.node.controller.authorizer?.ruleCount == 6)
            var filter = DescribeAclsRequest(
                resourceTypeFilter: 1, resourceNameFilter: nil, patternTypeFilter: 1, principalFilter: nil,
                hostFilter: nil, operation: 1, permissionType: 1)
            let found = try client.ask(filter, version: 3)
            #expect(found.resources.reduce(0) { $0 + $1.acls.count } == 6)
            filter.operation = 99
            let wrong = try client.ask(filter, version: 3).errorCode
            #expect(wrong == 42)
        }
    }

    @Test func `rules are read again at the next start, as they were last`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let rules = (0..<20).map { AclBinding(.allow, "User:a", .read, on: .topic, "t\($0)") }
        try await withBroker(in: folder, Self.properties) { server in
            let made = await server.node.controller.value { controller in
                Result { () throws(ControlError) in try controller.createAcls(rules + rules) }
            }
            let problems = try made.get()
            #expect(problems == Array(repeating: nil, count: 40))
            let gone = await server.node.controller.value { controller in
                Result { () throws(ControlError) in try controller.deleteAcls([AclFilter(resourceName: "t7")]) }
            }
            let removed = try gone.get()
            #expect(removed == [[rules[7]]])
        }
        try await withBroker(in: folder, Self.properties) { server in
            let found = server.node.controller.image { Set($0.acls.values) }
            #expect(found == Set(rules).subtracting([rules[7]]))
            #expect(server.node.controller.authorizer?.ruleCount == 19)
        }
    }
}
