package import Cluster
package import ConnectCore

/// `io.debezium.connector.mysql.MySqlConnector` and `io.debezium.connector.mariadb.MariaDbConnector`: the changes of a MySQL
/// or MariaDB server as Debezium's events.
package struct CDCPlugin: LogSourcePlugin {
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
        var problems = Self.exclusions(
            [
                ("database.include.list", "database.exclude.list"), ("table.include.list", "table.exclude.list"),
                ("column.include.list", "column.exclude.list"), ("gtid.source.includes", "gtid.source.excludes"),
            ], modern)
        problems += Self.queueProblem(modern) + Self.readOnlyProblem(modern)
        if modern["snapshot.mode"]?.trimmingSpaces.lowercased() == "custom" {
            problems.append(
                ConfigProblem(
                    "snapshot.mode",
                    "The 'snapshot.mode' value is invalid: custom is not available, as there are no snapshotters of one's "
                        + "own; configuration_based says by options what is read"))
        }
        if let problem = EventOptions.channelProblem(modern) {
            return problems + [ConfigProblem(problem.option, problem.message)]
        }
        do throws(ConnectError) { _ = try Reselection.make(modern) } catch {
            return problems + [ConfigProblem("post.processors", error.message)]
        }
        // What is wrong with one option is found by the definition.
        guard let config = try? MySQLConfig(flavor, properties) else { return problems }
        do throws(ConnectError) { _ = try ColumnRules(config.shared) } catch {
            return problems + [ColumnRules.problem(error, modern)].compactMap(\.self)
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

    package static func isPlace(_ offset: ConnectMap) -> Bool { LogPosition(offset) != nil }

    package static let wrongPlace = "An offset needs the text 'file' and the number 'pos' of a place in the log"

    package func makeTask(
        _ properties: [String: String], _ context: any SourceTaskContext
    ) throws(ConnectError) -> any SourceTask {
        MySQLTask.make(try MySQLConfig(flavor, properties), context, version: version, clusters: clusters)
    }
}
