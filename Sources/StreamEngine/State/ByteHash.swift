/// Hashes the keys of state tables: 64 bits, well mixed, a few nanoseconds for short keys.
///
/// Two multiplications of 64 by 64 bits per 16 bytes, folded (the construction known from wyhash). Not for anything that
/// is stored: tables are rebuilt from their keys.
@inlinable @inline(__always)
func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
}

@usableFromInline let hashSecret0: UInt64 = 0xa076_1d64_78bd_642f
@usableFromInline let hashSecret1: UInt64 = 0xe703_7ed1_a0b4_28db

/// The hash of `count` bytes at `start`, which may be nil when there are none.
@inlinable
package func hashBytes(_ key: UnsafeRawBufferPointer) -> UInt64 {
    guard let start = key.baseAddress else { return mix(hashSecret0, hashSecret1) }
    var left = key.count
    var at = start
    var seed = hashSecret0 ^ UInt64(truncatingIfNeeded: left)
    while left > 16 {
        let a = at.loadUnaligned(as: UInt64.self)
        let b = (at + 8).loadUnaligned(as: UInt64.self)
        seed = mix(a ^ hashSecret1, b ^ seed)
        at += 16
        left &-= 16
    }
    var a: UInt64 = 0
    var b: UInt64 = 0
    if left >= 8 {
        a = at.loadUnaligned(as: UInt64.self)
        b = (at + (left &- 8)).loadUnaligned(as: UInt64.self)
    } else if left >= 4 {
        a = UInt64(at.loadUnaligned(as: UInt32.self))
        b = UInt64((at + (left &- 4)).loadUnaligned(as: UInt32.self))
    } else if left > 0 {
        a =
            UInt64(at.load(as: UInt8.self)) << 16 | UInt64((at + (left >> 1)).load(as: UInt8.self)) << 8
            | UInt64((at + (left &- 1)).load(as: UInt8.self))
    }
    return mix(hashSecret1 ^ seed, mix(a ^ hashSecret1, b ^ seed))
}
