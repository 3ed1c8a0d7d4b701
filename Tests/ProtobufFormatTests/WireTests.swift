import Bytes
import JSONFormat
import ProtobufFormat
import TestKit
import Testing

@Suite struct WireTests {
    private func schema(_ text: String) throws -> ProtobufSchema { try ProtobufSchema(file: ProtoFile(parsing: text)) }

    private static let proto3 = """
        syntax = "proto3";
        message M {
          int32 a = 1; string b = 2; M c = 3; repeated int32 d = 4; repeated int32 e = 5 [packed = false];
          oneof o { int32 f = 6; string g = 7; M h = 8; } map<string, int32> i = 9; sint32 j = 10; E k = 11;
          optional int32 l = 12; bool m = 13; fixed32 n = 14; double p = 15; bytes q = 3000;
        }
        enum E { Z = 0; Y = 1; }
        """

    /// The first four are the examples of the encoding guide; the others follow from its rules.
    @Test(
        arguments: [
            ("089601", "{\"a\":150}", nil),
            ("120774657374696e67", "{\"b\":\"testing\"}", nil),
            ("1a03089601", "{\"c\":{\"a\":150}}", nil),
            ("2206038e029ea705", "{\"d\":[3,270,86942]}", nil),
            // one by one where packed is expected, and the other way round
            ("2003208e02", "{\"d\":[3,270]}", "2203038e02"),
            ("2a03038e02", "{\"e\":[3,270]}", "2803288e02"),
            // the last value counts
            ("08010802", "{\"a\":2}", "0802"),
            // messages in parts are one
            ("1a0208011a031201 78", "{\"c\":{\"a\":1,\"b\":\"x\"}}", "1a050801120178"),
            // the last member of a oneof wins; one message of it in parts is merged
            ("30013a0178", "{\"g\":\"x\"}", "3a0178"),
            ("3a01783001", "{\"f\":1}", "3001"),
            ("4202080142031201 78", "{\"h\":{\"a\":1,\"b\":\"x\"}}", "42050801120178"),
            ("30004200", "{\"h\":{}}", "4200"),
            // keys of maps that come twice, and entries with parts missing
            ("4a050a0161100 14a050a01611002", "{\"i\":{\"a\":2}}", "4a050a01611002"),
            ("4a00", "{\"i\":{\"\":0}}", "4a040a001000"),
            // negative numbers have ten bytes, zig-zag ones do not
            ("08ffffffffffffffffff01", "{\"a\":-1}", nil),
            ("5001", "{\"j\":-1}", nil),
            // more bits than the type has are cut off
            ("08ffffffff1f", "{\"a\":-1}", "08ffffffffffffffffff01"),
            // an open enum holds what it has no name for
            ("5805", "{\"k\":5}", nil),
            // a default that can be told from "not set", and one that cannot
            ("6000", "{\"l\":0}", nil),
            ("0800", "{}", ""),
            ("6802", "{\"m\":true}", "6801"),
            ("7501000000", "{\"n\":1}", nil),
            ("79000000000000f03f", "{\"p\":1.0}", nil),
            ("c2bb0102ff00", "{\"q\":\"/wA=\"}", nil),
        ] as [(String, String, String?)])
    func `messages are read by the rules of the encoding`(hex: String, json: String, canonical: String?) throws {
        let schema = try schema(Self.proto3)
        let bytes = try #require(hexBytes(hex))
        let message = try schema.decode(bytes, as: 0)
        #expect(String(decoding: try schema.json(message).bytes, as: UTF8.self) == json)
        #expect(try schema.encode(message) == (try #require(hexBytes(canonical ?? hex))))
    }

    @Test(
        arguments: [
            ("08", "bytes end inside a value"), ("1205 7465", "bytes end inside a value"),
            ("0affffffffffffffffff01", "bytes end inside a value"),
            ("12ffffffff7f", "bytes end inside a value"),
            ("08ffffffffffffffffffff01", "varint longer than 10 bytes"),
            ("00", "field number 0"), ("0f", "unknown wire type 7"), ("80808080 7f01", "field number 4261412864"),
            ("7c", "a group ends that has not begun"), ("1b0801", "bytes end inside a value"),
            ("1201ff", "a string that is not UTF-8"), ("7500", "bytes end inside a value"),
        ])
    func `malformed bytes are errors`(hex: String, message: String) throws {
        let schema = try schema(Self.proto3)
        let bytes = try #require(hexBytes(hex))
        let error = #expect(throws: WireError.self) { try schema.decode(bytes, as: 0) }
        #expect(error?.description == message)
    }

    @Test func `what is not known is kept`() throws {
        let schema = try schema(
            "syntax = \"proto2\"; message M { optional int32 a = 1; optional E e = 2; repeated E r = 3; } enum E { X = 1; }"
        )
        // a = 1; field 9 of each wire type, a group with a field inside; 5 and 1, 7 are constants of E, 5 and 7 are not
        let bytes = try #require(hexBytes("0801 4805 490102030405060708 4a026162 4b10014c 4d01020304 1005 1a03010701"))
        let message = try schema.decode(bytes, as: 0)
        #expect(message.value("e", in: schema) == nil)
        #expect(message.value("r", in: schema) == .list([.enumeration(1), .enumeration(1)]))
        let expected = "0801 1801 1801 4805 490102030405060708 4a026162 4b10014c 4d01020304 1005 1807"
        #expect(try schema.encode(message) == (try #require(hexBytes(expected))))
    }

    @Test func `groups, defaults and required fields of proto2`() throws {
        let schema = try schema(
            """
            message M {
              required int32 a = 1; optional string b = 2 [default = "d"]; optional E e = 5; repeated group G = 3 { optional int32 x = 4; }
            }
            enum E { X = 7; Y = 8; }
            """)
        let message = try schema.decode(try #require(hexBytes("0801 1b2005 1c 1b1c")), as: 0)
        #expect(String(decoding: try schema.json(message).bytes, as: UTF8.self) == "{\"a\":1,\"g\":[{\"x\":5},{}]}")
        #expect(try schema.encode(message) == (try #require(hexBytes("0801 1b20051c 1b1c"))))
        let fields = schema.messages[0].fields
        #expect(schema.defaultValue(of: fields[1]) == .string("d"))
        #expect(schema.defaultValue(of: fields[2]) == .enumeration(7))
        let error = #expect(throws: WireError.self) { try schema.decode([], as: 0) }
        #expect(error?.description == "required field \"M.a\" is missing")
        #expect(throws: ProtobufError.self) { try schema.encode(schema.emptyMessage(0)) }
        #expect(throws: WireError.self) { try schema.decode(hexBytes("0801 1b24") ?? [], as: 0) }  // ends another group
    }

    @Test func `nesting beyond the bound is an error`() throws {
        let schema = try schema("message M { optional M m = 1; optional group G = 2 { optional M m = 1; } }")
        func nested(_ depth: Int) -> [UInt8] {
            var bytes: [UInt8] = []
            for _ in 0..<depth {
                var prefix: [UInt8] = [0x0A]
                Varint.append(unsigned: UInt64(bytes.count), to: &prefix)
                bytes = prefix + bytes
            }
            return bytes
        }
        #expect(try schema.encode(schema.decode(nested(99), as: 0)) == nested(99))
        for bytes in [
            nested(100), nested(5000), Array(repeating: 0x13, count: 100_000), Array(repeating: 0x1B, count: 100_000),
        ] {
            #expect(throws: WireError.self) { try schema.decode(bytes, as: 0) }
        }
    }

    /// The list [0] is one byte, as Confluent's serializers write it; the others are counts and places, zig-zag.
    @Test(
        arguments: [
            ([0], "00"), ([1], "0202"), ([0, 0], "040000"), ([2, 1, 63], "0604027e"), ([300], "02d804"),
        ] as [([Int32], String)])
    func `message indexes are written and read`(path: [Int32], hex: String) throws {
        var bytes: [UInt8] = []
        MessageIndexes.append(path, to: &bytes)
        #expect(bytes == hexBytes(hex))
        var at = 0
        let read = try MessageIndexes.decode(bytes.span.bytes, at: &at)
        #expect(read == path)
        #expect(at == bytes.count)
    }

    @Test(arguments: ["", "02", "01", "0201", "feffffff0f", "ffffffffffff", "820200"])
    func `message indexes that make no sense are errors`(hex: String) throws {
        let bytes = try #require(hexBytes(hex))
        #expect(throws: WireError.self) {
            var at = 0
            return try MessageIndexes.decode(bytes.span.bytes, at: &at)
        }
    }

    private func hexBytes(_ text: String) -> [UInt8]? {
        let digits = Array(text.filter { $0 != " " })
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(digits[index...(index + 1)]), radix: 16) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
