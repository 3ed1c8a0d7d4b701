import SQLTypes
import Testing

@testable import SQLFunctions

@Suite struct AggregateTests {
    private static func bind(_ name: String, _ types: [SQLType], _ constants: [SQLValue] = []) throws -> BoundAggregate
    {
        let function = try FunctionCatalog.builtIn.aggregate(name)
        let arguments = types.map { FunctionArgument.type($0) } + constants.map { .type($0.plainType) }
        return try function.bind(arguments, literals: types.map { _ in nil } + constants)
    }

    /// The results after each row.
    private static func results(_ bound: BoundAggregate, _ rows: [[SQLValue]]) throws -> [SQLValue] {
        var calls = Calls()
        var state = bound.implementation.initial
        return try rows.map { row in
            try bound.implementation.add(row, &state, &calls.context)
            return bound.implementation.result(state)
        }
    }

    @Test(
        arguments: [
            ("COUNT", SQLType.string, [SQLValue.string("a"), .null], [SQLValue.bigint(1), .bigint(1)]),
            ("SUM", .int, [.int(.max), .int(1)], [.int(.max), .int(.min)]),
            ("AVG", .int, [.int(1), .null, .int(2)], [.double(1), .double(1), .double(1.5)]),
            ("MIN", .string, [.string("b"), .string("B")], [.string("b"), .string("B")]),
            ("MAX", .date, [.null, .date(3)], [.null, .date(3)]),
            (
                "STDDEV_SAMPLE", .double, [.double(10), .double(12), .double(13)],
                [.double(0), .double(1.4142135623730951), .double(1.5275252316519465)]
            ),
            (
                "STDDEV_SAMP", .double, [.double(10), .double(12), .double(13)],
                [.double(0), .double(2), .double(2.333333333333333)]
            ), ("COLLECT_LIST", .int, [.int(1), .null, .int(1)], [[1], [1, nil], [1, nil, 1]]),
            ("COLLECT_SET", .int, [.int(1), .int(2), .int(1)], [[1], [1, 2], [1, 2]]),
            ("ATTR", .int, [.int(1), .int(1), .null], [1, 1, nil]),
            ("COUNT_DISTINCT", .string, ["a", "b", "a", nil], [.bigint(1), .bigint(2), .bigint(2), .bigint(2)]),
            ("EARLIEST_BY_OFFSET", .int, [nil, 2, 3], [nil, 2, 2]),
            ("LATEST_BY_OFFSET", .int, [1, nil, 3], [1, 1, 3]),
            (
                "HISTOGRAM", .string, ["a", "a"],
                [.map(SQLMap([("a", .bigint(1))])), .map(SQLMap([("a", .bigint(2))]))]
            ), ("SUM_LIST", .array(.int), [[1, 1], [100, nil]], [2, 102]),
        ] as [(String, SQLType, [SQLValue], [SQLValue])])
    func `one column`(name: String, type: SQLType, values: [SQLValue], results: [SQLValue]) throws {
        let bound = try Self.bind(name, [type])
        #expect(try Self.results(bound, values.map { [$0] }) == results)
    }

    /// What stream-lib's HyperLogLog with its MurmurHash counts, worked out by another program.
    @Test func `different values are counted as by the original`() throws {
        func count(_ type: SQLType, _ values: [SQLValue]) throws -> SQLValue? {
            try Self.results(Self.bind("COUNT_DISTINCT", [type]), values.map { [$0] }).last
        }
        #expect(try count(.int, (0..<1000).map { .int($0) }) == .bigint(1002))
        #expect(try count(.bigint, (-50..<50).map { .bigint($0) }) == .bigint(100))
        #expect(try count(.string, (0..<1000).map { .string("user-\($0)") }) == .bigint(990))
        #expect(try count(.string, (0..<500).map { .string("né\($0)") }) == .bigint(501))
        #expect(try count(.double, (0..<700).map { .double(Double($0) / 4) }) == .bigint(705))
        #expect(MurmurHash.hash(Array("a".utf8)) == 713_507_990)
        #expect(MurmurHash.hash(Array("abcdefg".utf8)) == 4_171_643_763)
        #expect(MurmurHash.hash(-5) == 615_997_438)
    }

    @Test func `with constants`() throws {
        let latest = try Self.bind("LATEST_BY_OFFSET", [.int], [2, false])
        #expect(try Self.results(latest, [[1], [nil], [3]]) == [[1], [1, nil], [nil, 3]])
        let earliest = try Self.bind("EARLIEST_BY_OFFSET", [.int], [2])
        #expect(try Self.results(earliest, [[nil], [1], [3], [2]]) == [[], [1], [1, 3], [1, 3]])
        let top = try Self.bind("TOPK", [.int], [2])
        #expect(try Self.results(top, [[1], [3], [3], [2], [nil]]).last == [3, 3])
        let distinct = try Self.bind("TOPKDISTINCT", [.int], [2])
        #expect(try Self.results(distinct, [[1], [3], [3], [2]]).last == [3, 2])
        let columns = try Self.bind("TOPK", [.int, .string], [2])
        #expect(columns.resultType == .array(.structure([SQLField("sort_col", .int), SQLField("col0", .string)])))
        #expect(
            try Self.results(columns, [[1, "a"], [3, "b"], [2, "c"]]).last == [
                .structure([3, "b"]), .structure([2, "c"]),
            ])
    }

    /// States of version 0.1 are arrays of {SEQ, VAL}.
    @Test(arguments: ["LATEST_BY_OFFSET", "EARLIEST_BY_OFFSET"])
    func `a few values by offset go on from earlier states and merge`(name: String) throws {
        let aggregate = try Self.bind(name, [.int], [3]).implementation
        let isLatest = name.hasPrefix("LATEST")
        func old(_ entries: (Int64, Int32)...) -> SQLValue {
            .array(entries.map { .structure([.bigint($0.0), .int($0.1)]) })
        }
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        context.sequence = 20
        var state = old((5, 50), (6, 60))
        for value in [70, 80] as [Int32] { try aggregate.add([.int(value)], &state, &context) }
        #expect(aggregate.result(state) == (isLatest ? [60, 70, 80] : [50, 60, 70]))
        try aggregate.merge(&state, old((1, 10), (21, 75), (90, 90)), &context)
        #expect(aggregate.result(state) == (isLatest ? [75, 80, 90] : [10, 50, 60]))
        state = old((7, 70))
        try aggregate.merge(&state, old((3, 30)), &context)
        #expect(aggregate.result(state) == [30, 70])
        try aggregate.merge(&state, aggregate.initial, &context)
        #expect(aggregate.result(state) == [30, 70])
        #expect(aggregate.result(aggregate.initial) == [])
    }

    @Test func `correlation`() throws {
        let bound = try Self.bind("CORRELATION", [.bigint, .bigint])
        let rows: [[SQLValue]] = [[.bigint(1), .bigint(8)], [.bigint(-3), .bigint(-2)], [.bigint(-1), .null]]
        let results = try Self.results(bound, rows)
        #expect(results[0] == .double(.nan))
        #expect(results[1] == .double(1))
        #expect(results[2] == .double(1))
    }

    @Test func `a sum that its type cannot hold is an error`() throws {
        let bound = try Self.bind("SUM", [.decimal(precision: 3, scale: 1)])
        let row = SQLValue.decimal(SQLDecimal(unscaled: 609, scale: 1))
        #expect(throws: EvaluationError.self) { try Self.results(bound, [[row], [row]]) }
        #expect(try Self.results(bound, [[row]]) == [row])
    }

    /// Rows that are added and taken out again leave what was there before; two halves merged are the whole.
    @Test(arguments: [
        "COUNT", "SUM", "AVG", "COLLECT_LIST", "HISTOGRAM", "ATTR", "MIN", "MAX", "COLLECT_SET", "COUNT_DISTINCT",
        "LATEST_BY_OFFSET", "EARLIEST_BY_OFFSET",
    ])
    func `undo and merge`(name: String) throws {
        let type: SQLType = name == "HISTOGRAM" ? .string : .int
        let bound = try Self.bind(name, [type])
        let aggregate = bound.implementation
        var calls = Calls()
        let values: [SQLValue] = (0..<40).map { type == .int ? .int($0 % 7) : .string("\($0 % 7)") }
        var (whole, first, second) = (aggregate.initial, aggregate.initial, aggregate.initial)
        for (index, value) in values.enumerated() {
            try aggregate.add([value], &whole, &calls.context)
            if index < 20 { try aggregate.add([value], &first, &calls.context) }
        }
        for value in values[20...] { try aggregate.add([value], &second, &calls.context) }
        try aggregate.merge(&first, second, &calls.context)
        #expect(aggregate.result(first) == aggregate.result(whole))
        #expect((aggregate.undo != nil) == bound.hasUndo)
        guard let undo = aggregate.undo else { return }
        for value in values[10...].reversed() { try undo([value], &whole, &calls.context) }
        var expected = aggregate.initial
        for value in values[..<10] { try aggregate.add([value], &expected, &calls.context) }
        #expect(aggregate.result(whole) == aggregate.result(expected))
    }

    @Test func `a count of many different values is close`() throws {
        let bound = try Self.bind("COUNT_DISTINCT", [.int])
        var calls = Calls()
        var state = bound.implementation.initial
        for value in 0..<20_000 { try bound.implementation.add([.int(Int32(value))], &state, &calls.context) }
        let count = bound.implementation.result(state).bigint ?? 0
        #expect(abs(count - 20_000) < 500)
    }

    @Test func `limits of collections`() throws {
        let bound = try Self.bind("COLLECT_LIST", [.int])
        var calls = Calls(limits: FunctionLimits(properties: ["ksql.functions.collect_list.limit": "2"]))
        var state = bound.implementation.initial
        for value in 0..<5 { try bound.implementation.add([.int(Int32(value))], &state, &calls.context) }
        #expect(bound.implementation.result(state) == [0, 1])
    }

    @Test func `table functions`() throws {
        var calls = Calls()
        let explode = try FunctionCatalog.builtIn.table("explode").bind([.type(.array(.int))])
        #expect(explode.returnType == .int)
        #expect(try explode([[1, nil]], &calls.context) == [1, nil])
        #expect(try explode([nil], &calls.context) == [])
        let cube = try FunctionCatalog.builtIn.table("cube_explode").bind([.type(.array(.int))])
        #expect(
            try cube([[1, nil, 2]], &calls.context) == [[nil, nil, nil], [nil, nil, 2], [1, nil, nil], [1, nil, 2]])
        #expect(throws: EvaluationError.self) { try cube([.array(Array(repeating: 1, count: 40))], &calls.context) }
    }
}
