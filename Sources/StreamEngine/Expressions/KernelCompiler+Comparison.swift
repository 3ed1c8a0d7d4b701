import Columns
import SQLPlan
import SQLSyntax
import SQLTypes

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension KernelCompiler {
    /// Comparison with null is false, except for IS DISTINCT FROM.
    static func comparison(
        _ operation: ComparisonOperator, _ left: @escaping Kernel, _ leftType: SQLType, _ right: @escaping Kernel,
        _ rightType: SQLType
    ) -> Kernel {
        { frame in
            let a = left(frame)
            let b = right(frame)
            let values =
                fast(operation, a, b, frame.count)
                ?? buffer(frame.count) { row in
                    holds(operation, a.value(row, leftType), b.value(row, rightType))
                }
            return .boolean(FixedColumn(values: values))
        }
    }

    /// The comparison of two values.
    static func holds(_ operation: ComparisonOperator, _ a: SQLValue, _ b: SQLValue) -> Bool {
        if a.isNull || b.isNull { return operation == .isDistinctFrom && a.isNull != b.isNull }
        if case (.double(let x), .double(let y)) = (a, b) { return holds(operation, x, y) }
        let order = a.compare(to: b)
        switch operation {
        case .equal: return order.map { $0 == 0 } ?? (a == b)
        case .notEqual, .isDistinctFrom: return order.map { $0 != 0 } ?? (a != b)
        case .less: return order.map { $0 < 0 } ?? false
        case .lessOrEqual: return order.map { $0 <= 0 } ?? false
        case .greater: return order.map { $0 > 0 } ?? false
        case .greaterOrEqual: return order.map { $0 >= 0 } ?? false
        }
    }

    /// Java's operators, not its `compareTo`: NaN fulfils nothing, not even <>, and -0.0 equals 0.0.
    @inline(__always)
    private static func holds(_ operation: ComparisonOperator, _ x: Double, _ y: Double) -> Bool {
        switch operation {
        case .equal: x == y
        case .notEqual, .isDistinctFrom: x < y || x > y
        case .less: x < y
        case .lessOrEqual: x <= y
        case .greater: x > y
        case .greaterOrEqual: x >= y
        }
    }

    private static func fast(_ operation: ComparisonOperator, _ a: Vector, _ b: Vector, _ count: Int)
        -> ColumnBuffer<Bool>?
    {
        guard operation != .isDistinctFrom else { return nil }
        switch (a, b) {
        case (.int32(let x), .constant(.int(let y), _)): return compare(operation, x, count) { _ in y }
        case (.int32(let x), .int32(let y)):
            return compare(operation, x, count, also: y.validity) { y.values[$0] }
        case (.int64(let x), .constant(.bigint(let y), _)): return compare(operation, x, count) { _ in y }
        case (.int64(let x), .int64(let y)):
            return compare(operation, x, count, also: y.validity) { y.values[$0] }
        case (.double(let x), .constant(.double(let y), _)):
            return buffer(count) { x.validity.isValid($0) && holds(operation, x.values[$0], y) }
        case (.double(let x), .double(let y)):
            return buffer(count) {
                x.validity.isValid($0) && y.validity.isValid($0) && holds(operation, x.values[$0], y.values[$0])
            }
        case (.string(let x), .constant(.string(var y), _)) where operation == .equal || operation == .notEqual:
            let wantsEqual = operation == .equal
            return y.withUTF8 { wanted in
                buffer(count) { row in
                    x.withBytes(row) { isEqual($0, wanted) == wantsEqual } ?? false
                }
            }
        case (.string(let x), .string(let y)) where operation == .equal || operation == .notEqual:
            let wantsEqual = operation == .equal
            return buffer(count) { row in
                x.withBytes(row) { own in y.withBytes(row) { isEqual(own, $0) == wantsEqual } ?? false } ?? false
            }
        default: return nil
        }
    }

    @inline(__always)
    private static func isEqual(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Bool {
        guard a.count == b.count else { return false }
        guard let x = a.baseAddress, let y = b.baseAddress else { return true }
        return memcmp(x, y, a.count) == 0
    }

    @inline(__always)
    private static func compare<Element: Comparable & BitwiseCopyable & Sendable>(
        _ operation: ComparisonOperator, _ x: FixedColumn<Element>, _ count: Int, also other: Validity = .all,
        _ y: (Int) -> Element
    ) -> ColumnBuffer<Bool> {
        let bits: ColumnBuffer<Bool> = x.values.withUnsafeBufferPointer { x in
            switch operation {
            case .equal, .isDistinctFrom: buffer(count) { x[$0] == y($0) }
            case .notEqual: buffer(count) { x[$0] != y($0) }
            case .less: buffer(count) { x[$0] < y($0) }
            case .lessOrEqual: buffer(count) { x[$0] <= y($0) }
            case .greater: buffer(count) { x[$0] > y($0) }
            case .greaterOrEqual: buffer(count) { x[$0] >= y($0) }
            }
        }
        let validity = x.validity.and(other, count: count)
        guard validity.nullCount > 0 else { return bits }
        return buffer(count) { bits[$0] && validity.isValid($0) }
    }
}
