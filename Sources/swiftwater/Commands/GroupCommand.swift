import Administration
import ArgumentParser
import Bytes
import Cluster
import JSONFormat

struct GroupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "Look at groups of consumers, move their offsets, delete them.",
        discussion: """
            EXAMPLES
              swiftwater group list
              swiftwater group describe billing
              swiftwater group reset-offsets billing --topic ratings --to-earliest
              swiftwater group delete billing
            """,
        subcommands: [
            GroupList.self, GroupDescribe.self, GroupAlter.self, GroupConfigs.self, GroupResetOffsets.self,
            GroupDelete.self,
        ])
}

struct GroupList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the groups with their states and lags.",
        discussion: """
            The lag is the number of records that the group has not read yet, in all partitions where it has committed \
            an offset or, as a share group, has begun to read.

            EXAMPLES
              swiftwater group list
              swiftwater group list --type share
              swiftwater group list --state stable -o json
            """)

    @Option(
        help: ArgumentHelp(
            "Show only groups in these states, such as stable or stable,empty; may be repeated.", valueName: "states"))
    var state: [String] = []
    @Option(
        help: ArgumentHelp("Show only groups of this type: classic, consumer, share or streams.", valueName: "type"))
    var type: String?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    private static let typeNames: [GroupType] = [.classic, .consumer, .share, .streams]

    /// Those of Kafka's groups, of all types.
    private static let stateNames = [
        "PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling", "NotReady",
    ]

    /// In lower case.
    private static func states(_ texts: [String]) -> Set<String> {
        Set(texts.flatMap { $0.split(separator: ",").map { $0.trimmed.lowercased() } })
    }

    func validate() throws {
        if let type, !Self.typeNames.contains(where: { $0.rawValue == type.lowercased() }) {
            throw ValidationError(
                "no group is of the type '\(type)': there are "
                    + Self.typeNames.map(\.rawValue).joined(separator: ", "))
        }
        let names = Self.stateNames.map { $0.lowercased() }
        for state in Self.states(state).sorted() where !names.contains(state) {
            throw ValidationError(
                "no group has the state '\(state)'"
                    + (nearestName(to: state, among: names).map { ": did you mean '\($0)'?" }
                        ?? ": there are \(names.joined(separator: ", "))"))
        }
    }

    private struct Row {
        var listing: GroupListing
        var description: GroupDescription
        var positions: GroupPositions
    }

    func run() async throws {
        let wanted = Self.states(state)
        let cluster = try await connection.connect()
        let listings = try await cluster.groups().filter { listing in
            (wanted.isEmpty || listing.state.map { wanted.contains($0.rawValue.lowercased()) } ?? true)
                && (type.map { $0.lowercased() == listing.type?.rawValue.lowercased() } ?? true)
        }
        // A group may go away between the list and the look at it.
        let rows = try await concurrently(listings) { listing -> Row? in
            do throws(ClusterError) {
                let group = try await cluster.group(listing.id)
                return Row(
                    listing: listing, description: group,
                    positions: try await cluster.positions(of: group.id, group.type))
            } catch {
                guard error.code == .groupIdNotFound else { throw error }
                return nil
            }
        }.compactMap { $0 }.filter { wanted.isEmpty || wanted.contains($0.description.state.rawValue.lowercased()) }
        let ends = try await GroupProgress.ends(of: rows.flatMap { $0.positions.offsets.keys }, in: cluster)
        let shown = rows.map { row in
            (row.description, GroupProgress(row.positions, row.description.members, ends: ends).totalLag)
        }
        switch output.format {
        case .json:
            let values = shown.map { group, lag in
                JSONValue.object([
                    ("group", .string(group.id)), ("state", .string(group.state.rawValue)),
                    ("type", .string(group.type.rawValue)), ("protocol", .string(group.protocolType)),
                    ("members", .number(Int64(group.members.count))), ("lag", .number(lag)),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("GROUP", "STATE", "TYPE", "PROTOCOL", "MEMBERS#", "LAG#")
            for (group, lag) in shown {
                table.add(
                    group.id, group.state.rawValue, group.type.rawValue,
                    group.protocolType.isEmpty ? "-" : group.protocolType, String(group.members.count), String(lag))
            }
            try Output.standard.line(table.text)
        }
    }
}

struct GroupDescribe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show how far groups have come and who reads what.",
        discussion: """
            EXAMPLES
              swiftwater group describe
              swiftwater group describe billing
              swiftwater group describe billing --members
              swiftwater group describe billing audit --state -o json
            """)

    @Argument(help: "Groups. (default: all)", completion: NameCompletion.groups) var names: [String] = []
    @Flag(help: "Show the members instead of the partitions.") var members = false
    @Flag(help: "Show only state, assignor and coordinator.") var state = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if members, state { throw ValidationError("--members and --state exclude each other") }
    }

    func run() async throws {
        let cluster = try await connection.connect()
        var values: [JSONValue] = []
        let all = names.isEmpty ? try await cluster.groups().map(\.id).sorted() : names
        var count = 0
        for name in all {
            let (group, progress): (GroupDescription, GroupProgress)
            do {
                (group, progress) = try await look(at: name, in: cluster)
            } catch let error as ClusterError where names.isEmpty && error.code == .groupIdNotFound {
                Output.complain("swiftwater: group '\(RecordPrinter.visible(name))' is left out: it is gone meanwhile")
                continue
            }
            if output.format == .json {
                values.append(json(group, progress))
            } else {
                if count > 0 { try Output.standard.line("") }
                try Output.standard.line(text(group, progress))
            }
            count += 1
        }
        if output.format == .json { try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")]) }
    }

    private func look(
        at name: String, in cluster: any Cluster
    ) async throws -> (GroupDescription, GroupProgress) {
        let group =
            names.isEmpty ? try await cluster.group(name) : try await ConnectionOptions.group(name, in: cluster)
        let positions =
            members || state ? GroupPositions(offsets: [:]) : try await cluster.positions(of: name, group.type)
        let partitions = Set(positions.offsets.keys).union(group.members.flatMap(\.assignment))
        let ends = members || state ? [:] : try await GroupProgress.ends(of: partitions, in: cluster)
        return (group, GroupProgress(positions, group.members, ends: ends))
    }

    private func text(_ group: GroupDescription, _ progress: GroupProgress) -> String {
        var lines = [
            "group:        \(RecordPrinter.visible(group.id))",
            "state:        \(group.state.rawValue)",
            "type:         \(group.type.rawValue)",
            "protocol:     \(group.protocolType.isEmpty ? "-" : group.protocolType)",
            "assignor:     \(group.assignor.isEmpty ? "-" : group.assignor)",
            "coordinator:  " + (group.coordinator.map { "\($0.host):\($0.port) (\($0.id))" } ?? "-"),
            "members:      \(group.members.count)",
        ]
        if let epoch = group.topologyEpoch { lines.append("topology:     epoch \(epoch)") }
        if state { return lines.joined(separator: "\n") }
        lines.append("")
        if members, group.type == .streams {
            var table = Table("MEMBER", "INSTANCE", "CLIENT", "HOST", "PROCESS", "ACTIVE", "STANDBY", "WARM-UP")
            for member in group.members {
                table.add(
                    member.id, member.instanceId ?? "-", member.clientId, member.host, member.tasks?.processId ?? "-",
                    Self.tasks(member.tasks?.active), Self.tasks(member.tasks?.standby),
                    Self.tasks(member.tasks?.warmup))
            }
            lines.append(table.text)
        } else if members {
            var table = Table("MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS#", "ASSIGNMENT")
            for member in group.members {
                table.add(
                    member.id, member.instanceId ?? "-", member.clientId, member.host,
                    String(member.assignment.count), Self.assignment(member))
            }
            lines.append(table.text)
        } else {
            if group.type == .share {
                // Any number of members may have a partition: --members tells of them.
                var table = Table("TOPIC", "PARTITION#", "START#", "END#", "LAG#")
                for row in progress.rows {
                    table.add(
                        row.partition.topic, String(row.partition.partition), Self.number(row.current),
                        Self.number(row.end), Self.number(row.lag))
                }
                lines.append(table.text)
                return lines.joined(separator: "\n")
            }
            var table = Table("TOPIC", "PARTITION#", "CURRENT#", "END#", "LAG#", "MEMBER", "HOST", "CLIENT")
            for row in progress.rows {
                table.add(
                    row.partition.topic, String(row.partition.partition), Self.number(row.current),
                    Self.number(row.end), Self.number(row.lag), row.member?.id ?? "-", row.member?.host ?? "-",
                    row.member?.clientId ?? "-")
            }
            lines.append(table.text)
        }
        return lines.joined(separator: "\n")
    }

    /// `0_0,0_1`
    private static func tasks(_ tasks: [String]?) -> String {
        guard let tasks, !tasks.isEmpty else { return "-" }
        return tasks.joined(separator: ",")
    }

    private static func number(_ number: Int64?) -> String { number.map { String($0) } ?? "-" }

    /// `ratings:0,1 users:0`
    private static func assignment(_ member: GroupMember) -> String {
        if member.assignment.isEmpty { return "-" }
        return Dictionary(grouping: member.assignment, by: \.topic).sorted { $0.key < $1.key }.map {
            topic, partitions in
            topic + ":" + partitions.map { String($0.partition) }.joined(separator: ",")
        }.joined(separator: " ")
    }

    private func json(_ group: GroupDescription, _ progress: GroupProgress) -> JSONValue {
        var value: [(String, JSONValue)] = [
            ("group", .string(group.id)), ("state", .string(group.state.rawValue)),
            ("type", .string(group.type.rawValue)), ("protocol", .string(group.protocolType)),
            ("assignor", .string(group.assignor)),
            (
                "coordinator",
                group.coordinator.map { broker in
                    .object([
                        ("id", .number(Int64(broker.id))), ("host", .string(broker.host)),
                        ("port", .number(Int64(broker.port))),
                    ])
                } ?? .null
            ),
        ]
        if let epoch = group.topologyEpoch { value.append(("topologyEpoch", .number(Int64(epoch)))) }
        if state {
            value.append(("members", .number(Int64(group.members.count))))
            return .object(value)
        }
        let all = group.members.map { member in
            var shown: [(String, JSONValue)] = [
                ("member", .string(member.id)), ("instance", .string(member.instanceId)),
                ("client", .string(member.clientId)), ("host", .string(member.host)),
                (
                    "assignment",
                    .array(
                        member.assignment.map {
                            .object([("topic", .string($0.topic)), ("partition", .number(Int64($0.partition)))])
                        })
                ),
            ]
            if let tasks = member.tasks {
                shown.append(("process", .string(tasks.processId)))
                for (role, names) in [
                    ("active", tasks.active), ("standby", tasks.standby), ("warmup", tasks.warmup),
                ] {
                    shown.append((role, .array(names.map { .string($0) })))
                }
            }
            return JSONValue.object(shown)
        }
        value.append(("members", .array(all)))
        if members { return .object(value) }
        value.append(("lag", .number(progress.totalLag)))
        let rows = progress.rows.map { row in
            JSONValue.object([
                ("topic", .string(row.partition.topic)), ("partition", .number(Int64(row.partition.partition))),
                ("current", row.current.map { .number($0) } ?? .null), ("end", row.end.map { .number($0) } ?? .null),
                ("lag", row.lag.map { .number($0) } ?? .null), ("member", .string(row.member?.id)),
                ("host", .string(row.member?.host)), ("client", .string(row.member?.clientId)),
            ])
        }
        value.append(("partitions", .array(rows)))
        return .object(value)
    }
}

/// Applies `body` to all values, a few at a time, and keeps their order.
func concurrently<Value: Sendable, Result: Sendable>(
    _ values: [Value], _ body: @escaping @Sendable (Value) async throws -> Result
) async throws -> [Result] {
    try await withThrowingTaskGroup(of: (Int, Result).self) { group in
        var results = [Result?](repeating: nil, count: values.count)
        var next = 0
        func start() {
            guard next < values.count else { return }
            let (index, value) = (next, values[next])
            group.addTask { (index, try await body(value)) }
            next += 1
        }
        for _ in 0..<8 { start() }
        while let (index, result) = try await group.next() {
            results[index] = result
            start()
        }
        return results.compactMap { $0 }
    }
}
