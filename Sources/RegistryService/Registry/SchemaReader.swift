import NIOPosix
package import SchemaRules

/// A schema as a client sends it.
package struct SchemaRequest: Sendable, Equatable {
    package var text: String
    package var typeName: String
    package var references: [StoredReference]
    package var metadata: SchemaMetadata?
    package var ruleSet: SchemaRuleSet?
    /// Only for imports.
    package var id: Int32?
    /// 0: not given. -1: the next one, noted in the metadata.
    package var version: Int32
    /// Tags that parts of the schema are to get, and to lose.
    package var tagsToAdd: [SchemaTags] = []
    package var tagsToRemove: [SchemaTags] = []
    /// Whether parts keep the tags that they have in the version before.
    package var propagatesTags = false

    package init(
        text: String, typeName: String = SchemaType.avro.rawValue, references: [StoredReference] = [],
        metadata: SchemaMetadata? = nil, ruleSet: SchemaRuleSet? = nil, id: Int32? = nil, version: Int32 = 0
    ) {
        self.text = text
        self.typeName = typeName
        self.references = references
        self.metadata = metadata
        self.ruleSet = ruleSet
        self.id = id
        self.version = version
    }

    /// The request with what its rules leave to the registry.
    var withKeyDefaults: SchemaRequest {
        var copy = self
        copy.ruleSet = ruleSet?.withKeyDefaults
        return copy
    }

    /// Whether what is registered is another text than the one given.
    var changesTags: Bool { !tagsToAdd.isEmpty || !tagsToRemove.isEmpty || propagatesTags }

    var isEmpty: Bool { !text.contains { !$0.isWhitespace } }

    /// Whether the text can only be base64: every text of a schema has a space, a quote or a bracket in it.
    var isBase64: Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="),
                    UInt8(ascii: "-"), UInt8(ascii: "_"), 0x0A, 0x0D:
                    true
                default: false
                }
            }
    }
}

/// Turns texts into schemas, with all that they refer to.
struct SchemaReader: Sendable {
    /// How far references may reach through others, and how many schemas they may bring in.
    private static let depthMax = 64
    private static let referencedCountMax = 5000
    private static let referencedByteCountMax = 64 << 20

    let holder: StateHolder
    let cache: DocumentCache

    /// A schema that was read, and its references with their versions resolved.
    struct Read: Sendable {
        var document: any SchemaDocument
        var references: [StoredReference]
    }

    /// Reads a schema of a request. Takes as long as its text is long: not for threads that others wait for.
    ///
    /// - Parameter isNew: whether it is to hold for a new schema, which may refer to no version that is deleted; those
    ///   that are there stay readable.
    /// - Throws: `.invalidSchema`.
    func read(_ request: SchemaRequest, subject: String, isNew: Bool) throws(RegistryError) -> Read {
        guard let type = SchemaType(rawValue: request.typeName) else {
            throw .invalidSchema("Invalid schema type \(request.typeName)")
        }
        return try read(request.text, type, request.references, subject: subject, isNew: isNew)
    }

    /// Reads a schema that is stored.
    func read(_ schema: StoredSchema, subject: String) throws(RegistryError) -> any SchemaDocument {
        try read(schema.string, schema.type, schema.references, subject: subject, isNew: false).document
    }

    /// A schema with the texts of all that it refers to, for those who have no registry at hand.
    func described(_ schema: StoredSchema, subject: String) throws(RegistryError) -> ImpactQuestion.Schema {
        do throws(SchemaFailure) {
            return ImpactQuestion.Schema(
                schema.type, schema.string,
                references: try collect(schema.references, from: SubjectName(subject), isNew: false))
        } catch {
            throw .invalidSchema(type: schema.type, error)
        }
    }

    private func read(
        _ text: String, _ type: SchemaType, _ references: [StoredReference], subject: String, isNew: Bool
    ) throws(RegistryError) -> Read {
        let parent = SubjectName(subject)
        var resolved = references
        var key = DocumentCache.Key(type: type, text: text, references: [], isNew: isNew)
        let revision = holder.read { $0.removalRevision }
        do throws(SchemaFailure) {
            for index in resolved.indices {
                let place = try place(of: resolved[index], from: parent, isNew: isNew)
                resolved[index].version = place.version
                key.references.append(.init(name: resolved[index].name, place: place))
            }
            if let document = cache.document(key, revision: revision) {
                return Read(document: document, references: resolved)
            }
            let document = try type.read(
                text, references: collect(resolved, from: parent, isNew: isNew), isNew: isNew)
            cache.keep(document, as: key, revision: revision)
            return Read(document: document, references: resolved)
        } catch {
            throw .invalidSchema(type: type, error)
        }
    }

    /// Where a reference leads; of the latest version, the one that it is now.
    private func place(
        of reference: StoredReference, from parent: SubjectName, isNew: Bool
    ) throws(SchemaFailure) -> SubjectVersion {
        let name = SubjectName.qualified(reference.subject, from: parent).description
        let version = holder.read { state -> Int32? in
            guard reference.version == StoredReference.latest else {
                return state.version(name, reference.version).flatMap { isNew && $0.isDeleted ? nil : $0.number }
            }
            return state.subject(name)?.latest?.number
        }
        guard let version else {
            throw SchemaFailure(
                "No schema reference found for subject \"\(name)\" and version \(reference.version)")
        }
        return SubjectVersion(name, version)
    }

    /// All that is referred to, directly or through others: what is referred to before what refers to it, each once.
    private func collect(
        _ references: [StoredReference], from parent: SubjectName, isNew: Bool
    ) throws(SchemaFailure) -> [ReferencedSchema] {
        var found: [ReferencedSchema] = []
        var seen: Set<String> = []
        var byteCount = 0
        try collect(references, parent, isNew: isNew, depth: 0, &found, &seen, &byteCount)
        return found
    }

    private func collect(
        _ references: [StoredReference], _ parent: SubjectName, isNew: Bool, depth: Int,
        _ found: inout [ReferencedSchema], _ seen: inout Set<String>, _ byteCount: inout Int
    ) throws(SchemaFailure) {
        guard depth < Self.depthMax else {
            throw SchemaFailure("references lead through more than \(Self.depthMax) schemas")
        }
        for reference in references {
            // By name, as the original does: a name means one schema, whoever uses it. This ends circles, too.
            guard seen.insert(reference.name).inserted else { continue }
            let place = try place(of: reference, from: parent, isNew: isNew)
            guard let schema = holder.read({ $0.version(place.subject, place.version)?.schema }) else {
                throw SchemaFailure(
                    "No schema reference found for subject \"\(place.subject)\" and version \(place.version)")
            }
            byteCount += schema.text.count
            guard seen.count <= Self.referencedCountMax, byteCount <= Self.referencedByteCountMax else {
                throw SchemaFailure(
                    "references bring in more than \(Self.referencedCountMax) schemas or too many bytes")
            }
            try collect(
                schema.references, SubjectName(place.subject), isNew: isNew, depth: depth + 1, &found, &seen,
                &byteCount)
            found.append(
                ReferencedSchema(
                    name: reference.name, subject: place.subject, version: place.version, text: schema.string))
        }
    }
}
