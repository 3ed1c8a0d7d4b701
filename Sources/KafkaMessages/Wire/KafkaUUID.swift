/// A 128-bit id of a topic, directory or member, in Kafka's notation: base64 with the URL alphabet, no padding.
package struct KafkaUUID: Hashable, Sendable, CustomStringConvertible {
    package var high: UInt64
    package var low: UInt64

    /// "No id" wherever the protocol has an id that is not nullable.
    package static let zero = KafkaUUID(high: 0, low: 0)

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package var isZero: Bool { high == 0 && low == 0 }

    /// A random id, version 4 of RFC 9562. As Kafka does, ids whose text begins with a dash are not made: they look
    /// like options on a command line.
    package static func random(using random: inout some RandomNumberGenerator) -> KafkaUUID {
        while true {
            let high = (random.next() & ~0xF000) | 0x4000
            let low = (random.next() & ~(0b11 << 62)) | (0b10 << 62)
            if high >> 58 != 62 { return KafkaUUID(high: high, low: low) }
        }
    }

    /// Reads the 22 characters of `description`; padding (`==`) is accepted. Nil for anything else.
    package init?(base64url text: String) {
        var digits = Array(text.utf8)
        if digits.count == 24, digits.hasSuffix("==") { digits.removeLast(2) }
        guard digits.count == 22 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        // 21 digits of 6 bits and the upper 2 bits of the last one are the 128 bits.
        for (index, digit) in digits.enumerated() {
            guard let value = Self.value(of: digit) else { return nil }
            let width: UInt64 = index == 21 ? 2 : 6
            let bits = width == 2 ? UInt64(value >> 4) : UInt64(value)
            high = (high << width) | (low >> (64 - width))
            low = (low << width) | bits
        }
        self.init(high: high, low: low)
    }

    package var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(22)
        var (high, low) = (high, low)
        for _ in 0..<21 {
            text.append(Self.alphabet[Int(high >> 58)])
            high = (high << 6) | (low >> 58)
            low <<= 6
        }
        text.append(Self.alphabet[Int(high >> 58)])
        return String(decoding: text, as: UTF8.self)
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}

extension [UInt8] {
    fileprivate func hasSuffix(_ suffix: StaticString) -> Bool {
        suffix.withUTF8Buffer { suffixBytes in self.suffix(suffixBytes.count).elementsEqual(suffixBytes) }
    }
}
