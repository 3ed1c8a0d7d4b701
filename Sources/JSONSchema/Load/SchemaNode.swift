import JSONFormat
import Patterns

/// One schema, made ready to check values: other schemas are numbers of nodes, so that references may go in circles.
final class SchemaNode: Sendable {
    /// Where the schema lies: `#/properties/a`, or with the address of another document in front.
    let location: String
    /// Which resource it belongs to; `$dynamicRef` asks which ones were entered.
    let resource: Int
    /// `true` and `false` as schemas; nil for the others.
    let constant: Bool?
    let keywords: [SchemaKeyword]

    init(location: String, resource: Int, constant: Bool?, keywords: [SchemaKeyword]) {
        self.location = location
        self.resource = resource
        self.constant = constant
        self.keywords = keywords
    }
}

/// The kinds of values that `type` tells apart.
struct TypeSet: OptionSet, Sendable {
    let rawValue: UInt8

    static let null = TypeSet(rawValue: 1)
    static let boolean = TypeSet(rawValue: 2)
    static let object = TypeSet(rawValue: 4)
    static let array = TypeSet(rawValue: 8)
    static let number = TypeSet(rawValue: 16)
    static let string = TypeSet(rawValue: 32)
    static let integer = TypeSet(rawValue: 64)

    static let names: [(name: String, type: TypeSet)] = [
        ("null", .null), ("boolean", .boolean), ("object", .object), ("array", .array), ("number", .number),
        ("string", .string), ("integer", .integer),
    ]

    var description: String { Self.names.filter { contains($0.type) }.map(\.name).joined(separator: " or ") }
}

/// One thing that a schema demands. Keywords that work together are one case.
enum SchemaKeyword: Sendable {
    enum Bound: String, Sendable { case minimum, maximum, exclusiveMinimum, exclusiveMaximum }

    struct Properties: Sendable {
        var named: [JSONName: Int] = [:]
        var patterns: [(text: String, pattern: ECMAExpression, node: Int)] = []
        var additional: Int?
    }

    case type(TypeSet)
    /// Strings, and others by `JSONValue.identity`.
    case enumeration(texts: Set<JSONName>, others: Set<[UInt8]>)
    case constant(JSONValue)
    /// `integer`: the limit, when it is one that fits.
    case bound(Bound, JSONNumber, integer: Int64?)
    case multipleOf(JSONNumber)
    case minLength(Int)
    case maxLength(Int)
    case pattern(String, ECMAExpression)
    case format(String)
    case minItems(Int)
    case maxItems(Int)
    case uniqueItems
    /// `rest` is what is demanded of the elements behind `prefix`; the names are those of the draft's keywords.
    case items(prefix: [Int], prefixName: String, rest: Int?, restName: String)
    /// `marks`: whether elements that are contained count as evaluated.
    case contains(Int, min: Int, max: Int?, marks: Bool)
    case minProperties(Int)
    case maxProperties(Int)
    case required([String])
    case dependentRequired(keyword: String, [(name: String, needed: [String])])
    case dependentSchemas(keyword: String, [(name: String, node: Int)])
    case properties(Properties)
    case propertyNames(Int)
    case allOf([Int])
    case anyOf([Int])
    case oneOf([Int])
    case not(Int)
    case conditional(if: Int, then: Int?, else: Int?)
    case reference(keyword: String, Int)
    /// To the outermost resource that was entered and has the anchor; `fallback` when none has.
    case dynamicReference(anchor: JSONName, fallback: Int)
    case recursiveReference(fallback: Int)
    case unevaluatedItems(Int)
    case unevaluatedProperties(Int)
}
