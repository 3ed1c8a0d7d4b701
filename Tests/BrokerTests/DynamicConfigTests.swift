import Cluster
import Foundation
import KafkaMessages
import Testing

@testable import Broker

/// Settings of the broker that are changed and described while it runs.
@Suite struct DynamicConfigTests {
    private func alter(_ server: BrokerServer, _ name: String, _ value: String?) async throws {
        let node = server.node
        try await node.controller.value { _ in
            Result { () throws(ControlError) in
                let change = ConfigAlteration(name: name, operation: value == nil ? .delete : .set, value: value)
                try node.alter(4, "1", [change], isIncremental: true, validateOnly: false)
            }
        }.get()
    }

    private func configs(_ server: BrokerServer, _ type: Int8, _ name: String) async throws -> [String: String] {
        let node = server.node
        let all = try await node.controller.value { _ in
            Result { () throws(ControlError) in try node.configs(of: type, name) }
        }.get()
        return Dictionary(
            uniqueKeysWithValues: all.map { config -> (String, String) in
                let synonyms = config.synonyms.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
                return (config.name, "\(config.isUnset ? "null" : config.value) \(config.source) [\(synonyms)]")
            })
    }

    /// Kafka's `ConfigHelper.configSynonyms`: the set units in their order; a unit does not tell of finer ones.
    @Test func `units are told where they are set`() async throws {
        try await withBroker(["log.retention.minutes": "5", "log.roll.hours": "1"]) { server in
            let broker = try await configs(server, 4, "1")
            #expect(broker["log.retention.ms"] == "null defaultValue []")
            #expect(
                broker["log.retention.minutes"]
                    == "5 staticBroker [log.retention.minutes=5 log.retention.hours=168]")
            #expect(broker["log.retention.hours"] == "168 defaultValue [log.retention.hours=168]")
            #expect(broker["log.roll.ms"] == "null defaultValue []")
            #expect(broker["log.roll.hours"] == "1 staticBroker [log.roll.hours=1 log.roll.hours=168]")
            let node = server.node
            let creations = [TopicCreation(name: "t")]
            _ = await node.controller.value { $0.createTopics(creations, validateOnly: false).count }
            let topic = try await configs(server, 2, "t")
            #expect(
                topic["retention.ms"]
                    == "300000 staticBroker [log.retention.minutes=5 log.retention.hours=168]")
            #expect(topic["segment.ms"] == "3600000 staticBroker [log.roll.hours=1 log.roll.hours=168]")
            #expect(topic["segment.jitter.ms"] == "0 defaultValue [log.roll.jitter.hours=0]")
            #expect(topic["internal.segment.bytes"] == nil)
        }
    }

    /// `DynamicBrokerConfig.ALL_DYNAMIC_CONFIGS`.
    @Test func `what Kafka changes while it runs is changed`() async throws {
        try await withBroker { server in
            for (name, value) in [
                ("num.network.threads", "4"), ("num.io.threads", "4"), ("log.cleaner.threads", "2"),
                ("log.cleaner.backoff.ms", "100"), ("producer.id.expiration.ms", "5000"), ("background.threads", "8"),
                ("num.replica.fetchers", "2"), ("leader.replication.throttled.rate", "1000000"),
                ("follower.replication.throttled.rate", "1000000"), ("log.retention.ms", "60000"),
            ] {
                try await alter(server, name, value)
                #expect(try await configs(server, 4, "1")[name]?.hasPrefix("\(value) dynamicBroker") == true, "\(name)")
                try await alter(server, name, nil)
            }
            #expect(try await configs(server, 4, "1")["leader.replication.throttled.rate"] == nil)
            for (name, value) in [
                ("log.retention.hours", "1"), ("log.retention.minutes", "1"), ("log.roll.hours", "1"),
                ("num.partitions", "2"), ("auto.create.topics.enable", "false"), ("log.retention.ms", "0"),
                ("log.cleaner.dedupe.buffer.size", "1048575"), ("leader.replication.throttled.rate", "-1"),
            ] {
                let failure = await #expect(throws: ControlError.self) { try await alter(server, name, value) }
                #expect(failure?.code == .invalidRequest, "\(name)")  // KAFKA-13609
            }
        }
    }

    /// `DynamicThreadPool`; there a number of network threads is changed at once, too.
    @Test func `threads for the disk come at once, those for connections with the next start`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await withBroker(in: folder, ["num.io.threads": "1", "num.network.threads": "1"]) { server in
            try await alter(server, "num.io.threads", "3")
            try await alter(server, "num.network.threads", "2")
            let works = (0..<3).map { _ in BlockedThread() }
            let (begun, beginnings) = AsyncStream.makeStream(of: Int.self)
            for (index, work) in works.enumerated() {
                server.node.diskPool.submit { _ in
                    beginnings.yield(index)
                    work.wait()
                }
            }
            var iterator = begun.makeAsyncIterator()
            for _ in works { #expect(await iterator.next() != nil) }
            for work in works { work.wake() }
            #expect(server.loops.count == 1)
        }
        try await withBroker(in: folder, ["num.network.threads": "1"]) { server in
            #expect(server.loops.count == 2)
            var request = MetadataRequest()
            request.topics = []
            let answer = try WireClient(port: server.port).ask(request, version: 12)
            #expect(answer.brokers.count == 1)
        }
    }

    @Test func `limits of connections hold from the next connection on`() async throws {
        try await withBroker { server in
            let gate = server.node.gate
            #expect(gate.enter("a") == nil && gate.enter("b") == nil)
            try await alter(server, "max.connections.per.ip", "1")
            #expect(gate.enter("a") == "max.connections.per.ip")
            try await alter(server, "max.connections", "2")
            #expect(gate.enter("c") == "max.connections")
            try await alter(server, "max.connections", nil)
            #expect(gate.enter("c") == nil)
        }
    }
}
