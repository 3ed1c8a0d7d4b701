import SQLTypes

/// Bytes as pairs of hexadecimal digits.
enum Hexadecimal {
    static func encode(_ bytes: [UInt8], isUpperCase: Bool) -> String {
        let digits = Array((isUpperCase ? "0123456789ABCDEF" : "0123456789abcdef").utf8)
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count * 2)
        for byte in bytes { output += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return String(decoding: output, as: UTF8.self)
    }

    /// nil for an odd number of digits and for anything else than digits.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 2 == 0 else { return nil }
        var output: [UInt8] = []
        var high: UInt8?
        for byte in text {
            guard let digit = digit(byte) else { return nil }
            if let first = high {
                output.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return output
    }

    static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}

/// How bytes and texts become one another in ENCODE, TO_BYTES and FROM_BYTES.
enum TextEncoding: String {
    case hex, utf8, ascii, base64

    init(_ name: String) throws(EvaluationError) {
        guard let encoding = TextEncoding(rawValue: name.lowercased()) else {
            throw EvaluationError(
                "Unknown encoding type '\(name)'. Supported formats are 'hex', 'utf8', 'ascii', and 'base64'.")
        }
        self = encoding
    }

    /// The text of the bytes. What is not ASCII becomes U+FFFD there.
    ///
    /// - Parameter isUpperCase: the hexadecimal digits.
    func encode(_ bytes: [UInt8], isUpperCase: Bool) -> String {
        switch self {
        case .hex: return Hexadecimal.encode(bytes, isUpperCase: isUpperCase)
        case .utf8: return String(decoding: bytes, as: UTF8.self)
        case .ascii:
            var text = String.UnicodeScalarView()
            for byte in bytes { text.append(byte < 0x80 ? Unicode.Scalar(byte) : "\u{FFFD}") }
            return String(text)
        case .base64: return Base64.encode(bytes)
        }
    }

    /// The bytes of the text. Characters that are not ASCII become question marks there.
    ///
    /// - Parameter isLenient: Base64 of both alphabets, without what belongs to none, up to the padding.
    func decode(_ text: String, isLenient: Bool = false) throws(EvaluationError) -> [UInt8] {
        switch self {
        case .hex:
            guard let bytes = Hexadecimal.decode(text.utf8) else {
                throw EvaluationError("Illegal hexadecimal text: \(text)")
            }
            return bytes
        case .utf8: return Array(text.utf8)
        case .ascii:
            return text.unicodeScalars.map { $0.isASCII ? UInt8(truncatingIfNeeded: $0.value) : UInt8(ascii: "?") }
        case .base64:
            guard let bytes = Base64.decode(isLenient ? Self.known(text) : text) else {
                throw EvaluationError("Illegal base64 text: \(text)")
            }
            return bytes
        }
    }
}

extension TextEncoding {
    private static func known(_ text: String) -> String {
        var known: [UInt8] = []
        for byte in text.utf8.prefix(while: { $0 != UInt8(ascii: "=") }) {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "+"), UInt8(ascii: "/"): known.append(byte)
            case UInt8(ascii: "-"): known.append(UInt8(ascii: "+"))
            case UInt8(ascii: "_"): known.append(UInt8(ascii: "/"))
            default: continue
            }
        }
        // Six bits alone make no byte.
        if known.count % 4 == 1 { known.removeLast() }
        return String(decoding: known, as: UTF8.self)
    }
}

/// The message digest of RFC 1321.
enum MD5 {
    private static let shifts: [UInt32] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]

    /// floor(2^32 · |sin(i + 1)|), the table T of the RFC.
    private static let table: [UInt32] = [
        0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
        0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
        0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
        0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
        0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
        0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
        0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
        0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
    ]

    static func digest(_ message: [UInt8]) -> [UInt8] {
        var bytes = message + [0x80]
        while bytes.count % 64 != 56 { bytes.append(0) }
        let bitCount = UInt64(message.count) &* 8
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: bitCount >> shift))
        }
        var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]
        for start in stride(from: 0, to: bytes.count, by: 64) {
            let words = (0..<16).map { word in
                (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + word * 4 + $1]) << UInt32(8 * $1) }
            }
            var (a, b, c, d) = (state[0], state[1], state[2], state[3])
            for round in 0..<64 {
                let mix: UInt32
                let word: Int
                switch round / 16 {
                case 0: (mix, word) = (b & c | ~b & d, round)
                case 1: (mix, word) = (d & b | ~d & c, (5 * round + 1) % 16)
                case 2: (mix, word) = (b ^ c ^ d, (3 * round + 5) % 16)
                default: (mix, word) = (c ^ (b | ~d), 7 * round % 16)
                }
                let sum = a &+ mix &+ table[round] &+ words[word]
                let shift = shifts[round / 16 * 4 + round % 4]
                (a, d, c, b) = (d, c, b, b &+ (sum << shift | sum >> (32 - shift)))
            }
            state = [state[0] &+ a, state[1] &+ b, state[2] &+ c, state[3] &+ d]
        }
        return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) } }
    }
}
