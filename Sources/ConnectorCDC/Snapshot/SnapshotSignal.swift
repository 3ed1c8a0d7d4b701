internal import ConnectCore
internal import JSONFormat

/// What the signal `execute-snapshot` asks for.
struct SnapshotSignal {
    enum Kind: String {
        case incremental, blocking
    }

    let id: String
    let kind: Kind
    private let names: [NamePatterns]
    private let plainNames: [String]
    private let conditions: [(tables: NamePatterns, filter: String)]
    /// Of earlier versions: for all of the signal's tables.
    private let condition: String?
    /// A column by which chunks go in the place of the key.
    let surrogateKey: String?

    /// - Parameter log: of what cannot be followed.
    /// - Returns: nil for a kind of snapshot that is not known.
    init?(id: String, data: String, log: (TaskLogLevel, String) -> Void) {
        let json = JSONValue.parse(Array(data.utf8))
        let type = json?["type"]?.text ?? Kind.incremental.rawValue
        guard let kind = Kind(rawValue: type.lowercased()) else {
            log(
                .warning,
                "the signal '\(id)' asks for a snapshot of type '\(type)'; there are incremental and blocking")
            return nil
        }
        func patterns(_ text: String) -> NamePatterns? {
            do throws(ConnectError) { return try NamePatterns(text) } catch {
                log(.warning, "the signal '\(id)' has an expression for tables that is none: \(error.message)")
                return nil
            }
        }
        self.id = id
        self.kind = kind
        plainNames = (json?["data-collections"]?.elements ?? []).compactMap(\.text).map(\.trimmingSpaces)
        names = plainNames.compactMap(patterns)
        conditions = (json?["additional-conditions"]?.elements ?? []).compactMap { next in
            guard let name = next["data-collection"]?.text, let filter = next["filter"]?.text else { return nil }
            return patterns(name).map { ($0, filter) }
        }
        condition = json?["additional-condition"]?.text
        surrogateKey = json?["surrogate-key"]?.text.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The tables that it names, in its order.
    func tables(_ context: any CapturedTables) -> [TableID] {
        var tables: [TableID] = []
        for patterns in names {
            let matching = context.tableIDs.filter {
                context.filters.isCaptured($0) && !context.filters.isSignal($0) && patterns.matches($0.description)
                    && !tables.contains($0)
            }
            tables += javaOrdered(matching.map { (key: $0.description, value: $0) }).map(\.value)
        }
        return tables
    }

    /// Names of tables that are not known, in the signal's order.
    func missing(_ context: any CapturedTables) -> [TableID] {
        plainNames.compactMap { name in
            let parts = name.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(Self.isOfName) }),
                let patterns = try? NamePatterns(name),  // those that are none were told of
                !context.tableIDs.contains(where: { patterns.matches($0.description) })
            else { return nil }
            return TableID(String(parts[0]), String(parts[1]))
        }
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D, 0x20, 0x80...: true
        default: false
        }
    }

    /// Which of a table's rows: a condition for incremental snapshots, a statement for blocking ones.
    func filter(of table: TableID) -> String? {
        conditions.first { $0.tables.matches(table.description) }?.filter ?? condition
    }
}
