import SQLSyntax

/// Names for expressions that have none: `KSQL_COL_0`, and the name of the field for `base->field`, with a number where
/// it is taken.
struct ColumnNaming {
    private static let prefix = "KSQL_COL"
    /// By name without its number: the numbers that are taken.
    private var used: [String: Set<Int>] = [:]
    private var next: [String: Int] = [:]

    /// - Parameter names: of the columns that are there already.
    init(avoiding names: some Sequence<String>) {
        for name in names {
            let (base, number) = Self.split(name)
            used[base, default: []].insert(number ?? 0)
        }
    }

    /// "NAME_12" as "NAME" and 12.
    private static func split(_ name: String) -> (String, Int?) {
        let digits = name.utf8.reversed().prefix { 0x30...0x39 ~= $0 }.count
        guard digits > 0, digits < name.utf8.count,
            name.utf8[name.utf8.index(name.utf8.endIndex, offsetBy: -digits - 1)] == UInt8(ascii: "_"),
            let number = Int(String(decoding: name.utf8.suffix(digits), as: UTF8.self))
        else { return (name, nil) }
        return (String(decoding: name.utf8.dropLast(digits + 1), as: UTF8.self), number)
    }

    mutating func name(for expression: Expression) -> String {
        if case .field(_, let field) = expression.kind { return take(Self.split(field.text).0) }
        return take(Self.prefix)
    }

    private mutating func take(_ base: String) -> String {
        var number = next[base] ?? 0
        while used[base]?.contains(number) == true { number += 1 }
        next[base] = number + 1
        return number == 0 && base != Self.prefix ? base : "\(base)_\(number)"
    }

    /// The key of a join on expressions: ROWKEY, or ROWKEY_1 where a source has a ROWKEY.
    static func syntheticKey(avoiding names: some Sequence<String>) -> String {
        var naming = ColumnNaming(avoiding: names)
        return naming.take("ROWKEY")
    }

    /// How a column of a source is called behind a join.
    static func joined(_ alias: String, _ column: String) -> String { alias + "_" + column }
}
