import Crypto

/// Short names for what a schema says to readers: equal for schemas with the same parsing canonical form.
///
/// - SeeAlso: Apache Avro specification, "Schema Fingerprints".
extension AvroSchema {
    /// CRC-64-AVRO, the 64-bit Rabin fingerprint.
    package var rabinFingerprint: UInt64 { Self.rabin(text(.parsing).utf8) }

    package var md5Fingerprint: [UInt8] { Array(Insecure.MD5.hash(data: Array(text(.parsing).utf8))) }

    package var sha256Fingerprint: [UInt8] { Array(SHA256.hash(data: Array(text(.parsing).utf8))) }

    private static let rabinEmpty: UInt64 = 0xC15D_213A_A4D7_A795

    private static let rabinTable: [UInt64] = (0..<256).map { index in
        (0..<8).reduce(UInt64(index)) { value, _ in (value >> 1) ^ (rabinEmpty & (0 &- (value & 1))) }
    }

    static func rabin(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(rabinEmpty) { ($0 >> 8) ^ rabinTable[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }
}
