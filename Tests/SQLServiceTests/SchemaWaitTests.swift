import Cluster
import RegistryClient
import SQLFormats
import Synchronization
import Testing

@testable import SQLService

/// Threads that wait for a registry, as workers of queries do for schemas of what they write.
@Suite struct SchemaWaitTests {
    /// A registry without a leader answers what changes it only when there is one.
    private final class LeaderlessSource: SchemaSource {
        private struct State {
            var isElected = false
            var waiting: [CheckedContinuation<Void, Never>] = []
            var askedCount = 0
        }
        private let state = Mutex(State())

        var askedCount: Int { state.withLock { $0.askedCount } }

        func schema(id: Int32) async throws(SchemaSourceError) -> RegistrySchema? { nil }
        func latest(of subject: String) async throws(SchemaSourceError) -> (id: Int32, schema: RegistrySchema)? { nil }
        func schema(of subject: String, version: Int32) async throws(SchemaSourceError) -> RegistrySchema? { nil }
        func has(id: Int32, under subject: String) async throws(SchemaSourceError) -> Bool { false }
        func delete(_ subject: String) async throws(SchemaSourceError) {}

        func register(_ schema: RegistrySchema, under subject: String) async throws(SchemaSourceError) -> Int32 {
            await withCheckedContinuation { continuation in
                let isElected = state.withLock { state in
                    state.askedCount += 1
                    if !state.isElected { state.waiting.append(continuation) }
                    return state.isElected
                }
                if isElected { continuation.resume() }
            }
            return 7
        }

        func elect() {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                state.isElected = true
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
        }
    }

    private static let schema = RegistrySchema(type: "AVRO", text: #""string""#, references: [])

    @Test func `a server that stops does not wait for the registry`() async throws {
        let source = LeaderlessSource()
        let schemas = SQLSchemas(source)
        async let waits = onThread {
            Result { () throws(FormatError) in try schemas.register(Self.schema, under: "a-value") }
        }
        try await until { source.askedCount == 1 }
        schemas.close()
        let ended = try await waits
        #expect(throws: FormatError.self) { try ended.get() }
        // Nor is it asked again.
        let later = try await onThread { Result { () throws(FormatError) in try schemas.latest(of: "a-value") } }
        #expect(throws: FormatError.self) { try later.get() }
        source.elect()
    }

    /// A record is passed over, and lost, when the registry refuses its schema; it waits for one that does not answer.
    @Test(
        arguments: [
            (.refused(status: 422, code: 42201), true), (.refused(status: 400, code: 400), true), (.unknownType, true),
            (.refused(status: 401, code: 40101), false), (.refused(status: 403, code: 403), false),
            (.refused(status: 404, code: 404), false), (.refused(status: 408, code: 408), false),
            (.refused(status: 429, code: 429), false), (.refused(status: 500, code: 50002), false),
            (.unreachable, false), (.notUnderstood, false),
        ] as [(RegistryFailure.Kind, Bool)])
    func `a refusal that may pass is none`(kind: RegistryFailure.Kind, isRefused: Bool) {
        let failure = RegistryClientSource.failure(RegistryFailure(kind, "no"), "Could not", isRead: true)
        #expect(failure.code == (isRefused ? .refused : .unavailable))
    }

    @Test func `an answer comes to who waits for it`() async throws {
        let source = LeaderlessSource()
        let schemas = SQLSchemas(source)
        async let waits = onThread { try schemas.register(Self.schema, under: "a-value") }
        try await until { source.askedCount == 1 }
        source.elect()
        #expect(try await waits == 7)
        schemas.close()
    }
}
