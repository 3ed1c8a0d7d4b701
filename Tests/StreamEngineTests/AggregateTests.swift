import SQLPlan
import SQLTypes
import TestKit
import Testing

@testable import StreamEngine

/// Random records of a topic whose key is K INT and whose values are A INT, B INT.
func randomRecords(
    _ random: inout SeededRandom, count: Int, topics: [String] = ["A"], keys: Int32 = 4, timeStep: Int64 = 10,
    tombstones: Bool = false
) -> [TestRecord] {
    var time: Int64 = 100
    return (0..<count).map { _ in
        time = max(0, time + Int64.random(in: -timeStep...2 * timeStep, using: &random))
        func value(_ range: ClosedRange<Int32>) -> SQLValue {
            Int.random(in: 0..<8, using: &random) == 0 ? .null : .int(Int32.random(in: range, using: &random))
        }
        let isGone =
            tombstones ? Int.random(in: 0..<4, using: &random) == 0 : Int.random(in: 0..<12, using: &random) == 0
        return TestRecord(
            topic: topics.randomElement(using: &random) ?? "A",
            key: Int.random(in: 0..<12, using: &random) == 0 ? nil : [.int(Int32.random(in: 0..<keys, using: &random))],
            value: isGone ? nil : [value(0...keys), value(-3...5)], timestamp: time)
    }
}

/// Checks that a plan gives the expected records in batches of one, in one batch, and in random cuts.
func expectSame(
    _ plan: PhysicalPlan, _ records: [TestRecord], _ expected: [TestRecord], _ random: inout SeededRandom,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let single = try Plans.run(plan, records).output
    if single != expected {
        let place =
            zip(single, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset
            ?? min(single.count, expected.count)
        let got = place < single.count ? single[place].description : "nothing"
        let wanted = place < expected.count ? expected[place].description : "nothing"
        Issue.record("record \(place): got \(got), expected \(wanted)", sourceLocation: sourceLocation)
        return
    }
    let whole = try Plans.run(plan, records, cuts: []).output
    #expect(whole == expected, sourceLocation: sourceLocation)
    let cuts = Set((0..<records.count).filter { _ in Int.random(in: 0..<5, using: &random) == 0 })
    let cut = try Plans.run(plan, records, cuts: cuts).output
    #expect(cut == expected, sourceLocation: sourceLocation)
    var settings = EngineSettings()
    settings.heldStateByteCountMin = 1
    for cuts in [[], cuts] {
        let held = try Plans.run(plan, records, cuts: cuts, settings: settings).output
        #expect(held == expected, sourceLocation: sourceLocation)
    }
}

@Suite struct AggregateTests {
    static let values = [Plans.Column("A", .int), Plans.Column("B", .int)]

    /// ksqlDB's `StreamGroupByBuilder`: by the key nothing is computed, so only rows without a key have no group.
    @Test(arguments: [true, false]) func `a key of several columns is a group, whatever is in it`(isByKey: Bool) throws
    {
        let key = ["K", "L"].map { Plans.Column($0, .int) }
        let source = Plans.source("A", key: key, values: Self.values)
        var group = Plans.group(source, by: [Plans.column(source, 0), Plans.column(source, 1)])
        guard case .group(var step) = group.operation else {
            Issue.record("\(group)")
            return
        }
        step.isByKey = isByKey
        group.operation = .group(step)
        let keys: [[SQLValue]?] = [[.int(1), .int(2)], [.int(1), .null], [.int(1), .null], nil, [.null, .null]]
        let records = keys.map { TestRecord(key: $0, value: [.int(1), .int(1)], timestamp: 1) }
        let plan = Plans.sink(Plans.aggregate(group, [Plans.call("COUNT", [], .bigint)]))
        let output = try Plans.run(plan, records).output
        #expect(output.map(\.key) == (isByKey ? [keys[0], keys[1], keys[1], keys[4]] : [keys[0]]))
        #expect(output.map { $0.value?[0] } == (isByKey ? [1, 1, 2, 1] : [1]).map { .bigint($0) })
    }

    /// With a timestamp column and without.
    @Test func `a record without a valid time is told`() throws {
        let plan = Plans.sink(Plans.source("A", values: Self.values))
        let records = [(0, 5), (1, -1), (2, 7)].map { key, time in
            TestRecord(topic: "A", key: [.int(Int32(key))], value: [.int(1), .int(2)], timestamp: Int64(time))
        }
        let result = try Plans.run(plan, records, cuts: [])
        #expect(result.output.map(\.timestamp) == [5, 7])
        #expect(result.failure == nil)
        #expect(result.log.map(\.kind) == [.recordProcessing])
        #expect(
            result.log.first?.message
                == "Failed to extract timestamp from row: the record's timestamp -1 is negative")
        #expect(result.log.first?.offset == 1)
    }

    static func functions(_ group: PlanStep) -> [AggregateFunctionCall] {
        let b = Plans.column(group, 3)
        return [
            Plans.call("COUNT", [], .bigint), Plans.call("COUNT", [b], .bigint), Plans.call("SUM", [b], .int),
            Plans.call("AVG", [b], .double), Plans.call("MIN", [b], .int), Plans.call("MAX", [b], .int),
            Plans.call("LIST", [b], .array(.int)),
        ]
    }

    /// The results of `functions` over all rows of a group, by definition.
    static func results(_ rows: [[SQLValue]]) -> [SQLValue] {
        let b = rows.compactMap { $0[1].int }
        let sum = b.reduce(0, &+)
        return [
            .bigint(Int64(rows.count)), .bigint(Int64(b.count)), .int(sum),
            .double(b.isEmpty ? 0 : Double(sum) / Double(b.count)), b.min().map { .int($0) } ?? .null,
            b.max().map { .int($0) } ?? .null, .array(rows.map { $0[1] }),
        ]
    }

    /// A plan that an earlier version made of GROUP BY over windows; it ended the process.
    @Test func `results with windows that nothing makes are refused`() throws {
        var step = Self.plan(nil)
        step.schema.window = WindowInfo(.tumbling, size: 10)
        #expect(throws: EngineError.self) { _ = try Plans.task(Plans.sink(step)) }
    }

    @Test func `rows without the windows of their topic end the query, not the process`() throws {
        var plan = Plans.sink(Plans.source("A", values: Self.values))
        plan.root.schema.window = WindowInfo(.session, size: nil)
        let record = TestRecord(topic: "A", key: [.int(1)], value: [.int(1), .int(2)], timestamp: 5)
        let result = try Plans.run(plan, [record])
        #expect(result.output.isEmpty)
        #expect(result.failure?.code == .invalidPlan)
    }

    @Test func `groups of windows have none`() throws {
        let window = WindowInfo(.tumbling, size: 10)
        let group = Plans.group(
            Plans.source("A", values: Self.values, window: window),
            by: [TypedExpression(.column(1), .int)])
        let plan = Plans.sink(Plans.aggregate(group, [Plans.call("COUNT", [], .bigint)]))
        let records = ([0, 10] as [Int64]).map { start in
            TestRecord(
                topic: "A", key: [.int(1)], value: [.int(7), .int(2)], timestamp: start, window: [start])
        }
        let result = try Plans.run(plan, records, cuts: [])
        #expect(result.failure == nil)
        #expect(result.output.map(\.value) == [[.bigint(1)], [.bigint(2)]])
        #expect(result.output.allSatisfy { $0.window == nil })
    }

    /// - Parameter hasList: whether a state has no fixed size, which takes another way.
    /// - Parameter retained: the column that is retained: 2 is that of the groups, 3 another of each row.
    static func plan(_ window: WindowSpecification?, hasList: Bool = true, retained: Int = 2) -> PlanStep {
        let source = Plans.source("A", values: values)
        let group = Plans.group(source, by: [Plans.column(source, 1)])
        let functions = functions(group).filter { hasList || $0.function != "LIST" }
        return Plans.aggregate(group, retained: [retained], functions, window: window)
    }

    struct Size: Sendable {
        var count: Int
        var keys: Int32
        var retained: Int
    }

    /// With few groups and many, short states and long ones, retained columns that stay and that change.
    @Test(
        arguments: 1...3 as ClosedRange<UInt64>,
        [(120, 4), (120, 60), (2500, 8), (3500, 30)].flatMap { count, keys in
            [2, 3].map { Size(count: count, keys: keys, retained: $0) }
        })
    func `a stream is aggregated by group`(seed: UInt64, size: Size) throws {
        var random = SeededRandom(seed: seed)
        let records = randomRecords(&random, count: size.count, keys: size.keys)
        var groups: [SQLValue: (time: Int64, rows: [[SQLValue]])] = [:]
        var expected: [TestRecord] = []
        for record in records {
            guard let row = record.value, !row[0].isNull else { continue }
            var group = groups[row[0]] ?? (.min, [])
            group.time = max(group.time, record.timestamp)
            group.rows.append(row)
            groups[row[0]] = group
            expected.append(
                TestRecord(
                    topic: "OUT", key: [row[0]], value: [row[size.retained - 2]] + Self.results(group.rows),
                    timestamp: group.time))
        }
        try expectSame(Plans.sink(Self.plan(nil, retained: size.retained)), records, expected, &random)
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func `windows take rows until they close`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let size = Int64.random(in: 1...60, using: &random)
        let advance = seed % 2 == 0 ? size : Int64.random(in: 1...size, using: &random)
        let grace = Int64.random(in: 0...40, using: &random)
        let records = randomRecords(&random, count: 120, timeStep: 15)
        let window = WindowSpecification(
            seed % 2 == 0 ? .tumbling(size: size) : .hopping(size: size, advance: advance), grace: grace,
            retention: nil, statedGrace: grace)
        var groups: [[SQLValue]: (time: Int64, rows: [[SQLValue]])] = [:]
        var streamTime = Int64.min
        var expected: [TestRecord] = []
        for record in records {
            guard let row = record.value, !row[0].isNull else { continue }
            let time = record.timestamp
            streamTime = max(streamTime, time)
            for start in stride(from: Int64(0), through: time, by: Int64.Stride(advance)) {
                guard time < start + size, start + size > streamTime - grace else { continue }
                var group = groups[[row[0], .bigint(start)]] ?? (.min, [])
                group.time = max(group.time, time)
                group.rows.append(row)
                groups[[row[0], .bigint(start)]] = group
                expected.append(
                    TestRecord(
                        topic: "OUT", key: [row[0]],
                        value: [row[0]] + Self.results(group.rows) + [.bigint(start), .bigint(start + size)],
                        timestamp: group.time, window: [start]))
            }
        }
        let step = Self.plan(window)
        try expectSame(Plans.sink(step), records, expected, &random)

        // Held back until they close: the last result of each window, by end and key.
        var final: [TestRecord] = []
        var open: [[Int64]: TestRecord] = [:]
        streamTime = .min
        for record in expected {
            guard let key = record.key?[0].int, let start = record.window?[0] else { continue }
            open[[start, Int64(key)]] = record
            guard record.timestamp > streamTime else { continue }
            streamTime = record.timestamp
            let closed = open.keys.filter { $0[0] + size <= streamTime - grace }
            for key in closed.sorted(by: { ($0[0], $0[1]) < ($1[0], $1[1]) }) {
                guard let record = open.removeValue(forKey: key) else { continue }
                // What stream time has passed by more than size and grace in one step is lost.
                if key[0] >= streamTime / advance * advance - size - grace { final.append(record) }
            }
        }
        let suppress = PlanStep(
            ["Suppress"], .suppress(SuppressStep(step, grace: grace, store: Plans.store)), schema: step.schema,
            isTable: true)
        try expectSame(Plans.sink(suppress), records, final, &random)
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func `sessions grow and merge`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let gap = Int64.random(in: 0...30, using: &random)
        let grace = Int64.random(in: 0...60, using: &random)
        let records = randomRecords(&random, count: 120, timeStep: 20)
        let window = WindowSpecification(.session(gap: gap), grace: grace, retention: nil, statedGrace: grace)
        struct Session { var start: Int64, end: Int64, rows: [[SQLValue]] }
        var groups: [SQLValue: [Session]] = [:]
        var streamTime = Int64.min
        // Sessions that are as old as gap and grace together are no longer in the store.
        var latestEnd = Int64.min
        var expected: [TestRecord] = []
        for record in records {
            guard let row = record.value, !row[0].isNull else { continue }
            let time = record.timestamp
            streamTime = max(streamTime, time)
            let all = (groups[row[0]] ?? []).filter { latestEnd == .min || $0.end > latestEnd - gap - grace }
            let met = all.filter { $0.end >= time - gap && $0.start <= time + gap }
                .sorted { ($0.end, $0.start) < ($1.end, $1.start) }
            let start = min(time, met.map(\.start).min() ?? time)
            let end = max(time, met.map(\.end).max() ?? time)
            guard end >= streamTime - grace - gap else { continue }
            if start != time || end != time {
                for session in met {
                    expected.append(
                        TestRecord(
                            topic: "OUT", key: [row[0]], value: nil, timestamp: session.end,
                            window: [session.end, session.start]))
                }
            }
            let merged = Session(start: start, end: end, rows: met.flatMap(\.rows) + [row])
            latestEnd = max(latestEnd, end)
            groups[row[0]] = all.filter { $0.end < time - gap || $0.start > time + gap } + [merged]
            expected.append(
                TestRecord(
                    topic: "OUT", key: [row[0]],
                    value: [row[0]] + Self.results(merged.rows) + [.bigint(start), .bigint(end)], timestamp: end,
                    window: [end, start]))
        }
        try expectSame(Plans.sink(Self.plan(window)), records, expected, &random)
        // LIST stands behind the retained column and six functions.
        for index in expected.indices { expected[index].value?.remove(at: 7) }
        try expectSame(Plans.sink(Self.plan(window, hasList: false)), records, expected, &random)
    }

    /// COUNT, SUM and so on of a table count each key once, as it is now.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `a table is aggregated with undo`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let records = randomRecords(&random, count: 120, tombstones: true)
        var table: [SQLValue: [SQLValue]] = [:]
        var groups: [SQLValue: (time: Int64, sum: Int32, count: Int64)] = [:]
        var expected: [TestRecord] = []
        func tell(_ group: SQLValue, _ time: Int64, remove: [SQLValue]?, add: [SQLValue]?) {
            if groups[group] == nil {
                guard add != nil else { return }
                groups[group] = (.min, 0, 0)
            }
            let last = groups[group]?.time ?? time
            groups[group]?.time = max(last, time)
            if let remove {
                groups[group]?.sum &-= remove[1].int ?? 0
                groups[group]?.count -= 1
            }
            if let add {
                groups[group]?.sum &+= add[1].int ?? 0
                groups[group]?.count += 1
            }
            guard let now = groups[group] else { return }
            expected.append(
                TestRecord(
                    topic: "OUT", key: [group], value: [.bigint(now.count), .int(now.sum)], timestamp: now.time))
        }
        for record in records {
            guard let key = record.key?[0] else { continue }
            let old = table[key].flatMap { $0[0].isNull ? nil : $0 }
            let new = record.value.flatMap { $0[0].isNull ? nil : $0 }
            table[key] = record.value
            if let old, let new, old[0] == new[0] {
                tell(new[0], record.timestamp, remove: old, add: new)
            } else {
                if let old { tell(old[0], record.timestamp, remove: old, add: nil) }
                if let new { tell(new[0], record.timestamp, remove: nil, add: new) }
            }
        }
        let source = Plans.source("A", values: Self.values, isTable: true)
        let group = Plans.group(source, by: [Plans.column(source, 1)])
        let step = Plans.aggregate(
            group, [Plans.call("COUNT", [], .bigint), Plans.call("SUM", [Plans.column(group, 3)], .int)])
        try expectSame(Plans.sink(step), records, expected, &random)

        // HAVING COUNT(*) > 1: a group that stops to be so is deleted once.
        var held: Set<SQLValue> = []
        var having: [TestRecord] = []
        for record in expected {
            guard let key = record.key?[0], let count = record.value?[0].bigint else { continue }
            if count > 1 {
                held.insert(key)
                having.append(record)
            } else if held.remove(key) != nil {
                having.append(TestRecord(topic: "OUT", key: [key], value: nil, timestamp: record.timestamp))
            }
        }
        let predicate = Plans.isGreater(Plans.column(step, 1), TypedExpression(.literal(.bigint(1)), .bigint))
        let filter = PlanStep(
            ["Having"], .filter(FilterStep(step, predicate: predicate)), schema: step.schema, isTable: true)
        try expectSame(Plans.sink(filter), records, having, &random)
    }

    @Test func `a failing aggregate ends the query`() throws {
        let records = [1, 666, 2].map {
            TestRecord(key: [.int(1)], value: [.int(1), .int($0)], timestamp: 0)
        }
        let result = try Plans.run(Plans.sink(Self.plan(nil)), records)
        #expect(result.output.count == 1)
        #expect(result.failure?.message == "Numeric field overflow")
    }
}
