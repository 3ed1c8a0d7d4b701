import Cluster
import NIOCore
import SQLFormats
import SQLFunctions
import SQLPlan
import StreamEngine
import Synchronization
import Testing

@testable import SQLRuntime

/// Queries whose registry does not answer for a while.
@Suite(.serialized) struct RegistryWaitTests {
    /// All schemas are texts.
    private final class QuietSchemas: SchemaStore, Sendable {
        private let inside: Mutex<(isQuiet: Bool, askedCount: Int)>

        init(isQuiet: Bool) { inside = Mutex((isQuiet, 0)) }

        /// Questions that were not answered.
        var askedCount: Int { inside.withLock { $0.askedCount } }
        func setQuiet(_ isQuiet: Bool) { inside.withLock { $0 = (isQuiet, 0) } }

        private func answer<Value>(_ value: Value) throws(FormatError) -> Value {
            let isQuiet = inside.withLock { inside in
                if inside.isQuiet { inside.askedCount += 1 }
                return inside.isQuiet
            }
            if isQuiet { throw FormatError(.unavailable, "no answer") }
            return value
        }

        private static let schema = RegistrySchema(type: "AVRO", text: #""string""#)

        func schema(id: Int32) throws(FormatError) -> RegistrySchema? { try answer(Self.schema) }
        func latest(of subject: String) throws(FormatError) -> (id: Int32, schema: RegistrySchema)? {
            try answer((1, Self.schema))
        }
        func schema(of subject: String, version: Int32) throws(FormatError) -> RegistrySchema? {
            try answer(Self.schema)
        }
        func register(_ schema: RegistrySchema, under subject: String) throws(FormatError) -> Int32 { try answer(1) }
    }

    private static func run(
        _ schemas: QuietSchemas, _ guarantee: String, _ body: (TestServer) async throws -> Void
    ) async throws {
        try await TestServer.run { settings in
            settings.libraries = { properties in
                let context = EvaluationContext(
                    now: { 0 }, random: { 0 }, limits: FunctionLimits(properties: properties))
                return EngineLibraries(
                    functions: SQLFunctionLibrary(context: context),
                    formats: SQLFormatLibrary(RecordFormats(schemas: schemas)))
            }
        } _: { server in
            server.registry = MemorySchemaRegistry()
            server.properties["processing.guarantee"] = guarantee
            try await body(server)
        }
    }

    /// A text behind the frame of schema 1.
    private static func avro(_ letter: String) -> String { "\0\0\0\0\u{1}\u{2}\(letter)" }

    private static func values(_ server: TestServer, _ topic: String) async throws -> [String] {
        try await server.records(topic).map { $0.value.map { String(buffer: $0) } ?? "" }
    }

    @Test(arguments: ["exactly_once_v2", "at_least_once"])
    func `a query goes on when the registry answers again`(guarantee: String) async throws {
        let schemas = QuietSchemas(isQuiet: true)
        try await Self.run(schemas, guarantee) { server in
            try await server.execute(
                """
                CREATE STREAM s (k STRING KEY, v STRING) WITH (kafka_topic = 's', key_format = 'KAFKA',
                  value_format = 'AVRO', wrap_single_value = false, partitions = 1);
                """)
            let id = try await server.execute(
                """
                CREATE STREAM o WITH (value_format = 'JSON', wrap_single_value = false)
                  AS SELECT k, v FROM s EMIT CHANGES;
                """)
            try await server.write("s", ["a", "b", "c"].map { ("k", Self.avro($0), 1) })
            // It has been tried again, and not given up.
            try await server.eventually("questions") { schemas.askedCount > 2 }
            let waiting = try #require(await server.runtime.status(of: id))
            #expect(waiting.state != .error && waiting.errors.last?.message.contains("no answer") == true)
            #expect(try await Self.values(server, "O").isEmpty)
            schemas.setQuiet(false)
            try await server.eventually("all rows") { try await Self.values(server, "O").count >= 3 }
            try await server.eventually("running") { await server.runtime.status(of: id)?.state == .running }
            #expect(try await Self.values(server, "O") == [#""a""#, #""b""#, #""c""#])
        }
    }

    @Test func `a result is written when its schema can be registered`() async throws {
        let schemas = QuietSchemas(isQuiet: true)
        try await Self.run(schemas, "exactly_once_v2") { server in
            try await server.execute(
                """
                CREATE STREAM s (k STRING KEY, v STRING) WITH (kafka_topic = 's', key_format = 'KAFKA',
                  value_format = 'KAFKA', partitions = 1);
                """)
            let id = try await server.execute(
                """
                CREATE STREAM o WITH (value_format = 'AVRO', wrap_single_value = false)
                  AS SELECT k, v FROM s EMIT CHANGES;
                """)
            try await server.write("s", [("k", "a", 1)])
            try await server.eventually("questions") { schemas.askedCount > 2 }
            #expect(await server.runtime.status(of: id)?.state != .error)
            schemas.setQuiet(false)
            try await server.eventually("the row") { try await Self.values(server, "O") == [Self.avro("a")] }
        }
    }
}
