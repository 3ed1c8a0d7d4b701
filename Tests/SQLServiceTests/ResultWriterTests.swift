import JSONFormat
import NIOCore
import SQLTypes
import Testing

@testable import SQLService

@Suite struct ResultWriterTests {
    private static let columns = [
        SQLColumn("K", .string, role: .key), SQLColumn("V", .decimal(precision: 4, scale: 2)),
    ]

    private func text(
        _ form: ResultWriter.Form, isStreamed: Bool, _ body: (inout ResultWriter, inout [UInt8]) throws -> Void
    ) throws -> String {
        var writer = try ResultWriter(form, queryID: "q\"1", columns: Self.columns, isStreamed: isStreamed)
        var output: [UInt8] = []
        writer.begin(&output)
        try body(&writer, &output)
        return String(decoding: output, as: UTF8.self)
    }

    private static let row: [SQLValue] = [.string("a\n"), .decimal(SQLDecimal(unscaled: 120, scale: 2))]

    /// By the reference's sections 18.2 and 18.3.
    @Test func `writes each form`() throws {
        let header =
            "{\"header\":{\"queryId\":\"q\\\"1\",\"schema\":\"`K` STRING KEY, `V` DECIMAL(4, 2)\"}}"
        #expect(
            try text(.rows, isStreamed: false) { writer, output in
                try writer.row(Self.row, &output)
                writer.end(nil, &output)
            } == "[\(header),\n{\"row\":{\"columns\":[\"a\\n\",1.20]}}]\n")
        #expect(
            try text(.rows, isStreamed: true) { writer, output in
                try writer.row([.string("a"), .null], isTombstone: true, &output)
                writer.end("Limit Reached", &output)
            }
                == "[\(header),\n{\"row\":{\"columns\":[\"a\",null],\"tombstone\":true}},\n{\"finalMessage\":\"Limit Reached\"}]\n"
        )
        let metadata =
            "{\"queryId\":\"q\\\"1\",\"columnNames\":[\"K\",\"V\"],\"columnTypes\":[\"STRING\",\"DECIMAL(4, 2)\"]}"
        #expect(
            try text(.lines, isStreamed: true) { writer, output in
                try writer.row([.string("a"), .null], isTombstone: true, &output)
                try writer.row(Self.row, &output)
                writer.end("Query Completed", &output)
            } == "\(metadata)\n[\"a\\n\",1.20]\n")
        #expect(
            try text(.array, isStreamed: false) { writer, output in
                try writer.row(Self.row, &output)
                writer.end("Query Completed", &output)
            } == "[\(metadata),\n[\"a\\n\",1.20]]\n")
        #expect(
            try text(.messages, isStreamed: true) { writer, output in
                try writer.row(Self.row, &output)
                writer.end("Limit Reached", &output)
            } == "{\"row\":{\"columns\":[\"a\\n\",1.20]}}\n{\"finalMessage\":\"Limit Reached\"}\n")
    }

    @Test(arguments: [ResultWriter.Form.rows, .protobuf, .array])
    func `is JSON as a whole`(form: ResultWriter.Form) throws {
        for isStreamed in [true, false] {
            let complete = try text(form, isStreamed: isStreamed) { writer, output in
                try writer.row(Self.row, &output)
                try writer.row(Self.row, &output)
                // Without a message, only what is not streamed ends well.
                writer.failure(.server("no \"more\""), &output)
                if form == .array, isStreamed { output.removeAll() }
            }
            if form == .array, isStreamed { continue }
            let value = JSONValue.parse(Array(complete.utf8))
            guard case .array(let parts)? = value else {
                Issue.record("\(complete)")
                continue
            }
            #expect(parts.count == 4)
        }
    }

    /// By the Protocol Buffers encoding guide: field 1, a text; field 2, the bytes of the number that DECIMAL becomes.
    @Test func `writes Protocol Buffers`() throws {
        let columns = [SQLColumn("ID", .string, role: .key), SQLColumn("N", .bigint)]
        var writer = try ResultWriter(.protobuf, queryID: "q", columns: columns, isStreamed: false)
        var output: [UInt8] = []
        writer.begin(&output)
        try writer.row([.string("10"), .bigint(3)], &output)
        writer.end(nil, &output)
        guard case .array(let parts)? = JSONValue.parse(output) else {
            Issue.record("no array")
            return
        }
        #expect(
            parts.first?["header"]?["protoSchema"]?.text
                == "syntax = \"proto3\";\n\nmessage ConnectDefault1 {\n  string ID = 1;\n  int64 N = 2;\n}\n")
        #expect(
            parts.last?["row"]?["protobufBytes"]?.text == Base64.encode([0x0A, 2, 0x31, 0x30, 0x10, 3]))
    }

    @Test(
        arguments: [
            (.double(1e10), .double, "1.0E10"), (.double(.nan), .double, "\"NaN\""),
            (.double(-.infinity), .double, "\"-Infinity\""), (.bytes([33]), .bytes, "\"IQ==\""),
            (.date(1), .date, "\"1970-01-02\""), (.timestamp(1000), .timestamp, "\"1970-01-01T00:00:01.000\""),
            (.array([.int(1), .null]), .array(.int), "[1,null]"),
            (.structure([.int(1)]), .structure([SQLField("a\"", .int)]), "{\"a\\\"\":1}"),
            (.map(SQLMap(keys: [.int(1)], values: [.string("x")])), .map(key: .int, value: .string), "{\"1\":\"x\"}"),
        ] as [(SQLValue, SQLType, String)])
    func `writes values`(value: SQLValue, type: SQLType, text: String) {
        var output: [UInt8] = []
        RowText.append(value, type, to: &output)
        #expect(String(decoding: output, as: UTF8.self) == text)
    }

    @Test(
        arguments: [
            ("1", .int, .int(1)), ("\"12\"", .bigint, .bigint(12)), ("1", .double, .double(1)),
            ("\"1.5\"", .double, .double(1.5)), ("7", .string, .string("7")), ("\"IQ==\"", .bytes, .bytes([33])),
            ("1.2", .decimal(precision: 4, scale: 2), .decimal(SQLDecimal(unscaled: 120, scale: 2))),
            ("1.235", .decimal(precision: 4, scale: 2), .decimal(SQLDecimal(unscaled: 124, scale: 2))),
            ("\"1970-01-02\"", .date, .date(1)), ("1000", .timestamp, .timestamp(1000)),
            (
                "{\"`a`\":1,\"B\":\"2\"}", .structure([SQLField("a", .int), SQLField("B", .int)]),
                .structure([.int(1), .int(2)])
            ),
            ("[1,\"2\"]", .array(.int), .array([.int(1), .int(2)])), ("null", .int, .null),
        ] as [(String, SQLType, SQLValue)])
    func `reads values of inserts`(text: String, type: SQLType, value: SQLValue) throws {
        let json = try #require(JSONValue.parse(Array(text.utf8)))
        #expect(try RowReading.value(json, type) == value)
    }

    @Test(
        arguments: [
            ("1.5", .int), ("3000000000", .int), ("\"x\"", .bigint), ("true", .int), ("[1]", .string),
            ("\"!\"", .bytes),
            ("123.4", .decimal(precision: 4, scale: 2)),
            ("{}", .array(.int)),
        ] as [(String, SQLType)])
    func `refuses values of inserts that lose something`(text: String, type: SQLType) throws {
        let json = try #require(JSONValue.parse(Array(text.utf8)))
        #expect(throws: RowReading.Failure.self) { try RowReading.value(json, type) }
    }
}

@Suite struct FormatGuessTests {
    private func guess(_ records: [[UInt8]?], isKey: Bool = false) -> (formats: String, texts: [String]) {
        var guess = FormatGuess(isKey: isKey, schemas: SchemaTexts(nil))
        let texts = records.map { guess.text($0) }
        return (guess.description, texts)
    }

    /// By the reference's section 5.2.
    @Test func `guesses`() {
        #expect(guess([]).formats == FormatGuess.noData)
        #expect(guess([nil]).texts == ["<null>"])
        #expect(guess([Array("{\"a\":1}".utf8)]).formats == "JSON or KAFKA_STRING")
        #expect(guess([Array("10".utf8), Array("x".utf8)]).formats == "KAFKA_STRING")
        let int = guess([[0, 0, 0, 18]])
        #expect(int.formats == "KAFKA_INT or KAFKA_STRING")
        #expect(int.texts == ["18"])
        #expect(guess([[0, 0, 0, 0, 0, 0, 0, 18]]).formats == "KAFKA_BIGINT or KAFKA_DOUBLE or KAFKA_STRING")
        #expect(guess([[0xFF, 0xFE]]).formats == "UNRECOGNISED_BYTES")
        let mixed = guess([Array("text".utf8) + [0x31], [0xFF, 0xFE, 0xFD]])
        #expect(mixed.formats == "MIXED")
        #expect(mixed.texts.last == "fffefd")
    }

    @Test func `sees the windows of keys`() {
        let start: [UInt8] = [0, 0, 0x01, 0x72, 0x16, 0x1A, 0x7C, 0x00]
        let time = guess([Array("key".utf8) + start], isKey: true)
        #expect(time.texts == ["[key@1589508733952/-]"])
        #expect(time.formats.hasPrefix("HOPPING(KAFKA_STRING) or TUMBLING(KAFKA_STRING)"))
        let session = guess([Array("key".utf8) + start + start], isKey: true)
        #expect(session.texts == ["[key@1589508733952/1589508733952]"])
        #expect(session.formats.hasPrefix("SESSION(KAFKA_STRING)"))
        // Each format with its windows, as the original lists them.
        let number = guess([[0, 0, 0, 7] + start], isKey: true)
        #expect(number.texts == ["[7@1589508733952/-]"])
        #expect(
            number.formats.hasPrefix(
                "HOPPING(KAFKA_INT) or TUMBLING(KAFKA_INT) or HOPPING(KAFKA_STRING) or TUMBLING(KAFKA_STRING)"))
    }

    @Test func `writes times`() { #expect(RecordPrinter.time(1_647_618_802_989) == "2022/03/18 15:53:22.989 Z") }
}

@Suite struct QueryLimitTests {
    @Test func `limits pull queries`() throws {
        let concurrent = PullLimits(["ksql.query.pull.max.concurrent.requests": "1"])
        try concurrent.begin()
        #expect(throws: KsqlFailure.self) { try concurrent.begin() }
        concurrent.end(byteCount: 0)
        try concurrent.begin()
        let rate = PullLimits(["ksql.query.pull.max.qps": "2"])
        let now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        try rate.begin(at: now)
        try rate.begin(at: now)
        #expect(throws: KsqlFailure.self) { try rate.begin(at: now) }
        try rate.begin(at: now + .milliseconds(500))
        let bandwidth = PullLimits(["ksql.query.pull.max.hourly.bandwidth.megabytes": "1"])
        try bandwidth.begin(at: now)
        bandwidth.end(byteCount: 2 << 20, at: now)
        #expect(throws: KsqlFailure.self) { try bandwidth.begin(at: now + .minutes(59)) }
        try bandwidth.begin(at: now + .minutes(61))
        // The largest INT stands for no limit.
        let none = PullLimits(["ksql.query.pull.max.concurrent.requests": "2147483647"])
        for _ in 0..<100 { try none.begin() }
    }
}
