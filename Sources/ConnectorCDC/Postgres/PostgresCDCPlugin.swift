package import Cluster
package import ConnectCore

/// `io.debezium.connector.postgresql.PostgresConnector`: the changes of a PostgreSQL database as Debezium's events.
package struct PostgresCDCPlugin: LogSourcePlugin {
    package let version: String
    package let definition: ConfigDef
    package let classNames = ["io.debezium.connector.postgresql.PostgresConnector"]

    private let clusters: CDCPlugin.ClusterProvider?

    /// - Parameters:
    ///   - version: of this program.
    ///   - clusters: where topics of signals are, with the options behind `signal.`; nil: there are none.
    package init(version: String, clusters: CDCPlugin.ClusterProvider? = nil) {
        self.version = version
        self.clusters = clusters
        definition = PostgresOptions.definition()
    }

    package var openPrefixes: [String] {
        ["column.mask.", "column.truncate.", "driver.", "snapshot.select.statement.overrides."]
    }

    package func modernized(_ properties: [String: String]) -> [String: String] { PostgresOptions.modern(properties) }

    /// Options that do not go together, and whether the server answers and has what is needed.
    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        let modern = PostgresOptions.modern(properties)
        var problems = Self.exclusions(
            [
                ("schema.include.list", "schema.exclude.list"), ("table.include.list", "table.exclude.list"),
                ("column.include.list", "column.exclude.list"),
                ("message.prefix.include.list", "message.prefix.exclude.list"),
            ], modern)
        problems += Self.queueProblem(modern) + Self.readOnlyProblem(modern)
        if let problem = EventOptions.channelProblem(modern) {
            return problems + [ConfigProblem(problem.option, problem.message)]
        }
        do throws(ConnectError) { _ = try Reselection.make(modern) } catch {
            return problems + [ConfigProblem("post.processors", error.message)]
        }
        // What is wrong with one option is found by the definition.
        guard let config = try? PostgresConfig(properties) else { return problems }
        do throws(ConnectError) { _ = try ColumnRules(config.shared) } catch {
            return problems + [ColumnRules.problem(error, modern)].compactMap(\.self)
        }
        do {
            try await onThread {
                var address = config.address
                address.set("connect_timeout", "10")
                let server = try PostgresServer(config, connection: PostgresConnection(address))
                try server.check()
            }
        } catch let error as ConnectError {
            problems.append(ConfigProblem("database.hostname", error.message))
        } catch {
            problems.append(ConfigProblem("database.hostname", "Unable to connect: \(error)"))
        }
        return problems
    }

    package static func isPlace(_ offset: ConnectMap) -> Bool { PostgresPosition(offset) != nil }

    package static let wrongPlace = "An offset needs the number 'lsn' of a place in the log"

    package func makeTask(
        _ properties: [String: String], _ context: any SourceTaskContext
    ) throws(ConnectError) -> any SourceTask {
        let config = try PostgresConfig(properties)
        let version = version
        return CDCSourceTask(config.shared, context, clusters: clusters) { (start) throws(ConnectError) in
            let reader = PostgresReader(config, start, version: version)
            return CDCSourceTask.Reading(reader: reader) { reader.run(from: start.offset) }
        } execute: { query in
            var address = config.address
            address.queryTimeoutMilliseconds = 30_000
            try PostgresConnection(address).execute(query)
        }
    }
}
