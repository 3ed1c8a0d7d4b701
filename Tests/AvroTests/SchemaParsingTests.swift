import Avro
import JSONFormat
import Testing

@Suite struct SchemaParsingTests {
    /// Java's `Schema.toString()`, Avro 1.11.3, and `AvroSchema.normalize()` of the registry client 7.0.16; nil where the
    /// normalised text is the canonical one. A last member says where we differ on purpose.
    static let texts: [(text: String, canonical: String, normalized: String?)] = [
        (
            #"""
            {"type":"record","name":"R","namespace":"a.b","aliases":["Q","x.Y"],"doc":"d\u00e9\n/\"",
             "custom":{"z":1,"a":[1.0,1e5,2.50]},"fields":[
              {"name":"f","type":{"type":"record","name":"S","fields":[]},"doc":"fd","order":"descending",
               "aliases":["g"],"default":{},"p":"q"},
              {"name":"g","type":"S"},
              {"name":"h","type":{"type":"enum","name":"c.E","symbols":["A","B"],"default":"A","doc":"x"}},
              {"name":"j","type":{"type":"array","items":{"type":"string","avro.java.string":"String"},"java-class":"x"}},
              {"name":"k","type":{"type":"map","values":["null","c.E"]},"default":{}}]}
            """#,
            #"{"type":"record","name":"R","namespace":"a.b","doc":"dé\n/\"","fields":[{"name":"f","type":{"type":"record","name":"S","fields":[]},"doc":"fd","default":{},"order":"descending","aliases":["g"],"p":"q"},{"name":"g","type":"S"},{"name":"h","type":{"type":"enum","name":"E","namespace":"c","doc":"x","symbols":["A","B"],"default":"A"}},{"name":"j","type":{"type":"array","items":{"type":"string","avro.java.string":"String"},"java-class":"x"}},{"name":"k","type":{"type":"map","values":["null","c.E"]},"default":{}}],"custom":{"z":1,"a":[1.0,100000.0,2.5]},"aliases":["Q","x.Y"]}"#,
            #"{"type":"record","name":"R","namespace":"a.b","doc":"dé\n/\"","fields":[{"name":"f","type":{"type":"record","name":"S","fields":[]},"doc":"fd","default":{},"order":"descending","aliases":["g"],"p":"q"},{"name":"g","type":"S"},{"name":"h","type":{"type":"enum","name":"E","namespace":"c","doc":"x","symbols":["A","B"],"default":"A"}},{"name":"j","type":{"type":"array","items":{"type":"string","avro.java.string":"String"},"java-class":"x"}},{"name":"k","type":{"type":"map","values":["null","c.E"]},"default":{}}],"custom":{"a":[1.0,100000.0,2.5],"z":1},"aliases":["Q","x.Y"]}"#
        ),
        (
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"double","default":0.1},{"name":"c","type":"float","default":0.1},{"name":"x","type":"double","default":"NaN"},{"name":"y","type":"double","default":100000000},{"name":"u","type":["null","int"],"default":1}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"double","default":0.1},{"name":"c","type":"float","default":0.1},{"name":"x","type":"double","default":"NaN"},{"name":"y","type":"double","default":100000000},{"name":"u","type":["null","int"],"default":1}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"double","default":0.1},{"name":"c","type":"float","default":0.1},{"name":"x","type":"double","default":"NaN"},{"name":"y","type":"double","default":1.0E8},{"name":"u","type":["null","int"]}]}"#
        ),
        (
            #"{"type":"error","name":"R","fields":[{"name":"a","type":"int"}]}"#,
            #"{"type":"error","name":"R","fields":[{"name":"a","type":"int"}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#
        ),
        (
            #"{"type":"record","name":"R","doc":"","fields":[{"name":"a","type":"int","doc":"","order":"ignore","default":null}]}"#,
            #"{"type":"record","name":"R","doc":"","fields":[{"name":"a","type":"int","doc":"","default":null,"order":"ignore"}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"int","doc":"","default":null,"order":"ignore"}]}"#
        ),
        (#"[]"#, #"[]"#, nil),
        (
            #"{"type":"int","logicalType":"date","avro.java.string":"String"}"#,
            #"{"type":"int","logicalType":"date","avro.java.string":"String"}"#,
            #"{"type":"int","avro.java.string":"String","logicalType":"date"}"#
        ),
        (
            #"{"type":"bytes","zz":1,"logicalType":"decimal","aa":2,"precision":3,"scale":1}"#,
            #"{"type":"bytes","zz":1,"logicalType":"decimal","aa":2,"precision":3,"scale":1}"#,
            #"{"type":"bytes","logicalType":"decimal","precision":3,"scale":1,"aa":2,"zz":1}"#
        ),
        (
            #"{"type":"fixed","name":"E","doc":"","size":4,"zz":1,"logicalType":"decimal","aa":2,"scale":0,"precision":3}"#,
            #"{"type":"fixed","name":"E","doc":"","size":4,"zz":1,"logicalType":"decimal","aa":2,"scale":0,"precision":3}"#,
            #"{"type":"fixed","name":"E","size":4,"logicalType":"decimal","precision":3,"aa":2,"scale":0,"zz":1}"#
        ),
        (
            #"{"type":"long","zz":1,"logicalType":"timestamp-nanos","aa":2}"#,
            #"{"type":"long","zz":1,"logicalType":"timestamp-nanos","aa":2}"#,
            #"{"type":"long","aa":2,"logicalType":"timestamp-nanos","zz":1}"#
        ),
        (
            #"{"type":"record","name":"a.b.R","namespace":"x","fields":[{"name":"a","type":{"type":"enum","name":"E","symbols":[]}},{"name":"b","type":"E"}]}"#,
            #"{"type":"record","name":"R","namespace":"a.b","fields":[{"name":"a","type":{"type":"enum","name":"E","symbols":[]}},{"name":"b","type":"E"}]}"#,
            nil
        ),
        (
            #"{"type":"long","logicalType":"unknown","foo":null}"#,
            #"{"type":"long","logicalType":"unknown","foo":null}"#,
            #"{"type":"long","foo":null,"logicalType":"unknown"}"#
        ),
        (
            #"{"type":"record","name":"R","fields":[{"name":"s","type":"string"}],"foo":"b","bar":{"z":1,"y":2},"a":1}"#,
            #"{"type":"record","name":"R","fields":[{"name":"s","type":"string"}],"foo":"b","bar":{"z":1,"y":2},"a":1}"#,
            #"{"type":"record","name":"R","fields":[{"name":"s","type":"string"}],"a":1,"bar":{"y":2,"z":1},"foo":"b"}"#
        ),
        (
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1.0},{"name":"b","type":"int","default":3000000000}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1.0},{"name":"b","type":"int","default":3000000000}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":3000000000}]}"#
        ),
        (#"{"type":"int","name":"foo","doc":"bar","size":3}"#, #""int""#, nil),
        (
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"double","default":1e20},{"name":"b","type":"float","default":1e2},{"name":"c","type":"float","default":3},{"name":"e","type":"bytes","default":"\u00ff\u0001ab"},{"name":"f","type":"int","default":"x"},{"name":"g","type":"string","default":5},{"name":"h","type":["int","null"],"default":null},{"name":"i","type":"double","default":123456789.125},{"name":"j","type":"double","default":0.0001},{"name":"k","type":{"type":"array","items":"double"},"default":[1,2.5]},{"name":"l","type":"double","default":12345678901234567890},{"name":"m","type":"boolean","default":1},{"name":"n","type":{"type":"map","values":"long"},"default":{"b":1,"a":2}}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"double","default":1.0E20},{"name":"b","type":"float","default":100.0},{"name":"c","type":"float","default":3},{"name":"e","type":"bytes","default":"ÿ\u0001ab"},{"name":"f","type":"int","default":"x"},{"name":"g","type":"string","default":5},{"name":"h","type":["int","null"],"default":null},{"name":"i","type":"double","default":1.23456789125E8},{"name":"j","type":"double","default":1.0E-4},{"name":"k","type":{"type":"array","items":"double"},"default":[1,2.5]},{"name":"l","type":"double","default":12345678901234567890},{"name":"m","type":"boolean","default":1},{"name":"n","type":{"type":"map","values":"long"},"default":{"b":1,"a":2}}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"double","default":1.0E20},{"name":"b","type":"float","default":100.0},{"name":"c","type":"float","default":3.0},{"name":"e","type":"bytes","default":"ÿ\u0001ab"},{"name":"f","type":"int"},{"name":"g","type":"string"},{"name":"h","type":["int","null"],"default":null},{"name":"i","type":"double","default":1.23456789125E8},{"name":"j","type":"double","default":1.0E-4},{"name":"k","type":{"type":"array","items":"double"},"default":[1.0,2.5]},{"name":"l","type":"double"},{"name":"m","type":"boolean"},{"name":"n","type":{"type":"map","values":"long"},"default":{"a":2,"b":1}}]}"#
        ),
        (
            #"{"type":"record","name":"R","fields":[{"name":"r","type":{"type":"record","name":"S","fields":[{"name":"b","type":"int"},{"name":"a","type":"int"}]},"default":{"b":1,"a":2}},{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"aliases":["Z","n.Q"]},"default":"A","aliases":["y","x"]}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"r","type":{"type":"record","name":"S","fields":[{"name":"b","type":"int"},{"name":"a","type":"int"}]},"default":{"b":1,"a":2}},{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"aliases":["Z","n.Q"]},"default":"A","aliases":["y","x"]}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"r","type":{"type":"record","name":"S","fields":[{"name":"b","type":"int"},{"name":"a","type":"int"}]},"default":{"a":2,"b":1}},{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"aliases":["Z","n.Q"]},"default":"A","aliases":["x","y"]}]}"#
        ),
        (
            #"{"type":"record","name":"R","namespace":"a","aliases":["Z","a.Y","b.X"],"fields":[{"name":"s","type":"string","doc":"é\u2028\u0001/<>&'\t\b\f"}]}"#,
            "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a\",\"fields\":[{\"name\":\"s\",\"type\":\"string\",\"doc\":\"é\u{2028}\\u0001/<>&'\\t\\b\\f\"}],\"aliases\":[\"Z\",\"Y\",\"b.X\"]}",
            "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a\",\"fields\":[{\"name\":\"s\",\"type\":\"string\",\"doc\":\"é\u{2028}\\u0001/<>&'\\t\\b\\f\"}],\"aliases\":[\"Y\",\"Z\",\"b.X\"]}"
        ),
        (
            #"{"type":"record","name":"R","fields":[{"name":"r","type":{"type":"array","items":"int","p":1.0,"k":100000000000,"n":1e-5,"f":1.10}}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"r","type":{"type":"array","items":"int","p":1.0,"k":100000000000,"n":1.0E-5,"f":1.1}}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"r","type":{"type":"array","items":"int","f":1.1,"k":100000000000,"n":1.0E-5,"p":1.0}}]}"#
        ),
        (#"{"type":"string","default":"x"}"#, #"{"type":"string","default":"x"}"#, nil),
        (#"{"type":"record","name":"É","fields":[]}"#, #"{"type":"record","name":"É","fields":[]}"#, nil),
        (
            #"{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"fixed","name":"n2.F","size":1}},{"name":"b","type":"n2.F"},{"name":"c","type":{"type":"fixed","name":"G","size":1}},{"name":"d","type":"n.G"}]}"#,
            #"{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"fixed","name":"F","namespace":"n2","size":1}},{"name":"b","type":"n2.F"},{"name":"c","type":{"type":"fixed","name":"G","size":1}},{"name":"d","type":"G"}]}"#,
            nil
        ),
        (
            #"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"int.X","fields":[]}}]}"#,
            #"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"X","namespace":"int","fields":[]}}]}"#,
            nil
        ),
        (#"{"type":"int","logicalType":"date","logicalType":"x"}"#, #"{"type":"int","logicalType":"x"}"#, nil),
        ("/* a */ {\"type\": // b\n \"int\" /* \"c\" */ }", #""int""#, nil),
        (#"{"type":"string","u":"http://x/*y*/"}"#, #"{"type":"string","u":"http://x/*y*/"}"#, nil),
        // Java 7.0.16 leaves the empty namespace out of the normalised text, which makes T another type.
        (
            #"{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"record","name":"S","namespace":"","fields":[{"name":"b","type":{"type":"fixed","name":"T","size":1}}]}}]}"#,
            #"{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"record","name":"S","namespace":"","fields":[{"name":"b","type":{"type":"fixed","name":"T","size":1}}]}}]}"#,
            nil
        ),
    ]

    @Test(arguments: texts)
    func `prints as Java does`(text: String, canonical: String, normalized: String?) throws {
        let schema = try AvroSchema(text)
        #expect(schema.text(.canonical) == canonical)
        #expect(schema.text(.normalized) == normalized ?? canonical)
        let again = try AvroSchema(canonical)
        #expect(again.text(.canonical) == canonical)
        #expect(again.text(.parsing) == schema.text(.parsing))
    }

    /// Messages of Avro 1.11.3 where it has one of that kind.
    @Test(arguments: [
        (#"{"type":{"type":"string"}}"#, #"No type: {"type":{"type":"string"}}"#),
        (#"{"type":"record","name":"R"}"#, #"Record has no fields: {"type":"record","name":"R"}"#),
        (#"{"type":"record","name":"R","fields":{"a":1}}"#, "Record has no fields: "),
        (#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "Duplicate enum symbol: A"),
        (#"{"type":"enum","name":"E","symbols":["A-"]}"#, "Illegal character in: A-"),
        (#"{"type":"enum","name":"E","symbols":["A",1]}"#, "the symbol 1 of enum E is no string"),
        (#"{"type":"enum","name":"E"}"#, "Enum has no symbols: "),
        (
            #"{"type":"enum","name":"E","symbols":["A"],"default":"Z"}"#,
            "The Enum Default: Z is not in the enum symbol set: [A]"
        ),
        (#"{"type":"record","name":"R-","fields":[]}"#, "Illegal character in: R-"),
        (#"{"type":"record","name":"1R","fields":[]}"#, "Illegal initial character: 1R"),
        (#"{"type":"record","name":"","fields":[]}"#, "Empty name"),
        (#"{"type":"record","fields":[]}"#, #"No name in schema: {"type":"record","fields":[]}"#),
        (#"{"type":"record","name":"int","fields":[]}"#, "Schemas may not be named after primitives: int"),
        (
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"X"}]}"#,
            #""X" is not a defined name. The type of the "a" field must be a defined name or a {"type": ...} expression."#
        ),
        (#"["X"]"#, #"Undefined name: "X""#),
        (#"{"type":"R","name":"X","fields":[]}"#, "Type not supported: R"),
        (
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            "Duplicate field a in record R"
        ),
        (#"{"type":"record","name":"R","fields":[{"type":"int"}]}"#, #"No field name: {"type":"int"}"#),
        (#"{"type":"record","name":"R","fields":[{"name":"a"}]}"#, #"No field type: {"name":"a"}"#),
        (#"{"type":"record","name":"R","fields":[{"name":"a.b","type":"int"}]}"#, "Illegal character in: a.b"),
        (#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","order":"up"}]}"#, #""up" is no sort order"#),
        (#"{"type":"record","name":"R","aliases":"Q","fields":[]}"#, "aliases not an array: "),
        (
            #"{"type":"record","name":"R","fields":[{"name":"b","type":{"type":"record","name":"R","fields":[]}}]}"#,
            "Can't redefine: R"
        ),
        (#"["int",["string"]]"#, #"Nested union: ["int",["string"]]"#),
        (#"["int","int"]"#, "Duplicate in union:int"),
        (#"[{"type":"array","items":"int"},{"type":"array","items":"long"}]"#, "Duplicate in union:array"),
        (#"{"type":"fixed","name":"F","size":-1}"#, "Malformed data. Length is negative: -1"),
        (#"{"type":"fixed","name":"F"}"#, #"Invalid or no size: {"type":"fixed","name":"F"}"#),
        (#"{"type":"fixed","name":"F","size":3.5}"#, "Invalid or no size: "),
        (#"{"type":"fixed","name":"F","size":99999999999}"#, "Invalid or no size: "),
        (#"{"type":"array"}"#, "Array has no items type: "),
        (#"{"type":"map"}"#, "Map has no values type: "),
        (#"5"#, "Schema not yet supported: 5"),
        (#"null"#, "Schema not yet supported: null"),
        (#""int" "string""#, "line 1, column 7"),
        (#"{"type":"int",}"#, "line 1, column"),
        (#""#, "line 1, column 1"),
    ])
    func `refuses`(text: String, message: String) {
        let error = #expect(throws: AvroError.self) { try AvroSchema(text, checksDefaults: true) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        (#""int""#, "1.0"), (#""int""#, "2147483648"), (#""int""#, #""x""#), (#""long""#, "1.5"), (#""string""#, "5"),
        (#""boolean""#, "1"), (#""bytes""#, "5"), (#"["null","int"]"#, "1.5"), (#"["int","null"]"#, "[]"),
        (#"{"type":"array","items":"int"}"#, #"["x"]"#), (#"{"type":"map","values":"int"}"#, "[]"),
        (#"{"type":"fixed","name":"F","size":2}"#, "5"), (#"{"type":"enum","name":"E","symbols":["A"]}"#, "null"),
        (#"{"type":"record","name":"S","fields":[{"name":"x","type":"int"}]}"#, "{}"), (#""double""#, #""x""#),
    ])
    func `defaults that do not fit are refused in new schemas only`(type: String, json: String) throws {
        let text = #"{"type":"record","name":"R","fields":[{"name":"a","type":\#(type),"default":\#(json)}]}"#
        _ = try AvroSchema(text)
        let error = #expect(throws: AvroError.self) { try AvroSchema(text, checksDefaults: true) }
        #expect(
            error?.message.hasPrefix("Invalid default for field a: \(json) not a ") == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        // Java asks for a string and no more.
        (#""bytes""#, #""Ā""#), (#"{"type":"fixed","name":"F","size":2}"#, #""a""#),
        (#"{"type":"enum","name":"E","symbols":["A"]}"#, #""B""#),
        (#""long""#, "1"), (#""float""#, "1"), (#""double""#, #""NaN""#), (#""bytes""#, #""ÿ""#),
        (#"["null","int"]"#, "null"), (#"["int","null"]"#, "1"),
        // Those of another branch than the first fit since Avro 1.12.
        (#"["null","int"]"#, "1"), (#"["int","null"]"#, "null"), (#"{"type":"array","items":["int","null"]}"#, "[1]"),
        (#"{"type":"record","name":"S","fields":[{"name":"x","type":"int","default":1}]}"#, #"{"y":2}"#),
    ])
    func `defaults that fit`(type: String, json: String) throws {
        let text = #"{"type":"record","name":"R","fields":[{"name":"a","type":\#(type),"default":\#(json)}]}"#
        _ = try AvroSchema(text, checksDefaults: true)
    }

    /// Each level of such a schema has four times the branches to try of the one before.
    @Test func `a default that fits no branch is refused soon`() throws {
        var type = #""int""#
        var json = #""x""#
        for level in 0..<40 {
            let records = (0..<3).map {
                #"{"type":"record","name":"R\#(level)_\#($0)","fields":[{"name":"a","type":\#($0 == 0 ? type : "\"M\"")}]}"#
            }
            type = "[\(records.joined(separator: ",")),{\"type\":\"map\",\"values\":\"M\"}]"
            json = #"{"a":\#(json)}"#
        }
        let loop =
            #"{"name":"m","type":{"type":"record","name":"M","fields":[{"name":"a","type":["int",{"type":"map","values":"M"},"M"]}]}}"#
        let text = #"{"type":"record","name":"R","fields":[\#(loop),{"name":"a","type":\#(type),"default":\#(json)}]}"#
        let error = #expect(throws: AvroError.self) { try AvroSchema(text, checksDefaults: true) }
        #expect(error?.message.hasPrefix("Invalid default for field a") == true, "\(error?.message ?? "")")
    }

    /// By Avro's Java library, which keeps them as a set of full names.
    @Test func `an alias that is named twice is one`() throws {
        for (kind, rest) in [
            ("record", #""fields":[]"#), ("enum", #""symbols":["A"]"#), ("fixed", #""size":2"#),
        ] {
            let text = #"{"type":"\#(kind)","name":"D","namespace":"n",\#(rest),"aliases":["n.A","A","b.C"]}"#
            let expected = text.replacing(#""n.A","A","#, with: #""A","#)
            #expect(try AvroSchema(text).text(.canonical) == expected)
            #expect(try !AvroSchema(text).text(.normalized).contains(#""A","A""#))
        }
    }

    @Test func `types of references stay names in the canonical text`() throws {
        let address = #"{"type":"record","name":"Address","namespace":"x","fields":[{"name":"city","type":"string"}]}"#
        let person = #"{"type":"record","name":"Person","namespace":"y","fields":[{"name":"home","type":"x.Address"}]}"#
        let schema = try AvroSchema(person, references: [address])
        #expect(schema.text(.canonical) == person)
        #expect(
            schema.text(.resolved)
                == #"{"type":"record","name":"Person","namespace":"y","fields":[{"name":"home","type":{"type":"record","name":"Address","namespace":"x","fields":[{"name":"city","type":"string"}]}}]}"#
        )
        #expect(schema.names == ["y.Person"])
        #expect(throws: AvroError.self) { try AvroSchema(address, references: [address]) }
    }

    @Test func `logical types`() throws {
        for (text, type) in [
            (#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#, .decimal(precision: 4, scale: 2)),
            (#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":9}"#, nil),
            (#"{"type":"bytes","logicalType":"decimal"}"#, nil),
            (
                #"{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4}"#,
                .decimal(precision: 4, scale: 0)
            ),
            (#"{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":5}"#, nil),
            (#"{"type":"int","logicalType":"date"}"#, .date), (#"{"type":"long","logicalType":"date"}"#, nil),
            (#"{"type":"long","logicalType":"timestamp-millis"}"#, .timestampMillis),
            (#"{"type":"string","logicalType":"uuid"}"#, .uuid),
            (#"{"type":"fixed","name":"F","size":12,"logicalType":"duration"}"#, .duration),
        ] as [(String, AvroLogicalType?)] {
            #expect(try AvroSchema(text).type.logicalType == type, "\(text)")
        }
    }

    /// From Avro 1.11.3.
    @Test(
        arguments: [
            (#""int""#, 0x7275_d51a_3f39_5c8f, "ef524ea1b91e73173d938ade36c1db32"),
            (#""string""#, 0x8f01_4872_6345_03c7, "095d71cf12556b9d5e330ad575b3df5d"),
            (
                #"{"type":"record","name":"R","namespace":"a","doc":"d","fields":[{"name":"f","type":["null","string"],"default":null}]}"#,
                0x60fd_2cae_6d9f_24df, "1b1fe4fe1ab30ae879a5f8a07ebf7d7b"
            ),
        ] as [(String, UInt64, String)])
    func `fingerprints`(text: String, rabin: UInt64, md5: String) throws {
        let schema = try AvroSchema(text)
        #expect(schema.rabinFingerprint == rabin)
        #expect(schema.md5Fingerprint.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() == md5)
        #expect(schema.sha256Fingerprint.count == 32)
    }

    @Test func `the parsing canonical form`() throws {
        let text =
            #"{"type":"record","name":"R","namespace":"a.b","fields":[{"name":"i","type":{"type":"fixed","name":"F","size":3,"namespace":""}},{"name":"k","type":{"type":"map","values":["null",{"type":"long","logicalType":"date"},"F"]},"default":{}}]}"#
        #expect(
            try AvroSchema(text).text(.parsing)
                == #"{"name":"a.b.R","type":"record","fields":[{"name":"i","type":{"name":"F","type":"fixed","size":3}},{"name":"k","type":{"type":"map","values":["null","long","F"]}}]}"#
        )
    }

    /// Each type has the one before twice, and a default that takes its fields' defaults: doubling with every level.
    @Test func `what doubles with every level is bounded`() throws {
        let types = (1...60).map {
            #"{"type":"record","name":"T\#($0)","fields":[{"name":"a","type":"T\#($0 - 1)","default":{}},{"name":"b","type":"T\#($0 - 1)","default":{}}]}"#
        }
        let text =
            "["
            + ([#"{"type":"record","name":"T0","fields":[{"name":"x","type":"int","default":1}]}"#] + types).joined(
                separator: ",") + "]"
        let schema = try AvroSchema(text)
        #expect(throws: AvroError.self) { try AvroColumnLayout(schema) }
        #expect(throws: AvroError.self) { try AvroSchema(text, checksDefaults: true) }
        _ = try AvroDecoder(writer: schema)
    }

    @Test func `large schemas`() throws {
        let fields = (0..<20_000).map { #"{"name":"f\#($0)","type":"int"}"# }.joined(separator: ",")
        let symbols = (0..<20_000).map { "\"S\($0)\"" }.joined(separator: ",")
        let text =
            #"{"type":"record","name":"R","fields":[\#(fields),{"name":"e","type":{"type":"enum","name":"E","symbols":[\#(symbols)]}}]}"#
        let schema = try AvroSchema(text)
        #expect(schema.text(.canonical) == text)
        _ = try AvroDecoder(writer: schema)
    }

    /// As deep as JSON may be, on the stack that tasks have.
    @Test func `nesting that is allowed works`() throws {
        let text =
            String(repeating: #"{"type":"array","items":"#, count: 500) + #""int""# + String(repeating: "}", count: 500)
        let schema = try AvroSchema(text)
        for form in [AvroSchema.TextForm.canonical, .resolved, .normalized] { #expect(schema.text(form) == text) }
        _ = try AvroColumnProgram(writer: schema, layout: AvroColumnLayout(schema))
        _ = try AvroColumnEncoder(schema: schema)
        var value = AvroValue.array([])
        for _ in 1..<500 { value = .array([value]) }
        let bytes = try AvroEncoder(schema: schema).encode(value)
        #expect(try AvroDecoder(writer: schema).decode(bytes) == value)
        let json = try #require(JSONValue.parse(schema.json(value)))
        #expect(try schema.value(json: json) == value)
    }

    /// Types that stand side by side in the text and nest by name.
    @Test func `nesting by names is bounded as well`() throws {
        let types = (1...2000).map {
            #"{"type":"record","name":"T\#($0)","fields":[{"name":"a","type":"T\#($0 - 1)"}]}"#
        }
        let text = "[" + ([#"{"type":"record","name":"T0","fields":[]}"#] + types).joined(separator: ",") + "]"
        let schema = try AvroSchema(text)
        #expect(schema.text(.canonical) == text)
        _ = try AvroDecoder(writer: schema)
        #expect(throws: AvroError.self) { try AvroColumnLayout(schema) }
    }

    @Test func `deep nesting is an error`() {
        let array = String(repeating: #"{"type":"array","items":"#, count: 100_000)
        #expect(throws: AvroError.self) { try AvroSchema(array + #""int""# + String(repeating: "}", count: 100_000)) }
        #expect(throws: AvroError.self) { try AvroSchema(String(repeating: "[", count: 1_000_000)) }
    }
}
