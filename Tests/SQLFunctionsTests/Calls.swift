import Environment
package import SQLTypes
import TestKit

@testable import SQLFunctions

/// Calls functions by name with values whose types are as plain as they look.
struct Calls {
    var context: EvaluationContext

    init(seed: UInt64 = 1, now: Int64 = 0, limits: FunctionLimits = FunctionLimits()) {
        let random = RandomSource(seed: seed)
        context = EvaluationContext(
            now: { now }, random: { random.next() },
            zones: TimeZones { TimeZoneFiles.read($0) }, limits: limits)
    }

    /// One argument: a value with its type, a unit, a bare null or a lambda.
    enum Argument {
        case value(SQLValue, SQLType)
        case null
        case unit(String)
        case lambda(Int, @Sendable ([SQLType]) -> SQLType, LambdaBody)
    }

    mutating func call(_ name: String, _ arguments: [Argument]) throws -> SQLValue {
        let function = try FunctionCatalog.builtIn.scalar(name)
        let bound = try function.bind(arguments.map(\.declared))
        var values: [SQLValue] = []
        var lambdas: [LambdaBody] = []
        for argument in arguments {
            switch argument {
            case .value(let value, _): values.append(value)
            case .null: values.append(.null)
            case .unit(let name): values.append(.string(name))
            case .lambda(_, _, let body): lambdas.append(body)
            }
        }
        return try bound(values, lambdas: lambdas, &context)
    }

    /// With arguments that are values of the types that literals of theirs have.
    mutating func call(_ name: String, _ values: SQLValue...) throws -> SQLValue {
        try call(name, values.map { Argument.plain($0) })
    }

    private final class RandomSource {
        private var random: SeededRandom
        init(seed: UInt64) { random = SeededRandom(seed: seed) }
        func next() -> UInt64 { random.next() }
    }
}

extension Calls.Argument {
    var declared: FunctionArgument {
        switch self {
        case .value(_, let type): .type(type)
        case .null: .null
        case .unit: .intervalUnit
        case .lambda(let count, let result, _):
            .lambda(parameterCount: count) { types throws(FunctionError) in result(types) }
        }
    }

    static func plain(_ value: SQLValue) -> Self { value.isNull ? .null : .value(value, value.plainType) }
}

extension SQLValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByNilLiteral
{
    package init(stringLiteral text: String) { self = .string(text) }
    package init(integerLiteral value: Int32) { self = .int(value) }
    package init(floatLiteral value: Double) { self = .double(value) }
    package init(booleanLiteral value: Bool) { self = .boolean(value) }
    package init(arrayLiteral elements: SQLValue...) { self = .array(elements) }
    package init(nilLiteral: ()) { self = .null }

    /// The type of a value that stands alone.
    var plainType: SQLType {
        switch self {
        case .null, .string: .string
        case .boolean: .boolean
        case .int: .int
        case .bigint: .bigint
        case .double: .double
        case .decimal(let value): DecimalLiterals.withDigitBeforePoint.type(of: value)
        case .bytes: .bytes
        case .time: .time
        case .date: .date
        case .timestamp: .timestamp
        case .array(let elements): .array(elements.first { !$0.isNull }?.plainType ?? .string)
        case .map(let map):
            .map(
                key: map.keys.first?.plainType ?? .string, value: map.values.first { !$0.isNull }?.plainType ?? .string)
        case .structure(let values):
            .structure(values.enumerated().map { SQLField("F\($0.offset)", $0.element.plainType) })
        }
    }
}

/// Random types and values of them, the odd ones more often than they come in life.
struct RandomValues {
    var random: SeededRandom

    mutating func type(depth: Int = 0) -> SQLType {
        switch Int.random(in: 0..<(depth < 2 ? 14 : 11), using: &random) {
        case 0: return .boolean
        case 1: return .int
        case 2: return .bigint
        case 3: return .double
        case 4:
            let precision = Int.random(in: 1...40, using: &random)
            return .decimal(precision: precision, scale: Int.random(in: 0...precision, using: &random))
        case 5, 6: return .string
        case 7: return .bytes
        case 8: return .time
        case 9: return .date
        case 10: return .timestamp
        case 11: return .array(type(depth: depth + 1))
        case 12: return .map(key: .string, value: type(depth: depth + 1))
        default:
            return .structure(
                (0..<Int.random(in: 0...3, using: &random)).map { SQLField("F\($0)", type(depth: depth + 1)) })
        }
    }

    private static let texts = [
        "", " ", "a", "abc", "Ünï𝄞cödé", "0", "-1", "1.5", "1e400", "NaN", "null", "true", "{\"a\":[1,2.5,null]}",
        "[1,\"x\"]",
        "{", "$.a[0]", "$", "yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2020-02-30", "2020-05-26T10:11:12.123+0200",
        "UTC", "Europe/Paris", "+18:00", "(a+)+$", "[", "a{1,1000}", "\\", "$1", "${n}", "http://u@h.org:80/p?a=b&c#f",
        "http://%zz", "base64", "hex", "utf8", "ascii", "BIG_ENDIAN", "DESC", "\u{0}\u{FFFF}", "x'AB'", "0xA",
        "\\u004b",
    ]

    mutating func value(_ type: SQLType) -> SQLValue {
        if Int.random(in: 0..<8, using: &random) == 0 { return .null }
        switch type {
        case .boolean: return .boolean(Bool.random(using: &random))
        case .int:
            return .int(
                [.min, .max, 0, -1, 1, 7, 31, Int32.random(in: .min ... .max, using: &random)].randomElement(
                    using: &random) ?? 0)
        case .bigint:
            return .bigint(
                [.min, .max, 0, -1, 1, 86_400_000, Int64.random(in: .min ... .max, using: &random)].randomElement(
                    using: &random) ?? 0)
        case .double:
            return .double(
                [
                    0, -0.0, .nan, .infinity, -.infinity, .greatestFiniteMagnitude, Double.leastNonzeroMagnitude, 1.5,
                    -90, Double(bitPattern: random.next()),
                ].randomElement(using: &random) ?? 0)
        case .decimal(let precision, let scale):
            let digits = (0..<Int.random(in: 1...precision, using: &random)).map { _ in
                String(Int.random(in: 0...9, using: &random))
            }
            let number = SQLDecimal(
                utf8: Array(((Bool.random(using: &random) ? "-" : "") + digits.joined() + "e-\(scale)").utf8))
            return number.map { .decimal($0) } ?? .null
        case .string: return .string(Self.texts.randomElement(using: &random) ?? "")
        case .bytes:
            return .bytes(
                (0..<([0, 4, 8, 16, 3].randomElement(using: &random) ?? 0)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                })
        case .time: return .time(Int32.random(in: 0..<86_400_000, using: &random))
        case .date:
            return .date(
                [.min, .max, 0, Int32.random(in: -100_000...100_000, using: &random)].randomElement(using: &random) ?? 0
            )
        case .timestamp:
            return .timestamp(
                [.min, .max, 0, Int64.random(in: -5_000_000_000_000...5_000_000_000_000, using: &random)].randomElement(
                    using: &random) ?? 0)
        case .array(let element): return .array((0..<Int.random(in: 0...4, using: &random)).map { _ in value(element) })
        case .map(let key, let item):
            return .map(
                SQLMap((0..<Int.random(in: 0...4, using: &random)).map { _ in (key: value(key), value: value(item)) }))
        case .structure(let fields): return .structure(fields.map { value($0.type) })
        }
    }
}
