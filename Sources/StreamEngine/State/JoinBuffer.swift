/// Rows of one side of a stream-stream join, by key and time; rows of the same key and time are all kept, in the order
/// in which they came.
///
/// The rows of a key within a segment of time are a list linked from the latest to the earliest, which costs nothing to
/// keep while time goes on and little while it goes back a bit. Segments are dropped as a whole. A row can be seen as
/// long as its time is later than the latest time put, minus retention.
package final class JoinBuffer {
    private final class Segment {
        let id: Int64
        /// By key, the place of the latest row.
        let tails = SlabTable()
        /// Rows: the place of the earlier one (8 bytes, 0 is none), the time (8), the length (4), the bytes.
        var rows: [UInt8] = [0]
        var count = 0

        init(id: Int64) { self.id = id }
    }

    package let retentionMillis: Int64
    private let segmentMillis: Int64
    private var segments: [Segment] = []
    private var observedTime = Int64.min

    /// - Parameter spanMillis: how far apart rows are that match.
    package init(retentionMillis: Int64, spanMillis: Int64) {
        self.retentionMillis = max(1, retentionMillis)
        segmentMillis = max(1, spanMillis, self.retentionMillis / 64)
    }

    package var count: Int { segments.reduce(0) { $0 + $1.count } }
    package var byteCount: Int { segments.reduce(0) { $0 + $1.rows.count + $1.tails.byteCount } }

    private var expired: Int64 {
        observedTime == .min ? .min : observedTime.subtractingReportingOverflow(retentionMillis).partialValue
    }

    package func put(_ key: UnsafeRawBufferPointer, time: Int64, row: UnsafeRawBufferPointer) {
        if time > observedTime {
            observedTime = time
            let first = floorDivide(expired, segmentMillis)
            var gone = 0
            while gone < segments.count, segments[gone].id < first { gone += 1 }
            if gone > 0 { segments.removeFirst(gone) }
        }
        guard time > expired else { return }
        let segment = segment(floorDivide(time, segmentMillis))
        let hash = hashBytes(key)
        let place = segment.tails.find(key, hash: hash)
        let new = segment.rows.count
        segment.count += 1
        if place == 0 {
            append(segment, earlier: 0, time: time, row: row)
            withUnsafeBytes(of: new) { _ = segment.tails.put(key, hash: hash, place: 0, value: $0) }
            return
        }
        let tail = segment.tails.value(at: place)
        var at = tail.loadUnaligned(as: Int.self)
        var later = 0
        let earlier: Int = segment.rows.withUnsafeBytes { rows in
            while at != 0, rows.loadUnaligned(fromByteOffset: at + 8, as: Int64.self) > time {
                later = at
                at = rows.loadUnaligned(fromByteOffset: at, as: Int.self)
            }
            return at
        }
        append(segment, earlier: earlier, time: time, row: row)
        if later == 0 {
            tail.storeBytes(of: new, as: Int.self)
        } else {
            segment.rows.withUnsafeMutableBytes { $0.storeBytes(of: new, toByteOffset: later, as: Int.self) }
        }
    }

    /// Gives the rows of a key with times in `range`, earliest first.
    package func forEach(
        _ key: UnsafeRawBufferPointer, in range: ClosedRange<Int64>,
        _ body: (_ time: Int64, _ row: UnsafeRawBufferPointer) -> Void
    ) {
        let from = max(range.lowerBound, expired == .min ? .min : expired + 1)
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
            segment.rows.withUnsafeBytes { rows in
                var at = segment.tails.value(at: place).loadUnaligned(as: Int.self)
                while at != 0 {
                    let time = rows.loadUnaligned(fromByteOffset: at + 8, as: Int64.self)
                    if time < from { break }
                    if time <= range.upperBound { found.append(at) }
                    at = rows.loadUnaligned(fromByteOffset: at, as: Int.self)
                }
                for at in found.reversed() {
                    let count = Int(rows.loadUnaligned(fromByteOffset: at + 16, as: Int32.self))
                    body(
                        rows.loadUnaligned(fromByteOffset: at + 8, as: Int64.self),
                        UnsafeRawBufferPointer(rebasing: rows[(at + 20)..<(at + 20 + count)]))
                }
            }
        }
    }

    private func segment(_ id: Int64) -> Segment {
        if let last = segments.last, last.id == id { return last }
        var index = segments.count
        while index > 0, segments[index - 1].id > id { index -= 1 }
        if index > 0, segments[index - 1].id == id { return segments[index - 1] }
        let segment = Segment(id: id)
        segments.insert(segment, at: index)
        return segment
    }

    private func append(_ segment: Segment, earlier: Int, time: Int64, row: UnsafeRawBufferPointer) {
        withUnsafeBytes(of: earlier) { segment.rows.append(contentsOf: $0) }
        withUnsafeBytes(of: time) { segment.rows.append(contentsOf: $0) }
        withUnsafeBytes(of: Int32(truncatingIfNeeded: row.count)) { segment.rows.append(contentsOf: $0) }
        segment.rows.append(contentsOf: row)
    }
}
