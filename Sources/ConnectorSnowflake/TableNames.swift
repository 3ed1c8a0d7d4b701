import ConnectCore

/// Which table a topic's records go to: upstream's `Utils.generateValidName` and `snowflake.topic2table.map`.
struct TableNames: Sendable {
    private struct Rule: Sendable {
        let topic: String
        let pattern: JavaRegex
        let table: String
    }

    let database: Identifier
    let schema: Identifier
    private let rules: [Rule]

    /// - Parameter map: `topic:table,topic:table`; topics may be regular expressions that match whole names.
    /// - Throws: `.config` for what is no such list.
    init(database: Identifier, schema: Identifier, map: String) throws(ConnectError) {
        self.database = database
        self.schema = schema
        var rules: [Rule] = []
        if !map.isEmpty {
            for pair in map.split(separator: ",", omittingEmptySubsequences: false) {
                let parts = pair.split(separator: ":", omittingEmptySubsequences: false).map { Self.trimmed($0) }
                guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                    throw .config(Self.option, map, "Format: <topic-1>:<table-1>,<topic-2>:<table-2>,...")
                }
                let names = parts[1].split(separator: ".", omittingEmptySubsequences: false)
                guard names.count <= 3, names.allSatisfy({ Identifier.isPlain($0) }) else {
                    throw .config(
                        Self.option, map,
                        "table name \(parts[1]) should have at least 2 characters, start with _a-zA-Z, and only contain "
                            + "_$a-zA-Z0-9; a database and a schema may stand before it with dots between them")
                }
                guard !rules.contains(where: { $0.topic == parts[0] }) else {
                    throw .config(Self.option, map, "topic name \(parts[0]) is duplicated")
                }
                let pattern: JavaRegex
                do throws(ConnectError) { pattern = try JavaRegex(parts[0]) } catch {
                    throw .config(Self.option, map, "topic \(parts[0]) is no regular expression: \(error.message)")
                }
                rules.append(Rule(topic: parts[0], pattern: pattern, table: parts[1]))
            }
        }
        self.rules = rules
    }

    private static let option = "snowflake.topic2table.map"

    /// - Throws: `.connect` for a pattern that takes too long.
    func table(_ topic: String) throws(ConnectError) -> TableIdentifier {
        if let rule = rules.first(where: { $0.topic == topic }) { return table(named: rule.table) }
        for rule in rules where try rule.pattern.matches(topic) { return table(named: rule.table) }
        return table(named: Self.valid(topic))
    }

    private func table(named text: String) -> TableIdentifier {
        let names = text.split(separator: ".").map { Identifier(String($0)) }
        return TableIdentifier(
            database: names.count == 3 ? names[0] : database,
            schema: names.count >= 2 ? names[names.count - 2] : schema,
            table: names.last ?? Identifier(text))
    }

    /// A topic's name where it is a valid one for a table; otherwise with `_` for what is not valid in it, and Java's hash of
    /// the topic behind it so that topics that look alike then stay apart.
    static func valid(_ topic: String) -> String {
        if Identifier.isPlain(topic) { return topic }
        var result = ""
        var units = Substring(topic).utf16
        if let first = units.first {
            if first < 0x80, Identifier.isStart(UInt8(first)) {
                result.append(Character(UnicodeScalar(UInt8(first))))
                units = units.dropFirst()
            } else {
                result = "_"
            }
        }
        for unit in units {
            let isValid = unit < 0x80 && Identifier.isPart(UInt8(unit))
            result.append(isValid ? Character(UnicodeScalar(UInt8(unit))) : "_")
        }
        return result + "_" + javaHash(topic)
    }

    /// Java's `Math.abs(hashCode())`, which stays negative for the lowest number.
    static func javaHash(_ text: String) -> String {
        let hash = Int32(bitPattern: text.utf16.reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) })
        return String(hash == .min ? hash : abs(hash))
    }

    private static func trimmed(_ text: Substring) -> String { String(text).trimmed }
}
