import JSONFormat
import TestKit
import Testing

@Suite struct NumberTests {
    private func number(_ text: String) throws -> JSONNumber { try #require(JSONNumber(Array(text.utf8))) }

    /// In order, equal ones in one group; by hand.
    @Test func `compares by value`() throws {
        let groups = [
            ["-1e400"], ["-12.5", "-1.25e1"], ["-12"], ["-1e-400"], ["0", "-0", "0.000", "0e99"], ["1e-400"],
            ["0.1", "1e-1"],
            ["1", "1.0", "10e-1", "0.01e2"], ["1.0000000000000000001"], ["9007199254740992"], ["9007199254740993"],
            ["1e400"], ["1.1e400"],
        ]
        for (place, group) in groups.enumerated() {
            for (other, rest) in groups.enumerated() {
                for a in try group.map(number) {
                    for b in try rest.map(number) {
                        #expect((a < b) == (place < other))
                        #expect((a == b) == (place == other))
                    }
                }
            }
        }
    }

    @Test(
        arguments: [
            ("10", "2", true), ("10", "3", false), ("0", "7", true), ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("35", "1.5", false), ("4.5", "1.5", true), ("1e400", "7", false), ("7e400", "7", true),
            ("1e400", "1e399", true),
            ("1e-400", "1", false), ("12345678901234567890", "10", true), ("9007199254740993", "2", false),
            ("-9", "3", true),
            ("1e308", "0.123456789", false), ("3", "0", false),
        ])
    func `divides exactly`(text: String, divisor: String, isMultiple: Bool) throws {
        #expect(try number(text).isMultiple(of: number(divisor)) == isMultiple)
    }

    @Test(arguments: Array(1...5) as [UInt64])
    func `agrees with integers`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            let a = Int64.random(in: -1000...1000, using: &random)
            let b = Int64.random(in: 1...30, using: &random)
            let c = Int64.random(in: .min ... .max, using: &random)
            #expect(JSONNumber(a).isMultiple(of: JSONNumber(b)) == (a % b == 0))
            #expect((JSONNumber(a) < JSONNumber(b)) == (a < b))
            #expect(JSONNumber(c).int64 == c)
            #expect(JSONNumber(c).isMultiple(of: JSONNumber(b)) == (c % b == 0))
        }
    }

    /// Java's `new BigDecimal(text).toString()`, from its documentation.
    @Test(
        arguments: [
            ("0", "0"), ("-0", "0"), ("12", "12"), ("1.0", "1.0"), ("1.50", "1.50"), ("1e3", "1E+3"), ("1E-7", "1E-7"),
            ("0.000001", "0.000001"), ("0.0000001", "1E-7"), ("0.00000012", "1.2E-7"), ("12.3e2", "1.23E+3"),
            ("123e-2", "1.23"), ("-1.5E+10", "-1.5E+10"), ("0.0", "0.0"), ("-0.0", "0.0"), ("0e3", "0E+3"),
            ("00", "00"),
            ("123e-10", "1.23E-8"), ("1e0", "1"), ("100e-2", "1.00"), ("0.10e1", "1.0"),
        ])
    func `prints numbers as Java does`(text: String, java: String) {
        #expect(String(decoding: JSONNumber.javaText(Array(text.utf8)), as: UTF8.self) == java)
    }

    /// Members as Jackson keeps them, and in the order of Java's `TreeMap`: by UTF-16 code units, so that U+10000 comes
    /// before U+FFFF.
    @Test func `prints values as Java does`() throws {
        let text =
            "{ \"b\" : [1.0, 1e2, \"\\u0008\\u001f\\/\\u007f\"], \"a\": 1, \"\u{FFFF}\": 1, \"\u{10000}\": 2, \"b2\": 0, \"a\": 3 }"
        let value = try JSONValue.read(text)
        #expect(
            String(decoding: value.javaBytes(), as: UTF8.self)
                == "{\"b\":[1.0,1E+2,\"\\b\\u001F/\u{7f}\"],\"a\":3,\"\u{FFFF}\":1,\"\u{10000}\":2,\"b2\":0}")
        #expect(
            String(decoding: value.javaBytes(isSorted: true), as: UTF8.self)
                == "{\"a\":3,\"b\":[1.0,1E+2,\"\\b\\u001F/\u{7f}\"],\"b2\":0,\"\u{10000}\":2,\"\u{FFFF}\":1}")
    }

    @Test(arguments: ["", " 1", "\r1E-4", "\n1", "\t-1", "1 ", "+1", "01", ".5", "1.", "1e", "-"])
    func `what is no number is none`(text: String) {
        #expect(JSONNumber(Array(text.utf8)) == nil)
    }
}
