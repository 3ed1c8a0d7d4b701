#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A hash table from bytes to bytes: the memory of all state stores.
///
/// Records lie one after the other in one growing block of memory; the index is an array of 8-byte entries, probed
/// linearly, that hold 24 bits of the hash and where the record lies. A lookup costs one access to the index and one to
/// the record. A record of a 8-byte key and a 100-byte value takes 120 bytes and 9 to 18 of the index.
///
/// | at | bytes | field of a record                                      |
/// |---:|------:|--------------------------------------------------------|
/// |  0 |     4 | the lower half of the hash                             |
/// |  4 |     4 | bytes of the key; the highest bit: changed since drain |
/// |  8 |     4 | bytes of the value                                     |
/// | 12 |     4 | room for key and value, in bytes                       |
/// | 16 |       | key, then value; the whole is a multiple of 8          |
///
/// Keys and values are below 1 GiB each, and there are fewer than 3 billion records. One user at a time. Pointers that it
/// hands out are valid until the next change, and must not be given to the methods that change it.
package final class SlabTable {
    /// Where a record lies; 0 is no record.
    package typealias Place = Int

    private static let headerBytes = 16
    private static let placeBits: UInt64 = 40
    private static let placeMask: UInt64 = (1 << placeBits) - 1
    /// An entry whose record is gone; probing goes on behind it.
    private static let removed: UInt64 = 1
    private static let dirtyBit: UInt32 = 1 << 31
    /// Free blocks up to this size are kept in lists of exactly their size.
    private static let listedMax = 1024

    /// Entries: 0 is empty.
    private var index: UnsafeMutablePointer<UInt64>
    private var indexMask: Int
    /// Entries that are not empty, removed ones included.
    private var used = 0
    /// Records.
    package private(set) var count = 0

    private var arena: UnsafeMutableRawPointer
    /// Bytes that are handed out, of `arenaCapacity`. The first 8 are never, so that no place is 0.
    private var arenaEnd = 16
    private var arenaCapacity: Int
    /// Bytes of blocks that wait to be used again.
    private var freeBytes = 0
    /// The first free block of each size of 8 bytes; free blocks hold the place of the next.
    private var freeSmall = [Int](repeating: 0, count: SlabTable.listedMax / 8 + 1)
    /// Larger ones by their class: powers of two.
    private var freeLarge = [[Int]](repeating: [], count: 32)

    private let capturesChanges: Bool
    /// Keys that changed since the last drain: a length, then the bytes.
    private var changedKeys: [UInt8] = []

    package init(capturesChanges: Bool = false) {
        self.capturesChanges = capturesChanges
        indexMask = 15
        index = .allocate(capacity: 16)
        index.initialize(repeating: 0, count: 16)
        arenaCapacity = 1024
        arena = Self.checked(malloc(arenaCapacity), arenaCapacity)
    }

    deinit {
        index.deallocate()
        free(arena)
    }

    private static func checked(_ memory: UnsafeMutableRawPointer?, _ bytes: Int) -> UnsafeMutableRawPointer {
        guard let memory else { preconditionFailure("no memory for \(bytes) bytes of state") }
        return memory
    }

    /// Memory that is in use for records and index.
    package var byteCount: Int { arenaEnd - freeBytes + (indexMask + 1) * 8 }

    // MARK: Reading

    /// The record of a key, 0 when there is none.
    @inline(__always)
    package func find(_ key: UnsafeRawBufferPointer, hash: UInt64) -> Place {
        let tag = hash & ~Self.placeMask
        var at = Int(truncatingIfNeeded: hash) & indexMask
        while true {
            let entry = index[at]
            if entry == 0 { return 0 }
            if entry & ~Self.placeMask == tag, entry != Self.removed {
                let place = Int(entry & Self.placeMask) << 3
                if isKey(key, at: place) { return place }
            }
            at = (at &+ 1) & indexMask
        }
    }

    package func find(_ key: UnsafeRawBufferPointer) -> Place { find(key, hash: hashBytes(key)) }

    @inline(__always)
    private func isKey(_ key: UnsafeRawBufferPointer, at place: Place) -> Bool {
        let record = arena + place
        let count = Int(record.load(fromByteOffset: 4, as: UInt32.self) & ~Self.dirtyBit)
        guard count == key.count else { return false }
        guard let start = key.baseAddress else { return true }
        let own = record + Self.headerBytes
        if count == 8 {
            return own.load(as: UInt64.self) == start.loadUnaligned(as: UInt64.self)
        }
        return memcmp(own, start, count) == 0
    }

    package func key(at place: Place) -> UnsafeRawBufferPointer {
        let record = arena + place
        let count = Int(record.load(fromByteOffset: 4, as: UInt32.self) & ~Self.dirtyBit)
        return UnsafeRawBufferPointer(start: record + Self.headerBytes, count: count)
    }

    /// The value of a record; to be written to only without changing its length, after `touch`.
    @inline(__always)
    package func value(at place: Place) -> UnsafeMutableRawBufferPointer {
        let record = arena + place
        let keyCount = Int(record.load(fromByteOffset: 4, as: UInt32.self) & ~Self.dirtyBit)
        let count = Int(record.load(fromByteOffset: 8, as: UInt32.self))
        return UnsafeMutableRawBufferPointer(start: record + Self.headerBytes + keyCount, count: count)
    }

    package func value(_ key: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let place = find(key)
        return place == 0 ? nil : UnsafeRawBufferPointer(value(at: place))
    }

    /// All records, in no order. The body must not change the table.
    package func forEach(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void)
        rethrows
    {
        for at in 0...indexMask where index[at] > Self.removed {
            let place = Int(index[at] & Self.placeMask) << 3
            try body(key(at: place), UnsafeRawBufferPointer(value(at: place)))
        }
    }

    // MARK: Changing

    /// Notes that the value of a record is changed in place.
    @inline(__always)
    package func touch(_ place: Place) {
        guard capturesChanges else { return }
        let field = arena + place + 4
        let keyCount = field.load(as: UInt32.self)
        guard keyCount & Self.dirtyBit == 0 else { return }
        field.storeBytes(of: keyCount | Self.dirtyBit, as: UInt32.self)
        noteChange(key(at: place))
    }

    /// Sets the value of a key.
    ///
    /// - Parameter place: what `find` gave for the key.
    /// - Returns: the record's place, which may be another one than before.
    @discardableResult
    package func put(
        _ key: UnsafeRawBufferPointer, hash: UInt64, place: Place, value: UnsafeRawBufferPointer
    ) -> Place {
        precondition(key.count < 1 << 30 && value.count < 1 << 30, "a key or value of state of 1 GiB or more")
        if place != 0 {
            let record = arena + place
            let room = Int(record.load(fromByteOffset: 12, as: UInt32.self))
            if key.count + value.count <= room {
                record.storeBytes(of: UInt32(value.count), toByteOffset: 8, as: UInt32.self)
                if let source = value.baseAddress {
                    memmove(record + Self.headerBytes + key.count, source, value.count)
                }
                touch(place)
                return place
            }
            let isDirty = record.load(fromByteOffset: 4, as: UInt32.self) & Self.dirtyBit
            let new = write(key, hash: hash, value: value)
            let header = arena + new + 4
            header.storeBytes(of: header.load(as: UInt32.self) | isDirty, as: UInt32.self)
            let slot = slot(of: place, hash: hash)
            index[slot] = hash & ~Self.placeMask | UInt64(new >> 3)
            release(place)
            touch(new)
            return new
        }
        if (used + 1) * 4 > (indexMask + 1) * 3 { growIndex() }
        let new = write(key, hash: hash, value: value)
        var at = Int(truncatingIfNeeded: hash) & indexMask
        while index[at] > Self.removed { at = (at &+ 1) & indexMask }
        if index[at] == 0 { used += 1 }
        index[at] = hash & ~Self.placeMask | UInt64(new >> 3)
        count += 1
        touch(new)
        return new
    }

    package func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        let hash = hashBytes(key)
        put(key, hash: hash, place: find(key, hash: hash), value: value)
    }

    package func remove(_ key: UnsafeRawBufferPointer, hash: UInt64, place: Place) {
        guard place != 0 else { return }
        if capturesChanges {
            let field = (arena + place + 4).load(as: UInt32.self)
            if field & Self.dirtyBit == 0 { noteChange(key) }
        }
        let at = slot(of: place, hash: hash)
        // An entry before an empty one ends all probes that pass it, so it can be empty as well.
        if index[(at &+ 1) & indexMask] == 0 {
            var at = at
            repeat {
                index[at] = 0
                used -= 1
                at = (at &- 1) & indexMask
            } while index[at] == Self.removed
        } else {
            index[at] = Self.removed
        }
        release(place)
        count -= 1
    }

    package func remove(_ key: UnsafeRawBufferPointer) {
        let hash = hashBytes(key)
        remove(key, hash: hash, place: find(key, hash: hash))
    }

    /// Gives every key that changed since the last call, with its value or nil when it is gone.
    package func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        let changed = changedKeys
        changedKeys = []
        changed.withUnsafeBytes { all in
            var at = 0
            while at < all.count {
                let count = Int(all.loadUnaligned(fromByteOffset: at, as: UInt32.self))
                let key = UnsafeRawBufferPointer(rebasing: all[(at + 4)..<(at + 4 + count)])
                at += 4 + count
                let place = find(key)
                guard place != 0 else {
                    body(key, nil)
                    continue
                }
                let field = arena + place + 4
                let keyCount = field.load(as: UInt32.self)
                guard keyCount & Self.dirtyBit != 0 else { continue }  // told already: removed and made again
                field.storeBytes(of: keyCount & ~Self.dirtyBit, as: UInt32.self)
                body(key, UnsafeRawBufferPointer(value(at: place)))
            }
        }
    }

    private func noteChange(_ key: UnsafeRawBufferPointer) {
        withUnsafeBytes(of: UInt32(key.count)) { changedKeys.append(contentsOf: $0) }
        changedKeys.append(contentsOf: key)
    }

    // MARK: Memory

    private func slot(of place: Place, hash: UInt64) -> Int {
        let entry = hash & ~Self.placeMask | UInt64(place >> 3)
        var at = Int(truncatingIfNeeded: hash) & indexMask
        while index[at] != entry { at = (at &+ 1) & indexMask }
        return at
    }

    private func write(_ key: UnsafeRawBufferPointer, hash: UInt64, value: UnsafeRawBufferPointer) -> Place {
        let place = allocate(Self.headerBytes + key.count + value.count)
        let record = arena + place
        record.storeBytes(of: UInt32(truncatingIfNeeded: hash), as: UInt32.self)
        record.storeBytes(of: UInt32(key.count), toByteOffset: 4, as: UInt32.self)
        record.storeBytes(of: UInt32(value.count), toByteOffset: 8, as: UInt32.self)
        if let source = key.baseAddress { memcpy(record + Self.headerBytes, source, key.count) }
        if let source = value.baseAddress { memcpy(record + Self.headerBytes + key.count, source, value.count) }
        return place
    }

    /// A block with its room written at byte 12.
    private func allocate(_ byteCount: Int) -> Place {
        var size = (byteCount + 7) & ~7
        if size <= Self.listedMax {
            let head = freeSmall[size >> 3]
            if head != 0 {
                freeSmall[size >> 3] = (arena + head).load(as: Int.self)
                freeBytes -= size
                (arena + head).storeBytes(of: UInt32(size - Self.headerBytes), toByteOffset: 12, as: UInt32.self)
                return head
            }
        } else {
            let sizeClass = Int.bitWidth - (size - 1).leadingZeroBitCount
            // A quarter of a power of two, so that lists of values that grow do not waste half of the memory.
            let step = (1 << sizeClass) >> 3
            size = (size + step - 1) / step * step
            if let head = freeLarge[sizeClass].last,
                Int((arena + head).load(fromByteOffset: 12, as: UInt32.self)) + Self.headerBytes >= size
            {
                freeLarge[sizeClass].removeLast()
                freeBytes -= Int((arena + head).load(fromByteOffset: 12, as: UInt32.self)) + Self.headerBytes
                return head
            }
        }
        if arenaEnd + size > arenaCapacity {
            // Pages that are not touched yet cost nothing, and the system moves large blocks without copying them.
            let capacity = max(2 * arenaCapacity, arenaEnd + size)
            arena = Self.checked(realloc(arena, capacity), capacity)
            arenaCapacity = capacity
        }
        let place = arenaEnd
        arenaEnd += size
        (arena + place).storeBytes(of: UInt32(size - Self.headerBytes), toByteOffset: 12, as: UInt32.self)
        return place
    }

    private func release(_ place: Place) {
        let record = arena + place
        let size = Int(record.load(fromByteOffset: 12, as: UInt32.self)) + Self.headerBytes
        freeBytes += size
        if size <= Self.listedMax {
            record.storeBytes(of: freeSmall[size >> 3], as: Int.self)
            freeSmall[size >> 3] = place
        } else {
            freeLarge[Int.bitWidth - (size - 1).leadingZeroBitCount].append(place)
        }
    }

    private func growIndex() {
        let isFull = (count + 1) * 2 > indexMask + 1
        let capacity = isFull ? 2 * (indexMask + 1) : indexMask + 1  // otherwise only removed entries go
        let new = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity)
        new.initialize(repeating: 0, count: capacity)
        let mask = capacity - 1
        for old in 0...indexMask where index[old] > Self.removed {
            let entry = index[old]
            let place = Int(entry & Self.placeMask) << 3
            var at = Int((arena + place).load(as: UInt32.self)) & mask
            while new[at] != 0 { at = (at &+ 1) & mask }
            new[at] = entry
        }
        index.deallocate()
        index = new
        indexMask = mask
        used = count
    }
}
