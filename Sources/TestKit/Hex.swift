/// The bytes that lower-case hexadecimal digits stand for; for tables of expected bytes.
package func bytes(ofHex hex: String) -> [UInt8] {
    let digits = hex.utf8.map { $0 &- ($0 < UInt8(ascii: "a") ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10) }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}
