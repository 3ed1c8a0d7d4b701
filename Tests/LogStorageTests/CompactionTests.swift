import Bytes
import Compression
import Environment
import RecordBatches
import Synchronization
import TestKit
import Testing

@testable import LogStorage

/// What cleaning does to single logs, step by step.
@Suite struct CompactionTests {
    /// A compacted log with a segment for each batch.
    private func fixture(_ configure: (inout LogConfig) -> Void = { _ in }) throws -> Fixture {
        try Fixture { config in
            config.compacts = true
            config.deletes = false
            config.minCleanableDirtyRatio = 0
            config.segmentBytes = 1
            config.deleteRetentionMs = 1000
            configure(&config)
        }
    }

    private func batch(
        _ entries: [(key: String?, value: String?)], codec: Codec = .none, timestamp: Int64 = 0,
        logAppendTime: Int64? = nil, producer: (id: Int64, epoch: Int16, sequence: Int32)? = nil,
        isTransactional: Bool = false
    ) throws -> [UInt8] {
        var builder = BatchBuilder(codec: codec)
        builder.logAppendTime = logAppendTime
        if let producer {
            (builder.producerId, builder.producerEpoch, builder.baseSequence) = producer
            builder.isTransactional = isTransactional
        }
        for (index, entry) in entries.enumerated() {
            try builder.append(
                timestamp: timestamp + Int64(index), key: entry.key.map { [UInt8]($0.utf8) },
                value: entry.value.map { [UInt8]($0.utf8) })
        }
        return try builder.build()
    }

    /// Cleans what can be cleaned, however dirty it is.
    @discardableResult
    private func clean(
        _ fixture: Fixture, now: Int64 = 0, settings: CleanerSettings = CleanerSettings(), all: Bool = false
    ) throws -> CleaningStatistics? {
        try fixture.directory.checkpoint()
        setSegmentBytes(fixture, 100_000)
        defer { setSegmentBytes(fixture, 1) }
        let cleanedEnd = all ? 0 : fixture.directory.cleanedEnd(of: Fixture.name)
        let plan = try fixture.log.cleaningPlan(
            Fixture.name, cleanedEnd: cleanedEnd, recoveryPoint: fixture.log.logEnd, now: now)
        guard let plan else { return nil }
        let statistics = try LogCleaner(settings).clean(plan, now: now) { _ in true }
        try fixture.directory.endCleaning(plan, statistics)
        return statistics
    }

    /// From now on segments up to that size are put together.
    private func setSegmentBytes(_ fixture: Fixture, _ byteCount: Int32) {
        var config = fixture.log.config
        config.segmentBytes = byteCount
        fixture.log.update(config: config)
    }

    /// "offset:key=value" of every record, and "offset" of batches without.
    private func contents(_ fixture: Fixture) throws -> [String] {
        var found: [String] = []
        try forEachBatch(fixture) { header, bytes in
            let records = try BatchRecords.all(in: bytes.span.bytes, header: header, limit: 1 << 20)
            if records.isEmpty { found.append("\(header.baseOffset)...\(header.lastOffset)") }
            for record in records {
                let key = record.key.map { String(decoding: $0, as: UTF8.self) } ?? "-"
                found.append(
                    header.attributes.isControl
                        ? "\(record.offset):marker"
                        : "\(record.offset):\(key)=" + (record.value.map { String(decoding: $0, as: UTF8.self) } ?? "-")
                )
            }
        }
        return found
    }

    private func forEachBatch(_ fixture: Fixture, _ body: (BatchHeader, [UInt8]) throws -> Void) throws {
        var offset = fixture.log.offsets.logStart
        while offset < fixture.log.logEnd {
            let slice = try fixture.log.read(from: offset, maxBytes: 1 << 20, upTo: .max, minOneBatch: true)
            let bytes = try slice.bytes()
            var at = 0
            while at < bytes.count {
                let header = try BatchHeader(bytes.span.bytes, at: at)
                #expect(try header.checksumMatches(bytes.span.bytes, at: at))
                try body(header, Array(bytes[at..<(at + header.byteCount)]))
                at += header.byteCount
            }
            guard slice.nextOffset > offset else { break }
            offset = slice.nextOffset
        }
    }

    private func segmentBases(_ fixture: Fixture) throws -> [String] {
        try fixture.disk.list(Fixture.folder).filter { $0.hasSuffix(".log") }.sorted()
    }

    @Test(arguments: Codec.allCases)
    func `keeps the last record of each key, with its codec`(codec: Codec) throws {
        let fixture = try fixture()
        try fixture.append(batch([("a", "1"), ("b", "1"), ("a", "2")], codec: codec))
        try fixture.append(batch([("c", "1"), ("a", "3")], codec: codec))
        try fixture.append(batch([("d", "1")]))
        try clean(fixture)
        #expect(try contents(fixture) == ["1:b=1", "3:c=1", "4:a=3", "5:d=1"])
        var codecs: [Int] = []
        var ranges: [ClosedRange<Int64>] = []
        try forEachBatch(fixture) { header, _ in
            codecs.append(header.attributes.codecID)
            ranges.append(header.baseOffset...header.lastOffset)
        }
        #expect(codecs == [codec.rawValue, codec.rawValue, 0])
        #expect(ranges == [0...2, 3...4, 5...5])
    }

    @Test func `copies a batch that stays as it is`() throws {
        let fixture = try fixture()
        // A level of compression that rewriting would not choose.
        var builder = BatchBuilder(codec: .gzip, level: 1)
        for index in 0..<200 { try builder.append(timestamp: 5, key: [1, UInt8(index)], value: [UInt8(index), 7]) }
        let kept = try builder.build()
        try fixture.append(batch([("a", "1")]))
        try fixture.append(kept)
        try fixture.append(batch([("a", "2")]))
        try fixture.append(batch([("b", "1")]))
        try clean(fixture)
        try forEachBatch(fixture) { header, bytes in
            if header.recordCount == 200 { #expect(bytes[16...] == kept[16...]) }
        }
        #expect(try contents(fixture).count == 202)
    }

    @Test func `does not touch the active segment, nor what is not durable`() throws {
        let fixture = try fixture()
        for value in 1...4 { try fixture.append(batch([("a", "\(value)")])) }
        _ = try fixture.log.sync()
        let early = try fixture.log.cleaningPlan(Fixture.name, cleanedEnd: nil, recoveryPoint: 0, now: 0)
        #expect(early == nil)
        let plan = try fixture.log.cleaningPlan(Fixture.name, cleanedEnd: nil, recoveryPoint: 2, now: 0)
        #expect(plan?.end == 2)
        // A recovery point that is not in the file yet does not count.
        #expect(fixture.directory.beginCleaning(now: 0) == nil)
        try clean(fixture)
        #expect(try contents(fixture) == ["2:a=3", "3:a=4"])
    }

    @Test func `keeps a tombstone until delete.retention.ms after it was first cleaned`() throws {
        let fixture = try fixture()
        try fixture.append(batch([("a", "1")], timestamp: 70))
        try fixture.append(batch([("a", nil), ("b", "1")], timestamp: 80))
        try fixture.append(batch([("z", "1")], timestamp: 90))
        try clean(fixture, now: 5000)
        #expect(try contents(fixture) == ["1:a=-", "2:b=1", "3:z=1"])
        var horizons: [Int64?] = []
        var timestamps: [Int64] = []
        func look() throws {
            (horizons, timestamps) = ([], [])
            try forEachBatch(fixture) { header, bytes in
                horizons.append(header.deleteHorizon)
                timestamps += try BatchRecords.all(in: bytes.span.bytes, header: header, limit: 1000).map(\.timestamp)
            }
        }
        try look()
        #expect(horizons == [6000, nil])
        #expect(timestamps == [80, 81, 90])
        // Cleaned again before its time it keeps its horizon.
        try clean(fixture, now: 5999, all: true)
        try look()
        #expect(horizons == [6000, nil])
        try clean(fixture, now: 6000, all: true)
        #expect(try contents(fixture) == ["2:b=1", "3:z=1"])
    }

    @Test func `drops records without key that are from before the topic was compacted`() throws {
        let fixture = try fixture()
        try fixture.append(batch([(nil, "1"), ("a", "1")]))
        try fixture.append(batch([(nil, "2")]))
        try fixture.append(batch([("z", "1")]))
        try clean(fixture)
        #expect(try contents(fixture) == ["1:a=1", "2...2", "3:z=1"])
    }

    @Test func `keeps the last batch of each producer, which knows its retries after a restart`() throws {
        for keepsSnapshots in [true, false] {
            var fixture = try fixture()
            let first = try batch([("a", "1"), ("b", "1")], producer: (7, 0, 0))
            let second = try batch([("a", "2"), ("b", "2")], producer: (7, 0, 2))
            try fixture.append(first)
            try fixture.append(second)
            try fixture.append(batch([("a", "3"), ("b", "3")]))
            try fixture.append(batch([("c", "1")]))
            try clean(fixture)
            #expect(try contents(fixture) == ["2...3", "4:a=3", "5:b=3", "6:c=1"])
            try fixture.directory.close(clean: true)
            if !keepsSnapshots {
                for name in try fixture.disk.list(Fixture.folder) where name.hasSuffix(".snapshot") {
                    try fixture.disk.removeFile(Fixture.folder + "/" + name)
                }
            }
            try fixture.reopen(clean: true)
            let retry = try fixture.append(second)
            #expect(retry.isDuplicate && retry.baseOffset == 2)
            let next = try fixture.append(batch([("d", "1")], producer: (7, 0, 4)))
            #expect(!next.isDuplicate && next.baseOffset == 7)
            // The producer has moved on: the empty batch is of no use any more.
            try fixture.append(batch([("e", "1")]))
            try clean(fixture, all: true)
            #expect(try contents(fixture).first == "4:a=3")
        }
    }

    @Test func `drops aborted records at once and their marker after its time`() throws {
        let fixture = try fixture()
        try fixture.append(batch([("a", "1")]))
        try fixture.append(batch([("a", "bad"), ("b", "bad")], producer: (5, 0, 0), isTransactional: true))
        _ = try fixture.log.appendMarker(
            ControlMarker(kind: .abort, coordinatorEpoch: 0), producerId: 5, producerEpoch: 0, now: 0)
        try fixture.append(batch([("c", "1")], producer: (5, 0, 2), isTransactional: true))
        _ = try fixture.log.appendMarker(
            ControlMarker(kind: .commit, coordinatorEpoch: 0), producerId: 5, producerEpoch: 0, now: 0)
        try fixture.append(batch([("z", "1")]))
        #expect(try fixture.log.abortedTransactions(from: 0, upTo: 100).count == 1)
        try clean(fixture, now: 10)
        // The aborted value did not supersede the one before; readers are still told of the transaction.
        #expect(try contents(fixture) == ["0:a=1", "3:marker", "4:c=1", "5:marker", "6:z=1"])
        #expect(try fixture.log.abortedTransactions(from: 0, upTo: 100).count == 1)
        // Nothing of it was there this time: from now on its time runs.
        try clean(fixture, now: 20, all: true)
        #expect(try contents(fixture) == ["0:a=1", "3:marker", "4:c=1", "5:marker", "6:z=1"])
        #expect(try fixture.log.abortedTransactions(from: 0, upTo: 100).isEmpty)
        try clean(fixture, now: 1020, all: true)
        #expect(try contents(fixture) == ["0:a=1", "4:c=1", "5:marker", "6:z=1"])
        #expect(!fixture.disk.exists(Fixture.folder + "/" + name(0, .txnIndex)))
    }

    @Test func `does not clean what is not decided for good`() throws {
        let fixture = try fixture()
        try fixture.append(batch([("a", "1")]))
        try fixture.append(batch([("a", "2")], producer: (5, 0, 0), isTransactional: true))
        try fixture.append(batch([("a", "3")]))
        try fixture.append(batch([("z", "1")]))
        try fixture.directory.checkpoint()
        func end() throws -> Int64? {
            try fixture.log.cleaningPlan(
                Fixture.name, cleanedEnd: nil, recoveryPoint: 4, now: 0)?.end
        }
        #expect(try end() == 1)
        _ = try fixture.log.appendMarker(
            ControlMarker(kind: .commit, coordinatorEpoch: 0), producerId: 5, producerEpoch: 0, now: 0)
        // A crash would take the marker.
        #expect(try end() == 1)
        _ = try fixture.log.sync()
        #expect(try end() == 4)
    }

    @Test func `waits for min.compaction.lag.ms`() throws {
        let fixture = try fixture { $0.minCompactionLagMs = 100 }
        for (value, timestamp) in [(1, 1000), (2, 1010), (3, 1050), (4, 1060)] as [(Int, Int64)] {
            try fixture.append(batch([("a", "\(value)")], timestamp: timestamp))
        }
        _ = try fixture.log.sync()
        func end(_ now: Int64) throws -> Int64? {
            try fixture.log.cleaningPlan(Fixture.name, cleanedEnd: nil, recoveryPoint: 4, now: now)?.end
        }
        #expect(try end(1099) == nil)
        #expect(try end(1110) == 2)
        #expect(try end(1150) == 3)
    }

    /// By the definition in the documentation of `min.cleanable.dirty.ratio`: dirty bytes of all.
    @Test func `is due by dirtiness or by age`() throws {
        let fixture = try fixture {
            $0.minCleanableDirtyRatio = 0.5
            $0.maxCompactionLagMs = 500
        }
        for value in 0..<8 { try fixture.append(batch([("\(value)", "1")], timestamp: 1000)) }
        _ = try fixture.log.sync()
        func plan(_ cleanedEnd: Int64?, now: Int64) throws -> CleaningPlan? {
            try fixture.log.cleaningPlan(Fixture.name, cleanedEnd: cleanedEnd, recoveryPoint: 8, now: now)
        }
        #expect(try plan(nil, now: 1000)?.dirtyRatio == 1)
        #expect(try plan(nil, now: 1000)?.isDue == true)
        let half = try plan(4, now: 1000)
        #expect(half?.dirtyRatio == 3.0 / 7.0)
        #expect(half?.isDue == false)
        #expect(try plan(4, now: 1500)?.isDue == false)
        #expect(try plan(4, now: 1501)?.isDue == true)
        #expect(try plan(7, now: 9999) == nil)
        // Offsets that cannot be true are not believed.
        #expect(try plan(9, now: 1000)?.dirtyRatio == 1)
    }

    @Test func `closes the active segment in time for max.compaction.lag.ms`() throws {
        let fixture = try fixture {
            $0.segmentBytes = 1000
            $0.maxCompactionLagMs = 500
        }
        try fixture.append(batch([("a", "1")]), now: 1000)
        _ = try fixture.log.applyRetention(now: 1500)
        #expect(fixture.log.segmentCount == 1)
        _ = try fixture.log.applyRetention(now: 1501)
        #expect(fixture.log.segmentCount == 2)
    }

    @Test func `takes the dirtiest log first, and each by one cleaner only`() throws {
        let fixture = try fixture()
        var logs = [Fixture.name: fixture.log]
        for partition in [1, 2] as [Int32] {
            let name = PartitionName(topic: "t", partition: partition)
            logs[name] = try fixture.directory.open(name, topicId: (1, 2), config: fixture.log.config, now: 0)
        }
        for (name, log) in logs {
            for value in 0..<4 {
                let bytes = try batch([("a", "\(value)")])
                _ = try log.append(bytes.span.bytes, header: BatchHeader(bytes.span.bytes), now: 0)
            }
            _ = name
        }
        try fixture.directory.checkpoint()
        let half = PartitionName(topic: "t", partition: 1)
        let first = try #require(fixture.directory.beginCleaning(now: 0))
        try fixture.directory.endCleaning(first, LogCleaner().clean(first, now: 0) { _ in true })
        var taken: [PartitionName] = []
        var plans: [CleaningPlan] = []
        while let plan = fixture.directory.beginCleaning(now: 0, excluding: [half]) {
            taken.append(plan.name)
            plans.append(plan)
        }
        #expect(taken == [PartitionName(topic: "t", partition: 2)])
        for plan in plans { try fixture.directory.endCleaning(plan, nil) }
        #expect(fixture.directory.beginCleaning(now: 0, excluding: [half])?.name == taken[0])
    }

    @Test func `puts small segments together, up to the limits of one`() throws {
        for (segmentBytes, indexBytes, expected) in [
            (10_000, 10_000, 2), (300, 10_000, 3), (10_000, 24, 5), (80, 10_000, 8),
        ] as [(Int32, Int32, Int)] {
            let fixture = try fixture {
                $0.segmentBytes = 1
                $0.indexIntervalBytes = 0
            }
            for value in 0..<8 { try fixture.append(batch([("\(value)", "123")])) }
            var config = fixture.log.config
            config.segmentBytes = segmentBytes
            config.segmentIndexBytes = indexBytes
            fixture.log.update(config: config)
            try fixture.directory.checkpoint()
            let plan = try #require(fixture.directory.beginCleaning(now: 0))
            try fixture.directory.endCleaning(plan, LogCleaner().clean(plan, now: 0) { _ in true })
            #expect(fixture.log.segmentCount == expected, "\(segmentBytes) \(indexBytes)")
            #expect(try contents(fixture).count == 8)
        }
    }

    @Test func `goes on where the memory for keys was full`() throws {
        let fixture = try fixture { $0.segmentBytes = 2000 }
        for round in 0..<3 {
            for start in stride(from: 0, to: 300, by: 10) {
                try fixture.append(batch((0..<10).map { ("key \(start + $0)", "\(round)") }))
            }
        }
        try fixture.append(batch([("z", "1")]))
        var settings = CleanerSettings()
        settings.dedupeBufferByteCount = 64 * 24 * 3
        var passCount = 0
        var end: Int64 = 0
        while let statistics = try clean(fixture, settings: settings) {
            #expect(statistics.cleanedEnd > end)
            end = statistics.cleanedEnd
            passCount += 1
        }
        #expect(passCount > 3)
        let active = fixture.log.state.withLock { $0.active.baseOffset }
        #expect(end == active)
        let below = try contents(fixture).compactMap { text in
            Int64(text.prefix { $0 != ":" && $0 != "." }).flatMap {
                $0 < active ? text.split(separator: ":").last : nil
            }
        }
        let keys = below.filter { $0.contains("=") }.map { $0.split(separator: "=")[0] }
        #expect(keys.count == Set(keys).count)
    }

    @Test func `a reader keeps the segment it reads, and the next one finds the new`() throws {
        let fixture = try fixture { $0.segmentBytes = 500 }
        for value in 0..<20 { try fixture.append(batch([("a", "\(value)"), ("b\(value)", "x")])) }
        try fixture.directory.checkpoint()
        let slice = try fixture.log.read(from: 2, maxBytes: 400, upTo: .max, minOneBatch: true)
        let before = try slice.bytes()
        try clean(fixture)
        #expect(try slice.bytes() == before)
        // Also one that reads on where it had come to.
        let next = try fixture.log.read(from: slice.nextOffset, maxBytes: 400, upTo: .max, minOneBatch: true)
        let bytes = try next.bytes()
        let header = try BatchHeader(bytes.span.bytes)
        #expect(header.lastOffset >= slice.nextOffset && header.baseOffset == next.firstOffset)
    }

    @Test func `ends when the log is deleted or not compacted any more, and leaves it whole`() throws {
        enum Event: CaseIterable { case deleted, closed, switched, stopped }
        for event in Event.allCases {
            for step in 0..<6 {
                let fixture = try fixture()
                for value in 0..<4 { try fixture.append(batch([("a", "\(value)")])) }
                let before = try contents(fixture)
                try fixture.directory.checkpoint()
                setSegmentBytes(fixture, 100_000)
                let plan = try #require(fixture.directory.beginCleaning(now: 0))
                var left = step
                let result = Result { () throws(LogError) in
                    try LogCleaner().clean(plan, now: 0) { _ in
                        left -= 1
                        guard left < 0 else { return true }
                        do {
                            switch event {
                            case .deleted: try fixture.directory.delete(Fixture.name)
                            case .closed: try fixture.directory.close(clean: true)
                            case .switched:
                                var config = fixture.log.config
                                config.compacts = false
                                fixture.log.update(config: config)
                            case .stopped: return false
                            }
                        } catch { Issue.record("\(error)") }
                        return true
                    }
                }
                guard case .failure(let error) = result else {
                    Issue.record("the cleaning went on after \(event)")
                    continue
                }
                #expect(error.code == .closed, "\(event) \(step)")
                try fixture.directory.endCleaning(plan, nil)
                if event == .stopped || event == .switched {
                    #expect(try contents(fixture) == before)
                    #expect(try fixture.disk.list(Fixture.folder).allSatisfy { !$0.hasSuffix(".cleaned") })
                }
            }
        }
    }

    @Test func `a topic of the same name begins clean of the old one's checkpoint`() throws {
        let fixture = try fixture()
        for value in 0..<4 { try fixture.append(batch([("a", "\(value)")])) }
        try fixture.directory.checkpoint()
        let old = try #require(fixture.directory.beginCleaning(now: 0))
        let statistics = try LogCleaner().clean(old, now: 0) { _ in true }
        try fixture.directory.endCleaning(old, statistics)
        let path = "/data/topics/cleaner-offset-checkpoint"
        #expect(try fixture.text(path) == "0\n1\nt 0 3\n")
        try fixture.directory.delete(Fixture.name)
        #expect(try fixture.text(path) == "0\n0\n")
        let log = try fixture.directory.open(Fixture.name, topicId: (3, 4), config: fixture.log.config, now: 0)
        // The end of a cleaning of the old one that comes late.
        try fixture.directory.endCleaning(old, statistics)
        #expect(fixture.directory.cleanedEnd(of: Fixture.name) == nil)
        #expect(log.logEnd == 0)
    }

    @Test func `the checkpoint survives a restart`() throws {
        var fixture = try fixture()
        for value in 0..<4 { try fixture.append(batch([("a", "\(value)")])) }
        try clean(fixture)
        for clean in [true, false] {
            try fixture.reopen(clean: clean)
            #expect(fixture.directory.cleanedEnd(of: Fixture.name) == 3)
            #expect(try contents(fixture) == ["2:a=2", "3:a=3"])
        }
    }

    /// Without the recovery point everything is scanned; what cleaning left out must not be taken for damage.
    @Test(arguments: [
        ["recovery-point-offset-checkpoint"], ["recovery-point-offset-checkpoint", "cleaner-offset-checkpoint"],
    ])
    func `an unclean start without checkpoints keeps what was cleaned`(lost: [String]) throws {
        var fixture = try fixture { $0.segmentBytes = 200 }
        for value in 0..<9 { try fixture.append(batch([("a", "\(value)"), ("b\(value % 2)", "x")])) }
        try clean(fixture)
        let before = try contents(fixture)
        for name in lost { try fixture.disk.removeFile("/data/topics/" + name) }
        try fixture.reopen(clean: false)
        #expect(try contents(fixture) == before)
        #expect(fixture.log.recovery.truncatedByteCount == 0)
    }

    @Test func `compact and delete together: old segments go, the rest is clean`() throws {
        let fixture = try fixture {
            $0.deletes = true
            $0.retentionMs = 1000
        }
        for value in 0..<4 { try fixture.append(batch([("a", "\(value)")], timestamp: Int64(value) * 1000)) }
        try clean(fixture)
        #expect(try contents(fixture) == ["2:a=2", "3:a=3"])
        _ = try fixture.log.applyRetention(now: 3500)
        #expect(try contents(fixture) == ["3:a=3"])
        #expect(fixture.log.offsets.logStart == 3)
    }

    @Test func `damage in a batch is told and nothing is replaced`() throws {
        let fixture = try fixture()
        for value in 0..<4 { try fixture.append(batch([("a", "\(value)")])) }
        try fixture.directory.checkpoint()
        let file = try fixture.file(name(1, .log))
        let byte = try file.read(at: 65, count: 1)
        try file.write([byte[0] ^ 1], at: 65)
        let error = #expect(throws: LogError.self) { try clean(fixture) }
        #expect(error?.code == .corruptSegment)
        #expect(try segmentBases(fixture).count == 4)
    }

    /// Power goes at each change of the disk in turn while a cleaning runs.
    @Test func `a crash at any change leaves the old segments or the new one`() throws {
        for seed in 0..<6 as Range<UInt64> {
            for changeCount in 1..<200 {
                var fixture = try Fixture(seed: seed &* 1000 &+ UInt64(changeCount)) {
                    $0.compacts = true
                    $0.deletes = false
                    $0.minCleanableDirtyRatio = 0
                    $0.segmentBytes = 260
                }
                for value in 0..<10 { try fixture.append(batch([("a\(value % 3)", "\(value)"), ("b", "\(value)")])) }
                try fixture.append(batch([("t", "x")], producer: (5, 0, 0), isTransactional: true))
                _ = try fixture.log.appendMarker(
                    ControlMarker(kind: .abort, coordinatorEpoch: 0), producerId: 5, producerEpoch: 0, now: 0)
                for value in 10..<14 { try fixture.append(batch([("a\(value % 3)", "\(value)"), ("b", "\(value)")])) }
                try fixture.directory.checkpoint()
                let before = try contents(fixture)
                // All at once, or as several groups.
                setSegmentBytes(fixture, seed % 2 == 0 ? 100_000 : 600)
                fixture.disk.losePower(afterChanges: changeCount)
                let isDone: Bool
                do {
                    let plan = try #require(fixture.directory.beginCleaning(now: 0))
                    let statistics = try LogCleaner().clean(plan, now: 0) { _ in true }
                    try fixture.directory.endCleaning(plan, statistics)
                    isDone = true
                } catch { isDone = false }
                fixture.disk.crash()
                try fixture.reopen(clean: false)
                let after = try contents(fixture).filter { $0.contains("=") || $0.contains("marker") }
                #expect(Set(after).isSubset(of: before), "\(seed) \(changeCount)")
                for key in ["a0", "a1", "a2", "b"] {
                    let last = before.last { $0.contains(":\(key)=") }
                    #expect(after.last { $0.contains(":\(key)=") } == last, "\(seed) \(changeCount)")
                }
                let offsets = after.compactMap { Int64($0.prefix { $0 != ":" }) }
                #expect(offsets == offsets.sorted() && Set(offsets).count == offsets.count, "\(seed) \(changeCount)")
                #expect(fixture.log.logEnd == 30 && fixture.log.recovery.lostRecordCount == 0, "\(seed) \(changeCount)")
                if after.contains("20:t=x") {
                    #expect(try fixture.log.abortedTransactions(from: 0, upTo: 30).count == 1, "\(seed) \(changeCount)")
                }
                let names = try fixture.disk.list(Fixture.folder)
                #expect(names.allSatisfy { !$0.hasSuffix(".cleaned") && !$0.hasSuffix(".swap") }, "\(names)")
                if isDone { break }
                #expect(changeCount < 199, "the cleaning never ended")
            }
        }
    }
}

@Suite struct OffsetMapTests {
    /// From the reference code's vectors for SipHash-2-4 with 128 bits: the key is 00 01 .. 0f, the input 00 01 .. n-1.
    @Test(arguments: [
        (0, "a3817f04ba25a8e66df67214c7550293"), (1, "da87c1d86b99af44347659119b22fc45"),
        (2, "8177228da4a45dc7fca38bdef60affe4"),
    ])
    func `hashes as SipHash does`(count: Int, expected: String) throws {
        let input = (0..<UInt8(count)).map { $0 }
        let secret = KeyHash.Secret(k0: 0x0706_0504_0302_0100, k1: 0x0F0E_0D0C_0B0A_0908)
        let hash = input.withUnsafeBytes { KeyHash($0, secret) }
        var bytes: [UInt8] = []
        bytes.append(bigEndian: hash.low.byteSwapped)
        bytes.append(bigEndian: hash.high.byteSwapped)
        #expect(bytes == TestKit.bytes(ofHex: expected))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `is a dictionary of bounded size`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let byteCountMax = [64 * 24 * 2, 64 * 24 * 50, 1 << 20].randomElement(using: &random) ?? 0
        var map = OffsetMap(byteCountMax: byteCountMax, loadFactor: Double.random(in: 0.3...0.95, using: &random))
        var model: [Int: Int64] = [:]
        var refusedCount = 0
        for offset in 0..<4000 as Range<Int64> {
            let key = Int.random(in: 0..<2000, using: &random)
            let hash = withUnsafeBytes(of: key) { map.hash($0) }
            if map.set(hash, to: offset) {
                model[key] = offset
            } else {
                refusedCount += 1
                #expect(model[key] == nil)
            }
            #expect(map.byteCount <= byteCountMax)
        }
        #expect(map.count == model.count)
        for key in 0..<2000 {
            #expect(withUnsafeBytes(of: key) { map.offset(map.hash($0)) } == model[key] ?? -1)
        }
        if byteCountMax == 1 << 20 { #expect(refusedCount == 0) }
        if byteCountMax < 5000 { #expect(refusedCount > 0) }
        map.removeAll()
        #expect(map.count == 0 && map.byteCount == 0)
    }
}
