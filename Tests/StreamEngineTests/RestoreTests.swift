import SQLPlan
import SQLTypes
import TestKit
import Testing

@testable import StreamEngine

/// A task that is made of another one's changes goes on as that one would have.
@Suite struct RestoreTests {
    static let values = [Plans.Column("A", .int), Plans.Column("B", .int)]

    enum Kind: String, CaseIterable {
        case group, groupOfList, tumbling, hopping, session, sessionOfList, finalTumbling, finalSession
        case tableGroup, having, streamsAtOnce, streamsWithGrace, windowedStreams, lookup, tables, groupOfTables
        case foreignKey, groupOfForeignKey, newKey
    }

    static func join(_ isTable: [Bool], _ kind: JoinKind, grace: Int64?, window: WindowInfo? = nil) -> PlanStep {
        join(
            Plans.source("A", values: values, isTable: isTable[0], window: window),
            Plans.source("B", values: values, isTable: isTable[1], window: window), kind, grace: grace, window: window)
    }

    /// Of streams or tables with two values.
    static func join(
        _ left: PlanStep, _ right: PlanStep, _ kind: JoinKind, grace: Int64?, window: WindowInfo? = nil
    ) -> PlanStep {
        let operation: PlanStep.Operation
        switch (left.isTable, right.isTable) {
        case (false, false):
            operation = .streamStreamJoin(
                StreamStreamJoinStep(
                    left: left, right: right, kind: kind, columns: JoinTests.columns, before: 25, after: 10,
                    grace: grace,
                    leftStore: Plans.store, rightStore: Plans.store))
        case (false, true):
            operation = .streamTableJoin(
                StreamTableJoinStep(left: left, right: right, kind: kind, columns: JoinTests.columns))
        default:
            operation = .tableTableJoin(
                TableTableJoinStep(left: left, right: right, kind: kind, columns: JoinTests.columns))
        }
        var schema = JoinTests.schema
        schema.window = window
        return PlanStep(["Join"], operation, schema: schema, isTable: left.isTable)
    }

    static func foreignKey(_ kind: JoinKind) -> PlanStep {
        let left = Plans.source("A", values: values, isTable: true)
        let join = ForeignKeyJoinStep(
            left: left, right: Plans.source("B", values: values, isTable: true), kind: kind,
            columns: [.key(0), .left(1), .left(2), .right(1), .right(2)], foreignKey: Plans.column(left, 1),
            formats: Plans.formats)
        return PlanStep(["Join"], .foreignKeyJoin(join), schema: JoinTests.schema, isTable: true)
    }

    /// COUNT, SUM and LIST of a column by another.
    static func grouped(_ input: PlanStep, by key: Int, of value: Int) -> PlanStep {
        let group = Plans.group(input, by: [Plans.column(input, key)])
        let column = Plans.column(group, value + 1)
        return Plans.aggregate(
            group,
            [
                Plans.call("COUNT", [], .bigint), Plans.call("SUM", [column], .int),
                Plans.call("LIST", [column], .array(.int)),
            ])
    }

    static func plan(_ kind: Kind, _ random: inout SeededRandom) -> PhysicalPlan {
        func window(_ kind: WindowSpecification.Kind) -> WindowSpecification {
            let grace = Int64.random(in: 0...40, using: &random)
            return WindowSpecification(kind, grace: grace, retention: nil, statedGrace: grace)
        }
        func final(_ step: PlanStep, _ window: WindowSpecification) -> PlanStep {
            PlanStep(
                ["Suppress"], .suppress(SuppressStep(step, grace: window.grace, store: Plans.store)),
                schema: step.schema,
                isTable: true)
        }
        let joinKind = [JoinKind.inner, .left, .right, .full].randomElement(using: &random) ?? .inner
        let leftKind = [JoinKind.inner, .left].randomElement(using: &random) ?? .inner
        let size = Int64.random(in: 1...60, using: &random)
        switch kind {
        case .group: return Plans.sink(AggregateTests.plan(nil, hasList: false))
        case .groupOfList: return Plans.sink(AggregateTests.plan(nil))
        case .tumbling: return Plans.sink(AggregateTests.plan(window(.tumbling(size: size)), hasList: false))
        case .hopping: return Plans.sink(AggregateTests.plan(window(.hopping(size: size, advance: size / 3 + 1))))
        case .session: return Plans.sink(AggregateTests.plan(window(.session(gap: size / 2)), hasList: false))
        case .sessionOfList: return Plans.sink(AggregateTests.plan(window(.session(gap: size / 2))))
        case .finalTumbling:
            let window = window(.tumbling(size: size))
            return Plans.sink(final(AggregateTests.plan(window), window))
        case .finalSession:
            let window = window(.session(gap: size / 2))
            return Plans.sink(final(AggregateTests.plan(window), window))
        case .tableGroup: return Plans.sink(grouped(Plans.source("A", values: values, isTable: true), by: 1, of: 2))
        case .having:
            let step = grouped(Plans.source("A", values: values, isTable: true), by: 1, of: 2)
            let predicate = Plans.isGreater(Plans.column(step, 1), TypedExpression(.literal(.bigint(1)), .bigint))
            return Plans.sink(
                PlanStep(
                    ["Having"], .filter(FilterStep(step, predicate: predicate)), schema: step.schema, isTable: true))
        case .streamsAtOnce: return Plans.sink(join([false, false], joinKind, grace: nil))
        case .streamsWithGrace:
            return Plans.sink(join([false, false], joinKind, grace: Int64.random(in: 0...30, using: &random)))
        case .windowedStreams:
            return Plans.sink(join([false, false], joinKind, grace: 5, window: WindowInfo(.tumbling, size: 50)))
        case .lookup: return Plans.sink(join([false, true], leftKind, grace: nil))
        case .tables: return Plans.sink(join([true, true], joinKind, grace: nil))
        case .groupOfTables: return Plans.sink(grouped(join([true, true], joinKind, grace: nil), by: 1, of: 4))
        case .foreignKey: return Plans.sink(foreignKey(leftKind))
        case .groupOfForeignKey: return Plans.sink(grouped(foreignKey(leftKind), by: 1, of: 4))
        case .newKey:
            let source = Plans.source("A", values: values, isTable: true)
            let select = SelectKeyStep(
                source, keys: [Plans.column(source, 1)], carried: [1, 2], formats: Plans.formats)
            let step = PlanStep(
                ["NewKey"], .selectKey(select), schema: RowSchema(keys: [Plans.Column("A", .int)], values: values),
                isTable: true)
            return Plans.sink(grouped(step, by: 2, of: 1))
        }
    }

    static func records(_ kind: Kind, _ random: inout SeededRandom, count: Int) -> [TestRecord] {
        var records = randomRecords(
            &random, count: count, topics: ["A", "B"], keys: 5, timeStep: 15, tombstones: Bool.random(using: &random))
        for index in records.indices {
            if kind == .windowedStreams {
                records[index].window = [[Int64(0), 50].randomElement(using: &random) ?? 0]
            }
            // Leaps of time that expire everything.
            if index % 40 == 39 {
                for later in index..<records.count { records[later].timestamp += 400 }
            }
        }
        return records
    }

    /// The latest change of each key, in the order of the changelog, as compaction leaves them.
    static func compacted(_ changes: [StateChange]) -> [StateChange] {
        struct Key: Hashable { var store: String, key: [UInt8] }
        var latest: [Key: Int] = [:]
        for (index, change) in changes.enumerated() { latest[Key(store: change.store, key: change.key)] = index }
        return latest.values.sorted().map { changes[$0] }
    }

    /// Where a look at unmatched rows that wait has ended is in no store, as in Kafka Streams: a task that is made of changes
    /// may let them go with other records.
    static func looksAnew(_ plan: PhysicalPlan) -> Bool {
        guard case .sink(let sink) = plan.root.operation, case .streamStreamJoin(let join) = sink.input.operation else {
            return false
        }
        return join.kind != .inner && join.grace != nil
    }

    static func expectEqual(_ actual: [TestRecord], _ expected: [TestRecord], _ what: String) {
        guard actual != expected else { return }
        let place =
            zip(actual, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset
            ?? min(actual.count, expected.count)
        let got = place < actual.count ? actual[place].description : "nothing"
        let wanted = place < expected.count ? expected[place].description : "nothing"
        Issue.record("\(what), record \(place): got \(got), expected \(wanted)")
    }

    @Test(arguments: Kind.allCases, 1...6 as ClosedRange<UInt64>)
    func `a task of changes goes on as the original`(kind: Kind, seed: UInt64) throws {
        var random = SeededRandom(seed: seed &* 31)
        let plan = Self.plan(kind, &random)
        var records = Self.records(kind, &random, count: 160)
        let looksAnew = Self.looksAnew(plan)
        func inOrder(_ output: [TestRecord]) -> [TestRecord] {
            looksAnew ? output.sorted { $0.description < $1.description } : output
        }
        if looksAnew, var last = records.last(where: { $0.key != nil && $0.value != nil }) {
            // Lets go all that waits, with whatever record that would be otherwise.
            last.timestamp = (records.map(\.timestamp).max() ?? 0) + 10_000
            records.append(last)
        }
        let whole = try Plans.run(plan, records).output
        #expect(whole.count > 5 || kind == .finalTumbling || kind == .finalSession)
        let cut = Int.random(in: 1..<records.count, using: &random)
        var settings = EngineSettings()
        settings.capturesChanges = true
        if seed % 3 == 0 { settings.heldStateByteCountMin = 1 }
        if seed % 2 == 0 {
            settings.stateStore = .disk
            settings.stateFileByteCountMin = 1
        }
        let original = try Plans.task(plan, settings)
        #expect(Set(original.stores).count == original.stores.count)
        var changes: [StateChange] = []
        var output: [TestRecord] = []
        var at = 0
        while at < cut {
            let end = min(cut, at + Int.random(in: 1...30, using: &random))
            let cuts = Set((at..<end).filter { _ in Bool.random(using: &random) })
            output += Plans.feed(original, records[at..<end], cuts: cuts).output
            original.drainChanges { changes.append($0) }
            at = end
        }
        original.drainChanges { Issue.record("told twice: \($0)") }
        var snapshot: [StateChange] = []
        try original.writeSnapshot { snapshot.append($0) }

        let ways = [
            ("all changes", changes), ("latest changes", Self.compacted(changes)), ("snapshot", snapshot),
            ("snapshot and tail", snapshot + changes.suffix(20)),
        ]
        let rest = Set((cut..<records.count).filter { _ in Bool.random(using: &random) })
        for (name, changes) in ways {
            let task = try Plans.task(plan, settings)
            for change in changes { try task.apply(change) }
            task.drainChanges { Issue.record("\(name): what was applied is told: \($0)") }
            let later = Plans.feed(task, records[cut...], cuts: rest).output
            Self.expectEqual(inOrder(output + later), inOrder(whole), name)
            guard name == "latest changes" else { continue }
            // And once more, with the changes of both.
            var all = changes
            task.drainChanges { all.append($0) }
            let third = try Plans.task(plan, settings)
            for change in Self.compacted(all) { try third.apply(change) }
            var rows: [Set<StateChange>] = [[], []]
            try task.writeSnapshot { rows[0].insert($0) }
            try third.writeSnapshot { rows[1].insert($0) }
            #expect(rows[0] == rows[1], "\(kind)")
        }
    }

    /// Changes may come damaged, or from somewhere else: an error or another state, but never a trap.
    @Test(arguments: Kind.allCases)
    func `damaged changes do no harm`(kind: Kind) throws {
        var random = SeededRandom(seed: 99)
        let plan = Self.plan(kind, &random)
        let records = Self.records(kind, &random, count: 120)
        var settings = EngineSettings()
        settings.capturesChanges = true
        let original = try Plans.task(plan, settings)
        _ = Plans.feed(original, records[..<80])
        var changes: [StateChange] = []
        try original.writeSnapshot { changes.append($0) }
        var refused = 0
        for _ in 0..<30 {
            let task = try Plans.task(plan, settings)
            for var change in changes {
                func damage(_ bytes: inout [UInt8]) {
                    switch Int.random(in: 0..<5, using: &random) {
                    case 0: bytes = Array(bytes.dropLast(Int.random(in: 0...bytes.count, using: &random)))
                    case 1: bytes.append(UInt8.random(in: 0...255, using: &random))
                    case 2:
                        bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                            .random(in: 0...255, using: &random)
                        }
                    default:
                        guard !bytes.isEmpty else { return }
                        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                    }
                }
                switch Int.random(in: 0..<6, using: &random) {
                case 0: damage(&change.key)
                case 1:
                    if var value = change.value {
                        damage(&value)
                        change.value = value
                    }
                case 2: change.store = task.stores.randomElement(using: &random) ?? ""
                default: break
                }
                do { try task.apply(change) } catch {
                    #expect(error.code == .invalidState)
                    refused += 1
                }
            }
            _ = Plans.feed(task, records[80...], cuts: [])
            try task.writeSnapshot { _ in }
            task.drainChanges { _ in }
        }
        #expect(refused > 0)
        let task = try Plans.task(plan, settings)
        #expect(throws: EngineError.self) {
            try task.apply(StateChange(store: "nothing", key: [0, 1], value: nil))
        }
    }
}
