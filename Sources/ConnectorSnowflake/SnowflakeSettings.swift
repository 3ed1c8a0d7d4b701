import ConnectCore
import HTTPCalls

/// The options, read.
struct SnowflakeSettings: Sendable {
    /// Which fields RECORD_METADATA has.
    struct Metadata: Sendable {
        var isKept: Bool
        var hasTime: Bool
        var hasTopic: Bool
        var hasOffset: Bool
        var hasPushTime: Bool
        /// Values of headers are texts, whatever they were.
        var flattensHeaders: Bool
    }

    let url: AccountURL
    let user: String
    let key: AccountKey
    let role: Identifier?
    let warehouse: Identifier?
    let names: TableNames
    let isSchematized: Bool
    let ignoresNulls: Bool
    let metadata: Metadata
    let flushCount: Int
    let flushByteCount: Int
    let flushTime: Duration
    var caller = HTTPCaller.Settings()
    /// Of attempts to store what was gathered; they do not end.
    var schedule = RetrySchedule(first: .seconds(1))
    /// How many bytes of JSON one statement brings. Snowflake takes 16 MB as one value.
    var statementByteCountMax = 8_000_000
    /// How many bytes all buffers of a task hold.
    var bufferedByteCountMax = 128 << 20

    init(_ properties: [String: String]) throws(ConnectError) {
        let values = try Self.definition.parse(properties)
        func needed(_ name: String) throws(ConnectError) -> String {
            guard let text = values.text(name)?.trimmed, !text.isEmpty else {
                throw .config(name, nil, "\(name) must be provided")
            }
            return text
        }
        url = try AccountURL(needed("snowflake.url.name"), option: "snowflake.url.name")
        user = try needed("snowflake.user.name")
        let database = Identifier(try needed("snowflake.database.name"))
        let schema = Identifier(try needed("snowflake.schema.name"))
        let authenticator = values.text("snowflake.authenticator") ?? "snowflake_jwt"
        guard authenticator.lowercased() == "snowflake_jwt" else {
            throw .config(
                "snowflake.authenticator", authenticator,
                "only snowflake_jwt is there: log in with a key pair, by snowflake.private.key")
        }
        key = try AccountKey(
            needed("snowflake.private.key"), passphrase: values.text("snowflake.private.key.passphrase"),
            account: url.account, user: user)
        role = values.text("snowflake.role.name").map { Identifier($0.trimmed) }
        warehouse = values.text("snowflake.warehouse.name").map { Identifier($0.trimmed) }
        names = try TableNames(
            database: database, schema: schema, map: values.text("snowflake.topic2table.map") ?? "")

        let method = values.text("snowflake.ingestion.method")?.uppercased() ?? "SNOWPIPE"
        let isStreaming = method == "SNOWPIPE_STREAMING"
        isSchematized = values.flag("snowflake.enable.schematization")
        if isStreaming, role == nil {
            throw .config(
                "snowflake.role.name", nil,
                "Config: snowflake.role.name should be present for Snowpipe Streaming")
        }
        if isSchematized, !isStreaming {
            throw .config(
                "snowflake.enable.schematization", "true",
                "Schematization is only available with SNOWPIPE_STREAMING: set snowflake.ingestion.method to it")
        }
        if isSchematized, let converter = properties["value.converter"],
            converter.contains("StringConverter") || converter.contains("ByteArrayConverter")
        {
            throw .config(
                "value.converter", converter, "The value converter:\(converter) is not supported with schematization.")
        }
        if isStreaming, values.originals["delivery.guarantee"]?.lowercased() == "at_least_once" {
            throw .config(
                "delivery.guarantee", "at_least_once",
                "Config:delivery.guarantee should be:exactly_once if ingestion method is:SNOWPIPE_STREAMING")
        }
        if values.flag("snowflake.streaming.iceberg.enabled") {
            throw .config(
                "snowflake.streaming.iceberg.enabled", "true",
                "Iceberg tables are not written; leave it out for Snowflake's own tables")
        }
        ignoresNulls = values.text("behavior.on.null.values")?.lowercased() == "ignore"
        metadata = Metadata(
            isKept: values.flag("snowflake.metadata.all"), hasTime: values.flag("snowflake.metadata.createtime"),
            hasTopic: values.flag("snowflake.metadata.topic"),
            hasOffset: values.flag("snowflake.metadata.offset.and.partition"),
            hasPushTime: isStreaming && values.flag("snowflake.streaming.metadata.connectorPushTime"),
            flattensHeaders: isStreaming)

        let seconds = values.integer("buffer.flush.time") ?? (isStreaming ? 10 : 120)
        let least: Int64 = isStreaming ? 1 : 10
        guard seconds >= least else {
            throw .config("buffer.flush.time", String(seconds), "Value must be at least \(least)")
        }
        flushTime = .seconds(min(seconds, 86_400))
        flushCount = Int(clamping: values.integer("buffer.count.records") ?? 10_000)
        flushByteCount = Int(
            clamping: values.integer("buffer.size.bytes") ?? (isStreaming ? 20_000_000 : 5_000_000))

        // The server answers within a minute, if only to say that a statement takes longer.
        caller.timeout = .seconds(180)
        caller.connectionCountMax = 1
        if values.text("jvm.proxy.host") != nil || values.text("jvm.proxy.port") != nil {
            caller.proxy = try Self.proxy(values, host: url.host)
        }
    }

    private static func proxy(_ values: ConfigValues, host target: String) throws(ConnectError) -> HTTPCaller.Proxy? {
        guard let host = values.text("jvm.proxy.host"), let port = values.text("jvm.proxy.port") else {
            throw .config(
                values.text("jvm.proxy.host") == nil ? "jvm.proxy.host" : "jvm.proxy.port", nil,
                "jvm.proxy.host and jvm.proxy.port must be provided together")
        }
        guard let number = Int(port), 1...65_535 ~= number else {
            throw .config("jvm.proxy.port", port, "must be the number of a port")
        }
        let user = values.text("jvm.proxy.username")
        let password = values.text("jvm.proxy.password")
        guard (user == nil) == (password == nil) else {
            throw .config(
                user == nil ? "jvm.proxy.username" : "jvm.proxy.password", nil,
                "jvm.proxy.username and jvm.proxy.password must be provided together")
        }
        for pattern in (values.text("jvm.nonProxy.hosts") ?? "").split(separator: "|") {
            let pattern = String(pattern).trimmed.lowercased()
            let isMatch =
                pattern.hasPrefix("*")
                ? target.hasSuffix(pattern.dropFirst())
                : pattern.hasSuffix("*") ? target.hasPrefix(pattern.dropLast()) : target == pattern
            if isMatch { return nil }
        }
        return HTTPCaller.Proxy(host: host, port: number, user: user, password: password)
    }
}
