internal import ConnectCore

/// The longer lists of options, in the original's order and words. Most are the same for all databases: a connector passes
/// over those that it does not have.
enum SharedOptions {
    typealias Define = (
        String, ConfigDef.Kind, ConfigItem?, ConfigDef.Importance, ConfigDef.Width, String, String, ConfigValidator?
    ) -> Void

    static func connector(_ define: Define) {
        define(
            "event.processing.failure.handling.mode", .string, .string("fail"), .medium, .short,
            "Event deserialization failure handling",
            "What becomes of events that cannot be read: fail, warn or skip.",
            .choice(["fail", "warn", "skip", "ignore"]))
        define(
            "max.batch.size", .int, .integer(2048), .medium, .short, "Change event batch size",
            "Records that one poll gives at most.", .positive)
        define(
            "max.queue.size", .int, .integer(8192), .medium, .short, "Change event buffer size",
            "Records that wait for a poll at most.", .positive)
        define(
            "poll.interval.ms", .long, .integer(500), .medium, .short, "Poll interval (ms)",
            "How long a poll waits for records, in milliseconds.", .positive)
        define(
            "max.queue.size.in.bytes", .long, .integer(0), .medium, .long, "Change event buffer size in bytes",
            "Bytes that wait for a poll at most; 0 without a limit of their own.", .notNegative)
        define(
            "provide.transaction.metadata", .boolean, .boolean(false), .low, .short,
            "Store transaction metadata information in a dedicated topic.",
            "Whether transactions have a topic of their own and events name theirs.", nil)
        define(
            "skipped.operations", .list, .list(["t"]), .low, .short, "Skipped Operations",
            "Operations that become no events: c, u, d, t; none for all.", .operations)
        define(
            "snapshot.delay.ms", .long, .integer(0), .low, .medium, "Snapshot Delay (milliseconds)",
            "How long a snapshot waits before it begins, in milliseconds.", .notNegative)
        define(
            "streaming.delay.ms", .long, .integer(0), .low, .medium, "Streaming Delay (milliseconds)",
            "How long streaming waits behind a snapshot, in milliseconds.", nil)
        define(
            "snapshot.include.collection.list", .list, nil, .medium, .long, "Snapshot mode include data collection",
            "Expressions for the tables whose rows the snapshot reads.", .patterns)
        define(
            "snapshot.fetch.size", .int, nil, .medium, .medium, "Snapshot fetch size",
            "Not used: rows of snapshots come one by one.", nil)
        define(
            "snapshot.max.threads", .int, .integer(1), .medium, .short, "Snapshot maximum threads",
            "Not used: snapshots read one table at a time.", nil)
        define(
            "snapshot.max.threads.multiplier", .int, .integer(1), .medium, .short, "Snapshot maximum thread multiplier",
            "Not used: snapshots read one table at a time.", nil)
        define(
            "legacy.snapshot.max.threads", .boolean, .boolean(false), .low, .short,
            "Enforces using a single thread per table regardless of table size",
            "Not used.", nil)
        define(
            "internal.legacy.snapshot.max.threads", .boolean, .boolean(false), .low, .short,
            "Enforces using a single thread per table regardless of table size",
            "Not used.", nil)
        define(
            "snapshot.mode.custom.name", .string, nil, .medium, .medium, "Snapshot Mode Custom Name",
            "Not used: there are no snapshotters of one's own.", nil)
        define(
            "snapshot.mode.configuration.based.snapshot.data", .boolean, .boolean(false), .medium, .medium,
            "Snapshot mode property based snapshot data",
            "Mode configuration_based: whether rows are read.", nil)
        define(
            "snapshot.mode.configuration.based.snapshot.schema", .boolean, .boolean(false), .medium, .medium,
            "Snapshot mode property based snapshot schema",
            "Mode configuration_based: whether definitions are read.", nil)
        define(
            "snapshot.mode.configuration.based.start.stream", .boolean, .boolean(false), .medium, .medium,
            "Snapshot mode property based start stream",
            "Mode configuration_based: whether the log is read afterwards.", nil)
        define(
            "snapshot.mode.configuration.based.snapshot.on.schema.error", .boolean, .boolean(false), .medium, .medium,
            "Snapshot mode property based snapshot on schema error",
            "Mode configuration_based: whether definitions are read again when the history is lost.", nil)
        define(
            "snapshot.mode.configuration.based.snapshot.on.data.error", .boolean, .boolean(false), .medium, .medium,
            "Snapshot mode property based snapshot on data error",
            "Mode configuration_based: whether rows are read again when the log is lost.", nil)
        define(
            "retriable.restart.connector.wait.ms", .long, .integer(10000), .low, .medium, "Retriable restart wait (ms)",
            "How long to wait before a new connection, in milliseconds.", nil)
        define(
            "query.fetch.size", .int, .integer(0), .medium, .medium, "Query fetch size",
            "Not used: rows come one by one.", nil)
        define(
            "errors.max.retries", .int, .integer(-1), .low, .medium, "The maximum number of retries",
            "New connections without success before the task fails; -1 for ever.", nil)
        define(
            "incremental.snapshot.watermarking.strategy", .string, .string("INSERT_INSERT"), .low, .medium,
            "Incremental snapshot watermarking strategy",
            "How windows of incremental snapshots end: INSERT_INSERT or INSERT_DELETE.",
            .choice(["insert_insert", "insert_delete"]))
        define(
            "internal.log.position.check.enable", .boolean, .boolean(true), .medium, .medium,
            "Enable/Disable log position check",
            "Whether a start looks if the log still has its place.", nil)
        define(
            "internal.advanced.metrics.enable", .boolean, .boolean(false), .medium, .medium,
            "Enable/Disable advance metrics",
            "Not used.", nil)
        define(
            "connection.validation.timeout.ms", .long, .integer(60000), .low, .short,
            "Connection validation timeout (ms)",
            "Not used: a check ends with the server's answer, or after the time that a connection may take.", nil)
        define(
            "executor.shutdown.timeout.ms", .long, .integer(4000), .medium, .medium, "Executor shutdown timeout (ms)",
            "Not used: a stop ends reads at once.", nil)
        define(
            "openlineage.integration.enabled", .boolean, .boolean(false), .low, .short,
            "Enables OpenLineage integration",
            "Not available: only false.", .off("OpenLineage is"))
        define(
            "openlineage.integration.config.file.path", .string, .string("./openlineage.yml"), .low, .long,
            "Path to OpenLineage file configuration",
            "Not available.", nil)
        define(
            "openlineage.integration.job.namespace", .string, nil, .low, .long, "Namespace used for Debezium job",
            "Not available.", nil)
        define(
            "openlineage.integration.job.description", .string, .string("Debezium change data capture job"), .low,
            .long, "Description used for Debezium job",
            "Not available.", nil)
        define(
            "openlineage.integration.job.tags", .list, nil, .low, .long, "Debezium job tags",
            "Not available.", nil)
        define(
            "openlineage.integration.job.owners", .list, nil, .low, .long, "Debezium job owners",
            "Not available.", nil)
        define(
            "openlineage.integration.dataset.kafka.bootstrap.servers", .string, nil, .low, .long,
            "Kafka bootstrap server used in Kafka Connect deployment",
            "Not available.", nil)
        define(
            "extended.headers.enabled", .boolean, .boolean(true), .low, .short, "Enable/Disable extended headers",
            "Whether records have headers with the connector's prefix, kind, task and run.", nil)
        define(
            "guardrail.collections.max", .int, .integer(0), .medium, .short, "Maximum number of collections or tables",
            "Tables that may be captured at most; 0 without a limit.", nil)
        define(
            "guardrail.collections.limit.action", .string, .string("warn"), .medium, .short,
            "Guardrail collections limit action",
            "What happens beyond it: warn or fail.", .choice(["warn", "fail"]))
        define(
            "custom.sanitize.pattern", .string,
            .string(
                ".*secret$|.*password$|.*sasl\\.jaas\\.config$|.*basic\\.auth\\.user\\.info|.*registry\\.auth\\.client-secret|.*credentials\\.json$|.*connectionstring$|.*connection\\.string$"
            ), .low, .long, "Custom pattern for masking sensitive configuration",
            "Not used: secrets are never logged.", nil)
        define(
            "statistics.metrics.enabled", .boolean, .boolean(true), .medium, .short,
            "Enable collecting statistics metrics like latencies",
            "Not used.", nil)
        define(
            "decimal.handling.mode", .string, .string("precise"), .medium, .short, "Decimal Handling",
            "DECIMAL as precise decimals, double or string.", .choice(HandlingModes.Decimals.allCases.map(\.rawValue)))
        define(
            "snapshot.lock.timeout.ms", .long, .integer(10000), .medium, .long, "Snapshot lock timeout (ms)",
            "How long to wait for locks, in milliseconds.", nil)
        define(
            "memory.management.schemas.class", .className,
            .string("io.debezium.relational.ConcurrentMapTableMappingStorage"), .low, .long, "Schema storage class",
            "Not used.", nil)
        define(
            "memory.management.tables.class", .className,
            .string("io.debezium.relational.ConcurrentMapTableMappingStorage"), .low, .long, "Table storage class",
            "Not used.", nil)
        define(
            "connect.timeout.ms", .int, .integer(30000), .medium, .short, "Connection Timeout (ms)",
            "How long a connection may take, in milliseconds.", nil)
        define(
            "connect.keep.alive", .boolean, .boolean(true), .low, .short, "Keep connection alive (true/false)",
            "Whether a connection that is lost is made anew.", nil)
        define(
            "connect.keep.alive.interval.ms", .long, .integer(60000), .low, .short, "Keep alive interval (ms)",
            "How long a server may be silent, in milliseconds.", nil)
        define(
            "use.nongraceful.disconnect", .boolean, .boolean(false), .medium, .short, "Use Non-graceful Disconnect",
            "Not used.", nil)
        define(
            "binlog.net.write.timeout", .long, .integer(0), .medium, .short, "Binlog Net Write Timeout",
            "The server's net_write_timeout for the log, in seconds; 0 keeps its own.", nil)
        define(
            "binlog.net.read.timeout", .long, .integer(0), .medium, .short, "Binlog Net Read Timeout",
            "The server's net_read_timeout for the log, in seconds; 0 keeps its own.", nil)
        define(
            "snapshot.mode", .string, .string("initial"), .low, .short, "Snapshot mode",
            "What is read before the log.",
            .choice(MySQLOptions.snapshotModes, also: Array(MySQLOptions.oldSnapshotModes.keys)))
        define(
            "snapshot.query.mode", .string, .string("select_all"), .low, .short, "Snapshot query mode",
            "select_all; others are not available.", .choice(["select_all"]))
        define(
            "snapshot.query.mode.custom.name", .string, nil, .medium, .medium, "Snapshot Query Mode Custom Name",
            "Not available.", nil)
        define(
            "bigint.unsigned.handling.mode", .string, .string("long"), .medium, .short,
            "The mode for handling bigint-unsigned values",
            "BIGINT UNSIGNED as long or as precise decimals.",
            .choice(HandlingModes.BigIntegers.allCases.map(\.rawValue)))
        define(
            "time.precision.mode", .string, .string("adaptive_time_microseconds"), .medium, .short,
            "The time precision mode to be used",
            "How dates and times are written.",
            .choice(HandlingModes.Times.allCases.map(\.rawValue), also: ["adaptive"]))
        define(
            "enable.time.adjuster", .boolean, .boolean(true), .low, .short, "Enable Time Adjuster",
            "Whether years of two digits become those of 1970 to 2069.", nil)
        define(
            "schema.name.adjustment.mode", .string, .string("none"), .low, .medium, "Schema Name Adjustment",
            "Names of schemas for Avro: none, avro, avro_unicode.", .choice(["none", "avro", "avro_unicode"]))
        define(
            "min.row.count.to.stream.results", .int, .integer(1000), .low, .medium, "Stream result set of size",
            "Not used: rows always come one by one.", nil)
        define(
            "incremental.snapshot.chunk.size", .int, .integer(1024), .medium, .medium,
            "Incremental snapshot chunk size",
            "Rows of a chunk of incremental snapshots.", .positive)
        define(
            "incremental.snapshot.allow.schema.changes", .boolean, .boolean(false), .low, .short,
            "Allow schema changes during incremental snapshot if supported.",
            "Not used: a chunk is read anew when its table changes.", nil)
        define(
            "snapshot.locking.mode", .string, .string("minimal"), .low, .short, "Snapshot locking mode",
            "How long a snapshot locks: minimal, extended, none.", .choice(MySQLOptions.lockingModes))
        define(
            "ddl.parser.type", .string, .string("default"), .low, .short, "DDL Parser Type",
            "Not used: there is one parser.", nil)
    }

    /// - Parameters:
    ///   - sourceInfo: the default of `sourceinfo.struct.maker`, behind its package.
    ///   - hasConverters: there are classes that `converters` may name.
    static func events(_ define: Define, sourceInfo: String, hasConverters: Bool) {
        define(
            "converters", .string, nil, .low, .medium, "List of prefixes defining custom values converters.",
            hasConverters
                ? "Names of converters, whose classes stand in NAME.type: TinyIntOneToBooleanConverter or "
                    + "JdbcSinkDataTypesConverter. There are no others."
                : "Not available: there are no value converters.",
            hasConverters ? nil : .absent("Converters of values are"))
        define(
            "post.processors", .string, nil, .low, .medium, "List of change event post processors.",
            "The name of a post processor, whose class stands in NAME.type: ReselectColumnsPostProcessor, which asks the "
                + "database for columns that the log does not tell. There are no others.", nil)
        define(
            "tombstones.on.delete", .boolean, .boolean(true), .medium, .short,
            "Change the behaviour of Debezium with regards to delete operations",
            "Whether a tombstone follows each delete.", nil)
        define(
            "heartbeat.interval.ms", .int, .integer(0), .medium, .medium,
            "Connector heartbeat interval (milli-seconds)",
            "How often heartbeats are sent, in milliseconds; 0 for never.", .notNegative)
        define(
            "heartbeat.topics.prefix", .string, .string("__debezium-heartbeat"), .low, .medium,
            "A prefix used for naming of heartbeat topics",
            "The beginning of the heartbeat topic's name.", nil)
        define(
            "signal.data.collection", .list, nil, .medium, .medium, "Signaling data collection",
            "The table whose rows are signals.", nil)
        define(
            "signal.poll.interval.ms", .long, .integer(5000), .medium, .short, "Signal processor poll interval",
            "How often signal.file is looked at, in milliseconds. Other signals are seen as they come.", nil)
        define(
            "signal.enabled.channels", .list, .list(["source"]), .medium, .long, "Enabled channels names",
            "source: the signal table; kafka: the topic signal.kafka.topic; file: signal.file.", .signalChannels)
        define(
            "topic.naming.strategy", .className, .string("io.debezium.schema.SchemaTopicNamingStrategy"), .medium,
            .medium, "Topic naming strategy class",
            "SchemaTopicNamingStrategy or DefaultTopicNamingStrategy, which are the same here: prefix.database.table, "
                + "with topic.delimiter between them.", .topicNaming)
        define(
            "notification.enabled.channels", .list, nil, .medium, .long, "Enabled notification channels names",
            "Whom the connector tells how far its snapshots are: sink, a topic; log.", .notificationChannels)
        define(
            "notification.sink.topic.name", .string, nil, .high, .long, "Notification topic name",
            "The topic of notifications, for the channel sink.", nil)
        define(
            "transaction.metadata.factory", .className,
            .string("io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"), .low, .medium,
            "Factory class to create transaction context & transaction struct maker classes",
            "The default alone.", .only("io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"))
        define(
            "custom.metric.tags", .list, nil, .low, .medium, "Customize metric tags",
            "Not used.", nil)
        define(
            "column.include.list", .list, nil, .medium, .long, "Include Columns",
            "Expressions for columns that events have.", .patterns)
        define(
            "column.exclude.list", .list, nil, .medium, .long, "Exclude Columns",
            "Expressions for columns that events leave out.", .patterns)
        define(
            "table.include.list", .list, nil, .high, .long, "Include Tables",
            "Expressions for tables to capture.", .patterns)
        define(
            "table.exclude.list", .list, nil, .medium, .long, "Exclude Tables",
            "Expressions for tables to leave out.", .patterns)
        define(
            "message.key.columns", .string, nil, .medium, .long, "Columns PK mapping",
            "Keys of one's own: table:column,column;...", nil)
        define(
            "snapshot.select.statement.overrides", .string, nil, .medium, .long,
            "List of tables where the default select statement used during snapshotting should be overridden.",
            "Tables whose rows a snapshot reads by a statement of one's own.", nil)
        define(
            "column.mask.hash.([^.]+).with.salt.(.+)", .string, nil, .medium, .long, "Mask Columns Using Hash and Salt",
            "Columns whose values are replaced by a hash.", nil)
        define(
            "column.mask.with.(d+).chars", .string, nil, .medium, .none, "Mask Columns With n Asterisks",
            "Columns whose values are replaced by asterisks.", nil)
        define(
            "column.truncate.to.(d+).chars", .int, nil, .medium, .none, "Truncate Columns To n Characters",
            "Columns whose texts are cut.", nil)
        define(
            "include.schema.changes", .boolean, .boolean(true), .medium, .short, "Include database schema changes",
            "Whether definitions go to the topic that is named like the prefix.", nil)
        define(
            "include.schema.comments", .boolean, .boolean(false), .medium, .short, "Include Table and Column Comments",
            "Whether comments are kept.", nil)
        define(
            "column.propagate.source.type", .list, nil, .medium, .none, "Propagate Source Types by Columns",
            "Columns whose schemas name the source's type.", .patterns)
        define(
            "datatype.propagate.source.type", .list, nil, .medium, .none, "Propagate Source Types by Data Type",
            "Types whose columns do so.", .patterns)
        define(
            "internal.snapshot.scan.all.columns.force", .boolean, .boolean(false), .low, .short,
            "Snapshot force scan all columns of all tables",
            "Not used.", nil)
        define(
            "snapshot.tables.order.by.row.count", .string, .string("disabled"), .medium, .none,
            "Initial snapshot tables order by row count",
            "Order of the tables in a snapshot: disabled, ascending, descending.",
            .choice(["disabled", "ascending", "descending"]))
        define(
            "heartbeat.action.query", .string, nil, .low, .medium, "An optional query to execute with every heartbeat",
            "A statement that runs with each heartbeat.", nil)
        define(
            "include.query", .boolean, .boolean(false), .medium, .short,
            "Include original SQL query with in change events",
            "Whether events carry the statement, when the log has it.", nil)
        define(
            "table.ignore.builtin", .boolean, .boolean(true), .low, .short, "Ignore system databases",
            "Whether the server's own tables are left out.", nil)
        define(
            "database.include.list", .list, nil, .high, .long, "Include Databases",
            "Expressions for databases to capture.", .patterns)
        define(
            "database.exclude.list", .list, nil, .medium, .long, "Exclude Databases",
            "Expressions for databases to leave out.", .patterns)
        define(
            "binlog.buffer.size", .int, .integer(0), .medium, .medium, "Binlog reader buffer size",
            "Not used: transactions are streamed.", nil)
        define(
            "event.deserialization.failure.handling.mode", .string, .string("fail"), .medium, .short,
            "Event deserialization failure handling",
            "What becomes of events that cannot be read: fail, warn or skip.",
            .choice(["fail", "warn", "skip", "ignore"]))
        define(
            "inconsistent.schema.handling.mode", .string, .string("fail"), .medium, .short,
            "Inconsistent schema failure handling",
            "What becomes of rows of tables that are not known: fail, warn or skip.",
            .choice(["fail", "warn", "skip", "ignore"]))
        define(
            "gtid.source.filter.dml.events", .boolean, .boolean(true), .medium, .short, "Filter DML events",
            "Whether the filters of GTIDs also leave out changes.", nil)
        define(
            "gtid.ignore.on.recovery", .boolean, .boolean(false), .low, .short, "Ignore GTID on recovery",
            "Whether a start goes by file and position only.", nil)
        define(
            "gtid.source.includes", .list, nil, .high, .long, "Include GTID sources",
            "Expressions for sources of GTIDs that count.", .patterns)
        define(
            "gtid.source.excludes", .string, nil, .medium, .long, "Exclude GTID sources",
            "Expressions for sources of GTIDs that do not.", .patterns)
        define(
            "sourceinfo.struct.maker", .className, .string("io.debezium.connector." + sourceInfo), .low, .medium,
            "Source info struct maker class",
            "The default alone.", .only("io.debezium.connector." + sourceInfo))
    }
}
