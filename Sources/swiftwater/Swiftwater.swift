import Administration
import ArgumentParser
import Cluster
import Glibc

/// The command line: one executable, nouns then verbs.
struct Swiftwater: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftwater",
        abstract: "An event-streaming platform that speaks Kafka's protocol, in one binary.",
        discussion: """
            EXAMPLES
              swiftwater demo                        a whole pipeline, live
              swiftwater start                       on :9092, data in ./swiftwater-data
              swiftwater topic create ratings --partitions 4
              echo '{"stars": 5}' | swiftwater produce ratings
              swiftwater consume ratings --from beginning

            Every command but start, demo, test and log works with any Kafka cluster: name it with -b HOST:PORT or \
            SWIFTWATER_BOOTSTRAP.
            """,
        version: BuildInfo.line,
        subcommands: [
            Start.self, DemoCommand.self, TopicCommand.self, Produce.self, Consume.self, GroupCommand.self,
            AclCommand.self, UserCommand.self, TokenCommand.self, QuotaCommand.self, SchemaCommand.self,
            ConnectCommand.self,
            SQLCommand.self, TestCommand.self, TransactionCommand.self, BrokerCommand.self, ClusterCommand.self,
            LogCommand.self, PerfCommand.self, ConfigCommand.self, Doctor.self, Completion.self, Version.self,
            DocsCommand.self,
        ])

    /// The version of the whole product.
    static let version = "0.1.0"
}

@main
enum Program {
    static func main() async {
        // A reader that went away (`| head`) is noticed at the write and ends the command quietly.
        signal(SIGPIPE, SIG_IGN)
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            try CommandNames.check(arguments, in: Swiftwater.self)
            var command = try Swiftwater.parseAsRoot(arguments)
            if !(command is Start) { EnvironmentVariables.complainOfMisspelled() }  // a server tells its log
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            try Output.standard.flush()
        } catch is OutputClosed {
            exit(0)
        } catch let failure as CommandFailure {
            end(failure)
        } catch let error as ClusterError {
            end(CommandFailure(error))
        } catch let failure as AdministrationFailure {
            end(CommandFailure(failure.message, hint: failure.hint))
        } catch {
            let option = OptionHints.unknownOption(Swiftwater.message(for: error))
            if let option, let hint = OptionHints.hint(for: option, in: arguments) {
                end(.usage("unknown option '\(option)'", hint: hint))
            }
            Swiftwater.exit(withError: error)
        }
    }

    /// Reports why the command failed. What it wrote before stays written.
    private static func end(_ failure: CommandFailure) -> Never {
        try? Output.standard.flush()  // the failure below is what the user must see
        Output.complain(failure.text)
        exit(failure.exitCode)
    }
}
