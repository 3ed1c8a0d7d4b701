package import ConnectCore
import HTTPCalls

/// BigQuery's sink: records as rows of a table for each topic, by the streaming API `tabledata.insertAll`.
///
/// Delivery: at least once. Rows have ids of their place in their topic, by which BigQuery passes over most of those that
/// come twice within about a minute.
///
/// - SeeAlso: Aiven's and Confluent's `BigQuerySinkConnector`, whose options these are.
package struct BigQuerySinkPlugin: SinkPlugin {
    package let version: String

    package init(version: String) { self.version = version }

    package var classNames: [String] {
        ["com.wepay.kafka.connect.bigquery.BigQuerySinkConnector", "BigQuerySink"]
    }

    package var definition: ConfigDef { BigQuerySettings.definition }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        do throws(ConnectError) {
            _ = try BigQuerySettings(properties)
            return []
        } catch {
            let option = error.message.firstRange(of: "for configuration ").map { found in
                String(error.message[found.upperBound...].prefix { $0 != ":" && $0 != " " })
            }
            return [ConfigProblem(option ?? "keyfile", error.message)]
        }
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SinkTaskContext
    ) throws(ConnectError) -> any SinkTask {
        BigQuerySinkTask(try BigQuerySettings(properties), context)
    }
}
