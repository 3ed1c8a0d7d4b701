import SQLFormats
import SQLFunctions
import SQLPlan
import StreamEngine
import Synchronization
import Testing

@testable import SQLRuntime

/// A registry that several tasks ask, and what is to be deleted from it.
private final class SharedSchemas: SchemaStore, Sendable {
    private let store = Mutex(MemorySchemaStore())
    private let deleted = Mutex<Set<String>>([])

    var subjects: Set<String> { store.withLock { Set($0.subjects.keys) } }
    var deletions: Set<String> { deleted.withLock { $0 } }
    func delete(_ subjects: [String]) { deleted.withLock { $0.formUnion(subjects) } }

    func schema(id: Int32) throws(FormatError) -> RegistrySchema? {
        try store.withLock { store throws(FormatError) in try store.schema(id: id) }
    }
    func latest(of subject: String) throws(FormatError) -> (id: Int32, schema: RegistrySchema)? {
        try store.withLock { store throws(FormatError) in try store.latest(of: subject) }
    }
    func schema(of subject: String, version: Int32) throws(FormatError) -> RegistrySchema? {
        try store.withLock { store throws(FormatError) in try store.schema(of: subject, version: version) }
    }
    func register(_ schema: RegistrySchema, under subject: String) throws(FormatError) -> Int32 {
        try store.withLock { store throws(FormatError) in try store.register(schema, under: subject) }
    }
}

@Suite struct SubjectTests {
    @Test(arguments: ["AVRO", "JSON"])
    func `subjects of a dropped query's own topics go with them`(format: String) async throws {
        let schemas = SharedSchemas()
        try await TestServer.run { settings in
            settings.libraries = { properties in
                let context = EvaluationContext(
                    now: { 0 }, random: { 0 }, limits: FunctionLimits(properties: properties))
                return EngineLibraries(
                    functions: SQLFunctionLibrary(context: context),
                    formats: SQLFormatLibrary(RecordFormats(schemas: schemas)))
            }
            settings.deleteSubjects = { schemas.delete($0) }
        } _: { server in
            server.registry = MemorySchemaRegistry()
            let id = try await server.execute(
                """
                CREATE STREAM s (k STRING KEY, g STRING) WITH (kafka_topic = 's', format = '\(format)', partitions = 2);
                CREATE TABLE t AS SELECT g, COUNT(*) AS n FROM s GROUP BY g EMIT CHANGES;
                """)
            let own = "_confluent-ksql-default_query_\(id)-Aggregate-"
            let before = schemas.subjects.filter { $0.hasPrefix(own) }
            await server.runtime.stop(id, forgets: false)
            #expect(schemas.deletions.isEmpty)
            let plan = try #require(server.plans[id])
            try await server.runtime.start(plan, properties: server.properties, isPaused: false)
            await server.runtime.stop(id, forgets: true)
            guard format == "AVRO" else {
                #expect(schemas.deletions.isEmpty)
                return
            }
            #expect(before.isSubset(of: schemas.deletions))
            #expect(
                schemas.deletions
                    == Set(
                        ["GroupBy-repartition", "Aggregate-Materialize-changelog"].flatMap {
                            ["\(own)\($0)-key", "\(own)\($0)-value"]
                        }))
        }
    }
}
