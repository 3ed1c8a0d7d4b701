import Cluster
package import SQLFormats
import SQLPlan
import Synchronization

/// The registry for statements and for codecs, which ask synchronously: every method may block its thread, which must not
/// be one of the cooperative pool. What an id stands for never changes and is kept.
package final class SQLSchemas: SchemaStore, Sendable {
    private static let keptCountMax = 10_000

    private struct Inside {
        var kept: [Int32: RegistrySchema] = [:]
        /// What ends the questions that wait for the registry.
        var waiting: [Int64: @Sendable (SchemaSourceError) -> Void] = [:]
        var askedCount: Int64 = 0
        var isClosed = false
    }

    package let source: any SchemaSource
    private let inside = Mutex(Inside())

    package init(_ source: any SchemaSource) { self.source = source }

    /// Ends the questions that wait for the registry, as if it were not there, and all that come later: a server that stops does
    /// not wait for a registry that takes long, as one does whose leader is gone.
    package func close() {
        let waiting = inside.withLock { inside in
            defer { inside.waiting = [:] }
            inside.isClosed = true
            return inside.waiting
        }
        for end in waiting.values { end(Self.closed) }
    }

    private static let closed = SchemaSourceError(.unavailable, "The server is stopping.")

    fileprivate func ask<Value: Sendable>(
        _ body: @escaping @Sendable (any SchemaSource) async throws(SchemaSourceError) -> Value
    ) throws(SchemaSourceError) -> Value {
        let question = Question<Value>()
        let number = inside.withLock { inside -> Int64? in
            guard !inside.isClosed else { return nil }
            inside.askedCount += 1
            inside.waiting[inside.askedCount] = { question.end(.failure($0)) }
            return inside.askedCount
        }
        guard let number else { throw Self.closed }
        let source = source
        // The thread that waits below owns it, and others may wait for that; after `close` it ends when the registry answers or
        // its client gives up.
        Task(priority: .high) {
            let result: Result<Value, SchemaSourceError>
            do throws(SchemaSourceError) { result = .success(try await body(source)) } catch {
                result = .failure(error)
            }
            question.end(result)
        }
        let result = question.wait()
        inside.withLock { $0.waiting[number] = nil }
        return try result.get()
    }

    private func keep(_ id: Int32, _ schema: RegistrySchema) {
        inside.withLock { inside in
            if inside.kept.count >= Self.keptCountMax { inside.kept.removeAll() }
            inside.kept[id] = schema
        }
    }

    fileprivate func find(id: Int32) throws(SchemaSourceError) -> RegistrySchema? {
        if let schema = inside.withLock({ $0.kept[id] }) { return schema }
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
        do { return try find(id: id) } catch { throw error.formatError }
    }

    package func latest(of subject: String) throws(FormatError) -> (id: Int32, schema: RegistrySchema)? {
        do { return try findLatest(of: subject) } catch { throw error.formatError }
    }

    package func schema(of subject: String, version: Int32) throws(FormatError) -> RegistrySchema? {
        do { return try find(subject, version) } catch { throw error.formatError }
    }

    package func register(_ schema: RegistrySchema, under subject: String) throws(FormatError) -> Int32 {
        do { return try put(schema, under: subject) } catch { throw error.formatError }
    }
}

/// A question to the registry, and the thread that waits for its first answer.
private final class Question<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, SchemaSourceError>?>(nil)
    private let thread = BlockedThread()

    func end(_ wanted: Result<Value, SchemaSourceError>) {
        result.withLock { if $0 == nil { $0 = wanted } }
        thread.wake()
    }

    func wait() -> Result<Value, SchemaSourceError> {
        thread.wait()
        return result.withLock { $0 } ?? .failure(SchemaSourceError(.unavailable, "The registry did not answer."))
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
    fileprivate var formatError: FormatError { FormatError(code == .refused ? .registry : .unavailable, message) }
    fileprivate var planError: PlanError { PlanError(code == .refused ? .schema : .unavailable, message) }
}
