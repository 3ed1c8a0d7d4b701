import ArgumentParser
import Cluster
import JSONFormat

struct ClusterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster", abstract: "Look at the cluster.", subcommands: [ClusterDescribe.self])
}

struct ClusterDescribe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show the cluster's id, controller and brokers.",
        discussion: """
            EXAMPLES
              swiftwater cluster describe -b kafka.example.com:9092
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let cluster = try await connection.connect().describeCluster()
        switch output.format {
        case .json:
            let value = JSONValue.object([
                ("id", .string(cluster.id)), ("controller", cluster.controller.map { .number(Int64($0)) } ?? .null),
                (
                    "brokers",
                    .array(
                        cluster.brokers.map {
                            .object([
                                ("id", .number(Int64($0.id))), ("host", .string($0.host)),
                                ("port", .number(Int64($0.port))),
                            ])
                        })
                ),
            ])
            try Output.standard.write(value.pretty + [UInt8(ascii: "\n")])
        case .table:
            try Output.standard.line("cluster:     \(cluster.id ?? "unknown")")
            try Output.standard.line("controller:  \(cluster.controller.map(String.init) ?? "none")")
            var table = Table("BROKER#", "HOST", "PORT#")
            for broker in cluster.brokers { table.add(String(broker.id), broker.host, String(broker.port)) }
            try Output.standard.line("\n" + table.text)
        }
    }
}
