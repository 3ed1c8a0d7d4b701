private func replacesNullOption(_ definition: inout ConfigDef) {
    definition.define(
        "replace.null.with.default", .boolean, .value(.boolean(true)), nil, .medium,
        "Whether a field that is null and has a default counts as the default.")
}

/// The way to a field: one name, or with `field.syntax.version` V2 names with dots between them; a name with dots stands
/// between backticks.
struct FieldPath: Sendable {
    let steps: [String]
    let text: String

    /// By names with points between them, none of which stands in a name.
    init(points text: String) {
        self.text = text
        steps = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    }

    init(_ text: String, isNested: Bool) throws(ConnectError) {
        self.text = text
        guard isNested else {
            steps = [text]
            return
        }
        var steps: [String] = []
        let characters = Array(text)
        var at = 0
        while at <= characters.count {
            var step = ""
            if at < characters.count, characters[at] == "`" {
                let opened = at
                at += 1
                var isClosed = false
                while at < characters.count {
                    // A backtick ends the name only where a dot or the end follows, and none behind a backslash.
                    // The backslash goes only where the backtick would have ended the name.
                    guard characters[at] == "`", at + 1 == characters.count || characters[at + 1] == "." else {
                        step.append(characters[at])
                        at += 1
                        continue
                    }
                    guard characters[at - 1] == "\\" else {
                        isClosed = true
                        at += 1
                        break
                    }
                    // At the end of the path it stays open.
                    if at + 1 == characters.count { break }
                    step.removeLast()
                    step.append("`")
                    at += 1
                }
                guard isClosed else {
                    throw .config(
                        "Incomplete backtick pair in path: [\(text)], consider adding a backslash before backtick at "
                            + "position \(opened) to escape it")
                }
            } else {
                while at < characters.count, characters[at] != "." {
                    step.append(characters[at])
                    at += 1
                }
            }
            steps.append(step)
            at += 1  // the dot
        }
        self.steps = steps
    }

    /// nil where there is no such field.
    func schema(_ schema: ConnectSchema) -> ConnectSchema? {
        var current = schema
        for step in steps {
            guard current.kind == .structure, let field = current.field(step) else { return nil }
            current = field.schema
        }
        return current
    }

    func value(_ structure: ConnectStruct, replacesNull: Bool) throws(ConnectError) -> ConnectValue {
        var current = ConnectValue.structure(structure)
        for step in steps {
            if current.isNull { return .null }
            let structure = try Requirements.structure(current, "nested field access")
            current = try structure.value(step, replacesNull: replacesNull)
        }
        return current
    }

    func value(_ map: ConnectMap) throws(ConnectError) -> ConnectValue {
        var current = ConnectValue.map(map)
        for (index, step) in steps.enumerated() {
            if index > 0, current.isNull { return .null }
            let map = try Requirements.map(current, index > 0 ? "nested field access" : "field extraction")
            current = map[step] ?? .null
        }
        return current
    }

    static func define(in definition: inout ConfigDef) {
        definition.define(
            "field.syntax.version", .string, .value(.string("V1")), .oneOf(["V1", "V2"], ignoresCase: true), .high,
            "How fields are named: V1 by a name of the first level, V2 also by paths with dots.")
    }
}

/// `ExtractField`: one field in the place of the whole.
struct ExtractField: Transformation {
    private let part: RecordPart
    private let path: FieldPath
    private let replacesNull: Bool

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("field", .string, .required, nil, .medium, "The field to take out.")
        FieldPath.define(in: &definition)
        replacesNullOption(&definition)
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        path = try FieldPath(
            values.string("field") ?? "", isNested: values.string("field.syntax.version")?.uppercased() == "V2")
        replacesNull = values.flag("replace.null.with.default")
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        guard let schema = current.schema else {
            if current.value.isNull { return record.with(part, nil, .null) }
            return record.with(part, nil, try path.value(Requirements.map(current.value, "field extraction")))
        }
        let structure = current.value.isNull ? nil : try Requirements.structure(current.value, "field extraction")
        guard let field = path.schema(schema) else {
            throw ConnectError(.illegalArgument, "Unknown field: \(path.text)")
        }
        return record.with(
            part, field,
            try structure.map { structure throws(ConnectError) in
                try path.value(structure, replacesNull: replacesNull)
            } ?? .null)
    }
}

/// `HoistField`: the whole as the one field of a struct or map.
struct HoistField: Transformation {
    private let part: RecordPart
    private let field: String
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("field", .string, .required, nil, .medium, "The name of the field that is made.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        field = values.string("field") ?? ""
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        guard let schema = current.schema else {
            return record.with(part, nil, .map(ConnectMap([(field, current.value)])))
        }
        let updated = try schemas(schema) { schema throws(ConnectError) in
            let fields = [ConnectSchema.Field(field, schema)]
            try ConnectSchema.checkFields(fields)
            return .structure(fields)
        }
        var structure = ConnectStruct(updated)
        try structure.put(0, current.value)
        return record.with(part, updated, .structure(structure))
    }
}

/// `InsertField`: fields with what is known of the record, or with a text.
struct InsertField: Transformation {
    private enum Source: Sendable { case topic, partition, offset, timestamp, text(String) }

    private let part: RecordPart
    private let insertions: [(name: String, isOptional: Bool, source: Source)]
    private let replacesNull: Bool
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        let suffix = " A `!` behind the name makes the field required, a `?` optional, as it is without either."
        definition.define("topic.field", .string, .null, nil, .medium, "Name of a field with the topic." + suffix)
        definition.define(
            "partition.field", .string, .null, nil, .medium, "Name of a field with the partition." + suffix)
        definition.define(
            "offset.field", .string, .null, nil, .medium, "Name of a field with the offset; in sinks only." + suffix)
        definition.define(
            "timestamp.field", .string, .null, nil, .medium, "Name of a field with the record's time." + suffix)
        definition.define("static.field", .string, .null, nil, .medium, "Name of a field with a fixed text." + suffix)
        definition.define("static.value", .string, .null, nil, .medium, "The fixed text.")
        replacesNullOption(&definition)
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        replacesNull = values.flag("replace.null.with.default")
        var insertions: [(String, Bool, Source)] = []
        func add(_ option: String, _ source: Source) {
            guard let spec = values.string(option) else { return }
            switch spec.last {
            case "?": insertions.append((String(spec.dropLast()), true, source))
            case "!": insertions.append((String(spec.dropLast()), false, source))
            default: insertions.append((spec, true, source))
            }
        }
        add("topic.field", .topic)
        add("partition.field", .partition)
        add("offset.field", .offset)
        add("timestamp.field", .timestamp)
        let text = values.string("static.value")
        add("static.field", .text(text ?? ""))
        guard !insertions.isEmpty else { throw .config("No field insertion configured") }
        if let name = values.string("static.field"), text == nil {
            throw .config("static.value", nil, "No value specified for static field: \(name)")
        }
        self.insertions = insertions
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        guard let schema = current.schema else {
            let map = try Requirements.map(current.value, "field insertion")
            var updated = map
            for insertion in insertions {
                var value = try value(insertion.source, record)
                if case .instant(let millis) = value { value = .int64(millis) }
                updated[insertion.name] = value
            }
            return record.with(part, nil, .map(updated.hashOrdered(copied: map.count)))
        }
        let structure = try Requirements.structure(current.value, "field insertion")
        let updated = try schemas(schema) { schema throws(ConnectError) in
            let added = insertions.map { ConnectSchema.Field($0.name, Self.schema($0.source, $0.isOptional)) }
            return try .structure(basics: schema, fields: schema.fields + added)
        }
        var output = ConnectStruct(updated)
        for index in schema.fields.indices {
            try output.put(index, replacesNull ? structure[index] : structure.values[index])
        }
        for (index, insertion) in insertions.enumerated() {
            try output.put(schema.fields.count + index, value(insertion.source, record))
        }
        return record.with(part, updated, .structure(output))
    }

    private static func schema(_ source: Source, _ isOptional: Bool) -> ConnectSchema {
        switch source {
        case .topic, .text: isOptional ? .optionalString : .string
        case .partition: isOptional ? .optionalInt32 : .int32
        case .offset: isOptional ? .optionalInt64 : .int64
        case .timestamp: isOptional ? .optionalTimestamp : .timestamp
        }
    }

    private func value(_ source: Source, _ record: ConnectRecord) throws(ConnectError) -> ConnectValue {
        switch source {
        case .topic: return .string(record.topic)
        case .partition: return record.partition.map { .int32($0) } ?? .null
        case .offset:
            guard let offset = record.kafkaOffset else {
                throw .data("Only SinkRecord supported for [field insertion], found: \(record.javaClass)")
            }
            return .int64(offset)
        case .timestamp: return record.timestamp.map { .instant($0) } ?? .null
        case .text(let text): return .string(text)
        }
    }
}

/// `ReplaceField`: fields left out, kept or renamed.
struct ReplaceField: Transformation {
    private let part: RecordPart
    private let excluded: Set<String>
    private let included: Set<String>
    private let renames: [String: String]
    private let replacesNull: Bool
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("exclude", .list, .value(.list([])), nil, .medium, "Fields to leave out; wins over include.")
        definition.define("include", .list, .value(.list([])), nil, .medium, "The fields to keep; all when empty.")
        definition.define("renames", .list, .value(.list([])), nil, .medium, "Fields to rename, as old:new.")
        replacesNullOption(&definition)
        for name in ["blacklist", "whitelist"] {
            definition.define(name, .list, .value(.list([])), nil, .low, "An earlier name.", isInternal: true)
        }
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        replacesNull = values.flag("replace.null.with.default")
        let exclude = values.list("exclude")
        let include = values.list("include")
        excluded = Set(exclude.isEmpty ? values.list("blacklist") : exclude)
        included = Set(include.isEmpty ? values.list("whitelist") : include)
        var renames: [String: String] = [:]
        for mapping in values.list("renames") {
            let parts = mapping.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[1].isEmpty else {
                throw .config(
                    "renames", "[" + values.list("renames").joined(separator: ", ") + "]",
                    "Invalid rename mapping: \(mapping)")
            }
            renames[String(parts[0])] = String(parts[1])
        }
        self.renames = renames
    }

    private func keeps(_ name: String) -> Bool {
        !excluded.contains(name) && (included.isEmpty || included.contains(name))
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        guard let schema = current.schema else {
            let map = try Requirements.map(current.value, "field replacement")
            var updated = ConnectMap()
            for entry in map.entries {
                guard case .string(let name) = entry.key else { continue }
                if keeps(name) { updated[renames[name] ?? name] = entry.value }
            }
            return record.with(part, nil, .map(updated.hashOrdered(copied: map.count)))
        }
        let structure = try Requirements.structure(current.value, "field replacement")
        let updated = try schemas(schema) { schema throws(ConnectError) in
            try .structure(
                basics: schema,
                fields: schema.fields.filter { keeps($0.name) }.map { .init(renames[$0.name] ?? $0.name, $0.schema) })
        }
        var values: [ConnectValue] = []
        for (index, field) in schema.fields.enumerated() where keeps(field.name) {
            // A field that keeps its name while another was to take it is looked for under that one's.
            if renames[field.name] == nil, let other = renames.first(where: { $0.value == field.name })?.key {
                throw .data("\(other) is not a valid field name")
            }
            let value = replacesNull ? structure[index] : structure.values[index]
            try field.schema.check(value, field: field.name)
            values.append(value)
        }
        return record.with(part, updated, .structure(ConnectStruct(updated, values: values)))
    }
}

/// `ValueToKey`: a key made of fields of the value.
struct ValueToKey: Transformation {
    private let fields: [String]
    private let replacesNull: Bool
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("fields", .list, .required, .someNames, .high, "The value's fields that make the key.")
        replacesNullOption(&definition)
        return definition
    }()

    init(_ values: ConfigValues) {
        var fields: [String] = []
        for field in values.list("fields") where !fields.contains(field) { fields.append(field) }
        self.fields = fields
        replacesNull = values.flag("replace.null.with.default")
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard let schema = record.value.schema else {
            let map = try Requirements.map(record.value.value, "copying fields from value to key")
            let key = ConnectMap(fields.map { ($0, map[$0] ?? .null) })
            return record.with(.key, nil, .map(key.hashOrdered(copied: fields.count)))
        }
        let structure = try Requirements.structure(record.value.value, "copying fields from value to key")
        let updated = try schemas(schema) { schema throws(ConnectError) in
            var keyFields: [ConnectSchema.Field] = []
            for name in fields {
                guard let field = schema.field(name) else { throw .data("Field does not exist: \(name)") }
                keyFields.append(field)
            }
            try ConnectSchema.checkFields(keyFields)
            return .structure(keyFields)
        }
        var key = ConnectStruct(updated)
        for (index, name) in fields.enumerated() {
            try key.put(index, structure.value(name, replacesNull: replacesNull))
        }
        return record.with(.key, updated, .structure(key))
    }
}
