import JSONFormat
import TestKit
import Testing

@Suite struct CursorTests {
    @Test func `reads members where they lie`() throws {
        let text = Array(
            #"  {"stars": 5, "note" : "a\u00e9\n", "more":[1, {"x": null}], "ok":true, "none": null}  "#.utf8)
        let bytes = text.span.bytes
        var cursor = JSONCursor()
        var seen: [String] = []
        var hasMember = try cursor.enterObject(in: bytes)
        while hasMember {
            let name = try cursor.readName(in: bytes)
            if JSONCursor.isEqual(name, in: bytes, to: Array("stars".utf8)) {
                seen.append("stars \(try cursor.readInt64(in: bytes))")
            } else {
                switch try cursor.kind(in: bytes) {
                case .string: seen.append(JSONCursor.string(try cursor.readString(in: bytes), in: bytes))
                case .bool: seen.append("\(try cursor.readBool(in: bytes))")
                case .null: seen.append("\(try cursor.takeNull(in: bytes))")
                default: try cursor.skipValue(in: bytes)
                }
            }
            hasMember = try cursor.nextMember(in: bytes)
        }
        try cursor.expectEnd(in: bytes)
        #expect(seen == ["stars 5", "aé\n", "true", "true"])
    }

    /// By hand, counting from 1.
    @Test(
        arguments: [
            ("", "the text ends where a value should be at line 1, column 1"),
            ("{\n  \"a\" 1}", "expected ':' after the name of a member but found '1' at line 2, column 7"),
            ("[1 2]", "expected ',' or ']' after an element but found '2' at line 1, column 4"),
            ("[\"\\q\"]", "expected one of \"\\/bfnrtu after a backslash but found 'q' at line 1, column 4"),
            ("{\"a\":1,}", "expected the name of a member but found '}' at line 1, column 8"),
            ("\"\u{1}\"", "expected a character of a string but found byte 0x01 at line 1, column 2"),
            ("01", "expected the end of the text but found '1' at line 1, column 2"),
            ("\"abc", "the text ends where the end of a string should be at line 1, column 5"),
            ("1.", "the text ends where a digit should be at line 1, column 3"),
        ])
    func `tells what is wrong and where`(text: String, message: String) {
        #expect(throws: JSONError.self) { try JSONValue.read(text) }
        do {
            _ = try JSONValue.read(text)
        } catch {
            #expect(error.description == message)
            #expect(error.code == .syntax)
        }
    }

    /// RFC 3629: overlong forms, surrogates, beyond the last code point, cut sequences.
    @Test(
        arguments: [
            [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0x80], [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0xFF],
        ] as [[UInt8]])
    func `refuses strings that are not UTF-8`(bytes: [UInt8]) {
        for padding in 0..<9 {
            let text = [0x22] + [UInt8](repeating: 0x61, count: padding) + bytes + Array("abcdefgh\"".utf8)
            #expect(!JSONText.isValid(text))
            #expect(JSONValue.parse(text) == nil)
        }
    }

    @Test(arguments: ["é", "\u{7FF}", "\u{800}", "\u{FFFF}", "\u{10000}", "\u{10FFFF}", "a\u{D7FF}b\u{E000}c"])
    func `accepts strings that are`(text: String) {
        let value = JSONValue.string(text)
        #expect(JSONValue.parse(value.bytes) == value)
    }

    @Test func `does as it is told about members of one name`() throws {
        let text = #"{"a": 1, "b": 2, "a": 3}"#
        let kept = try JSONValue.read(text)
        #expect(kept.members?.count == 3)
        let last = try JSONValue.read(text, duplicates: .last)
        #expect(String(decoding: last.bytes, as: UTF8.self) == #"{"a":3,"b":2}"#)
        #expect(throws: JSONError.self) { try JSONValue.read(text, duplicates: .refuse) }
        // The same for more members than are looked at one by one. "é" written in two ways are two names.
        let many =
            "{" + (0..<50).map { "\"k\($0)\": \($0)," }.joined() + "\"k7\": true, \"e\u{301}\": 1, \"\u{e9}\": 2}"
        let read = try JSONValue.read(many, duplicates: .last)
        #expect(read.members?.count == 52)
        #expect(read.members?[7].1.flag == true)
    }

    @Test func `has a limit of depth`() throws {
        let text = String(repeating: "[", count: 20) + String(repeating: "]", count: 20)
        _ = try JSONValue.read(text, depthMax: 20)
        do {
            _ = try JSONValue.read(text, depthMax: 19)
            Issue.record("read")
        } catch {
            #expect(error.code == .tooDeep)
        }
        let hostile = Array(String(repeating: "{\"a\":[", count: 500_000).utf8)
        #expect(JSONValue.parse(hostile) == nil)
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("9223372036854775808", nil),
            ("-9223372036854775809", nil), ("99999999999999999999", nil), ("1.0", nil), ("1e3", nil), ("12", 12),
        ] as [(String, Int64?)])
    func `reads integers that fit`(text: String, value: Int64?) {
        let bytes = Array(text.utf8)
        var cursor = JSONCursor()
        do {
            let read = try cursor.readInt64(in: bytes.span.bytes)
            #expect(read == value)
        } catch {
            #expect(value == nil)
            #expect(error.code == .mismatch)
            #expect(cursor.at == 0)
        }
    }

    /// `Double`'s own reader is the judge.
    @Test(arguments: Array(1...10) as [UInt64])
    func `reads the double that is nearest`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var texts = [
            "0.1", "1e400", "-1e-400", "123456789012345678901234567890", "4.9e-324", "2.2250738585072014e-308",
        ]
        for _ in 0..<200 {
            let value = Double(bitPattern: UInt64.random(in: 0...UInt64.max, using: &random))
            if value.isFinite { texts.append(value.description) }
            texts.append(
                "\(Int.random(in: -999_999...999_999, using: &random)).\(UInt32.random(in: 0...999, using: &random))")
            texts.append(
                "\(UInt64.random(in: 0...UInt64.max, using: &random))e\(Int.random(in: -30...30, using: &random))")
        }
        for text in texts {
            let bytes = Array(text.utf8)
            var cursor = JSONCursor()
            let value = try cursor.readDouble(in: bytes.span.bytes)
            #expect(value == Double(text), "\(text)")
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `writes piece by piece what a value writes`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var writer = JSONWriter()
        func write(_ depth: Int) -> JSONValue {
            switch Int.random(in: 0..<(depth > 3 ? 4 : 6), using: &random) {
            case 0:
                writer.null()
                return .null
            case 1:
                writer.bool(true)
                return .bool(true)
            case 2:
                let number = Int64.random(in: .min ... .max, using: &random)
                writer.integer(number)
                return .number(number)
            case 3:
                let text = ["", "a\"\\\n\u{8}\u{c}", "é😀 and some more of it", "\u{1}\u{1f}\u{7f}"][
                    Int.random(in: 0..<4, using: &random)]
                writer.string(text)
                return .string(text)
            case 4:
                writer.beginArray()
                let elements = (0..<Int.random(in: 0..<4, using: &random)).map { _ in write(depth + 1) }
                writer.endArray()
                return .array(elements)
            default:
                writer.beginObject()
                let members = (0..<Int.random(in: 0..<4, using: &random)).map { number in
                    writer.name("k\(number)")
                    return ("k\(number)", write(depth + 1))
                }
                writer.endObject()
                return .object(members)
            }
        }
        for _ in 0..<100 {
            writer.removeAll()
            let value = write(0)
            #expect(writer.bytes == value.bytes)
            #expect(JSONValue.parse(writer.bytes) == value)
        }
    }
}
