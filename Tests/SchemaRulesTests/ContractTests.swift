import Foundation
import JSONFormat
import SchemaRules
import Testing

private func json(_ text: String) -> JSONValue { JSONValue.parse(Array(text.utf8)) ?? .null }

@Suite struct SubjectNameTests {
    @Test(
        arguments: [
            ("s", ".", "s", "s"), ("", ".", "", ""), (":.c:s", ".c", "s", ":.c:s"), (":.c:", ".c", "", ":.c:"),
            (":.c", ".c", "", ":.c:"), (":*:", "*", "", ":*:"), (":*:s", "*", "s", ":*:s"), (":.:s", ".", "s", "s"),
            ("a:b", ".", "a:b", "a:b"), (":c:s", ".", ":c:s", ":c:s"), (":.c:a:b", ".c", "a:b", ":.c:a:b"),
        ])
    func `are taken apart and put together`(text: String, context: String, name: String, whole: String) {
        let subject = SubjectName(text)
        #expect(subject.context == context)
        #expect(subject.name == name)
        #expect(subject.description == whole)
    }

    @Test(
        arguments: [
            ("s", ".", "s"), ("s", ".c", ":.c:s"), (":.d:s", ".c", ":.d:s"), (":.d:s", ".", ":.d:s"),
        ])
    func `unqualified names are in the context of who names them`(text: String, parent: String, whole: String) {
        #expect(SubjectName.qualified(text, from: SubjectName(context: parent, name: "p")).description == whole)
    }

    @Test(
        arguments: [(".c", ".c"), ("c", ".c"), (":.c:", ".c"), (":.c", ".c"), (".", "."), ("a:b", nil)]
            as [(String, String?)])
    func `contexts of paths`(text: String, context: String?) {
        #expect(SubjectName.context(text) == context)
    }

    @Test(
        arguments: [
            ("s", true, true), ("", true, true), ("a\nb", false, false), ("__GLOBAL", false, false),
            ("__EMPTY", false, false), (":.__GLOBAL:", false, true), ("a/b c%", true, true),
        ])
    func `some names are refused`(text: String, forSchemas: Bool, forSettings: Bool) {
        #expect(SubjectName(text).isValid() == forSchemas)
        #expect(SubjectName(text).isValid(forSettings: true) == forSettings)
    }
}

@Suite struct DataContractTests {
    @Test func `metadata merge member by member`() throws {
        let lower = try SchemaMetadata(json(#"{"properties":{"a":"1","b":"1"},"tags":{"x":["T"]},"sensitive":["a"]}"#))
        let upper = try SchemaMetadata(json(#"{"properties":{"b":"2"},"tags":{"y":["U"]},"sensitive":["b"]}"#))
        let merged = SchemaMetadata.merged(lower, upper)
        #expect(merged?.properties == ["a": "1", "b": "2"])
        #expect(merged?.tags == ["x": ["T"], "y": ["U"]])
        #expect(merged?.sensitive == ["a", "b"])
        #expect(SchemaMetadata.merged(nil, upper) == upper)
        #expect(SchemaMetadata.merged(lower, nil) == lower)
    }

    @Test func `rules of a name replace each other`() throws {
        let lower = try SchemaRuleSet(json(#"{"domainRules":[{"name":"a","type":"X"},{"name":"b","type":"X"}]}"#))
        let upper = try SchemaRuleSet(json(#"{"domainRules":[{"name":"a","type":"Y"}]}"#))
        #expect(SchemaRuleSet.merged(lower, upper)?.domainRules.map(\.type) == ["X", "Y"])
        #expect(SchemaRuleSet.merged(lower, upper)?.domainRules.map(\.name) == ["b", "a"])
        #expect(lower.removing(["a"]).domainRules.map(\.name) == ["b"])
    }

    /// A rule set and what the original says about it.
    @Test(
        arguments: [
            (#"{"domainRules":[{"name":"r","type":"CEL","mode":"WRITE"}]}"#, nil),
            (#"{"migrationRules":[{"name":"r","type":"JSONATA","mode":"UPGRADE"}]}"#, nil),
            (#"{"domainRules":[{"type":"CEL"}]}"#, "Missing rule name"),
            (
                #"{"domainRules":[{"name":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","type":"CEL"}]}"#,
                "Rule name too long"
            ),
            (
                #"{"domainRules":[{"name":"½","type":"CEL"}]}"#, "Illegal initial character in rule name: ½"
            ),
            (#"{"domainRules":[{"name":"a½","type":"CEL"}]}"#, "Illegal character in rule name: a½"),
            (
                #"{"domainRules":[{"name":"r","type":"CEL"}],"encodingRules":[{"name":"r","type":"ENCRYPT_PAYLOAD"}]}"#,
                "Found rule with duplicate name 'r'"
            ),
            (
                #"{"encodingRules":[{"name":"r","type":"ENCRYPT_PAYLOAD","mode":"UPDOWN"}]}"#,
                "Encoding rules can only be WRITE, READ, WRITEREAD"
            ),
            (
                #"{"domainRules":[{"name":"r","type":"CEL","mode":"WRITE","onFailure":"DLQ,NONE"}]}"#,
                "Multiple actions only valid with WRITEREAD and UPDOWN"
            ),
            (#"{"domainRules":[{"name":"","type":"CEL"}]}"#, "Empty rule name"),
            (#"{"domainRules":[{"name":"1r","type":"CEL"}]}"#, "Illegal initial character in rule name: 1r"),
            (#"{"domainRules":[{"name":"r r","type":"CEL"}]}"#, "Illegal character in rule name: r r"),
            (#"{"domainRules":[{"name":"r"}]}"#, "Missing rule type"),
            (
                #"{"domainRules":[{"name":"r","type":"X"},{"name":"r","type":"X"}]}"#,
                "Found rule with duplicate name 'r'"
            ),
            (
                #"{"domainRules":[{"name":"r","type":"X","mode":"UPGRADE"}]}"#,
                "Domain rules can only be WRITE, READ, WRITEREAD"
            ),
            (
                #"{"migrationRules":[{"name":"r","type":"X","mode":"READ"}]}"#,
                "Migration rules can only be UPGRADE, DOWNGRADE, UPDOWN"
            ),
        ] as [(String, String?)])
    func `rule sets are checked`(text: String, problem: String?) throws {
        let rules = try SchemaRuleSet(json(text))
        do {
            try rules.validate()
            #expect(problem == nil)
        } catch {
            #expect(error.message == problem)
        }
    }

    @Test(arguments: ["[]", #"{"domainRules":{}}"#, #"{"domainRules":[1]}"#, #"{"domainRules":[{"kind":"X"}]}"#])
    func `what is no rule set is refused`(text: String) {
        #expect(throws: SchemaFailure.self) { try SchemaRuleSet(json(text)) }
    }

    @Test func `tags are found and changed inside texts`() throws {
        let avro =
            #"{"type":"record","name":"R","namespace":"n","fields":[{"name":"f","type":"int","confluent:tags":["PII"]},"#
            + #"{"name":"g","type":["null",{"type":"record","name":"S","fields":[{"name":"h","type":"int"}]}]}]}"#
        #expect(SchemaTags.found(in: avro, .avro) == [SchemaTags(.field, "n.R.f", ["PII"])])
        let changed = try SchemaTags.changing(
            avro, .avro, add: [SchemaTags(.field, "n.S.h", ["A", "B"]), SchemaTags(.record, "n.R", ["C"])],
            remove: [SchemaTags(.field, "n.R.f", ["PII"])])
        #expect(
            SchemaTags.found(in: changed, .avro) == [
                SchemaTags(.field, "n.S.h", ["A", "B"]), SchemaTags(.record, "n.R", ["C"]),
            ])
        let object = #"{"type":"object","properties":{"a":{"type":"object","properties":{"b":{}}}}}"#
        let tagged = try SchemaTags.changing(
            object, .json, add: [SchemaTags(.field, "object.a.object.b", ["X"])], remove: [])
        #expect(SchemaTags.found(in: tagged, .json) == [SchemaTags(.field, "object.a.object.b", ["X"])])
        #expect(throws: SchemaFailure.self) {
            try SchemaTags.changing(avro, .avro, add: [SchemaTags(.field, "n.R.z", ["A"])], remove: [])
        }
    }

    /// Where the tag stands (`T`), and how the part is called.
    @Test(arguments: [
        (#"{"type":"object",T}"#, "sr_record object"),
        (#"{"properties":{"b":{"type":"object",T,"properties":{}}}}"#, "sr_field object.b"),
        (
            #"{"properties":{"l":{"type":"array","items":{"properties":{"d":{T}}}}}}"#,
            "sr_field object.l.array.object.d"
        ),
        (#"{"properties":{"l":{"type":"array","items":{"type":"object",T}}}}"#, "sr_record object.l.array.object"),
        (
            #"{"properties":{"o":{"oneOf":[{"type":"object","properties":{"z":{T}}},{"type":"null"}]}}}"#,
            "sr_field object.o.oneof.1.object.z"
        ),
        (#"{"type":"object","definitions":{"D":{"properties":{"w":{T}}}}}"#, "sr_field object.definitions.D.object.w"),
        (#"{"type":"object","$defs":{"D":{"type":"object",T}}}"#, "sr_record object.$defs.D.object"),
        (#"{"if":{"properties":{"a":{T}}},"then":{}}"#, "sr_field conditional.if.object.a"),
        (#"{"not":{"properties":{"a":{T}}}}"#, "sr_field not.object.a"),
        (#"{"type":["object","null"],"properties":{"a":{T}}}"#, "sr_field anyof.1.object.a"),
    ])
    func `parts of JSON Schemas have the original's paths`(template: String, path: String) throws {
        let tagged = template.replacing("T", with: #""confluent:tags":["PII"]"#)
        #expect(SchemaTags.found(in: tagged, .json).map { "\($0.entity.rawValue) \($0.path)" } == [path])
        let tags = SchemaTags.found(in: tagged, .json)
        let bare = try SchemaTags.changing(tagged, .json, add: [], remove: tags)
        #expect(SchemaTags.found(in: bare, .json) == [])
        #expect(SchemaTags.found(in: try SchemaTags.changing(bare, .json, add: tags, remove: []), .json) == tags)
        #expect(SchemaTags.found(in: SchemaTags.adding(tags, to: bare, .json), .json) == tags)
        #expect(SchemaTags.adding(tags, to: "{}", .json) == "{}")
    }
}

/// GUIDs that the original gives, from the reference data outside of the package.
@Suite struct SchemaIdentityTests {
    private static func data() -> JSONValue? {
        let file = RegistryCases.folder?.appending(path: "schema-md5-golden-data.json")
        return file.flatMap { try? Data(contentsOf: $0) }.flatMap { JSONValue.parse(Array($0)) }
    }

    @Test(.enabled(if: data() != nil, "needs the registry's cases: SWIFTWATER_SHARED=FOLDER"))
    func `GUIDs are the original's`() throws {
        let data = try #require(Self.data())
        let references = try (data["references"]?.elements ?? []).map { try StoredReference($0) }
        let metadata = try SchemaMetadata(#require(data["metadata"]))
        let rules = try SchemaRuleSet(#require(data["rules"]))
        var count = 0
        for (type, hashes) in data["expectedHashes"]?.members ?? [] {
            let text = try #require(data["schemas"]?[type.lowercased()]?.text)
            for (parts, guid) in hashes.members ?? [] {
                let has = Array(parts)
                let identity = SchemaIdentity(
                    text: Array(text.utf8), references: has[0] == "1" ? references : [],
                    metadata: has[1] == "1" ? metadata : nil, ruleSet: has[2] == "1" ? rules : nil)
                #expect(identity.description == guid.text, "\(type) \(parts)")
                #expect(SchemaIdentity(identity.description) == identity)
                count += 1
            }
        }
        #expect(count > 0)
        print("schema-md5-golden-data.json: \(count) cases")
    }

    @Test(arguments: [
        "", "x", "00000000-0000-0000-0000-00000000000", "0000000000000000000000000000000000000",
        "g0000000-0000-0000-0000-000000000000",
    ])
    func `what is no GUID is none`(text: String) {
        #expect(SchemaIdentity(text) == nil)
    }
}

@Suite struct CompatibilityMessageTests {
    /// From upstream `SchemaValidatorBuilder.formatErrorMessages`.
    @Test(arguments: [(10, false), (20_000, true)])
    func `a long schema is told of by its start`(length: Int, isCut: Bool) throws {
        let old = try SchemaType.json.read(
            #"{"type":"string","description":"\#(String(repeating: "x", count: length))"}"#)
        let new = try SchemaType.json.read(#"{"type":"number"}"#)
        let lines = CompatibilityLevel.backward.messages(
            new, types: [.json], after: [EarlierSchema(version: 3, document: old)], policy: .strict)
        #expect(lines.count == 3)
        #expect(lines.dropFirst().first == "{oldSchemaVersion: 3}")
        let expected =
            isCut
            ? "{oldSchema: <truncated> '\(old.canonicalText.prefix(10_240))...'}"
            : "{oldSchema: '\(old.canonicalText)'}"
        #expect(lines.last == expected)
    }
}
