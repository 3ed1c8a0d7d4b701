import ArgumentParser
import JSONFormat

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version and what the program was built from.",
        discussion: """
            EXAMPLES
              swiftwater version
              swiftwater version -o json
            """)

    @OptionGroup var output: OutputOptions

    func run() throws {
        switch output.format {
        case .table: try Output.standard.line(BuildInfo.line)
        case .json: try Output.standard.write(BuildInfo.json.pretty + [UInt8(ascii: "\n")])
        }
    }
}
