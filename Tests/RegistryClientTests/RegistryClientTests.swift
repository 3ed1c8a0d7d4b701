import Bytes
import HTTPKit
import HTTPTypes
import JSONFormat
import Logging
import NIOCore
import RegistryClient
import SchemaRules
import Synchronization
import Testing

@Suite struct RegistryClientTests {
    /// Answers what it is told to and notes what it was asked.
    private final class Scripted: Sendable {
        private let asked = Mutex<[String]>([])
        var requests: [String] { asked.withLock { $0 } }

        func router(_ answers: [String: (Int, String)]) -> HTTPRouter {
            var router = HTTPRouter(errors: .errorCode)
            for method in [HTTPRequest.Method.get, .post, .put, .delete] {
                router.on(method, "/{path*}") { call in
                    let body = method == .post || method == .put ? String(buffer: try await call.bytes()) : ""
                    let line = "\(method) \(call.path)"
                    self.asked.withLock {
                        $0.append(
                            line + (body.isEmpty ? "" : " " + body)
                                + (call.headers[.authorization].map { " " + $0 } ?? ""))
                    }
                    let (status, text) =
                        answers[line] ?? (404, "{\"error_code\":404,\"message\":\"HTTP 404 Not Found\"}")
                    return .bytes(
                        text.utf8, contentType: "application/vnd.schemaregistry.v1+json", status: .init(code: status))
                }
            }
            return router
        }
    }

    private func withServer(
        _ answers: [String: (Int, String)], _ body: (HTTPAddress, Scripted) async throws -> Void
    ) async throws {
        let loops = HTTPLoops()
        let scripted = Scripted()
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try await HTTPServer.start(
            HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: scripted.router(answers), on: loops.group,
            logger: logger)
        do {
            try await body(try #require(HTTPAddress("127.0.0.1:\(server.port)")), scripted)
        } catch {
            await server.stop(within: .zero)
            await loops.shutdown()
            throw error
        }
        await server.stop(within: .zero)
        await loops.shutdown()
    }

    @Test func `registers and reads back`() async throws {
        let answers: [String: (Int, String)] = [
            "POST /subjects/a%2Fb%20c/versions": (200, "{\"id\":7,\"version\":2}"),
            "GET /subjects/a%2Fb%20c/versions/latest": (
                200,
                """
                {"subject":"a/b c","version":2,"id":7,"schemaType":"JSON","schema":"{}",\
                "references":[{"name":"n","subject":"s","version":1}],"metadata":{"properties":{"o":"x"}}}
                """
            ),
        ]
        try await withServer(answers) { address, scripted in
            let client = RegistryClient([address])
            let request = SchemaRequest(
                type: .json, text: "{}", references: [SchemaReference(name: "n", subject: "s", version: 1)])
            let id = try await client.register(request, under: "a/b c")
            #expect(id == 7)
            let schema = try await client.schema("a/b c")
            #expect(schema.id == 7 && schema.version == 2 && schema.type == .json && schema.text == "{}")
            #expect(schema.references == [SchemaReference(name: "n", subject: "s", version: 1)])
            #expect(schema.metadata?["properties"]?["o"]?.text == "x")
            #expect(
                scripted.requests[0] == """
                    POST /subjects/a%2Fb%20c/versions \
                    {"schema":"{}","schemaType":"JSON","references":[{"name":"n","subject":"s","version":1}]}
                    """)
        }
    }

    @Test func `a schema of a type that is not known is no fault of the registry`() async throws {
        let answers: [String: (Int, String)] = [
            "GET /schemas/ids/1": (200, #"{"schemaType":"THRIFT","schema":"x"}"#),
            "GET /schemas/ids/2": (200, #"{"schemaType":"AVRO"}"#),
        ]
        try await withServer(answers) { address, _ in
            let client = RegistryClient([address])
            var kinds: [RegistryFailure.Kind] = []
            for id in [1, 2] as [Int32] {
                do throws(RegistryFailure) { _ = try await client.schema(id: id) } catch { kinds.append(error.kind) }
            }
            #expect(kinds == [.unknownType, .notUnderstood])
        }
    }

    @Test func `tells the registry's own error`() async throws {
        try await withServer([
            "GET /subjects/s/versions": (404, "{\"error_code\":40401,\"message\":\"Subject 's' not found.\"}"),
            "GET /subjects": (500, "broken"),
            "GET /mode": (200, "<html>"),
        ]) { address, _ in
            let client = RegistryClient([address])
            let missing = await #expect(throws: RegistryFailure.self) { try await client.versions(of: "s") }
            #expect(missing?.code == 40401)
            #expect(missing?.isNotFound == true)
            #expect(missing?.message == "Subject 's' not found.")
            let broken = await #expect(throws: RegistryFailure.self) { try await client.subjects() }
            #expect(broken?.code == 500)
            let stranger = await #expect(throws: RegistryFailure.self) { try await client.mode(of: nil) }
            #expect(stranger?.kind == .notUnderstood)
        }
    }

    @Test func `asks the next node when one is away`() async throws {
        try await withServer(["GET /subjects": (200, "[\"a\",\"b\"]")]) { address, scripted in
            // Port 1 is nobody's.
            let away = try #require(HTTPAddress("127.0.0.1:1"))
            var user = address
            user.user = "u"
            user.password = "p"
            let client = RegistryClient([away, user])
            let subjects = try await client.subjects()
            #expect(subjects == ["a", "b"])
            #expect(scripted.requests == ["GET /subjects Basic dTpw"])
            let alone = RegistryClient([away])
            let failure = await #expect(throws: RegistryFailure.self) { try await alone.subjects() }
            #expect(failure?.kind == .unreachable)
            #expect(
                failure?.message == "the schema registry at http://127.0.0.1:1 cannot be reached: connection refused")
        }
    }

    @Test func `finds what a schema refers to, through others, each once`() async throws {
        func version(_ subject: String, _ references: String) -> (Int, String) {
            (
                200,
                "{\"subject\":\"\(subject)\",\"version\":1,\"id\":1,\"schema\":\"\(subject)!\",\"references\":[\(references)]}"
            )
        }
        func reference(_ subject: String) -> String {
            "{\"name\":\"\(subject).n\",\"subject\":\"\(subject)\",\"version\":1}"
        }
        try await withServer([
            "GET /subjects/a/versions/1": version("a", reference("b") + "," + reference("c")),
            "GET /subjects/b/versions/1": version("b", reference("c")),
            "GET /subjects/c/versions/1": version("c", ""),
        ]) { address, scripted in
            let client = RegistryClient([address])
            let found = try await client.references([SchemaReference(name: "x", subject: "a", version: 1)])
            #expect(found.map(\.subject) == ["c", "b", "a"])
            #expect(found.map(\.name) == ["c.n", "b.n", "x"])
            #expect(found.map(\.text) == ["c!", "b!", "a!"])
            #expect(scripted.requests.count == 3)
        }
    }

    @Test func `lists reasons and impact of a check`() async throws {
        try await withServer([
            "POST /compatibility/subjects/s/versions": (
                200,
                """
                {"is_compatible":false,"messages":["no"],"impact":[{"kind":"consumer-group","name":"g","reason":"reads t"}]}
                """
            )
        ]) { address, _ in
            let report = try await RegistryClient([address]).check(
                SchemaRequest(type: .avro, text: "\"int\""), under: "s", findsImpact: true)
            #expect(!report.isCompatible)
            #expect(report.messages == ["no"])
            #expect(report.impact.map { [$0.kind, $0.name, $0.reason] } == [["consumer-group", "g", "reads t"]])
        }
    }
}
