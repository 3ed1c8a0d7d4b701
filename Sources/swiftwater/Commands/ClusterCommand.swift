import ArgumentParser
import Cluster
import JSONFormat
import KafkaMessages

struct ClusterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster", abstract: "Look at the cluster.",
        subcommands: [ClusterDescribe.self, ClusterFeatures.self, ClusterQuorum.self])
}

struct ClusterDescribe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show the cluster's id, controller and brokers.",
        discussion: """
            EXAMPLES
              swiftwater cluster describe -b kafka.example.com:9092
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let cluster = try await connection.connect().describeCluster()
        switch output.format {
        case .json:
            let value = JSONValue.object([
                ("id", .string(cluster.id)), ("controller", cluster.controller.map { .number(Int64($0)) } ?? .null),
                (
                    "brokers",
                    .array(
                        cluster.brokers.map {
                            .object([
                                ("id", .number(Int64($0.id))), ("host", .string($0.host)),
                                ("port", .number(Int64($0.port))),
                            ])
                        })
                ),
            ])
            try Output.standard.write(value.pretty + [UInt8(ascii: "\n")])
        case .table:
            try Output.standard.line("cluster:     \(cluster.id ?? "unknown")")
            try Output.standard.line("controller:  \(cluster.controller.map(String.init) ?? "none")")
            var table = Table("BROKER#", "HOST", "PORT#")
            for broker in cluster.brokers { table.add(String(broker.id), broker.host, String(broker.port)) }
            try Output.standard.line("\n" + table.text)
        }
    }
}

struct ClusterFeatures: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features", abstract: "Show the features that the cluster has settled on.",
        discussion: """
            FINALIZED is the level that is in force, and SUPPORTED what the broker could do.

            EXAMPLES
              swiftwater cluster features
              swiftwater cluster features -o json
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let cluster = try await connection.connect()
        let broker = try await cluster.requests.broker(.anyBroker)
        let answer = try await Self.answer(of: broker.id, cluster)
        let levels = Dictionary(answer.finalizedFeatures.map { ($0.name, $0) }) { first, _ in first }
        let supported = answer.supportedFeatures.sorted { $0.name < $1.name }
        switch output.format {
        case .json:
            let values = supported.map { feature in
                JSONValue.object([
                    ("feature", .string(feature.name)), ("supportedMin", .number(Int64(feature.minVersion))),
                    ("supportedMax", .number(Int64(feature.maxVersion))),
                    ("finalized", levels[feature.name].map { .number(Int64($0.maxVersionLevel)) } ?? .null),
                ])
            }
            let value = JSONValue.object([
                ("epoch", .number(answer.finalizedFeaturesEpoch)), ("features", .array(values)),
            ])
            try Output.standard.write(value.pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("FEATURE", "SUPPORTED", "FINALIZED#")
            for feature in supported {
                table.add(
                    feature.name, "\(feature.minVersion) to \(feature.maxVersion)",
                    levels[feature.name].map { String($0.maxVersionLevel) } ?? "-")
            }
            try Output.standard.line(table.text)
        }
    }

    /// What a broker says that it offers.
    static func answer(of broker: Int32, _ cluster: any Cluster) async throws -> ApiVersionsResponse {
        let answer = try await cluster.requests.call(
            to: .broker(broker), versions: 3...4, timeout: cluster.requests.timeout
        ) { _ in
            ApiVersionsRequest(clientSoftwareName: "swiftwater", clientSoftwareVersion: Swiftwater.version)
        }
        try check(answer.errorCode, "ask broker \(broker) what it offers")
        return answer
    }
}

struct ClusterQuorum: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quorum", abstract: "Show the quorum of controllers that keeps the cluster's metadata.",
        discussion: """
            EXAMPLES
              swiftwater cluster quorum
              swiftwater cluster quorum -o json
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let requests = try await connection.connect().requests
        let attempt = "describe the quorum"
        let answer = try await requests.call(to: .anyBroker, versions: 0...2, timeout: requests.timeout) { _ in
            DescribeQuorumRequest(topics: [.init(topicName: "__cluster_metadata", partitions: [.init()])])
        }
        try check(answer.errorCode, attempt, detail: answer.errorMessage)
        guard let partition = answer.topics.first?.partitions.first else {
            throw ClusterError(.unknownServerError, "\(attempt): the answer is empty")
        }
        try check(partition.errorCode, attempt, detail: partition.errorMessage)
        let end = partition.currentVoters.first { $0.replicaId == partition.leaderId }?.logEndOffset ?? 0
        let replicas =
            partition.currentVoters.map { ($0, $0.replicaId == partition.leaderId ? "leader" : "follower") }
            + partition.observers.map { ($0, "observer") }
        switch output.format {
        case .json:
            let values = replicas.map { replica, role in
                JSONValue.object([
                    ("id", .number(Int64(replica.replicaId))), ("role", .string(role)),
                    ("endOffset", .number(replica.logEndOffset)), ("lag", .number(max(0, end &- replica.logEndOffset))),
                ])
            }
            let value = JSONValue.object([
                ("leader", .number(Int64(partition.leaderId))), ("epoch", .number(Int64(partition.leaderEpoch))),
                ("highWatermark", .number(partition.highWatermark)), ("replicas", .array(values)),
            ])
            try Output.standard.write(value.pretty + [UInt8(ascii: "\n")])
        case .table:
            try Output.standard.line("leader:          \(partition.leaderId)")
            try Output.standard.line("epoch:           \(partition.leaderEpoch)")
            try Output.standard.line("high watermark:  \(partition.highWatermark)\n")
            var table = Table("NODE#", "ROLE", "END#", "LAG#")
            for (replica, role) in replicas {
                table.add(
                    String(replica.replicaId), role, String(replica.logEndOffset),
                    String(max(0, end &- replica.logEndOffset)))
            }
            try Output.standard.line(table.text)
        }
    }
}
