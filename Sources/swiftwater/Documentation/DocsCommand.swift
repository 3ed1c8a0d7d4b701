import ArgumentParser

/// Prints the references that are made from the program's own catalogues; `./dev docs` keeps them in `docs`, and a test
/// finds those that are stale.
struct DocsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "docs", abstract: "Print a reference that is made from the program's own catalogues.",
        shouldDisplay: false)

    enum Reference: String, CaseIterable, ExpressibleByArgument {
        case functions, statements, connectors, manual

        var text: String {
            switch self {
            case .functions: FunctionReference.text
            case .statements: StatementReference.text
            case .connectors: ConnectorReference.text
            case .manual: ManualPage.text
            }
        }

        /// Where the repository keeps it; nil for what only packages have.
        var file: String? {
            switch self {
            case .functions: "docs/sql-functions.md"
            case .statements: "docs/sql-reference.md"
            case .connectors: "docs/connector-options.md"
            case .manual: nil
            }
        }
    }

    @Argument(help: "The reference.") var reference: Reference

    func run() throws { try Output.standard.write(reference.text.utf8) }
}
