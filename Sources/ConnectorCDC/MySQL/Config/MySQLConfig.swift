internal import ConnectCore

/// A MySQL or MariaDB connector's configuration, read once.
@dynamicMemberLookup
struct MySQLConfig: Sendable {
    enum SnapshotMode: Sendable, Hashable {
        case always, initial, initialOnly, noData, recovery, whenNeeded, never
        case configured(data: Bool, schema: Bool, stream: Bool, onSchemaError: Bool, onDataError: Bool)
    }
    enum Locking: Sendable { case minimal, extended, none }
    enum Failures: Sendable { case fail, warn, skip }

    let flavor: Flavor
    let shared: EventOptions
    let address: MySQLAddress
    let serverID: UInt32
    let modes: HandlingModes
    let snapshotMode: SnapshotMode
    let locking: Locking
    let lockTimeoutSeconds: Int
    let hasSchemaChanges: Bool
    let hasQuery: Bool
    let inconsistentSchemas: Failures
    let skipsUnparseable: Bool
    let storesCapturedTablesOnly: Bool
    let storesCapturedDatabasesOnly: Bool
    let reconnects: Bool
    let silenceSeconds: Int
    let ignoresGTIDs: Bool
    let filtersChangesByGTID: Bool
    let netReadTimeout: Int
    let netWriteTimeout: Int

    subscript<Value>(dynamicMember path: KeyPath<EventOptions, Value>) -> Value { shared[keyPath: path] }

    /// - Throws: `.config` for the first option that is wrong.
    init(_ flavor: Flavor, _ given: [String: String]) throws(ConnectError) {
        let properties = MySQLOptions.modern(given)
        let values = try MySQLOptions.definition(flavor).parse(properties)
        self.flavor = flavor
        var shared = EventOptions(connector: flavor.rawValue, properties: properties, values: values)
        try shared.complete()
        self.shared = shared
        try EventOptions.checkReadOnly(properties)
        serverID = UInt32(clamping: values.integer("database.server.id") ?? 0)
        address = Self.address(values)
        modes = Self.modes(values)
        snapshotMode = Self.snapshotMode(values)
        locking =
            switch values.text("snapshot.locking.mode")?.lowercased() {
            case "none": .none
            case "extended": .extended
            default: .minimal
            }
        lockTimeoutSeconds = max(1, Int(values.integer("snapshot.lock.timeout.ms") ?? 10_000) / 1000)
        hasSchemaChanges = values.flag("include.schema.changes")
        hasQuery = values.flag("include.query")
        inconsistentSchemas = Self.failures(values.text("inconsistent.schema.handling.mode"))
        skipsUnparseable = values.flag("schema.history.internal.skip.unparseable.ddl")
        storesCapturedTablesOnly = values.flag("schema.history.internal.store.only.captured.tables.ddl")
        storesCapturedDatabasesOnly = values.flag("schema.history.internal.store.only.captured.databases.ddl")
        reconnects = values.flag("connect.keep.alive")
        silenceSeconds = max(1, Int(values.integer("connect.keep.alive.interval.ms") ?? 60_000) / 1000)
        ignoresGTIDs = values.flag("gtid.ignore.on.recovery")
        filtersChangesByGTID = values.flag("gtid.source.filter.dml.events")
        netReadTimeout = Int(values.integer("binlog.net.read.timeout") ?? 0)
        netWriteTimeout = Int(values.integer("binlog.net.write.timeout") ?? 0)
    }

    private static func failures(_ text: String?) -> Failures {
        switch text?.lowercased() {
        case "warn": .warn
        case "skip", "ignore": .skip
        default: .fail
        }
    }

    private static func address(_ values: ConfigValues) -> MySQLAddress {
        let tls: MySQLAddress.TLS =
            switch values.text("database.ssl.mode")?.lowercased() {
            case "disabled", "disable": .disabled
            case "required", "trust": .required
            case "verify_ca", "verify-ca": .verifyCA
            case "verify_identity", "verify-full": .verifyIdentity
            default: .preferred
            }
        var address = MySQLAddress(
            host: values.text("database.hostname") ?? "localhost", port: Int(values.integer("database.port") ?? 3306),
            user: values.text("database.user") ?? "", password: values.string("database.password") ?? "", tls: tls)
        address.authorities = values.text("database.ssl.truststore")
        address.certificate = values.text("database.ssl.keystore")
        address.key = values.text("database.ssl.keystore")
        address.connectTimeout = max(1, Int(values.integer("connect.timeout.ms") ?? 30_000) / 1000)
        address.initialStatements = EventOptions.statements(values.text("database.initial.statements"))
        return address
    }

    private static func modes(_ values: ConfigValues) -> HandlingModes {
        var modes = HandlingModes()
        func mode<Mode: RawRepresentable<String>>(_ name: String, _ fallback: Mode) -> Mode {
            values.text(name).flatMap { Mode(rawValue: $0.lowercased()) } ?? fallback
        }
        modes.decimals = mode("decimal.handling.mode", .precise)
        modes.times = mode("time.precision.mode", .adaptiveTimeMicroseconds)
        modes.bigIntegers = mode("bigint.unsigned.handling.mode", .long)
        modes.bytes =
            values.originals["binary.handling.mode"].flatMap { HandlingModes.Bytes(rawValue: $0.lowercased()) }
            ?? .bytes
        modes.adjustsYears = values.flag("enable.time.adjuster")
        return modes
    }

    private static func snapshotMode(_ values: ConfigValues) -> SnapshotMode {
        let text = values.text("snapshot.mode")?.lowercased() ?? "initial"
        func flag(_ name: String) -> Bool { values.flag("snapshot.mode.configuration.based." + name) }
        return switch MySQLOptions.oldSnapshotModes[text] ?? text {
        case "always": .always
        case "initial_only": .initialOnly
        case "no_data": .noData
        case "recovery": .recovery
        case "when_needed": .whenNeeded
        case "never": .never
        case "configuration_based":
            .configured(
                data: flag("snapshot.data"), schema: flag("snapshot.schema"), stream: flag("start.stream"),
                onSchemaError: flag("snapshot.on.schema.error"), onDataError: flag("snapshot.on.data.error"))
        default: .initial
        }
    }
}
