import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes
import Testing

@Suite struct ExpressionTests {
    private static let columns: [RowSchema.Column] = [
        .init("B", .boolean), .init("I", .int), .init("L", .bigint), .init("D", .double),
        .init("N", .decimal(precision: 5, scale: 2)), .init("S", .string), .init("A", .array(.int)),
        .init("M", .map(key: .string, value: .bigint)), .init("T", .timestamp),
    ]

    private static func bind(_ text: String) throws -> TypedExpression {
        guard
            case .query(let query)? = try SQLParser.script("SELECT \(text) FROM X EMIT CHANGES;").first?.statement,
            case .single(let expression, _)? = query.select.first
        else { throw Lab.Missing(id: text) }
        return try ExpressionBinder(columns, functions: .builtIn).bind(expression)
    }

    @Test(arguments: [
        ("I + L", "BIGINT"), ("I + D", "DOUBLE"), ("I + N", "DECIMAL(13, 2)"), ("N * N", "DECIMAL(11, 4)"),
        ("S + 'x'", "STRING"), ("I > L", "BOOLEAN"), ("A[1]", "INTEGER"), ("M['x']", "BIGINT"),
        ("CASE WHEN B THEN I ELSE L END", "BIGINT"), ("ARRAY[I, L]", "ARRAY<BIGINT>"),
        ("MAP('a' := I)", "MAP<STRING, INTEGER>"), ("STRUCT(X := I)", "STRUCT<`X` INTEGER>"),
        ("CAST(S AS DECIMAL(4, 1))", "DECIMAL(4, 1)"), ("S LIKE 'a%'", "BOOLEAN"), ("I IN (1, 2)", "BOOLEAN"),
        ("TRANSFORM(A, X => X + L)", "ARRAY<BIGINT>"), ("I BETWEEN 1 AND 3", "BOOLEAN"), ("-N", "DECIMAL(5, 2)"),
        // Literals have a digit before the point.
        ("0.5", "DECIMAL(2, 1)"), ("-0.005", "DECIMAL(4, 3)"), (".05", "DECIMAL(3, 2)"), ("0.00", "DECIMAL(3, 2)"),
        ("12.50", "DECIMAL(4, 2)"), ("I * 0.05", "DECIMAL(14, 2)"), ("ARRAY[0.5, 1.25]", "ARRAY<DECIMAL(3, 2)>"),
    ])
    func `expressions have types`(text: String, type: String) throws {
        #expect(try Self.bind(text).type.description == type)
    }

    @Test(arguments: [
        "I + 'x'", "B + 1", "S > 1", "A['x']", "NOT I", "M + 1", "CASE WHEN I THEN 1 END", "UCASE(I)", "NOTHING",
        "CASE WHEN B THEN 1 ELSE 'x' END", "ARRAY[1, TRUE]", "I AND B", "S BETWEEN 1 AND 2",
    ])
    func `types that do not fit are refused`(text: String) {
        #expect(throws: PlanError.self) { try Self.bind(text) }
    }

    @Test(arguments: [
        ("1 + 2 * 3", "7"), ("CAST('12' AS INT) + 1", "13"), ("UCASE('a') + 'b'", "'Ab'"), ("1 > 2 OR 3 > 2", "TRUE"),
        ("CASE WHEN 1 = 2 THEN 'x' ELSE 'y' END", "'y'"), ("'abc' LIKE 'a_c'", "TRUE"), ("ARRAY[4, 5][-1]", "5"),
        ("2 BETWEEN 1 AND 3", "TRUE"), ("3 IN (1, 2)", "FALSE"),
    ])
    func `constants are computed once`(text: String, value: String) throws {
        #expect(try Self.bind(text).folded(.builtIn).node == Self.bind(value).node)
    }

    /// The original looks at the index only where there is an array.
    @Test func `an element of null is null at any index`() throws {
        let expression = try Self.bind("COALESCE(A[I], 5)")
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        let nulls = [SQLValue](repeating: .null, count: Self.columns.count)
        #expect(try ExpressionInterpreter(.builtIn).evaluate(expression, row: nulls, &context) == .int(5))
        var row = nulls
        row[6] = .array([.int(1)])
        #expect(throws: EvaluationError.self) {
            try ExpressionInterpreter(.builtIn).evaluate(expression, row: row, &context)
        }
    }

    @Test func `what fails stays to fail for each row`() throws {
        let folded = try Self.bind("1 / 0").folded(.builtIn)
        if case .literal = folded.node { Issue.record("1 / 0 has a value") }
    }

    /// Whatever is asked is answered or refused.
    @Test func `random queries never trap`() throws {
        var random = Generator(state: 7)
        let lab = try Lab(
            """
            CREATE STREAM X (K INT KEY, B BOOLEAN, I INT, L BIGINT, D DOUBLE, N DECIMAL(5, 2), S STRING, A ARRAY<INT>,
              M MAP<STRING, BIGINT>, T TIMESTAMP) WITH (KAFKA_TOPIC='x', VALUE_FORMAT='JSON');
            CREATE TABLE Y (K INT PRIMARY KEY, V STRING) WITH (KAFKA_TOPIC='y', VALUE_FORMAT='JSON');
            """)
        var planned = 0
        var evaluated = 0
        let row: [SQLValue] = [
            .boolean(true), .int(.max), .bigint(.min), .double(.nan), .null, .string("é\u{0}"), .array([]), .null,
            .null,
        ]
        let interpreter = ExpressionInterpreter(.builtIn)
        var context = EvaluationContext(now: { 0 }, random: { 0 })
        for _ in 0..<3000 {
            let text = random.query()
            guard let statements = try? SQLParser.script(text) else { continue }
            for statement in statements {
                var catalog = lab.catalog
                if (try? lab.executor.execute(statement.statement, text: statement.text, in: &catalog)) != nil {
                    planned += 1
                    for query in catalog.allQueries { _ = query.plan.explanation }
                }
            }
            if let bound = try? Self.bind(random.expression(3)) {
                _ = try? interpreter.evaluate(bound.folded(.builtIn), row: row, &context)
                evaluated += 1
            }
        }
        #expect(planned > 50)
        #expect(evaluated > 50)
    }

    private struct Generator {
        var state: UInt64

        mutating func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }

        mutating func pick(_ choices: [String]) -> String { choices[next(choices.count)] }

        mutating func expression(_ depth: Int) -> String {
            if depth == 0 || next(4) == 0 {
                return pick([
                    "B", "I", "L", "D", "N", "S", "A", "M", "T", "1", "-2147483648", "9223372036854775807", "1.5",
                    "2E300",
                    "'a'", "'12'", "NULL", "TRUE", "K", "ROWTIME", "X.I", "Y.V", "''",
                ])
            }
            let (a, b, c) = (expression(depth - 1), expression(depth - 1), expression(depth - 1))
            switch next(16) {
            case 0: return "(\(a) \(pick(["+", "-", "*", "/", "%"])) \(b))"
            case 1: return "(\(a) \(pick(["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"])) \(b))"
            case 2: return "(\(a) \(pick(["AND", "OR"])) \(b))"
            case 3: return "NOT (\(a))"
            case 4: return "CAST(\(a) AS \(pick(["INT", "STRING", "DECIMAL(3, 1)", "DATE", "ARRAY<STRING>", "BYTES"])))"
            case 5: return "CASE WHEN \(a) THEN \(b) ELSE \(c) END"
            case 6: return "CASE \(a) WHEN \(b) THEN \(c) END"
            case 7: return "\(a)[\(b)]"
            case 8: return "ARRAY[\(a), \(b)]"
            case 9: return "MAP(\(a) := \(b))"
            case 10: return "STRUCT(F := \(a), G := \(b))->\(pick(["F", "G", "H"]))"
            case 11: return "(\(a) BETWEEN \(b) AND \(c))"
            case 12: return "(\(a) IN (\(b), \(c)))"
            case 13: return "(\(a) LIKE \(b))"
            case 14:
                return
                    "\(pick(["UCASE", "ABS", "LEN", "COUNT", "SUM", "MAX", "EXPLODE", "COALESCE", "COLLECT_LIST", "NOFUNC"]))(\(a))"
            default: return "\(pick(["TRANSFORM", "FILTER", "REDUCE"]))(\(a), Q => \(b))"
            }
        }

        mutating func query() -> String {
            var items: [String] = []
            for index in 0...next(3) {
                items.append(pick(["*", "K", "X.*", expression(2), expression(3) + " AS C\(index)"]))
            }
            var text = "CREATE \(pick(["STREAM", "TABLE"])) R AS SELECT \(items.joined(separator: ", ")) FROM X "
            if next(3) == 0 {
                text += "\(pick(["", "LEFT"])) JOIN Y ON \(pick(["X.K = Y.K", "I = Y.K", "S = V", "X.K + 1 = Y.K"])) "
            }
            if next(4) == 0 {
                text +=
                    "WINDOW \(pick(["TUMBLING (SIZE 1 HOUR)", "SESSION (0 SECONDS)", "HOPPING (SIZE 1 HOUR, ADVANCE BY 2 HOURS)"])) "
            }
            if next(3) == 0 { text += "WHERE \(expression(2)) " }
            if next(2) == 0 {
                text += "GROUP BY \(pick(["K", "I, L", expression(2)])) "
                if next(2) == 0 { text += "HAVING \(expression(2)) " }
            } else if next(3) == 0 {
                text += "PARTITION BY \(pick(["I", "NULL", "I, S", expression(2)])) "
            }
            return text + "EMIT CHANGES;"
        }
    }
}
