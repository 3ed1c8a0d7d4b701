import ArgumentParser
import Broker
import Bytes
import Cluster
import JSONFormat

struct TopicCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topic", abstract: "Create, look at, change and delete topics.",
        discussion: """
            EXAMPLES
              swiftwater topic create ratings --partitions 4 --config retention.ms=86400000
              swiftwater topic list -o json
              swiftwater topic describe ratings
              swiftwater topic alter ratings --partitions 8 --config cleanup.policy=compact
              swiftwater topic delete ratings
            """,
        subcommands: [
            TopicCreate.self, TopicList.self, TopicDescribe.self, TopicAlter.self, TopicDelete.self,
            TopicDeleteRecords.self, TopicOffsets.self, TopicReassign.self, TopicElectLeaders.self,
        ])
}

struct TopicCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a topic.",
        discussion: """
            What is not given follows the broker's defaults (num.partitions, default.replication.factor, log.*).

            EXAMPLES
              swiftwater topic create ratings
              swiftwater topic create users --partitions 4 --config cleanup.policy=compact
            """)

    @Argument(help: "The topic's name: letters, digits, '.', '_' and '-'.") var name: String
    @Option(name: .shortAndLong, help: "Number of partitions.") var partitions: Int32?
    @Option(help: "Copies of each partition.") var replicationFactor: Int16?
    @Option(name: .shortAndLong, help: ArgumentHelp("A topic configuration; may be repeated.", valueName: "name=value"))
    var config: [String] = []
    @Flag(help: "Succeed when the topic is there already.") var ifNotExists = false
    @Flag(help: "Only check that the topic could be created.") var dryRun = false
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        try checkPartitions(partitions)
        try checkGivenOnce(config)
    }

    func run() async throws {
        let configs = Dictionary(try pairs(config, option: "--config").map { ($0.name, $0.value) }) { $1 }
        let cluster = try await connection.connect()
        let topic = NewTopic(
            name, partitionCount: partitions, replicationFactor: replicationFactor, configs: configs)
        do {
            try await cluster.createTopic(topic, validateOnly: dryRun)
        } catch let error where error.code == .topicAlreadyExists && ifNotExists {
            return try Output.standard.line("topic '\(name)' is there already")
        } catch {
            throw CommandFailure(withNearestConfig(error, configs.keys.sorted()))
        }
        if dryRun { return try Output.standard.line("topic '\(name)' can be created") }
        // Its description may lag behind on a large cluster; the topic is created all the same.
        let count = (try? await cluster.topic(name).partitions.count) ?? partitions.map(Int.init)
        try Output.standard.line(
            "created topic '\(name)'" + (count.map { " with \(counted($0, "partition"))" } ?? ""))
    }
}

struct TopicList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the topics.",
        discussion: """
            EXAMPLES
              swiftwater topic list
              swiftwater topic list -o json -b kafka.example.com:9092
              swiftwater topic list --include 'orders-.*'
            """)

    @Flag(help: "Show the broker's own topics too.") var internalTopics = false
    @OptionGroup var pattern: TopicPatternOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let pattern = try pattern.pattern()
        let cluster = try await connection.connect()
        var topics = try await cluster.topics().filter { internalTopics || !$0.isInternal }
        if let pattern {
            let names = Set(try pattern.matching(topics.map(\.name)))
            topics.removeAll { !names.contains($0.name) }
        }
        switch output.format {
        case .json:
            let values = topics.map { topic in
                JSONValue.object([
                    ("name", .string(topic.name)), ("partitions", .number(Int64(topic.partitions.count))),
                    ("replicas", .number(Int64(topic.replicaCount))), ("internal", .bool(topic.isInternal)),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("NAME", "PARTITIONS#", "REPLICAS#")
            for topic in topics { table.add(topic.name, String(topic.partitions.count), String(topic.replicaCount)) }
            try Output.standard.line(table.text)
        }
    }
}

struct TopicDescribe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show topics: their partitions, offsets and configuration.",
        discussion: """
            EXAMPLES
              swiftwater topic describe
              swiftwater topic describe ratings
              swiftwater topic describe ratings --all-configs -o json
              swiftwater topic describe --include 'orders-.*'
              swiftwater topic describe --only under-replicated
            """)

    @Argument(help: "Topics. (default: all but the broker's own)", completion: NameCompletion.topics)
    var names: [String] = []
    @OptionGroup var pattern: TopicPatternOptions
    @Flag(help: "Show configurations that nobody set, too.") var allConfigs = false
    @Option(help: "Show only partitions of which this holds, in a list.") var only: PartitionTrouble?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let cluster = try await connection.connect()
        var values: [JSONValue] = []
        let all = try await pattern.chosen(
            names, in: cluster, all: { try await cluster.topics().filter { !$0.isInternal }.map(\.name) })
        if let only { return try await show(only, of: all, in: cluster) }
        // Of all at once: where the cluster does not answer, that is waited for once.
        let ids = await cluster.topicIds(of: all)
        var count = 0
        for name in all {
            var details: Details
            do {
                details = try await self.details(name, in: cluster)
                details.topic.id = ids[name]
            } catch let error as ClusterError where names.isEmpty && error.code == .unknownTopicOrPartition {
                Output.complain("swiftwater: topic '\(name)' is left out: it was deleted meanwhile")
                continue
            }
            switch output.format {
            case .json: values.append(details.json)
            case .table:
                if count > 0 { try Output.standard.line("") }
                try Output.standard.line(details.text)
            }
            count += 1
        }
        if output.format == .json { try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")]) }
    }

    private func show(_ trouble: PartitionTrouble, of all: [String], in cluster: RemoteCluster) async throws {
        var moves: [ReassignmentCalls.Move] = []
        if trouble == .underReplicated {
            // Who may not ask for moves, and whose brokers know none, sees partitions that are being moved as they are.
            do { moves = try await ReassignmentCalls(cluster).list() } catch is ClusterError {}
        }
        let adding = Dictionary(moves.map { ($0.place, $0.adding.count) }) { first, _ in first }
        var rows: [(TopicPartition, PartitionDescription)] = []
        for name in all {
            let isNamed = names.contains(name)
            do {
                let topic =
                    isNamed
                    ? try await ConnectionOptions.topic(name, in: cluster) : try await cluster.topic(name)
                let minimum =
                    trouble.needsMinimum
                    ? try await cluster.configs(of: .topic(name)).first { $0.name == "min.insync.replicas" }?.value
                        .flatMap { Int($0) } : nil
                for partition in topic.partitions {
                    let place = TopicPartition(name, partition.partition)
                    if trouble.holds(of: partition, inSyncMin: minimum ?? 1, addingCount: adding[place] ?? 0) {
                        rows.append((place, partition))
                    }
                }
            } catch let error as ClusterError where !isNamed && error.code == .unknownTopicOrPartition {
                Output.complain("swiftwater: topic '\(name)' is left out: it was deleted meanwhile")
            }
        }
        switch output.format {
        case .json:
            let values = rows.map { place, partition in
                JSONValue.object([
                    ("topic", .string(place.topic)), ("partition", .number(Int64(place.partition))),
                    ("leader", partition.leader.map { .number(Int64($0)) } ?? .null),
                    ("replicas", .array(partition.replicas.map { .number(Int64($0)) })),
                    ("inSyncReplicas", .array(partition.inSyncReplicas.map { .number(Int64($0)) })),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("TOPIC", "PARTITION#", "LEADER#", "REPLICAS", "IN SYNC")
            for (place, partition) in rows {
                table.add(
                    place.topic, String(place.partition), partition.leader.map(String.init) ?? "none",
                    partition.replicas.map(String.init).joined(separator: ","),
                    partition.inSyncReplicas.map(String.init).joined(separator: ","))
            }
            try Output.standard.line(table.text)
        }
    }

    private func details(_ name: String, in cluster: RemoteCluster) async throws -> Details {
        let topic =
            names.isEmpty ? try await cluster.topic(name) : try await ConnectionOptions.topic(name, in: cluster)
        let partitions = topic.partitions.map { TopicPartition(name, $0.partition) }
        async let starts = offsets(.beginning, of: partitions, in: cluster)
        async let ends = offsets(.end, of: partitions, in: cluster)
        let configs = try await cluster.configs(of: .topic(name)).filter {
            allConfigs || $0.source == .dynamicTopic
        }
        return Details(topic: topic, starts: try await starts, ends: try await ends, configs: configs)
    }

    private func offsets(
        _ position: LogPosition, of partitions: [TopicPartition], in cluster: RemoteCluster
    ) async throws -> [TopicPartition: Int64] {
        try await cluster.offsets(
            Dictionary(uniqueKeysWithValues: partitions.map { ($0, position) }), isolation: .readUncommitted)
    }

    struct Details {
        var topic: TopicDescription
        var starts: [TopicPartition: Int64]
        var ends: [TopicPartition: Int64]
        var configs: [ConfigEntry]

        var text: String {
            var lines = ["topic:       \(topic.name)"]
            if let id = topic.id { lines.append("id:          \(id)") }
            lines.append("partitions:  \(topic.partitions.count)")
            lines.append("replicas:    \(topic.replicaCount)")
            var table = Table("PARTITION#", "LEADER#", "REPLICAS", "IN SYNC", "START#", "END#", "OFFSETS#")
            for partition in topic.partitions {
                let place = TopicPartition(topic.name, partition.partition)
                let start = starts[place] ?? 0
                let end = ends[place] ?? 0
                table.add(
                    String(partition.partition), partition.leader.map(String.init) ?? "none",
                    partition.replicas.map(String.init).joined(separator: ","),
                    partition.inSyncReplicas.map(String.init).joined(separator: ","), String(start), String(end),
                    String(max(0, end - start)))
            }
            lines += ["", table.text]
            if !configs.isEmpty {
                var table = Table("CONFIG", "VALUE", "SOURCE")
                for config in configs { table.add(config.name, config.shownValue, config.source.name) }
                lines += ["", table.text]
            }
            return lines.joined(separator: "\n")
        }

        var json: JSONValue {
            var members: [(String, JSONValue)] = [("name", .string(topic.name))]
            // Not every cluster tells it.
            if let id = topic.id { members.append(("id", .string(id))) }
            members += [
                ("internal", .bool(topic.isInternal)),
                (
                    "partitions",
                    .array(
                        topic.partitions.map { partition in
                            let place = TopicPartition(topic.name, partition.partition)
                            return .object([
                                ("partition", .number(Int64(partition.partition))),
                                ("leader", partition.leader.map { .number(Int64($0)) } ?? .null),
                                ("replicas", .array(partition.replicas.map { .number(Int64($0)) })),
                                ("inSyncReplicas", .array(partition.inSyncReplicas.map { .number(Int64($0)) })),
                                ("startOffset", .number(starts[place] ?? 0)), ("endOffset", .number(ends[place] ?? 0)),
                            ])
                        })
                ),
                ("configs", .array(configs.map(\.json))),
            ]
            return .object(members)
        }
    }
}

struct TopicAlter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alter", abstract: "Change a topic's configuration or add partitions.",
        discussion: """
            Partitions can only be added. Records that are there stay where they are, so keys may come to another partition.

            EXAMPLES
              swiftwater topic alter ratings --config retention.ms=3600000 \\
                  --reset max.message.bytes
              swiftwater topic alter ratings --partitions 8
            """)

    @Argument(help: "The topic.", completion: NameCompletion.topics) var name: String
    @Option(name: .shortAndLong, help: "Number of partitions that the topic is to have.") var partitions: Int32?
    @OptionGroup var settings: ConfigChangeOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard partitions != nil || !settings.isEmpty else {
            throw ValidationError("nothing to change: give --partitions, --config or --reset")
        }
        try checkPartitions(partitions)
    }

    func run() async throws {
        let changes = try settings.changes()
        let dryRun = settings.dryRun
        let cluster = try await connection.connect()
        let topic = try await ConnectionOptions.topic(name, in: cluster)
        if !changes.isEmpty {
            // A reset of an unknown name changes nothing on any broker, so the misspelling would go unnoticed.
            let known = try await cluster.configs(of: .topic(name)).map(\.name)
            for name in settings.reset where !known.isEmpty && !known.contains(name) {
                throw CommandFailure(
                    "unknown topic configuration '\(name)'"
                        + (nearestName(to: name, among: known).map { ": did you mean '\($0)'?" } ?? ""))
            }
            do {
                try await cluster.alterConfigs(of: .topic(name), changes, validateOnly: dryRun)
            } catch {
                throw CommandFailure(withNearestConfig(error, changes.map(\.name)))
            }
        }
        if let partitions {
            try await cluster.addPartitions(topic: name, total: partitions, validateOnly: dryRun)
        }
        var done: [String] = []
        if !changes.isEmpty { done.append(counted(changes.count, "configuration")) }
        if let partitions { done.append("from \(topic.partitions.count) to \(partitions) partitions") }
        try Output.standard.line(
            (dryRun ? "topic '\(name)' can be altered: " : "altered topic '\(name)': ")
                + done.joined(separator: ", "))
    }
}

struct TopicDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete topics with all their records.",
        discussion: """
            EXAMPLES
              swiftwater topic delete ratings
              swiftwater topic delete a b c --if-exists
            """)

    @Argument(help: "Topics.", completion: NameCompletion.topics) var names: [String]
    @Flag(help: "Succeed when a topic is not there.") var ifExists = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let cluster = try await connection.connect()
        for name in names {
            do {
                try await cluster.deleteTopic(name)
                try Output.standard.line("deleted topic '\(name)'")
            } catch let error as ClusterError where error.code == .unknownTopicOrPartition {
                guard ifExists else { throw await ConnectionOptions.unknownTopic(name, in: cluster, isWanted: false) }
                try Output.standard.line("topic '\(name)' does not exist")
            }
        }
    }
}

struct TopicDeleteRecords: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete-records", abstract: "Delete a topic's oldest records.",
        discussion: """
            EXAMPLES
              swiftwater topic delete-records ratings --before end
              swiftwater topic delete-records ratings --partition 0 --before 1000
              swiftwater topic delete-records ratings --before 2d   older than two days
            """)

    @Argument(help: "The topic.", completion: NameCompletion.topics) var name: String
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Delete the records before this position, as for consume --from.", valueName: "position"))
    var before: String
    @Option(name: .shortAndLong, help: "Partitions, as in 0,2,5-7. (default: all)") var partition: String?
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let position = try StartPosition.parse(before, now: Timestamps.nowMilliseconds(), option: "--before")
        let cluster = try await connection.connect()
        let partitions = try await chosenPartitions(partition, of: name, in: cluster)
        let offsets = try await cluster.offsets(
            Dictionary(uniqueKeysWithValues: partitions.map { ($0, position) }), isolation: .readUncommitted)
        for partition in partitions {
            let start = try await cluster.deleteRecords(partition, before: offsets[partition])
            try Output.standard.line("partition \(partition.partition) starts at offset \(start)")
        }
    }
}

// MARK: Shared pieces

private func checkPartitions(_ count: Int32?) throws {
    if let count, count < 1 { throw ValidationError("a topic has at least 1 partition, not \(count)") }
}

/// Which of two values counts would be a guess.
///
/// - Parameters:
///   - settings: `NAME=VALUE` of `--config`.
///   - resets: names of `--reset`.
func checkGivenOnce(_ settings: [String], _ resets: [String] = []) throws {
    var seen: Set<String> = []
    for name in settings.map({ String($0.prefix { $0 != "=" }).trimmed }) + resets
    where !seen.insert(name).inserted {
        throw ValidationError(
            "configuration '\(name)' is given twice: "
                + (resets.contains(name) ? "set it or reset it, once" : "which of the values is it to have?"))
    }
}

/// The partitions that an option names, or all; checked.
func chosenPartitions(
    _ option: String?, of name: String, in cluster: any Cluster
) async throws -> [TopicPartition] {
    let topic = try await ConnectionOptions.topic(name, in: cluster)
    guard let option else { return topic.partitions.map { TopicPartition(name, $0.partition) } }
    return try partitionNumbers(option).map { number in
        guard topic.partitions.contains(where: { $0.partition == number }) else {
            throw CommandFailure(
                "topic '\(name)' has no partition \(number): it has \(counted(topic.partitions.count, "partition"))")
        }
        return TopicPartition(name, number)
    }
}

/// `1 partition`, `2 partitions`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

/// Names the nearest topic configuration when the cluster refused one of `names` that Kafka does not have.
func withNearestConfig(_ error: ClusterError, _ names: [String]) -> ClusterError {
    guard error.code == .invalidConfig, error.hint == nil, !error.message.contains("did you mean") else { return error }
    let known = TopicConfigs.definitions.map(\.name)
    var error = error
    for name in names where !known.contains(name) {
        if let nearest = nearestName(to: name, among: known) { error.hint = "did you mean '\(nearest)'?" }
    }
    return error
}

extension TopicDescription {
    var replicaCount: Int { partitions.map(\.replicas.count).max() ?? 0 }
}

extension ConfigEntry {
    var shownValue: String { isSensitive ? "(hidden)" : value ?? "" }

    var json: JSONValue {
        .object([
            ("name", .string(name)), ("value", .string(isSensitive ? nil : value)), ("source", .string(source.name)),
            ("readOnly", .bool(isReadOnly)), ("sensitive", .bool(isSensitive)),
        ])
    }
}
