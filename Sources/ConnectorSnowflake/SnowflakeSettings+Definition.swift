import ConnectCore

extension SnowflakeSettings {
    /// The options of versions 1 to 3 of Snowflake's connector (`SnowflakeSinkConnectorConfig`, `ConnectorConfigDefinition`),
    /// and the warehouse, which statements need.
    static let definition: ConfigDef = {
        var definition = ConfigDef()
        var group = "Snowflake Login Info"
        func add(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ importance: ConfigDef.Importance,
            _ text: String, _ validator: ConfigValidator? = nil
        ) { definition.define(name, kind, value, validator, importance, text, group: group) }
        func text(_ value: String) -> ConfigDef.Default { .value(.string(value)) }
        let yes = ConfigDef.Default.value(.boolean(true))
        let no = ConfigDef.Default.value(.boolean(false))
        add(
            "snowflake.url.name", .string, .required, .high,
            "The account's address: account.region.snowflakecomputing.com, with or without https:// and :443.",
            .notEmpty)
        add("snowflake.user.name", .string, .required, .high, "The user's name.", .notEmpty)
        add(
            "snowflake.private.key", .password, .required, .high,
            "The user's private key: PEM (PKCS#8), with or without its first and last line.")
        add(
            "snowflake.private.key.passphrase", .password, text(""), .low,
            "The passphrase, where the key is encrypted.")
        add("snowflake.database.name", .string, .required, .high, "The database of the tables.", .notEmpty)
        add("snowflake.schema.name", .string, .required, .high, "The schema of the tables.", .notEmpty)
        add(
            "snowflake.role.name", .string, .null, .high,
            "The role; needed with SNOWPIPE_STREAMING, else the user's own.")
        add(
            "snowflake.warehouse.name", .string, .null, .high,
            "The warehouse that carries out the statements; without it the user's own. Snowflake's connector has none, see "
                + "the notes.")
        add("snowflake.authenticator", .string, text("snowflake_jwt"), .low, "snowflake_jwt: by key pair.")
        group = "Proxy Info"
        add("jvm.proxy.host", .string, text(""), .low, "The host of a proxy.")
        add("jvm.proxy.port", .string, text(""), .low, "Its port.")
        add(
            "jvm.nonProxy.hosts", .string, text(""), .low,
            "Hosts that are reached without it, with | between them; * at the beginning or end stands for anything.")
        add("jvm.proxy.username", .string, text(""), .low, "The name for it.")
        add("jvm.proxy.password", .password, text(""), .low, "The password for it.")
        group = "Connector Config"
        add(
            "snowflake.topic2table.map", .string, text(""), .low,
            "Tables with names of their own: topic:table,topic:table. Topics may be regular expressions. Others go to the "
                + "table of their name.")
        add(
            "buffer.count.records", .long, .value(.integer(10_000)), .low,
            "How many records of a partition are gathered at most.", .atLeast(1))
        add(
            "buffer.size.bytes", .long, .null, .low,
            "How many bytes of them. Without it 5000000, and 20000000 with SNOWPIPE_STREAMING.", atLeastOrNone(1))
        add(
            "buffer.flush.time", .long, .null, .low,
            "How long, in seconds: at least 10, and at least 1 with SNOWPIPE_STREAMING. Without it 120, and 10 with "
                + "SNOWPIPE_STREAMING.", atLeastOrNone(1))
        add(
            "behavior.on.null.values", .string, text("default"), .low,
            "What a record without a value becomes: default (a row with an empty object) or ignore (none).",
            .oneOf(["default", "ignore"], ignoresCase: true))
        add(
            "snowflake.ingestion.method", .string, text("SNOWPIPE"), .low,
            "SNOWPIPE or SNOWPIPE_STREAMING. Both store by statements; it says which defaults and checks count.",
            .oneOf(["SNOWPIPE", "SNOWPIPE_STREAMING"], ignoresCase: true))
        add(
            "snowflake.enable.schematization", .boolean, no, .low,
            "Whether fields have columns of their own, which are added when they come; needs SNOWPIPE_STREAMING.")
        add(
            "delivery.guarantee", .string, .null, .low, "Taken; rows are stored exactly once.",
            .oneOf(["at_least_once", "exactly_once"], ignoresCase: true).orNone)
        add(
            "provider", .string, text("unknown"), .low, "Taken; it says where Kafka is.",
            .oneOf(["unknown", "self_hosted", "confluent"], ignoresCase: true))
        add("jmx", .boolean, yes, .high, "Taken; there are no MBeans.")
        add("enable.mdc.logging", .boolean, no, .low, "Taken; lines of the log name their task.")
        add("snowflake.streaming.file.version", .string, text(""), .low, "Taken; there are no files.")
        add("enable.streaming.client.optimization", .boolean, yes, .low, "Taken.")
        add("enable.streaming.channel.offset.migration", .boolean, yes, .low, "Taken.")
        add(
            "enable.task.fail.on.authorization.errors", .boolean, no, .low,
            "Taken; a task whose login is refused fails, always.")
        add("snowflake.streaming.enable.single.buffer", .boolean, yes, .low, "Taken; there is one buffer.")
        add("snowflake.streaming.max.client.lag", .long, .null, .low, "Taken; buffer.flush.time counts.")
        add("snowflake.streaming.iceberg.enabled", .boolean, no, .low, "false: Iceberg tables are not written.")
        group = "Snowflake Metadata Flags"
        add("snowflake.metadata.all", .boolean, yes, .low, "Whether rows have RECORD_METADATA.")
        add("snowflake.metadata.createtime", .boolean, yes, .low, "Whether the record's time is in it.")
        add("snowflake.metadata.topic", .boolean, yes, .low, "Whether the topic is in it.")
        add("snowflake.metadata.offset.and.partition", .boolean, yes, .low, "Whether offset and partition are in it.")
        add(
            "snowflake.streaming.metadata.connectorPushTime", .boolean, yes, .low,
            "Whether the time at which the row was made is in it, with SNOWPIPE_STREAMING.")
        return definition
    }()

    private static func atLeastOrNone(_ minimum: Int64) -> ConfigValidator { ConfigValidator.atLeast(minimum).orNone }
}

extension ConfigValidator {
    /// Of options that may be left out.
    fileprivate var orNone: ConfigValidator {
        ConfigValidator { (name, value) throws(ConnectError) in
            if case .null = value { return }
            try check(name, value)
        }
    }
}
