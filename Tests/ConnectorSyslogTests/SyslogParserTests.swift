import ConnectCore
import Testing

@testable import ConnectorSyslog

@Suite struct SyslogParserTests {
    /// 2026-11-27T18:00:00Z
    private static let now: Int64 = 1_795_802_400_000

    private func parse(_ text: String, now: Int64 = now) -> SyslogMessage {
        SyslogParser.parse(Array(text.utf8), now: now)
    }

    /// The parts that are there, as `name=value`.
    private static func parts(_ message: SyslogMessage) -> [String] {
        var parts = [message.kind.rawValue]
        func add(_ name: String, _ value: Any?) { if let value { parts.append("\(name)=\(value)") } }
        add("facility", message.facility)
        add("level", message.level)
        add("version", message.version)
        add("time", message.time)
        add("host", message.host)
        add("tag", message.tag)
        add("app", message.appName)
        add("process", message.processID)
        add("id", message.messageID)
        for element in message.structuredData {
            add(element.id, element.parameters.map { "\($0.name):\($0.value)" }.joined(separator: ","))
        }
        add("vendor", message.deviceVendor)
        add("product", message.deviceProduct)
        add("device", message.deviceVersion)
        add("class", message.deviceEventClassID)
        add("name", message.name)
        add("severity", message.severity)
        add("extensions", message.extensions.map { $0.map { "\($0.name):\($0.value)" }.joined(separator: ",") })
        add("message", message.message)
        return parts
    }

    @Test(arguments: [
        (
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
            [
                "RFC3164", "facility=4", "level=2", "time=1791756855000", "host=mymachine", "tag=su",
                "message='su root' failed for lonvick on /dev/pts/8",
            ]
        ),
        (
            "<38>Nov  7 08:00:01 rpi-03 sshd[8129]: Invalid user admin from 10.0.0.1 port 22",
            [
                "RFC3164", "facility=4", "level=6", "time=1794038401000", "host=rpi-03", "tag=sshd", "process=8129",
                "message=Invalid user admin from 10.0.0.1 port 22",
            ]
        ),
        (
            "<13>2026-11-27T19:00:00.5+01:00 host app: with the zone of rsyslog",
            [
                "RFC3164", "facility=1", "level=5", "time=1795802400500", "host=host", "tag=app",
                "message=with the zone of rsyslog",
            ]
        ),
        (
            "Nov 27 17:59:59 host kernel: no priority",
            ["RFC3164", "time=1795802399000", "host=host", "tag=kernel", "message=no priority"]
        ),
        (
            "<0>Nov 27 17:59:59 host no tag here",
            ["RFC3164", "facility=0", "level=0", "time=1795802399000", "host=host", "message=no tag here"]
        ),
        (
            "<188>Aug  1 2024 12:33:22 router %%01QOS/4/ACL(l)[559101]:rule 120 deny",
            [
                "RFC3164", "facility=23", "level=4", "time=1722515602000", "host=router", "tag=%%01QOS/4/ACL(l)",
                "process=559101", "message=rule 120 deny",
            ]
        ),
        (
            "<13>Nov 27 17:59:59 host a:b: c: d\nand a second line",
            [
                "RFC3164", "facility=1", "level=5", "time=1795802399000", "host=host", "tag=a:b",
                "message=c: d\nand a second line",
            ]
        ),
    ])
    func `reads RFC 3164 as it is found`(_ text: String, _ parts: [String]) {
        #expect(Self.parts(parse(text)) == parts)
    }

    @Test(arguments: [
        (
            "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - Your refrigerator is running",
            [
                "RFC5424", "facility=4", "level=2", "version=1", "time=1065910455003", "host=mymachine.example.com",
                "app=su", "id=ID47", "message=Your refrigerator is running",
            ]
        ),
        (
            "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - \u{FEFF}%% It's time to make the do-nuts.",
            [
                "RFC5424", "facility=20", "level=5", "version=1", "time=1061727255000", "host=192.0.2.1", "app=myproc",
                "process=8710", "message=%% It's time to make the do-nuts.",
            ]
        ),
        (
            #"<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [x@1 iut="3" s="a \"b\" \\ \] \x"][y@2 p="1"] An entry"#,
            [
                "RFC5424", "facility=20", "level=5", "version=1", "time=1065910455003", "host=h", "app=evntslog",
                "id=ID47",
                #"x@1=iut:3,s:a "b" \ ] \x"#, "y@2=p:1", "message=An entry",
            ]
        ),
        (
            #"<165>1 2003-10-11T22:14:15.003Z h app - ID47 [only@1]"#,
            [
                "RFC5424", "facility=20", "level=5", "version=1", "time=1065910455003", "host=h", "app=app", "id=ID47",
                "only@1=",
            ]
        ),
        ("<14>1 - - - - - -", ["RFC5424", "facility=1", "level=6", "version=1"]),
        ("<14>1 - - - - - - hello", ["RFC5424", "facility=1", "level=6", "version=1", "message=hello"]),
    ])
    func `reads RFC 5424`(_ text: String, _ parts: [String]) { #expect(Self.parts(parse(text)) == parts) }

    @Test(arguments: [
        (
            #"<134>Sep 19 08:26:10 host CEF:0|Secur\|ity|threat\\manager|1.0|100|worm stopped|10|src=10.0.0.1 msg=a \= b c request=http://x/?a=b"#,
            [
                "CEF", "facility=16", "level=6", "version=0", "time=1789806370000", "host=host", "vendor=Secur|ity",
                #"product=threat\manager"#, "device=1.0", "class=100", "name=worm stopped", "severity=10",
                "extensions=src:10.0.0.1,msg:a = b c,request:http://x/?a=b",
            ]
        ),
        (
            "CEF:1|v|p|d|c|n|Low|",
            [
                "CEF", "version=1", "vendor=v", "product=p", "device=d", "class=c", "name=n", "severity=Low",
            ]
        ),
        (
            "<134>2026-11-27T18:00:00Z host CEF:0|v|p",
            [
                "CEF", "facility=16", "level=6", "version=0", "time=1795802400000", "host=host", "vendor=v",
                "product=p",
            ]
        ),
    ])
    func `reads the Common Event Format`(_ text: String, _ parts: [String]) {
        #expect(Self.parts(parse(text)) == parts)
    }

    @Test(arguments: [
        "", "hello", "<34>", "<>Oct 11 22:14:15 h t: m", "<34>1 2003-13-11T22:14:15Z h a p i - m",
        "<34>Oct 32 22:14:15 h t: m",
        "<34>1 2003-10-11T22:14:15Z h a p i [x", "<34>1 2003-10-11T22:14:15Z h a p i [x a=\"b",
        "<34>Foo 11 22:14:15 h t: m",
        "<34>Oct 11 25:14:15 h t: m", "<1234>Oct 11 22:14:15 h t: m", "1 2 3 4",
        "<34>1 2003-10-11T22:14:15+99:00 h a p i - m",
        "<34>Oct 11 22:14:15", "<34>Oct 11 22:14:15 host",
    ])
    func `keeps what it does not understand`(_ text: String) {
        let message = parse(text)
        #expect(Self.parts(message) == ["UNKNOWN"])
        #expect(message.raw == text)
    }

    @Test func `bytes that are no UTF-8 are replaced`() {
        let message = SyslogParser.parse(Array("<13>Nov 27 17:59:59 h t: ".utf8) + [0xFF, 0x41], now: Self.now)
        #expect(message.message == "\u{FFFD}A" && message.kind == .rfc3164)
    }

    /// At the turn of a year the time is the one that is nearest.
    @Test func `a time without a year is near to now`() {
        let newYear: Int64 = 1_798_761_600_000  // 2027-01-01T00:00:00Z
        #expect(parse("Dec 31 23:59:59 h t: m", now: newYear + 5000).time == newYear - 1000)
        #expect(parse("Jan  1 00:00:01 h t: m", now: newYear - 5000).time == newYear + 1000)
        // A day that is not in this year.
        #expect(parse("Feb 29 00:00:00 h t: m", now: newYear).time == 1_803_772_800_000)
    }

    /// Whatever the bytes are, nothing stops and the text is kept.
    @Test func `takes any bytes`() {
        var random = SystemRandomNumberGenerator()
        let parts = [
            "<34>", "1 ", "Oct 11 22:14:15 ", "2003-10-11T22:14:15.003Z ", "host ", "su[1]: ", "- ", "[x a=\"b\"]",
            "CEF:0|",
            "a|b|", "k=v ", "\\", "\"", "]", "[", ":", "é", "\u{0}", " ",
        ]
        for _ in 0..<5000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in parts.randomElement(using: &random) ?? ""
            }
            .joined()
            let bytes = Array(text.utf8).prefix(Int.random(in: 0...80, using: &random))
            let message = SyslogParser.parse(Array(bytes), now: Self.now)
            #expect(message.raw == String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test func `a record has all of it`() throws {
        let message = parse(#"<165>1 2003-10-11T22:14:15.003Z h app 12 ID47 [x@1 a="1"][x@2] text"#)
        let value = try #require(message.value(from: "10.0.0.1", received: 5).structure)
        let texts = { (name: String) in value[name]?.string }
        #expect(texts("type") == "RFC5424" && texts("host") == "h" && texts("appName") == "app")
        #expect(texts("processId") == "12" && texts("messageId") == "ID47" && texts("message") == "text")
        #expect(texts("remoteAddress") == "10.0.0.1" && texts("rawMessage") == message.raw)
        #expect(value["facility"] == .int32(20) && value["level"] == .int32(5) && value["version"] == .int32(1))
        #expect(value["timestamp"] == .instant(1_065_910_455_003) && value["receivedDate"] == .instant(5))
        #expect(value["tag"] == .null && value["extension"] == .null && value["severity"] == .null)
        let elements = try #require(value["structuredData"]?.array)
        #expect(elements.map { $0.structure?["id"] } == [.string("x@1"), .string("x@2")])
        #expect(elements[0].structure?["structuredDataElements"] == .map(ConnectMap([("a", .string("1"))])))
        #expect(elements[1].structure?["structuredDataElements"] == .map(ConnectMap()))
        try SyslogMessage.schema.check(.structure(value))

        let unknown = try #require(parse("what").value(from: nil, received: 7).structure)
        #expect(unknown["timestamp"] == .instant(7) && unknown["type"] == .string("UNKNOWN"))
        #expect(unknown["remoteAddress"] == .null && unknown["rawMessage"] == .string("what"))
        try SyslogMessage.schema.check(.structure(unknown))
    }
}
