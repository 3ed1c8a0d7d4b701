/// Times that have a setting for each of several units.
extension ServerProperties {
    /// The settings of one time, the finest unit first, which goes before the others (Kafka's `brokerConfigSynonyms`).
    private static let units: [[(name: String, ms: Int64)]] = [
        [("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)],
        [("log.roll.ms", 1), ("log.roll.hours", 3_600_000)],
        [("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", 3_600_000)],
    ]

    /// The names of the same setting in all its units, in the order in which they count.
    static func synonyms(of name: String) -> [String] {
        units.first { $0.contains { $0.name == name } }?.map(\.name) ?? [name]
    }

    /// The set value of a topic config's server property, in that property's unit.
    func topicDefaultOverride(_ name: String) -> String? {
        guard let units = Self.units.first(where: { $0.first?.name == name }) else { return values[name] }
        for unit in units {
            guard let number = values[unit.name].flatMap({ Int64($0.trimmingSpaces) }) else { continue }
            if number < 0 { return "-1" }
            // It is refused where it is set, but data folders of old versions may have it: it would delete all records.
            if number == 0, name == "log.retention.ms" { continue }
            let (product, overflow) = number.multipliedReportingOverflow(by: unit.ms)
            return String(overflow ? .max : product)
        }
        return nil
    }
}
