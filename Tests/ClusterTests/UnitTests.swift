import KafkaMessages
import NIOCore
import Testing

@testable import Cluster

@Suite struct PartitionerTests {
    /// Computed with kafka-clients 4.3.0.
    @Test(
        arguments: [
            ("", 275_646_681, 2), ("a", -1_563_381_124, 5), ("21", -973_932_308, 3), ("foobar", -790_332_482, 0),
            ("key-0", 29_210_041, 0), ("a-little-bit-long-string", -985_981_536, 1),
        ] as [(String, Int32, Int32)])
    func `hashes and partitions as Java`(key: String, hash: Int32, partitionOfSeven: Int32) {
        #expect(Partitioner.murmur2(ByteBuffer(string: key)) == hash)
        #expect(Partitioner.partition(ofKey: ByteBuffer(string: key), partitionCount: 7) == partitionOfSeven)
    }
}

@Suite struct ClusterErrorTests {
    @Test(
        arguments: [
            (-1, "UNKNOWN_SERVER_ERROR", false), (0, "NONE", false), (3, "UNKNOWN_TOPIC_OR_PARTITION", true),
            (36, "TOPIC_ALREADY_EXISTS", false), (56, "KAFKA_STORAGE_ERROR", true), (90, "PRODUCER_FENCED", false),
            (133, "SHARE_SESSION_LIMIT_REACHED", true), (134, "UNKNOWN_ERROR_CODE_134", false),
            (-7, "UNKNOWN_ERROR_CODE_-7", false),
        ] as [(Int16, String, Bool)])
    func `codes have Kafka's names`(code: Int16, name: String, isRetriable: Bool) {
        #expect(ClusterError.Code(rawValue: code).name == name)
        #expect(ClusterError.Code(rawValue: code).isRetriable == isRetriable)
    }

    @Test func `a code is told in words, also one that is younger than librdkafka`() {
        #expect(ClusterError(code: .unknownMemberId, "commit").message == "commit: unknown member")
        #expect(ClusterError(code: .fencedMemberEpoch, "commit").message == "commit: fenced member epoch")
        #expect(ClusterError(code: .groupIdNotFound, "find", detail: "not here").message == "find: not here")
    }

    @Test(
        arguments: [
            (
                "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
                "connection refused"
            ),
            (
                "nohost:9092/bootstrap: Failed to resolve 'nohost:9092': Name or service not known (after 2ms in state CONNECT)",
                "failed to resolve 'nohost:9092': Name or service not known"
            ),
            ("1/1 brokers are down", "1/1 brokers are down"),
            (
                "sasl_ssl://a:9093/bootstrap: SASL authentication error: no (after 5ms in state AUTH_REQ)",
                "SASL authentication error: no"
            ),
        ])
    func `the reason of a failed connection is told without librdkafka's context`(text: String, reason: String) {
        #expect(RemoteCluster.reason(text) == reason)
    }
}

@Suite struct WriteReceiptTests {
    @Test func `tasks and threads get the one answer`() async throws {
        let receipt = WriteReceipt()
        #expect(!receipt.isResolved)
        let answer = [RecordPosition(partition: 1, offset: 2)]
        try await withThrowingTaskGroup(of: [RecordPosition].self) { group in
            for _ in 0..<4 {
                group.addTask { try await receipt.positions() }
                group.addTask { try await onThread { try receipt.positionsBlocking() } }
            }
            await Task.yield()
            receipt.resolve(.success(answer))
            receipt.resolve(.failure(ClusterError(.unknownServerError, "a second answer does not count")))
            for try await positions in group { #expect(positions == answer) }
        }
        #expect(receipt.isResolved)
        #expect(try receipt.positionsBlocking() == answer)
    }

    @Test func `a failure is thrown to all`() async {
        let receipt = WriteReceipt(.failure(ClusterError(.messageTooLarge, "too large")))
        await expectFailure(.messageTooLarge) { try await receipt.positions() }
        await expectFailure(.messageTooLarge) { try receipt.positionsBlocking() }
    }
}

@Suite struct SignalTests {
    @Test func `what happens between the look and the wait is not lost`() async {
        let signal = Signal()
        let generation = signal.generation
        signal.notify()
        await signal.wait(after: generation)
        #expect(signal.generation == generation + 1)
    }

    @Test func `a cancelled wait ends, also one that is cancelled before it begins`() async {
        let signal = Signal()
        for _ in 0..<100 {
            let wait = Task { await signal.wait(after: signal.generation) }
            wait.cancel()
            await wait.value
        }
    }

    @Test func `everybody is woken`() async {
        let signal = Signal()
        let generation = signal.generation
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { await signal.wait(after: generation) } }
            await Task.yield()
            signal.notify()
        }
    }

    @Test func `a wait ends with its time`() async {
        let signal = Signal()
        await signal.wait(after: signal.generation, timeout: .milliseconds(1))
    }
}

@Suite struct BlockingCallsTests {
    @Test func `more calls than threads all run`() async throws {
        let calls = BlockingCalls(threadCountMax: 3)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<200 { group.addTask { try await calls.run { () throws(ClusterError) in number } } }
            var sum = 0
            for try await number in group { sum += number }
            #expect(sum == 199 * 200 / 2)
        }
        await expectFailure(.invalidRequest) {
            try await calls.run { () throws(ClusterError) -> Int in throw ClusterError(.invalidRequest, "no") }
        }
    }
}

@Suite struct RemoteConfigurationTests {
    @Test(
        arguments: [
            (["client.id": "x", "security.protocol": "SSL"], ["client.id": "x", "security.protocol": "SSL"]),
            (["bootstrap.servers": "a:1", "key.serializer": "x"], [:]),
            (["ssl.truststore.type": "PEM", "ssl.truststore.location": "/ca.pem"], ["ssl.ca.location": "/ca.pem"]),
            (["ssl.keystore.type": "PKCS12", "ssl.keystore.location": "/k"], ["ssl.keystore.location": "/k"]),
            (
                ["ssl.keystore.type": "PEM", "ssl.keystore.location": "/k"],
                ["ssl.certificate.location": "/k", "ssl.key.location": "/k"]
            ),
            (
                [
                    "sasl.jaas.config":
                        #"org.apache.kafka.common.security.plain.PlainLoginModule required username="an" password="p\"w;";"#
                ],
                ["sasl.username": "an", "sasl.password": "p\"w;"]
            ),
            (
                ["sasl.jaas.config": "x required password='b' username = 'a';"],
                ["sasl.username": "a", "sasl.password": "b"]
            ),
            (
                ["sasl.jaas.config": "a.ScramLoginModule required username='i' password='h' tokenauth='true';"],
                ["sasl.username": "i", "sasl.password": "h", "sasl.scram.tokenauth": "true"]
            ),
            (
                [
                    "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url": "https://i/t",
                    "sasl.login.callback.handler.class": "a.OAuthBearerLoginCallbackHandler",
                    "sasl.jaas.config":
                        #"a.OAuthBearerLoginModule required clientId="c" clientSecret="s" scope="x" extension_pool="p";"#,
                ],
                [
                    "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url": "https://i/t",
                    "sasl.oauthbearer.client.id": "c", "sasl.oauthbearer.client.secret": "s",
                    "sasl.oauthbearer.scope": "x",
                    "sasl.oauthbearer.extensions": "pool=p",
                ]
            ),
            // KIP-1139.
            (
                [
                    "sasl.oauthbearer.client.credentials.client.id": "c",
                    "sasl.oauthbearer.client.credentials.client.secret": "s",
                    "sasl.oauthbearer.header.urlencode": "true",
                    "sasl.oauthbearer.jwt.retriever.class": "a.b.ClientCredentialsJwtRetriever",
                ],
                [
                    "sasl.oauthbearer.client.id": "c", "sasl.oauthbearer.client.secret": "s",
                    "sasl.oauthbearer.header.urlencode": "true",
                ]
            ),
            (
                ["sasl.jaas.config": "OAuthBearerLoginModule required unsecuredLoginStringClaim_sub='ann';"],
                ["enable.sasl.oauthbearer.unsecure.jwt": "true", "sasl.oauthbearer.config": "principal=ann"]
            ),
            // A file as Confluent Cloud makes it.
            (
                [
                    "client.dns.lookup": "use_all_dns_ips", "session.timeout.ms": "45000", "acks": "all",
                    "schema.registry.url": "https://x", "basic.auth.credentials.source": "USER_INFO",
                    "basic.auth.user.info": "a:b",
                ], ["session.timeout.ms": "45000", "acks": "all"]
            ),
            (
                [
                    "default.api.timeout.ms": "1", "max.poll.records": "1", "buffer.memory": "1", "max.block.ms": "1",
                    "ssl.enabled.protocols": "TLSv1.3", "interceptor.classes": "x.Y", "max.request.size": "2000",
                ],
                ["message.max.bytes": "2000"]
            ),
            (["ssl.endpoint.identification.algorithm": ""], ["ssl.endpoint.identification.algorithm": "none"]),
            (
                ["partition.assignment.strategy": "[org.apache.kafka.clients.consumer.CooperativeStickyAssignor]"],
                ["partition.assignment.strategy": "cooperative-sticky"]
            ),
            (
                [
                    "partition.assignment.strategy":
                        "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
                ], ["partition.assignment.strategy": "range"]
            ),
            (["partition.assignment.strategy": "org.apache.kafka.clients.consumer.StickyAssignor"], [:]),
        ] as [([String: String], [String: String])])
    func `Java's properties become librdkafka's`(java: [String: String], ours: [String: String]) throws {
        #expect(try RemoteConfiguration.properties(fromJava: java) == ours)
    }

    @Test(
        arguments: [
            ["ssl.truststore.type": "BKS"], ["ssl.keystore.type": "BKS"],
            ["sasl.jaas.config": "x required username=\"a\";"],
            ["sasl.jaas.config": "PlainLoginModule required username='a' password='b' tokenauth='true';"],
            ["sasl.jaas.config": "x required username=\"a\" password=\"b"],
        ] as [[String: String]])
    func `what has no counterpart is refused`(java: [String: String]) async {
        await expectFailure(.invalidConfig) { try RemoteConfiguration.properties(fromJava: java) }
    }

    @Test func `a name that no client knows is refused with the nearest`() throws {
        var notices: [String] = []
        _ = try RemoteConfiguration.properties(fromJava: ["metric.reporters": "x"]) { notices.append($0) }
        #expect(notices.count == 1 && notices[0].contains("metric.reporters"))
        let failure = #expect(throws: ClusterError.self) {
            try RemoteConfiguration.properties(fromJava: ["max.pol.records": "1"])
        }
        #expect(failure?.message.contains("'max.poll.records'") == true)
        let alias = #expect(throws: ClusterError.self) {
            try RemoteConfiguration.properties(fromJava: ["linger.mss": "1"])
        }
        #expect(alias?.message.contains("'linger.ms'") == true)
        let ofLibrary = #expect(throws: ClusterError.self) {
            try RemoteCluster(
                RemoteConfiguration(bootstrapServers: "127.0.0.1:1", properties: ["sesion.timeout.ms": "5"]))
        }
        #expect(ofLibrary?.message.contains("'session.timeout.ms'") == true)
    }

    @Test(arguments: [["no.such.property": "1"], ["linger.ms": "soon"]] as [[String: String]])
    func `an unknown property or value is refused when the cluster is opened`(properties: [String: String]) async {
        await expectFailure(.invalidConfig) {
            try RemoteCluster(RemoteConfiguration(bootstrapServers: "127.0.0.1:1", properties: properties))
        }
    }

    /// The thread of a handle may be at an event when the handle ends: what it destroys then is asked for nothing more.
    @Test func `handles end while events come`() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<30 {
                        let cluster = try RemoteCluster(RemoteConfiguration(bootstrapServers: "127.0.0.1:1"))
                        await expectFailure(.brokerNotAvailable) { try await cluster.connect(timeout: .seconds(60)) }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func `a refused connection is told at once`() async throws {
        let cluster = try RemoteCluster(RemoteConfiguration(bootstrapServers: "127.0.0.1:1"))
        await expectFailure(.brokerNotAvailable) { try await cluster.connect(timeout: .seconds(60)) }
    }

    @Test(
        arguments: [
            (.zero, 0), (.milliseconds(-5), 0), (.nanoseconds(1), 1), (.milliseconds(1), 1), (.microseconds(1001), 2),
            (.seconds(30), 30_000), (.seconds(1 << 40), .max),
        ] as [(Duration, Int32)])
    func `durations become whole milliseconds`(duration: Duration, milliseconds: Int32) {
        #expect(duration.milliseconds == milliseconds)
    }
}

@Suite struct ConfigChangeTests {
    private static let present = [
        ConfigEntry(name: "cleanup.policy", value: "delete", source: .defaultConfig),
        ConfigEntry(name: "retention.ms", value: "5", source: .dynamicTopic),
        ConfigEntry(name: "segment.bytes", value: "9", source: .staticBroker),
    ]

    /// By hand, from what IncrementalAlterConfigs (KIP-339) would leave.
    @Test(
        arguments: [
            ([], ["retention.ms": "5"]),
            ([ConfigChange("retention.ms", .set("6"))], ["retention.ms": "6"]),
            ([ConfigChange("retention.ms", .reset)], [:]),
            ([ConfigChange("segment.bytes", .set("1"))], ["retention.ms": "5", "segment.bytes": "1"]),
            (
                [ConfigChange("cleanup.policy", .append("compact"))],
                ["retention.ms": "5", "cleanup.policy": "delete,compact"]
            ),
            ([ConfigChange("cleanup.policy", .append("delete"))], ["retention.ms": "5", "cleanup.policy": "delete"]),
            (
                [ConfigChange("cleanup.policy", .set("a, b,c")), ConfigChange("cleanup.policy", .subtract("b"))],
                ["retention.ms": "5", "cleanup.policy": "a,c"]
            ),
        ] as [([ConfigChange], [String: String])])
    func `changes are applied to what is set`(changes: [ConfigChange], expected: [String: String]) throws {
        #expect(try RemoteCluster.values(after: changes, of: Self.present, .topic("t"), "alter") == expected)
    }

    @Test func `a sensitive value that is set would be lost, so nothing is changed`() async {
        let secret = [ConfigEntry(name: "secret", value: nil, source: .dynamicTopic, isSensitive: true)]
        await expectFailure(.invalidRequest) { try RemoteCluster.values(after: [], of: secret, .topic("t"), "alter") }
    }
}

@Suite struct MovedLeaderTests {
    private static let places = (0..<3).map { TopicPartition("t", $0) }

    private static func ask(
        _ rounds: [[TopicPartition: ErrorCode]]
    ) async throws(ClusterError) -> (found: [TopicPartition: Int64], asked: [[TopicPartition]]) {
        var asked: [[TopicPartition]] = []
        let found = try await RemoteCluster.askingTwice(places, "look", pause: .zero) {
            partitions throws(ClusterError) in
            let failures = asked.count < rounds.count ? rounds[asked.count] : [:]
            asked.append(partitions)
            let found = partitions.filter { failures[$0] == nil }.map { ($0, Int64($0.partition) + 10) }
            return (Dictionary(uniqueKeysWithValues: found), failures)
        }
        return (found, asked)
    }

    @Test func `partitions whose leader has moved are asked for once more`() async throws {
        let (found, asked) = try await Self.ask([
            [Self.places[1]: .notLeaderOrFollower, Self.places[2]: .leaderNotAvailable]
        ])
        #expect(found == [Self.places[0]: 10, Self.places[1]: 11, Self.places[2]: 12])
        #expect(asked == [Self.places, [Self.places[1], Self.places[2]]])
    }

    @Test func `once more, and other errors not at all`() async {
        let moved = [Self.places[1]: ErrorCode.notLeaderOrFollower]
        await expectFailure(.notLeaderOrFollower) { try await Self.ask([moved, moved]) }
        await expectFailure(.topicAuthorizationFailed) {
            try await Self.ask([
                [Self.places[0]: .topicAuthorizationFailed], [Self.places[0]: .notLeaderOrFollower],
            ])
        }
    }

    @Test func `nothing is asked about nothing`() async throws {
        let found = try await RemoteCluster.askingTwice([], "look") { _ throws(ClusterError) in
            throw ClusterError(.unknownServerError, "asked")
        }
        #expect(found.isEmpty)
    }
}
