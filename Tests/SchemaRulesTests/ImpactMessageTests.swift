import JSONFormat
import SchemaRules
import Testing

@Suite struct ImpactMessageTests {
    @Test func `questions travel whole`() throws {
        let question = ImpactQuestion(
            subject: ":.c:orders-key",
            candidate: .init(
                .protobuf, "message M {}",
                references: [ReferencedSchema(name: "a.proto", subject: "a", version: 2, text: "message A {}")]),
            versions: [.init(1, id: 7, .init(.avro, "\"int\"")), .init(3, id: 9, .init(.json, "{}"))])
        let json = try JSONValue.read(String(decoding: question.json.bytes, as: UTF8.self))
        #expect(try ImpactQuestion(json) == question)
        #expect(question.isKey)
        #expect(question.topic == "orders")
        #expect(ImpactQuestion(subject: "orders", candidate: .init(.avro, ""), versions: []).topic == nil)
    }

    @Test(arguments: [
        "{}", #"{"subject":"s","candidate":{},"versions":[]}"#,
        #"{"subject":"s","candidate":{"schemaType":"AVRO","schema":"x"}}"#,
        #"{"subject":"s","candidate":{"schemaType":"XML","schema":"x"},"versions":[]}"#,
        #"{"subject":"s","candidate":{"schemaType":"AVRO","schema":"x"},"versions":[{"version":1}]}"#,
        #"{"subject":"s","candidate":{"schemaType":"AVRO","schema":"x","references":[{}]},"versions":[]}"#,
    ])
    func `what is no question is refused`(text: String) throws {
        let json = try JSONValue.read(text)
        #expect(throws: SchemaFailure.self) { try ImpactQuestion(json) }
    }

    @Test func `answers travel whole, and what is none is told`() throws {
        let answer = ImpactAnswer(
            impacts: [Impact(.query, "Q", .breaks, reason: "r"), Impact(.consumerGroup, "g", .changes, reason: "")],
            writers: [
                ImpactWriter(.connector, "c", .latest),
                ImpactWriter(.stream, "S", .mayRegister, schema: .init(.avro, "\"int\"")),
            ], groups: ["g"])
        let json = try JSONValue.read(String(decoding: answer.json.bytes, as: UTF8.self))
        #expect(ImpactAnswer(json) == answer)
        #expect(ImpactAnswer(.object([])) == nil)
        let odd = try JSONValue.read(#"{"impact":[{"kind":"x","name":"n","severity":"breaks"}],"writers":[]}"#)
        #expect(ImpactAnswer(odd) == nil)
    }
}

@Suite struct ProtobufTagTests {
    private static let head = "syntax = \"proto3\";\npackage p;\n\nimport \"confluent/meta.proto\";\n\n"
    private static let text =
        head + """
            message Sample {
              option (confluent.message_meta).tags = "OLD";

              int32 a = 1 [(confluent.field_meta).tags = "X", (confluent.field_meta).tags = "Y"];
              double b = 2 [(confluent.field_meta) = { doc: "d", tags: ["X", "Y"] }];
              string c = 3 [deprecated = true];

              oneof choice {
                string f = 4;
              }

              message Inner {
                int64 n = 1;
              }
            }
            """

    @Test func `tags are found however they are written`() {
        #expect(
            SchemaTags.found(in: Self.text, .protobuf) == [
                SchemaTags(.record, ".Sample", ["OLD"]), SchemaTags(.field, ".Sample.a", ["X", "Y"]),
                SchemaTags(.field, ".Sample.b", ["X", "Y"]),
            ])
        #expect(SchemaTags.found(in: "no proto {", .protobuf).isEmpty)
    }

    @Test func `tags are added and removed, and all else stays`() throws {
        let changed = try SchemaTags.changing(
            Self.text, .protobuf,
            add: [
                SchemaTags(.field, ".Sample.a", ["Z"]), SchemaTags(.field, "Sample.c", ["Z"]),
                SchemaTags(.field, ".Sample.choice.f", ["F"]), SchemaTags(.field, ".Sample.Inner.n", ["N"]),
                SchemaTags(.record, ".Sample.Inner", ["R"]),
            ],
            remove: [
                SchemaTags(.record, ".Sample", ["OLD"]), SchemaTags(.field, ".Sample.b", ["X", "Y"]),
                SchemaTags(.field, ".Sample.a", ["X"]),
            ])
        #expect(
            SchemaTags.found(in: changed, .protobuf) == [
                SchemaTags(.field, ".Sample.a", ["Y", "Z"]), SchemaTags(.field, ".Sample.c", ["Z"]),
                SchemaTags(.field, ".Sample.choice.f", ["F"]), SchemaTags(.record, ".Sample.Inner", ["R"]),
                SchemaTags(.field, ".Sample.Inner.n", ["N"]),
            ])
        #expect(changed.contains("deprecated = true"))
        #expect(changed.contains("doc: \"d\""))
        #expect(!changed.contains("OLD"))
        _ = try SchemaType.protobuf.read(changed, isNew: true)
        // A oneof's fields can be named without it.
        let short = try SchemaTags.changing(
            Self.text, .protobuf, add: [SchemaTags(.field, "Sample.f", ["F"])], remove: [])
        #expect(SchemaTags.found(in: short, .protobuf).contains(SchemaTags(.field, ".Sample.choice.f", ["F"])))
    }

    @Test func `a tag stands as the original writes it`() throws {
        let text = "syntax = \"proto3\";\n\nmessage M {\n  string f = 1;\n}\n"
        let changed = try SchemaTags.changing(
            text, .protobuf, add: [SchemaTags(.field, ".M.f", ["A", "B"])], remove: [])
        #expect(
            changed == """
                syntax = "proto3";

                message M {
                  string f = 1 [(confluent.field_meta) = {
                    tags: [
                      "A",
                      "B"
                    ]
                  }];
                }

                """)
        #expect(
            try SchemaTags.changing(changed, .protobuf, add: [], remove: [SchemaTags(.field, ".M.f", ["A", "B"])])
                == text)
    }

    @Test(arguments: [
        (SchemaTags.Entity.field, "Sample"), (.field, "Sample.other.f"), (.field, "Sample.z"), (.record, "Other"),
        (.record, "..Sample"), (.record, ".Sample.f"),
    ])
    func `a path that the schema does not have is told`(entity: SchemaTags.Entity, path: String) {
        #expect(throws: SchemaFailure.self) {
            try SchemaTags.changing(Self.text, .protobuf, add: [SchemaTags(entity, path, ["A"])], remove: [])
        }
    }
}
