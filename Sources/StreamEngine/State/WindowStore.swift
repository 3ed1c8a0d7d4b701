/// Values by key and start of a time window, in segments of time that are dropped as a whole.
///
/// A window can be seen as long as its start is later than stream time minus retention, as in the window stores of Kafka
/// Streams. Keys of records are the caller's key followed by the start, 8 bytes big-endian.
package final class WindowStore {
    private let segmentMillis: Int64
    package let retentionMillis: Int64
    private let capturesChanges: Bool
    /// Whether a key and a value of a changelog can be ours.
    var isValid: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool = { _, _ in true }
    private var statePlace = StatePlace.memory
    /// By start divided by the length of a segment, ascending.
    private var segments: [(id: Int64, table: SlabTable)] = []
    /// The latest start that was put.
    package private(set) var observedTime = Int64.min
    /// Keys that were dropped since the last drain: length, key.
    private let dropped = ScratchBytes()

    package init(retentionMillis: Int64, windowMillis: Int64, capturesChanges: Bool = false) {
        self.retentionMillis = max(1, retentionMillis)
        // Few segments hold what is alive, and memory goes back in small steps.
        segmentMillis = max(1, windowMillis, self.retentionMillis / 32)
        self.capturesChanges = capturesChanges
    }

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
        return existingOrNew(segment(of: start))
    }

    private func existingOrNew(_ id: Int64) -> SlabTable {
        if let last = segments.last, last.id == id { return last.table }
        if let index = place(of: id) { return segments[index].table }
        let table = SlabTable(capturesChanges: capturesChanges, place: statePlace)
        segments.insert((id, table), at: segments.firstIndex { $0.id > id } ?? segments.count)
        return table
    }

    /// All windows that can be seen, oldest segment first, otherwise in no order.
    package func forEach<Failure: Error>(
        _ body: (_ key: UnsafeRawBufferPointer, _ start: Int64, _ value: UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        for segment in segments {
            try segment.table.forEach { (key, value) throws(Failure) in
                guard key.count >= 8 else { return }
                let start = Self.start(key)
                guard isLive(start: start) else { return }
                try body(UnsafeRawBufferPointer(rebasing: key[..<(key.count - 8)]), start, value)
            }
        }
    }

    /// The windows of a key that can be seen, by their starts, as far as these are in `range` and multiples of `advance`.
    ///
    /// Costs a look for each start that there may be.
    package func forEach<Failure: Error>(
        _ key: UnsafeRawBufferPointer, in range: ClosedRange<Int64>, advance: Int64,
        _ body: (_ start: Int64, _ value: UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let scratch = ScratchBytes()
        scratch.append(key)
        for segment in segments {
            let (first, isBelow) = segment.id.multipliedReportingOverflow(by: segmentMillis)
            let (end, isBeyond) = first.addingReportingOverflow(segmentMillis)
            var start = max(isBelow ? .min : first, range.lowerBound, 0)
            let last = min(isBelow || isBeyond ? .max : end - 1, range.upperBound, observedTime)
            start = start % advance == 0 ? start : (start / advance).addingReportingOverflow(1).partialValue &* advance
            guard start >= 0, start <= last else { continue }
            if (last - start) / advance > Int64(segment.table.count) {
                // Few windows far apart.
                var found: [(start: Int64, value: UnsafeRawBufferPointer)] = []
                segment.table.forEach { own, value in
                    guard own.count == key.count + 8, own[..<key.count].elementsEqual(key) else { return }
                    let at = Self.start(own)
                    if at >= start, at <= last, isLive(start: at) { found.append((at, value)) }
                }
                for item in found.sorted(by: { $0.start < $1.start }) { try body(item.start, item.value) }
                continue
            }
            while start <= last {
                if isLive(start: start) {
                    scratch.truncate(to: key.count)
                    scratch.append(start.bigEndian)
                    if let value = segment.table.value(scratch.bytes) { try body(start, value) }
                }
                let (next, overflow) = start.addingReportingOverflow(advance)
                guard !overflow else { break }
                start = next
            }
        }
    }

    private static func start(_ key: UnsafeRawBufferPointer) -> Int64 {
        Int64(bigEndian: key.loadUnaligned(fromByteOffset: key.count - 8, as: Int64.self))
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
        guard gone > 0 else { return }
        if capturesChanges {
            for segment in segments[..<gone] {
                segment.table.forEach { key, _ in
                    dropped.append(key.count)
                    dropped.append(key)
                }
            }
        }
        segments.removeFirst(gone)
    }
}

extension WindowStore: ChangelogPart {
    var tag: UInt8 { 0 }
    package var count: Int { segments.reduce(0) { $0 + $1.table.count } }
    package var byteCount: Int { segments.reduce(0) { $0 + $1.table.byteCount } }
    var memoryByteCount: Int { segments.reduce(dropped.count) { $0 + $1.table.memoryByteCount } }

    func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        let gone = dropped.bytes
        var at = 0
        while at < gone.count {
            let count = gone.loadUnaligned(fromByteOffset: at, as: Int.self)
            body(UnsafeRawBufferPointer(rebasing: gone[(at + 8)..<(at + 8 + count)]), nil)
            at += 8 + count
        }
        dropped.clear()
        for segment in segments { segment.table.drainChanges(body) }
    }

    func forEachRecord(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws { for segment in segments { try segment.table.forEach(body) } }

    func restore(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) throws(EngineError) {
        guard key.count >= 8 else { throw .foreignState }
        let id = segment(of: Self.start(key))
        guard let value else {
            guard let place = place(of: id) else { return }
            try segments[place].table.restore(key, nil)
            if segments[place].table.count == 0 { segments.remove(at: place) }
            return
        }
        guard isValid(UnsafeRawBufferPointer(rebasing: key[..<(key.count - 8)]), value) else { throw .foreignState }
        try existingOrNew(id).restore(key, value)
    }

    func restoreObservedTime(_ time: Int64) { observedTime = time }

    func move(to place: StatePlace) throws(EngineError) {
        statePlace = place
        for segment in segments { try segment.table.move(to: place) }
    }

    func releasePages(_ pages: StatePages) { for segment in segments { segment.table.releasePages(pages) } }
}
