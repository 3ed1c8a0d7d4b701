extension JSONText {
    /// A JSON text as UTF-8, without a byte order mark. Texts in UTF-16 and UTF-32 are told by their mark or, as JSON
    /// begins with a character of ASCII, by where the zeros are among the first four bytes.
    ///
    /// - SeeAlso: RFC 4627, section 3; Jackson's `ByteSourceJsonBootstrapper`.
    package static func utf8(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 2 else { return bytes }
        func byte(_ at: Int) -> UInt8 { at < bytes.count ? bytes[at] : 0xFF }
        switch (byte(0), byte(1), byte(2), byte(3)) {
        case (0xEF, 0xBB, 0xBF, _): return Array(bytes.dropFirst(3))
        case (0, 0, 0xFE, 0xFF): return utf32(bytes.dropFirst(4), isBigEndian: true)
        case (0xFF, 0xFE, 0, 0): return utf32(bytes.dropFirst(4), isBigEndian: false)
        case (0xFE, 0xFF, _, _): return utf16(bytes.dropFirst(2), isBigEndian: true)
        case (0xFF, 0xFE, _, _): return utf16(bytes.dropFirst(2), isBigEndian: false)
        case (0, 0, 0, _): return utf32(bytes[...], isBigEndian: true)
        case (_, 0, 0, 0): return utf32(bytes[...], isBigEndian: false)
        case (0, _, _, _): return utf16(bytes[...], isBigEndian: true)
        case (_, 0, _, _): return utf16(bytes[...], isBigEndian: false)
        default: return bytes
        }
    }

    private static func utf16(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool) -> [UInt8] {
        var units: [UInt16] = []
        for at in stride(from: bytes.startIndex, to: bytes.endIndex - 1, by: 2) {
            let (first, second) = (UInt16(bytes[at]), UInt16(bytes[at + 1]))
            units.append(isBigEndian ? first << 8 | second : second << 8 | first)
        }
        return Array(String(decoding: units, as: UTF16.self).utf8)
    }

    private static func utf32(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool) -> [UInt8] {
        var units: [UInt32] = []
        for at in stride(from: bytes.startIndex, to: bytes.endIndex - 3, by: 4) {
            var unit: UInt32 = 0
            for place in 0..<4 { unit = unit << 8 | UInt32(bytes[at + (isBigEndian ? place : 3 - place)]) }
            units.append(unit)
        }
        return Array(String(decoding: units, as: UTF32.self).utf8)
    }
}
