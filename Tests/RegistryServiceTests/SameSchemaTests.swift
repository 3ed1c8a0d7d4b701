import JSONFormat
import Testing

@testable import RegistryService

/// What is the same schema, and what a new one may rest on. The answers are those of the original's sources
/// (`AbstractSchemaProvider.canLookupIgnoringVersion`, `resolveReferences`, `KafkaSchemaRegistry.registerOrForward`).
extension RegistryTests {
    private func avro(_ text: String, _ more: [(String, JSONValue)] = []) -> JSONValue {
        .object([("schema", .string(text))] + more)
    }

    private func property(_ name: String, _ value: String) -> (String, JSONValue) {
        ("metadata", object(#"{"properties":{"\#(name)":"\#(value)"}}"#))
    }

    private func noted(_ version: String) -> (String, JSONValue) { property("confluent:version", version) }

    private func reference(_ name: String, _ subject: String) -> (String, JSONValue) {
        ("references", object(#"[{"name":"\#(name)","subject":"\#(subject)","version":1}]"#))
    }

    @Test func `a schema with everything inside it keeps its own contract`() async throws {
        let inner = #"{"type":"fixed","name":"Z9","size":3}"#
        let outer = #"{"type":"record","name":"Q9","fields":[{"name":"x","type":"Z9"}]}"#
        let whole = #"{"type":"record","name":"Q9","fields":[{"name":"x","type":\#(inner)}]}"#
        let rules = ("ruleSet", object(#"{"domainRules":[{"name":"r","type":"CEL","mode":"WRITE","expr":"1 < 2"}]}"#))
        try await talk([
            Line("POST /subjects/z9/versions", avro(inner), #""id":1"#),
            Line(
                "POST /subjects/q9/versions", avro(outer, [reference("Z9", "z9"), property("o", "1")]),
                #""id":2,"version":1"#),
            Line("POST /subjects/q9", avro(whole), #""version":1,"id":2"#),
            Line("POST /subjects/q9", avro(whole, [property("o", "1")]), #""version":1,"id":2"#),
            Line("POST /subjects/q9", avro(whole, [property("o", "2")]), 404, "40403"),
            Line("POST /subjects/q9", avro(whole, [rules]), 404, "40403"),
            Line("POST /subjects/q9/versions", avro(whole), #""id":2,"version":1"#),
            Line("POST /subjects/q9/versions", avro(whole, [property("o", "2")]), #""id":3,"version":2"#),
            Line("GET /subjects/q9/versions/2", #""metadata":{"properties":{"o":"2"}}"#),
            Line("POST /subjects/q9/versions", avro(whole, [rules]), #""id":4,"version":3"#),
            Line("GET /subjects/q9/versions/latest", #""name":"r""#),
            // `AvroSchema.equivalent` looks at docs, too.
            Line(
                "POST /subjects/q9",
                avro(whole.replacing(#""name":"Q9""#, with: #""name":"Q9","doc":"d""#), [property("o", "1")]), 404,
                "40403"),
        ])
    }

    @Test func `a version that a client notes is a part of what it means`() async throws {
        let text = "\"bytes\""
        try await talk([
            // Noted by the client alone: it has to be the number of the version.
            Line("POST /subjects/cv2/versions", avro("\"int\""), #""version":1"#),
            Line("POST /subjects/cv2", avro("\"int\"", [noted("5")]), 404, "40403"),
            Line("POST /subjects/cv2", avro("\"int\"", [noted("x")]), 404, "40403"),
            Line("POST /subjects/cv2", avro("\"int\"", [noted("1")]), #""version":1"#),
            Line("POST /subjects/k9/versions", avro(text), #""version":1"#),
            Line("POST /subjects/k9/versions", avro(text, [noted("1")]), #""version":1"#),
            Line("GET /subjects/k9/versions", "[1]"),
            Line("POST /subjects/k9/versions", avro(text, [noted("2")]), #""version":2"#),
            // By both: it has to be the same.
            Line("POST /subjects/k8/versions", avro(text, [noted("1")]), #""id":4,"version":1"#),
            Line("POST /subjects/k8", avro(text, [noted("5")]), 404, "40403"),
            Line("POST /subjects/k8/versions", avro(text, [noted("1")]), #""id":4,"version":1"#),
            Line("POST /subjects/k8/versions", avro(text, [noted("2")]), #""id":3,"version":2"#),
            Line("GET /subjects/k8/versions", "[1,2]"),
            Line("POST /subjects/k8", avro(text, [noted("1")]), #""version":1"#),
            // By the stored schema alone: it is no difference, also where a registration has to be worked out.
            Line("POST /subjects/k8", avro(text), #""version":2"#),
            Line("POST /subjects/k8/versions", avro(text), #""version":2"#),
            Line("PUT /config/k8", object(#"{"defaultMetadata":{"tags":{"a":["b"]}}}"#), "defaultMetadata"),
            Line("POST /subjects/k8/versions", avro(text), #""version":3"#),
            Line("POST /subjects/k8/versions", avro(text), #""version":3"#),
            // Version -1 asks for the latest, if that is the same schema.
            Line("POST /subjects/l/versions", avro(text), #""version":1"#),
            Line("POST /subjects/l/versions", avro(text, [("version", .number(-1))]), #""version":1"#),
            Line("GET /subjects/l/versions", "[1]"),
        ])
    }

    @Test func `a new schema refers to live versions only`() async throws {
        let inner = #"{"type":"fixed","name":"F","size":3}"#
        let outer = avro(#"{"type":"array","items":"F"}"#, [reference("F", "sd")])
        let imported = avro(
            #"{"type":"array","items":"F"}"#, [reference("F", "sd"), ("id", .number(90)), ("version", .number(1))])
        try await talk([
            Line("POST /subjects/sd/versions", avro(inner), #""id":1"#),
            Line("DELETE /subjects/sd/versions/1", "1"),
            Line(
                "POST /subjects/sdu/versions", outer, 422,
                #"No schema reference found for subject \"sd\" and version 1"#),
            Line("POST /compatibility/subjects/sdu/versions", outer, 422, "42201"),
            // One that is there, here by an import, stays readable.
            Line("PUT /mode/old", object(#"{"mode":"IMPORT"}"#), "IMPORT"),
            Line("POST /subjects/old/versions", imported, #""id":90"#),
            Line("DELETE /mode/old", "IMPORT"),
            Line("GET /schemas/ids/90?format=resolved", #"\"size\":3"#),
            Line("POST /subjects/old", outer, #""id":90"#),
            Line("POST /subjects/old/versions", outer, #""id":90"#),
            Line("DELETE /subjects/sd/versions/1?permanent=true", nil, 422, "42206"),
            Line("DELETE /subjects/old", "[1]"), Line("DELETE /subjects/old?permanent=true", "[1]"),
            Line("DELETE /subjects/sd/versions/1?permanent=true", "1"),
        ])
    }
}
