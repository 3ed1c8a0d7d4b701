import ArgumentParser
import Bytes
import JSONFormat

/// How keys and values are written as text.
enum ByteFormat: String, CaseIterable, ExpressibleByArgument {
    /// The bytes as they are, which are UTF-8 text as a rule.
    case string
    /// JSON text, checked.
    case json
    /// Two digits per byte.
    case hex

    /// The bytes that `text` stands for.
    ///
    /// - Throws: `CommandFailure` when the text is none of this format.
    func decode(_ text: some Collection<UInt8>) throws -> [UInt8] {
        switch self {
        case .string: return Array(text)
        case .json:
            let bytes = Array(text)
            guard JSONText.isValid(bytes) else { throw CommandFailure("not JSON: \(Self.shortened(bytes))") }
            return bytes
        case .hex:
            guard let bytes = Self.bytes(hex: text) else {
                throw CommandFailure("not pairs of hexadecimal digits: \(Self.shortened(Array(text)))")
            }
            return bytes
        }
    }

    /// The text of `bytes`, which a line can hold when they are text themselves.
    func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        switch self {
        case .string: return Array(bytes)
        case .json:
            let bytes = Array(bytes)
            if JSONText.isValid(bytes) { return JSONText.compact(bytes) }
            var quoted: [UInt8] = []
            JSONText.quote(String(decoding: bytes, as: UTF8.self).utf8, to: &quoted)
            return quoted
        case .hex: return Self.hex(bytes)
        }
    }

    static func hex(_ bytes: some Collection<UInt8>) -> [UInt8] { Hexadecimal.encode(bytes) }

    static func bytes(hex text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text {
            guard let digit = Hexadecimal.value(character) else { return nil }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return high == nil ? bytes : nil
    }

    static func shortened(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        return text.count <= 60 ? text : text.prefix(57) + "..."
    }
}
