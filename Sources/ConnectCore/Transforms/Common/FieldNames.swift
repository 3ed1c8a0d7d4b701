/// `PatternRename` of the common transforms: fields whose names match get others.
struct PatternRename: Transformation {
    private let part: RecordPart
    private let pattern: JavaRegex
    private let replacement: String
    private let schemas = UpdatedSchemas()

    /// What Java's flags are inside of an expression; nil for those that are told otherwise.
    static let flags: [(name: String, letter: Character?)] = [
        ("UNICODE_CHARACTER_CLASS", "U"), ("UNICODE_CASE", "u"), ("DOTALL", "s"), ("LITERAL", nil),
        ("MULTILINE", "m"), ("COMMENTS", "x"), ("CASE_INSENSITIVE", "i"), ("UNIX_LINES", "d"),
    ]

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "field.pattern", .string, .required, nil, .high,
            "An expression of Java's; names in which it is found are changed.")
        definition.define(
            "field.pattern.flags", .list, .value(.list(["CASE_INSENSITIVE"])),
            ConfigValidator { (name, value) throws(ConnectError) in
                guard case .list(let items) = value else { return }
                for item in items where !flags.contains(where: { $0.name == item }) {
                    throw .config(
                        name, item, "String must be one of: \(flags.map(\.name).joined(separator: ", "))")
                }
            }, .low, "Flags of the expression: \(flags.map(\.name).joined(separator: ", ")).")
        definition.define(
            "field.replacement", .string, .required, nil, .high,
            "What stands in the place of all that matches; $1 is what a group matched.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        var text = values.string("field.pattern") ?? ""
        let flags = values.list("field.pattern.flags")
        if flags.contains("LITERAL") { text = "\\Q" + text.replacing("\\E", with: "\\E\\\\E\\Q") + "\\E" }
        let letters = Self.flags.filter { flags.contains($0.name) }.compactMap(\.letter)
        if !letters.isEmpty { text = "(?\(String(letters)))" + text }
        do throws(ConnectError) { pattern = try JavaRegex(text) } catch {
            throw .config("field.pattern", values.string("field.pattern"), "Invalid regex: \(error.message)")
        }
        replacement = values.string("field.replacement") ?? ""
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        if current.schema == nil, case .map(let map) = current.value {
            var output = ConnectMap()
            for entry in map.entries {
                let name = entry.key.string ?? JavaText.string(entry.key)
                output[try pattern.replacingAll(in: name, with: replacement)] = entry.value
            }
            return record.with(part, nil, .map(output))
        }
        let structure = try Requirements.structure(current.value, "renaming fields")
        let updated = try schemas(structure.schema) { schema throws(ConnectError) in
            var fields: [ConnectSchema.Field] = []
            for field in schema.fields {
                fields.append(
                    .init(try pattern.replacingAll(in: field.name, with: replacement), field.schema))
            }
            try ConnectSchema.checkFields(fields)
            return schema.with(version: .some(nil), fields: fields)
        }
        return record.with(part, updated, .structure(ConnectStruct(updated, values: structure.values)))
    }
}

/// `PatternFilter` of the common transforms: drops records in which a text matches.
struct PatternFilter: Transformation {
    private let part: RecordPart
    private let pattern: JavaRegex
    private let fields: [String]

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "pattern", .string, .required, .regex, .high,
            "An expression of Java's; records are dropped where all of a field's text matches.")
        definition.define("fields", .list, .value(.list([])), nil, .high, "The fields to look at.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        pattern = try JavaRegex(values, "pattern")
        fields = values.list("fields")
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        for field in fields {
            if case .string(let text) = record[part].value.member(field), try pattern.matches(text) { return nil }
        }
        return record
    }
}

/// `ChangeCase` of the common transforms: the names of fields, also of those inside, in another spelling.
struct ChangeCase: Transformation {
    private let part: RecordPart
    private let from: CaseFormat
    private let to: CaseFormat
    private let passed: Set<String>
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        let names = CaseFormat.allCases.map(\.rawValue)
        let list = names.joined(separator: ", ")
        definition.define("from", .string, .required, .oneOf(names), .high, "How names are spelt: one of \(list).")
        definition.define("to", .string, .required, .oneOf(names), .high, "How they are to be spelt.")
        definition.define(
            "passthrough.fields", .list, .value(.list([])), nil, .medium,
            "Fields, at any depth, inside of which names stay as they are.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        from = CaseFormat(rawValue: values.string("from") ?? "") ?? .lowerHyphen
        to = CaseFormat(rawValue: values.string("to") ?? "") ?? .lowerHyphen
        passed = Set(values.list("passthrough.fields"))
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        if current.schema == nil, case .map = current.value {
            return record.with(part, nil, try renamed(current.value, depth: 0))
        }
        let structure = try Requirements.structure(current.value, "changing the case of fields")
        let updated = try schemas(structure.schema) { schema throws(ConnectError) in
            try schema.requireTree("fields in another spelling")
            return try self.schema(schema, depth: 0)
        }
        return record.with(part, updated, .structure(try value(structure, updated, depth: 0)))
    }

    private func name(_ name: String) -> String { from.converted(name, to: to) }

    private static func check(_ depth: Int) throws(ConnectError) {
        guard depth < ConnectSchema.depthMax else { throw .data("Value is nested too deep") }
    }

    private func renamed(_ value: ConnectValue, depth: Int) throws(ConnectError) -> ConnectValue {
        try Self.check(depth)
        switch value {
        case .map(let map):
            var output = ConnectMap()
            for entry in map.entries {
                guard case .string(let key) = entry.key else {
                    output[entry.key] = entry.value
                    continue
                }
                output[name(key)] = passed.contains(key) ? entry.value : try renamed(entry.value, depth: depth + 1)
            }
            return .map(output)
        case .array(let elements):
            var output: [ConnectValue] = []
            for element in elements { output.append(try renamed(element, depth: depth + 1)) }
            return .array(output)
        default: return value
        }
    }

    private func schema(_ schema: ConnectSchema, depth: Int) throws(ConnectError) -> ConnectSchema {
        try Self.check(depth)
        switch schema.kind {
        case .array:
            guard let element = schema.valueSchema else { return schema }
            return .array(try self.schema(element, depth: depth + 1), isOptional: schema.isOptional)
        case .structure:
            var fields: [ConnectSchema.Field] = []
            for field in schema.fields {
                fields.append(
                    .init(
                        name(field.name),
                        passed.contains(field.name) ? field.schema : try self.schema(field.schema, depth: depth + 1)))
            }
            try ConnectSchema.checkFields(fields)
            return .structure(fields, name: schema.name, isOptional: schema.isOptional)
        default: return schema
        }
    }

    private func value(
        _ structure: ConnectStruct, _ updated: ConnectSchema, depth: Int
    ) throws(ConnectError) -> ConnectStruct {
        var values: [ConnectValue] = []
        for (index, field) in updated.fields.enumerated() {
            values.append(try value(structure[index], field.schema, depth: depth + 1))
        }
        return ConnectStruct(updated, values: values)
    }

    private func value(
        _ value: ConnectValue, _ updated: ConnectSchema?, depth: Int
    ) throws(ConnectError) -> ConnectValue {
        try Self.check(depth)
        switch (value, updated) {
        case (.structure(let structure), let updated?) where structure.schema != updated:
            return .structure(try self.value(structure, updated, depth: depth))
        case (.array(let elements), let updated?):
            var output: [ConnectValue] = []
            for element in elements { output.append(try self.value(element, updated.valueSchema, depth: depth + 1)) }
            return .array(output)
        default: return value
        }
    }
}

/// `TopicNameToField` of the common transforms: a field with the topic's name.
struct TopicNameToField: Transformation {
    private let part: RecordPart
    private let field: String
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("field", .string, .required, .notEmpty, .high, "The name of the field with the topic.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        field = values.string("field") ?? ""
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        if current.schema == nil, case .map(var map) = current.value {
            map[field] = .string(record.topic)
            return record.with(part, nil, .map(map))
        }
        let structure = try Requirements.structure(current.value, "inserting the topic")
        let updated = try schemas(structure.schema) { schema throws(ConnectError) in
            let topic = ConnectSchema.string.with(doc: .some("Topic name"))
            return try .structure(
                basics: schema, isOptional: schema.isOptional, fields: schema.fields + [.init(field, topic)])
        }
        return record.with(
            part, updated, .structure(ConnectStruct(updated, values: structure.values + [.string(record.topic)])))
    }
}

/// `ExtractNestedField` of the common transforms: a field of a struct inside beside that struct.
struct ExtractNestedField: Transformation {
    private let part: RecordPart
    private let outer: String
    private let inner: String
    private let output: String
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("input.outer.field.name", .string, .required, nil, .high, "The field with the struct.")
        definition.define("input.inner.field.name", .string, .required, nil, .high, "The field inside of it.")
        definition.define("output.field.name", .string, .required, nil, .high, "The new field's name.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        outer = values.string("input.outer.field.name") ?? ""
        inner = values.string("input.inner.field.name") ?? ""
        output = values.string("output.field.name") ?? ""
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        let structure = try Requirements.structure(current.value, "extracting a nested field")
        let updated = try schemas(structure.schema) { schema throws(ConnectError) in
            guard let field = schema.field(outer)?.schema.field(inner) else {
                throw .data("\(inner) is not a valid field name of \(outer)")
            }
            let found =
                schema.field(outer)?.schema.isOptional == true ? field.schema.with(isOptional: true) : field.schema
            let fields = schema.fields + [.init(output, found)]
            try ConnectSchema.checkFields(fields)
            return .structure(fields, name: schema.name, isOptional: schema.isOptional)
        }
        let value = structure[outer]?.structure?[inner] ?? .null
        return record.with(part, updated, .structure(ConnectStruct(updated, values: structure.values + [value])))
    }
}
