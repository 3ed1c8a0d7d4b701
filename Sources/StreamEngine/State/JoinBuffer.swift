/// Rows of one side of a stream-stream join, by key and time; rows of the same key and time are all kept, in the order
/// in which they came.
///
/// The rows of a key within a segment of time are a list linked from the latest to the earliest, which costs nothing to
/// keep while time goes on and little while it goes back a bit. Segments are dropped as a whole. A row can be seen as
/// long as its time is later than the latest time put, minus retention.
///
/// A row in memory, of the segment's log:
///
/// | at | bytes | field                                                        |
/// |---:|------:|--------------------------------------------------------------|
/// |  0 |     8 | where the earlier row of the key is; 0 is none               |
/// |  8 |     8 | time                                                         |
/// | 16 |     4 | bytes of the row                                             |
/// | 20 |     4 | number among the rows of its key and time                    |
/// | 24 |       | the row                                                      |
///
/// In changes the key of a row is the key, time and number, 8 and 4 bytes big-endian.
package final class JoinBuffer {
    private final class Segment {
        let id: Int64
        /// By key, the place of the latest row.
        let tails: SlabTable
        let rows: ByteLog
        var count = 0

        init(id: Int64, place: StatePlace) {
            self.id = id
            tails = SlabTable(place: place)
            rows = ByteLog(place: place)
        }

        @inline(__always)
        func number<Number: BitwiseCopyable>(_ at: Int, _: Number.Type) -> Number {
            rows.bytes.loadUnaligned(fromByteOffset: at, as: Number.self)
        }

        func earlier(_ at: Int) -> Int { number(at, Int.self) }
        func time(_ at: Int) -> Int64 { number(at + 8, Int64.self) }
        func sequence(_ at: Int) -> UInt32 { number(at + 20, UInt32.self) }
        func row(_ at: Int) -> UnsafeRawBufferPointer {
            let count = Int(number(at + 16, UInt32.self))
            return UnsafeRawBufferPointer(rebasing: rows.bytes[(at + headerBytes)..<(at + headerBytes + count)])
        }
    }

    package let retentionMillis: Int64
    private let segmentMillis: Int64
    private var segments: [Segment] = []
    private var observedTime = Int64.min
    private var place = StatePlace.memory
    private let capturesChanges: Bool
    private let isValid: (_ key: UnsafeRawBufferPointer, _ row: UnsafeRawBufferPointer) -> Bool
    /// Rows put since the last drain: segment, place, bytes of the key, key.
    private let added = ScratchBytes()
    /// Keys of changes of rows that were dropped since: length, key.
    private let dropped = ScratchBytes()

    /// - Parameters:
    ///   - spanMillis: how far apart rows are that match.
    ///   - isValid: whether a key and a row of a changelog can be ours.
    package init(
        retentionMillis: Int64, spanMillis: Int64, capturesChanges: Bool = false,
        isValid: @escaping (_ key: UnsafeRawBufferPointer, _ row: UnsafeRawBufferPointer) -> Bool = { _, _ in true }
    ) {
        self.retentionMillis = max(1, retentionMillis)
        segmentMillis = max(1, spanMillis, self.retentionMillis / 64)
        self.capturesChanges = capturesChanges
        self.isValid = isValid
    }

    /// The latest time that was put; `Int64.min` before.
    package var latestTime: Int64 { observedTime }

    private var expired: Int64 {
        observedTime == .min ? .min : observedTime.subtractingReportingOverflow(retentionMillis).partialValue
    }

    package func put(
        _ key: UnsafeRawBufferPointer, time: Int64, row: UnsafeRawBufferPointer
    ) throws(EngineError) {
        if time > observedTime {
            observedTime = time
            let first = floorDivide(expired, segmentMillis)
            var gone = 0
            while gone < segments.count, segments[gone].id < first { gone += 1 }
            if gone > 0 {
                if capturesChanges { for segment in segments[..<gone] { noteDropped(segment) } }
                segments.removeFirst(gone)
            }
        }
        guard time > expired else { return }
        let segment = segment(floorDivide(time, segmentMillis))
        let hash = hashBytes(key)
        let place = segment.tails.find(key, hash: hash)
        var earlier = place == 0 ? 0 : segment.tails.value(at: place).loadUnaligned(as: Int.self)
        var later = 0
        while earlier != 0, segment.time(earlier) > time {
            later = earlier
            earlier = segment.earlier(earlier)
        }
        let sequence = earlier != 0 && segment.time(earlier) == time ? segment.sequence(earlier) &+ 1 : 0
        let new = try insert(
            segment, key, hash, place, time: time, sequence: sequence, row: row, between: earlier, and: later)
        guard capturesChanges else { return }
        added.append(segment.id)
        added.append(new)
        added.append(key.count)
        added.append(key)
    }

    /// - Returns: where the row is.
    private func insert(
        _ segment: Segment, _ key: UnsafeRawBufferPointer, _ hash: UInt64, _ place: SlabTable.Place, time: Int64,
        sequence: UInt32, row: UnsafeRawBufferPointer, between earlier: Int, and later: Int
    ) throws(EngineError) -> Int {
        guard row.count < SlabTable.byteCountLimit else {
            throw EngineError(.stateLimit, "A row of \(row.count) bytes is too large for a join of streams.")
        }
        try segment.rows.reserve(row.count + headerBytes + 8)
        if segment.rows.count == 0 { segment.rows.append(0 as Int64) }  // no row is at 0
        let new = segment.rows.count
        if later == 0 {
            if place == 0 {
                try withUnsafeBytes(of: new) { tail throws(EngineError) in
                    _ = try segment.tails.put(key, hash: hash, place: 0, value: tail)
                }
            } else {
                segment.tails.value(at: place).storeBytes(of: new, as: Int.self)
            }
        } else {
            segment.rows.bytes.storeBytes(of: new, toByteOffset: later, as: Int.self)
        }
        segment.rows.append(earlier)
        segment.rows.append(time)
        segment.rows.append(UInt32(row.count))
        segment.rows.append(sequence)
        segment.rows.append(row)
        segment.count += 1
        return new
    }

    /// Gives the rows of a key with times in `range`, earliest first.
    package func forEach(
        _ key: UnsafeRawBufferPointer, in range: ClosedRange<Int64>,
        _ body: (_ time: Int64, _ row: UnsafeRawBufferPointer) throws(EngineError) -> Void
    ) throws(EngineError) {
        let from = max(range.lowerBound, expired == .min ? .min : expired &+ 1)
        guard from <= range.upperBound, !segments.isEmpty else { return }
        let first = floorDivide(from, segmentMillis)
        let last = floorDivide(range.upperBound, segmentMillis)
        var index = segments.count
        while index > 0, segments[index - 1].id >= first { index -= 1 }
        var found: [Int] = []
        while index < segments.count, segments[index].id <= last {
            let segment = segments[index]
            index += 1
            let place = segment.tails.find(key)
            guard place != 0 else { continue }
            found.removeAll(keepingCapacity: true)
            var at = segment.tails.value(at: place).loadUnaligned(as: Int.self)
            while at != 0 {
                let time = segment.time(at)
                if time < from { break }
                if time <= range.upperBound { found.append(at) }
                at = segment.earlier(at)
            }
            for at in found.reversed() { try body(segment.time(at), segment.row(at)) }
        }
    }

    private func segment(_ id: Int64) -> Segment {
        if let last = segments.last, last.id == id { return last }
        let index = segmentIndex(id)
        if index > 0, segments[index - 1].id == id { return segments[index - 1] }
        let segment = Segment(id: id, place: place)
        segments.insert(segment, at: index)
        return segment
    }

    /// Behind the segments up to `id`.
    private func segmentIndex(_ id: Int64) -> Int {
        var index = segments.count
        while index > 0, segments[index - 1].id > id { index -= 1 }
        return index
    }

    private func existing(_ id: Int64) -> Segment? {
        let index = segmentIndex(id)
        return index > 0 && segments[index - 1].id == id ? segments[index - 1] : nil
    }

    private func noteDropped(_ segment: Segment) {
        segment.tails.forEach { key, tail in
            var at = tail.loadUnaligned(as: Int.self)
            while at != 0 {
                dropped.append(key.count + 12)
                dropped.append(key)
                dropped.append(segment.time(at).bigEndian)
                dropped.append(segment.sequence(at).bigEndian)
                at = segment.earlier(at)
            }
        }
    }
}

private let headerBytes = 24

extension JoinBuffer: ChangelogPart {
    var tag: UInt8 { 0 }
    package var count: Int { segments.reduce(0) { $0 + $1.count } }
    package var byteCount: Int { segments.reduce(0) { $0 + $1.rows.count + $1.tails.byteCount } }
    var memoryByteCount: Int {
        segments.reduce(added.count + dropped.count) { $0 + $1.rows.memoryByteCount + $1.tails.memoryByteCount }
    }

    func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        let all = added.bytes
        var at = 0
        let scratch = ScratchBytes()
        while at < all.count {
            let id = all.loadUnaligned(fromByteOffset: at, as: Int64.self)
            let place = all.loadUnaligned(fromByteOffset: at + 8, as: Int.self)
            let count = all.loadUnaligned(fromByteOffset: at + 16, as: Int.self)
            let key = UnsafeRawBufferPointer(rebasing: all[(at + 24)..<(at + 24 + count)])
            at += 24 + count
            // The rows of a segment that is gone are told as gone, if at all.
            guard let segment = existing(id) else { continue }
            scratch.clear()
            scratch.append(key)
            scratch.append(segment.time(place).bigEndian)
            scratch.append(segment.sequence(place).bigEndian)
            body(scratch.bytes, segment.row(place))
        }
        added.clear()
        let gone = dropped.bytes
        at = 0
        while at < gone.count {
            let count = gone.loadUnaligned(fromByteOffset: at, as: Int.self)
            body(UnsafeRawBufferPointer(rebasing: gone[(at + 8)..<(at + 8 + count)]), nil)
            at += 8 + count
        }
        dropped.clear()
    }

    func forEachRecord(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let scratch = ScratchBytes()
        var places: [Int] = []
        for segment in segments {
            try segment.tails.forEach { key, tail in
                places.removeAll(keepingCapacity: true)
                var at = tail.loadUnaligned(as: Int.self)
                while at != 0 {
                    places.append(at)
                    at = segment.earlier(at)
                }
                for at in places.reversed() {
                    scratch.clear()
                    scratch.append(key)
                    scratch.append(segment.time(at).bigEndian)
                    scratch.append(segment.sequence(at).bigEndian)
                    try body(scratch.bytes, segment.row(at))
                }
            }
        }
    }

    /// Rows are never changed: one that is there already stays.
    func restore(_ change: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) throws(EngineError) {
        guard change.count >= 12 else { throw .foreignState }
        let key = UnsafeRawBufferPointer(rebasing: change[..<(change.count - 12)])
        let time = Int64(bigEndian: change.loadUnaligned(fromByteOffset: key.count, as: Int64.self))
        let sequence = UInt32(bigEndian: change.loadUnaligned(fromByteOffset: key.count + 8, as: UInt32.self))
        if let value, !isValid(key, value) { throw .foreignState }
        let id = floorDivide(time, segmentMillis)
        guard let segment = value == nil ? existing(id) : segment(id) else { return }
        let hash = hashBytes(key)
        let place = segment.tails.find(key, hash: hash)
        var earlier = place == 0 ? 0 : segment.tails.value(at: place).loadUnaligned(as: Int.self)
        var later = 0
        while earlier != 0, (segment.time(earlier), segment.sequence(earlier)) > (time, sequence) {
            later = earlier
            earlier = segment.earlier(earlier)
        }
        let isThere = earlier != 0 && segment.time(earlier) == time && segment.sequence(earlier) == sequence
        if let value {
            if isThere { return }
            _ = try insert(
                segment, key, hash, place, time: time, sequence: sequence, row: value, between: earlier, and: later)
        } else if isThere {
            let before = segment.earlier(earlier)
            segment.count -= 1
            if later != 0 {
                segment.rows.bytes.storeBytes(of: before, toByteOffset: later, as: Int.self)
            } else if before != 0 {
                segment.tails.value(at: place).storeBytes(of: before, as: Int.self)
            } else {
                segment.tails.remove(key, hash: hash, place: place)
            }
            // The last row takes the bytes of all with it.
            if segment.count == 0 { segments.removeAll { $0 === segment } }
        }
    }

    func restoreLatestTime(_ time: Int64) { observedTime = time }

    func move(to place: StatePlace) throws(EngineError) {
        self.place = place
        for segment in segments {
            try segment.rows.move(to: place)
            try segment.tails.move(to: place)
        }
    }

    func releasePages(_ pages: StatePages) {
        for segment in segments {
            if pages == .records { segment.rows.releasePages() }
            segment.tails.releasePages(pages)
        }
    }
}
