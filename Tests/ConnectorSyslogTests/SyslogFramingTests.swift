import Testing

@testable import ConnectorSyslog

@Suite struct SyslogFramingTests {
    private func messages(_ stream: String, pieces: Int, byteCountMax: Int = 100) -> [String] {
        var framing = SyslogFraming(byteCountMax: byteCountMax)
        let bytes = Array(stream.utf8)
        var messages: [[UInt8]] = []
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            messages += framing.append(Array(bytes[start..<min(bytes.count, start + pieces)]))
        }
        messages += framing.end()
        return messages.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(
        arguments: [
            ("<1>a\n<2>b\n", ["<1>a", "<2>b"]), ("<1>a\r\n\n\n<2>b", ["<1>a", "<2>b"]),
            ("<1>a\0<2>b\0", ["<1>a", "<2>b"]),
            ("4 <1>a6 <2>b\nc", ["<1>a", "<2>b\nc"]), ("5 <1>a\n4 <2>b", ["<1>a", "<2>b"]),
            ("4 <1>a<2>b\n4 <3>c", ["<1>a", "<2>b", "<3>c"]),
            ("2026-11-27 text\n12 text", ["2026-11-27 text", "text"]),
            ("0 text\n", ["0 text"]), ("1234567890 text\n", ["1234567890 text"]), ("12", ["12"]), ("", []),
            ("0012 a\n", ["0012 a"]), ("7 <1>aé", ["<1>aé"]),
        ], [1, 2, 3, 7, 1000])
    func `cuts a stream into messages`(_ sample: (stream: String, messages: [String]), _ pieces: Int) {
        #expect(messages(sample.stream, pieces: pieces) == sample.messages)
    }

    @Test(arguments: [1, 5, 1000]) func `a message that is too long is cut, the next is not`(_ pieces: Int) {
        let long = String(repeating: "x", count: 50)
        #expect(messages(long + "\n<1>a\n", pieces: pieces, byteCountMax: 10) == [String(long.prefix(10)), "<1>a"])
        #expect(
            messages("50 " + long + "4 <1>a", pieces: pieces, byteCountMax: 10) == [String(long.prefix(10)), "<1>a"])
    }

    @Test func `tells how many were cut`() {
        var framing = SyslogFraming(byteCountMax: 3)
        _ = framing.append(Array("abcdef\nabc\nabcd\n".utf8))
        #expect(framing.takeCutCount() == 2)
        #expect(framing.takeCutCount() == 0)
    }

    @Test func `an announced length takes no memory`() {
        var framing = SyslogFraming(byteCountMax: 1000)
        #expect(framing.append(Array("999999999 abc".utf8)).isEmpty)
        #expect(framing.end() == [Array("abc".utf8)])
    }
}
