package import JSONFormat

/// The documents that a schema and its references are made of, and what they call their parts.
///
/// A document is cut into resources: the whole, and every part that gives itself an address by `$id`. Addresses,
/// anchors and relative references belong to resources.
///
/// - SeeAlso: JSON Schema core 2020-12, sections 8.2 and 9.
package struct SchemaLibrary: Sendable {
    /// A part of a document with an address of its own.
    package struct Resource: Sendable {
        package var document: Int
        /// From the document's root.
        package var pointer: String
        package var address: Address
        package var draft: Draft
        /// Whether keywords that check values count: a meta-schema of the schema's own may leave them out.
        package var checksValues = true
        package var assertsFormat = false
        /// By name: the pointers of the schemas that `$anchor` and its forerunners name.
        package var anchors: [JSONName: String] = [:]
        package var dynamicAnchors: [JSONName: String] = [:]
        package var isRecursive = false
    }

    /// A schema: where it lies and what it says.
    package struct Place: Sendable {
        package var document: Int
        package var pointer: String
        package var value: JSONValue
        package var resource: Int

        package init(document: Int, pointer: String, value: JSONValue, resource: Int) {
            self.document = document
            self.pointer = pointer
            self.value = value
            self.resource = resource
        }
    }

    private struct Document: Sendable {
        var root: JSONValue
        /// The resources in it by the pointer of their root.
        var resources: [String: Int] = [:]
        /// Of objects with many members, by pointer: where each member is.
        var places: [String: [JSONName: Int]] = [:]
    }

    private var documents: [Document] = []
    package private(set) var resources: [Resource] = []
    /// By address without fragment.
    private var byAddress: [JSONName: Int] = [:]

    package init() {}

    /// Adds a document, unless its address is taken.
    ///
    /// - Parameters:
    ///   - isMain: whether it takes the address from whoever has it.
    ///   - address: what others call it; its own `$id` is an address as well.
    ///   - draft: what counts when it has no `$schema` that is known.
    /// - Returns: the document's resource.
    @discardableResult package mutating func add(
        _ root: JSONValue, at address: Address, draft: Draft, isMain: Bool = false
    ) -> Int {
        if !isMain, let known = byAddress[JSONName(address.document)] { return known }
        documents.append(Document(root: root))
        let document = documents.count - 1
        let main = addResource(document, "", address, draft, root)
        byAddress[JSONName(address.document)] = main
        scan(root, document, "", main, isRoot: true, isMain: isMain)
        return main
    }

    private mutating func addResource(
        _ document: Int, _ pointer: String, _ address: Address, _ draft: Draft, _ value: JSONValue
    ) -> Int {
        var base = address
        base.fragment = nil
        var resource = Resource(document: document, pointer: pointer, address: base, draft: draft)
        if let schema = value["$schema"]?.text {
            if let known = Draft(schemaKeyword: schema) {
                resource.draft = known
            } else {
                adoptMetaSchema(schema, &resource)
            }
        }
        resources.append(resource)
        documents[document].resources[pointer] = resources.count - 1
        return resources.count - 1
    }

    /// A meta-schema of the schema's own decides by `$vocabulary` what is checked.
    private func adoptMetaSchema(_ address: String, _ resource: inout Resource) {
        guard let index = byAddress[JSONName(Address(address).document)] else { return }
        let meta = resources[index]
        resource.draft = meta.draft
        guard let vocabulary = value(of: meta)?["$vocabulary"]?.members, meta.draft >= .draft2019 else { return }
        resource.checksValues = vocabulary.contains { $0.0.hasSuffix("/vocab/validation") }
        resource.assertsFormat = vocabulary.contains { $0.0.hasSuffix("/vocab/format-assertion") }
    }

    private func value(of resource: Resource) -> JSONValue? {
        JSONPointer.steps(resource.pointer).flatMap { descend($0, in: documents[resource.document]) }
    }

    /// Finds resources and anchors where the draft's keywords have schemas, and nowhere else: an `$id` inside of an
    /// `enum` is a value. The nesting is bounded by the JSON reader.
    private mutating func scan(
        _ value: JSONValue, _ document: Int, _ pointer: String, _ outer: Int, isRoot: Bool = false, isMain: Bool = false
    ) {
        guard case .object = value else { return }
        var current = outer
        var draft = resources[outer].draft
        let isReference = value["$ref"]?.text != nil
        if !(draft.refStandsAlone && isReference), let id = value[draft.idKeyword]?.text {
            if id.hasPrefix("#"), draft <= .draft7 {
                resources[current].anchors[JSONName(String(id.dropFirst()))] = pointer
            } else {
                let address = resources[outer].address.resolving(id)
                if isRoot {
                    resources[current].address = Address(address.document)
                } else {
                    current = addResource(document, pointer, address, draft, value)
                    draft = resources[current].draft
                }
                if byAddress[JSONName(address.document)] == nil || isRoot && isMain {
                    byAddress[JSONName(address.document)] = current
                }
                if let fragment = address.fragment, !fragment.isEmpty, draft <= .draft7 {
                    resources[current].anchors[JSONName(fragment)] = pointer
                }
            }
        }
        if draft >= .draft2019 {
            if let anchor = value["$anchor"]?.text { resources[current].anchors[JSONName(anchor)] = pointer }
            if draft == .draft2019, value["$recursiveAnchor"]?.flag == true, resources[current].pointer == pointer {
                resources[current].isRecursive = true
            }
            if draft == .draft2020, let anchor = value["$dynamicAnchor"]?.text {
                resources[current].anchors[JSONName(anchor)] = pointer
                resources[current].dynamicAnchors[JSONName(anchor)] = pointer
            }
        }
        if draft.refStandsAlone, isReference, !isRoot { return }
        for (keyword, holding) in draft.subschemas {
            guard let held = value[keyword] else { continue }
            let start = pointer + "/" + JSONPointer.escape(keyword)
            switch (holding, held) {
            case (.schema, _), (.schemaOrList, .object): scan(held, document, start, current)
            case (.list, .array(let elements)), (.schemaOrList, .array(let elements)):
                for (index, element) in elements.enumerated() { scan(element, document, "\(start)/\(index)", current) }
            case (.map, .object(let members)), (.mapOfSchemas, .object(let members)):
                if members.count > 16 {
                    documents[document].places[start] = Dictionary(
                        members.enumerated().map { (JSONName($0.element.0), $0.offset) }, uniquingKeysWith: { $1 })
                }
                for (name, member) in members {
                    scan(member, document, start + "/" + JSONPointer.escape(name), current)
                }
            default: continue
            }
        }
    }

    /// The resource that the schema at `pointer`, inside of `place`, belongs to.
    package func resource(at pointer: String, of place: Place) -> Int {
        documents[place.document].resources[pointer] ?? place.resource
    }

    /// The schema at the root of a resource.
    package func root(of resource: Int) -> Place? {
        guard let value = value(of: resources[resource]) else { return nil }
        let found = resources[resource]
        return Place(document: found.document, pointer: found.pointer, value: value, resource: resource)
    }

    /// Whether a document or resource has this address.
    package func contains(_ address: Address) -> Bool { byAddress[JSONName(address.document)] != nil }

    /// The schema that `reference` means where resource `origin` uses it; nil when there is none.
    package func resolve(_ reference: String, from origin: Int) -> Place? {
        let target = resources[origin].address.resolving(reference)
        // The registry's names of referenced schemas need not be addresses: as they are, they come first among
        // documents.
        let isLocal = target.document == resources[origin].address.document
        guard
            let resource = isLocal
                ? origin : byAddress[JSONName(target.document)] ?? byAddress[JSONName(Address(reference).document)]
        else { return nil }
        let fragment = Address.percentDecoded(target.fragment ?? "")
        if fragment.isEmpty { return root(of: resource) }
        if fragment.hasPrefix("/") { return place(at: fragment, in: resource) }
        return anchor(fragment, in: resource)
    }

    /// The schema that `$anchor` or `$dynamicAnchor` names in a resource.
    package func anchor(_ name: String, in resource: Int) -> Place? {
        resources[resource].anchors[JSONName(name)].flatMap { place(at: $0, inDocumentOf: resource) }
    }

    /// The schema that `$dynamicAnchor` names in a resource.
    package func dynamicAnchor(_ name: String, in resource: Int) -> Place? {
        resources[resource].dynamicAnchors[JSONName(name)].flatMap { place(at: $0, inDocumentOf: resource) }
    }

    private func place(at pointer: String, inDocumentOf resource: Int) -> Place? {
        place(at: pointer, inDocument: resources[resource].document)
    }

    private func place(at pointer: String, in resource: Int) -> Place? {
        place(at: resources[resource].pointer + pointer, inDocument: resources[resource].document)
    }

    private func place(at pointer: String, inDocument document: Int) -> Place? {
        guard let steps = JSONPointer.steps(pointer) else { return nil }
        guard let value = descend(steps, in: documents[document]) else { return nil }
        // The innermost resource on the way is the one that the schema belongs to.
        var way = ""
        var resource = documents[document].resources[""] ?? 0
        var canonical = ""
        for step in steps {
            canonical += "/" + JSONPointer.escape(step)
            way = canonical
            if let inner = documents[document].resources[way] { resource = inner }
        }
        return Place(document: document, pointer: canonical, value: value, resource: resource)
    }

    private func descend(_ steps: [String], in document: Document) -> JSONValue? {
        var value = document.root
        var way = ""
        for step in steps {
            switch value {
            case .object(let members):
                if let place = document.places[way]?[JSONName(step)] {
                    value = members[place].1
                } else {
                    guard let member = value[step] else { return nil }
                    value = member
                }
            case .array(let elements):
                guard let index = Int(step), elements.indices.contains(index), String(index) == step else {
                    return nil
                }
                value = elements[index]
            default: return nil
            }
            way += "/" + JSONPointer.escape(step)
        }
        return value
    }
}
