package import Cluster
package import ConnectCore

/// `io.debezium.connector.mysql.MySqlConnector` and `io.debezium.connector.mariadb.MariaDbConnector`: the changes of a MySQL
/// or MariaDB server as Debezium's events.
package struct CDCPlugin: SourcePlugin {
    /// The cluster that keeps a connector's schema history.
    ///
    /// - Parameter: the options behind `schema.history.internal.kafka.`: `bootstrap.servers`, `producer.security.protocol`
    ///   ...; without `bootstrap.servers` the worker's own cluster is meant.
    package typealias ClusterProvider =
        @Sendable (_ options: [String: String]) async throws(ConnectError) -> any Cluster

    private let flavor: Flavor
    package let version: String
    private let clusters: ClusterProvider?
    package let definition: ConfigDef

    /// - Parameters:
    ///   - version: of this program.
    ///   - clusters: nil: histories are files or in memory only.
    package static func mysql(version: String, clusters: ClusterProvider?) -> CDCPlugin {
        CDCPlugin(.mysql, version, clusters)
    }

    package static func mariaDB(version: String, clusters: ClusterProvider?) -> CDCPlugin {
        CDCPlugin(.mariadb, version, clusters)
    }

    private init(_ flavor: Flavor, _ version: String, _ clusters: ClusterProvider?) {
        self.flavor = flavor
        self.version = version
        self.clusters = clusters
        definition = MySQLOptions.definition(flavor)
    }

    package var classNames: [String] {
        switch flavor {
        case .mysql: ["io.debezium.connector.mysql.MySqlConnector"]
        case .mariadb: ["io.debezium.connector.mariadb.MariaDbConnector"]
        }
    }

    package var openPrefixes: [String] {
        [
            "column.mask.", "column.truncate.", "database.history.", "driver.", "schema.history.internal.kafka.",
            "snapshot.select.statement.overrides.",
        ]
    }

    package func modernized(_ properties: [String: String]) -> [String: String] { MySQLOptions.modern(properties) }

    /// Options that do not go together, and whether the server answers.
    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        let modern = MySQLOptions.modern(properties)
        var problems: [ConfigProblem] = []
        for (first, second) in [
            ("database.include.list", "database.exclude.list"), ("table.include.list", "table.exclude.list"),
            ("column.include.list", "column.exclude.list"), ("gtid.source.includes", "gtid.source.excludes"),
        ] where modern[first] != nil && modern[second] != nil {
            problems.append(
                ConfigProblem(
                    second, "The '\(second)' value is invalid: \"\(second)\" is already specified, or \"\(first)\" is"))
        }
        let config: MySQLConfig
        do throws(ConnectError) {
            config = try MySQLConfig(flavor, properties)
            _ = try ColumnRules(config.shared)
        } catch {
            // What is wrong with one option is found by the definition.
            if problems.isEmpty, Self.isRule(error.message) {
                problems.append(ConfigProblem("message.key.columns", error.message))
            }
            return problems
        }
        do {
            var address = config.address
            address.connectTimeout = min(address.connectTimeout, 10)
            let target = address
            try await onThread { _ = try MySQLConnection(target, readTimeout: 10).rows("SELECT 1") }
        } catch {
            problems.append(
                ConfigProblem("database.hostname", "Unable to connect: \(error)"))
        }
        return problems
    }

    private static func isRule(_ message: String) -> Bool { message.contains("message.key.columns") }

    /// The log is one stream: one task reads it, whatever `tasks.max` says.
    package func taskConfigs(
        _ properties: [String: String], countMax: Int
    ) async throws(ConnectError) -> [[String: String]] {
        [properties]
    }

    package func supportsExactlyOnce(_ properties: [String: String]) -> Bool { true }

    package func definesBoundaries(_ properties: [String: String]) -> Bool { true }

    package func alterOffsets(
        _ properties: [String: String], _ offsets: [(partition: ConnectMap, offset: ConnectMap?)]
    ) async throws(ConnectError) -> Bool {
        for (partition, offset) in offsets {
            guard partition.count == 1, let server = partition["server"]?.string, !server.isEmpty else {
                throw ConnectError(.connect, "The partition of an offset has to be {\"server\": \"<topic.prefix>\"}")
            }
            guard let offset else { continue }
            guard LogPosition(offset) != nil else {
                throw ConnectError(
                    .connect, "An offset needs the text 'file' and the number 'pos' of a place in the log")
            }
        }
        return true
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SourceTaskContext
    ) throws(ConnectError) -> any SourceTask {
        MySQLTask.make(try MySQLConfig(flavor, properties), context, version: version, clusters: clusters)
    }
}
