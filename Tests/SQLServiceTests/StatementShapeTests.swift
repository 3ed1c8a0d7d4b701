import Testing

@testable import SQLService

@Suite struct StatementShapeTests {
    /// Of a text the shape, with `?t` for texts and `?i` for whole numbers, and the values.
    private func parts(_ text: String) -> (String, [StatementShape.Value])? {
        StatementShape.of(text).map { shape, values in
            (String(decoding: shape.bytes.map { $0 == 0 ? UInt8(ascii: "?") : $0 }, as: UTF8.self), values)
        }
    }

    /// By hand.
    @Test(
        arguments: [
            ("SELECT * FROM T WHERE ID='x';", "SELECT * FROM T WHERE ID=?t;", [.text("x")]),
            ("SELECT * FROM T WHERE ID = 'it''s ''''';", "SELECT * FROM T WHERE ID = ?t;", [.text("it's ''")]),
            ("a = 7 AND b=-12", "a = ?i AND b=?i", [.integer(7), .integer(-12)]),
            (
                "a IN ('x', 'y','') and c = 1", "a IN (?t, ?t,?t) and c = ?i",
                [.text("x"), .text("y"), .text(""), .integer(1)]
            ),
            ("a in\n( 1 , 2 )", "a in\n( ?i , ?i )", [.integer(1), .integer(2)]),
            // No values: other comparisons, parts of expressions and of names, other numbers.
            ("a >= 7 AND b != 'x' AND c <= 'y' AND d <> 1", "a >= 7 AND b != 'x' AND c <= 'y' AND d <> 1", []),
            ("a = 1.5 OR a = 1e3 OR a = 12x OR a = 1.", "a = 1.5 OR a = 1e3 OR a = 12x OR a = 1.", []),
            ("a = 99999999999999999999", "a = 99999999999999999999", []),
            ("a = F('x', 1)", "a = F('x', 1)", []), ("a = (1)", "a = (1)", []), ("a = - 1", "a = - 1", []),
            ("col1=col2 LIMIT 7", "col1=col2 LIMIT 7", []), ("x => 'y'", "x => 'y'", []),
            ("\"a='b'\" = 'c'", "\"a='b'\" = ?t", [.text("c")]), ("`a = ''1` = 2", "`a = ''1` = ?i", [.integer(2)]),
            ("WITHIN ('a')", "WITHIN ('a')", []), ("a IN (F('x'), 'y')", "a IN (F('x'), 'y')", []),
            ("a = 'ä€'", "a = ?t", [.text("ä€")]), ("ä = 1", "ä = ?i", [.integer(1)]),
        ] as [(String, String, [StatementShape.Value])])
    func `takes values out`(text: String, shape: String, values: [StatementShape.Value]) throws {
        let found = try #require(parts(text))
        #expect(found.0 == shape)
        #expect(found.1 == values)
    }

    @Test(arguments: [
        "a = 'x' -- = 'y'", "a = 1 /* b = 2 */", "a = '${v}'", "a = ${v}", "a = 'x", "a = \"x", "a = `x", "a\u{0} = 1",
        "a = '\u{0}t'", "a = \u{1}", String(repeating: "a", count: 5000),
    ])
    func `leaves alone what it cannot be sure of`(text: String) { #expect(StatementShape.of(text) == nil) }

    @Test func `many values stay where they are`() throws {
        let text = "a IN (" + (0..<100).map(String.init).joined(separator: ",") + ")"
        #expect(try #require(parts(text)).1.count == StatementShape.valueCountMax)
    }
}
