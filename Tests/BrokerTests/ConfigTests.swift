import Foundation
import LogStorage
import RecordBatches
import Testing

@testable import Broker

@Suite struct ConfigTests {
    /// Values and outcomes as Kafka 4's own validators decide.
    @Test(arguments: [
        ("retention.ms", "-1", true), ("retention.ms", "-2", false), ("retention.ms", "soon", false),
        ("cleanup.policy", "compact,delete", true), ("cleanup.policy", "compact, delete", true),
        ("cleanup.policy", "shred", false), ("compression.type", "zstd", true), ("compression.type", "brotli", false),
        ("min.cleanable.dirty.ratio", "0.3", true), ("min.cleanable.dirty.ratio", "1.1", false),
        ("max.message.bytes", "0", true), ("max.message.bytes", "2147483648", false),
        ("preallocate", "TRUE", true), ("preallocate", "yes", false), ("min.insync.replicas", "0", false),
        ("segment.bytes", "1048575", false), ("segment.bytes", "1048576", true), ("internal.segment.bytes", "14", true),
        ("retention.ms", "0", true), ("retention.bytes", "-2", true),
        ("leader.replication.throttled.replicas", "*", true), ("leader.replication.throttled.replicas", "", true),
        ("leader.replication.throttled.replicas", "0:1, 1:1", true),
        ("leader.replication.throttled.replicas", "none", false),
        ("follower.replication.throttled.replicas", "0:a", false),
        ("follower.replication.throttled.replicas", "0:1,*", false),
        ("message.timestamp.type", "LogAppendTime", true),
        ("message.timestamp.type", "logappendtime", false), ("compression.gzip.level", "9", true),
        ("compression.gzip.level", "10", false), ("remote.storage.enable", "false", true),
        ("remote.storage.enable", "True", false), ("local.retention.ms", "-2", true),
        ("local.retention.ms", "-3", false), ("remote.log.copy.disable", "yes", false),
    ])
    func `permits what Kafka permits`(name: String, value: String, isPermitted: Bool) {
        #expect((TopicConfigs.problem(name, value) == nil) == isPermitted, "\(TopicConfigs.problem(name, value) ?? "")")
    }

    @Test func `names the nearest key for a misspelt one`() {
        #expect(
            TopicConfigs.problem("retention.msec", "1")
                == "Unknown topic config name: retention.msec; did you mean retention.ms?")
        #expect(throws: ConfigError.self) { try ServerProperties(["log.retention.hour": "1"]) }
        do {
            _ = try ServerProperties(["log.retention.hour": "1"])
        } catch {
            #expect("\(error)" == "unknown property 'log.retention.hour'; did you mean 'log.retention.hours'?")
        }
    }

    /// Kafka documentation, "Broker Configs": the finer unit wins, -1 in any unit is no limit.
    @Test(
        arguments: [
            ([:], "604800000"), (["log.retention.hours": "2"], "7200000"),
            (["log.retention.hours": "2", "log.retention.minutes": "1"], "60000"),
            (["log.retention.hours": "2", "log.retention.minutes": "1", "log.retention.ms": "5"], "5"),
            (["log.retention.hours": "-1"], "-1"), (["log.retention.ms": "-5"], "-1"),
            (["log.retention.hours": " 5"], "18000000"), (["log.retention.minutes": "5\t"], "300000"),
        ] as [([String: String], String)])
    func `derives a topic's retention from the server's coarser units`(values: [String: String], expected: String)
        throws
    {
        #expect(try ServerProperties(values).topicDefault("retention.ms") == expected)
    }

    /// `AbstractKafkaConfig.validateValues`: what counts of the three must not be 0.
    @Test(
        arguments: [
            (["log.retention.ms": "0"], false), (["log.retention.minutes": "0"], false),
            (["log.retention.hours": "0"], false), (["log.retention.ms": "0", "log.retention.hours": "1"], false),
            (["log.retention.ms": "1", "log.retention.hours": "0"], true), (["log.retention.bytes": "-2"], true),
            (["log.cleaner.threads": "4", "log.cleaner.dedupe.buffer.size": "4194303"], false),
        ] as [([String: String], Bool)])
    func `no broker deletes all records at once`(values: [String: String], isPermitted: Bool) {
        #expect(((try? ServerProperties(values)) != nil) == isPermitted)
    }

    @Test func `a retention of 0 from an old data folder counts for nothing`() throws {
        var server = try ServerProperties(["log.retention.hours": "1"])
        server.set("log.retention.ms", to: "0")
        #expect(server.topicDefault("retention.ms") == "3600000")
    }

    @Test func `tests have small segments`() {
        let config = EffectiveTopicConfig(overrides: ["internal.segment.bytes": "100"], server: ServerProperties())
        #expect(config.log.segmentBytes == 100)
    }

    /// What is taken can be read: `FetchedBatches` stops at the same number.
    @Test(arguments: [
        ("1048588", 64 << 20), ("4194304", 128 << 20), ("16777216", 256 << 20), ("2147483647", 256 << 20),
    ])
    func `bounds what batches decompress to`(byteCountMax: String, expected: Int) {
        let config = EffectiveTopicConfig(overrides: ["max.message.bytes": byteCountMax], server: ServerProperties())
        #expect(config.rules.decompressedByteCountMax == expected)
    }

    /// Kafka's DynamicBrokerConfig: the broker's own value, then the default of all brokers, then the file's, then the
    /// built-in one. The sequence is the one of `kafka-configs --entity-default` and `--entity-name 1`.
    @Test func `a broker's own settings and the defaults of all brokers are two layers`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func alter(_ server: BrokerServer, _ broker: String, _ value: String?) async throws {
            let node = server.node
            try await node.controller.value { _ in
                Result { () throws(ControlError) in
                    let change = ConfigAlteration(
                        name: "log.retention.ms", operation: value == nil ? .delete : .set, value: value)
                    try node.alter(4, broker, [change], isIncremental: true, validateOnly: false)
                }
            }.get()
        }
        func shown(_ server: BrokerServer, _ broker: String) async throws -> String {
            let node = server.node
            let all = try await node.controller.value { _ in
                Result { () throws(ControlError) in try node.configs(of: 4, broker) }
            }.get()
            guard let config = all.first(where: { $0.name == "log.retention.ms" }) else { return "none" }
            return "\(config.value) " + config.synonyms.map { "\($0.source)=\($0.value)" }.joined(separator: " ")
        }
        let rest = "staticBroker=5 defaultValue=168"
        try await withBroker(in: folder, ["log.retention.ms": "5"]) { server in
            #expect(try await shown(server, "1") == "5 \(rest)")
            #expect(try await shown(server, "") == "none")
            try await alter(server, "", "111000")
            #expect(try await shown(server, "1") == "111000 dynamicDefaultBroker=111000 \(rest)")
            try await alter(server, "1", "222000")
            #expect(
                try await shown(server, "1") == "222000 dynamicBroker=222000 dynamicDefaultBroker=111000 \(rest)")
            #expect(try await shown(server, "") == "111000 dynamicDefaultBroker=111000")
            #expect(server.node.controller.server.topicDefault("retention.ms") == "222000")
        }
        try await withBroker(in: folder, ["log.retention.ms": "5"]) { server in
            #expect(server.node.controller.server.topicDefault("retention.ms") == "222000")
            try await alter(server, "1", nil)
            #expect(try await shown(server, "1") == "111000 dynamicDefaultBroker=111000 \(rest)")
            try await alter(server, "", nil)
            #expect(try await shown(server, "1") == "5 \(rest)")
        }
    }

    /// Tools ask a broker for these and take it that they are there.
    @Test func `a broker tells its places and roles`() async throws {
        try await withBroker { server in
            let node = server.node
            let all = try await node.controller.value { _ in
                Result { () throws(ControlError) in try node.configs(of: 4, "1") }
            }.get()
            let found = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
            #expect(found["listeners"]?.value == "PLAINTEXT://\(server.host):\(server.port)")
            #expect(found["advertised.listeners"]?.value == "PLAINTEXT://\(server.host):\(server.port)")
            #expect(found["log.dirs"]?.value == node.directory.directory)
            #expect(found["log.dir"]?.value == node.directory.directory)
            #expect(found["node.id"]?.value == "1" && found["broker.id"]?.value == "1")
            #expect(found["process.roles"]?.value == "broker,controller")
            #expect(found["broker.rack"]?.isUnset == true)
            #expect(found["log.dirs"]?.isReadOnly == true && found["log.dirs"]?.source == .staticBroker)
        }
    }

    @Test func `overrides of a topic win over the server's properties`() throws {
        let server = try ServerProperties(["log.segment.bytes": "2000000", "message.max.bytes": "5000"])
        let config = EffectiveTopicConfig(
            overrides: ["max.message.bytes": "7000", "cleanup.policy": "compact"], server: server)
        #expect(config.log.segmentBytes == 2_000_000)
        #expect(config.rules.byteCountMax == 7000)
        #expect(config.rules.isCompacted)
        #expect(!config.isDeletedByRetention)
        #expect(config.log.retentionMs == -1)
    }

    @Test func `every default is a permitted value and every name is there once`() {
        for definition in TopicConfigs.definitions + ServerProperties.known {
            #expect(
                definition.hasNoDefault
                    ? definition.defaultValue.isEmpty : definition.problem(with: definition.defaultValue) == nil,
                "\(definition.name)")
            #expect(!definition.documentation.isEmpty)
        }
        #expect(Set(ServerProperties.known.map(\.name)).count == ServerProperties.known.count)
        for definition in TopicConfigs.definitions {
            if let name = definition.serverName { #expect(ServerProperties.definition(name) != nil, "\(name)") }
        }
    }

    @Test func `appends to and subtracts from a list, also from its default`() throws {
        func apply(_ alterations: [ConfigAlteration], to overrides: [String: String]) throws -> [String: String] {
            try TopicRules.applied(
                alterations, to: overrides, definition: TopicConfigs.definition,
                current: { ServerProperties().topicDefault($0) },
                problem: TopicConfigs.problem)
        }
        let both = try apply([.init(name: "cleanup.policy", operation: .append, value: "compact")], to: [:])
        #expect(both == ["cleanup.policy": "delete,compact"])
        let one = try apply([.init(name: "cleanup.policy", operation: .subtract, value: "delete")], to: both)
        #expect(one == ["cleanup.policy": "compact"])
        #expect(try apply([.init(name: "cleanup.policy", operation: .delete, value: nil)], to: one) == [:])
        #expect(throws: ControlError.self) {
            try apply([.init(name: "retention.ms", operation: .append, value: "1")], to: [:])
        }
        #expect(throws: ControlError.self) {
            try apply(
                [
                    .init(name: "retention.ms", operation: .set, value: "1"),
                    .init(name: "retention.ms", operation: .set, value: "2"),
                ],
                to: [:])
        }
    }
}

@Suite struct GroupConfigTests {
    @Test func `what a group was given holds within the bounds that the broker has now`() throws {
        let given = [
            "consumer.session.timeout.ms": "60000", "consumer.heartbeat.interval.ms": " 5000 ",
            "share.record.lock.duration.ms": "15000", "share.delivery.count.limit": "4",
            "share.auto.offset.reset": "earliest", "share.of.another.version": "7",
        ]
        let before = try ServerProperties([:])
        for (name, value) in given where GroupConfigs.definition(name) != nil {
            #expect(GroupConfigs.problem(name, value, before) == nil)
        }
        let now = try ServerProperties([
            "group.consumer.max.session.timeout.ms": "50000", "group.share.min.record.lock.duration.ms": "20000",
        ])
        #expect(
            GroupConfigs.bounded(given, now)
                == given.merging([
                    "consumer.session.timeout.ms": "50000", "consumer.heartbeat.interval.ms": "5000",
                    "share.record.lock.duration.ms": "20000",
                ]) { $1 })
        #expect(GroupConfigs.problem("share.record.lock.duration.ms", "15000", now) != nil)
    }
}

@Suite struct TopicNameTests {
    /// Kafka's `Topic.validate`.
    @Test(arguments: [
        ("a", true), ("A.b_c-9", true), ("", false), (".", false), ("..", false), ("...", true), ("a b", false),
        ("ä", false), ("a/b", false), (String(repeating: "x", count: 249), true),
        (String(repeating: "x", count: 250), false),
    ])
    func `permits what Kafka permits`(name: String, isPermitted: Bool) {
        #expect((Topic.problem(withName: name) == nil) == isPermitted)
    }

    @Test(arguments: [("a.b", "a_b", true), ("a_b.", "a.b_", true), ("a.b", "ab", false), ("ab", "a_b", false)])
    func `names that differ only in dots and underscores are one`(name: String, other: String, areOne: Bool) {
        #expect((TopicRules.folded(name) == TopicRules.folded(other)) == areOne)
        #expect(!areOne || TopicRules.canCollide(name) && TopicRules.canCollide(other))
    }
}

@Suite struct ClientMetricsConfigTests {
    private static func isTaken(_ values: [String: String], after former: [String: String]) -> Bool {
        (try? ClientMetricsConfigs.check(values, former: former)) != nil
    }

    @Test func `a pattern from before patterns were looked at is no reason to refuse other changes`() {
        let former = ["match": "nobody=1"]
        #expect(Self.isTaken(["match": "nobody=1", "interval.ms": "1000"], after: former))
        #expect(!Self.isTaken(["match": "nobody=1", "interval.ms": "99"], after: former))
        #expect(!Self.isTaken(["match": "nobody=2"], after: former))
        #expect(!Self.isTaken(["match": "nobody=1"], after: [:]))
    }
}
