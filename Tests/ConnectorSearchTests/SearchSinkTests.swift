import ConnectCore
import Foundation
import HTTPCalls
import Synchronization
import Testing

@testable import ConnectorSearch

@Suite struct SearchSinkTests {
    private let offsets = [SinkPartition(topic: "t", partition: 0): Int64(9)]

    private func put(
        _ url: String, _ properties: [String: String], _ records: [ConnectRecord],
        _ context: SinkContext = SinkContext()
    ) async throws {
        let task = try SearchSinkPlugin(.elasticsearch, version: "1").makeTask(
            [
                "connection.url": url, "key.ignore": "true", "schema.ignore": "true", "retry.backoff.ms": "0",
                "connection.timeout.ms": "60000", "read.timeout.ms": "60000",
            ].merging(properties) { $1 }, context)
        do {
            try await task.start()
            try await task.put(records)
            #expect(try await task.preCommit(offsets) == offsets)
        } catch {
            await task.stop()
            throw error
        }
        await task.stop()
    }

    private func values(_ count: Int64) -> [ConnectRecord] {
        (0..<count).map { record(object([("n", .int64($0))]), offset: $0) }
    }

    @Test func `makes the index and sends in batches`() async throws {
        try await SearchServer.run { url, server in
            try await put(url, ["batch.size": "4"], values(10))
            #expect(server.requests.prefix(3).map(\.line) == ["GET /", "HEAD /t", "PUT /t"])
            #expect(server.bulks.map { $0.split(separator: "\n").count / 2 }.sorted() == [2, 4, 4])
            let sent = server.bulks.joined()
            #expect((0..<10).allSatisfy { sent.contains("\"t+0+\($0)\"") })
        }
    }

    @Test func `what may wait waits for the commit`() async throws {
        try await SearchServer.run { url, server in
            let task = try SearchSinkPlugin(.elasticsearch, version: "1").makeTask(
                [
                    "connection.url": url, "key.ignore": "true", "schema.ignore": "true", "linger.ms": "600000",
                    "batch.size": "4",
                ], SinkContext())
            try await task.start()
            try await task.put(values(6))
            #expect(server.bulks.count == 1)
            _ = try await task.preCommit(offsets)
            #expect(server.bulks.count == 2)
            try await task.put(values(2))
            await task.close([SinkPartition(topic: "t", partition: 0)])
            _ = try await task.preCommit([:])
            #expect(server.bulks.count == 2)
            await task.stop()
        }
    }

    @Test func `only what failed is sent again`() async throws {
        try await SearchServer.run({ line, body, number in
            guard line == "POST /_bulk" else { return SearchServer.taking(line, body, number) }
            if number == 0 { return (503, "busy") }
            guard number == 1 else { return SearchServer.items(body) }
            return SearchServer.items(body) {
                $0 == 1 ? (429, #"{"type":"es_rejected_execution_exception","reason":"full"}"#) : nil
            }
        }) { url, server in
            try await put(url, [:], values(3))
            #expect(server.bulks.map { $0.split(separator: "\n").count / 2 } == [3, 3, 1])
            #expect(server.bulks.last?.contains("t+0+1") == true)
        }
    }

    @Test func `gives up after the last attempt`() async throws {
        try await SearchServer.run({ line, body, number in
            line == "POST /_bulk"
                ? (503, #"{"error":{"type":"x","reason":"down"}}"#) : SearchServer.taking(line, body, number)
        }) { url, server in
            let failure = await #expect(throws: ConnectError.self) {
                try await put(url, ["max.retries": "2"], values(1))
            }
            #expect(server.bulks.count == 3)
            #expect(failure?.message.contains("Failed after 3 attempts") == true && failure?.isRetriable == false)
        }
    }

    @Test(arguments: ["ignore", "warn", "fail"])
    func `documents that the server will not take`(behaviour: String) async throws {
        try await SearchServer.run({ line, body, number in
            guard line == "POST /_bulk" else { return SearchServer.taking(line, body, number) }
            return SearchServer.items(body) {
                $0 == 0 ? (400, #"{"type":"document_parsing_exception","reason":"no number"}"#) : nil
            }
        }) { url, _ in
            let context = SinkContext(isTolerant: true)
            let properties = [
                "behavior.on.malformed.documents": behaviour, "errors.tolerance": "all", "errors.log.enable": "true",
            ]
            if behaviour == "fail" {
                let failure = await #expect(throws: ConnectError.self) {
                    try await put(url, properties, values(2), context)
                }
                #expect(failure?.message.contains("document_parsing_exception: no number") == true)
            } else {
                try await put(url, properties, values(2), context)
            }
            #expect(context.reported.withLock { $0.map(\.record.kafkaOffset) } == [0])
        }
    }

    @Test func `older versions are no failure, other refusals are`() async throws {
        let conflict = #"{"type":"version_conflict_engine_exception","reason":"newer"}"#
        try await SearchServer.run({ line, body, number in
            line == "POST /_bulk"
                ? SearchServer.items(body) { _ in (409, conflict) } : SearchServer.taking(line, body, number)
        }) { url, server in
            try await put(url, ["key.ignore": "false"], [record(object([]), key: .string("k"))])
            #expect(server.bulks.count == 1)
        }
        try await SearchServer.run({ line, body, number in
            line == "POST /_bulk"
                ? SearchServer.items(body) { _ in (403, #"{"type":"cluster_block_exception","reason":"read only"}"#) }
                : SearchServer.taking(line, body, number)
        }) { url, _ in
            await #expect(throws: ConnectError.self) {
                try await put(url, ["behavior.on.malformed.documents": "ignore"], values(1))
            }
        }
    }

    /// The worker asks for offsets after a failure, too; those of records that waited count as delivered.
    @Test func `a refusal of what had waited commits nothing`() async throws {
        try await SearchServer.run({ line, body, number in
            guard line == "POST /_bulk" else { return SearchServer.taking(line, body, number) }
            return SearchServer.items(body) { _ in (403, #"{"type":"cluster_block_exception","reason":"read only"}"#) }
        }) { url, _ in
            let context = SinkContext(isTolerant: true)
            let task = try SearchSinkPlugin(.elasticsearch, version: "1").makeTask(
                [
                    "connection.url": url, "key.ignore": "true", "schema.ignore": "true", "linger.ms": "600000",
                    "batch.size": "4",
                ], context)
            try await task.start()
            try await task.put(values(4))
            await #expect(throws: ConnectError.self) { try await task.put([record(object([]), offset: 4)]) }
            await #expect(throws: ConnectError.self) { try await task.preCommit(offsets) }
            await task.stop()
        }
    }

    @Test func `a request that is too large is halved`() async throws {
        try await SearchServer.run({ line, body, number in
            guard line == "POST /_bulk" else { return SearchServer.taking(line, body, number) }
            return body.split(separator: "\n").count > 4 ? (413, "") : SearchServer.items(body)
        }) { url, server in
            try await put(url, [:], values(5))
            #expect(
                server.bulks.filter { $0.split(separator: "\n").count <= 4 }.joined().split(separator: "\n").count == 10
            )
        }
    }

    @Test func `the mapping comes from the schema, once`() async throws {
        let schema = ConnectSchema.structure([.init("n", .int64)])
        try await SearchServer.run { url, server in
            let records = (0..<3).map {
                record(.structure(ConnectStruct(schema, values: [.int64($0)])), offset: $0, schema: schema)
            }
            try await put(url, ["schema.ignore": "false"], records)
            let mappings = server.requests.filter { $0.line == "PUT /t/_mapping" }
            #expect(mappings.map(\.body) == [#"{"properties":{"n":{"type":"long"}}}"#])
        }
        try await SearchServer.run { url, _ in
            let failure = await #expect(throws: ConnectError.self) {
                try await put(url, ["schema.ignore": "false"], values(1))
            }
            #expect(failure?.message == "Cannot infer mapping without schema.")
        }
    }

    @Test func `records that make no document`() async throws {
        try await SearchServer.run { url, server in
            let records = [record(.null), record(object([("n", .int32(1))]), key: .string("k"))]
            let properties = ["key.ignore": "false", "behavior.on.null.values": "fail"]
            await #expect(throws: ConnectError.self) { try await put(url, properties, records) }
            try await put(url, properties.merging(["drop.invalid.message": "true"]) { $1 }, records)
            #expect(server.bulks.count == 1)
        }
    }

    @Test(arguments: [("all", [0]), ("none", [])] as [(String, [Int64])])
    func `ignored nulls are dead letters where there may be any`(tolerance: String, expected: [Int64]) async throws {
        try await SearchServer.run { url, server in
            let context = SinkContext(isTolerant: true)
            let records = [record(.null, key: .string("k")), record(object([("n", .int32(1))]), offset: 1)]
            try await put(
                url, ["behavior.on.null.values": "ignore", "errors.tolerance": tolerance, "errors.log.enable": "true"],
                records, context)
            #expect(context.reported.withLock { $0.map(\.record.kafkaOffset) } == expected)
            #expect(server.bulks.count == 1)
        }
    }

    @Test func `the next node when one does not answer`() async throws {
        try await SearchServer.run { url, server in
            try await put("http://127.0.0.1:1,\(url)", [:], values(1))
            #expect(server.bulks.count == 1)
        }
        let failure = await #expect(throws: ConnectError.self) {
            try await put("http://u:secret@127.0.0.1:1", ["max.retries": "1"], values(1))
        }
        #expect(failure?.message.contains("127.0.0.1:1") == true && failure?.message.contains("secret") == false)
    }

    @Test func `options that do not go together`() async {
        func options(_ properties: [String: String]) async -> [String] {
            await SearchSinkPlugin(.elasticsearch, version: "1").problems(
                with: ["connection.url": "http://h"].merging(properties) { $1 }
            ).map(\.option)
        }
        #expect(await options([:]) == [])
        #expect(await options(["connection.url": "h:9200"]) == ["connection.url"])
        #expect(await options(["connection.username": "u"]) == ["connection.password"])
        #expect(await options(["data.stream.type": "logs"]) == ["data.stream.dataset"])
        #expect(await options(["type.name": "type.name=kafkaconnect"]) == [])
    }

    /// `SWIFTWATER_TEST_ELASTICSEARCH=http://host:port` runs this against a real server.
    @Test(
        .enabled(if: ProcessInfo.processInfo.environment["SWIFTWATER_TEST_ELASTICSEARCH"] != nil, "no server is named"))
    func `a real server`() async throws {
        let url = try #require(ProcessInfo.processInfo.environment["SWIFTWATER_TEST_ELASTICSEARCH"])
        let topic = "Real_\(UUID().uuidString)"
        let index = topic.lowercased()
        func get(_ path: String) async throws -> String {
            let caller = try HTTPCaller(HTTPCaller.Settings())
            let response = try await caller.send(.init("GET", url + path))
            await caller.close()
            return String(decoding: response.body, as: UTF8.self)
        }
        let schema = ConnectSchema.structure([.init("n", .int64), .init("s", .optionalString)])
        func row(_ n: Int64, _ text: String, _ key: String, _ offset: Int64) -> ConnectRecord {
            record(
                .structure(ConnectStruct(schema, values: [.int64(n), .string(text)])), key: .string(key),
                offset: offset,
                topic: topic, schema: schema)
        }
        let properties = ["key.ignore": "false", "schema.ignore": "false", "behavior.on.null.values": "delete"]
        let first = (0..<3000).map { row($0, "x", "k\($0)", $0) }
        try await put(url, properties, first)
        // The same again changes nothing; a newer one replaces; an older one does not; a deletion deletes.
        try await put(url, properties, Array(first.prefix(100)))
        try await put(
            url, properties,
            [
                row(7, "new", "k7", 5000), row(8, "old", "k8", 2),
                record(.null, key: .string("k9"), offset: 5001, topic: topic),
            ])
        _ = try await get("/\(index)/_refresh")
        #expect(try await get("/\(index)/_count").contains("\"count\":2999"))
        #expect(try await get("/\(index)/_doc/k7").contains("new"))
        #expect(try await !get("/\(index)/_doc/k8").contains("old"))
        #expect(try await get("/\(index)/_mapping").contains("\"keyword\""))
        let context = SinkContext(isTolerant: true)
        let bad = record(object([("n", .string("no number"))]), key: .string("bad"), offset: 6000, topic: topic)
        try await put(
            url,
            [
                "key.ignore": "false", "behavior.on.malformed.documents": "warn", "errors.tolerance": "all",
                "errors.log.enable": "true",
            ], [bad],
            context)
        #expect(context.reported.withLock { $0.count } == 1)
    }
}
