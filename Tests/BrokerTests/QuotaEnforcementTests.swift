import KafkaMessages
import NIOCore
import Observability
import RandomMessages
import Testing

@testable import Broker

/// What clients over a quota get from a broker.
@Suite struct QuotaEnforcementTests {
    /// The client id of `WireClient`.
    private static let clientId = "wire-client"

    private static func set(
        _ client: WireClient, _ key: String, _ value: Double?, entity: (String, String?) = ("client-id", clientId)
    ) throws {
        let request = AlterClientQuotasRequest(entries: [
            .init(
                entity: [.init(entityType: entity.0, entityName: entity.1)],
                ops: [.init(key: key, value: value ?? 0, remove: value == nil)])
        ])
        #expect(try client.ask(request, version: 1).entries.map(\.errorCode) == [0])
    }

    private static func create(_ client: WireClient, _ name: String, _ count: Int32, version: Int16 = 7) throws -> (
        code: Int16, throttle: Int32
    ) {
        let topic = CreateTopicsRequest.CreatableTopic(name: name, numPartitions: count, replicationFactor: 1)
        let answer = try client.ask(CreateTopicsRequest(topics: [topic]), version: version)
        return (answer.topics[0].errorCode, answer.throttleTimeMs)
    }

    private static func produce(
        _ client: WireClient, _ topic: String, byteCount: Int = 2000, acks: Int16 = 1
    ) throws -> ProduceRequest {
        let batch = try EveryVersionTests.batch([String(repeating: "x", count: byteCount)])
        return ProduceRequest(
            acks: acks, timeoutMs: 1000,
            topicData: [.init(name: topic, partitionData: [.init(records: .bytes(batch))])])
    }

    private static func fetch(sessionId: Int32 = 0, epoch: Int32 = -1) -> FetchRequest {
        FetchRequest(
            maxWaitMs: 0, minBytes: 0, maxBytes: 1 << 20, sessionId: sessionId, sessionEpoch: epoch,
            topics: epoch > 0
                ? [] : [.init(topic: "t", partitions: [.init(fetchOffset: 0, partitionMaxBytes: 1 << 20)])])
    }

    private static func recordByteCount(_ response: FetchResponse) -> Int {
        response.responses.flatMap(\.partitions).reduce(0) { sum, partition in
            guard case .bytes(let bytes)? = partition.records else { return sum }
            return sum + bytes.readableBytes
        }
    }

    @Test func `a producer over its quota gets its answer at once and is held up`() async throws {
        try await withBroker { server in
            let admin = try WireClient(port: server.port)
            let client = try WireClient(port: server.port)
            _ = try Self.create(admin, "t", 1)
            var answer = try client.ask(try Self.produce(client, "t"), version: 9)
            #expect(answer.throttleTimeMs == 0)
            try Self.set(admin, "producer_byte_rate", 100)
            // Over a rate of at least ten seconds 2000 bytes come to 200 a second.
            answer = try client.ask(try Self.produce(client, "t"), version: 9)
            #expect(answer.responses[0].partitionResponses[0].errorCode == 0)
            #expect(answer.throttleTimeMs > 5000)
            #expect(server.node.quotas.throttledConnections.current == 1)
            // What it sends meanwhile is not taken up: it would have been before the last of the later requests.
            try client.send(ApiVersionsRequest(), version: 0)
            for _ in 0..<20 { _ = try admin.ask(ApiVersionsRequest(), version: 0) }
            let requests = server.node.metrics.registry.look().first { $0.name == "swiftwater_kafka_requests_total" }
            let counted = requests?.samples.first { $0.labels.contains { $0.value == "ApiVersions" } }
            guard case .number(let count)? = counted?.value else { throw WireClient.Failure(message: "no count") }
            #expect(count == 20)
        }
    }

    @Test func `a producer without answers is held up too`() async throws {
        try await withBroker { server in
            let admin = try WireClient(port: server.port)
            let client = try WireClient(port: server.port)
            _ = try Self.create(admin, "t", 1)
            try Self.set(admin, "producer_byte_rate", 100)
            try client.send(try Self.produce(client, "t", acks: 0), version: 9)
            while server.node.quotas.throttledConnections.current == 0 { await Task.yield() }
            // A stop holds nobody up.
            try client.send(ApiVersionsRequest(), version: 0)
        }
    }

    @Test func `a consumer over its quota gets nothing and the time`() async throws {
        try await withBroker { server in
            let admin = try WireClient(port: server.port)
            _ = try Self.create(admin, "t", 1)
            for _ in 0..<3 { _ = try admin.ask(try Self.produce(admin, "t", byteCount: 10_000), version: 9) }
            try Self.set(admin, "consumer_byte_rate", 1100)
            // One batch fits into ten seconds, a second one does not; no more than fits is read at once.
            let first = try WireClient(port: server.port)
            var answer = try first.ask(Self.fetch(epoch: 0), version: 12)
            #expect(answer.throttleTimeMs == 0)
            #expect(answer.sessionId != 0)
            #expect(10_000..<11_000 ~= Self.recordByteCount(answer))
            let sessions = server.node.fetchSessions.count
            answer = try first.ask(Self.fetch(sessionId: answer.sessionId, epoch: 1), version: 12)
            #expect(answer.throttleTimeMs > 0)
            #expect(answer.errorCode == 0)
            #expect(answer.sessionId != 0)
            #expect(answer.responses.isEmpty)
            // Those who share the quota are held up alike; a session begins only with an answer.
            let second = try WireClient(port: server.port)
            answer = try second.ask(Self.fetch(epoch: 0), version: 12)
            #expect(answer.throttleTimeMs > 0)
            #expect(answer.sessionId == 0)
            #expect(server.node.fetchSessions.count == sessions)
            #expect(server.node.quotas.throttledConnections.current == 2)
            // What was not sent does not count, and without a quota everything is as before.
            try Self.set(admin, "consumer_byte_rate", nil)
            let third = try WireClient(port: server.port)
            answer = try third.ask(Self.fetch(), version: 12)
            #expect(answer.throttleTimeMs == 0)
            #expect(Self.recordByteCount(answer) > 30_000)
        }
    }

    @Test func `changes over a quota are refused, or done and held up by old versions`() async throws {
        try await withBroker(["controller.quota.window.num": "2"]) { server in
            let admin = try WireClient(port: server.port)
            try Self.set(admin, "controller_mutation_rate", 0.001)
            func client() throws -> WireClient { try WireClient(port: server.port) }
            // The first goes through whatever its size; it leaves a debt.
            #expect(try Self.create(client(), "a", 5).code == 0)
            let refused = try Self.create(client(), "b", 1)
            #expect(refused.code == ErrorCode.throttlingQuotaExceeded.rawValue)
            #expect(refused.throttle > 0)
            let growth = CreatePartitionsRequest(topics: [.init(name: "a", count: 6, assignments: nil)])
            let grown = try client().ask(growth, version: 3)
            #expect(grown.results.map(\.errorCode) == [89])
            #expect(grown.throttleTimeMs > 0)
            let deletion = DeleteTopicsRequest(topics: [.init(name: "a")])
            #expect(try client().ask(deletion, version: 6).responses.map(\.errorCode) == [89])
            // A topic that is made because somebody asks for it is not made.
            let metadata = MetadataRequest(topics: [.init(name: "auto")], allowAutoTopicCreation: true)
            #expect(try client().ask(metadata, version: 12).topics.map(\.errorCode) == [3])
            let done = try Self.create(client(), "c", 1, version: 5)
            #expect(done.code == 0)
            #expect(done.throttle > 0)
            #expect(server.node.catalog.topic(named: "b") == nil)
            // What the process itself makes is not held up.
            let own = try await server.node.call(
                CreateTopicsRequest(topics: [.init(name: "own", numPartitions: 3, replicationFactor: 1)]),
                clientId: Self.clientId)
            #expect(own.topics.map(\.errorCode) == [0])
            #expect(own.throttleTimeMs == 0)
        }
    }

    @Test func `time of the event loops is counted, and its answers tell`() async throws {
        try await withBroker { server in
            let admin = try WireClient(port: server.port)
            try Self.set(admin, "request_percentage", 0.000001)
            let answer = try WireClient(port: server.port).ask(MetadataRequest(topics: []), version: 12)
            #expect(1...1000 ~= answer.throttleTimeMs)
            let versions = try WireClient(port: server.port).ask(ApiVersionsRequest(), version: 2)
            #expect(1...1000 ~= versions.throttleTimeMs)
            // A version without the field is held up all the same.
            let old = try WireClient(port: server.port)
            _ = try old.ask(ApiVersionsRequest(), version: 0)
            let throttles = server.node.metrics.registry.look().first { $0.name == "swiftwater_quota_throttles_total" }
            #expect(throttles?.samples.map { $0.labels.map(\.value) } == [["request_percentage"]])
        }
    }

    @Test func `other users and clients are free`() async throws {
        try await withBroker { server in
            let client = try WireClient(port: server.port)
            _ = try Self.create(client, "t", 1)
            try Self.set(client, "producer_byte_rate", 1, entity: ("client-id", "other"))
            try Self.set(client, "producer_byte_rate", 1, entity: ("user", "ann"))
            #expect(try client.ask(try Self.produce(client, "t"), version: 9).throttleTimeMs == 0)
            // Who has not said who they are is a user like others.
            try Self.set(client, "producer_byte_rate", 1, entity: ("user", "ANONYMOUS"))
            #expect(try client.ask(try Self.produce(client, "t"), version: 9).throttleTimeMs > 0)
        }
    }

    @Test func `connections of an address are closed beyond its rate`() async throws {
        try await withBroker(["quota.window.num": "2"]) { server in
            let admin = try WireClient(port: server.port)
            try Self.set(admin, "connection_creation_rate", 2, entity: ("ip", "127.0.0.1"))
            // A few are free; what comes as fast as it can is soon beyond.
            var isRefused = false
            for _ in 0..<1000 where !isRefused {
                let client = try WireClient(port: server.port)
                isRefused = (try? client.ask(ApiVersionsRequest(), version: 0)) == nil
            }
            #expect(isRefused)
            try Self.set(admin, "connection_creation_rate", nil, entity: ("ip", "127.0.0.1"))
            _ = try WireClient(port: server.port).ask(ApiVersionsRequest(), version: 0)
        }
    }

    @Test func `connections beyond the rate of all wait and are served`() async throws {
        try await withBroker(["max.connection.creation.rate": "20", "quota.window.num": "2"]) { server in
            var clients: [WireClient] = []
            for _ in 0..<25 { clients.append(try WireClient(port: server.port)) }
            for client in clients { _ = try client.ask(ApiVersionsRequest(), version: 0) }
            #expect(try Self.throttles(server) > 0)
        }
    }

    private static func throttles(_ server: BrokerServer) throws -> Double {
        let family = server.node.metrics.registry.look().first { $0.name == "swiftwater_quota_throttles_total" }
        return try #require(family).samples.reduce(0) { sum, sample in
            guard case .number(let count) = sample.value else { return sum }
            return sum + Double(count)
        }
    }

    /// An answer with the field that is forgotten here would not tell its client.
    @Test func `every answer with a throttle time tells it`() {
        let offered = Set(OfferedApis.list.compactMap { ApiKey(rawValue: $0.apiKey)?.name })
        for message in allMessages where message.name.hasSuffix("Response") {
            guard offered.contains(String(message.name.dropLast("Response".count))) else { continue }
            let hasField = Mirror(reflecting: message.type.init()).children.contains { $0.label == "throttleTimeMs" }
            #expect(hasField == (message.type is any ThrottledResponse.Type), "\(message.name)")
        }
    }
}
