/// Entries that wait for a time: the buffer of suppressed results and of unmatched rows of outer joins.
///
/// An entry has a time, an order among entries of the same time (bytes, compared as unsigned ones) and a value. Entries
/// come out by time, then order, then the order in which they were put.
package struct TimeOrderedBuffer {
    package struct Entry {
        package var time: Int64
        package var order: [UInt8]
        package var value: [UInt8]
        /// The timestamp of the row.
        package var timestamp: Int64
    }

    private struct Bucket {
        /// By `order`; several for the rows of an outer join.
        var entries: [[UInt8]: [(timestamp: Int64, value: [UInt8])]] = [:]
    }

    private var buckets: [Int64: Bucket] = [:]
    /// Binary heap of the times of buckets; may hold times whose bucket is gone, and a time twice.
    private var heap: [Int64] = []
    package private(set) var count = 0
    package private(set) var byteCount = 0

    package init() {}

    /// The earliest time with entries.
    package var firstTime: Int64? {
        mutating get {
            while let first = heap.first {
                if buckets[first] != nil { return first }  // buckets are never empty
                popHeap()
            }
            return nil
        }
    }

    /// Puts an entry, in the place of those with its time and order when `replacing`.
    package mutating func put(
        time: Int64, order: [UInt8], timestamp: Int64, value: [UInt8], replacing: Bool
    ) {
        if replacing { remove(time: time, order: order) }
        if buckets[time] == nil {
            buckets[time] = Bucket()
            pushHeap(time)
        }
        buckets[time]?.entries[order, default: []].append((timestamp, value))
        count += 1
        byteCount += order.count + value.count + 64
    }

    /// Takes away all entries of a time and order.
    package mutating func remove(time: Int64, order: [UInt8]) {
        guard let gone = buckets[time]?.entries.removeValue(forKey: order) else { return }
        count -= gone.count
        for entry in gone { byteCount -= order.count + entry.value.count + 64 }
        guard buckets[time]?.entries.isEmpty == true else { return }
        buckets[time] = nil
        // Times without a bucket must not pile up behind one that waits long; an ascending array is a heap.
        if heap.count > 2 * buckets.count + 64 { heap = buckets.keys.sorted() }
    }

    /// The entries of the earliest time, which are taken out.
    package mutating func popFirst() -> [Entry] {
        guard let time = firstTime, let bucket = buckets.removeValue(forKey: time) else { return [] }
        popHeap()
        var result: [Entry] = []
        for (order, entries) in bucket.entries.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            for entry in entries {
                count -= 1
                byteCount -= order.count + entry.value.count + 64
                result.append(Entry(time: time, order: order, value: entry.value, timestamp: entry.timestamp))
            }
        }
        return result
    }

    private mutating func pushHeap(_ time: Int64) {
        heap.append(time)
        var at = heap.count - 1
        while at > 0, heap[at] < heap[(at - 1) / 2] {
            heap.swapAt(at, (at - 1) / 2)
            at = (at - 1) / 2
        }
    }

    private mutating func popHeap() {
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
