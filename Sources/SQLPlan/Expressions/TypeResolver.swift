import SQLSyntax
import SQLTypes

/// Types as they are written, with the names that CREATE TYPE made.
struct TypeResolver {
    /// Nested deeper than the syntax allows cannot be; custom types are resolved already.
    let types: [String: SQLType]

    /// What types are made of, counted wherever it stands: names double what they are made of with each step.
    struct PartCount {
        private var count = 0
        private let countMax: Int
        private let what: String

        /// Of all columns of one source, or of one type.
        static var ofSource: PartCount { PartCount(countMax: 100_000, what: "The type or schema has") }
        /// Of all types of a server.
        static var ofTypes: PartCount { PartCount(countMax: 1_000_000, what: "All custom types together have") }

        private init(countMax: Int, what: String) {
            self.countMax = countMax
            self.what = what
        }

        /// As deep as schemas are written and read again.
        fileprivate mutating func add(_ depth: Int, name: String = "", at position: Position) throws(PlanError) {
            // A long name is as much as several parts.
            count += 1 + name.utf8.count / 16
            guard count <= countMax else {
                throw PlanError(
                    "\(what) more than \(countMax) parts, those of custom types and of long names counted", at: position
                )
            }
            guard depth <= SchemaText.depthMax else {
                throw PlanError(
                    "The type has more than \(SchemaText.depthMax) levels, those of custom types counted", at: position)
            }
        }

        /// Counts a type that is there.
        mutating func add(_ type: SQLType, _ depth: Int = 1, at position: Position = Position()) throws(PlanError) {
            try add(depth, at: position)
            switch type {
            case .array(let element): try add(element, depth + 1, at: position)
            case .map(let key, let value):
                try add(key, depth + 1, at: position)
                try add(value, depth + 1, at: position)
            case .structure(let fields):
                for field in fields {
                    try add(depth, name: field.name, at: position)
                    try add(field.type, depth + 1, at: position)
                }
            default: break
            }
        }
    }

    /// - Throws: `PlanError` for names that are not known, and for types with too many parts or too many levels.
    func resolve(_ expression: TypeExpression) throws(PlanError) -> SQLType {
        var parts = PartCount.ofSource
        return try resolve(expression, counting: &parts)
    }

    /// - Parameter parts: what belongs to the same source.
    func resolve(_ expression: TypeExpression, counting parts: inout PartCount) throws(PlanError) -> SQLType {
        try resolve(expression, 1, &parts)
    }

    private func resolve(
        _ expression: TypeExpression, _ depth: Int, _ parts: inout PartCount
    ) throws(PlanError) -> SQLType {
        try parts.add(depth, at: expression.position)
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
        case .array(let element): return .array(try resolve(element, depth + 1, &parts))
        case .map(let key, let value):
            return .map(
                key: try resolve(key, depth + 1, &parts), value: try resolve(value, depth + 1, &parts))
        case .structure(let fields):
            var result: [SQLField] = []
            var names: Set<String> = []
            for field in fields {
                guard names.insert(field.name.text).inserted else {
                    throw PlanError(
                        "Duplicate field names found in STRUCT: '\(field.name.text)'", at: field.name.position)
                }
                try parts.add(depth, name: field.name.text, at: field.name.position)
                result.append(SQLField(field.name.text, try resolve(field.type, depth + 1, &parts)))
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
            try parts.add(type, depth, at: name.position)
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
