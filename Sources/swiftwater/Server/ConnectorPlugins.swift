import ConnectCore
import ConnectService
import ConnectorDatagen
import ConnectorFile
import ConnectorHTTP
import ConnectorSearch

/// The connectors of this program.
enum ConnectorPlugins {
    static func all() -> [any ConnectorPlugin] {
        let version = Swiftwater.version
        return [
            DatagenPlugin(version: version),
            FileSourcePlugin(version: version), FileSinkPlugin(version: version),
            HTTPSinkPlugin(version: version, reporter: nil), AivenHTTPSinkPlugin(version: version),
            SlackSinkPlugin(version: version),
            SearchSinkPlugin(.elasticsearch, version: version), SearchSinkPlugin(.opensearch, version: version),
        ]
    }

    /// Said where a class is asked for that is not among them.
    static let hint =
        "A connector that is not built in runs in a worker of Apache Kafka Connect: point its bootstrap.servers here"
}
