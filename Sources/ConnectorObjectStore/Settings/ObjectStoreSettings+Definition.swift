import Avro
import ConnectCore
import HTTPCalls

extension ObjectStoreSettings {
    /// Another provider stands for another user, with other rights.
    private static let isCredentialsProvider = ConfigValidator { (name, value) throws(ConnectError) in
        guard let text = value.text, !text.isEmpty else { return }
        let known = [
            "DefaultAWSCredentialsProviderChain", "DefaultCredentialsProvider",
            "EnvironmentVariableCredentialsProvider",
            "ProfileCredentialsProvider",
        ]
        guard !known.contains(where: { text == $0 || text.hasSuffix("." + $0) }) else { return }
        throw .config(
            name, text,
            "there is no such provider: keys come from aws.access.key.id and aws.secret.access.key, from the server's "
                + "variables, or from ~/.aws/credentials. Leave the option out")
    }

    static func definition(_ flavour: ObjectStoreSinkPlugin.Flavour) -> ConfigDef {
        var definition = ConfigDef()
        var group = "Storage"
        func add(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ importance: ConfigDef.Importance,
            _ text: String, _ validator: ConfigValidator? = nil
        ) { definition.define(name, kind, value, validator, importance, text, group: group) }
        func number(_ value: Int64) -> ConfigDef.Default { .value(.integer(value)) }
        func text(_ value: String) -> ConfigDef.Default { .value(.string(value)) }
        let no = ConfigDef.Default.value(.boolean(false))
        let yes = ConfigDef.Default.value(.boolean(true))

        switch flavour {
        case .s3:
            group = "S3"
            defineS3(&definition, group)
            group = "Storage"
            add(
                "store.url", .string, .null, .high,
                "The address of another store than AWS's: https://host:port. file:///path writes into a folder.")
        case .gcs:
            defineGCS(&definition, "GCS")
            add(
                "store.url", .string, .null, .low,
                "Another address of the store, of this program only: an emulator or a private endpoint, http or https. Without "
                    + "it STORAGE_EMULATOR_HOST of the server, or \(GCSClient.serviceURL).")
        case .folder: add("store.url", .string, .required, .high, "The folder: file:///path.", .notEmpty)
        case .hdfs: defineHDFS(&definition, "HDFS")
        }
        add("topics.dir", .string, text("topics"), .high, "The folder that holds those of the topics.")
        add("directory.delim", .string, text("/"), .medium, "What stands between folders.")
        add("file.delim", .string, text("+"), .medium, "What stands between topic, partition and offset in names.")
        add(
            "storage.class", .className,
            flavour == .s3
                ? text("io.confluent.connect.s3.storage.S3Storage")
                : flavour == .gcs ? text("io.confluent.connect.gcs.storage.GcsStorage") : .null, .low,
            "Taken; the address says what the store is.")
        group = "Connector"
        add(
            "format.class", .className,
            text(ObjectFormat.defaultName(flavour)),
            .high,
            "How records are written: "
                + ObjectFormat.classNames(flavour).map(\.name).joined(separator: ", ") + ".")
        add(
            "flush.size", .int, .required, .high,
            "How many records of a partition are written before its objects are complete.",
            .atLeast(1))
        add(
            "rotate.interval.ms", .long, number(-1), .high,
            "How much time objects may span, by the times of their records, in milliseconds."
                + (flavour == .hdfs ? " Where partitions are not by time, by the clock." : ""))
        add(
            "rotate.schedule.interval.ms", .long, number(-1), .medium,
            "Completes objects at these times of the clock, in milliseconds; they may then not be the same in a second run."
        )
        add(
            "append.late.data", .boolean, no, .low,
            "With folders by time: whether a record that is earlier than the first one of the open objects goes where these "
                + "are, instead of into a folder of its own.")
        add("schema.cache.size", .int, number(1000), .low, "Taken.")
        add("retry.backoff.ms", .long, number(5000), .low, "How long to wait when the store fails.", .atLeast(0))
        add("shutdown.timeout.ms", .long, number(3000), .medium, "Taken.")
        add(
            "filename.offset.zero.pad.width", .int, number(10), .low, "How many digits offsets in names have at least.",
            .between(0, 100))
        add(
            "avro.codec", .string, text("null"), .low, "How blocks of Avro files are compressed.",
            .oneOf(AvroContainer.Codec.allCases.map(\.rawValue)))
        add(
            "parquet.codec", .string, text("snappy"), .low, "How pages of Parquet files are compressed.",
            .oneOf(["none", "snappy", "gzip", "zstd"]))
        add("connect.meta.data", .boolean, yes, .low, "Whether Avro schemas keep what Connect's schemas have besides.")
        add("enhanced.avro.schema.support", .boolean, no, .low, "Whether Avro keeps enumerations and packages.")
        add(
            "json.decimal.format", .string, text("BASE64"), .low, "How decimals are written in JSON.",
            .oneOf(["BASE64", "NUMERIC"], ignoresCase: true))
        add("format.bytearray.extension", .string, text(".bin"), .low, "The end of names with ByteArrayFormat.")
        add(
            "format.bytearray.separator", .string, .null, .low,
            "What stands behind each value with ByteArrayFormat; a line's end without it.")
        if flavour == .folder || flavour == .hdfs {
            add(
                "s3.compression.type", .string, text("none"), .low, "How JSON and bytes are compressed.",
                .oneOf(["none", "gzip"], ignoresCase: true))
            add("s3.compression.level", .int, number(-1), .low, "gzip's level; -1 is its own choice.", .between(-1, 9))
        }
        add(
            "schema.compatibility", .string, text("NONE"), .high,
            "What a change of the schema does: NONE begins new objects; the others take older or newer records along.",
            .oneOf(SchemaCompatibility.allCases.map(\.rawValue)))
        add(
            "behavior.on.null.values", .string, text("fail"), .low,
            "What a record without a value does: ignore, fail or write (its key).",
            .oneOf(["ignore", "fail", "write"], ignoresCase: true))
        add(
            "tombstone.encoded.partition", .string, text("tombstone"), .low,
            "The folder of the keys of records without a value.")
        add("store.kafka.keys", .boolean, no, .low, "Whether keys are written beside the values.")
        add("store.kafka.headers", .boolean, no, .low, "Whether headers are written beside the values.")
        let avro = ObjectFormat.classNames(flavour).first { $0.format == .avro }?.name ?? ""
        add("keys.format.class", .className, text(avro), .low, "How keys are written.")
        add("headers.format.class", .className, text(avro), .low, "How headers are written.")
        group = "Partitioner"
        add(
            "partitioner.class", .className, text(Partitioner.classNames[0]), .high,
            "Into which folders records go: \(Partitioner.classNames.joined(separator: ", ")).")
        add("partition.field.name", .list, .value(.list([])), .medium, "The fields of FieldPartitioner.")
        add(
            "partition.duration.ms", .long, number(-1), .medium, "The span of a folder with TimeBasedPartitioner.")
        add("path.format", .string, text(""), .medium, "Folders by time: 'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH.")
        add("locale", .string, text(""), .medium, "The language of names in folders by time.")
        add("timezone", .string, text(""), .medium, "The time zone of folders by time and of scheduled rotation.")
        add(
            "timestamp.extractor", .string, text("Wallclock"), .medium,
            "Which time a record has: Wallclock, Record or RecordField.")
        add("timestamp.field", .string, text("timestamp"), .medium, "The field of RecordField.")
        add(
            "schema.generator.class", .className, .null, .low, "Taken, for configurations that have it.")
        return definition
    }

    private static func defineS3(_ definition: inout ConfigDef, _ group: String) {
        func add(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ importance: ConfigDef.Importance,
            _ text: String, _ validator: ConfigValidator? = nil
        ) { definition.define(name, kind, value, validator, importance, text, group: group) }
        func number(_ value: Int64) -> ConfigDef.Default { .value(.integer(value)) }
        func text(_ value: String) -> ConfigDef.Default { .value(.string(value)) }
        let no = ConfigDef.Default.value(.boolean(false))
        add("s3.bucket.name", .string, .required, .high, "The bucket.", .notEmpty)
        add(
            "s3.region", .string, .null, .medium,
            "The bucket's region. Without it AWS_REGION of the server, or us-west-2.")
        add(
            "s3.part.size", .int, number(26_214_400), .high, "Bytes of an object that are sent at once.",
            .between(5_242_880, 2_147_483_647))
        add(
            "aws.access.key.id", .string, .null, .high,
            "The access key. Without it AWS_ACCESS_KEY_ID of the server, or its ~/.aws/credentials.")
        add("aws.secret.access.key", .password, .null, .high, "The secret key.")
        add("aws.session.token", .password, .null, .low, "The token that temporary keys have.")
        add(
            "s3.credentials.provider.class", .className,
            text("com.amazonaws.auth.DefaultAWSCredentialsProviderChain"), .low,
            "Keys are looked for as told above, which is what the default, and those of variables and profiles, stand for. "
                + "There are no others.", isCredentialsProvider)
        add(
            "s3.path.style.access.enabled", .boolean, .value(.boolean(true)), .low,
            "The bucket stands in the path, not in the host's name.")
        add("s3.ssea.name", .string, text(""), .low, "Encryption by the server: AES256, aws:kms.")
        add("s3.sse.customer.key", .password, .null, .low, "A key of your own for it, in base 64.")
        add("s3.sse.kms.key.id", .string, text(""), .low, "The key in KMS for it.")
        add(
            "s3.acl.canned", .string, .null, .low, "Rights of objects.",
            ConfigValidator { (name, value) throws(ConnectError) in
                guard let text = value.text else { return }
                let names = [
                    "private", "public-read", "public-read-write", "authenticated-read", "log-delivery-write",
                    "bucket-owner-read", "bucket-owner-full-control", "aws-exec-read",
                ]
                guard !names.contains(text) else { return }
                throw .config(name, text, "Value must be one of: \(names.joined(separator: ", "))")
            })
        add("s3.wan.mode", .boolean, no, .medium, "Transfer acceleration.")
        add(
            "s3.compression.type", .string, text("none"), .low, "How JSON and bytes are compressed: none or gzip.",
            .oneOf(["none", "gzip"], ignoresCase: true))
        add("s3.compression.level", .int, number(-1), .low, "gzip's level; -1 is its own choice.", .between(-1, 9))
        add(
            "s3.schema.partition.affix.type", .string, text("NONE"), .medium,
            "Whether the name of a record's schema is a folder (schema_name=...): PREFIX, in front of those of the "
                + "partition; SUFFIX, behind them.", .oneOf(SchemaAffix.allCases.map(\.rawValue), ignoresCase: true))
        add("s3.part.retries", .int, number(3), .medium, "How often a failed request is sent again.", .atLeast(0))
        add("s3.retry.backoff.ms", .long, number(200), .low, "The first pause before that.", .atLeast(0))
        add("s3.http.send.expect.continue", .boolean, .value(.boolean(true)), .low, "Taken.")
        add("s3.proxy.url", .string, text(""), .low, "A proxy: http://host:port.")
        add("s3.proxy.user", .string, .null, .low, "The name for it.")
        add("s3.proxy.password", .password, .null, .low, "The password for it.")
        add("s3.object.tagging", .boolean, no, .low, "Whether objects get tags: startOffset, endOffset, recordCount.")
        add("s3.object.tagging.key.value.pairs", .list, .value(.list([])), .low, "More tags: key:value.")
        add(
            "s3.object.behavior.on.tagging.error", .string, text("ignore"), .low, "ignore or fail.",
            .oneOf(["ignore", "fail"], ignoresCase: true))
        add("s3.elastic.buffer.enable", .boolean, no, .low, "Taken; buffers grow as needed.")
        add("s3.elastic.buffer.init.capacity", .int, number(131_072), .low, "Taken.")
        TLSSettings.define(in: &definition, prefix: tlsPrefix, group: group)
    }
}
