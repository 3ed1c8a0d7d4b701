import Avro
import Compression
import ConnectCore
import Environment
import SQLTypes

/// The options, read.
struct ObjectStoreSettings: Sendable {
    enum OnNull: String, Sendable { case ignore, fail, write }

    enum Target: Sendable {
        case s3(S3Client.Settings)
        case gcs(GCSClient.Settings)
        /// An absolute path.
        case folder(String)
        /// The second is the folder of notes, from the root.
        case hdfs(WebHDFSClient.Settings, notes: String)
    }

    /// Keys or headers beside the values.
    struct Companion: Sendable {
        var format: ObjectFormat
        /// `.keys` or `.headers`
        var suffix: String
    }

    var target: Target
    var topicsDirectory: String
    var directoryDelimiter: String
    var fileDelimiter: String
    var offsetWidth: Int
    var flushCount: Int
    /// Milliseconds; nil: never.
    var rotateInterval: Int64?
    var scheduledInterval: Int64?
    var zone: TimeZoneID
    var partitioner: Partitioner
    var schemaAffix: SchemaAffix
    /// What `rotateInterval` counts by.
    var extractor: TimestampExtractor
    var compatibility: SchemaCompatibility
    var format: ObjectFormat
    var formatOptions: FormatOptions
    var keys: Companion?
    var headers: Companion?
    var onNull: OnNull
    /// Whether records without a value that are passed over are told of.
    var reportsNulls: Bool
    /// Whether late records go into the folder at hand.
    var appendsLateData: Bool
    var tombstonePartition: String
    /// nil: objects are not tagged.
    var tags: [(name: String, value: String)]?
    var failsWithoutTags: Bool
    var retryBackoff: Duration
    /// Bytes of all objects in memory after which parts are sent early.
    var bufferedByteCountMax = 128 << 20

    /// - Throws: `.config` in the original's words.
    init(
        _ properties: [String: String], _ flavour: ObjectStoreSinkPlugin.Flavour, _ surroundings: Surroundings
    ) throws(ConnectError) {
        let values = try Self.definition(flavour).parse(properties)
        func number(_ name: String) -> Int64 { values.integer(name) ?? 0 }
        func word(_ name: String) -> String { (values.string(name) ?? "").lowercased() }

        topicsDirectory = values.string("topics.dir") ?? "topics"
        directoryDelimiter = values.text("directory.delim") ?? "/"
        fileDelimiter = values.string("file.delim") ?? "+"
        offsetWidth = Int(number("filename.offset.zero.pad.width"))
        flushCount = Int(number("flush.size"))
        rotateInterval = number("rotate.interval.ms") > 0 ? number("rotate.interval.ms") : nil
        scheduledInterval = number("rotate.schedule.interval.ms") > 0 ? number("rotate.schedule.interval.ms") : nil
        guard let compatibility = SchemaCompatibility(rawValue: word("schema.compatibility").uppercased()) else {
            throw .config("schema.compatibility", values.string("schema.compatibility"), nil)
        }
        self.compatibility = compatibility
        onNull = OnNull(rawValue: word("behavior.on.null.values")) ?? .fail
        tombstonePartition = values.text("tombstone.encoded.partition") ?? "tombstone"
        reportsNulls = onNull == .ignore && ErrantRecords.areReported(by: properties)
        appendsLateData = values.flag("append.late.data")
        retryBackoff = .milliseconds(number("retry.backoff.ms"))

        format = try Self.format("format.class", values)
        formatOptions = try Self.formatOptions(values, flavour == .gcs ? "gcs." : "s3.")
        keys =
            values.flag("store.kafka.keys")
            ? Companion(format: try Self.format("keys.format.class", values), suffix: ".keys") : nil
        headers =
            values.flag("store.kafka.headers")
            ? Companion(format: try Self.format("headers.format.class", values), suffix: ".headers") : nil
        for (option, companion) in [("keys.format.class", keys), ("headers.format.class", headers)]
        where companion?.format == .parquet {
            throw .config(
                option, values.string(option), "keys and headers are written as Avro, JSON or bytes, not as Parquet")
        }
        if onNull == .write, keys == nil {
            throw .config(
                "behavior.on.null.values", "write",
                "store.kafka.keys must be true when null values are written: their keys are all there is")
        }
        extractor = try Self.extractor(values)
        schemaAffix = SchemaAffix(rawValue: word("s3.schema.partition.affix.type").uppercased()) ?? .none
        (partitioner, zone) = try Self.partitioner(values, extractor, directoryDelimiter, surroundings)
        // Without partitions by time, spans are counted by the records' own time: then a second run makes the same objects.
        // HDFS, which knows by its notes what is published, has the clock, as the original; so files of topics that rest
        // become whole, too.
        if case .byTime = partitioner {} else { extractor = flavour == .hdfs ? .wallclock : .record }
        if scheduledInterval != nil, values.text("timezone") == nil {
            throw .config("timezone", "", "timezone configuration must be set when using scheduled rotation.")
        }
        tags = try Self.tags(values)
        failsWithoutTags = word("s3.object.behavior.on.tagging.error") == "fail"
        target = try Self.target(values, flavour, surroundings)
        formatOptions.parquetExtensionHasCodec = flavour != .hdfs
    }

    private static func format(_ option: String, _ values: ConfigValues) throws(ConnectError) -> ObjectFormat {
        let name = values.string(option) ?? ""
        guard let format = ObjectFormat.named(name) else {
            throw .config(option, name, "Class \(name) could not be found.")
        }
        return format
    }

    static func simple(_ className: String) -> String { className.split(separator: ".").last.map(String.init) ?? "" }

    /// - Parameter prefix: of the options that say how objects are compressed.
    private static func formatOptions(
        _ values: ConfigValues, _ prefix: String
    ) throws(ConnectError) -> FormatOptions {
        var options = FormatOptions()
        guard let avroCodec = AvroContainer.Codec(rawValue: values.string("avro.codec") ?? "null") else {
            throw .config("avro.codec", values.string("avro.codec"), nil)
        }
        options.avroCodec = avroCodec
        options.avroMapping.writesMetadata = values.flag("connect.meta.data")
        options.avroMapping.isEnhanced = values.flag("enhanced.avro.schema.support")
        guard let parquetCodec = Codec(name: values.string("parquet.codec") ?? "snappy"), parquetCodec != .lz4 else {
            throw .config("parquet.codec", values.string("parquet.codec"), nil)
        }
        options.parquetCodec = parquetCodec
        if (values.string(prefix + "compression.type") ?? "none").lowercased() == "gzip" {
            options.gzipLevel = Int(values.integer(prefix + "compression.level") ?? -1)
        }
        options.bytesExtension = values.string("format.bytearray.extension") ?? ".bin"
        // Options are trimmed, and this one is mostly white space: what was written counts.
        if let separator = values.originals["format.bytearray.separator"] {
            options.bytesSeparator = Array(unescaped(separator).utf8)
        }
        options.writesDecimalsAsNumbers = (values.string("json.decimal.format") ?? "").uppercased() == "NUMERIC"
        return options
    }

    /// Java's escapes of characters, which such texts are written with.
    private static func unescaped(_ text: String) -> String {
        text.replacing("\\n", with: "\n").replacing("\\r", with: "\r").replacing("\\t", with: "\t")
            .replacing("\\0", with: "\0")
    }

    private static func extractor(_ values: ConfigValues) throws(ConnectError) -> TimestampExtractor {
        let name = values.string("timestamp.extractor") ?? "Wallclock"
        switch simple(name).replacing("TimestampExtractor", with: "").replacing("TimeBasedPartitioner$", with: "") {
        case "Wallclock": return .wallclock
        case "Record": return .record
        case "RecordField":
            guard let field = values.text("timestamp.field") else {
                throw .config("timestamp.field", "", "the field with the time has to be named")
            }
            return .field(field)
        default: throw .config("timestamp.extractor", name, "Class \(name) could not be found.")
        }
    }

    private static func partitioner(
        _ values: ConfigValues, _ extractor: TimestampExtractor, _ delimiter: String, _ surroundings: Surroundings
    ) throws(ConnectError) -> (Partitioner, TimeZoneID) {
        let zoneText = values.text("timezone")
        var zone = TimeZoneID.utc
        if let zoneText {
            do throws(SQLTypesError) { zone = try surroundings.zones.zone(zoneText) } catch {
                throw .config("timezone", zoneText, "The datetime zone id '\(zoneText)' is not recognised")
            }
        }
        let name = values.string("partitioner.class") ?? ""
        let kind = simple(name)
        guard
            Partitioner.classNames.contains(where: {
                simple($0) == kind && Partitioner.packages.contains(String(name.dropLast(kind.count)))
            })
        else {
            throw .config(
                "partitioner.class", name,
                "Class \(name) could not be found. There are: \(Partitioner.classNames.joined(separator: ", "))")
        }
        switch kind {
        case "DefaultPartitioner": return (.byPartition, zone)
        case "FieldPartitioner":
            let fields = values.list("partition.field.name").filter { !$0.isEmpty }
            guard !fields.isEmpty else {
                throw .config("partition.field.name", "[]", "the fields to partition by have to be named")
            }
            return (.byField(fields), zone)
        default: break
        }
        let span: Int64
        let format: String
        switch kind {
        case "DailyPartitioner":
            span = 86_400_000
            format = "'year'=YYYY\(delimiter)'month'=MM\(delimiter)'day'=dd"
        case "HourlyPartitioner":
            span = 3_600_000
            format = "'year'=YYYY\(delimiter)'month'=MM\(delimiter)'day'=dd\(delimiter)'hour'=HH"
        default:
            span = values.integer("partition.duration.ms") ?? -1
            guard span > 0 else {
                throw .config(
                    "partition.duration.ms", String(span), "Partition duration needs to be a positive.")
            }
            format = values.string("path.format") ?? ""
            guard !format.isEmpty, format != delimiter else {
                throw .config("path.format", format, "Path format cannot be empty.")
            }
        }
        guard let locale = values.text("locale") else { throw .config("locale", "", "Locale cannot be empty.") }
        guard zoneText != nil else { throw .config("timezone", "", "Timezone cannot be empty.") }
        let pattern: PathPattern
        do throws(ConnectError) { pattern = try PathPattern(trimmed(format, delimiter), zone: zone) } catch {
            throw .config("path.format", format, error.message)
        }
        if pattern.hasNames, !locale.lowercased().hasPrefix("en") {
            throw .config(
                "locale", locale, "names of months and days are English here: take en, or numbers in path.format")
        }
        return (.byTime(TimePartitioner(pattern, span: span, extractor: extractor)), zone)
    }

    /// Without a delimiter at the ends, which would make folders without a name.
    private static func trimmed(_ format: String, _ delimiter: String) -> String {
        var text = format
        while !delimiter.isEmpty, text.hasSuffix(delimiter) { text = String(text.dropLast(delimiter.count)) }
        while !delimiter.isEmpty, text.hasPrefix(delimiter) { text = String(text.dropFirst(delimiter.count)) }
        return text
    }

    private static func tags(_ values: ConfigValues) throws(ConnectError) -> [(name: String, value: String)]? {
        guard values.flag("s3.object.tagging") else { return nil }
        var tags: [(name: String, value: String)] = []
        for pair in values.list("s3.object.tagging.key.value.pairs") where !pair.isEmpty {
            guard let colon = pair.firstIndex(where: { $0 == ":" || $0 == "=" }), colon > pair.startIndex else {
                throw .config(
                    "s3.object.tagging.key.value.pairs", pair, "must be pairs of a key and a value: key:value")
            }
            tags.append((String(pair[..<colon]), String(pair[pair.index(after: colon)...])))
        }
        return tags
    }
}
