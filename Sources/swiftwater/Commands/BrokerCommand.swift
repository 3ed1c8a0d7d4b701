import ArgumentParser
import Bytes
import Cluster
import JSONFormat
import KafkaMessages

struct BrokerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker", abstract: "Look at brokers and change their configurations.",
        discussion: """
            EXAMPLES
              swiftwater broker describe
              swiftwater broker alter 1 --config log.retention.ms=86400000
              swiftwater broker log-dirs --topic ratings
              swiftwater broker api-versions
            """,
        subcommands: [BrokerDescribe.self, BrokerAlter.self, BrokerLogDirs.self, BrokerApiVersions.self])
}

/// The brokers that an argument names, or all; checked.
private func chosenBrokers(_ id: Int32?, in cluster: any Cluster) async throws -> [BrokerDescription] {
    let brokers = try await cluster.describeCluster().brokers
    guard let id else { return brokers }
    guard let broker = brokers.first(where: { $0.id == id }) else {
        throw CommandFailure(
            "there is no broker \(id)",
            hint: "the cluster has \(brokers.map { String($0.id) }.joined(separator: ", "))")
    }
    return [broker]
}

struct BrokerDescribe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show what brokers are configured to.",
        discussion: """
            Shows what somebody set; --all-configs shows the rest, too. With --default it is what was set for all brokers \
            while they run.

            EXAMPLES
              swiftwater broker describe
              swiftwater broker describe 1 --all-configs -o json
            """)

    @Argument(help: "The broker's id. (default: all brokers)") var id: Int32?
    @Flag(name: .customLong("default"), help: "Show what was set for all brokers.") var isDefault = false
    @Flag(help: "Show configurations that nobody set, too.") var allConfigs = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if isDefault, id != nil { throw ValidationError("--default is for all brokers, not for one") }
    }

    func run() async throws {
        let cluster = try await connection.connect()
        let calls = ConfigCalls(cluster)
        if isDefault {
            let entries = try await calls.list(.allBrokers)
            switch output.format {
            case .json:
                try Output.standard.write(
                    ConfigListing.json(entries, all: allConfigs).pretty + [UInt8(ascii: "\n")])
            case .table: try Output.standard.line(ConfigListing.text(entries, all: allConfigs))
            }
            return
        }
        var values: [JSONValue] = []
        for (index, broker) in try await chosenBrokers(id, in: cluster).enumerated() {
            let entries = try await calls.list(.broker(broker.id))
            switch output.format {
            case .json:
                values.append(
                    .object([
                        ("id", .number(Int64(broker.id))), ("host", .string(broker.host)),
                        ("port", .number(Int64(broker.port))),
                        ("configs", ConfigListing.json(entries, all: allConfigs)),
                    ]))
            case .table:
                if index > 0 { try Output.standard.line("") }
                try Output.standard.line("broker:   \(broker.id)\naddress:  \(broker.host):\(broker.port)\n")
                try Output.standard.line(ConfigListing.text(entries, all: allConfigs))
            }
        }
        if output.format == .json { try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")]) }
    }
}

struct BrokerAlter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alter", abstract: "Change a broker's configuration while it runs.",
        discussion: """
            What can be changed so is shown by 'broker describe --all-configs'. With --default it holds for every broker \
            that has nothing of its own.

            EXAMPLES
              swiftwater broker alter 1 --config log.cleaner.threads=2
              swiftwater broker alter --default --reset log.retention.ms
              swiftwater broker alter 1 --config my.plugin.limit=5 --force
            """)

    @Argument(help: "The broker's id.") var id: Int32?
    @Flag(name: .customLong("default"), help: "Change it for all brokers.") var isDefault = false
    @OptionGroup var changes: ConfigChangeOptions
    @Flag(help: "Take names that look misspelt: a plugin may know them.") var force = false
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard (id != nil) != isDefault else { throw ValidationError("name a broker's id, or --default for all") }
        try changes.requireSome()
    }

    func run() async throws {
        let cluster = try await connection.connect()
        if let id { _ = try await chosenBrokers(id, in: cluster) }
        try await changes.apply(to: id.map { .broker($0) } ?? .allBrokers, in: cluster, force: force)
    }
}

struct BrokerLogDirs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log-dirs", abstract: "Show the folders of brokers, and what partitions take there.",
        discussion: """
            EXAMPLES
              swiftwater broker log-dirs
              swiftwater broker log-dirs 1 --topic ratings -o json
            """)

    @Argument(help: "The broker's id. (default: all brokers)") var id: Int32?
    @Option(help: ArgumentHelp("Only this topic; may be repeated. (default: all)", valueName: "topic"))
    var topic: [String] = []
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let cluster = try await connection.connect()
        var wanted: [DescribeLogDirsRequest.DescribableLogDirTopic]?
        for name in topic {
            let partitions = try await ConnectionOptions.topic(name, in: cluster).partitions.map(\.partition)
            wanted = (wanted ?? []) + [.init(topic: name, partitions: partitions)]
        }
        let request = DescribeLogDirsRequest(topics: wanted)
        var values: [JSONValue] = []
        var folders = Table("BROKER#", "FOLDER", "PARTITIONS#", "BYTES#", "DISK#", "FREE#", "STATE")
        var partitions = Table("BROKER#", "TOPIC", "PARTITION#", "BYTES#")
        for broker in try await chosenBrokers(id, in: cluster) {
            let attempt = "describe the folders of broker \(broker.id)"
            let answer = try await cluster.requests.call(
                to: .broker(broker.id), versions: 1...4, timeout: cluster.requests.timeout
            ) { _ in request }
            try check(answer.errorCode, attempt)
            for folder in answer.results {
                let all = folder.topics.flatMap { topic in topic.partitions.map { (topic.name, $0) } }
                    .sorted { ($0.0, $0.1.partitionIndex) < ($1.0, $1.1.partitionIndex) }
                let state = folder.errorCode == 0 ? "ok" : ErrorCode(rawValue: folder.errorCode).name
                values.append(Self.json(broker.id, folder, all, state))
                folders.add(
                    String(broker.id), folder.logDir, String(all.count),
                    String(all.reduce(0) { $0 &+ $1.1.partitionSize }), Self.bytes(folder.totalBytes),
                    Self.bytes(folder.usableBytes), state)
                for (topic, partition) in all {
                    partitions.add(
                        String(broker.id), topic, String(partition.partitionIndex), String(partition.partitionSize))
                }
            }
        }
        switch output.format {
        case .json: try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table: try Output.standard.line(folders.text + "\n\n" + partitions.text)
        }
    }

    /// Before Kafka 3.3 brokers do not tell of their disks.
    private static func bytes(_ count: Int64) -> String { count >= 0 ? String(count) : "-" }

    private static func json(
        _ broker: Int32, _ folder: DescribeLogDirsResponse.DescribeLogDirsResult,
        _ partitions: [(String, DescribeLogDirsResponse.DescribeLogDirsPartition)], _ state: String
    ) -> JSONValue {
        .object([
            ("broker", .number(Int64(broker))), ("folder", .string(folder.logDir)), ("state", .string(state)),
            ("totalBytes", folder.totalBytes >= 0 ? .number(folder.totalBytes) : .null),
            ("usableBytes", folder.usableBytes >= 0 ? .number(folder.usableBytes) : .null),
            (
                "partitions",
                .array(
                    partitions.map { topic, partition in
                        .object([
                            ("topic", .string(topic)), ("partition", .number(Int64(partition.partitionIndex))),
                            ("bytes", .number(partition.partitionSize)), ("offsetLag", .number(partition.offsetLag)),
                            ("isFuture", .bool(partition.isFutureKey)),
                        ])
                    })
            ),
        ])
    }
}

struct BrokerApiVersions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "api-versions", abstract: "Show which requests brokers take, in which versions.",
        discussion: """
            EXAMPLES
              swiftwater broker api-versions
              swiftwater broker api-versions 1 -o json
            """)

    @Argument(help: "The broker's id. (default: all brokers)") var id: Int32?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let cluster = try await connection.connect()
        var values: [JSONValue] = []
        var table = Table("BROKER#", "KEY#", "API", "FIRST#", "LAST#")
        for broker in try await chosenBrokers(id, in: cluster) {
            for api in try await ClusterFeatures.answer(of: broker.id, cluster).apiKeys.sorted(by: {
                $0.apiKey < $1.apiKey
            }) {
                let name = ApiKey(rawValue: api.apiKey)?.name
                table.add(
                    String(broker.id), String(api.apiKey), name ?? "?", String(api.minVersion),
                    String(api.maxVersion))
                values.append(
                    .object([
                        ("broker", .number(Int64(broker.id))), ("key", .number(Int64(api.apiKey))),
                        ("api", .string(name)), ("first", .number(Int64(api.minVersion))),
                        ("last", .number(Int64(api.maxVersion))),
                    ]))
            }
        }
        switch output.format {
        case .json: try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table: try Output.standard.line(table.text)
        }
    }
}
