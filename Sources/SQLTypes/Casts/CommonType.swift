/// An expression as far as finding a common type needs to know it.
package indirect enum CoercibleExpression: Sendable {
    case null
    /// `text` is how the expression is written, for errors.
    case literal(SQLValue, type: SQLType, text: String)
    /// ARRAY[...], whose type is nil when all elements are null.
    case array([CoercibleExpression], type: SQLType?, text: String)
    /// MAP(k := v, ...)
    case map([(key: CoercibleExpression, value: CoercibleExpression)], type: SQLType?, text: String)
    /// STRUCT(f := v, ...)
    case structure([(name: String, value: CoercibleExpression)], type: SQLType?, text: String)
    case other(type: SQLType?, text: String)

    package var type: SQLType? {
        switch self {
        case .null: nil
        case .literal(_, let type, _): type
        case .array(_, let type, _), .map(_, let type, _), .structure(_, let type, _), .other(let type, _): type
        }
    }

    var text: String {
        switch self {
        case .null: "NULL"
        case .literal(_, _, let text), .array(_, _, let text), .map(_, _, let text), .structure(_, _, let text),
            .other(_, let text):
            text
        }
    }
}

/// The type that a list of expressions has in common: `IN (...)`, `ARRAY[...]`, `MAP(...)`, branches of CASE.
package enum CommonType {
    /// The type of the first element that is not null, widened to hold the others; nil when all are null.
    ///
    /// - Parameter literals: how numbers in texts are typed.
    /// - Throws: `.unsupported`: "operator does not exist: A = B (expression)..."; `.invalidText`: "invalid input syntax
    ///   for type T: "x"."
    package static func of(
        _ expressions: [CoercibleExpression], literals: DecimalLiterals = .withDigitBeforePoint
    ) throws(SQLTypesError) -> SQLType? {
        try all(expressions, from: nil, literals)
    }

    private static func widen(
        _ common: SQLType?, with expression: CoercibleExpression, _ literals: DecimalLiterals
    ) throws(SQLTypesError) -> SQLType? {
        guard let common else { return expression.type }
        guard let type = expression.type else { return common }
        switch expression {
        case .null: return common
        case .array(let elements, _, _):
            guard case .array(let element) = common else { throw failure(expression, type, common) }
            return try nested(expression, type, common) { () throws(SQLTypesError) in
                try all(elements, from: element, literals).map { .array($0) }
            }
        case .map(let entries, _, _):
            guard case .map(let key, let value) = common else { throw failure(expression, type, common) }
            return try nested(expression, type, common) { () throws(SQLTypesError) in
                let keyType = try all(entries.map(\.key), from: key, literals)
                let valueType = try all(entries.map(\.value), from: value, literals)
                guard let keyType, let valueType else { return nil }
                return .map(key: keyType, value: valueType)
            }
        case .structure(let members, _, _):
            guard case .structure(let fields) = common else { throw failure(expression, type, common) }
            return try nested(expression, type, common) { () throws(SQLTypesError) in
                var result: [SQLField] = []
                for member in members {
                    let known = fields.first { $0.name == member.name }?.type
                    guard let type = try widen(known, with: member.value, literals) else { continue }
                    result.append(SQLField(member.name, type))
                }
                for field in fields where !members.contains(where: { $0.name == field.name }) { result.append(field) }
                return .structure(result)
            }
        case .literal(.string(let text), _, _) where common.isNumber: return try number(text, common, literals)
        case .literal(.string(let text), _, _) where common == .boolean:
            guard NumberText.exactBoolean(NumberText.trim(text)) != nil else {
                throw Coercion.invalidSyntax(text, common)
            }
            return common
        case .literal: return try simple(expression, type, common, isLiteral: true)
        case .other: return try simple(expression, type, common, isLiteral: false)
        }
    }

    private static func simple(
        _ expression: CoercibleExpression, _ type: SQLType, _ common: SQLType, isLiteral: Bool
    ) throws(SQLTypesError) -> SQLType {
        if let result = Coercion.common(type, common, isLiteral: isLiteral)
            ?? Coercion.common(common, type, isLiteral: isLiteral)
        {
            return result
        }
        throw failure(expression, type, common)
    }

    private static func all(
        _ expressions: [CoercibleExpression], from start: SQLType?, _ literals: DecimalLiterals
    ) throws(SQLTypesError) -> SQLType? {
        var result = start
        for expression in expressions { result = try widen(result, with: expression, literals) }
        return result
    }

    private static func nested(
        _ expression: CoercibleExpression, _ type: SQLType, _ common: SQLType,
        _ body: () throws(SQLTypesError) -> SQLType?
    ) throws(SQLTypesError) -> SQLType? {
        do { return try body() } catch {
            // What does not spell a value is told as it is, what has another type together with its surroundings.
            guard error.code == .unsupported else { throw error }
            throw SQLTypesError(error.code, failure(expression, type, common).message + "\n" + error.message)
        }
    }

    /// The common type with a text that spells a number.
    private static func number(
        _ text: String, _ common: SQLType, _ literals: DecimalLiterals
    ) throws(SQLTypesError) -> SQLType {
        guard let number = SQLDecimal(utf8: Array(NumberText.trim(text).utf8)) else {
            throw Coercion.invalidSyntax(text, common)
        }
        let spelled: SQLType
        if !text.utf8.contains(where: { ".eE".utf8.contains($0) }), let value = number.unscaledInt64 {
            spelled = value > Int64(Int32.min) && value < Int64(Int32.max) ? .int : .bigint
        } else {
            spelled = literals.type(of: number)
        }
        if common == .double { return .double }
        if common.base == .decimal || spelled.base == .decimal { return Coercion.widened(spelled, common) ?? common }
        return Coercion.canCast(spelled.base, to: common.base) ? common : spelled
    }

    private static func failure(
        _ expression: CoercibleExpression, _ type: SQLType, _ common: SQLType
    ) -> SQLTypesError {
        SQLTypesError(
            .unsupported,
            "operator does not exist: \(common) = \(type) (\(expression.text))\n"
                + "Hint: You might need to add explicit type casts.")
    }
}

/// How numbers that are written with a point are typed.
package enum DecimalLiterals: Sendable {
    /// The original's: 0.05 is a DECIMAL(3, 2).
    case withDigitBeforePoint
    /// The DECIMAL that just holds the number, as earlier programs typed it: 0.05 is a DECIMAL(2, 2).
    case withDigitsNeeded

    package func type(of number: SQLDecimal) -> SQLType {
        let scale = max(number.scale, 0)
        let places = number.precision - number.scale
        switch self {
        case .withDigitBeforePoint:
            return .decimal(precision: (number.isZero ? 1 : max(places, 1)) + scale, scale: scale)
        case .withDigitsNeeded:
            if number.scale < 0 { return .decimal(precision: places, scale: 0) }
            return .decimal(precision: number.isZero ? scale + 1 : max(number.precision, scale), scale: scale)
        }
    }
}
