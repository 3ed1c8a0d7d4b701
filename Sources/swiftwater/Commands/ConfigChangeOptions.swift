import ArgumentParser
import Cluster

/// What to change of a configuration: the same options with topics, brokers and groups.
struct ConfigChangeOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: ArgumentHelp("A configuration to set; may be repeated.", valueName: "name=value"))
    var config: [String] = []
    @Option(
        name: [.long, .customLong("delete-config")],
        help: ArgumentHelp("A configuration to set back to its default; may be repeated.", valueName: "name"))
    var reset: [String] = []
    @Flag(help: "Only check that the changes could be made.") var dryRun = false

    var isEmpty: Bool { config.isEmpty && reset.isEmpty }

    func validate() throws { try checkGivenOnce(config, reset) }

    func requireSome() throws {
        if isEmpty { throw ValidationError("nothing to change: give --config or --reset") }
    }

    /// - Throws: `CommandFailure` (usage) for a text that is no `NAME=VALUE`.
    func changes() throws -> [ConfigChange] {
        try pairs(config, option: "--config").map { ConfigChange($0.name, .set($0.value)) }
            + reset.map { ConfigChange($0, .reset) }
    }

    /// Makes the changes and says so.
    ///
    /// - Parameter force: whether names that look misspelt are taken.
    func apply(to resource: ConfigCalls.Resource, in cluster: any Cluster, force: Bool = false) async throws {
        let changes = try changes()
        let calls = ConfigCalls(cluster)
        if !force { try await calls.checkNames(changes.map(\.name), resource) }
        try await calls.alter(resource, changes, validateOnly: dryRun)
        let count = counted(changes.count, "configuration")
        try Output.standard.line(
            dryRun ? "\(resource.text) can be altered: \(count)" : "altered \(resource.text): \(count)")
    }
}
