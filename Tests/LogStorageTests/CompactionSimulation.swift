import Bytes
import Compression
import Environment
import RecordBatches
import Synchronization
import TestKit

@testable import LogStorage

/// Drives a compacted log on a simulated disk by random writes, cleanings and crashes, and compares what can be read with a
/// model: the list of all records ever written, and which of them a reader may or must see.
///
/// What must hold at any time, whatever was cleaned or crashed in between:
/// - every record read was written at that offset, with that key, value and timestamp, and offsets ascend;
/// - the last value of each key is there; of the last write of a key a tombstone may be gone once its time is over;
/// - above the cleaned offset nothing is missing;
/// - a reader of committed records, who leaves out what the index of aborted transactions tells, sees no aborted record.
struct CompactionSimulation {
    struct Written {
        var offset: Int64
        var timestamp: Int64
        var key: [UInt8]?
        var value: [UInt8]?
        /// nil while its transaction is open.
        var isCommitted: Bool?
        var producerId: Int64
    }
    struct SentBatch {
        var producerId: Int64
        var epoch: Int16
        var sequence: Int32
        var count: Int32
        var baseOffset: Int64
        var bytes: [UInt8]
    }

    /// The broken promise, in words.
    struct Violation: Error, CustomStringConvertible {
        var description: String
    }

    private static let name = PartitionName(topic: "t", partition: 0)
    private static let tombstoneAge: Int64 = 3_000

    private var random: SeededRandom
    private let disk: SimulatedDisk
    private var config = LogConfig()
    private var settings = CleanerSettings()
    private var directory: LogDirectory?
    private var openLog: PartitionLog?
    private var now: Int64 = 1_000_000

    private var written: [Written] = []
    /// Offsets that markers took.
    private var markers: Set<Int64> = []
    private var logEnd: Int64 = 0
    private var durableEnd: Int64 = 0
    /// Up to where a cleaning came, answered or not.
    private var cleanedEnd: Int64 = 0
    /// The last batch of each producer.
    private var last: [Int64: SentBatch] = [:]
    /// Producers that write in transactions, with the first offset of the open one.
    private var open: [Int64: Int64?] = [:]
    private(set) var trace: [String] = []
    private(set) var cleaningCount = 0
    private(set) var removedCount = 0
    private(set) var crashCount = 0

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        disk = SimulatedDisk(seed: seed ^ 0xC1EA)
        config.segmentBytes = Int32([400, 1200, 4000].randomElement(using: &random)!)
        config.segmentIndexBytes = Int32([64, 10_000].randomElement(using: &random)!)
        config.indexIntervalBytes = Int32([0, 100, 400].randomElement(using: &random)!)
        config.compacts = true
        config.deletes = false
        config.deleteRetentionMs = Self.tombstoneAge
        config.minCleanableDirtyRatio = 0
        settings.ioBufferByteCount = 8192
        settings.dedupeBufferByteCount = [64 * 24 * 2, 64 * 24 * 3, 1 << 20].randomElement(using: &random)!
    }

    mutating func run(stepCount: Int) throws {
        try start()
        // Of a log of which nothing is durable a crash may take the beginning; that is not the subject here.
        try append(producerId: -1)
        try checkpoint()
        for _ in 0..<stepCount {
            try step()
            if disk.hasLostPower { try crash() }
        }
        try endTransactions()
        try restart()
        try cleanAll()
        try restart()
    }

    private var log: PartitionLog { get throws { try unwrap(openLog, "no log") } }
    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
    private mutating func note(_ text: String) { trace.append(text) }

    // MARK: Steps

    private mutating func step() throws {
        now += Int64.random(in: 0..<300, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<30: try append(producerId: -1)
        case 30..<45: try append(producerId: Int64.random(in: 1...3, using: &random))
        case 45..<58: try appendTransactional(producerId: Int64.random(in: 11...13, using: &random))
        case 58..<65: try endTransaction(producerId: Int64.random(in: 11...13, using: &random))
        case 65..<68: try retry()
        case 68..<76: try checkpoint()
        case 76..<88: try clean()
        case 88..<91: try verify()
        case 91..<93: try crash()
        case 93..<95: try restart()
        case 95..<98:
            note("power goes soon")
            disk.losePower(afterChanges: Int.random(in: 1..<40, using: &random))
        default:
            let limit: Int64? = chance(50) ? nil : disk.byteCount + Int64.random(in: 0..<900, using: &random)
            note("limit \(limit.map(String.init) ?? "none")")
            disk.limit(byteCount: limit)
        }
    }

    /// A batch with random records, and the records.
    private mutating func makeBatch(
        producerId: Int64, epoch: Int16, sequence: Int32, isTransactional: Bool
    ) throws -> (bytes: [UInt8], records: [Written]) {
        var builder = BatchBuilder(codec: Codec.allCases.randomElement(using: &random)!)
        builder.producerId = producerId
        builder.producerEpoch = epoch
        builder.baseSequence = sequence
        builder.isTransactional = isTransactional
        if chance(10) { builder.logAppendTime = now }
        var records: [Written] = []
        for _ in 0..<Int.random(in: 1...5, using: &random) {
            let key = chance(3) ? nil : [UInt8]("key \(Int.random(in: 0..<12, using: &random))".utf8)
            let value: [UInt8]? =
                chance(20)
                ? nil
                : [UInt8](
                    repeating: .random(in: 0 ... .max, using: &random), count: .random(in: 0..<60, using: &random))
            let timestamp = now + Int64.random(in: -500..<100, using: &random)
            let headers = chance(20) ? [RecordHeader(key: "h", value: [1, 2, 3])] : []
            try builder.append(timestamp: timestamp, key: key, value: value, headers: headers)
            records.append(
                Written(
                    offset: 0, timestamp: builder.logAppendTime ?? timestamp, key: key, value: value,
                    isCommitted: isTransactional ? nil : true, producerId: producerId))
        }
        return (try builder.build(), records)
    }

    /// Appends a batch. - Returns: false when the disk refused it.
    private mutating func append(producerId: Int64, isTransactional: Bool = false) throws -> Bool {
        let previous = last[producerId]
        let epoch: Int16 = producerId < 0 ? -1 : previous?.epoch ?? 0
        let next = previous.map { Int32((Int64($0.sequence) + Int64($0.count)) & 0x7FFF_FFFF) } ?? 0
        let (bytes, records) = try makeBatch(
            producerId: producerId, epoch: epoch, sequence: producerId < 0 ? -1 : next,
            isTransactional: isTransactional)
        let header = try BatchHeader(bytes.span.bytes)
        let result: AppendResult
        do {
            result = try log.append(bytes.span.bytes, header: header, now: now)
        } catch let error as LogError {
            note("append at \(logEnd) failed: \(error)")
            try expect(error.code == .diskFull || disk.hasLostPower, "append threw \(error)")
            if disk.hasLostPower { interrupted = (records, producerId, epoch, next, bytes) }
            return false
        }
        try expect(result.baseOffset == logEnd && !result.isDuplicate, "append at \(logEnd) answered \(result)")
        add(records, producerId, epoch, next, bytes)
        return true
    }

    private var interrupted: ([Written], Int64, Int16, Int32, [UInt8])?

    private mutating func add(
        _ records: [Written], _ producerId: Int64, _ epoch: Int16, _ sequence: Int32, _ bytes: [UInt8]
    ) {
        note("append \(logEnd), \(records.count) records, producer \(producerId)")
        let base = logEnd
        for var record in records {
            record.offset = logEnd
            written.append(record)
            logEnd += 1
        }
        guard producerId >= 0 else { return }
        last[producerId] = SentBatch(
            producerId: producerId, epoch: epoch, sequence: sequence, count: Int32(records.count), baseOffset: base,
            bytes: bytes)
    }

    @discardableResult
    private mutating func append(producerId: Int64) throws -> Bool {
        try append(producerId: producerId, isTransactional: false)
    }

    private mutating func appendTransactional(producerId: Int64) throws {
        let first = logEnd
        if try append(producerId: producerId, isTransactional: true), open[producerId] == nil {
            open[producerId] = first
        }
    }

    private mutating func endTransaction(producerId: Int64) throws {
        guard open[producerId] != nil, let epoch = last[producerId]?.epoch else { return }
        let isCommitted = chance(50)
        let marker = ControlMarker(kind: isCommitted ? .commit : .abort, coordinatorEpoch: 1)
        do {
            let result = try log.appendMarker(marker, producerId: producerId, producerEpoch: epoch, now: now)
            try expect(result.baseOffset == logEnd, "a marker at \(logEnd) answered \(result)")
        } catch let error as LogError {
            note("marker at \(logEnd) failed: \(error)")
            try expect(error.code == .diskFull || disk.hasLostPower, "a marker threw \(error)")
            if disk.hasLostPower { interruptedMarker = (producerId, isCommitted) }
            return
        }
        addMarker(producerId, isCommitted)
    }

    private var interruptedMarker: (Int64, Bool)?

    private mutating func addMarker(_ producerId: Int64, _ isCommitted: Bool) {
        note("\(isCommitted ? "commit" : "abort") \(logEnd), producer \(producerId)")
        markers.insert(logEnd)
        ends.append((logEnd, producerId, isCommitted))
        logEnd += 1
        open[producerId] = nil
        for index in written.indices where written[index].producerId == producerId && written[index].isCommitted == nil
        {
            written[index].isCommitted = isCommitted
        }
    }

    /// Markers in order, to be undone when a crash takes them.
    private var ends: [(offset: Int64, producerId: Int64, isCommitted: Bool)] = []

    private mutating func endTransactions() throws {
        disk.limit(byteCount: nil)
        disk.losePower(afterChanges: nil)
        for id in open.keys.sorted() { try endTransaction(producerId: id) }
    }

    /// The newest batch of a producer again: it must be known, also after its records were cleaned away.
    private mutating func retry() throws {
        guard let batch = last.values.sorted(by: { $0.producerId < $1.producerId }).randomElement(using: &random) else {
            return
        }
        let header = try BatchHeader(batch.bytes.span.bytes)
        let result: AppendResult
        do {
            result = try log.append(batch.bytes.span.bytes, header: header, now: now)
        } catch let error as LogError where disk.hasLostPower {
            return note("retry failed: \(error)")
        }
        try expect(
            result.isDuplicate && result.baseOffset == batch.baseOffset,
            "a retry of \(batch.baseOffset) by producer \(batch.producerId) was answered \(result)")
    }

    private mutating func checkpoint() throws {
        do {
            try unwrap(directory, "no directory").checkpoint()
            note("checkpoint at \(logEnd)")
            durableEnd = logEnd
        } catch let error as LogError {
            try tolerate(error, "checkpoint")
        }
    }

    private mutating func tolerate(_ error: LogError, _ what: String) throws {
        note("\(what) failed: \(error)")
        try expect(error.code == .diskFull || error.code == .failed || disk.hasLostPower, "\(what) threw \(error)")
        try expect(error.code != .failed || disk.hasLostPower, "\(what) ended the log directory: \(error)")
    }

    private mutating func clean() throws {
        let directory = try unwrap(directory, "no directory")
        guard let plan = directory.beginCleaning(now: now) else { return }
        // Sometimes ended in the middle, as when the broker stops.
        var stepsLeft = chance(20) ? Int.random(in: 0..<20, using: &random) : Int.max
        cleanedEnd = max(cleanedEnd, plan.end)
        do {
            let statistics = try LogCleaner(settings).clean(plan, now: now) { _ in
                stepsLeft -= 1
                return stepsLeft >= 0
            }
            note("cleaned \(plan.firstDirtyOffset)..<\(statistics.cleanedEnd) of \(plan.end): \(statistics)")
            cleaningCount += 1
            removedCount += statistics.readRecordCount - statistics.keptRecordCount
            try expect(statistics.cleanedEnd > plan.firstDirtyOffset, "a cleaning made no progress")
            try directory.endCleaning(plan, statistics)
        } catch let error as LogError {
            note("clean failed: \(error)")
            try expect(
                error.code == .closed && stepsLeft < 0 || error.code == .diskFull || disk.hasLostPower,
                "clean threw \(error)")
            do { try directory.endCleaning(plan, nil) } catch {
                throw Violation(description: "end of a cleaning threw")
            }
        }
    }

    /// Cleans until nothing is dirty, and then finds nothing to change in what is clean.
    private mutating func cleanAll() throws {
        disk.limit(byteCount: nil)
        disk.losePower(afterChanges: nil)
        let directory = try unwrap(directory, "no directory")
        try directory.checkpoint()
        while let plan = directory.beginCleaning(now: now) {
            let statistics = try LogCleaner(settings).clean(plan, now: now) { _ in true }
            cleanedEnd = max(cleanedEnd, statistics.cleanedEnd)
            try directory.endCleaning(plan, statistics)
        }
        settings.dedupeBufferByteCount = 1 << 20
        // A cleaning may make more of it possible: shorter segments fit together, markers of emptied transactions get
        // their time. Then nothing is left to do.
        for round in 0..<8 {
            let log = try log
            let end = directory.cleanedEnd(of: Self.name) ?? 0
            guard let plan = try log.cleaningPlan(Self.name, cleanedEnd: 0, recoveryPoint: end, now: now) else {
                return
            }
            let before = try read()
            let statistics = try LogCleaner(settings).clean(plan, now: now) { _ in true }
            if round > 0 {
                try expect(before.map(\.offset) == read().map(\.offset), "a second cleaning changed records")
            }
            if statistics.replacedCount == 0 { break }
            try expect(round < 7, "an eighth cleaning replaced segments: \(statistics)")
        }
        try verify()
    }

    // MARK: Stopping and starting

    private mutating func start() throws {
        while true {
            do {
                let directory = try LogDirectory(directory: "/data", disk: disk)
                self.directory = directory
                openLog = try directory.open(Self.name, topicId: (7, 9), config: config, now: now)
                break
            } catch {
                note("open failed: \(error)")
                try expect(disk.hasLostPower || error.code == .diskFull, "open threw \(error)")
                directory = nil
                disk.limit(byteCount: nil)
                if disk.hasLostPower { disk.crash() }
            }
        }
        try adoptOpened()
    }

    /// Takes over what a crash left, within what was promised.
    private mutating func adoptOpened() throws {
        let log = try log
        let found = log.offsets
        note("open \(found), \(log.recovery)")
        if let (records, producerId, epoch, sequence, bytes) = interrupted, found.logEnd > logEnd {
            add(records, producerId, epoch, sequence, bytes)
            if producerId > 10, open[producerId] == nil { open[producerId] = logEnd - Int64(records.count) }
        }
        if let (producerId, isCommitted) = interruptedMarker, found.logEnd > logEnd {
            addMarker(producerId, isCommitted)
        }
        interrupted = nil
        interruptedMarker = nil
        try expect(found.logStart == 0, "log start \(found.logStart)")
        try expect(durableEnd...logEnd ~= found.logEnd, "log end \(found.logEnd), expected \(durableEnd)...\(logEnd)")
        try expect(log.recovery.lostRecordCount == 0, "\(log.recovery.lostRecordCount) durable records are lost")
        try expect(log.recovery.missing.isEmpty, "missing: \(log.recovery.missing)")
        logEnd = found.logEnd
        written.removeAll { $0.offset >= logEnd }
        markers = markers.filter { $0 < logEnd }
        for end in ends.reversed() where end.offset >= logEnd {
            // What the marker decided is open again.
            let previous = ends.last { $0.producerId == end.producerId && $0.offset < end.offset }?.offset ?? -1
            for index in written.indices
            where written[index].producerId == end.producerId && written[index].offset > previous {
                written[index].isCommitted = nil
            }
        }
        ends.removeAll { $0.offset >= logEnd }
        for id in [11, 12, 13] as [Int64] {
            let first = written.first { $0.producerId == id && $0.isCommitted == nil }?.offset
            if let first { open[id] = first } else { open[id] = nil }
        }
        for (id, batch) in last where batch.baseOffset >= logEnd {
            // Which batch is the newest now, the log tells: it must be one that was sent.
            let window = log.state.withLock { $0.producers.producers[id]?.window ?? [] }
            guard let known = window.last else {
                last[id] = nil
                continue
            }
            try expect(known.lastOffset < logEnd, "producer \(id) knows \(known) behind the log end \(logEnd)")
            var newest = SentBatch(
                producerId: id, epoch: batch.epoch, sequence: known.firstSequence, count: known.offsetDelta + 1,
                baseOffset: known.baseOffset, bytes: [])
            newest.bytes = try bytesOf(newest)
            last[id] = newest
        }
        durableEnd = logEnd
    }

    /// A batch that is a retry of the given one as far as the log can tell.
    private func bytesOf(_ batch: SentBatch) throws -> [UInt8] {
        var builder = BatchBuilder()
        builder.producerId = batch.producerId
        builder.producerEpoch = batch.epoch
        builder.baseSequence = batch.sequence
        builder.isTransactional = batch.producerId > 10
        for _ in 0..<batch.count { try builder.append(timestamp: 0, key: [1], value: nil) }
        return try builder.build()
    }

    private mutating func restart() throws {
        do {
            try unwrap(directory, "no directory").close(clean: true)
            note("stop")
            durableEnd = logEnd
            if chance(50) { disk.crash() }
            disk.limit(byteCount: nil)
        } catch let error as LogError {
            try tolerate(error, "stop")
            return try crash()
        }
        directory = nil
        openLog = nil
        try start()
        try verify()
    }

    private mutating func crash() throws {
        note("crash")
        crashCount += 1
        disk.limit(byteCount: nil)
        disk.crash()
        directory = nil
        openLog = nil
        try start()
        try verify()
    }

    // MARK: Reading

    private struct Found {
        var offset: Int64
        var record: Record
        var producerId: Int64
        var isTransactional: Bool
    }

    /// All records that can be read, and what holds of every batch.
    private func read() throws -> [Found] {
        let log = try log
        var found: [Found] = []
        var offset = log.offsets.logStart
        var nextMin: Int64 = 0
        while offset < log.logEnd {
            let slice = try log.read(from: offset, maxBytes: 700, upTo: .max, minOneBatch: true)
            let bytes = try slice.bytes()
            try expect(
                !slice.isEmpty || slice.nextOffset > offset || offset == log.logEnd, "nothing to read at \(offset)")
            var at = 0
            while at < bytes.count {
                let header = try BatchHeader(bytes.span.bytes, at: at)
                try expect(try header.checksumMatches(bytes.span.bytes, at: at), "checksum of \(header.baseOffset)")
                try expect(header.baseOffset >= nextMin, "batch \(header.baseOffset) after \(nextMin - 1)")
                nextMin = header.nextOffset
                if header.attributes.isControl {
                    try expect(markers.contains(header.baseOffset), "a marker at \(header.baseOffset)")
                } else {
                    let batch = Array(bytes[at..<(at + header.byteCount)])
                    let records = try BatchRecords.all(in: batch.span.bytes, header: header, limit: 1 << 20)
                    let offsets = records.map(\.offset)
                    try expect(
                        zip(offsets, offsets.dropFirst()).allSatisfy { $0 < $1 }
                            && offsets.allSatisfy { header.baseOffset...header.lastOffset ~= $0 },
                        "offsets \(offsets) in batch \(header.baseOffset)...\(header.lastOffset)")
                    found += records.map {
                        Found(
                            offset: $0.offset, record: $0, producerId: header.producerId,
                            isTransactional: header.attributes.isTransactional)
                    }
                    try expect(
                        records.allSatisfy { $0.timestamp <= header.maxTimestamp }, "timestamps of \(header.baseOffset)"
                    )
                }
                at += header.byteCount
            }
            guard slice.nextOffset > offset else { break }
            offset = slice.nextOffset
        }
        return found
    }

    private mutating func verify() throws {
        if disk.hasLostPower { return }
        let log = try log
        let found: [Found]
        do { found = try read() } catch let error as LogError where disk.hasLostPower {
            return note("read failed: \(error)")
        }
        var at = 0
        for record in found {
            while at < written.count, written[at].offset < record.offset { at += 1 }
            let isWritten =
                at < written.count && written[at].offset == record.offset && written[at].key == record.record.key
                && written[at].value == record.record.value && written[at].timestamp == record.record.timestamp
                && written[at].producerId == record.producerId
            try expect(isWritten, "record \(record) was not written so")
        }
        let offsets = Set(found.map(\.offset))
        let stable = open.values.compactMap { $0 }.min() ?? logEnd
        try expect(log.lastStableOffset == stable, "last stable offset \(log.lastStableOffset), expected \(stable)")
        // Of each key the last committed write, and everything above the cleaned part.
        var latest: [[UInt8]: Written] = [:]
        for record in written where record.isCommitted == true {
            if let key = record.key { latest[key] = record }
        }
        for record in latest.values where record.value != nil {
            try expect(offsets.contains(record.offset), "the last value of a key, at \(record.offset), is gone")
        }
        for record in latest.values where record.value == nil && record.timestamp > now {
            try expect(offsets.contains(record.offset), "a tombstone at \(record.offset) went too early")
        }
        for record in written where record.offset >= cleanedEnd {
            try expect(offsets.contains(record.offset), "record \(record.offset) above \(cleanedEnd) is gone")
        }
        try verifyCommitted(found, log)
        try verifyTimes(found, log)
    }

    /// As a consumer with `read_committed` does it.
    private func verifyCommitted(_ found: [Found], _ log: PartitionLog) throws {
        let stable = log.lastStableOffset
        let aborted = try log.abortedTransactions(from: 0, upTo: stable)
        for record in found where record.offset < stable {
            let isLeftOut =
                record.isTransactional
                && aborted.contains {
                    $0.producerId == record.producerId && $0.firstOffset...$0.lastOffset ~= record.offset
                }
            let isCommitted = written.first { $0.offset == record.offset }?.isCommitted
            try expect(
                isCommitted == !isLeftOut,
                "record \(record.offset) of producer \(record.producerId): committed \(String(describing: isCommitted)), "
                    + "aborted ones \(aborted)")
        }
    }

    private mutating func verifyTimes(_ found: [Found], _ log: PartitionLog) throws {
        let target = now + Int64.random(in: -9000..<100, using: &random)
        let expected = found.first { $0.record.timestamp >= target }?.offset
        // Markers have timestamps too, and are found as the other records are.
        let answer = try log.offset(forTimestamp: target)?.offset
        try expect(
            answer == expected || answer.map { markers.contains($0) } == true,
            "time \(target): \(String(describing: answer)), expected \(String(describing: expected))")
        if let latest = found.map(\.record.timestamp).max(), let answer = try log.offsetOfMaxTimestamp() {
            try expect(
                answer.timestamp == latest || markers.contains(answer.offset),
                "latest time \(answer), expected \(latest)")
        }
    }

    private func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        if !condition { throw Violation(description: message()) }
    }

    private func unwrap<Value>(_ value: Value?, _ message: String) throws -> Value {
        guard let value else { throw Violation(description: message) }
        return value
    }
}
