import Columns
package import SQLPlan
package import SQLTypes

/// An expression ready to be computed for batches.
package final class CompiledExpression {
    package struct Failure {
        package var row: Int
        package var message: String
    }

    package let type: SQLType
    /// Set where the expression is a column as it is.
    let column: Int?
    private let kernel: Kernel

    package init(_ expression: TypedExpression, functions: any FunctionLibrary) throws(EngineError) {
        type = expression.type
        column = if case .column(let index) = expression.node { index } else { nil }
        kernel = try KernelCompiler(functions: functions).compile(expression)
    }

    /// - Parameter failures: gets the rows that became null because something in them failed, and those in which a
    ///   function did.
    package func evaluate(_ columns: [Vector], count: Int, failures: inout [Failure]) -> Vector {
        if let column { return columns[column] }
        let frame = KernelFrame(columns: columns, count: count)
        let result = kernel(frame)
        for entry in frame.logs { failures.append(Failure(row: entry.row, message: entry.message)) }
        guard frame.hasFailures else { return result }
        for (row, message) in frame.failures { failures.append(Failure(row: row, message: message)) }
        failures.sort { $0.row < $1.row }
        return result.nulled(type, where: frame.hasFailed)
    }

    /// The rows for which a BOOLEAN expression is true.
    package func selected(_ columns: [Vector], count: Int, failures: inout [Failure]) -> [Int32] {
        let result = evaluate(columns, count: count, failures: &failures)
        switch result {
        case .boolean(let column):
            return [Int32](unsafeUninitializedCapacity: count) { rows, kept in
                column.values.withUnsafeBufferPointer { values in
                    for row in 0..<count {
                        rows[kept] = Int32(truncatingIfNeeded: row)
                        if values[row] { kept += 1 }  // without a value it is false
                    }
                }
            }
        case .constant(.boolean(true), _): return (0..<count).map { Int32($0) }
        default: return (0..<count).filter { result.value($0, .boolean).boolean == true }.map { Int32($0) }
        }
    }
}

extension Vector {
    /// Null in more rows.
    func nulled(_ type: SQLType, where isNull: (Int) -> Bool) -> Vector {
        func validity(_ own: Validity) -> Validity { Validity(count: count) { own.isValid($0) && !isNull($0) } }
        switch self {
        case .constant: return expanded(type).nulled(type, where: isNull)
        case .boolean(let column):
            let values = ColumnBuffer<Bool>(count: count) { target in
                for row in 0..<target.count {
                    target.initializeElement(at: row, to: column.values[row] && !isNull(row))
                }
            }
            return .boolean(FixedColumn(values: values, validity: validity(column.validity)))
        case .int32(let column):
            return .int32(FixedColumn(values: column.values, validity: validity(column.validity)))
        case .int64(let column):
            return .int64(FixedColumn(values: column.values, validity: validity(column.validity)))
        case .double(let column):
            return .double(FixedColumn(values: column.values, validity: validity(column.validity)))
        case .string, .bytes:
            // A row without a value has no bytes either.
            let builder = VectorBuilder(type)
            for row in 0..<count {
                if isNull(row) { builder.appendNull() } else { builder.append(from: self, row: row) }
            }
            return builder.finish()
        case .values(let values):
            return .values(values.enumerated().map { isNull($0.offset) ? .null : $0.element })
        }
    }
}
