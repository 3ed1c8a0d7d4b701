import ConnectCore
import SQLTypes

/// In which folder of its topic a record goes.
enum Partitioner: Sendable {
    /// By the topic's partition.
    case byPartition
    /// By the values of fields.
    case byField([String])
    case byTime(TimePartitioner)

    static let classNames = [
        "io.confluent.connect.storage.partitioner.DefaultPartitioner",
        "io.confluent.connect.storage.partitioner.FieldPartitioner",
        "io.confluent.connect.storage.partitioner.TimeBasedPartitioner",
        "io.confluent.connect.storage.partitioner.DailyPartitioner",
        "io.confluent.connect.storage.partitioner.HourlyPartitioner",
    ]

    /// What may stand before the class's own name.
    static let packages = [
        "", "io.confluent.connect.storage.partitioner.", "io.confluent.connect.hdfs.partitioner.",
        "io.confluent.connect.hdfs3.partitioner.",
    ]

    /// The folder, without delimiters at its ends.
    ///
    /// - Parameters:
    ///   - delimiter: `directory.delim`.
    ///   - millis: the record's time, where partitions are by time.
    /// - Throws: `.data` for records that have no place.
    func path(_ record: ConnectRecord, delimiter: String, millis: Int64?) throws(ConnectError) -> String {
        switch self {
        case .byPartition:
            guard case .sink(_, let partition, _, _) = record.origin else { return "partition=0" }
            return "partition=\(partition)"
        case .byField(let names):
            var parts: [String] = []
            for name in names {
                let (value, schema) = try RecordField.find(name, record)
                // A text that is null has Java's word for it, as in the original, where other nulls are errors.
                let text = value.isNull && schema?.kind == .string ? "null" : try Self.text(value, name, record)
                parts.append(name + "=" + text)
            }
            return parts.joined(separator: delimiter)
        case .byTime(let time): return time.path(millis ?? 0)
        }
    }

    private static func text(
        _ value: ConnectValue, _ name: String, _ record: ConnectRecord
    ) throws(ConnectError) -> String {
        switch value {
        case .string(let text): return text
        case .boolean(let flag): return flag ? "true" : "false"
        case .int8, .int16, .int32, .int64:
            if let number = value.integer { return String(number) }
        default: break
        }
        throw .data(
            "Error encoding partition: the field '\(name)' of \(RecordPlace.text(record)) is \(value.javaClass), and "
                + "partitions are made of strings, whole numbers and booleans")
    }
}

/// Where the name of a record's schema stands among the folders of its partition: `s3.schema.partition.affix.type`.
enum SchemaAffix: String, CaseIterable, Sendable {
    case none = "NONE"
    case prefix = "PREFIX"
    case suffix = "SUFFIX"

    /// The folder with the name, which is `null` where there is none, as in the original.
    func path(_ folder: String, _ schema: ConnectSchema?, delimiter: String) -> String {
        let name = "schema_name=" + (schema?.name ?? "null")
        return switch self {
        case .none: folder
        case .prefix: name + delimiter + folder
        case .suffix: folder + delimiter + name
        }
    }
}

/// Folders by time: that of the beginning of the span in which a record's time lies.
struct TimePartitioner: Sendable {
    let pattern: PathPattern
    /// Milliseconds, above 0.
    let span: Int64
    let extractor: TimestampExtractor

    init(_ pattern: PathPattern, span: Int64, extractor: TimestampExtractor) {
        self.pattern = pattern
        self.span = span
        self.extractor = extractor
    }

    func path(_ millis: Int64) -> String { pattern.text(beginning(millis)) }

    /// Spans are counted in local time from 1970 on, as the original does.
    func beginning(_ millis: Int64) -> Int64 {
        let zone = pattern.zone
        // Times of the far past and future must not overflow.
        let millis = min(max(millis, -Int64(1) << 53), Int64(1) << 53)
        let local = millis + Int64(zone.offset(at: floored(millis, 1000))) * 1000
        let start = local - (local % span)
        let second = floored(start, 1000)
        let seconds = zone.epochSecond(local: second, preferring: zone.offset(at: floored(millis, 1000)))
        return seconds * 1000 + (start - second * 1000)
    }

    private func floored(_ value: Int64, _ divisor: Int64) -> Int64 { Int64(floorDiv(Int(value), Int(divisor))) }
}
