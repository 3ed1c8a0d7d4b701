import ConnectCore
import SQLTypes
import Synchronization
import Testing

@testable import ConnectorJDBC

@Suite struct SQLiteSinkTests {
    private let people = structure([("id", .int32), ("name", .optionalString)])
    private let idKey = structure([("id", .int32)])

    private func person(_ id: Int32, _ name: String?, _ offset: Int64 = 0) -> ConnectRecord {
        record(
            row(people, [.int32(id), name.map { .string($0) } ?? .null]), key: row(idKey, [.int32(id)]), offset: offset)
    }

    private func gone(_ id: Int32, _ offset: Int64 = 0) -> ConnectRecord {
        record(.null, key: row(idKey, [.int32(id)]), offset: offset)
    }

    @Test func `makes the table and fills it`() async throws {
        let file = try TestFile()
        try await file.put(["auto.create": "true"], [person(1, "a"), person(2, nil)])
        #expect(try file.sql("SELECT * FROM t ORDER BY id") == ["1|a", "2|NULL"])
        #expect(
            try file.sql("SELECT sql FROM sqlite_master WHERE name = 't'") == [
                "CREATE TABLE \"t\" (\n\"id\" INTEGER NOT NULL,\n\"name\" TEXT NULL)"
            ])
    }

    @Test func `a topic with dots that is no table of a database says how it was read`() async throws {
        let file = try TestFile()
        let options = ["auto.create": "true", "errors.tolerance": "none"]
        let dotted = record(row(people, [.int32(1), .string("a")]), topic: "with-dash.and.dot")
        let message = await failure { try await file.put(options, [dotted]) }
        #expect(message.contains("was read as table 'dot' of database 'and'"), "\(message)")
        #expect(message.contains("table.name.format=\"${topic}\""))
        try await file.put(options.merging(["table.name.format": "\"${topic}\""]) { $1 }, [dotted])
        #expect(try file.sql("SELECT * FROM \"with-dash.and.dot\"") == ["1|a"])
    }

    /// Types as the original's dialect of SQLite has them; times as its driver stores them.
    @Test func `all types`() async throws {
        let file = try TestFile()
        let schema = structure([
            ("a", .int8), ("b", .int16), ("c", .int32), ("d", .int64), ("e", .float32), ("f", .float64),
            ("g", .boolean), ("h", .string), ("i", .bytes), ("j", .decimal(scale: 2)), ("k", .date), ("l", .time),
            ("m", .timestamp), ("n", ConnectSchema(.int32, name: "io.debezium.time.Date", version: 1)),
            ("o", ConnectSchema(.int64, name: "io.debezium.time.MicroTimestamp", version: 1)),
            ("p", ConnectSchema(.string, name: "io.debezium.time.ZonedTimestamp", version: 1)),
        ])
        try await file.put(
            ["auto.create": "true"],
            [
                record(
                    row(
                        schema,
                        [
                            .int8(-1), .int16(-2), .int32(.min), .int64(.max), .float32(0.5), .float64(-2.5e300),
                            .boolean(true), .string("it's \u{0301}\"quoted\""), .bytes([0, 1, 255]),
                            .decimal(SQLDecimal(unscaled: 12345, scale: 2)), .instant(86_400_000 * 19_000),
                            .instant(3_600_001), .instant(-1), .int32(19_000), .int64(1_600_000_000_123_456),
                            .string("2020-09-13T12:26:40.5Z"),
                        ]))
            ])
        #expect(
            try file.sql("SELECT a,b,c,d,e,f,g,h,hex(i),j,k,l,m,n,o,p FROM t") == [
                "-1|-2|-2147483648|9223372036854775807|0.5|-2.5e+300|1|it's "
                    + "\u{0301}\"quoted\"|0001FF|123.45|1641600000000|"
                    + "3600001|-1|1641600000000|1600000000123|1600000000500"
            ])
        #expect(
            try file.sql("SELECT group_concat(type) FROM pragma_table_info('t')") == [
                "INTEGER,INTEGER,INTEGER,INTEGER,REAL,REAL,INTEGER,TEXT,BLOB,NUMERIC,NUMERIC,NUMERIC,NUMERIC,NUMERIC,"
                    + "NUMERIC,NUMERIC"
            ])
    }

    /// SQLite's times are milliseconds.
    @Test(arguments: [("microseconds", "1600000000123|1600000000999"), ("nanoseconds", "1600000000|1600000000")])
    func `numbers of listed fields are instants`(mode: String, expected: String) async throws {
        let file = try TestFile()
        let schema = structure([("a", .int64), ("b", .optionalString), ("c", .int64), ("d", .int32), ("e", .timestamp)])
        let values: [ConnectValue] = [
            .int64(1_600_000_000_123_456), .string("1600000000999999"), .int64(7), .int32(8), .instant(9),
        ]
        let options = [
            "auto.create": "true", "timestamp.fields.list": "a,b,d,e", "timestamp.precision.mode": mode,
        ]
        try await file.put(options, [record(row(schema, values))])
        #expect(try file.sql("SELECT * FROM t") == [expected + "|7|8|9"])
        #expect(
            try file.sql("SELECT group_concat(type) FROM pragma_table_info('t')") == [
                "NUMERIC,NUMERIC,INTEGER,INTEGER,NUMERIC"
            ])
        // A table that was made before keeps the numbers.
        try file.sql("DROP TABLE t; CREATE TABLE t (a INTEGER, b TEXT, c INTEGER, d INTEGER, e NUMERIC)")
        try await file.put(options, [record(row(schema, values))])
        #expect(try file.sql("SELECT * FROM t") == ["1600000000123456|1600000000999999|7|8|9"])
        try file.sql("DROP TABLE t")
        let message = await failure {
            try await file.put(options, [record(row(schema, values.map { $0 == values[1] ? .string("soon") : $0 }))])
        }
        #expect(message.contains("'b' of timestamp.fields.list is no number: 'soon'"), "\(message)")
    }

    @Test func `names and values never become statements`() async throws {
        let file = try TestFile()
        let evil = "x\"; DROP TABLE victim; --"
        try file.sql("CREATE TABLE victim (a)")
        let schema = structure([(evil, .string), ("`b'", .string)])
        for quoting in ["always", "never"] {
            try await file.put(
                [
                    "auto.create": "true", "table.name.format": "\"${topic} \"; DROP TABLE victim; --\"",
                    "quote.sql.identifiers": quoting,
                ],
                [record(row(schema, [.string("'); DROP TABLE victim; --"), .string("")]))])
        }
        #expect(try file.sql("SELECT count(*) FROM victim") == ["0"])
        #expect(try file.sql("SELECT count(*) FROM sqlite_master WHERE name LIKE '%DROP%'") == ["1"])
    }

    @Test func `upsert replaces the row of its key`() async throws {
        let file = try TestFile()
        try await file.put(
            ["auto.create": "true", "insert.mode": "upsert", "pk.mode": "record_value", "pk.fields": "id"],
            [person(1, "a"), person(2, "b"), person(1, "c")], [person(2, "d")])
        #expect(try file.sql("SELECT * FROM t ORDER BY id") == ["1|c", "2|d"])
    }

    @Test func `update changes only rows that are there`() async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, other TEXT); INSERT INTO t VALUES (1,'x','o')")
        try await file.put(
            ["insert.mode": "update", "pk.mode": "record_key"], [person(1, "a"), person(2, "b")])
        #expect(try file.sql("SELECT * FROM t") == ["1|a|o"])
    }

    /// A deletion stands between what came before and after it, as in the topic.
    @Test func `deletions keep their place`() async throws {
        let file = try TestFile()
        let options = [
            "auto.create": "true", "insert.mode": "upsert", "pk.mode": "record_key", "delete.enabled": "true",
        ]
        try await file.put(
            options,
            [person(1, "a"), person(2, "b"), gone(1), gone(3), person(1, "c"), gone(2), person(3, "d")])
        #expect(try file.sql("SELECT * FROM t ORDER BY id") == ["1|c", "3|d"])
        try await file.put(options, [gone(1), gone(3)])
        #expect(try file.sql("SELECT count(*) FROM t") == ["0"])
    }

    @Test func `keys of Kafka, of a primitive and in part`() async throws {
        let file = try TestFile()
        try await file.put(
            ["auto.create": "true", "pk.mode": "kafka", "table.name.format": "kafka_${topic}"],
            [record(row(people, [.int32(1), .string("a")]), offset: 7)])
        #expect(
            try file.sql("SELECT __connect_topic, __connect_partition, __connect_offset, id, name FROM kafka_t")
                == ["t|0|7|1|a"])
        try await file.put(
            [
                "auto.create": "true", "pk.mode": "record_key", "pk.fields": "k", "table.name.format": "p",
                "fields.whitelist": "name",
            ],
            [record(row(people, [.int32(1), .string("a")]), key: SchemaAndValue(.string, .string("x")))])
        #expect(
            try file.sql("SELECT sql FROM sqlite_master WHERE name = 'p'") == [
                "CREATE TABLE \"p\" (\n\"name\" TEXT NULL,\n\"k\" TEXT NOT NULL,\nPRIMARY KEY(\"k\"))"
            ])
        #expect(try file.sql("SELECT k, name FROM p") == ["x|a"])
    }

    @Test func `new fields become columns`() async throws {
        let file = try TestFile()
        let wider = structure([
            ("id", .int32), ("NAME", .optionalString), ("extra", .optionalInt64),
            ("level", ConnectSchema(.string, defaultValue: .string("it's"))),
        ])
        try await file.put(
            ["auto.create": "true", "auto.evolve": "true"], [person(1, "a")],
            [
                record(row(wider, [.int32(2), .string("b"), .int64(5), .null])), person(3, "c"),
                record(row(wider, [.int32(4), .string("d"), .null, .string("high")])),
            ])
        #expect(
            try file.sql("SELECT * FROM t ORDER BY id") == [
                "1|a|NULL|it's", "2|b|5|it's", "3|c|NULL|it's", "4|d|NULL|high",
            ])
    }

    @Test func `the default of a null is left out when asked`() async throws {
        let file = try TestFile()
        let schema = structure([("a", ConnectSchema(.int32, isOptional: true, defaultValue: .int32(4)))])
        for (flag, table) in [("true", "x"), ("false", "y")] {
            try await file.put(
                ["auto.create": "true", "replace.null.with.default": flag, "table.name.format": table],
                [record(row(schema, [.null]))])
        }
        #expect(try file.sql("SELECT x.a, y.a FROM x, y") == ["4|NULL"])
    }

    // MARK: What is refused

    /// The words are the original's.
    @Test func `refuses in the original's words`() async throws {
        let file = try TestFile()
        let value = row(people, [.int32(1), .string("a")])
        let start = "Sink connector 'c' is configured with 'delete.enabled=false' and 'pk.mode="
        let map = ConnectRecord(
            topic: "t", partition: 0, value: SchemaAndValue(nil, .map(ConnectMap([("a", .int64(1))]))), timestamp: 5,
            origin: .sink(topic: "t", partition: 0, offset: 3, timestampKind: .create))
        func check(_ properties: [String: String], _ record: ConnectRecord, _ message: String) async {
            #expect(await failure { try await file.put(properties, [record]) } == message)
        }
        await check(
            [:], map,
            start + "none' and therefore requires records with a non-null Struct value and non-null Struct value "
                + "schema, but found record at (topic='t',partition=0,offset=3,timestamp=5) with a HashMap "
                + "value and "
                + "null value schema."
        )
        await check(
            [:], record(.null),
            start + "none' and therefore requires records with a non-null Struct value and non-null Struct value "
                + "schema, but found record at (topic='t',partition=0,offset=0,timestamp=5) with a null value "
                + "and null "
                + "value schema."
        )
        await check(
            ["pk.mode": "record_key"], record(value),
            start
                + "record_key' and therefore requires records with a non-null key and non-null Struct or primitive "
                + "key schema, but found record at (topic='t',partition=0,offset=0,timestamp=5) with a null "
                + "key and "
                + "null key schema."
        )
        await check([:], record(value), "Table \"t\" is missing and auto-creation is disabled")
        await check(
            ["insert.mode": "upsert", "auto.create": "true"], record(value),
            "Write to table '\"t\"' in UPSERT mode requires key field names to be known, check the primary key "
                + "configuration"
        )
        await check(
            ["pk.mode": "record_key"], record(value, key: SchemaAndValue(.string, .string("k"))),
            "Need exactly one PK column defined since the key schema for records is a primitive type, defined "
                + "columns "
                + "are: []"
        )
        await check(
            ["pk.mode": "record_value", "pk.fields": "id,nope"], record(value),
            "PK mode for table 't' is RECORD_VALUE with configured PK fields [id, nope], but record value "
                + "schema does "
                + "not contain field: nope"
        )
        await check(
            ["pk.mode": "kafka", "pk.fields": "a"], record(value),
            "PK mode for table 't' is KAFKA so there should either be no field names defined for defaults "
                + "[__connect_topic, __connect_partition, __connect_offset] to be applicable, or exactly 3, "
                + "defined "
                + "fields are: [a]"
        )
        await check(
            ["auto.create": "true"],
            record(row(structure([("m", .map(.string, .string))]), [.map(ConnectMap([("a", .string("b"))]))])),
            "null (MAP) type doesn't have a mapping to the SQL database column type"
        )
        try file.sql("CREATE TABLE t (id INTEGER); CREATE VIEW v AS SELECT id FROM t")
        #expect(
            await failure { try await file.put([:], [record(value)]) }
                == "Table \"t\" is missing fields ([SinkRecordField{schema=Schema{STRING}, name='name', "
                + "isPrimaryKey=false}]) and auto-evolution is disabled")
        #expect(
            await failure {
                try await file.put(
                    ["auto.evolve": "true"],
                    [record(row(structure([("id", .int32), ("must", .int32)]), [.int32(1), .int32(2)]))])
            }
                == "Cannot ALTER TABLE \"t\" to add missing field SinkRecordField{schema=Schema{INT32}, name='must', "
                + "isPrimaryKey=false}, as the field is not optional and does not have a default value")
        #expect(
            await failure {
                try await file.put(["table.types": "VIEW", "table.name.format": "v"], [record(value)])
            }.hasSuffix("and ALTER VIEW is unsupported"))
    }

    // MARK: Failures

    @Test func `bad records go to the dead letters, the others arrive`() async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        let context = SinkContext(isTolerant: true)
        var records = (0..<100).map { (number: Int32) in person(number, number % 30 == 7 ? nil : "n", Int64(number)) }
        records[50] = record(.null, offset: 50)
        records.append(person(3, "again", 100))
        try await file.put(["errors.tolerance": "all", "errors.log.enable": "true"], records, context: context)
        #expect(context.reported.withLock { $0.map { $0.offset } } == [7, 37, 50, 67, 97, 100])
        #expect(try file.sql("SELECT count(*), count(DISTINCT id) FROM t") == ["95|95"])
        let message = context.reported.withLock { $0[0].error.message }
        #expect(message == "NOT NULL constraint failed: t.name (SQL state 1299)")
    }

    @Test func `without tolerance nothing of a bad batch stays`() async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        #expect(
            await failure { try await file.put([:], [person(1, "a"), person(2, nil)]) }
                == "NOT NULL constraint failed: t.name (SQL state 1299)")
        #expect(try file.sql("SELECT count(*) FROM t") == ["0"])
    }

    @Test func `a file that cannot be opened`() async throws {
        let file = try TestFile()
        let message = await failure {
            try await file.put(["connection.url": "jdbc:sqlite:/nonexistent/folder/x.db"], [person(1, "a")])
        }
        #expect(message.hasPrefix("Cannot open the database: unable to open database file '/nonexistent/folder/x.db'"))
    }

    @Test func `a locked file is tried again`() async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER, name TEXT)")
        let holder = try SQLiteDatabase(try JDBCURL("jdbc:sqlite:" + file.path), Dialect(.sqlite))
        _ = try holder.run("INSERT INTO t VALUES (0, 'held')", [])
        let task = try file.task(["connection.url": "jdbc:sqlite:\(file.path)?busy_timeout=1"])
        do throws(ConnectError) {
            try await task.put([person(1, "a")])
            Issue.record("the file was held by somebody else")
        } catch {
            #expect(error.isRetriable, "\(error)")
        }
        try holder.rollback()
        try await task.put([person(1, "a")])
        await task.stop()
        #expect(try file.sql("SELECT * FROM t") == ["1|a"])
    }

    // MARK: Offsets

    @Test func `offsets in the database make each record arrive once`() async throws {
        let file = try TestFile()
        let options = ["auto.create": "true", "offsets.table": "offsets"]
        let records = (0..<10).map { person(Int32($0), "n", Int64($0)) }
        try await file.put(options, Array(records[..<6]))
        #expect(try file.sql("SELECT * FROM offsets") == ["c|t|0|6"])
        // The worker's own offset was lost: everything comes again.
        let context = SinkContext()
        try await file.put(options, records, context: context)
        #expect(context.sought.withLock { $0 } == [SinkPartition(topic: "t", partition: 0): 6])
        #expect(try file.sql("SELECT count(*), count(DISTINCT id) FROM t") == ["10|10"])
        #expect(
            try await JDBCSinkPlugin(.confluent, version: "1").alterOffsets(
                ["name": "c", "connection.url": "jdbc:sqlite:" + file.path, "offsets.table": "offsets"],
                [SinkPartition(topic: "t", partition: 0): 9]))
        #expect(try file.sql("SELECT * FROM offsets") == ["c|t|0|9"])
        try await file.put(options, records)
        #expect(try file.sql("SELECT count(*) FROM t") == ["11"])
    }

    @Test func `a task that was replaced writes nothing more`() async throws {
        let file = try TestFile()
        let options = ["auto.create": "true", "offsets.table": "offsets"]
        let partition = SinkPartition(topic: "t", partition: 0)
        let old = try file.task(options)
        try await old.open([partition])
        try await old.put([person(0, "a", 0)])
        let new = try file.task(options)
        try await new.open([partition])
        try await new.put([person(1, "b", 1)])
        let message = await failure { try await old.put([person(1, "b", 1), person(2, "c", 2)]) }
        #expect(message.hasPrefix("the offset of t-0 in the offsets table is not the one"))
        await old.stop()
        await new.stop()
        #expect(try file.sql("SELECT id FROM t ORDER BY id") == ["0", "1"])
    }

    @Test func `offsets pass records that were refused`() async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        let context = SinkContext(isTolerant: true)
        try await file.put(
            ["offsets.table": "offsets", "errors.tolerance": "all", "errors.log.enable": "true"],
            [person(1, "a", 0), person(2, nil, 1)],
            context: context)
        #expect(try file.sql("SELECT next_offset FROM offsets") == ["2"])
        #expect(try file.sql("SELECT id FROM t") == ["1"])
    }
}
