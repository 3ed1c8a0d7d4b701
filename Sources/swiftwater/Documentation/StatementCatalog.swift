/// A statement of streaming SQL as the reference describes it. A test parses every example and asks that each statement of
/// the language has one; another runs those of servers and of the shell, in their order.
struct StatementEntry {
    /// Who takes it.
    enum Place {
        case server
        case shell
        /// Scripts of `swiftwater test`.
        case tests
    }

    var title: String
    var syntax: String
    var text: String
    var examples: [String]
    var place = Place.server

    init(_ title: String, _ syntax: String, _ text: String, _ examples: [String], place: Place = .server) {
        self.title = title
        self.syntax = syntax
        self.text = text
        self.examples = examples
        self.place = place
    }
}

enum StatementCatalog {
    static let sections: [(title: String, entries: [StatementEntry])] = [
        ("Properties and variables", settings), ("Streams, tables and types", sources), ("Rows", rows),
        ("Persistent queries", persistent), ("Queries of clients", queries), ("Looking", looking),
        ("Connectors", connectors), ("Waiting for topics and schemas", waiting), ("Removing", removing),
        ("In the shell", shell), ("In tests", tests),
    ]

    private static let settings = [
        StatementEntry(
            "SET, UNSET", "SET 'property' = 'value'\nUNSET 'property'",
            "A property of the session, for the statements that follow: in the shell until it ends, over HTTP within the "
                + "request. `auto.offset.reset` decides where queries begin that have not read yet. A name that is no property is "
                + "refused, with the nearest one that is.",
            [
                "SET 'auto.offset.reset' = 'earliest';", "SET 'cache.max.bytes.buffering' = '0';",
                "UNSET 'cache.max.bytes.buffering';",
            ]),
        StatementEntry(
            "DEFINE, UNDEFINE", "DEFINE name = 'text'\nUNDEFINE name",
            "A variable: `${name}` in later statements stands for the text.",
            ["DEFINE prefix = 'air';", "DEFINE gone = 'soon';", "UNDEFINE gone;"]),
        StatementEntry(
            "ALTER SYSTEM", "ALTER SYSTEM 'property' = 'value'",
            "A property of all servers of the cluster, for statements to come. It survives restarts.",
            ["ALTER SYSTEM 'ksql.streams.commit.interval.ms' = '2000';"]),
    ]

    private static let sources = [
        StatementEntry(
            "CREATE TYPE", "CREATE TYPE [IF NOT EXISTS] name AS type", "A name for a type.",
            ["CREATE TYPE address AS STRUCT<street STRING, city STRING>;"]),
        StatementEntry(
            "CREATE STREAM",
            "CREATE [OR REPLACE] [SOURCE] STREAM [IF NOT EXISTS] name\n"
                + "  [(column type [KEY | HEADERS | HEADER('key')], ...)] WITH (property = value, ...)",
            "Reads a topic as a stream. The topic is there, or `PARTITIONS` says how to make it. Columns may be left out "
                + "where the registry knows the schema. `SOURCE` makes it read-only.",
            [
                "CREATE STREAM ratings (rating_id BIGINT KEY, user_id BIGINT, stars INT, message STRING)\n"
                    + "  WITH (KAFKA_TOPIC = '${prefix}_ratings', VALUE_FORMAT = 'JSON', PARTITIONS = 1);"
            ]),
        StatementEntry(
            "CREATE TABLE",
            "CREATE [OR REPLACE] [SOURCE] TABLE [IF NOT EXISTS] name\n"
                + "  [(column type [PRIMARY KEY], ...)] WITH (property = value, ...)",
            "Reads a topic as a table: the last row of each key counts, a null value deletes it. A `SOURCE TABLE` is kept "
                + "by the server, so that it can be asked for rows.",
            [
                "CREATE TABLE customers (id BIGINT PRIMARY KEY, name STRING, home address)\n"
                    + "  WITH (KAFKA_TOPIC = 'customers', VALUE_FORMAT = 'JSON', PARTITIONS = 1);"
            ]),
        StatementEntry(
            "ALTER STREAM, ALTER TABLE", "ALTER STREAM | TABLE name ADD [COLUMN] column type [, ADD ...]",
            "Adds columns at the end of a source that was made with columns, not by a query.",
            ["ALTER STREAM ratings ADD COLUMN channel STRING;"]),
    ]

    private static let rows = [
        StatementEntry(
            "INSERT VALUES", "INSERT INTO name [(column, ...)] VALUES (value, ...)",
            "Writes a row. Columns that are left out are null; `ROWTIME` may be one of them. A decimal with more places than "
                + "its column has is refused; `CAST` rounds it.",
            [
                "INSERT INTO ratings VALUES (1, 7, 1, 'late again', 'web');",
                "INSERT INTO ratings (rating_id, user_id, stars) VALUES (2, 7, 5);",
                "INSERT INTO customers (id, name, home) VALUES (7, 'Ann', STRUCT(street := 'High St', city := 'Leeds'));",
            ])
    ]

    private static let persistent = [
        StatementEntry(
            "CREATE STREAM AS SELECT",
            "CREATE [OR REPLACE] STREAM [IF NOT EXISTS] name [WITH (property = value, ...)] AS query",
            "Runs a query from now on and writes its rows to a topic. `OR REPLACE` changes a running query where its state "
                + "allows it; `EXPLAIN CREATE OR REPLACE ...` tells beforehand.",
            [
                "CREATE STREAM poor_ratings AS\n  SELECT rating_id, user_id, stars FROM ratings WHERE stars < 3;",
                "CREATE STREAM rated_by AS\n  SELECT r.rating_id AS rating_id, r.user_id, r.stars, c.name\n"
                    + "  FROM ratings r LEFT JOIN customers c ON r.user_id = c.id PARTITION BY r.rating_id;",
            ]),
        StatementEntry(
            "CREATE TABLE AS SELECT",
            "CREATE [OR REPLACE] TABLE [IF NOT EXISTS] name [WITH (property = value, ...)] AS query",
            "As above for queries whose result is a table: with `GROUP BY`, or over tables. The table can be asked for rows.",
            [
                "CREATE TABLE ratings_per_user AS\n  SELECT user_id, COUNT(*) AS n, AVG(stars) AS stars FROM ratings"
                    + " GROUP BY user_id;",
                "CREATE TABLE ratings_per_minute AS\n  SELECT stars, COUNT(*) AS n FROM ratings\n"
                    + "  WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 10 SECONDS) GROUP BY stars;",
            ]),
        StatementEntry(
            "INSERT INTO SELECT", "INSERT INTO name [WITH (QUERY_ID = 'id')] query",
            "Runs a query that writes to a stream which is there. Its columns must be the query's; a DECIMAL takes those "
                + "that have no more digits before and behind the point.",
            [
                "INSERT INTO poor_ratings WITH (QUERY_ID = 'complaints')\n"
                    + "  SELECT rating_id, user_id, stars FROM ratings WHERE message LIKE '%refund%';"
            ]),
        StatementEntry(
            "PAUSE, RESUME, TERMINATE", "PAUSE id | ALL\nRESUME id | ALL\nTERMINATE id | ALL",
            "Stops a query for a while, lets it go on where it was, ends it for good.",
            ["PAUSE complaints;", "RESUME complaints;", "TERMINATE complaints;"]),
    ]

    private static let queries = [
        StatementEntry(
            "SELECT",
            "SELECT expression [[AS] name], ... FROM source [alias]\n"
                + "  [[INNER | LEFT | RIGHT | FULL] JOIN source [alias] [WITHIN span [GRACE PERIOD span]] ON a = b] ...\n"
                + "  [WINDOW TUMBLING (SIZE span ...) | HOPPING (SIZE span, ADVANCE BY span ...) | SESSION (span ...)]\n"
                + "  [WHERE condition] [GROUP BY expression, ...] [PARTITION BY expression, ...] [HAVING condition]\n"
                + "  [EMIT CHANGES | FINAL] [ORDER BY expression [ASC | DESC], ...] [LIMIT count]",
            "With `EMIT` a push query: rows come as they happen, until the client leaves or `LIMIT` is reached. Without, "
                + "a pull query: the rows of a table or stream as they are now. `ORDER BY` is for pull queries.",
            [
                "SELECT rating_id, stars FROM ratings EMIT CHANGES LIMIT 2;",
                "SELECT stars, n FROM ratings_per_user WHERE user_id = 7;",
            ]),
        StatementEntry(
            "PRINT", "PRINT topic [FROM BEGINNING] [INTERVAL count] [LIMIT count]",
            "The records of a topic, in formats that are guessed.",
            ["PRINT 'air_ratings' FROM BEGINNING LIMIT 1;"]),
    ]

    private static let looking = [
        StatementEntry(
            "SHOW",
            "SHOW STREAMS | TABLES | QUERIES [EXTENDED]\nSHOW [ALL] TOPICS [EXTENDED]\n"
                + "SHOW FUNCTIONS | TYPES | PROPERTIES | VARIABLES\nSHOW [SOURCE | SINK] CONNECTORS\n"
                + "SHOW CONNECTOR PLUGINS",
            "Lists; `LIST` means the same.",
            [
                "SHOW STREAMS;", "LIST TABLES EXTENDED;", "SHOW QUERIES;", "SHOW ALL TOPICS;", "SHOW FUNCTIONS;",
                "SHOW TYPES;", "SHOW PROPERTIES;", "SHOW VARIABLES;", "SHOW CONNECTOR PLUGINS;",
            ]),
        StatementEntry(
            "DESCRIBE",
            "DESCRIBE name [EXTENDED]\nDESCRIBE STREAMS | TABLES [EXTENDED]\nDESCRIBE FUNCTION name\n"
                + "DESCRIBE CONNECTOR name",
            "What is known of one of them.",
            ["DESCRIBE ratings_per_user EXTENDED;", "DESCRIBE STREAMS;", "DESCRIBE FUNCTION substring;"]),
        StatementEntry(
            "EXPLAIN", "EXPLAIN [ANALYZE] statement | id",
            "The plan of a statement or of a running query. `ANALYZE` adds what each step has counted, and says why there "
                + "is no output.",
            [
                "EXPLAIN SELECT stars, COUNT(*) FROM ratings GROUP BY stars EMIT CHANGES;",
                "EXPLAIN CREATE OR REPLACE STREAM poor_ratings AS\n"
                    + "  SELECT rating_id, user_id, stars FROM ratings WHERE stars < 2;",
            ]),
    ]

    private static let connectors = [
        StatementEntry(
            "CREATE CONNECTOR",
            "CREATE SOURCE | SINK CONNECTOR [IF NOT EXISTS] name WITH ('option' = 'value', ...)",
            "A connector of the Connect worker, see [connectors.md](connectors.md).",
            [
                "CREATE SOURCE CONNECTOR made_up WITH ('connector.class' = 'DatagenSource',\n"
                    + "  'kafka.topic' = 'made_up', 'quickstart' = 'ratings', 'iterations' = '3');",
                "SHOW SOURCE CONNECTORS;", "DESCRIBE CONNECTOR made_up;",
            ]),
        StatementEntry(
            "DROP CONNECTOR", "DROP CONNECTOR [IF EXISTS] name", "Ends and removes a connector.",
            ["DROP CONNECTOR made_up;"]),
    ]

    private static let waiting = [
        StatementEntry(
            "ASSERT TOPIC", "ASSERT [NOT EXISTS] TOPIC name [WITH (property = value, ...)] [TIMEOUT span]",
            "Waits until a topic is there with these properties, or gone; one second by default, then it is an error.",
            ["ASSERT TOPIC 'air_ratings' WITH (PARTITIONS = 1) TIMEOUT 5 SECONDS;"]),
        StatementEntry(
            "ASSERT SCHEMA", "ASSERT [NOT EXISTS] SCHEMA [SUBJECT name] [ID number] [TIMEOUT span]",
            "Waits until a schema is there, or gone.",
            ["ASSERT NOT EXISTS SCHEMA SUBJECT 'air_ratings-value' TIMEOUT 1 SECOND;"]),
    ]

    private static let removing = [
        StatementEntry(
            "DROP STREAM, DROP TABLE", "DROP STREAM | TABLE [IF EXISTS] name [DELETE TOPIC]",
            "Forgets a source and ends the query that made it. Refused while other queries read or write it. `DELETE TOPIC` "
                + "takes the topic and its schemas along, and is refused while other sources use the topic.",
            [
                "DROP TABLE ratings_per_minute;", "DROP TABLE ratings_per_user;", "DROP STREAM rated_by;",
                "DROP STREAM IF EXISTS poor_ratings DELETE TOPIC;",
            ]),
        StatementEntry(
            "DROP TYPE", "DROP TYPE [IF EXISTS] name", "Forgets the name of a type; columns that have it stay.",
            ["DROP TYPE IF EXISTS address;"]),
    ]

    private static let shell = [
        StatementEntry(
            "SPOOL", "SPOOL 'file' | OFF",
            "Writes statements and what the shell shows, errors included, to a file, too. On a line of its own it needs no "
                + "quotes and no semicolon.",
            ["SPOOL 'shown.txt';", "SPOOL OFF;"], place: .shell),
        StatementEntry(
            "RUN SCRIPT", "RUN SCRIPT 'file'",
            "Runs the statements of a file. On a line of its own it needs no quotes and no semicolon.",
            ["RUN SCRIPT 'more.sql';"], place: .shell),
    ]

    private static let tests = [
        StatementEntry(
            "ASSERT VALUES, ASSERT NULL VALUES",
            "ASSERT VALUES source (column, ...) VALUES (value, ...)\nASSERT NULL VALUES source (column, ...) KEY (value, ...)",
            "The next record of the source's topic has these values, or is the tombstone of this key.",
            [
                "ASSERT VALUES good (id, stars) VALUES (1, 5);",
                "ASSERT NULL VALUES counts (stars) KEY (5);",
            ], place: .tests),
        StatementEntry(
            "ASSERT STREAM, ASSERT TABLE", "ASSERT STREAM | TABLE name (column type, ...) WITH (property = value, ...)",
            "The source is what this CREATE statement would make.",
            ["ASSERT STREAM good (id INT KEY, stars INT) WITH (KAFKA_TOPIC = 'GOOD', VALUE_FORMAT = 'JSON');"],
            place: .tests),
    ]

    /// Properties of `WITH`.
    static let properties: [(name: String, statements: String, text: String)] = [
        ("KAFKA_TOPIC", "CREATE (required), AS", "The topic; by default of AS the name of the source in upper case."),
        ("FORMAT", "CREATE, AS", "The format of key and value."),
        ("KEY_FORMAT", "CREATE, AS", "Of the key: KAFKA by default; of AS the left-most source's."),
        (
            "VALUE_FORMAT", "CREATE, AS",
            "Of the value: required unless the server has a default; of AS the left-most source's."
        ),
        ("PARTITIONS", "CREATE, AS", "Of a topic that is made; of AS the left-most source's by default."),
        (
            "REPLICAS", "CREATE, AS",
            "Of a topic that is made: the cluster's own by default; of AS the left-most source's."
        ),
        (
            "RETENTION_MS", "CREATE, AS",
            "How long the topic keeps records; not for tables without windows. A topic that is there must have "
                + "the same."
        ),
        ("CLEANUP_POLICY", "none", "Known and refused: it follows from the kind of source."),
        ("TIMESTAMP", "CREATE, AS", "The column that gives ROWTIME."),
        ("TIMESTAMP_FORMAT", "CREATE, AS", "How that column is written, by Java's patterns, when it is a text."),
        ("WRAP_SINGLE_VALUE", "CREATE, AS", "Whether a single column is a field of an object or the bare value."),
        ("KEY_DELIMITER", "CREATE, AS", "Of DELIMITED keys: one character, TAB or SPACE."),
        ("VALUE_DELIMITER", "CREATE, AS", "Of DELIMITED values."),
        ("KEY_SCHEMA_ID", "CREATE, AS", "The schema of the registry that says the columns of the key."),
        ("VALUE_SCHEMA_ID", "CREATE, AS", "The schema of the registry that says the columns of the value."),
        (
            "KEY_SCHEMA_FULL_NAME", "CREATE, AS",
            "The name of the Avro record or Protobuf message of keys. Where the columns come from a Protobuf schema, it must "
                + "have the message."
        ),
        ("VALUE_SCHEMA_FULL_NAME", "CREATE, AS", "The same of values."),
        ("VALUE_AVRO_SCHEMA_FULL_NAME", "CREATE, AS", "The earlier name of the line above."),
        (
            "KEY_PROTOBUF_NULLABLE_REPRESENTATION", "CREATE, AS",
            "How keys in Protobuf tell null from zero: OPTIONAL or WRAPPER."
        ),
        ("VALUE_PROTOBUF_NULLABLE_REPRESENTATION", "CREATE, AS", "The same of values."),
        ("WINDOW_TYPE", "CREATE", "For topics whose keys have windows: TUMBLING, HOPPING or SESSION."),
        ("WINDOW_SIZE", "CREATE", "The size of TUMBLING and HOPPING windows, such as '30 SECONDS'."),
        ("SOURCE_CONNECTOR", "CREATE", "A connector to remember; it changes nothing."),
        ("SOURCED_BY_CONNECTOR", "CREATE", "The same."),
        ("QUERY_ID", "INSERT INTO", "The id of the query."),
    ]

    /// Formats of keys and values.
    static let formats: [(name: String, registry: String, text: String)] = [
        ("KAFKA", "", "one column as Kafka's own serializers write it: INT, BIGINT, DOUBLE, STRING, BYTES"),
        ("DELIMITED", "", "a line of CSV; no arrays, maps and structs"),
        ("JSON", "", "an object; numbers keep all of their digits"),
        ("JSON_SR", "yes", "JSON with the id of its JSON Schema in front"),
        ("AVRO", "yes", "Avro with the id of its schema in front"),
        ("PROTOBUF", "yes", "Protocol Buffers with the id of its schema in front"),
        ("PROTOBUF_NOSR", "", "Protocol Buffers without a registry"),
        ("NONE", "", "no key at all"),
    ]
}
