import Cluster
import NIOCore
import Testing

/// Topics, configurations and offsets through both transports.
@Suite struct TopicContractTests {
    @Test(arguments: Transport.allCases)
    func `a created topic is described and listed until it is deleted`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("b", partitionCount: 3), validateOnly: false)
            try await cluster.createTopic(NewTopic("a"), validateOnly: false)
            let topic = try await cluster.topic("b")
            #expect(topic.name == "b")
            #expect(!topic.isInternal)
            #expect(topic.partitions.map(\.partition) == [0, 1, 2])
            let node = try #require(try await cluster.describeCluster().brokers.first?.id)
            #expect(
                topic.partitions.allSatisfy {
                    $0.leader == node && $0.replicas == [node] && $0.inSyncReplicas == [node]
                })
            #expect(try await cluster.topics().map(\.name) == ["a", "b"])

            try await cluster.deleteTopic("b")
            #expect(try await cluster.topics().map(\.name) == ["a"])
            await expectFailure(.unknownTopicOrPartition) { try await cluster.topic("b") }
        }
    }

    @Test(arguments: Transport.allCases)
    func `a topic that cannot be created says why`(transport: Transport) async throws {
        let cases: [(NewTopic, ClusterError.Code)] = [
            (NewTopic("there"), .topicAlreadyExists),
            (NewTopic("a/b"), .invalidTopic),
            (NewTopic(".."), .invalidTopic),
            (NewTopic(String(repeating: "x", count: 250)), .invalidTopic),
            (NewTopic("new", partitionCount: 0), .invalidPartitions),
            (NewTopic("new", replicationFactor: 2), .invalidReplicationFactor),
            (NewTopic("new", configs: ["retention.mss": "1"]), .invalidConfig),
            (NewTopic("new", configs: ["retention.ms": "soon"]), .invalidConfig),
        ]
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("there"), validateOnly: false)
            for (topic, expected) in cases {
                for validateOnly in [true, false] {
                    await expectFailure(expected, "\(topic)") {
                        try await cluster.createTopic(topic, validateOnly: validateOnly)
                    }
                }
            }
            try await cluster.createTopic(NewTopic("only-checked"), validateOnly: true)
            #expect(try await cluster.topics().map(\.name) == ["there"])
        }
    }

    @Test(arguments: Transport.allCases)
    func `nothing creates a topic by the way`(transport: Transport) async throws {
        try await withCluster(transport, properties: ["auto.create.topics.enable": "true"]) { cluster in
            let unknown = ClusterError.Code.unknownTopicOrPartition
            let place = TopicPartition("missing", 0)
            let writer = try await cluster.writer(.acks(.all))
            await expectFailure(unknown) { try await cluster.topic("missing") }
            await expectFailure(unknown) { try await cluster.deleteTopic("missing") }
            await expectFailure(unknown) {
                try await cluster.addPartitions(topic: "missing", total: 2, validateOnly: false)
            }
            await expectFailure(unknown) { try await cluster.deleteRecords(place, before: nil) }
            await expectFailure(unknown) { try await cluster.offsets([place: .end], isolation: .readCommitted) }
            await expectFailure(unknown) {
                try await cluster.reader(place, from: .beginning, isolation: .readCommitted)
            }
            await expectFailure(unknown) {
                try await cluster.reader(place, from: .offset(0), isolation: .readCommitted)
            }
            await expectFailure(unknown) { try await cluster.configs(of: .topic("missing")) }
            await expectFailure(unknown) {
                try await cluster.alterConfigs(
                    of: .topic("missing"), [ConfigChange("retention.ms", .set("1"))], validateOnly: false)
            }
            await expectFailure(unknown) { try await writer.submit([ProducerRecord(value: text("x"))], to: "missing") }
            await expectFailure(unknown) {
                try await cluster.replay("missing") { _ in Issue.record("an event of a topic that does not exist") }
            }
            #expect(try await cluster.topics().isEmpty)
            await writer.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `a partition beyond the last is unknown`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 2), validateOnly: false)
            let place = TopicPartition("t", 2)
            let unknown = ClusterError.Code.unknownTopicOrPartition
            await expectFailure(unknown) { try await cluster.deleteRecords(place, before: nil) }
            await expectFailure(unknown) { try await cluster.offsets([place: .end], isolation: .readCommitted) }
            await expectFailure(unknown) { try await cluster.reader(place, from: .end, isolation: .readCommitted) }
            let writer = try await cluster.writer(.acks(.all))
            await expectFailure(unknown) {
                try await writer.write([ProducerRecord(partition: 2, value: text("x"))], to: "t")
            }
            await writer.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `partitions are added and never taken away`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 2), validateOnly: false)
            try await cluster.addPartitions(topic: "t", total: 5, validateOnly: true)
            #expect(try await cluster.topic("t").partitions.count == 2)
            try await cluster.addPartitions(topic: "t", total: 5, validateOnly: false)
            #expect(try await cluster.topic("t").partitions.count == 5)
            for total in [5, 3, 0] as [Int32] {
                await expectFailure(.invalidPartitions, "\(total)") {
                    try await cluster.addPartitions(topic: "t", total: total, validateOnly: false)
                }
            }
        }
    }

    @Test(arguments: Transport.allCases)
    func `a configuration change leaves the others as they are`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            let topic = NewTopic("t", configs: ["retention.ms": "60000", "cleanup.policy": "delete"])
            try await cluster.createTopic(topic, validateOnly: false)
            func set() async throws -> [String: String?] {
                let entries = try await cluster.configs(of: .topic("t"))
                #expect(entries.map(\.name) == entries.map(\.name).sorted())
                #expect(entries.contains { $0.name == "segment.bytes" && $0.source == .defaultConfig && $0.isDefault })
                return Dictionary(
                    uniqueKeysWithValues: entries.filter { $0.source == .dynamicTopic }.map { ($0.name, $0.value) })
            }
            #expect(try await set() == ["retention.ms": "60000", "cleanup.policy": "delete"])

            let changes = [
                ConfigChange("max.message.bytes", .set("2000")), ConfigChange("cleanup.policy", .append("compact")),
            ]
            try await cluster.alterConfigs(of: .topic("t"), changes, validateOnly: true)
            #expect(try await set() == ["retention.ms": "60000", "cleanup.policy": "delete"])
            try await cluster.alterConfigs(of: .topic("t"), changes, validateOnly: false)
            #expect(
                try await set() == [
                    "retention.ms": "60000", "cleanup.policy": "delete,compact", "max.message.bytes": "2000",
                ])

            try await cluster.alterConfigs(
                of: .topic("t"),
                [ConfigChange("cleanup.policy", .subtract("delete")), ConfigChange("retention.ms", .reset)],
                validateOnly: false)
            #expect(try await set() == ["cleanup.policy": "compact", "max.message.bytes": "2000"])

            for change in [
                ConfigChange("retention.mss", .set("1")), ConfigChange("retention.ms", .set("soon")),
                ConfigChange("cleanup.policy", .append("burn")),
            ] {
                await expectFailure(.invalidConfig, "\(change)") {
                    try await cluster.alterConfigs(
                        of: .topic("t"), [ConfigChange("max.message.bytes", .set("1")), change], validateOnly: false)
                }
            }
            #expect(try await set() == ["cleanup.policy": "compact", "max.message.bytes": "2000"])
        }
    }

    @Test(arguments: Transport.allCases)
    func `a broker tells its configuration`(transport: Transport) async throws {
        try await withCluster(transport, properties: ["num.partitions": "3"]) { cluster in
            let node = try #require(try await cluster.describeCluster().brokers.first?.id)
            let entries = try await cluster.configs(of: .broker(node))
            let count = try #require(entries.first { $0.name == "num.partitions" })
            #expect(count.value == "3")
            #expect(count.source == .staticBroker)
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            #expect(try await cluster.topic("t").partitions.count == 3)
        }
    }

    @Test(arguments: Transport.allCases)
    func `the cluster describes itself`(transport: Transport) async throws {
        try await withCluster(transport, properties: ["cluster.id": "a-cluster", "node.id": "7"]) { cluster in
            let description = try await cluster.describeCluster()
            #expect(description.id == "a-cluster")
            #expect(description.controller == 7)
            #expect(description.brokers.map(\.id) == [7])
            #expect(description.brokers.first?.host == "127.0.0.1")
            #expect((description.brokers.first?.port ?? 0) > 0)
        }
    }

    @Test(.timeLimit(.minutes(5)), arguments: Transport.allCases)
    func `a topic that is made anew has another id`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            /// A machine that is busy may not answer in time.
            func ids() async throws -> [String: String] {
                while true {
                    let ids = await cluster.topicIds(of: ["t", "not-there"])
                    if !ids.isEmpty { return ids }
                    try await Task.sleep(for: .milliseconds(1))
                }
            }
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let first = try await ids()
            #expect(first.keys.sorted() == ["t"])
            #expect(first["t"]?.utf8.count == 22)
            #expect(try await ids() == first)
            try await cluster.deleteTopic("t")
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            #expect(try await ids() != first)
            #expect(await cluster.topicIds(of: []) == [:])
        }
    }

    /// Offsets 0...4 with the timestamps 1000, 3000, 2000, 3000, 2500.
    @Test(arguments: Transport.allCases)
    func `positions resolve to offsets`(transport: Transport) async throws {
        let cases: [(LogPosition, Int64)] = [
            (.beginning, 0), (.end, 5), (.offset(2), 2), (.offset(77), 77),
            (.timestamp(0), 0), (.timestamp(1000), 0), (.timestamp(1001), 1), (.timestamp(2500), 1),
            (.timestamp(3001), 5),
            (.beforeEnd(0), 5), (.beforeEnd(2), 3), (.beforeEnd(9), 0), (.maxTimestamp, 1),
        ]
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", configs: ["retention.ms": "-1"]), validateOnly: false)
            let place = TopicPartition("t", 0)
            for (position, _) in cases where position != .offset(2) && position != .offset(77) {
                let offsets = try await cluster.offsets([place: position], isolation: .readCommitted)
                #expect(offsets == [place: 0], "\(position) of an empty partition")
            }
            let writer = try await cluster.writer(.acks(.all))
            for time in [1000, 3000, 2000, 3000, 2500] as [Int64] {
                _ = try await writer.write([ProducerRecord(value: text("x"), timestamp: time)], to: "t")
            }
            await writer.close()
            for (position, expected) in cases {
                for isolation in [Isolation.readCommitted, .readUncommitted] {
                    let offsets = try await cluster.offsets([place: position], isolation: isolation)
                    #expect(offsets == [place: expected], "\(position)")
                }
            }
        }
    }

    @Test(arguments: Transport.allCases)
    func `deleted records are before the beginning`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let place = TopicPartition("t", 0)
            let writer = try await cluster.writer(.acks(.all))
            _ = try await writer.write((0..<10).map { ProducerRecord(value: text("\($0)")) }, to: "t")
            await writer.close()
            #expect(try await cluster.deleteRecords(place, before: 4) == 4)
            #expect(try await cluster.offsets([place: .beginning], isolation: .readCommitted) == [place: 4])
            for offset in [11, 1000, -5] as [Int64] {
                await expectFailure(.offsetOutOfRange, "\(offset)") {
                    try await cluster.deleteRecords(place, before: offset)
                }
            }
            let reader = try await cluster.reader(place, from: .beginning, isolation: .readCommitted)
            #expect(try await read(reader, 6).map(\.offset) == Array(4..<10))
            reader.close()
            #expect(try await cluster.deleteRecords(place, before: nil) == 10)
        }
    }
}
