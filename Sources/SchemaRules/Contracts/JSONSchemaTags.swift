import JSONFormat

/// The parts of a JSON Schema that tags are on.
///
/// | part | path |
/// |---|---|
/// | an object, as a record | `object` |
/// | a property, as a field | `object.NAME` |
/// | what is in a property | `object.NAME.` and so on: `object.NAME.object.INNER` |
/// | elements of an array | `array.` before the rest |
/// | the Nth branch of `oneOf`, `anyOf`, `allOf` | `oneof.N.`, `anyof.N.`, `allof.N.` |
/// | definitions of an object | `object.definitions.NAME.`, `object.$defs.NAME.` |
/// | conditions | `conditional.if.`, `conditional.then.`, `conditional.else.`, `not.` |
///
/// Branches are counted in the original's order: by the kind of their schema, then by title, description and default.
///
/// - SeeAlso: upstream `JsonSchema.inlineTaggedEntities`, `JsonSchemaComparator`.
enum JSONSchemaTags {
    static func walk(_ root: JSONValue, _ visit: SchemaTags.Visit) -> JSONValue {
        schema(root, "", inField: false, 0, visit)
    }

    private static let combinations = ["allOf", "anyOf", "oneOf"]

    private static func schema(
        _ value: JSONValue, _ scope: String, inField: Bool, _ depth: Int, _ visit: SchemaTags.Visit
    ) -> JSONValue {
        guard depth < SchemaTags.depthMax, var members = value.members else { return value }
        func change(_ name: String, _ change: (JSONValue) -> JSONValue) {
            for index in members.indices where members[index].0 == name {
                members[index].1 = change(members[index].1)
            }
        }
        func each(_ value: JSONValue, _ scope: String) -> JSONValue {
            guard let members = value.members else { return value }
            return .object(
                members.map { ($0.0, schema($0.1, "\(scope).\($0.0).", inField: false, depth + 1, visit)) })
        }
        for name in combinations {
            change(name) { branches in
                guard var elements = branches.elements else { return branches }
                for (number, index) in order(elements).enumerated() {
                    elements[index] = schema(
                        elements[index], "\(scope)\(name.lowercased()).\(number).", inField: false, depth + 1, visit)
                }
                return .array(elements)
            }
        }
        change("items") { schema($0, scope + "array.", inField: false, depth + 1, visit) }
        for name in ["if", "then", "else"] {
            change(name) { schema($0, "\(scope)conditional.\(name).", inField: false, depth + 1, visit) }
        }
        change("not") { schema($0, scope + "not.", inField: false, depth + 1, visit) }
        guard kind(value) == .object || types(value).contains("object") else { return .object(members) }
        // Of several types each is a branch of its own.
        let branches = types(value).compactMap { kinds[$0] }.sorted { $0.rawValue < $1.rawValue }
        let number = branches.firstIndex(of: .object) ?? 0
        let path = scope + (branches.count > 1 ? "anyof.\(number)." : "") + "object"
        change("properties") { properties in
            guard let list = properties.members else { return properties }
            return .object(
                list.map { name, property -> (String, JSONValue) in
                    let inner = schema(property, "\(path).\(name).", inField: true, depth + 1, visit)
                    return (name, SchemaTags.visited(inner, .field, "\(path).\(name)", visit))
                })
        }
        for name in ["definitions", "$defs"] { change(name) { each($0, "\(path).\(name)") } }
        return SchemaTags.visited(.object(members), .record, path, isListed: !inField || branches.count > 1, visit)
    }

    /// In the order of the original's names.
    private enum Kind: Int {
        case array, boolean, combined, conditional, constant, empty, enumeration, isFalse, not, null, number, object
        case reference, string, isTrue
    }

    private static let kinds: [String: Kind] = [
        "array": .array, "boolean": .boolean, "null": .null, "number": .number, "integer": .number, "object": .object,
        "string": .string,
    ]

    private static func types(_ value: JSONValue) -> [String] {
        let type = value["type"]
        return type?.text.map { [$0] } ?? type?.elements?.compactMap(\.text) ?? []
    }

    private static func kind(_ value: JSONValue) -> Kind {
        if let flag = value.flag { return flag ? .isTrue : .isFalse }
        func has(_ names: String...) -> Bool { names.contains { value[$0] != nil } }
        if has("$ref") { return .reference }
        if has("allOf", "anyOf", "oneOf") { return .combined }
        let types = types(value)
        if types.count > 1 { return .combined }
        if has("enum") { return .enumeration }
        if has("const") { return .constant }
        if has("not") { return .not }
        if let kind = types.first.flatMap({ kinds[$0] }) { return kind }
        if has("if", "then", "else") { return .conditional }
        if has("properties", "required", "additionalProperties", "patternProperties", "propertyNames") {
            return .object
        }
        if has("items", "minItems", "maxItems", "uniqueItems", "contains") { return .array }
        if has("minLength", "maxLength", "pattern", "format") { return .string }
        return .empty
    }

    /// The places of branches in the order that they are counted in.
    private static func order(_ branches: [JSONValue]) -> [Int] {
        func key(_ index: Int) -> (Int, String, String, String, Int) {
            let branch = branches[index]
            let properties = branch["properties"]?.members?.count ?? 0
            return (
                kind(branch).rawValue, branch["title"]?.text ?? "", branch["description"]?.text ?? "",
                (branch["default"]?.bytes).map { String(decoding: $0, as: UTF8.self) } ?? "", properties
            )
        }
        return branches.indices.sorted { left, right in
            let (a, b) = (key(left), key(right))
            return a == b ? left < right : a < b
        }
    }
}
