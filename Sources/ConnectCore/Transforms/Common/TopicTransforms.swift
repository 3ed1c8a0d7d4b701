/// `ChangeTopicCase` of the common transforms: the words of a topic's name in another spelling.
struct ChangeTopicCase: Transformation {
    private let from: CaseFormat
    private let to: CaseFormat

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        let names = CaseFormat.allCases.map(\.rawValue)
        let list = names.joined(separator: ", ")
        definition.define("from", .string, .required, .oneOf(names), .high, "How topics are spelt: one of \(list).")
        definition.define("to", .string, .required, .oneOf(names), .high, "How they are to be spelt.")
        return definition
    }()

    init(_ values: ConfigValues) {
        from = CaseFormat(rawValue: values.string("from") ?? "") ?? .lowerHyphen
        to = CaseFormat(rawValue: values.string("to") ?? "") ?? .lowerHyphen
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        var record = record
        record.topic = from.converted(record.topic, to: to)
        return record
    }
}

/// `io.confluent.connect.transforms.ExtractTopic`: a field, or the whole key or value, names the topic.
struct ExtractTopic: Transformation {
    private let part: RecordPart
    private let path: RecordPath
    private let field: String
    private let skipsMissing: Bool

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("field", .string, .value(.string("")), nil, .medium, "The field; the whole when empty.")
        definition.define(
            "field.format", .string, .value(.string("PLAIN")), .oneOf(["JSON_PATH", "PLAIN"], ignoresCase: true),
            .medium, "Whether the field is a name, PLAIN, or a path as in $.user.name, JSON_PATH.")
        definition.define(
            "skip.missing.or.null", .boolean, .value(.boolean(false)), nil, .low,
            "Whether records without the field keep their topic; else they fail.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        field = values.string("field") ?? ""
        skipsMissing = values.flag("skip.missing.or.null")
        if values.string("field.format")?.uppercased() == "JSON_PATH" {
            path = try RecordPath(field)
        } else {
            path = RecordPath(steps: field.isEmpty ? [] : [field])
        }
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let value = path.value(record[part].value)
        if value.isNull {
            if skipsMissing { return record }
            throw .data(
                field.isEmpty
                    ? "\(part == .key ? "Key" : "Value") to take the topic's name from is null"
                    : "Field '\(field)' to take the topic's name from is missing or null")
        }
        guard case .string(let topic) = value, !topic.isEmpty else {
            throw .data("The topic's name has to be a text that is not empty, found: \(value.javaClass)")
        }
        var record = record
        record.topic = topic
        return record
    }
}
