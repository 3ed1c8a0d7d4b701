import JSONFormat
import TestKit
import Testing

@Suite struct ParsingTests {
    @Test(
        arguments: [
            ("null", .null), (" true ", .bool(true)), ("-0", .raw(Array("-0".utf8))), ("12", .number(12)),
            ("9223372036854775807", .number(.max)),
            ("9223372036854775808", .raw(Array("9223372036854775808".utf8))), ("1.50", .raw(Array("1.50".utf8))),
            ("1e3", .raw(Array("1e3".utf8))), ("\"a\\u00e9\"", .string("aé")), ("[]", .array([])), ("{}", .object([])),
            (
                "{\"b\": [1, {\"a\": null}], \"a\": false}",
                .object([("b", .array([.number(1), .object([("a", .null)])])), ("a", .bool(false))])
            ),
        ] as [(String, JSONValue)])
    func `reads a document`(text: String, value: JSONValue) {
        #expect(JSONValue.parse(Array(text.utf8)) == value)
    }

    @Test(arguments: ["", "{", "[1,]", "1 2", "{\"a\"}", "nul", "\"\\ud800", "\u{FEFF}1"])
    func `refuses what is none`(text: String) {
        #expect(JSONValue.parse(Array(text.utf8)) == nil)
    }

    @Test func `finds members, the last of a name`() {
        let value = JSONValue.parse(Array("{\"a\": 1, \"b\": \"x\", \"a\": 2, \"c\": [true], \"d\": {\"e\": 0}}".utf8))
        #expect(value?["a"]?.integer == 2)
        #expect(value?["b"]?.text == "x")
        #expect(value?["c"]?.elements?.first?.flag == true)
        #expect(value?["d"]?.members?.count == 1)
        #expect(value?["z"] == nil)
        #expect(value?["a"]?["a"] == nil)
    }

    /// Whatever is read is written as a document that reads the same; broken ones never trap.
    @Test(arguments: Array(1...10) as [UInt64])
    func `reads what it writes, and survives every damage`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        func value(_ depth: Int) -> JSONValue {
            switch Int.random(in: 0..<(depth > 3 ? 4 : 6), using: &random) {
            case 0: return .null
            case 1: return .bool(Bool.random(using: &random))
            case 2: return .number(Int64.random(in: .min ... .max, using: &random))
            case 3: return .string(["", "a\"\\\n", "é😀", "\u{1}"].randomElement(using: &random) ?? "")
            case 4: return .array((0..<Int.random(in: 0..<4, using: &random)).map { _ in value(depth + 1) })
            default:
                return .object((0..<Int.random(in: 0..<4, using: &random)).map { ("k\($0)", value(depth + 1)) })
            }
        }
        for _ in 0..<100 {
            let original = value(0)
            #expect(JSONValue.parse(original.bytes) == original)
            #expect(JSONValue.parse(original.pretty) == original)
            var damaged = original.bytes
            damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            _ = JSONValue.parse(damaged)
            _ = JSONValue.parse(Array(original.bytes.dropLast()))
        }
    }
}
