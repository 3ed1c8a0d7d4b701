import JSONFormat
import JSONSchema

/// A JSON Schema as the rules of compatibility see it: each schema is of one shape, which keywords of several kinds of
/// values make a combination of.
///
/// The original compares objects of the library that its validator is made of, so what is one object there is one node
/// here. Schemas are numbers of nodes; references may go in circles.
struct JSONModel: Sendable {
    struct Node: Sendable {
        var id: String?
        var title: String?
        var description: String?
        var defaultValue: JSONValue?
        var connectType: String?
        var shape: Shape
        /// What the node was made of: branches of a combination that are written the same way count once. Nil for a
        /// part of a schema until draft 7.
        var source: Source?
    }

    struct Source: Sendable {
        var value: JSONValue
        var resource: Int
        /// From 2019-09 on, where `format` and its like are no part of what is compared.
        var isModern: Bool
    }

    enum Criterion: String, Sendable { case allOf, anyOf, oneOf }

    indirect enum Shape: Sendable {
        /// `{}` and `true`.
        case empty
        case never
        case string(StringRules)
        case number(NumberRules)
        case boolean
        case null
        case object(ObjectRules)
        case array(ArrayRules)
        case enumeration([JSONValue])
        case constant(JSONValue)
        /// `isMade`: of keywords that stand side by side, not by a keyword of its own.
        case combined(Criterion, [Int], isMade: Bool)
        case not(Int)
        case conditional(if: Int?, then: Int?, else: Int?)
        case reference(Int)
    }

    struct StringRules: Sendable, Hashable {
        var minLength: Int64?
        var maxLength: Int64?
        var pattern: String?
        var isRequired = false
    }

    struct NumberRules: Sendable, Hashable {
        var minimum: JSONNumber?
        var maximum: JSONNumber?
        var exclusiveMinimum: JSONNumber?
        var exclusiveMaximum: JSONNumber?
        var multipleOf: JSONNumber?
        var isInteger = false
        var isRequired = false
    }

    struct ObjectRules: Sendable {
        var properties: [(name: JSONName, node: Int)] = []
        var patterns: [(text: String, node: Int)] = []
        var permitsAdditional = true
        var additional: Int?
        var unevaluated: Int?
        var required: [JSONName] = []
        var minProperties: Int64?
        var maxProperties: Int64?
        var neededNames: [(name: JSONName, needed: Set<JSONName>)] = []
        var neededSchemas: [(name: JSONName, node: Int)] = []
        var names: Int?
        var isRequired = false
    }

    struct ArrayRules: Sendable {
        /// Of all elements.
        var items: Int?
        /// Of the first elements, one each.
        var prefix: [Int] = []
        var permitsAdditional = true
        var additional: Int?
        var unevaluated: Int?
        var contains: Int?
        var minContains: Int64?
        var maxContains: Int64?
        var minItems: Int64?
        var maxItems: Int64?
        var isUnique = false
        var isRequired = false
    }

    fileprivate(set) var nodes: [Node] = []
    /// 0, the root, comes first.
    init(_ schema: JSONSchema) throws(SchemaFailure) {
        var builder = JSONModelBuilder(library: schema.library)
        nodes = try builder.build(schema)
    }
}

/// Makes a model: every schema is looked at once, from a list.
struct JSONModelBuilder {
    let library: SchemaLibrary
    private var nodes: [JSONModel.Node?] = []
    private var known: [JSONName: Int] = [:]
    private var open: [(index: Int, place: SchemaLibrary.Place)] = []
    /// Combinations of modern schemas, whose branches are known when all nodes are.
    private var modernCombinations: [Int] = []

    init(library: SchemaLibrary) { self.library = library }

    mutating func build(_ schema: JSONSchema) throws(SchemaFailure) -> [JSONModel.Node] {
        guard let root = library.root(of: schema.mainResource) else { throw SchemaFailure("the schema has no root") }
        _ = reserve(root)
        while let (index, place) = open.popLast() { nodes[index] = try node(place, index) }
        var built = nodes.compactMap { $0 }
        for index in modernCombinations { spliceBranches(of: index, in: &built) }
        return built
    }

    /// A branch that is several things at once comes as these things: the original's `SchemaTranslator` joins what a
    /// branch is made of to the combination, not the branch.
    private func spliceBranches(of index: Int, in built: inout [JSONModel.Node]) {
        guard case .combined(let criterion, let branches, isMade: false) = built[index].shape else { return }
        let spliced = branches.flatMap { branch in
            if case .combined(.allOf, let parts, isMade: true) = built[branch].shape { parts } else { [branch] }
        }
        if spliced.count != branches.count { built[index].shape = .combined(criterion, spliced, isMade: false) }
    }

    private mutating func reserve(_ place: SchemaLibrary.Place) -> Int {
        let key = JSONName("\(place.document)#\(place.pointer)")
        if let index = known[key] { return index }
        nodes.append(nil)
        known[key] = nodes.count - 1
        open.append((nodes.count - 1, place))
        return nodes.count - 1
    }

    /// A schema inside of `place`.
    mutating func child(
        _ value: JSONValue, _ keyword: String, _ step: String? = nil, of place: SchemaLibrary.Place
    )
        -> Int
    {
        var pointer = place.pointer + "/" + JSONPointer.escape(keyword)
        if let step { pointer += "/" + JSONPointer.escape(step) }
        return reserve(
            .init(
                document: place.document, pointer: pointer, value: value,
                resource: library.resource(at: pointer, of: place)))
    }

    /// A node that has no place in a document.
    mutating func add(_ shape: JSONModel.Shape, source: JSONModel.Source? = nil) -> Int {
        nodes.append(JSONModel.Node(shape: shape, source: source))
        return nodes.count - 1
    }

    /// The node of a modern part that is a combination by a keyword of its own.
    mutating func noteCombination(_ index: Int) { modernCombinations.append(index) }

    private mutating func node(_ place: SchemaLibrary.Place, _ index: Int) throws(SchemaFailure) -> JSONModel.Node {
        let value = place.value
        let draft = library.resources[place.resource].draft
        let source = JSONModel.Source(value: value, resource: place.resource, isModern: draft > .draft7)
        if let flag = value.flag { return JSONModel.Node(shape: flag ? .empty : .never, source: source) }
        let shape: JSONModel.Shape
        if draft > .draft7 {
            shape = try modernShape(place, draft)
            if case .combined(_, _, isMade: false) = shape { noteCombination(index) }
        } else {
            var parts = try legacyParts(place, draft)
            switch parts.count {
            case 0: shape = .empty
            case 1: shape = parts.removeFirst()
            default:
                var branches: [Int] = []
                for part in parts { branches.append(add(part)) }
                shape = .combined(.allOf, branches, isMade: true)
            }
        }
        var node = JSONModel.Node(shape: shape, source: source)
        // A modern schema's own address is no part of what is compared; those inside of it are.
        if draft <= .draft7 || !place.pointer.isEmpty { node.id = value[draft.idKeyword]?.text }
        node.title = value["title"]?.text
        node.description = value["description"]?.text
        // A modern schema's null is none: it becomes Java's null in the original (`SchemaTranslator`).
        if draft <= .draft7 || value["default"] != .null { node.defaultValue = value["default"] }
        node.connectType = value["connect.type"]?.text
        return node
    }

    mutating func reference(
        _ keyword: String, _ place: SchemaLibrary.Place
    ) throws(SchemaFailure) -> JSONModel.Shape? {
        guard let text = place.value[keyword]?.text else { return nil }
        guard let target = library.resolve(text, from: place.resource) else {
            throw SchemaFailure("the reference \"\(text)\" leads nowhere")
        }
        return .reference(reserve(target))
    }

    // MARK: Until draft 7

    private mutating func legacyParts(
        _ place: SchemaLibrary.Place, _ draft: Draft
    ) throws(SchemaFailure) -> [JSONModel.Shape] {
        if let reference = try reference("$ref", place) { return [reference] }
        let value = place.value
        var parts: [JSONModel.Shape] = []
        if let values = value["enum"]?.elements { parts.append(.enumeration(values)) }
        addCombinations(to: &parts, place)
        if let negated = value["not"] { parts.append(.not(child(negated, "not", of: place))) }
        if draft >= .draft6, let constant = value["const"] { parts.append(.constant(constant)) }
        // What a type has to do with is its own; keywords of other types stand beside it.
        var taken: Set<String> = []
        if let type = value["type"]?.text {
            parts.append(typed(type, place, draft))
            taken.insert(Self.family(type))
        } else if let types = value["type"]?.elements {
            var branches: [Int] = []
            for type in types.compactMap(\.text) {
                branches.append(add(typed(type, place, draft)))
                taken.insert(Self.family(type))
            }
            parts.append(.combined(.anyOf, branches, isMade: false))
        }
        func has(_ keywords: [String]) -> Bool { keywords.contains { value[$0] != nil } }
        let arrays = ["items", "additionalItems", "minItems", "maxItems", "uniqueItems"]
        if !taken.contains("array"), has(arrays + (draft >= .draft6 ? ["contains"] : [])) {
            parts.append(.array(arrayRules(place, draft)))
        }
        let objects = [
            "properties", "required", "minProperties", "maxProperties", "dependencies", "patternProperties",
            "additionalProperties",
        ]
        if !taken.contains("object"), has(objects + (draft >= .draft6 ? ["propertyNames"] : [])) {
            parts.append(.object(objectRules(place, draft)))
        }
        let numbers = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
        if !taken.contains("number"), has(numbers) { parts.append(.number(numberRules(value))) }
        if !taken.contains("string"), has(["minLength", "maxLength", "pattern", "format"]) {
            parts.append(.string(stringRules(value)))
        }
        if draft >= .draft7, has(["if", "then", "else"]) { parts.append(conditional(place)) }
        return parts
    }

    static func family(_ type: String) -> String { type == "integer" ? "number" : type }

    mutating func typed(_ type: String, _ place: SchemaLibrary.Place, _ draft: Draft) -> JSONModel.Shape {
        switch type {
        case "string":
            var rules = stringRules(place.value)
            rules.isRequired = true
            return .string(rules)
        case "integer", "number":
            var rules = numberRules(place.value)
            rules.isRequired = true
            rules.isInteger = type == "integer"
            return .number(rules)
        case "array":
            var rules = arrayRules(place, draft)
            rules.isRequired = true
            return .array(rules)
        case "object":
            var rules = objectRules(place, draft)
            rules.isRequired = true
            return .object(rules)
        case "boolean": return .boolean
        default: return .null
        }
    }

    // MARK: Keywords

    private mutating func addCombinations(to parts: inout [JSONModel.Shape], _ place: SchemaLibrary.Place) {
        for criterion in [JSONModel.Criterion.allOf, .anyOf, .oneOf] {
            if let shape = combination(criterion, place) { parts.append(shape) }
        }
    }

    mutating func combination(_ criterion: JSONModel.Criterion, _ place: SchemaLibrary.Place) -> JSONModel.Shape? {
        guard let elements = place.value[criterion.rawValue]?.elements else { return nil }
        var branches: [Int] = []
        for (index, element) in elements.enumerated() {
            branches.append(child(element, criterion.rawValue, String(index), of: place))
        }
        return .combined(criterion, branches, isMade: false)
    }

    mutating func conditional(_ place: SchemaLibrary.Place) -> JSONModel.Shape {
        var branches: [Int?] = []
        for keyword in ["if", "then", "else"] {
            branches.append(place.value[keyword].map { child($0, keyword, of: place) })
        }
        return .conditional(if: branches[0], then: branches[1], else: branches[2])
    }

    func count(_ value: JSONValue, _ keyword: String) -> Int64? { value[keyword]?.decimal?.int64 }

    func stringRules(_ value: JSONValue) -> JSONModel.StringRules {
        .init(
            minLength: count(value, "minLength"), maxLength: count(value, "maxLength"), pattern: value["pattern"]?.text)
    }

    func numberRules(_ value: JSONValue) -> JSONModel.NumberRules {
        // The flags that draft 4 has for exclusive limits are no numbers, and are not compared.
        .init(
            minimum: value["minimum"]?.decimal, maximum: value["maximum"]?.decimal,
            exclusiveMinimum: value["exclusiveMinimum"]?.decimal,
            exclusiveMaximum: value["exclusiveMaximum"]?.decimal, multipleOf: value["multipleOf"]?.decimal)
    }

    mutating func objectRules(_ place: SchemaLibrary.Place, _ draft: Draft) -> JSONModel.ObjectRules {
        let value = place.value
        var rules = JSONModel.ObjectRules()
        for (name, property) in value["properties"]?.members ?? [] {
            rules.properties.append((JSONName(name), child(property, "properties", name, of: place)))
        }
        for (name, property) in value["patternProperties"]?.members ?? [] {
            rules.patterns.append((name, child(property, "patternProperties", name, of: place)))
        }
        (rules.permitsAdditional, rules.additional) = additional("additionalProperties", place)
        rules.required = value["required"]?.elements?.compactMap { $0.text.map { JSONName($0) } } ?? []
        rules.minProperties = count(value, "minProperties")
        rules.maxProperties = count(value, "maxProperties")
        func needed(_ list: JSONValue) -> Set<JSONName> {
            Set(list.elements?.compactMap { $0.text.map { JSONName($0) } } ?? [])
        }
        if draft <= .draft7 {
            for (name, rule) in value["dependencies"]?.members ?? [] {
                if rule.elements != nil {
                    rules.neededNames.append((JSONName(name), needed(rule)))
                } else {
                    rules.neededSchemas.append((JSONName(name), child(rule, "dependencies", name, of: place)))
                }
            }
        } else {
            for (name, rule) in value["dependentRequired"]?.members ?? [] where rule.elements?.isEmpty == false {
                rules.neededNames.append((JSONName(name), needed(rule)))
            }
            for (name, rule) in value["dependentSchemas"]?.members ?? [] {
                rules.neededSchemas.append((JSONName(name), child(rule, "dependentSchemas", name, of: place)))
            }
            if let rule = value["unevaluatedProperties"] {
                rules.unevaluated = child(rule, "unevaluatedProperties", of: place)
            }
        }
        if draft >= .draft6, let rule = value["propertyNames"] {
            rules.names = child(rule, "propertyNames", of: place)
        }
        return rules
    }

    /// - Parameter whole: the schema that `place`, some of its keywords, is a part of.
    mutating func arrayRules(
        _ place: SchemaLibrary.Place, _ draft: Draft, in whole: JSONValue? = nil
    ) -> JSONModel.ArrayRules {
        let value = place.value
        var rules = JSONModel.ArrayRules()
        let prefixName = draft >= .draft2020 ? "prefixItems" : "items"
        if (whole ?? value)[prefixName]?.elements != nil {
            let elements = value[prefixName]?.elements ?? []
            for (index, element) in elements.enumerated() {
                rules.prefix.append(child(element, prefixName, String(index), of: place))
            }
            let rest = draft >= .draft2020 ? "items" : "additionalItems"
            (rules.permitsAdditional, rules.additional) = additional(rest, place)
        } else if draft <= .draft7 {
            if let items = value["items"] { rules.items = child(items, "items", of: place) }
            (rules.permitsAdditional, rules.additional) = additional("additionalItems", place)
            // With one schema for all elements there are no additional ones.
            if rules.items != nil { rules.permitsAdditional = true }
        } else {
            (rules.permitsAdditional, rules.items) = additional("items", place)
        }
        if draft >= .draft6, let element = value["contains"] {
            rules.contains = child(element, "contains", of: place)
            if draft >= .draft2019 {
                rules.minContains = count(value, "minContains") ?? 1
                rules.maxContains = count(value, "maxContains")
            }
        }
        if draft >= .draft2019, let rest = value["unevaluatedItems"] {
            rules.unevaluated = child(rest, "unevaluatedItems", of: place)
        }
        rules.minItems = count(value, "minItems")
        rules.maxItems = count(value, "maxItems")
        rules.isUnique = value["uniqueItems"]?.flag == true
        return rules
    }

    /// Whether there may be more than what is named, and by which schema.
    mutating func additional(_ keyword: String, _ place: SchemaLibrary.Place) -> (Bool, Int?) {
        guard let value = place.value[keyword] else { return (true, nil) }
        if let flag = value.flag { return (flag, nil) }
        return (true, child(value, keyword, of: place))
    }
}
