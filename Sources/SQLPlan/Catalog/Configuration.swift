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

    /// `ksql.persistence.default.format.key`
    var defaultKeyFormat: String { properties["ksql.persistence.default.format.key"] ?? "KAFKA" }
    /// `ksql.persistence.default.format.value`
    var defaultValueFormat: String? { properties["ksql.persistence.default.format.value"] }
    /// `ksql.persistence.wrap.single.values`
    var wrapsSingleValues: Bool? { properties["ksql.persistence.wrap.single.values"].map { $0.lowercased() == "true" } }
    /// `ksql.output.topic.name.prefix`
    var outputTopicPrefix: String { properties["ksql.output.topic.name.prefix"] ?? "" }
}
