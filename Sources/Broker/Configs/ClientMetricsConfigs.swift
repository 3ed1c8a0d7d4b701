import KafkaMessages
import Patterns

/// The settings of a subscription to clients' metrics (KIP-714). They are kept, described and listed as in a Kafka without
/// a plugin that takes such metrics: clients are not asked for any.
enum ClientMetricsConfigs {
    static let definitions: [ConfigDefinition] = [
        .init(
            name: "interval.ms", type: .int, defaultValue: "300000", rule: .anything,
            documentation: "Milliseconds between two reports of a client."),
        .init(
            name: "match", type: .list, defaultValue: "", rule: .anything,
            documentation: "Whose metrics are wanted: names and patterns of clients' properties."),
        .init(
            name: "metrics", type: .list, defaultValue: "", rule: .anything,
            documentation: "Beginnings of the names of metrics that are wanted."),
    ]
    private static let intervals: ClosedRange<Int64> = 100...3_600_000
    private static let properties: Set<String> = [
        "client_instance_id", "client_id", "client_software_name", "client_software_version", "client_source_address",
        "client_source_port",
    ]

    /// Whether a text is a client's property and, behind one `=`, an expression of Java's that is not empty.
    private static func isPattern(_ text: String) -> Bool {
        var parts = text.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
        // As Java's `split`: "client_id=a=" is "client_id" and "a".
        while parts.last?.isEmpty == true { parts.removeLast() }
        guard parts.count == 2, properties.contains(parts[0].trimmingSpaces) else { return false }
        return (try? JavaPattern(parts[1].trimmingSpaces)) != nil  // only whether it is one is asked
    }

    static func definition(_ name: String) -> ConfigDefinition? { definitions.first { $0.name == name } }

    /// - Parameter former: the values before. A `match` that stays as it is is not looked at: it may be from a time when
    ///   anything was taken, and is no reason to refuse other changes.
    /// - Throws: INVALID_REQUEST or INVALID_CONFIG, in the words of upstream's class of this name.
    static func check(_ values: [String: String], former: [String: String]) throws(ControlError) {
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            guard let definition = definition(name) else {
                throw ControlError(.invalidRequest, "Unknown client metrics configuration: \(name)")
            }
            if let problem = definition.refusal(of: value) { throw ControlError(.invalidConfig, problem) }
            let items = value.split(separator: ",", omittingEmptySubsequences: false)
                .map { String($0).trimmingSpaces }
            guard definition.type != .list || value.isEmpty || !items.contains("") else {
                throw ControlError(.invalidConfig, "Configuration '\(name)' values must not be empty.")
            }
            if name == "interval.ms", let interval = Int64(value.trimmingSpaces), !intervals.contains(interval) {
                throw ControlError(
                    .invalidRequest,
                    "Invalid value \(interval) for interval.ms, interval must be between 100 and 3600000 (1 hour)")
            }
            guard name == "match", !value.isEmpty, value != former[name] else { continue }
            for item in items {
                guard isPattern(item) else {
                    throw ControlError(.invalidConfig, "Illegal client matching pattern: \(item)")
                }
            }
        }
    }
}
