import CISAL

/// CRC-32C (Castagnoli polynomial, reflected, as in RFC 3720 appendix B.4), the checksum of Kafka's record batches.
///
/// Computed by ISA-L, which picks the widest instructions of the processor it runs on.
///
/// - Parameter seed: the checksum of the bytes before these, so that a checksum can be continued over pieces.
package func crc32c(_ bytes: borrowing RawSpan, seed: UInt32 = 0) -> UInt32 {
    bytes.withUnsafeBytes { crc32c($0, seed: seed) }
}

/// The same for bytes behind a pointer.
package func crc32c(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
    guard var cursor = bytes.baseAddress else { return seed }
    var rest = bytes.count
    var state = ~seed
    while rest > 0 {
        // The C function takes an `int` length; it does not write to the bytes although its signature allows it.
        let step = min(rest, 1 << 30)
        let bytes = UnsafeMutablePointer(mutating: cursor.assumingMemoryBound(to: UInt8.self))
        state = crc32_iscsi(bytes, Int32(step), state)
        cursor += step
        rest -= step
    }
    return ~state
}
