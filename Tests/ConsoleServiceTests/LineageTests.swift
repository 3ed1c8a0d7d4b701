import Administration
import Cluster
import JSONFormat
import Testing

@testable import ConsoleService

/// What flows where, from answers as services give them.
@Suite struct LineageTests {
    static let connectors = """
        {"orders-cdc": {
           "info": {"name": "orders-cdc", "type": "source", "tasks": [{"connector": "orders-cdc", "task": 0}],
             "config": {"connector.class": "io.debezium.connector.mysql.MySqlConnector", "name": "orders-cdc"}},
           "status": {"name": "orders-cdc", "type": "source", "connector": {"state": "RUNNING", "worker_id": "w:1"},
             "tasks": [{"id": 0, "state": "RUNNING", "worker_id": "w:1"}]}},
         "archive": {
           "info": {"name": "archive", "type": "sink", "tasks": [],
             "config": {"connector.class": "FileStreamSink", "topics": "big_orders, orders",
               "errors.deadletterqueue.topic.name": "archive-dlq"}},
           "status": {"name": "archive", "type": "sink", "connector": {"state": "RUNNING", "worker_id": "w:1"},
             "tasks": [{"id": 0, "state": "FAILED", "worker_id": "w:1", "trace": "boom"}]}}}
        """
    static let sql = """
        [{"@type": "query_descriptions", "statementText": "SHOW QUERIES EXTENDED;", "queryDescriptions": [
            {"id": "CSAS_BIG_1", "statementText": "CREATE STREAM BIG AS SELECT * FROM ORDERS;", "sources": ["ORDERS"],
             "sinks": ["BIG"], "queryType": "PERSISTENT", "state": "RUNNING", "queryErrors": []},
            {"id": "transient_1", "statementText": "SELECT 1", "sources": ["ORDERS"], "sinks": [], "queryType": "PUSH",
             "state": "RUNNING"}]},
         {"@type": "streams", "streams": [{"name": "ORDERS", "topic": "orders"}, {"name": "BIG", "topic": "big_orders"}]},
         {"@type": "tables", "tables": []}]
        """

    private func surroundings() throws -> Surroundings {
        var surroundings = Surroundings()
        surroundings.take(connect: try JSONValue.read(Self.connectors))
        surroundings.take(sql: try JSONValue.read(Self.sql))
        // As the worker tells of a source's topics.
        for index in surroundings.connectors.indices where surroundings.connectors[index].isSource {
            surroundings.connectors[index].topics = ["orders"]
        }
        return surroundings
    }

    private func sample() -> Sample {
        var sample = Sample()
        sample.topics = ["orders", "big_orders", "archive-dlq", "alone", "__consumer_offsets"].map { name in
            TopicDescription(
                name: name, isInternal: name.hasPrefix("__"),
                partitions: [.init(partition: 0, leader: 1, replicas: [1], inSyncReplicas: [1])])
        }
        sample.rates = ["orders": 100, "big_orders": 25]
        func group(_ id: String, _ topic: String, lag: Int64, rate: Double) -> Sample.Group {
            Sample.Group(
                id: id, protocolType: "consumer", state: .stable, memberCount: 1,
                offsets: [TopicPartition(topic, 0): CommittedOffset(1)], lags: [topic: lag], rates: [topic: rate])
        }
        for group in [
            group("_confluent-ksql-default_query_CSAS_BIG_1", "orders", lag: 5, rate: 90),
            group("connect-archive", "big_orders", lag: 7, rate: 20), group("billing", "orders", lag: 3, rate: 50),
            group("_hidden", "orders", lag: 1, rate: 1),
        ] {
            sample.groups[group.id] = group
        }
        return sample
    }

    @Test func `reads what Connect and SQL tell`() throws {
        let surroundings = try surroundings()
        #expect(surroundings.connectors.map(\.name) == ["archive", "orders-cdc"])
        let archive = try #require(surroundings.connectors.first)
        #expect(archive.state == "FAILED" && archive.failedTaskCount == 1 && !archive.isSource)
        #expect(archive.topics == ["big_orders", "orders"] && archive.deadLetterTopic == "archive-dlq")
        #expect(archive.kind == "FileStreamSink")
        #expect(surroundings.connectors.last?.kind == "MySqlConnector")
        #expect(surroundings.queries.map(\.id) == ["CSAS_BIG_1"])
        #expect(surroundings.topics == ["ORDERS": "orders", "BIG": "big_orders"])
    }

    @Test func `nodes and edges with what moves`() throws {
        let lineage = Lineage(sample(), try surroundings())
        #expect(
            Set(lineage.nodes.map(\.id)) == [
                "connector:orders-cdc", "connector:archive", "query:CSAS_BIG_1", "topic:orders", "topic:big_orders",
                "topic:archive-dlq", "group:billing",
            ])
        #expect(Set(lineage.nodes.map(\.id)).count == lineage.nodes.count)
        func edge(_ from: String, _ to: String) -> Lineage.Edge? {
            lineage.edges.first { $0.from == from && $0.to == to }
        }
        #expect(edge("connector:orders-cdc", "topic:orders")?.rate == 100)
        #expect(edge("topic:orders", "query:CSAS_BIG_1")?.rate == 90)
        #expect(edge("topic:orders", "query:CSAS_BIG_1")?.lag == 5)
        #expect(edge("query:CSAS_BIG_1", "topic:big_orders")?.rate == 25)
        #expect(edge("topic:big_orders", "connector:archive")?.lag == 7)
        #expect(edge("connector:archive", "topic:archive-dlq") != nil)
        #expect(edge("topic:orders", "group:billing")?.rate == 50)
        #expect(lineage.nodes.first { $0.id == "connector:archive" }?.link == "/connectors/archive")
        let ids = Set(lineage.nodes.map(\.id))
        for edge in lineage.edges { #expect(ids.contains(edge.from) && ids.contains(edge.to)) }
    }

    @Test func `services that do not answer are told`() throws {
        var silent = Surroundings()
        silent.problems = [.sql: "gone", .connect: "refused"]
        let lineage = Lineage(sample(), silent)
        #expect(lineage.json["problems"]?.elements?.map { $0["service"]?.text } == ["connect", "sql"])
        #expect(lineage.json["problems"]?.elements?.first?["message"]?.text == "refused")
        #expect(Lineage(sample(), try surroundings()).json["problems"]?.elements?.isEmpty == true)
    }

    @Test func `what needs attention comes with the worst first`() throws {
        var sample = sample()
        let letters = TopicPartition("archive-dlq", 0)
        (sample.starts[letters], sample.ends[letters]) = (0, 4)
        sample.groups[DeadLetters.group("archive-dlq")] = Sample.Group(
            id: DeadLetters.group("archive-dlq"), protocolType: "", state: .empty, memberCount: 0,
            offsets: [letters: CommittedOffset(1)])
        sample.groups["gone"] = Sample.Group(
            id: "gone", protocolType: "consumer", state: .empty, memberCount: 0,
            offsets: [TopicPartition("orders", 0): CommittedOffset(0)], lags: ["orders": 5000])
        var sizes = LogSizes()
        (sizes.diskTotal, sizes.diskFree) = (1000, 70)
        sample.sizes = sizes
        let list = Attention.list(sample, try surroundings(), brokerProblem: nil)
        #expect(
            list.map(\.title) == [
                "Connector archive has failed", "Connector archive has dead letters", "Group gone has no members",
                "The disk is nearly full",
            ])
        #expect(list[1].detail == "3 records wait in archive-dlq")
        #expect(list.map(\.severity) == [.error, .warning, .warning, .warning])
    }
}
