package import SQLFunctions
import SQLSyntax
package import SQLTypes

/// Evaluates typed expressions one row at a time: constants of statements, and the measure of what compiled expressions
/// must give.
///
/// Nulls are ksqlDB's: comparisons, IN and BETWEEN of null are false; a null operand of arithmetic, a null condition, a
/// null index of an array and LIKE of null are errors. Where a compiled expression notes a failure, this one throws.
///
/// As in the original, where this is what pull queries do, no part becomes null on its own, and DOUBLEs have Java's
/// `compareTo` as their order: NaN equals itself and is above all, -0.0 is below 0.0.
package struct ExpressionInterpreter: Sendable {
    private let functions: FunctionCatalog

    package init(_ functions: FunctionCatalog) { self.functions = functions }

    package func evaluate(
        _ expression: TypedExpression, row: [SQLValue] = [], _ context: inout EvaluationContext
    ) throws(EvaluationError) -> SQLValue {
        try evaluate(expression, Frame(row: row), &context)
    }

    private struct Frame {
        var row: [SQLValue]
        var lambdas: [[SQLValue]] = []
    }

    private func evaluate(
        _ expression: TypedExpression, _ frame: Frame, _ context: inout EvaluationContext
    ) throws(EvaluationError) -> SQLValue {
        switch expression.node {
        case .column(let index): return frame.row.indices.contains(index) ? frame.row[index] : .null
        case .literal(let value): return value
        case .timeUnit(let name): return .string(name)
        case .lambdaParameter(let depth, let index):
            let at = frame.lambdas.count - 1 - depth
            guard frame.lambdas.indices.contains(at), frame.lambdas[at].indices.contains(index) else { return .null }
            return frame.lambdas[at][index]
        case .call(let call): return try evaluate(call, frame, &context)
        case .lambda: return .null
        case .arithmetic(let sign, let left, let right):
            let a = try evaluate(left, frame, &context)
            let b = try evaluate(right, frame, &context)
            // Java's + of texts: null is the text "null", and so it is in the original.
            if expression.type == .string {
                let (text, more) = (a.string ?? "null", b.string ?? "null")
                try context.limits.check([text.utf8.count, more.utf8.count], "+")
                return .string(text + more)
            }
            if a.isNull || b.isNull { throw EvaluationError("an operand is null") }
            return try Self.compute(sign, a, b, expression.type)
        case .negate(let value): return try Self.negate(try evaluate(value, frame, &context))
        case .comparison(let sign, let left, let right):
            return .boolean(
                Self.compare(sign, try evaluate(left, frame, &context), try evaluate(right, frame, &context)))
        case .and(let left, let right):
            guard try isTrue(left, frame, &context) else { return .boolean(false) }
            return .boolean(try isTrue(right, frame, &context))
        case .or(let left, let right):
            if try isTrue(left, frame, &context) { return .boolean(true) }
            return .boolean(try isTrue(right, frame, &context))
        case .not(let value): return .boolean(!(try isTrue(value, frame, &context)))
        case .isNull(let value): return .boolean(try evaluate(value, frame, &context).isNull)
        case .isNotNull(let value): return .boolean(!(try evaluate(value, frame, &context).isNull))
        case .between(let value, let lower, let upper):
            let value = try evaluate(value, frame, &context)
            guard Self.compare(.greaterOrEqual, value, try evaluate(lower, frame, &context)) else {
                return .boolean(false)
            }
            return .boolean(Self.compare(.lessOrEqual, value, try evaluate(upper, frame, &context)))
        case .inList(let value, let list):
            let value = try evaluate(value, frame, &context)
            return .boolean(try all(list, frame, &context).contains { Self.compare(.equal, value, $0) })
        case .like(let value, let pattern, let escape):
            let value = try evaluate(value, frame, &context)
            guard let pattern = try evaluate(pattern, frame, &context).string, let text = value.string else {
                throw EvaluationError("an operand of LIKE is null")
            }
            do { return .boolean(try LikePattern(pattern, escape: escape).matches(text)) } catch {
                throw EvaluationError(error)
            }
        case .searchedCase(let whens, let otherwise):
            for when in whens where try isTrue(when.condition, frame, &context) {
                return try evaluate(when.result, frame, &context)
            }
            return try otherwise.map { value throws(EvaluationError) in try evaluate(value, frame, &context) } ?? .null
        case .array(let elements): return .array(try all(elements, frame, &context))
        case .map(let entries):
            return .map(
                SQLMap(
                    keys: try all(entries.map(\.key), frame, &context),
                    values: try all(entries.map(\.value), frame, &context)))
        case .structure(let fields): return .structure(try all(fields, frame, &context))
        case .subscripted(let base, let index):
            let container = try evaluate(base, frame, &context)
            // Of null everything is null, whatever the index.
            if container.isNull { return .null }
            let index = try evaluate(index, frame, &context)
            if case .array = base.type, index.isNull { throw EvaluationError("an index is null") }
            return Self.element(container, index)
        case .field(let base, let index):
            guard let fields = try evaluate(base, frame, &context).structure, fields.indices.contains(index) else {
                return .null
            }
            return fields[index]
        case .castWithNulls(let value):
            let inner = try evaluate(value, frame, &context)
            if inner.isNull { return .string(SQLCast.nullText) }
            do { return try SQLCast(from: value.type, to: expression.type)(inner) } catch {
                throw EvaluationError(error)
            }
        case .cast(let value), .converted(let value):
            let inner = try evaluate(value, frame, &context)
            do { return try SQLCast(from: value.type, to: expression.type)(inner) } catch {
                throw EvaluationError(error)
            }
        }
    }

    private func all(
        _ expressions: [TypedExpression], _ frame: Frame, _ context: inout EvaluationContext
    ) throws(EvaluationError) -> [SQLValue] {
        var values: [SQLValue] = []
        for expression in expressions { values.append(try evaluate(expression, frame, &context)) }
        return values
    }

    private func isTrue(
        _ expression: TypedExpression, _ frame: Frame, _ context: inout EvaluationContext
    ) throws(EvaluationError) -> Bool {
        guard let value = try evaluate(expression, frame, &context).boolean else {
            throw EvaluationError("a condition is null")
        }
        return value
    }

    private func evaluate(
        _ call: FunctionCall, _ frame: Frame, _ context: inout EvaluationContext
    ) throws(EvaluationError) -> SQLValue {
        let function: BoundFunction
        do { function = try call.bind(functions) } catch { throw EvaluationError(error.message) }
        var values: [SQLValue] = []
        var lambdas: [LambdaBody] = []
        for argument in call.arguments {
            if case .lambda(let lambda) = argument.node {
                lambdas.append(callable(lambda.body, frame))
            } else {
                values.append(try evaluate(argument, frame, &context))
                if function.isLazy, let last = values.last, !last.isNull {
                    // What is not reached stays null, as nobody looks at it.
                    values += Array(repeating: .null, count: call.arguments.count - values.count)
                    break
                }
            }
        }
        if frame.lambdas.isEmpty { context.lambdaStepCount = 0 }
        let value = try function(values, lambdas: lambdas, &context)
        if !frame.lambdas.isEmpty { context.lambdaStepCount += FunctionLimits.steps(building: value) }
        return value
    }

    private func callable(_ body: TypedExpression, _ frame: Frame) -> LambdaBody {
        { (parameters: [SQLValue], inner: inout EvaluationContext) throws(EvaluationError) -> SQLValue in
            var scope = frame
            scope.lambdas.append(parameters)
            inner.lambdaStepCount += 1
            try inner.limits.check(lambdaStepCount: inner.lambdaStepCount)
            let value = try evaluate(body, scope, &inner)
            inner.lambdaStepCount += FunctionLimits.steps(building: value)
            return value
        }
    }

    private static func element(_ container: SQLValue, _ index: SQLValue) -> SQLValue {
        switch container {
        case .array(let elements):
            guard let position = index.int.map(Int.init) ?? index.bigint.map(Int.init) else { return .null }
            let at = position > 0 ? position - 1 : elements.count + position
            return position != 0 && elements.indices.contains(at) ? elements[at] : .null
        case .map(let map): return map[index] ?? .null
        default: return .null
        }
    }

    private static func compare(_ sign: ComparisonOperator, _ a: SQLValue, _ b: SQLValue) -> Bool {
        if a.isNull || b.isNull { return sign == .isDistinctFrom ? a.isNull != b.isNull : false }
        switch sign {
        case .equal: return a.compare(to: b).map { $0 == 0 } ?? (a == b)
        case .notEqual, .isDistinctFrom: return a.compare(to: b).map { $0 != 0 } ?? (a != b)
        case .less: return a.compare(to: b).map { $0 < 0 } ?? false
        case .lessOrEqual: return a.compare(to: b).map { $0 <= 0 } ?? false
        case .greater: return a.compare(to: b).map { $0 > 0 } ?? false
        case .greaterOrEqual: return a.compare(to: b).map { $0 >= 0 } ?? false
        }
    }

    private static func negate(_ value: SQLValue) throws(EvaluationError) -> SQLValue {
        switch value {
        case .int(let value): .int(0 &- value)
        case .bigint(let value): .bigint(0 &- value)
        case .double(let value): .double(-value)
        case .decimal(let value): .decimal(-value)
        default: .null
        }
    }

    private static func compute(
        _ sign: ArithmeticOperator, _ a: SQLValue, _ b: SQLValue, _ type: SQLType
    ) throws(EvaluationError) -> SQLValue {
        switch (a, b) {
        case (.int(let a), .int(let b)): return .int(try whole(sign, a, b))
        case (.bigint(let a), .bigint(let b)): return .bigint(try whole(sign, a, b))
        case (.double(let a), .double(let b)):
            switch sign {
            case .add: return .double(a + b)
            case .subtract: return .double(a - b)
            case .multiply: return .double(a * b)
            case .divide: return .double(a / b)
            case .modulus: return .double(a.truncatingRemainder(dividingBy: b))
            }
        case (.decimal(let a), .decimal(let b)):
            guard case .decimal(let precision, let scale) = type, let operation = SQLArithmetic(rawValue: sign.rawValue)
            else { return .null }
            do { return .decimal(try operation.apply(a, b, precision: precision, scale: scale)) } catch {
                throw EvaluationError(error)
            }
        default: return .null
        }
    }

    /// As Java computes: results wrap.
    private static func whole<Number: FixedWidthInteger>(
        _ sign: ArithmeticOperator, _ a: Number, _ b: Number
    ) throws(EvaluationError) -> Number {
        switch sign {
        case .add: return a &+ b
        case .subtract: return a &- b
        case .multiply: return a &* b
        case .divide, .modulus:
            guard b != 0 else { throw EvaluationError("/ by zero") }
            return sign == .divide
                ? a.dividedReportingOverflow(by: b).partialValue
                : a.remainderReportingOverflow(dividingBy: b).partialValue
        }
    }
}

extension TypedExpression {
    /// With constant parts computed; those that fail or have no value stay as they are.
    package func folded(_ functions: FunctionCatalog? = nil) -> Self {
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        return folded(functions, &context)
    }

    private func folded(_ functions: FunctionCatalog?, _ context: inout EvaluationContext) -> Self {
        var copy = self
        func part(_ expression: TypedExpression) -> TypedExpression { expression.folded(functions, &context) }
        switch node {
        case .column, .literal, .lambdaParameter, .timeUnit: return self
        case .lambda(let lambda):
            // Parameters vary, so only its parts may be constant.
            copy.node = .lambda(.init(parameters: lambda.parameters, body: part(lambda.body)))
            return copy
        case .call(let call):
            copy.node = .call(FunctionCall(function: call.function, arguments: call.arguments.map(part)))
            guard let functions, let function = try? functions.scalar(call.function), !function.isVolatile else {
                return copy
            }
        case .arithmetic(let sign, let a, let b): copy.node = .arithmetic(sign, part(a), part(b))
        case .negate(let value): copy.node = .negate(part(value))
        case .comparison(let sign, let a, let b): copy.node = .comparison(sign, part(a), part(b))
        case .and(let a, let b): copy.node = .and(part(a), part(b))
        case .or(let a, let b): copy.node = .or(part(a), part(b))
        case .not(let value): copy.node = .not(part(value))
        case .isNull(let value): copy.node = .isNull(part(value))
        case .isNotNull(let value): copy.node = .isNotNull(part(value))
        case .between(let value, let a, let b): copy.node = .between(part(value), lower: part(a), upper: part(b))
        case .inList(let value, let list): copy.node = .inList(part(value), list.map(part))
        case .like(let value, let pattern, let escape):
            copy.node = .like(part(value), pattern: part(pattern), escape: escape)
        case .searchedCase(let whens, let otherwise):
            copy.node = .searchedCase(
                whens.map { When(part($0.condition), part($0.result)) }, otherwise: otherwise.map(part))
        case .array(let elements): copy.node = .array(elements.map(part))
        case .map(let entries): copy.node = .map(entries.map { MapEntry(part($0.key), part($0.value)) })
        case .structure(let fields): copy.node = .structure(fields.map(part))
        case .subscripted(let base, let index): copy.node = .subscripted(part(base), index: part(index))
        case .field(let base, let index): copy.node = .field(part(base), index)
        case .cast(let value): copy.node = .cast(part(value))
        case .castWithNulls(let value): copy.node = .castWithNulls(part(value))
        case .converted(let value): copy.node = .converted(part(value))
        }
        guard copy.parts.allSatisfy(\.isConstant) else { return copy }
        // Queries that run compare DOUBLEs otherwise than the interpreter.
        if functions == nil, copy.comparesDoubles { return copy }
        let interpreter = ExpressionInterpreter(functions ?? FunctionCatalog())
        guard let value = try? interpreter.evaluate(copy, &context), !value.isNull else { return copy }
        copy.node = .literal(value)
        return copy
    }

    private var comparesDoubles: Bool {
        switch node {
        case .comparison(_, let a, _), .between(let a, _, _): a.type == .double
        default: false
        }
    }

    private var isConstant: Bool {
        switch node {
        case .literal, .timeUnit: true
        case .lambda, .cast, .converted: parts.allSatisfy(\.isConstant)
        default: false
        }
    }

    /// What it is made of.
    package var parts: [TypedExpression] {
        switch node {
        case .column, .literal, .lambdaParameter, .timeUnit: []
        case .call(let call): call.arguments
        case .lambda(let lambda): [lambda.body]
        case .arithmetic(_, let a, let b), .comparison(_, let a, let b), .and(let a, let b), .or(let a, let b): [a, b]
        case .negate(let value), .not(let value), .isNull(let value), .isNotNull(let value), .field(let value, _),
            .cast(let value), .castWithNulls(let value), .converted(let value):
            [value]
        case .between(let value, let a, let b): [value, a, b]
        case .inList(let value, let list): [value] + list
        case .like(let value, let pattern, _): [value, pattern]
        case .searchedCase(let whens, let otherwise):
            whens.flatMap { [$0.condition, $0.result] } + (otherwise.map { [$0] } ?? [])
        case .array(let elements), .structure(let elements): elements
        case .map(let entries): entries.flatMap { [$0.key, $0.value] }
        case .subscripted(let base, let index): [base, index]
        }
    }

    /// The columns that it reads.
    package var columns: Set<Int> {
        if case .column(let index) = node { return [index] }
        return parts.reduce(into: []) { $0.formUnion($1.columns) }
    }
}
