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
    package let retentionMillis: Int64
    private let bucketMillis: Int64
    /// Keys that had a session ending in a bucket of time, for dropping what has expired.
    private var buckets: [Int64: Set<[UInt8]>] = [:]
    private var firstBucket = Int64.max
    package private(set) var observedTime = Int64.min
    package private(set) var count = 0

    package init(retentionMillis: Int64, capturesChanges: Bool = false) {
        self.retentionMillis = max(1, retentionMillis)
        bucketMillis = max(1, self.retentionMillis / 8)
        table = SlabTable(capturesChanges: capturesChanges)
    }

    package var byteCount: Int { table.byteCount }

    private var expiredEnd: Int64 {
        observedTime == .min ? .min : observedTime.subtractingReportingOverflow(retentionMillis).partialValue
    }

    /// All sessions of a key that can be seen, by end and start.
    package func sessions(_ key: UnsafeRawBufferPointer) -> [Session] {
        guard let value = table.value(key) else { return [] }
        let expired = expiredEnd
        return Self.read(value).filter { $0.end > expired }
    }

    /// The only session of a key in place, for changing it without copying: its bounds and its value. nil when there is
    /// none, several, or one that cannot be seen any more.
    ///
    /// - Returns: pointers into the store, valid until its next change.
    @inline(__always)
    func single(_ key: UnsafeRawBufferPointer) -> SingleSession? {
        let place = table.find(key)
        guard place != 0 else { return nil }
        let record = table.value(at: place)
        guard let start = record.baseAddress, start.loadUnaligned(as: Int32.self) == 1 else { return nil }
        let session = SingleSession(place: place, bounds: start + 4, value: .init(rebasing: record[24...]))
        return session.end > expiredEnd ? session : nil
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
    package func set(_ key: UnsafeRawBufferPointer, _ sessions: [Session]) {
        let hash = hashBytes(key)
        let place = table.find(key, hash: hash)
        if place != 0 { count -= Self.readCount(UnsafeRawBufferPointer(table.value(at: place))) }
        count += sessions.count
        guard !sessions.isEmpty else { return table.remove(key, hash: hash, place: place) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(sessions.reduce(4) { $0 + 20 + $1.value.count })
        append(Int32(sessions.count), &bytes)
        for session in sessions {
            append(session.start, &bytes)
            append(session.end, &bytes)
            append(Int32(session.value.count), &bytes)
            bytes.append(contentsOf: session.value)
        }
        bytes.withUnsafeBytes { _ = table.put(key, hash: hash, place: place, value: $0) }
    }

    /// Advances the time that expires sessions, and notes that a key has a session ending at `end`.
    ///
    /// - Parameter previousEnd: where the session that this one grew from ended, if it did.
    package func observe(_ key: UnsafeRawBufferPointer, end: Int64, previousEnd: Int64? = nil) {
        let bucket = floorDivide(end, bucketMillis)
        if previousEnd.map({ floorDivide($0, bucketMillis) }) != bucket {
            buckets[bucket, default: []].insert([UInt8](key))
            firstBucket = min(firstBucket, bucket)
        }
        guard end > observedTime else { return }
        observedTime = end
        let firstLive = floorDivide(expiredEnd, bucketMillis)
        guard firstBucket < firstLive else { return }
        for bucket in buckets.keys.filter({ $0 < firstLive }).sorted() {
            for key in buckets.removeValue(forKey: bucket) ?? [] {
                key.withUnsafeBytes { key in
                    guard let value = table.value(key) else { return }
                    let all = Self.read(value)
                    let live = all.filter { $0.end > expiredEnd }
                    if live.count < all.count { set(key, live) }
                }
            }
        }
        firstBucket = buckets.keys.min() ?? .max
    }

    package func forEach(_ body: (_ key: UnsafeRawBufferPointer, _ session: Session) throws -> Void) rethrows {
        let expired = expiredEnd
        try table.forEach { key, value in
            for session in Self.read(value) where session.end > expired { try body(key, session) }
        }
    }

    package func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        table.drainChanges(body)
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

/// Division that rounds down. `divisor` is positive.
func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
}
