package import Cluster
package import ConnectCore

/// `io.debezium.connector.postgresql.PostgresConnector`: the changes of a PostgreSQL database as Debezium's events.
package struct PostgresCDCPlugin: SourcePlugin {
    package let version: String
    package let definition: ConfigDef
    package let classNames = ["io.debezium.connector.postgresql.PostgresConnector"]

    /// - Parameter version: of this program.
    package init(version: String) {
        self.version = version
        definition = PostgresOptions.definition()
    }

    package var openPrefixes: [String] {
        ["column.mask.", "column.truncate.", "driver.", "snapshot.select.statement.overrides."]
    }

    package func modernized(_ properties: [String: String]) -> [String: String] { PostgresOptions.modern(properties) }

    /// Options that do not go together, and whether the server answers and has what is needed.
    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        let modern = PostgresOptions.modern(properties)
        var problems: [ConfigProblem] = []
        for (first, second) in [
            ("schema.include.list", "schema.exclude.list"), ("table.include.list", "table.exclude.list"),
            ("column.include.list", "column.exclude.list"),
            ("message.prefix.include.list", "message.prefix.exclude.list"),
        ] where modern[first] != nil && modern[second] != nil {
            problems.append(
                ConfigProblem(
                    second, "The '\(second)' value is invalid: \"\(second)\" is already specified, or \"\(first)\" is"))
        }
        let config: PostgresConfig
        do throws(ConnectError) {
            config = try PostgresConfig(properties)
            _ = try ColumnRules(config.shared)
        } catch {
            // What is wrong with one option is found by the definition.
            if problems.isEmpty, error.message.contains("message.key.columns") {
                problems.append(ConfigProblem("message.key.columns", error.message))
            }
            return problems
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
            guard PostgresPosition(offset) != nil else {
                throw ConnectError(.connect, "An offset needs the number 'lsn' of a place in the log")
            }
        }
        return true
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SourceTaskContext
    ) throws(ConnectError) -> any SourceTask {
        let config = try PostgresConfig(properties)
        let version = version
        return CDCSourceTask(config.shared, context) { (start) throws(ConnectError) in
            let reader = PostgresReader(config, start, version: version)
            return CDCSourceTask.Reading(reader: reader) { reader.run(from: start.offset) }
        } execute: { query in
            var address = config.address
            address.queryTimeoutMilliseconds = 30_000
            try PostgresConnection(address).execute(query)
        }
    }
}
