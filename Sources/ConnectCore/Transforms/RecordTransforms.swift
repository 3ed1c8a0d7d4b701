/// `Filter`: drops every record that it is asked about; a predicate says about which.
struct Filter: Transformation {
    static let definition = ConfigDef()

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? { nil }
}

/// `RegexRouter`: another topic where all of the topic's name matches.
struct RegexRouter: Transformation {
    private let regex: JavaRegex
    private let replacement: String

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "regex", .string, .required, .regex, .high, "An expression of Java's that the whole topic has to match.")
        definition.define("replacement", .string, .required, nil, .high, "The new name; $1 is what a group matched.")
        return definition
    }()

    init(_ values: ConfigValues) throws(ConnectError) {
        regex = try JavaRegex(values.string("regex") ?? "")
        replacement = values.string("replacement") ?? ""
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard try regex.matches(record.topic) else { return record }
        var record = record
        record.topic = try regex.replacingFirst(in: record.topic, with: replacement)
        return record
    }
}

/// `TimestampRouter`: a topic with the record's time in its name.
struct TimestampRouter: Transformation {
    private let format: String
    private let pattern: SimpleDateText

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "topic.format", .string, .value(.string("${topic}-${timestamp}")), nil, .high,
            "The new name, with ${topic} and ${timestamp}.")
        definition.define(
            "timestamp.format", .string, .value(.string("yyyyMMdd")), nil, .high, "A pattern of SimpleDateFormat.")
        return definition
    }()

    init(_ values: ConfigValues) throws(ConnectError) {
        format = values.string("topic.format") ?? ""
        pattern = try SimpleDateText(values.string("timestamp.format") ?? "")
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard let timestamp = record.timestamp else {
            throw .data("Timestamp missing on record: \(record.javaText)")
        }
        var record = record
        record.topic = format.replacing("${topic}", with: record.topic)
            .replacing("${timestamp}", with: pattern.text(timestamp))
        return record
    }
}

/// `SetSchemaMetadata`: another name or version for the schema.
struct SetSchemaMetadata: Transformation {
    private let part: RecordPart
    private let name: String?
    private let version: Int32?
    private let replacesNull: Bool
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("schema.name", .string, .null, nil, .high, "The schema's new name.")
        definition.define("schema.version", .int, .null, nil, .high, "The schema's new version.")
        definition.define(
            "replace.null.with.default", .boolean, .value(.boolean(true)), nil, .medium,
            "Whether a field that is null and has a default counts as the default.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        name = values.string("schema.name")
        version = values.integer("schema.version").map { Int32(truncatingIfNeeded: $0) }
        replacesNull = values.flag("replace.null.with.default")
        guard name != nil || version != nil else { throw .config("Neither schema name nor version configured") }
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.schema == nil, current.value.isNull { return record }
        let schema = try Requirements.schema(current.schema, "updating schema metadata")
        let updated = try schemas(schema) { schema throws(ConnectError) in
            _ = try schema.structFields()
            return schema.with(name: .some(name ?? schema.name), version: .some(version ?? schema.version))
        }
        guard case .structure(let structure) = current.value else { return record.with(part, updated, current.value) }
        var values = structure.values
        if replacesNull { for index in values.indices { values[index] = structure[index] } }
        return record.with(part, updated, .structure(ConnectStruct(updated, values: values)))
    }
}

/// `HasHeaderKey`.
struct HasHeaderKey: RecordPredicate {
    let name: String

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("name", .string, .required, .notEmpty, .medium, "The name of the header.")
        return definition
    }()

    func test(_ record: ConnectRecord) throws(ConnectError) -> Bool { record.headers.contains { $0.name == name } }
}

/// `RecordIsTombstone`.
struct RecordIsTombstone: RecordPredicate {
    static let definition = ConfigDef()

    func test(_ record: ConnectRecord) throws(ConnectError) -> Bool { record.value.value.isNull }
}

/// `TopicNameMatches`.
struct TopicNameMatches: RecordPredicate {
    private let regex: JavaRegex

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "pattern", .string, .required, .regex, .medium, "An expression of Java's that the whole topic has to match."
        )
        return definition
    }()

    init(_ values: ConfigValues) throws(ConnectError) {
        let text = values.string("pattern") ?? ""
        do throws(ConnectError) {
            regex = try JavaRegex(text)
        } catch {
            throw .config("pattern", text, "entry must be a Java-compatible regular expression: \(error.message)")
        }
    }

    func test(_ record: ConnectRecord) throws(ConnectError) -> Bool { try regex.matches(record.topic) }
}

extension ConfigValidator {
    /// An expression of Java's.
    static let regex = Self { (name, value) throws(ConnectError) in
        guard case .string(let text) = value else {
            // Recorded words.
            throw .config(
                name, nil,
                "Invalid regex: Cannot invoke \"String.isEmpty()\" because \"this.pattern\" is null")
        }
        do throws(ConnectError) { _ = try JavaRegex(text) } catch {
            throw .config(name, text, "Invalid regex: \(error.message)")
        }
    }
}
