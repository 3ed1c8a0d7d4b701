import ArgumentParser
import Cluster

/// What to change of a configuration: the same options with brokers and groups.
struct ConfigChangeOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: ArgumentHelp("A configuration to set; may be repeated.", valueName: "name=value"))
    var config: [String] = []
    @Option(
        name: [.long, .customLong("delete-config")],
        help: ArgumentHelp("A configuration to set back to its default; may be repeated.", valueName: "name"))
    var reset: [String] = []
    @Flag(help: "Only check that the changes could be made.") var dryRun = false

    func validate() throws {
        guard !config.isEmpty || !reset.isEmpty else {
            throw ValidationError("nothing to change: give --config or --reset")
        }
        try checkGivenOnce(config, reset)
    }

    /// Makes the changes and says so.
    func apply(to resource: ConfigCalls.Resource, in cluster: any Cluster) async throws {
        let settings = try pairs(config, option: "--config")
        let calls = ConfigCalls(cluster)
        try await calls.checkNames(settings.map(\.name) + reset, resource)
        let changes =
            settings.map { ConfigChange($0.name, .set($0.value)) } + reset.map { ConfigChange($0, .reset) }
        try await calls.alter(resource, changes, validateOnly: dryRun)
        let count = counted(changes.count, "configuration")
        try Output.standard.line(
            dryRun ? "\(resource.text) can be altered: \(count)" : "altered \(resource.text): \(count)")
    }
}
