import Testing

@testable import ConnectorCDC

@Suite struct DDLParserTests {
    /// Definitions in turn, the last one's table as "name TYPE(length,scale) [charset] flags | key".
    private static func table(_ statements: [String], _ name: String = "t") throws -> String {
        var catalog = TableCatalog()
        catalog.databaseCharsets["d"] = "utf8mb4"
        for statement in statements { _ = try DDLParser.apply(statement, database: "d", to: &catalog) }
        let table = try #require(catalog[TableID("d", name)])
        let columns = table.columns.map { column in
            var text = column.name + " " + column.typeName
            if let length = column.length {
                text += "(" + [length, column.scale].compactMap { $0 }.map(String.init).joined(separator: ",") + ")"
            }
            if let charset = column.charset { text += " " + charset }
            if !column.isOptional { text += " NN" }
            if column.hasDefault, let value = column.defaultExpression { text += " =" + value }
            return text
        }
        return columns.joined(separator: "; ") + " | " + table.primaryKey.joined(separator: ",")
    }

    @Test func `what a reference does to rows does not make a column generated`() throws {
        var catalog = TableCatalog()
        _ = try DDLParser.apply(
            "CREATE TABLE t (a INT REFERENCES o (x) ON UPDATE CASCADE, b DATETIME ON UPDATE NOW())", database: "d",
            to: &catalog)
        #expect(try #require(catalog[TableID("d", "t")]).columns.map(\.isGenerated) == [false, true])
    }

    /// By hand from the manuals of MySQL and MariaDB.
    @Test(
        arguments: [
            (
                ["CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VARCHAR(10) DEFAULT 'x')"],
                "id INT NN; v VARCHAR(10) utf8mb4 =x | id"
            ),
            (
                ["create table if not exists d.t (`a``b` int unsigned zerofill, key (`a``b`)) charset latin1"],
                "a`b INT UNSIGNED ZEROFILL | "
            ),
            (
                [
                    "CREATE TABLE t (a CHAR, b TEXT CHARACTER SET ucs2, c VARCHAR(3) COLLATE latin2_general_ci) DEFAULT CHARSET=latin1"
                ],
                "a CHAR latin1; b TEXT ucs2; c VARCHAR(3) latin2 | "
            ),
            (
                [
                    "CREATE TABLE t (a DECIMAL, b NUMERIC(5), c DOUBLE PRECISION, d REAL, e DEC(4,1) UNSIGNED, f FLOAT(7,2))"
                ],
                "a DECIMAL(10,0); b NUMERIC(5,0); c DOUBLE PRECISION; d REAL; e DEC UNSIGNED(4,1); f FLOAT(7,2) | "
            ),
            (
                ["CREATE TABLE t (e ENUM('a','b,c','it''s') NOT NULL DEFAULT 'a', s SET('x','y') /* comment ) */)"],
                "e ENUM(1) utf8mb4 NN =a; s SET(3) utf8mb4 | "
            ),
            (
                ["CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, UNIQUE KEY u (b), PRIMARY KEY (b, a))"],
                "a INT NN; b INT NN | b,a"
            ),
            (["CREATE TABLE t (a INT NOT NULL, b INT, UNIQUE (b), UNIQUE u2 (a))"], "a INT NN; b INT | a"),
            (
                [
                    "CREATE TABLE t (a BIT DEFAULT b'1', b BIT(5) DEFAULT b'101', c TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP(), d INT DEFAULT -5)"
                ],
                "a BIT(1) =1; b BIT(5) =101; c TIMESTAMP NN =1970-01-01 00:00:00; d INT =-5 | "
            ),
            (
                [
                    "CREATE TABLE t (a INT, b INT AS (a*2) VIRTUAL, c INT GENERATED ALWAYS AS (concat('x,)', a)) STORED COMMENT 'c, ''d''')"
                ],
                "a INT; b INT; c INT | "
            ),
            (
                ["CREATE TABLE t (id SERIAL, n NATIONAL VARCHAR(5), b BINARY(4), v CHAR(3) CHARACTER SET binary)"],
                "id BIGINT UNSIGNED NN; n NATIONAL VARCHAR(5) utf8; b BINARY(4); v BINARY(3) | id"
            ),
            // Seen with Debezium 3.6.
            (
                [
                    "CREATE TABLE t (a CHAR(3) BINARY, b TEXT BINARY, c NCHAR VARYING(5), d CHARACTER VARYING(5), e LONG VARCHAR, f LONG, g LONG VARBINARY, h INT(11) SIGNED, i CHAR, j BINARY)"
                ],
                "a CHAR BINARY(3) utf8mb4; b TEXT BINARY utf8mb4; c NCHAR VARYING(5) utf8; d CHARACTER VARYING(5) utf8mb4; e LONG VARCHAR utf8mb4; f LONG utf8mb4; g LONG VARBINARY; h INT SIGNED(11); i CHAR utf8mb4; j BINARY | "
            ),
            (["CREATE TABLE t (a INT UNIQUE, b INT)"], "a INT; b INT | a"),
            (
                [
                    "CREATE TABLE t (a INT, CONSTRAINT fk FOREIGN KEY (a) REFERENCES o (x) ON DELETE SET NULL, CHECK (a > 0), INDEX i (a)) ENGINE=InnoDB COMMENT='x' /*!50100 PARTITION BY HASH (a) PARTITIONS 4 */"
                ],
                "a INT | "
            ),
            (
                [
                    "CREATE TABLE t (a INT)",
                    "ALTER TABLE t ADD COLUMN b INT FIRST, ADD c INT AFTER b, ADD (d INT, e INT)",
                ],
                "b INT; c INT; a INT; d INT; e INT | "
            ),
            (
                [
                    "CREATE TABLE t (a INT PRIMARY KEY, b INT)",
                    "ALTER TABLE t CHANGE a x BIGINT, MODIFY b VARCHAR(5) FIRST, DROP COLUMN IF EXISTS nope",
                ],
                "b VARCHAR(5) utf8mb4; x BIGINT NN | x"
            ),
            (
                [
                    "CREATE TABLE t (a INT PRIMARY KEY, b INT NOT NULL)",
                    "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b), RENAME COLUMN b TO k, DROP a",
                ],
                "k INT NN | k"
            ),
            (
                [
                    "CREATE TABLE t (a INT DEFAULT 1, b VARCHAR(2))",
                    "ALTER TABLE t ALTER a SET DEFAULT 7, CONVERT TO CHARACTER SET latin1",
                ],
                "a INT =7; b VARCHAR(2) latin1 | "
            ),
            (
                [
                    "CREATE TABLE t (`key` INT, `index` INT, status INT, comment VARCHAR(5), `primary` INT, PRIMARY KEY USING BTREE (`key` DESC))"
                ],
                "key INT NN; index INT; status INT; comment VARCHAR(5) utf8mb4; primary INT | key"
            ),
            (["CREATE TABLE o (a INT PRIMARY KEY)", "CREATE TABLE t LIKE o"], "a INT NN | a"),
            (
                ["CREATE TABLE o (a INT)", "CREATE TABLE t (b INT)", "CREATE TABLE IF NOT EXISTS t LIKE o"],
                "b INT | "
            ),
            (
                ["CREATE TABLE o (a INT)", "CREATE TABLE t (b INT)", "CREATE TABLE IF NOT EXISTS t (LIKE o)"],
                "b INT | "
            ),
            (["CREATE TABLE t (b INT)", "CREATE TABLE o (a INT)", "CREATE OR REPLACE TABLE t LIKE o"], "a INT | "),
            (
                [
                    "CREATE TABLE t (a INT NOT NULL REFERENCES o (x) ON DELETE SET NULL ON UPDATE CASCADE, b INT REFERENCES d.o (x) MATCH FULL ON UPDATE SET DEFAULT NOT NULL, c INT REFERENCES o (x) ON DELETE NO ACTION DEFAULT 5)"
                ],
                "a INT NN; b INT NN; c INT =5 | "
            ),
            (
                [
                    "CREATE TABLE t (a INT)",
                    "ALTER TABLE t MODIFY COLUMN IF EXISTS x DECIMAL(5,2), CHANGE IF EXISTS y z INT, MODIFY IF EXISTS a BIGINT",
                ],
                "a BIGINT | "
            ),
            (["CREATE TABLE x (a INT)", "RENAME TABLE x TO y, y TO t"], "a INT | "),
            (["CREATE TABLE x (a INT)", "ALTER TABLE x RENAME TO d.t, ADD b INT"], "a INT; b INT | "),
            (["CREATE TABLE t (a INT NOT NULL)", "CREATE UNIQUE INDEX u ON t (a)"], "a INT NN | a"),
            (
                ["CREATE TABLE t (a INT /*!80000 NOT NULL */, b INT /*M!100100 DEFAULT 3 */) -- end"],
                "a INT NN; b INT =3 | "
            ),
            (["SET STATEMENT max_statement_time=0 FOR CREATE TABLE t (a INT)"], "a INT | "),
            (["CREATE OR REPLACE TABLE t (a INT)", "CREATE OR REPLACE TABLE t (b INT)"], "b INT | "),
            (
                [
                    "CREATE TABLE t (a DATETIME(3) DEFAULT '2020-01-01', b TIME(6), c YEAR(4), d JSON, p POINT NOT NULL, SPATIAL INDEX (p))"
                ],
                "a DATETIME(3) =2020-01-01; b TIME(6); c YEAR(4); d JSON; p POINT NN | "
            ),
            (
                [
                    "CREATE TABLE t (a VARCHAR(5) DEFAULT _utf8mb4'é', b INT DEFAULT (1 + 1), c INT NOT NULL DEFAULT uuid_short(), d VARCHAR(9) DEFAULT ('x'))"
                ],
                "a VARCHAR(5) utf8mb4 =é; b INT; c INT NN; d VARCHAR(9) utf8mb4 =x | "
            ),
        ] as [([String], String)])
    func `follows definitions`(statements: [String], expected: String) throws {
        #expect(try Self.table(statements) == expected)
    }

    @Test(arguments: [
        ("DROP TABLE IF EXISTS a, d.b /* generated by server */", ["d.a", "d.b"]),
        ("DROP DATABASE d", ["d.a", "d.b"]),
    ])
    func `drops tables`(statement: String, names: [String]) throws {
        var catalog = TableCatalog()
        for name in ["a", "b"] { _ = try DDLParser.apply("CREATE TABLE \(name) (x INT)", database: "d", to: &catalog) }
        let changes = try DDLParser.apply(statement, database: "d", to: &catalog)
        #expect(changes.compactMap { if case .drop(let id) = $0 { id.description } else { nil } } == names)
        #expect(catalog.ids.isEmpty)
    }

    /// None of them changes a table, and none is an error.
    @Test(arguments: [
        "CREATE VIEW v AS SELECT 1", "GRANT SELECT ON *.* TO 'u'@'%'", "CREATE TEMPORARY TABLE x (a INT)",
        "CREATE PROCEDURE p() BEGIN SELECT 1; END", "FLUSH PRIVILEGES", "# Dum", "", "   ;", "ANALYZE TABLE x",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @a = 1", "DROP VIEW v", "ALTER USER u IDENTIFIED BY 'x'",
        "DROP TEMPORARY TABLE IF EXISTS x", "ALTER TABLE unknown ADD a INT", "CREATE SEQUENCE s START WITH 1",
    ])
    func `passes over other statements`(statement: String) throws {
        var catalog = TableCatalog()
        let changes = try DDLParser.apply(statement, database: "d", to: &catalog)
        #expect(changes.isEmpty && catalog.ids.isEmpty)
    }

    /// Definitions that end anywhere never trap and never loop.
    @Test func `bears statements cut at any place`() {
        let whole =
            "CREATE TABLE `a``b`.t (id INT(11) NOT NULL AUTO_INCREMENT COMMENT 'x''y', e ENUM('a','b') DEFAULT _latin1'a', "
            + "g INT AS (id + (1)) STORED, /*!50100 KEY k (id), */ PRIMARY KEY (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
        let bytes = Array(whole.utf8)
        for count in bytes.indices {
            var catalog = TableCatalog()
            _ = try? DDLParser.apply(String(decoding: bytes[..<count], as: UTF8.self), database: "", to: &catalog)
            _ = try? DDLParser.apply(String(decoding: bytes[count...], as: UTF8.self), database: "", to: &catalog)
        }
        for text in [
            "ALTER TABLE t ADD", "CREATE TABLE", "CREATE TABLE t (", "RENAME TABLE a", "DROP INDEX", "CREATE", "ALTER",
            "'", "`", "/*", "/*!", "x'", "b'1", "ALTER TABLE t CHANGE a",
        ] {
            var catalog = TableCatalog()
            _ = try? DDLParser.apply("CREATE TABLE t (a INT)", database: "", to: &catalog)
            _ = try? DDLParser.apply(text, database: "", to: &catalog)
        }
    }

    @Test func `tables survive the schema history's form`() throws {
        var catalog = TableCatalog()
        let changes = try DDLParser.apply(
            "CREATE TABLE t (id INT(11) NOT NULL, d DECIMAL(6,2) NOT NULL DEFAULT 1.25, e ENUM('a','b''c'), PRIMARY KEY (id))",
            database: "d", to: &catalog)
        var other = TableCatalog()
        for change in changes {
            let json = try #require(TableChangesText.json(change, hasComments: true))
            #expect(TableChangesText.apply(json, to: &other))
        }
        #expect(other[TableID("d", "t")] == catalog[TableID("d", "t")])
    }
}
