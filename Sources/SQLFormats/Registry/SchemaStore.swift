/// A schema as a registry keeps it.
package struct RegistrySchema: Hashable, Sendable {
    package struct Reference: Hashable, Sendable {
        package var name: String
        package var subject: String
        package var version: Int32

        package init(name: String, subject: String, version: Int32) {
            self.name = name
            self.subject = subject
            self.version = version
        }
    }

    /// "AVRO", "JSON" or "PROTOBUF".
    package var type: String
    package var text: String
    package var references: [Reference]

    package init(type: String, text: String, references: [Reference] = []) {
        self.type = type
        self.text = text
        self.references = references
    }
}

/// The schemas of a registry, as far as reading and writing records needs them. Answers must not wait: who stands
/// before a registry elsewhere keeps what it has seen and asks ahead.
package protocol SchemaStore: AnyObject {
    /// nil when there is none.
    func schema(id: Int32) throws(FormatError) -> RegistrySchema?
    /// nil when there is none.
    func latest(of subject: String) throws(FormatError) -> (id: Int32, schema: RegistrySchema)?
    /// A reference's schema; nil when there is none.
    func schema(of subject: String, version: Int32) throws(FormatError) -> RegistrySchema?
    /// - Returns: its id.
    /// - Throws: `.registry` when the subject does not take it.
    func register(_ schema: RegistrySchema, under subject: String) throws(FormatError) -> Int32
}

/// Schemas that are only remembered, and never refused: for tests, and for tools without a registry.
package final class MemorySchemaStore: SchemaStore {
    package private(set) var schemas: [Int32: RegistrySchema] = [:]
    /// Ids by subject, in the order of the versions.
    package private(set) var subjects: [String: [Int32]] = [:]
    private var nextID: Int32 = 1

    package init() {}

    package func schema(id: Int32) throws(FormatError) -> RegistrySchema? { schemas[id] }

    package func latest(of subject: String) throws(FormatError) -> (id: Int32, schema: RegistrySchema)? {
        guard let id = subjects[subject]?.last, let schema = schemas[id] else { return nil }
        return (id, schema)
    }

    package func schema(of subject: String, version: Int32) throws(FormatError) -> RegistrySchema? {
        guard let ids = subjects[subject], ids.indices.contains(Int(version) - 1) else { return nil }
        return schemas[ids[Int(version) - 1]]
    }

    package func register(_ schema: RegistrySchema, under subject: String) throws(FormatError) -> Int32 {
        if let id = subjects[subject]?.first(where: { schemas[$0] == schema }) { return id }
        if let id = schemas.filter({ $0.value == schema }).keys.min() {
            subjects[subject, default: []].append(id)
            return id
        }
        while schemas[nextID] != nil { nextID += 1 }
        put(schema, id: nextID, under: subject)
        return nextID
    }

    /// With an id of the caller's choice.
    package func put(_ schema: RegistrySchema, id: Int32, under subject: String) {
        schemas[id] = schema
        subjects[subject, default: []].append(id)
    }

    package func delete(_ subject: String) { subjects[subject] = nil }
}
