import Cluster
import SQLFormats
import SQLService
import Synchronization
import Testing

/// Threads that wait for a registry, as workers of queries do for schemas of what they write.
@Suite struct SchemaWaitTests {
    /// A registry without a leader answers what changes it only when there is one.
    private final class LeaderlessSource: SchemaSource {
        let asked = Mutex<[CheckedContinuation<Void, Never>]>([])

        func schema(id: Int32) async throws(SchemaSourceError) -> RegistrySchema? { nil }
        func latest(of subject: String) async throws(SchemaSourceError) -> (id: Int32, schema: RegistrySchema)? { nil }
        func schema(of subject: String, version: Int32) async throws(SchemaSourceError) -> RegistrySchema? { nil }
        func has(id: Int32, under subject: String) async throws(SchemaSourceError) -> Bool { false }
        func delete(_ subject: String) async throws(SchemaSourceError) {}

        func register(_ schema: RegistrySchema, under subject: String) async throws(SchemaSourceError) -> Int32 {
            await withCheckedContinuation { continuation in asked.withLock { $0.append(continuation) } }
            return 7
        }

        func elect() {
            for continuation in asked.withLock({ asked in
                defer { asked = [] }
                return asked
            }) { continuation.resume() }
        }
    }

    private static let schema = RegistrySchema(type: "AVRO", text: #""string""#, references: [])

    @Test func `a server that stops does not wait for the registry`() async throws {
        let source = LeaderlessSource()
        let schemas = SQLSchemas(source)
        async let waits = onThread {
            Result { () throws(FormatError) in try schemas.register(Self.schema, under: "a-value") }
        }
        try await until { source.asked.withLock { $0.count == 1 } }
        schemas.close()
        let ended = try await waits
        #expect(throws: FormatError.self) { try ended.get() }
        // Nor is it asked again.
        let later = try await onThread { Result { () throws(FormatError) in try schemas.latest(of: "a-value") } }
        #expect(throws: FormatError.self) { try later.get() }
        source.elect()
    }

    @Test func `an answer comes to who waits for it`() async throws {
        let source = LeaderlessSource()
        let schemas = SQLSchemas(source)
        async let waits = onThread { try schemas.register(Self.schema, under: "a-value") }
        try await until { source.asked.withLock { $0.count == 1 } }
        source.elect()
        #expect(try await waits == 7)
        schemas.close()
    }
}
