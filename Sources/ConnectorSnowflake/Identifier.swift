/// The name of something in Snowflake as the catalog has it. In statements it stands in quotes, always, so that no name can
/// be anything but a name.
struct Identifier: Sendable, Hashable, CustomStringConvertible {
    let name: String

    /// A name that is known as it is in the catalog.
    init(exact name: String) { self.name = name }

    /// A name as people write it: in quotes it stands for itself, else for its upper case, as Snowflake resolves it.
    init(_ text: String) {
        if text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") {
            name = String(text.dropFirst().dropLast()).replacing("\"\"", with: "\"")
        } else {
            name = text.uppercased()
        }
    }

    /// For statements.
    var sql: String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }
    var description: String { name }

    /// As a client writes it where it is no SQL: in quotes only where it needs them.
    var plain: String { Self.isPlain(name) && name == name.uppercased() ? name : sql }

    /// `[_a-zA-Z][_$a-zA-Z0-9]+`: what the original takes for a table without asking for quotes.
    static func isPlain(_ text: some StringProtocol) -> Bool {
        guard text.utf8.count >= 2, let first = text.utf8.first, isStart(first) else { return false }
        return text.utf8.dropFirst().allSatisfy(isPart)
    }

    static func isStart(_ byte: UInt8) -> Bool { byte == 0x5F || 0x41...0x5A ~= byte || 0x61...0x7A ~= byte }
    static func isPart(_ byte: UInt8) -> Bool { isStart(byte) || byte == 0x24 || 0x30...0x39 ~= byte }
}

/// A table with its database and schema.
struct TableIdentifier: Sendable, Hashable, CustomStringConvertible {
    let database: Identifier
    let schema: Identifier
    let table: Identifier

    var sql: String { "\(database.sql).\(schema.sql).\(table.sql)" }
    var description: String { "\(database).\(schema).\(table)" }
}
