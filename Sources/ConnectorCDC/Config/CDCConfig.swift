internal import ConnectCore

/// What is left out and how names are, read out of a configuration once.
struct CDCConfig: Sendable {
    enum SnapshotMode: Sendable, Hashable {
        case always, initial, initialOnly, noData, recovery, whenNeeded, never
        case configured(data: Bool, schema: Bool, stream: Bool, onSchemaError: Bool, onDataError: Bool)
    }
    enum Locking: Sendable { case minimal, extended, none }
    enum Failures: Sendable { case fail, warn, skip }
    enum Names: Sendable { case none, avro, avroUnicode }

    let flavor: Flavor
    /// In today's names.
    let properties: [String: String]
    let address: MySQLAddress
    let prefix: String
    /// Between the parts of topics' names.
    let delimiter: String
    let serverID: UInt32
    let modes: HandlingModes
    let snapshotMode: SnapshotMode
    let locking: Locking
    let lockTimeoutSeconds: Int
    let batchCountMax: Int
    let queueCountMax: Int
    /// The worker's transactions are the source's.
    let hasOwnBoundaries: Bool
    let queueByteCountMax: Int
    let pollInterval: Duration
    let hasTombstones: Bool
    let heartbeatInterval: Duration?
    let heartbeatTopic: String
    let heartbeatQuery: String?
    let hasTransactions: Bool
    let transactionTopic: String
    let skippedOperations: Set<String>
    /// Updates that change no column that events have are no events.
    let skipsUnchanged: Bool
    let hasContextHeaders: Bool
    let hasSchemaChanges: Bool
    let hasComments: Bool
    let hasQuery: Bool
    let signalTable: String?
    let chunkRowCount: Int
    let deletesWatermarks: Bool
    let inconsistentSchemas: Failures
    let skipsUnparseable: Bool
    let storesCapturedTablesOnly: Bool
    let storesCapturedDatabasesOnly: Bool
    let retryCountMax: Int
    let retryWait: Duration
    let reconnects: Bool
    let silenceSeconds: Int
    let snapshotDelay: Duration
    let streamingDelay: Duration
    let tableCountMax: Int
    let failsBeyondTableCount: Bool
    let schemaNames: Names
    let fieldNames: Names
    let ignoresGTIDs: Bool
    let filtersChangesByGTID: Bool
    let queryTimeoutSeconds: Int
    let checksLogPosition: Bool
    let netReadTimeout: Int
    let netWriteTimeout: Int
    let snapshotOrder: String

    /// - Throws: `.config` for the first option that is wrong.
    init(_ flavor: Flavor, _ given: [String: String]) throws(ConnectError) {
        let properties = CDCOptions.modern(given)
        let values = try CDCOptions.definition(flavor).parse(properties)
        self.flavor = flavor
        self.properties = properties
        prefix = values.text("topic.prefix") ?? ""
        delimiter = properties["topic.delimiter"] ?? "."
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
        batchCountMax = Int(values.integer("max.batch.size") ?? 2048)
        hasOwnBoundaries = properties["transaction.boundary"]?.lowercased() == "connector"
        queueCountMax = max(Int(values.integer("max.queue.size") ?? 8192), batchCountMax)
        let bytes = Int(values.integer("max.queue.size.in.bytes") ?? 0)
        queueByteCountMax = bytes > 0 ? bytes : 64 << 20
        pollInterval = .milliseconds(min(values.integer("poll.interval.ms") ?? 500, 1000))
        hasTombstones = values.flag("tombstones.on.delete")
        let heartbeat = values.integer("heartbeat.interval.ms") ?? 0
        heartbeatInterval = heartbeat > 0 ? .milliseconds(heartbeat) : nil
        let heartbeatPrefix =
            properties["topic.heartbeat.prefix"] ?? values.text("heartbeat.topics.prefix") ?? "__debezium-heartbeat"
        heartbeatTopic = heartbeatPrefix + delimiter + prefix
        heartbeatQuery = values.text("heartbeat.action.query")
        hasTransactions = values.flag("provide.transaction.metadata")
        transactionTopic = prefix + delimiter + (properties["topic.transaction"] ?? "transaction")
        skippedOperations = Set(values.list("skipped.operations").map { $0.lowercased() })
        skipsUnchanged = values.flag("skip.messages.without.change")
        hasContextHeaders = values.flag("extended.headers.enabled")
        hasSchemaChanges = values.flag("include.schema.changes")
        hasComments = values.flag("include.schema.comments")
        hasQuery = values.flag("include.query")
        signalTable = values.list("signal.data.collection").first.flatMap { $0.isEmpty ? nil : $0 }
        chunkRowCount = Int(values.integer("incremental.snapshot.chunk.size") ?? 1024)
        deletesWatermarks =
            values.text("incremental.snapshot.watermarking.strategy")?.lowercased() == "insert_delete"
        inconsistentSchemas = Self.failures(values.text("inconsistent.schema.handling.mode"))
        skipsUnparseable = values.flag("schema.history.internal.skip.unparseable.ddl")
        storesCapturedTablesOnly = values.flag("schema.history.internal.store.only.captured.tables.ddl")
        storesCapturedDatabasesOnly = values.flag("schema.history.internal.store.only.captured.databases.ddl")
        retryCountMax = Int(values.integer("errors.max.retries") ?? -1)
        retryWait = .milliseconds(values.integer("retriable.restart.connector.wait.ms") ?? 10_000)
        reconnects = values.flag("connect.keep.alive")
        silenceSeconds = max(1, Int(values.integer("connect.keep.alive.interval.ms") ?? 60_000) / 1000)
        snapshotDelay = .milliseconds(values.integer("snapshot.delay.ms") ?? 0)
        streamingDelay = .milliseconds(values.integer("streaming.delay.ms") ?? 0)
        tableCountMax = Int(values.integer("guardrail.collections.max") ?? 0)
        failsBeyondTableCount = values.text("guardrail.collections.limit.action")?.lowercased() == "fail"
        schemaNames = Self.names(values.text("schema.name.adjustment.mode"))
        let sanitizes = properties["sanitize.field.names"]?.lowercased() == "true"
        fieldNames = sanitizes ? .avro : Self.names(properties["field.name.adjustment.mode"])
        ignoresGTIDs = values.flag("gtid.ignore.on.recovery")
        filtersChangesByGTID = values.flag("gtid.source.filter.dml.events")
        queryTimeoutSeconds = Int(values.integer("database.query.timeout.ms") ?? 600_000) / 1000
        checksLogPosition = values.flag("internal.log.position.check.enable")
        netReadTimeout = Int(values.integer("binlog.net.read.timeout") ?? 0)
        netWriteTimeout = Int(values.integer("binlog.net.write.timeout") ?? 0)
        snapshotOrder = values.text("snapshot.tables.order.by.row.count")?.lowercased() ?? "disabled"
    }

    private static func names(_ text: String?) -> Names {
        switch text?.lowercased() {
        case "avro": .avro
        case "avro_unicode": .avroUnicode
        default: .none
        }
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
        if let statements = values.text("database.initial.statements") {
            address.initialStatements = statements.replacing(";;", with: "\u{1}").split(separator: ";")
                .map { $0.replacing("\u{1}", with: ";").trimmingSpaces }.filter { !$0.isEmpty }
        }
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
        return switch CDCOptions.oldSnapshotModes[text] ?? text {
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

    /// Names of topics have letters, digits, dots, dashes and underscores.
    static func topic(_ name: String) -> String {
        var text: [UInt8] = []
        for unit in name.utf16 {
            switch unit {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: text.append(UInt8(unit))
            default: text.append(0x5F)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    func topic(of table: TableID) -> String {
        Self.topic([prefix, table.database, table.table].joined(separator: delimiter))
    }

    /// The name of a schema as Avro takes it, where that is wanted.
    func schemaName(_ name: String) -> String { Self.adjusted(name, schemaNames, keepsDots: true) }

    func fieldName(_ name: String) -> String { Self.adjusted(name, fieldNames, keepsDots: false) }

    static func adjusted(_ name: String, _ mode: Names, keepsDots: Bool) -> String {
        guard mode != .none else { return name }
        var text: [UInt8] = []
        var isFirst = true
        for unit in name.utf16 {
            let isLetter =
                switch unit {
                case 0x41...0x5A, 0x61...0x7A: true
                case 0x5F: mode == .avro
                default: false
                }
            let isDigit = 0x30...0x39 ~= unit
            if isLetter || (isDigit && !isFirst) || (keepsDots && unit == 0x2E) {
                text.append(UInt8(unit))
            } else if mode == .avroUnicode {
                let digits = Array(String(unit, radix: 16).utf8)
                text += "_u".utf8
                for _ in 0..<(4 - digits.count) { text.append(0x30) }
                text += digits
            } else {
                text.append(0x5F)
                if isDigit { text.append(UInt8(unit)) }
            }
            isFirst = keepsDots && unit == 0x2E
        }
        return String(decoding: text, as: UTF8.self)
    }
}
