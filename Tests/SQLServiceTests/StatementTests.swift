import Cluster
import JSONFormat
import NIOCore
import SQLFormats
import SQLPlan
import SQLRuntime
import StreamEngine
import Testing

@testable import SQLService

private let stream = "CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=2);"

@Suite struct StatementTests {
    @Test func `commands answer with their status and change the catalog`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let created = try await node.run(stream)
                #expect(created.first?["@type"]?.text == "currentStatus")
                #expect(created.first?["commandId"]?.text == "stream/`S`/create")
                #expect(created.first?["commandStatus"]?["status"]?.text == "SUCCESS")
                #expect(created.first?["commandStatus"]?["message"]?.text == "Stream created")
                #expect(created.first?["commandSequenceNumber"]?.integer == 0)
                #expect(try await platform.cluster.topic("s").partitions.count == 2)

                let query = try await node.run("CREATE STREAM T AS SELECT * FROM S WHERE V > 1;")
                // By hand: the command is the record after the first one and its commit marker.
                #expect(query.first?["commandStatus"]?["queryId"]?.text == "CSAS_T_3")
                #expect(query.first?["commandStatus"]?["message"]?.text == "Created query with ID CSAS_T_3")
                #expect(node.runner.runningIDs == ["CSAS_T_3"])
                let status = try await node.request(.get, "/status/stream/%60T%60/create")
                #expect(status.body["status"]?.text == "SUCCESS")
                #expect(try await node.request(.get, "/status/stream/none/create").status == 404)

                try await node.run("PAUSE CSAS_T_3;")
                #expect(node.runner.isPaused("CSAS_T_3") == true)
                try await node.run("RESUME ALL;")
                #expect(node.runner.isPaused("CSAS_T_3") == false)
                let dropped = try await node.run("DROP STREAM T DELETE TOPIC;")
                #expect(dropped.first?["commandStatus"]?["message"]?.text == "Source `T` (topic: T) was dropped.")
                #expect(node.runner.calls.last == "stop CSAS_T_3 true")
                await #expect(throws: ClusterError.self) { _ = try await platform.cluster.topic("T") }
            }
        }
    }

    @Test(arguments: [
        ("auto.offset.reset", nil), ("ksql.streams.consumer.max.poll.records", nil), ("producer.linger.ms", nil),
        ("ksql.functions.mine.limit", nil), ("topic.retention.ms", nil), ("request.ksql.debug.request", nil),
        ("auto.offset.rest", "Unknown property: auto.offset.rest. Did you mean 'auto.offset.reset'?"),
        ("ksql.streams.nope", "Unknown property: ksql.streams.nope"), ("ksql.nope", "Unknown property: ksql.nope"),
    ])
    func `SET and UNSET tell a name that is none`(name: String, message: String?) throws {
        var failure: KsqlFailure?
        do throws(KsqlFailure) { try PropertyCatalog.checkName(name, text: "SET '\(name)'='1';") } catch {
            failure = error
        }
        #expect(failure?.message == message)
        if message != nil { #expect(failure?.code == 40001) }
    }

    @Test(arguments: [
        ("INSERT INTO A SELECT * FROM B;", "made from it by CSAS_B"),
        ("INSERT INTO S SELECT * FROM B;", "made from it by CSAS_A"),
        ("INSERT INTO S SELECT * FROM TWIN;", "it has the same topic"),
        (
            "CREATE STREAM J AS SELECT * FROM S"
                + (1...100).map { " JOIN S S\($0) WITHIN 1 DAY ON S.K = S\($0).K" }.joined() + ";",
            "at most 100"
        ),
    ])
    func `records never go round, and joins have a bound`(text: String, message: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(
                    stream + "CREATE STREAM TWIN (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');")
                try await node.run("CREATE STREAM A AS SELECT * FROM S; CREATE STREAM B AS SELECT * FROM A;")
                let refused = try await node.ksql(text)
                #expect(refused.status == 400)
                #expect(refused.body["message"]?.text?.contains(message) == true)
                // The other way round is none.
                try await node.run("INSERT INTO B SELECT * FROM S;")
            }
        }
    }

    @Test func `a restarted server has the catalog and the queries that it had`() async throws {
        try await TestPlatform.with { platform in
            var ids: [String] = []
            try await platform.withNode { node in
                try await node.run(stream + "CREATE TYPE P AS STRUCT<X INT>;")
                try await node.run(
                    "CREATE TABLE C AS SELECT K, COUNT(*) N FROM S GROUP BY K;",
                    properties: ["auto.offset.reset": "earliest"])
                try await node.run("CREATE STREAM A (P P) WITH (KAFKA_TOPIC='a', VALUE_FORMAT='AVRO', PARTITIONS=1);")
                try await node.run("CREATE STREAM B AS SELECT * FROM A; PAUSE ALL;")
                ids = node.runner.runningIDs
            }
            // The world may be another one after a restart: what was decided stays.
            try await platform.cluster.deleteTopic("a")
            try await platform.schemas.delete("a-value")
            try await platform.withNode { node in
                #expect(node.engine.current.sourceNames == ["S", "C", "A", "B"])
                #expect(node.engine.current.types.keys.sorted() == ["P"])
                #expect(node.runner.runningIDs == ids)
                #expect(ids.allSatisfy { node.runner.isPaused($0) == true })
                let count = try #require(ids.first { $0.hasPrefix("CTAS_C") })
                #expect(node.runner.properties(of: count)["auto.offset.reset"] == "earliest")
            }
        }
    }

    /// Plans are made anew of what the command topic has, so those of an earlier version come out right, too.
    @Test func `groups over windows have none, also after a restart`() async throws {
        try await TestPlatform.with { platform in
            for isFirst in [true, false] {
                try await platform.withNode { node in
                    if isFirst {
                        try await node.run(
                            """
                            CREATE STREAM WS (G STRING KEY, N BIGINT) WITH (KAFKA_TOPIC='w', VALUE_FORMAT='JSON',
                              PARTITIONS=1, WINDOW_TYPE='TUMBLING', WINDOW_SIZE='10 SECONDS');
                            CREATE TABLE WAGG AS SELECT G, MAX(N) MX FROM WS GROUP BY G;
                            """)
                    }
                    let catalog = node.engine.current
                    let table = try #require(catalog["WAGG"])
                    #expect(table.window == nil)
                    let query = try #require(catalog.queries(into: "WAGG").first)
                    #expect(query.plan.root.schema.window == nil)
                    let described = try await node.run("SHOW TABLES EXTENDED;").first?["sourceDescriptions"]?.elements
                    #expect(described?.first?["name"]?.text == "WAGG")
                    #expect(described?.count == 1)
                    #expect(described?.first?["windowType"]?.text == nil)
                }
            }
        }
    }

    @Test func `two servers on one topic take turns and agree`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { first in
                try await platform.withNode { second in
                    try await first.run(stream)
                    try await second.run("CREATE STREAM T AS SELECT * FROM S;")
                    try await first.run("CREATE STREAM U AS SELECT * FROM T;")
                    try await second.run("CREATE STREAM W AS SELECT * FROM U;")
                    try await until { first.engine.current.sourceNames == ["S", "T", "U", "W"] }
                    #expect(first.runner.runningIDs == second.runner.runningIDs)
                    let clash = try await first.ksql("CREATE STREAM W AS SELECT * FROM S;")
                    #expect(clash.status == 400)
                }
            }
        }
    }

    @Test func `a mistake leaves nothing of the statements before it`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let (status, body) = try await node.ksql(stream + "CREATE STREAM T AS SELECT NONE FROM S;")
                #expect(status == 400)
                #expect(body["@type"]?.text == "statement_error")
                #expect(body["error_code"]?.integer == 40001)
                #expect(body["statementText"]?.text == "CREATE STREAM T AS SELECT NONE FROM S;")
                #expect(body["entities"]?.elements?.isEmpty == true)
                #expect(node.engine.current.sourceNames.isEmpty)
                await #expect(throws: ClusterError.self) { _ = try await platform.cluster.topic("s") }
            }
        }
    }

    @Test(arguments: [
        "DESCRIBE NONE;", "DESCRIBE NONE EXTENDED;", "DESCRIBE FUNCTION NONE;",
        "EXPLAIN SELECT NONE FROM S EMIT CHANGES;", "EXPLAIN CREATE STREAM T AS SELECT NONE FROM S;",
    ])
    func `a mistake in what is to be described leaves nothing either`(text: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let (status, body) = try await node.ksql(stream + text)
                #expect(status == 400)
                #expect(body["statementText"]?.text == text)
                #expect(body["entities"]?.elements?.isEmpty == true)
                #expect(node.engine.current.sourceNames.isEmpty)
            }
        }
    }

    @Test func `what a request makes can be described and explained in it`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let entities = try await node.run(
                    stream + "DESCRIBE S; DESCRIBE FUNCTION ABS; EXPLAIN SELECT * FROM S EMIT CHANGES;"
                        + "CREATE STREAM T AS SELECT * FROM S;"
                        + "EXPLAIN CREATE OR REPLACE STREAM T AS SELECT NONE FROM S UPGRADE; DROP STREAM T;")
                #expect(entities.count == 7)
                #expect(node.engine.current.sourceNames == ["S"])
            }
        }
    }

    @Test(arguments: [
        "CREATE STREAM L (K STRING KEY, V INT) WITH (KAFKA_TOPIC='late', VALUE_FORMAT='JSON', PARTITIONS=1, TIMESTAMP='V');",
        "CREATE STREAM L (V STRUCT<A INT>) WITH (KAFKA_TOPIC='late', VALUE_FORMAT='DELIMITED', PARTITIONS=1);",
        "CREATE TABLE L (K STRING, V INT) WITH (KAFKA_TOPIC='late', VALUE_FORMAT='JSON', PARTITIONS=1);",
        "CREATE STREAM L (K STRING, V INT KEY) WITH (KAFKA_TOPIC='late', FORMAT='AVRO', PARTITIONS=1, TIMESTAMP='V');",
        "CREATE STREAM L WITH (KAFKA_TOPIC='late', PARTITIONS=3) AS SELECT V FROM S;",
    ])
    func `a refused statement leaves neither topic nor schema`(text: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(stream)
                #expect(try await node.ksql(text).status == 400)
                await #expect(throws: ClusterError.self) { _ = try await platform.cluster.topic("late") }
                for subject in ["late-key", "late-value"] {
                    #expect(try await platform.schemas.latest(of: subject) == nil)
                }
                // With its mistakes mended it needs no other topic.
                try await node.run(
                    "CREATE STREAM L (V INT) WITH (KAFKA_TOPIC='late', VALUE_FORMAT='JSON', PARTITIONS=4);")
            }
        }
    }

    @Test func `a status is found by the name as people write it`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(stream)
                for name in ["S", "%60S%60"] {
                    let status = try await node.request(.get, "/status/stream/\(name)/create")
                    #expect(status.body["message"]?.text == "Stream created")
                }
                #expect(try await node.request(.get, "/status/table/S/create").status == 404)
            }
        }
    }

    @Test(
        arguments: [
            ("SHOW STREAMS;", 40000, "not supported for this resource"),
            ("PRINT nothing;", 40000, "Could not find topic 'nothing'"),
            ("SELECT * FROM S; SELECT * FROM S;", 40001, "Expected exactly one KSQL statement; found 2 instead"),
            (" ", 40001, "Expected exactly one KSQL statement; found 0 instead"),
        ] as [(String, Int64, String)])
    func `queries that are none are refused`(text: String, code: Int64, part: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(stream)
                for (path, member) in [("/query", "ksql"), ("/query-stream", "sql")] {
                    let answer = try await node.request(.post, path, .object([(member, .string(text))]))
                    #expect(answer.status == 400)
                    #expect(answer.body["error_code"]?.integer == code)
                    #expect(answer.body["message"]?.text?.contains(part) == true, "\(answer.body)")
                }
            }
        }
    }

    @Test(
        arguments: [
            ("SELECT * FROM S EMIT CHANGES;", 400, 40002, "'/query'"),
            ("PRINT 's';", 400, 40002, "PRINT"),
            ("CREATE STREAM;", 400, 40001, "line 1"),
            ("FLY TO THE MOON;", 400, 40001, "FLY"),
            ("RUN SCRIPT 'x';", 400, 40001, "RUN"),
            ("DROP STREAM NONE;", 400, 40001, "Stream NONE does not exist."),
            ("DESCRIBE SS;", 400, 40001, "Could not find STREAM/TABLE 'SS' in the Metastore"),
            ("TERMINATE NONE;", 400, 40001, "Unknown queryId: NONE"),
            (
                "SET 'ksql.fail.on.deserialisation.error'='true';", 400, 40001,
                "Did you mean 'ksql.fail.on.deserialization.error'?"
            ),
            ("SET 'ksql.service.id'='x';", 400, 40001, "Cannot override property 'ksql.service.id'"),
            ("SET 'auto.offset.reset'='never';", 400, 40001, "earliest, latest"),
            ("SET 'ksql.query.pull.enable.standby.reads'='true';", 400, 40001, "no standby copies of state"),
            ("ASSERT TOPIC none TIMEOUT 10 MILLISECONDS;", 417, 41700, "Topic none does not exist"),
            (
                "ASSERT TOPIC s WITH (PARTITIONS=3, COLOUR=1, REPLICAS='1') TIMEOUT 10 MILLISECONDS;", 417, 41700,
                "Mismatched configuration for topic s: For config partitions, expected 3 got 2\nCannot assert unknown topic"
                    + " property: COLOUR\nMismatched configuration for topic s: For config replicas, expected 1 got 1"
            ),
            (
                "ASSERT SCHEMA SUBJECT 'none' ID 5 TIMEOUT 10 MILLISECONDS;", 417, 41700,
                "Schema with subject name none id 5 does not exist"
            ),
            ("INSERT INTO S (V, NONE) VALUES ('x', 1);", 400, 40001, "Column name `NONE` does not exist."),
            ("INSERT INTO NONE VALUES (1);", 400, 40001, "NONE"),
            ("INSERT INTO S (V) VALUES ('x');", 400, 40001, "Failed to insert values into 'S'."),
            ("SHOW CONNECTORS;", 500, 50000, "ksql.connect.url"),
            ("CREATE STREAM C AS SELECT * FROM S; CREATE STREAM S AS SELECT * FROM C;", 400, 40001, "already exists"),
        ] as [(String, Int, Int64, String)])
    func `refusals have the original's codes`(text: String, status: Int, code: Int64, part: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(stream)
                let answer = try await node.ksql(text)
                #expect(answer.status == status)
                #expect(answer.body["error_code"]?.integer == code)
                #expect(answer.body["message"]?.text?.contains(part) == true, "\(answer.body)")
            }
        }
    }

    @Test func `long and deep statements are refused, not crashed on`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(stream)
                let deep = String(repeating: "(", count: 20_000) + "V" + String(repeating: ")", count: 20_000)
                #expect(try await node.ksql("CREATE STREAM T AS SELECT K, \(deep) X FROM S;").status == 400)
                let long = Array(repeating: "V > 1", count: 150_000).joined(separator: " OR ")
                #expect(try await node.ksql("CREATE STREAM T AS SELECT * FROM S WHERE \(long);").status == 400)
                let text = String(repeating: "x", count: 1_000_000)
                try await node.run("INSERT INTO S VALUES ('\(text)', 1);")
                #expect(try await node.request(.post, "/ksql", .string("x")).status == 400)
                #expect(try await node.request(.post, "/ksql", .object([])).body["error_code"]?.integer == 40000)
            }
        }
    }

    @Test func `an id of a subject is that of any of its versions`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let schemas = [#"{"type":"object"}"#, #"{"type":"string"}"#].map {
                    RegistrySchema(type: "JSON", text: $0)
                }
                var ids: [Int32] = []
                for schema in schemas { ids.append(try await platform.schemas.register(schema, under: "x-value")) }
                for id in ids { try await node.run("ASSERT SCHEMA SUBJECT 'x-value' ID \(id);") }
                try await node.run("ASSERT NOT EXISTS SCHEMA SUBJECT 'y-value' ID \(ids[0]);")
            }
        }
    }

    @Test(arguments: [
        ("INSERT INTO OFFSETS VALUES ('a', 1);", "Cannot insert values into read-only topic: __consumer_offsets"),
        ("INSERT INTO OFFSETS SELECT * FROM S;", "Cannot insert into read-only topic: __consumer_offsets"),
        ("INSERT INTO LOG VALUES ('a', 1);", "Cannot insert values into read-only topic: default_ksql_processing_log"),
        ("SHOW STREAMS; INSERT INTO MINE SELECT * FROM S;", "Cannot insert into read-only topic: mine-1"),
    ])
    func `topics that are not to be written to are not`(text: String, message: String) async throws {
        try await TestPlatform.with { platform in
            let properties = ["ksql.readonly.topics": "__consumer_offsets, mine-[0-9]"]
            try await platform.withNode(properties) { node in
                try await node.run(stream)
                for (name, topic) in [
                    ("OFFSETS", "__consumer_offsets"), ("LOG", "default_ksql_processing_log"), ("MINE", "mine-1"),
                ] {
                    try await node.run(
                        "CREATE STREAM \(name) (K STRING KEY, V INT) WITH (KAFKA_TOPIC='\(topic)', VALUE_FORMAT='JSON', "
                            + "PARTITIONS=1);")
                }
                let refused = try await node.ksql(text)
                #expect(refused.status == 400 && refused.body["error_code"]?.integer == 40001)
                #expect(refused.body["message"]?.text == message)
            }
        }
    }

    @Test func `a variable that was never defined is told`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let answer = try await node.run("DEFINE a = '1'; UNDEFINE A; UNDEFINE a; SHOW VARIABLES;")
                #expect(answer.map { $0["@type"]?.text } == ["warning_entity", "variables"])
                #expect(answer.first?["message"]?.text == "Cannot undefine variable 'a' which was never defined")
            }
        }
    }

    @Test func `rows of INSERT are in the topic when the answer comes`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(stream)
                let answer = try await node.run("INSERT INTO S (ROWTIME, K, V) VALUES (1234, 'a', 1);")
                #expect(answer.isEmpty)
                var records: [ConsumerRecord] = []
                for partition in [Int32(0), 1] {
                    let reader = try await platform.cluster.reader(
                        TopicPartition("s", partition), from: .beginning, isolation: .readCommitted)
                    records += try await reader.next(maxBytes: 1 << 20, timeout: .milliseconds(10)).records()
                    reader.close()
                }
                #expect(records.count == 1)
                #expect(records.first?.timestamp == 1234)
                #expect(records.first?.value.map { String(buffer: $0) } == #"{"V":1}"#)
            }
        }
    }

    @Test func `the session's properties and variables hold for what follows`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let (status, body) = try await node.ksql(
                    "DEFINE name = 'T'; SET 'auto.offset.reset'='earliest'; CREATE STREAM ${name} AS SELECT * FROM ${from};"
                        + "SHOW VARIABLES;",
                    properties: [:], [("sessionVariables", .object([("from", .string("S"))]))])
                #expect(status == 400)  // S is not there yet
                #expect(body["message"]?.text?.contains("S does not exist.") == true)
                try await node.run(stream)
                let answer = try await node.ksql(
                    "DEFINE name = 'T'; SET 'auto.offset.reset'='earliest'; CREATE STREAM ${name} AS SELECT * FROM ${from};"
                        + "SHOW VARIABLES;",
                    properties: [:], [("sessionVariables", .object([("from", .string("S"))]))])
                let entities = answer.body.elements ?? []
                #expect(entities.compactMap { $0["@type"]?.text } == ["currentStatus", "variables"])
                #expect(entities.last?["variables"]?.elements?.count == 2)
                let id = try #require(node.runner.runningIDs.first)
                #expect(node.runner.properties(of: id)["auto.offset.reset"] == "earliest")
                let refused = try await node.ksql("SHOW STREAMS;", properties: ["ksql.nonsense": "1"])
                #expect(refused.status == 400)
                #expect(refused.body["error_code"]?.integer == 40000)
            }
        }
    }

    @Test func `IF EXISTS and IF NOT EXISTS warn`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(stream)
                let entities = try await node.run(
                    stream.replacing("STREAM S", with: "STREAM IF NOT EXISTS S") + "DROP TABLE IF EXISTS NONE;")
                #expect(entities.compactMap { $0["@type"]?.text } == ["warning_entity", "warning_entity"])
            }
        }
    }

    @Test func `a query that cannot be started is told and tried again`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(stream)
                node.runner.fail(RunError(.cluster, "no room"))
                let answer = try await node.run("CREATE STREAM T AS SELECT * FROM S;")
                #expect(answer.first?["warnings"]?.elements?.first?["message"]?.text?.contains("no room") == true)
                let queries = try await node.run("SHOW QUERIES;")
                #expect(queries.first?["queries"]?.elements?.first?["state"]?.text == "ERROR")
                node.runner.fail(nil)
                try await until { node.runner.runningIDs == ["CSAS_T_3"] }
            }
        }
    }

    @Test func `a table whose query could not be started says so at once`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(stream)
                node.runner.fail(RunError(.cluster, "no room"))
                try await node.run("CREATE TABLE T AS SELECT K, COUNT(*) AS N FROM S GROUP BY K;")
                let answer = try await node.request(
                    .post, "/query-stream", .object([("sql", .string("SELECT * FROM T WHERE K = 'a';"))]))
                #expect(
                    answer.body["message"]?.text?.contains("query CTAS_T_3 is in state ERROR: no room") == true,
                    "\(answer.body)")
            }
        }
    }

    @Test(arguments: ["TERMINATE transient_P_7_2;", "TERMINATE TRANSIENT_P_7_2;", "TERMINATE `transient_P_7_2`;"])
    func `queries of clients end by their ids in any case`(text: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                node.engine.transients.add("transient_P_7_2", statement: "SELECT") {}
                let entities = try await node.run(text)
                #expect(entities.first?["@type"]?.text == "terminate_query")
                #expect(entities.first?["queryId"]?.text == "transient_P_7_2")
                #expect(node.engine.transients.count == 0)
            }
        }
    }

    @Test(arguments: [
        ("auto.ofset.reset", "earliest", "Did you mean 'auto.offset.reset'?"), ("nope", "x", "'nope'"),
        ("ksql.streams.nope", "1", "'ksql.streams.nope'"),
    ])
    func `requests may not bring properties that nothing knows`(name: String, value: String, part: String) async throws
    {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let first = try await node.ksql("SHOW STREAMS;", properties: [name: value])
                let properties = JSONValue.object([(name, .string(value))])
                let select = JSONValue.string("SELECT * FROM S;")
                let others = [
                    try await node.request(
                        .post, "/query", .object([("ksql", select), ("streamsProperties", properties)])),
                    try await node.request(
                        .post, "/query-stream", .object([("sql", select), ("properties", properties)])),
                ]
                for answer in [first] + others {
                    #expect(answer.status == 400)
                    let message = answer.body["message"]?.text ?? ""
                    #expect(message.hasPrefix("Failed to set '\(name)' to '\(value)'"), "\(answer.body)")
                    #expect(message.contains(part))
                }
                try await node.run(
                    "SHOW STREAMS;",
                    properties: [
                        "ksql.streams.consumer.max.poll.records": "5", "producer.linger.ms": "1",
                        "max.poll.records": "1",
                        "ksql.streams.auto.offset.reset": "earliest", "ksql.streams.producer.acks": "all",
                        "request.ksql.debug.request": "true", "sasl.mechanism": "PLAIN",
                    ])
            }
        }
    }

    /// The value is more than the original's endpoint takes.
    @Test(arguments: [
        ("auto.offset.reset", 200), ("auto.offset.reset?value=earliest", 200), ("auto.offset.reset?value=bogus", 400),
        ("nope?value=1", 400), ("ksql.service.id?value=1", 400),
    ])
    func `a property is checked before it is set`(path: String, status: Int) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let answer = try await node.request(.get, "/is_valid_property/" + path)
                #expect(answer.status == status)
            }
        }
    }
}
