/// A set of token kinds, small enough to be changed at every token.
struct TokenSet {
    private var low: UInt64 = 0, second: UInt64 = 0, third: UInt64 = 0, high: UInt64 = 0

    init() {}

    init(_ kinds: [TokenKind]) { for kind in kinds { insert(kind) } }

    mutating func insert(_ kind: TokenKind) {
        let bit: UInt64 = 1 << UInt64(kind.rawValue & 63)
        switch kind.rawValue >> 6 {
        case 0: low |= bit
        case 1: second |= bit
        case 2: third |= bit
        default: high |= bit
        }
    }

    func contains(_ kind: TokenKind) -> Bool {
        let word =
            switch kind.rawValue >> 6 {
            case 0: low
            case 1: second
            case 2: third
            default: high
            }
        return word & (1 as UInt64) << UInt64(kind.rawValue & 63) != 0
    }

    /// In the order of the grammar.
    var kinds: [TokenKind] { TokenKind.allCases.filter(contains) }
}

extension TokenSet {
    /// Words that are identifiers wherever the grammar has no other use for them.
    static let nonReserved = TokenSet([
        .show, .tables, .columns, .column, .partitions, .functions, .function, .session, .struct, .map, .array,
        .partition,
        .integer, .date, .time, .timestamp, .interval, .zone, .string, .year, .month, .day, .hour, .minute, .second,
        .explain, .analyze, .type, .types, .set, .reset, .if, .source, .sink, .primary, .key, .emit, .changes, .final,
        .escape, .replace, .assert, .alter, .add, .header, .headers, .grace, .period, .define, .undefine, .variables,
        .plugins, .system, .timeout, .schema, .subject, .id,
    ])

    /// Reserved words that begin or join clauses: where they stand instead of a name, the name was forgotten.
    static let clauses = TokenSet([
        .select, .from, .as, .where, .within, .window, .group, .by, .having, .limit, .or, .and, .in, .not, .between,
        .like,
        .is, .when, .then, .else, .end, .join, .full, .outer, .inner, .left, .right, .on, .with, .values, .into,
    ])
}

/// The words of the language, found by their letters in any case.
enum Words {
    /// Letters of at most 16 bytes, upper-cased.
    struct Key: Hashable {
        var first: UInt64 = 0
        var last: UInt64 = 0

        init?(_ bytes: ArraySlice<UInt8>) {
            guard bytes.count <= 16 else { return nil }
            for byte in bytes {
                last = last << 8 | first >> 56
                first = first << 8 | UInt64(byte.upperCased)
            }
        }
    }

    static let kinds: [Key: TokenKind] = {
        var kinds: [Key: TokenKind] = [:]
        for kind in TokenKind.words {
            if let key = Key(Array(kind.word.utf8)[...]) { kinds[key] = kind }
        }
        return kinds
    }()

    /// Whether `name` can stand unquoted and means itself.
    static func isPlain(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        guard let head = bytes.first, bytes.allSatisfy({ $0.isIdentifierPart && $0.upperCased == $0 }) else {
            return false
        }
        if head.isDigit {
            var lexer = Lexer(bytes)
            return lexer.next().kind == .digitIdentifier
        }
        guard head != UInt8(ascii: "@") else { return false }
        guard let key = Key(bytes[...]), let kind = kinds[key] else { return true }
        return TokenSet.nonReserved.contains(kind)
    }
}

extension UInt8 {
    var upperCased: UInt8 { UInt8(ascii: "a")...UInt8(ascii: "z") ~= self ? self & 0xDF : self }
    var isLetter: Bool { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= (self & 0xDF) && self < 0x80 }
    var isDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }
    var isIdentifierPart: Bool { isLetter || isDigit || self == UInt8(ascii: "_") || self == UInt8(ascii: "@") }
}
