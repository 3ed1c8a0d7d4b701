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

    func talk(_ lines: [Line], at location: SourceLocation = #_sourceLocation) async throws {
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

    func object(_ text: String) -> JSONValue { JSONValue.parse(Array(text.utf8)) ?? .null }

    /// An id that a schema gone for good has had must not name another one: old records still carry it.
    @Test func `ids are not given again, also beside a schema that has one`() async throws {
        var batch = WriteBatch()
        var state = RegistryState([record("a", 1, 1, "x"), record("b", 1, 2, "y")])
        state.apply(record("b", 2, 5, "z"), offset: 2, timestamp: 0)
        state.apply(.tombstone(subject: "b", version: 2), offset: 3, timestamp: 0)
        let known = RegistryState.Content(stored("x"))
        let isClaimed = batch.claim(1, for: known, in: ".", state)
        #expect(isClaimed)
        let fresh = batch.id(of: RegistryState.Content(stored("new")), in: ".", state)
        #expect(fresh == 6)
    }

    @Test func `a refused change of the mode deletes nothing`() async throws {
        let inner = #"{"type":"record","name":"Inner","namespace":"a","fields":[{"name":"x","type":"int"}]}"#
        let wider = #"{"type":"record","name":"Inner","namespace":"a","fields":[{"name":"x","type":"long"}]}"#
        let outer = #"{"type":"record","name":"Outer","namespace":"b","fields":[{"name":"i","type":"a.Inner"}]}"#
        let references = object(#"[{"name":"a.Inner","subject":"inner","version":2}]"#)
        try await talk([
            Line("POST /subjects/inner/versions", .object([("schema", .string(inner))]), #""id":1"#),
            Line("POST /subjects/inner/versions", .object([("schema", .string(wider))]), #""id":2"#),
            Line("DELETE /subjects/inner", "[1,2]"),
            // New names are checked together with the rest of what a new schema has to hold.
            Line("PUT /config/outer", object(#"{"validateNames":false}"#), "validateNames"),
            Line(
                "POST /subjects/outer/versions", .object([("schema", .string(outer)), ("references", references)]),
                #""id":3"#),
            Line("PUT /mode/inner", object(#"{"mode":"IMPORT"}"#), 422, #""error_code":42206"#),
            Line("GET /subjects/inner/versions?deleted=true", "[1,2]"),
            // What comes again does not take away what others refer to, either.
            Line("POST /subjects/inner/versions", .object([("schema", .string(wider))]), #""version":3"#),
            Line("GET /subjects/inner/versions?deleted=true", "[1,2,3]"),
            Line("GET /schemas/ids/3", #""references":[{"name":"a.Inner","subject":"inner","version":2}]"#),
            Line(
                "POST /subjects/outer", .object([("schema", .string(outer)), ("references", references)]), #""id":3"#),
        ])
    }

    /// A preflight request is answered by the rules, or by the routes where there are none.
    @Test(arguments: [("", 204), ("*", 200), ("http://a.example", 200), ("http://b.example", 204)])
    func `pages of other origins are let in where they are allowed`(origins: String, status: Int) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode({ $0.allowedOrigins = origins }) { node in
                let answer = try await node.ask(
                    "OPTIONS", "/subjects",
                    headers: [("Origin", "http://a.example"), ("Access-Control-Request-Method", "GET")])
                #expect(answer.status == status)
            }
        }
    }

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
            Line("PUT /config", object(#"{"normalize":true,"compatibility":null}"#), #"{"normalize":true}"#),
            Line("GET /config", #"{"normalize":true,"compatibilityLevel":"BACKWARD"}"#),
            Line("PUT /config", object(#"{"normalize":[]}"#), 400, #""error_code":400"#),
            Line("DELETE /config", #"{"normalize":true}"#),
            Line("PUT /mode/s", object(#"{"mode":"READONLY"}"#), #"{"mode":"READONLY"}"#),
            Line("PUT /mode/s", object("{}"), 422, "42204"), Line("PUT /mode/s", object(#"{"mode":null}"#), "{}"),
            Line("GET /mode", #"{"mode":"READWRITE"}"#), Line("GET /mode/s", nil, 404, "40409"),
            Line("PUT /mode/s", object(#"{"mode":"sometimes"}"#), 422, "42204"),
            Line("PUT /mode/s", object(#"{"mode":{}}"#), 400, #""error_code":400"#),
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
            Line("GET /subjects/t/metadata?key=owner&value=me&key=team", #""version":3"#),
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
            Line(
                "POST /subjects/:.c:u/versions", user(1), 422,
                #"No schema reference found for subject \":.c:m\" and version 1"#),
            Line("POST /subjects/:.c:u/versions", user(1, subject: ":.:m"), 422, "No schema reference found"),
            Line("DELETE /subjects/u", "[1]"), Line("GET /subjects/m/versions/1/referencedby", "[]"),
            Line("GET /subjects/m/versions/1/referencedby?deleted=true", "[2]"),
            Line("DELETE /subjects/m", "[1,2]"),
        ])
    }

    @Test func `a schema with everything inside it is the one with references`() async throws {
        let inner = #"{"type":"record","name":"a.Inner","fields":[{"name":"x","type":"int"}]}"#
        let outer = #"{"type":"record","name":"a.Outer","fields":[{"name":"i","type":"a.Inner"}]}"#
        let whole = #"{"type":"record","name":"a.Outer","fields":[{"name":"i","type":\#(inner)}]}"#
        let references = object(#"[{"name":"a.Inner","subject":"inner","version":1}]"#)
        func avro(_ text: String, _ more: [(String, JSONValue)] = []) -> JSONValue {
            .object([("schema", .string(text))] + more)
        }
        try await talk([
            Line("POST /subjects/inner/versions", avro(inner), #""id":1"#),
            Line("POST /subjects/outer/versions", avro(outer), 422, #""error_code":42201"#),
            Line("POST /subjects/outer/versions", avro(outer, [("references", references)]), #""id":2"#),
            Line("POST /subjects/outer", avro(whole), #""version":1,"id":2"#),
            Line("POST /subjects/outer/versions", avro(whole), #""id":2,"version":1"#),
            Line("GET /schemas/ids/2/schema?format=resolved", #""name":"x""#),
            Line("GET /schemas/ids/2?format=nonsense", #"\"name\":\"Outer\""#),
            Line("GET /subjects/outer/versions/1?referenceFormat=qualified", #""subject":"inner""#),
        ])
    }

    @Test(arguments: [("true", true), ("TRUE", true), ("false", false), ("", false)])
    func `a client that does not take unknown properties gets an id only`(header: String, whole: Bool) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let body = String(decoding: message(["x"]).bytes, as: UTF8.self)
                for _ in 0..<2 {
                    let answer = try await node.ask(
                        "POST", "/subjects/s/versions", body,
                        headers: [("Confluent-Accept-Unknown-Properties", header)])
                    #expect((answer.text == #"{"id":1}"#) == !whole, "\(answer)")
                    #expect(answer.text.hasPrefix(#"{"id":1"#))
                    #expect((answer.json["guid"] != nil) == whole)
                }
                let other = String(decoding: message(["x"], type: "int32").bytes, as: UTF8.self)
                let refused = try await node.ask(
                    "POST", "/subjects/s/versions", other, headers: [("Confluent-Accept-Unknown-Properties", header)])
                #expect(refused.status == 409)
                #expect(refused.code == (whole ? 40901 : 409))
            }
        }
    }

    @Test func `a GUID means one schema in all contexts`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let first = try await node.register(":.c:s", message(["x"]))
                _ = try await node.register(":.d:other", message(["y"]))
                let second = try await node.register(":.d:s", message(["x"]))
                let guid = try #require(first.json["guid"]?.text)
                #expect(second.json["guid"]?.text == guid)
                let found = try await node.ask("GET", "/schemas/guids/\(guid)")
                #expect(found.text.contains("string x"), "\(found)")
                #expect(found.json["subject"] == nil)
                let ids = try await node.ask("GET", "/schemas/guids/\(guid.uppercased())/ids")
                #expect(ids.text == #"[{"context":".c","id":1},{"context":".d","id":2}]"#)
                for unknown in ["x", "00000000-0000-0000-0000-000000000000"] {
                    #expect(try await node.ask("GET", "/schemas/guids/\(unknown)").code == 40403)
                }
            }
        }
    }

    @Test func `pages of lists`() async throws {
        try await talk([
            Line("POST /subjects/a/versions", message(["a"]), #""id":1"#),
            Line("POST /subjects/b/versions", message(["a"]), #""id":1"#),
            Line("POST /subjects/c/versions", message(["a"]), #""id":1"#),
            Line("POST /subjects/c/versions", message(["a", "b"]), #""version":2"#),
            Line("GET /subjects?offset=1", #"["b","c"]"#), Line("GET /subjects?limit=2", #"["a","b"]"#),
            Line("GET /subjects?offset=1&limit=1", #"["b"]"#), Line("GET /subjects?offset=9", "[]"),
            Line("GET /subjects?limit=-1", #"["a","b","c"]"#), Line("GET /subjects/c/versions?offset=1", "[2]"),
            Line("GET /subjects?limit=20001", #"["a","b","c"]"#),
            Line("GET /schemas/ids/1/subjects?limit=1", #"["a"]"#),
            Line("GET /schemas/ids/1/versions?offset=2", #"[{"subject":"c","version":1}]"#),
            Line("GET /schemas?offset=2&limit=1", #""subject":"c","version":1"#),
            Line("GET /contexts?limit=1", #"["."]"#),
            Line("POST /subjects/:.x:d/versions", message(["a"]), #""id":1"#),
            Line("DELETE /subjects/c/versions/1", "1"),
            Line("GET /subjects?subjectPrefix=", #"["a","b","c"]"#), Line("GET /subjects", #"[":.x:d","a","b","c"]"#),
            // All contexts have their subjects listed, the default one its schemas.
            Line("GET /schemas?limit=1", #"[{"subject":"a","version":1"#),
            Line("GET /schemas?subjectPrefix=:*:&limit=1", #"[{"subject":":.x:d","version":1"#),
            Line("GET /schemas?subjectPrefix=c&latestOnly=true", #"[{"subject":"c","version":2"#),
            Line("GET /schemas?subjectPrefix=c&deleted=true", #"[{"subject":"c","version":1"#),
            Line("GET /schemas?subjectPrefix=c&deleted=true&offset=1", #"[{"subject":"c","version":2"#),
            Line("GET /schemas?subjectPrefix=c&offset=1", "[]"), Line("GET /schemas?subjectPrefix=y", "[]"),
            Line("GET /schemas?subjectPrefix=:.x:", #"[{"subject":":.x:d","version":1"#),
            Line("GET /contexts/.x/schemas", #"[{"subject":":.x:d","version":1"#),
            Line("GET /schemas?limit=x", nil, 404, #""error_code":404"#),
            Line("GET /schemas/ids/1/versions?deleted=true&offset=2&limit=1", #"[{"subject":"c","version":1}]"#),
            Line("GET /subjects/c/versions?deleted=true&limit=1", "[1]"),
            Line("GET /subjects/c/versions?deletedOnly=true", "[1]"),
            Line("GET /contexts?offset=1", #"[".x"]"#),
        ])
    }

    @Test func `tags are part of the text`() async throws {
        let schema = #"{"type":"record","name":"R","fields":[{"name":"f","type":"int"}]}"#
        let tags = #"[{"schemaEntity":{"entityPath":"R.f","entityType":"sr_field"},"tags":["PII"]}]"#
        try await talk([
            Line("POST /subjects/t/versions", .object([("schema", .string(schema))]), #""id":1"#),
            Line(
                "POST /subjects/t/versions/1/tags", object(#"{"newVersion":2,"tagsToAdd":\#(tags)}"#), #""version":2"#),
            Line("GET /subjects/t/versions/2?findTags=PII", #""schemaTags":\#(tags)"#),
            Line("GET /schemas/ids/2?findTags=OTHER", #""schemaTags":[]"#),
            Line("GET /subjects/t/versions/2", #"confluent:tags\":[\"PII\"]"#),
            Line("POST /subjects/t/versions/9/tags", object("{}"), 404, "40402"),
            Line(
                "POST /subjects/t/versions/2/tags", object(#"{"tagsToAdd":\#(tags.replacing("R.f", with: "R.z"))}"#),
                422, "R.z"),
        ])
    }

    @Test func `a registration says what tags parts get, lose and keep`() async throws {
        func body(_ fields: String, _ more: [(String, JSONValue)] = []) -> JSONValue {
            .object([("schema", .string(#"{"type":"record","name":"R","fields":[\#(fields)]}"#))] + more)
        }
        let plain = #"{"name":"f","type":"int"}"#
        let tags = object(#"[{"schemaEntity":{"entityPath":"R.f","entityType":"sr_field"},"tags":["PII"]}]"#)
        let other = object(#"[{"schemaEntity":{"entityPath":"R.z","entityType":"sr_field"},"tags":["PII"]}]"#)
        let more = plain + #",{"name":"g","type":"int","default":1}"#
        try await talk([
            Line("POST /subjects/t/versions", body(plain, [("schemaTagsToAdd", tags)]), #""id":1"#),
            Line("GET /subjects/t/versions/1", #"confluent:tags\":[\"PII\"]"#),
            Line("GET /subjects/t/versions/1", #""confluent:version":"1""#),
            Line("POST /subjects/t/versions", body(plain, [("schemaTagsToAdd", other)]), 422, "R.z"),
            Line("POST /subjects/t/versions", body(more, [("propagateSchemaTags", .bool(true))]), #""version":2"#),
            Line("GET /subjects/t/versions/2?findTags=PII", #""entityPath":"R.f""#),
            Line(
                "POST /subjects/t/versions",
                body(#"{"name":"f","type":"int","confluent:tags":["PII"]}"#, [("schemaTagsToRemove", tags)]),
                #""version":3"#),
            Line("GET /subjects/t/versions/3?findTags=*", #""schemaTags":[]"#),
        ])
    }

    @Test func `a rule set keeps where it is carried out`() async throws {
        let rules =
            #"{"domainRules":[{"name":"r","kind":"CONDITION","mode":"WRITE","type":"CEL","expr":"false","#
            + #""disabled":"true"}],"enableAt":"GATEWAY"}"#
        try await talk([
            Line(
                "POST /subjects/g/versions", .object([("schema", .string(#""int""#)), ("ruleSet", object(rules))]),
                #""enableAt":"GATEWAY""#),
            Line("GET /subjects/g/versions/1", #""disabled":true}],"enableAt":"GATEWAY"}"#),
        ])
    }

    @Test func `imports take JSON Schemas that lead elsewhere`() async throws {
        let schema = #"{"properties":{"a":{"$ref":"https://example.com/x.json"}}}"#
        func body(_ more: [(String, JSONValue)]) -> JSONValue {
            .object([("schemaType", .string("JSON")), ("schema", .string(schema))] + more)
        }
        try await talk([
            Line("POST /subjects/i/versions", body([]), 422, "leads nowhere"),
            Line("PUT /mode/i?force=true", object(#"{"mode":"IMPORT"}"#), "IMPORT"),
            Line("POST /subjects/i/versions", body([("id", .number(9002)), ("version", .number(2))]), #""id":9002"#),
            Line("GET /subjects/i/versions/2/schema", "https://example.com/x.json"),
            Line(
                "POST /subjects/i/versions",
                object(#"{"schemaType":"JSON","schema":"{","id":9003,"version":3}"#), 422, "42201"),
        ])
    }

    @Test func `defaults are checked as Java does, and not where names are not validated`() async throws {
        func body(_ field: String) -> JSONValue {
            .object([("schema", .string(#"{"type":"record","name":"R","fields":[{"name":"a",\#(field)}]}"#))])
        }
        try await talk([
            Line(
                "POST /subjects/a/versions", body(#""type":{"type":"enum","name":"E","symbols":["A"]},"default":"Z""#),
                "1"),
            Line(
                "POST /subjects/b/versions", body(#""type":{"type":"fixed","name":"F","size":2},"default":"abc""#), "2"),
            Line("POST /subjects/c/versions", body(#""type":"bytes","default":"\u20ac""#), "3"),
            Line("POST /subjects/d/versions", body(#""type":"bytes","default":5"#), 422, "Invalid default for field a"),
            Line("POST /subjects/e/versions", body(#""type":"int","default":"x""#), 422, "Invalid default for field a"),
            Line("POST /subjects/f/versions", body(#""type":["int","null"],"default":"x""#), 422, "Invalid default"),
            Line("PUT /config/e", object(#"{"validateNames":false}"#), "validateNames"),
            Line("POST /subjects/e/versions", body(#""type":"int","default":"x""#), "4"),
            // Since Avro 1.12 a default may be one of any branch.
            Line("POST /subjects/f/versions", body(#""type":["int","null"],"default":null"#), "5"),
        ])
    }

    @Test func `what is no request is refused in the API's codes`() async throws {
        let bodies = [
            ("", 422, 422), ("{", 400, 400), ("null", 422, 422), ("[]", 400, 400), (#"{"schema":{}}"#, 400, 400),
            // Rules whose shape is right and whose content is not are 42210; a number is a string where one is asked for.
            (#"{"schema":"x","ruleSet":{"domainRules":[{"kind":"X"}]}}"#, 400, 400), (#"{"schema":5}"#, 422, 42201),
            (#"{"schema":"message {","schemaType":"PROTOBUF"}"#, 422, 42201), (#"{"schema":""}"#, 422, 42201),
            (#"{"schema":"x","schemaType":"XML"}"#, 422, 42201), (#"{"schema":"x","references":5}"#, 400, 400),
            (#"{"schema":"x","references":[{"name":"a"}]}"#, 422, 42201), (#"{"schema":"x","id":"one"}"#, 400, 400),
            (#"{"schema":"x","references":[5]}"#, 400, 400), (#"{"schema":"x","references":[{"name":{}}]}"#, 400, 400),
            (#"{"schema":"x","references":[{"name":"a","subject":"b","version":"x"}]}"#, 400, 400),
            (#"{"schema":"x","version":"x"}"#, 400, 400), (#"{"schema":"x","schemaTagsToAdd":{}}"#, 400, 400),
            (#"{"schema":"x","ruleSet":{"domainRules":[{"name":"r","type":"CEL","tags":[{}]}]}}"#, 400, 400),
            // What can be read is, and then the schema is none.
            (#"{"schema":"x","id":"","version":1.0,"propagateSchemaTags":""}"#, 422, 42201),
            (#"{"schema":"x","references":[{"name":1,"subject":2,"version":"3"}]}"#, 422, 42201),
            (#"{"schema":"x","metadata":{"sensitive":[1],"tags":{"a":[true]}}}"#, 422, 42201),
            (#"{"schema":"x","metadata":[]}"#, 400, 400), (String(repeating: "[", count: 100_000), 400, 400),
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
                    for index in 0..<50 {
                        group.addTask {
                            let fields = (0...index).map { "f\($0)" }
                            let answer = try await node.register("one", message(fields))
                            return answer.json["version"]?.integer ?? -1
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(versions.sorted() == Array(1...50))
            }
        }
    }
}
