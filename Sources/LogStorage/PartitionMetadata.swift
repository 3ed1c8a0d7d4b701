import Bytes

/// The file `partition.metadata`, as Kafka has it, with a checksum in a third line, which Kafka's reader ignores:
///
/// ```
/// version: 0
/// topic_id: FZRWv9FrQ3-_OtSkVnVXkg
/// crc32c: 3742f1a5
/// ```
///
/// The id is the 16 bytes in base64url without padding; the checksum is of the lines above it, in hexadecimal.
enum PartitionMetadata {
    private static let alphabet = [UInt8]("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    static func encode(_ topicId: (UInt64, UInt64)) -> [UInt8] {
        let lines = [UInt8]("version: 0\ntopic_id: \(base64url(topicId))\n".utf8)
        return lines + [UInt8]("crc32c: \(String(crc32c(lines.span.bytes), radix: 16))\n".utf8)
    }

    /// The topic id, or nil when the file is not whole: a crash tore it before it was synced.
    static func decode(_ bytes: [UInt8]) -> (UInt64, UInt64)? {
        let lines = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        guard lines.count == 3, lines[1].hasPrefix("topic_id: "), let id = parse(lines[1].dropFirst(10)) else {
            return nil
        }
        return bytes == encode(id) ? id : nil
    }

    /// 22 characters for the 16 bytes, most significant first; the last one carries two bits.
    static func base64url(_ id: (UInt64, UInt64)) -> String {
        let wide = UInt128(id.0) << 64 | UInt128(id.1)
        var text: [UInt8] = []
        for step in 0..<21 { text.append(alphabet[Int(truncatingIfNeeded: wide >> (122 - 6 * UInt128(step)) & 0x3F)]) }
        text.append(alphabet[Int(truncatingIfNeeded: (wide & 0x3) << 4)])
        return String(decoding: text, as: UTF8.self)
    }

    private static func parse(_ text: Substring) -> (UInt64, UInt64)? {
        guard text.utf8.count == 22 else { return nil }
        var wide: UInt128 = 0
        for (index, character) in text.utf8.enumerated() {
            guard let digit = alphabet.firstIndex(of: character) else { return nil }
            if index == 21 {
                guard digit & 0x0F == 0 else { return nil }
                wide = wide << 2 | UInt128(digit >> 4)
            } else {
                wide = wide << 6 | UInt128(digit)
            }
        }
        return (UInt64(truncatingIfNeeded: wide >> 64), UInt64(truncatingIfNeeded: wide))
    }
}
