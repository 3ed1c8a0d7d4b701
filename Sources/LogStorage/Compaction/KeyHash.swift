/// SipHash-2-4 with 128 bits of output: a keyed hash. Without the secret nobody can make two keys with the same hash, and
/// for keys that nobody chose, two of a billion collide with a probability of 10^-21.
///
/// - SeeAlso: Aumasson, Bernstein: "SipHash: a fast short-input PRF" (2012), and its reference code.
struct KeyHash: Equatable, Sendable {
    var high: UInt64
    var low: UInt64

    /// The key of the hash.
    struct Secret: Sendable {
        var k0: UInt64
        var k1: UInt64

        static func random() -> Secret {
            var random = SystemRandomNumberGenerator()
            return Secret(k0: random.next(), k1: random.next())
        }
    }

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(_ bytes: UnsafeRawBufferPointer, _ secret: Secret) {
        var state = SipState(secret)
        let whole = bytes.count & ~7
        var at = 0
        while at < whole {
            state.absorb(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)))
            at &+= 8
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        var shift: UInt64 = 0
        while at < bytes.count {
            last |= UInt64(bytes[at]) &<< shift
            shift &+= 8
            at &+= 1
        }
        state.absorb(last)
        (low, high) = state.finish()
    }
}

private struct SipState {
    private var v0: UInt64, v1: UInt64, v2: UInt64, v3: UInt64

    @inline(__always) init(_ secret: KeyHash.Secret) {
        v0 = secret.k0 ^ 0x736F_6D65_7073_6575
        v1 = secret.k1 ^ 0x646F_7261_6E64_6F6D ^ 0xEE
        v2 = secret.k0 ^ 0x6C79_6765_6E65_7261
        v3 = secret.k1 ^ 0x7465_6462_7974_6573
    }

    @inline(__always) private mutating func round() {
        v0 &+= v1
        v1 = v1 &<< 13 | v1 &>> 51
        v1 ^= v0
        v0 = v0 &<< 32 | v0 &>> 32
        v2 &+= v3
        v3 = v3 &<< 16 | v3 &>> 48
        v3 ^= v2
        v0 &+= v3
        v3 = v3 &<< 21 | v3 &>> 43
        v3 ^= v0
        v2 &+= v1
        v1 = v1 &<< 17 | v1 &>> 47
        v1 ^= v2
        v2 = v2 &<< 32 | v2 &>> 32
    }

    @inline(__always) mutating func absorb(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    @inline(__always) mutating func finish() -> (UInt64, UInt64) {
        v2 ^= 0xEE
        for _ in 0..<4 { round() }
        let first = v0 ^ v1 ^ v2 ^ v3
        v1 ^= 0xDD
        for _ in 0..<4 { round() }
        return (first, v0 ^ v1 ^ v2 ^ v3)
    }
}
