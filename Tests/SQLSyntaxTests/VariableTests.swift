import Testing

@testable import SQLSyntax

@Suite struct VariableTests {
    static let variables: SQLVariables = [
        "name": "Users", "Topic": "'it's'", "quoted": "`Mixed Case`", "n": "42", "d": "-1.5e3", "flag": "TRUE",
        "text": "a'b",
        "col": "c1", "evil": "x; DROP TABLE t", "empty": "", "tick": "\"Q\"", "q2": "'v'",
    ]

    /// By ksqlDB's rules of substitution (its documentation, "Variable substitution").
    @Test(arguments: [
        ("SELECT * FROM ${name};", "SELECT * FROM Users;"), ("SELECT * FROM ${NAME};", "SELECT * FROM Users;"),
        (
            "CREATE STREAM s WITH (kafka_topic=${topic}, partitions=${n});",
            "CREATE STREAM s WITH (kafka_topic='it''s', partitions=42);"
        ),
        ("SELECT ${n}, ${d}, ${flag}, '${n}' FROM a;", "SELECT 42, -1.5e3, TRUE, '42' FROM a;"),
        ("SELECT '${text} ${unknown}' FROM a;", "SELECT 'a''b ${unknown}' FROM a;"),
        ("SELECT '$${n}', '$', '$$' FROM a;", "SELECT '${n}', '$', '$$' FROM a;"),
        ("SELECT ${col}, ${name}.x FROM ${name};", "SELECT c1, Users.x FROM Users;"),
        ("SELECT '${evil}' FROM a;", "SELECT 'x; DROP TABLE t' FROM a;"),
        ("DEFINE x = 'y-${n}';", "DEFINE x = 'y-42';"), ("SET 'a' = ${topic};", "SET 'a' = 'it''s';"),
        ("SET 'a.${n}' = '${text}';", "SET 'a.42' = 'a''b';"),
        ("PRINT ${name};", "PRINT Users;"), ("PRINT '${name}';", "PRINT 'Users';"),
        ("SELECT '${empty}' FROM a;", "SELECT '' FROM a;"),
        ("SELECT '${q2}', ${q2} FROM a;", "SELECT '''v''', 'v' FROM a;"),
        ("DROP STREAM ${tick};", "DROP STREAM \"Q\";"),
        ("SHOW TABLES;", "SHOW TABLES;"),
        ("INSERT INTO ${name} (${col}) VALUES (${n});", "INSERT INTO Users (c1) VALUES (42);"),
        ("TERMINATE ${name}; ", "TERMINATE Users;"), ("ASSERT TOPIC ${name};", "ASSERT TOPIC Users;"),
    ])
    func `values are put in`(text: String, result: String) throws {
        let statement = try SQLParser.statement(text)
        let substituted = try statement.substituting(Self.variables)
        #expect(substituted.text == result)
        #expect(!substituted.usesVariables || substituted == statement)
        let again = try SQLParser.statement(result)
        #expect(substituted.statement == again.statement)
    }

    @Test(arguments: [
        (
            "SELECT * FROM ${evil};",
            "Illegal argument at Line: 1, Col: 15. Identifier names cannot start with '@' and may only contain "
                + "alphanumeric values and '_'. Got: 'x; DROP TABLE t'"
        ),
        (
            "SELECT * FROM ${missing};",
            "Illegal argument at Line: 1, Col: 15. Identifier names cannot start with '@' and may only contain "
                + "alphanumeric values and '_'. Got: '${missing}'"
        ),
        (
            "SELECT * FROM ${n};",
            "Illegal argument at Line: 1, Col: 15. Identifier names cannot start with '@' and may only contain "
                + "alphanumeric values and '_'. Got: '42'"
        ),
        (
            "SELECT * FROM ${empty};",
            "Illegal argument at Line: 1, Col: 15. Identifier names cannot start with '@' and may only contain "
                + "alphanumeric values and '_'. Got: ''"
        ),
        ("SELECT ${evil} FROM a;", "Illegal argument at Line: 1, Col: 8. Got: 'x; DROP TABLE t'"),
        ("CREATE STREAM s WITH (a=${name});", "Illegal argument at Line: 1, Col: 25. Got: 'Users'"),
        ("SET 'a' = ${n};", "Illegal argument at Line: 1, Col: 11. Got: '42'"),
        (
            "SELECT * FROM ${quoted};",
            "Illegal argument at Line: 1, Col: 15. Identifier names cannot start with '@' and may only contain "
                + "alphanumeric values and '_'. Got: '`Mixed Case`'"
        ),
    ])
    func `values that cannot stand there are refused`(text: String, headline: String) throws {
        let statement = try SQLParser.statement(text)
        let error = try #require(throws: SQLSyntaxError.self) { try statement.substituting(Self.variables) }
        #expect(error.headline == headline)
        #expect(error.code == .variable)
        #expect(error.statement == text)
        #expect((error.hint == "the variable is not defined") == headline.contains("${"))
    }

    @Test func `a value never makes two statements of one`() throws {
        for value in [
            "'; DROP TABLE t; SELECT '", "`a` ; x", "1; SELECT 2", "a b", "'a' 'b", "--", "/*", "1--", "\"", "''",
        ] {
            for text in ["SELECT '${v}' FROM a;", "SELECT ${v} FROM a;", "SELECT a FROM ${v};", "SET 'x'=${v};"] {
                let statement = try SQLParser.statement(text)
                do {
                    let substituted = try statement.substituting(["V": value])
                    let count = try SQLParser.script(substituted.text).count
                    #expect(count == 1, "\(text) \(value)")
                    #expect(!substituted.text.contains("DROP") || text.contains("'${v}'") || value.hasPrefix("'"))
                } catch { #expect(error.code == .variable, "\(error)") }
            }
        }
    }

    @Test func `places in a script are those of the statement`() throws {
        let statements = try SQLParser.script("SHOW TABLES;\n\n SELECT ${x} FROM a;")
        #expect(statements.map(\.usesVariables) == [false, true])
        let error = try #require(throws: SQLSyntaxError.self) { try statements[1].substituting([:]) }
        #expect(error.position.line == 3)
        let substituted = try statements[1].substituting(["X": "5"])
        #expect(substituted.text == "SELECT 5 FROM a;")
        #expect(substituted.position.line == 3)
    }
}
