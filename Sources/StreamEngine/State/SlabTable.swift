import Synchronization

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
/// A block that is free has 2^32 - 1 as bytes of its value, so that all records can be visited in the order in which they
/// lie. Keys and values are below 1 GiB each, and there are fewer than 3 billion records. One user at a time. Pointers
/// that it hands out are valid until the next change, and must not be given to the methods that change it.
package final class SlabTable {
    /// Where a record lies; 0 is no record.
    package typealias Place = Int

    private static let headerBytes = 16
    private static let placeBits: UInt64 = 40
    private static let placeMask: UInt64 = (1 << placeBits) - 1
    /// An entry whose record is gone; probing goes on behind it.
    private static let removed: UInt64 = 1
    private static let dirtyBit: UInt32 = 1 << 31
    private static let freeMark = UInt32.max
    /// The first 16 bytes are never handed out, so that no place is 0.
    private static let firstPlace = 16
    /// Keys and values are smaller, in bytes.
    package static let byteCountLimit = 1 << 30
    /// Free blocks up to this size are kept in lists of exactly their size.
    private static let listedMax = 1024

    /// Entries: 0 is empty.
    private var index: UnsafeMutablePointer<UInt64>
    private var indexMask: Int
    /// Entries that are not empty, removed ones included.
    private var used = 0
    /// Records.
    package private(set) var count = 0

    /// Where `memory` starts, for the paths that are hot.
    private var arena: UnsafeMutableRawPointer
    private var isInFile = false
    /// nil as long as nothing was put.
    private var memory: StateBlock?
    private var indexMemory: StateBlock?
    private var statePlace: StatePlace
    /// Bytes that are handed out, of `arenaCapacity`.
    private var arenaEnd = SlabTable.firstPlace
    private var arenaCapacity = 0
    /// Bytes of blocks that wait to be used again.
    private var freeBytes = 0
    /// The first free block of each size of 8 bytes; free blocks hold the place of the next.
    private var freeSmall = [Int](repeating: 0, count: SlabTable.listedMax / 8 + 1)
    /// Larger ones by their size: those between two powers of two have four.
    private var freeLarge = [[Int]](repeating: [], count: 4 * 34)

    private var capturesChanges: Bool
    /// Keys that changed since the last drain: the place of the record, 0 when it is gone, a length, then the bytes.
    private var changedKeys: [UInt8] = []

    /// The index of a table without records, which is never written to.
    private static nonisolated(unsafe) let emptyIndex: UnsafeMutablePointer<UInt64> = {
        let index = UnsafeMutablePointer<UInt64>.allocate(capacity: 16)
        index.initialize(repeating: 0, count: 16)
        return index
    }()

    package init(capturesChanges: Bool = false, place: StatePlace = .memory) {
        self.capturesChanges = capturesChanges
        statePlace = place
        indexMask = 15
        index = Self.emptyIndex
        arena = UnsafeMutableRawPointer(index)
    }

    /// Bytes that are in use for records and index.
    package var byteCount: Int { arenaEnd - freeBytes + (indexMask + 1) * 8 }

    /// Bytes of memory of the process that are held, free blocks included.
    package var memoryByteCount: Int {
        (memory?.isInFile == true ? 0 : arenaEnd) + (indexMemory?.isInFile == true ? 0 : (indexMask + 1) * 8)
            + changedKeys.count
    }

    /// Bytes of records and of free blocks between them.
    var heldByteCount: Int { arenaEnd }

    /// Moves what there is and what will come.
    package func move(to place: StatePlace) throws(EngineError) {
        statePlace = place
        try memory?.move(to: place)
        try indexMemory?.move(to: place)
        adoptMemory()
    }

    /// Lets go of pages of files.
    package func releasePages(_ pages: StatePages) {
        switch pages {
        case .records: memory?.releasePages()
        case .indexes: indexMemory?.releasePages()
        }
    }

    private func adoptMemory() {
        if let memory {
            arena = memory.start
            arenaCapacity = memory.capacity
            isInFile = memory.isInFile
        }
        if let indexMemory { index = indexMemory.start.assumingMemoryBound(to: UInt64.self) }
    }

    // MARK: Reading

    /// The record of a key, 0 when there is none.
    ///
    /// - Parameter willChange: the record will be written to.
    @inline(__always)
    package func find(_ key: UnsafeRawBufferPointer, hash: UInt64, willChange: Bool = false) -> Place {
        let tag = hash & ~Self.placeMask
        var at = Int(truncatingIfNeeded: hash) & indexMask
        while true {
            let entry = index[at]
            if entry == 0 { return 0 }
            if entry & ~Self.placeMask == tag, entry != Self.removed {
                let place = Int(entry & Self.placeMask) << 3
                if willChange, isInFile { makeWritable(place) }
                if isKey(key, at: place) { return place }
            }
            at = (at &+ 1) & indexMask
        }
    }

    /// Writes to a record what it has. A page of a file that is first read and then written to comes in two steps, and
    /// with the first come fifteen others that nobody asked for.
    private func makeWritable(_ place: Place) {
        let field = (arena + place + 8).assumingMemoryBound(to: Atomic<UInt32>.self)
        _ = field.pointee.compareExchange(expected: 0, desired: 0, ordering: .relaxed)
    }

    /// The records of many keys, as `find` gives them one by one. The memory that several need is asked for before that of
    /// the first is there: in a table that the nearest caches cannot hold, most of a look-up is waiting.
    @inline(__always)
    package func find(_ places: UnsafeMutableBufferPointer<Place>, _ key: (Int) -> UnsafeRawBufferPointer) {
        let chunk = 64
        let (index, mask) = (index, indexMask)
        withUnsafeTemporaryAllocation(of: (hash: UInt64, entry: UInt64).self, capacity: chunk) { ahead in
            var first = 0
            while first < places.count {
                let count = min(chunk, places.count &- first)
                for at in 0..<count {
                    let hash = hashBytes(key(first &+ at))
                    ahead[at] = (hash, index[Int(truncatingIfNeeded: hash) & mask])
                }
                for at in 0..<count {
                    let (hash, entry) = ahead[at]
                    let place = Int(entry & Self.placeMask) << 3
                    if entry > Self.removed, (entry ^ hash) & ~Self.placeMask == 0, isKey(key(first &+ at), at: place) {
                        places[first &+ at] = place
                    } else {
                        places[first &+ at] = entry == 0 ? 0 : find(key(first &+ at), hash: hash)
                    }
                }
                first &+= count
            }
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

    /// All records, as they lie. The body must not change the table.
    package func forEach<Failure: Error>(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var at = Self.firstPlace
        var passed = isInFile ? 0 : Int.max
        while let place = nextRecord(&at) {
            if place >= passed { passed = memory?.pass(at: place) ?? .max }
            try body(key(at: place), UnsafeRawBufferPointer(value(at: place)))
        }
    }

    /// The record at or behind `at`, which moves behind it.
    @inline(__always)
    private func nextRecord(_ at: inout Int) -> Place? {
        while at < arenaEnd {
            let place = at
            at += Int((arena + place).load(fromByteOffset: 12, as: UInt32.self)) + Self.headerBytes
            if (arena + place).load(fromByteOffset: 8, as: UInt32.self) != Self.freeMark { return place }
        }
        return nil
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
        noteChange(key(at: place), at: place)
    }

    /// Sets the value of a key.
    ///
    /// - Parameter place: what `find` gave for the key.
    /// - Returns: the record's place, which may be another one than before.
    /// - Throws: `.stateLimit`: key or value are too large, or there is no room on the disk; nothing has changed then.
    @discardableResult
    package func put(
        _ key: UnsafeRawBufferPointer, hash: UInt64, place: Place, value: UnsafeRawBufferPointer
    ) throws(EngineError) -> Place {
        guard key.count < Self.byteCountLimit, value.count < Self.byteCountLimit else { throw Self.tooLarge }
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
            let new = try write(key, hash: hash, value: value)
            let header = arena + new + 4
            header.storeBytes(of: header.load(as: UInt32.self) | isDirty, as: UInt32.self)
            let slot = slot(of: place, hash: hash)
            index[slot] = hash & ~Self.placeMask | UInt64(new >> 3)
            release(place)
            touch(new)
            return new
        }
        if (used + 1) * 4 > (indexMask + 1) * 3 || indexMemory == nil { try growIndex() }
        let new = try write(key, hash: hash, value: value)
        var at = Int(truncatingIfNeeded: hash) & indexMask
        while index[at] > Self.removed { at = (at &+ 1) & indexMask }
        if index[at] == 0 { used += 1 }
        index[at] = hash & ~Self.placeMask | UInt64(new >> 3)
        count += 1
        touch(new)
        return new
    }

    package func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(EngineError) {
        let hash = hashBytes(key)
        try put(key, hash: hash, place: find(key, hash: hash), value: value)
    }

    private static let tooLarge = EngineError(
        .stateLimit,
        "A row, group or session of the query's state has reached 1 GiB, the most that one can hold. Let it hold less: by "
            + "a window, a condition, or a limit of the function such as ksql.functions.collect_list.limit.")

    /// Sets or removes a record without noting it as a change: it comes from a changelog.
    package func restore(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) throws(EngineError) {
        let captures = capturesChanges
        capturesChanges = false
        defer { capturesChanges = captures }
        if let value { try put(key, value) } else { remove(key) }
    }

    package func remove(_ key: UnsafeRawBufferPointer, hash: UInt64, place: Place) {
        guard place != 0 else { return }
        if capturesChanges {
            let field = (arena + place + 4).load(as: UInt32.self)
            if field & Self.dirtyBit == 0 { noteChange(key, at: 0) }
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
                let noted = Int(all.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                let count = Int(all.loadUnaligned(fromByteOffset: at + 8, as: UInt32.self))
                let key = UnsafeRawBufferPointer(rebasing: all[(at + 12)..<(at + 12 + count)])
                at += 12 + count
                // Mostly the record is where it was.
                let place = isRecord(of: key, at: noted) ? noted : find(key)
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

    /// Whether a place that has had a record still has that of the key.
    private func isRecord(of key: UnsafeRawBufferPointer, at place: Place) -> Bool {
        guard place != 0 else { return false }
        if isInFile { makeWritable(place) }
        return (arena + place).load(fromByteOffset: 8, as: UInt32.self) != Self.freeMark && isKey(key, at: place)
    }

    private func noteChange(_ key: UnsafeRawBufferPointer, at place: Place) {
        withUnsafeBytes(of: UInt64(place)) { changedKeys.append(contentsOf: $0) }
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

    private func write(
        _ key: UnsafeRawBufferPointer, hash: UInt64, value: UnsafeRawBufferPointer
    ) throws(EngineError) -> Place {
        let place = try allocate(Self.headerBytes + key.count + value.count)
        let record = arena + place
        record.storeBytes(of: UInt32(truncatingIfNeeded: hash), as: UInt32.self)
        record.storeBytes(of: UInt32(key.count), toByteOffset: 4, as: UInt32.self)
        record.storeBytes(of: UInt32(value.count), toByteOffset: 8, as: UInt32.self)
        if let source = key.baseAddress { memcpy(record + Self.headerBytes, source, key.count) }
        if let source = value.baseAddress { memcpy(record + Self.headerBytes + key.count, source, value.count) }
        return place
    }

    /// A block with its room written at byte 12.
    private func allocate(_ byteCount: Int) throws(EngineError) -> Place {
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
            // Four sizes between two powers of two, so that lists of values that grow do not waste half of the memory, and
            // find the blocks that others left.
            let step = Self.largeStep(size)
            size = (size + step - 1) / step * step
            let list = Self.largeList(size)
            for list in list..<min(list + 4, freeLarge.count) {
                guard let head = freeLarge[list].popLast() else { continue }
                freeBytes -= Int((arena + head).load(fromByteOffset: 12, as: UInt32.self)) + Self.headerBytes
                return head
            }
        }
        if arenaEnd + size > arenaCapacity {
            if let memory {
                try memory.grow(to: max(memory.isInFile ? arenaCapacity / 2 * 3 : 2 * arenaCapacity, arenaEnd + size))
            } else {
                memory = try StateBlock(capacity: max(1024, arenaEnd + size), place: statePlace)
            }
            adoptMemory()
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
        record.storeBytes(of: Self.freeMark, toByteOffset: 8, as: UInt32.self)
        if size <= Self.listedMax {
            record.storeBytes(of: freeSmall[size >> 3], as: Int.self)
            freeSmall[size >> 3] = place
        } else {
            freeLarge[Self.largeList(size)].append(place)
        }
    }

    /// The sizes of blocks between two powers of two are multiples of an eighth of the larger one.
    private static func largeStep(_ size: Int) -> Int {
        (1 << (Int.bitWidth - (size - 1).leadingZeroBitCount)) >> 3
    }

    /// - Parameter size: as blocks have it.
    private static func largeList(_ size: Int) -> Int {
        let sizeClass = Int.bitWidth - (size - 1).leadingZeroBitCount
        return 4 * sizeClass + size / largeStep(size) - 5
    }

    private func growIndex() throws(EngineError) {
        let isFull = (count + 1) * 2 > indexMask + 1
        let capacity = isFull ? 2 * (indexMask + 1) : indexMask + 1  // otherwise only removed entries go
        let larger = try StateBlock(capacity: capacity * 8, place: statePlace, isZeroed: true)
        let new = larger.start.assumingMemoryBound(to: UInt64.self)
        let mask = capacity - 1
        // Pages that come one by one, in the order in which entries are written, cost more than all of them in a row.
        if larger.isInFile { memset(larger.start, 0, capacity * 8) }
        if memory?.isInFile == true {
            // In the order in which they lie: records that are not in memory are read once, and one after the other.
            var next = Self.firstPlace
            var passed = 0
            while let place = nextRecord(&next) {
                if place >= passed { passed = memory?.pass(at: place) ?? .max }
                let hash = hashBytes(key(at: place))
                var at = Int(truncatingIfNeeded: hash) & mask
                while new[at] != 0 { at = (at &+ 1) & mask }
                new[at] = hash & ~Self.placeMask | UInt64(place >> 3)
            }
        } else {
            for old in 0...indexMask where index[old] > Self.removed {
                let entry = index[old]
                let place = Int(entry & Self.placeMask) << 3
                var at = Int((arena + place).load(as: UInt32.self)) & mask
                while new[at] != 0 { at = (at &+ 1) & mask }
                new[at] = entry
            }
        }
        indexMemory = larger
        index = new
        indexMask = mask
        used = count
    }
}
