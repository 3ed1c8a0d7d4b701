import KafkaMessages

/// Makes member ids in Kafka's form `clientId-UUID`, the UUID with dashes. Deterministic for a seed (SplitMix64).
struct MemberIds: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z &>> 31)
    }

    /// - Parameter prefix: the instance id of a static member, else the client id. A member id is stored in records
    ///   whose strings have at most 32767 bytes: a prefix of more than 1024 is cut.
    mutating func make(prefix: String) -> String {
        let uuid = KafkaUUID.random(using: &self)
        let digits = Self.hexadecimal(uuid.high) + Self.hexadecimal(uuid.low)
        var text = prefix.utf8.count > 1_024 ? String(prefix.prefix(256)) : prefix
        for (index, digit) in digits.enumerated() {
            // 8-4-4-4-12 digits, with a dash before each part.
            if index == 0 || index == 8 || index == 12 || index == 16 || index == 20 { text.append("-") }
            text.unicodeScalars.append(Unicode.Scalar(digit))
        }
        return text
    }

    private static func hexadecimal(_ value: UInt64) -> [UInt8] {
        (0..<16).map { position in
            let nibble = UInt8(truncatingIfNeeded: value >> UInt64(60 - 4 * position)) & 0xF
            return nibble < 10 ? 0x30 + nibble : 0x61 + nibble - 10
        }
    }
}
