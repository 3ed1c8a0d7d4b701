extension FieldPath {
    /// nil for what is not there, or is null.
    fileprivate func found(in value: ConnectValue) -> ConnectValue? {
        let found = steps.reduce(value) { $0.member($1) }
        return found.isNull ? nil : found
    }
}

extension RecordPart {
    fileprivate var word: String { self == .key ? "key" : "value" }
}

/// `io.aiven.kafka.connect.transforms.ExtractTimestamp`: a field's time becomes the record's.
struct AivenExtractTimestamp: Transformation {
    private let part: RecordPart
    private let field: FieldPath
    private let isSeconds: Bool

    static let definition: ConfigDef = {
        let names = ["milliseconds", "seconds"]
        var definition = ConfigDef()
        definition.define(
            "field.name", .string, .required, .notEmpty, .high,
            "The field: a timestamp of Connect, or an INT64. outer.inner is a field of the struct or map outer.")
        definition.define(
            "timestamp.resolution", .string, .value(.string("milliseconds")),
            ConfigValidator { (name, value) throws(ConnectError) in
                guard let text = value.text, !names.contains(text) else { return }
                throw .config(
                    name, text,
                    "Unsupported resolution type '\(text)'. Supported are: \(names.joined(separator: ", "))")
            }, .low, "What an INT64 counts since 1970: milliseconds or seconds.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        field = FieldPath(points: values.string("field.name") ?? "")
        isSeconds = values.string("timestamp.resolution") == "seconds"
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let value = record[part].value
        switch value {
        case .null: throw .data("\(part.word) can't be null: \(record.javaText)")
        case .structure, .map: break
        default: throw .data("\(part.word) type must be STRUCT or MAP: \(record.javaText)")
        }
        var output = record
        switch field.found(in: value) {
        case nil: throw .data("\(field.text) field must be present and its value can't be null: \(record.javaText)")
        case .int64(let number)?:
            let (millis, isTooLarge) = number.multipliedReportingOverflow(by: isSeconds ? 1000 : 1)
            output.timestamp = isTooLarge ? (number < 0 ? .min : .max) : millis
        case .instant(let millis)?: output.timestamp = millis
        default:
            throw .data(
                "\(field.text) field must be INT64 or org.apache.kafka.connect.data.Timestamp: \(record.javaText)")
        }
        return output
    }
}

/// `io.aiven.kafka.connect.transforms.ExtractTopic`: a field, or the whole key or value, names the topic.
struct AivenExtractTopic: Transformation {
    private let part: RecordPart
    private let field: FieldPath?
    private let skipsMissing: Bool

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "field.name", .string, .null, nil, .high,
            "The field, the whole without it. outer.inner is a field of the struct or map outer.")
        definition.define(
            "skip.missing.or.null", .boolean, .value(.boolean(false)), nil, .low,
            "Whether records without a name keep their topic; else they fail.")
        return definition
    }()

    private static let kinds: [ConnectSchema.Kind] = [
        .int8, .int16, .int32, .int64, .float32, .float64, .boolean, .string,
    ]
    private static let classes = ["Byte", "Short", "Integer", "Long", "Double", "Float", "Boolean", "String"]

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        field = values.text("field.name").map(FieldPath.init(points:))
        skipsMissing = values.flag("skip.missing.or.null")
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard let name = try name(record) else { return record }
        var record = record
        record.topic = name
        return record
    }

    private func name(_ record: ConnectRecord) throws(ConnectError) -> String? {
        let current = record[part]
        let kinds = "[" + Self.kinds.map(\.rawValue).joined(separator: ", ") + "]"
        if let field {
            if let schema = current.schema {
                guard schema.kind == .structure else {
                    throw .data(
                        "\(part.word) schema type must be STRUCT if field name is specified: \(record.javaText)")
                }
            }
            if current.value.isNull {
                throw .data("\(part.word) can't be null if field name is specified: \(record.javaText)")
            }
            if let schema = current.schema {
                guard let known = field.schema(schema) else {
                    return try missing("\(field.text) in \(part.word) schema can't be missing", record)
                }
                guard Self.kinds.contains(known.kind) else {
                    throw .data("\(field.text) schema type in \(part.word) must be \(kinds): \(record.javaText)")
                }
            } else if current.value.map == nil {
                throw .data("\(part.word) type must be Map if field name is specified: \(record.javaText)")
            }
            guard let value = field.found(in: current.value) else {
                return try missing("\(field.text) in \(part.word) can't be null or empty", record)
            }
            guard let text = Self.text(value) else {
                throw .data(
                    "\(field.text) type in \(part.word) \(JavaText.string(current.value)) must be "
                        + "\(Self.javaClasses): \(record.javaText)")
            }
            if text.isEmpty || (current.schema == nil && text.trimmed.isEmpty) {
                return try missing("\(field.text) in \(part.word) can't be null or empty", record)
            }
            return text
        }
        if let schema = current.schema, !Self.kinds.contains(schema.kind) {
            throw .data(
                "\(part.word) schema type must be \(kinds) if field name is not specified: \(record.javaText)")
        }
        if current.value.isNull { return try missing("\(part.word) can't be null or empty", record) }
        guard let text = Self.text(current.value) else {
            throw .data(
                "type in \(part.word) \(JavaText.string(current.value)) must be \(Self.javaClasses): "
                    + record.javaText)
        }
        if text.isEmpty || (current.schema == nil && text.trimmed.isEmpty) {
            return try missing("\(part.word) can't be null or empty", record)
        }
        return text
    }

    private static var javaClasses: String {
        "[" + classes.map { "class java.lang." + $0 }.joined(separator: ", ") + "]"
    }

    private static func text(_ value: ConnectValue) -> String? {
        switch value {
        case .int8, .int16, .int32, .int64, .float32, .float64, .boolean, .string: JavaText.string(value)
        default: nil
        }
    }

    private func missing(_ message: String, _ record: ConnectRecord) throws(ConnectError) -> String? {
        guard skipsMissing else { throw .data("\(message): \(record.javaText)") }
        return nil
    }
}

/// `io.aiven.kafka.connect.transforms.ExtractTopicFromSchemaName`: the name of the value's schema, or a part of it.
struct ExtractTopicFromSchemaName: Transformation {
    private let topics: [String: String]
    private let pattern: JavaRegex?

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "schema.name.topic-map", .string, .null, nil, .low, "Topics of names: name:topic,name:topic.")
        definition.define(
            "schema.name.regex", .string, .null, nil, .low, "An expression whose one group is the topic.")
        return definition
    }()

    init(_ values: ConfigValues) throws(ConnectError) {
        let map = values.string("schema.name.topic-map")
        let text = values.string("schema.name.regex")
        if map != nil, text != nil {
            throw .config("schema.name.topic-map and schema.name.regex should not be defined together.")
        }
        do throws(ConnectError) {
            pattern = try text.flatMap { $0.isEmpty ? nil : $0 }.map { text throws(ConnectError) in try JavaRegex(text)
            }
        } catch {
            throw .config("\(text ?? "") set as schema.name.regex is not valid regex.")
        }
        var topics: [String: String] = [:]
        if let map {
            for entry in map.split(separator: ",") {
                let parts = entry.split(separator: ":").map(String.init)
                guard parts.count > 1 else {
                    throw .config(
                        "schema.name.topic-map is not valid. Format should be: "
                            + "\"SchemaValue1:NewValue1,SchemaValue2:NewValue2\"")
                }
                topics[parts[0]] = parts[1]
            }
        }
        self.topics = topics
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard let name = record.value.schema?.name else {
            throw .data(" value schema name can't be null: \(record.javaText)")
        }
        var record = record
        record.topic = name
        if let topic = topics[name] {
            record.topic = topic
        } else if let groups = try pattern?.firstGroups(in: name), groups.count == 2, let topic = groups[1] {
            record.topic = topic
        }
        return record
    }
}

/// `SchemaNameToTopic` of the common transforms.
struct SchemaNameToTopic: Transformation {
    static let definition = ConfigDef()

    let part: RecordPart

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard let name = record[part].schema?.name else {
            throw .data("The \(part.word) has no schema with a name, which would be the topic's")
        }
        var record = record
        record.topic = name
        return record
    }
}

/// `io.aiven.kafka.connect.transforms.ConcatFields`: a field with the texts of others.
struct ConcatFields: Transformation {
    private let part: RecordPart
    private let fields: [FieldPath]
    private let output: String
    private let delimiter: String
    private let missing: String
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "field.names", .list, .required, nil, .high,
            "The fields; outer.inner is a field of the struct or map outer.")
        definition.define("output.field.name", .string, .required, .notEmpty, .high, "The new field's name.")
        definition.define(
            "field.replace.missing", .string, .value(.string("")), nil, .high,
            "What stands for a field that is not there or null.")
        definition.define("delimiter", .string, .value(.string("")), nil, .high, "What stands between them.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        fields = values.list("field.names").map(FieldPath.init(points:))
        output = values.string("output.field.name") ?? ""
        delimiter = values.string("delimiter") ?? ""
        missing = values.string("field.replace.missing") ?? ""
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        let text = fields.map { field in field.found(in: current.value).map { JavaText.string($0) } ?? missing }
            .joined(separator: delimiter)
        switch current.value {
        case .null: throw .data("\(part.word) Value can't be null: \(record.javaText)")
        case .structure(let structure):
            let updated = try schemas(structure.schema) { schema throws(ConnectError) in
                let fields = schema.fields + [.init(output, .optionalString)]
                try ConnectSchema.checkFields(fields)
                return .structure(fields)
            }
            let values = structure.schema.fields.indices.map { structure[$0] }
            return record.with(part, updated, .structure(ConnectStruct(updated, values: values + [.string(text)])))
        case .map(let map):
            var updated = map
            updated[output] = .string(text)
            return record.with(part, nil, .map(updated.hashOrdered(copied: map.count)))
        default: throw .data("Value type must be STRUCT or MAP: \(record.javaText)")
        }
    }
}

/// `io.aiven.kafka.connect.transforms.FilterByFieldValue`: keeps records by the value of a field.
struct FilterByFieldValue: Transformation {
    private let part: RecordPart
    private let field: FieldPath?
    private let wanted: ConnectValue?
    private let pattern: JavaRegex?
    private let keepsMatches: Bool

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "field.name", .string, .null, nil, .high,
            "The field, the whole of a key or value without schema without it. outer.inner is a field of the struct or map "
                + "outer.")
        definition.define(
            "field.value", .string, .null, nil, .high,
            "The value: a number is the smallest type that holds it, and equals that type alone, as in the original.")
        definition.define(
            "field.value.pattern", .string, .null, nil, .high, "Or an expression that is found in its text.")
        definition.define(
            "field.value.matches", .boolean, .value(.boolean(true)), nil, .medium,
            "Whether records that match are kept, or those that do not.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        field = values.text("field.name").map(FieldPath.init(points:))
        wanted = values.string("field.value").map { ValueText.parse($0).value }
        let text = values.text("field.value.pattern")
        guard (wanted == nil) != (text == nil) else {
            throw .config("Either field.value or field.value.pattern have to be set to apply filter transform")
        }
        pattern = text == nil ? nil : try JavaRegex(values, "field.value.pattern")
        keepsMatches = values.flag("field.value.matches")
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        var value: ConnectValue?
        if let field {
            if current.schema == nil {
                value = field.found(in: .map(try Requirements.map(current.value, "filtering by a field")))
            } else {
                value = field.found(in: .structure(try Requirements.structure(current.value, "filtering by a field")))
            }
        } else if current.schema == nil {
            value = current.value
        }
        let isMatch: Bool
        if let pattern {
            isMatch =
                try value.map { value throws(ConnectError) in
                    try pattern.isFound(in: ValueText.text(value))
                } ?? false
        } else {
            isMatch = value != nil && value == wanted
        }
        return isMatch == keepsMatches ? record : nil
    }
}
