import ConnectCore
import JSONFormat
import Testing

@testable import ConnectorBigQuery

@Suite struct SchemaTests {
    private func columns(_ record: ConnectRecord, _ properties: [String: String] = [:]) throws -> String {
        let fields = try SchemaConverter(settings: settings("http://h", properties)).fields(record)
        return String(decoding: JSONValue.array(fields.map(\.json)).bytes, as: UTF8.self)
    }

    private func column(_ schema: ConnectSchema, _ properties: [String: String] = [:]) throws -> String {
        let text = try columns(row([("f", schema, .null)]), properties)
        return text.replacing(#""name":"f","#, with: "")
    }

    private static func named(_ kind: ConnectSchema.Kind, _ name: String) -> ConnectSchema {
        ConnectSchema(kind, name: name, version: 1)
    }

    /// Types of the original's `BigQuerySchemaConverter`.
    @Test(
        arguments: [
            (.boolean, #"[{"type":"BOOLEAN","mode":"REQUIRED"}]"#), (.int8, #"[{"type":"INTEGER","mode":"REQUIRED"}]"#),
            (.optionalInt16, #"[{"type":"INTEGER","mode":"NULLABLE"}]"#),
            (.int32, #"[{"type":"INTEGER","mode":"REQUIRED"}]"#), (.int64, #"[{"type":"INTEGER","mode":"REQUIRED"}]"#),
            (.float32, #"[{"type":"FLOAT","mode":"REQUIRED"}]"#),
            (.optionalFloat64, #"[{"type":"FLOAT","mode":"NULLABLE"}]"#),
            (.optionalString, #"[{"type":"STRING","mode":"NULLABLE"}]"#),
            (.bytes, #"[{"type":"BYTES","mode":"REQUIRED"}]"#), (.date, #"[{"type":"DATE","mode":"REQUIRED"}]"#),
            (.time, #"[{"type":"TIME","mode":"REQUIRED"}]"#),
            (.optionalTimestamp, #"[{"type":"TIMESTAMP","mode":"NULLABLE"}]"#),
            (.decimal(scale: 2), #"[{"type":"FLOAT","mode":"REQUIRED"}]"#),
            (named(.int32, "io.debezium.time.Date"), #"[{"type":"DATE","mode":"REQUIRED"}]"#),
            (named(.int32, "io.debezium.time.Time"), #"[{"type":"TIME","mode":"REQUIRED"}]"#),
            (named(.int64, "io.debezium.time.MicroTime"), #"[{"type":"TIME","mode":"REQUIRED"}]"#),
            (named(.int64, "io.debezium.time.Timestamp"), #"[{"type":"TIMESTAMP","mode":"REQUIRED"}]"#),
            (named(.int64, "io.debezium.time.MicroTimestamp"), #"[{"type":"TIMESTAMP","mode":"REQUIRED"}]"#),
            (named(.string, "io.debezium.time.ZonedTimestamp"), #"[{"type":"TIMESTAMP","mode":"REQUIRED"}]"#),
            (named(.int64, "io.debezium.time.NanoTimestamp"), #"[{"type":"INTEGER","mode":"REQUIRED"}]"#),
            (.array(.optionalInt32, isOptional: true), #"[{"type":"INTEGER","mode":"REPEATED"}]"#),
            (
                .structure([.init("x", .string)], isOptional: true),
                #"[{"type":"RECORD","mode":"NULLABLE","fields":[{"name":"x","type":"STRING","mode":"REQUIRED"}]}]"#
            ),
            (
                .array(.structure([.init("x", .optionalInt64)])),
                #"[{"type":"RECORD","mode":"REPEATED","fields":[{"name":"x","type":"INTEGER","mode":"NULLABLE"}]}]"#
            ),
            (
                .map(.string, .optionalFloat64),
                #"[{"type":"RECORD","mode":"REPEATED","fields":[{"name":"key","type":"STRING","mode":"REQUIRED"},{"name":"value","type":"FLOAT","mode":"NULLABLE"}]}]"#
            ),
            (.structure([]), "[]"),
        ] as [(ConnectSchema, String)])
    func `columns of all types`(schema: ConnectSchema, json: String) throws {
        #expect(try column(schema) == json)
    }

    /// Structs without fields further down.
    static let withoutColumn: [ConnectSchema] = {
        let none = ConnectSchema.structure([.init("o", .structure([.init("e", .structure([]))]))])
        return [
            none, .array(none), .array(.array(.structure([]))), .map(.string, none), .map(none, .string),
            .structure([.init("l", .array(none)), .init("m", .map(.string, .structure([])))]),
        ]
    }()

    @Test(arguments: withoutColumn) func `what has no column`(schema: ConnectSchema) throws {
        #expect(try column(schema) == "[]")
        #expect(
            try column(.structure([.init("x", .int32), .init("e", schema)]))
                == #"[{"type":"RECORD","mode":"REQUIRED","fields":[{"name":"x","type":"INTEGER","mode":"REQUIRED"}]}]"#)
        let one = record(.null, key: SchemaAndValue(.structure([.init("e", schema)]), .null), schema: .structure([]))
        #expect(try columns(one, ["kafkaKeyFieldName": "k"]) == "[]")
    }

    @Test func `decimals`() throws {
        let schema = ConnectSchema.decimal(scale: 2, isOptional: true)
        #expect(
            try column(schema, ["decimalHandlingMode": "numeric"]) == #"[{"type":"NUMERIC","mode":"NULLABLE"}]"#)
        #expect(
            try column(schema, ["decimalHandlingMode": "RECORD"])
                == #"[{"type":"RECORD","mode":"NULLABLE","fields":[{"name":"scale","type":"INTEGER","mode":"REQUIRED"},{"name":"value","type":"BYTES","mode":"REQUIRED"}]}]"#
        )
        let precise = schema.with(parameters: [.init("scale", "2"), .init("connect.decimal.precision", "10")])
        #expect(
            try column(precise, ["decimalHandlingMode": "BIGNUMERIC"])
                == #"[{"type":"BIGNUMERIC","mode":"NULLABLE","precision":"10","scale":"2"}]"#)
        let failure = #expect(throws: ConnectError.self) {
            try column(.decimal(scale: 10), ["decimalHandlingMode": "NUMERIC"])
        }
        #expect(failure?.message == "Requested scale (10) is too large for NUMERIC type")
        let variable = ConnectSchema(
            .structure, name: "io.debezium.data.VariableScaleDecimal",
            fields: [.init("scale", .int32), .init("value", .bytes)])
        #expect(try column(variable).contains("RECORD"))
        #expect(
            try column(variable, ["variableScaleDecimalHandlingMode": "NUMERIC"])
                == #"[{"type":"NUMERIC","mode":"REQUIRED"}]"#)
    }

    @Test func `names, modes, descriptions and the columns of the options`() throws {
        let schema = ConnectSchema.structure([
            .init("a.b", .string.with(doc: "what it is")), .init("1st", .structure([.init("ä", .int32)])),
        ])
        let key = ConnectSchema.structure([.init("id", .int64)])
        let one = record(
            .structure(ConnectStruct(schema)), key: SchemaAndValue(key, .structure(ConnectStruct(key))), schema: schema)
        #expect(
            try columns(
                one,
                [
                    "sanitizeFieldNames": "true", "allBQFieldsNullable": "true", "kafkaKeyFieldName": "k.k",
                    "kafkaDataFieldName": "meta",
                ])
                == #"[{"name":"a_b","type":"STRING","mode":"NULLABLE","description":"what it is"},{"name":"_1st","type":"RECORD","mode":"NULLABLE","fields":[{"name":"_","type":"INTEGER","mode":"NULLABLE"}]},"#
                + #"{"name":"meta","type":"RECORD","mode":"NULLABLE","fields":[{"name":"topic","type":"STRING","mode":"NULLABLE"},{"name":"partition","type":"INTEGER","mode":"NULLABLE"},{"name":"offset","type":"INTEGER","mode":"NULLABLE"},{"name":"insertTime","type":"TIMESTAMP","mode":"NULLABLE"}]},"#
                + #"{"name":"k_k","type":"RECORD","mode":"NULLABLE","fields":[{"name":"id","type":"INTEGER","mode":"NULLABLE"}]}]"#
        )
    }

    @Test(
        arguments: [
            (ConnectSchema.string, "Top-level Kafka Connect schema must be of type 'struct'"),
            (
                .structure([.init("d", named(.int64, "io.debezium.time.Date"))]),
                "Logical Type io.debezium.time.Date must be encoded as INT32; instead, found INT64"
            ),
        ] as [(ConnectSchema, String)])
    func `what makes no columns`(schema: ConnectSchema, words: String) throws {
        let failure = #expect(throws: ConnectError.self) { try columns(record(.null, schema: schema)) }
        #expect(failure?.message == words)
    }

    private func change(_ properties: [String: String]) throws -> SchemaChange {
        SchemaChange(try settings("http://h", properties))
    }

    @Test func `columns are added, relaxed and kept`() throws {
        let existing = [
            BigQueryField("a", "INTEGER", .required), BigQueryField("b", "STRING", .required),
            BigQueryField("r", "RECORD", fields: [BigQueryField("x", "STRING")]),
        ]
        let proposed = [
            BigQueryField("A", "FLOAT"), BigQueryField("c", "STRING", .required),
            BigQueryField("l", "INTEGER", .repeated),
            BigQueryField("r", "RECORD", fields: [BigQueryField("y", "STRING")]),
        ]
        func shown(_ fields: [BigQueryField]) -> [String] {
            fields.map {
                "\($0.name):\($0.type):\($0.mode.rawValue)" + ($0.fields.isEmpty ? "" : "\(shown($0.fields))")
            }
        }
        let all = [
            "allowNewBigQueryFields": "true", "allowBigQueryRequiredFieldRelaxation": "true",
        ]
        #expect(SchemaChange.hasNewFields(proposed, beside: existing))
        #expect(!SchemaChange.hasNewFields([existing[2]], beside: existing))
        let merged = try change(all).merged(existing, with: proposed)
        #expect(
            shown(merged) == [
                "a:INTEGER:NULLABLE", "b:STRING:REQUIRED",
                #"r:RECORD:NULLABLE["x:STRING:NULLABLE", "y:STRING:NULLABLE"]"#,
                "c:STRING:NULLABLE", "l:INTEGER:REPEATED",
            ])
        let united = try change(all.merging(["allowSchemaUnionization": "true"]) { $1 }).merged(
            existing, with: proposed)
        #expect(shown(united)[1] == "b:STRING:NULLABLE")
        // Only one of the two.
        #expect(throws: ConnectError.self) {
            try change(["allowNewBigQueryFields": "true"]).merged(existing, with: proposed)
        }
        let failure = #expect(throws: ConnectError.self) {
            try change([:]).merged(existing, with: [BigQueryField("c", "X")])
        }
        #expect(
            failure?.message
                == "New Field found with the name c Ensure that allowNewBigQueryFields is true and "
                + "allowBigQueryRequiredFieldRelaxation is true if c has mode REQUIRED in order to update the Schema")
        #expect(try change([:]).merged(existing, with: existing) == existing)
    }

    @Test func `what a column has besides is written back`() throws {
        let text = #"{"name":"a","type":"INT64","policyTags":{"names":["t"]},"fields":[],"maxLength":"5"}"#
        let field = try #require(JSONValue.parse(Array(text.utf8)).flatMap { BigQueryField($0) })
        #expect(
            String(decoding: field.json.bytes, as: UTF8.self)
                == #"{"name":"a","type":"INTEGER","mode":"NULLABLE","policyTags":{"names":["t"]},"maxLength":"5"}"#)
    }

    @Test(
        arguments: [
            ("t", [:], "d.t"), ("a.b-c", ["sanitizeTopics": "true"], "d.a_b_c"),
            ("1x", ["sanitizeTopics": "true"], "d._1x"),
            ("other:t", [:], "other.t"), ("t", ["topic2TableMap": "t:one, u : two"], "d.one"),
            ("u", ["topic2TableMap": "t:one, u : two"], "d.two"),
            ("a.b", ["topic2TableMap": "t:one", "sanitizeTopics": "true"], "d.a.b"),
        ] as [(String, [String: String], String)])
    func `tables of topics`(topic: String, properties: [String: String], table: String) throws {
        let name = try TableName(topic: topic, settings("http://h", properties))
        #expect("\(name.dataset).\(name.table)" == table)
    }

    @Test func `a topic with two colons names no table`() throws {
        #expect(throws: ConnectError.self) { try TableName(topic: "a:b:c", settings()) }
    }
}
