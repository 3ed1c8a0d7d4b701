import ConnectCore
import Foundation
import JSONFormat
import Logging
import Testing

@testable import ConnectService

/// What is refused before anything starts; words from runs of Kafka 4.3's worker, where it has them.
@Suite(.serialized) struct ValidationTests {
    private static let source = ["connector.class": "CountingSource", "topic": "lines", "tasks.max": "1"]
    private static let sink = ["connector.class": "KeepingSink", "topics": "lines"]
    private static let idempotence =
        "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence."

    @Test func `options that would fail a task are told at their names`() async throws {
        let rename = "org.apache.kafka.connect.transforms.ReplaceField$Value"
        let avro = [
            "value.converter": "io.confluent.connect.avro.AvroConverter",
            "value.converter.schema.registry.url": "http://localhost:1",
        ]
        let unwrap = ["transforms": "x", "transforms.x.type": "io.debezium.transforms.ExtractNewRecordState"]
        let cases: [(base: [String: String], more: [String: String], option: String, message: String)] = [
            (
                Self.source, ["transaction.boundary": "Connector"], "transaction.boundary",
                "The connector does not support connector-defined transaction boundaries with the given configuration. "
                    + "Please reconfigure it to use a different transaction boundary definition."
            ),
            (
                Self.sink, ["consumer.override.max.poll.records": "x"], "consumer.override.max.poll.records",
                "Invalid value x for configuration max.poll.records: Not a number of type INT"
            ),
            (
                Self.sink, ["consumer.override.auto.offset.reset": "banana"], "consumer.override.auto.offset.reset",
                "Invalid value banana for configuration auto.offset.reset: String must be one of: earliest, latest, none"
            ),
            (
                Self.source, ["producer.override.acks": "banana"], "producer.override.acks",
                "Invalid value banana for configuration acks: String must be one of: all, -1, 0, 1"
            ),
            (
                Self.source, ["producer.override.acks": "0", "exactly.once.support": "required"],
                "producer.override.acks", Self.idempotence
            ),
            (
                Self.source, ["producer.override.acks": "1", "producer.override.enable.idempotence": "true"],
                "producer.override.acks", Self.idempotence
            ),
            (
                Self.sink, ["transforms": "x", "transforms.x.type": rename, "transforms.x.renames": "id"],
                "transforms.x.renames", "Invalid value [id] for configuration renames: Invalid rename mapping: id"
            ),
            (
                Self.source, unwrap.merging(["transforms.x.delete.tombstone.handling.mode": "bogus"]) { $1 },
                "transforms.x.delete.tombstone.handling.mode",
                "The 'delete.tombstone.handling.mode' value is invalid: Value must be one of drop, tombstone, rewrite, "
                    + "rewrite-with-tombstone, delete-to-tombstone"
            ),
            (
                Self.source, unwrap.merging(["transforms.x.plugin.version": "[9.9,)"]) { $1 },
                "transforms.x.plugin.version",
                "Plugin io.debezium.transforms.ExtractNewRecordState not found that matches the version range [9.9,), "
                    + "available versions: [1.0]"
            ),
            (
                Self.sink, ["value.converter": "JsonConverter", "value.converter.plugin.version": "[bogus"],
                "value.converter.plugin.version", "Unbounded range: [bogus"
            ),
            (
                Self.sink, avro.merging(["value.converter.scrub.invalid.names": "maybe"]) { $1 },
                "value.converter.scrub.invalid.names",
                "Invalid value maybe for configuration scrub.invalid.names: Expected value to be either true or false"
            ),
            (
                Self.sink, avro.merging(["value.converter.value.subject.name.strategy": "nope"]) { $1 },
                "value.converter.value.subject.name.strategy",
                "Invalid value nope for configuration value.subject.name.strategy: Class nope could not be found."
            ),
            (
                Self.sink, avro.merging(["value.converter.schema.registry.url": ""]) { $1 },
                "value.converter.schema.registry.url",
                "Invalid value [] for configuration schema.registry.url: Empty list"
            ),
            (
                Self.sink, avro.merging(["value.converter.generalized.sum.type.support": "true"]) { $1 },
                "value.converter.generalized.sum.type.support",
                "Invalid value true for configuration generalized.sum.type.support: Swiftwater has only false here: enums "
                    + "and unions have the names of their format"
            ),
        ]
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                for one in cases {
                    let config = one.base.merging(one.more) { $1 }
                    let made = try await worker.create("x", config)
                    #expect(made.status == 400, "\(one.more): \(made)")
                    #expect(made.message.contains(one.message), "\(made)")
                    let body = JSONValue.object(
                        (config.merging(["name": "x"]) { $1 }).map { ($0.key, .string($0.value)) })
                    let found = try await worker.ask(
                        "PUT", "/connector-plugins/\(config["connector.class"] ?? "")/config/validate",
                        String(decoding: body.bytes, as: UTF8.self))
                    #expect(found.json["error_count"]?.integer == 1, "\(one.more): \(found)")
                    let place = found.json["configs"]?.elements?.first { $0["value"]?["name"]?.text == one.option }
                    #expect(place?["value"]?["errors"]?.elements?.map(\.text) == [one.message], "\(one.option)")
                }
                // What has no say in the matter, and what is right.
                for more in [
                    ["producer.override.acks": "0"], ["producer.override.linger.ms": "x"],
                    ["connector.plugin.version": "[1.0,2.0)"], ["connector.plugin.version": "latest"],
                ] { #expect(try await worker.create("x", Self.source.merging(more) { $1 }).status < 300, "\(more)") }
            }
        }
    }

    @Test func `versions of plugins are those that a configuration asks for`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                for (version, words) in [
                    (
                        "9.9",
                        "Plugin test.CountingSourceConnector not found that matches the version range [9.9,9.9], "
                            + "available versions: [1.0]"
                    ), ("[bogus", "Unbounded range: [bogus"),
                ] {
                    let config = Self.source.merging(["connector.plugin.version": version]) { $1 }
                    let answer = try await worker.create("x", config)
                    #expect(answer.status == 400)
                    #expect(answer.message == words)
                }
                #expect(try await worker.ask("GET", "/connector-plugins/KeepingSink/config?version=9.9").status == 400)
                #expect(try await worker.ask("GET", "/connector-plugins/KeepingSink/config?version=1.0").status == 200)
            }
        }
    }

    @Test func `converters with a registry list their options`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                for (name, own) in [
                    ("avro.AvroConverter", "scrub.invalid.names"), ("json.JsonSchemaConverter", "decimal.format"),
                    ("protobuf.ProtobufConverter", "flatten.unions"),
                ] {
                    let answer = try await worker.ask("GET", "/connector-plugins/io.confluent.connect.\(name)/config")
                    let names = answer.json.elements?.compactMap { $0["name"]?.text } ?? []
                    for option in ["schema.registry.url", "auto.register.schemas", "latest.compatibility.strict", own] {
                        #expect(names.contains(option), "\(name) \(option)")
                    }
                }
            }
        }
    }

    @Test func `levels of names that nothing logs by are kept`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                let set = try await worker.ask("PUT", "/admin/loggers/io.nothing", #"{"level":"warn"}"#)
                #expect(set.text == #"["io.nothing"]"#)
                #expect(
                    try await worker.ask("GET", "/admin/loggers/io.nothing").json["level"]?.text == "WARN")
                #expect(try await worker.ask("GET", "/admin/loggers/io.other").status == 404)
            }
        }
        let levels = LoggerLevels(now: { 0 })
        levels.set("io.nothing", "ERROR")
        #expect(levels.effective("io.nothing.below") == .error)
        #expect(levels.effective("io.nothingelse") == .info)
    }

    @Test func `a class from a provider runs`() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString).properties")
        try "cls=test.CountingSourceConnector\n".write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let worker = [
            "config.providers": "file",
            "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        ]
        let config = Self.source.merging(["connector.class": "${file:\(file.path):cls}"]) { $1 }
        try await TestPlatform.with { platform in
            try await platform.withWorker(worker) { worker in
                #expect(try await worker.create("s", config).status == 201)
                try await eventually("running") { try await worker.states("s") == "RUNNING / RUNNING" }
                let info = try await worker.ask("GET", "/connectors/s").json
                #expect(info["type"]?.text == "source")
                #expect(info["config"]?["connector.class"]?.text == config["connector.class"])
                #expect(try await worker.ask("PUT", "/connectors/s/stop").status == 204)
                #expect(try await worker.ask("DELETE", "/connectors/s/offsets").status == 200)
            }
        }
    }
}
