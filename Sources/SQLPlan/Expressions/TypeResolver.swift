import SQLSyntax
import SQLTypes

/// Types as they are written, with the names that CREATE TYPE made.
struct TypeResolver {
    /// Nested deeper than the syntax allows cannot be; custom types are resolved already.
    let types: [String: SQLType]

    func resolve(_ expression: TypeExpression) throws(PlanError) -> SQLType {
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
        case .array(let element): return .array(try resolve(element))
        case .map(let key, let value): return .map(key: try resolve(key), value: try resolve(value))
        case .structure(let fields):
            var result: [SQLField] = []
            for field in fields {
                guard !result.contains(where: { $0.name == field.name.text }) else {
                    throw PlanError(
                        "Duplicate field names found in STRUCT: '\(field.name.text)'", at: field.name.position)
                }
                result.append(SQLField(field.name.text, try resolve(field.type)))
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
            return type
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
