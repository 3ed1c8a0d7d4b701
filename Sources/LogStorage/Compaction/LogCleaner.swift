import Bytes
import Environment
import RecordBatches
import Synchronization

/// How a cleaner works.
package struct CleanerSettings: Sendable, Equatable {
    /// `log.cleaner.dedupe.buffer.size`: the most memory for the offsets of keys.
    package var dedupeBufferByteCount = 128 << 20
    /// `log.cleaner.io.buffer.load.factor`: how full that memory may become.
    package var loadFactor = 0.9
    /// `log.cleaner.io.buffer.size`: of the buffers to read and to write together.
    package var ioBufferByteCount = 512 << 10

    package init() {}
}

/// What a cleaning did.
package struct CleaningStatistics: Sendable, Equatable {
    /// Bytes read to learn the last offsets of keys.
    package var mapByteCount = 0
    /// Bytes read and written to clean.
    package var readByteCount = 0
    package var writtenByteCount = 0
    package var readRecordCount = 0
    package var keptRecordCount = 0
    /// Keys in the dirty part.
    package var keyCount = 0
    /// Segments before and after.
    package var sourceCount = 0
    package var replacedCount = 0
    /// Up to where the log is clean now.
    package var cleanedEnd: Int64 = 0
}

/// Cleans compacted logs: of the records with the same key only the last stays.
///
/// Two passes. The first reads the dirty part and notes the last offset of each key. The second goes over the log from its
/// beginning, groups segments up to the size of one, and writes each group without the records that a later one
/// supersedes, without those of aborted transactions and without tombstones whose time is over. If the keys do not fit
/// into memory, the dirty part ends where it is full, and the next cleaning goes on from there.
///
/// Used by one thread at a time.
///
/// - SeeAlso: upstream `Cleaner`; KIP-534 for how long tombstones stay.
package final class LogCleaner {
    /// Is told how many bytes are about to be read or written, and may wait. False ends the cleaning.
    package typealias Pace = (_ byteCount: Int) -> Bool

    /// Bytes that a compressed batch may decompress to, where the topic does not allow more.
    private static let decompressedByteCountMin = 256 << 20

    private let settings: CleanerSettings
    private var map: OffsetMap
    private var scan: BatchScan
    private var rewriter: BatchRewriter
    private let writeBuffer: UnsafeMutableRawBufferPointer

    package init(_ settings: CleanerSettings = CleanerSettings()) {
        self.settings = settings
        map = OffsetMap(byteCountMax: settings.dedupeBufferByteCount, loadFactor: settings.loadFactor)
        scan = BatchScan(capacity: settings.ioBufferByteCount / 2)
        rewriter = BatchRewriter(decompressedByteCountMax: Self.decompressedByteCountMin)
        writeBuffer = .allocate(byteCount: max(4096, settings.ioBufferByteCount / 2), alignment: 16)
    }

    deinit { writeBuffer.deallocate() }

    /// The work on one log.
    private struct Work {
        let plan: CleaningPlan
        let now: Int64
        let pace: Pace
        /// Offsets below are superseded by what the map says.
        var mapEnd: Int64
        var transactions = CleanedTransactions()
        var statistics = CleaningStatistics()

        var log: PartitionLog { plan.log }

        /// Called before the disk is used: the place to wait, and to find out that the work is not wanted any more.
        func step(_ byteCount: Int) throws(LogError) {
            guard pace(byteCount) else { throw LogError(.closed, "cleaning of '\(log.directory)' was ended") }
            let isWanted = log.state.withLock { !$0.isClosed && $0.config.compacts }
            guard isWanted else { throw LogError(.closed, "log '\(log.directory)' is not to be cleaned any more") }
        }
    }

    /// Cleans a log. Appends and reads go on meanwhile.
    ///
    /// - Parameters:
    ///   - now: wall clock, milliseconds since 1970.
    ///   - decompressedByteCountMax: bytes that a batch of the topic may decompress to.
    /// - Throws: `.closed` when the work was ended by `pace`, or the log closed, deleted or changed under it;
    ///   `.corruptSegment` when a batch is not what was written; what the disk refuses. Segments replaced so far stay
    ///   replaced, all others are as they were.
    package func clean(
        _ plan: CleaningPlan, now: Int64, decompressedByteCountMax: Int = 0, pace: @escaping Pace
    ) throws(LogError) -> CleaningStatistics {
        rewriter.decompressedByteCountMax = max(Self.decompressedByteCountMin, decompressedByteCountMax)
        defer {
            map.removeAll()
            scan.stop()
        }
        var work = Work(plan: plan, now: now, pace: pace, mapEnd: plan.firstDirtyOffset)
        try buildMap(&work)
        work.statistics.keyCount = map.count
        work.statistics.cleanedEnd = work.mapEnd
        var transactions = CleanedTransactions()
        swap(&work.transactions, &transactions)
        var first = 0
        while first < plan.segments.count, plan.segments[first].baseOffset < work.mapEnd {
            let end = endOfGroup(from: first, work)
            try clean(plan.segments[first..<end], &work)
            first = end
        }
        return work.statistics
    }

    private func end(of index: Int, _ plan: CleaningPlan) -> Int64 {
        index + 1 < plan.segments.count ? plan.segments[index + 1].baseOffset : plan.end
    }

    // MARK: First pass

    private func buildMap(_ work: inout Work) throws(LogError) {
        map.removeAll()
        let plan = work.plan
        work.transactions = CleanedTransactions()
        for (index, segment) in plan.segments.enumerated() {
            let end = end(of: index, plan)
            guard end > work.mapEnd else { continue }
            let from = max(segment.baseOffset, work.mapEnd)
            work.transactions.expect(try work.log.abortedTransactions(from: from, upTo: end))
            if segment.byteCount > 0, try !map(segment, from: from, &work) { return }
            work.mapEnd = end
        }
    }

    /// Notes the keys of one segment. - Returns: false when the map is full; `mapEnd` is then the first offset not noted.
    private func map(_ segment: Segment, from: Int64, _ work: inout Work) throws(LogError) -> Bool {
        let file = try work.log.openForRead(segment)
        guard let (_, position) = try work.log.findBatch(in: segment, file, holding: from) else { return true }
        scan.start(file, from: position, upTo: segment.byteCount)
        while let (header, bytes) = try scan.next(work.step) {
            work.statistics.mapByteCount += header.byteCount
            if header.attributes.isControl {
                _ = work.transactions.note(try marker(bytes, header), header)
            } else if !work.transactions.note(header), header.recordCount > 0 {
                let fullAt = try noteKeys(bytes, header, from: from)
                if let fullAt {
                    work.mapEnd = fullAt
                    return false
                }
            }
        }
        return true
    }

    /// - Returns: the offset of the record whose key did not fit.
    private func noteKeys(
        _ batch: UnsafeRawBufferPointer, _ header: BatchHeader, from: Int64
    ) throws(LogError) -> Int64? {
        var fullAt: Int64?
        try survey(batch, header) { record, bytes in
            let offset = header.offset(of: record)
            guard fullAt == nil, offset >= from, let key = record.key else { return false }
            let hash = map.hash(UnsafeRawBufferPointer(rebasing: bytes[key]))
            if !map.set(hash, to: offset) { fullAt = offset }
            return false
        }
        return fullAt
    }

    private func survey(
        _ batch: UnsafeRawBufferPointer, _ header: BatchHeader,
        _ keeps: (RecordView, UnsafeRawBufferPointer) -> Bool
    ) throws(LogError) {
        do throws(WireError) {
            try rewriter.survey(batch, header, keeps)
        } catch {
            throw LogError(.corruptSegment, "batch at offset \(header.baseOffset): \(error)")
        }
    }

    private func marker(_ batch: UnsafeRawBufferPointer, _ header: BatchHeader) throws(LogError) -> ControlMarker? {
        guard header.recordCount > 0 else { return nil }
        do throws(WireError) {
            return try ControlMarker(batch: batch.bytes, header: header)
        } catch {
            throw LogError(.corruptSegment, "control batch at offset \(header.baseOffset): \(error)")
        }
    }

    // MARK: Second pass

    /// Segments that fit into one: bytes, index entries and offsets.
    private func endOfGroup(from first: Int, _ work: Work) -> Int {
        let plan = work.plan
        let config = plan.log.config
        var byteCount = plan.segments[first].byteCount
        var offsets = plan.segments[first].offsets.count
        var times = plan.segments[first].times.count
        var next = first + 1
        while next < plan.segments.count, plan.segments[next].baseOffset < work.mapEnd {
            let segment = plan.segments[next]
            byteCount += segment.byteCount
            offsets += segment.offsets.count
            times += segment.times.count
            guard byteCount <= Int(config.segmentBytes),
                offsets * OffsetEntry.byteCount <= Int(config.segmentIndexBytes),
                times * TimeEntry.byteCount <= Int(config.segmentIndexBytes),
                end(of: next, plan) - 1 - plan.segments[first].baseOffset <= Int64(Int32.max)
            else { break }
            next += 1
        }
        return next
    }

    /// Writes a group of segments as one and puts it in their place, unless nothing changes.
    private func clean(_ sources: ArraySlice<Segment>, _ work: inout Work) throws(LogError) {
        // The last batch stays even when nothing is left in it: it tells how far the segment reaches.
        guard let last = sources.lastIndex(where: { $0.byteCount > 0 }), let first = sources.first else { return }
        work.statistics.sourceCount += sources.count
        let step = { [work] (byteCount: Int) throws(LogError) in try work.step(byteCount) }
        let cleaned = CleanedSegment(
            work.log, baseOffset: first.baseOffset,
            source: sources.count == 1 ? try work.log.openForRead(first) : nil,
            hasTxnIndex: sources.contains { $0.aborted.count > 0 }, buffer: writeBuffer,
            appendedAt: sources[sources.endIndex - 1].appendedAt, willWrite: step)
        do throws(LogError) {
            for index in sources.indices {
                try clean(index, isLast: index == last, into: cleaned, &work)
            }
            if try cleaned.finish(aborted: work.transactions.takeRetained()) {
                try work.log.replace(sources, with: cleaned)
                work.statistics.replacedCount += 1
                work.statistics.writtenByteCount += cleaned.segment.byteCount
            }
        } catch {
            if cleaned.files != nil { work.log.discardCleanedFiles(first.baseOffset) }
            throw error
        }
    }

    private func clean(
        _ index: Int, isLast: Bool, into cleaned: CleanedSegment, _ work: inout Work
    ) throws(LogError) {
        let segment = work.plan.segments[index]
        let end = end(of: index, work.plan)
        work.transactions.expect(try work.log.abortedTransactions(from: segment.baseOffset, upTo: end))
        guard segment.byteCount > 0 else { return try cleaned.drop() }
        scan.start(try work.log.openForRead(segment), from: 0, upTo: segment.byteCount)
        while let (header, bytes) = try scan.next(work.step) {
            work.statistics.readByteCount += header.byteCount
            work.statistics.readRecordCount += Int(header.recordCount)
            let mustStay = isLast && scan.position == segment.byteCount
            if header.attributes.isControl {
                try cleanControl(bytes, header, mustStay, into: cleaned, &work)
            } else {
                try cleanData(bytes, header, mustStay, into: cleaned, &work)
            }
        }
    }

    private func cleanControl(
        _ bytes: UnsafeRawBufferPointer, _ header: BatchHeader, _ mustStay: Bool, into cleaned: CleanedSegment,
        _ work: inout Work
    ) throws(LogError) {
        let marker = try marker(bytes, header)
        guard header.recordCount > 0 else {
            _ = work.transactions.note(nil, header)
            return try keepEmpty(bytes, header, mustStay, into: cleaned, work)
        }
        guard work.transactions.note(marker, header) else {
            work.statistics.keptRecordCount += Int(header.recordCount)
            return try cleaned.keep(bytes, header)
        }
        guard let horizon = header.deleteHorizon else {
            try survey(bytes, header) { _, _ in true }
            work.statistics.keptRecordCount += Int(header.recordCount)
            return try rewriter.rewrite(bytes, deleteHorizon: newHorizon(work)) { header, payload throws(LogError) in
                try cleaned.put(header, payload)
            }
        }
        if horizon <= work.now {
            try keepEmpty(bytes, header, mustStay, into: cleaned, work)
        } else {
            work.statistics.keptRecordCount += Int(header.recordCount)
            try cleaned.keep(bytes, header)
        }
    }

    private func cleanData(
        _ bytes: UnsafeRawBufferPointer, _ header: BatchHeader, _ mustStay: Bool, into cleaned: CleanedSegment,
        _ work: inout Work
    ) throws(LogError) {
        let isAborted = work.transactions.note(header)
        guard !isAborted, header.recordCount > 0 else {
            return try keepEmpty(bytes, header, mustStay, into: cleaned, work)
        }
        let (mapEnd, now) = (work.mapEnd, work.now)
        try survey(bytes, header) { record, bytes in
            let offset = header.offset(of: record)
            if offset >= mapEnd { return true }
            // A record without key on a compacted topic is from before it was one.
            guard let key = record.key else { return false }
            if offset < map.offset(map.hash(UnsafeRawBufferPointer(rebasing: bytes[key]))) { return false }
            if record.value != nil { return true }
            return header.deleteHorizon.map { now < $0 } ?? true
        }
        work.statistics.keptRecordCount += Int(rewriter.keptCount)
        guard rewriter.keptCount > 0 else { return try keepEmpty(bytes, header, mustStay, into: cleaned, work) }
        let needsHorizon = rewriter.hasTombstones && header.deleteHorizon == nil
        if rewriter.keepsAll, !needsHorizon { return try cleaned.keep(bytes, header) }
        try rewriter.rewrite(bytes, deleteHorizon: needsHorizon ? newHorizon(work) : nil) {
            header, payload throws(LogError) in
            try cleaned.put(header, payload)
        }
    }

    private func newHorizon(_ work: Work) -> Int64 {
        let (horizon, overflow) = work.now.addingReportingOverflow(work.log.config.deleteRetentionMs)
        return overflow ? .max : horizon
    }

    /// Keeps a batch without records where it tells where the log ends or what its producer sent last, else drops it.
    private func keepEmpty(
        _ bytes: UnsafeRawBufferPointer, _ header: BatchHeader, _ mustStay: Bool, into cleaned: CleanedSegment,
        _ work: Work
    ) throws(LogError) {
        guard mustStay || work.log.isLastOfProducer(header) else { return try cleaned.drop() }
        if header.recordCount == 0 { return try cleaned.keep(bytes, header) }
        try cleaned.put(header.emptied, UnsafeRawBufferPointer(start: nil, count: 0))
    }
}

extension PartitionLog {
    /// Whether the batch is what tells a producer's last sequence number; or its epoch, when all it sent is a marker.
    fileprivate func isLastOfProducer(_ header: BatchHeader) -> Bool {
        guard header.producerId >= 0 else { return false }
        return state.withLock { state in
            guard let producer = state.producers.producers[header.producerId] else { return false }
            if let last = producer.window.last { return last.lastOffset == header.lastOffset }
            return header.attributes.isControl && header.producerEpoch == producer.epoch
        }
    }
}
