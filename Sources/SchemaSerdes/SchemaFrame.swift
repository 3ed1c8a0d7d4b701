/// What tells which schema a serialized key or value was written with.
///
/// In front of the payload stands the byte 0 and the schema's id in four bytes, most significant first, or the byte 1 and
/// its GUID in sixteen; or the same bytes are the value of a record header, and the payload has nothing in front.
///
/// - SeeAlso: Confluent Schema Registry, "Wire format".
package enum SchemaFrame: Sendable, Hashable, CustomStringConvertible {
    case id(Int32)
    /// In the text form of RFC 9562, lower case.
    case guid(String)

    /// The record header for keys and the one for values.
    package static let keyHeader = "__key_schema_id"
    package static let valueHeader = "__value_schema_id"

    /// Reads the frame in front of a payload.
    ///
    /// - Returns: the frame and how many bytes it takes; nil when there is none.
    package static func read(_ bytes: some Collection<UInt8>) -> (frame: SchemaFrame, byteCount: Int)? {
        switch bytes.first {
        case 0:
            let digits = Array(bytes.dropFirst().prefix(4))
            guard digits.count == 4 else { return nil }
            let id = digits.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            return (.id(Int32(bitPattern: id)), 5)
        case 1:
            let digits = Array(bytes.dropFirst().prefix(16))
            guard digits.count == 16 else { return nil }
            return (.guid(text(digits)), 17)
        default: return nil
        }
    }

    /// The bytes in front of a payload.
    package static func prefix(id: Int32) -> [UInt8] {
        let bits = UInt32(bitPattern: id)
        return [0, UInt8(bits >> 24), UInt8(bits >> 16 & 0xFF), UInt8(bits >> 8 & 0xFF), UInt8(bits & 0xFF)]
    }

    package var description: String {
        switch self {
        case .id(let id): "id \(id)"
        case .guid(let guid): "GUID \(guid)"
        }
    }

    private static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var output: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { output.append(UInt8(ascii: "-")) }
            output += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return String(decoding: output, as: UTF8.self)
    }
}
