import TestKit

extension SeededRandom {
    /// 0..<sides.
    mutating func roll(_ sides: Int) -> Int { sides > 1 ? Int.random(in: 0..<sides, using: &self) : 0 }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// Small numbers are plausible lengths, so that decoders get further than the first field.
    mutating func noise(_ countMax: Int) -> [UInt8] {
        (0..<roll(countMax + 1)).map { _ in
            let value = next()
            return UInt8(truncatingIfNeeded: roll(4) == 0 ? value : value % 4)
        }
    }

    /// Changes bytes as broken disks, broken peers and attackers do: a few times, each in one of many ways.
    mutating func damage(_ bytes: inout [UInt8], with other: [UInt8] = []) {
        for _ in 0...roll(3) { damageOnce(&bytes, other) }
    }

    private mutating func damageOnce(_ bytes: inout [UInt8], _ other: [UInt8]) {
        let at = roll(bytes.count + 1)
        let count = roll(min(64, bytes.count - at) + 1)
        switch roll(11) {
        case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8(roll(8))
        case 1 where at < bytes.count: bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][roll(5)]
        case 2 where at < bytes.count: bytes[at] = UInt8(truncatingIfNeeded: next())
        case 3: bytes.removeLast(bytes.count - at)
        case 4: bytes.removeSubrange(at..<at + count)
        case 5: bytes.insert(contentsOf: bytes[at..<at + count], at: at)
        case 6: bytes.insert(contentsOf: noise(16), at: at)
        case 7: overwrite(&bytes, at, Self.bombs[roll(Self.bombs.count)])
        case 8: overwrite(&bytes, at, [UInt8](repeating: 0, count: count))
        case 9 where !other.isEmpty:
            let from = roll(other.count)
            bytes.insert(contentsOf: other[from..<from + roll(other.count - from + 1)], at: at)
        default: overwrite(&bytes, at, self.bytes(roll(9)))
        }
    }

    private func overwrite(_ bytes: inout [UInt8], _ at: Int, _ piece: [UInt8]) {
        let end = min(bytes.count, at + piece.count)
        bytes.replaceSubrange(at..<end, with: piece)
    }

    /// Lengths and counts that somebody might allocate for, fixed and as varints, and numbers that overflow when added to.
    private static let bombs: [[UInt8]] = [
        [0x7F, 0xFF, 0xFF, 0xFF], [0x80, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [0, 0xFF, 0xFF, 0xFF], [0x7F, 0xFF],
        [0x80, 0], [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0xFE, 0xFF, 0xFF, 0xFF, 0x0F], [0xFF, 0xFF, 0xFF, 0xFF, 0x07],
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0xFF, 0xFF, 0x03],
        [0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [0x80, 0, 0, 0, 0, 0, 0, 0],
    ]
}
