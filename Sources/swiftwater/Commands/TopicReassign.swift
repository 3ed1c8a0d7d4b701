import ArgumentParser
import Cluster
import JSONFormat
import KafkaMessages

struct TopicReassign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reassign", abstract: "Move partitions to other brokers; without --execute only show how.",
        discussion: """
            For clusters of several brokers. Replicas are ids of brokers; the first is to lead. --brokers spreads topics \
            over these brokers evenly. With -o json a plan is printed that --file takes, here and in Kafka's own tool. \
            Without a goal the moves that are under way are listed; --cancel ends them.

            EXAMPLES
              swiftwater topic reassign ratings --brokers 1,2,3
              swiftwater topic reassign ratings --brokers 1,2,3 --execute
              swiftwater topic reassign ratings --partition 0 --replicas 3,1 --execute
              swiftwater topic reassign --file plan.json --execute
              swiftwater topic reassign
              swiftwater topic reassign ratings --cancel --execute
            """)

    @Argument(help: "Topics.", completion: NameCompletion.topics) var names: [String] = []
    @OptionGroup var pattern: TopicPatternOptions
    @Option(name: .shortAndLong, help: "Partitions, as in 0,2,5-7. (default: all)") var partition: String?
    @Option(help: ArgumentHelp("Give each of the partitions these replicas.", valueName: "ids")) var replicas: String?
    @Option(help: ArgumentHelp("Spread the topics over these brokers.", valueName: "ids")) var brokers: String?
    @Option(help: ArgumentHelp("With --brokers: copies of each partition. (default: as many as now)"))
    var replicationFactor: Int?
    @Option(
        help: ArgumentHelp("A plan in the JSON of Kafka's own tool.", valueName: "file"), completion: .file())
    var file: String?
    @Flag(help: "End moves that are under way: replicas stay where they were before.") var cancel = false
    @Flag(help: "Do it.") var execute = false
    @Flag(help: "Only show it, which is the default.") var dryRun = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    private var goals: Int { [replicas != nil, brokers != nil, file != nil, cancel].count { $0 } }

    func validate() throws {
        if execute, dryRun { throw ValidationError("--execute and --dry-run exclude each other") }
        guard goals <= 1 else { throw ValidationError("--replicas, --brokers, --file and --cancel exclude each other") }
        if goals == 0, execute {
            throw ValidationError("say where to with --replicas, --brokers or --file, or --cancel what is under way")
        }
        let isNamed = !names.isEmpty || pattern.include != nil
        if replicas != nil || brokers != nil, !isNamed { throw ValidationError("name topics, or --include REGEX") }
        if file != nil, isNamed || partition != nil { throw ValidationError("--file names the topics itself") }
        if brokers != nil, partition != nil {
            throw ValidationError("--brokers is about whole topics: leave out --partition")
        }
        if replicationFactor != nil, brokers == nil { throw ValidationError("--replication-factor is for --brokers") }
        if let replicationFactor, replicationFactor < 1 {
            throw ValidationError("--replication-factor must be at least 1")
        }
    }

    func run() async throws {
        let replicas = try replicas.map { try Self.ids($0, "--replicas") }
        let brokers = try brokers.map { try Self.ids($0, "--brokers") }
        let given = try file.map { try ReassignmentPlan.parse(try PropertiesFile.text($0), file: $0) }
        let cluster = try await connection.connect()
        let calls = ReassignmentCalls(cluster)
        guard goals > 0 else { return try await list(calls, in: cluster) }
        if cancel { return try await cancelMoves(calls, in: cluster) }
        let moves = try await calls.list()
        let plan: ReassignmentPlan
        if let given {
            plan = given
        } else {
            var topics: [TopicDescription] = []
            for name in try await pattern.chosen(names, in: cluster, all: { [] }) {
                topics.append(try await ConnectionOptions.topic(name, in: cluster))
            }
            if let brokers {
                // The replicas of a partition that is being moved are the old and the new ones together.
                try ReassignmentPlan.refuse(
                    topics.flatMap { topic in topic.partitions.map { TopicPartition(topic.name, $0.partition) } },
                    movedBy: moves)
                plan = try .spread(topics, over: brokers, replicaCount: replicationFactor)
            } else {
                var rows: [ReassignmentPlan.Row] = []
                for topic in topics {
                    rows += try await chosenPartitions(partition, of: topic.name, in: cluster).map {
                        .init(place: $0, replicas: replicas ?? [])
                    }
                }
                plan = ReassignmentPlan(rows: rows)
            }
        }
        try ReassignmentPlan.refuse(plan.rows.map(\.place), movedBy: moves)
        let old = try await present(plan, in: cluster)
        let known = Set(try await cluster.describeCluster().brokers.map(\.id))
        for row in plan.rows {
            if let missing = row.replicas.first(where: { !known.contains($0) }) {
                throw CommandFailure(
                    "there is no broker \(missing) in this cluster",
                    hint: "it has \(known.sorted().map(String.init).joined(separator: ", "))")
            }
        }
        switch output.format {
        case .json: try Output.standard.write(plan.json.pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("TOPIC", "PARTITION#", "OLD", "NEW")
            for row in plan.rows {
                table.add(
                    row.place.topic, String(row.place.partition), Self.text(old[row.place] ?? []),
                    Self.text(row.replicas))
            }
            try Output.standard.line(table.text)
        }
        if execute {
            // Before anything moves, so that it is there whatever becomes of the moves.
            let before = ReassignmentPlan(rows: plan.rows.map { .init(place: $0.place, replicas: old[$0.place] ?? []) })
            let back = "to go back: --file with \(String(decoding: before.json.bytes, as: UTF8.self))"
            switch output.format {
            case .json: Output.complain(back)
            case .table: try Output.standard.line(back)
            }
        }
        try Output.standard.flush()
        if execute { try await calls.alter(plan.rows.map { ($0.place, $0.replicas) }) }
        Output.complain(
            execute
                ? "the moves have begun: 'swiftwater topic reassign' shows those that are under way"
                : "nothing was changed: repeat the command with --execute to do it")
    }

    private func list(_ calls: ReassignmentCalls, in cluster: any Cluster) async throws {
        let moves = try await chosen(try await calls.list(), in: cluster)
        switch output.format {
        case .json:
            let values = moves.map { move in
                JSONValue.object([
                    ("topic", .string(move.place.topic)), ("partition", .number(Int64(move.place.partition))),
                    ("replicas", .array(move.replicas.map { .number(Int64($0)) })),
                    ("adding", .array(move.adding.map { .number(Int64($0)) })),
                    ("removing", .array(move.removing.map { .number(Int64($0)) })),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("TOPIC", "PARTITION#", "REPLICAS", "ADDING", "REMOVING")
            for move in moves {
                table.add(
                    move.place.topic, String(move.place.partition), Self.text(move.replicas), Self.text(move.adding),
                    Self.text(move.removing))
            }
            try Output.standard.line(table.text)
        }
    }

    private func cancelMoves(_ calls: ReassignmentCalls, in cluster: any Cluster) async throws {
        let moves = try await chosen(try await calls.list(), in: cluster).map(\.place)
        let places = execute && !moves.isEmpty ? try await calls.cancel(moves) : moves
        let count = counted(places.count, "move")
        try Output.standard.line(
            (execute ? "cancelled \(count)" : "\(count) would be cancelled")
                + (places.isEmpty ? "" : ": " + places.map(\.description).joined(separator: ", ")))
        if !execute, !places.isEmpty {
            Output.complain("nothing was changed: repeat the command with --execute to do it")
        }
    }

    /// Of the moves those that the command line names; all where it names none.
    private func chosen(_ moves: [ReassignmentCalls.Move], in cluster: any Cluster) async throws -> [ReassignmentCalls
        .Move]
    {
        let numbers = try partition.map { Set(try partitionNumbers($0)) }
        let isNamed = !names.isEmpty || pattern.include != nil
        let topics = isNamed ? try await pattern.chosen(names, in: cluster, all: { [] }) : []
        return moves.filter { move in
            (!isNamed || topics.contains(move.place.topic)) && numbers?.contains(move.place.partition) ?? true
        }
    }

    /// The replicas of the plan's partitions as they are.
    private func present(
        _ plan: ReassignmentPlan, in cluster: any Cluster
    ) async throws -> [TopicPartition: [Int32]] {
        var old: [TopicPartition: [Int32]] = [:]
        for name in Set(plan.rows.map(\.place.topic)).sorted() {
            for partition in try await ConnectionOptions.topic(name, in: cluster).partitions {
                old[TopicPartition(name, partition.partition)] = partition.replicas
            }
        }
        if let row = plan.rows.first(where: { old[$0.place] == nil }) {
            throw CommandFailure("topic '\(row.place.topic)' has no partition \(row.place.partition)")
        }
        return old
    }

    private static func text(_ ids: [Int32]) -> String { ids.map(String.init).joined(separator: ",") }

    private static func ids(_ text: String, _ option: String) throws -> [Int32] {
        let ids = text.split(separator: ",", omittingEmptySubsequences: false).map { Int32($0.trimmed) }
        let found = ids.compactMap(\.self)
        guard found.count == ids.count, Set(found).count == found.count else {
            throw CommandFailure.usage("\(option) \(text): write ids of brokers, each once, as in 1,2,3")
        }
        return found
    }
}

struct TopicElectLeaders: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "elect-leaders", abstract: "Let the preferred replicas lead again.",
        discussion: """
            The preferred replica is the first of a partition. --unclean lets any replica lead a partition that has no \
            leader, also one that lacks records: they are lost.

            EXAMPLES
              swiftwater topic elect-leaders
              swiftwater topic elect-leaders ratings --partition 0,2
              swiftwater topic elect-leaders ratings --unclean
            """)

    @Argument(help: "Topics. (default: all partitions that need it)", completion: NameCompletion.topics)
    var names: [String] = []
    @OptionGroup var pattern: TopicPatternOptions
    @Option(name: .shortAndLong, help: "Partitions, as in 0,2,5-7. (default: all)") var partition: String?
    @Flag(help: "Let any replica lead where nobody does; records may be lost.") var unclean = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        let isNamed = !names.isEmpty || pattern.include != nil
        if partition != nil, !isNamed { throw ValidationError("--partition is for topics that are named") }
        if unclean, !isNamed { throw ValidationError("--unclean is for topics that are named") }
    }

    func run() async throws {
        let cluster = try await connection.connect()
        var places: [TopicPartition]?
        if !names.isEmpty || pattern.include != nil {
            var chosen: [TopicPartition] = []
            for name in try await pattern.chosen(names, in: cluster, all: { [] }) {
                chosen += try await chosenPartitions(partition, of: name, in: cluster)
            }
            places = chosen
        }
        let results = try await ReassignmentCalls(cluster).electLeaders(of: places, unclean: unclean)
        switch output.format {
        case .json:
            let values = results.map { result in
                JSONValue.object([
                    ("topic", .string(result.place.topic)), ("partition", .number(Int64(result.place.partition))),
                    ("result", .string(result.text)), ("message", .string(result.message)),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("TOPIC", "PARTITION#", "RESULT")
            for result in results { table.add(result.place.topic, String(result.place.partition), result.text) }
            try Output.standard.line(table.text)
        }
        guard results.allSatisfy({ !$0.isFailure }) else {
            throw CommandFailure("some partitions could not be given the leader")
        }
    }
}
