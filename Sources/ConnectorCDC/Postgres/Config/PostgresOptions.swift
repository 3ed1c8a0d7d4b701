internal import ConnectCore

/// The options of the PostgreSQL connector: Debezium's names, groups and defaults.
enum PostgresOptions {
    /// Names that earlier versions had, with today's.
    private static let oldNames: [String: String] = [
        "database.server.name": "topic.prefix", "table.whitelist": "table.include.list",
        "table.blacklist": "table.exclude.list", "schema.whitelist": "schema.include.list",
        "schema.blacklist": "schema.exclude.list", "column.whitelist": "column.include.list",
        "column.blacklist": "column.exclude.list", "heartbeat.topics.prefix": "topic.heartbeat.prefix",
        "transaction.topic": "topic.transaction", "toasted.value.placeholder": "unavailable.value.placeholder",
    ]

    /// A configuration in today's names. Where both stand, today's counts.
    static func modern(_ properties: [String: String]) -> [String: String] {
        var modern = properties
        for (name, value) in properties {
            if let new = oldNames[name], modern[new] == nil { modern[new] = value }
        }
        if modern["lsn.flush.mode"] == nil, properties["flush.lsn.source"]?.lowercased() == "false" {
            modern["lsn.flush.mode"] = "manual"
        }
        return modern
    }

    static let snapshotModes = ["always", "initial", "initial_only", "no_data", "when_needed"]

    /// Of the shared lists, those that only MySQL and MariaDB have, and those that are different here.
    private static let others: Set<String> = [
        "connect.timeout.ms", "connect.keep.alive", "connect.keep.alive.interval.ms", "use.nongraceful.disconnect",
        "binlog.net.write.timeout", "binlog.net.read.timeout", "bigint.unsigned.handling.mode", "enable.time.adjuster",
        "min.row.count.to.stream.results", "incremental.snapshot.allow.schema.changes", "ddl.parser.type",
        "include.schema.changes", "include.query", "database.include.list", "database.exclude.list",
        "binlog.buffer.size", "event.deserialization.failure.handling.mode", "inconsistent.schema.handling.mode",
        "gtid.source.filter.dml.events", "gtid.ignore.on.recovery", "gtid.source.includes", "gtid.source.excludes",
        "snapshot.mode.configuration.based.snapshot.data", "snapshot.mode.configuration.based.snapshot.schema",
        "snapshot.mode.configuration.based.start.stream", "snapshot.mode.configuration.based.snapshot.on.schema.error",
        "snapshot.mode.configuration.based.snapshot.on.data.error",
        // Defined below, in their places.
        "skipped.operations", "snapshot.mode", "snapshot.locking.mode", "time.precision.mode",
    ]

    static func definition() -> ConfigDef {
        var definition = ConfigDef()
        var group = "Postgres"
        var order = 0
        func define(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigItem?, _ importance: ConfigDef.Importance,
            _ width: ConfigDef.Width, _ title: String, _ documentation: String, _ validator: ConfigValidator? = nil
        ) {
            order += 1
            definition.define(
                name, kind, value.map { .value($0) } ?? .null, validator, importance, documentation, group: group,
                order: order, width: width, displayName: title)
        }
        let shared: SharedOptions.Define = {
            (name, kind, value, importance, width, title, documentation, validator) in
            guard !others.contains(name) else { return }
            define(name, kind, value, importance, width, title, documentation, validator)
        }
        connection(define)
        log(define)
        group = "Connector"
        order = 0
        SharedOptions.connector(shared)
        values(define)
        group = "Events"
        order = 0
        SharedOptions.events(shared, sourceInfo: "postgresql.PostgresSourceInfoStructMaker", hasConverters: false)
        define(
            "schema.include.list", .list, nil, .high, .long, "Include Schemas", "Expressions for schemas to capture.",
            .patterns)
        define(
            "schema.exclude.list", .list, nil, .medium, .long, "Exclude Schemas",
            "Expressions for schemas to leave out.", .patterns)
        define(
            "include.unknown.datatypes", .boolean, .boolean(false), .medium, .short, "Include unknown datatypes",
            "Whether columns of types that are not known are bytes; otherwise they are left out.", nil)
        hidden(&definition)
        return definition
    }

    private static func connection(_ define: SharedOptions.Define) {
        define(
            "topic.prefix", .string, nil, .high, .medium, "Topic prefix",
            "The beginning of all topics' names, and the name of the source in offsets.", .topicPrefix)
        define("database.hostname", .string, nil, .high, .medium, "Hostname", "Address of the server.", .required)
        define("database.port", .int, .integer(5432), .high, .short, "Port", "Port of the server.", .port)
        define("database.user", .string, nil, .high, .short, "User", "User of the connection.", .required)
        define("database.password", .password, nil, .high, .short, "Password", "Password of the user.", nil)
        define("database.dbname", .string, nil, .high, .medium, "Database", "The database to capture.", .required)
        define(
            "database.query.timeout.ms", .int, .integer(600_000), .low, .none, "Query timeout",
            "How long a statement may take, in milliseconds; 0 without a limit.", nil)
        define(
            "database.initial.statements", .string, nil, .low, .long, "Initial statements",
            "Statements, separated by `;`, that every connection begins with; `;;` is a semicolon.", nil)
        define(
            "database.sslmode", .string, .string("prefer"), .medium, .medium, "SSL mode",
            "Whether the connection is encrypted and whom it trusts.",
            .choice(["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]))
        define(
            "database.sslcert", .string, nil, .medium, .long, "SSL Client Certificate",
            "PEM file of the client's certificate.", nil)
        define(
            "database.sslpassword", .password, nil, .medium, .medium, "SSL Client Key Password",
            "Password of the client's key.", nil)
        define(
            "database.sslrootcert", .string, nil, .medium, .long, "SSL Root Certificate", "PEM file of authorities.",
            nil)
        define("database.sslkey", .string, nil, .medium, .long, "SSL Client Key", "PEM file of the client's key.", nil)
        define(
            "database.sslfactory", .string, nil, .medium, .long, "SSL Root Certificate",
            "Taken for the original's sake; there is no JDBC here.", nil)
        define(
            "database.tcpKeepAlive", .boolean, .boolean(true), .medium, .short, "TCP keep-alive probe",
            "Whether silent connections are probed.", nil)
    }

    private static func log(_ define: SharedOptions.Define) {
        define(
            "plugin.name", .string, .string("pgoutput"), .medium, .medium, "Plugin",
            "What decodes the log in the server: pgoutput, which every server has since version 10.", .decoder)
        define(
            "slot.name", .string, .string("debezium"), .medium, .medium, "Slot",
            "The replication slot, made where there is none: each connector needs one of its own.", .slotName)
        define(
            "slot.drop.on.stop", .boolean, .boolean(false), .medium, .none, "Drop slot on stop",
            "Whether the slot goes when the task stops, and with it the changes until the next start.", nil)
        define(
            "slot.failover", .boolean, .boolean(false), .medium, .none, "Create failover slot",
            "Whether a new slot is carried over to standby servers, from version 17 on.", nil)
        define(
            "slot.stream.params", .string, nil, .low, .long,
            "Optional parameters to pass to the logical decoder when the stream is started.",
            "More parameters for the decoder: name=value;name=value.", .decoderParameters)
        define(
            "slot.max.retries", .int, .integer(6), .low, .none, "Retry count",
            "How often a slot that is in use is tried again.", .notNegative)
        define(
            "slot.retry.delay.ms", .long, .integer(10_000), .low, .none, "Retry delay",
            "How long to wait in between, in milliseconds.", .notNegative)
        define(
            "publication.name", .string, .string("dbz_publication"), .medium, .medium, "Publication",
            "The publication that names the tables in the server.", .required)
        define(
            "publication.autocreate.mode", .string, .string("all_tables"), .medium, .medium,
            "Publication Auto Create Mode",
            "What a publication that is missing is made for: all_tables, filtered, no_tables; disabled for never.",
            .choice(["all_tables", "disabled", "filtered", "no_tables"]))
        define(
            "publish.via.partition.root", .boolean, .boolean(false), .medium, .short, "Publish via partition root",
            "Whether a new publication names partitioned tables in the place of their partitions.", nil)
        define(
            "replica.identity.autoset.values", .string, nil, .medium, .long, "Replica Identity Auto Set Values",
            "Replica identities to give to tables: schema.table:FULL,schema.table:INDEX name", .identities)
        define(
            "status.update.interval.ms", .int, .integer(10_000), .medium, .short, "Status update interval (ms)",
            "How often the server hears how far events are stored, in milliseconds.", .positive)
        define(
            "xmin.fetch.interval.ms", .long, .integer(0), .medium, .short, "Xmin fetch interval (ms)",
            "How often the slot's xmin is asked for, in milliseconds; 0 for never.", .notNegative)
        define(
            "lsn.flush.mode", .string, .string("connector"), .low, .short, "LSN flush mode",
            "What the server hears of: connector, what is stored; connector_and_driver, also that there was nothing for "
                + "the connector; manual, nothing: the slot is moved by others.",
            .choice(["connector", "connector_and_driver", "manual"]))
        define(
            "flush.lsn.source", .boolean, .boolean(true), .low, .short,
            "Boolean to determine if Debezium should flush LSN in the source database",
            "false: lsn.flush.mode=manual.", nil)
        define(
            "lsn.flush.timeout.ms", .long, .integer(30_000), .medium, .short, "LSN flush timeout (ms)",
            "Not used: nothing waits for the server there.", nil)
        define(
            "lsn.flush.timeout.action", .string, .string("fail"), .medium, .medium, "LSN flush timeout action",
            "Not used.", .choice(["fail", "warn", "ignore"]))
        define(
            "skipped.operations", .list, .list(["t"]), .low, .short, "Skipped Operations",
            "Operations that become no events: c, u, d, t; none for all.", .operations)
    }

    private static func values(_ define: SharedOptions.Define) {
        define(
            "snapshot.mode", .string, .string("initial"), .medium, .short, "Snapshot mode",
            "What is read before the log.", .choice(snapshotModes, also: ["never", "schema_only"]))
        define(
            "snapshot.isolation.mode", .string, .string("serializable"), .low, .short, "Snapshot isolation mode",
            "serializable and repeatable_read show the state of one moment; read_committed and read_uncommitted may not.",
            .choice(["serializable", "repeatable_read", "read_committed", "read_uncommitted"]))
        define(
            "snapshot.locking.mode", .string, .string("none"), .low, .short, "Snapshot locking mode",
            "Whether a snapshot keeps definitions from changing: none or shared.", .choice(["none", "shared"]))
        define(
            "snapshot.locking.mode.custom.name", .string, nil, .medium, .medium, "Snapshot Locking Mode Custom Name",
            "Not available.", nil)
        define(
            "time.precision.mode", .string, .string("adaptive"), .medium, .short, "Time Precision",
            "How dates and times are written.", .choice(PostgresModes.Times.allCases.map(\.rawValue)))
        define(
            "hstore.handling.mode", .string, .string("json"), .low, .medium, "HStore Handling",
            "hstore as json or map.", .choice(PostgresModes.HStores.allCases.map(\.rawValue)))
        define(
            "binary.handling.mode", .string, .string("bytes"), .low, .medium, "Binary Handling",
            "bytea as bytes, base64, base64-url-safe or hex.", .choice(HandlingModes.Bytes.allCases.map(\.rawValue)))
        define(
            "interval.handling.mode", .string, .string("numeric"), .low, .medium, "Interval Handling",
            "interval as microseconds, with months of 30.4375 days (numeric), or as ISO 8601 text (string).",
            .choice(PostgresModes.Intervals.allCases.map(\.rawValue)))
        define(
            "schema.refresh.mode", .string, .string("columns_diff"), .medium, .short, "Schema refresh mode",
            "Not used: the log tells what tables are like.",
            .choice(["columns_diff", "columns_diff_exclude_unchanged_toast"]))
        define(
            "unavailable.value.placeholder", .string, .string("__debezium_unavailable_value"), .medium, .medium,
            "Unavailable value placeholder", "Stands for a long value that an update left as it was.", nil)
        define(
            "message.prefix.include.list", .list, nil, .medium, .long, "Include Logical Decoding Message Prefixes",
            "Expressions for prefixes of messages to capture.", .patterns)
        define(
            "message.prefix.exclude.list", .list, nil, .medium, .long, "Exclude Logical Decoding Message Prefixes",
            "Expressions for prefixes of messages to leave out.", .patterns)
    }

    /// Taken, but not shown: names of earlier versions, and options with parts of their own.
    private static func hidden(_ definition: inout ConfigDef) {
        let names =
            oldNames.keys.filter { definition[$0] == nil }.sorted() + [
                "topic.heartbeat.prefix", "topic.transaction", "topic.delimiter", "topic.cache.size",
                "sanitize.field.names", "field.name.adjustment.mode", "event.converting.failure.handling.mode",
                "signal.kafka.topic", "signal.kafka.bootstrap.servers", "snapshot.custom.class", "read.only",
            ]
        for name in names { definition.define(name, .string, .null, nil, .low, "", isInternal: true) }
        definition.define(
            "money.fraction.digits", .int, .value(.integer(2)), .between(0, 18), .medium,
            "How many digits of money are behind the point: what the server's lc_monetary says.", group: "Connector",
            isInternal: true)
        definition.define(
            "skip.messages.without.change", .boolean, .value(.boolean(false)), nil, .low,
            "Whether updates that change no column that events have are left out.", isInternal: true)
    }
}

extension ConfigValidator {
    static let decoder = ConfigValidator { (name, value) throws(ConnectError) in
        guard let text = value.text?.lowercased(), text != "pgoutput" else { return }
        throw invalid(
            name,
            "the plugin '\(text)' is not available; there is pgoutput, which needs nothing installed in the server")
    }

    /// What would make the decoder speak in another way than it is listened to.
    static let decoderParameters = ConfigValidator { (name, value) throws(ConnectError) in
        let taken: Set<String> = ["proto_version", "publication_names", "messages", "binary", "streaming", "two_phase"]
        for pair in (value.text ?? "").split(separator: ";") {
            guard let sign = pair.firstIndex(of: "=") else {
                throw invalid(name, "\(pair) has an invalid format (expecting '<name>=<value>')")
            }
            let parameter = pair[..<sign].trimmingSpaces
            guard !taken.contains(parameter.lowercased()) else {
                throw invalid(
                    name, "the parameter '\(parameter)' is the connector's own; others, as origin, may be given")
            }
        }
    }

    static let slotName = ConfigValidator { (name, value) throws(ConnectError) in
        guard let text = value.text, !text.isEmpty else { throw invalid(name, "A value is required") }
        let isPlain = text.utf8.allSatisfy {
            switch $0 {
            case 0x30...0x39, 0x61...0x7A, 0x5F: true
            default: false
            }
        }
        guard isPlain, text.utf8.count <= 63 else {
            throw invalid(
                name,
                "Valid replication slot name must contain only digits, lowercase characters and underscores with "
                    + "length <= 63")
        }
    }

    static let identities = ConfigValidator { (name, value) throws(ConnectError) in
        do throws(ConnectError) { _ = try ReplicaIdentities(value.text ?? "") } catch {
            throw invalid(name, error.message)
        }
    }
}
