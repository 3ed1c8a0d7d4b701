package import JSONFormat

/// A connector, as far as the console shows it among others.
package struct ConnectorView: Sendable, Equatable {
    package var name: String
    package var isSource: Bool
    /// Of the connector; FAILED when one of its tasks has.
    package var state: String
    package var failedTaskCount = 0
    /// The class, without its package.
    package var kind: String
    package var topics: [String]
    package var deadLetterTopic: String?

    /// One entry of `GET /connectors?expand=info&expand=status`.
    package init?(_ name: String, _ entry: JSONValue) {
        guard let config = entry["info"]?["config"] else { return nil }
        self.name = name
        isSource = (entry["info"]?["type"]?.text ?? entry["status"]?["type"]?.text) == "source"
        let tasks = entry["status"]?["tasks"]?.elements ?? []
        failedTaskCount = tasks.count { $0["state"]?.text == "FAILED" }
        let own = entry["status"]?["connector"]?["state"]?.text ?? "UNKNOWN"
        state = failedTaskCount > 0 ? "FAILED" : own
        kind = (config["connector.class"]?.text ?? "").split(separator: ".").last.map(String.init) ?? ""
        topics = isSource ? [] : (config["topics"]?.text ?? "").split(separator: ",").map(\.trimmed)
        deadLetterTopic = config["errors.deadletterqueue.topic.name"]?.text.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// A persistent query.
package struct QueryView: Sendable, Equatable {
    package var id: String
    package var state: String
    package var statement: String
    /// Names of streams and tables.
    package var sources: [String]
    package var sinks: [String]
    package var error: String?

    /// One entry of `SHOW QUERIES EXTENDED`; nil for queries of clients.
    package init?(_ entry: JSONValue) {
        guard let id = entry["id"]?.text, (entry["queryType"]?.text ?? "PERSISTENT") == "PERSISTENT" else { return nil }
        self.id = id
        state = entry["state"]?.text ?? entry["ksqlHostQueryStatus"]?.members?.first?.1.text ?? "UNKNOWN"
        statement = entry["statementText"]?.text ?? ""
        sources = (entry["sources"]?.elements ?? []).compactMap(\.text)
        sinks = (entry["sinks"]?.elements ?? []).compactMap(\.text)
        error = entry["queryErrors"]?.elements?.last?["errorMessage"]?.text
    }
}

/// What registry, Connect and SQL say of themselves.
package struct Surroundings: Sendable {
    package var connectors: [ConnectorView] = []
    package var queries: [QueryView] = []
    /// Topics of streams and tables.
    package var topics: [String: String] = [:]
    /// Why a service did not answer; services that there are not are not here.
    package var problems: [ConsoleUpstream: String] = [:]

    package init() {}

    /// Reads the answers to `SHOW QUERIES EXTENDED; SHOW STREAMS; SHOW TABLES;`.
    package mutating func take(sql answer: JSONValue) {
        for entity in answer.elements ?? [] {
            queries += (entity["queryDescriptions"]?.elements ?? []).compactMap { QueryView($0) }
            for source in (entity["streams"]?.elements ?? []) + (entity["tables"]?.elements ?? []) {
                if let name = source["name"]?.text, let topic = source["topic"]?.text { topics[name] = topic }
            }
        }
    }

    /// Reads the answer to `GET /connectors?expand=info&expand=status`.
    package mutating func take(connect answer: JSONValue) {
        connectors = (answer.members ?? []).compactMap { ConnectorView($0.0, $0.1) }.sorted { $0.name < $1.name }
    }
}
