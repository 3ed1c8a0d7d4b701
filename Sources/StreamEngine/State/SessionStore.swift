/// Sessions by key: start, end, and a value.
///
/// The sessions of a key are one record of a table, ordered by end and then start as in the session stores of Kafka
/// Streams. A session can be seen as long as its end is later than stream time minus retention.
package final class SessionStore {
    package struct Session {
        package var start: Int64
        package var end: Int64
        package var value: [UInt8]

        package init(start: Int64, end: Int64, value: [UInt8]) {
            self.start = start
            self.end = end
            self.value = value
        }
    }

    private let table: SlabTable
    /// Whether a key and a value of a changelog can be ours.
    var isValid: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool = { _, _ in true }
    private let scratch = ScratchBytes()
    package let retentionMillis: Int64
    private let bucketMillis: Int64
    /// Keys that had a session ending in a bucket of time, for dropping what has expired: a length, then the bytes.
    private var buckets: [Int64: [UInt8]] = [:]
    private var bucketBytes = 0
    private var firstBucket = Int64.max
    /// Whether records came of which the buckets do not know.
    private var isRestored = false
    package private(set) var observedTime = Int64.min
    package private(set) var count = 0

    package init(retentionMillis: Int64, capturesChanges: Bool = false) {
        self.retentionMillis = max(1, retentionMillis)
        bucketMillis = max(1, self.retentionMillis / 8)
        table = SlabTable(capturesChanges: capturesChanges)
    }

    private var expiredEnd: Int64 {
        observedTime == .min ? .min : observedTime.subtractingReportingOverflow(retentionMillis).partialValue
    }

    /// All sessions of a key that can be seen, by end and start.
    package func sessions(_ key: UnsafeRawBufferPointer) -> [Session] {
        guard let value = table.value(key) else { return [] }
        let expired = expiredEnd
        return Self.read(value).filter { $0.end > expired }
    }

    /// How a row relates to the sessions of its key.
    enum Relation {
        /// It meets none and ends behind all of them; there may be none.
        case follows
        /// It meets the last one alone.
        case extends(SingleSession)
        case other
    }

    /// Looks at the sessions of a key in place.
    ///
    /// - Parameters:
    ///   - end: of the row.
    ///   - range: a session is met if it ends at or behind the lower bound and starts at or before the upper one.
    @inline(__always)
    func relation(_ key: UnsafeRawBufferPointer, end: Int64, meeting range: ClosedRange<Int64>) -> Relation {
        let place = table.find(key)
        guard place != 0 else { return .follows }
        let record = table.value(at: place)
        guard let first = record.baseAddress else { return .other }
        let expired = expiredEnd
        let count = Int(first.loadUnaligned(as: Int32.self))
        var at = 4
        for index in 0..<count {
            let sessionStart = (first + at).loadUnaligned(as: Int64.self)
            let sessionEnd = (first + at + 8).loadUnaligned(as: Int64.self)
            let byteCount = Int((first + at + 16).loadUnaligned(as: Int32.self))
            if sessionEnd > end { return .other }
            if sessionEnd > expired, sessionEnd >= range.lowerBound, sessionStart <= range.upperBound {
                guard index == count - 1 else { return .other }
                return .extends(
                    SingleSession(
                        place: place, bounds: first + at,
                        value: .init(rebasing: record[(at + 20)..<(at + 20 + byteCount)])))
            }
            at += 20 + byteCount
        }
        return .follows
    }

    /// Adds a session that ends behind all of its key.
    func append(
        _ key: UnsafeRawBufferPointer, start: Int64, end: Int64, value: UnsafeRawBufferPointer
    ) throws(EngineError) {
        let hash = hashBytes(key)
        let place = table.find(key, hash: hash)
        scratch.clear()
        if place == 0 {
            scratch.append(1 as Int32)
        } else {
            let old = UnsafeRawBufferPointer(table.value(at: place))
            scratch.append(old.loadUnaligned(as: Int32.self) + 1)
            scratch.append(UnsafeRawBufferPointer(rebasing: old[4...]))
        }
        scratch.append(start)
        scratch.append(end)
        scratch.append(Int32(truncatingIfNeeded: value.count))
        scratch.append(value)
        try table.put(key, hash: hash, place: place, value: scratch.bytes)
        count += 1
    }

    struct SingleSession {
        let place: SlabTable.Place
        fileprivate let bounds: UnsafeMutableRawPointer
        /// To be written to after `willChange`, without changing its length.
        let value: UnsafeMutableRawBufferPointer

        var start: Int64 { bounds.loadUnaligned(as: Int64.self) }
        var end: Int64 { (bounds + 8).loadUnaligned(as: Int64.self) }
    }

    /// Notes that a session changes in place, and moves its bounds.
    func willChange(_ session: SingleSession, start: Int64, end: Int64) {
        table.touch(session.place)
        session.bounds.storeBytes(of: start, as: Int64.self)
        (session.bounds + 8).storeBytes(of: end, as: Int64.self)
    }

    /// Replaces the sessions of a key.
    package func set(_ key: UnsafeRawBufferPointer, _ sessions: [Session]) throws(EngineError) {
        let hash = hashBytes(key)
        let place = table.find(key, hash: hash)
        let before = place == 0 ? 0 : Self.readCount(UnsafeRawBufferPointer(table.value(at: place)))
        guard !sessions.isEmpty else {
            count -= before
            return table.remove(key, hash: hash, place: place)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(sessions.reduce(4) { $0 + 20 + $1.value.count })
        append(Int32(sessions.count), &bytes)
        for session in sessions {
            append(session.start, &bytes)
            append(session.end, &bytes)
            append(Int32(session.value.count), &bytes)
            bytes.append(contentsOf: session.value)
        }
        try bytes.withRawBytes { bytes throws(EngineError) in
            _ = try table.put(key, hash: hash, place: place, value: bytes)
        }
        count += sessions.count - before
    }

    /// Advances the time that expires sessions, and notes that a key has a session ending at `end`.
    ///
    /// - Parameter previousEnd: where the session that this one grew from ended, if it did.
    package func observe(
        _ key: UnsafeRawBufferPointer, end: Int64, previousEnd: Int64? = nil
    ) throws(EngineError) {
        if isRestored { noteRestored() }
        let bucket = floorDivide(end, bucketMillis)
        if previousEnd.map({ floorDivide($0, bucketMillis) }) != bucket { note(key, bucket) }
        guard end > observedTime else { return }
        observedTime = end
        let firstLive = floorDivide(expiredEnd, bucketMillis)
        guard firstBucket < firstLive else { return }
        for bucket in buckets.keys.filter({ $0 < firstLive }).sorted() {
            let keys = buckets.removeValue(forKey: bucket) ?? []
            bucketBytes -= keys.count
            try keys.withRawBytes { keys throws(EngineError) in
                var at = 0
                while at < keys.count {
                    let count = Int(keys.loadUnaligned(fromByteOffset: at, as: UInt32.self))
                    let key = UnsafeRawBufferPointer(rebasing: keys[(at + 4)..<(at + 4 + count)])
                    at += 4 + count
                    guard let value = table.value(key) else { continue }
                    let all = Self.read(value)
                    let live = all.filter { $0.end > expiredEnd }
                    if live.count < all.count { try set(key, live) }
                }
            }
        }
        firstBucket = buckets.keys.min() ?? .max
    }

    private func note(_ key: UnsafeRawBufferPointer, _ bucket: Int64) {
        withUnsafeBytes(of: UInt32(key.count)) { buckets[bucket, default: []].append(contentsOf: $0) }
        buckets[bucket]?.append(contentsOf: key)
        bucketBytes += 4 + key.count
        firstBucket = min(firstBucket, bucket)
    }

    /// Makes the buckets of what was restored.
    private func noteRestored() {
        isRestored = false
        buckets = [:]
        bucketBytes = 0
        firstBucket = .max
        table.forEach { key, value in
            var noted: Int64?
            for session in Self.read(value) {
                let bucket = floorDivide(session.end, bucketMillis)
                if bucket != noted { note(key, bucket) }
                noted = bucket
            }
        }
    }

    package func forEach<Failure: Error>(
        _ body: (_ key: UnsafeRawBufferPointer, _ session: Session) throws(Failure) -> Void
    ) throws(Failure) {
        let expired = expiredEnd
        try table.forEach { (key, value) throws(Failure) in
            for session in Self.read(value) where session.end > expired { try body(key, session) }
        }
    }

    private func append(_ value: some FixedWidthInteger, _ bytes: inout [UInt8]) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    private static func readCount(_ value: UnsafeRawBufferPointer) -> Int {
        Int(value.loadUnaligned(as: Int32.self))
    }

    private static func read(_ value: UnsafeRawBufferPointer) -> [Session] {
        var sessions: [Session] = []
        var at = 4
        for _ in 0..<readCount(value) {
            let start = value.loadUnaligned(fromByteOffset: at, as: Int64.self)
            let end = value.loadUnaligned(fromByteOffset: at + 8, as: Int64.self)
            let count = Int(value.loadUnaligned(fromByteOffset: at + 16, as: Int32.self))
            sessions.append(Session(start: start, end: end, value: [UInt8](value[(at + 20)..<(at + 20 + count)])))
            at += 20 + count
        }
        return sessions
    }
}

extension SessionStore: ChangelogPart {
    var tag: UInt8 { 0 }
    package var byteCount: Int { table.byteCount + bucketBytes }
    var memoryByteCount: Int { table.memoryByteCount + bucketBytes }

    func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        table.drainChanges(body)
    }

    func forEachRecord(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws { try table.forEach(body) }

    func restore(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) throws(EngineError) {
        if let value {
            guard value.count >= 4, Self.readCount(value) > 0 else { throw .foreignState }
            var at = 4
            for _ in 0..<Self.readCount(value) {
                guard value.count - at >= 20 else { throw .foreignState }
                let count = Int(value.loadUnaligned(fromByteOffset: at + 16, as: Int32.self))
                at += 20
                guard count >= 0, count <= value.count - at,
                    isValid(key, UnsafeRawBufferPointer(rebasing: value[at..<(at + count)]))
                else { throw .foreignState }
                at += count
            }
            guard at == value.count else { throw .foreignState }
        }
        let before = table.value(key).map { Self.readCount($0) } ?? 0
        try table.restore(key, value)
        count += (value.map { Self.readCount($0) } ?? 0) - before
        isRestored = true
    }

    func restoreObservedTime(_ time: Int64) { observedTime = time }
    func move(to place: StatePlace) throws(EngineError) { try table.move(to: place) }
    func releasePages(_ pages: StatePages) { table.releasePages(pages) }
}

/// Division that rounds down. `divisor` is positive.
func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
}
