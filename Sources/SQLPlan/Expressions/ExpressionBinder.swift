import Bytes
package import SQLFunctions
package import SQLSyntax
import SQLTypes

/// Resolves the names of expressions against the columns of a step and gives every part its type.
///
/// Rules and messages are those of ksqlDB's type inference; what the original finds only when it compiles an expression
/// is marked in the error (`isFromCompiling`), since its messages say so.
package struct ExpressionBinder: Sendable {
    private let columns: [RowSchema.Column]
    private let indexes: [String: Int]
    let functions: FunctionCatalog
    let literals: DecimalLiterals
    /// `ksql.cast.strings.preserve.nulls`: when false, a null that becomes a STRING is the text "null".
    var castsKeepNulls = true
    var lambdas: [[(name: String, type: SQLType)]] = []

    /// Of columns with the same name the last counts.
    package init(_ columns: [RowSchema.Column], functions: FunctionCatalog, rules: RuleVersion = .current) {
        self.columns = columns
        self.functions = functions
        literals = rules.literals
        indexes = Dictionary(columns.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { $1 })
    }

    /// An expression and its type. A bare NULL is a `.literal(.null)`, whatever its type says.
    package func bind(_ expression: Expression) throws(PlanError) -> TypedExpression {
        let position = expression.position
        switch expression.kind {
        case .literal(let literal): return try Self.constant(literal, position, literals)
        case .column(let name): return try column(name, position)
        case .qualifiedColumn(let source, let column):
            throw PlanError(.unknownColumn, "Unknown column \(source.text).\(column.text).", at: position)
        case .lambdaParameter(let name): return try lambdaParameter(name, position)
        case .timeUnit(let unit): return TypedExpression(.timeUnit(unit.rawValue), .string, position: position)
        case .unary(let sign, let value): return try unary(sign, value, expression)
        case .arithmetic(let sign, let left, let right): return try arithmetic(sign, left, right, expression)
        case .comparison(let sign, let left, let right):
            return try comparison(sign, try bind(left), try bind(right), left, right, position)
        case .logical(let sign, let left, let right):
            let a = try boolean(left)
            let b = try boolean(right)
            return TypedExpression(sign == .and ? .and(a, b) : .or(a, b), .boolean, position: position)
        case .not(let value): return TypedExpression(.not(try boolean(value)), .boolean, position: position)
        case .isNull(let value): return TypedExpression(.isNull(try bind(value)), .boolean, position: position)
        case .isNotNull(let value): return TypedExpression(.isNotNull(try bind(value)), .boolean, position: position)
        case .between(let value, let lower, let upper): return try between(value, lower, upper, position)
        case .inList(let value, let list): return try inList(value, list, position)
        case .like(let value, let pattern, let escape):
            return TypedExpression(
                .like(try text(value), pattern: try text(pattern), escape: escape), .boolean, position: position)
        case .call(let function, let arguments): return try call(function, arguments, position)
        case .lambda:
            throw PlanError("Unexpected lambda: \(expression). Lambdas are arguments of functions.", at: position)
        case .cast(let value, let type): return try cast(value, type, position)
        case .searchedCase(let whens, let otherwise): return try searchedCase(whens, otherwise, position)
        case .simpleCase(let operand, let whens, let otherwise):
            let conditions = whens.map { when in
                Expression.When(
                    Expression(.comparison(.equal, operand, when.condition), position: when.condition.position),
                    when.result)
            }
            return try searchedCase(conditions, otherwise, position)
        case .array(let elements): return try array(elements, position)
        case .map(let entries): return try map(entries, position)
        case .structure(let fields): return try structure(fields, position)
        case .subscripted(let base, let index): return try subscripted(base, index, expression)
        case .field(let base, let name): return try field(base, name, position)
        case .atTimeZone(let value, let zone):
            let call = Expression.Kind.call(
                function: Identifier("CONVERT_TZ"),
                arguments: [value, Expression(.literal(.string("UTC"))), Expression(.literal(.string(zone)))])
            return try bind(Expression(call, position: position))
        }
    }

    // MARK: Names

    private func column(_ name: Identifier, _ position: Position) throws(PlanError) -> TypedExpression {
        guard let index = indexes[name.text] else {
            throw PlanError(
                .unknownColumn,
                "Unknown column \(name.text)." + Self.hint(name.text, columns.map(\.name)), at: position)
        }
        return TypedExpression(.column(index), columns[index].type, position: position)
    }

    static func hint(_ name: String, _ others: [String]) -> String {
        nearestName(to: name, among: others).map { "\nDid you mean \($0)?" } ?? ""
    }

    private func lambdaParameter(_ name: Identifier, _ position: Position) throws(PlanError) -> TypedExpression {
        for (depth, scope) in lambdas.reversed().enumerated() {
            guard let index = scope.firstIndex(where: { $0.name == name.text }) else { continue }
            return TypedExpression(
                .lambdaParameter(depth: depth, index: index), scope[index].type, position: position)
        }
        throw PlanError(.unknownColumn, "Unknown lambda parameter \(name.text).", at: position)
    }

    // MARK: Constants

    static func constant(
        _ literal: Literal, _ position: Position, _ literals: DecimalLiterals
    ) throws(PlanError) -> TypedExpression {
        switch literal {
        case .null: return TypedExpression(.literal(.null), .string, position: position)
        case .boolean(let value): return TypedExpression(.literal(.boolean(value)), .boolean, position: position)
        case .integer(let value): return TypedExpression(.literal(.int(value)), .int, position: position)
        case .bigint(let value): return TypedExpression(.literal(.bigint(value)), .bigint, position: position)
        case .double(let value): return TypedExpression(.literal(.double(value)), .double, position: position)
        case .string(let value): return TypedExpression(.literal(.string(value)), .string, position: position)
        case .decimal(let digits):
            do {
                let value = try SQLDecimal(digits)
                return TypedExpression(.literal(.decimal(value)), literals.type(of: value), position: position)
            } catch {
                throw PlanError(error, at: position)
            }
        case .variable(let name): throw PlanError("Variable '\(name)' has no value.", at: position)
        }
    }

    // MARK: Operators

    private func unary(
        _ sign: UnaryOperator, _ operand: Expression, _ expression: Expression
    ) throws(PlanError) -> TypedExpression {
        let value = try bind(operand)
        guard !value.isNull, value.type.isNumber else {
            throw PlanError(
                .type, "Error processing expression: \(expression). Unsupported arithmetic types. \(value.typeName)",
                at: expression.position)
        }
        guard sign == .minus else { return value }
        return TypedExpression(.negate(value), value.type, position: expression.position)
    }

    private func arithmetic(
        _ sign: ArithmeticOperator, _ left: Expression, _ right: Expression, _ expression: Expression
    ) throws(PlanError) -> TypedExpression {
        var a = try bind(left)
        var b = try bind(right)
        let failure = "Error processing expression: \(expression). "
        guard !a.isNull, !b.isNull, let operation = SQLArithmetic(rawValue: sign.rawValue) else {
            let types = [a, b].map { $0.isNull ? "null" : $0.type.description }
            throw PlanError(
                .type, failure + "Arithmetic on types \(types[0]) and \(types[1]) are not supported.",
                at: expression.position)
        }
        let type: SQLType
        do { type = try operation.resultType(a.type, b.type) } catch {
            throw PlanError(.type, failure + error.message, at: expression.position)
        }
        switch type {
        case .int, .bigint, .double:
            a = a.converted(to: type)
            b = b.converted(to: type)
        case .decimal:
            a = a.asDecimal
            b = b.asDecimal
        default: break
        }
        return TypedExpression(.arithmetic(sign, a, b), type, position: expression.position)
    }

    /// - Parameters:
    ///   - left: and `right`: how the sides are written, for messages.
    private func comparison(
        _ sign: ComparisonOperator, _ a: TypedExpression, _ b: TypedExpression, _ left: Expression, _ right: Expression,
        _ position: Position
    ) throws(PlanError) -> TypedExpression {
        guard !a.isNull, !b.isNull else {
            throw PlanError(
                .type,
                "Comparison with NULL not supported: \(a.typeName) \(sign.rawValue) \(b.typeName)\n"
                    + "Use 'IS NULL' or 'IS NOT NULL' instead.", at: position)
        }
        guard let type = Self.comparedAs(a.type, b.type, sign) else {
            throw PlanError(
                .type, "Cannot compare \(left) (\(a.type)) to \(right) (\(b.type)) with \(sign.name).", at: position)
        }
        let sides = type.base == .decimal ? (a.asDecimal, b.asDecimal) : (a.converted(to: type), b.converted(to: type))
        return TypedExpression(.comparison(sign, sides.0, sides.1), .boolean, position: position)
    }

    /// The type as which two sides are compared; nil when they cannot be.
    private static func comparedAs(_ a: SQLType, _ b: SQLType, _ sign: ComparisonOperator) -> SQLType? {
        let isEquality = sign == .equal || sign == .notEqual || sign == .isDistinctFrom
        switch (a.base, b.base) {
        case _ where a.isNumber && b.isNumber:
            if a == .double || b == .double { return .double }
            if a.base == .decimal || b.base == .decimal { return Coercion.widened(a, b) }
            return a == .bigint || b == .bigint ? .bigint : .int
        case (.string, .string), (.bytes, .bytes), (.time, .time): return a
        case (.string, .time), (.string, .date), (.string, .timestamp): return b
        case (.time, .string), (.date, .string), (.timestamp, .string): return a
        case (.date, .date): return .date
        case (.date, .timestamp), (.timestamp, .date), (.timestamp, .timestamp): return .timestamp
        case (.boolean, .boolean): return isEquality ? a : nil
        case (.array, .array), (.map, .map), (.structure, .structure): return isEquality ? (a == b ? a : a) : nil
        default: return nil
        }
    }

    private func between(
        _ value: Expression, _ lower: Expression, _ upper: Expression, _ position: Position
    ) throws(PlanError) -> TypedExpression {
        let bound = try bind(value)
        if !bound.isNull, !bound.type.isPrimitive || bound.type == .boolean {
            throw PlanError(.type, "Cannot execute BETWEEN with \(bound.type.base.rawValue) values", at: position)
                .fromCompiling
        }
        let from = try comparison(.greaterOrEqual, bound, try bind(lower), value, lower, position)
        let to = try comparison(.lessOrEqual, bound, try bind(upper), value, upper, position)
        if case .comparison(_, let a, let low) = from.node, case .comparison(_, let b, let high) = to.node, a == b {
            return TypedExpression(.between(a, lower: low, upper: high), .boolean, position: position)
        }
        return TypedExpression(.and(from, to), .boolean, position: position)
    }

    private func inList(
        _ value: Expression, _ list: [Expression], _ position: Position
    ) throws(PlanError) -> TypedExpression {
        let all = [value] + list
        var bound: [TypedExpression] = []
        for expression in all { bound.append(try bind(expression)) }
        do throws(SQLTypesError) {
            guard let type = try CommonType.of(zip(all, bound).map({ Self.coercible($0, $1) }), literals: literals)
            else {
                return TypedExpression(.literal(.boolean(false)), .boolean, position: position)
            }
            var converted: [TypedExpression] = []
            for (expression, item) in zip(all, bound) {
                converted.append(try item.coerced(to: type, as: expression))
            }
            let first = converted.removeFirst()
            return TypedExpression(
                .inList(first, converted.filter { !$0.isNull }), .boolean, position: position)
        } catch {
            throw PlanError(error, at: position).fromCompiling
        }
    }

    private func boolean(_ expression: Expression) throws(PlanError) -> TypedExpression {
        let bound = try bind(expression)
        if bound.isNull { return bound.typed(.boolean) }
        guard bound.type == .boolean else {
            throw PlanError(
                .type, "Operand \(expression) should evaluate to boolean but is \(bound.type) instead.",
                at: expression.position
            ).fromCompiling
        }
        return bound
    }

    private func text(_ expression: Expression) throws(PlanError) -> TypedExpression {
        let bound = try bind(expression)
        if bound.isNull { return bound.typed(.string) }
        guard bound.type == .string else {
            throw PlanError(
                .type, "LIKE is only supported for STRING, but \(expression) is \(bound.type).", at: expression.position
            ).fromCompiling
        }
        return bound
    }

    private func cast(
        _ value: Expression, _ type: TypeExpression, _ position: Position
    ) throws(PlanError) -> TypedExpression {
        let target = try TypeResolver(types: [:]).resolve(type)
        let bound = try bind(value)
        if bound.isNull { return TypedExpression(.cast(bound.typed(target)), target, position: position) }
        if bound.type == target { return bound }
        do { _ = try SQLCast(from: bound.type, to: target) } catch {
            throw PlanError(error, at: position).fromCompiling
        }
        let cast = TypedExpression(.cast(bound), target, position: position)
        guard !castsKeepNulls, target == .string, bound.type.isNullText else { return cast }
        return TypedExpression(.castWithNulls(bound), .string, position: position)
    }

    private func searchedCase(
        _ whens: [Expression.When], _ otherwise: Expression?, _ position: Position
    ) throws(PlanError) -> TypedExpression {
        var conditions: [TypedExpression] = []
        var results: [TypedExpression] = []
        for when in whens {
            let condition = try bind(when.condition)
            guard condition.isNull || condition.type == .boolean else {
                throw PlanError(
                    .type,
                    "WHEN operand type should be boolean.\nType for '\(when.condition)' is \(condition.type)",
                    at: when.condition.position)
            }
            conditions.append(condition.isNull ? condition.typed(.boolean) : condition)
            results.append(try bind(when.result))
        }
        let fallback = try otherwise.map { expression throws(PlanError) in try bind(expression) }
        let sources = whens.map(\.result) + (otherwise.map { [$0] } ?? [])
        let all = results + (fallback.map { [$0] } ?? [])
        do throws(SQLTypesError) {
            guard let type = try CommonType.of(zip(sources, all).map({ Self.coercible($0, $1) }), literals: literals)
            else {
                throw SQLTypesError(.unsupported, "All case branches have NULL type")
            }
            var branches: [TypedExpression.When] = []
            for (index, condition) in conditions.enumerated() {
                branches.append(.init(condition, try results[index].coerced(to: type, as: sources[index])))
            }
            let last = try fallback.map { value throws(SQLTypesError) in
                try value.coerced(to: type, as: sources[sources.count - 1])
            }
            return TypedExpression(.searchedCase(branches, otherwise: last), type, position: position)
        } catch {
            throw PlanError(.type, "Invalid Case expression. " + error.message, at: position)
        }
    }
}

extension SQLType {
    /// Whether the original makes a text of a null of this type as Java does, where it is told to.
    fileprivate var isNullText: Bool {
        switch self {
        case .string, .decimal, .timestamp, .date, .time, .bytes: false
        default: true
        }
    }
}
