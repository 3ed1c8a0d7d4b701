import SQLFunctions
import SQLSyntax
import SQLTypes

/// What a condition says about the keys of a table: which of them can fulfil it, so that not all have to be looked at.
///
/// The condition is taken apart into an OR of ANDs. Where every AND pins down every key column, the keys are looked up; the
/// rules and messages are those of ksqlDB, where what is not possible without a look at the whole table fails when that is
/// switched off.
struct KeyConstraints {
    static let help =
        " See https://cnfl.io/queries for more info.\nAdd EMIT CHANGES if you intended to issue a push query."
    /// Alternatives of an AND of two conditions that both have some: they multiply.
    private static let productCountMax = 1000
    /// Conditions in all alternatives together.
    private static let conditionCountMax = 200_000

    let source: SourceDescription
    let functions: FunctionCatalog
    /// `ksql.query.pull.table.scan.enabled`
    let canScan: Bool
    /// `ksql.query.pull.range.scan.enabled`
    let canScanRanges: Bool
    private var isScan = false

    private(set) var keys: PullTable.Keys = .all
    private(set) var windowStart: ClosedRange<Int64>?
    private(set) var windowEnd: ClosedRange<Int64>?
    /// The keys are all that the condition asks for.
    private(set) var isExact = false

    init(_ source: SourceDescription, functions: FunctionCatalog, canScan: Bool, canScanRanges: Bool) {
        self.source = source
        self.functions = functions
        self.canScan = canScan
        self.canScanRanges = canScanRanges
    }

    // MARK: The whole condition

    /// - Parameter condition: with plain column names.
    mutating func analyze(_ condition: Expression?) throws(PlanError) {
        guard let condition else {
            guard canScan else { throw failure("Missing WHERE clause") }
            return
        }
        guard let disjuncts = Self.disjuncts(condition, isNegated: false) else {
            return try scan("The WHERE clause has too many alternatives")
        }
        var lookups: [[SQLValue]] = []
        var range: Conjunction?
        var starts: ClosedRange<Int64>?
        var ends: ClosedRange<Int64>?
        isExact = true
        for (index, disjunct) in disjuncts.enumerated() {
            let found = try conjunction(disjunct)
            if let key = found.key { lookups.append(key) } else { range = found }
            // What lies outside of the bounds of all alternatives is not read.
            starts = index == 0 ? found.starts.range : Self.hull(starts, found.starts.range)
            ends = index == 0 ? found.ends.range : Self.hull(ends, found.ends.range)
            if found.hasMore { isExact = false }
        }
        (windowStart, windowEnd) = (starts, ends)
        if !isScan, lookups.count == disjuncts.count {
            var seen: Set<[SQLValue]> = []
            keys = .keys(lookups.filter { seen.insert($0).inserted })
            return
        }
        isExact = false
        guard disjuncts.count == 1, !isScan, let range, range.lower != nil || range.upper != nil else {
            return try scan(nil)
        }
        let isText = source.keyColumns.first?.type == .string
        if !canScan, !canScanRanges || !isText || source.isWindowed || source.keyColumns.count > 1 {
            throw Self.needsScan
        }
        guard source.keyColumns.count == 1 else { return }
        keys = .range(lower: range.lower, upper: range.upper)
    }

    static let needsScan = PlanError(
        "Query requires table scan to be enabled. Table scans can be enabled by setting"
            + " ksql.query.pull.table.scan.enabled=true")

    private static func hull(_ a: ClosedRange<Int64>?, _ b: ClosedRange<Int64>?) -> ClosedRange<Int64>? {
        guard let a, let b else { return nil }
        return min(a.lowerBound, b.lowerBound)...max(a.upperBound, b.upperBound)
    }

    private mutating func scan(_ reason: @autoclosure () -> String?) throws(PlanError) {
        isScan = true
        isExact = false
        guard !canScan else { return }
        if let reason = reason() { throw failure(reason) }
        throw Self.needsScan
    }

    private func failure(_ sentence: String) -> PlanError {
        var text = sentence + (sentence.hasSuffix(".") ? "" : ".") + Self.help
        text +=
            "\nPull queries require a WHERE clause that:\n"
            + " - includes a key equality expression, e.g. `SELECT * FROM X WHERE <key-column> = Y;`.\n"
            + " - in the case of a multi-column key, is a conjunction of equality expressions that cover all key columns.\n"
        if source.isWindowed {
            text +=
                " - (optionally) limits the time bounds of the windowed table. This can be done with WINDOWSTART and"
                + " WINDOWEND.\n"
        }
        return PlanError(
            text + "If more flexible queries are needed, table scans can be enabled by setting"
                + " ksql.query.pull.table.scan.enabled=true.")
    }

    // MARK: An OR of ANDs

    /// Each alternative as the list of its conditions; nil when there are too many.
    private static func disjuncts(_ expression: Expression, isNegated: Bool) -> [[Expression]]? {
        func part(_ kind: Expression.Kind) -> Expression { Expression(kind, position: expression.position) }
        switch expression.kind {
        case .not(let inner): return disjuncts(inner, isNegated: !isNegated)
        case .logical(let sign, let left, let right):
            guard let a = disjuncts(left, isNegated: isNegated), let b = disjuncts(right, isNegated: isNegated) else {
                return nil
            }
            let (aCount, bCount) = (conditionCount(a), conditionCount(b))
            // De Morgan: the negation of an AND is an OR.
            if (sign == .or) != isNegated { return aCount + bCount <= conditionCountMax ? a + b : nil }
            guard a.count == 1 || b.count == 1 || a.count * b.count <= productCountMax,
                aCount * b.count + bCount * a.count <= conditionCountMax
            else { return nil }
            return a.flatMap { x in b.map { x + $0 } }
        case .between(let value, let lower, let upper):
            let both = part(
                .logical(
                    .and, part(.comparison(.greaterOrEqual, value, lower)),
                    part(.comparison(.lessOrEqual, value, upper))
                ))
            return disjuncts(both, isNegated: isNegated)
        case .inList(let value, let list):
            guard !list.isEmpty, list.count <= conditionCountMax else { return list.isEmpty ? [[expression]] : nil }
            // Side by side: nested, a long list would need more stack than there is.
            let parts = list.map { part(.comparison(isNegated ? .notEqual : .equal, value, $0)) }
            return isNegated ? [parts] : parts.map { [$0] }
        case .comparison(let sign, let left, let right) where isNegated:
            guard let opposite = sign.opposite else { return [[part(.not(expression))]] }
            return [[part(.comparison(opposite, left, right))]]
        default: return [[isNegated ? part(.not(expression)) : expression]]
        }
    }

    private static func conditionCount(_ disjuncts: [[Expression]]) -> Int { disjuncts.reduce(0) { $0 + $1.count } }

    // MARK: An AND

    private struct Bounds {
        var lower = Int64.min
        var upper = Int64.max

        /// nil where nothing is bound.
        var range: ClosedRange<Int64>? {
            guard lower != .min || upper != .max else { return nil }
            // Contradicting bounds hold for no window at all.
            return lower <= upper ? lower...upper : Int64.max...Int64.max
        }

        mutating func take(_ sign: ComparisonOperator, _ value: Int64) {
            switch sign {
            case .equal:
                lower = max(lower, value)
                upper = min(upper, value)
            case .less: upper = min(upper, value == .min ? value : value - 1)
            case .lessOrEqual: upper = min(upper, value)
            case .greater: lower = max(lower, value == .max ? value : value + 1)
            case .greaterOrEqual: lower = max(lower, value)
            case .notEqual, .isDistinctFrom: break
            }
        }
    }

    private struct Conjunction {
        /// Values of all key columns, where each has one.
        var key: [SQLValue]?
        var lower: PullBound?
        var upper: PullBound?
        var starts = Bounds()
        var ends = Bounds()
        /// Conditions besides those.
        var hasMore = false
    }

    private mutating func conjunction(_ parts: [Expression]) throws(PlanError) -> Conjunction {
        var result = Conjunction()
        var equal: [Int: SQLValue] = [:]
        var seen: Set<Int> = []
        for part in parts {
            guard case .comparison(let sign, let left, let right) = part.kind else {
                result.hasMore = true
                if case .like = part.kind, !canScan { throw PlanError("Like condition must be between strings.") }
                if !canScan { throw failure("Unsupported expression in WHERE clause: \(part)") }
                continue
            }
            let (a, b) = (Self.hasColumn(left), Self.hasColumn(right))
            guard a != b else {
                result.hasMore = true
                if !canScan {
                    throw failure("A comparison must be between a key column and a resolvable expression")
                }
                continue
            }
            guard case .column(let name) = (a ? left : right).kind else {
                result.hasMore = true
                if !canScan { throw failure("A comparison must directly reference a key column") }
                continue
            }
            try take(
                part, name.text, a ? sign : sign.mirrored, a ? right : left, &result, &equal, &seen)
        }
        let keyColumns = source.keyColumns
        if seen.isEmpty {
            try scan("WHERE clause missing key column for disjunct: \(Self.text(parts))")
        } else if seen.count < keyColumns.count {
            let specified = keyColumns.indices.filter(seen.contains).map { Identifier.quote(keyColumns[$0].name) }
            let expected = keyColumns.map { Identifier.quote($0.name) }
            try scan(
                "Multi-column sources must specify every key in the WHERE clause. Specified: "
                    + "[\(specified.joined(separator: ", "))] Expected: [\(expected.joined(separator: ", "))]")
        } else {
            let values = keyColumns.indices.compactMap { equal[$0] }
            if values.count == keyColumns.count { result.key = values }
        }
        return result
    }

    /// `((a AND b) AND c)`
    private static func text(_ parts: [Expression]) -> String {
        var text = String(repeating: "(", count: max(0, parts.count - 1))
        for (index, part) in parts.enumerated() { text += index == 0 ? part.description : " AND \(part))" }
        return text
    }

    private mutating func take(
        _ part: Expression, _ name: String, _ sign: ComparisonOperator, _ other: Expression,
        _ result: inout Conjunction, _ equal: inout [Int: SQLValue], _ seen: inout Set<Int>
    ) throws(PlanError) {
        if let pseudo = PseudoColumn(rawValue: name), pseudo.isWindowBound, source.isWindowed {
            guard sign != .notEqual, sign != .isDistinctFrom else {
                result.hasMore = true
                if !canScan { throw failure("Unsupported \(name) bounds: \(sign.name)") }
                return
            }
            guard let value = try constant(other), let time = value.bigint ?? value.int.map(Int64.init) else {
                result.hasMore = true
                return
            }
            // Bounds of windows narrow the read; the condition is still looked at.
            result.hasMore = true
            if pseudo == .windowStart { result.starts.take(sign, time) } else { result.ends.take(sign, time) }
            return
        }
        guard let index = source.keyColumns.firstIndex(where: { $0.name == name }) else {
            result.hasMore = true
            return
        }
        let column = source.keyColumns[index]
        if seen.contains(index) {
            result.hasMore = true
            if !canScan {
                throw failure(
                    "A comparison condition on the key column cannot be combined with other comparisons such as an IN"
                        + " predicate")
            }
            // Both bounds of a range are of use.
            if equal[index] == nil, let value = try keyValue(other, column, part) { bound(sign, value, &result) }
            return
        }
        guard sign != .notEqual, sign != .isDistinctFrom else {
            result.hasMore = true
            if !canScan {
                let columns = source.keyColumns.map(\.description).joined(separator: ", ")
                throw failure("Bound on key columns '[\(columns)]' must currently be '='")
            }
            return
        }
        guard let value = try keyValue(other, column, part) else {
            result.hasMore = true
            return
        }
        seen.insert(index)
        if sign == .equal {
            equal[index] = value
        } else {
            result.hasMore = true
            bound(sign, value, &result)
        }
    }

    private func bound(_ sign: ComparisonOperator, _ value: SQLValue, _ result: inout Conjunction) {
        switch sign {
        case .less: if result.upper == nil { result.upper = PullBound(value: value, isIncluded: false) }
        case .lessOrEqual: if result.upper == nil { result.upper = PullBound(value: value, isIncluded: true) }
        case .greater: if result.lower == nil { result.lower = PullBound(value: value, isIncluded: false) }
        case .greaterOrEqual: if result.lower == nil { result.lower = PullBound(value: value, isIncluded: true) }
        case .equal, .notEqual, .isDistinctFrom: break
        }
    }

    private static func hasColumn(_ expression: Expression) -> Bool {
        var found = false
        expression.forEach { part in
            switch part.kind {
            case .column, .qualifiedColumn: found = true
            default: break
            }
        }
        return found
    }

    // MARK: Values

    /// nil for one that cannot be computed ahead.
    private func constant(_ expression: Expression) throws(PlanError) -> SQLValue? {
        let bound = try ExpressionBinder([], functions: functions).bind(expression).folded(functions)
        guard case .literal(let value) = bound.node else { return nil }
        return value
    }

    /// The value of a key column that a condition asks for; nil for one that cannot be computed ahead.
    private func keyValue(
        _ expression: Expression, _ column: SQLColumn, _ part: Expression
    ) throws(PlanError) -> SQLValue? {
        if case .literal(.null) = expression.kind {
            throw PlanError("Primary key columns can not be NULL: \(part)" + Self.help, at: expression.position)
        }
        let bound = try ExpressionBinder([], functions: functions).bind(expression).folded(functions)
        guard case .literal(let value) = bound.node else { return nil }
        if value.isNull {
            throw PlanError("Primary key columns can not be NULL: \(part)" + Self.help, at: expression.position)
        }
        let refusal = PlanError(
            .type,
            "'\(SQLText.text(of: value, type: bound.type))' can not be converted to the type of the key column: "
                + "\(column.name) \(column.type) KEY", at: expression.position)
        if bound.type == column.type { return value }
        if case .decimal(let number) = value, case .decimal(let precision, let scale) = column.type {
            // Rounded, it would be another key.
            guard let fitted = try? number.fitted(precision: precision, scale: scale) else { throw refusal }
            return .decimal(fitted)
        }
        guard Coercion.canCast(bound.type.base, to: column.type.base),
            let cast = try? SQLCast(from: bound.type, to: column.type),
            let converted = try? cast(value), !converted.isNull
        else { throw refusal }
        return converted
    }
}

extension ComparisonOperator {
    /// The same with the sides exchanged.
    fileprivate var mirrored: Self {
        switch self {
        case .less: .greater
        case .lessOrEqual: .greaterOrEqual
        case .greater: .less
        case .greaterOrEqual: .lessOrEqual
        case .equal, .notEqual, .isDistinctFrom: self
        }
    }
}
