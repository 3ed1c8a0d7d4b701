/// The file `partition.metadata`: "version: 0" and "topic_id: " with the id in base64url without padding, as Kafka has it.
enum PartitionMetadata {
    private static let alphabet = [UInt8]("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    static func encode(_ topicId: (UInt64, UInt64)) -> [UInt8] {
        [UInt8]("version: 0\ntopic_id: \(base64url(topicId))\n".utf8)
    }

    /// The topic id, or nil when the text is not such a file.
    static func decode(_ bytes: [UInt8]) -> (UInt64, UInt64)? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        var version: Substring?
        var id: Substring?
        for line in text.split(separator: "\n") {
            if line.hasPrefix("version: ") { version = line.dropFirst(9) }
            if line.hasPrefix("topic_id: ") { id = line.dropFirst(10) }
        }
        guard version == "0", let id else { return nil }
        return parse(id)
    }

    /// 22 characters for the 16 bytes, most significant first; the last one carries two bits.
    package static func base64url(_ id: (UInt64, UInt64)) -> String {
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
