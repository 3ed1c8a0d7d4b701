internal import ConnectCore

/// A PostgreSQL connector's configuration, read once.
@dynamicMemberLookup
struct PostgresConfig: Sendable {
    enum SnapshotMode: String, Sendable {
        case always, initial
        case initialOnly = "initial_only"
        case noData = "no_data"
        case whenNeeded = "when_needed"

        var streams: Bool { self != .initialOnly }
    }
    enum Publishing: String, Sendable {
        case allTables = "all_tables"
        case disabled, filtered
        case noTables = "no_tables"
    }
    enum Flushing: String, Sendable {
        case connector
        case connectorAndDriver = "connector_and_driver"
        case manual
    }

    static let connector = "postgresql"

    let shared: EventOptions
    let address: PostgresAddress
    let database: String
    let modes: PostgresModes
    let snapshotMode: SnapshotMode
    /// Snapshots show the state of one moment.
    let isRepeatable: Bool
    let locksTables: Bool
    let lockTimeoutMilliseconds: Int64
    let slot: String
    let dropsSlot: Bool
    let isFailoverSlot: Bool
    let slotRetryCountMax: Int
    let slotRetryWait: Duration
    /// Of the decoder, besides those that are always given.
    let streamParameters: [(name: String, value: String)]
    let publication: String
    let publishing: Publishing
    let publishesRoots: Bool
    let flushing: Flushing
    let statusInterval: Duration
    let xminInterval: Duration?

    subscript<Value>(dynamicMember path: KeyPath<EventOptions, Value>) -> Value { shared[keyPath: path] }

    /// - Throws: `.config` for the first option that is wrong.
    init(_ given: [String: String]) throws(ConnectError) {
        let properties = PostgresOptions.modern(given)
        let values = try PostgresOptions.definition().parse(properties)
        var shared = EventOptions(connector: Self.connector, properties: properties, values: values)
        try shared.complete()
        self.shared = shared
        try EventOptions.checkReadOnly(properties)
        database = values.text("database.dbname") ?? ""
        address = Self.address(values)
        modes = Self.modes(values)
        func mode<Mode: RawRepresentable<String>>(_ name: String, _ fallback: Mode) -> Mode {
            values.text(name).flatMap { Mode(rawValue: $0.lowercased()) } ?? fallback
        }
        switch values.text("snapshot.mode")?.lowercased() {
        case "never", "schema_only": snapshotMode = .noData
        default: snapshotMode = mode("snapshot.mode", .initial)
        }
        isRepeatable = values.text("snapshot.isolation.mode")?.lowercased().hasPrefix("read_") != true
        locksTables = values.text("snapshot.locking.mode")?.lowercased() == "shared"
        lockTimeoutMilliseconds = max(1, values.integer("snapshot.lock.timeout.ms") ?? 10_000)
        slot = values.text("slot.name") ?? "debezium"
        dropsSlot = values.flag("slot.drop.on.stop")
        isFailoverSlot = values.flag("slot.failover")
        slotRetryCountMax = Int(values.integer("slot.max.retries") ?? 6)
        slotRetryWait = .milliseconds(values.integer("slot.retry.delay.ms") ?? 10_000)
        streamParameters = (values.text("slot.stream.params") ?? "").split(separator: ";").compactMap { pair in
            guard let sign = pair.firstIndex(of: "=") else { return nil }
            return (pair[..<sign].trimmingSpaces, pair[pair.index(after: sign)...].trimmingSpaces)
        }
        publication = values.text("publication.name") ?? "dbz_publication"
        publishing = mode("publication.autocreate.mode", .allTables)
        publishesRoots = values.flag("publish.via.partition.root")
        flushing = mode("lsn.flush.mode", .connector)
        statusInterval = .milliseconds(values.integer("status.update.interval.ms") ?? 10_000)
        let xmin = values.integer("xmin.fetch.interval.ms") ?? 0
        xminInterval = xmin > 0 ? .milliseconds(xmin) : nil
    }

    private static func address(_ values: ConfigValues) -> PostgresAddress {
        var address = PostgresAddress()
        address.set("host", values.text("database.hostname") ?? "localhost")
        address.set("port", String(values.integer("database.port") ?? 5432))
        address.set("dbname", values.text("database.dbname"))
        address.set("user", values.text("database.user"))
        address.set("password", values.string("database.password"))
        address.set("sslmode", values.text("database.sslmode")?.lowercased() ?? "prefer")
        for name in ["sslcert", "sslkey", "sslrootcert"] { address.set(name, values.text("database." + name)) }
        address.set("sslpassword", values.string("database.sslpassword"))
        address.set("gssencmode", "disable")
        address.set("connect_timeout", "30")
        address.set("keepalives", values.flag("database.tcpKeepAlive") ? "1" : "0")
        address.set("keepalives_idle", "60")
        // So that a server that vanished is noticed.
        address.set("tcp_user_timeout", "120000")
        address.initialStatements = EventOptions.statements(values.text("database.initial.statements"))
        let timeout = values.integer("database.query.timeout.ms") ?? 600_000
        address.queryTimeoutMilliseconds = max(0, timeout)
        return address
    }

    private static func modes(_ values: ConfigValues) -> PostgresModes {
        var modes = PostgresModes()
        func mode<Mode: RawRepresentable<String>>(_ name: String, _ fallback: Mode) -> Mode {
            values.text(name).flatMap { Mode(rawValue: $0.lowercased()) } ?? fallback
        }
        modes.decimals = mode("decimal.handling.mode", .precise)
        modes.times = mode("time.precision.mode", .adaptive)
        modes.bytes = mode("binary.handling.mode", .bytes)
        modes.hstores = mode("hstore.handling.mode", .json)
        modes.intervals = mode("interval.handling.mode", .numeric)
        modes.moneyFractionDigits = Int(values.integer("money.fraction.digits") ?? 2)
        modes.includesUnknown = values.flag("include.unknown.datatypes")
        let conversions = values.originals["event.converting.failure.handling.mode"]?.trimmingSpaces.lowercased()
        modes.failsOnConversion = conversions == "fail"
        modes.placeholder = values.text("unavailable.value.placeholder") ?? modes.placeholder
        return modes
    }

    func filters() throws(ConnectError) -> TableFilters {
        try TableFilters(shared, space: "schema", builtIn: TableFilters.builtInSchemas)
    }
}
