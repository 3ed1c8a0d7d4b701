import JSONFormat
import Logging

/// How the program's log is written.
enum LogFormat: String, CaseIterable {
    case text, json
}

/// One event of the log as one line.
enum LogLine {
    /// `2026-11-25T18:04:11.123Z warning the message key=value other="two words"`: time, level, message, metadata in the
    /// order of its keys. A value is quoted when it is empty or holds a space, a quote, `=` or what would end the line.
    static func text(
        time: String, level: Logger.Level, message: String, metadata: Logger.Metadata
    ) -> [UInt8] {
        var line = Array("\(time) \(level.rawValue) ".utf8)
        // A message is a sentence of ours, but parts of it may come from outside.
        for byte in message.utf8 { line.append(byte < 0x20 || byte == 0x7F ? UInt8(ascii: " ") : byte) }
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += " \(key)=".utf8
            let bytes = Array("\(value)".utf8)
            if bytes.isEmpty || bytes.contains(where: mustQuote) {
                JSONText.quote(bytes, to: &line)
            } else {
                line += bytes
            }
        }
        line.append(UInt8(ascii: "\n"))
        return line
    }

    /// `{"time":"...","level":"warning","message":"...","key":"value"}`; metadata that is named like one of the first
    /// three gets an underscore before its name.
    static func json(
        time: String, level: Logger.Level, message: String, metadata: Logger.Metadata
    ) -> [UInt8] {
        var members: [(String, JSONValue)] = [
            ("time", .string(time)), ("level", .string(level.rawValue)), ("message", .string(message)),
        ]
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let isTaken = ["time", "level", "message"].contains(key)
            members.append((isTaken ? "_" + key : key, json(value)))
        }
        return JSONValue.object(members).bytes + [UInt8(ascii: "\n")]
    }

    private static func json(_ value: Logger.MetadataValue) -> JSONValue {
        switch value {
        case .string(let text): .string(text)
        case .stringConvertible(let value): .string("\(value)")
        case .array(let elements): .array(elements.map(json))
        case .dictionary(let pairs): .object(pairs.sorted { $0.key < $1.key }.map { ($0.key, json($0.value)) })
        }
    }

    private static func mustQuote(_ byte: UInt8) -> Bool {
        byte <= 0x20 || byte == 0x7F || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "=")
    }
}
