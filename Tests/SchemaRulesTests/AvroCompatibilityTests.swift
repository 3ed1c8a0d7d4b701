import Foundation
import JSONFormat
import SchemaRules
import Testing

@Suite struct AvroCompatibilityTests {
    private static let file: URL = {
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let shared = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"].map { URL(filePath: $0) }
        return (shared ?? package.deletingLastPathComponent().appending(path: "shared"))
            .appending(path: "registry-cases/avro-compat-java.json")
    }()

    @Test(
        .enabled(
            if: FileManager.default.fileExists(atPath: file.path),
            "needs cases judged by Java: SWIFTWATER_SHARED=FOLDER, with them in FOLDER/registry-cases"))
    func `agrees with Java about compatibility and texts`() throws {
        let cases = try #require(JSONValue.parse(Array(Data(contentsOf: Self.file)))?.elements)
        #expect(!cases.isEmpty)
        for json in cases {
            func text(_ name: String) throws -> String { try #require(json[name]?.text) }
            let name = try text("name")
            let old = try SchemaType.avro.read(text("old"))
            let new = try SchemaType.avro.read(text("new"))
            let backward = new.incompatibilities(reading: old, policy: .strict).isEmpty
            let forward = old.incompatibilities(reading: new, policy: .strict).isEmpty
            #expect(backward == json["BACKWARD"]?.flag, "\(name): BACKWARD")
            #expect(forward == json["FORWARD"]?.flag, "\(name): FORWARD")
            #expect((backward && forward) == json["FULL"]?.flag, "\(name): FULL")
            #expect(try old.canonicalText == text("old_canonical"), "\(name)")
            #expect(try new.canonicalText == text("new_canonical"), "\(name)")
            #expect(try new.normalizedText() == text("new_normalized"), "\(name)")
        }
        print("avro-compat-java.json: \(cases.count) cases")
    }

    /// From the same: an enum that has a default of its own, in a field that is new and has none, is compared with the
    /// record around it.
    @Test func `a new field of an enum with a default`() throws {
        let old = try SchemaType.avro.read(#"{"type":"record","name":"R","fields":[]}"#)
        let new = try SchemaType.avro.read(
            #"{"type":"record","name":"R","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"default":"A"}}]}"#
        )
        let found = new.incompatibilities(reading: old, policy: .strict)
        #expect(
            found.map(\.message) == [
                "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the new schema does not match with the old schema', additionalInfo:'reader type: ENUM not compatible with writer type: RECORD'}"
            ])
    }

    /// From `SchemaCompatibility` of Avro 1.11.3 and the registry's `Difference`.
    @Test func `messages are the original's`() throws {
        let new = try SchemaType.avro.read(
            #"{"type":"record","name":"S","namespace":"n","fields":[{"name":"a","type":"int"},{"name":"b","type":["null","int"]},{"name":"c","type":{"type":"enum","name":"E","symbols":["A"]}},{"name":"d","type":{"type":"fixed","name":"F","size":3}},{"name":"e","type":"int"}]}"#
        )
        let old = try SchemaType.avro.read(
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"string"},{"name":"b","type":["null","string","int"]},{"name":"c","type":{"type":"enum","name":"E","symbols":["A","C","B"]}},{"name":"d","type":{"type":"fixed","name":"F","size":4}}]}"#
        )
        let found = new.incompatibilities(reading: old, policy: .strict)
        #expect(
            found.map(\.message) == [
                "{errorType:'NAME_MISMATCH', description:'The name of the schema has changed (path '/name')', additionalInfo:'expected: R'}",
                "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the new schema does not match with the old schema', additionalInfo:'reader type: INT not compatible with writer type: STRING'}",
                "{errorType:'MISSING_UNION_BRANCH', description:'The new schema is missing a type inside a union field at path '/fields/1/type/1' in the old schema', additionalInfo:'reader union lacking writer type: STRING'}",
                "{errorType:'MISSING_ENUM_SYMBOLS', description:'The new schema is missing enum symbols '[B, C]' at path '/fields/2/type/symbols' in the old schema', additionalInfo:'[B, C]'}",
                "{errorType:'FIXED_SIZE_MISMATCH', description:'The size of FIXED type field at path '/fields/3/type/size' in the new schema does not match with the old schema', additionalInfo:'expected: 4, found: 3'}",
                "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'e' at path '/fields/4' in the new schema has no default value and is missing in the old schema', additionalInfo:'e'}",
            ])
        #expect(
            found.last?.message(reversed: true)
                == "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'e' at path '/fields/4' in the old schema has no default value and is missing in the new schema', additionalInfo:'e'}"
        )
    }

    /// Kind and path, from `SchemaCompatibility` of Avro 1.11.3.
    @Test(
        arguments: [
            (#""int""#, #"["string","null"]"#, ["TYPE_MISMATCH /", "TYPE_MISMATCH /"]),
            (#"["int","string"]"#, #""double""#, ["MISSING_UNION_BRANCH /"]),
            (
                #"{"type":"array","items":{"type":"map","values":["int","null"]}}"#,
                #"{"type":"array","items":{"type":"map","values":"string"}}"#, ["MISSING_UNION_BRANCH /items/values"]
            ),
            (
                #"{"type":"record","name":"R","fields":[{"name":"a","type":["null",{"type":"enum","name":"E","symbols":["A"]}]}]}"#,
                #"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}"#,
                ["MISSING_UNION_BRANCH /fields/0/type"]
            ),
            (
                #"{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]},{"name":"w","type":"int"}]}"#,
                #"{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]}"#,
                ["READER_FIELD_MISSING_DEFAULT_VALUE /fields/1"]
            ),
        ] as [(String, String, [String])])
    func `kinds and paths`(new: String, old: String, expected: [String]) throws {
        let new = try SchemaType.avro.read(new)
        let old = try SchemaType.avro.read(old)
        #expect(new.incompatibilities(reading: old, policy: .strict).map { "\($0.kind) \($0.path)" } == expected)
    }

    /// Each type has the one before twice, so that reasons double with every level: they are bounded.
    @Test func `a schema made to be slow is compared in no time`() throws {
        func types(_ field: String) -> String {
            let first = #"{"type":"record","name":"T0","fields":[{"name":"x","type":\#(field)}]}"#
            let others = (1...200).map {
                #"{"type":"record","name":"T\#($0)","fields":[{"name":"a","type":"T\#($0 - 1)"},{"name":"b","type":"T\#($0 - 1)"}]}"#
            }
            return "[" + ([first] + others).joined(separator: ",") + "]"
        }
        let new = try SchemaType.avro.read(types(#""int""#))
        let old = try SchemaType.avro.read(types(#""string""#))
        #expect(!new.incompatibilities(reading: old, policy: .strict).isEmpty)
        #expect(new.incompatibilities(reading: new, policy: .strict).isEmpty)
    }

    @Test func `formats, names and references`() throws {
        let address = ReferencedSchema(
            name: "x.Address", subject: "address", version: 1,
            text: #"{"type":"record","name":"Address","namespace":"x","fields":[]}"#)
        let text = #"{"type":"record","name":"Person","namespace":"y","fields":[{"name":"home","type":"x.Address"}]}"#
        let person = try SchemaType.avro.read(text, references: [address], isNew: true)
        #expect(person.canonicalText == text)
        #expect(try person.text(format: "") == text)
        #expect(try person.text(format: "resolved").contains(#""type":{"type":"record","name":"Address""#))
        #expect(try person.text(format: "serialized") == text)  // what newer versions may have is the default
        #expect(person.names == ["y.Person"])
        #expect(throws: SchemaFailure.self) { try SchemaType.avro.read(text) }
    }
}
