import JSONFormat
import JSONSchema
import TestKit

extension FuzzTarget {
    /// Texts that are almost JSON: all ways to read them agree, and what is read prints as the same value.
    static let json = FuzzTarget(name: "json", stepCount: 500) { try tryJSON(&$0) }

    private static func tryJSON(_ random: inout SeededRandom) throws {
        var bytes = jsonValue(&random, depth: 0).bytes
        let other = jsonValue(&random, depth: 0).bytes
        if random.roll(3) == 0 { bytes = Array(random.almost(jsonTexts, words: jsonWords).utf8) }
        if random.roll(8) != 0 { random.damage(&bytes, with: other) }
        try readJSON(bytes)
    }

    private static func readJSON(_ bytes: [UInt8]) throws {
        let isValid = JSONText.isValid(bytes)
        guard let value = JSONValue.parse(bytes) else {
            try require(!isValid, "JSON to the checker and not to the reader: \(bytes)")
            return readPieces(bytes)
        }
        try require(isValid, "JSON to the reader and not to the checker: \(bytes)")
        let printed = value.bytes
        guard let again = JSONValue.parse(printed) else { throw FuzzFailure("\(bytes) is printed as \(printed)") }
        try require(again.isSame(as: value) && again.bytes == printed, "\(bytes) is printed as \(printed)")
        guard let pretty = JSONValue.parse(value.pretty) else { throw FuzzFailure("for people: \(bytes)") }
        try require(pretty.isSame(as: value), "for people: \(bytes)")
        let compact = JSONText.compact(bytes)
        guard let same = JSONValue.parse(compact) else { throw FuzzFailure("\(bytes) becomes \(compact)") }
        try require(same.isSame(as: value), "\(bytes) becomes \(compact)")
        for isSorted in [false, true] {
            let java = value.javaBytes(isSorted: isSorted)
            try require(JSONText.isValid(java), "\(bytes) becomes \(java)")
        }
        for duplicates in [JSONDuplicates.last, .refuse] {
            do { _ = try JSONValue.read(bytes.span.bytes, duplicates: duplicates) } catch {
                try require(duplicates == .refuse && error.code == .duplicateMember, "\(bytes): \(error)")
            }
        }
        readPieces(bytes)
    }

    /// The scanner, and numbers on their own.
    private static func readPieces(_ bytes: [UInt8]) {
        var scanner = JSONScanner(bytes)
        if scanner.members() == nil { _ = scanner.elements() }
        _ = scanner.value()
        if let number = JSONNumber(bytes) {
            _ = number.isMultiple(of: JSONNumber(7))
            _ = number < JSONNumber(7)
            _ = JSONNumber.javaText(bytes)
        }
    }

    /// Texts that are almost JSON Schemas, and values that may be of them. Whatever is a schema says of every value
    /// whether it is valid, in both ways to ask the same.
    static let jsonSchemas = FuzzTarget(name: "json-schemas", stepCount: 150) { try tryJSONSchemas(&$0) }

    private static func tryJSONSchemas(_ random: inout SeededRandom) throws {
        let text = random.almost(jsonSchemaTexts, words: jsonSchemaWords)
        let schema: JSONSchema
        do throws(JSONSchemaError) {
            schema = try JSONSchema(
                text: text, references: [("other.json", jsonSchemaTexts[1])],
                defaultDraft: Draft.allCases[random.roll(Draft.allCases.count)],
                format: [.byDraft, .hint, .demand][random.roll(3)])
        } catch {
            return try require(!error.description.isEmpty, "an error without text")
        }
        for _ in 0..<3 {
            let value = random.roll(2) == 0 ? jsonValue(&random, depth: 0) : jsonInstance(&random)
            let violations = schema.violations(in: value, countMax: 5)
            try require(violations.count <= 5, "\(violations.count) violations")
            try require(
                schema.isValid(value) == violations.isEmpty,
                "\(text) says two things of \(String(decoding: value.bytes, as: UTF8.self))")
        }
    }

    /// A value with members that the schemas below speak of.
    private static func jsonInstance(_ random: inout SeededRandom) -> JSONValue {
        .object(
            ["a", "b", "x1", "items", "next", "when"].filter { _ in random.roll(2) == 0 }.map {
                ($0, jsonValue(&random, depth: 1))
            })
    }

    static func jsonValue(_ random: inout SeededRandom, depth: Int) -> JSONValue {
        switch random.roll(depth < 4 ? 9 : 7) {
        case 0: .null
        case 1: .bool(random.roll(2) == 0)
        case 2: .number(random.number())
        case 3: .raw(Array(jsonNumbers[random.roll(jsonNumbers.count)].utf8))
        case 4: .string(jsonStrings[random.roll(jsonStrings.count)])
        case 5, 6: .string(random.string())
        case 7: .array((0..<random.roll(4)).map { _ in jsonValue(&random, depth: depth + 1) })
        default:
            .object(
                (0..<random.roll(4)).map { _ in
                    (["a", "b", "x1", "é", ""][random.roll(5)], jsonValue(&random, depth: depth + 1))
                })
        }
    }

    private static let jsonNumbers = [
        "-0", "0.0", "1e400", "-1E-400", "1.5", "123456789012345678901234567890", "0.1e+1", "1e999999999999999999999",
        "9007199254740993", "-0.000001", "1e2147483648",
    ]

    private static let jsonStrings = [
        "2024-02-30", "2024-02-29T23:59:60Z", "a@b.c", "http://x/y?z#f", "::1", "1.2.3.4", "P1DT2H", "/a/~0b", "{x}",
        "(",
        "xn--nxasmq6b", "00000000-0000-0000-0000-000000000000", "12:00:00+23:59", "^a+$",
    ]

    private static let jsonTexts = [
        #"{"a": [1, 2.5e3, -0, true, null], "b": {"c": "d\u00e9\ud83d\ude00\n"}, "a": []}"#,
        "[[[[[[]]]], {}, \"\", 0, false]", " \t\r\n{ \"\\\\\" : \"\\\"\" } ",
    ]

    private static let jsonWords = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "\\udc00", "\\u0000", "true", "false", "null", "-",
        "0",
        "1", ".", "e", "E+", "1e5", " ", "\n", "{\"a\":", "[[", "é", "\u{1F600}", "\u{FEFF}", "NaN", "//", "'",
    ]

    static let jsonSchemaTexts = [
        ##"{"$schema": "http://json-schema.org/draft-07/schema#", "$id": "http://x/s.json", "type": "object", "##
            + ##""properties": {"a": {"type": ["integer", "null"], "minimum": 1, "multipleOf": 0.5}, "b": {"$ref": "##
            + ##""#/definitions/d"}}, "patternProperties": {"^x[0-9]+$": {"type": "string", "maxLength": 3}}, "required": "##
            + ##"["a"], "additionalProperties": false, "definitions": {"d": {"enum": ["RED", 1, null]}}}"##,
        ##"{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "http://x/t.json", "$defs": {"n": {"$dynamicAnchor": "##
            + ##""n", "type": "object", "properties": {"next": {"$dynamicRef": "#n"}, "items": {"prefixItems": [{}, false], "##
            + ##""items": {"type": "number"}, "contains": {"const": 1}, "minContains": 0, "unevaluatedItems": false}}}}, "##
            + ##""$ref": "#/$defs/n", "unevaluatedProperties": {"type": "string"}, "dependentRequired": {"a": ["b"]}}"##,
        ##"{"$schema": "http://json-schema.org/draft-04/schema#", "id": "http://x/u.json", "type": "object", "properties": "##
            + ##"{"a": {"maximum": 5, "exclusiveMaximum": true}, "when": {"type": "string", "format": "date-time"}}, "##
            + ##""dependencies": {"a": ["b"], "b": {"not": {"type": "null"}}}, "anyOf": [{"required": ["a"]}, {"minProperties": 2}]}"##,
        ##"{"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveAnchor": true, "type": "array", "items": "##
            + ##"{"$recursiveRef": "#"}, "uniqueItems": true, "if": {"minItems": 1}, "then": {"maxItems": 2}, "else": true}"##,
        ##"{"oneOf": [{"type": "string", "pattern": "(a+)+$"}, {"$ref": "other.json"}, {"allOf": [{"$ref": "#"}]}]}"##,
        "true",
    ]

    static let jsonSchemaWords = [
        "{", "}", "[", "]", ",", ":", "\"", "{}", "true", "false", "null", "-1", "0", "1e400", "\"$ref\": ", "\"#\"",
        "\"#/\"",
        "\"$id\": ", "\"id\": ", "\"$anchor\": ", "\"$dynamicRef\": ", "\"items\": ", "\"properties\": ", "\"type\": ",
        "\"object\"", "\"array\"", "\"string\"", "\"number\"", "\"integer\"", "\"not\": ", "\"allOf\": [",
        "\"anyOf\": [",
        "{\"not\":", "{\"items\":", "{\"allOf\":[", "\"pattern\": ", "\"format\": ", "\"const\": ", "\"enum\": ",
        "\"required\": ",
        "\"#/definitions/d\"", "\"#/properties/a\"", "\"other.json\"", "\"minimum\": ", "\"multipleOf\": ",
        "\"contains\": ",
        "\"unevaluatedItems\": ", "\"dependencies\": ", "a", "d", "n", "(", "*", "\\\\", "{99999}", "email", "uri",
        "regex",
    ]
}
