import ConnectCore
import Foundation
import HTTPCalls
import JSONFormat
import Synchronization
import TestKit
import Testing

@testable import ConnectorBigQuery

@Suite struct BigQuerySinkTests {
    private func put(
        _ settings: BigQuerySettings, _ records: [ConnectRecord], _ context: SinkContext = SinkContext()
    ) async throws {
        let task = BigQuerySinkTask(settings, context)
        do {
            try await task.start()
            try await task.deliver(records, context)
        } catch {
            await task.stop()
            throw error
        }
        await task.stop()
    }

    private func rows(_ count: Int64, from first: Int64 = 0) -> [ConnectRecord] {
        (first..<first + count).map { row([("n", .int64, .int64($0))], offset: $0) }
    }

    private let table = TableServer.tables + "/t"

    @Test func `makes the table and streams rows into it`() async throws {
        try await TableServer.run { url, server in
            var settings = try settings(
                url,
                [
                    "timestampPartitionFieldName": "n", "partitionExpirationMs": "1000",
                    "clusteringPartitionFieldNames": "n", "timePartitioningType": "month",
                ])
            settings.requestRowCountMax = 4
            try await put(settings, rows(10))
            #expect(server.lines.prefix(2) == ["GET \(table)", "POST \(TableServer.tables)"])
            let made = try #require(server.table("t"))
            #expect(server.columns("t") == ["n:INTEGER:REQUIRED"])
            #expect(
                made["timePartitioning"].map { String(decoding: $0.bytes, as: UTF8.self) }
                    == #"{"type":"MONTH","field":"n","expirationMs":"1000"}"#)
            #expect(made["clustering"]?["fields"]?.elements?.first?.text == "n")
            #expect(server.inserts.map(\.rows.count).sorted() == [2, 4, 4])
            #expect(Set(server.inserts.flatMap(\.ids)) == Set((0..<10).map { "t-0-\($0)" }))
            #expect(server.inserts.first?.json?["skipInvalidRows"]?.flag == false)
            #expect(server.requests.allSatisfy { $0.headers["authorization"] == nil })
        }
    }

    @Test func `writes to partitions of days`() async throws {
        try await TableServer.run { url, server in
            let properties = ["bigQueryPartitionDecorator": "true"]
            try await put(settings(url, properties), rows(1))
            try await put(
                settings(url, properties.merging(["bigQueryMessageTimePartitioning": "true"]) { $1 }), rows(1))
            #expect(server.inserts.map(\.line).allSatisfy { $0.hasPrefix("POST \(table)%24") })
            #expect(server.inserts.map { $0.line.dropLast("/insertAll".count).suffix(8) } == ["20261127", "19700101"])
            server.set("t", #"{"schema":{"fields":[]},"timePartitioning":{"type":"HOUR"}}"#)
            let failure = await #expect(throws: ConnectError.self) {
                try await put(settings(url, properties), rows(1))
            }
            #expect(failure?.message.contains("partitioned by hour and not by day") == true)
            server.set("t", #"{"schema":{"fields":[]}}"#)
            let other = await #expect(throws: ConnectError.self) { try await put(settings(url, properties), rows(1)) }
            #expect(other?.message.contains("as it is not partitioned by day: set bigQueryPartition") == true)
        }
    }

    @Test func `a table that must not be made`() async throws {
        try await TableServer.run { url, server in
            for properties in [
                ["autoCreateTables": "false"], ["autoCreateTables": "false", "allowNewBigQueryFields": "true"],
            ] {
                let failure = await #expect(throws: ConnectError.self) {
                    try await put(settings(url, properties), rows(1))
                }
                #expect(failure?.message.contains("autoCreateTables=true") == true && failure?.isRetriable == false)
            }
            #expect(server.table("t") == nil)
            // Nothing but rows where nothing depends on tables.
            server.set("t", #"{"schema":{"fields":[]}}"#)
            let before = server.lines.count
            try await put(settings(url, ["autoCreateTables": "false"]), rows(1))
            #expect(server.lines.dropFirst(before) == ["POST \(table)/insertAll"])
        }
    }

    @Test func `a new table is not known at once`() async throws {
        try await TableServer.run({ request, number in
            request.line.hasSuffix("/insertAll") && number < 3
                ? TableServer.error(404, "notFound", "Not found: Table p:d.t") : nil
        }) { url, server in
            try await put(settings(url), rows(2))
            #expect(server.inserts.map(\.ids) == Array(repeating: ["t-0-0", "t-0-1"], count: 4))
            #expect(server.lines.count { $0 == "POST \(TableServer.tables)" } == 1)
        }
        try await TableServer.run({ request, _ in
            request.line.hasSuffix("/insertAll") ? TableServer.error(404, "notFound", "Not found: Table p:d.t") : nil
        }) { url, _ in
            var settings = try settings(url)
            settings.settlingCountMax = 3
            let failure = await #expect(throws: ConnectError.self) { try await put(settings, rows(1)) }
            #expect(failure?.message.contains("within 3 attempts") == true && failure?.isRetriable == false)
        }
    }

    @Test func `a dataset that is not there`() async throws {
        try await TableServer.run({ _, _ in
            TableServer.error(404, "notFound", "Not found: Dataset p:d was not found in location US")
        }) { url, _ in
            let failure = await #expect(throws: ConnectError.self) { try await put(settings(url), rows(1)) }
            #expect(failure?.message.contains("the dataset 'd' of project 'p' has to be there") == true)
        }
    }

    @Test func `new fields become columns`() async throws {
        try await TableServer.run { url, server in
            let context = SinkContext()
            let task = BigQuerySinkTask(
                try settings(
                    url, ["allowNewBigQueryFields": "true", "allowBigQueryRequiredFieldRelaxation": "true"]), context)
            try await task.start()
            try await task.put(rows(1))
            try await task.put([
                row([("n", .int64, .int64(1)), ("s", .string, .string("x"))], offset: 1),
                row([("n", .int64, .int64(2))], offset: 2),
            ])
            await task.stop()
            #expect(server.columns("t") == ["n:INTEGER:REQUIRED", "s:STRING:NULLABLE"])
            #expect(server.lines.count { $0 == "PATCH \(table)" } == 1)
            #expect(server.inserts.flatMap(\.ids) == ["t-0-0", "t-0-1", "t-0-2"])
        }
    }

    @Test func `fields that must not become columns`() async throws {
        try await TableServer.run { url, server in
            try await put(settings(url), rows(1))
            let records = [
                row([("n", .int64, .int64(1)), ("s", .optionalString, .null)], offset: 1),
                row([("n", .int64, .int64(2))], offset: 2),
            ]
            let failure = await #expect(throws: ConnectError.self) { try await put(settings(url), records) }
            #expect(failure?.message.contains("New Field found with the name s") == true)
            let context = SinkContext(isTolerant: true)
            try await put(settings(url), records, context)
            #expect(context.refused == [1])
            #expect(server.inserts.last?.ids == ["t-0-2"])
        }
    }

    @Test func `one schema must not keep others from their columns`() async throws {
        try await TableServer.run { url, server in
            try await put(settings(url), rows(1))
            let context = SinkContext(isTolerant: true)
            let records = [
                row([("n", .int64, .int64(1)), ("must", .string, .string("x"))], offset: 1),
                row([("n", .int64, .int64(2)), ("may", .optionalString, .string("x"))], offset: 2),
                row([("n", .int64, .int64(3)), ("too", .optionalInt64, .int64(1))], offset: 3),
            ]
            try await put(settings(url, ["allowNewBigQueryFields": "true"]), records, context)
            #expect(context.refused == [1])
            #expect(context.words.first?.contains("New Field found with the name must") == true)
            #expect(
                server.columns("t") == ["n:INTEGER:REQUIRED", "may:STRING:NULLABLE", "too:INTEGER:NULLABLE"])
            #expect(server.inserts.last?.ids == ["t-0-2", "t-0-3"])
        }
    }

    /// Another version of the table was written meanwhile: its columns are kept.
    @Test func `columns of others stay`() async throws {
        try await TableServer.run({ request, number in
            request.line.hasPrefix("PATCH") && number == 0 ? TableServer.error(412, "conditionNotMet", "etag") : nil
        }) { url, server in
            server.set("t", #"{"etag":"e1","schema":{"fields":[{"name":"other","type":"STRING"}]}}"#)
            try await put(
                settings(url, ["allowNewBigQueryFields": "true", "allowBigQueryRequiredFieldRelaxation": "true"]),
                rows(1))
            #expect(server.columns("t") == ["other:STRING:NULLABLE", "n:INTEGER:NULLABLE"])
            let changes = server.requests.filter { $0.line.hasPrefix("PATCH") }
            #expect(changes.count == 2 && changes.allSatisfy { $0.headers["if-match"] == "e1" })
        }
    }

    @Test func `columns that rows lack are relaxed`() async throws {
        let handler: TableServer.Handler = { request, number in
            request.line.hasSuffix("/insertAll") && number == 0
                ? TableServer.insertErrors(request, [0: ("invalid", "Missing required field: n.")]) : nil
        }
        let schema = ConnectSchema.structure([.init("n", .optionalInt64)])
        let records = (0..<2).map {
            record(.structure(ConnectStruct(schema)), offset: $0, schema: schema)
        }
        try await TableServer.run(handler) { url, server in
            server.set("t", #"{"schema":{"fields":[{"name":"n","type":"INTEGER","mode":"REQUIRED"}]}}"#)
            try await put(settings(url, ["allowBigQueryRequiredFieldRelaxation": "true"]), records)
            #expect(server.columns("t") == ["n:INTEGER:NULLABLE"])
            #expect(Set(server.inserts.dropFirst().flatMap(\.ids)) == ["t-0-0", "t-0-1"])
        }
        // Also those that records do not know at all.
        try await TableServer.run({ request, number in
            request.line.hasSuffix("/insertAll") && number == 0
                ? TableServer.insertErrors(request, [0: ("invalid", "Missing required field: gone.")]) : nil
        }) { url, server in
            server.set(
                "t",
                #"{"schema":{"fields":[{"name":"n","type":"INTEGER"},{"name":"gone","type":"STRING","mode":"REQUIRED"}]}}"#
            )
            try await put(settings(url, ["allowBigQueryRequiredFieldRelaxation": "true"]), records)
            #expect(server.columns("t") == ["n:INTEGER:NULLABLE", "gone:STRING:NULLABLE"])
        }
        try await TableServer.run(handler) { url, server in
            server.set("t", #"{"schema":{"fields":[{"name":"n","type":"INTEGER","mode":"REQUIRED"}]}}"#)
            let context = SinkContext(isTolerant: true)
            try await put(settings(url, ["allowNewBigQueryFields": "true"]), records, context)
            #expect(context.refused == [0] && server.inserts.last?.ids == ["t-0-1"])
            #expect(context.words.first?.contains("allowBigQueryRequiredFieldRelaxation") == true)
        }
    }

    @Test func `rows that are refused go, the others are sent again`() async throws {
        let handler: TableServer.Handler = { request, number in
            guard request.line.hasSuffix("/insertAll"), number == 0 else { return nil }
            return TableServer.insertErrors(
                request, [1: ("invalid", "Cannot convert value to integer"), 3: ("invalid", "Bad value")])
        }
        try await TableServer.run(handler) { url, server in
            let context = SinkContext(isTolerant: true)
            try await put(settings(url), rows(5), context)
            #expect(context.refused == [1, 3])
            #expect(context.words.first?.contains("Cannot convert value to integer") == true)
            #expect(context.words.first?.contains("offset=1") == true)
            #expect(server.inserts.map(\.ids).last == ["t-0-0", "t-0-2", "t-0-4"])
        }
        try await TableServer.run(handler) { url, _ in
            let failure = await #expect(throws: ConnectError.self) { try await put(settings(url), rows(5)) }
            #expect(failure?.message.contains("Cannot convert value to integer") == true)
        }
    }

    @Test func `records that make no row`() async throws {
        try await TableServer.run { url, server in
            let records = [
                row([("n", .int64, .int64(0))]), record(.string("x"), offset: 1, schema: .string),
                record(.null, offset: 2), row([("n", .int64, .int64(3))], offset: 3),
            ]
            let context = SinkContext(isTolerant: true)
            try await put(settings(url), records, context)
            #expect(context.refused == [1])
            #expect(server.inserts.flatMap(\.ids) == ["t-0-0", "t-0-3"])
            await #expect(throws: ConnectError.self) { try await put(settings(url), records) }
        }
    }

    @Test func `records without a schema need a table`() async throws {
        let records = [record(object([("n", .int64(1))]))]
        try await TableServer.run { url, server in
            let failure = await #expect(throws: ConnectError.self) { try await put(settings(url), records) }
            #expect(failure?.message.contains("records without a schema do not say its columns") == true)
            server.set("t", #"{"schema":{"fields":[{"name":"n","type":"INTEGER"}]}}"#)
            try await put(settings(url), records)
            #expect(server.inserts.flatMap(\.ids) == ["t-0-0"])
        }
    }

    @Test(
        arguments: [
            (503, "backendError", "busy"), (500, "internalError", ""), (429, "rateLimitExceeded", ""),
            (403, "quotaExceeded", "Quota exceeded"), (403, "rateLimitExceeded", "Exceeded rate limits"),
        ])
    func `what passes is sent again`(status: Int, reason: String, message: String) async throws {
        try await TableServer.run({ request, number in
            request.line.hasSuffix("/insertAll") && number < 3 ? TableServer.error(status, reason, message) : nil
        }) { url, server in
            try await put(settings(url), rows(2))
            #expect(server.inserts.count == 4)
        }
        try await TableServer.run({ request, _ in
            request.line.hasSuffix("/insertAll") ? TableServer.error(status, reason, message) : nil
        }) { url, server in
            let failure = await #expect(throws: ConnectError.self) {
                try await put(settings(url, ["bigQueryRetry": "2"]), rows(2))
            }
            #expect(server.inserts.count == 8)
            #expect(failure?.isRetriable == true && failure?.message.contains("Exceeded 8 attempts") == true)
        }
    }

    @Test func `other refusals end the task`() async throws {
        try await TableServer.run({ request, _ in
            request.line.hasSuffix("/insertAll") ? TableServer.error(403, "accessDenied", "Access Denied") : nil
        }) { url, server in
            let failure = await #expect(throws: ConnectError.self) {
                try await put(settings(url), rows(1), SinkContext(isTolerant: true))
            }
            #expect(server.inserts.count == 1 && failure?.isRetriable == false)
            #expect(failure?.message.contains("HTTP 403 accessDenied: Access Denied (no keyfile is given)") == true)
        }
    }

    @Test func `rows that may be taken later`() async throws {
        try await TableServer.run({ request, number in
            guard request.line.hasSuffix("/insertAll"), number < 2 else { return nil }
            let index = request.ids.firstIndex(of: "t-0-1") ?? 0
            return (200, #"{"insertErrors":[{"index":\#(index),"errors":[{"reason":"backendError","message":"m"}]}]}"#)
        }) { url, server in
            try await put(settings(url), rows(3))
            #expect(server.inserts.map(\.ids) == [["t-0-0", "t-0-1", "t-0-2"], ["t-0-1"], ["t-0-1"]])
        }
    }

    /// Whatever cannot be understood must not count as written.
    @Test(arguments: ["", "<html>", "[]", #"{"insertErrors":[{"index":9,"errors":[{"reason":"invalid"}]}]}"#])
    func `answers that say nothing of rows`(answer: String) async throws {
        try await TableServer.run({ request, number in
            request.line.hasSuffix("/insertAll") ? (200, answer) : nil
        }) { url, _ in
            await #expect(throws: ConnectError.self) {
                try await put(settings(url), rows(2), SinkContext(isTolerant: true))
            }
        }
    }

    @Test func `requests that are too large are halved`() async throws {
        try await TableServer.run({ request, _ in
            guard request.line.hasSuffix("/insertAll") else { return nil }
            if request.ids.contains("t-0-3") { return (413, "") }
            return request.rows.count > 2 ? (400, "") : nil
        }) { url, server in
            let context = SinkContext(isTolerant: true)
            try await put(settings(url), rows(5), context)
            #expect(context.refused == [3])
            let taken = server.inserts.filter { $0.rows.count <= 2 && !$0.ids.contains("t-0-3") }.flatMap(\.ids)
            #expect(taken.sorted() == ["t-0-0", "t-0-1", "t-0-2", "t-0-4"])
        }
    }

    /// What was written of a batch is not written again when the worker brings the batch again.
    @Test func `a batch that comes again goes on where it was`() async throws {
        try await TableServer.run({ request, number in
            guard request.line.hasSuffix("/insertAll") else { return nil }
            return request.ids.contains("t-0-2") && number < 8 ? TableServer.error(503, "backendError", "") : nil
        }) { url, server in
            var settings = try settings(url, ["max.retries": "1", "threadPoolSize": "1"])
            settings.requestRowCountMax = 2
            let context = SinkContext(isTolerant: true)
            let task = BigQuerySinkTask(settings, context)
            try await task.start()
            let records = rows(4) + [record(.string("x"), offset: 4, schema: .string)]
            let failure = await #expect(throws: ConnectError.self) { try await task.deliver(records, context) }
            #expect(failure?.isRetriable == true)
            try await task.deliver(records, context)
            #expect(server.inserts.filter { $0.ids == ["t-0-0", "t-0-1"] }.count == 1)
            #expect(server.inserts.last?.ids == ["t-0-2", "t-0-3"])
            #expect(context.refused == [4])
            await task.stop()
        }
        // And no more often than it may.
        try await TableServer.run({ request, _ in
            request.line.hasSuffix("/insertAll") ? TableServer.error(503, "backendError", "") : nil
        }) { url, _ in
            let context = SinkContext()
            let task = BigQuerySinkTask(try settings(url, ["max.retries": "1"]), context)
            try await task.start()
            var kinds: [Bool?] = []
            for _ in 0..<2 {
                let failure = await #expect(throws: ConnectError.self) { try await task.deliver(rows(1), context) }
                kinds.append(failure?.isRetriable)
            }
            #expect(kinds == [true, false])
            await task.stop()
        }
    }

    /// In `put` a task hears nothing of a stop: the worker waits, and what was written by then is not written again.
    @Test(arguments: ["a request", "rows", "a new table"])
    func `pauses are the worker's`(what: String) async throws {
        try await TableServer.run({ request, number in
            guard request.line.hasSuffix("/insertAll"), number < 2 else { return nil }
            switch what {
            case "a request": return TableServer.error(503, "backendError", "")
            case "rows":
                return (200, #"{"insertErrors":[{"index":0,"errors":[{"reason":"backendError","message":"m"}]}]}"#)
            default: return TableServer.error(404, "notFound", "Not found: Table p:d.t")
            }
        }) { url, server in
            var settings = try settings(url)
            settings.usualPauses = RetrySchedule(first: .seconds(3600), longest: .seconds(36_000), isRandom: false)
            settings.settlingPauses = RetrySchedule(first: .seconds(3600), isRandom: false)
            let context = SinkContext()
            let task = BigQuerySinkTask(settings, context)
            try await task.start()
            let failure = await #expect(throws: ConnectError.self) { try await task.put(rows(1)) }
            #expect(failure?.isRetriable == true)
            #expect(context.takePause() == (what == "a new table" ? .seconds(60) : .seconds(3600)))
            try await task.deliver(rows(1), context)
            #expect(server.inserts.count == 3)
            await task.stop()
        }
    }

    @Test func `partitions that are gone take what is known of them along`() async throws {
        try await TableServer.run({ request, number in
            guard request.line.hasSuffix("/insertAll"), number == 0 else { return nil }
            return (200, #"{"insertErrors":[{"index":1,"errors":[{"reason":"backendError","message":"m"}]}]}"#)
        }) { url, server in
            let context = SinkContext()
            let task = BigQuerySinkTask(try settings(url), context)
            try await task.start()
            await #expect(throws: ConnectError.self) { try await task.put(rows(2)) }
            await task.close([SinkPartition(topic: "t", partition: 0)])
            try await task.deliver(rows(2), context)
            #expect(server.inserts.map(\.ids) == [["t-0-0", "t-0-1"], ["t-0-0", "t-0-1"]])
            await task.stop()
        }
    }

    /// A transform may give records of several topics the name of one table.
    @Test func `rows of several topics in one table are told apart`() async throws {
        func record(_ topic: String, _ fields: [(String, ConnectSchema, ConnectValue)]) -> ConnectRecord {
            var record = row(fields, topic: topic)
            record.topic = "t"
            return record
        }
        try await TableServer.run { url, server in
            server.set("t", #"{"schema":{"fields":[{"name":"n","type":"INTEGER"}]}}"#)
            let context = SinkContext(isTolerant: true)
            let records = [
                record("a", [("n", .int64, .int64(1)), ("must", .string, .string("x"))]),
                record("b", [("n", .int64, .int64(2))]),
                record(
                    "c",
                    [
                        ("n", .int64, .int64(3)),
                        ("d", ConnectSchema(.int64, name: "io.debezium.time.Date", version: 1), .int64(0)),
                    ]),
            ]
            try await put(settings(url, ["allowNewBigQueryFields": "true"]), records, context)
            #expect(server.inserts.flatMap(\.ids) == ["b-0-0"])
            #expect(context.reported.withLock { $0.count } == 2)
            try await put(settings(url), [record("a", [("n", .int64, .int64(1))]), records[1]])
            #expect(server.inserts.last?.ids == ["a-0-0", "b-0-0"])
        }
    }

    /// A row with a name that no schema brings must not be sent until the task ends.
    @Test func `rows with names that nothing brings are refused`() async throws {
        let all = ["allowNewBigQueryFields": "true", "allowBigQueryRequiredFieldRelaxation": "true"]
        let without = record(object([("n", .int64(1)), ("r", object([("x", .int64(1))]))]), offset: 0)
        let fitting = record(object([("n", .int64(2))]), offset: 1)
        let with = row([("n", .int64, .int64(3))], offset: 2)
        try await TableServer.run({ request, number in
            guard request.line.hasSuffix("/insertAll"), number < 2 else { return nil }
            return TableServer.insertErrors(
                request,
                Dictionary(uniqueKeysWithValues: request.rows.indices.map { ($0, ("invalid", "no such field: r.x.")) }))
        }) { url, server in
            server.set(
                "t",
                #"{"schema":{"fields":[{"name":"N","type":"INTEGER"},{"name":"r","type":"RECORD","fields":[{"name":"y","type":"INTEGER"}]}]}}"#
            )
            let context = SinkContext(isTolerant: true)
            try await put(settings(url, all), [without, fitting, with], context)
            #expect(context.refused == [0])
            #expect(context.words.first?.contains("the table has no column r.x, and records without a schema") == true)
            // The others wait for columns that are there.
            #expect(server.inserts.map(\.ids).dropFirst() == [["t-0-1", "t-0-2"], ["t-0-1", "t-0-2"]])
        }
    }

    @Test func `structs without fields, and fields named like the options'`() async throws {
        let none = ConnectSchema.structure([])
        let outer = ConnectSchema.structure([.init("e", none)])
        let record = row(
            [
                ("n", .int64, .int64(1)), ("META", .string, .string("mine")),
                ("o", outer, .structure(ConnectStruct(outer, values: [.structure(ConnectStruct(none))]))),
            ])
        // BigQuery's own words for a name that the table has not.
        try await TableServer.run({ request, _ in
            guard request.line.hasSuffix("/insertAll") else { return nil }
            let names = request.rows.flatMap { ($0["json"]?.members ?? []).map(\.0) }
            let unknown = names.first { !["n", "meta"].contains($0) }
            return unknown.map { TableServer.insertErrors(request, [0: ("invalid", "no such field: \($0).")]) }
        }) { url, server in
            try await put(settings(url, ["kafkaDataFieldName": "meta", "allowNewBigQueryFields": "true"]), [record])
            #expect(server.columns("t") == ["n:INTEGER:REQUIRED", "meta:RECORD:NULLABLE"])
            #expect(server.inserts.count == 1)
        }
    }

    // MARK: tokens

    private func key(_ url: String) throws -> [String: String] {
        let members = [
            "type": "service_account", "client_email": "me@p", "private_key": RSATestKey.pkcs8, "private_key_id": "k1",
            "token_uri": url + "/token",
        ]
        return [
            "keyfile": String(decoding: try JSONEncoder().encode(members), as: UTF8.self), "keySource": "JSON",
        ]
    }

    @Test func `a token is asked for once, and again when it is refused`() async throws {
        try await TableServer.run({ request, number in
            if request.line == "POST /token" {
                return (200, #"{"access_token":"t\#(number)","expires_in":3600,"token_type":"Bearer"}"#)
            }
            // The second answer to rows: the token has ended early.
            return request.headers["authorization"] == "Bearer t0" && request.line.hasSuffix("/insertAll")
                ? TableServer.error(401, "authError", "Invalid Credentials") : nil
        }) { url, server in
            try await put(settings(url, key(url)), rows(1))
            let asked = server.requests.filter { $0.line == "POST /token" }
            #expect(asked.count == 2)
            let body = try #require(asked.first?.body)
            #expect(body.hasPrefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="))
            let parts = body.split(separator: "=").last?.split(separator: ".") ?? []
            let claims = parts.dropFirst().first.flatMap { part in
                Data(base64Encoded: String(part) + String(repeating: "=", count: (4 - part.count % 4) % 4))
            }
            #expect(
                claims.map { String(decoding: $0, as: UTF8.self) }
                    == #"{"iss":"me@p","scope":"https://www.googleapis.com/auth/bigquery","aud":"\#(url)/token","iat":1795737600,"exp":1795741200}"#
            )
            #expect(server.requests.first { $0.line.hasPrefix("GET") }?.headers["authorization"] == "Bearer t0")
            #expect(server.inserts.map { $0.headers["authorization"] } == ["Bearer t0", "Bearer t1"])
        }
    }

    @Test func `credentials that are refused end the task, in words`() async throws {
        try await TableServer.run({ request, _ in
            request.line == "POST /token"
                ? (400, #"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#) : nil
        }) { url, _ in
            let failure = try await #require(throws: ConnectError.self) {
                try await put(settings(url, key(url)), rows(1))
            }
            #expect(failure.message.contains("HTTP 400: invalid_grant: Invalid JWT Signature. (check keyfile"))
            #expect(!failure.isRetriable && !failure.message.contains("eyJ"))
        }
        try await TableServer.run({ request, _ in request.line == "POST /token" ? (503, "") : nil }) { url, server in
            let failure = await #expect(throws: ConnectError.self) {
                try await put(settings(url, key(url)), rows(1))
            }
            #expect(failure?.isRetriable == true && server.lines.count { $0 == "POST /token" } == 6)
        }
    }
}
