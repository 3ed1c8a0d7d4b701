import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes
import TestKit
import Testing

@testable import StreamEngine

/// The rules of expressions, one row at a time: null operands of arithmetic and logic fail, comparisons with null are
/// false, a CAST, an element and a call as argument of another are null where they fail.
struct RowModel {
    struct Failed: Error {}
    var row: [SQLValue]
    var parameters: [[SQLValue]] = []

    func value(_ expression: TypedExpression) throws -> SQLValue {
        switch expression.node {
        case .column(let index): return row[index]
        case .literal(let value): return value
        case .lambdaParameter(let depth, let index): return parameters[parameters.count - 1 - depth][index]
        case .arithmetic(let sign, let a, let b):
            let (a, b) = (try value(a), try value(b))
            if case .string = expression.type { return .string((a.string ?? "null") + (b.string ?? "null")) }
            guard let x = a.int, let y = b.int else { throw Failed() }
            switch sign.rawValue {
            case "+": return .int(x &+ y)
            case "-": return .int(x &- y)
            case "*": return .int(x &* y)
            default:
                if y == 0 { throw Failed() }
                if y == -1 { return .int(sign.rawValue == "/" ? 0 &- x : 0) }
                return .int(sign.rawValue == "/" ? x / y : x % y)
            }
        case .comparison(let sign, let a, let b):
            let (a, b) = (try value(a), try value(b))
            if a.isNull || b.isNull { return .boolean(sign.rawValue == "IS DISTINCT FROM" && a.isNull != b.isNull) }
            let order = a.compare(to: b) ?? 0
            switch sign.rawValue {
            case "=": return .boolean(order == 0)
            case "<>", "IS DISTINCT FROM": return .boolean(order != 0)
            case "<": return .boolean(order < 0)
            case "<=": return .boolean(order <= 0)
            case ">": return .boolean(order > 0)
            default: return .boolean(order >= 0)
            }
        case .and(let a, let b): return .boolean(try condition(a) && condition(b))
        case .or(let a, let b): return .boolean(try condition(a) || condition(b))
        case .not(let a): return .boolean(try !condition(a))
        case .isNull(let a): return .boolean(try value(a).isNull)
        case .between(let a, let low, let high):
            guard let number = try value(a).int, let low = try value(low).int, low <= number else {
                // A value that is null has the lower bound looked at, which may fail.
                _ = try value(low)
                return .boolean(false)
            }
            return .boolean(try value(high).int.map { number <= $0 } ?? false)
        case .inList(let a, let list):
            let a = try value(a)
            let values = try list.map(value)
            return .boolean(!a.isNull && values.contains(a))
        case .searchedCase(let cases, let otherwise):
            for item in cases where try condition(item.condition) { return try value(item.result) }
            return try otherwise.map(value) ?? .null
        case .cast(let a): return isolated(a).int.map { .string("\($0)") } ?? .null
        case .call(let call):
            switch call.function {
            case "COALESCE":
                for argument in call.arguments {
                    let value = try self.argument(argument)
                    if !value.isNull { return value }
                }
                return .null
            case "TRANSFORM":
                guard case .lambda(let lambda) = call.arguments[1].node,
                    let elements = try argument(call.arguments[0]).array
                else { return .null }
                var inner = self
                var made: [SQLValue] = []
                for element in elements {
                    inner.parameters = parameters + [[element]]
                    made.append(try inner.value(lambda.body))
                }
                return .array(made)
            default:
                guard let number = try argument(call.arguments[0]).int else { return .null }
                guard number % 2 == 0 else { throw Failed() }
                return .int(number)
            }
        case .array(let list): return .array(list.map(isolated))
        case .subscripted(let a, let b):
            guard let list = try value(a).array else { return .null }
            guard let index = try value(b).int else { throw Failed() }
            let at = index > 0 ? Int(index) - 1 : list.count + Int(index)
            return index != 0 && list.indices.contains(at) ? list[at] : .null
        default: throw Failed()
        }
    }

    private func isolated(_ expression: TypedExpression) -> SQLValue { (try? value(expression)) ?? .null }

    private func argument(_ expression: TypedExpression) throws -> SQLValue {
        if case .call = expression.node { isolated(expression) } else { try value(expression) }
    }

    private func condition(_ expression: TypedExpression) throws -> Bool {
        guard let value = try value(expression).boolean else { throw Failed() }
        return value
    }
}

@Suite struct ExpressionTests {
    /// Rows are (INT, INT, STRING, BOOLEAN, ARRAY<INT>).
    static let types: [SQLType] = [.int, .int, .string, .boolean, .array(.int)]

    struct Generator {
        var random: SeededRandom
        var inLambda = false
        /// Without functions that only tests have.
        var isPlain = false

        mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

        mutating func expression(_ type: SQLType, _ depth: Int) -> TypedExpression {
            func node(_ node: TypedExpression.Node) -> TypedExpression { TypedExpression(node, type) }
            let isLeaf = depth == 0
            switch type {
            case .int:
                switch isLeaf ? pick(3) : (isPlain ? [0, 1, 2, 3, 3, 4, 6, 7] : Array(0..<8))[pick(8)] {
                case 0: return node(.column(pick(2)))
                case 1: return inLambda ? node(.lambdaParameter(depth: 0, index: 0)) : node(.column(0))
                case 2: return node(.literal(.int(Int32(pick(7)) - 3)))
                case 3:
                    return node(
                        .arithmetic(
                            [.add, .subtract, .multiply, .divide, .modulus][pick(5)], expression(.int, depth - 1),
                            expression(.int, depth - 1)))
                case 4: return choice(.int, depth)
                case 5:
                    return node(.call(FunctionCall(function: "FAIL_IF_ODD", arguments: [expression(.int, depth - 1)])))
                case 6:
                    return node(
                        .call(
                            FunctionCall(
                                function: "COALESCE",
                                arguments: (0..<3).map { _ in expression(.int, depth - 1) })))
                default:
                    return node(.subscripted(expression(.array(.int), depth - 1), index: expression(.int, depth - 1)))
                }
            case .boolean:
                switch isLeaf ? 0 : pick(8) {
                case 0: return node(.column(3))
                case 1, 2:
                    let signs: [TypedExpression] = [.string, .int].map { expression($0, depth - 1) }
                    let left = signs[pick(2)]
                    return comparison(left, expression(left.type, depth - 1))
                case 3: return node(.and(expression(.boolean, depth - 1), expression(.boolean, depth - 1)))
                case 4: return node(.or(expression(.boolean, depth - 1), expression(.boolean, depth - 1)))
                case 5: return node(.not(expression(.boolean, depth - 1)))
                case 6: return node(.isNull(expression([.int, .string, .boolean][pick(3)], depth - 1)))
                default:
                    let value = expression(.int, depth - 1)
                    let others = (0..<2).map { _ in expression(.int, depth - 1) }
                    return pick(2) == 0
                        ? node(.between(value, lower: others[0], upper: others[1])) : node(.inList(value, others))
                }
            case .string:
                switch isLeaf ? pick(2) : pick(5) {
                case 0: return node(.column(2))
                case 1: return node(.literal(.string(["", "a", "é", "b"][pick(4)])))
                case 2: return node(.arithmetic(.add, expression(.string, depth - 1), expression(.string, depth - 1)))
                case 3: return choice(.string, depth)
                default: return node(.cast(expression(.int, depth - 1)))
                }
            default:
                switch isLeaf ? 0 : pick(isPlain ? 2 : 3) {
                case 0: return node(.column(4))
                case 1: return node(.array((0..<2).map { _ in expression(.int, depth - 1) }))
                default:
                    guard !inLambda else { return node(.column(4)) }
                    let list = expression(.array(.int), depth - 1)
                    inLambda = true
                    let body = expression(.int, depth - 1)
                    inLambda = false
                    let lambda = TypedExpression(.lambda(.init(parameters: [.int], body: body)), .int)
                    return node(.call(FunctionCall(function: "TRANSFORM", arguments: [list, lambda])))
                }
            }
        }

        mutating func choice(_ type: SQLType, _ depth: Int) -> TypedExpression {
            let cases = (0..<2).map { _ in
                TypedExpression.When(expression(.boolean, depth - 1), expression(type, depth - 1))
            }
            let otherwise = pick(2) == 0 ? nil : expression(type, depth - 1)
            return TypedExpression(.searchedCase(cases, otherwise: otherwise), type)
        }

        mutating func comparison(_ a: TypedExpression, _ b: TypedExpression) -> TypedExpression {
            TypedExpression(
                .comparison(
                    [.equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .isDistinctFrom][pick(7)], a, b),
                .boolean)
        }

        mutating func row() -> [SQLValue] {
            func orNull(_ value: SQLValue) -> SQLValue { pick(5) == 0 ? .null : value }
            return [
                orNull(.int(Int32(pick(9)) - 4)), orNull(.int(Int32(pick(9)) - 4)),
                orNull(.string(["", "a", "b", "é", "ab"][pick(5)])), orNull(.boolean(pick(2) == 0)),
                orNull(.array((0..<pick(4)).map { _ in orNull(.int(Int32(pick(5)))) })),
            ]
        }
    }

    @Test(arguments: 1...150 as ClosedRange<UInt64>)
    func `kernels compute what one row after the other gives`(seed: UInt64) throws {
        var generator = Generator(random: SeededRandom(seed: seed))
        let type = [SQLType.int, .boolean, .string, .array(.int)][Int(seed % 4)]
        let expression = generator.expression(type, 4)
        let rows = (0..<20).map { _ in generator.row() }
        let compiled = try CompiledExpression(expression, functions: TestFunctions())
        let columns = Self.types.indices.map { index in Vector(rows.map { $0[index] }, Self.types[index]) }
        var failures: [CompiledExpression.Failure] = []
        let result = compiled.evaluate(columns, count: rows.count, failures: &failures)
        for (index, row) in rows.enumerated() {
            let expected = (try? RowModel(row: row).value(expression)) ?? .null
            let actual = result.value(index, type)
            #expect(actual == expected, "row \(row)")
        }
    }

    /// One rule for nulls: what the planner's interpreter computes, kernels compute, and where it throws they note it.
    @Test(arguments: 1...150 as ClosedRange<UInt64>)
    func `kernels compute what the interpreter does`(seed: UInt64) throws {
        var generator = Generator(random: SeededRandom(seed: seed), isPlain: true)
        let type = [SQLType.int, .boolean, .string, .array(.int)][Int(seed % 4)]
        let expression = generator.expression(type, 4)
        let rows = (0..<20).map { _ in generator.row() }
        let compiled = try CompiledExpression(expression, functions: TestFunctions())
        let columns = Self.types.indices.map { index in Vector(rows.map { $0[index] }, Self.types[index]) }
        var failures: [CompiledExpression.Failure] = []
        let result = compiled.evaluate(columns, count: rows.count, failures: &failures)
        let interpreter = ExpressionInterpreter(.builtIn)
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        for (index, row) in rows.enumerated() {
            let isNoted = failures.contains { $0.row == index }
            do throws(EvaluationError) {
                let expected = try interpreter.evaluate(expression, row: row, &context)
                #expect(result.value(index, type) == expected, "row \(row)")
                #expect(!isNoted, "row \(row)")
            } catch {
                #expect(isNoted, "row \(row): \(error)")
            }
        }
    }

    @Test func `ASCII and other texts change their case`() throws {
        let texts = ["Hello", "GRÜßE", "", "ÀB"]
        for (function, expected) in [
            ("LCASE", texts.map { $0.lowercased() }), ("UCASE", texts.map { $0.uppercased() }),
        ] {
            let call = FunctionCall(function: function, arguments: [TypedExpression(.column(0), .string)])
            let compiled = try CompiledExpression(TypedExpression(.call(call), .string), functions: TestFunctions())
            var failures: [CompiledExpression.Failure] = []
            for rows in [texts, ["Only", "ASCII"]] {
                let result = compiled.evaluate(
                    [Vector(rows.map { .string($0) }, .string)], count: rows.count, failures: &failures)
                let wanted =
                    rows == texts ? expected : rows.map { function == "LCASE" ? $0.lowercased() : $0.uppercased() }
                #expect((0..<rows.count).map { result.value($0, .string).string } == wanted)
            }
        }
    }
}
