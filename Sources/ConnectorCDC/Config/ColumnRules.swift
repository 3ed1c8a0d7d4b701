internal import Bytes
internal import ConnectCore
internal import Crypto

/// What becomes of single columns: masked, cut, hashed values; types of the source in schemas; keys of one's own. For one
/// thread at a time.
final class ColumnRules {
    enum Rewrite: Sendable {
        /// Always this text.
        case mask(String)
        case truncate(Int)
        case hash(String, salt: String, isSecond: Bool)

        /// Kinds of rules count in this order, whatever the order of a configuration.
        fileprivate var rank: Int {
            switch self {
            case .truncate: 0
            case .mask: 1
            case .hash(_, _, let isSecond): isSecond ? 3 : 2
            }
        }
    }

    /// In the order in which they count: the first that names a column is the column's.
    private let rewrites: [(patterns: NamePatterns, rewrite: Rewrite)]
    private let sourceTypes: NamePatterns?
    private let sourceDataTypes: NamePatterns?
    /// One for each column of a key, in its order: whole names of columns.
    private let keys: [NamePatterns]
    private let converters: ColumnConverters

    init(_ config: EventOptions) throws(ConnectError) {
        var rewrites: [(patterns: NamePatterns, rewrite: Rewrite)] = []
        for (name, value) in config.properties.sorted(by: { $0.key < $1.key }) {
            guard let rewrite = try Self.rewrite(name) else { continue }
            rewrites.append((try NamePatterns(value, of: name), rewrite))
        }
        self.rewrites = rewrites.sorted { $0.rewrite.rank < $1.rewrite.rank }
        sourceTypes = try config.properties["column.propagate.source.type"].map { (text) throws(ConnectError) in
            try NamePatterns(text)
        }
        sourceDataTypes = try config.properties["datatype.propagate.source.type"].map { (text) throws(ConnectError) in
            try NamePatterns(text)
        }
        keys = try Self.keys(config.properties["message.key.columns"] ?? "")
        converters = try ColumnConverters(config.properties)
    }

    /// An error as what is wrong with the option that it names; nil when the definition of the options finds it, too.
    static func problem(_ error: ConnectError, _ properties: [String: String]) -> ConfigProblem? {
        let rules = properties.keys.filter { $0.hasPrefix("column.mask.") || $0.hasPrefix("column.truncate.") }
        return (["converters", "message.key.columns"] + rules.sorted()).first { error.message.contains("'\($0)'") }
            .map { ConfigProblem($0, error.message) }
    }

    func conversion(of column: ColumnDefinition, in table: TableID) -> ColumnConverters.Conversion? {
        converters.conversion(of: column, in: table)
    }

    private static func rewrite(_ name: String) throws(ConnectError) -> Rewrite? {
        func number(_ prefix: String) throws(ConnectError) -> Int? {
            guard name.hasPrefix(prefix), name.hasSuffix(".chars") else { return nil }
            guard let count = Int(name.dropFirst(prefix.count).dropLast(6)), count >= 0, count <= 1 << 20 else {
                throw .config("The name '\(name)' has no number of characters, as in \(prefix)5.chars")
            }
            return count
        }
        if let count = try number("column.mask.with.") { return .mask(String(repeating: "*", count: count)) }
        if let count = try number("column.truncate.to.") { return .truncate(count) }
        for (prefix, isSecond) in [("column.mask.hash.v2.", true), ("column.mask.hash.", false)]
        where name.hasPrefix(prefix) {
            guard let range = name.firstRange(of: ".with.salt.") else { continue }
            let start = name.index(name.startIndex, offsetBy: prefix.count)
            guard start <= range.lowerBound else { continue }
            let algorithm = String(name[start..<range.lowerBound])
            guard hash(algorithm, []) != nil else {
                throw .config("'\(name)': MD5, SHA-1, SHA-256, SHA-384 and SHA-512 are the hashes that can be used")
            }
            return .hash(algorithm, salt: String(name[range.upperBound...]), isSecond: isSecond)
        }
        return nil
    }

    /// `inventory.customers:pk1,pk2;(.*).orders:pk3`: expressions all of them, those of columns too.
    private static func keys(_ text: String) throws(ConnectError) -> [NamePatterns] {
        var keys: [NamePatterns] = []
        for part in text.split(separator: ";") where !part.trimmingSpaces.isEmpty {
            guard let colon = part.lastIndex(of: ":") else {
                throw ConfigValidator.invalid(
                    "message.key.columns", "\(part) has an invalid format (expecting '<table>:<column>,<column>')")
            }
            let tables = part[..<colon].trimmingSpaces
            for column in part[part.index(after: colon)...].split(separator: ",").map(\.trimmingSpaces) {
                keys.append(
                    try NamePatterns(
                        "\(tables).\(column)".replacing(",", with: "\\,"), of: "message.key.columns"))
            }
        }
        return keys
    }

    /// Columns of a table's records' key, when the configuration gives some that the table has.
    func key(of table: TableDefinition) -> [String]? {
        var names: [String] = []
        for key in keys {
            for column in table.columns where key.matches("\(table.id).\(column.name)") {
                if !names.contains(column.name) { names.append(column.name) }
            }
        }
        return names.isEmpty ? nil : names
    }

    /// JDBC's numbers of types that are texts.
    private static let textTypes: Set<Int32> = [-16, -15, -9, -1, 1, 12, 70, 2005, 2011]

    private func rule(_ column: ColumnDefinition, of table: TableID) -> Rewrite? {
        rewrites.first { $0.patterns.matches("\(table).\(column.name)") }?.rewrite
    }

    /// What is done to a column's values; nil for those that stay: masks and hashes are for texts.
    func rewrite(_ column: ColumnDefinition, of table: TableID) -> Rewrite? {
        guard let rule = rule(column, of: table) else { return nil }
        if case .truncate = rule { return rule }
        return Self.textTypes.contains(column.jdbcType) ? rule : nil
    }

    /// What a column's schema says besides its type: what was done to its values, or else its type in the source. As
    /// with the original, a rule for values leaves none for types.
    func parameters(_ column: ColumnDefinition, of table: TableID) -> [ConnectSchema.Parameter] {
        switch rule(column, of: table) {
        case .mask, .hash: return [.init("masked", "true")]
        case .truncate(let count):
            // Of a column that cannot be longer nothing is cut.
            let isCut = column.length.map { $0 > count } ?? true
            return isCut ? [.init("truncateLength", String(count))] : []
        case nil: return sourceParameters(column, of: table)
        }
    }

    private func sourceParameters(_ column: ColumnDefinition, of table: TableID) -> [ConnectSchema.Parameter] {
        let isNamed = sourceTypes?.matches("\(table).\(column.name)") ?? false
        let isTyped =
            sourceDataTypes.map {
                $0.matches(column.typeName) || $0.matches("\(table.database).\(column.typeName)")
                    || $0.matches("\(table).\(column.typeName)")
            }
            ?? false
        guard isNamed || isTyped else { return [] }
        let prefix = "__debezium.source.column."
        var parameters = [ConnectSchema.Parameter(prefix + "type", column.typeName)]
        if let length = column.length { parameters.append(.init(prefix + "length", String(length))) }
        if let scale = column.scale { parameters.append(.init(prefix + "scale", String(scale))) }
        parameters.append(.init(prefix + "name", column.name))
        return parameters
    }

    private static func hash(_ algorithm: String, _ bytes: [UInt8]) -> [UInt8]? {
        switch algorithm.uppercased() {
        case "SHA-256": Array(SHA256.hash(data: bytes))
        case "SHA-384": Array(SHA384.hash(data: bytes))
        case "SHA-512": Array(SHA512.hash(data: bytes))
        case "SHA-1", "SHA": Array(Insecure.SHA1.hash(data: bytes))
        case "MD5": Array(Insecure.MD5.hash(data: bytes))
        default: nil
        }
    }

    /// NULL is masked, too, but neither cut nor hashed.
    ///
    /// - Parameter length: of the column; hashes are cut to it.
    static func apply(_ rewrite: Rewrite, to value: ConnectValue, length: Int?) -> ConnectValue {
        switch (rewrite, value) {
        case (.mask(let text), _): return .string(text)
        case (.truncate(let count), .string(let text)):
            return text.utf16.count > count ? .string(cut(text, count)) : value
        case (.truncate(let count), .bytes(let bytes)): return .bytes(Array(bytes.prefix(count)))
        case (.hash(let algorithm, let salt, let isSecond), .string(let text)):
            var input = Array(salt.utf8)
            // The first version hashed Java's serialised form of the text.
            if !isSecond {
                let bytes = Array(text.utf8)
                input += [
                    0xAC, 0xED, 0x00, 0x05, 0x74, UInt8(truncatingIfNeeded: bytes.count >> 8),
                    UInt8(truncatingIfNeeded: bytes.count),
                ]
                input += bytes
            } else {
                input += text.utf8
            }
            guard let digest = hash(algorithm, input) else { return .string("") }
            let shown = String(decoding: Hexadecimal.encode(digest), as: UTF8.self).lowercased()
            return .string(length.map { String(shown.prefix($0)) } ?? shown)
        default: return value
        }
    }

    /// The first UTF-16 units, as Java counts characters; no character is cut in two.
    private static func cut(_ text: String, _ count: Int) -> String {
        var units = Array(text.utf16.prefix(count))
        if let last = units.last, 0xD800...0xDBFF ~= last { units.removeLast() }
        return String(decoding: units, as: UTF16.self)
    }
}
