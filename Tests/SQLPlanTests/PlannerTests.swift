import SQLFormats
import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes
import Testing

private let sources = """
    CREATE STREAM ORDERS (ID INT KEY, ITEM STRING, PRICE DOUBLE, PLACE STRUCT<CITY STRING, ZIP INT>)
      WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');
    CREATE STREAM PAYMENTS (PID INT KEY, ORDER_ID INT, AMOUNT DOUBLE)
      WITH (KAFKA_TOPIC='payments', VALUE_FORMAT='JSON');
    CREATE TABLE ITEMS (NAME STRING PRIMARY KEY, WEIGHT DOUBLE) WITH (KAFKA_TOPIC='items', VALUE_FORMAT='JSON');
    """

@Suite struct PlannerTests {
    @Test(arguments: [
        (
            "CREATE STREAM R AS SELECT * FROM ORDERS;",
            "`ID` INTEGER KEY, `ITEM` STRING, `PRICE` DOUBLE, `PLACE` STRUCT<`CITY` STRING, `ZIP` INTEGER>"
        ),
        (
            "CREATE STREAM R AS SELECT ID AS K, PRICE * 2, PLACE->ZIP FROM ORDERS;",
            "`K` INTEGER KEY, `KSQL_COL_0` DOUBLE, `ZIP` INTEGER"
        ),
        ("CREATE STREAM R AS SELECT ITEM, PRICE FROM ORDERS PARTITION BY ITEM;", "`ITEM` STRING KEY, `PRICE` DOUBLE"),
        (
            "CREATE STREAM R AS SELECT UCASE(ITEM) AS U, ID FROM ORDERS PARTITION BY UCASE(ITEM);",
            "`U` STRING KEY, `ID` INTEGER"
        ),
        (
            "CREATE TABLE R AS SELECT ITEM, COUNT(*) AS N, SUM(PRICE) FROM ORDERS GROUP BY ITEM;",
            "`ITEM` STRING KEY, `N` BIGINT, `KSQL_COL_0` DOUBLE"
        ),
        (
            "CREATE TABLE R AS SELECT ID, WINDOWSTART AS S, COUNT(*) AS N FROM ORDERS WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY ID;",
            "`ID` INTEGER KEY, `S` BIGINT, `N` BIGINT"
        ),
        (
            "CREATE STREAM R AS SELECT O.ID, AMOUNT FROM ORDERS O JOIN PAYMENTS P WITHIN 1 HOUR ON O.ID = P.ORDER_ID;",
            "`ID` INTEGER KEY, `AMOUNT` DOUBLE"
        ),
        (
            "CREATE STREAM R AS SELECT ROWKEY, ITEM, AMOUNT FROM ORDERS O JOIN PAYMENTS P WITHIN 1 HOUR ON O.ID + 1 = P.ORDER_ID + 1;",
            "`ROWKEY` INTEGER KEY, `ITEM` STRING, `AMOUNT` DOUBLE"
        ),
        (
            "CREATE STREAM R AS SELECT I.NAME AS NAME, O.ID AS ID, WEIGHT FROM ORDERS O LEFT JOIN ITEMS I ON O.ITEM = I.NAME;",
            "`NAME` STRING KEY, `ID` INTEGER, `WEIGHT` DOUBLE"
        ),
        ("CREATE STREAM R AS SELECT ID, EXPLODE(ARRAY[1, 2]) AS E FROM ORDERS;", "`ID` INTEGER KEY, `E` INTEGER"),
    ])
    func `results have the columns of their queries`(statement: String, schema: String) throws {
        let lab = try Lab(sources)
        try lab.run(statement)
        #expect(lab.schema("R") == schema)
    }

    @Test(arguments: [
        ("CREATE STREAM R AS SELECT * FROM NOWHERE;", "NOWHERE does not exist."),
        ("CREATE STREAM R AS SELECT ID, NOTHING FROM ORDERS;", "SELECT column 'NOTHING' cannot be resolved."),
        ("CREATE STREAM R AS SELECT X.ID FROM ORDERS;", "'X' is not a valid stream/table name or alias."),
        ("CREATE STREAM R AS SELECT ID, NOFUNC(ID) FROM ORDERS;", "Can't find any functions with the name 'NOFUNC'"),
        ("CREATE STREAM R AS SELECT ITEM FROM ORDERS;", "Key missing from projection"),
        ("CREATE STREAM R AS SELECT ID FROM ORDERS;", "The projection contains no value columns."),
        ("CREATE TABLE R AS SELECT ID, ITEM FROM ORDERS;", "Invalid result type."),
        ("CREATE STREAM R AS SELECT ID, COUNT(*) AS N FROM ORDERS GROUP BY ID;", "Invalid result type."),
        (
            "CREATE TABLE R AS SELECT ID, ITEM, COUNT(*) AS N FROM ORDERS GROUP BY ID;",
            "Non-aggregate SELECT expression(s) not part of GROUP BY: ITEM"
        ),
        (
            "CREATE TABLE R AS SELECT ITEM, COUNT(*) AS N FROM ORDERS GROUP BY ITEM HAVING COUNT(*) > 'x';",
            "Cannot compare COUNT(ROWTIME) (BIGINT) to 'x' (STRING)"
        ),
        ("CREATE STREAM R AS SELECT ID, ITEM FROM ORDERS WHERE PRICE;", "Should evaluate to boolean"),
        (
            "CREATE STREAM R AS SELECT O.ID, AMOUNT FROM ORDERS O JOIN PAYMENTS P ON O.ID = P.ORDER_ID;",
            "must have a WITHIN clause"
        ),
        (
            "CREATE STREAM R AS SELECT I.NAME, O.ID FROM ORDERS O JOIN ITEMS I ON O.ITEM = I.WEIGHT;",
            "stream-table joins require to join on the table's primary key"
        ),
        ("CREATE STREAM R WITH (VALUE_FORMAT='NONSENSE') AS SELECT * FROM ORDERS;", "Unknown format: NONSENSE"),
        ("CREATE STREAM R WITH (NONSENSE=1) AS SELECT * FROM ORDERS;", "NONSENSE"),
        ("CREATE STREAM ORDERS AS SELECT * FROM PAYMENTS;", "A stream with the same name already exists"),
        ("DROP STREAM NOWHERE;", "NOWHERE does not exist"),
        ("TERMINATE NOWHERE;", "Unknown queryId: NOWHERE"),
        ("INSERT INTO ORDERS (ID, NOTHING) VALUES (1, 2);", "Column name `NOTHING` does not exist."),
    ])
    func `statements that mean nothing say why`(statement: String, message: String) throws {
        let lab = try Lab(sources)
        let before = lab.catalog.sourceNames
        let failure = try lab.failure(statement)
        #expect(failure?.contains(message) == true, "\(failure ?? "it does not fail")")
        #expect(lab.catalog.sourceNames == before)
    }

    @Test func `unused columns are not read`() throws {
        let lab = try Lab(sources)
        try lab.run("CREATE TABLE R AS SELECT ITEM, MAX(PRICE) AS P FROM ORDERS WHERE ID > 3 GROUP BY ITEM;")
        var names: [String] = []
        try lab.plan("CTAS_R_0").root.forEach { step in
            if case .source = step.operation { names = step.schema.columns.map(\.name) }
        }
        #expect(names == ["ID", "ITEM", "PRICE"])
    }

    @Test func `rows move only where their key changes`() throws {
        func topics(_ query: String) throws -> [String] {
            let lab = try Lab(sources)
            try lab.run(query)
            var names: [String] = []
            for query in lab.catalog.allQueries {
                query.plan.root.forEach { step in
                    switch step.operation {
                    case .repartition(let repartition): names.append(repartition.topic.name)
                    case .group(let group): if let topic = group.repartition { names.append(topic.name) }
                    default: break
                    }
                }
            }
            return names
        }
        #expect(try topics("CREATE TABLE R AS SELECT ID, COUNT(*) AS N FROM ORDERS GROUP BY ID;") == [])
        #expect(
            try topics("CREATE TABLE R AS SELECT ITEM, COUNT(*) AS N FROM ORDERS GROUP BY ITEM;")
                == ["Aggregate-GroupBy"])
        #expect(
            try topics(
                "CREATE STREAM R AS SELECT O.ID, AMOUNT FROM ORDERS O JOIN PAYMENTS P WITHIN 1 DAY ON O.ID = ORDER_ID;")
                == ["Join-right"])
        #expect(try topics("CREATE STREAM R AS SELECT ITEM, ID FROM ORDERS PARTITION BY ITEM;") == [])
    }

    @Test func `EXPLAIN shows steps from the result down`() throws {
        let lab = try Lab(sources)
        let script = try SQLParser.script("EXPLAIN CREATE STREAM R AS SELECT ID, ITEM FROM ORDERS WHERE PRICE > 1;")
        guard case .explain(let explain)? = script.first?.statement else { throw Lab.Missing(id: "explain") }
        let text = try lab.executor.explain(explain, in: lab.catalog)
        #expect(
            text == """
                 > [ SINK ] | Schema: ID INTEGER KEY, ITEM STRING | Logger: CSAS_R_0.R
                \t\t > [ PROJECT ] | Schema: ID INTEGER KEY, ITEM STRING | Logger: CSAS_R_0.Project
                \t\t\t\t > [ FILTER ] | Schema: ID INTEGER KEY, ITEM STRING, PRICE DOUBLE | Logger: CSAS_R_0.WhereFilter
                \t\t\t\t\t\t > [ SOURCE ] | Schema: ID INTEGER KEY, ITEM STRING, PRICE DOUBLE | Logger: CSAS_R_0.KsqlTopic.Source

                """)
        #expect(lab.catalog.queryIDs.isEmpty)
    }

    @Test func `a replaced query keeps its id`() throws {
        let lab = try Lab(sources)
        try lab.run("CREATE STREAM R AS SELECT ID, ITEM FROM ORDERS;")
        let outcomes = try lab.run("CREATE OR REPLACE STREAM R AS SELECT ID, ITEM, PRICE FROM ORDERS WHERE PRICE > 1;")
        guard case .replace(let plan)? = outcomes.first?.effects.first else { throw Lab.Missing(id: "replace") }
        #expect(plan.id == "CSAS_R_0")
        #expect(lab.schema("R") == "`ID` INTEGER KEY, `ITEM` STRING, `PRICE` DOUBLE")
        let failure = try lab.failure("CREATE OR REPLACE STREAM R AS SELECT ID, ITEM FROM ORDERS;")
        #expect(failure?.contains("not upgradeable") == true || failure?.contains("upgrade") == true)
    }

    /// Results of the old key and the new one would be mixed, and groups continued that are other ones.
    @Test(
        arguments: [
            ("GROUP BY", "ID + 1", "ID + 2", "group by clause"), ("GROUP BY", "ID + 1", " id+1", nil),
            ("GROUP BY", "UCASE(ITEM)", "LCASE(ITEM)", "group by clause"),
            ("PARTITION BY", "ID + 1", "ID + 2", "keyExpressions"), ("PARTITION BY", "ID + 1", " id+1", nil),
            ("WHERE PRICE > 3 PARTITION BY", "ID + 1", "ID + 1", nil),
        ] as [(String, String, String, String?)])
    func `a replaced query keeps its key`(clause: String, before: String, after: String, property: String?) throws {
        let lab = try Lab(sources)
        let isTable = clause == "GROUP BY"
        func query(_ key: String, _ clause: String) -> String {
            "\(isTable ? "TABLE" : "STREAM") R AS SELECT \(key) AS K, \(isTable ? "COUNT(*) AS N" : "ITEM") FROM ORDERS"
                + " \(clause) \(key);"
        }
        try lab.run("CREATE \(query(before, isTable ? clause : "PARTITION BY"))")
        let failure = try lab.failure("CREATE OR REPLACE \(query(after, clause))")
        #expect((failure == nil) == (property == nil), "\(failure ?? "it does not fail")")
        if let property { #expect(failure?.contains("must have matching \(property).") == true) }
    }

    @Test func `aggregates are replaced by those that read the same columns`() throws {
        let lab = try Lab(sources)
        try lab.run("CREATE TABLE R AS SELECT ID, COUNT(PRICE) AS N FROM ORDERS GROUP BY ID;")
        try lab.run(
            "CREATE OR REPLACE TABLE R AS SELECT ID, COUNT(PRICE) AS N FROM ORDERS WHERE PRICE > 1 GROUP BY ID;")
        #expect(lab.catalog.queryIDs == ["CTAS_R_0"])
        let other = "CREATE OR REPLACE TABLE R AS SELECT ID, COUNT(ITEM) AS N FROM ORDERS WHERE PRICE > 1 GROUP BY ID;"
        #expect(
            try lab.failure(other)?.contains("Values differ: [`ID`, `PRICE`] vs. [`ID`, `ITEM`, `PRICE`]") == true)
        let sum = "CREATE OR REPLACE TABLE R AS SELECT ID, MAX(PRICE) AS N FROM ORDERS GROUP BY ID;"
        #expect(try lab.failure(sum) != nil)
    }

    @Test(arguments: [
        ("I", "1 + 2", SQLValue.int(3)), ("L", "7", .bigint(7)), ("D", "7", .double(7)),
        ("X", "'IQ=='", .bytes([0x21])),
        ("S", "UCASE('a')", .string("A")), ("T", "'1970-01-01T00:00:01'", .timestamp(1000)),
        ("Y", "'1970-01-02'", .date(1)), ("A", "ARRAY[1, 2]", .array([.bigint(1), .bigint(2)])), ("S", "NULL", .null),
    ])
    func `values of INSERT become those of their columns`(column: String, text: String, value: SQLValue) throws {
        let lab = try Lab(
            """
            CREATE STREAM V (K INT KEY, I INT, L BIGINT, D DOUBLE, X BYTES, S STRING, T TIMESTAMP, Y DATE, A ARRAY<BIGINT>)
              WITH (KAFKA_TOPIC='v', VALUE_FORMAT='JSON');
            """)
        let outcome = try lab.run("INSERT INTO V (ROWTIME, K, \(column)) VALUES (5, 9, \(text));")
        guard case .insert(let row)? = outcome.first?.effects.first else { throw Lab.Missing(id: "insert") }
        let index = row.source.valueColumns.firstIndex { $0.name == column }
        #expect(index.map { row.value[$0] } == value)
        #expect(row.key == [.int(9)])
        #expect(row.timestamp == 5)
    }

    /// DefaultSqlValueCoercer: what does not fit without rounding is refused, CAST rounds.
    @Test(arguments: [
        ("123.45", "123.45"), ("1.500", "1.50"), ("7", "7.00"), ("1.25 + 0.25", "1.50"),
        ("CAST(123.456 AS DECIMAL(5, 2))", "123.46"), ("-0.01", "-0.01"),
        ("123.456", nil), ("0.001", nil), ("1.005 + 0.001", nil), ("1234", nil), ("999.999", nil),
    ])
    func `INSERT takes decimals that fit, and no others`(text: String, stored: String?) throws {
        let lab = try Lab(
            "CREATE STREAM DC (DE DECIMAL(5, 2), L ARRAY<DECIMAL(5, 2)>) WITH (KAFKA_TOPIC='dc', VALUE_FORMAT='JSON', PARTITIONS=1);"
        )
        let statements = ["INSERT INTO DC (DE) VALUES (\(text));", "INSERT INTO DC (L) VALUES (ARRAY[\(text)]);"]
        for (index, statement) in statements.enumerated() {
            guard let stored else {
                let failure = try lab.failure(statement)
                let prefix = "Failed to insert values into 'DC'. Expected type "
                #expect(failure?.hasPrefix(prefix) == true, "\(failure ?? "it does not fail")")
                continue
            }
            guard case .insert(let row)? = try lab.run(statement).first?.effects.first else {
                throw Lab.Missing(id: "insert")
            }
            let number = SQLValue.decimal(try SQLDecimal(stored))
            #expect(row.value[index] == (index == 0 ? number : .array([number])))
        }
        if text == "123.456" {
            #expect(
                try lab.failure(statements[0])
                    == "Failed to insert values into 'DC'. Expected type DECIMAL(5, 2) for field `DE` but got DECIMAL(123.456)"
            )
        }
    }

    /// The name says which message the columns are, at the top or inside another; of Avro it is only written.
    @Test func `a message that the schema does not have is refused with the names of those it has`() throws {
        let lab = try Lab()
        let proto = """
            syntax = "proto3"; package x.y;
            message M { int32 A = 1; message I { int32 C = 1; } } message N { string B = 1; }
            """
        _ = try lab.registry.register(RegistrySchema(type: "PROTOBUF", text: proto), under: "t-value")
        func create(_ name: String, _ columns: String = "", format: String = "PROTOBUF", topic: String = "t") -> String
        {
            "CREATE OR REPLACE STREAM S \(columns) WITH (KAFKA_TOPIC='\(topic)', VALUE_FORMAT='\(format)', "
                + "PARTITIONS=1, VALUE_SCHEMA_FULL_NAME='\(name)');"
        }
        let failure = try lab.failure(create("x.y.Q"))
        #expect(failure?.contains("the schema has no message 'x.y.Q'") == true, "\(failure ?? "it does not fail")")
        #expect(failure?.contains("VALUE_SCHEMA_FULL_NAME to one that it has: 'x.y.M', 'x.y.N'") == true)
        for (name, schema) in [("x.y.N", "`B` STRING"), (" x.y.M ", "`A` INTEGER"), ("x.y.M.I", "`C` INTEGER")] {
            let lab = try Lab()
            _ = try lab.registry.register(RegistrySchema(type: "PROTOBUF", text: proto), under: "t-value")
            try lab.run(create(name))
            #expect(lab.schema("S") == schema)
        }
        // What was accepted before goes on after a restart.
        var catalog = lab.catalog
        let replay = StatementExecutor(
            StatementEnvironment(
                functions: .builtIn, topics: lab.topics, registry: AcceptedBefore(registry: lab.registry),
                translation: FormatTranslation(), now: 0, random: { 0 }))
        for statement in try SQLParser.script(create("x.y.Q")) {
            _ = try replay.execute(statement.statement, text: statement.text, in: &catalog)
        }
        #expect(catalog["S"]?.schemaText == "`A` INTEGER")
        // With columns, the name is what is written.
        try lab.run(create("z.Q", "(A INT)", topic: "u"))
        let record = #"{"type":"record","name":"M","namespace":"x.y","fields":[{"name":"A","type":"int"}]}"#
        let other = try Lab()
        _ = try other.registry.register(RegistrySchema(type: "AVRO", text: record), under: "v-value")
        try other.run(create("x.y.Q", format: "AVRO", topic: "v"))
        #expect(other.schema("S") == "`A` INTEGER")
    }

    @Test func `what others are built from stays`() throws {
        let lab = try Lab(sources)
        try lab.run("CREATE STREAM R AS SELECT * FROM ORDERS; CREATE STREAM S AS SELECT * FROM R;")
        #expect(try lab.failure("DROP STREAM R;") != nil)
        try lab.run("TERMINATE CSAS_S_1; DROP STREAM S; DROP STREAM R;")
        #expect(lab.catalog["R"] == nil)
        #expect(lab.catalog.queryIDs.isEmpty)
    }

    @Test func `clients get values and keys as columns`() throws {
        let lab = try Lab(sources)
        guard
            case .query(let query)? = try SQLParser.script("SELECT ITEM, ID FROM ORDERS EMIT CHANGES LIMIT 3;").first?
                .statement
        else { throw Lab.Missing(id: "query") }
        let (plan, columns) = try lab.executor.planPushQuery(query, id: "q", in: lab.catalog)
        #expect(columns.map(\.name) == ["ITEM", "ID"])
        #expect(plan.limit == 3)
        #expect(plan.sourceTopics == ["orders"])
    }

    /// LogicalSchema.Builder of the original: names of a result are each of one column.
    @Test(arguments: [
        ("SELECT ID, ID FROM ORDERS", "Duplicate key columns found in schema: `ID` INTEGER KEY"),
        ("SELECT *, ITEM FROM ORDERS", "Duplicate value columns found in schema: `ITEM` STRING"),
        ("SELECT ITEM AS X, PRICE AS X FROM ORDERS", "Duplicate value columns found in schema: `X` DOUBLE"),
        ("SELECT ID, ITEM AS ID FROM ORDERS", "Duplicate value columns found in schema: `ID` STRING"),
        ("SELECT ROWTIME, * FROM ORDERS", nil), ("SELECT ITEM AS ID FROM ORDERS", nil),
        ("SELECT ITEM, ITEM AS I FROM ORDERS", nil), ("SELECT ID, ID AS I FROM ORDERS", nil),
        ("SELECT ITEM, COUNT(*) AS ITEM FROM ORDERS GROUP BY ITEM", "columns found in schema: `ITEM` BIGINT"),
        ("SELECT * FROM ORDERS O JOIN ITEMS I ON O.ITEM = I.NAME", nil),
    ])
    func `names of a client's columns are unlike each other`(text: String, message: String?) throws {
        let lab = try Lab(sources)
        guard case .query(let query)? = try SQLParser.script("\(text) EMIT CHANGES;").first?.statement else {
            throw Lab.Missing(id: "query")
        }
        do throws(PlanError) {
            _ = try lab.executor.planPushQuery(query, id: "q", in: lab.catalog)
            #expect(message == nil)
        } catch {
            #expect(message.map { error.message.contains($0) } == true, "\(error.message)")
        }
    }
}

/// Schemas as a command that is replayed sees them.
private struct AcceptedBefore: SchemaRegistryAccess {
    let registry: MemorySchemaRegistry
    var isReplayed: Bool { true }

    func latest(of subject: String) throws(PlanError) -> (id: Int32, schema: RegistrySchema)? {
        try registry.latest(of: subject)
    }
    func schema(id: Int32) throws(PlanError) -> RegistrySchema? { try registry.schema(id: id) }
    func register(_ schema: RegistrySchema, under subject: String) throws(PlanError) -> Int32 {
        try registry.register(schema, under: subject)
    }
    func schema(of subject: String, version: Int32) throws(PlanError) -> RegistrySchema? {
        try registry.schema(of: subject, version: version)
    }
    func delete(_ subject: String) throws(PlanError) { try registry.delete(subject) }
}
