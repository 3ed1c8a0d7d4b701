internal import ConnectCore
internal import Environment
internal import SQLTypes

/// The options, read.
struct SinkSettings: Sendable {
    enum InsertMode: String, Sendable, CaseIterable { case insert, upsert, update }

    enum KeyMode: String, Sendable, CaseIterable {
        case none, kafka
        case recordKey = "record_key"
        case recordValue = "record_value"
        /// Debezium's sink alone.
        case recordHeader = "record_header"
    }

    let flavour: JDBCSinkPlugin.Flavour
    var connector: String
    var url: JDBCURL
    var dialect: Dialect
    var insertMode: InsertMode
    var batchCountMax: Int
    var deletes: Bool
    /// Whether events of truncations empty tables.
    var truncates: Bool
    var tableKinds: Set<TableDefinition.Kind>
    var naming: TableNaming
    var keyMode: KeyMode
    var keyFields: [String]
    /// Empty for all fields of the value.
    var takenFields: Set<String>
    var leftOutFields: Set<String> = []
    /// Of `timestamp.fields.list`.
    var instantFields: Set<String> = []
    private var instantFieldsUnit = ColumnKind.Unit.micros
    var zones: CellZones
    var creates: Bool
    var evolves: Bool
    var retryCountMax: Int
    var retryPause: Duration
    var attempts: ConnectionAttempts
    var replacesNull: Bool
    /// Whether what the database says about rows is left out of messages.
    var trimsMessages: Bool
    /// The table with the offsets; nil when Kafka has them.
    var offsetsTable: String?
    /// Whether failed records go to the dead letters.
    var reportsFailures: Bool

    func takes(_ field: String) -> Bool {
        (takenFields.isEmpty || takenFields.contains(field)) && !leftOutFields.contains(field)
    }

    /// nil: numbers are numbers.
    func instantUnit(_ field: String) -> ColumnKind.Unit? { instantFields.contains(field) ? instantFieldsUnit : nil }

    /// - Throws: `.config`, or `.connect` for an address that is none.
    init(_ properties: [String: String], _ flavour: JDBCSinkPlugin.Flavour) throws(ConnectError) {
        let values = try SinkOptions.definition(flavour).parse(properties)
        func number(_ name: String) -> Int64 { values.integer(name) ?? 0 }
        func word(_ name: String) -> String { (values.string(name) ?? "").lowercased() }
        let isDebezium = flavour == .debezium
        self.flavour = flavour
        connector = properties["name"] ?? ""
        var url = try JDBCURL(values.string("connection.url") ?? "")
        if let user = values.text(isDebezium ? "connection.username" : "connection.user") { url.user = user }
        if let password = values.text("connection.password") { url.password = password }
        // What else begins so is the driver's.
        for (name, value) in properties.sorted(by: { $0.key < $1.key })
        where name.hasPrefix("connection.") && !SinkOptions.ownConnectionOptions.contains(name) {
            url.set(String(name.dropFirst(11)), value)
        }
        self.url = url
        var dialect = try Self.dialect(values.text("dialect.name"), url)
        dialect.quotesAlways =
            isDebezium ? values.flag("quote.identifiers") : word("quote.sql.identifiers") != "never"
        dialect.hasDebeziumTypes = isDebezium
        self.dialect = dialect
        insertMode = InsertMode(rawValue: word("insert.mode")) ?? .insert
        batchCountMax = max(1, Int(number("batch.size")))
        deletes = values.flag("delete.enabled")
        truncates = isDebezium && values.flag("truncate.enabled")
        tableKinds = [.table, .partitioned]
        if !isDebezium {
            tableKinds = Set(
                values.list("table.types").compactMap { TableDefinition.Kind(rawValue: $0.uppercased()) })
            if tableKinds.contains(.table) { tableKinds.insert(.partitioned) }
        }
        let newer = isDebezium ? values.text("collection.name.format") : nil
        naming = try TableNaming(
            newer ?? values.string("table.name.format") ?? "${topic}",
            newer == nil ? "table.name.format" : "collection.name.format", flavour)
        keyMode = KeyMode(rawValue: word(flavour.keyModeOption)) ?? KeyMode.none
        keyFields = values.list(flavour.keyFieldsOption).filter { !$0.isEmpty }
        takenFields = Set(values.list(flavour.takenFieldsOption).filter { !$0.isEmpty })
        if isDebezium {
            leftOutFields = Set(values.list("field.exclude.list").filter { !$0.isEmpty })
        } else {
            instantFields = Set(values.list("timestamp.fields.list").filter { !$0.isEmpty })
            if word("timestamp.precision.mode") == "nanoseconds" { instantFieldsUnit = .nanos }
        }
        let zoneOption = isDebezium ? "use.time.zone" : "db.timezone"
        let zone = try SinkOptions.zone(zoneOption, values.string(zoneOption) ?? "UTC")
        zones = CellZones(zone: zone, dateZone: word("date.timezone") == "db_timezone" ? zone : .utc)
        // SQLite's dates are moments.
        if dialect.product == .sqlite { zones = .utc }
        zones.isLegacy = !isDebezium && word(SinkOptions.calendar) == "legacy"
        let evolution = word("schema.evolution") == "basic"
        creates = isDebezium ? evolution : values.flag("auto.create")
        evolves = isDebezium ? evolution : values.flag("auto.evolve")
        retryCountMax = Int(number(isDebezium ? "flush.max.retries" : "max.retries"))
        retryPause = .milliseconds(number(isDebezium ? "flush.retry.delay.ms" : "retry.backoff.ms"))
        attempts = ConnectionAttempts(
            countMax: max(1, Int(number("connection.attempts"))), rest: .milliseconds(number("connection.backoff.ms")))
        replacesNull = isDebezium || values.flag("replace.null.with.default")
        trimsMessages = values.flag("trim.sensitive.log")
        offsetsTable = values.text("offsets.table")
        reportsFailures = ErrantRecords.areReported(by: properties)
        if deletes, keyMode != .recordKey {
            throw .config("Primary key mode must be 'record_key' when delete support is enabled")
        }
        if isDebezium, insertMode != .insert, keyMode == .none {
            throw .config("primary.key.mode", "none", "insert.mode \(insertMode.rawValue) needs a primary key")
        }
    }

    static func dialect(_ name: String?, _ url: JDBCURL) throws(ConnectError) -> Dialect {
        let product: Dialect.Product? =
            switch url.product {
            case "postgresql", "postgres": .postgresql
            case "mysql", "mariadb": .mysql
            case "sqlite": .sqlite
            default: nil
            }
        guard let product else {
            throw ConnectError(
                .config,
                "No suitable driver found for jdbc:\(url.product): there are jdbc:postgresql:, jdbc:mysql:, "
                    + "jdbc:mariadb: "
                    + "and jdbc:sqlite:")
        }
        if let name, let asked = SinkOptions.product(name), asked != product {
            throw .config("dialect.name", name, "the address in connection.url is that of \(url.product)")
        }
        return Dialect(product)
    }
}

extension String {
    var trimmed: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
