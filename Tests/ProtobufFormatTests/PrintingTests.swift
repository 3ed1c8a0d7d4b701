import ProtobufFormat
import Testing

/// Texts, and what `ProtobufSchema` of Confluent's 7.0.16 prints of them: `canonicalString()` and that of
/// `normalize()`; where the sources of releases since 7.4 have another normal form
/// (`ProtobufSchemaUtils.FormatContext`: numbers, empty lists, extensions, what is reserved), theirs.
struct PrintedCase: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var text: String
    var canonical: String
    var normalized: String
}

@Suite struct PrintingTests {
    @Test(arguments: printedCases) func `texts are printed like the original prints them`(value: PrintedCase) throws {
        let file = try ProtoFile(parsing: value.text)
        #expect(file.canonicalText == value.canonical)
        #expect(try file.normalizedText(types: TypeNames(file: file, imports: [])) == value.normalized)
        #expect(try ProtoFile(parsing: file.canonicalText).canonicalText == value.canonical)
    }

    @Test func `a message with nothing inside but entries of maps ends behind its fields`() throws {
        let text = """
            syntax = "proto3";
            message C {
              repeated BsEntry bs = 1;
              message BsEntry { option map_entry = true; string key = 1; int32 value = 2; }
            }
            """
        let file = try ProtoFile(parsing: text)
        #expect(
            try file.normalizedText(types: TypeNames(file: file, imports: []))
                == "syntax = \"proto3\";\n\nmessage C {\n  map<string, int32> bs = 1;\n}\n")
    }

    /// What the original loses or prints so that nobody can read it.
    @Test func `extensions inside of messages, weak imports and bytes are not lost`() throws {
        let file = try ProtoFile(
            parsing: #"""
                import weak "w.proto";
                message M { extensions 4; extend M { optional int32 e = 4; } optional bytes b = 1 [default = "\001\377\"a"]; }
                """#)
        #expect(
            file.canonicalText == #"""

                import weak "w.proto";

                message M {
                  optional bytes b = 1 [default = "\001\377\"a"];

                  extensions 4;

                  extend M {
                    optional int32 e = 4;
                  }
                }

                """#)
    }

    @Test func `extensions and what only they bring can be left out`() throws {
        let file = try ProtoFile(
            parsing: """
                option java_package = "b"; option (mine) = 1;
                message M {
                  extensions 4;
                  optional int32 a = 1 [(mine) = 2, deprecated = true];
                  optional int32 b = 2 [(confluent.field_meta).tags = "PII", (mine).confluent.x = 1];
                }
                extend M { optional int32 e = 4; }
                """)
        #expect(
            file.textWithoutExtensions == """

                option java_package = "b";

                message M {
                  optional int32 a = 1 [deprecated = true];
                  optional int32 b = 2 [(confluent.field_meta).tags = "PII"];
                }

                """)
    }

    /// By sources of registries since 7.4 (`ProtobufSchemaUtils.FormatContext`, `ProtobufSchema.transform`, `merge`).
    @Test(arguments: [
        (
            "string a = 2 [(o).t = \"x\", (o).t = \"y\", (o).t = \"x\", (o).n.d = 0x1F];",
            "string a = 2 [(p.o) = {\n    n: {\n      d: 31\n    },\n    t: [\n      \"x\",\n      \"y\"\n    ]\n  }];"
        ),
        ("string a = 2 [(o) = { t: [\"x\"], u: [] }];", "string a = 2 [(p.o) = {\n    t: \"x\"\n  }];"),
        ("string a = 2 [(.p.o).t = \"x\"];", "string a = 2 [(p.o) = {\n    t: \"x\"\n  }];"),
        ("string a = 2 [(r) = 1.50, (r) = 1.50];", "string a = 2 [\n    (p.r) = 1.5,\n    (p.r) = 1.5\n  ];"),
        ("string a = 2 [(s) = 010, (s) = -.25];", "string a = 2 [(p.s) = -0.25];"),
        (
            "string a = 2 [(I.i) = { [I.i]: 1e3 [x.y]: 0.12345 }];",
            "string a = 2 [(p.M.I.i) = {\n    [p.M.I.i]: 1000,\n    [x.y]: 0.12345\n  }];"
        ),
        (
            "string a = 2 [(unknown).b = 2, deprecated = true];",
            "string a = 2 [\n    deprecated = true,\n    (unknown).b = 2\n  ];"
        ),
    ])
    func `what custom options say in several ways is normalised`(field: String, normalized: String) throws {
        let file = try ProtoFile(
            parsing: """
                syntax = "proto3"; package p;
                extend Options { repeated double r = 3; T o = 2; }
                message M { \(field) message I { extend .p.Options { double i = 4; } } }
                extend p.Options { double s = 1; }
                message Options {} message T {}
                """)
        let types = TypeNames(file: file, imports: [])
        let text = try file.normalizedText(types: types)
        #expect(text.contains(normalized), "\(text)")
        #expect(
            text.contains(
                "extend .p.Options {\n  double s = 1;\n  .p.T o = 2;\n  repeated double r = 3;\n}\n"), "\(text)")
        #expect(try ProtoFile(parsing: text).normalizedText(types: types) == text)
    }

    @Test func `words of the language start names of types if a point follows at once`() throws {
        let text = """
            syntax = "proto3";
            message M {
              extend.T a = 1;
              extend .M { string b = 2; }
              extend.M c = 3;
            }
            """
        #expect(
            try ProtoFile(parsing: text).canonicalText == """
                syntax = "proto3";

                message M {
                  extend.T a = 1;
                  extend.M c = 3;

                  extend .M {
                    string b = 2;
                  }
                }

                """)
    }

    @Test func `a type that nobody defines has no normalised text`() throws {
        let file = try ProtoFile(parsing: "message M { optional Gone a = 1; }")
        let error = #expect(throws: ProtobufError.self) {
            try file.normalizedText(types: TypeNames(file: file, imports: []))
        }
        #expect(error?.code == .unresolved)
        #expect(error?.description == "line 1, column 13: could not resolve type: Gone")
    }
}

private let printedCases: [PrintedCase] = [
    PrintedCase(
        testDescription: "options and values",
        text: #"""
            syntax = "proto3";
            option java_package = "b";
            option (z).q.r = 4;
            option go_package = "a/b;c";
            message A {
              string s = 1 [(v) = {a: 1, b {c: 2} d: [] e: [true, FOO, 1.5] f: "x" f: "y" [q.z]: 4 g: -1}, (y) = 0x10];
              string t = 2 [(w) = -1.5e3];
              option (g) = {a:1};
              option deprecated = true;
              option (g).q = 4;
            }
            """#,
        canonical: #"""
            syntax = "proto3";

            option java_package = "b";
            option (z).q.r = 4;
            option go_package = "a/b;c";

            message A {
              option (g) = {
                a: 1
              };
              option deprecated = true;
              option (g).q = 4;

              string s = 1 [
                (v) = {
                  a: 1,
                  b: {
                    c: 2
                  },
                  d: [
                  ],
                  e: [
                    true,
                    FOO,
                    1.5
                  ],
                  f: [
                    "x",
                    "y"
                  ],
                  [q.z]: 4,
                  g: -1
                },
                (y) = 0x10
              ];
              string t = 2 [(w) = -1.5e3];
            }

            """#,
        normalized: #"""
            syntax = "proto3";

            option go_package = "a/b;c";
            option java_package = "b";
            option (z).q.r = 4;

            message A {
              option deprecated = true;
              option (g) = {
                a: 1
              };
              option (g).q = 4;

              string s = 1 [
                (v) = {
                  [q.z]: 4,
                  a: 1,
                  b: {
                    c: 2
                  },
                  e: [
                    true,
                    FOO,
                    1.5
                  ],
                  f: [
                    "x",
                    "y"
                  ],
                  g: -1
                },
                (y) = 16
              ];
              string t = 2 [(w) = -1500];
            }

            """#),
    PrintedCase(
        testDescription: "strings",
        text: #"""
            syntax = "proto2"; message A {
              optional string s = 1 [default = "a\nb\"'c\\"];
              optional float f = 3 [default = -inf];
              optional int32 h = 5 [default = -0x1F, deprecated = true];
              optional bool k = 6 [default = true, json_name = "K\"k"];
              optional string u = 7 [(f) = "it's \x41 \101 é \t" "more"];
            }
            """#,
        canonical: #"""
            syntax = "proto2";

            message A {
              optional string s = 1 [default = "a\nb\"\'c\\"];
              optional float f = 3 [default = -inf];
              optional int32 h = 5 [
                deprecated = true,
                default = -0x1F
              ];
              optional bool k = 6 [
                default = true,
                json_name = "K\"k"
              ];
              optional string u = 7 [(f) = "it\'s A A é \tmore"];
            }

            """#,
        normalized: #"""

            message A {
              optional string s = 1 [default = "a\nb\"\'c\\"];
              optional float f = 3 [default = -inf];
              optional int32 h = 5 [
                default = -31,
                deprecated = true
              ];
              optional bool k = 6 [
                default = true,
                json_name = "K\"k"
              ];
              optional string u = 7 [(f) = "it\'s A A é \tmore"];
            }

            """#),
    PrintedCase(
        testDescription: "names",
        text: #"""
            syntax = "proto3"; package foo;
            message A {
              foo.A s = 1; .foo.A t = 2; A.B u = 3; E e = 5; map<string, B> m = 4;
              message B { A a = 1; B b = 2; E e = 3; }
              enum E { Z = 0; Q = 2; P = 1; option (x) = 1; option allow_alias = true; R = 1 [(y) = "a", deprecated = true]; reserved 9, 5 to 7; reserved "N"; }
            }
            """#,
        canonical: #"""
            syntax = "proto3";
            package foo;

            message A {
              foo.A s = 1;
              .foo.A t = 2;
              A.B u = 3;
              E e = 5;
              map<string, B> m = 4;

              message B {
                A a = 1;
                B b = 2;
                E e = 3;
              }
              enum E {
                reserved 9, 5 to 7;
                reserved "N";
                option (x) = 1;
                option allow_alias = true;
                Z = 0;
                Q = 2;
                P = 1;
                R = 1 [
                  (y) = "a",
                  deprecated = true
                ];
              }
            }

            """#,
        normalized: #"""
            syntax = "proto3";
            package foo;

            message A {
              .foo.A s = 1;
              .foo.A t = 2;
              .foo.A.B u = 3;
              map<string, .foo.A.B> m = 4;
              .foo.A.E e = 5;

              message B {
                .foo.A a = 1;
                .foo.A.B b = 2;
                .foo.A.E e = 3;
              }
              enum E {
                reserved 5 to 7;
                reserved 9;
                reserved "N";
                option allow_alias = true;
                option (x) = 1;
                Z = 0;
                P = 1;
                R = 1 [
                  deprecated = true,
                  (y) = "a"
                ];
                Q = 2;
              }
            }

            """#),
    PrintedCase(
        testDescription: "oneofs and reserved",
        text: #"""
            syntax = "proto3";
            message A {
              reserved 100, 5 to 5, 7 to 8; reserved "b"; reserved "a", "c"; reserved 2;
              oneof x { option (u) = 1; int32 x2 = 12; int32 x1 = 11; }
              oneof empty { }
              oneof w { int32 w1 = 10; }
              message Z {} enum Y { Y0 = 0; } message B { option (c) = "d"; string q = 1; }
            }
            enum Last { L0 = 0; }
            message M2 { }
            """#,
        canonical: #"""
            syntax = "proto3";

            message A {
              reserved 100, 5 to 5, 7 to 8;
              reserved "b";
              reserved "a", "c";
              reserved 2;

              oneof x {
                option (u) = 1;
              
                int32 x2 = 12;
                int32 x1 = 11;
              }
              oneof empty {}
              oneof w {
                int32 w1 = 10;
              }

              message Z {}
              message B {
                option (c) = "d";
              
                string q = 1;
              }
              enum Y {
                Y0 = 0;
              }
            }
            message M2 {}
            enum Last {
              L0 = 0;
            }

            """#,
        normalized: #"""
            syntax = "proto3";

            message A {
              reserved 2;
              reserved 5;
              reserved 7 to 8;
              reserved 100;
              reserved "a";
              reserved "b";
              reserved "c";

              oneof w {
                int32 w1 = 10;
              }
              oneof x {
                option (u) = 1;
              
                int32 x1 = 11;
                int32 x2 = 12;
              }

              message Z {}
              message B {
                option (c) = "d";
              
                string q = 1;
              }
              enum Y {
                Y0 = 0;
              }
            }
            message M2 {}
            enum Last {
              L0 = 0;
            }

            """#),
    PrintedCase(
        testDescription: "services and imports",
        text: #"""
            syntax = "proto3"; package p;
            import public "b.proto"; import "c.proto"; import "a.proto"; import public "a2.proto"; import "c.proto";
            service S {
              rpc A (M) returns (stream .p.M) {}
              rpc C (stream M) returns (M) { option (http) = { get: "/v1/{name=a/*}" more { get: "/x" body: "*" } more { post: "/y" } }; option deprecated = true; }
              option (z) = 1;
            }
            message M {}
            extend google.protobuf.FieldOptions { string z = 50000 [deprecated = true, json_name = "p"]; M y = 50001; }
            """#,
        canonical: #"""
            syntax = "proto3";
            package p;

            import "c.proto";
            import "a.proto";
            import "c.proto";
            import public "b.proto";
            import public "a2.proto";

            message M {}

            extend google.protobuf.FieldOptions {
              string z = 50000 [
                deprecated = true,
                json_name = "p"
              ];
              M y = 50001;
            }

            service S {
              option (z) = 1;

              rpc A (M) returns (stream .p.M);
              rpc C (stream M) returns (M) {
                option (http) = {
                  get: "/v1/{name=a/*}",
                  more: [
                    {
                      get: "/x",
                      body: "*"
                    },
                    {
                      post: "/y"
                    }
                  ]
                };
                option deprecated = true;
              };
            }

            """#,
        normalized: #"""
            syntax = "proto3";
            package p;

            import "a.proto";
            import "c.proto";
            import public "a2.proto";
            import public "b.proto";

            message M {}

            extend google.protobuf.FieldOptions {
              string z = 50000 [
                deprecated = true,
                json_name = "p"
              ];
              .p.M y = 50001;
            }

            service S {
              option (p.z) = 1;

              rpc A (.p.M) returns (stream .p.M);
              rpc C (stream .p.M) returns (.p.M) {
                option deprecated = true;
                option (http) = {
                  get: "/v1/{name=a/*}",
                  more: [
                    {
                      body: "*",
                      get: "/x"
                    },
                    {
                      post: "/y"
                    }
                  ]
                };
              };
            }

            """#),
    PrintedCase(
        testDescription: "written-out maps",
        text: #"""
            syntax = "proto3"; package p;
            message C { repeated BsEntry bs = 1; message BsEntry { option map_entry = true; string key = 1; V value = 2; } message V {} }
            """#,
        canonical: #"""
            syntax = "proto3";
            package p;

            message C {
              repeated BsEntry bs = 1;

              message BsEntry {
                option map_entry = true;
              
                string key = 1;
                V value = 2;
              }
              message V {}
            }

            """#,
        normalized: #"""
            syntax = "proto3";
            package p;

            message C {
              map<string, .p.C.V> bs = 1;

              message V {}
            }

            """#),
    PrintedCase(
        testDescription: "extensions and groups",
        text: #"""
            syntax = "proto2";
            message M { extensions 4, 10 to 20, 30 to max; optional group G = 11 { optional int32 g = 1 [default = 3]; } }
            """#,
        canonical: #"""
            syntax = "proto2";

            message M {
              optional group G = 11 {
                optional int32 g = 1 [default = 3];
              }

              extensions 4, 10 to 20, 30 to max;
            }

            """#,
        normalized: #"""

            message M {
              optional group G = 11 {
                optional int32 g = 1 [default = 3];
              }

              extensions 4;
              extensions 10 to 20;
              extensions 30 to max;
            }

            """#),
    PrintedCase(
        testDescription: "nothing",
        text: #"""
            message M { optional int32 a = 1; }
            """#,
        canonical: #"""

            message M {
              optional int32 a = 1;
            }

            """#,
        normalized: #"""

            message M {
              optional int32 a = 1;
            }

            """#),
    PrintedCase(
        testDescription: "no syntax, no types",
        text: #"""

            """#,
        canonical: #"""

            """#,
        normalized: #"""

            """#),
]
