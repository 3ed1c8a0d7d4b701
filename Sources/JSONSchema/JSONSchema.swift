package import JSONFormat

/// Whether `format` is a demand or a hint.
package enum FormatPolicy: Sendable {
    /// As most validators have it: a demand until draft 7, afterwards a hint unless the meta-schema says otherwise.
    case byDraft
    case hint
    case demand

    func asserts(_ resource: SchemaLibrary.Resource) -> Bool {
        switch self {
        case .byDraft: resource.draft <= .draft7 || resource.assertsFormat
        case .hint: resource.assertsFormat
        case .demand: true
        }
    }
}

/// A JSON Schema with everything it refers to, ready to check values.
///
/// Drafts 4, 6, 7, 2019-09 and 2020-12; `$schema` tells which one, without it draft 7 counts. References lead to parts
/// of the schema, to the named documents it is given and to the drafts' own meta-schemas; nothing is fetched.
package struct JSONSchema: Sendable {
    /// As it was given, whatever the order of its members.
    package let root: JSONValue
    package let draft: Draft
    /// The schema and what it refers to, for those who look at schemas rather than at values.
    package let library: SchemaLibrary
    /// The resource of `root` in the library.
    package let mainResource: Int
    let nodes: [SchemaNode]
    let usesUnevaluated: Bool
    let recursiveRoots: [Int: Int]
    let dynamicNodes: [JSONName: [Int: Int]]

    /// - Parameters:
    ///   - references: the documents that the schema may refer to, by the names it has for them.
    ///   - defaultDraft: what counts without `$schema`, or with one that nobody knows.
    /// - Throws: what is wrong with the schema, and where.
    package init(
        _ root: JSONValue, references: [(name: String, root: JSONValue)] = [], defaultDraft: Draft = .draft7,
        format: FormatPolicy = .byDraft
    ) throws(JSONSchemaError) {
        self.root = root
        var library = SchemaLibrary()
        let base = root["$schema"]?.text.flatMap { Draft(schemaKeyword: $0) } ?? defaultDraft
        let address = root[base.idKeyword]?.text.map { Address($0) } ?? Address("")
        // Names are relative to the schema's own address, and stay what they are beside that.
        for (name, document) in references {
            library.add(document, at: Address(address.resolving(name).document), draft: base)
        }
        mainResource = library.add(root, at: Address(address.document), draft: base, isMain: true)
        draft = library.resources[mainResource].draft
        let compiler = try SchemaCompiler(library: library, main: mainResource, formatPolicy: format)
        self.library = compiler.library
        nodes = compiler.nodes.compactMap { $0 }
        usesUnevaluated = compiler.usesUnevaluated
        recursiveRoots = compiler.recursiveRoots
        dynamicNodes = compiler.dynamicNodes
    }

    /// Reads a schema's text; see the other initialiser.
    package init(
        text: String, references: [(name: String, text: String)] = [], defaultDraft: Draft = .draft7,
        format: FormatPolicy = .byDraft
    ) throws(JSONSchemaError) {
        let root = try Self.read(text, "")
        var documents: [(String, JSONValue)] = []
        for (name, text) in references { documents.append((name, try Self.read(text, name))) }
        try self.init(root, references: documents, defaultDraft: defaultDraft, format: format)
    }

    private static func read(_ text: String, _ name: String) throws(JSONSchemaError) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue.read(text, duplicates: .last)
        } catch {
            throw JSONSchemaError(error.code == .tooDeep ? .tooLarge : .notJSON, error.description, at: name)
        }
    }

    /// Whether `value` is as the schema demands.
    package func isValid(_ value: JSONValue) -> Bool {
        var check = SchemaCheck(schema: self, violationCountMax: 0)
        return check.run(value)
    }

    /// Everything about `value` that is not as the schema demands, up to `countMax` things; empty when it is valid.
    package func violations(in value: JSONValue, countMax: Int = 100) -> [SchemaViolation] {
        var check = SchemaCheck(schema: self, violationCountMax: max(1, countMax))
        return check.run(value) ? [] : check.violations
    }
}

/// One demand of a schema that a value does not meet.
package struct SchemaViolation: Sendable, Hashable, CustomStringConvertible {
    /// Where in the value, as a JSON Pointer; empty for the whole.
    package var instancePath: String
    /// The keyword, as an address: `#/properties/a/minLength`.
    package var keywordPath: String
    package var message: String

    package var description: String { "\(instancePath.isEmpty ? "/" : instancePath): \(message) (\(keywordPath))" }
}
