/// Members of the classes that Java calls `\p{...}` and PCRE2 does not, or not by these names.
enum JavaProperties {
    static let ascii: [String: String] = [
        "Lower": "a-z", "Upper": "A-Z", "ASCII": "\\x00-\\x7f", "Alpha": "a-zA-Z", "Digit": "0-9",
        "Alnum": "a-zA-Z0-9", "Punct": "!-\\/:-@\\[-`{-~", "Graph": "!-~", "Print": " -~", "Blank": " \\t",
        "Cntrl": "\\x00-\\x1f\\x7f", "XDigit": "0-9a-fA-F", "Space": " \\t\\n\\x0b\\f\\r",
    ]

    static let binary: [String: String] = [
        "javaLowerCase": "\\p{Ll}", "javaUpperCase": "\\p{Lu}", "javaWhitespace": "\\s", "javaDigit": "\\p{Nd}",
        "javaLetter": "\\p{L}", "javaLetterOrDigit": "\\p{L}\\p{Nd}", "IsAlphabetic": "\\p{L}\\p{Nl}",
        "IsLetter": "\\p{L}", "IsUppercase": "\\p{Lu}", "IsLowercase": "\\p{Ll}", "IsTitlecase": "\\p{Lt}",
        "IsPunctuation": "\\p{P}", "IsDigit": "\\p{Nd}", "IsControl": "\\p{Cc}", "IsWhite_Space": "\\s\\x{85}\\p{Z}",
        "IsWhiteSpace": "\\s\\x{85}\\p{Z}", "IsIdeographic": "\\p{Han}", "IsHex_Digit": "0-9a-fA-F",
    ]

    /// Blocks that people name, by their names without spaces, hyphens and underscores.
    static let blocks: [String: ClosedRange<UInt32>] = [
        "BASICLATIN": 0...0x7F, "LATIN1SUPPLEMENT": 0x80...0xFF, "LATINEXTENDEDA": 0x100...0x17F,
        "LATINEXTENDEDB": 0x180...0x24F, "IPAEXTENSIONS": 0x250...0x2AF, "COMBININGDIACRITICALMARKS": 0x300...0x36F,
        "GREEK": 0x370...0x3FF, "GREEKANDCOPTIC": 0x370...0x3FF, "CYRILLIC": 0x400...0x4FF,
        "CYRILLICSUPPLEMENT": 0x500...0x52F, "CYRILLICSUPPLEMENTARY": 0x500...0x52F, "ARMENIAN": 0x530...0x58F,
        "HEBREW": 0x590...0x5FF, "ARABIC": 0x600...0x6FF, "DEVANAGARI": 0x900...0x97F, "BENGALI": 0x980...0x9FF,
        "TAMIL": 0xB80...0xBFF, "THAI": 0xE00...0xE7F, "GEORGIAN": 0x10A0...0x10FF, "HANGULJAMO": 0x1100...0x11FF,
        "GREEKEXTENDED": 0x1F00...0x1FFF, "GENERALPUNCTUATION": 0x2000...0x206F, "CURRENCYSYMBOLS": 0x20A0...0x20CF,
        "LETTERLIKESYMBOLS": 0x2100...0x214F, "ARROWS": 0x2190...0x21FF, "MATHEMATICALOPERATORS": 0x2200...0x22FF,
        "BOXDRAWING": 0x2500...0x257F, "GEOMETRICSHAPES": 0x25A0...0x25FF, "MISCELLANEOUSSYMBOLS": 0x2600...0x26FF,
        "DINGBATS": 0x2700...0x27BF, "CJKSYMBOLSANDPUNCTUATION": 0x3000...0x303F, "HIRAGANA": 0x3040...0x309F,
        "KATAKANA": 0x30A0...0x30FF, "CJKUNIFIEDIDEOGRAPHS": 0x4E00...0x9FFF, "HANGULSYLLABLES": 0xAC00...0xD7AF,
        "EMOTICONS": 0x1F600...0x1F64F,
    ]
}
