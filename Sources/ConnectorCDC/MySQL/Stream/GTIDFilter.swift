internal import ConnectCore

/// Which sources of GTIDs count: MySQL's servers by their UUIDs, MariaDB's domains. For one thread at a time.
final class GTIDFilter {
    private let includes: NamePatterns?
    private let excludes: NamePatterns?
    private let filtersChanges: Bool

    init(_ config: MySQLConfig) throws(ConnectError) {
        func patterns(_ name: String) throws(ConnectError) -> NamePatterns? {
            guard let text = config.properties[name], !text.trimmingSpaces.isEmpty else { return nil }
            return try NamePatterns(text)
        }
        includes = try patterns("gtid.source.includes")
        excludes = try patterns("gtid.source.excludes")
        filtersChanges = config.filtersChangesByGTID
    }

    func keeps(source: String) -> Bool {
        if let includes { return includes.matches(source) }
        return !(excludes?.matches(source) ?? false)
    }

    /// Whether a transaction's changes become events.
    func keeps(_ gtid: String) -> Bool {
        guard filtersChanges, includes != nil || excludes != nil else { return true }
        let source = gtid.contains(":") ? gtid.prefix { $0 != ":" } : gtid.prefix { $0 != "-" }
        return keeps(source: String(source))
    }
}
