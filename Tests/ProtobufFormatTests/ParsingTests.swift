import ProtobufFormat
import Testing

@Suite struct ParsingTests {
    /// Places by hand: lines and columns count from 1.
    @Test(
        arguments: [
            ("syntax = \"proto4\";", "line 1, column 1: unknown syntax \"proto4\", known are proto2 and proto3"),
            ("edition = \"2023\";", "line 1, column 1: editions are not supported, known are proto2 and proto3"),
            ("package a;\nsyntax = \"proto3\";", "line 2, column 1: the syntax has to come first"),
            ("package a;\npackage b;", "line 2, column 1: a second package"),
            ("message A {", "line 1, column 12: expected a type but found the end of the text"),
            ("message A { int32 a = 1; }", "line 1, column 13: expected \"required\", \"optional\" or \"repeated\""),
            (
                "syntax = \"proto3\"; message A { required int32 a = 1; }",
                "line 1, column 32: \"required\" is not allowed in proto3"
            ),
            ("syntax = \"proto3\"; message A { int32 a 1; }", "line 1, column 40: expected \"=\" but found \"1\""),
            (
                "syntax = \"proto3\"; message A { int32 a = 99999999999; }",
                "line 1, column 42: \"99999999999\" is no integer of 32 bits"
            ),
            (
                "syntax = \"proto3\"; message A { optional map<string, A> a = 1; }",
                "line 1, column 32: a map cannot have a label"
            ),
            (
                "syntax = \"proto3\"; message A { map<float, A> a = 1; }",
                "line 1, column 32: \"float\" cannot be the type of a map's keys"
            ),
            (
                "syntax = \"proto3\"; message A { oneof b { repeated int32 a = 1; } }",
                "line 1, column 42: fields of a oneof cannot have a label"
            ),
            ("message A {} enum A { B = 0; }", "line 1, column 14: \"A\" is already defined"),
            ("message A { extensions 536870912 to max; }", "line 1, column 24: a number beyond 536870911"),
            ("message A { reserved 5 to 536870912; }", "line 1, column 27: a number beyond 536870911"),
            ("message A { reserved 5 to 3; }", "line 1, column 27: a range that ends before it starts"),
            ("/* no end", "line 1, column 1: a comment that does not end"),
            ("import \"a", "line 1, column 8: a string that does not end on its line"),
            ("import \"\\q\";", "line 1, column 10: an unknown escape in a string"),
            ("message \u{e9} {}", "line 1, column 9: a character that does not belong here"),
            ("option a = ;", "line 1, column 12: expected a value but found \";\""),
            ("nonsense", "line 1, column 1: unexpected \"nonsense\""),
        ])
    func `errors tell what is wrong and where`(text: String, message: String) {
        let error = #expect(throws: ProtobufError.self) { try ProtoFile(parsing: text) }
        #expect(error?.description == message)
        #expect(error?.code == .syntax)
    }

    @Test func `nesting beyond the bound is an error, not the end of the stack`() {
        let messages = String(repeating: "message A {", count: 100_000)
        let values = "option a = " + String(repeating: "{ a: ", count: 100_000)
        let lists = "option a = " + String(repeating: "[", count: 100_000)
        for text in [messages, values, lists] {
            let error = #expect(throws: ProtobufError.self) { try ProtoFile(parsing: text) }
            #expect(error?.message.contains("nested too deep") == true)
        }
    }

    @Test func `words of the language can be names`() throws {
        let file = try ProtoFile(
            parsing: """
                syntax = 'proto3';
                message stream { string message = 1; message.stream option = 2; bool map = 3; map<string, stream> to = 4; }
                enum E { option = 0; reserved = 1; }
                service S { rpc rpc (stream) returns (stream stream) {} }
                """)
        guard case .message(let message) = file.types[0], case .enumeration(let enumeration) = file.types[1] else {
            Issue.record("no message and enum")
            return
        }
        #expect(message.fields.map(\.name) == ["message", "option", "map", "to"])
        #expect(message.fields[1].type == .named("message.stream"))
        #expect(enumeration.constants.map(\.name) == ["option", "reserved"])
        #expect(file.services[0].methods[0].request == "stream")
        #expect(!file.services[0].methods[0].isRequestStream)
        #expect(file.services[0].methods[0].isResponseStream)
    }

    /// The values by the language specification's "Lexical elements".
    @Test(
        arguments: [
            ("1", 1), ("-7", -7), ("0x1F", 31), ("-0X1f", -31), ("017", 15), ("0", 0), ("08", nil), ("1.0", nil),
            ("", nil),
            ("--1", nil), ("18446744073709551615", 18_446_744_073_709_551_615),
        ] as [(String, Int128?)])
    func `integers are read in three bases`(text: String, value: Int128?) {
        #expect(ProtoNumber.integer(text) == value)
    }

    @Test(
        arguments: [
            ("1.5", 1.5), ("-1.5e3", -1500), (".5", 0.5), ("1.", 1), ("inf", .infinity), ("-inf", -.infinity),
            ("2f", 2),
            ("0x10", 16), ("abc", nil), ("0x1p3", nil),
        ] as [(String, Double?)])
    func `numbers are read as they are written`(text: String, value: Double?) {
        #expect(ProtoNumber.double(text) == value)
    }

    @Test func `strings keep what their escapes mean`() throws {
        let file = try ProtoFile(
            parsing: #"option a = "tab\t \x41\101 \u00e9\U0001F600 \"'" 'more' "\0\377";"#)
        let expected = Array("tab\t AA é😀 \"'more".utf8) + [0, 0xFF]
        #expect(file.options[0].value == .string(expected))
    }

    @Test func `paths of imports are printed as strings`() throws {
        let file = try ProtoFile(parsing: #"import "a\"b\n.proto"; import public '\\';"#)
        #expect(file.imports == ["a\"b\n.proto"])
        let again = try ProtoFile(parsing: file.canonicalText)
        #expect(again.imports == file.imports)
        #expect(again.publicImports == ["\\"])
    }
}
