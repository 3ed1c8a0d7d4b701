import ArgumentParser
import Cluster
import JSONFormat

struct GroupConfigs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "configs", abstract: "Show the configuration of a group of the newer protocols.",
        discussion: """
            Shows what was set for the group; --all-configs shows what follows the brokers, too. A group need not exist to have \
            a configuration; those of the classic protocol take theirs from their members.

            EXAMPLES
              swiftwater group configs jobs --all-configs
            """)

    @Argument(help: "The group.", completion: NameCompletion.groups) var name: String
    @Flag(help: "Show configurations that were not set for the group, too.") var allConfigs = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let entries = try await ConfigCalls(connection.connect()).list(.group(name)).filter {
            allConfigs || $0.isOfGroup
        }
        switch output.format {
        case .json: try Output.standard.write(ConfigListing.json(entries, all: true).pretty + [UInt8(ascii: "\n")])
        case .table: try Output.standard.line(ConfigListing.text(entries, all: true))
        }
    }
}

struct GroupAlter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alter", abstract: "Change the configuration of a group of the newer protocols.",
        discussion: """
            EXAMPLES
              swiftwater group alter billing --config consumer.session.timeout.ms=60000
              swiftwater group alter jobs --config share.record.lock.duration.ms=60000 \\
                  --reset share.auto.offset.reset
            """)

    @Argument(help: "The group.", completion: NameCompletion.groups) var name: String
    @OptionGroup var changes: ConfigChangeOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { try changes.requireSome() }

    func run() async throws {
        try await changes.apply(to: .group(name), in: connection.connect())
    }
}
