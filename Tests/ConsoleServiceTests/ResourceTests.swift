import Administration
import Cluster
import JSONFormat
import NIOCore
import NIOHTTP1
import RecordBatches
import Testing

@testable import ConsoleService

/// Topics, groups and dead letters over the API, on a broker of this process.
@Suite struct ResourceTests {
    @Test func `topics are made, changed, cut and deleted`() async throws {
        try await TestConsole.with { console in
            let body = "{\"name\": \"a.b\", \"partitions\": 2, \"configs\": {\"retention.ms\": \"60000\"}}"
            #expect(try await console.ask(.POST, "/api/topics", try .read(body)).status == 201)
            #expect(try await console.ask(.POST, "/api/topics", try .read(body)).status == 409)
            #expect(try await console.ask(.POST, "/api/topics", try .read("{}")).status == 400)
            try await console.write("a.b", (0..<10).map { ("k", "v\($0)") })
            let topic = try await console.ask(.GET, "/api/topics/a.b").json
            #expect(topic["partitions"]?.elements?.count == 2)
            #expect(topic["partitions"]?.elements?.first?["end_offset"]?.integer == 10)
            #expect((topic["partitions"]?.elements?.first?["log_bytes"]?.integer ?? 0) > 0)
            let retention = topic["configs"]?.elements?.first { $0["name"]?.text == "retention.ms" }
            #expect(retention?["value"]?.text == "60000" && retention?["source"]?.text == "topic")
            #expect(retention?["default_value"]?.text == "604800000")
            #expect(retention?["documentation"]?.text?.isEmpty == false)

            let cut = try await console.ask(.POST, "/api/topics/a.b/truncate", try .read("{\"0\": 4}"))
            #expect(cut.json["start_offsets"]?["0"]?.integer == 4)
            let changed = try await console.ask(
                .PATCH, "/api/topics/a.b/configs",
                try .read("{\"set\": {\"cleanup.policy\": \"compact\"}, \"delete\": [\"retention.ms\"]}"))
            #expect(changed.status == 200)
            let list = try await console.ask(.GET, "/api/topics").json.elements ?? []
            let row = list.first { $0["name"]?.text == "a.b" }
            #expect(row?["cleanup_policy"]?.text == "compact")
            #expect(
                try await console.ask(.PATCH, "/api/topics/a.b/configs", try .read("{\"set\": {\"no\": \"1\"}}")).status
                    == 400)

            #expect(
                try await console.ask(.POST, "/api/topics/a.b/partitions", try .read("{\"count\": 4}")).status == 200)
            #expect(try await console.ask(.DELETE, "/api/topics/a.b").status == 204)
            #expect(try await console.ask(.GET, "/api/topics/a.b").status == 404)
        }
    }

    @Test func `groups are looked at and moved, after a dry run`() async throws {
        try await TestConsole.with { console in
            try await console.cluster.createTopic(NewTopic("t", partitionCount: 1), validateOnly: false)
            try await console.write("t", (0..<10).map { (nil, "v\($0)") })
            try await console.cluster.alterGroupOffsets("g", [TopicPartition("t", 0): CommittedOffset(4)])
            let list = try await console.ask(.GET, "/api/groups").json.elements ?? []
            #expect(list.first?["id"]?.text == "g" && list.first?["lag"]?.integer == 6)
            let group = try await console.ask(.GET, "/api/groups/g").json
            #expect(group["offsets"]?.elements?.first?["committed"]?.integer == 4)
            #expect(group["history"]?.elements?.last?["lag"]?.integer == 6)
            let dry = try await console.ask(.POST, "/api/groups/g/reset", try .read("{\"to\": \"earliest\"}"))
            #expect(dry.json["applied"]?.flag == false)
            #expect(dry.json["plan"]?.elements?.first?["to"]?.integer == 0)
            #expect(try await console.cluster.groupOffsets("g").values.first?.offset == 4)
            let done = try await console.ask(
                .POST, "/api/groups/g/reset",
                try .read("{\"to\": \"shift:3\", \"dry_run\": false, \"topics\": [\"t\"]}"))
            #expect(done.json["applied"]?.flag == true)
            #expect(try await console.cluster.groupOffsets("g").values.first?.offset == 7)
            for body in ["{\"to\": \"tomorrow\"}", "{}", "{\"to\": \"offset:-1\"}"] {
                #expect(try await console.ask(.POST, "/api/groups/g/reset", try .read(body)).status == 400, "\(body)")
            }
            #expect(
                try await console.ask(.POST, "/api/groups/no/reset", try .read("{\"to\": \"latest\"}")).status == 404)
            #expect(try await console.ask(.DELETE, "/api/groups/g").status == 204)
            #expect(try await console.ask(.GET, "/api/groups/g").status == 404)
        }
    }

    @Test func `dead letters are shown with their reason, mended and sent again`() async throws {
        try await TestConsole.with { console in
            for topic in ["t", "dlq"] {
                try await console.cluster.createTopic(NewTopic(topic, partitionCount: 1), validateOnly: false)
            }
            func header(_ name: String, _ value: String) -> RecordHeader {
                RecordHeader(key: DeadLetters.prefix + name, value: Array(value.utf8))
            }
            let writer = try await console.cluster.writer(.idempotent)
            _ = try await writer.write(
                (0..<3).map { number in
                    ProducerRecord(
                        key: ByteBuffer(string: "k"), value: ByteBuffer(string: "bad\(number)"),
                        headers: [
                            header("topic", "t"), header("partition", "0"), header("offset", "\(number)"),
                            header("stage", "VALUE_CONVERTER"), header("exception.message", "not JSON"),
                            RecordHeader(key: "own", value: [0x31]),
                        ])
                }, to: "dlq")
            await writer.close()
            let letters =
                try await console.ask(.GET, "/api/dead-letters?topic=dlq&limit=2").json["messages"]?.elements ?? []
            // The oldest come first, as they go back in their order.
            #expect(letters.compactMap { $0["offset"]?.integer } == [0, 1])
            #expect(letters.first?["reason"]?["message"]?.text == "not JSON")
            #expect(letters.first?["reason"]?["offset"]?.integer == 0)
            #expect(letters.first?["sent_again"]?.flag == false)

            let mended = try await console.ask(
                .POST, "/api/dead-letters/redrive",
                try .read(
                    """
                    {"topic": "dlq", "messages": [{"partition": 0, "offset": 1,
                     "value": {"format": "json", "text": "{\\"a\\":1}"}}]}
                    """))
            #expect(mended.json["written"]?.integer == 1)
            #expect(mended.json["to"]?.elements?.first?.text == "t")
            let sent =
                try await console.ask(.GET, "/api/topics/t/messages?from=earliest").json["messages"]?.elements ?? []
            #expect(sent.count == 1 && sent.first?["value"]?["json"]?["a"]?.integer == 1)
            #expect(sent.first?["headers"]?.elements?.compactMap { $0["key"]?.text } == ["own"])

            // One that stands behind another is not remembered as sent, a row from the first on is.
            func sentAgain() async throws -> [Bool?] {
                (try await console.ask(.GET, "/api/dead-letters?topic=dlq").json["messages"]?.elements ?? []).map {
                    $0["sent_again"]?.flag
                }
            }
            #expect(try await sentAgain() == [false, false, false])
            _ = try await console.ask(
                .POST, "/api/dead-letters/redrive",
                try .read(
                    """
                    {"topic": "dlq", "messages": [{"partition": 0, "offset": 1}, {"partition": 0, "offset": 0}]}
                    """))
            #expect(try await sentAgain() == [true, true, false])

            // All that wait; a second time none do.
            for count in [1, 0] as [Int64] {
                let all = try await console.ask(
                    .POST, "/api/dead-letters/redrive", .object([("topic", .string("dlq"))]))
                #expect(all.json["written"]?.integer == count)
            }
            #expect(
                try await console.ask(
                    .POST, "/api/dead-letters/redrive",
                    try .read("{\"topic\": \"dlq\", \"messages\": [{\"partition\": 0, \"offset\": 99}]}")
                ).status == 404)

            // Letters that are gone are waited for by nobody.
            try await console.write("dlq", [(nil, "bad3"), (nil, "bad4")])
            _ = try await console.cluster.deleteRecords(TopicPartition("dlq", 0), before: 4)
            for messages in [#"[{"partition": 0, "offset": 4}]"#, "null"] {
                let all = try await console.ask(
                    .POST, "/api/dead-letters/redrive",
                    try .read("{\"topic\": \"dlq\", \"to\": \"t\", \"messages\": \(messages)}"))
                #expect(all.json["written"]?.integer == (messages == "null" ? 0 : 1))
            }
            #expect(try await sentAgain() == [true])
        }
    }

    @Test func `the looking goes on only while somebody watches`() async throws {
        try await TestConsole.with { console in
            let sampler = Sampler(console.cluster, now: { 0 })
            #expect(await !sampler.isLooking)
            _ = try await sampler.sample()
            #expect(await sampler.isLooking)
            await sampler.stop()
            let answer = try await console.ask(.GET, "/api/overview").json
            #expect(answer["health"]?.elements?.first?["state"]?.text == "ok")
            #expect(answer["health"]?.elements?.last?["state"]?.text == "absent")
            #expect((answer["totals"]?["disk_total_bytes"]?.integer ?? 0) > 0)
            #expect((answer["totals"]?["memory_bytes"]?.integer ?? 0) > 0)
            let about = try await console.ask(.GET, "/api/about").json
            #expect(about["inbox"]?.flag == true && about["cluster_id"]?.text != nil)
            #expect(about["services"]?["registry"]?["url"]?.text == nil)
            #expect(try await console.ask(.GET, "/api/lineage").json["nodes"]?.elements != nil)
        }
    }
}
