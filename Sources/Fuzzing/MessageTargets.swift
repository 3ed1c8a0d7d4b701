import Bytes
import KafkaMessages
import RandomMessages
import TestKit

extension FuzzTarget {
    /// Every message in every version, damaged.
    static let messages = FuzzTarget(name: "messages", stepCount: 2_000) { random in
        let message = allMessages[random.roll(allMessages.count)].type
        let other = allMessages[random.roll(allMessages.count)].type
        func check<M: RandomMessage>(_ type: M.Type) throws {
            let version = type.versions.lowerBound + Int16(random.roll(type.versions.count))
            var bytes = try valid(type, version, &random)
            let splice = random.roll(3) == 0 ? try valid(other, other.versions.upperBound, &random) : []
            random.damage(&bytes, with: splice)
            try decode(type, bytes, version)
        }
        try check(message)
    }

    /// Every message in every version, from noise.
    static let noise = FuzzTarget(name: "noise", stepCount: 4_000) { random in
        let message = allMessages[random.roll(allMessages.count)].type
        func check<M: RandomMessage>(_ type: M.Type) throws {
            try decode(type, random.noise(120), type.versions.lowerBound + Int16(random.roll(type.versions.count)))
        }
        try check(message)
    }

    private static func valid<M: RandomMessage>(
        _ type: M.Type, _ version: Int16, _ random: inout SeededRandom
    ) throws -> [UInt8] {
        var values = MessageRandom(seed: random.next(), countMax: 1 + random.roll(4))
        return try M.random(&values, version: version).encoded(version)
    }

    /// A message that is accepted can be written again, in at most as many bytes, and is then the same: nothing was made
    /// up, so what was allocated is bounded by what came.
    private static func decode<M: RandomMessage>(_ type: M.Type, _ bytes: [UInt8], _ version: Int16) throws {
        let (message, left): (M, Int)
        do { (message, left) = try M.decoded(bytes, version) } catch is WireError { return }
        let written = try message.encoded(version)
        try require(written.count <= bytes.count - left, "\(M.self) \(version) grew from \(bytes)")
        // Compared as bytes: a float64 may have become NaN, which differs from itself.
        try require(
            try M.decoded(written, version).message.encoded(version) == written, "\(M.self) \(version): \(bytes)")
    }
}
