import SQLFunctions
import SQLSyntax
import SQLTypes

extension ExpressionBinder {
    // MARK: Constructors

    func array(_ elements: [Expression], _ position: Position) throws(PlanError) -> TypedExpression {
        guard !elements.isEmpty else {
            throw PlanError(
                .type,
                "Array constructor cannot be empty. Please supply at least one element "
                    + "(see https://github.com/confluentinc/ksql/issues/4239).", at: position)
        }
        guard let (type, values) = try common(elements, position) else {
            throw PlanError(.type, Self.allNull("an array", "elements", "value"), at: position)
        }
        return TypedExpression(.array(values), .array(type), position: position)
    }

    func map(_ entries: [Expression.MapEntry], _ position: Position) throws(PlanError) -> TypedExpression {
        guard !entries.isEmpty else {
            throw PlanError(
                .type,
                "Map constructor cannot be empty. Please supply at least one key value pair "
                    + "(see https://github.com/confluentinc/ksql/issues/4239).", at: position)
        }
        guard let (keyType, keys) = try common(entries.map(\.key), position) else {
            throw PlanError(.type, Self.allNull("a map", "keys", "key"), at: position)
        }
        guard let (valueType, values) = try common(entries.map(\.value), position) else {
            throw PlanError(.type, Self.allNull("a map", "values", "value"), at: position)
        }
        return TypedExpression(
            .map(zip(keys, values).map { .init($0, $1) }), .map(key: keyType, value: valueType), position: position)
    }

    private static func allNull(_ what: String, _ parts: String, _ part: String) -> String {
        "Cannot construct \(what) with all NULL \(parts) (see https://github.com/confluentinc/ksql/issues/4239). "
            + "As a workaround, you may cast a NULL \(part) to the desired type."
    }

    /// The type that expressions have in common, and they in it; nil when all are NULL.
    private func common(
        _ expressions: [Expression], _ position: Position
    ) throws(PlanError) -> (SQLType, [TypedExpression])? {
        var bound: [TypedExpression] = []
        for expression in expressions { bound.append(try bind(expression)) }
        do throws(SQLTypesError) {
            guard
                let type = try CommonType.of(
                    zip(expressions, bound).map({ Self.coercible($0, $1) }), literals: literals)
            else {
                return nil
            }
            var values: [TypedExpression] = []
            for (expression, value) in zip(expressions, bound) {
                values.append(try value.coerced(to: type, as: expression))
            }
            return (type, values)
        } catch {
            throw PlanError(error, at: position)
        }
    }

    func structure(_ fields: [Expression.StructField], _ position: Position) throws(PlanError) -> TypedExpression {
        var values: [TypedExpression] = []
        var types: [SQLField] = []
        var names: Set<String> = []
        for field in fields {
            let value = try bind(field.value)
            guard !value.isNull else {
                throw PlanError(
                    .type,
                    "Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null AS VARCHAR).",
                    at: field.value.position)
            }
            guard names.insert(field.name.text).inserted else {
                throw PlanError("Duplicate field names found in STRUCT: '\(field.name.text)'", at: field.name.position)
            }
            values.append(value)
            types.append(SQLField(field.name.text, value.type))
        }
        return TypedExpression(.structure(values), .structure(types), position: position)
    }

    // MARK: Access

    func subscripted(
        _ base: Expression, _ index: Expression, _ expression: Expression
    ) throws(PlanError) -> TypedExpression {
        let container = try bind(base)
        let key = try bind(index)
        let keyType: SQLType
        let type: SQLType
        switch container.type {
        case .array(let element): (keyType, type) = (.int, element)
        case .map(let key, let value): (keyType, type) = (key, value)
        default:
            let hint =
                container.type.fields == nil
                ? "" : " Use the dereference operator for STRUCTS: \(base)->\(Self.plain(index))"
            throw PlanError(
                .type, "Subscript expression (\(expression)) do not apply to \(container.type).\(hint)",
                at: expression.position)
        }
        do throws(SQLTypesError) {
            let converted: TypedExpression
            if key.type.isNumber, keyType == .int, !key.isNull {
                converted = key.converted(to: .int)
            } else {
                converted = try key.coerced(to: keyType, as: index)
            }
            guard converted.type == keyType else {
                throw SQLTypesError(
                    .unsupported, "Subscript \(index) of \(container.type) should be \(keyType), but is \(key.type)")
            }
            return TypedExpression(.subscripted(container, index: converted), type, position: expression.position)
        } catch {
            throw PlanError(error, at: expression.position).fromCompiling
        }
    }

    private static func plain(_ index: Expression) -> String {
        if case .literal(.string(let text)) = index.kind { text } else { index.description }
    }

    func field(_ base: Expression, _ name: Identifier, _ position: Position) throws(PlanError) -> TypedExpression {
        let container = try bind(base)
        guard let fields = container.type.fields else {
            throw PlanError(.type, "Expected STRUCT type, got: \(container.type)", at: position)
        }
        guard let index = fields.firstIndex(where: { $0.name == name.text }) else {
            throw PlanError(
                .unknownColumn,
                "Could not find field '\(name.text)' in '\(base)'." + Self.hint(name.text, fields.map(\.name)),
                at: name.position)
        }
        return TypedExpression(.field(container, index), fields[index].type, position: position)
    }

    // MARK: Common types

    static func coercible(_ source: Expression, _ bound: TypedExpression) -> CoercibleExpression {
        if bound.isNull { return .null }
        let text = source.description
        switch (source.kind, bound.node) {
        case (.literal, .literal(let value)): return .literal(value, type: bound.type, text: text)
        case (.unary(.minus, let operand), _):
            // "-1" is a literal to whoever writes it.
            if case .literal = operand.kind, case .literal(let value) = bound.folded().node {
                return .literal(value, type: bound.type, text: text)
            }
            return .other(type: bound.type, text: text)
        case (.array(let sources), .array(let values)):
            return .array(zip(sources, values).map { coercible($0, $1.original) }, type: bound.type, text: text)
        case (.map(let sources), .map(let values)):
            return .map(
                zip(sources, values).map {
                    (key: coercible($0.key, $1.key.original), value: coercible($0.value, $1.value.original))
                },
                type: bound.type, text: text)
        case (.structure(let sources), .structure(let values)):
            return .structure(
                zip(sources, values).map { (name: $0.name.text, value: coercible($0.value, $1.original)) },
                type: bound.type, text: text)
        default: return .other(type: bound.type, text: text)
        }
    }
}

extension TypedExpression {
    /// Whether it is a bare NULL, which has no type.
    package var isNull: Bool { if case .literal(.null) = node { true } else { false } }

    /// As messages name it.
    var typeName: String { isNull ? "NULL" : type.base.rawValue }

    /// A NULL of a type.
    func typed(_ type: SQLType) -> Self {
        var copy = self
        copy.type = type
        return copy
    }

    func cast(to type: SQLType) -> Self {
        self.type == type ? self : TypedExpression(.cast(self), type, position: position)
    }

    /// For an operator.
    func converted(to type: SQLType) -> Self {
        self.type == type ? self : TypedExpression(.converted(self), type, position: position)
    }

    /// Integers as the DECIMALs that hold them.
    var asDecimal: Self {
        switch type {
        case .int: converted(to: .intAsDecimal)
        case .bigint: converted(to: .bigintAsDecimal)
        default: self
        }
    }

    /// What it was before an array or map widened it.
    fileprivate var original: Self {
        if case .cast(let inner) = node, inner.type.isNumber, type.isNumber { inner } else { self }
    }

    /// In a wider type that it shares with others: literals become what they spell.
    func coerced(to target: SQLType, as source: Expression) throws(SQLTypesError) -> Self {
        if isNull { return typed(target) }
        if type == target { return self }
        switch (node, target) {
        case (.literal(let value), _):
            return TypedExpression(
                .literal(try Coercion.literal(value, of: type, as: target)), target, position: position)
        case (.negate(let inner), _):
            if case .literal = inner.node, case .literal = folded().node {
                return try folded().coerced(to: target, as: source)
            }
            return cast(to: target)
        case (.array(let values), .array(let element)):
            var converted: [TypedExpression] = []
            for value in values { converted.append(try value.coerced(to: element, as: source)) }
            return TypedExpression(.array(converted), target, position: position)
        case (.map(let entries), .map(let key, let value)):
            var converted: [MapEntry] = []
            for entry in entries {
                converted.append(
                    MapEntry(
                        try entry.key.coerced(to: key, as: source), try entry.value.coerced(to: value, as: source)))
            }
            return TypedExpression(.map(converted), target, position: position)
        case (.structure(let values), .structure(let fields)):
            guard let own = type.fields else { return cast(to: target) }
            var converted: [TypedExpression] = []
            for field in fields {
                if let index = own.firstIndex(where: { $0.name == field.name }) {
                    converted.append(try values[index].coerced(to: field.type, as: source))
                } else {
                    converted.append(TypedExpression(.literal(.null), field.type, position: position))
                }
            }
            return TypedExpression(.structure(converted), target, position: position)
        default: return cast(to: target)
        }
    }
}
