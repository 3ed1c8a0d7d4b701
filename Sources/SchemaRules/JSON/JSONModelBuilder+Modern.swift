import JSONFormat
import JSONSchema

/// Schemas from 2019-09 on. The original reads them with another library than the older drafts, and joins what their
/// keywords say in the order in which these are written: a keyword goes to the part that is of its kind of values, or
/// becomes a part of its own.
///
/// - SeeAlso: upstream `SchemaTranslator.SchemaContext.join`.
extension JSONModelBuilder {
    /// What some keywords of one schema make together.
    private struct Part {
        enum Kind: Hashable {
            case string, number, object, array, boolean, null
            /// Several types, each with the keywords that belong to it.
            case types
            /// What nothing is joined to.
            case other
        }

        var kind: Kind
        var type: String?
        var members: [(String, JSONValue)] = []
        var types: [Part] = []
        var shape: JSONModel.Shape?

        func isJoined(to part: Part) -> Bool {
            guard kind == part.kind else { return false }
            switch kind {
            case .string, .number, .object, .array: return true
            case .boolean, .null, .types, .other: return false
            }
        }

        mutating func join(_ part: Part) {
            type = type ?? part.type
            members += part.members
        }
    }

    /// The parts so far: `isAll` when they stand side by side, otherwise it is one at most.
    private struct Parts {
        var parts: [Part] = []
        var isAll = false

        mutating func join(_ part: Part) {
            guard !isAll, let only = parts.first else { return append(part) }
            if only.isJoined(to: part) {
                parts[0].join(part)
            } else if only.kind == .types, only.types.contains(where: { $0.kind == part.kind }) {
                Self.accumulate(part, in: &parts[0].types)
            } else if part.kind == .types, part.types.contains(where: { $0.kind == only.kind }) {
                parts = [part]
                Self.accumulate(only, in: &parts[0].types)
            } else {
                append(part)
            }
        }

        /// `format` and its like say nothing, but what follows stands beside what was there.
        mutating func joinNothing() { isAll = true }

        private mutating func append(_ part: Part) {
            Self.accumulate(part, in: &parts)
            if parts.count > 1 { isAll = true }
        }

        private static func accumulate(_ part: Part, in parts: inout [Part]) {
            if let index = parts.firstIndex(where: { $0.isJoined(to: part) }) {
                parts[index].join(part)
            } else {
                parts.append(part)
            }
        }
    }

    mutating func modernShape(_ place: SchemaLibrary.Place, _ draft: Draft) throws(SchemaFailure) -> JSONModel.Shape {
        let value = place.value
        var parts = Parts()
        for (keyword, rule) in value.members ?? [] {
            switch keyword {
            case "format": if rule.text != nil { parts.joinNothing() }
            case "readOnly", "writeOnly": if rule.flag == true { parts.joinNothing() }
            case "type":
                if let part = Self.typePart(rule) { parts.join(part) }
            default:
                if var part = Self.simplePart(keyword, rule) {
                    if keyword == "contains" {
                        for bound in ["minContains", "maxContains"] {
                            if let count = value[bound] { part.members.append((bound, count)) }
                        }
                    }
                    parts.join(part)
                } else if let shape = try otherShape(keyword, rule, place, draft) {
                    parts.join(Part(kind: .other, members: [(keyword, rule)], shape: shape))
                }
            }
        }
        for keyword in ["properties", "patternProperties"] {
            guard let rule = value[keyword], rule.members?.isEmpty == false else { continue }
            parts.join(Part(kind: .object, members: [(keyword, rule)]))
        }
        for (keyword, kind) in [("unevaluatedItems", Part.Kind.array), ("unevaluatedProperties", .object)] {
            if let rule = value[keyword] { parts.join(Part(kind: kind, members: [(keyword, rule)])) }
        }
        guard let first = parts.parts.first else { return .empty }
        if parts.parts.count == 1 { return shape(first, place, draft) }
        var branches: [Int] = []
        for part in parts.parts { branches.append(node(part, place, draft)) }
        return .combined(.allOf, branches, isMade: true)
    }

    private static func typePart(_ rule: JSONValue) -> Part? {
        func part(_ type: String) -> Part {
            let kind: Part.Kind =
                switch type {
                case "string": .string
                case "integer", "number": .number
                case "object": .object
                case "array": .array
                case "boolean": .boolean
                default: .null
                }
            return Part(kind: kind, type: type)
        }
        if let type = rule.text { return part(type) }
        return (rule.elements?.compactMap(\.text)).map { Part(kind: .types, types: $0.map(part)) }
    }

    /// Of a keyword that belongs to one kind of values, whose subschemas are no parts of this schema.
    private static func simplePart(_ keyword: String, _ rule: JSONValue) -> Part? {
        let kind: Part.Kind
        switch keyword {
        case "minLength", "maxLength", "pattern": kind = .string
        case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf": kind = .number
        case "additionalProperties", "required", "minProperties", "maxProperties", "dependentRequired",
            "dependentSchemas", "propertyNames":
            kind = .object
        case "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains": kind = .array
        default: return nil
        }
        return Part(kind: kind, members: [(keyword, rule)])
    }

    private mutating func otherShape(
        _ keyword: String, _ rule: JSONValue, _ place: SchemaLibrary.Place, _ draft: Draft
    ) throws(SchemaFailure) -> JSONModel.Shape? {
        switch keyword {
        case "enum": return rule.elements.map { .enumeration($0) }
        case "const": return .constant(rule)
        case "$ref", draft == .draft2019 ? "$recursiveRef" : "$dynamicRef": return try reference(keyword, place)
        case "allOf", "anyOf", "oneOf":
            return JSONModel.Criterion(rawValue: keyword).flatMap { combination($0, place) }
        case "not": return .not(child(rule, keyword, of: place))
        case "if": return conditional(place)
        default: return nil
        }
    }

    // MARK: From parts to shapes

    private mutating func shape(_ part: Part, _ place: SchemaLibrary.Place, _ draft: Draft) -> JSONModel.Shape {
        if let shape = part.shape { return shape }
        if part.kind == .types {
            var branches: [Int] = []
            for type in part.types { branches.append(node(type, place, draft)) }
            return .combined(.anyOf, branches, isMade: true)
        }
        var own = place
        own.value = .object(part.members)
        if let type = part.type, part.kind != .array { return typed(type, own, draft) }
        switch part.kind {
        case .string: return .string(stringRules(own.value))
        case .number: return .number(numberRules(own.value))
        case .object: return .object(objectRules(own, draft))
        case .array:
            var rules = arrayRules(own, draft, in: place.value)
            rules.isRequired = part.type != nil
            return .array(rules)
        case .boolean, .null, .types, .other: return .empty
        }
    }

    private mutating func node(_ part: Part, _ place: SchemaLibrary.Place, _ draft: Draft) -> Int {
        var members = part.members
        if let type = part.type { members.append(("type", .string(type))) }
        if part.kind == .types {
            members.append(("type", .array(part.types.compactMap { $0.type.map { .string($0) } })))
            for type in part.types { members += type.members }
        }
        let index = add(
            shape(part, place, draft),
            source: .init(value: .object(members), resource: place.resource, isModern: true))
        if part.kind == .other, part.shape != nil { noteCombination(index) }
        return index
    }
}
