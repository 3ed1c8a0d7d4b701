import Cluster
import NIOCore
import RecordBatches
import TestKit
import Testing

@testable import swiftwater

@Suite struct RecordTextTests {
    private static let record = ConsumerRecord(
        topic: "t", partition: 3, offset: 42, timestamp: 0, key: ByteBuffer(string: "k"),
        value: ByteBuffer(string: "{\"a\": 1}"),
        headers: [RecordHeader(key: "h", value: Array("v".utf8)), RecordHeader(key: "n", value: nil)])

    private func line(_ printer: RecordPrinter, _ record: ConsumerRecord) -> String {
        String(decoding: printer.line(record), as: UTF8.self)
    }

    @Test func `prints the fields that are asked for`() {
        let all = RecordField.allCases
        #expect(
            line(RecordPrinter(layout: .text(all, separator: "|")), Self.record) == "t|3|42|0|k|{\"a\": 1}|h=v,n=null\n"
        )
        #expect(line(RecordPrinter(layout: .text([.value], separator: "\t")), Self.record) == "{\"a\": 1}\n")
        var printer = RecordPrinter(layout: .text([.key, .value], separator: " "))
        printer.keyFormat = .hex
        printer.valueFormat = .json
        #expect(line(printer, Self.record) == "6b {\"a\":1}\n")
    }

    @Test func `a terminal sees control characters, never obeys them`() {
        var record = Self.record
        record.value = ByteBuffer(string: "\u{1B}[31mred\u{07}\n\u{9B}x")
        let text = line(RecordPrinter(layout: .terminal), record)
        #expect(text == "3:42        1970-01-01T00:00:00.000Z  k  \\u{1b}[31mred\\u{7}\\n\\u{9b}x  h=v,n=null\n")
    }

    @Test func `prints JSON objects`() {
        var printer = RecordPrinter(layout: .json)
        #expect(
            line(printer, Self.record)
                == #"{"topic":"t","partition":3,"offset":42,"timestamp":0,"timestampType":"CreateTime","key":"k","#
                + #""value":"{\"a\": 1}","headers":[{"key":"h","value":"v"},{"key":"n","value":null}]}"# + "\n")
        printer.valueFormat = .json
        #expect(line(printer, Self.record).contains(#""value":{"a":1},"#))
        printer.valueFormat = .hex
        #expect(line(printer, Self.record).contains(#""valueHex":"7b2261223a20317d","#))
        var binary = Self.record
        binary.key = ByteBuffer(bytes: [0xFF])
        binary.value = nil
        #expect(line(printer, binary).contains(#""keyHex":"ff","value":null,"#))
    }

    /// By RFC 8259: one value, in UTF-8.
    @Test(
        arguments: [
            (Array("{\"a\": 1}".utf8), true), (Array(" 5 ".utf8), true), ([0xFF, 0xFE], false),
            (Array("abc".utf8), false),
            (Array("{\"a\":1}{\"b\":2}".utf8), false), ([], false),
        ] as [([UInt8], Bool)])
    func `a value that is not JSON is no record in this format`(bytes: [UInt8], fits: Bool) {
        var record = Self.record
        record.value = ByteBuffer(bytes: bytes)
        func isTaken(_ strict: StrictFormats) -> Bool {
            do {
                try strict.check(record)
                return true
            } catch {
                return false
            }
        }
        #expect(isTaken(StrictFormats(value: .json)) == fits)
        #expect(isTaken(StrictFormats()))
        #expect(!isTaken(StrictFormats(key: .json)))  // "k"
        record.key = nil
        record.value = nil
        #expect(isTaken(StrictFormats(key: .json, value: .json)))
    }

    /// By Java's `DataOutput` and IEEE 754, as Kafka's serializers have it.
    @Test(
        arguments: [
            (.short, "-2", [0xFF, 0xFE]), (.int, "7", [0, 0, 0, 7]), (.int, "-2147483648", [0x80, 0, 0, 0]),
            (.long, "1099511627776", [0, 0, 1, 0, 0, 0, 0, 0]), (.float, "-1.5", [0xBF, 0xC0, 0, 0]),
            (.double, "0.1", [0x3F, 0xB9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9A]),
            (.double, "-Infinity", [0xFF, 0xF0, 0, 0, 0, 0, 0, 0]), (.double, "NaN", [0x7F, 0xF8, 0, 0, 0, 0, 0, 0]),
            (.base64, "/+8=", [0xFF, 0xEF]), (.base64, "", []),
        ] as [(ByteFormat, String, [UInt8])])
    func `numbers and base64 go in and out`(format: ByteFormat, text: String, bytes: [UInt8]) throws {
        #expect(try format.decode(text.utf8) == bytes)
        #expect(String(decoding: format.encode(bytes), as: UTF8.self) == text)
        var record = Self.record
        (record.key, record.value) = (ByteBuffer(bytes: bytes), ByteBuffer(bytes: bytes))
        var printer = RecordPrinter(layout: .json)
        (printer.keyFormat, printer.valueFormat) = (format, format)
        var parser = RecordParser(input: .json)
        (parser.keyFormat, parser.valueFormat) = (format, format)
        let read = try parser.record(printer.line(record).dropLast())
        #expect(read.key == record.key && read.value == record.value)
    }

    @Test(
        arguments: [
            (.int, "7.5"), (.int, "2147483648"), (.short, "40000"), (.long, ""), (.long, " 1"), (.float, "x"),
            (.base64, "a"), (.base64, "a b="), (.float, "1e39"), (.float, "-1e39"), (.double, "1e400"),
            (.double, "-1e400"), (.int, "\u{1B}[2J"), (.json, "\u{9B}1m"), (.hex, "\u{7}"),
        ] as [(ByteFormat, String)])
    func `what is no number of the format is refused`(format: ByteFormat, text: String) {
        let failure = #expect(throws: CommandFailure.self) { try format.decode(text.utf8) }
        #expect(failure?.message.hasPrefix("not ") == true)
        #expect(failure?.message.unicodeScalars.contains { $0.value < 0x20 || 0x7F..<0xA0 ~= $0.value } == false)
    }

    @Test(arguments: [(.int, 3), (.int, 8), (.long, 4), (.double, 0), (.short, 4)] as [(ByteFormat, Int)])
    func `a number of another size is no record in this format`(format: ByteFormat, count: Int) {
        var record = Self.record
        record.value = ByteBuffer(bytes: [UInt8](repeating: 1, count: count))
        #expect(throws: (any Error).self) { try StrictFormats(value: format).check(record) }
        record.value = nil
        #expect(throws: Never.self) { try StrictFormats(value: format).check(record) }
    }

    @Test func `lines may begin with headers`() throws {
        var parser = RecordParser()
        parser.headerSeparator = "|"
        parser.keySeparator = ":"
        parser.headers = [RecordHeader(key: "all", value: [1])]
        let record = try parser.record(Array("a=1,b=x=y,c=|k:v|w".utf8))
        #expect(record.key == ByteBuffer(string: "k") && record.value == ByteBuffer(string: "v|w"))
        #expect(record.headers.map(\.key) == ["all", "a", "b", "c"])
        #expect(record.headers.map(\.value) == [[1], Array("1".utf8), Array("x=y".utf8), []])
        #expect(try parser.record(Array("|k:v".utf8)).headers.count == 1)
        for line in ["k:v", "a|k:v", "=1|k:v"] {
            #expect(throws: CommandFailure.self) { try parser.record(Array(line.utf8)) }
        }
    }

    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func `reads back the JSON objects it prints`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        func bytes() -> [UInt8]? {
            Bool.random(using: &random)
                ? nil
                : (0..<Int.random(in: 0...12, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        for _ in 0..<200 {
            let headers = (0..<Int.random(in: 0...2, using: &random)).map {
                RecordHeader(key: "h\($0)", value: bytes())
            }
            let record = ConsumerRecord(
                topic: "t", partition: 1, offset: 2, timestamp: 3, key: bytes().map { ByteBuffer(bytes: $0) },
                value: bytes().map { ByteBuffer(bytes: $0) }, headers: headers)
            let line = RecordPrinter(layout: .json).line(record)
            let expected = ProducerRecord(
                partition: 1, key: record.key, value: record.value, headers: headers, timestamp: 3)
            #expect(try RecordParser(input: .json).record(line.dropLast()) == expected)
        }
    }

    @Test func `lines become records`() throws {
        var parser = RecordParser()
        #expect(try parser.record(Array("a:b".utf8)) == ProducerRecord(value: ByteBuffer(string: "a:b")))
        parser.keySeparator = ":"
        parser.nullText = "NULL"
        parser.headers = [RecordHeader(key: "h", value: [1])]
        parser.timestamp = 5
        let record = try parser.record(Array("a:b:c".utf8))
        #expect(record.key == ByteBuffer(string: "a"))
        #expect(record.value == ByteBuffer(string: "b:c"))
        #expect(record.headers == parser.headers)
        #expect(record.timestamp == 5)
        #expect(try parser.record(Array(":".utf8)).value == ByteBuffer())
        #expect(try parser.record(Array("k:NULL".utf8)).value == nil)
        #expect(throws: CommandFailure.self) { try parser.record(Array("no separator".utf8)) }
        parser.keyFormat = .hex
        #expect(try parser.record(Array("FF0a:x".utf8)).key == ByteBuffer(bytes: [0xFF, 0x0A]))
        #expect(throws: CommandFailure.self) { try parser.record(Array("f:x".utf8)) }
        parser.valueFormat = .json
        #expect(try parser.record(Array("00: [1]".utf8)).value == ByteBuffer(string: " [1]"))
        #expect(throws: CommandFailure.self) { try parser.record(Array("00:[".utf8)) }
    }

    @Test func `JSON lines may leave members out and give headers as an object`() throws {
        let parser = RecordParser(input: .json)
        let record = try parser.record(
            Array(#" {"value": {"a": 1}, "key": 7, "headers": {"x": "y", "z": null}} "#.utf8))
        #expect(record.key == ByteBuffer(string: "7"))
        #expect(record.value == ByteBuffer(string: "{\"a\": 1}"))
        #expect(record.headers == [RecordHeader(key: "x", value: [0x79]), RecordHeader(key: "z", value: nil)])
        #expect(record.partition == nil)
        for wrong in [
            "", "[]", "{\"vlaue\": 1}", "{} x", "{\"partition\": \"a\"}", "{\"keyHex\": \"0\"}", "{\"headers\": 1}",
            "{\"headers\": [1]}", "{\"timestamp\": 1.5}",
        ] {
            #expect(throws: CommandFailure.self, "\(wrong)") { try parser.record(Array(wrong.utf8)) }
        }
    }

    @Test(arguments: 1...40)
    func `lines are the same however the stream is cut`(chunk: Int) {
        let text = Array("one\n\nthree\r\nünicode\nlast without end".utf8)
        var splitter = LineSplitter()
        var lines: [[UInt8]] = []
        var rest = text[...]
        while !rest.isEmpty {
            lines += splitter.split(rest.prefix(chunk))
            rest = rest.dropFirst(chunk)
        }
        if let last = splitter.rest() { lines.append(last) }
        #expect(
            lines.map { String(decoding: $0, as: UTF8.self) } == ["one", "", "three\r", "ünicode", "last without end"])
        #expect(splitter.count == 5)
        #expect(splitter.rest() == nil)
    }

    @Test(arguments: [("\\t", "\t"), ("a\\nb\\0", "a\nb\0"), ("\\\\t", "\\t"), ("\\x\\", "\\x\\"), ("", "")])
    func `escapes in separators`(text: String, meaning: String) {
        #expect(unescaped(text) == meaning)
    }

    @Test(arguments: Array(1...20) as [UInt64])
    func `never traps on damaged JSON`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let whole = Array("{\"key\": \"x\\u00e9\\ud83d\", \"value\": {\"a\": [1, -2.5e3]}, \"headers\": null}".utf8)
        for _ in 0..<200 {
            var bytes = Array(whole.prefix(Int.random(in: 0...whole.count, using: &random)))
            for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? RecordParser(input: .json).record(bytes)
        }
    }
}
