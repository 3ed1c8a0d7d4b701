/// The order of a table's rows by the columns of their key, as conditions of SQL.
struct KeyOrder {
    /// As statements name them.
    var keys: [String]
    /// Which of them may be without a value.
    var optional: [Bool]
    /// Whether rows without a value come behind all others in ascending order.
    var sortsNullsLast: Bool

    /// Whether a row's key comes behind another, column by column. Never unknown.
    ///
    /// - Parameter values: literals; `NULL` for no value.
    func isBehind(_ values: [String]) -> String {
        var alternatives: [String] = []
        for index in keys.indices where index < values.count {
            guard let behind = isBehind(index, values[index]) else { continue }
            let equal = (0..<index).map { values[$0] == "NULL" ? "\(keys[$0]) IS NULL" : "\(keys[$0]) = \(values[$0])" }
            alternatives.append("(" + (equal + [behind]).joined(separator: " AND ") + ")")
        }
        guard !alternatives.isEmpty else { return "(FALSE)" }
        let condition = "(" + alternatives.joined(separator: " OR ") + ")"
        return optional.contains(true) ? "COALESCE(\(condition), FALSE)" : condition
    }

    /// nil when nothing is.
    private func isBehind(_ index: Int, _ value: String) -> String? {
        let key = keys[index]
        if value == "NULL" { return sortsNullsLast ? nil : "\(key) IS NOT NULL" }
        guard optional[index], sortsNullsLast else { return "\(key) > \(value)" }
        return "(\(key) > \(value) OR \(key) IS NULL)"
    }
}
