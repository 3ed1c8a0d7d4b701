package import SQLFunctions
package import SQLTypes

/// Turns rows of a table into rows of a result: condition and projection of a pull query.
package struct PullRows: Sendable {
    /// Where a column that expressions read comes from.
    enum Origin: Hashable, Sendable {
        case key(Int)
        case value(Int)
        case timestamp
        case windowStart
        case windowEnd
        /// A pseudo column that tables do not have; expressions over it were refused.
        case none
    }

    var origins: [Origin]
    /// nil where the read gives exactly what is wanted.
    var predicate: TypedExpression?
    var expressions: [TypedExpression]
    let functions: FunctionCatalog
    /// Types of the value columns, of tables whose format has no nulls; else nil.
    var defaultTypes: [SQLType]?
    /// Set where the expressions are columns and nothing else: then there is nothing to evaluate.
    private var plain: [Origin]?

    init(
        origins: [Origin], predicate: TypedExpression?, expressions: [TypedExpression], functions: FunctionCatalog
    ) {
        self.origins = origins
        self.predicate = predicate
        self.expressions = expressions
        self.functions = functions
        var plain: [Origin] = []
        for expression in expressions {
            guard case .column(let index) = expression.node, origins.indices.contains(index) else { return }
            plain.append(origins[index])
        }
        self.plain = plain
    }

    /// Whether a row of the result is columns of the table's row and nothing else: `columns` gives it.
    package var isPlain: Bool { predicate == nil && plain != nil }

    /// Whether every row that is read is one of the result.
    package var takesAll: Bool { predicate == nil }

    /// A row of the result, as `result` gives it.
    ///
    /// - Precondition: `isPlain`.
    package func columns(
        key: [SQLValue], window: (start: Int64, end: Int64)?, values: [SQLValue], timestamp: Int64
    ) -> [SQLValue] {
        precondition(isPlain, "expressions of a row need a context")
        return (plain ?? []).map { value($0, key: key, window: window, values: values, timestamp: timestamp) }
    }

    private func value(
        _ origin: Origin, key: [SQLValue], window: (start: Int64, end: Int64)?, values: [SQLValue], timestamp: Int64
    ) -> SQLValue {
        switch origin {
        case .key(let index): return key.indices.contains(index) ? key[index] : .null
        case .value(let index):
            guard values.indices.contains(index) else { return .null }
            guard let defaultTypes, defaultTypes.indices.contains(index) else { return values[index] }
            return ProtobufDefaults.filled(values[index], defaultTypes[index])
        case .timestamp: return .bigint(timestamp)
        case .windowStart: return window.map { .bigint($0.start) } ?? .null
        case .windowEnd: return window.map { .bigint($0.end) } ?? .null
        case .none: return .null
        }
    }

    /// A row of the result; nil when the condition is not fulfilled. What an expression cannot compute is null, a condition
    /// that cannot be computed is not fulfilled.
    ///
    /// - Parameters:
    ///   - key: and `values`: in the order of the table's key and value columns.
    ///   - window: start and end in milliseconds since 1970.
    ///   - timestamp: milliseconds since 1970.
    package func result(
        key: [SQLValue], window: (start: Int64, end: Int64)?, values: [SQLValue], timestamp: Int64,
        _ context: inout EvaluationContext
    ) -> [SQLValue]? {
        func value(_ origin: Origin) -> SQLValue {
            self.value(origin, key: key, window: window, values: values, timestamp: timestamp)
        }
        if let plain, predicate == nil { return plain.map(value) }
        let row = origins.map(value)
        let interpreter = ExpressionInterpreter(functions)
        if let predicate {
            guard let isWanted = try? interpreter.evaluate(predicate, row: row, &context), isWanted.boolean == true
            else {
                return nil
            }
        }
        if let plain { return plain.map(value) }
        return expressions.map { expression in
            (try? interpreter.evaluate(expression, row: row, &context)) ?? .null
        }
    }
}

extension PullQuery {
    /// Sorts rows of the result as the query wants them: nulls last, first when the order is descending.
    package func sort(_ rows: inout [[SQLValue]]) {
        guard !order.isEmpty else { return }
        func comesFirst(_ a: [SQLValue], _ b: [SQLValue]) -> Bool {
            for item in order {
                guard a.indices.contains(item.column), b.indices.contains(item.column) else { continue }
                let (x, y) = item.isDescending ? (b[item.column], a[item.column]) : (a[item.column], b[item.column])
                switch (x.isNull, y.isNull) {
                case (true, true): continue
                case (true, false): return false
                case (false, true): return true
                case (false, false):
                    guard let sign = x.compare(to: y), sign != 0 else { continue }
                    return sign < 0
                }
            }
            return false
        }
        rows.sort(by: comesFirst)
    }
}
