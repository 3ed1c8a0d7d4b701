import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes
import Testing

@testable import StreamEngine

/// What becomes of a column where a part of it fails. Expected values are what the original's generated code gives, by
/// its SqlToJavaVisitor and LikeEvaluator.
@Suite struct NestedErrorTests {
    private static let columns: [RowSchema.Column] = [
        .init("I", .int), .init("L", .bigint), .init("D", .double), .init("S", .string), .init("N", .string),
        .init("T", .timestamp), .init("A", .array(.string)), .init("Z", .double),
    ]
    private static let row: [SQLValue] = [
        .int(7), .bigint(9), .double(-4), .string("Hello"), .null, .timestamp(0),
        .array([.string("b"), .string("1"), .null]), .double(0),
    ]

    private struct NoQuery: Error {}

    private static func bound(_ text: String) throws -> TypedExpression {
        guard
            case .query(let query)? = try SQLParser.script("SELECT \(text) AS X FROM Y EMIT CHANGES;").first?.statement,
            case .single(let expression, _)? = query.select.first
        else { throw NoQuery() }
        return try ExpressionBinder(columns, functions: .builtIn).bind(expression).folded()
    }

    /// The value of an expression as text, and whether something of it was logged.
    private static func value(
        _ text: String, properties: [String: String] = [:], limits change: (inout FunctionLimits) -> Void = { _ in }
    ) throws -> (SQLValue, isLogged: Bool) {
        let bound = try bound(text)
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        context.limits = FunctionLimits(properties: properties)
        change(&context.limits)
        let compiled = try CompiledExpression(bound, functions: SQLFunctionLibrary(context: context))
        var failures: [CompiledExpression.Failure] = []
        let vectors = columns.indices.map { Vector([row[$0]], columns[$0].type) }
        let result = compiled.evaluate(vectors, count: 1, failures: &failures)
        return (result.value(0, bound.type), !failures.isEmpty)
    }

    @Test(
        arguments: [
            ("COALESCE(CAST(S AS INT), 0)", .int(0)), ("CAST(S AS INT) IS NULL", .boolean(true)),
            ("CASE WHEN CAST(S AS INT) IS NULL THEN 'bad' ELSE 'ok' END", .string("bad")),
            ("ARRAY[1, 1/0, 2]", .array([.int(1), .null, .int(2)])),
            (
                "MAP('a' := 1/0, 'b' := 2)",
                .map(SQLMap([(key: .string("a"), value: .null), (key: .string("b"), value: .int(2))]))
            ),
            ("STRUCT(OK := I, BAD := CAST('x' AS INT))", .structure([.int(7), .null])),
            ("TRANSFORM(A, Z => CAST(Z AS INT))", .array([.null, .int(1), .null])),
            ("CAST(S AS INT) = 7", .boolean(false)), ("CAST(1/0 AS STRING) IS NULL", .boolean(true)),
            ("IFNULL(EXTRACTJSONFIELD('bad', '$.a'), 'none')", .string("none")),
            // Nothing guards these.
            ("EXTRACTJSONFIELD('bad', '$.a') IS NULL", .null), ("ABS(1/0) IS NULL", .null), ("1/0 = L", .null),
            ("COALESCE(1/0, 3)", .null), ("T = S", .null), ("CAST(S AS INT) + 1", .null), ("1/0", .null),
            ("N LIKE 'a%'", .null), ("N NOT LIKE 'a%'", .null), ("S LIKE N", .null), ("S LIKE 'a!' ESCAPE '!'", .null),
        ] as [(String, SQLValue)])
    func `a part that fails is null where the original guards it`(text: String, expected: SQLValue) throws {
        let (value, isLogged) = try Self.value(text)
        #expect(value == expected)
        #expect(isLogged)
    }

    /// `A` has three elements, and `I` is 7. Each call of a function counts by itself.
    @Test(
        arguments: [
            ("ARRAY_LENGTH(TRANSFORM(A, Y => ARRAY_LENGTH(TRANSFORM(A, Z => 1))))", 100, 3),
            ("ARRAY_LENGTH(TRANSFORM(A, Y => ARRAY_LENGTH(TRANSFORM(A, Z => 1))))", 4, nil),
            ("ARRAY_LENGTH(TRANSFORM(A, Y => ARRAY_LENGTH(GENERATE_SERIES(1, I * 100))))", 10_000, 3),
            ("ARRAY_LENGTH(TRANSFORM(A, Y => ARRAY_LENGTH(GENERATE_SERIES(1, I * 1000))))", 200, nil),
            ("ARRAY_LENGTH(TRANSFORM(A, Y => 1)) + ARRAY_LENGTH(TRANSFORM(A, Y => 1))", 3, 6),
        ] as [(String, Int, Int32?)])
    func `lambdas in lambdas have an end`(text: String, stepsMax: Int, expected: Int32?) throws {
        let (value, isLogged) = try Self.value(text) { $0.lambdaStepsMax = stepsMax }
        #expect(value == expected.map { SQLValue.int($0) } ?? .null)
        #expect(isLogged == (expected == nil))
    }

    /// `S` is "Hello". By kernels and by the interpreter, which INSERT VALUES and pull queries use.
    @Test(
        arguments: [
            ("REDUCE(GENERATE_SERIES(1, 40), 'x', (T, Y) => T + T)", nil),
            ("REDUCE(GENERATE_SERIES(1, 40), 'x', (T, Y) => CONCAT(T, T))", nil),
            ("REDUCE(GENERATE_SERIES(1, 40), S, (T, Y) => LCASE(T) + T)", nil),
            ("REDUCE(GENERATE_SERIES(1, 40), ARRAY['x'], (T, Y) => ARRAY_CONCAT(T, T))", nil),
            ("S + LPAD(S, 9990, 'x') + S + S", nil), ("CONCAT(S, LPAD(S, 9990, 'x'), S, S)", nil),
            ("LEN(S + LPAD(S, 9990, 'x') + S)", .int(10_000)), ("LEN(CONCAT(S, LPAD(S, 9990, 'x'), S))", .int(10_000)),
            // What lambdas return, whatever made it: some 4 KB each time, or 5000 elements.
            ("TRANSFORM(GENERATE_SERIES(1, 300), Y => LPAD(S, 4096, 'x'))", nil),
            ("ARRAY_LENGTH(TRANSFORM(GENERATE_SERIES(1, 200), Y => LPAD(S, 4096, 'x')))", .int(200)),
            ("REDUCE(GENERATE_SERIES(1, 500), LPAD(S, 4096, 'x'), (T, Y) => T)", nil),
            ("LEN(REDUCE(GENERATE_SERIES(1, 200), LPAD(S, 4096, 'x'), (T, Y) => T))", .int(4096)),
            ("REDUCE(GENERATE_SERIES(1, 400), LPAD(S, 4096, 'x'), (T, Y) => UCASE(T))", nil),
            ("REDUCE(GENERATE_SERIES(1, 500), LPAD(S, 4096, 'x'), (T, Y) => CASE WHEN LEN(T) > 0 THEN T END)", nil),
            ("REDUCE(GENERATE_SERIES(1, 400), GENERATE_SERIES(1, 5000), (T, Y) => T)", nil),
            // Lists and texts that grow step by step.
            ("ARRAY_LENGTH(REDUCE(GENERATE_SERIES(1, 300), ARRAY[0], (T, Y) => ARRAY_CONCAT(T, ARRAY[Y])))", .int(301)),
            ("LEN(REDUCE(GENERATE_SERIES(1, 400), S, (T, Y) => CONCAT_WS(',', T, S)))", .int(2405)),
            (
                "ARRAY_LENGTH(FILTER(GENERATE_SERIES(1, 300), Y => ARRAY_LENGTH(SLICE(GENERATE_SERIES(1, 100), 1, 100)) > 0))",
                .int(300)
            ),
        ] as [(String, SQLValue?)])
    func `what expressions build has a bound`(text: String, expected: SQLValue?) throws {
        func change(_ limits: inout FunctionLimits) {
            limits.byteCountMax = 10_000
            limits.elementsMax = 10_000
            limits.keptByteCountMax = 1_000_000
            limits.lambdaStepsMax = 2000
        }
        let (value, isLogged) = try Self.value(text, limits: change)
        #expect(value == expected ?? .null)
        #expect(isLogged == (expected == nil))
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        change(&context.limits)
        let interpreted = try? ExpressionInterpreter(.builtIn).evaluate(Self.bound(text), row: Self.row, &context)
        #expect(interpreted == expected)
    }

    /// Each step copies what is there so far: some ten million elements in all.
    @Test func `a list of thousands grows by one each time`() throws {
        let (value, isLogged) = try Self.value(
            "ARRAY_LENGTH(REDUCE(GENERATE_SERIES(1, 4600), ARRAY[0], (T, Y) => ARRAY_CONCAT(T, ARRAY[Y])))")
        #expect(value == .int(4601))
        #expect(!isLogged)
    }

    @Test func `only the row whose text is too long fails`() throws {
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        context.limits.byteCountMax = 8
        let compiled = try CompiledExpression(
            Self.bound("CONCAT(S, N, S)"), functions: SQLFunctionLibrary(context: context))
        let texts = ["ab", "abcde", "é", nil, "abcde", "abcd", "c"].map { $0.map { SQLValue.string($0) } ?? .null }
        let vectors = Self.columns.map { column in
            Vector(column.name == "S" ? texts : texts.map { _ in .null }, column.type)
        }
        var failures: [CompiledExpression.Failure] = []
        let result = compiled.evaluate(vectors, count: texts.count, failures: &failures)
        #expect(
            texts.indices.map { result.value($0, .string).string }
                == ["abab", nil, "éé", "", nil, "abcdabcd", "cc"])
        #expect(failures.map(\.row) == [1, 4])
        #expect(failures.allSatisfy { $0.message == "the result of CONCAT is too long" })
    }

    @Test(arguments: ["COALESCE(CAST(S AS INT), 0)", "ARRAY[1, 1/0, 2]", "IFNULL(EXTRACTJSONFIELD('bad', '$.a'), 'x')"])
    func `a property makes all of it null`(text: String) throws {
        let (value, isLogged) = try Self.value(text, properties: ["ksql.nested.error.set.null": "false"])
        #expect(value == .null)
        #expect(isLogged)
    }

    /// Java's operators; IN goes by `equals`.
    @Test(
        arguments: [
            ("SQRT(D) > 100", false), ("Z/Z = Z/Z", false), ("Z/Z <> Z/Z", false), ("Z*-1 = 0", true),
            ("Z*-1 < Z", false), ("Z/Z IS DISTINCT FROM Z", false), ("D IS DISTINCT FROM Z", true),
            ("SQRT(D) BETWEEN 0 AND 1e9", false), ("Z*-1 BETWEEN 0 AND 1", true), ("SQRT(D) IN (SQRT(D))", true),
            ("Z*-1 IN (0e0)", false), ("0e0/0e0 = 0e0/0e0", false), ("Z >= 0", true), ("D < Z", true), ("Z <> D", true),
            ("CASE WHEN Z*-1 = 0 THEN TRUE ELSE FALSE END", true),
        ])
    func `doubles compare as numbers`(text: String, expected: Bool) throws {
        let (value, isLogged) = try Self.value(text)
        #expect(value == .boolean(expected))
        #expect(!isLogged)
    }
}
