package import ConnectCore

/// Snowflake's sink (`com.snowflake.kafka.connector.SnowflakeSinkConnector`): records as rows of a table for each topic.
///
/// Rows go in by SQL, `INSERT ... SELECT` of a JSON array, over the protocol of Snowflake's drivers.
///
/// Delivery: exactly once. The offsets of what is in a table stand in a table beside it and change in the transaction that
/// brings the rows; what they cover is passed over when it comes again, and a task that has lost its partitions without
/// knowing it cannot change them.
package struct SnowflakeSinkPlugin: SinkPlugin {
    package let version: String

    package init(version: String) { self.version = version }

    package let classNames = [
        "com.snowflake.kafka.connector.SnowflakeSinkConnector", "SnowflakeSink",
    ]

    package var definition: ConfigDef { SnowflakeSettings.definition }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        do throws(ConnectError) {
            _ = try SnowflakeSettings(properties)
            return []
        } catch {
            let option = error.message.firstRange(of: "for configuration ").map { found in
                String(error.message[found.upperBound...].prefix { $0 != ":" && $0 != " " })
            }
            return [ConfigProblem(option ?? "snowflake.url.name", error.message)]
        }
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SinkTaskContext
    ) throws(ConnectError) -> any SinkTask {
        SnowflakeSinkTask(try SnowflakeSettings(properties), context)
    }
}
