internal import ConnectCore

/// `replica.identity.autoset.values`: the replica identities that tables are to have.
struct ReplicaIdentities {
    private let entries: [(tables: NamePatterns, identity: String)]

    /// - Throws: `.config` with what is wrong.
    init(_ text: String) throws(ConnectError) {
        var entries: [(NamePatterns, String)] = []
        for part in NamePatterns.split(text) {
            guard let colon = part.lastIndex(of: ":") else {
                throw .config("\(part) has an invalid format (expecting '<schema>.<table>:<identity>')")
            }
            let words = part[part.index(after: colon)...].split(separator: " ")
            let clause: String
            switch (words.first?.uppercased(), words.count) {
            case ("FULL", 1), ("DEFAULT", 1), ("NOTHING", 1): clause = words[0].uppercased()
            case ("INDEX", 2): clause = "USING INDEX " + postgresIdentifier(String(words[1]))
            default:
                throw .config("\(part) names no replica identity; there are FULL, DEFAULT, NOTHING and INDEX <name>")
            }
            entries.append((try NamePatterns(String(part[..<colon])), clause))
        }
        self.entries = entries
    }

    /// What stands behind REPLICA IDENTITY; nil for a table that keeps its own.
    func clause(of table: TableID) -> String? { entries.first { $0.tables.matches(table.description) }?.identity }
}
