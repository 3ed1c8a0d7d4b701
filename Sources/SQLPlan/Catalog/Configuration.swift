/// Properties by their names: those of the server, and over them those of a session (`SET`).
package struct SQLConfiguration: Sendable {
    package var properties: [String: String]

    package init(_ properties: [String: String] = [:]) { self.properties = properties }

    package subscript(name: String) -> String? { properties[name] ?? properties["ksql.streams." + name] }

    package func overridden(by session: [String: String]) -> Self {
        Self(properties.merging(session) { _, new in new })
    }

    func isEnabled(_ name: String, default fallback: Bool = true) -> Bool {
        guard let text = properties[name]?.lowercased() else { return fallback }
        return text == "true"
    }

    /// `ksql.source.table.materialization.enabled`: what counts is what the server says when a query is to run, not what
    /// it said when the statement was accepted.
    package static let sourceTables = "ksql.source.table.materialization.enabled"

    /// `ksql.cast.strings.preserve.nulls`
    var castsKeepNulls: Bool { isEnabled("ksql.cast.strings.preserve.nulls") }

    /// `ksql.persistence.default.format.key`
    var defaultKeyFormat: String { properties["ksql.persistence.default.format.key"] ?? "KAFKA" }
    /// `ksql.persistence.default.format.value`
    var defaultValueFormat: String? { properties["ksql.persistence.default.format.value"] }
    /// `ksql.persistence.wrap.single.values`
    var wrapsSingleValues: Bool? { properties["ksql.persistence.wrap.single.values"].map { $0.lowercased() == "true" } }
    /// `ksql.output.topic.name.prefix`
    var outputTopicPrefix: String { properties["ksql.output.topic.name.prefix"] ?? "" }
}
