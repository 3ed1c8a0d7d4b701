import JSONFormat

/// A JSON Schema as Connect's converter sees it.
struct JSONSchemaNode {
    enum Kind: String { case null, boolean, string, integer, number, array, object, map, union, unknown }

    /// What a reference can lead into.
    private struct Document {
        /// Empty for the schema itself.
        var name: String
        var root: JSONValue
    }

    let json: JSONValue
    /// What it is part of.
    private let document: Document
    /// The documents that the schema refers to, by the names of those references.
    private let others: [String: JSONValue]

    init(_ root: JSONValue, others: [String: JSONValue] = [:]) {
        self.init(root, of: Document(name: "", root: root), others)
    }

    private init(_ json: JSONValue, of document: Document, _ others: [String: JSONValue]) {
        self.json = json
        self.document = document
        self.others = others
    }

    /// A part of the same document.
    private func part(_ json: JSONValue) -> JSONSchemaNode { JSONSchemaNode(json, of: document, others) }

    // MARK: References and choices

    /// What a reference or a choice between null and one other stands for.
    func resolved() -> JSONSchemaNode {
        var node = self
        for _ in 0..<32 {
            if let reference = node.reference, let target = node.target(of: reference) {
                node = target
                continue
            }
            guard let branch = node.onlyBranch else { break }
            node = branch
        }
        return node
    }

    /// The one way to read it, if it says nothing about itself but what it may be.
    private var onlyBranch: JSONSchemaNode? {
        guard json["properties"] == nil, types.allSatisfy({ $0 == "null" || $0 == "object" }) else { return nil }
        if let choices { return choices.count == 1 ? choices[0] : nil }
        return conditions.count == 1 && types.isEmpty ? conditions[0] : nil
    }

    private struct Reference: Hashable {
        /// Of a document; empty for the schema itself.
        var name: String
        /// As in RFC 6901.
        var pointer: String
    }

    private var reference: Reference? {
        guard let text = json["$ref"]?.text else { return nil }
        let name = text.prefix { $0 != "#" }
        return Reference(
            name: name.isEmpty ? document.name : self.name(of: String(name)),
            pointer: String(text.dropFirst(name.count + 1)))
    }

    /// The name among `others` that a reference means: its own, or that of the same place beside the document's `$id`,
    /// which is a name of the document itself.
    private func name(of text: String) -> String {
        if others[text] != nil { return text }
        let id = document.root["$id"]?.text ?? document.root["id"]?.text ?? ""
        if text == id { return document.name }
        guard let slash = id.lastIndex(of: "/") else { return text }
        let folder = id[...slash]
        return text.hasPrefix(folder) ? String(text.dropFirst(folder.count)) : folder + text
    }

    private func target(of reference: Reference) -> JSONSchemaNode? {
        var found = document
        if reference.name != document.name {
            guard let root = reference.name.isEmpty ? nil : others[reference.name] else { return nil }
            found = Document(name: reference.name, root: root)
        }
        var json = found.root
        for piece in reference.pointer.split(separator: "/") {
            var name = ""
            var rest = piece
            while let scalar = rest.popFirst() {
                if scalar == "~", let code = rest.popFirst() {
                    name += code == "1" ? "/" : "~"
                } else {
                    name.append(scalar)
                }
            }
            guard let next = json[name] else { return nil }
            json = next
        }
        return JSONSchemaNode(json, of: found, others)
    }

    /// The choices of `oneOf` or `anyOf` other than null; nil when there is no choice.
    private var choices: [JSONSchemaNode]? {
        guard let list = json["oneOf"]?.elements ?? json["anyOf"]?.elements else { return nil }
        return list.map { part($0) }.filter { $0.types.isEmpty || !$0.types.allSatisfy { $0 == "null" } }
    }

    /// What has to hold together.
    private var conditions: [JSONSchemaNode] { (json["allOf"]?.elements ?? []).map { part($0) } }

    /// What a value of a union may be.
    var branches: [JSONSchemaNode] { choices ?? [] }

    // MARK: Kinds

    private var types: [String] {
        if let text = json["type"]?.text { return [text] }
        return (json["type"]?.elements ?? []).compactMap(\.text)
    }

    var kind: Kind {
        var seen: Set<Reference> = []
        return kind(&seen)
    }

    /// - Parameter seen: references that were followed, which may lead in a circle.
    private func kind(_ seen: inout Set<Reference>) -> Kind {
        if let reference, let target = target(of: reference) {
            return seen.insert(reference).inserted ? target.kind(&seen) : .unknown
        }
        if json["allOf"] != nil, !properties.isEmpty { return .object }
        guard let type = types.first(where: { $0 != "null" }) else {
            if !types.isEmpty { return .null }
            if json["properties"] != nil { return .object }
            if choices != nil { return .union }
            for condition in conditions {
                let kind = condition.kind(&seen)
                if kind != .unknown { return kind }
            }
            return json["enum"] != nil || json["const"]?.text != nil ? .string : .unknown
        }
        switch type {
        case "boolean": return .boolean
        case "string": return .string
        case "integer": return .integer
        case "number": return .number
        case "array": return .array
        case "object":
            if connectType == "map" { return .map }
            if json["properties"] != nil { return .object }
            return additionalProperties != nil ? .map : choices != nil ? .union : .object
        default: return .unknown
        }
    }

    var title: String? { json["title"]?.text }
    var connectType: String? { json["connect.type"]?.text }

    func parameter(_ name: String) -> Int? { json["connect.parameters"]?[name]?.text.flatMap { Int($0) } }

    var items: JSONSchemaNode? { json["items"].flatMap { $0.members == nil ? nil : part($0) } }

    var additionalProperties: JSONSchemaNode? {
        json["additionalProperties"].flatMap { $0.members == nil ? nil : part($0) }
    }

    // MARK: Properties

    typealias Property = (name: String, node: JSONSchemaNode)

    /// By their `connect.index`; without one in the order in which Java's hash maps have them, as the original has no
    /// other. Those of `allOf` come first, in its order.
    var properties: [Property] {
        if json["allOf"] != nil {
            var seen: Set<Reference> = []
            return collected(&seen)
        }
        let placed = ownProperties.enumerated().map { place, property in
            (index: property.node.json["connect.index"]?.integer ?? Int64(place), property: property)
        }
        return placed.enumerated().sorted { ($0.element.index, $0.offset) < ($1.element.index, $1.offset) }
            .map(\.element.property)
    }

    private var ownProperties: [Property] {
        let members = json["properties"]?.members ?? []
        return Self.hashOrder(members.map(\.0)).map { (members[$0].0, part(members[$0].1)) }
    }

    /// The properties of everything that has to hold together; of several of one name the last counts.
    private func collected(_ seen: inout Set<Reference>) -> [Property] {
        if let reference, let target = target(of: reference) {
            return seen.insert(reference).inserted ? target.collected(&seen) : []
        }
        var all: [Property] = []
        var places: [JSONName: Int] = [:]
        var found: [Property] = []
        for condition in conditions { found += condition.collected(&seen) }
        for property in found + ownProperties {
            if let place = places[JSONName(property.name)] {
                all[place].node = property.node
            } else {
                places[JSONName(property.name)] = all.count
                all.append(property)
            }
        }
        return all
    }

    /// The order in which a `java.util.HashMap` iterates over texts that were put in in this order.
    static func hashOrder(_ names: [String]) -> [Int] {
        var capacity = 16
        while Double(names.count) > 0.75 * Double(capacity) { capacity *= 2 }
        let buckets = names.map { name -> Int in
            var hash: UInt32 = 0
            for unit in name.utf16 { hash = hash &* 31 &+ UInt32(unit) }
            return Int((hash ^ hash >> 16) & UInt32(capacity - 1))
        }
        return names.indices.sorted { (buckets[$0], $0) < (buckets[$1], $1) }
    }
}
