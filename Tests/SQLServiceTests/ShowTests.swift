import Cluster
import JSONFormat
import SQLPlan
import SQLRuntime
import StreamEngine
import Synchronization
import Testing

@testable import SQLService

private let statements = """
    CREATE STREAM S (K STRING KEY, V INT, D DECIMAL(4, 2), H BYTES HEADER('h')) \
    WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
    CREATE TABLE C AS SELECT K, COUNT(*) N FROM S WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY K;
    """

@Suite struct ShowTests {
    @Test func `lists and descriptions have the original's members`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(statements)
                let streams = try await node.run("SHOW STREAMS; LIST TABLES; SHOW QUERIES; SHOW TOPICS;")
                #expect(
                    streams.compactMap { $0["@type"]?.text } == ["streams", "tables", "queries", "kafka_topics"])
                let listed = try #require(streams.first?["streams"]?.elements?.first)
                #expect(
                    String(decoding: listed.bytes, as: UTF8.self)
                        == #"{"type":"STREAM","name":"S","topic":"s","keyFormat":"KAFKA","valueFormat":"JSON","isWindowed":false}"#
                )
                #expect(streams[1]["tables"]?.elements?.first?["isWindowed"]?.flag == true)
                let query = try #require(streams[2]["queries"]?.elements?.first)
                #expect(query["statusCount"]?["RUNNING"]?.integer == 1)
                #expect(query["queryType"]?.text == "PERSISTENT")
                // The command topic is hidden.
                #expect(streams[3]["topics"]?.elements?.compactMap { $0["name"]?.text } == ["C", "s"])
                let all = try await node.run("SHOW ALL TOPICS EXTENDED;")
                #expect(all.first?["@type"]?.text == "kafka_topics_extended")
                #expect(
                    all.first?["topics"]?.elements?.contains {
                        $0["name"]?.text == "_confluent-ksql-default__command_topic"
                    } == true)

                // Queries that run on one node alone are consumers, too.
                let id = try #require(node.runner.runningIDs.first)
                var status = QueryStatus(id: id, state: .running)
                status.positions = [.init(topic: "s", partition: 0, committed: 0, start: 0, end: 0)]
                node.runner.set(status)
                let extended = try await node.run("SHOW TOPICS EXTENDED;").first?["topics"]?.elements
                #expect(extended?.compactMap { $0["consumerCount"]?.integer } == [0, 1])
                #expect(extended?.compactMap { $0["consumerGroupCount"]?.integer } == [0, 1])

                let described = try await node.run("DESCRIBE S EXTENDED;")
                let source = try #require(described.first?["sourceDescription"])
                #expect(source["partitions"]?.integer == 1)
                #expect(source["readQueries"]?.elements?.count == 1)
                #expect(source["sourceConstraints"]?.elements?.compactMap(\.text) == ["C"])
                let fields = try #require(source["fields"]?.elements)
                #expect(fields.first?["type"]?.text == "KEY")
                #expect(fields[2]["schema"]?["parameters"]?["precision"]?.integer == 4)
                #expect(fields[3]["headerKey"]?.text == "h")
                let windowed = try await node.run("DESCRIBE C;")
                #expect(windowed.first?["sourceDescription"]?["windowType"]?.text == "TUMBLING")
                #expect(windowed.first?["sourceDescription"]?["partitions"]?.integer == 1)
                #expect(windowed.first?["sourceDescription"]?["replication"]?.integer == 1)
            }
        }
    }

    @Test func `a topic that is gone is a warning`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(statements)
                try await platform.cluster.deleteTopic("s")
                for text in ["DESCRIBE S;", "SHOW STREAMS EXTENDED;"] {
                    let answer = try await node.run(text)
                    let source = try #require(
                        answer.first?["sourceDescription"] ?? answer.first?["sourceDescriptions"]?.elements?.first)
                    #expect(
                        source["partitions"]?.integer == 0 && source["sourceConstraints"]?.elements?.isEmpty == true)
                    let warnings = answer.first?["warnings"]?.elements ?? []
                    #expect(
                        warnings.count == 1
                            && warnings[0]["message"]?.text?.hasPrefix(
                                "Error from Kafka: Failed to Describe Kafka Topic(s): [s]") == true
                    )
                }
            }
        }
    }

    @Test(
        arguments: [
            (
                "EXPLAIN CREATE TABLE X AS SELECT K, COUNT(*) N FROM S WINDOW SESSION (1 HOUR) GROUP BY K;", "CTAS_X_",
                "SESSION", ["K", "N"], "_confluent-ksql-default_query_CTAS_X_"
            ),
            (
                "EXPLAIN  INSERT INTO T SELECT * FROM S;", "INSERTQUERY_", nil, ["K", "V"],
                "_confluent-ksql-default_query_"
            ),
            ("EXPLAIN SELECT V FROM S EMIT CHANGES;", "transient_S_", nil, ["V"], nil),
        ] as [(String, String, String?, [String], String?)])
    func `EXPLAIN tells what a statement would give`(
        text: String, id: String, window: String?, fields: [String], group: String?
    ) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(
                    """
                    CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
                    CREATE STREAM T (K STRING KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=1);
                    """)
                let query = try #require(try await node.run(text).first?["queryDescription"])
                #expect(query["id"]?.text?.hasPrefix(id) == true)
                #expect(query["statementText"]?.text == String(text.dropFirst(7).drop { $0 == " " }))
                #expect(query["windowType"]?.text == window)
                #expect(query["fields"]?.elements?.compactMap { $0["name"]?.text } == fields)
                #expect((query["consumerGroupId"]?.text?.hasPrefix(group ?? "none") == true) == (group != nil))
            }
        }
    }

    @Test(
        arguments: [
            ("SHOW FUNCTIONS;", "function_names"), ("DESCRIBE FUNCTION substring;", "describe_function"),
            ("DESCRIBE FUNCTION COUNT;", "describe_function"), ("DESCRIBE FUNCTION EXPLODE;", "describe_function"),
            ("SHOW TYPES;", "type_list"), ("SHOW PROPERTIES;", "properties"), ("SHOW VARIABLES;", "variables"),
            ("SHOW STREAMS EXTENDED;", "source_descriptions"), ("DESCRIBE TABLES EXTENDED;", "source_descriptions"),
            ("SHOW QUERIES EXTENDED;", "query_descriptions"), ("EXPLAIN CTAS_C_3;", "queryDescription"),
            ("EXPLAIN SELECT * FROM S EMIT CHANGES;", "queryDescription"),
            ("EXPLAIN CREATE STREAM X AS SELECT * FROM S;", "queryDescription"),
            ("ASSERT TOPIC s;", "assert_topic"), ("ASSERT NOT EXISTS TOPIC none;", "assert_topic"),
            ("ASSERT NOT EXISTS SCHEMA SUBJECT 'none';", "assert_schema"),
        ] as [(String, String)])
    func `every statement that shows something has its entity`(text: String, type: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(statements)
                let entities = try await node.run(text)
                #expect(entities.first?["@type"]?.text == type)
                #expect(entities.first?["statementText"]?.text == text)
                #expect(entities.first?["warnings"]?.elements?.isEmpty == true)
            }
        }
    }

    @Test func `secrets are not shown`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode(["ksql.streams.ssl.keystore.password": "hush"]) { node in
                try await node.run("CREATE TYPE T AS INT;")
                let shown = try await node.run("SHOW PROPERTIES;")
                #expect(!String(decoding: JSONValue.array(shown).bytes, as: UTF8.self).contains("hush"))
            }
        }
    }

    @Test(arguments: [
        ("http://USER:PASSWORD@reg:8081", "http://USER:[hidden]@reg:8081"), ("http://reg:8081/a", "http://reg:8081/a"),
        ("https://u:p@ss@a:1/x,http://v:q@b", "https://u:[hidden]@a:1/x,http://v:[hidden]@b"), ("a@b", "a@b"), ("", ""),
    ])
    func `URLs are shown without passwords`(value: String, shown: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode(["ksql.schema.registry.url": value]) { node in
                let properties = try await node.run("SHOW PROPERTIES;").first?["properties"]?.elements
                let entry = properties?.first { $0["name"]?.text == "ksql.schema.registry.url" }
                #expect(entry?["value"]?.text == shown)
            }
        }
    }

    @Test func `answers do not tell what a connector is configured with`() async throws {
        let connect = TestConnect()
        try await TestPlatform.with { platform in
            try await platform.withNode(connectors: connect) { node in
                let create =
                    "CREATE SINK CONNECTOR C WITH ('connector.class'='a.b.C', 'connection.password'='S3cret');"
                let answers = [
                    try await node.ksql(create), try await node.ksql(create),
                    try await node.ksql(create.replacing("CONNECTOR C", with: "CONNECTOR IF NOT EXISTS C")),
                    try await node.ksql(create.replacing("'='S3", with: "' 'S3")),
                    try await node.ksql(create.replacing("');", with: ");")),
                    try await node.ksql(create.replacing("connector.class", with: "klass")),
                ]
                #expect(answers.map(\.status) == [200, 409, 200, 400, 400, 400])
                for answer in answers {
                    var text = String(decoding: answer.body.bytes, as: UTF8.self)
                    // The worker's own answer has the configuration, as that of the original.
                    if let info = answer.body.elements?.first?["info"] {
                        text = text.replacing(String(decoding: info.bytes, as: UTF8.self), with: "")
                    }
                    #expect(!text.contains("S3cret"), "\(text)")
                    #expect(text.contains("[string]"), "\(text)")
                }
                let made = try await connect.exchange("GET", ["connectors", "C"], nil).body
                #expect(made["config"]?["connection.password"]?.text == "S3cret")
            }
        }
    }

    @Test func `EXPLAIN ANALYZE says why there is no output`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(statements)
                try await node.run("CREATE STREAM F AS SELECT * FROM S WHERE V > 10;")
                let id = try #require(node.runner.runningIDs.first { $0.hasPrefix("CSAS_F") })
                var status = QueryStatus(id: id, state: .running)
                status.positions = [.init(topic: "s", partition: 0, committed: 3, start: 0, end: 3)]
                func summary() async throws -> String {
                    node.runner.set(status)
                    let entities = try await node.run("EXPLAIN ANALYZE \(id);")
                    return entities.first?["queryDescription"]?["analysis"]?["summary"]?.text ?? ""
                }
                #expect(try await summary().contains("auto.offset.reset is latest"))
                status.consumed = 3
                var counters = OperatorCounters()
                counters.input = 3
                counters.filtered = 3
                status.steps = [.init(name: "WhereFilter", operation: "FILTER", counters: counters)]
                #expect(try await summary().contains("let none of its 3 records through"))
                status.state = .paused
                #expect(try await summary().contains("RESUME \(id)"))
            }
        }
    }

    @Test(arguments: [
        ("CREATE OR REPLACE STREAM F AS SELECT K, V, D, V + 1 W FROM S WHERE V > 11;", "in place"),
        ("CREATE OR REPLACE STREAM F AS SELECT K, V FROM S;", "refused"),
    ])
    func `EXPLAIN tells what CREATE OR REPLACE would do`(text: String, verdict: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(statements)
                try await node.run("CREATE STREAM F AS SELECT K, V, D FROM S; CREATE STREAM G AS SELECT * FROM F;")
                let entities = try await node.run("EXPLAIN " + text)
                let upgrade = entities.first?["queryDescription"]?["upgrade"]
                #expect(upgrade?["verdict"]?.text == verdict)
                #expect(upgrade?["downstream"]?.elements?.first?.text == "G")
            }
        }
    }

    @Test(arguments: [
        (
            "CREATE OR REPLACE STREAM F AS SELECT K, V, D, V + 1 W FROM S WHERE V > 11 UPGRADE;", "in place",
            "replaced as well"
        ),
        ("CREATE OR REPLACE STREAM F AS SELECT K, V FROM S UPGRADE;", "refused", "drop what is downstream"),
        ("CREATE OR REPLACE STREAM F (V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON') UPGRADE;", "refused", "F"),
        (
            "CREATE OR REPLACE TABLE N AS SELECT K, COUNT(*) C FROM S GROUP BY K HAVING COUNT(*) > 1 UPGRADE;",
            "needs backfill", "table N"
        ),
        (
            "CREATE OR REPLACE TABLE N AS SELECT K, COUNT(*) C FROM S WHERE V > 1 GROUP BY K UPGRADE;", "refused",
            "must have matching columns"
        ),
        ("CREATE OR REPLACE STREAM NEU AS SELECT K, V FROM S UPGRADE;", "in place", "no NEU yet"),
    ])
    func `EXPLAIN ... UPGRADE always has a verdict`(text: String, verdict: String, reason: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(statements)
                try await node.run("CREATE STREAM F AS SELECT K, V, D FROM S; CREATE STREAM G AS SELECT * FROM F;")
                try await node.run("CREATE TABLE N AS SELECT K, COUNT(*) C FROM S GROUP BY K;")
                let before = node.runner.calls
                let entities = try await node.run("EXPLAIN " + text)
                let upgrade = entities.first?["queryDescription"]?["upgrade"]
                #expect(upgrade?["verdict"]?.text == verdict)
                #expect(upgrade?["reason"]?.text?.contains(reason) == true)
                #expect(node.runner.calls == before)
            }
        }
    }

    @Test func `whoever waits for the server waits until it answers statements`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                node.engine.state.withLock { $0.isReady = false }
                let health = try await node.request(.get, "/healthcheck")
                #expect(health.status == 503)
                #expect(health.body["isHealthy"]?.flag == false)
                #expect(health.body["serverState"]?.text == "INITIALIZING")
                let info = try await node.request(.get, "/info")
                #expect(info.status == 503)
                #expect(info.body["error_code"]?.integer == 50302)
                #expect(try await node.request(.get, "/chc/ready").status == 200)
                node.engine.state.withLock { $0.isReady = true }
                #expect(try await node.request(.get, "/healthcheck").status == 200)
                let started = try await node.request(.get, "/info")
                #expect(started.status == 200)
                // Clients of the original compare it with what they need.
                #expect(started.body["KsqlServerInfo"]?["version"]?.text == "8.5.0")
                #expect(started.body["KsqlServerInfo"]?["swiftwaterVersion"]?.text == "test")
            }
        }
    }

    @Test func `the server tells of itself`() async throws {
        try await TestPlatform.with { platform in
            // A busy machine is no dead node.
            let patient = ["ksql.heartbeat.window.ms": "600000", "ksql.heartbeat.missed.threshold.ms": "6000"]
            try await platform.withNode(patient) { node in
                let info = try await node.request(.get, "/info")
                #expect(info.body["KsqlServerInfo"]?["ksqlServiceId"]?.text == "default_")
                #expect(info.body["KsqlServerInfo"]?["serverStatus"]?.text == "RUNNING")
                let health = try await node.request(.get, "/healthcheck")
                #expect(health.status == 200)
                #expect(health.body["serverState"]?.text == "READY")
                #expect(try await node.request(.get, "/clusterStatus").status == 200)
                #expect(try await node.request(.get, "/v1/metadata/id").body["scope"] != nil)
                #expect(try await node.request(.get, "/chc/ready").status == 200)
                #expect(try await node.request(.get, "/is_valid_property/auto.offset.reset").body.flag == true)
                #expect(try await node.request(.get, "/is_valid_property/ksql.service.id").status == 400)
                #expect(try await node.request(.get, "/is_valid_property/auto.offset.rest").status == 400)
                #expect(try await node.request(.get, "/info", accept: "text/html").status == 406)
                let none = try await node.request(.get, "/none")
                #expect(none.body["error_code"]?.integer == 40400)
                let beat = try await node.request(
                    .post, "/heartbeat",
                    .object([("hostInfo", .object([("host", .string("other")), ("port", .number(8088))]))]))
                #expect(beat.body["ok"]?.flag == true)
                let cluster = try await node.request(.get, "/clusterStatus")
                #expect(cluster.body["clusterStatus"]?["other:8088"]?["hostAlive"]?.flag == true)
            }
        }
    }

    @Test func `connector statements ask the worker`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode(connectors: TestConnect()) { node in
                let create = #"CREATE SOURCE CONNECTOR C WITH ("connector.class"='a.b.Gen', "tasks.max"=2);"#
                let made = try await node.run(create)
                #expect(made.first?["@type"]?.text == "connector_info")
                #expect(made.first?["info"]?["config"]?["tasks.max"]?.text == "2")
                #expect(try await node.ksql(create).status == 409)
                let again = try await node.run(create.replacing("CONNECTOR C", with: "CONNECTOR IF NOT EXISTS C"))
                #expect(again.first?["@type"]?.text == "warning_entity")
                let list = try await node.run("SHOW SOURCE CONNECTORS;")
                let entry = list.first?["connectors"]?.elements?.first
                #expect(entry?["state"]?.text == "RUNNING (1/1 tasks RUNNING)")
                #expect(entry?["className"]?.text == "a.b.Gen")
                let described = try await node.run("DESCRIBE CONNECTOR C;")
                #expect(described.first?["connectorClass"]?.text == "a.b.Gen")
                #expect(try await node.run("DROP CONNECTOR C;").first?["connectorName"]?.text == "C")
                #expect(try await node.ksql("DROP CONNECTOR C;").status == 404)
                #expect(
                    try await node.run("DROP CONNECTOR IF EXISTS C;").first?["@type"]?.text == "warning_entity")
            }
        }
    }

    @Test func `a connector that no worker has begun is shown`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode(connectors: TestConnect(begins: false)) { node in
                try await node.run(#"CREATE SOURCE CONNECTOR C WITH ("connector.class"='a.b.Gen');"#)
                let entry = try await node.run("SHOW CONNECTORS;").first?["connectors"]?.elements?.first
                #expect(entry?["name"]?.text == "C")
                #expect(entry?["type"]?.text == "source")
                #expect(entry?["className"]?.text == "a.b.Gen")
                #expect(entry?["state"]?.text == "UNASSIGNED")
                #expect(try await node.run("SHOW SINK CONNECTORS;").first?["connectors"]?.elements?.isEmpty == true)
                let status = try await node.run("DESCRIBE CONNECTOR C;").first?["status"]
                #expect(status?["connector"]?["state"]?.text == "UNASSIGNED")
                #expect(try await node.ksql("DESCRIBE CONNECTOR D;").status == 404)
            }
        }
    }
}

/// A Connect worker with one kind of connector.
private final class TestConnect: ConnectorAdmin {
    private let configs = Mutex<[String: JSONValue]>([:])
    /// Whether connectors that were made have a status.
    private let begins: Bool

    init(begins: Bool = true) { self.begins = begins }

    func exchange(
        _ method: String, _ path: [String], _ body: JSONValue?
    ) async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        configs.withLock { configs in
            let missing = (404, JSONValue.object([("message", .string("Connector not found"))]))
            switch (method, path.count) {
            case ("PUT", _): return (200, .object([("error_count", .number(0))]))
            case ("POST", _):
                let name = body?["name"]?.text ?? ""
                if configs[name] != nil {
                    return (409, .object([("message", .string("Connector \(name) already exists"))]))
                }
                configs[name] = body?["config"] ?? .null
                return (201, .object([("name", .string(name)), ("config", body?["config"] ?? .null)]))
            case ("DELETE", _): return configs.removeValue(forKey: path[1]) == nil ? missing : (204, .null)
            case (_, 1): return (200, .array(configs.keys.sorted().map { .string($0) }))
            case (_, 2):
                guard let config = configs[path[1]] else { return missing }
                return (200, .object([("config", config), ("type", .string("source"))]))
            default:
                guard configs[path[1]] != nil, begins || path[2] != "status" else { return missing }
                let running = JSONValue.object([("state", .string("RUNNING"))])
                return (
                    200,
                    .object([
                        ("connector", running), ("tasks", .array([running])), ("type", .string("source")),
                    ])
                )
            }
        }
    }
}
