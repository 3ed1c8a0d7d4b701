/// `TimestampConverter`: times as texts, numbers and Connect's logical types.
struct TimestampConverter: Transformation {
    private enum Form: String, Sendable {
        case string, unix
        case date = "Date"
        case time = "Time"
        case timestamp = "Timestamp"
    }

    private enum Precision: String, Sendable, CaseIterable {
        case seconds, milliseconds, microseconds, nanoseconds

        /// In one millisecond; a second has 1000 of them.
        var perMilli: Int64 {
            switch self {
            case .seconds, .milliseconds: 1
            case .microseconds: 1000
            case .nanoseconds: 1_000_000
            }
        }
    }

    private static let purpose = "converting timestamp formats"
    private let part: RecordPart
    private let field: String
    private let target: Form
    private let format: SimpleDateText?
    private let precision: Precision
    private let replacesNull: Bool
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("field", .string, .value(.string("")), nil, .high, "The field; the whole when empty.")
        definition.define(
            "target.type", .string, .required, .oneOf(["string", "unix", "Date", "Time", "Timestamp"]), .high,
            "What the time becomes: string, unix, Date, Time or Timestamp.")
        definition.define(
            "format", .string, .value(.string("")), nil, .medium, "A pattern of SimpleDateFormat for times in texts.")
        definition.define(
            "unix.precision", .string, .value(.string("milliseconds")),
            .oneOf(["nanoseconds", "microseconds", "milliseconds", "seconds"]), .low, "The unit of times in numbers.")
        definition.define(
            "replace.null.with.default", .boolean, .value(.boolean(true)), nil, .medium,
            "Whether a field that is null and has a default counts as the default.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        field = values.string("field") ?? ""
        target = Form(rawValue: values.string("target.type") ?? "") ?? .timestamp
        precision = Precision(rawValue: values.string("unix.precision") ?? "") ?? .milliseconds
        replacesNull = values.flag("replace.null.with.default")
        let pattern = values.string("format") ?? ""
        if target == .string, pattern.trimmed.isEmpty {
            throw .config("TimestampConverter requires format option to be specified when using string timestamps")
        }
        if pattern.trimmed.isEmpty {
            format = nil
        } else {
            do throws(ConnectError) {
                format = try SimpleDateText(pattern)
            } catch {
                // The original gives cause and message in each other's places.
                throw .config(
                    "TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: "
                        + pattern, error.description, nil)
            }
        }
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        guard let schema = current.schema else { return try applySchemaless(record) }
        if field.isEmpty {
            let form = try form(schema)
            return record.with(part, targetSchema(schema.isOptional), try convert(current.value, form))
        }
        let structure = current.value.isNull ? nil : try Requirements.structure(current.value, Self.purpose)
        let updated = try schemas(schema) { schema throws(ConnectError) in
            var fields: [ConnectSchema.Field] = []
            for old in try schema.structFields() {
                fields.append(old.name == field ? .init(old.name, targetSchema(old.schema.isOptional)) : old)
            }
            let updated = try ConnectSchema.structure(basics: schema, isOptional: schema.isOptional, fields: fields)
            guard case .structure(let value) = schema.defaultValue else { return updated }
            return updated.with(defaultValue: .some(.structure(try converted(value, updated))))
        }
        guard let structure else { return record.with(part, updated, .null) }
        return record.with(part, updated, .structure(try converted(structure, updated)))
    }

    private func converted(_ structure: ConnectStruct, _ updated: ConnectSchema) throws(ConnectError) -> ConnectStruct {
        var output = ConnectStruct(updated)
        for (index, old) in structure.schema.fields.enumerated() {
            let value = replacesNull ? structure[index] : structure.values[index]
            try output.put(index, old.name == field ? convert(value, form(old.schema)) : value)
        }
        return output
    }

    private func applySchemaless(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord {
        let value = record[part].value
        if value.isNull || field.isEmpty { return record.with(part, nil, try convert(value, nil)) }
        let map = try Requirements.map(value, Self.purpose)
        var updated = map
        updated[field] = try convert(map[field] ?? .null, nil)
        return record.with(part, nil, .map(updated.hashOrdered(copied: map.count)))
    }

    private func targetSchema(_ isOptional: Bool) -> ConnectSchema {
        switch target {
        case .string: isOptional ? .optionalString : .string
        case .unix: isOptional ? .optionalInt64 : .int64
        case .date: .logical(.date, isOptional: isOptional)
        case .time: .logical(.time, isOptional: isOptional)
        case .timestamp: .logical(.timestamp, isOptional: isOptional)
        }
    }

    private func form(_ schema: ConnectSchema) throws(ConnectError) -> Form {
        switch schema.name {
        case LogicalType.timestamp.rawValue: return .timestamp
        case LogicalType.date.rawValue: return .date
        case LogicalType.time.rawValue: return .time
        default: break
        }
        switch schema.kind {
        case .string: return .string
        case .int64: return .unix
        default:
            throw ConnectError(
                .connect, "Schema \(schema) does not correspond to a known timestamp type format")
        }
    }

    private func form(of value: ConnectValue) throws(ConnectError) -> Form {
        switch value {
        case .instant: return .timestamp
        case .int64: return .unix
        case .string: return .string
        default: throw .data("TimestampConverter does not support class \(value.javaClass) objects as timestamps")
        }
    }

    private func convert(_ value: ConnectValue, _ given: Form?) throws(ConnectError) -> ConnectValue {
        if value.isNull { return .null }
        let form: Form
        if let given { form = given } else { form = try self.form(of: value) }
        let millis = try millis(value, form)
        let day = JavaText.millisOfDay
        switch target {
        case .string: return .string(format?.text(millis) ?? "")
        case .unix: return .int64(try unix(millis))
        case .timestamp: return .instant(millis)
        case .date: return .instant(millis &- floorRemainder(millis, day))
        case .time: return .instant(floorRemainder(millis, day))
        }
    }

    private func floorRemainder(_ value: Int64, _ divisor: Int64) -> Int64 {
        let rest = value % divisor
        return rest < 0 ? rest + divisor : rest
    }

    /// Saturates as Java's `TimeUnit` does.
    private func scaled(_ value: Int64, _ factor: Int64) -> Int64 {
        let (product, overflow) = value.multipliedReportingOverflow(by: factor)
        return overflow ? (value < 0 ? .min : .max) : product
    }

    private func unix(_ millis: Int64) throws(ConnectError) -> Int64 {
        precision == .seconds ? millis / 1000 : scaled(millis, precision.perMilli)
    }

    private func millis(_ value: ConnectValue, _ form: Form) throws(ConnectError) -> Int64 {
        switch (form, value) {
        case (.string, .string(let text)):
            guard let format else {
                throw ConnectError(
                    .nullPointer,
                    "Cannot invoke \"java.text.SimpleDateFormat.parse(String)\" because \"config.format\" is null")
            }
            return try format.millis(text)
        case (.string, _): throw .data("Expected string timestamp to be a String, but found class \(value.javaClass)")
        case (.unix, .int64(let number)):
            return precision == .seconds ? scaled(number, 1000) : number / precision.perMilli
        case (.unix, _): throw .data("Expected Unix timestamp to be a Long, but found class \(value.javaClass)")
        case (_, .instant(let millis)): return millis
        case (_, _): throw .data("Expected \(form.rawValue) to be a java.util.Date, but found class \(value.javaClass)")
        }
    }
}
