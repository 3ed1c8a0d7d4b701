import SQLSyntax
import SQLTypes

/// Types as they are written, with the names that CREATE TYPE made.
struct TypeResolver {
    /// Nested deeper than the syntax allows cannot be; custom types are resolved already.
    let types: [String: SQLType]

    /// Of a type, all that it consists of counted, wherever it stands: names double what they are made of with each step.
    private static let partCountMax = 100_000
    /// As deep as schemas are written and read again.
    private static let depthMax = SchemaText.depthMax

    /// - Throws: `PlanError` for names that are not known, and for types with too many parts or too many levels.
    func resolve(_ expression: TypeExpression) throws(PlanError) -> SQLType {
        var partCount = 0
        return try resolve(expression, 1, &partCount)
    }

    private func resolve(_ expression: TypeExpression, _ depth: Int, _ partCount: inout Int) throws(PlanError) -> SQLType {
        try Self.count(depth, &partCount, expression.position)
        switch expression.kind {
        case .primitive(let type):
            switch type {
            case .boolean: return .boolean
            case .integer: return .int
            case .bigint: return .bigint
            case .double: return .double
            case .string: return .string
            case .bytes: return .bytes
            case .time: return .time
            case .date: return .date
            case .timestamp: return .timestamp
            }
        case .decimal(let precision, let scale):
            do { return try .checkedDecimal(precision: Int(precision), scale: Int(scale)) } catch {
                throw PlanError(error, at: expression.position)
            }
        case .array(let element): return .array(try resolve(element, depth + 1, &partCount))
        case .map(let key, let value):
            return .map(
                key: try resolve(key, depth + 1, &partCount), value: try resolve(value, depth + 1, &partCount))
        case .structure(let fields):
            var result: [SQLField] = []
            var names: Set<String> = []
            for field in fields {
                guard names.insert(field.name.text).inserted else {
                    throw PlanError(
                        "Duplicate field names found in STRUCT: '\(field.name.text)'", at: field.name.position)
                }
                result.append(SQLField(field.name.text, try resolve(field.type, depth + 1, &partCount)))
            }
            return .structure(result)
        case .custom(let name):
            guard let type = types[name.text.uppercased()] else {
                throw PlanError(
                    .type,
                    "Cannot resolve unknown type: \(name.text)"
                        + ExpressionBinder.hint(
                            name.text, types.keys.sorted() + PrimitiveType.allCases.map(\.rawValue)),
                    at: name.position)
            }
            try Self.measure(type, depth, &partCount, name.position)
            return type
        }
    }

    private static func measure(
        _ type: SQLType, _ depth: Int, _ partCount: inout Int, _ position: Position
    ) throws(PlanError) {
        try count(depth, &partCount, position)
        switch type {
        case .array(let element): try measure(element, depth + 1, &partCount, position)
        case .map(let key, let value):
            try measure(key, depth + 1, &partCount, position)
            try measure(value, depth + 1, &partCount, position)
        case .structure(let fields):
            for field in fields { try measure(field.type, depth + 1, &partCount, position) }
        default: break
        }
    }

    private static func count(_ depth: Int, _ partCount: inout Int, _ position: Position) throws(PlanError) {
        partCount += 1
        guard partCount <= partCountMax else {
            throw PlanError("The type has more than \(partCountMax) parts, those of custom types counted", at: position)
        }
        guard depth <= depthMax else {
            throw PlanError("The type has more than \(depthMax) levels, those of custom types counted", at: position)
        }
    }

    /// An expression whose CASTs name no custom types any more.
    func expanding(_ expression: Expression) throws(PlanError) -> Expression {
        guard !types.isEmpty else { return expression }
        do {
            return try expression.rewritten { part in
                guard case .cast(let value, let type) = part.kind else { return nil }
                return Expression(.cast(try expanding(value), Self.written(try resolve(type))), position: part.position)
            }
        } catch let error as PlanError {
            throw error
        } catch {
            throw PlanError("\(error)")
        }
    }

    static func written(_ type: SQLType) -> TypeExpression {
        switch type {
        case .boolean: TypeExpression(.primitive(.boolean))
        case .int: TypeExpression(.primitive(.integer))
        case .bigint: TypeExpression(.primitive(.bigint))
        case .double: TypeExpression(.primitive(.double))
        case .string: TypeExpression(.primitive(.string))
        case .bytes: TypeExpression(.primitive(.bytes))
        case .time: TypeExpression(.primitive(.time))
        case .date: TypeExpression(.primitive(.date))
        case .timestamp: TypeExpression(.primitive(.timestamp))
        case .decimal(let precision, let scale):
            TypeExpression(.decimal(precision: Int32(clamping: precision), scale: Int32(clamping: scale)))
        case .array(let element): TypeExpression(.array(written(element)))
        case .map(let key, let value): TypeExpression(.map(key: written(key), value: written(value)))
        case .structure(let fields):
            TypeExpression(
                .structure(fields.map { .init(Identifier($0.name, isQuoted: true), written($0.type)) }))
        }
    }
}
