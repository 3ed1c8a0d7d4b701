/// Names that Avro and Protobuf allow, made of any: `scrub.invalid.names`.
///
/// As the original does it: the name is encoded as in the forms of web pages, then whatever is no letter, digit or
/// underscore becomes one.
enum ScrubbedName {
    static func avro(_ name: String) -> String { isAvro(name) ? name : scrub(name, allowsUnderscore: true) }

    /// Protobuf's names do not begin with an underscore here either.
    static func protobuf(_ name: String) -> String {
        isAvro(name) && name.utf8.first != UInt8(ascii: "_") ? name : scrub(name, allowsUnderscore: false)
    }

    /// Every part of a name with dots.
    static func parts(_ name: String, _ scrub: (String) -> String) -> String {
        name.split(separator: ".", omittingEmptySubsequences: false).map { scrub(String($0)) }.joined(separator: ".")
    }

    /// Letters, digits and underscores, no digit first: what Avro and Protobuf both take.
    static func isAvro(_ name: String) -> Bool {
        guard let first = name.utf8.first else { return true }
        return !isDigit(first) && name.utf8.allSatisfy(isAllowed)
    }

    private static func scrub(_ name: String, allowsUnderscore: Bool) -> String {
        var bytes: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            // Of these the encoding leaves some and writes a plus for the space; in the end they are underscores all.
            case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "_"), UInt8(ascii: " "):
                bytes.append(UInt8(ascii: "_"))
            case _ where isAllowed(byte): bytes.append(byte)
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                bytes += ("_" + (digits.utf8.count == 1 ? "0" : "") + digits).utf8
            }
        }
        guard let first = name.utf8.first else { return name }
        let needsLetter = isDigit(first) || (!allowsUnderscore && first == UInt8(ascii: "_"))
        return (needsLetter ? "x" : "") + String(decoding: bytes, as: UTF8.self)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { 0x30...0x39 ~= byte }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        isDigit(byte) || 0x41...0x5A ~= byte || 0x61...0x7A ~= byte || byte == UInt8(ascii: "_")
    }
}
