import ProtobufFormat
import SchemaRules
import Testing

@Suite struct ProtobufDocumentTests {
    private func document(_ text: String, isNew: Bool = true) throws -> ProtobufDocument {
        try ProtobufDocument(text, references: [], isNew: isNew)
    }

    /// One field of `M` before and after, and what the original's `SchemaDiff` calls it.
    @Test(
        arguments: [
            ("optional int32 a = 1;", "repeated int32 a = 1;", "FIELD_NUMERIC_LABEL_CHANGED #/M/1"),
            ("required int32 a = 1;", "optional int32 a = 1;", "FIELD_NUMERIC_LABEL_CHANGED #/M/1"),
            ("required string a = 1;", "optional string a = 1;", "FIELD_STRING_OR_BYTES_LABEL_CHANGED #/M/1"),
            ("optional E a = 1;", "repeated E a = 1;", "FIELD_NUMERIC_LABEL_CHANGED #/M/1"),
            ("optional N a = 1;", "required N a = 1;", ""),
            (
                "optional int32 a = 1;", "oneof x { int32 a = 1; int32 b = 2; }",
                "ONEOF_ADDED #/M/x, ONEOF_FIELD_ADDED #/M/x/2"
            ),
            ("map<string, int32> a = 1;", "map<string, E> a = 1;", ""),
            ("map<string, int32> a = 1;", "map<int32, int32> a = 1;", "FIELD_SCALAR_KIND_CHANGED #/M/1"),
            ("optional int32 a = 1;", "optional N a = 1;", "FIELD_KIND_CHANGED #/M/1"),
            ("optional fixed32 a = 1;", "optional sfixed32 a = 1;", ""),
            ("optional sint32 a = 1;", "optional int32 a = 1;", "FIELD_SCALAR_KIND_CHANGED #/M/1"),
            ("optional int32 a = 1;", "optional int32 b = 1;", "FIELD_NAME_CHANGED #/M/1"),
        ])
    func `fields are compared like the original compares them`(old: String, new: String, changes: String) throws {
        func schema(_ field: String) throws -> ProtobufDocument {
            try document("syntax = \"proto2\"; message M { \(field) } message N {} enum E { Z = 0; }")
        }
        let found = try schema(new).differences(from: schema(old)).map { "\($0.kind.rawValue) \($0.path)" }
        #expect(found.sorted().joined(separator: ", ") == changes)
    }

    /// As the original's `Difference` puts it.
    @Test func `reasons are listed like the original lists them`() throws {
        let old = try document("syntax = \"proto3\"; message M { int32 a = 1; }")
        let new = try document("syntax = \"proto3\"; message M { string a = 1; oneof o { int32 b = 2; } }")
        let reason = try #require(new.incompatibilities(reading: old, policy: .strict).first)
        #expect(
            reason.message
                == "{errorType:\"FIELD_SCALAR_KIND_CHANGED\", description:\"The kind of a SCALAR field at path "
                + "'#/M/1' in the new schema does not match its kind in the old schema\"}")
        #expect(
            reason.message(reversed: true).contains("in the old schema does not match its kind in the new schema"))
        #expect(new.topLevelFields == ["a", "b"])
    }

    @Test func `written-out maps are maps`() throws {
        let short = try document("syntax = \"proto3\"; message M { map<string, N> a = 1; message N {} }")
        let long = try document(
            "syntax = \"proto3\"; message M { repeated AEntry a = 1; message AEntry { option map_entry = true; string key = 1; N value = 2; } message N {} }"
        )
        #expect(long.differences(from: short).filter { !$0.kind.isCompatible }.isEmpty)
        #expect(short.differences(from: long).filter { !$0.kind.isCompatible }.isEmpty)
        #expect(try short.normalizedText() == long.normalizedText())
    }

    @Test func `a descriptor in base 64 is as good as a text`() throws {
        let text = try document("syntax = \"proto3\"; package p; message M { int32 a = 1; }")
        let serialized = try text.text(format: "serialized")
        let again = try document(serialized)
        #expect(again.canonicalText == text.canonicalText)
        #expect(try again.text(format: "serialized") == serialized)
        #expect(again.names == ["p.M"])
        #expect(try text.text(format: "resolved") == text.canonicalText)  // what newer versions may have is the default
    }

    /// What the clients of a registry send of one file: text, and a descriptor, whose options Java has in one value.
    @Test func `tags have one normal form, however they are written`() throws {
        func text(_ option: String, _ imports: String = "") -> String {
            "syntax = \"proto3\";\(imports)\nmessage M { string a = 1 [\(option)]; }"
        }
        let normalized = """
            [(confluent.field_meta) = {
                params: {
                  key: "k",
                  value: "v"
                },
                tags: "PII"
              }]
            """
        let parts = #"(confluent.field_meta).tags = "PII", (confluent.field_meta).params = { value: "v" key: "k" }"#
        let whole = #"(confluent.field_meta) = { tags: ["PII"] params: [{ key: "k" value: "v" }] }"#
        for option in [parts, whole] {
            let found = try document(text(option)).normalizedText()
            #expect(found.contains(normalized), "\(found)")
        }
        let imported = try document(text(parts, " import \"confluent/meta.proto\";"))
        let descriptor = try document(imported.text(format: "serialized"))
        #expect(try descriptor.normalizedText() == imported.normalizedText())
        #expect(try imported.text(format: "ignore_extensions").contains("PII"))
    }

    @Test func `what is new has to hold, what is there may fail`() throws {
        let broken = "syntax = \"proto3\"; message M { Gone a = 1; }"
        let error = #expect(throws: SchemaFailure.self) { try document(broken) }
        #expect(error?.message == "could not parse Protobuf: line 1, column 32: could not resolve type: Gone")
        let old = try document(broken, isNew: false)
        #expect(old.canonicalText.contains("Gone a = 1;"))
        #expect(throws: SchemaFailure.self) { try old.normalizedText() }
        #expect(throws: SchemaFailure.self) { try old.schema() }
        #expect(throws: SchemaFailure.self) { try document("{\"type\":\"record\"}", isNew: false) }
    }

    /// As with the original's `dependenciesWithLogicalTypes()`, and as its `normalize()` writes it (8.0).
    @Test func `types that are built in need no import`() throws {
        let text =
            "syntax = \"proto3\"; package p; message C { google.protobuf.Timestamp b = 1; Inner c = 2; "
            + "message Inner { map<string, .google.type.Money> d = 1; } }"
        let found = try document(text)
        #expect(found.canonicalText.contains("google.protobuf.Timestamp b = 1;"))
        #expect(!found.canonicalText.contains("import"))
        #expect(try found.normalizedText().contains(".google.protobuf.Timestamp b = 1;"))
        #expect(try found.schema().messageIndex(named: "google.type.Money") != nil)
        let imported = try document(
            text.replacing("package", with: "import \"google/protobuf/timestamp.proto\"; package"))
        #expect(imported.incompatibilities(reading: found, policy: .strict).isEmpty)

        // In a file that is referred to, and where someone has types of these names.
        let reference = ReferencedSchema(name: "c.proto", subject: "c", version: 1, text: text)
        _ = try ProtobufDocument(
            "syntax = \"proto3\"; import \"c.proto\"; message D { p.C c = 1; }", references: [reference], isNew: true)
        let own = try document(
            "syntax = \"proto3\"; package google.protobuf; message Timestamp { string own = 1; } "
                + "message D { google.protobuf.Timestamp t = 1; }")
        #expect(try own.schema().messages.count == 2)
        #expect(throws: SchemaFailure.self) { try document("message A { optional google.protobuf.Gone a = 1; }") }
        #expect(throws: SchemaFailure.self) { try document("message A { optional Timestamp a = 1; }") }
    }

    /// 40 imported messages, each with two fields of the next: 2^40 ways through them, and a change at the end.
    @Test func `imported types are compared once each`() throws {
        func references(_ last: String, version: Int32) -> [ReferencedSchema] {
            let messages = (0..<40).map { "message A\($0) { A\($0 + 1) x = 1; A\($0 + 1) y = 2; }" }
            let text = "syntax = \"proto3\"; \(messages.joined()) message A40 { \(last) a = 1; A0 back = 2; }"
            return [ReferencedSchema(name: "a.proto", subject: "a", version: version, text: text)]
        }
        let text = "syntax = \"proto3\"; import \"a.proto\"; message M { A0 a = 1; }"
        let old = try ProtobufDocument(text, references: references("int32", version: 1), isNew: true)
        let new = try ProtobufDocument(text, references: references("string", version: 2), isNew: true)
        let found = Set(new.incompatibilities(reading: old, policy: .strict).map { "\($0.kind) \($0.path)" })
        #expect(found.contains("FIELD_SCALAR_KIND_CHANGED #/A40/1"))
        #expect(found.contains("FIELD_NAMED_TYPE_CHANGED #/M/1"))
        #expect(found.count == 1 + 80 + 1 + 1)
    }

    @Test func `schemas of thousands of messages are read`() throws {
        var text = "syntax = \"proto3\";\n"
        for index in 0..<3000 {
            text +=
                "message Message\(index) { int32 first_field_of_it = 1; string second = 2; repeated Message\(index / 2) third = 3; map<string, int64> fourth = 4; oneof o { int32 x = 5; bytes y = 6; } }\n"
        }
        let document = try document(text)
        #expect(document.names.count == 3000)
        #expect(document.differences(from: document).isEmpty)
    }

    /// An entry whose value is an entry would be compared without end.
    @Test func `an entry of a map may not hold itself`() throws {
        let text = """
            syntax = "proto3";
            message M { E f = 1; }
            message E { option map_entry = true; string key = 1; E value = 2; }
            """
        // As a topic of another registry may hold it.
        let old = try ProtobufDocument(text, references: [], isNew: false)
        let new = try ProtobufDocument(text + "message Other {}", references: [], isNew: false)
        #expect(new.incompatibilities(reading: old, policy: .strict).isEmpty)
    }
}
