import ConnectCore
import Synchronization
import Testing

@testable import ConnectorJDBC

/// Debezium's own sink: change events with the row inside. What is expected is what `JdbcChangeEventSink` of Debezium 3
/// does.
@Suite struct DebeziumSinkTests {
    private static let key = structure([("id", .int32)])
    private static let inner = structure([("id", .int32), ("name", .optionalString)]).with(isOptional: true)
    private static let source = structure([
        ("db", .string), ("table", .string), ("pos", .int64), ("snapshot", .optionalString),
    ])
    private static let envelope = structure([("before", inner), ("after", inner), ("source", source), ("op", .string)])

    private func person(_ id: Int32, _ name: String) -> ConnectValue {
        .structure(ConnectStruct(Self.inner, values: [.int32(id), .string(name)]))
    }

    private func event(
        _ operation: String, _ before: ConnectValue = .null, _ after: ConnectValue = .null, _ id: Int32? = nil,
        offset: Int64 = 0, table: String = "people"
    ) -> ConnectRecord {
        let origin = ConnectStruct(Self.source, values: [.string("shop"), .string(table), .int64(4), .null])
        return record(
            row(Self.envelope, [before, after, .structure(origin), .string(operation)]),
            key: id.map { row(Self.key, [.int32($0)]) } ?? .null, offset: offset, topic: "server.db.people")
    }

    private func tombstone(_ id: Int32, offset: Int64 = 0) -> ConnectRecord {
        record(.null, key: row(Self.key, [.int32(id)]), offset: offset, topic: "server.db.people")
    }

    private func put(
        _ file: TestFile, _ options: [String: String], _ records: [ConnectRecord],
        _ context: SinkContext = SinkContext()
    ) async throws {
        let task = try JDBCSinkPlugin(.debezium, version: "1").makeTask(
            [
                "name": "c", "connection.url": "jdbc:sqlite:" + file.path, "insert.mode": "upsert",
                "primary.key.mode": "record_key", "schema.evolution": "basic",
            ]
            .merging(options) { $1 }, context)
        do {
            try await task.open([SinkPartition(topic: "server.db.people", partition: 0)])
            try await task.put(records)
        } catch {
            await task.stop()
            throw error
        }
        await task.stop()
    }

    @Test func `takes events`() async throws {
        let file = try TestFile()
        try await put(
            file, ["delete.enabled": "true"],
            [
                event("c", .null, person(1, "a"), 1), event("r", .null, person(2, "b"), 2),
                event("u", person(1, "a"), person(1, "c"), 1), event("d", person(2, "b"), .null, 2), tombstone(2),
            ])
        #expect(try file.sql("SELECT * FROM server_db_people") == ["1|c"])
    }

    /// As `KafkaDebeziumSinkRecord` makes a key of headers.
    @Test func `headers are the key`() async throws {
        let file = try TestFile()
        func keyed(_ event: ConnectRecord, _ id: Int64) -> ConnectRecord {
            var keyed = event
            keyed.headers = [
                ConnectHeader("hid", .int64, .int64(0)), ConnectHeader("none", nil, .null),
                ConnectHeader("hid", .int64, .int64(id)),
            ]
            return keyed
        }
        let options = ["primary.key.mode": "record_header"]
        try await put(
            file, options,
            [
                keyed(event("c", .null, person(1, "a")), 7), keyed(event("c", .null, person(2, "b")), 8),
                keyed(event("u", .null, person(1, "c")), 7),
            ])
        #expect(try file.sql("SELECT hid, id, name FROM server_db_people ORDER BY hid") == ["7|1|c", "8|2|b"])
        let bare = await failure { try await put(file, options, [event("c", .null, person(1, "a"))]) }
        #expect(bare.contains("the record has no headers"), "\(bare)")
        let other = await failure {
            let named = options.merging(["primary.key.fields": "x"]) { $1 }
            try await put(file, named, [keyed(event("c", .null, person(1, "a")), 7)])
        }
        #expect(other.contains("header schema does not contain field: x"), "\(other)")
    }

    @Test func `deletions are skipped where they are not enabled, and counted`() async throws {
        let file = try TestFile()
        try await put(
            file, ["offsets.table": "offsets"],
            [
                event("c", .null, person(1, "a"), 1, offset: 0), event("d", person(1, "a"), .null, 1, offset: 1),
                tombstone(1, offset: 2), event("c", .null, person(2, "b"), 2, offset: 3), tombstone(2, offset: 4),
            ])
        #expect(try file.sql("SELECT * FROM server_db_people ORDER BY id") == ["1|a", "2|b"])
        #expect(try file.sql("SELECT next_offset FROM offsets") == ["5"])
    }

    @Test func `refusals name Debezium's options`() async throws {
        let file = try TestFile()
        let plain = record(SchemaAndValue(.string, .string("x")), key: row(Self.key, [.int32(1)]), topic: "t")
        #expect(
            await failure { try await put(file, [:], [plain]) }.contains(
                "'delete.enabled=false' and 'primary.key.mode=record_key'"))
        #expect(
            await failure { try await put(file, ["schema.evolution": "none"], [event("c", .null, person(1, "a"), 1)]) }
                == "Table \"server_db_people\" is missing and schema.evolution is 'none'")
    }

    @Test func `truncations are skipped where they are not enabled`() async throws {
        let file = try TestFile()
        try await put(
            file, [:], [event("c", .null, person(1, "a"), 1), event("t"), event("c", .null, person(2, "b"), 2)])
        #expect(try file.sql("SELECT * FROM server_db_people ORDER BY id") == ["1|a", "2|b"])
    }

    @Test func `truncations empty the table in their place`() async throws {
        let file = try TestFile()
        let options = ["truncate.enabled": "true", "offsets.table": "offsets"]
        // A table that is not there has nothing to lose.
        try await put(
            file, options,
            [
                event("t", offset: 0), event("c", .null, person(1, "a"), 1, offset: 1), event("t", offset: 2),
                event("c", .null, person(2, "b"), 2, offset: 3),
            ])
        #expect(try file.sql("SELECT * FROM server_db_people") == ["2|b"])
        try await put(file, options, [event("t", offset: 4)])
        #expect(try file.sql("SELECT count(*) FROM server_db_people") == ["0"])
        #expect(try file.sql("SELECT next_offset FROM offsets") == ["5"])
    }

    @Test(arguments: ["collection.name.format", "table.name.format"])
    func `tables are named after the source of events`(option: String) async throws {
        let file = try TestFile()
        let context = SinkContext()
        try await put(
            file, [option: "${source.db}_${source.table}_${topic}"],
            [
                event("c", .null, person(1, "a"), 1), event("c", .null, person(2, "b"), 2, table: "staff"),
                event("u", .null, person(1, "c"), 1), tombstone(1),
                record(
                    row(Self.inner, [.int32(9), .null]), key: row(Self.key, [.int32(9)]), offset: 7, topic: "plain"),
            ], context)
        #expect(try file.sql("SELECT * FROM shop_people_server_db_people") == ["1|c"])
        #expect(try file.sql("SELECT * FROM shop_staff_server_db_people") == ["2|b"])
        #expect(
            context.lines.withLock { $0 }.contains(
                "A record of topic plain, partition 0, offset 7, is no change event, has no table and is skipped"))
    }

    @Test(arguments: [
        ("schema", "has only the fields db, table, pos, snapshot"), ("pos", "has no text in it"),
        ("snapshot", "has nothing in it"),
    ])
    func `a source without the field`(field: String, problem: String) async throws {
        let file = try TestFile()
        #expect(
            await failure {
                try await put(
                    file, ["collection.name.format": "x_${source.\(field)}"], [event("c", .null, person(1, "a"), 1)])
            }
                == "No table for an event of topic 'server.db.people': collection.name.format 'x_${source.\(field)}' "
                + "asks for field '\(field)' of the event's source, which \(problem)")
    }

    @Test(arguments: [
        ("a_${table}", "unknown placeholder '${table}'"), ("${source.}", "unknown placeholder '${source.}'"),
        ("${topic", "'${topic' has no closing brace"),
    ])
    func `placeholders that mean nothing`(format: String, problem: String) async {
        let problems = await JDBCSinkPlugin(.debezium, version: "1").problems(with: [
            "connection.url": "jdbc:sqlite:x", "collection.name.format": format,
        ])
        #expect(problems.map(\.option) == ["collection.name.format"])
        #expect(problems.first?.message.contains(problem) ?? false, "\(problems)")
    }

    /// As `BytesType` of Debezium's dialect of MySQL, with Hibernate's types behind it.
    @Test(
        arguments: [
            (nil, nil, "LONGBLOB NULL"), ("BLOB", nil, "BLOB NULL"), ("tinyblob", nil, "TINYBLOB NULL"),
            ("MEDIUMBLOB", "9", "MEDIUMBLOB NULL"), ("LONGBLOB", nil, "LONGBLOB NULL"),
            ("VARBINARY", "2000", "VARBINARY(2000) NULL"), ("BINARY", "16", "VARBINARY(16) NULL"),
            ("RAW", "70000", "MEDIUMBLOB NULL"), ("BYTEA", "2147483647", "LONGBLOB NULL"),
            ("BYTEA", "x", "LONGBLOB NULL"),
        ] as [(String?, String?, String)])
    func `columns of bytes in MySQL`(type: String?, length: String?, column: String) throws {
        var parameters: [ConnectSchema.Parameter] = []
        if let type { parameters.append(.init("__debezium.source.column.type", type)) }
        if let length { parameters.append(.init("__debezium.source.column.length", length)) }
        var dialect = Dialect(.mysql)
        let field = SinkField("b", ConnectSchema(.bytes, isOptional: true, parameters: parameters), isKey: false)
        #expect(try dialect.addColumns(TableID(name: "t"), [field]) == ["ALTER TABLE `t` ADD `b` VARBINARY(1024) NULL"])
        dialect.hasDebeziumTypes = true
        #expect(try dialect.addColumns(TableID(name: "t"), [field]) == ["ALTER TABLE `t` ADD `b` \(column)"])
    }

    @Test func `other columns of texts and bytes in MySQL`() throws {
        var dialect = Dialect(.mysql)
        dialect.hasDebeziumTypes = true
        let fields = [
            SinkField("k", .bytes, isKey: true), SinkField("s", .string, isKey: true),
            SinkField("b", ConnectSchema(.bytes, defaultValue: .bytes([1])), isKey: false),
            SinkField("t", ConnectSchema(.string, defaultValue: .string("x")), isKey: false),
        ]
        #expect(
            try dialect.createTable(TableID(name: "t"), fields)
                == "CREATE TABLE `t` (\n`k` VARBINARY(1024) NOT NULL,\n`s` VARCHAR(256) NOT NULL,\n"
                + "`b` LONGBLOB NOT NULL,\n`t` LONGTEXT DEFAULT ('x'),\nPRIMARY KEY(`k`,`s`))")
    }

    @Test(arguments: [
        (Dialect.Product.postgresql, "TRUNCATE TABLE \"s\".\"t\""), (.mysql, "TRUNCATE TABLE `s`.`t`"),
        (.sqlite, "DELETE FROM \"s\".\"t\""),
    ])
    func `texts of truncations`(product: Dialect.Product, text: String) {
        #expect(Dialect(product).truncateText(TableID(schema: "s", name: "t")) == text)
    }
}
