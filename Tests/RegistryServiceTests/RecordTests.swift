import JSONFormat
import RegistryService
import SchemaRules
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
private func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

@Suite struct RecordTests {
    /// Keys as the original writes them, byte for byte: compaction compares bytes.
    @Test(
        arguments: [
            (.schema(subject: "s", version: 1), #"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#),
            (.config(subject: nil), #"{"keytype":"CONFIG","subject":null,"magic":0}"#),
            (.config(subject: "s"), #"{"keytype":"CONFIG","subject":"s","magic":0}"#),
            (.mode(subject: nil), #"{"keytype":"MODE","subject":null,"magic":0}"#),
            (.mode(subject: ":.c:"), #"{"keytype":"MODE","subject":":.c:","magic":0}"#),
            (.deleteSubject("s"), #"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#),
            (.clearSubject("s"), #"{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}"#),
            (.noop, #"{"keytype":"NOOP","magic":0}"#),
            (.context(".ctx"), #"{"keytype":"CONTEXT","tenant":"default","context":".ctx"}"#),
        ] as [(RegistryKey, String)])
    func `keys have one form`(key: RegistryKey, form: String) {
        #expect(text(key.bytes) == form)
        #expect(RegistryKey.parse(bytes(form)) == .key(key))
    }

    @Test func `members of keys come in any order, some are missing`() {
        #expect(
            RegistryKey.parse(bytes(#"{"magic":1,"version":2,"keytype":"SCHEMA","subject":"s"}"#))
                == .key(.schema(subject: "s", version: 2)))
        #expect(RegistryKey.parse(bytes(#"{"keytype":"CONFIG","magic":0}"#)) == .key(.config(subject: nil)))
        #expect(RegistryKey.parse(bytes(#"{"keytype":"EXPORTER","name":"x"}"#)) == .unknown("EXPORTER"))
        for damaged in [
            "", "x", "[]", "{}", #"{"keytype":"SCHEMA"}"#, #"{"keytype":"SCHEMA","subject":"s","version":0}"#,
        ] {
            #expect(RegistryKey.parse(bytes(damaged)) == nil, "\(damaged)")
        }
    }

    /// Values as the original writes them. The MD5 is the one of `"string"`, by md5sum.
    @Test(
        arguments: [
            (
                .schema(
                    SchemaRecord(
                        subject: "s", version: 1, id: 1,
                        schema: StoredSchema(type: .avro, text: Array("\"string\"".utf8)),
                        isDeleted: false)),
                #"{"subject":"s","version":1,"id":1,"md5":"CV1xzxJVa51eMwrVdbPfXQ==","schema":"\"string\"","deleted":false}"#
            ),
            (.config(subject: "s", RegistryConfig(level: .full)), #"{"subject":"s","compatibilityLevel":"FULL"}"#),
            (.config(subject: nil, RegistryConfig(level: .full)), #"{"compatibilityLevel":"FULL"}"#),
            (.mode(subject: nil, .readOnly), #"{"mode":"READONLY"}"#),
            (.deleteSubject("s", version: 3), #"{"subject":"s","version":3}"#),
            (.clearSubject("s"), #"{"subject":"s"}"#), (.noop, nil), (.tombstone(subject: "s", version: 1), nil),
            (.context(".c", exists: true), #"{"tenant":"default","context":".c"}"#),
        ] as [(RegistryRecord, String?)])
    func `values have one form and read back`(record: RegistryRecord, form: String?) throws {
        #expect(text(record.value) == form)
        let back = try RegistryRecord.parse(key: record.key.bytes, value: record.value)
        #expect(back.key == record.key)
        #expect(text(back.value) == form)
    }

    /// As 5.0 wrote them, and as a newer one may.
    @Test(
        arguments: [
            #"{"subject":"s","version":1,"id":5,"schema":"\"int\"","deleted":false}"#,
            #"{"deleted":true,"schema":"\"int\"","id":5,"version":1,"subject":"s","extra":{"a":[1]},"references":null}"#,
            #"{"schema":"\"int\"","id":5,"references":[],"metadata":null,"ruleSet":null,"schemaType":"AVRO"}"#,
        ])
    func `older and newer values are read`(value: String) throws {
        let key = RegistryKey.schema(subject: "s", version: 1).bytes
        guard case .schema(let record) = try RegistryRecord.parse(key: key, value: bytes(value)) else {
            Issue.record("no schema")
            return
        }
        #expect(record.id == 5)
        #expect(record.schema.type == .avro)
        #expect(record.schema.string == "\"int\"")
    }

    @Test(arguments: [
        "", "{}", "[]", "nope", #"{"id":1}"#, #"{"id":-1,"schema":"x"}"#, #"{"id":1,"schema":"x","schemaType":"XML"}"#,
    ])
    func `damaged values are told from good ones`(value: String) {
        let key = RegistryKey.schema(subject: "s", version: 1).bytes
        #expect(throws: RegistryRecord.Unreadable.self) { try RegistryRecord.parse(key: key, value: bytes(value)) }
    }

    @Test func `metadata and rules survive`() throws {
        let metadata = try SchemaMetadata(
            #require(
                JSONValue.parse(bytes(#"{"tags":{"**.ssn":["PII"]},"properties":{"b":"2","a":"1"},"sensitive":["b"]}"#))
            ))
        let rules = try SchemaRuleSet(
            #require(
                JSONValue.parse(bytes(#"{"domainRules":[{"name":"r","type":"CEL","expr":"x > 1","mode":"WRITE"}]}"#))))
        let record = RegistryRecord.schema(
            SchemaRecord(
                subject: "s", version: 1, id: 1,
                schema: StoredSchema(
                    type: .json, text: bytes("{}"), references: [.init(name: "n", subject: "t", version: 2)],
                    metadata: metadata, ruleSet: rules), isDeleted: true))
        let back = try RegistryRecord.parse(key: record.key.bytes, value: record.value)
        guard case .schema(let read) = back else { return }
        #expect(read.schema.metadata == metadata)
        #expect(read.schema.ruleSet == rules)
        #expect(read.schema.references.map(\.version) == [2])
        #expect(read.isDeleted)
        #expect(text(back.value) == text(record.value))
    }
}
