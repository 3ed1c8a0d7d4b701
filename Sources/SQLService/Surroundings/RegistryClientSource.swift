package import RegistryClient
package import SQLFormats
import SchemaRules

/// A schema registry that is asked over HTTP.
package struct RegistryClientSource: SchemaSource {
    private let client: RegistryClient

    package init(_ client: RegistryClient) { self.client = client }

    package func schema(id: Int32) async throws(SchemaSourceError) -> RegistrySchema? {
        try await find { () async throws(RegistryFailure) in try await client.schema(id: id) }.map(Self.schema)
    }

    package func latest(of subject: String) async throws(SchemaSourceError) -> (id: Int32, schema: RegistrySchema)? {
        guard let found = try await find({ () async throws(RegistryFailure) in try await client.schema(subject) }),
            let id = found.id
        else { return nil }
        return (id, Self.schema(found))
    }

    package func schema(of subject: String, version: Int32) async throws(SchemaSourceError) -> RegistrySchema? {
        try await find { () async throws(RegistryFailure) in
            try await client.schema(subject, version < 0 ? .latest : .number(version), includingDeleted: true)
        }.map(Self.schema)
    }

    package func register(_ schema: RegistrySchema, under subject: String) async throws(SchemaSourceError) -> Int32 {
        guard let type = SchemaType(rawValue: schema.type) else {
            throw SchemaSourceError(.refused, "there are no schemas of type '\(schema.type)'")
        }
        let request = SchemaRequest(
            type: type, text: schema.text,
            references: schema.references.map { .init(name: $0.name, subject: $0.subject, version: $0.version) })
        do { return try await client.register(request, under: subject) } catch {
            throw Self.failure(error, "Could not register schema for subject '\(subject)'")
        }
    }

    package func has(id: Int32, under subject: String) async throws(SchemaSourceError) -> Bool {
        do { return try await client.subjects(id: id).contains(subject) } catch {
            if error.isNotFound { return false }
            throw Self.failure(error, "Could not get the subjects of schema \(id)")
        }
    }

    package func delete(_ subject: String) async throws(SchemaSourceError) {
        for permanently in [false, true] {
            do { _ = try await client.delete(subject, permanently: permanently) } catch {
                guard !error.isNotFound else { continue }
                throw Self.failure(error, "Could not delete subject '\(subject)'")
            }
        }
    }

    private func find(
        _ body: () async throws(RegistryFailure) -> RegisteredSchema
    ) async throws(SchemaSourceError) -> RegisteredSchema? {
        do { return try await body() } catch {
            if error.isNotFound { return nil }
            throw Self.failure(error, "Could not get a schema", isRead: true)
        }
    }

    /// Of what is read, a refusal is the schema's only when it does not pass: with another password, in a minute, or when the
    /// registry is behind its proxy again (404 without a code of the registry's), records can be read that would be lost.
    static func failure(
        _ error: RegistryFailure, _ what: String, isRead: Bool = false
    ) -> SchemaSourceError {
        let isRefused =
            switch error.kind {
            case .refused(let status, _):
                status < 500 && ![408, 429].contains(status) && !(isRead && [401, 403, 404].contains(status))
            case .unknownType: true
            case .unreachable, .notUnderstood: false
            }
        return SchemaSourceError(isRefused ? .refused : .unavailable, "\(what)\nCaused by: \(error.message)")
    }

    private static func schema(_ found: RegisteredSchema) -> RegistrySchema {
        RegistrySchema(
            type: found.type.rawValue, text: found.text,
            references: found.references.map { .init(name: $0.name, subject: $0.subject, version: $0.version) })
    }
}
