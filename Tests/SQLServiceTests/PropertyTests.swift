import Cluster
import JSONFormat
import NIOCore
import SQLPlan
import Testing

@testable import SQLService

/// What properties of the server and of sessions change.
@Suite struct PropertyTests {
    /// Flags that refuse new statements, and what was accepted before each was switched off.
    private static let flags = [
        "ksql.suppress.enabled", "ksql.lambdas.enabled", "ksql.headers.columns.enabled",
        "ksql.create.or.replace.enabled",
    ]

    private static let stream = """
        CREATE STREAM S (K STRING KEY, A ARRAY<INT>, H BYTES HEADER('h'))
          WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
        """

    @Test func `statements that were accepted go on when their features are switched off`() async throws {
        try await TestPlatform.with { platform in
            var before: [String] = []
            try await platform.withNode { node in
                try await node.run(Self.stream)
                try await node.run("CREATE STREAM L AS SELECT K, TRANSFORM(A, X => X + 1) AS B FROM S;")
                try await node.run(
                    "CREATE OR REPLACE STREAM L AS SELECT K, TRANSFORM(A, X => X + 1) AS B FROM S WHERE K > 'a';")
                try await node.run(
                    "CREATE TABLE F AS SELECT K, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY K EMIT FINAL;"
                )
                before = node.runner.runningIDs
                #expect(before.count == 2)
            }
            let off = Dictionary(uniqueKeysWithValues: Self.flags.map { ($0, "false") })
            try await platform.withNode(off) { node in
                #expect(node.runner.runningIDs == before)
                #expect(node.engine.current["S"]?.headerColumns.count == 1)
                let refused = try await node.ksql("CREATE STREAM L2 AS SELECT K, TRANSFORM(A, X => X + 1) AS B FROM S;")
                #expect(refused.status == 400)
                #expect(
                    refused.body["message"]?.text
                        == "Exception while preparing statement: Lambdas are not enabled at this time.")
                #expect(refused.body["error_code"]?.integer == 40001)
                // A session may switch on what is no matter of the server's alone.
                try await node.run(
                    "CREATE STREAM L2 AS SELECT K, TRANSFORM(A, X => X + 1) AS B FROM S;",
                    properties: ["ksql.lambdas.enabled": "true"])
                #expect(
                    try await node.ksql("SET 'ksql.headers.columns.enabled'='true';").body["message"]?.text
                        == "Cannot override property 'ksql.headers.columns.enabled'")
            }
        }
    }

    @Test func `source tables are kept as the server says when it starts`() async throws {
        let flag = "ksql.source.table.materialization.enabled"
        try await TestPlatform.with { platform in
            let table = """
                CREATE SOURCE TABLE T (K STRING PRIMARY KEY, V INT)
                  WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=1);
                """
            var before: [String] = []
            try await platform.withNode { node in
                try await node.run(table)
                before = node.runner.runningIDs
                #expect(before.count == 1)
            }
            try await platform.withNode([flag: "false"]) { node in
                #expect(node.runner.runningIDs.isEmpty)
                #expect(node.engine.current["T"]?.isReadOnly == true)
                let insert = try await node.ksql("INSERT INTO T (K, V) VALUES ('a', 1);")
                #expect(insert.body["message"]?.text?.contains("read-only") == true)
                #expect(try await node.ksql(table.replacing(" T ", with: " T2 ")).status == 400)
            }
            try await platform.withNode { node in #expect(node.runner.runningIDs == before) }
        }
    }

    @Test func `the command topic becomes shorter where source tables are not kept`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode(["ksql.source.table.materialization.enabled": "true"]) { node in
                try await node.run(Self.stream)
                try await node.run(
                    """
                    CREATE SOURCE TABLE T (K STRING PRIMARY KEY, V INT)
                      WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=1);
                    """)
                for _ in 0..<60 { try await node.run("CREATE TYPE GONE AS STRUCT<X INT>; DROP TYPE GONE;") }
            }
            let partition = TopicPartition("_confluent-ksql-default__command_topic", 0)
            try await platform.withNode(["ksql.source.table.materialization.enabled": "false"]) { node in
                let start = try await platform.cluster.offsets([partition: .beginning], isolation: .readCommitted)
                #expect((start[partition] ?? 0) > 100)
                #expect(node.engine.current["T"] != nil)
            }
        }
    }

    @Test func `the command topic has the replicas in sync that it is to have`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode(["ksql.internal.topic.min.insync.replicas": "2"]) { node in
                try await node.run(Self.stream)
                let topic = node.engine.settings.commandTopic
                let configs = try await platform.cluster.configs(of: .topic(topic))
                // One broker has one replica, and what needs two could not be written.
                #expect(configs.first { $0.name == "min.insync.replicas" }?.value == "1")
            }
        }
    }

    /// By hand from the original's HeartbeatAgent: with 100 ms between heartbeats and 3 that may be missed, a node is dead
    /// once the fourth is due.
    @Test(
        arguments: [
            ([:], 0, true), ([:], 300, true), ([:], 301, false), ([:], -50, true),
            (["missed.threshold.ms": "10"], 1000, true), (["missed.threshold.ms": "10"], 1001, false),
            (["missed.threshold.ms": "100"], 1999, true), (["missed.threshold.ms": "100"], 2000, false),
            (["missed.threshold.ms": "100", "window.ms": "500"], 500, false),
            (["send.interval.ms": "500"], 1500, true), (["send.interval.ms": "500"], 1501, false),
        ] as [([String: String], Int64, Bool)])
    func `a node is dead when it has missed its heartbeats`(properties: [String: String], silence: Int64, isAlive: Bool)
    {
        let named = Dictionary(uniqueKeysWithValues: properties.map { ("ksql.heartbeat." + $0.key, $0.value) })
        #expect(HeartbeatRules(named).isAlive(heard: 10_000, now: 10_000 + silence) == isAlive)
        #expect(!HeartbeatRules(named).isAlive(heard: .min, now: 10_000))
    }

    @Test func `connections without a request end when the server is told`() {
        var settings = SQLServerSettings()
        #expect(settings.idleTimeout == .seconds(600))
        settings.properties["ksql.idle.connection.timeout.seconds"] = "7"
        #expect(settings.idleTimeout == .seconds(7))
    }
}
