internal import Glibc

/// Texts of the server's character sets as UTF-8. MySQL's sets go by names of their own; what is not converted here is
/// converted by the C library's `iconv`.
enum Charset {
    /// How bytes of a column become text.
    enum Decoder: Sendable, Hashable {
        case utf8
        /// MySQL's latin1: Windows-1252 with the five codes it leaves open as they are.
        case latin1
        case iconv(String)
    }

    private static let iconvNames: [String: String] = [
        "ucs2": "UTF-16BE", "utf16": "UTF-16BE", "utf16le": "UTF-16LE", "utf32": "UTF-32BE", "gbk": "CP936",
        "gb2312": "EUC-CN", "gb18030": "GB18030", "big5": "BIG5", "sjis": "SHIFT_JIS", "cp932": "CP932",
        "ujis": "EUC-JP", "eucjpms": "EUC-JP-MS", "euckr": "CP949", "tis620": "TIS-620", "koi8r": "KOI8-R",
        "koi8u": "KOI8-U", "greek": "ISO-8859-7", "hebrew": "ISO-8859-8", "latin2": "ISO-8859-2",
        "latin5": "ISO-8859-9", "latin7": "ISO-8859-13", "cp850": "CP850", "cp852": "CP852", "cp866": "CP866",
        "cp1250": "CP1250", "cp1251": "CP1251", "cp1256": "CP1256", "cp1257": "CP1257", "macroman": "MACINTOSH",
        "macce": "MACCENTRALEUROPE", "swe7": "SEN_850200_C", "dec8": "DEC-MCS", "hp8": "ROMAN8",
        "armscii8": "ARMSCII-8", "geostd8": "GEORGIAN-ACADEMY", "keybcs2": "CP895",
    ]

    static func decoder(_ name: String?) -> Decoder {
        switch name {
        case nil, "utf8", "utf8mb3", "utf8mb4", "ascii", "binary": .utf8
        case "latin1": .latin1
        case let name?: .iconv(iconvNames[name] ?? name)
        }
    }

    /// The character set of a collation: what stands before its first `_`; nil when it does not say (`uca1400_ai_ci`).
    static func ofCollation(_ name: String) -> String? {
        if name == "binary" { return "binary" }
        if name == "default" || name.hasPrefix("uca1400") { return nil }
        return name.split(separator: "_").first.map(String.init)
    }

    /// Codes 0x80 to 0x9F of latin1.
    private static let windows: [UInt16] = [
        0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D, 0x17D,
        0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D,
        0x17E, 0x178,
    ]

    static func text(_ bytes: UnsafeRawBufferPointer, _ decoder: Decoder) -> String {
        switch decoder {
        case .utf8: return String(decoding: bytes, as: UTF8.self)
        case .latin1:
            if bytes.allSatisfy({ $0 < 0x80 }) { return String(decoding: bytes, as: UTF8.self) }
            var units: [UInt16] = []
            units.reserveCapacity(bytes.count)
            for byte in bytes { units.append(0x80...0x9F ~= byte ? windows[Int(byte) - 0x80] : UInt16(byte)) }
            return String(decoding: units, as: UTF16.self)
        case .iconv(let name): return converted(bytes, name)
        }
    }

    /// What a set does not know becomes U+FFFD, as Java has it.
    private static func converted(_ bytes: UnsafeRawBufferPointer, _ name: String) -> String {
        guard !bytes.isEmpty else { return "" }
        guard let converter = iconv_open("UTF-8", name), Int(bitPattern: converter) != -1 else {
            return String(decoding: bytes, as: UTF8.self)
        }
        defer { iconv_close(converter) }
        var input = [CChar](bytes.map { CChar(bitPattern: $0) })
        var output = [CChar](repeating: 0, count: bytes.count * 4 + 16)
        var written = 0
        let outputCount = output.count
        input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                var from = source.baseAddress
                var left = source.count
                var to = target.baseAddress
                var room = target.count
                while left > 0 {
                    if iconv(converter, &from, &left, &to, &room) != -1 { break }
                    guard left > 0, room >= 3 else { break }
                    for byte in [0xEF, 0xBF, 0xBD] as [UInt8] {
                        to?.pointee = CChar(bitPattern: byte)
                        to = to?.advanced(by: 1)
                        room -= 1
                    }
                    from = from?.advanced(by: 1)
                    left -= 1
                }
                written = outputCount - room
            }
        }
        return String(decoding: output[..<written].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
