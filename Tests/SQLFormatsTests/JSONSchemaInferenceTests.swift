import SQLTypes
import Testing

@testable import SQLFormats

/// Expected columns by hand from Connect's `JsonSchemaData.toConnectSchema` and ksqlDB's `ConnectKsqlSchemaTranslator`.
@Suite struct JSONSchemaInferenceTests {
    private static func columns(_ text: String, _ others: [String: String] = [:]) throws -> [SQLField] {
        let schema = RegistrySchema(
            type: "JSON", text: text,
            references: others.keys.sorted().map { .init(name: $0, subject: $0, version: 1) })
        return try RegistrySchemas.columns(
            of: schema,
            references: { reference in others[reference.name].map { RegistrySchema(type: "JSON", text: $0) } },
            format: PlainFormatTests.format(.jsonSR), isKey: false, keepsNames: true)
    }

    @Test(arguments: [
        // allOf: the properties of all its parts, those of references among them.
        (
            ##"{"allOf":[{"$ref":"#/definitions/base"},{"properties":{"extra":{"type":"number"}}}],"definitions":{"base":{"type":"object","properties":{"id":{"type":"integer"}}}}}"##,
            "`id` BIGINT, `extra` DOUBLE"
        ),
        (
            ##"{"type":"object","properties":{"own":{"type":"string"}},"allOf":[{"properties":{"id":{"type":"integer"}}}]}"##,
            "`id` BIGINT, `own` STRING"
        ),
        (
            ##"{"type":"object","properties":{"a":{"allOf":[{"properties":{"x":{"type":"string"}}},{"allOf":[{"properties":{"y":{"type":"boolean"}}}]}]}}}"##,
            "`a` STRUCT<`x` STRING, `y` BOOLEAN>"
        ),
        // Of a property that is said twice the later one counts, in the place of the earlier one.
        (
            ##"{"allOf":[{"properties":{"x":{"type":"string"}}},{"properties":{"z":{"type":"string"}}},{"properties":{"x":{"type":"integer"}}}]}"##,
            "`x` BIGINT, `z` STRING"
        ),
        // Conditions on what has properties do not take them away.
        (
            ##"{"type":"object","properties":{"a":{"type":"string"}},"oneOf":[{"required":["a"]}]}"##,
            "`a` STRING"
        ),
        (##"{"type":"object","properties":{"a":{"type":"string","anyOf":[{"maxLength":2}]}}}"##, "`a` STRING"),
        (##"{"type":"object","properties":{"a":{"allOf":[{"type":"string"},{"maxLength":2}]}}}"##, "`a` STRING"),
        (
            ##"{"type":"object","properties":{"a":{"oneOf":[{"type":"null"},{"type":"object","properties":{"x":{"type":"string"}}}]}}}"##,
            "`a` STRUCT<`x` STRING>"
        ),
        (
            ##"{"type":"object","properties":{"a":{"oneOf":[{"type":"string"},{"type":"integer"}]}}}"##,
            "`a` STRUCT<`io.confluent.connect.json.OneOf.field.0` STRING, `io.confluent.connect.json.OneOf.field.1` BIGINT>"
        ),
    ])
    func `columns are read from schemas that are put together`(_ schema: String, _ expected: String) throws {
        #expect(try Self.columns(schema) == PlainFormatTests.fields(expected))
    }

    @Test(arguments: [
        ##"{"type":"object","properties":{"a":{"$ref":"address.json"}}}"##,
        ##"{"$id":"http://example.com/schemas/person.json","type":"object","properties":{"a":{"$ref":"address.json"}}}"##,
        ##"{"$id":"http://example.com/schemas/person.json","type":"object","properties":{"a":{"$ref":"http://example.com/schemas/address.json"}}}"##,
        ##"{"type":"object","properties":{"a":{"$ref":"address.json#/definitions/whole"}}}"##,
        ##"{"type":"object","properties":{"a":{"allOf":[{"$ref":"address.json"}]}}}"##,
    ])
    func `references to other schemas are followed`(_ schema: String) throws {
        let address =
            ##"{"type":"object","properties":{"town":{"$ref":"#/definitions/town"},"land":{"$ref":"land.json"}},"definitions":{"town":{"type":"string"},"whole":{"$ref":"#"}}}"##
        let columns = try Self.columns(schema, ["address.json": address, "land.json": #"{"type":"integer"}"#])
        #expect(try columns == PlainFormatTests.fields("`a` STRUCT<`town` STRING, `land` BIGINT>"))
    }

    /// None of them may take the process with it.
    @Test(arguments: [
        ##"{"$ref":"#"}"##, ##"{"allOf":[{"$ref":"#"},{"$ref":"#"},{"$ref":"#"}]}"##,
        ##"{"type":"object","properties":{"a":{"allOf":[{"$ref":"#/properties/a"}]}}}"##,
        ##"{"type":"object","properties":{"a":{"$ref":"#"}}}"##,
        ##"{"type":"object","properties":{"a":{"$ref":"none.json"}}}"##,
    ])
    func `schemas that lead in a circle or nowhere are refused`(_ schema: String) {
        #expect(throws: FormatError.self) { try Self.columns(schema) }
    }

    @Test func `a choice of itself is nothing in particular`() throws {
        #expect(try Self.columns(##"{"oneOf":[{"$ref":"#"}]}"##).count == 1)
    }

    /// Each type uses the one below it twice, which are 2^40 columns.
    @Test(arguments: ["AVRO", "JSON", "PROTOBUF"])
    func `schemas that unfold without end are refused`(type: String) throws {
        let text: String
        let format: SQLFormat
        switch type {
        case "AVRO":
            format = .avro
            text = (1...40).reduce(#"{"type":"record","name":"L0","fields":[{"name":"v","type":"int"}]}"#) {
                inner, level in
                #"{"type":"record","name":"L\#(level)","fields":[{"name":"a","type":\#(inner)},"#
                    + #"{"name":"b","type":"L\#(level - 1)"}]}"#
            }
        case "JSON":
            format = .jsonSR
            let levels = (1...40).map { level in
                let field = ##"{"$ref":"#/definitions/L\##(level - 1)"}"##
                return ##""L\##(level)":{"type":"object","properties":{"a":\##(field),"b":\##(field)}}"##
            }
            text =
                ##"{"type":"object","properties":{"a":{"$ref":"#/definitions/L40"}},"definitions":{"##
                + ##""L0":{"type":"object","properties":{"v":{"type":"integer"}}},"## + levels.joined(separator: ",")
                + "}}"
        default:
            format = .protobuf
            text =
                "syntax = \"proto3\";\n"
                + (1...40).reversed().map { "message L\($0) { L\($0 - 1) a = 1; L\($0 - 1) b = 2; }\n" }.joined()
                + "message L0 { int32 v = 1; }\n"
        }
        let error = #expect(throws: FormatError.self) {
            try RegistrySchemas.columns(
                of: RegistrySchema(type: type, text: text, references: []), references: { _ in nil },
                format: PlainFormatTests.format(format), isKey: false, keepsNames: true)
        }
        #expect(error?.message.contains("more than 20000 fields") == true, "\(error?.message ?? "")")
    }
}
