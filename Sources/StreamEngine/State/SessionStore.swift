/// Sessions by key: start, end, and a value.
///
/// The sessions of a key are ordered by end and then start as in the session stores of Kafka Streams. A session can be seen
/// as long as its end is later than stream time minus retention.
///
/// Each session is a record of `table`, so that a change of one is told without the others of its key. `orders` follows
/// from these; it has the sessions of a key in their order, as `SessionOrder` says.
///
/// | record of `table`  | bytes | field                                                      |
/// |--------------------|------:|------------------------------------------------------------|
/// | key                |     8 | behind the caller's key: a number of its own, big-endian   |
/// | value, at 0        |     4 | 0                                                          |
/// | 4                  |    16 | start, end                                                 |
/// | 20                 |       | the caller's value                                         |
package final class SessionStore {
    package struct Session {
        package var start: Int64
        package var end: Int64
        package var value: [UInt8]
        /// Of a session that is in the store.
        fileprivate var number: Int64 = -1

        package init(start: Int64, end: Int64, value: [UInt8]) {
            self.start = start
            self.end = end
            self.value = value
        }
    }

    private let table: SlabTable
    private var orders = SlabTable()
    /// Whether a key and a value of a changelog can be ours.
    var isValid: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool = { _, _ in true }
    private let recordKey = ScratchBytes()
    private let scratch = ScratchBytes()
    private var nextNumber: Int64 = 0
    package let retentionMillis: Int64
    private let bucketMillis: Int64
    /// Keys that had a session ending in a bucket of time, for dropping what has expired: a length, then the bytes.
    private var buckets: [Int64: [UInt8]] = [:]
    private var bucketBytes = 0
    private var firstBucket = Int64.max
    private var place = StatePlace.memory
    /// Whether records came of which `orders` and the buckets do not know.
    private var isRestored = false
    /// Changes of earlier versions: all sessions of a key in one record, which became too long for a topic.
    private var whole: [[UInt8]: [UInt8]] = [:]
    /// Keys of such records that are to be told as gone.
    private var gone: [[UInt8]] = []
    package private(set) var observedTime = Int64.min
    package var count: Int { table.count }

    package init(retentionMillis: Int64, capturesChanges: Bool = false) {
        self.retentionMillis = max(1, retentionMillis)
        bucketMillis = max(1, self.retentionMillis / 8)
        table = SlabTable(capturesChanges: capturesChanges)
    }

    private var expiredEnd: Int64 {
        observedTime == .min ? .min : observedTime.subtractingReportingOverflow(retentionMillis).partialValue
    }

    // MARK: Records

    private static let headBytes = 20

    private func setRecordKey(_ key: UnsafeRawBufferPointer, _ number: Int64) {
        recordKey.clear()
        recordKey.append(key)
        recordKey.append(number.bigEndian)
    }

    private func put(
        _ key: UnsafeRawBufferPointer, _ number: Int64, start: Int64, end: Int64, value: UnsafeRawBufferPointer
    ) throws(EngineError) {
        setRecordKey(key, number)
        scratch.clear()
        scratch.append(0 as Int32)
        scratch.append(start)
        scratch.append(end)
        scratch.append(value)
        try table.put(recordKey.bytes, scratch.bytes)
    }

    private func session(_ key: UnsafeRawBufferPointer, _ entry: SessionOrder.Entry) -> Session {
        setRecordKey(key, entry.number)
        let value = table.value(recordKey.bytes).map { [UInt8]($0[Self.headBytes...]) } ?? []
        var session = Session(start: entry.start, end: entry.end, value: value)
        session.number = entry.number
        return session
    }

    // MARK: Orders

    private func order(_ key: UnsafeRawBufferPointer) -> SessionOrder? {
        let place = orders.find(key)
        return place == 0 ? nil : SessionOrder(orders.value(at: place))
    }

    private func insert(_ key: UnsafeRawBufferPointer, _ entry: SessionOrder.Entry) throws(EngineError) {
        let hash = hashBytes(key)
        var place = orders.find(key, hash: hash)
        let old = place == 0 ? nil : SessionOrder(orders.value(at: place))
        let count = old?.count ?? 0
        if old.map({ $0.capacity == count }) ?? true {
            scratch.clear()
            scratch.append(Int64(count))
            if let old {
                scratch.append(
                    UnsafeRawBufferPointer(start: old.entry(at: 0), count: count * SessionOrder.entryBytes))
            }
            for _ in 0..<(max(1, count) * SessionOrder.entryBytes / 8) { scratch.append(0 as Int64) }
            place = try orders.put(key, hash: hash, place: place, value: scratch.bytes)
        }
        guard let order = SessionOrder(orders.value(at: place)) else { return }
        var index = count
        while index > 0, (order[index - 1].end, order[index - 1].start) > (entry.end, entry.start) { index -= 1 }
        order.move(from: index, by: 1)
        order[index] = entry
    }

    private func takeNumber() -> Int64 {
        defer { nextNumber += 1 }
        return nextNumber
    }

    // MARK: Sessions

    /// All sessions of a key that can be seen, by end and start.
    package func sessions(_ key: UnsafeRawBufferPointer) -> [Session] {
        guard let order = order(key) else { return [] }
        let expired = expiredEnd
        return (0..<order.count).map { order[$0] }.filter { $0.end > expired }.map { session(key, $0) }
    }

    /// The sessions of a key that can be seen and end at or behind the lower bound and start at or before the upper one.
    func sessions(_ key: UnsafeRawBufferPointer, meeting range: ClosedRange<Int64>) -> [Session] {
        guard let order = order(key) else { return [] }
        var entries: [SessionOrder.Entry] = []
        var index = order.first(endingFrom: range.lowerBound)
        while index < order.count, order[index].start <= range.upperBound {
            if order[index].end > expiredEnd { entries.append(order[index]) }
            index += 1
        }
        return entries.map { session(key, $0) }
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
        guard let order = order(key), order.count > 0 else { return .follows }
        let last = order.count - 1
        let entry = order[last]
        if entry.end > end { return .other }
        let earliest = max(range.lowerBound, expiredEnd + 1)
        // All others end before.
        guard entry.end >= earliest else { return .follows }
        guard entry.start <= range.upperBound, last == 0 || order[last - 1].end < earliest else { return .other }
        setRecordKey(key, entry.number)
        let place = table.find(recordKey.bytes, hash: hashBytes(recordKey.bytes), willChange: true)
        guard place != 0 else { return .other }
        let record = table.value(at: place)
        guard let first = record.baseAddress else { return .other }
        return .extends(
            SingleSession(
                place: place, bounds: first + 4, entry: order.entry(at: last),
                value: .init(rebasing: record[Self.headBytes...])))
    }

    struct SingleSession {
        let place: SlabTable.Place
        fileprivate let bounds: UnsafeMutableRawPointer
        fileprivate let entry: UnsafeMutableRawPointer
        /// To be written to after `willChange`, without changing its length.
        let value: UnsafeMutableRawBufferPointer

        var start: Int64 { bounds.loadUnaligned(as: Int64.self) }
        var end: Int64 { (bounds + 8).loadUnaligned(as: Int64.self) }
    }

    /// Notes that a session changes in place, and moves its bounds.
    func willChange(_ session: SingleSession, start: Int64, end: Int64) {
        table.touch(session.place)
        for bounds in [session.bounds, session.entry] {
            bounds.storeBytes(of: start, as: Int64.self)
            (bounds + 8).storeBytes(of: end, as: Int64.self)
        }
    }

    /// Adds a session.
    func append(
        _ key: UnsafeRawBufferPointer, start: Int64, end: Int64, value: UnsafeRawBufferPointer
    ) throws(EngineError) {
        let number = takeNumber()
        try put(key, number, start: start, end: end, value: value)
        try insert(key, SessionOrder.Entry(start: start, end: end, number: number))
    }

    /// Puts a session in the place of those that it was merged of, which `sessions(_:meeting:)` gave.
    func replace(
        _ key: UnsafeRawBufferPointer, _ merged: [Session], with session: Session
    ) throws(EngineError) {
        try session.value.withRawBytes { value throws(EngineError) in
            guard let first = merged.first, let last = merged.last else {
                return try append(key, start: session.start, end: session.end, value: value)
            }
            try put(key, last.number, start: session.start, end: session.end, value: value)
            for other in merged.dropLast() {
                setRecordKey(key, other.number)
                table.remove(recordKey.bytes)
            }
            guard let order = order(key) else { return }
            var index = order.first(endingFrom: first.end)
            while index < order.count, order[index].number != first.number { index += 1 }
            guard index + merged.count <= order.count else { return }
            order[index] = SessionOrder.Entry(start: session.start, end: session.end, number: last.number)
            if merged.count > 1 { order.move(from: index + merged.count, by: 1 - merged.count) }
        }
    }

    // MARK: Time

    /// Advances the time that expires sessions, and notes that a key has a session ending at `end`.
    ///
    /// - Parameter previousEnd: where the session that this one grew from ended, if it did.
    package func observe(
        _ key: UnsafeRawBufferPointer, end: Int64, previousEnd: Int64? = nil
    ) throws(EngineError) {
        let bucket = floorDivide(end, bucketMillis)
        if previousEnd.map({ floorDivide($0, bucketMillis) }) != bucket { note(key, bucket) }
        guard end > observedTime else { return }
        observedTime = end
        let firstLive = floorDivide(expiredEnd, bucketMillis)
        guard firstBucket < firstLive else { return }
        for bucket in buckets.keys.filter({ $0 < firstLive }).sorted() {
            let keys = buckets.removeValue(forKey: bucket) ?? []
            bucketBytes -= keys.count
            keys.withUnsafeBytes { keys in
                var at = 0
                while at < keys.count {
                    let count = Int(keys.loadUnaligned(fromByteOffset: at, as: UInt32.self))
                    expire(UnsafeRawBufferPointer(rebasing: keys[(at + 4)..<(at + 4 + count)]))
                    at += 4 + count
                }
            }
        }
        firstBucket = buckets.keys.min() ?? .max
    }

    private func expire(_ key: UnsafeRawBufferPointer) {
        guard let order = order(key) else { return }
        let live = order.first(endingFrom: expiredEnd + 1)
        for index in 0..<live {
            setRecordKey(key, order[index].number)
            table.remove(recordKey.bytes)
        }
        if live == order.count { return orders.remove(key) }
        if live > 0 { order.move(from: live, by: -live) }
    }

    private func note(_ key: UnsafeRawBufferPointer, _ bucket: Int64) {
        withUnsafeBytes(of: UInt32(key.count)) { buckets[bucket, default: []].append(contentsOf: $0) }
        buckets[bucket]?.append(contentsOf: key)
        bucketBytes += 4 + key.count
        firstBucket = min(firstBucket, bucket)
    }

    package func forEach<Failure: Error>(
        _ body: (_ key: UnsafeRawBufferPointer, _ session: Session) throws(Failure) -> Void
    ) throws(Failure) {
        let expired = expiredEnd
        try orders.forEach { (key, value) throws(Failure) in
            guard let order = SessionOrder(UnsafeMutableRawBufferPointer(mutating: value)) else { return }
            for index in 0..<order.count where order[index].end > expired { try body(key, session(key, order[index])) }
        }
    }
}

// MARK: Changelog

extension SessionStore: ChangelogPart {
    var tag: UInt8 { 0 }
    package var byteCount: Int { table.byteCount + orders.byteCount + bucketBytes }
    var memoryByteCount: Int { table.memoryByteCount + orders.memoryByteCount + bucketBytes }

    func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        for key in gone { key.withUnsafeBytes { body($0, nil) } }
        gone = []
        table.drainChanges(body)
    }

    func forEachRecord(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws { try table.forEach(body) }

    func restore(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) throws(EngineError) {
        isRestored = true
        guard let value else {
            if whole.isEmpty || whole.removeValue(forKey: [UInt8](key)) == nil { try table.restore(key, nil) }
            return
        }
        guard value.count >= 4 else { throw .foreignState }
        guard value.loadUnaligned(as: Int32.self) == 0 else {
            guard Self.sessions(ofWhole: value, isValid: { isValid(key, $0) }) != nil else { throw .foreignState }
            whole[[UInt8](key)] = [UInt8](value)
            return
        }
        guard key.count >= 8, value.count >= Self.headBytes,
            isValid(
                UnsafeRawBufferPointer(rebasing: key[..<(key.count - 8)]),
                UnsafeRawBufferPointer(rebasing: value[Self.headBytes...]))
        else { throw .foreignState }
        let number = Self.number(key)
        guard number >= 0, number < .max else { throw .foreignState }
        nextNumber = max(nextNumber, number + 1)
        try table.restore(key, value)
    }

    private static func number(_ key: UnsafeRawBufferPointer) -> Int64 {
        Int64(bigEndian: key.loadUnaligned(fromByteOffset: key.count - 8, as: Int64.self))
    }

    /// A record of earlier versions: a count (4), and for each session start, end, the length (4) of its value, and that.
    private static func sessions(
        ofWhole value: UnsafeRawBufferPointer, isValid: (UnsafeRawBufferPointer) -> Bool
    ) -> [Session]? {
        let count = Int(value.loadUnaligned(as: Int32.self))
        guard count > 0 else { return nil }
        var sessions: [Session] = []
        var at = 4
        for _ in 0..<count {
            guard value.count - at >= 20 else { return nil }
            let start = value.loadUnaligned(fromByteOffset: at, as: Int64.self)
            let end = value.loadUnaligned(fromByteOffset: at + 8, as: Int64.self)
            let byteCount = Int(value.loadUnaligned(fromByteOffset: at + 16, as: Int32.self))
            at += 20
            guard byteCount >= 0, byteCount <= value.count - at else { return nil }
            let own = UnsafeRawBufferPointer(rebasing: value[at..<(at + byteCount)])
            guard isValid(own) else { return nil }
            sessions.append(Session(start: start, end: end, value: [UInt8](own)))
            at += byteCount
        }
        return at == value.count ? sessions : nil
    }

    /// Makes what follows from records that were restored.
    func didRestore() throws(EngineError) {
        guard isRestored else { return }
        isRestored = false
        try makeOrders()
        buckets = [:]
        bucketBytes = 0
        firstBucket = .max
        orders.forEach { key, value in
            guard let order = SessionOrder(UnsafeMutableRawBufferPointer(mutating: value)) else { return }
            let entries = (0..<order.count).map { order[$0] }.sorted { ($0.end, $0.start) < ($1.end, $1.start) }
            var noted: Int64?
            for (index, entry) in entries.enumerated() {
                order[index] = entry
                let bucket = floorDivide(entry.end, bucketMillis)
                if bucket != noted { note(key, bucket) }
                noted = bucket
            }
        }
        for (key, value) in whole.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            gone.append(key)
            let sessions = value.withUnsafeBytes { Self.sessions(ofWhole: $0) { _ in true } } ?? []
            try key.withRawBytes { key throws(EngineError) in
                for session in sessions {
                    try replace(key, [], with: session)
                    note(key, floorDivide(session.end, bucketMillis))
                }
            }
        }
        whole = [:]
    }

    /// All orders anew, their entries as they come: they are counted first, so that each has its room at once.
    private func makeOrders() throws(EngineError) {
        orders = SlabTable(place: place)
        try table.forEach { (key, _) throws(EngineError) in
            let key = UnsafeRawBufferPointer(rebasing: key[..<(key.count - 8)])
            let place = orders.find(key)
            if place != 0, let order = SessionOrder(orders.value(at: place)) {
                order.count += 1
            } else {
                try withUnsafeBytes(of: 1 as Int64) { one throws(EngineError) in try orders.put(key, one) }
            }
        }
        try table.forEach { (key, value) throws(EngineError) in
            let number = Self.number(key)
            let key = UnsafeRawBufferPointer(rebasing: key[..<(key.count - 8)])
            let hash = hashBytes(key)
            var place = orders.find(key, hash: hash)
            if let counted = SessionOrder(orders.value(at: place)), counted.capacity == 0 {
                scratch.clear()
                scratch.append(0 as Int64)
                for _ in 0..<(counted.count * SessionOrder.entryBytes / 8) { scratch.append(0 as Int64) }
                place = try orders.put(key, hash: hash, place: place, value: scratch.bytes)
            }
            guard let order = SessionOrder(orders.value(at: place)) else { return }
            order.count += 1
            order[order.count - 1] = SessionOrder.Entry(
                start: value.loadUnaligned(fromByteOffset: 4, as: Int64.self),
                end: value.loadUnaligned(fromByteOffset: 12, as: Int64.self), number: number)
        }
    }

    func restoreObservedTime(_ time: Int64) { observedTime = time }

    func move(to place: StatePlace) throws(EngineError) {
        self.place = place
        try table.move(to: place)
        try orders.move(to: place)
    }

    func releasePages(_ pages: StatePages) {
        table.releasePages(pages)
        orders.releasePages(pages)
    }
}

/// Division that rounds down. `divisor` is positive.
func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
}
