import JSONFormat
import TestKit
import Testing

@Suite struct JSONTests {
    /// By the grammar of RFC 8259.
    @Test(
        arguments: [
            "null", " true ", "false", "0", "-0", "-1.5e+10", "1E5", "\"\"", "\"a\\u00e9\\n\"", "[]", "[1, [2], {}]",
            "{}",
            "{\"a\": {\"b\": [null]}, \"a\": 1}", "\"é\"", "\n[\t1\r]",
        ])
    func `accepts JSON`(text: String) {
        #expect(JSONText.isValid(Array(text.utf8)))
    }

    @Test(
        arguments: [
            "", " ", "nul", "nulll", "01", "+1", "1.", ".5", "1e", "-", "'a'", "\"a", "\"\\x\"", "\"\\u12g4\"",
            "\"\u{01}\"",
            "[1,]", "[,1]", "[1 2]", "{a: 1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "[", "{", "]", "1 2", "NaN",
        ])
    func `refuses what is not JSON`(text: String) {
        #expect(!JSONText.isValid(Array(text.utf8)))
    }

    @Test func `refuses bytes that are not UTF-8 and nesting without end`() {
        #expect(!JSONText.isValid([0x22, 0xFF, 0x22]))
        #expect(JSONText.isValid(Array((String(repeating: "[", count: 500) + String(repeating: "]", count: 500)).utf8)))
        #expect(!JSONText.isValid(Array(String(repeating: "[", count: 1_000_000).utf8)))
    }

    @Test(
        arguments: [
            ("\"plain\"", "plain"), ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\u{08}\u{0C}\n\r\t"), ("\"\\u00e9\"", "é"),
            ("\"\\ud83d\\ude00\"", "😀"), ("\"\\ud83d\"", "\u{FFFD}"), ("\"\\ude00x\"", "\u{FFFD}x"),
            ("\"\\ud83d\\u0041\"", "\u{FFFD}A"),
        ])
    func `reads strings`(json: String, text: String) {
        var scanner = JSONScanner(Array(json.utf8))
        #expect(scanner.string() == text)
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `reads the strings it quotes`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let text = String(
                String.UnicodeScalarView(
                    (0..<20).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0...0x400, using: &random)) }))
            var quoted: [UInt8] = []
            JSONText.quote(text.utf8, to: &quoted)
            #expect(JSONText.isValid(quoted))
            var scanner = JSONScanner(quoted)
            #expect(scanner.string() == text)
        }
    }

    @Test(arguments: Array(1...20) as [UInt64])
    func `never traps on damaged text`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let whole = Array("{\"a\": [1, -2.5e3, \"x\\u00e9\\ud83d\\ude00\", null, true], \"b\": {\"c\": {}}}".utf8)
        for _ in 0..<500 {
            var bytes = Array(whole.prefix(Int.random(in: 0...whole.count, using: &random)))
            for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if JSONText.isValid(bytes) { #expect(JSONText.isValid(JSONText.compact(bytes))) }
            var scanner = JSONScanner(bytes)
            _ = scanner.members()
            scanner = JSONScanner(bytes)
            _ = scanner.string()
            _ = JSONValue.parse(bytes)
        }
    }

    @Test func `prints values for programs and for people`() {
        let value = JSONValue.object([
            ("a", .array([.number(1), .null, .bool(true)])), ("b", .string("x\"\n\u{01}é")), ("c", .array([])),
            ("d", .object([])),
            ("e", .raw(Array("{}".utf8))), ("f", .string(nil)),
        ])
        #expect(
            String(decoding: value.bytes, as: UTF8.self)
                == #"{"a":[1,null,true],"b":"x\"\n\u0001é","c":[],"d":{},"e":{},"f":null}"#)
        #expect(
            String(decoding: value.pretty, as: UTF8.self) == """
                {
                  "a": [
                    1,
                    null,
                    true
                  ],
                  "b": "x\\"\\n\\u0001é",
                  "c": [],
                  "d": {},
                  "e": {},
                  "f": null
                }
                """)
    }

    @Test(arguments: [(" { \"a b\" : [ 1 , \"\\\" x\" ] } ", "{\"a b\":[1,\"\\\" x\"]}"), ("\n1\n", "1")])
    func `compacts without touching strings`(text: String, compact: String) {
        #expect(String(decoding: JSONText.compact(Array(text.utf8)), as: UTF8.self) == compact)
    }
}
