import ConnectCore
import Testing

@testable import ConnectorHTTP

@Suite struct RecordTemplateTests {
    private let value = object([
        ("FULL_NAME", .string("Ada L")), ("stars", .int32(2)), ("a", object([("b", object([("c", .float64(1.5))]))])),
        ("gone", .null), ("topic", .string("field")),
    ])

    @Test(arguments: [
        ("plain", "plain"), ("${topic}/${key}", "t/k 1"), ("${FULL_NAME} gave ${stars}", "Ada L gave 2"),
        ("${full_name}", "Ada L"), ("${a.b.c}", "1.5"), ("${a.B.C}", "1.5"), ("[${gone}${none}${a.x}]", "[]"),
        ("${partition}-${offset}@${timestamp}", "3-7@5"), ("open ${key", "open ${key"),
        ("$5 {x} $${stars}", "$5 {x} $2"),
        ("", ""),
    ])
    func `puts in what a record holds`(text: String, expected: String) {
        let record = record(value, key: .string("k 1"), offset: 7, partition: 3)
        #expect(RecordTemplate(text).text(record) == expected)
    }

    @Test func `fields or the record first`() {
        #expect(RecordTemplate("${topic}").text(record(value)) == "t")
        #expect(RecordTemplate("${topic}", prefersFields: true).text(record(value)) == "field")
    }

    @Test func `looks into JSON texts`() {
        #expect(RecordTemplate("${a.b}").text(record(.string(#" {"a":{"b":"x"}}"#))) == "x")
        #expect(RecordTemplate("${a}").text(record(.string("{no json"))) == "")
    }

    @Test func `encodes what is put in and nothing else`() {
        let template = RecordTemplate("http://h/a b/${key}")
        #expect(template.text(record(.null, key: .string("x"))) { "<\($0)>" } == "http://h/a b/<x>")
    }

    @Test func `replacements are Java's`() throws {
        let swap = try TextReplacement("(\\w+)@(\\w+)", "$2 at $1 of ${topic} \\$1")
        #expect(try swap.apply("a@b, c@d", record(.null, topic: "t$2")) == "b at a of t$2 $1, d at c of t$2 $1")
        #expect(throws: ConnectError.self) { try TextReplacement("(", "") }
    }
}
