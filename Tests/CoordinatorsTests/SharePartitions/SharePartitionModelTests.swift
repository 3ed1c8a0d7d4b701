import KafkaMessages
import TestKit
import Testing

@testable import Coordinators

/// Share partitions against a model that has an entry for each offset, with restarts that leave what was written.
@Suite struct SharePartitionModelTests {
    static let key = SharePartitionKey(group: "g", topicId: .zero, partition: 3)

    /// What a reader of the rules would keep on paper.
    struct Model: Equatable {
        struct Entry: Equatable {
            var state = SharePartition.DeliveryState.available
            var count: Int16 = 0
            var holder = ""
            var until = Int64.max

            mutating func comeBack(limit: Int16) { settle(count >= limit ? .archived : .available) }
            mutating func settle(_ state: SharePartition.DeliveryState) {
                self.state = state
                holder = ""
                until = .max
            }
        }
        var start: Int64
        var entries: [Int64: Entry] = [:]

        var end: Int64 { start + Int64(entries.count) }

        mutating func tidy() {
            while let first = entries[start], first.state.isDone {
                entries[start] = nil
                start += 1
            }
        }

        /// Locks do not outlive a restart, and the deliveries that they were for do not count.
        var stored: Model {
            var stored = self
            for (offset, entry) in entries where entry.state == .acquired {
                stored.entries[offset]?.settle(.available)
                stored.entries[offset]?.count -= 1
            }
            return stored
        }

        init(start: Int64) { self.start = start }

        init(_ partition: SharePartition) {
            start = partition.startOffset
            for run in partition.runs {
                for offset in run.first...run.last {
                    entries[offset] = Entry(
                        state: run.state, count: run.deliveryCount, holder: run.holder, until: run.lockedUntil)
                }
            }
        }
    }

    private struct Bench {
        static let deliveryCountLimit: Int16 = 3
        var random: SeededRandom
        var shard = ShareStateShard()
        var model = Model(start: 0)
        var stored = Model(start: 0)
        var records: [CoordinatorRecord] = []
        var batches: [ClosedRange<Int64>] = []
        var logStart: Int64 = 0
        var logEnd: Int64 = 0
        var now: Int64 = 0
        let members = ["a", "b", "c"]

        init(seed: UInt64) {
            random = SeededRandom(seed: seed)
            take(
                shard.initialize(key, startOffset: 0, logEnd: 0, stateEpoch: 1, leaderEpoch: 0, at: time) ?? Decision())
        }

        var time: EventTime { EventTime(wall: now, monotonic: now) }
        var partition: SharePartition {
            shard.state(key) ?? SharePartition(startOffset: 0, stateEpoch: 0, leaderEpoch: 0)
        }

        mutating func take(_ decision: Decision) {
            guard !decision.records.isEmpty else { return }
            records += decision.records
            shard.commit()
            stored = model.stored
        }

        /// The log grows by batches, with holes before and inside of it as compaction and markers leave them.
        mutating func append() {
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let first =
                    logEnd + (Int.random(in: 0..<4, using: &random) == 0 ? Int64.random(in: 1...3, using: &random) : 0)
                let last = first + Int64.random(in: 0...6, using: &random)
                batches.append(first...last)
                logEnd = last + 1
            }
        }

        mutating func acquire() {
            let member = members.randomElement(using: &random) ?? "a"
            let from = partition.nextOffset
            guard from < logEnd else { return }
            var read = batches.filter { $0.upperBound >= from }
            read = Array(read.prefix(Int.random(in: 1...4, using: &random)))
            let next = read.last.map { $0.upperBound + 1 } ?? logEnd
            let isStrict = Bool.random(using: &random)
            let wanted = Int.random(in: 1...10, using: &random)
            let until = now + 10
            let acquired = shard.update(key, leaderEpoch: 0) {
                $0.acquire(
                    .init(batches: read, nextOffset: next), from: from, by: member,
                    .init(
                        recordCountMax: wanted, isStrict: isStrict, inFlightCountMax: 20,
                        deliveryCountLimit: Self.deliveryCountLimit, lockedUntil: until))
            }
            var count = 0
            var previous: Int64 = -1
            for range in acquired {
                #expect(range.firstOffset > previous && range.lastOffset >= range.firstOffset)
                previous = range.lastOffset
                for offset in range.firstOffset...range.lastOffset {
                    count += 1
                    #expect(read.contains { $0.contains(offset) }, "offset \(offset) is no record")
                    #expect(offset >= model.start)
                    let entry = model.entries[offset] ?? Model.Entry()
                    #expect(entry.state == .available, "offset \(offset) is \(entry.state)")
                    #expect(range.deliveryCount == entry.count + 1)
                    #expect(range.deliveryCount <= Self.deliveryCountLimit)
                    model.entries[offset] = .init(
                        state: .acquired, count: entry.count + 1, holder: member, until: until)
                }
            }
            if isStrict { #expect(count <= wanted) }
            if count > wanted {
                // Only by the rest of the last batch.
                #expect(read.contains { $0.upperBound == previous && $0.count >= count - wanted })
            }
            let isFree = partition.inFlightCount < 20 || model.entries.values.contains { $0.state == .available }
            let offered = read.contains { range in
                range.contains { $0 >= model.start && (model.entries[$0].map { $0.state == .available } ?? true) }
            }
            if count == 0 { #expect(!offered || !isFree, "nothing was delivered of \(read) from \(from)") }
            // What was looked at and is no record is done with.
            let looked = min(next, partition.endOffset)
            for offset in model.start..<max(model.start, looked) where offset >= from {
                guard !read.contains(where: { $0.contains(offset) }) else { continue }
                if (model.entries[offset] ?? Model.Entry()).state == .available {
                    let count = model.entries[offset]?.count ?? 0
                    model.entries[offset] = .init(state: .archived, count: count)
                }
            }
            model.tidy()
        }

        mutating func acknowledge() {
            let member = members.randomElement(using: &random) ?? "a"
            let isWrong = Int.random(in: 0..<5, using: &random) == 0
            let all: [SharePartition.AcknowledgeType] = [.gap, .accept, .release, .reject, .renew]
            var wanted = model
            var acknowledgements: [SharePartition.Acknowledgement] = []
            var isRefused = false
            var at = model.start
            if at > 0, Int.random(in: 0..<4, using: &random) == 0 {
                // What is done with already, by whomever.
                acknowledgements.append(
                    .init(
                        firstOffset: max(0, at - 3), lastOffset: at - 1,
                        types: [all.randomElement(using: &random) ?? .gap]))
            }
            while at < model.end {
                guard isWrong || model.entries[at]?.holder == member, Int.random(in: 0..<3, using: &random) > 0 else {
                    at += 1
                    continue
                }
                var last = at
                while last + 1 < model.end, isWrong || model.entries[last + 1]?.holder == member,
                    Int.random(in: 0..<4, using: &random) > 0
                { last += 1 }
                let one = Bool.random(using: &random)
                let types = (0..<(one ? 1 : Int(last - at) + 1)).map { _ in all.randomElement(using: &random) ?? .accept
                }
                acknowledgements.append(.init(firstOffset: at, lastOffset: last, types: types))
                for offset in at...last {
                    guard var entry = wanted.entries[offset], entry.state == .acquired, entry.holder == member else {
                        isRefused = true
                        continue
                    }
                    switch types[types.count == 1 ? 0 : Int(offset - at)] {
                    case .accept: entry.settle(.acknowledged)
                    case .gap, .reject: entry.settle(.archived)
                    case .release: entry.comeBack(limit: Self.deliveryCountLimit)
                    case .renew: entry.until = now + 20
                    }
                    wanted.entries[offset] = entry
                }
                at = last + 1
            }
            guard !acknowledgements.isEmpty else { return }
            let before = partition
            do {
                let decision = try shard.acknowledge(
                    key, acknowledgements, by: member, deliveryCountLimit: Self.deliveryCountLimit,
                    renewedUntil: now + 20, logStart: logStart, at: time)
                #expect(!isRefused)
                if Int.random(in: 0..<8, using: &random) == 0 {
                    // The log refuses it: nothing has happened.
                    shard.abandon()
                    #expect(partition == before)
                } else {
                    model = wanted
                    model.tidy()
                    take(decision)
                }
            } catch {
                #expect(isRefused)
                #expect(partition == before)
            }
        }

        mutating func letTimePass() {
            now += Int64.random(in: 1...12, using: &random)
            let (decision, _) = shard.tick(at: time)
            for (offset, entry) in model.entries where entry.state == .acquired && entry.until <= now {
                model.entries[offset]?.comeBack(limit: Self.deliveryCountLimit)
            }
            model.tidy()
            take(decision)
        }

        mutating func release() {
            let member = members.randomElement(using: &random) ?? "a"
            let hadAny = shard.release(key, member)
            #expect(hadAny == model.entries.values.contains { $0.holder == member })
            for (offset, entry) in model.entries where entry.holder == member {
                model.entries[offset]?.settle(.available)
                model.entries[offset]?.count -= 1
            }
        }

        mutating func cutLog() {
            guard logStart < logEnd else { return }
            logStart = min(logEnd, logStart + Int64.random(in: 1...8, using: &random))
            batches = batches.compactMap { batch in
                batch.upperBound < logStart ? nil : max(batch.lowerBound, logStart)...batch.upperBound
            }
            advance()
        }

        private mutating func advance() {
            let logStart = logStart
            shard.update(key, leaderEpoch: 0) { $0.advance(to: logStart) }
            if model.start < logStart {
                model.entries = model.entries.filter { $0.key >= logStart }
                model.start = logStart
            }
            model.tidy()
        }

        /// Another broker takes over what the log has.
        mutating func restart() throws {
            shard = ShareStateShard()
            for record in records { try shard.replay(key: record.key, value: record.value) }
            model = stored
            model.tidy()
            check()
            advance()
        }

        func check() {
            var mine = Model(partition)
            var wanted = model
            // How often something was delivered that is done with is nobody's concern.
            for (offset, entry) in mine.entries where entry.state.isDone { mine.entries[offset]?.count = 0 }
            for (offset, entry) in wanted.entries where entry.state.isDone { wanted.entries[offset]?.count = 0 }
            #expect(mine == wanted)
            let locks = model.entries.values.filter { $0.state == .acquired }.map(\.until)
            // A deadline may be early, never late.
            if let first = locks.min() { #expect((shard.nextDeadline ?? .max) <= first) }
            #expect(partition.deliveryCompleteCount == Int64(model.entries.values.count { $0.state.isDone }))
        }
    }

    @Test(arguments: UInt64(1)...40)
    func `does what the model does`(seed: UInt64) throws {
        var bench = Bench(seed: seed)
        for _ in 0..<400 {
            switch Int.random(in: 0..<20, using: &bench.random) {
            case 0...2: bench.append()
            case 3...9: bench.acquire()
            case 10...14: bench.acknowledge()
            case 15...16: bench.letTimePass()
            case 17: bench.release()
            case 18: bench.cutLog()
            default: try bench.restart()
            }
            bench.check()
        }
    }

    @Test func `a state with a greater epoch is not begun anew, and one that is forgotten leaves a tombstone`() throws {
        var shard = ShareStateShard()
        let time = EventTime(wall: 5, monotonic: 5)
        var records: [CoordinatorRecord] = []
        let first = shard.initialize(Self.key, startOffset: 7, logEnd: nil, stateEpoch: 2, leaderEpoch: 0, at: time)
        records += try #require(first).records
        shard.commit()
        let older = shard.initialize(Self.key, startOffset: 9, logEnd: nil, stateEpoch: 1, leaderEpoch: 0, at: time)
        #expect(older == nil)
        #expect(shard.state(Self.key)?.startOffset == 7)
        records += shard.remove([Self.key, Self.key], at: time).records
        shard.commit()
        #expect(shard.state(Self.key) == nil)
        #expect(records.map { $0.value == nil } == [false, true])
        var loaded = ShareStateShard()
        for record in records { try loaded.replay(key: record.key, value: record.value) }
        #expect(loaded.keys.isEmpty)
    }

    @Test func `a state above a log that a power loss has cut is cut with it, for good`() throws {
        let time = EventTime(wall: 5, monotonic: 5)
        var shard = ShareStateShard()
        var records =
            shard.initialize(Self.key, startOffset: 0, logEnd: 0, stateEpoch: 1, leaderEpoch: 0, at: time)?.records
            ?? []
        shard.commit()
        _ = shard.update(Self.key, leaderEpoch: 0) {
            $0.acquire(
                .init(batches: [0...9], nextOffset: 12), from: 0, by: "a",
                .init(
                    recordCountMax: 10, isStrict: true, inFlightCountMax: 100, deliveryCountLimit: 5, lockedUntil: 100))
        }
        records += try shard.acknowledge(
            Self.key, [.init(firstOffset: 4, lastOffset: 9, types: [.accept])], by: "a", deliveryCountLimit: 5,
            renewedUntil: nil, logStart: 0, at: time
        ).records
        shard.commit()
        /// What is known after a start with a log of so many offsets, and what that has written.
        func loaded(_ end: Int64) throws -> (SharePartition?, [CoordinatorRecord]) {
            var shard = ShareStateShard { _ in end }
            for record in records { try shard.replay(key: record.key, value: record.value) }
            let written = shard.finishLoading(at: time).records
            shard.commit()
            return (shard.state(Self.key), written)
        }
        #expect(try loaded(12).1.isEmpty)
        for end in [7, 3] as [Int64] {
            let (state, written) = try loaded(end)
            #expect(state?.endOffset == end)
            #expect(written.count == 1)
            records += written
            // The log has grown again by the next start.
            #expect(try loaded(100).0?.endOffset == end)
        }
        #expect(try loaded(0).0?.startOffset == 0)
    }

    @Test func `a start that was set behind the end of the log stays until delivery has begun`() throws {
        let time = EventTime(wall: 5, monotonic: 5)
        var shard = ShareStateShard()
        var set =
            shard.initialize(Self.key, startOffset: 7, logEnd: 3, stateEpoch: 1, leaderEpoch: 0, at: time)?.records
            ?? []
        shard.commit()
        // Who had records of before the start does not decide it.
        set += try shard.acknowledge(
            Self.key, [.init(firstOffset: 0, lastOffset: 2, types: [.accept])], by: "a", deliveryCountLimit: 5,
            renewedUntil: nil, logStart: 0, at: time
        ).records
        shard.commit()
        let isCutByLate = shard.update(Self.key, leaderEpoch: 0) { $0.cut(to: 3) }
        #expect(!isCutByLate)
        var loaded = ShareStateShard { _ in 3 }
        for record in set { try loaded.replay(key: record.key, value: record.value) }
        #expect(loaded.finishLoading(at: time).records.isEmpty)
        let isCut = loaded.update(Self.key, leaderEpoch: 0) { $0.cut(to: 3) }
        #expect(!isCut)
        #expect(loaded.state(Self.key)?.nextOffset == 7)
        // Once the log has come so far, it is as any other.
        _ = loaded.update(Self.key, leaderEpoch: 0) {
            $0.acquire(
                .init(batches: [7...8], nextOffset: 9), from: 7, by: "a",
                .init(
                    recordCountMax: 10, isStrict: true, inFlightCountMax: 100, deliveryCountLimit: 5, lockedUntil: 100))
        }
        let accepted = try loaded.acknowledge(
            Self.key, [.init(firstOffset: 7, lastOffset: 8, types: [.accept])], by: "a", deliveryCountLimit: 5,
            renewedUntil: nil, logStart: 0, at: time
        ).records
        loaded.commit()
        var again = ShareStateShard { _ in 8 }
        for record in set + accepted { try again.replay(key: record.key, value: record.value) }
        #expect(again.finishLoading(at: time).records.count == 1)
        #expect(again.state(Self.key)?.startOffset == 8)
    }

    @Test(arguments: [2, 3] as [Int64]) func `a start that was set within the log is cut with it`(start: Int64) throws {
        let time = EventTime(wall: 5, monotonic: 5)
        var shard = ShareStateShard()
        let set = shard.initialize(Self.key, startOffset: start, logEnd: 3, stateEpoch: 1, leaderEpoch: 0, at: time)
        var loaded = ShareStateShard { _ in 1 }
        for record in set?.records ?? [] { try loaded.replay(key: record.key, value: record.value) }
        #expect(loaded.finishLoading(at: time).records.count == 1)
        #expect(loaded.state(Self.key)?.startOffset == 1)
    }

    /// Another server numbers its snapshots from 0 on.
    @Test func `a first snapshot that speaks of records is cut with the log`() throws {
        let snapshot = try CoordinatorRecord(
            key: ShareSnapshotKey(groupId: "g", topicId: Self.key.topicId, partition: 0), keyVersion: 0,
            value: (
                ShareSnapshotValue(
                    snapshotEpoch: 0, stateEpoch: 1, leaderEpoch: 0, startOffset: 10,
                    stateBatches: [.init(firstOffset: 10, lastOffset: 19, deliveryState: 0, deliveryCount: 1)]), 0
            ))
        var shard = ShareStateShard { _ in 15 }
        try shard.replay(key: snapshot.key, value: snapshot.value)
        #expect(shard.finishLoading(at: EventTime(wall: 5, monotonic: 5)).records.count == 1)
        let state = shard.keys.first.flatMap { shard.state($0) }
        #expect(state?.startOffset == 10)
        #expect(state?.endOffset == 15)
    }

    /// Another server's log has updates behind a snapshot.
    @Test func `updates change the snapshot before`() throws {
        var shard = ShareStateShard()
        let snapshot = try CoordinatorRecord(
            key: ShareSnapshotKey(groupId: "g", topicId: .zero, partition: 3), keyVersion: 0,
            value: (
                ShareSnapshotValue(
                    snapshotEpoch: 4, stateEpoch: 1, leaderEpoch: 0, startOffset: 10,
                    stateBatches: [.init(firstOffset: 10, lastOffset: 19, deliveryState: 0, deliveryCount: 1)]), 0
            ))
        let update = try CoordinatorRecord(
            key: ShareUpdateKey(groupId: "g", topicId: .zero, partition: 3), keyVersion: 1,
            value: (
                ShareUpdateValue(
                    snapshotEpoch: 4, leaderEpoch: 0, startOffset: 12,
                    stateBatches: [
                        .init(firstOffset: 14, lastOffset: 15, deliveryState: 2, deliveryCount: 1),
                        .init(firstOffset: 24, lastOffset: 25, deliveryState: 4, deliveryCount: 2),
                        // Nothing that can be: left out, and nobody falls over it.
                        .init(firstOffset: 30, lastOffset: 29, deliveryState: 2, deliveryCount: 1),
                        .init(firstOffset: .min, lastOffset: .max, deliveryState: 9, deliveryCount: -5),
                    ]), 0
            ))
        for record in [snapshot, update] { try shard.replay(key: record.key, value: record.value) }
        let runs = shard.state(Self.key)?.runs.map { "\($0.first)-\($0.last):\($0.state)\($0.deliveryCount)" }
        #expect(
            runs == [
                "12-13:available1", "14-15:acknowledged1", "16-19:available1", "20-23:available0", "24-25:archived2",
            ])
        #expect(shard.state(Self.key)?.startOffset == 12)
    }
}
