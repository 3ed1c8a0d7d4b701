import TestKit

extension SeededRandom {
    /// A text that is almost right: one of `texts` with damage to its bytes, or with words of its language at places
    /// where they do not belong; now and then as it is.
    mutating func almost(_ texts: [String], words: [String]) -> String {
        var bytes = Array(texts[roll(texts.count)].utf8)
        switch roll(8) {
        case 0: break
        case 1...3: damage(&bytes, with: Array(texts[roll(texts.count)].utf8))
        default:
            for _ in 0...roll(3) {
                let word = Array(words[roll(words.count)].utf8)
                let count = 1 + (roll(60) == 0 ? roll(1_500) : 0)
                let at = roll(bytes.count + 1)
                switch roll(3) {
                case 0: bytes.insert(contentsOf: [[UInt8]](repeating: word, count: count).joined(), at: at)
                case 1: bytes.replaceSubrange(at..<min(bytes.count, at + word.count), with: word)
                default: replaceWord(&bytes, from: at, with: word)
                }
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Puts `word` in the place of the letters and digits that come next.
    private func replaceWord(_ bytes: inout [UInt8], from at: Int, with word: [UInt8]) {
        func isLetter(_ byte: UInt8) -> Bool { 0x30...0x39 ~= byte || 0x61...0x7A ~= byte | 0x20 }
        guard let start = bytes[at...].firstIndex(where: isLetter) else { return }
        let end = bytes[start...].firstIndex { !isLetter($0) } ?? bytes.count
        bytes.replaceSubrange(start..<end, with: word)
    }

    /// A number as it occurs: small ones, large ones, and those at the borders of types.
    mutating func number() -> Int64 {
        switch roll(4) {
        case 0: Int64(roll(10)) - 3
        case 1: [.min, .max, 0, -1, Int64(Int32.min), Int64(Int32.max), 1 << 53][roll(7)]
        default: Int64(truncatingIfNeeded: next()) >> Int64(roll(64))
        }
    }

    mutating func fraction() -> Double {
        switch roll(4) {
        case 0: [0, -0.0, .infinity, -.infinity, .nan, .greatestFiniteMagnitude, .leastNonzeroMagnitude][roll(7)]
        case 1: Double(roll(1_000)) / 8
        default: Double(bitPattern: next())
        }
    }

    mutating func string() -> String {
        let pieces = [
            "", "a", "é", "\u{1F600}", "\"", "\\", "\n", "\u{0}", "long enough to be no small string", "1", "RED",
        ]
        return (0..<roll(4)).map { _ in pieces[roll(pieces.count)] }.joined()
    }
}
