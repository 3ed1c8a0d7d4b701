import ArgumentParser
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

    static func hex(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }

    static func bytes(hex text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text {
            let digit: UInt8
            switch character {
            case 0x30...0x39: digit = character - 0x30
            case 0x41...0x46: digit = character - 0x37
            case 0x61...0x66: digit = character - 0x57
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return high == nil ? bytes : nil
    }

    private static func shortened(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        return text.count <= 60 ? text : text.prefix(57) + "..."
    }
}
