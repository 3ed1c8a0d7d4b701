import Cluster
import JSONFormat
import NIOCore
import SchemaRules
import Synchronization
import TestKit
import Testing

@testable import RegistryService

@Suite struct NodesTests {
    private func leads(_ node: Node) -> Bool { node.server.registry.leadership.epoch != nil }

    /// Waits for something that other tasks bring about, without depending on how long they take.
    private func wait(for what: String, _ condition: () async throws -> Bool) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(120)
        while try await !condition() {
            try #require(clock.now < deadline, "\(what) did not come about")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test func `one node leads, the others forward, and another one leads when it is gone`() async throws {
        try await TestPlatform.with { platform in
            let first = try await platform.start { $0.isLazy = false }
            try await wait(for: "a leader") { leads(first) }
            let second = try await platform.start { $0.isLazy = false }
            try await wait(for: "a follower") {
                if case .follower = second.server.registry.leadership.role { true } else { false }
            }
            #expect(leads(first), "who leads goes on")

            #expect(try await second.register("t", message(["a"])).text.contains(#""id":1,"version":1"#))
            #expect(try await first.register("t", message(["a", "b"])).text.contains(#""id":2,"version":2"#))
            let refused = try await second.register("t", message(["a"], type: "int32"))
            #expect(refused.status == 409, "the leader's answer comes through: \(refused)")
            try await wait(for: "the write at the other node") {
                try await second.ask("GET", "/subjects/t/versions").text == "[1,2]"
            }
            #expect(try await second.ask("PUT", "/config/t", #"{"compatibility":"NONE"}"#).status == 200)
            #expect(try await second.ask("DELETE", "/subjects/t/versions/1").text == "1")
            let looped = try await second.ask(
                "PUT", "/config/t", #"{"compatibility":"FULL"}"#, headers: [("X-Forward", "true")])
            #expect(looped.code == 50004)

            await first.server.stop()
            try await wait(for: "the other leader") { leads(second) }
            let registered = try await second.register("t", message(["a", "b", "c"]))
            #expect(registered.text.contains(#""id":3,"version":3"#), "\(registered)")
            await second.server.stop()
        }
    }

    @Test func `a broker whose registry nobody uses has neither topic nor group`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                #expect(try await node.ask("GET", "/subjects").text == "[]")
                #expect(try await node.ask("GET", "/schemas/ids/1").status == 404)
                #expect(try await platform.cluster.topics().isEmpty)
                #expect(try await node.register("t", message(["a"])).status == 200)
                let topic = try await platform.cluster.topic("_schemas")
                #expect(topic.partitions.count == 1)
                let policy = try await platform.cluster.configs(of: .topic("_schemas")).first {
                    $0.name == "cleanup.policy"
                }
                #expect(policy?.value == "compact")
            }
            // Now it joins at once.
            try await platform.withNode { node in
                try await wait(for: "a leader") { leads(node) }
                #expect(try await node.ask("GET", "/subjects").text == #"["t"]"#)
            }
        }
    }

    @Test func `takes over a topic that others have written`() async throws {
        let records: [(String, String?)] = [
            (#"{"keytype":"NOOP","magic":0}"#, nil),
            (
                #"{"keytype":"SCHEMA","subject":"t","version":1,"magic":1}"#,
                #"{"subject":"t","version":1,"id":7,"schemaType":"PROTOBUF","schema":"syntax = \"proto3\";\n\nmessage M {\n  string a = 1;\n}\n","deleted":false}"#
            ),
            ("not a key", "x"), (#"{"keytype":"EXPORTER","name":"e"}"#, "{}"),
            (#"{"magic":0,"subject":null,"keytype":"CONFIG"}"#, #"{"compatibilityLevel":"FULL"}"#),
            (#"{"keytype":"CONFIG","subject":"t","magic":0}"#, #"{"compatibilityLevel":"NONE","newer":1}"#),
            (#"{"keytype":"SCHEMA","subject":"u","version":1,"magic":1}"#, "{}"),
            (
                #"{"keytype":"SCHEMA","subject":"t","version":2,"magic":1}"#,
                #"{"subject":"t","version":2,"id":9,"schemaType":"PROTOBUF","schema":"syntax = \"proto3\";\n\nmessage M {\n  string b = 1;\n}\n","deleted":true}"#
            ),
            (#"{"keytype":"MODE","subject":"r","magic":0}"#, #"{"mode":"READONLY"}"#),
        ]
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(
                NewTopic("_schemas", partitionCount: 1, configs: ["cleanup.policy": "compact"]), validateOnly: false)
            let writer = try await platform.cluster.writer(.acks(.all))
            _ = try await writer.write(
                records.map {
                    ProducerRecord(key: ByteBuffer(string: $0.0), value: $0.1.map { ByteBuffer(string: $0) })
                }, to: "_schemas")
            await writer.close()
            try await platform.withNode { node in
                #expect(try await node.ask("GET", "/subjects").text == #"["t"]"#)
                #expect(try await node.ask("GET", "/subjects/t/versions?deleted=true").text == "[1,2]")
                #expect(try await node.ask("GET", "/config").text == #"{"compatibilityLevel":"FULL"}"#)
                #expect(try await node.ask("GET", "/config/t").text == #"{"compatibilityLevel":"NONE"}"#)
                #expect(try await node.ask("GET", "/mode/r").text == #"{"mode":"READONLY"}"#)
                #expect(try await node.register("t", message(["a"])).text.contains(#""id":7,"version":1"#))
                let next = try await node.register("t", message(["a", "c"]))
                #expect(next.text.contains(#""id":10,"version":3"#), "\(next)")
                #expect(node.server.registry.log.skipped.load(ordering: .relaxed) == 3)
            }
        }
    }

    /// As versions wrote it that kept an alias which is named by its full name and by its short one twice.
    @Test func `a schema that was stored with an alias twice is still the client's`() async throws {
        func text(_ aliases: String, _ more: String = "") -> String {
            #"{"type":"record","name":"R","namespace":"n","fields":[{"name":"x","type":"int"}],"aliases":[\#(aliases)]\#(more)}"#
        }
        func body(_ text: String) -> String {
            String(decoding: JSONValue.object([("schema", .string(text))]).bytes, as: UTF8.self)
        }
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(
                NewTopic("_schemas", partitionCount: 1, configs: ["cleanup.policy": "compact"]), validateOnly: false)
            let writer = try await platform.cluster.writer(.acks(.all))
            let value = JSONValue.object([
                ("subject", .string("s")), ("version", .number(1)), ("id", .number(7)),
                ("schema", .string(text(#""A","A""#))), ("deleted", .bool(false)),
            ])
            _ = try await writer.write(
                [
                    ProducerRecord(
                        key: ByteBuffer(string: #"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#),
                        value: ByteBuffer(bytes: value.bytes))
                ], to: "_schemas")
            await writer.close()
            try await platform.withNode { node in
                for (path, aliases) in [
                    ("/subjects/s", #""n.A","A""#), ("/subjects/s/versions", #""n.A","A""#), ("/subjects/s", #""A""#),
                    ("/subjects/s/versions?normalize=true", #""A","n.A""#),
                ] {
                    let answer = try await node.ask("POST", path, body(text(aliases)))
                    #expect(answer.json["id"] == .number(7), "\(path): \(answer)")
                    #expect(answer.json["version"] == .number(1), "\(path): \(answer)")
                }
                #expect(try await node.ask("POST", "/subjects/s", body(text(#""B""#))).code == 40403)
                #expect(try await node.ask("GET", "/subjects/s/versions").text == "[1]")
            }
        }
    }

    @Test(
        arguments: [(2, "compact", "2 partitions"), (1, "delete", "cleanup.policy=delete")] as [(Int32, String, String)]
    )
    func `a topic that would lose schemas is refused`(partitions: Int32, policy: String, words: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(
                NewTopic("_schemas", partitionCount: partitions, configs: ["cleanup.policy": policy]),
                validateOnly: false)
            do {
                let node = try await platform.start()
                await node.server.stop()
                Issue.record("it started")
            } catch RegistryServer.StartFailure.cluster(let error) {
                #expect(error.message.contains(words), "\(error)")
            }
        }
    }

    @Test func `a topic that is deleted takes its schemas along, and a new one is made`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                _ = try await node.register("a", message(["a"]))
                #expect(try await node.register("b", message(["b"])).text.contains(#""id":2"#))
                try await platform.cluster.deleteTopic("_schemas")
                try await wait(for: "the empty registry") { try await node.ask("GET", "/subjects").text == "[]" }
                try await wait(for: "a registration") { try await node.register("c", message(["c"])).status == 200 }
                #expect(try await node.ask("GET", "/schemas/ids/1").text.contains("string c"))
                #expect(try await node.ask("GET", "/subjects").text == #"["c"]"#)
            }
        }
    }

    @Test func `groups that read the topic are told what they would have to read`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await platform.cluster.createTopic(NewTopic("orders", partitionCount: 1), validateOnly: false)
                try await platform.cluster.alterGroupOffsets(
                    "billing", [TopicPartition("orders", 0): CommittedOffset(0)])
                _ = try await node.register("orders-value", message(["a"]))
                let body = String(decoding: message(["a"], type: "int32").bytes, as: UTF8.self)
                let answer = try await node.ask(
                    "POST", "/compatibility/subjects/orders-value/versions?impact=true", body)
                let impact = answer.json["impact"]?.elements ?? []
                #expect(impact.count == 1, "\(answer)")
                #expect(impact.first?["kind"]?.text == "consumer-group")
                #expect(impact.first?["name"]?.text == "billing")
                let reason = impact.first?["reason"]?.text ?? ""
                #expect(reason.contains("versions 1, 2 (this one)"), "\(reason)")
                #expect(reason.contains("cannot read it: version 1"), "\(reason)")
            }
        }
    }

    /// Any changes, then the topic read anew: the same state, and the state that the server answers from.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `the topic holds the whole state`(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let subjects = ["a", "b", ":.c:a"]
                for _ in 0..<60 {
                    let subject = subjects[Int.random(in: 0..<3, using: &random)]
                    let version = Int.random(in: 1...4, using: &random)
                    let permanent = Bool.random(using: &random) ? "?permanent=true" : ""
                    switch Int.random(in: 0..<10, using: &random) {
                    case 0: _ = try await node.ask("DELETE", "/subjects/\(subject)\(permanent)")
                    case 1, 2: _ = try await node.ask("DELETE", "/subjects/\(subject)/versions/\(version)\(permanent)")
                    case 3:
                        let level = CompatibilityLevel.allCases[Int.random(in: 0..<7, using: &random)]
                        _ = try await node.ask("PUT", "/config/\(subject)", #"{"compatibility":"\#(level.rawValue)"}"#)
                    default:
                        let fields = ["a", "b", "c", "d"].prefix(Int.random(in: 1...4, using: &random))
                        _ = try await node.register(subject, message(Array(fields)))
                    }
                }
                var replayed = RegistryState()
                let reader = try await platform.cluster.reader(
                    TopicPartition("_schemas", 0), from: .beginning, isolation: .readCommitted)
                let end = node.server.registry.holder.read { $0.position }
                while reader.position < end {
                    let batches = try await reader.next(maxBytes: 1 << 20, timeout: .seconds(30))
                    for record in try batches.records() {
                        let change = try RegistryRecord.parse(
                            key: record.key.map { Array($0.readableBytesView) },
                            value: record.value.map { Array($0.readableBytesView) })
                        replayed.apply(change, offset: record.offset, timestamp: record.timestamp)
                    }
                }
                reader.close()
                let live = node.server.registry.holder.read { $0 }
                for subject in subjects {
                    #expect(replayed.summary(subject) == live.summary(subject))
                    #expect(replayed.config(subject) == live.config(subject))
                }
                #expect(replayed.versionCount == live.versionCount)
                #expect(replayed.idMax(in: ".") == live.idMax(in: "."))
            }
        }
    }
}
