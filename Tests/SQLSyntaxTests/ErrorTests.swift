import Bytes
import Testing

@testable import SQLSyntax

@Suite struct ErrorTests {
    /// A statement and what is said about it, after the place and before the statement. The wording of the first reason lines
    /// is ksqlDB's.
    static let reasons: [(String, String)] = [
        ("SELEC * FROM a;", "line 1:1: Syntax Error\nUnknown statement 'SELEC'\nDid you mean 'SELECT'?"),
        ("RUN SCRIPT 'foo';", "line 1:1: Syntax Error\nUnknown statement 'RUN'"),
        ("xyzzy;", "line 1:1: Syntax Error\nUnknown statement 'xyzzy'"),
        (";", "line 1:1: Syntax Error\nUnknown statement ';'"),
        (
            "ASSERT VALUES a VALUES (1);",
            "line 1:8: Syntax Error\nSyntax error at or near 'VALUES' at line 1:8\nExpecting one of "
                + "'NOT', 'TOPIC', 'SCHEMA'"
        ),
        (
            "CREATE STREAMS s;",
            "line 1:8: Syntax Error\nSyntax error at or near 'STREAMS' at line 1:8\nExpecting one of 'OR', "
                + "'TABLE', 'STREAM', 'TYPE', 'SINK', 'SOURCE'"
        ),
        (
            "CREATE TABEL s;",
            "line 1:8: Syntax Error\nSyntax error at or near 'TABEL' at line 1:8\nExpecting one of 'OR', "
                + "'TABLE', 'STREAM', 'TYPE', 'SINK', 'SOURCE'\nDid you mean 'TABLE'?"
        ),
        (
            "DROP INDEX a;",
            "line 1:6: Syntax Error\nSyntax error at or near 'INDEX' at line 1:6\nExpecting one of 'TABLE', 'STREAM', "
                + "'TYPE', 'CONNECTOR'"
        ),
        (
            "SELECT a\nFORM b;",
            "line 2:6: Syntax Error\nExpecting {',', 'FROM'}\nDid you mean 'FROM' instead of 'FORM'?"
        ),
        ("SELECT a b c FROM d;", "line 1:12: Syntax Error\nExpecting {',', 'FROM'}"),
        ("SELECT * FORM b;", "line 1:10: Syntax Error\nExpecting {',', 'FROM'}\nDid you mean 'FROM'?"),
        (
            "SELECT a FROM b WHER c = 1;",
            "line 1:22: Syntax Error\nSyntax error at or near 'c' at line 1:22\nExpecting one of ';', "
                + "'EMIT', 'WHERE', 'WINDOW', 'GROUP', 'HAVING', 'LIMIT', 'JOIN', 'FULL', 'INNER', 'LEFT', 'RIGHT', 'PARTITION', "
                + "'ORDER'\nDid you mean 'WHERE' instead of 'WHER'?"
        ),
        ("SELECT (a, b) FROM c;", "line 1:10: Syntax Error\nmissing ')' at ','"),
        ("SELECT a FROM b GROUP BY f3, (f2, f1);", "line 1:33: Syntax Error\nmissing ')' at ','"),
        ("SELECT f(a FROM b;", "line 1:12: Syntax Error\nExpecting {',', ')'}"),
        (
            "SELECT a FROM b WHERE (a + 1;",
            "line 1:29: Syntax Error\nSyntax error at or near \";\"\n'}', ']', or ')' is missing\nExpecting ')'"
        ),
        ("SELECT a FROM b", "line 1:16: Syntax Error\nmissing ';' at '<EOF>'"),
        ("SELECT 1 + FROM b;", "line 1:12: Syntax Error\nExpecting an expression"),
        ("SELECT a FROM b WHERE a IN ( );", "line 1:30: Syntax Error\nExpecting an expression"),
        ("SELECT a = b = c FROM d;", "line 1:14: Syntax Error\nExpecting {',', 'FROM', 'AS'}"),
        (
            "CREATE STREAM values (a INT);",
            "line 1:15: Syntax Error\n\"values\" is a reserved keyword and it can't be used as an "
                + "identifier. You can use it as an identifier by escaping it as `values`"
        ),
        ("CREATE STREAM s (end INT);", "line 1:18: Syntax Error\nExpecting IDENTIFIER"),
        (
            "CREATE STREAM s (size INT);",
            "line 1:18: Syntax Error\n\"size\" is a reserved keyword and it can't be used as an "
                + "identifier. You can use it as an identifier by escaping it as `size`"
        ),
        ("CREATE STREAM s (K STRING (KEY));", "line 1:28: Syntax Error\nExpecting {'STRING', INTEGER_VALUE}"),
        (
            "CREATE STREAM s (a NULL);",
            "line 1:20: Syntax Error\n\"NULL\" is a reserved keyword and it can't be used as an "
                + "identifier. You can use it as an identifier by escaping it as `NULL`"
        ),
        (
            "CREATE STREAM s WITH (a=b);",
            "line 1:25: Syntax Error\nSyntax error at or near 'b' at line 1:25\nExpecting one of "
                + "'NULL', 'TRUE', 'FALSE', STRING, INTEGER_VALUE"
        ),
        ("DESCRIBE FUNCTION a b;", "line 1:21: Syntax Error\nExpecting ';'"),
        (
            "SHOW STREAM;",
            "line 1:6: Syntax Error\nSyntax error at or near 'STREAM' at line 1:6\nExpecting one of 'ALL', 'STREAMS', 'TYPES', "
                + "'TABLES', 'TOPICS', 'QUERIES', 'FUNCTIONS', 'PROPERTIES', 'CONNECTOR', 'CONNECTORS', 'SINK', 'SOURCE', "
                + "'VARIABLES'\nDid you mean 'STREAMS'?"
        ),
        ("SHOW TABLES x;", "line 1:13: Syntax Error\nExpecting {';', 'EXTENDED'}"),
        (
            "SELECT a FROM b LIMIT x;",
            "line 1:23: Syntax Error\nSyntax error at or near 'x' at line 1:23\nExpecting one of '-', "
                + "INTEGER_VALUE, DECIMAL_VALUE, FLOATING_POINT_VALUE"
        ),
        ("SELECT 'abc FROM b;", "line 1:8: Syntax Error\nthe string that begins here has no closing quote"),
        ("SELECT `abc;", "line 1:8: Syntax Error\nthe quoted identifier that begins here has no closing quote"),
        ("SELECT \"abc;", "line 1:8: Syntax Error\nthe quoted identifier that begins here has no closing quote"),
        ("SELECT a /* abc;", "line 1:10: Syntax Error\nthe comment that begins here does not end"),
        ("SELECT $x FROM a;", "line 1:8: Syntax Error\nvariables are written ${name}"),
        (
            "SELECT größe FROM a;",
            "line 1:10: Syntax Error\nnames with other letters than A to Z have to stand in back-quotes"
        ),
        ("SELECT a # b;", "line 1:10: Syntax Error\nExpecting {',', 'FROM', 'AS'}"),
        ("EXPLAIN;", "line 1:8: Syntax Error\nUnknown statement ';'"),
        ("TERMINATE;", "line 1:10: Syntax Error\nExpecting {'ALL', IDENTIFIER}"),
        ("SELECT a FROM b EMIT a;", "line 1:22: Syntax Error\nSyntax error at or near 'a' at line 1:22"),
        // In the language, and yet nothing that can be meant.
        ("SELECT -9223372036854775809 FROM a;", "line 1:8: Invalid numeric literal: -9223372036854775809"),
        ("SELECT 1e999 FROM a;", "line 1:8: Number overflows DOUBLE: 1e999"),
        ("SELECT a FROM b LIMIT 2.5;", "Failed to prepare statement: Value must be integer for command: LIMIT"),
        ("SELECT a FROM b LIMIT 3000000000;", "Failed to prepare statement: Value must be integer for command: LIMIT"),
        ("PRINT x INTERVAL 1.5;", "Failed to prepare statement: Value must be integer for command: INTERVAL"),
        (
            "CREATE STREAM t (A DECIMAL(2.5, 1));",
            "Failed to prepare statement: Value must be integer for command: DECIMAL(PRECISION)"
        ),
        (
            "CREATE STREAM t (A DECIMAL(2, 1.5));",
            "Failed to prepare statement: Value must be integer for command: DECIMAL(SCALE)"
        ),
        (
            "CREATE STREAM t (A INT KEY, B INT, a INT, `c` INT, A INT, b INT) WITH (NONSENSE=1);",
            "Failed to prepare statement: Duplicate column names: `A`, `B`"
        ),
        (
            "CREATE TABLE t (ID INT KEY);",
            "Line: 1, Col: 17: Column `ID` is a 'KEY' column: please use 'PRIMARY KEY' for tables."
        ),
        (
            "CREATE STREAM t (ID INT PRIMARY KEY);",
            "Line: 1, Col: 18: Column `ID` is a 'PRIMARY KEY' column: please use 'KEY' for streams."
        ),
        (
            "CREATE STREAM `a b`;",
            "Illegal argument at Line: 1, Col: 15. Source names may only contain alphanumeric values, '_' "
                + "or '-'. Got: 'a b'"
        ),
        (
            "SELECT a FROM b WHERE a LIKE 'x' ESCAPE 'ab';",
            "Failed to prepare statement: Line: 1, Col: 41: Expected single character "
                + "escape but got: ab"
        ),
        (
            "CREATE STREAM s WITH (a=1, A=2);",
            "Failed to prepare statement: Multiple entries with same key: A=2 and A=1"
        ),
        (
            "SELECT DATE '2020-01-01' FROM a;",
            "Failed to prepare statement: Unknown type: DATE, location:Line: 1, Col: 8"
        ),
        ("SELECT DECIMAL 'x' FROM a;", "Failed to prepare statement: Invalid numeric literal: x"),
    ]

    @Test(arguments: reasons)
    func `errors say where and why`(text: String, reason: String) throws {
        let error = try #require(throws: SQLSyntaxError.self) { try SQLParser.script(text) }
        #expect(error.headline == reason || error.headline.hasPrefix(reason + "\n"), "\(error.headline)")
        #expect(error.message == error.headline + "\nStatement: " + text)
        #expect(error.report.hasPrefix(error.headline))
    }

    @Test func `a caret shows the place`() throws {
        let error = try #require(throws: SQLSyntaxError.self) {
            try SQLParser.script("SHOW TABLES;\nSELECT a,\n\t'é' || x FORM\n  bcd; SHOW TABLES;")
        }
        #expect(error.position.line == 4)
        #expect(error.statement == "SELECT a,\n\t'é' || x FORM\n  bcd;")
        #expect(error.excerpt == "4 |   bcd; SHOW TABLES;\n  |   ^^^")
        #expect(error.expected == ["','", "'FROM'"])
        let other = try #require(throws: SQLSyntaxError.self) { try SQLParser.script("SELECT\n\t'é' || + FROM c;") }
        #expect(other.excerpt == "2 | \t'é' || + FROM c;\n  | \t         ^^^^")
    }

    @Test(arguments: [
        (
            "SELECT a FROM b WINDOW TUMBLING (SIZE 10SECONDS);",
            "'10SECONDS' is read as a name: is a space missing in it?"
        ),
        ("CREATE STREAM s WITH (a=b);", "values of properties are literals: text stands in single quotes"),
        (
            "CREATE STREAM s (a INT) AS SELECT a FROM b;",
            "the columns are those of the query: leave out the list before AS"
        ),
        (
            "INSERT INTO s (a) SELECT a FROM b;",
            "the columns of a query go by their names: leave out the list before SELECT"
        ),
        ("RUN SCRIPT 'x';", "scripts are run by the command line, not by a server"),
    ])
    func `hints help`(text: String, hint: String) throws {
        let error = try #require(throws: SQLSyntaxError.self) { try SQLParser.script(text) }
        #expect(error.hint == hint)
        #expect(error.report.hasSuffix("Hint: " + hint))
    }

    @Test func `long statements and lines are cut in messages`() throws {
        let text = "SELECT " + String(repeating: "a, ", count: 100_000) + "+ FROM b;"
        let error = try #require(throws: SQLSyntaxError.self) { try SQLParser.script(text) }
        #expect(error.message.utf8.count < 70_000)
        #expect(error.excerpt.utf8.count < 400)
        #expect(error.excerpt.contains("^^^^"))
    }

    @Test(
        arguments: [
            ("SELECT a.x FROM a;", nil), ("SELECT b.x, a.y FROM a b;", nil), ("SELECT c.x FROM a b;", "C"),
            ("SELECT c.* FROM a;", "C"),
            ("SELECT 1 FROM a JOIN b ON a.x = bb.x;", "BB"), ("SELECT 1 FROM a WHERE f(x => c.y + x) = 1;", "C"),
            ("INSERT INTO a VALUES (foo.bar);", "FOO"), ("INSERT INTO a SELECT q.x FROM b;", "Q"),
            ("EXPLAIN SELECT q.x FROM b;", "Q"),
            ("CREATE STREAM s AS SELECT 1 FROM b PARTITION BY q.x;", "Q"), ("SELECT 1 FROM b GROUP BY q.x;", "Q"),
            ("SELECT 1 FROM b HAVING q.x = 1;", "Q"), ("SELECT q.x->* FROM b ORDER BY 1;", "Q"),
            ("SELECT 1 FROM b ORDER BY q.x;", "Q"),
            ("SHOW TABLES;", nil),
        ] as [(String, String?)])
    func `qualifiers are sources or aliases`(text: String, unknown: String?) throws {
        let statement = try SQLParser.statement("\n " + text)
        guard let unknown else { return try statement.checkQualifiers() }
        let error = try #require(throws: SQLSyntaxError.self) { try statement.checkQualifiers() }
        #expect(
            error.headline == "Failed to prepare statement: '\(unknown)' is not a valid stream/table name or alias.")
        #expect(error.code == .unknownSource)
    }

    @Test func `an unknown qualifier shows its place and the nearest name`() throws {
        let statement = try SQLParser.statement("\n  SELECT ratnigs.x FROM ratings;")
        let error = try #require(throws: SQLSyntaxError.self) { try statement.checkQualifiers() }
        #expect(error.hint == "did you mean RATINGS?")
        #expect(error.excerpt.contains("SELECT ratnigs.x FROM ratings;"))
        #expect(error.excerpt.hasSuffix("|        ^^^^^^^"))
        let substituted = try SQLParser.script("\n\nSELECT ${a}, ratnigs.x FROM ratings;")[0].substituting([
            "a": "123456789"
        ])
        let other = try #require(throws: SQLSyntaxError.self) { try substituted.checkQualifiers() }
        #expect(other.excerpt == "1 | SELECT 123456789, ratnigs.x FROM ratings;\n  |                   ^^^^^^^")
    }

    @Test(
        arguments: [
            ("SELCT", ["SELECT", "SET"], "SELECT"), ("colmun", ["COLUMN", "COLUMNS"], "COLUMN"),
            ("USERID", ["USER_ID", "ID"], "USER_ID"),
            ("x", ["Y"], nil), ("ab", ["ba", "cd"], "ba"), ("abcdef", ["uvwxyz"], nil), ("", ["A"], nil),
            ("LCAS", ["UCASE", "LCASE"], "LCASE"),
            ("id", ["IT", "ID"], "ID"),
        ] as [(String, [String], String?)])
    func `the nearest name is found`(name: String, names: [String], nearest: String?) {
        #expect(nearestName(to: name, among: names) == nearest)
    }
}
