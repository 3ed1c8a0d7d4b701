import Bytes
import JSONFormat
import ProtobufFormat
import Testing

@Suite struct SchemaTests {
    @Test func `names are found from the inside out, packages part by part`() throws {
        let file = try ProtoFile(
            parsing: """
                syntax = "proto3"; package a.b;
                message T { T self = 1; U inner = 2; b.T package = 3; .a.b.T full = 4; V outer = 5; message U { T t = 1; message T {} } }
                message U {}
                """)
        let outer = try ProtoFile(parsing: "syntax = \"proto3\"; package a; message V {}")
        let schema = try ProtobufSchema(file: file, imports: ["v.proto": outer])
        let message = schema.messages[try #require(schema.messageIndex(named: "a.b.T"))]
        let types = message.fields.map { schema.messages[$0.typeIndex].fullName }
        #expect(types == ["a.b.T", "a.b.T.U", "a.b.T", "a.b.T", "a.V"])
        let inner = schema.messages[try #require(schema.messageIndex(named: "a.b.T.U"))]
        #expect(schema.messages[inner.fields[0].typeIndex].fullName == "a.b.T.U.T")
    }

    @Test(
        arguments: [
            ("syntax = \"proto3\"; message A { Gone a = 1; }", "line 1, column 32: could not resolve type: Gone"),
            (
                "syntax = \"proto3\"; message A { int32 a = 1; int32 b = 1; }",
                "line 1, column 20: \"A.b\": number 1 is already used by \"a\""
            ),
            (
                "syntax = \"proto3\"; message A { int32 a = 1; int64 a = 2; }",
                "line 1, column 20: field 2 of \"A\": \"a\" is already defined"
            ),
            (
                "syntax = \"proto3\"; message A { int32 a = 0; }",
                "line 1, column 20: \"A.a\": field numbers are 1 to 536870911"
            ),
            (
                "syntax = \"proto3\"; message A { int32 a = -1; }",
                "line 1, column 20: \"A.a\": field numbers are 1 to 536870911"
            ),
            ("enum A { B = 0; B = 1; }", "line 1, column 17: \"B\" is already defined in \"A\""),
            (
                "message A { optional int32 a = 1 [default = \"x\"]; }",
                "line 1, column 13: the default of \"a\" does not fit its type"
            ),
            (
                "message A { optional int32 a = 1 [default = 3000000000]; }",
                "line 1, column 13: the default of \"a\" does not fit its type"
            ),
            (
                "message A { optional E a = 1 [default = 15]; } enum E { B = 0; }",
                "line 1, column 13: the default of \"a\" does not fit its type"
            ),
            ("extend Gone { optional int32 a = 1; }", "line 1, column 1: could not resolve type: Gone"),
        ])
    func `rules of the language are checked`(text: String, message: String) throws {
        let file = try ProtoFile(parsing: text)
        let error = #expect(throws: ProtobufError.self) { try ProtobufSchema(file: file) }
        #expect(error?.description == message)
    }

    @Test func `files that import each other in a circle are refused`() throws {
        let a = try ProtoFile(parsing: "import \"b.proto\";")
        let b = try ProtoFile(parsing: "import \"a.proto\";")
        let error = #expect(throws: ProtobufError.self) {
            try ProtobufSchema(file: a, imports: ["a.proto": a, "b.proto": b])
        }
        #expect(error?.description == "\"b.proto\" imports itself, directly or by others")
    }

    /// A chain of 20 000 files: as long as it is, nothing recurses.
    @Test func `long chains of imports are followed`() throws {
        var imports: [String: ProtoFile] = [:]
        for index in 0..<20_000 {
            var file = ProtoFile()
            file.imports = ["\(index + 1)"]
            imports["\(index)"] = file
        }
        let file = try ProtoFile(parsing: "import \"0\"; message A {}")
        #expect(try ProtobufSchema(file: file, imports: imports).messages.count == 1)
    }

    @Test func `places of messages leave maps' entries out, unless they are written out`() throws {
        let text = "syntax = \"proto3\"; message A { map<string, B> m = 1; message B { message C {} } } message D {}"
        let schema = try ProtobufSchema(file: ProtoFile(parsing: text))
        let paths: [([Int32], String)] = [([0], "A"), ([0, 0], "A.B"), ([0, 0, 0], "A.B.C"), ([1], "D")]
        for (path, name) in paths {
            #expect(schema.messageIndex(at: path).map { schema.messages[$0].fullName } == name)
        }
        for path in [[], [2], [0, 1], [-1]] as [[Int32]] { #expect(schema.messageIndex(at: path) == nil) }
        let written = try ProtobufSchema(file: ProtoFile(fileDescriptor: schema.fileDescriptor()))
        #expect(written.messageIndex(at: [0, 0]).map { written.messages[$0].fullName } == "A.B")
        #expect(written.messageIndex(at: [0, 1]).map { written.messages[$0].fullName } == "A.MEntry")
    }

    @Test(arguments: BuiltInFiles.paths.sorted()) func `files that are built in can be linked and written`(path: String)
        throws
    {
        let file = try #require(try BuiltInFiles.file(path))
        let schema = try ProtobufSchema(file: file)
        let read = try ProtoFile(fileDescriptor: schema.fileDescriptor(name: path))
        let again = try ProtobufSchema(file: read)
        for message in schema.messages where message.file.isEmpty {
            let other = again.messages[try #require(again.messageIndex(named: message.fullName))]
            #expect(Set(other.fields.map(\.number)) == Set(message.fields.map(\.number)))
        }
    }

    @Test func `files of the registry can be imported without being given`() throws {
        let file = try ProtoFile(
            parsing: """
                syntax = "proto3";
                import "confluent/type/decimal.proto"; import "google/type/money.proto"; import "google/protobuf/struct.proto";
                message A { confluent.type.Decimal d = 1; google.type.Money m = 2; google.protobuf.Value v = 3; }
                """)
        #expect(try ProtobufSchema(file: file).messageIndex(named: "google.protobuf.ListValue") != nil)
    }

    /// Extensions become fields of the message they extend; options that they define survive as a descriptor.
    @Test func `options of extensions go through a descriptor`() throws {
        let file = try ProtoFile(
            parsing: """
                syntax = "proto3"; package p;
                import "confluent/meta.proto"; import "google/protobuf/descriptor.proto";
                extend google.protobuf.FieldOptions { Note note = 50001; repeated int32 marks = 50002; }
                message Note { string text = 1; E e = 2; map<string, int32> counts = 3; }
                enum E { A = 0; B = 1; }
                message M {
                  option (confluent.message_meta) = { doc: "d" params: [{ value: "4" key: "precision" }] tags: ["PII"] };
                  int32 f = 1 [deprecated = true, (note) = { text: "x" e: B }, (note).counts = { key: "k" value: 3 }, (marks) = 1, (marks) = 2, (gone) = 5];
                }
                """)
        let descriptor = try ProtobufSchema(file: file).fileDescriptor()
        let text = try ProtoFile(fileDescriptor: descriptor).canonicalText
        #expect(
            text == """
                syntax = "proto3";
                package p;

                import "confluent/meta.proto";
                import "google/protobuf/descriptor.proto";

                message Note {
                  string text = 1;
                  .p.E e = 2;
                  repeated .p.Note.CountsEntry counts = 3;

                  message CountsEntry {
                    option map_entry = true;
                  \("")
                    string key = 1;
                    int32 value = 2;
                  }
                }
                message M {
                  option (confluent.message_meta) = {
                    doc: "d",
                    params: [
                      {
                        value: "4",
                        key: "precision"
                      }
                    ],
                    tags: [
                      "PII"
                    ]
                  };

                  int32 f = 1 [
                    deprecated = true,
                    (p.note) = {
                      text: "x",
                      e: B,
                      counts: [
                        {
                          key: "k",
                          value: 3
                        }
                      ]
                    },
                    (p.marks) = 1,
                    (p.marks) = 2
                  ];
                }
                enum E {
                  A = 0;
                  B = 1;
                }

                extend .google.protobuf.FieldOptions {
                  .p.Note note = 50001;
                  repeated int32 marks = 50002;
                }

                """)
    }

    @Test(
        arguments: [
            "", "AAAA", "not base 64 at all", "Zm9v",
            // a message whose name is no name; one field in a oneof that is not there
            Base64.encode([0x22, 0x05, 0x0A, 0x03] + Array("a b".utf8)),
            Base64.encode([0x22, 0x0A, 0x0A, 0x01, 0x41, 0x12, 0x05, 0x0A, 0x01, 0x61, 0x48, 0x03]),
        ])
    func `what is no descriptor is an error`(text: String) {
        guard !text.isEmpty else { return }
        #expect(throws: ProtobufError.self) { try ProtoFile(parsingTextOrDescriptor: text) }
    }

    /// A message, an enumeration and a service, each "S": any two of them cannot be said in a text.
    @Test(arguments: [(0, 0), (0, 1), (1, 2), (2, 2)])
    func `refuses descriptors that give a name twice`(first: Int, second: Int) {
        let parts: [[UInt8]] = [
            [0x22, 3, 0x0A, 1, 0x53], [0x2A, 10, 0x0A, 1, 0x53, 0x12, 5, 0x0A, 1, 0x41, 0x10, 0],
            [0x32, 3, 0x0A, 1, 0x53],
        ]
        let failure = #expect(throws: ProtobufError.self) {
            try ProtoFile(fileDescriptor: [0x0A, 1, 0x66] + parts[first] + parts[second])
        }
        #expect(failure?.code == .invalid)
    }

    @Test(
        arguments: [
            "repeated int32 key = 1; int32 value = 2;", "int32 value = 2; string key = 1;", "string key = 1;",
            "string key = 1; int32 value = 2; int32 more = 3;", "E key = 1; int32 value = 2;",
        ])
    func `refuses entries of maps that are none`(fields: String) throws {
        let file = try ProtoFile(
            parsing:
                "syntax = \"proto3\"; message M { repeated E m = 1; message E { option map_entry = true; \(fields) } }")
        let failure = #expect(throws: ProtobufError.self) { try ProtobufSchema(file: file) }
        #expect(failure?.message.contains("map_entry") == true)
    }

    @Test func `columns that double at every level are refused`() throws {
        let levels = (0..<40).map { "message A\($0) { A\($0 + 1) a = 1; A\($0 + 1) b = 2; }" }.joined()
        let schema = try ProtobufSchema(
            file: ProtoFile(parsing: "syntax = \"proto3\"; \(levels) message A40 { int32 x = 1; }"))
        #expect(throws: ProtobufError.self) { try ProtobufColumnLayout(schema, typeIndex: 0) }
    }

    @Test func `an entry whose constant is unknown takes no other's place`() throws {
        let schema = try ProtobufSchema(
            file: ProtoFile(
                parsing: "syntax = \"proto2\"; enum E { A = 1; B = 2; } message M { map<string, E> m = 1; }"))
        let index = try #require(schema.messageIndex(named: "M"))
        let known: [UInt8] = [0x0A, 5, 0x0A, 1, 0x6B, 0x10, 2]
        let unknown: [UInt8] = [0x0A, 5, 0x0A, 1, 0x6B, 0x10, 7]
        let both = try schema.json(schema.decode(known + unknown, as: index))
        #expect(String(decoding: both.bytes, as: UTF8.self) == "{\"m\":{\"k\":\"B\"}}")
        let none = try schema.json(schema.decode(unknown, as: index))
        #expect(String(decoding: none.bytes, as: UTF8.self) == "{}")
    }
}
