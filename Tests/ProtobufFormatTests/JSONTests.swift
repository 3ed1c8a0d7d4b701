import JSONFormat
import ProtobufFormat
import Testing

/// The mapping of "ProtoJSON Format" in the documentation of Protocol Buffers.
@Suite struct JSONTests {
    private static let text = """
        syntax = "proto3"; package t;
        import "google/protobuf/any.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/field_mask.proto";
        import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
        message M {
          int32 an_int = 1; int64 long = 2; uint64 big = 3; double real = 4; float small = 5; bool flag = 6; string text = 7;
          bytes data = 8; E e = 9; repeated E list = 10; map<bool, int64> flags = 11; map<int32, M> inner = 12;
          optional int32 maybe = 13; string named = 14 [json_name = "@other"]; oneof o { string x = 15; int32 y = 16; }
          google.protobuf.Timestamp time = 20; google.protobuf.Duration span = 21; google.protobuf.FieldMask mask = 22;
          google.protobuf.Struct structure = 23; google.protobuf.Value value = 24; google.protobuf.ListValue values = 25;
          google.protobuf.Int64Value wrapped = 26; google.protobuf.Any any = 27; google.protobuf.NullValue null = 28;
          repeated google.protobuf.Value many = 29; google.protobuf.StringValue word = 30; M m = 31;
        }
        enum E { ZERO = 0; ONE = 1; }
        """

    private let schema: ProtobufSchema
    private let type: Int

    init() throws {
        schema = try ProtobufSchema(file: ProtoFile(parsing: Self.text))
        type = try #require(schema.messageIndex(named: "t.M"))
    }

    private func read(_ text: String, _ options: ProtobufJSONOptions = .init()) throws -> ProtobufMessage {
        let json = try #require(JSONValue.parse(Array(text.utf8)), "\(text)")
        return try schema.message(json: json, as: type, options: options)
    }

    private func print(_ message: ProtobufMessage, _ options: ProtobufJSONOptions = .init()) throws -> String {
        String(decoding: try schema.json(message, options: options).bytes, as: UTF8.self)
    }

    /// What is read, and how it is written; nil: the same.
    @Test(
        arguments: [
            ("{\"anInt\":-5,\"long\":\"-9223372036854775808\",\"big\":\"18446744073709551615\"}", nil),
            ("{\"an_int\":\"7\",\"long\":12,\"big\":1.0}", "{\"anInt\":7,\"long\":\"12\",\"big\":\"1\"}"),
            ("{\"anInt\":1e2}", "{\"anInt\":100}"),
            ("{\"real\":1.5,\"small\":-0.25,\"flag\":true,\"text\":\"a\\\"b\"}", nil),
            ("{\"real\":\"NaN\",\"small\":\"-Infinity\"}", nil),
            ("{\"real\":\"2.5\",\"small\":3}", "{\"real\":2.5,\"small\":3.0}"),
            ("{\"data\":\"/wA=\",\"e\":\"ONE\",\"list\":[\"ONE\",\"ZERO\",7]}", nil),
            ("{\"data\":\"_wA\",\"e\":1}", "{\"data\":\"/wA=\",\"e\":\"ONE\"}"),
            ("{\"flags\":{\"true\":\"1\",\"false\":\"2\"},\"inner\":{\"-3\":{\"anInt\":1}}}", nil),
            ("{\"maybe\":0,\"@other\":\"x\",\"y\":0}", nil),
            ("{\"named\":\"x\"}", "{\"@other\":\"x\"}"),
            ("{\"anInt\":null,\"list\":null,\"time\":null,\"m\":null}", "{}"),
            ("{\"time\":\"1970-01-01T00:00:00Z\",\"span\":\"0s\"}", nil),
            ("{\"time\":\"2024-02-29T23:59:59.123456789Z\",\"span\":\"-1.500s\"}", nil),
            ("{\"time\":\"0001-01-01T00:00:00Z\",\"span\":\"315576000000.000000001s\"}", nil),
            ("{\"time\":\"9999-12-31T23:59:59.999999999Z\",\"span\":\"-0.000001s\"}", nil),
            ("{\"time\":\"2000-03-01T01:30:00.5+01:30\"}", "{\"time\":\"2000-03-01T00:00:00.500Z\"}"),
            ("{\"time\":\"1969-12-31t23:59:59-00:00\"}", "{\"time\":\"1969-12-31T23:59:59Z\"}"),
            ("{\"mask\":\"fooBar,baz.quxQuux\"}", nil), ("{\"mask\":\"\"}", nil),
            ("{\"structure\":{\"a\":1.0,\"b\":[true,null,\"x\",{\"c\":{}}]}}", nil),
            ("{\"value\":null}", nil), ("{\"value\":\"x\",\"values\":[1.0,[]]}", nil), ("{\"many\":[null,1.0]}", nil),
            ("{\"wrapped\":\"0\",\"word\":\"\"}", nil), ("{\"wrapped\":5}", "{\"wrapped\":\"5\"}"),
            ("{\"any\":{}}", nil),
            ("{\"any\":{\"@type\":\"type.googleapis.com/t.M\",\"anInt\":3}}", nil),
            ("{\"any\":{\"anInt\":3,\"@type\":\"x/t.M\"}}", "{\"any\":{\"@type\":\"x/t.M\",\"anInt\":3}}"),
            ("{\"any\":{\"@type\":\"type.googleapis.com/google.protobuf.Duration\",\"value\":\"1s\"}}", nil),
            ("{\"null\":null}", "{}"),
        ] as [(String, String?)])
    func `values are read and written`(text: String, written: String?) throws {
        let message = try read(text)
        #expect(try print(message) == written ?? text)
        let decoded = try schema.decode(schema.encode(message), as: type)
        #expect(try print(decoded) == written ?? text)
    }

    @Test(
        arguments: [
            ("[]", "\"t.M\" is not an object"),
            ("{\"what\":1}", "what: \"t.M\" has no field of this name"),
            ("{\"anInt\":1,\"an_int\":2}", "an_int: a field that is there twice"),
            ("{\"x\":\"\",\"y\":1}", "y: a second field of the oneof \"o\""),
            ("{\"anInt\":2147483648}", "anInt: 2147483648 is out of range"),
            ("{\"anInt\":1.5}", "anInt: not an integer"), ("{\"anInt\":\" 1\"}", "anInt: not an integer"),
            ("{\"anInt\":\"\"}", "anInt: not an integer"), ("{\"anInt\":true}", "anInt: not an integer"),
            ("{\"big\":-1}", "big: -1 is out of range"), ("{\"big\":1e30}", "big: not an integer"),
            ("{\"real\":1e400}", "real: 1e400 is out of range"), ("{\"small\":1e40}", "small: 1e40 is out of range"),
            ("{\"real\":\"inf\"}", "real: not a number"), ("{\"real\":\"0x1\"}", "real: not a number"),
            ("{\"flag\":\"true\"}", "flag: neither true nor false"), ("{\"text\":1}", "text: not a string"),
            ("{\"data\":\"?\"}", "data: not base 64"), ("{\"e\":\"TWO\"}", "e: \"t.E\" has no constant \"TWO\""),
            ("{\"list\":1}", "list: not an array"), ("{\"list\":[null]}", "list.0: no constant of \"t.E\""),
            ("{\"flags\":[]}", "flags: not an object"),
            ("{\"flags\":{\"yes\":1}}", "flags.yes: neither true nor false"),
            ("{\"inner\":{\"1\":{},\"01\":{}}}", "inner.01: not an integer"),
            ("{\"inner\":{\"1\":{\"m\":{\"text\":1}}}}", "inner.1.m.text: not a string"),
            ("{\"time\":\"2023-02-29T00:00:00Z\"}", "time: no timestamp"),
            ("{\"time\":\"2023-01-01T00:00:00\"}", "time: no timestamp"),
            ("{\"time\":\"10000-01-01T00:00:00Z\"}", "time: no timestamp"),
            ("{\"span\":\"1\"}", "span: no duration"), ("{\"span\":\"315576000001s\"}", "span: no duration"),
            ("{\"mask\":\"foo_bar\"}", "mask: \"foo_bar\" is no path"),
            ("{\"any\":{\"anInt\":1}}", "any: an Any without \"@type\""),
            ("{\"any\":{\"@type\":\"x/Gone\"}}", "any: an Any of \"x/Gone\", which this schema does not have"),
        ])
    func `what does not fit is an error with its path`(text: String, message: String) throws {
        let error = #expect(throws: ProtobufError.self) { try read(text) }
        #expect(error?.message == message)
        #expect(error?.code == .value)
    }

    @Test func `the choices that are left open`() throws {
        var options = ProtobufJSONOptions()
        options.usesProtoNames = true
        options.writesEnumsAsNumbers = true
        let message = try read("{\"anInt\":1,\"e\":\"ONE\",\"@other\":\"x\"}")
        #expect(try print(message, options) == "{\"an_int\":1,\"e\":1,\"named\":\"x\"}")
        options = ProtobufJSONOptions()
        options.includesDefaults = true
        let written = try print(schema.emptyMessage(type), options)
        #expect(
            written
                == "{\"anInt\":0,\"long\":\"0\",\"big\":\"0\",\"real\":0.0,\"small\":0.0,\"flag\":false,\"text\":\"\",\"data\":\"\","
                + "\"e\":\"ZERO\",\"list\":[],\"flags\":{},\"inner\":{},\"@other\":\"\",\"null\":null,\"many\":[]}")
        options = ProtobufJSONOptions()
        options.ignoresUnknown = true
        #expect(
            try print(read("{\"what\":{\"a\":[1]},\"e\":\"TWO\",\"list\":[\"TWO\",\"ONE\"]}", options))
                == "{\"list\":[\"ONE\"]}")
    }

    @Test func `nesting beyond the bound is an error`() throws {
        for (open, close) in [("{\"m\":", "}"), ("{\"structure\":", "}")] {
            var text = String(repeating: open, count: 1) + "{}" + close
            for _ in 0..<200 { text = "{\"m\":" + text + "}" }
            #expect(throws: ProtobufError.self) { try read(text) }
        }
        let lists = "{\"value\":" + String(repeating: "[", count: 300) + String(repeating: "]", count: 300) + "}"
        #expect(throws: ProtobufError.self) { try read(lists) }
    }

    /// A schema's own message that is called like a well-known one, with other fields.
    @Test func `a message that only has a well-known name is written by its fields`() throws {
        let own = try ProtobufSchema(
            file: ProtoFile(
                parsing: "syntax = \"proto3\"; package google.protobuf; message Timestamp { string text = 1; }"))
        let json = JSONValue.object([("text", .string("x"))])
        let message = try own.message(json: json, as: 0)
        #expect(try own.json(message) == json)
    }
}
