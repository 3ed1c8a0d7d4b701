import JSONFormat
import TestKit
import Testing

@testable import JSONSchema

@Suite struct JSONSchemaTests {
    private func violations(_ schema: String, _ value: String) throws -> [String] {
        let schema = try JSONSchema(text: schema)
        let value = try JSONValue.read(value)
        return schema.violations(in: value).map { "\($0.instancePath) \($0.keywordPath) \($0.message)" }
    }

    @Test(
        arguments: [
            (#"{"type": "object"}"#, "[]", [" #/type expected object but found an array"]),
            (
                #"{"properties": {"a/b": {"items": {"type": ["string", "null"]}}}}"#, #"{"a/b": ["x", 1]}"#,
                ["/a~1b/1 #/properties/a~1b/items/type expected null or string but found a number"]
            ),
            (
                #"{"required": ["a", "b"], "minProperties": 3}"#, "{}",
                [
                    " #/minProperties has 0 members, fewer than 3", " #/required the member \"a\" is missing",
                    " #/required the member \"b\" is missing",
                ]
            ),
            (
                #"{"additionalProperties": false, "properties": {"a": {}}}"#, #"{"a": 1, "b": 2}"#,
                ["/b #/additionalProperties no member of this name is allowed"]
            ),
            (
                ##"{"$ref": "#/definitions/d", "definitions": {"d": {"maximum": 3}}}"##, "4",
                [" #/definitions/d/maximum is beyond the limit of the keyword"]
            ),
            (
                #"{"anyOf": [{"type": "string"}, {"minimum": 5}]}"#, "1",
                [" #/anyOf matches none of the 2 schemas, of which it must match one"]
            ),
            (
                #"{"oneOf": [true, {"type": "string"}, {}]}"#, "1",
                [" #/oneOf matches the schemas 0 and 2, but must match exactly one"]
            ),
            (
                #"{"uniqueItems": true}"#, #"[{"a": 1, "b": 2}, 3, {"b": 2.0, "a": 1}]"#,
                [" #/uniqueItems the elements 0 and 2 are the same"]
            ),
            (#"{"pattern": "^a"}"#, #""b""#, [" #/pattern does not match `^a`"]),
            (#"{"format": "date-time"}"#, #""2024-02-30T00:00:00Z""#, [" #/format is no date-time"]),
            ("false", "1", [" # nothing is allowed here"]),
        ])
    func `tells what is wrong and where`(schema: String, value: String, expected: [String]) throws {
        #expect(try violations(schema, value).sorted() == expected.sorted())
    }

    @Test func `stops telling after as many things as are wanted`() throws {
        let schema = try JSONSchema(text: #"{"items": {"type": "string"}}"#)
        let value = JSONValue.array((0..<50).map { .number($0) })
        #expect(schema.violations(in: value, countMax: 3).count == 3)
        #expect(!schema.isValid(value))
    }

    /// What every reader of such a schema must refuse, and where.
    @Test(
        arguments: [
            ("", .notJSON, ""), ("{", .notJSON, ""), ("1", .keyword, "#"), ("[]", .keyword, "#"),
            (#"{"type": "text"}"#, .keyword, "#/type"), (#"{"type": [1]}"#, .keyword, "#/type"),
            (#"{"properties": []}"#, .keyword, "#/properties"),
            (#"{"properties": {"a": 3}}"#, .keyword, "#/properties/a"),
            (#"{"minLength": "3"}"#, .keyword, "#/minLength"), (#"{"minLength": 1.5}"#, .keyword, "#/minLength"),
            (#"{"required": "a"}"#, .keyword, "#/required"), (#"{"required": [1]}"#, .keyword, "#/required"),
            (#"{"multipleOf": 0}"#, .keyword, "#/multipleOf"), (#"{"pattern": "("}"#, .keyword, "#/pattern"),
            (#"{"patternProperties": {"[": {}}}"#, .keyword, "#/patternProperties"),
            (#"{"allOf": {}}"#, .keyword, "#/allOf"), (#"{"not": 1}"#, .keyword, "#/not"),
            (##"{"$ref": "#/definitions/none"}"##, .reference, "#/$ref"),
            (#"{"items": {"$ref": "other.json"}}"#, .reference, "#/items/$ref"),
            (#"{"$ref": 5}"#, .keyword, "#/$ref"), (#"{"exclusiveMinimum": true}"#, .keyword, "#/exclusiveMinimum"),
        ] as [(String, JSONSchemaError.Code, String)])
    func `refuses what is no schema`(text: String, code: JSONSchemaError.Code, location: String) {
        do {
            _ = try JSONSchema(text: text)
            Issue.record("read \(text)")
        } catch {
            #expect(error.code == code, "\(error)")
            #expect(error.location == location, "\(error)")
        }
    }

    @Test func `refers to documents by the names it is given`() throws {
        let other = ##"{"definitions": {"s": {"type": "string"}}, "items": {"$ref": "#/definitions/s"}}"##
        for (name, reference) in [
            ("other.json", "other.json"), ("other.json", "./other.json"),
            ("http://x/a/other.json", "http://x/a/other.json"),
        ] {
            let schema = try JSONSchema(text: "{\"$ref\": \"\(reference)\"}", references: [(name, other)])
            #expect(schema.isValid(.array([.string("a")])))
            #expect(!schema.isValid(.array([.number(1)])))
            let violation = try #require(schema.violations(in: .array([.number(1)])).first)
            #expect(violation.keywordPath == "\(name)#/definitions/s/type")
        }
        // Names are relative to the schema's own address as well.
        let based = try JSONSchema(
            text: ##"{"$id": "http://x/a/main.json", "items": {"$ref": "other.json#/definitions/s"}}"##,
            references: [("other.json", other)])
        #expect(!based.isValid(.array([.null])))
        // And go through documents that have an address of their own.
        let through = try JSONSchema(
            text: #"{"$id": "http://x/a/main.json", "$ref": "middle.json"}"#,
            references: [
                ("other.json", other),
                ("middle.json", ##"{"$id": "http://y/m.json", "$ref": "other.json#/definitions/s"}"##),
            ])
        #expect(through.isValid(.string("")))
        #expect(!through.isValid(.null))
    }

    @Test func `knows the schemas that describe schemas`() throws {
        for (address, document) in MetaSchemas.documents {
            let schema = try JSONSchema(document.root)
            let violations = schema.violations(in: document.root)
            #expect(violations.isEmpty, "\(address): \(violations)")
        }
        #expect(MetaSchemas.documents.count == MetaSchemas.texts.count)
        for draft in Draft.allCases {
            let schema = try JSONSchema(text: "{\"$ref\": \"\(draft.metaSchema)\"}", defaultDraft: draft)
            #expect(schema.isValid(.object([("type", .string("string"))])))
            #expect(!schema.isValid(.object([("type", .string("text"))])))
        }
    }

    /// RFC 3986, section 5.4.
    @Test(
        arguments: [
            ("g:h", "g:h"), ("g", "http://a/b/c/g"), ("./g", "http://a/b/c/g"), ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"), ("?y", "http://a/b/c/d;p?y"), ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("", "http://a/b/c/d;p?q"), (".", "http://a/b/c/"), ("..", "http://a/b/"), ("../g", "http://a/b/g"),
            ("../..", "http://a/"), ("../../g", "http://a/g"), ("../../../g", "http://a/g"), ("/./g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
        ])
    func `resolves addresses`(reference: String, expected: String) {
        #expect(Address("http://a/b/c/d;p?q").resolving(reference).description == expected)
    }
}

/// What must be answered in bounded time and without a crash.
@Suite struct HostileSchemaTests {
    @Test func `ends where schemas refer to each other without end`() throws {
        for text in [
            ##"{"$ref": "#"}"##, ##"{"allOf": [{"$ref": "#"}]}"##,
            ##"{"definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}}, "$ref": "#/definitions/a"}"##,
        ] {
            let schema = try JSONSchema(text: text)
            #expect(!schema.isValid(.null))
            let violation = try #require(schema.violations(in: .null).first)
            #expect(violation.message.contains("without end"))
        }
    }

    @Test func `ends where a few schemas apply to each other very often`() throws {
        let definitions = (0..<40).map {
            "\"a\($0)\": {\"anyOf\": [{\"$ref\": \"#/definitions/a\($0 + 1)\"}, {\"$ref\": \"#/definitions/a\($0 + 1)\"}]}"
        }
        let schema = try JSONSchema(
            text:
                "{\"$ref\": \"#/definitions/a0\", \"definitions\": {\(definitions.joined(separator: ",")), \"a40\": false}}"
        )
        let violation = try #require(schema.violations(in: .null).first)
        #expect(violation.message.contains("steps"))
    }

    @Test func `gives up on an expression that takes too long`() throws {
        let schema = try JSONSchema(text: #"{"items": {"pattern": "^(a+)+$"}}"#)
        let texts = JSONValue.array((0..<1000).map { _ in .string(String(repeating: "a", count: 40) + "b") })
        let violation = try #require(schema.violations(in: texts).first)
        #expect(violation.message.contains("too many steps"))
    }

    @Test func `gives up where many expressions take long each`() throws {
        let schema = try JSONSchema(text: #"{"items": {"pattern": "(?:a|b)*[cd]"}}"#)
        let texts = JSONValue.array((0..<3000).map { _ in .string(String(repeating: "ab", count: 250)) })
        let violation = try #require(schema.violations(in: texts).first)
        #expect(violation.message.contains("steps"))
    }

    /// What large values are compared by is long.
    @Test(arguments: [#"{"uniqueItems": true}"#, #"{"enum": [[1], [2]]}"#])
    func `gives up where large values are compared very often`(part: String) throws {
        let parts = repeatElement(part, count: 3000).joined(separator: ",")
        let schema = try JSONSchema(text: #"{"allOf": [\#(parts)]}"#)
        let large = JSONValue.array([.string(String(repeating: "ab", count: 200_000)), .null])
        let violation = try #require(schema.violations(in: large, countMax: 5000).first)
        #expect(violation.message.contains("steps"))
        #expect(try JSONSchema(text: #"{"allOf": [{"uniqueItems": true}]}"#).isValid(large))
    }

    @Test func `checks a large value of unique parts`() throws {
        let schema = try JSONSchema(text: #"{"uniqueItems": true, "items": {"uniqueItems": true}}"#)
        let rows = (0..<2000).map { row in JSONValue.array((0..<50).map { .number(Int64(row * 100 + $0)) }) }
        #expect(schema.isValid(.array(rows)))
    }

    @Test func `checks values that are nested as deep as they may be`() throws {
        let schema = try JSONSchema(text: ##"{"items": {"$ref": "#"}, "type": ["array", "null"]}"##)
        func nested(_ depth: Int) -> JSONValue { depth == 0 ? .null : .array([nested(depth - 1)]) }
        #expect(schema.isValid(nested(150)))
        #expect(!schema.isValid(nested(500)))
    }

    /// What ends the check is told first, and counts like all others.
    @Test func `tells of no more violations than it is asked for`() throws {
        let schema = try JSONSchema(text: ##"{"items": {"$ref": "#"}, "type": "array", "minItems": 3}"##)
        let nested = (0..<500).reduce(JSONValue.null) { value, _ in .array([.number(1), value]) }
        for countMax in [0, 1, 5] {
            let violations = schema.violations(in: nested, countMax: countMax)
            #expect(violations.count == max(1, countMax))
            #expect(violations.first?.message.contains("nested too deep") == true)
        }
    }

    @Test func `reads schemas of many parts and long chains of references`() throws {
        let count = 5000
        let chain = (0..<count).map { "\"d\($0)\": {\"$ref\": \"#/definitions/d\($0 + 1)\"}" }.joined(separator: ",")
        let schema = try JSONSchema(
            text:
                "{\"items\": {\"$ref\": \"#/definitions/d\(count - 9)\"}, \"definitions\": {\(chain), \"d\(count)\": {\"type\": \"null\"}}}"
        )
        #expect(schema.isValid(.array([.null])))
        #expect(!schema.isValid(.array([.number(1)])))
    }

    @Test func `refuses schemas that are nested too deep`() throws {
        let deep = String(repeating: "{\"not\":", count: 100_000) + "{}" + String(repeating: "}", count: 100_000)
        #expect(throws: JSONSchemaError.self) { try JSONSchema(text: deep) }
        let most = String(repeating: "{\"not\":", count: 300) + "{}" + String(repeating: "}", count: 300)
        let schema = try JSONSchema(text: most)
        #expect(schema.isValid(.null))
    }

    /// Whatever becomes of a schema, reading it and checking with it ends without a trap.
    @Test(arguments: Array(1...20) as [UInt64])
    func `survives every damage`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let whole = Array(
            ##"""
            {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "http://x/y", "$dynamicAnchor": "n",
             "type": ["object", "array"], "properties": {"a": {"$ref": "#/$defs/b"}, "c": {"enum": [1, "x", null]}},
             "patternProperties": {"^[a-z]+$": {"minLength": 3}}, "unevaluatedProperties": {"$dynamicRef": "#n"},
             "prefixItems": [{"multipleOf": 0.5}], "items": {"oneOf": [{"maximum": 3}, {"not": {"const": 1e2}}]},
             "contains": {"type": "number"}, "maxContains": 4, "uniqueItems": true, "if": {"minItems": 2}, "then": false,
             "$defs": {"b": {"format": "uri", "dependentRequired": {"a": ["b"]}, "dependentSchemas": {"a": true}}}}
            """##.utf8)
        let values = try ["{\"a\": \"x\", \"b\": [1, 2.5], \"c\": null}", "[1, 2, \"x\", [], {}]", "3.5"].map {
            try JSONValue.read($0)
        }
        for _ in 0..<60 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0x20...0x7E, using: &random)
                case 1: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...9, using: &random)))
                default: bytes.insert(contentsOf: Array("{}[]\",:0".utf8).shuffled(using: &random).prefix(2), at: at)
                }
            }
            do {
                let schema = try JSONSchema(text: String(decoding: bytes, as: UTF8.self))
                for value in values { #expect(schema.isValid(value) == schema.violations(in: value).isEmpty) }
            } catch {
                #expect(!error.message.isEmpty)
            }
        }
    }
}
