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

    /// The value of an expression as text, and whether something of it was logged.
    private static func value(
        _ text: String, properties: [String: String] = [:], lambdaStepsMax: Int? = nil
    ) throws -> (SQLValue, isLogged: Bool) {
        guard
            case .query(let query)? = try SQLParser.script("SELECT \(text) AS X FROM Y EMIT CHANGES;").first?.statement,
            case .single(let expression, _)? = query.select.first
        else { throw NoQuery() }
        let bound = try ExpressionBinder(columns, functions: .builtIn).bind(expression).folded()
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        context.limits = FunctionLimits(properties: properties)
        if let lambdaStepsMax { context.limits.lambdaStepsMax = lambdaStepsMax }
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
            ("ARRAY_LENGTH(TRANSFORM(A, Y => ARRAY_LENGTH(GENERATE_SERIES(1, I * 100))))", 500, nil),
            ("ARRAY_LENGTH(TRANSFORM(A, Y => 1)) + ARRAY_LENGTH(TRANSFORM(A, Y => 1))", 3, 6),
        ] as [(String, Int, Int32?)])
    func `lambdas in lambdas have an end`(text: String, stepsMax: Int, expected: Int32?) throws {
        let (value, isLogged) = try Self.value(text, lambdaStepsMax: stepsMax)
        #expect(value == expected.map { SQLValue.int($0) } ?? .null)
        #expect(isLogged == (expected == nil))
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
