/// Values by key and start of a time window, in segments of time that are dropped as a whole.
///
/// A window can be seen as long as its start is later than stream time minus retention, as in the window stores of Kafka
/// Streams. Keys of records are the caller's key followed by the start, 8 bytes big-endian.
package final class WindowStore {
    private let segmentMillis: Int64
    package let retentionMillis: Int64
    private let capturesChanges: Bool
    /// By start divided by the length of a segment, ascending.
    private var segments: [(id: Int64, table: SlabTable)] = []
    /// The latest start that was put.
    package private(set) var observedTime = Int64.min

    package init(retentionMillis: Int64, windowMillis: Int64, capturesChanges: Bool = false) {
        self.retentionMillis = max(1, retentionMillis)
        // Few segments hold what is alive, and memory goes back in small steps.
        segmentMillis = max(1, windowMillis, self.retentionMillis / 32)
        self.capturesChanges = capturesChanges
    }

    package var count: Int { segments.reduce(0) { $0 + $1.table.count } }
    package var byteCount: Int { segments.reduce(0) { $0 + $1.table.byteCount } }

    /// Windows that start at or before this are gone.
    package var expiredStart: Int64 {
        observedTime == .min ? .min : observedTime.subtractingReportingOverflow(retentionMillis).partialValue
    }

    package func isLive(start: Int64) -> Bool { observedTime == .min || start > expiredStart }

    /// The table that holds windows starting at `start`; nil when there is none.
    @inline(__always)
    package func table(start: Int64) -> SlabTable? {
        let id = segment(of: start)
        if let last = segments.last, last.id == id { return last.table }
        return place(of: id).flatMap { segments[$0].table }
    }

    /// The table that holds windows starting at `start`, made if need be. Drops segments that have expired.
    package func makeTable(start: Int64) -> SlabTable {
        if start > observedTime {
            observedTime = start
            expire()
        }
        let id = segment(of: start)
        if let last = segments.last, last.id == id { return last.table }
        if let place = place(of: id) { return segments[place].table }
        let table = SlabTable(capturesChanges: capturesChanges)
        let place = segments.firstIndex { $0.id > id } ?? segments.count
        segments.insert((id, table), at: place)
        return table
    }

    /// All windows that can be seen, oldest segment first, otherwise in no order.
    package func forEach(
        _ body: (_ key: UnsafeRawBufferPointer, _ start: Int64, _ value: UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        for segment in segments {
            try segment.table.forEach { key, value in
                guard key.count >= 8 else { return }
                let start = Int64(
                    bigEndian: key.loadUnaligned(fromByteOffset: key.count - 8, as: Int64.self))
                guard isLive(start: start) else { return }
                try body(UnsafeRawBufferPointer(rebasing: key[..<(key.count - 8)]), start, value)
            }
        }
    }

    /// Changes of segments that are alive; what expired needs no telling.
    package func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        for segment in segments { segment.table.drainChanges(body) }
    }

    private func segment(of start: Int64) -> Int64 {
        start >= 0 ? start / segmentMillis : (start + 1) / segmentMillis - 1
    }

    private func place(of id: Int64) -> Int? {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < segments.count && segments[low].id == id ? low : nil
    }

    private func expire() {
        let first = segment(of: expiredStart)
        var gone = 0
        while gone < segments.count, segments[gone].id < first { gone += 1 }
        if gone > 0 { segments.removeFirst(gone) }
    }
}
