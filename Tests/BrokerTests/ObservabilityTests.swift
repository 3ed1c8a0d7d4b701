import Environment
import KafkaMessages
import Observability
import Synchronization
import TestKit
import Testing

@testable import Broker

@Suite struct ClockWatchTests {
    /// How far each clock moves between two looks, in milliseconds, and the step that is seen.
    @Test(
        arguments: [
            (1000, 1000, 0), (1999, 1000, 0), (2000, 1000, 1000), (-3_600_000, 1000, -3_601_000), (0, 999, 0),
            (0, 1000, -1000), (86_400_000, 86_400_000, 0),
        ] as [(Int64, Int64, Int64)])
    func `tells a step of the clock once`(wallMs: Int64, monotonicMs: Int64, step: Int64) {
        let log = RecordedLog()
        let wall = ManualClock(1_700_000_000_000)
        let monotonic = ManualClock(5)
        let steps = Counter()
        let watch = ClockWatch(
            logger: log.logger, wallClock: wall, monotonicClock: monotonic, steps: steps)
        #expect(watch.look() == 0)
        wall.advance(by: wallMs)
        monotonic.advance(by: monotonicMs * 1_000_000)
        #expect(watch.look() == step)
        #expect(watch.look() == 0)
        #expect(steps.total == (step == 0 ? 0 : 1))
        #expect(log.lines.count == (step == 0 ? 0 : 1))
    }
}

@Suite struct BrokerMetricTests {
    /// The value of a sample in Prometheus' text; nil when it is not there.
    private func value(_ sample: String, _ registry: MetricRegistry) -> Double? {
        let text = String(decoding: MetricText.write(registry.look(), as: .prometheus), as: UTF8.self)
        return text.split(separator: "\n").first { $0.hasPrefix(sample + " ") }.flatMap {
            Double($0.dropFirst(sample.utf8.count + 1))
        }
    }

    private func produce(_ topic: String, _ values: [String]) throws -> ProduceRequest {
        var request = ProduceRequest()
        request.acks = -1
        request.timeoutMs = 1000
        var data = ProduceRequest.TopicProduceData()
        data.name = topic
        var partition = ProduceRequest.PartitionProduceData()
        partition.records = .bytes(try EveryVersionTests.batch(values))
        data.partitionData = [partition]
        request.topicData = [data]
        return request
    }

    private func create(_ names: [String], _ client: WireClient) throws {
        var create = CreateTopicsRequest()
        create.topics = names.map { name in
            var topic = CreateTopicsRequest.CreatableTopic()
            topic.name = name
            topic.numPartitions = 2
            topic.replicationFactor = 1
            return topic
        }
        let answer = try client.ask(create, version: 7)
        #expect(answer.topics.allSatisfy { $0.errorCode == 0 })
    }

    @Test func `count what clients ask and get`() async throws {
        try await withBroker { server in
            let registry = server.node.metrics.registry
            let client = try WireClient(port: server.port)
            try create(["ratings"], client)
            _ = try client.ask(try produce("ratings", ["a", "b", "c"]), version: 9)
            _ = try client.ask(try produce("nowhere", ["a"]), version: 9)
            var fetch = FetchRequest()
            fetch.maxBytes = 1 << 20
            var topic = FetchRequest.FetchTopic()
            topic.topic = "ratings"
            var partition = FetchRequest.FetchPartition()
            partition.partitionMaxBytes = 1 << 20
            topic.partitions = [partition]
            fetch.topics = [topic]
            _ = try client.ask(fetch, version: 12)

            #expect(value("swiftwater_kafka_requests_total{api=\"Produce\"}", registry) == 2)
            #expect(value("swiftwater_kafka_requests_total{api=\"Fetch\"}", registry) == 1)
            #expect(value("swiftwater_kafka_request_duration_seconds_count{api=\"Produce\"}", registry) == 2)
            #expect(
                value(
                    "swiftwater_kafka_request_errors_total{api=\"Produce\",error=\"UNKNOWN_TOPIC_OR_PARTITION\"}",
                    registry) == 1)
            #expect((value("swiftwater_kafka_request_bytes_total{api=\"Produce\"}", registry) ?? 0) > 100)
            #expect((value("swiftwater_kafka_response_bytes_total{api=\"Fetch\"}", registry) ?? 0) > 60)
            #expect(value("swiftwater_produced_records_total", registry) == 3)
            #expect(value("swiftwater_fetched_records_total", registry) == 3)
            #expect(
                value("swiftwater_produced_bytes_total", registry) == value("swiftwater_fetched_bytes_total", registry))
            #expect((value("swiftwater_log_sync_duration_seconds_count", registry) ?? 0) >= 1)
            #expect(value("swiftwater_kafka_connections", registry) == 1)
            #expect(value("swiftwater_kafka_connections_accepted_total", registry) == 1)
            #expect(value("swiftwater_topic_log_end_offset{topic=\"ratings\"}", registry) == 3)
            #expect(value("swiftwater_topic_partitions{topic=\"ratings\"}", registry) == 2)
            #expect(value("swiftwater_topics", registry) == 1)
            #expect(value("swiftwater_partitions", registry) == 2)
            #expect(value("swiftwater_storage_failed", registry) == 0)
            #expect((value("swiftwater_disk_size_bytes", registry) ?? 0) > 0)
        }
    }

    /// The property, and the topics that have series.
    @Test(
        arguments: [("0", []), ("2", ["(other)", "a", "b"]), ("5", ["a", "b", "c", "d"])] as [(String, [String])])
    func `have series for so many topics only`(bound: String, topics: [String]) async throws {
        try await withBroker(["metrics.topics.max": bound]) { server in
            let client = try WireClient(port: server.port)
            try create(["d", "b", "a", "c"], client)
            let families = server.node.metrics.registry.look()
            let family = families.first { $0.name == "swiftwater_topic_partitions" }
            #expect((family?.samples ?? []).flatMap { $0.labels.map(\.value) }.sorted() == topics)
            if bound == "2", case .number(let count)? = family?.samples.last?.value { #expect(count == 4) }
        }
    }
}

@Suite struct DrainTests {
    private func longFetch() -> FetchRequest {
        var fetch = FetchRequest()
        fetch.maxWaitMs = 600_000
        fetch.minBytes = 1
        fetch.maxBytes = 1 << 20
        var topic = FetchRequest.FetchTopic()
        topic.topic = "ratings"
        var partition = FetchRequest.FetchPartition()
        partition.partitionMaxBytes = 1 << 20
        topic.partitions = [partition]
        fetch.topics = [topic]
        return fetch
    }

    /// Answers are whole and no connection is reset: the client reads its answer, then the end.
    @Test func `answers what clients have sent, and parked fetches, before it stops`() async throws {
        try await withBroker { server in
            let parked = try WireClient(port: server.port)
            var metadata = MetadataRequest()
            var wanted = MetadataRequest.MetadataRequestTopic()
            wanted.name = "ratings"
            metadata.topics = [wanted]
            metadata.allowAutoTopicCreation = true
            _ = try parked.ask(metadata, version: 9)
            try parked.send(longFetch(), version: 12)
            let idle = try WireClient(port: server.port)
            _ = try idle.ask(ApiVersionsRequest(), version: 2)
            let sent = try WireClient(port: server.port)
            for _ in 0..<20 { try sent.send(ApiVersionsRequest(), version: 2) }
            async let stopped = server.stop()
            let answer = try parked.receive(FetchRequest.self, version: 12)
            #expect(answer.errorCode == 0)
            for _ in 0..<20 {
                let answer = try sent.receive(ApiVersionsRequest.self, version: 2)
                #expect(answer.errorCode == 0)
            }
            #expect(parked.isClosedByBroker() && idle.isClosedByBroker() && sent.isClosedByBroker())
            #expect(await stopped)
        }
    }

    @Test func `tells its parts in order`() async throws {
        let events = Events()
        try await withBroker { server in
            for name in ["a", "b"] {
                server.node.onDrain(
                    DrainHook(name: name, begin: { events.note("begin \(name)") }, end: { events.note("end \(name)") }))
            }
            #expect(!server.node.isDraining)
            await server.stop()
            #expect(server.node.isDraining)
        }
        #expect(events.all == ["begin a", "begin b", "end b", "end a"])
    }

    private final class Events: Sendable {
        private let list = Mutex<[String]>([])
        func note(_ event: String) { list.withLock { $0.append(event) } }
        var all: [String] { list.withLock { $0 } }
    }
}
