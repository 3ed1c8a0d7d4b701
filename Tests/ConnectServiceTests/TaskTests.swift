import Broker
import Cluster
import Compression
import ConnectCore
import Foundation
import JSONFormat
import Logging
import NIOCore
import RecordBatches
import Synchronization
import TestKit
import Testing

@testable import ConnectService

@Suite(.serialized) struct TaskTests {
    private static let source = ["connector.class": "CountingSource", "topic": "lines", "count": "100"]
    private static let sink = ["connector.class": "KeepingSink", "topics": "lines"]

    @Test func `a source's records and offsets are in their topics`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                let answer = try await worker.create("s", Self.source)
                #expect(answer.status == 201, "\(answer)")
                try await eventually("running") { try await worker.states("s") == "RUNNING / RUNNING" }
                try await eventually("all offsets") {
                    try await worker.ask("GET", "/connectors/s/offsets").text
                        == #"{"offsets":[{"partition":{"task":"0"},"offset":{"next":100}}]}"#
                }
                let values = try await platform.records("lines").map { $0.value.map { String(buffer: $0) } ?? "" }
                #expect(values == (0..<100).map { "line \($0)" })
                let topics = try await worker.ask("GET", "/connectors/s/topics").text
                #expect(topics == #"{"s":{"topics":["lines"]}}"#)
            }
        }
    }

    @Test func `records that a source has written have its headers`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                _ = try await worker.create("s", Self.source.merging(["written": "true"]) { $1 })
                try await eventually("all lines") { (try? await platform.records("lines").count) == 100 }
            }
            let records = try await platform.records("lines")
            #expect(records.map { $0.value.map { String(buffer: $0) } ?? "" } == (0..<100).map { "line \($0)" })
            for record in records {
                let texts = record.headers.map { String(decoding: $0.value ?? [], as: UTF8.self) }
                #expect(record.headers.map(\.key) == ["run", "task"] && texts == ["r1", "0"])
            }
        }
    }

    @Test(arguments: [true, false])
    func `a source goes on where it was, exactly once and at least once`(isExact: Bool) async throws {
        let worker = isExact ? [:] : ["exactly.once.source.support": "disabled"]
        try await TestPlatform.with { platform in
            for count in ["50", "120"] {
                try await platform.withWorker(worker) { worker in
                    _ = try await worker.create("s", Self.source.merging(["count": count]) { $1 })
                    try await eventually("\(count) lines") {
                        (try? await platform.records("lines").count) == Int(count)
                    }
                }
            }
            let values = try await platform.records("lines").map { $0.value.map { String(buffer: $0) } ?? "" }
            #expect(values == (0..<120).map { "line \($0)" })
        }
    }

    @Test func `a task that fails says why and stays so until it is restarted`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                _ = try await worker.create("s", Self.source.merging(["fail.at": "35", "tasks.max": "1"]) { $1 })
                try await eventually("failed") { try await worker.states("s") == "RUNNING / FAILED" }
                let trace = try await worker.ask("GET", "/connectors/s/tasks/0/status").json["trace"]?.text ?? ""
                #expect(
                    trace.hasPrefix(
                        "org.apache.kafka.connect.errors.ConnectException: number 35 is not liked\n\tat "), "\(trace)")
                #expect(try await platform.records("lines").count == 30)
                _ = try await worker.create("s", Self.source)
                try await eventually("running") { try await worker.states("s") == "RUNNING / RUNNING" }
                try await eventually("all") { try await platform.records("lines").count == 100 }
            }
        }
    }

    @Test func `a sink that comes to a batch which the disk changed fails`() async throws {
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(NewTopic("lines"), validateOnly: false)
            for line in ["one", "two", "three"] { try await platform.write("lines", [line]) }
            let path = platform.folder + "/topics/lines-0/00000000000000000000.log"
            var bytes = try Data(contentsOf: URL(filePath: path))
            let at = try #require(bytes.firstRange(of: Data("two".utf8))).lowerBound
            bytes[at] = UInt8(ascii: "T")
            try bytes.write(to: URL(filePath: path))
            try await platform.withWorker { worker in
                #expect(try await worker.create("k", Self.sink).status == 201)
                try await eventually("failed") { try await worker.states("k") == "RUNNING / FAILED" }
                #expect(worker.kept.texts == ["one"])
                let trace = try await worker.ask("GET", "/connectors/k/tasks/0/status").json["trace"]?.text ?? ""
                #expect(trace.contains("read lines-0 from offset 1") && trace.contains("from a backup"), "\(trace)")
            }
        }
    }

    @Test func `a sink gets records, commits, pauses and goes on`() async throws {
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(NewTopic("lines", partitionCount: 3), validateOnly: false)
            try await platform.write("lines", (0..<50).map { "a\($0)" })
            try await platform.withWorker { worker in
                worker.kept.state.withLock { $0.refusals = 2 }
                #expect(try await worker.create("k", Self.sink).status == 201)
                try await eventually("all") { worker.kept.records.count == 50 }
                #expect(Set(worker.kept.texts) == Set((0..<50).map { "a\($0)" }))
                try await eventually("committed") {
                    let offsets = try await worker.ask("GET", "/connectors/k/offsets").json["offsets"]?.elements ?? []
                    return offsets.reduce(0) { $0 + ($1["offset"]?["kafka_offset"]?.integer ?? 0) } == 50
                }
                #expect(try await worker.ask("PUT", "/connectors/k/pause").status == 202)
                try await eventually("paused") { try await worker.states("k") == "PAUSED / PAUSED" }
                try await platform.write("lines", ["b"])
                #expect(try await worker.ask("PUT", "/connectors/k/resume").status == 202)
                try await eventually("running") { try await worker.states("k") == "RUNNING / RUNNING" }
                try await eventually("the next") { worker.kept.texts.contains("b") }
                #expect(try await worker.ask("PUT", "/connectors/k/stop").status == 204)
                #expect(try await worker.states("k") == "STOPPED / ")
                let reset = try await worker.ask("DELETE", "/connectors/k/offsets")
                #expect(reset.status == 200, "\(reset)")
                #expect(try await worker.ask("PUT", "/connectors/k/resume").status == 202)
                try await eventually("all again") { worker.kept.records.count == 102 }
            }
        }
    }

    /// Small records that become large ones must not take the memory for all of a batch at once.
    @Test(arguments: [false, true])
    func `records that are decompressed come in as many batches as they need`(readsAhead: Bool) async throws {
        let zeros = [UInt8](repeating: 0, count: 12 << 20)
        let value = ByteBuffer(bytes: try Codec.gzip.compress(zeros.span.bytes))
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(NewTopic("lines", partitionCount: 1), validateOnly: false)
            try await platform.write("lines", [ByteBuffer](repeating: value, count: 8))
            try await platform.withWorker { worker in
                worker.kept.state.withLock { $0.refusals = 1 }
                var config = Self.sink
                config["ahead"] = String(readsAhead)
                config["value.converter"] = "org.apache.kafka.connect.converters.ByteArrayConverter"
                config["transforms"] = "x"
                config["transforms.x.type"] = "io.confluent.connect.transforms.GzipDecompress$Value"
                #expect(try await worker.create("k", config).status == 201)
                try await eventually("committed") {
                    try await worker.ask("GET", "/connectors/k/offsets").json["offsets"]?.elements?.first?["offset"]?[
                        "kafka_offset"]?.integer == 8
                }
                // 64 MiB are reached with the sixth.
                #expect(worker.kept.state.withLock { $0.batches.allSatisfy { $0 <= 6 } })
                let offsets = worker.kept.records.map { record -> Int64 in
                    if case .sink(_, _, let offset, _) = record.origin { offset } else { -1 }
                }
                #expect(offsets == Array(0..<8))
            }
        }
    }

    @Test func `records that cannot be read or taken become dead letters`() async throws {
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(NewTopic("lines", partitionCount: 1), validateOnly: false)
            try await platform.write("lines", [#"{"a":1}"#, "{broken", #""bad""#, #""good""#])
            try await platform.withWorker { worker in
                var config = Self.sink
                config["bad"] = "bad"
                config["value.converter"] = "JsonConverter"
                config["value.converter.schemas.enable"] = "false"
                config["errors.tolerance"] = "all"
                config["errors.deadletterqueue.topic.name"] = "letters"
                config["errors.deadletterqueue.context.headers.enable"] = "true"
                #expect(try await worker.create("k", config).status == 201)
                try await eventually("the good ones") { worker.kept.records.count == 2 }
                try await eventually("letters") { (try? await platform.records("letters").count) == 2 }
                let letters = try await platform.records("letters")
                func header(_ index: Int, _ name: String) -> String {
                    letters[index].headers.first { $0.key == "__connect.errors." + name }?.value
                        .map { String(decoding: $0, as: UTF8.self) } ?? ""
                }
                #expect(letters.map { $0.value.map { String(buffer: $0) } } == ["{broken", #""bad""#])
                #expect(header(0, "stage") == "VALUE_CONVERTER")
                #expect(header(0, "offset") == "1")
                #expect(header(0, "exception.class.name") == "org.apache.kafka.connect.errors.DataException")
                #expect(header(1, "stage") == "TASK_PUT")
                #expect(header(1, "connector.name") == "k")
                #expect(header(1, "exception.message") == "bad is bad")
                #expect(header(0, "class.name") == "org.apache.kafka.connect.json.JsonConverter")
            }
        }
    }

    /// Upstream's task has no reporter then, and its sinks fail (`SinkConnectorConfig.enableErrantRecordReporter`).
    @Test(arguments: [false, true])
    func `a refused record is passed over only where something tells of it`(logs: Bool) async throws {
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(NewTopic("lines", partitionCount: 1), validateOnly: false)
            try await platform.write("lines", ["a", "bad", "c"])
            try await platform.withWorker { worker in
                var config = Self.sink.merging(["bad": "bad", "errors.tolerance": "all"]) { $1 }
                if logs { config["errors.log.enable"] = "true" }
                #expect(try await worker.create("k", config).status == 201)
                if logs {
                    try await eventually("the others") { worker.kept.texts.contains("c") }
                } else {
                    try await eventually("failed") { try await worker.states("k") == "RUNNING / FAILED" }
                    #expect(!worker.kept.texts.contains("c"))
                }
            }
        }
    }

    /// Upstream's `WorkerSinkTask.execute` closes its partitions, with a commit, whatever ended the loop.
    @Test func `what a sink took before it failed does not come again`() async throws {
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(NewTopic("lines", partitionCount: 1), validateOnly: false)
            try await platform.write("lines", ["a", "b", "bad", "c"])
            try await platform.withWorker { worker in
                var config = Self.sink.merging(["deadly": "bad", "commits": "false"]) { $1 }
                config["consumer.override.max.poll.records"] = "1"
                #expect(try await worker.create("k", config).status == 201)
                try await eventually("failed") { try await worker.states("k") == "RUNNING / FAILED" }
                let offsets = try await worker.ask("GET", "/connectors/k/offsets").json["offsets"]?.elements ?? []
                #expect(offsets.map { $0["offset"]?["kafka_offset"]?.integer } == [2])
                config["deadly"] = ""
                #expect(try await worker.create("k", config).status == 200)
                try await eventually("the rest") { worker.kept.records.count == 4 }
                #expect(worker.kept.texts == ["a", "b", "bad", "c"])
            }
        }
    }

    /// The batch behind it is converted while it is written.
    @Test func `what was written counts although the next batch cannot be read`() async throws {
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(NewTopic("lines", partitionCount: 1), validateOnly: false)
            try await platform.write("lines", [#""a""#, #""b""#, "{", #""c""#])
            try await platform.withWorker { worker in
                var config = Self.sink.merging(["commits": "false", "ahead": "true"]) { $1 }
                config["consumer.override.max.poll.records"] = "2"
                config["value.converter"] = "JsonConverter"
                config["value.converter.schemas.enable"] = "false"
                #expect(try await worker.create("k", config).status == 201)
                try await eventually("failed") { try await worker.states("k") == "RUNNING / FAILED" }
                #expect(worker.kept.texts == ["a", "b"])
                let offsets = try await worker.ask("GET", "/connectors/k/offsets").json["offsets"]?.elements ?? []
                #expect(offsets.map { $0["offset"]?["kafka_offset"]?.integer } == [2])
            }
        }
    }

    /// Upstream's `RetryWithToleranceOperator` reports before it looks at the tolerance.
    @Test(arguments: [#"{"a":"#, #""bad""#])
    func `the record that ends a task is a dead letter, too`(text: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.cluster.createTopic(NewTopic("lines", partitionCount: 1), validateOnly: false)
            try await platform.write("lines", [text])
            try await platform.withWorker { worker in
                var config = Self.sink
                config["bad"] = "bad"
                config["value.converter"] = "JsonConverter"
                config["value.converter.schemas.enable"] = "false"
                config["errors.deadletterqueue.topic.name"] = "letters"
                #expect(try await worker.create("k", config).status == 201)
                try await eventually("failed") { try await worker.states("k") == "RUNNING / FAILED" }
                let letters = try await platform.records("letters")
                #expect(letters.map { $0.value.map { String(buffer: $0) } } == [text])
            }
        }
    }

    @Test(arguments: ["all", "none"])
    func `a record that is too large for its topic is passed over where wanted`(tolerance: String) async throws {
        let log = RecordedLog(from: .info)
        try await TestPlatform.with(log: log) { platform in
            let topic = NewTopic("numbers", partitionCount: 1, configs: ["max.message.bytes": "2000"])
            try await platform.cluster.createTopic(topic, validateOnly: false)
            try await platform.withWorker { worker in
                let config = [
                    "connector.class": "CountingSource", "topic": "numbers", "count": "200", "batch": "200",
                    "large.at": "100", "errors.tolerance": tolerance, "errors.log.enable": "true",
                ]
                #expect(try await worker.create("s", config).status == 201)
                guard tolerance == "all" else {
                    try await eventually("failed") { try await worker.states("s") == "RUNNING / FAILED" }
                    return
                }
                try await eventually("the others") { try await platform.records("numbers").count == 199 }
                #expect(try await worker.states("s") == "RUNNING / RUNNING")
                let told = log.entries.map(\.text).filter { $0.contains("Executing stage 'KAFKA_PRODUCE'") }
                #expect(told.count == 1 && told[0].contains("too large"))
            }
        }
    }

    @Test func `a topic's limit is the one of now`() async throws {
        try await TestPlatform.with { platform in
            let topic = NewTopic("numbers", partitionCount: 1, configs: ["max.message.bytes": "2000"])
            try await platform.cluster.createTopic(topic, validateOnly: false)
            let cluster = FaultyCluster(platform.cluster)
            cluster.faults.withLock { faults in
                faults.afterConfigs = { [base = platform.cluster] (resource) async throws(ClusterError) in
                    guard resource == .topic("numbers") else { return }
                    try await base.alterConfigs(
                        of: resource, [ConfigChange("max.message.bytes", .set("100000"))], validateOnly: false)
                }
            }
            let worker = try await platform.start(cluster: cluster)
            let config = [
                "connector.class": "CountingSource", "topic": "numbers", "count": "20", "large.at": "10",
                "errors.tolerance": "all",
            ]
            #expect(try await worker.create("s", config).status == 201)
            try await eventually("all") { try await platform.records("numbers").count == 20 }
            await worker.stop()
        }
    }

    /// The broker compares what it is sent.
    @Test(arguments: ["lz4", "none"])
    func `what is compressed on its way is for the broker to judge`(compression: String) async throws {
        try await TestPlatform.with { platform in
            let topic = NewTopic("numbers", partitionCount: 1, configs: ["max.message.bytes": "2000"])
            try await platform.cluster.createTopic(topic, validateOnly: false)
            let remote = try RemoteCluster(
                RemoteConfiguration(
                    bootstrapServers: "\(platform.broker.host):\(platform.broker.port)",
                    properties: ["compression.type": compression], logger: platform.logger))
            let worker = try await platform.start(isEmbedded: false, cluster: remote)
            let config = [
                "connector.class": "CountingSource", "topic": "numbers", "count": "20", "batch": "20",
                "large.at": "10", "errors.tolerance": "all",
            ]
            #expect(try await worker.create("s", config).status == 201)
            let expected = compression == "none" ? 19 : 20
            try await eventually("written") { try await platform.records("numbers").count == expected }
            await worker.stop()
        }
    }

    /// Upstream's `ConnectUtils.checkAndConvertTimestamp`.
    @Test func `a time before 1970 is refused, and -1 is none`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                let config = ["connector.class": "CountingSource", "topic": "numbers", "count": "1"]
                let none = try await worker.create("none", config.merging(["timestamp": "-1"]) { $1 })
                #expect(none.status == 201)
                try await eventually("written") { (try? await platform.records("numbers").count) == 1 }
                #expect(try await platform.records("numbers")[0].timestamp > 1_600_000_000_000)
                let early = try await worker.create("early", config.merging(["timestamp": "-2"]) { $1 })
                #expect(early.status == 201)
                try await eventually("failed") { try await worker.states("early") == "RUNNING / FAILED" }
                let trace = try await worker.ask("GET", "/connectors/early/tasks/0/status").json["trace"]?.text ?? ""
                #expect(trace.contains("Invalid record timestamp -2"), "\(trace)")
            }
        }
    }

    /// Brokers match by RE2, Connect by Java's expressions.
    @Test(arguments: [true, false])
    func `an expression for topics may be all that Java's are`(isEmbedded: Bool) async throws {
        try await TestPlatform.with { platform in
            for name in ["lines", "xlines", "lines.q"] {
                try await platform.cluster.createTopic(NewTopic(name, partitionCount: 1), validateOnly: false)
                try await platform.write(name, [name])
            }
            try await platform.withWorker(isEmbedded: isEmbedded) { worker in
                let config = ["connector.class": "KeepingSink", "topics.regex": "(?!x)[a-z&&[^q]]+s"]
                #expect(try await worker.create("k", config).status == 201)
                try await eventually("the one") { worker.kept.records.count == 1 }
                #expect(worker.kept.texts == ["lines"])
                #expect(try await worker.states("k") == "RUNNING / RUNNING")
            }
        }
    }

    @Test func `names that look like slips are taken, and told in the log`() async throws {
        let log = RecordedLog(from: .info)
        try await TestPlatform.with(log: log) { platform in
            try await platform.withWorker { worker in
                let config = Self.source.merging([
                    "bath": "5", "value.converter": "JsonConverter", "value.converter.schemas.enble": "false",
                    "consumer.override.foo": "1", "consumer.override.max.poll.record": "1",
                    "producer.override.acks": "all", "team": "data", "tasks.max": "1", "transforms": "f",
                    "transforms.f.type": "ReplaceField$Value", "transforms.f.exclud": "a",
                    "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
                    "key.converter": "AvroConverter", "key.converter.schema.registry.url": "http://127.0.0.1:1",
                    "key.converter.scrub.invalid.nmes": "true", "key.converter.basic.auth.user.info": "a:b",
                ]) { $1 }
                let answer = try await worker.create("s", config)
                #expect(answer.status == 201, "\(answer)")
                let known = "is not known and has no effect: did you mean"
                #expect(
                    log.entries.map(\.text).filter { $0.contains("no effect") } == [
                        "warning option 'bath' \(known) 'batch'?",
                        "warning option 'consumer.override.foo' has no effect in this worker",
                        "warning option 'consumer.override.max.poll.record' has no effect in this worker: did you mean "
                            + "'consumer.override.max.poll.records'?",
                        "warning option 'key.converter.scrub.invalid.nmes' \(known) "
                            + "'key.converter.scrub.invalid.names'?",
                        "warning option 'transforms.f.exclud' \(known) 'transforms.f.exclude'?",
                        "warning option 'value.converter.schemas.enble' \(known) 'value.converter.schemas.enable'?",
                    ])
            }
        }
    }

    /// The words are those of upstream's `LogReporter`, `ProcessingContext` and `SourceRecord`.
    @Test(arguments: [true, false])
    func `the log has what was passed over, with the record where that is wanted`(hasRecords: Bool) async throws {
        let log = RecordedLog(from: .info)
        let common = [
            "errors.tolerance": "all", "errors.log.enable": "true", "errors.log.include.messages": "\(hasRecords)",
            "value.converter": "LongConverter",
        ]
        let long = "with class 'org.apache.kafka.connect.converters.LongConverter'"
        try await TestPlatform.with(log: log) { platform in
            try await platform.cluster.createTopic(NewTopic("lines", partitionCount: 1), validateOnly: false)
            try await platform.write("lines", ["x"])
            let time = try await platform.records("lines").first?.timestamp ?? 0
            try await platform.withWorker { worker in
                let source = ["connector.class": "CountingSource", "topic": "numbers", "count": "1"]
                #expect(try await worker.create("s", source.merging(common) { $1 }).status == 201)
                #expect(try await worker.create("k", Self.sink.merging(common) { $1 }).status == 201)
                try await eventually("both lines") {
                    log.entries.filter { $0.message.contains("encountered") }.count == 2
                }
            }
            let lines = log.entries.map(\.text).filter { $0.contains("encountered") }.sorted()
            let sink =
                hasRecords
                ? ", where consumed record is {topic='lines', partition=0, offset=0, timestamp=\(time), "
                    + "timestampType=CreateTime}" : ""
            let source =
                hasRecords
                ? ", where source record is = SourceRecord{sourcePartition={task=0}, sourceOffset={next=1}} "
                    + "ConnectRecord{topic='numbers', kafkaPartition=null, key=k0, keySchema=Schema{STRING}, "
                    + "value=line 0, valueSchema=Schema{STRING}, timestamp=null, headers=ConnectHeaders(headers=)}" : ""
            let start = "error Error encountered in task"
            #expect(lines.first?.hasPrefix("\(start) k-0. Executing stage 'VALUE_CONVERTER' \(long)\(sink). ") == true)
            #expect(lines.last?.hasPrefix("\(start) s-0. Executing stage 'VALUE_CONVERTER' \(long)\(source). ") == true)
        }
    }
}
