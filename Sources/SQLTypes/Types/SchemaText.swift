/// One column as schema text names it.
package struct SQLColumn: Hashable, Sendable {
    package enum Role: Hashable, Sendable {
        case value
        /// Part of the message key: `KEY` of streams, `PRIMARY KEY` of tables.
        case key
        /// All headers.
        case headers
        /// The header of one name.
        case header(String)
    }

    package var name: String
    package var type: SQLType
    package var role: Role

    package init(_ name: String, _ type: SQLType, role: Role = .value) {
        self.name = name
        self.type = type
        self.role = role
    }
}

extension SQLColumn: CustomStringConvertible {
    /// "`ID` BIGINT KEY", as schemas in REST answers and errors have it.
    package var description: String {
        let suffix =
            switch role {
            case .value: ""
            case .key: " KEY"
            case .headers: " HEADERS"
            case .header(let key): " HEADER('\(key)')"
            }
        return "\(SQLIdentifier.quoted(name)) \(type)\(suffix)"
    }
}

/// Reads types and column lists: "ARRAY<VARCHAR>", "`ID` BIGINT KEY, `NAME` STRING".
///
/// Names without quotes become upper-case, as everywhere in the language.
package struct SchemaText {
    /// Types nested deeper than this are refused.
    package static let depthMax = 64

    private enum Token: Equatable { case word(String), quoted(String), text(String), symbol(Unicode.Scalar) }

    private var tokens: [Token] = []
    private var at = 0
    /// Types made by CREATE TYPE, by upper-case name.
    private let aliases: [String: SQLType]

    /// - Throws: `.invalidText`.
    package static func type(_ text: String, aliases: [String: SQLType] = [:]) throws(SQLTypesError) -> SQLType {
        var reader = try SchemaText(text, aliases)
        let type = try reader.type(depth: 0)
        try reader.end()
        return type
    }

    /// - Throws: `.invalidText`.
    package static func columns(_ text: String, aliases: [String: SQLType] = [:]) throws(SQLTypesError) -> [SQLColumn] {
        var reader = try SchemaText(text, aliases)
        var columns: [SQLColumn] = []
        guard !reader.tokens.isEmpty else { return [] }
        repeat { columns.append(try reader.column()) } while reader.take(",")
        try reader.end()
        return columns
    }

    private init(_ text: String, _ aliases: [String: SQLType]) throws(SQLTypesError) {
        self.aliases = aliases
        let scalars = Array(text.unicodeScalars)
        var at = 0
        while at < scalars.count {
            let scalar = scalars[at]
            switch scalar {
            case " ", "\t", "\n", "\r": at += 1
            case "`", "\"", "'":
                var content = String.UnicodeScalarView()
                at += 1
                while true {
                    guard at < scalars.count else { throw SQLTypesError(.invalidText, "unclosed quote in `\(text)`") }
                    if scalars[at] == scalar {
                        guard at + 1 < scalars.count, scalars[at + 1] == scalar else { break }
                        at += 1
                    }
                    content.append(scalars[at])
                    at += 1
                }
                at += 1
                tokens.append(scalar == "'" ? .text(String(content)) : .quoted(String(content)))
            case "A"..."Z", "a"..."z", "0"..."9", "_", "@", "$":
                let start = at
                while at < scalars.count, Self.isWord(scalars[at]) { at += 1 }
                tokens.append(.word(String(String.UnicodeScalarView(scalars[start..<at])).uppercased()))
            default:
                tokens.append(.symbol(scalar))
                at += 1
            }
        }
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "0"..."9", "_", "@", "$": true
        default: false
        }
    }

    private var next: Token? { at < tokens.count ? tokens[at] : nil }

    private mutating func take(_ symbol: Unicode.Scalar) -> Bool {
        guard next == .symbol(symbol) else { return false }
        at += 1
        return true
    }

    private mutating func take(word: String) -> Bool {
        guard next == .word(word) else { return false }
        at += 1
        return true
    }

    private mutating func expect(_ symbol: Unicode.Scalar) throws(SQLTypesError) {
        guard take(symbol) else { throw unexpected("'\(symbol)'") }
    }

    private func end() throws(SQLTypesError) {
        guard next == nil else { throw unexpected("the end") }
    }

    private func unexpected(_ wanted: String) -> SQLTypesError {
        let found =
            switch next {
            case .word(let word): "'\(word)'"
            case .quoted(let name): "'\(name)'"
            case .text(let text): "'\(text)'"
            case .symbol(let symbol): "'\(symbol)'"
            case nil: "the end"
            }
        return SQLTypesError(.invalidText, "expected \(wanted) in a schema, found \(found)")
    }

    private mutating func name() throws(SQLTypesError) -> String {
        switch next {
        case .word(let name), .quoted(let name):
            at += 1
            return name
        default: throw unexpected("a name")
        }
    }

    private mutating func number() throws(SQLTypesError) -> Int {
        guard case .word(let digits) = next, let number = Int(digits) else { throw unexpected("a number") }
        at += 1
        return number
    }

    private mutating func column() throws(SQLTypesError) -> SQLColumn {
        var column = SQLColumn(try name(), try type(depth: 0))
        if take(word: "KEY") {
            column.role = .key
        } else if take(word: "PRIMARY") {
            guard take(word: "KEY") else { throw unexpected("'KEY'") }
            column.role = .key
        } else if take(word: "HEADERS") {
            column.role = .headers
        } else if take(word: "HEADER") {
            try expect("(")
            guard case .text(let key) = next else { throw unexpected("a text") }
            at += 1
            try expect(")")
            column.role = .header(key)
        }
        return column
    }

    private mutating func type(depth: Int) throws(SQLTypesError) -> SQLType {
        guard depth < Self.depthMax else { throw SQLTypesError(.invalidText, "a type is nested too deeply") }
        let quoted: Bool
        if case .quoted = next { quoted = true } else { quoted = false }
        let word = try name()
        var type = try quoted ? alias(word) : named(word, depth: depth)
        while take(word: "ARRAY") { type = .array(type) }
        return type
    }

    private func alias(_ name: String) throws(SQLTypesError) -> SQLType {
        guard let type = aliases[name] else {
            throw SQLTypesError(.invalidText, "Cannot resolve unknown type: \(name)")
        }
        return type
    }

    private mutating func named(_ word: String, depth: Int) throws(SQLTypesError) -> SQLType {
        switch word {
        case "BOOLEAN": return .boolean
        case "INT", "INTEGER": return .int
        case "BIGINT": return .bigint
        case "DOUBLE": return .double
        case "STRING", "VARCHAR":
            if take("(") {  // a length has no meaning here
                _ = try name()
                try expect(")")
            }
            return .string
        case "BYTES": return .bytes
        case "TIME": return .time
        case "DATE": return .date
        case "TIMESTAMP": return .timestamp
        case "DECIMAL", "DEC":
            try expect("(")
            let precision = try number()
            var scale = 0
            if take(",") { scale = try number() }
            try expect(")")
            return try SQLType.checkedDecimal(precision: precision, scale: scale)
        case "ARRAY":
            try expect("<")
            let element = try type(depth: depth + 1)
            try expect(">")
            return .array(element)
        case "MAP":
            try expect("<")
            let key = try type(depth: depth + 1)
            try expect(",")
            let value = try type(depth: depth + 1)
            try expect(">")
            return .map(key: key, value: value)
        case "STRUCT":
            try expect("<")
            if take(">") { return .structure([]) }
            var fields: [SQLField] = []
            repeat { fields.append(SQLField(try name(), try type(depth: depth + 1))) } while take(",")
            try expect(">")
            return .structure(fields)
        default: return try alias(word)
        }
    }
}
