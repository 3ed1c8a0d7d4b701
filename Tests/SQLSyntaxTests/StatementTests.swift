import Testing

@testable import SQLSyntax

@Suite struct StatementTests {
    /// Text and canonical form, by hand from the grammar and ksqlDB's SqlFormatter.
    static let forms: [(String, String)] = [
        (
            "create stream s (id int key, `v` varchar, h bytes header('k'), a array<struct<key string, value bytes>> headers) "
                + "with (kafka_topic='t', value_format='json', partitions=3, wrap_single_value=false);",
            "CREATE STREAM S (ID INTEGER KEY, `v` STRING, H BYTES HEADER('k'), "
                + "A ARRAY<STRUCT<KEY STRING, VALUE BYTES>> HEADERS) "
                + "WITH (KAFKA_TOPIC='t', PARTITIONS=3, VALUE_FORMAT='json', WRAP_SINGLE_VALUE=false);"
        ),
        (
            "CREATE OR REPLACE SOURCE TABLE IF NOT EXISTS t (id BIGINT PRIMARY KEY) WITH ('x y' = -1.5);",
            "CREATE OR REPLACE SOURCE TABLE IF NOT EXISTS T (ID BIGINT PRIMARY KEY) WITH ('x y'=-1.5);"
        ),
        ("create table t;", "CREATE TABLE T;"),
        (
            "create stream s with (a=null) as select * from b;",
            "CREATE STREAM S WITH (A=null) AS SELECT *\nFROM B B\nEMIT CHANGES"
        ),
        (
            "create or replace table if not exists t as select k, count(*) as n from s window tumbling (size 1 day) group by k emit final;",
            "CREATE OR REPLACE TABLE IF NOT EXISTS T AS SELECT\n  K,\n  COUNT(*) N\nFROM S S\n"
                + "WINDOW TUMBLING ( SIZE 1 DAYS ) \nGROUP BY K\nEMIT FINAL"
        ),
        ("insert into s select a from b;", "INSERT INTO S SELECT A\nFROM B B\nEMIT CHANGES"),
        (
            "insert into s with (query_id='q') select a from b limit 1;",
            "INSERT INTO S WITH (QUERY_ID='q') SELECT A\nFROM B B\nEMIT CHANGES\nLIMIT 1"
        ),
        ("insert into s values (1, 'a', array[1]);", "INSERT INTO S VALUES (1, 'a', ARRAY[1])"),
        ("insert into s (a, `b`) values (1, f(2 + 3));", "INSERT INTO S (A, `b`) VALUES (1, F((2 + 3)))"),
        ("insert into s values ();", "INSERT INTO S VALUES ()"),
        ("drop stream s;", "DROP STREAM S"),
        ("drop table if exists t delete topic;", "DROP TABLE IF EXISTS T DELETE TOPIC"),
        ("drop type if exists a;", "DROP TYPE IF EXISTS A"),
        ("drop connector if exists `c`;", "DROP CONNECTOR IF EXISTS `c`"),
        (
            "create type if not exists a as struct<street varchar, zip int>;",
            "CREATE TYPE IF NOT EXISTS A AS STRUCT<STREET STRING, ZIP INTEGER>;"
        ),
        (
            "alter stream s add column a int, add b decimal(3,1), add column column int, add column int array;",
            "ALTER STREAM S\nADD COLUMN A INTEGER,\nADD COLUMN B DECIMAL(3, 1),\nADD COLUMN COLUMN INTEGER,\n"
                + "ADD COLUMN COLUMN ARRAY<INTEGER>;"
        ),
        ("alter system 'a.b'='c';", "ALTER SYSTEM 'a.b'='c'"),
        ("terminate csas_x_0;", "TERMINATE CSAS_X_0"), ("terminate all;", "TERMINATE ALL"), ("pause q;", "PAUSE Q"),
        ("resume all;", "RESUME ALL"), ("explain q1;", "EXPLAIN \nQ1"),
        ("explain select a from b;", "EXPLAIN \nSELECT A\nFROM B B"),
        ("explain analyze q1;", "EXPLAIN ANALYZE \nQ1"), ("explain analyze;", "EXPLAIN \nANALYZE"),
        ("explain show;", "EXPLAIN \nSHOW"), ("explain show tables;", "EXPLAIN \nSHOW TABLES"),
        ("explain explain q;", "EXPLAIN \nEXPLAIN \nQ"),
        (
            "explain create or replace stream s as select * from r upgrade;",
            "EXPLAIN \nCREATE OR REPLACE STREAM S AS SELECT *\nFROM R R\nEMIT CHANGES\nUPGRADE"
        ),
        // Without OR REPLACE there is nothing to ask for, and it is an alias.
        (
            "explain create stream s as select * from r upgrade;",
            "EXPLAIN \nCREATE STREAM S AS SELECT *\nFROM R UPGRADE\nEMIT CHANGES"
        ),
        ("show topics;", "SHOW TOPICS"), ("list all topics extended;", "SHOW ALL TOPICS EXTENDED"),
        ("show streams extended;", "SHOW STREAMS EXTENDED"),
        ("list tables;", "SHOW TABLES"), ("show queries extended;", "SHOW QUERIES EXTENDED"),
        ("show functions;", "SHOW FUNCTIONS"),
        ("show types;", "SHOW TYPES"), ("show properties;", "SHOW PROPERTIES"), ("show variables;", "SHOW VARIABLES"),
        ("show connectors;", "SHOW CONNECTORS"), ("list source connectors;", "SHOW SOURCE CONNECTORS"),
        ("show sink connectors;", "SHOW SINK CONNECTORS"),
        ("show connector plugins;", "SHOW CONNECTOR PLUGINS"),
        ("describe s;", "DESCRIBE S"), ("describe s extended;", "DESCRIBE S EXTENDED"),
        ("describe streams extended;", "DESCRIBE STREAMS EXTENDED"),
        ("describe tables;", "DESCRIBE TABLES"), ("describe `TABLES`;", "DESCRIBE `TABLES`"),
        ("describe tables extended;", "DESCRIBE TABLES EXTENDED"),
        ("describe function len;", "DESCRIBE FUNCTION LEN"), ("describe function;", "DESCRIBE FUNCTION"),
        ("describe connector c;", "DESCRIBE CONNECTOR C"),
        ("print MyTopic;", "PRINT 'MyTopic'"),
        ("print 'a-b' from beginning interval 2 limit 3;", "PRINT 'a-b' FROM BEGINNING INTERVAL 2 LIMIT 3"),
        ("print `x` sample 5;", "PRINT 'x' INTERVAL 5"),
        (
            "create source connector if not exists c with (\"connector.class\"='x', 'tasks.max'=1, name='n');",
            "CREATE SOURCE CONNECTOR IF NOT EXISTS C WITH (NAME='n', 'connector.class'='x', 'tasks.max'=1)"
        ),
        ("create sink connector c with ('a'=true);", "CREATE SINK CONNECTOR C WITH ('a'=true)"),
        ("set 'a'='it''s';", "SET 'a'='it''s'"), ("unset 'a';", "UNSET 'a'"), ("define v = 'x';", "DEFINE v='x'"),
        ("define select = '1';", "DEFINE select='1'"), ("undefine Vx;", "UNDEFINE Vx"),
        ("assert topic t;", "ASSERT TOPIC 't'"),
        (
            "assert not exists topic 'a.b' with (partitions=2, replicas=1) timeout 3 seconds;",
            "ASSERT NOT EXISTS TOPIC 'a.b' WITH (PARTITIONS=2, REPLICAS=1) TIMEOUT 3 SECONDS"
        ),
        (
            "assert schema subject 'x-value' id 3 timeout 1 minute;",
            "ASSERT SCHEMA SUBJECT 'x-value' ID 3 TIMEOUT 1 MINUTES"
        ),
        ("assert not exists schema id 7;", "ASSERT NOT EXISTS SCHEMA ID 7"),
        ("assert schema subject Abc;", "ASSERT SCHEMA SUBJECT 'Abc'"),
        // Queries.
        (
            "select a, b as c, d e, s.*, * , f->*, s.`G`->h->* from s;",
            "SELECT\n  A,\n  B C,\n  D E,\n  S.*,\n  *,\n  F->*,\n  S.G->H->*\nFROM S S"
        ),
        ("select * from s x where a > 1 emit changes;", "SELECT *\nFROM S X\nWHERE (A > 1)\nEMIT CHANGES"),
        (
            "select * from s as `x` partition by a, b emit changes limit 0;",
            "SELECT *\nFROM S `x`\nPARTITION BY A, B\nEMIT CHANGES\nLIMIT 0"
        ),
        ("select * from emit emit changes;", "SELECT *\nFROM EMIT EMIT\nEMIT CHANGES"),
        ("select * from s emit emit changes;", "SELECT *\nFROM S EMIT\nEMIT CHANGES"),
        (
            "select * from s from timestamp '2024-01-01' to timestamp 5 + 6 where a > 1 limit 3 offset 2;",
            "SELECT *\nFROM S S\nFROM TIMESTAMP '2024-01-01'\nTO TIMESTAMP (5 + 6)\nWHERE (A > 1)\nLIMIT 3\nOFFSET 2"
        ),
        ("select * from s order by a desc, b asc limit 3;", "SELECT *\nFROM S S\nORDER BY A DESC, B\nLIMIT 3"),
        ("select * from s order;", "SELECT *\nFROM S ORDER"),
        (
            "select count(*) from s group by (a, b) having count(*) > 1;",
            "SELECT COUNT(*)\nFROM S S\nGROUP BY A, B\nHAVING (COUNT(*) > 1)"
        ),
        ("select 1 from s group by (a) + b, c;", "SELECT 1\nFROM S S\nGROUP BY (A + B), C"),
        ("select 1 from s group by (a is null);", "SELECT 1\nFROM S S\nGROUP BY (A IS NULL)"),
        ("select 1 from s group by ();", "SELECT 1\nFROM S S\nGROUP BY ()"),
        ("select 1 from s partition by (a)[1]->b, (c);", "SELECT 1\nFROM S S\nPARTITION BY A[1]->B, C"),
        (
            "select 1 from s window hopping (size 30 seconds, advance by 10 second, retention 1 hour, grace period 5 minutes) group by a;",
            "SELECT 1\nFROM S S\nWINDOW HOPPING ( SIZE 30 SECONDS , ADVANCE BY 10 SECONDS , RETENTION 1 HOURS , "
                + "GRACE PERIOD 5 MINUTES ) \nGROUP BY A"
        ),
        (
            "select 1 from s window w session (1 millisecond, grace period 0 days);",
            "SELECT 1\nFROM S S\nWINDOW W SESSION ( 1 MILLISECONDS , GRACE PERIOD 0 DAYS ) "
        ),
        (
            "select 1 from s window tumbling (size 1 hours, retention 2 days);",
            "SELECT 1\nFROM S S\nWINDOW TUMBLING ( SIZE 1 HOURS , RETENTION 2 DAYS ) "
        ),
        (
            "select * from a join b within 1 hour on a.x = b.x inner join c on c.y = a.y and c.z > 1;",
            "SELECT *\nFROM A A\nINNER JOIN B B WITHIN 1 HOURS ON ((A.X = B.X))\n"
                + "INNER JOIN C C ON (((C.Y = A.Y) AND (C.Z > 1)))"
        ),
        (
            "select * from a x left join b y within (1 hour, 2 days) grace period 3 minutes on x.i = y.i full join c on x.i = c.i;",
            "SELECT *\nFROM A X\nLEFT OUTER JOIN B Y WITHIN (1 HOURS, 2 DAYS) GRACE PERIOD 3 MINUTES ON ((X.I = Y.I))\n"
                + "FULL OUTER JOIN C C ON ((X.I = C.I))"
        ),
        (
            "select * from a right outer join b within 1 hour grace period 1 hour on x = y left outer join a as a2 on x = y;",
            "SELECT *\nFROM A A\nRIGHT OUTER JOIN B B WITHIN 1 HOURS GRACE PERIOD 1 HOURS ON ((X = Y))\n"
                + "LEFT OUTER JOIN A A2 ON ((X = Y))"
        ),
    ]

    @Test(arguments: forms)
    func `statements have a canonical form that reads back`(text: String, form: String) throws {
        let statement = try SQLParser.statement(text).statement
        #expect(statement.description == form)
        let again = try SQLParser.statement(form).statement
        #expect(again == statement)
    }

    static let special: [(SQLDialect, String, String)] = [
        (
            .testScript, "assert values s (rowtime, `a`) values (1, 'x');",
            "ASSERT VALUES S (ROWTIME, `a`) VALUES (1, 'x')"
        ),
        (.testScript, "assert null values t (id) key (1);", "ASSERT NULL VALUES T (ID) KEY (1)"),
        (
            .testScript, "assert stream s (id int key) with (kafka_topic='t');",
            "ASSERT STREAM S (ID INTEGER KEY) WITH (KAFKA_TOPIC='t');"
        ),
        (.testScript, "assert table t (id int primary key);", "ASSERT TABLE T (ID INTEGER PRIMARY KEY);"),
        (.testScript, "assert not exists topic t;", "ASSERT NOT EXISTS TOPIC 't'"),
        (.testScript, "run script 'f.sql';", "RUN SCRIPT 'f.sql'"),
        (.commandLine, "run script 'f.sql';", "RUN SCRIPT 'f.sql'"),
        (.commandLine, "spool 'out.txt';", "SPOOL 'out.txt'"), (.commandLine, "spool off;", "SPOOL OFF"),
    ]

    @Test(arguments: special)
    func `statements of tools are read for them`(dialect: SQLDialect, text: String, form: String) throws {
        let statement = try SQLParser.statement(text, dialect: dialect).statement
        #expect(statement.description == form)
        let again = try SQLParser.statement(form, dialect: dialect).statement
        #expect(again == statement)
        guard !text.contains("topic") else { return }
        #expect(throws: SQLSyntaxError.self) { try SQLParser.statement(text) }
    }

    @Test func `a script keeps the text, place and directives of its statements`() throws {
        let script = """
            -- a comment
            --@test: first: one
            SELECT 1 FROM a ; /* ; */ SET 'x'=';';
            --@expected.error: E
              --@flag
            INSERT INTO `b;` -- ;
              VALUES ('--', '/*');
            --@last: x
            """
        let wrong = "INSERT INTO `b;`"
        #expect(throws: SQLSyntaxError.self) { try SQLParser.script(script) }
        let statements = try SQLParser.script(script.replacing(wrong, with: "INSERT INTO b"))
        #expect(
            statements.map(\.text) == [
                "SELECT 1 FROM a ;", "SET 'x'=';';", "INSERT INTO b -- ;\n  VALUES ('--', '/*');",
            ])
        #expect(statements.map(\.position.line) == [3, 3, 6])
        #expect(statements.map(\.position.column) == [1, 27, 1])
        #expect(statements[0].directives.map(\.name) == ["test"])
        #expect(statements[0].directives.map(\.text) == ["first: one"])
        #expect(statements[1].directives.isEmpty)
        #expect(statements[2].directives.map(\.name) == ["expected.error", "flag"])
        #expect(statements[2].directives.map(\.position.column) == [1, 3])
    }

    @Test func `a mark of the byte order is passed over`() throws {
        let statement = try SQLParser.script("\u{FEFF}SHOW TABLES;")[0]
        #expect(statement.position.column == 1)
        #expect(statement.text == "SHOW TABLES;")
    }

    @Test func `reading goes on behind a wrong statement`() throws {
        var reader = StatementReader("--@a: 1\nSELEC 1; SHOW TABLES; foo bar baz", dialect: .testScript)
        var texts: [String] = []
        var errors: [SQLSyntaxError] = []
        for _ in 0..<4 {
            do {
                guard let statement = try reader.next() else { break }
                texts.append(statement.text)
            } catch {
                errors.append(error)
                if errors.count == 1 { #expect(reader.directives.map(\.name) == ["a"]) }
            }
        }
        #expect(texts == ["SHOW TABLES;"])
        #expect(errors.map(\.statement) == ["SELEC 1;", "foo bar baz"])
    }

    @Test func `a query is a pull query without EMIT unless it is persistent`() throws {
        func emit(_ text: String) throws -> Query.Emit? {
            switch try SQLParser.statement(text).statement {
            case .query(let query): query.emit
            case .createSourceAs(let create): create.query.emit
            case .insertInto(let insert): insert.query.emit
            default: nil
            }
        }
        #expect(try emit("select a from b") == nil)
        #expect(try emit("select a from b emit changes") == .changes)
        #expect(try emit("create stream s as select a from b") == .changes)
        #expect(try emit("create stream s as select a from b emit final") == .final)
        #expect(try emit("insert into s select a from b") == .changes)
    }

    @Test func `the order of properties means nothing`() throws {
        let one = try SQLParser.statement("create stream s with (a=1, b='x');").statement
        let other = try SQLParser.statement("create stream s with (b='x', \"A\"=1);").statement
        #expect(one == other)
        #expect(one.hashValue == other.hashValue)
        guard case .createSource(let create) = one else { return }
        #expect(create.properties["B"] == .string("x"))
        #expect(create.properties["b"] == nil)
    }

    @Test(arguments: [
        ("", true), ("select", false), ("select a from b;", true), ("set 'a'='b;", false), ("show tables; -- x", true),
        ("show tables; /* x", false), ("print `;", false), ("a;b", false), ("-- ;", true), ("select 1 -- ;", false),
    ])
    func `a prompt knows when a text is complete`(text: String, isComplete: Bool) {
        #expect(SQLParser.isComplete(text) == isComplete)
    }

    @Test func `columns of schema texts are read`() throws {
        let columns = try SQLParser.columns(
            "`ID` BIGINT KEY, `p` INT PRIMARY KEY, `S` STRUCT<`f` STRING>, `H` BYTES HEADER('x')")
        #expect(columns.map(\.name.text) == ["ID", "p", "S", "H"])
        #expect(columns.map(\.constraint) == [.key, .primaryKey, nil, .header("x")])
        #expect(try SQLParser.columns(" ").isEmpty)
        #expect(try SQLParser.type("MAP<STRING, DOUBLE>").description == "MAP<STRING, DOUBLE>")
        #expect(try SQLParser.name("`x y`").text == "x y")
        #expect(try SQLParser.name(" rowTime ").text == "ROWTIME")
        #expect(try SQLParser.timeSpan("30 seconds") == TimeSpan(30, .seconds))
        #expect(throws: SQLSyntaxError.self) { try SQLParser.name("a b") }
        #expect(throws: SQLSyntaxError.self) { try SQLParser.timeSpan("10") }
        #expect(throws: SQLSyntaxError.self) { try SQLParser.columns("a INT;") }
        #expect(throws: SQLSyntaxError.self) { try SQLParser.type("INT,") }
    }

    @Test func `time spans become milliseconds or the nearest that there is`() {
        #expect(TimeSpan(2, .days).milliseconds == 172_800_000)
        #expect(TimeSpan(.max, .seconds).milliseconds == .max)
        #expect(TimeSpan(.min, .seconds).milliseconds == .min)
    }
}
