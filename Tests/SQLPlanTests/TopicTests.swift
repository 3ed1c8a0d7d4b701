import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes
import Testing

/// Topics that statements make, share and delete.
@Suite struct TopicTests {
    private func lab(_ script: String = "") throws -> Lab {
        let lab = try Lab()
        try lab.topics.create(
            TopicSpecification(name: "t", partitionCount: 4, replicaCount: 2, cleanup: .delete, retention: 1000))
        try lab.run(script)
        return lab
    }

    private func create(_ name: String, _ properties: String = "") -> String {
        "CREATE STREAM \(name) (ID INT KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON'\(properties));"
    }

    @Test func `a topic that others use is not deleted`() throws {
        let lab = try lab(create("A") + create("C") + create("B"))
        #expect(
            try lab.failure("DROP STREAM A DELETE TOPIC;")
                == "Refusing to delete topic. Found other data sources (B, C) using topic t")
        #expect(lab.catalog["A"] != nil)
        #expect(lab.topics.names == ["t"])
        try lab.run("DROP STREAM C; DROP STREAM B; DROP STREAM A DELETE TOPIC;")
        #expect(lab.topics.names.isEmpty)
    }

    @Test(
        arguments: [
            (", REPLICAS=1", nil), (", REPLICAS=2, PARTITIONS=4, RETENTION_MS=1000", nil), (", REPLICAS=-1", nil),
            (
                ", REPLICAS=3",
                "partition/replica configuration than required. KSQL expects 4 partitions (topic has 4), 3 replication factor"
                    + " (topic has 2)."
            ),
            (
                ", RETENTION_MS=2000",
                "partition/replica/retention configuration than required. KSQL expects 4 partitions (topic has 4), 2 replication"
                    + " factor (topic has 2), and 2000 retention (topic has 1000)."
            ),
        ] as [(String, String?)])
    func `a topic that is there has what the statement asks for`(properties: String, message: String?) throws {
        let failure = try lab().failure(create("A", properties))
        let start = "A Kafka topic with the name 't' already exists, with different "
        #expect(failure == message.map { start + $0 })
        let inserted = "CREATE STREAM R WITH (KAFKA_TOPIC='t'\(properties)) AS SELECT * FROM S;"
        let source = "CREATE STREAM S (ID INT KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=4);"
        #expect(try lab(source).failure(inserted) == message.map { start + $0 })
    }

    @Test func `copies are the cluster's where a statement says nothing`() throws {
        let lab = try Lab()
        func replicas(_ name: String, _ properties: String) throws -> Int? {
            let statement =
                "CREATE STREAM \(name) (V INT) WITH (KAFKA_TOPIC='\(name)', VALUE_FORMAT='JSON', PARTITIONS=1\(properties));"
            for parsed in try SQLParser.script(statement) {
                _ = try lab.executor.execute(parsed.statement, text: parsed.text, in: &lab.catalog)
            }
            return lab.topics.topics[name]?.replicaCount
        }
        #expect(try replicas("A", "") == nil)
        #expect(try replicas("B", ", REPLICAS=3") == 3)
        try lab.run("CREATE STREAM R AS SELECT * FROM B;")
        #expect(lab.topics.topics["R"]?.replicaCount == 3)
    }

    @Test func `a topic has a name`() throws {
        #expect(
            try Lab().failure("CREATE STREAM A (V INT) WITH (KAFKA_TOPIC='', VALUE_FORMAT='JSON', PARTITIONS=1);")
                == "Failed to prepare statement: Invalid value  for property KAFKA_TOPIC: String must be non-empty")
    }

    /// Commands of a log stay what they were, whatever is refused today.
    @Test func `what was accepted before is replayed`() throws {
        let lab = try lab(
            create("A") + create("B")
                + "CREATE SOURCE TABLE T (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');")
        func fails(_ statement: String, isReplayed: Bool) throws -> Bool {
            var environment = StatementEnvironment(
                functions: .builtIn, topics: lab.topics, registry: lab.registry, translation: FormatTranslation(),
                configuration: SQLConfiguration(lab.properties), now: 0, random: { 0 })
            if isReplayed { environment.topics = ReplayedTopics(topics: lab.topics) }
            var catalog = lab.catalog
            for parsed in try SQLParser.script(statement) {
                do {
                    _ = try StatementExecutor(environment)
                        .execute(parsed.statement, text: parsed.text, in: &catalog)
                } catch is PlanError {
                    return true
                }
            }
            return false
        }
        for statement in [
            create("D", ", RETENTION_MS=5"), "DROP STREAM A DELETE TOPIC;", "TERMINATE CST_T_0;",
            "CREATE OR REPLACE STREAM A WITH (KAFKA_TOPIC='t') AS SELECT * FROM A;",
            "CREATE TABLE W AS SELECT V, COUNT(*) AS C FROM A"
                + " WINDOW HOPPING (SIZE 1 DAYS, ADVANCE BY 1 MILLISECONDS) GROUP BY V;",
        ] {
            #expect(try fails(statement, isReplayed: false), "\(statement)")
            #expect(try !fails(statement, isReplayed: true), "\(statement)")
        }
    }
}

private struct ReplayedTopics: TopicAccess {
    let topics: MemoryTopics
    var isReplayed: Bool { true }

    func partitionCount(of topic: String) -> Int? { topics.partitionCount(of: topic) }
    func replicaCount(of topic: String) -> Int? { topics.replicaCount(of: topic) }
    func retention(of topic: String) -> Int64? { topics.retention(of: topic) }
    func create(_ topic: TopicSpecification) throws(PlanError) { try topics.create(topic) }
    func delete(_ topic: String) throws(PlanError) {}
}
