import Cluster
package import SQLFormats
import SQLPlan
import Synchronization

/// The registry for statements and for codecs, which ask synchronously: every method may block its thread, which must not
/// be one of the cooperative pool. What an id stands for never changes and is kept.
package final class SQLSchemas: SchemaStore, Sendable {
    private static let keptCountMax = 10_000

    package let source: any SchemaSource
    private let kept = Mutex<[Int32: RegistrySchema]>([:])

    package init(_ source: any SchemaSource) { self.source = source }

    fileprivate func ask<Value: Sendable>(
        _ body: @escaping @Sendable (any SchemaSource) async throws(SchemaSourceError) -> Value
    ) throws(SchemaSourceError) -> Value {
        let source = source
        let result: Result<Value, SchemaSourceError>
        do {
            result = try blockingThread { () async throws(ClusterError) -> Result<Value, SchemaSourceError> in
                do throws(SchemaSourceError) { return .success(try await body(source)) } catch {
                    return .failure(error)
                }
            }
        } catch { throw SchemaSourceError(.unavailable, error.message) }
        return try result.get()
    }

    private func keep(_ id: Int32, _ schema: RegistrySchema) {
        kept.withLock { kept in
            if kept.count >= Self.keptCountMax { kept.removeAll() }
            kept[id] = schema
        }
    }

    fileprivate func find(id: Int32) throws(SchemaSourceError) -> RegistrySchema? {
        if let schema = kept.withLock({ $0[id] }) { return schema }
        guard
            let schema = try ask({ source throws(SchemaSourceError) in try await source.schema(id: id) })
        else { return nil }
        keep(id, schema)
        return schema
    }

    fileprivate func findLatest(of subject: String) throws(SchemaSourceError) -> (id: Int32, schema: RegistrySchema)? {
        guard
            let found = try ask({ source throws(SchemaSourceError) in try await source.latest(of: subject) })
        else { return nil }
        keep(found.id, found.schema)
        return found
    }

    fileprivate func put(_ schema: RegistrySchema, under subject: String) throws(SchemaSourceError) -> Int32 {
        let id = try ask { source throws(SchemaSourceError) in try await source.register(schema, under: subject) }
        keep(id, schema)
        return id
    }

    fileprivate func find(_ subject: String, _ version: Int32) throws(SchemaSourceError) -> RegistrySchema? {
        try ask { source throws(SchemaSourceError) in try await source.schema(of: subject, version: version) }
    }

    fileprivate func has(_ id: Int32, _ subject: String) throws(SchemaSourceError) -> Bool {
        try ask { source throws(SchemaSourceError) in try await source.has(id: id, under: subject) }
    }

    package func schema(id: Int32) throws(FormatError) -> RegistrySchema? {
        do { return try find(id: id) } catch { throw FormatError(.registry, error.message) }
    }

    package func latest(of subject: String) throws(FormatError) -> (id: Int32, schema: RegistrySchema)? {
        do { return try findLatest(of: subject) } catch { throw FormatError(.registry, error.message) }
    }

    package func schema(of subject: String, version: Int32) throws(FormatError) -> RegistrySchema? {
        do { return try find(subject, version) } catch { throw FormatError(.registry, error.message) }
    }

    package func register(_ schema: RegistrySchema, under subject: String) throws(FormatError) -> Int32 {
        do { return try put(schema, under: subject) } catch { throw FormatError(.registry, error.message) }
    }
}

/// The same for statements, whose errors are others.
struct StatementSchemas: SchemaRegistryAccess, Sendable {
    let schemas: SQLSchemas

    func schema(id: Int32) throws(PlanError) -> RegistrySchema? {
        do { return try schemas.find(id: id) } catch { throw error.planError }
    }

    func latest(of subject: String) throws(PlanError) -> (id: Int32, schema: RegistrySchema)? {
        do { return try schemas.findLatest(of: subject) } catch { throw error.planError }
    }

    func schema(of subject: String, version: Int32) throws(PlanError) -> RegistrySchema? {
        do { return try schemas.find(subject, version) } catch { throw error.planError }
    }

    func register(_ schema: RegistrySchema, under subject: String) throws(PlanError) -> Int32 {
        do { return try schemas.put(schema, under: subject) } catch { throw error.planError }
    }

    func has(id: Int32, under subject: String) throws(PlanError) -> Bool {
        do { return try schemas.has(id, subject) } catch { throw error.planError }
    }

    func delete(_ subject: String) throws(PlanError) {
        do throws(SchemaSourceError) {
            try schemas.ask { source throws(SchemaSourceError) in try await source.delete(subject) }
        } catch { throw error.planError }
    }
}

extension SchemaSourceError {
    fileprivate var planError: PlanError { PlanError(code == .refused ? .schema : .unavailable, message) }
}
