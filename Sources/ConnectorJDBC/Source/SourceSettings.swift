internal import ConnectCore
internal import SQLTypes

/// The options, read.
struct SourceSettings: Sendable {
    enum Mode: String, Sendable {
        case bulk, timestamp, incrementing
        case both = "timestamp+incrementing"

        var hasTime: Bool { self == .timestamp || self == .both }
        var hasNumber: Bool { self == .incrementing || self == .both }
    }

    var url: JDBCURL
    var dialect: Dialect
    var mode: Mode
    var query: String
    var querySuffix: String
    /// nil: without end.
    var retryCountMax: Int?
    var filter: TableFilter
    /// One name, or empty for the column that the database counts up.
    var incrementingColumn: String
    var timestampColumns: [String]
    var incrementingMapping: ColumnsOfTables
    var timestampMapping: ColumnsOfTables
    /// Milliseconds since 1970; -1 for now.
    var timestampInitial: Int64?
    var timestampDelay: Int64
    var requiresNonNull: Bool
    var isolation: String?
    var topicPrefix: String
    var pollInterval: Int64
    var batchCountMax: Int
    var tableInterval: Int64
    var attempts: ConnectionAttempts
    var mapping: SourceMapping

    /// The most milliseconds, before or behind now or 1970, that are reckoned with: as microseconds they leave room to
    /// add and subtract.
    static let millisMax: Int64 = 9_000_000_000_000

    /// - Throws: `.config`, or `.connect` for an address that is none.
    init(_ properties: [String: String]) throws(ConnectError) {
        let values = try SourceOptions.definition.parse(properties)
        func number(_ name: String) -> Int64 { values.integer(name) ?? 0 }
        // Options have no upper bounds: what is beyond means as good as never.
        func millis(_ name: String) -> Int64 { min(max(number(name), -Self.millisMax), Self.millisMax) }
        func word(_ name: String) -> String { (values.string(name) ?? "").lowercased() }
        func names(_ name: String) -> [String] { values.list(name).filter { !$0.isEmpty } }
        var url = try JDBCURL(values.string("connection.url") ?? "")
        if let user = values.text("connection.user") { url.user = user }
        if let password = values.text("connection.password") { url.password = password }
        // What else begins so is the driver's.
        for (name, value) in properties.sorted(by: { $0.key < $1.key })
        where name.hasPrefix("connection.") && !SinkOptions.ownConnectionOptions.contains(name) {
            url.set(String(name.dropFirst(11)), value)
        }
        self.url = url
        dialect = try SinkSettings.dialect(values.text("dialect.name"), url)
        dialect.quotesAlways = word("quote.sql.identifiers") != "never"
        guard let mode = Mode(rawValue: values.string("mode") ?? "") else {
            throw .config("Query mode must be specified")
        }
        self.mode = mode
        query = values.text("query") ?? values.text("query.masked") ?? ""
        querySuffix = values.string("query.suffix") ?? ""
        let retries = number("query.retry.attempts")
        retryCountMax = retries < 0 ? nil : Int(retries)
        filter = try TableFilter(values)
        incrementingColumn = values.string("incrementing.column.name") ?? ""
        timestampColumns = names("timestamp.column.name")
        incrementingMapping = try ColumnsOfTables(names("incrementing.column.mapping"), "incrementing.column.mapping")
        timestampMapping = try ColumnsOfTables(names("timestamp.columns.mapping"), "timestamp.columns.mapping")
        timestampInitial = values.integer("timestamp.initial")
        timestampDelay = millis("timestamp.delay.interval.ms")
        requiresNonNull = values.flag("validate.non.null")
        let isolation = word("transaction.isolation.mode").uppercased()
        self.isolation = isolation == "DEFAULT" ? nil : String(isolation.map { $0 == "_" ? " " : $0 })
        topicPrefix = values.string("topic.prefix") ?? ""
        pollInterval = millis("poll.interval.ms")
        batchCountMax = Int(number("batch.max.rows"))
        tableInterval = millis("table.poll.interval.ms")
        attempts = ConnectionAttempts(
            countMax: Int(number("connection.attempts")), rest: .milliseconds(millis("connection.backoff.ms")))
        let oldMapping = values.flag("numeric.precision.mapping") ? NumericMapping.precisionOnly : .none
        mapping = SourceMapping(
            numeric: values.text("numeric.mapping").flatMap { NumericMapping(rawValue: $0.lowercased()) } ?? oldMapping,
            granularity: TimestampGranularity(rawValue: word("timestamp.granularity")) ?? .connect,
            // SQLite's times are moments.
            zone: dialect.product == .sqlite
                ? .utc : try SinkOptions.zone("db.timezone", values.string("db.timezone") ?? "UTC"),
            zeroDatesAreNull: ["converttonull", "convert_to_null"].contains(
                url.parameter("zeroDateTimeBehavior")?.lowercased() ?? ""),
            isLegacy: word(SinkOptions.calendar) == "legacy", roundsToMillis: dialect.product == .sqlite)
    }

    /// What is wrong with options that are right one by one, each with the options at fault; in the original's words.
    static func problems(_ properties: [String: String]) -> [ConfigProblem] {
        func list(_ name: String) -> [String] {
            (properties[name] ?? "").split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty }
        }
        func problems(_ options: [String], _ message: String) -> [ConfigProblem] {
            options.filter { !list($0).isEmpty || $0 == "mode" }.map { ConfigProblem($0, message) }
        }
        let mode = (properties["mode"] ?? "").trimmed
        if mode.isEmpty { return [ConfigProblem("mode", "Query mode must be specified")] }
        let plain = (properties["query"] ?? "").trimmed
        let masked = (properties["query.masked"] ?? "").trimmed
        if !plain.isEmpty, !masked.isEmpty {
            return problems(
                ["query", "query.masked"],
                "Both 'query' and 'query.masked' configs cannot be set at the same time. Please use only one of them.")
        }
        let query = plain.isEmpty ? masked : plain
        let queryOption = plain.isEmpty ? "query.masked" : "query"
        if (properties["transaction.isolation.mode"] ?? "").uppercased() == "SQL_SERVER_SNAPSHOT" {
            return [
                ConfigProblem(
                    "transaction.isolation.mode",
                    "Isolation mode of `SQL_SERVER_SNAPSHOT` can only be configured with a Sql Server Dialect")
            ]
        }
        let older = [
            "table.whitelist", "table.blacklist", "incrementing.column.name", "timestamp.column.name",
        ]
        let newer = [
            "table.include.list", "table.exclude.list", "incrementing.column.mapping", "timestamp.columns.mapping",
        ]
        let usesNewer = newer.contains { !list($0).isEmpty }
        if query.isEmpty, usesNewer, older.contains(where: { !list($0).isEmpty }) {
            return problems(
                older + newer,
                "Cannot mix legacy and new configuration approaches. Legacy configurations (table.whitelist, "
                    + "table.blacklist, timestamp.column.name, incrementing.column.name) cannot be used together with "
                    + "new configurations (table.include.list, table.exclude.list, timestamp.columns.mapping, "
                    + "incrementing.column.mapping). Please choose one approach: either use all legacy configurations "
                    + "or all new configurations.")
        }
        if !query.isEmpty {
            if SourceOptions.tableLists.contains(where: { !list($0).isEmpty }) {
                return problems(
                    [queryOption] + SourceOptions.tableLists,
                    "Do not specify table filtering configs with 'query'. Remove table.whitelist / table.blacklist / "
                        + "table.include.list / table.exclude.list when using query mode or 'query' when using table "
                        + "filtering mode.")
            }
            let isSelect = ["select", "with"].contains(query.prefix { $0.isLetter }.lowercased())
            if !isSelect, !query.hasPrefix("("), !query.hasPrefix("-"), !query.hasPrefix("/") {
                return [
                    ConfigProblem(
                        queryOption,
                        "Only SELECT statements are supported for '\(queryOption)'. Please provide a statement that starts with "
                            + "SELECT.")
                ]
            }
            if Mode(rawValue: mode)?.hasNumber == true, list("incrementing.column.name").isEmpty {
                return [
                    ConfigProblem(
                        "incrementing.column.name",
                        "A query has no column that the database counts up: incrementing.column.name must be specified "
                            + "when using mode '\(mode)' with 'query'")
                ]
            }
        }
        if !list("table.whitelist").isEmpty, !list("table.blacklist").isEmpty {
            return problems(
                ["table.whitelist", "table.blacklist"], "table.whitelist and table.blacklist are exclusive.")
        }
        if !list("table.exclude.list").isEmpty, list("table.include.list").isEmpty {
            return problems(
                ["table.exclude.list"],
                "table.exclude.list cannot be used without table.include.list. Exclude list only applies to tables that "
                    + "match the include list.")
        }
        let hasTimes = !list("timestamp.column.name").isEmpty || !list("timestamp.columns.mapping").isEmpty
        if Mode(rawValue: mode)?.hasTime == true, !hasTimes {
            return problems(
                ["mode"],
                "Timestamp column configuration must be provided when using mode 'timestamp' or "
                    + "'timestamp+incrementing'. Provide 'timestamp.column.name' or 'timestamp.columns.mapping'.")
        }
        if Mode(rawValue: mode)?.hasTime == false, !list("timestamp.columns.mapping").isEmpty {
            return problems(
                ["mode"],
                "Timestamp column configurations should not be provided if mode is not 'timestamp' or "
                    + "'timestamp+incrementing'. Remove 'timestamp.columns.mapping'.")
        }
        if Mode(rawValue: mode)?.hasNumber == false, !list("incrementing.column.mapping").isEmpty {
            return problems(
                ["mode"],
                "Incrementing column configurations should not be provided if mode is not 'incrementing' or "
                    + "'timestamp+incrementing'. Remove 'incrementing.column.mapping'.")
        }
        return []
    }
}

/// Which tables of a database are read.
struct TableFilter: Sendable {
    private var named: Set<String>
    private var left: Set<String>
    private var included: [JavaRegex] = []
    private var excluded: [JavaRegex] = []
    private var catalog: NamePattern?
    private var schema: NamePattern?
    let kinds: Set<String>

    init(_ values: ConfigValues) throws(ConnectError) {
        func names(_ name: String) -> [String] { values.list(name).filter { !$0.isEmpty } }
        named = Set(names("table.whitelist"))
        left = Set(names("table.blacklist"))
        for text in names("table.include.list") { included.append(try JavaRegex(text)) }
        for text in names("table.exclude.list") { excluded.append(try JavaRegex(text)) }
        catalog = values.string("catalog.pattern").map { NamePattern($0) }
        schema = values.string("schema.pattern").map { NamePattern($0) }
        kinds = Set(names("table.types").map { $0.uppercased() })
    }

    /// The names by which lists may mean a table.
    private static func names(_ table: SourceTable, _ dialect: Dialect) -> [String] {
        var names = [table.id.name, table.fullName, dialect.quoted(table.id)]
        if let schema = table.id.schema { names.append("\(schema).\(table.id.name)") }
        return names
    }

    /// - Throws: `.connect` in the original's words when two tables have one name, and so one topic.
    func tables(_ all: [SourceTable], _ dialect: Dialect) throws(ConnectError) -> [SourceTable] {
        var tables: [SourceTable] = []
        for table in all {
            let names = Self.names(table, dialect)
            if let catalog, !catalog.matches(table.id.catalog ?? "") { continue }
            if let schema, !schema.matches(table.id.schema ?? "") { continue }
            if !named.isEmpty, !names.contains(where: named.contains) { continue }
            if names.contains(where: left.contains) { continue }
            if !included.isEmpty, try !Self.matches(included, table) { continue }
            if try Self.matches(excluded, table) { continue }
            tables.append(table)
        }
        let doubles = Dictionary(grouping: tables, by: \.id.name).filter { $0.value.count > 1 }
        guard doubles.isEmpty else {
            let shown = doubles.sorted { $0.key < $1.key }.map { pair in
                "[" + pair.value.map { dialect.quoted($0.id) }.joined(separator: ", ") + "]"
            }
            throw ConnectError(
                .connect,
                "The connector uses the unqualified table name as the topic name and has detected duplicate unqualified "
                    + "table names. This could lead to mixed data types in the topic and downstream processing errors. "
                    + "To prevent such processing errors, the JDBC Source connector fails to start when it detects "
                    + "duplicate table name configurations. Update the connector's 'table.whitelist' config to include "
                    + "exactly one table in each of the tables listed below.\n\t[" + shown.joined(separator: ", ") + "]"
            )
        }
        return tables
    }

    private static func matches(_ regexes: [JavaRegex], _ table: SourceTable) throws(ConnectError) -> Bool {
        for regex in regexes where try regex.matches(table.fullName) { return true }
        return false
    }

    /// Names of `table.whitelist` that no table has.
    func missing(_ tables: [SourceTable], _ dialect: Dialect) -> [String] {
        let known = Set(tables.flatMap { Self.names($0, dialect) })
        return named.filter { !known.contains($0) }.sorted()
    }
}
