/// The generator of `java.util.Random`, so that a seed gives the numbers that it gives in the original. Its state are 48
/// bits of a linear congruence, documented in Java's API.
struct JavaRandom: Sendable {
    private var state: UInt64

    private static let multiplier: UInt64 = 0x5_DEEC_E66D
    private static let mask: UInt64 = 1 << 48 - 1

    init(seed: Int64) { state = Self.scrambled(seed) }

    mutating func setSeed(_ seed: Int64) { state = Self.scrambled(seed) }

    private static func scrambled(_ seed: Int64) -> UInt64 { (UInt64(bitPattern: seed) ^ multiplier) & mask }

    /// The next 1 to 32 bits, signed as Java's `int` is.
    @inline(__always) private mutating func next(_ bits: UInt64) -> Int32 {
        state = (state &* Self.multiplier &+ 0xB) & Self.mask
        return Int32(truncatingIfNeeded: Int64(bitPattern: state << 16) >> (64 - Int64(bits)))
    }

    mutating func nextInt() -> Int32 { next(32) }

    /// 0 up to `bound`, which is at least 1.
    mutating func nextInt(_ bound: Int32) -> Int32 {
        var bits = next(31) & Int32.max
        let most = bound &- 1
        if bound & most == 0 { return Int32(truncatingIfNeeded: (Int64(bound) &* Int64(bits)) >> 31) }
        var value = bits % bound
        // Java draws again where the last, shorter round of remainders would make small numbers likelier.
        while bits &- value &+ most < 0 {
            bits = next(31) & Int32.max
            value = bits % bound
        }
        return value
    }

    mutating func nextIndex(_ count: Int) -> Int { Int(nextInt(Int32(clamping: max(count, 1)))) }

    mutating func nextLong() -> Int64 {
        let high = Int64(next(32)) << 32
        return high &+ Int64(next(32))
    }

    mutating func nextBoolean() -> Bool { next(1) != 0 }

    /// 0 up to 1.
    mutating func nextDouble() -> Double {
        let high = Int64(next(26) & 0x3FF_FFFF) << 27
        return Double(high + Int64(next(27) & 0x7FF_FFFF)) * 0x1p-53
    }

    /// 0 up to 1.
    mutating func nextFloat() -> Float { Float(next(24) & 0xFF_FFFF) * 0x1p-24 }

    mutating func nextBytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            var word = nextInt()
            for _ in 0..<min(4, count - bytes.count) {
                bytes.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        return bytes
    }
}
