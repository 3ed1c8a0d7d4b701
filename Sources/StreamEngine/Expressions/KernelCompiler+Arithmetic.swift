import Columns
import SQLPlan
import SQLSyntax
import SQLTypes

extension KernelCompiler {
    /// Java's arithmetic: integers wrap, integer division by zero fails, decimals are exact or fail. Null fails.
    func arithmetic(
        _ operation: ArithmeticOperator, _ left: TypedExpression, _ right: TypedExpression, _ type: SQLType
    ) throws(EngineError) -> Kernel {
        let a = try compile(left)
        let b = try compile(right)
        switch type {
        case .int where left.type == .int && right.type == .int:
            return Self.integers(a, b, operation) { vector -> FixedColumn<Int32>? in
                switch vector {
                case .int32(let column): column
                case .constant(.int(let value), let count):
                    FixedColumn(values: Self.buffer(count) { _ in value })
                default: nil
                }
            } wrap: {
                .int32($0)
            }
        case .bigint:
            return Self.integers(a, b, operation) { vector -> FixedColumn<Int64>? in
                Self.wide(vector)
            } wrap: {
                .int64($0)
            }
        case .double:
            return { frame in
                guard let x = Self.doubles(a(frame)), let y = Self.doubles(b(frame)) else { return .nulls(frame.count) }
                let validity = x.validity.and(y.validity, count: frame.count)
                Self.failNulls(validity, frame)
                let values = Self.buffer(frame.count) { row -> Double in
                    let (x, y) = (x.values[row], y.values[row])
                    return switch operation {
                    case .add: x + y
                    case .subtract: x - y
                    case .multiply: x * y
                    case .divide: x / y
                    case .modulus: x.truncatingRemainder(dividingBy: y)
                    }
                }
                return .double(FixedColumn(values: values, validity: validity))
            }
        case .decimal(let precision, let scale):
            guard let exact = SQLArithmetic(rawValue: operation.rawValue) else { break }
            return { frame in
                let x = a(frame)
                let y = b(frame)
                return Self.perRow(frame.count, type) { row in
                    guard let x = x.value(row, left.type).asDecimal, let y = y.value(row, right.type).asDecimal else {
                        frame.fail(row, "an operand is null")
                        return .null
                    }
                    do throws(SQLTypesError) {
                        return .decimal(try exact.apply(x, y, precision: precision, scale: scale))
                    } catch {
                        frame.fail(row, error.message)
                        return .null
                    }
                }
            }
        case .string:
            // Java's + of texts: null is the text "null", and so it is in the original.
            let byteCountMax = functions.textByteCountMax
            return { frame in
                let x = a(frame)
                let y = b(frame)
                return Self.perRow(frame.count, type) { row in
                    let text = x.value(row, .string).string ?? "null"
                    let more = y.value(row, .string).string ?? "null"
                    guard text.utf8.count + more.utf8.count <= byteCountMax else {
                        frame.fail(row, "the result of + is too long")
                        return .null
                    }
                    return .string(text + more)
                }
            }
        default: break
        }
        throw EngineError(.invalidPlan, "No arithmetic of \(left.type) and \(right.type) gives \(type).")
    }

    /// INT and BIGINT as BIGINT.
    static func wide(_ vector: Vector) -> FixedColumn<Int64>? {
        switch vector {
        case .int64(let column): return column
        case .int32(let column):
            return FixedColumn(
                values: buffer(column.values.count) { Int64(column.values[$0]) }, validity: column.validity)
        case .constant(.bigint(let value), let count): return FixedColumn(values: buffer(count) { _ in value })
        case .constant(.int(let value), let count): return FixedColumn(values: buffer(count) { _ in Int64(value) })
        default: return nil
        }
    }

    /// Any numbers as DOUBLE.
    static func doubles(_ vector: Vector) -> FixedColumn<Double>? {
        switch vector {
        case .double(let column): return column
        case .int32(let column):
            return FixedColumn(
                values: buffer(column.values.count) { Double(column.values[$0]) }, validity: column.validity)
        case .int64(let column):
            return FixedColumn(
                values: buffer(column.values.count) { Double(column.values[$0]) }, validity: column.validity)
        case .values(let values):
            let validity = Validity(count: values.count) { values[$0].asDouble != nil }
            return FixedColumn(values: buffer(values.count) { values[$0].asDouble ?? 0 }, validity: validity)
        case .constant(let value, let count):
            guard let double = value.asDouble else {
                return FixedColumn(values: buffer(count) { _ in 0 }, validity: Validity(count: count) { _ in false })
            }
            return FixedColumn(values: buffer(count) { _ in double })
        default: return nil
        }
    }

    static func failNulls(_ validity: Validity, _ frame: KernelFrame) {
        guard validity.nullCount > 0 else { return }
        for row in 0..<frame.count where !validity.isValid(row) { frame.fail(row, "an operand is null") }
    }

    private static func integers<Element: FixedWidthInteger & SignedInteger & BitwiseCopyable & Sendable>(
        _ a: @escaping Kernel, _ b: @escaping Kernel, _ operation: ArithmeticOperator,
        _ column: @escaping (Vector) -> FixedColumn<Element>?, wrap: @escaping (FixedColumn<Element>) -> Vector
    ) -> Kernel {
        { frame in
            let left = a(frame)
            let right = b(frame)
            guard let x = column(left), let y = column(right) else {
                // A constant null on either side.
                for row in 0..<frame.count { frame.fail(row, "an operand is null") }
                return .nulls(frame.count)
            }
            let validity = x.validity.and(y.validity, count: frame.count)
            failNulls(validity, frame)
            let values: ColumnBuffer<Element>
            switch operation {
            case .add: values = buffer(frame.count) { x.values[$0] &+ y.values[$0] }
            case .subtract: values = buffer(frame.count) { x.values[$0] &- y.values[$0] }
            case .multiply: values = buffer(frame.count) { x.values[$0] &* y.values[$0] }
            case .divide, .modulus:
                values = buffer(frame.count) { row in
                    let divisor = y.values[row]
                    guard divisor != 0 else {
                        if validity.isValid(row) { frame.fail(row, "/ by zero") }
                        return 0
                    }
                    // Java: the smallest number divided by -1 is itself, the remainder 0.
                    if divisor == -1 { return operation == .divide ? 0 &- x.values[row] : 0 }
                    return operation == .divide ? x.values[row] / divisor : x.values[row] % divisor
                }
            }
            return wrap(FixedColumn(values: values, validity: validity))
        }
    }

    func negate(_ operand: TypedExpression, _ type: SQLType) throws(EngineError) -> Kernel {
        let kernel = try compile(operand)
        return { frame in
            switch kernel(frame) {
            case .int32(let column):
                return .int32(
                    FixedColumn(values: Self.buffer(frame.count) { 0 &- column.values[$0] }, validity: column.validity))
            case .int64(let column):
                return .int64(
                    FixedColumn(values: Self.buffer(frame.count) { 0 &- column.values[$0] }, validity: column.validity))
            case .double(let column):
                return .double(
                    FixedColumn(values: Self.buffer(frame.count) { -column.values[$0] }, validity: column.validity))
            case let vector:
                return Self.perRow(frame.count, type) { row in
                    switch vector.value(row, operand.type) {
                    case .int(let value): .int(0 &- value)
                    case .bigint(let value): .bigint(0 &- value)
                    case .double(let value): .double(-value)
                    case .decimal(let value): .decimal(-value)
                    default: .null
                    }
                }
            }
        }
    }

    func cast(_ operand: TypedExpression, to type: SQLType) throws(EngineError) -> Kernel {
        let kernel = try compile(operand)
        let cast: SQLCast
        do throws(SQLTypesError) {
            cast = try SQLCast(from: operand.type, to: type)
        } catch { throw EngineError(.invalidPlan, error.message) }
        if cast.isIdentity { return kernel }
        return { frame in
            let vector = kernel(frame)
            switch (vector, type) {
            case (.int32, .bigint) where operand.type == .int:
                if let column = Self.wide(vector) { return .int64(column) }
            case (.int32, .double) where operand.type == .int, (.int64, .double) where operand.type == .bigint:
                if let column = Self.doubles(vector) { return .double(column) }
            case (.int32(let column), .string) where operand.type == .int:
                return Self.texts(frame.count, column.validity) { Int64(column.values[$0]) }
            case (.int64(let column), .string) where operand.type == .bigint:
                return Self.texts(frame.count, column.validity) { column.values[$0] }
            default: break
            }
            return Self.perRow(frame.count, type) { row in
                do throws(SQLTypesError) {
                    return try cast(vector.value(row, operand.type))
                } catch {
                    frame.fail(row, error.message)
                    return .null
                }
            }
        }
    }

    /// Integers as text.
    private static func texts(_ count: Int, _ validity: Validity, _ value: (Int) -> Int64) -> Vector {
        let builder = VectorBuilder(.string)
        builder.reserve(count)
        withUnsafeTemporaryAllocation(byteCount: 24, alignment: 1) { digits in
            for row in 0..<count {
                guard validity.isValid(row) else {
                    builder.appendNull()
                    continue
                }
                let number = value(row)
                var left = number.magnitude
                var at = 24
                repeat {
                    at -= 1
                    digits[at] = UInt8(truncatingIfNeeded: left % 10) + 48
                    left /= 10
                } while left > 0
                if number < 0 {
                    at -= 1
                    digits[at] = 45
                }
                builder.append(bytes: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(digits)[at...]))
            }
        }
        return builder.finish()
    }
}
