package import ConnectCore

/// The sinks of relational databases: records as rows of a table for each topic, in PostgreSQL, MySQL and MariaDB,
/// SQLite.
///
/// Delivery: at least once; effectively once with `insert.mode=upsert`; exactly once with `offsets.table`.
package struct JDBCSinkPlugin: SinkPlugin {
    /// Whose options a configuration has.
    package enum Flavour: Sendable { case confluent, debezium }

    package let version: String
    let flavour: Flavour

    package init(_ flavour: Flavour, version: String) {
        self.flavour = flavour
        self.version = version
    }

    package var classNames: [String] {
        switch flavour {
        case .confluent:
            [
                "io.confluent.connect.jdbc.JdbcSinkConnector", "io.aiven.connect.jdbc.JdbcSinkConnector", "JdbcSink",
            ]
        case .debezium: ["io.debezium.connector.jdbc.JdbcSinkConnector"]
        }
    }

    package var definition: ConfigDef { SinkOptions.definition(flavour) }
    /// Parameters of drivers.
    package var openPrefixes: [String] { ["connection."] }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        let isTrue = properties["delete.enabled"]?.trimmed.lowercased() == "true"
        let option = flavour.keyModeOption
        if isTrue, properties[option]?.trimmed.lowercased() != "record_key" {
            let message = "Deletes are only supported for \(option) record_key"
            return [ConfigProblem(option, message), ConfigProblem("delete.enabled", message)]
        }
        do throws(ConnectError) {
            _ = try SinkSettings(properties, flavour)
            return []
        } catch {
            let named = error.message.range(of: "for configuration ").map { found in
                let start = error.message.index(found, offsetBy: 18)
                return String(error.message[start...].prefix { $0 != ":" && $0 != " " })
            }
            return [ConfigProblem(named ?? "connection.url", error.message)]
        }
    }

    package func alterOffsets(
        _ properties: [String: String], _ offsets: [SinkPartition: Int64?]
    ) async throws(ConnectError) -> Bool {
        let settings = try SinkSettings(properties, flavour)
        guard settings.offsetsTable != nil else { return false }
        let thread = WorkThread()
        let result = await thread.run { () -> Result<Void, ConnectError> in
            do throws(ConnectError) {
                let writer = RecordWriter(settings) { _, _ in }
                defer { writer.disconnect() }
                try writer.alterOffsets(offsets)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        thread.end()
        try result.get()
        return true
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SinkTaskContext
    ) throws(ConnectError) -> any SinkTask {
        JDBCSinkTask(try SinkSettings(properties, flavour), context)
    }
}
