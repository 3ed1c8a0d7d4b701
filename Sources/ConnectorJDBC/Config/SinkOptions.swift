internal import ConnectCore
internal import Environment
internal import SQLTypes

/// What the two sinks call the same options.
extension JDBCSinkPlugin.Flavour {
    var keyModeOption: String { self == .debezium ? "primary.key.mode" : "pk.mode" }
    var keyFieldsOption: String { self == .debezium ? "primary.key.fields" : "pk.fields" }
    var takenFieldsOption: String { self == .debezium ? "field.include.list" : "fields.whitelist" }
}

/// The options of the sinks, as `validate` shows them.
enum SinkOptions {
    private static let timeZones = TimeZones(read: TimeZoneFiles.read)

    /// Options that begin with `connection.` and are no parameters of a driver.
    static let ownConnectionOptions: Set<String> = [
        "connection.url", "connection.user", "connection.username", "connection.password", "connection.attempts",
        "connection.backoff.ms", "connection.provider", "connection.pool.min_size", "connection.pool.max_size",
        "connection.pool.acquire_increment", "connection.pool.timeout", "connection.restart.on.errors",
    ]

    private static let dialects: [(name: String, product: Dialect.Product?)] = [
        ("Db2DatabaseDialect", nil), ("MySqlDatabaseDialect", .mysql), ("SybaseDatabaseDialect", nil),
        ("GenericDatabaseDialect", nil), ("OracleDatabaseDialect", nil), ("SqlServerDatabaseDialect", nil),
        ("PostgreSqlDatabaseDialect", .postgresql), ("SqliteDatabaseDialect", .sqlite),
        ("DerbyDatabaseDialect", nil), ("SapHanaDatabaseDialect", nil), ("VerticaDatabaseDialect", nil),
    ]

    static func product(_ dialect: String) -> Dialect.Product? { dialects.first { $0.name == dialect }?.product }

    /// - Throws: `.config` in the original's words.
    static func zone(_ option: String, _ text: String) throws(ConnectError) -> TimeZoneID {
        do throws(SQLTypesError) {
            return try timeZones.zone(text)
        } catch {
            throw .config(option, text, "Invalid time zone identifier")
        }
    }

    /// The original takes its words all small or all large.
    static func words(_ words: [String]) -> ConfigValidator {
        ConfigValidator { (name, value) throws(ConnectError) in
            guard let text = value.text, words.contains(where: { text == $0 || text == $0.uppercased() }) else {
                throw .config(name, value.text, "Invalid enumerator, must be one of \(words.joined(separator: ", "))")
            }
        }
    }

    static let isZone = ConfigValidator { (name, value) throws(ConnectError) in
        _ = try zone(name, value.text ?? "")
    }

    static let isDialect = ConfigValidator { (name, value) throws(ConnectError) in
        guard let text = value.text, !text.isEmpty, !dialects.contains(where: { $0.name == text }) else { return }
        throw .config(name, text, "Invalid value, must be one of \(dialects.map(\.name).joined(separator: ", "))")
    }

    private static let areTableKinds = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .list(let items) = value else { return }
        for item in items where TableDefinition.Kind(rawValue: item.uppercased()) == nil {
            throw .config(name, item, "Invalid table type, must be one of TABLE, PARTITIONED TABLE, VIEW")
        }
    }

    static let calendar = "date.calendar.system"
    static let calendars = words(["proleptic_gregorian", "legacy"])
    static let calendarText =
        "How dates before October 15th, 1582, are counted: PROLEPTIC_GREGORIAN, as databases do, or LEGACY, as Java's "
        + "calendar does."

    /// No address in the answer: it may have a password.
    static let isAddress = ConfigValidator { (_, value) throws(ConnectError) in
        guard let text = value.text else { return }
        do throws(ConnectError) {
            _ = try JDBCURL(text)
        } catch {
            throw .config(error.message)
        }
    }

    static func definition(_ flavour: JDBCSinkPlugin.Flavour) -> ConfigDef {
        var definition = ConfigDef()
        var group = "Connection"
        func add(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ importance: ConfigDef.Importance,
            _ text: String, _ validator: ConfigValidator? = nil
        ) {
            let order = definition.options.filter { $0.group == group }.count + 1
            definition.define(name, kind, value, validator, importance, text, group: group, order: order)
        }
        func number(_ value: Int64) -> ConfigDef.Default { .value(.integer(value)) }
        func text(_ value: String) -> ConfigDef.Default { .value(.string(value)) }
        func flag(_ value: Bool) -> ConfigDef.Default { .value(.boolean(value)) }
        let nothing = ConfigDef.Default.value(.list([]))
        let isDebezium = flavour == .debezium
        add(
            "connection.url", .string, .required, .high,
            "The database's address: jdbc:postgresql://host:port/db, jdbc:mysql://…, jdbc:mariadb://… or "
                + "jdbc:sqlite:path.",
            isAddress)
        add(
            isDebezium ? "connection.username" : "connection.user", .string, .null, .high, "The name to log in with.")
        add("connection.password", .password, .null, .high, "The password for it.")
        if !isDebezium {
            add(
                "dialect.name", .string, text(""), .low, "Taken when it fits the address; the address decides.",
                isDialect)
        }
        add(
            "connection.attempts", .int, number(3), .low, "How often a connection is tried before the records wait.",
            .atLeast(1))
        add(
            "connection.backoff.ms", .long, number(10_000), .low, "The pause between tries, in milliseconds.",
            .atLeast(0))

        group = "Writes"
        add(
            "insert.mode", .string, text("insert"), .high,
            "insert: rows are added. upsert: rows replace those with their key. update: rows that are there change.",
            words(["insert", "upsert", "update"]))
        add(
            "batch.size", .int, number(isDebezium ? 500 : 3000), .medium,
            "The most rows that go to the database at once.", .between(0, 1_000_000))
        add(
            "delete.enabled", .boolean, flag(false), .medium,
            "Whether a record without a value deletes the row of its key; for keys of records only."
                + (isDebezium ? " Deletions are skipped otherwise." : ""))
        if isDebezium {
            add(
                "truncate.enabled", .boolean, flag(false), .low,
                "Whether the event of a truncation (op t) empties the table; it is skipped otherwise.")
        } else {
            add(
                "table.types", .list, .value(.list(["TABLE"])), .low,
                "What may be written to: TABLE, PARTITIONED TABLE, VIEW.", areTableKinds)
        }

        group = "Data Mapping"
        add(
            "table.name.format", .string, text("${topic}"), .medium,
            "The table's name, with ${topic} for the topic's"
                + (isDebezium ? " and ${source.FIELD} for what an event's source has" : "")
                + "; dots and quotes as in schema.table.", .notEmpty)
        let modes = ["none", "kafka", "record_key", "record_value"] + (isDebezium ? ["record_header"] : [])
        let mode = words(modes)
        let modeText =
            "Where the primary key comes from: none, kafka, record_key"
            + (isDebezium ? ", record_value or record_header." : " or record_value.")
        let keyText =
            "The key's columns. Without them all fields of the key or value" + (isDebezium ? ", or all headers." : ".")
        if isDebezium {
            add("collection.name.format", .string, .null, .medium, "The newer name of table.name.format.")
            add("primary.key.mode", .string, text("none"), .high, modeText, mode)
            add("primary.key.fields", .list, nothing, .medium, keyText)
            add("field.include.list", .list, nothing, .medium, "The fields to write; all without it.")
            add("field.exclude.list", .list, nothing, .medium, "Fields not to write.")
            add("use.time.zone", .string, text("UTC"), .medium, "The zone in which times are written.", isZone)
        } else {
            add("pk.mode", .string, text("none"), .high, modeText, mode)
            add("pk.fields", .list, nothing, .medium, keyText)
            add("fields.whitelist", .list, nothing, .medium, "The value's fields to write; all without it.")
            add(
                "timestamp.fields.list", .list, nothing, .medium,
                "Fields of INT64, or of texts with such numbers, that are instants: they get columns of timestamps.")
            add(
                "timestamp.precision.mode", .string, text("microseconds"), .medium,
                "What the numbers of these fields count since 1970: microseconds or nanoseconds.",
                words(["microseconds", "nanoseconds"]))
            add("db.timezone", .string, text("UTC"), .medium, "The zone in which times are written.", isZone)
            add(
                "date.timezone", .string, text("DB_TIMEZONE"), .low,
                "The zone in which dates are written: DB_TIMEZONE or UTC.", words(["db_timezone", "utc"]))
            add(calendar, .string, text("PROLEPTIC_GREGORIAN"), .low, calendarText, calendars)
            add(
                "replace.null.with.default", .boolean, flag(true), .low,
                "Whether a null is written as its field's default.")
        }

        group = "DDL Support"
        if isDebezium {
            add(
                "schema.evolution", .string, text("none"), .medium,
                "basic: tables that are missing are made, and columns added.", words(["none", "basic"]))
            add("quote.identifiers", .boolean, flag(true), .medium, "Whether names are always quoted.")
        } else {
            add("auto.create", .boolean, flag(false), .medium, "Whether tables that are missing are made.")
            add("auto.evolve", .boolean, flag(false), .medium, "Whether columns that are missing are added.")
            add(
                "quote.sql.identifiers", .string, text("always"), .medium,
                "When names are quoted: always, or never where they need no quotes.", words(["always", "never"]))
            add("mssql.use.merge.holdlock", .boolean, flag(true), .low, "Taken; SQL Server is not among the databases.")
        }

        group = "Retries"
        add(
            isDebezium ? "flush.max.retries" : "max.retries", .int, number(isDebezium ? 5 : 10), .medium,
            "How often records come again after a failure that may pass.", .atLeast(0))
        add(
            isDebezium ? "flush.retry.delay.ms" : "retry.backoff.ms", isDebezium ? .long : .int,
            number(isDebezium ? 1000 : 3000), .medium, "The pause before that, in milliseconds.", .atLeast(0))
        add(
            "trim.sensitive.log", .boolean, flag(false), .low,
            "Whether messages leave out what the database says about rows.")

        group = "Exactly Once"
        add(
            "offsets.table", .string, text(""), .medium,
            "A table for the offsets, which are then written in the rows' transaction: each record arrives once.")
        return definition
    }
}
