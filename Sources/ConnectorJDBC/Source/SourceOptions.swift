internal import ConnectCore

/// The options of the source, as `validate` shows them.
enum SourceOptions {
    static let modes = ["", "bulk", "timestamp", "incrementing", "timestamp+incrementing"]
    static let isolationModes = [
        "DEFAULT", "READ_UNCOMMITTED", "READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE", "SQL_SERVER_SNAPSHOT",
    ]
    static let tableLists = ["table.whitelist", "table.blacklist", "table.include.list", "table.exclude.list"]

    /// As the original checks it: it knows its modes in small letters only.
    private static let isMode = ConfigValidator { (name, value) throws(ConnectError) in
        guard let text = value.text, modes.contains(text) else {
            throw .config(name, value.text, "String must be one of: " + modes.joined(separator: ", "))
        }
    }

    private static let isPrefix = ConfigValidator { (name, value) throws(ConnectError) in
        let text = value.text ?? ""
        if text.utf8.count > 249 {
            throw .config(name, text, "Topic prefix length must not exceed max topic name length, 249 chars")
        }
        let isPlain = text.utf8.allSatisfy {
            0x61...0x7A ~= $0 || 0x41...0x5A ~= $0 || 0x30...0x39 ~= $0 || [0x2E, 0x5F, 0x2D].contains($0)
        }
        if !isPlain {
            throw .config(
                name, text,
                "Topic prefix must not contain any character other than ASCII alphanumerics, '.', '_' and '-'.")
        }
    }

    private static func wordOrNull(_ words: [String]) -> ConfigValidator {
        let validator = SinkOptions.words(words)
        return ConfigValidator { (name, value) throws(ConnectError) in
            if value != .null { try validator.check(name, value) }
        }
    }

    private static let areRegexes = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .list(let items) = value else { return }
        for item in items {
            do throws(ConnectError) { _ = try JavaRegex(item) } catch {
                throw .config(name, item, "Invalid regex: \(error.message)")
            }
        }
    }

    private static let areMappings = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .list(let items) = value else { return }
        for item in items { _ = try ColumnsOfTables.entry(item, name) }
    }

    /// Nanoseconds, for instance, are none.
    private static let isInitialTime = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .integer(let millis) = value else { return }
        if millis.magnitude > SourceSettings.millisMax.magnitude {
            throw .config(name, value.text, "Value must be milliseconds since 1970, or -1 for now")
        }
    }

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        var group = "Database"
        func add(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ importance: ConfigDef.Importance,
            _ text: String, _ validator: ConfigValidator? = nil, dependsOnMode: [String]? = nil
        ) {
            let order = definition.options.filter { $0.group == group }.count + 1
            let recommender = dependsOnMode.map { modes in
                ConfigDef.Recommender(isVisible: { _, parsed in modes.contains(parsed["mode"]?.text ?? "") })
            }
            definition.define(
                name, kind, value, validator, importance, text, group: group, order: order, recommender: recommender)
        }
        func number(_ value: Int64) -> ConfigDef.Default { .value(.integer(value)) }
        func text(_ value: String) -> ConfigDef.Default { .value(.string(value)) }
        func flag(_ value: Bool) -> ConfigDef.Default { .value(.boolean(value)) }
        let nothing = ConfigDef.Default.value(.list([]))
        add(
            "connection.url", .string, .required, .high,
            "The database's address: jdbc:postgresql://host:port/db, jdbc:mysql://…, jdbc:mariadb://… or "
                + "jdbc:sqlite:path.", SinkOptions.isAddress)
        add("connection.user", .string, .null, .high, "The name to log in with.")
        add("connection.password", .password, .null, .high, "The password for it.")
        add("connection.attempts", .int, number(3), .low, "How often a connection is tried.", .atLeast(1))
        add(
            "connection.backoff.ms", .long, number(10_000), .low, "The pause between tries, in milliseconds.",
            .atLeast(0))
        add(
            "table.whitelist", .list, nothing, .medium,
            "The tables to read, by name or by schema and name. Without any list all tables are read.")
        add("table.blacklist", .list, nothing, .medium, "Tables not to read.")
        add(
            "table.include.list", .list, nothing, .medium,
            "Regular expressions for the full names of the tables to read.", areRegexes)
        add(
            "table.exclude.list", .list, nothing, .medium,
            "Regular expressions for full names of tables that table.include.list has and that are not read.",
            areRegexes)
        add("catalog.pattern", .string, .null, .medium, "A pattern for the catalogs of tables, with % and _.")
        add("schema.pattern", .string, .null, .high, "A pattern for the schemas of tables, with % and _.")
        add(
            "numeric.precision.mapping", .boolean, flag(false), .low,
            "The earlier way to say numeric.mapping=precision_only.")
        add(
            "numeric.mapping", .string, .null, .low,
            "What NUMERIC columns become. none: Decimal. best_fit: integers and FLOAT64 where they fit. "
                + "best_fit_eager_double: FLOAT64 wherever there are digits behind the point. precision_only: integers "
                + "where there are none.", wordOrNull(NumericMapping.allCases.map(\.rawValue)))
        add(
            "dialect.name", .string, text(""), .low, "Taken when it fits the address; the address decides.",
            SinkOptions.isDialect)

        group = "Mode"
        let withNumbers = ["incrementing", "timestamp+incrementing"]
        let withTimes = ["timestamp", "timestamp+incrementing"]
        add(
            "mode", .string, text(""), .high,
            "How new rows are found. bulk: the whole table each time. incrementing: by a column that only grows. "
                + "timestamp: by the time of the last change. timestamp+incrementing: by both.", isMode)
        add(
            "incrementing.column.name", .string, text(""), .medium,
            "The column that only grows. Without it the one that the database counts up.", dependsOnMode: withNumbers)
        add(
            "incrementing.column.mapping", .list, nothing, .medium,
            "The same for tables of table.include.list, each as regular expression:column.", areMappings,
            dependsOnMode: withNumbers)
        add(
            "timestamp.column.name", .list, nothing, .medium,
            "The columns with the time of the last change; the first that is not null counts.",
            dependsOnMode: withTimes)
        add(
            "timestamp.columns.mapping", .list, nothing, .medium,
            "The same for tables of table.include.list, each as regular expression:[column|column].", areMappings,
            dependsOnMode: withTimes)
        add(
            "timestamp.initial", .long, .null, .low,
            "Where reading by time begins, in milliseconds since 1970; -1: now. Without it all rows are read.",
            isInitialTime, dependsOnMode: withTimes)
        add(
            "validate.non.null", .boolean, flag(true), .low,
            "Whether columns that say which rows are new have to be NOT NULL.",
            dependsOnMode: ["timestamp", "incrementing", "timestamp+incrementing"])
        add(
            "query", .string, text(""), .medium,
            "A query to read instead of tables. WHERE and ORDER BY are appended in all modes but bulk.")
        add("query.masked", .password, .null, .medium, "The same as query, shown to nobody.")
        add("query.suffix", .string, text(""), .low, "What is appended to every query: LIMIT, for instance.")
        add(
            "query.retry.attempts", .int, number(-1), .low,
            "How often a failed query is tried again; -1: as long as the task runs.")
        add(
            "quote.sql.identifiers", .string, text("always"), .medium,
            "When names are quoted: always, or never where they need no quotes.",
            SinkOptions.words(["always", "never"]))
        add(
            "transaction.isolation.mode", .string, text("DEFAULT"), .low,
            "DEFAULT, READ_UNCOMMITTED, READ_COMMITTED, REPEATABLE_READ or SERIALIZABLE.",
            SinkOptions.words(isolationModes.map { $0.lowercased() }))

        group = "Connector"
        add(
            "table.types", .list, .value(.list(["TABLE"])), .low,
            "The kinds of tables to read: TABLE, VIEW, PARTITIONED TABLE, MATERIALIZED VIEW, FOREIGN TABLE ...")
        add("poll.interval.ms", .int, number(5000), .high, "How often each table is asked for new rows.", .atLeast(0))
        add("batch.max.rows", .int, number(100), .low, "The most rows that are taken at once.", .atLeast(1))
        add(
            "table.poll.interval.ms", .long, number(60_000), .low, "How often new and removed tables are looked for.",
            .atLeast(1))
        add(
            "topic.prefix", .string, text(""), .high,
            "What stands in front of a table's name in its topic's; with a query the topic's name.", isPrefix)
        add(
            "timestamp.delay.interval.ms", .long, number(0), .high,
            "How old a row's time has to be, so that transactions with earlier times have ended.")
        add(
            "db.timezone", .string, text("UTC"), .medium, "The zone of times that have none.", SinkOptions.isZone)
        add(
            "timestamp.granularity", .string, text("connect_logical"), .low,
            "What timestamps become: connect_logical (milliseconds), micros_long, micros_string, "
                + "micros_iso_datetime_string, nanos_long, nanos_string, nanos_iso_datetime_string.",
            SinkOptions.words(TimestampGranularity.allCases.map(\.rawValue)))
        add(
            SinkOptions.calendar, .string, text("PROLEPTIC_GREGORIAN"), .low, SinkOptions.calendarText,
            SinkOptions.calendars)
        return definition
    }()
}

/// Columns for tables whose full names match: `timestamp.columns.mapping`, `incrementing.column.mapping`.
struct ColumnsOfTables: Sendable {
    private var entries: [(regex: JavaRegex, columns: [String])] = []

    var isEmpty: Bool { entries.isEmpty }

    init(_ items: [String], _ option: String) throws(ConnectError) {
        for item in items { entries.append(try Self.entry(item, option)) }
    }

    static func entry(_ item: String, _ option: String) throws(ConnectError) -> (JavaRegex, [String]) {
        let wrong = ConnectError.config(
            option, item, "Each entry is a regular expression for tables, a colon and the columns: .*orders:[changed]")
        guard let colon = item.lastIndex(of: ":") else { throw wrong }
        var columns = item[item.index(after: colon)...]
        if columns.hasPrefix("["), columns.hasSuffix("]") { columns = columns.dropFirst().dropLast() }
        let names = columns.split(separator: "|").map { String($0).trimmed }
        guard !names.isEmpty, names.allSatisfy({ !$0.isEmpty }) else { throw wrong }
        do throws(ConnectError) {
            return (try JavaRegex(String(item[..<colon]).trimmed), names)
        } catch {
            throw .config(option, item, "Invalid regex: \(error.message)")
        }
    }

    func columns(_ table: String) throws(ConnectError) -> [String]? {
        for entry in entries where try entry.regex.matches(table) { return entry.columns }
        return nil
    }
}
