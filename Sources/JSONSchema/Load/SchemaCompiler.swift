import JSONFormat
import Patterns

/// Makes nodes of schemas. Works through a list instead of calling itself, so that neither long chains of references
/// nor circles are a problem.
struct SchemaCompiler {
    /// More schemas than this are not worked with.
    static let nodeCountMax = 200_000

    var library: SchemaLibrary
    private(set) var nodes: [SchemaNode?] = []
    private(set) var usesUnevaluated = false
    private var open: [(index: Int, place: SchemaLibrary.Place)] = []
    private var known: [JSONName: Int] = [:]
    private var dynamicNames: Set<JSONName> = []
    private var usesRecursion = false
    /// By resource: the node at its root, and the nodes of its dynamic anchors, as far as references can get there.
    private(set) var recursiveRoots: [Int: Int] = [:]
    private(set) var dynamicNodes: [JSONName: [Int: Int]] = [:]
    let formatPolicy: FormatPolicy
    private let mainDocument: Int

    init(library: SchemaLibrary, main: Int, formatPolicy: FormatPolicy) throws(JSONSchemaError) {
        self.library = library
        self.formatPolicy = formatPolicy
        mainDocument = library.resources[main].document
        guard let root = library.root(of: main) else {
            throw JSONSchemaError(.reference, "the schema has no root", at: "#")
        }
        _ = try node(at: root)
        try drain()
        // What dynamic references may lead to is known only when all resources are; they may bring in more.
        var isComplete = false
        while !isComplete {
            let count = nodes.count
            // Only resources with schemas that can be got to are ever entered.
            for resource in Set(nodes.compactMap { $0?.resource }).sorted() {
                for name in dynamicNames {
                    guard let place = self.library.dynamicAnchor(name.text, in: resource) else { continue }
                    dynamicNodes[name, default: [:]][resource] = try node(at: place)
                }
                if usesRecursion, self.library.resources[resource].isRecursive,
                    let place = self.library.root(of: resource)
                {
                    recursiveRoots[resource] = try node(at: place)
                }
            }
            try drain()
            isComplete = nodes.count == count
        }
    }

    private mutating func drain() throws(JSONSchemaError) {
        while let (index, place) = open.popLast() { nodes[index] = try compile(place) }
    }

    private mutating func node(at place: SchemaLibrary.Place) throws(JSONSchemaError) -> Int {
        let key = JSONName("\(place.document)#\(place.pointer)")
        if let index = known[key] { return index }
        guard nodes.count < Self.nodeCountMax else {
            throw JSONSchemaError(.tooLarge, "more than \(Self.nodeCountMax) schemas", at: location(place))
        }
        nodes.append(nil)
        known[key] = nodes.count - 1
        open.append((nodes.count - 1, place))
        return nodes.count - 1
    }

    private func location(_ place: SchemaLibrary.Place) -> String {
        if place.document == mainDocument { return "#" + place.pointer }
        let resource = library.resources[place.resource]
        return resource.address.description + "#" + place.pointer.dropFirst(resource.pointer.count)
    }

    /// A schema inside of `place`.
    private mutating func child(
        _ value: JSONValue, _ steps: String..., of place: SchemaLibrary.Place
    ) throws(JSONSchemaError) -> Int {
        var pointer = place.pointer
        for step in steps { pointer += "/" + JSONPointer.escape(step) }
        let resource = library.resource(at: pointer, of: place)
        return try node(
            at: .init(document: place.document, pointer: pointer, value: value, resource: resource))
    }

    private func compile(constant: Bool, _ place: SchemaLibrary.Place) -> SchemaNode {
        SchemaNode(location: location(place), resource: place.resource, constant: constant, keywords: [])
    }

    private mutating func compile(_ place: SchemaLibrary.Place) throws(JSONSchemaError) -> SchemaNode {
        if let constant = place.value.flag { return compile(constant: constant, place) }
        guard case .object = place.value else {
            throw JSONSchemaError(
                .keyword, "expected a schema but found \(Self.kind(place.value))", at: location(place))
        }
        let resource = library.resources[place.resource]
        let reader = KeywordReader(value: place.value, location: location(place))
        var keywords: [SchemaKeyword] = []
        if let reference = try reader.text("$ref") {
            let target = try node(at: resolve(reference, "$ref", place))
            keywords.append(.reference(keyword: "$ref", target))
            if resource.draft.refStandsAlone { return finish(place, keywords) }
        }
        try addDynamicReferences(to: &keywords, reader, place, resource)
        if resource.checksValues { try addChecks(to: &keywords, reader, resource) }
        if let format = try reader.text("format"), formatPolicy.asserts(resource) { keywords.append(.format(format)) }
        try addArrays(to: &keywords, reader, place, resource)
        try addObjects(to: &keywords, reader, place, resource)
        try addCombinations(to: &keywords, reader, place, resource)
        // These look at what all others have evaluated.
        if resource.draft >= .draft2019 {
            if let value = place.value["unevaluatedItems"] {
                keywords.append(.unevaluatedItems(try child(value, "unevaluatedItems", of: place)))
                usesUnevaluated = true
            }
            if let value = place.value["unevaluatedProperties"] {
                keywords.append(.unevaluatedProperties(try child(value, "unevaluatedProperties", of: place)))
                usesUnevaluated = true
            }
        }
        return finish(place, keywords)
    }

    private func finish(_ place: SchemaLibrary.Place, _ keywords: [SchemaKeyword]) -> SchemaNode {
        SchemaNode(location: location(place), resource: place.resource, constant: nil, keywords: keywords)
    }

    private mutating func resolve(
        _ reference: String, _ keyword: String, _ place: SchemaLibrary.Place
    ) throws(JSONSchemaError) -> SchemaLibrary.Place {
        if let target = library.resolve(reference, from: place.resource) { return target }
        let address = library.resources[place.resource].address.resolving(reference)
        if let meta = MetaSchemas.documents[address.document] {
            library.add(meta.root, at: Address(address.document), draft: meta.draft)
            if let target = library.resolve(reference, from: place.resource) { return target }
        }
        throw JSONSchemaError(
            .reference, "the reference \"\(reference)\" leads nowhere", at: location(place) + "/" + keyword)
    }

    private mutating func addDynamicReferences(
        to keywords: inout [SchemaKeyword], _ reader: KeywordReader, _ place: SchemaLibrary.Place,
        _ resource: SchemaLibrary.Resource
    ) throws(JSONSchemaError) {
        if resource.draft == .draft2020, let reference = try reader.text("$dynamicRef") {
            let target = try resolve(reference, "$dynamicRef", place)
            let fallback = try node(at: target)
            let name = Address.percentDecoded(Address(reference).fragment ?? "")
            // Only a reference that leads to a dynamic anchor at first is dynamic.
            if library.resources[target.resource].dynamicAnchors[JSONName(name)] != nil {
                dynamicNames.insert(JSONName(name))
                keywords.append(.dynamicReference(anchor: JSONName(name), fallback: fallback))
            } else {
                keywords.append(.reference(keyword: "$dynamicRef", fallback))
            }
        }
        if resource.draft == .draft2019, let reference = try reader.text("$recursiveRef") {
            let target = try resolve(reference, "$recursiveRef", place)
            let fallback = try node(at: target)
            if library.resources[target.resource].isRecursive {
                usesRecursion = true
                keywords.append(.recursiveReference(fallback: fallback))
            } else {
                keywords.append(.reference(keyword: "$recursiveRef", fallback))
            }
        }
    }

    // MARK: Values

    private func addChecks(
        to keywords: inout [SchemaKeyword], _ reader: KeywordReader, _ resource: SchemaLibrary.Resource
    ) throws(JSONSchemaError) {
        if let types = try reader.types() { keywords.append(.type(types)) }
        if let values = try reader.list("enum") {
            let others = values.filter { $0.text == nil }.map(\.identity)
            keywords.append(
                .enumeration(texts: Set(values.compactMap(\.text).map { JSONName($0) }), others: Set(others)))
        }
        if resource.draft >= .draft6, let value = reader.value["const"] { keywords.append(.constant(value)) }
        try addBounds(to: &keywords, reader, resource.draft)
        if let count = try reader.count("minLength") { keywords.append(.minLength(count)) }
        if let count = try reader.count("maxLength") { keywords.append(.maxLength(count)) }
        if let text = try reader.text("pattern") {
            keywords.append(.pattern(text, try reader.expression(text, "pattern")))
        }
        if let count = try reader.count("minItems") { keywords.append(.minItems(count)) }
        if let count = try reader.count("maxItems") { keywords.append(.maxItems(count)) }
        if try reader.flag("uniqueItems") == true { keywords.append(.uniqueItems) }
        if let count = try reader.count("minProperties") { keywords.append(.minProperties(count)) }
        if let count = try reader.count("maxProperties") { keywords.append(.maxProperties(count)) }
        if let names = try reader.texts("required") { keywords.append(.required(names)) }
        if resource.draft >= .draft2019, let members = try reader.map("dependentRequired") {
            var rules: [(String, [String])] = []
            for (name, value) in members { rules.append((name, try reader.texts(value, "dependentRequired/\(name)"))) }
            keywords.append(.dependentRequired(keyword: "dependentRequired", rules))
        }
    }

    private func addBounds(
        to keywords: inout [SchemaKeyword], _ reader: KeywordReader, _ draft: Draft
    ) throws(JSONSchemaError) {
        func bound(_ bound: SchemaKeyword.Bound, _ limit: JSONNumber) -> SchemaKeyword {
            .bound(bound, limit, integer: limit.int64)
        }
        let minimum = try reader.number("minimum")
        let maximum = try reader.number("maximum")
        if draft == .draft4 {
            // The exclusive ones are flags of the others there.
            let isAbove = try reader.flag("exclusiveMinimum") == true
            let isBelow = try reader.flag("exclusiveMaximum") == true
            if let minimum { keywords.append(bound(isAbove ? .exclusiveMinimum : .minimum, minimum)) }
            if let maximum { keywords.append(bound(isBelow ? .exclusiveMaximum : .maximum, maximum)) }
        } else {
            if let minimum { keywords.append(bound(.minimum, minimum)) }
            if let maximum { keywords.append(bound(.maximum, maximum)) }
            if let limit = try reader.number("exclusiveMinimum") { keywords.append(bound(.exclusiveMinimum, limit)) }
            if let limit = try reader.number("exclusiveMaximum") { keywords.append(bound(.exclusiveMaximum, limit)) }
        }
        if let divisor = try reader.number("multipleOf") {
            guard !divisor.isZero else { throw reader.error("multipleOf must not be 0", "multipleOf") }
            keywords.append(.multipleOf(divisor))
        }
    }

    // MARK: Arrays and objects

    private mutating func addArrays(
        to keywords: inout [SchemaKeyword], _ reader: KeywordReader, _ place: SchemaLibrary.Place,
        _ resource: SchemaLibrary.Resource
    ) throws(JSONSchemaError) {
        let draft = resource.draft
        let isModern = draft >= .draft2020
        var prefix: [Int] = []
        var rest: Int?
        var restName = "items"
        let prefixName = isModern ? "prefixItems" : "items"
        if case .array(let elements)? = place.value[prefixName] {
            for (index, element) in elements.enumerated() {
                prefix.append(try child(element, prefixName, String(index), of: place))
            }
            restName = isModern ? "items" : "additionalItems"
            if let value = place.value[restName] { rest = try child(value, restName, of: place) }
        } else {
            if isModern, place.value["prefixItems"] != nil { throw reader.expected("an array", "prefixItems") }
            if let value = place.value["items"] { rest = try child(value, "items", of: place) }
        }
        if !prefix.isEmpty || rest != nil {
            keywords.append(.items(prefix: prefix, prefixName: prefixName, rest: rest, restName: restName))
        }
        if draft >= .draft6, let value = place.value["contains"] {
            let min = draft >= .draft2019 ? try reader.count("minContains") : nil
            let max = draft >= .draft2019 ? try reader.count("maxContains") : nil
            keywords.append(
                .contains(try child(value, "contains", of: place), min: min ?? 1, max: max, marks: isModern))
        }
    }

    private mutating func addObjects(
        to keywords: inout [SchemaKeyword], _ reader: KeywordReader, _ place: SchemaLibrary.Place,
        _ resource: SchemaLibrary.Resource
    ) throws(JSONSchemaError) {
        var rules = SchemaKeyword.Properties()
        var hasRules = false
        if let members = try reader.map("properties") {
            hasRules = !members.isEmpty
            for (name, value) in members {
                rules.named[JSONName(name)] = try child(value, "properties", name, of: place)
            }
        }
        if let members = try reader.map("patternProperties") {
            hasRules = hasRules || !members.isEmpty
            for (name, value) in members {
                let expression = try reader.expression(name, "patternProperties")
                rules.patterns.append((name, expression, try child(value, "patternProperties", name, of: place)))
            }
        }
        if let value = place.value["additionalProperties"] {
            hasRules = true
            rules.additional = try child(value, "additionalProperties", of: place)
        }
        if hasRules { keywords.append(.properties(rules)) }
        if resource.draft >= .draft6, let value = place.value["propertyNames"] {
            keywords.append(.propertyNames(try child(value, "propertyNames", of: place)))
        }
        if let members = try reader.map("dependencies") {
            var needed: [(String, [String])] = []
            var schemas: [(String, Int)] = []
            for (name, value) in members {
                if case .array = value {
                    needed.append((name, try reader.texts(value, "dependencies/\(name)")))
                } else if case .string(let one) = value, resource.draft == .draft4 {
                    needed.append((name, [one]))
                } else {
                    schemas.append((name, try child(value, "dependencies", name, of: place)))
                }
            }
            if !needed.isEmpty { keywords.append(.dependentRequired(keyword: "dependencies", needed)) }
            if !schemas.isEmpty { keywords.append(.dependentSchemas(keyword: "dependencies", schemas)) }
        }
        if resource.draft >= .draft2019, let members = try reader.map("dependentSchemas") {
            var schemas: [(String, Int)] = []
            for (name, value) in members {
                schemas.append((name, try child(value, "dependentSchemas", name, of: place)))
            }
            keywords.append(.dependentSchemas(keyword: "dependentSchemas", schemas))
        }
    }

    private mutating func addCombinations(
        to keywords: inout [SchemaKeyword], _ reader: KeywordReader, _ place: SchemaLibrary.Place,
        _ resource: SchemaLibrary.Resource
    ) throws(JSONSchemaError) {
        for (keyword, make) in [
            ("allOf", SchemaKeyword.allOf), ("anyOf", SchemaKeyword.anyOf), ("oneOf", SchemaKeyword.oneOf),
        ] {
            guard let elements = try reader.list(keyword) else { continue }
            var branches: [Int] = []
            for (index, element) in elements.enumerated() {
                branches.append(try child(element, keyword, String(index), of: place))
            }
            keywords.append(make(branches))
        }
        if let value = place.value["not"] { keywords.append(.not(try child(value, "not", of: place))) }
        guard resource.draft >= .draft7 else { return }
        var branches: [Int?] = []
        for keyword in ["if", "then", "else"] {
            if let value = place.value[keyword] {
                branches.append(try child(value, keyword, of: place))
            } else {
                branches.append(nil)
            }
        }
        if let condition = branches[0] {
            keywords.append(.conditional(if: condition, then: branches[1], else: branches[2]))
        }
    }

    static func kind(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool: "a boolean"
        case .number, .raw: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// Reads keywords of one schema, each with the value that it must have.
struct KeywordReader {
    var value: JSONValue
    var location: String

    func error(_ message: String, _ keyword: String) -> JSONSchemaError {
        JSONSchemaError(.keyword, message, at: location + "/" + keyword)
    }

    func expected(_ what: String, _ keyword: String) -> JSONSchemaError {
        let found = value[keyword].map(SchemaCompiler.kind) ?? "nothing"
        return error("expected \(what) but found \(found)", keyword)
    }

    func text(_ keyword: String) throws(JSONSchemaError) -> String? {
        guard let found = value[keyword] else { return nil }
        guard let text = found.text else { throw expected("a string", keyword) }
        return text
    }

    func flag(_ keyword: String) throws(JSONSchemaError) -> Bool? {
        guard let found = value[keyword] else { return nil }
        guard let flag = found.flag else { throw expected("true or false", keyword) }
        return flag
    }

    func number(_ keyword: String) throws(JSONSchemaError) -> JSONNumber? {
        guard let found = value[keyword] else { return nil }
        guard let number = found.decimal else { throw expected("a number", keyword) }
        return number
    }

    /// A whole number; one that does not fit is as good as the largest.
    func count(_ keyword: String) throws(JSONSchemaError) -> Int? {
        guard let number = try number(keyword) else { return nil }
        guard number.isInteger else { throw error("expected a whole number", keyword) }
        return number.int64.map(Int.init) ?? (number.isNegative ? 0 : Int.max)
    }

    func list(_ keyword: String) throws(JSONSchemaError) -> [JSONValue]? {
        guard let found = value[keyword] else { return nil }
        guard let elements = found.elements else { throw expected("an array", keyword) }
        return elements
    }

    func map(_ keyword: String) throws(JSONSchemaError) -> [(String, JSONValue)]? {
        guard let found = value[keyword] else { return nil }
        guard let members = found.members else { throw expected("an object", keyword) }
        return members
    }

    func texts(_ keyword: String) throws(JSONSchemaError) -> [String]? {
        guard let found = value[keyword] else { return nil }
        return try texts(found, keyword)
    }

    func texts(_ found: JSONValue, _ keyword: String) throws(JSONSchemaError) -> [String] {
        let texts = found.elements?.compactMap(\.text)
        guard let texts, texts.count == found.elements?.count else {
            throw error("expected an array of strings", keyword)
        }
        return texts
    }

    func types() throws(JSONSchemaError) -> TypeSet? {
        guard let found = value["type"] else { return nil }
        let names = found.text.map { [$0] } ?? found.elements?.compactMap(\.text) ?? []
        guard found.text != nil || names.count == found.elements?.count else {
            throw expected("the name of a type or an array of them", "type")
        }
        var types: TypeSet = []
        for name in names {
            guard let type = TypeSet.names.first(where: { $0.name == name })?.type else {
                throw error("unknown type: [\(name)]", "type")
            }
            types.insert(type)
        }
        return types
    }

    func expression(_ text: String, _ keyword: String) throws(JSONSchemaError) -> ECMAExpression {
        do throws(PatternError) {
            return try ECMAExpression(text)
        } catch {
            throw self.error("not a regular expression: \(error.message)", keyword)
        }
    }
}
