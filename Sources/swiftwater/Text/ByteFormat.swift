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
    /// Letters and digits of RFC 4648, section 4.
    case base64
    /// Numbers as Kafka's serializers and SQL's format KAFKA write them: big-endian, two's complement or IEEE 754.
    case short, int, long, float, double

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
        case .base64:
            let text = String(decoding: text, as: UTF8.self)
            guard let bytes = Base64.decode(text) else {
                throw CommandFailure("not base64: \(Self.shortened(Array(text.utf8)))")
            }
            return bytes
        case .short, .int, .long, .float, .double:
            let text = String(decoding: text, as: UTF8.self)
            guard let bytes = bytes(number: text) else {
                throw CommandFailure("not \(noun): \(Self.shortened(Array(text.utf8)))")
            }
            return bytes
        }
    }

    /// Whether `bytes` are what the format stands for: of the right number for a number, valid for JSON.
    func fits(_ bytes: [UInt8]) -> Bool {
        switch self {
        case .string, .hex, .base64: true
        case .json: JSONText.isValid(bytes)
        case .short, .int, .long, .float, .double: bytes.count == byteCount
        }
    }

    /// What bytes that fit are, for messages.
    var noun: String {
        switch self {
        case .string: "text"
        case .json: "JSON"
        case .hex, .base64: "bytes"
        case .short: "a whole number of 16 bits (short)"
        case .int: "a whole number of 32 bits (int)"
        case .long: "a whole number of 64 bits (long)"
        case .float: "a number of 32 bits (float)"
        case .double: "a number of 64 bits (double)"
        }
    }

    /// The number of a number's bytes; nil for what is none.
    private var byteCount: Int? {
        switch self {
        case .string, .json, .hex, .base64: nil
        case .short: 2
        case .int, .float: 4
        case .long, .double: 8
        }
    }

    /// nil when the text is no number, or one that the format does not hold.
    private func bytes(number text: String) -> [UInt8]? {
        func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: value.bigEndian) { Array($0) }
        }
        /// A number too large for the format is read as an infinite one.
        func finite<Number: BinaryFloatingPoint>(_ value: Number) -> Number? {
            value.isInfinite && !text.lowercased().contains("inf") ? nil : value
        }
        switch self {
        case .string, .json, .hex, .base64: return nil
        case .short: return Int16(text).map(bigEndian)
        case .int: return Int32(text).map(bigEndian)
        case .long: return Int64(text).map(bigEndian)
        case .float: return Float(text).flatMap(finite).map { bigEndian($0.bitPattern) }
        case .double: return Double(text).flatMap(finite).map { bigEndian($0.bitPattern) }
        }
    }

    /// A number's text; nil for bytes that are none. `NaN` and `Infinity` are written as by Java.
    func number(_ bytes: [UInt8]) -> String? {
        guard bytes.count == byteCount else { return nil }
        let bits = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        func text(_ value: some BinaryFloatingPoint & CustomStringConvertible) -> String {
            if value.isNaN { return "NaN" }
            return value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : value.description
        }
        switch self {
        case .string, .json, .hex, .base64: return nil
        case .short: return String(Int16(truncatingIfNeeded: bits))
        case .int: return String(Int32(truncatingIfNeeded: bits))
        case .long: return String(Int64(truncatingIfNeeded: bits))
        case .float: return text(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        case .double: return text(Double(bitPattern: bits))
        }
    }

    /// The text of `bytes`, which a line can hold when they are text themselves. Bytes that do not fit come as text that
    /// says so.
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
        case .base64: return Array(Base64.encode(bytes).utf8)
        case .short, .int, .long, .float, .double:
            let bytes = Array(bytes)
            return Array((number(bytes) ?? "no \(rawValue): \(String(decoding: Self.hex(bytes), as: UTF8.self))").utf8)
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

    /// The beginning of what was given, for messages: a terminal is not to obey it.
    static func shortened(_ bytes: [UInt8]) -> String {
        let text = RecordPrinter.visible(String(decoding: bytes.prefix(1000), as: UTF8.self))
        return text.count <= 60 ? text : text.prefix(57) + "..."
    }
}
