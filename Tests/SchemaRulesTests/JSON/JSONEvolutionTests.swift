import JSONFormat
import JSONSchema
import TestKit
import Testing

@testable import SchemaRules

/// What the rules promise: when a schema may follow another one under STRICT, every value that the old one accepts is
/// accepted by the new one. That holds for the keywords that are made here; what the original does not compare
/// (`contains`, `propertyNames`, names that are required but no properties) is not among them.
@Suite struct JSONEvolutionTests {
    @Test(arguments: Array(1...12) as [UInt64])
    func `a schema that may follow accepts what was accepted`(seed: UInt64) throws {
        var maker = SchemaMaker(random: SeededRandom(seed: seed))
        var compatible = 0
        var checked = 0
        for _ in 0..<150 {
            let old = maker.schema(0)
            var new = old
            for _ in 0..<Int.random(in: 1...3, using: &maker.random) { new = maker.evolved(new, 0) }
            let original = try JSONDocument(String(decoding: old.bytes, as: UTF8.self))
            let update = try JSONDocument(String(decoding: new.bytes, as: UTF8.self))
            guard update.incompatibilities(reading: original, policy: .strict).isEmpty else { continue }
            compatible += 1
            for _ in 0..<12 {
                let value = maker.value(of: old, 0)
                guard original.schema.isValid(value) else { continue }
                checked += 1
                let isValid = update.schema.isValid(value)
                #expect(
                    isValid,
                    """
                    \(String(decoding: old.bytes, as: UTF8.self)) -> \(String(decoding: new.bytes, as: UTF8.self)) \
                    with \(String(decoding: value.bytes, as: UTF8.self))
                    """)
            }
        }
        #expect(compatible > 20 && checked > 100, "\(compatible) compatible pairs, \(checked) values")
    }

    /// A schema follows itself without a difference, however its members are ordered.
    @Test(arguments: Array(1...6) as [UInt64])
    func `a schema equals itself`(seed: UInt64) throws {
        var maker = SchemaMaker(random: SeededRandom(seed: seed))
        for _ in 0..<100 {
            let document = try JSONDocument(String(decoding: maker.schema(0).bytes, as: UTF8.self))
            let sorted = try JSONDocument(document.normalizedText())
            for policy in CompatibilityPolicy.allCases {
                #expect(sorted.differences(from: document, policy: policy).isEmpty, "\(document.canonicalText)")
            }
            #expect(sorted.normalizedText() == document.normalizedText())
            #expect(sorted.canonicalText == document.normalizedText())
        }
    }
}

/// Random schemas, small changes of them, and values that have a chance to be valid.
private struct SchemaMaker {
    var random: SeededRandom

    private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    private mutating func pick(_ texts: [String]) -> String { texts[Int.random(in: 0..<texts.count, using: &random)] }

    mutating func schema(_ depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth > 2 ? 4 : 7), using: &random) {
        case 0: return .object([("type", .string("string"))] + bounds("minLength", "maxLength", 0...4))
        case 1:
            return .object([("type", .string(pick(["integer", "number"])))] + bounds("minimum", "maximum", -5...5))
        case 2: return .object([("type", .string(pick(["boolean", "null"])))])
        case 3: return .object([("enum", .array((0..<Int64.random(in: 1...4, using: &random)).map { .number($0) }))])
        case 4:
            return .object(
                [("type", .string("array")), ("items", schema(depth + 1))] + bounds("minItems", "maxItems", 0...3))
        case 5:
            let branches = (0..<Int.random(in: 1...3, using: &random)).map { _ in schema(depth + 1) }
            return .object([("anyOf", .array(branches))])
        default: return object(depth)
        }
    }

    private mutating func bounds(_ low: String, _ high: String, _ range: ClosedRange<Int64>) -> [(String, JSONValue)] {
        var members: [(String, JSONValue)] = []
        if chance(2) { members.append((low, .number(Int64.random(in: range, using: &random)))) }
        if chance(2) { members.append((high, .number(Int64.random(in: range, using: &random)))) }
        return members
    }

    private mutating func object(_ depth: Int) -> JSONValue {
        let names = ["a", "b", "c", "d"].filter { _ in chance(2) }
        var members: [(String, JSONValue)] = [("type", .string("object"))]
        members.append(("properties", .object(names.map { ($0, schema(depth + 1)) })))
        let required = names.filter { _ in chance(3) }
        members.append(("required", .array(required.map { .string($0) })))
        members.append(("additionalProperties", rest(depth)))
        return .object(members)
    }

    private mutating func rest(_ depth: Int) -> JSONValue {
        chance(3) ? .bool(true) : chance(2) ? .bool(false) : schema(depth + 2)
    }

    /// The same schema with one change somewhere.
    mutating func evolved(_ schema: JSONValue, _ depth: Int) -> JSONValue {
        guard case .object(var members) = schema, !members.isEmpty, !chance(6) else { return self.schema(depth) }
        let place = Int.random(in: 0..<members.count, using: &random)
        let (name, value) = members[place]
        switch (name, value) {
        case ("properties", .object(var properties)):
            if chance(2), let last = properties.indices.last {
                let at = Int.random(in: 0...last, using: &random)
                properties[at].1 = evolved(properties[at].1, depth + 1)
            } else if chance(2), !properties.isEmpty {
                let gone = properties.removeLast().0
                members = members.map { member in
                    guard member.0 == "required", let names = member.1.elements else { return member }
                    return ("required", .array(names.filter { $0.text != gone }))
                }
            } else if let free = ["a", "b", "c", "d"].first(where: { name in !properties.contains { $0.0 == name } }) {
                properties.append((free, self.schema(depth + 1)))
            }
            members[place].1 = .object(properties)
        case ("required", .array(let names)):
            let known = members.first { $0.0 == "properties" }?.1.members?.map(\.0) ?? []
            members[place].1 = chance(2) ? .array(Array(names.dropLast())) : .array(known.prefix(2).map { .string($0) })
        case ("additionalProperties", _): members[place].1 = rest(depth)
        case ("items", _): members[place].1 = evolved(value, depth + 1)
        case ("anyOf", .array(var branches)):
            if chance(2) { branches.append(self.schema(depth + 1)) } else { branches.reverse() }
            members[place].1 = .array(branches)
        case ("enum", .array(let values)): members[place].1 = .array(values + [.number(Int64(values.count))])
        case ("type", .string("integer")): members[place].1 = .string("number")
        case (_, .number(let number)):
            if chance(3) {
                members.remove(at: place)
            } else {
                members[place].1 = .number(number + (chance(2) ? 1 : -1))
            }
        default: break
        }
        return .object(members)
    }

    mutating func value(of schema: JSONValue, _ depth: Int) -> JSONValue {
        if chance(12) { return .number(Int64.random(in: -5...5, using: &random)) }
        if let values = schema["enum"]?.elements { return values[Int.random(in: 0..<values.count, using: &random)] }
        if let branches = schema["anyOf"]?.elements {
            return value(of: branches[Int.random(in: 0..<branches.count, using: &random)], depth)
        }
        switch schema["type"]?.text {
        case "string": return .string(String(repeating: "x", count: Int.random(in: 0...5, using: &random)))
        case "integer": return .number(Int64.random(in: -6...6, using: &random))
        case "number": return chance(2) ? .raw(Array("1.5".utf8)) : .number(Int64.random(in: -6...6, using: &random))
        case "boolean": return .bool(chance(2))
        case "array":
            let count = Int.random(in: 0...4, using: &random)
            return .array((0..<count).map { _ in value(of: schema["items"] ?? .null, depth + 1) })
        case "object":
            var members: [(String, JSONValue)] = []
            for (name, property) in schema["properties"]?.members ?? [] where !chance(4) {
                members.append((name, value(of: property, depth + 1)))
            }
            for name in ["a", "b", "c", "d", "e"] where chance(4) && !members.contains(where: { $0.0 == name }) {
                members.append((name, value(of: schema["additionalProperties"] ?? .null, depth + 1)))
            }
            return .object(members)
        default: return .null
        }
    }
}
