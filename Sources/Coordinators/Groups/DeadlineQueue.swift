/// When groups want to be looked at again: a lower bound for each.
///
/// A heartbeat only moves a member's deadline into the future and leaves the queue alone. The group is looked at when the
/// old deadline comes, finds nothing due, and is scheduled anew. A heartbeat is O(1) that way, and a member that lives
/// costs one look per session timeout.
struct DeadlineQueue: Sendable {
    private struct Entry: Sendable {
        var time: Int64
        var id: String
        /// Ties are taken in the order of the ids, so that the same events give the same trace.
        static func < (a: Entry, b: Entry) -> Bool { a.time != b.time ? a.time < b.time : a.id < b.id }
    }

    /// A binary heap. An entry counts only while `armed` has its time: others are left over from earlier schedules. The
    /// first one counts.
    private var heap: [Entry] = []
    private var armed: [String: Int64] = [:]

    /// The earliest time in the queue; nothing is due before.
    var next: Int64? { heap.first?.time }

    /// Makes sure that `id` comes up at `time` or earlier.
    mutating func schedule(_ id: String, at time: Int64) {
        if let current = armed[id], current <= time { return }
        armed[id] = time
        push(Entry(time: time, id: id))
        dropStale()
    }

    mutating func cancel(_ id: String) {
        armed[id] = nil
        dropStale()
    }

    /// The next id whose time has come; it is no longer in the queue.
    mutating func popDue(at now: Int64) -> String? {
        guard let first = heap.first, first.time <= now else { return nil }
        armed[first.id] = nil
        dropStale()
        return first.id
    }

    private mutating func dropStale() {
        while let first = heap.first, armed[first.id] != first.time { removeFirst() }
    }

    private mutating func push(_ entry: Entry) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child] < heap[parent] else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child] < heap[least] {
                least = child
            }
            if least == parent { return }
            heap.swapAt(least, parent)
            parent = least
        }
    }
}
