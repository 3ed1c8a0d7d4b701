import ConnectCore
import HTTPCalls
import JSONFormat
import Synchronization
import TestKit
import Testing

@testable import ConnectorBigQuery

/// Upserts and deletions.
@Suite struct MergeTests {
    private static let keySchema = ConnectSchema.structure([.init("id", .int64)])

    private func key(_ id: Int64) -> SchemaAndValue {
        SchemaAndValue(Self.keySchema, .structure(ConnectStruct(Self.keySchema, values: [.int64(id)])))
    }

    private func put(_ id: Int64, _ text: String, at offset: Int64, topic: String = "t") -> ConnectRecord {
        row([("a", .string, .string(text))], key: key(id), offset: offset, topic: topic)
    }

    private func deletion(_ id: Int64, at offset: Int64) -> ConnectRecord {
        record(.null, key: key(id), offset: offset)
    }

    private func options(_ url: String, _ properties: [String: String] = [:]) throws -> BigQuerySettings {
        try settings(
            url,
            ["upsertEnabled": "true", "deleteEnabled": "true", "kafkaKeyFieldName": "k"].merging(properties) { $1 })
    }

    private func run(
        _ properties: [String: String] = [:], _ handler: @escaping TableServer.Handler = { _, _ in nil },
        isTolerant: Bool = false,
        _ body: (BigQuerySinkTask, SinkContext, TableServer) async throws -> Void
    ) async throws {
        try await TableServer.run(handler) { url, server in
            let context = SinkContext(isTolerant: isTolerant)
            let task = BigQuerySinkTask(try options(url, properties), context)
            try await task.start()
            // The first look begins the interval.
            try await task.put([])
            do { try await body(task, context, server) } catch {
                await task.stop()
                throw error
            }
            await task.stop()
            #expect(!server.tableNames.contains { $0.contains("_tmp_") })
        }
    }

    private let partition = SinkPartition(topic: "t", partition: 0)

    /// By the original's `MergeQueries`; quotes are around all names, and both write a row of a key once.
    @Test func `the statements`() {
        var query = MergeQuery(
            destination: TableName(dataset: "d", table: "t"), intermediate: TableName(dataset: "d", table: "i"),
            keyColumn: "k", keyFields: [["id"], ["place", "city"]], valueColumns: ["a", "b`"], hasValues: true,
            upserts: true,
            deletes: true, hasPartitionTime: false)
        let source =
            "USING (SELECT src.* FROM (SELECT ARRAY_AGG(x ORDER BY x.i DESC LIMIT 1)[OFFSET(0)] src FROM `d`.`i` x "
            + "WHERE x.batchNumber = 3 GROUP BY x.key.`id`, x.key.`place`.`city`)) src ON dst.`k` = src.key "
        #expect(
            query.merge([3]) == "MERGE `d`.`t` dst " + source
                + #"WHEN MATCHED AND src.value IS NOT NULL THEN UPDATE SET `a` = src.value.`a`, `b\`` = src.value.`b\`` "#
                + "WHEN MATCHED AND src.value IS NULL THEN DELETE "
                + #"WHEN NOT MATCHED AND src.value IS NOT NULL THEN INSERT (`k`, `a`, `b\``) "#
                + #"VALUES (src.key, src.value.`a`, src.value.`b\``)"#)
        query.valueColumns = ["a"]
        query.deletes = false
        query.hasPartitionTime = true
        #expect(
            query.merge([3]) == "MERGE `d`.`t` dst " + source + "WHEN MATCHED THEN UPDATE SET `a` = src.value.`a` "
                + "WHEN NOT MATCHED THEN INSERT (`k`, _PARTITIONTIME, `a`) "
                + "VALUES (src.key, TIMESTAMP(DATE(src.partitionTime)), src.value.`a`)")
        query.deletes = true
        query.upserts = false
        query.hasPartitionTime = false
        #expect(
            query.merge([3, 5])
                == "MERGE `d`.`t` dst USING (SELECT x.* FROM `d`.`i` x WHERE x.batchNumber IN (3, 5) QUALIFY x.i >= "
                + "COALESCE(MAX(IF(x.value IS NULL, x.i, NULL)) OVER (PARTITION BY x.key.`id`, x.key.`place`.`city`), 0) "
                + "AND ROW_NUMBER() OVER (PARTITION BY x.i ORDER BY x.i) = 1) src "
                + "ON dst.`k` = src.key AND src.value IS NULL WHEN MATCHED AND src.value IS NULL THEN DELETE "
                + "WHEN NOT MATCHED AND src.value IS NOT NULL THEN INSERT (`k`, `a`) VALUES (src.key, src.value.`a`)")
        // Only deletions so far.
        query.valueColumns = []
        query.hasValues = false
        query.upserts = true
        #expect(query.merge([3]).hasSuffix("ON dst.`k` = src.key WHEN MATCHED AND src.value IS NULL THEN DELETE"))
        // Only keys.
        query.hasValues = true
        query.deletes = false
        #expect(query.merge([3]).hasSuffix("ON dst.`k` = src.key WHEN NOT MATCHED THEN INSERT (`k`) VALUES (src.key)"))
        #expect(
            query.clear(upTo: 5) == "DELETE FROM `d`.`i` WHERE batchNumber <= 5 AND _PARTITIONTIME IS NOT NULL")
    }

    @Test func `rows go by an intermediate table`() async throws {
        try await run(["kafkaDataFieldName": "kafka"]) { task, context, server in
            try await task.put([put(1, "x", at: 0), put(1, "y", at: 1), deletion(2, at: 2)])
            #expect(server.columns("t") == ["a:STRING:REQUIRED", "kafka:RECORD:NULLABLE", "k:RECORD:NULLABLE"])
            let name = try #require(server.tableNames.first { $0.hasPrefix("t_tmp_0_") })
            #expect(
                server.columns(name) == [
                    "value:RECORD:NULLABLE", "key:RECORD:REQUIRED", "i:INTEGER:REQUIRED",
                    "partitionTime:TIMESTAMP:NULLABLE", "batchNumber:INTEGER:REQUIRED",
                ])
            let table = try #require(server.table(name))
            #expect(table["timePartitioning"]?["type"]?.text == "DAY")
            #expect(
                table["schema"]?["fields"]?.elements?.first?["fields"]?.elements?.compactMap { $0["name"]?.text }
                    == ["a", "kafka"])
            let insert = try #require(server.inserts.first)
            #expect(insert.line == "POST \(TableServer.tables)/\(name)/insertAll")
            #expect(insert.ids == ["t-0-0-0", "t-0-1-0", "t-0-2-0"])
            let rows = insert.rows.compactMap { $0["json"] }
            #expect(rows.map { $0["i"]?.integer } == [1, 2, 3] && rows.allSatisfy { $0["batchNumber"]?.integer == 0 })
            #expect(rows.map { $0["value"]?["a"]?.text } == ["x", "y", nil] && rows[2]["value"] == nil)
            #expect(rows.map { $0["key"]?["id"]?.integer } == [1, 1, 2])
            #expect(rows[0]["value"]?["kafka"]?["offset"]?.integer == 0 && rows[0]["value"]?["k"] == nil)

            // Not before the interval has passed, and what was streamed can be read.
            #expect(try await task.preCommit([partition: 3]) == [partition: 0])
            context.pass(millis: 60_000)
            try await task.put([put(3, "z", at: 3)])
            context.pass(millis: 9_999)
            try await task.put([])
            #expect(server.merges.isEmpty)
            context.pass(millis: 1)
            try await task.put([])
            #expect(server.merges.count == 1 && server.merges.first?.contains("batchNumber = 0 ") == true)
            #expect(try await task.preCommit([partition: 4]) == [partition: 4])
        }
    }

    @Test func `the number of rows merges, too`() async throws {
        try await run(["mergeIntervalMs": "-1", "mergeRecordsThreshold": "2"]) { task, context, server in
            try await task.put([put(1, "x", at: 0)])
            context.pass(millis: 1_000_000)
            try await task.put([])
            #expect(server.merges.isEmpty)
            try await task.put([put(2, "x", at: 1)])
            try await task.put([put(3, "x", at: 2)])
            context.pass(millis: 10_000)
            try await task.put([])
            #expect(server.merges.count == 1)
            #expect(try await task.preCommit([partition: 3]) == [partition: 2])
        }
    }

    /// Newer rows of the same key may be in the table before.
    @Test func `partitions that are somebody else's are not merged`() async throws {
        try await run { task, context, server in
            let other = SinkPartition(topic: "u", partition: 0)
            try await task.put([put(1, "x", at: 0), put(2, "y", at: 7, topic: "u")])
            await task.close([partition])
            #expect(try await task.preCommit([other: 8]) == [other: 7])
            context.pass(millis: 60_000)
            try await task.put([])
            context.pass(millis: 10_000)
            try await task.put([])
            #expect(server.merges.map { $0.contains("`u_tmp_") } == [true])
            #expect(try await task.preCommit([other: 8]) == [other: 8])
        }
        // The same, where one table has both.
        try await run(["topic2TableMap": "u:t"]) { task, context, server in
            try await task.put([put(1, "x", at: 0), put(2, "y", at: 7, topic: "u")])
            await task.close([partition])
            context.pass(millis: 60_000)
            try await task.put([])
            context.pass(millis: 10_000)
            try await task.put([])
            #expect(server.merges.map { $0.contains("batchNumber = 1 ") } == [true])
        }
    }

    /// BigQuery leaves out rows whose ids it has seen, also those that are not merged.
    @Test func `a partition that comes back`() async throws {
        try await run { task, context, server in
            let records = [put(1, "x", at: 0), put(2, "y", at: 1)]
            try await task.put(records)
            await task.close([partition])
            try await task.put(records)
            #expect(server.inserts.map(\.ids) == [["t-0-0-0", "t-0-1-0"], ["t-0-0-1", "t-0-1-1"]])
            context.pass(millis: 60_000)
            try await task.put([])
            context.pass(millis: 10_000)
            try await task.put([])
            #expect(server.merges.map { $0.contains("batchNumber = 1 ") } == [true])
            #expect(try await task.preCommit([partition: 2]) == [partition: 2])
        }
    }

    /// BigQuery takes no column away.
    @Test func `the intermediate table never loses columns`() async throws {
        let columns =
            #"{"schema":{"fields":[{"name":"k","type":"RECORD","fields":[{"name":"id","type":"INTEGER"}]}"#
        try await run(["allowNewBigQueryFields": "true", "allowBigQueryRequiredFieldRelaxation": "true"]) {
            task, _, server in
            server.set(
                "t", columns + #",{"name":"a","type":"STRING","mode":"REQUIRED"},{"name":"own","type":"STRING"}]}}"#)
            try await task.put([deletion(1, at: 0)])
            let schema = ConnectSchema.structure([.init("a", .optionalString), .init("b", .optionalString)])
            let value = ConnectStruct(schema, values: [.string("x"), .string("y")])
            try await task.put([record(.structure(value), key: key(1), offset: 1, schema: schema)])
            let name = try #require(server.tableNames.first { $0.contains("_tmp_") })
            let fields = server.table(name)?["schema"]?["fields"]?.elements?.first?["fields"]?.elements ?? []
            #expect(fields.map { $0["name"]?.text } == ["a", "own", "b"])
        }
        try await run(["allowNewBigQueryFields": "true", "allowBigQueryRequiredFieldRelaxation": "true"]) {
            task, _, server in
            server.set("t", columns + "]}}")
            try await task.put([deletion(1, at: 0)])
            try await task.put([put(1, "x", at: 1)])
            let name = try #require(server.tableNames.first { $0.contains("_tmp_") })
            let fields = server.table(name)?["schema"]?["fields"]?.elements?.first?["fields"]?.elements ?? []
            #expect(fields.map { $0["name"]?.text } == ["none", "a"])
        }
    }

    @Test func `columns that the table has are waited for`() async throws {
        try await run(
            [:],
            { request, number in
                request.line.hasSuffix("/insertAll") && number < 3
                    ? TableServer.insertErrors(request, [0: ("invalid", "no such field: value.a.")]) : nil
            }, isTolerant: true
        ) { task, context, server in
            try await task.deliver([put(1, "x", at: 0)], context)
            #expect(context.refused.isEmpty && server.inserts.count == 4)
        }
    }

    @Test func `rows that were all refused hold up nothing`() async throws {
        try await run(["kafkaDataFieldName": "k2"], isTolerant: true) { task, context, server in
            server.set(
                "t",
                #"{"schema":{"fields":[{"name":"k","type":"RECORD","fields":[{"name":"id","type":"INTEGER"}]},{"name":"k2","type":"RECORD"}]}}"#
            )
            try await task.put([put(1, "x", at: 0)])
            #expect(context.refused == [0] && server.inserts.isEmpty)
            context.pass(millis: 60_000)
            try await task.put([])
            context.pass(millis: 10_000)
            try await task.put([])
            #expect(server.merges.isEmpty)
            #expect(try await task.preCommit([partition: 1]) == [partition: 1])
        }
    }

    @Test func `intervals of any length`() async throws {
        try await run(["mergeIntervalMs": "9223372036854775807"]) { task, context, server in
            try await task.put([put(1, "x", at: 0)])
            context.pass(millis: 1_000_000)
            try await task.put([])
            #expect(server.merges.isEmpty)
        }
    }

    /// A query that has failed has failed for ever.
    @Test(arguments: [
        (
            400,
            #"{"error":{"code":400,"message":"Query error: Could not serialize access to table","errors":[{"reason":"invalidQuery"}]}}"#
        ),
        (400, #"{"error":{"code":400,"message":"m","errors":[{"reason":"jobBackendError"}]}}"#), (503, ""),
    ])
    func `a query that fails while it runs`(status: Int, answer: String) async throws {
        try await run(
            [:],
            { request, number in
                if request.line.hasSuffix("/queries"), request.body.contains("MERGE"), number == 0 {
                    return (200, #"{"jobComplete":false,"jobReference":{"jobId":"j1"}}"#)
                }
                if request.line.hasSuffix("/queries/j1") { return (status, answer) }
                guard request.line.hasSuffix("/jobs/j1") else { return nil }
                return (200, #"{"status":{"state":"DONE","errorResult":{"reason":"backendError","message":"m"}}}"#)
            }
        ) { task, context, server in
            try await task.put([put(1, "x", at: 0)])
            context.pass(millis: 60_000)
            try await task.put([])
            context.pass(millis: 10_000)
            try await task.put([])
            try await task.deliver([], context)
            #expect(server.merges.count == 2)
            let ids = server.requests.filter { $0.body.contains("MERGE") }.compactMap { $0.json?["requestId"]?.text }
            #expect(Set(ids).count == 2 && ids.allSatisfy { $0.utf8.count <= 36 })
            #expect(try await task.preCommit([partition: 1]) == [partition: 1])
        }
    }

    @Test func `queries fail only so often`() async throws {
        try await run(
            [:],
            { request, _ in
                request.line.hasSuffix("/queries")
                    ? TableServer.error(400, "invalidQuery", "Could not serialize access to table p:d.t due to update")
                    : nil
            }
        ) { task, context, server in
            try await task.put([put(1, "x", at: 0)])
            context.pass(millis: 60_000)
            try await task.put([])
            context.pass(millis: 10_000)
            let failure = await #expect(throws: ConnectError.self) { try await task.deliver([], context) }
            #expect(failure?.isRetriable == false && server.merges.count == 6)
        }
    }

    /// Requests that succeeded are not sent again, and those that failed keep the order of their rows.
    @Test func `rows that are sent again keep their place`() async throws {
        let count = Mutex(0)
        try await run(
            [:],
            { request, _ in
                guard request.line.hasSuffix("/insertAll") else { return nil }
                return count.withLock {
                    $0 += 1
                    return $0 == 1 ? (503, "") : nil
                }
            }
        ) { task, context, server in
            try await task.deliver([put(1, "x", at: 0), put(1, "y", at: 1)], context)
            #expect(server.inserts.count == 2)
            #expect(server.inserts.map { $0.rows.map { $0["json"]?["i"]?.integer } } == [[1, 2], [1, 2]])
        }
    }

    @Test func `a query that takes its time`() async throws {
        try await run(
            [:],
            { request, number in
                if request.line.hasSuffix("/queries"), request.body.contains("MERGE") {
                    return (200, #"{"jobComplete":false,"jobReference":{"jobId":"j 1","location":"EU"}}"#)
                }
                guard request.line.hasSuffix("/queries/j%201") || request.line.contains("/queries/j") else {
                    return nil
                }
                return number < 2
                    ? (200, #"{"jobComplete":false,"jobReference":{"jobId":"j 1","location":"EU"}}"#)
                    : (200, #"{"jobComplete":true,"numDmlAffectedRows":"1"}"#)
            }
        ) { task, context, server in
            try await task.put([put(1, "x", at: 0)])
            context.pass(millis: 60_000)
            try await task.put([])
            context.pass(millis: 10_000)
            for expected in [0, 0, 0, 1] as [Int64] {
                try await task.put([])
                #expect(try await task.preCommit([partition: 1]) == [partition: expected])
            }
            #expect(server.merges.count == 1)
        }
    }

    @Test func `a query that fails`() async throws {
        for (status, words) in [(400, "invalidQuery"), (200, "invalidQuery")] {
            try await run(
                [:],
                { request, _ in
                    guard request.line.hasSuffix("/queries") else { return nil }
                    let error = TableServer.error(status, words, "Syntax error")
                    return status == 200
                        ? (200, #"{"jobComplete":true,"errors":[{"reason":"invalidQuery","message":"Syntax error"}]}"#)
                        : error
                }
            ) { task, context, _ in
                try await task.put([put(1, "x", at: 0)])
                context.pass(millis: 60_000)
                try await task.put([])
                context.pass(millis: 10_000)
                let failure = await #expect(throws: ConnectError.self) { try await task.put([]) }
                #expect(failure?.message.contains("Failed to merge rows to destination table `d`.`t`") == true)
                #expect(failure?.message.contains("Syntax error") == true && failure?.isRetriable == false)
                #expect(try await task.preCommit([partition: 1]) == [partition: 0])
            }
        }
        // Another statement changes the table at once: the query comes again.
        try await run(
            [:],
            { request, number in
                request.line.hasSuffix("/queries") && number == 0
                    ? TableServer.error(400, "invalidQuery", "Could not serialize access to table p:d.t due to update")
                    : nil
            }
        ) { task, context, server in
            try await task.put([put(1, "x", at: 0)])
            context.pass(millis: 60_000)
            try await task.put([])
            context.pass(millis: 10_000)
            try await task.deliver([], context)
            #expect(server.merges.count == 2)
            #expect(try await task.preCommit([partition: 1]) == [partition: 1])
        }
    }

    @Test func `records without a key or a value`() async throws {
        try await run(["deleteEnabled": "false"], isTolerant: true) { task, context, server in
            try await task.put([deletion(1, at: 0), row([("a", .string, .string("x"))], offset: 1), put(1, "x", at: 2)])
            #expect(context.refused == [1])
            #expect(context.words.first?.contains("Record keys must be non-null") == true)
            #expect(server.inserts.flatMap(\.ids) == ["t-0-2-0"])
        }
        // Nothing to delete from, and nothing that says what the table is like.
        try await run { task, _, server in
            try await task.put([deletion(1, at: 0)])
            #expect(server.tableNames.isEmpty && server.inserts.isEmpty)
            #expect(try await task.preCommit([partition: 1]) == [partition: 1])
        }
    }

    @Test func `columns that come later`() async throws {
        let more = row(
            [("a", .string, .string("x")), ("b", .optionalString, .string("y"))], key: key(1), offset: 1)
        try await run(["allowNewBigQueryFields": "true"]) { task, _, server in
            server.set(
                "t",
                #"{"schema":{"fields":[{"name":"k","type":"RECORD","fields":[{"name":"id","type":"INTEGER"}]},{"name":"a","type":"STRING"},{"name":"own","type":"STRING"}]}}"#
            )
            try await task.put([put(1, "x", at: 0)])
            let name = try #require(server.tableNames.first { $0.contains("_tmp_") })
            func fields() -> [String?] {
                server.table(name)?["schema"]?["fields"]?.elements?.first?["fields"]?.elements?.map { $0["name"]?.text }
                    ?? []
            }
            #expect(fields() == ["a", "own"])
            try await task.put([more])
            #expect(fields() == ["a", "own", "b"])
            #expect(server.columns("t").last == "b:STRING:NULLABLE")
        }
        try await run(isTolerant: true) { task, context, server in
            try await task.put([put(1, "x", at: 0)])
            try await task.put([more])
            #expect(context.refused == [1] && server.inserts.flatMap(\.ids) == ["t-0-0-0"])
        }
    }
}
