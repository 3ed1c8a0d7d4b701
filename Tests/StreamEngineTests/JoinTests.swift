import SQLPlan
import SQLTypes
import TestKit
import Testing

@testable import StreamEngine

@Suite struct JoinTests {
    static let values = [Plans.Column("A", .int), Plans.Column("B", .int)]
    static let columns: [JoinColumn] = [.key(0), .left(1), .left(2), .right(1), .right(2)]
    static let schema = RowSchema(
        keys: [Plans.Column("K", .int)],
        values: ["LA", "LB", "RA", "RB"].map { Plans.Column($0, .int) })
    static let nulls: [SQLValue] = [.null, .null]

    static func record(_ key: SQLValue?, _ left: [SQLValue]?, _ right: [SQLValue]?, _ time: Int64) -> TestRecord {
        TestRecord(
            topic: "OUT", key: key.map { [$0] }, value: (left ?? nulls) + (right ?? nulls), timestamp: time)
    }

    @Test(arguments: [JoinKind.inner, .left, .right, .full], [1, 2] as [UInt64])
    func `streams join at once without grace`(kind: JoinKind, seed: UInt64) throws {
        try streams(kind, seed, grace: nil)
    }

    @Test(arguments: [JoinKind.inner, .left, .right, .full], [1, 2, 3, 4] as [UInt64])
    func `streams with grace tell unmatched rows when their windows close`(kind: JoinKind, seed: UInt64) throws {
        try streams(kind, seed, grace: Int64(seed) * 7 - 7)
    }

    /// A condition behind AND, for the tests of outer joins: a value of the left row is greater than one of the right.
    static func meets(_ left: [SQLValue], _ right: [SQLValue]) -> Bool {
        guard let a = left[0].int, let b = right[0].int else { return false }
        return a > b
    }

    static let condition = Plans.isGreater(TypedExpression(.column(1), .int), TypedExpression(.column(3), .int))

    @Test(arguments: [JoinKind.left, .right, .full], 1...6 as ClosedRange<UInt64>)
    func `streams with a further condition tell rows that meet nobody who fulfils it`(
        kind: JoinKind, seed: UInt64
    ) throws {
        try streams(kind, seed, grace: nil, isConditional: true)
        try streams(kind, seed, grace: Int64(seed) * 7 - 7, isConditional: true)
    }

    private func streams(_ kind: JoinKind, _ seed: UInt64, grace: Int64?, isConditional: Bool = false) throws {
        var random = SeededRandom(seed: seed)
        let before = Int64.random(in: 0...40, using: &random)
        let after = Int64.random(in: 0...40, using: &random)
        let records = randomRecords(&random, count: 150, topics: ["A", "B"], keys: 3, timeStep: 15)
        struct Row { var key: SQLValue, value: [SQLValue], time: Int64, isMatched = false, isTold = false }
        var rows: [[Row]] = [[], []]
        var streamTime = Int64.min
        var expected: [TestRecord] = []
        func tell(_ side: Int, _ key: SQLValue?, _ own: [SQLValue], _ other: [SQLValue]?, _ time: Int64) {
            expected.append(
                side == 0 ? Self.record(key, own, other, time) : Self.record(key, other, own, time))
        }
        let isOuter = [kind == .left || kind == .full, kind == .right || kind == .full]
        // A RIGHT join is Kafka Streams' left join of the sides in the other order, with the same window.
        let reach = kind == .right ? [(after, before), (before, after)] : [(before, after), (after, before)]
        let retention = before + after + (grace ?? 86_400_000 - 2 * before)
        var observed: [Int64] = [.min, .min]
        // `KStreamKStreamJoin`'s smallest time of rows that wait, as it counts.
        var lookedTo = Int64.max
        for record in records {
            let side = record.topic == "A" ? 0 : 1
            let time = record.timestamp
            streamTime = max(streamTime, time)
            guard let value = record.value else { continue }
            guard let key = record.key?[0] else {
                if isOuter[side] { tell(side, nil, value, nil, time) }
                continue
            }
            if let grace, time == streamTime, lookedTo == .max || lookedTo + reach[side].1 + grace < streamTime {
                var waiting: [(time: Int64, order: Int, key: Int32, index: Int)] = []
                for side in [0, 1] where isOuter[side] {
                    for (index, row) in rows[side].enumerated() where !row.isMatched && !row.isTold {
                        waiting.append((row.time, 1 - side, row.key.int ?? 0, index))
                    }
                }
                var isOpen = [false, false]
                lookedTo = .max
                for item in waiting.sorted(by: {
                    ($0.time, $0.order, $0.key, $0.index) < ($1.time, $1.order, $1.key, $1.index)
                }) {
                    lookedTo = item.time
                    if isOpen == [true, true] { break }
                    let side = 1 - item.order
                    if item.time + reach[side].1 + grace >= streamTime {
                        isOpen[side] = true
                        continue
                    }
                    rows[side][item.index].isTold = true
                    let row = rows[side][item.index]
                    tell(side, row.key, row.value, nil, row.time)
                }
            }
            observed[side] = max(observed[side], time)
            let from = max(0, time - reach[side].0)
            let to = time + reach[side].1
            var isMatched = false
            let candidates = rows[1 - side].indices.sorted {
                (rows[1 - side][$0].time, $0) < (rows[1 - side][$1].time, $1)
            }
            for index in candidates {
                let other = rows[1 - side][index]
                guard other.key == key, other.time >= from, other.time <= to,
                    other.time > observed[1 - side] - retention
                else { continue }
                if isConditional {
                    let (left, right) = side == 0 ? (value, other.value) : (other.value, value)
                    guard Self.meets(left, right) else { continue }
                    rows[1 - side][index].isMatched = true
                }
                isMatched = true
                // All rows of that key and time count as matched.
                for same in rows[1 - side].indices
                where !isConditional && rows[1 - side][same].key == key && rows[1 - side][same].time == other.time {
                    rows[1 - side][same].isMatched = true
                }
                tell(side, key, value, other.value, max(time, other.time))
            }
            var row = Row(key: key, value: value, time: time, isMatched: isMatched)
            if !isMatched, isOuter[side], grace == nil || to < streamTime {
                tell(side, key, value, nil, time)
                row.isTold = true
            } else if !isMatched, isOuter[side] {
                lookedTo = min(lookedTo, time)
            }
            // A row too old for its store is never seen by others.
            if time > observed[side] - retention || !isMatched { rows[side].append(row) }
        }
        var join = StreamStreamJoinStep(
            left: Plans.source("A", values: Self.values), right: Plans.source("B", values: Self.values), kind: kind,
            columns: Self.columns, before: before, after: after, grace: grace, leftStore: Plans.store,
            rightStore: Plans.store)
        if isConditional { join.residual = Self.condition }
        let step = PlanStep(["Join"], .streamStreamJoin(join), schema: Self.schema, isTable: false)
        try expectSame(Plans.sink(step), records, expected, &random)
    }

    @Test(arguments: [JoinKind.inner, .left], 1...4 as ClosedRange<UInt64>)
    func `a stream looks rows of a table up`(kind: JoinKind, seed: UInt64) throws { try lookup(kind, seed) }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `a stream keeps rows whose row of the table does not fulfil a further condition`(seed: UInt64) throws {
        try lookup(.left, seed, isConditional: true)
    }

    private func lookup(_ kind: JoinKind, _ seed: UInt64, isConditional: Bool = false) throws {
        var random = SeededRandom(seed: seed)
        let records = randomRecords(&random, count: 150, topics: ["A", "B"], keys: 5, tombstones: true)
        var table: [SQLValue: [SQLValue]] = [:]
        var expected: [TestRecord] = []
        for record in records {
            let key = record.key?[0]
            if record.topic == "B" {
                if let key { table[key] = record.value }
                continue
            }
            guard let value = record.value else { continue }
            var match = key.flatMap { table[$0] }
            if isConditional, let other = match, !Self.meets(value, other) { match = nil }
            if match != nil || kind == .left { expected.append(Self.record(key, value, match, record.timestamp)) }
        }
        var join = StreamTableJoinStep(
            left: Plans.source("A", values: Self.values), right: Plans.source("B", values: Self.values, isTable: true),
            kind: kind, columns: Self.columns)
        if isConditional { join.residual = Self.condition }
        let step = PlanStep(["Join"], .streamTableJoin(join), schema: Self.schema, isTable: false)
        try expectSame(Plans.sink(step), records, expected, &random)
    }

    @Test(arguments: [JoinKind.inner, .left, .right, .full], 1...4 as ClosedRange<UInt64>)
    func `tables join on their keys`(kind: JoinKind, seed: UInt64) throws { try tables(kind, seed) }

    @Test(arguments: [JoinKind.left, .right], 1...4 as ClosedRange<UInt64>)
    func `tables keep rows of the outer side that do not fulfil a further condition`(
        kind: JoinKind, seed: UInt64
    ) throws { try tables(kind, seed, isConditional: true) }

    private func tables(_ kind: JoinKind, _ seed: UInt64, isConditional: Bool = false) throws {
        var random = SeededRandom(seed: seed)
        let records = randomRecords(&random, count: 150, topics: ["A", "B"], keys: 4, tombstones: true)
        var tables: [[SQLValue: (value: [SQLValue], time: Int64)]] = [[:], [:]]
        var expected: [TestRecord] = []
        let keeps = [kind == .left || kind == .full, kind == .right || kind == .full]
        for record in records {
            guard let key = record.key?[0] else { continue }
            let side = record.topic == "A" ? 0 : 1
            let old = tables[side][key]
            tables[side][key] = record.value.map { ($0, record.timestamp) }
            let other = tables[1 - side][key]
            let time = max(record.timestamp, other?.time ?? .min)
            if other == nil {
                guard keeps[side], record.value != nil || old != nil else { continue }
            }
            let isThere = other == nil ? record.value != nil : record.value != nil || keeps[1 - side]
            var (left, right) = side == 0 ? (record.value, other?.value) : (other?.value, record.value)
            if isConditional, let a = left, let b = right, !Self.meets(a, b) {
                if kind == .left { right = nil } else { left = nil }
            }
            var row = Self.record(key, left, right, time)
            // The keys of both sides as columns: a side that has no row has no key either.
            row.value?.append(left == nil ? .null : key)
            row.value?.append(right == nil ? .null : key)
            if !isThere { row.value = nil }
            expected.append(row)
        }
        var join = TableTableJoinStep(
            left: Plans.source("A", values: Self.values, isTable: true),
            right: Plans.source("B", values: Self.values, isTable: true), kind: kind,
            columns: Self.columns + [.left(0), .right(0)])
        if isConditional { join.residual = Self.condition }
        let schema = RowSchema(
            keys: Array(Self.schema.keys),
            values: Array(Self.schema.values) + ["LK", "RK"].map { Plans.Column($0, .int) })
        let step = PlanStep(["Join"], .tableTableJoin(join), schema: schema, isTable: true)
        try expectSame(Plans.sink(step), records, expected, &random)
    }

    /// Of a condition that cannot be computed is told when the later of two rows comes, and not again when it goes.
    @Test func `a condition that failed for what a row was is not told of again`() throws {
        func record(_ topic: String, _ value: Int32?) -> TestRecord {
            TestRecord(topic: topic, key: [.int(1)], value: value.map { [.int($0), .int(0)] }, timestamp: 0)
        }
        var join = TableTableJoinStep(
            left: Plans.source("A", values: Self.values, isTable: true),
            right: Plans.source("B", values: Self.values, isTable: true), kind: .left, columns: Self.columns)
        let call = FunctionCall(function: "FAIL_IF_ODD", arguments: [TypedExpression(.column(1), .int)])
        join.residual = Plans.isGreater(TypedExpression(.call(call), .int), Plans.int(-1))
        let joined = PlanStep(["Join"], .tableTableJoin(join), schema: Self.schema, isTable: true)
        // WHERE asks for old values.
        let predicate = Plans.isGreater(Plans.column(joined, 0), Plans.int(0))
        let filter = PlanStep(
            ["WhereFilter"], .filter(FilterStep(joined, predicate: predicate)), schema: Self.schema, isTable: true)
        let records = [
            record("B", 7), record("A", 1), record("A", 2), record("A", nil), record("A", 3), record("A", 4),
        ]
        for cuts in [nil, []] as [Set<Int>?] {
            let result = try Plans.run(Plans.sink(filter), records, cuts: cuts)
            #expect(result.log.count == 2, "\(result.log)")
            #expect(result.output.map { $0.value?[2] } == [.null, .int(7), nil, .null, .int(7)])
        }
    }

    /// The final state is that of a join of the two tables as they are at the end.
    @Test(arguments: [JoinKind.inner, .left], 1...4 as ClosedRange<UInt64>)
    func `a foreign key join ends as a join of the tables`(kind: JoinKind, seed: UInt64) throws {
        try foreignKey(kind, seed)
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `a foreign key join keeps left rows that do not fulfil a further condition`(seed: UInt64) throws {
        try foreignKey(.left, seed, isConditional: true)
    }

    private func foreignKey(_ kind: JoinKind, _ seed: UInt64, isConditional: Bool = false) throws {
        var random = SeededRandom(seed: seed)
        let records = randomRecords(&random, count: 200, topics: ["A", "B"], keys: 5, tombstones: true)
        let left = Plans.source("A", values: Self.values, isTable: true)
        var join = ForeignKeyJoinStep(
            left: left, right: Plans.source("B", values: Self.values, isTable: true), kind: kind,
            columns: [.key(0), .left(1), .left(2), .right(0), .right(1), .right(2)],
            foreignKey: Plans.column(left, 1), formats: Plans.formats)
        if isConditional {
            join.residual = Plans.isGreater(TypedExpression(.column(1), .int), TypedExpression(.column(4), .int))
        }
        let schema = RowSchema(
            keys: [Plans.Column("K", .int)],
            values: ["LA", "LB", "RK", "RA", "RB"].map { Plans.Column($0, .int) })
        let step = PlanStep(["Join"], .foreignKeyJoin(join), schema: schema, isTable: true)
        let output = try Plans.run(Plans.sink(step), records).output
        var tables: [[SQLValue: [SQLValue]]] = [[:], [:]]
        for record in records {
            guard let key = record.key?[0] else { continue }
            tables[record.topic == "A" ? 0 : 1][key] = record.value
        }
        var expected: [SQLValue: [SQLValue]] = [:]
        for (key, value) in tables[0] {
            var match = value[0].isNull ? nil : tables[1][value[0]]
            if isConditional, let other = match, !Self.meets(value, other) { match = nil }
            if match == nil, kind == .inner { continue }
            expected[key] = value + (match.map { [value[0]] + $0 } ?? [.null, .null, .null])
        }
        var actual: [SQLValue: [SQLValue]] = [:]
        for record in output { if let key = record.key?[0] { actual[key] = record.value } }
        #expect(actual == expected)
        try expectSame(Plans.sink(step), records, output, &random)
    }

    /// A topic that is both sides of a join: every row meets itself, as its left half is there when its right half comes.
    @Test func `a stream joins itself`() throws {
        var random = SeededRandom(seed: 5)
        let records = (0..<40).map {
            TestRecord(key: [.int(Int32($0 % 2))], value: [.int(Int32($0)), .int(0)], timestamp: Int64($0))
        }
        var expected: [TestRecord] = []
        for (index, record) in records.enumerated() {
            let key = record.key?[0]
            func others(_ upTo: Int) -> [TestRecord] {
                records[..<upTo].filter { $0.key == record.key && record.timestamp - $0.timestamp <= 6 }
            }
            for other in others(index) {
                expected.append(Self.record(key, record.value, other.value, record.timestamp))
            }
            for other in others(index + 1) {
                expected.append(Self.record(key, other.value, record.value, record.timestamp))
            }
        }
        let join = StreamStreamJoinStep(
            left: Plans.source("A", values: Self.values), right: Plans.source("A", values: Self.values), kind: .inner,
            columns: Self.columns, before: 6, after: 6, grace: 0, leftStore: Plans.store, rightStore: Plans.store)
        let step = PlanStep(["Join"], .streamStreamJoin(join), schema: Self.schema, isTable: false)
        try expectSame(Plans.sink(step), records, expected, &random)
    }
}
