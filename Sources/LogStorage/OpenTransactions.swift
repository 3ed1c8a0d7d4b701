/// The open transactions of a partition in the order in which they began; gives the oldest without a search.
///
/// Transactions begin at ascending offsets and end in any order. One that ended stays as a gap until those before it have
/// ended too or half of all are gaps, so that beginning and ending cost O(log n) on average.
struct OpenTransactions: Sendable {
    private struct Entry: Sendable {
        var firstOffset: Int64
        var producerId: Int64
        var isOpen = true
    }

    private var entries: [Entry] = []
    private var openCount = 0
    /// Index of the oldest open entry; the end when there is none.
    private var head = 0

    var count: Int { openCount }

    /// First offset of the oldest one.
    var oldest: Int64? { head < entries.count ? entries[head].firstOffset : nil }

    /// Producer ids, the oldest transaction first.
    var producerIds: [Int64] { entries[head...].filter(\.isOpen).map(\.producerId) }

    /// - Parameter firstOffset: larger than any before.
    mutating func begin(producerId: Int64, at firstOffset: Int64) {
        entries.append(Entry(firstOffset: firstOffset, producerId: producerId))
        openCount += 1
    }

    mutating func end(firstOffset: Int64) {
        let index = entries.partitionPoint { $0.firstOffset < firstOffset }
        guard index < entries.count, entries[index].firstOffset == firstOffset, entries[index].isOpen else { return }
        entries[index].isOpen = false
        openCount -= 1
        while head < entries.count, !entries[head].isOpen { head += 1 }
        if entries.count > 16, openCount < entries.count / 2 {
            entries.removeAll { !$0.isOpen }
            head = 0
        }
    }
}
