import JSONFormat
import Testing

/// What Jackson takes with `ALLOW_LEADING_ZEROS_FOR_NUMBERS` and without a look at what follows, as Kafka Connect reads JSON.
@Suite struct FirstValueTests {
    @Test(arguments: [
        (#"{"a":007}"#, #"{"a":7}"#), ("-05", "-5"), ("00.5", "00.5"), (#"{"a":1} {"b":2}"#, #"{"a":1}"#),
        (#"{"a":1}}"#, #"{"a":1}"#), ("\u{FEFF}[1]", "[1]"), ("1 x", "1"), ("true}", "true"),
    ])
    func `takes the first value`(text: String, want: String) throws {
        #expect(String(decoding: try JSONValue.readFirst(Array(text.utf8)).bytes, as: UTF8.self) == want)
    }

    @Test(arguments: ["1x", "truer", "nullé", "0x1", #"{"a":1"#, "+1", ".5"])
    func `refuses what is no value`(text: String) {
        #expect(throws: JSONError.self) { try JSONValue.readFirst(Array(text.utf8)) }
    }

    @Test(arguments: [false, true], [false, true])
    func `other encodings are found out`(isBigEndian: Bool, hasMark: Bool) throws {
        let text = (hasMark ? "\u{FEFF}" : "") + #"{"ä":"🌊"}"#
        func bytes(_ unit: UInt32, _ count: Int) -> [UInt8] {
            let all = (0..<count).map { UInt8(truncatingIfNeeded: unit >> UInt32(8 * $0)) }
            return isBigEndian ? all.reversed() : all
        }
        let want = Array(#"{"ä":"🌊"}"#.utf8)
        #expect(JSONText.utf8(text.utf16.flatMap { bytes(UInt32($0), 2) }) == want)
        #expect(JSONText.utf8(text.unicodeScalars.flatMap { bytes($0.value, 4) }) == want)
    }

    @Test func `short texts are left alone`() {
        for text in [[], [0], [0, 0, 0xFE], [0xFF, 0xFE], [0x31]] as [[UInt8]] { _ = JSONText.utf8(text) }
        #expect(JSONText.utf8([0x31]) == [0x31])
    }

    @Test func `others stay strict`() {
        for text in ["007", "{} {}", "\u{FEFF}1"] { #expect(JSONValue.parse(Array(text.utf8)) == nil, "\(text)") }
    }
}
