import ArgumentParser

/// How a command prints what it found.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    case table, json
}

struct OutputOptions: ParsableArguments {
    @Option(name: [.customShort("o"), .customLong("output")], help: "Print a table for people or JSON for programs.")
    var format: OutputFormat = .table
}
