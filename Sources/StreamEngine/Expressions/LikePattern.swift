/// A pattern of LIKE over UTF-8: `%` is any text, `_` one character, everything else itself.
struct LikePattern: Sendable {
    private enum Part: Sendable, Equatable {
        case byte(UInt8)
        case oneCharacter
        case anything
    }

    private let parts: [Part]
    /// The literal between two `%` of a pattern that is nothing else, which is searched for at once.
    private let contained: [UInt8]?

    init(_ pattern: String, escape: Character?) {
        var parts: [Part] = []
        var isEscaped = false
        for character in pattern {
            if isEscaped {
                parts += character.utf8.map { .byte($0) }
                isEscaped = false
            } else if let escape, character == escape {
                isEscaped = true
            } else if character == "%" {
                if parts.last != .anything { parts.append(.anything) }
            } else if character == "_" {
                parts.append(.oneCharacter)
            } else {
                parts += character.utf8.map { .byte($0) }
            }
        }
        // An escape at the very end stands for itself.
        if isEscaped, let escape { parts += escape.utf8.map { .byte($0) } }
        self.parts = parts
        if parts.count > 2, parts.first == .anything, parts.last == .anything {
            let middle = parts[1..<(parts.count - 1)]
            let bytes = middle.compactMap { if case .byte(let byte) = $0 { byte } else { nil } }
            contained = bytes.count == middle.count ? bytes : nil
        } else {
            contained = nil
        }
    }

    func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        if let contained { return Self.contains(text, contained) }
        var at = 0
        var part = 0
        // Where to go on when what follows the last `%` does not fit: one character later.
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
                    if at < text.count {
                        at = Self.next(text, at)
                        part += 1
                        continue
                    }
                }
            } else if at == text.count {
                return true
            }
            guard retryPart >= 0, retryAt < text.count else { return false }
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
