import SQLPlan
import SQLTypes
import TestKit
import Testing

@testable import StreamEngine

/// What is read of a table is what it put out last for each key.
@Suite struct ReadTests {
    struct Key: Hashable {
        var key: [SQLValue]
        var window: [Int64]
    }

    struct Row: Hashable, CustomStringConvertible {
        var key: [SQLValue]
        var window: [Int64]
        var values: [SQLValue]
        var timestamp: Int64

        var description: String { "\(key) \(window) \(values) @\(timestamp)" }
    }

    static func rows(_ rows: [TableRow]) -> [Row] {
        rows.map { row in
            Row(
                key: row.key, window: row.window.map { [$0.start, $0.end] } ?? [], values: row.values,
                timestamp: row.timestamp)
        }
    }

    /// The table as its records tell it, without windows that are no longer kept.
    static func model(
        _ output: [TestRecord], _ plan: PhysicalPlan, _ kind: RestoreTests.Kind
    ) -> Set<Row> {
        var latest: [Key: Row] = [:]
        var window: WindowSpecification?
        plan.root.forEach { if case .aggregate(let step) = $0.operation { window = step.window } }
        var size: Int64 = 0
        var isSession = false
        switch window?.kind {
        case .tumbling(let length), .hopping(let length, _): size = length
        case .session(let gap): (size, isSession) = (gap, true)
        case nil: break
        }
        var observed = Int64.min
        for record in output {
            guard let key = record.key else { continue }
            var bounds: [Int64] = []
            if let window = record.window {
                bounds = isSession ? [window[1], window[0]] : [window[0], window[0] + size]
            }
            let place = Key(key: key, window: bounds)
            guard let value = record.value else {
                latest[place] = nil
                continue
            }
            latest[place] = Row(
                key: key, window: bounds, values: value, timestamp: record.timestamp)
            if !bounds.isEmpty { observed = max(observed, bounds[isSession ? 1 : 0]) }
        }
        let retention = size + (window?.grace ?? 0)
        let isFinal = kind == .finalTumbling || kind == .finalSession
        return Set(
            latest.values.filter {
                $0.window.isEmpty || isFinal || $0.window[isSession ? 1 : 0] > observed - max(1, retention)
            })
    }

    static let kinds: [RestoreTests.Kind] = [
        .group, .groupOfList, .tumbling, .hopping, .session, .sessionOfList, .finalTumbling, .finalSession, .tableGroup,
        .having, .tables, .groupOfTables, .foreignKey, .groupOfForeignKey, .newKey,
    ]

    @Test(arguments: kinds, 1...6 as ClosedRange<UInt64>)
    func `a read gives the last record of each key`(kind: RestoreTests.Kind, seed: UInt64) throws {
        var random = SeededRandom(seed: seed &* 77)
        let plan = RestoreTests.plan(kind, &random)
        let records = RestoreTests.records(kind, &random, count: 160)
        var settings = EngineSettings()
        if seed % 2 == 0 {
            settings.stateStore = .disk
            settings.stateFileByteCountMin = 1
        }
        let task = try Plans.task(plan, settings)
        #expect(task.isMaterialized)
        var output: [TestRecord] = []
        var at = 0
        while at < records.count {
            let end = min(records.count, at + Int.random(in: 1...25, using: &random))
            output += Plans.feed(task, records[at..<end], cuts: []).output
            at = end
            let expected = Self.model(output, plan, kind)
            let all = Self.rows(try task.read(TableRead(.all)))
            #expect(all.count == expected.count)
            if Set(all) != expected {
                Issue.record(
                    "extra \(Set(all).subtracting(expected).prefix(2)), missing \(expected.subtracting(all).prefix(2))")
                return
            }
            // Two keys that may be there, one of them twice, and one that is not.
            let wanted: [SQLValue] = [.int(Int32.random(in: 0...3, using: &random)), .int(4)]
            let some = try task.read(TableRead(.keys([[wanted[0]], [wanted[1]], [wanted[0]], [.int(99)], [.null]])))
            #expect(
                Set(Self.rows(some)) == expected.filter { wanted.contains($0.key[0]) })
            #expect(some.count == expected.count { wanted.contains($0.key[0]) })
            // One that ends in the middle leaves nothing to the reads that follow.
            let first = try task.read(TableRead(.keys([[wanted[0]], [wanted[1]]]), limit: 1))
            #expect(first.map(\.key) == some.prefix(1).map(\.key))
            let range = try task.read(TableRead(.range(lower: (.int(1), false), upper: (.int(3), true))))
            #expect(
                Set(Self.rows(range))
                    == expected.filter { $0.key[0] == .int(2) || $0.key[0] == .int(3) })
            #expect(try task.read(TableRead(.all, limit: 2)).count == min(2, expected.count))
            if let row = expected.first(where: { !$0.window.isEmpty }) {
                let start = row.window[0]
                let bounded = TableRead(.keys([row.key]), windowStart: start...start, windowEnd: 0...row.window[1])
                #expect(
                    Set(Self.rows(try task.read(bounded)))
                        == expected.filter {
                            $0.key == row.key && $0.window[0] == start && $0.window[1] <= row.window[1]
                        })
            }
        }
    }

    @Test func `a source table is read with conditions and columns of the query above it`() throws {
        let source = Plans.source("A", values: AggregateTests.values, isTable: true)
        let predicate = Plans.isGreater(Plans.column(source, 1), Plans.int(1))
        let filter = PlanStep(
            ["Where"], .filter(FilterStep(source, predicate: predicate)), schema: source.schema, isTable: true)
        let select = PlanStep(
            ["Project"], .select(SelectStep(filter, expressions: [Plans.column(filter, 0), Plans.column(filter, 2)])),
            schema: RowSchema(keys: [Plans.Column("K", .int)], values: [Plans.Column("B", .int)]), isTable: true)
        func record(_ key: Int32, _ value: [SQLValue]?) -> TestRecord {
            TestRecord(key: [.int(key)], value: value, timestamp: Int64(key) * 10)
        }
        let records = [
            record(1, [.int(1), .int(10)]), record(2, [.int(2), .int(20)]), record(3, [.int(3), .null]),
            record(4, [.int(4), .int(40)]), record(4, nil),
        ]
        let task = try Plans.task(Plans.sink(select))
        _ = Plans.feed(task, records[...], cuts: [])
        let rows = Self.rows(try task.read(TableRead(.all)))
        #expect(
            rows == [
                Row(key: [.int(2)], window: [], values: [.int(20)], timestamp: 20),
                Row(key: [.int(3)], window: [], values: [.null], timestamp: 30),
            ])
        #expect(try task.read(TableRead(.keys([[.int(1)]]))).isEmpty)
        #expect(throws: EngineError.self) { try task.read(TableRead(.keys([[.int(1), .int(2)]]))) }

        let whole = PhysicalPlan(id: "Q", kind: .sourceTable, sinkName: nil, sourceNames: [], root: source)
        let other = try Plans.task(whole)
        _ = Plans.feed(other, records[...], cuts: [])
        #expect(other.isMaterialized)
        #expect(try other.read(TableRead(.all)).map(\.key) == [[.int(1)], [.int(2)], [.int(3)]])
        #expect(try other.read(TableRead(.keys([[.int(2)]]))).map(\.values) == [[.int(2), .int(20)]])
    }

    @Test func `streams keep no table`() throws {
        let task = try Plans.task(Plans.sink(Plans.source("A", values: AggregateTests.values)))
        #expect(!task.isMaterialized)
        #expect { try task.read(TableRead(.all)) } throws: { ($0 as? EngineError)?.code == .notMaterialized }
    }
}
