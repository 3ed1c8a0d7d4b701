import Cluster
import JSONFormat
import NIOCore
import RecordBatches
import SQLPlan
import Synchronization
import TestKit
import Testing

@testable import SQLService

/// Command topics that earlier programs and the original have written.
@Suite struct ReplayTests {
    /// As programs wrote it that had no versions of rules; nil: as the original does.
    private static let surroundings =
        #"{"topics":{"s":{"partitions":1,"replicas":1},"o":{"partitions":1,"replicas":1}},"latest":{},"schemas":{},"#
        + #""versions":{},"registered":{},"hasRegistry":false}"#

    private static let stream = """
        CREATE STREAM S (K STRING KEY, P DECIMAL(10, 2), EVENT_ROWTIME BIGINT, MY_ROWTIME STRING)
          WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
        """

    /// Writes commands, whose ids do not matter, and waits until a node has executed them.
    private func write(
        _ statements: [String], _ platform: TestPlatform, _ node: Node, surroundings: String? = Self.surroundings
    ) async throws {
        let writer = try await platform.cluster.writer(.acks(.all))
        let records = statements.enumerated().map { index, statement in
            let record = Command(CommandID("stream", "`OLD\(index)`", "create"), statement).record()
            let headers = surroundings.map {
                [RecordHeader(key: Command.surroundingsHeader, value: Array($0.utf8))]
            }
            return ProducerRecord(partition: 0, key: record.key, value: record.value, headers: headers ?? [])
        }
        let positions = try await writer.write(records, to: node.engine.settings.commandTopic)
        await writer.close()
        let last = try #require(positions.last?.offset)
        try await until { node.engine.log.progress.reached > last }
    }

    private func countsValues(_ plan: PhysicalPlan?) -> Bool? {
        var found: Bool?
        plan?.root.forEach { step in
            guard case .aggregate(let aggregate) = step.operation else { return }
            if case .column? = aggregate.functions.first?.arguments.first?.node { found = true } else { found = false }
        }
        return found
    }

    @Test func `what an earlier program accepted keeps its types and its state`() async throws {
        let literal = "AS SELECT K, P * 0.05 AS D FROM S;"
        let count = "AS SELECT K, COUNT(EVENT_ROWTIME) AS N FROM S GROUP BY K;"
        try await TestPlatform.with { platform in
            func check(_ node: Node) {
                let sources = node.engine.current.sources
                #expect(sources["D"]?.schemaText.contains("DECIMAL(13, 4)") == true)
                #expect(sources["D2"]?.schemaText.contains("DECIMAL(14, 4)") == true)
                let ids = node.runner.runningIDs
                func plan(_ name: String) -> PhysicalPlan? {
                    ids.first { $0.hasPrefix("CTAS_\(name)_") }.flatMap { node.runner.plan(of: $0) }
                }
                #expect(countsValues(plan("N")) == false)
                #expect(countsValues(plan("N2")) == true)
                #expect(ids.filter { $0.hasPrefix("INSERTQUERY_") }.count == 1)
            }
            try await platform.withNode { node in
                try await node.run(Self.stream)
                try await write(
                    [
                        "CREATE STREAM D \(literal)", "CREATE TABLE N \(count)",
                        "CREATE STREAM O (K STRING KEY, D DECIMAL(13, 4)) WITH (KAFKA_TOPIC='o', VALUE_FORMAT='JSON');",
                        "INSERT INTO O SELECT K, P * 0.05 AS D FROM S;",
                    ], platform, node)
                try await node.run("CREATE STREAM D2 \(literal) CREATE TABLE N2 \(count)")
                check(node)
            }
            try await platform.withNode { node in
                check(node)
                // Copies keep the rules too.
                for index in 0..<4 {
                    try await node.run("CREATE TYPE T\(index) AS INT; DROP TYPE T\(index);")
                }
                #expect(try await compact(node))
            }
            try await platform.withNode { check($0) }
        }
    }

    @Test func `texts beside columns that are no ROWTIME are texts on a server`() async throws {
        let query = "CREATE STREAM Y AS SELECT * FROM S WHERE MY_ROWTIME = 'abc';"
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let made = try await node.run(Self.stream + query)
                #expect(made.last?["commandStatus"]?["status"]?.text == "SUCCESS")
            }
            try await platform.withNode { node in #expect(node.runner.runningIDs == ["CSAS_Y_3"]) }
        }
        try await TestPlatform.with { platform in
            try await platform.withNode(script: Self.stream + query) { node in
                #expect(node.engine.problem == nil)
                #expect(node.runner.runningIDs.count == 1)
            }
        }
    }

    @Test func `the original's commands meet topics that have changed since`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(Self.stream)
                try await write(
                    [
                        "CREATE STREAM A (V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', RETENTION_MS=1000);",
                        "CREATE STREAM D AS SELECT K, P * 0.05 AS D FROM S;",
                    ], platform, node, surroundings: nil)
                #expect(node.engine.current.sourceNames == ["S", "A", "D"])
                #expect(node.engine.current["D"]?.schemaText.contains("DECIMAL(14, 4)") == true)
            }
        }
    }

    private func compact(_ node: Node) async throws -> Bool {
        let (history, catalog, system) = node.engine.state.withLock { ($0.history, $0.catalog, $0.systemProperties) }
        node.engine.state.withLock { $0.recordCount = 100 }
        return await node.engine.compact(history, catalog, system)
    }

    @Test func `a command that fails is told of and stays in the topic`() async throws {
        let log = RecordedLog()
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(Self.stream)
                try await write(["CREATE STREAM X AS\n  SELECT * FROM NONE;"], platform, node)
            }
            try await platform.withNode(log: log) { node in
                for _ in 0..<4 { try await node.run("CREATE TYPE T AS INT; DROP TYPE T;") }
                #expect(try await !compact(node))
            }
            let partition = TopicPartition("_confluent-ksql-default__command_topic", 0)
            let start = try await platform.cluster.offsets([partition: .beginning], isolation: .readCommitted)
            #expect(start[partition] == 0)
        }
        let line = log.lines.first { $0.hasPrefix("a command failed") } ?? ""
        #expect(line.contains("CREATE STREAM X AS SELECT * FROM NONE;"), "\(line)")
        #expect(line.contains("NONE does not exist"), "\(line)")
    }

    @Test func `commands by rules of a later program are not executed`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await node.run(Self.stream)
                try await write(["CREATE STREAM D AS SELECT * FROM S;"], platform, node, surroundings: #"{"rules":99}"#)
                #expect(node.engine.problem?.contains("upgrade this server") == true)
                #expect(node.engine.current.sourceNames == ["S"])
            }
        }
    }
}
