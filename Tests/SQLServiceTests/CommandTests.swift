import Cluster
import JSONFormat
import NIOCore
import RecordBatches
import SQLFormats
import SQLPlan
import Testing

@testable import SQLService

@Suite struct CommandTests {
    @Test func `records have the original's form`() throws {
        var command = Command(CommandID("stream", "`X`", "create"), "CREATE STREAM X;")
        command.properties = ["a": "b"]
        command.serverProperties = ["c": "d"]
        let record = command.record()
        #expect(record.key.map { String(buffer: $0) } == #""stream/`X`/create""#)
        #expect(
            record.value.map { String(buffer: $0) }
                == #"{"statement":"CREATE STREAM X;","streamsProperties":{"a":"b"},"originalProperties":{"c":"d"},"plan":null,"version":12}"#
        )
        #expect(record.headers.isEmpty)
    }

    @Test func `surroundings come back from their header`() throws {
        var surroundings = Surroundings()
        surroundings.topics = ["t": .init(partitions: 2, replicas: 1, retention: 5), "none": nil]
        let schema = RegistrySchema(
            type: "AVRO", text: #"{"type":"int"}"#, references: [.init(name: "n", subject: "s", version: 1)])
        surroundings.latest = ["t-value": .init(id: 7, schema: schema), "u-value": nil]
        surroundings.schemas = [7: schema, 8: nil]
        surroundings.versions = ["s/1": schema]
        surroundings.registered = ["t-value": [7, 8]]
        surroundings.hasRegistry = true
        for rules in [RuleVersion.first, .second] {
            surroundings.rules = rules
            let bytes = surroundings.json.bytes
            #expect(Surroundings(try JSONValue.read(bytes.span.bytes)) == surroundings)
        }
    }

    @Test func `a record of the original is executed under the number in its plan`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(
                    "CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
                let writer = try await platform.cluster.writer(.acks(.all))
                let value =
                    #"{"statement":"CREATE STREAM T AS SELECT * FROM S;","streamsProperties":{},"originalProperties":{},"#
                    + #""plan":{"queryPlan":{"queryId":"CSAS_T_41"}},"version":11}"#
                _ = try await writer.write(
                    [
                        ProducerRecord(
                            partition: 0, key: ByteBuffer(string: #""stream/`T`/create""#),
                            value: ByteBuffer(string: value)),
                        ProducerRecord(partition: 0, key: ByteBuffer(string: "nonsense"), value: nil),
                    ],
                    to: node.engine.settings.commandTopic)
                await writer.close()
                try await until { node.runner.runningIDs == ["CSAS_T_41"] }
                try await node.run("DROP STREAM T;")
                #expect(node.runner.runningIDs.isEmpty)
            }
        }
    }

    @Test func `what was dropped leaves the topic, and nothing else changes`() async throws {
        try await TestPlatform.with { platform in
            var names: [String] = []
            var ids: [String] = []
            try await platform.withNode { node in
                try await node.run(
                    """
                    CREATE TYPE KEPT AS STRUCT<X INT>; CREATE TYPE GONE AS STRUCT<X INT>; DROP TYPE GONE;
                    CREATE STREAM S (K STRING KEY, V INT, P KEPT) \
                    WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
                    CREATE STREAM Z (K STRING KEY, V INT) WITH (KAFKA_TOPIC='z', VALUE_FORMAT='JSON', PARTITIONS=1);
                    """)
                for index in 0..<60 {
                    try await node.run("CREATE STREAM T\(index) AS SELECT * FROM S;")
                    try await node.run("DROP STREAM T\(index) DELETE TOPIC;")
                }
                try await node.run("CREATE STREAM T AS SELECT * FROM S; ALTER STREAM Z ADD COLUMN W INT;")
                try await node.run("INSERT INTO T SELECT * FROM T1;".replacing("T1", with: "S"))
                names = node.engine.current.sourceNames
                ids = node.runner.runningIDs
            }
            let partition = TopicPartition("_confluent-ksql-default__command_topic", 0)
            let start = try await platform.cluster.offsets([partition: .beginning], isolation: .readCommitted)[
                partition]
            #expect((start ?? 0) > 100)
            try await platform.withNode { node in
                #expect(node.engine.current.sourceNames == names)
                #expect(node.runner.runningIDs == ids)
                #expect(node.engine.current.types.keys.sorted() == ["KEPT"])
                let next = try await node.run("CREATE STREAM T0 AS SELECT * FROM T;")
                #expect(next.first?["commandStatus"]?["status"]?.text == "SUCCESS")
            }
        }
    }

    @Test func `a client waits for the command that it has seen`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode(["ksql.server.command.response.timeout.ms": "20"]) { node in
                let made = try await node.run("CREATE TYPE T AS INT;")
                let number = try #require(made.first?["commandSequenceNumber"]?.integer)
                let seen = try await node.ksql(
                    "SHOW TYPES;", properties: [:], [("commandSequenceNumber", .number(number))])
                #expect(seen.status == 200)
                let ahead = try await node.ksql(
                    "SHOW TYPES;", properties: [:], [("commandSequenceNumber", .number(999))])
                #expect(ahead.status == 503)
                #expect(ahead.body["error_code"]?.integer == 50301)
            }
        }
    }

    @Test func `a terminated cluster answers nothing but that`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(
                    """
                    CREATE STREAM S (K STRING KEY, V INT)
                      WITH (KAFKA_TOPIC='one', FORMAT='AVRO', PARTITIONS=1);
                    CREATE STREAM ONE AS SELECT * FROM S;
                    CREATE STREAM TWO AS SELECT * FROM S;
                    """)
                #expect(
                    platform.schemas.subjects
                        == ["ONE-key", "ONE-value", "TWO-key", "TWO-value", "one-key", "one-value"])
                let answer = try await node.request(
                    .post, "/ksql/terminate",
                    .object([("deleteTopicList", .array([.string("(?i)one"), .string("T")]))]))
                #expect(answer.status == 200)
                try await until { try await node.ksql("SHOW STREAMS;").body["error_code"]?.integer == 50304 }
                await #expect(throws: ClusterError.self) { _ = try await platform.cluster.topic("ONE") }
                // Not made by a query, and not meant.
                #expect(try await platform.cluster.topic("one").name == "one")
                #expect(try await platform.cluster.topic("TWO").name == "TWO")
                #expect(platform.schemas.subjects == ["TWO-key", "TWO-value", "one-key", "one-value"])
            }
        }
    }

    @Test func `headless mode runs a file and refuses statements`() async throws {
        let script = """
            SET 'auto.offset.reset'='earliest';
            CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
            CREATE STREAM T AS SELECT * FROM S;
            """
        try await TestPlatform.with { platform in
            try await platform.withNode(script: script) { node in
                #expect(node.engine.current.sourceNames == ["S", "T"])
                #expect(node.runner.runningIDs == ["CSAS_T_2"])
                #expect(node.runner.properties(of: "CSAS_T_2")["auto.offset.reset"] == "earliest")
                let refused = try await node.ksql("DROP STREAM T;")
                #expect(refused.status == 400)
            }
            try await platform.withNode(script: "CREATE STREAM T AS SELECT * FROM NONE;") { node in
                #expect(node.engine.problem?.contains("NONE does not exist") == true)
            }
        }
    }

    /// By `Pattern.matches` of Java.
    @Test(arguments: [
        ("a.*", "abc", true), ("a*", "abc", false), ("a*", "aaa", true), ("abc", "abc", true), ("abc", "abcd", false),
        (".*c", "abc", true), ("FOO[12]", "FOO1", true), ("FOO[12]", "FOO3", false), ("BA(R|Z)", "BAZ", true),
        ("R|Z", "RZ", false), ("_confluent.*", "_confluent-ksql-default__command_topic", true), ("a.*c", "abd", false),
    ])
    func `patterns of topics`(pattern: String, topic: String, matches: Bool) {
        #expect(TopicPatterns([pattern]).match(topic) == matches)
    }

    @Test(arguments: ["[bad", "*.x", "a)(b"])
    func `a pattern that is none stops TERMINATE CLUSTER before anything is done`(pattern: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let answer = try await node.request(
                    .post, "/ksql/terminate",
                    .object([("deleteTopicList", .array([.string("S.*"), .string(pattern)]))]))
                #expect(answer.status == 400)
                #expect(answer.body["error_code"]?.integer == 40000)
                #expect(answer.body["message"]?.text == "Invalid pattern: \(pattern)")
                try await node.run("SHOW STREAMS;")
            }
        }
    }
}
