import ConnectCore
import SQLTypes
import Testing

@testable import ConnectorCDC

@Suite struct ConfigTests {
    private static let plain = [
        "database.hostname": "h", "database.user": "u", "database.password": "p", "database.server.id": "5",
        "topic.prefix": "s",
    ]

    /// Debezium's words, as recorded from it.
    @Test func `says what is wrong in the original's words`() {
        var properties = Self.plain
        properties["topic.prefix"] = "bad prefix!"
        properties["database.server.id"] = nil
        properties["decimal.handling.mode"] = "exact"
        properties["snapshot.mode"] = "sometimes"
        let plugin = CDCPlugin.mysql(version: "1", clusters: nil)
        let errors = plugin.definition.validate(properties).filter { !$0.errors.isEmpty }
            .reduce(into: [String: [String]]()) { $0[$1.option.name] = $1.errors }
        #expect(
            errors == [
                "topic.prefix": [
                    "The 'topic.prefix' value is invalid: bad prefix! has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)"
                ],
                "database.server.id": ["The 'database.server.id' value is invalid: A value is required"],
                "decimal.handling.mode": [
                    "The 'decimal.handling.mode' value is invalid: Value must be one of string, double, precise"
                ],
                "snapshot.mode": [
                    "The 'snapshot.mode' value is invalid: Value must be one of always, initial_only, configuration_based, when_needed, initial, custom, no_data, recovery"
                ],
            ])
    }

    /// Debezium's words where it has them, seen with 3.6.
    @Test(arguments: [
        ("skipped.operations", "x", "Invalid operation"), ("skipped.operations", "update", "Invalid operation"),
        ("skipped.operations", "none,u", "'none' cannot be specified with other skipped operation types"),
        ("signal.enabled.channels", "source,jmx", "jmx is not available; there are source"),
        ("snapshot.delay.ms", "-1", "A non-negative"),
    ])
    func `what would have no effect is refused`(option: String, value: String, message: String) {
        for definition in [
            CDCPlugin.mysql(version: "1", clusters: nil).definition, PostgresCDCPlugin(version: "1").definition,
        ] {
            let errors = definition.validate([option: value]).first { $0.option.name == option }?.errors ?? []
            #expect(errors.count == 1 && errors[0].contains("The '\(option)' value is invalid: \(message)"))
            let fine = definition.validate([
                "skipped.operations": "U, d", "signal.enabled.channels": "source,kafka, file",
            ])
            #expect(
                fine.allSatisfy {
                    !["skipped.operations", "signal.enabled.channels"].contains($0.option.name)
                        || $0.errors.isEmpty
                })
        }
    }

    @Test(
        arguments: [
            ([:], true), (["max.batch.size": "8192"], false), (["max.batch.size": "8191"], true),
            (["max.batch.size": "100", "max.queue.size": "10"], false), (["max.queue.size": "x"], true),
        ] as [([String: String], Bool)])
    func `queues are larger than batches`(options: [String: String], isFine: Bool) {
        #expect(CDCPlugin.queueProblem(options).isEmpty == isFine)
    }

    @Test func `takes names of earlier versions`() throws {
        var properties = Self.plain
        properties["topic.prefix"] = nil
        properties["database.server.name"] = "asgard"
        properties["table.whitelist"] = "demo.customers"
        properties["database.history.kafka.topic"] = "h"
        properties["snapshot.mode"] = "schema_only"
        let config = try MySQLConfig(.mysql, properties)
        #expect(config.prefix == "asgard" && config.snapshotMode == .noData)
        #expect(config.properties["schema.history.internal.kafka.topic"] == "h")
        #expect(try TableFilters(config.shared).isCaptured(TableID("Demo", "CUSTOMERS")))
        #expect(try !TableFilters(config.shared).isCaptured(TableID("demo", "customers2")))
    }

    @Test(
        arguments: [
            (["database.include.list": "a,b\\,c"], "b,c.t", true),
            (["database.include.list": "a"], "mysql.user", false),
            (["table.exclude.list": "d[.]x.*"], "d.x1", false), (["table.exclude.list": "d[.]x.*"], "d.y", true),
            ([:], "sys.t", false), (["table.ignore.builtin": "false"], "mysql.t", true),
        ] as [([String: String], String, Bool)])
    func `filters by whole names`(options: [String: String], name: String, expected: Bool) throws {
        let filters = try TableFilters(try MySQLConfig(.mysql, Self.plain.merging(options) { $1 }).shared)
        let dot = try #require(name.firstIndex(of: "."))
        let table = TableID(String(name[..<dot]), String(name[name.index(after: dot)...]))
        #expect(filters.isCaptured(table) == expected)
    }

    /// Hashes by `printf 'salt' | cat - text | sha256sum`.
    @Test func `masks, cuts and hashes`() throws {
        func apply(_ rewrite: ColumnRules.Rewrite, _ text: String, _ length: Int? = nil) -> String? {
            ColumnRules.apply(rewrite, to: .string(text), length: length).string
        }
        #expect(apply(.mask("***"), "secret") == "***")
        #expect(apply(.truncate(3), "abcdef") == "abc")
        #expect(apply(.truncate(2), "a😀") == "a")
        #expect(
            apply(.hash("SHA-256", salt: "salt", isSecond: true), "text", 10)
                == String("8f40d2c1caea4f10a6375603f18ed44f186066fd94eb7c3f1d115d8dc245527d".prefix(10)))
    }

    private static func events(
        _ options: [String: String], _ columns: String
    ) throws -> TableEvents {
        let config = try MySQLConfig(.mysql, Self.plain.merging(options) { $1 })
        var catalog = TableCatalog()
        _ = try DDLParser.apply("CREATE TABLE t (\(columns))", database: "d", to: &catalog)
        return TableEvents(
            try #require(catalog[TableID("d", "t")]), config, try TableFilters(config.shared),
            try ColumnRules(config.shared),
            source: SourceInfo(config, version: "1").schema)
    }

    /// As recorded from Debezium 3.6: what is no text stays, and is marked all the same.
    @Test func `masks are for texts, NULL among them, and are told in schemas`() throws {
        let events = try Self.events(
            ["column.mask.with.5.chars": "d.t.(a|b|c|d|e)", "column.mask.hash.MD5.with.salt.q": "d.t.(b|f|g)"],
            "a VARCHAR(9), b INT, c VARBINARY(9), d ENUM('x','y'), e DECIMAL(8,2), f INT, g TEXT, h TEXT")
        let bytes = Array("ab".utf8)
        try bytes.withUnsafeBytes { text in
            for isStreaming in [false, true] {
                let row = try #require(
                    try events.row(
                        [
                            .bytes(text), .integer(5), .bytes(text), .null,
                            .decimal(SQLDecimal(unscaled: 150, scale: 2)), .integer(6), .null, .bytes(text),
                        ], isStreaming: isStreaming
                    ).structure)
                #expect(row.values[0] == .string("*****") && row.values[3] == .string("*****"))
                #expect(row.values[1] == .int32(5) && row.values[5] == .int32(6))
                #expect(row.values[2] == .bytes(bytes))
                #expect(row.values[6] == .null && row.values[7] == .string("ab"))
                for (field, value) in zip(row.schema.fields, row.values) { try field.schema.check(value) }
            }
        }
        let marked = events.rowSchema.fields.filter { $0.schema.parameters.contains(.init("masked", "true")) }
        #expect(marked.map(\.name) == ["a", "b", "c", "d", "e", "f", "g"])
        let decimal = events.rowSchema.field("e")?.schema.parameters.map(\.name)
        #expect(decimal == ["scale", "connect.decimal.precision", "masked"])
    }

    /// As recorded from Debezium 3.6, whose first rule for a column is the only one.
    @Test func `schemas tell where values are cut`() throws {
        let events = try Self.events(
            [
                "column.truncate.to.4.chars": "d.t.(a|b|c)", "column.mask.with.1.chars": "d.t.a",
                "column.propagate.source.type": "d.t.(a|d)",
            ], "a TEXT, b VARCHAR(4), c VARBINARY(5), d VARCHAR(3)")
        let parameters = events.rowSchema.fields.map { $0.schema.parameters.map { "\($0.name)=\($0.value)" } }
        let cut = ["truncateLength=4"]
        #expect(parameters[0] == cut && parameters[1] == [] && parameters[2] == cut)
        #expect(parameters[3].first == "__debezium.source.column.type=VARCHAR")
    }

    @Test(
        arguments: [
            ("d.t:b,a", ["b", "a"]), ("(.*).t:x_.*", ["x_1", "x_2"]), ("D.T : A ", ["a"]),
            ("d.(t|u){1,2}:x_2,x_.", ["x_2", "x_1"]), ("d.t:missing,b", ["b"]),
            // Nothing that the table has: its own key stays.
            ("d.t:missing", ["id"]), ("d.u:a", ["id"]), ("", ["id"]),
        ])
    func `keys of one's own are expressions for columns`(option: String, expected: [String]) throws {
        let events = try Self.events(
            ["message.key.columns": option], "id INT PRIMARY KEY, a INT, x_1 INT, b INT, x_2 INT")
        #expect(events.keySchema?.fields.map(\.name) == expected)
        #expect(events.keyIsPrimary == (expected == ["id"]))
    }

    @Test func `topics take a delimiter of their own`() throws {
        let options = [
            "topic.delimiter": "_", "topic.transaction": "mytx", "topic.heartbeat.prefix": "hb",
        ]
        let config = try MySQLConfig(.mysql, Self.plain.merging(options) { $1 })
        #expect(config.shared.topic(of: TableID("demo", "t1")) == "s_demo_t1")
        #expect(config.transactionTopic == "s_mytx" && config.heartbeatTopic == "hb_s")
        let plain = try MySQLConfig(.mysql, Self.plain)
        #expect(plain.shared.topic(of: TableID("demo", "t1")) == "s.demo.t1")
        #expect(plain.transactionTopic == "s.transaction" && plain.heartbeatTopic == "__debezium-heartbeat.s")
    }

    @Test(
        arguments: [
            ("topic.naming.strategy", "io.debezium.schema.DefaultRegexTopicNamingStrategy", false),
            ("topic.naming.strategy", "io.debezium.schema.SchemaTopicNamingStrategy", true),
            ("topic.naming.strategy", "io.debezium.schema.DefaultTopicNamingStrategy", true),
            ("sourceinfo.struct.maker", "my.Maker", false), ("transaction.metadata.factory", "my.Factory", false),
            (
                "transaction.metadata.factory", "io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory",
                true
            ), ("openlineage.integration.enabled", "true", false), ("openlineage.integration.enabled", "false", true),
            ("notification.enabled.channels", "jmx", false), ("notification.enabled.channels", "sink,log", true),
            ("notification.enabled.channels", "", true),
        ])
    func `refuses what is not available`(name: String, value: String, isTaken: Bool) throws {
        var properties = Self.plain
        properties[name] = value
        let errors = CDCPlugin.mysql(version: "1", clusters: nil).definition.validate(properties)
            .filter { $0.option.name == name }.flatMap(\.errors)
        #expect(errors.isEmpty == isTaken)
        #expect(errors.allSatisfy { $0.contains("not available") })
    }

    @Test func `a connection that only reads has no table of signals`() async throws {
        for (options, isTaken) in [
            (["read.only": "true"], true), (["read.only": "false", "signal.data.collection": "demo.s"], true),
            (["read.only": "true", "signal.data.collection": "demo.s"], false), (["read.only": "x"], false),
        ] {
            let properties = Self.plain.merging(options) { $1 }
            if isTaken {
                _ = try MySQLConfig(.mysql, properties)
            } else {
                #expect(throws: ConnectError.self) { try MySQLConfig(.mysql, properties) }
                #expect(throws: ConnectError.self) { try PostgresConfig(properties) }
                // Before a task starts.
                let problems = await CDCPlugin.mysql(version: "1", clusters: nil).problems(with: properties)
                #expect(problems.map(\.option) == ["read.only"])
                let others = await PostgresCDCPlugin(version: "1").problems(with: properties)
                #expect(others.map(\.option) == ["read.only"])
            }
            #expect(PostgresCDCPlugin(version: "1").definition["read.only"] != nil)
        }
    }

    /// The order of rows in Debezium's snapshots.
    @Test func `snapshots go by the order of table.include.list`() throws {
        let config = try MySQLConfig(.mysql, Self.plain.merging(["table.include.list": "d.t1,d.c.*,d.aaa"]) { $1 })
        let tables = ["aaa", "c1", "c2", "t1"].map { TableID("d", $0) }
        #expect(try TableFilters(config.shared).inOrderOfPatterns(tables).map(\.table) == ["t1", "c1", "c2", "aaa"])
        #expect(try TableFilters(try MySQLConfig(.mysql, Self.plain).shared).inOrderOfPatterns(tables) == tables)
    }

    @Test func `exactly once, one task, offsets with a place`() async throws {
        let plugin = CDCPlugin.mariaDB(version: "1", clusters: nil)
        #expect(plugin.supportsExactlyOnce([:]))
        #expect(try await plugin.taskConfigs(Self.plain, countMax: 8).count == 1)
        let partition = ConnectMap([("server", .string("s"))])
        let offset = ConnectMap([("file", .string("b.000001")), ("pos", .int64(4))])
        #expect(try await plugin.alterOffsets([:], [(partition, offset), (partition, nil)]))
        await #expect(throws: ConnectError.self) { try await plugin.alterOffsets([:], [(partition, ConnectMap())]) }
    }
}
