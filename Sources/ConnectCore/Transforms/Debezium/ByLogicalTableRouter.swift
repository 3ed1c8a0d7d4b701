/// `io.debezium.transforms.ByLogicalTableRouter`: the events of several tables (shards) into one topic.
struct ByLogicalTableRouter: Transformation {
    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "topic.regex", .string, .null, nil, .low, "An expression of Java's that the topic has to match.",
            width: .long, displayName: "Topic regex")
        definition.define(
            "topic.replacement", .string, .null, nil, .low, "The topic's new name; $1 is what a group matched.",
            width: .long, displayName: "Topic replacement")
        definition.define(
            "key.enforce.uniqueness", .boolean, .value(.boolean(true)), nil, .low,
            "Whether the key gets a field that says which table it comes from.")
        definition.define(
            "key.field.regex", .string, .null, nil, .low, "An expression that makes the content of that field.")
        definition.define("key.field.replacement", .string, .null, nil, .low, "The replacement to it.")
        definition.define(
            "key.field.name", .string, .value(.string("__dbz__physicalTableIdentifier")), nil, .low,
            "The name of that field.", isInternal: true)
        definition.define(
            "logical.table.cache.size", .int, .value(.integer(16)), nil, .low,
            "Taken for compatibility, without effect.")
        definition.define(
            "schema.name.adjustment.mode", .string, .value(.string("none")), .oneOf(["none", "avro", "avro_unicode"]),
            .low, "Whether names of schemas are changed to those that Avro takes.", isInternal: true)
        return definition
    }()

    private let topicRegex: JavaRegex
    private let topicReplacement: String
    private let enforcesUniqueness: Bool
    private let keyFieldRegex: JavaRegex?
    private let keyFieldReplacement: String
    private let keyFieldName: String
    /// `schema.name.adjustment.mode`
    private let adjustment: String
    private let schemas = ConnectCache<NamedSchema, ConnectSchema>(countMax: 256)

    private struct NamedSchema: Hashable, Sendable {
        var name: String
        var schema: ConnectSchema
    }

    init(_ values: ConfigValues) throws(ConnectError) {
        for option in ["topic.regex", "topic.replacement"] where values.text(option) == nil {
            throw .config("The '\(option)' value is invalid: A value is required")
        }
        topicRegex = try JavaRegex(values, "topic.regex")
        topicReplacement = values.string("topic.replacement") ?? ""
        enforcesUniqueness = values.flag("key.enforce.uniqueness")
        keyFieldRegex = values.text("key.field.regex") == nil ? nil : try JavaRegex(values, "key.field.regex")
        keyFieldReplacement = values.string("key.field.replacement") ?? ""
        keyFieldName = values.string("key.field.name") ?? "__dbz__physicalTableIdentifier"
        adjustment = values.string("schema.name.adjustment.mode") ?? "none"
        if keyFieldRegex != nil, keyFieldReplacement.isEmpty {
            throw .config("key.field.replacement must be non-empty if key.field.regex is set.")
        }
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let old = record.topic
        guard try topicRegex.matches(old) else { return record }
        let topic = try topicRegex.replacingFirst(in: old, with: topicReplacement)
        guard !topic.isEmpty else { return record }
        var record = record
        record.topic = topic
        if case .structure(let key) = record.key.value {
            let schema = try keySchema(key.schema, topic)
            var values = key.values
            if enforcesUniqueness { values.append(.string(try identifier(old))) }
            record.key = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: values)))
        }
        // Heartbeats, ends of transactions and rows that are taken out already keep their value as it is.
        guard case .structure(let event) = record.value.value, ExtractNewRecordState.isEvent(event.schema)
        else { return record }
        let schema = try envelope(event.schema, topic)
        let values = zip(event.values, schema.fields).map { value, field -> ConnectValue in
            guard case .structure(let row) = value, row.schema != field.schema else { return value }
            return .structure(ConnectStruct(field.schema, values: row.values))
        }
        record.value = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: values)))
        return record
    }

    private func identifier(_ topic: String) throws(ConnectError) -> String {
        guard let keyFieldRegex, try keyFieldRegex.matches(topic) else { return topic }
        return try keyFieldRegex.replacingFirst(in: topic, with: keyFieldReplacement)
    }

    private func keySchema(_ schema: ConnectSchema, _ topic: String) throws(ConnectError) -> ConnectSchema {
        let pair = NamedSchema(name: topic + ".Key", schema: schema)
        if let known = schemas[pair] { return known }
        var fields = schema.fields
        if enforcesUniqueness { fields.append(.init(keyFieldName, .string)) }
        try ConnectSchema.checkFields(fields)
        let made = schema.with(name: .some(adjusted(topic + ".Key")), fields: fields)
        schemas[pair] = made
        return made
    }

    private func envelope(_ schema: ConnectSchema, _ topic: String) throws(ConnectError) -> ConnectSchema {
        let pair = NamedSchema(name: topic + ".Envelope", schema: schema)
        if let known = schemas[pair] { return known }
        let fields = schema.fields.map { field -> ConnectSchema.Field in
            guard field.name == "before" || field.name == "after", field.schema.kind == .structure else { return field }
            return .init(field.name, field.schema.with(name: .some(adjusted(topic + ".Value"))))
        }
        let made = schema.with(name: .some(adjusted(topic + ".Envelope")), fields: fields)
        schemas[pair] = made
        return made
    }

    /// A schema's name as Avro takes it, where that is wanted.
    private func adjusted(_ name: String) -> String {
        guard adjustment != "none" else { return name }
        var text = ""
        var isFirst = true
        for unit in name.utf16 {
            let isDigit = 0x30...0x39 ~= unit
            let isUnderscore = unit == 0x5F && adjustment == "avro"
            let isLetter = 0x41...0x5A ~= unit || 0x61...0x7A ~= unit || isUnderscore
            if isLetter || unit == 0x2E || (isDigit && !isFirst), let scalar = Unicode.Scalar(unit) {
                text.unicodeScalars.append(scalar)
            } else if adjustment == "avro" {
                text += "_" + (isDigit ? String(unit - 0x30) : "")
            } else {
                let digits = String(unit, radix: 16)
                text += "_u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            }
            isFirst = unit == 0x2E
        }
        return text
    }
}
