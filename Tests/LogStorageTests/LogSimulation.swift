import Bytes
import Environment
import RecordBatches
import Synchronization
import TestKit

@testable import LogStorage

/// Drives a log on a simulated disk by random steps, and compares it with a model: the list of its batches.
///
/// The model knows what was promised: below `durableEnd` nothing may be lost, at or above it a crash may cut the log
/// between two batches, and nothing but what was appended may ever be read.
struct LogSimulation {
    struct Batch {
        var baseOffset: Int64
        var count: Int32
        /// All bytes behind base offset, length and leader epoch.
        var body: [UInt8]
        var byteCount: Int
        var timestamp: Int64
        var leaderEpoch: Int32
        var producerId: Int64
        var producerEpoch: Int16
        var sequence: Int32
        var isTransactional = false
        /// What a control batch says.
        var marker: ControlMarker?

        var nextOffset: Int64 { baseOffset + Int64(count) }
        var maxTimestamp: Int64 { timestamp + Int64(count - 1) }
    }

    /// The broken promise, in words.
    struct Violation: Error, CustomStringConvertible {
        var description: String
    }

    private static let name = PartitionName(topic: "t", partition: 0)
    private static let topicId: (UInt64, UInt64) = (7, 9)

    var random: SeededRandom
    let disk: SimulatedDisk
    var config = LogConfig()
    var directory: LogDirectory?
    var openLog: PartitionLog?
    var now: Int64 = 1_000_000

    /// Batches from some point below the log start to the log end.
    var batches: [Batch] = []
    /// A batch whose append was interrupted: after the crash it is there or not.
    var interrupted: Batch?
    var logStart: Int64 = 0
    /// The log start by deletions that were answered.
    private var deletedBefore: Int64 = 0
    /// The log start by deletions or retention that were answered; retention's is only as durable as the log.
    private var promisedStart: Int64 = 0
    /// A log start that an interrupted deletion may have made.
    private var logStartMax: Int64 = 0
    var logEnd: Int64 = 0
    private var durableEnd: Int64 = 0
    var leaderEpoch: Int32 = 0
    /// Per producer id the batches the log must know, oldest first, of the newest epoch only.
    var windows: [Int64: [Batch]] = [:]
    private var hasFailed: Bool { directory?.health.failure != nil }
    private var hasFlippedBits = false
    /// The log forgot, as it may, what the model cannot follow: the run ends here.
    var isOver = false
    /// Deletion on a full disk could not write a snapshot: producers of removed batches may be forgotten.
    var mayForgetProducers = false
    private(set) var crashCount = 0
    private(set) var appendCount = 0
    private(set) var trace: [String] = []

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        disk = SimulatedDisk(seed: seed ^ 0x5EED)
        config.segmentBytes = Int32([300, 900, 3000].randomElement(using: &random)!)
        config.indexIntervalBytes = Int32([0, 100, 400].randomElement(using: &random)!)
        config.segmentMs = 5_000
        config.retentionMs = [-1, 20_000].randomElement(using: &random)!
        config.retentionBytes = [-1, 2_000].randomElement(using: &random)!
    }

    mutating func run(stepCount: Int) throws {
        try open()
        for _ in 0..<stepCount where !isOver {
            try step()
            if disk.hasLostPower { try crash() }
        }
        if !isOver { try restart() }
    }

    var log: PartitionLog { get throws { try unwrap(openLog, "no log") } }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    // MARK: Steps

    private mutating func step() throws {
        now += Int64.random(in: 0..<400, using: &random)
        switch Int.random(in: 0..<135, using: &random) {
        case 100..<130: try appendTransactional()
        case 130...: try verifyTransactions()
        case 0..<34: try append()
        case 34..<54: try appendIdempotent()
        case 54..<64: try sync()
        case 64..<68: try checkpoint()
        case 68..<80: try read()
        case 80..<84: try lookUpTime()
        case 84..<87: try deleteRecords()
        case 87..<90: try applyRetention()
        case 90..<92: try crash()
        case 92..<94: try restart()
        case 94..<96:
            note("power goes soon")
            disk.losePower(afterChanges: Int.random(in: 1..<25, using: &random))
        case 96..<98:
            let limit: Int64? = chance(50) ? nil : disk.byteCount + Int64.random(in: 0..<600, using: &random)
            note("limit \(limit.map(String.init) ?? "none")")
            disk.limit(byteCount: limit)
        default:
            if chance(30) {
                note("a sync fails soon")
                disk.failSync(after: Int.random(in: 1..<4, using: &random))
            }
        }
    }

    mutating func note(_ text: String) { trace.append(text) }

    mutating func makeBatch() -> TestBatch {
        TestBatch(
            count: Int32.random(in: 1...4, using: &random), valueByteCount: Int.random(in: 0..<200, using: &random),
            timestamp: now + Int64.random(in: -3000..<300, using: &random),
            salt: UInt8.random(in: 0 ... .max, using: &random))
    }

    private mutating func append() throws {
        let batch = makeBatch()
        try append(batch)
    }

    /// What the log must answer to a batch of an idempotent producer.
    enum Expectation {
        case appended
        case duplicate(Batch)
        case refused(LogError.Code)
    }

    @discardableResult
    mutating func append(_ batch: TestBatch, _ expectation: Expectation = .appended) throws -> Bool {
        let bytes = batch.bytes()
        let header = try BatchHeader(bytes.span.bytes)
        let entry = Batch(
            baseOffset: logEnd, count: batch.count, body: Array(bytes[16...]), byteCount: bytes.count,
            timestamp: batch.timestamp, leaderEpoch: leaderEpoch, producerId: batch.producerId,
            producerEpoch: batch.producerEpoch, sequence: batch.sequence, isTransactional: batch.isTransactional)
        let (log, now) = (try log, now)
        return try append(entry, expectation) { try log.append(bytes.span.bytes, header: header, now: now) }
    }

    /// - Parameter body: appends `batch` to the log.
    @discardableResult
    mutating func append(_ entry: Batch, _ expectation: Expectation, _ body: () throws -> AppendResult) throws -> Bool {
        let result: AppendResult
        do {
            result = try body()
        } catch let error as LogError {
            note("append \(logEnd) failed: \(error)")
            if case .refused(let code) = expectation, error.code == code { return false }
            if error.code == .failed, hasFailed { return false }
            if error.code == .diskFull { return false }
            if disk.hasLostPower {
                interrupted = entry
                return false
            }
            throw Violation(description: "append of producer \(entry.producerId) threw \(error)")
        }
        switch expectation {
        case .refused(let code): throw Violation(description: "appended a batch that had to be refused with \(code)")
        case .duplicate(let old):
            try expect(result.isDuplicate, "a retry was appended again at \(result.baseOffset)")
            try expect(
                result.baseOffset == old.baseOffset && result.lastOffset == old.nextOffset - 1,
                "a retry of \(old.baseOffset) was answered \(result)")
            return false
        case .appended:
            try expect(!result.isDuplicate && result.baseOffset == logEnd, "append at \(logEnd) answered \(result)")
        }
        let kind = entry.marker.map { " \($0.kind)" } ?? (entry.isTransactional ? " transactional" : "")
        note("append \(logEnd)..<\(entry.nextOffset) producer \(entry.producerId) sequence \(entry.sequence)\(kind)")
        add(entry)
        return true
    }

    private mutating func add(_ entry: Batch) {
        appendCount += 1
        batches.append(entry)
        logEnd = entry.nextOffset
        guard entry.producerId >= 0, !Self.isTransactional(entry.producerId) else { return }
        if windows[entry.producerId]?.last?.producerEpoch != entry.producerEpoch { windows[entry.producerId] = [] }
        windows[entry.producerId]?.append(entry)
    }

    private mutating func appendIdempotent() throws {
        var batch = makeBatch()
        batch.producerId = Int64.random(in: 1...3, using: &random)
        guard let window = windows[batch.producerId], let newest = window.last else {
            batch.producerEpoch = 0
            batch.sequence = [0, 5, .max - 3].randomElement(using: &random)!
            // A refused first batch binds the producer to its sequence; the model does not follow that.
            guard try !log.state.withLock({ $0.producers.producers.keys.contains(batch.producerId) }) else { return }
            try append(batch)
            return
        }
        let next = Int32((Int64(newest.sequence) + Int64(newest.count)) & 0x7FFF_FFFF)
        batch.producerEpoch = newest.producerEpoch
        batch.sequence = next
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<60: try append(batch)
        case 60..<85:
            let old = try unwrap(window.suffix(5).randomElement(using: &random), "window")
            batch.count = old.count
            batch.sequence = old.sequence
            try append(batch, .duplicate(old))
        case 85..<90:
            batch.sequence = (next &+ 1 &+ Int32.random(in: 0..<9, using: &random)) & .max
            try append(batch, .refused(.outOfOrderSequence))
        case 90..<95:
            batch.producerEpoch += 1
            batch.sequence = 0
            try append(batch)
        default:
            guard batch.producerEpoch > 0 else { return }
            batch.producerEpoch -= 1
            try append(batch, .refused(.invalidProducerEpoch))
        }
    }

    private mutating func sync() throws {
        do {
            let end = try log.sync()
            note("sync \(end)")
            try expect(end == logEnd, "sync answered \(end) of \(logEnd)")
            durableEnd = end
        } catch let error as LogError {
            try tolerate(error, "sync")
        }
    }

    private mutating func checkpoint() throws {
        let directory = try unwrap(directory, "no directory")
        do {
            try directory.checkpoint()
            note("checkpoint")
            durableEnd = logEnd
        } catch {
            try tolerate(error, "checkpoint")
        }
    }

    /// Errors that the faults explain.
    private mutating func tolerate(_ error: LogError, _ what: String) throws {
        note("\(what) failed: \(error)")
        let isExplained = error.code == .failed || error.code == .diskFull || disk.hasLostPower
        // A simulated failing sync of a side file shows as what it is.
        try expect(isExplained || error.cause?.reason == "simulated failure", "\(what) threw \(error)")
    }

    private mutating func deleteRecords() throws {
        let target = chance(10) ? -1 : Int64.random(in: logStart...logEnd, using: &random)
        let start = target == -1 ? logEnd : target
        logStartMax = max(logStartMax, start)
        do {
            let answered = try log.deleteRecords(before: target)
            note("delete before \(target)")
            try expect(answered == start, "delete before \(target) answered \(answered)")
            logStart = start
            deletedBefore = max(deletedBefore, start)
            promisedStart = start
        } catch let error as LogError {
            if error.code == .diskFull { mayForgetProducers = true }
            try tolerate(error, "delete before \(target)")
            if !disk.hasLostPower { logStart = try log.offsets.logStart }
            try expect(logStart <= logStartMax, "log start \(logStart)")
        }
        mayForgetProducers = mayForgetProducers || disk.hasLimit
    }

    private mutating func applyRetention() throws {
        let sizes = try log.state.withLock { $0.segments.map { ($0.baseOffset, $0.byteCount) } }
        do {
            let deleted = try log.applyRetention(now: now)
            note("retention removed \(deleted)")
            for (index, segment) in deleted.enumerated() {
                try expect(segment.baseOffset == sizes[index].0, "retention did not begin at the oldest")
                if segment.reason == .size {
                    let rest = sizes[(index + 1)...].reduce(0) { $0 + $1.1 }
                    try expect(Int64(rest) >= config.retentionBytes, "retention left \(rest) bytes")
                }
            }
            let start = try log.offsets.logStart
            if let last = deleted.last {
                let next = sizes.first { $0.0 > last.baseOffset }?.0 ?? logEnd
                try expect(start == max(logStart, next), "log start \(start) after retention up to \(next)")
            } else {
                try expect(start == logStart, "log start moved to \(start)")
            }
            logStart = start
            promisedStart = start
            logStartMax = max(logStartMax, start)
        } catch let error as LogError {
            try tolerate(error, "retention")
            // An interrupted removal has taken some of the oldest segments.
            logStartMax = logEnd
            if !disk.hasLostPower { logStart = try log.offsets.logStart }
        }
        mayForgetProducers = mayForgetProducers || disk.hasLimit
    }

    // MARK: Reading

    private mutating func read() throws {
        let from = Int64.random(in: (logStart - 1)...(logEnd + 1), using: &random)
        let maxBytes = Int.random(in: 0..<2500, using: &random)
        let limit = chance(50) ? .max : Int64.random(in: logStart...logEnd, using: &random)
        let minOneBatch = chance(70)
        let slice: LogSlice
        do {
            slice = try log.read(from: from, maxBytes: maxBytes, upTo: limit, minOneBatch: minOneBatch)
        } catch let error as LogError {
            if error.code == .offsetOutOfRange, !(logStart...logEnd ~= from) { return }
            if disk.hasLostPower { return }
            throw Violation(description: "read from \(from) threw \(error)")
        }
        try expect(logStart...logEnd ~= from, "read from \(from) outside the log")
        guard from < logEnd, let first = batches.firstIndex(where: { $0.nextOffset > from }) else {
            return try expect(slice.isEmpty, "read at the end gave something")
        }
        let segmentEnds = try log.state.withLock { $0.segments.dropFirst().map(\.baseOffset) }
        let segmentEnd = segmentEnds.first { $0 > batches[first].baseOffset } ?? .max
        var expected: [Batch] = []
        var size = 0
        for batch in batches[first...] {
            guard batch.nextOffset <= min(limit, segmentEnd) else { break }
            guard size + batch.byteCount <= maxBytes || (expected.isEmpty && minOneBatch) else { break }
            size += batch.byteCount
            expected.append(batch)
        }
        if from >= limit { expected = [] }
        try compare(slice, expected, "read from \(from), \(maxBytes) bytes, limit \(limit)")
    }

    private func compare(_ slice: LogSlice, _ expected: [Batch], _ what: String) throws {
        let bytes: [UInt8]
        do { bytes = try slice.bytes() } catch {
            if disk.hasLostPower { return }
            throw error
        }
        try expect(
            bytes.count == expected.reduce(0) { $0 + $1.byteCount },
            "\(what): \(bytes.count) bytes, expected \(expected.map(\.byteCount))")
        var at = 0
        for batch in expected {
            let header = try BatchHeader(bytes.span.bytes, at: at)
            try expect(header.baseOffset == batch.baseOffset, "\(what): \(header.baseOffset) for \(batch.baseOffset)")
            try expect(header.partitionLeaderEpoch == batch.leaderEpoch, "\(what): epoch of \(batch.baseOffset)")
            try expect(Array(bytes[(at + 16)..<(at + batch.byteCount)]) == batch.body, "\(what): \(batch.baseOffset)")
            at += batch.byteCount
        }
        if let first = expected.first, let last = expected.last {
            try expect(slice.firstOffset == first.baseOffset, "\(what): first offset \(slice.firstOffset)")
            try expect(slice.nextOffset == last.nextOffset, "\(what): next offset \(slice.nextOffset)")
        }
    }

    private mutating func lookUpTime() throws {
        let target = now + Int64.random(in: -6000..<600, using: &random)
        var first: (offset: Int64, timestamp: Int64)?
        var newest: (offset: Int64, timestamp: Int64)?
        let end = chance(50) ? .max : try log.lastStableOffset
        for batch in batches {
            for delta in 0..<Int64(batch.count) where batch.baseOffset + delta >= logStart {
                let (offset, time) = (batch.baseOffset + delta, batch.timestamp + delta)
                if first == nil, time >= target, offset < end { first = (offset, time) }
                if newest == nil || time > newest!.timestamp { newest = (offset, time) }
            }
        }
        let found: (offset: Int64, timestamp: Int64)?
        let latest: (offset: Int64, timestamp: Int64)?
        do {
            found = try log.offset(forTimestamp: target, upTo: end)
            latest = try log.offsetOfMaxTimestamp()
        } catch let error as LogError {
            if disk.hasLostPower { return }
            throw error
        }
        try expect(
            found?.offset == first?.offset && found?.timestamp == first?.timestamp,
            "time \(target): \(String(describing: found)), expected \(String(describing: first))")
        try expect(
            latest?.offset == newest?.offset && latest?.timestamp == newest?.timestamp,
            "latest: \(String(describing: latest)), expected \(String(describing: newest))")
    }

    // MARK: Stopping and starting

    private mutating func restart() throws {
        let directory = try unwrap(directory, "no directory")
        do {
            try directory.close(clean: true)
            note("stop")
            try expect(!hasFailed, "a failed log was closed cleanly")
            durableEnd = logEnd
            self.directory = nil
            openLog = nil
            if chance(50) { disk.crash() }  // a clean stop has nothing to lose
            disk.limit(byteCount: nil)
        } catch let error as LogError {
            try tolerate(error, "stop")
            return try crash()
        }
        try open()
        try verify()
    }

    private mutating func crash() throws {
        note("crash")
        crashCount += 1
        disk.limit(byteCount: nil)
        hasFlippedBits = chance(50)
        disk.crash(flippingBits: hasFlippedBits)
        directory = nil
        openLog = nil
        try open()
        try verify()
    }

    private mutating func open() throws {
        while true {
            do {
                let directory = try LogDirectory(directory: "/data", disk: disk)
                self.directory = directory
                let log = try directory.open(Self.name, topicId: Self.topicId, config: config, now: now)
                openLog = log
                break
            } catch {
                note("open failed: \(error)")
                try expect(
                    disk.hasLostPower || error.code == .diskFull || error.cause?.reason == "simulated failure",
                    "open threw \(error)")
                directory = nil
                disk.limit(byteCount: nil)
                if disk.hasLostPower || chance(50) { disk.crash() }
            }
        }
        try adoptOpened()
    }

    /// Checks what opening found against the promises, and takes it over into the model.
    private mutating func adoptOpened() throws {
        let log = try log
        let found = log.offsets
        note("open \(found), \(log.recovery)")
        if let interrupted {
            if found.logEnd > logEnd { add(interrupted) }
            self.interrupted = nil
        }
        try expect(found.logEnd >= durableEnd, "records \(found.logEnd)..<\(durableEnd) were lost")
        try expect(found.logEnd <= logEnd || found.logEnd == found.logStart, "the log grew to \(found.logEnd)")
        try expect(
            found.logEnd == found.logStart || batches.contains { $0.nextOffset == found.logEnd },
            "the log ends inside a batch, at \(found.logEnd)")
        // A crash may take all files of a log of which nothing was durable, and keep the last one.
        if durableEnd <= logStart, found.logStart > logStart {
            logStartMax = max(logStartMax, logEnd)
            mayForgetProducers = true
            batches.removeAll { $0.nextOffset <= found.logStart }
        }
        let logStartMin = durableEnd >= promisedStart ? promisedStart : deletedBefore
        try expect(
            logStartMin...max(logStart, logStartMax) ~= found.logStart,
            "log start \(found.logStart), expected \(logStartMin)...\(logStartMax)")
        try expect(
            log.recovery.lostRecordCount == 0, "\(log.recovery.lostRecordCount) records below the recovery point")
        try expect(log.recovery.missing.isEmpty, "missing: \(log.recovery.missing)")
        batches.removeAll { $0.nextOffset > found.logEnd }
        for id in windows.keys {
            windows[id]?.removeAll { $0.nextOffset > found.logEnd }
            guard windows[id]?.isEmpty == true else { continue }
            // A newer epoch that the crash took away gives room to the one before.
            let all = batches.filter { $0.producerId == id }
            windows[id] = all.isEmpty ? nil : all.filter { $0.producerEpoch == all.last?.producerEpoch }
        }
        if hasFlippedBits { try adoptEpochs(from: max(durableEnd, found.logStart), log) }
        logStart = found.logStart
        promisedStart = found.logStart
        logStartMax = found.logStart
        logEnd = found.logEnd
        durableEnd = found.logEnd
        leaderEpoch = log.leaderEpoch
    }

    /// The leader epoch is not under the checksum: where the disk changed unsynced bits, another may be found.
    private mutating func adoptEpochs(from offset: Int64, _ log: PartitionLog) throws {
        hasFlippedBits = false
        for index in batches.indices {
            let base = batches[index].baseOffset
            if base < offset || disk.hasLostPower { continue }
            let slice = try log.read(from: base, maxBytes: 0, upTo: .max, minOneBatch: true)
            let bytes = try slice.bytes()
            batches[index].leaderEpoch = try BatchHeader(bytes.span.bytes).partitionLeaderEpoch
        }
    }

    /// Compares everything that can be read with the model.
    private mutating func verify() throws {
        let log = try log
        if disk.hasLostPower { return }
        var offset = logStart
        while offset < logEnd {
            let slice = try log.read(from: offset, maxBytes: 700, upTo: .max, minOneBatch: true)
            let expected = batches.filter { $0.nextOffset > offset && $0.nextOffset <= slice.nextOffset }
            try expect(!expected.isEmpty, "nothing to read at \(offset)")
            try compare(slice, expected, "verify at \(offset)")
            offset = slice.nextOffset
        }
        try verifyTransactions()
        if isOver { return }
        try verifyProducers(log)
        for batch in batches where batch.baseOffset >= logStart {
            let end = batches.first { $0.leaderEpoch > batch.leaderEpoch }?.baseOffset ?? logEnd
            let found = log.endOffset(forLeaderEpoch: batch.leaderEpoch)
            try expect(
                found?.epoch == batch.leaderEpoch && found?.endOffset == end,
                "epoch \(batch.leaderEpoch) ends at \(String(describing: found)), expected \(end)")
        }
        try expect(log.endOffset(forLeaderEpoch: leaderEpoch + 1) == nil, "knows an epoch that was not yet")
    }

    private mutating func verifyProducers(_ log: PartitionLog) throws {
        let producers = log.state.withLock { $0.producers.producers }
        for (id, window) in windows {
            let known = producers[id]?.window.map(\.baseOffset) ?? []
            let expected = window.suffix(5).map(\.baseOffset)
            if mayForgetProducers {
                let needed = window.suffix(5).filter { $0.baseOffset >= logStart }.map(\.baseOffset)
                try expect(
                    known.suffix(needed.count) == needed[...] && expected.suffix(known.count) == known[...],
                    "producer \(id): knows \(known), expected \(needed) of \(expected)")
                windows[id] = known.isEmpty ? nil : window.filter { known.contains($0.baseOffset) }
                batches.removeAll {
                    $0.producerId == id && !Self.isTransactional(id) && $0.nextOffset <= logStart
                        && !known.contains($0.baseOffset)
                }
            } else {
                try expect(known == expected, "producer \(id): knows \(known), expected \(expected)")
            }
        }
        for id in producers.keys
        where producers[id]?.window.isEmpty == false && !mayForgetProducers && !Self.isTransactional(id) {
            try expect(windows[id] != nil, "producer \(id) is not in the log")
        }
        mayForgetProducers = false
    }

    func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        if !condition { throw Violation(description: message()) }
    }

    func unwrap<Value>(_ value: Value?, _ message: String) throws -> Value {
        guard let value else { throw Violation(description: message) }
        return value
    }
}
