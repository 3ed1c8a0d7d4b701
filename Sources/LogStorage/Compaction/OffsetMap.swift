import Environment

/// The last offset of each key in a part of a log, in bounded memory: 24 bytes per key, the hash instead of the key.
///
/// An open hash table in shards that grow one by one, so that few keys take little memory and growing never needs more
/// than a part of what is there.
///
/// | at | bytes | field of a slot                    |
/// |---:|------:|------------------------------------|
/// |  0 |    16 | hash of the key                    |
/// | 16 |     8 | offset plus one; 0 in a free slot  |
///
/// - SeeAlso: upstream `SkimpyOffsetMap`, which takes all of its memory at once.
struct OffsetMap: ~Copyable {
    fileprivate static let slotByteCount = 24
    private static let shardCount = 64
    private static let slotCountMin = 128

    /// A table of its own. Only its map refers to it.
    private final class Shard {
        let start: UnsafeMutableRawPointer
        let slotCount: Int
        var count = 0
        private let pages: Pages

        /// nil when the system has no memory.
        init?(slotCount: Int) {
            guard let pages = Pages(byteCount: slotCount * OffsetMap.slotByteCount), let start = pages.bytes.baseAddress
            else {
                return nil
            }
            self.pages = pages
            self.start = start
            self.slotCount = slotCount
        }
    }

    private let secret: KeyHash.Secret
    /// What a shard may grow to.
    private let slotCountMax: Int
    private let loadFactor: Double
    private var shards: [Shard] = []
    private(set) var count = 0

    /// - Parameters:
    ///   - byteCountMax: the most memory the map takes, 64 slots at least.
    ///   - loadFactor: how full it may become; 0.9 in Kafka.
    init(byteCountMax: Int, loadFactor: Double = 0.9, secret: KeyHash.Secret = .random()) {
        self.secret = secret
        self.loadFactor = min(0.95, max(0.1, loadFactor))
        slotCountMax = max(2, byteCountMax / Self.shardCount / Self.slotByteCount)
    }

    /// Bytes of memory in use.
    var byteCount: Int { shards.reduce(0) { $0 + $1.slotCount * Self.slotByteCount } }

    mutating func removeAll() {
        shards = []
        count = 0
    }

    @inline(__always) func hash(_ key: UnsafeRawBufferPointer) -> KeyHash { KeyHash(key, secret) }

    /// Sets the offset of a key. - Returns: false when the map is full and does not have the key.
    mutating func set(_ hash: KeyHash, to offset: Int64) -> Bool {
        if shards.isEmpty, !makeShards() { return false }
        let index = Int(truncatingIfNeeded: hash.high >> 58)
        var slot = Self.find(hash, in: shards[index])
        if slot.loadUnaligned(fromByteOffset: 16, as: Int64.self) == 0 {
            if shards[index].count >= limit(shards[index]) {
                guard grow(index) else { return false }
                slot = Self.find(hash, in: shards[index])
            }
            slot.storeBytes(of: hash.high, as: UInt64.self)
            slot.storeBytes(of: hash.low, toByteOffset: 8, as: UInt64.self)
            shards[index].count += 1
            count += 1
        }
        slot.storeBytes(of: offset &+ 1, toByteOffset: 16, as: Int64.self)
        return true
    }

    /// The offset of a key; -1 when the map does not have it.
    @inline(__always) func offset(_ hash: KeyHash) -> Int64 {
        guard !shards.isEmpty else { return -1 }
        let slot = Self.find(hash, in: shards[Int(truncatingIfNeeded: hash.high >> 58)])
        return slot.loadUnaligned(fromByteOffset: 16, as: Int64.self) &- 1
    }

    private mutating func makeShards() -> Bool {
        for _ in 0..<Self.shardCount {
            guard let shard = Shard(slotCount: min(slotCountMax, Self.slotCountMin)) else {
                shards = []
                return false
            }
            shards.append(shard)
        }
        return true
    }

    /// Keys a shard may have at its size. One slot is always free, so that every search ends.
    private func limit(_ shard: Shard) -> Int {
        // While it can still grow it is kept emptier, for shorter searches.
        let load = shard.slotCount < slotCountMax ? min(0.75, loadFactor) : loadFactor
        return max(1, min(shard.slotCount - 1, Int(Double(shard.slotCount) * load)))
    }

    /// The slot of a hash, or the free one where it belongs.
    @inline(__always) private static func find(_ hash: KeyHash, in shard: Shard) -> UnsafeMutableRawPointer {
        let slotCount = shard.slotCount
        var index = Int(truncatingIfNeeded: hash.low.multipliedFullWidth(by: UInt64(slotCount)).high)
        while true {
            let slot = shard.start + index &* slotByteCount
            if slot.loadUnaligned(fromByteOffset: 16, as: Int64.self) == 0
                || (slot.loadUnaligned(as: UInt64.self) == hash.high
                    && slot.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == hash.low)
            {
                return slot
            }
            index &+= 1
            if index == slotCount { index = 0 }
        }
    }

    /// Doubles a shard as far as its limit allows. - Returns: false when it cannot grow.
    private mutating func grow(_ index: Int) -> Bool {
        let old = shards[index]
        let slotCount = min(slotCountMax, old.slotCount * 2)
        guard slotCount > old.slotCount, let grown = Shard(slotCount: slotCount) else { return false }
        grown.count = old.count
        for index in 0..<old.slotCount {
            let slot = old.start + index * Self.slotByteCount
            guard slot.loadUnaligned(fromByteOffset: 16, as: Int64.self) != 0 else { continue }
            let hash = KeyHash(
                high: slot.loadUnaligned(as: UInt64.self), low: slot.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            Self.find(hash, in: grown).copyMemory(from: slot, byteCount: Self.slotByteCount)
        }
        shards[index] = grown
        return true
    }
}
