import ArgumentParser
import ConnectService
import JSONFormat

struct ConnectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect", abstract: "Look at connectors, create and control them, and see to dead letters.",
        discussion: """
            Every command works with any Kafka Connect worker.

            EXAMPLES
              swiftwater connect list
              swiftwater connect create --config ratings.json
              swiftwater connect status ratings
              swiftwater connect restart ratings --tasks --only-failed
              swiftwater connect dlq show ratings-sink
            """,
        subcommands: [
            ConnectList.self, ConnectCreate.self, ConnectStatus.self, ConnectRestart.self, ConnectPause.self,
            ConnectResume.self, ConnectStop.self, ConnectDelete.self, ConnectOffsets.self, ConnectPlugins.self,
            ConnectValidate.self, DeadLetterCommand.self,
        ])
}

struct ConnectList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the connectors and how they are.",
        discussion: """
            EXAMPLES
              swiftwater connect list
              swiftwater connect list -o json
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var connect: ConnectOptions

    func run() async throws {
        let all = try await connect.explaining { client in
            try await client.exchange("GET", ["connectors"], [("expand", "status"), ("expand", "info")])
        }
        switch output.format {
        case .json: try Output.standard.write(all.pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("NAME", "TYPE", "STATE", "TASKS", "CLASS")
            for (name, entry) in (all.members ?? []).sorted(by: { $0.0 < $1.0 }) {
                let status = entry["status"]
                let tasks = (status?["tasks"]?.elements ?? []).map { $0["state"]?.text ?? "?" }
                let className = entry["info"]?["config"]?["connector.class"]?.text ?? "-"
                table.add(
                    name, status?["type"]?.text ?? entry["info"]?["type"]?.text ?? "-",
                    status?["connector"]?["state"]?.text ?? "-", Self.summary(tasks),
                    className.split(separator: ".").last.map(String.init) ?? className)
            }
            try Output.standard.line(table.text)
        }
    }

    /// `2 RUNNING, 1 FAILED`.
    private static func summary(_ states: [String]) -> String {
        var counts: [(String, Int)] = []
        for state in states {
            if let place = counts.firstIndex(where: { $0.0 == state }) {
                counts[place].1 += 1
            } else {
                counts.append((state, 1))
            }
        }
        return counts.isEmpty ? "none" : counts.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
    }
}

struct ConnectCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a connector, or give one another configuration.",
        discussion: """
            The name comes from --name, or from the file.

            EXAMPLES
              swiftwater connect create --config ratings.json
              swiftwater connect create --name lines connector.class=FileStreamSource \\
                  file=in.txt topic=lines
              swiftwater connect create --config ratings.json --replace tasks.max=2
              swiftwater connect create --config ratings.json --state stopped
            """)

    @Option(help: ArgumentHelp("The connector's name.", valueName: "name")) var name: String?
    @Flag(help: "Give a connector of this name the new configuration.") var replace = false
    @Option(help: "How it begins: running, paused or stopped.") var state: InitialState?
    @OptionGroup var source: ConnectorSource
    @OptionGroup var connect: ConnectOptions

    enum InitialState: String, CaseIterable, ExpressibleByArgument { case running, paused, stopped }

    func validate() throws {
        if replace, state != nil { throw ValidationError("--state is for a connector that is created") }
    }

    func run() async throws {
        var (given, properties) = try source.read()
        if let name { given = name }
        guard let name = given else {
            throw CommandFailure.usage("the connector has no name", hint: "name it with --name NAME")
        }
        properties.removeAll { $0.0 == "name" }
        properties.append(("name", name))
        let config = JSONValue.object(properties.map { ($0.0, .string($0.1)) })
        let isNew = try await connect.explaining { client in
            if replace {
                let names = try await client.exchange("GET", ["connectors"]).elements ?? []
                _ = try await client.exchange("PUT", ["connectors", name, "config"], [], config)
                return !names.contains { $0.text == name }
            }
            var members: [(String, JSONValue)] = [("name", .string(name)), ("config", config)]
            if let state { members.append(("initial_state", .string(state.rawValue.uppercased()))) }
            _ = try await client.exchange("POST", ["connectors"], [], .object(members))
            return true
        }
        try Output.standard.line(
            isNew ? "created connector '\(name)'" : "connector '\(name)' has the new configuration")
    }
}

struct ConnectStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how a connector and its tasks are, with what they failed of.",
        discussion: """
            EXAMPLES
              swiftwater connect status ratings
              swiftwater connect status ratings -o json
            """)

    @Argument(help: "The connector.") var name: String
    @OptionGroup var output: OutputOptions
    @OptionGroup var connect: ConnectOptions

    func run() async throws {
        let status = try await connect.explaining(connector: name) { client in
            try await client.exchange("GET", ["connectors", name, "status"])
        }
        switch output.format {
        case .json: try Output.standard.write(status.pretty + [UInt8(ascii: "\n")])
        case .table:
            try Output.standard.line(
                """
                connector:  \(name)
                type:       \(status["type"]?.text ?? "-")
                state:      \(status["connector"]?["state"]?.text ?? "-")
                worker:     \(status["connector"]?["worker_id"]?.text ?? "-")

                """)
            var table = Table("TASK#", "STATE", "WORKER")
            var traces: [String] = []
            if let trace = status["connector"]?["trace"]?.text { traces.append("connector: " + trace) }
            for task in status["tasks"]?.elements ?? [] {
                let number = task["id"]?.integer.map { String($0) } ?? "?"
                table.add(number, task["state"]?.text ?? "-", task["worker_id"]?.text ?? "-")
                if let trace = task["trace"]?.text { traces.append("task \(number): " + trace) }
            }
            try Output.standard.line(table.text)
            for trace in traces { try Output.standard.line("\n" + trace) }
        }
    }
}

struct ConnectRestart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart", abstract: "Restart a connector, its tasks, or what has failed of them.",
        discussion: """
            EXAMPLES
              swiftwater connect restart ratings
              swiftwater connect restart ratings --tasks --only-failed
              swiftwater connect restart ratings --task 2
            """)

    @Argument(help: "The connector.") var name: String
    @Flag(help: "Its tasks, too.") var tasks = false
    @Flag(help: "Only what has failed.") var onlyFailed = false
    @Option(help: ArgumentHelp("This task only.", valueName: "number")) var task: Int?
    @OptionGroup var connect: ConnectOptions

    func validate() throws {
        if task != nil, tasks || onlyFailed {
            throw ValidationError("--task goes with neither --tasks nor --only-failed")
        }
    }

    func run() async throws {
        try await connect.explaining(connector: name) { client in
            if let task {
                _ = try await client.exchange("POST", ["connectors", name, "tasks", String(task), "restart"])
            } else {
                _ = try await client.exchange(
                    "POST", ["connectors", name, "restart"],
                    [("includeTasks", String(tasks)), ("onlyFailed", String(onlyFailed))])
            }
        }
        try Output.standard.line(task.map { "restarting task \($0) of '\(name)'" } ?? "restarting '\(name)'")
    }
}

struct ConnectPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Pause a connector: its tasks keep their places and do nothing.",
        discussion: """
            EXAMPLES
              swiftwater connect pause ratings
            """)

    @Argument(help: "The connector.") var name: String
    @OptionGroup var connect: ConnectOptions

    func run() async throws {
        try await connect.explaining(connector: name) { client in
            _ = try await client.exchange("PUT", ["connectors", name, "pause"])
        }
        try Output.standard.line("pausing '\(name)'")
    }
}

struct ConnectResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let a connector go on that is paused or stopped.",
        discussion: """
            EXAMPLES
              swiftwater connect resume ratings
            """)

    @Argument(help: "The connector.") var name: String
    @OptionGroup var connect: ConnectOptions

    func run() async throws {
        try await connect.explaining(connector: name) { client in
            _ = try await client.exchange("PUT", ["connectors", name, "resume"])
        }
        try Output.standard.line("resuming '\(name)'")
    }
}

struct ConnectStop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Stop a connector and give up its tasks; its offsets may be changed then.",
        discussion: """
            EXAMPLES
              swiftwater connect stop ratings
            """)

    @Argument(help: "The connector.") var name: String
    @OptionGroup var connect: ConnectOptions

    func run() async throws {
        try await connect.explaining(connector: name) { client in
            _ = try await client.exchange("PUT", ["connectors", name, "stop"])
        }
        try Output.standard.line("stopped '\(name)'")
    }
}

struct ConnectDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete connectors; their offsets stay.",
        discussion: """
            EXAMPLES
              swiftwater connect delete ratings
            """)

    @Argument(help: "The connectors.") var names: [String]
    @OptionGroup var connect: ConnectOptions

    func run() async throws {
        for name in names {
            try await connect.explaining(connector: name) { client in
                _ = try await client.exchange("DELETE", ["connectors", name])
            }
            try Output.standard.line("deleted connector '\(name)'")
        }
    }
}
