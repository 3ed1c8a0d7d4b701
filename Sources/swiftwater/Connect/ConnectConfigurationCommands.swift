import ArgumentParser
import ConnectService
import JSONFormat

struct ConnectOffsets: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "offsets", abstract: "Show how far a connector has come, or change that while it is stopped.",
        discussion: """
            EXAMPLES
              swiftwater connect offsets ratings
              swiftwater connect offsets ratings -o json > offsets.json
              swiftwater connect offsets ratings --set offsets.json
              swiftwater connect offsets ratings --reset
            """)

    @Argument(help: "The connector.") var name: String
    @Option(
        help: ArgumentHelp("Take the offsets of a file, in the form that -o json prints.", valueName: "file"),
        completion: .file())
    var set: String?
    @Flag(help: "Take all offsets back: the connector begins anew.") var reset = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connect: ConnectOptions

    func validate() throws {
        if set != nil, reset { throw ValidationError("--set and --reset exclude each other") }
    }

    func run() async throws {
        if let set {
            guard let json = JSONValue.parse(Array(try PropertiesFile.text(set).utf8)) else {
                throw CommandFailure("\(set) is no JSON")
            }
            let answer = try await connect.explaining(connector: name) { client in
                try await client.exchange("PATCH", ["connectors", name, "offsets"], [], json)
            }
            return try Output.standard.line(answer["message"]?.text ?? "done")
        }
        let answer = try await connect.explaining(connector: name) { client in
            try await client.exchange(reset ? "DELETE" : "GET", ["connectors", name, "offsets"])
        }
        if reset { return try Output.standard.line(answer["message"]?.text ?? "done") }
        switch output.format {
        case .json: try Output.standard.write(answer.pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("PARTITION", "OFFSET")
            for entry in answer["offsets"]?.elements ?? [] {
                table.add(Self.line(entry["partition"]), Self.line(entry["offset"]))
            }
            try Output.standard.line(table.text)
        }
    }

    /// `kafka_topic=lines kafka_partition=0`.
    private static func line(_ json: JSONValue?) -> String {
        guard let members = json?.members else { return "-" }
        return members.map { "\($0.0)=\($0.1.text ?? String(decoding: $0.1.bytes, as: UTF8.self))" }.joined(
            separator: " ")
    }
}

struct ConnectPlugins: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugins", abstract: "List the connectors that the worker has, or the options of one.",
        discussion: """
            EXAMPLES
              swiftwater connect plugins
              swiftwater connect plugins --all
              swiftwater connect plugins FileStreamSource
            """)

    @Argument(help: "Show the options of this class.") var plugin: String?
    @Flag(help: "Transforms, predicates and converters, too.") var all = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connect: ConnectOptions

    func run() async throws {
        let answer = try await connect.explaining { client in
            if let plugin { return try await client.exchange("GET", ["connector-plugins", plugin, "config"]) }
            return try await client.exchange("GET", ["connector-plugins"], [("connectorsOnly", String(!all))])
        }
        guard output.format == .table else {
            return try Output.standard.write(answer.pretty + [UInt8(ascii: "\n")])
        }
        var table = plugin == nil ? Table("CLASS", "TYPE", "VERSION") : Table("OPTION", "TYPE", "DEFAULT", "MEANING")
        for entry in answer.elements ?? [] {
            if plugin == nil {
                table.add(entry["class"]?.text ?? "-", entry["type"]?.text ?? "-", entry["version"]?.text ?? "-")
            } else {
                let isRequired = entry["required"]?.flag ?? false
                table.add(
                    entry["name"]?.text ?? "-", entry["type"]?.text ?? "-",
                    isRequired ? "required" : entry["default_value"]?.text ?? "-",
                    (entry["documentation"]?.text ?? "").split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
                )
            }
        }
        try Output.standard.line(table.text)
    }
}

struct ConnectValidate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Tell what is wrong with a connector's configuration.",
        discussion: """
            The exit code is 1 when something is wrong.

            EXAMPLES
              swiftwater connect validate --config ratings.json
              swiftwater connect validate connector.class=FileStreamSource \\
                  name=lines topic=lines
            """)

    @OptionGroup var source: ConnectorSource
    @OptionGroup var output: OutputOptions
    @OptionGroup var connect: ConnectOptions

    func run() async throws {
        let (name, given) = try source.read()
        var properties = given
        if let name, !properties.contains(where: { $0.0 == "name" }) { properties.append(("name", name)) }
        guard let className = properties.first(where: { $0.0 == "connector.class" })?.1 else {
            throw CommandFailure.usage("the configuration has no connector.class")
        }
        let answer = try await connect.explaining { client in
            try await client.exchange(
                "PUT", ["connector-plugins", className, "config", "validate"], [],
                .object(properties.map { ($0.0, .string($0.1)) }))
        }
        let count = answer["error_count"]?.integer ?? 0
        switch output.format {
        case .json: try Output.standard.write(answer.pretty + [UInt8(ascii: "\n")])
        case .table:
            for config in answer["configs"]?.elements ?? [] {
                for error in config["value"]?["errors"]?.elements ?? [] {
                    try Output.standard.line("\(config["value"]?["name"]?.text ?? "?"): \(error.text ?? "")")
                }
            }
            if count == 0 { try Output.standard.line("valid") }
        }
        if count > 0 { throw CommandFailure("the configuration has \(count) \(count == 1 ? "error" : "errors")") }
    }
}
