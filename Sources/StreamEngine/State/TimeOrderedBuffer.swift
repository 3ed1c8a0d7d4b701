/// Entries that wait for a time: the buffer of suppressed results and of unmatched rows of outer joins.
///
/// An entry has a time, an order among entries of the same time (bytes, compared as unsigned ones) and a value. Entries
/// come out by time, then order, then the order in which they were put.
///
/// The entries of a time and order are one record of a table: its key is the time, 8 bytes big-endian, and the order; its
/// value has for each entry the timestamp (8), the length (4) and the bytes. What is in memory besides are the orders of
/// each time.
package final class TimeOrderedBuffer {
    package struct Entry {
        package var time: Int64
        package var order: [UInt8]
        package var value: [UInt8]
        /// The timestamp of the row.
        package var timestamp: Int64
    }

    private struct Bucket {
        /// Length and bytes of each order that was put; some may be gone since, or be there twice.
        var orders: [UInt8] = []
        var orderCount = 0
        /// Records.
        var count = 0
    }

    private let table: SlabTable
    private let isValid: (_ order: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    private let keyScratch = ScratchBytes()
    private let valueScratch = ScratchBytes()
    private var buckets: [Int64: Bucket] = [:]
    private var orderBytes = 0
    /// Times of buckets, ascending from `head` on, each once; may hold some whose bucket is gone. Most times that come are
    /// later than all others. One that is not moves the 8 bytes of each later one: of 100,000 these take some 20 µs.
    private var times: [Int64] = []
    private var head = 0
    /// Earlier than the last of `times` and not among them yet, in any order: what is read back comes in none.
    private var early: [Int64] = []
    /// Times that were looked at, since the start: for tests of what a look costs.
    private(set) var lookCount = 0

    /// - Parameter isValid: whether an order and a value of a changelog can be ours.
    package init(
        capturesChanges: Bool = false,
        isValid: @escaping (_ order: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool = { _, _ in true }
    ) {
        table = SlabTable(capturesChanges: capturesChanges)
        self.isValid = isValid
    }

    /// The earliest time with entries.
    package var firstTime: Int64? {
        settle()
        while head < times.count {
            lookCount &+= 1
            if buckets[times[head]] != nil { return times[head] }  // buckets are never empty
            head += 1
        }
        return nil
    }

    /// The latest time with entries.
    package var lastTime: Int64? {
        settle()
        while times.count > head, let last = times.last {
            lookCount &+= 1
            if buckets[last] != nil { return last }
            times.removeLast()
        }
        return nil
    }

    /// The earliest time with entries behind a time.
    package func firstTime(after time: Int64) -> Int64? {
        settle()
        let from = time == .max ? times.count : place(of: time + 1)
        var at = from
        defer { if at - from > Self.passedMax { times.removeSubrange(from..<at) } }
        while at < times.count {
            lookCount &+= 1
            if buckets[times[at]] != nil { return times[at] }
            at += 1
        }
        return nil
    }

    /// Times without a bucket that may be passed again and again.
    private static let passedMax = 32

    package func hasEntries(time: Int64) -> Bool { buckets[time] != nil }

    package func hasSeveralEntries(time: Int64) -> Bool {
        guard let bucket = buckets[time] else { return false }
        if bucket.count > 1 { return true }
        var count = 0
        Self.forEachOrder(bucket.orders) { order in
            setKey(time, order)
            let place = table.find(keyScratch.bytes)
            guard place != 0, count == 0 else { return }
            Self.forEachEntry(UnsafeRawBufferPointer(table.value(at: place))) { _, _ in count += 1 }
        }
        return count > 1
    }

    /// Puts an entry, in the place of those with its time and order when `replacing`.
    package func put(
        time: Int64, order: UnsafeRawBufferPointer, timestamp: Int64, value: UnsafeRawBufferPointer, replacing: Bool
    ) throws(EngineError) {
        setKey(time, order)
        let key = keyScratch.bytes
        let hash = hashBytes(key)
        let place = table.find(key, hash: hash)
        valueScratch.clear()
        if place != 0, !replacing { valueScratch.append(UnsafeRawBufferPointer(table.value(at: place))) }
        valueScratch.append(timestamp)
        valueScratch.append(UInt32(truncatingIfNeeded: value.count))
        valueScratch.append(value)
        try table.put(key, hash: hash, place: place, value: valueScratch.bytes)
        if place == 0 { noteOrder(time, order) }
    }

    /// Takes away all entries of a time and order.
    package func remove(time: Int64, order: UnsafeRawBufferPointer) {
        setKey(time, order)
        let key = keyScratch.bytes
        let hash = hashBytes(key)
        let place = table.find(key, hash: hash)
        guard place != 0 else { return }
        table.remove(key, hash: hash, place: place)
        noteRemoved(time)
    }

    /// Takes away the first entry of a time and order that has this value.
    package func remove(
        time: Int64, order: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(EngineError) {
        setKey(time, order)
        let key = keyScratch.bytes
        let hash = hashBytes(key)
        let place = table.find(key, hash: hash)
        guard place != 0 else { return }
        valueScratch.clear()
        var isFound = false
        Self.forEachEntry(UnsafeRawBufferPointer(table.value(at: place))) { timestamp, bytes in
            if !isFound, bytes.elementsEqual(value) {
                isFound = true
                return
            }
            valueScratch.append(timestamp)
            valueScratch.append(UInt32(truncatingIfNeeded: bytes.count))
            valueScratch.append(bytes)
        }
        guard isFound else { return }
        if valueScratch.count > 0 {
            try table.put(key, hash: hash, place: place, value: valueScratch.bytes)
        } else {
            table.remove(key, hash: hash, place: place)
            noteRemoved(time)
        }
    }

    /// Whether there are entries of a time and order.
    package func contains(time: Int64, order: UnsafeRawBufferPointer) -> Bool {
        setKey(time, order)
        return table.find(keyScratch.bytes) != 0
    }

    /// The entries of the earliest time, which are taken out.
    package func popFirst() -> [Entry] {
        guard let time = firstTime, let bucket = buckets.removeValue(forKey: time) else { return [] }
        head += 1
        compactTimes()
        orderBytes -= bucket.orders.count
        var result: [Entry] = []
        var orders: [[UInt8]] = []
        Self.forEachOrder(bucket.orders) { orders.append([UInt8]($0)) }
        orders.sort { $0.lexicographicallyPrecedes($1) }
        for order in orders {
            order.withUnsafeBytes { setKey(time, $0) }
            let key = keyScratch.bytes
            let hash = hashBytes(key)
            let place = table.find(key, hash: hash)
            guard place != 0 else { continue }
            Self.forEachEntry(UnsafeRawBufferPointer(table.value(at: place))) { timestamp, value in
                result.append(Entry(time: time, order: order, value: [UInt8](value), timestamp: timestamp))
            }
            table.remove(key, hash: hash, place: place)
        }
        return result
    }

    private func setKey(_ time: Int64, _ order: UnsafeRawBufferPointer) {
        keyScratch.clear()
        keyScratch.append(time.bigEndian)
        keyScratch.append(order)
    }

    // MARK: Orders of a time

    private func noteOrder(_ time: Int64, _ order: UnsafeRawBufferPointer) {
        func add(_ bucket: inout Bucket) {
            withUnsafeBytes(of: UInt32(truncatingIfNeeded: order.count)) { bucket.orders.append(contentsOf: $0) }
            bucket.orders.append(contentsOf: order)
            bucket.orderCount += 1
            bucket.count += 1
        }
        orderBytes += 4 + order.count
        if buckets[time] == nil { noteTime(time) }
        add(&buckets[time, default: Bucket()])
    }

    private func noteRemoved(_ time: Int64) {
        guard var bucket = buckets[time] else { return }
        bucket.count -= 1
        guard bucket.count > 0 else {
            orderBytes -= bucket.orders.count
            buckets[time] = nil
            compactTimes()
            return
        }
        buckets[time]?.count = bucket.count
        guard bucket.orderCount > 2 * bucket.count + 64 else { return }
        // Neither must orders that are gone.
        var orders: Set<[UInt8]> = []
        Self.forEachOrder(bucket.orders) { order in
            setKey(time, order)
            if table.find(keyScratch.bytes) != 0 { orders.insert([UInt8](order)) }
        }
        orderBytes -= bucket.orders.count
        buckets[time] = nil
        for order in orders { order.withUnsafeBytes { noteOrder(time, $0) } }
    }

    private static func forEachOrder(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { all in
            var at = 0
            while at < all.count {
                let count = Int(all.loadUnaligned(fromByteOffset: at, as: UInt32.self))
                body(UnsafeRawBufferPointer(rebasing: all[(at + 4)..<(at + 4 + count)]))
                at += 4 + count
            }
        }
    }

    private static func forEachEntry(
        _ value: UnsafeRawBufferPointer, _ body: (_ timestamp: Int64, _ value: UnsafeRawBufferPointer) -> Void
    ) {
        var at = 0
        while at < value.count {
            let count = Int(value.loadUnaligned(fromByteOffset: at + 8, as: UInt32.self))
            body(
                value.loadUnaligned(fromByteOffset: at, as: Int64.self),
                UnsafeRawBufferPointer(rebasing: value[(at + 12)..<(at + 12 + count)]))
            at += 12 + count
        }
    }

    // MARK: Times

    private func noteTime(_ time: Int64) {
        guard head < times.count, let last = times.last, time <= last else { return times.append(time) }
        // It may still be there from before.
        guard time < last else { return }
        early.append(time)
        if early.count > times.count - head + 64 { settle() }
    }

    /// Puts times that came out of order in their places.
    private func settle() {
        guard !early.isEmpty else { return }
        if early.count > 8 {
            var both = early + times[head...]
            both.sort()
            lookCount &+= both.count
            times = []
            head = 0
            times.reserveCapacity(both.count)
            for time in both where times.last != time { times.append(time) }
        } else {
            for time in early {
                let at = place(of: time)
                if at == times.count || times[at] != time { times.insert(time, at: at) }
            }
        }
        early.removeAll(keepingCapacity: true)
    }

    /// Where the first of `times` is that is not before a time.
    private func place(of time: Int64) -> Int {
        var (from, to) = (head, times.count)
        while from < to {
            lookCount &+= 1
            let middle = from + (to - from) / 2
            if times[middle] < time { from = middle + 1 } else { to = middle }
        }
        return from
    }

    /// Times without a bucket must not pile up, neither in front nor behind one that waits long.
    private func compactTimes() {
        if times.count - head > 2 * buckets.count + 64 {
            lookCount &+= times.count - head
            times = times[head...].filter { buckets[$0] != nil }
            head = 0
        } else if head > 64, head > times.count / 2 {
            times.removeSubrange(..<head)
            head = 0
        }
    }
}

extension TimeOrderedBuffer: ChangelogPart {
    var tag: UInt8 { 2 }
    package var count: Int { table.count }
    package var byteCount: Int { table.byteCount + orderBytes }
    var memoryByteCount: Int { table.memoryByteCount + orderBytes }

    func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        table.drainChanges(body)
    }

    func forEachRecord(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws { try table.forEach(body) }

    func restore(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) throws(EngineError) {
        guard key.count >= 8 else { throw .foreignState }
        let time = Int64(bigEndian: key.loadUnaligned(as: Int64.self))
        let order = UnsafeRawBufferPointer(rebasing: key[8...])
        if let value { try check(order, value) }
        let wasThere = table.find(key) != 0
        try table.restore(key, value)
        if value != nil, !wasThere { noteOrder(time, order) }
        if value == nil, wasThere { noteRemoved(time) }
    }

    private func check(_ order: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(EngineError) {
        var at = 0
        repeat {
            guard value.count - at >= 12 else { throw .foreignState }
            let count = Int(value.loadUnaligned(fromByteOffset: at + 8, as: UInt32.self))
            at += 12
            guard count <= value.count - at,
                isValid(order, UnsafeRawBufferPointer(rebasing: value[at..<(at + count)]))
            else { throw .foreignState }
            at += count
        } while at < value.count
    }

    func move(to place: StatePlace) throws(EngineError) { try table.move(to: place) }
    func releasePages(_ pages: StatePages) { table.releasePages(pages) }
}
