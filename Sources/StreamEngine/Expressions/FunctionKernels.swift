import Columns
import SQLPlan
import SQLTypes

/// Functions that are worth a loop over columns. Rows that are not ASCII, and vectors of another kind, take the way of
/// all functions, so results are the same.
enum FunctionKernels {
    static func kernel(_ call: FunctionCall, _ type: SQLType, _ arguments: [Kernel]) -> Kernel? {
        switch (call.function, arguments.count) {
        case ("LCASE", 1) where type == .string:
            return mapped(arguments[0]) {
                $0 &- 65 < 26 ? $0 | 0x20 : $0
            } other: {
                $0.lowercased()
            }
        case ("UCASE", 1) where type == .string:
            return mapped(arguments[0]) {
                $0 &- 97 < 26 ? $0 & 0xDF : $0
            } other: {
                $0.uppercased()
            }
        case ("CONCAT", 1...) where type == .string && call.arguments.allSatisfy { $0.type == .string }:
            return concat(arguments)
        case ("AS_VALUE", 1): return arguments[0]
        default: return nil
        }
    }

    private static func strings(_ vector: Vector) -> BytesColumn? {
        switch vector {
        case .string(let column): return column
        case .constant(.string, _), .constant(.null, _):
            if case .string(let column) = vector.expanded(.string) { return column }
            return nil
        default: return nil
        }
    }

    private static func mapped(
        _ argument: @escaping Kernel, _ byte: @escaping (UInt8) -> UInt8, other: @escaping (String) -> String
    ) -> Kernel {
        { frame in
            let child = frame.child()
            let vector = argument(child)
            frame.adoptAsLogs(child)
            guard let column = strings(vector) else { return .nulls(frame.count) }
            let isASCII = column.bytes.withUnsafeBufferPointer { bytes in
                var seen: UInt8 = 0
                for byte in bytes { seen |= byte }
                return seen < 0x80
            }
            let result: Vector
            if isASCII {
                let bytes = ColumnBuffer<UInt8>(count: column.bytes.count) { target in
                    column.bytes.withUnsafeBufferPointer { source in
                        for at in 0..<source.count { target.initializeElement(at: at, to: byte(source[at])) }
                    }
                }
                result = .string(BytesColumn(runs: column.runs, bytes: bytes, validity: column.validity))
            } else {
                result = KernelCompiler.perRow(frame.count, .string) { row in
                    column.string(row).map { .string(other($0)) } ?? .null
                }
            }
            return child.hasFailures ? result.nulled(.string, where: child.hasFailed) : result
        }
    }

    /// Nulls are passed over.
    private static func concat(_ arguments: [Kernel]) -> Kernel {
        { frame in
            let child = frame.child()
            let columns = arguments.map { strings($0(child)) }
            frame.adoptAsLogs(child)
            var total = 0
            let ends = ColumnBuffer<Int32>(count: frame.count + 1) { ends in
                ends.initializeElement(at: 0, to: 0)
                for row in 0..<frame.count {
                    for column in columns { if let column { total += column.runs[row].count } }
                    ends.initializeElement(at: row + 1, to: Int32(clamping: total))
                }
            }
            guard total <= Int(Int32.max) else {
                for row in 0..<frame.count { frame.fail(row, "texts of a batch are longer than 2 GiB") }
                return .nulls(frame.count)
            }
            let bytes = ColumnBuffer<UInt8>(count: total) { target in
                var at = 0
                for row in 0..<frame.count {
                    for case let column? in columns {
                        let run = column.runs[row]
                        guard !run.isEmpty, let to = target.baseAddress else { continue }
                        column.bytes.withUnsafeBufferPointer { source in
                            if let from = source.baseAddress {
                                (to + at).initialize(from: from + run.lowerBound, count: run.count)
                            }
                        }
                        at += run.count
                    }
                }
            }
            let result = Vector.string(BytesColumn(runs: Runs(ends: ends), bytes: bytes))
            return child.hasFailures ? result.nulled(.string, where: child.hasFailed) : result
        }
    }
}
