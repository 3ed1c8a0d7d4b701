import Testing

@testable import SQLSyntax

@Suite struct ExpressionTests {
    /// Text and its canonical form. The forms are those of ksqlDB's ExpressionFormatter: operations in parentheses, unquoted
    /// names in upper case; by hand from the grammar's precedence.
    static let forms: [(String, String)] = [
        ("a", "A"), ("`a`", "`a`"), ("\"Mixed\"", "`Mixed`"), ("`ID`", "ID"), ("`a``b`", "`a``b`"),
        ("\"a\"\"b\"", "`a\"b`"),
        ("`select`", "`select`"), ("`SELECT`", "`SELECT`"), ("`1a`", "`1a`"), ("1a", "1A"), ("`1E3`", "`1E3`"),
        ("`12`", "`12`"), ("x@y", "X@Y"), ("source.col", "SOURCE.COL"), ("s.`c`", "S.`c`"), ("``", "``"),
        // Words that are not reserved.
        ("key", "KEY"), ("date", "DATE"), ("array", "ARRAY"), ("map", "MAP"), ("id + second", "(ID + SECOND)"),
        // Literals.
        ("1", "1"), ("-1", "-1"), ("2147483648", "2147483648"), ("-2147483648", "-2147483648"),
        ("-9223372036854775808", "-9223372036854775808"), ("007", "7"), ("1.50", "1.50"), (".5", "0.5"), ("5.", "5."),
        ("-00.10", "-0.10"), ("1e3", "1E3"), ("1.5E-2", "1.5E-2"), ("-.5e+1", "-5E0"), ("0e0", "0E0"),
        ("123.456e7", "1.23456E9"),
        ("1e-320", "1E-320"), ("1.7976931348623157e308", "1.7976931348623157E308"), ("TRUE", "true"),
        ("False", "false"),
        ("NULL", "null"), ("'it''s'", "'it''s'"), ("''", "''"), ("'é漢'", "'é漢'"), ("DECIMAL '1.20'", "1.20"),
        ("decimal '-7'", "-7."), ("${v}", "${v}"),
        // Precedence and association.
        ("a + b * c", "(A + (B * C))"), ("(a + b) * c", "((A + B) * C)"), ("a - b - c", "((A - B) - C)"),
        ("a / b % c", "((A / B) % C)"), ("a || b + c || d", "CONCAT(CONCAT(A, (B + C)), D)"),
        ("-a * b", "(-A * B)"), ("- a", "-A"), ("-(5)", "-5"), ("-(-5)", "- -5"), ("- - a", "- -A"), ("+ + a", "++A"),
        ("+-a", "+-A"), ("a -1", "(A - 1)"), ("a - -1", "(A - -1)"), ("a--1\n", "A"), ("-a[1]", "-A[1]"),
        ("(-a)[1]", "(-A)[1]"), ("-5[1]", "-5[1]"), ("-(2147483648)", "-2147483648"),
        ("a = 1 and b <> 2 or not c", "(((A = 1) AND (B <> 2)) OR (NOT C))"),
        ("not a = 1 and b", "((NOT (A = 1)) AND B)"), ("not not a", "(NOT (NOT A))"),
        ("a or b and c or d", "((A OR (B AND C)) OR D)"),
        ("a and (b or c)", "(A AND (B OR C))"), ("a != b", "(A <> B)"), ("a <= b + 1", "(A <= (B + 1))"),
        ("(a = b) = c", "((A = B) = C)"), ("a = (b = c)", "(A = (B = C))"),
        // Predicates.
        ("a is null", "(A IS NULL)"), ("a is not null", "(A IS NOT NULL)"),
        ("a is distinct from b", "(A IS DISTINCT FROM B)"),
        ("a is not distinct from b", "(NOT (A IS DISTINCT FROM B))"),
        ("a between 1 and 2 and b", "((A BETWEEN 1 AND 2) AND B)"),
        ("a not between 1 and 2", "(NOT (A BETWEEN 1 AND 2))"), ("a in (1)", "(A IN (1))"),
        ("a not in (1, b or c)", "(NOT (A IN (1, (B OR C))))"), ("a like 'x%'", "(A LIKE 'x%')"),
        ("a not like b escape '!'", "(NOT (A LIKE B ESCAPE '!'))"),
        ("a like 'x' escape ''''", "(A LIKE 'x' ESCAPE '''')"),
        // Calls.
        ("f()", "F()"), ("count(*)", "COUNT(*)"), ("count()", "COUNT(*)"), ("sum(*)", "SUM()"),
        ("f(a, 1 + 2, g(b))", "F(A, (1 + 2), G(B))"),
        ("`my fun`(a)", "`my fun`(A)"), ("dateadd(days, 5, d)", "DATEADD(DAYS, 5, D)"),
        ("f(millisecond)", "F(MILLISECONDS)"),
        ("f(second, day)", "F(SECOND, DAY)"), ("f(a = b)", "F((A = B))"),
        // Lambdas.
        ("transform(a, x => x + 1)", "TRANSFORM(A, (X) => (X + 1))"),
        ("reduce(m, 0, (s, k, v) => s + v)", "REDUCE(M, 0, (S, K, V) => (S + V))"),
        ("f(a, x => g(b, y => x + y))", "F(A, (X) => G(B, (Y) => (X + Y)))"), ("f((a))", "F(A)"),
        ("f((a), (b + c))", "F(A, (B + C))"),
        // Containers.
        ("array[1, a]", "ARRAY[1, A]"), ("array[]", "ARRAY[]"), ("a[1]", "A[1]"), ("a[b + 1][2]", "A[(B + 1)][2]"),
        ("map('k' := 1, 'l' := b)", "MAP('k':=1, 'l':=B)"), ("map()", "MAP()"),
        ("struct(a := 1, `b` := c)", "STRUCT(A:=1, `b`:=C)"),
        ("struct()", "STRUCT()"), ("a->b->`c`", "A->B->`c`"), ("s.a->b[1]", "S.A->B[1]"), ("f(x)->y", "F(X)->Y"),
        ("(a + b)->c", "(A + B)->C"), ("array[1][1]", "ARRAY[1][1]"),
        // CASE and CAST.
        ("case when a then 1 when b then 2 else 3 end", "(CASE WHEN A THEN 1 WHEN B THEN 2 ELSE 3 END)"),
        ("case a when 1 then 'x' end", "(CASE A WHEN 1 THEN 'x' END)"),
        ("case when a = 1 then b end + 1", "((CASE WHEN (A = 1) THEN B END) + 1)"),
        ("cast(a as varchar)", "CAST(A AS STRING)"), ("cast(a + 1 as decimal(4,2))", "CAST((A + 1) AS DECIMAL(4, 2))"),
        (
            "cast(a as array<map<string, struct<f int, `g` dec(3, 1)>>>)",
            "CAST(A AS ARRAY<MAP<STRING, STRUCT<F INTEGER, `g` DECIMAL(3, 1)>>>)"
        ),
        ("cast(a as int array array)", "CAST(A AS ARRAY<ARRAY<INTEGER>>)"),
        ("cast(a as varchar(20))", "CAST(A AS STRING)"),
        ("cast(a as varchar(string))", "CAST(A AS STRING)"), ("cast(a as address)", "CAST(A AS ADDRESS)"),
        ("cast(a as struct<>)", "CAST(A AS STRUCT< >)"), ("cast(a as timestamp)", "CAST(A AS TIMESTAMP)"),
        // Zones.
        ("a at time zone 'UTC'", "(A AT TIME ZONE 'UTC')"), ("-a at time zone 'Z' + b", "(-(A AT TIME ZONE 'Z') + B)"),
        ("(-a) at time zone 'Z'", "((-A) AT TIME ZONE 'Z')"),
        // Comments.
        ("a /* one\n * two */ + -- three\n b", "(A + B)"), ("a -- end", "A"), ("/**/a", "A"), ("a --\n + b", "(A + B)"),
    ]

    @Test(arguments: forms)
    func `expressions have a canonical form that reads back`(text: String, form: String) throws {
        let expression = try SQLParser.expression(text)
        #expect(expression.sql == form)
        let again = try SQLParser.expression(form)
        #expect(again == expression)
    }

    @Test func `messages show names without quotes`() throws {
        let expression = try SQLParser.expression("`a` + cast(s.`b` as struct<`c` int>)")
        #expect(expression.description == "(a + CAST(S.b AS STRUCT<c INTEGER>))")
    }

    @Test func `columns, parameters and units are told apart`() throws {
        let call = try SQLParser.expression("f(x, (x, y) => x + y + z, y, HOURS, HOUR)")
        var seen: [String] = []
        call.forEach { expression in
            switch expression.kind {
            case .column(let name): seen.append("column \(name)")
            case .lambdaParameter(let name): seen.append("parameter \(name)")
            case .timeUnit(let unit): seen.append("unit \(unit.rawValue)")
            default: break
            }
        }
        #expect(
            seen == ["column X", "parameter X", "parameter Y", "column Z", "column Y", "unit HOURS", "column HOUR"])
    }

    /// Where messages point to: the operator of an operation, the word that begins a predicate, else the first token.
    @Test(arguments: [
        ("a + b", 3), ("a + b * c", 3), ("a = b", 3), ("a and b", 3), ("a is null", 3), ("a not in (1)", 3), ("x.y", 1),
        ("  f(a)", 3), ("a->b", 1), ("a[1]", 1), ("not a", 1), ("- a", 1), ("cast(a as int)", 1), ("a || b", 3),
        ("'é' + b", 5),
    ])
    func `expressions know their place`(text: String, column: Int32) throws {
        let expression = try SQLParser.expression(text)
        #expect(expression.position.column == column)
        #expect(expression.position.line == 1)
    }

    @Test func `places count lines and characters`() throws {
        let expression = try SQLParser.expression("a\n /* é\n */ and\r\n'漢' = `b`")
        guard case .logical(.and, _, let right) = expression.kind, case .comparison(_, _, let b) = right.kind else {
            Issue.record("\(expression)")
            return
        }
        #expect((expression.position.line, expression.position.column) == (3, 5))
        #expect((right.position.line, right.position.column) == (4, 5))
        #expect((b.position.line, b.position.column, b.position.offset) == (4, 7, 26))
    }

    @Test func `equality ignores places and quotes that change nothing`() throws {
        let one = try SQLParser.expression("a+`B`")
        let other = try SQLParser.expression("  A\n + \"B\"")
        #expect(one == other)
        #expect(one.hashValue == other.hashValue)
        #expect(one.position.offset != other.position.offset)
        let different = try SQLParser.expression("a+`b`")
        #expect(one != different)
    }

    @Test func `literals keep their type`() throws {
        let cases: [(String, Literal)] = [
            ("2147483647", .integer(.max)), ("2147483648", .bigint(2_147_483_648)), ("-2147483648", .integer(.min)),
            ("9223372036854775807", .bigint(.max)), ("1.0", .decimal("1.0")), ("1e0", .double(1)),
            ("'1'", .string("1")),
            ("null", .null), ("true", .boolean(true)),
        ]
        for (text, literal) in cases {
            let expression = try SQLParser.expression(text)
            #expect(expression.kind == .literal(literal))
        }
    }

    @Test func `rewriting replaces whole expressions`() throws {
        let expression = try SQLParser.expression(
            """
            case a when b then f(a, x => a) else cast(a as int) end in (a between a and a, -a, not a, a is null, a->f, a[a],
            array[a], map(a := a), struct(f := a), a like a, case when a then a end, a at time zone 'z', a is not null, a or a)
            """)
        let rewritten = expression.rewritten { part in
            guard case .column(let name) = part.kind, name.text == "A" else { return nil }
            return Expression(.qualifiedColumn(source: Identifier("S"), column: name))
        }
        #expect(!rewritten.sql.replacing("S.A", with: "").contains("A,"))
        var count = 0
        expression.forEach { if case .column(let name) = $0.kind, name.text == "A" { count += 1 } }
        var qualified = 0
        rewritten.forEach { if case .qualifiedColumn = $0.kind { qualified += 1 } }
        #expect(count == qualified)
        #expect(count == 25)
        let same = expression.rewritten { _ in nil }
        #expect(same == expression)
    }
}
