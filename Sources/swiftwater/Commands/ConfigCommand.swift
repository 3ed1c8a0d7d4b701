import ArgumentParser
import Bytes
import JSONFormat

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Look at the configuration, and make parts of it.",
        subcommands: [ConfigShow.self, ConfigPassword.self])
}

struct ConfigShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the settings that 'start' would run with, and where each comes from.",
        discussion: """
            Takes the flags of start. Connects to nothing: a running cluster's topics are shown by 'topic describe'.

            EXAMPLES
              swiftwater config show
              swiftwater config show --config server.properties --set num.partitions=4
              swiftwater config show --all --explain
            """)

    @OptionGroup var options: ServerOptions
    @Flag(help: "Show settings that nobody set, too.") var all = false
    @Flag(help: "Say what each setting is for.") var explain = false
    @Flag(help: "Show only what the file sets.") var file = false
    @OptionGroup var output: OutputOptions

    func run() throws {
        let settings = try options.resolve()
        let ownCount = ServerSettings.own.count
        let names = ServerSettings.names + settings.furtherNames
        let shown = names.enumerated().compactMap { index, name -> (String, ServerSettings.Value)? in
            var value = settings[name]
            // Whoever looks over a shoulder, or reads a ticket, need not see them.
            value.text = Self.shown(name, value.text)
            if file { if case .file = value.origin { return (name, value) } else { return nil } }
            return all || index < ownCount || value.origin != .byDefault ? (name, value) : nil
        }
        switch output.format {
        case .json:
            let values = shown.map { name, value in
                JSONValue.object(
                    [
                        ("name", .string(name)), ("value", .string(value.text)),
                        ("origin", .string(value.origin.description)),
                    ] + (explain ? [("documentation", .string(ServerSettings.documentation(name)))] : []))
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = explain ? Table("NAME", "VALUE", "ORIGIN", "MEANING") : Table("NAME", "VALUE", "ORIGIN")
            for (name, value) in shown {
                let cells = [name, value.text, value.origin.description]
                table.add(explain ? cells + [ServerSettings.documentation(name)] : cells)
            }
            try Output.standard.line(table.text)
        }
    }

    /// A value without what is secret in it.
    static func shown(_ name: String, _ text: String) -> String {
        let isSecret =
            !name.hasSuffix(".ms")
            && [
                "password", "secret", "token", "jaas", "credential", "user.info", "ssl.key.pem", "keystore.key",
            ].contains {
                name.lowercased().contains($0)
            }
        return isSecret && !text.isEmpty ? "[hidden]" : HTTPAddress.hidingPasswords(text)
    }
}
