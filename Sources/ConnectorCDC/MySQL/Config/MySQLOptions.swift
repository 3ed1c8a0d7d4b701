internal import ConnectCore

/// The options of the MySQL and MariaDB connectors: Debezium's names, groups and defaults.
enum MySQLOptions {
    private typealias Kind = ConfigDef.Kind

    /// Names that earlier versions had, with today's.
    static let oldNames: [String: String] = [
        "database.server.name": "topic.prefix", "table.whitelist": "table.include.list",
        "table.blacklist": "table.exclude.list", "database.whitelist": "database.include.list",
        "database.blacklist": "database.exclude.list", "column.whitelist": "column.include.list",
        "column.blacklist": "column.exclude.list", "database.history": "schema.history.internal",
        "heartbeat.topics.prefix": "topic.heartbeat.prefix", "snapshot.new.tables": "snapshot.new.tables",
        "snapshot.minimal.locks": "snapshot.minimal.locks", "gtid.new.channel.position": "gtid.new.channel.position",
        "transaction.topic": "topic.transaction",
    ]

    /// A configuration in today's names. Where both stand, today's counts.
    static func modern(_ properties: [String: String]) -> [String: String] {
        var modern = properties
        for (name, value) in properties {
            var new = oldNames[name]
            if new == nil, name.hasPrefix("database.history.") {
                new = "schema.history.internal." + name.dropFirst("database.history.".count)
            }
            if let new, new != name, modern[new] == nil { modern[new] = value }
        }
        if modern["snapshot.locking.mode"] == nil, let minimal = properties["snapshot.minimal.locks"] {
            modern["snapshot.locking.mode"] = minimal == "false" ? "extended" : "minimal"
        }
        return modern
    }

    static let snapshotModes = [
        "always", "initial_only", "configuration_based", "when_needed", "initial", "custom", "no_data", "recovery",
    ]
    /// Names of 1.x and 2.x that mean one of today's.
    static let oldSnapshotModes = [
        "schema_only": "no_data", "schema_only_recovery": "recovery", "never": "never",
    ]
    static let lockingModes = [
        "minimal", "minimal_percona", "minimal_percona_no_table_locks", "extended", "none", "custom",
    ]

    static func definition(_ flavor: Flavor) -> ConfigDef {
        var definition = ConfigDef()
        var group = ""
        var order = 0
        func section(_ name: String) {
            group = name
            order = 0
        }
        func define(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigItem?, _ importance: ConfigDef.Importance,
            _ width: ConfigDef.Width, _ title: String, _ documentation: String, _ validator: ConfigValidator? = nil
        ) {
            order += 1
            definition.define(
                name, kind, value.map { .value($0) } ?? .null, validator, importance, documentation, group: group,
                order: order, width: width, displayName: title)
        }
        section(flavor.title)
        define(
            "topic.prefix", .string, nil, .high, .medium, "Topic prefix",
            "The beginning of all topics' names, and the name of the source in offsets.", .topicPrefix)
        define("database.hostname", .string, nil, .high, .medium, "Hostname", "Address of the server.", .required)
        define("database.port", .int, .integer(3306), .high, .short, "Port", "Port of the server.", .port)
        define("database.user", .string, nil, .high, .short, "User", "User of the connection.", .required)
        define("database.password", .password, nil, .high, .short, "Password", "Password of the user.")
        define(
            "database.query.timeout.ms", .int, .integer(600_000), .low, .none, "Query timeout",
            "How long a statement may take, in milliseconds; 0 without a limit.")
        define(
            "database.initial.statements", .string, nil, .low, .long, "Initial statements",
            "Statements, separated by `;`, that every connection begins with; `;;` is a semicolon.")
        define(
            "database.server.id", .long, nil, .high, .long, "Cluster ID",
            "The number under which the connector reads the log: none that a replica has.", .serverID)
        define(
            "database.server.id.offset", .long, .integer(10_000), .high, .long, "Cluster ID offset",
            "Not used: a connector reads the log by one connection.")
        define(
            "database.ssl.keystore", .string, nil, .medium, .long, "SSL Keystore", "PEM file of certificate and key.")
        define(
            "database.ssl.keystore.password", .password, nil, .medium, .medium, "SSL Keystore Password",
            "Not used: keys are PEM files.")
        define("database.ssl.truststore", .string, nil, .medium, .long, "SSL Truststore", "PEM file of authorities.")
        define(
            "database.ssl.truststore.password", .password, nil, .medium, .medium, "SSL Truststore Password",
            "Not used: authorities are PEM files.")
        define(
            "database.jdbc.driver", .className, .string(flavor.driver), .low, .medium, "JDBC Driver Class Name",
            "Taken for the original's sake; there is no JDBC here.")
        define(
            "database.protocol", .string, .string(flavor.jdbcProtocol), .low, .medium, "JDBC Protocol",
            "Taken for the original's sake; there is no JDBC here.")
        define(
            "database.ssl.mode", .string, .string(flavor == .mysql ? "preferred" : "disable"), .medium, .medium,
            "SSL mode", "Whether the connection is encrypted and whom it trusts.",
            .choice([
                "disabled", "disable", "preferred", "required", "trust", "verify_ca", "verify-ca", "verify_identity",
                "verify-full",
            ]))
        section("Connector")
        SharedOptions.connector(define)
        section("History Storage")
        define(
            "schema.history.internal", .className, .string(SchemaHistoryKind.kafka.rawValue), .low, .long,
            "Database schema history class", "Where definitions of tables are kept: a topic, a file or memory.")
        for (name, title, documentation) in [
            (
                "skip.unparseable.ddl", "Skip DDL statements that cannot be parsed",
                "Whether statements that cannot be followed are passed over."
            ),
            (
                "store.only.captured.tables.ddl",
                "Store only DDL that modifies tables that are captured based on include/exclude lists",
                "Whether tables that are not captured are left out."
            ),
            (
                "store.only.captured.databases.ddl",
                "Store only DDL that modifies tables of databases that are captured based on include/exclude lists",
                "Whether databases that are not captured are left out."
            ),
        ] {
            define("schema.history.internal." + name, .boolean, .boolean(false), .low, .short, title, documentation)
        }
        section("Events")
        SharedOptions.events(
            define,
            sourceInfo: "\(flavor.rawValue).\(flavor == .mysql ? "MySql" : "MariaDb")SourceInfoStructMaker",
            hasConverters: true)
        hidden(&definition)
        return definition
    }

    /// Taken, but not shown: names of earlier versions, and options with parts of their own.
    private static func hidden(_ definition: inout ConfigDef) {
        let names =
            oldNames.keys.filter { definition[$0] == nil }.sorted() + [
                "topic.heartbeat.prefix", "topic.transaction", "topic.delimiter", "topic.cache.size",
                "unavailable.value.placeholder",
                "sanitize.field.names", "field.name.adjustment.mode", "event.converting.failure.handling.mode",
                "schema.history.internal.kafka.bootstrap.servers", "schema.history.internal.kafka.topic",
                "schema.history.internal.kafka.recovery.poll.interval.ms",
                "schema.history.internal.kafka.recovery.attempts", "schema.history.internal.kafka.query.timeout.ms",
                "schema.history.internal.kafka.create.timeout.ms", "schema.history.internal.file.filename",
                "signal.kafka.topic", "signal.kafka.bootstrap.servers", "database.serverTimezone", "read.only",
            ]
        for name in names { definition.define(name, .string, .null, nil, .low, "", isInternal: true) }
        definition.define(
            "skip.messages.without.change", .boolean, .value(.boolean(false)), nil, .low,
            "Whether updates that change no column that events have are left out.", isInternal: true)
        definition.define(
            "binary.handling.mode", .string, .value(.string("bytes")),
            .choice(HandlingModes.Bytes.allCases.map(\.rawValue)), .medium,
            "Bytes as bytes, base64, base64-url-safe or hex.", isInternal: true)
    }
}

/// Which of the two servers a connector is for.
enum Flavor: String, Sendable, Hashable {
    case mysql, mariadb

    var title: String { self == .mysql ? "MySQL" : "MariaDB" }
    var driver: String { self == .mysql ? "com.mysql.cj.jdbc.Driver" : "org.mariadb.jdbc.Driver" }
    var jdbcProtocol: String { self == .mysql ? "jdbc:mysql" : "jdbc:mariadb" }
}
