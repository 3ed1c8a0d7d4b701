import Bytes
import RegistryClient
import RegistryService
import SQLFormats
import SQLService
import SchemaRules

/// The registry of this process for the SQL server: questions are answered from memory, what changes it goes the way of
/// all clients, as another node may lead.
struct RegistrySource: SQLService.SchemaSource {
    let registry: SchemaRegistry
    let writes: RegistryClientSource

    /// - Parameter url: where the registry is asked, with a user.
    init?(_ registry: SchemaRegistry, url: String) {
        guard let address = HTTPAddress(url) else { return nil }
        self.registry = registry
        writes = RegistryClientSource(RegistryClient([address]))
    }

    func schema(id: Int32) async throws(SchemaSourceError) -> RegistrySchema? {
        if let found = registry.schema(id) { return Self.schema(found.schema) }
        // The leader has registered it a moment ago, maybe, and this node has not read that yet.
        if registry.leads { return nil }
        return try await writes.schema(id: id)
    }

    func latest(of subject: String) async throws(SchemaSourceError) -> (id: Int32, schema: RegistrySchema)? {
        try find(subject, .latest).map { ($0.id, Self.schema($0.schema)) }
    }

    func schema(of subject: String, version: Int32) async throws(SchemaSourceError) -> RegistrySchema? {
        try find(subject, version < 0 ? .latest : .number(version)).map { Self.schema($0.schema) }
    }

    func register(_ schema: RegistrySchema, under subject: String) async throws(SchemaSourceError) -> Int32 {
        try await writes.register(schema, under: subject)
    }

    func has(id: Int32, under subject: String) async throws(SchemaSourceError) -> Bool {
        try await writes.has(id: id, under: subject)
    }

    func delete(_ subject: String) async throws(SchemaSourceError) { try await writes.delete(subject) }

    private func find(
        _ subject: String, _ wanted: SchemaRegistry.WantedVersion
    ) throws(SchemaSourceError) -> RegistryState.Version? {
        do { return try registry.version(subject, wanted, deleted: true).version } catch {
            if error.status == 404 { return nil }
            throw SchemaSourceError(.unavailable, error.message)
        }
    }

    private static func schema(_ stored: StoredSchema) -> RegistrySchema {
        RegistrySchema(
            type: stored.type.rawValue, text: stored.string,
            references: stored.references.map { .init(name: $0.name, subject: $0.subject, version: $0.version) })
    }
}
