import Cluster
import JSONFormat
import NIOCore
import SchemaRules
import Synchronization
import TestKit
import Testing

@testable import RegistryService

@Suite struct RegistryTests {
    /// A conversation: method, path, body, status, and what the answer holds. `$` in a path or body is a percent sign.
    struct Line: Sendable {
        var request: String
        var body: JSONValue?
        var status: Int
        var answer: String

        init(_ request: String, _ body: JSONValue?, _ status: Int, _ answer: String) {
            self.request = request
            self.body = body
            self.status = status
            self.answer = answer
        }
        init(_ request: String, _ body: JSONValue, _ answer: String) { self.init(request, body, 200, answer) }
        init(_ request: String, _ answer: String) { self.init(request, nil, 200, answer) }
    }

    private func talk(_ lines: [Line], at location: SourceLocation = #_sourceLocation) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                for line in lines {
                    let parts = line.request.split(separator: " ").map(String.init)
                    let answer = try await node.ask(
                        parts[0], parts[1], line.body.map { String(decoding: $0.bytes, as: UTF8.self) })
                    #expect(answer.status == line.status, "\(line.request): \(answer)", sourceLocation: location)
                    #expect(
                        answer.text.contains(line.answer), "\(line.request): \(answer) lacks \(line.answer)",
                        sourceLocation: location)
                }
            }
        }
    }

    private func object(_ text: String) -> JSONValue { JSONValue.parse(Array(text.utf8)) ?? .null }

    @Test func `registers, evolves, refuses, finds`() async throws {
        try await talk([
            Line("GET /subjects", "[]"), Line("POST /subjects/t/versions", message(["a"]), #""id":1,"version":1"#),
            Line("POST /subjects/t/versions", message(["a"]), #""id":1,"version":1"#),
            Line("POST /subjects/t/versions", message(["a", "b"]), #""id":2,"version":2"#),
            Line("POST /subjects/u/versions", message(["a"]), #""id":1,"version":1"#),
            Line("POST /subjects/t/versions", message(["a"], type: "int32"), 409, #""error_code":40901"#),
            Line("POST /subjects/t/versions", message(["a"], type: "int32"), 409, "compatibility: 'BACKWARD'}]"),
            Line("POST /subjects/t", message(["a", "b"]), #""subject":"t","version":2,"id":2"#),
            Line("POST /subjects/t", message(["z"]), 404, #"{"error_code":40403,"message":"Schema not found"}"#),
            Line("POST /subjects/x", message(["a"]), 404, #"{"error_code":40401,"message":"Subject 'x' not found."}"#),
            Line("GET /subjects/t/versions", "[1,2]"), Line("GET /subjects", #"["t","u"]"#),
            Line("GET /subjects/t/versions/latest", #""version":2"#),
            Line("GET /subjects/t/versions/-1", #""version":2"#),
            Line("GET /subjects/t/versions/3", nil, 404, #"{"error_code":40402,"message":"Version 3 not found."}"#),
            Line("GET /subjects/t/versions/0", nil, 422, #""error_code":42202"#),
            Line("GET /subjects/t/versions/one", nil, 422, "The specified version 'one' is not a valid version id."),
            Line("GET /schemas/ids/1", #""schemaType":"PROTOBUF","schema":"syntax"#),
            Line("GET /schemas/ids/1?fetchMaxId=true", #""maxId":2"#),
            Line("GET /schemas/ids/9", nil, 404, #"{"error_code":40403,"message":"Schema 9 not found"}"#),
            Line("GET /schemas/ids/1/subjects", #"["t","u"]"#),
            Line("GET /schemas/ids/1/versions", #"[{"subject":"t","version":1},{"subject":"u","version":1}]"#),
            Line("GET /schemas/ids/1/schema", "syntax = \"proto3\";"),
            Line("GET /schemas?latestOnly=true", #""version":2"#),
            Line("GET /schemas/types", "PROTOBUF"),
            Line(
                "POST /compatibility/subjects/t/versions/latest", message(["a"], type: "int32"),
                #"{"is_compatible":false}"#),
            Line("POST /compatibility/subjects/t/versions/latest", message(["a"]), #"{"is_compatible":true}"#),
            Line(
                "POST /compatibility/subjects/t/versions?verbose=true", message(["a"]),
                #"{"is_compatible":true,"messages":[]}"#),
            Line("POST /compatibility/subjects/t/versions/7", message(["a"]), 404, "40402"),
            Line("POST /compatibility/subjects/none/versions/latest", message(["a"]), #"{"is_compatible":true}"#),
            Line("GET /subjects/a%2Fb/versions", nil, 404, "Subject 'a/b' not found."),
        ])
    }

    @Test func `deletes softly, then for good`() async throws {
        try await talk([
            Line("POST /subjects/t/versions", message(["a"]), #""id":1"#),
            Line("POST /subjects/t/versions", message(["a", "b"]), #""id":2"#),
            Line("DELETE /subjects/t/versions/1", "1"),
            Line(
                "DELETE /subjects/t/versions/1", nil, 404, "Subject 't' Version 1 was soft deleted.Set permanent=true"),
            Line("GET /subjects/t/versions", "[2]"), Line("GET /subjects/t/versions?deleted=true", "[1,2]"),
            Line("GET /subjects/t/versions?deletedOnly=true", "[1]"),
            Line("GET /subjects/t/versions?deletedAsNegative=true", "[-1,2]"),
            Line("GET /subjects/t/versions/1", nil, 404, "40402"),
            Line("GET /subjects/t/versions/1?deleted=true", #""deleted":true"#), Line("GET /schemas/ids/1", "schema"),
            Line("POST /subjects/t", message(["a"]), 404, "40403"),
            Line("POST /subjects/t?deleted=true", message(["a"]), #""version":1"#),
            Line("DELETE /subjects/t/versions/2?permanent=true", nil, 404, "40407"),
            Line("POST /subjects/t/versions", message(["a"]), #""id":1,"version":3"#),
            Line("GET /subjects/t/versions?deleted=true", "[2,3]"),
            Line("DELETE /subjects/t?permanent=true", nil, 404, "40405"), Line("DELETE /subjects/t", "[2,3]"),
            Line("DELETE /subjects/t", nil, 404, "40404"), Line("GET /subjects", "[]"),
            Line("GET /subjects?deleted=true", #"["t"]"#), Line("GET /subjects/t/versions", nil, 404, "40401"),
            Line("PUT /config/t", object(#"{"compatibility":"NONE"}"#), "NONE"),
            Line("DELETE /subjects/t?permanent=true", "[2,3]"), Line("GET /config/t", nil, 404, "40408"),
            Line("GET /schemas/ids/1", nil, 404, "40403"), Line("DELETE /subjects/t", nil, 404, "40401"),
            Line("POST /subjects/t/versions", message(["a"]), #""id":3,"version":1"#),
        ])
    }

    @Test func `settings and modes`() async throws {
        try await talk([
            Line("GET /config", #"{"compatibilityLevel":"BACKWARD"}"#),
            Line("PUT /config", object(#"{"compatibility":"full"}"#), #"{"compatibility":"FULL"}"#),
            Line("GET /config", #"{"compatibilityLevel":"FULL"}"#),
            Line("PUT /config/s", object(#"{"compatibility":"sideways"}"#), 422, #""error_code":42203"#),
            Line("PUT /config/s", object(#"{"alias":"t","normalize":true}"#), #"{"alias":"t","normalize":true}"#),
            Line("PUT /config/s", object(#"{"alias":null}"#), #"{"normalize":true}"#),
            Line("GET /config/s", #"{"normalize":true}"#),
            Line("GET /config/s?defaultToGlobal=true", #"{"normalize":true,"compatibilityLevel":"FULL"}"#),
            Line("DELETE /config/s", #"{"normalize":true}"#), Line("DELETE /config/s", nil, 404, "40401"),
            Line("DELETE /config", #"{"compatibilityLevel":"FULL"}"#), Line("GET /config", "BACKWARD"),
            Line("GET /mode", #"{"mode":"READWRITE"}"#), Line("GET /mode/s", nil, 404, "40409"),
            Line("PUT /mode/s", object(#"{"mode":"sometimes"}"#), 422, "42204"),
            Line("PUT /mode/s", object(#"{"mode":"readonly"}"#), #"{"mode":"READONLY"}"#),
            Line("POST /subjects/s/versions", message(["a"]), 422, "Subject s in context  is in read-only mode"),
            Line("PUT /config/s", object(#"{"compatibility":"NONE"}"#), 422, "42205"),
            Line("DELETE /mode/s", #"{"mode":"READONLY"}"#),
            Line("POST /subjects/s/versions", message(["a"]), #""id":1"#),
            Line("PUT /mode/s", object(#"{"mode":"IMPORT"}"#), 422, "Cannot import since found existing subjects"),
            Line("PUT /mode/i", object(#"{"mode":"IMPORT"}"#), "IMPORT"),
            Line("POST /subjects/i/versions", message(["x"]), 422, "is not in read-write mode"),
            Line(
                "POST /subjects/i/versions", message(["x"], extra: [("id", .number(40)), ("version", .number(7))]),
                #""id":40,"version":7"#),
            Line(
                "POST /subjects/i/versions", message(["y"], extra: [("id", .number(40))]), 422,
                "Overwrite new schema with id 40"),
            Line(
                "POST /subjects/s/versions", message(["y"], extra: [("id", .number(41))]), 422, "is not in import mode"),
            Line("POST /subjects/s/versions", message(["a", "b"]), #""id":41,"version":2"#),
            Line("PUT /mode", object(#"{"mode":"READONLY_OVERRIDE"}"#), "READONLY_OVERRIDE"),
            Line("POST /subjects/i/versions", message(["z"], extra: [("id", .number(44))]), 422, "read-only mode"),
            Line("DELETE /mode?recursive=true", "READONLY_OVERRIDE"), Line("GET /mode/i", nil, 404, "40409"),
            Line("PUT /config/a$0Ab".replacing("$", with: "%"), object(#"{"compatibility":"NONE"}"#), 422, "42208"),
        ])
    }

    @Test func `contexts and aliases`() async throws {
        try await talk([
            Line("POST /subjects/:.c:s/versions", message(["a"]), #""id":1,"version":1"#),
            Line("POST /contexts/.c/subjects/t/versions", message(["b"]), #""id":2"#),
            Line("POST /contexts/d/subjects/s/versions", message(["c"]), #""id":1"#),
            Line("POST /subjects/s0/versions", message(["d"]), #""id":1"#),
            Line("GET /contexts", #"[".",".c",".d"]"#), Line("GET /contexts?contextPrefix=.c", #"[".c"]"#),
            Line("GET /subjects", #"[":.c:s",":.c:t",":.d:s","s0"]"#), Line("GET /subjects?subjectPrefix=", #"["s0"]"#),
            Line("GET /subjects?subjectPrefix=:*:s", #"[":.c:s",":.d:s","s0"]"#),
            Line("GET /subjects?subjectPrefix=:.c:", #"[":.c:s",":.c:t"]"#),
            Line("GET /contexts/.c/subjects", #"[":.c:s",":.c:t"]"#),
            Line("GET /contexts/.d/schemas/ids/1", "string c"),
            Line("GET /schemas/ids/1", "string d"), Line("GET /schemas/ids/2?subject=t", #""subject":":.c:t""#),
            Line("GET /subjects/t/versions/1", #""subject":":.c:t""#),
            Line("GET /schemas/ids/1?subject=:.c:", "string a"),
            Line("PUT /contexts/.c/config", object(#"{"compatibility":"NONE"}"#), "NONE"),
            Line("GET /config/:.c:", #"{"compatibilityLevel":"NONE"}"#),
            Line("GET /config/:.c:s?defaultToGlobal=true", "NONE"),
            Line("DELETE /contexts/.c", nil, 422, "42211"),
            Line("PUT /config/also", object(#"{"alias":"s0"}"#), "s0"), Line("GET /subjects/also/versions", "[1]"),
            Line("GET /schemas?subjectPrefix=s0&aliases=true", #""aliases":["also"]"#),
            Line("DELETE /subjects/:.d:s", "[1]"), Line("DELETE /subjects/:.d:s?permanent=true", "[1]"),
            Line("DELETE /contexts/.d", nil, 204, ""), Line("GET /contexts", #"[".",".c"]"#),
            Line("GET /contexts/a:b/subjects", nil, 400, "colon"),
        ])
    }

    @Test func `data contracts are part of a schema and handed down`() async throws {
        let metadata = object(#"{"properties":{"owner":"me"}}"#)
        let rules = object(#"{"domainRules":[{"name":"r","type":"CEL","mode":"WRITE","expr":"1 < 2"}]}"#)
        try await talk([
            Line("POST /subjects/t/versions", message(["a"]), #""id":1,"version":1"#),
            Line("POST /subjects/t/versions", message(["a"], extra: [("metadata", metadata)]), #""id":2,"version":2"#),
            Line("POST /subjects/t/versions", message(["a", "b"]), #""version":3"#),
            Line("GET /subjects/t/versions/3", #""metadata":{"properties":{"owner":"me"}}"#),
            Line("GET /subjects/t/metadata?key=owner&value=me", #""version":3"#),
            Line("GET /subjects/t/metadata?key=owner&value=you", nil, 404, "40403"),
            Line("POST /subjects/t/versions", message(["a", "b"], extra: [("ruleSet", rules)]), #""version":4"#),
            Line("GET /schemas?ruleType=CEL", #""version":4"#), Line("GET /schemas?ruleType=ENCRYPT", "[]"),
            Line(
                "POST /subjects/t/versions",
                message(["a"], extra: [("ruleSet", object(#"{"domainRules":[{"name":"r"}]}"#))]),
                422, #"{"error_code":42210,"message":"Missing rule type"}"#),
            Line("PUT /config/t", object(#"{"overrideMetadata":{"properties":{"team":"core"}}}"#), "core"),
            Line("POST /subjects/t/versions", message(["a", "b", "c"]), #""owner":"me","team":"core""#),
            Line("POST /subjects/t/versions", message(["a", "b", "c"]), #""version":5"#),
            Line(
                "POST /subjects/v/versions", message(["a"], extra: [("version", .number(-1))]),
                #""confluent:version":"1""#),
            Line("POST /subjects/v/versions", message(["a"]), #""version":1"#),
            Line("POST /subjects/v/versions", message(["a", "b"]), #""confluent:version":"2""#),
        ])
    }

    @Test func `references hold what they refer to`() async throws {
        func user(_ version: Int64, subject: String = "m") -> JSONValue {
            .object([
                ("schemaType", .string("PROTOBUF")),
                ("schema", .string("syntax = \"proto3\";\nimport \"m.proto\";\nmessage U { M m = 1; }")),
                (
                    "references",
                    .array([
                        .object([
                            ("name", .string("m.proto")), ("subject", .string(subject)), ("version", .number(version)),
                        ])
                    ])
                ),
            ])
        }
        try await talk([
            Line("POST /subjects/m/versions", message(["a"]), #""id":1"#),
            Line(
                "POST /subjects/u/versions", user(-1), #""references":[{"name":"m.proto","subject":"m","version":1}]"#),
            Line("GET /subjects/m/versions/1/referencedby", "[2]"),
            Line(
                "DELETE /subjects/m", nil, 422,
                #"{"error_code":42206,"message":"One or more references exist to the schema "#),
            Line("DELETE /subjects/m/versions/1", nil, 422, "{magic=1,keytype=SCHEMA,subject=m,version=1}."),
            Line(
                "POST /subjects/u2/versions", user(9), 422,
                "No schema reference found for subject \\\"m\\\" and version 9"),
            Line("POST /subjects/u2/versions", user(1, subject: "n"), 422, "42201"),
            Line("POST /subjects/m/versions", message(["a", "b"]), #""version":2"#),
            Line(
                "POST /compatibility/subjects/m/versions?impact=true", message(["a"]), #"{"kind":"schema","name":"u""#),
            Line("POST /subjects/:.c:u/versions", user(1), 422, "No schema reference found"),
            Line("POST /subjects/:.c:u/versions", user(1, subject: ":.:m"), 422, "No schema reference found"),
            Line("DELETE /subjects/u", "[1]"), Line("DELETE /subjects/m", "[1,2]"),
        ])
    }

    @Test func `what is no request is refused in the API's codes`() async throws {
        let bodies = [
            ("", 422, 422), ("{", 400, 400), ("null", 422, 422), ("[]", 422, 422), (#"{"schema":{}}"#, 422, 422),
            (#"{"schema":"message {","schemaType":"PROTOBUF"}"#, 422, 42201), (#"{"schema":""}"#, 422, 42201),
            (#"{"schema":"x","schemaType":"XML"}"#, 422, 42201), (#"{"schema":"x","references":5}"#, 422, 422),
            (#"{"schema":"x","references":[{"name":"a"}]}"#, 422, 42201), (#"{"schema":"x","id":"1"}"#, 422, 422),
            (#"{"schema":"x","metadata":[]}"#, 422, 422), (String(repeating: "[", count: 100_000), 400, 400),
            (#"{"schema":"\#(String(repeating: "{\\\"a\\\":", count: 50_000))","schemaType":"JSON"}"#, 422, 42201),
            (#"{"schema":"\#(String(repeating: "a", count: 2_000_000))","schemaType":"PROTOBUF"}"#, 422, 42201),
        ]
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                for (body, status, code) in bodies {
                    for path in ["/subjects/t/versions", "/subjects/t"]
                    where !body.contains(#""""#) || path.hasSuffix("s") {
                        let answer = try await node.ask("POST", path, body)
                        #expect(answer.status == status, "\(path) \(body.prefix(60)): \(answer)")
                        #expect(answer.code == Int64(code), "\(path) \(body.prefix(60)): \(answer)")
                    }
                }
                let calls = [
                    ("GET", "/nowhere", [], 404), ("PUT", "/subjects", [], 405), ("DELETE", "/schemas/ids/1", [], 405),
                    ("GET", "/subjects", [("Accept", "text/html")], 406), ("GET", "/schemas/ids/x", [], 404),
                    ("GET", "/schemas/ids/99999999999", [], 404), ("GET", "/subjects?offset=x", [], 404),
                ]
                for (method, path, headers, status) in calls {
                    let answer = try await node.ask(method, path, headers: headers)
                    #expect(answer.status == status, "\(method) \(path): \(answer)")
                    #expect(answer.code == Int64(status), "\(method) \(path): \(answer)")
                }
                let typed = try await node.ask(
                    "POST", "/subjects/t/versions", "{}", headers: [("Content-Type", "text/plain")])
                #expect(typed.status == 415)
                #expect(typed.text == #"{"error_code":415,"message":"HTTP 415 Unsupported Media Type"}"#)
                #expect(try await node.ask("GET", "/").text == "{}")
            }
        }
    }

    @Test func `a body beyond the limit is 413, a schema beyond the topic's 42209`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode({ $0.requestByteCountMax = 3 << 20 }) { node in
                let large = message((0..<60_000).map { "f\($0)_a_long_name" })
                let refused = try await node.register("t", large)
                #expect(refused.status == 422)
                #expect(refused.code == 42209)
                let larger = try await node.register("t", message((0..<200_000).map { "f\($0)_a_long_name" }))
                #expect(larger.status == 413)
                #expect(larger.code == 413)
                #expect(try await node.register("t", message(["a"])).status == 200, "it goes on")
            }
        }
    }

    @Test func `registrations at the same time get their ids, and share appends`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                _ = try await node.register("first", message(["x"]))
                let before = node.server.registry.writer.appends.load(ordering: .relaxed)
                let ids = try await withThrowingTaskGroup(of: Int64.self) { group in
                    for index in 0..<120 {
                        // Forty schemas, each under three subjects.
                        group.addTask {
                            let answer = try await node.register("s\(index)", message(["f\(index % 40)"]))
                            return answer.json["id"]?.integer ?? -1
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(Set(ids) == Set(2...41))
                let appends = node.server.registry.writer.appends.load(ordering: .relaxed) - before
                #expect(appends < 120, "\(appends) appends")
                let versions = try await withThrowingTaskGroup(of: Int64.self) { group in
                    for index in 0..<20 {
                        group.addTask {
                            let fields = (0...index).map { "f\($0)" }
                            let answer = try await node.register("one", message(fields))
                            return answer.json["version"]?.integer ?? -1
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(versions.sorted() == Array(1...20))
            }
        }
    }
}
