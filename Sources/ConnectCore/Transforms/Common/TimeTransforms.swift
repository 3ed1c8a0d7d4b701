/// `TimestampNowField` of the common transforms: fields with the time at which the record passes.
struct TimestampNowField: Transformation {
    private let part: RecordPart
    private let fields: [String]
    private let isUnix: Bool
    /// Milliseconds.
    private let added: Int64
    private let clock: TransformClock
    private let schemas = UpdatedSchemas()

    /// Of Java's `ChronoUnit`, those that have a length in milliseconds.
    private static let units: [(name: String, millis: Int64)] = [
        ("NANOS", 0), ("MICROS", 0), ("MILLIS", 1), ("SECONDS", 1000), ("MINUTES", 60_000), ("HOURS", 3_600_000),
        ("HALF_DAYS", 43_200_000), ("DAYS", 86_400_000), ("WEEKS", 604_800_000), ("MONTHS", 2_629_746_000),
        ("YEARS", 31_556_952_000), ("DECADES", 315_569_520_000), ("CENTURIES", 3_155_695_200_000),
    ]

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("fields", .list, .required, .notEmptyList, .high, "The fields that get the present time.")
        definition.define(
            "add.amount", .long, .value(.integer(0)), nil, .low,
            "More than 0: one unit is added. It is one whatever the amount, as in the original.")
        definition.define(
            "add.chronounit", .string, .value(.string("DAYS")), .oneOf(units.map(\.name)), .low,
            "The unit: \(units.map(\.name).joined(separator: ", ")).")
        definition.define(
            "target.type", .string, .value(.string("Date")), .oneOf(["Date", "Unix"]), .low,
            "What the time is: Date, a timestamp of Connect, or Unix, seconds since 1970.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues, _ clock: @escaping TransformClock) {
        self.part = part
        self.clock = clock
        fields = values.list("fields")
        isUnix = values.string("target.type") == "Unix"
        let unit = values.string("add.chronounit")
        added = values.integer("add.amount") ?? 0 > 0 ? Self.units.first { $0.name == unit }?.millis ?? 0 : 0
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        let millis = clock() + added
        let time: ConnectValue = isUnix ? .int64(millis / 1000) : .instant(millis)
        guard let schema = current.schema else {
            var map = try Requirements.map(current.value, "inserting the time")
            for field in fields { map[field] = time }
            return record.with(part, nil, .map(map))
        }
        let structure = try Requirements.structure(current.value, "inserting the time")
        let updated = try schemas(schema) { schema throws(ConnectError) in
            // A field that is one for such a time already keeps its place.
            var all = schema.fields.filter { !fields.contains($0.name) || fits($0.schema) }
            for field in fields where !all.contains(where: { $0.name == field }) {
                all.append(.init(field, isUnix ? .int64 : .timestamp))
            }
            return try .structure(basics: schema, isOptional: schema.isOptional, fields: all)
        }
        let values = updated.fields.map { field in
            fields.contains(field.name) ? time : structure[field.name] ?? .null
        }
        return record.with(part, updated, .structure(ConnectStruct(updated, values: values)))
    }

    private func fits(_ schema: ConnectSchema) -> Bool {
        isUnix ? schema.kind == .int64 : schema.logicalType == .timestamp
    }
}

/// `TimestampNow` of the common transforms: the present as the record's time.
struct TimestampNow: Transformation {
    static let definition = ConfigDef()

    let clock: TransformClock

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        var record = record
        record.timestamp = clock()
        return record
    }
}

/// `ExtractTimestamp` of the common transforms: a field's time becomes the record's.
struct ExtractTimestamp: Transformation {
    private let part: RecordPart
    private let field: String

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "field.name", .string, .required, .notEmpty, .high,
            "The field: a timestamp of Connect, or milliseconds since 1970.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        field = values.string("field.name") ?? ""
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        let value: ConnectValue
        if current.schema == nil {
            value = try Requirements.map(current.value, "extracting the timestamp")[field] ?? .null
        } else {
            value = try Requirements.structure(current.value, "extracting the timestamp").value(field)
        }
        var record = record
        switch value {
        case .instant(let millis), .int64(let millis): record.timestamp = millis
        default:
            throw .data(
                "Field '\(field)' has no time to take for the record's: it has to be a timestamp or an INT64 of "
                    + "milliseconds, found: \(value.javaClass)")
        }
        return record
    }
}

/// `io.confluent.connect.transforms.MessageTimestampRouter`: a topic with the time of a field of the value in its name.
struct MessageTimestampRouter: Transformation {
    private let fields: [String]
    private let reader: SimpleDateText
    private let writer: SimpleDateText
    private let format: String

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "topic.format", .string, .value(.string("${topic}-${timestamp}")), nil, .high,
            "The new name, with ${topic} and ${timestamp}.")
        definition.define(
            "message.timestamp.format", .string, .value(.string("yyyy-MM-dd'T'HH:mm:ss.SSSXXX")), nil, .high,
            "The pattern of SimpleDateFormat by which texts in the fields are read.")
        definition.define(
            "topic.timestamp.format", .string, .value(.string("yyyyMMdd")), nil, .high,
            "The pattern of SimpleDateFormat of the time in the topic's name.")
        definition.define(
            "message.timestamp.keys", .list, .required, .notEmptyList, .high,
            "The fields to look for the time in; the first that is there counts.")
        return definition
    }()

    init(_ values: ConfigValues) throws(ConnectError) {
        fields = values.list("message.timestamp.keys")
        format = values.string("topic.format") ?? ""
        reader = try Self.pattern(values, "message.timestamp.format")
        writer = try Self.pattern(values, "topic.timestamp.format")
    }

    private static func pattern(_ values: ConfigValues, _ option: String) throws(ConnectError) -> SimpleDateText {
        let text = values.string(option) ?? ""
        do throws(ConnectError) { return try SimpleDateText(text) } catch {
            throw .config(option, text, error.message)
        }
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        if record.value.value.isNull { return record }
        for field in fields {
            let value = record.value.value.member(field)
            if value.isNull { continue }
            let millis: Int64
            switch value {
            case .instant(let known), .int64(let known): millis = known
            case .string(let text): millis = try reader.millis(text)
            default:
                throw .data("Field '\(field)' has no time for the topic's name, found: \(value.javaClass)")
            }
            var record = record
            record.topic = format.replacing("${topic}", with: record.topic)
                .replacing("${timestamp}", with: writer.text(millis))
            return record
        }
        throw .data("None of the fields \(fields.joined(separator: ", ")) with the record's time is in the value")
    }
}

extension ConnectValue {
    /// A field of a struct or an entry of a map; null where there is none.
    func member(_ name: String) -> ConnectValue {
        switch self {
        case .structure(let structure): structure[name] ?? .null
        case .map(let map): map[name] ?? .null
        default: .null
        }
    }
}
