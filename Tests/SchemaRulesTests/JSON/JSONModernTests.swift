import Testing

@testable import SchemaRules

/// How schemas from 2019-09 on are put together before they are compared: `SchemaTranslator` of the original, which
/// joins keywords in the order in which they are written.
@Suite struct JSONModernTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var about: String
        var old: String
        var new: String
        var modern: [String]
        var draft7: [String]

        var testDescription: String { about }
    }

    static let cases = [
        Case(
            about: "a path counts the parts of a schema in their order",
            old: #""anyOf":[{"required":["x"]},{"required":["y"]}],"properties":{"x":{"type":"integer"}}"#,
            new: #""anyOf":[{"required":["x"]},{"required":["y"]}],"properties":{"x":{"type":"number"}}"#,
            modern: ["TYPE_EXTENDED #/allOf/1/properties/x"], draft7: ["TYPE_EXTENDED #/allOf/1/properties/x"]),
        Case(
            about: "the type comes where it stands",
            old: #""not":{"type":"null"},"type":"string","maxLength":1"#,
            new: #""not":{"type":"null"},"type":"string","maxLength":2"#,
            modern: ["MAX_LENGTH_INCREASED #/allOf/1/maxLength", "NOT_TYPE_NARROWED #/allOf/0/not"],
            draft7: ["MAX_LENGTH_INCREASED #/allOf/1/maxLength", "NOT_TYPE_NARROWED #/allOf/0/not"]),
        Case(
            about: "or first",
            old: #""type":"string","not":{"type":"null"},"maxLength":1"#,
            new: #""type":"string","not":{"type":"null"},"maxLength":2"#,
            modern: ["MAX_LENGTH_INCREASED #/allOf/0/maxLength", "NOT_TYPE_NARROWED #/allOf/1/not"],
            draft7: ["MAX_LENGTH_INCREASED #/allOf/1/maxLength", "NOT_TYPE_NARROWED #/allOf/0/not"]),
        Case(
            about: "a branch of several parts is these parts",
            old: #""oneOf":[{"type":"null"},{"type":"string"}]"#,
            new: #""oneOf":[{"type":"null"},{"type":"string","enum":["a"]}]"#,
            modern: ["SUM_TYPE_EXTENDED #/"], draft7: ["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"]),
        Case(
            about: "equal parts of branches are one",
            old: #""anyOf":[{"type":"string","enum":["a"]},{"type":"null"}]"#,
            new: #""anyOf":[{"type":"string","enum":["a"]},{"type":"string","enum":["b"]},{"type":"null"}]"#,
            modern: ["SUM_TYPE_EXTENDED #/"], draft7: ["SUM_TYPE_EXTENDED #/"]),
        Case(
            about: "branches that only their format tells apart are one",
            old: #""oneOf":[{"type":"string","format":"date"},{"type":"string","format":"time"},{"type":"null"}]"#,
            new: #""oneOf":[{"type":"string","format":"date"},{"type":"null"}]"#,
            modern: [], draft7: ["SUM_TYPE_NARROWED #/"]),
        Case(
            about: "a property named format is none",
            old: #""oneOf":[{"properties":{"format":{"type":"string"}}},{"properties":{}}]"#,
            new: #""oneOf":[{"properties":{"format":{"type":"string"}}}]"#,
            modern: ["SUM_TYPE_NARROWED #/"], draft7: ["SUM_TYPE_NARROWED #/"]),
        Case(
            about: "nor is one named readOnly a keyword, nor one named default data",
            old: #""oneOf":[{"properties":{"readOnly":true}},{"properties":{}},"#
                + #"{"properties":{"default":{"format":"date"}}},{"properties":{"default":{"format":"time"}}}]"#,
            new: #""oneOf":[{"properties":{"readOnly":true}},{"properties":{}},"#
                + #"{"properties":{"default":{"format":"date"}}}]"#,
            modern: [], draft7: ["SUM_TYPE_NARROWED #/"]),
        Case(
            about: "a keyword after another part is none of the types'",
            old: #""type":["string","null"],"enum":["a",null]"#,
            new: #""type":["string","null"],"enum":["a",null],"maxLength":2"#,
            modern: ["PRODUCT_TYPE_EXTENDED #/"], draft7: ["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"]),
        Case(
            about: "nor is one after a format",
            old: #""type":["string","null"],"format":"date","maxLength":10"#,
            new: #""type":["string","null"],"format":"date""#,
            modern: [
                "COMBINED_TYPE_EXTENDED #/", "MAX_LENGTH_REMOVED #/allOf/1/maxLength",
                "COMBINED_TYPE_SUBSCHEMAS_CHANGED #/",
            ],
            draft7: ["MAX_LENGTH_REMOVED #/anyOf/0/maxLength"]),
        Case(
            about: "a keyword before a format is",
            old: #""type":["string","null"],"maxLength":10,"format":"date""#,
            new: #""type":["string","null"],"format":"date""#,
            modern: ["MAX_LENGTH_REMOVED #/anyOf/0/maxLength"], draft7: ["MAX_LENGTH_REMOVED #/anyOf/0/maxLength"]),
        Case(
            about: "of two types of numbers, the first has the limits",
            old: #""type":["number","integer"],"minimum":1"#, new: #""type":["number","integer"],"minimum":0"#,
            modern: ["MINIMUM_DECREASED #/anyOf/0/minimum"],
            draft7: ["MINIMUM_DECREASED #/anyOf/0/minimum", "MINIMUM_DECREASED #/anyOf/1/minimum"]),
        Case(
            about: "prefix and rest of an array that came apart",
            old: #""prefixItems":[{"type":"string"}],"type":["array","null"],"format":"x","items":{"type":"string"}"#,
            new: #""prefixItems":[{"type":"string"}],"type":["array","null"],"format":"x","items":false"#,
            modern: ["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"], draft7: ["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"]),
    ]

    @Test(arguments: cases)
    func `keywords are joined as they are written`(one: Case) throws {
        func found(_ draft: String) throws -> [String] {
            func document(_ members: String) throws -> JSONDocument {
                try JSONDocument(#"{"$schema":"\#(draft)",\#(members)}"#)
            }
            return try document(one.new).differences(from: document(one.old), policy: .strict).map {
                "\($0.kind.rawValue) \($0.path)"
            }
        }
        #expect(try found("https://json-schema.org/draft/2020-12/schema").sorted() == one.modern.sorted())
        #expect(try found("http://json-schema.org/draft-07/schema#").sorted() == one.draft7.sorted())
    }
}
