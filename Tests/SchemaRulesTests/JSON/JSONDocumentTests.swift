import JSONFormat
import TestKit
import Testing

@testable import SchemaRules

@Suite struct JSONDocumentTests {
    /// Reference section 7: compact in the given order; normalised with sorted members.
    @Test func `prints its text`() throws {
        let text = """
            {
              "type": "object", "title": "Rating",
              "properties": {"stars": {"type": "integer", "maximum": 5.0}, "a": {"default": 1e2}},
              "title": "R"
            }
            """
        let document = try SchemaType.json.read(text)
        #expect(
            document.canonicalText
                == #"{"type":"object","title":"R","properties":{"stars":{"type":"integer","maximum":5.0},"a":{"default":1E+2}}}"#
        )
        let normalized = try document.normalizedText()
        #expect(
            normalized
                == #"{"properties":{"a":{"default":1E+2},"stars":{"maximum":5.0,"type":"integer"}},"title":"R","type":"object"}"#
        )
        let plain = try document.text(format: "")
        #expect(plain == document.canonicalText)
        #expect(throws: SchemaFailure.self) { try document.text(format: "resolved") }
        #expect(document.names == ["R"])
        #expect(document.type == .json)
    }

    @Test(
        arguments: [
            ("", "Invalid JSON schema: the text ends where a value should be at line 1, column 1"),
            ("{\"type\": \"text\"}", "Invalid JSON Schema: unknown type: [text] at #/type"),
            (
                "{\"$ref\": \"other\"}",
                "Invalid JSON Schema: the reference \"other\" leads nowhere at #/$ref"
            ),
        ])
    func `says what is wrong with a text`(text: String, message: String) {
        do {
            _ = try SchemaType.json.read(text)
            Issue.record("read")
        } catch {
            #expect(error.message == message)
        }
    }

    @Test func `reserved names are refused where fields are validated`() throws {
        let document = try JSONDocument(#"{"properties": {"$$a": {}}}"#)
        _ = try SchemaType.json.read(document.canonicalText, isNew: true)
        let failure = #expect(throws: SchemaFailure.self) { try document.checkNames() }
        #expect(failure?.message == "Field names cannot start with $$ prefix: #/properties/$$a")
        try JSONDocument(#"{"properties": {"$a": {}}}"#).checkNames()
    }

    @Test func `compares through references`() throws {
        func document(_ type: String) throws -> JSONDocument {
            try JSONDocument(
                #"{"properties": {"a": {"$ref": "other.json"}}}"#,
                references: [
                    ReferencedSchema(name: "other.json", subject: "o", version: 1, text: "{\"type\": \"\(type)\"}")
                ])
        }
        let found = try document("string").incompatibilities(reading: document("number"), policy: .strict)
        #expect(found.map { "\($0.kind) \($0.path)" } == ["TYPE_CHANGED #/properties/a"])
        #expect(
            found.first?.description
                == "A type at path '#/properties/a' is different between the new schema and the old schema")
        #expect(try document("number").incompatibilities(reading: document("integer"), policy: .strict).isEmpty)
    }

    /// `SchemaTranslator` makes Java's null of a modern schema's, which is no default; until draft 7 it is a value.
    @Test(
        arguments: [
            ("http://json-schema.org/draft-07/schema#", true), ("https://json-schema.org/draft/2019-09/schema", false),
            ("https://json-schema.org/draft/2020-12/schema", false),
        ])
    func `a default that is null is one until draft 7`(draft: String, isCompatible: Bool) throws {
        func document(_ value: String, _ more: String = "") throws -> JSONDocument {
            try JSONDocument(
                #"{"$schema":"\#(draft)","type":"object","properties":{"a":{"type":["string","null"],"default":\#(value)}}"#
                    + more + "}")
        }
        let required = #","required":["a"]"#
        let found = try document("null", required).incompatibilities(reading: document("null"), policy: .strict)
        #expect(found.map(\.kind) == (isCompatible ? [] : ["REQUIRED_ATTRIBUTE_ADDED"]))
        #expect(
            try document("\"x\"", required).incompatibilities(reading: document("\"x\""), policy: .strict).isEmpty)
    }

    /// From `Difference.toString()` of the original's JSON Schema provider.
    @Test func `tells of a difference in the original's words`() throws {
        let narrow = try JSONDocument(#"{"type": "string", "maxLength": 3}"#)
        let wide = try JSONDocument(#"{"type": "string", "maxLength": 5}"#)
        let found = narrow.incompatibilities(reading: wide, policy: .strict)
        #expect(
            found.map(\.message) == [
                "{errorType:\"MAX_LENGTH_DECREASED\", description:\"The value at path '#/maxLength' in the new schema is less "
                    + "than its value in the old schema\"}"
            ])
        #expect(
            found.map { $0.message(reversed: true) } == [
                "{errorType:\"MAX_LENGTH_DECREASED\", description:\"The value at path '#/maxLength' in the old schema is less "
                    + "than its value in the new schema\"}"
            ])
    }

    /// What `confluent:reserved` of the metadata is compared with.
    @Test(
        arguments: [
            (.json, #"{"properties": {"cost": {"properties": {"in": {}}}, "a": {}}}"#, ["a", "cost"]),
            (.json, #"{"type": "string"}"#, []),
            (
                .avro,
                #"{"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]}"#,
                ["a", "b"]
            ),
            (.avro, "\"int\"", []),
            (
                .protobuf,
                "message A { optional int32 a = 1; oneof o { int32 b = 2; } message In { optional int32 c = 1; } } "
                    + "message B { optional group G = 1 { } }", ["a", "b", "g"]
            ),
        ] as [(SchemaType, String, [String])])
    func `knows the names that can be reserved`(type: SchemaType, text: String, names: [String]) throws {
        let document = try type.read(text)
        #expect(document.topLevelFields.sorted() == names)
    }

    /// Every incompatible kind has a sentence with its path.
    @Test func `has a sentence for every incompatibility`() {
        for kind in JSONDifferenceKind.allCases where !kind.isCompatible(.strict) {
            let sentence = kind.sentence("#/x", reader: "R", writer: "W")
            #expect(sentence.contains("'#/x'") && sentence.contains("R") && sentence.contains("W"), "\(kind)")
        }
    }

    /// A schema that refers to itself equals itself, and a difference deep inside is found.
    @Test func `compares schemas that refer to themselves`() throws {
        func tree(_ leaf: String) -> String {
            ##"{"$ref": "#/definitions/n", "definitions": {"n": {"type": "object", "properties": {"next": {"$ref": "#/definitions/n"}, "v": {"type": "\##(leaf)"}}, "additionalProperties": false}}}"##
        }
        let a = try JSONDocument(tree("string"))
        let b = try JSONDocument(tree("number"))
        #expect(a.differences(from: a, policy: .strict).isEmpty)
        #expect(
            b.differences(from: a, policy: .strict).map { "\($0.kind.rawValue) \($0.path)" } == [
                "TYPE_CHANGED #/properties/v"
            ])
    }

    @Test func `answers hostile pairs in bounded time`() throws {
        // Twice as many ways to every next schema, and a difference at the end of all.
        func doubling(_ leaf: String) -> String {
            let parts = (0..<60).map {
                "\"d\($0)\": {\"properties\": {\"a\": {\"$ref\": \"#/definitions/d\($0 + 1)\"}, \"b\": {\"$ref\": \"#/definitions/d\($0 + 1)\"}}}"
            }
            return
                "{\"$ref\": \"#/definitions/d0\", \"definitions\": {\(parts.joined(separator: ",")), \"d60\": {\"type\": \"\(leaf)\"}}}"
        }
        let old = try JSONDocument(doubling("string"))
        let new = try JSONDocument(doubling("number"))
        let found = new.incompatibilities(reading: old, policy: .strict)
        #expect(found.count == JSONComparison.differenceCountMax)
        #expect(found.allSatisfy { $0.kind == "TYPE_CHANGED" })
        #expect(old.incompatibilities(reading: old, policy: .strict).isEmpty)
        // A chain that is longer than any stack.
        func chain(_ leaf: String) -> String {
            let parts = (0..<3000).map { "\"d\($0)\": {\"items\": {\"$ref\": \"#/definitions/d\($0 + 1)\"}}" }
            return
                "{\"$ref\": \"#/definitions/d0\", \"definitions\": {\(parts.joined(separator: ",")), \"d3000\": {\"type\": \"\(leaf)\"}}}"
        }
        let deep = try JSONDocument(chain("number")).incompatibilities(
            reading: JSONDocument(chain("string")), policy: .strict)
        #expect(deep.map(\.kind) == ["SCHEMA_TOO_COMPLEX"])
        // Names that are matched by many patterns, each of which takes its time.
        let names = (0..<1500).map { "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\($0)\": {}" }.joined(separator: ",")
        let patterns = (0..<500).map { "\"^(a+)+x\($0)$\": {}" }.joined(separator: ",")
        let closed = try JSONDocument("{\"patternProperties\": {\(patterns)}, \"additionalProperties\": false}")
        let removed = try closed.incompatibilities(
            reading: JSONDocument("{\"properties\": {\(names)}}"), policy: .strict)
        #expect(!removed.isEmpty)
    }

    /// Matching branches is a question of pairs, not of order.
    @Test func `matches branches of combinations`() throws {
        let branches = (0..<40).map { "{\"const\": \($0)}" }
        let old = try JSONDocument("{\"oneOf\": [\(branches.joined(separator: ","))]}")
        let same = try JSONDocument("{\"oneOf\": [\(branches.reversed().joined(separator: ","))]}")
        let more = try JSONDocument(
            "{\"oneOf\": [\((branches.reversed() + ["{\"const\": 99}"]).joined(separator: ","))]}")
        #expect(same.differences(from: old, policy: .strict).isEmpty)
        #expect(more.differences(from: old, policy: .strict).map(\.kind) == [.sumTypeExtended])
        #expect(old.differences(from: more, policy: .strict).map(\.kind) == [.sumTypeNarrowed])
    }

    /// Two definitions refer to each other; one branch of a combination finds them different, another one fits. What was
    /// concluded while they were taken for equal must not be believed afterwards.
    @Test func `a circle that turned out to be incompatible is not taken for compatible later`() throws {
        func text(_ x: String, _ p: String) -> String {
            """
            {"type":"object","definitions":{"A":{"type":"object","properties":{"b":{"$ref":"#/definitions/B"},\
            "x":{"type":"\(x)"}}},"B":{"type":"object","properties":{"a":{"$ref":"#/definitions/A"}}}},\
            "properties":{"p":\(p),"q":{"$ref":"#/definitions/B"}}}
            """
        }
        let a = "{\"$ref\":\"#/definitions/A\"}"
        let old = try JSONDocument(text("string", a))
        let new = try JSONDocument(text("integer", "{\"anyOf\":[\(a),{}]}"))
        #expect(!new.incompatibilities(reading: old, policy: .strict).isEmpty)
    }
}
