package import SQLTypes

/// The type that a function declares for a parameter.
package indirect enum ParameterType: Hashable, Sendable {
    case boolean, int, bigint, double, decimal, string, bytes, time, date, timestamp
    case array(ParameterType)
    case map(key: ParameterType, value: ParameterType)
    case structure([Field])
    /// Any type, the same wherever the name occurs in a signature.
    case generic(String)
    /// Any type at all.
    case any
    case lambda([ParameterType], ParameterType)
    /// A unit of time, a bare word: DAYS.
    case intervalUnit

    package struct Field: Hashable, Sendable {
        package var name: String
        package var type: ParameterType
    }

    var hasGenerics: Bool {
        switch self {
        case .generic: true
        case .array(let element): element.hasGenerics
        case .map(let key, let value): key.hasGenerics || value.hasGenerics
        case .structure(let fields): fields.contains { $0.type.hasGenerics }
        case .lambda(let inputs, let result): result.hasGenerics || inputs.contains { $0.hasGenerics }
        default: false
        }
    }
}

extension ParameterType: CustomStringConvertible {
    /// As lists of signatures show it.
    package var description: String {
        switch self {
        case .boolean: "BOOLEAN"
        case .int: "INT"
        case .bigint: "BIGINT"
        case .double: "DOUBLE"
        case .decimal: "DECIMAL"
        case .string: "VARCHAR"
        case .bytes: "BYTES"
        case .time: "TIME"
        case .date: "DATE"
        case .timestamp: "TIMESTAMP"
        case .array(let element): "ARRAY<\(element)>"
        case .map(let key, let value): "MAP<\(key), \(value)>"
        case .structure(let fields): "STRUCT<\(fields.map { "\($0.name) \($0.type)" }.joined(separator: ", "))>"
        case .generic(let name): name
        case .any: "ANY"
        case .lambda(let inputs, let result):
            "LAMBDA (\(inputs.map(\.description).joined(separator: ", "))) => \(result)"
        case .intervalUnit: "INTERVALUNIT"
        }
    }
}

/// What a call gives for a parameter.
package enum FunctionArgument: Sendable {
    /// A bare NULL, which fits everywhere.
    case null
    case type(SQLType)
    /// A unit of time.
    case intervalUnit
    /// `result` finds the type of the lambda's body when its parameters have the given types; it is asked once these
    /// are known from the other arguments.
    case lambda(parameterCount: Int, result: @Sendable ([SQLType]) throws(FunctionError) -> SQLType)

    package var type: SQLType? { if case .type(let type) = self { type } else { nil } }
}

extension FunctionArgument: CustomStringConvertible {
    package var description: String {
        switch self {
        case .null: "null"
        case .type(let type): type.unquotedText
        case .intervalUnit: "INTERVALUNIT"
        case .lambda: "LAMBDA"
        }
    }
}

/// Why a statement cannot use a function as it does. The messages are ksqlDB's.
package struct FunctionError: Error, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable { case unknownFunction, noMatch, ambiguous, invalidArgument }
    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}

extension ParameterType {
    /// Types by the names of generics.
    typealias Bindings = [String: SQLType]

    /// Whether a value of the type may be passed, and what it makes of the generics.
    func accepts(_ type: SQLType, _ bindings: inout Bindings, allowsCasts: Bool) -> Bool {
        switch (self, type) {
        case (.any, _): return true
        case (.generic(let name), _):
            if let bound = bindings[name] { return bound == type }
            bindings[name] = type
            return true
        case (.array(let element), .array(let actual)):
            return element.accepts(actual, &bindings, allowsCasts: allowsCasts)
        case (.map(let key, let value), .map(let actualKey, let actualValue)):
            return key.accepts(actualKey, &bindings, allowsCasts: allowsCasts)
                && value.accepts(actualValue, &bindings, allowsCasts: allowsCasts)
        case (.structure(let fields), .structure(let actual)):
            // No casts inside of structs.
            return fields.count == actual.count
                && fields.allSatisfy { field in
                    guard let other = actual.first(where: { $0.name == field.name }) else { return false }
                    return field.type.accepts(other.type, &bindings, allowsCasts: false)
                }
        default:
            guard let base else { return false }
            return base == type.base || allowsCasts && Coercion.canCast(type.base, to: base)
        }
    }

    /// nil for what is not one of the primitive types.
    var base: SQLType.Base? {
        switch self {
        case .boolean: .boolean
        case .int: .int
        case .bigint: .bigint
        case .double: .double
        case .decimal: .decimal
        case .string: .string
        case .bytes: .bytes
        case .time: .time
        case .date: .date
        case .timestamp: .timestamp
        default: nil
        }
    }

    /// The SQL type once generics are known; nil when one is not, and for lambdas, units and DECIMAL, whose digits only
    /// the argument tells.
    func resolved(_ bindings: Bindings) -> SQLType? {
        switch self {
        case .boolean: .boolean
        case .int: .int
        case .bigint: .bigint
        case .double: .double
        case .string: .string
        case .bytes: .bytes
        case .time: .time
        case .date: .date
        case .timestamp: .timestamp
        case .decimal, .any, .lambda, .intervalUnit: nil
        case .generic(let name): bindings[name]
        case .array(let element): element.resolved(bindings).map { .array($0) }
        case .map(let key, let value):
            if let key = key.resolved(bindings), let value = value.resolved(bindings) {
                .map(key: key, value: value)
            } else {
                nil
            }
        case .structure(let fields):
            {
                var result: [SQLField] = []
                for field in fields {
                    guard let type = field.type.resolved(bindings) else { return nil }
                    result.append(SQLField(field.name, type))
                }
                return .structure(result)
            }()
        }
    }

    /// The type that an argument is cast to before the call; nil when it stays as it is.
    func target(for type: SQLType, _ bindings: Bindings) -> SQLType? {
        switch (self, type) {
        case (.decimal, .int), (.decimal, .bigint):
            type.decimalShape.map { .decimal(precision: $0.precision, scale: $0.scale) }
        case (.array(let element), .array(let actual)):
            element.target(for: actual, bindings).map { .array($0) }
        case (.map(let key, let value), .map(let actualKey, let actualValue)):
            {
                let newKey = key.target(for: actualKey, bindings)
                let newValue = value.target(for: actualValue, bindings)
                guard newKey != nil || newValue != nil else { return nil }
                return .map(key: newKey ?? actualKey, value: newValue ?? actualValue)
            }()
        default:
            if let base, base != type.base, base != .decimal { resolved(bindings) } else { nil }
        }
    }
}
