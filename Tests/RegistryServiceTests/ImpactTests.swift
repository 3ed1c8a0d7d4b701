import Cluster
import JSONFormat
import SchemaRules
import Testing

@testable import RegistryService

/// A part of the platform that says what the test wants it to say.
private struct SaidPart: ImpactSource {
    let part: String
    let said: Result<ImpactAnswer, ImpactUnanswered>

    func answer(_ question: ImpactQuestion) async throws(ImpactUnanswered) -> ImpactAnswer { try said.get() }
}

@Suite struct RegistryImpactTests {
    private static func avro(_ fields: String...) -> String {
        #"{"type":"record","name":"R","fields":[\#(fields.joined(separator: ","))]}"#
    }

    private static let id = #"{"name":"id","type":"int"}"#
    private static let name = #"{"name":"name","type":"string"}"#
    private static let nameWithDefault = #"{"name":"name","type":"string","default":""}"#

    private static func request(_ schema: String) -> JSONValue { .object([("schema", .string(schema))]) }

    /// Registers `before` and asks what `after` would do to writers.
    private func ask(
        before: String, after: String, level: String = "BACKWARD", _ writers: [ImpactWriter]
    ) async throws -> JSONValue {
        var answer = JSONValue.null
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                _ = try await node.register("s-value", Self.request(before))
                _ = try await node.ask("PUT", "/config/s-value", #"{"compatibility":"\#(level)"}"#)
                node.server.registry.add(
                    SaidPart(part: "sql", said: .success(ImpactAnswer(writers: writers))))
                answer = try await node.ask(
                    "POST", "/compatibility/subjects/s-value/versions?impact=true",
                    String(decoding: Self.request(after).bytes, as: UTF8.self)
                ).json
            }
        }
        return answer
    }

    private func reasons(_ answer: JSONValue, _ severity: String) -> [String] {
        (answer["impact"]?.elements ?? []).filter { $0["severity"]?.text == severity }.compactMap {
            $0["reason"]?.text
        }
    }

    @Test func `parts answer, and those that do not are named with the reason`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let registry = node.server.registry
                registry.add(
                    SaidPart(
                        part: "sql",
                        said: .success(ImpactAnswer(impacts: [Impact(.query, "Q", .breaks, reason: "because")]))))
                registry.add(SaidPart(part: "connect", said: .failure(ImpactUnanswered("nobody is there"))))
                let answer = try await node.ask(
                    "POST", "/compatibility/subjects/s-value/versions?impact=true",
                    String(decoding: Self.request("\"int\"").bytes, as: UTF8.self))
                #expect(
                    answer.text
                        == #"{"is_compatible":true,"impact":[{"kind":"query","name":"Q","severity":"breaks","#
                        + #""reason":"because"}],"notAsked":[{"part":"connect","reason":"nobody is there"}]}"#)
            }
        }
    }

    @Test func `a writer whose records the candidate cannot read breaks, others are not listed`() async throws {
        let writer = ImpactWriter(.query, "Q", .registers, schema: .init(.avro, Self.avro(Self.id)))
        let broken = try await ask(
            before: Self.avro(Self.id), after: Self.avro(Self.id, Self.name), level: "NONE", [writer])
        #expect(reasons(broken, "breaks").first?.hasPrefix("goes on writing with version 1, which readers") ?? false)
        let fine = try await ask(
            before: Self.avro(Self.id), after: Self.avro(Self.id, Self.nameWithDefault), [writer])
        #expect(fine["impact"]?.elements?.isEmpty ?? false, "\(fine)")
    }

    @Test func `a schema like the one that a writer has would be refused as its next`() async throws {
        let writer = ImpactWriter(.connector, "c", .registers)
        let answer = try await ask(before: Self.avro(Self.id, Self.name), after: Self.avro(Self.id), [writer])
        #expect(reasons(answer, "breaks").isEmpty)
        #expect(reasons(answer, "changes").first?.contains("its next schema") ?? false, "\(answer)")
    }

    @Test func `who would register a schema later is told when it would be refused only then`() async throws {
        func writer(_ schema: String) -> ImpactWriter {
            ImpactWriter(.stream, "S", .mayRegister, schema: .init(.avro, schema))
        }
        let refused = try await ask(
            before: Self.avro(Self.id, Self.nameWithDefault), after: Self.avro(Self.id, Self.name), level: "FORWARD",
            [writer(Self.avro(Self.id))])
        #expect(reasons(refused, "breaks").first?.hasPrefix("INSERT INTO S would be refused") ?? false, "\(refused)")
        let never = try await ask(
            before: Self.avro(Self.id), after: Self.avro(Self.id, Self.name), level: "NONE",
            [writer(#"{"type":"record","name":"Other","fields":[]}"#)])
        #expect(never["impact"]?.elements?.isEmpty ?? false, "\(never)")
    }

    @Test func `a writer of the latest version has to have records that fit it`() async throws {
        let writer = ImpactWriter(.connector, "c", .latest)
        let broken = try await ask(
            before: Self.avro(Self.id), after: Self.avro(Self.id, Self.name), level: "NONE", [writer])
        #expect(reasons(broken, "breaks").first?.hasPrefix("writes with the latest version") ?? false, "\(broken)")
        let fine = try await ask(before: Self.avro(Self.id, Self.name), after: Self.avro(Self.id), [writer])
        #expect(fine["impact"]?.elements?.isEmpty ?? false, "\(fine)")
    }

    @Test func `tags of Protobuf schemas make a new version`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                _ = try await node.register("p", message(["a"]))
                let body =
                    #"{"tagsToAdd":[{"schemaEntity":{"entityPath":".M.a","entityType":"sr_field"},"tags":["PII"]}]}"#
                let answer = try await node.ask("POST", "/subjects/p/versions/1/tags", body)
                #expect(answer.status == 200, "\(answer)")
                #expect(answer.json["version"]?.integer == 2, "\(answer)")
                let found = try await node.ask("GET", "/subjects/p/versions/2?findTags=PII")
                #expect(found.text.contains(#""entityPath":".M.a""#), "\(found)")
            }
        }
    }
}
