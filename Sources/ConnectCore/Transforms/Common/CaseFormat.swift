/// The spellings of names, as Guava's `CaseFormat` has them.
enum CaseFormat: String, CaseIterable, Sendable {
    case lowerHyphen = "LOWER_HYPHEN"
    case lowerUnderscore = "LOWER_UNDERSCORE"
    case lowerCamel = "LOWER_CAMEL"
    case upperCamel = "UPPER_CAMEL"
    case upperUnderscore = "UPPER_UNDERSCORE"

    func converted(_ text: String, to other: CaseFormat) -> String {
        switch (self, other) {
        // These two differ in nothing but what stands between words.
        case (.lowerHyphen, .lowerUnderscore): text.replacing("-", with: "_")
        case (.lowerUnderscore, .lowerHyphen): text.replacing("_", with: "-")
        default: self == other ? text : other.text(words(text))
        }
    }

    private func words(_ text: String) -> [String] {
        switch self {
        case .lowerHyphen: text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        case .lowerUnderscore, .upperUnderscore:
            text.split(separator: "_", omittingEmptySubsequences: false).map(String.init)
        case .lowerCamel, .upperCamel:
            text.reduce(into: [String]()) { words, character in
                if words.isEmpty || (character.isASCII && character.isUppercase) {
                    words.append(String(character))
                } else {
                    words[words.count - 1].append(character)
                }
            }
        }
    }

    private func text(_ words: [String]) -> String {
        switch self {
        case .lowerHyphen: words.map { Self.lower($0) }.joined(separator: "-")
        case .lowerUnderscore: words.map { Self.lower($0) }.joined(separator: "_")
        case .upperUnderscore: words.map { Self.upper($0) }.joined(separator: "_")
        case .upperCamel: words.map(Self.capitalised).joined()
        case .lowerCamel:
            (words.first.map(Self.lower) ?? "") + words.dropFirst().map(Self.capitalised).joined()
        }
    }

    private static func capitalised(_ word: String) -> String { upper(word.prefix(1)) + lower(word.dropFirst()) }

    /// Letters of ASCII alone have a case here.
    private static func lower(_ text: some StringProtocol) -> String {
        String(decoding: text.utf8.map { 0x41...0x5A ~= $0 ? $0 + 0x20 : $0 }, as: UTF8.self)
    }

    private static func upper(_ text: some StringProtocol) -> String {
        String(decoding: text.utf8.map { 0x61...0x7A ~= $0 ? $0 - 0x20 : $0 }, as: UTF8.self)
    }
}
