/// A pattern of LIKE over UTF-8: `%` is any text of one line, `_` one character that does not end a line, a character
/// behind the escape and everything else itself.
///
/// The original makes a regular expression of it whose dots match no line ends. Matching takes time in proportion to text
/// times pattern at most.
package struct LikePattern: Sendable {
    private enum Part: Sendable, Equatable {
        case byte(UInt8)
        case oneCharacter
        case anything
    }

    private let parts: [Part]
    /// The literal between two `%` of a pattern that is nothing else, which is searched for at once.
    private let contained: [UInt8]?

    /// - Throws: "LIKE pattern must not end with escape character".
    package init(_ pattern: String, escape: Character? = nil) throws(SQLTypesError) {
        let mark = escape?.unicodeScalars.first
        var parts: [Part] = []
        var isEscaped = false
        for scalar in pattern.unicodeScalars {
            if !isEscaped, scalar == mark {
                isEscaped = true
                continue
            }
            switch scalar {
            case "%" where !isEscaped: if parts.last != .anything { parts.append(.anything) }
            case "_" where !isEscaped: parts.append(.oneCharacter)
            default: parts += String(scalar).utf8.map { .byte($0) }
            }
            isEscaped = false
        }
        guard !isEscaped else {
            throw SQLTypesError(.invalidText, "LIKE pattern must not end with escape character")
        }
        self.parts = parts
        if parts.count > 2, parts.first == .anything, parts.last == .anything {
            let middle = parts[1..<(parts.count - 1)]
            let bytes = middle.compactMap { if case .byte(let byte) = $0 { byte } else { nil } }
            contained = bytes.count == middle.count ? bytes : nil
        } else {
            contained = nil
        }
    }

    /// Whether all of `text` is matched.
    package func matches(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { matches($0) }
    }

    package func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        if let contained {
            guard Self.contains(text, contained) else { return false }
            if !text.indices.contains(where: { Self.endsLine(text, $0) }) { return true }
        }
        var at = 0
        var part = 0
        // Where to go on when what follows the last `%` does not fit: one character later. The first place that fits is
        // as good as any later one, with lines as without: no later one leaves more of the text to the next `%`.
        var retryPart = -1
        var retryAt = 0
        while true {
            if part < parts.count {
                switch parts[part] {
                case .anything:
                    retryPart = part + 1
                    retryAt = at
                    part += 1
                    continue
                case .byte(let byte):
                    if at < text.count, text[at] == byte {
                        at += 1
                        part += 1
                        continue
                    }
                case .oneCharacter:
                    if at < text.count, !Self.endsLine(text, at) {
                        at = Self.next(text, at)
                        part += 1
                        continue
                    }
                }
            } else if at == text.count {
                return true
            }
            guard retryPart >= 0, retryAt < text.count, !Self.endsLine(text, retryAt) else { return false }
            retryAt = Self.next(text, retryAt)
            at = retryAt
            part = retryPart
        }
    }

    @inline(__always)
    private static func next(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int {
        var at = at + 1
        while at < text.count, text[at] & 0xC0 == 0x80 { at += 1 }
        return at
    }

    /// Line feed, carriage return, U+0085, U+2028 and U+2029.
    @inline(__always)
    private static func endsLine(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
        switch text[at] {
        case 0x0A, 0x0D: true
        case 0xC2: at + 1 < text.count && text[at + 1] == 0x85
        case 0xE2: at + 2 < text.count && text[at + 1] == 0x80 && text[at + 2] & 0xFE == 0xA8
        default: false
        }
    }

    private static func contains(_ text: UnsafeBufferPointer<UInt8>, _ wanted: [UInt8]) -> Bool {
        let first = wanted[0]
        guard text.count >= wanted.count else { return false }
        outer: for at in 0...(text.count - wanted.count) where text[at] == first {
            for offset in 1..<max(1, wanted.count) where text[at + offset] != wanted[offset] { continue outer }
            return true
        }
        return false
    }
}
