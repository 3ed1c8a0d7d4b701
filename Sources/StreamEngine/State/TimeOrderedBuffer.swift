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
    /// Binary heap of the times of buckets; may hold times whose bucket is gone, and a time twice.
    private var heap: [Int64] = []
    /// No entry has a later time.
    private var latest = Int64.min

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
        while let first = heap.first {
            if buckets[first] != nil { return first }  // buckets are never empty
            popHeap()
        }
        return nil
    }

    /// The latest time with entries.
    package var lastTime: Int64? {
        if buckets[latest] == nil { latest = buckets.keys.max() ?? .min }
        return buckets[latest] == nil ? nil : latest
    }

    /// The earliest time with entries behind a time; costs a look at each that is not behind it.
    package func firstTime(after time: Int64) -> Int64? {
        var passed: [Int64] = []
        while let first = firstTime, first <= time {
            popHeap()
            passed.append(first)
        }
        defer { for time in passed { pushHeap(time) } }
        return firstTime
    }

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
        popHeap()
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
        latest = max(latest, time)
        if buckets[time] == nil { pushHeap(time) }
        add(&buckets[time, default: Bucket()])
    }

    private func noteRemoved(_ time: Int64) {
        guard var bucket = buckets[time] else { return }
        bucket.count -= 1
        guard bucket.count > 0 else {
            orderBytes -= bucket.orders.count
            buckets[time] = nil
            // Times without a bucket must not pile up behind one that waits long; an ascending array is a heap.
            if heap.count > 2 * buckets.count + 64 { heap = buckets.keys.sorted() }
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

    private func pushHeap(_ time: Int64) {
        heap.append(time)
        var at = heap.count - 1
        while at > 0, heap[at] < heap[(at - 1) / 2] {
            heap.swapAt(at, (at - 1) / 2)
            at = (at - 1) / 2
        }
    }

    private func popHeap() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        heap[0] = last
        var at = 0
        while true {
            var least = at
            for child in [2 * at + 1, 2 * at + 2] where child < heap.count && heap[child] < heap[least] {
                least = child
            }
            guard least != at else { return }
            heap.swapAt(at, least)
            at = least
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
