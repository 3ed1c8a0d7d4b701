import Columns
import SQLPlan
import SQLSyntax
import SQLTypes

/// Turns expressions into kernels. Typed loops where they pay; everything else row by row over `SQLValue`, with the same
/// results.
///
/// Nulls are ksqlDB's: comparisons, IN and BETWEEN of null are false; LIKE, arithmetic and logic of null fail, so that
/// the column is null and a condition drops the row.
///
/// What fails makes the whole expression null, but for the parts that the original's code generator guards: a CAST, what
/// ARRAY, MAP and STRUCT are made of, and calls and fields as arguments of a function are null themselves.
struct KernelCompiler {
    let functions: any FunctionLibrary
    /// Functions in a lambda get a row at a time, and what they build is counted, so kernels of columns are not for them.
    var isInLambda = false

    func compile(_ expression: TypedExpression) throws(EngineError) -> Kernel {
        let type = expression.type
        switch expression.node {
        case .column(let index): return { $0.columns[index] }
        case .literal(let value): return { .constant(value, count: $0.count) }
        case .timeUnit(let name): return { .constant(.string(name), count: $0.count) }
        case .lambdaParameter(let depth, let index):
            return { frame in
                let place = frame.parameters.count - 1 - depth
                guard frame.parameters.indices.contains(place), frame.parameters[place].indices.contains(index) else {
                    return .nulls(frame.count)
                }
                return .constant(frame.parameters[place][index], count: frame.count)
            }
        case .call(let call): return try self.call(call, type)
        case .lambda: throw EngineError(.invalidPlan, "A lambda stands outside of a function call.")
        case .arithmetic(let operation, let left, let right): return try arithmetic(operation, left, right, type)
        case .negate(let operand): return try negate(operand, type)
        case .comparison(let operation, let left, let right):
            return Self.comparison(operation, try compile(left), left.type, try compile(right), right.type)
        case .and(let left, let right): return try logic(left, right, decidedBy: false)
        case .or(let left, let right): return try logic(left, right, decidedBy: true)
        case .not(let operand):
            let kernel = try compile(operand)
            return { frame in
                let value = Self.condition(kernel(frame), frame, logsNulls: true)
                return .boolean(FixedColumn(values: Self.buffer(frame.count) { !value[$0] }))
            }
        case .isNull(let operand), .isNotNull(let operand):
            let kernel = try compile(operand)
            let wanted = if case .isNull = expression.node { true } else { false }
            return { frame in
                let value = kernel(frame)
                return .boolean(FixedColumn(values: Self.buffer(frame.count) { value.isNull($0) == wanted }))
            }
        case .between(let operand, let lower, let upper):
            let kernel = try compile(operand)
            let low = try compile(lower)
            let high = try compile(upper)
            return { frame in
                let value = kernel(frame)
                let above = Self.comparison(.greaterOrEqual, { _ in value }, operand.type, low, lower.type)(frame)
                // The upper bound is not looked at where the lower one has decided.
                let child = frame.child()
                let below = Self.comparison(.lessOrEqual, { _ in value }, operand.type, high, upper.type)(child)
                guard case .boolean(let a) = above, case .boolean(let b) = below else { return .nulls(frame.count) }
                frame.adopt(child) { a.values[$0] }
                return .boolean(FixedColumn(values: Self.buffer(frame.count) { a.values[$0] && b.values[$0] }))
            }
        case .inList(let operand, let elements): return try inList(operand, elements)
        case .like(let operand, let pattern, let escape): return try like(operand, pattern, escape)
        case .searchedCase(let cases, let otherwise): return try searchedCase(cases, otherwise, type)
        case .array(let elements):
            return try boxed(elements, ["array item"]) { .array($0) }
        case .map(let entries):
            let count = entries.count
            let parts = Array(repeating: "map key", count: count) + Array(repeating: "map value", count: count)
            return try boxed(entries.map(\.key) + entries.map(\.value), parts) {
                .map(SQLMap(keys: Array($0[..<count]), values: Array($0[count...])))
            }
        case .structure(let fields): return try boxed(fields, ["struct field"]) { .structure($0) }
        case .subscripted(let base, let index): return try subscripted(base, index, type)
        case .field(let base, let index):
            let kernel = try compile(base)
            return { frame in
                let value = kernel(frame)
                return Self.perRow(frame.count, type) { row in
                    guard let fields = value.value(row, base.type).structure, fields.indices.contains(index) else {
                        return .null
                    }
                    return fields[index]
                }
            }
        case .cast(let operand): return isolated(try cast(operand, to: type), type, "\(type)")
        case .castWithNulls(let operand):
            let cast = try cast(operand, to: type)
            let withNulls: Kernel = { frame in
                let texts = cast(frame)
                return Self.perRow(frame.count, type) { row in
                    let text = texts.value(row, type)
                    return text.isNull ? .string(SQLCast.nullText) : text
                }
            }
            return isolated(withNulls, type, "\(type)")
        case .converted(let operand): return try cast(operand, to: type)
        }
    }

    // MARK: Helpers

    @inline(__always)
    static func buffer<Element>(_ count: Int, _ value: (Int) -> Element) -> ColumnBuffer<Element> {
        ColumnBuffer(count: count) { target in
            for row in 0..<target.count { target.initializeElement(at: row, to: value(row)) }
        }
    }

    static func perRow(_ count: Int, _ type: SQLType, _ value: (Int) -> SQLValue) -> Vector {
        let builder = VectorBuilder(type)
        builder.reserve(count)
        for row in 0..<count { builder.append(value(row)) }
        return builder.finish()
    }

    /// A part that is null where it fails, which is logged, while what is around it goes on.
    private func isolated(_ kernel: @escaping Kernel, _ type: SQLType, _ what: String) -> Kernel {
        guard functions.isolatesNestedErrors else { return kernel }
        return { frame in
            let child = frame.child()
            let vector = kernel(child)
            frame.adoptAsLogs(child, of: what)
            return child.hasFailures ? vector.nulled(type, where: child.hasFailed) : vector
        }
    }

    /// A function of the values of several expressions that cannot fail itself.
    ///
    /// - Parameter names: what each of them is called in the log; one stands for all.
    private func boxed(
        _ expressions: [TypedExpression], _ names: [String], _ make: @escaping ([SQLValue]) -> SQLValue
    ) throws(EngineError) -> Kernel {
        var kernels: [Kernel] = []
        for (index, expression) in expressions.enumerated() {
            let kernel = try compile(expression)
            switch expression.node {
            case .column, .literal: kernels.append(kernel)
            default: kernels.append(isolated(kernel, expression.type, names[names.count == 1 ? 0 : index]))
            }
        }
        let types = expressions.map(\.type)
        return { frame in
            let values = kernels.map { $0(frame) }
            return .values(
                (0..<frame.count).map { row in make(values.indices.map { values[$0].value(row, types[$0]) }) })
        }
    }

    /// A BOOLEAN vector as bits; null is a failure as it is for Java's operators.
    static func condition(_ vector: Vector, _ frame: KernelFrame, logsNulls: Bool) -> ColumnBuffer<Bool> {
        switch vector {
        case .boolean(let column):
            if column.validity.nullCount > 0 {
                for row in 0..<frame.count where !column.validity.isValid(row) {
                    frame.fail(row, "a condition is null")
                }
            }
            return column.values
        case .constant(.boolean(let value), _): return buffer(frame.count) { _ in value }
        default:
            return buffer(frame.count) { row in
                guard let value = vector.value(row, .boolean).boolean else {
                    frame.fail(row, "a condition is null")
                    return false
                }
                return value
            }
        }
    }

    // MARK: Logic

    /// AND is decided by false, OR by true: then the right side does not count.
    private func logic(
        _ left: TypedExpression, _ right: TypedExpression, decidedBy decisive: Bool
    ) throws(EngineError) -> Kernel {
        let leftKernel = try compile(left)
        let rightKernel = try compile(right)
        return { frame in
            let a = Self.condition(leftKernel(frame), frame, logsNulls: true)
            let child = frame.child()
            let b = Self.condition(rightKernel(child), child, logsNulls: true)
            frame.adopt(child) { a[$0] != decisive }
            return .boolean(
                FixedColumn(values: Self.buffer(frame.count) { decisive ? a[$0] || b[$0] : a[$0] && b[$0] }))
        }
    }

    private func searchedCase(
        _ cases: [TypedExpression.When], _ otherwise: TypedExpression?, _ type: SQLType
    ) throws(EngineError) -> Kernel {
        var conditions: [Kernel] = []
        var results: [Kernel] = []
        for item in cases {
            conditions.append(try compile(item.condition))
            results.append(try compile(item.result))
        }
        var last: Kernel?
        if let otherwise { last = try compile(otherwise) }
        return { frame in
            // The branch of each row; -1 is none yet.
            var branch = [Int](repeating: -1, count: frame.count)
            for (index, condition) in conditions.enumerated() {
                guard branch.contains(-1) else { break }
                let child = frame.child()
                let holds = Self.condition(condition(child), child, logsNulls: true)
                frame.adopt(child) { branch[$0] == -1 }
                for row in 0..<frame.count where branch[row] == -1 && holds[row] { branch[row] = index }
            }
            var vectors: [Vector] = []
            for (index, result) in results.enumerated() {
                let child = frame.child()
                vectors.append(result(child))
                frame.adopt(child) { branch[$0] == index }
            }
            if let last {
                let child = frame.child()
                vectors.append(last(child))
                frame.adopt(child) { branch[$0] == -1 }
            }
            let builder = VectorBuilder(type)
            builder.reserve(frame.count)
            for row in 0..<frame.count {
                let index = branch[row] == -1 ? cases.count : branch[row]
                if index < vectors.count {
                    builder.append(from: vectors[index], row: row)
                } else {
                    builder.appendNull()
                }
            }
            return builder.finish()
        }
    }

    // MARK: IN, LIKE, subscripts

    private func inList(_ operand: TypedExpression, _ elements: [TypedExpression]) throws(EngineError) -> Kernel {
        let kernel = try compile(operand)
        var kernels: [Kernel] = []
        for element in elements { kernels.append(try compile(element)) }
        let types = elements.map(\.type)
        return { frame in
            let value = kernel(frame)
            var hits = [Bool](repeating: false, count: frame.count)
            for (element, type) in zip(kernels, types) {
                if type == .double {
                    // Java's equals, unlike its ==: NaN is NaN, and -0.0 is not 0.0.
                    let other = element(frame)
                    for row in 0..<frame.count where !hits[row] {
                        hits[row] = value.value(row, operand.type).compare(to: other.value(row, type)) == 0
                    }
                    continue
                }
                let equal = Self.comparison(.equal, { _ in value }, operand.type, element, type)(frame)
                guard case .boolean(let column) = equal else { continue }
                for row in 0..<frame.count where column.values[row] { hits[row] = true }
            }
            return .boolean(FixedColumn(values: ColumnBuffer(hits)))
        }
    }

    private func like(
        _ operand: TypedExpression, _ pattern: TypedExpression, _ escape: Character?
    ) throws(EngineError) -> Kernel {
        let kernel = try compile(operand)
        if case .literal(.string(let text)) = pattern.node {
            let matcher: LikePattern
            do throws(SQLTypesError) {
                matcher = try LikePattern(text, escape: escape)
            } catch {
                let message = error.message
                return { frame in
                    _ = kernel(frame)
                    for row in 0..<frame.count { frame.fail(row, message) }
                    return .nulls(frame.count)
                }
            }
            return { frame in
                let vector = kernel(frame)
                guard case .string(let column) = vector else { return Self.like(vector, frame) { _ in matcher } }
                Self.failNullTexts(column.validity, frame)
                let values = column.bytes.withUnsafeBufferPointer { bytes in
                    column.runs.ends.withUnsafeBufferPointer { ends in
                        Self.buffer(frame.count) { row in
                            column.validity.isValid(row)
                                && matcher.matches(
                                    UnsafeBufferPointer(rebasing: bytes[Int(ends[row])..<Int(ends[row + 1])]))
                        }
                    }
                }
                return .boolean(FixedColumn(values: values))
            }
        }
        let patternKernel = try compile(pattern)
        return { frame in
            let patterns = patternKernel(frame)
            return Self.like(kernel(frame), frame) { row in
                guard let text = patterns.value(row, .string).string else {
                    frame.fail(row, Self.nullOfLike)
                    return nil
                }
                do throws(SQLTypesError) { return try LikePattern(text, escape: escape) } catch {
                    frame.fail(row, error.message)
                    return nil
                }
            }
        }
    }

    private static let nullOfLike = "an operand of LIKE is null"

    private static func failNullTexts(_ validity: Validity, _ frame: KernelFrame) {
        guard validity.nullCount > 0 else { return }
        for row in 0..<frame.count where !validity.isValid(row) { frame.fail(row, nullOfLike) }
    }

    /// - Parameter pattern: nil where it has failed.
    private static func like(_ vector: Vector, _ frame: KernelFrame, _ pattern: (Int) -> LikePattern?) -> Vector {
        let values: ColumnBuffer<Bool> =
            switch vector {
            case .string(let column):
                buffer(frame.count) { row in
                    guard let pattern = pattern(row) else { return false }
                    return column.withBytes(row) { pattern.matches($0) } ?? false
                }
            default:
                buffer(frame.count) { row in
                    guard let pattern = pattern(row), let text = vector.value(row, .string).string else { return false }
                    return pattern.matches(text)
                }
            }
        for row in 0..<frame.count where vector.isNull(row) { frame.fail(row, nullOfLike) }
        return .boolean(FixedColumn(values: values))
    }

    private func subscripted(
        _ base: TypedExpression, _ index: TypedExpression, _ type: SQLType
    ) throws(EngineError) -> Kernel {
        let baseKernel = try compile(base)
        let indexKernel = try compile(index)
        return { frame in
            let bases = baseKernel(frame)
            // Of null everything is null, whatever the index.
            let child = frame.child()
            let indexes = indexKernel(child)
            frame.adopt(child) { !bases.isNull($0) }
            return Self.perRow(frame.count, type) { row in
                let container = bases.value(row, base.type)
                if container.isNull { return .null }
                let key = indexes.value(row, index.type)
                if case .array = base.type, key.isNull {
                    frame.fail(row, "an index is null")
                    return .null
                }
                switch container {
                case .array(let elements):
                    let place: Int
                    switch key {
                    case .int(let value): place = Int(value)
                    case .bigint(let value): place = Int(value)
                    default: return .null
                    }
                    let at = place > 0 ? place - 1 : elements.count + place
                    return place != 0 && elements.indices.contains(at) ? elements[at] : .null
                case .map(let map): return map[key] ?? .null
                default: return .null
                }
            }
        }
    }

    // MARK: Calls

    private func call(_ call: FunctionCall, _ type: SQLType) throws(EngineError) -> Kernel {
        let function = try functions.scalar(call, returns: type)
        var arguments: [(kernel: Kernel, type: SQLType)] = []
        var lambdas: [(kernel: Kernel, columns: Set<Int>)] = []
        var inner = self
        inner.isInLambda = true
        for argument in call.arguments {
            if case .lambda(let lambda) = argument.node {
                var columns: Set<Int> = []
                lambda.body.collectColumns(into: &columns)
                lambdas.append((try inner.compile(lambda.body), columns))
            } else {
                arguments.append((try self.argument(argument), argument.type))
            }
        }
        let lambdaTypes = call.arguments.compactMap { argument -> SQLType? in
            if case .lambda(let lambda) = argument.node { lambda.body.type } else { nil }
        }
        let kernels = arguments.map(\.kernel)
        if !isInLambda,
            let fast = FunctionKernels.kernel(call, type, kernels, byteCountMax: functions.textByteCountMax)
        {
            return fast
        }
        if !isInLambda, !functions.usesLegacySubstring,
            let fast = FunctionKernels.substring(call, type, kernels, function)
        {
            return fast
        }
        if function.isLazy { return Self.coalesce(arguments.map(\.kernel), type) }
        return { frame in
            let vectors = arguments.map { $0.kernel(frame) }
            let builder = VectorBuilder(type)
            builder.reserve(frame.count)
            var values = [SQLValue](repeating: .null, count: arguments.count)
            for row in 0..<frame.count {
                guard !frame.hasFailed(row) else {
                    builder.appendNull()
                    continue
                }
                for (index, argument) in arguments.enumerated() {
                    values[index] = vectors[index].value(row, argument.type)
                }
                let calls = lambdas.enumerated().map { place, lambda -> LambdaCall in
                    { (parameters: [SQLValue]) throws(EvaluationFailure) in
                        var columns = [Vector](repeating: .nulls(1), count: frame.columns.count)
                        for column in lambda.columns { columns[column] = frame.columns[column].gathered([Int32(row)]) }
                        let inner = KernelFrame(
                            columns: columns, count: 1, parameters: frame.parameters + [parameters])
                        let result = lambda.kernel(inner)
                        for entry in inner.logs { frame.log(row, entry.message) }
                        if let message = inner.failures[0] { throw EvaluationFailure(message) }
                        return result.value(0, lambdaTypes[place])
                    }
                }
                do throws(EvaluationFailure) {
                    builder.append(try function.body(values, calls))
                } catch {
                    builder.appendNull()
                    frame.fail(row, "Failed to invoke function \(call.function): \(error.message)")
                }
            }
            return builder.finish()
        }
    }

    /// An argument of a function. The original guards calls and fields there, and nothing else.
    private func argument(_ expression: TypedExpression) throws(EngineError) -> Kernel {
        let kernel = try compile(expression)
        switch expression.node {
        case .call(let call): return isolated(kernel, expression.type, call.function)
        case .field(let base, let index):
            return isolated(kernel, expression.type, base.type.fields?[index].name ?? "field")
        default: return kernel
        }
    }

    /// The first value that is not null. What fails behind it does not count.
    private static func coalesce(_ arguments: [Kernel], _ type: SQLType) -> Kernel {
        { frame in
            var open = [Bool](repeating: true, count: frame.count)
            var choice = [Int](repeating: -1, count: frame.count)
            var vectors: [Vector] = []
            for (index, argument) in arguments.enumerated() {
                guard open.contains(true) else { break }
                let child = frame.child()
                let vector = argument(child)
                vectors.append(vector)
                frame.adopt(child) { open[$0] }
                for row in 0..<frame.count where open[row] {
                    if child.hasFailed(row) {
                        open[row] = false
                    } else if !vector.isNull(row) {
                        choice[row] = index
                        open[row] = false
                    }
                }
            }
            let builder = VectorBuilder(type)
            builder.reserve(frame.count)
            for row in 0..<frame.count {
                if choice[row] >= 0 {
                    builder.append(from: vectors[choice[row]], row: row)
                } else {
                    builder.appendNull()
                }
            }
            return builder.finish()
        }
    }
}
