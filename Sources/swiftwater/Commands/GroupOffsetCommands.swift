import Administration
import ArgumentParser
import Cluster
import JSONFormat

struct GroupResetOffsets: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset-offsets", abstract: "Move a group's offsets; without --execute only show how.",
        discussion: """
            The group must have no members. Offsets stay between the beginning and the end of each partition. \
            A group that does not exist is made. A share group begins anew there: what was delivered before is \
            forgotten.

            EXAMPLES
              swiftwater group reset-offsets billing --topic ratings --to-earliest
              swiftwater group reset-offsets billing --topic ratings:0,2 --to-offset 1200
              swiftwater group reset-offsets billing --all-topics --execute \\
                  --to-datetime 2026-11-25T18:00
              swiftwater group reset-offsets billing --all-topics --shift-by -100 --execute
              swiftwater group reset-offsets billing --all-topics --by-duration 1h30m
              swiftwater group reset-offsets billing --all-topics --to-current \\
                  -o json > offsets.json
              swiftwater group reset-offsets billing --from-file offsets.json --execute
            """)

    @Argument(help: "The group.", completion: NameCompletion.groups) var name: String
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "A topic, or some of its partitions as in ratings:0,2,5-7; may be repeated.", valueName: "topic"))
    var topic: [String] = []
    @Flag(help: "All topics where the group has committed offsets.") var allTopics = false

    @Flag(help: "To the oldest record.") var toEarliest = false
    @Flag(help: "To the end.") var toLatest = false
    @Flag(help: "To where the group is; to the end where it has committed nothing.") var toCurrent = false
    @Option(help: ArgumentHelp("To this offset.", valueName: "offset")) var toOffset: Int64?
    @Option(
        help: ArgumentHelp(
            "To the first record of this time or later: ISO 8601, in UTC unless it says otherwise, or @milliseconds.",
            valueName: "time"))
    var toDatetime: String?
    @Option(
        help: ArgumentHelp(
            "To the first record that is not older than this: 15m, 1h30m, 2d, or PT15M.", valueName: "span"))
    var byDuration: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("So many records forwards, or backwards when negative.", valueName: "count"))
    var shiftBy: Int64?

    @Option(
        help: ArgumentHelp(
            "To the offsets of a file: what -o json prints, or lines TOPIC,PARTITION,OFFSET.", valueName: "file"),
        completion: .file())
    var fromFile: String?

    @Flag(help: "Do it.") var execute = false
    @Flag(help: "Only show it, which is the default.") var dryRun = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if fromFile != nil, !topic.isEmpty || allTopics {
            throw ValidationError("--from-file names the partitions: leave out --topic and --all-topics")
        }
        if topic.isEmpty, !allTopics, fromFile == nil {
            throw ValidationError("name topics with --topic, or all with --all-topics")
        }
        if !topic.isEmpty, allTopics { throw ValidationError("--topic and --all-topics exclude each other") }
        if execute, dryRun { throw ValidationError("--execute and --dry-run exclude each other") }
        let ways = [
            toEarliest, toLatest, toCurrent, toOffset != nil, toDatetime != nil, byDuration != nil, shiftBy != nil,
            fromFile != nil,
        ]
        guard ways.count(where: { $0 }) == 1 else {
            throw ValidationError(
                "say where to with exactly one of --to-earliest, --to-latest, --to-current, --to-offset, "
                    + "--to-datetime, --by-duration, --shift-by and --from-file")
        }
        if let toOffset, toOffset < 0 { throw ValidationError("--to-offset must not be negative") }
    }

    func run() async throws {
        let target = try target(now: Timestamps.nowMilliseconds())
        let cluster = try await connection.connect()
        let group = try await present(in: cluster)
        if let group, group.state.isActive {
            throw CommandFailure(
                "group '\(name)' has \(counted(group.members.count, "member")): "
                    + "offsets can be reset only while it has none",
                hint: "stop its consumers first; 'swiftwater group describe \(name) --members' shows them")
        }
        let committed = try await cluster.positions(of: name, group?.type).offsets
        let partitions: [TopicPartition] =
            if case .each(let offsets) = target {
                try await checked(offsets.keys.sorted(), in: cluster)
            } else {
                try await partitions(committed, in: cluster)
            }
        let plan = try await OffsetPlan.make(target, partitions, committed, in: cluster)
        if execute {
            try await cluster.alterPositions(
                of: name, group?.type, Dictionary(plan.rows.map { ($0.partition, $0.new) }) { first, _ in first })
        }
        try show(plan)
        if !execute {
            var note = "nothing was changed: repeat the command with --execute to do it"
            if group == nil, committed.isEmpty {
                let nearest = await ConnectionOptions.nearestGroup(to: name, in: cluster)
                note +=
                    "\ngroup '\(name)' does not exist"
                    + (nearest.map { ": did you mean '\($0)'?" } ?? ", and would be made")
            }
            try Output.standard.flush()
            Output.complain(note)
        }
    }

    private func present(in cluster: any Cluster) async throws -> GroupDescription? {
        do {
            return try await cluster.group(name)
        } catch let error where error.code == .groupIdNotFound {
            guard allTopics else { return nil }
            throw await ConnectionOptions.unknownGroup(name, in: cluster)
        }
    }

    private func partitions(
        _ committed: [TopicPartition: CommittedOffset], in cluster: any Cluster
    ) async throws -> [TopicPartition] {
        guard allTopics else { return try await chosenPartitions(topics: topic, in: cluster) }
        guard !committed.isEmpty else { throw CommandFailure("group '\(name)' has committed no offsets") }
        let there = try await GroupProgress.ends(of: committed.keys, in: cluster)
        return there.keys.sorted()  // offsets of topics that are gone stay as they are
    }

    /// - Throws: `CommandFailure` for a partition that is not there.
    private func checked(_ places: [TopicPartition], in cluster: any Cluster) async throws -> [TopicPartition] {
        for (topic, places) in Dictionary(grouping: places, by: \.topic).sorted(by: { $0.key < $1.key }) {
            _ = try await chosenPartitions(
                places.map { String($0.partition) }.joined(separator: ","), of: topic, in: cluster)
        }
        return places
    }

    private func target(now: Int64) throws -> OffsetPlan.Target {
        if toEarliest { return .position(.beginning) }
        if toLatest { return .position(.end) }
        if toCurrent { return .current }
        if let toOffset { return .position(.offset(toOffset)) }
        if let shiftBy { return .shift(shiftBy) }
        if let fromFile {
            return .each(try OffsetFile.parse(try PropertiesFile.text(fromFile), of: name, file: fromFile))
        }
        if let byDuration {
            guard let span = Timestamps.span(byDuration) ?? Timestamps.isoSpan(byDuration) else {
                throw CommandFailure.usage(
                    "--by-duration \(byDuration) is no span", hint: "15m, 1h30m, 2d, or ISO 8601 as in PT15M or P2D")
            }
            return .position(.timestamp(now.subtractingReportingOverflow(span).partialValue))
        }
        guard let toDatetime, let time = Timestamps.parse(toDatetime, now: now) else {
            throw CommandFailure.usage(
                "--to-datetime \(toDatetime ?? "") is no time",
                hint: "2026-11-25T18:00, 2026-11-25T18:00:00+01:00, or @1764093600000 (milliseconds)")
        }
        return .position(.timestamp(time))
    }

    private func show(_ plan: OffsetPlan) throws {
        switch output.format {
        case .json:
            let rows = plan.rows.map { row in
                JSONValue.object([
                    ("topic", .string(row.partition.topic)), ("partition", .number(Int64(row.partition.partition))),
                    ("old", row.old.map { .number($0) } ?? .null), ("new", .number(row.new)),
                ])
            }
            let value = JSONValue.object([
                ("group", .string(name)), ("executed", .bool(execute)), ("partitions", .array(rows)),
            ])
            try Output.standard.write(value.pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("TOPIC", "PARTITION#", "OLD#", "NEW#", "NOTE")
            for row in plan.rows {
                table.add(
                    row.partition.topic, String(row.partition.partition), row.old.map { String($0) } ?? "-",
                    String(row.new), row.note)
            }
            try Output.standard.line(table.text)
        }
    }
}

struct GroupDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete groups that have no members, or some of a group's offsets.",
        discussion: """
            EXAMPLES
              swiftwater group delete billing audit
              swiftwater group delete billing --offsets --topic ratings
            """)

    @Argument(help: "Groups.", completion: NameCompletion.groups) var names: [String]
    @Flag(help: "Delete only the offsets of the topics that --topic names.") var offsets = false
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "A topic, or some of its partitions as in ratings:0,2,5-7; may be repeated.", valueName: "topic"))
    var topic: [String] = []
    @Flag(help: "Succeed when a group is not there.") var ifExists = false
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if offsets, topic.isEmpty { throw ValidationError("--offsets needs --topic") }
        if !offsets, !topic.isEmpty { throw ValidationError("--topic is for --offsets") }
    }

    func run() async throws {
        let cluster = try await connection.connect()
        for name in names {
            do {
                if offsets, try await isShare(name, in: cluster) {
                    if let part = topic.first(where: { $0.contains(":") }) {
                        throw CommandFailure(
                            "'\(part)': the offsets of share group '\(name)' are deleted by whole topics")
                    }
                    let topics = Set(topic).sorted()
                    try await cluster.deleteShareGroupOffsets(name, topics: topics)
                    try Output.standard.line(
                        "deleted the offsets of group '\(name)' in \(counted(topics.count, "topic"))")
                } else if offsets {
                    let committed = try await cluster.groupOffsets(name)
                    let partitions = try chosen(committed.keys.sorted())
                    try await cluster.deleteGroupOffsets(name, partitions)
                    try Output.standard.line(
                        "deleted \(counted(partitions.count, "offset")) of group '\(name)'")
                } else {
                    try await cluster.deleteGroup(name)
                    try Output.standard.line("deleted group '\(name)'")
                }
            } catch let error as ClusterError {
                switch error.code {
                case .groupIdNotFound:
                    guard ifExists else { throw await ConnectionOptions.unknownGroup(name, in: cluster) }
                    try Output.standard.line("group '\(name)' does not exist")
                case .nonEmptyGroup:
                    throw CommandFailure(
                        "group '\(name)' has members, so it cannot be deleted",
                        hint: "stop its consumers first; 'swiftwater group describe \(name) --members' shows them")
                case .groupSubscribedToTopic:
                    throw CommandFailure(
                        error.message, hint: "a member reads this topic: stop the group's consumers first")
                default: throw error
                }
            }
        }
    }

    private func isShare(_ name: String, in cluster: any Cluster) async throws -> Bool {
        do throws(ClusterError) {
            return try await cluster.group(name).type == .share
        } catch {
            guard error.code == .groupIdNotFound else { throw error }
            return false
        }
    }

    /// The committed partitions that the options name; topics may be gone, so the cluster is not asked about them.
    private func chosen(_ committed: [TopicPartition]) throws -> [TopicPartition] {
        var chosen: Set<TopicPartition> = []
        for text in topic {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let numbers = parts.count == 2 ? try partitionNumbers(String(parts[1])) : nil
            let found = committed.filter { partition in
                partition.topic == parts[0] && numbers?.contains(partition.partition) ?? true
            }
            guard !found.isEmpty else { throw CommandFailure("there are no committed offsets of '\(text)'") }
            chosen.formUnion(found)
        }
        return chosen.sorted()
    }
}
