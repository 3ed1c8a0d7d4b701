import SQLPlan
import SQLTypes
import Synchronization
import TestKit
import Testing

@testable import StreamEngine

/// Rows that fail in the middle of a batch: what is told of them, and that all others are as if they had come one by one.
@Suite struct FailureOrderTests {
    enum Kind: String, CaseIterable, Sendable {
        case plain, exploded, group, tumbling, hopping, session, finalTumbling, tableGroup, newKey
        case streams, streamsWithGrace, lookup, tables, foreignKey
        case streamsOnMore, streamsWithGraceOnMore, lookupOnMore, tablesOnMore, foreignKeyOnMore
    }

    private static func failing(_ argument: TypedExpression) -> TypedExpression {
        TypedExpression(.call(FunctionCall(function: "FAIL_IF_ODD", arguments: [argument])), .int)
    }

    /// Columns of INT but the key's are computed by what fails for odd ones.
    private static func select(_ input: PlanStep, _ name: String) -> PlanStep {
        let expressions = input.schema.columns.indices.map { index in
            let column = Plans.column(input, index)
            return index < input.schema.keyCount || column.type != .int ? column : failing(column)
        }
        return PlanStep(
            [name], .select(SelectStep(input, expressions: expressions)), schema: input.schema, isTable: input.isTable)
    }

    private static func filter(_ input: PlanStep, _ index: Int, _ name: String) -> PlanStep {
        let predicate = Plans.isGreater(failing(Plans.column(input, index)), Plans.int(-100))
        return PlanStep(
            [name], .filter(FilterStep(input, predicate: predicate)), schema: input.schema, isTable: input.isTable)
    }

    private static func source(_ topic: String, isTable: Bool = false) -> PlanStep {
        select(
            filter(
                Plans.source(topic, values: AggregateTests.values, isTable: isTable), 1, topic + "Filter"),
            topic + "Select")
    }

    private static func aggregate(_ window: WindowSpecification? = nil, hasList: Bool = false) -> PlanStep {
        let source = source("A")
        let group = Plans.group(source, by: [failing(Plans.column(source, 0))])
        let value = Plans.column(group, 3)
        var calls = [Plans.call("SUM", [failing(value)], .int), Plans.call("MAX", [value], .int)]
        if hasList { calls.append(Plans.call("LIST", [Plans.column(group, 2)], .array(.int))) }
        return Plans.aggregate(group, calls, window: window)
    }

    private static func join(_ isTable: [Bool], _ kind: JoinKind, grace: Int64? = nil) -> PlanStep {
        RestoreTests.join(
            source("A", isTable: isTable[0]), source("B", isTable: isTable[1]), kind, grace: grace)
    }

    /// A join with a further condition, which fails for odd values.
    private static func joinOnMore(_ isTable: [Bool], _ kind: JoinKind, grace: Int64? = nil) -> PlanStep {
        let inputs = zip(["A", "B"], isTable).map { topic, isTable in
            filter(Plans.source(topic, values: AggregateTests.values, isTable: isTable), 2, topic + "Filter")
        }
        var step = RestoreTests.join(inputs[0], inputs[1], kind, grace: grace)
        let condition = Plans.isGreater(failing(TypedExpression(.column(1), .int)), Plans.int(1))
        switch step.operation {
        case .streamStreamJoin(var join):
            join.residual = condition
            step.operation = .streamStreamJoin(join)
        case .streamTableJoin(var join):
            join.residual = condition
            step.operation = .streamTableJoin(join)
        case .tableTableJoin(var join):
            join.residual = condition
            step.operation = .tableTableJoin(join)
        default: break
        }
        return step
    }

    private static func foreignKeyJoin(_ left: PlanStep, _ foreignKey: TypedExpression, on condition: TypedExpression?)
        -> PlanStep
    {
        var join = ForeignKeyJoinStep(
            left: left, right: source("B", isTable: true), kind: .left,
            columns: [.key(0), .left(1), .left(2), .right(1), .right(2)], foreignKey: foreignKey,
            formats: Plans.formats)
        join.residual = condition
        return PlanStep(["Join"], .foreignKeyJoin(join), schema: JoinTests.schema, isTable: true)
    }

    private static func plan(_ kind: Kind, hasList: Bool = false) -> PhysicalPlan {
        func window(_ kind: WindowSpecification.Kind) -> WindowSpecification {
            WindowSpecification(kind, grace: 20, retention: nil, statedGrace: 20)
        }
        let step: PlanStep
        switch kind {
        case .plain: step = source("A")
        case .exploded:
            let source = source("A")
            let list = TypedExpression(
                .array([failing(Plans.column(source, 0)), Plans.column(source, 1), Plans.int(3)]), .array(.int))
            let call = TableFunctionCall(function: "EXPLODE", arguments: [list], type: .int)
            step = PlanStep(
                ["Explode"], .flatMap(FlatMapStep(source, functions: [call])),
                schema: RowSchema(
                    keys: Array(source.schema.keys),
                    values: Array(source.schema.values) + [Plans.Column("E", .int)]), isTable: false)
        case .group: step = aggregate(hasList: hasList)
        case .tumbling: step = aggregate(window(.tumbling(size: 40)), hasList: hasList)
        case .hopping: step = aggregate(window(.hopping(size: 40, advance: 15)), hasList: hasList)
        case .session: step = aggregate(window(.session(gap: 20)), hasList: hasList)
        case .finalTumbling:
            let input = aggregate(window(.tumbling(size: 40)), hasList: hasList)
            step = PlanStep(
                ["Suppress"], .suppress(SuppressStep(input, grace: 20, store: Plans.store)), schema: input.schema,
                isTable: true)
        case .tableGroup:
            let source = source("A", isTable: true)
            let group = Plans.group(source, by: [failing(Plans.column(source, 1))])
            step = Plans.aggregate(group, [Plans.call("SUM", [Plans.column(group, 3)], .int)])
        case .newKey:
            let source = source("A", isTable: true)
            let key = SelectKeyStep(
                source, keys: [failing(Plans.column(source, 1))], carried: [1, 2], formats: Plans.formats)
            step = PlanStep(
                ["NewKey"], .selectKey(key),
                schema: RowSchema(keys: [Plans.Column("A", .int)], values: AggregateTests.values), isTable: true)
        case .streams: step = join([false, false], .left)
        case .streamsWithGrace: step = join([false, false], .full, grace: 30)
        case .lookup: step = join([false, true], .left)
        case .tables: step = join([true, true], .full)
        case .foreignKey:
            let left = source("A", isTable: true)
            step = foreignKeyJoin(left, failing(Plans.column(left, 1)), on: nil)
        case .streamsOnMore: step = joinOnMore([false, false], .left)
        case .streamsWithGraceOnMore: step = joinOnMore([false, false], .full, grace: 30)
        case .lookupOnMore: step = joinOnMore([false, true], .left)
        case .tablesOnMore: step = joinOnMore([true, true], .left)
        case .foreignKeyOnMore:
            let left = Plans.source("A", values: AggregateTests.values, isTable: true)
            let condition = Plans.isGreater(failing(TypedExpression(.column(2), .int)), Plans.int(1))
            step = foreignKeyJoin(left, Plans.column(left, 1), on: condition)
        }
        let last = step.schema.columns.indices.first {
            $0 >= step.schema.keyCount && step.schema.columns[$0].type == .int
        }
        return Plans.sink(select(last.map { filter(step, $0, "Having") } ?? step, "Project"))
    }

    /// Records of which some cannot be read, and some have no time.
    private static func records(_ random: inout SeededRandom, count: Int) -> [TestRecord] {
        var records = randomRecords(&random, count: count, topics: ["A", "A", "A", "B"], keys: 5, timeStep: 12)
        for index in records.indices {
            switch Int.random(in: 0..<30, using: &random) {
            case 0: records[index].value = []
            case 1: records[index].timestamp = -1
            case 2: (records[index].value, records[index].timestamp) = ([], -1)
            default: break
            }
        }
        return records
    }

    private static func counts(_ task: QueryTask) -> [[Int]] {
        task.counters.map {
            [
                $0.counters.input, $0.counters.output, $0.counters.failed, $0.counters.filtered, $0.counters.late,
                $0.counters.unmatched, $0.counters.stateRows, $0.counters.stateBytes,
            ]
        }
    }

    private static func state(_ task: QueryTask) throws -> Set<StateChange> {
        var state: Set<StateChange> = []
        try task.writeSnapshot { state.insert($0) }
        return state
    }

    @Test(arguments: Kind.allCases) func `the log has the order of the records, and nothing twice`(kind: Kind) throws {
        var outputCount = 0
        for seed in 0..<12 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let records = Self.records(&random, count: 150)
            let plan = Self.plan(kind)
            let single = try Plans.run(plan, records)
            #expect(single.failure == nil && !single.log.isEmpty)
            outputCount += single.output.count
            let some = Set((0..<records.count).filter { _ in Int.random(in: 0..<12, using: &random) == 0 })
            for cuts in [[], some] {
                let cut = try Plans.run(plan, records, cuts: cuts)
                #expect(cut.output == single.output, "seed \(seed)")
                #expect(cut.log == single.log, "seed \(seed)")
                #expect(Self.counts(cut.task) == Self.counts(single.task), "seed \(seed)")
                #expect(try Self.state(cut.task) == Self.state(single.task), "seed \(seed)")
            }
            // A record that cannot be read is told once.
            let unread = single.log.filter { $0.kind == .deserialization }.compactMap(\.offset)
            #expect(Set(unread).count == unread.count)
            #expect(!single.log.contains { $0.kind == .recordProcessing && $0.offset.map(unread.contains) == true })
        }
        #expect(outputCount > 0)
    }

    /// 666 in a list ends the query.
    @Test(arguments: [Kind.group, .tumbling, .hopping, .session, .finalTumbling])
    func `nothing is told of records behind the one that ends the query`(kind: Kind) throws {
        for seed in 0..<8 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var records = Self.records(&random, count: 120)
            let last = Int.random(in: 20..<100, using: &random)
            records[last] = TestRecord(
                topic: "A", key: [.int(2)], value: [.int(666), .int(2)], timestamp: records.map(\.timestamp).max() ?? 0)
            let plan = Self.plan(kind, hasList: true)
            let single = try Plans.run(plan, records)
            let whole = try Plans.run(plan, records, cuts: [])
            #expect(single.failure != nil && whole.failure == single.failure)
            #expect(whole.output == single.output, "seed \(seed)")
            #expect(whole.log == single.log, "seed \(seed)")
        }
    }

    /// A table function that makes so many rows of some, and fails for others, that its results go on in pieces.
    @Test func `rows that fail between those of which many are made do not come again with all that follow`() throws {
        let functions = CountingFunctions()
        let source = Plans.source("A", values: [Plans.Column("V", .int)])
        let argument = TypedExpression(
            .call(FunctionCall(function: "COUNTED", arguments: [Plans.column(source, 1)])), .int)
        let schema = RowSchema(
            keys: Array(source.schema.keys), values: Array(source.schema.values) + [Plans.Column("E", .int)])
        let call = TableFunctionCall(function: "MANY", arguments: [argument], type: .int)
        let many = PlanStep(
            ["Explode"], .flatMap(FlatMapStep(source, functions: [call])), schema: schema, isTable: false)
        let none = PlanStep(
            ["Filter"], .filter(FilterStep(many, predicate: Plans.isGreater(Plans.column(many, 2), Plans.int(0)))),
            schema: schema, isTable: false)
        let count = 128
        let records = (0..<count).map {
            TestRecord(key: [.int(Int32($0))], value: [.int(Int32($0))], timestamp: Int64($0))
        }
        let task = try QueryTask(Plans.sink(none), functions: functions, formats: TestFormats())
        let result = Plans.feed(task, records[...], cuts: [])
        #expect(result.failure == nil && result.output.isEmpty)
        let odd: [Int64?] = stride(from: 1, to: Int64(count), by: 2).map { $0 }
        #expect(result.log.map(\.timestamp) == odd)
        // More than once, but not as often as there are pieces.
        let evaluated = functions.count.load(ordering: .relaxed)
        #expect(evaluated < 4 * count, "\(evaluated)")
    }

    private final class CountingFunctions: FunctionLibrary {
        let count = Atomic(0)

        func scalar(_ call: FunctionCall, returns type: SQLType) throws(EngineError) -> ScalarCall {
            guard call.function == "COUNTED" else { return try TestFunctions().scalar(call, returns: type) }
            return ScalarCall { [self] values, _ throws(EvaluationFailure) in
                count.add(1, ordering: .relaxed)
                return values[0]
            }
        }

        func aggregate(_ call: AggregateFunctionCall) throws(EngineError) -> AggregateCall {
            try TestFunctions().aggregate(call)
        }

        func table(_ call: TableFunctionCall) throws(EngineError) -> ([SQLValue]) throws(EvaluationFailure) ->
            [SQLValue]
        {
            { values throws(EvaluationFailure) in
                guard let value = values[0].int, value % 2 == 0 else { throw EvaluationFailure("odd") }
                return [SQLValue](repeating: .int(0), count: 4096)
            }
        }
    }

    @Test func `a batch of which all rows fail`() throws {
        let records = (0..<4096).map {
            TestRecord(key: [.int(Int32($0))], value: [.int(1), .int(1)], timestamp: 1)
        }
        let result = try Plans.run(Self.plan(.plain), records, cuts: [])
        #expect(result.log.count == 4096 && result.output.isEmpty)
        #expect(result.log.map(\.timestamp) == records.map { _ in 1 })
    }

    /// Parts cost many times what the rows do: they are for rows that somebody keeps.
    @Test func `rows that fail on their way to the end of the query stay together`() throws {
        let task = try Plans.task(Plans.sink(Self.select(Plans.source("A", values: AggregateTests.values), "Project")))
        let records = (0..<64).map {
            (index: Int32) -> ([UInt8]?, [UInt8]?, Int64, Int64, [SourceBatch.Header]) in
            let place = Int64(index)
            return (TestFormats.bytes([.int(index)]), TestFormats.bytes([.int(index), .int(2)]), place, place, [])
        }
        let result = task.process(SourceBatch(topic: "A", records: records))
        #expect(result.records.count == 1)
        let odd: [Int64?] = stride(from: 1, to: 64, by: 2).map { Int64($0) }
        #expect(result.log.map(\.timestamp) == odd)
    }
}
