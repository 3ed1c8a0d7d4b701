package import ConnectCore
import HTTPCalls

/// Elasticsearch's and OpenSearch's sinks: records as documents of an index for each topic.
///
/// Delivery: effectively once. Documents have an id that comes from the record (its key, or its place in its topic), so what
/// is sent again after a failure replaces itself; with keys, older versions never replace newer ones. At least once with
/// ids that the server makes.
package struct SearchSinkPlugin: SinkPlugin {
    package enum Flavour: Sendable { case elasticsearch, opensearch }

    package let version: String
    private let flavour: Flavour

    package init(_ flavour: Flavour, version: String) {
        self.flavour = flavour
        self.version = version
    }

    package var classNames: [String] {
        switch flavour {
        case .elasticsearch:
            [
                "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector", "ElasticsearchSink",
                "io.aiven.connect.elasticsearch.ElasticsearchSinkConnector",
            ]
        case .opensearch:
            [
                "io.aiven.kafka.connect.opensearch.OpensearchSinkConnector",
                "io.aiven.connect.opensearch.OpensearchSinkConnector", "OpensearchSink",
            ]
        }
    }

    package var definition: ConfigDef { SearchSettings.definition(flavour) }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        do throws(ConnectError) {
            _ = try SearchSettings(properties, flavour)
            return []
        } catch {
            let option = error.message.firstRange(of: "for configuration ").map { found in
                String(error.message[found.upperBound...].prefix { $0 != ":" && $0 != " " })
            }
            return [ConfigProblem(option ?? "connection.url", error.message)]
        }
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SinkTaskContext
    ) throws(ConnectError) -> any SinkTask {
        SearchSinkTask(try SearchSettings(properties, flavour), context)
    }
}
