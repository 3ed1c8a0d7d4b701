import Cluster
import ConnectCore
import ConnectService
import ConnectorBigQuery
import ConnectorCDC
import ConnectorDatagen
import ConnectorFile
import ConnectorHTTP
import ConnectorJDBC
import ConnectorObjectStore
import ConnectorSearch
import ConnectorSnowflake
import ConnectorSyslog
import Logging
import Synchronization

/// The connectors of this program.
enum ConnectorPlugins {
    /// - Parameter cluster: the worker's own.
    static func all(_ cluster: any Cluster, _ logger: Logger) -> [any ConnectorPlugin] {
        let clusters = HistoryClusters(cluster, logger)
        return all(
            histories: { (options) throws(ConnectError) in try clusters.cluster(options) },
            responses: ResponseTopics(cluster))
    }

    /// - Parameters:
    ///   - histories: where connectors keep the history of their tables; nil where none runs.
    ///   - responses: where the answers to a connector's requests go; nil where none runs.
    static func all(histories history: CDCPlugin.ClusterProvider?, responses: ResponseTopics?) -> [any ConnectorPlugin]
    {
        let version = Swiftwater.version
        return [
            CDCPlugin.mysql(version: version, clusters: history),
            CDCPlugin.mariaDB(version: version, clusters: history),
            PostgresCDCPlugin(version: version, clusters: history),
            DatagenPlugin(version: version),
            FileSourcePlugin(version: version), FileSinkPlugin(version: version),
            SyslogSourcePlugin(version: version),
            HTTPSinkPlugin(version: version, reporter: responses),
            AivenHTTPSinkPlugin(version: version), SlackSinkPlugin(version: version),
            SearchSinkPlugin(.elasticsearch, version: version), SearchSinkPlugin(.opensearch, version: version),
            BigQuerySinkPlugin(version: version),
            JDBCSourcePlugin(version: version),
            JDBCSinkPlugin(.confluent, version: version), JDBCSinkPlugin(.debezium, version: version),
            ObjectStoreSinkPlugin(.s3, version: version), ObjectStoreSinkPlugin(.folder, version: version),
            ObjectStoreSinkPlugin(.gcs, version: version),
            ObjectStoreSinkPlugin(.hdfs, version: version),
            SnowflakeSinkPlugin(version: version),
        ]
    }

    /// Said where a class is asked for that is not among them.
    static let hint =
        "A connector that is not built in runs in a worker of Apache Kafka Connect: point its bootstrap.servers here"
}

/// Where connectors keep the history of their tables: the worker's own cluster, or the one that a configuration names.
private final class HistoryClusters: Sendable {
    private let own: any Cluster
    private let logger: Logger
    /// Others live as long as the process: a restarted task finds its cluster again.
    private let others = Mutex<[[String: String]: RemoteCluster]>([:])

    init(_ own: any Cluster, _ logger: Logger) {
        self.own = own
        self.logger = logger
    }

    /// - Parameter options: those behind `schema.history.internal.kafka.`, by the Java client's names.
    func cluster(_ options: [String: String]) throws(ConnectError) -> any Cluster {
        guard let servers = options["bootstrap.servers"], !servers.isEmpty else { return own }
        let known = others.withLock { $0[options] }
        if let known { return known }
        // What a Java client gets with the prefixes of its producer and consumer is for either of them.
        var connection: [String: String] = [:]
        for (name, value) in options where name != "bootstrap.servers" && name != "topic" {
            for prefix in ["producer.", "consumer."] where name.hasPrefix(prefix) {
                connection[String(name.dropFirst(prefix.count))] = value
            }
        }
        do throws(ClusterError) {
            let other = try RemoteCluster(
                RemoteConfiguration(
                    bootstrapServers: servers, properties: try RemoteConfiguration.properties(fromJava: connection),
                    logger: logger))
            return others.withLock { others in
                if let known = others[options] { return known }
                others[options] = other
                return other
            }
        } catch {
            throw ConnectError(.connect, "the cluster at \(servers) cannot be used: \(error)")
        }
    }
}
