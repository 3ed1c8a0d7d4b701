import Cluster
import JSONFormat
import NIOCore
import NIOHTTP1
import RecordBatches
import Testing

@testable import ConsoleService

/// Messages: made readable, searched, written.
@Suite struct MessageTests {
    private static func record(_ key: [UInt8]?, _ value: [UInt8]?, headers: [RecordHeader] = []) -> ConsumerRecord {
        ConsumerRecord(
            topic: "t", partition: 0, offset: 0, timestamp: 0, key: key.map { ByteBuffer(bytes: $0) },
            value: value.map { ByteBuffer(bytes: $0) }, headers: headers)
    }

    @Test(
        arguments: [
            (Array("{\"a\": 1}".utf8), .json, "{\"a\": 1}"), (Array("[1]".utf8), .json, "[1]"),
            (Array("{\"a\": ".utf8), .string, "{\"a\": "), (Array("42".utf8), .string, "42"),
            (Array("Grüße\n".utf8), .string, "Grüße\n"), ([], .string, ""),
            ([0, 0, 0, 0, 0, 0, 1, 0], .long, "256"), ([255, 255, 255, 255, 255, 255, 255, 254], .long, "-2"),
            ([0, 0, 0, 7], .int, "7"), ([0, 0, 0, 0, 5, 9], .bytes, "000000000509"), ([0xC3, 0x28], .bytes, "c328"),
            (Array("abcdefgh".utf8), .string, "abcdefgh"),
        ] as [([UInt8], Field.Format, String)])
    func `bytes are shown as what they seem to be`(bytes: [UInt8], format: Field.Format, text: String) {
        let field = MessageDecoder(nil).value(Self.record(nil, bytes))
        #expect(field.format == format)
        #expect(field.text == text)
    }

    @Test func `null, long texts and a wish of the user`() {
        let decoder = MessageDecoder(nil)
        #expect(decoder.value(Self.record(nil, nil)) == Field(.null))
        let long = decoder.value(Self.record(nil, Array(repeating: UInt8(ascii: "x"), count: 100_000)))
        #expect(!long.isCut && long.text?.count == 100_000)
        #expect(long.shortened.isCut && long.shortened.text?.count == Field.byteCountMax)
        let bytes = decoder.value(Self.record(nil, Array(repeating: 0xFF, count: 100_000)))
        #expect(bytes.format == .bytes && bytes.shortened.text?.count == Field.byteCountMax)
        let number = Self.record([0x31, 0x32, 0x33, 0x34], nil)
        #expect(decoder.key(number).text == "1234")
        #expect(decoder.key(number, as: .int).text == "825373492")
        #expect(decoder.key(number, as: .bytes).text == "31323334")
        #expect(decoder.key(number, as: .long).text == "1234", "eight bytes are no four")
    }

    @Test(
        arguments: [
            ("$.a.b", "[1]"), ("a.b", "[1]"), ("$['a']['b']", "[1]"), ("$.list[1].n", "[2]"), ("$.list[-1].n", "[3]"),
            ("$.list[*].n", "[1,2,3]"), ("$.none", "[]"), ("$.list.n", "[]"), ("$.*.b", "[1]"),
        ])
    func `paths find values`(path: String, found: String) throws {
        let value = try JSONValue.read("{\"a\": {\"b\": 1}, \"list\": [{\"n\": 1}, {\"n\": 2}, {\"n\": 3}]}")
        let path = try #require(JSONPath(path))
        #expect(JSONValue.array(path.values(in: value)).bytes == Array(found.utf8))
    }

    @Test(arguments: ["$.", "$..a", "$[", "$['a", "$[x]", "$['a'x]", "$a b["])
    func `what is no path is refused`(path: String) { #expect(JSONPath(path) == nil) }

    @Test(
        arguments: [
            (.eq, "5", true), (.eq, "5.0", true), (.eq, "6", false), (.ne, "6", true), (.ne, "5", false),
            (.gt, "4.5", true), (.gt, "5", false), (.ge, "5", true), (.lt, "10", true), (.le, "4", false),
            (.contains, "5", true), (.exists, "", true),
        ] as [(MessageFilter.Comparison, String, Bool)])
    func `values are compared as what they are`(comparison: MessageFilter.Comparison, operand: String, matches: Bool) {
        var filter = MessageFilter()
        filter.path = JSONPath("$.stars")
        filter.comparison = comparison
        filter.operand = operand
        let record = Self.record(nil, Array("{\"stars\": 5}".utf8))
        let decoder = MessageDecoder(nil)
        #expect(filter.matches(Message(record, key: decoder.key(record), value: decoder.value(record))) == matches)
        let other = Self.record(nil, Array("{\"no\": 5}".utf8))
        #expect(!filter.matches(Message(other, key: decoder.key(other), value: decoder.value(other))))
    }

    @Test(
        arguments: [
            ("9007199254741000", .eq, "9007199254741000", true), ("9007199254740999", .eq, "9007199254741000", false),
            ("9007199254741001", .eq, "9007199254741000", false), ("9007199254741001", .ne, "9007199254741000", true),
            ("9007199254741001", .gt, "9007199254741000", true), ("9007199254740999", .lt, "9007199254741000", true),
            ("9007199254741000", .le, "9007199254741000", true), ("9007199254741000", .gt, "9007199254741000", false),
            ("-9007199254741001", .lt, "-9007199254741000", true), ("1e3", .eq, "1000", true), ("-0", .eq, "0", true),
            ("0.1000000000000000001", .gt, "0.1", true), ("0.10", .eq, "0.1", true), ("5", .eq, "+5", true),
            ("0.5", .eq, ".5", true), ("\"9007199254741001\"", .gt, "9007199254741000", true),
            ("\"b\"", .gt, "a", true), ("true", .eq, "true", true), ("null", .eq, "0", false),
            ("\"5\"", .eq, "5.0", false),
        ] as [(String, MessageFilter.Comparison, String, Bool)])
    func `numbers are compared with all their digits`(
        number: String, comparison: MessageFilter.Comparison, operand: String, matches: Bool
    ) {
        var filter = MessageFilter()
        filter.path = JSONPath("$.n")
        filter.comparison = comparison
        filter.operand = operand
        let record = Self.record(nil, Array("{\"n\": \(number)}".utf8))
        let decoder = MessageDecoder(nil)
        #expect(filter.matches(Message(record, key: decoder.key(record), value: decoder.value(record))) == matches)
    }

    @Test func `keys are found whole, texts anywhere`() {
        let decoder = MessageDecoder(nil)
        let record = Self.record(
            Array("42".utf8), Array("Hello".utf8), headers: [RecordHeader(key: "trace", value: Array("ABC".utf8))])
        let message = Message(record, key: decoder.key(record), value: decoder.value(record))
        func matches(key: String? = nil, text: String? = nil) -> Bool {
            var filter = MessageFilter()
            filter.key = key
            filter.text = text
            return filter.matches(message)
        }
        #expect(matches(key: "42") && !matches(key: "4"))
        #expect(matches(text: "hell") && matches(text: "abc") && matches(text: "trace") && !matches(text: "x"))
        #expect(!matches(key: "42", text: "x"))
    }

    @Test func `passwords in the topics of Connect are hidden`() {
        let decoder = MessageDecoder(nil)
        let record = Self.record(
            Array("connector-c".utf8),
            Array("{\"properties\": {\"db.password\": \"hunter2\", \"u\": \"http://u:hunter2@h\"}}".utf8))
        let message = Message(record, key: decoder.key(record), value: decoder.value(record))
        #expect(!String(decoding: message.json.bytes, as: UTF8.self).contains("hunter2"))
    }

    // MARK: Search

    @Test func `what stands far behind in a long message is found, and shown when it is asked for`() async throws {
        try await TestConsole.with { console in
            try await console.cluster.createTopic(NewTopic("t", partitionCount: 1), validateOnly: false)
            let long = "{\"pad\": \"\(String(repeating: "x", count: 200_000))\", \"last\": {\"city\": \"Tromsø\"}}"
            try await console.write("t", [("short", "{\"last\": {\"city\": \"Oslo\"}}"), ("long", long)])
            func found(_ query: String) async throws -> [JSONValue] {
                let answer = try await console.ask(.GET, "/api/topics/t/messages?from=earliest&\(query)")
                #expect(answer.status == 200, "\(query): \(answer.text)")
                return answer.json["messages"]?.elements ?? []
            }
            for query in ["path=$.last.city&op=eq&value=Troms%C3%B8", "text=troms%C3%B8"] {
                let messages = try await found(query)
                #expect(messages.map { $0["key"]?["text"]?.text } == ["long"])
                #expect(messages.first?["value"]?["cut"]?.flag == true)
                #expect(messages.first?["value"]?["text"]?.text?.utf8.count == Field.byteCountMax)
            }
            let whole = try await found("key=long&whole=true&limit=1")
            #expect(whole.first?["value"]?["text"]?.text == long)
            #expect(whole.first?["value"]?["cut"] == nil)
            let refused = try await console.ask(.GET, "/api/topics/t/messages?whole=true")
            #expect(refused.status == 400 && refused.text.contains("limit=1"))
        }
    }

    @Test func `a search goes on where it was cut, and sees every message once`() async throws {
        try await TestConsole.with { console in
            try await console.cluster.createTopic(NewTopic("t", partitionCount: 2), validateOnly: false)
            try await console.write("t", (0..<250).map { ("k\($0 % 10)", "{\"n\": \($0)}") })
            var seen: [Int64] = []
            var cursor = ""
            var rounds = 0
            repeat {
                let answer = try await console.ask(
                    .GET, "/api/topics/t/messages?limit=40" + (rounds == 0 ? "&from=earliest" : "&cursor=\(cursor)")
                )
                #expect(answer.status == 200)
                let messages = answer.json["messages"]?.elements ?? []
                #expect(messages.count <= 40)
                seen += messages.compactMap { $0["value"]?["json"]?["n"]?.integer }
                cursor = answer.json["next"]?["cursor"]?.text ?? ""
                rounds += 1
                if answer.json["complete"]?.flag == true { #expect(cursor.isEmpty) }
            } while !cursor.isEmpty && rounds < 20
            #expect(seen == Array(0..<250))

            func numbers(_ query: String) async throws -> [Int64] {
                let answer = try await console.ask(.GET, "/api/topics/t/messages?\(query)")
                #expect(answer.status == 200, "\(query): \(answer.text)")
                return (answer.json["messages"]?.elements ?? []).compactMap { $0["value"]?["json"]?["n"]?.integer }
            }
            #expect(try await numbers("from=last:3") == [247, 248, 249])
            #expect(try await numbers("from=latest&limit=2") == [248, 249])
            #expect(try await numbers("partition=0&from=offset:100&limit=2") == [100, 101])
            #expect(try await numbers("from=earliest&key=k7&limit=3") == [7, 17, 27])
            #expect(try await numbers("from=earliest&path=$.n&op=gt&value=247") == [248, 249])
            #expect(try await numbers("from=time:9999999999999") == [])
            #expect(try await numbers("from=earliest&until=1") == [])
            for query in [
                "limit=0", "limit=5000", "from=yesterday", "partition=x", "cursor=1", "path=$[", "op=is&path=$.a",
            ] {
                #expect(try await console.ask(.GET, "/api/topics/t/messages?\(query)").status == 400, "\(query)")
            }
            #expect(try await console.ask(.GET, "/api/topics/t/messages?partition=9").status == 404)
            #expect(try await console.ask(.GET, "/api/topics/nothing/messages").status == 404)
        }
    }

    /// Times rise in one partition and fall in the other.
    @Test func `older messages are found page by page, none twice, also between writes`() async throws {
        try await TestConsole.with { console in
            // Kept, though of 1970: a slow machine would see them go by their time.
            let topic = NewTopic("t", partitionCount: 2, configs: ["retention.ms": "-1"])
            try await console.cluster.createTopic(topic, validateOnly: false)
            func write(_ partition: Int32, _ time: Int64) async throws {
                let body =
                    "{\"partition\": \(partition), \"timestamp\": \(time), \"value\": {\"format\": \"string\", \"text\": \"x\"}}"
                let answer = try await console.ask(.POST, "/api/topics/t/messages", try JSONValue.read(body))
                #expect(answer.status == 201, "\(answer.text)")
            }
            for number in 0..<30 {
                try await write(0, 1000 + Int64(number))
                try await write(1, 1030 - Int64(number))
            }
            var seen: [Int64: [Int64]] = [:]
            var before: String?
            var rounds = 0
            repeat {
                let answer = try await console.ask(
                    .GET, "/api/topics/t/messages?from=last:10&limit=10" + (before.map { "&before=\($0)" } ?? ""))
                #expect(answer.status == 200, "\(answer.text)")
                let messages = answer.json["messages"]?.elements ?? []
                #expect(messages.count <= 10)
                for message in messages.reversed() {
                    if let partition = message["partition"]?.integer, let offset = message["offset"]?.integer {
                        seen[partition, default: []].append(offset)
                    }
                }
                before = answer.json["older"]?["before"]?.text
                rounds += 1
                for _ in 0..<12 { try await write(0, 5000) }
            } while before != nil && rounds < 20
            #expect(seen == [0: (0..<30).reversed(), 1: (0..<30).reversed()])
            for query in ["from=earliest&before=0:1", "before=x"] {
                #expect(try await console.ask(.GET, "/api/topics/t/messages?\(query)").status == 400, "\(query)")
            }
            let none = try await console.ask(.GET, "/api/topics/t/messages?from=last:5&before=0:0")
            #expect(none.json["messages"]?.elements?.isEmpty == true && none.json["older"]?["before"] == nil)
        }
    }

    @Test func `a search stops at its budget and says where`() async throws {
        try await TestConsole.with { console in
            try await console.cluster.createTopic(NewTopic("big", partitionCount: 1), validateOnly: false)
            let text = String(repeating: "x", count: 1000)
            for _ in 0..<4 { try await console.write("big", (0..<500).map { _ in (nil, text) }) }
            var search = MessageSearch(topic: "big")
            search.start = .position(.beginning)
            search.byteCountMax = 1
            search.filter.text = "nowhere"
            let cut = try await search.run(in: console.cluster, MessageDecoder(nil))
            #expect(!cut.isComplete && cut.messages.isEmpty)
            let next = try #require(cut.next[0])
            #expect(next > 0 && next < 2000 && cut.scanned == next)
            search.byteCountMax = 64 << 20
            search.timeMax = .seconds(30)
            let whole = try await search.run(in: console.cluster, MessageDecoder(nil))
            #expect(whole.isComplete && whole.scanned == 2000)
        }
    }

    @Test(arguments: ["earliest", "latest", "last:5", "offset:0", "time:12"])
    func `reads where to begin`(text: String) { #expect(MessageSearch.start(text, limit: 10) != nil) }

    @Test func `cursors are read as they are written`() {
        #expect(MessageSearch.cursor(MessageSearch.cursor([0: 5, 3: 9])) == [0: 5, 3: 9])
        for text in ["", "0", "0:-1", "a:1", "0:1:2"] { #expect(MessageSearch.cursor(text) == nil) }
    }

    // MARK: Producing

    @Test func `what is written is what is read`() async throws {
        try await TestConsole.with { console in
            try await console.cluster.createTopic(NewTopic("t", partitionCount: 2), validateOnly: false)
            let written = try await console.ask(
                .POST, "/api/topics/t/messages",
                try JSONValue.read(
                    """
                    {"partition": 1, "key": {"format": "long", "text": "7"}, "value": {"format": "json", "text": "{\\"a\\":1}"},
                     "headers": [{"key": "h", "value": "v"}]}
                    """))
            #expect(written.status == 201)
            #expect(written.json["partition"]?.integer == 1 && written.json["offset"]?.integer == 0)
            let read = try await console.ask(.GET, "/api/topics/t/messages?from=earliest").json["messages"]?.elements?
                .first
            #expect(read?["key"]?["format"]?.text == "long" && read?["key"]?["text"]?.text == "7")
            #expect(read?["value"]?["json"]?["a"]?.integer == 1)
            #expect(read?["headers"]?.elements?.first?["value"]?["text"]?.text == "v")
            for body in [
                "{\"value\": {\"format\": \"json\", \"text\": \"{\"}}",
                "{\"value\": {\"format\": \"long\", \"text\": \"x\"}}",
                "{\"value\": {\"format\": \"avro\", \"text\": \"{}\"}}",
                "{\"value\": {\"format\": \"odd\", \"text\": \"\"}}",
                "{\"value\": {\"format\": \"bytes\", \"text\": \"0g\"}}",
            ] {
                let refused = try await console.ask(.POST, "/api/topics/t/messages", try JSONValue.read(body))
                #expect(refused.status == 400, "\(body)")
            }
        }
    }
}
