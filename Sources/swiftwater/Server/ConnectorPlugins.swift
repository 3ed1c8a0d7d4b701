import ConnectCore
import ConnectService

/// The connectors of this program.
enum ConnectorPlugins {
    static func all() -> [any ConnectorPlugin] { [] }

    /// Said where a class is asked for that is not among them.
    static let hint =
        "A connector that is not built in runs in a worker of Apache Kafka Connect: point its bootstrap.servers here"
}
