import SQLPlan
import SQLTypes
import Testing

@testable import StreamEngine

/// Times of joins, by hand from Kafka Streams' sources: `JoinWindows`, `KStreamKStreamJoin`,
/// `ForeignTableJoinProcessorSupplier` and `SubscriptionJoinProcessorSupplier`.
@Suite struct JoinTimeTests {
    private static let values = [Plans.Column("A", .int)]

    private static func record(_ topic: String, _ key: Int32, _ value: Int32?, _ time: Int64) -> TestRecord {
        TestRecord(topic: topic, key: [.int(key)], value: value.map { [.int($0)] }, timestamp: time)
    }

    private static func streams(_ kind: JoinKind, before: Int64, after: Int64, grace: Int64? = nil) -> PhysicalPlan {
        let join = StreamStreamJoinStep(
            left: Plans.source("A", values: values), right: Plans.source("B", values: values), kind: kind,
            columns: [.key(0), .left(1), .right(1)], before: before, after: after, grace: grace, leftStore: Plans.store,
            rightStore: Plans.store)
        let schema = RowSchema(keys: [Plans.Column("K", .int)], values: ["LA", "RA"].map { Plans.Column($0, .int) })
        return Plans.sink(PlanStep(["Join"], .streamStreamJoin(join), schema: schema, isTable: false))
    }

    /// Right rows 4 before and 4 after the left one, within (10 before, 1 after).
    @Test(
        arguments: [
            (.inner, ["96", "-"]), (.left, ["96", "-"]), (.right, ["-", "104"]), (.full, ["96", "-"]),
        ] as [(JoinKind, [String])])
    func `what is before and after is counted from the side that a join keeps`(
        kind: JoinKind, expected: [String]
    ) throws {
        for (time, text) in zip([96, 104] as [Int64], expected) {
            let records = [Self.record("A", 1, 7, 100), Self.record("B", 1, 8, time)]
            let output = try Plans.run(Self.streams(kind, before: 10, after: 1), records).output
            let pairs = output.filter { $0.value == [.int(7), .int(8)] }
            #expect(pairs.map(\.timestamp) == (text == "-" ? [] : [max(100, time)]), "\(kind) \(time): \(output)")
        }
    }

    /// Two hours for rows to meet and 22 of the default grace period: a day, counted from the latest row of the side.
    @Test(arguments: [(0, false), (1, true)] as [(Int64, Bool)])
    func `rows are kept for a day where nothing is said about grace`(later: Int64, isJoined: Bool) throws {
        let hour: Int64 = 3_600_000
        let old = 76 * hour + later
        let records = [Self.record("A", 1, 7, old), Self.record("A", 1, 9, 100 * hour), Self.record("B", 1, 8, old)]
        let output = try Plans.run(Self.streams(.inner, before: hour, after: hour), records).output
        #expect(output.count == (isJoined ? 1 : 0), "\(output)")
        let join = Self.streams(.inner, before: 20 * hour, after: 5 * hour)
        guard case .sink(let sink) = join.root.operation, case .streamStreamJoin(let step) = sink.input.operation else {
            Issue.record("\(join.root)")
            return
        }
        #expect(step.retention == 25 * hour)
    }

    /// A look at the rows that wait ends at the last of them, and the next is made when that one would have closed.
    @Test func `unmatched rows leave together when the last of them closes`() throws {
        let records = [
            Self.record("A", 1, 7, 0), Self.record("A", 2, 7, 5), Self.record("A", 3, 7, 9), Self.record("A", 4, 7, 12),
            Self.record("A", 5, 7, 17), Self.record("B", 5, 8, 17), Self.record("A", 6, 7, 20),
        ]
        let output = try Plans.run(Self.streams(.left, before: 10, after: 10, grace: 0), records).output
        #expect(output.map { $0.key?[0] } == [.int(1), .int(5), .int(2), .int(3)])
        #expect(output.map(\.timestamp) == [0, 17, 5, 9])
    }

    /// Right rows stay open for long here, and left ones close at once: each of these looks where the next one begins.
    @Test func `what a record lets go is found without a walk over all rows that wait`() throws {
        let count = 5000
        let right = (0..<count).map { Self.record("B", Int32($0), 8, 2 * Int64($0)) }
        let left = (0..<count).map { Self.record("A", -1 - Int32($0), 7, Int64(2 * count + $0)) }
        for records in [right + left, right.reversed() + left] {
            let result = try Plans.run(
                Self.streams(.full, before: 10_000, after: 1, grace: 0), records, cuts: [])
            #expect(result.output.count { $0.value?[1] == .null } > count - 5)
            var lookCount = 0
            func add(_ step: Operator) {
                for part in step.stores.flatMap(\.parts) { lookCount += (part as? TimeOrderedBuffer)?.lookCount ?? 0 }
                for input in step.inputs { add(input) }
            }
            add(result.task.top)
            #expect(lookCount > count && lookCount < 2 * count * 60, "\(lookCount)")
        }
    }

    /// What a record lets go is asked of the window of its own side.
    @Test func `a record looks as far as its own side reaches`() throws {
        let records = [Self.record("A", 1, 7, 5), Self.record("B", 2, 8, 7), Self.record("B", 2, 8, 15)]
        let plan = Self.streams(.left, before: 10, after: 0, grace: 0)
        #expect(try Plans.run(plan, records).output.isEmpty)
        let left = try Plans.run(plan, records + [Self.record("A", 3, 7, 15)]).output
        #expect(left.map(\.timestamp) == [5])
        let right = try Plans.run(plan, records + [Self.record("B", 3, 7, 16)]).output
        #expect(right.map(\.timestamp) == [5])
    }

    /// A join on a foreign key keeps no results, so that nobody knows whether there is something to delete.
    @Test(arguments: [false, true])
    func `what does not fulfil WHERE behind a foreign key join is deleted each time`(isGrouped: Bool) throws {
        let left = Plans.source("A", values: Self.values, isTable: true)
        let join = ForeignKeyJoinStep(
            left: left, right: Plans.source("B", values: Self.values, isTable: true), kind: .inner,
            columns: [.key(0), .left(1), .right(1)], foreignKey: Plans.column(left, 1), formats: Plans.formats)
        let schema = RowSchema(keys: [Plans.Column("K", .int)], values: ["LA", "RA"].map { Plans.Column($0, .int) })
        let joined = PlanStep(["Join"], .foreignKeyJoin(join), schema: schema, isTable: true)
        let filter = PlanStep(
            ["WhereFilter"],
            .filter(FilterStep(joined, predicate: Plans.isGreater(Plans.column(joined, 2), Plans.int(10)))),
            schema: schema, isTable: true)
        let records = [
            Self.record("B", 5, 1, 50), Self.record("A", 1, 5, 51), Self.record("B", 5, 20, 52),
            Self.record("B", 5, 2, 53), Self.record("B", 5, 3, 54), Self.record("A", 1, nil, 55),
        ]
        guard isGrouped else {
            let output = try Plans.run(Plans.sink(filter), records).output
            #expect(output.map(\.timestamp) == [51, 52, 53, 54, 55])
            #expect(output.map { $0.value?[1] } == [nil, .int(20), nil, nil, nil])
            return
        }
        // A group knows what was there.
        let group = Plans.group(filter, by: [Plans.column(filter, 0)])
        let count = Plans.aggregate(group, [Plans.call("COUNT", [], .bigint)])
        let output = try Plans.run(Plans.sink(count), records).output
        #expect(output.map(\.timestamp) == [52, 53])
        #expect(output.map { $0.value?[0] } == [.bigint(1), .bigint(0)])
    }

    @Test(arguments: [JoinKind.inner, .left])
    func `a foreign key join takes the time of the right row that changes, and of the later one otherwise`(
        kind: JoinKind
    ) throws {
        let left = Plans.source("A", values: Self.values, isTable: true)
        let join = ForeignKeyJoinStep(
            left: left, right: Plans.source("B", values: Self.values, isTable: true), kind: kind,
            columns: [.key(0), .left(1), .right(1)], foreignKey: Plans.column(left, 1), formats: Plans.formats)
        let schema = RowSchema(keys: [Plans.Column("K", .int)], values: ["LA", "RA"].map { Plans.Column($0, .int) })
        let plan = Plans.sink(PlanStep(["Join"], .foreignKeyJoin(join), schema: schema, isTable: true))
        let records = [
            Self.record("B", 5, 1, 50), Self.record("A", 1, 5, 100), Self.record("B", 5, 2, 60),
            Self.record("A", 1, 5, 40), Self.record("A", 1, nil, 20),
        ]
        let output = try Plans.run(plan, records).output
        // A deletion looks the right row up as well, unless unmatched rows are kept.
        #expect(output.map(\.timestamp) == [100, 60, 60, kind == .left ? 20 : 60])
        #expect(output.map { $0.value?[1] } == [.int(1), .int(2), .int(2), nil])
    }

    /// A reference that becomes null deletes the result of an inner join.
    @Test func `a row that refers to nothing any more is deleted at the later time`() throws {
        let left = Plans.source("A", values: Self.values, isTable: true)
        let join = ForeignKeyJoinStep(
            left: left, right: Plans.source("B", values: Self.values, isTable: true), kind: .inner,
            columns: [.key(0), .left(1), .right(1)], foreignKey: Plans.column(left, 1), formats: Plans.formats)
        let schema = RowSchema(keys: [Plans.Column("K", .int)], values: ["LA", "RA"].map { Plans.Column($0, .int) })
        let plan = Plans.sink(PlanStep(["Join"], .foreignKeyJoin(join), schema: schema, isTable: true))
        let records = [
            Self.record("B", 5, 1, 50), Self.record("A", 1, 5, 10),
            TestRecord(topic: "A", key: [.int(1)], value: [.null], timestamp: 30),
        ]
        #expect(try Plans.run(plan, records).output.map(\.timestamp) == [50, 50])
    }

    @Test func `a record without a key has no window`() throws {
        var step = Plans.source("A", values: Self.values, window: WindowInfo(.tumbling, size: 10))
        guard case .source(var source) = step.operation else {
            Issue.record("\(step)")
            return
        }
        source.origins += [.pseudo(.windowStart), .pseudo(.windowEnd)]
        step.operation = .source(source)
        let bounds = ["S", "E"].map { Plans.Column($0, .bigint) }
        step.schema = RowSchema(keys: Array(step.schema.keys), values: Self.values + bounds, window: source.window)
        let records = [
            TestRecord(key: [.int(1)], value: [.int(7)], timestamp: 25, window: [20]),
            TestRecord(key: nil, value: [.int(8)], timestamp: 26),
        ]
        let output = try Plans.run(Plans.sink(step), records).output
        #expect(output.map(\.value) == [[.int(7), .bigint(20), .bigint(30)], [.int(8), .null, .null]])
    }
}
